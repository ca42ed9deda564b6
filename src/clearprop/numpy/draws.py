"""Distributions whose parameters are Tensors: a draw is a formula of numbers that depend on nothing.

The bits are NumPy's for the same seed. A gradient passes through location, scale, and what a quantile depends
on smoothly (the shape of Weibull, Pareto and power); through any other parameter it is refused, by name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.modes import mode
from clearprop.numpy.lists import holds, joined
from clearprop.refusal import COMPLAINTS, form, shown, told
from clearprop.tensor import Tensor

_numpy: Any = np  # whose functions answer a Tensor with a Tensor, which its types do not know


def _parameter(x: Any) -> Any:
    """Return a parameter as a Tensor, an array, or a number."""
    if isinstance(x, (list, tuple)):
        return joined(x) if holds(x) else np.asarray(x)
    return x


def _shape(size: Any, *parameters: Any) -> Any:
    return np.broadcast_shapes(*map(np.shape, parameters)) if size is None else size


# --- how each is drawn: `draw` is NumPy's own source, every other parameter may be a Tensor -----------------
def normal(draw: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from the normal distribution: loc + scale z."""
    return loc + scale * draw.standard_normal(_shape(size, loc, scale))


def uniform(draw: Any, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
    """Draw from an interval: low + (high - low) u."""
    return low + (high - low) * draw.uniform(size=_shape(size, low, high))


def lognormal(draw: Any, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None) -> Any:
    """Draw the exponential of a normal number."""
    return np.exp(normal(draw, mean, sigma, size))


def exponential(draw: Any, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from the exponential distribution: scale e."""
    return scale * draw.standard_exponential(_shape(size, scale))


def laplace(draw: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from Laplace's distribution: loc + scale z."""
    return loc + scale * draw.laplace(size=_shape(size, loc, scale))


def logistic(draw: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from the logistic distribution: loc + scale z."""
    return loc + scale * draw.logistic(size=_shape(size, loc, scale))


def gumbel(draw: Any, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from Gumbel's distribution: loc + scale z."""
    return loc + scale * draw.gumbel(size=_shape(size, loc, scale))


def rayleigh(draw: Any, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from Rayleigh's distribution: scale z."""
    return scale * draw.rayleigh(size=_shape(size, scale))


def gamma(draw: Any, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
    """Draw from the gamma distribution: scale z; no gradient passes through the shape."""
    shape = _fixed("gamma", "shape", shape)
    return scale * draw.standard_gamma(shape, _shape(size, shape, scale))


def weibull(draw: Any, a: Any, size: Any = None) -> Any:
    """Draw from Weibull's distribution: e to the power 1 / a."""
    return draw.standard_exponential(_shape(size, a)) ** (1.0 / a)


def pareto(draw: Any, a: Any, size: Any = None) -> Any:
    """Draw from Pareto's second distribution: exp(e / a) - 1."""
    return np.expm1(draw.standard_exponential(_shape(size, a)) / a)


def power(draw: Any, a: Any, size: Any = None) -> Any:
    """Draw from the density a x ** (a - 1) on [0, 1]: u to the power 1 / a."""
    return (-np.expm1(-draw.standard_exponential(_shape(size, a)))) ** (1.0 / a)


def triangular(draw: Any, left: Any, mode: Any, right: Any, size: Any = None) -> Any:
    """Draw from the triangle over left, mode and right, by its quantiles."""
    u = draw.uniform(size=_shape(size, left, mode, right))
    width = right - left
    below = left + np.sqrt(u * (mode - left) * width)
    above = right - np.sqrt((1.0 - u) * (right - mode) * width)
    return _numpy.where(u <= _value((mode - left) / width), below, above)


def multivariate_normal(draw: Any, mean: Any, cov: Any, size: Any = None, *args: Any, **kwargs: Any) -> Any:
    """Draw vectors of a normal distribution: mean + L z with L L^T = cov, where cov needs a gradient.

    There the numbers are others than NumPy's, which takes a root of cov by its singular values.
    """
    if not isinstance(cov, Tensor):
        return mean + draw.multivariate_normal(np.zeros(np.shape(mean)), cov, size, *args, **kwargs)
    length = () if size is None else (size,) if np.ndim(size) == 0 else tuple(size)
    return mean + draw.standard_normal((*length, *np.shape(mean))) @ np.linalg.cholesky(cov).mT


def choice(
    draw: Any, a: Any, size: Any = None, replace: Any = True, p: Any = None, axis: int = 0, **how: Any
) -> Any:
    """Draw entries of `a`, to which the gradient goes; none passes through the probabilities."""
    p = _fixed("choice", "p", p)
    if not isinstance(a, Tensor):
        return draw.choice(a, size, replace, p, **(how | ({"axis": axis} if axis else {})))
    if not a.ndim:  # how many whole numbers there are to choose from
        return draw.choice(_fixed("choice", "a", a), size, replace, p, **how)
    return _numpy.take(a, draw.choice(a.shape[axis], size, replace, p, **how), axis=axis)


def permutation(draw: Any, x: Any, axis: int = 0) -> Any:
    """Return entries in an order by chance; the gradient goes to where they were."""
    if not x.ndim:  # how many whole numbers there are
        return draw.permutation(_fixed("permutation", "x", x))
    return _numpy.take(x, draw.permutation(x.shape[axis]), axis=axis)


DRAWN: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        normal, uniform, lognormal, exponential, laplace, logistic, gumbel, rayleigh, gamma, weibull, pareto,
        power, triangular, multivariate_normal, choice, permutation,
    )
}  # fmt: skip
"""How distributions are drawn whose parameters are Tensors."""
REFUSED = (
    "beta", "binomial", "chisquare", "dirichlet", "f", "geometric", "hypergeometric", "logseries",
    "multinomial", "negative_binomial", "noncentral_chisquare", "noncentral_f", "poisson",
    "standard_gamma", "standard_t", "vonmises", "wald", "zipf", "shuffle", "permuted",
    "multivariate_hypergeometric", "integers", "randint",
)  # fmt: skip
"""Distributions through whose parameters no gradient passes: these are taken by their values alone."""


_ASKED = np.random.RandomState(0)  # draws only to hear what NumPy says of the parameters


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Tensor) else x


def _fixed(name: str, parameter: str, x: Any) -> Any:
    """Return a parameter that no gradient can pass through as a plain value."""
    if not isinstance(x, Tensor):
        return x
    if x.requires_grad:
        hint = "t.detach(), or a loss of log-densities, which needs no path through what is drawn"
        wanted = f"has no gradient through `{parameter}`: what is drawn is no smooth formula of it"
        raise TypeError(lesson(f"np.random.{name}", wanted, f"{x!r:.60}", at_line(), hint))
    return x.value


def _answer(name: str, draw: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Draw from a distribution: by NumPy itself where nothing is a Tensor."""
    observer = mode.observer
    if observer is not None and observer.batches:
        wanted, hint = "would draw the same for every example", "vmap over noise that is drawn outside of it"
        raise TypeError(lesson(f"np.random.{name} inside vmap", wanted, "", at_line(), hint))
    args = tuple(map(_parameter, args))
    kwargs = {key: _parameter(x) for key, x in kwargs.items()}
    if not any(isinstance(x, Tensor) for x in (*args, *kwargs.values())):
        return getattr(draw, name)(*args, **kwargs)
    if mode.recorder is not None:
        hint = "a formula of clearprop.ops.random.normal(shape) or uniform(shape), whose state is a Tensor"
        raise mode.recorder.refuse(
            f"random numbers of np.random.{name} would be the same at each call", "", hint
        )
    if name in DRAWN:
        if name not in ("choice", "permutation", "multivariate_normal"):  # NumPy objects to a scale below 0
            getattr(_ASKED, name)(*map(_value, args), **{key: _value(x) for key, x in kwargs.items()})
        return DRAWN[name](draw, *args, **kwargs)
    names = ["x" for _ in args] if name == "shuffle" else [f"parameter {i + 1}" for i in range(len(args))]
    args = tuple(_fixed(name, n, x) for n, x in zip(names, args, strict=True))
    return getattr(draw, name)(*args, **{key: _fixed(name, key, x) for key, x in kwargs.items()})


def _told(name: str, draw: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Draw from a distribution; what NumPy refuses is told."""
    try:
        return _answer(name, draw, args, kwargs)
    except COMPLAINTS as error:
        called = f"np.random.{name}"
        function = NAMES.get(name, getattr(draw, name))
        better = told(f"{called}({', '.join(map(shown, args))})", args, error, form(function, called))
        if better is error:
            raise
        raise better from error


def _method(name: str) -> Any:
    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _told(name, super(type(self).__mro__[_depth(self)], self), args, kwargs)

    return _dressed(answer, name)


def _depth(source: Any) -> int:
    return next(i for i, c in enumerate(type(source).__mro__) if c in (Generator, RandomState))


def _function(name: str) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        return _told(name, np.random, args, kwargs)

    return _dressed(answer, name)


def _dressed(answer: Any, name: str) -> Any:
    """Give a function the name, the words and the parameters of the distribution."""
    model = DRAWN.get(name)
    answer.__name__ = answer.__qualname__ = name
    answer.__doc__ = model.__doc__ if model else f"NumPy's {name}, of the values alone: no gradient."
    if model:
        parameters = list(inspect.signature(model).parameters.values())[1:]
        answer.__signature__ = inspect.Signature(parameters)
    return answer


def _methods(base: type) -> dict[str, Any]:
    names = (name for name in (*DRAWN, *REFUSED) if hasattr(base, name))
    return {
        "__doc__": f"NumPy's {base.__name__}, whose distributions take Tensors.",
        "__module__": __name__,
    } | {name: _method(name) for name in names}


Generator: Any = type("Generator", (np.random.Generator,), _methods(np.random.Generator))
RandomState: Any = type("RandomState", (np.random.RandomState,), _methods(np.random.RandomState))


@functools.wraps(np.random.default_rng)
def default_rng(seed: Any = None) -> Any:
    """Return a generator whose distributions take Tensors; the bits are NumPy's for the same seed.

    >>> scale = Tensor(2.0)
    >>> default_rng(0).normal(1.0, scale, 3).value == np.random.default_rng(0).normal(1.0, 2.0, 3)
    array([ True,  True,  True])
    """
    return Generator(np.random.default_rng(seed).bit_generator)


# Generators have most of them, the module those of old.
NAMES: dict[str, Any] = (
    {name: getattr(np.random, name) for name in np.random.__all__}
    | {name: _function(name) for name in (*DRAWN, *REFUSED) if hasattr(np.random, name)}
    | {"Generator": Generator, "RandomState": RandomState, "default_rng": default_rng}
)
"""What the namespace `clearprop.numpy.random` has, by name."""
