"""Second derivatives where entries tie: the mean of those of all orders in which they might stand.

A function F of the largest of n that tie has F'' in one of n places, and the mean of these is F'' / n on the
diagonal. A function F of sorted entries that tie has P^T G P for each permutation P of them, with G = F''.
The rule, which shares what arrives, knows of the mean of equal ones alone. By what they are above it, the
mean over all P is c, which is that of G_ii less that of G_ij: 2 for the sum of squares, which is smooth.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.modes import mode
from clearprop.ops.index import ARRAY
from clearprop.ops.limits import finite, left_out, responses
from clearprop.ops.moving import Pull
from clearprop.registry import ops
from clearprop.tensor import Tensor, raw


def groups(z: Any) -> Any:
    """Return for each sorted entry the number of its group, which has the equal ones of its row.

    >>> groups(np.array([[1.0, 2.0, 2.0], [3.0, 4.0, 5.0]]))
    array([[0, 1, 1],
           [3, 4, 5]])
    """
    n = z.shape[-1]
    first = np.zeros((*z.shape[:-1], 1), np.intp)
    group = np.concatenate([first, np.cumsum(z[..., 1:] != z[..., :-1], axis=-1)], axis=-1)
    return group + n * np.arange(z.size // n).reshape((*z.shape[:-1], 1))  # no two rows share a group


def shared(g: Any, group: Any) -> Any:
    """Return the mean of each entry's group.

    >>> shared(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 1]))
    array([1., 3., 3.])
    """
    members = ops["getitem"](_added(np.ones(group.shape, g.dtype), group), group)
    return ops["getitem"](_added(g, group), group) / members


def _added(g: Any, group: Any) -> Any:
    return ops["scatter"](g, group, index=(ARRAY,), shape=(group.size,))


def of_sorted(i: int, g: Any, z: Any, xs: Any, attrs: dict[str, Any], pull: Pull) -> tuple[Any, Any]:
    """The fact `smooth` of sorting: c times what each entry is above the mean of its group.

    >>> from clearprop import hessian
    >>> hessian(lambda x: np.sum(np.sort(x) ** 2))(np.ones(2))
    array([[2., 0.],
           [0., 2.]])
    """
    axis, (x,) = attrs["axis"], finite(xs)
    if not z.size or not all(isinstance(a, Tensor) for a in (g, x)):
        return None, None
    if mode.recorder is not None or isinstance(g, BatchTensor):
        none = left_out(g, z, np.diff(z, axis=axis) == 0)
        return None, none if none is None else none * x
    if not np.any(np.diff(z._value, axis=axis) == 0):
        return None, None
    c = _of_orders(g, z, pull, axis)
    if c is None:
        return None, None
    rows = np.moveaxis(x, axis, -1)
    order = np.argsort(np.moveaxis(_raw(xs[0]), axis, -1), axis=-1, kind="stable")
    entries = np.take_along_axis(rows, order, axis=-1)
    above = entries - shared(entries, groups(np.moveaxis(z._value, axis, -1)))
    sent = c * (above - ops["detach"](above))  # 0, also where a mean of equal numbers is rounded
    return None, np.moveaxis(np.take_along_axis(sent, np.argsort(order, axis=-1), axis=-1), -1, axis)


def _of_orders(g: Any, z: Any, pull: Pull, axis: int) -> Any:
    """Return c for each sorted entry, along the last axis; None where it is 0 for all.

    It is known of functions in which each entry stands alone, and of those that treat equal ones alike: where
    weights arrive at g, z receives G times these, whose quotients by the weights, or those of differences,
    are then the same for two kinds of weights. It is 0 elsewhere.
    """
    shape = np.moveaxis(z._value, axis, -1).shape
    steps = 1 + np.arange(1, shape[-1] + 1, dtype=z.dtype) / shape[-1]
    stack = np.random.default_rng(0).uniform(1.0, 2.0, (*shape[:-1], 1)).astype(z.dtype)
    weights = [np.broadcast_to(stack * steps**k, shape) for k in (1, 2)]
    found = responses(g, z, pull, [np.moveaxis(a, -1, axis) for a in weights])
    if found is None:
        return None
    found = [np.moveaxis(d, axis, -1) for d in found]
    values, zero = np.moveaxis(z._value, axis, -1), z.dtype.type(0)
    near = np.finfo(z.dtype).eps ** 0.5 * np.max(np.absolute(_raw(found[0])), axis=-1, keepdims=True)
    group, first = groups(values), np.zeros((*shape[:-1], 1), z.dtype)
    alone = [d / a for d, a in zip(found, weights, strict=True)]
    mixed = _differ(alone, alone[0], near, group)
    same = np.concatenate([first, values[..., 1:] == values[..., :-1]], axis=-1)
    pairs = [np.diff(d) / np.diff(a) for d, a in zip(found, weights, strict=True)]
    pairs = [np.where(same == 1, np.concatenate([first, d], axis=-1), zero) for d in pairs]
    members = shared(same, group)
    mean = shared(pairs[0], group) / np.where(members == 0, 1, members).astype(z.dtype)
    alike = np.where(_differ([d - mean * same for d in pairs], zero, near, group), zero, mean)
    return np.where(mixed, alike, shared(alone[0], group))


def _differ(found: list[Any], wanted: Any, near: Any, group: Any) -> Any:
    """Return for each entry whether something in its group is not what is wanted."""
    off = [~(np.absolute(_raw(d) - _raw(wanted)) <= near) for d in found]
    return shared((off[0] | off[1]).astype(near.dtype), group) > 0


def _raw(x: Any) -> Any:
    return raw(x)
