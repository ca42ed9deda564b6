"""Functions that look at values: what they refuse, later calls of a compiled step refuse too, or give NaN."""

import numpy as np
import pytest

from clearprop import GradientError, Tensor, compile, optim
from clearprop.nn import functional as F

X = np.array([1.0, 2.0])
LOGITS = np.ones((2, 3))
EXECUTORS = ["numpy", "llvm"]


def compiled(f, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    return compile(f, executor=executor, prove="never")  # a call that is proved runs the function itself


def total(f):
    """Return f's value and the gradient of its sum, as one step."""

    def step(x, *others):
        x = Tensor(x)
        z = f(x, *others)
        z.sum().backward()
        return z, x.grad

    return step


# f, arguments of the first call, those of a later one, what the later one raises.
REFUSED = (
    (lambda x, w: np.average(x, weights=w), (X, np.ones(2)), (X, np.array([1.0, -1.0])), ZeroDivisionError),
    (lambda x, w: np.average(x, 0, w), (LOGITS, np.ones(2)), (LOGITS, np.zeros(2)), ZeroDivisionError),
    (F.cross_entropy, (LOGITS, np.array([1, 2])), (LOGITS, np.array([1, -1])), IndexError),
    (F.cross_entropy, (LOGITS, np.array([1, 2], np.int8)), (LOGITS, np.array([1, -1], np.int8)), IndexError),
    (F.cross_entropy, (LOGITS, np.array([1, 2])), (LOGITS, np.array([1, 3])), IndexError),
    (F.nll_loss, (LOGITS, np.array([1, 2])), (LOGITS, np.array([1, -3])), IndexError),
)  # fmt: skip


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("f", "first", "later", "error"), REFUSED)
def test_a_later_call_is_refused(f, first, later, error, executor):
    step = compiled(total(f), executor)
    value, grad = step(*first)

    wanted = total(f)(*first)
    assert np.allclose(value.value, wanted[0].value, rtol=1e-14)
    assert np.allclose(grad, wanted[1], rtol=1e-14)
    with pytest.raises(error):
        step(*later)
    assert np.array_equal(step(*first)[1], grad)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_label_beyond_a_small_dtype_is_refused(executor):
    logits = np.ones((2, 200))
    step = compiled(total(F.cross_entropy), executor)
    step(logits, np.array([1, 127], np.int8))

    with pytest.raises(IndexError):
        step(logits, np.array([1, -1], np.int8))


P, Y = np.array([0.2, 0.7]), np.array([0.0, 1.0])
NANS = (
    (F.binary_cross_entropy, (P, Y), (P + 0.5, Y)),
    (F.binary_cross_entropy, (P, Y), (P, Y + 0.1)),
    (F.binary_cross_entropy, (P, Y), (P, -Y)),
    (lambda x, d: F.huber_loss(x, np.zeros(2), delta=d), (X, np.float64(1.0)), (X, np.float64(-1.0))),
    (lambda x, d: F.huber_loss(x, np.zeros(2), delta=d), (X, np.float64(1.0)), (X, np.float64(np.inf))),
    (lambda x, b: F.softplus(x, beta=b).sum(), (X, np.float64(2.0)), (X, np.float64(0.0))),
)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(("f", "first", "later"), NANS)
def test_a_later_call_gives_nan(f, first, later, executor):
    step = compiled(total(f), executor)
    value, grad = step(*first)

    wanted = total(f)(*first)
    assert np.allclose(value.value, wanted[0].value, rtol=1e-14)
    assert np.allclose(grad, wanted[1], rtol=1e-14)
    assert np.isnan(step(*later)[0].value)
    with pytest.raises(ValueError, match="wants"):
        f(*later)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_norm_that_must_be_finite(executor):
    w = Tensor([3.0, 4.0])

    def clipped(scale):
        w.grad = None
        (w * scale).sum().backward()
        return optim.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)

    step = compiled(clipped, executor)

    assert step(np.float64(1.0)) == pytest.approx(np.sqrt(2))
    with pytest.raises(GradientError, match="wants a finite norm: inf"):
        step(np.float64(np.inf))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_mean_of_no_numbers_is_nan(executor):
    step = compiled(lambda x: np.nanmean(x, axis=1), executor)
    step(np.ones((2, 2)))

    later = step(np.array([[np.nan, np.nan], [1.0, np.nan]]))
    assert np.array_equal(later, [np.nan, 1.0], equal_nan=True)
