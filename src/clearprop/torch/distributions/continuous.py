"""Distributions of real numbers, each with the logarithm of its density.

Gamma, beta, Dirichlet's and Student's variables have implicit gradients by their shapes; they need SciPy.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, ClassVar

from clearprop.torch import chance
from clearprop.torch.distributions.base import Check, Distribution, drawn, positive, share, together
from clearprop.torch.names import FUNCTIONS
from clearprop.torch.nn import functional as F
from clearprop.torch.tensors import Tensor, lower

LOG_ROOT = 0.5 * math.log(2 * math.pi)
EULER = 0.5772156649015329


def _core() -> Any:
    return importlib.import_module("clearprop.scipy.sampling")


def _ln_gamma(x: Any) -> Any:
    return FUNCTIONS["lgamma"](x)


def _digamma(x: Any) -> Any:
    return FUNCTIONS["digamma"](x)


class _Located(Distribution):
    """Distributions with `loc` and `scale`: `standard(shape)` drawn, times the scale, plus the place."""

    has_rsample: ClassVar[bool] = True
    checks: ClassVar[dict[str, Check]] = {"scale": positive}
    parameters: ClassVar[tuple[str, ...]] = ("loc", "scale")
    loc: Any
    scale: Any

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.loc, self.scale = together(loc, scale)
        super().__init__(self.loc.shape, (), validate_args)

    def standard(self, shape: tuple[int, ...]) -> Any:
        """Draw for place 0 and scale 1."""
        raise NotImplementedError

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw loc + scale e, with e for place 0 and scale 1."""
        return self.loc + self.scale * self.standard(self.shape(sample_shape))

    def away(self, value: Any) -> Any:
        """How far a value is from the place, in scales."""
        return (value - self.loc) / self.scale

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def mode(self) -> Any:
        """The most likely number."""
        return self.loc


class Normal(_Located):
    """The normal distribution: log p(x) = -((x - m) / s)^2 / 2 - log s - log(2 pi) / 2.

    >>> import clearprop.torch as torch
    >>> Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    def standard(self, shape: tuple[int, ...]) -> Any:
        """Draw for place 0 and scale 1."""
        return drawn(chance.normal_numbers(shape), self.loc)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        return -0.5 * self.away(value) ** 2 - self.scale.log() - LOG_ROOT

    @property
    def variance(self) -> Any:
        """The square of the scale."""
        return self.scale**2

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.scale

    def cdf(self, value: Any) -> Any:
        """Return (1 + erf((value - m) / (s sqrt 2))) / 2."""
        return 0.5 * (1 + FUNCTIONS["erf"](self.away(value) / math.sqrt(2)))

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below: m + s sqrt 2 erfinv(2 value - 1)."""
        return self.loc + self.scale * math.sqrt(2) * FUNCTIONS["erfinv"](2 * value - 1)

    def entropy(self) -> Any:
        """Return 1/2 + log(2 pi) / 2 + log s."""
        return self.scale.log() + 0.5 + LOG_ROOT


class LogNormal(Normal):
    """exp of a normal variable.

    >>> import clearprop.torch as torch
    >>> LogNormal(0.0, 1.0).log_prob(torch.tensor(1.0))
    tensor(-0.9189)
    """

    support: Any = staticmethod(positive)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw exp(m + s e)."""
        return super().rsample(sample_shape).exp()

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        return super().density(value.log()) - value.log()

    @property
    def mean(self) -> Any:
        """exp(m + s^2 / 2)."""
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def mode(self) -> Any:
        """exp(m - s^2)."""
        return (self.loc - self.scale**2).exp()

    @property
    def variance(self) -> Any:
        """(exp(s^2) - 1) exp(2 m + s^2)."""
        square = self.scale**2
        return (square.exp() - 1) * (2 * self.loc + square).exp()

    @property
    def stddev(self) -> Any:
        """The root of the variance."""
        return self.variance.sqrt()

    def cdf(self, value: Any) -> Any:
        """Return the share of draws that are at most `value`."""
        return super().cdf(value.log())

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        return super().icdf(value).exp()

    def entropy(self) -> Any:
        """Return the normal's, plus m."""
        return super().entropy() + self.loc


