"""Where people work: plots, tables, formats and copies work, or name the cure and the user's line."""

import contextlib
import copy
import inspect

import numpy as np
import pytest

from clearprop import Tensor, nn, no_grad

X = Tensor([1.0, 2.0, 3.0], name="x")


def test_an_array_is_given_where_no_gradient_is_wanted():
    y = np.tanh(X)
    with pytest.raises(TypeError, match=r"drop the gradient.*\n.*\n.*no_grad"):
        np.asarray(y)
    with no_grad():
        np.testing.assert_array_equal(np.asarray(y), np.tanh([1.0, 2.0, 3.0]))
        assert not np.asarray(y).flags.writeable


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (1.23456, ".2f", "1.23"),
        ([1.0, 2.5], ".2f", "[1.00 2.50]"),
        ([[1, 2]], "03d", "[[001 002]]"),
        (2.0, "", None),
    ],
)
def test_formats_of_every_shape(value, spec, text):
    t = Tensor(np.array(value), requires_grad=False)
    assert format(t, spec) == (repr(t) if text is None else text)


def test_a_copy_of_what_was_computed_keeps_the_gradient():
    x = Tensor([1.0, 2.0])
    y = copy.copy(x * 3)
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad, [3.0, 3.0])


@pytest.mark.parametrize("leaf", [Tensor([1.0, 2.0], name="a"), nn.Parameter(np.ones(2)), Tensor([1, 2])])
def test_a_copy_of_a_leaf_is_another_leaf(leaf):
    twin = copy.copy(leaf)

    assert type(twin) is type(leaf)
    assert twin is not leaf
    assert (twin.name, twin.requires_grad, twin.op) == (leaf.name, leaf.requires_grad, None)
    np.testing.assert_array_equal(twin.numpy(), leaf.numpy())


def test_a_float_is_no_index():
    with pytest.raises(TypeError, match="integer"):
        range(Tensor(3.0))
    assert [*range(Tensor(np.int64(3), requires_grad=False))] == [0, 1, 2]


def test_a_plot_works_without_a_gradient_and_names_the_users_line_with_one():
    matplotlib = pytest.importorskip("matplotlib")
    figure = pytest.importorskip("matplotlib.figure")
    matplotlib.use("agg")
    axes, y = figure.Figure().subplots(), np.tanh(X)

    with no_grad():
        drawn = axes.plot(y)[0]
    np.testing.assert_allclose(drawn.get_ydata(), np.tanh([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(axes.plot(X.detach())[0].get_ydata(), [1.0, 2.0, 3.0])
    with pytest.raises(TypeError) as error:
        axes.plot(y)
    line = inspect.currentframe().f_lineno - 1
    assert f"{__file__}:{line}" in str(error.value)


def test_a_table_works_without_a_gradient_and_leaves_products_to_tensors():
    pandas = pytest.importorskip("pandas")
    with no_grad():
        assert [*pandas.Series(np.tanh(X))] == [*np.tanh([1.0, 2.0, 3.0])]
    product = pandas.Series([2.0, 2.0, 2.0]) * X
    assert isinstance(product, Tensor)
    product.backward(np.ones(3))
    np.testing.assert_array_equal(X.grad, [2.0, 2.0, 2.0])


class Column:
    """A column as tables have them: it answers NumPy's functions itself, and adds what has the same name."""

    def __init__(self, values, names=None):
        self.values = np.asarray(values)
        self.names = list(range(len(self.values))) if names is None else names
        self.shape, self.dtype = self.values.shape, self.values.dtype

    def to_numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)

    def __getitem__(self, key):
        return Column(self.values[key], self.names[key])

    def __array_ufunc__(self, ufunc, method, *inputs):
        named = [dict(zip(x.names, x.values, strict=True)) for x in inputs if isinstance(x, Column)]
        others = (x for x in inputs if not isinstance(x, Column))
        if len(named) == 2:
            return Column([ufunc(named[0][name], named[1][name]) for name in sorted(named[0])])
        return Column(ufunc(self.values, *others), self.names)

    def __add__(self, other):
        return np.add(self, other)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_column_of_a_table_is_an_array_to_a_tensor(forgets):
    """A result that was a column added what has the same name, silently, wherever that stands."""
    column, x = Column([1.0, 2.0, 4.0]), Tensor([1.0, 2.0, 3.0])
    own = column + column[::-1]
    assert isinstance(own, Column)
    np.testing.assert_array_equal(own, [2.0, 4.0, 8.0])

    with no_grad() if forgets else contextlib.nullcontext():
        for total in (x + column, np.add(x, column), np.clip(x + column, 0.0, 9.0)):
            assert type(total.value) is np.ndarray
            np.testing.assert_array_equal((total + total[::-1]).value, [9.0, 8.0, 9.0])
        np.testing.assert_array_equal((x == column).value, [True, True, False])
        np.testing.assert_array_equal((x // column).value, [1.0, 1.0, 0.0])
        np.testing.assert_array_equal((x.reshape(3, 1) * column).value, np.outer([1, 2, 3], [1, 2, 4]))
    total = x + column
    np.sum(total[::-1] * total).backward()

    np.testing.assert_array_equal(x.grad, [14.0, 8.0, 4.0])


def test_what_has_a_shape_and_no_dtype_is_named_in_a_refusal():
    with pytest.raises(TypeError, match=r"bitwise_and\(.*<memory at"):
        X & memoryview(np.arange(3))
