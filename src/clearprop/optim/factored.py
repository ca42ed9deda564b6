"""For matrices: Adafactor, which remembers rows and columns, and Muon, which makes steps orthogonal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.op import describe
from clearprop.optim.group import ParameterGroup, present
from clearprop.optim.optimizer import Optimizer
from clearprop.tensor import Tensor


def adafactor(
    p: Any,
    g: Any,
    *squares: Any,
    step: Any,
    lr: Any,
    beta2_decay: Any = -0.8,
    eps: Any = (None, 1e-3),
    d: Any = 1.0,
    weight_decay: Any = 0.0,
    maximize: bool = False,
) -> tuple[Any, ...]:
    """Return (p, *squares) after one step of Adafactor, whose mean squares are kept by row and by column.

    With b = step^beta2_decay, the share of what is new, rows = (1 - b) rows + b mean_columns(g^2), columns
    likewise, v = rows columns / mean(rows), or v = (1 - b) v + b g^2 for a vector. u = g / sqrt(v), divided
    by max(1, rms(u) / d); p = (1 - lr weight_decay) p - max(eps_2, rms(p)) min(lr, 1 / sqrt(step)) u. Means
    and roots are eps_1 at least, for None the smallest difference from 1 in the dtype of p. Source: Shazeer
    and Stern, "Adafactor", 2018, with lr as PyTorch has it.

    >>> adafactor(np.array([1.0]), np.array([4.0]), np.zeros(1), step=1.0, lr=0.1)[0]
    array([0.9])
    """
    if maximize:
        g = -g
    fresh = step**beta2_decay
    tiny, least = eps
    tiny = float(np.finfo(p.dtype).eps) if tiny is None else tiny
    rate = np.maximum(least, _rms(p)) * np.minimum(lr, 1.0 / step**0.5).astype(p.dtype)
    if present(weight_decay):
        p = p * (1.0 - lr * weight_decay)
    square = g * g
    if len(squares) == 2:
        rows, columns = (
            s + fresh * (np.mean(square, axis=axis, keepdims=True) - s)
            for s, axis in zip(squares, (-1, -2), strict=True)
        )
        v = rows / np.maximum(np.mean(rows, axis=-2, keepdims=True), tiny) @ columns
        squares = rows, columns
    else:
        v = squares[0] + fresh * (square - squares[0])
        squares = (v,)
    u = g / np.maximum(np.sqrt(v), tiny)
    return p - rate * u / np.maximum(1, _rms(u) / d), *squares


def _rms(x: Any) -> Any:
    return np.sqrt(np.mean(x * x))


class Adafactor(Optimizer):
    """Adafactor: of a matrix (n, m) it remembers n + m numbers; see `adafactor`.

    >>> from clearprop import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = Adafactor([w], lr=0.1)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> round(w[0].item(), 6)
    0.814182
    """

    formula: Any = staticmethod(adafactor)
    pairs: bool = False
    ways: ClassVar[dict[str, Any]] = {"foreach": None}
    limits: ClassVar[dict[str, tuple[float, float]]] = {
        "lr": (0.0, math.inf),
        "beta2_decay": (-math.inf, 0.0),
        "d": (1.0, math.inf),
        "weight_decay": (0.0, math.inf),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "beta2_decay": beta2_decay, "eps": eps, "d": d}
        super().__init__(params, options | {"weight_decay": weight_decay, "maximize": maximize})

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the names of all that may be remembered."""
        return ("row_var", "col_var", "variance")

    def remembered(self, group: ParameterGroup, p: Tensor) -> tuple[str, ...]:
        """Return the names for this parameter: rows and columns of a matrix, all entries of a vector."""
        return ("row_var", "col_var") if p.ndim > 1 else ("variance",)

    def start(self, name: str, group: ParameterGroup, p: Tensor) -> Any:
        """Return zeros: a column of them, a row of them, or as many as the parameter has."""
        shapes = {"row_var": (*p.shape[:-1], 1), "col_var": (*p.shape[:-2], 1, *p.shape[-1:])}
        return np.zeros(shapes.get(name, p.shape), p.dtype)


