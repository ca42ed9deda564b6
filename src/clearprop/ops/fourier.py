"""`np.fft`: four ops transform along one axis, each the way back of another; the rest is made of them."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.ops.plane import conjugated
from clearprop.ops.shape import as_array
from clearprop.registry import implements, ops

# Where the factor 1/n stands: on the way there, on the way back, or its root on both. The transpose of a
# transform is the one in the other direction with the factor in the same place.
ACROSS = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}

_SIGNAL = np.array([[0.5, -1.2, 2.0, 0.7, -0.4], [1.5, 0.3, -0.8, 1.1, 0.6]])
_PLANE = _SIGNAL + 1j * _SIGNAL[::-1, ::-1]
_CASES: tuple[Any, ...] = (
    {}, {"n": 4}, {"n": 7}, {"axis": 0}, {"n": 3, "axis": 0, "norm": "ortho"}, {"norm": "forward"},
)  # fmt: skip


def _fitted(x: Any, n: int, axis: int) -> Any:
    """Return `x` cut, or filled up with zeros, to `n` entries along an axis."""
    axis, length = normalize_axis_index(axis, x.ndim), x.shape[axis]
    if n <= length:
        return x if n == length else x[(slice(None),) * axis + (slice(n),)]
    return np.pad(x, tuple((0, n - length if i == axis else 0) for i in range(x.ndim)))


def _back_by(name: str) -> Any:
    """The rule of a transform whose transpose is the op `name`, of the same entries both ways."""

    def rule(g: Any, z: Any, x: Any, n: Any, axis: int, norm: Any) -> Any:
        return _fitted(ops[name](g, axis=axis, norm=ACROSS[norm]), x.shape[axis], axis)

    return rule


def _bins(n: int, axis: int, ndim: int, inner: float, like: Any) -> Any:
    """Return 1 for the frequencies 0 and n/2, and `inner` for those that stand for two."""
    w = np.full(n // 2 + 1, inner, np.finfo(like.dtype).dtype)
    w[0] = 1
    if n % 2 == 0:
        w[-1] = 1
    return w.reshape(tuple(-1 if i == axis % ndim else 1 for i in range(ndim)))


def _of_real_rule(g: Any, z: Any, x: Any, n: Any, axis: int, norm: Any) -> Any:
    n = x.shape[axis] if n is None else n
    d = ops["irfft"](g * _bins(n, axis, g.ndim, 0.5, g), n=n, axis=axis, norm=ACROSS[norm])
    return _fitted(d, x.shape[axis], axis)


def _to_real_rule(g: Any, z: Any, x: Any, n: Any, axis: int, norm: Any) -> Any:
    n = g.shape[axis]
    d = ops["rfft"](g, axis=axis, norm=ACROSS[norm])
    return _fitted(d * _bins(n, axis, g.ndim, 2.0, g), x.shape[axis], axis)


@define(
    "fft",
    "opaque",
    _back_by("ifft"),
    numpy=np.fft.fft,
    facts=Facts(kinks=False, plane="stated"),
    examples=tuple((((_SIGNAL, _PLANE)[k % 2],), case) for k, case in enumerate(_CASES)),
)
def fft(x: Any, *, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """The sums over j of x_j exp(-2 pi i j k / n), `x` cut or filled with zeros to `n` entries first.

    >>> fft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j, 1.+0.j])
    """
    return np.fft.fft(x, n, axis, norm)


@define(
    "ifft",
    "opaque",
    _back_by("fft"),
    numpy=np.fft.ifft,
    facts=Facts(kinks=False, plane="stated"),
    examples=tuple((((_PLANE, _SIGNAL)[k % 2],), case) for k, case in enumerate(_CASES)),
)
def ifft(x: Any, *, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse of `fft`: the means over k of x_k exp(2 pi i j k / n).

    >>> ifft(np.array([1.0, 1.0, 1.0]))
    array([1.+0.j, 0.+0.j, 0.+0.j])
    """
    return np.fft.ifft(x, n, axis, norm)


