"""Convolution: one sum over three arrays, of which each op leaves one out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.facts import Facts
from clearprop.ops.window import Frame
from clearprop.registry import ops

# With x (batch, channels, places), y (batch, units, windows) and a kernel w (units, channels, offsets), the
# sum over everything of y[b, o, i] * w[o, c, k] * x[b, c, n], where n = i * step + k * dilation - before, is
# linear in each of the three. Its derivative by y is the convolution, by x the transposed convolution, by w
# the gradient of a kernel: three ops, and the rules of each are the other two, to any order.
#
# With `groups`, channels and units are cut into so many parts that know nothing of each other; w has only as
# many channels as one part.

FEW, MANY = 1 << 15, 1 << 18
"""How many numbers may be laid out at once for a product: as many as the mean of `x` and `y`, within these.

The larger one fits into a core's own cache; below the smaller one memory is no matter.
"""


class Blocks:
    """The windows of `x`, laid out block by block as the columns of a matrix for one product per group.

    A block is a few whole images, or a few rows of windows of one image that is large; so the memory that the
    columns take depends neither on the batch nor on the size of the images.
    """

    batch: Any
    channels: Any
    lengths: tuple[Any, ...]
    windows: tuple[Any, ...]
    frame: Frame
    groups: int

    def __init__(self, x_shape: Any, y_shape: Any, frame: Frame, groups: int) -> None:
        self.batch, self.channels, *lengths = x_shape
        self.lengths, self.windows = tuple(lengths), tuple(y_shape[2:])
        self.frame, self.groups = frame, groups
        self.room: int = max(FEW, min((math.prod(x_shape) + math.prod(y_shape)) // 2, MANY))
        self.inner: Any = self.channels // groups * math.prod(frame.sizes)

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Yield which images, and which of their windows along the first axis, are laid out together."""
        row = self.channels * math.prod(self.frame.sizes) * math.prod(self.windows[1:])
        rows = max(1, min(self.windows[0], self.room // max(row, 1)))
        images = max(1, self.room // max(row * self.windows[0], 1))
        for image in range(0, self.batch, images):
            for first in range(0, self.windows[0], rows):
                yield slice(image, image + images), slice(first, min(first + rows, self.windows[0]))

    def columns(self, block: tuple[slice, slice], dtype: Any) -> Any:
        """Return an array to lay out a block in: (channels, *offsets, images, *windows)."""
        images, rows = block
        number = len(range(self.batch)[images])
        return np.empty(
            (self.channels, *self.frame.sizes, number, rows.stop - rows.start, *self.windows[1:]), dtype
        )

    def parts(self, block: tuple[slice, slice], columns: Any, x: Any) -> Iterator[tuple[Any, Any, bool]]:
        """Yield, for each offset, its place in the columns and in `x`, and whether a margin is in it."""
        images, rows = block
        before, after = self.frame.margins[0]
        moved = ((before - rows.start * self.frame.steps[0], after), *self.frame.margins[1:])
        frame = Frame(self.frame.sizes, self.frame.steps, self.frame.dilations, moved)
        found = columns.shape[columns.ndim - len(self.windows) :]
        for tap in frame.taps(self.lengths, found):
            here = columns[(slice(None), *tap.offset)]
            inside = here[(slice(None), slice(None), *tap.windows)]
            there = x[(images, slice(None), *tap.entries)].swapaxes(0, 1)
            yield here, (inside, there), inside.shape != here.shape

    def filled(self, block: tuple[slice, slice], x: Any) -> Any:
        """Return the windows of a block as a matrix per group: (groups, channels * offsets, places)."""
        columns = self.columns(block, x.dtype)
        for here, (inside, there), beyond in self.parts(block, columns, x):
            if beyond:
                here[...] = 0
            inside[...] = there
        return columns.reshape((self.groups, self.inner, -1))

    def rows_of(self, block: tuple[slice, slice], y: Any) -> Any:
        """Return a block of `y` with a matrix per group: (groups, units, places)."""
        part = y[(block[0], slice(None), block[1])].swapaxes(0, 1)
        return part.reshape((self.groups, y.shape[1] // self.groups, -1))


def _kernels(w: Any, groups: int) -> Any:
    """Return a kernel as a matrix per group: (groups, units, channels * offsets)."""
    return w.reshape((groups, w.shape[0] // groups, -1))


def _cut(y: Any, shape: Any) -> Any:
    """Return `y` without windows that `shape` does not have: lengths may have room for more."""
    return y if y.shape == shape else y[tuple(slice(0, n) for n in shape)]


def _to_x(g: Any, z: Any, x: Any, w: Any, frame: Any, groups: int) -> Any:
    lengths = frame.lengths(x)
    return ops["transposed_convolution"](g, w, lengths=lengths, frame=frame, groups=groups)


def _to_w(g: Any, z: Any, x: Any, w: Any, frame: Any, groups: int) -> Any:
    return ops["convolution_kernel"](x, g, frame=frame, groups=groups)


_LINE, _GRID = Frame((3,), (2,), (1,), ((1, 1),)), Frame((2, 2), (1, 2), (2, 1), ((0, 1), (1, 0)))


@define(
    "convolution",
    "contract",
    _to_x,
    _to_w,
    facts=Facts(cost=lambda z, x, w, **how: 2 * z.size * (w.size // w.shape[0])),
    examples=(
        (((2, 2, 7), (3, 2, 3)), {"frame": _LINE}),
        (((1, 4, 4, 3), (2, 2, 2, 2)), {"frame": _GRID, "groups": 2}),
    ),
)
def convolution(x: Any, w: Any, *, frame: Any = None, groups: int = 1) -> Any:
    """z[b, o, i] = sum of x[b, c, i * step + k * dilation - before] * w[o, c, k] over c and k.

    `x` is (batch, channels, *lengths), `w` (units, channels / groups, *sizes). It is what deep learning calls
    a convolution: the kernel is not flipped.

    >>> x, w = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[10.0, 1.0]]])
    >>> convolution(x, w, frame=Frame((2,), (1,), (1,), ((0, 0),)))
    array([[[12., 24.]]])
    """
    windows = frame.counts(frame.lengths(x))
    z = np.empty((x.shape[0], w.shape[0], *windows), np.result_type(x, w))
    layout = Blocks(x.shape, z.shape, frame, groups)
    kernels = _kernels(w, groups)
    for block in layout.blocks():
        images, rows = block
        part = z[images, :, rows].swapaxes(0, 1)
        part[...] = (kernels @ layout.filled(block, x)).reshape(part.shape)
    return z


def _from_y(g: Any, z: Any, y: Any, w: Any, lengths: Any, frame: Any, groups: int) -> Any:
    return _cut(ops["convolution"](g, w, frame=frame, groups=groups), y.shape)


def _kernel_of(g: Any, z: Any, y: Any, w: Any, lengths: Any, frame: Any, groups: int) -> Any:
    return ops["convolution_kernel"](g, y, frame=frame, groups=groups)


@define(
    "transposed_convolution",
    "contract",
    _from_y,
    _kernel_of,
    facts=Facts(cost=lambda z, y, w, **how: 2 * y.size * (w.size // w.shape[0])),
    examples=(
        (((2, 3, 4), (3, 2, 3)), {"lengths": (7,), "frame": _LINE}),
        (((1, 2, 3, 2), (2, 2, 2, 2)), {"lengths": (4, 4), "frame": _GRID, "groups": 2}),
        (((1, 1, 2), (1, 1, 2)), {"lengths": (7,), "frame": Frame((2,), (2,), (1,), ((0, 0),))}),
    ),
)
def transposed_convolution(y: Any, w: Any, *, lengths: Any = (), frame: Any = None, groups: int = 1) -> Any:
    """z[b, c, n] = sum of y[b, o, i] * w[o, c, k] over o and all i, k that meet in n.

    They meet in n = i * step + k * dilation - before. `y` is (batch, units, *windows), `w` as in a
    convolution, `lengths` those of the result.

    >>> y, w = np.array([[[1.0, 2.0]]]), np.array([[[10.0, 1.0]]])
    >>> transposed_convolution(y, w, lengths=(3,), frame=Frame((2,), (1,), (1,), ((0, 0),)))
    array([[[10., 21.,  2.]]])
    """
    channels = w.shape[1] * groups
    z = np.zeros((y.shape[0], channels, *map(int, lengths)), np.result_type(y, w))
    if groups == channels == w.shape[0]:  # each channel by itself, which is no product of matrices
        for tap in frame.taps(lengths, y.shape[2:]):
            weights = w[(slice(None), 0, *tap.offset)].reshape((channels,) + (1,) * len(tap.offset))
            z[(..., *tap.entries)] += y[(..., *tap.windows)] * weights
        return z
    layout = Blocks(z.shape, y.shape, frame, groups)
    turned = _kernels(w, groups).swapaxes(1, 2)
    for block in layout.blocks():
        columns = layout.columns(block, z.dtype)
        np.matmul(turned, layout.rows_of(block, y), out=columns.reshape((groups, layout.inner, -1)))
        for _, (inside, there), _ in layout.parts(block, columns, z):
            there += inside
    return z


def _kernel_to_x(g: Any, z: Any, x: Any, y: Any, frame: Any, groups: int) -> Any:
    lengths = frame.lengths(x)
    return ops["transposed_convolution"](y, g, lengths=lengths, frame=frame, groups=groups)


def _kernel_to_y(g: Any, z: Any, x: Any, y: Any, frame: Any, groups: int) -> Any:
    return _cut(ops["convolution"](x, g, frame=frame, groups=groups), y.shape)


@define(
    "convolution_kernel",
    "contract",
    _kernel_to_x,
    _kernel_to_y,
    facts=Facts(cost=lambda z, x, y, **how: 2 * y.size * (z.size // z.shape[0])),
    examples=(
        (((2, 2, 7), (2, 3, 4)), {"frame": _LINE}),
        (((1, 4, 4, 3), (1, 2, 3, 2)), {"frame": _GRID, "groups": 2}),
    ),
)
def convolution_kernel(x: Any, y: Any, *, frame: Any = None, groups: int = 1) -> Any:
    """z[o, c, k] = sum of y[b, o, i] * x[b, c, i * step + k * dilation - before]: what a kernel receives.

    >>> x, y = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, 10.0]]])
    >>> convolution_kernel(x, y, frame=Frame((2,), (1,), (1,), ((0, 0),)))
    array([[[21., 42.]]])
    """
    units = y.shape[1]
    layout = Blocks(x.shape, y.shape, frame, groups)
    z = np.zeros((groups, units // groups, layout.inner), np.result_type(x, y))
    for block in layout.blocks():
        z += layout.rows_of(block, y) @ layout.filled(block, x).swapaxes(1, 2)
    return z.reshape((units, x.shape[1] // groups, *frame.sizes))
