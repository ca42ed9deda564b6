"""`save_onnx`: what a function or a Module computes, written as an ONNX file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop import marks, nn
from clearprop.errors import lesson
from clearprop.files import whole_file
from clearprop.graph import topological_order
from clearprop.interop.onnx.attention import Attended, attention_calls
from clearprop.interop.onnx.flow import Choice, Choices, Recorded, as_beside, write_op
from clearprop.interop.onnx.layers import layer_of
from clearprop.interop.onnx.sequence_layers import Listening, users_by_id
from clearprop.interop.onnx.writer import Batch, Writer
from clearprop.modes import Observer, observed
from clearprop.rows import LENGTHS, lengths, with_rows
from clearprop.tensor import Tensor, raw

OPSET = 18
OLDEST = 17


def save_onnx(
    path: Any,
    f: Callable[..., Any],
    *inputs: Any,
    names: Sequence[str] | None = None,
    dynamic: bool = True,
    opset: int = OPSET,
    overwrite: bool = False,
) -> None:
    """Write what `f(*inputs)` computes, for inputs of these shapes and dtypes, as an ONNX file.

    `f` is a Module or a function of arrays; a Module is written as it is in evaluation. Parameters become
    initialisers under their names, layers single operators where ONNX has them. With `dynamic` the first axis
    of the inputs may have any length later: `f` is recorded with two lengths, what differs between them is
    computed when the file is run, and the same file has to come of every pair of lengths that
    `clearprop.rows` names. Inputs that have no first axis of one length are written for their shapes alone.
    Results in tuples become `output`, `output_1`, ..., in order.

    `opset` is the version of ONNX's operators, from 17 on: newer ones have operators for more layers. Raises
    NotImplementedError for ops that have no translation, all by name, and ValueError where what is computed
    depends on the batch in a way that is no length; InputError, without `overwrite`, where there is a file
    that is no ONNX file. Needs the extra `onnx`.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> save_onnx(path, nn.Sequential(nn.Linear(3, 4), nn.ReLU()), np.ones((2, 3), np.float32))
    >>> path.exists()
    True
    """
    model = onnx_model(f, *inputs, names=names, dynamic=dynamic, opset=opset)
    with whole_file(path, ours=None if overwrite else marks.onnx) as file:
        file.write(model.SerializeToString())


def onnx_model(
    f: Callable[..., Any],
    *inputs: Any,
    names: Sequence[str] | None = None,
    dynamic: bool = True,
    opset: int = OPSET,
) -> Any:
    """Return the ONNX model that `save_onnx` writes; raises what it does, without a file."""
    onnx: Any = importlib.import_module("onnx")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= opset <= newest:
        wanted = f"writes the operators of versions {OLDEST} to {newest}, the newest of the installed onnx"
        raise ValueError(lesson("save_onnx(opset=)", wanted, f"{opset}", hint=f"opset={OPSET}"))

    arrays = [np.asarray(raw(x)) for x in inputs]
    names = list(names or (f"input_{i}" if i else "input" for i in range(len(arrays))))
    dynamic = dynamic and all(a.ndim and len(a) == len(arrays[0]) and len(a) for a in arrays)
    training = [m for m in f.modules() if m.training] if isinstance(f, nn.Module) else []
    try:
        if isinstance(f, nn.Module):
            f.eval()
        making = _Making(onnx, f, arrays, names, opset)
        model = making.any_length() if dynamic else making.model(None)[0]
    finally:
        for module in training:
            module.training = True
    onnx.checker.check_model(model)
    return model


@dataclass
class _Making:
    """The file of a function, from one recording, or from two with batches of different lengths."""

    onnx: Any
    f: Callable[..., Any]
    arrays: list[Any]
    names: list[str]
    opset: int

    def model(self, pair: tuple[int, int] | None) -> tuple[Any, float]:
        """Return the file's contents, and how many entries were computed in the first recording."""
        with Listening(self.f if isinstance(self.f, nn.Module) else None) as heard:
            first = self.run(pair[0] if pair is not None else None)
        second = self.run(pair[1]) if pair is not None else None
        writer = Writer(self.onnx, self.opset, None if pair is None else Batch(*pair), self.names[0])
        outputs = _Walk(writer, self.f, first, second, self.names, heard).written()
        model = _model(self.onnx, writer, self.names, first, second, outputs, self.opset)
        return model, sum(float(node.size) for node in _ordered(first[1]) if node.op is not None)

    def run(self, n: int | None) -> Run:
        """Run the function, with n rows of its examples if a number is given."""
        return _run(self.f, self.arrays if n is None else with_rows(self.arrays, n))

    def takes(self, n: int) -> bool:
        """Whether the function has a value for so many rows."""
        try:
            self.run(n)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return False
        return True

    def any_length(self) -> Any:
        """Return what comes of every length that is tried; ValueError where it is not the same."""
        start, other = LENGTHS[:2]
        model, entries = self.model((start, other))
        for n in (*LENGTHS[1:], *lengths(len(self.arrays[0]), entries / start)):
            if n not in LENGTHS and not self.takes(n):
                continue  # what has no value there is as good in the file
            twin, _ = self.model((n, start))
            if _contents(twin) != _contents(model):
                wanted = "what is computed depends on the length of the first axis in a way that is no length"
                got = f"{n} rows make another file than {start}"
                raise ValueError(lesson("save_onnx(path, f, x)", wanted, got, hint="dynamic=False"))
            _in_common(model.graph.output, twin.graph.output)
        return model


