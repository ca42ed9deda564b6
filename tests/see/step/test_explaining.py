"""explain(node): the contributions add up to the gradient, to the bit, and say where each came from."""

from __future__ import annotations

import gc
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop
from clearprop import GradientError, Tensor, explain
from clearprop.see import users_of

UNARY = ("tanh", "exp", "sin", "square", "relu", "sigmoid", "negative", "absolute")
BINARY = ("add", "subtract", "multiply", "maximum")


def lecture_graph():
    a, b = Tensor(7.0), Tensor(3.0)
    c, d = a + b, b**3
    e = c * d
    for name, node in {"a": a, "b": b, "c": c, "d": d, "e": e}.items():
        node.name = name
    e.backward()
    return a, b, c, e


def test_the_lectures_sum_is_told_with_its_two_paths():
    a, b, c, e = lecture_graph()

    assert explain(b).text == "297 = 270 via d = power(b, 3) (10 * 3*b^2) + 27 via c = add(a, b) (27 * 1)"
    assert explain(a).text == "27 = 27 via c = add(a, b) (27 * 1)"
    assert explain(c).text == "27 = 27 via e = multiply(c, d) (1 * d)"
    assert explain(e).text == "1 = 1 via the gradient given to backward()"


def test_the_callers_variables_give_the_names():
    first, second = Tensor(7.0), Tensor(3.0)
    total = first + second
    power = second**3
    product = total * power
    del total
    product.backward()

    assert explain(second).text == (
        "297 = 270 via power = power(second, 3) (10 * 3*second^2) + 27 via add(first, second) (27 * 1)"
    )
    assert (
        explain(power).text
        == "10 = 10 via product = multiply(add(first, second), power) (1 * add(first, second))"
    )


def test_a_sum_in_the_local_derivative_is_bracketed():
    x = Tensor(0.5, name="x")
    out = np.tanh(x) * 2
    out.backward()

    assert explain(x, names={}).text.endswith("via tanh(x) (2 * (1 - tanh(x)^2))")


def test_a_condition_in_the_local_derivative_is_bracketed():
    x = Tensor(2.0, name="x")
    out = clearprop.relu(x)
    out.backward()

    assert explain(x, names={}).text == "1 = 1 via relu(x) (1 * [x > 0])"


def test_arrays_are_told_by_path_with_norms_shapes_and_largest_entries():
    X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    w, y = Tensor([1.0, -1.0]), Tensor([0.0, 1.0, 2.0])
    loss = np.mean((X @ w - y) ** 2)
    loss.backward()

    assert explain(w).text == (
        "w.grad (2,), norm 23.74 is 1 contribution:\n"
        "  (2,), norm 23.74 via matmul(X, w): X^T @ g with X (3, 2), g (3,)\n"
        "    largest: [1] -18.67, [0] -14.67"
    )
    assert np.array_equal(explain(w).total, w.grad)


def test_a_transposed_weight_is_told_with_what_stands_behind_the_transpose():
    x, W = np.ones((4, 3)), Tensor(np.ones((2, 3)), name="W")
    out = (x @ W.T).sum()
    out.backward()

    text = explain(W, names={id(x): "x"}).text

    assert "via transpose(W): g^T with g (3, 2)" in text
    assert "where g = x^T @ g via matmul(x, transpose(W)) with x (4, 3), g (4, 2)" in text


def test_a_broadcast_bias_is_told_with_the_sum_that_undoes_it():
    x, b = np.ones((4, 3)), Tensor(np.zeros(3), name="b")
    c = Tensor(np.zeros((4, 1)), name="c")
    s = Tensor(2.0, name="s")
    out = (s * (x * b + c)).sum()
    out.backward()

    assert "sum(g*x, axis=0) with g (4, 3), x (4, 3)" in explain(b, names={id(x): "x"}).text
    assert "sum(g, axis=1) with g (4, 3)" in explain(c, names={}).text
    assert "(sum(g*add(multiply(array(4, 3), b), c)))" in explain(s, names={}).text


def test_a_leaf_in_large_arrays_is_summarised_never_dumped():
    w = Tensor(np.ones((300, 200)))
    out = (np.ones((50, 300)) @ w).sum()
    out.backward()

    assert len(explain(w).text) < 400


def test_a_leafs_earlier_gradient_is_told_apart():
    a, b = Tensor(7.0), Tensor(3.0)
    (a * 2).backward()
    e = a * b
    e.backward()

    assert explain(a).total == 3
    assert explain(a).before == 2
    assert "grad also holds 2 from an earlier backward()" in explain(a).text


def test_another_output_can_be_asked_for_without_running_backward():
    a, b = Tensor(7.0), Tensor(3.0)
    e = a * b + a

    assert explain(a, e).total == 4
    assert a.grad is None


def test_a_node_that_does_not_lead_to_the_output_gets_nothing():
    a, b = Tensor(7.0), Tensor(3.0)
    e = a * 2

    assert explain(b, e).text.startswith("b: no gradient arrives here")


