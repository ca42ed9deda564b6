"""Ops that move entries without changing them: the gradient takes the same way back."""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts
from clearprop.modes import mode
from clearprop.registry import implements, wider
from clearprop.showing import apart, straight
from clearprop.tensor import Tensor, plain


def _back(g: Any, z: Any, x: Any, **attrs: Any) -> Any:
    return g.reshape(x.shape)


def _reshape_signature(x: Any, shape: Any = None, *, newshape: Any = None) -> Any:
    return (x,), {"shape": shape if newshape is None else newshape}


@define(
    "reshape",
    "view",
    _back,
    numpy=np.reshape,
    signature=_reshape_signature,
    facts=Facts(script="{}", order="kept"),
    examples=((((3, 4),), {"shape": (2, -1)}),),
)
def reshape(x: Any, *, shape: Any = None) -> Any:
    """The same entries in another shape; one length may be -1."""
    return x.reshape(shape)


def _by_columns(called: str, order: Any) -> bool:
    """Whether entries are counted column by column; their order in memory is nothing that a Tensor has."""
    if order in ("C", "F"):
        return bool(order == "F")
    if order not in ("A", "K"):
        raise ValueError(lesson(f"{called}(order=)", "is 'C', row by row, or 'F'", repr(order)))
    wanted = "asks for the order in memory, which is nothing that a Tensor has"
    raise TypeError(lesson(f"{called}(order={order!r})", wanted, hint="order='C' or order='F'"))


def _wide_reshape(x: Any, shape: Any, order: str = "C", *, copy: Any = None) -> Any:
    """Answer `np.reshape` with an order: column by column is row by row of the transpose."""
    x = as_array(x)
    if copy is False:
        raise TypeError(
            lesson("np.reshape(copy=False)", "asks for a view of memory, which a Tensor never gives")
        )
    if not _by_columns("np.reshape", order):
        return apart(x.reshape(shape)) if copy else x.reshape(shape)
    lengths = np.reshape(np.broadcast_to(False, x.shape), shape).shape
    return np.transpose(np.transpose(x).reshape(lengths[::-1]))


def _wide_ravel(x: Any, order: str = "C") -> Any:
    """Answer `np.ravel` with an order."""
    x = as_array(x)
    return straight((np.transpose(x) if _by_columns("np.ravel", order) else x).reshape((-1,)))


wider[np.reshape], wider[np.ravel] = _wide_reshape, _wide_ravel


def _ravel_signature(x: Any, order: str = "C") -> Any:
    if order != "C":
        raise TypeError("another order is answered elsewhere")
    return (x,), {}


@define(
    "ravel",
    "view",
    _back,
    numpy=np.ravel,
    signature=_ravel_signature,
    facts=Facts(script="{}", order="kept"),
    examples=((((3, 4),), {}),),
)
def ravel(x: Any) -> Any:
    """The same entries along one axis."""
    return x.ravel()


@define(
    "squeeze",
    "view",
    _back,
    numpy=np.squeeze,
    facts=Facts(script="{}", order="kept"),
    examples=((((3, 1, 4),), {}), (((3, 1, 4),), {"axis": 1})),
)
def squeeze(x: Any, *, axis: Any = None) -> Any:
    """The same entries without the axes of length 1 (all of them, or those named)."""
    z = np.squeeze(x, axis=axis)
    return z.view() if z is x else z  # NumPy gives the array itself where it has no such axis


@define(
    "expand_dims",
    "view",
    _back,
    numpy=np.expand_dims,
    facts=Facts(script="{}", order="kept"),
    examples=((((3, 4),), {"axis": 1}), (((3,),), {"axis": (0, 2)})),
)
def expand_dims(x: Any, *, axis: Any = 0) -> Any:
    """The same entries with new axes of length 1."""
    return np.expand_dims(x, axis)


def _inverse(axes: Any) -> Any:
    return None if axes is None else tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))


def _order_of_axes(ndim: int, axes: Any) -> tuple[int, ...]:
    return tuple(range(ndim))[::-1] if axes is None else tuple(a % ndim for a in axes)


@define(
    "transpose",
    "view",
    lambda g, z, x, axes: np.transpose(g, _inverse(axes)),
    numpy=np.transpose,
    facts=Facts(script="{}", axes=_order_of_axes),
    examples=((((3, 4),), {}), (((2, 3, 4),), {"axes": (1, 2, 0)})),
)
def transpose(x: Any, *, axes: Any = None) -> Any:
    """The axes in another order, reversed unless told."""
    return x.transpose(axes)


