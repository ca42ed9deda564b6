"""Quick calls of plans in which native code stops for Python: for NumPy's functions, and for a schedule."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, optim

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.doorstep import objects

pytestmark = pytest.mark.skipif(not objects.readable(), reason="the ordinary checks decide here")
X = np.linspace(0.5, 1.5, 4)


@pytest.fixture(autouse=True)
def _unproved(monkeypatch):
    """A call that proves is no quick one."""
    monkeypatch.setenv("CLEARPROP_PROVE", "never")


class Training:
    """A step with a matrix that is factorised and a schedule that a person's function decides about."""

    def __init__(self, factor, after=None):
        self.w = Tensor(np.arange(4.0) + 1)
        self.optimizer = optim.Adam([self.w], 0.1)
        self.schedule = optim.LambdaLR(self.optimizer, factor)
        self.after = after

    def step(self, x):
        self.optimizer.zero_grad()
        loss = np.sum(np.linalg.inv(np.eye(4) * self.w**2 + x[:, None] * x))
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss

    def same(self, other):
        assert self.schedule.last_epoch == other.schedule.last_epoch
        assert self.optimizer.lr == other.optimizer.lr
        np.testing.assert_allclose(self.w.value, other.w.value, rtol=1e-12)


def compiled(factor):
    training = Training(factor)
    training.run = clearprop.compile(training.step, executor="llvm")
    for _ in range(3):
        training.run(X)
    native = training.run.latest.recording.executable
    assert len(native.stops) >= 2
    assert training.run._quick is not None
    return training


def rate(count):
    return 0.9**count


def test_its_steps_are_the_functions():
    ours, eager = compiled(rate), Training(rate)
    for _ in range(3):
        eager.step(X)
    for i in range(20):
        if i == 10:
            ours.optimizer.lr = eager.optimizer.lr = 0.01
        assert float(ours.run(X + i)) == pytest.approx(float(eager.step(X + i)), rel=1e-12)
        ours.same(eager)
    assert ours.run._quick is not None
    assert ours.run.recordings == 2


def test_the_ordinary_way_is_not_asked(monkeypatch):
    ours = compiled(rate)
    monkeypatch.setattr(type(ours.run), "ordinary", None)

    ours.run(X)

    assert ours.schedule.last_epoch == 4


@pytest.mark.parametrize("kind", [IndexError, ZeroDivisionError, KeyboardInterrupt])
def test_an_error_between_two_parts_leaves_all_as_it_was(kind):
    def factor(count):
        if raising:
            raise kind("not now")
        return 0.9**count

    raising, eager = False, Training(rate)
    ours = compiled(factor)
    for _ in range(3):
        eager.step(X)
    raising = True
    for _ in range(2):
        with pytest.raises(kind, match="not now"):
            ours.run(X)
        ours.same(eager)
    raising = False
    for _ in range(2):
        ours.run(X)
        eager.step(X)
        ours.same(eager)


def test_an_index_out_of_bounds_is_told_after_a_stop_too():
    step = clearprop.compile(lambda x, i: np.linalg.inv(np.eye(4) + x)[i].sum(), executor="llvm")
    for _ in range(3):
        wanted = float(step(X, np.array([1, 2])))
    assert step._quick is not None
    for _ in range(2):
        with pytest.raises(IndexError, match="for an axis of length 4: 9 in argument 1"):
            step(X, np.array([1, 9]))
        assert float(step(X, np.array([1, 2]))) == wanted


def test_a_call_of_the_step_inside_of_itself_is_a_call_of_its_own():
    def factor(count):
        nonlocal inner
        if count == 5 and inner is None:
            inner = float(look(X))  # another plan's call, inside of this one's
        return 0.9**count

    inner, look = None, clearprop.compile(lambda x: np.sum(np.linalg.inv(np.eye(4) + x)), executor="llvm")
    wanted = {float(look(X)) for _ in range(3)}
    ours, eager = compiled(factor), Training(rate)
    for _ in range(3):
        eager.step(X)
    for _ in range(4):
        ours.run(X)
        eager.step(X)
        ours.same(eager)
    assert {inner} == wanted


def test_a_result_is_the_callers_own():
    step = clearprop.compile(lambda x: (np.linalg.inv(np.eye(4) + x), np.sort(x)[::-1]), executor="llvm")
    first = [step(X * k) for k in range(1, 6)]
    assert step._quick is not None
    for k, (inverse, turned) in enumerate(first, 1):
        np.testing.assert_allclose(np.asarray(inverse), np.linalg.inv(np.eye(4) + X * k), rtol=1e-12)
        np.testing.assert_array_equal(np.asarray(turned), (X * k)[::-1])


@pytest.mark.filterwarnings("ignore:.* runs as written:RuntimeWarning")
def test_where_the_plan_knows_no_gradient_the_function_runs():
    def f(a):
        u, s, vh = np.linalg.svd(a)
        return np.sum((u @ vh) * np.vander(X[:3])) + np.linalg.norm((u * s) @ vh)

    step, right = clearprop.compile(clearprop.grad(f), executor="llvm"), clearprop.grad(f)
    apart, equal = np.diag([1.0, 2.0, 4.0]) + 0.1, np.eye(3)
    for x in (apart, apart, apart, equal, apart, equal, equal):
        np.testing.assert_allclose(step(x), right(x), atol=1e-12)
    assert step._quick is not None
