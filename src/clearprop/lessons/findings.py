"""The other findings of the doctor, each as a training that shows it and the one expression that mends it."""

from __future__ import annotations

_HEAD = """\
import numpy as np
import clearprop
from clearprop import nn, optim

clearprop.manual_seed(0)
draw = np.random.default_rng(0)
x = draw.normal(size=(64, 2)).astype(np.float32)
"""
STEP = """

def step(x, y):
    optimizer.zero_grad()
    value = loss(model(x), y)
    value.backward()
    optimizer.step()
    return value
"""
_CLASSES = "y = (x[:, 0] > x[:, 1]).astype(int)\n"
_NUMBERS = "y = (x @ np.array([[1.0], [-2.0]])).astype(np.float32)\n"
_TANH = "model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))\n"
_ENTROPY = "loss = nn.CrossEntropyLoss()\n"
_DESCENT = "optimizer = optim.SGD(model.parameters(), lr=0.3)\n"
_ADAM = "optimizer = optim.Adam(model.parameters(), lr=0.05)\n"
_NET = """\


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(np.tanh(self.first(x).value))


model = Net()
"""
_DEEP = """\
hidden = [layer for _ in range(6) for layer in (nn.Sigmoid(), nn.Linear(8, 8))]
model = nn.Sequential(nn.Linear(2, 8), *hidden, nn.Tanh(), nn.Linear(8, 2))
"""
_WILD = """\
hidden = [layer for _ in range(5) for layer in (nn.ReLU(), nn.Linear(8, 8))]
for layer in hidden[1::2]:
    nn.init.normal_(layer.weight, std=8.0)
model = nn.Sequential(nn.Linear(2, 8), *hidden, nn.ReLU(), nn.Linear(8, 2))
"""
_STEPS = """\


def loss(output, y):
    margin = (2 * y - 1) * (output[:, 1] - output[:, 0])
    return np.mean(np.sign(1 - margin))


"""
_BY_HAND = """\


def loss(output, y):
    e = np.exp(300 * output)
    return -np.mean(np.log((e / np.sum(e, axis=1, keepdims=True))[np.arange(len(y)), y] + 1e-30))


"""

# name: lines, what is wrong in them, what mends it, the finding
# fmt: off
_FOUND = {
    "unused": (
        _HEAD + _CLASSES + _NET + _ENTROPY + _DESCENT,
        "self.first(x).value", "self.first(x)", "parameter never used"),
    "unknown": (
        _HEAD + _CLASSES + _TANH + _ENTROPY + "optimizer = optim.SGD([model[2].bias], lr=0.3)\n",
        "[model[2].bias]", "model.parameters()", "parameters the optimizer does not know"),
    "frozen": (
        _HEAD + _CLASSES + _TANH + "model.requires_grad_(False)\nmodel[2].bias.requires_grad = True\n"
        + _ENTROPY + _DESCENT,
        "requires_grad_(False)", "requires_grad_(True)", "frozen parameters"),
    "vanishing": (
        _HEAD + _CLASSES + _DEEP + _ENTROPY + _DESCENT,
        "nn.Sigmoid()", "nn.Tanh()", "vanishing"),
    "exploding": (
        _HEAD + _CLASSES + _WILD + _ENTROPY + _DESCENT,
        "std=8.0", "std=0.5", "exploding"),
    "symmetric": (
        _HEAD + "y = (x[:, 0] * x[:, 1] > 0).astype(int)\n" + _TANH
        + "nn.init.constant_(model[0].weight, 0.3)\nnn.init.zeros_(model[0].bias)\n"
        "nn.init.constant_(model[2].weight, 0.3)\n"
        + _ENTROPY + _ADAM,
        "nn.init.constant_(model[0].weight, 0.3)", "nn.init.normal_(model[0].weight)",
        "symmetric initialisation"),
    "saturated": (
        _HEAD + _CLASSES + _TANH + "nn.init.normal_(model[0].weight, std=90.0)\n" + _ENTROPY + _DESCENT,
        "std=90.0", "std=0.5", "saturated units"),
    "flat": (
        _HEAD + _CLASSES + _TANH + _STEPS + _DESCENT,
        "np.sign(1 - margin)", "np.maximum(0, 1 - margin)", "the loss is locally constant"),
    "nan": (
        _HEAD + "x[3, 0] = np.nan\n" + _CLASSES + _TANH + _ENTROPY + _DESCENT,
        "= np.nan", "= 0.0", "numbers that are not finite in the data"),
    "targets": (
        _HEAD + _NUMBERS + "y = 5000 * y\nmodel = nn.Linear(2, 1)\nloss = nn.MSELoss()\n"
        "optimizer = optim.Adam(model.parameters(), lr=0.1)\n",
        "y = 5000 * y", "y = y / y.std()", "targets that are not scaled"),
    "one-class": (
        _HEAD + "y = np.zeros(64, int)\n" + _TANH + _ENTROPY + _DESCENT,
        "np.zeros(64, int)", "(x[:, 0] > x[:, 1]).astype(int)", "one class only"),
    "likelihood": (
        _HEAD + _CLASSES + _TANH + "loss = nn.NLLLoss()\n" + _DESCENT,
        "nn.NLLLoss()", "nn.CrossEntropyLoss()", "NLLLoss without log-softmax"),
    "sigmoid": (
        _HEAD + "y = (x[:, :1] > x[:, 1:]).astype(np.float32)\n"
        "model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())\n"
        "loss = nn.BCEWithLogitsLoss()\n" + _DESCENT,
        ", nn.Sigmoid())", ")", "sigmoid before BCEWithLogitsLoss"),
    "guessing": (
        _HEAD + _CLASSES + _TANH + "nn.init.normal_(model[2].weight, std=30.0)\n" + _ENTROPY + _DESCENT,
        "std=30.0", "std=0.3", "worse than guessing"),
    "linear": (
        _HEAD + "y = (x[:, 0] * x[:, 1] > 0).astype(int)\n"
        "model = nn.Sequential(nn.Linear(2, 8), nn.Identity(), nn.Linear(8, 2))\n" + _ENTROPY
        + _ADAM,
        "nn.Identity()", "nn.ReLU()", "layers in a row without an activation"),
    "slow": (
        _HEAD + _CLASSES + _TANH + _ENTROPY + "optimizer = optim.SGD(model.parameters(), lr=0.0001)\n",
        "lr=0.0001", "lr=0.3", "learning rate too low"),
    "overflow": (
        _HEAD + _CLASSES + _TANH + _BY_HAND + "optimizer = optim.SGD(model.parameters(), lr=0.002)\n",
        "np.exp(300 * output)", "np.exp(300 * (output - output.max(axis=1, keepdims=True)))",
        "a number that is not finite"),
}
# fmt: on
FOUND = {name: (lines + STEP, *rest) for name, (lines, *rest) in _FOUND.items()}
"""The lines of each, what is wrong in them, what mends it, and what the doctor calls it."""
