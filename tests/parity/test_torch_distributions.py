"""`torch.distributions` beside PyTorch's: densities and their gradients, moments, divergences; draws by their means."""

import inspect
import math

import numpy as np
import pytest

import clearprop.torch as ours
from clearprop.torch import distributions as own

theirs = pytest.importorskip("torch")
A, B = [0.5, 1.5, 3.0], [1.2, 0.7, 2.0]
ROOT = [[1.0, 0.0], [0.5, 0.8]]


def covariance(t, b):
    root = t.tensor(ROOT)
    return root @ root.T * b[0]


CASES = {
    "Normal": (lambda t, d, a, b: d.Normal(a, b), [0.1, -2.0, 4.0]),
    "LogNormal": (lambda t, d, a, b: d.LogNormal(a / 2, b / 4), [0.1, 2.0, 4.0]),
    "HalfNormal": (lambda t, d, a, b: d.HalfNormal(b), [0.1, 2.0, 4.0]),
    "Laplace": (lambda t, d, a, b: d.Laplace(a, b), [0.1, -2.0, 4.0]),
    "Cauchy": (lambda t, d, a, b: d.Cauchy(a, b), [0.1, -2.0, 4.0]),
    "Gumbel": (lambda t, d, a, b: d.Gumbel(a, b), [0.1, -2.0, 4.0]),
    "StudentT": (lambda t, d, a, b: d.StudentT(a + 4, a, b), [0.1, -2.0, 4.0]),
    "Uniform": (lambda t, d, a, b: d.Uniform(a - 1, a + b), [0.1, 2.0, 4.0]),
    "Exponential": (lambda t, d, a, b: d.Exponential(a), [0.1, 2.0, 4.0]),
    "Gamma": (lambda t, d, a, b: d.Gamma(a, b), [0.1, 2.0, 4.0]),
    "Chi2": (lambda t, d, a, b: d.Chi2(a), [0.1, 2.0, 4.0]),
    "Beta": (lambda t, d, a, b: d.Beta(a, b), [0.1, 0.2, 0.4]),
    "Dirichlet": (lambda t, d, a, b: d.Dirichlet(a * b), [0.1, 0.2, 0.7]),
    "Bernoulli": (lambda t, d, a, b: d.Bernoulli(a / 4), [0.0, 1.0, 1.0]),
    "Bernoulli of logits": (lambda t, d, a, b: d.Bernoulli(logits=a - b), [0.0, 1.0, 1.0]),
    "Geometric": (lambda t, d, a, b: d.Geometric(a / 4), [0.0, 1.0, 3.0]),
    "Binomial": (lambda t, d, a, b: d.Binomial(5, a / 4), [0.0, 1.0, 3.0]),
    "Poisson": (lambda t, d, a, b: d.Poisson(a), [0.0, 1.0, 3.0]),
    "Categorical": (lambda t, d, a, b: d.Categorical(a), [0, 1, 2]),
    "Categorical of logits": (lambda t, d, a, b: d.Categorical(logits=t.stack([a, b])), [[0, 1], [2, 2]]),
    "OneHotCategorical": (lambda t, d, a, b: d.OneHotCategorical(a), [0.0, 1.0, 0.0]),
    "Multinomial": (lambda t, d, a, b: d.Multinomial(4, a), [0.0, 1.0, 3.0]),
    "MultivariateNormal": (
        lambda t, d, a, b: d.MultivariateNormal(a[:2], scale_tril=t.tensor(ROOT) * b[0]),
        [[0.0, 1.0], [3.0, 3.0]],
    ),
    "of a covariance": (lambda t, d, a, b: d.MultivariateNormal(a[:2], covariance(t, b)), [0.0, 1.0]),
    "of a precision": (
        lambda t, d, a, b: d.MultivariateNormal(a[:2], precision_matrix=covariance(t, b)),
        [0.0, 1.0],
    ),
    "Independent": (lambda t, d, a, b: d.Independent(d.Normal(a, b), 1), [0.0, 1.0, 2.0]),
    "MixtureSameFamily": (
        lambda t, d, a, b: d.MixtureSameFamily(d.Categorical(b), d.Normal(a, b)),
        [0.0, 1.0],
    ),
    "RelaxedBernoulli": (lambda t, d, a, b: d.RelaxedBernoulli(t.tensor(0.7), a / 4), [0.1, 0.5, 0.9]),
    "RelaxedOneHotCategorical": (
        lambda t, d, a, b: d.RelaxedOneHotCategorical(t.tensor(0.7), a),
        [0.1, 0.5, 0.4],
    ),
}


