"""The lecture, box for box: every number of its graphs, and how two of its three algorithms go wrong."""

import numpy as np
import pytest

from clearprop import Tensor, is_tree, registry, topological_order
from clearprop.errors import GradientError
from clearprop.typed import lecture


def numbers(found):
    return {node.name: np.asarray(grad).tolist() for node, grad in found.grads.items()}


def forward(output):
    return [float(t.value) for t in topological_order(output) if t.op is not None]


# name of the example, forward values in order, gradients of every node
# fmt: off
TABLE = [
    ("tree",     [10, 20],       {"a": 2, "b": 2, "c": 10, "d": 2, "e": 1}),
    ("power",    [27, 34, 68],   {"a": 2, "b": 54, "c": 34, "d": 2, "e": 2, "f": 1}),
    ("relu",     [3, 10, 20],    {"a": 2, "b": 2, "c": 10, "d": 2, "e": 2, "f": 1}),
    ("relu-off", [0, 7, 14],     {"a": 2, "b": 0, "c": 7, "d": 2, "e": 2, "f": 1}),
    ("dag",      [10, 27, 270],  {"a": 27, "b": 297, "c": 27, "d": 10, "e": 1}),
    ("order",    [9, 18, 81, 99], {"x": 120, "w": 20, "u": 1, "v": 1, "y": 1}),
]
# fmt: on


@pytest.mark.parametrize(("name", "values", "gradients"), TABLE)
def test_the_lecture_box_for_box(name, values, gradients):
    output = lecture.EXAMPLES[name].graph()

    assert forward(output) == values
    assert numbers(lecture.topological(output)) == gradients

    output.backward()
    assert {t.name: float(t.grad) for t in topological_order(output)} == gradients


def test_tanh_in_place_of_relu():
    output = lecture.EXAMPLES["tanh"].graph()
    found = numbers(lecture.topological(output))

    np.testing.assert_allclose(float(output.value), 15.990109507373461, rtol=1e-12)
    np.testing.assert_allclose(found["b"], 0.019732074330880423, rtol=1e-12)
    assert (found["a"], found["d"]) == (2, 2)


UNARY = [
    op
    for op in registry.ops.values()
    if op.kind == "elementwise" and len(op.derivatives) == 1 and op.differentiable
]


@pytest.mark.parametrize("op", UNARY, ids=lambda op: op.name)
def test_any_unary_function_in_place_of_relu(op):
    low, high = op.facts.domain or (-2.0, 2.0)
    a, b, c = Tensor(7.0), Tensor(low + 0.7 * (high - low)), Tensor(2.0)
    output = (a + op(b)) * c
    value, slope = op(b.value), op.derivatives[0]
    local = slope(value, b.value) if callable(slope) else slope

    for algorithm in lecture.ALGORITHMS.values():
        found = algorithm(output).grads
        np.testing.assert_allclose([found[a], found[b], found[c]], [2, 2 * local, 7 + value], rtol=1e-12)


def test_mean_squared_error_of_three_points():
    output = lecture.EXAMPLES["regression"].graph()
    found = numbers(lecture.topological(output))

    np.testing.assert_allclose(float(output.value), 14 / 3, rtol=1e-12)
    np.testing.assert_allclose(found["w"], [-44 / 3, -56 / 3], rtol=1e-12)
    np.testing.assert_allclose(found["y"], [2 / 3, 4 / 3, 2], rtol=1e-12)
    np.testing.assert_allclose(found["X"], [[-2 / 3, 2 / 3], [-4 / 3, 4 / 3], [-2, 2]], rtol=1e-12)


def test_softmax_loss_of_three_scores():
    output = lecture.EXAMPLES["softmax"].graph()
    found = numbers(lecture.topological(output))

    np.testing.assert_allclose(float(output.value), 1.4076059644443801, rtol=1e-12)
    np.testing.assert_allclose(
        found["x"], [0.09003057317038, -0.755271528945202, 0.665240955774822], rtol=1e-12
    )


def test_the_tree_algorithm_keeps_only_the_last_contribution():
    output = lecture.EXAMPLES["dag"].graph()
    b = topological_order(output)[1]

    assert lecture.tree(output).grads[b] == 270
    assert lecture.tree(output, last_input_first=True).grads[b] == 27


