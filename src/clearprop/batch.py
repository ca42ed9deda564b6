"""`BatchTensor`: one example in the eyes of a function, and all of them at once for the ops that it calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.hints import keep_fixed
from clearprop.modes import Block, Observer, current, mode
from clearprop.op import Op
from clearprop.record import assign
from clearprop.registry import ops
from clearprop.sharing import array_wanted, float_kept
from clearprop.tensor import STORE, Tensor, beside_sparse

Draws = str  # "error", "different" or "same": what random numbers are for the examples of a batch
_NOBODY = Observer()
_AXES = ("axis", "axes", "axis1", "axis2", "source", "destination")
_HINTS = {
    "bool(t)": "np.where(condition, a, b) in place of `if`",
    "index(t)": "Tensor(x)[t] in place of x[t] of an array",
    "np.asarray(t)": "Tensor(x)[t], not np.take(x, t) of an array; functions of arrays that have a rule",
    "t.backward()": "clearprop.grad of the function, which gives each example its own gradient",
}


class BatchTensor(Tensor):
    """What a function inside `vmap` is given: a Tensor that has the shape of one example.

    It answers NumPy's protocols as any Tensor does. The ops that are called in the end are run once, on
    `content`, whose first axis counts the examples; it may be an array, a Tensor of any graph, or the
    BatchTensor of a `vmap` around this one. Its numbers are those of no single example, so asking for
    them is refused.
    """

    __slots__ = ("content", "level", "shows")
    content: Any
    shows: bool  # one without axes: whether NumPy has an array there, which may show another's memory
    level: Level

    # fmt: off
    @property
    def shape(self) -> tuple[int, ...]: return tuple(self.content.shape[1:])
    @property
    def ndim(self) -> int: return len(self.content.shape) - 1
    @property
    def size(self) -> int: return int(np.prod(self.content.shape[1:], dtype=int))
    @property
    def dtype(self) -> np.dtype[Any]: return self.content.dtype  # type: ignore[no-any-return]
    @property
    def itemsize(self) -> int: return self.dtype.itemsize
    @property
    def nbytes(self) -> int: return self.size * self.itemsize
    # fmt: on

    @property
    def requires_grad(self) -> bool:  # type: ignore[override]
        """Whether a gradient is wanted by what all examples are computed from."""
        return isinstance(self.content, Tensor) and self.content.requires_grad

    @property
    def _value(self) -> Any:
        raise self._differs("t.value")

    @property
    def value(self) -> Any:
        """Refused: there is one for each example."""
        raise self._differs("t.value")

    @value.setter
    def value(self, new: Any) -> None:
        raise self._differs("t.value")

    def _differs(self, asked: str, hint: str = "") -> Exception:
        wanted = "would be another number for each example of a vmap"
        hint = hint or _HINTS.get(
            asked, "functions of arrays inside vmap, and the numbers of what vmap returns"
        )
        got = f"t holds {self.content.shape[0]} examples of shape {self.shape}"
        return TypeError(lesson(asked, wanted, got, at_line(), hint))

    def _python(self, asked: str) -> Any:
        raise self._differs(asked)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if (asked := beside_sparse(self)) is not None:
            return asked
        called, cure = array_wanted(sys._getframe(1), STORE, leave=False)
        raise self._differs(called, cure if called != "np.asarray(t)" else "")

    def __float__(self) -> float:
        """Refused: there is one for each example."""
        raise self._differs(*(float_kept(sys._getframe(1), STORE, leave=False) or ("float(t)",)))

    def __repr__(self) -> str:
        return f"Batch({self.content.shape[0]} examples of shape {self.shape}, dtype={self.dtype})"

    def detach(self) -> Tensor:
        """Return the same values, through which no gradient passes."""
        return ops["detach"](self)  # type: ignore[no-any-return]

    def backward(self, *args: Any, **kwargs: Any) -> None:
        """Refused: a gradient of one example alone is what `grad` gives."""
        raise self._differs("t.backward()")


keep_fixed(BatchTensor)


class Level:
    """One `vmap` in progress: the observer that runs each op of `f` on all examples at once.

    Whatever it does not answer itself it asks whom it stands in front of: the observer around the `vmap`.
    """

    answers = True  # a leaf that is one for each example has other values than its own
    size: int
    draws: Draws
    outside: Block
    inside: Block

    def __init__(self, size: int, draws: Draws = "error") -> None:
        self.size, self.draws = size, draws
        around = mode.observer
        self.around: Any = _NOBODY if around is None else around
        self.batches: Any = (*self.around.batches, self)
        self.outside, self.inside = Block(observer=around), Block(observer=self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.around, name)

    def resolve(self, x: Any) -> Any:
        """Return what stands for the input `x`."""
        return x if isinstance(x, BatchTensor) else self.around.resolve(x)

    def read(self, leaf: Tensor) -> Any:
        """Return what a formula computes with for the value of a leaf, which may be one for each example."""
        if isinstance(leaf, BatchTensor):
            return leaf
        asked = self.around.remembers or self.around.answers
        return self.around.read(leaf) if asked else leaf._value

    def copied(self, value: Any) -> Any:
        """Return a copy of what `read` gave."""
        asked = self.around.records or self.around.answers or isinstance(value, Tensor)
        return self.around.copied(value) if asked else np.array(value)

    def takes(self, leaf: Tensor, new: Any) -> bool:
        """Give a leaf that is one for each example its new values, one for each, outside of the `vmap`."""
        own = leaf.level if isinstance(leaf, BatchTensor) else None
        if isinstance(new, BatchTensor) and (own is None or own in new.level.batches[:-1]):
            raise _one_for_all(leaf, new)
        if not isinstance(leaf, BatchTensor):
            return False
        if not isinstance(leaf.content, Tensor):
            wanted, hint = "wants a Tensor, whose numbers can change, as what f is given", "Tensor(array)"
            raise TypeError(lesson("vmap(f)", wanted, "an array that f assigns to", at_line(), hint))
        content = leaf.level.content(new)
        with leaf.level.outside:
            assign(leaf.content, content)
        return True

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Object to a BatchTensor being turned into a Python value."""
        if isinstance(tensor, BatchTensor):
            raise tensor._differs(asked)
        self.around.python_value(tensor, asked)

    def batch(self, content: Any, shows: bool = False) -> BatchTensor:
        """Return one example of `content`."""
        found = Tensor.__new__(BatchTensor)
        found.content, found.level, found.shows = content, self, shows
        found.grad = found.name = found.op = None
        found.inputs, found.values, found.attrs, found.serial = (), (), {}, 0
        return found

    def content(self, x: Any) -> Any:
        """Return all examples of `x`, the same one repeated where it is the same for all."""
        if self.holds(x):
            return x.content
        with self.outside:
            return repeated(self.size, x)

    def holds(self, x: Any) -> bool:
        """Whether `x` is an example of this level."""
        return isinstance(x, BatchTensor) and x.level is self

    def instead(self, op: Op, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        """Return what the op gives for each example, having run it on all of them."""
        mapped = [self.holds(x) for x in inputs]
        if not any(mapped):
            return self._drawn(op, inputs, attrs) if op.draws else self._run(op, inputs, attrs)
        with self.outside:
            xs = [x.content if m else x for x, m in zip(inputs, mapped, strict=True)]
            return self.batch(batched(op, self.size, xs, mapped, attrs), _shows(op, attrs))

    def _run(self, op: Op, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        with self.outside:
            return run(op, inputs, **attrs)

    def _drawn(self, op: Op, inputs: Sequence[Any], attrs: dict[str, Any]) -> Any:
        if self.draws == "same":
            return self._run(op, inputs, attrs)
        if self.draws == "different":
            return self.batch(self._run(op, inputs, {**attrs, "shape": (self.size, *attrs["shape"])}))
        wanted, got = "does not know whether examples share their random numbers", op.name
        hint = "vmap(f, randomness='different') for numbers of each example's own, or 'same'"
        raise ValueError(lesson("vmap(f)", wanted, got, at_line(), hint))


def of_all_examples(x: Any) -> Any:
    """Return what all examples of `x` are a part of."""
    while isinstance(x, BatchTensor):
        x = x.content
    return x


def _shows(op: Op, attrs: dict[str, Any]) -> bool:
    """Whether a result without axes is an array in NumPy, as `y[0, ...]` is, where `y[0]` is a number."""
    index = attrs.get("index")
    return op.kind == "view" or index is ... or (index.__class__ is tuple and any(i is ... for i in index))


def _one_for_all(leaf: Tensor, new: BatchTensor) -> Exception:
    wanted = "wants one value for all examples of a vmap, as t is the same for all"
    got = f"a value for each of {new.content.shape[0]}, for {leaf.name or 't'} of shape {leaf.shape}"
    hint = "module.eval() for the statistics of batch norm; nn.functional_call with a state for each example"
    return TypeError(lesson("assign(t, new)", wanted, got, at_line(), hint))


def run(op: Op, inputs: Sequence[Any], **attrs: Any) -> Any:
    """Apply an op whose inputs and attributes have been told apart."""
    now = current()
    assert now is not None
    return op._observed(tuple(inputs), attrs, now)


def batched(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Return the op's results for all examples; the first axis of each mapped input counts them."""
    return rule_of(op, len(xs), attrs)(op, size, xs, mapped, attrs)


def rule_of(op: Op, inputs: int, attrs: dict[str, Any]) -> Callable[..., Any]:
    """Return how an op is run on many examples: by its own rule, or by what its kind and attributes say.

    >>> rule_of(ops["tanh"], 1, {}).__name__, rule_of(ops["sum"], 1, {"axis": 0}).__name__
    ('by_entries', 'along')
    """
    if op.batch is not None:
        return op.batch
    if op.kind == "elementwise":
        return by_entries
    if inputs == 1 and op.facts.order:
        return _reshaped
    if inputs == 1 and op.facts.axes is not None:
        return _transposed
    if inputs == 1 and any(name in attrs for name in _AXES):
        return along
    return one_by_one


def by_entries(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run an op that broadcasts: the axis of the examples comes before those of the longest shape."""
    longest = max(np.ndim(x) - m for x, m in zip(xs, mapped, strict=True))
    aligned = []
    for x, m in zip(xs, mapped, strict=True):
        shape = np.shape(x)
        missing = longest + 1 - len(shape)
        aligned.append(x.reshape((size, *(1,) * missing, *shape[1:])) if m and missing else x)
    return run(op, aligned, **attrs)


def stacked(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run an op for which axes before those of one call are a stack of calls."""
    return run(op, [x if m else repeated(size, x) for x, m in zip(xs, mapped, strict=True)], **attrs)


def along_axis(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run an op of several inputs that have the attribute `axis` in common."""
    every = [x if m else repeated(size, x) for x, m in zip(xs, mapped, strict=True)]
    return run(op, every, **{**attrs, "axis": _shifted(attrs["axis"])})


def one_by_one(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run an op once for each example: right for any op, at the cost of a loop."""
    if not size:
        wanted, hint = "cannot tell the shape of its result for no examples at all", "at least one example"
        raise ValueError(lesson(f"vmap of {op.name}", wanted, "an axis of length 0", "", hint))
    rows = [
        run(op, [x[i] if m else x for x, m in zip(xs, mapped, strict=True)], **attrs) for i in range(size)
    ]
    return run(ops["stack"], rows, axis=0)


def repeated(size: int, x: Any) -> Any:
    """Return `size` times the same `x`, in no memory of its own."""
    shape = (size, *np.shape(x))
    return run(ops["broadcast_to"], [x], shape=shape) if isinstance(x, Tensor) else np.broadcast_to(x, shape)


def _shifted(axis: Any) -> Any:
    """Return axes counted from the front as they are behind the axis of the examples; others are the same."""
    if isinstance(axis, (tuple, list)):
        return tuple(map(_shifted, axis))
    return axis if axis is None or axis < 0 else axis + 1


def result_shape(op: Op, shapes: Sequence[Any], attrs: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of what the op gives for one example."""
    with np.errstate(all="ignore"):
        return np.shape(op.forward(*(np.broadcast_to(1.0, shape) for shape in shapes), **attrs))


def _transposed(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run a view that turns axes."""
    ndim = len(np.shape(xs[0])) - 1
    axes = op.facts.axes(ndim, **attrs) if op.facts.axes is not None else ()
    return run(ops["transpose"], xs, axes=(0, *(a % ndim + 1 for a in axes)))


def _reshaped(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run a view that keeps the order of entries, or repeats them by broadcasting."""
    x, shape = xs[0], tuple(np.shape(xs[0])[1:])
    found = result_shape(op, [shape], attrs)
    if op.facts.order == "kept":
        return run(ops["reshape"], [x], shape=(size, *found))
    if len(found) > len(shape):
        x = x.reshape((size, *(1,) * (len(found) - len(shape)), *shape))
    return run(ops["broadcast_to"], [x], shape=(size, *found))


def along(op: Op, size: int, xs: list[Any], mapped: list[bool], attrs: dict[str, Any]) -> Any:
    """Run an op along axes that its attributes name; None is the array with all its entries in a row."""
    x, shape = xs[0], tuple(np.shape(xs[0])[1:])
    if all(attrs.get(name) is None for name in _AXES):
        flat = {**attrs, "axis": 1, **({"keepdims": False} if "keepdims" in attrs else {})}
        found = run(op, [x.reshape((size, int(np.prod(shape, dtype=int))))], **flat)
        wanted = (size, *result_shape(op, [shape], attrs))
        return found if np.shape(found) == wanted else found.reshape(wanted)
    if not shape and op.kind == "reduce":  # along the axes (), or an axis that NumPy lets a number have
        return run(op, [x.reshape((size, 1))], **{**attrs, "axis": 1, "keepdims": False})
    moved = {name: _shifted(value) if name in _AXES else value for name, value in attrs.items()}
    return run(op, [x], **moved)
