"""`check_node` passes what is right and gives the right hint for each way of going wrong."""

import numpy as np
import pytest

from clearprop.errors import InputError
from clearprop.homework import check_node


class Node:
    """The lecture's style: a list that all nodes share, and `compute_grad`."""

    topological_list = []  # noqa: RUF012 - that is how the lecture does it

    def __init__(self, value):
        self.value = np.asarray(value, float)[()]
        self.grad = np.zeros_like(self.value)
        Node.topological_list.append(self)

    def compute_grad(self):
        pass

    def backward(self):
        self.grad = np.ones_like(self.value)
        for node in reversed(Node.topological_list):
            node.compute_grad()


def unbroadcast(g, shape):
    while np.ndim(g) > len(shape):
        g = g.sum(axis=0)
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


class Multiply(Node):
    def __init__(self, a, b):
        super().__init__(a.value * b.value)
        self.a, self.b = a, b

    def compute_grad(self):
        self.a.grad = self.a.grad + unbroadcast(self.grad * self.b.value, np.shape(self.a.value))
        self.b.grad = self.b.grad + unbroadcast(self.grad * self.a.value, np.shape(self.b.value))


class Tanh(Node):
    def __init__(self, a):
        super().__init__(np.tanh(a.value))
        self.a = a

    def compute_grad(self):
        self.a.grad = self.a.grad + self.grad * (1 - self.value**2)


