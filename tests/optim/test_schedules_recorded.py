"""Schedules that step inside a compiled step: the same bits as in an eager one, in every call."""

import copy
import math

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, optim
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]

OPTIMIZERS = {
    "sgd": lambda groups: optim.SGD(groups, lr=0.1, momentum=0.9),
    "adamw": lambda groups: optim.AdamW(groups, lr=0.1),
    "rmsprop": lambda groups: optim.RMSprop(groups, lr=0.1, momentum=0.5),
}


def in_sequence(o):
    parts = [optim.LinearLR(o, 0.5, total_iters=9), optim.ExponentialLR(o, 0.97), optim.StepLR(o, 2)]
    return optim.SequentialLR(o, parts, milestones=[5, 20])


def nested(o):
    parts = [optim.MultiplicativeLR(o, lambda n: 0.9), optim.CosineAnnealingLR(o, 7)]
    return optim.SequentialLR(o, [optim.ConstantLR(o, 0.5, 3), optim.SequentialLR(o, parts, [6])], [4])


SCHEDULES = {
    "step": lambda o: optim.StepLR(o, 3, 0.7),
    "milestones": lambda o: optim.MultiStepLR(o, [2, 5, 5, 30], 0.5),
    "exponential": lambda o: optim.ExponentialLR(o, 0.93),
    "lambda": lambda o: optim.LambdaLR(o, lambda n: 1 / (1 + 0.1 * n) if n % 7 else 0.5),
    "lambdas": lambda o: optim.LambdaLR(o, [lambda n: 0.9**n, lambda n: math.cos(n) ** 2]),
    "multiplicative": lambda o: optim.MultiplicativeLR(o, lambda n: 0.95 if n < 20 else 1.01),
    "linear": lambda o: optim.LinearLR(o, 0.1, total_iters=11),
    "constant": lambda o: optim.ConstantLR(o, 0.25, 6),
    "polynomial": lambda o: optim.PolynomialLR(o, 30, 1.7),
    "cosine": lambda o: optim.CosineAnnealingLR(o, 13, 0.001),
    "warmup": lambda o: optim.WarmupCosineLR(o, 5, 33, 0.1),
    "restarts": lambda o: optim.CosineAnnealingWarmRestarts(o, 3, 2),
    "cyclic": lambda o: optim.CyclicLR(o, 0.01, [0.1, 0.3], 4, 7, mode="triangular2"),
    "exp_range": lambda o: optim.CyclicLR(o, 0.01, 0.1, 4, mode="exp_range", gamma=0.99),
    "scale_fn": lambda o: optim.CyclicLR(
        o, 0.01, 0.1, 4, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations"
    ),
    "one_cycle": lambda o: optim.OneCycleLR(o, [0.3, 0.5], 60, three_phase=True),
    "in_sequence": in_sequence,
    "nested": nested,
    "chained": lambda o: optim.ChainedScheduler([optim.ConstantLR(o, 0.1, 9), optim.StepLR(o, 4, 0.9)]),
}


INPUTS = np.linspace(0.9, 1.3, 40)[:, None]


class Training:
    """Two groups of weights, an optimizer, a schedule, and a step that takes all of theirs."""

    def __init__(self, kind, make, executor=None):
        self.weights = [Tensor(np.linspace(0.1, 1, n)) for n in (3, 4)]
        self.optimizer = OPTIMIZERS[kind](
            [{"params": w, "lr": lr} for w, lr in zip(self.weights, (0.1, 0.03), strict=True)]
        )
        self.schedule = make(self.optimizer)
        self.eager = self.step
        if executor:
            self.step = clearprop.compile(self.step, executor=executor, prove="always")

    def step(self, x, *metric):
        self.optimizer.zero_grad()
        loss = sum(np.sum((w * x - 1) ** 2) for w in self.weights)
        loss.backward()
        self.optimizer.step()
        self.schedule.step(*metric)
        return loss

    def said(self):
        groups = [{k: v for k, v in g.items() if k != "params"} for g in self.optimizer.param_groups]
        parts = getattr(self.schedule, "schedules", [self.schedule])
        told = [getattr(s, "last_epoch", None) for s in (self.schedule, *parts)]
        return groups, told, self.schedule.get_last_lr(), self.schedule.state_dict()

    def agrees(self, other, *, parts=4):
        assert self.said()[:parts] == other.said()[:parts]
        for p, q in zip(self.weights, other.weights, strict=True):
            np.testing.assert_allclose(p.value, q.value, rtol=1e-11)


def both(executor, make, kind="sgd"):
    return Training(kind, make), Training(kind, make, executor)


@pytest.mark.parametrize("name", SCHEDULES)
def test_forty_steps_say_what_eager_ones_say(name, executor):
    for kind in ("adamw", "sgd"):
        eager, compiled = both(executor, SCHEDULES[name], kind)
        for i in range(40):
            eager.step(INPUTS[i])
            compiled.step(INPUTS[i])
            compiled.agrees(eager)
        assert compiled.step.recordings <= 2


