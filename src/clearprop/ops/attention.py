"""Attention by blocks of queries: no array of queries by keys is ever whole, forward or backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.ops.packed import BLOCK, Latest, parts, wide

_Q, _K, _V = (  # numpy.random would be most of what importing clearprop costs
    1.5 * np.sin(np.arange(2.0 * n * m) * (n + 1.7)).reshape((2, n, m)) for n, m in ((3, 2), (4, 2), (4, 3))
)
_MASK = np.array([[True, False, True, True], [False] * 4, [True] * 4])  # the second may look at nothing
_ALL, _STATE = np.array(True), np.array([7, 0], np.uint64)
_EXAMPLES = (
    ((_Q[:1], _K[:1], _V[:1], _ALL, _STATE), {"scale": 0.7}),
    ((_Q[1:], _K[1:], _V[1:], _MASK, _STATE), {"scale": 0.5}),
    ((_Q, _K, _V, _MASK, _STATE), {"scale": 0.5, "causal": True, "p": 0.4}),
)


def _blocks(q: Any, k: Any, mask: Any, state: Any, scale: float, causal: bool, p: float) -> Iterator[Any]:
    """Give for each block: which entry of the batch, which queries, which keys, softmax, what dropout keeps.

    Each row has all of its keys, so its softmax is the plain one. A causal block ends at its last query's
    key. What dropout keeps is a function of the state and of the block alone: the way back draws it again.
    """
    length, keys = q.shape[-2], k.shape[-2]
    rows = max(1, BLOCK // max(keys, 1))
    batch = q.shape[:-2]
    seen = np.broadcast_to(mask, (*batch, length, keys)) if mask.ndim else None
    for b, entry in enumerate(np.ndindex(*batch)):
        for first in range(0, length, rows):
            at = slice(first, min(first + rows, length))
            to = slice(0, min(at.stop, keys) if causal else keys)
            shares = _softmax(
                q[entry][at],
                k[entry][to],
                None if seen is None else seen[entry][at, to],
                scale,
                causal * (first + 1),
            )
            kept = None
            if p:
                counter = np.array([0, state[1], b + 1, first], np.uint64)
                draw = np.random.Generator(
                    np.random.Philox(key=np.array([state[0], 1], np.uint64), counter=counter)
                )
                kept = (
                    (draw.random(shares.shape, np.float32) >= p) / shares.dtype.type(1 - p)
                    if p < 1
                    else 0 * shares
                )
                kept = kept.astype(shares.dtype, copy=False)
            yield entry, at, to, shares, kept


def _softmax(q: Any, k: Any, seen: Any, scale: float, first: int) -> Any:
    """Return the shares of keys for some queries; `first` is 0, or the causal place of the first plus one."""
    q = wide(q)
    s = (q * q.dtype.type(scale)) @ wide(k).T
    if seen is not None:
        s = np.where(seen, s, -np.inf) if seen.dtype.kind == "b" else s + seen.astype(s.dtype, copy=False)
    if first:  # from the first query's own key on
        later = s[:, first - 1 :]
        later[np.tri(*later.shape) == 0] = -np.inf
    top = s.max(axis=1, keepdims=True, initial=-np.inf)
    s -= np.where(np.isneginf(top), 0, top)
    np.exp(s, out=s)
    total = s.sum(axis=1, keepdims=True)
    s /= np.where(total == 0, 1, total)  # a row that may look at nothing: zeros
    return s


# --- the way back -------------------------------------------------------------------------------------------
def _second(i: int) -> Callable[..., Any]:
    """Return the rule of input `i` of the packed gradient: plain formulas over whole arrays."""

    def rule(
        h: Any,
        z: Any,
        g: Any,
        q: Any,
        k: Any,
        v: Any,
        mask: Any,
        state: Any,
        *,
        scale: float,
        causal: bool = False,
        p: float = 0.0,
    ) -> Any:
        hq, hk, hv = parts(h, q, k, v)
        how = {"scale": scale, "causal": causal, "p": p}
        shares, kept = attention_shares(q, k, mask, state, **how), attention_kept(q, k, mask, state, **how)
        kt, vt = (np.swapaxes(x, -1, -2) for x in (k, v))
        u = kept * (g @ vt)
        d = (shares * u).sum(axis=-1, keepdims=True)
        a = scale * (hq @ kt + q @ np.swapaxes(hk, -1, -2))
        e = (a * shares).sum(axis=-1, keepdims=True)
        of_u = kept * shares * (a - e)
        if i == 0:
            return of_u @ v + (kept * shares) @ hv
        if i == 3:
            return np.swapaxes(of_u, -1, -2) @ g
        w = a * u - a * d - e * u + kept * (g @ np.swapaxes(hv, -1, -2))
        ds, again = shares * (u - d), shares * (w - (shares * w).sum(axis=-1, keepdims=True))
        if i == 1:
            return scale * (again @ k + ds @ hk)
        return scale * (np.swapaxes(again, -1, -2) @ q + np.swapaxes(ds, -1, -2) @ hq)

    return rule


def _share_rule(i: int) -> Callable[..., Any]:
    def rule(
        g: Any,
        z: Any,
        q: Any,
        k: Any,
        mask: Any,
        state: Any,
        *,
        scale: float,
        causal: bool = False,
        p: float = 0.0,
    ) -> Any:
        ds = z * (g - (z * g).sum(axis=-1, keepdims=True))
        return scale * (ds @ k if i == 0 else np.swapaxes(ds, -1, -2) @ q)

    return rule


def _whole(q: Any, k: Any, mask: Any, state: Any, what: int, scale: float, causal: bool, p: float) -> Any:
    found = np.full((*q.shape[:-1], k.shape[-2]), float(what), q.dtype)
    for entry, at, to, *both in _blocks(q, k, mask, state, scale, causal, p):
        if both[what] is not None:
            found[entry][at, to] = both[what]
    return found


_SCORED = tuple(((q, k, *rest), how) for (q, k, _, *rest), how in _EXAMPLES)  # without values


@define(
    "attention_shares",
    "opaque",
    _share_rule(0),
    _share_rule(1),
    None,
    None,
    examples=_SCORED,
)
def attention_shares(
    q: Any, k: Any, mask: Any, state: Any, *, scale: float = 1.0, causal: bool = False, p: float = 0.0
) -> Any:
    """Return the whole softmax of the scores: for second derivatives alone."""
    return _whole(q, k, mask, state, 0, scale, causal, p)


@define(
    "attention_kept",
    "opaque",
    None,
    None,
    None,
    None,
    examples=_SCORED,
)
def attention_kept(
    q: Any, k: Any, mask: Any, state: Any, *, scale: float = 1.0, causal: bool = False, p: float = 0.0
) -> Any:
    """Return what dropout multiplies the whole softmax with: for second derivatives alone."""
    return _whole(q, k, mask, state, 1, scale, causal, p)


@define(
    "attention_gradient",
    "opaque",
    *map(_second, range(4)),
    None,
    None,
    examples=tuple(
        ((0.3 + q[..., :1] * v[:, 1:2], q, k, v, *rest), how) for (q, k, v, *rest), how in _EXAMPLES
    ),
)
def attention_gradient(
    g: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    state: Any,
    *,
    scale: float = 1.0,
    causal: bool = False,
    p: float = 0.0,
) -> Any:
    """Return the gradients of q, k and v as one flat array: the softmax is computed again, block by block.

    dv = (P M)^T g, dP = M (g v^T), dS = P (dP - rowsum(P dP)), dq = scale dS k, dk = scale dS^T q, where M is
    what dropout keeps. Source: Dao et al., "FlashAttention", 2022.
    """
    found = np.zeros(q.size + k.size + v.size, wide(q).dtype)
    dq, dk, dv = parts(found, q, k, v)
    for entry, at, to, shares, kept in _blocks(q, k, mask, state, scale, causal, p):
        g_here = wide(g[entry][at])
        u = g_here @ wide(v[entry][to]).T
        passed = shares
        if kept is not None:
            u *= kept
            passed = shares * kept
        dv[entry][to] += passed.T @ g_here
        u -= (shares * u).sum(axis=1, keepdims=True)
        u *= shares
        u *= u.dtype.type(scale)
        dq[entry][at] = u @ wide(k[entry][to])
        dk[entry][to] += u.T @ wide(q[entry][at])
    return found.astype(q.dtype, copy=False)


_latest = Latest(attention_gradient)


def _first(i: int) -> Callable[..., Any]:
    def rule(g: Any, z: Any, q: Any, k: Any, v: Any, mask: Any, state: Any, **how: Any) -> Any:
        return parts(_latest.of(g, (q, k, v, mask, state), how), q, k, v)[i]

    return rule


@define("attention", "opaque", _first(0), _first(1), _first(2), None, None, examples=_EXAMPLES)
def attention(
    q: Any, k: Any, v: Any, mask: Any, state: Any, *, scale: float = 1.0, causal: bool = False, p: float = 0.0
) -> Any:
    """Return dropout(softmax(scale q k^T + mask)) v of (..., L, E), (..., S, E), (..., S, D): (..., L, D).

    A boolean mask says who may be looked at, another is added and gets no gradient; one without axes masks
    nothing. `state` is what `random.drawn_state()` gives; `p` is dropout's share.
    """
    z = np.zeros((*q.shape[:-1], v.shape[-1]), q.dtype)
    for entry, at, to, shares, kept in _blocks(q, k, mask, state, scale, causal, p):
        z[entry][at] = (shares if kept is None else shares * kept) @ wide(v[entry][to])
    return z
