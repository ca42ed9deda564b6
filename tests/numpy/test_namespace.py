"""`clearprop.numpy` in place of NumPy: every name, and lists of Tensors wherever arrays go."""

import types
import warnings

import numpy
import pytest

import clearprop
import clearprop.numpy as np
from clearprop import Tensor, coverage, grad, gradcheck
from clearprop.compiler.step import available_executors
from clearprop.numpy import lists

REFUSED = {"matrix", "asmatrix", "bmat", "ma"}


def test_every_name_of_numpys_is_there_or_refused_with_the_way():
    missing = {name for name in numpy.__all__ if not hasattr(np, name)}

    assert missing == REFUSED
    for name in REFUSED:
        with pytest.raises(AttributeError, match="is no kind of array that gradients are known for"):
            getattr(np, name)
    with pytest.raises(AttributeError, match=r"neither has 'clearprop\.numpy'"):
        np.sine
    assert clearprop.numpy is np
    assert set(np.__all__) <= set(dir(np))


@pytest.mark.parametrize("space", ["linalg", "fft", "random", "testing"])
def test_the_modules_have_numpys_names(space):
    assert set(getattr(numpy, space).__all__) == set(dir(getattr(np, space)))


def test_what_asks_no_tensor_is_numpys_own():
    for name in (
        "pi",
        "float64",
        "ndarray",
        "newaxis",
        "errstate",
        "isscalar",
    ):
        assert getattr(np, name) is getattr(numpy, name)
    assert np.polynomial is numpy.polynomial
    assert np.linalg.LinAlgError is numpy.linalg.LinAlgError


def listed(x):
    """A Tensor of a vector or matrix as the list of its entries or rows; what is none as it is."""
    if isinstance(x, Tensor) and x.requires_grad and x.ndim:
        return [listed(part) for part in x]
    return type(x)(map(listed, x)) if type(x) in (list, tuple) else x


SKIPPED = coverage.WRITING | coverage.FILES | set(coverage.REASONS) | coverage.UNSAID
FUNCTIONS = [
    (space, name, function)
    for space in ("", "linalg", "fft")
    for name, function in coverage.functions(getattr(numpy, space) if space else numpy)
    if name not in SKIPPED | lists._AS_THEY_ARE
]


@pytest.mark.parametrize(
    ("space", "name", "function"), FUNCTIONS, ids=lambda x: x if isinstance(x, str) else ""
)
def test_lists_of_tensors_go_wherever_arrays_go(space, name, function):
    ours = getattr(getattr(np, space) if space else np, name)
    given = coverage.arguments(name, function)
    own = tuple(coverage._lifted(x, True) for x in given)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert coverage._agree(ours(*map(listed, own)), function(*given))


def test_ufuncs_have_their_methods_and_facts():
    t = Tensor([1.0, 2.0])

    assert (np.add.nin, np.add.nout, np.add.identity, np.add.__name__) == (2, 1, 0, "add")
    assert np.add.types == numpy.add.types
    assert np.add.reduce([t[0], t[1]]) == 3.0
    assert np.multiply.outer([t[0], 3.0], t).shape == (2, 2)
    assert np.multiply.accumulate([t[1], 3.0]).tolist() == [2.0, 6.0]
    numpy.testing.assert_array_equal(np.add([1, 2], 3, where=[True, True], out=numpy.zeros(2)), [4, 5])
    out = numpy.zeros(2)
    assert np.exp(numpy.zeros(2), out) is out
    with pytest.raises(TypeError):
        np.sin()


# --- programs whose import alone is changed -----------------------------------------------------------------
def runge_kutta(rates):
    """Two bodies that eat each other, by four evaluations a step."""

    def slope(y):
        prey, hunters = y
        return np.array([rates[0] * prey - rates[1] * prey * hunters, rates[2] * prey * hunters - hunters])

    y = np.array([1.0, 0.5])
    for _ in range(8):
        a = slope(y)
        b = slope(y + 0.05 * a)
        c = slope(y + 0.05 * b)
        y = y + 0.1 / 6 * (a + 2 * b + 2 * c + slope(y + 0.1 * c))
    return np.sum(y)


def kalman(noise):
    """A filter that follows a position and a velocity."""
    step, seen = np.array([[1.0, 0.1], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    Q, R = np.eye(2) * noise[0], np.array([[noise[1]]])
    x, P, score = np.zeros(2), np.eye(2), 0.0
    for z in [0.1, 0.25, 0.28, 0.46]:
        x, P = step @ x, step @ P @ step.T + Q
        S = seen @ P @ seen.T + R
        gain = P @ seen.T @ np.linalg.inv(S)
        miss = z - (seen @ x)[0]
        score = score + 0.5 * (np.log(S[0, 0]) + miss**2 / S[0, 0])
        x, P = x + gain[:, 0] * miss, (np.eye(2) - gain @ seen) @ P
    return score


def turned(angles):
    """A vector turned about two axes."""
    a, b = angles
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return np.dot(about_z @ about_x @ np.array([1.0, 2.0, 3.0]), [1.0, 0.5, -1.0])


def filled(v):
    """A tridiagonal matrix, a list that grows, sums and norms of lists."""
    A = np.diag(np.full(3, v[0])) + np.diag([v[1], 1.0], 1) + np.diag(np.full(2, -1.0), -1)
    path = [v[0]]
    for _ in range(3):
        path.append(np.tanh(path[-1]) + v[1])
    return np.linalg.norm(path) + np.sum(np.linalg.solve(A, [v[0], 1.0, v[1]])) + np.mean([v[0], v[1]])


PROGRAMS = {f.__name__: f for f in (runge_kutta, kalman, turned, filled)}
AT = {"runge_kutta": [1.1, 0.4, 0.3], "kalman": [0.1, 0.2], "turned": [0.3, 0.7], "filled": [1.5, 0.4]}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_whose_import_alone_is_changed(name):
    f, x = PROGRAMS[name], numpy.array(AT[name])

    assert gradcheck(f, x).ok
    assert gradcheck(f, x, order=2).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_compiled(name, executor):
    f, x = PROGRAMS[name], numpy.array(AT[name])
    step = clearprop.compile(grad(f), executor=executor)

    for scale in (1.0, 0.9, 1.1):
        numpy.testing.assert_allclose(step(scale * x), grad(f)(scale * x), rtol=1e-11)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_for_many_examples(name):
    f, x = PROGRAMS[name], numpy.array(AT[name])
    many = numpy.array([0.9, 1.0, 1.1])[:, None] * x

    numpy.testing.assert_allclose(clearprop.vmap(grad(f))(many), [grad(f)(row) for row in many], rtol=1e-11)


def test_assertions_look_at_values():
    t = Tensor([1.0, 2.0])

    np.testing.assert_allclose(t, [1.0, 2.0])
    np.testing.assert_equal({"a": [t, 1]}, {"a": [[1.0, 2.0], 1]})
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(t, [1.0, 3.0])
    assert isinstance(np.testing, types.ModuleType)
