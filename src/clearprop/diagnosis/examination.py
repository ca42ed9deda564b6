"""One forward and one backward pass of a copy of a model, with everything that a doctor wants to look at."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.backward import propagate
from clearprop.check.departures import Departures
from clearprop.check.nonfinite import NonFinite, watch
from clearprop.errors import lesson
from clearprop.graph import topological_order
from clearprop.ops import random
from clearprop.tensor import Tensor, raw

ROWS = 512  # of the data that are looked at in the passes


@dataclass(frozen=True, eq=False)
class ExaminedLayer:
    """A module with parameters of its own: its number in the order of use (from 1), its path, their names."""

    number: int
    path: str
    parameters: tuple[str, ...]

    @property
    def text(self) -> str:
        """`layer 1 (0)`."""
        return f"layer {self.number} ({self.path or 'the model'})"


@dataclass(eq=False)
class Examination:
    """What was seen: the copy of the model, a batch, the graph of its loss, and the gradients by node."""

    model: Any
    optimizer: Any
    loss_function: Callable[[Any, Any], Any]
    x: Any
    y: Any
    whole: tuple[Any, Any]
    parameters: dict[str, Tensor]
    left: dict[str, Any]  # the gradients that the parameters held, by name
    state: Any  # the random state at the start: the same dropout again gives the same loss
    output: Any = None
    loss: Any = None
    failure: Exception | None = None
    nonfinite: list[NonFinite] = field(default_factory=list)
    departures: Departures = field(default_factory=Departures)
    order: list[Tensor] = field(default_factory=list)
    grads: dict[Tensor, Any] = field(default_factory=dict)
    layers: list[ExaminedLayer] = field(default_factory=list)

    @property
    def loss_value(self) -> float:
        """The loss of the batch, NaN where it could not be computed."""
        return float("nan") if self.loss is None else float(np.asarray(raw(self.loss)))

    @property
    def loss_name(self) -> str:
        """The class or function name of the loss."""
        return str(getattr(self.loss_function, "__name__", type(self.loss_function).__name__))

    @property
    def dtype(self) -> str:
        """The dtype of the parameters."""
        return str(next((p.dtype for p in self.parameters.values()), "float"))

    def loss_again(self, model: Any = None) -> Any:
        """The loss of the batch, computed anew with the same random numbers."""
        random.set_rng_state(self.state)
        return self.loss_function((model or self.model)(self.x), self.y)

    def natural_loss(self) -> float:
        """The loss of an output of zeros: equal odds for every class, a mean of 0."""
        try:
            zeros = Tensor(np.zeros_like(raw(self.output)))
            value = abs(float(np.asarray(raw(self.loss_function(zeros, self.y)))))
        except Exception:  # a loss of the user's own need not take it
            return abs(self.loss_value)
        return value if np.isfinite(value) else abs(self.loss_value)

    def picks_rows(self) -> bool:
        """Whether the inputs are whole numbers that pick rows of a table (an embedding)."""
        return np.asarray(self.x).dtype.kind in "iu" and any(
            node.op is not None and node.op.kind == "gather" and len(node.inputs) > 1 for node in self.order
        )

    def gradient(self, name: str) -> Any:
        """The gradient that a parameter received; None where none came."""
        return self.grads.get(self.parameters[name])

    def left_at(self, names: Iterable[str]) -> str:
        """Where something computed from one of these parameters left the graph; '' if nowhere."""
        lines = (self.departures.line_for(self.parameters[name]) for name in names)
        line = next(filter(None, lines), "")
        return f"; what was computed from it left the graph by {line}" if line else ""

    def module_of(self, node: Tensor) -> str:
        """The path of the innermost module that computed a node, '' where it was none."""
        best, path = None, ""
        for name, module in named_modules(self.model):
            for start, end in getattr(module, "latest_calls", ()):
                if start < node.serial < end and name and (best is None or end - start < best):
                    best, path = end - start, name
        return path

    def module_type(self, node: Tensor) -> str:
        """The class name of the innermost module that computed a node."""
        path = self.module_of(node)
        return next((type(m).__name__ for name, m in named_modules(self.model) if name == path), "")


def behind_views(output: Any) -> Tensor | None:
    """The Tensor whose numbers an output has, looking through reshapes; None for a plain array."""
    while isinstance(output, Tensor) and output.op is not None and output.op.kind == "view":
        output = output.inputs[0]
    return output if isinstance(output, Tensor) else None


def named_modules(model: Any) -> Iterator[tuple[str, Any]]:
    """The modules of a model by path; a plain function has none."""
    return iter(model.named_modules()) if hasattr(model, "named_modules") else iter(())


def examine(model: Any, data: Any, loss: Any, optimizer: Any) -> Examination:
    """Run a copy of the model forward and backward on up to 512 rows of the data."""
    if not hasattr(model, "named_parameters"):
        raise TypeError(
            lesson("doctor(model, data)", "wants a model with named_parameters", type(model).__name__,
                   hint="a clearprop.nn.Module")
        )  # fmt: skip
    if optimizer is not None and not hasattr(optimizer, "param_groups"):
        raise TypeError(
            lesson("doctor(..., optimizer)", "wants an optimizer", type(optimizer).__name__,
                   hint="clearprop.optim.Adam(model.parameters())")
        )  # fmt: skip
    (x, y), whole = _rows(data)
    left = {name: raw(p.grad) for name, p in model.named_parameters()}
    patient, its_optimizer = copy.deepcopy((model, optimizer))
    parameters = dict(patient.named_parameters())
    for p in parameters.values():
        p.grad = None
    seen = Examination(
        patient, its_optimizer, loss or usual_loss(y), x, y, whole, parameters, left, random.get_rng_state()
    )
    with watch(collect=True) as watched:
        try:
            seen.output = patient(x)
            seen.loss = seen.loss_function(seen.output, y)
            if isinstance(seen.loss, Tensor) and seen.loss.requires_grad and seen.loss.size == 1:
                seen.order = topological_order(seen.loss, tracked=True)
                seen.grads = propagate(seen.order, {seen.loss: np.ones(seen.loss.shape, seen.loss.dtype)[()]})
        except Exception as error:  # the model's own: it is the finding
            seen.failure = error
    seen.nonfinite, seen.departures = watched.reports, watched.departures
    seen.layers = _layers(seen)
    return seen


def usual_loss(y: Any) -> Callable[[Any, Any], Any]:
    """Cross entropy for whole numbers, the mean squared error for others."""
    from clearprop import nn

    return nn.CrossEntropyLoss() if np.asarray(raw(y)).dtype.kind in "iub" else nn.MSELoss()


def _rows(data: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return a batch of rows spread evenly over the data, and the data as far as they are at hand."""
    dataset = getattr(data, "dataset", data)
    arrays = getattr(dataset, "arrays", dataset)
    if isinstance(arrays, tuple) and len(arrays) == 2 and all(isinstance(a, list) for a in arrays):
        arrays = tuple(map(np.asarray, arrays))
    if (
        isinstance(arrays, (tuple, list))
        and len(arrays) == 2
        and all(hasattr(raw(a), "shape") for a in arrays)
    ):
        x, y = (raw(a) for a in arrays)
        if len(x) > ROWS:
            rows = np.linspace(0, len(x) - 1, ROWS).astype(np.intp)
            return (x[rows], y[rows]), (x, y)
        return (x, y), (x, y)
    taken: list[tuple[Any, Any]] = []
    for batch in [data[i] for i in range(min(len(data), ROWS))] if hasattr(data, "__getitem__") else data:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            break
        taken.append((np.asarray(raw(batch[0])), np.asarray(raw(batch[1]))))
        if hasattr(data, "__getitem__"):
            taken[-1] = (taken[-1][0][None], taken[-1][1][None])
        if sum(len(a) for a, _ in taken) >= ROWS:
            break
    if not taken:
        got = type(data).__name__
        wanted = "wants pairs (inputs, targets)"
        raise TypeError(
            lesson("doctor(model, data)", wanted, got, hint="doctor(model, (x, y)) or a DataLoader")
        )
    x, y = (np.concatenate([pair[i] for pair in taken]) for i in (0, 1))
    return (x, y), (x, y)


def _layers(seen: Examination) -> list[ExaminedLayer]:
    """The modules that own weights, in the order in which the graph first uses them."""
    names = {id(p): name for name, p in seen.parameters.items()}
    used: dict[str, list[str]] = {}
    for node in seen.order:
        if node.op is None:
            continue
        for x in node.inputs:
            name = names.get(id(x))
            if name is not None and name not in used.setdefault(_owner(name, seen.parameters), []):
                used[_owner(name, seen.parameters)].append(name)
    return [ExaminedLayer(i, path, tuple(mine)) for i, (path, mine) in enumerate(used.items(), 1)]


def _owner(name: str, parameters: Mapping[str, Tensor]) -> str:
    """The path of the module that owns a parameter; of a module with many of them, the parameter itself."""
    path = name.rpartition(".")[0]
    siblings = sum(other.rpartition(".")[0] == path for other in parameters)
    return path if siblings <= 4 else name
