"""NumPy functions that have no gradient: answered with plain values, as NumPy answers.

Those whose result is an array of a shape that is known beforehand are ops, so that a compiled step computes
them anew in each call. What looks at values to decide how many there are, or is a Python number, is plain
NumPy; while a step is recorded, it is refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.facts import Facts
from clearprop.ops.plane import real_only
from clearprop.ops.shape import as_array, blank
from clearprop.registry import implements, numpy_functions
from clearprop.tensor import Tensor

_NUMBERS = np.array([0.3, -1.2, 2.0, 0.7])
_PLACES = np.array([-1.0, 0.0, 1.0])


def _each(x: Any, found: Callable[[Tensor], Any]) -> Any:
    """Return nested arguments with `found(t)` in place of every Tensor."""
    if isinstance(x, Tensor):
        return found(x)
    if type(x) in (list, tuple):
        return type(x)(_each(a, found) for a in x)
    return x


def _answered(function: Callable[..., Any], found: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """Return `function` for Tensors, asked with what `found` makes of them."""

    def plain(*args: Any, **kwargs: Any) -> Any:
        return function(*_each(args, found), **{k: _each(v, found) for k, v in kwargs.items()})

    plain.__name__ = plain.__qualname__ = function.__name__
    plain.__doc__ = f"NumPy's {function.__name__}, of plain values; no gradient."
    return plain


# Which values there are decides the answer, or how long it is.
_OF_VALUES: tuple[Callable[..., Any], ...] = (
    np.allclose, np.array_equal, np.array_equiv, np.unique, np.unique_all, np.unique_counts,
    np.unique_inverse, np.unique_values, np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d,
    np.bincount, np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.ix_,
    np.array2string, np.array_repr, np.array_str, np.save, np.savez, np.savez_compressed, np.savetxt,
    np.lexsort, np.ravel_multi_index, np.unravel_index, np.packbits, np.unpackbits,
    np.min_scalar_type,
)  # fmt: skip
# Shapes and dtypes alone decide it.
_OF_SHAPES: tuple[Callable[..., Any], ...] = (
    np.result_type, np.can_cast, np.common_type, np.iscomplexobj, np.isrealobj, np.may_share_memory,
    np.shares_memory, np.einsum_path, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from,
    np.empty_like,
)  # fmt: skip
for _function in _OF_VALUES:
    numpy_functions[_function] = _answered(_function, lambda t: t.value)
for _function in _OF_SHAPES:
    numpy_functions[_function] = _answered(_function, blank)


# --- ops without a gradient ---------------------------------------------------------------------------------
def _first(n: int, *names: str) -> Callable[..., Any]:
    """Return a signature whose first `n` arguments are inputs, the others attributes of these names."""

    def signature(*args: Any, **kwargs: Any) -> Any:
        if len(args) > n + len(names):
            raise TypeError(f"takes {n + len(names)} arguments by position")
        unknown = [k for k in kwargs if k not in names]
        if unknown:
            raise TypeError(f"takes no {', '.join(unknown)}=")
        return args[:n], dict(zip(names, args[n:], strict=False)) | kwargs

    return signature


@define(
    "isclose",
    "opaque",
    None,
    None,
    numpy=np.isclose,
    signature=_first(2, "rtol", "atol", "equal_nan"),
    facts=Facts(kinks=False),
    examples=(((_NUMBERS, _NUMBERS + 1e-9), {}),),
)
def isclose(x: Any, y: Any, **how: Any) -> Any:
    """Whether |x - y| <= atol + rtol |y|; no gradient."""
    return np.isclose(x, y, **how)


@define(
    "count_nonzero",
    "opaque",
    None,
    numpy=np.count_nonzero,
    facts=Facts(kinks=lambda x, **how: x == 0),
    examples=(((_NUMBERS,), {}),),
)
def count_nonzero(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """How many entries along `axis` are not 0; no gradient."""
    return np.sum(np.asarray(x, bool), axis=axis, keepdims=keepdims, dtype=np.intp)


@define(
    "searchsorted",
    "opaque",
    None,
    None,
    signature=_first(2, "side", "sorter"),
    facts=Facts(kinks=lambda a, v, **how: np.isin(v, a)),
    examples=(((_PLACES, _NUMBERS), {}), ((_PLACES, _NUMBERS), {"side": "right"})),
)
def searchsorted(a: Any, v: Any, **how: Any) -> Any:
    """Where `v` would stand among the ascending entries of `a`; no gradient."""
    return np.asarray(np.searchsorted(a, v, **how))[()]


@implements(np.searchsorted)
def searched(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where `v` would stand; a Tensor as `sorter` puts `a` in order first."""
    if isinstance(sorter, Tensor):
        a, sorter = np.take(as_array(a), sorter), None
    return searchsorted(a, v, side=side, sorter=sorter)


