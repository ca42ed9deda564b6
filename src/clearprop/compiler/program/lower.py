"""Lowering: each op's NumPy `forward`, run on symbolic arrays, says itself which core ops it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Builder, Unlowered
from clearprop.compiler.program.functions import FUNCTIONS, REDUCED
from clearprop.compiler.program.ir import Program, Value, turns_of
from clearprop.compiler.program.picking import added_at, picked, scattered
from clearprop.loops.scan import Turns
from clearprop.registry import ops


class SymbolicArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A symbolic array: answers NumPy's protocols by appending core ops to a program being built."""

    __slots__ = ("builder", "value")
    builder: Builder
    value: Value

    def __init__(self, builder: Builder, value: Value) -> None:
        self.builder, self.value = builder, value

    # --- what an array tells of itself ----------------------------------------------------------------------
    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def T(self) -> SymbolicArray:
        return self.new(self.builder.transpose(self.value))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Any:
        raise Unlowered("iteration")

    def __bool__(self) -> bool:
        raise Unlowered("a decision by a value")

    __float__: Callable[..., Any] = __bool__
    __int__: Callable[..., Any] = __bool__
    __index__: Callable[..., Any] = __bool__

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise Unlowered("an array's values")

    # --- NumPy's protocols ----------------------------------------------------------------------------------
    def new(self, value: Value) -> SymbolicArray:
        """Return a value of the same program as a SymbolicArray."""
        return SymbolicArray(self.builder, value)

    def take(self, x: Any) -> Any:
        """Return the Value of an operand: constants enter the program, Python numbers stay."""
        if isinstance(x, SymbolicArray):
            return x.value
        if isinstance(x, (np.ndarray, np.generic)):
            return self.builder.constant(x)
        if isinstance(x, (bool, int, float)):
            return x
        raise Unlowered(type(x).__name__)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        taken = [self.take(x) for x in inputs]
        if method == "__call__" and ufunc is np.matmul and not kwargs:
            if not all(isinstance(x, Value) for x in taken):
                raise Unlowered("matmul with a number")
            return self.new(self.builder.matmul(*taken))
        if method == "__call__" and not kwargs:
            return self.new(self.builder.ufunc(ufunc, *taken))
        reduction = REDUCED.get(ufunc)
        if method == "reduce" and reduction and set(kwargs) <= {"axis", "keepdims"}:
            axis = kwargs.get("axis", 0)
            return self.new(
                self.builder.reduce(reduction, taken[0], axis, bool(kwargs.get("keepdims", False)))
            )
        raise Unlowered(f"np.{ufunc.__name__}.{method} has no core ops")

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        made = FUNCTIONS.get(function)
        if made is None:
            raise Unlowered(f"np.{function.__name__} has no core ops")
        return made(self, *args, **kwargs)

    def __pow__(self, y: Any) -> Any:
        """As an array does it: a few exponents have functions of their own."""
        if isinstance(y, (int, float)) and not isinstance(y, np.generic) and self.dtype.kind == "f":
            special = {1: np.positive, 2: np.square, 0.5: np.sqrt, -1: np.reciprocal}.get(y)
            if special is not None:
                return special(self)
        return np.power(self, y)

    def __getitem__(self, index: Any) -> SymbolicArray:
        entries = index if isinstance(index, tuple) else (index,)
        if any(isinstance(e, (SymbolicArray, np.ndarray)) for e in entries):
            taken = tuple(self.take(e) if isinstance(e, (SymbolicArray, np.ndarray)) else e for e in entries)
            return self.new(picked(self.builder, self.value, taken))
        return self.new(self.builder.basic_index(self.value, index))

    # --- methods --------------------------------------------------------------------------------------------
    def _reduced(self, op: str, axis: Any, keepdims: bool) -> SymbolicArray:
        return self.new(self.builder.reduce(op, self.value, axis, bool(keepdims)))

    def sum(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("sum", axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("prod", axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("max", axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("min", axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("any", axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("all", axis, keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("argmax", axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        return self._reduced("argmin", axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> SymbolicArray:
        """Sums of small floats in float32, of integers in float64, as NumPy does."""
        x = self
        if self.dtype.kind in "iub":
            x = self.astype(np.float64)
        elif self.dtype.itemsize < 4:
            x = self.astype(np.float32)
        z = x.sum(axis, keepdims=True)
        z = z / (self.size // max(z.size, 1)) if self.size else z / 0
        if self.dtype.kind == "f":
            z = z.astype(self.dtype)
        return z if keepdims else self.new(_dropped(self.builder, z.value, axis))

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> SymbolicArray:
        if self.dtype.kind != "f" or self.dtype.itemsize < 4:
            raise Unlowered("var of small floats")
        centred = self - self.mean(axis, keepdims=True)
        total = (centred * centred).sum(axis, keepdims=True)
        z = total / max(self.size // max(total.size, 1) - ddof, 0)
        return z if keepdims else self.new(_dropped(self.builder, z.value, axis))

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> SymbolicArray:
        root: Any = np.sqrt
        return root(self.var(axis, ddof, keepdims))  # type: ignore[no-any-return]

    def astype(self, dtype: Any) -> SymbolicArray:
        return self.new(self.builder.cast(self.value, np.dtype(dtype)))

    def reshape(self, *shape: Any) -> SymbolicArray:
        wanted = shape[0] if len(shape) == 1 else shape
        return self.new(self.builder.reshape(self.value, wanted))

    def ravel(self) -> SymbolicArray:
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> SymbolicArray:
        wanted = (axes[0] if len(axes) == 1 else axes) if axes else None
        return self.new(self.builder.transpose(self.value, wanted))

    def swapaxes(self, axis1: int, axis2: int) -> SymbolicArray:
        axes = list(range(self.ndim))
        axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
        return self.transpose(tuple(axes))

    def copy(self) -> SymbolicArray:
        return self

    # --- what arrays do not have: for an op's own `lower` ---------------------------------------------------
    def core(
        self, op: str, *others: Any, shape: Any = None, dtype: Any = None, **attrs: Any
    ) -> SymbolicArray:
        """Append a core op, one that has a row in the table, with this as its first operand.

        The result's shape and dtype are the operand's unless told.
        """
        inputs = (self.value, *map(self.take, others))
        shape, dtype = self.shape if shape is None else shape, np.dtype(dtype or self.dtype)
        return self.new(self.builder.emit(op, inputs, tuple(shape), dtype, attrs))

    def scattered(self, *arrays: Any, **attrs: Any) -> SymbolicArray:
        """Append zeros with these entries added at an index."""
        return self.new(scattered(self.builder, self.value, *map(self.take, arrays), **attrs))

    def added_at(self, total: Any, *pieces: Any, **attrs: Any) -> SymbolicArray:
        """Append a total with each piece, of which this is the first, added at its index."""
        return self.new(added_at(self.builder, self.take(total), *map(self.take, pieces), **attrs))


def _dropped(builder: Builder, z: Value, axis: Any) -> Value:
    from clearprop.compiler.program.builder import normal_axes

    axes = normal_axes(axis, len(z.shape))
    return builder.reshape(z, tuple(n for i, n in enumerate(z.shape) if i not in axes))


# --- a program ----------------------------------------------------------------------------------------------
def lower(recorded: Program) -> tuple[Program, dict[Value, Value]]:
    """Return the program in core ops, and which of its values computes each recorded one."""
    builder = Builder()
    new: dict[Value, Any] = {}
    for v in recorded.values:
        builder.line = v.line
        if not v.computed:
            new[v] = builder.constant(v.data) if v.kind == "constant" else v
            if v.kind != "constant":
                builder.values.append(v)
        else:
            new[v] = lowered(builder, v, tuple([new[x] if isinstance(x, Value) else x for x in v.inputs]))
    whole = {old: value for old, value in new.items() if isinstance(value, Value)}
    program = Program(
        builder.values,
        [whole[v] for v in recorded.outputs],
        [(state, whole[v]) for state, v in recorded.assignments],
        [whole[v] for v in recorded.checks],
    )
    return program, whole


def lowered(builder: Builder, v: Value, inputs: tuple[Any, ...]) -> Any:
    """One recorded op in core ops, or as a call where it has none."""
    if (turns := turns_of(v)) is not None:
        return _loop(builder, v, inputs, turns)
    if v.core.copies and v.dtype == inputs[0].dtype:
        return inputs[0]
    mark = builder.mark
    try:
        return _in_core_ops(builder, v, inputs)
    except Unlowered as error:
        builder.undo(mark)
        return builder.emit(v.op, inputs, v.shape, v.dtype, dict(v.attrs), kind="call", why=str(error))


def _loop(builder: Builder, v: Value, inputs: tuple[Any, ...], turns: Turns) -> Value:
    """A loop as a call whose body has nothing in it that is the same in every turn: that comes before it."""
    body = turns.body
    first = sum(body.given[:2])
    outside = list(inputs[first:])
    for op, places, attrs, (shape, dtype) in body.once:
        xs = tuple([outside[x] if isinstance(x, int) else x.value for x in places])
        step = Value("call", shape, dtype, op.name, xs, attrs, line=v.line)
        outside.append(lowered(builder, step, xs))
    wants = (*turns.wants, *(False,) * (first + len(outside) - len(inputs)))
    attrs = {"turns": replace(turns, body=body.hoisted(), wants=wants)}
    made = (*inputs[:first], *outside)
    return builder.emit(v.op, made, v.shape, v.dtype, attrs, kind="call", why=f"{turns.length} turns")


def _in_core_ops(builder: Builder, v: Value, inputs: tuple[Any, ...]) -> Value:
    """Run an op on symbols; what it asks for that these do not have is Unlowered, however it fails."""
    made: Value
    if any(isinstance(x, Value) and x.dtype.kind == "c" for x in (v, *inputs)):
        raise Unlowered("complex numbers")
    try:
        symbols = [SymbolicArray(builder, x) if isinstance(x, Value) else x for x in inputs]
        op = ops[v.op]
        made = (op.facts.lower or op.forward)(*symbols, **v.attrs).value
    except Unlowered:
        raise
    except Exception as error:  # the function is anybody's, and was written for arrays
        raise Unlowered(f"{type(error).__name__}: {error}") from error
    if made.shape != v.shape or made.dtype != v.dtype:
        raise Unlowered(f"symbols give {made.shape} {made.dtype}, arrays {v.shape} {v.dtype}")
    return made
