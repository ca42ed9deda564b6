"""Margins in every mode, lists of labels, orders of entries, polynomials, quantiles by steps."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck
from clearprop.compiler.step import available_executors
from clearprop.ops.statistics import METHODS

X = np.array([[0.5, -1.2, 2.0, 0.7], [1.5, 0.3, -0.8, 1.1], [0.9, -0.4, 1.3, 2.2]])
V, Y = X[0], np.array([0.4, 1.7, -0.6, 0.2])

MODES = {
    "edge": {}, "reflect": {}, "reflect, odd": {"reflect_type": "odd"}, "symmetric": {},
    "symmetric, odd": {"reflect_type": "odd"}, "wrap": {}, "linear_ramp": {"end_values": ((1, 2), (3, 4))},
    "mean": {}, "mean, of some": {"stat_length": ((1, 2), (2, 1))},
    "maximum": {}, "minimum": {"stat_length": 2}, "median": {"stat_length": 3},
}  # fmt: skip


def padded(mode, how):
    return lambda x: np.pad(x, ((1, 3), (2, 0)), mode, **how)


CALLS = {
    **{f"pad, {mode}": (padded(mode.split(",")[0], how), X[:2, :3]) for mode, how in MODES.items()},
    "pad by axis": (lambda x: np.pad(x, ((0, 0), (1, 2)), "edge"), X),
    "einsum by lists": (lambda x, y: np.einsum(x, [0, 1], y, [1], [0]), X, Y),
    "einsum by lists, in letters' order": (lambda x: np.einsum(x, [30, 2]), X),
    "einsum, planned": (lambda x, y: np.einsum("ij,j->i", x, y, optimize="greedy"), X, Y),
    "ravel by columns": (lambda x: np.ravel(x, "F"), X),
    "reshape by columns": (lambda x: np.reshape(x, (4, 3), order="F"), X),
    "partition": (lambda x: np.partition(x, 1, axis=1), X),
    "poly": (np.poly, V),
    "polydiv, quotient": (lambda u, v: np.polydiv(u, v)[0], V + 3, Y[:2] + 2),
    "polydiv, remainder": (lambda u, v: np.polydiv(u, v)[1], V + 3, Y[:2] + 2),
    "polyfit": (lambda x, y: np.polyfit(x, y, 1), V, Y),
    "polyfit, weighed": (lambda x, y, w: np.polyfit(x, y, 2, w=w), V, Y, np.abs(X[2])),
    "polyfit, covariances": (lambda x, y: np.polyfit(x, y, 1, cov=True)[1], V, Y),
    "quantile, a step": (lambda x: np.quantile(x, 0.4, axis=1, method="inverted_cdf"), X),
    "quantile, the middle of a step": (
        lambda x: np.quantile(x, 0.5, axis=1, method="averaged_inverted_cdf"),
        X,
    ),
    "quantile, the closest": (lambda x: np.quantile(x, [0.2, 0.9], method="closest_observation"), X),
    "quantile, weighed": (lambda x: np.quantile(x, 0.6, axis=1, method="inverted_cdf", weights=np.abs(X)), X),
}


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", [*CALLS, "roots, complex", "roots, real"])
def test_gradients_of_both_orders_agree_with_differences(name, order):
    if name.startswith("roots"):
        p = np.array([1.0, -0.4, 2.1, 0.3]) if name == "roots, complex" else np.array([2.0, -6.0, 1.0, 3.0])
        call, inputs = np.roots, (p,)
    else:
        call, *inputs = CALLS[name]

    assert gradcheck(call, *inputs, order=order).ok


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_has_the_same_gradients(name, executor):
    call, *inputs = CALLS[name]

    def step(*xs):
        ts = [Tensor(x) for x in xs]
        np.sum(np.sin(call(*ts))).backward()
        return [t.grad for t in ts]

    compiled = clearprop.compile(step, executor=executor)
    compiled(*inputs)
    others = [x * 1.1 for x in inputs]
    for found, expected in zip(compiled(*others), step(*others), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


REFUSED = {
    "a margin of nothing": (lambda t: np.pad(t, 1, "empty"), TypeError, "not at all"),
    "a function": (lambda t: np.pad(t, 1, lambda *a: None), TypeError, "in place"),
    "the order in memory": (lambda t: np.ravel(t, "K"), TypeError, "order in memory"),
    "a view": (lambda t: np.reshape(t, 12, copy=False), TypeError, "view of memory"),
    "weights of another method": (
        lambda t: np.quantile(t, 0.5, weights=np.ones((3, 4))),
        ValueError,
        "inverted_cdf",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused(name):
    call, error, words = REFUSED[name]

    with pytest.raises(error, match=words):
        call(Tensor(X))


def test_roots_that_may_become_complex_are_not_compiled():
    with pytest.raises(TypeError, match="has as many results as the values say"):
        clearprop.compile(lambda p: np.sum(np.roots(Tensor(p))))(np.array([1.0, 0.0, -4.0]))


ENDLESS = [
    [1.0, 2.0, np.inf],
    [-np.inf, 2.0, 3.0],
    [-np.inf, np.inf],
    [np.inf, np.inf],
    [-np.inf, -np.inf, 1.0, 2.0, np.inf, np.inf],
    [1.0, 3.0, 7.0, 2.0],
    [5.0],
    [-np.inf, 1.0, np.nan, 2.0],
]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("method", METHODS)
def test_quantiles_beside_infinities_are_numpys(method):
    for row in ENDLESS:
        for q in (0, 0.25, 0.5, np.array([0.3, 0.7]), 1.0):
            for function in (np.quantile, np.nanquantile):
                found, wanted = (function(x, q, method=method) for x in (Tensor(row), np.array(row)))
                assert np.allclose(found.value, wanted, rtol=1e-15, equal_nan=True), (function, row, q)
        for function in (np.median, np.nanmedian):
            found, wanted = function(Tensor(row)), function(np.array(row))
            assert np.array_equal(found.value, wanted, equal_nan=True), (function, row)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_slopes_of_quantiles_beside_infinities():
    """Finite where the value is; where it is not, those of the formula, which PyTorch has as well."""
    for row, q, slopes in (
        ([1.0, 2.0, np.inf], 0.25, [0.5, 0.5, 0.0]),
        ([1.0, 2.0, np.inf], 0.75, [0.0, 0.5, 0.5]),
        ([-np.inf, 2.0, 4.0, 8.0], 0.5, [0.0, 0.5, 0.5, 0.0]),
    ):
        assert np.allclose(grad(lambda x, q=q: np.quantile(x, q))(np.array(row)), slopes)
