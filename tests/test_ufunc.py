"""Elementwise functions of our own behave as NumPy's ufuncs do, in eager mode and compiled."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim, trace
from clearprop.compiler.step import available_executors
from clearprop.registry import ops
from clearprop.see.step.script import script_of
from clearprop.ufunc import BLOCK, Ufunc

third = Ufunc("third", lambda x, size: x / 3)


@pytest.fixture
def versine():
    """An op for which no executor has instructions of its own; it leaves the registry afterwards."""
    forward = Ufunc("versine", lambda x, size: 2 * np.square(np.sin(x / 2)))
    yield clearprop.elementwise("versine", forward, lambda z, x: np.sin(x))
    del ops["versine"]


def test_the_dtype_is_that_of_numpys_exp():
    for dtype in (np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int32, np.int64, bool):
        assert third(np.ones(2, dtype)).dtype == np.exp(np.ones(2, dtype)).dtype
    assert type(third(1)) is np.float64
    assert type(third(np.float32(1))) is np.float32
    with pytest.raises(TypeError, match="real numbers, not of complex128"):
        third(1j)


def test_a_result_may_be_written_anywhere_even_over_the_input():
    x = np.arange(2.0 * BLOCK + 10)
    column = np.zeros((x.size, 2))

    assert third(x, out=column[:, 1]) is not None
    np.testing.assert_array_equal(column[:, 1], x / 3)
    np.testing.assert_array_equal(column[:, 0], 0)
    into = third(x[::-1], out=np.empty_like(x))
    np.testing.assert_array_equal(into, x[::-1] / 3)
    expected = x / 3
    assert third(x, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_shapes_stay():
    for shape in ((), (0,), (2, 3), (3, 1, 2)):
        assert np.shape(third(np.ones(shape))) == shape
    turned = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(third(turned), turned / 3)


def test_called_with_a_tensor_it_is_the_op():
    x = Tensor([0.5])

    assert ops["erf"].forward(x).op is ops["erf"]


@pytest.mark.parametrize("executor", available_executors())
def test_an_op_of_the_users_own_is_one_core_op_wherever_it_is_used(executor, versine):
    around = clearprop.elementwise(
        "test_ufunc_around", lambda x: versine(x) * 2 + 1, lambda z, x: 2 * np.sin(x)
    )
    gradient = clearprop.value_and_grad(lambda x: np.sum(around(x) * versine(x)))
    x = np.linspace(-2, 2, 7)
    step = clearprop.compile(gradient, executor=executor)

    for _ in range(3):
        value, slope = step(x)

    wanted, wanted_slope = gradient(x)
    np.testing.assert_allclose(value, wanted, rtol=1e-14)
    np.testing.assert_allclose(slope, wanted_slope, rtol=1e-13)
    assert "versine" in step.source()
    del ops["test_ufunc_around"]


def test_a_page_recomputes_it_by_its_formula(versine):
    script = script_of(trace(versine(Tensor(0.5, name="x"))).order)

    assert script.definitions["versine"].startswith("(x0) => (2 * ")
    assert script_of(trace(clearprop.erf(Tensor(0.5, name="x"))).order) is not None


def test_a_natively_compiled_training_step_with_gelu_calls_no_numpy():
    pytest.importorskip("llvmlite")
    clearprop.manual_seed(0)
    x, y = np.random.default_rng(0).normal(size=(2, 32, 8)).astype(np.float32)
    losses = {}
    for executor in (None, "llvm"):
        clearprop.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        optimizer = optim.Adam(model.parameters(), lr=0.01)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = clearprop.compile(step, executor=executor) if executor else step
        losses[executor] = [float(run(x, y)) for _ in range(20)]

    lines = [line.split() for line in run.explain().splitlines()]
    assert "call" not in {line[0] for line in lines if line}
    within = {word.strip(",") for line in lines if line and line[0] == "loop" for word in line}
    assert {"ndtr", "gaussian"} <= within
    np.testing.assert_allclose(losses["llvm"], losses[None], rtol=1e-5)


@pytest.mark.parametrize("executor", available_executors())
def test_a_ufunc_of_another_package_runs_as_a_call(executor):
    special = pytest.importorskip("scipy.special")
    bessel = clearprop.elementwise("test_ufunc_j0", special.j0, lambda z, x: -special.j1(x))
    step = clearprop.compile(lambda x: bessel(x) * 2, executor=executor)

    for _ in range(3):
        np.testing.assert_allclose(step(np.arange(3.0)), 2 * special.j0(np.arange(3.0)), rtol=1e-14)
    del ops["test_ufunc_j0"]
