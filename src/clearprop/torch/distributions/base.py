"""What distributions share: shapes, checks of parameters and values, draws without a gradient."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.torch import dtypes
from clearprop.torch.dtypes import Size
from clearprop.torch.gradients import no_grad
from clearprop.torch.making import as_tensor
from clearprop.torch.tensors import Tensor, cast, lift

Check = Callable[[Any], Any]
positive: Check = lambda x: x > 0  # noqa: E731
share: Check = lambda x: (x >= 0) & (x <= 1)  # noqa: E731
anything: Check = lambda x: x == x  # noqa: E731  all but NaN
count: Check = lambda x: (x >= 0) & (x == x.floor()) & (x < math.inf)  # noqa: E731


def together(*parameters: Any) -> list[Tensor]:
    """Return numbers and tensors as tensors of floats of one shape."""
    tensors = [x if isinstance(x, Tensor) else as_tensor(float(x)) for x in parameters]
    floats = [x.dtype for x in tensors if x.dtype.is_floating_point and isinstance(x, Tensor) and x.ndim]
    floats += [x.dtype for x, own in zip(tensors, parameters, strict=True) if isinstance(own, Tensor)]
    kinds = [kind for kind in floats if kind.is_floating_point] or [dtypes.get_default_dtype()]
    shape = np.broadcast_shapes(*(tuple(x.shape) for x in tensors))
    return [x.to(kinds[0]).expand(shape) for x in tensors]


class Distribution:
    """A distribution of tensors: `batch_shape` of them, each of which draws `event_shape` numbers.

    `sample(shape)` draws without a gradient, `rsample(shape)` so that gradients pass to the parameters where
    `has_rsample` says so; both give (*shape, *batch_shape, *event_shape). `log_prob(value)` is the logarithm
    of the density or probability. Raises ValueError for parameters and values that there are none of, unless
    `validate_args=False`.

    >>> import clearprop.torch as torch
    >>> from clearprop.torch.distributions import Normal
    >>> Normal(torch.zeros(3), 1.0).sample((2,)).shape
    torch.Size([2, 3])
    """

    has_rsample: ClassVar[bool] = False
    checks: ClassVar[dict[str, Check]] = {}
    parameters: ClassVar[tuple[str, ...]] = ()
    carried: ClassVar[tuple[str, ...]] = ()  # what else is of the batch's shape: tensors and distributions
    support: Any = staticmethod(anything)
    batch_shape: Size
    event_shape: Size
    validates: bool

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: Any = None) -> None:
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)
        self.validates = validate_args is None or bool(validate_args)
        for name, holds in self.checks.items() if self.validates else ():
            value = getattr(self, name)
            if not bool(holds(value).all()):
                called = f"{type(self).__name__}({name}=)"
                raise ValueError(lesson(called, f"Expected parameter {name} within its bounds", f"{value}"))

    def shape(self, sample_shape: Any) -> tuple[int, ...]:
        """Return the shape of a draw."""
        return (*sample_shape, *self.batch_shape, *self.event_shape)

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

    def sample_n(self, n: int) -> Any:
        """Draw n times."""
        return self.sample((n,))

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of the density, or of the probability, at a value."""
        value = value if isinstance(value, Tensor) else as_tensor(value)
        if self.validates:
            self.refuse_misfit(value)
        if self.validates and not bool(self.inside(value).all()):
            wanted = "Expected value argument to be within the support"
            raise ValueError(lesson(f"{type(self).__name__}.log_prob(value)", wanted, f"{value}"))
        return self.density(value)

    def refuse_misfit(self, value: Any) -> None:
        """Raise ValueError for a value whose last axes are no event, or not of as many as there are."""
        whole, own = (*self.batch_shape, *self.event_shape), tuple(value.shape)
        pairs = zip(reversed(own), reversed(whole), strict=False)
        axes = own[len(own) - len(self.event_shape) :] if len(own) >= len(self.event_shape) else None
        if axes != tuple(self.event_shape) or any(a != b and 1 not in (a, b) for a, b in pairs):
            called, wanted = f"{type(self).__name__}.log_prob(value)", f"wants a shape that ends as {whole}"
            raise ValueError(lesson(called, wanted, f"{own}", hint="value.reshape(...)"))

    def inside(self, value: Any) -> Any:
        """Tell where a value is one that can be drawn."""
        return type(self).support(value)

    def density(self, value: Any) -> Any:
        """Return what `log_prob` does, of a value that was checked."""
        raise NotImplementedError(lesson(f"{type(self).__name__}.log_prob()", "is for the subclass to write"))

    @property
    def mean(self) -> Any:
        """The mean."""
        raise NotImplementedError(lesson(f"{type(self).__name__}.mean", "has no formula here"))

    @property
    def variance(self) -> Any:
        """The variance."""
        raise NotImplementedError(lesson(f"{type(self).__name__}.variance", "has no formula here"))

    @property
    def stddev(self) -> Any:
        """The root of the variance."""
        return self.variance.sqrt()

    def entropy(self) -> Any:
        """Return minus the mean of log p."""
        raise NotImplementedError(lesson(f"{type(self).__name__}.entropy()", "has no formula here"))

    def perplexity(self) -> Any:
        """Return exp(entropy)."""
        return self.entropy().exp()

    def cdf(self, value: Any) -> Any:
        """Return the share of draws that are at most `value`."""
        hint = "(d.sample((10000,)) <= value).float().mean(0)"
        raise NotImplementedError(lesson(f"{type(self).__name__}.cdf()", "has no formula here", hint=hint))

    def icdf(self, value: Any) -> Any:
        """Return the number that this share of draws is below."""
        hint = "d.sample((10000,)).quantile(value, 0)"
        raise NotImplementedError(lesson(f"{type(self).__name__}.icdf()", "has no formula here", hint=hint))

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return all that can be drawn, along an axis in front."""
        wanted, hint = "has too many values, or no formula here", "d.sample((1000,))"
        raise NotImplementedError(lesson(f"{type(self).__name__}.enumerate_support()", wanted, hint=hint))

    def expand(self, batch_shape: Any) -> Any:
        """Return the same distribution so many times."""
        other = copy.copy(self)
        other.batch_shape = Size(batch_shape)
        for name in (*self.parameters, *self.carried):
            if isinstance(getattr(type(self), name, None), property):
                continue  # follows from the others
            held = getattr(self, name)
            own = () if isinstance(held, Distribution) else tuple(held.shape)[len(self.batch_shape) :]
            object.__setattr__(other, name, held.expand((*other.batch_shape, *own)))
        return other

    def __repr__(self) -> str:
        held = {name: getattr(self, name) for name in self.parameters}
        words = [f"{k}: {v if v.numel() == 1 else v.size()}" for k, v in held.items()]
        return f"{type(self).__name__}({', '.join(words)})"


def drawn(node: Any, like: Tensor) -> Tensor:
    """Return a draw of the core as a tensor of the dtype of a parameter."""
    return lift(cast(node, like.node.dtype))