def _exchanged(ndim: int, i: int, j: int) -> tuple[int, ...]:
    axes = list(range(ndim))
    axes[i], axes[j] = axes[j], axes[i]
    return tuple(axes)


@define(
    "swapaxes",
    "view",
    lambda g, z, x, axis1, axis2: np.swapaxes(g, axis1, axis2),
    numpy=np.swapaxes,
    facts=Facts(axes=lambda ndim, **pair: _exchanged(ndim, *pair.values())),
    examples=((((2, 3, 4),), {"axis1": 0, "axis2": -1}),),
)
def swapaxes(x: Any, *, axis1: int = 0, axis2: int = 1) -> Any:
    """Two axes exchanged."""
    return np.swapaxes(x, axis1, axis2)


def _moved_axes(ndim: int, **pair: Any) -> tuple[int, ...]:
    return np.moveaxis(np.empty(range(ndim)), **pair).shape  # of an array whose lengths number its axes


@define(
    "moveaxis",
    "view",
    lambda g, z, x, source, destination: np.moveaxis(g, destination, source),
    numpy=np.moveaxis,
    facts=Facts(axes=_moved_axes),
    examples=(
        (((2, 3, 4),), {"source": 0, "destination": 2}),
        (((2, 3, 4),), {"source": (0, 1), "destination": (1, 2)}),
    ),
)
def moveaxis(x: Any, *, source: Any = 0, destination: Any = 0) -> Any:
    """Axes moved to other places, the rest in their order."""
    return np.moveaxis(x, source, destination)


@define(
    "broadcast_to",
    "view",
    lambda g, z, x, shape: g,  # the engine undoes broadcasting
    numpy=np.broadcast_to,
    facts=Facts(script="{}", order="repeated"),
    examples=((((3, 1),), {"shape": (2, 3, 4)}), (((),), {"shape": (2, 3)})),
)
def broadcast_to(x: Any, *, shape: Any = ()) -> Any:
    """The entries repeated along new axes and axes of length 1."""
    return np.broadcast_to(x, shape)


def repeated(x: Any, shape: tuple[int, ...]) -> Any:
    """Return `np.broadcast_to(x, shape)`, for few entries as a copy: that is faster than making a view.

    >>> repeated(np.float64(2.0), (2, 2))
    array([[2., 2.],
           [2., 2.]])
    """
    if isinstance(x, Tensor) or math.prod(shape) > 10_000:
        return np.broadcast_to(x, shape)
    out = np.empty(shape, x.dtype)
    out[...] = x
    return out


@define(
    "flip",
    "view",
    lambda g, z, x, axis: np.flip(g, axis),
    numpy=np.flip,
    examples=((((3, 4),), {}), (((3, 4),), {"axis": 1})),
)
def flip(x: Any, *, axis: Any = None) -> Any:
    """The entries in reverse order along `axis`."""
    return np.flip(x, axis)


@define(
    "roll",
    "view",
    lambda g, z, x, shift, axis: np.roll(g, tuple((-np.atleast_1d(shift)).tolist()), axis),
    numpy=np.roll,
    examples=((((3, 4),), {"shift": 1}), (((3, 4),), {"shift": (1, 2), "axis": (0, 1)})),
)
def roll(x: Any, *, shift: Any = 1, axis: Any = None) -> Any:
    """The entries shifted along `axis`, those that leave at one end entering at the other."""
    return np.roll(x, shift, axis)


# --- several arrays to one, one to several ------------------------------------------------------------------
def as_array(x: Any) -> Any:
    """Return `x` itself where it is a Tensor, else as an array: a list or number among the inputs.

    >>> as_array([1, 2])
    array([1, 2])
    """
    return x if isinstance(x, Tensor) else np.asarray(plain(x))


def constant(x: Any) -> Any:
    """Return the value of a Tensor, or an array as it is: for checks that stay out of the graph.

    >>> constant(Tensor(2.0))
    np.float64(2.0)
    """
    return x._value if isinstance(x, Tensor) else np.asarray(x)


def entries(x: Any) -> Any:
    """Return the numbers of an array or a Tensor, of an example among many those of all: for checks of range.

    >>> entries(Tensor([1.0, 2.0])).max()
    np.float64(2.0)
    """
    while isinstance(x, BatchTensor):
        x = x.content
    return constant(x)


