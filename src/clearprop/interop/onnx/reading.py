"""`load_onnx`: an ONNX file as a Module, whose weights are Parameters and train."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from clearprop import nn
from clearprop.errors import GradientError, InputError, first_line, lesson
from clearprop.interop.onnx.control import CONTROL
from clearprop.interop.onnx.operators import OPERATORS, known_dtype
from clearprop.interop.onnx.training import DOMAIN, TRAINING
from clearprop.op import describe
from clearprop.tensor import Tensor

UNFIT = (
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    ZeroDivisionError,
)  # what NumPy and Python say of misfits
LARGEST = 1 << 31  # bytes of a file: that is as far as its format goes


class OnnxModel(nn.Module):
    """A graph that was read from an ONNX file: called with its inputs in order, it gives its outputs.

    Initialisers of floats that have an axis are Parameters, the running statistics of a batch normalisation
    Buffers; their names are the file's, with `_` for what no attribute may be called. What is
    computed is a graph of ordinary ops: it trains, draws, compiles and can be checked like any model.
    """

    graph: tuple[Any, list[_ReadOperator]]

    bookkeeping: Any = (*nn.Module.bookkeeping, "graph")

    def __init__(self, onnx: Any, model: Any) -> None:
        super().__init__()
        graph = model.graph
        self.graph = (onnx, [_ReadOperator(onnx, node, _version(model, node)) for node in graph.node])
        held = {a.name: _array(onnx, a) for a in graph.initializer}
        self.inputs: tuple[Any, ...] = tuple(x.name for x in graph.input if x.name not in held)
        self.outputs: tuple[Any, ...] = tuple(x.name for x in graph.output)
        moving = {
            name for step in self.graph[1] if step.kind == "BatchNormalization" for name in step.inputs[3:5]
        }
        self.attribute_of: Any = _Names()
        self.constants: Any = _Constants()
        for name, array in held.items():
            ours = model.producer_name == "clearprop" and name.startswith(
                "constant"
            )  # no parameter there either
            if array.dtype.kind != "f" or not array.ndim or ours:
                self.constants.arrays[name] = array
                continue
            attribute = self.attribute_of.add(name, self)
            setattr(self, attribute, nn.Buffer(array) if name in moving else nn.Parameter(array))

    def forward(self, *inputs: Any) -> Any:
        """Compute the outputs: one by itself, several as a tuple."""
        if len(inputs) != len(self.inputs):
            wanted = f"wants {len(self.inputs)} inputs: {', '.join(self.inputs)}"
            raise TypeError(lesson("OnnxModel(...)", wanted, f"{len(inputs)}"))
        known: dict[str, Any] = dict(self.constants.arrays)
        known.update((name, self.__dict__[held]) for name, held in self.attribute_of.of.items())
        known.update((name, _taken(name, x)) for name, x in zip(self.inputs, inputs, strict=True))
        for step in self.graph[1]:
            step.run(known)
        found = tuple(known[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found


def _taken(name: str, x: Any) -> Any:
    """Return an input as the operators take it; TypeError for what is no array."""
    if isinstance(x, (list, tuple)):
        wanted = f"wants an array for {name}"
        raise TypeError(lesson("OnnxModel(...)", wanted, type(x).__name__, hint="np.asarray(x)"))
    array = x if isinstance(x, Tensor) else np.asarray(x)
    known_dtype(f"OnnxModel(...): {name}", array.dtype)
    return array


class _Names:
    """Which attribute holds which initialiser."""

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    def add(self, name: str, module: nn.Module) -> str:
        attribute = "".join(c if c.isalnum() else "_" for c in name) or "weight"
        attribute = attribute if not attribute[0].isdigit() else f"_{attribute}"
        while hasattr(type(module), attribute) or attribute in module.__dict__:
            attribute += "_"
        self.of[name] = attribute
        return attribute


class _Constants:
    """Arrays that are not trained: shapes, axes, single numbers."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}


