"""Functions under SciPy's names: values, both derivatives by every argument, compiled, refusals."""

import importlib

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck
from clearprop.compiler.step import available_executors
from clearprop.errors import GradientError

scipy = pytest.importorskip("scipy")
for _name in ("linalg", "signal", "special", "stats"):
    importlib.import_module(f"scipy.{_name}")

from clearprop.scipy import linalg, signal, special, stats  # noqa: E402

X = np.array([[0.5, -1.2, 2.0, 0.7], [1.5, 0.3, -0.8, 1.1], [0.9, -0.4, 1.3, 2.2]])
SQUARE = np.array([[2.0, 0.3, -0.2], [0.1, 1.5, 0.4], [0.3, -0.1, 2.5]])
SYMMETRIC = SQUARE @ SQUARE.T
SMALL = np.array([[0.4, 0.3], [-0.2, 0.7]])
PLACES, COUNTS = np.array([0.3, 0.8, 0.55]), np.array([0, 2, 5])
MIXED = SQUARE[[1, 0, 2]] + 0.3  # whose rows a factorisation exchanges
BANDS = np.array([[9.0, 0.3, -0.2, 0.5], [0.2, 0.5, -0.3, 0.4], [2.0, 1.5, 2.5, 1.8], [0.4, -0.3, 0.2, 9.0]])
UPPER = np.array([[0.0], [0.0], [2.0]])
LONG = np.random.default_rng(5).normal(size=(2, 20))
Z = np.array([1.0 + 2j, -0.5 + 0.3j])

