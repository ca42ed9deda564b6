"""Symptoms: each a measurement of an examined model, why it matters, and what to try."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.diagnosis.examination import Examination, ExaminedLayer
from clearprop.tensor import Tensor, raw


@dataclass(frozen=True, eq=False)
class Symptom:
    """One thing found: its name, where it is, what was measured, why that matters, and what to try.

    `node` is the parameter of the model, or the node of the examined graph, that it is about.
    """

    name: str
    where: str
    measured: str
    matters: str
    attempt: str
    node: Tensor | None = None

    @property
    def text(self) -> str:
        """The symptom in four lines."""
        head = f"{self.name} at {self.where}" if self.where else self.name
        lines = (("measured", self.measured), ("matters", self.matters), ("try", self.attempt))
        return "\n".join([head, *(f"   {what}: {said}" for what, said in lines)])

    def __repr__(self) -> str:
        return self.text


Look = Callable[[Examination], Iterator[Symptom]]

VANISHED, EXPLODED = 5e-5, 1e5  # gradient of one layer against another's
GROWN, ABOVE = 30.0, 20.0  # the last layer's output against the first one's; the loss against that of zeros
DEAD, SATURATED = 0.6, 0.9  # shares of a layer's units, of a layer's entries
FLAT = 0.02  # slopes below this share of the steepest count as saturated


def rms(x: Any) -> float:
    """The root of the mean square, computed so that nothing under- or overflows."""
    array = np.asarray(x, dtype=np.float64)
    top = float(np.max(np.abs(array), initial=0.0))
    return top * float(np.sqrt(np.mean((array / top) ** 2))) if top and np.isfinite(top) else top


# --- parameters and their gradients -------------------------------------------------------------------------
def unused(seen: Examination) -> Iterator[Symptom]:
    """Parameters from which nothing leads to the loss, those of one module together."""
    reached = set(seen.order)
    missed = [name for name, p in seen.parameters.items() if p.requires_grad and p not in reached]
    if len(missed) == len(seen.parameters):
        return  # the graph is cut, see constant_loss
    together: dict[str, list[str]] = {}
    for name in missed:
        together.setdefault(name.rpartition(".")[0], []).append(name)
    for names in together.values():
        yield Symptom(
            "parameter never used",
            ", ".join(names),
            f"none of the {len(seen.order)} nodes that lead to the loss was computed from it"
            + seen.left_at(names),
            "it gets no gradient and keeps its first values for ever",
            "using it in forward(), or removing it; a .value, detach() or np.array on the way cuts the graph",
            seen.parameters[names[0]],
        )


def not_optimized(seen: Examination) -> Iterator[Symptom]:
    """Parameters that the optimizer does not know."""
    groups = getattr(seen.optimizer, "param_groups", None)
    if groups is None:
        return
    known = {id(p) for group in groups for p in group["params"]}
    missing = [name for name, p in seen.parameters.items() if p.requires_grad and id(p) not in known]
    if missing:
        yield Symptom(
            "parameters the optimizer does not know",
            _first(missing),
            f"{len(missing)} of {len(seen.parameters)} parameters are in none of its groups",
            "they get a gradient but no step changes them",
            "the optimizer made from model.parameters(), after the model is complete",
            seen.parameters[missing[0]],
        )


def frozen(seen: Examination) -> Iterator[Symptom]:
    """Parameters that need no gradient, unless an optimizer was made without them, as in fine-tuning."""
    groups = getattr(seen.optimizer, "param_groups", None)
    known = None if groups is None else {id(p) for group in groups for p in group["params"]}
    still = [
        name
        for name, p in seen.parameters.items()
        if not p.requires_grad and (known is None or id(p) in known)
    ]
    if still:
        yield Symptom(
            "frozen parameters",
            _first(still),
            f"{len(still)} of {len(seen.parameters)} parameters have requires_grad=False",
            "they get no gradient and keep their values, whatever the optimizer is told",
            "requires_grad = True, or an optimizer made of the others alone if they are meant to stay",
            seen.parameters[still[0]],
        )


def _first(names: list[str]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")


def _weights(seen: Examination, layer: ExaminedLayer) -> list[Any]:
    found = [seen.gradient(name) for name in layer.parameters if seen.parameters[name].ndim >= 2]
    found = found or [seen.gradient(name) for name in layer.parameters]
    return [g for g in found if g is not None]


def layer_gradients(seen: Examination) -> list[tuple[ExaminedLayer, float]]:
    """The rms gradient of each layer's weights, in the order of use."""
    pairs = [(layer, _weights(seen, layer)) for layer in seen.layers]
    return [(layer, max(map(rms, gradients))) for layer, gradients in pairs if gradients]


