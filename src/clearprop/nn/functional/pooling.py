"""Pooling: one number for each window, the largest, the mean or a norm; and the way back from the largest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.hints import takes_truths
from clearprop.nn.functional.layer import arrayed, floating, in_float32, recording
from clearprop.nn.functional.sizes import alone, batched, each
from clearprop.op import describe
from clearprop.ops import random
from clearprop.ops.index import ARRAY
from clearprop.ops.resample import Interpolation, adaptive
from clearprop.ops.shape import entries
from clearprop.ops.window import Frame, lowest
from clearprop.registry import ops


def pooled(
    called: str, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, axes: int
) -> Frame:
    """Return how the windows of a pooling layer lie along the last axes of `x`.

    With `ceil_mode` a rest at the end has a window of its own, unless that would begin beyond the end.
    """
    sizes = each(called, "kernel_size", kernel, axes, 1)
    steps = sizes if stride is None else each(called, "stride", stride, axes, 1)
    dilations = each(called, "dilation", dilation, axes, 1)
    around = each(called, "padding", padding, axes)
    margins = []
    for n, k, s, d, p in zip(x.shape[2:], sizes, steps, dilations, around, strict=True):
        reach = d * (k - 1) + 1
        if 2 * p > reach:
            wanted = f"wants padding of at most {reach // 2}, half the window: else one may see nothing"
            raise ValueError(lesson(called, wanted, f"{p}", hint="a larger kernel_size"))
        number = (n + 2 * p - reach + (s - 1) * ceil_mode) // s + 1
        number -= ceil_mode and (number - 1) * s >= n + p
        if number < 1:
            wanted = f"wants x, with its margins, no smaller than the window, {reach}"
            raise ValueError(lesson(called, wanted, f"{n + 2 * p}", f"x is {describe(x)}."))
        margins.append((p, (number - 1) * s + reach - n - p) if ceil_mode else (p, p))
    return Frame(sizes, steps, dilations, tuple(margins))


# --- the largest --------------------------------------------------------------------------------------------
@takes_truths
def max_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest entry of each window of (batch, channels, length), with or without the batch.

    The stride is the window's size unless told. A margin of `padding` is never the largest. Entries that tie
    share the gradient equally; `return_indices` gives the place of the first of them, too, counted along the
    pooled axes as one. NaN wins. Raises ValueError where sizes do not fit.

    >>> max_pool1d(np.array([[[1.0, 3.0, 2.0, 4.0]]]), 2)
    array([[[3., 4.]]])
    """
    return _largest(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@takes_truths
def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest entry of each window of (batch, channels, height, width); see `max_pool1d`.

    >>> max_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2)
    array([[[[5., 7.]]]])
    """
    return _largest(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@takes_truths
def max_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest entries of windows of (batch, channels, depth, height, width); see `max_pool1d`.

    >>> max_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), 2)
    array([[[[[13., 15.]]]]])
    """
    return _largest(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _largest(
    axes: int, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, places: bool
) -> Any:
    called = f"max_pool{axes}d(x, kernel_size)"
    x, lone = batched(called, arrayed(x), axes)
    frame = pooled(called, x, kernel, stride, padding, dilation, ceil, axes)
    z = alone(ops["window_max"](x, frame=frame), lone)
    return (z, alone(ops["window_argmax"](x, frame=frame), lone)) if places else z


# --- the mean, and a norm -----------------------------------------------------------------------------------
@takes_truths
def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the mean of each window of (batch, channels, length), with or without the batch.

    A margin of `padding` counts as zeros, or, without `count_include_pad`, as nothing; what `ceil_mode` adds
    beyond it counts as nothing. Raises ValueError where sizes do not fit.

    >>> avg_pool1d(np.array([[[1.0, 3.0, 2.0, 4.0]]]), 2)
    array([[[2., 3.]]])
    """
    return _mean(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@takes_truths
def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of (batch, channels, height, width); see `avg_pool1d`.

    With `divisor_override` sums are divided by that number instead.

    >>> avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2)
    array([[[[2.5, 4.5]]]])
    """
    return _mean(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@takes_truths
def avg_pool3d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the mean of each window of (batch, channels, depth, height, width); see `avg_pool2d`.

    >>> avg_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), 2)
    array([[[[[6.5, 8.5]]]]])
    """
    return _mean(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _mean(
    axes: int, x: Any, kernel: Any, stride: Any, padding: Any, ceil: bool, zeros: bool, divisor: Any
) -> Any:
    called = f"avg_pool{axes}d(x, kernel_size)"
    x, lone = batched(called, arrayed(x), axes)
    if divisor == 0:
        raise ValueError(lesson(called, "wants a divisor_override other than 0", "0"))
    frame = pooled(called, x, kernel, stride, padding, 1, ceil, axes)
    number = _counted(x, frame, zeros) if divisor is None else divisor
    return alone(ops["window_sum"](x, frame=frame) / number, lone)


def _counted(x: Any, frame: Frame, zeros: bool) -> Any:
    """How many entries the mean of each window is of: a number where all have as many, else an array."""
    lengths = x.shape[2:]
    number: Any = np.ones((), x.dtype if x.dtype.kind == "f" else np.float64)
    along = zip(lengths, frame.counts(lengths), frame.sizes, frame.steps, frame.margins, strict=True)
    for n, windows, k, s, (p, _) in along:
        start = np.arange(windows) * s - p
        stop = np.minimum(start + k, n + p)
        if not zeros:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        number = number[..., None] * (stop - start).astype(number.dtype)
    return int(number.flat[0]) if number.size and (number == number.flat[0]).all() else number


@in_float32
@takes_truths
def lp_pool1d(x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return (sum over the window of x^p)^(1/p) for each window of (batch, channels, length).

    A window of zeros has value 0 and gradient 0. Raises ValueError where sizes do not fit.

    >>> lp_pool1d(np.array([[[3.0, 4.0, 0.0, 0.0]]]), 2, 2)
    array([[[5., 0.]]])
    """
    return _norm(1, x, norm_type, kernel_size, stride, ceil_mode)


