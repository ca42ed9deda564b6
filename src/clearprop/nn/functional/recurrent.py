"""One step of a recurrent network: what becomes of the state when the next input comes."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.nn.functional.layer import linear
from clearprop.registry import ops

State = tuple[Any, ...]


def rnn_step(x: Any, state: State, w: Any, u: Any, b: Any = None, d: Any = None, f: Any = np.tanh) -> State:
    """Return (h',), h' = f(x W^T + b + h U^T + d), f tanh or relu (Elman, "Finding structure in time", 1990).

    >>> one = np.ones((1, 1))
    >>> rnn_step(np.zeros((1, 1)), (one,), one, 0 * one)[0]
    array([[0.]])
    """
    (h,) = state
    return (f(linear(x, w, b) + linear(h, u, d)),)


def lstm_step(
    x: Any, state: State, w: Any, u: Any, b: Any = None, d: Any = None, projection: Any = None
) -> State:
    """Return (h', c'), c' = s(f) c + s(i) tanh(g), h' = s(o) tanh(c').

    i, f, g, o are the parts of x W^T + b + h U^T + d, s the sigmoid; with a `projection` P h' is multiplied
    by P^T. Sources: Hochreiter and Schmidhuber, "Long short-term memory", 1997; Gers et al., "Learning to
    forget", 2000.

    >>> h, c = lstm_step(np.zeros((1, 1)), (np.zeros((1, 1)), np.ones((1, 1))), *np.zeros((2, 4, 1)))
    >>> c
    array([[0.5]])
    """
    h, c = state
    size = c.shape[-1]
    z = linear(x, w, b) + linear(h, u, d)
    sigmoid = ops["sigmoid"]
    i, f, g, o = (z[..., k * size : (k + 1) * size] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h if projection is None else linear(h, projection)), c


def gru_step(x: Any, state: State, w: Any, u: Any, b: Any = None, d: Any = None) -> State:
    """Return (h',), h' = (1 - z) n + z h, z = s(x_z + h_z), n = tanh(x_n + s(x_r + h_r) h_n).

    The parts r, z, n are those of x W^T + b and of h U^T + d, s is the sigmoid. Source: Cho et al., "Learning
    phrase representations", 2014, with the reset gate after the product.

    >>> zero = np.zeros((1, 1))
    >>> gru_step(zero, (np.ones((1, 1)),), *np.zeros((2, 3, 1)))[0]
    array([[0.5]])
    """
    (h,) = state
    size = h.shape[-1]
    a, e = linear(x, w, b), linear(h, u, d)
    gates = ops["sigmoid"](a[..., : 2 * size] + e[..., : 2 * size])
    r, z = gates[..., :size], gates[..., size:]
    n = np.tanh(a[..., 2 * size :] + r * e[..., 2 * size :])
    return (n + z * (h - n),)
