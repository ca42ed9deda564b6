"""How a node class runs its backward pass: which method does it all, which one node's share."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from copy import copy
from types import FunctionType
from typing import Any

import numpy as np

# What people call the method that passes a gradient on, of one node or of a whole graph.
PASSES = (
    "backward",
    "_backward",
    "compute_grad",
    "compute_grads",
    "compute_gradient",
    "compute_gradients",
    "backward_pass",
    "run_backward",
    "backprop",
    "backpropagate",
    "back_propagate",
    "propagate",
    "propagate_grad",
    "pass_gradient",
    "send_gradient",
    "accumulate_grad",
    "calc_grad",
    "update_grad",
)
TAPE = re.compile(r"topo|order|tape|nodes|graph|trace|record|history|list|registry", re.I)
Driver = Callable[[Any], None]


class Passes:
    """The methods of a student's class that pass gradients on.

    Which name means which differs from course to course, so they are tried: what runs the whole pass calls
    the others, or reaches the inputs of inputs.
    """

    def __init__(self, student: Any) -> None:
        self.student = student

    def found(self) -> tuple[str | None, Driver | None]:
        """Return the name of the method of single nodes, and what runs the whole pass; None for none."""
        names = self._names()
        called = {name: self._tried(name, names) for name in names}
        drivers = [name for name in names if called[name]]
        drivers.sort(key=lambda name: -len(called[name]))
        single = [name for name in names if name not in drivers]
        if drivers:
            return next(iter(single), None), self._driver(drivers[0])
        if not names:
            return None, None
        return names[0], self._driving_function()

    def _names(self) -> list[str]:
        """Return under which of the usual names a node of the class has a method."""
        student = self.student
        operation = student.can[0]
        with student.fresh():
            try:
                leaves = [student.leaf(x) for x in operation.points[0]]
                node = operation.act(*leaves)
            except Exception:
                node = student.node
        return [name for name in PASSES if callable(getattr(node, name, None))]

    def _driver(self, name: str) -> Driver:
        value = self.student.value

        def run(output: Any) -> None:
            call_with(getattr(output, name), ones(value(output)))

        return run

    def _tried(self, name: str, names: list[str]) -> set[str]:
        """Call one method on the output of a small graph; return what other passes that set off."""
        student = self.student
        others = set(names) - {name}
        with student.fresh():
            try:
                output, deep = self._small_graph()
                before = [copy(student.grad(x)) for x in deep]  # an array may be added to where it lies
                above = ones(student.value(output))
                student.set_grad(output, above)
            except Exception:
                return set()
            found = called_by(getattr(output, name, None), above, others)
            after = [student.grad(x) for x in deep]
            if any(map(_changed, before, after)):
                found.add("inputs of inputs")
        return found

    def _small_graph(self) -> tuple[Any, list[Any]]:
        """Two operations in a row where that is possible: the output, and the first one's inputs."""
        student = self.student
        composing = (o for o in student.can if o.composes)
        operation = next(composing, student.can[0])
        point = operation.points[0]
        leaves = [student.leaf(x) for x in point]
        node = student.act(operation, *leaves)
        if not operation.composes:
            return node, []
        others = [student.leaf(x) for x in point[1:]]
        return student.act(operation, node, *others), leaves

    def _driving_function(self) -> Driver | None:
        """A function of their module that runs the whole pass, such as `compute_grad(topo_order)`."""
        home = self.student.node.__module__
        module = sys.modules.get(home)
        for function in getattr(module, "__dict__", {}).values():  # a bare exec has no module
            if not isinstance(function, FunctionType):
                continue
            wanted = _wanted(function)
            usual = function.__name__ in PASSES and function.__module__ == home
            if usual and 1 <= len(wanted) <= 2:
                return self._given(function, wanted)
        return None

    def _given(self, function: Any, wanted: list[inspect.Parameter]) -> Driver:
        """Return what calls a function with the output, and with all nodes where it wants these."""

        def run(output: Any) -> None:
            nodes = self.student.nodes()
            function(*[nodes if TAPE.search(p.name) else output for p in wanted])

        return run


def called_by(method: Any, grad: Any, names: set[str]) -> set[str]:
    """Call a method, and return which functions of these names it calls; what it raises is let go."""
    found: set[str] = set()

    def watch(frame: Any, event: str, argument: Any) -> None:
        name = frame.f_code.co_name
        if event == "call" and name in names:
            found.add(name)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        call_with(method, grad)
    except Exception:
        pass
    finally:
        sys.setprofile(before)
    return found


def call_with(method: Any, grad: Any) -> None:
    """Call a method that takes nothing, or the gradient that arrives."""
    try:
        wanted = _wanted(method)
    except (TypeError, ValueError):  # written in C, without a signature
        wanted = []
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    method(*[grad for p in wanted if p.kind in by_place])


def ones(value: Any) -> Any:
    """Return what a backward pass of a value of this shape begins with."""
    if not np.shape(value):
        return 1.0
    return np.ones_like(np.asarray(value, float))


def _wanted(function: Any) -> list[inspect.Parameter]:
    """Return the parameters that have no default."""
    parameters = inspect.signature(function).parameters.values()
    return [p for p in parameters if p.default is p.empty]


def _changed(before: Any, after: Any) -> bool:
    if after is before:
        return False  # None, or a number
    return before is None or bool(np.any(np.asarray(after) != np.asarray(before)))
