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
from clearprop.facts import Facts, stays_a_call
from clearprop.ops.densities import (
    log_beta_of,
    log_beta_slope,
    log_gamma,
    log_gamma_slope,
    log_student_slope,
    more,
    parts_of,
)
from clearprop.ops.special import times
from clearprop.registry import ops

_NOTHING_LEFT = 45.0  # exp(-45) is below what float64 keeps of 1
_FAR = 1e100
_MANY = 100.0  # shapes from which on first-order parts are taken out by hand
_CUT_SHORT = 1e5  # shapes from which on SciPy's series for the gamma share ends after 2000 terms, too early
CLOSE = 1e-4  # to which part SciPy's searches meet the smaller share, at least
_ENDLESS = 1e150  # so many degrees change nothing that a float could hold
_BLOCK = 2048  # entries at a time: their points take 1.5 MB


def _special() -> Any:
    return importlib.import_module("scipy.special")


def _of(name: str, *xs: Any, **attrs: Any) -> Any:
    return ops[name](*xs, **attrs)


def _tail(name: str, *xs: Any, **attrs: Any) -> Any:
    """Return the logarithm of a share, whose chapter is read when it is asked for."""
    importlib.import_module("clearprop.ops.tails")
    return ops[name](*xs, **attrs)


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


def _weights(fall: Callable[[Any], Any], edges: list[Any]) -> tuple[Any, Any]:
    """Return the points s from edges[0] to edges[-1], and their weights times exp(-fall(s))."""
    places, weights = _points()
    pieces = list(itertools.pairwise(edges))
    s = np.concatenate([low + (high - low) * places for low, high in pieces])
    return s, np.concatenate([(high - low) * weights for low, high in pieces]) * np.exp(-fall(s))


def _mean(points: tuple[Any, Any], curve: Callable[[Any], Any]) -> Any:
    """Return the mean of `curve(s)` with these weights."""
    s, w = points
    return np.sum(w * curve(s), axis=0) / np.sum(w, axis=0)


def _size(up: Any, below: Any, above: Any, over: str) -> Any:
    """Return the factor of a mean: for the change of the share below, or of one side over that side."""
    if over:
        small, large = np.where(up, above, below), np.where(up, below, above)
        return np.where(up == (over == "above"), 1.0, -small / large)
    return np.where(up, -above, below)


def _reach(fall: Callable[[Any], Any], slope: Callable[[Any], Any], far: Any) -> Any:
    """Return where the convex `fall` is 45, from a place beyond it, by halves and then by Newton's steps."""
    for _ in range(60):  # where it rises like exp(s), Newton's steps are of length 1
        beyond = fall(far / 2) > _NOTHING_LEFT
        if not np.any(beyond):
            break
        far = np.where(beyond, far / 2, far)
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
def _expm1_less(t: Any) -> Any:
    """exp(t) - 1 - t, by its series near 0."""
    z: Any = 0.0
    for k in reversed(range(2, 16)):
        z = (z + 1 / math.factorial(k)) * np.where(np.abs(t) < 0.3, t, 0.0)
    return np.where(np.abs(t) < 0.3, z * t, np.expm1(t) - t)


def _gamma_points(a: Any, x: Any) -> tuple[Any, Any, tuple[Any, Any]]:
    """Return whether x is above the middle, which way log(t) moves, and the points beyond x."""
    start, up = np.log(x), np.log(x) >= _special().digamma(a)
    side = np.where(up, 1.0, -1.0)
    large = np.any(a > _MANY)

    def fall(s: Any) -> Any:
        if large:
            return x * _expm1_less(side * s) + side * (x - a) * s
        return x * np.expm1(side * s) - side * a * s

    above = np.where(x < 10, np.log1p(200 / x), np.sqrt(120 / x))
    below = np.where(a > _MANY, np.sqrt(120 / a), (45 + x) / a)
    end = _reach(fall, lambda s: side * (x * np.expm1(side * s) + (x - a)), np.where(up, above, below))
    return up, side, _weights(fall, _edges(np.where(up, -start - 6, 0.0), end))