# name: what is called, in our module or in SciPy's of the same name, and what with
CALLS = {
    "logsumexp": (lambda m: m.special.logsumexp, X),
    "logsumexp, weighed": (lambda m: lambda a, b: m.special.logsumexp(a, axis=1, b=b), X, np.abs(X)),
    "softmax": (lambda m: m.special.softmax, X),
    "softmax, rows": (lambda m: lambda x: m.special.softmax(x, axis=1), X),
    "log_softmax": (lambda m: lambda x: m.special.log_softmax(x, axis=0), X),
    "multigammaln": (lambda m: lambda a: m.special.multigammaln(a, 3), np.array([2.5, 4.0])),
    "polygamma": (lambda m: lambda x: m.special.polygamma(2, x), PLACES),
    "digamma": (lambda m: lambda x: m.special.polygamma(0, x), PLACES),
    "solve_triangular": (lambda m: m.linalg.solve_triangular, SQUARE, X),
    "solve_triangular, turned": (
        lambda m: lambda a, b: m.linalg.solve_triangular(a, b, trans="T", lower=True),
        SQUARE,
        X,
    ),
    "solve_triangular, ones": (
        lambda m: lambda a, b: m.linalg.solve_triangular(a, b, unit_diagonal=True),
        SQUARE,
        X[:, 0],
    ),
    "cho_solve": (lambda m: lambda a, b: m.linalg.cho_solve(m.linalg.cho_factor(a), b), SYMMETRIC, X),
    "cho_solve, lower": (
        lambda m: lambda a, b: m.linalg.cho_solve(m.linalg.cho_factor(a, lower=True), b),
        SYMMETRIC,
        X,
    ),
    "solve_sylvester": (lambda m: m.linalg.solve_sylvester, SQUARE, SMALL, X[:, :2]),
    "expm": (lambda m: m.linalg.expm, SMALL),
    "expm, complex": (lambda m: m.linalg.expm, SMALL + 0.5j * SMALL.T),
    "logm": (lambda m: m.linalg.logm, SQUARE),
    "sqrtm": (lambda m: m.linalg.sqrtm, SQUARE),
    "toeplitz": (lambda m: m.linalg.toeplitz, X[0], X[1]),
    "toeplitz, symmetric": (lambda m: m.linalg.toeplitz, X[0]),
    "block_diag": (lambda m: m.linalg.block_diag, SMALL, X[0], X[:, :2]),
    "convolve": (lambda m: m.signal.convolve, X[0], X[1, :3]),
    "convolve, same": (lambda m: lambda x, y: m.signal.convolve(x, y, "same"), X[0], X[1, :3]),
    "convolve, planes": (lambda m: lambda x, y: m.signal.convolve(x, y, "valid"), X, SMALL),
    "fftconvolve": (lambda m: m.signal.fftconvolve, X, SMALL),
    "fftconvolve, same": (lambda m: lambda x, y: m.signal.fftconvolve(x, y, "same"), X, SQUARE),
    "fftconvolve, complex": (lambda m: lambda x, y: m.signal.fftconvolve(x, y), X[0], Z),
    "cho_solve, complex": (
        lambda m: (
            lambda a: m.linalg.cho_solve(m.linalg.cho_factor(a @ np.conj(np.swapaxes(a, 0, 1))), X[:, 0])
        ),
        SQUARE + 0.3j * SQUARE.T,
    ),
    "solve, symmetric": (
        lambda m: lambda a, b: m.linalg.solve(a, b, assume_a="sym", lower=True),
        SYMMETRIC,
        X,
    ),
    "solve, turned": (lambda m: lambda a, b: m.linalg.solve(a, b, transposed=True), SQUARE, X[:, 0]),
    "cholesky": (lambda m: lambda a: m.linalg.cholesky(a @ a.T), SQUARE),
    "cholesky, lower": (lambda m: lambda a: m.linalg.cholesky(a @ a.T, lower=True), SQUARE),
    "eigh, of two": (
        lambda m: lambda a, b: m.linalg.eigh(a + a.T, b @ b.T, eigvals_only=True),
        SQUARE,
        SQUARE.T + SYMMETRIC,
    ),
    "eigh, vectors of two": (
        lambda m: lambda a, b: np.abs(m.linalg.eigh(a + a.T, b @ b.T)[1]),
        SQUARE,
        SQUARE.T + SYMMETRIC,
    ),
    "qr, r": (lambda m: lambda a: m.linalg.qr(a, mode="r")[0], X.T),
    "svd": (lambda m: lambda a: m.linalg.svd(a)[1], SQUARE),
    "norm, nuclear": (lambda m: lambda a: m.linalg.norm(a, "nuc"), SQUARE),
    "polar": (lambda m: lambda a: m.linalg.polar(a)[0], SQUARE),
    "polar, left": (lambda m: lambda a: m.linalg.polar(a, "left")[1], X),
    "lyapunov": (lambda m: m.linalg.solve_continuous_lyapunov, SQUARE, SYMMETRIC),
    "lyapunov, discrete": (lambda m: m.linalg.solve_discrete_lyapunov, SQUARE / 4, SYMMETRIC),
    "riccati": (
        lambda m: lambda a, b, q, r: m.linalg.solve_continuous_are(a, b, q @ q.T, r @ r.T),
        SQUARE[:2, :2],
        X[:2, :1],
        SQUARE[1:, :2],
        SMALL[:1, :1],
    ),
    "riccati, discrete": (
        lambda m: lambda a, b, q, r: m.linalg.solve_discrete_are(a, b, q @ q.T, r @ r.T),
        SQUARE[:2, :2],
        X[:2, :1],
        SQUARE[1:, :2],
        SMALL[:1, :1],
    ),
    "circulant": (lambda m: m.linalg.circulant, X[0]),
    "hankel": (lambda m: m.linalg.hankel, X[0], X[1]),
    "cosm": (lambda m: m.linalg.cosm, SQUARE),
    "sinm": (lambda m: m.linalg.sinm, SMALL),
    "coshm": (lambda m: m.linalg.coshm, SMALL),
    "sinhm": (lambda m: m.linalg.sinhm, SMALL),
    "fftconvolve, odd": (lambda m: m.signal.fftconvolve, X[:, :2], SQUARE),
    "fftconvolve, one axis": (
        lambda m: lambda x, y: m.signal.fftconvolve(x, y, "same", axes=1),
        X,
        SQUARE[:1],
    ),
    "correlate": (lambda m: lambda x, y: m.signal.correlate(x, y), X[0], X[1, :3]),
    "correlate, planes": (lambda m: lambda x, y: m.signal.correlate(x, y, "valid"), X, SMALL),
    "correlate, short": (lambda m: lambda x, y: m.signal.correlate(x, y, "valid"), X[1, :3], X[0]),
    "convolve2d": (lambda m: lambda x, y: m.signal.convolve2d(x, y, "same"), X, SMALL),
    "lu": (lambda m: lambda a: np.concatenate(m.linalg.lu(a, permute_l=True)), MIXED),
    "lu, factors": (lambda m: lambda a: m.linalg.lu_factor(a)[0], MIXED),
    "lu, three": (lambda m: lambda a: m.linalg.lu(a)[0] @ m.linalg.lu(a)[1] * m.linalg.lu(a)[2], MIXED),
    "lu_solve": (lambda m: lambda a, b: m.linalg.lu_solve(m.linalg.lu_factor(a), b), MIXED, X),
    "lu_solve, stack": (
        lambda m: lambda a, b: m.linalg.lu_solve(m.linalg.lu_factor(a), b, trans=1),
        np.stack([MIXED, SQUARE]),
        X[:, 0],
    ),
    "lu_solve, complex": (
        lambda m: lambda a, b: m.linalg.lu_solve(m.linalg.lu_factor(a), b, trans=2),
        MIXED + 0.3j * SQUARE,
        X[:, :2],
    ),
    "solve, diagonal": (lambda m: lambda a, b: m.linalg.solve(a, b, assume_a="diagonal"), SQUARE, X),
    "solve, three bands": (
        lambda m: lambda a, b: m.linalg.solve(a, b, assume_a="tridiagonal"),
        SQUARE,
        X[:, 0],
    ),
    "solve_banded": (lambda m: lambda ab, b: m.linalg.solve_banded((1, 2), ab, b), BANDS, X.T),
    "solve_banded, complex": (
        lambda m: lambda ab, b: m.linalg.solve_banded((2, 1), ab, b),
        BANDS[::-1] + 0.2j,
        X[0],
    ),
    "solveh_banded": (lambda m: lambda ab, b: m.linalg.solveh_banded(ab, b), BANDS[:3] + UPPER, X[0]),
    "solveh_banded, lower": (
        lambda m: lambda ab, b: m.linalg.solveh_banded(ab, b, lower=True),
        (BANDS[:3] + UPPER)[::-1, ::-1],
        X.T,
    ),
    "solve_toeplitz": (lambda m: lambda c, r, b: m.linalg.solve_toeplitz((c, r), b), X[2] + 2, X[1], X.T),
    "solve_circulant": (lambda m: m.linalg.solve_circulant, X[0] + [9, 0, 0, 0], X[1]),
    "tanm": (lambda m: m.linalg.tanm, SMALL),
    "tanhm": (lambda m: m.linalg.tanhm, SMALL),
    "companion": (lambda m: m.linalg.companion, X[0]),
    "pinv": (lambda m: m.linalg.pinv, X),
    "lstsq": (lambda m: lambda a, b: m.linalg.lstsq(a, b)[0], X.T, X[0]),
    "lyapunov, stack": (
        lambda m: m.linalg.solve_discrete_lyapunov,
        np.stack([SQUARE, SYMMETRIC]) / 9,
        np.stack([SYMMETRIC, SQUARE]),
    ),
    "welch": (lambda m: lambda x: m.signal.welch(x, nperseg=8, fs=2.0)[1], LONG[:, :13]),
    "welch, median": (lambda m: lambda x: m.signal.welch(x, nperseg=4, average="median")[1], LONG[:1, :10]),
    "welch, a line less": (
        lambda m: lambda x: m.signal.welch(x, nperseg=8, detrend="linear")[1],
        LONG[:, :12],
    ),
    "csd": (
        lambda m: lambda x, y: m.signal.csd(x, y, nperseg=8, nfft=9)[1],
        LONG[:1, :14],
        LONG[1:, ::-1][:, :12],
    ),
    "periodogram": (lambda m: lambda x: m.signal.periodogram(x, scaling="spectrum")[1], LONG[:, :9]),
    "periodogram, complex": (lambda m: lambda x: m.signal.periodogram(x, axis=0)[1], LONG[:, :5] + 1j),
    "coherence": (lambda m: lambda x, y: m.signal.coherence(x, y, nperseg=8)[1], LONG[0, :12], LONG[1, :12]),
    "spectrogram": (lambda m: lambda x: m.signal.spectrogram(x, nperseg=8)[2], LONG[0]),
    "hilbert": (lambda m: m.signal.hilbert, X),
    "hilbert, longer": (lambda m: lambda x: m.signal.hilbert(x, 7, axis=0), X),
    "detrend": (lambda m: lambda x: m.signal.detrend(x, bp=[5]), LONG[:, :9]),
    "savgol_filter": (lambda m: lambda x: m.signal.savgol_filter(x, 5, 2, deriv=1), LONG[:, :7]),
    "savgol_filter, even": (lambda m: lambda x: m.signal.savgol_filter(x, 6, 3, mode="mirror"), LONG[:, :7]),
    "filtfilt": (lambda m: m.signal.filtfilt, X[0, :3], np.array([1.5, -0.4]), LONG[0, :11]),
    "filtfilt, even": (
        lambda m: lambda b, a, x: m.signal.filtfilt(b, a, x, padtype="even", padlen=3),
        X[0, :1],
        np.array([1.5, -0.4, 0.2]),
        LONG[0, :8],
    ),
    "lfilter_zi": (lambda m: m.signal.lfilter_zi, X[0, :3], np.array([1.5, -0.4])),
    "lfilter, states": (
        lambda m: lambda b, a, x, zi: m.signal.lfilter(b, a, x, zi=zi)[1],
        X[0, :3],
        np.array([1.5, -0.4]),
        X[:2],
        SMALL,
    ),
    "correlate2d": (lambda m: lambda x, y: m.signal.correlate2d(x, y, "same"), X, SMALL),
    "oaconvolve": (lambda m: m.signal.oaconvolve, X, SMALL),
    "freqz, rate": (
        lambda m: lambda b, a: m.signal.freqz(b, a, 5, fs=100.0, include_nyquist=True)[1],
        X[0, :3],
        np.array([1.5, -0.4]),
    ),
    "lfilter": (lambda m: m.signal.lfilter, X[0, :3], np.array([1.5, -0.4]), X),
    "lfilter, columns": (
        lambda m: lambda b, a, x: m.signal.lfilter(b, a, x, axis=0),
        X[0, :1],
        np.array([1.5, -0.4, 0.1]),
        X,
    ),
    "sosfilt": (lambda m: m.signal.sosfilt, np.array([[0.2, 0.4, 0.2, 1.0, -0.3, 0.2]]), X),
    "freqz": (lambda m: lambda b, a: m.signal.freqz(b, a, 5)[1], X[0, :3], np.array([1.5, -0.4])),
    "norm": (lambda m: m.stats.norm.logpdf, X, X[0] / 5, np.abs(X[1])),
    "norm, below": (lambda m: m.stats.norm.logcdf, X, X[0] / 5, np.abs(X[1])),
    "expon": (lambda m: m.stats.expon.logpdf, PLACES, -PLACES, PLACES + 1),
    "expon, below": (lambda m: m.stats.expon.logcdf, PLACES, -PLACES, PLACES + 1),
    "gamma": (lambda m: m.stats.gamma.logpdf, PLACES, PLACES + 1, -PLACES, PLACES + 1),
    "gamma, below": (lambda m: lambda x: m.stats.gamma.logcdf(x, 2.5), PLACES),
    "beta": (lambda m: m.stats.beta.logpdf, PLACES, PLACES + 1, PLACES + 2),
    "t": (lambda m: m.stats.t.logpdf, X, np.abs(X[0]) + 1, X[1], np.abs(X[2])),
    "t, below": (lambda m: lambda x: m.stats.t.logcdf(x, 3.5), PLACES),
    "lognorm": (lambda m: m.stats.lognorm.logpdf, PLACES, PLACES + 1, -PLACES, PLACES + 1),
    "lognorm, below": (lambda m: m.stats.lognorm.logcdf, PLACES, PLACES + 1),
    "poisson": (lambda m: lambda mu: m.stats.poisson.logpmf(COUNTS, mu), PLACES),
    "binom": (lambda m: lambda p: m.stats.binom.logpmf(COUNTS, 6, p), PLACES),
    "nbinom": (lambda m: lambda n, p: m.stats.nbinom.logpmf(COUNTS, n, p), PLACES + 2, PLACES),
    "dirichlet": (lambda m: lambda a: m.stats.dirichlet.logpdf(np.array([0.2, 0.5, 0.3]), a), PLACES + 1),
    "multivariate_normal": (lambda m: m.stats.multivariate_normal.logpdf, X.T, X[:, 0], SYMMETRIC),
    "multivariate_normal, one": (lambda m: m.stats.multivariate_normal.logpdf, X[:, 1], X[:, 0], SYMMETRIC),
}