def vanishing(seen: Examination) -> Iterator[Symptom]:
    """Early layers whose gradient is a vanishing share of the last one's."""
    sizes = layer_gradients(seen)
    if len(sizes) < 3:
        return
    (layer, least), (last, most) = min(sizes, key=lambda s: s[1]), sizes[-1]
    shrinking = all(a <= b * 3 for (_, a), (_, b) in itertools.pairwise(sizes))
    if layer.number < last.number and shrinking and most > 0 and least < VANISHED * most:
        against = f"that of layer {last.number} has rms {most:.2g}, and it shrinks layer by layer"
        measured = f"its gradient has rms {least:.2g} ({least / most:.1e} times as much): {against}"
        if not least:
            measured = f"its gradient is exactly 0, below the smallest {seen.dtype} number: {against}"
        yield Symptom(
            "vanishing",
            f"layer {layer.number} ({layer.path or 'the model'})",
            measured,
            "the first layers do not learn: each layer multiplies the gradient by a slope below 1",
            "ReLU or tanh for sigmoid, initial weights by nn.init, normalisation, or shortcuts around layers",
            seen.parameters[layer.parameters[0]],
        )


def exploding(seen: Examination) -> Iterator[Symptom]:
    """Layers whose gradient is many times the last one's, or whose output grows layer by layer."""
    if len(seen.layers) < 3:
        return
    for what, sizes in (("gradient", layer_gradients(seen)), ("output", layer_outputs(seen))):
        finite = [(layer, size) for layer, size in sizes if np.isfinite(size)]
        if len(finite) < 3:
            continue
        layer, most = max(finite, key=lambda s: s[1])
        other, least = finite[-1] if what == "gradient" else finite[0]
        if layer is not other and least > 0 and most > EXPLODED * least:
            yield Symptom(
                "exploding",
                f"layer {layer.number} ({layer.path or 'the model'})",
                f"its {what} has rms {most:.2g}, {most / least:.1e} times that of layer {other.number}",
                "one step throws the weights far away, or the numbers overflow",
                "smaller initial weights (nn.init), normalisation, or gradient clipping",
                seen.parameters[layer.parameters[0]],
            )
            return


def blown_up(seen: Examination) -> Iterator[Symptom]:
    """Outputs that grow from layer to layer until the loss is far above that of an output of zeros."""
    sizes = [(layer, size) for layer, size in layer_outputs(seen) if np.isfinite(size) and size > 0]
    if len(sizes) < 3 or any(True for _ in exploding(seen)):
        return
    (first, least), (last, most) = sizes[0], sizes[-1]
    growing = sum(b > a for (_, a), (_, b) in itertools.pairwise(sizes)) >= 0.7 * (len(sizes) - 1)
    if growing and most > GROWN * least and seen.loss_value > ABOVE * seen.natural_loss():
        yield Symptom(
            "exploding",
            f"layer {last.number} ({last.path or 'the model'})",
            f"the outputs' rms grows from {least:.2g} in layer {first.number} to {most:.2g}; the loss is "
            f"{seen.loss_value:.3g}, that of an output of zeros {seen.natural_loss():.3g}",
            "the first steps are spent on shrinking the weights, or throw them far away",
            "smaller initial weights (nn.init), normalisation, or gradient clipping",
            seen.parameters[last.parameters[0]],
        )


