"""Windows: small stretches of an array, side by side or overlapping, and what is read off each of them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.registry import implements, ops

Slices = tuple[slice, ...]
SOME = 16  # offsets up to which a compiled step has an operation for each


class Tap(NamedTuple):
    """One offset inside of all windows: which windows find an entry there, and which entries these are."""

    offset: tuple[int, ...]
    windows: Slices
    entries: Slices


@dataclass(frozen=True)
class Frame:
    """How windows lie along the last axes of an array, a number for each axis in every field.

    A window has `sizes` entries that are `dilations` apart, and starts `steps` entries after the last one.
    `margins` are (before, after): so far windows may reach beyond the ends, where there is nothing.
    """

    sizes: tuple[int, ...]
    steps: tuple[int, ...]
    dilations: tuple[int, ...]
    margins: tuple[tuple[int, int], ...]

    def __repr__(self) -> str:
        """Return it in a word or two, without what goes without saying: `3x3 step 2x2`."""
        words = ["x".join(map(str, self.sizes))]
        for name, numbers in (("step", self.steps), ("dilation", self.dilations)):
            words += [f"{name} {'x'.join(map(str, numbers))}"] * any(n != 1 for n in numbers)
        if any(map(any, self.margins)):
            even = all(before == after for before, after in self.margins)
            words.append(f"margin {'x'.join(str(a) for a, _ in self.margins) if even else self.margins}")
        return " ".join(words)

    def lengths(self, x: Any) -> tuple[int, ...]:
        """Return the lengths of the axes of `x` that windows are taken along."""
        return tuple(x.shape[x.ndim - len(self.sizes) :])

    def counts(self, lengths: Any) -> tuple[int, ...]:
        """Return how many windows fit along axes of these lengths.

        >>> Frame((3, 3), (2, 1), (1, 2), ((0, 0), (1, 1))).counts((7, 7))
        (3, 5)
        """
        return tuple(map(_count, lengths, self.sizes, self.steps, self.dilations, map(sum, self.margins)))

    def taps(self, lengths: Any, windows: Any) -> tuple[Tap, ...]:
        """Return every offset inside of so many windows: all that is done to windows is done by these.

        A loop over the few offsets, each a slice of many entries, is faster than one over windows.

        >>> [tap.entries for tap in Frame((2,), (3,), (1,), ((0, 0),)).taps((5,), (2,))]
        [(slice(0, 4, 3),), (slice(1, 5, 3),)]
        """
        return _taps_of(self, tuple(lengths), tuple(windows))


@functools.lru_cache(maxsize=256)  # the blocks of a convolution ask for the same ones, image by image
def _taps_of(frame: Frame, lengths: tuple[int, ...], windows: tuple[int, ...]) -> tuple[Tap, ...]:
    along = zip(lengths, windows, frame.sizes, frame.steps, frame.dilations, frame.margins, strict=True)
    found = itertools.product(*(_taps(n, w, k, s, d, m[0]) for n, w, k, s, d, m in along))
    return tuple(Tap(*zip(*one, strict=True)) if one else Tap((), (), ()) for one in found)


def _count(length: int, size: int, step: int, dilation: int, margin: int = 0) -> int:
    return (length + margin - dilation * (size - 1) - 1) // step + 1


def _taps(length: int, windows: int, size: int, step: int, dilation: int, before: int) -> Iterator[Any]:
    """Where offset 0, 1, ... of the windows along one axis lies; a margin has no entries."""
    for k in range(size):
        shift = k * dilation - before
        first = max(0, -(shift // step))
        last = max(first, min(windows, (length - 1 - shift) // step + 1))
        if first == last:
            yield k, slice(0, 0), slice(0, 0)
        else:
            yield k, slice(first, last), slice(first * step + shift, (last - 1) * step + shift + 1, step)


# --- the view and its transpose -----------------------------------------------------------------------------
def _folded(g: Any, z: Any, x: Any, axes: Any, sizes: Any, steps: Any, dilations: Any) -> Any:
    lengths = tuple(x.shape[a] for a in axes)
    return ops["fold"](g, axes=axes, lengths=lengths, steps=steps, dilations=dilations)


@define(
    "windows",
    "view",
    _folded,
    facts=Facts(lower=lambda x, **how: _cut_from_all(x, **how)),
    examples=(
        (((2, 7),), {"axes": (1,), "sizes": (3,), "steps": (2,), "dilations": (1,)}),
        (((6, 5, 2),), {"axes": (0, 1), "sizes": (3, 2), "steps": (1, 2), "dilations": (2, 1)}),
        (((8,),), {"axes": (0,), "sizes": (2,), "steps": (3,), "dilations": (1,)}),
    ),
)
def windows(x: Any, *, axes: Any = (), sizes: Any = (), steps: Any = (), dilations: Any = ()) -> Any:
    """The windows of x as a view: z[..., i, ..., k] = x[..., i * step + k * dilation, ...].

    Each axis in `axes` counts windows instead of entries; the offsets inside of them are new axes at the end,
    in the order of `axes`. Raises ValueError where not one window fits. The gradient is `fold`.

    >>> windows(np.arange(6), axes=(0,), sizes=(3,), steps=(2,), dilations=(1,))
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    shape, strides = list(x.shape), list(x.strides)
    for a, k, s, d in zip(axes, sizes, steps, dilations, strict=True):
        shape[a] = _count(x.shape[a], k, s, d)
        if shape[a] < 1:
            raise ValueError(f"a window reaches over {d * (k - 1) + 1} entries, axis {a} has {x.shape[a]}")
        strides[a] = s * x.strides[a]
    inside = [d * x.strides[a] for a, d in zip(axes, dilations, strict=True)]
    return as_strided(x, (*shape, *sizes), (*strides, *inside), writeable=False)


