"""Complex numbers: gradients beside PyTorch's and beside differences, compiled too, and refusals."""

import operator

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, gradcheck
from clearprop.compiler.step import available_executors
from clearprop.errors import GradientError
from clearprop.modes import Observer, observed, special

A = np.array([[0.6 + 0.3j, -0.4 + 0.9j], [1.1 - 0.7j, 0.2 + 0.5j]])
B = np.array([[0.9 - 0.2j, 0.1 + 1.3j], [-0.3 + 0.4j, 1.4 + 0.6j]])
X = np.array([[0.7, -0.3], [0.4, 1.2]])
V = A[0]

# name: a function of complex numbers, and the inputs it is tried at
CALLS = {
    "add": (lambda z, w: z + w, A, B),
    "subtract": (lambda z, w: z - w, A, B),
    "multiply": (lambda z, w: z * w, A, B),
    "multiply by a real one": (lambda z, x: z * x, A, X),
    "multiply by a constant": (lambda x: x * (2 - 3j), X),
    "broadcast": (lambda z, w: z * w, A, V),
    "broadcast a real one": (lambda z, x: z * x, A, X[0]),
    "divide": (lambda z, w: z / w, A, B),
    "divide a real one": (lambda x, z: x / z, X, A),
    "negative": (lambda z: -z, A),
    "square": (np.square, A),
    "cube": (lambda z: z**3, A),
    "power": (lambda z, w: z**w, A, B),
    "power of a real one": (lambda x, z: np.exp(x) ** z, X, A),
    "a complex constant power": (lambda z: z ** (1.5 + 0.2j), A),
    "reciprocal": (np.reciprocal, A),
    "sigmoid": (clearprop.sigmoid, A),
    "conj": (np.conj, A),
    "real": (np.real, A),
    "imag": (np.imag, A),
    "angle": (np.angle, A),
    "angle in degrees": (lambda z: np.angle(z, deg=True), A),
    "abs": (np.abs, A),
    "abs squared": (lambda z: np.abs(z) ** 2, A),
    "parts as attributes": (lambda z: z.real * z.imag + abs(z) - z.conj().imag, A),
    "sum": (lambda z: np.sum(z, axis=0), A),
    "mean": (lambda z: np.mean(z, axis=1, keepdims=True), A),
    "prod": (np.prod, A),
    "cumsum": (lambda z: np.cumsum(z, axis=0), A),
    "cumprod": (lambda z: np.cumprod(z, axis=1), A),
    "var": (lambda z: np.var(z, axis=0), A),
    "std": (lambda z: np.std(z, ddof=1), A),
    "norm": (np.linalg.norm, A),
    "norm of rows": (lambda z: np.linalg.norm(z, axis=1), A),
    "norm of order 3": (lambda z: np.linalg.norm(z, 3, axis=1), A),
    "norm of order 1": (lambda z: np.linalg.norm(z, 1), A),
    "matmul": (lambda z, w: z @ w, A, B),
    "matmul with a real one": (lambda x, z: x @ z, X, A),
    "matrix times vector": (lambda z, v: z @ v, A, V),
    "inner product": (lambda v, w: v @ w, A[0], B[0]),
    "vdot": (np.vdot, A, B),
    "vecdot": (np.linalg.vecdot, A, B),
    "dot": (np.dot, A, B),
    "inner": (np.inner, A, B),
    "outer": (np.outer, A[0], B[1]),
    "kron": (np.kron, A, B),
    "tensordot": (lambda z, w: np.tensordot(z, w, axes=2), A, B),
    "einsum": (lambda z, w: np.einsum("ij,kj->ik", z, w), A, B),
    "trace": (np.trace, A),
    "transpose": (lambda z: z.T, A),
    "reshape": (lambda z: z.reshape(4), A),
    "index": (lambda z: z[1, ::-1], A),
    "indices": (lambda z: z[[0, 0, 1]], A),
    "several slices": (lambda z: z[0] * z[1] + z[0], A),
    "take": (lambda z: np.take(z, [1, 1, 0]), A),
    "where": (lambda z, w: np.where(X > 0, z, w), A, B),
    "where of a real one": (lambda z, x: np.where(X > 0, z, x), A, X),
    "concatenate": (lambda z, x: np.concatenate([z, x]), A, X),
    "stack": (lambda z, x: np.stack([z, x]), A, X),
    "pad": (lambda z: np.pad(z, 1), A),
    "roll": (lambda z: np.roll(z, 1, axis=1), A),
    "repeat": (lambda z: np.repeat(z, 2), A),
    "diff": (np.diff, A),
    "triu": (np.triu, A),
    "inv": (np.linalg.inv, A),
    "solve": (np.linalg.solve, A, B),
    "solve of a real one": (np.linalg.solve, X, B),
    "det": (np.linalg.det, A),
    "slogdet": (lambda z: np.linalg.slogdet(z)[1], A),
    "sign of det": (lambda z: np.linalg.slogdet(z)[0], A),
    "a cast": (lambda x: x.astype(complex) * (1 - 2j), X),
    "phase": (lambda x: np.exp(1j * x), X),
    "polynomial": (lambda z: np.polyval(z, 1 + 2j), V),
    "convolve": (np.convolve, A[0], B[0]),
    "nansum": (np.nansum, A),
}
for _name in [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
]:
    CALLS[_name] = (getattr(np, _name), A)


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_both_orders_agree_with_differences(name, order):
    f, *inputs = CALLS[name]

    assert gradcheck(f, *inputs, order=order).ok


