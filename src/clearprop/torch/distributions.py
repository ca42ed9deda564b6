"""`torch.distributions`: the few that policies and variational models draw from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.torch import chance
from clearprop.torch.dtypes import Size
from clearprop.torch.gradients import no_grad
from clearprop.torch.making import as_tensor
from clearprop.torch.names import FUNCTIONS
from clearprop.torch.nn import functional as F


class Distribution:
    """What distributions share: `sample` draws without a gradient."""

    batch_shape: Size = Size()

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers through which gradients pass to the parameters."""
        wanted = "has no draw that a gradient passes through"
        raise NotImplementedError(
            lesson(f"{type(self).__name__}.rsample()", wanted, hint="sample() and log_prob")
        )

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers."""
        with no_grad():
            return self.rsample(sample_shape)


class Normal(Distribution):
    """The normal distribution: log p(x) = -((x - m) / s)^2 / 2 - log s - log(2 pi) / 2.

    >>> Normal(0.0, 1.0).log_prob(as_tensor(0.0))
    tensor(-0.9189)
    """

    loc: Any
    scale: Any

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.loc, self.scale = as_tensor(loc), as_tensor(scale)
        self.batch_shape: Size = Size(np.broadcast_shapes(self.loc.shape, self.scale.shape))

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.scale

    @property
    def variance(self) -> Any:
        """Its square."""
        return self.scale**2

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw mean + scale e, with e of the standard normal distribution."""
        shape = (*sample_shape, *self.batch_shape)
        return self.loc + self.scale * chance.normal(0.0, 1.0, shape, dtype=self.loc.dtype)

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        away = (value - self.loc) / self.scale
        return -0.5 * away * away - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Any:
        """Return the share of draws that are at most `value`: (1 + erf((value - m) / (s sqrt 2))) / 2."""
        return 0.5 * (1 + FUNCTIONS["erf"]((value - self.loc) / (self.scale * math.sqrt(2))))

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below: m + s sqrt 2 erfinv(2 value - 1)."""
        return self.loc + self.scale * math.sqrt(2) * FUNCTIONS["erfinv"](2 * value - 1)

    def entropy(self) -> Any:
        """Return 1/2 + log(2 pi) / 2 + log s."""
        return self.scale.log() + 0.5 + 0.5 * math.log(2 * math.pi) + 0 * self.loc


class Categorical(Distribution):
    """Numbers of classes, with probabilities or unnormalised logarithms of them along the last axis."""

    logits: Any

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError(
                lesson("Categorical(...)", "Either `probs` or `logits` must be specified, but not both.")
            )
        self.logits = F.log_softmax(logits, dim=-1) if probs is None else (probs / probs.sum(-1, True)).log()
        self.batch_shape: Size = Size(self.logits.shape[:-1])

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.logits.exp()

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers of classes."""
        rows = self.probs.detach().reshape(-1, self.logits.shape[-1])
        count = math.prod(sample_shape)
        drawn = chance.multinomial(rows, count, True)
        return drawn.t().reshape((*sample_shape, *self.batch_shape))

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of the probability of each class named."""
        return self.logits.expand(*value.shape, -1).gather(-1, value.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Any:
        """Return minus the sum of p log p."""
        return -(self.probs * self.logits).sum(-1)


class Bernoulli(Distribution):
    """1 with probability p, else 0."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError(
                lesson("Bernoulli(...)", "Either `probs` or `logits` must be specified, but not both.")
            )
        self.probs: Any = as_tensor(probs) if logits is None else logits.sigmoid()
        self.logits: Any = FUNCTIONS["logit"](self.probs) if logits is None else logits
        self.batch_shape: Size = Size(self.probs.shape)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw zeros and ones."""
        shape = (*sample_shape, *self.batch_shape)
        return chance.bernoulli(self.probs.detach().expand(shape).contiguous())

    def log_prob(self, value: Any) -> Any:
        """Return x log p + (1 - x) log(1 - p), from the logits."""
        return -F.binary_cross_entropy_with_logits(self.logits.expand(value.shape), value, reduction="none")

    def entropy(self) -> Any:
        """Return -p log p - (1 - p) log(1 - p)."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class Uniform(Distribution):
    """Numbers in [low, high), each as likely."""

    low: Any
    high: Any

    def __init__(self, low: Any, high: Any, validate_args: Any = None) -> None:
        self.low, self.high = as_tensor(low), as_tensor(high)
        self.batch_shape: Size = Size(np.broadcast_shapes(self.low.shape, self.high.shape))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw low + u (high - low)."""
        shape = (*sample_shape, *self.batch_shape)
        drawn = FUNCTIONS["rand_like"](self.low.expand(shape))
        return self.low + drawn * (self.high - self.low)

    def log_prob(self, value: Any) -> Any:
        """Return -log(high - low) inside, minus infinity outside."""
        inside = (value >= self.low) & (value < self.high)
        return FUNCTIONS["where"](inside, -(self.high - self.low).log() + 0 * value, -math.inf)

    def entropy(self) -> Any:
        """Return log(high - low)."""
        return (self.high - self.low).log()


def kl_divergence(p: Any, q: Any) -> Any:
    """Return the mean of log p - log q under p, for two distributions of one kind."""
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = (p.scale / q.scale) ** 2
        return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return (p.probs * (p.logits - q.logits)).sum(-1)
    got = f"{type(p).__name__} and {type(q).__name__}"
    raise NotImplementedError(lesson("kl_divergence(p, q)", "knows two Normal or two Categorical", got))
