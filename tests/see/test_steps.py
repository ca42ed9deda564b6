"""`trace(t)`: every step of the forward and backward pass, watched in the real one."""

import itertools

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, lecture
from clearprop.see.numbers import written
from clearprop.see.steps import BACKWARD, FORWARD, START, trace


def dag():
    return lecture.EXAMPLES["dag"].graph()


def test_a_trace_is_a_list_of_steps():
    steps = trace(dag())

    assert [step.kind for step in steps] == [FORWARD] * 3 + [START] + [BACKWARD] * 5
    assert len(steps) == 9
    assert [step.number for step in steps] == list(range(9))
    assert steps[0].formula == "c = a + b"
    assert steps[-1] is list(steps)[8]
    assert [step.formula for step in steps[4:6]] == ["de/dc = d", "de/dd = c"]
    assert repr(steps) == "<Trace of e, topological: 9 steps>"


def test_a_step_knows_rule_local_derivative_amount_and_sum():
    step = trace(dag())[-1]

    assert (step.node.name, step.input.name, step.i) == ("c", "b", 1)
    assert (step.g, step.local, step.amount, step.before, step.total) == (27, 1, 27, 270, 297)
    assert trace(dag())[6].formula == "dd/db = 3*b^2"
    assert trace(dag())[6].local == 27


def test_the_real_backward_pass_is_watched_and_no_gradient_is_touched():
    output = dag()
    steps = trace(output)

    assert all(node.grad is None for node in steps.order)
    output.backward()
    assert {n.name: n.grad for n in steps.order} == {n.name: steps.grads[n] for n in steps.order}


@pytest.mark.parametrize("name", list(lecture.EXAMPLES))
def test_the_contributions_add_up_to_the_gradients_of_backward(name):
    output = lecture.EXAMPLES[name].graph()
    steps = trace(output)
    output.backward()

    for node in steps.order:
        assert np.array_equal(steps.grads[node], node.grad)
        received = steps.received(node)
        assert node is output or np.array_equal(sum(s.amount for s in received), node.grad)
        assert all(np.array_equal(a.total, b.before) for a, b in itertools.pairwise(received))


def test_the_same_arrows_as_the_lectures_topological_algorithm():
    output = lecture.EXAMPLES["order"].graph()
    mine = [(s.node, s.i, float(s.amount)) for s in trace(output) if s.kind == BACKWARD]

    assert mine == [(s.node, s.i, float(s.amount)) for s in lecture.topological(output).contributions]


def test_the_wrong_algorithms_are_traced_as_they_go_wrong():
    tree, recursive = (
        trace(dag(), algorithm="tree"),
        trace(lecture.EXAMPLES["order"].graph(), algorithm="recursive"),
    )

    assert [(s.total, s.replaced) for s in tree if s.input is not None and s.input.name == "b"] == [
        (27, False),
        (270, True),
    ]
    assert [s.total for s in recursive if s.input is not None and s.input.name == "x"] == [12, 132]
    assert [s.again for s in recursive if s.input is not None and s.input.name == "x"] == [False, True]


def test_nodes_without_a_name_get_a_letter_and_every_name_is_there_once():
    x = Tensor(2.0, name="x")
    output = (x * 2 + Tensor(1.0, name="x")) * Tensor(3.0)

    names = list(trace(output).names.values())
    assert sorted(names) == sorted(set(names))
    assert len(names) == 6


def test_an_output_with_entries_wants_the_gradient_that_arrives():
    x = Tensor([1.0, 2.0], name="x")

    with pytest.raises(GradientError, match="wants an output of one entry"):
        trace(x * 3)
    assert trace(x * 3, np.array([1.0, 10.0])).grads[x].tolist() == [3.0, 30.0]


def test_ops_with_several_outputs_and_data_without_gradients():
    x = Tensor([1.0, 2.0, 3.0, 4.0], name="x")
    first, second = np.split(x, 2)
    steps = trace((first * np.array([5.0, 6.0]) + second).sum())

    assert steps.grads[x].tolist() == [5.0, 6.0, 1.0, 1.0]
    assert "sum" in steps.to_text()


def test_local_derivatives_are_numbers_where_a_number_says_it_all():
    x = Tensor(2.0, name="x")
    w = Tensor([1.0, 2.0], name="w")

    assert trace(np.sum(x))[-1].local == 1
    assert trace(np.tanh(x))[-1].local == 1 - np.tanh(2.0) ** 2
    product, total = trace((w * 3).sum())[-1], trace((w * 3).sum())[-2]
    assert (product.local, product.formula) == (3, "dc/dw = 3")
    assert total.local is None
    assert total.formula.startswith("c.grad = broadcast_to(d.grad")


def test_a_rule_that_cannot_be_read_still_shows_its_numbers():
    def stubborn(z, x):
        return float(np.asarray(x)) * 2.0

    from clearprop.op import Op

    odd = Op("odd", lambda x: x * x, kind="elementwise", derivatives=(stubborn,))
    x = Tensor(3.0, name="x")
    step = trace(odd(x))[-1]

    assert step.local == 6
    assert step.formula.startswith("dc/dx")
    assert "6" in trace(odd(x)).to_text()


def test_a_network_is_traced_in_a_moment_and_large_arrays_are_summarised():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 64)).astype(np.float32)
    W, b, V = (
        Tensor(rng.normal(size=s).astype(np.float32), name=n)
        for n, s in [("W", (64, 128)), ("b", (128,)), ("V", (128, 10))]
    )
    scores = clearprop.log_softmax(np.tanh(x @ W + b) @ V)
    loss = -scores[np.arange(64), np.arange(64) % 10].mean()
    text = trace(loss).to_text()

    assert "(64, 128) float32" in text
    assert "x.grad" not in text
    assert len(text) < 20_000


def test_values_are_written_short():
    assert written(None) == "?"
    assert written(-0.0) == "0"
    assert written(True) == "1"
    assert written(np.int64(3)) == "3"
    assert written(1e-300) == "1e-300"
    assert written((np.float64(1), None)) == "(1, ?)"
    assert written(np.zeros((0,))) == "(0,) float64, empty"
    assert written(np.array([[1.0, 2.0], [3.0, np.nan]])) == "[[1, 2], [3, nan]]"
    assert written(1 / 3, digits=17) == "0.33333333333333331"