@pytest.mark.parametrize("name", CALLS)
def test_values_are_numpys(name):
    f, *inputs = CALLS[name]
    expected = f(*inputs)
    found = f(*map(Tensor, inputs))

    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.value, expected, rtol=1e-13)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_has_the_same_gradients(name, executor):
    f, *inputs = CALLS[name]

    def step(*xs):
        ts = [Tensor(x) for x in xs]
        z = f(*ts)
        loss = np.sum(np.real(z) * 1.3 + np.imag(z) * 0.7)
        loss.backward()
        return [loss, *(t.grad for t in ts)]

    compiled = clearprop.compile(step, executor=executor)
    compiled(*inputs)
    others = [x * 1.1 + 0.01 for x in inputs]
    for found, expected in zip(compiled(*others), step(*others), strict=True):
        found, expected = (
            np.asarray(getattr(found, "value", found)),
            np.asarray(getattr(expected, "value", expected)),
        )
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_the_gradient_is_the_direction_of_steepest_ascent_as_in_torch():
    torch = pytest.importorskip("torch")
    z, w = Tensor(A), Tensor(B)
    loss = np.sum(np.abs(np.exp(z) @ w - w) ** 2) + np.sum(np.real(z * 1j) + np.angle(w))
    loss.backward()
    ours, theirs = (z.grad, w.grad), [torch.tensor(x, requires_grad=True) for x in (A, B)]
    p, q = theirs
    (((p.exp() @ q - q).abs() ** 2).sum() + ((p * 1j).real + q.angle()).sum()).backward()

    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected.grad.numpy(), rtol=1e-12)
    assert abs(z.grad[0, 0]) > 0


def test_walking_along_the_gradient_raises_the_loss_fastest():
    def f(z):
        return np.sum(np.abs(z**2 - (1 + 1j)) ** 2)

    slope = clearprop.grad(f)(A)
    directions = [np.exp(1j * angle) for angle in np.linspace(0, 2 * np.pi, 33)]
    rises = [f(A + 1e-6 * slope / np.linalg.norm(slope) * d) - f(A) for d in directions]

    assert slope.dtype == complex
    assert int(np.argmax(rises)) in (0, 32)


def test_complex_numbers_that_arise_between_real_leaves_and_a_real_loss_are_noticed():
    """Also the first of a process: nothing complex was ever wrapped."""
    before, special.complexes = special.complexes, False
    try:
        x = Tensor(X)
        np.sum(np.abs(np.exp(1j * x) * x - 1) ** 2).backward()
        # |x e^(ix) - 1|^2 = x^2 - 2 x cos(x) + 1
        np.testing.assert_allclose(x.grad, 2 * X - 2 * np.cos(X) + 2 * X * np.sin(X), rtol=1e-12)
        assert special.complexes
    finally:
        special.complexes = special.complexes or before


