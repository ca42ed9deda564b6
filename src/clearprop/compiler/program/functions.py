"""NumPy's functions on symbolic arrays, each as the core ops it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.contraction import contracted
from clearprop.compiler.program.core import CORE
from clearprop.compiler.program.joins import join, padded

if TYPE_CHECKING:
    from clearprop.compiler.program.lower import SymbolicArray


def _several(axis: Any) -> tuple[int, ...]:
    return axis if isinstance(axis, tuple) else (axis,)


def _where(s: SymbolicArray, c: Any, x: Any, y: Any) -> Any:
    taken = [s.take(v) for v in (c, x, y)]
    return s.new(s.builder.where(*taken))


def _squeeze(s: SymbolicArray, x: SymbolicArray, axis: Any = None) -> Any:
    axes = range(x.ndim) if axis is None else {a % x.ndim for a in _several(axis)}
    return x.reshape(tuple(n for i, n in enumerate(x.shape) if not (n == 1 and i in axes)))


def _expand_dims(s: SymbolicArray, x: SymbolicArray, axis: Any) -> Any:
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = {a % (x.ndim + len(axes)) for a in axes}
    rest = iter(x.shape)
    return x.reshape(tuple(1 if i in places else next(rest) for i in range(x.ndim + len(axes))))


def _moveaxis(s: SymbolicArray, x: SymbolicArray, source: Any, destination: Any) -> Any:
    sources = [a % x.ndim for a in np.atleast_1d(source).tolist()]
    places = [a % x.ndim for a in np.atleast_1d(destination).tolist()]
    axes = [a for a in range(x.ndim) if a not in sources]
    for place, a in sorted(zip(places, sources, strict=True)):
        axes.insert(place, a)
    return x.transpose(tuple(axes))


def _flip(s: SymbolicArray, x: SymbolicArray, axis: Any = None) -> Any:
    axes = range(x.ndim) if axis is None else {a % x.ndim for a in _several(axis)}
    return x[tuple(slice(None, None, -1 if i in axes else None) for i in range(x.ndim))]


def _round(s: SymbolicArray, x: SymbolicArray, decimals: int = 0) -> Any:
    if decimals:
        raise Unlowered("rounding to decimals")
    return np.rint(x)


def _joined(s: SymbolicArray, parts: Sequence[Any], axis: int) -> Any:
    taken = [s.take(x) for x in parts]
    dtype = np.result_type(*(x.dtype for x in taken))
    return s.new(join(s.builder, [s.builder.cast(x, dtype) for x in taken], axis % len(taken[0].shape)))


def _concatenate(s: SymbolicArray, parts: Sequence[Any], axis: int = 0) -> Any:
    return _joined(s, parts, axis)


def _stack(s: SymbolicArray, parts: Sequence[Any], axis: int = 0) -> Any:
    axis %= parts[0].ndim + 1
    return _joined(s, [np.expand_dims(x, axis) for x in parts], axis)


def _pad(s: SymbolicArray, x: SymbolicArray, widths: Any, *, constant_values: Any = 0) -> Any:
    if np.ndim(constant_values):
        raise Unlowered("margins of several numbers")
    widths = np.broadcast_to(np.asarray(widths), (x.ndim, 2)).tolist()
    return s.new(padded(s.builder, x.value, widths, constant_values))


def _roll(s: SymbolicArray, x: SymbolicArray, shift: Any, axis: Any = None) -> Any:
    if axis is None:
        return _roll(s, x.reshape(-1), int(np.sum(shift)), 0).reshape(x.shape)
    for places, along in np.broadcast(shift, axis):
        lead = (slice(None),) * (int(along) % x.ndim)
        cut = -int(places) % max(x.shape[len(lead)], 1)
        x = _joined(s, (x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]), len(lead))
    return x


def _repeat(s: SymbolicArray, x: SymbolicArray, repeats: Any, axis: Any = None) -> Any:
    if np.ndim(repeats):
        raise Unlowered("a number of repeats for each entry")
    if axis is None:
        return _repeat(s, x.reshape(-1), repeats, 0)
    axis %= x.ndim
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    spread = np.broadcast_to(x.reshape((*before, n, 1, *after)), (*before, n, repeats, *after))
    return spread.reshape((*before, n * repeats, *after))


def _windows(s: SymbolicArray, x: SymbolicArray, window_shape: Any, axis: Any) -> Any:
    shape = list(x.shape)
    for a, n in zip(axis, window_shape, strict=True):
        shape[a] -= n - 1
        if shape[a] < 1:
            raise Unlowered("a window that is longer than its axis")
    ones = (1,) * len(axis)
    how = {"axes": axis, "sizes": window_shape, "steps": ones, "dilations": ones}
    return s.new(s.builder.emit("windows", (x.value,), (*shape, *window_shape), x.dtype, how))


def _cumsum(s: SymbolicArray, x: SymbolicArray, axis: Any = None) -> Any:
    if axis is None or not x.ndim:
        x, axis = x.reshape(-1), 0
    dtype = np.cumsum(np.zeros(1, x.dtype)).dtype
    taken = s.builder.cast(x.value, dtype)
    return s.new(s.builder.emit("cumsum", (taken,), x.shape, dtype, {"axis": axis % x.ndim}))


def _einsum(s: SymbolicArray, subscripts: str, *xs: Any, optimize: Any = None) -> Any:
    return s.new(contracted(s.builder, subscripts, [s.take(x) for x in xs]))


def _reducer(name: str) -> Callable[..., Any]:
    return lambda s, x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


REDUCED: dict[Any, str] = {
    np.add: "sum",
    np.multiply: "prod",
    np.maximum: "max",
    np.minimum: "min",
    np.logical_or: "any",
    np.logical_and: "all",
}

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.squeeze: _squeeze,
    np.expand_dims: _expand_dims,
    np.moveaxis: _moveaxis,
    np.flip: _flip,
    np.round: _round,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.pad: _pad,
    np.roll: _roll,
    np.repeat: _repeat,
    np.cumsum: _cumsum,
    np.einsum: _einsum,
    np.lib.stride_tricks.sliding_window_view: _windows,
    np.swapaxes: lambda s, x, a, b: x.swapaxes(a, b),
    np.transpose: lambda s, x, axes=None: x.transpose(*(() if axes is None else (axes,))),
    np.reshape: lambda s, x, shape: x.reshape(shape),
    np.ravel: lambda s, x: x.reshape(-1),
    np.broadcast_to: lambda s, x, shape: s.new(s.builder.broadcast_to(x.value, shape)),
    np.shape: lambda s, x: x.shape,
    np.ndim: lambda s, x: x.ndim,
    np.size: lambda s, x: x.size,
    **{getattr(np, name): _reducer(name) for name, row in CORE.items() if row.family == "reduce"},
    **{getattr(np, name): _reducer(name) for name in ("mean", "var", "std")},
}
