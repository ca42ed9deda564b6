"""ONNX's operators that are made of others: gates, caches, turned positions, windows, grids, blocks.

Each takes the operator's attributes and its inputs, as those in `operators.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.interop.onnx.attention import number
from clearprop.nn import functional as F
from clearprop.registry import ops

Attributes = dict[str, Any]
xp: Any = np


# --- sequences ----------------------------------------------------------------------------------------------
def _rotary(a: Attributes, x: Any, cos: Any, sin: Any, places: Any = None) -> Any:
    """Each pair of a position's entries turned by its angle: (n, heads, length, size) or (n, length, all)."""
    flat = x.ndim == 3
    x4 = xp.reshape(x, (*x.shape[:2], a["num_heads"], -1)) if flat else xp.swapaxes(x, 1, 2)
    cos, sin = ((t if places is None else t[number(places)])[:, :, None] for t in (cos, sin))
    turned, rest = a.get("rotary_embedding_dim", 0) or x4.shape[-1], x4.shape[-1]
    half, beside = turned // 2, bool(a.get("interleaved"))
    if beside:
        one, two = x4[..., :turned:2], x4[..., 1:turned:2]
    else:
        one, two = x4[..., :half], x4[..., half:turned]
    parts = cos * one - sin * two, sin * one + cos * two
    if beside:
        z = xp.reshape(xp.stack(parts, axis=-1), (*x4.shape[:-1], turned))
    else:
        z = xp.concatenate(parts, axis=-1)
    z = z if turned == rest else xp.concatenate([z, x4[..., turned:]], axis=-1)
    return xp.reshape(z, x.shape) if flat else xp.swapaxes(z, 1, 2)


def _swish_gate(a: Attributes, x: Any, y: Any) -> Any:
    return x * ops["sigmoid"](a.get("alpha", 1.0) * x).astype(x.dtype) * y


def _into_cache(a: Attributes, cache: Any, new: Any, at: Any = None) -> Any:
    """New entries along an axis, in each example from a place of its own on."""
    axis = range(cache.ndim)[a.get("axis", -2)]
    if len(cache) != len(new) or a.get("mode", "linear") not in ("linear", "circular"):
        raise ValueError(lesson("ONNX TensorScatter", "wants one batch, and a mode 'linear' or 'circular'"))
    length, count = cache.shape[axis], new.shape[axis]
    first = np.zeros(len(cache), np.int64) if at is None else number(at).reshape(-1)
    places = first[:, None] + np.arange(count)
    if a.get("mode", "linear") == "circular":
        places %= length
    source = np.full((len(cache), length), -1)
    np.put_along_axis(source, places, np.broadcast_to(np.arange(count), places.shape), axis=1)
    shape = [n if i in (0, axis) else 1 for i, n in enumerate(cache.shape)]
    index = source.reshape(shape)
    spread = xp.take_along_axis(new, np.broadcast_to(np.maximum(index, 0), cache.shape), axis)
    return xp.where(index >= 0, spread, cache)


def _causal_convolution(a: Attributes, x: Any, w: Any, b: Any = None, past: Any = None) -> Any:
    """Each channel over itself and what came before, and the last entries for the next call."""
    if a.get("activation", "none") not in ("none", "silu", "swish"):
        raise ValueError(lesson("ONNX CausalConvWithState", "knows silu and swish", a["activation"]))
    before = np.zeros((*x.shape[:2], w.shape[2] - 1), x.dtype) if past is None else past
    whole = xp.concatenate([before, x], axis=2)
    z = F.conv1d(whole, w, b, groups=x.shape[1])
    z = z * ops["sigmoid"](z) if a.get("activation", "none") != "none" else z
    return z, whole[:, :, whole.shape[2] - (w.shape[2] - 1) :]


