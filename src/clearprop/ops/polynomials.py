"""Polynomials from their roots, their roots, their quotients, and fits of them; the highest power first."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts
from clearprop.modes import mode
from clearprop.op import describe
from clearprop.ops.decomposition import eigenvalues_of_any
from clearprop.ops.series import polyder, polyval, vander
from clearprop.ops.shape import as_array, constant
from clearprop.registry import implements, ops
from clearprop.tensor import Tensor

_CUBIC = np.array([1.0, -0.4, -2.1, 0.3])


def _roots_rule(g: Any, z: Any, p: Any) -> Any:
    """p(z) = 0 stays true: dz/dp_k = -z^(n - k) / p'(z), infinite at a root that is several."""
    return -((g / polyval(polyder(p), z)) @ vander(z, p.size))


@define(
    "roots", "opaque", _roots_rule, facts=Facts(kinks=False, plane="analytic"), examples=(((_CUBIC,), {}),)
)
def roots_of(p: Any) -> Any:
    """The roots of a polynomial, in the order of NumPy's; the derivative is that of the implicit function."""
    return np.roots(p)


@implements(np.roots)
def roots(p: Any) -> Any:
    """Return the roots of a polynomial, real numbers where all are.

    Whether they are real depends on the values, so a compiled step refuses.

    >>> roots(np.array([1.0, 0.0, -4.0]))
    array([-2.,  2.])
    """
    p = np.atleast_1d(as_array(p))
    if mode.recorder is not None and isinstance(p, Tensor):
        wanted = "has as many results as the values say, and real ones where all are"
        hint = "np.linalg.eigvals of the companion matrix, or the roots outside of the step"
        raise TypeError(lesson("np.roots(p)", wanted, describe(p), at_line(), hint))
    if not isinstance(p, BatchTensor):
        np.roots(getattr(p, "value", p))
    return ops["roots"](p)


@implements(np.poly)
def poly(roots: Any) -> Any:
    """Return the coefficients of the polynomial with these roots, or the characteristic one of a matrix.

    >>> poly(np.array([1.0, 2.0]))
    array([ 1., -3.,  2.])
    """
    z = np.atleast_1d(as_array(roots))
    of_real_matrix = False
    if z.ndim == 2 and z.shape[0] == z.shape[1] and z.shape[0]:
        of_real_matrix = z.dtype.kind != "c"
        z = eigenvalues_of_any(z)
    if z.ndim != 1:
        raise ValueError(lesson("np.poly(roots)", "wants a vector, or a square matrix", f"shape {z.shape}"))
    if not z.size:
        return 1.0
    if z.dtype.kind not in "fc" or z.dtype.itemsize < 4:
        z = z.astype(np.float64)
    p: Any = np.ones(1, z.dtype)
    for i in range(z.shape[0]):
        last = np.zeros(1, z.dtype)
        p = np.concatenate([p, last]) - np.concatenate([last, z[i] * p])
    if of_real_matrix:
        return np.real(p)
    if z.dtype.kind == "c":
        there = getattr(z, "value", z)
        if np.all(np.sort(there) == np.sort(there.conjugate())):
            return np.real(p)
    return p


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """Return the quotient and the remainder of two polynomials, the latter without leading zeros.

    >>> polydiv(np.array([1.0, -3.0, 2.0]), np.array([1.0, -1.0]))
    (array([ 1., -2.]), array([0.]))
    """
    u, v = np.atleast_1d(as_array(u) + 0.0), np.atleast_1d(as_array(v) + 0.0)
    n, steps, share = v.size - 1, u.size - v.size + 1, 1.0 / v[0]
    dtype = np.result_type(u.dtype, v.dtype)
    rest, quotient = u.astype(dtype), []
    for k in range(steps):
        d = share * rest[k]
        quotient.append(d)
        rest = rest - np.pad(d * v, (k, u.size - k - n - 1))
    there = constant(rest)
    start = 0
    while start < there.size - 1 and np.allclose(there[start], 0, rtol=1e-14):
        start += 1
    return (np.stack(quotient) if quotient else np.zeros(1, dtype)), rest[start:]


def _fit_arguments(x: Any, y: Any, deg: Any, w: Any) -> None:
    """Complain about what NumPy complains about."""
    for wrong, error, wanted in (
        (np.ndim(deg) != 0, TypeError, "wants one degree"),
        (np.ndim(deg) == 0 and deg < 0, ValueError, "wants a degree of 0 or more"),
        (x.ndim != 1 or not x.size, TypeError, "wants a vector x with entries"),
        (y.ndim not in (1, 2), TypeError, "wants a vector y, or a matrix of columns"),
        (x.ndim and y.ndim and x.shape[0] != y.shape[0], TypeError, "wants x and y of one length"),
        (
            w is not None and (w.ndim != 1 or w.shape[:1] != y.shape[:1]),
            TypeError,
            "wants a weight for each y",
        ),
    ):
        if wrong:
            raise error(lesson("np.polyfit(x, y, deg)", wanted, f"{x.shape}, {y.shape}, {deg}"))


@implements(np.polyfit)
def polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    """Return the coefficients of the polynomial of degree `deg` with the least sum of squares.

    Weights `w` multiply what is left of each y. With `full` also what `np.linalg.lstsq` returns beside them,
    with `cov` the covariances of the coefficients.

    >>> polyfit(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]), 1).round(12)
    array([2., 1.])
    """
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    w = None if w is None else as_array(w) + 0.0
    _fit_arguments(x, y, deg, w)
    order = int(deg) + 1
    rcond = x.shape[0] * np.finfo(x.dtype).eps if rcond is None else rcond
    left, right = vander(x, order), y
    if w is not None:
        left, right = left * w[:, None], right * (w[:, None] if y.ndim == 2 else w)
    scale = np.sqrt(np.sum(left * left, axis=0))
    c, residuals, rank, s = np.linalg.lstsq(left / scale, right, rcond)
    c = c / (scale[:, None] if c.ndim == 2 else scale)
    if not isinstance(rank, BatchTensor) and constant(rank) != order and not full:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    covariance = np.linalg.inv((left / scale).T @ (left / scale)) / np.outer(scale, scale)
    if cov != "unscaled":
        if x.shape[0] <= order:
            raise ValueError(
                lesson("np.polyfit(cov=True)", f"wants more than {order} points", f"{x.shape[0]}")
            )
        covariance = (covariance[:, :, None] if y.ndim == 2 else covariance) * (
            residuals / (x.shape[0] - order)
        )
    elif y.ndim == 2:
        covariance = covariance[:, :, None] * np.ones(1)
    return c, covariance
