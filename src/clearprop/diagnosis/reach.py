"""What a network can learn at all: inputs that tell rows apart, an output that reaches the targets."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.diagnosis.examination import Examination, behind_views, named_modules
from clearprop.diagnosis.symptoms import Look, Symptom
from clearprop.diagnosis.trials import FALLS, trial
from clearprop.tensor import Tensor, raw

DROPPED = 0.9  # a share of the units beyond which dropout leaves too few
MISSED = 0.05  # a share of the targets that the last op can never give
LINE = np.concatenate([-np.geomspace(1e6, 1e-6, 400), [-1.0, 0.0, 1.0], np.geomspace(1e-6, 1e6, 400)])
NEAR = np.abs(LINE) <= 1e3  # what still grows beyond has no end there, as a logarithm
DISTANCES = {"mse", "l1", "smoothl1", "huber"}  # losses that compare number with number


def equal_rows(seen: Examination) -> Iterator[Symptom]:
    """Inputs that are the same in every row, though the targets differ."""
    x, y = (np.asarray(a) for a in seen.whole)
    if len(x) > 1 and x.dtype.kind in "fiub" and np.all(x == x[:1]) and not np.all(y == y[:1]):
        yield Symptom(
            "inputs that never change",
            "inputs",
            f"all {len(x)} rows are equal",
            "from equal inputs a model gives equal answers: it can learn the targets' average and no more",
            "a look at how the inputs are loaded; a column scaled by a wrong number becomes 0 everywhere",
        )


def out_of_reach(seen: Examination) -> Iterator[Symptom]:
    """Targets that the model's last function never gives, such as negative ones after a ReLU."""
    last, targets = _last(seen), np.asarray(seen.whole[1])
    loss = seen.loss_name.lower().replace("_", "").removesuffix("loss")
    if loss not in DISTANCES or last is None or targets.dtype.kind not in "fiu" or not targets.size:
        return
    low, high = _range(last.values)
    slack = 0.01 * max(1.0, float(np.ptp(targets)))
    missed = (targets < low - slack) | (targets > high + slack)
    if np.mean(missed) > MISSED:
        yield Symptom(
            "targets out of the output's reach",
            "the model's output",
            f"the last function, {last.name}, gives {low:.3g} to {high:.3g}; {missed.sum()} of "
            f"{targets.size} targets, which go from {targets.min():.3g} to {targets.max():.3g}, lie outside",
            "no weights bring the model there; it settles at the edge, where the gradient is 0",
            "a last layer without an activation, or targets scaled into its range",
            last.node,
        )


@dataclass(frozen=True)
class _Function:
    """The function of one number that the output comes from: its name, its node, its values on LINE."""

    name: str
    node: Tensor
    values: Any


def _last(seen: Examination) -> _Function | None:
    """The op or, where that has several inputs, the module without parameters that gave the output."""
    node = behind_views(seen.output)
    if node is None or node.op is None:
        return None
    with np.errstate(all="ignore"):
        if node.op.kind == "elementwise" and len(node.inputs) == 1:
            return _Function(node.op.name, node, np.asarray(node.op.forward(LINE, **node.attrs), np.float64))
        path = seen.module_of(node)
        module = dict(named_modules(seen.model)).get(path)
        if module is None or next(module.parameters(), None) is not None:
            return None
        try:
            values, alone = (np.asarray(raw(module(Tensor(x))), np.float64) for x in (LINE, LINE[:1]))
        except Exception:  # a module that wants other shapes is no function of one number
            return None
    if values.shape != LINE.shape or alone.shape != (1,) or alone[0] != values[0]:
        return None
    return _Function(type(module).__name__, node, values)


def _range(values: Any) -> tuple[float, float]:
    """The least and the largest of a function's values; infinite where it grows without end."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    near, slack = values[NEAR], 0.01 * (1 + min(abs(low), abs(high)))
    falls = low < -1e3 or low < float(np.nanmin(near)) - slack
    grows = high > 1e3 or high > float(np.nanmax(near)) + slack
    return (-math.inf if falls else low), (math.inf if grows else high)


def too_much_dropout(seen: Examination) -> Iterator[Symptom]:
    """Dropout that leaves hardly any unit."""
    from clearprop.nn.dropout import Dropout

    for path, module in named_modules(seen.model):
        if isinstance(module, Dropout) and module.training and module.p > DROPPED:
            yield Symptom(
                "dropout of nearly everything",
                path,
                f"p={module.p:g} keeps {100 * (1 - module.p):.3g} % of the units in each step",
                "what one step keeps, the next one drops: the gradient is mostly noise",
                "p=0.1 to 0.5; p is the share that is dropped, not the share that is kept",
            )
            return


def heavy_decay(seen: Examination) -> Iterator[Symptom]:
    """Weight decay without which the loss falls clearly better, from the same start."""
    groups = getattr(seen.optimizer, "param_groups", None)
    if not groups or not seen.order or not math.isfinite(seen.loss_value):
        return
    decay = max((float(raw(group.get("weight_decay", 0.0))) for group in groups), default=0.0)
    if decay <= 0:
        return
    start, end = seen.loss_value, trial(seen, 1.0)
    free = _without_decay(seen)
    if free < start and end - free > FALLS * start and end > free + 0.5 * (start - free):
        yield Symptom(
            "weight decay too strong",
            f"weight_decay={decay:g}",
            f"trial steps take the loss from {start:.6g} to {end:.6g}; without the decay to {free:.6g}",
            "every step shrinks the weights by more than the gradient makes them grow",
            "weight_decay=0.01 or less; 0 until the model learns its training data",
        )


def _without_decay(seen: Examination) -> float:
    held = seen.optimizer
    seen.optimizer = copy.deepcopy(held, {id(p): p for p in seen.parameters.values()})
    try:
        for group in seen.optimizer.param_groups:
            group["weight_decay"] = 0.0
        return trial(seen, 1.0)
    finally:
        seen.optimizer = held


def reach_looks() -> tuple[Look, ...]:
    """Every look at what can be learned, in the order in which findings are told."""
    return (equal_rows, out_of_reach, too_much_dropout, heavy_decay)
