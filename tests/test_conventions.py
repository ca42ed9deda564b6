"""Kinks and edges: one written table of what a derivative is where mathematics leaves a choice.

Each line is a choice and its reason. The subgradient of least norm at a kink; equal shares at a tie; the
limit from inside at the edge of a domain; zero times anything is zero where a gradient is masked.
"""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor

inf = np.inf


def gradients(f, *values):
    """The gradients of f by every value, each entry of the output counting once."""
    leaves = [Tensor(v) for v in values]
    with np.errstate(all="ignore"):
        output = f(*leaves)
        output.backward(np.ones(output.shape))
    return [np.zeros_like(t.value) if t.grad is None else t.grad for t in leaves]


# ruff: noqa: E501
# fmt: off
TABLE = [
    # what                    function                                at                  gradients            reason
    ("relu at 0",             clearprop.relu,                         [0.0],              [0.0],               "least norm of [0, 1]; the lecture's x <= 0"),
    ("relu at -0",            clearprop.relu,                         [-0.0],             [0.0],               "the same point"),
    ("abs at 0",              np.abs,                                 [0.0],              [0.0],               "least norm of [-1, 1]"),
    ("sign at 0",             np.sign,                                [0.0],              [0.0],               "constant on both sides"),
    ("hypot at (0, 0)",       np.hypot,                               [0.0, 0.0],         [0.0, 0.0],          "least norm of the unit disc"),
    ("hypot at (3, 4)",       np.hypot,                               [3.0, 4.0],         [0.6, 0.8],          "smooth"),
    ("norm at 0",             np.linalg.norm,                         [[0.0, 0.0]],       [[0.0, 0.0]],        "least norm of the unit ball"),
    ("1-norm at 0",           lambda x: np.linalg.norm(x, 1),         [[0.0, -2.0]],      [[0.0, -1.0]],       "that of abs"),
    ("std of equal values",   np.std,                                 [[2.0, 2.0, 2.0]],  [[0.0, 0.0, 0.0]],   "least norm: it is a norm of x - mean"),
    ("var of equal values",   np.var,                                 [[2.0, 2.0]],       [[0.0, 0.0]],        "smooth"),
    ("maximum, tie",          np.maximum,                             [1.0, 1.0],         [0.5, 0.5],          "equal shares: symmetric, and least norm"),
    ("minimum, tie",          np.minimum,                             [1.0, 1.0],         [0.5, 0.5],          "equal shares"),
    ("max, two tie",          np.max,                                 [[3.0, 1.0, 3.0]],  [[0.5, 0.0, 0.5]],   "equal shares"),
    ("max, three tie",        np.max,                                 [[3.0, 3.0, 3.0]],  [[1/3, 1/3, 1/3]],   "equal shares"),
    ("min, two tie",          np.min,                                 [[1.0, 1.0, 3.0]],  [[0.5, 0.5, 0.0]],   "equal shares"),
    ("inf-norm, tie",         lambda x: np.linalg.norm(x, np.inf),    [[2.0, -2.0]],      [[0.5, -0.5]],       "equal shares, then abs"),
    ("clip at its low end",   lambda x: np.clip(x, 0.0, 1.0),         [0.0],              [1.0],               "passes on the closed interval"),
    ("clip at its high end",  lambda x: np.clip(x, 0.0, 1.0),         [1.0],              [1.0],               "passes on the closed interval"),
    ("clip outside",          lambda x: np.clip(x, 0.0, 1.0),         [[-0.5, 1.5]],      [[0.0, 0.0]],        "constant there"),
    ("0 ** 0",                lambda x, y: x ** y,                    [0.0, 0.0],         [0.0, 0.0],          "y x^(y-1) with y = 0 is 0, not 0 * inf"),
    ("0 ** number 0",         lambda x: x ** 0,                       [0.0],              [0.0],               "constant"),
    ("0 ** 1",                lambda x, y: x ** y,                    [0.0, 1.0],         [1.0, 0.0],          "x; the exponent's limit from above"),
    ("0 ** 2",                lambda x, y: x ** y,                    [0.0, 2.0],         [0.0, 0.0],          "the exponent's limit from above"),
    ("0 ** 0.5",              lambda x: x ** 0.5,                     [0.0],              [inf],               "as sqrt"),
    ("(-2) ** 3",             lambda x: x ** 3,                       [-2.0],             [12.0],              "smooth: the exponent is a number"),
    ("sqrt at 0",             np.sqrt,                                [0.0],              [inf],               "the limit from inside"),
    ("cbrt at 0",             np.cbrt,                                [0.0],              [inf],               "the limit from both sides"),
    ("log at 0",              np.log,                                 [0.0],              [inf],               "the limit from inside"),
    ("log2 at 0",             np.log2,                                [0.0],              [inf],               "the limit from inside"),
    ("log10 at 0",            np.log10,                               [0.0],              [inf],               "the limit from inside"),
    ("log1p at -1",           np.log1p,                               [-1.0],             [inf],               "the limit from inside"),
    ("1 / 0",                 lambda x: 1 / x,                        [0.0],              [-inf],              "-1/x^2 from both sides"),
    ("reciprocal at 0",       np.reciprocal,                          [0.0],              [-inf],              "-1/x^2 from both sides"),
    ("arcsin at 1",           np.arcsin,                              [1.0],              [inf],               "the limit from inside"),
    ("arcsin at -1",          np.arcsin,                              [-1.0],             [inf],               "the limit from inside"),
    ("arccos at 1",           np.arccos,                              [1.0],              [-inf],              "the limit from inside"),
    ("arccosh at 1",          np.arccosh,                             [1.0],              [inf],               "the limit from inside"),
    ("arctanh at 1",          np.arctanh,                             [1.0],              [inf],               "the limit from inside"),
    ("arctan at inf",         np.arctan,                              [inf],              [0.0],               "flat"),
    ("floor at 1",            lambda x: np.floor(x) + x,              [1.0],              [1.0],               "floor is constant on both sides"),
    ("round at 0.5",          lambda x: np.round(x) + x,              [0.5],              [1.0],               "round is constant on both sides"),
    ("where, chosen",         lambda x: np.where(x > 0, x, 2 * x),    [0.0],              [2.0],               "the branch that was taken"),
    ("prod with a zero",      np.prod,                                [[2.0, 0.0, 3.0]],  [[0.0, 6.0, 0.0]],   "the product of the others, no division"),
    ("prod with two zeros",   np.prod,                                [[0.0, 0.0, 3.0]],  [[0.0, 0.0, 0.0]],   "the product of the others"),
    ("softplus far left",     clearprop.softplus,                     [-1e4],             [0.0],               "no overflow"),
    ("softplus far right",    clearprop.softplus,                     [1e4],              [1.0],               "no overflow"),
    ("logsigmoid far left",   clearprop.logsigmoid,                   [-1e4],             [1.0],               "no overflow"),
    ("logsigmoid far right",  clearprop.logsigmoid,                   [1e4],              [0.0],               "no overflow"),
    ("sigmoid at -700",       clearprop.sigmoid,                      [-700.0],           [np.exp(-700.0)],    "exact in the tail, not 0"),
    ("sigmoid at 700",        clearprop.sigmoid,                      [700.0],            [np.exp(-700.0)],    "exact in the tail, not 0"),
    ("erf at inf",            clearprop.erf,                          [inf],              [0.0],               "flat"),
    ("erf at 25",             clearprop.erf,                          [25.0],             [2 / np.sqrt(np.pi) * np.exp(-625.0)], "exact in the tail, not 0"),
    ("ndtr at -37",           clearprop.ndtr,                         [-37.0],            [np.exp(-684.5) / np.sqrt(2 * np.pi)], "exact in the tail, not 0"),
    ("expm1 at -50",          np.expm1,                               [-50.0],            [np.exp(-50.0)],     "exact in the tail, not 0"),
    ("logaddexp, far apart",  np.logaddexp,                           [1e4, -1e4],        [1.0, 0.0],          "no overflow"),
    ("logsumexp of 1e4",      clearprop.logsumexp,                    [[1e4, 1e4]],       [[0.5, 0.5]],        "no overflow"),
    ("logsumexp of -1e4",     clearprop.logsumexp,                    [[-1e4, -1e4]],     [[0.5, 0.5]],        "no underflow"),
    ("logsumexp, one -inf",   clearprop.logsumexp,                    [[-inf, 0.0]],      [[0.0, 1.0]],        "exp(-inf) counts nothing"),
    ("softmax of 1e4",        lambda x: clearprop.softmax(x)[0],      [[1e4, 0.0]],       [[0.0, 0.0]],        "saturated"),
    ("log_softmax of 1e4",    lambda x: clearprop.log_softmax(x)[1],  [[1e4, 0.0]],       [[-1.0, 1.0]],       "no overflow"),
    ("log_softmax of -1e4",   lambda x: clearprop.log_softmax(x)[0],  [[-1e4, 0.0]],      [[1.0, -1.0]],       "no overflow"),
]
# fmt: on


