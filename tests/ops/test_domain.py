"""`np.emath`: real where it can be, complex where it must, with gradients, compiled and mapped."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, gradcheck, vmap
from clearprop.compiler.step import available_executors

X = np.array([0.3, 0.8, 0.45])
CALLS = {
    "sqrt": np.emath.sqrt,
    "log": np.emath.log,
    "log2": np.emath.log2,
    "log10": np.emath.log10,
    "logn": lambda x: np.emath.logn(3.0, x),
    "logn, base": lambda x: np.emath.logn(x, 3.0),
    "power": lambda x: np.emath.power(x, 1.5),
    "power, whole": lambda x: np.emath.power(x, -2),
    "arccos": np.emath.arccos,
    "arcsin": np.emath.arcsin,
    "arctanh": np.emath.arctanh,
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("scale", [1.0, -1.0, 3.0, -3.0])
def test_values_and_gradients_on_both_sides(name, scale):
    f, x = CALLS[name], scale * X + 0.01

    found, expected = f(Tensor(x)).value, f(x)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert found.dtype == expected.dtype
    assert gradcheck(lambda x: np.sum(np.real(f(x)) + 2.0 * np.imag(f(x))), x, order=2).ok


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_compiled_and_mapped(name, executor):
    f = lambda x: np.sum(CALLS[name](x))  # noqa: E731
    compiled = clearprop.compile(lambda x: grad(f)(x), executor=executor)
    compiled(X)

    np.testing.assert_allclose(compiled(0.9 * X), grad(f)(0.9 * X), rtol=1e-13)
    np.testing.assert_allclose(vmap(grad(f))(np.stack([X, X / 2])), [grad(f)(X), grad(f)(X / 2)], rtol=1e-13)


def test_what_a_recorded_step_cannot_know_is_refused():
    compiled = clearprop.compile(lambda x: np.emath.sqrt(x), prove="never")
    compiled(X)

    with pytest.raises(TypeError, match="did not when the step was recorded"):
        compiled(-X)
    with pytest.raises((TypeError, RuntimeError), match=r"Try x \+ 0j"):
        clearprop.compile(lambda x: np.emath.sqrt(x))(-X)
    with pytest.raises(TypeError, match="for some examples"):
        vmap(np.emath.sqrt)(np.array([1.0, -1.0]))
    with pytest.raises((TypeError, RuntimeError), match="as many results as the values say"):
        clearprop.compile(lambda p: np.roots(p))(np.array([1.0, -3.0, 2.0]))
