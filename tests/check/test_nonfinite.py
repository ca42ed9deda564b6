"""watch(): the first NaN or infinity is named with its entry, operands, line and the way to the output."""

from __future__ import annotations

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, watch
from clearprop.check import NonFiniteError, Watch
from clearprop.modes import current, mode


def raised(function):
    with pytest.raises(NonFiniteError) as caught, watch():
        function()
    return caught.value.report


def collected(function):
    with watch(collect=True) as seen:
        function()
    return seen.reports


def test_the_logarithm_of_zero_is_named_with_its_operand_and_line():
    x = Tensor([1.0, 0.0, 4.0], name="x")

    report = raised(lambda: np.log(x))  # this line

    assert (report.phase, report.kind, report.index, report.count) == ("forward", "-inf", (1,), 1)
    assert report.text.startswith(
        "log(x): computed -inf at [1]: 1 of 3 entries is not finite.\n  Made of x[1] = 0.\n"
    )
    assert "test_nonfinite.py:" in report.line
    assert "report = raised(lambda: np.log(x))  # this line" in report.text
    assert "Try np.log(np.maximum(x, 1e-12))" in report.text


def test_it_is_a_gradient_error_and_leaves_the_mode_as_it_was():
    with pytest.raises(GradientError), watch():
        np.log(Tensor(0.0))

    assert mode.observer is None
    assert current() is None


def test_finite_numbers_raise_nothing():
    x = Tensor([1.0, 2.0])
    with watch() as seen:
        np.log(x).sum().backward()

    assert seen.reports == []
    assert np.array_equal(x.grad, [1.0, 0.5])


def test_zero_over_zero_gives_both_operands():
    x, y = Tensor([[1.0, 0.0]], name="x"), Tensor([[2.0], [0.0]], name="y")

    report = raised(lambda: x / y)

    assert (report.kind, report.index) == ("inf", (1, 0))
    assert [o.text for o in report.operands] == ["x[0, 0] = 1", "y[1, 0] = 0"]


def test_an_overflowing_product_names_row_and_column():
    x, w = Tensor(np.full((2, 3), 1e200), name="x"), Tensor(np.full((3, 2), 1e200), name="w")

    report = raised(lambda: x @ w)

    assert [o.text for o in report.operands] == [
        "x[0, :] (3 numbers from 1e+200 to 1e+200)",
        "w[:, 0] (3 numbers from 1e+200 to 1e+200)",
    ]


def test_an_overflowing_sum_names_its_row():
    x = Tensor(np.array([[1.0, 2.0], [3e38, 3e38]], np.float32), name="x")

    report = raised(lambda: np.sum(x, axis=1))

    assert report.index == (1,)
    assert [o.text for o in report.operands] == ["x[1, :] (2 numbers from 3e+38 to 3e+38)"]


def test_an_infinite_slope_is_found_in_the_backward_pass():
    x = Tensor([4.0, 0.0], name="x")

    report = raised(lambda: np.sqrt(x).sum().backward())

    assert (report.phase, report.kind, report.index) == ("backward", "inf", (1,))
    assert report.text.startswith("sqrt(x): sent inf at [1] back to x: 1 of 2 entries is not finite.")
    assert "Made of g[1] = 1, x[1] = 0." in report.text
    assert report.path == ("sqrt(x)", "sum(sqrt(...))")
    assert "test_nonfinite.py:" in report.line


def test_a_backward_sum_that_overflows_is_found():
    x = Tensor(np.float32(1.0), name="x")
    big = np.float32(3e38)

    def step():
        y = x * 1
        (y * big + y * big).backward()

    reports = collected(step)

    assert reports[0].kind == "inf"


def test_what_a_where_discards_is_told_with_the_where():
    x = Tensor([1.0, 0.0], name="x")

    (report,) = collected(lambda: np.where(x.value > 0, np.log(x), 0.0).sum().backward())

    assert report.phase == "forward"
    assert report.discarded
    assert "The entry lies in a branch that where(array(2), log(...), 0) discards." in report.text
    assert report.path[0] == "log(x)"
    assert report.path[-1].startswith("sum")
    assert "np.where on the input of the op as well" in report.text
    assert np.array_equal(x.grad, [1.0, 0.0])


def test_what_a_where_keeps_is_not_called_discarded():
    x = Tensor([1.0, 0.0], name="x")

    reports = collected(lambda: np.where(x.value >= 0, np.log(x), 0.0).sum().backward())

    assert not any(r.discarded for r in reports)


def test_a_discarded_branch_is_followed_through_views():
    x = Tensor([[1.0, 0.0], [2.0, 3.0]], name="x")

    def step():
        y = np.log(x).T.reshape(4)
        np.where(np.array([True, True, False, True]), y, 0.0).sum().backward()

    (report,) = collected(step)

    assert report.index == (0, 1)
    assert report.discarded