class HalfNormal(Distribution):
    """The absolute value of a normal variable of mean 0.

    >>> import clearprop.torch as torch
    >>> HalfNormal(1.0).log_prob(torch.tensor(0.0))
    tensor(-0.2258)
    """

    has_rsample: ClassVar[bool] = True
    checks: ClassVar[dict[str, Check]] = {"scale": positive}
    parameters: ClassVar[tuple[str, ...]] = ("scale",)
    carried: ClassVar[tuple[str, ...]] = ("both",)
    support: Any = staticmethod(lambda x: x >= 0)
    scale: Any

    def __init__(self, scale: Any, validate_args: Any = None) -> None:
        (self.scale,) = together(scale)
        self.both = Normal(0.0, self.scale, validate_args)
        super().__init__(self.scale.shape, (), validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw |s e|."""
        return self.both.rsample(sample_shape).abs()

    def density(self, value: Any) -> Any:
        """Return twice the normal density, as a logarithm."""
        return self.both.density(value) + math.log(2)

    @property
    def mean(self) -> Any:
        """s sqrt(2 / pi)."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Any:
        """0."""
        return 0 * self.scale

    @property
    def variance(self) -> Any:
        """s^2 (1 - 2 / pi)."""
        return self.scale**2 * (1 - 2 / math.pi)

    def cdf(self, value: Any) -> Any:
        """Return erf(value / (s sqrt 2))."""
        return 2 * self.both.cdf(value) - 1

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        return self.both.icdf((value + 1) / 2)

    def entropy(self) -> Any:
        """Return the normal's without log 2."""
        return self.both.entropy() - math.log(2)


class Laplace(_Located):
    """p(x) = exp(-|x - m| / s) / (2 s).

    >>> import clearprop.torch as torch
    >>> Laplace(0.0, 1.0).log_prob(torch.tensor(2.0))
    tensor(-2.6931)
    """

    def standard(self, shape: tuple[int, ...]) -> Any:
        """Draw an exponential variable with either sign."""
        u = 2 * drawn(_core().open_uniform(shape), self.loc) - 1
        return -u.sign() * (-u.abs()).log1p()

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        return -self.away(value).abs() - (2 * self.scale).log()

    @property
    def variance(self) -> Any:
        """2 s^2."""
        return 2 * self.scale**2

    def cdf(self, value: Any) -> Any:
        """Return the share of draws that are at most `value`."""
        z = self.away(value)
        return 0.5 - 0.5 * z.sign() * (-z.abs()).expm1()

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        u = value - 0.5
        return self.loc - self.scale * u.sign() * (-2 * u.abs()).log1p()

    def entropy(self) -> Any:
        """Return 1 + log(2 s)."""
        return 1 + (2 * self.scale).log()


class Cauchy(_Located):
    """p(x) = 1 / (pi s (1 + ((x - m) / s)^2)): without a mean.

    >>> import clearprop.torch as torch
    >>> Cauchy(0.0, 1.0).log_prob(torch.tensor(1.0))
    tensor(-1.8379)
    """

    def standard(self, shape: tuple[int, ...]) -> Any:
        """Draw the tangent of an angle."""
        return (math.pi * (drawn(_core().open_uniform(shape), self.loc) - 0.5)).tan()

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        return -math.log(math.pi) - self.scale.log() - (self.away(value) ** 2).log1p()

    @property
    def mean(self) -> Any:
        """NaN: there is none."""
        return self.loc * math.nan

    @property
    def variance(self) -> Any:
        """Infinity."""
        return self.scale * math.inf

    def cdf(self, value: Any) -> Any:
        """Return the share of draws that are at most `value`."""
        return self.away(value).atan() / math.pi + 0.5

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        return self.loc + self.scale * (math.pi * (value - 0.5)).tan()

    def entropy(self) -> Any:
        """Return log(4 pi s)."""
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(_Located):
    """The largest of many: log p = -z - exp(-z) - log s with z = (x - m) / s.

    >>> import clearprop.torch as torch
    >>> Gumbel(0.0, 1.0).mean
    tensor(0.5772)
    """

    def standard(self, shape: tuple[int, ...]) -> Any:
        """Draw -log(-log(u))."""
        return drawn(_core().gumbel(shape), self.loc)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        z = self.away(value)
        return -z - (-z).exp() - self.scale.log()

    @property
    def mean(self) -> Any:
        """m + s times Euler's constant."""
        return self.loc + self.scale * EULER

    @property
    def variance(self) -> Any:
        """s^2 pi^2 / 6."""
        return self.scale**2 * (math.pi**2 / 6)

    def cdf(self, value: Any) -> Any:
        """Return exp(-exp(-z))."""
        return (-(-self.away(value)).exp()).exp()

    def icdf(self, value: Any) -> Any:
        """Return m - s log(-log(value))."""
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Any:
        """Return log s + 1 + Euler's constant."""
        return self.scale.log() + 1 + EULER


class StudentT(_Located):
    """A normal variable over the root of a mean of `df` squares of others.

    >>> import clearprop.torch as torch
    >>> StudentT(3.0).log_prob(torch.tensor(1.0))
    tensor(-1.5763)
    """

    checks: ClassVar[dict[str, Check]] = {"scale": positive, "df": positive}
    parameters: ClassVar[tuple[str, ...]] = ("df", "loc", "scale")
    df: Any

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: Any = None) -> None:
        self.df, loc, scale = together(df, loc, scale)
        super().__init__(loc, scale, validate_args)

    def standard(self, shape: tuple[int, ...]) -> Any:
        """Draw for place 0 and scale 1."""
        return drawn(_core().student(shape, lower(self.df)), self.loc)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        n = self.df
        whole = self.scale.log() + 0.5 * (n * math.pi).log() + _ln_gamma(n / 2) - _ln_gamma((n + 1) / 2)
        return -(n + 1) / 2 * (self.away(value) ** 2 / n).log1p() - whole

    @property
    def mean(self) -> Any:
        """The place, where df is above 1."""
        return FUNCTIONS["where"](self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Any:
        """s^2 df / (df - 2) where df is above 2, infinity from 1 to 2."""
        found = FUNCTIONS["where"](self.df > 2, self.scale**2 * self.df / (self.df - 2), math.inf)
        return FUNCTIONS["where"](self.df > 1, found, math.nan)

    def entropy(self) -> Any:
        """Return minus the mean of log p."""
        half, more = self.df / 2, (self.df + 1) / 2
        whole = 0.5 * self.df.log() + _ln_gamma(half) + math.log(math.pi) / 2 - _ln_gamma(more)
        return self.scale.log() + more * (_digamma(more) - _digamma(half)) + whole


class Uniform(Distribution):
    """Numbers in [low, high), each as likely.

    >>> import clearprop.torch as torch
    >>> Uniform(0.0, 4.0).log_prob(torch.tensor(1.0)).exp()
    tensor(0.2500)
    """

    has_rsample: ClassVar[bool] = True
    parameters: ClassVar[tuple[str, ...]] = ("low", "high")
    carried: ClassVar[tuple[str, ...]] = ("width",)
    low: Any
    high: Any

    def __init__(self, low: Any, high: Any, validate_args: Any = None) -> None:
        self.low, self.high = together(low, high)
        self.width = self.high - self.low
        super().__init__(self.low.shape, (), validate_args)

    checks: ClassVar[dict[str, Check]] = {"width": positive}

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return (value >= self.low) & (value <= self.high)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw low + u (high - low)."""
        return self.low + drawn(chance.uniform(self.shape(sample_shape)), self.low) * self.width

    def density(self, value: Any) -> Any:
        """Return -log(high - low) inside, minus infinity outside."""
        inside = (value >= self.low) & (value < self.high)
        return FUNCTIONS["where"](inside, -self.width.log() + 0 * value, -math.inf)

    @property
    def mean(self) -> Any:
        """The middle."""
        return (self.low + self.high) / 2

    @property
    def mode(self) -> Any:
        """NaN: all are as likely."""
        return math.nan * self.high

    @property
    def variance(self) -> Any:
        """(high - low)^2 / 12."""
        return self.width**2 / 12

    def cdf(self, value: Any) -> Any:
        """Return how far between the ends a value is."""
        return ((value - self.low) / self.width).clamp(0, 1)

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        return value * self.width + self.low

    def entropy(self) -> Any:
        """Return log(high - low)."""
        return self.width.log()


class Exponential(Distribution):
    """Waiting times: p(x) = r exp(-r x).

    >>> import clearprop.torch as torch
    >>> Exponential(2.0).cdf(torch.tensor(0.5))
    tensor(0.6321)
    """

    has_rsample: ClassVar[bool] = True
    checks: ClassVar[dict[str, Check]] = {"rate": positive}
    parameters: ClassVar[tuple[str, ...]] = ("rate",)
    support: Any = staticmethod(lambda x: x >= 0)
    rate: Any

    def __init__(self, rate: Any, validate_args: Any = None) -> None:
        (self.rate,) = together(rate)
        super().__init__(self.rate.shape, (), validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw -log(u) / r."""
        return drawn(_core().exponential(self.shape(sample_shape)), self.rate) / self.rate

    def density(self, value: Any) -> Any:
        """Return log r - r x."""
        return self.rate.log() - self.rate * value

    @property
    def mean(self) -> Any:
        """1 / r."""
        return 1 / self.rate

    @property
    def mode(self) -> Any:
        """0."""
        return 0 * self.rate

    @property
    def variance(self) -> Any:
        """1 / r^2."""
        return self.rate**-2

    def cdf(self, value: Any) -> Any:
        """Return 1 - exp(-r x)."""
        return 1 - (-self.rate * value).exp()

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        return -(-value).log1p() / self.rate

    def entropy(self) -> Any:
        """Return 1 - log r."""
        return 1 - self.rate.log()


class Gamma(Distribution):
    """p(x) = b^a x^(a - 1) exp(-b x) / gamma(a), with a the `concentration` and b the `rate`.

    >>> import clearprop.torch as torch
    >>> Gamma(2.0, 1.0).log_prob(torch.tensor(1.0))
    tensor(-1.)
    """

    has_rsample: ClassVar[bool] = True
    checks: ClassVar[dict[str, Check]] = {"concentration": positive, "rate": positive}
    parameters: ClassVar[tuple[str, ...]] = ("concentration", "rate")
    support: Any = staticmethod(lambda x: x >= 0)
    concentration: Any
    rate: Any

    def __init__(self, concentration: Any, rate: Any, validate_args: Any = None) -> None:
        self.concentration, self.rate = together(concentration, rate)
        super().__init__(self.rate.shape, (), validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw a gamma variable of rate 1, over the rate."""
        logs = _core().log_gamma(self.shape(sample_shape), lower(self.concentration))
        return drawn(logs, self.rate).exp() / self.rate

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        a, b = self.concentration, self.rate
        return a * b.log() + FUNCTIONS["xlogy"](a - 1, value) - b * value - _ln_gamma(a)

    @property
    def mean(self) -> Any:
        """a / b."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Any:
        """(a - 1) / b, and no less than 0."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Any:
        """a / b^2."""
        return self.concentration / self.rate**2

    def entropy(self) -> Any:
        """Return a - log b + log gamma(a) + (1 - a) digamma(a)."""
        a = self.concentration
        return a - self.rate.log() + _ln_gamma(a) + (1 - a) * _digamma(a)


class Chi2(Gamma):
    """A sum of `df` squares of normal variables.

    >>> import clearprop.torch as torch
    >>> Chi2(3.0).variance
    tensor(6.)
    """

    parameters: ClassVar[tuple[str, ...]] = ("df",)
    carried: ClassVar[tuple[str, ...]] = ("concentration", "rate")

    def __init__(self, df: Any, validate_args: Any = None) -> None:
        (df,) = together(df)
        super().__init__(df / 2, 0.5, validate_args)

    @property
    def df(self) -> Any:
        """How many squares."""
        return 2 * self.concentration


class Beta(Distribution):
    """Shares: p(x) in proportion to x^(a - 1) (1 - x)^(b - 1).

    >>> import clearprop.torch as torch
    >>> Beta(2.0, 3.0).log_prob(torch.tensor(0.5)).exp()
    tensor(1.5000)
    """

    has_rsample: ClassVar[bool] = True
    checks: ClassVar[dict[str, Check]] = {"concentration1": positive, "concentration0": positive}
    parameters: ClassVar[tuple[str, ...]] = ("concentration1", "concentration0")
    support: Any = staticmethod(share)
    concentration1: Any
    concentration0: Any

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: Any = None) -> None:
        self.concentration1, self.concentration0 = together(concentration1, concentration0)
        super().__init__(self.concentration0.shape, (), validate_args)

    @property
    def total(self) -> Any:
        """a + b."""
        return self.concentration1 + self.concentration0

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw x / (x + y) of two gamma variables."""
        a, b = lower(self.concentration1), lower(self.concentration0)
        return drawn(_core().share(self.shape(sample_shape), a, b), self.concentration0)

    def log_beta(self) -> Any:
        """log B(a, b)."""
        return _ln_gamma(self.concentration1) + _ln_gamma(self.concentration0) - _ln_gamma(self.total)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        xlogy, a, b = FUNCTIONS["xlogy"], self.concentration1, self.concentration0
        return xlogy(a - 1, value) + xlogy(b - 1, 1 - value) - self.log_beta()

    @property
    def mean(self) -> Any:
        """a / (a + b)."""
        return self.concentration1 / self.total

    @property
    def mode(self) -> Any:
        """(a - 1) / (a + b - 2), where both are above 1, else of the ends the likelier, NaN for both."""
        a, b = (self.concentration1 - 1).clamp(min=0), (self.concentration0 - 1).clamp(min=0)
        inner, where = a / (a + b), FUNCTIONS["where"]
        below = (self.concentration1 < 1) & (self.concentration0 < 1)
        ends = (self.concentration1 >= self.concentration0).to(inner.dtype)
        found = where(below & (self.concentration1 != self.concentration0), ends, inner)
        return where(below & (self.concentration1 == self.concentration0), math.nan, found)

    @property
    def variance(self) -> Any:
        """a b / ((a + b)^2 (a + b + 1))."""
        return self.concentration1 * self.concentration0 / (self.total**2 * (self.total + 1))

    def entropy(self) -> Any:
        """Return minus the mean of log p."""
        a, b, t = self.concentration1, self.concentration0, self.total
        return self.log_beta() - (a - 1) * _digamma(a) - (b - 1) * _digamma(b) + (t - 2) * _digamma(t)


class Dirichlet(Distribution):
    """Shares that add up to 1: p(x) in proportion to the product of x^(a - 1).

    >>> import clearprop.torch as torch
    >>> Dirichlet(torch.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    has_rsample: ClassVar[bool] = True
    checks: ClassVar[dict[str, Check]] = {"concentration": positive}
    parameters: ClassVar[tuple[str, ...]] = ("concentration",)
    concentration: Any

    def __init__(self, concentration: Tensor, validate_args: Any = None) -> None:
        (self.concentration,) = together(concentration)
        super().__init__(self.concentration.shape[:-1], self.concentration.shape[-1:], validate_args)

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6 * max(1, value.shape[-1]))

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Draw gamma variables over their sum."""
        logs = _core().log_gamma(self.shape(sample_shape), lower(self.concentration))
        return FUNCTIONS["softmax"](drawn(logs, self.concentration), -1)

    def density(self, value: Any) -> Any:
        """Return the logarithm of the density."""
        a = self.concentration
        terms = FUNCTIONS["xlogy"](a - 1, value).sum(-1)
        return terms + _ln_gamma(a.sum(-1)) - _ln_gamma(a).sum(-1)

    @property
    def mean(self) -> Any:
        """a over its sum."""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Any:
        """a - 1 over its sum, of those above 1; all of the largest where there are none."""
        more = (self.concentration - 1).clamp(min=0)
        corner = F.one_hot(self.concentration.argmax(-1), self.event_shape[0]).to(more.dtype)
        none = (self.concentration < 1).all(-1, True)
        return FUNCTIONS["where"](none, corner, more / more.sum(-1, True))

    @property
    def variance(self) -> Any:
        """m (1 - m) / (sum + 1)."""
        return self.mean * (1 - self.mean) / (self.concentration.sum(-1, True) + 1)

    def entropy(self) -> Any:
        """Return minus the mean of log p."""
        a, total = self.concentration, self.concentration.sum(-1)
        whole = _ln_gamma(a).sum(-1) - _ln_gamma(total)
        return whole + (total - a.shape[-1]) * _digamma(total) - ((a - 1) * _digamma(a)).sum(-1)
