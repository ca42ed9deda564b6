"""Rows of a table by number: embeddings, bags of them, and labels as 0s and a 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.hints import takes_truths
from clearprop.modes import no_grad
from clearprop.nn.functional.layer import arrayed, fitted, recording
from clearprop.op import describe
from clearprop.ops.index import ARRAY
from clearprop.ops.shape import entries
from clearprop.record import assign, read
from clearprop.registry import ops
from clearprop.tensor import Tensor


@takes_truths
def embedding(
    x: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Any:
    """Return the rows of `weight` (count, size) that the integers `x` name: (..., size).

    Row `padding_idx` receives no gradient. With `max_norm` the rows that are named are first shortened to
    that `norm_type`-norm, in `weight` itself, which has to be a Tensor. With `scale_grad_by_freq` each row's
    gradient is divided by how often x names it, at each pass: a gradient of a gradient twice. Raises
    IndexError for a number that is no row.

    >>> embedding(np.array([1, 0, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.],
           [1., 2.],
           [3., 4.]])
    """
    x, padding = _named("embedding", x, weight), _place("embedding", padding_idx, weight)
    if max_norm is not None:
        _shorten(x, weight, max_norm, norm_type)
    rows = ops["getitem"](arrayed(weight), x)
    if padding is not None:
        rows = np.where((x == padding)[..., None], ops["detach"](rows), rows)
    if scale_grad_by_freq:
        often = ops["getitem"](_frequency(x, weight.shape[0]), x)[..., None]
        rows = ops["detach"](rows) + (rows - ops["detach"](rows)) / often.astype(rows.dtype)
    return rows


@takes_truths
def embedding_bag(
    x: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """Return the sum, mean or max of the rows of `weight` in each bag: (bags, size); 0 for an empty bag.

    The bags are the rows of integers `x` (bags, length), or the stretches of a vector that start at
    `offsets`. `per_sample_weights` multiplies the rows of a sum. Entries of `padding_idx` belong to no bag.

    >>> table = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> embedding_bag(np.array([0, 1, 1]), table, np.array([0, 2]))
    array([[2., 3.],
           [3., 4.]])
    """
    x, padding = _named("embedding_bag", x, weight), _place("embedding_bag", padding_idx, weight)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(lesson("embedding_bag(mode=)", "is 'sum', 'mean' or 'max'", f"{mode!r}"))
    if per_sample_weights is not None and (mode != "sum" or arrayed(per_sample_weights).shape != x.shape):
        wanted, got = f"wants mode='sum' and weights {x.shape}", f"{mode!r}, {np.shape(per_sample_weights)}"
        raise ValueError(lesson("embedding_bag(per_sample_weights=)", wanted, got))
    starts = _starts(x, offsets, include_last_offset)
    flat = x.reshape(-1)
    inside = None if padding is None else flat != padding
    rows = embedding(flat, weight, padding, max_norm, norm_type, scale_grad_by_freq)
    if mode == "max":
        return _largest(rows, inside, x, starts)
    if per_sample_weights is not None:
        rows = rows * fitted(per_sample_weights, rows).reshape(-1, 1)
    if inside is not None:
        rows = np.where(inside[:, None], rows, 0)
    total = _summed(rows, x, starts)
    if mode == "sum":
        return total
    members = np.ones(flat.shape, rows.dtype) if inside is None else inside.astype(rows.dtype)
    return total / np.maximum(_summed(members, x, starts), 1)[:, None]


def one_hot(x: Any, num_classes: int = -1) -> Any:
    """Return int64 0s with a 1 at the place that each integer names, along a new last axis.

    `num_classes` of -1 takes the largest integer for the last place. Raises ValueError for an integer beyond
    the places or below 0; a later call of a compiled step raises IndexError.

    >>> one_hot(np.array([0, 2]))
    array([[1, 0, 0],
           [0, 0, 1]])
    """
    x = arrayed(x)
    values = entries(x)
    if x.dtype.kind not in "iu":
        raise TypeError(lesson("one_hot(x)", "wants integers", describe(x), hint="x.astype(np.int64)"))
    if num_classes == -1:
        if recording() and isinstance(x, Tensor):
            wanted = "wants num_classes= in a compiled step: a shape cannot depend on values"
            raise ValueError(lesson("one_hot(x)", wanted, hint="one_hot(x, num_classes=10)"))
        num_classes = int(values.max(initial=0)) + 1
    if values.size and not (values.min() >= 0 and values.max() < num_classes):
        wanted = f"wants integers from 0 to {num_classes - 1}"
        raise ValueError(lesson("one_hot(x)", wanted, f"{values.min()} to {values.max()}"))
    if recording() and isinstance(x, Tensor):  # nobody needs what is picked: the index is looked at
        ops["getitem"](np.zeros(num_classes, bool), _from_zero(x, num_classes))
    return (x[..., None] == np.arange(num_classes)).astype(np.int64)


def bilinear(a: Any, b: Any, weight: Any, bias: Any = None) -> Any:
    """Return sum_ij a_i weight[o, i, j] b_j + bias[o] along the last axis.

    >>> bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [10.0]]]))
    array([63.])
    """
    a, b = fitted(a, weight), fitted(b, weight)
    weight = fitted(weight, a)
    z = np.einsum("...i,oij,...j->...o", a, weight, fitted(b, a))
    return z if bias is None else z + bias


def _named(called: str, x: Any, weight: Any) -> Any:
    """Return integers, having complained about others and about numbers that are no rows."""
    x = arrayed(x)
    if x.dtype.kind not in "iu":
        hint = "x.astype(np.int64)"
        raise TypeError(lesson(f"{called}(x, weight)", "wants integers", describe(x), hint=hint))
    values, count = entries(x), weight.shape[0]
    if values.size and not (values.min() >= 0 and values.max() < count):
        wanted = f"wants rows from 0 to {count - 1}"
        hint = f"a table of {values.max() + 1} rows" if values.min() >= 0 else "rows counted from 0"
        got = f"{values.min()} to {values.max()}"
        raise IndexError(lesson(f"{called}(x, weight)", wanted, got, at_line(), hint))
    return _from_zero(x, count) if recording() else x


def _from_zero(x: Any, count: int) -> Any:
    """Return integers with `count` or more for those below 0, which would count from the end."""
    if x.dtype.kind != "i":
        return x
    return np.where(x < 0, x.dtype.type(min(count, np.iinfo(x.dtype).max)), x)


def _place(called: str, padding_idx: int | None, weight: Any) -> int | None:
    if padding_idx is None:
        return None
    count: int = weight.shape[0]
    if not -count <= padding_idx < count:
        wanted = f"wants a row from {-count} to {count - 1}"
        raise ValueError(lesson(f"{called}(padding_idx=)", wanted, f"{padding_idx}"))
    return padding_idx % count


def _shorten(x: Any, weight: Any, max_norm: float, norm_type: float) -> None:
    """Shorten the rows that x names to max_norm."""
    if not isinstance(weight, Tensor):
        wanted = "changes the weight, which has to be a Tensor"
        raise TypeError(lesson("embedding(max_norm=)", wanted, type(weight).__name__, hint="Tensor(weight)"))
    with no_grad():
        table = read(weight)
        lengths = np.linalg.norm(table, norm_type, axis=1)
        named = _frequency(x, weight.shape[0]) > 0
        scale = np.where(np.logical_and(named, lengths > max_norm), max_norm / (lengths + 1e-7), 1)
        assign(weight, table * scale.astype(weight.dtype)[:, None])


def _frequency(x: Any, count: int) -> Any:
    """Return how often each row is named."""
    return ops["scatter"](np.ones(x.shape), x, index=(ARRAY,), shape=(count,))


def _starts(x: Any, offsets: Any, last: bool) -> Any:
    """Return where each bag of a vector begins, or None for the rows of a matrix."""
    if len(x.shape) == 2:
        if offsets is not None:
            raise ValueError(lesson("embedding_bag(offsets=)", "belongs to a vector x", describe(x)))
        return None
    if offsets is None or len(x.shape) != 1:
        wanted = "wants x as (bags, length), or as a vector with offsets"
        raise ValueError(lesson("embedding_bag(x, weight, offsets)", wanted, describe(x)))
    starts = arrayed(offsets)
    values = entries(starts)
    if values.dtype.kind not in "iu" or len(starts.shape) != 1 or values.size == 0 or np.any(values[..., 0]):
        wanted = "wants integers that begin with 0"
        raise ValueError(lesson("embedding_bag(offsets=)", wanted, f"{values}"))
    if np.any(np.diff(values) < 0) or np.any(values[..., -1] > x.shape[0]):
        wanted = f"wants rising offsets up to {x.shape[0]}"
        raise ValueError(lesson("embedding_bag(offsets=)", wanted, f"{values}"))
    if last and np.any(values[..., -1] != x.shape[0]):
        wanted = f"wants the end of x, {x.shape[0]}, as the last one"
        raise ValueError(
            lesson("embedding_bag(offsets=)", wanted, f"{values}", hint="include_last_offset=False")
        )
    return starts[: starts.shape[0] - last]


def _summed(rows: Any, x: Any, starts: Any) -> Any:
    """Return the sum of the rows in each bag: no array of all bags by all entries arises."""
    if starts is None:
        return np.sum(rows.reshape((*x.shape, *rows.shape[1:])), axis=1)
    bag = np.searchsorted(starts, np.arange(x.shape[0]), side="right") - 1
    return ops["scatter"](rows, bag, index=(ARRAY,), shape=(starts.shape[0], *rows.shape[1:]))


def _largest(rows: Any, inside: Any, x: Any, starts: Any) -> Any:
    """Return the largest entries in each bag: bags of a vector are lengthened to the longest one first.

    A compiled step plans for one that holds all, as the lengths may be others at the next call.
    """
    count = x.shape[0]
    if rows.shape[0] == 0:
        return np.zeros((count if starts is None else starts.shape[0], rows.shape[1]), rows.dtype)
    if starts is None:
        rows = rows.reshape((*x.shape, rows.shape[1]))
        inside = np.ones(x.shape, bool) if inside is None else inside.reshape(x.shape)
    else:
        ends = np.concatenate([starts[1:], np.array([count])])
        longest = count if recording() else max(int(np.max(entries(ends - starts))), 1)
        places = starts[:, None] + np.arange(longest)
        within, places = places < ends[:, None], np.minimum(places, count - 1)
        rows = ops["getitem"](rows, places)
        inside = within if inside is None else np.logical_and(within, ops["getitem"](inside, places))
    top = np.max(np.where(inside[:, :, None], rows, -np.inf), axis=1)
    return np.where(np.any(inside, axis=1)[:, None], top, 0)
