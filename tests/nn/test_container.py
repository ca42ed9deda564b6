"""Containers: order, names, indexing, and what they refuse."""

import copy

import numpy as np
import pytest

from clearprop import nn
from clearprop.errors import taught


def test_sequential_passes_through_in_order():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.ReLU())
    x = np.random.default_rng(0).normal(size=(5, 2, 2)).astype(np.float32)
    expected = np.maximum(x.reshape(5, 4) @ model[1].weight.value.T, 0)
    assert np.array_equal(model(x).value, expected)


def test_sequential_is_a_list():
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1))
    assert len(model) == 3
    assert model[-1].out_features == 1
    assert isinstance(model[:2], nn.Sequential)
    assert model[:2][0] is model[0]
    assert [type(m).__name__ for m in model] == ["Linear", "Tanh", "Linear"]
    model.append(nn.Sigmoid())
    assert model(np.ones((3, 1), np.float32)).shape == (3, 1)


def test_sequential_takes_names():
    model = nn.Sequential({"hidden": nn.Linear(2, 3), "act": nn.Tanh(), "out": nn.Linear(3, 1)})
    assert [name for name, _ in model.named_parameters()] == [
        "hidden.weight", "hidden.bias", "out.weight", "out.bias",
    ]  # fmt: skip
    assert model.hidden is model[0]
    assert model(np.ones((4, 2), np.float32)).shape == (4, 1)


def test_a_function_is_no_module():
    said = r"Sequential: holds Modules: <ufunc 'tanh'>.\n  At .*test_container.py:\d+.\n  Try nn.Tanh\(\)"
    with pytest.raises(TypeError, match=said):
        nn.Sequential(nn.Linear(1, 1), np.tanh)


def test_module_dict_finds_its_parameters():
    heads = nn.ModuleDict({"a": nn.Linear(1, 1)})
    heads["b"] = nn.ReLU()
    assert list(heads) == heads.keys() == ["a", "b"]
    assert "a" in heads
    assert len(heads) == 2
    assert [name for name, _ in heads.items()] == ["a", "b"]
    assert [name for name, _ in heads.named_parameters()] == ["a.weight", "a.bias"]
    with pytest.raises(KeyError, match="wants a name that is free"):
        heads["forward"] = nn.ReLU()


def test_flatten_and_unflatten_undo_each_other():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(nn.Unflatten(1, (3, 4))(nn.Flatten()(x)), x)
    assert nn.Flatten(0)(x).shape == (24,)
    assert nn.Flatten(-2)(x).shape == (2, 12)
    with pytest.raises(ValueError, match="wants start_dim 2 before end_dim 1"):
        nn.Flatten(2, 1)(x)


def test_parameter_lists_and_dicts():
    held = nn.ParameterList([[1.0], nn.Parameter([2.0, 3.0])])
    held.append(4.0)
    held[-1] = 5.0
    assert [p.value.tolist() for p in held] == [[1.0], [2.0, 3.0], 5.0]
    assert list(held[1:].state_dict()) == ["0", "1"]

    named = nn.ParameterDict({"a": [1.0]})
    named["b"] = np.ones(2)
    del named["a"]
    assert ("b" in named, list(named), len(named)) == (True, ["b"], 1)
    for wrong in ("keys", "a.b"):
        with pytest.raises(KeyError, match="a name that is free"):
            named[wrong] = 1.0
    with pytest.raises(KeyError, match="has b"):
        del named["z"]


def test_parameter_lists_are_trained_and_have_pytorchs_keys():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Module(), torch.nn.Module()
    ours.w, theirs.w = nn.ParameterList([[1.0]] * 3), torch.nn.ParameterList([torch.ones(1)] * 3)
    ours.d, theirs.d = nn.ParameterDict({"x": [1.0]}), torch.nn.ParameterDict({"x": torch.ones(1)})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert len(list(ours.parameters())) == 4


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (nn.Flatten(5), r"flatten\(x\): wants start_dim from -3 to 2: 5"),
        (nn.Flatten(0, 7), "wants end_dim from -3 to 2: 7"),
        (nn.Flatten(-4), "wants start_dim from -3 to 2: -4"),
        (nn.Unflatten(5, (2, 2)), "wants dim from -3 to 2: 5"),
        (nn.GLU(3), r"glu\(x\): wants dim from -3 to 2: 3"),
    ],
)
def test_an_axis_that_is_not_there_is_refused(layer, says):
    with pytest.raises(ValueError, match=says):
        layer(np.zeros((2, 3, 4)))


def names(module):
    return [name for name, _ in module.named_parameters()]


def test_a_list_of_modules_changes_as_lists_do():
    a, b, c = nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 2)
    for kind in (nn.ModuleList([a, b]), nn.Sequential(a, b)):
        assert list(kind.insert(0, c)) == [c, a, b]
        assert names(kind) == ["0.weight", "0.bias", "1.weight", "1.bias"]
        assert kind.pop(1) is a
        kind[-1] = a
        assert list(kind) == [c, a]
        del kind[:1]
        assert names(kind) == ["0.weight", "0.bias"]
    with pytest.raises(TypeError, match="holds Modules"):
        kind.insert(0, np.tanh)


