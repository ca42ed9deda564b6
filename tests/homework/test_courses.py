"""`check_node` on whole homeworks as courses set them: right ones pass, each seeded fault is found."""

import sys
import types

import pytest

from clearprop.errors import InputError
from clearprop.homework import check_node

# The lecture's style: every constructor is given the list of all nodes, `backward()` is one node's share and
# the driver is a function called `compute_grad()`. Exercise: e = (a + b) * b**3.
COURSE = """
class InputNode:
    def __init__(self, value, topo_order):
        self.value, self.grad = value, 0
        topo_order.append(self)

    def backward(self):
        pass


class AddNode:
    def __init__(self, a, b, topo_order):
        self.a, self.b, self.value, self.grad = a, b, a.value + b.value, 0
        topo_order.append(self)

    def backward(self):
        self.a.grad += self.grad
        self.b.grad += self.grad


class MultiplyNode:
    def __init__(self, a, b, topo_order):
        self.a, self.b, self.value, self.grad = a, b, a.value * b.value, 0
        topo_order.append(self)

    def backward(self):
        self.a.grad += self.grad * self.b.value
        self.b.grad += self.grad * self.a.value


class PowerNode:
    def __init__(self, a, exponent, topo_order):
        self.a, self.exponent, self.value, self.grad = a, exponent, a.value**exponent, 0
        topo_order.append(self)

    def backward(self):
        self.a.grad += self.grad * self.exponent * self.a.value ** (self.exponent - 1)


class ReluNode:
    def __init__(self, a, topo_order):
        self.a, self.value, self.grad = a, max(a.value, 0.0), 0
        topo_order.append(self)

    def backward(self):
        self.a.grad += self.grad * (1.0 if self.a.value > 0 else 0.0)


def compute_grad(topo_order):
    topo_order[-1].grad = 1
    for node in reversed(topo_order):
        node.backward()
"""

# The same with the driver as a method of the output. Exercise: w = x**2; y = 2*w + w**2.
METHOD = COURSE.replace("def compute_grad(topo_order):", "def run(topo_order):").replace(
    "    def backward(self):\n        self.a.grad",
    "    def compute_grad(self):\n        self.grad = 1\n        for node in reversed(self.nodes):\n"
    "            node.backward()\n\n    def backward(self):\n        self.a.grad",
)
METHOD = METHOD.replace("topo_order.append(self)", "self.nodes = topo_order\n        self.nodes.append(self)")

# One class for everything, numbers only, closures: what many write after a well-known video.
ENGINE = """
import math


class Value:
    def __init__(self, data, _children=(), _op=""):
        self.data, self.grad = data, 0
        self._backward = lambda: None
        self._prev, self._op = set(_children), _op

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __pow__(self, n):
        out = Value(self.data**n, (self,), f"**{n}")

        def _backward():
            self.grad += n * self.data ** (n - 1) * out.grad

        out._backward = _backward
        return out

    def relu(self):
        out = Value(0 if self.data < 0 else self.data, (self,), "ReLU")

        def _backward():
            self.grad += (out.data > 0) * out.grad

        out._backward = _backward
        return out

    def tanh(self):
        out = Value(math.tanh(self.data), (self,), "tanh")

        def _backward():
            self.grad += (1 - out.data**2) * out.grad

        out._backward = _backward
        return out

    def backward(self):
        topo, visited = [], set()

        def build(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build(child)
                topo.append(v)

        build(self)
        self.grad = 1
        for v in reversed(topo):
            v._backward()
"""

