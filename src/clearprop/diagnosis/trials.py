"""Trial steps: what a few steps of the optimizer do to a copy, and whether a step forgets zero_grad()."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.diagnosis.examination import Examination
from clearprop.diagnosis.symptoms import Symptom
from clearprop.ops import random
from clearprop.tensor import Tensor, raw

STEPS, FEW, MANY_NUMBERS = 20, 5, 5_000_000  # trial steps; of a model with more parameters than that, few
STILL = 0.001  # a fall by less than this share of the loss, while a larger rate makes it fall by
FALLS = 0.05  # this share, means that the rate is too low
CREEPS = 0.003  # so does a smaller fall, where it is a thousand times the one at this rate
POWERS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 20, 24, 28)  # of ten, by which other rates differ
PILED, BATCHES = 1.5, 24  # gradients left over, against the largest of this many batches


def learning_rate(seen: Examination) -> Iterator[Symptom]:
    """A learning rate at which the loss grows, or hardly moves, where another makes it fall."""
    if seen.optimizer is None or not seen.order or not math.isfinite(seen.loss_value):
        return
    start, end, natural = seen.loss_value, trial(seen, 1.0), seen.natural_loss()
    found = None
    if 0 <= start - end < STILL * start and start > 0.05 * natural:
        found = _compared(seen, end, "low", (10.0**power for power in POWERS))
    grows = not math.isfinite(end) or end > 1.2 * max(start, natural / 2)
    if found is None and (grows or end > 0.98 * start > 0.2 * natural):
        found = _compared(seen, end, "high", (10.0**-power for power in (POWERS if grows else POWERS[:3])))
    if found is not None:
        yield found


def _compared(seen: Examination, end: float, fault: str, factors: Iterator[float]) -> Symptom | None:
    """Say by how much better the first of these rates is that is clearly better; None where none is."""
    start, rate = seen.loss_value, _rate(seen.optimizer)
    matters = {
        "low": "training would take many times longer than it needs",
        "high": "each step overshoots the valley that the gradient points into",
    }[fault]
    for factor in factors:
        other = trial(seen, factor)
        if fault == "low":
            fall, now = start - other, start - end
            better = fall > max(FALLS * start, 10 * now) or fall > max(CREEPS * start, 1000 * now)
        else:
            better = other < min(start, 0.9 * end)
        if better:
            steps = f"{_count(seen)} steps take the loss from {start:.6g} to {end:.6g}"
            measured = f"{steps}; with lr={rate * factor:g} to {other:.4g}"
            attempt = f"lr={rate * factor:g}" + (
                ", a warm-up, or gradient clipping" if fault == "high" else ""
            )
            return Symptom(f"learning rate too {fault}", f"lr={rate:g}", measured, matters, attempt)
    return None


def trial(seen: Examination, factor: float) -> float:
    """Return the loss after some steps of a copy on one batch, at `factor` times the learning rate."""
    model, optimizer = copy.deepcopy((seen.model, seen.optimizer))
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * factor
    value = seen.loss_value
    with np.errstate(all="ignore"):
        for step in range(_count(seen) + 1):
            loss = seen.loss_again(model)  # with the same dropout in every step
            value = float(np.asarray(raw(loss)))
            if not math.isfinite(value) or step == _count(seen):
                return value if math.isfinite(value) else math.inf
            optimizer.zero_grad()
            loss.backward(leaves_only=True)
            optimizer.step()
    return value


def _count(seen: Examination) -> int:
    return STEPS if sum(p.size for p in seen.parameters.values()) <= MANY_NUMBERS else FEW


def _rate(optimizer: Any) -> float:
    return float(raw(optimizer.param_groups[0]["lr"]))


# --- zero_grad ----------------------------------------------------------------------------------------------
def piled_up(seen: Examination) -> Iterator[Symptom]:
    """Gradients left in the model that are larger than those of any batch they can have come from.

    How many rows a gradient was summed over is not written on it, and one row's gradient may be many times
    that of 128. But a weight's gradient from n rows has rank n at most, so its rank tells how many rows there
    were at least; batches of that many are what it is compared with.
    """
    held = {name: np.asarray(g, np.float64) for name, g in seen.left.items() if g is not None}
    if not held or not seen.order or not all(np.isfinite(g).all() for g in held.values()):
        return
    size = math.sqrt(sum(float(np.sum(g * g)) for g in held.values()))
    rows = max(map(_rank, held.values()))
    most = max(_batch_norms(seen, rows), default=0.0)
    if most > 0 and math.isfinite(most) and size > PILED * most:
        yield Symptom(
            "zero_grad() forgotten",
            "the gradients in the model",
            f"their norm is {size:.3g}; {rows} or more rows went into them, and of {BATCHES} batches of "
            f"{rows} rows none has more than {most:.3g}",
            "backward() adds to what is there: each step then follows the sum of all gradients so far",
            "optimizer.zero_grad() before loss.backward(), in every step",
        )


def _rank(gradient: Any) -> int:
    """How many rows of data a gradient was made of, at least: the rank of a matrix."""
    if gradient.ndim != 2 or min(gradient.shape) < 2:
        return 1
    part = gradient[:256, :256]  # large enough to tell, small enough to be quick
    sizes = np.linalg.svd(part, compute_uv=False)
    return max(1, int(np.count_nonzero(sizes > 1e-4 * sizes[0])))


def _batch_norms(seen: Examination, rows: int) -> Iterator[float]:
    generator = np.random.default_rng(0)
    for _ in range(BATCHES):
        for p in seen.parameters.values():
            p.grad = None
        chosen = generator.integers(0, len(seen.x), rows)
        loss = seen.loss_function(seen.model(seen.x[chosen]), seen.y[chosen])
        loss.backward(leaves_only=True)
        found = [np.asarray(p.grad, np.float64) for p in seen.parameters.values() if p.grad is not None]
        yield math.sqrt(sum(float(np.sum(g * g)) for g in found))


def forgetful(
    step: Callable[[Any, Any], Any], model: Any, optimizer: Any, x: Any, y: Any
) -> Iterator[Symptom]:
    """Whether gradients that are there before a step are still in those that it leaves.

    The step runs twice from the same weights, once without gradients and once with ones; everything it
    changed is put back to the bit.
    """
    without = _left_by(step, model, optimizer, x, y, None)
    added = _left_by(step, model, optimizer, x, y, 1.0)
    names = [n for n in without if without[n] is not None and added[n] is not None]
    kept = [n for n in names if np.allclose(added[n] - without[n], 1.0, rtol=1e-3, atol=1e-3)]
    if kept and len(kept) == len(names):
        yield Symptom(
            "zero_grad() forgotten",
            "step(x, y)",
            "gradients of 1 that were in the model before a step are still in those it leaves, for all "
            f"{len(kept)} parameters",
            "backward() adds to what is there: each step then follows the sum of all gradients so far",
            "optimizer.zero_grad() before loss.backward(), in every step",
        )


def _left_by(step: Any, model: Any, optimizer: Any, x: Any, y: Any, fill: float | None) -> dict[str, Any]:
    with unchanged(model, optimizer):
        for p in model.parameters():
            p.grad = None if fill is None else np.full(p.shape, fill, p.dtype)[()]
        step(x, y)
        return {name: raw(p.grad) for name, p in model.named_parameters()}


@contextmanager
def unchanged(model: Any, optimizer: Any) -> Iterator[None]:
    """Put weights, buffers, gradients, the optimizer's memory and the random state back afterwards."""
    tensors = [*model.parameters(), *model.buffers()]
    memory = getattr(optimizer, "state", {})
    tensors += [t for held in memory.values() for t in held.values() if isinstance(t, Tensor)]
    values = [(t, np.array(t._value)[()], t._value, raw(t.grad)) for t in tensors]
    dicts = [
        (d, dict(d)) for d in (v for v in getattr(optimizer, "__dict__", {}).values() if isinstance(v, dict))
    ]
    dicts += [(held, dict(held)) for held in memory.values()]
    state = random.get_rng_state()
    try:
        yield
    finally:
        for t, copied, same, grad in values:
            t._value = same if np.array_equal(same, copied, equal_nan=True) else copied
            t.grad = grad
        for d, before in dicts:
            d.clear()
            d.update(before)
        random.set_rng_state(state)
