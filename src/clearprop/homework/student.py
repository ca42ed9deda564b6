"""A node class written by hand, whatever its style: how nodes are made, read, and run backward."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.homework.operations import OPERATORS, Operation, by_function, by_name, by_operators
from clearprop.homework.passes import TAPE, Passes, call_with, ones

VALUES = ("value", "data", "val", "output", "out", "result", "v")
GRADIENTS = ("grad", "gradient", "derivative", "adjoint", "g")
_NAME = re.compile(r"^_?(name|label|id|op|symbol)$", re.I)
_LEAF = re.compile(r"input|leaf|variable|const|param|value|scalar|number|placeholder", re.I)


class _Leaf:
    """An input node, for classes that bring none of their own."""

    def __init__(self, value: Any) -> None:
        self.value = self.data = value
        self.grad: Any = 0.0
        self.children = self.inputs = self.parents = self._prev = ()

    def _nothing(self, *given: Any) -> None:
        """Pass nothing on: an input has no inputs."""

    backward = compute_grad = _backward = _nothing


class Student:
    """The class under test: how nodes are made, what it can do, and how its backward pass is run.

    `leaf(value)`, `make(*inputs)` and `backward(output)` say what cannot be guessed.
    """

    def __init__(
        self,
        node: type,
        function: Any,
        leaf: Any,
        make: Any = None,
        backward: Any = None,
        operation: Operation | None = None,
        written: type | None = None,
    ) -> None:
        self.node, self.written = node, written or node  # the class that was written, where a node wraps it
        self.tape: list[Any] = []  # handed to constructors that want a list of all nodes
        self.made: list[Any] = []  # the nodes of the present graph, in the order in which they were made
        self._signatures: dict[int, tuple[Any, inspect.Signature]] = {}  # kept beside what they are of
        self._make = make
        self._leaf = self._as_leaf(leaf) if leaf is not None else self._own_leaf()
        alone = function is None and make is None and operation is None
        self.of_everything: bool = alone and self._makes_leaves(node)
        self.can: list[Operation] = (
            by_operators(node) if self.of_everything else [operation or self._single(function)]
        )
        self.driver: Callable[[Any], None] | None = backward
        self.local: str | None = None
        if self.can:
            self.local, driver = Passes(self).found()
            self.driver = self.driver or driver

    # --- making nodes ---------------------------------------------------------------------------------------
    def leaf(self, value: Any) -> Any:
        """Return an input node."""
        node = self._leaf(value)
        self.made.append(node)
        return node

    def act(self, operation: Operation, *inputs: Any) -> Any:
        """Apply an operation to nodes, and have the value computed."""
        node = operation.act(*inputs)
        for name in ("forward", "compute", "compute_value", "evaluate"):
            if self.value(node) is None and callable(getattr(node, name, None)):
                result = getattr(node, name)()
                if self.value(node) is None:
                    setattr(node, _present(node, VALUES) or "value", result)
        self.made.append(node)
        return node

    def _construct(self, kind: Any, given: list[Any]) -> Any:
        """Call a class with inputs, and with the list of nodes and a name where it wants those."""
        try:
            wanted = self._signature(kind)
        except (TypeError, ValueError):
            return kind(*given)
        plain = [p for p in wanted.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        takes = [p for p in plain if not TAPE.search(p.name) and not _NAME.search(p.name)]
        extra: dict[str, Any] = {
            p.name: self.tape for p in plain if TAPE.search(p.name) and not _wants_inputs(p, plain)
        }
        extra |= {p.name: "x" for p in plain if _NAME.search(p.name) and p.default is p.empty}
        if not extra:
            try:
                return kind(*given)
            except TypeError:
                if len(given) > 1 and len(takes) == 1:
                    return kind(list(given))
                raise
        if len(given) > 1 and len(takes) == 1:
            given = [list(given)]
        bound = wanted.bind_partial()
        bound.arguments |= dict(zip((p.name for p in takes), given, strict=False)) | extra
        return kind(*bound.args, **bound.kwargs)

    def _signature(self, kind: Any) -> inspect.Signature:
        """Return what a class takes, looked up once: thousands of nodes are made of it."""
        if id(kind) not in self._signatures:
            self._signatures[id(kind)] = kind, inspect.signature(kind)
        return self._signatures[id(kind)][1]

    def _as_leaf(self, leaf: Any) -> Callable[[Any], Any]:
        return lambda value: self._construct(leaf, [value])

    def _makes_leaves(self, kind: type) -> bool:
        for value in (2.5, np.array([2.5, 1.0])):
            try:
                with np.errstate(all="ignore"):
                    got = self.value(self._construct(kind, [value]))
                if got is not None and np.shape(got) == np.shape(value) and np.all(got == value):
                    return True
            except Exception:  # not a leaf: its constructor wants something else
                continue
        return False

    def _own_leaf(self) -> Callable[[Any], Any]:
        """A class of theirs that wraps a number: this one, a base of it, or one of the same module."""
        module = getattr(sys.modules.get(self.node.__module__), "__dict__", {})  # not that of a bare exec
        near = [c for c in module.values() if isinstance(c, type) and c.__module__ == self.node.__module__]
        near.sort(key=lambda c: not _LEAF.search(c.__name__))
        for candidate in [*self.node.__mro__[:-1], *near]:
            if self._makes_leaves(candidate):
                return self._as_leaf(candidate)
        return _Leaf

    def _single(self, function: Any) -> Operation:
        """What a class for one operation computes, told by `function` or by its name."""
        make = self._make or (lambda *inputs: self._construct(self.node, list(inputs)))
        label = self.node.__name__
        found = by_function(label, make, function) if function is not None else self._named(label, make)
        if found is None:
            raise InputError(
                lesson(
                    f"check_node({label})",
                    "cannot tell from its name what the class computes",
                    hint=f"check_node({label}, np.tanh), with the function its value should be",
                )
            )
        if found.arity == 2 and not self._takes(found) and self._takes_a_number(make):
            reference, points = found.reference, [p[:1] for p in found.points]
            act = lambda a: make(a, 3)  # noqa: E731 - `PowerNode(a, 3)`: the second is a plain number
            return Operation(label, act, lambda a: reference(a, 3), points, [s[:1] for s in found.shapes])
        return found

    def _named(self, label: str, make: Any) -> Operation | None:
        try:
            plain = inspect.signature(self.node).parameters.values()
        except (TypeError, ValueError):
            return by_name(label, make, 2)
        return by_name(label, make, sum(not TAPE.search(p.name) and not _NAME.search(p.name) for p in plain))

    def _takes(self, operation: Operation) -> bool:
        try:
            with self.fresh():
                self.act(operation, *map(self.leaf, operation.points[0]))
        except Exception:
            return False
        return True

    def _takes_a_number(self, make: Any) -> bool:
        try:
            with self.fresh():
                got = self.value(make(self.leaf(2.5), 3))
        except Exception:
            return False
        return isinstance(got, (int, float, np.number))

    # --- reading nodes --------------------------------------------------------------------------------------
    def value(self, node: Any) -> Any:
        """Return what a node holds, by whichever name it goes."""
        name = _present(node, VALUES)
        return getattr(node, name) if name else None

    def grad(self, node: Any) -> Any:
        """Return a node's gradient."""
        name = _present(node, GRADIENTS)
        return getattr(node, name) if name else None

    def set_grad(self, node: Any, grad: Any) -> None:
        """Give a node a gradient from above."""
        setattr(node, _present(node, GRADIENTS) or "grad", grad)

    # --- the backward pass ----------------------------------------------------------------------------------
    def backward(self, output: Any) -> None:
        """Run their backward pass, or do what it would do where only single nodes can pass gradients on."""
        if self.driver is not None:
            self.driver(output)
            return
        self.set_grad(output, ones(self.value(output)))
        for node in reversed(self.made):
            self.pass_on(node)

    def pass_on(self, node: Any) -> None:
        """Have one node give its inputs what they get of its gradient."""
        call_with(getattr(node, self.local or "", lambda: None), self.grad(node))

    def line(self, operation: Operation) -> str:
        """Return where an operation's share of the backward pass is written; "" where that cannot be told."""
        name = OPERATORS[operation.label][0] if operation.label in OPERATORS else self.local or ""
        code = getattr(getattr(self.written, name, None), "__code__", None)
        return f"{name}(), line {code.co_firstlineno}" if code is not None else ""

    def nodes(self) -> list[Any]:
        """Return the nodes of the present graph, as the class keeps them where it does."""
        return self.tape or next((lists for lists in self._shared_lists() if lists), self.made)

    # --- between graphs -------------------------------------------------------------------------------------
    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Begin with empty lists of nodes, whoever keeps them, and leave them empty."""
        self._clear()
        try:
            yield
        finally:
            self._clear()

    def _clear(self) -> None:
        self.tape, self.made = [], []
        for shared in self._shared_lists():
            shared.clear()

    def _shared_lists(self) -> list[list[Any]]:
        """Lists of nodes that a class or its module keeps."""
        module = sys.modules.get(self.node.__module__)
        owners: list[Any] = [*self.node.__mro__[:-1], *([module] if module is not None else [])]
        if module is not None:
            own = [c for c in vars(module).values() if isinstance(c, type)]
            owners += [c for c in own if c.__module__ == self.node.__module__]
        found = [v for owner in owners for v in vars(owner).values() if isinstance(v, list)]
        return [v for v in found if v and all(_present(n, VALUES) and not isinstance(n, type) for n in v)]

    # --- what to write where guessing fails -----------------------------------------------------------------
    def adapter(self) -> str:
        """Return the call, in the class's own words, that says how its nodes are made and run."""
        label = self.node.__name__
        try:
            wanted = list(inspect.signature(self.node).parameters)
        except (TypeError, ValueError):
            wanted = ["a", "b"]
        inputs = ", ".join(n for n in wanted if not TAPE.search(n) and not _NAME.search(n))
        return (
            f"check_node({label}, np.multiply, leaf=lambda value: Input(value), "
            f"make=lambda {inputs}: {label}({', '.join(wanted)}), backward=lambda output: output.backward())"
        )


def _wants_inputs(parameter: Any, plain: list[Any]) -> bool:
    """`Add(nodes)` and `Add(list)` take their inputs under a name that a tape might have."""
    return len([p for p in plain if p.default is p.empty]) == 1 and parameter.default is parameter.empty


def _present(node: Any, names: tuple[str, ...]) -> str | None:
    return next((n for n in names if hasattr(node, n) and not callable(getattr(node, n))), None)