# Vectors. Exercise: mean((W x)^2) and a dot product.
VECTORS = """
import numpy as np

nodes = []


class Input:
    def __init__(self, value):
        self.value = np.asarray(value, float)
        self.grad = np.zeros_like(self.value)
        nodes.append(self)

    def backward(self):
        pass


class Dot(Input):
    def __init__(self, a, b):
        super().__init__(np.dot(a.value, b.value))
        self.a, self.b = a, b

    def backward(self):
        self.a.grad += self.grad * self.b.value
        self.b.grad += self.grad * self.a.value


class MVMul(Input):
    def __init__(self, matrix, vector):
        super().__init__(matrix.value @ vector.value)
        self.matrix, self.vector = matrix, vector

    def backward(self):
        self.matrix.grad += np.outer(self.grad, self.vector.value)
        self.vector.grad += self.matrix.value.T @ self.grad


class Square(Input):
    def __init__(self, a):
        super().__init__(a.value**2)
        self.a = a

    def backward(self):
        self.a.grad += 2 * self.a.value * self.grad


class Mean(Input):
    def __init__(self, a):
        super().__init__(np.mean(a.value))
        self.a = a

    def backward(self):
        self.a.grad += np.full_like(self.a.value, self.grad / self.a.value.size)


def backward(output):
    output.grad = np.ones_like(output.value)
    for node in reversed(nodes):
        node.backward()
"""

# Twenty lines: the shortest homework that does a DAG right.
SHORT = """
class Node:
    def __init__(self, value, inputs=(), slopes=()):
        self.value, self.grad, self.inputs, self.slopes = value, 0.0, inputs, slopes

    def __add__(self, other):
        return Node(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Node(self.value * other.value, (self, other), (other.value, self.value))

    def backward(self):
        order = []
        def visit(node):
            if node not in order:
                for x in node.inputs:
                    visit(x)
                order.append(node)
        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for x, slope in zip(node.inputs, node.slopes):
                x.grad += node.grad * slope
"""

# Gradients are arrays without axes, which `+=` changes where they lie.
BUFFERS = """
import numpy as np


def fitted(g, shape):
    while np.ndim(g) > len(shape):
        g = g.sum(axis=0)
    repeated = tuple(k for k, n in enumerate(shape) if n == 1)
    return np.sum(g, axis=repeated, keepdims=True) if repeated else g


class Tensor:
    def __init__(self, data, inputs=(), passed=None):
        self.data = np.asarray(data, dtype=float)
        self.grad, self.inputs, self.passed = np.zeros_like(self.data), inputs, passed

    def __mul__(self, other):
        other = other if isinstance(other, Tensor) else Tensor(other)

        def passed(g):
            self.grad += fitted(g * other.data, self.data.shape)
            other.grad += fitted(g * self.data, other.data.shape)

        return Tensor(self.data * other.data, (self, other), passed)

    def __sub__(self, other):
        other = other if isinstance(other, Tensor) else Tensor(other)

        def passed(g):
            self.grad += fitted(g, self.data.shape)
            other.grad -= fitted(g, other.data.shape)

        return Tensor(self.data - other.data, (self, other), passed)

    def __rsub__(self, other):
        return Tensor(other) - self

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for x in node.inputs:
                    visit(x)
                order.append(node)

        visit(self)
        self.grad = np.ones_like(self.data)
        for node in reversed(order):
            if node.passed:
                node.passed(node.grad)
"""

HOMEWORKS = {
    "buffers": (BUFFERS, ["Tensor"]),
    "course": (COURSE, ["AddNode", "MultiplyNode", "PowerNode", "ReluNode"]),
    "method": (METHOD, ["AddNode", "MultiplyNode", "PowerNode", "ReluNode"]),
    "engine": (ENGINE, ["Value"]),
    "vectors": (VECTORS, ["Dot", "MVMul", "Square", "Mean"]),
    "short": (SHORT, ["Node"]),
}

