"""The native elementary functions: errors in units in the last place against 60 digits, and every edge."""

import ctypes

import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath")
pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.language.engine import WIDE, Code  # noqa: E402
from clearprop.compiler.engines.llvm.language.text import ModuleText  # noqa: E402
from clearprop.compiler.engines.llvm.language.ufuncs import UFUNCS  # noqa: E402
from clearprop.compiler.engines.llvm.language.values import INDEX, Register  # noqa: E402
from clearprop.compiler.program.core import ufunc_of  # noqa: E402

# The largest error that is allowed, and the intervals that are sampled, besides numbers near 0.
PROMISED = {
    "exp": (1.0, [(-1, 1), (-80, 80)]),
    "exp2": (1.3, [(-1, 1), (-120, 120)]),
    "expm1": (1.7, [(-1, 1), (-80, 80)]),
    "log": (0.9, [(0.5, 2), (0, 1e6), (0.99, 1.01)]),
    "log1p": (0.9, [(-0.9, 1), (-1e-3, 1e-3), (0, 1e8)]),
    "log2": (1.7, [(0.5, 2), (0, 1e6), (0.99, 1.01)]),
    "log10": (2.8, [(0.5, 2), (0, 1e6), (0.99, 1.01)]),
    "tanh": (2.6, [(-1, 1), (-20, 20)]),
    "sinh": (2.7, [(-1, 1), (-80, 80)]),
    "cosh": (2.4, [(-1, 1), (-80, 80)]),
    "sin": (1.5, [(-4, 4), (-3e4, 3e4)]),
    "cos": (1.5, [(-4, 4), (-3e4, 3e4)]),
    "tan": (3.3, [(-4, 4), (-3e4, 3e4)]),
    "sqrt": (0.51, [(0, 2), (0, 1e6)]),
    "erf": (1.3, [(-1.5, 1.5), (-6, 6)]),
    "erfc": (4.7, [(-1.5, 1.5), (-6, 9), (0, 26)]),
    "ndtr": (5.0, [(-1.5, 1.5), (-12, 12), (-37, 0)]),
    "gaussian": (1.5, [(-1.5, 1.5), (-12, 12), (-37, 37)]),
}
EXACT = {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "ndtr": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "gaussian": lambda x: mpmath.exp(-x * x / 2),
}


def native(name, dtype, count=1):
    """Return a native function on arrays of a multiple of 16 entries."""
    module = ModuleText()
    function = module.function("go", "ptr %x, ptr %y, ptr %z, i64 %n", WIDE, "")
    lanes = 64 // dtype.itemsize
    with function.loop(0, Register(function, "%n", INDEX, 0), lanes) as i:
        xs = [function.load(function.at(p, i, dtype), dtype, lanes) for p in ("%x", "%y")[:count]]
        function.store(UFUNCS[name](*xs).astype(dtype), function.at("%z", i, dtype))
    code = Code(str(module), "go")
    run = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(code.address("go"))

    def call(*xs):
        xs = [np.resize(np.asarray(x, dtype), -(-len(x) // 16) * 16) for x in xs]
        z = np.empty_like(xs[0])
        run(xs[0].ctypes.data, xs[-1].ctypes.data, z.ctypes.data, z.size)
        return z

    call.code = code
    return call


def units(got, exact, dtype):
    """Return how many units in the last place `got` is off, where the exact result is a normal number."""
    info = np.finfo(dtype)
    bits = 23 if dtype.itemsize == 4 else 52
    if abs(exact) > float(info.max) or abs(exact) < float(info.tiny):
        return 0.0
    unit = mpmath.mpf(2) ** (mpmath.floor(mpmath.log(abs(exact), 2)) - bits)
    return float(abs(mpmath.mpf(float(got)) - exact) / unit)


@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)
@pytest.mark.parametrize("name", PROMISED)
def test_no_result_is_further_off_than_the_table_says(name, dtype):
    most, intervals = PROMISED[name]
    rng = np.random.default_rng(0)
    samples = [rng.uniform(a, b, 400) for a, b in intervals] + [np.exp(rng.uniform(-30, 0, 400))]
    x = np.concatenate(samples).astype(dtype)
    x = x[: len(x) // 16 * 16]
    exact = EXACT.get(name) or getattr(mpmath, name)

    z = native(name, dtype)(x)

    with mpmath.workprec(200):
        worst = max(units(a, exact(mpmath.mpf(float(b))), dtype) for a, b in zip(z, x, strict=True))
    assert worst <= most


@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8")], ids=str)
@pytest.mark.parametrize("name", PROMISED)
def test_edges_are_those_of_numpy(name, dtype):
    info = np.finfo(dtype)
    tiny = info.tiny / 4
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, info.max, -info.max, -1, 1, -2, 89, -104]
    edges = np.array(edges, dtype)
    with np.errstate(all="ignore"):
        expected = ufunc_of(name)(edges)

    z = native(name, dtype)(edges)[: len(edges)]

    np.testing.assert_allclose(z, expected, rtol=4 * info.eps, atol=2 * tiny)
    zero = edges == 0
    np.testing.assert_array_equal(np.signbit(z[zero]), np.signbit(expected[zero]))


def test_float32_powers_are_those_of_numpy_at_every_pair_of_edges():
    values = np.array(
        [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, 7.5, np.inf, -np.inf, np.nan, 1e30, 1e-30], "f4"
    )
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)

    z = native("power", np.dtype("f4"), 2)(x, y)

    np.testing.assert_allclose(z, expected, rtol=3e-7)


@pytest.mark.parametrize("name", ["maximum", "minimum", "logaddexp"])
def test_nan_wins_and_infinities_pass(name):
    values = np.array([0.0, 1, -1, np.inf, -np.inf, np.nan, 300.0, -300.0], "f4")
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, y)

    z = native(name, np.dtype("f4"), 2)(x, y)

    np.testing.assert_allclose(z, expected, rtol=3e-7)
