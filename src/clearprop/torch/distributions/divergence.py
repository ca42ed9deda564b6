"""`kl_divergence(p, q)`: the mean of log p - log q under p, by a table of formulas for pairs of kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from clearprop.errors import lesson
from clearprop.torch.distributions import continuous as c
from clearprop.torch.distributions import discrete as d
from clearprop.torch.distributions import several as s
from clearprop.torch.names import FUNCTIONS
from clearprop.torch.nn import functional as F

Formula = Callable[[Any, Any], Any]
_ln_gamma: Any = FUNCTIONS["lgamma"]
_digamma: Any = FUNCTIONS["digamma"]


def _normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


def _half_normal(p: Any, q: Any) -> Any:
    return _normal(p.both, q.both)


def _categorical(p: Any, q: Any) -> Any:
    never, where = p.probs == 0, FUNCTIONS["where"]
    terms = p.probs * (where(never, 0.0, p.logits) - where(never, 0.0, q.logits))
    return where(~never & (q.probs == 0), math.inf, terms).sum(-1)


def _bernoulli(p: Any, q: Any) -> Any:
    other = F.softplus(-q.logits) - F.softplus(-p.logits), F.softplus(q.logits) - F.softplus(p.logits)
    impossible = ((p.probs > 0) & (q.probs == 0)) | ((p.probs < 1) & (q.probs == 1))
    return FUNCTIONS["where"](impossible, math.inf, p.probs * other[0] + (1 - p.probs) * other[1])


def _binomial(p: Any, q: Any) -> Any:
    if bool((p.total_count != q.total_count).any()):
        raise NotImplementedError(lesson("kl_divergence(Binomial, Binomial)", "wants one total_count"))
    return p.total_count * _bernoulli(p, q)


def _beta(p: Any, q: Any) -> Any:
    a, b = p.concentration1, p.concentration0
    more = (a - q.concentration1) * _digamma(a) + (b - q.concentration0) * _digamma(b)
    return q.log_beta() - p.log_beta() + more + (q.total - p.total) * _digamma(p.total)


def _gamma(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    first = b * (p.rate / q.rate).log() + _ln_gamma(b) - _ln_gamma(a)
    return first + (a - b) * _digamma(a) + (q.rate - p.rate) * (a / p.rate)


def _dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    whole = _ln_gamma(a.sum(-1)) - _ln_gamma(b.sum(-1)) - (_ln_gamma(a) - _ln_gamma(b)).sum(-1)
    return whole + ((a - b) * (_digamma(a) - _digamma(a.sum(-1, True)))).sum(-1)


def _exponential(p: Any, q: Any) -> Any:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


def _laplace(p: Any, q: Any) -> Any:
    ratio, far = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + far / q.scale + ratio * (-far / p.scale).exp() - 1


def _cauchy(p: Any, q: Any) -> Any:
    return (((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) / (4 * p.scale * q.scale)).log()


def _gumbel(p: Any, q: Any) -> Any:
    ratio, away = p.scale / q.scale, (p.loc - q.loc) / q.scale
    return -ratio.log() + away + ratio * c.EULER + (_ln_gamma(1 + ratio) - away).exp() - 1 - c.EULER


def _poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


def _geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


def _uniform(p: Any, q: Any) -> Any:
    outside = (q.low > p.low) | (q.high < p.high)
    return FUNCTIONS["where"](outside, math.inf, (q.width / p.width).log())


def _several(p: Any, q: Any) -> Any:
    e = s._linalg("solve_triangular", q.scale_tril, p.scale_tril, upper=False)
    away = s._linalg("solve_triangular", q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False)
    squares = (e**2).sum((-2, -1)) + (away**2).sum((-2, -1))
    return q.half_log_det() - p.half_log_det() + 0.5 * (squares - p.event_shape[0])


def _independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(lesson("kl_divergence(Independent, Independent)", "wants events alike"))
    return p._added(kl_divergence(p.base_dist, q.base_dist))


_FORMULAS: dict[tuple[type[Any], type[Any]], Formula] = {
    (kind, kind): f
    for kind, f in {
        c.Normal: _normal, c.LogNormal: _normal, c.HalfNormal: _half_normal, c.Beta: _beta, c.Gamma: _gamma,
        c.Cauchy: _cauchy, c.Gumbel: _gumbel, c.Dirichlet: _dirichlet, c.Exponential: _exponential,
        c.Laplace: _laplace, c.Uniform: _uniform, d.Categorical: _categorical, d.Bernoulli: _bernoulli,
        d.OneHotCategorical: _categorical, d.Binomial: _binomial, d.Poisson: _poisson,
        d.Geometric: _geometric, s.MultivariateNormal: _several, s.Independent: _independent,
    }.items()
}  # fmt: skip


def register_kl(type_p: type[Any], type_q: type[Any]) -> Callable[[Formula], Formula]:
    """Enter a formula for two kinds: a decorator of `f(p, q)`."""

    def enter(f: Formula) -> Formula:
        _FORMULAS[type_p, type_q] = f
        return f

    return enter


def kl_divergence(p: Any, q: Any) -> Any:
    """Return the mean of log p - log q under p; NotImplementedError for kinds without a formula.

    >>> from clearprop.torch.distributions import Normal
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    unlike = any(isinstance(p, kind) != isinstance(q, kind) for kind in (c.LogNormal, d.OneHotCategorical))
    for of_p in () if unlike and (type(p), type(q)) not in _FORMULAS else type(p).__mro__:
        for of_q in type(q).__mro__:
            if (of_p, of_q) in _FORMULAS:
                return _FORMULAS[of_p, of_q](p, q)
    known = ", ".join(sorted({a.__name__ for a, _ in _FORMULAS}))
    got = f"{type(p).__name__} and {type(q).__name__}"
    hint = "p.log_prob(x) - q.log_prob(x), averaged over x = p.rsample((1000,))"
    raise NotImplementedError(lesson("kl_divergence(p, q)", f"knows two of a kind: {known}", got, hint=hint))
