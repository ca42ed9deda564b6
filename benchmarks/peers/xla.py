"""JAX: the whole step under jit, with donated buffers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from peers.rows import RATE, Contender, Row


def build(row: Row, how: str) -> Contender:
    """Return the step and its batches."""
    rng = np.random.default_rng(1)
    params = []
    for a, b in zip(row.sizes, row.sizes[1:], strict=False):
        bound = 1 / np.sqrt(a)
        params.append((rng.uniform(-bound, bound, (a, b)), rng.uniform(-bound, bound, b)))
    params = jax.tree.map(lambda p: jnp.asarray(p, jnp.float32), params)
    data = [(jnp.asarray(x), jnp.asarray(y)) for x, y in row.data()]
    activation = jnp.tanh if row.activation == "tanh" else jax.nn.relu

    def forward(params: Any, x: Any, key: Any = None) -> Any:
        for i, (w, b) in enumerate(params[:-1]):
            x = activation(x @ w + b)
            if row.dropout:
                keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - row.dropout, x.shape)
                x = jnp.where(keep, x / (1 - row.dropout), 0)
        w, b = params[-1]
        return x @ w + b

    def loss_of(params: Any, x: Any, y: Any, t: Any) -> Any:
        z = forward(params, x, jax.random.fold_in(jax.random.key(0), t.astype(jnp.int32)))
        if row.loss == "mse":
            return jnp.mean((z - y) ** 2)
        if row.loss == "logistic":
            return jnp.mean(jnp.logaddexp(z, 0) - y * z)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1))

    if not row.training:
        predict = jax.jit(forward)
        return lambda x: predict(params, x).block_until_ready(), [(x,) for x, _ in data]
    zeros = jax.tree.map(jnp.zeros_like, params)
    held = [params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.float32)]

    def sgd(params: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(params, x, y, t)
        return jax.tree.map(lambda p, d: p - RATE * d, params, g), m, v, t + 1 if row.dropout else t, loss

    def adam(params: Any, m: Any, v: Any, t: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(params, x, y, t)
        t = t + 1
        m = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, m, g)
        v = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, v, g)
        rate, root = RATE / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root + 1e-8), params, m, v)
        return params, m, v, t, loss

    jitted = jax.jit(adam if row.optimizer == "adam" else sgd, donate_argnums=(0, 1, 2, 3))

    def step(x: Any, y: Any) -> Any:
        *held[:], loss = jitted(*held, x, y)
        return loss.block_until_ready()

    return step, data