def _gamma_share(a: Any, x: Any, order: int, over: str = "") -> Any:
    up, side, points = _gamma_points(a, x)
    psi, rest = _special().digamma(a + 1), [-_special().polygamma(j, a + 1) for j in range(1, order)]
    place = np.where(a > _MANY, log_gamma_slope(1, a, x) - 1 / a, np.log(x) - psi)

    def curve(s: Any) -> Any:  # 1 / gamma(a) is a / gamma(a + 1): no poles, and the a by Leibniz' rule
        slopes = [place + side * s, *rest]
        return bell(slopes) + order / a * bell(slopes[:-1])

    return _size(up, *gamma_shares(a, x), over) * _mean(points, curve)


def _cut_short(a: Any, x: Any) -> Any:
    """Where SciPy sums too few terms of its series for a share."""
    size = np.abs(x - a)
    return (a > _CUT_SHORT) & (size > 4 * np.sqrt(a)) & (size < 0.4 * a)


def gamma_shares(a: Any, x: Any) -> tuple[Any, Any]:
    """Return the shares below and above x: SciPy's, and where it sums too few terms the integral."""
    below, above = (np.array(of(a, x)) for of in (_special().gammainc, _special().gammaincc))
    short = _cut_short(a, x)
    if np.any(short):
        up, tail = (x > a)[short], np.exp(gamma_tail(a[short], x[short]))
        below[short], above[short] = np.where(up, 1 - tail, tail), np.where(up, tail, 1 - tail)
    return below, above


def gamma_tail(a: Any, x: Any) -> Any:
    """The logarithm of the smaller share: x f(x) times the integral over log(t) beyond x."""
    return np.log(x) + log_gamma(a, x) + np.log(np.sum(_gamma_points(a, x)[2][1], axis=0))


def _mended(z: Any, xs: tuple[Any, ...], wrong: Any, right: Callable[..., Any]) -> Any:
    """Return z with `right(*xs)` in the places that are `wrong`, in the dtype of z."""
    if not np.any(wrong):
        return z
    z = np.array(z)
    with np.errstate(all="ignore"):
        z[wrong] = _by_blocks(right, *(x[wrong] for x in xs))
    return z[()]


def _apart(parts: Callable[..., Any], xs: tuple[Any, ...]) -> list[Any]:
    """Return the parts of a call, broadcast, in float64."""
    with np.errstate(all="ignore"):
        return list(np.broadcast_arrays(*(np.asarray(v, np.float64) for v in parts(*xs))))


def whole_share(above: bool, parts: Callable[..., Any] = lambda *xs: xs) -> Callable[..., Any]:
    """Return the share of a gamma variable below or `above`, for what SciPy's has lost its digits.

    `parts` are shape and place. For a shape of 1e8 SciPy's share five deviations below the mean is 0.6 of it.
    """

    def mend(z: Any, *xs: Any) -> Any:
        a, x = _apart(parts, xs)
        return _mended(z, (a, x), _cut_short(a, x), lambda a, x: gamma_shares(a, x)[above])

    return mend


def whole_quantile(above: bool, parts: Callable[..., Any] = lambda *xs: (*xs, 1.0)) -> Callable[..., Any]:
    """Return the place with a share below or `above` it, where SciPy's stands on such a sum.

    `parts` are shape, share, and what the place counts to one.
    """

    def mend(z: Any, *xs: Any) -> Any:
        a, q, unit = _apart(parts, xs)
        below = 1 - q if above else q
        with np.errstate(all="ignore"):
            place = np.asarray(z, np.float64) / unit
            wrong = (a > _CUT_SHORT) & (below > 0) & (place < a - 3 * np.sqrt(a))
        return _mended(z, (a, below, place, unit), wrong, lambda *ys: ys[3] * _gamma_quantile(*ys[:3]))

    return mend


def whole_shape(z: Any, rate: Any, share: Any, x: Any) -> Any:
    """Return the shape with a share below rate x, where SciPy's stands on such a sum."""
    a, q, place = _apart(lambda *xs: xs, (z, share, rate * x))
    wrong = (a > _CUT_SHORT) & (q > 0) & (place < a - 3 * np.sqrt(a)) & (place > 0.6 * a)
    return _mended(z, (a, q, place), wrong, _shape_of)


def events(k: Any, m: Any) -> tuple[Any, Any]:
    """The shape and the place of a gamma variable that has a Poisson variable's share above."""
    return np.floor(k) + 1.0, m


