"""Everything that a function can reach by name: variables, containers, attributes, and the arrays in them."""

from __future__ import annotations

import array
import builtins
import contextvars
import dis
import functools
import gc
import io
import itertools
import os
import random
import sys
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from clearprop.compiler.capture.attributes import can_note
from clearprop.compiler.capture.hidden import (
    ITERATOR,
    HiddenContents,
    HiddenKind,
    asked_by,
    has_value,
    is_closed,
    row_of,
)
from clearprop.compiler.capture.mentions import asked_of, imported_in
from clearprop.compiler.capture.openly import (
    attributes,
    base_of,
    copied,
    entries,
    held_in,
    is_a,
    is_tensor,
    keys_of,
    module_of,
    referent,
    slot,
    where_kept,
)
from clearprop.compiler.capture.reading import ASKING, can_rebuild, original
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.capture.tables import FEW, NAMED, LargeTables
from clearprop.errors import lesson, of_this_package
from clearprop.modes import Marks
from clearprop.structure import Notes
from clearprop.tensor import Tensor
from clearprop.ufunc import Ufunc

_NUMBERS = (str, bytes, int, float, bool, complex, type(None))
_PLAIN = (*_NUMBERS, np.generic, np.dtype)
_SKIPPED = (types.ModuleType, np.ufunc, Ufunc, Marks)
_ENDS: tuple[Any, ...] = (*map(iter, ([], (), range(0), set(), {}, {}.values(), {}.items())),)
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_INDIRECT = {
    "globals",
    "vars",
    "getattr",
    "hasattr",
    "attrgetter",
    "__dict__",
    "__globals__",
    "__getattribute__",
}
LINES = (list, set, deque)  # containers without names
_TOOLS = tuple(kind for kind in vars(itertools).values() if isinstance(kind, type))
_READ: tuple[Any, ...] = (*map(type, (reversed([]), iter(""), iter(b""), iter([].__len__, 0))),)
_FILE: Any = io.IOBase.__base__  # a class that asks nobody for `__class__`
_ITERATORS = (*_TOOLS, *_READ, zip, map, filter, enumerate, reversed, _FILE, *map(type, _ENDS))
_EMPTY: dict[Any, Any] = {}
_VIEWS = tuple(
    type(getattr(d, k)()) for d in (_EMPTY, OrderedDict(_EMPTY)) for k in ("keys", "values", "items")
)
END = object()
_LIMIT = 200_000
_ASKING = frozenset(map(id, ASKING.values()))
_FAMILIAR = frozenset(
    [
        "abc",
        "array",
        "bisect",
        "builtins",
        "clearprop",
        "cmath",
        "collections",
        "contextlib",
        "contextvars",
        "copy",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "gc",
        "heapq",
        "io",
        "itertools",
        "json",
        "logging",
        "math",
        "numpy",
        "operator",
        "os",
        "pathlib",
        "pickle",
        "random",
        "re",
        "statistics",
        "string",
        "struct",
        "sys",
        "thread",
        "threading",
        "time",
        "types",
        "typing",
        "warnings",
        "weakref",
    ]
)
"""Modules whose code takes what stands for a table for the table, whatever it asks."""


class Snapshot(NamedTuple):
    """What everything holds at one time, thing by thing."""

    cells: list[Any]
    named: list[Any]
    containers: list[Any]
    private: list[Any]

    def originals(self) -> Snapshot:
        """Return the same with the tables themselves, where stand-ins are in place already."""
        return Snapshot(
            [*map(original, self.cells)],
            [*map(original, self.named)],
            [
                {k: original(y) for k, y in x.items()} if isinstance(x, dict) else [*map(original, x)]
                for x in self.containers
            ],
            self.private,
        )

    def extend(self, more: Snapshot) -> None:
        """Add what has come within reach since."""
        for mine, new in zip(self, more, strict=True):
            mine.extend(new)