def known(*xs: Any) -> bool:
    """Return whether there are values to look at: not in a recorded step, nor of an example among many."""
    return mode.recorder is None and not any(isinstance(x, BatchTensor) for x in xs)


def blank(x: Any) -> Any:
    """Return an array that is asked for its shape and dtype alone: also for an example among many."""
    return np.empty(x.shape, x.dtype) if isinstance(x, BatchTensor) else constant(x)


def _sequence(arrays: Any, axis: int = 0) -> Any:
    try:
        axis = operator.index(axis)
    except TypeError:
        called, wanted = "np.concatenate or np.stack", "wants its arrays in one list, and an axis"
        got, hint = f"a {type(axis).__name__} for the axis", "np.concatenate([a, b])"
        raise TypeError(lesson(called, wanted, got, at_line(), hint)) from None
    return tuple([as_array(x) for x in arrays]), {"axis": axis}


def _flat_or_along(arrays: Any, axis: int | None = 0) -> Any:
    """As for `stack`, but without an axis the arrays are laid out flat."""
    if axis is None:
        return tuple([as_array(x).reshape((-1,)) for x in arrays]), {"axis": 0}
    return _sequence(arrays, axis)


def _piece(i: int, g: Any, z: Any, *xs: Any, axis: int) -> Any:
    """The stretch of `g` that came from input i."""
    axis = axis % z.ndim
    start = 0
    for x in xs[:i]:
        start += x.shape[axis]
    return g[(slice(None),) * axis + (slice(start, start + xs[i].shape[axis]),)]


@define(
    "concatenate",
    "view",
    numpy=np.concatenate,
    arity=None,
    variadic_rule=_piece,
    signature=_flat_or_along,
    examples=((((2, 3), (4, 3)), {}), (((2, 1), (2, 3), (2, 2)), {"axis": -1})),
)
def concatenate(*xs: Any, axis: int = 0) -> Any:
    """Arrays joined along an axis they have."""
    return np.concatenate(xs, axis=axis)


