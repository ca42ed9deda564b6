"""Learning-rate schedules: the numbers of PyTorch's, and a saved one goes on."""

import copy
import pickle
from decimal import Decimal

import numpy as np
import pytest
from tests.parity.trajectory import SCHEDULES as CASES

from clearprop import Tensor, optim, scan


def make(module, params, kind="SGD"):
    return getattr(module, kind)(params, lr=0.2, **({"momentum": 0.9} if kind == "SGD" else {}))


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.filterwarnings("ignore")  # PyTorch remarks on the order of calls
def test_equals_pytorch(name, options, kind):
    torch = pytest.importorskip("torch")
    ours, theirs = make(optim, [Tensor(1.0)], kind), make(torch.optim, [torch.zeros(1)], kind)
    schedule = getattr(optim, name)(ours, **options)
    reference = getattr(torch.optim.lr_scheduler, name)(theirs, **options)

    for _ in range(12):
        np.testing.assert_allclose(schedule.get_last_lr(), reference.get_last_lr(), rtol=1e-12)
        for option in ("momentum", "betas"):
            if option in ours.param_groups[0]:
                np.testing.assert_allclose(
                    ours.param_groups[0][option], theirs.param_groups[0][option], rtol=1e-12
                )
        schedule.step()
        reference.step()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_saved_schedule_goes_on(name, options):
    straight = getattr(optim, name)(make(optim, [Tensor(1.0)]), **options)
    for _ in range(7):
        straight.step()
    resumed = getattr(optim, name)(make(optim, [Tensor(1.0)]), **options)
    resumed.load_state_dict(straight.state_dict())
    assert resumed.get_last_lr() == straight.get_last_lr()
    straight.step()
    resumed.step()
    assert resumed.get_last_lr() == straight.get_last_lr()


@pytest.mark.parametrize(
    "options", [{}, {"mode": "max"}, {"threshold_mode": "abs", "threshold": 0.3, "cooldown": 2}]
)
def test_the_plateau_is_pytorchs(options):
    torch = pytest.importorskip("torch")
    ours, theirs = make(optim, [Tensor(1.0)]), make(torch.optim, [torch.zeros(1)])
    schedule = optim.ReduceLROnPlateau(ours, patience=2, factor=0.5, min_lr=0.01, **options)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, patience=2, factor=0.5, min_lr=0.01, **options
    )
    rng = np.random.default_rng(0)
    for metric in np.concatenate([np.linspace(3, 1, 5), 1 + 0.1 * rng.normal(size=30)]):
        schedule.step(metric)
        reference.step(metric)
        assert schedule.get_last_lr() == pytest.approx([theirs.param_groups[0]["lr"]], rel=1e-15)


def test_schedules_follow_one_another():
    optimizer = make(optim, [Tensor(1.0)])
    schedules = [optim.LinearLR(optimizer, 0.5, total_iters=2), optim.StepLR(optimizer, 1, 0.1)]
    schedule = optim.SequentialLR(optimizer, schedules, milestones=[3])
    seen = [schedule.get_last_lr()[0]]
    for _ in range(5):
        schedule.step()
        seen.append(schedule.get_last_lr()[0])
    np.testing.assert_allclose(seen, [0.1, 0.15, 0.2, 0.2, 0.02, 0.002])
    state = schedule.state_dict()
    schedule.step()
    schedule.load_state_dict(state)
    np.testing.assert_allclose(schedule.get_last_lr(), [0.002])


def test_setting_the_rate_changes_no_structure():
    optimizer = optim.Adam([Tensor(1.0)])
    before = optimizer.structure()
    schedule = optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=5)
    for _ in range(4):
        schedule.step()
    assert optimizer.structure() == before


def test_a_schedule_in_the_body_of_a_scan_would_count_once():
    schedule = optim.StepLR(make(optim, [Tensor(1.0)]), 1)

    def body(total, x):
        schedule.step()
        return total + x, total

    with pytest.raises(RuntimeError, match=r"StepLR.step\(\): counts once in the body of a scan"):
        scan(body, Tensor(0.0), np.ones(4))
    assert schedule.last_epoch == 0


@pytest.mark.parametrize("metric", [np.ones(3), Tensor(np.ones(3)), None, "0.5", 1j, [1.0], 10**400])
def test_a_metric_is_one_number(metric):
    schedule = optim.ReduceLROnPlateau(make(optim, [Tensor(1.0)]))
    with pytest.raises(TypeError, match=r"ReduceLROnPlateau.step\(metric\): wants one real number"):
        schedule.step(metric)
    assert schedule.last_epoch == 0
    schedule.step(Decimal("0.5"))
    schedule.step(np.float32(0.25))
    assert schedule.best == 0.25


