"""Every distribution of `clearprop.scipy.stats` beside SciPy's: values, both derivatives, compiled."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, gradcheck
from clearprop.compiler.step import available_executors

theirs = pytest.importorskip("scipy.stats")
from clearprop.scipy import stats  # noqa: E402
from clearprop.scipy.continuous import Continuous  # noqa: E402
from clearprop.scipy.discrete import Discrete  # noqa: E402

SHAPES = {
    "gamma": (2.2,), "chi2": (3.3,), "invgamma": (2.7,), "beta": (2.0, 3.0), "t": (3.3,), "f": (3.0, 5.0),
    "lognorm": (0.7,), "weibull_min": (1.4,), "pareto": (2.4,), "invgauss": (0.8,), "vonmises": (1.2,),
    "skewnorm": (-1.3,), "truncnorm": (-0.7, 2.2), "poisson": (2.3,), "binom": (6, 0.3), "bernoulli": (0.3,),
    "nbinom": (3.2, 0.4), "geom": (0.3,), "betabinom": (6, 1.2, 2.2),
}  # fmt: skip
CONTINUOUS = {name: d for name, d in vars(stats).items() if isinstance(d, Continuous)}
DISCRETE = {name: d for name, d in vars(stats).items() if isinstance(d, Discrete)}
METHODS = ["logpdf", "pdf", "cdf", "sf", "logcdf", "logsf", "ppf", "mean", "var", "std", "entropy", "median"]
COUNTS = ["logpmf", "pmf", "cdf", "sf", "logcdf", "logsf", "mean", "var", "std"]
OF_NOTHING = ("mean", "var", "std", "entropy", "median")
X = np.array([-np.inf, -3.0, -1.0, 0.0, 0.3, 1.0, 1.2, 2.0, 2.4, 5.0, 6.0, 40.0, np.inf, np.nan])
SHARES = np.array([-0.1, 0.0, 0.2, 0.5, 0.9, 1.0, 1.1, np.nan])
ROWS = [(name, m) for name in CONTINUOUS for m in METHODS] + [(name, m) for name in DISCRETE for m in COUNTS]


def has_rule(call):
    try:
        call()
    except TypeError as error:
        return "has no rule" not in str(error)
    return True


def parameters(name):
    shapes = SHAPES.get(name, ())
    return (
        [shapes, (*shapes, 0.2, 1.7), (*shapes, 0.0, -1.0)] if name in CONTINUOUS else [shapes, (*shapes, 1)]
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "method"), ROWS)
def test_the_values_are_scipys_everywhere(name, method):
    of = getattr(getattr(stats, name), method)
    point = () if method in OF_NOTHING else (SHARES if method == "ppf" else X,)
    compared = 0
    with np.errstate(all="ignore"):
        for given in parameters(name):
            if has_rule(lambda given=given: of(*point, *given)):
                expected = getattr(getattr(theirs, name), method)(*point, *given)
                found = of(*point, *given)
                if method in ("logpdf", "pdf", "logpmf", "pmf") and name not in (
                    "gumbel_l",
                    "vonmises",
                ):  # inf - inf in SciPy
                    expected = np.where(
                        np.isnan(expected) & (point[0] == np.inf) & (given[-1:] != (-1.0,)),
                        -np.inf if method.startswith("log") else 0.0,
                        expected,
                    )
                if (name, method) == ("halfnorm", "logsf"):  # -inf in SciPy where the share is 0
                    far = (expected == -np.inf) & (point[0] > 0)
                    expected = np.where(far, np.log(2.0) + theirs.norm.logsf(*point, *given), expected)
                np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-13)
                assert np.shape(found) == np.shape(expected)
                compared += 1
    assert compared or method not in ("logpdf", "pdf", "logpmf", "pmf")


def smooth(name, method):
    """A function of the point and of every parameter that may be any number, and where to take it."""
    of, shapes = getattr(getattr(stats, name), method), [np.array(float(a)) for a in SHAPES.get(name, ())]
    fixed = [6.0] if name in ("binom", "betabinom") else []
    shapes = shapes[len(fixed) :]
    if method in OF_NOTHING:
        moved = [np.array(0.05), np.array(1.7)] if name in CONTINUOUS else []
        return lambda *given: of(*fixed, *given), [*shapes, *moved]
    if name in DISCRETE:
        return lambda *given: of(np.array([1, 3, 5]), *fixed, *given), shapes
    x = np.array([1.9, 2.2, 5.0]) if name == "pareto" else np.array([0.3, 1.1, 1.6])
    return of, [np.array([0.2, 0.5, 0.8]) if method == "ppf" else x, *shapes, np.array(0.05), np.array(1.7)]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "method"), ROWS)
def test_both_derivatives_by_the_point_and_every_parameter(name, method, order):
    f, given = smooth(name, method)
    if (name, method) == ("bernoulli", "logsf") or not has_rule(lambda: f(*given)):
        return
    by = [*range(len(given))]
    g = lambda *some: f(*(dict(enumerate(given)) | dict(zip(by, some, strict=True))).values())  # noqa: E731

    assert gradcheck(g, *[given[i] for i in by], order=order).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_compiled_gradients_are_the_same(name, executor):
    f, given = smooth(name, "logpdf" if name in CONTINUOUS else "logpmf")
    step = lambda *xs: grad(lambda *ys: np.sum(f(*ys)), argnums=tuple(range(len(xs))))(*xs)  # noqa: E731
    compiled = clearprop.compile(step, executor=executor)
    compiled(*given)
    others = [1.01 * x for x in given]

    for found, expected in zip(compiled(*others), step(*others), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", [n for n, d in CONTINUOUS.items() if d.draw is not None])
def test_samples_have_the_distribution(name):
    shapes = SHAPES.get(name, ())
    clearprop.manual_seed(1)
    sample = getattr(stats, name).rvs(*shapes, 0.5, 2.0, size=4000)

    assert theirs.kstest(np.asarray(sample.value), getattr(theirs, name)(*shapes, 0.5, 2.0).cdf).pvalue > 1e-3


def test_parameters_are_put_down_once():
    x = Tensor(np.array([0.3, 1.2]), requires_grad=True)
    for ours, others in [
        (stats.gamma(2.0, scale=3.0), theirs.gamma(2.0, scale=3.0)),
        (stats.norm(loc=0.2), theirs.norm(loc=0.2)),
        (
            stats.multivariate_normal(np.zeros(2), np.eye(2)),
            theirs.multivariate_normal(np.zeros(2), np.eye(2)),
        ),
        (stats.multivariate_t(np.ones(2), np.eye(2), 3.0), theirs.multivariate_t(np.ones(2), np.eye(2), 3.0)),
    ]:
        np.testing.assert_allclose(ours.logpdf(x).value, others.logpdf(x.value), rtol=1e-12)
        np.testing.assert_allclose(ours.pdf(x).value, others.pdf(x.value), rtol=1e-12)
    np.testing.assert_allclose(stats.gamma(a=2.0).mean(), 2.0)
    np.testing.assert_allclose(stats.poisson(mu=2.0).pmf(3), theirs.poisson(2.0).pmf(3))
    assert stats.norm(1.0, 2.0).rvs(size=5).shape == (5,)
    assert repr(stats.norm(1.0, scale=2.0)) == "norm(1.0, scale=2.0)"
    assert gradcheck(lambda m: stats.norm(m, 2.0).logsf(0.3), 0.7, order=2).ok


def test_vectors_are_scipys():
    p = np.array([0.2, 0.5, 0.3])
    counts = np.array([[1, 2, 1], [0, 4, 0], [1, 1, 1]])
    np.testing.assert_allclose(
        stats.multinomial.logpmf(counts, 4, p), theirs.multinomial.logpmf(counts, 4, p), rtol=1e-12
    )
    assert gradcheck(lambda q: stats.multinomial.logpmf(counts[:2], 4, q), p, order=2).ok
    cov = np.array([[2.0, 0.3], [0.3, 1.0]])
    x = np.array([[0.1, 0.4], [2.0, -1.0]])
    np.testing.assert_allclose(
        stats.multivariate_t.logpdf(x, p[:2], cov, 3.5), theirs.multivariate_t.logpdf(x, p[:2], cov, 3.5)
    )
    both = lambda x, m, c, df: stats.multivariate_t.logpdf(x, m, (c + c.T) / 2, df)  # noqa: E731
    assert gradcheck(both, x, p[:2], cov, np.array(3.5), order=2).ok
    np.testing.assert_allclose(
        stats.multivariate_normal(cov=cov).entropy(), theirs.multivariate_normal(cov=cov).entropy()
    )
    np.testing.assert_allclose(stats.dirichlet.pdf(p, p + 1), theirs.dirichlet.pdf(p, p + 1))


def test_all_else_is_scipys_own_and_refuses_gradients():
    x = np.array([0.1, 0.4, 0.7])

    assert stats.linregress(x, Tensor(2 * x, requires_grad=False)).slope == pytest.approx(2.0)
    assert stats.norm.fit(x) == pytest.approx((0.4, 0.2449489743))
    with pytest.raises(GradientError, match="linregress: has no gradient"):
        grad(lambda v: stats.linregress(v, x).slope)(x)
    with pytest.raises(AttributeError, match="norm"):
        stats.nrom
    with pytest.raises(AttributeError, match="logpdf"):
        stats.norm.logpfd
    with pytest.raises(TypeError, match="besides"):
        stats.gamma.logpdf(x, 2.0, sigma=1.0)


def test_what_was_not_scipys():
    for df in (0.5, 1.0, 1.5, 3.0):
        assert stats.t(df).mean() == theirs.t(df).mean()
    for q in (1e-300, 1e-17, 0.3, 1 - 1e-12):
        np.testing.assert_allclose(stats.invgamma.ppf(q, 2.5), theirs.invgamma.ppf(q, 2.5), rtol=1e-12)
    assert stats.bernoulli.pmf(np.float32(1.0), np.float32(0.25)).dtype == np.float32
    assert grad(lambda p: stats.bernoulli.logpmf(1, p))(np.float32(0.25)).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "shape"), [("gamma", 2.5), ("chi2", 3.0), ("t", 4.0), ("beta", (2.0, 0.7)), ("f", (3.0, 7.0))]
)
def test_shares_have_gradients_by_shapes_far_in_both_tails(name, shape):
    ours, his = getattr(stats, name), getattr(theirs, name)
    shapes = np.atleast_1d(shape)
    for share in (1e-6, 0.5, 1 - 1e-6):
        x = his.ppf(share, *shapes)
        for method in ("logcdf", "logsf"):
            found = grad(lambda *s, m=method, x=x: getattr(ours, m)(x, *s), tuple(range(len(shapes))))(
                *shapes
            )
            for i, slope in enumerate(found):
                h = 1e-5 * shapes[i] * (np.arange(len(shapes)) == i)
                near = [getattr(his, method)(x, *(shapes + k * h)) for k in (-1, 1)]
                size = (near[1] - near[0]) / (2e-5 * shapes[i])
                np.testing.assert_allclose(slope, size, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("method", ["cdf", "sf", "logcdf", "logsf"])
def test_the_share_of_laplace_has_a_slope_at_its_middle(method):
    f = getattr(stats.laplace, method)
    slope = 0.5 if method in ("cdf", "sf") else 1.0

    for executor in (None, *available_executors()):
        d = grad(f) if executor is None else clearprop.compile(grad(f), executor=executor)
        assert float(d(0.0)) == (slope if "cdf" in method else -slope)
    sign, far = (1.0, -1e3) if "cdf" in method else (-1.0, 1e3)  # where the share itself is 0
    assert float(grad(f)(far)) == (0.0 if slope == 0.5 else sign)


TAILS = {  # the logarithm of a share that is itself 0, and its slope
    "gumbel_r": ("logsf", 1000.0, -1000.0, -1.0),
    "gumbel_l": ("logcdf", -1000.0, -1000.0, 1.0),
    "halfnorm": ("logsf", 40.0, np.log(2.0) + theirs.norm.logsf(40.0), -40.024968847212364),
}


@pytest.mark.parametrize("name", TAILS)
def test_logarithms_of_shares_that_are_0(name):
    method, far, value, slope = TAILS[name]
    f = getattr(getattr(stats, name), method)
    near = np.array([0.01, 0.7, 3.0, 5.9, 29.99, 30.01]) * np.sign(far)
    near = near[near < 6.0] if name == "halfnorm" else np.concatenate([near, [-near[2], -near[3]]])

    for executor in (None, *available_executors()):
        g, d = (h if executor is None else clearprop.compile(h, executor=executor) for h in (f, grad(f)))
        np.testing.assert_allclose([float(g(far)), float(d(far))], [value, slope], rtol=1e-12)
        assert name == "halfnorm" or float(d(-far)) == 0.0
    his = getattr(theirs, name)
    log_share = getattr(his, method)(near)
    np.testing.assert_allclose([float(f(x)) for x in near], log_share, rtol=1e-9)
    sign = 1.0 if method == "logcdf" else -1.0
    wanted = sign * np.exp(his.logpdf(near) - log_share)
    np.testing.assert_allclose([float(grad(f)(x)) for x in near], wanted, rtol=1e-8)
