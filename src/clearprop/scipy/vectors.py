"""Densities of vectors, with gradients: shares, normal vectors, Student's, and counts of several kinds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.ops.random import normal
from clearprop.ops.shape import as_array, constant, known
from clearprop.registry import ops
from clearprop.scipy import sampling
from clearprop.scipy.continuous import Named, sized

_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)


def _gammaln(x: Any) -> Any:
    return ops["gammaln"](x)


def _xlogy(x: Any, y: Any) -> Any:
    return ops["xlogy"](x, y)


def _covariance(cov: Any, n: int) -> Any:
    """Return the matrix that a number or a diagonal stands for."""
    if cov.ndim < 2:
        return cov * np.eye(n) if cov.ndim == 0 else np.diag(cov)
    return cov


class Dirichlet(Named):
    """Shares that add up to 1."""

    name: str = "dirichlet"

    def pdf(self, x: Any, alpha: Any) -> Any:
        """Return the density of the shares along the first axis."""
        return np.exp(self.logpdf(x, alpha))

    def mean(self, alpha: Any) -> Any:
        """Return the mean of the shares."""
        alpha = as_array(alpha)
        return alpha / np.sum(alpha)

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """Return the log-density of the shares along the first axis, of which the last may be left out.

        Raises ValueError where shares are negative or add up to no 1, or a parameter is not above 0.

        >>> from clearprop.scipy.stats import dirichlet
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

        >>> from clearprop.scipy.stats import dirichlet
        >>> dirichlet.rvs(np.array([1.0, 2.0, 3.0]), 4).shape
        (4, 3)
        """
        alpha = as_array(alpha)
        if alpha.ndim != 1:
            raise ValueError(lesson("dirichlet.rvs(alpha)", "wants a vector", f"{alpha.shape}", at_line()))
        return sampling.shares(sized("dirichlet.rvs", size, random_state, []), alpha)


class MultivariateNormal(Named):
    """Vectors of which every weighed sum is normal."""

    name: str = "multivariate_normal"

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
        """Return the density of the vectors along the last axis."""
        return np.exp(self.logpdf(x, mean, cov))

    def entropy(self, mean: Any = None, cov: Any = 1.0) -> Any:
        """Return the mean of -logpdf."""
        cov = as_array(cov)
        n = cov.shape[0] if cov.ndim else int(np.size(0.0 if mean is None else mean))
        factor = np.linalg.cholesky(_covariance(cov, n))
        return n * (_LOG_ROOT_TWO_PI + 0.5) + np.sum(np.log(np.diagonal(factor)))

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
        """Return the log-density of the vectors along the last axis; of numbers where `mean` and `cov` are.

        Raises LinAlgError unless `cov` is positive, ValueError for vectors of another length.

        >>> from clearprop.scipy.stats import multivariate_normal
        >>> float(multivariate_normal.logpdf(np.zeros(2), np.zeros(2)).round(6))
        -1.837877
        """
        x, cov = as_array(x), as_array(cov)
        n = cov.shape[0] if cov.ndim else int(np.size(0.0 if mean is None else mean))
        cov = _covariance(cov, n)
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

        >>> from clearprop.scipy.stats import multivariate_normal
        >>> multivariate_normal.rvs(np.zeros(2), np.eye(2), 5).shape
        (5, 2)
        """
        cov = as_array(cov)
        n = cov.shape[0] if cov.ndim else int(np.size(0.0 if mean is None else mean))
        cov = _covariance(cov, n)
        shape = sized("multivariate_normal.rvs", () if size is None else size, random_state, [])
        drawn = normal((*shape, n)) @ np.swapaxes(np.linalg.cholesky(cov), 0, 1)
        return drawn if mean is None else drawn + as_array(mean)


class MultivariateT(Named):
    """Student's vectors: normal ones over the root of a mean of squares."""

    name: str = "multivariate_t"

    def logpdf(self, x: Any, loc: Any = None, shape: Any = 1.0, df: Any = 1) -> Any:
        """Return the log-density of the vectors along the last axis.

        Raises LinAlgError unless `shape` is positive, ValueError for vectors of another length.

        >>> from clearprop.scipy.stats import multivariate_t
        >>> float(multivariate_t.logpdf(np.zeros(2), np.zeros(2), np.eye(2), 3.0).round(6))
        -1.837877
        """
        x, shape, df = as_array(x), as_array(shape), as_array(df)
        n = shape.shape[0] if shape.ndim else int(np.size(0.0 if loc is None else loc))
        factor = np.linalg.cholesky(_covariance(shape, n))
        x = np.expand_dims(x, -1) if x.ndim == 0 or (n == 1 and x.ndim == 1) else x
        d = x if loc is None else x - as_array(loc)
        if d.shape[-1] != n:
            wanted = f"wants vectors of {n} entries, as many as loc and shape are of"
            raise ValueError(lesson("multivariate_t.logpdf(x)", wanted, f"{x.shape}", at_line()))
        white = np.linalg.solve(factor, np.swapaxes(d.reshape((-1, n)), 0, 1))
        squares = np.sum(white * white, axis=0).reshape(d.shape[:-1])
        endless = df == np.inf  # then it is normal
        df = np.where(endless, 1.0, df)
        size = math.lgamma(n / 2) - ops["betaln"](df / 2, n / 2 + 0.0 * df) - n / 2 * np.log(df * math.pi)
        z = size - (df + n) / 2 * np.log1p(squares / df)
        normal_z = -0.5 * squares - n * _LOG_ROOT_TWO_PI
        return np.where(endless, normal_z, z) - np.sum(np.log(np.diagonal(factor)))

    def pdf(self, x: Any, loc: Any = None, shape: Any = 1.0, df: Any = 1) -> Any:
        """Return the density of the vectors along the last axis."""
        return np.exp(self.logpdf(x, loc, shape, df))


class Multinomial(Named):
    """Counts of several kinds among n draws."""

    name: str = "multinomial"

    def logpmf(self, x: Any, n: Any, p: Any) -> Any:
        """Return the logarithm of the probability of counts along the last axis.

        The last of the shares `p` is what the others leave, as in SciPy; -inf where counts do not add up.

        >>> from clearprop.scipy.stats import multinomial
        >>> round(float(multinomial.pmf([1, 1], 2, [0.5, 0.5])), 12)
        0.5
        """
        x, n, p = np.asarray(constant(x), np.float64), np.asarray(constant(n), np.float64), as_array(p)
        rest = 1.0 - np.sum(p[..., :-1], axis=-1, keepdims=True)
        p = np.concatenate([p[..., :-1], rest], axis=-1)
        fits = np.all((x >= 0) & (x == np.floor(x)), axis=-1) & (np.sum(x, axis=-1) == n)
        counted = np.where(fits[..., None], x, 0.0)
        ways = _gammaln(n + 1.0) - np.sum(_gammaln(counted + 1.0), axis=-1)
        z = ways + np.sum(_xlogy(counted, p), axis=-1)
        valid = np.all((p >= 0) & (p <= 1), axis=-1) & (n >= 0)
        return np.where(valid, np.where(fits, z, -np.inf), np.nan)

    def pmf(self, x: Any, n: Any, p: Any) -> Any:
        """Return the probability of counts along the last axis."""
        return np.exp(self.logpmf(x, n, p))
