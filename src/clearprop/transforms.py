"""Functions made of functions: `grad(f)` and `value_and_grad(f)`, which leave every `.grad` alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from clearprop.errors import GradientError, lesson
from clearprop.inner import Inner
from clearprop.modes import enable_grad, marks, mode
from clearprop.op import describe
from clearprop.tensor import Tensor

P = ParamSpec("P")


def value_and_grad(f: Callable[P, Any], argnums: int | tuple[int, ...] = 0) -> Callable[P, Any]:
    """Return a function that gives `f`'s value and its gradient by the arguments numbered `argnums`.

    The arguments are arrays, numbers or Tensors; `f` must return one number. A result that depends on a
    Tensor that needs a gradient is a Tensor and passes gradients on to it: to another `grad`'s argument, to
    the parameters of a model that `f` calls, to any Tensor in `f`'s closure. So gradients of gradients work
    to any order. Other results are arrays, or Tensors where an argument is one. Inside `no_grad()` everything
    outside of `f` counts as numbers.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    (np.float64(9.0), array([ 3., 12.]))
    >>> w = Tensor(2.0)
    >>> slope = value_and_grad(lambda x: w * x**2)(3.0)[1]
    >>> slope.backward()
    >>> slope.value, w.grad
    (np.float64(12.0), np.float64(6.0))
    """
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        if mode.grad_enabled:
            value, *found = _pulled(f, chosen, args, kwargs, constant=False)
        else:  # no_grad() around grad(f): all that is outside of `f` is numbers
            with enable_grad():
                value, *found = _pulled(f, chosen, args, kwargs, constant=True)
        return value, (tuple(found) if isinstance(argnums, tuple) else found[0])

    return both


def grad(f: Callable[P, Any], argnums: int | tuple[int, ...] = 0) -> Callable[P, Any]:
    """Return the function that computes the gradient of `f` by the arguments numbered `argnums`.

    It gives arrays, or Tensors where the gradient depends on Tensors: see `value_and_grad`.

    >>> import numpy as np
    >>> grad(np.tanh)(0.0), grad(grad(np.sin))(1.0) == -np.sin(1.0)
    (np.float64(1.0), np.True_)
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def _pulled(
    f: Callable[..., Any], chosen: tuple[int, ...], args: Any, kwargs: Any, constant: bool
) -> list[Any]:
    """Return the value of `f` and its gradients by the chosen arguments."""
    before = marks.left
    inner = Inner(f, chosen, args, kwargs, constant)
    output = inner.output
    if not isinstance(output, Tensor):
        if marks.left != before:
            raise _lost(f)
        output = Tensor(output, requires_grad=False)
    if output.size != 1:
        raise ValueError(
            lesson(
                f"grad({getattr(f, '__name__', 'f')})",
                "wants a function that returns one number",
                f"it returned {describe(output)}",
                hint="a sum or mean of the output",
            )
        )
    found = inner.pull({output: _one(output._value)} if output.requires_grad else {})
    return inner.results(output, *found)


def _one(value: Any) -> Any:
    return np.ones(value.shape, value.dtype) if value.shape else value.dtype.type(1)


def _lost(f: Callable[..., Any]) -> GradientError:
    return GradientError(
        lesson(
            f"grad({getattr(f, '__name__', 'f')})",
            "wants a function of arrays",
            "it made Python numbers of its Tensors, which no gradient passes",
            hint="np.sin(x) for math.sin(x), and x itself for float(x) or x.item()",
        )
    )