@pytest.mark.parametrize("given", [None, "a", [1.0]])
@pytest.mark.parametrize("name", ["LambdaLR", "MultiplicativeLR"])
def test_a_function_that_gives_no_number_is_named(name, given):
    schedule = getattr(optim, name)(make(optim, [Tensor(1.0)]), lambda n: given if n > 1 else 1.0)
    schedule.step()
    with pytest.raises(TypeError, match=rf"(?s){name}\(lr_lambda=\): wants a function.*for step 2"):
        schedule.step()


def test_groups_that_came_later_want_a_new_schedule():
    optimizer = make(optim, [Tensor(1.0)])
    schedule = optim.StepLR(optimizer, 1)
    optimizer.add_param_group({"params": Tensor(2.0)})
    with pytest.raises(ValueError, match=r"(?s)wants the groups that it was made with: 2 groups, not 1"):
        schedule.step()


def test_a_copy_of_a_schedule_counts_by_itself():
    schedule = optim.CosineAnnealingLR(make(optim, [Tensor(1.0)]), 9)
    schedule.step()
    for other in (copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert (other.last_epoch, other.get_last_lr()) == (1, schedule.get_last_lr())
        other.step()
        assert (other.last_epoch, schedule.last_epoch) == (2, 1)


def test_more_steps_than_one_cycle_has_are_refused():
    schedule = optim.OneCycleLR(make(optim, [Tensor(1.0)]), max_lr=1.0, total_steps=2)
    schedule.step()
    schedule.step()
    with pytest.raises(ValueError, match=r"OneCycleLR.step\(\): wants at most 2 steps: 3"):
        schedule.step()


def test_a_state_goes_on_by_its_own_settings_and_an_older_one_without_them_by_the_new_ones():
    first, other = make(optim, [Tensor(1.0)]), make(optim, [Tensor(1.0)])
    schedule, second = optim.StepLR(first, 2, 0.5), optim.StepLR(other, 1, 0.1)
    schedule.step()
    state = schedule.state_dict()
    second.load_state_dict(state)

    assert (second.step_size, second.gamma) == (2, 0.5)
    old = {name: value for name, value in state.items() if name not in ("step_size", "gamma")}
    third = optim.StepLR(make(optim, [Tensor(1.0)]), 1, 0.1)
    third.load_state_dict(old)
    assert (third.step_size, third.gamma, third.last_epoch) == (1, 0.1, 1)


def test_functions_of_a_schedule_are_no_part_of_its_state():
    schedule = optim.LambdaLR(make(optim, [Tensor(1.0)]), lambda n: 0.5**n)
    assert not any(
        callable(v) or (isinstance(v, list) and any(map(callable, v))) for v in schedule.state_dict().values()
    )


def worse(o, schedule):
    plateau = optim.ReduceLROnPlateau(o, patience=0)
    plateau.step(0.0)
    plateau.step(1.0)


STEPPING = {
    "its own": lambda o, s: s.step(),
    "another's": lambda o, s: optim.ExponentialLR(o, 0.5).step(),
    "by hand": lambda o, s: setattr(o, "lr", 0.3),
    "a plateau's": worse,
}


@pytest.mark.parametrize("kind", [optim.LambdaLR, optim.MultiplicativeLR])
@pytest.mark.parametrize("step", STEPPING.values(), ids=STEPPING)
@pytest.mark.parametrize("guarded", [False, True])
def test_a_function_that_steps_would_be_set_over_so_it_is_refused(kind, step, guarded):
    o, turns = optim.SGD([Tensor(1.0)], lr=1.0, momentum=0.9), []

    def factor(n):
        if n == 2 and not (guarded and turns):
            turns.append(n)
            step(o, schedule)
        return 0.5

    schedule = kind(o, factor)
    schedule.step()
    before = schedule.state_dict()

    for _ in range(2):
        turns.clear()
        with pytest.raises(RuntimeError, match=r"LR.step\(\): asks its function what the learning rate is"):
            schedule.step()
        assert schedule.state_dict() == before


def test_a_step_that_ends_in_an_error_counts_nothing():
    o = optim.SGD([{"params": [Tensor(1.0)]}, {"params": [Tensor(2.0)]}], lr=1.0)
    broken = [True]

    def factor(n):
        if n == 3 and broken:
            raise OSError("no such file")
        return 0.5**n

    parts = [optim.ExponentialLR(o, 0.9), optim.LambdaLR(o, [lambda n: 0.1**n, factor])]
    schedule = optim.ChainedScheduler(parts)
    schedule.step()
    schedule.step()
    with pytest.raises(OSError, match="no such file"):
        schedule.step()
    broken.clear()
    schedule.step()

    assert [part.last_epoch for part in parts] == [3, 3]
    np.testing.assert_allclose(schedule.get_last_lr(), [1e-3, 0.125])
