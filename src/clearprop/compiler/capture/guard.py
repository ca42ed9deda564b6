"""What a recording depended on besides arrays (variables, attributes, modes), and whether it has changed."""

from __future__ import annotations

import itertools
import operator
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from clearprop import structure
from clearprop.compiler.capture.attributes import PAST
from clearprop.compiler.capture.chance import drawn, taken
from clearprop.compiler.capture.culprits import checksum, likely_lines, reached
from clearprop.compiler.capture.forms import Forms, form
from clearprop.compiler.capture.mentions import updated_in
from clearprop.compiler.capture.openly import Plainly, held_in, holds_stand_in, is_a, is_tensor, keys_of
from clearprop.compiler.capture.places import PlacesOfTables
from clearprop.compiler.capture.reading import ASKING
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.capture.surroundings import (
    END,
    Contents,
    Slots,
    Snapshot,
    Surroundings,
    inside,
    lost,
    named_in,
)
from clearprop.compiler.capture.tables import COUNTS, MANY, LargeTables
from clearprop.compiler.capture.undoing import Undoing
from clearprop.compiler.capture.uses import Places, Uses, might_ask, with_inner
from clearprop.op import describe
from clearprop.tensor import Tensor

_NUMBERS = (bool, int, float, str)
_COMPARED = (bool, int, float, str, bytes, type(None))
_TOLD = {"__doc__", "__name__", "__qualname__", "__annotations__", "__bases__", "__mro__"}
_made_of = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__")
_attributes = operator.attrgetter("__dict__")
_requires_grad, _contents = operator.attrgetter("requires_grad"), operator.attrgetter("cell_contents")


class Unseen(Exception):
    """A run has met large tables in a way that does not tell what it reads of them."""


