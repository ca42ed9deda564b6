"""The typed face of `clearprop.numpy`, which `tools/stubs.py` writes: what is an array is found out by asking.

Which parameters of a function take arrays, NumPy tells: it asks each of them whether it would answer itself. What
comes back, a call with Tensors tells. So the stub says of every function what it does with Tensors, and nothing
of it is written by hand but the functions that make arrays.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import clearprop.numpy
from clearprop import coverage
from clearprop.numpy import draws, fft, linalg, testing

FOLDER = Path(clearprop.numpy.__file__).parent
SKIPPED = coverage.FILES | coverage.WRITING | {"datetime_as_string"}
HEAD = '''"""The names of {name} for tools that read and do not run; written by tools/stubs.py with NumPy {version}."""

import builtins
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, overload

import numpy
from numpy.typing import ArrayLike, DTypeLike, NDArray

from clearprop import Tensor
'''
TYPES = """
_Tensors: TypeAlias = Tensor | Sequence[Tensor] | Sequence[Sequence[Tensor]]
_Entry: TypeAlias = Tensor | complex | numpy.generic | NDArray[Any]
_Mixed: TypeAlias = Sequence[_Entry | Sequence[_Entry | Sequence[_Entry]]]
_Input: TypeAlias = Tensor | ArrayLike | _Mixed
_Inputs: TypeAlias = Tensor | Sequence[_Input]
"""
UFUNCS = """
class _Ufunc:
    __name__: str
    nin: int
    nout: int
    identity: Any
    types: list[str]
    def reduce(self, array: _Input, axis: Any = ..., dtype: Any = ..., out: None = ..., keepdims: builtins.bool = ..., initial: Any = ..., where: Any = ...) -> Any: ...
    def accumulate(self, array: _Input, axis: int = ..., dtype: Any = ..., out: None = ...) -> Any: ...
    def reduceat(self, array: _Input, indices: ArrayLike, axis: int = ..., dtype: Any = ..., out: None = ...) -> Any: ...
    def outer(self, A: _Input, B: _Input, /, **kwargs: Any) -> Any: ...

class _Unary(_Ufunc):
    @overload
    def __call__(self, x: _Tensors, /, out: None = ..., {how}) -> Tensor: ...
    @overload
    def __call__(self, x: _Input, /, out: Any = ..., {how}) -> Any: ...

class _Binary(_Ufunc):
    @overload
    def __call__(self, x1: _Tensors, x2: _Input, /, out: None = ..., {how}) -> Tensor: ...
    @overload
    def __call__(self, x1: _Input, x2: _Tensors, /, out: None = ..., {how}) -> Tensor: ...
    @overload
    def __call__(self, x1: _Input, x2: _Input, /, out: Any = ..., {how}) -> Any: ...
