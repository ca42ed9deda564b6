"""Incomplete gamma and beta functions by their shape: derivatives of every order, by quadrature.

With f = exp(L) the density of the distribution, the derivatives of its share below x by a shape a are
integrals of f B over what lies below, B = 1, L', L'^2 + L'', ... (Bell's polynomials of the derivatives of
L by a). As the whole integral is 0, that over what lies above is its opposite: the side is taken on which L'
keeps its sign, so that nothing cancels. SciPy's share times the quotient of two sums over the same points, of
f B and of f, is the result.

The points are Gauss and Legendre's in u = log(x), or log(x / (1 - x)), where f has no singular ends: seven
pieces from x to where f has fallen by exp(-45). Beside mpmath, for shapes from 1e-3 to 1e4, first derivatives
keep 11 digits and second ones 10, but near their zeros (tests/ops/test_incomplete.py).
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.batch import by_entries
from clearprop.define import define
from clearprop.facts import Facts
from clearprop.ops.special import times
from clearprop.registry import ops

_NOTHING_LEFT = 45.0  # exp(-45) is below what float64 keeps of 1
_FAR = 1e100
_BLOCK = 2048  # entries at a time: their points take 1.5 MB
_BERNOULLI = (
    -1 / 12,
    1 / 120,
    -1 / 252,
    1 / 240,
    -1 / 132,
    691 / 32760,
    -1 / 12,
)  # digamma's series at infinity
_FAR_ENOUGH = 12  # where that series has all digits


def _special() -> Any:
    return importlib.import_module("scipy.special")


def _of(name: str, *xs: Any, **attrs: Any) -> Any:
    return ops[name](*xs, **attrs)


def _as_it_is(*xs: Any, **attrs: Any) -> Any:
    raise TypeError("a quadrature is a call")


# --- Bell's polynomials -------------------------------------------------------------------------------------
def bell(slopes: list[Any]) -> Any:
    """Return f^(m) / f from the first m derivatives of log f.

    >>> bell([2.0, 3.0])  # f'' / f = c1^2 + c2
    7.0
    """
    return mixed_bell((len(slopes), 0), lambda i, j: slopes[i - 1])


def mixed_bell(order: tuple[int, int], slope: Callable[[int, int], Any]) -> Any:
    """Return the derivative of f by a (order[0] times) and b, over f; `slope(i, j)` are those of log f."""

    @functools.cache
    def of(m: int, n: int) -> Any:
        if m == n == 0:
            return 1.0
        if m == 0:
            return sum(math.comb(n - 1, j) * of(0, n - 1 - j) * slope(0, j + 1) for j in range(n))
        return sum(
            math.comb(m - 1, i) * math.comb(n, j) * of(m - 1 - i, n - j) * slope(i + 1, j)
            for i in range(m)
            for j in range(n + 1)
        )

    return of(*order)


# --- quadrature ---------------------------------------------------------------------------------------------
@functools.cache
def _points() -> tuple[Any, Any]:
    places, weights = np.polynomial.legendre.leggauss(20)
    return (places + 1)[:, None] / 2, weights[:, None] / 2


def _mean(fall: Callable[[Any], Any], curve: Callable[[Any], Any], edges: list[Any]) -> Any:
    """Return the mean of `curve(s)` with weights exp(-fall(s)), s from edges[0] to edges[-1]."""
    places, weights = _points()
    pieces = list(itertools.pairwise(edges))
    s = np.concatenate([low + (high - low) * places for low, high in pieces])
    w = np.concatenate([(high - low) * weights for low, high in pieces]) * np.exp(-fall(s))
    return np.sum(w * curve(s), axis=0) / np.sum(w, axis=0)


def _reach(fall: Callable[[Any], Any], slope: Callable[[Any], Any], far: Any) -> Any:
    """Return where the convex `fall` is 45, from a place beyond it, by Newton's steps."""
    for _ in range(60):
        nearer = far - (fall(far) - _NOTHING_LEFT) / slope(far)
        if np.all(np.abs(nearer - far) <= 1e-3 * far):
            return nearer
        far = nearer
    return far