class Lookout:
    """Looks at a function's surroundings before and after it is recorded, for changes that would be lost."""

    others: list[Any]
    count: int

    def __init__(
        self,
        function: Callable[..., Any],
        others: Iterable[Any] = (),
        restores: bool = False,
        tables: LargeTables | None = None,
    ) -> None:
        self.function = function
        self.around: Surroundings = Surroundings(function, others, tables)
        if tables is not None and not tables.settled and self.around.watched() > MANY:
            tables.watch_all()
            self.around = Surroundings(function, others, tables)
        if tables is not None and tables.known and not tables.settled and self._asks_for_types(0):
            tables, self.around = None, Surroundings(function, others)
        self.tables = tables
        self.places: PlacesOfTables | None = None
        self.unseen: bool = False  # whether the run may have read what nobody was told of
        self.others, self.count = list(others), structure.count()
        self.uses: Uses = Uses(self._unknown())
        self.before: Snapshot = self.around.snapshot()
        self._start()
        self.back: Undoing | None = None
        if restores or (tables is not None and tables.known and not tables.settled):
            self.back = Undoing(self.around, self.before)

    def _start(self) -> None:
        self.chance: list[Any] = drawn(self.around.generators)
        self.taken: list[Any] = list(map(taken, self.around.iterators))
        self.sums: list[int] = list(map(checksum, self.around.buffers))
        self.forms: list[Any] = list(map(form, self.around.buffers))
        self.same: bool = False  # whether nothing had changed when it was last checked
        self.hidden: list[Any] = [x.get("") for x in self.around.asking]

    def _unknown(self) -> list[Any]:
        """Return the objects of which it matters whether the run asks them: code in reach names them."""
        around, closed = self.around, self.around.closed
        words = {name for code in around.codes for name in named_in(code)} if around.asking else set()
        words |= around.methods
        found = [x.thing for x in around.asking if not words.isdisjoint(x.row.asked.split())]
        if closed:
            found += might_ask(closed, self._places(), around.codes)
        return found

    def _places(self) -> Places:
        often = {id(x) for x in self.around.closed} | {id(x.thing) for x in self.around.asking}
        return list(reached(self.function, self.others, self.tables, often))

    def asked(self) -> list[Any]:
        """Return what the run has asked of them, after it; RecordingError where nobody can look into one."""
        if self.uses.things:
            self.uses.by_name(self._places(), self.around.codes)
        lines = self.uses.asked
        for x in self.around.closed:
            if id(x) in lines:
                name = f"{type(x).__module__}.{type(x).__qualname__}"
                raise lost(
                    f"the step asks a {name}, and nobody can tell when it changes: later calls would not ask",
                    hint="asking it outside of the step, and passing the answer as an argument",
                    where=f"At {lines[id(x)]}.",
                )
        found = [x for x in self.around.asking if id(x.thing) in lines]
        for x, old in zip(self.around.asking, self.hidden, strict=True):
            if id(x.thing) in lines and x.get("") is not old:
                raise lost(
                    f"the step changes a {type(x.thing).__name__}: later calls would not",
                    hint="changing it outside of the step, by what the step returns",
                    where=f"At {lines[id(x.thing)]}.",
                )
        return [x.thing for x in found]

    def again(self, others: list[Any]) -> bool:
        """Start once more from now, where the very same things are within reach; otherwise return False."""
        here = self.count == structure.count() and _identical(self.others, others)
        if not here or not all(map(_identical, _all(self.before), _all(self.around.snapshot()))):
            return False
        self._start()
        return True

    # --- large tables ---------------------------------------------------------------------------------------
    @contextmanager
    def noting(self, meets: Callable[[list[Tensor], list[Any]], None]) -> Iterator[None]:
        """Note meanwhile what is read of large tables; `meets` is told of leaves and arrays in it, first.

        Raises Unseen where that cannot be told: the run is to be repeated without.
        """
        tables = self.tables
        if tables is None or not tables.known:
            yield
            return
        self.meets = meets
        self.places = PlacesOfTables(self.around, tables)
        tables.listener = self
        try:
            self.places.fill()
            yield
        except RecordingError:
            raise
        except Exception as error:
            if self.places.count:  # C code that wants a dict, perhaps
                raise Unseen from error
            raise
        finally:
            tables.listener, tables.settled = None, True
            tables.rebuilt.clear()
            self.places.put_back()
        if self.unseen:
            raise Unseen

    def reads(self, space: Any, key: Any) -> None:
        """Look at an entry of a table before the run does."""
        self._grow(lambda: self.around.watch(space, key))

    def lists(self, members: Any) -> None:
        """Look at all members of a set before the run does."""
        self._grow(lambda: self.around.members(members))

    def opens(self, table: Any) -> None:
        """Look at all of a table before the run does."""
        self._grow(lambda: self.around.open(table))

    def _grow(self, look: Callable[[], None]) -> None:
        around = self.around
        leaves, buffers, codes = len(around.leaves), len(around.buffers), len(around.codes)
        noting = len(around.noting)
        look()
        self.before.extend(around.snapshot(self.before))
        known = len(self.chance)
        self.chance += drawn(around.generators)[known:]
        self.taken += map(taken, around.iterators[len(self.taken) :])
        self.sums += map(checksum, around.buffers[buffers:])
        self.hidden += [x.get("") for x in around.asking[len(self.hidden) :]]
        self.uses.watch(self._unknown())
        self.forms += map(form, around.buffers[buffers:])
        if self.back is not None:
            self.back.extend()
        first = len(around.noting) > noting == 0  # then what all code asks past a class counts
        self.unseen = self.unseen or self._asks_for_types(0 if first else codes)
        self.meets(around.leaves[leaves:], around.buffers[buffers:])
        if self.places is not None:
            self.places.fill()

    def _asks_for_types(self, since: int) -> bool:
        asking = PAST.union(ASKING) if self.around.noting else ASKING.keys()
        named = any(not asking.isdisjoint(named_in(code)) for code in self.around.codes[since:])
        return named or self.around.strange

    def check(self, arrays: bool = True) -> bool:
        """Raise RecordingError for a change of Python's own, or in `arrays`, that calls would have to repeat.

        Return whether nothing at all has changed. Where something has (an optimizer made its memory), the
        next call may well do something else, and this recording is good for this call only.
        """
        if drawn(self.around.generators) != self.chance:
            raise lost(
                "random numbers from NumPy or Python would be the same at each call",
                hint="clearprop.ops.random.uniform(shape), whose state is a Tensor",
            )
        if list(map(taken, self.around.iterators)) != self.taken:
            raise lost(
                "the step takes from an iterator: later calls would not",
                hint="next(iterator) outside, and what it gives as an argument",
            )
        if arrays:
            _check_sums(self.around.buffers, self.sums, self.function)
        if list(map(form, self.around.buffers)) != self.forms:
            raise lost(
                "the step sets the shape, the dtype or a flag of an array in place. Later calls would not",
                hint="x.reshape(shape), x.view(dtype) or a copy, which leave the array as it is",
            )
        after = self.around.snapshot()
        self.same = all(map(_identical, _all(self.before), _all(after)))
        if not self.same:
            for where, old, new in self._pairs(f"a variable of {self._name()}", after):
                if not _identical(old, new):
                    self._compare(where, old, new)
        return self.same

    def _pairs(self, variables: str, after: Snapshot) -> Iterator[tuple[str, Any, Any]]:
        """Yield where things are, what was there and what is now; the library's own notes may change."""
        names = [variables, "a global variable", *map(self._owner, self.around.containers)]
        yield from zip(names, _parts(self.before), _parts(after), strict=True)

    def can_go_back(self) -> bool:
        """Whether `back` undoes all that the run has done: what was taken from an iterator is gone."""
        return self.back is not None and list(map(taken, self.around.iterators)) == self.taken

    def replaced(self) -> str:
        """Return where another object stands now, '' if nowhere; the library's own notes may change."""
        if self.same:
            return ""
        pairs = self._pairs(self._name(), self.around.snapshot())
        return next((name for name, old, new in pairs if not _identical(old, new)), "")

    def _name(self) -> str:
        return getattr(self.function, "__name__", "the step")

    def _owner(self, container: Any) -> str:
        return self.around.owners.get(id(container), type(container).__name__)

    def _place(self, where: str, old: Any, key: Any) -> str:
        """Return the name of a variable, or the key in a container."""
        if old is self.before.named:
            return f"{where} {str(self.around.globals[key][1])!r}"
        if old is not self.before.cells:
            return f"{where}[{str(key)!r}]"
        for f in self.around.functions:
            for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
                if cell is self.around.cells[key]:
                    return f"the variable {name!r} around {f.__name__}"
        return where

    def _compare(self, where: str, old: Any, new: Any) -> None:
        for key, a, b in _changes(self.around, self.before, old, new):
            if a is b or (old is self.before.named and isinstance(self.around.globals[key][0], COUNTS)):
                continue  # what changes a table opens it: its entries are compared
            if kept := _of_a_call(b, self.around.knows):
                raise lost(
                    f"the step keeps a {kept} in {self._place(where, old, key)}: later calls would not",
                    hint="return it from the step",
                )
            if is_a(a, _NUMBERS) and is_a(b, _NUMBERS) and _differ(a, b):
                place = self._place(where, old, key)
                raise lost(
                    f"the step changes {place} from {a!r} to {b!r}: later calls would not",
                    hint="a Tensor(value, requires_grad=False) changed with clearprop.assign",
                )


