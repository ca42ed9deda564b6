"""A graph checked node by node names the op and the line at fault, and only those."""

import numpy as np
import pytest

import clearprop
import clearprop.check.nodes
from clearprop import GradientError, Tensor
from clearprop.backward import input_gradient
from clearprop.check import check_model
from clearprop.modes import mode
from clearprop.registry import ops
from clearprop.testing import broken

rng = np.random.default_rng(0)
x = rng.normal(size=(8, 20)).astype(np.float32)
labels = rng.integers(0, 4, 8)
first = Tensor(rng.normal(size=(20, 30)).astype(np.float32) / 5, name="first")
bias = Tensor(np.zeros(30, np.float32), name="bias")
second = Tensor(rng.normal(size=(30, 4)).astype(np.float32) / 5, name="second")


def loss():
    hidden = clearprop.relu(x @ first + bias)
    scores = clearprop.log_softmax(hidden @ second)
    return -scores[np.arange(8), labels].mean()


def test_a_sound_model_is_right():
    found = check_model(loss)

    assert found
    assert found.nodes == 8
    assert found.rules == 10
    assert "8 nodes, 10 rules: right, 10 compared, 0 skipped" in repr(found)


@pytest.mark.parametrize("name", ["matmul", "add", "relu", "log_softmax", "getitem", "mean", "negative"])
def test_a_fault_of_a_tenth_of_a_percent_is_pinned_on_its_op_and_line(name):
    with broken(ops[name], 0, lambda d, *rest, **attrs: 1.001 * d):
        found = check_model(loss, raise_on_failure=False)

    assert {f.op for f in found.findings} == {name}
    assert all("test_nodes.py:" in f.line for f in found.findings)
    assert "off by +0.1 %" in repr(found)


def test_the_error_shows_node_line_entry_both_numbers_and_cause():
    with broken(ops["relu"], 0, lambda d, *rest, **attrs: -d), pytest.raises(GradientError) as raised:
        check_model(loss)

    text = str(raised.value)
    assert "relu((8, 30) float32) -> (8, 30) float32: the rule of input 0 is wrong." in text
    assert "ratio -1." in text
    assert "Probably: wrong sign." in text
    assert ": hidden = clearprop.relu(x @ first + bias)" in text


def test_one_wrong_entry_of_a_large_input_is_found_by_bisection():
    w = Tensor(rng.normal(size=(60, 70)))

    def one_wrong(d, *rest):
        d = d.copy()
        d[12, 34] *= 1.01
        return d

    with broken(ops["matmul"], 1, one_wrong):
        found = check_model(lambda: (rng.normal(size=(3, 60)) @ w).sum(), raise_on_failure=False)

    assert [f.index for f in found.findings] == [(12, 34)]
    assert "this one entry; 64 others, taken at random, are right" in repr(found)


def test_a_graph_that_is_there_already_is_checked_without_lines():
    output = loss()
    with broken(ops["log_softmax"], 0, lambda d, *rest, **attrs: 0 * d):
        found = check_model(output, raise_on_failure=False)

    assert [f.op for f in found.findings] == ["log_softmax"]
    assert found.findings[0].line == ""


def test_a_gradient_of_the_wrong_shape_is_said_to_be():
    with broken(ops["exp"], 0, lambda d, *rest: d.T):
        found = check_model(np.exp(Tensor(rng.normal(size=(2, 3)))), raise_on_failure=False)

    assert "the gradient has shape (3, 2), the input (2, 3): transposed" in repr(found)


def test_overwriting_instead_of_adding_is_recognised(monkeypatch):
    def overwriting(order, grads, **options):
        for node in reversed(order):
            for i, t in enumerate(node.inputs if node.op else ()):
                d = input_gradient(node.op, i, grads[node], node._value, node.values, {})
                mode.observer.sent(node, i, d)
                grads[t] = d
        return grads

    monkeypatch.setattr(clearprop.check.nodes, "propagate", overwriting)
    a = Tensor(3.0, name="a")
    found = check_model(np.multiply(a, np.tanh(a)), raise_on_failure=False)

    assert not found
    assert "the backward pass overwrites instead of adding" in repr(found)
    assert "'a'" in repr(found)


def test_a_rule_on_a_kink_is_checked_beside_it_and_said_to_be():
    found = check_model(clearprop.relu(Tensor(np.zeros(3))))

    assert "1 rules have entries on a kink and were checked beside it as well." in repr(found)


def test_a_kink_hides_no_fault():
    dead = np.zeros(1000)
    dead[::3] = 1.0
    with broken(ops["relu"], 0, lambda d, *rest: 1.001 * d):
        found = check_model(clearprop.relu(Tensor(dead)), raise_on_failure=False)

    assert [f.op for f in found.findings] == ["relu"]


def test_a_fault_in_one_of_several_pieces_is_found():
    t = Tensor(rng.normal(size=(4, 3)))
    with broken(ops["getitem"], 0, lambda d, *rest, **attrs: 2 * d):
        found = check_model(lambda: sum(piece.sum() for piece in np.split(t, 2)), raise_on_failure=False)

    assert [f.op for f in found.findings] == ["getitem", "getitem"]


def test_nothing_to_check_is_an_error():
    with pytest.raises(GradientError, match="wants something computed from Tensors that need a gradient"):
        check_model(lambda: np.ones(3))
