"""`torch.autograd`: gradients as values, and functions whose backward pass is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.torch.autograd import functional
from clearprop.torch.autograd.function import Function
from clearprop.torch.autograd.pulled import grad
from clearprop.torch.gradients import enable_grad, inference_mode, no_grad, set_grad_enabled
from clearprop.torch.tensors import Tensor, lift, nearest


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """Return a tensor as it is, which a Variable is since PyTorch 0.4; or one that needs a gradient.

    >>> import clearprop.torch as torch
    >>> Variable(torch.ones(2), requires_grad=True).requires_grad
    True
    """
    return data.detach().requires_grad_() if requires_grad else data


def backward(tensors: Any, grad_tensors: Any = None, **how: Any) -> None:
    """Give a gradient to every leaf that led to these tensors.

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    outputs = _listed(tensors)
    seeds: Sequence[Any] = (
        grad_tensors if isinstance(grad_tensors, (list, tuple)) else [grad_tensors] * len(outputs)
    )
    for output, seed in zip(outputs, seeds, strict=True):
        output.backward(seed, **how)


class detect_anomaly:
    """A block in which the first NaN stops the program where it is born: `clearprop.watch`."""

    def __init__(self, check_nan: bool = True) -> None:
        from clearprop.check import watch

        self._watch = watch()

    def __enter__(self) -> None:
        self._watch.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._watch.__exit__(*error)


class set_detect_anomaly(detect_anomaly):
    """The same from here on, or in a block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(check_nan)
        global _watching
        before, _watching = _watching, self if mode else None
        if before is not None:
            before._watch.__exit__(None, None, None)
        if mode:
            self._watch.__enter__()

    def __enter__(self) -> None:
        """It has begun."""

    def __exit__(self, *error: Any) -> None:
        if _watching is self:
            set_detect_anomaly(False)


_watching: set_detect_anomaly | None = None


def gradcheck(
    f: Any,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **_: Any,
) -> bool:
    """Tell that the gradients of f agree with numerical ones; RuntimeError where they do not.

    The outputs are added up with weights of which no two are alike, and the check's own steps and tolerances
    stand for `eps`, `atol` and `rtol`. False in the place of the error without `raise_exception`.

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, (x,))
    True
    """
    from clearprop.check import gradcheck as checked

    given = _listed(inputs)

    def weighed(*nodes: Any) -> Any:
        value = f(*map(lift, nodes))
        return sum((z * _uneven(z)).sum() for z in _listed(value)).node

    arrays, name = [x.node._value for x in given], getattr(f, "__name__", "f")
    report = checked(weighed, *arrays, raise_on_failure=False, name=name)
    if not report and raise_exception:
        raise RuntimeError(str(report))
    return bool(report)


def _listed(x: Any) -> list[Tensor]:
    return [x] if isinstance(x, Tensor) else list(x)


def _uneven(x: Tensor) -> Tensor:
    """Return weights of the shape of x, of which no two are alike: a sum by them forgets no entry."""
    return lift(np.cos(np.arange(1.0, x.numel() + 1)).reshape(x.shape)).to(x.dtype)


def gradgradcheck(f: Any, inputs: Any, grad_outputs: Any = None, **how: Any) -> bool:
    """Tell that the gradients of f's gradients agree with numerical ones; RuntimeError where they do not.

    >>> import clearprop.torch as torch
    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(torch.sin, (x,))
    True
    """
    given = _listed(inputs)
    sent = [grad_outputs] if isinstance(grad_outputs, Tensor) else grad_outputs

    def slopes(*xs: Any) -> Any:
        xs = tuple(x if x.requires_grad else x.detach().requires_grad_() for x in xs)
        with enable_grad():
            value = f(*xs)
            values = _listed(value)
            seeds = sent or [_uneven(z) for z in values]
            found = grad(values, xs, seeds, create_graph=True, allow_unused=True)
        return sum((g * _uneven(g)).sum() for g in found if g is not None)

    return gradcheck(slopes, given, **how)


_WANTED = {
    "graph": ("what a graph has saved are its nodes", "loss.node, and clearprop.draw of it"),
    "profiler": ("nothing is measured by name here", "Python's cProfile, or clearprop's step.explain()"),
    "forward_ad": ("slopes forward are those of torch.func", "torch.func.jvp(f, (x,), (v,))"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    wanted, hint = _WANTED.get(name, ("there is no such name", nearest(name, __all__)))
    raise AttributeError(lesson(f"torch.autograd.{name}", wanted, hint=hint))


__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