class Surroundings:
    """Everything that a function can reach by name: its variables, and the containers behind them.

    With `tables`, the large ones that stand in plain places are only known: of these, what has been read.
    """

    strange: bool
    owners: dict[int, str]  # what a container belongs to, for messages
    behind: dict[int, tuple[type, ...]]  # where a name is looked up that a container lacks

    def __init__(
        self,
        function: Callable[..., Any],
        others: Iterable[Any] = (),
        tables: LargeTables | None = None,
        asked: Iterable[Any] = (),
    ) -> None:
        self.cells: list[types.CellType] = []
        self.globals: list[tuple[Any, str]] = []  # (what has `.get(name)`, name)
        self.containers: list[Any] = []  # dicts and lists
        self.classes: dict[int, type] = {}  # whose attributes a container is
        self.owners, self.behind = {}, {}
        self.private: list[dict[Any, Any]] = []  # the library's own bookkeeping
        self.announcing: list[Any] = []  # objects that say by `structure.changed()` when an attribute is set
        self.announced: set[int] = set()  # their attributes, which need no look at each call
        self.leaves: list[Tensor] = []
        self.objects: list[Any] = []  # of the user's classes, which can be given another class or `__dict__`
        self.buffers: list[Any] = []  # arrays, whose contents may change
        self.generators: list[Any] = []
        self.iterators: list[Any] = []
        self._seen: set[int] = set()
        self._kept: list[Any] = []
        self.weak: bool = False  # whether some of it may go: nobody may hold on to it
        self.functions: list[types.FunctionType] = []  # the user's, whose code and defaults can be exchanged
        self.codes: list[types.CodeType] = []
        self.strange = False  # whether code is within reach that nobody looks at, and may ask for a type
        self.tables = tables
        self._waiting: dict[int, Any] = {}  # large tables that nobody has looked into
        self._fixed: set[int] = set()  # tables in places where nothing else can be put
        self._stuck: dict[int, Any] = {}  # tuples in such places
        self.noting: dict[type, None] = {}  # classes of objects with many attributes
        self.asking: list[
            HiddenContents
        ] = []  # what moves on in ordinary use, and counts where the step asks it
        self.closed: list[Any] = []  # objects that nobody can look into
        self.methods: set[str] = set()  # the names of methods written in C that are kept somewhere
        self._asked = set(map(id, asked))
        self._inner: set[int] = set()  # what objects of installed packages hold
        self._deep: set[int] = set()  # and what these hold: nobody asks for it by name
        self._walk([function, *self._fixed_there(list(others))])

    def _walk(self, stack: list[Any]) -> None:
        """Visit all that can be reached from what is on the stack."""
        while stack:
            while stack:
                self._visit(stack.pop(), stack)
            if self.tables is not None and not self.tables.settled:
                for x in [x for i, x in self._waiting.items() if i in self._fixed]:
                    self.open(x, stack)
        if len(self._seen) > _LIMIT:
            raise lost(
                f"more than {_LIMIT:,} objects are within reach of the step: too many to notice a change",
                hint="variables that hold only what the step needs, data as arguments",
            )

    def reach(self, thing: Any) -> None:
        """Look at something more."""
        self._walk([thing])

    def watch(self, space: Any, key: Any) -> None:
        """Look at an entry of a table, and at what is there."""
        self.globals.append((space, key))
        self._walk([space.get(key)])

    def members(self, members: Any) -> None:
        """Look at all members of a set."""
        stack: list[Any] = []
        self._list(members, stack)
        self._walk(stack)

    def open(self, table: Any, stack: list[Any] | None = None) -> None:
        """Look at a large table as a whole."""
        self._waiting.pop(id(table), None)
        if self.tables is not None:
            self.tables.of(table).whole = True
        if stack is None:
            self._walk([table])
        else:
            stack.append(table)

    def _put_off(self, x: Any, stack: list[Any]) -> bool:
        """Tell whether a large table need not be looked at as a whole; what was read of it is looked at."""
        if self.tables is None or not self.tables.has(x) or (table := self.tables.of(x)).whole:
            return False
        if id(x) not in self._waiting:
            self._waiting[id(x)] = x
            for space, key in table.spaces():
                self._visit_named(space, key, stack)
            if table.listed:
                self._list(x, stack)
        return True

    def _list(self, members: Any, stack: list[Any]) -> None:
        """The members of a set that come one after the other."""
        if is_a(members, set):
            self.containers.append(members)
        stack += entries(members)

    def _visit(self, x: Any, stack: list[Any]) -> None:
        x = original(x)
        kind = type(x)
        if issubclass(kind, _NUMBERS) or id(x) in self._seen or len(self._seen) > _LIMIT:
            return
        if self._put_off(x, stack):
            return
        self._seen.add(id(x))
        self.strange = self.strange or _is_strange(x)
        places, found = asked_by(x)
        self.globals += places
        stack += found
        if is_tensor(x):
            if x.op is None:
                self.leaves.append(x)
        elif issubclass(kind, _GENERATORS):
            self.generators.append(x)
            self._tell(x, row_of(x), stack)
        elif issubclass(kind, type):
            self._visit_class(x, stack)
        elif issubclass(kind, np.ndarray):
            self.buffers.append(x)
            if x.dtype.hasobject:
                stack += self._fixed_there(_objects(x))
            if kind is not np.ndarray:
                self._visit_object(x, stack)
        elif issubclass(kind, memoryview):
            stack.append(x.obj)
        elif issubclass(kind, np.void):
            self._tell(x, row_of(x), stack)
        elif issubclass(kind, types.ModuleType) and sys.modules.get(x.__name__) is not x:
            stack += self._fixed_there([vars(x)])  # made at run time
        elif issubclass(kind, weakref.ProxyTypes):
            self._visit_proxy(x, stack)
        elif issubclass(kind, (*_PLAIN, *_SKIPPED)):
            return
        elif issubclass(kind, types.FunctionType):
            self._visit_function(x, stack)
        elif issubclass(kind, types.MethodType):
            stack += [*self._fixed_there([x.__self__]), x.__func__]
        elif issubclass(kind, types.BuiltinMethodType):  # `draw = generator.random`
            self.methods.add(x.__name__)
            stack += self._fixed_there([x.__self__])
        elif issubclass(kind, dict):
            self._visit_container(x, [*keys_of(x), *held_in(x)], stack)
        elif issubclass(kind, LINES):
            self._visit_container(x, entries(x), stack)
        elif issubclass(kind, (types.MappingProxyType, *_VIEWS)):
            stack += self._fixed_there(gc.get_referents(x))  # the dict
        elif issubclass(kind, tuple) and can_rebuild(kind):
            stack += x
        elif issubclass(kind, (tuple, frozenset)):
            stack += self._fixed_there([*entries(x), attributes(x)])
        elif issubclass(kind, contextvars.ContextVar):
            self._visit_named(_Context(), x, stack)
            self._fixed_there(stack[-1:])
        elif issubclass(kind, weakref.ref):
            self.globals.append((_Referent(x), ""))
            self.weak = True
            stack += self._fixed_there([x()])
        elif issubclass(kind, (bytearray, array.array)):
            self.buffers.append(x)
            self.globals.append((Contents(x), ""))
        elif issubclass(kind, property):
            stack += [x.fget, x.fset, x.fdel]
        elif issubclass(kind, (staticmethod, classmethod)):
            stack.append(x.__func__)
        elif issubclass(kind, (types.GeneratorType, *_ITERATORS)):
            self.iterators.append(x)
            held = [y for y in gc.get_referents(x) if isinstance(y, (tuple, *_ITERATORS))]
            stack += self._fixed_there(held)
            self._tell(x, row_of(x) or ITERATOR, stack)
        elif module_of(kind).startswith("clearprop.compiler"):
            stack.append(getattr(x, "function", None))  # a compiled function inside: what it calls
        else:
            self._visit_object(x, stack)

    def _visit_proxy(self, x: Any, stack: list[Any]) -> None:
        """What a weak proxy stands for, and whether it is there."""
        thing = referent(x)
        if thing is not None:
            self.globals.append((_Referent(weakref.ref(thing)), ""))
            self.weak = True
            stack += self._fixed_there([thing])

    def _visit_object(self, x: Any, stack: list[Any]) -> None:
        """Any other object: what it keeps under names, in slots, and what its class names."""
        found = attributes(x)
        self._look_into(x, found, stack)
        if found is not None and module_of(type(x)).startswith("clearprop."):
            self._visit_ours(x, found, stack)
        elif found is not None:
            self._kept.append(x)
            own: Any = type(x).__getattribute__
            if own is object.__getattribute__ and not self.weak and _is_users(type(x)) and _plainly_kept(x):
                self.objects.append(x)
            self.owners[id(found)], self.behind[id(found)] = type(x).__name__, type(x).__mro__
            if _announces(type(x)):
                self.announcing.append(x)
                self.announced.add(id(found))
                self._seen |= {id(y) for y in found.values() if is_a(y, Notes)}
                self._fixed_there(_within([y for k, y in found.items() if k.startswith("_")]))
            stack += [type(x), *self._attributes_of(x, found)]
        if is_a(x, functools.partial):
            stack += [x.func, *self._fixed_there([x.args, x.keywords])]
        for name in _slots(type(x)):
            self._visit_named(Slots(x), name, stack)

    def _look_into(self, x: Any, attributes: Any, stack: list[Any]) -> None:
        """What an object keeps where no attribute shows it: watched, or noted as closed."""
        row = row_of(x)
        if row is not None:
            self._tell(x, row, stack)
        elif id(x) not in self._deep and is_closed(x):
            self.closed.append(x)
        if isinstance(attributes, dict) and not _is_users(type(x)) and len(attributes) <= FEW:
            held = set(map(id, _within([*attributes.values()], FEW)))
            ours = of_this_package(type(x))
            if row is not None or ours or id(x) in self._inner:
                self._deep |= held
            self._inner |= held

    def _tell(self, x: Any, row: HiddenKind | None, stack: list[Any]) -> None:
        """Note where the contents of an object are told, and look at what else is there."""
        if row is None:
            return
        if not row.asked or id(x) in self._asked:
            self.globals.append((HiddenContents(x, row), ""))
        elif id(x) not in self._deep:
            self.asking.append(HiddenContents(x, row))
        stack += self._fixed_there(row.inside(x))

    def _attributes_of(self, x: Any, attributes: dict[str, Any]) -> list[Any]:
        """Return what to look at: all that an object keeps, or, where its class can note it, what is read."""
        if self.tables is None or not self.tables.has(attributes):
            return [attributes]
        if id(attributes) in self.announced or not can_note(type(x)):
            return self._fixed_there([attributes])
        self.noting[type(x)] = None
        return [attributes]

    def _visit_container(self, x: Any, inside: Iterable[Any], stack: list[Any]) -> None:
        """A container, and what a subclass of the user's holds besides."""
        self.containers.append(x)
        stack += inside if type(x) in (*NAMED, list, deque) else self._fixed_there(list(inside))
        self._fixed_there(list(keys_of(x)) if is_a(x, dict) else [])
        if is_a(x, defaultdict):
            self._visit_named(Slots(x), "default_factory", stack)
        stack += self._fixed_there([attributes(x)])
        if _is_users(type(x)):
            stack.append(type(x))

    def _fixed_there(self, things: list[Any]) -> list[Any]:
        """Note that where these are, nothing can stand for a table; and return them."""
        waiting = list(things) if self.tables is not None and not self.tables.settled else []
        while waiting and self.tables is not None:
            x = waiting.pop()
            if self.tables.has(x):
                self._fixed.add(id(x))
            if is_a(x, tuple) and id(x) not in self._stuck:
                self._stuck[id(x)] = x
                waiting += entries(x)
        return things

    def _visit_named(self, space: Any, name: Any, stack: list[Any]) -> None:
        """What is held under a name, by something that is no dict."""
        self.globals.append((space, name))
        stack.append(space.get(name))

    def _visit_ours(self, x: Any, attributes: dict[str, Any], stack: list[Any]) -> None:
        """An object of the library: what it keeps under a name with an underscore, it looks after itself."""
        if _announces(type(x)):
            self.announcing.append(x)
        else:
            self.containers.append(attributes)
        self._kept.append(x)
        self._fixed_there(_within([*attributes.values()]))
        own = getattr(type(x), "bookkeeping", None)
        for name, value in attributes.items():
            if not name.startswith("_") or (own is not None and name not in own):
                stack.append(value)
            elif isinstance(value, dict):
                self.private.append(value)

    def _visit_class(self, kind: type, stack: list[Any]) -> None:
        """A class of the user's: its attributes, and what its methods name."""
        if _is_users(kind):
            self._kept.append(kind)
            self.containers.append(vars(kind))
            self.classes[id(self.containers[-1])] = kind
            self.owners[id(self.containers[-1])] = kind.__name__
            self.behind[id(self.containers[-1])] = kind.__mro__[1:]
            stack += [
                value for value in vars(kind).values() if not isinstance(value, types.GetSetDescriptorType)
            ]
            stack += [y for y in (*kind.__bases__, type(kind)) if y is not type]

    def _visit_function(self, function: types.FunctionType, stack: list[Any]) -> None:
        if function.__closure__:
            for cell in function.__closure__:
                self.cells.append(cell)
                stack.append(held := inside(cell))
                if not _is_users(function):
                    self._fixed_there([held])  # code that is not looked at may ask for its type
                self._visit_given(held, stack)
        stack += [function.__defaults__, *self._fixed_there([function.__kwdefaults__])]
        if not _is_users(function):
            self._fixed_there([function.__defaults__])
        code = function.__code__
        if function.__dict__ or function.__name__ in (*code.co_freevars, *code.co_names):  # `step.calls`
            stack += self._fixed_there([function.__dict__])
        if not _is_users(function):
            return  # a library's own globals do not change
        self.codes.append(function.__code__)
        self.functions.append(function)
        for space, wanted in self._spaces(function, set(named_in(code)), stack):
            for name in sorted(wanted.intersection(space)):
                self.globals.append((space, name))
                stack.append(space[name])
                self._visit_given(space[name], stack)
        self._lacking(function.__globals__, _variables(code))
        self._lacking(vars(builtins), _variables(code).difference(function.__globals__))
        self._lacking(sys.modules, imported_in(code))

    def _spaces(
        self, function: types.FunctionType, names: set[str], stack: list[Any]
    ) -> list[tuple[dict[str, Any], set[str]]]:
        """Return the variables of the user's modules that a function can name, and the names that it has."""
        code, own = function.__code__, function.__globals__
        mine = set(_variables(code))
        found: list[tuple[dict[str, Any], set[str]]] = []
        held_by_cells = zip(code.co_freevars, map(inside, function.__closure__ or ()), strict=True)
        by_name = ((name, own.get(name, sys.modules.get(name))) for name in sorted(names))
        modules = [(name, x) for name, x in (*held_by_cells, *by_name) if is_a(x, types.ModuleType)]
        for name, held in modules:
            if vars(held) is own:
                mine = names  # its own variables as attributes of its module
            elif not _is_users(held):
                self._visit_library(held, names, stack)
            elif not any(space is vars(held) for space, _ in found):
                found.append((vars(held), names))
                self._lacking(vars(held), asked_of(code, name).union(_texts(code)))
                inside_of = ((y, vars(held).get(y)) for y in sorted(names))
                modules += [(y, x) for y, x in inside_of if is_a(x, types.ModuleType)]
        return [(own, mine), *found]

    def _lacking(self, space: dict[str, Any], names: Iterable[str]) -> None:
        """Watch the names that are not there: they may come later, and then hide what was found instead."""
        self.globals += [(space, name) for name in sorted(set(names).difference(space))]

    def _visit_given(self, held: Any, stack: list[Any]) -> None:
        """A function that code has a name for may be given attributes, though it has none now."""
        if is_a(held, types.FunctionType) and _is_users(held):
            stack += self._fixed_there([held.__dict__])

    def _visit_library(self, module: types.ModuleType, names: set[str], stack: list[Any]) -> None:
        """What code names of an installed module: its settings; its functions do not change."""
        for name in sorted(names.intersection(vars(module))):
            x = vars(module)[name]
            if x is not sys.modules and isinstance(x, (*_NUMBERS, list, dict, type(os.environ))):
                self._visit_named(vars(module), name, stack)
            places, found = asked_by(x)
            self.globals += places
            stack += found

    def watched(self) -> int:
        """Return how many entries are looked at at each call."""
        return sum(base_of(c).__len__(c) for c in self.containers if id(c) not in self.announced)

    def knows(self, x: Any) -> bool:
        """Tell whether an object was found."""
        return id(x) in self._seen or id(x) in self._waiting

    def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        """Return all that is held, container by container: of what has come within reach since another."""
        cells, named, containers, private = map(len, since) if since is not None else (0, 0, 0, 0)
        held = [copied(c) for c in self.containers[containers:]]
        found = Snapshot(
            [inside(cell) for cell in self.cells[cells:]],
            [space.get(name, END) for space, name in self.globals[named:]],
            held,
            [*map(dict, self.private[private:])],
        )
        return found if since is None else found.originals()


