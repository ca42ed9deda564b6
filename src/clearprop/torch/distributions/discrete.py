"""Distributions of whole numbers and classes: their draws have no gradient, their logarithms do."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.torch import chance
from clearprop.torch.distributions.base import Check, Distribution, anything, count, share, together
from clearprop.torch.making import made
from clearprop.torch.names import FUNCTIONS, PLAIN
from clearprop.torch.nn import functional as F


def _one_of(called: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        wanted = "Either `probs` or `logits` must be specified, but not both."
        raise ValueError(lesson(f"{called}(...)", wanted))


def _choose(n: Any, k: Any) -> Any:
    """The logarithm of n over k."""
    ln_gamma = FUNCTIONS["lgamma"]
    return ln_gamma(n + 1) - ln_gamma(k + 1) - ln_gamma(n - k + 1)


def _numbered(d: Distribution, n: int, expand: bool) -> Any:
    """The numbers 0 to n - 1 along an axis in front of the batch's."""
    values = made(np.arange(n)).reshape(-1, *(1,) * len(d.batch_shape))
    return values.expand((-1, *d.batch_shape)) if expand else values


class _Coins(Distribution):
    """Distributions of a probability of success, or of `logits` = log(p / (1 - p))."""

    checks: ClassVar[dict[str, Check]] = {"probs": share}
    parameters: ClassVar[tuple[str, ...]] = ("probs", "logits")
    probs: Any
    logits: Any

    def _of(self, probs: Any, logits: Any) -> None:
        _one_of(type(self).__name__, probs, logits)
        (given,) = together(probs if logits is None else logits)
        self.probs = given if logits is None else given.sigmoid()
        eps = np.finfo(given.node.dtype).eps
        self.logits = FUNCTIONS["logit"](given.clamp(eps, 1 - eps)) if logits is None else given

    def spread(self, sample_shape: Any) -> Any:
        """The probability of each draw, without a gradient."""
        return self.probs.detach().expand(self.shape(sample_shape)).contiguous()


