"""Distributions with Tensors as parameters: NumPy's bits, and the gradient of the formula that is drawn."""

import copy
import pickle

import numpy
import pytest

import clearprop
import clearprop.numpy as np
from clearprop import Tensor, gradcheck, vmap
from clearprop.compiler.step import available_executors

# A name, parameters by position, and how far from NumPy's bits the formula may be.
SMOOTH = [
    ("normal", (0.3, 2.0)), ("uniform", (-1.0, 2.0)), ("lognormal", (0.3, 0.5)), ("laplace", (0.3, 2.0)),
    ("logistic", (0.3, 2.0)), ("gumbel", (0.3, 2.0)), ("exponential", (1.7,)), ("rayleigh", (1.7,)),
    ("weibull", (1.7,)), ("pareto", (1.7,)), ("power", (1.7,)), ("triangular", (-1.0, 0.5, 2.0)),
]  # fmt: skip
SOURCES = {"Generator": "default_rng", "RandomState": "RandomState"}


@pytest.mark.parametrize("made", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(("name", "parameters"), SMOOTH)
def test_the_bits_are_numpys(name, parameters, made):
    ours = getattr(getattr(np.random, made)(5), name)(*map(Tensor, parameters), size=(3, 4))
    theirs = getattr(getattr(numpy.random, made)(5), name)(*parameters, size=(3, 4))

    assert isinstance(ours, Tensor)
    numpy.testing.assert_allclose(ours.value, theirs, rtol=1e-15, atol=4e-16)


@pytest.mark.parametrize(("name", "parameters"), SMOOTH)
def test_functions_of_the_module_draw_from_numpys_own_source(name, parameters):
    np.random.seed(7)
    ours = getattr(np.random, name)(*map(Tensor, parameters))
    numpy.random.seed(7)  # noqa: NPY002

    numpy.testing.assert_allclose(
        ours.value, getattr(numpy.random, name)(*parameters), rtol=1e-15, atol=4e-16
    )


@pytest.mark.parametrize(("name", "parameters"), SMOOTH)
def test_the_gradient_is_that_of_the_formula(name, parameters):
    def f(*p):
        return np.sum(np.sin(getattr(np.random.default_rng(3), name)(*p, size=5)))

    assert gradcheck(f, *parameters).ok
    assert gradcheck(f, *parameters, order=2).ok


def test_shapes_follow_from_the_parameters():
    loc, rng = Tensor([1.0, 2.0, 3.0]), np.random.default_rng(0)

    assert rng.normal(loc, [[1.0], [2.0]]).shape == (2, 3)
    assert rng.normal([loc[0], 1.0]).shape == (2,)
    assert rng.gamma(2.0, loc).shape == rng.gamma(loc.value, Tensor(2.0)).shape == (3,)
    assert rng.multivariate_normal(loc, numpy.eye(3), 4).shape == (4, 3)
    with pytest.raises(ValueError, match="broadcast"):
        rng.normal(loc, 1.0, size=2)


def test_a_normal_vector_by_its_covariance():
    def f(mean, root):
        cov = root @ root.T
        return np.sum(np.random.default_rng(1).multivariate_normal(mean, cov, size=3) ** 2)

    assert gradcheck(f, numpy.array([1.0, -1.0]), numpy.array([[1.0, 0.2], [0.3, 2.0]])).ok
    many = np.random.default_rng(0).multivariate_normal(
        Tensor([1.0, 2.0]), Tensor([[2.0, 0.5], [0.5, 1.0]]), 20_000
    )
    numpy.testing.assert_allclose(numpy.cov(many.value.T), [[2.0, 0.5], [0.5, 1.0]], atol=0.05)


def test_what_is_chosen_gets_the_gradient():
    t = Tensor([1.0, 2.0, 3.0])
    numpy.testing.assert_array_equal(
        np.random.default_rng(0).choice(t, 5).value, numpy.random.default_rng(0).choice(t.value, 5)
    )
    np.random.default_rng(0).permutation(t)[0].backward()

    assert t.grad.sum() == 1.0


@pytest.mark.parametrize("name", ["poisson", "standard_gamma", "chisquare", "standard_t", "geometric"])
def test_no_gradient_passes_through_other_parameters(name):
    for draw in (np.random.default_rng(0), np.random):
        with pytest.raises(TypeError, match=r"has no gradient through .*[\s\S]*Try t.detach\(\)"):
            getattr(draw, name)(Tensor(0.5))
    assert getattr(np.random.default_rng(0), name)(Tensor(0.5).detach()) == getattr(
        numpy.random.default_rng(0), name
    )(0.5)


def test_probabilities_and_shapes_that_need_a_gradient_are_refused():
    with pytest.raises(TypeError, match="through `p`"):
        np.random.default_rng(0).choice(2, p=Tensor([0.5, 0.5]))
    with pytest.raises(TypeError, match="through `shape`"):
        np.random.default_rng(0).gamma(Tensor(2.0))
    with pytest.raises(TypeError, match="through"):
        np.random.default_rng(0).shuffle(Tensor([1.0, 2.0]))


@pytest.mark.parametrize("executor", available_executors())
def test_a_compiled_step_would_repeat_the_numbers_and_says_where_they_come_from(executor):
    step = clearprop.compile(lambda t: np.random.normal(t, 1.0), executor=executor)
    with pytest.raises(
        RuntimeError, match=r"would be the same at each call[\s\S]*clearprop.ops.random.normal"
    ):
        step(numpy.array(0.5))


def test_every_example_would_get_the_same_and_it_says_so():
    with pytest.raises(TypeError, match="would draw the same for every example"):
        vmap(lambda t: np.random.normal(t, 1.0))(numpy.zeros(3))


def test_generators_are_numpys_own_kind():
    rng = np.random.default_rng(3)

    assert isinstance(rng, numpy.random.Generator)
    assert isinstance(np.random.RandomState(3), numpy.random.RandomState)
    assert rng.integers(10) == numpy.random.default_rng(3).integers(10)
    for same in (copy.deepcopy(rng), pickle.loads(pickle.dumps(rng))):
        assert same.random() == copy.deepcopy(rng).random()

    class Named(np.random.Generator):
        """One that somebody derives."""

    assert float(Named(numpy.random.PCG64(1)).normal(Tensor(1.0))) == numpy.random.default_rng(1).normal(1.0)


@pytest.mark.parametrize(
    ("name", "parameters"), [("normal", (0.0, -1.0)), ("exponential", (-1.0,)), ("weibull", (-2.0,))]
)
def test_parameters_that_numpy_refuses_are_refused(name, parameters):
    with pytest.raises(ValueError, match="< 0"):
        getattr(np.random.default_rng(0), name)(*map(Tensor, parameters))


def test_a_number_stands_for_the_whole_numbers_below_it():
    count = Tensor(4, requires_grad=False)
    for name in ("permutation", "choice"):
        ours = getattr(np.random.default_rng(0), name)(count)
        numpy.testing.assert_array_equal(ours, getattr(numpy.random.default_rng(0), name)(4))
    with pytest.raises(TypeError, match="no gradient through `x`"):
        np.random.permutation(Tensor(4.0))
