"""`kinks`: entries on a kink with their slopes, and the places where 0 times infinity was decided as 0."""

import numpy as np
import pytest

import clearprop as cp
from clearprop import Tensor, grad
from clearprop.registry import ops

# f, inputs, the slopes left and right of the kink, and the convention: the gradient that is given.
KINKS = (
    (np.abs, (0.0,), (-1.0, 1.0), 0.0),
    (lambda x: cp.relu(x), (0.0,), (0.0, 1.0), 0.0),
    (lambda x: np.maximum(x, 0.0), (0.0,), (0.0, 1.0), 0.5),
    (lambda x: np.minimum(x, 0.0), (0.0,), (1.0, 0.0), 0.5),
    (lambda x: np.hypot(x, 0.0), (0.0,), (-1.0, 1.0), 0.0),
)


# The guide's table for arrays: f, x, where the kinks are, their slopes, and the gradient that is given.
ENDS = np.array([-1.0, 0.0, 2.0, 5.0])
TIES = np.array([3.0, 1.0, 3.0, 0.0])
SQUARE, MIDDLE = TIES.reshape(2, 2), TIES[[0, 1, 2, 2, 3]]
RISE, FALL, BOTH = (0, 1), (1, 0), (-1, 1)
ONE_ROW, COLUMN = np.array([[0.0, 0.0], [0.0, 1.0]]), {(0, 0): FALL, (1, 0): FALL}
# fmt: off
ROWS = (
    (lambda x: np.linalg.norm(x), np.zeros(2), {(0,): BOTH, (1,): BOTH}, [0, 0]),
    (lambda x: np.sum(np.linalg.norm(x, axis=1)), ONE_ROW, {(0, 0): BOTH, (0, 1): BOTH}, [[0, 0], [0, 1]]),
    (lambda x: np.linalg.norm(x, 3), np.zeros(2), {(0,): BOTH, (1,): BOTH}, [0, 0]),
    (lambda x: np.linalg.norm(x, 3), np.array([3.0, 0.0, 4.0]), {}, np.array([9, 0, 16]) / np.cbrt(91) ** 2),
    (lambda x: np.sum(np.linalg.norm(x, 3, 1)), ONE_ROW, {(0, 0): BOTH, (0, 1): BOTH}, [[0, 0], [0, 1]]),
    (lambda x: np.linalg.norm(x, 1), np.array([2.0, 0.0]), {(1,): BOTH}, [1, 0]),
    (lambda x: np.std(x), np.ones(4), {(k,): (-0.43301, 0.43301) for k in range(4)}, [0] * 4),
    (lambda x: np.std(x, ddof=1), np.ones(2), {(k,): (-0.70711, 0.70711) for k in range(2)}, [0] * 2),
    (lambda x: np.sum(np.clip(x, -1, 2)), ENDS, {(0,): RISE, (2,): FALL}, [1, 1, 1, 0]),
    (lambda x: np.sum(np.clip(x, None, 2)), ENDS, {(2,): FALL}, [1, 1, 1, 0]),
    (lambda x: np.max(x), TIES, {(0,): RISE, (2,): RISE}, [0.5, 0, 0.5, 0]),
    (lambda x: np.sum(np.max(x, axis=0)), SQUARE, {(0, 0): RISE, (1, 0): RISE}, [[0.5, 1], [0.5, 0]]),
    (lambda x: np.min(x, axis=0, keepdims=True)[0], -TIES, {(0,): FALL, (2,): FALL}, [0.5, 0, 0.5, 0]),
    (lambda x: np.sum(np.sort(x) * np.arange(4.0)), TIES, {(0,): FALL, (2,): FALL}, [2.5, 1, 2.5, 0]),
    (lambda x: np.sum(np.sort(x, axis=0)[0]), SQUARE, COLUMN, [[0.5, 0], [0.5, 1]]),
    (lambda x: np.median(x), MIDDLE, {(0,): FALL, (2,): FALL, (3,): FALL}, [1 / 3, 0, 1 / 3, 1 / 3, 0]),
)
# fmt: on


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
@pytest.mark.parametrize(("f", "x", "wanted", "given"), ROWS)
def test_every_row_of_the_guides_table(f, x, wanted, given, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    found = {p.index: (p.left, p.right) for p in cp.kinks(f, x)}

    assert found == wanted
    d = cp.compile(grad(f), executor=executor) if executor else grad(f)
    assert np.allclose(d(x), given, rtol=1e-15, atol=0)


JUMPS = (
    (np.sign, 0.0, (-1, 1)),
    (np.floor, 2.0, (1, 2)),
    (np.ceil, 2.0, (2, 3)),
    (np.trunc, -2.0, (-2, -1)),
    (np.rint, 2.5, (2, 3)),
    (np.round, -0.5, (-1, 0)),
    (lambda x: np.round(x, 1), 0.25, (0.2, 0.3)),
    (lambda x: x // 2, 4.0, (1, 2)),
    (lambda x: x % 2, 4.0, (2, 0)),
    (lambda x: x > 1, 1.0, (0, 1)),
    (lambda x: np.where(x <= 1, x, 2 * x), 1.0, (1, 0)),
    (lambda y: np.arctan2(y, -1.0), 0.0, (-3.14159, 3.14159)),
    (lambda x: x.astype(np.int64), 3.0, (2, 3)),
    (lambda x: np.searchsorted(np.array([1.0, 2.0]), x), 1.0, (0, 1)),
    (lambda x: np.digitize(x, np.array([1.0, 2.0])), 2.0, (1, 2)),
    (lambda x: np.isin(x, [1.0]), 1.0, (0, 0)),
    (np.count_nonzero, 0.0, (1, 1)),
)


@pytest.mark.parametrize(("f", "x", "sides"), JUMPS)
def test_a_jump_is_listed_with_its_values(f, x, sides):
    (place,) = cp.kinks(f, np.array(x))

    assert (place.kind, place.left, place.right) == ("jump", *sides)
    assert "jumps" in str(place)
    assert cp.kinks(f, np.array(x + 0.32)) == []


# Functions that pick an entry by its place among the others: where they pick another on one side.
PICKS = (
    (lambda x: x[np.argmax(x)], TIES, {(0,): (2, 0), (2,): (0, 2)}),
    (lambda x: x[np.argmin(x)], -TIES, {(0,): (0, 2), (2,): (2, 0)}),
    (lambda x: x[np.nanargmax(x)], TIES, {(0,): (2, 0), (2,): (0, 2)}),
    (lambda x: x[np.nanargmin(x)], -TIES, {(0,): (0, 2), (2,): (2, 0)}),
    (lambda x: x[np.argsort(x)], TIES[[0, 2]], {(0,): (0, 1), (1,): (1, 0)}),
    (lambda x: x[np.argpartition(x, 0)], TIES[[0, 2]], {(0,): (0, 1), (1,): (1, 0)}),
    (lambda x: np.ravel(x)[np.argsort(x, axis=None)], SQUARE[:, :1], {(0, 0): (0, 1), (1, 0): (1, 0)}),
    (lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 0.0]), np.array([0.5, 1.0]), {(1,): (1, 2)}),
)


