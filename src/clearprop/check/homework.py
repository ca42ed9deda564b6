"""`check_node`: grades a node class written by hand, with hints instead of answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.check.cause import Evidence, likely_cause
from clearprop.check.numeric import estimate
from clearprop.check.student import Student
from clearprop.errors import InputError, lesson

CRITERIA = ("value", "local derivative", "chain rule", "accumulation", "order", "shape", "broadcasting")


@dataclass
class Grade:
    """One criterion: passed (True), failed (False) or not tested (None), with a hint where it failed."""

    criterion: str
    passed: bool | None = None
    hint: str = ""


@dataclass
class NodeReport:
    """What `check_node` found; true where nothing failed."""

    name: str
    grades: dict[str, Grade] = field(default_factory=lambda: {c: Grade(c) for c in CRITERIA})

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something was tested."""
        tested = [g.passed for g in self.grades.values() if g.passed is not None]
        return bool(tested) and all(tested)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, criterion: str) -> Grade:
        return self.grades[criterion]

    def __repr__(self) -> str:
        tested = [g for g in self.grades.values() if g.passed is not None]
        lines = [f"{self.name}: {sum(bool(g.passed) for g in tested)} of {len(tested)}"]
        mark = {True: "right", False: "WRONG", None: "-"}
        for g in self.grades.values():
            lines.append(f"  {g.criterion:<17} {mark[g.passed]:<6} {g.hint}".rstrip())
        return "\n".join(lines)


def check_node(
    node: type, function: Callable[..., Any] | None = None, *, leaf: type | None = None
) -> NodeReport:
    """Grade a class that does backpropagation by hand, in the lecture's style, and give hints.

    Two kinds of class are understood. One class for everything: `Node(2.0)` is an input, and `a + b`,
    `a * b`, `a.tanh()`, ... make new nodes. Or a class per operation: `Multiply(a, b)` takes input nodes;
    what it should compute is told by its name or by `function`. Nodes have `value` and `grad`;
    `output.backward()` runs the backward pass, usually over a list that all nodes share, each node's
    `compute_grad()` adding to the `grad` of its inputs. `leaf` is the class of an input node, where it
    cannot be guessed. Lists of nodes kept by the class or its module are emptied between graphs.

    Graded are the value, the local derivative (against differences of the class's own values), the chain
    rule, accumulation, order, the shapes of arrays and broadcasting. Raises InputError where the class
    cannot be used at all.

    >>> class Square:
    ...     def __init__(self, a):
    ...         self.a, self.value, self.grad = a, a.value**2, 0.0
    ...     def compute_grad(self):
    ...         self.a.grad = 2 * self.a.value * self.grad
    >>> print(check_node(Square))
    Square: 4 of 5
      value             right
      local derivative  right
      chain rule        right
      accumulation      WRONG  Square: what of a gradient that the input holds already? Is it kept?
      order             -
      shape             right
      broadcasting      -
    """
    if not isinstance(node, type):
        raise InputError(
            lesson(
                f"check_node({node!r})",
                "wants the class itself",
                type(node).__name__,
                hint="check_node(MyNode)",
            )
        )
    student = Student(node, function, leaf)
    report = NodeReport(node.__name__)
    if not student.can:
        raise InputError(
            lesson(
                f"check_node({node.__name__})",
                "finds nothing to try: no operators, no methods",
                hint="defining __add__ and __mul__, or a class per operation such as Multiply(a, b)",
            )
        )
    for label, (act, reference, arity) in student.can.items():
        _Exam(report, student, label, act, reference, arity).sit()
    _order(report, student)
    return report