def test_a_dict_of_modules_changes_as_dicts_do():
    a, b = nn.Linear(1, 1), nn.Tanh()
    held = nn.ModuleDict({"a": a})
    held.update({"b": b, "c": a})
    assert held.pop("c") is a
    del held["a"]
    assert held.keys() == ["b"]
    held.clear()
    assert len(held) == 0
    with pytest.raises(KeyError, match=r"ModuleDict\[.b.\]: has nothing"):
        del held["b"]


def test_a_residual_adds_what_it_was_given():
    body, around = nn.Linear(2, 2), nn.Linear(2, 2)
    x = np.array([[1.0, -2.0]], np.float32)

    np.testing.assert_array_equal(nn.Residual(body)(x).value, x + body(x).value)
    np.testing.assert_array_equal(nn.Residual(body, around)(x).value, around(x).value + body(x).value)
    assert [name for name, _ in nn.Residual(body, around).named_parameters()] == [
        "body.weight", "body.bias", "shortcut.weight", "shortcut.bias"
    ]  # fmt: skip


def test_a_residual_of_other_shapes_is_refused():
    with pytest.raises(ValueError, match=r"wants shapes that are equal(.|\n)*Try a shortcut"):
        nn.Residual(nn.Linear(2, 1))(np.zeros((3, 2), np.float32))  # would broadcast
    with pytest.raises(TypeError, match="wants Modules: body is None"):
        nn.Residual(None)


HELD = {
    "list": nn.ModuleList([nn.ReLU()]),
    "dict": nn.ModuleDict({"head": nn.ReLU()}),
    "parameters": nn.ParameterDict({"scale": [1.0]}),
    "several": nn.ParameterList([[1.0]]),
    "in turn": nn.Sequential(nn.Linear(2, 2)),
}


@pytest.mark.parametrize(
    ("held", "call", "kind", "text"),
    [
        ("list", lambda m: m[5], IndexError, "ModuleList[5]: list index out of range"),
        ("list", lambda m: m["0"], TypeError, "ModuleList['0']: list indices must be"),
        ("list", lambda m: m.insert("a", nn.ReLU()), TypeError, "ModuleList.insert('a', ReLU())"),
        ("list", lambda m: m.extend(3), TypeError, "ModuleList.extend(3): 'int' object is not iterable"),
        ("list", lambda m: m.pop(7), IndexError, "list index out of range"),
        ("several", lambda m: m[3], IndexError, "ParameterList[3]: list index out of range"),
        ("dict", lambda m: m["heat"], KeyError, "ModuleDict['heat']: has head"),
        ("dict", lambda m: m.pop("heat"), KeyError, "Try ['head']"),
        ("dict", lambda m: m.update({"a.b": nn.ReLU()}), KeyError, "not empty and without a dot: 'a.b'"),
        ("dict", lambda m: m.update({"keys": nn.ReLU()}), KeyError, "the class has one of its own"),
        ("dict", lambda m: m.update({1: nn.ReLU()}), TypeError, "wants a name: int"),
        ("dict", lambda m: m.update({"a": np.tanh}), KeyError, "ModuleDict['a']: wants a Module: <ufunc"),
        ("parameters", lambda m: m["scales"], KeyError, "Try ['scale']"),
        ("in turn", lambda m: m.add_module("", nn.ReLU()), KeyError, "not empty and without a dot: ''"),
        ("in turn", lambda m: m.add_module("forward", nn.ReLU()), KeyError, "the class has one of its own"),
        ("in turn", lambda m: m.add_module("x", 3), TypeError, "wants a Module or None: 3"),
        ("in turn", lambda m: m.register_parameter("w", np.ones(2)), TypeError, "wants a Parameter or None"),
        ("in turn", lambda m: m.register_buffer("a.b", 1.0), KeyError, "without a dot: 'a.b'"),
        ("in turn", lambda m: m.apply(3), TypeError, "apply(3): 'int' object is not callable"),
        ("in turn", lambda m: m.get_parameter(3), TypeError, "Sequential.get_parameter(3)"),
    ],
)
def test_what_a_container_does_not_hold_or_take_is_said_in_five_parts(held, call, kind, text):
    module = copy.deepcopy(HELD[held])
    before = module.state_dict().keys()

    with pytest.raises(kind) as refused:
        call(module)
    assert text in str(refused.value)
    assert taught(refused.value)
    assert module.state_dict().keys() == before


def test_names_come_from_a_dict_or_from_pairs():
    pairs = [("a", nn.Linear(1, 1)), ("b", nn.ReLU())]

    assert nn.ModuleDict(pairs).keys() == nn.ModuleDict(nn.ModuleDict(dict(pairs))).keys() == ["a", "b"]
    assert nn.ParameterDict([("w", [1.0])]).keys() == ["w"]


def test_a_slice_of_a_list_is_one():
    held = nn.ModuleList([nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)])
    piece = held[1:]

    assert type(piece) is nn.ModuleList
    assert list(piece) == [held[1], held[2]]
