"""What a node class may compute, with the inputs that tell right from wrong: for `check_node`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.op import Op
from clearprop.registry import ops

Inputs = list[Any]

OPERATORS: dict[str, tuple[str, Callable[..., Any], int]] = {
    "a + b": ("__add__", operator.add, 2),
    "a - b": ("__sub__", operator.sub, 2),
    "a * b": ("__mul__", operator.mul, 2),
    "a / b": ("__truediv__", operator.truediv, 2),
    "a @ b": ("__matmul__", operator.matmul, 2),
    "a ** 3": ("__pow__", lambda a: a**3, 1),
    "-a": ("__neg__", operator.neg, 1),
    "2 + a": ("__radd__", lambda a: 2 + a, 1),
    "2 - a": ("__rsub__", lambda a: 2 - a, 1),
    "2 * a": ("__rmul__", lambda a: 2 * a, 1),
    "2 / a": ("__rtruediv__", lambda a: 2 / a, 1),
}
METHODS = ("exp", "log", "tanh", "sigmoid", "relu", "sin", "cos", "square", "sqrt")
SHORT = {"mul": "multiply", "times": "multiply", "sub": "subtract", "minus": "subtract", "plus": "add"}
SHORT |= {"div": "divide", "pow": "power", "neg": "negative", "abs": "absolute", "sum": "add"}
SHORT |= {"addition": "add", "multiplication": "multiply", "subtraction": "subtract", "division": "divide"}
SHORT |= {"mult": "multiply", "prod": "multiply", "log": "log", "sigmoid": "sigmoid"}
PAIRS = {"max": "maximum", "min": "minimum"}  # of two nodes; of one they would be of its entries

_VECTOR, _OTHER = np.array([1.3, -0.7, 2.2]), np.array([0.6, 1.9, -1.1])
_MATRIX = np.array([[1.3, -0.7, 2.2], [0.4, 2.1, -1.5]])
_LONG, _SQUARE = np.array([0.9, -1.2, 0.3, 2.4, 1.7]), np.array([[1.3, -0.7], [0.4, 2.1]])

# Functions of vectors and matrices: the function, the inputs it is tried at, and inputs of another shape.
ARRAYS: dict[str, tuple[Callable[..., Any], Inputs, Inputs]] = {
    "dot": (np.dot, [_VECTOR, _OTHER], [_LONG, _LONG[::-1]]),
    "inner": (np.inner, [_VECTOR, _OTHER], [_LONG, _LONG[::-1]]),
    "outer": (np.outer, [_VECTOR, _OTHER], [_VECTOR, _LONG]),
    "mvmul": (np.matmul, [_MATRIX, _VECTOR], [_MATRIX.T, np.array([0.8, -1.4])]),
    "mmmul": (np.matmul, [_SQUARE, _SQUARE.T], [_MATRIX, _MATRIX.T]),
    "mean": (np.mean, [_VECTOR], [_MATRIX]),
    "total": (np.sum, [_VECTOR], [_MATRIX]),
    "norm": (np.linalg.norm, [_VECTOR], [_LONG]),
    "softmax": (ops["softmax"], [_VECTOR], [_LONG]),
    "logsumexp": (ops["logsumexp"], [_VECTOR], [_LONG]),
}
_SAME = {"matvec": "mvmul", "matrixvector": "mvmul", "mvm": "mvmul", "mv": "mvmul", "mvmultiply": "mvmul"}
_SAME |= {"matmul": "mmmul", "mm": "mmmul", "matmult": "mmmul", "average": "mean", "sumall": "total"}
_SAME |= {"reducesum": "total", "vectorsum": "total", "sumnode": "total", "sum": "total", "dotproduct": "dot"}

# Numbers on both sides of where functions have their kinks; no slope there is 0 or 1 unless it always is.
_ONE = ([1.3], [-0.8], [0.4], [-2.1])
_TWO = ([1.3, 2.1], [2.1, 1.3], [-0.8, 0.6], [0.4, -2.1])


@dataclass
class Operation:
    """One thing a class can do: how, what should come of it, and the inputs to try."""

    label: str
    act: Callable[..., Any]
    reference: Callable[..., Any]
    points: list[Inputs]
    shapes: list[Inputs] = field(default_factory=list)
    broadcasts: list[Inputs] = field(default_factory=list)
    known: bool = True  # what should come of it; else the reference is what it gives itself

    @property
    def arity(self) -> int:
        """How many nodes go in."""
        return len(self.points[0])

    @property
    def composes(self) -> bool:
        """Whether what comes out can go in again."""
        return all(np.shape(x) == np.shape(self.reference(*self.points[0])) for x in self.points[0])


def elementwise(label: str, act: Any, reference: Any, arity: int) -> Operation:
    """An operation on numbers, entry by entry; it is tried where its reference is finite and has no kink."""
    choices = {1: _ONE, 2: _TWO}.get(arity) or ([1.3, 2.1, 0.6, 1.7, 0.9][:arity],)
    points = [[np.float64(x) for x in point] for point in choices]
    points = [p for p in points if _finite(reference, p) and not _on_kink(reference, p)] or [points[0]]
    rows = [np.array([[1.3, 0.7, 2.2], [0.4, 2.1, 1.5]]), np.array([[0.6, 1.9, 0.9], [1.1, 0.8, 2.3]])]
    shapes, broadcasts = [rows[:arity]] if arity <= 2 else [], []
    if arity == 1 and _finite(reference, [-rows[0]]):
        shapes = [[rows[0] * np.array([1.0, -1.0, 1.0])]]
    if arity == 2:
        broadcasts = [[rows[0], np.array([0.6, 1.9, 0.9])], [rows[0][:, :1], rows[1]]]
    shapes, broadcasts = ([p for p in some if not _on_kink(reference, p)] for some in (shapes, broadcasts))
    return Operation(label, act, reference, points, shapes, broadcasts)


def of_arrays(label: str, act: Any, name: str) -> Operation:
    """An operation on vectors or matrices, from the table above."""
    reference, at, other = ARRAYS[name]
    return Operation(label, act, reference, [at], [other])


def by_operators(node: type) -> list[Operation]:
    """What a class for everything can do: its operators, and the methods with a known name."""
    own = {n for c in node.__mro__ if c is not object for n in vars(c)}
    found = []
    for label, (name, act, arity) in OPERATORS.items():
        if name in own and label == "a @ b":
            found.append(of_arrays(label, act, "mmmul"))
        elif name in own:
            found.append(elementwise(label, act, act, arity))
    for name in METHODS:
        if callable(getattr(node, name, None)):
            found.append(elementwise(f"a.{name}()", operator.methodcaller(name), ops[name], 1))
    return found


def by_function(label: str, act: Any, function: Any) -> Operation:
    """The operation that a person says it is."""
    name = getattr(function, "__name__", "")
    for key, (reference, *_) in ARRAYS.items():
        if function is reference or (isinstance(function, np.ufunc) and reference is function):
            return of_arrays(label, act, "mmmul" if function is np.matmul else key)
    if _SAME.get(name, name) in ARRAYS and name != "sum":
        return of_arrays(label, act, _SAME.get(name, name))
    arity = getattr(function, "arity", None) or getattr(function, "nin", None) or _count(function)
    return elementwise(label, act, function, arity)


def by_name(label: str, act: Any, takes: int) -> Operation | None:
    """The operation that the class's name tells: `MultiplyNode`, `MVMul`, `Relu`; None where it tells none.

    `takes` is how many nodes the constructor wants: a `Sum` of two nodes adds them, of one adds its entries.
    """
    words = [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", label)]
    words = [w for w in words if w not in ("node", "op", "layer", "unit", "gate", "function")]
    for word in ["".join(words), *reversed(words)]:
        known = _SAME.get(word, word)
        if known in ARRAYS and not (word == "sum" and takes == 2):
            return of_arrays(label, act, known)
        name = PAIRS.get(word, word) if takes == 2 else word
        name = SHORT.get(name, name)
        if name in ops and ops[name].differentiable and ops[name].kind == "elementwise":
            return elementwise(label, act, ops[name], ops[name].arity or 1)
    return None


def _finite(reference: Any, point: Inputs) -> bool:
    try:
        with np.errstate(all="ignore"):
            return bool(np.all(np.isfinite(reference(*point))))
    except Exception:  # outside of what the function takes
        return False


def _on_kink(reference: Any, point: Inputs) -> bool:
    """Whether an op says that it has a kink there, where no single slope is right."""
    return isinstance(reference, Op) and bool(np.any(reference.facts.on_kink(*point)))


def _count(function: Any) -> int:
    code = getattr(function, "__code__", None)
    return int(code.co_argcount) if code is not None else 1