def _gamma_quantile(a: Any, below: Any, x: Any) -> Any:
    """Return the place with the share `below`, from one nearby by Newton's steps along the logarithm."""
    for _ in range(12):
        share = gamma_tail(a, x)
        further = (np.log(below) - share) * np.exp(share - log_gamma(a, x))
        x = x + further
        if np.all(np.abs(further) <= 1e-15 * x):
            break
    return x


def _shape_of(a: Any, below: Any, x: Any) -> Any:
    """Return the shape with the share `below` the place x, in the same way."""
    for _ in range(12):
        further = (np.log(below) - gamma_tail(a, x)) / _gamma_share(a, x, 1, "below")
        a = a + further
        if np.all(np.abs(further) <= 1e-15 * a):
            break
    return a


def _gamma_slope(a: Any, x: Any, order: int) -> Any:
    """The derivatives of the density by a, over it, with gradients."""
    return bell([_of("log_gamma_density", a, x, order=j) for j in range(1, order + 1)])


# --- beta ---------------------------------------------------------------------------------------------------
def _beta_falls(x: Any, y: Any) -> Callable[[Any], tuple[Any, Any]]:
    """Return by how much log(t) and log(1 - t) fall from t = x (1 - t = y) on the way down."""

    early = x < 0.5  # the smaller of x and y has all its digits

    def falls(s: Any) -> tuple[Any, Any]:
        limit = np.where(early, 1.0, 700.0)  # up to there exp(s) is a float
        near, small, smallest = s < limit, np.minimum(s, limit), np.minimum(s, 1.0)
        first = np.log1p(y * np.expm1(small))
        start = np.where(early, np.log1p(x * np.expm1(-smallest)), first - smallest)
        far = np.where(early, np.log1p(x * np.expm1(-s)), np.log(y + x * np.exp(-s)))
        return np.where(near, first, s + far), np.where(s < 1, start, far)

    return falls


def beta_part(a: Any, b: Any, x: Any, y: Any, above: Any) -> Any:
    """Return the share below x, or where `above` what is left, from the smaller one of x and y = 1 - x."""
    of, straight = _special(), x < y
    low, high = np.where(straight, a, b), np.where(straight, b, a)
    at = np.where(straight, x, y)
    return np.where(straight == above, of.betaincc(low, high, at), of.betainc(low, high, at))


def _beta_points(a: Any, b: Any, x: Any, y: Any) -> tuple[Any, Any, tuple[Any, Any]]:
    """Return whether x is above the middle, log(t) and log(1 - t) by the points, and those beyond x."""
    up = np.log(x) - np.log(y) >= _special().digamma(a) - _special().digamma(b)
    a, b = np.where(up, b, a), np.where(up, a, b)  # above x is below 1 - x of the other one
    x, y = np.where(up, y, x), np.where(up, x, y)
    log_x, log_y = (np.where(v > 0.5, np.log1p(-w), np.log(v)) for v, w in ((x, y), (y, x)))
    start, falls = log_x - log_y, _beta_falls(x, y)

    def fall(s: Any) -> Any:
        one, other = falls(s)
        return a * one + b * other

    def steep(s: Any) -> Any:
        e = np.exp(np.minimum(s - start, 0.0))
        return np.where(s < start, (a * e - b) / (1 + e), a - (a + b) / (1 + np.exp(s - start)))

    def along(s: Any) -> Any:
        one, other = falls(s)
        one, other = log_x - one, log_y - other
        return np.where(up, other, one), np.where(up, one, other)

    end = _reach(fall, steep, _NOTHING_LEFT / a + (1 + b / a) * np.logaddexp(0, start))
    return up, along, _weights(fall, _edges(start - np.log1p(a) - 6, end))


def _beta_integral(a: Any, b: Any, x: Any, y: Any, curve: Callable[[Any, Any], Any], over: str = "") -> Any:
    """Return the integral below x of the beta density times `curve(log(t), log(1 - t))`, 0 in all."""
    up, along, points = _beta_points(a, b, x, y)
    size = _size(up, beta_part(a, b, x, y, False), beta_part(a, b, x, y, True), over)
    return size * _mean(points, lambda s: curve(*along(s)))


def beta_tail(a: Any, b: Any, x: Any, y: Any) -> Any:
    """The logarithm of the smaller share: x y f(x) times the integral over log(t / (1 - t)) beyond x."""
    density = np.where(x < y, log_beta_of(a, b, x), log_beta_of(b, a, y))
    return np.log(x) + np.log(y) + density + np.log(np.sum(_beta_points(a, b, x, y)[2][1], axis=0))


