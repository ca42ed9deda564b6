"""What NumPy, its generators and SciPy's integrals refuse is told, with where it was and what to try."""

import pytest

import clearprop.numpy as np
from clearprop import Tensor

CALLS = {
    "np.zeros('3')": (TypeError, "np.zeros('3')", "the number without quotes"),
    "np.ones(2.5)": (TypeError, "np.ones(2.5)", "np.ones(shape,"),
    "np.arange('a')": (TypeError, "np.arange('a')", "float(text)"),
    "np.array([[1], [1, 2]])": (ValueError, "inhomogeneous", "np.array(object,"),
    "np.roll(m)": (TypeError, "np.roll(", "np.roll(a, shift, axis=None)"),
    "np.linalg.inv([[0, 0], [0, 0]])": (np.linalg.LinAlgError, "np.linalg.inv(", "np.linalg.pinv(x)"),
    "np.linalg.inv(0 * m)": (np.linalg.LinAlgError, "Singular matrix", "np.linalg.pinv(x)"),
    "m @ np.ones((3, 3))": (ValueError, "inner sizes differ, 2 and 3", "a y of 2 rows"),
    "m[:1] @ np.ones((3, 2))": (ValueError, "inner sizes differ", "x @ y.T"),
    "np.random.normal('a')": (ValueError, "np.random.normal('a')", "numbers alone"),
    "np.random.normal(m, -1)": (ValueError, "scale < 0", "np.random.normal(loc=0.0, scale=1.0,"),
    "np.random.default_rng(0).choice(5, 9, replace=False)": (ValueError, "larger", "np.random.choice(a,"),
    "integrate.quad(3, 0, 1)": (TypeError, "not callable", "quad(func, a, b,"),
    "integrate.solve_ivp(abs, 3, [1.0])": (TypeError, "not iterable", "solve_ivp(fun, t_span, y0,"),
    "integrate.solve_ivp(abs, (0, 1), [1.0], method='RK9')": (ValueError, "`method` must", "solve_ivp("),
}  # fmt: skip


@pytest.mark.parametrize("text", CALLS)
def test_a_refusal_has_its_five_parts(text):
    integrate = pytest.importorskip("clearprop.scipy.integrate") if "integrate" in text else None
    kind, wanted, hint = CALLS[text]
    names = {"np": np, "m": Tensor([[1.0, 2.0], [3.0, 4.0]]), "integrate": integrate}
    with pytest.raises(kind) as caught:
        eval(compile(text, __file__, "eval"), names)
    said = str(caught.value)

    assert wanted in said.split("\n")[0]
    assert f"At {__file__}:" in said
    assert f"\n  Try {hint}" in said


def test_what_a_persons_integrand_raises_is_raised_as_it_is():
    integrate = pytest.importorskip("clearprop.scipy.integrate")
    pytest.importorskip("scipy")

    def own(x):
        return x.nope

    with pytest.raises(AttributeError, match=r"^'float' object has no attribute 'nope'$"):
        integrate.quad(own, 0, 1)
