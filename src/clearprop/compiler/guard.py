"""What a recording depended on besides arrays (variables, attributes, modes), and whether it has changed."""

from __future__ import annotations

import dis
import functools
import gc
import itertools
import operator
import random
import sys
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from clearprop import structure
from clearprop.compiler.chance import drawn, taken
from clearprop.compiler.refusals import RecordingError
from clearprop.errors import lesson
from clearprop.modes import Marks
from clearprop.tensor import Tensor
from clearprop.ufunc import Ufunc

_NUMBERS = (str, bytes, int, float, bool, complex, type(None))
_PLAIN = (str, bytes, int, float, bool, complex, type(None), np.ndarray, np.generic, np.dtype)
_BUFFERS = (np.ndarray, bytearray, array)
_SKIPPED = (types.ModuleType, np.ufunc, Ufunc, Marks)
_ENDS: tuple[Any, ...] = (*map(iter, ([], (), range(0), set(), {}, {}.values(), {}.items())),)
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_LINES = (list, set, deque)  # containers without names
_ITERATORS = (itertools.count, itertools.cycle, zip, map, filter, enumerate, *map(type, _ENDS))
_END = object()
_LIMIT = 200_000
_requires_grad, _contents = operator.attrgetter("requires_grad"), operator.attrgetter("cell_contents")


class Surroundings:
    """Everything that a function can reach by name: its variables, and the containers behind them."""

    def __init__(self, function: Callable[..., Any], others: Iterable[Any] = ()) -> None:
        self.cells: list[types.CellType] = []
        self.globals: list[tuple[Any, str]] = []  # (what has `.get(name)`, name)
        self.containers: list[Any] = []  # dicts and lists
        self.owners: dict[int, str] = {}  # what a container belongs to, for messages
        self.private: list[dict[Any, Any]] = []  # the library's own bookkeeping
        self.announcing: list[Any] = []  # objects that say by `structure.changed()` when an attribute is set
        self.announced: set[int] = set()  # their attributes, which need no look at each call
        self.leaves: list[Tensor] = []
        self.buffers: list[Any] = []  # arrays, whose contents may change
        self.generators: list[Any] = []
        self.iterators: list[Any] = []
        self._seen: set[int] = set()
        self._kept: list[Any] = []
        stack: list[Any] = [function, *others]
        while stack:
            self._visit(stack.pop(), stack)
        if len(self._seen) > _LIMIT:
            raise _lost(
                f"more than {_LIMIT:,} objects are within reach of the step: too many to notice a change",
                hint="variables that hold only what the step needs, data as arguments",
            )

    def _visit(self, x: Any, stack: list[Any]) -> None:
        if id(x) in self._seen or len(self._seen) > _LIMIT or isinstance(x, _NUMBERS):
            return
        self._seen.add(id(x))
        if isinstance(x, Tensor):
            if x.op is None:
                self.leaves.append(x)
        elif isinstance(x, _GENERATORS):
            self.generators.append(x)
        elif isinstance(x, type):
            self._visit_class(x, stack)
        elif isinstance(x, _BUFFERS):
            self.buffers.append(x)
        elif isinstance(x, (*_PLAIN, *_SKIPPED)):
            return
        elif isinstance(x, types.FunctionType):
            self._visit_function(x, stack)
        elif isinstance(x, types.MethodType):
            stack += [x.__self__, x.__func__]
        elif isinstance(x, types.BuiltinMethodType):  # `draw = generator.random`; a function's is its module
            stack.append(x.__self__)
        elif isinstance(x, dict):
            self.containers.append(x)
            stack += [*x.keys(), *x.values()]
        elif isinstance(x, _LINES):
            self.containers.append(x)
            stack += x
        elif isinstance(x, (tuple, frozenset)):
            stack += x
        elif isinstance(x, property):
            stack += [x.fget, x.fset]
        elif isinstance(x, (staticmethod, classmethod)):
            stack.append(x.__func__)
        elif isinstance(x, (types.GeneratorType, *_ITERATORS)):
            self.iterators.append(x)
            stack += [y for y in gc.get_referents(x) if isinstance(y, (tuple, *_ITERATORS))]
        elif (type(x).__module__ or "").startswith("clearprop.compiler"):
            stack.append(getattr(x, "function", None))  # a compiled function inside: what it calls
        else:
            attributes = getattr(x, "__dict__", None)
            if isinstance(attributes, dict) and (type(x).__module__ or "").startswith("clearprop."):
                self._visit_ours(x, attributes, stack)
            elif isinstance(attributes, dict):
                self._kept.append(x)
                self.owners[id(attributes)] = type(x).__name__
                if callable(getattr(type(x), "structure", None)):
                    self.announcing.append(x)
                    self.announced.add(id(attributes))
                    own = attributes.get("_made")  # a Module's list of its latest nodes
                    self._seen.add(id(own))
                stack += [attributes, type(x)]
            if isinstance(x, functools.partial):
                stack += [x.func, x.args, x.keywords]
            for name in getattr(type(x), "__slots__", ()):
                if _is_users(type(x)):
                    self.globals.append((_Slots(x), name))
                    stack.append(getattr(x, name, None))

    def _visit_ours(self, x: Any, attributes: dict[str, Any], stack: list[Any]) -> None:
        """An object of the library: what it keeps under a name with an underscore, it looks after itself."""
        if callable(getattr(type(x), "structure", None)):
            self.announcing.append(x)
        else:
            self.containers.append(attributes)
        self._kept.append(x)
        for name, value in attributes.items():
            if not name.startswith("_"):
                stack.append(value)
            elif isinstance(value, dict):
                self.private.append(value)

    def _visit_class(self, kind: type, stack: list[Any]) -> None:
        """A class of the user's: its attributes, and what its methods name."""
        if _is_users(kind):
            self._kept.append(kind)
            self.containers.append(vars(kind))
            self.owners[id(self.containers[-1])] = kind.__name__
            stack += [
                value for value in vars(kind).values() if not isinstance(value, types.GetSetDescriptorType)
            ]
            stack += kind.__bases__

    def _visit_function(self, function: types.FunctionType, stack: list[Any]) -> None:
        if function.__closure__:
            for cell in function.__closure__:
                self.cells.append(cell)
                stack.append(_inside(cell))
        stack += [function.__defaults__, function.__kwdefaults__]
        if function.__dict__:
            stack.append(function.__dict__)
        if not _is_users(function):
            return  # a library's own globals do not change
        names = set(_names(function.__code__))
        spaces, mine = [function.__globals__], set(_variables(function.__code__))
        held_by_cells = map(_inside, function.__closure__ or ())
        imported = map(sys.modules.get, names - function.__globals__.keys())  # inside the function
        modules = [*held_by_cells, *map(function.__globals__.get, names), *imported]
        for held in modules:
            if isinstance(held, types.ModuleType) and vars(held) is function.__globals__:
                mine = names  # its own variables as attributes of its module
            elif isinstance(held, types.ModuleType) and _is_users(held) and vars(held) not in spaces:
                spaces.append(vars(held))
                modules += map(vars(held).get, names)
        for space in spaces:
            wanted = mine if space is function.__globals__ else names
            for name in sorted(wanted.intersection(space)):
                self.globals.append((space, name))
                stack.append(space[name])

    def knows(self, x: Any) -> bool:
        """Tell whether an object was found."""
        return id(x) in self._seen

    def snapshot(self) -> list[Any]:
        """Return all that is held, container by container."""
        return [
            [_inside(cell) for cell in self.cells],
            [space.get(name, _END) for space, name in self.globals],
            *(list(c) if isinstance(c, _LINES) else dict(c) for c in self.containers),
            *map(dict, self.private),
        ]


