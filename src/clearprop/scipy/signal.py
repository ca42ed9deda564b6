"""`scipy.signal`: convolution of arrays of any number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.ops.shape import as_array


def _cut(called: str, z: Any, one: tuple[int, ...], two: tuple[int, ...], mode: str) -> Any:
    """Return the part of the full convolution that the mode asks for."""
    if mode == "full":
        return z
    if mode == "same":
        starts, lengths = [(m - n) // 2 for m, n in zip(z.shape, one, strict=True)], one
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
    return z[tuple(slice(i, i + n) for i, n in zip(starts, lengths, strict=True))]


def fftconvolve(in1: Any, in2: Any, mode: str = "full") -> Any:
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
        return np.zeros(0)
    shape = tuple(m + n - 1 for m, n in zip(x.shape, y.shape, strict=True))
    axes = tuple(range(x.ndim))
    z: Any
    if "c" in (x.dtype.kind, y.dtype.kind):
        z = np.fft.ifftn(np.fft.fftn(x, shape, axes) * np.fft.fftn(y, shape, axes), shape, axes)
    else:
        z = np.fft.irfftn(np.fft.rfftn(x, shape, axes) * np.fft.rfftn(y, shape, axes), shape, axes)
    return _cut("fftconvolve", z, x.shape, y.shape, mode)


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """Return the convolution of two arrays: vectors by sums of products, others by Fourier transforms.

    `method` "direct" or "fft" says which for vectors, too.

    >>> convolve(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5]), mode="same")
    array([1. , 2.5, 4. ])
    """
    x, y = as_array(in1), as_array(in2)
    if method not in ("auto", "direct", "fft"):
        raise ValueError(lesson("convolve(method=)", "is 'auto', 'direct' or 'fft'", repr(method)))
    if x.ndim == y.ndim == 1 and method != "fft" and x.size and y.size:
        return _cut("convolve", np.convolve(x, y), x.shape, y.shape, mode)
    return fftconvolve(x, y, mode)
