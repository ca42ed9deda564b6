"""Attention: each query's mean of the values, weighted by how well its key answers it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.modes import mode
from clearprop.nn.functional.dropout import dropout, probability
from clearprop.nn.functional.layer import arrayed
from clearprop.op import describe
from clearprop.ops.packed import BLOCK
from clearprop.ops.random import drawn_state
from clearprop.ops.softmax import shares
from clearprop.registry import ops
from clearprop.tensor import Tensor

WHOLE = BLOCK  # up to so many scores an array of them is made: fused with its neighbours it is faster


@takes_truths
def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(scale q k^T + mask) v for q (..., L, E), k (..., S, E), v (..., S, D): (..., L, D).

    `scale` is 1 / sqrt(E) for None. A boolean `attn_mask` (..., L, S) says who may be looked at, another one
    is added; with `is_causal` row i looks at places up to i. A row that may look at nothing gives 0 and
    passes no gradient. With `enable_gqa` each head of k and v (third axis from the end) serves several of
    q's. Beyond 512 x 512 scores they are computed by blocks of queries, and again on the way back, so that no
    array (L, S) is made; second derivatives make it, and so does a mask that needs a gradient. Source:
    Vaswani et al., "Attention is all you need", 2017. Raises ValueError for shapes that do not fit.

    >>> q = np.array([[1.0, 0.0]])
    >>> scaled_dot_product_attention(q, np.zeros((3, 2)), np.array([[1.0], [2.0], [6.0]]))
    array([[3.]])
    """
    query, key, value = arrayed(query), arrayed(key), arrayed(value)
    _checked(query, key, attn_mask, is_causal)
    probability("dropout", dropout_p)
    alike = (
        query.dtype == key.dtype == value.dtype
        and query.dtype.kind == "f"
        and value.shape[-2:-1] == key.shape[-2:-1]
    )
    whole = mode.observer is not None and mode.observer.whole
    if alike and query.shape[-2] * key.shape[-2] > WHOLE and not whole:
        mask = np.array(True) if attn_mask is None else arrayed(attn_mask)
        if not (isinstance(mask, Tensor) and mask.requires_grad):
            factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
            key, value = (_for_heads(x, query, enable_gqa) for x in (key, value))
            return _in_blocks(query, key, value, mask, factor, is_causal, dropout_p)
    weights = attention_weights(query, key, attn_mask, is_causal, scale, enable_gqa)
    if len(value.shape) < 2 or value.shape[-2] != weights.shape[-1]:
        wanted = f"wants {weights.shape[-1]} values, one for each key"
        raise ValueError(lesson("scaled_dot_product_attention(q, k, v)", wanted, describe(value)))
    found = dropout(weights, dropout_p) @ _for_heads(value, weights, enable_gqa)
    noted(found, (query, key, value, attn_mask), dropout_p, is_causal, scale)
    return found


def noted(
    found: Any, given: tuple[Any, ...], p: float, causal: bool = False, scale: float | None = None
) -> None:
    """Tell who looks on that `found` is the attention of (queries, keys, values, mask or None)."""
    if mode.observer is not None and not p:
        *arrays, mask = given
        shown = (*arrays, None if mask is None else arrayed(mask))
        factor = 1 / math.sqrt(arrays[0].shape[-1]) if scale is None else scale
        mode.observer.attended(shown, factor, causal, found)


def _in_blocks(query: Any, key: Any, value: Any, mask: Any, scale: float, causal: bool, p: float) -> Any:
    """Return the attention as one op, for arrays of one batch."""
    batch = np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    arrays = [
        x if x.shape[:-2] == batch else np.broadcast_to(x, (*batch, *x.shape[-2:]))
        for x in (query, key, value)
    ]
    state = drawn_state() if p else np.zeros(2, np.uint64)
    return ops["attention"](*arrays, mask, state, scale=scale, causal=bool(causal), p=p)


