"""`scipy.signal`: spectra of signals by segments, analytic signals, trends and smoothing."""

from __future__ import annotations

import importlib
import itertools
import warnings
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import ops


def _scipys() -> Any:
    return importlib.import_module("scipy.signal")


def _floats(x: Any) -> Any:
    x = as_array(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


# --- segments -----------------------------------------------------------------------------------------------
def _window(window: Any, nperseg: int | None, length: int) -> tuple[Any, int]:
    """Return the window and how many samples a segment has."""
    if isinstance(window, (str, tuple)):
        n = 256 if nperseg is None else int(nperseg)
        if n > length:
            text = f"nperseg = {n} is greater than input length = {length}, using nperseg = {length}"
            warnings.warn(text, UserWarning, stacklevel=4)
            n = length
        return _scipys().get_window(window, n), n
    win = np.asarray(window, np.float64)
    if win.ndim != 1 or win.size > length or (nperseg is not None and win.size != nperseg):
        wanted = f"wants a vector of nperseg samples, and at most the signal's {length}"
        raise ValueError(lesson("a spectrum's window=", wanted, f"{win.shape}", at_line()))
    return win, win.size


def _trend(called: Any) -> Any:
    """Return the function that takes the trend from segments along the last axis."""
    if callable(called):
        return called
    return (lambda x: detrend(x, type=called)) if called else (lambda x: x)


class _Segments:
    """How a signal is cut: what SciPy's spectra have in common."""

    def __init__(
        self,
        length: int,
        real: bool,
        fs: Any,
        window: Any,
        nperseg: Any,
        noverlap: Any,
        nfft: Any,
        detrend: Any,
        return_onesided: bool,
        scaling: str,
    ) -> None:
        self.win, self.n = _window(window, nperseg, length)
        self.nfft: int = self.n if nfft is None else int(nfft)
        self.over: int = self.n // 2 if noverlap is None else int(noverlap)
        if self.nfft < self.n or self.over >= self.n:
            wanted, got = "wants noverlap < nperseg <= nfft", f"{self.over}, {self.n} and {self.nfft}"
            raise ValueError(lesson("a spectrum", wanted, got, at_line()))
        if scaling not in ("density", "spectrum"):
            wanted = "is 'density' or 'spectrum'"
            raise ValueError(lesson("a spectrum's scaling=", wanted, repr(scaling), at_line()))
        self.fs, self.trend, self.half = fs, _trend(detrend), return_onesided and real
        power = fs * np.sum(self.win**2) if scaling == "density" else np.sum(self.win) ** 2
        self.scale: float = 1.0 / float(power)
        self.starts: Any = np.arange(0, length - self.n + 1, self.n - self.over)
        frequencies = np.fft.rfftfreq if self.half else np.fft.fftfreq
        self.frequencies: Any = frequencies(self.nfft, 1 / fs)
        self.times: Any = (self.starts + self.n / 2) / fs

    def transforms(self, x: Any) -> Any:
        """Return the transform of every segment, along a last axis."""
        places = self.starts[:, None] + np.arange(self.n)
        x = self.trend(np.take(x, places, axis=-1)) * self.win.astype(np.empty(0, x.dtype).real.dtype)
        return (np.fft.rfft if self.half else np.fft.fft)(x, self.nfft)

    def product(self, x: Any, y: Any) -> Any:
        """Return the scaled products of two transforms, with what falls on negative frequencies."""
        p = np.conjugate(x) * y * self.scale
        if not self.half:
            return p
        weights = np.full(self.frequencies.size, 2.0)
        weights[0] = 1.0
        if self.nfft % 2 == 0:
            weights[-1] = 1.0
        return p * weights.astype(np.empty(0, p.dtype).real.dtype)


def _averaged(p: Any, average: str) -> Any:
    """Return the mean over segments, the last axis but one, or the median without its bias."""
    if average == "mean":
        return np.mean(p, axis=-2)
    if average != "median":
        raise ValueError(lesson("a spectrum's average=", "is 'mean' or 'median'", repr(average), at_line()))
    odd = 2 * np.arange(1, (p.shape[-2] - 1) // 2 + 1) + 1  # of that many exponential variables
    bias = 1.0 + float(np.sum(1.0 / odd - 1.0 / (odd - 1)))
    if p.dtype.kind == "c":
        return (np.median(np.real(p), axis=-2) + 1j * np.median(np.imag(p), axis=-2)) / bias
    return np.median(p, axis=-2) / bias


def csd(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Any]:
    """Return frequencies and the cross spectrum of two signals, by Welch's mean over segments.

    Raises ValueError for a window, an overlap or a scaling that SciPy refuses.

    >>> csd(np.ones(8), np.ones(8), nperseg=4, detrend=False)[1].round(3)
    array([2.667+0.j, 1.333+0.j, 0.   +0.j])
    """
    same = y is x
    x, y = (np.moveaxis(_floats(v), axis, -1) for v in (x, y))
    real = x.dtype.kind == y.dtype.kind == "f"
    length = max(x.shape[-1], y.shape[-1])
    x, y = (_padded(v, length) for v in (x, y))
    cut = _Segments(length, real, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling)
    one = cut.transforms(x)
    p = cut.product(one, one if same else cut.transforms(y))
    return cut.frequencies, np.moveaxis(_averaged(np.real(p) if same else p, average), -1, axis)


def _padded(x: Any, length: int) -> Any:
    short = length - x.shape[-1]
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, short)]) if short else x


