"""`np.pad` in its modes that make a margin of the entries themselves, axis after axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.ops.shape import as_array
from clearprop.registry import ops, wider

_WHOLE = np.array([3, 1, 2])
_padded: Any = np.pad
_EXTREMES: dict[str, Any] = {"maximum": np.max, "minimum": np.min, "median": np.median}


@define(
    "margin_of_whole",
    "opaque",
    None,
    facts=Facts(kinks=False),
    examples=(((_WHOLE,), {"widths": ((1, 2),), "mode": "edge"}),),
)
def margin_of_whole(
    x: Any, *, widths: Any = (), mode: str = "edge", how: tuple[tuple[str, Any], ...] = ()
) -> Any:
    """NumPy's pad of whole numbers, which rounds its means; no gradient."""
    return _padded(x, widths, mode, **dict(how))


def pad(x: Any, pad_width: Any, mode: Any = "constant", **how: Any) -> Any:
    """Return the array with a margin: of its own entries turned about, of its ends, or of what these make.

    Every mode of NumPy's but `empty`, whose entries are what lay in memory, and functions that write into the
    margin. Raises what NumPy raises for widths and keywords that it refuses.

    >>> pad(np.array([1.0, 2.0, 3.0]), 2, "reflect")
    array([3., 2., 1., 2., 3., 2., 1.])
    """
    x = as_array(x)
    if callable(mode) or mode == "empty":
        hint = "mode='constant', 'edge', 'reflect', 'symmetric', 'wrap', 'linear_ramp' or 'mean'"
        raise TypeError(
            lesson(f"np.pad(x, {mode!r})"[:60], "writes the margin in place, or not at all", hint=hint)
        )
    widths = _widths(pad_width, x.ndim)
    _padded(np.broadcast_to(np.float32(0), x.shape), pad_width, mode, **how)  # NumPy complains
    if mode == "constant":
        return ops["pad"](x, widths, **how)
    if x.dtype.kind not in "fc":
        return ops["margin_of_whole"](x, widths=widths, mode=mode, how=tuple(how.items()))
    for axis, (before, after) in enumerate(widths):
        if (before or after) and x.shape[axis]:
            own = {k: _own(v, axis, x.ndim) if k != "reflect_type" else v for k, v in how.items()}
            x = _along(x, axis, (before, after), mode, own)
    return x


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    if isinstance(pad_width, dict):
        pairs = {axis % ndim: (w, w) if np.ndim(w) == 0 else tuple(w) for axis, w in pad_width.items()}
        return tuple(pairs.get(i, (0, 0)) for i in range(ndim))
    array = np.asarray(pad_width)
    if array.dtype.kind not in "iu":
        raise TypeError(lesson("np.pad(x, pad_width)", "wants whole numbers", f"{pad_width!r}"[:60]))
    return tuple((int(b), int(a)) for b, a in np.broadcast_to(array, (ndim, 2)))


def _own(value: Any, axis: int, ndim: int) -> Any:
    """Return what a keyword that may hold pairs for all axes says of one."""
    return value if value is None else tuple(np.broadcast_to(np.asarray(value), (ndim, 2))[axis].tolist())


def _along(x: Any, axis: int, width: tuple[int, int], mode: str, how: dict[str, Any]) -> Any:
    n = x.shape[axis]
    turned = mode in ("reflect", "symmetric")
    if mode in ("edge", "wrap") or (turned and how.get("reflect_type", "even") == "even"):
        return np.take(x, _padded(np.arange(n), width, mode), axis=axis)
    if mode in _EXTREMES:
        return _stretched(x, axis, width, _EXTREMES[mode], how.get("stat_length"))
    # Every entry of the margin is a sum of the array's: its weights are the margins of the unit vectors.
    rows: dict[str, Any] = {k: ((v, (0, 0))) for k, v in how.items() if k != "reflect_type"}
    rows |= {"reflect_type": how["reflect_type"]} if "reflect_type" in how else {}
    if mode == "linear_ramp":
        rows = {"end_values": 0}
    if rows.get("stat_length", (None,))[0] is None:
        rows.pop("stat_length", None)
    else:
        rows["stat_length"] = (rows["stat_length"][0], (1, 1))
    weights = _padded(np.eye(n, dtype=x.dtype), (width, (0, 0)), mode, **rows)
    moved = np.moveaxis(x, axis, 0)
    constant = np.zeros(n + sum(width), x.dtype)
    if mode == "linear_ramp" and "end_values" in how:
        constant = _padded(np.zeros(n, x.dtype), width, mode, end_values=how["end_values"])
    parts = [moved]
    for rows_of_side, first in ((slice(0, width[0]), True), (slice(width[0] + n, None), False)):
        shift = constant[rows_of_side].reshape((-1, *(1,) * (x.ndim - 1)))
        side = np.tensordot(weights[rows_of_side], moved, axes=1) + shift
        parts = [side, *parts] if first else [*parts, side]
    return np.moveaxis(np.concatenate(parts), 0, axis)


def _stretched(x: Any, axis: int, width: tuple[int, int], reduce: Any, lengths: Any) -> Any:
    """Return `x` between two margins, each made of one statistic of the entries next to it."""
    n = x.shape[axis]
    first, last = (n, n) if lengths is None else (min(m, n) for m in lengths)
    before = (slice(None),) * axis
    parts = [x]
    for length, part, at in (
        (width[0], x[(*before, slice(first))], 0),
        (width[1], x[(*before, slice(n - last, n))], 2),
    ):
        one = reduce(part, axis=axis, keepdims=True)
        shape = tuple(length if i == axis else m for i, m in enumerate(x.shape))
        parts.insert(at, np.broadcast_to(one, shape))
    return np.concatenate(parts, axis=axis)


wider[np.pad] = pad