def _beta_share(a: Any, b: Any, x: Any, m: int, n: int, over: str = "") -> Any:
    slopes = {(i, j): log_beta_slope(i, j, a, b, x) for i in range(m + 1) for j in range(n + 1) if i + j}
    x_part, y_part = np.log(x), np.log1p(-x)

    def curve(one: Any, other: Any) -> Any:
        moved = {(1, 0): one - x_part, (0, 1): other - y_part}
        return mixed_bell((m, n), lambda i, j: slopes[i, j] + moved.get((i, j), 0.0))

    return _beta_integral(a, b, x, 1 - x, curve, over)


def _beta_slope(a: Any, b: Any, x: Any, order: tuple[int, int]) -> Any:
    """The derivatives of the density by a and b, over it, with gradients."""
    return mixed_bell(order, lambda i, j: _of("log_beta_density", a, b, x, order=(i, j)))


# --- what the tables are made of ----------------------------------------------------------------------------
def gamma_density(a: Any, x: Any) -> Any:
    """x^(a - 1) exp(-x) / gamma(a): the slope of gammainc(a, x)."""
    return np.exp(_of("log_gamma_density", a, x))


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """x^(a - 1) (1 - x)^(b - 1) / beta(a, b): the slope of betainc(a, b, x)."""
    return np.exp(_of("log_beta_density", a, b, x))


def student_density(df: Any, t: Any) -> Any:
    """The slope of stdtr(df, t)."""
    return np.exp(_of("log_student_density", df, t))


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


def _student_slope(df: Any, t: Any, order: int) -> Any:
    """The derivatives of Student's density by its degrees, over it, with gradients."""
    return bell([_of("log_student_density", df, t, order=j) for j in range(1, order + 1)])


def _student_share(df: Any, t: Any, order: int, over: bool = False) -> Any:
    """Half the share below df / (df + t^2) of the beta distribution of df / 2 and 1 / 2, signed."""
    half, root = df / 2, np.full_like(df, 0.5)
    w, _, v = parts_of(df, t)

    def curve(one: Any, other: Any) -> Any:
        return bell([log_student_slope(j, df, one, np.exp(other)) for j in range(1, order + 1)])

    change = -0.5 * np.sign(t) * _beta_integral(half, root, w, v, curve)
    if not over:
        return change
    below = _beta_integral(half, root, w, v, curve, "below")
    return np.where(t < 0, below, change / _special().stdtr(df, t))


def _student_tail(df: Any, t: Any, order: int, over: bool = False) -> Any:
    """The same for every t: beyond 1e100, where df / (df + t^2) is no float, tails fall like |t|^-df."""
    if not np.any(np.abs(t) > _FAR):
        return _student_share(df, t, order, over)
    near = np.clip(t, -_FAR, _FAR)
    further = np.log(np.abs(t)) - np.log(np.abs(near))
    fall = np.where(over & (t < 0), 1.0, np.exp(-df * further))
    parts = [np.where(over & (t < 0), 1.0, -np.sign(t) * _special().stdtr(df, -np.abs(near)))]
    parts += [_student_share(df, near, k, over) for k in range(1, order + 1)]
    return fall * sum(math.comb(order, k) * (-further) ** (order - k) * part for k, part in enumerate(parts))


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


def solves(
    slopes: tuple[Any, ...],
    at: int,
    sign: int = 1,
    low: float = -math.inf,
    share: str | Callable[..., Any] = "",
) -> list[Any]:
    """Return those of the argument `at` for which the share is given in its place, or (sign -1) the rest.

    SciPy answers `low` where the argument would be below it. It may answer with the end of its search where
    no argument has this share: with `share` at hand, that is seen, and there is no slope.
    """
    whole = functools.partial(_of, share) if isinstance(share, str) else share

    def found(z: Any, xs: tuple[Any, ...]) -> Any:
        """1 where the share at z is what was given, and neither 0 nor 1, which many have; NaN elsewhere."""
        if not share:
            return 1.0
        there, given = whole(*xs[:at], z, *xs[at + 1 :]), xs[at]
        least = np.minimum(given, 1.0 - given)
        good = (least > 0) & (np.absolute(there - given) <= CLOSE * least)
        return np.where(good | (z == low), 1.0, math.nan)

    def by(i: int) -> Any:
        def derivative(z: Any, *xs: Any) -> Any:
            args = (*xs[:at], z, *xs[at + 1 :])
            steep = slopes[at](*args)
            if i == at:
                return found(z, xs) * np.where(z == low, 0, sign / steep)
            change = slopes[i](*args)
            ends = ~((steep != 0) & (np.absolute(steep) < np.inf))  # where the share is 0 or 1, and flat
            still = ((change == 0) & ends) | (z == low)
            return -found(z, xs) * np.where(still, 0, change / np.where(still, 1, steep))

        return derivative

    return [by(i) for i in range(len(slopes))]


