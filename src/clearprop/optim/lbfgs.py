"""L-BFGS: steps along an estimate of Newton's direction, from the latest changes of the gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import mode
from clearprop.optim.group import working_dtype
from clearprop.optim.optimizer import Optimizer
from clearprop.record import assign


@dataclass
class Point:
    """A place on the line of a search: how far along, the loss, its gradient, the slope along the line."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


class LBFGS(Optimizer):
    """Limited-memory BFGS for one group of parameters: `step(closure)` runs up to `max_iter` iterations.

    The direction is -H g, H built from the latest `history_size` pairs (change of parameters, change of
    gradient); the step along it is `lr`, or found with `line_search_fn="strong_wolfe"`. It stops where no
    entry of the gradient is above `tolerance_grad`, or the step or the loss changes by less than
    `tolerance_change`. It counts in Python, so it cannot be recorded itself: its closure can be a compiled
    step. Source: Nocedal and Wright, "Numerical optimization", 2006, chapters 3 and 7.

    >>> from clearprop import Tensor
    >>> w = Tensor([3.0, -2.0])
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 4).sum()
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(5):
    ...     loss = optimizer.step(closure)
    >>> w.value.round(2)
    array([1., 1.])
    """

    optional: tuple[str, ...] = ()
    rounds: tuple[str, ...] = ("max_iter", "max_eval", "history_size")
    bookkeeping: Any = (*Optimizer.bookkeeping, "memory")

    ways: ClassVar[dict[str, Any]] = {}
    pairs: bool = False

    @staticmethod
    def formula(*_: Any) -> Any:
        """L-BFGS is no formula of one parameter alone."""
        raise NotImplementedError

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            wanted = "is None or 'strong_wolfe'"
            raise ValueError(lesson("LBFGS(line_search_fn=)", wanted, f"{line_search_fn!r}"))
        options: dict[str, Any] = {"lr": lr, "max_iter": max_iter}
        options |= {"max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        options |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, options | {"history_size": history_size, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError(lesson("LBFGS(params)", "wants one group", f"{len(self.param_groups)}"))
        self.memory: dict[str, Any] = _nothing()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Go up to `max_iter` iterations; return the loss that the closure gave at first.

        Raises ValueError without a closure, RuntimeError inside a compiled step.
        """
        if closure is None:
            hint = "def closure(): optimizer.zero_grad(); loss = ...; loss.backward(); return loss"
            raise ValueError(lesson("LBFGS.step()", "wants a closure that computes the loss", hint=hint))
        if mode.observer is not None and mode.observer.records:
            wanted = "LBFGS.step(closure) decides in Python, which a compiled step does not repeat"
            raise mode.observer.refuse(wanted, "", "compile the closure")
        return _Iterations(self, closure).go()

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to go on: options, and the memory of directions and gradients."""
        group = self.param_groups[0]
        options = {name: value for name, value in group.items() if name != "params"}
        numbers = list(range(len(group.params)))
        held = {k: list(v) if isinstance(v, list) else v for k, v in self.memory.items()}
        return {
            "state": {0: held} if self.memory["n_iter"] else {},
            "param_groups": [{**options, "params": numbers}],
            "optimizer": "lbfgs",
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where a state dict was taken; raises ValueError for another optimizer's."""
        groups = state.get("param_groups") or [{}]
        if state.get("optimizer", "lbfgs") != "lbfgs" or "history_size" not in groups[0]:
            got = f"{state.get('optimizer', 'another')}"
            raise ValueError(lesson("LBFGS.load_state_dict(state)", "wants a state of LBFGS", got))
        for name, value in groups[0].items():
            if name in self.defaults:
                self.param_groups[0].schedule(name, value)
        saved = state["state"].get(0, {})
        self.memory = {name: _plain(saved.get(name, value)) for name, value in _nothing().items()}


def _nothing() -> dict[str, Any]:
    empty: dict[str, Any] = {"func_evals": 0, "n_iter": 0, "d": None, "t": None, "H_diag": 1.0}
    return empty | {"old_dirs": [], "old_stps": [], "ro": [], "prev_flat_grad": None, "prev_loss": None}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if hasattr(value, "detach"):
        value = value.detach().numpy()
    if not isinstance(value, np.ndarray):
        return value
    return value.copy() if value.shape else float(value)  # PyTorch writes into the arrays of its state


class _Iterations:
    """One call of `step`: iterations until something says that it is enough."""

    def __init__(self, optimizer: LBFGS, closure: Callable[[], Any]) -> None:
        self.group, self.memory, self.closure = optimizer.param_groups[0], optimizer.memory, closure
        self.params = self.group.params
        self.evaluations = 0

    def evaluate(self) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient where the parameters are."""
        loss = self.closure()
        self.evaluations += 1
        self.memory["func_evals"] += 1
        grads = [np.zeros(p.shape, p.dtype) if p.grad is None else np.asarray(p.grad) for p in self.params]
        flat = np.concatenate([g.reshape(-1) for g in grads])
        return float(loss), flat.astype(working_dtype(flat.dtype), copy=False)

    def move(self, start: list[Any], t: float, d: np.ndarray) -> None:
        """Put the parameters at start + t d."""
        at = 0
        for p, x in zip(self.params, start, strict=True):
            assign(p, x + (t * d[at : at + p.size]).reshape(p.shape).astype(p.dtype))
            at += p.size

    def go(self) -> Any:
        """Iterate; return the first loss."""
        group, memory = self.group, self.memory
        first, gradient = self.evaluate()
        loss, most = first, group["tolerance_grad"]
        iterations = 0
        while np.max(np.abs(gradient), initial=0) > most and iterations < group["max_iter"]:
            iterations += 1
            memory["n_iter"] += 1
            d = self.direction(gradient)
            before = loss
            memory["prev_flat_grad"], memory["prev_loss"] = gradient, loss
            t = group["lr"]
            if memory["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(np.sum(np.abs(gradient))))
            slope = float(gradient @ d)
            if slope > -group["tolerance_change"]:
                break
            loss, gradient, t = self.advance(iterations, loss, gradient, d, slope, t)
            memory["d"], memory["t"] = d, t
            if self.evaluations >= group["max_eval"] or np.max(np.abs(gradient)) <= most:
                break
            small = group["tolerance_change"]
            if np.max(np.abs(t * d)) <= small or abs(loss - before) < small:
                break
        return first

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """Return -H g by the two loops of chapter 7, having taken the latest change into the memory."""
        memory = self.memory
        if memory["n_iter"] == 1:
            memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -gradient
        y, s = gradient - memory["prev_flat_grad"], memory["d"] * memory["t"]
        curvature = float(y @ s)
        if curvature > 1e-10:
            if len(memory["old_dirs"]) == self.group["history_size"]:
                for name in ("old_dirs", "old_stps", "ro"):
                    memory[name].pop(0)
            memory["old_dirs"].append(y)
            memory["old_stps"].append(s)
            memory["ro"].append(1.0 / curvature)
            memory["H_diag"] = curvature / float(y @ y)
        pairs = list(zip(memory["old_dirs"], memory["old_stps"], memory["ro"], strict=True))
        q, alphas = -gradient, []
        for y, s, rho in reversed(pairs):
            alphas.append(float(s @ q) * rho)
            q = q - alphas[-1] * y
        d = q * memory["H_diag"]
        for (y, s, rho), alpha in zip(pairs, reversed(alphas), strict=True):
            d = d + s * (alpha - float(y @ d) * rho)
        found: np.ndarray = d.astype(gradient.dtype)
        return found

    def advance(
        self, iteration: int, loss: float, gradient: np.ndarray, d: np.ndarray, slope: float, t: float
    ) -> tuple[float, np.ndarray, float]:
        """Go along d; return the loss, the gradient and how far it was."""
        start = [p._value for p in self.params]
        if self.group["line_search_fn"] is None:
            self.move(start, t, d)
            if iteration == self.group["max_iter"]:
                return loss, gradient, t  # nobody asks for the gradient there
            return *self.evaluate(), t

        def at(t: float) -> Point:
            self.move(start, t, d)
            value, g = self.evaluate()
            return Point(t, value, g, float(g @ d))

        here = Point(0.0, loss, gradient, slope)
        left = max(0, int(self.group["max_eval"]) - self.evaluations)
        scale = float(np.max(np.abs(d)))
        found = wolfe(at, here, t, scale, self.group["tolerance_change"], most=left)
        self.move(start, found.t, d)
        return found.loss, found.gradient, found.t


def wolfe(
    at: Callable[[float], Point],
    here: Point,
    t: float,
    scale: float,
    least: float = 1e-9,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    most: int = 25,
) -> Point:
    """Return a place where loss <= loss_0 + c1 t slope_0 and |slope| <= c2 |slope_0|, by cubic interpolation.

    `scale` is the largest entry of the direction: an interval of less than `least` / scale is not divided any
    more. Source: Nocedal and Wright, "Numerical optimization", 2006, algorithms 3.5 and 3.6.

    >>> def at(t):
    ...     return Point(t, (t - 1) ** 2, np.zeros(1), 2 * (t - 1))
    >>> wolfe(at, at(0.0), 3.0, 1.0).t
    1.0
    """

    def good(p: Point) -> bool:
        return abs(p.slope) <= -curvature * here.slope

    before, found, tries = here, at(t), 0
    while tries < most:
        too_high = found.loss > here.loss + decrease * found.t * here.slope
        if too_high or (tries > 0 and found.loss >= before.loss):
            return _zoomed(at, here, [before, found], scale, (least, decrease, curvature), most - tries)
        if good(found):
            return found
        if found.slope >= 0:
            return _zoomed(at, here, [before, found], scale, (least, decrease, curvature), most - tries)
        nearest = found.t + 0.01 * (found.t - before.t)
        t = _cubic(before, found, nearest, found.t * 10)
        before, found, tries = found, at(t), tries + 1
    return _zoomed(at, here, [here, found], scale, (least, decrease, curvature), 0)


def _zoomed(
    at: Callable[[float], Point],
    here: Point,
    ends: list[Point],
    scale: float,
    limits: tuple[float, float, float],
    most: int,
) -> Point:
    """Narrow an interval that holds a good place, down to one; the lower end of what is left otherwise."""
    least, decrease, curvature = limits
    low, high = (0, 1) if ends[0].loss <= ends[-1].loss else (1, 0)
    slow = False
    for _ in range(most):
        if abs(ends[1].t - ends[0].t) * scale < least:
            break
        t = _cubic(ends[0], ends[1], *sorted((ends[0].t, ends[1].t)))
        left, right = sorted((ends[0].t, ends[1].t))
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # too near an end, for the second time or beyond it
            if slow or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                slow = False
            else:
                slow = True
        else:
            slow = False
        found = at(t)
        if found.loss > here.loss + decrease * t * here.slope or found.loss >= ends[low].loss:
            ends[high] = found
            low, high = (0, 1) if ends[0].loss <= ends[1].loss else (1, 0)
            continue
        if abs(found.slope) <= -curvature * here.slope:
            return found
        if found.slope * (ends[high].t - ends[low].t) >= 0:
            ends[high] = ends[low]
        ends[low] = found
    return ends[low]


def _cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Return where the cubic through two values and slopes is least, within [low, high]; else the middle."""
    p, q = (a, b) if a.t <= b.t else (b, a)
    if p.t == q.t:
        return (low + high) / 2
    d = p.slope + q.slope - 3 * (p.loss - q.loss) / (p.t - q.t)
    inside = d * d - p.slope * q.slope
    if not inside >= 0:
        return (low + high) / 2
    root = math.sqrt(inside)
    t = q.t - (q.t - p.t) * ((q.slope + root - d) / (q.slope - p.slope + 2 * root))
    return min(max(t, low), high)
