"""ONNX's recurrent operators, `RNN`, `GRU`, `LSTM`: sequences walked step by step, either way or both.

Their gates stand in an order of their own, their biases are two halves of one array, and sequences may end
before the longest does. Specified at https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.registry import ops
from clearprop.tensor import raw

Attributes = dict[str, Any]
xp: Any = np

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda x, alpha, beta: ops["sigmoid"](x),
    "tanh": lambda x, alpha, beta: xp.tanh(x),
    "relu": lambda x, alpha, beta: ops["relu"](x),
    "affine": lambda x, alpha, beta: (1.0 if alpha is None else alpha) * x + (beta or 0.0),
    "leakyrelu": lambda x, alpha, beta: F.leaky_relu(x, 0.01 if alpha is None else alpha),
    "hardsigmoid": lambda x, alpha, beta: xp.clip(
        (0.2 if alpha is None else alpha) * x + (0.5 if beta is None else beta), 0.0, 1.0
    ),
    "elu": lambda x, alpha, beta: F.elu(x, 1.0 if alpha is None else alpha),
    "softsign": lambda x, alpha, beta: F.softsign(x),
    "softplus": lambda x, alpha, beta: ops["softplus"](x),
}
"""The functions that gates may have."""
WITH_ALPHA = {"affine", "leakyrelu", "hardsigmoid", "elu"}
WITH_BETA = {"affine", "hardsigmoid"}
"""Those that take a number of the file's lists, each the next one; the others take none."""


class Direction(NamedTuple):
    """One direction: weights of the input and the state, their biases, peepholes, functions of the gates."""

    w: Any
    r: Any
    of_input: Any
    of_state: Any
    peepholes: Any
    functions: list[Callable[[Any], Any]]


Step = Callable[[Attributes, Direction, Any, "tuple[Any, ...]"], "tuple[Any, ...]"]


def _parts(x: Any, gates: int) -> list[Any]:
    """Cut the last axis into the gates' shares."""
    size = x.shape[-1] // gates
    return [x[..., k * size : (k + 1) * size] for k in range(gates)]


def _clipped(a: Attributes, x: Any) -> Any:
    limit = a.get("clip", 0.0)
    return xp.clip(x, -limit, limit) if limit else x


