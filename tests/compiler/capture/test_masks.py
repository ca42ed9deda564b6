"""Masks in a compiled step: right for every number of entries that they pick, in both executors."""

import copy
import io
import operator
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler.capture.printing import Heard
from clearprop.compiler.program.ir import Value
from clearprop.compiler.step import MOST_COUNTS, available_executors

EXECUTORS = available_executors()
VECTORS = [
    np.array(v, float)
    for v in ([1, 2, 3, 4], [9, -9, -9, -9], [-1, 2, -3, 4], [-1, -2, -3, -4], [5, 5, -1, 5], [1, 2, 3, 4])
]

# Reductions of what a mask picks: one plan is right for every count.
REDUCTIONS = {
    "sum": lambda x: np.sum(x[x > 0]),
    "mean": lambda x: np.mean(x[x > 0]),
    "prod": lambda x: np.prod(x[x > 0]),
    "max": lambda x: np.max(x[x > 0]),
    "min": lambda x: np.min(x[x > 0]),
    "std": lambda x: np.std(x[x > 0]),
    "var, ddof": lambda x: np.var(x[x > 0], ddof=1),
    "norm": lambda x: np.linalg.norm(x[x > 0]),
    "product with a vector of the same mask": lambda x: x[x > 0] @ (2 * x[x > 0] + 1),
    "of a function": lambda x: np.sum(np.log(x[x > 0]) * x[x > 0] ** 2),
    "method": lambda x: x[x > 0].mean() + x[x > 0].sum(),
    "any and all": lambda x: np.where(np.any(x[x > 0] > 3), 1.0, 0.0) + np.all(x[x > 0] < 5),
    "two masks": lambda x: np.sum(x[x > 0]) * np.sum(x[x < 0]),
    "mask by name": lambda x: (lambda m: np.sum(x[m] * 3) / (1 + np.sum(x[~m])))(x > 2),
    "of integers": lambda x: np.max((x[x > 0]).astype(np.int64)),
}
# Anything else: planned for each count.
OTHERS = {
    "itself": lambda x: x[x > 0],
    "len": lambda x: np.sum(x[x > 0]) / max(len(x[x > 0]), 1),
    "size": lambda x: np.sum(x) * x[x > 0].size,
    "shape": lambda x: np.sum(x) + x[x > 0].shape[0],
    "size of a view": lambda x: np.sum(x[x > 0]) * x[x > 0].reshape(-1).size,
    "sorted": lambda x: np.sort(x[x > 0]) * 2,
    "reshaped": lambda x: np.sum(x[x > 0].reshape((-1, 1)) * np.ones((1, 2))),
    "cumulative": lambda x: np.cumsum(x[x > 0]),
    "places": lambda x: np.argmax(np.append(x[x > 0], 0.0)) if False else np.sum(np.cumsum(x[x > 0])),
}


def _moved(x):
    picked = np.exp(x)[x > 0]
    picked /= picked.sum()
    picked -= np.mean(picked)
    return picked @ picked


def _filled(x):
    picked = x[x > 0]
    before = np.sum(picked)
    picked[...] = 2.0
    return before + np.sum(picked)


def _in_part(x):
    picked = x[x > 0]
    picked[picked > 2] = 0.0
    picked[:1] = 7.0
    return np.sum(picked)


def _by_out(x):
    picked = x[x > 0]
    np.clip(picked, 0, 2, out=picked)
    other = picked * 1
    other += picked
    return np.sum(other)


# What is stored into the entries that a mask has picked is theirs; a copy has their number.
CHANGED = {"operators": _moved, "all": _filled, "some": _in_part, "out": _by_out}
COPIES = {
    "copy": lambda x: x[x > 0].copy(),
    "flatten": lambda x: x[x > 0].flatten(),
    "deepcopy": lambda x: copy.deepcopy(x[x > 0]),
    "Tensor": lambda x: Tensor(x[x > 0]),
    "Parameter": lambda x: nn.Parameter(x[x > 0]),
    "from_numpy": lambda x: clearprop.from_numpy(x[x > 0]),
    "detach": lambda x: (Tensor(1.0) * x)[x > 0].detach(),
}


