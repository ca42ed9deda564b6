"""What must hold for a recorded step to run, as words of memory that must hold what they held."""

from __future__ import annotations

from typing import Any

from clearprop import structure
from clearprop.compiler.engines.llvm.doorstep.objects import (
    CELL_CONTENT,
    COUNT,
    LIST_ITEMS,
    LIST_SIZE,
    TYPE,
    Entries,
    attributes_of,
    form_of,
    made_of,
    members,
    slot,
    viewed,
    word,
)
from clearprop.modes import special

MANY = 20_000  # words: a step that depends on more of them is checked in Python
_VALUES: Any = type({}.values())


class Conditions:
    """What `Guard.holds` and `Store.ready` check: words that stay `equal`, and words that grow to no `more`.

    They are looked at one after the other and only until one differs, so a word may lie where an earlier one
    points to. What is not a word, a variable in an odd place, is left in `names`. Raises LookupError where
    something is not laid out as expected.

    With `beside`, the caller has seen that this thread is in no block, whatever others are in.
    """

    def __init__(self, variant: Any, beside: bool = False) -> None:
        self.equal: list[tuple[int, int]] = []
        self.more: list[tuple[int, int]] = []
        self.names: list[tuple[Any, str, Any]] = []
        guard, store = variant.guard, variant.recording.store
        if len(guard.saved) > MANY:  # a word for each at least: finding them all out would take seconds
            raise LookupError("too many words")
        if guard.asked:
            raise LookupError("a container that only its own class goes through")
        # Where an address was, something else may lie later: what is compared stays alive.
        self.kept: list[Any] = [*guard.cells, *guard.functions, *guard.iterables, *guard.saved]
        self.kept += [*guard.keys, *guard.leaves, *guard.objects]
        self.more.append((variant.recording.turns.ctypes.data, -1))  # no proof is due
        self._same(variant.recording.busy.ctypes.data)
        for count in ("proofs",) if beside else ("proofs", "blocks"):
            self.equal.append((slot(special, count), id(0)))
        self._same(store.moves.ctypes.data)  # and the store keeps its arrays, until it has others
        self._variables([*guard.spaces, (vars(structure), "_count")])
        for cell in guard.cells:
            self._same(id(cell) + CELL_CONTENT)
        for function in guard.functions:
            self._same(*made_of(function))
        for container in guard.iterables:
            self._container(container)
        for container in guard.named:
            self._same(*Entries(id(container), container).keys.values())
        for x in guard.objects:
            self._same(id(x) + TYPE, attributes_of(x))
        for tensor in guard.leaves:
            self._same(slot(tensor, "requires_grad"))
        for tensor in (*guard.without, *guard.having):
            self._same(slot(tensor, "grad"))
        for tensors, name in ((store.values, "_value"), (store.grads, "grad")):
            for tensor in tensors:
                self._same(slot(tensor, name))
        for address in map(id, store.owned):
            self.more.append((address + COUNT, word(address + COUNT)))
        if len(self.equal) > MANY:
            raise LookupError("too many words")

    def _same(self, *addresses: int) -> None:
        self.equal += [(address, word(address)) for address in addresses]

    def _variables(self, spaces: list[tuple[Any, str]]) -> None:
        """Let global variables have to stay the same objects."""
        modules: dict[int, Entries] = {}
        added: dict[int, None] = {}
        for space, name in spaces:
            if getattr(space, "straight", False):  # the contents of an array
                self.kept.append(space)
                self._same(*space.words())
                continue
            if hasattr(space, "arrays"):  # how they lie
                self.kept.append(space)
                for x in space.arrays:
                    self._same(*form_of(x))
                continue
            if type(space) is not dict:
                self.names.append((space, name, space.get(name)))
                continue
            self.kept += [space, space.get(name)]
            if id(space) not in modules:
                modules[id(space)] = Entries(id(space), space)
                self.kept.append(list(modules[id(space)].keys))
                self._same(*modules[id(space)].frame)
            entries = modules[id(space)]
            if name in entries.keys:
                self._same(entries.keys[name], entries.values[name])
            elif name in space or entries.added is None:
                raise LookupError(name)
            else:  # it has not come meanwhile, nor has another
                added[entries.added] = None
        self._same(*added)

    def _container(self, container: Any) -> None:
        """Let a list, or the dict behind a view of its values, have to stay as it is."""
        if isinstance(container, list):
            items = word(id(container) + LIST_ITEMS)
            self._same(id(container) + LIST_SIZE, id(container) + LIST_ITEMS)
            self._same(*range(items, items + 8 * len(container), 8))
        elif type(container) is _VALUES:  # an OrderedDict's keeps an order of its own
            entries = Entries(viewed(container), container.mapping)
            self._same(entries.size, *entries.frame, *entries.order, *entries.values.values())
        elif isinstance(container, set):
            self._same(*members(container))
        else:
            raise LookupError(type(container))
