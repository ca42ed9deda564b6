"""Convolutions with steps, groups or a kernel for each channel, made of others that have none of these.

- Steps: offsets of a kernel that leave the same rest when divided by the step see the same entries of the
  images, those with that rest. So each rest is a convolution by steps of 1, and the results are added up, or
  take turns where they are the images.
- Groups: each is a convolution of its own.
- A kernel for each channel: a product and a sum for each offset, entry by entry.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.compiler.plan.prepare import Add, copied
from clearprop.compiler.program.builder import Builder
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.layout import layout
from clearprop.compiler.program.lower import SymbolicArray
from clearprop.ops.window import Frame

MOST = 16  # groups or rests that are written out


def in_parts(v: Value, add: Add, native: Callable[[Value, Add], Value | None]) -> Value | None:
    """Return a convolution made of others, for each of which `native` has a form; None where it has not."""
    frame, groups = v.attrs["frame"], v.attrs["groups"]
    stepped = any(n != 1 for n in frame.steps)
    if min(map(min, frame.margins)) < 0 or (stepped and any(n != 1 for n in frame.dilations)):
        return None
    builder = Builder()
    a, b = (SymbolicArray(builder, x) for x in v.operands)
    parts = Parting(builder, v)
    if groups > 1 and parts.apart:
        z = DEPTHWISE[v.op](parts, a, b)
    elif 1 < groups <= MOST:
        z = parts.by_groups(a, b)
    elif groups == 1 and stepped and np.prod(frame.steps) <= MOST:
        z = STEPPED[v.op](parts, a, b)
    else:
        return None
    return _added(builder.values, z.value, add, native)


def _added(
    values: list[Value], result: Value, add: Add, native: Callable[[Value, Add], Value | None]
) -> Value | None:
    """Put all but the result before the one that needs them, each convolution in its native form."""
    made: dict[Value, Value] = {}
    for x in values:
        x.inputs = tuple([made.get(y, y) if isinstance(y, Value) else y for y in x.inputs])
        found = native(x, add) if x.kind == "call" else x
        if found is None:
            return None
        made[x] = found
        if found.is_view and layout(found).base is found:
            found.inputs, found.lies = (add(copied(found.inputs[0])),), None
        if x is not result:
            add(found)
    return made[result]


class Roles(NamedTuple):
    """Which of a convolution's first input, second input and result are its images, kernel and windows."""

    images: int
    kernel: int
    windows: int


RESULT = 2
PLACES = {
    "convolution": Roles(images=0, kernel=1, windows=RESULT),
    "transposed_convolution": Roles(images=RESULT, kernel=1, windows=0),
    "convolution_kernel": Roles(images=0, kernel=RESULT, windows=1),
}


class Parting:
    """What the formulas ask: of which kind a convolution is, zeros, and convolutions of its parts."""

    builder: Builder
    op: str
    shape: Any
    dtype: Any

    def __init__(self, builder: Builder, v: Value) -> None:
        self.builder, self.op, self.shape, self.dtype = builder, v.op, v.shape, v.dtype
        self.frame: Frame = v.attrs["frame"]
        self.groups: int = v.attrs["groups"]
        self.places: Roles = PLACES[v.op]
        shapes = [x.shape for x in (*v.operands, v)]
        kernel = shapes[self.places.kernel]
        self.images: tuple[int, ...] = shapes[self.places.images]
        self.windows: tuple[int, ...] = shapes[self.places.windows][2:]
        self.units: int = kernel[0]
        self.apart: bool = kernel[1] == 1

    def zeros(self, shape: Any) -> Any:
        """Return an array of zeros."""
        zero = self.builder.constant(self.dtype.type(0))
        return SymbolicArray(self.builder, self.builder.broadcast_to(zero, shape))

    def call(self, a: Any, b: Any, shape: Any, frame: Frame, groups: int = 1) -> Any:
        """Return the same convolution of other arrays, in another frame."""
        attrs: dict[str, Any] = {"frame": frame, "groups": groups}
        if self.places.images == RESULT:
            attrs["lengths"] = tuple(shape[2:])
        made = self.builder.emit(self.op, (a.value, b.value), tuple(shape), self.dtype, attrs, kind="call")
        return SymbolicArray(self.builder, made)

    def padded(self, x: Any) -> Any:
        """Return images with their margins."""
        return np.pad(x, ((0, 0), (0, 0), *self.frame.margins))

    def seen(self, x: Any, offset: Any) -> Any:
        """Return what an offset of all windows sees of images that have their margins."""
        along = zip(offset, self.frame.dilations, self.frame.steps, self.windows, strict=True)
        return x[(..., *(slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in along))]

    def by_groups(self, a: Any, b: Any) -> Any:
        """Return what the groups make, side by side."""
        n, axis = self.groups, int(self.places.kernel != RESULT)
        first, second = a.shape[1] // n, b.shape[1 - axis] // n
        shape = list(self.shape)
        shape[axis] //= n
        found = []
        for i in range(n):
            x = a[:, i * first : (i + 1) * first]
            part = slice(i * second, (i + 1) * second)
            y = b[:, part] if self.places.kernel == RESULT else b[part]
            found.append(self.call(x, y, shape, self.frame))
        return np.concatenate(found, axis=axis)


