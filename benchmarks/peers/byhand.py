"""NumPy by hand: the step as somebody writes it who wants NumPy's own speed, to see how far it reaches.

Every array is made beforehand, everything is written in place, and all parameters lie side by side in one
array that begins on a cache line, so that the optimizer's update is a dozen calls for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from peers.rows import RATE, Contender, Row


def aligned(*shape: int) -> Any:
    """Return a float32 array that begins on a page."""
    size = int(np.prod(shape)) * 4
    space = np.zeros(size + 4096, np.uint8)
    skip = -space.ctypes.data % 4096
    return space[skip : skip + size].view(np.float32).reshape(shape)


class Layer:
    """A linear layer whose parameters and gradients are parts of common arrays."""

    def __init__(self, a: int, b: int, batch: int, parameters: Any, gradients: Any) -> None:
        self.w, self.b = parameters[: a * b].reshape(b, a), parameters[a * b :]
        self.dw, self.db = gradients[: a * b].reshape(b, a), gradients[a * b :]
        self.z, self.out, self.back = (aligned(batch, b) for _ in range(3))
        self.mask = np.zeros((batch, b), bool)
        bound = 1 / np.sqrt(a)
        parameters[:] = np.random.default_rng(1).uniform(-bound, bound, parameters.size)

    def forward(self, x: Any, last: bool) -> Any:
        """Return the activations, of the last layer what comes before them."""
        self.x = x
        np.matmul(x, self.w.T, out=self.z)
        np.add(self.z, self.b, out=self.z)
        return self.z if last else np.maximum(self.z, np.float32(0), out=self.out)

    def backward(self, d: Any, before: Layer | None) -> Any:
        """Fill the gradients; return that of the layer before."""
        np.matmul(d.T, self.x, out=self.dw)
        np.add.reduce(d, 0, out=self.db)
        if before is None:
            return None
        np.matmul(d, self.w, out=before.back)
        np.greater(before.z, np.float32(0), out=before.mask)
        return np.multiply(before.back, before.mask, out=before.back)


class Adam:
    """Adam and plain gradient descent on one array."""

    def __init__(self, parameters: Any, gradients: Any) -> None:
        self.p, self.g = parameters, gradients
        self.m, self.v, self.t = (aligned(parameters.size) for _ in range(3))
        self.count = 0

    def descend(self) -> None:
        """Take a step along the gradient."""
        np.multiply(self.g, np.float32(RATE), out=self.t)
        np.subtract(self.p, self.t, out=self.p)

    def step(self) -> None:
        """Take a step of Adam."""
        p, g, m, v, t = self.p, self.g, self.m, self.v, self.t
        self.count += 1
        root = np.sqrt(1 - 0.999**self.count)
        rate, eps = np.float32(RATE * root / (1 - 0.9**self.count)), np.float32(1e-8 * root)
        np.subtract(g, m, out=t)
        np.multiply(t, np.float32(0.1), out=t)
        np.add(m, t, out=m)
        np.multiply(g, g, out=t)
        np.multiply(t, np.float32(0.001), out=t)
        np.multiply(v, np.float32(0.999), out=v)
        np.add(v, t, out=v)
        np.sqrt(v, out=t)
        np.add(t, eps, out=t)
        np.divide(m, t, out=t)
        np.multiply(t, rate, out=t)
        np.subtract(p, t, out=p)


def build(row: Row, how: str) -> Contender:
    """Return the step and its batches."""
    sizes = [(a + 1) * b for a, b in zip(row.sizes, row.sizes[1:], strict=False)]
    parameters, gradients = aligned(sum(sizes)), aligned(sum(sizes))
    ends = np.cumsum([0, *sizes])
    layers = [
        Layer(a, b, row.batch, parameters[i:j], gradients[i:j])
        for a, b, i, j in zip(row.sizes, row.sizes[1:], ends, ends[1:], strict=False)
    ]
    update = Adam(parameters, gradients)
    top, places = layers[-1].back, np.arange(row.batch)
    few, one = aligned(row.batch, 1), np.float32(1 / top.size)

    def squares(z: Any, y: Any) -> Any:
        np.subtract(z, y, out=top)
        loss = np.vdot(top, top) * one
        np.multiply(top, 2 * one, out=top)
        return loss

    def logistic(z: Any, y: Any) -> Any:
        loss = (np.logaddexp(z, np.float32(0)) - y * z).mean()
        np.negative(z, out=top)
        np.exp(top, out=top)
        np.add(top, np.float32(1), out=top)
        np.reciprocal(top, out=top)
        np.subtract(top, y, out=top)
        np.multiply(top, one, out=top)
        return loss

    def classes(z: Any, y: Any) -> Any:
        np.maximum.reduce(z, 1, keepdims=True, out=few)
        np.subtract(z, few, out=z)
        np.exp(z, out=top)
        np.add.reduce(top, 1, keepdims=True, out=few)
        loss = (np.log(few)[:, 0] - z[places, y]).mean()
        np.divide(top, few, out=top)
        top[places, y] -= 1
        np.multiply(top, np.float32(1 / row.batch), out=top)
        return loss

    loss_of = {"mse": squares, "logistic": logistic, "classes": classes}[row.loss]

    def step(x: Any, y: Any) -> Any:
        z = x
        for layer in layers:
            z = layer.forward(z, layer is layers[-1])
        loss, d = loss_of(z, y), top
        for i in range(len(layers) - 1, -1, -1):
            d = layers[i].backward(d, layers[i - 1] if i else None)
        if row.optimizer == "sgd":
            update.descend()
        else:
            update.step()
        return loss

    return step, row.data()