@takes_truths
def attention_weights(
    query: Any,
    key: Any,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(scale q k^T + mask): how much each query looks at each key.

    >>> attention_weights(np.ones((2, 4)), np.ones((2, 4)), is_causal=True)
    array([[1. , 0. ],
           [0.5, 0.5]])
    """
    query, key = arrayed(query), arrayed(key)
    _checked(query, key, attn_mask, is_causal)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * factor) @ np.swapaxes(_for_heads(key, query, enable_gqa), -1, -2)
    if is_causal:
        places = [np.arange(n) for n in scores.shape[-2:]]
        scores = np.where(places[0][:, None] >= places[1], scores, -np.inf)
    if attn_mask is None:
        return ops["softmax"](scores, axis=-1)
    mask = arrayed(attn_mask)
    if mask.dtype.kind == "b":
        scores = np.where(mask, scores, -np.inf)
    else:
        scores = scores + (mask if mask.dtype == scores.dtype else mask.astype(scores.dtype))
    return shares(scores, -1)


def _checked(query: Any, key: Any, attn_mask: Any, is_causal: bool) -> None:
    """Complain about queries and keys that do not fit, and about two masks."""
    called = "scaled_dot_product_attention(q, k, v)"
    if len(query.shape) < 2 or len(key.shape) < 2 or query.shape[-1] != key.shape[-1]:
        wanted = "wants queries and keys of one size, (..., L, E) and (..., S, E)"
        raise ValueError(lesson(called, wanted, f"q is {describe(query)}, k is {describe(key)}"))
    scores = (query.shape[-2], key.shape[-2])
    seen = () if attn_mask is None else tuple(np.shape(attn_mask))[-2:]
    if any(n not in (1, wanted) for n, wanted in zip(seen[::-1], scores[::-1], strict=False)):
        raise ValueError(lesson(called, f"wants a mask (..., {scores[0]}, {scores[1]})", f"{seen}"))
    if is_causal and attn_mask is not None:
        hint = "attn_mask & np.tri(L, S, dtype=bool)"
        raise ValueError(lesson(called, "takes one mask", "is_causal and attn_mask", hint=hint))


def _for_heads(x: Any, like: Any, grouped: bool) -> Any:
    """Return keys or values with one head for each of the queries'."""
    if not grouped or len(x.shape) < 3 or x.shape[-3] == like.shape[-3]:
        return x
    times, rest = divmod(like.shape[-3], x.shape[-3])
    if rest:
        wanted = f"wants a divisor of the {like.shape[-3]} heads of q"
        called = "scaled_dot_product_attention(enable_gqa=True)"
        raise ValueError(lesson(called, wanted, f"{x.shape[-3]} heads"))
    return np.repeat(x, times, axis=-3)


def rotary(x: Any, positions: Any = None, base: float = 10000.0) -> Any:
    """Return x (..., L, E) with each pair (x[i], x[i + E/2]) turned by the angle position * base^(-2 i / E).

    Products of queries and keys turned so depend on the distance of their positions alone. `positions` are
    0, 1, ... for None. Source: Su et al., "RoFormer", 2021, with the pairs half a row apart. Raises
    ValueError for an odd E.

    >>> rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(4)
    array([[1.    , 0.    ],
           [0.5403, 0.8415]])
    """
    x = arrayed(x)
    length, size = x.shape[-2:]
    if size % 2:
        raise ValueError(lesson("rotary(x)", "wants an even last axis", describe(x)))
    places = np.arange(length) if positions is None else arrayed(positions)
    angles = places[..., None] * base ** (-np.arange(0, size, 2) / size)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    a, b = x[..., : size // 2], x[..., size // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def sinusoidal(length: int, size: int, base: float = 10000.0) -> Any:
    """Return (length, size): sin(p w) and cos(p w) in turn for position p, w = base^(-2 i / size).

    Source: Vaswani et al., "Attention is all you need", 2017.

    >>> sinusoidal(2, 2).round(4)
    array([[0.    , 1.    ],
           [0.8415, 0.5403]], dtype=float32)
    """
    angles = np.arange(length)[:, None] * base ** (-2 * (np.arange(size) // 2) / size)
    return np.where(np.arange(size) % 2 == 0, np.sin(angles), np.cos(angles)).astype(np.float32)
