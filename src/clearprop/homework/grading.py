"""`check_node`: grades a node class written by hand, with hints instead of answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.check.numeric import estimate
from clearprop.errors import InputError, lesson
from clearprop.homework.grades import CRITERIA, NodeReport
from clearprop.homework.hints import Hints
from clearprop.homework.layers import Input, as_node
from clearprop.homework.operations import Inputs, Operation
from clearprop.homework.student import Student


def check_node(
    node: type,
    function: Callable[..., Any] | None = None,
    *,
    leaf: Callable[..., Any] | None = None,
    make: Callable[..., Any] | None = None,
    backward: Callable[[Any], Any] | None = None,
    arrays: bool | None = None,
) -> NodeReport:
    """Grade a class that does backpropagation by hand, in the style of most courses, and give hints.

    Two kinds of class are understood. One class for everything: `Node(2.0)` is an input, and `a + b`,
    `a * b`, `a.tanh()`, ... make new nodes. Or a class per operation: `Multiply(a, b)` takes input nodes;
    what it should compute is told by its name (`MVMul`, `ReluNode`) or by `function`. The value may be
    called `value` or `data`; constructors may want the list that all nodes are entered in, as in
    `AddNode(a, b, topo_order)`; and the pass over the whole graph may be a method of the output or a function
    of the module, whether it is called `backward`, `compute_grad` or otherwise: which method does one node's
    share and which runs the whole pass is found out by trying. Lists of nodes kept by a class or its module
    are emptied between graphs. Layers are understood too: `forward(x)` gives the output and `backward(g)` the
    gradients of the inputs, with a cache or without one; those of parameters are stored as `dW` or the like.

    Where guessing fails, `leaf(value)` makes an input node, `make(*inputs)` a node (`make()` a layer), and
    `backward(output)` runs the pass. A class that is made for numbers (its backward pass starts with the
    number 1 whatever the shape of the output) is not tried with arrays, unless `arrays=True` insists.

    Graded are the value, the local derivative (against differences of the class's own values, on both sides
    of its kinks), the chain rule (with gradients from above that are not 1), accumulation, order, the shapes
    of arrays and broadcasting. Raises InputError where the class cannot be used at all.

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
    layer = as_node(node, function, make) if leaf is None and backward is None else None
    if layer is None:
        student = Student(node, function, leaf, make, backward)
    else:
        student = Student(layer[0], function, Input, operation=layer[1], written=node)
    report = NodeReport(node.__name__)
    if not student.can:
        raise InputError(
            lesson(
                f"check_node({node.__name__})",
                "finds nothing to try: no operators, no methods",
                hint="defining __add__ and __mul__, or a class per operation such as Multiply(a, b)",
            )
        )
    # A product first: others are tried inside of one, and are not to blame for its faults.
    for operation in sorted(student.can, key=lambda o: o.label != "a * b"):
        _Exam(report, student, operation, arrays).sit()
    return report