def test_a_step_after_the_schedules_takes_the_new_rate(executor):
    class Twice(Training):
        def step(self, x):
            loss = super().step(x)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.step()
            return loss

    eager, compiled = (Twice("rmsprop", SCHEDULES["in_sequence"], e) for e in (None, executor))
    for x in INPUTS[:12]:
        eager.step(x)
        compiled.step(x)
        compiled.agrees(eager)


@pytest.mark.parametrize(
    "name", ["step", "cosine", "one_cycle", "lambda", "chained", "in_sequence", "cyclic"]
)
def test_a_rate_set_by_hand_is_gone_on_from(name, executor):
    eager, compiled = both(executor, SCHEDULES[name])
    for i, x in enumerate(INPUTS):
        for training in (eager, compiled):
            if i % 9 == 4:
                training.optimizer.lr = 0.02 + 0.01 * i
            if i == 11:
                training.optimizer.param_groups[1]["lr"] = 0.5
            training.step(x)
        compiled.agrees(eager)
    assert compiled.step.recordings <= 2


def test_a_rate_set_inside_of_the_step_is_one_set_by_hand(executor):
    class Cooled(Training):
        def step(self, x):
            self.optimizer.lr = self.optimizer.param_groups[0]["lr"] * 0.5
            return super().step(x)

    eager, compiled = (Cooled("adamw", SCHEDULES["cosine"], e) for e in (None, executor))
    for x in INPUTS[:9]:
        eager.step(x)
        compiled.step(x)
        compiled.agrees(eager)


@pytest.mark.parametrize("name", SCHEDULES)
def test_calls_of_both_kinds_take_turns_and_a_saved_training_goes_on(name, executor):
    whole, mixed = both(executor, SCHEDULES[name], "adamw")
    for i, x in enumerate(INPUTS[:30]):
        whole.step(x)
        (mixed.eager if i % 3 == 1 else mixed.step)(x)
        mixed.agrees(whole, parts=4 if i < 18 else 3)  # whose turn is over looks later at who set a rate
        if i == 17:
            saved = [mixed.optimizer.state_dict(), mixed.schedule.state_dict()]
            weights = [w.value for w in mixed.weights]
            mixed = Training("adamw", SCHEDULES[name], executor)
            mixed.step(x)  # a plan that is there already reads what is loaded
            for w, value in zip(mixed.weights, weights, strict=True):
                clearprop.assign(w, value)
            mixed.optimizer.load_state_dict(copy.deepcopy(saved[0]))
            mixed.schedule.load_state_dict(copy.deepcopy(saved[1]))


PLATEAUS = [
    {"factor": 0.5, "patience": 1, "cooldown": 1},
    {"factor": 0.3, "patience": 2, "min_lr": [0.01, 0.02], "threshold_mode": "abs", "threshold": 0.05},
    {"factor": 0.7, "patience": 0, "mode": "max", "eps": 1e-3},
]


@pytest.mark.parametrize("options", PLATEAUS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_plateau_is_seen_in_the_step(options, dtype, executor):
    eager, compiled = both(executor, lambda o: optim.ReduceLROnPlateau(o, **options))
    metrics = (np.random.default_rng(3).random(40) + np.linspace(1, 0.2, 40)).astype(dtype)
    metrics[[5, 6, 30]] = np.nan, np.inf, -np.inf
    for x, metric in zip(INPUTS, metrics, strict=True):
        eager.step(x, Tensor(metric))
        compiled.step(x, Tensor(metric))
        compiled.agrees(eager)
    assert compiled.schedule.get_last_lr() != [0.1, 0.03]


def test_the_loss_of_the_step_itself_is_a_metric(executor):
    class Watched(Training):
        def step(self, x):
            self.optimizer.zero_grad()
            loss = sum(np.sum((w * x - 1) ** 2) for w in self.weights)
            loss.backward()
            self.schedule.step(loss)
            self.optimizer.step()  # at the rate that it has set
            return loss

    make = lambda o: optim.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.2)  # noqa: E731
    eager, compiled = (Watched("sgd", make, e) for e in (None, executor))
    for x in INPUTS:
        eager.step(x)
        compiled.step(x)
        assert compiled.schedule.best == pytest.approx(eager.schedule.best, rel=1e-11)
        assert compiled.said()[:-1] == eager.said()[:-1]
    assert compiled.optimizer.param_groups[0]["lr"] < 1e-3


def test_a_momentum_of_zero_is_none(executor):
    class Twice(Training):
        def step(self, x):
            loss = super().step(x)
            self.optimizer.step()
            return loss

    make = lambda o: optim.CyclicLR(o, 0.01, 0.1, 2, base_momentum=0.0)  # noqa: E731
    eager, compiled = (Twice("sgd", make, e) for e in (None, executor))
    seen = []
    for x in INPUTS[:14]:
        eager.step(x)
        compiled.step(x)
        compiled.agrees(eager)
        seen.append(eager.optimizer.param_groups[0]["momentum"])
        for p, q in zip(compiled.weights, eager.weights, strict=True):
            buffers = [t.optimizer.state[w]["momentum_buffer"].value for t, w in ((compiled, p), (eager, q))]
            np.testing.assert_allclose(*buffers, rtol=1e-9)
    assert 0.0 in seen


