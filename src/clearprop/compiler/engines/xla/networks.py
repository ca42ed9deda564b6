"""What networks are made of, as JAX computes it: attention, pooling over windows, resampling.

These ops write into arrays of their own where NumPy runs them, block by block; here they are the formulas
themselves, which XLA fuses. The bits that dropout draws inside of attention are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from clearprop.compiler.engines.xla.products import product
from clearprop.compiler.program.ir import Value
from clearprop.ops.packed import BLOCK
from clearprop.ops.resample import entries
from clearprop.ops.window import lowest

LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


# --- random bits --------------------------------------------------------------------------------------------
def philox(counters: tuple[Any, Any, Any, Any], first: Any, second: Any) -> Any:
    """Return four words for each counter, by Philox4x64-10: the last axis counts them.

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    a, b, c, d = counters
    first, second = jnp.asarray(first, jnp.uint64), jnp.asarray(second, jnp.uint64)
    for _ in range(10):
        (high, low), (top, bottom) = _product(a, 0xD2E7470EE14C6C93), _product(c, 0xCA5A826395121157)
        a, b, c, d = top ^ b ^ first, bottom, high ^ d ^ second, low
        first, second = first + np.uint64(0x9E3779B97F4A7C15), second + np.uint64(0xBB67AE8584CAA73B)
    return jnp.stack(jnp.broadcast_arrays(a, b, c, d), axis=-1)


def halves(words: Any) -> Any:
    """Return the numbers in [0, 1) that NumPy makes of words for float32, two of each."""
    pairs = jnp.stack([words & LOW, words >> HALF], axis=-1)
    return (pairs >> np.uint64(8)).astype(jnp.float32) * np.float32(2.0**-24)


def _product(x: Any, factor: int) -> tuple[Any, Any]:
    """Return the upper and lower 64 bits of a product of 64-bit numbers, by halves."""
    f, g = np.uint64(factor & 0xFFFFFFFF), np.uint64(factor >> 32)
    p, q = x & LOW, x >> HALF
    middle = q * f + ((p * f) >> HALF)
    other = p * g + (middle & LOW)
    return q * g + (middle >> HALF) + (other >> HALF), x * np.uint64(factor)


# --- attention ----------------------------------------------------------------------------------------------
def _shares(q: Any, k: Any, mask: Any, scale: float, causal: bool) -> Any:
    """Return softmax(scale q k^T + mask); a query that may look at nothing has zeros."""
    wide = jnp.float32 if q.dtype.itemsize < 4 else q.dtype
    q, k = q.astype(wide), k.astype(wide)
    s = product(q * q.dtype.type(scale), jnp.swapaxes(k, -1, -2))
    if jnp.ndim(mask):
        s = jnp.where(mask, s, -jnp.inf) if mask.dtype.kind == "b" else s + mask.astype(s.dtype)
    if causal:
        s = jnp.where(jnp.tri(s.shape[-2], s.shape[-1], dtype=bool), s, -jnp.inf)
    top = s.max(axis=-1, keepdims=True, initial=-jnp.inf)
    s = jnp.exp(s - jnp.where(jnp.isneginf(top), 0, top))
    total = s.sum(axis=-1, keepdims=True)
    return s / jnp.where(total == 0, 1, total)


