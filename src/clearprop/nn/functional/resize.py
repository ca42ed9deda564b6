"""Images made larger or smaller, looked at in other places, and channels that become places."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.nn.functional.layer import arrayed, fitted, floating
from clearprop.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from clearprop.nn.functional.sizes import each
from clearprop.op import describe
from clearprop.ops.resample import CUBIC, Interpolation
from clearprop.registry import ops

HOW = {
    "nearest": ("nearest", (1, 2, 3)),
    "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "linear": ("linear", (1,)),
    "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)),
    "area": ("area", (1, 2, 3)),
}
"""The modes of `interpolate`, with what each does along an axis and for how many axes it is meant."""

_AREAS = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def _how(called: str, x: Any, mode: str, align_corners: bool | None, antialias: bool) -> str:
    """Return how a mode looks between entries; raises ValueError where it does not go with the rest."""
    axes = x.ndim - 2
    if mode not in HOW or axes not in HOW[mode][1]:
        fits = [name for name, (_, meant) in HOW.items() if axes in meant]
        wanted = (
            f"wants a mode for {axes} axes: {', '.join(fits)}"
            if fits
            else "wants (batch, channels, *lengths)"
        )
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}", hint=repr(fits[0]) if fits else ""))
    how = HOW[mode][0]
    if align_corners is not None and how not in ("linear", "cubic"):
        wanted = "has no align_corners"
        raise ValueError(lesson(called, wanted, f"{align_corners}", hint="mode='bilinear', or without it"))
    if antialias and (how not in ("linear", "cubic") or axes != 2):
        raise ValueError(lesson(called, "has no antialias", "True", hint="mode='bilinear' or 'bicubic'"))
    return how


@takes_truths
def interpolate(
    x: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Return (batch, channels, *lengths) with other lengths: `size`, or `scale_factor` times those of `x`.

    `mode` is nearest, nearest-exact or area for one to three axes, linear for one, bilinear or bicubic for
    two, trilinear for three. Entry i of m lies at (i + 1/2) n / m - 1/2 of the n there were, or, with
    `align_corners`, at i (n - 1) / (m - 1): the corners stay. `antialias` widens the kernel of bilinear and
    bicubic where entries become fewer. Raises ValueError for what does not go together. Source of the cubic
    kernel: Keys, "Cubic convolution interpolation for digital image processing", 1981.

    >>> interpolate(np.array([[[0.0, 4.0]]]), scale_factor=2, mode="linear")
    array([[[0., 1., 3., 4.]]])
    """
    x, called = arrayed(x), f"interpolate(x, mode={mode!r})"
    axes = x.ndim - 2
    how = _how(called, x, mode, align_corners, antialias)
    targets, factors = _targets(called, x, size, scale_factor, axes)
    if how == "area":
        return _AREAS[axes](x, targets)
    how = f"smooth {how}" if antialias else how
    if how not in ("nearest", "nearest-exact"):  # shares of whole numbers are none
        x = floating(x)
    corners = bool(align_corners)
    for a, (n, m) in enumerate(zip(x.shape[2:], targets, strict=True)):
        factor = None if factors is None or recompute_scale_factor else factors[a]
        scale = n / m if factor is None else 1 / factor
        if how == "nearest" and axes == 2 and m in (n, 2 * n):
            scale, factor = n / m, None  # PyTorch goes by these lengths, not by the factor, along two axes
        if corners:
            scale = (n - 1) / (m - 1) if m > 1 else 0.0
        if n != m or (factor is not None and scale != 1 and not antialias):  # nor does PyTorch smooth these
            x = ops["resample"](x, axis=2 + a, table=Interpolation(how, n, m, scale, corners))
    return x


def _targets(called: str, x: Any, size: Any, factor: Any, axes: int) -> tuple[tuple[int, ...], Any]:
    """Return the new lengths, and the factors where these were given."""
    if (size is None) == (factor is None):
        raise ValueError(lesson(called, "wants size or scale_factor", f"{size} and {factor}"))
    if size is not None:
        return each(called, "size", size, axes, 1), None
    factors = tuple(factor) if isinstance(factor, (tuple, list)) else (factor,) * axes
    if len(factors) != axes or not all(isinstance(f, (int, float)) and 0 < f < math.inf for f in factors):
        wanted = f"wants a scale_factor above 0, or {axes} of them"
        raise ValueError(lesson(called, wanted, f"{factor!r}", hint="scale_factor=2"))
    return each(
        called, "size", tuple(int(n * f) for n, f in zip(x.shape[2:], factors, strict=True)), axes, 1
    ), factors