def _contents(model: Any) -> list[bytes]:
    """Return what a file computes, whatever it says of the shapes of its results."""
    return [part.SerializeToString() for part in (*model.graph.node, *model.graph.initializer)]


def _in_common(mine: Any, theirs: Any) -> None:
    """Leave open what is not said of the shapes of results in both."""
    for a, b in zip(mine, theirs, strict=True):
        for i, j in zip(a.type.tensor_type.shape.dim, b.type.tensor_type.shape.dim, strict=True):
            if i != j:
                i.Clear()


class _Looking(Observer):
    """Who has nodes remember their inputs and layers be loops, and notes what is one operator."""

    remembers = rolls = whole = True

    def __init__(self) -> None:
        super().__init__()
        self.choices: list[Choice] = []
        self.attentions: list[Attended] = []

    def attended(self, given: Any, scale: float, causal: bool, result: Any) -> None:
        """Note an attention."""
        self.attentions.append(Attended(given, scale, causal, result))

    def chose(self, decided: Any, yes: list[Any], no: list[Any], chosen: list[Any]) -> None:
        """Note the results of two branches and what was chosen of them."""
        self.choices.append(Choice(decided, (yes, no), chosen))


Run = tuple[list[Tensor], list[Tensor], _Looking]


def _run(f: Callable[..., Any], arrays: list[Any]) -> Run:
    """Return the inputs as leaves, the outputs, whose nodes remember their inputs, and who looked on."""
    leaves = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    looking = _Looking()
    with observed(looking):
        result = f(*leaves)
    outputs = _flat(result)
    if not outputs:
        raise TypeError(lesson("save_onnx(path, f, x)", "wants a function that returns results", "none"))
    for z in outputs:
        if not isinstance(z, Tensor):
            wanted = "wants a function whose results depend on its inputs"
            raise TypeError(lesson("save_onnx(path, f, x)", wanted, type(z).__name__))
    return leaves, outputs, looking


def _flat(result: Any) -> list[Any]:
    """Return the results in order, those of tuples and lists within too; a None is no result."""
    if isinstance(result, (tuple, list)):
        return [z for part in result for z in _flat(part)]
    return [] if result is None else [result]


