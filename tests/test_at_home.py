"""Where people work: plots, tables, formats and copies work, or name the cure and the user's line."""

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
