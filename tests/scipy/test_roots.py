"""Square roots of matrices: where an eigenvalue is 0 the slope is infinite, and refused if asked for."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, grad
from clearprop.compiler.step import available_executors
from clearprop.scipy import linalg

pytestmark = pytest.mark.filterwarnings("ignore:Matrix is")  # SciPy's own
SINGULAR = {
    "diagonal": np.diag([1.0, 2.0, 0.0]),
    "ones": np.ones((2, 2)),
    "zeros": np.zeros((2, 2)),
    "triangular": np.array([[0.0, 1.0], [0.0, 1.0]]),
}


def trace(x):
    return np.trace(linalg.sqrtm(x))


@pytest.mark.parametrize("x", SINGULAR.values(), ids=SINGULAR)
def test_an_infinite_slope_of_a_root_is_refused(x):
    with pytest.raises(GradientError, match="infinite slope at a matrix with an eigenvalue 0"):
        grad(trace)(x)


def test_entries_of_a_root_that_do_not_ask_for_it_have_theirs():
    found = grad(lambda x: linalg.sqrtm(x)[1, 1])(np.diag([1.0, 4.0, 0.0]))

    np.testing.assert_allclose(found, np.diag([0.0, 0.25, 0.0]), atol=1e-15)


@pytest.mark.parametrize("small", [1e-8, 1e-12, 1e-20])
def test_small_eigenvalues_have_steep_slopes(small):
    np.testing.assert_allclose(
        grad(trace)(np.diag([1.0, small])), np.diag([0.5, 0.5 / small**0.5]), rtol=1e-10
    )


@pytest.mark.parametrize("executor", [e for e in available_executors() if e in ("numpy", "llvm")])
def test_a_compiled_step_refuses_the_same(executor):
    step = clearprop.compile(grad(trace), executor=executor)
    for _ in range(3):
        np.testing.assert_allclose(step(np.diag([4.0, 9.0])), np.diag([1 / 4, 1 / 6]))
    with pytest.raises(GradientError, match="infinite slope"):
        step(np.diag([4.0, 0.0]))