# --- the ops ------------------------------------------------------------------------------------------------
_FACTS = Facts(kinks=False, lower=stays_a_call("a quadrature is a call"))
_A, _B, _X = np.array([0.4, 1.3, 4.0]), np.array([2.2, 0.7, 3.0]), np.array([[0.3], [0.6]])
SIDES = "below", "above"


def _of_side(f: Any, z: Any, density: Any, share: Any, above: bool) -> Any:
    """The slope of z, one side's change over the side: f is the slope of the change over the density."""
    steep = np.exp(density - share)
    return (-steep if above else steep) * (f - z)


def _next_gamma(z: Any, a: Any, x: Any, order: int, over: str) -> Any:
    further = _of("gammainc_by_shape", a, x, order=order + 1, over=over)
    return further - z * _of("gammainc_by_shape", a, x, over=over) if over else further


def _turned_gamma(z: Any, a: Any, x: Any, order: int, over: str) -> Any:
    if not over:
        return _gamma_moved(a, x, order)
    f = _gamma_slope(a, x, order)
    above = over == "above"
    density, share = _of("log_gamma_density", a, x), _tail("log_gammainc", a, x, above=above)
    return _of_side(f, z, density, share, above)


def _gamma_moved(a: Any, x: Any, order: int) -> Any:
    """The derivatives of the density by a; at a = 0 it is 0, being a times one of shape 1 more over x."""
    none = a == 0
    shape = np.where(none, 1.0, a)
    density = gamma_density(shape, x)
    limit = (
        order * density / np.where(x == 0, 1.0, x) * (_gamma_slope(shape, x, order - 1) if order > 1 else 1.0)
    )
    return np.where(none & (x > 0), limit, times(density, _gamma_slope(shape, x, order)))


def _next_beta(i: int, z: Any, a: Any, b: Any, x: Any, order: tuple[int, int], over: str) -> Any:
    further = _of("betainc_by_shape", a, b, x, order=more(order, i), over=over)
    return further - z * _of("betainc_by_shape", a, b, x, order=(1 - i, i), over=over) if over else further


def _turned_beta(z: Any, a: Any, b: Any, x: Any, order: tuple[int, int], over: str) -> Any:
    if not over:
        return _beta_moved(a, b, x, order)
    f = _beta_slope(a, b, x, order)
    above = over == "above"
    density, share = _of("log_beta_density", a, b, x), _tail("log_betainc", a, b, x, above=above)
    return _of_side(f, z, density, share, above)


def _beta_moved(a: Any, b: Any, x: Any, order: tuple[int, int]) -> Any:
    """The derivatives of the density by a and b; for small a it is a (1 - x)^(b - 1) / x, and so for b."""
    first, second = (a == 0) & (order[0] > 0), (b == 0) & (order[1] > 0)
    none, inside = first | second, (x > 0) & (x < 1)
    one, two = np.where(none, 1.0, a), np.where(none, 1.0, b)
    usual = times(beta_density(one, two, x), _beta_slope(one, two, x, order))
    shape, near = np.where(first, b, a), np.where(first, x, 1.0 - x)
    place = np.where(inside, near, 0.5)
    limit = (1.0 - place) ** (shape - 1.0) / place if sum(order) == 1 else math.nan
    return np.where(none & inside, limit, usual)


def _next_student(z: Any, df: Any, t: Any, order: int, over: bool) -> Any:
    further = _of("stdtr_by_degrees", df, t, order=order + 1, over=over)
    return further - z * _of("stdtr_by_degrees", df, t, over=True) if over else further