def test_without_a_backward_pass_the_output_is_asked_for():
    a, b = Tensor(7.0, name="a"), Tensor(3.0)
    e = a * b
    e.backward()
    del e
    gc.collect()

    with pytest.raises(GradientError) as caught:
        explain(a)

    assert str(caught.value) == (
        "explain(t): no backward pass is known that led to t: 'a' () float64.\n"
        "  Try explain(t, output), or output.backward() first, with the output kept in a variable."
    )


def test_of_several_graphs_the_one_the_node_belongs_to_is_found():
    a, b = Tensor(7.0), Tensor(3.0)
    first, second = a * 2, b * 5
    first.backward()
    second.backward()

    assert (explain(a).total, explain(b).total) == (2, 5)


def test_a_node_of_another_graph_is_refused():
    a, other = Tensor(7.0, name="a"), Tensor(1.0, name="other")
    e = a * 2
    e.backward()

    with pytest.raises(
        GradientError, match=r"did not lead to the output of the latest backward\(\): t is 'other'"
    ):
        explain(other)
    assert e.grad == 1


def test_after_leaves_only_the_gradients_are_worked_out_again():
    a, b = Tensor(7.0), Tensor(3.0)
    e = (a + b) * b**3
    e.backward(leaves_only=True)

    assert explain(b).total == b.grad == 297


def test_each_piece_of_an_array_is_a_contribution():
    x = Tensor(np.arange(6.0))
    left, right = np.split(x, 2)
    out = (left * right).sum() + right.sum()
    out.backward()

    assert np.array_equal(explain(x).total, x.grad)
    assert [c.user for c in explain(x).contributions] == [right, left]


def test_a_second_gradient_graph_is_explained_too():
    x = Tensor(2.0)
    y = x**3
    y.backward(create_graph=True)
    slope = x.grad
    x.grad = None
    slope.backward()

    assert explain(x).total == x.grad == 12


def test_a_user_op_without_a_readable_rule_still_has_its_number():
    def rule(g, z, x):
        return g * np.asarray(x, dtype=float)  # refuses Tensors

    odd = clearprop.define("odd_op", "opaque", rule)(lambda x: x * x / 2)
    x = Tensor(3.0, name="x")
    out = odd(x)
    out.backward()

    assert explain(x, names={}).text == "3 = 3 via odd_op(x) (the rule of odd_op)"


def test_latex_and_html_hold_the_same_sum():
    _, b, _, e = lecture_graph()
    told = explain(b, e)

    assert told.to_latex() == (
        r"\bar{b} = \underbrace{10 \cdot 3 \, b^{2}}_{\text{via d = power(b, 3)}}"
        r" + \underbrace{27 \cdot 1}_{\text{via c = add(a, b)}} = 297"
    )
    assert told._repr_latex_() == rf"$\displaystyle {told.to_latex()}$"
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", told.to_html())
    assert cells[:3] == ["270", "d = power(b, 3)", "10 * 3*b^2"]
    assert "<caption>b.grad = 297</caption>" in told.to_html()


def test_html_is_escaped():
    x = Tensor(1.0, name="<script>")
    out = x * 2
    out.backward()

    html = explain(x, names={}).to_html()

    assert "<script>" not in html
    assert "&lt;script&gt;" in html


@st.composite
def programs(draw):
    """A random DAG: a list of (op, inputs) over two leaves."""
    steps = []
    for n in range(2, 2 + draw(st.integers(1, 14))):
        if draw(st.booleans()):
            steps.append(
                (draw(st.sampled_from(BINARY)), (draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))))
            )
        else:
            steps.append((draw(st.sampled_from(UNARY)), (draw(st.integers(0, n - 1)),)))
    return steps


@settings(max_examples=150, deadline=None)
@given(programs(), st.sampled_from([(), (3,), (2, 1)]), st.sampled_from([np.float32, np.float64]))
def test_contributions_add_up_to_the_bit_on_random_graphs(steps, shape, dtype):
    rng = np.random.default_rng(len(steps))
    nodes = [Tensor(rng.normal(size=shape).astype(dtype)), Tensor(rng.normal(size=(1,)).astype(dtype))]
    with np.errstate(all="ignore"):
        for op, inputs in steps:
            nodes.append(getattr(clearprop, op)(*(nodes[i] for i in inputs)))
        total = nodes[0]
        for node in nodes[1:]:
            total = total + node
        output = total.sum()
    output.backward()
    users = users_of(output)

    for node in (*nodes, output):
        told = explain(node, users=users)
        added = None
        with np.errstate(all="ignore"):
            for contribution in told.contributions:
                added = contribution.amount if added is None else added + contribution.amount

        assert np.asarray(told.total).tobytes() == np.asarray(node.grad).tobytes()
        assert np.asarray(added).tobytes() == np.asarray(node.grad).tobytes()
        assert all((told.text, told.to_latex(), told.to_html()))


@pytest.mark.filterwarnings("error")
def test_infinities_that_cancel_are_explained_as_nan():
    x = Tensor(1.0, name="x")
    with np.errstate(all="ignore"):
        y = x * np.inf - x * np.inf
        y.backward()

    assert np.isnan(explain(x).total)
    assert np.isnan(x.grad)
