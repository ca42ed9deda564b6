"""Special functions at poles that cancel and at the ends of their domains: derivatives that exist there."""

import math

import numpy as np
import pytest

from clearprop import compile, grad
from clearprop.compiler.step import available_executors

special = pytest.importorskip("scipy.special")
scipy_or_ours = pytest.importorskip("clearprop.scipy.special")
inf, nan = math.inf, math.nan
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

# name, arguments, by which: where SciPy's value is a number on both sides
SMOOTH = [
    ("beta", (-2, 1), 0), ("beta", (-3, 2), 0), ("beta", (0.5, -0.5), 0), ("beta", (0.5, -1.5), 1),
    ("beta", (-0.5, 0.5), 0), ("beta", (-1.3, 2.2), 1), ("betaln", (-3, 2), 0), ("betaln", (-2, 1), 0),
    ("poch", (-3, 0), 0), ("poch", (-3, 2), 0), ("poch", (-3, 5), 0), ("poch", (-3, 2.5), 0),
    ("poch", (-3, 2.5), 1), ("poch", (0, 2), 0), ("poch", (0, 2), 1), ("poch", (1.5, 2.2), 0),
    ("binom", (3, 4), 0), ("binom", (3, 4), 1), ("binom", (3, 5), 1), ("binom", (3, -1), 1),
    ("binom", (3, -2), 1), ("binom", (3, -1), 0), ("binom", (2.5, -1), 1), ("binom", (2.5, 3.5), 1),
    ("binom", (2.5, 3.5), 0), ("binom", (-2.5, -1), 1), ("binom", (200, 201), 1), ("binom", (200, -1), 1),
    ("binom", (5, 2), 0), ("binom", (5, 2), 1), ("binom", (0, 1), 1),
    ("agm", (0, 2), 1), ("agm", (1, 2), 0), ("agm", (-1, -2), 0),
    ("elliprg", (1, 0, 2), 0), ("elliprg", (1, 2, 3), 1), ("elliprj", (0, 1, 2, 3), 1),
    ("elliprj", (0, 1, 2, 3), 3), ("elliprj", (1, 0, 2, 3), 2), ("elliprj", (1, 1, 2, 3), 3),
]  # fmt: skip


def difference(f, xs, i, h):
    """The derivative by a difference of the fourth order."""
    steps = [[x + k * h * (j == i) for j, x in enumerate(map(float, xs))] for k in (-2, -1, 1, 2)]
    a, b, c, d = (float(f(*x)) for x in steps)
    return (8 * (c - b) - (d - a)) / (12 * h)


@pytest.mark.parametrize(("name", "xs", "i"), SMOOTH)
def test_derivatives_of_both_orders(name, xs, i):
    f, numbers = getattr(scipy_or_ours, name), [np.float64(x) for x in xs]
    d = grad(f, argnums=i)

    def first(*x):
        return float(d(*map(np.float64, x)))

    wanted = difference(getattr(special, name), xs, i, 1e-4)
    np.testing.assert_allclose(d(*numbers), wanted, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        grad(d, argnums=i)(*numbers), difference(first, xs, i, 1e-3), rtol=2e-4, atol=1e-6
    )
    for executor in available_executors():
        np.testing.assert_allclose(compile(d, executor=executor)(*numbers), wanted, rtol=1e-6, atol=1e-9)


# name, arguments, by which, the derivative: one-sided, infinite, or where a limit is known
EDGES = [
    ("agm", (0, 2), 0, inf), ("agm", (2, 0), 1, inf), ("agm", (2, 0), 0, 0),
    ("elliprg", (0, 1, 2), 0, special.elliprf(0, 1, 2) / 4),
    ("elliprg", (1, 2, 0), 2, special.elliprf(0, 1, 2) / 4),
    ("elliprj", (0, 1, 2, 3), 0, -inf),
    *(("eval_legendre", (n, x), 1, n * (n + 1) / 2 * x ** (n + 1)) for n in (0, 1, 2, 5) for x in (1, -1)),
    *(("eval_chebyu", (n, x), 1, n * (n + 1) * (n + 2) / 3 * x ** (n + 1)) for n in (0, 5) for x in (1, -1)),
    ("eval_legendre", (2.5, 1), 1, 2.5 * 3.5 / 2), ("eval_chebyu", (2.5, 1), 1, 2.5 * 3.5 * 4.5 / 3),
    *(("lpmv", (0, n, x), 2, n * (n + 1) / 2 * x ** (n + 1)) for n in (0, 1, 4) for x in (1, -1)),
    ("lpmv", (1, 3, 1), 2, inf), ("lpmv", (1, 3, -1), 2, -inf), ("lpmv", (-1, 2, 1), 2, -inf),
    ("lpmv", (1, 0, 1), 2, 0),
    ("lpmv", (2, 3, 1), 2, -30), ("lpmv", (2, 3, -1), 2, -30), ("lpmv", (-2, 3, 1), 2, -0.25),
    ("lpmv", (3, 4, 1), 2, 0), ("lpmv", (-3, 4, -1), 2, 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "xs", "i", "wanted"), EDGES)
def test_derivatives_at_the_ends(name, xs, i, wanted):
    numbers = [
        x if j != i and name not in ("agm", "elliprg", "elliprj") else np.float64(x) for j, x in enumerate(xs)
    ]

    found = grad(getattr(scipy_or_ours, name), argnums=i)(*numbers)

    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["power", "boxcox", "boxcox1p", "inv_boxcox", "inv_boxcox1p"])
@pytest.mark.parametrize("x", [inf, -inf, nan, 0.0, -1.0, 2.0])
@pytest.mark.parametrize("y", [0, 1, 2, -1])
def test_whole_numbers_are_told_from_floats_by_no_derivative(name, x, y):
    f = np.power if name == "power" else getattr(scipy_or_ours, name)
    of_y = [y, float(y), np.float64(y), np.array([float(y)])]
    derivatives = [
        grad(lambda a, b: np.sum(f(a, b))),
        grad(lambda a, b: np.sum(f(a, b)), argnums=1),
        grad(lambda a, b: np.sum(grad(lambda a, b: np.sum(f(a, b)))(a, b))),
    ]
    for d in derivatives:
        found = [float(np.sum(d(np.float64(x), b))) for b in of_y if d is not derivatives[1] or b is not y]
        np.testing.assert_allclose(found, found[-1], rtol=1e-14)