@define(
    "stack",
    "view",
    numpy=np.stack,
    arity=None,
    variadic_rule=lambda i, g, z, *xs, axis: g[(slice(None),) * (axis % z.ndim) + (i,)],
    signature=_sequence,
    examples=((((2, 3), (2, 3)), {}), (((2, 3), (2, 3)), {"axis": -1})),
)
def stack(*xs: Any, axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis."""
    return np.stack(xs, axis=axis)


def _row(x: Any) -> Any:
    x = as_array(x)
    return x if x.ndim > 1 else x.reshape((1, -1))


@implements(np.vstack)
def vstack(arrays: Any) -> Any:
    """Return arrays joined along the first axis, vectors as rows."""
    return np.concatenate([_row(x) for x in arrays], axis=0)


@implements(np.hstack)
def hstack(arrays: Any) -> Any:
    """Return arrays joined along the second axis, vectors along their only one."""
    arrays = [x if x.ndim else x.reshape((1,)) for x in map(as_array, arrays)]
    return np.concatenate(arrays, axis=0 if arrays[0].ndim <= 1 else 1)


@implements(np.tile)
def tile(x: Any, reps: Any) -> Any:
    """Return `x` repeated as a block, so many times along each axis."""
    reps = tuple(np.atleast_1d(reps).tolist())
    reps = (1,) * (x.ndim - len(reps)) + reps
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    between = tuple(n for pair in zip((1,) * len(shape), shape, strict=True) for n in pair)
    spread = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    blocks = np.broadcast_to(x.reshape(between), spread)
    return apart(blocks.reshape(tuple(r * n for r, n in zip(reps, shape, strict=True))))


def _pieces(x: Any, cut: Any, sections: Any, axis: int) -> list[Any]:
    """The slices of `x` between places along an axis; `cut` says where so many sections end."""
    n = x.shape[axis]
    if np.ndim(sections):
        places = [0, *map(operator.index, sections), n]
    else:
        places = [0, *itertools.accumulate(map(len, cut(np.broadcast_to(False, n), sections)))]
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, slice(start, stop))] for start, stop in itertools.pairwise(places)]


@implements(np.split)
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the slices of `x` along an axis: so many equal sections, or those between the given places.

    >>> [piece.value.tolist() for piece in split(Tensor([1.0, 2.0, 3.0]), [1])]
    [[1.0], [2.0, 3.0]]
    """
    return _pieces(x, np.split, indices_or_sections, axis)


@implements(np.array_split)
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Return the slices of `x` along an axis as `split` does, the first ones longer where it does not divide.

    >>> [piece.value.tolist() for piece in array_split(Tensor([1.0, 2.0, 3.0]), 2)]
    [[1.0, 2.0], [3.0]]
    """
    return _pieces(x, np.array_split, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Return what `split` does along the second axis, along the only one of a vector."""
    return _pieces(x, np.split, indices_or_sections, 1 if x.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Return what `split` does along the first axis; a vector has no rows and is refused."""
    if x.ndim < 2:
        raise ValueError("wants an array of two axes or more")
    return _pieces(x, np.split, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Return what `split` does along the third axis."""
    return _pieces(x, np.split, indices_or_sections, 2)


@implements(*(getattr(np, name) for name in ("unstack",) if hasattr(np, name)))  # from NumPy 2.1 on
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the arrays that `stack` along this axis joined.

    >>> [piece.value.tolist() for piece in unstack(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)]
    [[1.0, 3.0], [2.0, 4.0]]
    """
    before = (slice(None),) * (axis % x.ndim if -x.ndim <= axis < x.ndim else x.ndim)
    return tuple([x[(*before, i)] for i in range(x.shape[len(before)])])


# --- padding ------------------------------------------------------------------------------------------------
def _pad_signature(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise TypeError(f"only mode='constant' has a rule, not {mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if not x.ndim:
        np.pad(np.zeros(()), pad_width, constant_values=constant_values)  # NumPy still looks at them
    return (x,), {"widths": tuple(map(tuple, widths)), "constant_values": constant_values}


def _inside(widths: Any, shape: Any) -> Any:
    return tuple(slice(before, before + n) for (before, _), n in zip(widths, shape, strict=True))


@define(
    "pad",
    "view",
    lambda g, z, x, widths, constant_values: g[_inside(widths, x.shape)],
    numpy=np.pad,
    signature=_pad_signature,
    examples=((((2, 3),), {"pad_width": ((1, 0), (0, 2))}), (((3,),), {"pad_width": 1})),
)
def pad(x: Any, *, widths: Any = (), constant_values: Any = 0) -> Any:
    """The array with a margin of constants around it."""
    return np.pad(x, widths, constant_values=constant_values) if x.ndim else x


def _count_signature(x: Any, repeats: Any = 1, axis: Any = None) -> Any:
    return (x,), {"repeats": operator.index(repeats), "axis": axis}


def _gather_repeats(g: Any, z: Any, x: Any, repeats: int, axis: Any) -> Any:
    repeats = max(repeats, 0)  # less than no times, which NumPy allows where there is nothing to repeat
    if axis is None or not x.ndim:
        return g.reshape((x.size, repeats)).sum(axis=1).reshape(x.shape)
    axis = axis % x.ndim
    return g.reshape((*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])).sum(axis=axis + 1)


@define(
    "repeat",
    "view",
    _gather_repeats,
    numpy=np.repeat,
    signature=_count_signature,
    examples=((((3, 4),), {"repeats": 2}), (((3, 4),), {"repeats": 3, "axis": 1})),
)
def repeat(x: Any, *, repeats: int = 1, axis: Any = None) -> Any:
    """Each entry repeated that many times along `axis`."""
    return np.repeat(x, repeats, axis)


# --- what an array tells of itself --------------------------------------------------------------------------
@implements(np.shape)
def shape_of(x: Any) -> tuple[int, ...]:
    """Return the length of each axis, as `np.shape` does."""
    return x.shape  # type: ignore[no-any-return]


@implements(np.ndim)
def ndim_of(x: Any) -> int:
    """Return the number of axes, as `np.ndim` does."""
    return x.ndim  # type: ignore[no-any-return]


@implements(np.size)
def size_of(x: Any, axis: Any = None) -> int:
    """Return the number of entries, in all or along one axis, as `np.size` does."""
    return int(np.size(np.broadcast_to(False, x.shape), axis))


@implements(np.zeros_like)
def zeros_like(
    x: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Return an array of zeros of x's shape and dtype: a constant, not a Tensor."""
    shape = as_array(x).shape if shape is None else shape  # asked of x itself, which may be what a mask picks
    return np.zeros_like(blank(x), dtype, order, subok, shape, device=device)


@implements(np.ones_like)
def ones_like(
    x: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Return an array of ones of x's shape and dtype: a constant, not a Tensor."""
    shape = as_array(x).shape if shape is None else shape  # asked of x itself, which may be what a mask picks
    return np.ones_like(blank(x), dtype, order, subok, shape, device=device)