class _Slots:
    """The attributes of an object without a `__dict__`, by name."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, as a dict would."""
        return getattr(self.thing, name, default)


def _is_users(thing: Any) -> bool:
    """Whether a class, function or module is neither Python's nor an installed package's."""
    name = thing.__name__ if isinstance(thing, types.ModuleType) else (thing.__module__ or "")
    root = name.split(".")[0]
    if root in sys.stdlib_module_names or root in ("clearprop", "numpy"):
        return False
    return "site-packages" not in (getattr(sys.modules.get(name), "__file__", None) or "")


def _inside(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return _END


@functools.lru_cache(maxsize=1 << 12)
def _variables(code: types.CodeType) -> frozenset[str]:
    """Return what a function names without a dot: the T of `x.T` is none of its variables."""
    found = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if "GLOBAL" in instruction.opname or instruction.opname.endswith("_NAME")
    }
    inside = [_variables(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(found.union(*inside))


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


class Watch:
    """Looks at a function's surroundings before and after it is recorded, for changes that would be lost."""

    def __init__(self, function: Callable[..., Any], others: Iterable[Any] = ()) -> None:
        self.function = function
        self.around = Surroundings(function, others)
        self.before = self.around.snapshot()
        self.chance = drawn(self.around.generators)
        self.taken = list(map(taken, self.around.iterators))

    def check(self) -> bool:
        """Raise RecordingError for a change of Python's own that each call would have to repeat.

        Return whether nothing at all has changed. Where something has (an optimizer made its memory), the
        next call may well do something else, and this recording is good for this call only.
        """
        if drawn(self.around.generators) != self.chance:
            raise _lost(
                "random numbers from NumPy or Python would be the same at each call",
                hint="clearprop.ops.random.uniform(shape), whose state is a Tensor",
            )
        if list(map(taken, self.around.iterators)) != self.taken:
            raise _lost(
                "the step takes from an iterator: later calls would not",
                hint="next(iterator) outside, and what it gives as an argument",
            )
        after = self.around.snapshot()
        names = [
            *(f"a variable of {self._name()}", "a global variable"),
            *map(self._owner, self.around.containers),
        ]
        for where, old, new in zip(names, self.before, after, strict=False):  # private ones may change
            self._compare(where, old, new)
        return all(map(_identical, self.before, after))

    def replaced(self) -> str:
        """Return where another object stands now, '' if nowhere; the library's own notes may change."""
        names = [self._name(), "a global variable", *map(self._owner, self.around.containers)]
        pairs = zip(names, self.before, self.around.snapshot(), strict=False)
        return next((name for name, old, new in pairs if not _identical(old, new)), "")

    def _name(self) -> str:
        return getattr(self.function, "__name__", "the step")

    def _owner(self, container: Any) -> str:
        return self.around.owners.get(id(container), type(container).__name__)

    def _compare(self, where: str, old: Any, new: Any) -> None:
        if isinstance(old, list):
            if len(new) != len(old):
                raise _lost(
                    f"the step makes a list of {len(old)} entries {len(new)} long: later calls would not",
                    hint="return the value from the step, and append it outside",
                )
            pairs: list[Any] = [(i, a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
        else:
            pairs = [(k, old.get(k, _END), v) for k, v in new.items()]
        for key, a, b in pairs:
            if a is b:
                continue
            if isinstance(b, Tensor) and b.op is not None:
                raise _lost(
                    f"the step keeps a computed Tensor in {where}[{str(key)!r}]: later calls would not",
                    hint="return it from the step",
                )
            numbers = isinstance(a, (bool, int, float, str)) and isinstance(b, (bool, int, float, str))
            if numbers and a != b:
                raise _lost(
                    f"the step changes {where}[{str(key)!r}] from {a!r} to {b!r}: later calls would not",
                    hint="a Tensor(value, requires_grad=False) changed with clearprop.assign",
                )


def _identical(old: Any, new: Any) -> bool:
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(new[key] is value for key, value in old.items())
    return len(old) == len(new) and all(map(operator.is_, old, new))


def _lost(what: str, hint: str) -> RecordingError:
    return RecordingError(lesson("compile(step)", what, hint=hint))


class Guard:
    """Tells in a few microseconds whether what a recording depended on is still the same objects."""

    def __init__(
        self,
        function: Callable[..., Any],
        things: list[Any],
        leaves: list[Tensor],
        without: list[Tensor],
        others: list[Any],
    ) -> None:
        around = Surroundings(function, others)
        self.cells = around.cells
        self.spaces = around.globals
        looked_at = [c for c in around.containers if id(c) not in around.announced]
        self.iterables = [c if isinstance(c, _LINES) else c.values() for c in looked_at]
        self.named = [c for c in looked_at if isinstance(c, dict) and id(c) not in around.owners]
        self.keys = list(itertools.chain.from_iterable(self.named))
        self.saved = self._all()
        unique = {id(thing): thing for thing in (*things, *around.announcing)}
        self.things = [(thing, thing.structure()) for thing in unique.values()]
        self.count = structure.count()
        self.leaves = leaves
        self.without = without  # the leaves that have no gradient, before and after
        self.tracked = list(map(_requires_grad, leaves))

    def _all(self) -> list[Any]:
        named = [space.get(name, _END) for space, name in self.spaces]
        return [*map(_inside, self.cells), *named, *itertools.chain.from_iterable(self.iterables), _END]

    def holds(self) -> bool:
        """Tell whether the recording is still good."""
        if self.count != structure.count():
            if any(thing.structure() != old for thing, old in self.things):
                return False
            self.count = structure.count()
        if list(map(_requires_grad, self.leaves)) != self.tracked:
            return False
        if self.without and any(t.grad is not None for t in self.without):
            return False
        if list(itertools.chain.from_iterable(self.named)) != self.keys:
            return False
        try:
            inside = list(map(_contents, self.cells))
        except ValueError:  # a variable that has no value yet
            inside = list(map(_inside, self.cells))
        variables = [space.get(name, _END) for space, name in self.spaces]
        # The end shows where one grew or shrank.
        now = itertools.chain(inside, variables, *self.iterables, (_END,))
        return all(map(operator.is_, now, self.saved)) or self._equal()

    def _equal(self) -> bool:
        """The slow look: other objects, perhaps, but equal numbers; then these are remembered."""
        now = self._all()
        if len(now) != len(self.saved):
            return False
        for a, b in zip(now, self.saved, strict=True):
            if a is b:
                continue
            if type(a) is not type(b) or not isinstance(a, (bool, int, float, str, type(None))):
                return False
            if a != b or (a == 0 and str(a) != str(b)):  # -0.0
                return False
        self.saved = now
        return True
