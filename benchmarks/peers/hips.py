"""HIPS autograd with Adam written in NumPy."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from peers.rows import RATE, Contender, Row


def build(row: Row, how: str) -> Contender:
    """Return the step and its batches."""
    rng = np.random.default_rng(1)
    params: list[Any] = []
    for a, b in zip(row.sizes, row.sizes[1:], strict=False):
        bound = 1 / np.sqrt(a)
        params += [rng.uniform(-bound, bound, s).astype(np.float32) for s in ((a, b), (b,))]

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        for i in range(0, len(params), 2):
            x = anp.dot(x, params[i]) + params[i + 1]
            if i < len(params) - 2:
                x = anp.maximum(x, 0)
        if row.loss == "mse":
            return anp.mean((x - y) ** 2)
        if row.loss == "logistic":
            return anp.mean(anp.logaddexp(x, 0) - y * x)
        shifted = x - anp.max(x, axis=1, keepdims=True)
        logs = shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))
        return -anp.mean(logs[np.arange(len(y)), y])

    gradient = value_and_grad(loss_of)
    m, v = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    count = [0]

    def step(x: Any, y: Any) -> Any:
        loss, grads = gradient(params, x, y)
        count[0] += 1
        rate, root = RATE / (1 - 0.9 ** count[0]), np.float32(np.sqrt(1 - 0.999 ** count[0]))
        for j, g in enumerate(grads):
            if row.optimizer == "sgd":
                params[j] -= np.float32(RATE) * g
                continue
            m[j] += np.float32(0.1) * (g - m[j])
            v[j] += np.float32(0.001) * (g * g - v[j])
            params[j] -= np.float32(rate) * m[j] / (np.sqrt(v[j]) / root + np.float32(1e-8))
        return loss

    return step, row.data()
