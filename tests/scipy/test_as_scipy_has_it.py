"""What SciPy answers otherwise than one would think: arguments, dtypes and places at the edges of parts."""

import math
import pickle

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck

pytest.importorskip("scipy")
import scipy.interpolate
import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

from clearprop.scipy import interpolate, linalg, signal, stats

rng = np.random.default_rng(0)
A = rng.normal(size=(3, 3)) + 3 * np.eye(3)
C = A + 1j * rng.normal(size=(3, 3))
X = np.array([0.0, 1.0, 2.5, 3.0, 5.0])
Y = rng.normal(size=(5, 2))
T = np.array([-1.0, 0.5, 1.0, 2.75, 5.0, 6.0, np.nan])


# --- linalg, signal -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("lower", [False, True])
def test_a_complex_symmetric_system_is_not_a_hermitian_one(lower):
    b = np.arange(3.0)
    for form in ("sym", "her"):
        wanted = scipy.linalg.solve(C, b, assume_a=form, lower=lower)
        np.testing.assert_allclose(linalg.solve(C, b, assume_a=form, lower=lower), wanted, rtol=1e-10)


def test_eigenvalues_of_two_matrices():
    b = A @ A.T + np.eye(3)
    for ours, theirs in (
        (linalg.eigvals(A, b), scipy.linalg.eigvals(A, b)),
        (linalg.eig(A, b=b)[0], scipy.linalg.eigvals(A, b)),
    ):
        np.testing.assert_allclose(np.sort_complex(ours), np.sort_complex(theirs), rtol=1e-10)
    w, v = linalg.eig(A, b)
    np.testing.assert_allclose(A @ v, b @ v * w, atol=1e-12)
    assert gradcheck(lambda b: np.sum(np.real(linalg.eigvals(A, b)) ** 2), b)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linalg.eig(A, left=True), "right vectors"),
        (lambda: linalg.eigvals(A, homogeneous_eigvals=True), "homogeneous_eigvals"),
        (lambda: linalg.inv(A, chek_finite=True), "chek_finite"),
        (lambda: linalg.solve(A, A, asume_a="sym"), "asume_a"),
    ],
)
def test_arguments_that_change_the_result_are_not_swallowed(call, text):
    with pytest.raises(TypeError, match=text):
        call()
    linalg.inv(A, overwrite_a=True, check_finite=False)


def test_logarithms_of_integers_and_of_several_matrices():
    whole = np.array([[2, 1], [1, 3]])
    np.testing.assert_allclose(linalg.logm(whole), scipy.linalg.logm(whole), rtol=1e-12)
    several = np.stack([A @ A.T, np.eye(3)])
    np.testing.assert_allclose(linalg.logm(several)[0], scipy.linalg.logm(several[0]), rtol=1e-10, atol=1e-12)