# --- looking at other places --------------------------------------------------------------------------------
@takes_truths
def affine_grid(theta: Any, size: Any, align_corners: bool = False) -> Any:
    """Return where `grid_sample` has to look for an affine map: for each place p of the result, theta (p, 1).

    `theta` is (batch, 2, 3) for `size` (batch, channels, height, width), or (batch, 3, 4) with a depth.
    Places go from -1 to 1 along each axis, x first: the middles of the outer entries with `align_corners`,
    else their outer edges. Raises ValueError where the two do not fit.

    >>> affine_grid(np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    array([[[[-0.5,  0. ],
             [ 0.5,  0. ]]]])
    """
    theta, lengths = arrayed(theta), tuple(size)[2:]
    axes = len(lengths)
    if axes not in (2, 3) or theta.shape != (size[0], axes, axes + 1):
        wanted = (
            f"wants theta of shape {(size[0], axes, axes + 1)}" if axes in (2, 3) else "wants 2 or 3 axes"
        )
        raise ValueError(
            lesson("affine_grid(theta, size)", wanted, f"{describe(theta)} and size {tuple(size)}")
        )
    lines = []
    for n in lengths:
        line = np.linspace(-1.0, 1.0, n) if align_corners else (2 * np.arange(n) + 1) / n - 1
        lines.append((line if n > 1 else np.zeros(1)).astype(theta.dtype))
    places = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(lengths, theta.dtype)], axis=-1)
    flat = places.reshape((math.prod(lengths), axes + 1)) @ np.swapaxes(theta, 1, 2)
    return flat.reshape((size[0], *lengths, axes))


PADDINGS = ("zeros", "border", "reflection")


def grid_sample(
    x: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """Return `x` as it is at the places in `grid`, between entries interpolated.

    `x` is (batch, channels, height, width), `grid` (batch, *lengths, 2) with places as in `affine_grid`;
    or both with a third axis. `mode` is bilinear (along three axes, too), nearest, or bicubic for two; beyond
    the ends there are zeros, the border, or a reflection. Both get gradients. Raises ValueError for what does
    not fit.

    >>> grid_sample(np.array([[[[1.0, 3.0]]]]), np.array([[[[0.0, 0.0]]]]))
    array([[[[2.]]]])
    """
    x = arrayed(x)
    grid, called = fitted(grid, x), f"grid_sample(x, grid, mode={mode!r})"
    axes, corners = x.ndim - 2, bool(align_corners)
    if axes not in (2, 3) or grid.ndim != x.ndim or grid.shape[-1] != axes or grid.shape[0] != x.shape[0]:
        wanted = "wants x of 4 or 5 axes, and as many places for each as it has lengths"
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}, grid is {describe(grid)}"))
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and axes == 3):
        raise ValueError(lesson(called, "wants bilinear, nearest, or bicubic for two axes", repr(mode)))
    if padding_mode not in PADDINGS:
        raise ValueError(lesson(called, f"wants a padding_mode of {', '.join(PADDINGS)}", repr(padding_mode)))
    taps = []
    for a, n in enumerate(x.shape[2:]):
        g = grid[..., axes - 1 - a]
        at = (g + 1) / 2 * (n - 1) if corners else ((g + 1) * n - 1) / 2
        if mode == "bicubic":
            first = np.floor(at)
            weights = [_cubic(at - first - k) for k in (-1, 0, 1, 2)]
            ends = [_within(first + k, n, padding_mode, corners) for k in (-1, 0, 1, 2)]
        else:
            at = _within(at, n, padding_mode, corners)
            first = np.rint(at) if mode == "nearest" else np.floor(at)
            weights = [None] if mode == "nearest" else [1 - (at - first), at - first]
            ends = [first + k for k in range(len(weights))]
        taps.append(list(zip(ends, weights, strict=True)))
    return _looked_up(x, taps)


def _cubic(t: Any) -> Any:
    """Keys' cubic kernel of the distance t of a tap, which is below 2."""
    t = np.abs(t)
    near = ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1
    return np.where(t <= 1, near, CUBIC * (((t - 5) * t + 8) * t - 4))


