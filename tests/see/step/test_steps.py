"""`trace(t)`: every step of the forward and backward pass, watched in the real one."""

import itertools
import re

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor
from clearprop.see.numbers import written
from clearprop.see.step.sentences import TIMES
from clearprop.see.step.steps import BACKWARD, FORWARD, START, trace
from clearprop.typed import lecture


def dag():
    return lecture.EXAMPLES["dag"].graph()


@pytest.mark.parametrize("width", [30, 44, 80, 200])
@pytest.mark.parametrize("colour", [False, True])
def test_a_narrow_screen_gets_the_same_words_on_more_lines(width, colour):
    steps = trace(dag())
    whole, narrow = steps.to_text(colour=colour), steps.to_text(colour=colour, width=width)
    seen = [re.sub("\x1b.[0-9]*m", "", line) for line in narrow.splitlines()]

    assert max(map(len, seen)) <= width
    assert narrow.split() == whole.split()
    assert (narrow == whole) is (width == 200)


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


def test_pieces_of_an_array_and_data_without_gradients():
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
    assert written(np.zeros((0,))) == "(0,) float64, empty"
    assert written(np.array([[1.0, 2.0], [3.0, np.nan]])) == "[[1, 2], [3, nan]]"
    assert written(1 / 3, digits=17) == "0.33333333333333331"


def test_a_drawing_of_any_step_shows_what_is_known_by_then():
    steps = trace(dag())
    early, late, done = steps.to_svg(0), steps.to_svg(-1), steps.to_svg()

    assert "value=10" in early
    assert "value=270" not in early
    assert "grad=270+27=297" in late
    assert 'class="box input active"' in late
    assert "active" not in done.partition("</style>")[2]
    assert steps.to_svg(steps[2]) == steps.to_svg(2)
    assert 'id="mine-n0"' in steps.to_svg(prefix="mine")


def test_pictures_of_arrays_wait_for_their_step():
    steps = trace(lecture.EXAMPLES["regression"].graph())

    assert steps.to_svg(0).count("-grad-picture") == 0
    assert steps.to_svg().count("-grad-picture") == 6


def test_a_sentence_and_the_chain_rule_with_the_numbers_in_it():
    step = trace(dag())[6]

    assert step.sentence == (
        "d has its whole gradient, 10. A small step of b moves d 27 times as far, so b receives "
        "10 \N{MULTIPLICATION SIGN} 27 = 270. It is the first to arrive at b."
    )
    assert step.chain == (
        "dd/db = 3*b^2 = 3*3^2 = 27",
        "b.grad += d.grad \N{MULTIPLICATION SIGN} dd/db = 10 \N{MULTIPLICATION SIGN} 27 = 270",
        "b.grad = 270",
    )


def test_names_come_from_the_callers_variables_and_the_model():
    from clearprop import nn

    weight = Tensor([[1.0, 2.0]])
    data = np.ones((2, 3))
    total = np.sum(weight @ data)
    assert trace(total).computed(trace(total).order[1]) == "weight @ data"

    net = nn.Linear(3, 1)
    loss = net(data).sum()
    assert {"net.weight", "net.bias", "loss"} <= set(trace(loss).names.values())
    assert "weight" in trace(loss, model=net, names={"out": loss}).to_text()


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(ValueError, match="algorithm is one of tree, recursive, topological: 'magic'"):
        trace(dag(), algorithm="magic")


def test_saving_is_all_or_nothing(tmp_path):
    steps = trace(dag())

    assert steps.save(tmp_path / "a.txt").read_text() == steps.to_text()
    with pytest.raises(ValueError, match=r"writes .html .gif .svg .txt: .png"):
        steps.save(tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_tracing_costs_nothing_when_it_is_not_used():
    import subprocess
    import sys

    code = "import clearprop, sys; print([m for m in sys.modules if m.startswith('clearprop.see')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_pieces_of_an_array_are_steps_too():
    x = Tensor(np.arange(5.0), name="x")
    a, b = np.split(x, [2])
    steps = trace((a.sum() * b).sum())

    assert [step.formula for step in steps[:2]] == ["a = x[0:2]", "b = x[2:5]"]
    assert "x.grad = [9, 9, 1, 1, 1]" in steps.to_text()


def test_an_array_of_data_has_its_name_in_the_rules_too():
    X, w = np.arange(6.0).reshape(3, 2), Tensor([[1.0], [2.0]])
    said = trace(X @ w, np.ones((3, 1))).to_text()

    assert "= X @ w" in said
    assert "w.grad = X^T @ c.grad" in said


def test_a_gradient_of_ones_own_starts_no_pass_that_would_not_heed_it():
    with pytest.raises(ValueError, match="starts the topological pass alone"):
        trace(dag(), 5.0, algorithm="tree")


def test_a_complex_gradient_is_multiplied_by_the_conjugate_and_says_so():
    x = Tensor(2 + 1j, name="x", requires_grad=True)
    y = np.real(x**2 * 3j)
    steps = [step for step in trace(y).steps if step.kind == "backward"]

    assert f"(0-3j) {TIMES} conj(4+2j) = -6-12j" in steps[-1].sentence
    assert f"(1+0j) {TIMES} conj(0+3j) = 0-3j" in str(trace(y))
    assert "conj" not in steps[0].sentence  # 1+0j is its own

    y.backward()
    assert "((0-3j) * conj(2*x))" in str(clearprop.explain(x))
    z = Tensor(3 + 1j, name="z", requires_grad=True)
    out = np.real(z * 2.0 * (1 + 1j))
    out.backward()
    assert "conj(2)" not in str(clearprop.explain(z))


def test_complex_numbers_stand_in_brackets_beside_a_sign():
    """x^2*0+3j would be another number."""
    x = Tensor(2 + 1j, name="x", requires_grad=True)
    story = trace(np.real(x**2 * 3j))

    assert "(0+3j)*c" in str(story)
    last = story.steps[-1]
    assert last.fill(last.told.chain[0]) == "dc/dx = 2*x = 2*(2+1j) = 4+2j"
    assert "x^2*(0+3j)" in story.to_html()