def test_single_precision_stays_single():
    z = Tensor(A.astype(np.complex64))
    loss = np.sum(np.abs(z * (1 + 2j)) ** 2)
    loss.backward()

    assert (loss.dtype, z.grad.dtype) == (np.float32, np.complex64)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (1, 0, 2), (1, 1)])
def test_any_shape(shape):
    z = Tensor(np.full(shape, 1 + 2j))
    np.sum(np.abs(z) ** 2 + np.real(z) + np.imag(z) * np.angle(z)).backward()

    assert np.shape(z.grad) == shape
    np.testing.assert_allclose(z.grad, 2 * (1 + 2j) + 1 + 1j * np.angle(1 + 2j) + 2 * 1j * (1 + 2j) / 5)


@pytest.mark.parametrize("f", [np.abs, np.angle, np.linalg.norm, lambda z: np.var(z - z)])
def test_what_has_no_slope_at_0_has_the_least_one(f):
    z = Tensor(np.zeros(2, complex))
    np.sum(f(z)).backward()

    np.testing.assert_array_equal(z.grad, [0, 0])


REFUSED = {
    "a complex loss": (lambda z: np.sum(z).backward(), GradientError, "gradients are of real numbers"),
    "sort": (np.sort, TypeError, "no order"),
    "argsort": (np.argsort, TypeError, "no order"),
    "median": (np.median, TypeError, "no order"),
    "max": (np.max, TypeError, "no order"),
    "argmin": (np.argmin, TypeError, "no order"),
    "less": (lambda z: z < 1, TypeError, "no order"),
    "greater_equal": (lambda z: np.greater_equal(1.0, z), TypeError, "no order"),
    "float": (lambda z: float(z[0]), TypeError, "imaginary part"),
    "int": (lambda z: int(z[0]), TypeError, "imaginary part"),
    "astype": (lambda z: z.astype(float), TypeError, "imaginary parts"),
    "astype int": (lambda z: z.astype(int), TypeError, "imaginary parts"),
    "nan_to_num": (np.nan_to_num, TypeError, "no order"),
    "maximum": (lambda z: np.real(np.sum(np.maximum(z, z))).backward(), GradientError, "maximum, backward"),
    "sign": (lambda z: np.real(np.sum(np.sign(z))).backward(), GradientError, "sign, backward"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_real_numbers_says_so(name):
    call, error, words = REFUSED[name]

    with pytest.raises(error, match=words) as refusal:
        call(Tensor(V))
    assert "Try " in str(refusal.value)


def test_numbers_without_a_gradient_still_become_pythons():
    z = Tensor(1 + 2j, requires_grad=False)

    assert (complex(z), z.item()) == (1 + 2j, 1 + 2j)
    assert [bool(x) for x in (z == 1 + 2j, np.iscomplex(z), np.isreal(z))] == [True, True, False]
    np.testing.assert_array_equal(np.real_if_close(Tensor(np.array([1 + 1e-17j]))).value, [1.0])


@pytest.mark.parametrize("executor", available_executors())
def test_a_compiled_imaginary_unit_is_as_weak_as_pythons(executor):
    x = np.arange(5, dtype=np.float32)
    for f in (
        lambda x: np.imag(np.fft.rfft(x)),
        lambda x: np.abs(x * 2j),
        lambda x: np.real(1j * x + (1 - 2j)),
    ):
        step = clearprop.compile(
            clearprop.grad(lambda x, f=f: np.sum(f(x) ** 2)), executor=executor, prove="always"
        )
        for _ in range(3):
            found = step(x)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, clearprop.grad(lambda x, f=f: np.sum(f(x) ** 2))(x), rtol=1e-6)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power"])
def test_the_imaginary_unit_stands_left_of_a_number(name):
    """Python alone answers 1j * np.float64(2.0), with a number that has no dtype."""
    function = getattr(np, name)
    by_sign = getattr(
        operator, {"divide": "truediv", "power": "pow", "subtract": "sub", "multiply": "mul"}.get(name, name)
    )
    expected = function(1j, 2.0)
    for ours in (
        function(1j, Tensor(2.0)),
        by_sign(1j, Tensor(2.0)),
        clearprop.vmap(lambda x: function(1j, x))(np.array([2.0])),
    ):
        assert ours.dtype == np.complex128
        np.testing.assert_array_equal(np.squeeze(getattr(ours, "value", ours)), expected)
    gradcheck(lambda x: np.abs(by_sign(1j, x) + 2.0), 2.0)
    with clearprop.no_grad():
        assert function(1j, Tensor(2.0)).dtype == by_sign(1j, Tensor(2.0)).dtype == np.complex128


FROM_REAL = {
    "rfft": lambda x: np.fft.rfft(x),
    "rfftn": lambda x: np.fft.rfftn(x),
    "ihfft": lambda x: np.fft.ihfft(x),
    "fft": lambda x: np.fft.fft(x),
    "astype": lambda x: x.astype(complex),
    "sum": lambda x: x + 0j,
    "product": lambda x: x * 1j,
    "matmul": lambda x: x @ np.array([[1j, 2.0], [0.5, 1.0], [1.0, -1j]]),
    "einsum": lambda x: np.einsum("ij,jk->ik", x, np.array([[1j, 2.0], [0.5, 1.0], [1.0, -1j]])),
    "where": lambda x: np.where(x > 1.0, x, 1j),
    "concatenate": lambda x: np.concatenate([x, np.ones((1, 3), complex)]),
    "eigvals": lambda x: np.linalg.eigvals(x[:, :2] - 3.0 * x[:, 1:].T) + 0j,
    "power": lambda x: x ** (1 + 0.5j),
}


@pytest.mark.parametrize("name", FROM_REAL)
def test_the_first_complex_numbers_of_a_process_have_the_gradient_of_later_ones(name, monkeypatch):
    x = np.array([[0.5, 1.2, 2.0], [1.5, 0.3, 0.8]])
    f = FROM_REAL[name]
    weights = np.asarray(f(x)) * (0.3 - 1.1j) + 0.7j
    loss = lambda x: np.sum(np.real(f(x) * weights))  # noqa: E731
    monkeypatch.setattr(special, "complexes", False)
    leaf = Tensor(x, requires_grad=True)
    loss(leaf).backward()
    monkeypatch.setattr(special, "complexes", False)
    first = clearprop.grad(loss)(x)
    monkeypatch.setattr(special, "complexes", True)

    np.testing.assert_allclose(leaf.grad, clearprop.grad(loss)(x), rtol=1e-12)
    np.testing.assert_allclose(first, leaf.grad, rtol=1e-12)
    assert clearprop.gradcheck(loss, x).ok


@pytest.mark.parametrize("how", ["no_grad", "observed", *available_executors()])
def test_a_python_number_over_a_zero_without_axes_is_what_numpy_makes_of_it(how):
    t = Tensor(0.0, requires_grad=False)
    with np.errstate(all="ignore"):
        expected = np.divide(2j, np.float64(0.0))
        if how == "no_grad":
            with clearprop.no_grad():
                found = 2j / t
        elif how == "observed":
            with observed(Observer()):
                found = 2j / t
        else:
            step = clearprop.compile(lambda: 2j / t, executor=how, prove="always")
            found = [step() for _ in range(3)][-1]

    np.testing.assert_array_equal(found.value, expected)
    assert found.dtype == np.complex128


@pytest.mark.parametrize("use", [lambda c: c, lambda c: c[:]], ids=["itself", "a slice"])
def test_a_complex_result_that_is_made_a_leaf_is_the_first_complex_number(monkeypatch, use):
    """d |a c^2| = 2 |a| c, of a leaf that no complex number was given for."""
    monkeypatch.setattr(special, "complexes", False)
    c = np.fft.ifft(Tensor([0.3, -1.2, 0.7], requires_grad=False))
    c.requires_grad = True

    np.abs(use(c) * use(c) * (1 + 0.5j)).sum().backward()

    np.testing.assert_allclose(c.grad, 2 * abs(1 + 0.5j) * c.value, rtol=1e-13)
