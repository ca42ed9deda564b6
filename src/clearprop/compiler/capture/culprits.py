"""Why a plan may not do what its function does: what has changed since the recording, or a likely line."""

from __future__ import annotations

import array
import contextvars
import dis
import functools
import itertools
import os
import sys
import types
import zlib
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from clearprop.compiler.capture.tables import LargeTables
from clearprop.structure import Notes
from clearprop.tensor import Tensor

WHOLE = 1 << 22  # bytes of an array that are looked at; of a larger one, pages spread over it
PAGE = 1 << 12
LIMIT = 20_000  # things in a picture, the nearest first
_NUMBERS = (bool, int, float, complex, str, bytes, type(None))
BUFFERS = (np.ndarray, bytearray, array.array)
"""What holds numbers that can be changed in place, without a change of any object."""

Picture = dict[str, tuple[str, Any]]


def checksum(x: Any) -> int:
    """Return a number that changes when the contents of a buffer do; large ones are looked at in part.

    >>> x = np.zeros(3)
    >>> before = checksum(x)
    >>> x[1] = 1
    >>> checksum(x) == before
    False
    """
    if not isinstance(x, np.ndarray):
        return zlib.crc32(x)
    if x.dtype.hasobject:
        return 0
    if x.nbytes <= WHOLE:
        return zlib.crc32(np.ascontiguousarray(x).view(np.uint8).data) if x.size else 0
    if not x.flags.c_contiguous:
        turned = x.T
        if not turned.flags.c_contiguous:
            return zlib.crc32(np.ascontiguousarray(x[:: -(-x.nbytes // WHOLE)]).view(np.uint8).data)
        x = turned
    pages = x.reshape(-1).view(np.uint8)
    step = x.nbytes // (WHOLE // PAGE)
    found = zlib.crc32(pages[-PAGE:].data)
    for start in range(0, x.nbytes - PAGE, step):
        found = zlib.crc32(pages[start : start + PAGE].data, found)
    return found


# --- what has changed ---------------------------------------------------------------------------------------
def picture(
    function: Callable[..., Any], passed: Iterable[Any] = (), tables: LargeTables | None = None
) -> Picture:
    """Return what is within reach of a function, by name: numbers and texts, checksums, which objects.

    Private attributes are in it too, and of large `tables` what was read. The nearest things come first, and
    no array is kept.
    """
    found: Picture = {}
    for name, x in reached(function, passed, tables):
        with suppress(Exception):
            found[name] = _seen(x)
    return found


def tensor_names(function: Callable[..., Any], passed: Iterable[Any] = ()) -> dict[int, str]:
    """Return what a user would call the Tensors within reach, by their identity.

    >>> model = types.SimpleNamespace(weight=Tensor([1.0]))
    >>> list(tensor_names(len, [model]).values())
    ['argument 0.weight']
    """
    found: dict[int, str] = {}
    for name, x in reached(function, passed):
        if issubclass(type(x), Tensor):
            found.setdefault(id(x), name)
    return found


def changes(old: Picture, new: Picture) -> list[str]:
    """Say which of the things in both pictures are not what they were.

    >>> changes({"m._scale": ("value", "1.0")}, {"m._scale": ("value", "10.0")})
    ['m._scale 1.0 -> 10.0']
    """
    found = []
    for name, (kind, now) in new.items():
        was, before = old.get(name, (kind, now))
        if (was, before) == (kind, now):
            continue
        if was == kind == "value":
            found.append(f"{name} {before} -> {now}")
        elif was == kind == "contents":
            found.append(f"the contents of {name}")
        elif was == kind == "container" and before[0] == now[0]:
            found.append(f"{name}, {before[1]} -> {now[1]} entries")
        else:
            found.append(f"{name}, another object")
    return found


def _seen(x: Any) -> tuple[str, Any]:
    if isinstance(x, _NUMBERS):
        return "value", repr(x)[:100]
    if isinstance(x, np.generic):
        return "value", repr(x.item())[:100]
    if isinstance(x, BUFFERS):
        return "contents", checksum(x)
    if isinstance(x, (tuple, list, dict, set, frozenset)):
        return "container", (type(x).__name__, len(x))  # what is in it is named itself
    return "object", id(x)


def reached(
    function: Any,
    passed: Iterable[Any],
    tables: LargeTables | None = None,
    often: Container[int] = frozenset(),
) -> Iterator[tuple[str, Any]]:
    """Yield `(name, thing)` for all that a function may look at, the nearest first.

    Each object comes once; one whose `id` is among `often`, with each of its names.
    """
    seen: dict[int, Any] = {}
    waiting = deque([("", function), *((f"argument {i}", x) for i, x in enumerate(passed))])
    while waiting and len(seen) < LIMIT:
        name, x = waiting.popleft()
        if not issubclass(type(x), _NUMBERS):
            if id(x) in seen:
                if name and id(x) in often:
                    yield name, x
                continue
            # Kept, so that no other object gets its address; an array is not: the plan counts its holders.
            seen[id(x)] = None if issubclass(type(x), BUFFERS) else x
        if name:
            yield name, x
        with suppress(Exception):  # whatever the code of a user's object raises: then nobody can name it
            waiting.extend(list(_parts(name, x, tables or LargeTables())))


def _parts(name: str, x: Any, tables: LargeTables) -> Iterator[tuple[str, Any]]:
    """Yield what a thing holds, with names as one would write them: of large tables what was read."""
    known = tables.parts(x) if id(x) in tables.known else None
    if known is not None:
        dotted = isinstance(x, types.SimpleNamespace)
        yield from ((f"{name}.{k}" if dotted else f"{name}[{k!r}]", y) for k, y in known)
    elif isinstance(x, types.FunctionType):
        yield from _variables(x)
    elif isinstance(x, types.MethodType):
        yield from (("self", x.__self__), ("", x.__func__))
    elif isinstance(x, functools.partial):
        yield from ((name, y) for y in (x.func, *x.args, *x.keywords.values()))
    elif isinstance(x, types.BuiltinMethodType):
        yield name, x.__self__
    elif issubclass(type(x), Mapping):  # nobody is asked for `__class__`
        yield from ((f"{name}[{k!r}]", y) for k, y in list(x.items()) if not isinstance(k, Tensor))
    elif isinstance(x, (list, tuple, deque)):
        yield from ((f"{name}[{i}]", y) for i, y in enumerate(x))
    elif isinstance(x, contextvars.ContextVar):
        yield f"{name}.get()", x.get(None)
    elif isinstance(x, type):
        if is_users(x.__module__):
            own = [(k, y) for k, y in vars(x).items() if not k.startswith("__") or k == "__call__"]
            yield from ((f"{x.__name__}.{k}", y) for k, y in own)
    elif isinstance(x, (Tensor, types.ModuleType, *_NUMBERS, *BUFFERS, np.generic)):
        return
    elif not (type(x).__module__ or "").startswith("clearprop.compiler"):
        yield from _attributes(name, x, tables)
    else:
        yield "", getattr(x, "function", None)  # a compiled function inside


def _attributes(name: str, x: Any, tables: LargeTables) -> Iterator[tuple[str, Any]]:
    held = getattr(x, "__dict__", None)
    known = tables.parts(held) if id(held) in tables.known else None
    if known is not None:
        yield from ((f"{name}.{k}", y) for k, y in known)
    elif isinstance(held, dict):
        yield from ((f"{name}.{k}", y) for k, y in list(held.items()) if not isinstance(y, Notes))
    for kind in type(x).__mro__:
        slots = vars(kind).get("__slots__", ())
        for k in (slots,) if isinstance(slots, str) else slots:
            if not k.startswith("__") and hasattr(x, k):  # "__weakref__" may be another class's
                yield f"{name}.{k}", getattr(x, k)
    yield "", type(x)


def _variables(f: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # a variable that has no value yet
            continue
    yield from ((f"a default of {f.__name__}[{i}]", y) for i, y in enumerate(f.__defaults__ or ()))
    yield from ((f"the default {k} of {f.__name__}", y) for k, y in (f.__kwdefaults__ or {}).items())
    if is_users(f.__module__):
        names = _names(f.__code__)
        yield from ((k, f.__globals__[k]) for k in names if k in f.__globals__)
        yield from _of_modules(f, names)
        yield from ((f"{f.__name__}.{k}", y) for k, y in f.__dict__.items())


def _of_modules(f: types.FunctionType, names: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield what a function may name in modules of the user's, imported beside it or inside of it."""
    waiting: list[Any] = [f.__globals__.get(k, sys.modules.get(k)) for k in dict.fromkeys(names)]
    seen: set[int] = set()
    for module in waiting:  # it grows meanwhile
        if not issubclass(type(module), types.ModuleType) or id(module) in seen:
            continue
        seen.add(id(module))
        if is_users(module.__name__) and "site-packages" not in (getattr(module, "__file__", None) or ""):
            held = [(k, vars(module)[k]) for k in dict.fromkeys(names) if k in vars(module)]
            yield from ((f"{module.__name__}.{k}", y) for k, y in held)
            waiting += [y for _, y in held]


def _names(code: types.CodeType) -> list[str]:
    inside = [k for c in code.co_consts if isinstance(c, types.CodeType) for k in _names(c)]
    return [*code.co_names, *inside]


def is_users(module: str | None) -> bool:
    """Whether a module of this name is neither Python's, NumPy's nor ours."""
    root = (module or "").split(".")[0]
    return root not in sys.stdlib_module_names and root not in ("numpy", "clearprop")


# --- which line is likely -----------------------------------------------------------------------------------
_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_ASKS = ("isinstance", "isscalar", "type", "hasattr", "issubclass")
_OUTSIDE = ("default_rng", "urandom", "environ", "time", "perf_counter", "now", "open", "load", "deepcopy")


def likely_lines(function: Callable[..., Any]) -> list[str]:
    """Return the lines of a function, and of those it calls, that a recording may see otherwise.

    They ask for a type, work in place, catch exceptions or look outside, and only a user's functions count:
    `step.py:12 works in place (*=)`.
    """
    found: list[str] = []
    for _, x in reached(function, ()):
        if issubclass(type(x), types.FunctionType) and _of_users(x):
            found += _lines_of(x.__code__)
    if isinstance(function, types.FunctionType) and _of_users(function):
        found = [*_lines_of(function.__code__), *found]
    return list(dict.fromkeys(found))


def _of_users(f: types.FunctionType) -> bool:
    """Whether a function's lines are a user's: a wrapper of ours has the module of what it wraps."""
    file = f.__code__.co_filename
    return is_users(f.__module__) and "site-packages" not in file and not file.startswith(_PACKAGE)


def _lines_of(code: types.CodeType) -> list[str]:
    found = []
    instructions = list(dis.get_instructions(code))
    for instruction, following in itertools.pairwise(instructions):
        what = _what(instruction, following)
        positions = following.positions if instruction.opname == "PUSH_EXC_INFO" else instruction.positions
        if what and positions is not None and positions.lineno:
            found.append(f"{os.path.basename(code.co_filename)}:{positions.lineno} {what}")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found += _lines_of(constant)
    return found


def _what(instruction: dis.Instruction, following: dis.Instruction) -> str:
    """What an instruction does that a recording may see otherwise than an ordinary run; '' for most."""
    name = instruction.argval
    if instruction.opname == "BINARY_OP" and instruction.argrepr.endswith("="):
        return f"works in place ({instruction.argrepr})"
    if instruction.opname in ("STORE_SUBSCR", "STORE_SLICE"):
        return "stores into an array or a container"
    if instruction.opname == "PUSH_EXC_INFO" and following.opname != "WITH_EXCEPT_START":
        return "catches exceptions"
    if not instruction.opname.startswith("LOAD_"):
        return ""
    if name in _ASKS:
        return f"asks for a type ({name})"
    return f"looks outside ({name})" if name in _OUTSIDE else ""
