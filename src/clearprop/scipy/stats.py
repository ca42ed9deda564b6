"""`scipy.stats`: log-densities with gradients by the point and by every parameter, and samples with them too.

`norm.logpdf(x, loc, scale)`, `norm.rvs(loc, scale, size)` and their kin have SciPy's names, arguments and
order of arguments. Outside of what a distribution can give, a logarithm is -inf, and NaN where a parameter is
none, as SciPy has it. Samples are Tensors, drawn
from the state that `clearprop.manual_seed` sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.ops.random import normal
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import ops
from clearprop.scipy import sampling

_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


def _weak(x: Any) -> Any:
    return x if type(x) in (int, float) else as_array(x)


def _log(x: Any) -> Any:
    return float(np.log(x)) if type(x) in (int, float) else np.log(x)


def _positive(fits: Any, *parameters: Any) -> Any:
    """Return where, besides, all parameters are above 0."""
    for x in parameters:
        fits = fits & (x > 0)
    return fits


class Continuous:
    """A density of numbers, moved by `loc` and stretched by `scale`.

    `log_density(y, *shapes)` is that of the standard form, `inside(y)` where it has one.
    """

    name: str
    log_density: Callable[..., Any]
    inside: Callable[..., Any] | None
    log_share: Callable[..., Any] | None
    shapes: int
    safe: float
    draw: Callable[..., Any] | None

    def __init__(
        self,
        name: str,
        log_density: Callable[..., Any],
        inside: Callable[[Any], Any] | None = None,
        log_share: Callable[..., Any] | None = None,
        shapes: int = 0,
        safe: float = 0.5,
        draw: Callable[..., Any] | None = None,
    ) -> None:
        self.name, self.log_density, self.inside, self.log_share = name, log_density, inside, log_share
        self.shapes, self.safe, self.draw = shapes, safe, draw

    def _parts(self, called: str, args: Any, loc: Any, scale: Any) -> tuple[list[Any], Any, Any]:
        names, more = [as_array(a) for a in args[: self.shapes]], args[self.shapes :]
        if len(names) < self.shapes or len(more) > 2:
            wanted = f"wants {self.shapes} parameters of shape, then loc and scale"
            raise TypeError(lesson(f"{self.name}.{called}(x, ...)", wanted, f"{len(args)}"))
        return names, _weak(more[0] if more else loc), _weak(more[1] if len(more) > 1 else scale)

    def logpdf(self, x: Any, *args: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """Return the logarithm of the density at `x`.

        >>> round(float(norm.logpdf(0.0)), 6)
        -0.918939
        """
        shapes, loc, scale = self._parts("logpdf", args, loc, scale)
        y = (as_array(x) - loc) / scale
        if self.inside is None:
            return self.log_density(y, *shapes) - _log(scale)
        fits = _positive(y == y, scale, *shapes)
        there = fits & self.inside(y)
        z = self.log_density(np.where(there, y, self.safe), *shapes) - _log(scale)
        return np.where(there, z, np.where(fits, -np.inf, np.nan))

    def pdf(self, x: Any, *args: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """Return the density at `x`."""
        return np.exp(self.logpdf(x, *args, loc=loc, scale=scale))

    def rvs(
        self, *args: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None, random_state: Any = None
    ) -> Any:
        """Return random numbers that are a differentiable function of the parameters (reparametrised).

        The mean of the gradients of f(sample) is the gradient of the mean of f. `size` is the shape, without
        which it is that of the parameters. Raises TypeError where there is no such function, or for a
        `random_state`, ValueError where the parameters do not broadcast to `size`, or one is negative.

        >>> from clearprop import grad, manual_seed
        >>> manual_seed(0)
        >>> grad(lambda m: np.mean(norm.rvs(m, 2.0, size=10_000) ** 2))(3.0).round(0)  # of m^2 + 4: 2 m
        np.float64(6.0)
        """
        if self.draw is None:
            hint = f"{self.name}.logpdf, for a gradient by the density"
            raise TypeError(lesson(f"{self.name}.rvs", "has no differentiable sample", "", at_line(), hint))
        if len(args) == self.shapes + 3:
            args, size = args[:-1], args[-1]
        shapes, loc, scale = self._parts("rvs", args, loc, scale)
        shape = _size(f"{self.name}.rvs", size, random_state, [*shapes, loc, scale])
        _refuse_negative(f"{self.name}.rvs", scale, *shapes)
        return loc + scale * self.draw(shape, *shapes)

    def logcdf(self, x: Any, *args: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """Return the logarithm of the share below `x`; TypeError where it has no rule."""
        if self.log_share is None:
            raise TypeError(lesson(f"{self.name}.logcdf", "has no rule", hint=f"{self.name}.logpdf"))
        shapes, loc, scale = self._parts("logcdf", args, loc, scale)
        y = (as_array(x) - loc) / scale
        if self.inside is None:
            z = self.log_share(y, *shapes)
        else:
            below = y <= 0
            z = np.where(below, -np.inf, self.log_share(np.where(below, self.safe, y), *shapes))
        return np.where(_positive(y == y, scale, *shapes), z, np.nan)


class Discrete:
    """Probabilities of whole numbers, moved by `loc`."""

    name: str
    log_mass: Callable[..., Any]
    allowed: Callable[..., Any]
    shapes: int

    def __init__(
        self, name: str, log_mass: Callable[..., Any], allowed: Callable[..., Any], shapes: int
    ) -> None:
        self.name, self.log_mass, self.allowed, self.shapes = name, log_mass, allowed, shapes

    def logpmf(self, k: Any, *args: Any, loc: Any = 0) -> Any:
        """Return the logarithm of the probability of `k`, -inf for what is no whole number of 0 or more.

        >>> round(float(poisson.logpmf(0, 2.0)), 6)
        -2.0
        """
        shapes = [as_array(a) for a in args[: self.shapes]]
        if len(shapes) < self.shapes or len(args) > self.shapes + 1:
            wanted = f"wants {self.shapes} parameters of shape, then loc"
            raise TypeError(lesson(f"{self.name}.logpmf(k, ...)", wanted, f"{len(args)}"))
        loc = args[self.shapes] if len(args) > self.shapes else loc
        k = as_array(k) - loc
        whole = (k >= 0) & (k == np.floor(k))
        fits = (k == k) & self.allowed(*shapes)
        return np.where(fits, self.log_mass(np.where(whole, k, 0.0), whole, *shapes), np.nan)


def _gammaln(x: Any) -> Any:
    return ops["gammaln"](x)


def _xlogy(x: Any, y: Any) -> Any:
    return ops["xlogy"](x, y)


def _student(y: Any, df: Any) -> Any:
    size = _gammaln((df + 1) / 2) - _gammaln(df / 2) - 0.5 * np.log(df * math.pi)
    return size - (df + 1) / 2 * np.log1p(y * y / df)


def _beta(y: Any, a: Any, b: Any) -> Any:
    return _xlogy(a - 1.0, y) + ops["xlog1py"](b - 1.0, -y) - ops["betaln"](a, b)


def _lognormal(y: Any, s: Any) -> Any:
    return -0.5 * np.square(np.log(y) / s) - np.log(s * y) - _LOG_ROOT_TWO_PI


def _poisson(k: Any, whole: Any, mu: Any) -> Any:
    return np.where(whole, _xlogy(k, mu) - _gammaln(k + 1.0) - mu, -np.inf)


def _binomial(k: Any, whole: Any, n: Any, p: Any) -> Any:
    there = whole & (k <= n)
    k = np.where(there, k, 0.0)
    ways = _gammaln(n + 1.0) - _gammaln(k + 1.0) - _gammaln(n - k + 1.0)
    return np.where(there, ways + _xlogy(k, p) + ops["xlog1py"](n - k, -p), -np.inf)


def _negative_binomial(k: Any, whole: Any, n: Any, p: Any) -> Any:
    ways = _gammaln(n + k) - _gammaln(k + 1.0) - _gammaln(n)
    return np.where(whole, ways + n * np.log(p) + ops["xlog1py"](k, -p), -np.inf)


def _gamma(y: Any, a: Any) -> Any:
    return _xlogy(a - 1.0, y) - y - _gammaln(a)


def _refuse_negative(called: str, *parameters: Any) -> None:
    """Raise ValueError for a scale or a shape below 0, where its value is known."""
    if known(*parameters):
        for x in parameters:
            if np.any(np.less(constant(x), 0)):
                wanted = "wants a scale and shapes above 0"
                raise ValueError(lesson(called, wanted, f"{constant(x)}"[:60], at_line()))


def _size(called: str, size: Any, random_state: Any, parameters: list[Any]) -> tuple[int, ...]:
    """Return the shape of a sample."""
    if random_state is not None:
        hint = "clearprop.manual_seed(seed) before it"
        raise TypeError(lesson(called, "draws from clearprop's own state", "random_state", at_line(), hint))
    shape = np.broadcast_shapes(*[np.shape(x) for x in parameters])
    if size is None:
        return shape
    wanted = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    try:
        fits = np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        text = f"wants parameters that broadcast to size={wanted}"
        raise ValueError(lesson(called, text, f"{shape}", at_line()))
    return wanted


norm: Continuous = Continuous(
    "norm",
    lambda y: -0.5 * y * y - _LOG_ROOT_TWO_PI,
    log_share=lambda y: ops["log_ndtr"](y),
    draw=normal,
)
expon: Continuous = Continuous(
    "expon", lambda y: -y, lambda y: y >= 0, lambda y: np.log(-np.expm1(-y)), draw=sampling.exponential
)
gumbel_r: Continuous = Continuous(
    "gumbel_r", lambda y: -y - np.exp(-y), log_share=lambda y: -np.exp(-y), draw=sampling.gumbel
)
gamma: Continuous = Continuous(
    "gamma",
    _gamma,
    lambda y: y >= 0,
    lambda y, a: np.log(ops["gammainc"](a, y)),
    shapes=1,
    draw=lambda shape, a: np.exp(sampling.log_gamma(shape, a)),
)
beta: Continuous = Continuous("beta", _beta, lambda y: (y >= 0) & (y <= 1), shapes=2, draw=sampling.share)
t: Continuous = Continuous(
    "t", _student, log_share=lambda y, df: np.log(ops["stdtr"](df, y)), shapes=1, draw=sampling.student
)
lognorm: Continuous = Continuous(
    "lognorm",
    _lognormal,
    lambda y: y > 0,
    lambda y, s: ops["log_ndtr"](np.log(y) / s),
    shapes=1,
    draw=lambda shape, s: np.exp(s * normal(shape)),
)
poisson: Discrete = Discrete("poisson", _poisson, lambda mu: mu >= 0, 1)
binom: Discrete = Discrete(
    "binom", _binomial, lambda n, p: (n >= 0) & (n == np.floor(n)) & (p >= 0) & (p <= 1), 2
)
nbinom: Discrete = Discrete("nbinom", _negative_binomial, lambda n, p: (n > 0) & (p > 0) & (p <= 1), 2)


class Dirichlet:
    """Shares that add up to 1."""

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """Return the log-density of the shares along the first axis, of which the last may be left out.

        Raises ValueError where shares are negative or add up to no 1, or a parameter is not above 0.

        >>> round(float(dirichlet.logpdf(np.array([0.5, 0.5]), np.array([1.0, 1.0]))), 12)
        0.0
        """
        x, alpha = as_array(x), as_array(alpha)
        if x.ndim and x.shape[0] == alpha.shape[0] - 1:
            x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
        if alpha.ndim != 1 or x.shape[:1] != alpha.shape:
            wanted = f"wants {alpha.shape[0] if alpha.ndim else 'several'} shares, or one less"
            raise ValueError(lesson("dirichlet.logpdf(x, alpha)", wanted, f"{x.shape} and {alpha.shape}"))
        self._refuse(x, alpha)
        column = alpha.reshape((-1,) + (1,) * (x.ndim - 1))
        size = _gammaln(np.sum(alpha)) - np.sum(_gammaln(alpha))
        return size + np.sum(_xlogy(column - 1.0, x), axis=0)

    @staticmethod
    def _refuse(x: Any, alpha: Any) -> None:
        if not known(x, alpha):
            return
        values, heights = constant(x), constant(alpha)
        wanted, got = "wants shares of 0 or more that add up to 1, and parameters above 0", ""
        if not np.all(heights > 0):
            got = f"alpha={heights}"
        elif not (np.all(values >= 0) and np.all(np.abs(np.sum(values, axis=0) - 1.0) <= 1e-9)):
            got = f"shares that add up to {np.sum(values, axis=0)}"
        if got:
            raise ValueError(lesson("dirichlet.logpdf(x, alpha)", wanted, got[:80], at_line(), "x / x.sum()"))

    def rvs(self, alpha: Any, size: Any = 1, random_state: Any = None) -> Any:
        """Return shares along a last axis, behind those of `size`: a differentiable function of `alpha`.

        >>> dirichlet.rvs(np.array([1.0, 2.0, 3.0]), 4).shape
        (4, 3)
        """
        alpha = as_array(alpha)
        if alpha.ndim != 1:
            raise ValueError(lesson("dirichlet.rvs(alpha)", "wants a vector", f"{alpha.shape}", at_line()))
        return sampling.shares(_size("dirichlet.rvs", size, random_state, []), alpha)


class MultivariateNormal:
    """Vectors of which every weighed sum is normal."""

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
        """Return the log-density of the vectors along the last axis; of numbers where `mean` and `cov` are.

        Raises LinAlgError unless `cov` is positive, ValueError for vectors of another length.

        >>> float(multivariate_normal.logpdf(np.zeros(2), np.zeros(2)).round(6))
        -1.837877
        """
        x, cov = as_array(x), as_array(cov)
        n = cov.shape[0] if cov.ndim else int(np.size(0.0 if mean is None else mean))
        if cov.ndim < 2:
            cov = cov * np.eye(n) if cov.ndim == 0 else np.diag(cov)
        factor = np.linalg.cholesky(cov)
        x = np.expand_dims(x, -1) if x.ndim == 0 or (n == 1 and x.ndim == 1) else x
        d = x if mean is None else x - as_array(mean)
        if d.shape[-1] == 1 < n:
            d = d + np.zeros(n)
        if d.shape[-1] != n:
            wanted = f"wants vectors of {n} entries, as many as mean and cov are of"
            raise ValueError(lesson("multivariate_normal.logpdf(x)", wanted, f"{x.shape}", at_line()))
        white = np.linalg.solve(factor, np.swapaxes(d.reshape((-1, n)), 0, 1))
        size = n * _LOG_ROOT_TWO_PI + np.sum(np.log(np.diagonal(factor)))
        return (-0.5 * np.sum(white * white, axis=0) - size).reshape(d.shape[:-1])

    def rvs(self, mean: Any = None, cov: Any = 1.0, size: Any = None, random_state: Any = None) -> Any:
        """Return normal vectors, along a last axis behind those of `size`: differentiable by mean and `cov`.

        >>> multivariate_normal.rvs(np.zeros(2), np.eye(2), 5).shape
        (5, 2)
        """
        cov = as_array(cov)
        n = cov.shape[0] if cov.ndim else int(np.size(0.0 if mean is None else mean))
        if cov.ndim < 2:
            cov = cov * np.eye(n) if cov.ndim == 0 else np.diag(cov)
        shape = _size("multivariate_normal.rvs", () if size is None else size, random_state, [])
        drawn = normal((*shape, n)) @ np.swapaxes(np.linalg.cholesky(cov), 0, 1)
        return drawn if mean is None else drawn + as_array(mean)


dirichlet: Dirichlet = Dirichlet()
multivariate_normal: MultivariateNormal = MultivariateNormal()