@pytest.mark.parametrize(("f", "at", "wanted"), [t[1:4] for t in TABLE], ids=[t[0] for t in TABLE])
def test_the_written_table(f, at, wanted):
    for g, right in zip(gradients(f, *map(np.asarray, at)), wanted, strict=True):
        np.testing.assert_allclose(g, right, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("f", "at", "wanted"), [t[1:4] for t in TABLE], ids=[t[0] for t in TABLE])
def test_the_same_in_single_precision(f, at, wanted):
    single = [np.asarray(v, np.float32) for v in at]
    for g, right in zip(gradients(f, *single), wanted, strict=True):
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, np.asarray(right, np.float32), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_the_same_in_a_compiled_step(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
        pytest.importorskip("scipy")
    for name, f, at, wanted, _ in TABLE:
        values = [np.asarray(v, np.float64) for v in at]
        gradient = clearprop.grad(lambda *v, f=f: np.sum(f(*v)), argnums=tuple(range(len(values))))
        step = clearprop.compile(gradient, executor=executor)
        with np.errstate(all="ignore"):
            step(*(np.full_like(v, 0.5) for v in values))  # recorded somewhere else
            got = step(*values)
        for g, right in zip(got, wanted, strict=True):
            g = g.value if isinstance(g, Tensor) else g  # a gradient that nothing flowed into
            np.testing.assert_allclose(g, right, rtol=1e-12, atol=0, err_msg=name)


def test_ties_along_an_axis_share_equally():
    x = np.array([[1.0, 1.0, 0.0], [2.0, 3.0, 3.0]])

    assert gradients(lambda x: np.max(x, axis=1), x)[0].tolist() == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    assert gradients(lambda x: np.min(x, axis=0), x)[0].tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]