@define(
    "rfft",
    "opaque",
    _of_real_rule,
    numpy=np.fft.rfft,
    facts=Facts(kinks=False, plane="stated"),
    examples=tuple(((_SIGNAL,), case) for case in _CASES),
)
def rfft(x: Any, *, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """The first n // 2 + 1 frequencies of `fft` of real numbers; the others are their conjugates.

    >>> rfft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j])
    """
    return np.fft.rfft(x, n, axis, norm)


@define(
    "irfft",
    "opaque",
    _to_real_rule,
    numpy=np.fft.irfft,
    facts=Facts(kinks=False, plane="stated"),
    examples=(*(((_PLANE,), case) for case in _CASES), ((_SIGNAL,), {})),
)
def irfft(x: Any, *, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """The inverse of `rfft`: `n` real numbers, by default an even number of them, 2 (m - 1).

    The imaginary parts at the frequencies 0 and n/2 are not read, so they have no gradient.

    >>> irfft(np.array([1.0, 1.0]), n=3)
    array([1., 0., 0.])
    """
    if x.ndim and n and not x.shape[axis]:
        x = _fitted(x, 1, axis)  # NumPy would give what happens to lie in memory
    return np.fft.irfft(x, n, axis, norm)


# --- Hermitian symmetry -------------------------------------------------------------------------------------
@implements(np.fft.hfft)
def hfft(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """Return the transform of a signal that is its own conjugate backwards: `n` real numbers."""
    x = as_array(x)
    return ops["irfft"](conjugated(x), n=n, axis=axis, norm=_across(norm))


@implements(np.fft.ihfft)
def ihfft(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    """Return the inverse of `hfft`."""
    return np.conjugate(ops["rfft"](as_array(x), n=n, axis=axis, norm=_across(norm)))


def _across(norm: Any) -> Any:
    if norm not in ACROSS:
        raise ValueError(lesson("np.fft(norm=)", "is 'backward', 'ortho' or 'forward'", repr(norm)))
    return ACROSS[norm]


# --- several axes -------------------------------------------------------------------------------------------
def _axes(called: str, x: Any, s: Any, axes: Any, to_real: bool = False) -> list[tuple[int, int]]:
    """Return pairs of an axis and how many entries are read along it (made, along the last of `to_real`)."""
    if s is None:
        axes = list(range(x.ndim)) if axes is None else [operator.index(a) for a in axes]
        lengths = [x.shape[a] for a in axes]
        if to_real and axes:
            lengths[-1] = 2 * (lengths[-1] - 1)
        return list(zip(axes, lengths, strict=True))
    lengths = [operator.index(n) for n in s]
    if axes is None:
        said = "`axes` should not be `None` if `s` is not `None` (Deprecated in NumPy 2.0)."
        warnings.warn(said, DeprecationWarning, stacklevel=5)
        axes = range(-len(lengths), 0)
    axes = [operator.index(a) for a in axes]
    if len(axes) != len(lengths):
        raise ValueError(lesson(f"{called}(x, s, axes)", "wants a length for each axis", f"{s} for {axes}"))
    lengths = [x.shape[a] if n == -1 else n for a, n in zip(axes, lengths, strict=True)]
    return list(zip(axes, lengths, strict=True))


def _each(name: str, x: Any, pairs: list[tuple[int, int]], norm: Any) -> Any:
    for axis, n in reversed(pairs):
        x = ops[name](x, n=n, axis=axis, norm=norm)
    return x


@implements(np.fft.fftn)
def fftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """Return the transform along all axes, or those named; `s` are the lengths they are brought to."""
    x = as_array(x)
    return _each("fft", x, _axes("np.fft.fftn", x, s, axes), norm)


@implements(np.fft.ifftn)
def ifftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """Return the inverse of `fftn`."""
    x = as_array(x)
    return _each("ifft", x, _axes("np.fft.ifftn", x, s, axes), norm)


@implements(np.fft.rfftn)
def rfftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """Return the transform of real numbers: half of the frequencies along the last axis, all along others."""
    x = as_array(x)
    pairs = _axes("np.fft.rfftn", x, s, axes)
    _some("np.fft.rfftn", pairs)
    axis, n = pairs.pop()
    return _each("fft", ops["rfft"](x, n=n, axis=axis, norm=norm), pairs, norm)


@implements(np.fft.irfftn)
def irfftn(x: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    """Return the inverse of `rfftn`; the length of the last axis is even unless `s` says otherwise."""
    x = as_array(x)
    pairs = _axes("np.fft.irfftn", x, s, axes, to_real=True)
    _some("np.fft.irfftn", pairs)
    axis, n = pairs.pop()
    return ops["irfft"](_each("ifft", x, pairs[::-1], norm), n=n, axis=axis, norm=norm)


def _some(called: str, pairs: list[tuple[int, int]]) -> None:
    if not pairs:
        raise IndexError(lesson(f"{called}(x)", "wants at least one axis", "none"))


@implements(np.fft.fft2)
def fft2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """Return `fftn` along the last two axes."""
    return fftn(x, s, axes, norm)


@implements(np.fft.ifft2)
def ifft2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """Return `ifftn` along the last two axes."""
    return ifftn(x, s, axes, norm)


@implements(np.fft.rfft2)
def rfft2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """Return `rfftn` along the last two axes."""
    return rfftn(x, s, axes, norm)


@implements(np.fft.irfft2)
def irfft2(x: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    """Return `irfftn` along the last two axes."""
    return irfftn(x, s, axes, norm)


# --- the order of frequencies -------------------------------------------------------------------------------
def _shifted(x: Any, axes: Any, sign: int) -> Any:
    axes = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim, allow_duplicate=True)
    return np.roll(x, tuple(sign * (x.shape[a] // 2) for a in axes), axes)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """Return the frequencies from the lowest to the highest, 0 in the middle.

    >>> fftshift(np.fft.fftfreq(5) * 5)
    array([-2., -1.,  0.,  1.,  2.])
    """
    return _shifted(x, axes, 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """Return what `fftshift` has shifted in its old order."""
    return _shifted(x, axes, -1)
