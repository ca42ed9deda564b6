"""How far derivatives are from the exact ones: within 4 ulp, or as docstrings say that name the price."""

import functools

import numpy as np
import pytest

import clearprop
from clearprop import compile, elementwise_grad
from clearprop.compiler.step import available_executors
from clearprop.nn import functional

mp = pytest.importorskip("mpmath")
MODES = ["eager", *available_executors()]


def slope(f, x, mode, order=1):
    for _ in range(order):
        f = elementwise_grad(f)
    return np.asarray((f if mode == "eager" else compile(f, executor=mode))(x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exponent", [0.1, 1.1, 0.3, -0.7, 2.2, 1 / 3])
@pytest.mark.parametrize(("dtype", "size", "least"), [("f8", 280, 4), ("f4", 30, 6)])
def test_powers_with_an_exponent_whose_last_digit_is_rounded(mode, exponent, dtype, size, least):
    """x**(y - 1) of a rounded y - 1 is 74 ulp off; a float32 power itself is up to 2 ulp off."""
    kind = np.dtype(dtype).type
    bound = min(size, size / (abs(exponent) + 1.2))
    x = (10.0 ** np.random.default_rng(0).uniform(-bound, bound, 300)).astype(dtype)
    y = mp.mpf(float(kind(exponent)))
    with mp.workprec(200):
        exact = [y * mp.mpf(float(v)) ** (y - 1) for v in x]
        found = slope(lambda v: v**exponent, x, mode)
        errors = [
            abs(mp.mpf(float(a)) - b) / mp.mpf(float(np.spacing(kind(abs(b)))))
            for a, b in zip(found, exact, strict=True)
        ]

    assert found.dtype == dtype
    assert max(errors) <= least


@pytest.mark.parametrize("exponent", [0.1, 1.1])
def test_powers_at_their_edges_are_as_before(exponent):
    x = np.array([0.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        found = slope(lambda v: v**exponent, x, "eager")
        np.testing.assert_array_equal(found, exponent * x ** (exponent - 1))


# --- what is within 4 ulp, and what says in its docstring how far it is off and what being right would cost -
def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def tanh_gelu(x):
    return x * sigmoid(2 * mp.sqrt(2 / mp.pi) * (x + mp.mpf(44715) / 10**6 * x**3))


def largest(x):
    """log_softmax of x beside 0, x above it."""
    return clearprop.log_softmax(np.stack([x, 0 * x], axis=-1), axis=-1)[..., 0]


EXACT = {
    "tanh": (np.tanh, lambda x: mp.tanh(x)),
    "cbrt": (np.cbrt, lambda x: mp.cbrt(x)),
    "sigmoid": (clearprop.sigmoid, sigmoid),
    "softplus": (functional.softplus, lambda x: mp.log1p(mp.exp(x))),
    "softplus(beta=3)": (lambda x: functional.softplus(x, beta=3), lambda x: mp.log1p(mp.exp(3 * x)) / 3),
    "silu": (functional.silu, lambda x: x * sigmoid(x)),
    "gelu": (functional.gelu, lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2),
    "gelu tanh": (lambda x: functional.gelu(x, "tanh"), tanh_gelu),
    "log_softmax": (largest, lambda x: -mp.log1p(mp.exp(-x))),
}
ZEROS = "within 5e-16"
# What, which derivative, where, and what may be missing: units in the last place, or else an absolute error.
# Above 4 ulp the docstring holds the words behind it.
LIST = [
    ("tanh", 1, (-0.8, 0.8), 4, 0, ""),
    ("tanh", 1, (-20.0, 20.0), 4, 2.3e-16, "within 2.3e-16"),
    ("tanh", 2, (-20.0, 20.0), 4, 4.6e-16, "4.6e-16"),
    ("cbrt", 1, (1e-100, 1e100), 4, 0, ""),
    ("cbrt", 2, (1e-100, 1e100), 4, 0, ""),
    ("sigmoid", 1, (-200.0, 200.0), 4, 0, ""),
    ("softplus", 1, (-200.0, 200.0), 4, 0, ""),
    ("softplus", 2, (-200.0, 200.0), 4, 0, ""),
    ("softplus(beta=3)", 0, (-1.0, 200.0), 4, 0, ""),
    ("softplus(beta=3)", 0, (-200.0, 0.0), 600, 0, "|beta x| ulp"),
    ("softplus(beta=3)", 1, (-200.0, 0.0), 600, 0, "|beta x| ulp"),
    ("softplus(beta=3)", 2, (-200.0, 0.0), 600, 0, "|beta x| ulp"),
    ("silu", 1, (-1.0, 200.0), 4, 0, ""),
    ("silu", 1, (-3.0, -1.0), 4, 5e-16, ZEROS),
    ("silu", 1, (-200.0, -3.0), 4, 0, ""),
    ("silu", 2, (-2.0, 2.0), 4, 5e-16, ZEROS),
    ("silu", 2, (-4.0, 4.0), 4, 5e-16, ZEROS),
    ("gelu", 1, (-0.4, 30.0), 4, 0, ""),
    ("gelu", 1, (-3.0, 3.0), 4, 5e-16, ZEROS),
    ("gelu", 2, (-3.0, 3.0), 4, 5e-16, ZEROS),
    ("gelu tanh", 0, (-1.0, 9.0), 4, 0, ""),
    ("gelu tanh", 0, (-5.0, -1.0), 40, 0, "up to 40 ulp"),
    ("gelu tanh", 1, (-3.0, 9.0), 4, 5e-16, ZEROS),
    ("gelu tanh", 1, (-5.0, -2.0), 40, 0, "up to 40 ulp"),
    ("gelu tanh", 2, (-3.0, 3.0), 4, 1e-15, "1e-15"),
    ("log_softmax", 0, (0.0, 40.0), 4, 1.2e-16, "within 1.2e-16"),
    ("log_softmax", 1, (0.0, 40.0), 4, 2.3e-16, "2.3e-16"),
]
SAID = {
    "tanh": clearprop.registry.ops["tanh"].__doc__,
    "softplus(beta=3)": functional.softplus.__doc__,
    "silu": functional.silu.__doc__,
    "gelu": functional.gelu.__doc__,
    "gelu tanh": functional.gelu.__doc__,
    "log_softmax": clearprop.registry.ops["log_softmax"].__doc__,
}


# llvm's own tanh and cbrt are up to 2 ulp off, NumPy's up to 1: their docstrings say that, too.
LESS = {("tanh", "llvm"): 2.3, ("cbrt", "llvm"): 1.4}


def places(low, high):
    if low > 0 and high / low > 1e6:
        return 10.0 ** np.random.default_rng(0).uniform(np.log10(low), np.log10(high), 150)
    return np.random.default_rng(0).uniform(low, high, 150)


@functools.lru_cache(None)
def exactly(name, order, where):
    """Return the places and, to 700 bits, the derivatives there."""
    exact, x = EXACT[name][1], places(*where)
    with mp.workprec(700):
        at = [mp.mpf(float(v)) for v in x]
        return x, [mp.diff(exact, v, order) if order else exact(v) for v in at]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("name", "order", "where", "units", "absolute", "words"), LIST)
def test_derivatives_are_as_exact_as_is_said(mode, name, order, where, units, absolute, words):
    x, wanted = exactly(name, order, where)
    with mp.workprec(700):
        missing = [
            float(abs(mp.mpf(float(a)) - b)) / (units * np.spacing(abs(float(b))) + absolute)
            for a, b in zip(slope(EXACT[name][0], x, mode, order), wanted, strict=True)
        ]

    assert max(missing) <= LESS.get((name, mode), 1)
    assert not (units > 4 or absolute) or words in " ".join(SAID[name].split())
