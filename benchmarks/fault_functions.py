"""Functions of a 3 x 4 array, of the kinds that models are made of, for `faults.py --functions`."""

from __future__ import annotations

import numpy as np

import clearprop as cp

rng = np.random.default_rng(5)
A, B, P = rng.normal(size=(4, 4)), rng.normal(size=(3, 4)), rng.uniform(0.2, 2.0, size=(3, 4))
LABELS = np.array([0, 2, 1])

FUNCTIONS = (
    lambda x: np.tanh(x @ A).sum(),
    lambda x: np.mean((x @ A - B) ** 2),
    lambda x: -cp.log_softmax(x @ A)[np.arange(3), LABELS].mean(),
    lambda x: cp.softmax((x @ x.T) / 2) @ x,
    lambda x: (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5),
    lambda x: np.linalg.norm(x, axis=1),
    lambda x: cp.logsumexp(x, axis=0),
    lambda x: np.prod(x, axis=1),
    lambda x: np.einsum("ij,kj->ik", x, B),
    lambda x: np.exp(-np.sum((x[:, None] - B[None]) ** 2, axis=-1)),
    lambda x: np.log1p(np.exp(x)).sum(axis=0),
    lambda x: np.abs(x) ** 1.5,
    lambda x: np.max(x, axis=0),
    lambda x: np.where(x > 0, x * x, np.sin(x)),
    lambda x: np.sqrt(1 + x * x) - 1,
    lambda x: x / (1 + np.abs(x)),
    lambda x: np.concatenate([x, x * 2], axis=1).T,
    lambda x: cp.sigmoid(x) * x,
    lambda x: x[LABELS] * B,
    lambda x: np.std(x, axis=0),
    lambda x: np.cos(x) * np.exp(x / 3),
    lambda x: (x @ A @ A.T @ x.T).sum(),
    lambda x: np.arctan2(x, P),
    lambda x: np.hypot(x, P),
    lambda x: np.maximum(x, B),
    lambda x: x**3 - 2 * x,
    lambda x: np.clip(x, -0.5, 0.5),
    lambda x: np.split(x, 2, axis=1)[0] * 3,
    lambda x: np.pad(x, 1),
    lambda x: cp.softplus(x @ A),
    lambda x: np.sinh(x),
    lambda x: 1e6 * np.tanh(x),
    lambda x: 1e-6 * np.tanh(x),
    lambda x: np.tanh(x) + 1e4,
    lambda x: np.sum(x) ** 2,
    lambda x: np.mean(x),
    lambda x: cp.relu(x @ A) @ A,
    lambda x: np.exp2(x),
    lambda x: np.cbrt(x + 5),
    lambda x: x.reshape(2, 6).T,
    lambda x: np.repeat(x, 2, axis=0),
    lambda x: np.flip(x) * P,
    lambda x: np.logaddexp(x, B),
    lambda x: np.min(x * x, axis=1),
    lambda x: np.tanh(np.tanh(np.tanh(x @ A) @ A) @ A),
    lambda x: np.outer(x[0], x[1]),
    lambda x: np.dot(x[0], x[1]),
    lambda x: x * x.sum(axis=0),
    lambda x: np.var(x),
    lambda x: np.log(P + x * x),
    lambda x: np.sin(10 * x),
    lambda x: np.expm1(x),
    lambda x: np.arcsinh(x * 3),
    lambda x: x @ np.ones(4),
    lambda x: cp.logsigmoid(x).mean(axis=1),
)