def _announces(kind: type) -> bool:
    """Whether objects of a class say by the library's own `structure()` when an attribute is set."""
    return any(
        "structure" in vars(base) and module_of(base).startswith("clearprop.") for base in kind.__mro__
    )


def _plainly_kept(x: Any) -> bool:
    """Whether `x.__dict__` is where the object keeps its attributes, and runs no code of its class."""
    kind: Any = type(x)
    return isinstance(where_kept(kind), types.GetSetDescriptorType)


def _objects(x: Any) -> list[Any]:
    """Return what an array of objects holds, or one that has some in its fields."""
    if x.dtype.names is not None:
        return [y for name in x.dtype.names if x.dtype[name].hasobject for y in _objects(x[name])]
    return list(np.asarray(x).ravel().tolist())


class _Context:
    """What context variables hold."""

    def get(self, name: Any, default: Any = None) -> Any:
        """Return a variable's value here and now."""
        return name.get(default)

    def __setitem__(self, name: Any, value: Any) -> None:
        name.set(value)


class _Referent:
    """Whether what a weak reference refers to lives: noting the thing itself would keep it alive."""

    def __init__(self, ref: Any) -> None:
        self.ref = ref

    def get(self, name: str, default: Any = None) -> Any:
        """Tell whether it lives."""
        return self.ref() is not None

    def __setitem__(self, name: str, value: Any) -> None:
        """Do nothing: what has gone has gone."""


