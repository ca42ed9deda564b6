"""`torch.autograd.Function`: an op whose forward and backward passes are written with tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop import modes
from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.op import Op
from clearprop.torch import cells
from clearprop.torch.tensors import Node, Tensor, kept_apart, lift


class Context:
    """What `forward` leaves for `backward`."""

    saved_tensors: tuple[Any, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()
    flat: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for the backward pass."""
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient."""
        self.flat = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Raise NotImplementedError: inputs are not written to."""
        hint = "a new tensor as the output"
        raise NotImplementedError(lesson("ctx.mark_dirty(x)", "a Function writes to no input", hint=hint))

    def set_materialize_grads(self, value: bool) -> None:
        """Gradients that are 0 arrive as zeros."""


class Function:
    """An op of your own: `forward(ctx, *inputs)` and `backward(ctx, *gradients)`, called by `apply`.

    >>> import clearprop.torch as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    forward: Any
    backward: Any
    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute the outputs, which remember how to be differentiated."""
        if mode.recorder is not None:
            wanted = "cannot be written down: its backward pass is known by its numbers alone"
            raise mode.recorder.refuse(wanted, f"{cls.__name__}.apply", "clearprop.define for an op")
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        with modes.no_grad():
            if cls.setup_context is None:
                outputs = cls.forward(ctx, *args)
            else:
                outputs = cls.forward(*args)
                cls.setup_context(ctx, args, outputs)
        several = isinstance(outputs, tuple)
        results = list(outputs) if several else [outputs]
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        nodes = kept_apart(*(args[i] for i in places))
        if mode.grad_enabled and any(ctx.needs_input_grad):
            results = [
                x if any(x is y for y in ctx.flat) else _remembering(cls, ctx, nodes, places, results, j)
                for j, x in enumerate(results)
            ]
        return tuple(results) if several else results[0]


def _remembering(cls: type[Function], ctx: Context, nodes: Any, places: Any, results: Any, j: int) -> Any:
    """Return output j as what an op of all inputs computed."""
    values = [x.node._value for x in results]
    saved, number_of = ctx.saved_tensors, {id(x): k for k, x in enumerate(results)}
    latest: list[Any] = [None, ()]

    def as_computed(x: Any, inputs: Any) -> Any:
        """An output that was saved is a function of the inputs too, for gradients of gradients."""
        k = number_of.get(id(x))
        return x if k is None else _remembering(cls, ctx, inputs, places, results, k)

    def rule(i: int, g: Any, z: Any, *xs: Any) -> Any:
        if latest[0] is not g:
            given = [
                lift(g if isinstance(g, Node) else cells.leaf(g)) if k == j else lift(np.zeros_like(v))
                for k, v in enumerate(values)
            ]
            if any(isinstance(x, Node) for x in (g, *xs)):
                ctx.saved_tensors = tuple(as_computed(x, nodes) for x in saved)
            try:
                answer = cls.backward(ctx, *given)
            finally:
                ctx.saved_tensors = saved
            latest[:] = g, answer if isinstance(answer, tuple) else (answer,)
        d = latest[1][places[i]]
        if d is None:
            return None
        return d.node if any(isinstance(x, Node) for x in (g, *xs)) else d.node._value

    op = Op(cls.__name__, lambda *xs: np.asarray(values[j]), variadic_rule=rule, arity=None)
    found = op(*nodes)
    return lift(found, f"{cls.__name__}Backward")
