"""Names: what was given, the path in the model, the caller's variables."""

import sys

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, explain, formula, nn, trace
from clearprop.see.drawing.draw import draw
from clearprop.see.names import callers_frame, find


def titles(drawing) -> list[str]:
    return [box.heading for box in drawing.layout.boxes]


def test_variables_of_the_caller_name_the_nodes():
    a, b = Tensor(7.0), Tensor(3.0)
    c = a + b
    d = b**3

    assert titles(draw(c * d)) == ["a", "b", "Add c", "Power d = b ** 3", "Multiply"]


def test_a_given_name_comes_first():
    a = Tensor(7.0, name="alpha")
    result = a * 2

    assert titles(draw(result)) == ["alpha", "Multiply result = alpha * 2"]
    assert titles(draw(result, names={"x": a, "y": result})) == ["x", "Multiply y = x * 2"]
    assert titles(draw(result, names={a: "x"})) == ["x", "Multiply result = x * 2"]


def test_a_name_that_is_not_text_is_refused():
    a = Tensor(1.0)

    with pytest.raises(TypeError) as caught:
        draw(a, names={a: 3})

    assert str(caught.value).splitlines()[0] == "names=: wants names and what they belong to: 3."


def test_plain_arrays_are_named_too():
    X = np.arange(6.0).reshape(3, 2)
    w = Tensor([1.0, -1.0])

    assert titles(draw(X @ w)) == ["X", "w", "Matmul"]


def test_entries_of_lists_and_dicts_are_named():
    weights = [Tensor(1.0), Tensor(2.0)]
    scale = {"s": Tensor(3.0)}

    assert titles(draw(weights[0] * weights[1] * scale["s"]))[:2] == ["weights[0]", "weights[1]"]
    assert "scale['s']" in titles(draw(weights[0] * scale["s"]))


def test_private_variables_are_not_looked_at():
    _hidden = Tensor(2.0)

    assert titles(draw(_hidden * 1.0))[0] == "input"


def test_parameters_have_their_path_in_the_model():
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    x = np.ones((4, 3), np.float32)

    shown = titles(draw(np.mean(net(x))))

    assert {"x", "net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"} <= set(shown)


def test_names_are_found_in_functions_and_their_module():
    def inner() -> list[str]:
        local = Tensor(2.0)
        return titles(draw(local * GLOBAL))

    assert inner() == ["local", "GLOBAL", "Multiply"]


GLOBAL = Tensor(5.0)


def test_the_frame_is_the_nearest_outside_the_package():
    assert callers_frame() is sys._getframe()


def test_no_frame_means_no_variables():
    a = Tensor(1.0)

    assert find(frame=None) == {}
    assert find({"a": a}) == {id(a): "a"}


def test_every_text_calls_a_parameter_by_its_path_in_the_callers_model():
    net = nn.Sequential(nn.Linear(3, 2))
    output = np.mean(net(np.ones((4, 3), np.float32)))
    output.backward()

    assert net[0].weight.name == "0.weight"
    assert repr(explain(net[0].weight)).startswith("net.0.weight.grad (2, 3)")
    assert "net.0.weight^T" in repr(formula(output))
    assert "net.0.weight" in trace(output).to_text()


@pytest.mark.parametrize("call", ["draw", "trace", "trust", "check_model"])
def test_what_is_no_tensor_is_refused_alike(call):
    with pytest.raises(TypeError) as caught:
        getattr(clearprop, call)(3.0)

    said = f"{call}(t): wants a Tensor, the output of a graph: float.\n  Try {call}(f(Tensor(x)))."
    assert str(caught.value) == said


def test_variables_that_nobody_could_have_written_are_not_names(monkeypatch):
    hidden = Tensor(2.0)
    monkeypatch.setitem(globals(), "@py_assert", hidden)

    def elsewhere() -> list[str]:
        return list(find(frame=sys._getframe()).values())

    assert not [name for name in elsewhere() if "@" in name]


def test_labels_keep_their_name_however_an_op_stores_them():
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    y = np.array([0, 2, 1, 1, 0, 2])
    clearprop.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    loss = nn.CrossEntropyLoss()(net(x), y)

    titles = [box.title for box in draw(loss).layout.boxes]

    assert {"x", "y", "mask"} <= set(titles)
    assert y.shape == (6,)


def test_two_variables_with_the_same_entries_give_no_name():
    w = Tensor([1.0, 2.0], name="w")
    first, second = np.array([3.0, 4.0]), np.array([3.0, 4.0])

    titles = [box.title for box in draw(w * np.array([3.0, 4.0])).layout.boxes]

    assert "first" not in titles
    assert "second" not in titles
    assert (first == second).all()


def test_what_ipython_keeps_of_cells_names_nothing():
    """`Out` and `In` come before a user's variables: a value shown once is still called by its own."""
    e = Tensor(7.0) * 3.0
    shown = {4: e}
    cells = {"_ih": ["e"], "In": ["e"], "_oh": shown, "Out": shown, "_": e, "_4": e, "e": e}
    exec("import sys\nframe = sys._getframe()", cells)

    assert find(frame=cells["frame"])[id(e)] == "e"
    assert find(frame=_within(Out={4: e}))[id(e)] == "Out[4]"  # outside of IPython it is a name like another


def _within(**variables):
    space = dict(variables)
    exec("import sys\nframe = sys._getframe()", space)
    return space["frame"]


def test_an_array_that_nobody_named_is_called_what_its_op_calls_it_in_the_language():
    """Arrays of an index are no arguments of their own: none of them is called `index` alone."""
    x = Tensor(np.arange(6.0).reshape(3, 2))
    cut = np.clip(x, np.array([1.0, 2.0]), np.array([3.0, 4.0]))

    assert titles(draw(cut))[1:3] == ["low", "high"]
    assert titles(draw(cut, language="de"))[1:3] == ["untere Grenze", "obere Grenze"]
    assert titles(draw(x[np.array([2, 0]), np.array([1, 1])], language="de"))[1:3] == ["Daten", "Daten"]


def test_a_rule_that_indexes_shows_its_places():
    turned = clearprop.custom_rule(lambda x: x[::-1].copy(), lambda g, z, x: g[np.array([2, 1, 0])])
    x = Tensor(np.array([1.0, 2.0, 3.0]))
    z = turned(x)

    assert "x.grad = z.grad[[2, 1, 0]]" in str(trace(z, grad=np.ones(3)))


@pytest.mark.parametrize(
    ("given", "said"), [("net.svg", r"Try draw\(t\)\.save\('net\.svg'\)"), (3, "model=net")]
)
def test_what_is_no_module_is_refused_with_the_way_out(given, said):
    with pytest.raises(TypeError, match=said):
        clearprop.draw(Tensor(2.0) * 3.0, given)
    with pytest.raises(TypeError, match="wants a Module"):
        clearprop.trace(Tensor(2.0) * 3.0, model=given)
