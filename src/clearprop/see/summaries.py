"""`summary(model, input)`: the layers of a model as a table, with what each makes, holds and costs."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import Observer, no_grad, observed
from clearprop.ops import random
from clearprop.see.readable import table
from clearprop.tensor import Tensor


@dataclass(eq=False)
class Row:
    """One module: its path and type, the shape of its output, its own parameters, flops and gradient norm."""

    path: str
    type: str
    depth: int
    shape: Any = None  # of the output; None where it was not called
    parameters: int = 0
    frozen: int = 0
    flops: int = 0
    gradient: float | None = None
    calls: int = 0
    leaf: bool = True

    def cells(self, counted: bool) -> tuple[str, ...]:
        """The row as text; a module around others shows only what is its own."""
        numbers = f"{self.parameters:,}" if self.leaf or self.parameters else ""
        flops = f"{self.flops:,}" if counted and self.calls and (self.leaf or self.flops) else ""
        gradient = "" if self.gradient is None else f"{self.gradient:.4g}"
        return (self._name(), _shape_text(self.shape), numbers, flops, gradient)

    def _name(self) -> str:
        last = self.path.rpartition(".")[2]
        notes = [f"called {self.calls} times"] * (self.calls > 1) + ["frozen"] * bool(self.frozen)
        return "  " * self.depth + f"{last} {self.type}".strip() + (f" ({', '.join(notes)})" if notes else "")


@dataclass(eq=False, repr=False)
class Summary:
    """The rows of a model's summary and their sums; `str(summary)` is the table.

    >>> from clearprop import nn
    >>> found = summary(nn.Linear(2, 3), np.ones((1, 2), np.float32))
    >>> found.parameters, found.flops
    (9, 15)
    """

    model: str
    given: str  # the input, as text; '' where none was given
    rows: list[Row] = field(default_factory=list)
    parameters: int = 0  # each counted once
    trainable: int = 0
    bytes: int = 0  # of the parameters
    outputs: int = 0  # bytes of what the innermost modules made

    @property
    def flops(self) -> int:
        """Floating-point operations of one forward pass."""
        return sum(row.flops for row in self.rows)

    @property
    def text(self) -> str:
        """The table as plain text."""
        counted = bool(self.given)
        table = [self._head(), *(row.cells(counted) for row in self.rows)]
        total = self._total()
        used = [i for i in range(5) if any(cells[i] for cells in (*table[1:], total))]
        widths = [max(len(cells[i]) for cells in (*table, total)) for i in range(5)]
        rule = "-" * (sum(widths[i] for i in used) + 2 * (len(used) - 1))
        lines = [_line(cells, widths, used) for cells in (*table, total)]
        return "\n".join([self._title(), lines[0], rule, *lines[1:-1], rule, lines[-1], self._memory()])

    def _head(self) -> tuple[str, ...]:
        return ("layer", "output", "parameters", "flops", "gradient")

    def _total(self) -> tuple[str, ...]:
        return ("total", "", f"{self.parameters:,}", f"{self.flops:,}" if self.given else "", self._norm())

    def _title(self) -> str:
        return f"{self.model} on {self.given}" if self.given else self.model

    def _norm(self) -> str:
        found = [row.gradient for row in self.rows if row.gradient is not None]
        return f"{math.sqrt(sum(g * g for g in found)):.4g}" if found else ""

    def _memory(self) -> str:
        held = f"{_bytes(self.bytes)} of parameters"
        if self.trainable != self.parameters:
            held += f", {self.trainable:,} of {self.parameters:,} are trained"
        return held + (f", {_bytes(self.outputs)} of outputs" if self.given else "")

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def to_html(self) -> str:
        """Return the table as an HTML fragment."""
        rows = [self._head(), *(row.cells(bool(self.given)) for row in self.rows), self._total()]
        return table("clearprop-summary", self._title(), rows, numbers=3, total=True)

    _repr_html_ = to_html


def summary(model: Any, input: Any = None) -> Summary:
    """Return a table of a model's layers: output shape, parameters, flops, and gradient norms if any.

    `input` is an array, a Tensor, or a shape such as `(32, 64)`, for which zeros are taken; without it there
    are no output shapes. A copy of the model runs, so nothing of the model changes. A multiplication and an
    addition are two flops; other elementwise functions count one for each entry, moving entries none.

    >>> import numpy as np, clearprop
    >>> from clearprop import nn
    >>> print(summary(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), (16, 64)))
    Sequential on (16, 64) float32
    layer       output    parameters   flops
    ----------------------------------------
    Sequential  (16, 10)
      0 Linear  (16, 32)       2,080  66,048
      1 ReLU    (16, 32)           0     512
      2 Linear  (16, 10)         330  10,400
    ----------------------------------------
    total                      2,410  76,960
    9.4 KiB of parameters, 4.6 KiB of outputs
    """
    if not hasattr(model, "named_modules"):
        raise TypeError(
            lesson(
                "summary(model, input)", "wants a model", type(model).__name__, hint="a clearprop.nn.Module"
            )
        )
    x = _input(input, model)
    modules = dict(model.named_modules())
    given = "" if x is None else f"{tuple(x.shape)} {x.dtype}"
    told = Summary(type(model).__name__, given)
    counted: set[int] = set()
    for path, module in modules.items():
        told.rows.append(_row(path, module, counted))
    tensors = list(model.parameters())
    told.parameters = sum(p.size for p in tensors)
    told.trainable = sum(p.size for p in tensors if p.requires_grad)
    told.bytes = sum(p.size * p.dtype.itemsize for p in tensors)
    if x is not None:
        _run(copy.deepcopy(model), x, told)
    return told


def _input(x: Any, model: Any) -> Any:
    if isinstance(x, tuple) and all(isinstance(n, (int, np.integer)) for n in x):
        dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
        return np.zeros(x, dtype)
    return x if x is None or isinstance(x, Tensor) else np.asarray(x)


def _row(path: str, module: Any, counted: set[int]) -> Row:
    """Return a module's row with its own parameters, those shared with an earlier one left out."""
    depth = path.count(".") + 1 if path else 0
    row = Row(path, type(module).__name__, depth, leaf=not any(True for _ in module.children()))
    squares: list[float] = []
    for _, p in module.named_parameters(recurse=False):
        if id(p) in counted:
            continue
        counted.add(id(p))
        row.parameters += p.size
        row.frozen += 0 if p.requires_grad else p.size
        if p.grad is not None:
            g = p.grad._value if isinstance(p.grad, Tensor) else p.grad
            squares.append(float(np.sum(np.square(np.asarray(g, np.float64)))))
    if squares:
        row.gradient = math.sqrt(sum(squares))
    return row