def _unfolded(g: Any, z: Any, x: Any, axes: Any, lengths: Any, steps: Any, dilations: Any) -> Any:
    sizes = tuple(x.shape[x.ndim - len(axes) :])
    seen = ops["windows"](g, axes=axes, sizes=sizes, steps=steps, dilations=dilations)
    if seen.shape == x.shape:
        return seen
    return seen[tuple(slice(0, n) for n in x.shape)]  # there was room for more windows


@define(
    "fold",
    "view",
    _unfolded,
    facts=Facts(lower=lambda x, **how: _added_along(x, **how)),
    examples=(
        (((2, 3, 3),), {"axes": (1,), "lengths": (8,), "steps": (2,), "dilations": (1,)}),
        (((2, 2, 4, 3, 2),), {"axes": (1, 2), "lengths": (6, 7), "steps": (2, 1), "dilations": (1, 2)}),
        (((2, 2),), {"axes": (0,), "lengths": (9,), "steps": (3,), "dilations": (1,)}),
    ),
)
def fold(x: Any, *, axes: Any = (), lengths: Any = (), steps: Any = (), dilations: Any = ()) -> Any:
    """Windows added up where they lie, the transpose of `windows`; 0 where none reaches.

    z[..., n, ...] is the sum of x[..., i, ..., k] over all i and k with n = i * step + k * dilation. Raises
    ValueError where the windows do not fit into `lengths`.

    >>> fold(np.array([[1, 2, 3], [4, 5, 6]]), axes=(0,), lengths=(6,), steps=(2,), dilations=(1,))
    array([1, 2, 7, 5, 6, 0])
    """
    m = len(axes)
    sizes, found = x.shape[x.ndim - m :], tuple(x.shape[a] for a in axes)
    shape = list(x.shape[: x.ndim - m])
    for a, n, w, k, s, d in zip(axes, lengths, found, sizes, steps, dilations, strict=True):
        shape[a] = int(n)
        if w and k and (w - 1) * s + d * (k - 1) >= n:
            raise ValueError(
                f"wants a length of {(w - 1) * s + d * (k - 1) + 1} or more, not {n}, for axis {a}"
            )
    z = np.zeros(shape, x.dtype)
    frame = Frame(sizes, steps, dilations, ((0, 0),) * m)
    for tap in frame.taps(lengths, found):
        at: list[Any] = [slice(None)] * len(shape)
        for a, entries in zip(axes, tap.entries, strict=True):
            at[a] = entries
        z[tuple(at)] += x[(..., *tap.offset)]
    return z