def _linear_attention(
    a: Attributes, q: Any, k: Any, v: Any, past: Any = None, decay: Any = None, beta: Any = None
) -> Any:
    """S' = exp(g) S + beta k (v - (exp(g) S)^T k), o = scale q^T S', without what the rule lacks."""
    heads, own, dtype = a["q_num_heads"], a["kv_num_heads"], q.dtype
    rule = a.get("update_rule", "gated_delta")
    if ("gated" in rule and decay is None) or ("delta" in rule and beta is None):
        raise ValueError(lesson("ONNX LinearAttention", "wants decay where gated, beta where delta", rule))
    kept = dtype if past is None else past.dtype
    if np.dtype(dtype).itemsize < 4:  # a sum of many terms
        given = (None if x is None else x.astype(np.float32) for x in (q, k, v, past, decay, beta))
        q, k, v, past, decay, beta = given

    def parts(x: Any, count: int) -> Any:
        return xp.swapaxes(xp.reshape(x, (*x.shape[:2], count, -1)), 1, 2)

    q, k, v = parts(q, heads), parts(k, own), parts(v, own)
    state = np.zeros((q.shape[0], own, k.shape[-1], v.shape[-1]), q.dtype) if past is None else past
    scale = a.get("scale", 0.0) or 1 / math.sqrt(k.shape[-1])
    gates = None if decay is None else xp.exp(parts(decay, own))
    rates = None if beta is None else parts(beta, beta.shape[-1])
    outs = []
    for t in range(q.shape[2]):
        key, value = k[:, :, t, :, None], v[:, :, t, None]
        state = state if gates is None else state * gates[:, :, t, :, None]
        if rates is not None:
            value = rates[:, :, t, None] * (value - xp.sum(state * key, axis=2, keepdims=True))
        state = state + key * value
        read = state if heads == own else xp.repeat(state, heads // own, axis=1)
        outs.append(scale * xp.sum(q[:, :, t, :, None] * read, axis=2))
    z = xp.stack(outs, axis=1)
    return xp.reshape(z, (*z.shape[:2], -1)).astype(dtype), state.astype(kept)


# --- pictures -----------------------------------------------------------------------------------------------
def _centred(a: Attributes, x: Any, shape: Any) -> Any:
    """The middle of an array, or zeros around it."""
    axes = [i % x.ndim for i in a.get("axes", range(x.ndim))]
    cut, widths = [slice(None)] * x.ndim, [(0, 0)] * x.ndim
    for axis, n in zip(axes, number(shape).tolist(), strict=True):
        off = abs(n - x.shape[axis])
        cut[axis] = slice(off // 2, off // 2 + n) if n < x.shape[axis] else slice(None)
        widths[axis] = (off // 2, off - off // 2) if n > x.shape[axis] else (0, 0)
    return xp.pad(x[tuple(cut)], widths)


def _affine_grid(a: Attributes, theta: Any, size: Any) -> Any:
    return F.affine_grid(theta, tuple(number(size).tolist()), bool(a.get("align_corners", 0)))


def _grid_sample(a: Attributes, x: Any, grid: Any) -> Any:
    told = a.get("mode", "linear")
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(told, str(told))
    if x.ndim > 4 and mode == "bicubic":
        raise NotImplementedError(lesson("ONNX GridSample", "has cubic kernels over two axes alone"))
    return F.grid_sample(x, grid, mode, a.get("padding_mode", "zeros"), bool(a.get("align_corners", 0)))


def _columns(a: Attributes, x: Any, shape: Any, block: Any) -> Any:
    """Blocks (n, channels * entries, positions) added up where they overlap."""
    sizes, kernel = (number(n).tolist() for n in (shape, block))
    n = len(sizes)
    pads, steps = list(a.get("pads", [0] * (2 * n))), a.get("strides", [1] * n)
    gaps = a.get("dilations", [1] * n)
    whole = tuple(s + pads[i] + pads[n + i] for i, s in enumerate(sizes))
    reach = tuple((k - 1) * g + 1 for k, g in zip(kernel, gaps, strict=True))
    numbers = np.arange(math.prod(whole)).reshape(whole)
    seen = np.lib.stride_tricks.sliding_window_view(numbers, reach)
    seen = seen[tuple(slice(None, None, s) for s in steps)]
    seen = seen[(*(slice(None),) * n, *(slice(None, None, g) for g in gaps))]
    places = np.moveaxis(seen, range(n), range(n, 2 * n)).reshape(1, -1)  # entries of a block, positions
    rows = xp.reshape(x, (-1, places.size))
    places = places + np.arange(rows.shape[0])[:, None] * math.prod(whole)
    z = _sums(xp.reshape(rows, (-1,)), places, rows.shape[0] * math.prod(whole))
    z = xp.reshape(z, (x.shape[0], -1, *whole))
    cut = tuple(slice(pads[i], pads[i] + s) for i, s in enumerate(sizes))
    return z[(slice(None), slice(None), *cut)]


def _sums(new: Any, places: Any, size: int) -> Any:
    from clearprop.ops.index import ARRAY

    return ops["scatter"](new, places.reshape(-1), index=(ARRAY,), shape=(size,))


def _unpooled(a: Attributes, x: Any, where: Any, shape: Any = None) -> Any:
    """Entries back in the places that `MaxPool` gave, numbered over the whole result."""
    n = len(a["kernel_shape"])
    steps, pads = a.get("strides", [1] * n), a.get("pads", [0] * (2 * n))
    own = [(x.shape[2 + i] - 1) * steps[i] - pads[i] - pads[n + i] + a["kernel_shape"][i] for i in range(n)]
    whole = (*x.shape[:2], *own)
    z = xp.reshape(_sums(xp.reshape(x, (-1,)), number(where), math.prod(whole)), whole)
    more = [] if shape is None else [m - k for m, k in zip(number(shape).tolist(), whole, strict=True)]
    return xp.pad(z, [(0, m) for m in more]) if any(more) else z


def _lp_over_all(a: Attributes, x: Any) -> Any:
    p = a.get("p", 2)
    return xp.sum(xp.abs(x) ** p, axis=tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)


def _fourier(a: Attributes, x: Any, length: Any = None, axis: Any = None) -> Any:
    """The discrete Fourier transform of rows of (real,) or (real, imaginary) parts, as such pairs."""
    along = a.get("axis", 1 if a["version"] < 20 else -2) if axis is None else int(number(axis).reshape(()))
    along %= x.ndim
    half, inverse = bool(a.get("onesided")), bool(a.get("inverse"))
    own = 2 * (x.shape[along] - 1) if half and inverse else x.shape[along]
    n = own if length is None else int(number(length).reshape(()))
    z = x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
    if half and inverse:
        return xp.fft.irfft(z, n, axis=along)[..., None].astype(x.dtype)
    z = xp.fft.ifft(z, n, axis=along) if inverse else xp.fft.fft(z, n, axis=along)
    z = z[(*(slice(None),) * along, slice(n // 2 + 1))] if half else z
    return xp.stack([xp.real(z), xp.imag(z)], axis=-1).astype(x.dtype)


# --- what is computed from whole numbers --------------------------------------------------------------------
def _window(shares: tuple[float, ...]) -> Callable[..., Any]:
    """Sums of cosines: s0 - s1 cos(2 pi n / N) + s2 cos(4 pi n / N)."""

    def window(a: Attributes, size: Any) -> Any:
        n = int(number(size).reshape(()))
        angle = 2 * np.pi * np.arange(n) / (n - (0 if a.get("periodic", 1) else 1))
        z = sum((-1) ** k * s * np.cos(k * angle) for k, s in enumerate(shares))
        return np.asarray(z).astype(a["dtype"](a.get("output_datatype", 1)))

    return window


def _unique(a: Attributes, x: Any) -> Any:
    """The different entries, or slices, sorted or as they come; where each is first, and which each is."""
    axis, value = a.get("axis"), number(x)
    y, first, which, count = np.unique(value, True, True, True, axis=axis)
    which = which.reshape(-1)
    if not a.get("sorted", 1):
        order = np.argsort(first)
        first, count = first[order], count[order]
        which = np.argsort(order)[which]
    taken = value.reshape(-1)[first] if axis is None else np.take(value, first, axis=axis)
    found = (y if a.get("sorted", 1) else taken, *(n.astype(np.int64) for n in (first, which, count)))
    return found[: a["outputs"]] if a["outputs"] > 1 else found[0]


FUSED: dict[str, Callable[..., Any]] = {
    "RotaryEmbedding": _rotary, "SwiGLU": _swish_gate, "TensorScatter": _into_cache,
    "CausalConvWithState": _causal_convolution, "LinearAttention": _linear_attention,
    "CenterCropPad": _centred, "AffineGrid": _affine_grid, "GridSample": _grid_sample, "Col2Im": _columns,
    "MaxUnpool": _unpooled, "GlobalLpPool": _lp_over_all, "HannWindow": _window((0.5, 0.5)),
    "HammingWindow": _window((25 / 46, 21 / 46)), "BlackmanWindow": _window((0.42, 0.5, 0.08)),
    "Unique": _unique, "DFT": _fourier,
}  # fmt: skip