def layer_outputs(seen: Examination) -> list[tuple[ExaminedLayer, float]]:
    """The rms of what each layer's weights are first multiplied into, in the order of use."""
    names = {id(p): name for name, p in seen.parameters.items()}
    first: dict[str, float] = {}
    of: dict[Tensor, str] = {}  # nodes that only turn a parameter around
    for node in seen.order:
        for x in node.inputs if node.op is not None else ():
            name = names.get(id(x)) or (of.get(x) if isinstance(x, Tensor) else None)
            if name is None or name in first:
                continue
            if node.op is not None and node.op.kind == "view":
                of[node] = name
            else:
                first[name] = rms(node._value)
    found = [(layer, [first[n] for n in layer.parameters if n in first]) for layer in seen.layers]
    return [(layer, max(sizes)) for layer, sizes in found if sizes]


def zero_gradients(seen: Examination) -> Iterator[Symptom]:
    """Parameters that are used and yet receive nothing but zeros."""
    if not seen.order or any(True for _ in vanishing(seen)):
        return
    zero = [
        name
        for name, p in seen.parameters.items()
        if (g := seen.gradient(name)) is not None and p.size and not np.any(g)
    ]
    moved = [name for name in seen.parameters if (g := seen.gradient(name)) is not None and np.any(g)]
    if zero and moved:
        yield Symptom(
            "gradient exactly zero",
            _first(zero),
            f"all entries of the gradient of {len(zero)} of {len(seen.parameters)} parameters are 0",
            "they do not learn from this batch, and perhaps from none",
            "a look at what follows them: units that are all dead, a weight of 0 behind them, a factor of 0",
            seen.parameters[zero[0]],
        )


def symmetric(seen: Examination) -> Iterator[Symptom]:
    """Hidden layers whose units all start as copies of each other."""
    for layer in seen.layers[:-1]:
        tables = {name: seen.parameters[name]._value for name in layer.parameters}
        tables = {name: value for name, value in tables.items() if np.ndim(value) >= 2 and len(value) > 1}
        if any(np.any(value != value[:1]) for value in tables.values()):
            continue  # one of them tells the units apart: scales of 1 beside random weights, say
        for name, weight in tables.items():
            same = "0" if not np.any(weight) else "the same"
            yield Symptom(
                "symmetric initialisation",
                f"{name}, {layer.text}",
                f"the weights of all its {len(weight)} units are {same}, to the bit",
                "equal units receive equal gradients and stay equal: the layer is worth a single unit",
                "random initial weights, such as the layer's own reset_parameters()",
                seen.parameters[name],
            )


# --- activations --------------------------------------------------------------------------------------------
def _units(value: Any) -> Any:
    """A layer's output with one column for each unit."""
    array = np.asarray(value)
    if array.ndim < 2:
        return array.reshape(-1, 1)
    return np.moveaxis(array, 1 if array.ndim > 3 else -1, -1).reshape(
        -1, array.shape[1 if array.ndim > 3 else -1]
    )


def _place(seen: Examination, node: Tensor) -> str:
    path = seen.module_of(node)
    return f"{path} ({node.op.name})" if path and node.op else (node.op.name if node.op else "")


def _flat(node: Tensor) -> str:
    """Where the function that made a node is flat."""
    return node.op.facts.flat if node.op is not None else ""


def dead(seen: Examination) -> Iterator[Symptom]:
    """ReLU units that are 0 for every row."""
    for node in seen.order:
        if _flat(node) != "left" or np.ndim(node._value) < 2 or len(node._value) < 8:
            continue
        units = _units(node._value)
        off = int(np.count_nonzero(~np.any(units > 0, axis=0)))
        if off and off >= DEAD * units.shape[1]:
            yield Symptom(
                "dead units",
                _place(seen, node),
                f"{off} of {units.shape[1]} ReLU units are 0 for all {len(units)} rows looked at",
                "a dead unit has slope 0: it gets no gradient and does not come back",
                "a smaller learning rate, scaled inputs, biases that start at 0, or LeakyReLU",
                node,
            )


