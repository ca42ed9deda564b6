"""`scipy.signal`: convolution and correlation of arrays of any number of axes, and linear filters.

What is not here is SciPy's own, of plain numbers: windows, the design of filters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from clearprop.errors import at_line, lesson
from clearprop.ops.shape import as_array
from clearprop.registry import ops
from clearprop.scipy import filters as filters
from clearprop.scipy.rest import reader
from clearprop.scipy.spectra import coherence as coherence
from clearprop.scipy.spectra import csd as csd
from clearprop.scipy.spectra import detrend as detrend
from clearprop.scipy.spectra import filtfilt as filtfilt
from clearprop.scipy.spectra import hilbert as hilbert
from clearprop.scipy.spectra import lfilter_zi as lfilter_zi
from clearprop.scipy.spectra import periodogram as periodogram
from clearprop.scipy.spectra import savgol_filter as savgol_filter
from clearprop.scipy.spectra import spectrogram as spectrogram
from clearprop.scipy.spectra import welch as welch
from clearprop.scipy.spectra import with_states


def _cut(called: str, z: Any, one: tuple[int, ...], two: tuple[int, ...], mode: str, still: int = 0) -> Any:
    """Return the part of the full convolution that the mode asks for, the first axes whole."""
    if still:
        whole = (slice(None),) * still
        one, two = one[still:], two[still:]
        return z[(*whole, *_places(called, z.shape[still:], one, two, mode))]
    return z[_places(called, z.shape, one, two, mode)]


def _places(
    called: str, full: tuple[int, ...], one: tuple[int, ...], two: tuple[int, ...], mode: str
) -> tuple[slice, ...]:
    if mode == "full":
        return (slice(None),) * len(full)
    if mode == "same":
        starts, lengths = [(m - n) // 2 for m, n in zip(full, one, strict=True)], one
    elif mode == "valid":
        wider = all(m >= n for m, n in zip(one, two, strict=True))
        if not wider and not all(m <= n for m, n in zip(one, two, strict=True)):
            wanted = "wants one array that is at least as long as the other along every axis"
            raise ValueError(lesson(f"{called}(mode='valid')", wanted, f"{one} and {two}"))
        inner = two if wider else one
        starts = [n - 1 for n in inner]
        lengths = tuple(abs(m - n) + 1 for m, n in zip(one, two, strict=True))
    else:
        raise ValueError(lesson(f"{called}(mode=)", "is 'full', 'same' or 'valid'", repr(mode)))
    return tuple(slice(i, i + n) for i, n in zip(starts, lengths, strict=True))


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """Return the convolution of two arrays of as many axes, by way of their Fourier transforms.

    >>> fftconvolve(np.array([1.0, 2.0]), np.array([1.0, 1.0])).round(12)
    array([1., 3., 2.])
    """
    x, y = as_array(in1), as_array(in2)
    if x.ndim != y.ndim:
        raise ValueError(
            lesson("fftconvolve(x, y)", "wants as many axes of both", f"{x.shape} and {y.shape}")
        )
    if x.ndim == 0:
        return x * y
    if not x.size or not y.size:
        return np.zeros(0, np.result_type(x.dtype, y.dtype))
    if axes is not None:
        return _along("fftconvolve", x, y, mode, normalize_axis_tuple(axes, x.ndim))
    shape = tuple(m + n - 1 for m, n in zip(x.shape, y.shape, strict=True))
    return _cut("fftconvolve", _product(x, y, shape, tuple(range(x.ndim))), x.shape, y.shape, mode)


def _product(x: Any, y: Any, shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    if "c" in (x.dtype.kind, y.dtype.kind):
        return np.fft.ifftn(np.fft.fftn(x, shape, axes) * np.fft.fftn(y, shape, axes), shape, axes)
    return np.fft.irfftn(np.fft.rfftn(x, shape, axes) * np.fft.rfftn(y, shape, axes), shape, axes)


def _along(called: str, x: Any, y: Any, mode: str, axes: tuple[int, ...]) -> Any:
    """Return the convolution along some axes, the others of which broadcast."""
    still = tuple(i for i in range(x.ndim) if i not in axes)
    behind = tuple(range(len(still), x.ndim))
    x, y = (np.moveaxis(v, (*still, *axes), range(v.ndim)) for v in (x, y))
    shape = tuple(x.shape[i] + y.shape[i] - 1 for i in behind)
    z = _product(x, y, shape, behind)
    around = z.shape[: len(still)]
    z = _cut(called, z, around + x.shape[len(still) :], around + y.shape[len(still) :], mode, len(still))
    return np.moveaxis(z, range(z.ndim), (*still, *axes))


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Return the convolution of two arrays: vectors by sums of products, others by Fourier transforms.

    `method` "direct" or "fft" says which for vectors, too.

    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5]), mode="same")
    array([1. , 2.5, 4. ])
    """
    x, y = as_array(in1), as_array(in2)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(lesson("convolve(method=)", "is 'auto', 'direct' or 'fft'", repr(method)))
    if not x.size or not y.size:
        wanted = "wants arrays that hold something"
        raise ValueError(lesson("convolve(x, y)", wanted, f"{x.shape} and {y.shape}", at_line()))
    if x.ndim == y.ndim == 1 and method != "fft":
        return _cut("convolve", np.convolve(x, y), x.shape, y.shape, mode)
    return fftconvolve(x, y, mode)


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Return the correlation of two arrays: the convolution with the second turned round and conjugated.

    >>> correlate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5]))
    array([0.5, 2. , 3.5, 3. , 0. ])
    """
    x, y = as_array(in1), as_array(in2)
    return convolve(x, np.conjugate(np.flip(y)) if y.dtype.kind == "c" else np.flip(y), mode, method)


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """Return the convolution of two matrices; beyond the edge of the first are zeros.

    Raises TypeError for another `boundary`, which np.pad makes.
    """
    x, y = as_array(in1), as_array(in2)
    if x.ndim != 2 or y.ndim != 2:
        raise ValueError(
            lesson("convolve2d(x, y)", "wants two matrices", f"{x.shape} and {y.shape}", at_line())
        )
    if boundary != "fill" or fillvalue != 0:
        hint = 'np.pad(x, ..., mode="symmetric" or "wrap") before it, and mode="valid"'
        raise TypeError(
            lesson("convolve2d(boundary=)", "wants zeros beyond the edge", boundary, at_line(), hint)
        )
    return convolve(x, y, mode)


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Return the signal `x` filtered by b(z) / a(z): gradients by all three, to any order.

    With first states `zi` it is a pair, the signal and the last states.

    >>> lfilter([1.0], [1.0, -0.5], np.array([1.0, 0.0, 0.0]))
    array([1.  , 0.5 , 0.25])
    """
    b, a, x = (as_array(v) for v in (b, a, x))
    kind = np.result_type(b.dtype, a.dtype, x.dtype, np.float32)
    b, a, x = (v if v.dtype == kind else v.astype(kind) for v in (np.atleast_1d(b), np.atleast_1d(a), x))
    x = np.moveaxis(x, axis, -1)
    if zi is None:
        return np.moveaxis(ops["filtered"](b, a, x), -1, axis)
    y, states = with_states(b, a, x, np.moveaxis(as_array(zi), axis, -1))
    return np.moveaxis(y, -1, axis), np.moveaxis(states, -1, axis)


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """Return the signal filtered by sections of second order, rows of b0 b1 b2 a0 a1 a2, in turn.

    With first states `zi`, of shape (sections, ..., 2, ...), it is a pair, the signal and the last states.
    """
    states = []
    for k, row in enumerate(as_array(sos)):
        x = lfilter(row[:3], row[3:], x, axis, None if zi is None else as_array(zi)[k])
        if zi is not None:
            x, last = x
            states.append(last)
    return x if zi is None else (x, np.stack(states))


