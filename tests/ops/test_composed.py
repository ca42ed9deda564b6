"""Functions made of ops: gradients of both orders against finite differences, and the same when compiled."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, gradcheck
from clearprop.compiler.step import available_executors

X = np.array([[0.3, -1.2, 0.8, 2.1], [1.7, 0.45, -0.6, -1.9], [0.95, 1.3, -0.15, 0.62]])
V = np.array([0.3, -1.2, 0.8, 2.1])
SQUARE = X[:, :3] + 2 * np.eye(3)
HOLES = np.arange(12).reshape(3, 4) % 5 == 1
PLACES = np.array([[0, 1], [1, 0]])

# fmt: off
FUNCTIONS = {
    "append":            lambda x: np.append(x, x[:1] * 2, axis=0),
    "atleast_3d":        lambda x: np.atleast_3d(x),
    "dstack":            lambda x: np.dstack([x, x**2]),
    "block":             lambda x: np.block([[x, x**2], [2 * x, x]]),
    "broadcast_arrays":  lambda x: np.multiply(*np.broadcast_arrays(x, x[0])),
    "choose":            lambda x: np.choose(PLACES, [x[:2, :2], x[:2, 2:] ** 2]),
    "compress":          lambda x: np.compress([True, False, True], x, axis=0),
    "extract":           lambda x: np.extract(np.arange(12).reshape(3, 4) % 3 == 0, x),
    "delete":            lambda x: np.delete(x, 1, axis=1),
    "insert":            lambda x: np.insert(x, [1, 3], x[:, :2] ** 2, axis=1),
    "select":            lambda x: np.select([np.arange(4) < 1, np.arange(4) > 2], [x, x**2], x * 3),
    "piecewise":         lambda x: np.piecewise(x, [np.arange(12).reshape(3, 4) < 5], [np.sin, np.square]),
    "trim_zeros":        lambda x: np.trim_zeros(np.pad(x[0], 2)),
    "diagflat":          lambda x: np.diagflat(x[0], 1),
    "rollaxis":          lambda x: np.rollaxis(x, 1),
    "rot90":             lambda x: np.rot90(x) ** 2,
    "resize":            lambda x: np.resize(x, (5, 5)),
    "apply_along_axis":  lambda x: np.apply_along_axis(lambda v: v * v[0], 1, x),
    "apply_over_axes":   lambda x: np.apply_over_axes(np.sum, x**2, [0]),
    "full_like":         lambda x: np.full_like(x, x[0, 0] ** 2),
    "modf":              lambda x: np.modf(3 * x)[0],
    "frexp":             lambda x: np.frexp(3 * x)[0],
    "divmod":            lambda x: np.divmod(x, 0.7)[1],
    "float_power":       lambda x: np.float_power(np.abs(x), 1.7),
    "vecdot":            lambda x: np.vecdot(x, x + 1),
    "matvec":            lambda x: np.matvec(x, x[0]),
    "vecmat":            lambda x: np.vecmat(x[:, 0], x),
    "sinc near and far": lambda x: np.sinc(x * np.array([1e-9, 0.3, 1.0, 4.0])),
    "cumprod with zeros": lambda x: np.cumprod(x * np.array([1.0, 0.0, 1.0, 0.0]), axis=1),
    "cumulative_sum":    lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod":   lambda x: np.cumulative_prod(x, axis=0),
    "ediff1d":           lambda x: np.ediff1d(x**2, x[0, 0], x[1, 1]),
    "gradient":          lambda x: np.gradient(x**2, 0.5, axis=1, edge_order=2),
    "gradient by places": lambda x: np.gradient(x[0], np.cumsum(x[1] ** 2 + 1)),
    "unwrap":            lambda x: np.unwrap(3 * x),
    "convolve":          lambda x: np.convolve(x[0], x[1, :3], "same"),
    "correlate":         lambda x: np.correlate(x[0, :3], x[1], "full"),
    "interp by x":       lambda x: np.interp(x, [-3.0, 0.0, 1.0, 3.0], [1.0, 4.0, 2.0, 8.0]),
    "interp by points":  lambda x: np.interp([0.3, 1.5, -9.0, 9.0], np.cumsum(x[0] ** 2 + 0.1), x[1]),
    "interp, periodic":  lambda x: np.interp(x, [0.3, 0.9, 1.5], x[:, 0] ** 2, period=2.0),
    "polyval":           lambda x: np.polyval(x[0], x),
    "polyadd":           lambda x: np.polyadd(x[0], x[1, :2]),
    "polysub":           lambda x: np.polysub(x[0], x[1, :2]),
    "polymul":           lambda x: np.polymul(x[0], x[1]),
    "polyder":           lambda x: np.polyder(x[0] ** 2, 2),
    "polyint":           lambda x: np.polyint(x[0], 2, x[1, :2]),
    "vander":            lambda x: np.vander(x[0], 4),
    "linspace":          lambda x: np.linspace(x[0], x[1] ** 2, 5),
    "logspace":          lambda x: np.logspace(x[0], x[1], 4, base=2.0),
    "geomspace":         lambda x: np.geomspace(x[0] ** 2, x[1] ** 2, 4),
    "quantile":          lambda x: np.quantile(x, [0.1, 0.5, 0.77], axis=0),
    "quantile by q":     lambda x: np.quantile(x, 1 / (1 + np.exp(-x[0, :2]))),
    "percentile":        lambda x: np.percentile(x, 30, axis=1, method="hazen"),
    "nanquantile":       lambda x: np.nanquantile(np.where(HOLES, np.nan, x), [0.3, 0.6], axis=1),
    "nanmedian":         lambda x: np.nanmedian(np.where(HOLES, np.nan, x), axis=1),
    "nanmax":            lambda x: np.nanmax(np.where(HOLES, np.nan, x), axis=1),
    "nanmin":            lambda x: np.nanmin(np.where(HOLES, np.nan, x), axis=0),
    "nanprod":           lambda x: np.nanprod(np.where(HOLES, np.nan, x), axis=0),
    "nancumsum":         lambda x: np.nancumsum(np.where(HOLES, np.nan, x), axis=0),
    "nancumprod":        lambda x: np.nancumprod(np.where(HOLES, np.nan, x), axis=0),
    "nanvar":            lambda x: np.nanvar(np.where(HOLES, np.nan, x), axis=1, ddof=1),
    "nanstd":            lambda x: np.nanstd(np.where(HOLES, np.nan, x), axis=1),
    "cov":               lambda x: np.cov(x),
    "corrcoef":          lambda x: np.corrcoef(x)[0, 1:],
}
# fmt: on
KNOWN = {name: f for name, f in FUNCTIONS.items() if hasattr(np, name) or " " in name}


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", KNOWN)
def test_gradients_of_both_orders_agree_with_finite_differences(name, order):
    assert gradcheck(FUNCTIONS[name], X, order=order).ok


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("name", KNOWN)
def test_the_same_in_a_compiled_step(name, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    if name in BY_VALUES:
        pytest.skip("how many entries there are depends on their values")

    def f(x):
        z = FUNCTIONS[name](x)
        return np.sum(z * np.cos(z))

    both = clearprop.value_and_grad(f)
    step = clearprop.compile(both, executor=executor)
    step(X)
    for x in (X + 0.01, X - 0.02):
        for got, right in zip(step(x), both(x), strict=True):
            np.testing.assert_allclose(np.asarray(got), right, rtol=1e-11, atol=1e-12)


BY_VALUES = {"trim_zeros"}


def gradient(f, x):
    t = Tensor(x)
    z = f(t)
    z.backward(np.ones(z.shape))
    return t.grad.tolist()


@pytest.mark.parametrize(
    ("f", "at", "wanted"),
    [
        (np.cumprod, [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
        (
            lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 4.0]),
            [-1.0, 0.0, 1.0, 5.0],
            [0.0, 1.0, 3.0, 0.0],
        ),
        (np.nanstd, [2.0, 2.0, np.nan], [0.0, 0.0, 0.0]),
        (lambda x: np.quantile(x, 0.5), [1.0, 1.0, 1.0], [1 / 3] * 3),
        (np.fabs, [0.0, -2.0], [0.0, -1.0]),
        (lambda x: np.fmax(x, 1.0), [1.0, np.nan, 2.0], [0.5, 0.0, 1.0]),
        (lambda x: np.fmin(x, 1.0), [1.0, np.nan, 2.0], [0.5, 0.0, 0.0]),
        (lambda x: np.copysign(x, -1.0), [0.0, 2.0, -2.0], [0.0, -1.0, 1.0]),
        (lambda x: np.heaviside(0.0, x), [0.5], [1.0]),
        (np.sinc, [0.0, 1.0], [0.0, -1.0]),
        (lambda x: np.logaddexp2(x, -np.inf), [0.5, 1e4], [1.0, 1.0]),
    ],
)
def test_kinks_and_ends(f, at, wanted):
    assert gradient(f, at) == pytest.approx(wanted, abs=1e-15)


@pytest.mark.parametrize(
    "f", [np.nansum, np.nanmean, np.nanvar, np.nanstd, np.nanprod, np.nancumsum, np.nancumprod]
)
def test_complex_numbers_that_are_none_are_left_out(f):
    x = np.array([1 + 1j, np.nan, 3 - 2j, 0.5j])

    np.testing.assert_allclose(f(clearprop.Tensor(x)).detach().numpy(), f(x), rtol=1e-15)


def test_the_second_derivative_of_sinc_at_its_top():
    second = clearprop.grad(clearprop.grad(np.sinc))(0.0)

    assert second == pytest.approx(-(np.pi**2) / 3, rel=1e-14)


# --- complex numbers, infinite ones, signed zeros -----------------------------------------------------------
Z, ZV = X[:, :3] + 0.3j * SQUARE, V + 0.3j * V[::-1]
INFINITE = np.array([[1.0, np.inf, 2.0, 0.5], [0.3, -0.0, np.nan, -1.5]])
MEANINGS = {
    "correlate":          lambda: (np.correlate, (ZV, ZV[:2] * 1j, "full")),
    "correlate, longer":  lambda: (np.correlate, (ZV[:2], ZV, "full")),
    "cov":                lambda: (np.cov, (Z,)),
    "cov of columns":     lambda: (np.cov, (Z, None, False)),
    "corrcoef":           lambda: (np.corrcoef, (Z,)),
    "geomspace":          lambda: (np.geomspace, (ZV, 2 * ZV[::-1], 5)),
    "geomspace, open":    lambda: (np.geomspace, (ZV, ZV[::-1], 3, False)),
    "geomspace, float32": lambda: (np.geomspace, (np.abs(X).astype("f4"), 9.0, 3)),
    "geomspace, inf":     lambda: (np.geomspace, (2.0 + 0 * V, np.array([np.inf, 3.0, 4.0, np.inf]), 4)),
    "geomspace, one":     lambda: (np.geomspace, (V, V * 3, 1)),
    "geomspace, dtype":   lambda: (np.geomspace, (V, V * 3, 4, True, "f4", 1)),
    "logspace, float32":  lambda: (np.logspace, (X.astype("f4"), 2.0, 4)),
    "linspace, float32":  lambda: (np.linspace, (X.astype("f4"), 2.0, 4)),
    "linspace, integers": lambda: (np.linspace, (np.arange(3), 5, 4)),
    "logspace, bases":    lambda: (np.logspace, (V, V + 1, 4, True, np.array([2.0, 3.0, 4.0, 10.0]))),
    "gradient":           lambda: (np.gradient, (INFINITE, 0.5)),
    "gradient, complex":  lambda: (np.gradient, (Z,)),
    "poly, inf":          lambda: (np.poly, (INFINITE[0],)),
    "poly, float16":      lambda: (np.poly, (V.astype("f2"),)),
    "polydiv, complex64": lambda: (np.polydiv, ((ZV * ZV).astype("c8"), ZV[:2].astype("c8"))),
    "angle":              lambda: (np.angle, (INFINITE,)),
    "angle, degrees":     lambda: (np.angle, (INFINITE.astype("f4"), True)),
    "angle, integers":    lambda: (np.angle, (np.arange(-2, 3),)),
    "eigh":               lambda: (np.linalg.eigh, (Z + np.conj(Z.T),)),
    "svd":                lambda: (np.linalg.svd, (Z,)),
    "lstsq":              lambda: (np.linalg.lstsq, (Z[:, :2], ZV[:3], None)),
    "slogdet":            lambda: (np.linalg.slogdet, (Z,)),
    "slogdet, singular":  lambda: (np.linalg.slogdet, (np.ones((2, 2)) * 1j,)),
    "slogdet, huge":      lambda: (np.linalg.slogdet, (np.eye(3) * 1e200j,)),
    "piecewise, rows":    lambda: (np.piecewise, (X[:, :3], [np.array([True, False, True])], [np.sin])),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANINGS)
def test_what_numpy_answers_is_answered(name):
    function, given = MEANINGS[name]()
    with np.errstate(all="ignore"):
        theirs = function(*given)
        ours = function(Tensor(given[0], requires_grad=False), *given[1:])
    several = isinstance(theirs, tuple)
    for a, b in zip(ours if several else [ours], theirs if several else [theirs], strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=3e-5 if b.dtype.char in "fFe" else 1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "f",
    [
        lambda z: np.correlate(z, z[:2] * 1j, "full"),
        lambda z: np.correlate(z[:2], z, "same"),
        lambda z: np.cov(np.stack([z, z**2])),
        lambda z: np.corrcoef(np.stack([z, z**2])),
        lambda z: np.geomspace(z, z[::-1] * 2, 4),
        lambda z: np.gradient(z**2),
        lambda z: np.linalg.slogdet(np.outer(z, z**2)[:3, :3] + np.eye(3))[0],
        lambda z: np.polydiv(z, z[:2])[0],
    ],
)
def test_gradients_of_complex_vectors(f):
    weight = np.cos(np.arange(4.0))[:, None] * np.array([1.0, 0.4j])

    def cost(z):
        z = f(z)
        w = np.resize(weight, (*z.shape, 2)) if z.ndim else weight[1]
        return np.sum(np.real(z) * np.real(w[..., 0]) + np.imag(z) * np.imag(w[..., 1]))

    gradcheck(cost, ZV)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: np.geomspace(Tensor([0.0, 1.0]), 2.0, 3), ValueError, "ends that are not 0"),
        (
            lambda: np.piecewise(Tensor(X), [np.array([True, False])], [np.sin]),
            IndexError,
            "of its first axes",
        ),
    ],
)
def test_what_numpy_refuses_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


# --- what is picked, planned --------------------------------------------------------------------------------
MASK = np.array([True, False, True])


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.compress(MASK, x, axis=0),
        lambda x: np.compress([False, True], x, axis=-1),
        lambda x: np.compress([1, 0, 3, 0, 1], x),
        lambda x: np.extract(MASK, x[:, 0]),
        lambda x: np.compress(x[:, 0] > 0, x, axis=0),
        lambda x: np.compress(x[0] * (x[0] > 0), x, axis=1),
        lambda x: np.extract(x > 0, x),
    ],
)
def test_what_a_mask_picks_is_planned(f, executor):
    picked, slopes = (
        clearprop.compile(g, executor=executor) for g in (f, clearprop.grad(lambda x: np.sum(f(x) ** 3)))
    )
    for factor in (1.0, -1.0, 2.0, -2.0, 3.0):
        x = factor * X
        np.testing.assert_array_equal(picked(x), f(x))
        np.testing.assert_array_equal(f(Tensor(x)).value, f(x))
        np.testing.assert_allclose(slopes(x), clearprop.grad(lambda x: np.sum(f(x) ** 3))(x), rtol=1e-14)


@pytest.mark.parametrize("end", ["left", "right"])
def test_text_is_no_value_beyond_the_ends(end):
    with pytest.raises(TypeError, match=f"interp.*{end}.*wants a number"):
        np.interp(clearprop.Tensor([0.0, 5.0]), [0.0, 1.0], [2.0, 3.0], **{end: "3"})
