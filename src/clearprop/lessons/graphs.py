"""The graphs of the lessons, each as the lines that a reader would type; pages and notebooks run them."""

from __future__ import annotations

from functools import cache
from typing import Any

from clearprop.modes import enable_grad
from clearprop.ops import random
from clearprop.tensor import Tensor

SOURCES = {
    "graph": """\
import clearprop
from clearprop import Tensor

a, b = Tensor(7.0), Tensor(3.0)
e = (a + b) * b**3
""",
    "forward": """\
import clearprop
from clearprop import Tensor, relu

a, b, c = Tensor(7.0), Tensor(-3.0), Tensor(2.0)
e = (a + relu(b)) * c
""",
    "numerical": """\
import clearprop
from clearprop import Tensor

a, b = Tensor(7.0), Tensor(3.0)
e = (a + b) * b**3
""",
    "tree": """\
import clearprop
from clearprop import Tensor

a, b, c = Tensor(7.0), Tensor(3.0), Tensor(2.0)
e = (a + b) * c
""",
    "dag": """\
import clearprop
from clearprop import Tensor

a, b = Tensor(7.0), Tensor(3.0)
e = (a + b) * b**3
""",
    "order": """\
import clearprop
from clearprop import Tensor

x = Tensor(3.0)
w = x**2
u = 2 * w
v = w**2
y = u + v
""",
    "nodes": """\
import numpy as np
import clearprop
from clearprop import Tensor, relu

a, b, c = Tensor(1.0), Tensor(2.0), Tensor(0.5)
z = np.tanh(a) * relu(b) - np.exp(c)
""",
    "matrices": """\
import numpy as np
import clearprop
from clearprop import Tensor

X = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
w, y = Tensor([1.0, -1.0]), Tensor([0.0, 1.0, 2.0])
loss = np.mean((X @ w - y) ** 2)
""",
    "neuron": """\
import numpy as np
import clearprop
from clearprop import Tensor

x1, x2 = Tensor(2.0), Tensor(-1.0)
w1, w2, b = Tensor(0.5), Tensor(0.3), Tensor(-0.2)
a = np.tanh(w1 * x1 + w2 * x2 + b)
""",
    "training": """\
import numpy as np
import clearprop
from clearprop import Tensor

x, y = Tensor(2.0, requires_grad=False), Tensor(0.5, requires_grad=False)
w, b = Tensor(-0.4), Tensor(0.1)
loss = (np.tanh(w * x + b) - y) ** 2
""",
    "attention": """\
import numpy as np
import clearprop
from clearprop import Tensor, softmax

x = Tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], requires_grad=False)  # three words, two numbers each
Wq, Wk = Tensor([[1.0, 0.5], [0.0, 1.0]]), Tensor([[0.5, 0.0], [1.0, 1.0]])
Wv = Tensor([[1.0, 0.0], [0.5, -1.0]])
scores = (x @ Wq) @ (x @ Wk).T / 2**0.5
weights = softmax(scores)
out = weights @ (x @ Wv)
loss = np.mean(out**2)
""",
    "convolution": """\
import numpy as np
import clearprop
from clearprop import Tensor, relu
from clearprop.nn.functional import conv2d

image = Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
kernel = Tensor([[-1.0, 1.0], [-1.0, 1.0]])  # bright on the right, dark on the left
edges = conv2d(image[None, None], kernel[None, None])[0, 0]  # one image of one channel
loss = np.mean(relu(edges))
""",
    "lstm": """\
import numpy as np
import clearprop
from clearprop import Tensor, sigmoid

f, i, o, g = Tensor(2.0), Tensor(-0.5), Tensor(0.7), Tensor(1.5)  # what four linear layers made of x and h
c = Tensor(-0.8)  # the cell so far
keep = sigmoid(f)
cell = keep * c + sigmoid(i) * np.tanh(g)
h = sigmoid(o) * np.tanh(cell)
""",
    "batch-norm": """\
import numpy as np
import clearprop
from clearprop import Tensor

x = Tensor([1.0, 2.0, 4.0, 9.0])  # one feature of four rows
gamma, beta = Tensor(1.5), Tensor(0.5)
mean = np.mean(x)
centred = x - mean
variance = np.mean(centred**2)
normal = centred / np.sqrt(variance + 1e-5)
out = gamma * normal + beta
loss = np.mean((out - np.array([0.0, 1.0, 1.0, 0.0])) ** 2)
""",
    "dropout": """\
import numpy as np
import clearprop
from clearprop import Tensor
from clearprop.nn.functional import dropout

clearprop.manual_seed(3)
x = Tensor([0.5, -1.0, 2.0, 1.5, -0.5, 1.0])
w = Tensor([1.0, 2.0, -1.0, 0.5, 1.0, -2.0])
kept = dropout(x * w, p=0.5)
loss = np.sum(kept) ** 2
""",
    "adam": """\
import numpy as np
import clearprop
from clearprop import Tensor

g, m, v = Tensor(0.3), Tensor(0.5), Tensor(0.04)  # the gradient, its average, the average of its square
w = Tensor(2.0)
first = 0.9 * m + 0.1 * g
second = 0.999 * v + 0.001 * g**2
step = 0.1 / (1 - 0.9**10) * first / np.sqrt(second / (1 - 0.999**10))  # the tenth step, lr=0.1
new = w - step
""",
}
"""Python text by the name of a lesson; what the last line assigns to is the output."""


@cache
def variables(name: str) -> dict[str, Any]:
    """Run the lines of a lesson and return its variables."""
    found: dict[str, Any] = {}
    state = random.get_rng_state()
    try:
        with enable_grad():  # whoever asks first, the graph is kept for all
            exec(compile(SOURCES[name], f"<lesson {name}>", "exec"), found)
    finally:
        random.set_rng_state(state)
    return found


def output(name: str) -> Tensor:
    """Return what a lesson's graph leads to.

    >>> output("dag").value
    np.float64(270.0)
    """
    found: Tensor = variables(name)[last(name)]
    return found


def last(name: str) -> str:
    """Return the name that the last line of a lesson gives to its output."""
    return SOURCES[name].splitlines()[-1].split(" = ", 1)[0]


def names(name: str) -> dict[str, Tensor]:
    """Return the Tensors of a lesson by the names of its variables.

    >>> sorted(names("dag"))
    ['a', 'b', 'e']
    """
    return {label: x for label, x in variables(name).items() if isinstance(x, Tensor)}
