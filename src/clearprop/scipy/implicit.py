"""The implicit function theorem: what solves an equation, differentiated by what the equation depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.backward import as_number
from clearprop.batch import BatchTensor
from clearprop.errors import GradientError, at_line, lesson
from clearprop.modes import Block, enable_grad, mode
from clearprop.op import Op
from clearprop.ops.shape import constant
from clearprop.tensor import Tensor
from clearprop.transforms.checkpointing import Again, Noting, constant_leaf
from clearprop.transforms.inner import Inner

Residual = Callable[[Any], Any]
_CLOSE = 1e-4  # how far a solution may be from where the next step leads


def reached(f: Residual, x: Any) -> dict[Tensor, Tensor]:
    """Return the Tensors by which `f(x)` has a gradient beside `x`, and what stands for each."""
    if not mode.grad_enabled:
        return {}
    noting = Noting()
    with Block(observer=noting, grad_enabled=False):
        f(constant_leaf(x))
    return noting.reached


def needs_gradient(x: Any) -> bool:
    """Return whether one of the leaves of a tree is a Tensor by which there would be a gradient."""
    found = tree.leaves(x)
    return mode.grad_enabled and any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in found)


def refuse_recording(called: str) -> None:
    """Raise where a step is being recorded or mapped: how often the function is called depends on values."""
    observer = mode.observer
    if observer is not None and (observer.records or observer.batches):
        wanted = (
            "calls its function as often as the values ask for, which a recorded step or vmap cannot know"
        )
        hint = "it outside of the step, or fori_loop with a fixed number of turns of your own method"
        raise TypeError(lesson(called, wanted, "", at_line(), hint))


def implicit(called: str, residual: Residual, x: Any, trouble: str = "") -> Any:
    """Return the vector `x`, for which residual(x) = 0, with its gradients by what the residual depends on.

    From F(x, p) = 0 follows dx/dp = -(dF/dx)^-1 dF/dp. The rule solves one system with the transpose of dF/dx
    and pulls through F, at the solution itself, so that it is right to any order. Without anything to
    differentiate by, `x` is returned as it is. `trouble` is what the solver says where it has not converged:
    there is no gradient then, unless `x` is a solution all the same, by the length of one more step.
    """
    found = reached(residual, x)
    if not found:
        return x
    return _op(*found.values(), equation=_Equation(called, residual, x, [*found], trouble))


class _Equation:
    """An equation, its solution, and the Tensors that it reads by name."""

    def __init__(
        self, called: str, residual: Residual, x: Any, names: list[Tensor], trouble: str = ""
    ) -> None:
        self.called, self.residual, self.x, self.names, self.trouble = called, residual, x, names, trouble
        self.latest: tuple[Any, Any, list[Any]] | None = None

    def __repr__(self) -> str:
        return self.called

    def gradient(self, i: int, g: Any, z: Any, xs: tuple[Any, ...]) -> Any:
        """Return the gradient by input `i`: those by all are computed when the first is asked for."""
        if self.latest is None or self.latest[0] is not g or self.latest[1] is not z:
            self.latest = g, z, self._pulled(g, z, list(xs))
        found = self.latest[2]
        d, found[i] = found[i], None
        if all(x is None for x in found):
            self.latest = None
        return d

    def _pulled(self, g: Any, z: Any, xs: list[Any]) -> list[Any]:
        levels = mode.observer.batches if mode.observer is not None else ()
        several = any(isinstance(x, BatchTensor) for x in (z, *xs))
        with levels[0].outside if levels and not several else Block(), enable_grad():
            inner = Inner(self._again, [z, *xs])
            y = inner.output
            if not isinstance(y, Tensor) or not y.requires_grad:
                raise self._singular()
            rows = inner.pull_all([y], [np.eye(y.size, dtype=y.dtype)])[0]
        if self.trouble:
            self._refuse_far(constant(rows), constant(y))
        with enable_grad():
            try:
                sent = np.linalg.solve(rows.T, -g)
            except np.linalg.LinAlgError as error:
                raise self._singular() from error
            found = inner.pull({y: sent})[1:]
        for leaf in inner.lifted:
            leaf.requires_grad = False
        return [as_number(d) for d in found]

    def _again(self, given: list[Tensor]) -> Any:
        again = Again(self.called, dict(zip(self.names, given[1:], strict=True)), ())
        again.inside.update(given)
        with Block(observer=again):
            return self.residual(given[0])

    def _refuse_far(self, rows: Any, y: Any) -> None:
        """Raise where a step of Newton's would lead elsewhere: at no solution the theorem says nothing."""
        step = np.linalg.lstsq(rows, y)[0]
        if not np.all(np.abs(step) <= _CLOSE * (1 + np.abs(self.x))):
            hint = "more iterations, another start, or `with no_grad():` around it where numbers are wanted"
            wanted = "has no gradient where it has not converged"
            raise GradientError(lesson(self.called, wanted, self.trouble, at_line(), hint))

    def _singular(self) -> GradientError:
        wanted = "has no gradient where the equation does not determine the solution"
        return GradientError(lesson(self.called, wanted, "a singular matrix of derivatives by it", at_line()))


_op = Op(
    "solution",
    lambda *xs, equation: equation.x,
    variadic_rule=lambda i, g, z, *xs, equation: equation.gradient(i, g, z, xs),
    arity=None,
    defaults={"equation": None},
)
