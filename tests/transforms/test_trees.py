"""Gradients by nested arguments, by name, and with something beside the value."""

import collections
import dataclasses

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, nn, value_and_grad

Pair = collections.namedtuple("Pair", "w b")
X = np.array([[1.0, 2.0], [3.0, 4.0]])


@dataclasses.dataclass
class Weights:
    w: object
    b: object
    name: str = "linear"
    rows: object = None


FORMS = {
    "dict": (lambda w, b: {"w": w, "b": b}, lambda p: (p["w"], p["b"])),
    "list": (lambda w, b: [w, b], lambda p: (p[0], p[1])),
    "tuple": (lambda w, b: (w, [b]), lambda p: (p[0], p[1][0])),
    "named tuple": (Pair, lambda p: (p.w, p.b)),
    "dataclass": (Weights, lambda p: (p.w, p.b)),
    "nested": (lambda w, b: {"a": [None, {"w": w}], "z": (b, "text")}, lambda p: (p["a"][1]["w"], p["z"][0])),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_gradient_has_the_form_of_the_argument(form, wrapped):
    make, parts = FORMS[form]
    w, b = np.array([0.5, -0.5]), 0.25

    def loss(p, x):
        w, b = parts(p)
        return np.mean((x @ w + b - 1.0) ** 2)

    given = make(Tensor(w) if wrapped else w, b)
    found = grad(loss)(given, X)

    dw, db = parts(found)
    r = X @ w + b - 1
    assert type(found) is type(given)
    assert isinstance(dw, Tensor) == wrapped
    np.testing.assert_allclose(getattr(dw, "value", dw), 2 * X.T @ r / 2)
    np.testing.assert_allclose(getattr(db, "value", db), r.sum())


def test_indices_in_a_tree_stay_indices():
    p = Weights(np.arange(3.0), 1.0, rows=np.array([0, 0, 2]))
    found = grad(lambda p: np.sum(p.w[p.rows] ** 2) * p.b)(p)

    np.testing.assert_array_equal(found.w, [0.0, 0.0, 4.0])
    np.testing.assert_array_equal(found.rows, np.zeros(3))
    assert found.name == "linear"
    mask = grad(lambda p: np.sum(p["x"][p["m"]]) * p["flag"])(
        {"x": np.ones(2), "m": np.array([True, False]), "flag": True}
    )
    np.testing.assert_array_equal(mask["x"], [1.0, 0.0])


def f(x, y, scale=1.0, *, shift=0.0):
    return scale * x * y**2 + shift * x


WAYS = [
    (0, (2.0, 3.0), {}, 9.0),
    (1, (2.0, 3.0), {}, 12.0),
    (-1, (2.0, 3.0), {}, 12.0),
    ("y", (2.0, 3.0), {}, 12.0),
    ("y", (2.0,), {"y": 3.0}, 12.0),
    (1, (2.0,), {"y": 3.0}, 12.0),
    ("scale", (2.0, 3.0), {"scale": 5.0}, 18.0),
    ("shift", (2.0, 3.0), {"shift": 5.0}, 2.0),
    ((0, 1), (2.0, 3.0), {}, (9.0, 12.0)),
    ([1, 0], (2.0, 3.0), {}, [12.0, 9.0]),
    (("x", "shift"), (2.0, 3.0), {"shift": 1.0}, (10.0, 2.0)),
    ((0,), (2.0, 3.0), {}, (9.0,)),
]


@pytest.mark.parametrize(("argnums", "args", "kwargs", "want"), WAYS)
def test_arguments_by_number_and_by_name(argnums, args, kwargs, want):
    found = grad(f, argnums)(*args, **kwargs)

    assert found == want
    assert type(found) is type(want) or isinstance(found, np.float64)


@pytest.mark.parametrize("argnums", [2, -3, "z", 1.5, None, ("x", "z")])
def test_an_argument_that_is_not_there_is_refused(argnums):
    with pytest.raises(ValueError, match="numbers or names of arguments of the call"):
        grad(f, argnums)(1.0, 2.0)


def test_something_beside_the_value():
    def loss(p, x):
        out = p["a"] * x
        return np.sum(out**2), {"out": out, "name": "aux"}

    found, aux = grad(loss, has_aux=True)({"a": 2.0}, np.ones(2))
    (value, again), same = value_and_grad(loss, has_aux=True)({"a": 2.0}, np.ones(2))

    assert (found, value, same) == ({"a": 8.0}, 8.0, {"a": 8.0})
    assert type(aux["out"]) is np.ndarray
    np.testing.assert_array_equal(aux["out"], again["out"])
    with pytest.raises(ValueError, match="returns a pair with has_aux"):
        grad(lambda x: x * x, has_aux=True)(1.0)


def test_what_stands_beside_belongs_to_the_graph_outside():
    w = Tensor(3.0)
    slope, (twice,) = grad(lambda x: (w * x**2, [2 * w]), has_aux=True)(2.0)

    (slope + twice).backward()
    assert w.grad == 4.0 + 2.0


def test_a_model_as_an_argument():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))

    def loss(net, x):
        return np.mean(net(x) ** 2)

    x = np.array([[1.0, -1.0]], np.float32)
    found = grad(loss)(net, x)
    loss(net, x).backward()

    for name, p in net.named_parameters():
        np.testing.assert_allclose(found[name].value, p.grad, rtol=1e-6)
        assert p.op is None
    assert list(found) == [name for name, _ in net.named_parameters()]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_compiled_gradient_of_a_tree(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")

    def loss(p, x):
        return np.mean((x @ p["w"] + p["b"]) ** 2)

    compiled = clearprop.compile(grad(loss), executor=executor, prove="always")
    for scale in (1.0, 2.0, 3.0):
        p = {"w": scale * np.ones(2), "b": scale}
        want, got = grad(loss)(p, X), compiled(p, X)
        np.testing.assert_allclose(got["w"], want["w"])
        np.testing.assert_allclose(got["b"], want["b"])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: grad(3.0), r"grad\(f\): wants a function: float 3.0"),
        (lambda: grad(f, argnum=1), r"argnums= in place of argnum="),
        (lambda: value_and_grad(f, aux=True), "takes the keywords argnums, has_aux"),
    ],
)
def test_what_is_no_function_or_keyword_is_refused(make, text):
    with pytest.raises(TypeError, match=text):
        make()


@dataclasses.dataclass(frozen=True)
class Fixed:
    w: object
    b: object


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_frozen_dataclass_of_arrays_is_an_argument_of_a_compiled_step(executor):
    """It has a hash that fails, for arrays have none."""
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    step = clearprop.compile(grad(lambda p: np.sum(p.w**2 * p.b)), executor=executor)

    for scale in (1.0, 2.0):
        found = step(Fixed(np.full(2, scale), 3.0))
        np.testing.assert_allclose(found.w, np.full(2, 6 * scale))
        np.testing.assert_allclose(found.b, 2 * scale**2)