class _Exam:
    """The tests of one operation."""

    def __init__(
        self, report: NodeReport, student: Student, label: str, act: Any, reference: Any, arity: int
    ) -> None:
        self.report, self.student, self.label = report, student, label
        self.act, self.reference, self.arity = act, reference, arity
        self.start: Any = None  # the output's own gradient after the latest backward pass
        self.matrix = "@" in label or getattr(reference, "name", "") == "matmul"

    def sit(self) -> None:
        """Try everything; what fails first under a criterion is what its hint is about."""
        square = [np.array([[1.3, 0.7], [0.4, 2.1]]), np.array([[0.6, 1.9], [1.1, 0.8]])]
        at: list[Any] = square if self.matrix else [np.float64(1.3), np.float64(2.1)][: self.arity]
        if not self._value(at):
            return
        self._grade("local derivative", self.act, at, self._derivative_hint)
        nested = (
            (lambda a: self.act(self.act(a)))
            if self.arity == 1
            else (lambda a, b, c: self.act(self.act(a, b), c))
        )
        if self.report["local derivative"].passed:
            self._grade("chain rule", nested, [*at, *at[:1]] if self.arity == 2 else at, self._chain_hint)
        self._accumulation(at)
        if self.matrix:
            self._grade("shape", self.act, [np.ones((2, 3)) / 2, np.ones((3, 4)) / 3], self._shape_hint)
            return
        arrays = [np.array([[1.3, 0.7, 2.2], [0.4, 2.1, 1.5]]), np.array([[0.6, 1.9, 0.9], [1.1, 0.8, 2.3]])]
        self._grade("shape", self.act, arrays[: self.arity], self._shape_hint)
        if self.arity == 2 and self.report["shape"].passed:
            self._grade(
                "broadcasting", self.act, [arrays[0], np.array([0.6, 1.9, 0.9])], self._broadcast_hint
            )
            self._grade("broadcasting", self.act, [arrays[0][:, :1], arrays[1]], self._broadcast_hint)

    def _value(self, at: list[Any]) -> bool:
        try:
            with self.student.fresh():
                got = self.act(*map(self.student.leaf, at)).value
            right = self.reference(*at)
            passed = np.shape(got) == np.shape(right) and bool(np.allclose(got, right, rtol=1e-9))
            hint = f"{self.label}: the value is not what {self._reference_name()} gives at {_numbers(at)}."
        except Exception as error:
            passed, hint = False, f"{self.label}: {type(error).__name__}: {error}."
        self._mark("value", passed, hint)
        return passed

    def _reference_name(self) -> str:
        return str(getattr(self.reference, "__name__", self.label))

    def _mark(self, criterion: str, passed: bool, hint: str) -> None:
        grade = self.report[criterion]
        if grade.passed is not False:
            grade.passed, grade.hint = passed, "" if passed else hint

    def _grade(self, criterion: str, f: Callable[..., Any], at: list[Any], hint: Callable[..., str]) -> None:
        """Compare their gradients with differences of their own values."""
        try:
            found = self._gradients(f, at)
            with self.student.fresh():
                right = estimate(
                    lambda *xs: f(*map(self.student.leaf, xs)).value,
                    *at,
                    cotangent=_ones(f, self.student, at),
                ).grads
        except Exception as error:
            self._mark(criterion, False, f"{self.label}: {type(error).__name__}: {error}.")
            return
        shape_only = (
            criterion in ("shape", "broadcasting") and self.report["local derivative"].passed is False
        )
        for k, (g, r, x) in enumerate(zip(found, right, at, strict=True)):
            fits = g is not None and np.shape(g) == np.shape(x)
            if not fits or not (shape_only or np.allclose(g, r, rtol=1e-6, atol=1e-9)):
                self._mark(criterion, False, self._start_hint() or hint(k, g, r, x))
                return
        self._mark(criterion, True, "")

    def _gradients(self, f: Callable[..., Any], at: list[Any]) -> list[Any]:
        with self.student.fresh():
            made: list[Any] = []
            leaves = [self.student.leaf(x) for x in at]
            act, self.act = self.act, lambda *xs: made.append(act(*xs)) or made[-1]  # type: ignore[func-returns-value]
            try:
                output = (self.act if f is act else f)(*leaves)
            finally:
                self.act = act
            self.student.backward(output, made)
            self.start = getattr(output, "grad", None)
            return [n.grad for n in leaves]

    def _accumulation(self, at: list[Any]) -> None:
        if self.arity == 2:
            self._grade_twice(at[0])
        elif hasattr(self.student.node, "compute_grad") and self.report["local derivative"].passed:
            self._grade_kept(at[0])

    def _grade_twice(self, at: Any) -> None:
        """The same node as both inputs must get what two equal nodes get together, right or wrong."""
        try:
            (both,) = self._gradients(lambda a: self.act(a, a), [at])
            apart = self._gradients(self.act, [at, at])
        except Exception as error:
            self._mark("accumulation", False, f"{self.label}: {type(error).__name__}: {error}.")
            return
        if not self._start_hint() and both is not None and all(g is not None for g in apart):
            hint = f"{self.label}: with the same node as both inputs one contribution is lost. Set, or add?"
            self._mark("accumulation", bool(np.allclose(both, apart[0] + apart[1])), hint)

    def _grade_kept(self, at: Any) -> None:
        """An input that holds a gradient already must keep it."""
        with self.student.fresh():
            leaf = self.student.leaf(at)
            node = self.act(leaf)
            node.grad, leaf.grad = 1.0, 0.0
            node.compute_grad()
            alone, leaf.grad = leaf.grad, 10.0
            node.compute_grad()
        hint = f"{self.label}: what of a gradient that the input holds already? Is it kept?"
        self._mark("accumulation", bool(np.allclose(leaf.grad, 10.0 + alone)), hint)

    # --- hints: where to look, not what to write
    def _start_hint(self) -> str:
        if self.start is not None and np.any(self.start):
            return ""
        return (
            f"{self.label}: after backward() the grad of the output itself is {self.start}. "
            "By how much does the output move when it moves by 1?"
        )

    def _derivative_hint(self, k: int, g: Any, r: Any, x: Any) -> str:
        if g is None:
            return f"{self.label}: input {k + 1} has no gradient after backward(). Who should give it one?"
        cause = likely_cause(Evidence(np.asarray(g, float), np.asarray(r), np.asarray(x)))
        which = f" Probably: {cause}." if cause.startswith(("wrong", "off")) else ""
        return (
            f"{self.label}: nudge input {k + 1} by 0.001 and look how far the value moves: "
            f"the gradient says something else.{which}"
        )

    def _chain_hint(self, k: int, g: Any, r: Any, x: Any) -> str:
        if g is None or not np.any(g):
            return (
                f"{self.label}: right on its own, but inside another nothing reaches its input. Who calls it?"
            )
        return (
            f"{self.label}: right on its own, wrong inside another. What arrives from above is its own grad."
        )

    def _shape_hint(self, k: int, g: Any, r: Any, x: Any) -> str:
        if np.shape(g) != np.shape(x):
            return (
                f"{self.label}: input {k + 1} has shape {np.shape(x)}, its gradient {np.shape(g)}. "
                "A gradient has the shape of its value, from the output on."
            )
        return f"{self.label}: the gradient of an array is wrong though that of a number is right."

    def _broadcast_hint(self, k: int, g: Any, r: Any, x: Any) -> str:
        if np.size(g) < np.size(x):  # it was not this input that was repeated
            return self._shape_hint(k, g, r, x)
        return (
            f"{self.label}: an input of shape {np.shape(x)} was repeated to fit the other, and received "
            f"{np.shape(g)}. An entry used many times: what does it get from each use?"
        )