def welch(x: Any, *args: Any, **options: Any) -> tuple[Any, Any]:
    """Return frequencies and the power spectrum of a signal: `csd` of it with itself, with its options.

    >>> welch(np.sin(np.pi / 2 * np.arange(64)), nperseg=16)[1].argmax()  # a quarter of the samples' rate
    np.int64(4)
    """
    return csd(x, x, *args, **options)


def periodogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = "boxcar",
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[Any, Any]:
    """Return frequencies and the power spectrum of a whole signal, as one segment.

    >>> periodogram(np.array([1.0, -1.0, 1.0, -1.0]))[1]
    array([0., 0., 4.])
    """
    x = np.moveaxis(_floats(x), axis, -1)
    n = x.shape[-1] if nfft is None else min(int(nfft), x.shape[-1])
    given = "boxcar" if window is None else window, n, 0, nfft, detrend, return_onesided, scaling
    frequencies, power = welch(x[..., :n], fs, *given)
    return frequencies, np.moveaxis(power, -1, axis)


def coherence(
    x: Any,
    y: Any,
    fs: Any = 1.0,
    window: Any = "hann",
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    axis: int = -1,
) -> tuple[Any, Any]:
    """Return frequencies and how far two signals go together at each: |Pxy|^2 / (Pxx Pyy), from 0 to 1."""
    more: dict[str, Any] = {"nfft": nfft, "detrend": detrend, "axis": axis}
    given = (fs, window, nperseg, noverlap)
    frequencies, one = welch(x, *given, **more)
    _, two = welch(y, *given, **more)
    _, both = csd(x, y, *given, **more)
    return frequencies, np.real(both * np.conjugate(both)) / one / two


def spectrogram(
    x: Any,
    fs: Any = 1.0,
    window: Any = ("tukey", 0.25),
    nperseg: Any = None,
    noverlap: Any = None,
    nfft: Any = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    mode: str = "psd",
) -> tuple[Any, Any, Any]:
    """Return frequencies, the middles of segments, and the power of each, frequencies before segments.

    Raises ValueError for another `mode` than "psd".
    """
    if mode != "psd":
        wanted, hint = "has gradients for 'psd'", "np.abs of np.fft.rfft of the segments"
        raise ValueError(lesson("spectrogram(mode=)", wanted, repr(mode), at_line(), hint))
    x = np.moveaxis(_floats(x), axis, -1)
    length = x.shape[-1]
    size = _window(window, nperseg, length)[1]
    over = size // 8 if noverlap is None else noverlap
    cut = _Segments(
        length,
        x.dtype.kind == "f",
        fs,
        window,
        size if nperseg is None else nperseg,
        over,
        nfft,
        detrend,
        return_onesided,
        scaling,
    )
    one = cut.transforms(x)
    power = np.swapaxes(np.real(cut.product(one, one)), -1, -2)
    return cut.frequencies, cut.times, np.moveaxis(power, -2, axis if axis >= 0 else axis - 1)


