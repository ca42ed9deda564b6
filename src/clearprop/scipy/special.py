"""`scipy.special`: its functions that are no ufuncs, and the ufuncs themselves, which ask a Tensor."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import unknown
from clearprop.ops.shape import as_array
from clearprop.registry import ops
from clearprop.scipy.rest import theirs


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """Return log(sum(b exp(a))) along `axis`, of all entries unless told; `b` are weights of 0 or more.

    >>> float(logsumexp(np.array([0.0, 0.0]), b=np.array([0.5, 0.5])))
    0.0
    """
    a = as_array(a)
    if b is None:
        return ops["logsumexp"](a, axis=axis, keepdims=keepdims)
    a, b = np.broadcast_arrays(a, as_array(b))
    top = ops["detach"](np.max(np.where(b != 0, a, -np.inf), axis=axis, keepdims=True, initial=-np.inf))
    top = np.where(np.isfinite(top), top, 0)
    z = np.log(np.sum(b * np.exp(np.where(b != 0, a, top) - top), axis=axis, keepdims=True)) + top
    return z if keepdims else np.squeeze(z, axis=axis)


def _along(name: str, x: Any, axis: Any) -> Any:
    x = as_array(x)
    if axis is None:
        return ops[name](x.reshape((x.size,)), axis=0).reshape(x.shape)
    return ops[name](x, axis=axis)


def softmax(x: Any, axis: Any = None) -> Any:
    """Return exp(x) / sum(exp(x)) along `axis`, over all entries unless told.

    >>> softmax(np.zeros((2, 2)))
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    return _along("softmax", x, axis)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """Return log(softmax(x)) along `axis`, over all entries unless told.

    >>> log_softmax(np.array([0.0, -1000.0]))
    array([    0., -1000.])
    """
    return _along("log_softmax", x, axis)


def multigammaln(a: Any, d: int) -> Any:
    """Return the logarithm of the multivariate gamma function of dimension `d`, for a > (d - 1) / 2.

    >>> float(multigammaln(2.0, 1))
    0.0
    """
    d, a = operator.index(d), as_array(a)
    if d < 1:
        raise ValueError(lesson("multigammaln(a, d)", "wants a dimension of 1 or more", f"{d}"))
    z = d * (d - 1) / 4 * math.log(math.pi)
    for j in range(d):
        z = z + ops["gammaln"](a - j / 2)
    return z


def polygamma(n: Any, x: Any) -> Any:
    """Return the n-th derivative of the digamma function, (-1)^(n+1) n! zeta(n + 1, x), for x > 0.

    >>> round(float(polygamma(1, 1.0)), 12) == round(np.pi**2 / 6, 12)
    True
    """
    n, x = operator.index(n), as_array(x)
    if n < 0:
        raise ValueError(lesson("polygamma(n, x)", "wants an order of 0 or more", f"{n}"))
    if n == 0:
        return ops["digamma"](x)
    return (-1) ** (n + 1) * math.factorial(n) * ops["zeta"](np.float64(n + 1), x)


def zeta(x: Any, q: Any = None) -> Any:
    """Return the sum of (k + q)^-x over k = 0, 1, ..., Riemann's function where `q` is left out.

    The gradient goes to `q`: GradientError where one by `x` is wanted, which has no closed form.

    >>> round(float(zeta(2.0)), 12) == round(np.pi**2 / 6, 12)
    True
    """
    return ops["zeta"](as_array(x), as_array(1.0 if q is None else q))


def __getattr__(name: str) -> Any:
    """Return what SciPy has under another name: its ufuncs ask a Tensor themselves."""
    module = theirs("special")
    if name.startswith("_") or not hasattr(module, name):
        raise unknown("clearprop.scipy.special", name, dir(module))
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *getattr(theirs("special"), "__all__", ())})
