"""Normalisation: mean 0 and variance 1 over a batch, over the features of a row, over groups of channels."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import takes_truths
from clearprop.modes import no_grad
from clearprop.nn.functional.layer import arrayed, fitted, in_float32
from clearprop.op import describe
from clearprop.record import assign, read
from clearprop.registry import ops
from clearprop.tensor import Tensor

_parts: list[tuple[Callable[[Any], Any], Any, bool]] = []  # of a batch of several processes: see `together`


@contextmanager
def together(mean: Callable[[Any], Any], pieces: Any, is_whole: bool = False) -> Iterator[None]:
    """Inside the block `batch_norm` sees the whole batch of which `x` is one of so many pieces.

    So do the running statistics of `instance_norm`. `mean` returns the mean over the pieces of what each
    computes, and passes gradients on likewise. With `is_whole` each piece is the whole batch.
    """
    _parts.append((mean, pieces, is_whole))
    try:
        yield
    finally:
        _parts.pop()


@in_float32
@takes_truths
def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return (x - mean) / sqrt(var + eps) * weight + bias, mean and variance those of each channel (axis 1).

    In training they are the batch's (the variance divided by n), and the running ones, which have to be
    Tensors that can be assigned, become (1 - momentum) old + momentum new, with the variance divided by
    n - 1; otherwise they are the running ones. Source: Ioffe and Szegedy, "Batch normalization", 2015. Raises
    ValueError for running statistics that cannot change, for one number per channel in training, and for a
    wrong count of channels.

    >>> batch_norm(np.array([[1.0], [3.0]]), None, None, training=True, eps=0.0)
    array([[-1.],
           [ 1.]])
    """
    x = arrayed(x)
    if len(x.shape) < 2:
        raise ValueError(
            lesson("batch_norm(x)", "wants a batch of channels, (n, channels, ...)", describe(x))
        )
    _fits("batch_norm", x, (x.shape[1],), running_mean, running_var, weight, bias)
    if not training:
        mean, var = (_along_channels(t, x) for t in (running_mean, running_var))
        return _scaled((x - mean) / np.sqrt(var + eps), weight, bias)
    axes = (0, *range(2, len(x.shape)))
    if x.size == 0:
        return _scaled(x * 1.0, weight, bias)  # nothing that the running statistics could follow
    count: Any = x.size // x.shape[1]
    among, pieces, is_whole = _parts[-1] if _parts else (None, 1, True)
    if count == 1 and is_whole:
        wanted = "wants more than one number per channel while training"
        hint = "a larger batch, or model.eval()"
        raise ValueError(lesson("batch_norm(x)", wanted, describe(x), hint=hint))
    z, mean, var = _standardised(x, axes, eps, among)
    mean, var, count = mean.reshape(-1), var.reshape(-1), count * pieces
    with no_grad():
        _follow(running_mean, mean, momentum)
        _follow(running_var, var * (count / (count - 1)), momentum)
    return _scaled(z, weight, bias)