@in_float32
@takes_truths
def lp_pool2d(x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return (sum over the window of x^p)^(1/p) for (batch, channels, height, width); see `lp_pool1d`.

    >>> lp_pool2d(np.arange(4.0).reshape(1, 1, 2, 2), 1, 2)
    array([[[[6.]]]])
    """
    return _norm(2, x, norm_type, kernel_size, stride, ceil_mode)


@in_float32
@takes_truths
def lp_pool3d(x: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return (sum over the window of x^p)^(1/p) for (batch, channels, depth, height, width).

    >>> lp_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 1, 2)
    array([[[[[28.]]]]])
    """
    return _norm(3, x, norm_type, kernel_size, stride, ceil_mode)


def _norm(axes: int, x: Any, p: float, kernel: Any, stride: Any, ceil: bool) -> Any:
    called = f"lp_pool{axes}d(x, norm_type, kernel_size)"
    if not 0 < p < math.inf:
        raise ValueError(lesson(called, "wants a norm_type above 0 and finite", f"{p}", hint="norm_type=2"))
    x, lone = batched(called, arrayed(x), axes)
    frame = pooled(called, x, kernel, stride, 0, 1, ceil, axes)
    sums = ops["window_sum"](x**p, frame=frame)
    if ceil:  # a window at the end that is cut short counts as if it were whole, as in PyTorch
        sums = sums * (math.prod(frame.sizes) / _counted(x, frame, True))
    empty = sums == 0
    return alone(np.where(empty, 0, np.where(empty, 1, sums) ** (1.0 / p)), lone)


# --- a given number of windows ------------------------------------------------------------------------------
def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """Return the means of `output_size` parts of (batch, channels, length): of about equal size, all of it.

    Part i of m reaches from floor(i n / m) to ceil((i + 1) n / m). For several axes, None keeps a length.

    >>> adaptive_avg_pool1d(np.array([[[1.0, 3.0, 2.0, 4.0]]]), 2)
    array([[[2., 3.]]])
    """
    return _adaptive_mean(1, x, output_size)


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """Return the means of parts of (batch, channels, height, width); see `adaptive_avg_pool1d`.

    >>> adaptive_avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), (1, 2))
    array([[[[2.5, 4.5]]]])
    """
    return _adaptive_mean(2, x, output_size)


def adaptive_avg_pool3d(x: Any, output_size: Any) -> Any:
    """Return the means of parts of (batch, channels, depth, height, width); see `adaptive_avg_pool1d`.

    >>> adaptive_avg_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), (1, 1, 2))
    array([[[[[6.5, 8.5]]]]])
    """
    return _adaptive_mean(3, x, output_size)


def _wanted(called: str, x: Any, output_size: Any, axes: int) -> tuple[int, ...]:
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(given) == axes:
        given = tuple(n if m is None else m for n, m in zip(x.shape[2:], given, strict=True))
    targets = each(called, "output_size", given, axes)
    if min(x.shape[2:]) < 1:
        raise ValueError(lesson(called, "wants entries to pool", f"x is {describe(x)}"))
    return targets


def _even(lengths: Any, targets: Any) -> Frame | None:
    """Windows side by side, where every axis is a multiple of what it becomes."""
    if not all(m and n % m == 0 for n, m in zip(lengths, targets, strict=True)):
        return None
    sizes, axes = tuple(n // m for n, m in zip(lengths, targets, strict=True)), len(targets)
    return Frame(sizes, sizes, (1,) * axes, ((0, 0),) * axes)


def _adaptive_mean(axes: int, x: Any, output_size: Any) -> Any:
    called = f"adaptive_avg_pool{axes}d(x, output_size)"
    x, lone = batched(called, arrayed(x), axes)
    targets = _wanted(called, x, output_size, axes)
    frame = _even(x.shape[2:], targets)
    if frame is not None:
        return alone(ops["window_sum"](x, frame=frame) / math.prod(frame.sizes), lone)
    x = floating(x)  # a share of whole numbers is none
    for i, (n, m) in enumerate(zip(x.shape[2:], targets, strict=True)):
        if n != m:
            x = ops["resample"](x, axis=2 + i, table=Interpolation("area", n, m))
    return alone(x, lone)


@takes_truths
def adaptive_max_pool1d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest entries of `output_size` parts of (batch, channels, length).

    Parts as for `adaptive_avg_pool1d`, places as for `max_pool1d`.

    >>> adaptive_max_pool1d(np.array([[[1.0, 3.0, 2.0]]]), 2, return_indices=True)
    (array([[[3., 3.]]]), array([[[1, 1]]]))
    """
    return _adaptive_largest(1, x, output_size, return_indices)


@takes_truths
def adaptive_max_pool2d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest entries of parts of (batch, channels, height, width).

    >>> adaptive_max_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), (1, 2))
    array([[[[5., 7.]]]])
    """
    return _adaptive_largest(2, x, output_size, return_indices)


@takes_truths
def adaptive_max_pool3d(x: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest entries of parts of (batch, channels, depth, height, width).

    >>> adaptive_max_pool3d(np.arange(16.0).reshape(1, 1, 2, 2, 4), (1, 1, 2))
    array([[[[[13., 15.]]]]])
    """
    return _adaptive_largest(3, x, output_size, return_indices)


def _adaptive_largest(axes: int, x: Any, output_size: Any, places: bool) -> Any:
    called = f"adaptive_max_pool{axes}d(x, output_size)"
    x, lone = batched(called, arrayed(x), axes)
    lengths, targets = x.shape[2:], _wanted(called, x, output_size, axes)
    frame = _even(lengths, targets)
    if frame is not None:
        z, where = ops["window_max"](x, frame=frame), None
        where = ops["window_argmax"](x, frame=frame) if places else None
    else:
        cuts = map(adaptive, lengths, targets)
        z, where = of_parts(x, [(a, b, (b - a).max(initial=0)) for a, b in cuts], places)
    return (alone(z, lone), alone(where, lone)) if places else alone(z, lone)


def of_parts(x: Any, parts: Any, places: bool) -> tuple[Any, Any]:
    """Return the largest entry of each part of the last axes and, if asked, its place.

    `parts` has for each axis where they start and stop, as (parts,) or (batch, channels, parts), and the
    length of the longest; stops are None where all are as long.
    """
    lead, lengths, axes = x.shape[:2], x.shape[2:], len(parts)
    at: Any = 0
    inside: Any = None
    for a, (start, stop, longest) in enumerate(parts):
        along = np.expand_dims(start, -1) + np.arange(longest)
        shape = (
            *(along.shape[:-2] or (1, 1)),
            *_at_axis(along.shape[-2], a, axes),
            *_at_axis(longest, a, axes),
        )
        if stop is not None:
            within = (along < stop[:, None]).reshape(shape)
            inside = within if inside is None else inside & within
            along = np.minimum(along, lengths[a] - 1)
        at = at * lengths[a] + along.reshape(shape)
    found, most = at.shape[2 : 2 + axes], math.prod(at.shape[2 + axes :])
    at = np.broadcast_to(at, (*lead, *at.shape[2:])).reshape((*lead, math.prod(found) * most))
    seen = np.take_along_axis(x.reshape((*lead, math.prod(lengths))), at, axis=2)
    seen = seen.reshape((*lead, *found, most))
    if inside is not None:
        seen = np.where(inside.reshape((1, 1, *found, most)), seen, x.dtype.type(lowest(x.dtype)))
    z = seen.max(axis=-1)
    if not places:
        return z, None
    first = np.expand_dims(np.argmax(seen, axis=-1), -1)
    return z, np.squeeze(np.take_along_axis(at.reshape(seen.shape), first, axis=-1), axis=-1)


def _at_axis(n: int, a: int, axes: int) -> tuple[int, ...]:
    """The shape of numbers along axis `a` of several."""
    return (*(1,) * a, n, *(1,) * (axes - 1 - a))


# --- windows at random --------------------------------------------------------------------------------------
@takes_truths
def fractional_max_pool2d(
    x: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Return the largest entries of windows whose distances are drawn anew for every channel.

    `x` is (batch, channels, height, width), the result has `output_size`, or `output_ratio` times x's.
    Windows lie at floor(a (i + u)) - floor(a u), the last one at the end, with u drawn from [0, 1).
    Raises ValueError where sizes do not fit. Source: Graham, "Fractional max-pooling", 2014.

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> fractional_max_pool2d(x, 2, output_size=2).shape
    (1, 1, 2, 2)
    """
    return _fractional(2, x, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@takes_truths
def fractional_max_pool3d(
    x: Any,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """Return the same for (batch, channels, depth, height, width); see `fractional_max_pool2d`.

    >>> x = np.arange(64.0).reshape(1, 1, 4, 4, 4)
    >>> fractional_max_pool3d(x, 2, output_size=2).shape
    (1, 1, 2, 2, 2)
    """
    return _fractional(3, x, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def _fractional(axes: int, x: Any, kernel: Any, size: Any, ratio: Any, places: bool, samples: Any) -> Any:
    called = f"fractional_max_pool{axes}d(x, kernel_size)"
    x, lone = batched(called, arrayed(x), axes)
    sizes, lengths = each(called, "kernel_size", kernel, axes, 1), x.shape[2:]
    if (size is None) == (ratio is None):
        raise ValueError(lesson(called, "wants output_size or output_ratio", f"{size} and {ratio}"))
    if size is None:
        ratios = ratio if isinstance(ratio, (tuple, list)) else (ratio,) * axes
        if not all(0 < r < 1 for r in ratios):
            raise ValueError(lesson(called, "wants ratios between 0 and 1", f"{ratio}"))
        size = tuple(int(n * r) for n, r in zip(lengths, ratios, strict=True))
    targets = each(called, "output_size", size, axes, 1)
    if any(m + k - 1 > n for m, k, n in zip(targets, sizes, lengths, strict=True)):
        wanted = f"wants room for {targets} windows of {sizes}"
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}"))
    if samples is None:
        samples = random.uniform((*x.shape[:2], axes), dtype=x.dtype)
    parts = []
    for a, (n, m, k) in enumerate(zip(lengths, targets, sizes, strict=True)):
        u = samples[:, :, (axes - 1 - a if axes == 2 else a), None]
        step = (n - k) / max(m - 1, 1)
        starts = np.floor((np.arange(m) + u) * step) - np.floor(u * step)
        starts = np.where(np.arange(m) == m - 1, n - k, starts).astype(np.int64)
        parts.append((starts, None, k))
    z, where = of_parts(x, parts, places)
    return (alone(z, lone), alone(where, lone)) if places else alone(z, lone)


# --- and back -----------------------------------------------------------------------------------------------
@define(
    "written_last",
    "opaque",
    None,
    facts=Facts(kinks=False),
    examples=(((np.array([[0, 2, 2]]),), {"size": 4}),),
)
def written_last(places: Any, *, size: int = 0) -> Any:
    """Which entries of each row keep their place when all are written one after the other; no gradient.

    >>> written_last(np.array([[0, 2, 2]]), size=4)
    array([[ True, False,  True]])
    """
    order = np.broadcast_to(np.arange(places.shape[1]), places.shape)
    rows = np.arange(places.shape[0])[:, None]
    last = np.zeros((places.shape[0], size), np.intp)
    last[rows, places] = order
    return last[rows, places] == order


def max_unpool1d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Return zeros with the entries of `x` at `indices`: back from `max_pool1d(..., return_indices=True)`.

    The length is (n - 1) stride - 2 padding + kernel_size, or `output_size`, which differs from it by less
    than a stride. Of entries with one place the last is written, and receives the gradient. Raises ValueError
    for sizes that do not fit and for places outside.

    >>> max_unpool1d(np.array([[[3.0, 4.0]]]), np.array([[[1, 3]]]), 2)
    array([[[0., 3., 0., 4.]]])
    """
    return _unpooled(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Return zeros of (batch, channels, height, width) with `x` at `indices`; see `max_unpool1d`.

    >>> x = np.array([[[[1.0, 2.0], [5.0, 3.0]]]])
    >>> z, places = max_pool2d(x, 2, return_indices=True)
    >>> max_unpool2d(z, places, 2)
    array([[[[0., 0.],
             [5., 0.]]]])
    """
    return _unpooled(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Return zeros of (batch, channels, depth, height, width) with `x` at `indices`; see `max_unpool1d`.

    >>> z, places = max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2, return_indices=True)
    >>> max_unpool3d(z, places, 2)[0, 0, 1]
    array([[0., 0.],
           [0., 7.]])
    """
    return _unpooled(3, x, indices, kernel_size, stride, padding, output_size)


def _unpooled(
    axes: int, x: Any, indices: Any, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> Any:
    called = f"max_unpool{axes}d(x, indices, kernel_size)"
    x, lone = batched(called, arrayed(x), axes)
    indices, _ = batched(called, arrayed(indices), axes)
    sizes = each(called, "kernel_size", kernel, axes, 1)
    steps = sizes if stride is None else each(called, "stride", stride, axes, 1)
    around = each(called, "padding", padding, axes)
    lengths = tuple(
        (n - 1) * s - 2 * p + k for n, s, p, k in zip(x.shape[2:], steps, around, sizes, strict=True)
    )
    if output_size is not None:
        given = tuple(output_size)[-axes:]
        if any(abs(m - n) >= s for m, n, s in zip(given, lengths, steps, strict=True)):
            wanted = f"wants an output_size less than a stride, {steps}, from {lengths}"
            raise ValueError(lesson(called, wanted, f"{tuple(output_size)}"))
        lengths = given
    size = math.prod(lengths)
    _checked_places(called, x, indices, size)
    rows = math.prod(x.shape[:2])
    values = x.reshape((rows, math.prod(x.shape[2:])))
    places = indices.reshape(values.shape)
    if recording():  # what later calls bring must not count from the end
        places = np.where(places < 0, size, places)
    values = np.where(ops["written_last"](places, size=size), values, 0)
    z = ops["scatter"](values, np.arange(rows)[:, None], places, index=(ARRAY, ARRAY), shape=(rows, size))
    return alone(z.reshape((*x.shape[:2], *lengths)), lone)


def _checked_places(called: str, x: Any, indices: Any, size: int) -> None:
    if indices.shape != x.shape or indices.dtype.kind not in "iu":
        wanted = "wants a whole number for each entry of x"
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}, indices are {describe(indices)}"))
    places = entries(indices)
    if places.size and not (places.min() >= 0 and places.max() < size):
        wrong = places.min() if places.min() < 0 else places.max()
        raise ValueError(
            lesson(called, f"wants places from 0 to {size - 1}", f"{wrong}", hint="output_size=")
        )