def outcome(function, x):
    """What a call gives, or the kind of error it raises."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return np.asarray(function(x))
        except ValueError:
            return ValueError


def same(found, right):
    if found is ValueError or right is ValueError:
        assert found is right
        return
    assert found.shape == right.shape
    assert found.dtype == right.dtype
    np.testing.assert_allclose(found, right, rtol=1e-12)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_is_right_for_every_count_by_one_plan(name, executor):
    step = clearprop.compile(REDUCTIONS[name], executor=executor, prove="always")
    for x in VECTORS:
        same(outcome(step, x), outcome(REDUCTIONS[name], x))

    assert step.recordings <= 2  # a count of 0 may be an error of NumPy's, seen by recording again
    assert "as many entries" not in step.explain()


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", OTHERS)
def test_anything_else_is_right_for_every_count_by_a_plan_for_each(name, executor):
    step = clearprop.compile(OTHERS[name], executor=executor)
    for x in VECTORS:
        same(outcome(step, x), outcome(OTHERS[name], x))

    assert step.recordings == len({int(np.sum(x > 0)) for x in VECTORS})
    assert "for masks that pick as many entries as when it was recorded" in step.explain()


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", CHANGED)
def test_what_is_stored_into_picked_entries_is_theirs(name, executor):
    step = clearprop.compile(CHANGED[name], executor=executor, prove="never")
    for x in VECTORS:
        same(outcome(step, x), outcome(CHANGED[name], x))


def _by_operator(x):
    x[x > 0] += 1
    x[x > 4] *= x[x > 4]


def _of_another(x):
    y = x[::-1] * 2
    mask = y > 0
    x[mask] = x[mask] / y[mask]


# What is stored under a mask into a Tensor, or into an array, that the step has made.
STORED = {
    "operator": _by_operator,
    "function": lambda x: operator.setitem(x, x > 0, np.log(x[x > 0])),
    "of another": _of_another,
    "where it does not hold": lambda x: operator.setitem(x, ~(x > 2), x[~(x > 2)] ** 2),
}


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", STORED)
def test_what_is_stored_under_a_mask_is_right_for_every_count_by_one_plan(name, executor):
    weight = Tensor([0.5, 1.0, 2.0, 3.0])

    def trained(x):
        array, held, made = x * 1, Tensor(x, requires_grad=False), weight * x
        for changed in (array, held, made):
            STORED[name](changed)
        changed = array + held
        changed[changed > 4] -= 4
        (made**3).sum().backward()
        slope, weight.grad = weight.grad, None
        return changed, slope

    step = clearprop.compile(trained, executor=executor, prove="always")
    for x in VECTORS:
        for found, right in zip(step(x), trained(x), strict=True):
            same(outcome(np.asarray, found), outcome(np.asarray, right))

    assert step.recordings <= 2


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_picked_entries_has_their_number(name):
    def counted(x):
        return len(COPIES[name](x))

    step = clearprop.compile(counted, executor="numpy", prove="never")
    for x in VECTORS:
        assert step(x) == counted(x)


def test_a_view_of_picked_entries_is_not_changed_alone():
    def changed(x):
        picked = x[x > 0]
        view = picked[:]
        view += 1
        return np.sum(picked)

    with pytest.raises(clearprop.compiler.RecordingError, match="changes an array in place"):
        clearprop.compile(changed)(VECTORS[0])


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "function",
    [
        lambda w, m: np.concatenate([w[m], w[m] * 2]) @ np.arange(1.0, 1 + 2 * w[m].size),
        lambda w, m: np.sum(np.sort(w[m]) * np.arange(w[m].size)),
        lambda w, m: np.median(np.append(w[m], 0.0)),
        lambda w, m: np.concatenate([np.tanh(w)[m], w]).sum(),
    ],
)
def test_gradients_of_what_is_planned_for_each_count(function, executor):
    w = Tensor([1.0, -2.0, 3.0, 4.0])

    def step(mask):
        w.grad = None
        loss = function(w, mask)
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for picked in ("1100", "1000", "0000", "1111", "1011", "0011"):
        mask = np.array([c == "1" for c in picked])
        loss, found = compiled(mask), w.grad
        right = step(mask)

        np.testing.assert_allclose(loss.value, right.value, rtol=1e-12)
        np.testing.assert_allclose(found, w.grad, rtol=1e-12)


SMOOTH = [name for name in REDUCTIONS if name not in ("any and all", "of integers")]


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_a_reduction_over_no_one_and_all_entries(name, executor):
    slope = clearprop.grad(REDUCTIONS[name])
    step = clearprop.compile(slope, executor=executor, prove="always")
    for x in VECTORS:
        same(outcome(step, x), outcome(slope, x))


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_gradients_through_a_mask_that_is_an_argument(executor):
    w, x = Tensor(np.ones(3)), np.arange(24.0).reshape(8, 3) / 10

    def step(x, mask):
        w.grad = None
        loss = np.sum((x[mask] @ w) ** 2) + np.mean(np.tanh(w * x[mask]))
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor, prove="always")
    for n in (4, 4, 1, 8, 3):
        mask = np.arange(8) < n
        loss = compiled(x, mask)
        found = w.grad
        right = step(x, mask)

        np.testing.assert_allclose(loss.value, right.value, rtol=1e-12)
        np.testing.assert_allclose(found, w.grad, rtol=1e-12)
    assert compiled.recordings <= 2  # once for no gradient held, once for one


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_would_overflow_where_the_mask_does_not_hold_does_no_harm(executor):
    t = Tensor(np.zeros(3))

    def step(x):
        t.grad = None
        z = x + t
        loss = np.sum(np.exp(z[x < 5])) + np.sum(np.sqrt(z[x > 0])) + np.sum(1 / z[x != 0])
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor)
    for x in ([1.0, 1e4, -2.0], [0.0, 2.0, 1e300], [3.0, 3.0, 0.0], [-1.0, -2.0, -3.0]):
        loss = compiled(np.array(x))
        found = t.grad
        right = step(np.array(x))

        np.testing.assert_allclose(loss.value, right.value, rtol=1e-12)
        np.testing.assert_allclose(found, t.grad, rtol=1e-12)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), -1])
def test_rows_that_a_mask_picks_are_reduced_along_any_axis(axis, executor):
    x = np.random.default_rng(0).normal(size=(6, 4))

    def step(x, mask):
        rows = x[mask]
        return np.sum(rows * 2, axis=axis), np.mean(rows, axis=axis), np.max(rows, axis=axis, keepdims=True)

    compiled = clearprop.compile(step, executor=executor)
    for n in (3, 6, 1, 5):
        mask = np.arange(6) < n
        for found, right in zip(compiled(x, mask), step(x, mask), strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-12)


def test_a_mask_of_several_axes_and_float32():
    x = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    step = lambda x: (np.mean(x[x > 0]), np.sum(x[x[..., 0] > 0], axis=0), np.std(x[x > 0.5]))  # noqa: E731
    compiled = clearprop.compile(step)
    for shift in (0.0, 1.0, -1.0):
        for found, right in zip(compiled(x + np.float32(shift)), step(x + np.float32(shift)), strict=True):
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)


def test_after_many_counts_a_call_runs_as_written_with_one_warning():
    step = clearprop.compile(lambda x: np.cumsum(x[x > 0]))
    rows = [np.where(np.arange(20) < n, 1.0, -1.0) for n in range(1, MOST_COUNTS + 4)]
    for x in rows[:MOST_COUNTS]:
        step(x)
    with pytest.warns(RuntimeWarning, match="has plans for 6 different numbers of entries under a mask"):
        assert len(step(rows[-1])) == len(rows)
    for x in rows:
        np.testing.assert_array_equal(step(x), np.cumsum(x[x > 0]))

    assert step.recordings == MOST_COUNTS


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_has_no_slope_where_the_mask_does_not_hold_reaches_no_gradient(executor):
    t = Tensor(np.zeros(4))

    def step(x):
        t.grad = None
        z = x + t
        chosen = z[x > 0]
        loss = np.sum(chosen**3 * np.sqrt(chosen)) + np.sum(np.log(chosen) / chosen)
        loss.backward()
        return loss

    compiled = clearprop.compile(step, executor=executor)
    for x in ([1.0, -2.0, 3.0, 0.0], [-1.0, -1.0, 2.0, 4.0], [0.0, 0.0, 1.0, -3.0]):
        loss = compiled(np.array(x))
        found = t.grad
        right = step(np.array(x))

        np.testing.assert_allclose(loss.value, right.value, rtol=1e-12)
        np.testing.assert_allclose(found, t.grad, rtol=1e-12)
        assert np.isfinite(found).all()


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", EXECUTORS)
def test_missing_targets_left_out_of_a_loss_train_as_in_eager_mode(executor):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 3))
    y = x.sum(axis=1)
    y[generator.random(40) < 0.4] = np.nan
    losses = {}
    for how in ("eager", "compiled"):
        clearprop.manual_seed(0)
        model = nn.Linear(3, 1, dtype=np.float64)
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            known = ~np.isnan(y)
            loss = np.mean((model(x)[:, 0][known] - y[known]) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        run = step if how == "eager" else clearprop.compile(step, executor=executor, prove="always")
        losses[how] = [float(run(x[i : i + 8], y[i : i + 8])) for _ in range(5) for i in range(0, 40, 8)]

    np.testing.assert_allclose(losses["compiled"], losses["eager"], rtol=1e-9)


def test_states_are_what_they_were_where_a_plan_steps_aside():
    w = Tensor(np.array([1.0, 2.0, 3.0]))

    def step(x):
        clearprop.assign(w, clearprop.record.read(w) + 1)
        return np.cumsum((x + clearprop.record.read(w))[x > 0])

    compiled = clearprop.compile(step)
    for n, x in enumerate(([1.0, -1.0, 1.0], [1.0, -1.0, 1.0], [1.0, -1.0, -1.0], [-1.0, 1.0, 1.0]), 1):
        found = compiled(np.array(x))
        np.testing.assert_array_equal(w.value, [1.0 + n, 2.0 + n, 3.0 + n])
        np.testing.assert_array_equal(np.asarray(found), np.cumsum((x + w.value)[np.array(x) > 0]))


@st.composite
def chains(draw):
    """A function that picks, computes row by row and ends in reductions or in the entries themselves."""
    steps = draw(st.lists(st.sampled_from(["exp", "square", "plus", "times x", "abs", "again"]), max_size=4))
    ends = draw(
        st.lists(st.sampled_from(["sum", "mean", "max", "entries", "len", "dot"]), min_size=1, max_size=2)
    )

    def function(x, t):
        mask = x > t
        v = x[mask]
        for step in steps:
            v = {
                "exp": lambda v: np.exp(-v * v),
                "square": lambda v: v * v,
                "plus": lambda v: v + t,
                "times x": lambda v: v * x[mask],
                "abs": lambda v: np.abs(v - 1),
                "again": lambda v: v + np.sum(v),
            }[step](v)
        made = {
            "sum": lambda: np.sum(v),
            "mean": lambda: np.mean(v),
            "max": lambda: np.max(v),
            "entries": lambda: v * 2,
            "len": lambda: np.sum(x) * len(v),
            "dot": lambda: v @ x[mask],
        }
        return tuple(made[end]() for end in ends)

    return function, (steps, ends)


@given(chains(), st.lists(st.integers(0, 10_000), min_size=2, max_size=5), st.sampled_from(EXECUTORS))
@settings(max_examples=60, deadline=None)
def test_random_programs_with_masks_are_those_of_eager(chain, seeds, executor):
    function, _ = chain
    step = clearprop.compile(function, executor=executor)
    for seed in seeds:
        x = np.random.default_rng(seed).normal(size=7)
        x[0] = 9.0  # a maximum of no entries has a test of its own
        t = np.float64(np.random.default_rng(seed).normal())
        for found, right in zip(step(x, t), function(x, t), strict=True):
            np.testing.assert_allclose(found, right, rtol=1e-10)


@pytest.mark.parametrize("places", [np.nonzero, np.flatnonzero, np.argwhere, np.where])
def test_places_are_refused_for_what_a_plan_computes_and_for_what_it_reads(places):
    w = Tensor([1.0, 0.0])

    with pytest.raises(clearprop.compiler.RecordingError, match=f"np.{places.__name__} depends on values"):
        clearprop.compile(lambda x: (places(x), x)[1])(np.ones(2))
    with pytest.raises(clearprop.compiler.RecordingError, match="cannot ask for value"):
        clearprop.compile(lambda x: (places(w), x)[1])(np.ones(2))


def test_a_mask_of_a_mask_is_numbered_once():
    def work(n):
        """Count the calls of functions of the chapter while a chain of n masks is recorded."""

        def chain(x):
            for _ in range(n):
                x = x - 0.01 * np.mean(x[x > 0])
            return np.sum(x)

        calls = []
        step = clearprop.compile(chain, executor="numpy", prove="never")
        sys.setprofile(lambda frame, event, _: calls.append(event) if frame.f_code in codes else None)
        try:
            step(np.linspace(0.1, 1.0, 5))
        finally:
            sys.setprofile(None)
        return calls.count("call")

    codes = {Value.operands.fget.__code__}  # what is asked to walk from a value to those before it

    assert work(24) < 2.6 * work(12)


def test_a_warning_that_is_shown_is_no_print():
    heard = Heard(io.StringIO())
    exec("heard.write('Mean of empty slice')", {"__name__": "warnings", "heard": heard})
    assert not heard.line

    heard.write("a loss")
    assert heard.line
    assert heard.stream.getvalue() == "Mean of empty slicea loss"