class Bernoulli(_Coins):
    """1 with probability p, else 0.

    >>> import clearprop.torch as torch
    >>> Bernoulli(0.25).log_prob(torch.tensor(1.0)).exp()
    tensor(0.2500)
    """

    support: Any = staticmethod(lambda x: (x == 0) | (x == 1))

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        self._of(probs, logits)
        super().__init__(self.probs.shape, (), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw zeros and ones."""
        return chance.bernoulli(self.spread(sample_shape))

    def density(self, value: Any) -> Any:
        """Return x log p + (1 - x) log(1 - p), from the logits."""
        logits, value = PLAIN["broadcast_tensors"](self.logits, value.to(self.logits.dtype))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    @property
    def mean(self) -> Any:
        """p."""
        return self.probs

    @property
    def mode(self) -> Any:
        """The likelier of 0 and 1, NaN where there is none."""
        likelier = (self.probs >= 0.5).to(self.probs.dtype)
        return FUNCTIONS["where"](self.probs == 0.5, math.nan, likelier)

    @property
    def variance(self) -> Any:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def entropy(self) -> Any:
        """Return -p log p - (1 - p) log(1 - p)."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return 0 and 1, along an axis in front."""
        return _numbered(self, 2, expand).to(self.probs.dtype)


class Geometric(_Coins):
    """How many failures there are before the first success.

    >>> import clearprop.torch as torch
    >>> Geometric(0.5).log_prob(torch.tensor(2.0)).exp()
    tensor(0.1250)
    """

    checks: ClassVar[dict[str, Check]] = {"probs": lambda p: (p > 0) & (p <= 1)}
    support: Any = staticmethod(count)

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        self._of(probs, logits)
        super().__init__(self.probs.shape, (), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers of failures."""
        p = self.spread(sample_shape)
        u = made(np.asarray(chance.uniform(tuple(p.shape))._value)).to(p.dtype)
        return ((-u).log1p() / (-p).log1p()).floor()

    def density(self, value: Any) -> Any:
        """Return k log(1 - p) + log p."""
        return FUNCTIONS["xlogy"](value.to(self.probs.dtype), 1 - self.probs) + self.probs.log()

    @property
    def mean(self) -> Any:
        """1 / p - 1."""
        return 1 / self.probs - 1

    @property
    def mode(self) -> Any:
        """0."""
        return 0 * self.probs

    @property
    def variance(self) -> Any:
        """(1 / p - 1) / p."""
        return self.mean / self.probs

    def entropy(self) -> Any:
        """Return the entropy of one coin, over p."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


class Binomial(_Coins):
    """How many of `total_count` coins show success.

    >>> import clearprop.torch as torch
    >>> Binomial(4, torch.tensor(0.5)).log_prob(torch.tensor(2.0)).exp()
    tensor(0.3750)
    """

    carried: ClassVar[tuple[str, ...]] = ("total_count",)
    total_count: Any

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: Any = None
    ) -> None:
        self._of(probs, logits)
        self.total_count = together(total_count, self.probs)[0].to(self.probs.dtype)
        super().__init__(np.broadcast_shapes(self.total_count.shape, self.probs.shape), (), validate_args)

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return count(value) & (value <= self.total_count)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers of successes: every coin is thrown."""
        most = int(self.total_count.max())
        p = self.probs.detach().expand(self.shape(sample_shape))
        thrown = chance.uniform((most, *p.shape))._value < p.node._value
        counted = np.arange(most).reshape(most, *(1,) * p.ndim) < self.total_count.node._value
        return made((thrown & counted).sum(0).astype(p.node.dtype))

    def density(self, value: Any) -> Any:
        """Return log(n over k) + k log p + (n - k) log(1 - p), from the logits."""
        value, n = value.to(self.probs.dtype), self.total_count
        return _choose(n, value) + value * self.logits - n * F.softplus(self.logits)

    @property
    def mean(self) -> Any:
        """n p."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Any:
        """The most likely number of successes."""
        return ((self.total_count + 1) * self.probs).floor().minimum(self.total_count)

    @property
    def variance(self) -> Any:
        """n p (1 - p)."""
        return self.mean * (1 - self.probs)

    def entropy(self) -> Any:
        """Return minus the sum of p log p over all numbers of successes."""
        most = int(self.total_count.max())
        if bool((self.total_count != most).any()):
            raise NotImplementedError(lesson("Binomial.entropy()", "wants one total_count for all"))
        values = made(np.arange(most + 1.0)).to(self.probs.dtype).reshape(-1, *(1,) * self.probs.ndim)
        logs = self.density(values)
        return -(logs.exp() * logs).sum(0)


class Poisson(Distribution):
    """How many events there are where `rate` are expected: log p(k) = k log r - r - log k!.

    >>> import clearprop.torch as torch
    >>> Poisson(2.0).log_prob(torch.tensor(0.0))
    tensor(-2.)
    """

    checks: ClassVar[dict[str, Check]] = {"rate": lambda r: r >= 0}
    parameters: ClassVar[tuple[str, ...]] = ("rate",)
    support: Any = staticmethod(count)
    rate: Any

    def __init__(self, rate: Any, validate_args: Any = None) -> None:
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, (), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers of events."""
        return chance.poisson(self.rate.detach().expand(self.shape(sample_shape)))

    def density(self, value: Any) -> Any:
        """Return the logarithm of the probability."""
        value = value.to(self.rate.dtype)
        return FUNCTIONS["xlogy"](value, self.rate) - self.rate - FUNCTIONS["lgamma"](value + 1)

    @property
    def mean(self) -> Any:
        """The rate."""
        return self.rate

    @property
    def mode(self) -> Any:
        """The whole number below the rate."""
        return self.rate.floor()

    @property
    def variance(self) -> Any:
        """The rate."""
        return self.rate


class Categorical(Distribution):
    """Numbers of classes, with probabilities or unnormalised logarithms of them along the last axis.

    >>> import clearprop.torch as torch
    >>> Categorical(torch.tensor([1.0, 3.0])).log_prob(torch.tensor(1)).exp()
    tensor(0.7500)
    """

    parameters: ClassVar[tuple[str, ...]] = ("probs", "logits")
    probs: Any
    logits: Any

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        _one_of(type(self).__name__, probs, logits)
        if validate_args is not False and probs is not None and not bool((probs >= 0).all()):
            wanted = "Expected parameter probs of 0 or more"
            raise ValueError(lesson(f"{type(self).__name__}(probs=)", wanted, f"{probs}"))
        if probs is None:
            self.logits = logits - FUNCTIONS["logsumexp"](logits, -1, True)
            self.probs = F.softmax(logits, dim=-1)
        else:
            self.probs = probs / probs.sum(-1, True)
            eps = np.finfo(self.probs.node.dtype).eps
            self.logits = self.probs.clamp(eps, 1 - eps).log()
        super().__init__(self.logits.shape[:-1], (), validate_args)

    checks: ClassVar[dict[str, Check]] = {"logits": anything}

    @property
    def param_shape(self) -> Any:
        """The shape of the probabilities."""
        return self.logits.shape

    @property
    def _num_events(self) -> int:
        return int(self.logits.shape[-1])

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return count(value.float()) & (value < self._num_events)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers of classes."""
        rows = self.probs.detach().reshape(-1, self._num_events)
        drawn = chance.multinomial(rows, math.prod(sample_shape), True)
        return drawn.t().reshape((*sample_shape, *self.batch_shape))

    def density(self, value: Any) -> Any:
        """Return the logarithm of the probability of each class named."""
        shape = np.broadcast_shapes(value.shape, self.batch_shape)
        index = value.long().expand(shape).unsqueeze(-1)
        return self.logits.expand((*shape, self._num_events)).gather(-1, index).squeeze(-1)

    def entropy(self) -> Any:
        """Return minus the sum of p log p."""
        least = float(np.finfo(self.probs.node.dtype).min)  # of a class that is impossible: 0 times it is 0
        return -(self.probs * self.logits.clamp(min=least)).sum(-1)

    @property
    def mode(self) -> Any:
        """The most likely class."""
        return self.probs.argmax(-1)

    @property
    def mean(self) -> Any:
        """NaN: classes have none."""
        return FUNCTIONS["full_like"](self.probs[..., 0], math.nan)

    @property
    def variance(self) -> Any:
        """NaN: classes have none."""
        return self.mean

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return all classes, along an axis in front."""
        return _numbered(self, self._num_events, expand)


class OneHotCategorical(Categorical):
    """Rows with a 1 at the class that was drawn.

    >>> import clearprop.torch as torch
    >>> OneHotCategorical(torch.tensor([1.0, 3.0])).log_prob(torch.tensor([0.0, 1.0])).exp()
    tensor(0.7500)
    """

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        super().__init__(probs, logits, validate_args)
        self.event_shape = self.logits.shape[-1:]

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw rows."""
        drawn = super().sample(sample_shape)
        return F.one_hot(drawn, self._num_events).to(self.probs.dtype)

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return the rows of all classes, along an axis in front."""
        return F.one_hot(super().enumerate_support(expand), self._num_events).to(self.probs.dtype)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the probability of the class that is 1."""
        return super().density(value.argmax(-1))

    @property
    def mode(self) -> Any:
        """The row of the most likely class."""
        return F.one_hot(self.probs.argmax(-1), self._num_events).to(self.probs.dtype)

    @property
    def mean(self) -> Any:
        """The probabilities."""
        return self.probs

    @property
    def variance(self) -> Any:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)