@pytest.mark.parametrize(("f", "x", "wanted"), PICKS)
def test_where_another_entry_would_be_picked_is_listed(f, x, wanted):
    found = cp.kinks(f, x)

    assert {p.kind for p in found} == {"jump"}
    assert {p.index: (p.left, p.right) for p in found} == wanted


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
@pytest.mark.parametrize("f", [np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round])
def test_no_gradient_passes_a_jump(f, executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    d = grad(lambda x: x * f(x))

    assert (cp.compile(d, executor=executor) if executor else d)(np.float64(2.0)) == f(2.0)


def test_zero_to_the_power_of_zero_jumps_in_its_exponent():
    (place,) = cp.kinks(lambda b, e: b**e, np.array(0.0), np.array(0.0))

    assert (place.kind, place.i, place.left, place.right) == ("jump", 1, np.inf, 0)


def test_a_choice_at_one_point_is_listed():
    assert [p.kind for p in cp.kinks(lambda x: np.where(x == 0, 0, x), 0.0)] == ["jump"]
    assert cp.kinks(lambda x: np.where(x == 0, 0, x), 1.0) == []


def test_a_norm_below_1_has_a_cusp_at_every_entry_that_is_0():
    x = np.array([4.0, 0.0, -1.0])
    (place,) = cp.kinks(lambda x: np.linalg.norm(x, 0.5), x)

    assert (place.kind, place.index) == ("kink", (1,))
    assert -place.left == place.right > 1000
    np.testing.assert_allclose(grad(lambda x: np.linalg.norm(x, 0.5))(x), [1.5, 0, -3], rtol=1e-14)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_norm_of_negative_power_is_0_where_an_entry_is():
    x = np.array([4.0, 0.0, -1.0])
    (place,) = cp.kinks(lambda x: np.linalg.norm(x, -1), x)

    assert (place.kind, place.index, place.left, place.right) == ("kink", (1,), -1, 1)
    assert grad(lambda x: np.linalg.norm(x, -1))(x).tolist() == [0, 0, 0]


def test_several_results_are_refused():
    with pytest.raises(TypeError, match="one Tensor: a tuple"):
        cp.kinks(lambda x: (x, x), 0.0)


def test_steps_of_a_jump_that_are_none_are_not_listed():
    assert cp.kinks(np.trunc, 0.0) == []
    assert cp.kinks(lambda x: np.abs(x) > 3 * np.ones(2), 0.0)[0].call.startswith("absolute")


def test_places_that_no_gradient_reaches_are_marked():
    places = cp.kinks(lambda x: np.sum(np.max(x, axis=1) * np.array([1.0, 0.0])), np.ones((2, 2)))
    entries = cp.kinks(lambda x: np.abs(x)[0], np.zeros(2))

    assert [p.reached for p in places] == [True, True, False, False]
    assert [p.reached for p in entries] == [True, False]
    assert "arrives is 0" in str(entries[1])


def test_entries_of_a_median_that_are_not_in_the_middle_are_marked():
    places = cp.kinks(lambda x: np.median(x), np.array([3.0, 1.0, 3.0, 1.0, 0.0]))

    assert [p.reached for p in places] == [False, True, False, True]


def test_an_op_that_does_not_say_is_unknown():
    silent = cp.elementwise("kinks_silent", lambda x: x * x, lambda z, x: 2 * x)
    smooth = cp.elementwise("kinks_smooth", lambda x: x * x, lambda z, x: 2 * x, facts=cp.Facts(kinks=False))
    at_0 = cp.Facts(kinks=lambda x: x == 0)
    bent = cp.elementwise("kinks_bent", np.abs, lambda z, x: np.sign(x), facts=at_0)
    (place,) = cp.kinks(lambda x: silent(x), 1.0)

    assert place.kind == "unknown"
    assert "kinks_silent(x): unknown" in str(place)
    assert cp.kinks(lambda x: smooth(x), 1.0) == []
    assert [(p.left, p.right) for p in cp.kinks(lambda x: bent(x), 0.0)] == [(-1, 1)]


def test_every_op_of_ours_says_where_its_kinks_are():
    made = "clearprop.transforms.custom"  # what makes ops of a user's functions, which do not say
    modules = {op: op.__module__ for op in ops.values()}
    ours = [op for op, home in modules.items() if home.startswith("clearprop.") and home != made]
    unknown = [op.name for op in ours if op.facts.kinks is None]
    assert unknown in ([], ["loop"])  # a loop has those of its body, which may be any


@pytest.mark.parametrize(("f", "inputs", "slopes", "given"), KINKS)
def test_a_kink_is_listed_with_its_slopes_and_the_gradient_is_the_conventions(f, inputs, slopes, given):
    (place,) = cp.kinks(f, *inputs)

    assert (place.kind, place.left, place.right) == ("kink", *slopes)
    assert grad(f)(*inputs) == given
    assert cp.compile(grad(f))(*map(np.float64, inputs)) == given


ZEROS = (
    lambda x: np.sqrt(x) ** 2,
    lambda x: np.exp(np.log(x)),
    lambda x: x**0.5 * x**0.5,
)


@pytest.mark.parametrize("f", ZEROS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_zero_times_infinity_is_listed_and_counted(f):
    assert {p.kind for p in cp.kinks(f, np.array(0.0))} == {"0 * inf"}
    with cp.watch(collect=True) as seen:
        f(Tensor([0.0, 4.0])).sum().backward()
    assert seen.decided >= 1
    assert cp.kinks(f, np.array(4.0)) == []


def test_a_smooth_place_has_none():
    assert cp.kinks(lambda x: np.sum(np.abs(x)), np.array([1.0, -2.0])) == []


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_slopes_between_null_vectors_of_a_root_are_listed():
    pytest.importorskip("scipy")
    scipy = pytest.importorskip("clearprop.scipy.linalg")
    x = np.diag([4.0, 0.0, 0.0])
    places = cp.kinks(lambda x: np.sum(scipy.sqrtm(x) @ scipy.sqrtm(x)), x)

    assert [(p.kind, p.index) for p in places] == 2 * [("0 * inf", (i, j)) for i in (1, 2) for j in (1, 2)]
    assert cp.kinks(lambda x: np.sum(scipy.sqrtm(x)), np.eye(2)) == []
    with cp.watch() as watched:
        np.sum(scipy.sqrtm(Tensor(x)) @ Tensor(x)).backward()
    assert watched.decided == 4