def _ones(f: Callable[..., Any], student: Student, at: list[Any]) -> Any:
    return np.ones(np.shape(f(*map(student.leaf, at)).value))


def _numbers(at: list[Any]) -> str:
    return ", ".join(np.array2string(np.asarray(x), precision=3) for x in at)


def _order(report: NodeReport, student: Student) -> None:
    """w = x * x, y = (w + w) + w * w at x = 3: a node passed on before it is complete counts twice."""
    if "a * b" not in student.can or "a + b" not in student.can or report["accumulation"].passed is False:
        return
    grade = report["order"]
    try:
        with student.fresh():
            x = student.leaf(3.0)
            w = x * x
            y = (w + w) + w * w
            student.backward(y, [])
        grade.passed = bool(np.isclose(x.grad, 120.0))
        with student.fresh():
            first, second = student.leaf(2.0), student.leaf(5.0)
            kept = first * first
            student.backward(kept, [])
            before = first.grad
            student.backward(second * second, [])
        if not grade.passed:
            grade.hint = "A node used twice was passed on before everything had arrived: in which order?"
        elif not np.isclose(first.grad, before):
            grade.hint = (
                "(but backward() of one graph changed another's gradients: what is in the shared list?)"
            )
    except Exception as error:
        grade.passed, grade.hint = False, f"{type(error).__name__}: {error}."
