"""The complex plane: real and imaginary parts, conjugates, angles, and who computes with complex numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import lesson
from clearprop.facts import Facts
from clearprop.op import describe
from clearprop.registry import implements, ops

_POINTS = np.array([0.3 + 0.4j, -1.2 + 0.5j, 0.7 - 2.0j])


@define(
    "mirrored",
    "opaque",
    lambda g, z, x: ops["mirrored"](g),
    facts=Facts(plane="stated"),
    examples=(((_POINTS,), {}),),
)
def mirrored(x: Any) -> Any:
    """The conjugate of complex numbers: the imaginary part turned about."""
    return np.conjugate(x)


@define(
    "real_part",
    "opaque",
    lambda g, z, x: g,
    facts=Facts(plane="stated", linear=(0,)),
    examples=(((_POINTS,), {}),),
)
def real_part(x: Any) -> Any:
    """The real part of complex numbers."""
    return x.real


@define(
    "imaginary_part",
    "opaque",
    lambda g, z, x: g * 1j,
    facts=Facts(plane="stated"),
    examples=(((_POINTS,), {}),),
)
def imaginary_part(x: Any) -> Any:
    """The imaginary part of complex numbers."""
    return x.imag


def _turning(g: Any, z: Any, x: Any) -> Any:
    """i x / |x|^2, across the direction from 0 to x; 0 at 0."""
    size = np.absolute(x)
    size = np.where(size == 0, size.dtype.type(math.inf), size)
    return g * (1j * x / size / size)  # |x|^2 would underflow


@define("argument", "opaque", _turning, facts=Facts(plane="stated"), examples=(((_POINTS,), {}),))
def argument(x: Any) -> Any:
    """The angle of complex numbers in radians, from -pi to pi; derivative 0 at 0."""
    return np.angle(x)


# --- NumPy's functions --------------------------------------------------------------------------------------
@implements(np.conjugate)
def conjugate(x: Any) -> Any:
    """Return the conjugate of complex numbers, and real ones as they are.

    >>> conjugate(np.array([1 + 2j])), conjugate(np.array([1.0]))
    (array([1.-2.j]), array([1.]))
    """
    if x.dtype.kind == "c":
        return ops["mirrored"](x)
    return x.astype(np.int8) if x.dtype.kind == "b" else +x  # as NumPy has it


def conjugated(x: Any) -> Any:
    """Return what stands on the left in a product of vectors: real numbers as they are."""
    return ops["mirrored"](x) if x.dtype.kind == "c" else x


@implements(np.real)
def real(x: Any) -> Any:
    """Return the real part: of a real Tensor a view, as NumPy does, which `x += y` takes notice of."""
    if x.dtype.kind == "c":
        return ops["real_part"](x)
    if x.ndim and x.dtype.kind != "b":
        return x[...]
    return np.transpose(x) if x.dtype.kind != "b" else x  # a number stays one


@implements(np.imag)
def imag(x: Any) -> Any:
    """Return the imaginary part: zeros for real numbers."""
    return ops["imaginary_part"](x) if x.dtype.kind == "c" else np.zeros(x.shape, x.dtype)[()]


@implements(np.real_if_close)
def real_if_close(x: Any, tol: float = 100) -> Any:
    """Return the real part where all imaginary parts are within `tol` roundings of 0, else `x`."""
    if x.dtype.kind != "c":
        return real(x)
    near = np.real_if_close(getattr(x, "value", x), tol)
    return real(x) if near.dtype.kind != "c" else x


@implements(np.angle)
def angle(x: Any, deg: bool = False) -> Any:
    """Return the angle in radians, or in degrees; of real numbers 0 or pi, without a gradient."""
    if x.dtype.kind == "c":
        return ops["argument"](x) * (180 / math.pi) if deg else ops["argument"](x)
    real = ops["detach"](x if x.dtype.kind == "f" else x.astype(np.float64))
    found = np.arctan2(real.dtype.type(0), real)  # also of -0.0, and of NaN
    return found * (180 / math.pi) if deg else found


def real_only(called: str, x: Any) -> None:
    """Complain where complex numbers are given to what is about the order of real ones.

    >>> real_only("np.sort(x)", np.array([1j]))
    Traceback (most recent call last):
        ...
    TypeError: np.sort(x): complex numbers have no order: (1,) complex128.
      Try x.real, x.imag or np.abs(x).
    """
    if getattr(getattr(x, "dtype", None), "kind", "") == "c":
        hint = "x.real, x.imag or np.abs(x)"
        raise TypeError(lesson(called, "complex numbers have no order", describe(x), hint=hint))


# --- which ops have a gradient by complex numbers -----------------------------------------------------------
ANALYTIC = """
    multiply divide power square sqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos
    arctan sinh cosh tanh arcsinh arccosh arctanh sigmoid masked_product prod cumprod matmul einsum inv
    solve det cofactor cofactor_moved inv_or_nan logabsdet
"""
LINEAR = """
    add subtract negative positive where astype sum mean cumsum getitem scatter add_at reshape ravel squeeze
    expand_dims transpose swapaxes moveaxis broadcast_to flip roll concatenate stack pad repeat windows fold
    window_sum sum_of_weights
"""
UPWARD = "absolute norm power_norm var std"  # of complex numbers, but real


def enter_plane() -> None:
    """Write into the facts of the ops above that they have a gradient by complex numbers, too."""
    for names, plane in ((ANALYTIC, "analytic"), (LINEAR, "stated"), (UPWARD, "stated")):
        for name in names.split():
            ops[name].facts = replace(ops[name].facts, plane=plane)  # type: ignore[arg-type]