def _rnn(a: Attributes, d: Direction, x: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """h' = f(x W^T + b + h R^T + d)."""
    (h,) = state
    return (d.functions[0](_clipped(a, x @ d.w.T + d.of_input + h @ d.r.T + d.of_state)),)


def _gru(a: Attributes, d: Direction, x: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """z, r = f(...); h' = (1 - z) g(...) + z h, with r before or after the state's product."""
    (h,) = state
    f, g = d.functions
    xz, xr, xh = _parts(x @ d.w.T + d.of_input, 3)
    rz, rr, rh = (d.r[k * h.shape[-1] : (k + 1) * h.shape[-1]] for k in range(3))
    bz, br, bh = _parts(d.of_state, 3)
    z = f(_clipped(a, xz + h @ rz.T + bz))
    r = f(_clipped(a, xr + h @ rr.T + br))
    inner = r * (h @ rh.T + bh) if a.get("linear_before_reset") else (r * h) @ rh.T + bh
    new = g(_clipped(a, xh + inner))
    return ((1 - z) * new + z * h,)


def _lstm(a: Attributes, d: Direction, x: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """i, o, f from x, h and, by peepholes, c; c' = f c + i g(...); h' = o h(c')."""
    h, c = state
    f, g, out = d.functions
    xi, xo, xf, xc = _parts(x @ d.w.T + d.of_input + h @ d.r.T + d.of_state, 4)
    pi, po, pf = (0.0, 0.0, 0.0) if d.peepholes is None else _parts(d.peepholes, 3)
    i = f(_clipped(a, xi + pi * c if d.peepholes is not None else xi))
    forget = (
        1 - i if a.get("input_forget") else f(_clipped(a, xf + pf * c if d.peepholes is not None else xf))
    )
    c = forget * c + i * g(_clipped(a, xc))
    o = f(_clipped(a, xo + po * c if d.peepholes is not None else xo))
    return o * out(c), c


def _functions(a: Attributes, kind: str, default: tuple[str, ...], directions: int) -> list[Any]:
    """Return the functions of all directions; NotImplementedError for one that is not known."""
    names = [str(n if isinstance(n, str) else n.decode()).lower() for n in a.get("activations", ())]
    names = names or [n for _ in range(directions) for n in default]
    unknown = sorted({n for n in names if n not in FUNCTIONS})
    if unknown:
        hint = f"one of {', '.join(FUNCTIONS)}"
        raise NotImplementedError(lesson(f"{kind} of a file", "activations", ", ".join(unknown), hint=hint))
    alphas, betas = (iter(a.get(key, ())) for key in ("activation_alpha", "activation_beta"))

    def made(name: str) -> Callable[[Any], Any]:
        alpha = next(alphas, None) if name in WITH_ALPHA else None
        beta = next(betas, None) if name in WITH_BETA else None
        return lambda x: FUNCTIONS[name](x, alpha, beta)

    return [made(name) for name in names]


def recurrent(kind: str, step: Step, gates: int, states: int, default: tuple[str, ...]) -> Callable[..., Any]:
    """Return an operator: `(a, x, w, r, b, lengths, h, c, peepholes)` to all outputs and the last states."""

    def operator(
        a: Attributes, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, *rest: Any
    ) -> Any:
        beside = bool(a.get("layout"))
        x = xp.swapaxes(x, 0, 1) if beside else x
        (directions, rows, _), hidden = w.shape, r.shape[-1]
        begin = [rest[k] if k < len(rest) and rest[k] is not None else None for k in range(states)]
        peepholes = rest[2] if states == 2 and len(rest) > 2 else None
        functions = _functions(a, kind, default, directions)
        each = len(functions) // directions
        outs, lasts = [], []
        for k in range(directions):
            bias = np.zeros(2 * rows, x.dtype) if b is None else b[k]
            of = Direction(
                w[k], r[k], bias[:rows], bias[rows:],
                None if peepholes is None else peepholes[k], functions[k * each : (k + 1) * each],
            )  # fmt: skip
            zero = np.zeros((x.shape[1], hidden), x.dtype)
            first = tuple(zero if s is None else (s[:, k] if beside else s[k]) for s in begin)
            back = a.get("direction", "forward") == "reverse" or k == 1
            out, last = _walked(a, step, of, x, first, lengths, back)
            outs.append(out)
            lasts.append(last)
        y = xp.stack(outs, axis=1)  # (time, directions, batch, hidden)
        ends = [xp.stack([last[s] for last in lasts], axis=0) for s in range(states)]
        if beside:
            y, ends = xp.transpose(y, (2, 0, 1, 3)), [xp.swapaxes(e, 0, 1) for e in ends]
        return (y, *ends)

    return operator


def _walked(
    a: Attributes, step: Step, of: Direction, x: Any, state: tuple[Any, ...], lengths: Any, back: bool
) -> tuple[Any, tuple[Any, ...]]:
    """Walk a sequence; beyond its own end a sequence keeps its state, and its output is 0."""
    ends = None if lengths is None else np.asarray(raw(lengths))
    outs: list[Any] = [None] * x.shape[0]
    for t in range(x.shape[0])[:: -1 if back else 1]:
        new = step(a, of, x[t], state)
        if ends is None or (ends > t).all():
            state, outs[t] = new, new[0]
        else:
            inside = (ends > t)[:, None]
            state = tuple(xp.where(inside, n, s) for n, s in zip(new, state, strict=True))
            outs[t] = xp.where(inside, new[0], np.zeros((), x.dtype))
    if not outs:
        return np.zeros((0, *state[0].shape), x.dtype), state
    return xp.stack(outs, axis=0), state


RECURRENT: dict[str, Callable[..., Any]] = {
    "RNN": recurrent("RNN", _rnn, 1, 1, ("tanh",)),
    "GRU": recurrent("GRU", _gru, 3, 1, ("sigmoid", "tanh")),
    "LSTM": recurrent("LSTM", _lstm, 4, 2, ("sigmoid", "tanh", "tanh")),
}