class _ReadOperator:
    """One operator of the file, with its attributes as Python has them."""

    def __init__(self, onnx: Any, node: Any, version: int) -> None:
        self.kind, self.inputs, self.outputs = node.op_type, list(node.input), list(node.output)
        ours = node.domain in ("", "ai.onnx")
        self.function = OPERATORS.get(node.op_type) if ours else None
        if node.domain == DOMAIN:
            self.function = TRAINING.get(node.op_type)
        self.control = CONTROL.get(node.op_type) if ours else None
        self.label = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
        self.attributes: dict[str, Any] = {}
        for a in node.attribute:
            value = onnx.helper.get_attribute_value(a)
            if isinstance(value, bytes):
                value = value.decode()
            elif isinstance(value, onnx.TensorProto):
                value = _array(onnx, value)
            elif isinstance(value, onnx.GraphProto):
                value = InnerGraph(onnx, value, version)
            self.attributes["dtype_code" if a.name == "dtype" else a.name] = value
        self.attributes |= {
            "outputs": len(self.outputs),
            "version": version,
            "dtype": lambda code: np.dtype(onnx.helper.tensor_dtype_to_np_dtype(code)),
        }

    def _called(self, known: dict[str, Any], given: list[Any]) -> Any:
        if self.control is not None:
            return self.control(self.attributes, known, *given)
        assert self.function is not None
        return self.function(self.attributes, *given)

    def _unfit(self, given: list[Any], error: Exception) -> InputError:
        """Say which operator does not go with the inputs and attributes that it was given."""
        wanted = "its attributes and inputs do not go together, or with what it can compute"
        told = {k: v for k, v in self.attributes.items() if k not in ("outputs", "version", "dtype")}
        inputs = ", ".join("none" if x is None else describe(x) for x in given)
        where = f"{type(error).__name__}: {first_line(error)[:160]}"
        hint = "other inputs, or a file that onnxruntime runs"
        return InputError(lesson(f"ONNX {self.label}", wanted, f"{inputs}, {told}"[:300], where, hint))

    def run(self, known: dict[str, Any]) -> None:
        """Compute the outputs from what is known; InputError where they do not fit."""
        given = [known[name] if name else None for name in self.inputs]
        try:
            found = self._called(known, given)
        except (InputError, GradientError):
            raise  # of an operator within, or of values that a mode refuses
        except UNFIT as error:
            raise self._unfit(given, error) from error
        results = found if isinstance(found, tuple) else (found,)
        for name, x in zip(self.outputs, results, strict=False):
            if name:
                known[name] = x


class InnerGraph:
    """A graph inside of an operator: a branch, or the body of a loop, which sees what is known around it."""

    def __init__(self, onnx: Any, graph: Any, version: int) -> None:
        self.steps: list[_ReadOperator] = [_ReadOperator(onnx, node, version) for node in graph.node]
        self.held: dict[Any, Any] = {a.name: _array(onnx, a) for a in graph.initializer}
        self.inputs: list[Any] = [x.name for x in graph.input if x.name not in self.held]
        self.outputs: list[Any] = [x.name for x in graph.output]
        self.no_rows: list[Any] = [_no_rows(onnx, x) for x in graph.output]

    def run(self, around: dict[str, Any], *given: Any) -> tuple[Any, ...]:
        """Compute the outputs for some inputs."""
        known = {**around, **self.held, **dict(zip(self.inputs, given, strict=True))}
        for step in self.steps:
            step.run(known)
        return tuple(known[name] for name in self.outputs)


def _no_rows(onnx: Any, x: Any) -> Any:
    """Return what a loop of no turns has collected of an output: a length that the file leaves open is 0."""
    told = x.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(told.elem_type or onnx.TensorProto.FLOAT)
    return np.zeros((0, *(d.dim_value for d in told.shape.dim)), dtype)


def _unknown(steps: Iterable[_ReadOperator]) -> Iterator[str]:
    """Yield the operators that have no translation, those of inner graphs too."""
    for step in steps:
        if step.function is None and step.control is None:
            yield step.label
        for value in step.attributes.values():
            if isinstance(value, InnerGraph):
                yield from _unknown(value.steps)


def load_onnx(path: Any) -> OnnxModel:
    """Read an ONNX file (a path, or its bytes) as a Module.

    Raises InputError, a ValueError, for what is no ONNX file or keeps its weights in others, and
    NotImplementedError for operators that have no translation, all of them by name. Needs the extra `onnx`.

    >>> import tempfile, pathlib
    >>> from clearprop.interop.onnx import save_onnx
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> save_onnx(path, nn.Linear(3, 2), np.ones((4, 3), np.float32))
    >>> load_onnx(path)(np.ones((7, 3), np.float32)).shape
    (7, 2)
    """
    onnx: Any = importlib.import_module("onnx")

    try:
        model = onnx.load_from_string(path) if isinstance(path, bytes) else onnx.load(str(path))
        onnx.checker.check_model(model)
    except (OSError, InputError):
        raise
    except Exception as error:  # protobuf's and the checker's own classes, and what they raise in passing
        hint = "a file that onnx.checker.check_model passes"
        raise InputError(
            lesson("load_onnx(path)", "wants an ONNX file", first_line(error)[:120], hint=hint)
        ) from error
    missing = sorted(set(_unknown(_ReadOperator(onnx, n, 0) for n in model.graph.node)))
    if missing:
        hint = "clearprop.interop.onnx.operators.OPERATORS[name] = a function of one's own"
        raise NotImplementedError(
            lesson("load_onnx(path)", "these operators are not known", ", ".join(missing), hint=hint)
        )
    return OnnxModel(onnx, model)


def _version(model: Any, node: Any) -> int:
    """Return which version of the operators' set the file is written for."""
    return next((int(o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)


def _array(onnx: Any, tensor: Any) -> Any:
    array = onnx.numpy_helper.to_array(tensor)
    known_dtype("load_onnx(path)", array.dtype)
    return np.array(array)