"""
HOW = "*, where: Any = ..., casting: str = ..., order: str = ..., dtype: DTypeLike | None = ..., subok: builtins.bool = ..., signature: Any = ..., axes: Any = ..., axis: Any = ..., keepdims: builtins.bool = ..."
_OVERLAPS = "  # type: ignore[overload-overlap, unused-ignore]  # lists of numbers alone are plain arrays"
MADE = {
    "array": ("object", "dtype: DTypeLike | None = ..., *, copy: builtins.bool | None = ..., order: Any = ..., subok: builtins.bool = ..., ndmin: int = ..., ndmax: int = ..., like: Any = ..."),
    "asarray": ("a", "dtype: DTypeLike | None = ..., order: Any = ..., *, device: Any = ..., copy: builtins.bool | None = ..., like: Any = ..."),
    "asanyarray": ("a", "dtype: DTypeLike | None = ..., order: Any = ..., **kwargs: Any"),
    "ascontiguousarray": ("a", "dtype: DTypeLike | None = ..., *, like: Any = ..."),
    "asfortranarray": ("a", "dtype: DTypeLike | None = ..., *, like: Any = ..."),
    "asarray_chkfinite": ("a", "dtype: DTypeLike | None = ..., order: Any = ..."),
    "require": ("a", "dtype: DTypeLike | None = ..., requirements: Any = ..., **kwargs: Any"),
}  # fmt: skip
RESULTS: dict[str, str] = {}  # the fields of several results, by the name of their class
SAID = {
    "full": "@overload\ndef full(shape: Any, fill_value: _Tensors, dtype: DTypeLike | None = ..., order: Any = ..., *, device: Any = ..., like: Any = ...) -> Tensor: ...\n"
    "@overload\ndef full(shape: Any, fill_value: ArrayLike, dtype: DTypeLike | None = ..., order: Any = ..., *, device: Any = ..., like: Any = ...) -> NDArray[Any]: ...\n"
    "@overload\ndef full(shape: Any, fill_value: _Mixed, dtype: DTypeLike | None = ..., order: Any = ..., *, device: Any = ..., like: Any = ...) -> Tensor: ...",
    "where": "@overload\ndef where(condition: _Input, /) -> tuple[Any, ...]: ...\n"
    "@overload\ndef where(condition: _Input, x: _Tensors, y: _Input, /) -> Tensor: ...\n"
    "@overload\ndef where(condition: _Input, x: _Input, y: _Tensors, /) -> Tensor: ...\n"
    "@overload\ndef where(condition: _Input, x: _Input, y: _Input, /) -> Any: ...",
    "einsum": "@overload\ndef einsum(subscripts: str, first: _Tensors, /, *operands: _Input, **kwargs: Any) -> Tensor: ...\n"
    "@overload\ndef einsum(subscripts: str, first: _Input, second: _Tensors, /, *operands: _Input, **kwargs: Any) -> Tensor: ...\n"
    "@overload\ndef einsum(subscripts: Any, /, *operands: Any, **kwargs: Any) -> Any: ...",
    "vectorize": "class vectorize(numpy.vectorize): ...",
    "r_": "r_: Any",
    "c_": "c_: Any",
}  # fmt: skip


class _Asked(Exception):
    """NumPy asked the argument."""


class _Probe:
    def __array_function__(self, *_: Any) -> Any:
        raise _Asked


def asks(function: Callable[..., Any], parameter: inspect.Parameter) -> str:
    """Return the type of a parameter: of an array, of a list of arrays, or of anything else."""
    if parameter.name in ("out", "like") or function.__name__ in SKIPPED:
        return "Any"
    return next(
        (
            kind
            for kind, x in (("_Input", _Probe()), ("_Inputs", [_Probe()]))
            if _asked(function, parameter, x)
        ),
        "Any",
    )


def _asked(function: Callable[..., Any], parameter: inspect.Parameter, x: Any) -> bool:
    for filler in (1.0, [1.0], [[1.0]]):
        args, kwargs = [], {}
        for p in inspect.signature(function).parameters.values():
            given = x if p.name == parameter.name else filler
            needed = p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
            if p.name == parameter.name or needed:
                if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) or (needed and not kwargs):
                    args.append(given)
                else:
                    kwargs[p.name] = given
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                function(*args, **kwargs)
        except _Asked:
            return True
        except Exception:  # of any class: the other arguments mean nothing
            continue
    return False


def result(name: str, numpys: Callable[..., Any], ours: Callable[..., Any]) -> str:
    """Return the type of what a function gives for Tensors, found by calling it."""
    given = None if name in SKIPPED else coverage.arguments(name, numpys)
    if given is None:
        return "Any"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = ours(*(coverage._lifted(x, True) for x in given))
    except Exception:  # of any class: it is refused, so its result has no type
        return "Any"
    return _type(found)


def _type(x: Any) -> str:
    if isinstance(x, clearprop.Tensor):
        return "Tensor"
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        RESULTS[f"_{type(x).__name__}"] = "".join(
            f"\n    {field}: {_type(a)}" for field, a in zip(x._fields, x, strict=True)
        )
        return f"_{type(x).__name__}"
    if type(x) in (list, tuple) and x and all(_type(a) == "Tensor" for a in x):
        return "list[Tensor]" if type(x) is list else "tuple[Tensor, ...]"
    return f"builtins.{type(x).__name__}" if type(x) in (bool, int) else "Any"


def written(name: str, numpys: Callable[..., Any], ours: Callable[..., Any]) -> str:
    """Return a function as a stub has it."""
    given = list(inspect.signature(ours).parameters.values())
    types = {p.name: asks(numpys, p) for p in given}
    types |= {
        p.name: f"{types[p.name]} | None"
        for p in given
        if p.default is not p.empty and types[p.name] != "Any"
    }
    gives = result(name, numpys, ours)
    arrays = [p for p in given if types[p.name] != "Any" and p.kind is not p.KEYWORD_ONLY][:3]
    if gives == "Any" or gives.startswith("builtins") or not arrays:
        return _line(name, given, types, "Any" if gives == "Tensor" else gives)
    lines = []
    for p in arrays:
        lists = types[p.name].startswith("_Inputs")
        first = {p.name: "Sequence[_Tensors]" if lists else "_Tensors"}
        lines.append("@overload\n" + _line(name, given, types | first, gives, needed=p))
    return "\n".join([*lines, "@overload\n" + _line(name, given, types, "Any")])


def _line(
    name: str, given: list[inspect.Parameter], types: dict[str, str], gives: str, needed: Any = None
) -> str:
    """Return one line of a stub; parameters before the one that is `needed` have no default."""
    parts: list[str] = []
    at = given.index(needed) if needed else -1
    for i, p in enumerate(given):
        if p.kind is p.KEYWORD_ONLY and not any(x.startswith("*") for x in parts):
            parts.append("*")
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        optional = p.default is not p.empty and i > at
        parts.append(f"{star}{p.name}: {types[p.name]}" + (" = ..." if optional else ""))
        if p.kind is p.POSITIONAL_ONLY and not (
            i + 1 < len(given) and given[i + 1].kind is p.POSITIONAL_ONLY
        ):
            parts.append("/")
    return f"def {name}({', '.join(parts)}) -> {gives}: ..."


def made(name: str) -> str:
    """Return a function that makes arrays: of Tensors a Tensor, of numbers an array."""
    first, rest = MADE[name]
    kinds = (("_Tensors", "Tensor", ""), ("ArrayLike", "NDArray[Any]", _OVERLAPS), ("_Mixed", "Tensor", ""))
    return "\n".join(
        f"@overload\ndef {name}({first}: {kind}, {rest}) -> {gives}: ...{said}" for kind, gives, said in kinds
    )


def entries(names: dict[str, Any], numpys: Any) -> Iterator[str]:
    """Yield every name of a namespace as the stub has it."""
    typed = set(_typed(numpys))
    for name, ours in sorted(names.items()):
        theirs = getattr(numpys, name, None)
        if name in MADE:
            yield made(name)
        elif name in SAID:
            yield SAID[name]
        elif inspect.ismodule(ours):
            yield f"from clearprop.numpy import {name} as {name}"
        elif isinstance(theirs, np.ufunc) and theirs.nout == 1 and theirs.nin <= 2:
            yield f"{name}: {'_Unary' if theirs.nin == 1 else '_Binary'}"
        elif hasattr(theirs, "_implementation"):
            yield written(name, theirs, ours)
        elif ours is theirs and name in typed:
            yield f"from {numpys.__name__} import {name} as {name}"
        elif inspect.isfunction(ours):
            yield _line(name, list(inspect.signature(ours).parameters.values()), _any(ours), "Any")
        else:
            yield f"{name}: Any"


def _any(function: Any) -> dict[str, str]:
    return dict.fromkeys(inspect.signature(function).parameters, "Any")


def _typed(module: Any) -> list[str]:
    """Return the names that NumPy's own stub of a module exports."""
    path = Path(module.__file__).with_suffix(".pyi")
    for node in ast.parse(path.read_text()).body if path.exists() else ():
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and "__all__" in ast.unparse(node).split("=")[0]:
            return [x.value for x in getattr(node.value, "elts", ()) if isinstance(x, ast.Constant)]
    return [name for name in module.__all__ if path.exists()]


