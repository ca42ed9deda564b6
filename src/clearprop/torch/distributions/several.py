"""Distributions made of others: of vectors, of parts that belong together, of mixtures, and soft choices."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from clearprop.errors import lesson
from clearprop.torch import chance
from clearprop.torch.distributions.base import Check, Distribution, drawn, positive, together
from clearprop.torch.distributions.continuous import LOG_ROOT, _core
from clearprop.torch.distributions.discrete import Categorical, _Coins
from clearprop.torch.names import FUNCTIONS, PLAIN
from clearprop.torch.nn import functional as F
from clearprop.torch.tensors import Tensor


def _linalg(name: str, *args: Any, **how: Any) -> Any:
    from clearprop.torch import linalg

    return getattr(linalg, name)(*args, **how)


class MultivariateNormal(Distribution):
    """Vectors m + L e, with L the lower triangle of the covariance L L^T, given by one of three matrices.

    >>> import clearprop.torch as torch
    >>> MultivariateNormal(torch.zeros(2), torch.eye(2)).log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    has_rsample: ClassVar[bool] = True
    parameters: ClassVar[tuple[str, ...]] = ("loc", "scale_tril")
    loc: Any
    scale_tril: Any

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: Any = None,
    ) -> None:
        given = [x for x in (covariance_matrix, precision_matrix, scale_tril) if x is not None]
        if len(given) != 1:
            wanted = "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified"
            raise ValueError(lesson("MultivariateNormal(...)", wanted, f"{len(given)}"))
        if scale_tril is None:
            matrix = covariance_matrix if precision_matrix is None else _linalg("inv", precision_matrix)
            scale_tril = self._root(matrix)
        shape = PLAIN["broadcast_tensors"](loc, scale_tril[..., 0])[0].shape
        self.loc, self.scale_tril = loc.expand(shape), scale_tril.expand((*shape, shape[-1]))
        super().__init__(shape[:-1], shape[-1:], validate_args)

    def _root(self, matrix: Any) -> Any:
        if not bool(FUNCTIONS["isclose"](matrix, matrix.mT, atol=1e-6).all()):
            wanted = "Expected a covariance within the matrices that are symmetric and positive definite"
            raise ValueError(lesson("MultivariateNormal(...)", wanted, f"{matrix}"))
        try:
            return _linalg("cholesky", matrix)
        except RuntimeError as error:
            wanted = "Expected a covariance within the matrices that are positive definite"
            raise ValueError(lesson("MultivariateNormal(...)", wanted, f"{matrix}")) from error

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw m + L e."""
        e = drawn(chance.normal_numbers(self.shape(sample_shape)), self.loc)
        return self.loc + (self.scale_tril @ e.unsqueeze(-1)).squeeze(-1)

    def half_log_det(self) -> Any:
        """Half the logarithm of the covariance's determinant."""
        return FUNCTIONS["diagonal"](self.scale_tril, 0, -2, -1).log().sum(-1)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        away = (value - self.loc).unsqueeze(-1)
        e = _linalg("solve_triangular", self.scale_tril, away, upper=False)
        size = self.event_shape[0]
        return -0.5 * (e**2).sum((-2, -1)) - self.half_log_det() - size * LOG_ROOT

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def mode(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def covariance_matrix(self) -> Any:
        """L L^T."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return _linalg("inv", self.covariance_matrix)

    @property
    def variance(self) -> Any:
        """The covariance's diagonal."""
        return (self.scale_tril**2).sum(-1)

    def entropy(self) -> Any:
        """Return n (1 + log(2 pi)) / 2 + log det L."""
        return self.half_log_det() + self.event_shape[0] * (0.5 + LOG_ROOT)


class Independent(Distribution):
    """The last axes of a batch as one event: their logarithms are added.

    >>> import clearprop.torch as torch
    >>> from clearprop.torch.distributions import Normal
    >>> Independent(Normal(torch.zeros(2), torch.ones(2)), 1).log_prob(torch.zeros(2))
    tensor(-1.8379)
    """

    def __init__(
        self, base_distribution: Any, reinterpreted_batch_ndims: int, validate_args: Any = None
    ) -> None:
        own, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        if n > len(own):
            got = f"{n} of {len(own)} axes"
            wanted = "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape)"
            raise ValueError(lesson("Independent(base, n)", wanted, got))
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        cut = len(own) - n
        super().__init__(own[:cut], (*own[cut:], *base_distribution.event_shape), validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether gradients pass through draws."""
        return bool(self.base_dist.has_rsample)

    def _added(self, x: Any) -> Any:
        n = self.reinterpreted_batch_ndims
        return x.sum(tuple(range(-n, 0))) if n else x

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers through which gradients pass to the parameters."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Any:
        """Return the sum of the logarithms of an event."""
        return self._added(self.base_dist.log_prob(value))

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.base_dist.mean

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.base_dist.variance

    @property
    def mode(self) -> Any:
        """The most likely event."""
        return self.base_dist.mode

    def entropy(self) -> Any:
        """Return the sum of the entropies of an event."""
        return self._added(self.base_dist.entropy())

    def expand(self, batch_shape: Any) -> Any:
        """Return the same distribution so many times."""
        rest = self.base_dist.batch_shape[len(self.batch_shape) :]
        return type(self)(self.base_dist.expand((*batch_shape, *rest)), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamily(Distribution):
    """One of several distributions of a kind, along the last axis of the batch, drawn by a Categorical.

    >>> import clearprop.torch as torch
    >>> from clearprop.torch.distributions import Categorical, Normal
    >>> parts = Normal(torch.tensor([-1.0, 1.0]), 1.0)
    >>> MixtureSameFamily(Categorical(torch.tensor([0.5, 0.5])), parts).mean
    tensor(0.)
    """

    def __init__(
        self, mixture_distribution: Categorical, component_distribution: Any, validate_args: Any = None
    ) -> None:
        self.mixture_distribution = mixture_distribution
        self.component_distribution = component_distribution
        batch, event = component_distribution.batch_shape[:-1], component_distribution.event_shape
        super().__init__(batch, event, validate_args)

    def _weights(self) -> Any:
        probs = self.mixture_distribution.probs
        return probs.reshape(tuple(probs.shape) + (1,) * len(self.event_shape))

    @property
    def mean(self) -> Any:
        """The mean of the components' means."""
        return (self._weights() * self.component_distribution.mean).sum(-1 - len(self.event_shape))

    @property
    def variance(self) -> Any:
        """The mean of the variances, and the variance of the means."""
        axis = -1 - len(self.event_shape)
        own = (self._weights() * self.component_distribution.variance).sum(axis)
        away = self.component_distribution.mean - self.mean.unsqueeze(axis)
        return own + (self._weights() * away**2).sum(axis)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw a component, then from that."""
        axis = len(sample_shape) + len(self.batch_shape)
        chosen = self.mixture_distribution.sample(sample_shape)
        drawn_all = self.component_distribution.sample(sample_shape)
        index = chosen.reshape((*chosen.shape, 1, *(1,) * len(self.event_shape)))
        return drawn_all.gather(axis, index.expand((*chosen.shape, 1, *self.event_shape))).squeeze(axis)

    def cdf(self, value: Any) -> Any:
        """Return the weighted sum of the components' shares."""
        return (self.component_distribution.cdf(value.unsqueeze(-1)) * self.mixture_distribution.probs).sum(
            -1
        )

    def expand(self, batch_shape: Any) -> Any:
        """Return the same distribution so many times."""
        several = (*batch_shape, self.component_distribution.batch_shape[-1])
        weights, parts = self.mixture_distribution.expand(batch_shape), self.component_distribution
        return type(self)(weights, parts.expand(several), self.validates)

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of the weighted sum of the components' densities."""
        if self.validates:
            self.refuse_misfit(value)
        each = self.component_distribution.log_prob(value.unsqueeze(-1 - len(self.event_shape)))
        return FUNCTIONS["logsumexp"](each + self.mixture_distribution.logits, -1)


class RelaxedBernoulli(_Coins):
    """Numbers between 0 and 1, nearer to an end for lower temperatures; gradients pass through them.

    >>> import clearprop.torch as torch
    >>> RelaxedBernoulli(torch.tensor(1.0), torch.tensor(0.5)).log_prob(torch.tensor(0.5))
    tensor(0.)
    """

    has_rsample: ClassVar[bool] = True
    support: Any = staticmethod(lambda x: (x > 0) & (x < 1))

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: Any = None
    ) -> None:
        self._of(probs, logits)
        (self.temperature,) = together(temperature)
        super().__init__(self.probs.shape, (), validate_args)

    checks: ClassVar[dict[str, Check]] = {"temperature": positive}

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw sigmoid((logits + logistic noise) / temperature)."""
        u = drawn(_core().open_uniform(self.shape(sample_shape)), self.logits)
        return ((self.logits + u.log() - (-u).log1p()) / self.temperature).sigmoid()

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        log, less = value.log(), (-value).log1p()
        away = self.logits - self.temperature * (log - less)
        return self.temperature.log() + away - 2 * F.softplus(away) - log - less


class RelaxedOneHotCategorical(Distribution):
    """Shares near to one class, the nearer the lower the temperature (Gumbel-softmax).

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([0.5, 0.5])
    >>> RelaxedOneHotCategorical(torch.tensor(1.0), x).log_prob(x)
    tensor(0.)
    """

    has_rsample: ClassVar[bool] = True
    parameters: ClassVar[tuple[str, ...]] = ("probs", "logits")
    carried: ClassVar[tuple[str, ...]] = ("each",)
    checks: ClassVar[dict[str, Check]] = {"temperature": positive}

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: Any = None
    ) -> None:
        (self.temperature,) = together(temperature)
        self.each = Categorical(probs, logits, validate_args)
        self.logits, self.probs = self.each.logits, self.each.probs
        super().__init__(self.each.batch_shape, self.logits.shape[-1:], validate_args)

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-5)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw softmax((logits + Gumbel noise) / temperature)."""
        noise = drawn(_core().gumbel(self.shape(sample_shape)), self.logits)
        return F.softmax((self.logits + noise) / self.temperature, dim=-1)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        n, log = self.event_shape[0], value.log()
        score = self.logits - self.temperature * log
        score = (score - FUNCTIONS["logsumexp"](score, -1, True) - log).sum(-1)
        return score + (n - 1) * self.temperature.log() + math.lgamma(n)
