"""Layers in a row with nothing between them that bends: together they can do no more than one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.diagnosis.examination import Examination
from clearprop.diagnosis.symptoms import Symptom
from clearprop.tensor import Tensor, raw


@dataclass(frozen=True)
class _Product:
    """A product with weights, seen at the place it was made: the weights' name and how wide it takes rows."""

    name: str
    takes: int
    gives: int


def linear_layers(seen: Examination) -> Iterator[Symptom]:
    """Two layers of which the second is given an affine function of the first one's output.

    A hidden layer narrower than what stands on both sides of it is let pass: it is there for its rank. So is
    one whose output goes another way too: around what follows, as in a residual block.
    """
    names = {id(p): name for name, p in seen.parameters.items()}
    uses = Counter(x for node in seen.order for x in {x for x in node.inputs if isinstance(x, Tensor)})
    last: dict[Tensor, _Product | None] = {}  # what each node is an affine function of
    weights: dict[Tensor, str] = {p: name for name, p in seen.parameters.items()}
    for node in seen.order:
        if node.op is None:
            continue
        signals, own = _sorted_inputs(node, weights)
        if not signals:  # made of parameters alone: a weight turned around, or scaled
            weights[node] = next((weights[x] for x in own), names.get(id(node), ""))
            continue
        last[node] = _followed(node, signals, own, last, uses)
        x = signals[0]
        before = last.get(x) if isinstance(x, Tensor) and uses[x] == 1 else None
        if _multiplies(node, signals, own):
            found = _product(node, signals[0], weights[own[0]])
            if before is not None and not _narrow(before, found) and before.name != found.name:
                yield _finding(seen, before, found)
                return
            last[node] = found


def _sorted_inputs(node: Tensor, weights: dict[Tensor, str]) -> tuple[list[Any], list[Tensor]]:
    """The inputs that the data flow through, and those that are made of parameters."""
    own = [x for x in node.inputs if isinstance(x, Tensor) and x in weights]
    signals = [x for x in node.inputs if not (isinstance(x, Tensor) and x in weights) and _varies(x)]
    if not signals and not own:
        signals = [x for x in node.inputs if isinstance(x, Tensor)]
    if own and not signals and node.op is not None and node.op.kind == "gather":
        signals = [own[0]]  # rows of a table, picked by the data
    return signals, own


def _varies(x: Any) -> bool:
    """Whether an input may carry data: a Tensor, or an array with rows."""
    return isinstance(x, Tensor) or np.ndim(x) >= 2


def _multiplies(node: Tensor, signals: list[Any], own: list[Tensor]) -> bool:
    op = node.op
    return (
        op is not None and op.kind == "contract" and len(signals) == 1 and len(own) == 1 and own[0].ndim >= 2
    )


def _product(node: Tensor, signal: Any, name: str) -> _Product:
    shape = np.shape(raw(signal))
    return _Product(name, shape[-1] if shape else 1, node.shape[-1] if node.shape else 1)


def _narrow(before: _Product, after: _Product) -> bool:
    return before.gives < min(before.takes, after.gives)


def _followed(
    node: Tensor,
    signals: list[Any],
    own: list[Tensor],
    last: dict[Tensor, _Product | None],
    uses: Counter[Tensor],
) -> _Product | None:
    """The product that a node is an affine function of; None where something bends, or ways meet or part."""
    x = signals[0]
    op = node.op
    if op is None or not isinstance(x, Tensor) or last.get(x) is None or uses[x] > 1:
        return None
    if len({id(s) for s in signals if isinstance(s, Tensor)}) > 1:
        return None
    if op.kind == "view" or (
        op.kind == "elementwise"
        and _affine(node, next(i for i, other in enumerate(node.inputs) if other is x))
    ):
        return last[x]
    return None


def _affine(node: Tensor, i: int) -> bool:
    """Whether an elementwise op has the same slope elsewhere: at the negative, and at what lies between."""
    op = node.op
    if op is None:
        return False
    local = op.derivatives[i] if op.derivatives else None
    if not callable(local):
        return isinstance(local, (int, float))
    xs = [np.asarray(v) for v in node.values]
    with np.errstate(all="ignore"):
        here = np.asarray(local(node._value, *xs))
        for moved in (-xs[i], 0.5 * xs[i] - 1.0, 3.0 * xs[i] + 1.0):
            others = [*xs[:i], moved.astype(xs[i].dtype), *xs[i + 1 :]]
            there = np.asarray(local(op.forward(*others, **node.attrs), *others))
            if not np.allclose(here, there, rtol=1e-5, atol=1e-7, equal_nan=True):
                return False
    return True


def _finding(seen: Examination, first: _Product, second: _Product) -> Symptom:
    return Symptom(
        "layers in a row without an activation",
        f"{first.name}, {second.name}",
        "what stands between them has the same slope everywhere, or nothing stands there",
        f"the two together compute what one layer from {first.takes} to {second.gives} could: more weights, "
        "no more functions",
        "ReLU, Tanh or GELU between them, or one layer instead of the two",
        seen.parameters.get(second.name),
    )
