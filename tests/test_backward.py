"""The backward pass: accumulation, order, what nodes keep, and graphs of extreme shape."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.counting import calls

import clearprop
from clearprop import GradientError, Tensor, assign, grad, no_grad, topological_order
from clearprop.backward import input_gradient
from clearprop.check import gradcheck
from clearprop.registry import ops


def test_every_node_receives_its_gradient():
    a, b = Tensor(7.0), Tensor(3.0)
    c = a + b
    d = b**3
    e = c * d
    e.backward()

    assert [t.grad for t in (a, b, c, d, e)] == [27.0, 297.0, 27.0, 10.0, 1.0]


@pytest.mark.parametrize("slice_first", [True, False])
def test_what_a_slice_sends_is_added_to_what_others_sent(slice_first):
    x = Tensor([1.0, 2.0, 3.0])
    parts = [10.0 * x[1], (x * x).sum()]
    first, second = parts if slice_first else parts[::-1]
    (first + second).backward()

    assert x.grad.tolist() == [2.0, 14.0, 6.0]


def test_leaves_only_leaves_the_nodes_between_empty():
    a = Tensor(2.0)
    b = a * a
    (b * 3).backward(leaves_only=True)

    assert a.grad == 12.0
    assert b.grad is None


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_a_second_backward_doubles_the_leaves_exactly(numbers):
    x = Tensor(numbers)
    y = x * 0.1
    loss = (np.sin(y) * x + y**2).sum()
    loss.backward()
    once, between = x.grad, y.grad
    loss.backward()

    np.testing.assert_array_equal(x.grad, 2 * once)
    np.testing.assert_array_equal(y.grad, between)


def test_a_leafs_gradient_is_its_own():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    (a + b).backward(np.array([1.0, 1.0]))
    a.grad *= 2

    assert b.grad.tolist() == [1.0, 1.0]


def test_a_node_remembers_the_values_it_was_computed_from():
    w = Tensor([1.0, 2.0])
    loss = (w * w).sum()
    assign(w, [10.0, 20.0])
    loss.backward()

    assert w.grad.tolist() == [2.0, 4.0]


def test_a_graph_of_old_values_cannot_be_extended():
    w = Tensor([1.0, 2.0], name="w")
    loss = (w * w).sum()
    assign(w, [10.0, 20.0])

    with pytest.raises(
        GradientError, match=r"an input of multiply was assigned after it was used: 'w' \(2,\)"
    ):
        loss.backward(create_graph=True)


def test_create_graph_makes_gradients_that_can_be_differentiated():
    x = Tensor(2.0)
    (x**4).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()

    assert first.value == 32.0
    assert x.grad == 48.0


def test_no_grad_remembers_nothing():
    x = Tensor(2.0)
    with no_grad():
        y = x * 3

    assert not y.requires_grad
    assert y.inputs == ()
    with pytest.raises(GradientError, match="no input of this result needs a gradient"):
        y.backward()
    assert (x * 3).requires_grad


def test_an_output_of_several_entries_needs_the_arriving_gradient():
    x = Tensor([1.0, 2.0])

    with pytest.raises(GradientError, match="wants an output of one entry"):
        (x * 2).backward()
    with pytest.raises(GradientError, match=r"wants a gradient of the output's shape \(2,\): \(3,\)"):
        (x * 2).backward(np.ones(3))


def test_gradients_have_the_dtype_of_their_value():
    x, y = Tensor(np.ones(3, np.float32)), Tensor(np.ones(3))
    (x * y).sum().backward()

    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_inputs_without_a_gradient_cost_nothing_and_get_none():
    x, y = Tensor([1.0]), Tensor([2.0], requires_grad=False)
    (x * y).sum().backward()

    assert x.grad.tolist() == [2.0]
    assert y.grad is None


def test_an_op_with_several_outputs_gathers_what_its_parts_receive():
    x = Tensor([1.0, 2.0, 3.0, 4.0])
    first, second, third = np.split(x, [1, 3])
    (first.sum() * 5 + (third * third).sum()).backward()

    assert second.shape == (2,)
    assert x.grad.tolist() == [5.0, 0.0, 0.0, 8.0]


def test_a_gradient_of_zero_stays_zero_through_an_infinite_derivative():
    z = np.array([4.0, 0.0])
    x = Tensor(z)
    np.where(z > 0, np.sqrt(x), 0).sum().backward()

    assert x.grad.tolist() == [0.25, 0.0]


def test_the_mask_does_not_swallow_second_derivatives():
    # d/da of d/dx a*sqrt(x) is 1/(2 sqrt(x)), also at a = 0 where the first gradient is 0
    first = grad(lambda x, a: a * np.sqrt(x))

    assert grad(lambda a: first(Tensor(4.0), a))(0.0) == 0.25


def test_the_order_is_that_of_computation_with_leaves_by_first_use():
    a, b, c = Tensor(1.0, name="a"), Tensor(2.0, name="b"), Tensor(3.0, name="c")
    d = c + b
    e = d * a

    assert [t.name for t in topological_order(e)[:3]] == ["c", "b", "a"]
    assert topological_order(e)[3:] == [d, e]


def test_a_chain_of_any_depth_takes_linear_work():
    def chain(n):
        x = Tensor(1.0)
        y = x
        for _ in range(n):
            y = y + 0.5
        y.backward()
        assert repr(y).startswith("Tensor(")
        assert x.grad == 1.0

    part, whole = calls(lambda: chain(500)), calls(lambda: chain(8_000))
    chain(200_000)  # far deeper than any stack, and its nodes are freed one by one

    assert whole < 17 * part  # 16 times as many nodes


def test_one_leaf_used_a_hundred_thousand_times():
    x = Tensor(1.0)
    total = x * 0
    for _ in range(100_000):
        total = total + x
    total.backward()

    assert x.grad == 100_000.0


def test_threads_share_leaves_and_lose_no_gradient():
    w = Tensor(np.ones(10))

    def work():
        for _ in range(200):
            (w * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()

    assert w.grad.tolist() == [1600.0] * 10


def test_no_grad_in_one_thread_does_not_reach_another():
    inside, checked = threading.Event(), threading.Event()

    def quiet():
        with no_grad():
            inside.set()
            checked.wait(5)

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait(5)
    try:
        assert (Tensor(1.0) * 2).requires_grad
    finally:
        checked.set()
        thread.join()


def test_memory_does_not_grow_with_the_garbage_collector_off():
    w = Tensor(np.ones((50, 50)))

    def step():
        w.grad = None
        np.tanh(w @ w).sum().backward()

    gc.disable()
    try:
        for _ in range(5):
            step()
        tracemalloc.start()
        step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            step()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()

    assert after - before < 20_000


@given(st.data())
def test_random_graphs_agree_with_forward_differences_of_complex_steps(data):
    """Build a random DAG of smooth ops and compare with the complex-step derivative, exact to rounding."""
    n = data.draw(st.integers(1, 12))
    choices = [
        data.draw(
            st.tuples(
                st.sampled_from(["add", "multiply", "sin", "tanh"]), st.integers(0, i), st.integers(0, i)
            )
        )
        for i in range(n)
    ]

    def run(x, call):
        nodes = [x]
        for name, i, j in choices:
            args = (nodes[i], nodes[j]) if ops[name].arity == 2 else (nodes[i],)
            nodes.append(call(name, args))
        return nodes[-1]

    x = Tensor(0.3)
    y = run(x, lambda name, args: ops[name](*args))
    if y.requires_grad and y is not x:
        y.backward()
        z = run(0.3 + 1e-200j, lambda name, args: getattr(np, name)(*args))
        np.testing.assert_allclose(x.grad, z.imag / 1e-200, rtol=1e-10, atol=1e-12)


def test_an_error_in_a_rule_leaves_every_gradient_as_it_was():
    def fails(z, x):
        raise RuntimeError("this rule fails")

    bad = clearprop.elementwise("bad_rule", lambda x: x * 1, fails)
    a, b = Tensor(1.0), Tensor(2.0)
    (a * b).backward()
    z = bad(a) * b + b

    with pytest.raises(RuntimeError, match="this rule fails"):
        z.backward()
    assert (a.grad, b.grad, z.grad) == (2.0, 1.0, None)
    del clearprop.registry.ops["bad_rule"]


def test_a_leaf_does_not_share_the_gradient_it_was_given():
    leaf, arriving = Tensor([1.0, 2.0]), np.ones(2)
    leaf.backward(arriving)
    leaf.grad *= 3

    assert arriving.tolist() == [1.0, 1.0]


def test_create_graph_gives_tensors_also_where_the_gradient_is_constant():
    x = Tensor([1.0, 2.0])
    (3.0 * x).sum().backward(create_graph=True)

    assert isinstance(x.grad, Tensor)
    assert x.grad.value.tolist() == [3.0, 3.0]


def test_a_complex_loss_is_refused_and_its_size_is_not():
    x = Tensor([1.0, -2.0])

    with pytest.raises(GradientError, match=r"gradients are of real numbers: the output is \(\) complex128"):
        (1j * x).sum().backward()
    np.abs(1j * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, -1.0])


def test_several_results_are_one_array_and_slices_of_it():
    @clearprop.define(
        "sum_and_difference",
        "opaque",
        lambda g, z, x, y: g[0] + g[1],
        lambda g, z, x, y: g[0] - g[1],
        examples=((((3,), (3,)), {}),),
    )
    def both(x, y):
        return np.stack((x + y, x - y))

    x, y = Tensor([1.0, 2.0]), Tensor([[3.0, 4.0], [5.0, 6.0]])
    total, difference = both(x, y)
    (total * difference).sum().backward()
    del clearprop.registry.ops["sum_and_difference"]

    assert x.grad.tolist() == [4.0, 8.0]  # x^2 - y^2, broadcast over two rows
    assert y.grad.tolist() == [[-6.0, -8.0], [-10.0, -12.0]]


@pytest.mark.parametrize("results", [lambda x: (x, x), lambda x: [x], np.modf, lambda x: np.divmod(x, 2.0)])
def test_an_op_has_one_output(results):
    op = clearprop.define("several_results", "opaque", lambda g, z, x: g)(results)
    x = Tensor([1.0, 2.0])

    with pytest.raises(
        TypeError, match=r"several_results\(...\): wants its forward function to return one array"
    ):
        op(x)
    del clearprop.registry.ops["several_results"]


def _pieces(x):
    """Slices of x in several users' hands, overlapping, beside a use of the whole."""
    a, b, c = x[:3], x[2:], x[np.array([0, 0, 3])]
    return (a * a).sum() + (x**3).sum() + (b * b * b).sum() + (c * x[1]).sum()