def _share_of_steepest(node: Tensor) -> Any:
    """The slopes of a function that flattens on both sides, as shares of its slope at 0."""
    op: Any = node.op
    x = np.asarray(node.values[0], np.float64)
    steepest, slope = (op.derivatives[0](op.forward(at), at) for at in (np.float64(0.0), x))
    return slope / steepest


def saturated(seen: Examination) -> Iterator[Symptom]:
    """Sigmoid and tanh units that are flat for most rows."""
    for node in seen.order:
        if _flat(node) != "both" or node is seen.output or np.ndim(node._value) < 2:
            continue
        if "GELU" in seen.module_type(node):
            continue  # the sigmoid in its tanh form is a gate, not an activation
        flat = float(np.mean(_share_of_steepest(node) < FLAT))
        if flat > SATURATED:
            yield Symptom(
                "saturated units",
                _place(seen, node),
                f"{flat:.0%} of its values lie where the slope is below {FLAT:.0%} of its top",
                "almost no gradient passes there, so what comes before learns very slowly",
                "scaled inputs, smaller initial weights, or ReLU",
                node,
            )


# --- the loss -----------------------------------------------------------------------------------------------
def constant_loss(seen: Examination) -> Iterator[Symptom]:
    """A loss that no small change of the parameters changes, or that the graph does not reach."""
    if seen.loss is None or not np.isfinite(seen.loss_value):
        return
    if seen.parameters and not any(p.requires_grad for p in seen.parameters.values()):
        return  # that is the finding: see frozen
    if seen.order and any(np.any(g) for name in seen.parameters if (g := seen.gradient(name)) is not None):
        return
    cut = not seen.order or not any(seen.gradient(name) is not None for name in seen.parameters)
    still = _stays(seen)
    if cut and not still:
        measured = "the loss changes with the parameters, but no gradient reaches any of them"
        measured += seen.left_at(seen.parameters)
        attempt = (
            "the whole way from model to loss in Tensors: no .value, .numpy(), detach() or no_grad() on it"
        )
        yield Symptom("the graph is cut", seen.loss_name, measured, "nothing is learned", attempt)
    elif cut or not any(True for _ in dead(seen)):
        stays = f"stays the same to the bit in {still} of {NUDGES} nudges of all parameters by 0.01 %"
        yield Symptom(
            "the loss is locally constant",
            seen.loss_name,
            f"every gradient is 0, and the loss {stays}",
            "there is no slope to follow: accuracy, argmax, rounding and counting are flat almost everywhere",
            "a smooth loss: CrossEntropyLoss for classes, MSELoss for numbers",
        )


NUDGES = 5


def _stays(seen: Examination) -> int:
    """How often the loss stays what it is, to the bit, when all parameters are nudged; 0 for fewer than 3."""
    generator = np.random.default_rng(0)
    before = {p: p._value for p in seen.parameters.values()}
    same = 0
    try:
        for _ in range(NUDGES):
            for p, value in before.items():
                step = 1e-4 * (rms(value) or 1.0)
                p._value = np.asarray(value + step * generator.standard_normal(p.shape)).astype(p.dtype)[()]
            same += float(np.asarray(raw(seen.loss_again()))) == seen.loss_value
    finally:
        for p, value in before.items():
            p._value = value
    return same if same >= 3 else 0


def all_looks() -> tuple[Look, ...]:
    """Every look at the model itself, in the order in which findings are told."""
    return (
        unused,
        not_optimized,
        frozen,
        symmetric,
        vanishing,
        exploding,
        blown_up,
        zero_gradients,
        dead,
        saturated,
        constant_loss,
    )