# homework, class, what is right, what is wrong instead, the criterion that must fail
# fmt: off
FAULTS = [
    ("buffers", "Tensor", "fitted(g * other.data", "fitted(other.data", "chain rule"),
    ("buffers", "Tensor", "other.grad -= fitted", "other.grad += fitted", "local derivative"),
    ("buffers", "Tensor", "Tensor(other) - self", "self - Tensor(other)", "value"),
    ("course", "AddNode", "self.b.grad += self.grad\n", "self.b.grad -= self.grad\n", "local derivative"),
    (
        "course",
        "MultiplyNode",
        "self.a.grad += self.grad * self.b.value",
        "self.a.grad += self.b.value",
        "chain rule",
    ),
    (
        "course",
        "MultiplyNode",
        "self.a.grad += self.grad * self.b.value",
        "self.a.grad = self.grad * self.b.value",
        "accumulation",
    ),
    (
        "course",
        "ReluNode",
        "self.grad * (1.0 if self.a.value > 0 else 0.0)",
        "(1.0 if self.a.value > 0 else 0.0)",
        "chain rule",
    ),
    ("course", "ReluNode", "else 0.0)", "else 0.01)", "local derivative"),
    ("method", "PowerNode", "(self.exponent - 1)", "self.exponent", "local derivative"),
    (
        "method",
        "AddNode",
        "self.a.grad += self.grad\n        self.b",
        "self.a.grad += 1\n        self.b",
        "chain rule",
    ),
    ("method", "ReluNode", "max(a.value, 0.0)", "abs(a.value)", "value"),
    (
        "method",
        "MultiplyNode",
        "self.b.grad += self.grad * self.a.value",
        "self.b.grad += self.grad * self.b.value",
        "local derivative",
    ),
    ("method", "AddNode", "reversed(self.nodes)", "self.nodes", "chain rule"),
    (
        "engine",
        "Value",
        "self.grad += (out.data > 0) * out.grad",
        "self.grad += (out.data > 0) * 1.0",
        "chain rule",
    ),
    ("engine", "Value", "(out.data > 0) * out.grad", "(out.data >= 0) * out.grad", "local derivative"),
    ("engine", "Value", "for v in reversed(topo)", "for v in topo", "chain rule"),
    ("engine", "Value", "self.grad += other.data * out.grad", "self.grad = other.data * out.grad", "accumulation"),
    ("engine", "Value", "(1 - out.data**2) * out.grad", "(1 - out.data**2)", "chain rule"),
    ("vectors", "Dot", "self.a.grad += self.grad * self.b.value", "self.a.grad += self.b.value", "chain rule"),
    ("vectors", "MVMul", "self.matrix.value.T @ self.grad", "0.5 * self.matrix.value.T @ self.grad", "local derivative"),
    ("vectors", "Mean", "self.grad / self.a.value.size", "self.grad", "local derivative"),
    ("vectors", "Square", "2 * self.a.value * self.grad", "2 * self.a.value", "chain rule"),
    ("vectors", "Mean", "self.a.grad += np.full_like", "self.a.grad = np.full_like", "accumulation"),
    ("short", "Node", "self.value * other.value, (self", "self.value + other.value, (self", "value"),
    ("short", "Node", "(other.value, self.value)", "(self.value, other.value)", "local derivative"),
    ("short", "Node", "x.grad += node.grad * slope", "x.grad += slope", "chain rule"),
    ("short", "Node", "x.grad += node.grad * slope", "x.grad = node.grad * slope", "accumulation"),
    ("short", "Node", "if node not in order:", "if True:", "order"),
]
# fmt: on


@pytest.fixture
def homework(request):
    """Run a homework's text as a module, as the command line does."""
    made = []

    def run(text):
        module = types.ModuleType(f"homework_{len(made)}")
        sys.modules[module.__name__] = module
        made.append(module.__name__)
        exec(text, vars(module))
        return module

    yield run
    for name in made:
        del sys.modules[name]


@pytest.mark.parametrize("style", HOMEWORKS)
def test_a_right_homework_is_graded_right_and_something_was_tried(style, homework):
    text, classes = HOMEWORKS[style]
    module = homework(text)
    for name in classes:
        report = check_node(getattr(module, name))

        assert report, report
        for criterion in ("value", "local derivative", "chain rule", "accumulation"):
            assert report[criterion].passed is True, report