def test_how_many_frequencies_none_is():
    for ours, theirs in zip(signal.freqz([1.0, 2.0], worN=None), scipy.signal.freqz([1.0, 2.0]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# --- interpolate --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ends", [([(1, 0.5)], [(1, 2.0)]), ([(2, 1.0)], "natural"), "clamped", None])
def test_slopes_that_are_given_to_a_spline(ends):
    ours, theirs = (f.make_interp_spline(X, Y, bc_type=_wide(ends)) for f in (interpolate, scipy.interpolate))
    np.testing.assert_allclose(ours(T), theirs(T), rtol=1e-10)


def _wide(ends):
    """SciPy wants a slope for each column, and so many are no harm to us."""
    if not isinstance(ends, tuple):
        return ends
    return tuple(e if isinstance(e, str) else [(m, np.array([v, 2 * v])) for m, v in e] for e in ends)


def test_the_gradient_by_a_slope_that_is_given():
    def f(s):
        return np.sum(interpolate.make_interp_spline(X, Y[:, 0], bc_type=([(1, s)], [(1, 2.0)]))(T[1:3]) ** 2)

    assert gradcheck(f, 0.5)


def test_what_is_constant_between_points():
    for nu, k in ((0, 0), (1, 1), (3, 3), (1, 0)):
        ours, theirs = (f.make_interp_spline(X, Y, k=k)(T, nu=nu) for f in (interpolate, scipy.interpolate))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    ours, theirs = (
        f.interp1d(X, Y, "zero", 0, bounds_error=False)(T) for f in (interpolate, scipy.interpolate)
    )
    np.testing.assert_allclose(ours, theirs)
    grid = ([0.0, 1.0], [0.0, 2.0]), rng.normal(size=(2, 2)), "nearest", False
    places = np.array([[np.nan, 1.0], [0.3, np.nan], [0.3, 0.2]])
    assert np.isnan(interpolate.RegularGridInterpolator(*grid)(places)).tolist() == [True, True, False]


def test_points_that_are_none_of_a_function():
    with pytest.raises(ValueError, match="ascending"):
        interpolate.PchipInterpolator(X[::-1], Y)
    with pytest.raises(ValueError, match="last height that is the first"):
        interpolate.CubicSpline(X, Y, bc_type="periodic")


# --- stats --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("df", [3.3, 1e10, np.inf, np.array([2.5, np.inf])])
def test_students_distribution_of_many_degrees(df):
    for method in ("mean", "var", "std"):
        np.testing.assert_allclose(
            getattr(stats.t, method)(df, 1.0, 2.0), getattr(scipy.stats.t, method)(df, 1.0, 2.0), rtol=1e-9
        )
    np.testing.assert_allclose(stats.t.logpdf(0.7, df), scipy.stats.t.logpdf(0.7, df), rtol=1e-12)


@pytest.mark.parametrize("df", [2.5, 1e10, np.inf])
def test_students_vectors_of_many_degrees(df):
    square = A[:2, :2] @ A[:2, :2].T  # with 1e10 degrees SciPy's has lost digits
    for given in ((np.ones((3, 2)), [1.0, 2.0], square), (np.arange(3.0), 1.0, 2.0)):
        wanted = scipy.stats.multivariate_t.logpdf(
            *given, np.inf if df == 1e10 else df
        )  # SciPy's loses digits
        np.testing.assert_allclose(stats.multivariate_t.logpdf(*given, df), wanted, rtol=1e-8)


def test_other_methods_of_distributions_of_vectors_are_scipys():
    np.testing.assert_allclose(stats.dirichlet.var([1.0, 2.0]), scipy.stats.dirichlet.var([1.0, 2.0]))
    np.testing.assert_allclose(stats.multinomial(3, [0.4, 0.6]).mean(), [1.2, 1.8])
    assert pickle.loads(pickle.dumps(stats.dirichlet)).name == "dirichlet"
    with pytest.raises(AttributeError, match="dirichlet' has no attribute 'vra'"):
        stats.dirichlet.vra


def test_quantiles_far_out_on_the_tails():
    q = np.array([1e-300, 1e-20, 0.1, 0.25, 0.5, 0.7, 0.75, 0.9, 1 - 1e-12])
    exact = np.array([-1 / (math.pi * x) if x < 1e-9 else math.tan(math.pi * (x - 0.5)) for x in q])
    exact[-1] = 1 / (math.pi * (1 - q[-1]))
    np.testing.assert_allclose(stats.cauchy.ppf(q), exact, rtol=1e-9, atol=1e-15)
    assert gradcheck(lambda q: np.sum(stats.cauchy.ppf(q)), q[2:-1])


def test_the_support_is_moved_and_stretched():
    for name, shapes in (
        ("uniform", ()),
        ("expon", ()),
        ("norm", ()),
        ("pareto", (2.0,)),
        ("truncnorm", (-1.0, 2.0)),
    ):
        ours, theirs = (
            getattr(library, name)(*shapes, 1.0, 2.0).support() for library in (stats, scipy.stats)
        )
        np.testing.assert_allclose(ours, theirs)
    assert np.isnan(stats.uniform.support(0.0, -1.0)).all()


def test_a_skew_of_zero_is_none_at_infinity_too():
    x = np.array([-np.inf, 0.0, np.inf])
    np.testing.assert_allclose(stats.skewnorm.logpdf(x, 0.0), scipy.stats.norm.logpdf(x))


def test_densities_of_single_precision_stay_single():
    x = Tensor(np.array([0.3, 0.6], np.float32))
    for name in ("uniform", "expon", "halfnorm", "rayleigh"):
        assert getattr(stats, name).logpdf(x).dtype == np.float32
    two = np.float32(2.0)
    assert stats.gamma.logpdf(x, two).dtype == stats.t.logpdf(x, two).dtype == np.float32
    assert stats.norm.ppf(x).dtype == np.float32


# --- integers -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.bool_])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_logits_of_short_integers_do_not_go_round(name, dtype):
    x = np.array([1, 120, 100] if dtype == np.uint8 else [-100, 100, 0]).astype(dtype)
    wanted = getattr(scipy.special, name)(x.astype(float))
    np.testing.assert_allclose(getattr(clearprop, name)(x, axis=-1), wanted, rtol=1e-12)


# --- ufunc.reduce -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
@pytest.mark.parametrize("ufunc", [np.hypot, np.fmax, np.subtract, np.logaddexp])
def test_a_start_has_the_dtype_and_the_shape_of_the_result(ufunc, dtype):
    for x in (np.zeros((0, 3), dtype), np.arange(6).reshape(2, 3).astype(dtype)):
        for how in ({"keepdims": True}, {"axis": -1}, {}):
            wanted = ufunc.reduce(x, initial=2.5, **how)
            got = ufunc.reduce(Tensor(x, requires_grad=False), initial=2.5, **how)
            assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_allclose(getattr(got, "value", got), wanted, rtol=1e-3)
    ones = Tensor(np.ones((2, 3)), requires_grad=False)
    slope = grad(lambda s: np.sum(np.hypot.reduce(ones, initial=s)))(2.0)
    np.testing.assert_allclose(slope, 3 * 2 / math.sqrt(6))


@pytest.mark.parametrize("name", ["toeplitz", "circulant"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3)])
def test_columns_in_a_stack_give_matrices_in_a_stack(name, shape):
    c = np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape)
    rows = np.array([[1.0, 5.0], [2.0, 6.0]])
    ours = getattr(linalg, name)

    assert np.array_equal(
        ours(c), np.stack([ours(x) for x in c]) if c.ndim > 1 else getattr(scipy.linalg, name)(c)
    )
    if name == "toeplitz" and c.ndim == 2:
        assert np.array_equal(
            ours(c, rows), np.stack([scipy.linalg.toeplitz(x, r) for x, r in zip(c, rows, strict=True)])
        )


