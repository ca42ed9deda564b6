"""`save_table_onnx`: a table's model with what stands before and after its network, as an ONNX file."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import marks
from clearprop.data.cells import MISSING, as_number
from clearprop.data.columns import Category, Column, Number
from clearprop.data.goals import Classes, Count, Quantiles
from clearprop.errors import lesson
from clearprop.files import whole_file
from clearprop.interop.onnx.writer import Writer
from clearprop.interop.onnx.writing import OPSET, onnx_model
from clearprop.train.measures import as_they_occur, learned_weights
from clearprop.train.table_model import TableModel

ML = "ai.onnx.ml"
MOST_CAPITALS = 8
"""A word of more letters than these has too many ways to be written in capitals and small letters."""


class _Table(Writer):
    """Writes operators whose names no column has."""

    def name(self, word: str) -> str:
        """Return a name that nobody has."""
        return super().name(f"table/{word}")


def save_table_onnx(path: str | Path, model: TableModel, overwrite: bool = False) -> None:
    """Write a table's model as an ONNX file whose inputs and outputs are columns, each of shape (rows,).

    Columns of numbers are inputs of float64, NaN where one is missing, in the units that the network learned
    (12 % is 0.12); categories and truths are strings, as `clearprop predict` has them without the blanks
    around. The outputs have the names and the numbers of `clearprop predict`. Raises TypeError that names
    every column which ONNX cannot read (dates, texts), and NotImplementedError for ops of the network that
    are not in ONNX; InputError, without `overwrite`, where there is a file that is no ONNX file. Needs the
    extra `onnx`.
    """
    _check(model)
    onnx: Any = importlib.import_module("onnx")
    width = sum(column.width for column in model.columns)
    plain = onnx_model(model.network, np.zeros((2, width), np.float32))
    network = onnx.compose.add_prefix(plain, "network/").graph
    before, after = _Table(onnx, OPSET, None, ""), _Table(onnx, OPSET, None, "")
    after._count = 1_000_000  # names of its own
    parts = [_inputs(before, column, model) for column in model.columns]
    joined = before.node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    held = before.node("Clip", joined, before.constant(-1e6), before.constant(1e6))
    single = before.node("Cast", held, to=onnx.TensorProto.FLOAT)
    before.nodes.append(onnx.helper.make_node("Identity", [single], [network.input[0].name]))
    outputs = _outputs(after, network.output[0].name, model)
    made = onnx.helper.make_graph(
        [*before.nodes, *network.node, *after.nodes],
        "clearprop",
        [
            _value(onnx, c.name, np.dtype(np.float64) if isinstance(c, Number) else None)
            for c in model.columns
        ],
        [_value(onnx, name, dtype) for name, dtype in outputs],
        [*before.arrays, *network.initializer, *after.arrays],
    )
    imports = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(ML, 2)]
    whole = onnx.helper.make_model(made, opset_imports=imports, ir_version=8, producer_name="clearprop")
    onnx.checker.check_model(whole)
    with whole_file(path, ours=None if overwrite else marks.onnx) as file:
        file.write(whole.SerializeToString())


def _check(model: TableModel) -> None:
    """Raise TypeError for columns that ONNX cannot read, all of them by name."""
    strange = [
        f"{column.name!r} ({type(column).__name__.lower()})"
        for column in model.columns
        if not isinstance(column, (Number, Category))
        or (isinstance(column, Category) and column.folded and not all(map(_few, column.values)))
    ]
    if strange:
        wanted = "these columns cannot be read in ONNX"
        hint = "--py, which reads them, or training without them"
        raise TypeError(lesson("a table as ONNX", wanted, ", ".join(strange), hint=hint))


def _few(word: str | None) -> bool:
    return word is None or sum(map(str.isalpha, word)) <= MOST_CAPITALS


def _value(onnx: Any, name: str, dtype: Any) -> Any:
    """Return a column as the file has it: of strings where it has no dtype."""
    kind = onnx.TensorProto.STRING if dtype is None else onnx.helper.np_dtype_to_tensor_dtype(dtype)
    return onnx.helper.make_tensor_value_info(name, kind, ["rows"])


# --- cells into inputs --------------------------------------------------------------------------------------
def _inputs(g: _Table, column: Column, model: TableModel) -> str:
    """Write what makes inputs of one column; return the name of an array of (rows, width), float64."""
    told = list(dict(model.about.get("reading") or {}).get("missing", ()))
    upright = g.node("Reshape", column.name, g.whole([-1, 1]))
    if isinstance(column, Number):
        return _number(g, column, upright, [x for x in map(as_number, told) if x is not None])
    assert isinstance(column, Category)
    places = g.node("LabelEncoder", upright, domain=ML, **_places(column, told))
    if column.coded:
        return g.node("Cast", places, to=g.onnx.TensorProto.DOUBLE)
    one_hot = g.node("Equal", places, g.constant(np.arange(column.width)[None]))
    return g.node("Cast", one_hot, to=g.onnx.TensorProto.DOUBLE)


def _number(g: _Table, column: Number, x: str, told: Sequence[float]) -> str:
    """Write `number_inputs` for float64."""
    gone = g.node("Or", g.node("IsNaN", x), g.node("IsInf", x))
    for number in told:
        gone = g.node("Or", gone, g.node("Equal", x, g.constant(number)))
    filled = g.node("Where", gone, g.constant(column.median), x)
    scaled = g.node("Div", g.node("Sub", filled, g.constant(column.mean)), g.constant(column.scale))
    parts = [scaled]
    if column.spread:
        off = g.node("Sub", filled, g.constant(column.median))
        robust = g.node("Div", off, g.constant(column.spread))
        third = g.node("Div", robust, g.constant(3.0))
        length = g.node("Sqrt", g.node("Add", g.node("Mul", third, third), g.constant(1.0)))
        parts.insert(0, g.node("Div", robust, length))
    if column.gaps:
        parts.append(g.node("Cast", gone, to=g.onnx.TensorProto.DOUBLE))
    return g.node("Concat", *parts, axis=1) if len(parts) > 1 else scaled


def _places(column: Category, told: Sequence[str]) -> dict[str, Any]:
    """Return the table of a category: each string that is read as a value, with its place."""
    places: dict[str, int] = {}
    known = {value: i for i, value in enumerate(column.values)}
    gap = known.get(None, column.kinds if column.coded else -1)
    new = len(column.values) if column.pooled else (column.kinds if column.coded else -1)
    for word in sorted(MISSING) + list(told):
        for spelt in _spellings(word) if word in MISSING else [word]:
            places[spelt] = gap
    for value, place in known.items():
        if value is not None:
            for spelt in _spellings(value) if column.folded else [value]:
                places.setdefault(spelt, place)
            if value.removeprefix("-").isdecimal():
                places.setdefault(f"{value}.0", place)  # 1.0 is the category 1
    return {"keys_strings": list(places), "values_int64s": list(places.values()), "default_int64": new}


def _spellings(word: str) -> Iterator[str]:
    """Yield a word in every mixture of capitals and small letters.

    >>> list(_spellings("no"))
    ['no', 'nO', 'No', 'NO']
    """
    yield from map("".join, itertools.product(*(dict.fromkeys((x.lower(), x.upper())) for x in word)))


# --- outputs into predictions -------------------------------------------------------------------------------
def _outputs(g: _Table, raw: str, model: TableModel) -> list[tuple[str, Any]]:
    """Write what makes predictions of the network's outputs; return their names, with None for strings."""
    target, said = model.target, f"predicted {model.target.name}"
    double = np.dtype(np.float64)
    outputs = g.node("Cast", raw, to=g.onnx.TensorProto.DOUBLE)

    def column(x: str, place: int) -> Callable[[str], None]:
        taken = g.node("Gather", x, g.constant(np.int64(place)), axis=1)
        return lambda name: g.nodes.append(g.onnx.helper.make_node("Identity", [taken], [name]))

    if isinstance(target, Classes):
        heat = g.constant(float(model.about.get("temperature", 1.0)))
        weights = learned_weights(model.about)
        if weights is not None:
            outputs = g.node("Add", outputs, g.constant(as_they_occur(np.zeros(len(weights)), weights)))
        shares = g.node("Softmax", g.node("Div", outputs, heat), axis=1)
        chosen = _chosen(g, shares, model, target)
        words = {"keys_int64s": list(range(len(target.values))), "values_strings": list(target.values)}
        g.nodes.append(g.onnx.helper.make_node("LabelEncoder", [chosen], [said], domain=ML, **words))
        for place, value in enumerate(target.values):
            column(shares, place)(f"probability {value}")
        return [(said, None), *((f"probability {value}", double) for value in target.values)]
    if isinstance(target, Quantiles):
        count = len(target.levels)
        ordered = g.name("ordered")
        given = [outputs, g.whole([count])]
        g.nodes.append(
            g.onnx.helper.make_node("TopK", given, [ordered, g.name("order")], axis=1, largest=0, sorted=1)
        )
        scaled = _scaled(g, ordered, target)
        column(scaled, target.middle)(said)
        named = [f"quantile {level:g}" for level in target.levels]
        for place, name in enumerate(named):
            column(scaled, place)(name)
        return [(name, double) for name in (said, *named)]
    if isinstance(target, Count):
        held = g.node("Clip", outputs, g.constant(-50.0), g.constant(50.0))
        column(g.node("Mul", g.node("Exp", held), g.constant(target.mean)), 0)(said)
    else:
        column(_scaled(g, outputs, target), 0)(said)
    return [(said, double)]


def _scaled(g: _Table, x: str, target: Any) -> str:
    return g.node("Add", g.node("Mul", x, g.constant(target.scale)), g.constant(target.mean))


def _chosen(g: _Table, shares: str, model: TableModel, target: Classes) -> str:
    """Write which class is said: the likeliest, or by the threshold of two."""
    told = model.about.get("threshold")
    if told is None:
        weights = model.about.get("class weights")
        weighed = shares if weights is None else g.node("Mul", shares, g.constant(np.array(weights)))
        return g.node("ArgMax", weighed, axis=1, keepdims=0)
    positive = target.values.index(str(told["class"]))
    share = g.node("Gather", shares, g.constant(np.int64(positive)), axis=1)
    enough = g.node("GreaterOrEqual", share, g.constant(float(told["from"])))
    return g.node("Where", enough, g.constant(np.int64(positive)), g.constant(np.int64(1 - positive)))