def test_gradients_of_slices_are_the_sum_of_what_each_sends():
    x = Tensor([1.0, -2.0, 3.0, 4.0])
    output = _pieces(x)
    output.backward()
    sent = {}
    order = clearprop.graph.topological_order(output, tracked=True)
    for node in reversed(order):
        for i, t in enumerate(node.inputs):
            if isinstance(t, Tensor):
                d = input_gradient(node.op, i, node.grad, node._value, node.values, node.attrs)
                sent[t] = sent[t] + d if t in sent else d

    np.testing.assert_array_equal(x.grad, sent[x])  # to the bit
    assert x.grad.tolist() == [1.0, 14.0, 60.0, 94.0]


def test_gradients_of_slices_have_a_graph_of_their_own():
    x = Tensor([1.0, -2.0, 3.0, 4.0])

    assert gradcheck(_pieces, x, order=2)


def test_a_slice_that_a_leaf_gave_away_leaves_its_gradient_alone():
    x = Tensor([1.0, 2.0])
    g = np.ones(2)
    x[:].backward(g)
    x.grad *= 3

    assert g.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("graph", [False, True])
def test_the_backward_pass_of_many_slices_takes_one_array(graph, monkeypatch):
    x, made = Tensor(np.ones((64, 3))), []
    monkeypatch.setattr(ops["scatter"], "forward", lambda *xs, **attrs: made.append(attrs))
    sum((piece * piece).sum() for piece in np.split(x, 64)).backward(create_graph=graph)

    assert made == []
    np.testing.assert_array_equal(np.asarray(x.grad.value if graph else x.grad), 2 * np.ones((64, 3)))


def test_division_by_the_number_zero_has_an_infinite_derivative_and_a_masked_one():
    x = Tensor([1.0, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        y = x / 0
    y.backward(np.array([1.0, 0.0]))

    assert x.grad.tolist() == [np.inf, 0.0]
