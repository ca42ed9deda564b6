"""`torch.autograd`: gradients as values, and functions whose backward pass is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clearprop.torch.autograd import functional
from clearprop.torch.autograd.function import Function
from clearprop.torch.autograd.pulled import grad
from clearprop.torch.tensors import Tensor


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """Return a tensor as it is, which a Variable is since PyTorch 0.4; or one that needs a gradient."""
    return data.detach().requires_grad_() if requires_grad else data


def backward(tensors: Any, grad_tensors: Any = None, **how: Any) -> None:
    """Give a gradient to every leaf that led to these tensors."""
    outputs = [tensors] if isinstance(tensors, Tensor) else list(tensors)
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


def gradcheck(
    f: Any, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, **_: Any
) -> bool:
    """Tell that the gradients of f agree with numerical ones; RuntimeError where they do not."""
    from clearprop.check import gradcheck as checked
    from clearprop.torch.tensors import lift

    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    report = checked(lambda *nodes: f(*map(lift, nodes)).sum().node, *(x.node._value for x in given))
    if not report:
        raise RuntimeError(str(report))
    return True


__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "functional",
    "grad",
    "gradcheck",
]