def test_a_hankel_matrix_is_of_vectors():
    with pytest.raises(ValueError, match="wants vectors"):
        linalg.hankel(np.ones((2, 2)))


@pytest.mark.parametrize("trans", [0, 1, 2])
def test_one_factor_serves_a_stack_of_right_hand_sides(trans):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(3, 3)), random.normal(size=(2, 3, 2))
    turned = a if trans == 0 else a.T

    np.testing.assert_allclose(
        linalg.lu_solve(linalg.lu_factor(a), b, trans), np.linalg.solve(turned, b), rtol=1e-12
    )
    assert gradcheck(lambda a, b: np.sum(linalg.lu_solve(linalg.lu_factor(a), b, trans) ** 2), a, b)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linalg.companion(np.array([0.0, 1.0, 2.0])), "wants two coefficients or more"),
        (lambda: linalg.companion(np.array([2.0])), "wants two coefficients or more"),
        (lambda: linalg.solve_discrete_lyapunov(np.eye(2), np.eye(2), method="x"), "'direct', 'bilinear'"),
        (lambda: signal.lfilter([1.0], [0.0, 1.0], np.ones(3), zi=np.ones(1)), "wants a[0] that is not 0"),
        (lambda: signal.lfilter_zi([1.0], [0.0, 1.0]), "wants a[0] that is not 0"),
        (lambda: signal.detrend(np.ones(4), bp=-1), "wants breaks from 0 to 4"),
    ],
)
def test_what_has_no_answer_is_refused(call, text):
    with pytest.raises(ValueError, match=text.replace("[", r"\[")):
        call()