class _Walk:
    """Writes the nodes that led to the outputs, in order, layers as one where they are one."""

    def __init__(
        self, writer: Writer, f: Any, first: Any, second: Any, names: Sequence[str], heard: Any
    ) -> None:
        self.g, self.first, self.second, self.heard = writer, first, second, heard
        self.model = f if isinstance(f, nn.Module) else None
        self.owned = dict(self.model._state()) if self.model is not None else {}
        self.known: dict[int, str] = {id(x): name for x, name in zip(first[0], names, strict=True)}
        for x, name in zip(first[0], names, strict=True):
            writer.dtypes[name] = x.dtype
        self.of_owner = {id(t): name for name, t in self.owned.items()}

    def written(self) -> list[str]:
        order = _ordered(self.first[1])
        self.twins = self._twins(order)
        self.layers = layer_of(self.model, order, self.g.opset) if self.model is not None else {}
        users = users_by_id(order, self.first[1])
        mine, theirs = (run[2].attentions for run in (self.first, self.second or self.first))
        attended = attention_calls(mine, theirs, users, self.g.opset)
        calls: list[Any] = [*self.heard.found(users), *attended]
        self.sequences = {id(z): call for call in calls for z in call.results}
        parts = (*self.layers.values(), *self.sequences.values())
        self.inside = {id(n) for part in parts for n in part.hidden}
        asked = [n for n in order if n.op is not None and id(n) not in self.inside]
        asked = [n for n in asked if id(n) not in self.layers and id(n) not in self.sequences]
        missing = sorted({name for n in asked for name in _without_operator(n)})
        if missing:
            hint = "model.eval() for dropout, another formula for the rest"
            raise NotImplementedError(
                lesson("save_onnx(path, f, x)", "these ops are not in ONNX", ", ".join(missing), hint=hint)
            )
        together = [call.results for call in calls]
        self.choices = Choices(self.first[2].choices, order, users, together)
        self._write(order, None)
        return [self._name(z) for z in self.first[1]]

    def _write(self, nodes: list[Tensor], branch: Any) -> None:
        """Write the nodes that belong to a branch, or to none."""
        for node in nodes:
            if node.op is None or id(node) in self.inside or id(node) in self.known:
                continue
            if self.choices.branch_of(node) != branch:
                continue
            twin = self.twins.get(id(node))
            self.g.second = None if twin is None else twin._value
            if id(node) in self.choices.of_result:
                self.known |= self.choices.written(
                    self.g, node, self._name, lambda inner: self._write(nodes, inner), self.twins
                )
                continue
            if id(node) in self.sequences:
                self.known |= self.sequences[id(node)].write(self.g, self._name, self.of_owner)
                name = self.known[id(node)]
            elif id(node) in self.layers:
                layer = self.layers[id(node)]
                name = layer.write(self.g, self._name(layer.input), lambda t: self._name(t))
            else:
                name = self._op(node)
            self.known[id(node)] = name
            self.g.dtypes[name] = node.dtype

    def _op(self, node: Tensor) -> Any:
        assert node.op is not None
        names = []
        twin = self.twins.get(id(node), node)
        for x, y, v in zip(node.inputs, twin.inputs, node.values, strict=True):
            number = not isinstance(x, (Tensor, np.ndarray))  # gives way to the other's dtype
            row = None if id(x) in self.known else _repeated(node, x, y)
            if row is not None:
                second, self.g.second = self.g.second, row[1]
                names.append(self.g.node("Expand", self.g.constant(row[0]), self.g.shape(np.shape(x))))
                self.g.second = second
                self.g.dtypes[names[-1]] = x.dtype
            else:
                names.append(self.g.constant(as_beside(v, node.values)) if number else self._name(x))
        return write_op(self.g, node.op, _recorded(node), names, _recorded(twin))

    def _twins(self, order: list[Tensor]) -> dict[int, Any]:
        """Return for each node what it was in the second recording; ValueError where other ops were run."""
        if self.second is None:
            return {}
        other = _ordered(self.second[1])
        kinds = [[n.op and n.op.name for n in nodes if n.op is not None] for nodes in (order, other)]
        if kinds[0] != kinds[1]:
            wanted = "which ops are run depends on the length of the first axis"
            raise ValueError(lesson("save_onnx(path, f, x)", wanted, hint="dynamic=False"))
        mine, theirs = ([n for n in nodes if n.op is not None] for nodes in (order, other))
        return {id(a): b for a, b in zip(mine, theirs, strict=True)}

    def _name(self, x: Any) -> str:
        """Return the name of an input: a result, a parameter or a constant."""
        if not isinstance(x, Tensor):
            return self.g.constant(x)
        if id(x) not in self.known:
            name = self.of_owner.get(id(x)) or self.g.name(x.name or "constant")
            self.known[id(x)] = self.g.array(name, x._value)
        return self.known[id(x)]


