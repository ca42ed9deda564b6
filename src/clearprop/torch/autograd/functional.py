"""`torch.autograd.functional`: Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop.errors import at_line, lesson
from clearprop.torch.autograd.pulled import grad
from clearprop.torch.gradients import enable_grad
from clearprop.torch.names import PLAIN
from clearprop.torch.shaping import stack
from clearprop.torch.tensors import Tensor


def _called(f: Callable[..., Any], inputs: Any) -> tuple[Any, list[Any], bool]:
    """Return f's result for leaves of its own, those leaves, and whether one input was given."""
    alone = isinstance(inputs, Tensor)
    given = [inputs] if alone else list(inputs)
    leaves = [x.clone() if x.requires_grad else x.detach().clone().requires_grad_() for x in given]
    return f(*leaves), leaves, alone


def refuse_strict(name: str, strict: bool) -> None:
    """Refuse to look whether each output depends on each input: where it does not, the answer has zeros."""
    if strict:
        called, hint = f"{name}(strict=True)", "strict=False, and a look at the zeros"
        wanted = "gives zeros where an output does not depend on an input"
        raise NotImplementedError(lesson(called, wanted, "strict=True", at_line(), hint))


@enable_grad()
def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the derivatives of every output entry by every input entry: shape (*output, *input)."""
    refuse_strict("torch.autograd.functional.jacobian", strict)
    output, leaves, alone = _called(func, inputs)
    if isinstance(output, tuple):
        return tuple(
            jacobian(lambda *xs, i=i: func(*xs)[i], inputs, create_graph) for i in range(len(output))
        )
    rows = [_row(entry, leaves, create_graph) for entry in output.reshape(-1)]
    shapes = [(*output.shape, *x.shape) for x in leaves]
    found = tuple(stack([row[i] for row in rows]).reshape(shape) for i, shape in enumerate(shapes))
    return found[0] if alone else found


def _row(entry: Any, leaves: Any, create_graph: bool) -> list[Any]:
    """Return the gradients of one output entry, zeros where it does not depend on a leaf."""
    if not entry.requires_grad:
        return _or_zeros((None,) * len(leaves), leaves)
    return _or_zeros(grad(entry, leaves, create_graph=create_graph, allow_unused=True), leaves)


def _or_zeros(gradients: Any, leaves: Any) -> list[Any]:
    return [
        PLAIN["zeros"](*x.shape, dtype=x.dtype) if g is None else g
        for g, x in zip(gradients, leaves, strict=True)
    ]


@enable_grad()
def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the second derivatives of one number by every pair of input entries."""
    refuse_strict("torch.autograd.functional.hessian", strict)
    alone = isinstance(inputs, Tensor)

    def slopes(*xs: Any) -> Any:
        found = _or_zeros(grad(func(*xs), xs, create_graph=True, allow_unused=True), xs)
        return found[0] if alone else tuple(found)

    return jacobian(slopes, inputs, create_graph)


@enable_grad()
def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return f(x) and the product of v with the Jacobian: what a backward pass sends from v."""
    refuse_strict("torch.autograd.functional.vjp", strict)
    output, leaves, alone = _called(func, inputs)
    found = _or_zeros(grad(output, leaves, v, create_graph=create_graph, allow_unused=True), leaves)
    return output if create_graph else output.detach(), found[0] if alone else tuple(found)


@enable_grad()
def jvp(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return f(x) and the product of the Jacobian with v: the slope of f in the direction v."""
    refuse_strict("torch.autograd.functional.jvp", strict)
    output, leaves, _alone = _called(func, inputs)
    seed = PLAIN["zeros"](*output.shape, dtype=output.dtype).requires_grad_()
    back = _or_zeros(grad(output, leaves, seed, create_graph=True, allow_unused=True), leaves)
    directions = [v] if isinstance(v, Tensor) else list(v)
    total = sum((g * d).sum() for g, d in zip(back, directions, strict=True))
    (found,) = grad(total, seed, create_graph=create_graph, allow_unused=True)
    return output if create_graph else output.detach(), found


@enable_grad()
def hvp(
    func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return f(x) and the product of the Hessian with v."""
    refuse_strict("torch.autograd.functional.hvp", strict)
    output, leaves, alone = _called(func, inputs)
    slopes = _or_zeros(grad(output, leaves, create_graph=True, allow_unused=True), leaves)
    directions = [v] if isinstance(v, Tensor) else list(v)
    total = sum((g * d).sum() for g, d in zip(slopes, directions, strict=True))
    found = _or_zeros(grad(total, leaves, create_graph=create_graph, allow_unused=True), leaves)
    return output.detach(), found[0] if alone else tuple(found)


vhp = hvp