class Ours:
    linalg, signal, special, stats = linalg, signal, special, stats


def of_symmetric(name, f):
    """What reads one triangle is a function of symmetric matrices."""
    if name.startswith("multivariate"):
        return lambda x, mean, cov: f(x, mean, (cov + cov.T) / 2)
    return f


@pytest.mark.parametrize("name", CALLS)
def test_values_are_scipys(name):
    call, *inputs = CALLS[name]
    found, expected = call(Ours)(*map(Tensor, inputs)), call(scipy)(*inputs)

    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found.value, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_both_orders_agree_with_differences(name, order):
    call, *inputs = CALLS[name]

    assert gradcheck(of_symmetric(name, call(Ours)), *inputs, order=order).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_has_the_same_gradients(name, executor):
    call, *inputs = CALLS[name]

    def step(*xs):
        ts = [Tensor(x) for x in xs]
        z = call(Ours)(*ts)
        each = np.cos(np.arange(z.size)).reshape(z.shape) + 2.0  # squares of a rotation add up to 1
        np.sum(np.abs(z) ** 2 * each).backward()
        return [t.grad for t in ts]

    compiled = clearprop.compile(step, executor=executor)
    compiled(*inputs)
    others = [x * 1.01 for x in inputs]
    for found, expected in zip(compiled(*others), step(*others), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("ours", "theirs", "args"),
    [
        (stats.expon.logpdf, scipy.stats.expon.logpdf, (np.array([-1.0, 0.0, 1.0]),)),
        (stats.gamma.logpdf, scipy.stats.gamma.logpdf, (np.array([-1.0, 0.0, 1.0]), 1.0)),
        (stats.beta.logpdf, scipy.stats.beta.logpdf, (np.array([-1.0, 0.0, 1.0, 2.0]), 1.0, 1.0)),
        (stats.lognorm.logpdf, scipy.stats.lognorm.logpdf, (np.array([-1.0, 0.0, 1.0]), 1.0)),
        (stats.expon.logcdf, scipy.stats.expon.logcdf, (np.array([-1.0, 0.0, 1.0]),)),
        (stats.poisson.logpmf, scipy.stats.poisson.logpmf, (np.array([-1, 0, 2, 1.5]), 2.0)),
        (stats.poisson.logpmf, scipy.stats.poisson.logpmf, (np.array([0, 1]), 0.0)),
        (stats.binom.logpmf, scipy.stats.binom.logpmf, (np.array([-1, 0, 4, 5]), 4, 0.3)),
        (stats.binom.logpmf, scipy.stats.binom.logpmf, (np.array([0, 1, 4]), 4, 1.0)),
        (stats.nbinom.logpmf, scipy.stats.nbinom.logpmf, (np.array([-1, 0, 2]), 3.0, 0.4)),
        (special.logsumexp, scipy.special.logsumexp, (np.array([-np.inf, -np.inf]),)),
        (special.softmax, scipy.special.softmax, (np.array([1e4, 0.0]),)),
    ],
)
def test_the_edges_are_scipys(ours, theirs, args):
    with np.errstate(all="ignore"):
        found, expected = ours(Tensor(np.asarray(args[0], float)), *args[1:]), theirs(*args)

    np.testing.assert_allclose(found.value, expected, rtol=1e-13, atol=1e-15)


