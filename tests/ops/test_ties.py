"""Second derivatives of what is sorted, where entries tie."""

import numpy as np
import pytest

import clearprop
from clearprop import compile, hessian
from clearprop.ops.ties import groups, shared

ONES, PAIR = np.ones(3), np.array([2.0, 1.0, 2.0])


def pairs(z):
    return z[0] * z[1] + z[0] * z[2] + z[1] * z[2]


def by_hand(f, x, t=1e-3):
    """The Hessian of f by differences of f alone."""
    steps = t * np.eye(len(x))
    terms = [[f(x + u + v) - f(x + u - v) - f(x - u + v) + f(x - u - v) for v in steps] for u in steps]
    return np.array(terms) / (4 * t * t)


SMOOTH = {  # functions of sorted entries that treat all alike
    "squares": lambda x: np.sum(np.sort(x) ** 2),
    "cubes, turned": lambda x: np.sum(np.sort(x.reshape(1, 3), axis=1)[0, ::-1] ** 3),
    "a product": lambda x: np.prod(np.sort(x)),
    "products of two": lambda x: pairs(np.sort(x)),
    "variance": lambda x: np.var(np.sort(x)) * np.sum(x),
    "a norm": lambda x: np.linalg.norm(np.sort(x)),
    "sorted again": lambda x: np.sort(x) @ np.sort(x) + np.sum(np.sort(x) ** 2 * np.exp(np.sort(x))),
    "each alone": lambda x: np.min(x) ** 2 + np.median(x) ** 2 + np.max(x) ** 2,
    "each place": lambda x: sum(np.sort(x)[k] ** 3 for k in range(3)),
}


@pytest.mark.filterwarnings("ignore:.* runs as written:RuntimeWarning")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", SMOOTH)
def test_functions_that_treat_all_alike_are_smooth_where_entries_tie(name, compiled):
    f = SMOOTH[name]
    run = compile(hessian(f), executor="numpy") if compiled else hessian(f)

    for x in (ONES, PAIR, np.array([0.5, 1.5, -1.0])):
        np.testing.assert_allclose(run(x), by_hand(f, x), atol=1e-4)


def test_where_orders_differ_their_mean_is_given():
    """z_1^2 of three that tie is the square of each in one of three orders."""
    np.testing.assert_allclose(hessian(lambda x: np.median(x) ** 2)(ONES), 2 / 3 * np.eye(3), atol=1e-14)


def test_every_row_has_its_own_ties():
    x = np.array([[1.0, 1.0, 0.0], [3.0, 2.0, 3.0]])
    f = lambda x: np.sum(np.sort(x, axis=1) ** 2) + np.prod(np.sort(x.T, axis=0)[:, 0])  # noqa: E731
    plain = lambda x: np.sum(x**2) + np.prod(x[0])  # noqa: E731

    np.testing.assert_allclose(hessian(f)(x), hessian(plain)(x), atol=1e-14)
    np.testing.assert_allclose(
        clearprop.vmap(hessian(lambda x: np.sum(np.sort(x) ** 2)))(x)[1], 2 * np.eye(3)
    )


def test_infinite_and_missing_entries_tie_with_none():
    x = np.array([1.0, np.inf, np.nan, 1.0])
    found = hessian(lambda x: np.sum(np.sort(x)[:2] ** 2))(x)

    np.testing.assert_allclose(found, np.diag([2.0, 0.0, 0.0, 2.0]))


def test_the_gradient_is_as_before():
    x = clearprop.Tensor([1.0, 3.0, 1.0])
    g = clearprop.grad(lambda x: np.sum(np.sort(x) ** 2))(x)

    assert g.value.tolist() == [2.0, 6.0, 2.0]


def test_groups_are_of_equal_neighbours_and_share_their_mean():
    assert groups(np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])).tolist() == [[0, 0, 1], [3, 3, 3]]
    assert shared(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 2])).tolist() == [2.0, 2.0, 5.0]
