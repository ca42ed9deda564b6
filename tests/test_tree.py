"""Trees: leaves in nested containers, taken apart and put together."""

import collections
import dataclasses

import numpy as np
import pytest

from clearprop import Tensor, nn, tree

Pair = collections.namedtuple("Pair", "w b")


@dataclasses.dataclass(frozen=True)
class State:
    w: object
    name: str = "state"
    more: object = None


TREES = {
    "a number": 2.0,
    "an array": np.arange(6.0).reshape(2, 3),
    "a Tensor": Tensor([1.0, 2.0]),
    "a list": [1.0, np.ones(2)],
    "a tuple": (np.ones((1, 2)), 3.0),
    "a named tuple": Pair(np.ones(2), 1.0),
    "a dict": {"w": np.ones(2), "b": 0.5},
    "an ordered dict": collections.OrderedDict(z=1.0, a=np.ones(3)),
    "a frozen dataclass": State(np.ones(2), more=[1.0, None]),
    "nested": {"layers": [{"w": np.ones((2, 2)), "b": None}, (1.0, "relu")], "scale": 2.0},
    "float32": [np.ones(2, np.float32), np.float32(3)],
    "no leaf": {"a": None, "b": ()},
}


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, State):
        a, b = vars(a), vars(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        a, b = list(a.values()), list(b.values())
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif tree.is_leaf(a):
        np.testing.assert_array_equal(getattr(a, "value", a), getattr(b, "value", b))
    else:
        assert a == b


@pytest.mark.parametrize("name", TREES)
def test_map_keeps_the_form(name):
    given = TREES[name]

    same(tree.map(lambda x: x, given), given)
    assert len(tree.leaves(tree.map(lambda x, y: x + y, given, given))) == len(tree.leaves(given))


@pytest.mark.parametrize("name", TREES)
def test_a_vector_makes_the_tree_again(name):
    given = TREES[name]
    vector, unflatten = tree.flatten(given)

    assert vector.shape == (sum(np.size(x) for x in tree.leaves(given)),)
    again = unflatten(vector)
    for x, y in zip(tree.leaves(given), tree.leaves(again), strict=True):
        np.testing.assert_array_equal(getattr(x, "value", x), getattr(y, "value", y))
        assert np.shape(x) == np.shape(y)
        assert getattr(x, "dtype", np.float64) == y.dtype
    with pytest.raises(ValueError, match="wants a vector of"):
        unflatten(np.zeros(vector.size + 1))


def test_gradients_pass_both_ways():
    w, b = Tensor([[1.0, 2.0]]), Tensor(3.0)
    vector, unflatten = tree.flatten({"w": w, "b": b})

    again = unflatten(vector * 2)
    (np.sum(again["w"] ** 2) + again["b"]).backward()

    np.testing.assert_array_equal(w.grad, [[8.0, 16.0]])
    assert b.grad == 2.0


def test_numbers_come_back_as_numbers_and_arrays_as_arrays():
    _, unflatten = tree.flatten({"b": 3.0, "w": np.ones((1, 2))})

    again = unflatten(np.arange(3.0))
    assert type(again["b"]) is np.float64
    assert type(again["w"]) is np.ndarray


def test_integers_come_back_as_floats():
    vector, unflatten = tree.flatten({"n": 3, "k": np.array([1, 2])})

    assert vector.dtype == np.float64
    assert unflatten(vector)["k"].dtype == np.float64


def test_a_module_is_a_dict_of_its_parameters():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())

    doubled = tree.map(lambda p: 2 * p.value, net)

    assert list(doubled) == ["0.weight", "0.bias"]
    np.testing.assert_array_equal(doubled["0.bias"], 2 * net[0].bias.value)


def test_trees_of_other_numbers_of_leaves_do_not_go_together():
    with pytest.raises(ValueError, match="wants trees of as many leaves: 2, 1"):
        tree.map(lambda x, y: x, [1.0, 2.0], [1.0])