def both(name):
    f, value = CASES[name]
    for torch in (ours, theirs):
        a, b = (torch.tensor(x, requires_grad=True) for x in (A, B))
        yield torch, f, a, b, f(torch, torch.distributions, a, b), torch.tensor(value)


def told(torch, d, name, *args):
    """Return a number that a distribution tells of itself, or None where it has no formula."""
    try:
        found = getattr(d, name)
        found = found(*args) if callable(found) else found
    except (NotImplementedError, AttributeError):
        return None
    return found.detach().numpy()


@pytest.mark.parametrize("name", CASES)
def test_densities_and_their_gradients_are_pytorchs(name):
    found = []
    for _, _, a, b, d, value in both(name):
        log = d.log_prob(value)
        log.sum().backward()
        grads = [None if x.grad is None or not x.grad.any() else x.grad.numpy() for x in (a, b)]
        shapes = tuple(d.batch_shape), tuple(d.event_shape), tuple(d.sample((2, 4)).shape), d.has_rsample
        found.append((log.detach().numpy(), grads, shapes, str(d.sample().dtype)))

    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
    for mine, wanted in zip(found[0][1], found[1][1], strict=True):
        assert (mine is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-5)
    assert found[0][2:] == found[1][2:]


@pytest.mark.parametrize("asked", ["mean", "variance", "stddev", "mode", "entropy", "perplexity"])
@pytest.mark.parametrize("name", CASES)
def test_what_it_tells_of_itself_is_pytorchs(name, asked):
    mine, wanted = (told(torch, d, asked) for torch, _, _, _, d, _ in both(name))

    assert (mine is None) == (wanted is None)
    if wanted is not None:
        np.testing.assert_allclose(mine, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["Normal", "LogNormal", "Laplace", "Cauchy", "Uniform", "Exponential"])
def test_shares_and_quantiles_are_pytorchs(name):
    shares = [0.2, 0.5, 0.9]
    for asked, given in {"cdf": CASES[name][1], "icdf": shares}.items():
        given = [abs(x) for x in given] if name in ("LogNormal",) else given
        mine, wanted = (
            told(t, f(t, t.distributions, a, b), asked, t.tensor(given)) for t, f, a, b, _, _ in both(name)
        )
        np.testing.assert_allclose(mine, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_divergences_are_pytorchs(name):
    found = []
    for torch, f, a, b, d, _ in both(name):
        try:
            between = torch.distributions.kl_divergence(d, f(torch, torch.distributions, a * 1.1, b * 0.9))
        except NotImplementedError:
            found.append(None)
        else:
            found.append(between.detach().numpy())

    assert (found[0] is None) == (found[1] is None)
    if found[1] is not None:
        np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    "name", [n for n in CASES if n not in ("Cauchy", "RelaxedBernoulli", "RelaxedOneHotCategorical")]
)
def test_the_mean_of_draws_is_the_mean(name):
    ours.manual_seed(3)
    d = next(both(name))[4]
    wanted = d.mean if "Categorical" not in name or "Hot" in name else (d.probs * ours.arange(3)).sum(-1)
    error = 5 * d.sample((4000,)).float().std(0) / math.sqrt(4000)

    assert bool(((d.sample((4000,)).float().mean(0) - wanted).abs() <= error + 1e-6).all())


@pytest.mark.parametrize(
    "name", ["Normal", "Gamma", "Beta", "StudentT", "Exponential", "LogNormal", "Gumbel"]
)
def test_the_gradient_of_draws_is_that_of_their_mean(name):
    """d mean / d a, by an average over draws and by the formula of the mean."""
    ours.manual_seed(1)
    _, _, a, _, d, _ = next(both(name))
    d.rsample((20000,)).mean(0).sum().backward()
    drawn = a.grad.numpy().copy()
    _, _, a, _, d, _ = next(both(name))
    d.mean.sum().backward()

    np.testing.assert_allclose(drawn, a.grad.numpy(), rtol=0.12, atol=0.03)


