"""A last layer and its loss in one, by blocks of rows: the array of all logits is never there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.ops.packed import BLOCK, Latest, parts, wide
from clearprop.registry import ops

_X, _W, _B = (np.sin(np.arange(float(np.prod(s))) * 1.7).reshape(s) for s in ((3, 2), (4, 2), (4,)))
_Y = np.array([2, 0, 2])


def _blocks(x: Any, weight: Any, bias: Any, y: Any) -> Iterator[Any]:
    """Give rows, their logits without each row's largest, and where the chosen ones stand among these.

    A block is no larger than `BLOCK` or than the weight itself: below that there is nothing to be saved.
    """
    weight, bias = wide(weight), wide(bias)
    rows = max(1, min(64, x.shape[1]), BLOCK // max(1, weight.shape[0]))
    for first in range(0, x.shape[0], rows):
        at = slice(first, min(first + rows, x.shape[0]))
        s = wide(x[at]) @ weight.T
        s += bias
        s -= s.max(axis=1, keepdims=True)
        yield at, s, (np.arange(at.stop - first), y[at])


def _second(i: int) -> Callable[..., Any]:
    """Return the rule of input `i` of the packed gradient: plain formulas over whole arrays."""

    def rule(h: Any, z: Any, g: Any, x: Any, weight: Any, bias: Any, y: Any) -> Any:
        hx, hw, hb = parts(h, x, weight, bias)
        p = ops["softmax"](x @ weight.T + bias, axis=-1)
        d = p - (np.arange(weight.shape[0]) == y[:, None])
        a = hx @ weight.T + x @ hw.T + hb  # what d reaches
        if i == 0:
            return (d * a).sum(axis=-1)
        r = g[:, None] * p * (a - (p * a).sum(axis=-1, keepdims=True))
        if i == 3:
            return r.sum(axis=0)
        d = g[:, None] * d
        return r @ weight + d @ hw if i == 1 else r.T @ x + d.T @ hx

    return rule


@define(
    "linear_nll_gradient",
    "opaque",
    *map(_second, range(4)),
    None,
    examples=(((_X[:, 0], _X, _W, _B, _Y), {}),),
)
def linear_nll_gradient(g: Any, x: Any, weight: Any, bias: Any, y: Any) -> Any:
    """Return the gradients of x, weight and bias as one flat array: the logits are computed again.

    For d = g (softmax(x W^T + b) - onehot(y)) they are d W, d^T x and the sum of d's rows.
    """
    found = np.zeros(x.size + weight.size + bias.size, wide(x[:0]).dtype)
    dx, dw, db = parts(found, x, weight, bias)
    product = None
    for at, s, chosen in _blocks(x, weight, bias, y):
        np.exp(s, out=s)
        s /= s.sum(axis=1, keepdims=True)
        s[chosen] -= 1
        s *= wide(g[at])[:, None]
        np.matmul(s, wide(weight), out=dx[at])
        product = np.matmul(s.T, wide(x[at]), out=product)
        dw += product
        db += s.sum(axis=0)
    return found.astype(x.dtype, copy=False)


_latest = Latest(linear_nll_gradient)


def _first(i: int) -> Callable[..., Any]:
    def rule(g: Any, z: Any, x: Any, weight: Any, bias: Any, y: Any) -> Any:
        return parts(_latest.of(g, (x, weight, bias, y), {}), x, weight, bias)[i]

    return rule


@define("linear_nll", "opaque", *map(_first, range(3)), None, examples=(((_X, _W, _B, _Y), {}),))
def linear_nll(x: Any, weight: Any, bias: Any, y: Any) -> Any:
    """Return -log softmax(x W^T + b)[y] for each row of x (n, size): y (n,) are integers."""
    z = np.zeros(x.shape[0], x.dtype)
    for at, s, chosen in _blocks(x, weight, bias, y):
        z[at] = -s[chosen]
        z[at] += np.log(np.exp(s, out=s).sum(axis=1))
    return z
