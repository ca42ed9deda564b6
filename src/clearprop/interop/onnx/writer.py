"""`Writer`: an ONNX graph in the making, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson


class Batch:
    """How long the first axis was in each of two recordings: what follows it in a shape may change."""

    first: int
    second: int

    def __init__(self, first: int, second: int) -> None:
        self.first, self.second = first, second

    def follows(self, a: int, b: int) -> int:
        """Return how many times the batch a length is, 0 if both recordings agree, -1 if it is neither."""
        times = a // self.first
        return (
            times if a != b and times * self.first == a and times * self.second == b else 0 if a == b else -1
        )


class Writer:
    """Operators, arrays and names; what `Facts.onnx` writes into.

    A shape is written from two recordings with batches of different lengths: what differs is computed from
    the input's own shape when the file is run.
    """

    onnx: Any
    opset: int
    batch: Batch | None
    source: str

    def __init__(self, onnx: Any, opset: int, batch: Batch | None, source: str) -> None:
        self.onnx, self.opset, self.batch, self.source = onnx, opset, batch, source
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []
        self.dtypes: dict[str, np.dtype[Any]] = {}
        self.second: Any = None  # the value of the current node in the second recording
        self._constants: dict[Any, str] = {}
        self.layers: dict[tuple[int, int], list[str]] = {}  # the arrays of a recurrent module's layers
        self.pieces: dict[str, dict[tuple[int, int], str]] = {}  # what lies where in a loop's flat result
        self._count = 0

    def name(self, word: str) -> str:
        """Return a name that nobody has."""
        self._count += 1
        return f"{word}_{self._count}"

    def own(self, word: str) -> str:
        """Return the word itself as a name, as long as no array has it."""
        return self.name(word) if word in self.dtypes else word

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Write an operator; return the name of its result."""
        output = self.name(kind.lower())
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def reduce(self, kind: str, x: str, axes: Any, keepdims: int) -> str:
        """Write a reduction along axes, which are an attribute in older files."""
        if self.opset < 18 and kind != "ReduceSum":
            return self.node(kind, x, axes=[int(i) for i in axes], keepdims=keepdims)
        return self.node(kind, x, self.whole(axes), keepdims=keepdims)

    def graph(self, write: Callable[[], tuple[list[Any], list[Any]]]) -> Any:
        """Return a graph of its own, of the operators that `write()` makes; it returns inputs and outputs.

        Arrays and what is computed outside are seen inside by their names.
        """
        around, self.nodes = self.nodes, []
        try:
            inputs, outputs = write()
            return self.onnx.helper.make_graph(self.nodes, self.name("graph"), inputs, outputs)
        finally:
            self.nodes = around

    def info(self, name: str, dtype: np.dtype[Any], mine: Any, theirs: Any) -> Any:
        """Return what is said of an array: its dtype, and its shape where both recordings agree."""
        shape = [a if a == b else None for a, b in zip(mine, theirs, strict=True)]
        code = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        self.dtypes[name] = dtype
        return self.onnx.helper.make_tensor_value_info(name, code, shape)

    def array(self, name: str, value: Any) -> str:
        """Write an array under a name of its own."""
        self.arrays.append(
            self.onnx.numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        )
        self.dtypes[name] = np.asarray(value).dtype
        return name

    def constant(self, value: Any) -> str:
        """Return the name of an array that holds these numbers, written once."""
        value = np.asarray(value)
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            self._constants[key] = self.array(self.name("constant"), value)
        return self._constants[key]

    def whole(self, numbers: Any) -> str:
        """Return the name of a vector of int64."""
        return self.constant(np.asarray(numbers, np.int64).reshape(-1))

    def cast(self, x: str, dtype: np.dtype[Any]) -> str:
        """Return x as another dtype."""
        if self.dtypes.get(x) == dtype:
            return x
        found = self.node("Cast", x, to=self.onnx.helper.np_dtype_to_tensor_dtype(dtype))
        self.dtypes[found] = dtype
        return found

    def alike(self, node: Any, xs: tuple[str, ...], dtype: np.dtype[Any]) -> list[str]:
        """Return the inputs as one dtype."""
        return [self.cast(x, dtype) for x in xs]

    def shape(self, shape: tuple[int, ...]) -> str:
        """Return the name of a shape, in which what follows the batch is computed when the file is run."""
        second = shape if self.second is None else self.second.shape
        if self.batch is None or shape == second:
            return self.whole(shape)
        parts = []
        for a, b in zip(shape, second, strict=True):
            times = self.batch.follows(a, b)
            if times < 0:
                wanted = "a length follows the batch in no simple way"
                raise ValueError(
                    lesson("save_onnx(path, f, x)", wanted, f"{shape} and {second}", hint="dynamic=False")
                )
            one = (
                self.node("Slice", self.node("Shape", self.source), self.whole([0]), self.whole([1]))
                if times
                else ""
            )
            parts.append(self.whole([a]) if not times else self.node("Mul", one, self.whole([times])))
        return self.node("Concat", *parts, axis=0)

    def new_shape(self, shape: tuple[int, ...]) -> str:
        """Return the name of a shape for the same entries: one length that follows the batch is -1."""
        second = shape if self.second is None else self.second.shape
        changed = [i for i, (a, b) in enumerate(zip(shape, second, strict=True)) if a != b]
        if len(changed) == 1 and 0 not in shape:
            return self.whole([-1 if i in changed else n for i, n in enumerate(shape)])
        return self.shape(shape)

    def refuse(self, node: Any, wanted: str) -> Exception:
        """Return the error of an op that has no translation as it was called."""
        return NotImplementedError(lesson(f"ONNX for {node.op}", wanted, f"{node.attrs}"))