# --- a kernel for each channel ------------------------------------------------------------------------------
def _offsets(p: Parting) -> Any:
    return itertools.product(*map(range, p.frame.sizes))


def _each(p: Parting, x: Any) -> Any:
    """Return images with an axis for the units of a channel, which come one after the other."""
    return x.reshape((*x.shape[:2], 1, *x.shape[2:]))


def _weights(p: Parting, w: Any, offset: Any) -> Any:
    channels = p.images[1]
    return w[(slice(None), 0, *offset)].reshape((channels, p.units // channels) + (1,) * len(offset))


def _depthwise(p: Parting, x: Any, w: Any) -> Any:
    x = _each(p, p.padded(x))
    z = sum(p.seen(x, offset) * _weights(p, w, offset) for offset in _offsets(p))
    return z.reshape(p.shape)


def _depthwise_to_x(p: Parting, y: Any, w: Any) -> Any:
    channels, lengths = p.images[1], p.images[2:]
    y = y.reshape((y.shape[0], channels, p.units // channels, *p.windows))
    for axis, step in enumerate(p.frame.steps, 3):  # zeros between the windows
        n = y.shape[axis]
        gaps = p.zeros((*y.shape[: axis + 1], step - 1, *y.shape[axis + 1 :]))
        y = np.concatenate([np.expand_dims(y, axis + 1), gaps], axis=axis + 1) if step > 1 else y
        y = y.reshape((*y.shape[:axis], n * step, *y.shape[axis + 2 :])) if step > 1 else y
    reach = [d * (k - 1) for k, d in zip(p.frame.sizes, p.frame.dilations, strict=True)]
    before = [a for a, _ in p.frame.margins]
    left = [max(0, r - a) for r, a in zip(reach, before, strict=True)]
    ends = zip(lengths, before, y.shape[3:], strict=True)
    y = np.pad(
        y, ((0, 0),) * 3 + tuple((m, max(0, n + a - u)) for m, (n, a, u) in zip(left, ends, strict=True))
    )
    total: Any = 0
    for offset in _offsets(p):
        along = zip(offset, p.frame.dilations, before, left, lengths, strict=True)
        starts = [m + a - k * d for k, d, a, m, _ in along]
        cut = y[(..., *(slice(i, i + n) for i, n in zip(starts, lengths, strict=True)))]
        total = total + cut * _weights(p, w, offset)
    return total.sum(axis=2)


def _depthwise_to_w(p: Parting, x: Any, y: Any) -> Any:
    channels = p.images[1]
    x, y = _each(p, p.padded(x)), y.reshape((y.shape[0], channels, p.units // channels, *p.windows))
    axes = (0, *range(3, y.ndim))
    sums = [(p.seen(x, offset) * y).sum(axis=axes) for offset in _offsets(p)]
    return np.stack(sums, axis=-1).reshape(p.shape)


# --- steps --------------------------------------------------------------------------------------------------
def _rests(p: Parting) -> Any:
    """Yield each rest that an offset can leave, with the lengths of the kernel of those that do."""
    for rest in itertools.product(*map(range, p.frame.steps)):
        along = zip(p.frame.sizes, rest, p.frame.steps, strict=True)
        sizes = tuple(-(-(k - r) // s) for k, r, s in along)
        if min(sizes) > 0:
            yield rest, sizes


def _every(p: Parting, w: Any, rest: Any) -> Any:
    return w[(..., *(slice(r, None, s) for r, s in zip(rest, p.frame.steps, strict=True)))]


def _images(p: Parting, x: Any, rest: Any, sizes: Any) -> Any:
    along = zip(rest, sizes, p.windows, p.frame.steps, strict=True)
    return x[(..., *(slice(r, r + s * (n + q - 2) + 1, s) for r, q, n, s in along))]


def _plain(sizes: Any) -> Frame:
    ones = (1,) * len(sizes)
    return Frame(tuple(sizes), ones, ones, ((0, 0),) * len(sizes))


def _stepped(p: Parting, x: Any, w: Any) -> Any:
    x = p.padded(x)
    found = [
        p.call(_images(p, x, rest, sizes), _every(p, w, rest), p.shape, _plain(sizes))
        for rest, sizes in _rests(p)
    ]
    return sum(found[1:], found[0])


def _stepped_to_x(p: Parting, y: Any, w: Any) -> Any:
    before, lengths = [a for a, _ in p.frame.margins], p.images[2:]
    counts = [-(-(a + n) // s) for a, n, s in zip(before, lengths, p.frame.steps, strict=True)]
    found = {}
    for rest, sizes in _rests(p):
        reach = [n + q - 1 for n, q in zip(p.windows, sizes, strict=True)]
        found[rest] = p.call(y, _every(p, w, rest), (*p.images[:2], *reach), _plain(sizes))
    z = _by_turns(p, found, p.images[:2], counts)
    return z[(..., *(slice(a, a + n) for a, n in zip(before, lengths, strict=True)))]


def _stepped_to_w(p: Parting, x: Any, y: Any) -> Any:
    x = p.padded(x)
    found = {
        rest: p.call(_images(p, x, rest, sizes), y, (*p.shape[:2], *sizes), _plain(sizes))
        for rest, sizes in _rests(p)
    }
    counts = [-(-k // s) for k, s in zip(p.frame.sizes, p.frame.steps, strict=True)]
    return _by_turns(p, found, p.shape[:2], counts)[(..., *(slice(0, k) for k in p.frame.sizes))]


def _by_turns(p: Parting, found: dict[Any, Any], lead: Any, counts: list[int]) -> Any:
    """Return what the entries with each rest are, in turn; what was found is cut or filled up to `counts`."""

    def along(axis: int, rest: tuple[int, ...]) -> Any:
        if axis == len(counts):
            z = found.get(rest)
            if z is None:
                return p.zeros((*lead, *counts))
            z = z[(..., *(slice(0, n) for n in counts))]
            return np.pad(
                z, ((0, 0), (0, 0), *((0, n - m) for n, m in zip(counts, z.shape[2:], strict=True)))
            )
        z = np.stack([along(axis + 1, (*rest, r)) for r in range(p.frame.steps[axis])], axis=axis + 3)
        return z.reshape((*z.shape[: axis + 2], z.shape[axis + 2] * z.shape[axis + 3], *z.shape[axis + 4 :]))

    return along(0, ())


Formula = Callable[[Parting, Any, Any], Any]
DEPTHWISE: dict[str, Formula] = {
    "convolution": _depthwise,
    "transposed_convolution": _depthwise_to_x,
    "convolution_kernel": _depthwise_to_w,
}
STEPPED: dict[str, Formula] = {
    "convolution": _stepped,
    "transposed_convolution": _stepped_to_x,
    "convolution_kernel": _stepped_to_w,
}
"""The formulas of each op."""