def _edges(bend: Any, end: Any) -> list[Any]:
    """Return the ends of seven pieces: f is a power to within 1e-16, bends, and is one again after that."""
    bend = np.clip(bend, 0, end)
    after = [bend + np.minimum(c, k * (end - bend) / 5) for k, c in enumerate((4, 9, 15, 37), start=1)]
    return [0 * end, np.maximum(bend - 31, 0), bend, *after, end]


def _by_blocks(of: Callable[..., Any], *xs: Any) -> Any:
    """Return `of(*xs)` for vectors of any length, some entries at a time."""
    z = np.empty_like(xs[0])
    for i in range(0, z.size, _BLOCK):
        z[i : i + _BLOCK] = of(*(x[i : i + _BLOCK] for x in xs))
    return z


def _inside(of: Callable[..., Any], xs: tuple[Any, ...], inside: Any, outside: Any) -> Any:
    """Return `of` of all entries that are `inside`, `outside` elsewhere, in the dtype of the inputs."""
    kind = np.result_type(*[np.asarray(x).dtype for x in xs], np.float32)
    z = np.where(outside, np.nan, 0.0)
    every = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in xs))
    with np.errstate(all="ignore"):  # of both sides one is taken
        z[inside] = _by_blocks(of, *(x[inside] for x in every))
    return z.astype(kind)[()]


# --- gamma --------------------------------------------------------------------------------------------------
def _gamma_share(a: Any, x: Any, order: int) -> Any:
    start, side = np.log(x), np.where(np.log(x) < _special().digamma(a), -1.0, 1.0)
    up = side > 0

    def fall(s: Any) -> Any:
        return x * np.expm1(side * s) - side * a * s

    def curve(s: Any) -> Any:  # 1 / gamma(a) is a / gamma(a + 1): no poles, and the a by Leibniz' rule
        slopes = [start + side * s - psi, *rest]
        return bell(slopes) + order / a * bell(slopes[:-1])

    psi, rest = _special().digamma(a + 1), [-_special().polygamma(j, a + 1) for j in range(1, order)]
    above = np.where(x < 10, np.log1p(200 / x), np.sqrt(120 / x))
    end = _reach(fall, lambda s: side * (x * np.exp(side * s) - a), np.where(up, above, (45 + x) / a))
    share = np.where(up, -_special().gammaincc(a, x), _special().gammainc(a, x))
    return share * _mean(fall, curve, _edges(np.where(up, -start - 6, 0.0), end))


def _polygamma(j: int, z: Any) -> Any:
    """The derivatives of digamma, with gradients."""
    return _of("zeta", np.float64(j + 1), z) * (-1) ** (j + 1) * math.factorial(j) if j else _of("digamma", z)


def _gamma_slope(a: Any, x: Any, order: int) -> Any:
    """The derivatives of the density by a, with gradients."""
    rest = [-_polygamma(j, a) for j in range(1, order)]
    return times(gamma_density(a, x), bell([np.log(x) - _polygamma(0, a), *rest]))


# --- beta ---------------------------------------------------------------------------------------------------
def _rise(j: int, a: Any, b: Any) -> Any:
    """polygamma(j, a + b) - polygamma(j, a), also where b is small beside a."""

    def powers(z: Any, p: int) -> Any:
        return z ** float(-p) * np.expm1(-p * np.log1p(b / z))

    far, sign = a + _FAR_ENOUGH, (-1) ** j
    total = np.log1p(b / far) if j == 0 else -sign * math.factorial(j - 1) * powers(far, j)
    for p, c in ((1, -0.5), *zip(range(2, 15, 2), _BERNOULLI, strict=True)):
        total = total + sign * c * math.perm(p + j - 1, j) * powers(far, p + j)
    for k in range(_FAR_ENOUGH):
        total = total - sign * math.factorial(j) * powers(a + k, j + 1)
    return total