@in_float32
@takes_truths
def instance_norm(
    x: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Return what `batch_norm` returns, but with mean and variance of each channel of each row by itself.

    The running statistics follow the mean of the rows'. Source: Ulyanov et al., "Instance normalization",
    2016. Raises ValueError for channels of one number.

    >>> instance_norm(np.array([[[1.0, 3.0], [5.0, 9.0]]]), eps=0.0)
    array([[[-1.,  1.],
            [-1.,  1.]]])
    """
    x = arrayed(x)
    if len(x.shape) < 3:
        wanted = "wants channels of several numbers, (n, channels, ...)"
        raise ValueError(lesson("instance_norm(x)", wanted, describe(x), hint="batch_norm(x)"))
    _fits("instance_norm", x, (x.shape[1],), running_mean, running_var, weight, bias)
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    axes = tuple(range(2, len(x.shape)))
    if x.size == 0:
        return _scaled(x * 1.0, weight, bias)
    count = x.size // (x.shape[0] * x.shape[1])
    if count == 1:
        wanted = "wants more than one number per channel while training"
        raise ValueError(lesson("instance_norm(x)", wanted, describe(x), hint="model.eval()"))
    z, mean, var = _standardised(x, axes, eps)
    among = _parts[-1][0] if _parts else None
    with no_grad():
        for running, rows, factor in ((running_mean, mean, 1.0), (running_var, var, count / (count - 1))):
            if running is not None:
                of_rows = rows.reshape(x.shape[:2]).mean(axis=0)
                _follow(running, (of_rows if among is None else among(of_rows)) * factor, momentum)
    return _scaled(z, weight, bias)


@in_float32
def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Return (x - mean) / sqrt(var + eps) * weight + bias over the last axes, those of `normalized_shape`.

    Source: Ba et al., "Layer normalization", 2016. Raises ValueError where x does not end in that shape.

    >>> layer_norm(np.array([[1.0, 3.0], [10.0, 30.0]]), 2, eps=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x = arrayed(x)
    axes = _last_axes("layer_norm", x, normalized_shape, weight, bias)
    z = _standardised(x, axes, eps)[0]
    z = z if weight is None else z * fitted(weight, z)
    return z if bias is None else z + fitted(bias, z)


@in_float32
def rms_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None
) -> Any:
    """Return x / sqrt(mean(x^2) + eps) * weight over the last axes; eps is the dtype's for None.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    >>> rms_norm(np.array([[3.0, 4.0]]), 2).round(4)
    array([[0.8485, 1.1314]])
    """
    x = arrayed(x)
    axes = _last_axes("rms_norm", x, normalized_shape, weight, None)
    if eps is None:
        eps = float(np.finfo(x.dtype).eps)
    z = x / np.sqrt(np.mean(np.square(x), axis=axes, keepdims=True) + eps)
    return z if weight is None else z * fitted(weight, z)


@in_float32
def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Return (x - mean) / sqrt(var + eps) * weight + bias over each of `num_groups` groups of channels.

    The channels are axis 1. Source: Wu and He, "Group normalization", 2018. Raises ValueError where the
    groups do not come out even.

    >>> group_norm(np.array([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    x = arrayed(x)
    if len(x.shape) < 2 or num_groups < 1 or x.shape[1] % num_groups:
        wanted = f"wants channels (axis 1) in {num_groups} groups of one size"
        raise ValueError(lesson("group_norm(x)", wanted, describe(x), hint="a divisor of the channels"))
    _fits("group_norm", x, (x.shape[1],), weight, bias)
    groups = x.reshape(x.shape[0], num_groups, x.shape[1] // num_groups, *x.shape[2:])
    z = _standardised(groups, tuple(range(2, len(groups.shape))), eps)[0].reshape(x.shape)
    return _scaled(z, weight, bias)


@in_float32
def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Return x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels (axis 1).

    Channels beyond the first and the last count as 0. Source: Krizhevsky et al., "ImageNet classification
    with deep convolutional neural networks", 2012.

    >>> local_response_norm(np.ones((1, 2, 1)), 2, alpha=1.0, beta=1.0).ravel().round(4)
    array([0.6667, 0.5   ])
    """
    x = arrayed(x)
    if len(x.shape) < 3 or size < 1:
        wanted = "wants (n, channels, ...) and a size of 1 or more"
        raise ValueError(lesson("local_response_norm(x)", wanted, f"{describe(x)}, size {size}"))
    squares = np.square(x)
    margins = [(0, 0), (size // 2, (size - 1) // 2), *((0, 0) for _ in x.shape[2:])]
    padded = np.pad(squares, margins)
    total: Any = 0
    for i in range(size):
        total = total + padded[:, i : i + x.shape[1]]
    return x / (total * (alpha / size) + k) ** beta


# --- what they share ----------------------------------------------------------------------------------------
def _standardised(
    x: Any, axes: tuple[int, ...], eps: float, among: Callable[[Any], Any] | None = None
) -> tuple[Any, Any, Any]:
    """Return (x - mean) / sqrt(var + eps) over the axes, with the mean and the variance, axes of length 1.

    The variance is the mean of squares of what is left of x without its mean: a large mean costs no digits.
    """
    mean = ops["mean"](x, axis=axes, keepdims=True)
    mean = mean if among is None else among(mean)
    centred = x - mean
    var = ops["mean"](ops["square"](centred), axis=axes, keepdims=True)
    var = var if among is None else among(var)
    return centred / ops["sqrt"](var + eps), mean, var


def _scaled(z: Any, weight: Any, bias: Any) -> Any:
    z = z if weight is None else z * _along_channels(weight, z)
    return z if bias is None else z + _along_channels(bias, z)


def _along_channels(t: Any, x: Any) -> Any:
    return fitted(t, x).reshape(1, -1, *(1 for _ in x.shape[2:]))


def _follow(running: Any, new: Any, momentum: float) -> None:
    """Move a running statistic towards the batch's."""
    if running is None:
        return
    if not isinstance(running, Tensor):
        wanted = "wants running statistics that can change"
        hint = "nn.Buffer(running_mean), or None, or training=False"
        raise ValueError(lesson("batch_norm(training=True)", wanted, type(running).__name__, hint=hint))
    new = ops["detach"](new) if isinstance(new, Tensor) else new
    followed = read(running) * (1 - momentum) + new * momentum
    assign(running, followed.astype(running.dtype) if followed.dtype != running.dtype else followed)


def _fits(called: str, x: Any, shape: tuple[int, ...], *tensors: Any) -> None:
    for t in tensors:
        if t is not None and arrayed(t).shape != shape:
            wanted = f"wants one number per channel, {shape}"
            raise ValueError(lesson(f"{called}(x)", wanted, f"{arrayed(t).shape}", f"x is {describe(x)}."))


def _last_axes(called: str, x: Any, shape: Any, *tensors: Any) -> tuple[int, ...]:
    """Return the axes of `shape`, having complained unless x ends in it and the tensors have it."""
    shape = as_shape(shape)
    if not shape or x.shape[-len(shape) :] != shape:
        wanted = f"wants an array that ends in {shape}"
        raise ValueError(lesson(f"{called}(x)", wanted, describe(x), hint=f"normalized_shape={x.shape[-1:]}"))
    for t in tensors:
        if t is not None and arrayed(t).shape != shape:
            raise ValueError(lesson(f"{called}(weight, bias)", f"wants {shape}", f"{arrayed(t).shape}"))
    return tuple(range(-len(shape), 0))


def as_shape(shape: Any) -> tuple[int, ...]:
    """Return a shape that was given as one number or several, of which an array may hold them.

    >>> as_shape(3), as_shape((2, 3)), as_shape(np.array([2, 3]))
    ((3,), (2, 3), (2, 3))
    """
    alone = getattr(shape, "ndim", 0) == 0 and hasattr(shape, "__index__")
    try:
        found = (operator.index(shape),) if alone else tuple(map(operator.index, shape))
    except TypeError:
        found = ()
    if not found or isinstance(shape, (bool, str)):
        wanted, hint = "wants the lengths of the last axes as whole numbers", "normalized_shape=x.shape[-1]"
        raise TypeError(lesson("normalized_shape=", wanted, f"{shape!r:.40}", "", hint))
    return found
