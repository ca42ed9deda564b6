"""The builder: appends core ops to a program, with shapes and dtypes worked out and equal ones made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from clearprop.compiler.program.core import CORE, Dtype, ufunc_of
from clearprop.compiler.program.ir import Shape, Value, is_op
from clearprop.errors import user_line
from clearprop.ufunc import Ufunc

FOLDED = 1 << 16  # a constant result of more entries is left to be computed at each call


class Unlowered(TypeError):
    """A forward function asked for something that core ops do not have; it runs as a call of NumPy."""


def _weak(x: Any) -> bool:
    return isinstance(x, (bool, int, float)) and not isinstance(x, np.generic)


def _beyond(x: Any, dtype: Dtype) -> bool:
    """Tell whether a Python integer is outside the range of an integer dtype: NumPy compares it exactly."""
    if not isinstance(x, int) or dtype.kind not in "iu":
        return False
    return not int(np.iinfo(dtype).min) <= x <= int(np.iinfo(dtype).max)


class Builder:
    """Makes core ops; see the table in this folder's README.

    Inputs are Values or Python numbers; what comes back is a Value. An op that was made before with the same
    inputs is not made again.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.made: dict[Any, Value] = {}
        self.journal: list[Any] = []
        self.line = ""

    # --- making ---------------------------------------------------------------------------------------------
    def emit(
        self,
        op: str,
        inputs: tuple[Any, ...],
        shape: Shape,
        dtype: Any,
        attrs: dict[str, Any] | None = None,
        kind: str = "op",
        why: str = "",
    ) -> Value:
        """Append an op, or return the one that was made of the same before; constants are computed now."""
        attrs = attrs or {}
        key = (
            kind,
            op,
            tuple([x if isinstance(x, Value) else (type(x), repr(x)) for x in inputs]),
            repr(sorted(attrs.items(), key=lambda item: item[0])),
            shape,
            dtype,
        )
        found = self.made.get(key)
        if found is None:
            found = Value(kind, shape, dtype, op, inputs, attrs, line=self.line, why=why)
            if kind == "op" and (0 in shape or any(0 in x.shape for x in found.operands)):
                found = self.constant(evaluate(found, lambda v: np.empty(v.shape, v.dtype)))  # no entries
            elif (
                kind == "op"
                and not found.core.repeats
                and found.operands
                and _constant(found.operands)
                and found.size <= FOLDED
            ):
                found = self.constant(evaluate(found, lambda v: v.data))
            else:
                self.values.append(found)
            self._remember(key, found)
        return found

    def _remember(self, key: Any, made: Value) -> None:
        self.made[key] = made
        self.journal.append(key)

    def undo(self, mark: tuple[int, int]) -> None:
        """Forget what was appended since `mark`, which `self.mark` gave."""
        del self.values[mark[0] :]
        for key in self.journal[mark[1] :]:
            del self.made[key]
        del self.journal[mark[1] :]

    @property
    def mark(self) -> tuple[int, int]:
        """Where the program stands now, for `undo`."""
        return len(self.values), len(self.journal)

    def constant(self, array: Any) -> Value:
        """Append a constant; equal ones are one."""
        array = np.asarray(array)
        key = (
            "constant",
            array.shape,
            array.dtype.str,
            array.tobytes() if array.nbytes <= 1024 else id(array),
        )
        found = self.made.get(key)
        if found is None:
            found = Value("constant", array.shape, array.dtype, data=array, line=self.line or user_line())
            self._remember(key, found)
            self.values.append(found)
        return found

    # --- elementwise ----------------------------------------------------------------------------------------
    def ufunc(self, ufunc: np.ufunc | Ufunc, *inputs: Any) -> Value:
        """Append a ufunc of one output, NumPy's or ours; its inputs are cast to what it computes in."""
        if ufunc_of(ufunc.__name__) is not ufunc or ufunc.signature is not None:
            raise Unlowered(f"np.{ufunc.__name__} is no ufunc of one output")
        given = tuple(type(x) if _weak(x) else x.dtype for x in inputs)
        resolved = ufunc.resolve_dtypes((*(np.dtype(bool) if t is bool else t for t in given), None))
        if any(_beyond(x, t) for x, t in zip(inputs, resolved, strict=False)):
            raise Unlowered("an integer that the other operand's dtype does not hold")
        inputs = tuple(self.cast(x, t) for x, t in zip(inputs, resolved, strict=False))
        shape = np.broadcast_shapes(*(x.shape for x in inputs if isinstance(x, Value)))
        return self.emit(ufunc.__name__, inputs, shape, resolved[-1])

    def cast(self, x: Any, dtype: Dtype) -> Any:
        """Return `x` in another dtype; a number becomes one that the dtype holds."""
        if not isinstance(x, Value):
            return {"f": float, "b": bool}.get(np.dtype(dtype).kind, int)(x)
        if x.dtype == dtype:
            return x
        return self.emit("astype", (x,), x.shape, np.dtype(dtype), {"dtype": np.dtype(dtype)})

    def where(self, c: Any, x: Any, y: Any) -> Value:
        """Append x where c holds, else y."""
        if not isinstance(c, Value):
            raise Unlowered("where with a number as condition")
        dtype = np.result_type(*(v.dtype if isinstance(v, Value) else v for v in (x, y)))
        c = self.cast(c, np.dtype(bool))
        x, y = self.cast(x, dtype), self.cast(y, dtype)
        shape = np.broadcast_shapes(*(v.shape for v in (c, x, y) if isinstance(v, Value)))
        return self.emit("where", (c, x, y), shape, dtype)

    # --- reductions -----------------------------------------------------------------------------------------
    def reduce(self, op: str, x: Value, axis: Any = None, keepdims: bool = False) -> Value:
        """Append a reduction; a reshape drops the reduced axes where they are not kept."""
        row, axes = CORE[op], normal_axes(axis, len(x.shape))
        dtype = getattr(np, op)(np.zeros(1, x.dtype)).dtype
        if row.better and len(axes) != 1:
            if axis is not None:
                raise Unlowered(f"{op} along several axes")
            kept = (1,) * len(x.shape) if keepdims else ()
            return self.reshape(self.reduce(op, self.reshape(x, (x.size,)), 0), kept)
        if row.takes:
            x = self.cast(x, np.dtype(bool) if row.takes == "bool" else dtype)
        kept_shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
        if not row.empty and x.size == 0:
            raise Unlowered("an empty reduction")
        v = x
        if axes or dtype != x.dtype or row.better:
            v = self.emit(op, (x,), kept_shape, dtype, {"axes": axes})
        dropped = tuple(n for i, n in enumerate(kept_shape) if i not in axes)
        return v if keepdims else self.reshape(v, dropped)

    # --- views ----------------------------------------------------------------------------------------------
    def reshape(self, x: Value, shape: Any) -> Value:
        """Append the same entries in another shape; one length may be -1."""
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
        if -1 in shape:
            known = int(np.prod([n for n in shape if n != -1]))
            shape = tuple((x.size // known if known else 0) if n == -1 else n for n in shape)
        if int(np.prod(shape)) != x.size:
            raise Unlowered("reshape to another size")
        if shape == x.shape:
            return x
        while is_op(x, "reshape"):
            x = x.inputs[0]
            if shape == x.shape:
                return x
        return self.emit("reshape", (x,), shape, x.dtype)

    def transpose(self, x: Value, axes: Any = None) -> Value:
        """Append the axes in another order, reversed unless told."""
        n = len(x.shape)
        axes = tuple(range(n))[::-1] if axes is None else tuple(int(a) % n for a in axes)
        if is_op(x, "transpose"):
            axes = tuple(x.attrs["axes"][a] for a in axes)
            x = x.inputs[0]
        if axes == tuple(range(n)):
            return x
        return self.emit("transpose", (x,), tuple(x.shape[a] for a in axes), x.dtype, {"axes": axes})

    def slice(self, x: Value, index: tuple[tuple[int, int, int], ...]) -> Value:
        """Append the entries between bounds: a (start, stop, step) per axis."""
        shape = tuple(len(range(*bounds)) for bounds in index)
        if is_op(x, "slice"):  # one of a slice is one of the whole
            index = tuple(
                (start + a * step, start + b * step, step * c)
                for (start, _, step), (a, b, c) in zip(x.attrs["index"], index, strict=True)
            )
            x = x.inputs[0]
        if shape == x.shape and all(step > 0 for _, _, step in index):
            return x
        return self.emit("slice", (x,), shape, x.dtype, {"index": index})

    def broadcast_to(self, x: Value, shape: Any) -> Value:
        """Append the entries repeated along new axes and axes of length 1."""
        shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        if is_op(x, "broadcast_to"):
            x = x.inputs[0]
        return x if shape == x.shape else self.emit("broadcast_to", (x,), shape, x.dtype)

    def basic_index(self, x: Value, index: Any) -> Value:
        """Append x[index] for integers, slices, Ellipsis and None."""
        entries = list(index) if isinstance(index, tuple) else [index]
        if not all(_basic(e) for e in entries):
            raise Unlowered("an index array")
        used = sum(e is not None and e is not Ellipsis for e in entries)
        fill: list[Any] = [slice(None)] * (len(x.shape) - used)
        if Ellipsis in entries:
            i = entries.index(Ellipsis)
            entries[i : i + 1] = fill
        else:
            entries += fill
        bounds, shape, axis = [], [], 0
        for e in entries:
            if e is None:
                shape.append(1)
                continue
            n = x.shape[axis]
            axis += 1
            if isinstance(e, slice):
                start, stop, step = e.indices(n)
                length = len(range(start, stop, step))
                bounds.append((start, start + length * step, step) if length else (0, 0, 1))
                shape.append(length)
            else:
                i = int(e) % n
                bounds.append((i, i + 1, 1))
        return self.reshape(self.slice(x, tuple(bounds)), tuple(shape))

    # --- products and calls ---------------------------------------------------------------------------------
    def matmul(self, x: Value, y: Value) -> Value:
        """Append x @ y; vectors become a row (x) or a column (y), and lose that axis afterwards."""
        if x.dtype != y.dtype or x.dtype.kind != "f" or not x.shape or not y.shape:
            raise Unlowered("a product of integers or of two dtypes")
        row, column = len(x.shape) == 1, len(y.shape) == 1
        x = self.reshape(x, (1, *x.shape)) if row else x
        y = self.reshape(y, (*y.shape, 1)) if column else y
        if x.shape[-1] != y.shape[-2]:
            raise Unlowered("sizes that do not fit")
        folded = len(x.shape) > 2 and len(y.shape) == 2
        batch = x.shape[:-2] if folded else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        shape = (*batch, x.shape[-2], y.shape[-1])
        if folded:  # one product of all rows instead of one per entry of the batch
            x = self.reshape(x, (x.size // x.shape[-1] if x.shape[-1] else 0, x.shape[-1])) if x.size else x
        inner = shape if len(x.shape) > 2 or len(y.shape) > 2 else (x.shape[-2], y.shape[-1])
        v = self.reshape(self.emit("matmul", (x, y), inner, x.dtype), shape)
        kept = (*batch, *(() if row else shape[-2:-1]), *(() if column else shape[-1:]))
        return self.reshape(v, kept)


def _basic(entry: Any) -> bool:
    if isinstance(entry, (bool, np.bool_)):
        return False
    return entry is None or entry is Ellipsis or isinstance(entry, (int, np.integer, slice))


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return the reduced axes as a sorted tuple; an array without axes has none to reduce.

    >>> normal_axes(None, 2), normal_axes(-1, 3), normal_axes((2, 0), 3)
    ((0, 1), (2,), (0, 2))
    """
    if axis is None or not ndim:  # NumPy takes axis 0 or -1 of a number, which reduces nothing
        return tuple(range(ndim))
    return tuple(sorted(int(a) % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))))


def _constant(values: Iterable[Value]) -> bool:
    return all(v.kind == "constant" for v in values)


def evaluate(v: Value, array: Callable[[Value], Any]) -> Any:
    """Compute one value with NumPy from the arrays of its inputs: what every executor must agree with."""
    with np.errstate(all="ignore"):
        return v.core.run(v, [array(x) if isinstance(x, Value) else x for x in v.inputs])