BAD = [
    lambda t, d: d.Normal(0.0, -1.0), lambda t, d: d.Categorical(t.tensor([-1.0, 2.0])),
    lambda t, d: d.Beta(1.0, 1.0).log_prob(t.tensor(2.0)), lambda t, d: d.Bernoulli(1.5), lambda t, d: d.Bernoulli(),
    lambda t, d: d.Categorical(t.ones(2), t.ones(2)), lambda t, d: d.MultivariateNormal(t.zeros(2), -t.eye(2)),
    lambda t, d: d.Uniform(1.0, 0.0), lambda t, d: d.Poisson(1.0).log_prob(t.tensor(0.5)),
    lambda t, d: d.Categorical(t.ones(2)).log_prob(t.tensor(7)), lambda t, d: d.Independent(d.Normal(0.0, 1.0), 1),
    lambda t, d: d.MultivariateNormal(t.zeros(2)), lambda t, d: d.Dirichlet(t.tensor([-1.0, 1.0])),
]  # fmt: skip


@pytest.mark.parametrize("f", BAD, ids=range(len(BAD)))
def test_what_there_is_no_distribution_of_is_refused(f):
    for torch in (theirs, ours):
        with pytest.raises(ValueError, match=r"\w"):
            f(torch, torch.distributions)
    with pytest.raises(ValueError, match=r"\w+\("):
        f(ours, ours.distributions)


def test_a_check_can_be_left_out():
    assert own.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    assert own.Normal(0.0, 1.0).expand((2, 3)).sample((4,)).shape == (4, 2, 3)
    assert own.Independent(own.Normal(ours.zeros(3), 1.0), 1).expand((2,)).sample().shape == (2, 3)


def test_what_is_not_built_is_refused_with_what_to_write():
    for name in own._WANTED:
        with pytest.raises(AttributeError, match=rf"(?s)torch\.distributions\.{name}.*Try"):
            getattr(own, name)
    with pytest.raises(NotImplementedError, match=r"(?s)Normal and Gamma.*rsample"):
        own.kl_divergence(own.Normal(0.0, 1.0), own.Gamma(1.0, 1.0))
    with pytest.raises(NotImplementedError, match="log_prob"):
        own.Poisson(1.0).rsample()


def test_a_divergence_of_ones_own_is_entered():
    class Point(own.Distribution):
        pass

    @own.register_kl(Point, own.Normal)
    def _between(p, q):
        return q.loc

    assert own.kl_divergence(Point(), own.Normal(4.0, 1.0)).item() == 4
    assert inspect.isclass(Point)


@pytest.mark.parametrize("name", CASES)
def test_expanded_distributions_are_pytorchs(name):
    """Every number it tells, its draws and its densities have the new shape, derived ones too."""
    found, pair = [], [(torch, d.expand((2, 4, *d.batch_shape))) for torch, _, _, _, d, _ in both(name)]
    drawn = pair[1][1].sample().numpy()
    for torch, many in pair:
        asked = [told(torch, many, one) for one in ("mean", "variance", "entropy")]
        if "Multinomial" in name:
            asked.pop()  # PyTorch's cannot tell its entropy then
        shapes = tuple(many.sample((7,)).shape), tuple(many.expand((3, *many.batch_shape)).sample().shape)
        found.append(([many.log_prob(torch.tensor(drawn)).detach().numpy(), *asked], shapes))

    for mine, wanted in zip(found[0][0], found[1][0], strict=True):
        assert (mine is None) == (wanted is None)
        if wanted is not None:
            assert mine.shape == wanted.shape
            np.testing.assert_allclose(mine, wanted, rtol=1e-4, atol=1e-6)
    assert found[0][1] == found[1][1]


