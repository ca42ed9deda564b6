"""`gradcheck` finds every kind of fault, says which entries and why, and never blames a right gradient."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor
from clearprop.check import gradcheck, numerical_grad
from clearprop.check.cause import Evidence, likely_cause
from clearprop.registry import ops
from clearprop.testing import broken

X = np.random.default_rng(0).normal(size=(3, 3))


def report(f, *inputs, **options):
    return gradcheck(f, *inputs, raise_on_failure=False, **options)


def test_a_right_gradient_is_said_to_be_right():
    found = report(lambda x, w: np.tanh(x @ w), X, X[0])

    assert found
    assert found.checked == 12
    assert found.worst < 1e-9
    assert "right. 12 compared, 0 skipped" in repr(found)


def test_a_wrong_gradient_raises_with_the_entry_both_numbers_and_the_cause():
    with broken(ops["tanh"], 0, lambda d, *rest, **attrs: 2 * d), pytest.raises(GradientError) as raised:
        gradcheck(lambda x: np.sum(np.tanh(x)), np.array([0.0, 1.0]))

    text = str(raised.value)
    assert "WRONG. 2 compared, 2 of them wrong, 0 skipped" in text
    assert "input 0[1]" in text
    assert "0.839948683228052" in text
    assert "0.41997434161" in text
    assert "off by a factor 2" in text


def test_entries_on_a_kink_are_listed_apart():
    found = report(lambda x: np.sum(clearprop.relu(x)), np.array([0.0, 1.0, 0.0]))

    assert found
    assert [e.index for e in found.kinks] == [(0,), (2,)]
    assert "2 on a kink, skipped" in repr(found)


def test_a_point_at_the_edge_of_the_domain_uses_the_side_that_exists():
    found = report(lambda x: (x + x**1.5).sum(), np.array([0.0, 1.0]))

    assert found
    assert (found.checked, found.skipped) == (2, 0)
    assert numerical_grad(lambda x: (2 - x) ** 1.5 - 3 * x, 2.0) == pytest.approx(-3, abs=1e-4)
    with broken(ops["multiply"], 0, lambda d, *rest, **attrs: 1.01 * d):
        assert report(lambda x: x * (1 + np.sqrt(x)), 0.0).verdict == "WRONG"


@pytest.mark.parametrize(("f", "x"), [(np.sqrt, 0.0), (np.arccos, 1.0), (np.arctanh, 1.0), (np.log, 0.0)])
def test_of_a_slope_that_grows_without_end_nothing_is_told(f, x):
    found = report(f, x)

    assert (found.checked, found.skipped, found.verdict) == (1, 1, "cannot tell")
    assert not np.isfinite(numerical_grad(f, x))


@pytest.mark.parametrize("f", [lambda x: np.sum(np.sqrt(x) ** 2), lambda x: np.sum(np.arccosh(1 + x) ** 2)])
def test_a_gradient_that_is_lost_at_the_edge_of_a_domain_is_wrong(f):
    x = np.array([0.0, 1.0, 0.5])

    assert report(f, x).verdict == "WRONG"
    assert clearprop.taylor_check(f, x, raise_on_failure=False).verdict == "WRONG"


def test_second_order():
    def flawed(z, x):
        return 1 - np.tanh(x._value) ** 2 if isinstance(x, Tensor) else 1 - z * z

    op = ops["tanh"]
    right = op.derivatives
    op.derivatives = (flawed,)
    try:
        first = report(np.tanh, X)
        second = report(np.tanh, X, order=2)
    finally:
        op.derivatives = right

    assert first
    assert not second
    assert "(order 2)" in repr(second)


def test_several_outputs_and_constant_inputs():
    labels = np.array([0, 2, 1])
    found = report(lambda x, i: (x[np.arange(3), i], np.split(x, 3)[0]), X, labels)

    assert found
    assert found.checked == 9


def test_float32_gradients_of_the_wrong_dtype_are_a_problem():
    assert report(lambda x: np.sum(np.exp(x)), X.astype(np.float32))


def test_a_large_output_is_checked_by_random_weighings():
    x = np.linspace(0.1, 1.0, 12)
    f = lambda x: np.exp(x.reshape((12, 1)) * np.linspace(0, 1, 20))  # noqa: E731
    assert report(f, x)
    with broken(ops["exp"], 0, lambda d, *rest, **attrs: 1.001 * d):
        assert not report(f, x)


CAUSES = {
    "off by a factor 2": lambda r: 2 * r,
    "off by a factor 1/3": lambda r: r / 3,
    "off by +0.1 %": lambda r: 1.001 * r,
    "wrong sign": lambda r: -r,
    "no gradient arrives": lambda r: 0 * r,
    "transposed": lambda r: r.T,
    "reversed along axis 1": lambda r: r[:, ::-1],
    "off by one along axis 0": lambda r: np.roll(r, 1, axis=0),
    "one entry wrong, at [1, 2]": lambda r: r * np.where(np.arange(9).reshape(3, 3) == 5, 1.01, 1),
    "rounded to float32": lambda r: r.astype(np.float32).astype(float),
    "missing sum over axis 0": lambda r: r[None] * np.ones((4, 1, 1)),
    "2 entries receive 0 though": lambda r: r * np.where(np.arange(9).reshape(3, 3) % 5 == 3, 0, 1),
    "only index 2 of axis 0 is wrong": lambda r: r + np.array([[0.0], [0.0], [1.0]]),
    "a factor x too many": lambda r: r * (X + 2),
    "nan": lambda r: r * np.where(r == r.max(), np.nan, 1),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_the_cause_is_guessed(cause):
    assert cause in likely_cause(Evidence(CAUSES[cause](X), X, X + 2))


def test_a_missing_mask_is_guessed():
    right = np.array([0.0, 1.0, 2.0, 0.0])

    assert "a mask is missing: 2 entries" in likely_cause(Evidence(right + (right == 0), right, right))


def test_a_missing_sum_over_the_output_is_guessed():
    def only_the_first(d, g, z, x, y):
        return np.concatenate([d[:1], 0 * d[1:]])

    with broken(ops["add"], 1, only_the_first):
        found = report(lambda x, y: np.exp(x) + y, X, X[0])

    assert any(
        "missing sum over axis 0 of the output: only its index 0 was counted" in c for c in found.causes
    )


def test_a_gradient_outside_of_the_one_sided_slopes_of_a_kink_is_wrong():
    with broken(ops["relu"], 0, lambda d, g, z, x: np.where(x == 0, 5.0 * g, d)):
        found = report(clearprop.relu, np.array([0.0, 1.0]))

    assert [e.index for e in found.wrong] == [(0,)]


def test_any_value_between_the_one_sided_slopes_will_do_at_a_kink():
    with broken(ops["relu"], 0, lambda d, g, z, x: np.where(x == 0, g * 0.3, d)):
        assert report(clearprop.relu, np.array([0.0, 1.0]))


def test_randomness_is_not_mistaken_for_a_fault():
    rng = np.random.default_rng(0)
    found = report(lambda x: np.sum(x * rng.normal(size=3)), np.ones(3))

    assert found.verdict == "cannot tell"
    assert "f gives different values for the same inputs" in repr(found)


def test_a_function_that_rounds_inside_raises_no_alarm():
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(2, 3))
        assert report(lambda x: np.tanh(x.astype(np.float32)).astype(np.float64).sum(), x)


def test_of_a_large_input_a_sample_is_checked_and_all_along_directions(monkeypatch):
    monkeypatch.setattr("clearprop.check.compare.MOST", 200)
    x = np.linspace(0.1, 1.0, 5000)
    found = report(lambda x: np.sum(np.exp(x)), x)
    assert found
    assert found.checked == 200
    assert "4800 more entries were checked together, along 4 random directions." in repr(found)

    wrong = np.where(np.arange(5000) == 4321, 1.01, 1.0)
    with broken(ops["exp"], 0, lambda d, *rest: d * wrong):
        found = report(lambda x: np.sum(np.exp(x)), x)
    assert (4321,) in [e.index for e in found.wrong]


def test_a_detached_input_is_found():
    found = report(lambda x: np.sum(x.detach() ** 2 + 0 * x), X)

    assert "no gradient arrives: it is zero everywhere" in repr(found)


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1e3, 1e8])
def test_the_scale_of_inputs_and_outputs_does_not_matter(scale):
    f = lambda x: scale * np.sum(np.tanh(x / scale) + (x / scale) ** 2)  # noqa: E731
    assert report(f, X * scale)
    with broken(ops["tanh"], 0, lambda d, *rest: 1.001 * d):
        assert not report(f, X * scale)


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_a_softmax_that_cancels_in_float32_is_right(shift):
    """What the four results lose on the way is far more than rounding of the inputs explains."""
    x = np.array([-3.258955717, -0.873586476, 8.318619728, 3.295738697], np.float32)
    f = lambda x: np.exp(x - shift) / np.sum(np.exp(x - shift))  # noqa: E731
    assert report(f, x)
    with broken(ops["exp"], 0, lambda d, *rest: d * np.float32(1.001)):
        assert not report(f, x)


def test_a_gradient_that_loses_digits_in_float32_alone_is_wrong():
    coarse = lambda d, *rest: d.astype(np.float16).astype(d.dtype) if d.dtype == np.float32 else d  # noqa: E731
    with broken(ops["tanh"], 0, coarse):
        found = report(lambda x: np.sum(np.tanh(x)), X.astype(np.float32))
    assert "in float32 the gradient is off" in repr(found)


@pytest.mark.parametrize("part", [0, 2])
def test_vectors_of_nearly_equal_singular_values_have_no_kinks(part):
    """Slopes on one side alone, taken from afar, are those of another branch."""
    r = np.random.default_rng(1)
    left, right = np.linalg.qr(r.normal(size=(4, 4)))[0], np.linalg.qr(r.normal(size=(3, 3)))[0]
    x = left[:, :3] @ np.diag([2, 1 + 1e-7, 1]) @ right

    found = report(lambda x: np.linalg.svd(x, full_matrices=False)[part], x)

    assert found.verdict != "WRONG"
    assert found.kinks == []