def muon(
    p: Any,
    g: Any,
    buffer: Any,
    *,
    lr: Any,
    weight_decay: Any = 0.1,
    momentum: Any = 0.95,
    nesterov: bool = True,
    ns_coefficients: Any = (3.4445, -4.775, 2.0315),
    eps: Any = 1e-7,
    ns_steps: Any = 5,
    adjust_lr_fn: str | None = None,
) -> tuple[Any, ...]:
    """Return (p, buffer) after one step: p = (1 - lr weight_decay) p - lr' orthogonal(buffer).

    buffer = momentum buffer + (1 - momentum) g, with `nesterov` mixed with g once more; `orthogonalised`
    makes its singular values about 1. lr' is lr sqrt(max(1, rows / columns)), or with `match_rms_adamw` lr
    0.2 sqrt(max(rows, columns)). Axes after the second count as columns. Source: Jordan et al., "Muon", 2024.

    >>> muon(np.eye(2), np.eye(2), np.zeros((2, 2)), lr=0.1, weight_decay=0.0)[0].diagonal() < 0.95
    array([ True,  True])
    """
    buffer = buffer + (1.0 - momentum) * (g - buffer)
    direction = g + momentum * (buffer - g) if nesterov else buffer
    rows, columns = p.shape[0], math.prod(p.shape[1:])
    direction = orthogonalised(direction.reshape(rows, columns), ns_coefficients, eps, int(ns_steps))
    wide = adjust_lr_fn == "match_rms_adamw"
    factor = 0.2 * math.sqrt(max(rows, columns)) if wide else math.sqrt(max(1.0, rows / columns))
    if present(weight_decay):
        p = p * (1.0 - lr * weight_decay)
    return p - lr * factor * direction.reshape(p.shape), buffer


def orthogonalised(x: Any, coefficients: Any, eps: Any, steps: int) -> Any:
    """Return x with its singular values brought near 1, by `steps` of x = a x + (b xx^T + c (xx^T)^2) x.

    >>> u, s, v = np.linalg.svd(orthogonalised(np.diag([3.0, 1.0]), (3.4445, -4.775, 2.0315), 1e-7, 5))
    >>> bool(np.all((s > 0.6) & (s < 1.3)))
    True
    """
    if x.dtype.itemsize < 4:  # squares of entries below 2e-4 are 0 in float16
        return orthogonalised(x.astype(np.float32), coefficients, eps, steps).astype(x.dtype)
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / np.maximum(np.sqrt(np.sum(x * x)), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


class Muon(Optimizer):
    """Muon: momentum made orthogonal, for the matrices of a network's hidden layers; see `muon`.

    Vectors are refused: they belong to another optimizer, such as AdamW. PyTorch rounds the products to
    bfloat16, here they have the parameter's own dtype.

    >>> from clearprop import nn
    >>> layer = nn.Linear(3, 2, bias=False)
    >>> optimizer = Muon(layer.parameters(), lr=0.5, weight_decay=0.0)
    >>> before = layer.weight.value
    >>> layer(np.ones((1, 3), np.float32)).sum().backward()
    >>> optimizer.step()
    >>> bool(np.all(layer.weight.value < before))
    True
    """

    formula: Any = staticmethod(muon)
    pairs: bool = False
    ways: ClassVar[dict[str, Any]] = {}
    rounds: tuple[str, ...] = ("ns_steps",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            wanted = "is None, 'original' or 'match_rms_adamw'"
            raise ValueError(lesson("Muon(adjust_lr_fn=)", wanted, f"{adjust_lr_fn!r}"))
        options: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        options |= {
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
        }
        super().__init__(params, options | {"adjust_lr_fn": adjust_lr_fn})

    def add_param_group(self, entry: Mapping[str, Any]) -> None:
        """Add matrices with options of their own; raises ValueError for a vector."""
        params = entry["params"]
        entry = {**entry, "params": [params] if isinstance(params, Tensor) else list(params)}
        for p in entry["params"]:
            if isinstance(p, Tensor) and p.ndim < 2:
                hint = "AdamW for vectors, and Muon for the matrices"
                raise ValueError(lesson("Muon(params)", "wants matrices", describe(p), hint=hint))
        super().add_param_group(entry)

    def slots(self, group: ParameterGroup) -> tuple[str, ...]:
        """Return the name of the momentum's buffer."""
        return ("momentum_buffer",)

    def counts(self, group: ParameterGroup) -> bool:
        """Muon does not ask how many steps were taken."""
        return False
