"""ONNX's `Resize` and `Upsample`: along each axis, the entries that meet at a place, by their shares.

Where an entry of the result lies in the input is one of ONNX's formulas; what it is made of is one entry, or
a sum over a kernel, which is a product with a matrix of shares, so that gradients pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.tensor import raw

Attributes = dict[str, Any]
xp: Any = np

PLACES: dict[str, Callable[..., Any]] = {
    "half_pixel": lambda x, scale, n, m, roi: (x + 0.5) / scale - 0.5,
    "half_pixel_symmetric": lambda x, scale, n, m, roi: (
        n / 2 * (1 - m / (scale * n)) + (x + 0.5) / scale - 0.5
    ),
    "pytorch_half_pixel": lambda x, scale, n, m, roi: (x + 0.5) / scale - 0.5 if m > 1 else 0 * x,
    "align_corners": lambda x, scale, n, m, roi: x * (n - 1) / (scale * n - 1) if scale * n != 1 else 0 * x,
    "asymmetric": lambda x, scale, n, m, roi: x / scale,
    "tf_crop_and_resize": lambda x, scale, n, m, roi: (
        roi[0] * (n - 1) + x * (roi[1] - roi[0]) * (n - 1) / (m - 1)
        if m > 1
        else 0 * x + (roi[0] + roi[1]) * (n - 1) / 2
    ),
}
"""Where entry x of m lies among n."""
ROUNDED: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _linear(t: Any, a: float) -> Any:
    return np.maximum(0, 1 - t)


def _cubic(t: Any, a: float) -> Any:
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


KERNELS = {"linear": (_linear, 1), "cubic": (_cubic, 2)}


def shares(a: Attributes, places: Any, n: int, scale: float, mode: str) -> Any:
    """Return the matrix of shares (m, n): how much of each entry is in each of the result.

    >>> shares({}, np.array([0.25]), 2, 2.0, "linear")
    array([[0.75, 0.25]])
    """
    kernel, reach = KERNELS[mode]
    narrow = min(scale, 1.0) if a.get("antialias") else 1.0
    wide = math.ceil(reach / narrow) + 1
    found = np.zeros((len(places), n))
    for j, x in enumerate(places):
        index = np.arange(math.floor(x) - wide, math.floor(x) + wide + 1)
        weights = kernel(np.abs(index - x) * narrow, a.get("cubic_coeff_a", -0.75))
        if a.get("exclude_outside"):
            weights = np.where((index >= 0) & (index < n), weights, 0)
        np.add.at(found[j], np.clip(index, 0, n - 1), weights / weights.sum())
    return found


def _array(x: Any) -> Any:
    return None if x is None else np.asarray(raw(x))


def _scaled(a: Attributes, shape: Any, axes: Any, scales: Any, sizes: Any) -> Any:
    """Return the scale and the length along each axis."""
    if sizes is None or not len(sizes):
        return [(float(s), math.floor(float(s) * shape[i])) for i, s in zip(axes, scales, strict=True)]
    policy = a.get("keep_aspect_ratio_policy", "stretch")
    ratios = [int(m) / shape[i] if shape[i] else 1.0 for i, m in zip(axes, sizes, strict=True)]
    if policy == "stretch":
        return [(r, int(m)) for r, m in zip(ratios, sizes, strict=True)]
    one = min(ratios) if policy == "not_larger" else max(ratios)
    return [(one, math.floor(one * shape[i] + 0.5)) for i in axes]


def resize(a: Attributes, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None) -> Any:
    """Return x with other lengths along its last axes, or those that are told."""
    if a["version"] < 11:  # (x, scales), every entry where its first one was
        roi, scales, a = (
            None,
            roi,
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} | a,
        )
    roi, scales, sizes = map(_array, (roi, scales, sizes))
    axes = [int(i) % x.ndim for i in a.get("axes", range(x.ndim))]
    mode, how = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    outside = how == "tf_crop_and_resize"
    if how not in PLACES or mode not in ("nearest", *KERNELS):
        raise NotImplementedError(lesson("Resize of a file", "a mode that is not known", f"{mode}, {how}"))
    dtype = x.dtype
    if dtype.kind in "iu" and mode != "nearest":  # shares of whole numbers are none
        x = x.astype(np.float64)
    for k, (axis, (scale, m)) in enumerate(zip(axes, _scaled(a, x.shape, axes, scales, sizes), strict=True)):
        n = x.shape[axis]
        part = None if not outside else (float(roi[k]), float(roi[k + len(axes)]))
        places = PLACES[how](np.arange(m, dtype=np.float64), scale, n, m, part)
        beyond = (places < 0) | (places > n - 1) if outside else np.zeros(m, bool)
        if m == n and not beyond.any() and np.array_equal(places, np.arange(n)):
            continue
        x = _along(a, x, axis, np.clip(places, 0, n - 1) if outside else places, scale, mode)
        if beyond.any():
            shape = [m if i == axis else 1 for i in range(x.ndim)]
            x = xp.where(beyond.reshape(shape), np.asarray(a.get("extrapolation_value", 0.0), x.dtype), x)
    return x if x.dtype == dtype else _whole(a, x, dtype)


def _whole(a: Attributes, x: Any, dtype: Any) -> Any:
    """Return whole numbers: cut, or with antialiasing rounded, and none beyond the dtype's own."""
    limits = np.iinfo(dtype)
    near = xp.rint(x) if a.get("antialias") else x
    return xp.clip(near, float(limits.min), float(limits.max)).astype(dtype)


def _along(a: Attributes, x: Any, axis: int, places: Any, scale: float, mode: str) -> Any:
    n = x.shape[axis]
    if mode == "nearest":
        index = ROUNDED[a.get("nearest_mode", "round_prefer_floor")](places)
        return xp.take(x, np.clip(index, 0, n - 1).astype(np.int64), axis=axis)
    matrix = shares(a, places, n, scale, mode).astype(x.dtype)
    return xp.moveaxis(xp.moveaxis(x, axis, -1) @ matrix.T, -1, axis)


def upsample(a: Attributes, x: Any, scales: Any = None) -> Any:
    """Return x with each entry repeated, or with lines between them."""
    told = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "version": 11}
    return resize(a | told, x, None, a["scales"] if scales is None else scales)


RESIZING: dict[str, Callable[..., Any]] = {"Resize": resize, "Upsample": upsample}
