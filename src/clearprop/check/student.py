"""A node class written by hand, seen through what it can do: for `check_node`."""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.registry import ops

OPERATORS: dict[str, tuple[str, Callable[..., Any], int]] = {
    "a + b": ("__add__", operator.add, 2),
    "a - b": ("__sub__", operator.sub, 2),
    "a * b": ("__mul__", operator.mul, 2),
    "a / b": ("__truediv__", operator.truediv, 2),
    "a @ b": ("__matmul__", operator.matmul, 2),
    "-a": ("__neg__", operator.neg, 1),
}
METHODS = ("exp", "log", "tanh", "sigmoid", "relu", "sin", "cos", "square", "sqrt")
SHORT = {"mul": "multiply", "times": "multiply", "sub": "subtract", "minus": "subtract", "plus": "add"}
SHORT |= {"div": "divide", "pow": "power", "neg": "negative", "abs": "absolute", "dot": "matmul"}
SHORT |= {"addition": "add", "multiplication": "multiply", "subtraction": "subtract", "division": "divide"}


class _Leaf:
    """An input node, for classes that bring none of their own."""

    def __init__(self, value: Any) -> None:
        self.value, self.grad = value, 0.0
        self.children = self.inputs = self.parents = ()

    def compute_grad(self) -> None:
        """Pass nothing on: an input has no inputs."""


class Student:
    """The class under test: how leaves are made, what it can do, and how its backward pass is started."""

    def __init__(self, node: type, function: Any, leaf: Any) -> None:
        self.node = node
        self.leaf_class = leaf or self._own_leaf() or _Leaf
        self.can: dict[str, tuple[Callable[..., Any], Callable[..., Any], int]] = {}
        if function is None and self.leaf_class is node:
            for label, (name, act, arity) in OPERATORS.items():
                if name in {n for c in node.__mro__ if c is not object for n in vars(c)}:
                    self.can[label] = (act, act, arity)
            for name in METHODS:
                if callable(getattr(node, name, None)):
                    self.can[f"a.{name}()"] = (operator.methodcaller(name), ops[name], 1)
            return
        reference = function or self._named()
        arity = getattr(reference, "arity", None) or getattr(reference, "nin", None) or self._count(reference)
        self.can[node.__name__] = (self._made, reference, arity)

    def _own_leaf(self) -> Any:
        """A class of theirs that wraps a number: this one, a base of it, or one of the same module."""
        module = vars(sys.modules.get(self.node.__module__, object()))
        near = [c for c in module.values() if isinstance(c, type) and c.__module__ == self.node.__module__]
        for candidate in [*self.node.__mro__[:-1], *near]:
            makes: tuple[Callable[[Any], Any], ...] = (
                candidate,
                lambda v, c=candidate: c(v, "x"),  # type: ignore[misc]
                lambda v, c=candidate: c("x", v),  # type: ignore[misc]
            )
            for make in makes:
                try:
                    with np.errstate(all="ignore"):
                        if float(make(2.5).value) == 2.5:
                            return make
                except Exception:  # not a leaf: its constructor wants something else
                    continue
        return None

    def _named(self) -> Any:
        words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", self.node.__name__)
        for word in ["".join(words).lower(), *(w.lower() for w in reversed(words))]:
            if (name := SHORT.get(word, word)) in ops and ops[name].differentiable:
                return ops[name]
        raise InputError(
            lesson(
                f"check_node({self.node.__name__})",
                "cannot tell from its name what the class computes",
                hint=f"check_node({self.node.__name__}, np.tanh), with the function its value should be",
            )
        )

    def _count(self, reference: Any) -> int:
        code = getattr(reference, "__code__", None)
        return int(code.co_argcount) if code is not None else 1

    def _made(self, *inputs: Any) -> Any:
        """Construct a node from its inputs, one by one or as a list, and have its value computed."""
        try:
            node = self.node(*inputs)
        except TypeError:
            try:
                node = self.node(list(inputs))
            except Exception:
                node = None
            if node is None:
                raise
        for name in ("forward", "compute", "compute_value", "evaluate"):
            if getattr(node, "value", None) is None and callable(getattr(node, name, None)):
                result = getattr(node, name)()
                if getattr(node, "value", None) is None:
                    node.value = result
        return node

    def leaf(self, value: Any) -> Any:
        """Return an input node."""
        return self.leaf_class(value)

    def backward(self, output: Any, made: list[Any]) -> None:
        """Start their backward pass, or do what it would do where the class has `compute_grad` only."""
        if callable(getattr(output, "backward", None)):
            output.backward()
            return
        output.grad = np.ones_like(output.value) if np.shape(output.value) else 1.0
        for node in reversed(made):
            node.compute_grad()

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Empty the lists of nodes that classes or their module share, before and after a graph."""
        self._clear()
        try:
            yield
        finally:
            self._clear()

    def _clear(self) -> None:
        owners: list[Any] = [*self.node.__mro__[:-1]]
        owners += [self.leaf_class] if isinstance(self.leaf_class, type) else []
        module = sys.modules.get(self.node.__module__)
        shared = [v for owner in [*owners, module] if owner is not None for v in vars(owner).values()]
        for value in shared:
            if isinstance(value, list) and value and all(hasattr(n, "value") for n in value):
                value.clear()
