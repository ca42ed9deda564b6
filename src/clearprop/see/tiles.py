"""`tiles`: what a notebook shows of a large Tensor: pictures of value and gradient, and their quantiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.see.drawing.pictures import colours, png, shrunk
from clearprop.see.numbers import brief
from clearprop.see.readable import table
from clearprop.tensor import Tensor

_WRITTEN = 20  # entries up to which the numbers themselves are shown
_SIDE = 64  # squares along the longer side of one tile that stands alone
_ROWS, _COLUMNS = 6, 8  # of the tiles of an array with more than two axes
_LOOKED_AT = 1_000_000  # entries of which quantiles are taken
_SQUARES = 2.0**500  # the largest magnitude whose squares are added up as they are
_GAP = (160, 160, 160)  # between tiles
_POINTS = {
    "least": 0.0,
    "1 %": 0.01,
    "25 %": 0.25,
    "median": 0.5,
    "75 %": 0.75,
    "99 %": 0.99,
    "greatest": 1.0,
}


def tiles(t: Tensor) -> str | None:
    """Return HTML of a Tensor with more than a few entries; None for others, whose text says it all.

    The last two axes make a tile, blue below 0 and orange above; tiles of more axes stand side by side, all
    with the same colours. Where there are more entries than squares, a square is the mean of its entries.

    >>> tiles(Tensor(np.ones(3))) is None, "24 entries" in tiles(Tensor(np.ones((4, 6))))
    (True, True)
    """
    arrays = {"value": np.asarray(t._value)}
    if t.grad is not None:
        arrays["gradient"] = np.asarray(t.grad._value if isinstance(t.grad, Tensor) else t.grad)
    first = arrays["value"]
    if first.size <= _WRITTEN or first.dtype.kind not in "fiub":
        return None
    rows = [("", *_POINTS, "mean", "std", "zeros", "not finite"), *(_row(n, a) for n, a in arrays.items())]
    title = f"{type(t).__name__} {t.name or ''} {first.shape} {first.dtype}, {first.size:,} entries"
    made = f", made by {t.op.name}" if t.op else "" if t.requires_grad else ", needs no gradient"
    pictures = "".join(_figure(name, array) for name, array in arrays.items())
    numbers = table("clearprop-tiles", " ".join(title.split()) + made, rows, numbers=len(rows[0]) - 1)
    return f"<div>{numbers}{pictures}</div>"


def _row(name: str, array: Any) -> tuple[str, ...]:
    """The quantiles of an array's finite entries, of every k-th where there are too many."""
    flat = array.reshape(-1)
    step = -(-flat.size // _LOOKED_AT)
    while math.gcd(step, flat.size) > 1:  # else it may meet the same columns again and again
        step += 1
    seen = flat[::step].astype(np.float64)
    finite = seen[np.isfinite(seen)]
    largest = float(np.abs(finite).max(initial=0.0))
    unit = largest if largest > _SQUARES else 1.0
    finite = finite / unit
    points = np.quantile(finite, list(_POINTS.values())) if finite.size else np.full(len(_POINTS), np.nan)
    moments = (finite.mean(), finite.std()) if finite.size else (np.nan, np.nan)
    counts = (int((flat == 0).sum()), int((~np.isfinite(flat)).sum()) if array.dtype.kind == "f" else 0)
    sampled = name if step == 1 else f"{name}, of 1 in {step} entries"
    return (sampled, *(brief(unit * x) for x in (*points, *moments)), *(f"{n:,}" for n in counts))


def _figure(name: str, array: Any) -> str:
    pixels, said = _painted(array)
    scale = max(1, min(12, 384 // max(pixels.shape[:2])))  # not by a style: front ends may drop it
    larger = pixels.repeat(max(scale, 24 // len(pixels)), axis=0).repeat(scale, axis=1)
    caption = f"{name}: {said}"
    image = f'<img src="{png(larger)}" alt="{caption}"><figcaption>{caption}</figcaption>'
    return f'<figure style="display:inline-block;margin:4px 16px 4px 0">{image}</figure>'


def _painted(array: Any) -> tuple[Any, str]:
    """Return the pixels of an array, and what they are in words."""
    rows = array.reshape(1, -1) if array.ndim == 1 else array
    tile = f"{rows.shape[-2]} x {rows.shape[-1]}"
    if rows.ndim == 2:
        means = ", squares are means" if max(rows.shape) > _SIDE else ""
        return colours(shrunk(rows.astype(float), _SIDE, _SIDE)), tile + means
    outer = rows.reshape(-1, *rows.shape[-3:]) if rows.ndim > 3 else rows[None]
    shown = outer[:_ROWS, :_COLUMNS]
    side = _SIDE // 4
    small = np.array([[shrunk(one.astype(float), side, side) for one in line] for line in shown])
    several, total = small.shape[0] * small.shape[1], outer.shape[0] * outer.shape[1]
    counted = f"{several} of {total:,} tiles" if several < total else f"{total:,} tiles"
    means = ", squares are means" if max(rows.shape[-2:]) > side else ""
    return _side_by_side(small), f"{counted} of {tile}{means}"


def _side_by_side(small: Any) -> Any:
    """Return the pixels of tiles, an array of shape (down, across, height, width), in one set of colours."""
    down, across, height, width = small.shape
    painted = colours(small.reshape(-1, width)).reshape(down, across, height, width, 3)
    canvas = np.full((down, height + 1, across, width + 1, 3), _GAP, np.uint8)
    canvas[:, :height, :, :width] = painted.transpose(0, 2, 1, 3, 4)
    return canvas.reshape(down * (height + 1), across * (width + 1), 3)[:-1, :-1]