def test_a_gradient_that_arises_in_a_discarded_branch_is_told():
    unmasked = clearprop.elementwise("bare_log", np.log, lambda z, x: 1 / x)
    x = Tensor([1.0, 0.0], name="x")

    reports = collected(lambda: np.where(x.value > 0, unmasked(x), 0.0).sum().backward())

    backward = [r for r in reports if r.phase == "backward"]
    assert [(r.kind, r.index, r.discarded) for r in backward] == [("nan", (1,), True)]


def test_bad_data_is_told_once_with_its_place():
    data = np.ones((4, 3))
    data[2, 1] = np.nan
    w = Tensor(np.ones(3), name="w")

    reports = collected(lambda: [(data @ w).sum().backward() for _ in range(2)])

    assert [(r.phase, r.kind, r.index) for r in reports] == [("input", "nan", (2, 1))]
    assert (
        "holds nan at [2, 1] before anything is computed: 1 of 12 entries is not finite." in reports[0].text
    )


def test_the_minus_infinity_of_a_mask_is_no_finding():
    x = Tensor([1.0, 2.0, 3.0])
    with watch():
        clearprop.softmax(np.where(np.array([True, False, True]), x, -np.inf)).sum().backward()

    assert np.all(np.isfinite(x.grad))


def test_nan_made_of_infinities_is_found():
    x = Tensor([np.inf, 1.0], name="x")

    reports = collected(lambda: x - x)

    assert [r.kind for r in reports] == ["inf", "nan"]


def test_without_inf_only_nan_counts():
    with watch(inf=False) as seen:
        np.log(Tensor(0.0))

    assert seen.reports == []
    with pytest.raises(NonFiniteError), watch(inf=False):
        np.sqrt(Tensor(-1.0))


def test_computation_without_gradients_is_watched_too():
    x = Tensor([0.0], name="x", requires_grad=False)

    report = raised(lambda: np.log(x))

    assert report.text.startswith("log(x): computed -inf at [0]")
    with clearprop.no_grad():
        assert raised(lambda: np.log(Tensor(0.0, name="y"))).call == "log(y)"


def test_the_number_of_reports_is_limited():
    with watch(collect=True, limit=3) as seen:
        for _ in range(10):
            np.log(Tensor(0.0))

    assert len(seen.reports) == 3


def test_pieces_of_an_array_are_watched():
    x = Tensor([4.0, 0.0], name="x")

    def step():
        left, right = np.split(np.sqrt(x), 2)
        (left + right).sum().backward()

    assert raised(step).call == "sqrt(x)"


def test_several_backward_passes_in_one_block_each_have_their_output():
    x = Tensor([4.0, 0.0], name="x")
    reports = collected(lambda: [(np.sqrt(x) * k).sum().backward() for k in (1.0, 2.0)])

    assert [r.path[-1] for r in reports] == ["sum(multiply(...))"] * 2


def test_a_compiled_step_runs_eagerly_while_it_is_watched():
    w = Tensor(np.array([1.0, 2.0]), name="w")

    @clearprop.compile
    def step(x):
        w.grad = None
        loss = np.log(w * x).sum()
        loss.backward()
        clearprop.assign(w, w - 0.1 * w.grad)
        return loss

    step(np.array([1.0, 2.0]))
    before = w.value

    report = raised(lambda: step(np.array([1.0, 0.0])))

    assert report.text.startswith("log(multiply(w, x)): computed -inf at [1]")
    assert "loss = np.log(w * x).sum()" in report.text
    assert np.array_equal(w.value, before)


def test_a_backward_pass_that_makes_a_graph_is_judged_by_what_it_sends():
    x = Tensor([1.0, 0.0], name="x")

    def step(masked):
        y = np.sqrt(x)
        out = (np.where(np.array([True, False]), y, 0.0) if masked else y).sum()
        out.backward(create_graph=True)

    with watch() as seen:
        step(masked=True)
    x.grad = None

    assert seen.reports == []
    assert raised(lambda: step(masked=False)).text.startswith("sqrt(x): sent inf at [1] back to x")


def test_a_watch_inside_a_watch_is_a_lesson():
    with (
        watch(),
        pytest.raises(GradientError, match="cannot look on while a step is recorded or watched already"),
    ):
        watch().__enter__()


def test_a_graph_made_before_is_watched_in_its_backward_pass():
    x = Tensor([4.0, 0.0], name="x")
    loss = np.sqrt(x).sum()

    assert raised(loss.backward).line == ""


def test_outside_the_block_nothing_is_looked_at():
    seen = Watch()
    x = Tensor([1.0, 2.0])
    np.log(x).sum().backward()

    assert seen.reports == []
    assert mode.observer is None