def _beta_falls(x: Any, y: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return by how much log(t) and log(1 - t) fall from t = x (1 - t = y) on the way down."""

    def falls(s: Any) -> tuple[Any, Any]:
        near, small = s < 1, np.minimum(s, 1)
        other = np.where(near, np.log1p(x * np.expm1(-small)), np.log(y + x * np.exp(-s)))
        return np.where(near, np.log1p(y * np.expm1(small)), s + other), other

    return falls


def _beta_constants(a: Any, b: Any, top: int) -> dict[tuple[int, int], Any]:
    """Return the derivatives of -log(beta(a, b)), up to `top` times by each."""
    orders = range(1, top + 1)
    found = {(i, j): _special().polygamma(i + j - 1, a + b) for i in orders for j in orders}
    found |= {(i, 0): _rise(i - 1, a, b) for i in orders} | {(0, i): _rise(i - 1, b, a) for i in orders}
    return found


def _part(a: Any, b: Any, x: Any, y: Any, above: Any) -> Any:
    """Return the share below x, or where `above` what is left, from the smaller one of x and y = 1 - x."""
    of, straight = _special(), x < y
    low, high = np.where(straight, a, b), np.where(straight, b, a)
    at = np.where(straight, x, y)
    return np.where(straight == above, of.betaincc(low, high, at), of.betainc(low, high, at))


def _beta_integral(a: Any, b: Any, x: Any, y: Any, curve: Callable[[Any, Any], Any]) -> Any:
    """Return the integral below x of the beta density times `curve(log(t), log(1 - t))`, 0 in all."""
    up = np.log(x) - np.log(y) >= _special().digamma(a) - _special().digamma(b)
    share = np.where(up, -1.0, 1.0) * _part(a, b, x, y, up)
    a, b = np.where(up, b, a), np.where(up, a, b)  # above x is below 1 - x of the other one
    x, y = np.where(up, y, x), np.where(up, x, y)
    log_x, log_y = (np.where(v > 0.5, np.log1p(-w), np.log(v)) for v, w in ((x, y), (y, x)))
    start, falls = log_x - log_y, _beta_falls(x, y)

    def fall(s: Any) -> Any:
        one, other = falls(s)
        return a * one + b * other

    def steep(s: Any) -> Any:
        return a - (a + b) / (1 + np.exp(s - start))

    def along(s: Any) -> Any:
        one, other = falls(s)
        one, other = log_x - one, log_y - other
        return curve(np.where(up, other, one), np.where(up, one, other))

    end = _reach(fall, steep, _NOTHING_LEFT / a + (1 + b / a) * np.logaddexp(0, start))
    return share * _mean(fall, along, _edges(start - np.log1p(a) - 6, end))


def _beta_share(a: Any, b: Any, x: Any, m: int, n: int) -> Any:
    constants = _beta_constants(a, b, max(m, n))

    def curve(one: Any, other: Any) -> Any:
        slopes = {**constants}
        slopes[1, 0], slopes[0, 1] = one + constants[1, 0], other + constants[0, 1]
        return mixed_bell((m, n), lambda i, j: slopes[i, j])

    return _beta_integral(a, b, x, 1 - x, curve)


def _beta_slope(a: Any, b: Any, x: Any, order: tuple[int, int]) -> Any:
    """The derivatives of the density by a and b, with gradients."""

    def slope(i: int, j: int) -> Any:
        whole = _polygamma(i + j - 1, a + b)
        if i and j:
            return whole
        curve = whole - _polygamma(i + j - 1, a if i else b)
        if i + j > 1:
            return curve
        return curve + (np.log(x) if i else np.log1p(-x))

    return times(beta_density(a, b, x), mixed_bell(order, slope))


def _more(order: tuple[int, int], i: int) -> tuple[int, int]:
    return order[0] + (i == 0), order[1] + (i == 1)


# --- what the tables are made of ----------------------------------------------------------------------------
def gamma_density(a: Any, x: Any) -> Any:
    """x^(a - 1) exp(-x) / gamma(a): the slope of gammainc(a, x)."""
    # a float: of short integers SciPy's gammaln is short
    return np.exp(_of("xlogy", a - 1.0, x) - x - _of("gammaln", a * 1.0))


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a - 1) (1 - x)^(b - 1) / beta(a, b): the slope of betainc(a, b, x)."""
    return np.exp(_of("xlogy", a - 1.0, x) + _of("xlog1py", b - 1.0, -x) - _of("betaln", a * 1.0, b * 1.0))


def student_density(df: Any, t: Any) -> Any:
    """The slope of stdtr(df, t)."""
    scale = _of("gammaln", (df + 1) / 2) - _of("gammaln", df / 2) - 0.5 * np.log(df * math.pi)
    return np.exp(scale - (df + 1) / 2 * np.log1p(t * t / df))


def gamma_by_shape(a: Any, x: Any) -> Any:
    """The derivative of gammainc(a, x) by a."""
    return _of("gammainc_by_shape", a, x)


def beta_by_shape(i: int, a: Any, b: Any, x: Any, rest: Any = None) -> Any:
    """The derivative of betainc(a, b, x) by a (i is 0) or b, from x or, where that is exact, from 1 - x."""
    order = (1 - i, i)
    straight = _of("betainc_by_shape", a, b, x, order=order)
    if rest is None:
        return straight
    return np.where(x < rest, straight, -_of("betainc_by_shape", b, a, rest, order=order[::-1]))


def _student_slopes(df: Any, both: Any, log_w: Any, order: int, rise: Callable[[int], Any]) -> list[Any]:
    """The derivatives of the logarithm of Student's density by its degrees, at one place t.

    It is gammaln((df + 1) / 2) - gammaln(df / 2) + df log(df) / 2 - (df + 1) log(both) / 2 and a constant,
    with both = df + t^2 and log_w = log(df / both); `rise(j)` is what polygamma(j) gains from df / 2 on.
    """
    slopes = [0.5 * (rise(0) + log_w + 1 - (df + 1) / both)]
    for j in range(2, order + 1):
        sign, size = (-1) ** j, math.factorial(j - 2)
        one = rise(j - 1) / 2.0**j + 0.5 * sign * size * df ** (1.0 - j)
        slopes.append(one + 0.5 * sign * size * ((df + 1) * (j - 1) / both - j) * both ** (1.0 - j))
    return slopes


def _student_slope(df: Any, t: Any, order: int) -> Any:
    """The derivatives of Student's density by its degrees, with gradients."""
    both = df + t * t
    rise = lambda j: _polygamma(j, df * 0.5 + 0.5) - _polygamma(j, df * 0.5)  # noqa: E731
    return times(student_density(df, t), bell(_student_slopes(df, both, -np.log1p(t * t / df), order, rise)))


def _student_share(df: Any, t: Any, order: int) -> Any:
    """Half the share below df / (df + t^2) of the beta distribution of df / 2 and 1 / 2, signed."""
    half, root, both = df / 2, np.full_like(df, 0.5), df + t * t
    rises = [_rise(j, half, root) for j in range(order)]

    def curve(one: Any, other: Any) -> Any:
        return bell(_student_slopes(df, df * np.exp(-one), one, order, lambda j: rises[j]))

    return -0.5 * np.sign(t) * _beta_integral(half, root, df / both, t * t / both, curve)


def _student_tail(df: Any, t: Any, order: int) -> Any:
    """The same for every t: beyond 1e100, where df / (df + t^2) is no float, tails fall like |t|^-df."""
    if not np.any(np.abs(t) > _FAR):
        return _student_share(df, t, order)
    near = np.clip(t, -_FAR, _FAR)
    further = np.log(np.abs(t)) - np.log(np.abs(near))
    parts = [-np.sign(t) * _special().stdtr(df, -np.abs(near))]
    parts += [_student_share(df, near, k) for k in range(1, order + 1)]
    total = sum(math.comb(order, k) * (-further) ** (order - k) * part for k, part in enumerate(parts))
    return total * np.exp(-df * further)


def _student_by_degrees(df: Any, t: Any) -> Any:
    return _of("stdtr_by_degrees", df, t)


GAMMA = gamma_by_shape, gamma_density
BETA = functools.partial(beta_by_shape, 0), functools.partial(beta_by_shape, 1), beta_density
STUDENT = _student_by_degrees, student_density


def rises(slopes: tuple[Any, ...]) -> list[Any]:
    """Return the local derivatives of a share of which these are the slopes by each argument."""
    return [lambda z, *xs, slope=slope: slope(*xs) for slope in slopes]


def falls(slopes: tuple[Any, ...]) -> list[Any]:
    """Return those of the rest, 1 less the share."""
    return [lambda z, *xs, slope=slope: -slope(*xs) for slope in slopes]


def solves(slopes: tuple[Any, ...], at: int, sign: int = 1, low: float = -math.inf) -> list[Any]:
    """Return those of the argument `at` for which the share is given in its place, or (sign -1) the rest.

    SciPy answers `low` where the argument would be below it.
    """

    def by(i: int) -> Any:
        def derivative(z: Any, *xs: Any) -> Any:
            args = (*xs[:at], z, *xs[at + 1 :])
            steep = slopes[at](*args)
            if i == at:
                return np.where(z == low, 0, sign / steep)
            change = slopes[i](*args)
            ends = ~((steep != 0) & (np.absolute(steep) < np.inf))  # where the share is 0 or 1, and flat
            still = ((change == 0) & ends) | (z == low)
            return -np.where(still, 0, change / np.where(still, 1, steep))

        return derivative

    return [by(i) for i in range(len(slopes))]


# --- the ops ------------------------------------------------------------------------------------------------
_FACTS = Facts(kinks=False, lower=_as_it_is)
_A, _B, _X = np.array([0.4, 1.3, 4.0]), np.array([2.2, 0.7, 3.0]), np.array([[0.3], [0.6]])

if importlib.util.find_spec("scipy") is not None:

    @define(
        "gammainc_by_shape",
        "opaque",
        lambda g, z, a, x, order: g * ops["gammainc_by_shape"](a, x, order=order + 1),
        lambda g, z, a, x, order: g * _gamma_slope(a, x, order),
        facts=_FACTS,
        examples=(((_A, 4 * _X), {}), ((_A, 4 * _X), {"order": 2})),
    )
    def gammainc_by_shape(a: Any, x: Any, *, order: int = 1) -> Any:
        """The derivative of gammainc(a, x) by a, `order` times.

        >>> gammainc_by_shape(1.0, 1.0).round(12)
        np.float64(-0.431729710635)
        """
        shape, place = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
        inside = (shape >= 0) & (place > 0) & np.isfinite(shape) & np.isfinite(place)
        known = (shape >= 0) & (place >= 0)
        of = lambda a, x: _gamma_share(np.maximum(a, 1e-290), x, order)  # noqa: E731
        return _inside(of, (a, x), inside, ~known)

    @define(
        "betainc_by_shape",
        "opaque",
        lambda g, z, a, b, x, order: g * ops["betainc_by_shape"](a, b, x, order=_more(order, 0)),
        lambda g, z, a, b, x, order: g * ops["betainc_by_shape"](a, b, x, order=_more(order, 1)),
        lambda g, z, a, b, x, order: g * _beta_slope(a, b, x, order),
        facts=_FACTS,
        examples=(((_A, _B, _X), {}), ((_A, _B, _X), {"order": (0, 1)}), ((_A, _B, _X), {"order": (1, 1)})),
    )
    def betainc_by_shape(a: Any, b: Any, x: Any, *, order: tuple[int, int] = (1, 0)) -> Any:
        """The derivative of betainc(a, b, x) by a and b, `order` times each.

        >>> betainc_by_shape(1.0, 1.0, 0.5).round(12)  # of x^a: x log(x)
        np.float64(-0.34657359028)
        """
        one, two, place = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (a, b, x)))
        known = (one > 0) & (two > 0) & (place >= 0) & (place <= 1)
        inside = known & (place > 0) & (place < 1) & np.isfinite(one) & np.isfinite(two)
        return _inside(lambda a, b, x: _beta_share(a, b, x, *order), (a, b, x), inside, ~known)

    @define(
        "stdtr_by_degrees",
        "opaque",
        lambda g, z, df, t, order: g * ops["stdtr_by_degrees"](df, t, order=order + 1),
        lambda g, z, df, t, order: g * _student_slope(df, t, order),
        facts=_FACTS,
        examples=(((_A + 1, 4 * _X - 2), {}), ((_A + 1, 4 * _X - 2), {"order": 2})),
    )
    def stdtr_by_degrees(df: Any, t: Any, *, order: int = 1) -> Any:
        """The derivative of stdtr(df, t) by df, `order` times.

        >>> stdtr_by_degrees(3.0, 0.0)
        np.float64(0.0)
        """
        degrees, place = np.broadcast_arrays(np.asarray(df, np.float64), np.asarray(t, np.float64))
        known = (degrees > 0) & ~np.isnan(place)
        inside = known & (place != 0) & np.isfinite(place) & np.isfinite(degrees)
        return _inside(lambda df, t: _student_tail(df, t, order), (df, t), inside, ~known)

    gammainc_by_shape.batch = betainc_by_shape.batch = stdtr_by_degrees.batch = by_entries
