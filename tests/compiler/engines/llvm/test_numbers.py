"""Numbers at the ends of their types, long sums, casts and odd arguments: compiled beside eager."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.step import available_executors

EXECUTORS = available_executors()
pytestmark = [
    pytest.mark.parametrize("executor", EXECUTORS),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
ONE = [
    *("log", "log2", "log10", "log1p", "sqrt", "exp", "exp2", "expm1", "tanh", "sin", "cos", "sinh", "cosh"),
    *("square", "negative", "absolute", "sign", "reciprocal", "floor", "ceil", "trunc", "rint", "cbrt"),
    *("isnan", "isinf", "isfinite", "signbit", "arctan", "arcsinh"),
]
TWO = [
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "less", "less_equal", "greater"),
    *("greater_equal", "equal", "not_equal", "logaddexp", "hypot", "arctan2"),
    *("power", "remainder", "floor_divide"),
]
EXACT = {
    *("sqrt", "square", "negative", "absolute", "sign", "reciprocal", "floor", "ceil", "trunc", "rint"),
    *("isnan", "isinf", "isfinite", "signbit", "add", "subtract", "multiply", "divide", "maximum", "minimum"),
    *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
}


def plain(z):
    return np.asarray(z.value if isinstance(z, Tensor) else z)


def compiled(function, executor, *args):
    """What the recorded call, and what the plan gives; both are to be the same."""
    step = clearprop.compile(function, executor=executor)
    step(*args)
    return plain(step(*args))


def specials(dtype):
    """Denormals, the smallest and largest numbers, infinities, NaN, both zeros, and drawn ones between."""
    info = np.finfo(dtype)
    least = info.smallest_subnormal
    ends = [least, 3 * least, info.tiny / 5, info.tiny, info.eps, 0.5, 1.0, 1.5, 88.0]
    ends += [info.max / 4, info.max, np.inf, np.nan, 0.0]
    drawn = np.random.RandomState(7).randn(30) * 10.0 ** np.random.RandomState(8).uniform(-44, 3, 30)
    numbers = np.array([*ends, *drawn]).astype(dtype)
    return np.concatenate([numbers, -numbers])


def agree(z, wanted, exact, dtype):
    assert z.dtype == wanted.dtype
    assert z.shape == wanted.shape
    if exact or wanted.dtype.kind != "f":
        assert np.array_equal(z, wanted, equal_nan=wanted.dtype.kind == "f")
        return
    info = np.finfo(dtype)
    assert np.array_equal(np.isnan(z), np.isnan(wanted))
    assert np.array_equal(np.isinf(z), np.isinf(wanted))
    there = ~np.isnan(wanted)
    assert np.array_equal(np.signbit(z)[there], np.signbit(wanted)[there])
    finite = np.isfinite(wanted)
    z, wanted = z[finite].astype(np.longdouble), wanted[finite].astype(np.longdouble)
    assert np.all(abs(z - wanted) <= 8 * info.eps * abs(wanted) + 2 * info.smallest_subnormal)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number(name, dtype, executor):
    x = specials(dtype)
    if name in ("sin", "cos"):
        x = x[abs(x) < 1e4]

    agree(compiled(getattr(np, name), executor, x), plain(getattr(np, name)(x)), name in EXACT, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_numbers(name, dtype, executor):
    x, y = specials(dtype)[:, None], specials(dtype)[None, ::-1]

    agree(compiled(getattr(np, name), executor, x, y), getattr(np, name)(x, y), name in EXACT, dtype)


GAUSSIAN = {
    "erf": lambda m, x: m.erf(x),
    "erfc": lambda m, x: m.erfc(x),
    "ndtr": lambda m, x: m.erfc(-x / m.sqrt(2)) / 2,
}


@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GAUSSIAN)
def test_the_error_function_and_its_kin(name, dtype, mode, executor):
    """Beside many digits: denormals go in and come out, -0 keeps its sign, tails end where the type does."""
    mpmath = pytest.importorskip("mpmath")
    x = np.concatenate([specials(dtype), np.linspace(-40, 40, 161).astype(dtype)])
    function = getattr(clearprop, name)
    z = plain(function(Tensor(x))) if mode == "eager" else compiled(function, executor, x)
    with mpmath.workdps(60):
        exact = [GAUSSIAN[name](mpmath, mpmath.mpf(float(v))) for v in np.clip(x, -1e3, 1e3)]
        wanted = np.array([np.longdouble(mpmath.nstr(v, 30)) for v in exact]).astype(dtype)
    wanted = np.where(x == 0, np.asarray(wanted) if name != "erf" else x, wanted).astype(dtype)

    agree(z, wanted, False, dtype)


@pytest.mark.parametrize("z", [(0.0, -88.0), (0.0, -100.0), (-50.0, 50.0)])
def test_a_naive_cross_entropy_keeps_denormal_shares(z, executor):
    def loss(z):
        return -np.log(np.exp(z) / np.sum(np.exp(z)))

    z = np.array(z, np.float32)
    assert np.allclose(compiled(loss, executor, z), loss(z), rtol=1e-4)


def test_the_logarithm_of_a_denormal(executor):
    x = np.array([1e-39], np.float32)
    agree(compiled(lambda x: -np.log(x), executor, x), -np.log(x), False, "float32")


LONG = {
    "sum": np.sum,
    "mean": np.mean,
    "var": lambda x: np.var(x + np.float32(1)) + 1,
    "norm": lambda x: np.sqrt(np.sum(x * x)),
    "down columns": lambda x: np.sum(x.reshape(-1, 2), axis=0),
    "along rows": lambda x: np.sum(x.reshape(2, -1), axis=1),
    "down a transposed matrix": lambda x: np.sum(x.reshape(4, -1).T, axis=0),
    "a middle axis": lambda x: np.sum(x.reshape(2, -1, 2), axis=1),
    "two axes": lambda x: np.sum(x.reshape(2, -1, 2), axis=(0, 1)),
}


@pytest.mark.parametrize("count", [1000, 100_000, 3_000_000])
@pytest.mark.parametrize("name", LONG)
def test_long_sums_of_float32(name, count, executor):
    function = LONG[name]
    x = np.full(count, 0.1, np.float32)
    exact, eager = function(x.astype(np.float64)), function(x)
    mine, its = (np.max(abs(z / exact - 1)) for z in (compiled(function, executor, x), eager))

    assert mine <= 4 * its + 2.4e-7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
def test_many_long_sums_at_once(axis, dtype, executor):
    """70,000 sums of 1,000 products each, which native code keeps nowhere; NumPy does, so there are fewer."""
    rng = np.random.default_rng(0)
    x = rng.random(70_000 if executor == "llvm" else 1_000).astype(dtype)
    y = rng.random(1_000).astype(dtype)

    def products(x, y):
        return np.sum(np.expand_dims(x, axis) * np.expand_dims(y, 1 - axis), axis=axis)

    step = clearprop.compile(products, executor=executor, prove="never")
    found, unit = step(x, y), np.finfo(dtype).eps
    for i in range(0, len(x), 997):
        terms = x[i] * y
        exact = np.sum(terms.astype(np.longdouble))
        alone = np.sum(np.stack([terms, terms], axis=1 - axis), axis=axis)[0]
        its = abs(alone / exact - 1)
        assert abs(found[i] / exact - 1) <= 4 * its + 2 * unit


@pytest.mark.parametrize("count", [1000, 100_000, 3_000_000])
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("alike", [True, False])
def test_long_sums_of_float64(name, count, alike, executor):
    function = LONG[name]
    x = np.full(count, 0.1) if alike else np.random.default_rng(0).random(count)
    exact, eager = function(x.astype(np.longdouble)), function(x)
    mine, its = (np.max(abs(z / exact - 1)) for z in (compiled(function, executor, x), eager))

    assert mine <= 4 * its + 2 * np.finfo(np.float64).eps


@pytest.mark.parametrize("place", [0, 777, 5000, 9999])
@pytest.mark.parametrize("odd", [[np.inf], [-np.inf], [np.nan], [np.inf, -np.inf], [np.inf, np.inf]])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_long_sums_with_infinities(odd, place, dtype, executor):
    x = np.full((2, 10_000), 0.5, dtype)
    x[0, place : place + len(odd)] = odd[: 10_000 - place]
    for axis in (None, 1):
        np.testing.assert_array_equal(
            compiled(lambda x, axis=axis: np.sum(x, axis=axis), executor, x), np.sum(x, axis=axis)
        )
    columns = np.ascontiguousarray(x.T)
    np.testing.assert_array_equal(
        compiled(lambda x: np.sum(x, axis=0), executor, columns), np.sum(columns, axis=0)
    )


def test_long_sums_that_cancel_and_that_overflow_on_their_way(executor):
    rng = np.random.default_rng(0)
    x = rng.permutation(np.repeat([1e16, -1e16, 1.0], 20_000))
    total = compiled(np.sum, executor, x)
    assert abs(total - 20_000) <= max(4 * abs(np.sum(x) - 20_000), 1e4)
    large = np.full(10_000, 1e305)
    assert compiled(np.sum, executor, large) == np.inf == np.sum(large)
    assert np.isfinite(compiled(np.sum, executor, large[:1000]))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("shape", [(40_000,), (20_000, 1), (20_000, 5), (3_300, 5), (2, 20_000, 3)])
def test_long_sums_that_grow_beyond_the_largest_number_stay_infinite(shape, sign, executor):
    x = np.full(shape, sign * 1e305)
    for axis in (None, shape.index(max(shape))):
        total = compiled(lambda x, axis=axis: np.sum(x, axis=axis), executor, x)
        assert np.all(total == sign * np.inf)


def test_the_gradient_of_a_bias_over_a_long_batch(executor):
    bias = Tensor(np.zeros(3, np.float32))
    x = np.full((300_000, 3), 0.1, np.float32)

    def step(x):
        bias.grad = None
        loss = np.sum((x + bias) * np.float32(0.1))
        loss.backward()
        return loss

    run = clearprop.compile(step, executor=executor)
    run(x), run(x)
    gradient = plain(bias.grad)
    naive = np.sum(np.full((300_000, 3), 0.1, np.float32), axis=0)
    assert np.all(abs(gradient - 30_000) <= abs(naive - 30_000) + 0.1)


@pytest.mark.parametrize("new", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "?"])
@pytest.mark.parametrize("old", ["f4", "f8"])
@pytest.mark.parametrize("repeats", [1, 7])
def test_casts_beyond_the_range(old, new, repeats, executor):
    ends = [300.0, -5.0, 1e10, -1e10, np.nan, np.inf, -np.inf, 255.5, 1e20, -3.7, 2.0**31, 2.0**63, 2.0**64]
    x = np.repeat(np.array(ends, old), repeats)
    for part in (x, x[:1], x[4:5], x[:4]):
        agree(compiled(lambda x: x.astype(new), executor, part), part.astype(new), True, old)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "less", "greater_equal", "equal", "maximum"])
def test_signed_and_unsigned_words(name, executor):
    x, y = np.array([-1, 2**62, 3], "i8"), np.array([2**63 + 5, 3, 2**64 - 1], "u8")
    function = getattr(np, name)
    for a, b in ((x, y), (y, x)):
        agree(compiled(function, executor, a, b), function(a, b), True, "f8")


BEYOND = [("u1", 300), ("u8", -1), ("i1", -200), ("u8", 2**63), ("i4", 2**40)]


@pytest.mark.parametrize(("dtype", "number"), BEYOND)
def test_comparisons_with_integers_that_the_dtype_does_not_hold(dtype, number, executor):
    x = np.array([0, 1, 100], dtype)
    for function in (lambda x: x < number, lambda x: x >= number, lambda x: x == number):
        agree(compiled(function, executor, x), function(x), True, "f8")


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all", "cumsum"])
@pytest.mark.parametrize("axis", [0, -1, ()])
def test_reductions_of_a_number_along_an_axis(name, axis, executor):
    if axis == () and name == "cumsum":
        axis = None

    def function(x):
        return getattr(np, name)(x, axis=axis) * 2

    agree(compiled(function, executor, np.float64(3)), np.asarray(function(np.float64(3))), True, "f8")


@pytest.mark.parametrize(
    "x", [np.ma.masked_array([1.0, 2.0], [0, 1]), np.ones((2, 2)).view(np.matrix)], ids=["masked", "matrix"]
)
def test_arrays_with_an_arithmetic_of_their_own_are_refused(x, executor):
    step = clearprop.compile(lambda x: np.sum(x * x), executor=executor)
    with pytest.raises(TypeError, match=r"compiled step with a (matrix|MaskedArray)"):
        step(x)


CONSTANT = np.array([1.0, 2.0])
RESULTS = {
    "an argument": lambda x, w: x,
    "a view of an argument": lambda x, w: x[::-1],
    "a state": lambda x, w: w + 0,
    "a constant": lambda x, w: np.ones(2) * CONSTANT,
    "computed": lambda x, w: 2 * x,
    "a view of what is computed": lambda x, w: (2 * x)[::-1],
    "two of one": lambda x, w: (x + 1, (x + 1)[:1]),
    "a gradient without the argument": lambda x, w: clearprop.grad(lambda v: np.sum(3.0 * v))(x),
    "a gradient of a sum": lambda x, w: clearprop.grad(lambda v: np.sum(v))(x),
    "a gradient with the argument": lambda x, w: clearprop.grad(lambda v: np.sum(v * v))(x),
}


@pytest.mark.parametrize("name", RESULTS)
def test_writing_into_a_result_changes_no_later_one(name, executor):
    w = Tensor(np.array([5.0, 6.0]))
    step = clearprop.compile(lambda x: RESULTS[name](x, w), executor=executor)

    def written(x):
        made = step(x)
        made = made if isinstance(made, tuple) else (made,)
        arrays = [z._value if isinstance(z, Tensor) else z for z in made]
        kept = [np.array(z) for z in arrays]
        for z in arrays:
            if isinstance(z, np.ndarray) and z.flags.writeable:
                z[...] = -77
        return kept

    first, *others = [written(np.array([3.0, 4.0])) for _ in range(4)]
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