def _turned_student(z: Any, df: Any, t: Any, order: int, over: bool) -> Any:
    f = _student_slope(df, t, order)
    if not over:
        return times(student_density(df, t), f)
    return _of_side(f, z, _of("log_student_density", df, t), _tail("log_stdtr", df, t), False)


if importlib.util.find_spec("scipy") is not None:

    @define(
        "gammainc_by_shape",
        "opaque",
        lambda g, z, a, x, **attrs: g * _next_gamma(z, a, x, **attrs),
        lambda g, z, a, x, **attrs: g * _turned_gamma(z, a, x, **attrs),
        facts=_FACTS,
        examples=tuple(((_A, 4 * _X), {"order": m, "over": over}) for m in (1, 2) for over in ("", *SIDES)),
    )
    def gammainc_by_shape(a: Any, x: Any, *, order: int = 1, over: str = "") -> Any:
        """The derivative of gammainc(a, x) by a, `order` times; or of one side over that side.

        >>> gammainc_by_shape(1.0, 1.0).round(12)
        np.float64(-0.431729710635)
        """
        shape, place = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
        inside = (shape >= 0) & (place > 0) & np.isfinite(shape) & np.isfinite(place)
        known = (shape >= 0) & (place >= 0)
        of = lambda a, x: _gamma_share(np.maximum(a, 1e-290), x, order, over)  # noqa: E731
        return _inside(of, (a, x), inside, ~known)

    @define(
        "betainc_by_shape",
        "opaque",
        lambda g, z, a, b, x, **attrs: g * _next_beta(0, z, a, b, x, **attrs),
        lambda g, z, a, b, x, **attrs: g * _next_beta(1, z, a, b, x, **attrs),
        lambda g, z, a, b, x, **attrs: g * _turned_beta(z, a, b, x, **attrs),
        facts=_FACTS,
        examples=(
            *(((_A, _B, _X), {"order": order}) for order in ((1, 0), (0, 1), (1, 1))),
            *(((_A, _B, _X), {"over": over}) for over in SIDES),
        ),
    )
    def betainc_by_shape(a: Any, b: Any, x: Any, *, order: tuple[int, int] = (1, 0), over: str = "") -> Any:
        """The derivative of betainc(a, b, x) by a and b, `order` times each; or of one side over that side.

        >>> betainc_by_shape(1.0, 1.0, 0.5).round(12)  # of x^a: x log(x)
        np.float64(-0.34657359028)
        """
        one, two, place = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (a, b, x)))
        known = (one >= 0) & (two >= 0) & (one + two > 0) & (place >= 0) & (place <= 1)
        moves = ((one > 0) | (order[0] > 0)) & ((two > 0) | (order[1] > 0))  # all lies at an end, and stays
        inside = known & moves & (place > 0) & (place < 1) & np.isfinite(one) & np.isfinite(two)
        least: Any = lambda v: np.where(v > 0, v, 1e-300)  # noqa: E731
        of = lambda a, b, x: _beta_share(least(a), least(b), x, *order, over)  # noqa: E731
        return _inside(of, (a, b, x), inside, ~known)

    @define(
        "stdtr_by_degrees",
        "opaque",
        lambda g, z, df, t, **attrs: g * _next_student(z, df, t, **attrs),
        lambda g, z, df, t, **attrs: g * _turned_student(z, df, t, **attrs),
        facts=_FACTS,
        examples=tuple(
            ((_A + 1, 4 * _X - 2), {"order": m, "over": over}) for m in (1, 2) for over in (False, True)
        ),
    )
    def stdtr_by_degrees(df: Any, t: Any, *, order: int = 1, over: bool = False) -> Any:
        """The derivative of stdtr(df, t) by df, `order` times, or `over` stdtr(df, t).

        >>> stdtr_by_degrees(3.0, 0.0)
        np.float64(0.0)
        """
        degrees, place = np.broadcast_arrays(np.asarray(df, np.float64), np.asarray(t, np.float64))
        known = (degrees > 0) & ~np.isnan(place)
        inside = known & (place != 0) & np.isfinite(place) & (degrees < _ENDLESS)
        return _inside(lambda df, t: _student_tail(df, t, order, over), (df, t), inside, ~known)

    gammainc_by_shape.batch = betainc_by_shape.batch = stdtr_by_degrees.batch = by_entries
