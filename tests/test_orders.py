"""Orders of one's own: every valid one gives the same gradients, every other is refused with its arrow."""

import itertools

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, count_orders, is_topological, topological_order
from clearprop.compiler.step import available_executors
from clearprop.typed import lecture


def dag():
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    c, d = a + b, b**3
    c.name, d.name = "c", "d"
    e = c * d
    e.name = "e"
    return a, b, c, d, e


def test_each_permutation_of_a_graph_is_right_or_refused_as_its_arrows_say():
    nodes = dag()
    valid = 0
    for order in itertools.permutations(nodes):
        place = {node: i for i, node in enumerate(order)}
        good = all(place[x] < place[n] for n in nodes for x in n.inputs if isinstance(x, Tensor))
        valid += good
        assert is_topological(order, nodes[-1]) is good
        for node in nodes:
            node.grad = None
        if good:
            nodes[-1].backward(order=order)
            assert [float(n.grad) for n in nodes] == [27.0, 297.0, 27.0, 10.0, 1.0]
        else:
            with pytest.raises(ValueError, match="stands before"):
                nodes[-1].backward(order=order)
            assert nodes[0].grad is None

    assert valid == count_orders(nodes[-1]) == 5


@pytest.mark.parametrize("name", ["tree", "power", "relu", "tanh", "dag", "order"])
def test_the_number_of_orders_is_that_of_the_valid_permutations(name):
    output = lecture.EXAMPLES[name].graph()
    nodes = topological_order(output)

    assert count_orders(output) == sum(is_topological(p, output) for p in itertools.permutations(nodes))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda a, b, c, d, e: [a, b, c, e, d],
            r"Tensor 'e' stands before Tensor 'd', which it was computed",
        ),
        (lambda a, b, c, d, e: [a, c, b, d, e], r"Tensor 'c' stands before Tensor 'b'"),
        (lambda a, b, c, d, e: [a, b, c, e], r"Tensor 'd' is missing"),
        (lambda a, b, c, d, e: [a, b, b, c, d, e], r"Tensor 'b' stands there more than once"),
        (
            lambda a, b, c, d, e: [a, b, c, d, e, Tensor(1.0, name="z")],
            r"'z' is no node that led to Tensor 'e'",
        ),
        (lambda a, b, c, d, e: [e, d, c, b, a], r"order\[::-1\]: inputs first"),
        (lambda a, b, c, d, e: [], r"is missing"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(change, told):
    nodes = dag()
    with pytest.raises(ValueError, match=told):
        nodes[-1].backward(order=change(*nodes))

    assert [node.grad for node in nodes] == [None] * 5


@pytest.mark.parametrize("order", [["a"], [1.0, 2.0], [None]])
def test_what_are_no_nodes_is_refused(order):
    *_, e = dag()
    with pytest.raises(TypeError, match="holds Tensors"):
        e.backward(order=order)
    with pytest.raises(TypeError):
        is_topological(order)


def test_an_empty_order_is_no_order():
    with pytest.raises(ValueError, match="empty"):
        is_topological([])


def test_constants_may_be_left_out_or_stand_there():
    x, k = Tensor(2.0, name="x"), Tensor(5.0, name="k", requires_grad=False)
    y = x * k
    y.backward(order=[x, y])
    y.backward(order=[k, x, y])

    assert float(x.grad) == 10.0
    assert not is_topological([x, y])
    assert is_topological([k, x, y])


def test_an_iterator_second_derivatives_and_a_single_node():
    x = Tensor(2.0, name="x")
    y = x**3
    y.backward(order=iter([x, y]), create_graph=True)
    g = x.grad
    x.grad = None
    g.backward()

    assert float(x.grad) == 12.0
    z = Tensor(np.ones(3), name="z")
    z.backward(np.ones(3), order=[z])
    np.testing.assert_array_equal(z.grad, np.ones(3))
    assert count_orders(z) == 1


@pytest.mark.parametrize("executor", available_executors())
def test_a_compiled_step_takes_an_order(executor):
    w = Tensor([1.0, 2.0], name="w")

    def step(x):
        w.grad = None
        y = w * x
        z = (y * y).sum()
        z.backward(order=topological_order(z))
        return z

    compiled = clearprop.compile(step, executor=executor)
    for x in np.random.default_rng(0).normal(size=(4, 2)):
        compiled(x)
        np.testing.assert_allclose(w.grad, 2 * w.value * x * x)


def test_counting_a_wide_graph_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr("clearprop.orders.MOST", 20_000)  # a tenth of it
    total = sum((Tensor(float(i)) for i in range(1, 40)), Tensor(0.0))
    with pytest.raises(ValueError, match="20,000 sets"):
        count_orders(total)


def test_a_chain_of_a_thousand_has_one_order():
    x = Tensor(1.0)
    y = x
    for _ in range(1000):
        y = np.tanh(y)

    assert count_orders(y) == 1
