"""SparseAdam: Adam for tables of which a step reads a few rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from clearprop.optim.adam import adam
from clearprop.optim.group import ParameterGroup
from clearprop.optim.optimizer import Optimizer


def sparse_adam(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    *,
    step: Any,
    lr: Any,
    betas: Any = (0.9, 0.999),
    eps: Any = 1e-8,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, m, v) after a step of `adam` for the rows whose gradient is not all 0; the others stay.

    A row is what lies at one index of the first axis: a vector of an `Embedding`. `step` counts all steps,
    and `eps` is added to sqrt(v) before v is corrected for them, as in PyTorch.

    >>> g = np.array([[4.0, 0.0], [0.0, 0.0]])
    >>> p, m, v = sparse_adam(np.ones((2, 2)), g, *np.ones((2, 2, 2)), step=1.0, lr=0.1)
    >>> p[1], m[1], v[1]
    (array([1., 1.]), array([1., 1.]), array([1., 1.]))
    """
    read = np.abs(g)
    if len(g.shape) > 1:
        read = np.max(read, axis=tuple(range(1, len(g.shape))), keepdims=True)
    eps = eps / (1.0 - betas[1] ** step) ** 0.5
    new = adam(p, g, m, v, step=step, lr=lr, betas=betas, eps=eps, maximize=maximize)
    still = read == 0  # a NaN is not 0: it goes on, and shows
    return tuple(np.where(still, old, moved) for old, moved in zip((p, m, v), new, strict=True))


class SparseAdam(Optimizer):
    """Adam that moves only the rows that a step read, and only their memory; see `sparse_adam`.

    PyTorch's takes sparse gradients, which name the rows that were looked up. Gradients here are dense, so a
    row counts as read where its gradient is not exactly 0: the two differ in rows that were looked up and got
    a gradient of exactly 0, which PyTorch moves by what it remembers of them.

    >>> from clearprop import Tensor
    >>> w = Tensor([[1.0], [1.0]])
    >>> optimizer = SparseAdam([w], lr=0.1)
    >>> w[0].sum().backward()
    >>> optimizer.step()
    >>> w.value.round(6)
    array([[0.9],
           [1. ]])
    """

    formula: Any = staticmethod(sparse_adam)
    pairs: bool = False
    ways: ClassVar[dict[str, Any]] = {}
    optional: tuple[str, ...] = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of the running means."""
        return ("exp_avg", "exp_avg_sq")