@implements(sliding_window_view)
def sliding_windows(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """Return all windows of a shape, each one entry after the last, as NumPy's function of that name does.

    Raises what NumPy raises; a view that could be written to has no gradient and is refused.

    >>> from clearprop import Tensor
    >>> sliding_windows(Tensor([1.0, 2.0, 3.0]), 2).value
    array([[1., 2.],
           [2., 3.]])
    """
    if writeable:
        wanted = "gives views to be read: a Tensor's values do not change"
        raise TypeError(lesson("sliding_window_view(writeable=True)", wanted, hint="it without writeable"))
    sliding_window_view(np.broadcast_to(False, x.shape), window_shape, axis)  # NumPy's own complaints
    sizes = tuple(int(n) for n in np.atleast_1d(window_shape))
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    if len(set(axes)) == len(axes):
        ones = (1,) * len(axes)
        return ops["windows"](x, axes=axes, sizes=sizes, steps=ones, dilations=ones)
    for a, k in zip(axes, sizes, strict=True):  # windows of windows
        x = ops["windows"](x, axes=(a,), sizes=(k,), steps=(1,), dilations=(1,))
    return x


# --- sums over windows --------------------------------------------------------------------------------------
def _spread(g: Any, z: Any, x: Any, frame: Any) -> Any:
    return ops["window_spread"](g, lengths=frame.lengths(x), frame=frame)


_PLAIN = {"frame": Frame((3,), (2,), (1,), ((0, 0),))}
_PLANE = {"frame": Frame((2, 3), (2, 1), (1, 2), ((1, 0), (2, 2)))}
_POOLS = ((((2, 7),), _PLAIN), (((2, 5, 4),), _PLANE))


@define(
    "window_sum",
    "reduce",
    _spread,
    facts=Facts(lower=lambda x, frame: _apart(x, frame, np.add, 0)),
    examples=_POOLS,
)
def window_sum(x: Any, *, frame: Any = None) -> Any:
    """The sum of each window along the last axes: the number of windows takes the place of each length.

    >>> window_sum(np.arange(6.0), frame=Frame((2,), (2,), (1,), ((0, 0),)))
    array([1., 5., 9.])
    """
    lengths, found = _extent(x, frame)
    z = np.zeros((*x.shape[: x.ndim - len(frame.sizes)], *found), x.dtype)
    for tap in frame.taps(lengths, found):
        z[(..., *tap.windows)] += x[(..., *tap.entries)]
    return z


def _extent(x: Any, frame: Any) -> Any:
    """Return the lengths of the last axes, and an array's shape with the numbers of windows for them."""
    lengths = frame.lengths(x)
    return lengths, frame.counts(lengths)


def _summed(g: Any, z: Any, x: Any, lengths: Any, frame: Any) -> Any:
    return ops["window_sum"](g, frame=frame)


@define(
    "window_spread",
    "opaque",
    _summed,
    facts=Facts(lower=lambda x, **how: _repeated(x, **how)),
    examples=((((2, 3),), {"lengths": (7,), **_PLAIN}), (((2, 3, 4),), {"lengths": (5, 4), **_PLANE})),
)
def window_spread(x: Any, *, lengths: Any = (), frame: Any = None) -> Any:
    """Each number added to every entry of its window, the transpose of `window_sum`.

    >>> window_spread(np.array([1, 5]), lengths=(3,), frame=Frame((2,), (1,), (1,), ((0, 0),)))
    array([1, 6, 5])
    """
    found = frame.lengths(x)
    z = np.zeros((*x.shape[: x.ndim - len(frame.sizes)], *map(int, lengths)), x.dtype)
    for tap in frame.taps(lengths, found):
        z[(..., *tap.entries)] += x[(..., *tap.windows)]
    return z


# --- the same without writing into arrays: what is run on symbols says how it is compiled -------------------
def _cut_from_all(x: Any, axes: Any, sizes: Any, steps: Any, dilations: Any) -> Any:
    """Return windows as some of the densest ones."""
    reach = tuple(d * (k - 1) + 1 for k, d in zip(sizes, dilations, strict=True))
    index = [slice(None)] * x.ndim + [slice(None, None, d) for d in dilations]
    for a, s in zip(axes, steps, strict=True):
        index[a] = slice(None, None, s)
    return sliding_window_view(x, reach, axes)[tuple(index)]


def _added_along(x: Any, axes: Any, lengths: Any, steps: Any, dilations: Any) -> Any:
    """Return windows added up, one axis after the other: each offset moved to its place among zeros."""
    for a, n, s, d in reversed(list(zip(axes, lengths, steps, dilations, strict=True))):
        size, found = x.shape[-1], x.shape[a]
        z: Any = 0
        if size > SOME:
            raise NotImplementedError("windows of many offsets")
        for k in range(size):
            part, after = x[(..., slice(k, k + 1))].reshape(x.shape[:-1]), n - (found - 1) * s - 1 - k * d
            if s > 1:  # zeros between the windows
                part = np.expand_dims(part, a + 1)
                part = np.pad(part, [(0, s - 1 if i == a + 1 else 0) for i in range(part.ndim)])
                part = part.reshape((*part.shape[:a], found * s, *part.shape[a + 2 :]))
                part = part[(slice(None),) * a + (slice(0, (found - 1) * s + 1),)]
            z = np.pad(part, [(k * d, after) if i == a else (0, 0) for i in range(part.ndim)]) + z
        x = z
    return x


def _apart(x: Any, frame: Frame, pair: Any, fill: float) -> Any:
    """Return one number for each window: of few offsets by pairs, of many as a reduction of the view."""
    if math.prod(frame.sizes) <= SOME:
        return functools.reduce(pair, _parts(x, frame, fill))
    if any(map(any, frame.margins)):
        raise NotImplementedError("margins of large windows")
    axes = tuple(range(x.ndim - len(frame.sizes), x.ndim))
    view = _cut_from_all(x, axes, frame.sizes, frame.steps, frame.dilations)
    return pair.reduce(view, axis=tuple(range(x.ndim, view.ndim)))


def _parts(x: Any, frame: Frame, fill: float) -> list[Any]:
    """Return what each offset of all windows sees, `fill` where that is a margin."""
    if math.prod(frame.sizes) > SOME:
        raise NotImplementedError("windows of many offsets")
    lead = x.ndim - len(frame.sizes)
    found = frame.counts(frame.lengths(x))
    around = [(0, 0)] * lead + [(before, max(after, 0)) for before, after in frame.margins]
    if any(map(any, around)):
        x = np.pad(x, around, constant_values=fill)
    inside = replace(frame, margins=((0, 0),) * len(found))
    return [x[(slice(None),) * lead + tap.entries] for tap in inside.taps(frame.lengths(x), found)]


def _side_by_side(parts: list[Any], lengths: Any, frame: Frame) -> Any:
    """Return what each offset sends to its entries, for windows side by side; zeros after the last."""
    axes = len(frame.sizes)
    lead = parts[0].ndim - axes
    found = parts[0].shape[lead:]
    for a in reversed(range(axes)):
        k = frame.sizes[a]
        parts = [np.stack(parts[i : i + k], axis=lead + a + 1) for i in range(0, len(parts), k)]
    covered = tuple(n * k for n, k in zip(found, frame.sizes, strict=True))
    return _filled_up(parts[0].reshape((*parts[0].shape[:lead], *covered)), lengths, frame)


def _repeated(x: Any, lengths: Any, frame: Frame) -> Any:
    """Return each number at every entry of its window, for windows side by side."""
    for a, k in enumerate(frame.sizes, x.ndim - len(frame.sizes)):
        x = np.repeat(x, k, axis=a)
    return _filled_up(x, lengths, frame)


def _filled_up(d: Any, lengths: Any, frame: Frame) -> Any:
    """Return what windows side by side have sent, with zeros for the rest that none reaches."""
    if frame.steps != frame.sizes or any(map(any, frame.margins)) or any(d != 1 for d in frame.dilations):
        raise NotImplementedError("windows that overlap, or do not lie side by side")
    lead = d.ndim - len(frame.sizes)
    rest = [(0, 0)] * lead + [(0, n - m) for n, m in zip(lengths, d.shape[lead:], strict=True)]
    return np.pad(d, rest) if any(map(any, rest)) else d


def _shared_apart(y: Any, x: Any, frame: Frame) -> Any:
    parts = _parts(x, frame, 0)
    z = functools.reduce(np.maximum, parts)
    wins = [(part == z) | ((z != z) & (part != part)) for part in parts]
    number = functools.reduce(np.add, [np.where(w, y.dtype.type(1), y.dtype.type(0)) for w in wins])
    share = y / np.maximum(number, y.dtype.type(1))
    return _side_by_side([np.where(w, share, y.dtype.type(0)) for w in wins], frame.lengths(x), frame)


# --- the largest entry of each window -----------------------------------------------------------------------
def lowest(dtype: Any) -> Any:
    """Return what the maximum of nothing is, the least number of a dtype.

    >>> lowest(np.dtype("int8")), lowest(np.dtype("float32"))
    (-128, -inf)
    """
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _shared(g: Any, z: Any, x: Any, frame: Any) -> Any:
    return ops["winners_share"](g, x, frame=frame)


def _tied(x: Any, frame: Any) -> Any:
    """Which entries share the first place of a window with another."""
    z = window_max(x, frame=frame)
    several = _winners(x, z, frame) > 1
    tied = np.zeros(x.shape, bool)
    for tap, wins in _won(x, z, frame):
        tied[(..., *tap.entries)] |= wins & several[(..., *tap.windows)]
    return tied


@define(
    "window_max",
    "reduce",
    _shared,
    facts=Facts(kinks=_tied, lower=lambda x, frame: _apart(x, frame, np.maximum, lowest(x.dtype))),
    empty=False,
    examples=_POOLS,
)
def window_max(x: Any, *, frame: Any = None) -> Any:
    """The largest entry of each window along the last axes; NaN where one is; ties share the gradient.

    >>> window_max(np.array([3.0, 1.0, 4.0, 1.0]), frame=Frame((2,), (1,), (1,), ((0, 0),)))
    array([3., 4., 4.])
    """
    lengths, found = _extent(x, frame)
    z = np.full((*x.shape[: x.ndim - len(frame.sizes)], *found), lowest(x.dtype), x.dtype)
    for tap in frame.taps(lengths, found):
        part = z[(..., *tap.windows)]
        np.maximum(part, x[(..., *tap.entries)], out=part)
    return z


@define("window_argmax", "reduce", None, examples=_POOLS)
def window_argmax(x: Any, *, frame: Any = None) -> Any:
    """Where the largest entry of each window lies, counted along the last axes as one; no gradient.

    Of several the first; where there is NaN, the last NaN.

    >>> window_argmax(np.array([3., 1., 4., 4.]), frame=Frame((2,), (2,), (1,), ((0, 0),)))
    array([0, 2])
    """
    lengths, found = _extent(x, frame)
    z = np.full((*x.shape[: x.ndim - len(frame.sizes)], *found), lowest(x.dtype), x.dtype)
    place = np.arange(math.prod(lengths)).reshape(lengths)
    where = np.zeros(z.shape, np.int64)
    seen = np.zeros(found, bool)
    for tap in frame.taps(lengths, found):
        at, entries = (..., *tap.windows), x[(..., *tap.entries)]
        better = (entries > z[at]) | (entries != entries) | ~seen[tap.windows]
        seen[tap.windows] = True
        np.copyto(z[at], entries, where=better)
        np.copyto(where[at], place[tap.entries], where=better)
    return where


def _won(x: Any, z: Any, frame: Any) -> Iterator[Any]:
    """Yield every tap and which of its entries are the largest of their windows, or NaN."""
    lengths, found = _extent(x, frame)
    lost = bool((z != z).any())
    for tap in frame.taps(lengths, found):
        entries = x[(..., *tap.entries)]
        wins = entries == z[(..., *tap.windows)]
        yield tap, wins | (entries != entries) if lost else wins


def _winners(x: Any, z: Any, frame: Any) -> Any:
    """Return how many entries are the largest of each window, 1 where there is none at all."""
    number = np.zeros(z.shape, np.int32)
    number = np.zeros(z.shape, np.uint8 if math.prod(frame.sizes) < 256 else np.int32)
    for tap, wins in _won(x, z, frame):
        number[(..., *tap.windows)] += wins.view(np.uint8)
    return np.maximum(number, 1)


def _averaged(g: Any, z: Any, y: Any, x: Any, frame: Any) -> Any:
    return ops["winners_mean"](g, x, frame=frame)


_SHARES = ((((2, 3), (2, 7)), _PLAIN), (((2, 3, 4), (2, 5, 4)), _PLANE))
_MEANS = ((((2, 7), (2, 7)), _PLAIN), (((2, 5, 4), (2, 5, 4)), _PLANE))


@define(
    "winners_share",
    "opaque",
    _averaged,
    None,
    facts=Facts(lower=lambda y, x, frame: _shared_apart(y, x, frame)),
    examples=_SHARES,
)
def winners_share(y: Any, x: Any, *, frame: Any = None) -> Any:
    """Each number of `y`, shared by the largest entries of its window of `x`: what a maximum sends back.

    >>> pairs = Frame((2,), (1,), (1,), ((0, 0),))
    >>> winners_share(np.array([1.0, 8.0]), np.array([1.0, 2.0, 2.0]), frame=pairs)
    array([0., 5., 4.])
    """
    z = window_max.forward(x, frame=frame)
    share = y / _winners(x, z, frame).astype(y.dtype)
    d = np.zeros(x.shape, y.dtype)
    finite = bool(np.isfinite(share).all())  # else what loses would receive NaN from a product with 0
    for tap, wins in _won(x, z, frame):
        part, given = d[(..., *tap.entries)], share[(..., *tap.windows)]
        part += given * wins if finite else np.where(wins, given, 0)
    return d


def _shared_again(g: Any, z: Any, y: Any, x: Any, frame: Any) -> Any:
    return ops["winners_share"](g, x, frame=frame)


@define("winners_mean", "opaque", _shared_again, None, examples=_MEANS)
def winners_mean(y: Any, x: Any, *, frame: Any = None) -> Any:
    """The mean of `y` where `x` has the largest entries of its windows, the transpose of `winners_share`.

    >>> pairs = Frame((2,), (1,), (1,), ((0, 0),))
    >>> winners_mean(np.array([1.0, 2.0, 6.0]), np.array([1.0, 2.0, 2.0]), frame=pairs)
    array([2., 4.])
    """
    z = window_max.forward(x, frame=frame)
    total = np.zeros(z.shape, y.dtype)
    for tap, wins in _won(x, z, frame):
        total[(..., *tap.windows)] += np.where(wins, y[(..., *tap.entries)], 0)
    return total / _winners(x, z, frame).astype(y.dtype)