class Multinomial(Distribution):
    """How often each class is drawn in `total_count` draws.

    >>> import clearprop.torch as torch
    >>> Multinomial(2, torch.tensor([0.5, 0.5])).log_prob(torch.tensor([1.0, 1.0])).exp()
    tensor(0.5000)
    """

    parameters: ClassVar[tuple[str, ...]] = ("probs", "logits")
    carried: ClassVar[tuple[str, ...]] = ("each",)

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: Any = None
    ) -> None:
        self.total_count = total_count
        self.each = Categorical(probs, logits, validate_args)
        super().__init__(self.each.batch_shape, self.each.logits.shape[-1:], validate_args)

    @property
    def probs(self) -> Any:
        """The probabilities."""
        return self.each.probs

    @property
    def logits(self) -> Any:
        """Their logarithms."""
        return self.each.logits

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return count(value).all(-1) & (value.sum(-1) == self.total_count)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Draw numbers of draws."""
        drawn = self.each.sample((self.total_count, *sample_shape))
        return F.one_hot(drawn, self.event_shape[0]).sum(0).to(self.probs.dtype)

    def density(self, value: Any) -> Any:
        """Return log n! - sum log k! + sum k log p."""
        ln_gamma = FUNCTIONS["lgamma"]
        whole = ln_gamma(value.sum(-1) + 1) - ln_gamma(value + 1).sum(-1)
        return whole + (value * self.logits).sum(-1)

    def entropy(self) -> Any:
        """Return n times the entropy of a draw, - log n!, + the means of log k!."""
        ln_gamma, n = FUNCTIONS["lgamma"], self.total_count
        values = made(np.arange(n + 1.0)).to(self.probs.dtype).reshape(-1, *(1,) * self.probs.ndim)
        shares = Binomial(n, self.probs).density(values).exp()
        return n * self.each.entropy() - math.lgamma(n + 1) + (shares * ln_gamma(values + 1)).sum((0, -1))

    @property
    def mean(self) -> Any:
        """n p."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)