def freqz(
    b: Any,
    a: Any = 1,
    worN: Any = 512,
    whole: bool = False,
    plot: Any = None,
    fs: float = 2 * np.pi,
    include_nyquist: bool = False,
) -> tuple[Any, Any]:
    """Return frequencies and the complex response b / a at them, in the units of the rate `fs`.

    Coefficients lie along the first axis; others broadcast with the frequencies. `plot(w, h)` is called with
    the result.

    >>> freqz([0.5, 0.5], worN=[0.0])[1]
    array([1.+0.j])
    """
    worN = 512 if worN is None else worN
    if isinstance(worN, (int, np.integer)):
        last = 2 * np.pi if whole else np.pi
        w = np.linspace(0, last, int(worN), endpoint=include_nyquist and not whole)
    else:
        w = np.atleast_1d(np.asarray(worN, np.float64)) * (2 * np.pi / fs)
    b, a = np.atleast_1d(as_array(b)), np.atleast_1d(as_array(a))
    powers = np.exp(-1j * w[:, None] * np.arange(max(b.shape[0], a.shape[0])))
    found = w * (fs / (2 * np.pi)), _response(b, powers) / _response(a, powers)
    if plot is not None:
        plot(*found)
    return found


def _response(b: Any, powers: Any) -> Any:
    if b.ndim == 1:
        return powers[:, : b.shape[0]] @ b
    turned = powers.T[: b.shape[0]].reshape((b.shape[0], *(1,) * (b.ndim - 2), powers.shape[0]))
    return np.sum(b * turned, axis=0)


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """Return the correlation of two matrices; beyond the edge of the first are zeros, as in `convolve2d`."""
    x, y = as_array(in1), np.flip(as_array(in2))
    y = np.conjugate(y) if y.dtype.kind == "c" else y
    if mode != "same":
        return convolve2d(x, y, mode, boundary, fillvalue)
    z, (m, n) = convolve2d(x, y, "full", boundary, fillvalue), y.shape
    return z[m // 2 : m // 2 + x.shape[0], n // 2 : n // 2 + x.shape[1]]  # of two middles the other one


def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """Return the convolution of two arrays of as many axes: that of `fftconvolve`."""
    return fftconvolve(in1, in2, mode, axes)


__getattr__, __dir__ = reader("signal", [*globals()])
