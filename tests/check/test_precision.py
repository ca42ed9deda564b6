"""`trust` counts the digits of a gradient that can be believed, and names the node that ate the others."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor
from clearprop.check import trust

rng = np.random.default_rng(0)


def test_a_well_conditioned_network_keeps_its_digits():
    x = rng.normal(size=(16, 8)).astype(np.float32)
    w = Tensor(rng.normal(size=(8, 4)).astype(np.float32), name="w")
    found = trust(clearprop.log_softmax(np.tanh(x @ w)).mean())

    assert found.output > 6
    assert found.gradients[0].leaf is w
    assert found.gradients[0].digits > 6
    assert found.losses == []


def test_cancellation_is_named_at_the_subtraction():
    x = Tensor(np.float32(1e-3), name="x")
    found = trust(1 - np.cos(x))

    assert found.output < 2
    assert found.losses[0].node.op.name == "subtract"
    assert not found.losses[0].backward
    assert "the value of subtract" in repr(found)


def test_a_gradient_that_suffers_from_a_cancelled_value_has_few_digits():
    x = Tensor(np.float32(1e-3), name="x")
    found = trust((1 - np.cos(x)) ** 2)

    assert found.gradients[0].digits < 2
    assert "'x' () float32" in repr(found)


def test_contributions_that_cancel_are_named_in_the_backward_pass():
    x = Tensor(np.float32(0.7), name="x")
    found = trust(1e4 * x * np.float32(1.1) - 1e4 * np.sinh(x) + 1e4 * x * np.float32(0.155169))

    named = [loss for loss in found.losses if loss.backward and loss.node is x]
    assert named
    assert "the gradient that arrives at 'x'" in repr(found)
    assert found.gradients[0].digits < 5


def test_digits_are_those_of_the_true_error():
    x = Tensor(np.float32(2e-3))
    found = trust((1 - np.cos(x)) ** 2)
    value = (1 - np.cos(x)) ** 2
    value.backward()
    true = 2 * (1 - np.cos(np.float64(x.value))) * np.sin(np.float64(x.value))
    digits = -np.log10(abs(float(x.grad) - true) / true)

    assert found.gradients[0].digits == pytest.approx(digits, abs=1e-3)


def test_float64_is_held_against_something_longer():
    if np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        pytest.skip("this machine has no longer floating-point type")
    x = Tensor(1e-5, name="x")
    found = trust(1 - np.cos(x))

    assert found.precision == "float64"
    assert 3 < found.output < 9
    assert found.losses[0].node.op.name == "subtract"


def test_ops_of_all_kinds_are_replayed():
    x = Tensor(rng.normal(size=(4, 6)).astype(np.float32))
    parts = np.split(x, 2, axis=1)
    y = np.concatenate([np.exp(parts[0]), parts[1].astype(np.float32)])[np.array([0, 2, 2])]
    found = trust(np.max(np.where(y > 0, np.sqrt(np.abs(y)), y), axis=0).sum() + y.std())

    assert found.gradients[0].digits > 5


def test_gradients_are_left_alone():
    x = Tensor(np.float32(1.0))
    trust(x * x)

    assert x.grad is None


def test_a_result_without_gradient_is_refused():
    with pytest.raises(GradientError, match="wants a result that needs a gradient"):
        trust(Tensor(1.0, requires_grad=False) * 2)


@pytest.mark.parametrize("f", [np.linalg.eigvals, np.linalg.svdvals, np.linalg.inv, np.linalg.det])
def test_an_op_that_knows_no_longer_numbers_is_refused_with_what_to_try(f):
    x = np.array([[1.0, 2.0], [0.5, 3.0]])
    if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps:
        with pytest.raises(
            GradientError, match=r"(?s)ops that compute in.*Try the same computation in float32"
        ):
            trust(np.sum(f(Tensor(x))))
    assert trust(np.sum(f(Tensor(x.astype(np.float32))))).output > 4
