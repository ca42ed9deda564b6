"""What NumPy's functions mean holds in a compiled step as well: values and gradients are eager mode's."""

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor

X = np.random.default_rng(0).normal(size=(3, 3))
POINTS = np.array([[0.0, 1, 5], [2, 3, 7], [4, 9, 8]])
HOLES = np.array([[1.0, np.nan, 2.0], [3.0, 1.0, 4.0], [0.5, 2.0, 2.5]])
CASES = {
    "trapezoid": lambda x: np.trapezoid(x, POINTS, axis=0),
    "einsum": lambda x: np.einsum("ij,ij->j", x[:1], x),
    "median": lambda x: np.median(x, axis=(0, 1)) * np.median(x, axis=1, keepdims=True),
    "median of holes": lambda x: np.where(np.isnan(HOLES), 0, np.median(x, axis=0) * x),
    "average": lambda x: np.average(np.stack([x, x * x]), axis=(1, 0), weights=POINTS[:, :2] + 1),
    "diagonal": lambda x: np.diagonal(np.stack([x, x * x]), 1, 1, 2),
    "trace": lambda x: np.trace(x[:, :2], -1),
    "diag": lambda x: np.diag(x[0], -1),
    "triu": lambda x: np.triu(x[0], 1),
    "diff": lambda x: np.diff(x, axis=0, prepend=1.0, append=x[:1]),
    "cross": lambda x: np.cross(x, x * x, axis=0),
    "norm": lambda x: np.linalg.norm(x, 1) + np.linalg.norm(x, -np.inf) + np.linalg.norm(x[0], -1),
    "split": lambda x: np.concatenate(np.split(x, [2, 1])),
    "nanmean": lambda x: np.nanmean(x * np.where(np.isnan(HOLES), 1.0, 2.0), axis=0),
    "clip": lambda x: np.clip(x, None, 0.5),
    "take": lambda x: np.take(x, np.array([True, False]), axis=1),
}


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", CASES)
def test_compiled_is_eager(name, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    w = Tensor(X)

    def step():
        w.grad = None
        z = CASES[name](w)
        np.sum(np.sin(z)).backward()
        return z

    eager, gradient = step().value, w.grad
    compiled = cp.compile(step, executor=executor)
    compiled()

    assert np.allclose(compiled().value, eager, rtol=1e-13, atol=1e-13)
    assert np.allclose(w.grad, gradient, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("subscripts", ["ab,Ab->", "ab,Ab->b", "ab,b->", "ab,cd->", "ab,ab->", "ab,Ab->Ab"])
def test_an_einsum_sums_products_where_one_of_two_arrays_alone_has_a_label(subscripts, executor):
    """The sum first, and then the product, gave inf for inf - inf: (0.3 - 0.8) * inf."""
    x = np.array([[0.3, -0.5], [-np.inf, 1.0], [2.0, np.inf]])
    y = x[1] if subscripts == "ab,b->" else x

    def f(x, y):
        return np.einsum(subscripts, np.tanh(x), y)

    with np.errstate(invalid="ignore"):
        wanted = np.einsum(subscripts, np.tanh(x), y)
        found = cp.compile(f, executor=executor)(Tensor(x), Tensor(y))

    assert np.array_equal(np.isnan(found.value), np.isnan(wanted))
    assert found.value == pytest.approx(wanted, nan_ok=True)