def _within(at: Any, n: int, padding_mode: str, corners: bool) -> Any:
    """Return places brought back to where there are entries, by stopping at the border or turning round."""
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if corners else (-0.5, float(n))
        if span == 0:
            return at * 0
        far = np.abs(at - low)
        turns = np.floor(far / span)
        rest = far - turns * span
        at = np.where(turns % 2 == 0, rest + low, span - rest + low)
    return np.clip(at, 0, n - 1)


def _looked_up(x: Any, taps: Any) -> Any:
    """Return the sum over all choices of a tap for each axis of the entry there times the weights."""
    lengths = x.shape[2:]
    last = x.transpose((0, *range(2, x.ndim), 1))
    batch = np.arange(x.shape[0]).reshape((-1,) + (1,) * len(lengths))
    total: Any = None
    for chosen in itertools.product(*taps):
        inside, weight, index = True, 1.0, [batch]
        for (place, share), n in zip(chosen, lengths, strict=True):
            within = np.logical_and(place >= 0, place <= n - 1)
            inside = np.logical_and(inside, within)
            weight = weight if share is None else share * weight
            index.append(_whole(np.where(within, place, 0)))
        part = np.where(np.expand_dims(inside, -1), ops["getitem"](last, tuple(index)), 0)
        part = part * np.expand_dims(weight, -1) if np.ndim(weight) else part
        total = part if total is None else total + part
    return total.transpose((0, total.ndim - 1, *range(1, total.ndim - 1)))


def _whole(place: Any) -> Any:
    """Return places as integers: an index, which passes no gradient on."""
    return ops["truncate"](place, dtype=np.dtype(np.int64))


# --- channels that become places, and back ------------------------------------------------------------------
def pixel_shuffle(x: Any, upscale_factor: int) -> Any:
    """Return (..., channels * r * r, height, width) as (..., channels, height * r, width * r).

    Raises ValueError where the channels are no multiple of r * r. Source: Shi et al., "Real-time single
    image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016.

    >>> pixel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), 2)
    array([[[[0., 1.],
             [2., 3.]]]])
    """
    x, called = arrayed(x), f"pixel_shuffle(x, {upscale_factor})"
    (r,) = each(called, "upscale_factor", upscale_factor, 1, 1)
    if x.ndim < 3 or x.shape[-3] % (r * r):
        wanted = f"wants (..., channels, height, width) with a multiple of {r * r} channels"
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}"))
    *lead, channels, height, width = x.shape
    apart, k = x.reshape((*lead, channels // (r * r), r, r, height, width)), len(lead)
    apart = apart.transpose((*range(k + 1), k + 3, k + 1, k + 4, k + 2))
    return apart.reshape((*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(x: Any, downscale_factor: int) -> Any:
    """Return (..., channels, height * r, width * r) as (..., channels * r * r, height, width).

    Raises ValueError where height or width is no multiple of r.

    >>> pixel_unshuffle(np.arange(4.0).reshape(1, 1, 2, 2), 2).ravel()
    array([0., 1., 2., 3.])
    """
    x, called = arrayed(x), f"pixel_unshuffle(x, {downscale_factor})"
    (r,) = each(called, "downscale_factor", downscale_factor, 1, 1)
    if x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        wanted = f"wants (..., channels, height, width) with height and width multiples of {r}"
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}"))
    *lead, channels, height, width = x.shape
    apart, k = x.reshape((*lead, channels, height // r, r, width // r, r)), len(lead)
    apart = apart.transpose((*range(k + 1), k + 2, k + 4, k + 1, k + 3))
    return apart.reshape((*lead, channels * r * r, height // r, width // r))


def channel_shuffle(x: Any, groups: int) -> Any:
    """Return (batch, channels, ...) with the channels of all groups taking turns.

    Raises ValueError where channels cannot be cut into so many groups. Source: Zhang et al., 2018.

    >>> channel_shuffle(np.arange(4.0).reshape(1, 4, 1), 2).ravel()
    array([0., 2., 1., 3.])
    """
    x, called = arrayed(x), f"channel_shuffle(x, {groups})"
    (groups,) = each(called, "groups", groups, 1, 1)
    if x.ndim < 3 or x.shape[1] % groups:
        raise ValueError(
            lesson(called, f"wants a multiple of {groups} channels along axis 1", f"x is {describe(x)}")
        )
    batch, channels, *rest = x.shape
    apart = x.reshape((batch, groups, channels // groups, *rest))
    return np.swapaxes(apart, 1, 2).reshape(x.shape)