class Contents:
    """The bytes in a buffer that a recording has taken as they were."""

    first: bytes
    held: Any | None

    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self.first = self._latest = self._copied()
        # Where the bytes are addresses, what lies there now stays there.
        self.held = buffer.tolist() if isinstance(buffer, np.ndarray) and buffer.dtype.hasobject else None

    def get(self, name: str, default: Any = None) -> Any:
        """Return a copy of them, the same one while they stay the same."""
        now = self._copied()
        if now != self._latest:
            self._latest = now
        return self._latest

    @property
    def straight(self) -> bool:
        """Whether the bytes lie side by side, a word of them at least."""
        x = self.buffer
        return isinstance(x, np.ndarray) and x.nbytes >= 8 and (x.flags.c_contiguous or x.flags.f_contiguous)

    def words(self) -> list[int]:
        """Return the addresses of words with all that is compared: the last may overlap the one before."""
        start, size = self.buffer.ctypes.data, self.buffer.nbytes
        return [*range(start, start + size - 7, 8), *([start + size - 8] if size % 8 else [])]

    def changed(self) -> bool:
        """Tell whether they are others now than at first."""
        return self._copied() != self.first

    def _copied(self) -> bytes:
        return self.buffer.tobytes() if isinstance(self.buffer, np.ndarray) else bytes(self.buffer)

    def __setitem__(self, name: str, value: Any) -> None:
        held = self.buffer
        if isinstance(held, (bytearray, array.array)):  # it may have grown
            held[:] = value if isinstance(held, bytearray) else array.array(held.typecode, value)
            return
        memoryview(held).cast("B")[:] = value


