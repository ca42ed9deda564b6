"""Complex numbers in transformations: maps linear over the reals, whole derivatives by real arguments."""

import numpy as np
import pytest

from clearprop import (
    compile,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
    vmap,
)
from clearprop.errors import GradientError

X = np.array([0.5, 1.0, -0.3])
random = np.random.default_rng(4)
Z, T, C = (random.normal(size=3) + 1j * random.normal(size=3) for _ in range(3))

# name: a function of real numbers with complex results, and its Jacobian at x
OF_REAL = {
    "entrywise": (lambda x: np.exp(1j * x), lambda x: np.diag(1j * np.exp(1j * x))),
    "one number": (lambda x: np.sum(x**2 * (1 + 2j)), lambda x: 2 * x * (1 + 2j)),
    "fft": (np.fft.fft, lambda x: np.fft.fft(np.eye(x.size), axis=0)),
    "real again": (lambda x: np.abs(x * 2j) ** 2, lambda x: np.diag(8 * x)),
}

OF_COMPLEX = {
    "holomorphic": lambda z: z**2,
    "real": lambda z: np.abs(z) ** 2,
    "conjugate": lambda z: np.conj(z) * z[0],
    "real part": lambda z: np.real(z) * z,
    "fft": lambda z: np.fft.ifft(np.exp(z)),
}


@pytest.mark.parametrize("whole", [jacobian, jacrev, jacfwd])
@pytest.mark.parametrize("name", OF_REAL)
def test_jacobians_of_complex_results_have_both_parts(name, whole):
    f, right = OF_REAL[name]
    np.testing.assert_allclose(whole(f)(X), right(X), atol=1e-13)
    tree = whole(lambda p: {"y": f(p["x"]), "x": p["x"]})({"x": X})
    np.testing.assert_allclose(tree["y"]["x"], right(X), atol=1e-13)
    np.testing.assert_array_equal(tree["x"]["x"], np.eye(3))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("whole", [jacobian, jacrev, jacfwd])
def test_jacobians_of_complex_results_compiled(whole, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    f, right = OF_REAL["entrywise"]
    np.testing.assert_allclose(compile(whole(f), executor=executor)(X), right(X), atol=1e-13)


@pytest.mark.parametrize("first", [jacrev, jacfwd])
@pytest.mark.parametrize("second", [jacrev, jacfwd])
def test_second_derivatives_of_complex_results(first, second):
    found = first(second(lambda x: np.exp(1j * x)))(X)
    right = np.zeros((3, 3, 3), complex)
    right[range(3), range(3), range(3)] = -np.exp(1j * X)
    np.testing.assert_allclose(found, right, atol=1e-13)


def test_a_jacobian_for_each_example():
    found = vmap(jacrev(lambda x: np.exp(1j * x)))(X)
    np.testing.assert_allclose(found, 1j * np.exp(1j * X), atol=1e-13)


@pytest.mark.parametrize("name", OF_COMPLEX)
def test_products_by_complex_arguments_are_those_over_the_reals(name):
    f, h = OF_COMPLEX[name], 1e-6
    value, moved = jvp(f, (Z,), (T,))
    np.testing.assert_allclose(moved, (f(Z + h * T) - f(Z - h * T)) / (2 * h), rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(linearize(f, Z)[1](T), moved)
    cotangent = C if np.iscomplexobj(value) else C.real
    (pulled,) = vjp(f, Z)[1](cotangent)  # the two products are each other's transpose: <c, J t> = <J^T c, t>
    np.testing.assert_allclose(np.vdot(cotangent, moved).real, np.vdot(pulled, T).real, rtol=1e-12)


@pytest.mark.parametrize("name", OF_COMPLEX)
def test_hvp_is_the_change_of_the_gradient_along_a_complex_vector(name):
    def loss(z):
        y = OF_COMPLEX[name](z)
        return np.sum(np.real(y * np.conj(y)))

    h, g = 1e-6, grad(loss)
    np.testing.assert_allclose(hvp(loss)(Z, T), (g(Z + h * T) - g(Z - h * T)) / (2 * h), rtol=1e-6)


def test_python_numbers():
    assert jvp(lambda z: z**2, (1 + 2j,), (1j,)) == (-3 + 4j, -4 + 2j)
    assert vjp(lambda z: z**2, 1 + 2j)[1](1.0 + 0j) == (2 - 4j,)
    assert vjp(lambda z: z**2, 1 + 2j)[1](1) == (2 - 4j,)
    assert hvp(lambda z: np.abs(z) ** 2)(1 + 2j, 1j) == 2j
    assert grad(lambda a: np.abs(jvp(lambda z: z**3, (a * (1 + 1j),), (a * 1j,))[1]) ** 2)(2.0) == 6912.0


def test_short_complex_numbers_stay_short():
    value, moved = jvp(lambda z: z**2, (np.complex64(1 + 2j),), (np.complex64(1j),))
    assert (value.dtype, moved.dtype, moved) == (np.complex64, np.complex64, -4 + 2j)


REFUSED = {
    "grad of a complex result": (lambda: grad(lambda z: z**2)(1 + 2j), "a real number"),
    "value_and_grad": (lambda: value_and_grad(lambda x: x * 1j)(2.0), "a real number"),
    "a complex constant": (lambda: grad(lambda x: 1j)(2.0), "a real number"),
    "elementwise_grad": (lambda: elementwise_grad(lambda x: np.exp(1j * x))(X), "a real number"),
    "jacrev": (lambda: jacrev(lambda z: z**2)(Z), "jacrev.*real arguments"),
    "jacfwd": (lambda: jacfwd(lambda z: np.abs(z))(Z), "jacfwd.*real arguments"),
    "jacobian by the second": (lambda: jacobian(lambda x, z: x * z, argnums=(0, 1))(X, Z), "real arguments"),
    "hessian": (lambda: hessian(lambda z: np.abs(z) ** 2)(1 + 2j), "hessian.*real arguments"),
    "a complex tangent of a real primal": (lambda: jvp(np.sin, (X,), (T,)), "real numbers"),
    "a complex cotangent of a real value": (lambda: vjp(np.abs, Z)[1](C), "real numbers"),
    "hvp": (lambda: hvp(lambda x: x**2)(3.0, 1j), "real numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused(name):
    call, text = REFUSED[name]
    with pytest.raises(GradientError, match=text) as error:
        call()
    assert "Try" in str(error.value)
