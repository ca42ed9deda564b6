"""Attention both ways: ONNX's operator as a function, and our attentions as that operator (since opset 23).

Specified at https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from clearprop.interop.onnx.sequence_layers import UsersById, between
from clearprop.registry import ops
from clearprop.tensor import Tensor, raw

Attributes = dict[str, Any]
xp: Any = np
SINCE = 23


# --- read ---------------------------------------------------------------------------------------------------
def attention(a: Attributes, q: Any, k: Any, v: Any, *rest: Any) -> Any:
    """softmax(scale q k^T + what the masks add) v, the keys and values so far, and the scores as asked."""
    mask, past_k, past_v, counts = [*rest, None, None, None, None][:4]
    flat = q.ndim == 3
    if flat:
        q, k, v = (_heads(x, a[n]) for x, n in ((q, "q_num_heads"), (k, "kv_num_heads"), (v, "kv_num_heads")))
    if past_k is not None:
        k, v = xp.concatenate([past_k, k], axis=2), xp.concatenate([past_v, v], axis=2)
    present = k, v
    k, v = (x if x.shape[1] == q.shape[1] else xp.repeat(x, q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scale = a.get("scale") or 1 / np.sqrt(q.shape[-1])
    root = q.dtype.type(np.sqrt(scale))
    scores = products = (q * root) @ (xp.swapaxes(k, -1, -2) * root)
    cap = a.get("softcap", 0.0)
    capped = cap * xp.tanh(scores / cap) if cap else scores
    biased = capped + _bias(a, q, k, mask, past_k, counts)
    exact = biased.astype(a["dtype"](a["softmax_precision"])) if "softmax_precision" in a else biased
    weights = _softmax(exact).astype(q.dtype)
    z = weights @ v
    if flat:
        z = xp.reshape(xp.swapaxes(z, 1, 2), (z.shape[0], z.shape[2], -1))
    shown = (products, capped, biased, weights)[a.get("qk_matmul_output_mode", 0)]
    return (z, *present, shown.astype(q.dtype))[: a["outputs"]] if a["outputs"] > 1 else z


def _heads(x: Any, count: int) -> Any:
    n, length, size = x.shape
    return xp.swapaxes(xp.reshape(x, (n, length, count, size // count)), 1, 2)


def _softmax(scores: Any) -> Any:
    """Shares of each row; a row of which nothing is allowed has none."""
    allowed = np.asarray(raw(scores)) > -np.inf
    some = allowed.any(axis=-1, keepdims=True)
    return xp.where(some, ops["softmax"](xp.where(some, scores, 0), axis=-1), np.zeros((), scores.dtype))


def _bias(a: Attributes, q: Any, k: Any, mask: Any, past: Any, counts: Any) -> Any:
    """What is added to the scores: the mask, and minus infinity where nobody may look."""
    rows, places = np.arange(q.shape[2])[:, None], np.arange(k.shape[2])
    counts = None if counts is None else number(counts).reshape(-1, 1, 1, 1)
    first = past.shape[2] if past is not None else 0 if counts is None else counts - q.shape[2]
    ahead = places - (rows + first)  # how far a key is beyond its query
    allowed = np.ones(np.shape(ahead), bool)
    if a.get("is_causal"):
        allowed &= ahead <= 0
    left, right = a.get("left_window_size", -1), a.get("right_window_size", -1)
    allowed &= (left < 0) | (-ahead <= left)
    allowed &= (right < 0) | (ahead <= right)
    allowed = allowed if counts is None else allowed & (places < counts)
    bias: Any = np.where(allowed, 0, -np.inf).astype(q.dtype)
    if mask is None:
        return bias
    given = xp.where(mask, 0, -np.inf).astype(q.dtype) if mask.dtype.kind == "b" else mask
    short = k.shape[2] - mask.shape[-1]
    widths = [(0, 0)] * (mask.ndim - 1) + [(0, short)]
    return bias + (xp.pad(given, widths, constant_values=-np.inf) if short > 0 else given)


def number(x: Any) -> Any:
    """Return the array in a Tensor whose numbers decide what is computed."""
    return np.asarray(raw(x))


# --- written ------------------------------------------------------------------------------------------------
class Attended(NamedTuple):
    """A call of our attention: queries, keys, values and mask, how it was called, and its result."""

    given: tuple[Any, Any, Any, Any]
    scale: float
    causal: bool
    result: Any


@dataclass
class AttentionCall:
    """An attention that is one operator, and the nodes that this stands for."""

    call: Attended
    results: list[Any]
    hidden: list[Tensor]

    def write(self, g: Any, name: Callable[[Any], str], owners: dict[int, str]) -> dict[int, str]:
        """Write the operator, for arrays of four axes; return the name of its result by its identity."""
        q, k, v, mask = self.call.given
        missing = list(range(4 - q.ndim))
        names = [name(x) for x in (q, k, v)]
        names = [g.node("Unsqueeze", n, g.whole(missing)) for n in names] if missing else names
        if mask is not None:
            own = g.cast(name(mask), np.dtype(bool) if mask.dtype.kind == "b" else q.dtype)
            ends = [g.node("Shape", x, start=2, end=3) for x in names[:2]]
            names.append(g.node("Expand", own, g.node("Concat", *ends, axis=0)))
        how = {"scale": self.call.scale, "is_causal": int(self.call.causal)}
        z = g.node("Attention", *names, **how)
        return {id(self.call.result): g.node("Squeeze", z, g.whole(missing)) if missing else z}


def attention_calls(
    mine: list[Attended], theirs: list[Attended], users: UsersById, opset: int
) -> list[AttentionCall]:
    """Return the calls that are one operator, in both recordings: only their results are seen outside."""
    found = []
    for call, twin in zip(mine, theirs, strict=False) if opset >= SINCE else ():
        hidden = between([call.result], [x for x in call.given if x is not None], users)
        if hidden is not None and _fits(call) and _fits(twin):
            found.append(AttentionCall(call, [call.result], hidden))
    return found


def _fits(call: Attended) -> bool:
    """Whether the operator takes these arrays: one batch, heads that are served evenly, a mask within."""
    q, k, v, mask = call.given
    if not (q.ndim == k.ndim == v.ndim <= 4) or q.shape[:-3] != k.shape[:-3] or k.shape[:-1] != v.shape[:-1]:
        return False
    if len({x.dtype for x in (q, k, v, call.result)}) > 1 or q.dtype.kind != "f":
        return False
    within = mask is None or mask.ndim <= call.result.ndim
    whole = call.result.shape[:-2] == q.shape[:-2]  # the mask makes it no larger
    return bool(within and whole and (q.ndim < 3 or q.shape[-3] % k.shape[-3] == 0))
