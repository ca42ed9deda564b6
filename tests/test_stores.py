"""Tensors stored into plain arrays, and arrays edited after a graph has used them."""

import array

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, hessian, vmap

X = np.array([1.0, 2.0, 3.0])
BOTH = np.stack([X, X])


def entry(out, x):
    out[0] = x[0]


def part(out, x):
    out[:2] = x[1:]


def mask(out, x):
    out[out == 0] = x


def added_part(out, x):
    out[1:] += x[1:]


def added_entry(out, x):
    out[1] += x[1]


def ufunc(out, x):
    np.add(out, x, out=out)


def reduction(out, x):
    np.sum(x, out=out[0, ...])


def at(out, x):
    np.add.at(out, [0, 0, 1], x)


def filled(out, x):
    out.fill(x[0])


def of_a_list(out, x):
    out[:2] = [x[0], 1.0]


def in_an_array_of_python(out, x):
    array.array("d", out).append(x[0])


def made_of_a_list(out, x):
    np.array([x[0], 1.0])


def made_of_an_iterator(out, x):
    np.fromiter(iter(x), float)


WRITERS = {
    "copyto": lambda out, x: np.copyto(out, x),
    "put": lambda out, x: np.put(out, [0], x[0]),
    "place": lambda out, x: np.place(out, out == 0, x),
    "putmask": lambda out, x: np.putmask(out, out == 0, x),
    "fill_diagonal": lambda out, x: np.fill_diagonal(np.zeros((3, 3)), x),
    "put_along_axis": lambda out, x: np.put_along_axis(out, np.array([0]), x[:1], 0),
}
STORES = (
    entry,
    part,
    mask,
    added_part,
    added_entry,
    ufunc,
    reduction,
    at,
    filled,
    of_a_list,
    in_an_array_of_python,
    made_of_a_list,
    made_of_an_iterator,
    *WRITERS.values(),
)


@pytest.mark.parametrize("store", STORES)
def test_a_tensor_stored_into_an_array_is_refused_with_what_to_write(store):
    def f(x):
        out = np.zeros(3)
        store(out, x)
        return (x * out).sum()

    for run, x in ((grad(f), X), (hessian(f), X), (vmap(f), BOTH), (clearprop.compile(grad(f)), X)):
        with pytest.raises((TypeError, RuntimeError), match=r"test_stores.py:\d+(.|\n)*Try") as error:
            run(x)
        assert "sequence" not in str(error.value)
        assert "asarray" not in str(error.value)


def test_without_a_transformation_the_lesson_stands_behind_numpys_words():
    out, t = np.zeros(3), Tensor(X)
    with pytest.raises(ValueError, match="sequence") as error:
        out[0] = t[0]
    assert "array[i] = t: would drop the gradient silently" in str(error.value.__cause__)
    assert float(t[0]) == 1.0  # leaves the graph on purpose


def test_what_is_said_to_try_works():
    def stacked(x):
        return (np.stack([x[0] * 2, x[1]]) ** 2).sum()

    def with_entries(x):
        out = 0 * x
        out[0] = x[1] * 2
        out[out == 0] = x[0]
        return (out**2).sum()

    np.testing.assert_allclose(grad(stacked)(X), [8.0, 4.0, 0.0])
    np.testing.assert_allclose(grad(with_entries)(X), [4.0, 16.0, 0.0])
    np.testing.assert_allclose(vmap(grad(with_entries))(BOTH)[1], [4.0, 16.0, 0.0])


def refilled(x):
    buffer, total = np.zeros(3), 0.0
    for k in range(3):
        buffer[:] = k + 1.0
        total = total + (x * buffer).sum()
    return total


def inverted(x):
    a = 2 * np.eye(3)
    y = np.linalg.solve(a, x)
    a[0, 0] = 5.0
    return (y * y).sum()


def reshaped(x):
    c = np.ones(3)
    y = x * c
    c.shape = (3, 1)
    return y.sum()


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # as NumPy 2.5 says
@pytest.mark.parametrize("f", [refilled, inverted, reshaped], ids=lambda f: f.__name__)
def test_watch_names_an_array_that_was_edited_after_its_use(f):
    with clearprop.watch(), pytest.raises(GradientError, match=r"edited after its use(.|\n)*test_stores.py:"):
        grad(f)(X)


def test_a_copy_in_the_formula_is_safe():
    def f(x):
        buffer, total = np.zeros(3), 0.0
        for k in range(3):
            buffer[:] = k + 1.0
            total = total + (x * buffer.copy()).sum()
        return total

    with clearprop.watch():
        np.testing.assert_allclose(grad(f)(X), 6.0)
    np.testing.assert_allclose(clearprop.compile(grad(f))(X), 6.0)