def _repeated(node: Tensor, x: Any, y: Any) -> Any:
    """Return the row that an array made for the batch repeats, and the array of the second recording.

    None for any other input; ValueError where the rows are not alike, so that more of them cannot be known.
    """
    mine, theirs = (raw(v) for v in (x, y))
    made = not isinstance(x, Tensor) or (x.op is None and not isinstance(x, (nn.Parameter, nn.Buffer)))
    if not made or not isinstance(mine, np.ndarray) or mine.shape == np.shape(theirs):
        return None
    row = mine
    for axis, (a, b) in enumerate(zip(mine.shape, theirs.shape, strict=True)):
        row = row if a == b else np.take(row, [0], axis=axis)
    if not np.array_equal(np.broadcast_to(row, theirs.shape), theirs):
        wanted = "an array that the function makes follows the length of the first axis"
        raise ValueError(lesson("save_onnx(path, f, x)", wanted, f"in {node.op}", hint="dynamic=False"))
    return row, theirs


def _recorded(node: Tensor) -> Recorded:
    assert node.op is not None
    values = [np.asarray(v) if not isinstance(v, Tensor) else np.asarray(v._value) for v in node.values]
    return Recorded(node.op.name, np.asarray(node._value), values, node.attrs)


def _without_operator(node: Tensor) -> list[str]:
    """Return the names of the ops that a node is made of which have no translation."""
    assert node.op is not None
    repeats = node.op.facts.repeats
    parts = [node.op] if repeats is None else repeats(*node.values, **node.attrs).body.ops()
    return [op.name for op in parts if op.facts.onnx is None and op.facts.repeats is None]


def _ordered(outputs: list[Tensor]) -> list[Tensor]:
    seen: dict[int, Tensor] = {}
    for z in outputs:
        for node in topological_order(z):
            seen.setdefault(id(node), node)
    return sorted(seen.values(), key=lambda node: node.serial)


def _model(onnx: Any, g: Writer, names: Any, first: Any, second: Any, outputs: list[str], opset: int) -> Any:
    """Return the file's contents: inputs and outputs with their shapes, `batch` for an axis of any length."""

    def value(name: str, mine: Tensor, theirs: Tensor) -> Any:
        shape: list[Any] = [
            n if n == m else "batch" if g.batch is not None and g.batch.follows(n, m) == 1 else None
            for n, m in zip(mine.shape, theirs.shape, strict=True)
        ]
        return onnx.helper.make_tensor_value_info(
            name, onnx.helper.np_dtype_to_tensor_dtype(mine.dtype), shape
        )

    inputs, results = ((first[i], (second or first)[i]) for i in (0, 1))
    last = []
    for i, (name, z, twin) in enumerate(zip(outputs, *results, strict=True)):
        own = f"output_{i}" if i else "output"
        g.nodes.append(onnx.helper.make_node("Identity", [name], [own]))
        last.append(value(own, z, twin))
    given = [value(*each) for each in zip(names, *inputs, strict=True)]
    graph = onnx.helper.make_graph(g.nodes, "clearprop", given, last, g.arrays)
    imports = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="clearprop")