def test_recursive_accumulation_counts_twice_what_it_passed_on_too_early():
    output = lecture.EXAMPLES["order"].graph()
    x = topological_order(output)[0]

    assert lecture.recursive(output).grads[x] == 132
    assert [float(sent.amount) for sent in lecture.recursive(output).to(x)] == [12, 120]
    assert lecture.topological(output).grads[x] == 120


@pytest.mark.parametrize("name", ["tree", "power", "relu", "relu-off", "tanh"])
def test_on_a_tree_the_three_algorithms_agree_in_either_order(name):
    output = lecture.EXAMPLES[name].graph()
    right = numbers(lecture.topological(output))

    assert is_tree(output)
    assert numbers(lecture.tree(output)) == numbers(lecture.tree(output, last_input_first=True)) == right
    assert (
        numbers(lecture.recursive(output))
        == numbers(lecture.recursive(output, last_input_first=True))
        == right
    )


@pytest.mark.parametrize("name", ["dag", "order"])
def test_is_tree_tells_the_graphs_apart(name):
    assert not is_tree(lecture.EXAMPLES[name].graph())


def test_contributions_come_in_visiting_order_with_the_sum_so_far():
    output = lecture.EXAMPLES["dag"].graph()
    found = lecture.topological(output)

    assert [
        (s.node.name, s.input.name, float(s.g), float(s.amount), s.before, float(s.total))
        for s in found.contributions
    ] == [
        ("e", "c", 1, 27, None, 27),
        ("e", "d", 1, 10, None, 10),
        ("d", "b", 10, 270, None, 270),
        ("c", "a", 27, 27, None, 27),
        ("c", "b", 27, 27, 270, 297),
    ]


def test_both_visiting_orders_of_the_tree_algorithm():
    output = lecture.EXAMPLES["dag"].graph()

    def visits(found):
        return "".join(f"{s.node.name}{s.input.name} " for s in found.contributions)

    assert visits(lecture.tree(output)) == "ec ca cb ed db "
    assert visits(lecture.tree(output, last_input_first=True)) == "ed db ec cb ca "


def test_topological_is_what_backward_does_on_a_larger_graph():
    rng = np.random.default_rng(0)
    X, W, b, v = (Tensor(rng.normal(size=s)) for s in [(5, 4), (4, 3), (3,), (3,)])
    output = np.mean(np.tanh(X @ W + b) @ v) + np.sum(W**2)
    found = lecture.topological(output)
    output.backward()

    assert set(found.grads) == {t for t in topological_order(output) if t.grad is not None}
    for node, grad in found.grads.items():
        assert np.array_equal(grad, node.grad)


def test_a_node_used_twice_by_one_op():
    x = Tensor(3.0)
    y = x * x

    assert lecture.topological(y).grads[x] == lecture.recursive(y).grads[x] == 6
    assert lecture.tree(y).grads[x] == 3


def test_a_graph_with_too_many_paths_or_too_deep_is_refused_by_the_recursive_passes():
    x = Tensor(1.0)
    doubled, deep = x, x
    for _ in range(40):
        doubled = doubled + doubled
    for _ in range(5000):
        deep = deep * 1.0

    with pytest.raises(GradientError, match="walks every path, and this graph has more than 100,000"):
        lecture.recursive(doubled)
    with pytest.raises(GradientError, match="this graph has more than 50"):
        lecture.tree(doubled, most_visits=50)
    with pytest.raises(GradientError, match="too deep for a recursive pass"):
        lecture.tree(deep)
    assert lecture.topological(doubled).grads[x] == 2.0**40
    assert lecture.topological(deep).grads[x] == 1


def test_what_the_lecture_cannot_walk_is_refused():
    with pytest.raises(GradientError, match="wants an output of one number"):
        lecture.tree(Tensor([1.0, 2.0]) * 2)


def test_pieces_of_an_array_are_walked_like_any_other_node():
    x = Tensor([1.0, 2.0])
    left, right = np.split(x, 2)

    assert lecture.topological((left * right).sum()).grads[x].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("walk", [lecture.tree, lecture.recursive])
def test_a_pass_that_does_not_wait_refuses_a_hook(walk):
    x = Tensor(3.0, name="x")
    w = x * 2.0
    handle = w.register_hook(lambda g: 10 * g)

    with pytest.raises(GradientError, match="no whole gradient to show a hook"):
        walk(w)
    handle.remove()
    assert walk(w).grads[x] == 2