def test_clips_ends_receive_what_lies_outside():
    assert gradients(np.clip, np.array([-1.0, 0.5, 2.0]), 0.0, 1.0)[1:] == [1.0, 1.0]
    assert gradients(np.clip, np.array([0.0, 1.0]), 0.0, 1.0)[1:] == [0.0, 0.0]


MASKED = {
    "sqrt": (np.sqrt, 0.0),
    "sqrt of a negative": (np.sqrt, -1.0),
    "cbrt": (np.cbrt, 0.0),
    "log": (np.log, 0.0),
    "log of a negative": (np.log, -1.0),
    "log2": (np.log2, 0.0),
    "log10": (np.log10, 0.0),
    "log1p": (np.log1p, -1.0),
    "1 / x": (lambda x: 1 / x, 0.0),
    "sin(x) / x": (lambda x: np.sin(x) / x, 0.0),
    "reciprocal": (np.reciprocal, 0.0),
    "x ** 0.5": (lambda x: x**0.5, 0.0),
    "x ** -1": (lambda x: x**-1.0, 0.0),
    "2 ** x overflowing": (lambda x: 2.0**x, 1e5),
    "x ** x": (lambda x: x**x, 0.0),
    "arcsin": (np.arcsin, 1.0),
    "arccos": (np.arccos, 1.0),
    "arccosh": (np.arccosh, 1.0),
    "arctanh": (np.arctanh, 1.0),
    "arctan2": (lambda x: np.arctan2(x, x * x), 0.0),
    "exp overflowing": (np.exp, 1e4),
    "exp2 overflowing": (np.exp2, 1e5),
    "expm1 overflowing": (np.expm1, 1e4),
    "sinh overflowing": (np.sinh, 1e4),
    "cosh overflowing": (np.cosh, 1e4),
    "log(exp(x))": (lambda x: np.log(1 + np.exp(x)), 1e4),
    "norm": (lambda x: np.linalg.norm(x.reshape((2, 1)), axis=1), 0.0),
}


@pytest.mark.parametrize("name", MASKED)
def test_a_masked_gradient_stays_masked(name):
    f, bad = MASKED[name]
    x = np.array([bad, 0.5 if name != "arccosh" else 1.5])
    got = gradients(lambda t: np.where(np.array([False, True]), f(t), 0.0), x)[0]

    assert got[0] == 0.0
    assert np.isfinite(got[1])
    assert got[1] != 0.0


def test_masked_gradients_stay_masked_at_second_order():
    square = clearprop.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0)))
    second = clearprop.grad(lambda x: np.sum(square(x)))(np.array([0.0, 4.0]))

    np.testing.assert_allclose(second, [0.0, -0.25 * 4.0**-1.5])


def test_an_unmasked_singularity_is_not_hidden():
    assert gradients(np.sqrt, np.array([0.0, 4.0]))[0].tolist() == [inf, 0.25]


def test_dtypes():
    single = Tensor(np.float32(2.0))
    assert (2 * single + 1).dtype == np.float32
    assert (single**2).dtype == np.float32
    assert gradients(lambda x: 3.0 * x, np.float32(1.0))[0].dtype == np.float32
    assert gradients(lambda x: np.float64(3.0) * x, np.float32(1.0))[0].dtype == np.float32
    assert Tensor([1, 2]).dtype == np.float64
    assert Tensor([1, 2], requires_grad=False).dtype == np.int64


def test_values_cannot_be_changed_in_place():
    t = Tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"would change a value that the graph remembers(.|\n)*np.where"):
        t[0] = 3.0


def test_every_choice_says_why():
    assert all(len(reason) > 3 for *_, reason in TABLE)