class SampledContents(Contents):
    """Entries of a large array, spread over it from the first to the last."""

    COUNT = 32

    def __init__(self, buffer: Any) -> None:
        self.places: Any = np.linspace(0, buffer.size - 1, self.COUNT).astype(np.intp)
        turned = not buffer.flags.c_contiguous and buffer.flags.f_contiguous
        self.flat: Any = (buffer.T if turned else buffer).reshape(-1)  # a view, where it is straight
        super().__init__(buffer)

    def words(self) -> list[int]:
        """Return the addresses of words at these places."""
        start, step, end = self.buffer.ctypes.data, self.buffer.itemsize, self.buffer.nbytes - 8
        return [start + min(int(place) * step, end) for place in self.places]

    def _copied(self) -> bytes:
        return self.flat[self.places].tobytes()  # type: ignore[no-any-return]


class Slots:
    """The attributes of an object without a `__dict__`, by name."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, as a dict would."""
        try:
            return slot(self.thing, name)
        except AttributeError:
            return default

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self.thing, name, value)


def _within(things: list[Any], few: int = _LIMIT, depth: int = 3) -> list[Any]:
    """Return these and what plain containers of `few` entries hold: the library looks at its own by type."""
    inside = [y for x in things if type(x) in (dict, list, tuple) and len(x) <= few for y in _entries(x)]
    return [*things, *(_within(inside, few, depth - 1) if inside and depth else [])]


