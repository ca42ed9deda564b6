"""More of SciPy's special functions: derivatives beside mpmath's, also at edges where formulas cancel."""

import numpy as np
import pytest

from clearprop import Tensor, gradcheck
from clearprop.errors import GradientError

special = pytest.importorskip("scipy.special")
mpmath = pytest.importorskip("mpmath")

# name: (the orders, a place, mpmath's derivative there by the last input)
POINTS = {
    "ellipk": ((), (0.0, 1e-9, 0.5, 0.99), lambda m: mpmath.diff(mpmath.ellipk, m)),
    "ellipe": ((), (0.0, 1e-9, 0.5, 0.99), lambda m: mpmath.diff(mpmath.ellipe, m)),
    "exprel": (
        (),
        (0.0, 1e-9, 0.9, -0.9, 1.1, -20.0),
        lambda x: mpmath.diff(lambda t: mpmath.hyp1f1(1, 2, t), x),
    ),
    "spence": ((), (1.0, 0.5, 1.5, 3.0), lambda x: mpmath.log(x) / (1 - x) if x != 1 else -1),
    "dawsn": (
        (),
        (0.0, 0.3, -2.0),
        lambda x: mpmath.diff(lambda t: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-t * t) * mpmath.erfi(t), x),
    ),
    "erfcx": ((), (0.0, 1.0, -2.0), lambda x: mpmath.diff(lambda t: mpmath.exp(t * t) * mpmath.erfc(t), x)),
    "gammainc": ((1.0,), (1e-300, 0.5, 3.0), lambda x: mpmath.exp(-x)),
    "gammaincc": ((2.5,), (0.5, 30.0), lambda x: -(x**1.5) * mpmath.exp(-x) / mpmath.gamma(2.5)),
    "betainc": ((2.0, 3.0), (1e-10, 0.4, 0.999), lambda x: 12 * x * (1 - x) ** 2),
    "stdtr": (
        (3.0,),
        (0.0, 2.0, -30.0),
        lambda t: 2 / (mpmath.pi * mpmath.sqrt(3)) / (1 + mpmath.mpf(t) ** 2 / 3) ** 2,
    ),
    "kv": ((1.5,), (0.3, 4.0), lambda x: mpmath.diff(lambda t: mpmath.besselk(1.5, t), x)),
    "jve": ((1.5,), (0.3, 4.0), lambda x: mpmath.diff(lambda t: mpmath.besselj(1.5, t), x)),
    "yve": ((1.5,), (0.3, 4.0), lambda x: mpmath.diff(lambda t: mpmath.bessely(1.5, t), x)),
    "kn": ((0,), (0.3, 4.0), lambda x: mpmath.diff(lambda t: mpmath.besselk(0, t), x)),
    "yn": ((2,), (0.3, 4.0), lambda x: mpmath.diff(lambda t: mpmath.bessely(2, t), x)),
    "expn": ((3,), (0.3, 4.0), lambda x: -mpmath.expint(2, x)),
    "boxcox1p": (
        (1e-9,),
        (0.0, 0.5, -1.0),
        lambda k: (
            mpmath.diff(lambda t: ((1 + mpmath.mpf(1e-9)) ** t - 1) / t, k)
            if k
            else mpmath.log1p(1e-9) ** 2 / 2
        ),
    ),
    "inv_boxcox": (
        (0.7,),
        (0.0, 1e-9, 0.5, 1.3),
        lambda k: (
            mpmath.diff(lambda t: (t * mpmath.mpf(0.7) + 1) ** (1 / t), k)
            if k
            else -mpmath.exp(0.7) * mpmath.mpf(0.7) ** 2 / 2
        ),
    ),
    "inv_boxcox1p": (
        (0.7,),
        (0.5, 1.3),
        lambda k: mpmath.diff(lambda t: (t * mpmath.mpf(0.7) + 1) ** (1 / t), k),
    ),
    "powm1": ((1.0 + 1e-9,), (0.0, 2.5), lambda y: mpmath.mpf(1.0 + 1e-9) ** y * mpmath.log(1.0 + 1e-9)),
    "hyp2f1": (
        (0.5, 1.5, 2.0),
        (0.0, 0.7, -3.0),
        lambda x: mpmath.diff(lambda t: mpmath.hyp2f1(0.5, 1.5, 2, t), x),
    ),
    "eval_legendre": ((4,), (0.3, -0.7), lambda x: mpmath.diff(lambda t: mpmath.legendre(4, t), x)),
    "boxcox": (
        (2.5,),
        (0.0, 1e-9, 0.5, -1.0),
        lambda k: mpmath.diff(lambda t: (mpmath.mpf(2.5) ** t - 1) / t, k) if k else mpmath.log(2.5) ** 2 / 2,
    ),
    "pseudo_huber": (
        (2.0,),
        (1e-6, 0.5, 50.0),
        lambda r: mpmath.diff(lambda t: 4 * (mpmath.sqrt(1 + (t / 2) ** 2) - 1), r),
    ),
}


@pytest.mark.parametrize("name", POINTS)
def test_the_derivative_by_the_last_input_is_mpmaths(name):
    orders, places, derivative = POINTS[name]
    x = Tensor(np.array(places))
    getattr(special, name)(*orders, x).backward(np.ones(len(places)))
    with mpmath.workdps(40):
        expected = [float(derivative(p)) for p in places]

    np.testing.assert_allclose(x.grad, expected, rtol=2e-13)


@pytest.mark.parametrize(
    "name",
    [
        "poch",
        "binom",
        "owens_t",
        "boxcox",
        "boxcox1p",
        "inv_boxcox",
        "inv_boxcox1p",
        "powm1",
        "pseudo_huber",
        "huber",
    ],
)
def test_both_inputs_have_derivatives(name):
    assert gradcheck(getattr(special, name), np.array([1.7, 2.6]), np.array([1.1, 0.4]), order=2).ok


@pytest.mark.parametrize("name", ["kv", "yv", "hyp0f1", "jve"])
def test_a_derivative_by_the_order_is_refused(name):
    order = Tensor(2.0)
    with pytest.raises(GradientError, match="has no closed form"):
        getattr(special, name)(order, Tensor(0.5)).backward()