def _changes(around: Surroundings, before: Snapshot, old: Any, new: Any) -> list[tuple[Any, Any, Any]]:
    """Return the keys of a container, with what was there and what is there now."""
    if isinstance(old, list):
        if len(new) != len(old):
            raise lost(
                f"the step makes a list of {len(old)} entries {len(new)} long: later calls would not",
                hint="return the value from the step, and append it outside",
            )
        return [(i, a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    of = next(c for c, x in zip(around.containers, before.containers, strict=True) if x is old)
    had = old | {k: _inherited(around, of, k) for k in new.keys() - old.keys()}
    return [(k, had[k], v) for k, v in new.items()]


def _inherited(around: Surroundings, container: Any, key: Any) -> Any:
    """Return what a class has under a name that its object lacked, where a line `x.n += 1` reads it."""
    behind = around.behind.get(id(container), ())
    codes = with_inner(around.codes) if behind else []
    if not any(key in updated_in(code) for code in codes):
        return END
    return next((vars(base)[key] for base in behind if key in vars(base)), END)


def _check_sums(arrays: list[Any], sums: list[int], function: Callable[..., Any]) -> None:
    """Raise RecordingError where an array no longer has the checksum that it had before the run."""
    for x, old in zip(arrays, sums, strict=True):
        if checksum(x) != old:
            lines = [s for s in likely_lines(function) if "in place" in s or "stores" in s]
            raise lost(
                f"the step changes an array in place: {describe(x)}. Later calls would not",
                hint="a Tensor(array, requires_grad=False) changed with clearprop.assign",
                where=f"Perhaps {', '.join(lines[:3])}." if lines else "",
            )


def _of_a_call(x: Any, known: Callable[[Any], bool]) -> str:
    """Return what something that the step leaves in reach is, or holds, of one call; '' for nothing."""
    if is_tensor(x) and x.op is not None:
        return "computed Tensor"
    return "call's array" if holds_stand_in(x, known) else ""


def _differ(a: Any, b: Any) -> bool:
    try:
        return bool(a != b)
    except Exception:  # whatever a user's `__eq__` raises: it has not said that they are equal
        return True


def _parts(x: Snapshot) -> list[Any]:
    return [x.cells, x.named, *x.containers]


def _all(x: Snapshot) -> list[Any]:
    return [*_parts(x), *x.private]


def _identical(old: Any, new: Any) -> bool:
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(new[key] is value for key, value in old.items())
    return len(old) == len(new) and all(map(operator.is_, old, new))


class _Told:
    """What a function or a class says about itself."""

    def __init__(self, thing: Any) -> None:
        self.thing, self.ask = thing, type if is_a(thing, type) else object

    def get(self, name: str, default: Any = None) -> Any:
        """Return one thing that it says."""
        try:
            return self.ask.__getattribute__(self.thing, name)
        except AttributeError:
            return default


def _told_by(
    around: Surroundings,
    leaves: list[Tensor],
    words: set[str],
) -> list[tuple[Any, str]]:
    """Return where functions, classes and Tensors say about themselves what code has words for."""
    found: list[tuple[Any, str]] = []
    for word in sorted(words & _TOLD):
        for thing in (*around.functions, *around.classes.values()):
            found.append((_Told(thing), word))
    if "name" in words:
        for t in leaves:
            found.append((Slots(t), "name"))
    return found


class Guard:
    """Tells in a few microseconds whether what a recording depended on is still the same objects."""

    spaces: list[tuple[Any, str]]

    def __init__(
        self,
        function: Callable[..., Any],
        things: list[Any],
        leaves: list[Tensor],
        without: list[Tensor],
        others: list[Any],
        contents: list[Contents],
        tables: LargeTables | None = None,
        asked: Iterable[Any] = (),
        shared: Iterable[Any] = (),
    ) -> None:
        around = Surroundings(function, others, tables, asked)
        self.cells: Any = around.cells
        self.functions: list[types.FunctionType] = around.functions
        self.contents = contents
        forms = Forms([*around.buffers, *shared])
        self.words: set[str] = {name for code in around.codes for name in named_in(code)}
        self.having: list[Tensor] = []  # the leaves that have a gradient of another's making
        names = _told_by(around, leaves, self.words)
        self.spaces = [
            *around.globals,
            *names,
            *((c, "") for c in (*contents, *([forms] if forms.arrays else ()))),
        ]
        looked_at = [c for c in around.containers if id(c) not in around.announced]
        self.iterables: Any = [held_in(c) for c in looked_at]
        self.named: Any = [
            keys_of(c) for c in looked_at if isinstance(c, dict) and id(c) not in around.owners
        ]
        self.asked: bool = any(isinstance(c, Plainly) for c in (*self.iterables, *self.named))
        self.objects: list[Any] = around.objects
        self.keys: Any = list(itertools.chain.from_iterable(self.named))
        self.saved: list[Any] = self._all()
        unique = {id(thing): thing for thing in (*things, *around.announcing)}
        self.things: list[tuple[Any, Any]] = [(thing, None) for thing in unique.values()]
        self.leaves = leaves
        # The leaves that have no gradient, before and after.
        self.without = [t for t in without if t.requires_grad or "grad" in self.words]
        self.tracked: list[Any] = list(map(_requires_grad, leaves))

    def begin(self, assigned: set[Any], given: set[Any]) -> None:
        """Remember what decides about terms before a call, in which these Tensors are assigned.

        Of leaves whose gradient the program neither reads nor has `given`, code may have asked whether there
        is one.
        """
        if "grad" in self.words:
            self.having = [t for t in self.leaves if t.grad is not None and t not in given]
        self.things = [(thing, thing.structure()) for thing, _ in self.things]
        self.count: int = structure.count()
        deciding = (t for thing, _ in self.things for t in getattr(thing, "deciding", tuple)())
        self.decides: bool = any(t in assigned for t in deciding)

    def _all(self) -> list[Any]:
        named = [space.get(name, END) for space, name in self.spaces]
        made_of = itertools.chain.from_iterable(map(_made_of, self.functions))
        everything = itertools.chain.from_iterable(self.iterables)
        return [*map(inside, self.cells), *named, *made_of, *everything, *self._classes(), END]

    def _classes(self) -> Iterator[Any]:
        """Whose methods the objects have, and where what they hold lies."""
        return itertools.chain(map(type, self.objects), map(_attributes, self.objects))

    def holds(self) -> bool:
        """Tell whether the recording is still good."""
        if self.decides or self.count != structure.count():
            if any(thing.structure() != old for thing, old in self.things):
                return False
            self.count = structure.count()
        if list(map(_requires_grad, self.leaves)) != self.tracked:
            return False
        if self.without and any(t.grad is not None for t in self.without):
            return False
        if self.having and any(t.grad is None for t in self.having):
            return False
        if list(itertools.chain.from_iterable(self.named)) != self.keys:
            return False
        try:
            held = list(map(_contents, self.cells))
        except ValueError:  # a variable that has no value yet
            held = list(map(inside, self.cells))
        variables = [space.get(name, END) for space, name in self.spaces] if self.spaces else ()
        # The end shows where one grew or shrank.
        classes = self._classes() if self.objects else ()
        now = itertools.chain(
            held, variables, *map(_made_of, self.functions), *self.iterables, classes, (END,)
        )
        return all(map(operator.is_, now, self.saved)) or self._equal()

    def _equal(self) -> bool:
        """The slow look: other objects, perhaps, but equal numbers; then these are remembered."""
        now = self._all()
        if len(now) != len(self.saved):
            return False
        for a, b in zip(now, self.saved, strict=True):
            if a is b:
                continue
            if type(a) is not type(b) or type(a) not in _COMPARED:  # other classes may say anything
                return False
            if a != b or (a == 0 and str(a) != str(b)):  # -0.0
                return False
        self.saved = now
        return True