class _Counter(Observer):
    """An observer that books the flops of every op to the module that is running."""

    def __init__(self, root: Row) -> None:
        self.running = [root]

    def saw(self, node: Tensor) -> None:
        self.running[-1].flops += flops(node)


def _run(model: Any, x: Any, table: Summary) -> None:
    """Run a copy of the model with every module's forward wrapped, so that it is seen to begin and end."""
    rows = {row.path: row for row in table.rows}
    counter = _Counter(table.rows[0])
    for path, module in model.named_modules():
        module.__dict__["forward"] = _watched(module.forward, rows[path], counter, table)
    state = random.get_rng_state()
    try:
        with np.errstate(all="ignore"), no_grad(), observed(counter):
            model(x if isinstance(x, Tensor) else Tensor(x, requires_grad=False))
    finally:
        random.set_rng_state(state)


def _watched(forward: Callable[..., Any], row: Row, counter: _Counter, table: Summary) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        counter.running.append(row)
        try:
            output = forward(*args, **kwargs)
        finally:
            counter.running.pop()
        row.calls += 1
        row.shape = _shapes(output)
        if row.leaf:
            table.outputs += sum(t.size * t.dtype.itemsize for t in _tensors(output))
        return output

    return run


def _tensors(output: Any) -> Iterator[Any]:
    if hasattr(output, "shape"):
        yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _tensors(part)


def _shapes(output: Any) -> Any:
    if hasattr(output, "shape"):
        return tuple(output.shape)
    return [_shapes(part) for part in output] if isinstance(output, (tuple, list)) else type(output).__name__


def flops(node: Tensor) -> int:
    """Return the floating-point operations of one op, as counted in a summary.

    >>> x = Tensor(np.ones((2, 3)))
    >>> flops(x @ np.ones((3, 4))), flops(np.tanh(x)), flops(x.sum()), flops(x.T)
    (48, 6, 6, 0)
    """
    op, made = node.op, node._value
    if op is None or op.kind in ("view", "gather"):
        return 0
    cost = op.facts.cost
    if callable(cost):
        return cost(made, *node.values, **node.attrs)
    if cost is None and op.kind == "reduce":
        return int(np.size(node.values[0]))
    return int(made.size) * (1 if cost is None else cost)


def _shape_text(shape: Any) -> str:
    if shape is None:
        return ""
    return ", ".join(map(_shape_text, shape)) if isinstance(shape, list) else str(shape)


def _line(cells: tuple[str, ...], widths: list[int], used: list[int]) -> str:
    parts = [cells[i].ljust(widths[i]) if i < 2 else cells[i].rjust(widths[i]) for i in used]
    return "  ".join(parts).rstrip()


def _bytes(n: int) -> str:
    if n < 1024:
        return f"{n} bytes"
    power = min(int(math.log(n, 1024)), 4)
    return f"{n / 1024**power:.1f} {('', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