@pytest.mark.parametrize(("style", "name", "right", "wrong", "criterion"), FAULTS)
def test_a_seeded_fault_is_found_under_its_criterion(style, name, right, wrong, criterion, homework):
    text, _ = HOMEWORKS[style]
    start = text.index(f"class {name}")
    assert right in text[start:]
    broken = text[:start] + text[start:].replace(right, wrong, 1)

    report = check_node(getattr(homework(broken), name))

    assert report[criterion].passed is False, report


def test_a_class_of_no_module_is_graded_too():
    """As a block of a page is run: `exec` in a bare dict."""
    space = {"__name__": "nowhere"}
    text = "class Twice:\n    def __init__(self, a):\n        self.a, self.value, self.grad = a, 2 * a.value, 0.0\n"
    exec(text + "    def backward(self):\n        self.a.grad += 2 * self.grad\n", space)

    assert check_node(space["Twice"], lambda a: 2 * a)


# Layers: no nodes, `forward(x)` and `backward(g)`, with what is kept in the layer, in a cache or a context, and
# the gradients of parameters stored beside them.
LAYERS = """
import numpy as np


class Sigmoid:
    def forward(self, x):
        self.s = 1 / (1 + np.exp(-x))
        return self.s

    def backward(self, g):
        return g * self.s * (1 - self.s)


class Tanh:
    def forward(self, x):
        out = np.tanh(x)
        return out, out

    def backward(self, g, cache):
        return g * (1 - cache**2)


class Square:
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Linear:
    def __init__(self, inputs, outputs):
        self.W, self.b = np.random.randn(inputs, outputs), np.zeros(outputs)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        self.dW = self.x.T @ g
        self.db = g.sum(axis=0)
        return g @ self.W.T


class Affine:
    def __init__(self, W, b):
        self.params, self.grads = {"W": W, "b": b}, {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads = {"W": self.x.T @ dout, "b": dout.sum(0)}
        return dout @ self.params["W"].T


class MSELoss:
    def forward(self, y_pred, y_true):
        self.d = y_pred - y_true
        return np.mean(self.d**2)

    def backward(self):
        return 2 * self.d / self.d.size
"""
LAYER_FAULTS = {
    "Sigmoid": ["g * self.s *->self.s *", "1 - self.s->1 + self.s"],
    "Tanh": ["1 - cache**2->1 - cache", "g * (1->(1"],
    "Square": ["2 * x * g->2 * x"],
    "Linear": ["self.x.T @ g->2 * self.x.T @ g", "g.sum(axis=0)->g[0]", "self.db =->self.d2 ="],
    "Affine": ["dout.sum(0)}->dout.mean(0)}", "return dout->return -dout"],
    "MSELoss": ["2 * self.d / self->self.d / self"],
}


@pytest.mark.parametrize("name", LAYER_FAULTS)
def test_layers_that_hand_gradients_back_are_graded(name, homework):
    assert check_node(getattr(homework(LAYERS), name)), name
    for fault in LAYER_FAULTS[name]:
        right, wrong = fault.split("->")
        assert right in LAYERS
        start = LAYERS.index(f"class {name}")
        broken = LAYERS[:start] + LAYERS[start:].replace(right, wrong, 1)
        assert not check_node(getattr(homework(broken), name)), fault


def test_a_layer_whose_function_is_known_has_its_value_graded(homework):
    layer = homework(LAYERS.replace("@ self.W + self.b", "@ self.W - self.b")).Linear

    assert "not tried: check_node(Linear, function)" in repr(check_node(layer))
    assert check_node(layer, lambda x, W, b: x @ W + b)["value"].passed is False


def test_a_layer_that_cannot_be_made_says_how(homework):
    layer = homework(
        "class Odd:\n    def forward(self, x): return x.nothing\n    def backward(self, g): return g\n"
    )
    with pytest.raises(InputError, match=r"make=lambda: Odd\(\.\.\.\)"):
        check_node(layer.Odd)
