"""What makes arrays: of Tensors a Tensor that the gradient passes through, of all else what NumPy makes."""

import numpy
import pytest

import clearprop
import clearprop.numpy as np
from clearprop import Tensor, compile, gradcheck, value_and_grad, vmap
from clearprop.compiler.step import available_executors

T, V, M = Tensor(3.0), Tensor([1.0, 2.0]), Tensor([[1.0, 2.0], [3.0, 4.0]])


def same(ours, theirs):
    assert isinstance(ours, Tensor)
    assert ours.dtype == theirs.dtype
    numpy.testing.assert_array_equal(ours.value, theirs)


NESTED = {
    "numbers": lambda t: [t, 1.0],
    "a tuple": lambda t: (t, 1),
    "one": lambda t: [t],
    "rows": lambda t: [[t, 0.0], [0, t * t]],
    "rows of tuples": lambda t: [(t, True), (2, t)],
    "three axes": lambda t: [[[t, 1.0]], [[2.0, t]]],
    "beside arrays": lambda t: [numpy.ones(2) * t, numpy.zeros(2)],
    "beside lists": lambda t: [numpy.ones(2) * t, [t, 1.0], [3.0, 4.0]],
    "short floats": lambda t: [t, numpy.float32(1.0)],
    "of arrays alone": lambda t: [numpy.array([1.0, 2.0]) * t],
}


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_nested_lists_are_the_array_that_numpy_makes_of_the_values(name, dtype):
    t = Tensor(numpy.array(3.0, dtype))

    same(np.array(NESTED[name](t)), numpy.array(NESTED[name](t.value)))


@pytest.mark.parametrize("name", NESTED)
def test_the_gradient_goes_to_every_place_where_a_tensor_stands(name):
    weights = numpy.arange(1.0, 9.0)

    def f(t):
        z = np.array(NESTED[name](t)).reshape(-1)
        return np.sum(z * z * weights[: z.size])

    assert gradcheck(f, 1.7).ok
    assert gradcheck(f, 1.7, order=2).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", NESTED)
def test_compiled_and_mapped_as_one_by_one(name, executor):
    def f(t):
        return np.sum(np.array(NESTED[name](t)) ** 2)

    both = value_and_grad(f)
    step = clearprop.compile(both, executor=executor)
    inputs = numpy.array([0.3, -1.2, 2.0])
    wanted = [both(x) for x in inputs]

    for x, (value, slope) in zip(inputs, wanted, strict=True):
        numpy.testing.assert_allclose([float(z) for z in step(x)], [value, slope], rtol=1e-14)
    numpy.testing.assert_allclose(vmap(both)(inputs), numpy.transpose(wanted), rtol=1e-14)


@pytest.mark.parametrize(
    ("nested", "said"),
    [
        ([T, V], "wants rows of one shape"),
        ([[T, 1.0], [T]], "wants rows of one shape"),
        ([V, [1.0, 2.0, 3.0]], "wants rows of one shape"),
        ([T, None], "wants numbers beside Tensors"),
        ([T, "a"], "wants numbers beside Tensors"),
    ],
)
def test_lists_that_are_no_array_are_refused(nested, said):
    with pytest.raises((ValueError, TypeError), match=said):
        np.array(nested)


def test_a_tensor_is_copied_by_array_and_kept_by_asarray():
    assert np.asarray(V) is V
    assert np.asanyarray(V) is np.ascontiguousarray(V) is np.require(V) is V
    assert np.array(V) is not V
    same(np.array(V), V.value)
    same(np.array(V, dtype="f4"), V.value.astype("f4"))
    same(np.array(T, ndmin=2), numpy.array(3.0, ndmin=2))
    assert np.array(V, copy=False) is V
    for refused in (lambda: np.array(V, "f4", copy=False), lambda: np.array([T, 1.0], copy=False)):
        with pytest.raises(ValueError, match="cannot be had without a copy"):
            refused()


@pytest.mark.parametrize(
    "data", [[1, 2], (1.0, 2.0), [[1], [2]], 3, numpy.ones(2), [], [[]], "text", [1, "a"]]
)
def test_what_holds_no_tensor_is_a_plain_array_as_numpy_makes_it(data):
    ours, theirs = np.array(data), numpy.array(data)

    assert type(ours) is numpy.ndarray
    assert ours.dtype == theirs.dtype
    numpy.testing.assert_array_equal(ours, theirs)


def test_arrays_that_are_made_of_no_tensor_can_be_written_into():
    out = np.zeros((2, 2))
    out[0, 1] = 3.0

    for made in (
        np.zeros(2),
        np.ones(2),
        np.eye(2),
        np.empty(2),
        np.full(2, 1.0),
        np.arange(2),
        np.zeros_like(V),
    ):
        assert type(made) is numpy.ndarray
    numpy.testing.assert_array_equal(out, [[0, 3], [0, 0]])