class Value:
    """One class for everything, with its own order: numbers and arrays."""

    def __init__(self, value, inputs=(), send=lambda g: ()):
        self.value, self.grad = np.asarray(value, float)[()], 0.0
        self.inputs, self.send = inputs, send

    def __add__(self, other):
        return type(self)(self.value + other.value, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        return type(self)(
            self.value * other.value, (self, other), lambda g: (g * other.value, g * self.value)
        )

    def relu(self):
        return type(self)(np.maximum(self.value, 0), (self,), lambda g: (g * (self.value > 0),))

    def order(self):
        found = []

        def visit(node):
            if node not in found:
                for x in node.inputs:
                    visit(x)
                found.append(node)

        visit(self)
        return found

    def backward(self):
        self.grad = np.ones_like(self.value)
        for node in reversed(self.order()):
            for x, g in zip(node.inputs, node.send(node.grad), strict=True):
                x.grad = x.grad + unbroadcast(g, np.shape(x.value))


@pytest.mark.parametrize("right", [Multiply, Tanh, Value])
def test_a_right_class_passes_everything_that_can_be_tested(right):
    found = check_node(right)

    assert found, found
    assert found["value"].passed
    assert found["local derivative"].passed
    assert found["chain rule"].passed
    assert found["accumulation"].passed
    assert found["shape"].passed


def test_broadcasting_is_graded_for_two_inputs_and_order_for_a_whole_class():
    assert check_node(Multiply)["broadcasting"].passed
    assert check_node(Tanh)["broadcasting"].passed is None
    assert check_node(Value)["order"].passed


class WrongValueMultiply(Multiply):
    def __init__(self, a, b):
        super().__init__(a, b)
        self.value = a.value + b.value


class WrongDerivativeMultiply(Multiply):
    def compute_grad(self):
        self.a.grad = self.a.grad + self.grad * self.a.value
        self.b.grad = self.b.grad + self.grad * self.b.value


class WrongSignTanh(Tanh):
    def compute_grad(self):
        self.a.grad = self.a.grad - self.grad * (1 - self.value**2)


class OverwritingMultiply(Multiply):
    def compute_grad(self):
        self.a.grad = self.grad * self.b.value
        self.b.grad = self.grad * self.a.value


class NoChainMultiply(Multiply):
    def compute_grad(self):
        self.a.grad = self.a.grad + self.b.value
        self.b.grad = self.b.grad + self.a.value


class NoChainTanh(Tanh):
    def compute_grad(self):
        self.a.grad = self.a.grad + (1 - self.value**2)


class NoSumMultiply(Multiply):
    def compute_grad(self):
        self.a.grad = self.a.grad + self.grad * self.b.value
        self.b.grad = self.b.grad + self.grad * self.a.value


class ScalarSeedMultiply(NoSumMultiply):
    def compute_grad(self):
        self.a.grad = self.a.grad + np.sum(self.grad * self.b.value)
        self.b.grad = self.b.grad + np.sum(self.grad * self.a.value)


class TreeValue(Value):
    """Goes straight on at every arrival: right on trees only."""

    def backward(self):
        self.grad = np.ones_like(self.value)
        self.pass_on()

    def pass_on(self):
        for x, g in zip(self.inputs, self.send(self.grad), strict=True):
            x.grad = x.grad + g
            x.pass_on()


class SettingReluValue(Value):
    """Adds what sums and products send, and sets what relu sends."""

    def backward(self):
        self.grad = np.ones_like(self.value)
        for node in reversed(self.order()):
            for x, g in zip(node.inputs, node.send(node.grad), strict=True):
                x.grad = unbroadcast(g, np.shape(x.value)) + (x.grad if len(node.inputs) > 1 else 0.0)


WRONG = [
    (WrongValueMultiply, "value", "not what multiply gives at 1.3, 2.1"),
    (WrongDerivativeMultiply, "local derivative", "nudge input 1 by 0.001"),
    (WrongSignTanh, "local derivative", "Probably: wrong sign"),
    (OverwritingMultiply, "accumulation", "Set, or add?"),
    (NoChainMultiply, "chain rule", "What arrives from above is its own grad"),
    (NoChainTanh, "chain rule", "What arrives from above is its own grad"),
    (NoSumMultiply, "broadcasting", "what does it get from each use?"),
    (ScalarSeedMultiply, "shape", "is wrong though that of a number is right"),
    (TreeValue, "order", "in which order?"),
    (SettingReluValue, "accumulation", "an input used twice loses a contribution"),
]


@pytest.mark.parametrize(("wrong", "criterion", "hint"), WRONG, ids=[w[0].__name__ for w in WRONG])
def test_what_is_wrong_fails_its_criterion_with_a_hint(wrong, criterion, hint):
    found = check_node(wrong, leaf=Node if issubclass(wrong, Node) else wrong)

    assert not found
    assert found[criterion].passed is False
    assert hint in found[criterion].hint
    assert hint in repr(found)
    earlier = list(found.grades)[: list(found.grades).index(criterion)]
    assert not [c for c in earlier if found[c].passed is False]
    assert "self." not in repr(found)  # a hint gives no answers
    assert "+=" not in repr(found)


def test_the_function_may_be_told():
    class Mystery(Node):
        def __init__(self, a):
            super().__init__(a.value**2)
            self.a = a

        def compute_grad(self):
            self.a.grad = self.a.grad + 2 * self.a.value * self.grad

    with pytest.raises(InputError, match="cannot tell from its name what the class computes"):
        check_node(Mystery)

    assert check_node(Mystery, np.square)


def test_a_class_that_cannot_be_constructed_says_why():
    class Tanh:
        def __init__(self, a, b, c):
            pass

    found = check_node(Tanh)

    assert found["value"].passed is False
    assert "TypeError" in found["value"].hint


def test_inputs_may_come_as_a_list():
    class Add(Node):
        def __init__(self, inputs):
            a, b = inputs
            super().__init__(a.value + b.value)
            self.inputs = inputs

        def compute_grad(self):
            for x in self.inputs:
                x.grad = x.grad + unbroadcast(self.grad, np.shape(x.value))

    assert check_node(Add)


def test_the_lists_that_nodes_share_are_left_empty():
    check_node(Multiply)

    assert Node.topological_list == []


def test_values_may_be_computed_later_and_inputs_may_have_names():
    class Input:
        def __init__(self, name, value):
            self.name, self.value, self.grad = name, value, 0.0

        def compute_grad(self):
            pass

    class Square:
        def __init__(self, a):
            self.a, self.value, self.grad = a, None, 0.0

        def forward(self):
            self.value = self.a.value**2

        def compute_grad(self):
            self.a.grad = self.a.grad + 2 * self.a.value * self.grad

    assert check_node(Square, leaf=lambda value: Input("x", value))


class Unstarted(Tanh):
    def backward(self):
        self.compute_grad()


def test_an_output_whose_own_gradient_is_never_set_is_told_apart_from_a_wrong_derivative():
    report = check_node(Unstarted, np.tanh)

    assert report["local derivative"].hint == (
        "Unstarted: after backward() the grad of the output itself is 0.0. "
        "By how much does the output move when it moves by 1?"
    )


class Plain:
    """Made for numbers: every gradient starts as one."""

    def __init__(self, value):
        self.value, self.grad = value, 0.0


class PlainMultiply(Plain):
    def __init__(self, a, b):
        super().__init__(a.value * b.value)
        self.a, self.b = a, b

    def backward(self):
        self.grad = 1.0
        self.a.grad += self.grad * self.b.value
        self.b.grad += self.grad * self.a.value


def test_a_gradient_that_is_too_small_is_not_blamed_on_the_input_that_was_repeated():
    hint = check_node(PlainMultiply, leaf=Plain, arrays=True)["broadcasting"].hint

    assert hint.startswith("PlainMultiply: input 1 has shape (2, 3), its gradient (3,).")


def test_what_is_no_class_is_refused():
    with pytest.raises(InputError, match=r"check_node\(3\): wants the class itself: int"):
        check_node(3)


class TwiceTooLarge(Multiply):
    def compute_grad(self):
        self.grad = 2 * self.grad
        super().compute_grad()


def test_a_wrong_derivative_is_not_blamed_on_accumulation_or_shapes_as_well():
    report = check_node(TwiceTooLarge, np.multiply)

    assert "Probably: off by a factor 2" in report["local derivative"].hint
    assert [c for c, g in report.grades.items() if g.passed is False] == ["local derivative"]


class Max:
    """The larger of two nodes; the gradient belongs to that one alone."""

    def __init__(self, a, b):
        self.a, self.b, self.value, self.grad = a, b, max(a.value, b.value), 0.0

    def backward(self):
        (self.a if self.a.value > self.b.value else self.b).grad += self.grad


class Min(Max):
    """Wrong: the gradient goes to the first, whichever is smaller."""

    def __init__(self, a, b):
        super().__init__(a, b)
        self.value = min(a.value, b.value)

    def backward(self):
        self.a.grad += self.grad


def test_the_larger_and_the_smaller_of_two_are_known_by_name():
    assert check_node(Max, leaf=Plain).ok
    assert not check_node(Min, leaf=Plain)["local derivative"].passed


def test_a_hint_tells_the_students_own_number_where_it_was_found_and_its_line():
    hint = check_node(Min, leaf=Plain)["local derivative"].hint
    first = Min.backward.__code__.co_firstlineno
    assert "at 2.1, 1.3, nudge input 1 by 0.001" in hint
    assert "the gradient 1 says" in hint
    assert f"Look at backward(), line {first}." in hint


class Doubled(Value):
    """Wrong: the gradient from above is taken twice by a product, where it is not 1."""

    def __mul__(self, other):
        def send(g):
            twice = g if np.all(g == 1) else 2 * g
            return twice * other.value, twice * self.value

        return Doubled(self.value * other.value, (self, other), send)

    def __add__(self, other):
        return Doubled(self.value + other.value, (self, other), lambda g: (g, g))


def test_a_sum_is_not_blamed_for_the_product_it_is_tried_in():
    assert check_node(Doubled)["chain rule"].hint.startswith("a * b: right on its own, wrong inside another.")


class Square:
    """A class of one operation, whose gradient is right but for what a subclass adds."""

    more = 0.0

    def __init__(self, a):
        self.a, self.value, self.grad = a, a.value**2, 0.0

    def compute_grad(self):
        self.a.grad += 2 * self.a.value * self.grad + self.more


@pytest.mark.parametrize(("added", "right"), [(0.0, True), (0j, True), (0.5j, False), (1e-3j, False)])
def test_a_gradient_off_the_real_line_is_wrong(added, right):
    report = check_node(type("Square", (Square,), {"more": added}))

    assert report["local derivative"].passed is right
    assert right or "no real number" in report["local derivative"].hint


def test_a_gradient_that_is_text_is_wrong():
    class Text(Square):
        def compute_grad(self):
            self.a.grad = "2.6"

    assert "'2.6': no real number" in check_node(Text, np.square)["local derivative"].hint
