"""Samples of `clearprop.scipy.stats` as functions of their parameters."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, checkpoint, grad, gradcheck, manual_seed, value_and_grad, vmap

special = pytest.importorskip("scipy.special")
scipys = pytest.importorskip("scipy.stats")
from clearprop.scipy import stats  # noqa: E402

N = 40_000

# distribution, parameters, f, and the mean of f by the parameters: its gradient is that of the sample mean
CASES = [
    (stats.norm, (0.5, 2.0), lambda z: z**2, lambda m, s: m**2 + s**2),
    (stats.expon, (0.5, 2.0), lambda z: z, lambda m, s: m + s),
    (stats.gumbel_r, (0.5, 2.0), lambda z: z, lambda m, s: m + s * np.euler_gamma),
    (stats.lognorm, (0.5,), np.log, lambda s: 0.0 * s),
    (stats.gamma, (2.5,), lambda z: z**2, lambda a: a + a**2),
    (stats.gamma, (0.3,), np.sqrt, lambda a: np.exp(special.gammaln(a + 0.5) - special.gammaln(a))),
    (stats.gamma, (50.0,), np.log, lambda a: special.digamma(a)),
    (stats.beta, (0.5, 0.7), lambda z: z, lambda a, b: a / (a + b)),
    (stats.beta, (3.0, 2.0), lambda z: z**2, lambda a, b: a * (a + 1) / ((a + b) * (a + b + 1))),
    (stats.t, (8.0,), lambda z: z**2, lambda df: df / (df - 2)),
]


@pytest.mark.parametrize(("distribution", "parameters", "f", "mean"), CASES)
def test_the_mean_of_gradients_is_the_gradient_of_the_mean(distribution, parameters, f, mean):
    manual_seed(1)
    where = tuple(range(len(parameters)))
    drawn = lambda *p: np.mean(f(distribution.rvs(*p, size=N)))  # noqa: E731
    value, slopes = value_and_grad(drawn, where)(*parameters)

    np.testing.assert_allclose(value, mean(*parameters), rtol=0.05, atol=0.03)
    np.testing.assert_allclose(slopes, grad(mean, where)(*parameters), rtol=0.08, atol=0.03)


@pytest.mark.parametrize("name", ["norm", "expon", "gumbel_r", "lognorm", "gamma", "beta", "t"])
def test_samples_are_of_scipys_distribution(name):
    manual_seed(2)
    parameters = {"lognorm": (0.7,), "gamma": (0.4,), "beta": (0.6, 2.0), "t": (3.0,)}.get(name, ())
    drawn = getattr(stats, name).rvs(*parameters, 0.0, 1.0, 5000)

    assert scipys.kstest(drawn.value, getattr(scipys, name)(*parameters).cdf).pvalue > 1e-3


def test_the_densities_beside_them():
    x = np.array([-0.5, 0.3, 2.0])
    np.testing.assert_allclose(stats.gumbel_r.logpdf(x, 0.2, 1.5), scipys.gumbel_r.logpdf(x, 0.2, 1.5))
    np.testing.assert_allclose(stats.gumbel_r.logcdf(x, 0.2, 1.5), scipys.gumbel_r.logcdf(x, 0.2, 1.5))


@pytest.mark.parametrize("a", [0.05, 0.7, 3.0, 40.0, 2000.0])
@pytest.mark.parametrize("u", [1e-6, 0.02, 0.5, 0.98, 1 - 1e-6])
def test_the_implicit_gradient_of_a_quantile(a, u):
    z = special.gammaincinv(a, u)
    if z < 1e-300:
        pytest.skip("the quantile is smaller than any float")
    h = 1e-5 * a
    numerical = (special.gammaincinv(a + h, u) - special.gammaincinv(a - h, u)) / (2 * h)

    np.testing.assert_allclose(grad(special.gammaincinv)(a, u), numerical, rtol=1e-5)


def test_derivatives_of_a_quantile_of_any_order():
    u, a = np.array([0.1, 0.5, 0.9]), np.array([0.7, 2.0, 9.0])
    assert gradcheck(lambda a: grad(lambda a: np.sum(special.gammaincinv(a, u)))(a), a)
    second = grad(grad(lambda a: special.gammaincinv(a, 0.5)))
    for order, h in ((1, 1e-4), (2, 1e-3)):  # the third and the fourth
        f = second if order == 1 else grad(second)
        np.testing.assert_allclose(grad(f)(2.0), (f(2.0 + h) - f(2.0 - h)) / (2 * h), rtol=1e-5)


def test_vectors():
    manual_seed(3)
    alpha = np.array([0.4, 1.0, 3.0])
    drawn, slope = value_and_grad(lambda a: np.mean(stats.dirichlet.rvs(a, N)[:, 0] ** 2))(alpha)
    mean = lambda a: a[0] * (a[0] + 1) / (np.sum(a) * (np.sum(a) + 1))  # noqa: E731
    np.testing.assert_allclose(drawn, mean(alpha), rtol=0.05)
    np.testing.assert_allclose(slope, grad(mean)(alpha), rtol=0.1, atol=0.005)
    shares = stats.dirichlet.rvs(alpha, (2, 5))
    assert shares.shape == (2, 5, 3)
    np.testing.assert_allclose(shares.sum(axis=-1).value, 1.0)

    cov = np.array([[2.0, 0.6], [0.6, 1.0]])
    quadratic = lambda m, c: np.mean(np.prod(stats.multivariate_normal.rvs(m, c, N), axis=-1))  # noqa: E731
    value, (by_mean, by_cov) = value_and_grad(quadratic, (0, 1))(np.array([1.0, 2.0]), cov)
    np.testing.assert_allclose(value, 2.6, rtol=0.05)
    np.testing.assert_allclose(by_mean, [2.0, 1.0], atol=0.05)
    np.testing.assert_allclose(by_cov[0, 1] + by_cov[1, 0], 1.0, atol=0.05)


def test_shapes_sizes_and_seeds():
    assert stats.norm.rvs(np.zeros((2, 1)), np.ones(3)).shape == (2, 3)
    assert stats.gamma.rvs(Tensor(np.ones(4)), size=(5, 4)).shape == (5, 4)
    assert stats.beta.rvs(2.0, 3.0).shape == ()
    manual_seed(5)
    first = stats.gamma.rvs(0.5, size=3)
    manual_seed(5)
    assert np.array_equal(first.value, stats.gamma.rvs(0.5, size=3).value)
    tiny = stats.beta.rvs(1e-3, 1e-3, size=1000).value
    assert np.all(np.isfinite(tiny))
    assert np.all((tiny >= 0) & (tiny <= 1))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_compiled_with_the_numbers_of_an_eager_run(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f = value_and_grad(
        lambda a, b: np.mean(stats.beta.rvs(a, b, size=20)) + np.mean(stats.norm.rvs(a, b, 5)), (0, 1)
    )
    step = clearprop.compile(f, executor=executor)
    for k in range(4):
        a = np.array(0.5 + k)
        manual_seed(k)
        ours = step(a, np.array(2.0))
        manual_seed(k)
        value, slopes = f(a, np.array(2.0))
        np.testing.assert_allclose(ours[0], value.value if isinstance(value, Tensor) else value, rtol=1e-9)
        np.testing.assert_allclose(ours[1], slopes, rtol=1e-9)


def test_under_checkpoint_and_vmap():
    loss = lambda a: np.mean(stats.gamma.rvs(a, size=6))  # noqa: E731
    manual_seed(7)
    plain = grad(loss)(2.0)
    manual_seed(7)
    assert grad(checkpoint(loss))(2.0) == pytest.approx(plain)
    with pytest.raises(ValueError, match="whether examples share"):
        vmap(loss)(np.ones(3))
    each = vmap(grad(loss), randomness="different")(np.full(3, 2.0))
    assert len(np.unique(each)) == 3


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: stats.norm.rvs(0.0, 1.0, size=3, random_state=0), TypeError, "manual_seed"),
        (lambda: stats.norm.rvs(np.zeros(2), 1.0, size=3), ValueError, "broadcast to size"),
        (lambda: stats.gamma.rvs(), TypeError, "parameters of shape"),
        (lambda: stats.dirichlet.rvs(2.0), ValueError, "wants a vector"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
