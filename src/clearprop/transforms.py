"""Functions made of functions: `grad(f)` and `value_and_grad(f)`, which leave every `.grad` alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.errors import GradientError, lesson
from clearprop.graph import topological_order
from clearprop.modes import enable_grad, marks, mode
from clearprop.op import describe
from clearprop.tensor import Tensor


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives `f`'s value and its gradient by the arguments numbered `argnums`.

    The arguments are arrays, numbers or Tensors; `f` must return one number. Called with arrays it returns
    arrays; called with Tensors (as by another `grad`) it returns Tensors, so gradients of gradients work to
    any order.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    (np.float64(9.0), array([ 3., 12.]))
    """
    chosen = argnums if isinstance(argnums, tuple) else (argnums,)

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        if not mode.grad_enabled:  # no_grad() around grad(f): numbers are wanted, not a graph of theirs
            with enable_grad():
                value, found = both(*args, **kwargs)
            if isinstance(found, tuple):
                return _detached(value), tuple(map(_detached, found))
            return _detached(value), _detached(found)
        outside = any(isinstance(a, Tensor) for a in args)
        recording = mode.observer is not None and mode.observer.remembers
        inner = list(args)
        for i in chosen:
            inner[i] = args[i] if isinstance(args[i], Tensor) and args[i].requires_grad else _lift(args[i])
            if isinstance(args[i], Tensor) and inner[i] is args[i]:
                inner[i] = args[i] * 1  # a node of its own: the same Tensor may come in twice
        before = marks.left
        output = f(*inner, **kwargs)
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
        graph = outside or recording
        grads: dict[Tensor, Any] = {}
        if output.requires_grad:
            order = topological_order(output, tracked=True)
            grads = propagate(order, {output: np.ones(output.shape, output.dtype)[()]}, create_graph=graph)
        found = tuple(_found(grads.get(inner[i]), inner[i], graph) for i in chosen)
        value = output if graph else output._value
        return value, (found if isinstance(argnums, tuple) else found[0])

    both.returns_arrays = True  # type: ignore[attr-defined]  # given arrays; a recorder asks
    return both


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return the function that computes the gradient of `f` by the arguments numbered `argnums`.

    >>> import numpy as np
    >>> grad(np.tanh)(0.0), grad(grad(np.sin))(1.0) == -np.sin(1.0)
    (np.float64(1.0), np.True_)
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    gradient.returns_arrays = True  # type: ignore[attr-defined]
    return gradient


def _lost(f: Callable[..., Any]) -> GradientError:
    return GradientError(
        lesson(
            f"grad({getattr(f, '__name__', 'f')})",
            "wants a function of arrays",
            "it made Python numbers of its Tensors, which no gradient passes",
            hint="np.sin(x) for math.sin(x), and x itself for float(x) or x.item()",
        )
    )


def _lift(x: Any) -> Tensor:
    if isinstance(x, Tensor):
        leaf = Tensor(0.0)
        leaf._value = x._value
        return leaf
    return Tensor(x)


def _detached(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def _found(g: Any, x: Tensor, graph: bool) -> Any:
    if g is None:
        g = np.zeros(x.shape, x.dtype)[()]
    if graph:
        return g if isinstance(g, Tensor) else Tensor(g, requires_grad=False)
    return g