IMPOSSIBLE = {
    "Categorical": lambda t, d: d.Categorical(logits=t.tensor([0.0, -math.inf, 1.0])),
    "OneHotCategorical": lambda t, d: d.OneHotCategorical(logits=t.tensor([0.0, -math.inf, 1.0])),
    "Multinomial": lambda t, d: d.Multinomial(3, logits=t.tensor([0.0, -math.inf, 1.0])),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_class_that_is_impossible_adds_nothing_to_the_entropy(name):
    mine, wanted = (IMPOSSIBLE[name](t, t.distributions).entropy().item() for t in (ours, theirs))
    assert mine == pytest.approx(wanted, rel=1e-5)


ENDS = {
    "a class of q": lambda d, t: (d.Categorical(t.ones(3)), d.Categorical(t.tensor([0.0, 1.0, 1.0]))),
    "a class of p": lambda d, t: (d.Categorical(t.tensor([0.0, 1.0, 1.0])), d.Categorical(t.ones(3))),
    "a class of both": lambda d, t: 2 * (IMPOSSIBLE["Categorical"](t, d),),
    "coins of q": lambda d, t: (d.Bernoulli(0.5 * t.ones(2)), d.Bernoulli(t.tensor([0.0, 1.0]))),
    "coins of both": lambda d, t: (d.Bernoulli(t.tensor([0.0, 1.0])), d.Bernoulli(t.tensor([0.0, 1.0]))),
}


@pytest.mark.parametrize("name", ENDS)
def test_divergences_of_what_is_impossible_are_pytorchs(name):
    mine, wanted = (t.distributions.kl_divergence(*ENDS[name](t.distributions, t)) for t in (ours, theirs))
    np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-5)


def test_a_masked_policy_has_gradients_of_its_entropy_and_divergence():
    found = []
    for t in (ours, theirs):
        logits = t.tensor([0.5, 0.0, -1.0], requires_grad=True)
        masked = logits.masked_fill(t.tensor([False, True, False]), -math.inf)
        t.distributions.Categorical(logits=masked).entropy().backward()
        found.append(logits.grad.numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-7)

    logits = ours.tensor([0.5, 0.0, -1.0], requires_grad=True)
    masked = logits.masked_fill(ours.tensor([False, True, False]), -math.inf)
    own.kl_divergence(own.Categorical(logits=masked), own.Categorical(ours.ones(3))).backward()
    assert bool(logits.grad.isfinite().all())


PAIRS = [("Normal", "LogNormal"), ("LogNormal", "Normal"), ("Categorical", "OneHotCategorical")]


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_unlike_kinds_have_no_divergence_by_inheritance(names):
    for t in (ours, theirs):
        made = [CASES[n][0](t, t.distributions, t.tensor(A), t.tensor(B)) for n in names]
        with pytest.raises(NotImplementedError):
            t.distributions.kl_divergence(*made)


MISFITS = [
    lambda t, d: d.Normal(t.zeros(3), 1.0).log_prob(t.zeros(4)),
    lambda t, d: d.MultivariateNormal(t.zeros(3), t.eye(3)).log_prob(t.tensor(0.5)),
    lambda t, d: d.OneHotCategorical(t.ones(3)).log_prob(t.tensor(1.0)),
    lambda t, d: d.Poisson(2.0).log_prob(t.tensor(math.inf)),
]


@pytest.mark.parametrize("f", MISFITS, ids=range(len(MISFITS)))
def test_values_that_do_not_fit_are_refused(f):
    for t in (theirs, ours):
        with pytest.raises(ValueError, match=r"\w"):
            f(t, t.distributions)


@pytest.mark.parametrize("name", ["HalfNormal", "Gumbel"])
def test_more_quantiles_are_pytorchs(name):
    f = CASES[name][0]
    mine, wanted = (
        f(t, t.distributions, t.tensor(A), t.tensor(B)).icdf(t.tensor(0.3)) for t in (ours, theirs)
    )
    np.testing.assert_allclose(mine.numpy(), wanted.numpy(), rtol=1e-4)


@pytest.mark.parametrize("name", ["Categorical", "OneHotCategorical", "Bernoulli"])
@pytest.mark.parametrize("expand", [True, False])
def test_all_that_can_be_drawn_is_pytorchs(name, expand):
    mine, wanted = (
        CASES[name][0](t, t.distributions, t.tensor(A), t.tensor(B)).enumerate_support(expand).numpy()
        for t in (ours, theirs)
    )
    np.testing.assert_array_equal(mine, wanted)
    with pytest.raises(NotImplementedError, match=r"(?s)enumerate_support.*Try"):
        own.Normal(0.0, 1.0).enumerate_support()