def test_a_tensor_is_not_written_into_an_array_and_the_error_says_the_way():
    out = np.zeros(2)

    with pytest.raises(ValueError, match="element") as error:  # NumPy's words; the lesson is its cause
        out[0] = T
    assert "Try np.stack of a list of Tensors" in str(error.value.__cause__)
    with pytest.raises(TypeError, match=r"array\[i\] = t.*\n.*\n *Try np.stack of a list of Tensors"):
        out[:] = V
    with pytest.raises(TypeError, match=r"np.stack\(\[...\]\) in place of np.array"):
        numpy.array([V, V])
    with pytest.raises(TypeError, match=r"array.dot\(t\).*\n.*\n *Try array @ t"):
        numpy.ones(2).dot(V)
    with pytest.raises(TypeError, match=r"np.asarray\(t\).*\n.*\n *Try .*with no_grad\(\):"):
        numpy.asarray(V)


def test_full_repeats_one_value_and_the_gradient_is_its_sum():
    t = Tensor(2.0)
    same(np.full((2, 3), t), numpy.full((2, 3), 2.0))
    same(np.full((2, 2), [t, 1.0]), numpy.full((2, 2), [2.0, 1.0]))
    same(np.full(2, t, dtype="f4"), numpy.full(2, 2.0, "f4"))

    np.full((2, 3), t).sum().backward()
    assert t.grad == 6.0


def test_a_length_that_depends_on_a_tensor_that_needs_a_gradient_is_refused():
    with pytest.raises(TypeError, match=r"Try start \+ step \* np.arange\(n\)"):
        np.arange(T)
    numpy.testing.assert_array_equal(np.arange(np.argmax(V), 3), [1, 2])
    numpy.testing.assert_array_equal(np.arange(stop=3, dtype=float), [0.0, 1.0, 2.0])
    numpy.testing.assert_array_equal(np.arange(start=1, stop=6, step=2), [1, 3, 5])
    with pytest.raises(TypeError, match="requires stop"):
        np.arange(start=3)


def test_entries_of_an_iterable_and_with_their_indices():
    same(np.fromiter((T**n for n in range(3)), float), numpy.array([1.0, 3.0, 9.0]))
    same(np.fromiter((T * n for n in range(9)), "f4", count=2), numpy.array([0.0, 3.0], "f4"))
    assert [i for i, _ in np.ndenumerate(M)] == list(numpy.ndindex(2, 2))
    assert sum(float(x) for _, x in np.ndenumerate(M)) == 10.0


def test_vectorize_runs_plain_code_entry_by_entry():
    def choose(a, b):
        return a * b if a > b else b * b

    def f(v):
        return np.sum(np.vectorize(choose)(v, [[0.5], [1.5]]))

    same(np.vectorize(choose)(V, 1.5), numpy.vectorize(choose)(V.value, 1.5))
    assert gradcheck(f, numpy.array([1.0, 2.0])).ok
    same(np.vectorize(lambda x: T * x)(numpy.array([1.0, 2.0])), numpy.array([3.0, 6.0]))
    two = np.vectorize(lambda x: (x, 2 * x))(V)
    same(two[1], numpy.array([2.0, 4.0]))
    same(np.vectorize(choose, otypes=["f4"])(V, 1.5), numpy.vectorize(choose, otypes=["f4"])(V.value, 1.5))
    numpy.testing.assert_array_equal(np.vectorize(choose)([1, 2], 1), numpy.vectorize(choose)([1, 2], 1))
    with pytest.raises(TypeError, match="takes Tensors by position"):
        np.vectorize(choose, excluded=["b"])(V, b=1.0)


@pytest.mark.parametrize(
    "made",
    [
        lambda np, v: np.r_[v, 0.0, 1:3],
        lambda np, v: np.r_[v[0], v],
        lambda np, v: np.r_[v],
        lambda np, v: np.r_[0:1, [v[0], 2.0]],
        lambda np, v: np.c_[v, v * 2],
        lambda np, v: np.c_[v, [5.0, 6.0], np.ones((2, 2))],
    ],
)
def test_brackets_put_arrays_one_behind_another(made):
    same(made(np, V), made(numpy, V.value))
    assert gradcheck(lambda v: np.sum(made(np, v) ** 3), numpy.array([1.0, 2.0])).ok


def test_brackets_of_plain_arrays_are_numpys():
    numpy.testing.assert_array_equal(np.r_["0,2", [1], [2]], numpy.r_["0,2", [1], [2]])
    with pytest.raises(TypeError, match="takes no words beside Tensors"):
        np.r_["0,2", V]


def test_a_vectorized_function_of_no_entries_is_numpys():
    square = np.vectorize(lambda x: x * x, otypes=[float])
    assert square(Tensor(numpy.zeros((0, 2)))).shape == (0, 2)


@pytest.mark.parametrize(
    "picked", [lambda a, t: np.take(a, t, 0), lambda a, t: np.take(a, indices=t), lambda a, t: Tensor(a)[t]]
)
def test_an_array_at_the_places_that_a_tensor_says(picked):
    table, places = np.array([10.0, 20.0, 30.0]), np.array([2, 0])

    for way in (vmap, compile, lambda f: f):
        found = way(lambda t: picked(table, t))(places)
        assert numpy.array_equal(found.value if isinstance(found, Tensor) else found, table[places])


@pytest.mark.parametrize("way", [vmap, compile])
@pytest.mark.parametrize("picked", [lambda a, t: a[t], numpy.take])
def test_the_refusal_of_such_places_names_what_works(way, picked):
    with pytest.raises((TypeError, RuntimeError), match=r"Try .*Tensor\(\w\)\[t\]"):
        way(lambda t: picked(np.arange(3.0), t))(np.array([2, 0]))