def test_a_step_that_the_schedule_refuses_changes_nothing(executor):
    _, compiled = both(executor, lambda o: optim.OneCycleLR(o, 0.3, 6), "adamw")
    for x in INPUTS[:6]:
        compiled.step(x)
    before = compiled.said(), [w.value.copy() for w in compiled.weights]
    for _ in range(2):
        with pytest.raises(ValueError, match=r"OneCycleLR.step\(\): wants at most 6 steps: 7"):
            compiled.step(INPUTS[6])
        assert compiled.said() == before[0]
        for w, old in zip(compiled.weights, before[1], strict=True):
            np.testing.assert_array_equal(w.value, old)


def test_a_function_of_ones_own_is_called_in_every_step(executor):
    factors = {"all": 1.0}
    eager, compiled = both(executor, lambda o: optim.LambdaLR(o, lambda n: factors["all"] / n if n else 1.0))
    for i, x in enumerate(INPUTS[:9]):
        factors["all"] = 1.0 + i % 3
        eager.step(x)
        compiled.step(x)
        compiled.agrees(eager)


def test_settings_that_are_changed_between_two_calls_are_seen(executor):
    eager, compiled = both(executor, SCHEDULES["step"])
    for i, x in enumerate(INPUTS[:12]):
        for training in (eager, compiled):
            if i == 4:
                training.schedule.gamma = 0.9
            if i == 7:
                training.schedule.last_epoch = 20
                training.schedule.base_lrs[1] = 0.7
            training.step(x)
        compiled.agrees(eager)
    assert compiled.schedule.base_lrs == [0.1, 0.7]


def test_what_a_schedule_has_counted_is_no_number_of_python_in_a_step(executor):
    training = Training("sgd", SCHEDULES["step"])

    def decides(x):
        training.schedule.step()
        return x * (2 if training.schedule.last_epoch > 3 else 1)

    def loads(x):
        training.schedule.load_state_dict(state)
        return x * 2

    state = training.schedule.state_dict()
    with pytest.raises(RecordingError, match=r"bool\(t\): Python would see this call's number only"):
        clearprop.compile(decides, executor=executor)(np.ones(3))
    with pytest.raises(RecordingError, match=r"(?s)loading a schedule's state.*between two calls"):
        clearprop.compile(loads, executor=executor)(np.ones(3))
    assert training.schedule.state_dict() == state


def test_it_is_read_and_returned(executor):
    training = Training("sgd", SCHEDULES["step"])

    def step(x):
        training.schedule.step()
        return (
            x * training.schedule.last_epoch,
            training.schedule.base_lrs[1],
            training.schedule.get_last_lr(),
        )

    compiled = clearprop.compile(step, executor=executor, prove="always")
    for n in range(1, 6):
        x, base, rates = compiled(np.ones(2))
        np.testing.assert_array_equal(x, [n, n])
        assert (base, rates) == (0.03, training.schedule.get_last_lr())


def test_a_schedule_within_reach_that_steps_outside_needs_no_new_plan(executor):
    training = Training("sgd", SCHEDULES["cosine"])
    step = clearprop.compile(lambda x: training.schedule and training.weights[0] * x, executor=executor)
    for x in INPUTS:
        step(x)
        training.schedule.step()
    assert step.recordings == 1


@pytest.mark.parametrize("options", [{"verify": True}, {"fallback": True}])
def test_verified_and_with_a_way_back(options, executor):
    eager, compiled = both(None, SCHEDULES["nested"])
    step = clearprop.compile(compiled.step, executor=executor, **options)
    for x in INPUTS[:12]:
        eager.step(x)
        step(x)
        compiled.agrees(eager)
    assert step.recordings <= 2


@pytest.mark.parametrize("kind", [IndexError, ValueError, TypeError, KeyError])
@pytest.mark.parametrize("last", [1, 4])  # in the call that records, and in one of the plan
def test_an_error_of_ones_own_function_comes_as_it_is_and_takes_the_step_back(last, kind, executor):
    error, raising = kind("no rate is known"), True

    def factor(count):
        if count == last and raising:
            raise error
        return 0.9**count

    eager, compiled = both(executor, lambda o: optim.LambdaLR(o, factor), "adamw")
    for x in INPUTS[: last - 1]:
        compiled.step(x)
        eager.step(x)
    compiled.agrees(eager)
    for _ in range(2):
        with pytest.raises(kind) as found:
            compiled.step(INPUTS[last])
        assert found.value is error
        compiled.agrees(eager)  # who has not taken the step
    with pytest.raises(kind):
        eager.step(INPUTS[last])
    assert eager.schedule.last_epoch == last - 1  # the optimizer has stepped, and the schedule has not
    raising = False
    assert compiled.schedule.last_epoch == last - 1
    compiled.step(INPUTS[last])
    assert compiled.schedule.last_epoch == last
    for p, q in zip(compiled.weights, eager.weights, strict=True):
        np.testing.assert_allclose(p.value, q.value, rtol=1e-11)
