"""ONNX's operators as functions of arrays and Tensors: a table, its formulas those of the library.

Each takes the operator's attributes and its inputs, None where one is left out. What a shape or an axis is read
from is an array, for a file's shapes are known when it is run. Specified at https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.interop.onnx.attention import attention, number
from clearprop.interop.onnx.fused import FUSED
from clearprop.interop.onnx.resizing import RESIZING
from clearprop.interop.onnx.sequences import RECURRENT
from clearprop.nn import functional as F
from clearprop.registry import ops
from clearprop.tensor import Tensor

Attributes = dict[str, Any]
xp: Any = np  # NumPy, where it is called with Tensors, which its annotations know nothing of


def _axes(a: Attributes, given: Any, ndim: int) -> Any:
    """Return axes from the attribute of older files or the input of newer ones; None for all."""
    axes = a.get("axes") if given is None else number(given).tolist()
    if axes is None or len(axes) == 0:
        return () if a.get("noop_with_empty_axes") else None
    return tuple(int(i) % max(ndim, 1) for i in axes)


def _reducing(f: Callable[..., Any], before: Any = None, after: Any = None) -> Any:
    def reduce(a: Attributes, x: Any, axes: Any = None) -> Any:
        chosen = _axes(a, axes, x.ndim)
        if chosen == ():
            z = x if before is None else before(x)
        else:
            z = f(x if before is None else before(x), axis=chosen, keepdims=bool(a.get("keepdims", 1)))
        return z if after is None else after(z)

    return reduce


def _unary(f: Callable[..., Any]) -> Any:
    return lambda a, x: f(x)


def _binary(f: Callable[..., Any]) -> Any:
    return lambda a, x, y: f(x, y)


def _folded(f: Callable[..., Any]) -> Any:
    def fold(a: Attributes, *xs: Any) -> Any:
        z = xs[0]
        for x in xs[1:]:
            z = f(z, x)
        return z

    return fold


def _whole_division(x: Any, y: Any) -> Any:
    """Divide; whole numbers towards 0."""
    if x.dtype.kind in "iu":
        quotient = xp.floor_divide(xp.abs(x), xp.abs(y)) * xp.sign(x) * xp.sign(y)
        return quotient.astype(x.dtype)
    return x / y


def _mod(a: Attributes, x: Any, y: Any) -> Any:
    return xp.fmod(x, y) if a.get("fmod") else xp.remainder(x, y)


def _power(a: Attributes, x: Any, y: Any) -> Any:
    return (x ** (y if y.dtype == x.dtype else y.astype(np.result_type(x.dtype, y.dtype)))).astype(x.dtype)


def _gemm(a: Attributes, x: Any, y: Any, c: Any = None) -> Any:
    x, y = (xp.transpose(m) if a.get(flag) else m for m, flag in ((x, "transA"), (y, "transB")))
    z = a.get("alpha", 1.0) * (x @ y) if a.get("alpha", 1.0) != 1.0 else x @ y
    if c is not None:
        z = z + (c if a.get("beta", 1.0) == 1.0 else a["beta"] * c)
    return z


def _clip(a: Attributes, x: Any, low: Any = None, high: Any = None) -> Any:
    low = a.get("min") if low is None else low
    high = a.get("max") if high is None else high
    x = x if low is None else xp.maximum(x, _as(low, x))
    return x if high is None else xp.minimum(x, _as(high, x))


def _as(v: Any, like: Any) -> Any:
    return v if isinstance(v, Tensor) else np.asarray(v, like.dtype)


# --- shapes -----------------------------------------------------------------------------------------------------
def _reshape(a: Attributes, x: Any, shape: Any = None) -> Any:
    wanted = list(a["shape"]) if shape is None else number(shape).tolist()
    if not a.get("allowzero"):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return xp.reshape(x, tuple(int(n) for n in wanted))


def _flatten(a: Attributes, x: Any) -> Any:
    axis = a.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return xp.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _squeeze(a: Attributes, x: Any, axes: Any = None) -> Any:
    return xp.squeeze(x, axis=_axes(a, axes, x.ndim))


def _unsqueeze(a: Attributes, x: Any, axes: Any = None) -> Any:
    given = a["axes"] if axes is None else number(axes).reshape(-1).tolist()
    return xp.expand_dims(x, tuple(int(i) for i in given))


def _slice(
    a: Attributes, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    first, last = (a[n] if v is None else number(v).tolist() for n, v in (("starts", starts), ("ends", ends)))
    along = a.get("axes", range(len(first))) if axes is None else number(axes).tolist()
    step = [1] * len(first) if steps is None else number(steps).tolist()
    index = [slice(None)] * x.ndim
    for i, axis in enumerate(along):
        n, by = x.shape[axis], int(step[i])
        begin, end = int(first[i]), int(last[i])
        begin, end = (v + n if v < 0 else v for v in (begin, end))
        if by > 0:
            index[axis] = slice(min(max(begin, 0), n), min(max(end, 0), n), by)
        else:
            begin, end = min(max(begin, 0), n - 1), min(max(end, -1), n - 1)
            index[axis] = slice(begin, None if end < 0 else end, by)
    return x[tuple(index)]


def _expand(a: Attributes, x: Any, shape: Any) -> Any:
    return xp.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(number(shape).tolist())))


def _pad(a: Attributes, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    given = list(a["pads"]) if pads is None else number(pads).tolist()
    along = range(x.ndim) if axes is None else number(axes).tolist()
    widths = [(0, 0)] * x.ndim
    half = len(given) // 2
    for i, axis in enumerate(along):
        widths[axis] = (int(given[i]), int(given[half + i]))
    index = tuple(slice(max(-b, 0), n - max(-e, 0)) for (b, e), n in zip(widths, x.shape, strict=True))
    x, widths = x[index], [(max(b, 0), max(e, 0)) for b, e in widths]
    mode = a.get("mode", "constant")
    if mode == "constant":
        constant = a.get("value", 0) if value is None else number(value).item()
        return xp.pad(x, widths, constant_values=constant)
    return xp.pad(x, widths, mode=mode)


def _split(a: Attributes, x: Any, sizes: Any = None) -> Any:
    axis = a.get("axis", 0)
    lengths = a.get("split") if sizes is None else number(sizes).tolist()
    n = x.shape[axis]
    if lengths is None:
        count = a.get("num_outputs") or a["outputs"]
        size = -(-n // count)
        lengths = [min(size, n - i * size) for i in range(count)]
    ends = np.cumsum([0, *lengths]).tolist()
    before = (slice(None),) * (axis % x.ndim)
    return tuple(x[(*before, slice(int(b), int(e)))] for b, e in itertools.pairwise(ends))


def _shape(a: Attributes, x: Any) -> Any:
    return np.asarray(x.shape[a.get("start", 0) : a.get("end")], np.int64)


def _gather(a: Attributes, x: Any, index: Any) -> Any:
    axis = a.get("axis", 0) % x.ndim
    return x[(*(slice(None),) * axis, number(index))]


def _gather_elements(a: Attributes, x: Any, index: Any) -> Any:
    axis = a.get("axis", 0)
    where = number(index)
    return (
        xp.take_along_axis(x, np.where(where < 0, where + x.shape[axis], where), axis)
        if where.size
        else x[:0]
    )


def _gather_nd(a: Attributes, x: Any, index: Any) -> Any:
    where, lead = number(index), a.get("batch_dims", 0)
    rows = np.indices(where.shape[:-1], sparse=True)[:lead] if lead else ()
    return x[(*rows, *np.moveaxis(where, -1, 0))]


def _one_hot(a: Attributes, index: Any, depth: Any, values: Any) -> Any:
    n, axis = int(number(depth).reshape(-1)[0]), a.get("axis", -1)
    where = number(index).astype(np.int64)
    off, on = number(values)
    hot = (where % n)[..., None] == np.arange(n)
    hot &= ((where >= -n) & (where < n))[..., None]
    return np.moveaxis(np.where(hot, on, off), -1, axis)


def _tile(a: Attributes, x: Any, repeats: Any) -> Any:
    return xp.tile(x, tuple(number(repeats).tolist()))


def _transpose(a: Attributes, x: Any) -> Any:
    return xp.transpose(x, tuple(a["perm"]) if "perm" in a else None)


def _trilu(a: Attributes, x: Any, k: Any = None) -> Any:
    return (xp.triu if a.get("upper", 1) else xp.tril)(x, 0 if k is None else int(number(k)))


def _depth_to_space(a: Attributes, x: Any) -> Any:
    b, c, h, w = x.shape
    n = a["blocksize"]
    if a.get("mode", "DCR") == "DCR":
        parts = xp.reshape(x, (b, n, n, c // n**2, h, w))
        order = (0, 3, 4, 1, 5, 2)
    else:
        parts = xp.reshape(x, (b, c // n**2, n, n, h, w))
        order = (0, 1, 4, 2, 5, 3)
    return xp.reshape(xp.transpose(parts, order), (b, c // n**2, h * n, w * n))


def _space_to_depth(a: Attributes, x: Any) -> Any:
    b, c, h, w = x.shape
    n = a["blocksize"]
    order = (0, 3, 5, 1, 2, 4) if a.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    parts = xp.transpose(xp.reshape(x, (b, c, h // n, n, w // n, n)), order)
    return xp.reshape(parts, (b, c * n * n, h // n, w // n))


# --- windows ----------------------------------------------------------------------------------------------------
def _margins(a: Attributes, lengths: Any, sizes: Any) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return steps, dilations, and the margins before and after, which `auto_pad` may decide."""
    n = len(sizes)
    steps, gaps = list(a.get("strides", [1] * n)), list(a.get("dilations", [1] * n))
    auto = a.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for length, size, step, gap in zip(lengths, sizes, steps, gaps, strict=True):
            total = max((-(-length // step) - 1) * step + (size - 1) * gap + 1 - length, 0)
            small, large = total // 2, total - total // 2
            before.append(small if auto == "SAME_UPPER" else large)
            after.append(large if auto == "SAME_UPPER" else small)
        return steps, gaps, before, after
    pads = [0] * (2 * n) if auto == "VALID" else list(a.get("pads", [0] * (2 * n)))
    return steps, gaps, pads[:n], pads[n:]


def _bordered(x: Any, before: Any, after: Any, value: float = 0.0) -> Any:
    widths = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    return x if not any(map(any, widths)) else xp.pad(x, widths, constant_values=value)


def _conv(a: Attributes, x: Any, w: Any, b: Any = None) -> Any:
    n = x.ndim - 2
    steps, gaps, before, after = _margins(a, x.shape[2:], w.shape[2:])
    f = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
    return f(
        _bordered(x, before, after), w, b, stride=tuple(steps), dilation=tuple(gaps), groups=a.get("group", 1)
    )


def _conv_transpose(a: Attributes, x: Any, w: Any, b: Any = None) -> Any:
    n = x.ndim - 2
    steps, gaps, before, after = _margins({**a, "auto_pad": "NOTSET"}, x.shape[2:], w.shape[2:])
    extra = list(a.get("output_padding", [0] * n))
    whole = [
        (x.shape[2 + i] - 1) * steps[i] + extra[i] + (w.shape[2 + i] - 1) * gaps[i] + 1 for i in range(n)
    ]
    wanted = a.get("output_shape")
    if wanted is None and a.get("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [x.shape[2 + i] * steps[i] for i in range(n)]
    if wanted is not None:
        total = [max(size - n_, 0) for size, n_ in zip(whole, wanted[-n:], strict=True)]
        upper = a.get("auto_pad") == "SAME_UPPER"
        before = [t // 2 if upper else t - t // 2 for t in total]
        after = [t - p for t, p in zip(total, before, strict=True)]
    f = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
    z = f(x, w, None, stride=tuple(steps), dilation=tuple(gaps), groups=a.get("group", 1))
    widths = [(0, 0), (0, 0), *((0, e) for e in extra)]
    z = xp.pad(z, widths) if any(extra) else z
    if wanted is not None:  # what lies beyond is 0
        beyond = [max(n_ - size, 0) for size, n_ in zip(whole, wanted[-n:], strict=True)]
        z, whole = (
            xp.pad(z, [(0, 0), (0, 0), *((0, e) for e in beyond)]),
            [s + e for s, e in zip(whole, beyond, strict=True)],
        )
    cut = tuple(slice(p, size - q) for p, q, size in zip(before, after, whole, strict=True))
    z = z[(slice(None), slice(None), *cut)]
    return z if b is None else z + xp.reshape(b, (-1, *(1,) * n))


def _ceiled(
    a: Attributes, lengths: Any, sizes: Any, steps: Any, gaps: Any, before: Any, after: Any
) -> list[int]:
    """Return the margins after, longer where `ceil_mode` has a last window begin inside."""
    if not a.get("ceil_mode"):
        return list(after)
    longer = []
    for n, size, step, gap, b, e in zip(lengths, sizes, steps, gaps, before, after, strict=True):
        reach = (size - 1) * gap + 1
        count = -(-(n + b + e - reach) // step) + 1
        count -= (count - 1) * step >= n + b
        longer.append(max(e, (count - 1) * step + reach - n - b))
    return longer


def _max_pool(a: Attributes, x: Any) -> Any:
    sizes = a["kernel_shape"]
    steps, gaps, before, after = _margins(a, x.shape[2:], sizes)
    after = _ceiled(a, x.shape[2:], sizes, steps, gaps, before, after)
    low = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = _bordered(x, before, after, low)
    f = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(sizes) - 1]
    how = {"dilation": tuple(gaps), "return_indices": a["outputs"] > 1}
    found = f(padded, tuple(sizes), tuple(steps), **how)
    return (found[0], _places(a, number(found[1]), x, padded, before)) if a["outputs"] > 1 else found


def _places(a: Attributes, index: Any, x: Any, padded: Any, before: Any) -> Any:
    """Number places of each padded plane over the whole array, without its margins."""
    found: Any = np.unravel_index(index, padded.shape[2:])
    each: Any = tuple(i - b for i, b in zip(found, before, strict=True))
    inside: Any = np.ravel_multi_index(each, x.shape[2:], order="F" if a.get("storage_order") else "C")
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *(1,) * (index.ndim - 2))
    return (inside + planes * math.prod(x.shape[2:])).astype(np.int64)


def _average_pool(a: Attributes, x: Any) -> Any:
    sizes = a["kernel_shape"]
    steps, gaps, before, after = _margins(a, x.shape[2:], sizes)
    longer = _ceiled(a, x.shape[2:], sizes, steps, gaps, before, after)
    total = _window_sum(_bordered(x, before, longer), sizes, steps, gaps)
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    counted = (
        _bordered(ones, before, after, 1.0) if a.get("count_include_pad") else _bordered(ones, before, after)
    )
    rest = [b - c for b, c in zip(longer, after, strict=True)]
    return total / _window_sum(_bordered(counted, [0] * len(sizes), rest), sizes, steps, gaps)


def _window_sum(x: Any, sizes: Any, steps: Any, gaps: Any) -> Any:
    channels = x.shape[1]
    kernel = np.ones((channels, 1, *sizes), x.dtype)
    f = (F.conv1d, F.conv2d, F.conv3d)[len(sizes) - 1]
    return f(x, kernel, stride=tuple(steps), dilation=tuple(gaps), groups=channels)


def _over_all(f: Callable[..., Any]) -> Any:
    return lambda a, x: f(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def _lp_pool(a: Attributes, x: Any) -> Any:
    sizes, p = a["kernel_shape"], a.get("p", 2)
    steps, gaps, before, after = _margins(a, x.shape[2:], sizes)
    after = _ceiled(a, x.shape[2:], sizes, steps, gaps, before, after)
    return _window_sum(_bordered(xp.abs(x) ** p, before, after), sizes, steps, gaps) ** (1 / p)


# --- normalisation and losses -----------------------------------------------------------------------------------
def _batch_norm(a: Attributes, x: Any, scale: Any, shift: Any, mean: Any, var: Any) -> Any:
    if a.get("training_mode") or a["outputs"] > 1:
        axes = (0, *range(2, x.ndim))
        now, spread, keep = xp.mean(x, axis=axes), xp.var(x, axis=axes), a.get("momentum", 0.9)
        z = _scaled(x, now, spread, scale, shift, a.get("epsilon", 1e-5))
        return z, mean * keep + now * (1 - keep), var * keep + spread * (1 - keep)
    return _scaled(x, mean, var, scale, shift, a.get("epsilon", 1e-5))


def _scaled(x: Any, mean: Any, var: Any, scale: Any, shift: Any, eps: float) -> Any:
    shape = (-1, *(1,) * (x.ndim - 2))
    m, v, s, b = (xp.reshape(t, shape) for t in (mean, var, scale, shift))
    return (x - m) / xp.sqrt(v + eps) * s + b


def _instance_norm(a: Attributes, x: Any, scale: Any, shift: Any) -> Any:
    return F.instance_norm(x, None, None, scale, shift, True, 0.1, a.get("epsilon", 1e-5))


def _layer_norm(a: Attributes, x: Any, scale: Any, shift: Any = None) -> Any:
    axis, eps = a.get("axis", -1) % x.ndim, a.get("epsilon", 1e-5)
    axes = tuple(range(axis, x.ndim))
    mean = xp.mean(x, axis=axes, keepdims=True)
    spread = 1 / xp.sqrt(xp.var(x, axis=axes, keepdims=True) + eps)
    z = (x - mean) * spread * scale
    z = z if shift is None else z + shift
    return (z, mean, spread)[: a["outputs"]] if a["outputs"] > 1 else z


def _rms_norm(a: Attributes, x: Any, scale: Any) -> Any:
    axes = tuple(range(a.get("axis", -1) % x.ndim, x.ndim))
    return x / xp.sqrt(xp.mean(x * x, axis=axes, keepdims=True) + a.get("epsilon", 1e-5)) * scale


def _group_norm(a: Attributes, x: Any, scale: Any, shift: Any) -> Any:
    return F.group_norm(x, a["num_groups"], scale, shift, a.get("epsilon", 1e-5))


def _local_response(a: Attributes, x: Any) -> Any:
    return F.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


def _lp_norm(a: Attributes, x: Any) -> Any:
    axis, p = a.get("axis", -1), a.get("p", 2)
    size = xp.sum(xp.abs(x) ** p, axis=axis, keepdims=True) ** (1 / p)
    return x / xp.where(size == 0, np.asarray(1, x.dtype), size)


def _nll(a: Attributes, x: Any, target: Any, weight: Any = None) -> Any:
    ignored = a.get("ignore_index")
    return F.nll_loss(x, number(target), weight, ignored, a.get("reduction", "mean"))


def _cross_entropy(a: Attributes, x: Any, target: Any, weight: Any = None) -> Any:
    loss = F.cross_entropy(x, number(target), weight, a.get("ignore_index"), a.get("reduction", "mean"))
    return (loss, ops["log_softmax"](x, axis=1)) if a["outputs"] > 1 else loss


def _softmax(f: str) -> Any:
    def along(a: Attributes, x: Any) -> Any:
        if a["version"] >= 13:
            return ops[f](x, axis=a.get("axis", -1))
        flat = _flatten({"axis": a.get("axis", 1)}, x)
        return xp.reshape(ops[f](flat, axis=1), x.shape)

    return along


def _hardmax(a: Attributes, x: Any) -> Any:
    axis = a.get("axis", -1)
    best: Any = np.argmax(number(x), axis=axis)
    return np.moveaxis((best[..., None] == np.arange(x.shape[axis])).astype(x.dtype), -1, axis)


def _dropout(a: Attributes, x: Any, ratio: Any = None, training: Any = None) -> Any:
    share = a.get("ratio", 0.5) if ratio is None else float(number(ratio))
    if training is None or not number(training) or share == 0:
        return (x, np.ones(x.shape, bool)) if a["outputs"] > 1 else x
    wanted, hint = "draws no mask while a file is run", "training_mode=False"
    raise NotImplementedError(lesson("ONNX Dropout", wanted, hint=hint))


# --- choosing ---------------------------------------------------------------------------------------------------
def _picking(f: Callable[..., Any]) -> Any:
    def pick(a: Attributes, x: Any) -> Any:
        axis, array = a.get("axis", 0), number(x)
        if a.get("select_last_index"):
            found = array.shape[axis] - 1 - f(np.flip(array, axis), axis=axis)
        else:
            found = f(array, axis=axis)
        return np.expand_dims(found, axis) if a.get("keepdims", 1) else np.asarray(found)

    return pick


def _top_k(a: Attributes, x: Any, k: Any = None) -> Any:
    n, axis, array = int(a["k"] if k is None else number(k).reshape(-1)[0]), a.get("axis", -1), number(x)
    if a.get("largest", 1):
        order = (
            array.shape[axis] - 1 - np.flip(np.argsort(np.flip(array, axis), axis=axis, kind="stable"), axis)
        )
    else:
        order = np.argsort(array, axis=axis, kind="stable")
    index = np.take(order, np.arange(n), axis=axis)
    return xp.take_along_axis(x, index, axis), index


def _cumsum(a: Attributes, x: Any, axis: Any) -> Any:
    along = int(number(axis).reshape(-1)[0]) % x.ndim
    x = xp.flip(x, axis=along) if a.get("reverse") else x
    z = xp.cumsum(x, axis=along)
    z = z - x if a.get("exclusive") else z
    return (xp.flip(z, axis=along) if a.get("reverse") else z).astype(x.dtype)


def _cumprod(a: Attributes, x: Any, axis: Any) -> Any:
    along = int(number(axis).reshape(-1)[0]) % x.ndim
    x = xp.flip(x, axis=along) if a.get("reverse") else x
    if a.get("exclusive"):
        index = (*(slice(None),) * along, slice(0, -1))
        x = xp.concatenate([xp.ones_like(number(x)[(*index[:-1], slice(0, 1))]), x[index]], axis=along)
    z = xp.cumprod(x, axis=along)
    return (xp.flip(z, axis=along) if a.get("reverse") else z).astype(x.dtype)


def _scattering(place: Callable[..., Any]) -> Any:
    def scatter(a: Attributes, x: Any, index: Any, updates: Any) -> Any:
        whole = np.arange(x.size).reshape(x.shape)
        found = place(a, whole, number(index))
        if found.shape != updates.shape:
            raise ValueError(lesson("ONNX Scatter", f"wants updates {found.shape}", f"{updates.shape}"))
        places = found.reshape(-1)
        flat, new = xp.reshape(x, (-1,)), xp.reshape(updates, (-1,))
        how = a.get("reduction", "none")
        if how == "add":
            return xp.reshape(flat + _sums(new, places, x.size), x.shape)
        if how != "none":  # one update after the other, those of one place in turns
            f = {"mul": lambda p, q: p * q, "max": xp.maximum, "min": xp.minimum}[how]
            for turn in _in_turns(places):
                flat = f(flat, _placed(new[turn], places[turn], flat, {"mul": 1}.get(how)))
            return xp.reshape(flat, x.shape)
        source = np.full(x.size, -1)
        source[places] = np.arange(places.size)
        spread = new[np.maximum(source, 0)] if places.size else flat
        return xp.reshape(xp.where(source >= 0, spread, flat), x.shape)

    return scatter


def _in_turns(places: Any) -> list[Any]:
    """Return which updates are the first of their places, which the second, and so on."""
    order = np.argsort(places, kind="stable")
    rank = np.empty_like(places)
    rank[order] = np.arange(places.size) - np.searchsorted(places[order], places[order])
    return [np.flatnonzero(rank == k) for k in range(int(rank.max(initial=-1)) + 1)]


def _placed(new: Any, places: Any, flat: Any, empty: Any) -> Any:
    """Return updates in their places, elsewhere a number, or for None what is there."""
    source = np.full(flat.shape, -1)
    source[places] = np.arange(places.size)
    rest = flat if empty is None else np.asarray(empty, flat.dtype)
    return xp.where(source >= 0, new[np.maximum(source, 0)], rest)


def _sums(new: Any, places: Any, size: int) -> Any:
    from clearprop.ops.index import ARRAY

    return ops["scatter"](new, places, index=(ARRAY,), shape=(size,))


def _elements(a: Attributes, whole: Any, where: Any) -> Any:
    axis = range(whole.ndim)[a.get("axis", 0)]
    grid = list(np.indices(where.shape, sparse=True))
    grid[axis] = where
    return whole[tuple(grid)]


def _rows(a: Attributes, whole: Any, where: Any) -> Any:
    return whole[tuple(np.moveaxis(where, -1, 0))]


def _range(a: Attributes, start: Any, limit: Any, step: Any) -> Any:
    return np.arange(*(number(x).reshape(()) for x in (start, limit, step)), dtype=number(start).dtype)


def _of_shape(a: Attributes, shape: Any) -> Any:
    value = a.get("value")
    fill = np.zeros(1, np.float32) if value is None else value
    return np.full(tuple(number(shape).tolist()), fill.reshape(-1)[0], fill.dtype)


def _constant(a: Attributes) -> Any:
    for name, kind in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in a:
            return np.asarray(a[name], kind)
    if "value" not in a:
        raise NotImplementedError(lesson("ONNX Constant", "holds numbers", ", ".join(a)))
    return a["value"]


def _cast(a: Attributes, x: Any) -> Any:
    return x.astype(known_dtype("ONNX Cast", a["dtype"](a["to"])))


def known_dtype(called: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype of NumPy's for real numbers; NotImplementedError for any other, such as bfloat16."""
    if dtype.kind not in "fiub" or dtype.type.__module__ != "numpy":
        raise NotImplementedError(
            lesson(called, "wants real numbers that NumPy has", f"{dtype}", hint="float32")
        )
    return dtype


def _cast_like(a: Attributes, x: Any, y: Any) -> Any:
    return x.astype(y.dtype)


def _largest(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The maximum; of nothing the least number there is."""
    if x.size:
        return xp.max(x, axis=axis, keepdims=keepdims)
    return np.max(number(x), axis=axis, keepdims=keepdims, initial=_end(x.dtype, -1))


def _smallest(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The minimum; of nothing the largest number there is."""
    if x.size:
        return xp.min(x, axis=axis, keepdims=keepdims)
    return np.min(number(x), axis=axis, keepdims=keepdims, initial=_end(x.dtype, 1))


def _end(dtype: np.dtype[Any], sign: int) -> Any:
    if dtype.kind == "f":
        return sign * np.inf
    return sign > 0 if dtype.kind == "b" else (np.iinfo(dtype).max if sign > 0 else np.iinfo(dtype).min)


def _eye(a: Attributes, x: Any) -> Any:
    dtype = a["dtype"](a["dtype_code"]) if "dtype_code" in a else x.dtype
    return xp.eye(*x.shape, k=a.get("k", 0), dtype=dtype)


def _einsum(a: Attributes, *xs: Any) -> Any:
    return xp.einsum(a["equation"].replace(" ", ""), *xs)


def _prelu(a: Attributes, x: Any, slope: Any) -> Any:
    if slope.ndim == 1 < x.ndim and a["version"] < 7:  # one for each channel, before shapes were told so
        slope = xp.reshape(slope, (-1, *(1,) * (x.ndim - 2)))
    return xp.where(x >= 0, x, slope * x)


def _gelu(a: Attributes, x: Any) -> Any:
    return F.gelu(x, a.get("approximate", "none"))


def _hard_sigmoid(a: Attributes, x: Any) -> Any:
    return xp.maximum(0, xp.minimum(1, a.get("alpha", 0.2) * x + a.get("beta", 0.5))).astype(x.dtype)


def _shrink(a: Attributes, x: Any) -> Any:
    bias, edge = a.get("bias", 0.0), a.get("lambd", 0.5)
    return xp.where(x < -edge, x + bias, xp.where(x > edge, x - bias, 0 * x)).astype(x.dtype)


def _selu(a: Attributes, x: Any) -> Any:
    alpha, gamma = a.get("alpha", 1.67326319217681884765625), a.get("gamma", 1.05070102214813232421875)
    return gamma * xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0)))


def _elu(a: Attributes, x: Any) -> Any:
    return xp.where(x > 0, x, a.get("alpha", 1.0) * xp.expm1(xp.minimum(x, 0))).astype(x.dtype)


def _celu(a: Attributes, x: Any) -> Any:
    return F.celu(x, a.get("alpha", 1.0))


def _thresholded(a: Attributes, x: Any) -> Any:
    return xp.where(x > a.get("alpha", 1.0), x, 0 * x)


def _is_inf(a: Attributes, x: Any) -> Any:
    z = number(x)
    positive, negative = a.get("detect_positive", 1), a.get("detect_negative", 1)
    return ((z == np.inf) & bool(positive)) | ((z == -np.inf) & bool(negative))


def _mean(a: Attributes, *xs: Any) -> Any:
    return _folded(lambda x, y: x + y)(a, *xs) / np.asarray(len(xs), xs[0].dtype)


def _variance(a: Attributes, x: Any) -> Any:
    axes = tuple(a.get("axes", (0, 2, 3)))
    away = x - xp.mean(x, axis=axes, keepdims=True)
    return away / (xp.sqrt(xp.mean(away * away, axis=axes, keepdims=True)) + 1e-9)


def _shift(a: Attributes, x: Any, y: Any) -> Any:
    return x << y if a["direction"] == "LEFT" else x >> y


def _compress(a: Attributes, x: Any, chosen: Any) -> Any:
    index = np.flatnonzero(number(chosen))
    return xp.take(x, index, axis=a.get("axis"))


def _nonzero(a: Attributes, x: Any) -> Any:
    return np.stack(np.nonzero(number(x))) if np.ndim(number(x)) else np.zeros((0, 1), np.int64)


def _concat(a: Attributes, *xs: Any) -> Any:
    return xp.concatenate(xs, axis=a["axis"])


def _reverse(a: Attributes, x: Any, lengths: Any) -> Any:
    """Turn the first entries of each sequence about."""
    time, batch = a.get("time_axis", 0), a.get("batch_axis", 1)
    rows = np.arange(x.shape[time])[:, None]
    n = number(lengths)[None, :]
    index = np.where(rows < n, n - 1 - rows, rows)
    moved = xp.moveaxis(x, (time, batch), (0, 1))
    return xp.moveaxis(moved[index, np.arange(x.shape[batch])[None, :]], (0, 1), (time, batch))


def _log_sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return xp.log(xp.sum(x, axis=axis, keepdims=keepdims))


# fmt: off
OPERATORS: dict[str, Callable[..., Any]] = {
    **{name: _unary(f) for name, f in {
        "Abs": xp.abs, "Acos": xp.arccos, "Acosh": xp.arccosh, "Asin": xp.arcsin, "Asinh": xp.arcsinh, "Atan": xp.arctan, "Atanh": xp.arctanh,
        "Ceil": xp.ceil, "Cos": xp.cos, "Cosh": xp.cosh, "Exp": xp.exp, "Floor": xp.floor, "Identity": lambda x: x, "IsNaN": xp.isnan, "Log": xp.log,
        "Neg": xp.negative, "Not": xp.logical_not, "Reciprocal": xp.reciprocal, "Round": xp.rint, "Sign": xp.sign, "Sin": xp.sin, "Sinh": xp.sinh, "Sqrt": xp.sqrt,
        "Tan": xp.tan, "Tanh": xp.tanh, "BitwiseNot": xp.invert, "Det": xp.linalg.det, "Erf": lambda x: ops["erf"](x), "Sigmoid": lambda x: ops["sigmoid"](x),
        "Relu": lambda x: ops["relu"](x), "Softplus": lambda x: ops["softplus"](x), "Softsign": F.softsign, "Mish": F.mish, "HardSwish": F.hardswish,
        "Size": lambda x: np.asarray(x.size, np.int64),
    }.items()},
    **{name: _binary(f) for name, f in {
        "Add": lambda x, y: x + y, "Sub": lambda x, y: x - y, "Mul": lambda x, y: x * y, "Div": _whole_division, "MatMul": lambda x, y: x @ y, "And": xp.logical_and,
        "Or": xp.logical_or, "Xor": xp.logical_xor, "Equal": xp.equal, "Less": xp.less, "LessOrEqual": xp.less_equal, "Greater": xp.greater,
        "GreaterOrEqual": xp.greater_equal, "BitwiseAnd": xp.bitwise_and, "BitwiseOr": xp.bitwise_or, "BitwiseXor": xp.bitwise_xor,
    }.items()},
    **{name: _folded(f) for name, f in {"Max": xp.maximum, "Min": xp.minimum, "Sum": lambda x, y: x + y}.items()},
    "ReduceSum": _reducing(xp.sum), "ReduceMean": _reducing(xp.mean), "ReduceMax": _reducing(_largest), "ReduceMin": _reducing(_smallest), "ReduceProd": _reducing(xp.prod),
    "ReduceL1": _reducing(xp.sum, before=xp.abs), "ReduceL2": _reducing(xp.sum, before=xp.square, after=xp.sqrt), "ReduceSumSquare": _reducing(xp.sum, before=xp.square),
    "ReduceLogSum": _reducing(_log_sum), "ReduceLogSumExp": _reducing(lambda x, **how: ops["logsumexp"](x, **how)),
    "Mean": _mean, "Mod": _mod, "Pow": _power, "Gemm": _gemm, "Clip": _clip, "Where": lambda a, c, x, y: xp.where(c, x, y), "Reshape": _reshape, "Flatten": _flatten,
    "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Slice": _slice, "Expand": _expand, "Pad": _pad, "Split": _split, "Shape": _shape, "Gather": _gather,
    "GatherElements": _gather_elements, "GatherND": _gather_nd, "OneHot": _one_hot, "Tile": _tile, "Transpose": _transpose, "Trilu": _trilu, "Concat": _concat,
    "DepthToSpace": _depth_to_space, "SpaceToDepth": _space_to_depth, "Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _max_pool, "AveragePool": _average_pool,
    "GlobalAveragePool": _over_all(xp.mean), "GlobalMaxPool": _over_all(xp.max), "LpPool": _lp_pool, "BatchNormalization": _batch_norm, "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm, "GroupNormalization": _group_norm, "LRN": _local_response, "LpNormalization": _lp_norm,
    "NegativeLogLikelihoodLoss": _nll, "SoftmaxCrossEntropyLoss": _cross_entropy, "Softmax": _softmax("softmax"), "LogSoftmax": _softmax("log_softmax"), "Hardmax": _hardmax,
    "Dropout": _dropout, "ArgMax": _picking(np.argmax), "ArgMin": _picking(np.argmin), "TopK": _top_k, "CumSum": _cumsum, "CumProd": _cumprod, "ScatterElements": _scattering(_elements),
    "Scatter": _scattering(_elements), "ScatterND": _scattering(_rows), "Range": _range, "ConstantOfShape": _of_shape, "Constant": _constant, "Cast": _cast, "CastLike": _cast_like,
    "EyeLike": _eye, "Einsum": _einsum, "PRelu": _prelu, "Gelu": _gelu, "HardSigmoid": _hard_sigmoid, "Shrink": _shrink, "Selu": _selu, "Elu": _elu, "Celu": _celu,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)), "ThresholdedRelu": _thresholded, "IsInf": _is_inf, "MeanVarianceNormalization": _variance,
    **RECURRENT, **RESIZING, **FUSED, "Attention": attention, "BitShift": _shift, "Compress": _compress, "NonZero": _nonzero, "ReverseSequence": _reverse, "Swish": lambda a, x: x * ops["sigmoid"](a.get("alpha", 1.0) * x),
}
# fmt: on
