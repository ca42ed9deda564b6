"""The files that students fill in and `clearprop check` grades, by the lesson that they belong to."""

from __future__ import annotations

FILES = {
    "tree": (
        "multiply.py",
        '''\
class Multiply:
    """c = a * b, of two nodes."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.value, self.grad = a.value * b.value, 0.0

    def backward(self):
        # Pass self.grad on: add to self.a.grad and to self.b.grad what each of them receives.
        pass
''',
    ),
    "dag": (
        "value.py",
        '''\
class Value:
    """A number in a graph: Value(2.0) is an input, a + b and a * b make new nodes."""

    def __init__(self, value, inputs=(), slopes=()):
        self.value, self.grad = value, 0.0
        self.inputs, self.slopes = inputs, slopes  # the local derivative for each input

    def __add__(self, other):
        return Value(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.value * other.value, (self, other), (other.value, self.value))

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for x in node.inputs:
                    visit(x)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            for x, slope in zip(node.inputs, node.slopes):
                x.grad = node.grad * slope  # one sign is wrong in this line
''',
    ),
    "nodes": (
        "tanh.py",
        '''\
import numpy as np


class Tanh:
    """z = tanh(a), of a node."""

    def __init__(self, a):
        self.a = a
        self.value, self.grad = np.tanh(a.value), 0.0

    def backward(self):
        # Add to self.a.grad what it receives. The local derivative is 1 - z*z.
        pass
''',
    ),
    "matrices": (
        "matmul.py",
        '''\
class MatMul:
    """C = A @ B, of two nodes that hold matrices."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.value = a.value @ b.value
        self.grad = 0.0 * self.value

    def backward(self):
        # Add to self.a.grad and to self.b.grad what each receives: products with self.grad.
        pass
''',
    ),
}