def drawn() -> Iterator[str]:
    """Yield the distributions: a Tensor among their parameters gives a Tensor."""
    yield "class Generator(numpy.random.Generator):"
    yield from (f"    {name}: Any" for name in draws.DRAWN if hasattr(np.random.Generator, name))
    yield "\nclass RandomState(numpy.random.RandomState):"
    yield from (f"    {name}: Any" for name in draws.DRAWN if hasattr(np.random.RandomState, name))
    yield "\ndef default_rng(seed: Any = ...) -> Generator: ..."
    for name, ours in sorted(draws.NAMES.items()):
        if name in draws.DRAWN:
            given = list(inspect.signature(ours).parameters.values())
            lifted = [p for p in given if p.name not in ("size", "args", "kwargs", "replace", "axis", "how")]
            types = _any(ours) | {p.name: "_Input" for p in lifted}
            for p in lifted:
                yield "@overload\n" + _line(name, given, types | {p.name: "_Tensors"}, "Tensor", needed=p)
            yield "@overload\n" + _line(name, given, types, "Any")
        elif ours is getattr(np.random, name):
            yield f"from numpy.random import {name} as {name}"
        elif name in draws.REFUSED:
            yield f"{name}: Any"


def compared() -> Iterator[str]:
    """Yield the assertions."""
    for name in sorted(testing.NAMES):
        plain = f"from numpy.testing import {name} as {name}"
        yield (
            f"def {name}(actual: Any, desired: Any, *args: Any, **kwargs: Any) -> None: ..."
            if name in testing.COMPARING
            else plain
        )


def texts() -> dict[Path, str]:
    """Return every stub of the namespace, by its path."""
    lazy = [name for name in dir(clearprop.numpy) if name not in clearprop.numpy.NAMES]
    modules = [
        f"from numpy import {name} as {name}" if name in _typed(np) else f"{name}: Any" for name in lazy
    ]
    spaces = {
        "__init__": itertools.chain(entries(clearprop.numpy.NAMES, np), modules),
        "linalg": entries(linalg.NAMES, np.linalg),
        "fft": entries(fft.NAMES, np.fft),
        "random": drawn(),
        "testing": compared(),
    }
    found = {}
    for space, lines in spaces.items():
        head = HEAD.format(name=f"clearprop.numpy.{space}".removesuffix(".__init__"), version=_version())
        ufuncs = UFUNCS.format(how=HOW) if space == "__init__" else ""
        RESULTS.clear()
        body = list(lines)
        results = [f"\nclass {name}(NamedTuple):{fields}\n" for name, fields in RESULTS.items()]
        found[FOLDER / f"{space}.pyi"] = "\n".join([head, TYPES, *results, ufuncs, *body]) + "\n"
    return found


def _version() -> str:
    return ".".join(np.__version__.split(".")[:2])


def comparable(text: str) -> bool:
    """Return whether a stub was written with this NumPy: another has other names."""
    return f"with NumPy {_version()}." in text
