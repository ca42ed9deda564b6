"""The networks of `nets.py` written out in JAX: parameters in a list, loops by `lax`, AdamW by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


class Parameters:
    """Parameters, drawn when a network is first run and handed out in that order afterwards."""

    def __init__(self, held: list[Any] | None = None) -> None:
        self.held, self.fixed, self.at = held or [], held is not None, 0
        self.draw = np.random.default_rng(0)

    def __call__(self, *shape: int, fan: int = 0, value: float | None = None) -> Any:
        if not self.fixed:
            drawn = (
                self.draw.uniform(-1, 1, shape) / np.sqrt(fan or 1)
                if value is None
                else np.full(shape, value)
            )
            self.held.append(jnp.asarray(drawn.astype(np.float32)))
        self.at += 1
        return self.held[self.at - 1]


def linear(p: Parameters, x: Any, inputs: int, outputs: int, bias: bool = True) -> Any:
    z = x @ p(inputs, outputs, fan=inputs)
    return z + p(outputs, fan=inputs) if bias else z


def conv(p: Parameters, x: Any, i: int, o: int, k: int, pad: int, step: int = 1, bias: bool = True) -> Any:
    w = p(k, k, i, o, fan=i * k * k)
    names = ("NHWC", "HWIO", "NHWC")
    z = lax.conv_general_dilated(x, w, (step, step), ((pad, pad),) * 2, dimension_numbers=names)
    return z + p(o, fan=i * k * k) if bias else z


def pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def norm(p: Parameters, x: Any, n: int, axes: Any) -> Any:
    centred = x - x.mean(axes, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(axes, keepdims=True) + 1e-5) * p(n, value=1.0) + p(
        n, value=0.0
    )


def lenet(p: Parameters, x: Any) -> Any:
    x = pool(jax.nn.relu(conv(p, x.transpose(0, 2, 3, 1), 1, 6, 5, 2)))
    x = pool(jax.nn.relu(conv(p, x, 6, 16, 5, 0))).reshape(len(x), -1)
    return linear(p, jax.nn.relu(linear(p, jax.nn.relu(linear(p, x, 400, 120)), 120, 84)), 84, 10)


def digits(p: Parameters, x: Any) -> Any:
    x = jax.nn.relu(conv(p, x.transpose(0, 2, 3, 1), 1, 16, 3, 1))
    return linear(p, pool(jax.nn.relu(conv(p, x, 16, 32, 3, 1))).reshape(len(x), -1), 512, 10)


def convolution(p: Parameters, x: Any) -> Any:
    return conv(p, x.transpose(0, 2, 3, 1), 64, 64, 3, 1).mean((1, 2))


def resnet(p: Parameters, x: Any) -> Any:
    x = conv(p, x.transpose(0, 2, 3, 1), 3, 16, 3, 1)
    for i, o, step in ((16, 16, 1), (16, 32, 2), (32, 64, 2)):
        z = jax.nn.relu(norm(p, conv(p, x, i, o, 3, 1, step, False), o, (0, 1, 2)))
        z = norm(p, conv(p, z, o, o, 3, 1, 1, False), o, (0, 1, 2))
        x = jax.nn.relu(z + (conv(p, x, i, o, 1, 0, step) if step > 1 else x))
    return linear(p, x.mean((1, 2)), 64, 10)


def recurrent(kind: str, gates: int) -> Callable[[Parameters, Any], Any]:
    def net(p: Parameters, x: Any) -> Any:
        z, u = linear(p, x, 128, gates * 128), p(128, gates * 128, fan=128)
        d = p(gates * 128, fan=128) if kind != "own" else 0.0

        def turn(state: Any, z: Any) -> Any:
            h, c = state
            return CELLS[kind](h, c, z, h @ u + d), None

        zeros = jnp.zeros((x.shape[1], 128), np.float32)
        (h, _), _ = lax.scan(turn, (zeros, zeros), z)
        return linear(p, h, 128, 10)

    return net


def lstm(h: Any, c: Any, x: Any, z: Any) -> Any:
    i, f, g, o = jnp.split(x + z, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def gru(h: Any, c: Any, x: Any, z: Any) -> Any:
    (r, u, n), (reset, kept, new) = jnp.split(x, 3, axis=1), jnp.split(z, 3, axis=1)
    n = jnp.tanh(n + jax.nn.sigmoid(r + reset) * new)
    return n + jax.nn.sigmoid(u + kept) * (h - n), c


def own(h: Any, c: Any, x: Any, z: Any) -> Any:
    gate, candidate = jnp.split(x + z, 2, axis=1)
    gate = jax.nn.sigmoid(gate)
    return gate * h + (1 - gate) * jnp.tanh(candidate), c


CELLS = {"LSTM": lstm, "GRU": gru, "RNN": lambda h, c, x, z: (jnp.tanh(x + z), c), "own": own}


def transformer(
    depth: int, size: int, length: int, inputs: int, words: bool
) -> Callable[[Parameters, Any], Any]:
    heads = max(1, size // 64)

    def net(p: Parameters, x: Any) -> Any:
        x = p(inputs, size, fan=1)[x] if words else linear(p, x, inputs, size)
        x = x + p(length, size, fan=1)
        for _ in range(depth):
            z = linear(p, norm(p, x, size, -1), size, 3 * size)
            q, k, v = (y.reshape(*x.shape[:2], heads, -1) for y in jnp.split(z, 3, axis=-1))
            z = jax.nn.dot_product_attention(q, k, v, is_causal=words).reshape(x.shape)
            x = x + linear(p, z, size, size)
            z = jax.nn.gelu(linear(p, norm(p, x, size, -1), size, 4 * size), approximate=False)
            x = x + linear(p, z, 4 * size, size)
        x = norm(p, x, size, -1)
        return linear(p, x, size, inputs).reshape(-1, inputs) if words else linear(p, x.mean(1), size, 10)

    return net


NETS: dict[str, Callable[[Parameters, Any], Any]] = {
    "LeNet": lenet,
    "digits": digits,
    "ResNet-8": resnet,
    "conv": convolution,
    "LSTM": recurrent("LSTM", 4),
    "GRU": recurrent("GRU", 3),
    "RNN": recurrent("RNN", 1),
    "own": recurrent("own", 2),
    "GPT 2x128": transformer(2, 128, 64, 65, True),
    "GPT 4x256": transformer(4, 256, 256, 65, True),
    "ViT-tiny": transformer(6, 192, 64, 48, False),
}


def stepper(name: str, x: Any, y: Any) -> Callable[[], Any]:
    """Return the training step of a network, with AdamW (decay 0.01), compiled by `jax.jit`."""
    net = next((net for start, net in NETS.items() if name.startswith(start)), None)
    if net is None:
        raise SystemExit(f"{name} is not written out in JAX")
    x, y = jnp.asarray(x), jnp.asarray(y)
    first = Parameters()
    net(first, x)
    zeros = [jnp.zeros_like(w) for w in first.held]

    def loss(weights: Any) -> Any:
        scores = jax.nn.log_softmax(net(Parameters(weights), x))
        return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()

    @jax.jit
    def step(weights: Any, m: Any, v: Any, t: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(weights)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, gradients, strict=True)]
        size = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        new = [
            w * (1 - 1e-5) - size * a / (jnp.sqrt(b) + 1e-8) for w, a, b in zip(weights, m, v, strict=True)
        ]
        return value, new, m, v

    state = [first.held, zeros, list(zeros), 1.0]

    def run() -> Any:
        value, *state[:3] = step(*state)
        state[3] += 1.0
        return value.block_until_ready()

    return run
