"""Dropout as functions: of entries, of whole channels, and the kinds that keep mean and variance."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import refuse_texts, takes_truths
from clearprop.nn.functional.activation import SELU_ALPHA, SELU_SCALE
from clearprop.nn.functional.layer import arrayed
from clearprop.op import describe
from clearprop.ops import random
from clearprop.tensor import Tensor

LOWEST = -SELU_SCALE * SELU_ALPHA  # what selu tends to far below 0


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Set each entry to 0 with probability `p` and divide the others by 1 - p; do nothing unless training.

    The random numbers come from `clearprop.ops.random`, so the mask is a node of the graph like any other.

    >>> from clearprop import manual_seed
    >>> manual_seed(0)
    >>> sorted(set(dropout(np.ones(100), 0.5).value))
    [np.float64(0.0), np.float64(2.0)]
    """
    probability("dropout", p, training)
    if not training or p == 0:
        return x
    x = arrayed(x)
    return _dropped(x, p, x.shape)


def dropout1d(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Drop whole channels of `x`, (n, channels, length) or (channels, length).

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    >>> from clearprop import manual_seed
    >>> manual_seed(0)
    >>> dropped = dropout1d(np.ones((1, 8, 3)), 0.5)
    >>> sorted(set(dropped.sum(axis=-1).value.ravel()))
    [np.float64(0.0), np.float64(6.0)]
    """
    return _channels_dropped("dropout1d", x, p, training, 1)


def dropout2d(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Drop whole channels of `x`, (n, channels, height, width); see `dropout1d`.

    >>> z = dropout2d(np.ones((2, 3, 4, 4)), 0.5)
    >>> bool(((z == 0) | (z == 2)).all())
    True
    >>> bool((z == z[..., :1, :1]).all())  # a channel is dropped whole
    True
    """
    return _channels_dropped("dropout2d", x, p, training, 2)


def dropout3d(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Drop whole channels of `x`, (n, channels, depth, height, width) or that without n; see `dropout1d`.

    >>> z = dropout3d(np.ones((2, 3, 2, 4, 4)), 0.5)
    >>> bool(((z == 0) | (z == 2)).all())
    True
    >>> bool((z == z[..., :1, :1, :1]).all())  # a channel is dropped whole
    True
    """
    return _channels_dropped("dropout3d", x, p, training, 3)


def alpha_dropout(x: Any, p: float = 0.5, training: bool = False) -> Any:
    """Set entries to -1.7581, selu's lowest, with probability `p`; mean and variance stay.

    y = a (m x + (1 - m) l) + b, m the mask, l = -1.7581, a = ((1 - p) (1 + p l^2))^(-1/2), b = -a p l.
    Source: Klambauer et al., "Self-normalizing neural networks", 2017.

    >>> alpha_dropout(np.ones(2), 0.5)
    array([1., 1.])
    """
    x = arrayed(x)
    return _kept_alike("alpha_dropout", x, p, training, x.shape)


@takes_truths
def feature_alpha_dropout(x: Any, p: float = 0.5, training: bool = False) -> Any:
    """Do the same as `alpha_dropout` to whole channels of `x`, (n, channels, ...).

    >>> z = feature_alpha_dropout(np.zeros((2, 3, 4)), 0.5, training=True)
    >>> bool((z == z[..., :1]).all())  # a channel is dropped whole
    True
    """
    x = arrayed(x)
    if len(x.shape) < 2:
        wanted = "wants a batch of channels, (n, channels, ...)"
        raise ValueError(lesson("feature_alpha_dropout(x)", wanted, describe(x), hint="alpha_dropout(x)"))
    return _kept_alike("feature_alpha_dropout", x, p, training, _per_channel(x))


def probability(called: str, p: float, training: Any = True) -> None:
    """Complain unless p is a probability, and `training` no text."""
    if training.__class__ is str:
        refuse_texts(called, training=training)
    if isinstance(p, str) or not 0 <= p <= 1:
        raise ValueError(lesson(f"{called}(p=)", "wants a probability from 0 to 1", f"{p!r}", hint="p=0.5"))


def _keep(shape: tuple[int, ...], p: float) -> Any:
    kept = random.uniform(shape, dtype=np.float32) >= p
    if isinstance(kept, Tensor) and kept.op is None:
        kept.name = "mask"  # what a drawing calls it
    return kept


def _dropped(x: Any, p: float, shape: tuple[int, ...]) -> Any:
    return np.where(_keep(shape, p), x * (1 / (1 - p)) if p < 1 else x, 0)


def _per_channel(x: Any) -> tuple[int, ...]:
    return (*x.shape[:2], *(1 for _ in x.shape[2:]))


def _channels_dropped(called: str, x: Any, p: float, training: bool, axes: int) -> Any:
    """Drop channels of `x`, which has `axes` axes after them; without a batch the channels come first."""
    probability(called, p, training)
    x = arrayed(x)
    alone = len(x.shape) == axes + 1 and axes != 2  # PyTorch takes three axes for (n, channels, length)
    if not (alone or len(x.shape) == axes + 2 or (axes == 2 and len(x.shape) == 3)):
        wanted = f"wants (n, channels, {axes} more)"
        raise ValueError(lesson(f"{called}(x)", wanted, describe(x), hint="dropout(x) for single entries"))
    if not training or p == 0:
        return x
    return _dropped(x, p, (x.shape[0], *(1 for _ in x.shape[1:])) if alone else _per_channel(x))


def _kept_alike(called: str, x: Any, p: float, training: bool, shape: tuple[int, ...]) -> Any:
    probability(called, p, training)
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    a = ((1 - p) * (1 + p * LOWEST**2)) ** -0.5
    return a * np.where(_keep(shape, p), x, LOWEST) - a * p * LOWEST