def _kept(q: Any, k: Any, state: Any, dtype: Any, causal: bool, p: float) -> Any:
    """Return what dropout multiplies the shares with, drawn by blocks of queries as NumPy draws it."""
    (length, keys), batch = (q.shape[-2], k.shape[-2]), q.shape[:-2]
    rows, entry = max(1, BLOCK // max(keys, 1)), np.arange(1, math.prod(batch) + 1, dtype=np.uint64)
    found = []
    for first in range(0, length, rows):
        stop = min(first + rows, length)
        to = min(stop, keys) if causal else keys
        count = (stop - first) * to
        counter = (lax.iota(jnp.uint64, -(-count // 8)) + np.uint64(1))[None]
        words = philox((counter, state[1], entry[:, None], np.uint64(first)), state[0], np.uint64(1))
        drawn = halves(words).reshape(len(entry), -1)[:, :count].reshape(*batch, stop - first, to)
        kept = (drawn >= p).astype(dtype) / (np.dtype(dtype).type(1 - p) if p < 1 else 1)
        kept = kept if p < 1 else jnp.zeros_like(kept)
        found.append(jnp.pad(kept, [(0, 0)] * (len(batch) + 1) + [(0, keys - to)], constant_values=1))
    return jnp.concatenate(found, axis=-2)


def _both(v: Value, q: Any, k: Any, mask: Any, state: Any) -> tuple[Any, Any]:
    scale, causal, p = v.attrs["scale"], v.attrs["causal"], v.attrs["p"]
    shares = _shares(q, k, mask, scale, causal)
    return shares, _kept(q, k, state, shares.dtype, causal, p) if p else jnp.ones_like(shares)


def _attention(v: Value, xs: list[Any], bounds: Any) -> Any:
    q, k, y, mask, state = map(jnp.asarray, xs)
    shares, kept = _both(v, q, k, mask, state)
    return product(shares * kept, y.astype(shares.dtype)).astype(v.dtype)


def _attention_shares(v: Value, xs: list[Any], bounds: Any) -> Any:
    return _both(v, *map(jnp.asarray, xs))[0].astype(v.dtype)


def _attention_kept(v: Value, xs: list[Any], bounds: Any) -> Any:
    return _both(v, *map(jnp.asarray, xs))[1].astype(v.dtype)


def _attention_gradient(v: Value, xs: list[Any], bounds: Any) -> Any:
    """The gradients of queries, keys and values, laid flat one after the other."""
    g, q, k, y, mask, state = map(jnp.asarray, xs)
    shares, kept = _both(v, q, k, mask, state)
    g, wide, scale = g.astype(shares.dtype), shares.dtype, shares.dtype.type(v.attrs["scale"])
    u = kept * product(g, jnp.swapaxes(y.astype(wide), -1, -2))
    u = shares * (u - (shares * u).sum(axis=-1, keepdims=True)) * scale
    of_q = product(u, k.astype(wide))
    of_k = product(jnp.swapaxes(u, -1, -2), q.astype(wide))
    of_y = product(jnp.swapaxes(shares * kept, -1, -2), g)
    return jnp.concatenate([jnp.ravel(x) for x in (of_q, of_k, of_y)]).astype(v.dtype)


# --- windows ------------------------------------------------------------------------------------------------
def _taps(frame: Any, lengths: Any, counts: Any) -> Iterator[tuple[Any, Any]]:
    """Yield for each offset inside of windows which windows, and which entries these find there."""
    for tap in frame.taps(tuple(map(int, lengths)), counts):
        yield (..., *tap.windows), (..., *tap.entries)


def _empty(x: Any, frame: Any, fill: Any) -> tuple[Any, Any, Any]:
    """Return the lengths and numbers of windows along the last axes, and an array with one for each."""
    lengths = frame.lengths(x)
    counts = frame.counts(lengths)
    return lengths, counts, jnp.full((*x.shape[: x.ndim - len(counts)], *counts), fill, x.dtype)


def _window_sum(v: Value, xs: list[Any], bounds: Any) -> Any:
    x, frame = jnp.asarray(xs[0]), v.attrs["frame"]
    lengths, counts, z = _empty(x, frame, 0)
    for windows, places in _taps(frame, lengths, counts):
        z = z.at[windows].add(x[places])
    return z


def _window_spread(v: Value, xs: list[Any], bounds: Any) -> Any:
    x, frame = jnp.asarray(xs[0]), v.attrs["frame"]
    z = jnp.zeros(v.shape, x.dtype)
    for windows, places in _taps(frame, v.attrs["lengths"], frame.lengths(x)):
        z = z.at[places].add(x[windows])
    return z


def _largest(x: Any, frame: Any) -> Any:
    lengths, counts, z = _empty(x, frame, lowest(np.dtype(x.dtype)))
    for windows, places in _taps(frame, lengths, counts):
        z = z.at[windows].max(x[places])
    return z


def _window_max(v: Value, xs: list[Any], bounds: Any) -> Any:
    return _largest(jnp.asarray(xs[0]), v.attrs["frame"])


def _window_argmax(v: Value, xs: list[Any], bounds: Any) -> Any:
    """Of several largest entries the first; where there is NaN, the last NaN."""
    x, frame = jnp.asarray(xs[0]), v.attrs["frame"]
    lengths, counts, z = _empty(x, frame, lowest(np.dtype(x.dtype)))
    place, where = np.arange(math.prod(lengths)).reshape(lengths), jnp.zeros(z.shape, v.dtype)
    seen = np.zeros(counts, bool)
    for windows, places in _taps(frame, lengths, counts):
        there = x[places]
        better = (there > z[windows]) | (there != there) | ~seen[windows]
        seen[windows] = True
        z = z.at[windows].set(jnp.where(better, there, z[windows]))
        where = where.at[windows].set(jnp.where(better, place[places], where[windows]))
    return where


def _winners(x: Any, frame: Any) -> tuple[list[Any], Any]:
    """Return which entries win at each offset, and how many win in each window."""
    z, (lengths, counts, _) = _largest(x, frame), _empty(x, frame, 0)
    number, wins = jnp.zeros(z.shape, jnp.int32), []
    for windows, places in _taps(frame, lengths, counts):
        won = (x[places] == z[windows]) | ((z[windows] != z[windows]) & (x[places] != x[places]))
        number = number.at[windows].add(won)
        wins.append((windows, places, won))
    return wins, jnp.maximum(number, 1)


def _winners_share(v: Value, xs: list[Any], bounds: Any) -> Any:
    y, x = map(jnp.asarray, xs)
    wins, number = _winners(x, v.attrs["frame"])
    share, d = y / number.astype(y.dtype), jnp.zeros(x.shape, y.dtype)
    for windows, places, won in wins:
        d = d.at[places].add(jnp.where(won, share[windows], 0))
    return d


def _winners_mean(v: Value, xs: list[Any], bounds: Any) -> Any:
    y, x = map(jnp.asarray, xs)
    wins, number = _winners(x, v.attrs["frame"])
    total = jnp.zeros(number.shape, y.dtype)
    for windows, places, won in wins:
        total = total.at[windows].add(jnp.where(won, y[places], 0))
    return total / number.astype(y.dtype)


def _resample(v: Value, xs: list[Any], bounds: Any) -> Any:
    """Add up weighted entries along one axis; a weight of 0 looks at nothing."""
    x, axis = jnp.asarray(xs[0]), v.attrs["axis"]
    places, weights = entries(v.attrs["table"])
    axis %= x.ndim
    z: Any = 0
    along = (-1,) + (1,) * (x.ndim - 1 - axis)
    for j in range(places.shape[1]):
        weight = weights[:, j].astype(x.dtype).reshape(along)
        z = z + jnp.where(weight != 0, jnp.take(x, places[:, j], axis=axis) * weight, 0)
    return z


# --- a last layer and its loss ------------------------------------------------------------------------------
def _last_layer(v: Value, xs: list[Any], bounds: Any) -> tuple[Any, ...]:
    """Return rows, weight, logits, and the classes' places; a class that there is not is noted."""
    x, weight, bias, y = map(jnp.asarray, xs)
    bounds.hold(v.inputs[-1], y, 0, weight.shape[0])
    return x, weight, product(x, weight.T) + bias, y


def _linear_nll(v: Value, xs: list[Any], bounds: Any) -> Any:
    *_, logits, y = _last_layer(v, xs, bounds)
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)[:, 0]


def _linear_nll_gradient(v: Value, xs: list[Any], bounds: Any) -> Any:
    x, weight, logits, y = _last_layer(v, xs[1:], bounds)
    d = (jax.nn.softmax(logits) - jax.nn.one_hot(y, weight.shape[0], dtype=logits.dtype)) * xs[0][:, None]
    products = product(d, weight), product(d.T, x), d.sum(axis=0)
    return jnp.concatenate([z.reshape(-1) for z in products])


NETWORKS = {
    "linear_nll": _linear_nll,
    "linear_nll_gradient": _linear_nll_gradient,
    "attention": _attention,
    "attention_shares": _attention_shares,
    "attention_kept": _attention_kept,
    "attention_gradient": _attention_gradient,
    "window_sum": _window_sum,
    "window_spread": _window_spread,
    "window_max": _window_max,
    "window_argmax": _window_argmax,
    "winners_share": _winners_share,
    "winners_mean": _winners_mean,
    "resample": _resample,
}
"""Calls of the registry's ops that networks are made of."""