def test_outside_of_the_support_no_gradient_is_nan():
    x, scale = Tensor(np.array([-1.0, 0.5])), Tensor(2.0)
    np.sum(stats.gamma.logpdf(x, 2.5, 0.0, scale)[1:]).backward()

    assert np.all(np.isfinite(x.grad))
    assert np.isfinite(scale.grad)


REFUSED = {
    "a share without a rule": (lambda t: stats.vonmises.logcdf(t, 1.0), TypeError, "no rule"),
    "too few parameters": (lambda t: stats.gamma.logpdf(t), TypeError, "parameters of shape"),
    "shares of another length": (lambda t: stats.dirichlet.logpdf(t, np.ones(7)), ValueError, "shares"),
    "another mode": (lambda t: signal.convolve(t, t, "nonsense"), ValueError, "'full', 'same' or 'valid'"),
    "other axes": (lambda t: signal.fftconvolve(t, t[None]), ValueError, "as many axes"),
    "crossing lengths": (
        lambda t: signal.fftconvolve(np.outer(t, t[:1]), np.outer(t[:1], t), "valid"),
        ValueError,
        "at least as long",
    ),
    "a dimension of 0": (lambda t: special.multigammaln(t, 0), ValueError, "dimension"),
    "an order below 0": (lambda t: special.polygamma(-1, t), ValueError, "order"),
    "an unknown transpose": (
        lambda t: linalg.solve_triangular(np.outer(t, t), t, trans="x"),
        ValueError,
        "trans",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused(name):
    call, error, words = REFUSED[name]

    with pytest.raises(error, match=words):
        call(Tensor(PLACES))


def test_a_real_matrix_with_negative_eigenvalues():
    a = np.array([[-1.0, 0.2], [0.1, -3.0]])
    f = lambda a: np.sum(np.imag(linalg.sqrtm(a)) * SMALL)  # noqa: E731

    np.testing.assert_allclose(linalg.sqrtm(Tensor(a)).value, scipy.linalg.sqrtm(a))
    assert gradcheck(f, a, order=2).ok
    with pytest.raises(GradientError, match="negative eigenvalues"):
        grad(lambda a: np.sum(np.real(linalg.logm(a))))(a)


def test_one_filter_of_all_examples_and_filters_of_each():
    x, b = np.arange(12.0).reshape(3, 4), np.array([[1.0, 0.5], [0.2, 0.1], [1.0, -1.0]])
    a = np.array([1.0, -0.5])

    one = clearprop.vmap(lambda x: signal.lfilter(b[0], a, x))(x)
    each = clearprop.vmap(lambda b, x: signal.lfilter(b, a, x))(b, x)
    np.testing.assert_allclose(one, scipy.signal.lfilter(b[0], a, x))
    np.testing.assert_allclose(each, [scipy.signal.lfilter(b[k], a, x[k]) for k in range(3)])


def test_other_names_of_a_part_are_scipys():
    assert signal.butter is signal.butter
    np.testing.assert_array_equal(signal.butter(2, 0.3), scipy.signal.butter(2, 0.3))
    assert linalg.null_space(np.ones((2, 2))).shape == (2, 1)
    with pytest.raises(GradientError, match="butter: has no gradient"):
        grad(lambda w: np.sum(signal.butter(2, w)[0]))(0.3)
    with pytest.raises(AttributeError, match="hilbert"):
        signal.hilbret


def test_states_of_sections_go_on_where_they_stopped():
    b, a = scipy.signal.butter(2, 0.3)
    sos = np.stack([np.concatenate([b, a])] * 2)
    zi = np.random.default_rng(0).normal(size=(2, 2, 2))
    for found, expected in zip(
        signal.sosfilt(sos, LONG, zi=zi), scipy.signal.sosfilt(sos, LONG, zi=zi), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    whole = signal.lfilter(b, a, LONG)
    first, states = signal.lfilter(b, a, LONG[:, :7], zi=np.zeros((2, 2)))
    then, _ = signal.lfilter(b, a, LONG[:, 7:], zi=states)
    np.testing.assert_allclose(np.concatenate([first, then], axis=1), whole, atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: signal.welch(t, nperseg=2, noverlap=3),
        lambda t: signal.welch(t, nperseg=2, scaling="nonsense"),
        lambda t: signal.csd(t, t, nperseg=2, average="nonsense"),
        lambda t: signal.detrend(t, bp=[9]),
        lambda t: signal.detrend(t, type="nonsense"),
        lambda t: signal.savgol_filter(t, 9, 2),
        lambda t: signal.savgol_filter(t, 3, 1, mode="nonsense"),
        lambda t: signal.hilbert(t + 1j),
        lambda t: signal.hilbert(t, -1),
        lambda t: signal.filtfilt([1.0], [1.0, 0.5], t),
        lambda t: signal.filtfilt([1.0], [1.0, 0.5], t, method="gust"),
        lambda t: signal.lfilter([1.0], [1.0, 0.5], t, zi=np.ones(2)),
        lambda t: signal.convolve(t[:0], t),
        lambda t: linalg.lu_factor(np.ones((2, 3)) * t[0]),
        lambda t: linalg.lu_solve((np.eye(3) * t[0], np.arange(3)), t, trans=3),
        lambda t: linalg.solve_banded((1, 1), np.ones((2, 3)), t),
        lambda t: linalg.solve(np.eye(3), t, assume_a="nonsense"),
    ],
)
def test_spectra_and_systems_refuse_in_our_words(call):
    with pytest.raises(ValueError, match=r"wants|is '|is one|is 0|has gradients"):
        call(Tensor(PLACES))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        linalg.solve(Tensor(np.diag([1.0, 0.0])), np.ones(2), assume_a="diagonal")
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        linalg.solveh_banded(Tensor(-np.ones((1, 2))), np.ones(2))


def test_single_precision_stays_single():
    x = Tensor(PLACES.astype(np.float32))

    assert stats.norm.logpdf(x).dtype == np.float32
    assert linalg.expm(np.outer(x, x)).dtype == np.float32
    assert signal.fftconvolve(x, x).dtype == np.float32
    assert signal.welch(x, nperseg=2)[1].dtype == np.float32
    assert signal.hilbert(x).dtype == np.complex64
    assert (
        linalg.lu_solve(linalg.lu_factor(np.outer(x, x) + np.eye(3, dtype=np.float32)), x).dtype == np.float32
    )
    assert linalg.solve_banded((0, 0), x[None], x).dtype == np.float32


# --- what is no number, and what no parameter may be --------------------------------------------------------
DENSITIES = (("norm", ()), ("expon", ()), ("gamma", (2.0,)), ("beta", (2.0, 3.0)), ("lognorm", (0.5,)))
COUNTED = (
    ("poisson", (-1.0,)), ("poisson", (2.0,)), ("binom", (5.5, 0.5)), ("binom", (5, 1.5)),
    ("nbinom", (-2.0, 0.5)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        (name, given)
        for name, shapes in DENSITIES
        for given in [
            (*shapes, 0.0, 1.5),
            (*shapes, 0.0, -1.0),
            *[(-0.5, *shapes[1:], 0.0, 1.0)] * bool(shapes),
        ]
    ],
)
def test_densities_are_nan_where_scipys_are(name, parameters):
    x = np.array([np.nan, -1.0, 0.3, 2.0])
    with np.errstate(all="ignore"):
        theirs = getattr(scipy.stats, name).logpdf(x, *parameters)
        np.testing.assert_allclose(getattr(stats, name).logpdf(x, *parameters), theirs, rtol=1e-12)
        if name != "beta":
            theirs = getattr(scipy.stats, name).logcdf(x, *parameters)
            np.testing.assert_allclose(getattr(stats, name).logcdf(x, *parameters), theirs, rtol=1e-12)


@pytest.mark.parametrize(("name", "parameters"), COUNTED)
def test_probabilities_are_nan_where_scipys_are(name, parameters):
    k = np.array([np.nan, 0.0, 1.0, 1.5])
    with np.errstate(all="ignore"):
        ours = getattr(stats, name).logpmf(k, *parameters)
        np.testing.assert_allclose(ours, getattr(scipy.stats, name).logpmf(k, *parameters), rtol=1e-12)


@pytest.mark.parametrize(
    "given", [(np.ones(3), 0.5, 2.0), (0.5, np.zeros(2), 1.0), (np.ones(2), np.zeros(2), 2.0), (np.ones(2),)]
)
def test_how_many_entries_normal_vectors_have_is_scipys(given):
    ours = stats.multivariate_normal.logpdf(*given)
    np.testing.assert_allclose(ours, scipy.stats.multivariate_normal.logpdf(*given), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: stats.dirichlet.logpdf(np.array([0.2, 0.9]), np.ones(2)), "add up to 1"),
        (lambda: stats.dirichlet.logpdf(np.array([0.2, 0.8]), np.array([1.0, -1.0])), "above 0"),
        (lambda: stats.multivariate_normal.logpdf(np.ones((2, 3)), None, np.eye(2)), "vectors of 2 entries"),
        (lambda: stats.norm.rvs(0.0, -1.0), "above 0"),
        (lambda: stats.gamma.rvs(-1.0, size=3), "above 0"),
    ],
)
def test_refusals_of_what_scipy_refuses(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_one_changed_import_is_enough_for_special_functions():
    from clearprop.scipy import special

    x = np.array([0.3, 0.8, 2.5])
    for name in ("gammaln", "erfinv", "xlogy", "j0", "ndtri", "expit"):
        assert getattr(special, name) is getattr(scipy.special, name)
        assert name in dir(special)
    np.testing.assert_allclose(special.zeta(x + 1), scipy.special.zeta(x + 1), rtol=1e-14)
    np.testing.assert_allclose(special.zeta(3.0, x), scipy.special.zeta(3.0, x), rtol=1e-14)
    gradcheck(lambda x: special.zeta(3.0, x), x)
    with pytest.raises(GradientError, match="no closed form"):
        grad(lambda x: special.zeta(x))(2.5)
    with pytest.raises(AttributeError, match="gammaln"):
        special.gamaln
    with pytest.raises(TypeError, match="would drop the gradient"):
        special.factorial(Tensor(x))


def test_the_parts_are_found_by_attribute():
    assert clearprop.scipy.special is special
    assert "stats" in dir(clearprop.scipy)
    with pytest.raises(AttributeError, match=r"Try clearprop.scipy.stats"):
        clearprop.scipy.stat


@pytest.mark.parametrize("name", ["solve_continuous_are", "solve_discrete_are"])
def test_the_equations_of_control_keep_float32_and_take_integers(name):
    function = getattr(linalg, name)
    whole = [np.array(x) for x in ([[0, 1], [0, 0]], [[0], [1]], [[1, 0], [0, 1]], [[1]])]
    exact = getattr(scipy.linalg, name)(*whole)

    assert function(*(x.astype(np.float32) for x in whole)).dtype == np.float32
    np.testing.assert_allclose(function(*whole), exact)


@pytest.mark.parametrize("a", [np.diag([1.0, 2.0, 0.0]), np.ones((2, 2)), np.zeros((2, 2))])
def test_the_logarithm_of_a_singular_matrix_is_refused(a):
    """It came out as -1e20, with a gradient of 0."""
    for run in (linalg.logm, grad(lambda a: np.trace(linalg.logm(a)))):
        with pytest.raises(np.linalg.LinAlgError, match=r"(?s)eigenvalue at 0.*Try a "):
            run(a)
    assert np.all(np.isfinite(linalg.logm(a + 1e-8 * np.eye(len(a)))))


@pytest.mark.filterwarnings("ignore:Matrix is ill-conditioned")
def test_the_slope_of_a_logarithm_that_rounding_takes_is_refused():
    a = np.diag([1.0, 1e-300])
    np.testing.assert_allclose(linalg.logm(a)[1, 1], np.log(1e-300), rtol=1e-12)
    with pytest.raises(GradientError, match=r"(?s)slope of a logarithm is lost.*slogdet"):
        grad(lambda a: np.trace(linalg.logm(a)))(a)
    np.testing.assert_allclose(
        grad(lambda a: np.trace(linalg.logm(a)))(np.diag([1.0, 1e-10])), np.diag([1.0, 1e10]), rtol=1e-6
    )
