"""`scipy.special`: elliptic integrals in Legendre's and Carlson's forms, Jacobi's functions, the agm.

Carlson's forms have derivatives that are Carlson's forms again, and none of them cancels; Legendre's are made of
them. [NIST Digital Library of Mathematical Functions, chapters 19 and 22]
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.ops.special import enter_scipys, enter_several, times
from clearprop.registry import ops

_POSITIVE, _SHARE, _ANY = (0.3, 3.0), (0.1, 0.9), (-2.0, 2.0)
HALVINGS = (
    17  # half of them for arguments far apart, whose ratio has its root taken; then 4 times nearer each
)


def _of(name: str, *xs: Any) -> Any:
    return ops[name](*xs)


# --- Carlson's forms ----------------------------------------------------------------------------------------
def _of_d(i: int) -> Callable[..., Any]:
    """The derivative of R_D(x, y, w) by input `i`.

    Formulas in R_D cancel where two arguments are equal, so the duplication that computes it is followed
    itself: R_D(x, y, w) = R_D((x + s)/4, (y + s)/4, (w + s)/4)/4 + 3 / (sqrt(w) (w + s)), where
    s = sqrt(x y) + sqrt(y w) + sqrt(w x); at last R_D is (mean of x, y, w, w, w)^(-3/2).
    """

    def slope(z: Any, *point: Any) -> Any:
        endless = (point[0] == np.inf) | (point[1] == np.inf) | (point[2] == np.inf)
        point = tuple(np.where(endless, 1.0, p) for p in point)
        moving: list[Any] = [1.0 if k == i else 0.0 for k in range(3)]
        total: Any = 0.0
        for turn in range(HALVINGS):
            r = [np.sqrt(p) for p in point]
            dr = [m / (2 * root) if turn or m else 0.0 for m, root in zip(moving, r, strict=True)]
            s = r[0] * r[1] + r[1] * r[2] + r[2] * r[0]
            ds = (r[1] + r[2]) * dr[0] + (r[2] + r[0]) * dr[1] + (r[0] + r[1]) * dr[2]
            far = point[2] + s
            total = total - 3 * 0.25**turn * (dr[2] * far + r[2] * (moving[2] + ds)) / (r[2] * far) ** 2
            point, moving = tuple((p + s) / 4 for p in point), [(m + ds) / 4 for m in moving]
        mean, drift = ((p[0] + p[1] + 3 * p[2]) / 5 for p in (point, moving))
        return np.where(endless, 0.0, total - 1.5 * 0.25**HALVINGS * drift * mean**-2.5)

    return slope


def _of_f(i: int) -> Callable[..., Any]:
    """R_F falls by its argument p with R_D / 6, whose last argument is p."""
    return lambda z, *xs: _of("elliprd", *_last(xs, i)) / -6


def _of_g(i: int) -> Callable[..., Any]:
    """By the largest argument: what all send, each times itself, adds up to R_G / 2, and nothing cancels."""

    def other(j: int, *xs: Any) -> Any:
        return _of("elliprf", *xs) / 4 - times(xs[j], _of("elliprd", *_last(xs, j))) / 12

    def slope(z: Any, *xs: Any) -> Any:
        x, (p, q) = xs[i], (k for k in range(3) if k != i)
        largest = (x >= xs[p]) & (x >= xs[q]) & (x > 0)
        rest = times(xs[p], other(p, *xs)) + times(xs[q], other(q, *xs))
        whole = (0.5 * z - rest) / np.where(largest, x, 1.0)
        whole = np.where(x == np.inf, 0.0, whole)
        return np.where(largest, whole, other(i, *xs))

    return slope


def _last(xs: Any, i: int) -> tuple[Any, ...]:
    return (*xs[:i], *xs[i + 1 :], xs[i])


def _of_c(i: int) -> Callable[..., Any]:
    """R_C(x, y) is R_F(x, y, y); where y < 0 it is a principal value, and x - y is not small."""

    def slope(z: Any, x: Any, y: Any) -> Any:
        there = y > 0
        near = np.where(there, y, 1.0)
        inside = _of("elliprd", near, near, x) / -6 if i == 0 else _of("elliprd", x, near, near) / -3
        apart = np.where(there, 1.0, y - x)
        beyond = z - 1 / np.sqrt(x) if i == 0 else np.sqrt(x) / y - z
        return np.where(there, inside, beyond / (2 * apart))

    return slope


def _of_j(i: int) -> Callable[..., Any]:
    """The derivative of R_J(x, y, w, p) by x, y or w: a difference, or where p is too near its middle."""

    def slope(z: Any, *xs: Any) -> Any:
        *three, p = xs
        x, others = three[i], [three[k] for k in range(3) if k != i]
        near = np.absolute(p - x) < 1e-5 * (np.absolute(p) + np.absolute(x))
        apart = np.where(near, 1.0, p - x)
        middle = np.where(near, (3 * x + 2 * p) / 5, 1.0)
        difference = (z - _of("elliprd", *others, x)) / (2 * apart)
        return np.where(near, _of_d(2)(None, *others, middle) / 3, difference)

    return slope


def _of_j_by_p(z: Any, x: Any, y: Any, w: Any, p: Any) -> Any:
    """R_J has the degree -3/2: what its arguments send, each times itself, adds up to -3/2 R_J."""
    rest = sum(times(v, _of_j(i)(z, x, y, w, p)) for i, v in enumerate((x, y, w)))
    endless = x + y + w + np.absolute(p) == np.inf
    return np.where(endless, 0.0, -(1.5 * z + rest) / np.where(endless, 1.0, p))


# --- Legendre's forms ---------------------------------------------------------------------------------------
def _turns(phi: Any) -> Any:
    """How many half turns lie nearest to the angle: what the complete integral counts."""
    return np.rint(phi / math.pi)


def _by_m(phi: Any, m: Any, kind: str) -> Any:
    """The derivative by m of F or E: sin^3 R_D / 6 over what is less than a quarter turn, and whole halves."""
    n = _turns(phi)
    rest = phi - n * math.pi
    s, c = np.sin(rest), np.cos(rest)
    within = 1 - m * s * s
    one = within * 0 + 1
    part = _of("elliprd", c * c, one, within) if kind == "F" else -_of("elliprd", c * c, within, one)
    whole = np.where(n == 0, 0.0, m)
    none, rest = np.zeros_like(whole), 1 - whole
    halves = n / 3 * (_of("elliprd", none, 1.0, rest) if kind == "F" else -_of("elliprd", none, rest, 1.0))
    return s**3 * part / 6 + np.where(n == 0, 0.0, halves)


def _delta(phi: Any, m: Any) -> Any:
    s = np.sin(phi)
    return np.sqrt(1 - m * s * s)


def _amplitude_by_m(u: Any, m: Any) -> Any:
    """F(ph, m) = u stays true while m moves."""
    return -_of("ellipj_dn", u, m) * _by_m(_of("ellipj_ph", u, m), m, "F")


def _sn(u: Any, m: Any) -> Any:
    return _of("ellipj_sn", u, m)


def _cn(u: Any, m: Any) -> Any:
    return _of("ellipj_cn", u, m)


def _dn(u: Any, m: Any) -> Any:
    return _of("ellipj_dn", u, m)


def _dn_by_m(z: Any, u: Any, m: Any) -> Any:
    sn = _sn(u, m)
    return -sn * (sn + 2 * m * _cn(u, m) * _amplitude_by_m(u, m)) / (2 * z)


# --- the arithmetic-geometric mean --------------------------------------------------------------------------
def _mean_slope(z: Any, a: Any, b: Any) -> Any:
    """agm(a, b) is pi / (2 R_F(0, a^2, b^2)) for positive numbers; it is odd, so its slope is even."""
    gone = (a == 0) | (b == 0)  # agm(a, b) is pi a / (2 log(4 a / b)) for small b
    edge = np.where(a == 0, np.where(b == 0, math.nan, math.inf), 0.0)
    edge = np.where(a == np.inf, np.where(b == np.inf, math.nan, 0.0), np.where(b == np.inf, math.inf, edge))
    gone = gone | (np.absolute(a) == np.inf) | (np.absolute(b) == np.inf)
    a, b = np.where(gone, 1.0, a), np.where(gone, 1.0, b)
    a, b = np.absolute(a), np.absolute(b)
    z = np.where(gone, 1.0, np.absolute(z))
    small, smaller = a < 1e-8 * b, b < 1e-8 * a
    apart = small | smaller
    length = math.log(4) + np.where(small, np.log(b) - np.log(a), np.log(a) - np.log(b))
    length = np.where(apart, length, 1.0)
    far = np.where(small, z / a / length, z / a * (1 - 1 / length))
    ratio = np.where(apart, 1.0, b / a)
    part = _of("elliprd", np.zeros_like(ratio), ratio * ratio, np.ones_like(ratio))
    near = (z / a) ** 2 * part * (2 / (3 * math.pi))
    return np.where(gone, edge, np.where(apart, far, near))


# fmt: off
if importlib.util.find_spec("scipy") is not None:
    _enter = enter_scipys
    _enter("elliprf",   (_POSITIVE,) * 3,    *map(_of_f, range(3)), doc="Carlson's integral of the first kind, half of that of 1 / sqrt((t + x) (t + y) (t + w))", singular=True)
    _enter("elliprd",   (_POSITIVE,) * 3,    *map(_of_d, range(3)), doc="Carlson's integral of the second kind, 3/2 of that of 1 / sqrt((t + x) (t + y) (t + w)^3)", singular=True)
    _enter("elliprg",   (_POSITIVE,) * 3,    *map(_of_g, range(3)), doc="Carlson's symmetric integral of the second kind", singular=True)
    _enter("elliprc",   (_POSITIVE,) * 2,    *map(_of_c, range(2)), doc="Carlson's degenerate integral, R_F(x, y, y)", singular=True)
    _enter("elliprj",   (_POSITIVE,) * 4,    *map(_of_j, range(3)), _of_j_by_p, doc="Carlson's integral of the third kind, for p > 0; its derivatives have 10 digits where p is within a part in 10^5 of x, y or w", singular=True)
    _enter("ellipkinc", (_ANY, _SHARE),      lambda z, phi, m: 1 / _delta(phi, m), lambda z, phi, m: _by_m(phi, m, "F"), doc="the incomplete elliptic integral of the first kind", singular=True)
    _enter("ellipeinc", (_ANY, _SHARE),      lambda z, phi, m: _delta(phi, m),     lambda z, phi, m: _by_m(phi, m, "E"), doc="the incomplete elliptic integral of the second kind", singular=True)
    _enter("ellipkm1",  _SHARE,              lambda z, p: _of("elliprd", np.zeros_like(p), 1.0, p) / -6, doc="ellipk(1 - p), exact near p = 0", singular=True)
    _enter("agm",       (_POSITIVE,) * 2,    _mean_slope, lambda z, a, b: _mean_slope(z, b, a), doc="the arithmetic-geometric mean of numbers of one sign")
    enter_several("ellipj", (_ANY, _SHARE),
        ("ellipj_sn", lambda z, u, m: _cn(u, m) * _dn(u, m),   lambda z, u, m: _cn(u, m) * _amplitude_by_m(u, m),  "Jacobi's sine of an amplitude"),
        ("ellipj_cn", lambda z, u, m: -_sn(u, m) * _dn(u, m),  lambda z, u, m: -_sn(u, m) * _amplitude_by_m(u, m), "Jacobi's cosine of an amplitude"),
        ("ellipj_dn", lambda z, u, m: -m * _sn(u, m) * _cn(u, m), _dn_by_m,                                        "Jacobi's delta of an amplitude"),
        ("ellipj_ph", lambda z, u, m: _dn(u, m),               lambda z, u, m: _amplitude_by_m(u, m),              "the amplitude, the angle whose integral of the first kind is u"))
# fmt: on