def _entries(x: Any) -> Iterable[Any]:
    return x.values() if isinstance(x, dict) else x


def _slots(kind: type) -> Iterator[str]:
    """Yield the names that a class and its bases keep outside of a `__dict__`, where they may change."""
    for base in kind.__mro__:
        names = base.__dict__.get("__slots__", ()) if _is_users(base) or not has_value(kind) else ()
        for name in (names,) if isinstance(names, str) else names:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                yield f"_{base.__name__.lstrip('_')}{name}" if private else name


def _is_users(thing: Any) -> bool:
    """Whether a class, function or module is neither Python's nor an installed package's."""
    name = thing.__name__ if is_a(thing, types.ModuleType) else thing.__module__
    if not isinstance(name, str):  # a class that says so; or a function that was made in a nameless space
        return isinstance(thing, type) or (
            is_a(thing, types.FunctionType) and "__name__" not in thing.__globals__
        )
    root = name.split(".")[0]
    if root in sys.stdlib_module_names or root in ("clearprop", "numpy"):
        return False
    return "site-packages" not in (getattr(sys.modules.get(name), "__file__", None) or "")


def _is_strange(x: Any) -> bool:
    """Whether something can ask for a type unseen: `type` itself, or what comes from an installed package."""
    if id(x) in _ASKING:
        return True
    named = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)
    thing = x if is_a(x, named) else type(x)
    name = thing.__name__ if is_a(thing, types.ModuleType) else thing.__module__
    known = not isinstance(name, str) or name.split(".")[0].lstrip("_") in _FAMILIAR
    return not known and not _is_users(thing)


def inside(cell: types.CellType) -> Any:
    """Return what a variable of an enclosing function holds."""
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return END


@functools.lru_cache(maxsize=1 << 12)
def _variables(code: types.CodeType) -> frozenset[str]:
    """Return what a function names without a dot: the T of `x.T` is none of its variables."""
    found = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if "GLOBAL" in instruction.opname or instruction.opname.endswith("_NAME")
    }
    found.update(_texts(code))
    nested = [_variables(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(found.union(*nested))


def _texts(code: types.CodeType) -> list[str]:
    """Return the texts in code that may be names there: `globals()["scale"]`."""
    indirect = not _INDIRECT.isdisjoint(code.co_names)
    return [x for x in code.co_consts if isinstance(x, str)] if indirect else []


def named_in(code: types.CodeType) -> Iterator[str]:
    """Yield all names in code, attributes too, and texts that it may take for names."""
    yield from code.co_names
    yield from _texts(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from named_in(constant)


def lost(what: str, hint: str, where: str = "") -> RecordingError:
    """Return the error for what later calls would not do."""
    return RecordingError(lesson("compile(step)", what, where=where, hint=hint))