# --- along the whole signal ---------------------------------------------------------------------------------
def hilbert(x: Any, N: int | None = None, axis: int = -1) -> Any:
    """Return the analytic signal of a real one: it has no negative frequencies, and the signal as real part.

    >>> hilbert(np.cos(np.pi / 2 * np.arange(4))).imag.round(12) + 0.0  # the sine
    array([ 0.,  1.,  0., -1.])
    """
    x = _floats(x)
    if x.dtype.kind == "c":
        raise ValueError(lesson("hilbert(x)", "wants a real signal", f"{x.dtype}", at_line(), "np.real(x)"))
    n = x.shape[axis] if N is None else int(N)
    if n <= 0:
        raise ValueError(lesson("hilbert(x, N)", "wants N of 1 or more", f"{N}", at_line()))
    weights = np.zeros(n, x.dtype)
    weights[: (n + 1) // 2] = 2
    weights[0] = 1
    if n % 2 == 0:
        weights[n // 2] = 1
    shape = [1] * x.ndim
    shape[axis] = n
    return np.fft.ifft(np.fft.fft(x, n, axis) * weights.reshape(shape), axis=axis)


def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: Any = False) -> Any:
    """Return the signal without its mean (`type` "constant"), or without its line between the breaks `bp`.

    >>> detrend(np.array([1.0, 2.0, 3.0, 5.0])).round(12)
    array([ 0.2, -0.1, -0.4,  0.3])
    """
    x = np.moveaxis(_floats(data), axis, -1)
    if type in ("constant", "c"):
        z = x - np.mean(x, axis=-1, keepdims=True)
    elif type in ("linear", "l"):
        n = x.shape[-1]
        ends = np.unique(np.concatenate([[0], np.atleast_1d(bp), [n]]).astype(int))
        if ends[-1] > n or ends[0] < 0:
            raise ValueError(lesson("detrend(bp=)", f"wants breaks from 0 to {n}", f"{bp}", at_line()))
        z = np.concatenate([_without_line(x[..., i:j]) for i, j in itertools.pairwise(ends)], axis=-1)
    else:
        raise ValueError(lesson("detrend(type=)", "is 'linear' or 'constant'", repr(type), at_line()))
    return np.moveaxis(z, -1, axis)


def _without_line(x: Any) -> Any:
    n = x.shape[-1]
    if n < 2:
        return x * 0
    line = (np.arange(n) - (n - 1) / 2).astype(np.empty(0, x.dtype).real.dtype)
    line = line / np.sqrt(np.sum(line * line))
    return x - np.mean(x, axis=-1, keepdims=True) - np.sum(x * line, axis=-1, keepdims=True) * line


_EDGES: dict[str, Any] = {"mirror": "reflect", "nearest": "edge", "wrap": "wrap", "constant": "constant"}


def savgol_filter(
    x: Any,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: float = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: float = 0.0,
) -> Any:
    """Return the signal smoothed by the polynomial that fits best around each place, or its derivative there.

    Raises ValueError where the window is longer than the signal (`mode` "interp").

    >>> savgol_filter(np.arange(5.0) ** 2, 3, 2, deriv=1).round(12)
    array([0., 2., 4., 6., 8.])
    """
    x = np.moveaxis(_floats(x), axis, -1)
    weights = _scipys().savgol_coeffs(window_length, polyorder, deriv, delta, use="dot").astype(x.dtype)
    half = window_length // 2
    if mode == "interp":
        if window_length > x.shape[-1]:
            wanted = f"wants a window of at most the signal's {x.shape[-1]}"
            raise ValueError(lesson("savgol_filter(x)", wanted, f"{window_length}", at_line()))
        ends = _fit_at_ends(window_length, polyorder, deriv, delta).astype(x.dtype)
        first, last = (
            x[..., :window_length] @ ends[:, :half],
            x[..., -window_length:] @ ends[:, window_length - half :],
        )
        z = np.concatenate([first, _moving(x, weights)[..., 1 - window_length % 2 :], last], axis=-1)
    elif mode in _EDGES:
        more: dict[str, Any] = {"constant_values": cval} if mode == "constant" else {}
        wide = [(0, 0)] * (x.ndim - 1) + [(window_length - 1 - half, half)]
        z = _moving(np.pad(x, wide, _EDGES[mode], **more), weights)
    else:
        wanted = f"is 'interp' or one of {', '.join(_EDGES)}"
        raise ValueError(lesson("savgol_filter(mode=)", wanted, repr(mode), at_line()))
    return np.moveaxis(z, -1, axis)


def _moving(x: Any, weights: Any) -> Any:
    places = np.arange(x.shape[-1] - weights.size + 1)[:, None] + np.arange(weights.size)
    return np.take(x, places, axis=-1) @ weights


def _fit_at_ends(n: int, polyorder: int, deriv: int, delta: float) -> Any:
    """Return the matrix from n samples to the fitted polynomial's derivative at each of them."""
    places = np.arange(n) - (n - 1) / 2
    powers = np.arange(polyorder + 1)
    fit = np.linalg.pinv(places[:, None] ** powers)
    slopes = np.array([np.polyval(np.polyder(np.eye(polyorder + 1)[i][::-1], deriv), places) for i in powers])
    return fit.T @ slopes / delta**deriv


def lfilter_zi(b: Any, a: Any) -> Any:
    """Return the states of `lfilter` in which a constant 1 leaves it as it would after a long time.

    >>> lfilter_zi(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    array([0.5])
    """
    b, a = np.atleast_1d(_floats(b)), np.atleast_1d(_floats(a))
    n = max(b.shape[0], a.shape[0])
    b, a = _by_first(b, a, n)
    rest = b[1:] - a[1:] * b[0]
    first = np.sum(rest) / np.sum(a)
    return np.cumsum(a)[:-1] * first - np.concatenate([np.zeros(1), np.cumsum(rest)[:-1]])


def _by_first(b: Any, a: Any, n: int) -> tuple[Any, Any]:
    """Return both polynomials over the first coefficient of `a`, with n coefficients."""
    if known(a) and constant(a)[0] == 0:
        hint = "np.trim_zeros(a, 'f')"
        raise ValueError(lesson("lfilter(b, a, x)", "wants a[0] that is not 0", "0", at_line(), hint))
    return _padded(b / a[0], n), _padded(a / a[0], n)


def with_states(b: Any, a: Any, x: Any, zi: Any) -> tuple[Any, Any]:
    """Return `lfilter` along the last axis from first states on, and the last states.

    States act on the output like an input to 1 / a: they are its first samples.
    """
    n = max(b.shape[0], a.shape[0]) - 1
    if zi.shape[-1] != n:
        wanted = f"wants {n} states along the axis of the signal"
        raise ValueError(lesson("lfilter(zi=)", wanted, f"{zi.shape}", at_line()))
    b, a = _by_first(b, a, n + 1)
    zi = np.broadcast_to(zi, (*x.shape[:-1], n))
    long = x.shape[-1] + n
    still, asked = _padded(x, long), _padded(zi, long)
    y = ops["filtered"](b, a, still) + ops["filtered"](np.ones(1, a.dtype), a, asked)
    # what comes after the end, with the input at rest, is what the states would have been asked for
    after = y[..., x.shape[-1] :]
    last = [after[..., k] + sum((a[j] * after[..., k - j] for j in range(1, k + 1)), 0.0) for k in range(n)]
    states = np.stack(last, axis=-1) if n else after
    return y[..., : x.shape[-1]], states


def filtfilt(
    b: Any,
    a: Any,
    x: Any,
    axis: int = -1,
    padtype: Any = "odd",
    padlen: Any = None,
    method: str = "pad",
    irlen: Any = None,
) -> Any:
    """Return the signal filtered forwards and backwards, so that nothing is delayed.

    Raises ValueError where the signal is not longer than its padding, or for `method` "gust".
    """
    if method != "pad" or padtype not in ("odd", "even", "constant", None):
        wanted = "has gradients for method 'pad', padtype 'odd', 'even', 'constant' or None"
        raise ValueError(lesson("filtfilt(b, a, x)", wanted, f"{method!r}, {padtype!r}", at_line()))
    b, a, x = np.atleast_1d(_floats(b)), np.atleast_1d(_floats(a)), np.moveaxis(_floats(x), axis, -1)
    edge = 0 if padtype is None else 3 * max(b.shape[0], a.shape[0]) if padlen is None else int(padlen)
    if x.shape[-1] <= edge:
        wanted = f"wants a signal longer than its padding of {edge}"
        raise ValueError(lesson("filtfilt(b, a, x)", wanted, f"{x.shape[-1]}", at_line()))
    y, zi = _extended(x, edge, padtype), lfilter_zi(b, a)
    for _ in range(2):
        y = np.flip(with_states(b, a, y, zi * y[..., :1])[0], -1)
    return np.moveaxis(y[..., edge : y.shape[-1] - edge], -1, axis)


def _extended(x: Any, edge: int, kind: Any) -> Any:
    """Return the signal with `edge` samples more on both sides: turned about its end, mirrored, or it."""
    if not edge:
        return x
    left, right = np.flip(x[..., 1 : edge + 1], -1), np.flip(x[..., -edge - 1 : -1], -1)
    if kind == "odd":
        left, right = 2 * x[..., :1] - left, 2 * x[..., -1:] - right
    elif kind == "constant":
        left, right = x[..., :1] + 0 * left, x[..., -1:] + 0 * right
    return np.concatenate([left, x, right], axis=-1)
