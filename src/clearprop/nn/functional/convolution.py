"""Convolutions along one, two or three axes, their transposes, and windows as columns."""

from __future__ import annotations

import math
from typing import Any

from clearprop.errors import lesson
from clearprop.nn.functional.layer import arrayed, converted
from clearprop.nn.functional.padding import margined
from clearprop.nn.functional.sizes import alone, batched, each
from clearprop.op import describe
from clearprop.ops.window import Frame
from clearprop.registry import ops


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Return z[b, o, i] = bias[o] + sum of x[b, c, i stride + k dilation - padding] weight[o, c, k].

    The sum is over the channels c and the offsets k. `x` is (batch, channels, length), with or without the
    batch, `weight` (units, channels / groups, size). `padding` is a number of zeros on both sides, "valid"
    for none, or "same" for as many windows as entries (an odd one more on the right). With `groups`, a
    unit sees one part of the channels. Raises ValueError where the sizes do not fit.

    >>> import numpy as np
    >>> conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, 10.0]]]), padding="same")
    array([[[21., 42.,  4.]]])
    """
    return _convolution(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Return the convolution of (batch, channels, height, width) with (units, channels / groups, *sizes).

    See `conv1d`; stride, padding and dilation are one number, or one for each axis.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.array([0.5]))
    array([[[[4.5, 4.5],
             [4.5, 4.5]]]])
    """
    return _convolution(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Return the convolution of (batch, channels, depth, height, width); see `conv1d`.

    >>> import numpy as np
    >>> conv3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), np.ones((1, 1, 2, 2, 1)))
    array([[[[[12., 16.]]]]])
    """
    return _convolution(3, x, weight, bias, stride, padding, dilation, groups)


def conv_tbc(x: Any, weight: Any, bias: Any, pad: int = 0) -> Any:
    """Return the convolution along the first axis of x (time, batch, channels): (time', batch, units).

    `weight` is (size, channels, units), `bias` (units,), `pad` how many zeros there are at both ends of the
    time; otherwise see `conv1d`.

    >>> import numpy as np
    >>> conv_tbc(np.ones((3, 1, 2)), np.ones((2, 2, 1)), np.array([0.5])).ravel()
    array([4.5, 4.5])
    """
    x, weight, called = arrayed(x), arrayed(weight), "conv_tbc(x, weight, bias)"
    if len(x.shape) != 3 or len(weight.shape) != 3:
        wanted = "wants x (time, batch, channels) and a weight (size, channels, units)"
        raise ValueError(lesson(called, wanted, f"{describe(x)} and {describe(weight)}"))
    return conv1d(x.transpose(1, 2, 0), weight.transpose(2, 1, 0), bias, padding=pad).transpose(2, 0, 1)


def _convolution(
    axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    called = f"conv{axes}d(x, weight)"
    x, weight = arrayed(x), arrayed(weight)
    x, lone = batched(called, x, axes)
    _checked_kernel(called, axes, x, weight, weight.shape[1] * groups, weight.shape[0], groups)
    sizes = tuple(weight.shape[2:])
    steps, dilations = each(called, "stride", stride, axes, 1), each(called, "dilation", dilation, axes, 1)
    margins = margins_of(called, padding, sizes, steps, dilations)
    frame = Frame(sizes, steps, dilations, margins)
    if min(frame.counts(x.shape[2:]), default=1) < 1:
        reach = tuple(d * (k - 1) + 1 for k, d in zip(sizes, dilations, strict=True))
        wanted = f"wants x, with its margins, no smaller than the kernel, {reach}"
        got = tuple(n + a + b for n, (a, b) in zip(x.shape[2:], margins, strict=True))
        raise ValueError(lesson(called, wanted, f"{got}", f"x is {describe(x)}.", "padding=, or a larger x"))
    z = ops["convolution"](converted(called, x, weight), weight, frame=frame, groups=groups)
    return alone(_biased(called, z, bias), lone)


def _checked_kernel(
    called: str, axes: int, x: Any, weight: Any, channels: int, units: int, groups: int
) -> None:
    if weight.ndim != axes + 2:
        wanted = f"wants a weight of {axes + 2} axes"
        raise ValueError(lesson(called, wanted, f"{describe(weight)}"))
    if groups < 1 or units % groups or channels % groups:
        wanted = "wants channels and units that can be cut into groups"
        raise ValueError(lesson(called, wanted, f"{channels} and {units} into {groups}"))
    if x.shape[1] != channels:
        where = f"The weight is {describe(weight)}, in {groups} group{'s' * (groups > 1)}."
        last = f"x.transpose(0, {axes + 1}, {', '.join(map(str, range(1, axes + 1)))})"
        hint = (
            f"{last}, for channels come first"
            if x.shape[-1] == channels
            else f"a layer of {x.shape[1]} channels"
        )
        raise ValueError(
            lesson(called, f"wants {channels} channels along axis 1 of x", f"x is {describe(x)}", where, hint)
        )


def _biased(called: str, z: Any, bias: Any) -> Any:
    if bias is None:
        return z
    if bias.shape != (z.shape[1],):
        raise ValueError(lesson(called, f"wants a bias for each of {z.shape[1]} units", f"{describe(bias)}"))
    return z + bias.reshape((z.shape[1],) + (1,) * (z.ndim - 2))


def margins_of(
    called: str, padding: Any, sizes: Any, steps: Any, dilations: Any
) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each axis: of "same" an odd one more after, as everybody has it."""
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "same":
        if any(s != 1 for s in steps):
            wanted = 'wants stride 1 for padding="same"'
            raise ValueError(lesson(called, wanted, f"stride {steps}", hint="padding as numbers"))
        totals = [d * (k - 1) for k, d in zip(sizes, dilations, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(lesson(called, "wants padding as numbers, 'valid' or 'same'", repr(padding)))
    return tuple((n, n) for n in each(called, "padding", padding, len(sizes)))


# --- transposed ---------------------------------------------------------------------------------------------
def conv_transpose1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return what `conv1d` with this weight sends back to its input when `x` arrives, plus the bias.

    `x` is (batch, channels, length), `weight` (channels, units / groups, size); the result has length
    (length - 1) stride - 2 padding + dilation (size - 1) + output_padding + 1. `output_padding` chooses among
    the lengths that a convolution with this stride makes equal; it is below the stride or the dilation.
    Raises ValueError where the sizes do not fit.

    >>> import numpy as np
    >>> conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
    array([[[ 1., 10.,  2., 20.]]])
    """
    return _transposed(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return the transposed convolution of (batch, channels, height, width); see `conv_transpose1d`.

    >>> import numpy as np
    >>> conv_transpose2d(np.array([[[[1.0, 2.0]]]]), np.array([[[[1.0, 10.0]]]]), stride=(1, 2))
    array([[[[ 1., 10.,  2., 20.]]]])
    """
    return _transposed(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Return the transpose of `conv3d` of (batch, channels, depth, height, width); see `conv_transpose1d`.

    >>> import numpy as np
    >>> conv_transpose3d(np.array([[[[[1.0, 2.0]]]]]), np.array([[[[[1.0, 10.0]]]]]))
    array([[[[[ 1., 12., 20.]]]]])
    """
    return _transposed(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    extra: Any,
    groups: int,
    dilation: Any,
) -> Any:
    called = f"conv_transpose{axes}d(x, weight)"
    x, weight = arrayed(x), arrayed(weight)
    x, lone = batched(called, x, axes)
    _checked_kernel(called, axes, x, weight, weight.shape[0], weight.shape[1] * groups, groups)
    sizes = tuple(weight.shape[2:])
    steps, dilations = each(called, "stride", stride, axes, 1), each(called, "dilation", dilation, axes, 1)
    around, more = each(called, "padding", padding, axes), each(called, "output_padding", extra, axes)
    if any(m >= max(s, d) for m, s, d in zip(more, steps, dilations, strict=True)):
        wanted = "wants output_padding below the stride or the dilation"
        got = f"{more}, stride {steps}, dilation {dilations}"
        raise ValueError(lesson(called, wanted, got, hint="output_padding=0"))
    frame = Frame(sizes, steps, dilations, tuple((p, p) for p in around))
    lengths = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(x.shape[2:], steps, around, dilations, sizes, more, strict=True)
    )
    if min(lengths) < 1:
        raise ValueError(lesson(called, "wants a result with entries", f"{lengths}", f"x is {describe(x)}."))
    z = ops["transposed_convolution"](
        converted(called, x, weight), weight, lengths=lengths, frame=frame, groups=groups
    )
    return alone(_biased(called, z, bias), lone)


# --- windows as columns -------------------------------------------------------------------------------------
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the windows of (batch, channels, height, width) as columns: (batch, channels * sizes, windows).

    >>> import numpy as np
    >>> unfold(np.arange(6.0).reshape(1, 1, 2, 3), 2)
    array([[[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]]])
    """
    called = "unfold(x, kernel_size)"
    x, lone = batched(called, arrayed(x), 2)
    sizes, steps, dilations, around = _columns(called, kernel_size, dilation, padding, stride)
    x = margined(called, x, ((0, 0), (0, 0), *around), "constant")
    z = ops["windows"](x, axes=(2, 3), sizes=sizes, steps=steps, dilations=dilations)
    batch, channels, *found = z.shape[:4]
    z = z.transpose((0, 1, 4, 5, 2, 3)).reshape((batch, channels * math.prod(sizes), math.prod(found)))
    return alone(z, lone)


def fold(
    x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Return columns added up where `unfold` took them from: the transpose of `unfold`.

    `x` is (batch, channels * sizes, windows), the result (batch, channels, *output_size). Raises ValueError
    where these are not the windows of an image of that size.

    >>> import numpy as np
    >>> fold(np.ones((1, 4, 2)), (2, 3), 2)
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    called = "fold(x, output_size, kernel_size)"
    x = arrayed(x)
    lone = x.ndim == 2
    x = x.reshape((1, *x.shape)) if lone else x
    sizes, steps, dilations, around = _columns(called, kernel_size, dilation, padding, stride)
    lengths = each(called, "output_size", output_size, 2, 1)
    found = Frame(sizes, steps, dilations, around).counts(lengths)
    if x.ndim != 3 or x.shape[1] % math.prod(sizes) or x.shape[2] != math.prod(found) or min(found) < 1:
        wanted = f"wants (batch, channels * {math.prod(sizes)}, {math.prod(found)} windows)"
        raise ValueError(lesson(called, wanted, f"x is {describe(x)}"))
    batch, channels = x.shape[0], x.shape[1] // math.prod(sizes)
    x = x.reshape((batch, channels, *sizes, *found)).transpose((0, 1, 4, 5, 2, 3))
    whole = tuple(n + a + b for n, (a, b) in zip(lengths, around, strict=True))
    z = ops["fold"](x, axes=(2, 3), lengths=whole, steps=steps, dilations=dilations)
    inside = tuple(slice(a, a + n) for n, (a, _) in zip(lengths, around, strict=True))
    return alone(z[(slice(None), slice(None), *inside)], lone)


def _columns(called: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    sizes, steps = each(called, "kernel_size", kernel_size, 2, 1), each(called, "stride", stride, 2, 1)
    dilations = each(called, "dilation", dilation, 2, 1)
    return sizes, steps, dilations, tuple((n, n) for n in each(called, "padding", padding, 2))