class _Exam:
    """The tests of one operation."""

    def __init__(self, report: NodeReport, student: Student, operation: Operation, arrays: Any) -> None:
        self.report, self.student, self.operation, self.arrays = report, student, operation, arrays
        self.label = operation.label
        self.hints = Hints(operation.label, student.line(operation))
        self.start: Any = None  # the output's own gradient after the latest backward pass

    def sit(self) -> None:
        """Try everything; what fails first under a criterion is what its hint is about."""
        points = self.operation.points
        if not all(self._value(at) for at in points):
            return
        for at in points:
            self._grade("local derivative", self._alone, at, self.hints.derivative)
        if self.report["local derivative"].passed:
            for at in points:
                self._chain_rule(at)
        self._accumulation(points[0])
        self._order(points[0])
        self._shapes()

    # --- graphs of the operation ----------------------------------------------------------------------------
    def _alone(self, *nodes: Any) -> Any:
        return self.student.act(self.operation, *nodes)

    def _nested(self, *nodes: Any) -> Any:
        """The operation on its own output: `(a * b) * c`."""
        n = self.operation.arity
        return self._alone(self._alone(*nodes[:n]), *nodes[n:])

    def _scaled(self, *nodes: Any) -> Any:
        """The operation inside a product, where the class has products: the gradient from above is not 1."""
        product = self._known("a * b")
        return self.student.act(product, self._alone(*nodes), self.student.leaf(np.float64(0.7)))

    def _known(self, label: str) -> Any:
        return next((o for o in self.student.can if o.label == label), None)

    # --- criteria -------------------------------------------------------------------------------------------
    def _value(self, at: Inputs) -> bool:
        try:
            with self.student.fresh():
                got = self.student.value(self._alone(*map(self.student.leaf, at)))
            right = self.operation.reference(*at)
            passed = np.shape(got) == np.shape(right) and bool(np.allclose(got, right, rtol=1e-9))
            hint = self.hints.value(getattr(self.operation.reference, "__name__", self.label), at)
        except Exception as error:
            passed, hint = False, f"{self.label}: {type(error).__name__}: {error}."
            if isinstance(error, (TypeError, AttributeError)):
                hint += f" If nodes are made in another way: {self.student.adapter()}"
        if self.operation.known or not passed:
            self._mark("value", passed, hint)
        else:
            self.report["value"].hint = f"not tried: check_node({self.label}, function) knows what to expect"
        return passed

    def _mark(self, criterion: str, passed: bool, hint: str) -> None:
        grade = self.report[criterion]
        if grade.passed is not False:
            grade.passed, grade.hint = passed, "" if passed else hint

    def _chain_rule(self, at: Inputs) -> None:
        """What arrives from above: through the operation itself, through a product, and handed in."""
        if self.operation.composes and _finite(self.operation, at):
            others = [1.37 * x for x in at[1:]]  # other numbers: max(max(a, b), b) would be a tie
            self._grade("chain rule", self._nested, [*at, *others], self.hints.chain)
        if self._known("a * b") is not None and not np.shape(at[0]):
            self._grade("chain rule", self._scaled, at, self.hints.chain)
        elif self.student.local is not None:
            self._grade("chain rule", self._alone, at, self.hints.chain, handed=True)

    def _grade(
        self,
        criterion: str,
        graph: Callable[..., Any],
        at: Inputs,
        hint: Callable[..., str],
        handed: bool = False,
    ) -> None:
        """Compare their gradients with differences of their own values."""
        student = self.student
        try:
            found, above = self._gradients(graph, at, handed)
            with student.fresh():
                right = estimate(
                    lambda *xs: np.asarray(student.value(graph(*map(student.leaf, xs))), float),
                    *at,
                    cotangent=above,
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
                self._mark(criterion, False, self.hints.start(self.start) or hint(k, g, r, at))
                return
        self._mark(criterion, True, "")

    def _gradients(self, graph: Callable[..., Any], at: Inputs, handed: bool = False) -> tuple[Any, Any]:
        """The gradients of the inputs, and the gradient from above that they belong to."""
        student = self.student
        with student.fresh():
            leaves = [student.leaf(x) for x in at]
            output = graph(*leaves)
            shape = np.shape(student.value(output))
            above = np.ones(shape)
            if handed:  # a gradient from above in which no entry is 0 or 1
                above = np.linspace(0.6, 1.7, int(np.prod(shape)) or 1).reshape(shape)
                student.set_grad(output, above if shape else float(above))
                student.pass_on(output)
            else:
                student.backward(output)
            self.start = student.grad(output)
            return [_real(student.grad(n)) for n in leaves], above

    def _accumulation(self, at: Inputs) -> None:
        """Every way in which a contribution can be lost that this class can be asked about."""
        if len(at) == 2 and np.shape(at[0]) == np.shape(at[1]):
            self._grade_twice(at[0])
        if self._known("a + b") is not None and not np.shape(at[0]):
            self._grade_sum(at)
        if self.student.local is not None and self.report["local derivative"].passed:
            self._grade_kept(at)

    def _grade_twice(self, at: Any) -> None:
        """The same node as both inputs must get what two equal nodes get together, right or wrong."""
        try:
            ((both,), _), (apart, _) = (
                self._gradients(lambda a: self._alone(a, a), [at]),
                self._gradients(self._alone, [at, at]),
            )
        except Exception as error:
            self._mark("accumulation", False, f"{self.label}: {type(error).__name__}: {error}.")
            return
        if not self.hints.start(self.start) and both is not None and all(g is not None for g in apart):
            hint = f"{self.label}: with the same node as both inputs one contribution is lost. Set, or add?"
            self._mark("accumulation", bool(np.allclose(both, apart[0] + apart[1])), hint)

    def _grade_sum(self, at: Inputs) -> None:
        """f(a) + f(a) must give the input twice what f(a) gives."""
        add = self._known("a + b")
        try:
            twice, _ = self._gradients(lambda *n: self.student.act(add, self._alone(*n), self._alone(*n)), at)
            once, _ = self._gradients(self._alone, at)
            passed = all(np.allclose(t, 2 * np.asarray(o, float)) for t, o in zip(twice, once, strict=True))
            hint = f"{self.label}: an input used twice loses a contribution. Set, or add?"
        except Exception as error:
            passed, hint = False, f"{self.label}: {type(error).__name__}: {error}."
        self._mark("accumulation", passed, hint)

    def _grade_kept(self, at: Inputs) -> None:
        """An input that holds a gradient already must keep it."""
        student = self.student
        with student.fresh():
            leaves = [student.leaf(x) for x in at]
            node = self._alone(*leaves)
            student.set_grad(node, np.ones(np.shape(student.value(node)))[()])
            student.pass_on(node)
            alone = [_real(student.grad(x)) for x in leaves]
            for x, g in zip(leaves, alone, strict=True):
                student.set_grad(x, 10.0 + 0.0 * np.asarray(g, float)[()])
            student.pass_on(node)
            kept = [
                np.allclose(_real(student.grad(x)), 10.0 + np.asarray(g, float))
                for x, g in zip(leaves, alone, strict=True)
            ]
        hint = f"{self.label}: what of a gradient that the input holds already? Is it kept?"
        self._mark("accumulation", all(kept), hint)

    def _order(self, at: Inputs) -> None:
        """In f(f(u, u), u) with u = f(x, y), a node that is passed on before it is complete counts twice."""
        runs = self.student.driver is not None and self.operation.composes and len(at) == 2
        if not runs or any(self.report[c].passed is False for c in CRITERIA[:4]):
            return

        def graph(a: Any, b: Any) -> Any:
            u = self._alone(a, b)
            return self._alone(self._alone(u, u), u)

        self._grade("order", graph, at, self.hints.order)
        if self.report["order"].passed and not self.report["order"].hint:
            self._meddling(at)

    def _meddling(self, at: Inputs) -> None:
        """Whether the backward pass of one graph changes another's gradients: told, not counted."""
        student = self.student
        with student.fresh():
            leaves = [student.leaf(x) for x in at]
            student.backward(self._alone(*leaves))
            before = [np.copy(student.grad(x)) for x in leaves]
            student.backward(self._alone(*[student.leaf(x) for x in at]))
            same = all(np.allclose(student.grad(x), b) for x, b in zip(leaves, before, strict=True))
        if not same and not student.tape:
            self.report[
                "order"
            ].hint = "(but backward() of one graph changed another's gradients: what is in the shared list?)"

    def _shapes(self) -> None:
        shapes, broadcasts = self.operation.shapes, self.operation.broadcasts
        tried = self.arrays is not False
        no_arrays, one_number = self._for_numbers(shapes[0]) if shapes and self.arrays is None else ("", "")
        for criterion, cases, reason, hint in (
            ("shape", shapes, no_arrays, self.hints.shape),
            ("broadcasting", broadcasts, no_arrays or one_number, self.hints.broadcast),
        ):
            grade = self.report[criterion]
            if reason and cases and grade.passed is None:
                grade.hint = f"not tried: made for numbers, since {reason}; arrays=True insists"
            for at in cases if tried and not reason and self.report["shape"].passed is not False else ():
                self._grade(criterion, self._alone, at, hint)

    def _for_numbers(self, at: Inputs) -> tuple[str, str]:
        """Why the class is one for numbers, and why it is not made for repeated ones; '' where it is."""
        if any(np.shape(x) for x in self.operation.points[0]):
            return "", ""
        student = self.student
        with student.fresh():
            try:
                output = self._alone(*map(student.leaf, at))
                shape = np.shape(student.value(output))
            except Exception as error:
                return f"an array is refused ({type(error).__name__})", ""
            if shape != np.shape(self.operation.reference(*at)):
                return "an array goes in and something else comes out", ""
            if student.driver is None:
                return "", "" if np.shape(student.grad(output)) else "gradients start as one number"
            try:
                student.backward(output)
            except Exception as error:
                return f"backward() of an array raises {type(error).__name__}", ""
            return "" if np.shape(student.grad(output)) else "backward() starts with one number", ""


def _real(g: Any) -> Any:
    """Return a gradient as it is; TypeError, whose text becomes a hint, for one that is no real number."""
    array = np.asarray(g)
    if array.dtype.kind == "c" and not np.any(array.imag):
        return g.real  # some formulas go through the plane and come back
    if array.dtype.kind not in "fiubO":
        raise TypeError(f"the gradient of an input is {g!r:.40}: no real number")
    return g


def _finite(operation: Operation, at: Inputs) -> bool:
    """Whether the operation may be applied to its own output at this point."""
    try:
        with np.errstate(all="ignore"):
            inner = operation.reference(*at)
            return bool(np.all(np.isfinite(operation.reference(inner, *at[1:]))))
    except Exception:
        return False
