"""Keywords that change what a reduction or a ufunc computes: values, both derivatives, compiled, refusals."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, gradcheck
from clearprop.compiler.step import available_executors

X = np.array([[0.5, -1.2, 2.0, 0.7], [1.5, 0.3, -0.8, 1.1], [0.9, -0.4, 1.3, 2.2]])
Y = np.array([0.4, 1.7, -0.6, 0.2])
MASK = np.array([[True, False, True, True], [False, True, False, True], [True, True, True, False]])
SECOND = np.array([True, False, True, False])

# name: a function of X, or of X and Y
CALLS = {
    "sum where": lambda x: np.sum(x, axis=0, where=MASK),
    "sum from": lambda x: np.sum(x, initial=2.0, where=SECOND),
    "sum in single precision": lambda x: np.sum(np.sum(x, axis=1, dtype=np.float64)),
    "prod where": lambda x: np.prod(x, axis=1, where=MASK, initial=3.0, keepdims=True),
    "max from": lambda x: np.max(x, axis=0, initial=1.0),
    "max where": lambda x: np.max(x, axis=1, where=MASK, initial=-9.0),
    "min where": lambda x: np.min(x, where=MASK, initial=9.0),
    "mean where": lambda x: np.mean(x, axis=0, where=MASK),
    "var where": lambda x: np.var(x, axis=1, where=MASK, ddof=1),
    "std where": lambda x: np.std(x, where=MASK, keepdims=True),
    "var about a number": lambda x: np.var(x, axis=0, mean=0.5),
    "std, corrected": lambda x: np.std(x, axis=0, correction=1),
    "nansum from": lambda x: np.nansum(x, initial=1.0),
    "cumsum in a dtype": lambda x: np.cumsum(x, axis=1, dtype=np.float64),
    "add.reduce": lambda x: np.add.reduce(x, axis=(0, 1), initial=1.0),
    "add.reduce where": lambda x: np.add.reduce(x, where=MASK),
    "multiply.reduce": lambda x: np.multiply.reduce(x, axis=1),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=None),
    "subtract.reduce": lambda x: np.subtract.reduce(x, axis=1),
    "divide.reduce": lambda x: np.divide.reduce(x, axis=0, keepdims=True),
    "logaddexp.reduce": lambda x: np.logaddexp.reduce(x, axis=1),
    "hypot.reduce": lambda x: np.hypot.reduce(x, initial=1.0),
    "hypot.reduce, two axes": lambda x: np.hypot.reduce(x, axis=(1, 0), keepdims=True),
    "hypot.reduce, all": lambda x: np.hypot.reduce(x, axis=None, initial=2.0),
    "hypot.reduce, no axis": lambda x: np.hypot.reduce(x, axis=()),
    "hypot.reduce, one entry": lambda x: np.hypot.reduce(x[:1]),
    "fmax.reduce, all": lambda x: np.fmax.reduce(x, axis=(0, 1)),
    "maximum.reduce, from None": lambda x: np.maximum.reduce(x, initial=None),
    "add.accumulate": lambda x: np.add.accumulate(x),
    "multiply.accumulate": lambda x: np.multiply.accumulate(x, axis=1),
    "maximum.accumulate": lambda x: np.maximum.accumulate(x, axis=-1),
    "subtract.accumulate": lambda x: np.subtract.accumulate(x, axis=1),
    "logaddexp.accumulate": lambda x: np.logaddexp.accumulate(x, axis=1),
    "add.outer": lambda x, y: np.add.outer(x, y),
    "multiply.outer": lambda x, y: np.multiply.outer(y, x),
    "power.outer": lambda x, y: np.power.outer(np.exp(x), y),
    "add.reduceat": lambda x: np.add.reduceat(x, [0, 2, 1], axis=1),
    "multiply.reduceat": lambda x: np.multiply.reduceat(x, [1, 0, 2]),
    "maximum.reduceat": lambda x: np.maximum.reduceat(x, [0, 3], axis=1),
    "exp in a dtype": lambda x: np.exp(x, dtype=np.float64),
    "add, cast": lambda x, y: np.add(x, y, dtype=np.float64, casting="same_kind", order="F"),
    "tanh without out": lambda x: np.tanh(x, out=None, where=True),
}


def inputs(call):
    return (X, Y)[: call.__code__.co_argcount]


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_both_orders_agree_with_differences(name, order):
    call = CALLS[name]

    assert gradcheck(call, *inputs(call), order=order).ok


@pytest.mark.parametrize("name", CALLS)
def test_values_are_numpys(name):
    call = CALLS[name]
    found, expected = call(*map(Tensor, inputs(call))), call(*inputs(call))

    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found.value, expected, rtol=1e-14)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_has_the_same_gradients(name, executor):
    call = CALLS[name]

    def step(*xs):
        ts = [Tensor(x) for x in xs]
        loss = np.sum(np.sin(call(*ts)))
        loss.backward()
        return [t.grad for t in ts]

    compiled = clearprop.compile(step, executor=executor)
    compiled(*inputs(call))
    others = [x + 0.1 for x in inputs(call)]
    for found, expected in zip(compiled(*others), step(*others), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 0), (1, 1)])
@pytest.mark.parametrize("call", [
    lambda x: np.add.accumulate(x), lambda x: np.maximum.accumulate(x, axis=-1),
    lambda x: np.subtract.outer(x, x),
    lambda x: np.add.reduce(x, initial=1.0), lambda x: np.multiply.reduce(x, axis=-1),
    lambda x: np.max(x, initial=2.0),
    lambda x: np.subtract.accumulate(x), lambda x: np.sum(x, where=x > 0), lambda x: np.add.reduceat(x, []),
])  # fmt: skip
def test_any_shape(call, shape):
    x = np.full(shape, 0.5)
    found, expected = call(Tensor(x)), call(x)

    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found.value, expected)


@pytest.mark.parametrize("start", [True, False, None, 2.0])
@pytest.mark.parametrize("ufunc", [np.logical_and, np.logical_or])
def test_all_and_any_begin_where_they_are_told_to(ufunc, start):
    for x in (X, X * 0, X[:0]):
        if start is not None or x.size:
            found, expected = ufunc.reduce(Tensor(x), initial=start), ufunc.reduce(x, initial=start)

            np.testing.assert_array_equal(found.value, expected)


REFUSED = {
    "an order over two axes": (lambda t: np.subtract.reduce(t, axis=(0, 1)), ValueError, "not reorderable"),
    "no entries, from None": (lambda t: np.add.reduce(t[:0], initial=None), ValueError, "zero-size"),
    "an axis twice": (lambda t: np.hypot.reduce(t, axis=(0, 0)), ValueError, "duplicate"),
    "all, as floats": (lambda t: np.logical_and.reduce(t, dtype=np.float32), TypeError, "No loop matching"),
    "a ufunc where": (lambda t: np.exp(t, where=MASK), TypeError, "np.where"),
    "into an array": (lambda t: np.exp(t, out=np.empty((3, 4))), TypeError, "without out="),
    "a sum into an array": (lambda t: np.sum(t, 0, None, np.empty(4)), TypeError, "without out="),
    "at": (lambda t: np.add.at(t, [0], 1.0), TypeError, "cannot write"),
    "max where": (lambda t: np.max(t, where=MASK), ValueError, "initial="),
    "places out of reach": (lambda t: np.add.reduceat(t, [0, 9]), IndexError, "wants places from 0 to 2"),
    "a mask of numbers": (lambda t: np.sum(t, where=np.ones(4)), TypeError, "where"),
    "imaginary parts": (lambda t: np.sum(t * 1j, dtype=float), TypeError, "imaginary parts"),
    "a mean in whole numbers": (lambda t: np.mean(t, dtype=int), TypeError, "wants a dtype of floats: int64"),
    "a variance in complex ones": (lambda t: np.var(t, dtype=complex), TypeError, "wants a dtype of floats"),
    "a sum of booleans": (lambda t: np.sum(t, dtype=bool), TypeError, "wants a dtype of numbers: bool"),
    "their running sum": (lambda t: np.cumsum(t, dtype=bool), TypeError, "wants a dtype of numbers: bool"),
    "no entries": (lambda t: np.subtract.reduce(t[:0]), ValueError, "no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused(name):
    call, error, words = REFUSED[name]

    with pytest.raises(error, match=words):
        call(Tensor(X))


def test_ties_with_the_start_share_the_gradient():
    x = Tensor([2.0, 2.0, 1.0])
    np.max(x, initial=2.0).backward()

    np.testing.assert_allclose(x.grad, [1 / 3, 1 / 3, 0])


# --- of what is no number left out --------------------------------------------------------------------------
HOLES = np.array([[0.3, np.nan, 0.45], [0.15, 0.62, 0.95], [0.5, np.nan, 0.7]])
SOME = np.array([[True, True, False], [True, False, True], [True, True, True]])
LEFT_OUT = [
    (np.nanmax, {"initial": 0.4}), (np.nanmin, {"initial": 0.4, "axis": 0}), (np.nanmax, {"initial": 0.2, "where": SOME, "axis": 1}),
    (np.nanmin, {"keepdims": True, "axis": (0, 1)}), (np.nanvar, {"where": SOME}), (np.nanvar, {"correction": 1, "axis": 1}),
    (np.nanstd, {"mean": np.array([[0.4], [0.5], [0.6]]), "axis": 1}), (np.nanstd, {"ddof": 1, "keepdims": True}),
    (np.nanvar, {"dtype": "f8", "axis": 0}), (np.nanmean, {"where": SOME, "axis": 1}), (np.nansum, {"initial": 2.0, "where": SOME}),
    (np.nanprod, {"initial": 2.0, "axis": 1, "keepdims": True}), (np.nancumsum, {"axis": 1, "dtype": "f8"}),
    (np.nanmedian, {"overwrite_input": True, "axis": 1}),
    (lambda x, **how: np.nanquantile(x, 0.4, **how), {"weights": np.arange(1.0, 10.0).reshape(3, 3), "method": "inverted_cdf"}),
    (lambda x, **how: np.nanpercentile(x, 20, **how), {"weights": np.arange(1.0, 10.0).reshape(3, 3), "method": "inverted_cdf", "axis": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "how"), LEFT_OUT, ids=lambda x: getattr(x, "__name__", ""))
def test_of_the_entries_that_are_numbers_by_every_keyword(function, how):
    def of_numbers(v):
        x = np.where(np.isnan(HOLES), np.nan, v)
        return np.sum(function(x, **how) * 1.5)

    found = function(Tensor(HOLES), **how)

    np.testing.assert_allclose(found.value, function(HOLES.copy(), **how), rtol=1e-12)
    assert gradcheck(of_numbers, np.where(np.isnan(HOLES), 0.0, HOLES)).ok
    for executor in available_executors():
        step = clearprop.compile(lambda v: function(v, **how), executor=executor)
        for x in (HOLES, HOLES * 0.9, HOLES + 0.1):
            np.testing.assert_allclose(step(x), function(x.copy(), **how), rtol=1e-12)


def test_slices_without_a_number_are_nan_and_numpy_warns():
    x = np.array([[np.nan, np.nan], [1.0, np.nan]])
    for function in (np.nanvar, np.nanstd):
        with pytest.warns(RuntimeWarning, match="Degrees of freedom"):
            found = function(Tensor(x), axis=1, correction=0)
        np.testing.assert_array_equal(found.value, [np.nan, 0.0])
    with pytest.raises(TypeError, match="wants a dtype of floats"):
        np.nanvar(Tensor(x), dtype=int)
    with pytest.raises(ValueError, match="wants a shape that fits"):
        np.nanvar(Tensor(x[0]), mean=np.ones((2, 1)))


def test_each_entry_as_often_as_its_own_number_says():
    x, counts = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([2, 0, 1])

    np.testing.assert_array_equal(np.repeat(Tensor(x), counts, axis=1).value, np.repeat(x, counts, axis=1))
    np.testing.assert_array_equal(
        np.repeat(Tensor(x), [1, 0, 2, 0, 0, 3]).value, np.repeat(x, [1, 0, 2, 0, 0, 3])
    )
    assert gradcheck(lambda v: np.sum(np.repeat(v, counts, axis=1) ** 2), x).ok
    with pytest.raises(ValueError, match="broadcast"):
        np.repeat(Tensor(x), [1, 2], axis=1)


def test_complex_numbers_in_the_order_of_numpys_own():
    z = np.array([[1 + 2j, 1 - 1j, 0j], [2, 1j, -1]])

    np.testing.assert_array_equal(np.sort_complex(Tensor(z)).value, np.sort_complex(z))
    for dtype in ("f8", "f4", "i2"):
        x = np.array([2, 1], dtype)
        found = np.sort_complex(Tensor(x, requires_grad=False))
        assert found.dtype == np.sort_complex(x).dtype