@define(
    "digitize",
    "opaque",
    None,
    None,
    numpy=np.digitize,
    signature=_first(2, "right"),
    facts=Facts(kinks=lambda x, bins, **how: np.isin(x, bins)),
    examples=(((_NUMBERS, _PLACES), {}), ((_NUMBERS, _PLACES[::-1].copy()), {"right": True})),
)
def digitize(x: Any, bins: Any, **how: Any) -> Any:
    """Which interval between the `bins` each entry lies in; no gradient."""
    return np.asarray(np.digitize(x, bins, **how))[()]


@define(
    "isin",
    "opaque",
    None,
    None,
    numpy=np.isin,
    signature=_first(2, "assume_unique", "invert"),
    facts=Facts(kinks=lambda x, among, **how: np.isin(x, among)),
    examples=(((_NUMBERS, _NUMBERS[:2]), {}),),
)
def isin(x: Any, among: Any, **how: Any) -> Any:
    """Whether each entry is among those of another array; no gradient."""
    return np.asarray(np.isin(x, among, **how))[()]


def _of_whole_numbers(name: str, function: Any, examples: Any) -> None:
    given = (None,) * function.nin

    @define(name, "elementwise", *given, numpy=function, facts=Facts(kinks=False), examples=(examples,))
    def of_whole_numbers(*xs: Any) -> Any:
        """What NumPy's function of this name says of whole numbers; no gradient."""
        return function(*xs)


_WHOLE = np.array([12, 0, 7, 30])
_of_whole_numbers("gcd", np.gcd, ((_WHOLE, _WHOLE[::-1].copy()), {}))
_of_whole_numbers("lcm", np.lcm, ((_WHOLE, _WHOLE[::-1].copy()), {}))
_of_whole_numbers("bitwise_count", np.bitwise_count, ((_WHOLE,), {}))


def _nan_extreme(name: str, function: Any, extreme: Any) -> None:
    def tied(x: Any, axis: Any = None, **how: Any) -> Any:
        return x == extreme(x, axis=axis, keepdims=True)

    @define(name, "opaque", None, numpy=function, facts=Facts(kinks=tied), examples=(((_NUMBERS,), {}),))
    def nan_extreme(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
        """The index of the extreme among the entries that are numbers; no gradient."""
        return function(x, axis=axis, keepdims=keepdims)


_nan_extreme("nanargmax", np.nanargmax, np.nanmax)
_nan_extreme("nanargmin", np.nanargmin, np.nanmin)


@implements(np.isneginf)
def isneginf(x: Any) -> Any:
    """Return where `x` is minus infinity."""
    real_only("np.isneginf(x)", x)
    return x == -np.inf


@implements(np.isposinf)
def isposinf(x: Any) -> Any:
    """Return where `x` is infinity."""
    real_only("np.isposinf(x)", x)
    return x == np.inf


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """Return where the imaginary part is 0."""
    return np.imag(x) == 0 if x.dtype.kind == "c" else np.ones(x.shape, bool)[()]


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """Return where the imaginary part is not 0."""
    return np.imag(x) != 0 if x.dtype.kind == "c" else np.zeros(x.shape, bool)[()]


@implements(np.full_like)
def full_like(
    x: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """Return an array of x's shape and dtype that is one value; the gradient of a Tensor's is its sum."""
    shape = as_array(x).shape if shape is None else shape  # asked of x itself, which may be what a mask picks
    if not isinstance(fill_value, Tensor):
        return np.full_like(blank(x), fill_value, dtype, order, subok, shape, device=device)
    dtype = as_array(x).dtype if dtype is None else np.dtype(dtype)
    filled = np.broadcast_to(fill_value, shape)
    return filled.astype(dtype) if filled.dtype != dtype else +filled
