"""Several schedules on one optimizer, and learning rates that a person sets, beside PyTorch's."""

import itertools

import numpy as np
import pytest

from clearprop import Tensor, optim
from clearprop.optim.schedule import Schedule

MAKE = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 5, 5], "gamma": 0.1},
    "ExponentialLR": {"gamma": 0.9},
    "LambdaLR": {"lr_lambda": lambda n: 1 / (1 + n)},
    "LinearLR": {"start_factor": 0.25, "total_iters": 4},
    "CosineAnnealingLR": {"T_max": 5, "eta_min": 0.001},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 30},
    "ConstantLR": {"factor": 0.25, "total_iters": 4},
    "PolynomialLR": {"total_iters": 14, "power": 1.5},
    "MultiplicativeLR": {"lr_lambda": lambda n: 0.5 + n / 20},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2},
    "ReduceLROnPlateau": {"patience": 1, "factor": 0.5},
}
CHAINED = [
    "StepLR",
    "MultiStepLR",
    "ExponentialLR",
    "LinearLR",
    "CosineAnnealingLR",
    "ConstantLR",
    "PolynomialLR",
]
ABSOLUTE = ["LambdaLR", "OneCycleLR"]
METRICS = [3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]

pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch remarks on the order of calls


def both(lrs=(0.2,)):
    """An optimizer of ours and PyTorch's, with a group for each learning rate."""
    torch = pytest.importorskip("torch")
    ours = [{"params": [Tensor(1.0)], "lr": lr} for lr in lrs]
    theirs = [{"params": [torch.zeros(1)], "lr": lr} for lr in lrs]
    return optim.SGD(ours, lr=1.0, momentum=0.9), torch.optim.SGD(theirs, lr=1.0, momentum=0.9)


def module(optimizer):
    if isinstance(optimizer, optim.Optimizer):
        return optim
    return pytest.importorskip("torch").optim.lr_scheduler


def made(name, optimizer):
    return getattr(module(optimizer), name)(optimizer, **MAKE[name])


def advance(schedule, n):
    schedule.step(*[METRICS[n]] * ("Plateau" in type(schedule).__name__))


def lrs(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def test_every_schedule_of_pytorchs_that_exists_is_among_the_pairs():
    names = [name for name in optim.__all__ if isinstance(getattr(optim, name), type)]
    # PyTorch keeps SWALR in swa_utils: tests/parity/test_averaging.py has it after another schedule.
    apart = {"Schedule", "WarmupCosineLR", "SWALR"}
    plain = {n for n in names if issubclass(getattr(optim, n), Schedule)} - apart

    assert plain | {"ReduceLROnPlateau"} == MAKE.keys()


def fits(pair):
    """Beside another schedule PyTorch's CyclicLR begins at that one's first rate, ours at its own base_lr."""
    return "CyclicLR" not in pair


@pytest.mark.parametrize("pair", [*filter(fits, itertools.product(MAKE, repeat=2))], ids="+".join)
def test_two_schedules_compose_as_pytorchs(pair):
    ours, theirs = both((0.2, 0.05))
    schedules = [[made(name, optimizer) for name in pair] for optimizer in (ours, theirs)]
    np.testing.assert_allclose(lrs(ours), lrs(theirs), rtol=1e-12, err_msg="at first")
    for n in range(12):
        for one, other in zip(*schedules, strict=True):
            advance(other, n)
            if min(lrs(theirs)) < 0:  # below eta_min PyTorch's cosine turns the sign: gradient ascent
                with pytest.raises(ValueError, match=r"step\(\): wants a learning rate of 0 or more"):
                    advance(one, n)
                return
            advance(one, n)
        np.testing.assert_allclose(lrs(ours), lrs(theirs), rtol=1e-11, err_msg=f"step {n}")


def test_the_product_of_two_that_fall_by_half():
    optimizer = optim.SGD([Tensor(1.0)], lr=1.0)
    first, second = optim.ExponentialLR(optimizer, 0.5), optim.StepLR(optimizer, 1, 0.5)
    seen = []
    for _ in range(3):
        first.step()
        second.step()
        seen.append(optimizer.lr)

    assert seen == [0.25, 0.0625, 0.015625]


@pytest.mark.parametrize(
    "pair",
    [*filter(fits, itertools.permutations(sorted(set(MAKE) - {"ReduceLROnPlateau"}), 2))],
    ids="+".join,
)
def test_one_after_the_other_as_pytorchs(pair):
    ours, theirs = both((0.2, 0.05))
    follow = [
        module(o).SequentialLR(o, [made(name, o) for name in pair], milestones=[4]) for o in (ours, theirs)
    ]
    for n in range(12):
        np.testing.assert_allclose(lrs(ours), lrs(theirs), rtol=1e-11, err_msg=f"step {n}")
        for schedule in follow:
            schedule.step()


@pytest.mark.parametrize("milestones", [[0, 3], [3, 3], [1, 6]])
def test_three_in_a_row_with_every_kind_of_milestones(milestones):
    ours, theirs = both()
    names = ["LinearLR", "ExponentialLR", "CosineAnnealingLR"]
    follow = [module(o).SequentialLR(o, [made(n, o) for n in names], milestones) for o in (ours, theirs)]
    for n in range(10):
        np.testing.assert_allclose(lrs(ours), lrs(theirs), rtol=1e-11, err_msg=f"step {n}")
        for schedule in follow:
            schedule.step()


@pytest.mark.parametrize("name", CHAINED)
@pytest.mark.parametrize("when", [0, 3, 7])
def test_a_rate_set_by_hand_goes_on_as_in_pytorch(name, when):
    ours, theirs = both()
    schedules = made(name, ours), made(name, theirs)
    for n in range(12):
        if n == when:
            ours.lr = 0.03
            theirs.param_groups[0]["lr"] = 0.03
        for schedule in schedules:
            schedule.step()
        np.testing.assert_allclose(lrs(ours), lrs(theirs), rtol=1e-11, err_msg=f"step {n}")


@pytest.mark.parametrize("set_it", ["attribute", "group"])
def test_a_rate_set_by_hand_survives_the_next_step(set_it):
    optimizer = optim.SGD([Tensor(1.0)], lr=0.2)
    schedule = optim.StepLR(optimizer, 10)
    schedule.step()
    if set_it == "attribute":
        optimizer.lr = 0.03
    else:
        optimizer.param_groups[0]["lr"] = 0.03
    schedule.step()

    assert optimizer.lr == 0.03


@pytest.mark.parametrize("name", ABSOLUTE)
def test_what_is_set_anew_in_each_step_goes_on_in_proportion(name):
    plain, moved = (optim.SGD([Tensor(1.0)], lr=0.2, momentum=0.9) for _ in range(2))
    straight, schedule = made(name, plain), made(name, moved)
    for n in range(10):
        if n == 4:
            moved.lr = 3 * moved.lr
        straight.step()
        schedule.step()
        assert moved.lr == pytest.approx(plain.lr * (3 if n >= 4 else 1), rel=1e-12)


def test_a_schedule_of_ones_own_keeps_a_rate_set_by_hand():
    class Halves(Schedule):
        def rate(self, base, count):
            return base * 0.5**count

    optimizer = optim.SGD([Tensor(1.0)], lr=1.0)
    schedule = Halves(optimizer)
    schedule.step()
    optimizer.lr = 0.3
    schedule.step()

    assert optimizer.lr == pytest.approx(0.15)


@pytest.mark.parametrize("pair", [*itertools.combinations(MAKE, 2)], ids="+".join)
@pytest.mark.parametrize("turned", [False, True], ids=["", "loaded the other way round"])
def test_saved_pairs_go_on(pair, turned):
    def start():
        optimizer = optim.SGD([Tensor(1.0)], lr=0.2, momentum=0.9)
        return optimizer, [made(name, optimizer) for name in pair]

    straight, schedules = start()
    for n in range(5):
        for schedule in schedules:
            advance(schedule, n)
    resumed, others = start()
    loads = [lambda: resumed.load_state_dict(straight.state_dict())] + [
        lambda one=one, other=other: other.load_state_dict(one.state_dict())
        for one, other in zip(schedules, others, strict=True)
    ]
    for load in loads[::-1] if turned else loads:
        load()
    for n in range(5, 12):
        assert resumed.lr == straight.lr
        for schedule in (*schedules, *others):
            advance(schedule, n)


def test_a_saved_sequence_goes_on_over_its_milestone():
    def start():
        optimizer = optim.SGD([Tensor(1.0)], lr=0.2)
        parts = [optim.LinearLR(optimizer, 0.5, total_iters=2), optim.ExponentialLR(optimizer, 0.5)]
        return optimizer, optim.SequentialLR(optimizer, parts, [3])

    for stopped in range(6):
        straight, schedule = start()
        for _ in range(stopped):
            schedule.step()
        resumed, other = start()
        other.load_state_dict(schedule.state_dict())
        for _ in range(4):
            assert resumed.lr == straight.lr
            schedule.step()
            other.step()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda o: optim.SequentialLR([optim.StepLR(o, 1)], []),
            "wants optimizer as an optimizer",
        ),
        (lambda o: optim.SequentialLR(o, [], []), "one milestone between"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)], [3]), "one milestone between"),
        (lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 3, [3, 2]), "in rising order"),
        (lambda o: optim.SequentialLR(o, [optim.ReduceLROnPlateau(o)], []), "without a metric"),
        (
            lambda o: optim.SequentialLR(o, [optim.StepLR(optim.SGD([Tensor(1.0)]), 1)], []),
            "of its optimizer",
        ),
        (lambda o: optim.StepLR(o, 0), r"StepLR\(step_size=\): wants a whole number of 1 or more: 0"),
        (lambda o: optim.StepLR(o, 1.5), "wants step_size as a whole number"),
        (lambda o: optim.StepLR(o, 1, -0.5), "wants a finite number of 0 or more: -0.5"),
        (lambda o: optim.ExponentialLR(o, "0.5"), "wants gamma as a number: '0.5'"),
        (lambda o: optim.CosineAnnealingLR(o, 0), r"CosineAnnealingLR\(T_max=\): wants a whole number"),
        (lambda o: optim.LinearLR(o, total_iters=0), "wants a whole number of 1 or more"),
        (lambda o: optim.MultiStepLR(o, [-1]), "wants a whole number of 0 or more"),
        (lambda o: optim.LambdaLR(o, [abs, abs]), "wants a function, or 1 of them"),
        (lambda o: optim.OneCycleLR(o, float("nan"), 5), "wants a finite number"),
        (lambda o: optim.LambdaLR(o, lambda n: -1.0), "of 0 or more: it would set -0.2"),
        (
            lambda o: optim.StepLR(o, 2).load_state_dict(optim.ExponentialLR(o, 1.0).state_dict()),
            "ExponentialLR",
        ),
    ],
)
def test_what_makes_no_schedule_is_refused(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call(optim.SGD([Tensor(1.0)], lr=0.2))


BAD = [-0.1, float("nan"), "1e-4", None, True, [0.1, 0.2], np.ones(2), {}, -float("inf")]


@pytest.mark.parametrize("bad", BAD, ids=repr)
@pytest.mark.parametrize("name", ["lr", "weight_decay"])
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop])
def test_numbers_set_by_hand_are_checked_as_in_the_constructor(kind, name, bad):
    with pytest.raises(ValueError, match="wants a"):
        kind([Tensor(1.0)], **{name: bad})
    optimizer = kind([Tensor(1.0)], lr=0.1)
    before = dict(optimizer.param_groups[0])
    with pytest.raises(ValueError, match="wants a"):
        optimizer.param_groups[0][name] = bad
    if name == "lr":
        with pytest.raises(ValueError, match="wants a"):
            optimizer.lr = bad

    assert dict(optimizer.param_groups[0]) == before


@pytest.mark.parametrize("good", [0, 0.0, 1, np.float32(0.5), np.array(0.25), Tensor(0.1)], ids=repr)
def test_numbers_of_every_kind_can_be_set(good):
    optimizer = optim.Adam([Tensor(1.0)])
    optimizer.lr = good

    assert optimizer.lr == float(good)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("betas", (0.9, 1.5)), ValueError),
        (("betas", 0.9), ValueError),
        (("amsgrad", 3.0), ValueError),
        (("learning_rate", 0.1), KeyError),
    ],
)
def test_other_options_are_checked_too(change, error):
    optimizer = optim.Adam([Tensor(1.0)])
    before = dict(optimizer.param_groups[0])
    with pytest.raises(error):
        optimizer.param_groups[0][change[0]] = change[1]

    assert dict(optimizer.param_groups[0]) == before


KINDS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "plain SGD": lambda p: optim.SGD(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "AMSGrad": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1),
}


def trained(kind):
    w = Tensor([1.0, 2.0])
    optimizer = KINDS[kind]([w])
    for _ in range(3):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    return optimizer


def told(optimizer):
    return repr(optimizer.state_dict())


@pytest.mark.parametrize("pair", [*itertools.permutations(KINDS, 2)], ids=" into ".join)
def test_a_state_of_another_optimizer_is_refused_whole(pair):
    state, optimizer = trained(pair[0]).state_dict(), trained(pair[1])
    before = told(optimizer)
    if type(optimizer) is type(trained(pair[0])):
        optimizer.load_state_dict(state)
        assert told(optimizer) == told(trained(pair[0])) or "SGD" in pair[0] or "AMSGrad" in pair
        return
    with pytest.raises(ValueError, match=r"load_state_dict\(state\): wants a state of") as caught:
        optimizer.load_state_dict(state)

    assert "Nothing was loaded." in str(caught.value)
    assert told(optimizer) == before


@pytest.mark.parametrize("pair", [*itertools.permutations(["SGD", "Adam", "RMSprop"], 2)], ids=" into ".join)
def test_also_where_only_its_options_or_arrays_tell(pair):
    """As in states that do not say whose they are: PyTorch's, and those written before they did."""
    optimizer, state = trained(pair[1]), trained(pair[0]).state_dict()
    del state["optimizer"]
    mixed = {"state": state["state"], "param_groups": optimizer.state_dict()["param_groups"]}
    before = told(optimizer)
    for foreign in (state, mixed):
        with pytest.raises(ValueError, match="Nothing was loaded"):
            optimizer.load_state_dict(foreign)

    assert told(optimizer) == before


@pytest.mark.parametrize(
    "kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adamax", "NAdam", "Adadelta", "RAdam"]
)
@pytest.mark.parametrize("ours", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_states_of_pytorchs_optimizers_fit_only_their_own_kind(kind, ours):
    torch = pytest.importorskip("torch")
    p = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    options = {"momentum": 0.9} if kind == "SGD" else {}
    theirs = getattr(torch.optim, kind)([p], lr=0.05, **options)
    (p * p).sum().backward()
    theirs.step()
    optimizer = trained(ours)
    before = told(optimizer)
    if kind == ours:
        optimizer.load_state_dict(theirs.state_dict())
        assert optimizer.lr == 0.05
        return
    with pytest.raises(ValueError, match="Nothing was loaded"):
        optimizer.load_state_dict(theirs.state_dict())

    assert told(optimizer) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.pop("param_groups"),
        lambda s: s.update(state=None),
        lambda s: s["param_groups"][0].update(lr=float("nan")),
        lambda s: s["param_groups"][0].update(betas=(0.9, 2.0)),
        lambda s: s["param_groups"][0].pop("eps"),
        lambda s: s["param_groups"].append({"params": []}),
        lambda s: s["state"].update({7: {}}),
        lambda s: s["state"][0].pop("exp_avg"),
        lambda s: s["state"][0].update(exp_avg=np.ones(3)),
        lambda s: s["state"][0].update(exp_avg=np.array(["a", "b"])),
        lambda s: s["state"][0].update(step=np.float64("nan")),
        lambda s: s["state"][0].update(step=np.ones(2)),
    ],
)
def test_a_spoiled_state_changes_nothing(spoil):
    optimizer, state = trained("Adam"), trained("Adam").state_dict()
    before = told(optimizer)
    spoil(state)
    with pytest.raises(ValueError, match="Nothing was loaded"):
        optimizer.load_state_dict(state)

    assert told(optimizer) == before


def test_all_at_once_as_pytorchs():
    ours, theirs = both()
    names = ["ConstantLR", "ExponentialLR", "PolynomialLR"]
    chained = [module(o).ChainedScheduler([made(n, o) for n in names]) for o in (ours, theirs)]
    for n in range(12):
        np.testing.assert_allclose(lrs(ours), lrs(theirs), rtol=1e-11, atol=1e-15, err_msg=f"step {n}")
        for schedule in chained:
            schedule.step()
    again = optim.ChainedScheduler([made(n, ours) for n in names])
    again.load_state_dict(chained[0].state_dict())
    assert again.get_last_lr() == chained[0].get_last_lr()
    with pytest.raises(ValueError, match="the states of 3 schedules"):
        again.load_state_dict({"schedules": []})


RESUMED = [name for name in MAKE if name != "ReduceLROnPlateau"]


def go_on(name, optimizer, last_epoch):
    schedule = getattr(module(optimizer), name)(optimizer, **MAKE[name], last_epoch=last_epoch)
    for _ in range(8):
        yield lrs(optimizer)
        schedule.step()


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.parametrize("last_epoch", [0, 1, 2])  # later PyTorch's CosineAnnealingWarmRestarts loses count
def test_a_schedule_made_with_last_epoch_goes_on_as_in_pytorch(name, last_epoch):
    ours, theirs = both((0.2, 0.05))
    for optimizer in (ours, theirs):
        for _ in zip(range(last_epoch + 2), go_on(name, optimizer, -1), strict=False):
            pass  # to the learning rates that were saved after step last_epoch + 1
    assert lrs(ours) == pytest.approx(lrs(theirs))

    followed = zip(go_on(name, ours, last_epoch), go_on(name, theirs, last_epoch), strict=True)
    for n, (mine, wanted) in enumerate(followed):
        np.testing.assert_allclose(mine, wanted, rtol=1e-11, err_msg=f"step {n}")


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.parametrize("first", [0.05, 0.2, 0.7])
def test_a_schedule_counts_from_an_older_first_rate_as_in_pytorch(name, first):
    ours, theirs = both((0.2, 0.05))
    for optimizer in (ours, theirs):
        for group in optimizer.param_groups:
            group["initial_lr"] = first
    for n, (mine, wanted) in enumerate(zip(go_on(name, ours, -1), go_on(name, theirs, -1), strict=True)):
        np.testing.assert_allclose(mine, wanted, rtol=1e-11, err_msg=f"step {n}")


@pytest.mark.parametrize("name", RESUMED)
def test_a_schedule_cannot_go_on_without_a_first_rate(name):
    for optimizer in both():
        with pytest.raises(KeyError, match=r"initial_lr|max_lr"):
            next(go_on(name, optimizer, 3))


def test_a_sequence_and_a_cycle_that_cannot_go_on_are_refused():
    ours = both()[0]
    made("OneCycleLR", ours)
    with pytest.raises(ValueError, match=r"(?s)last_epoch=2.*initial_lr"):
        optim.OneCycleLR(ours, max_lr=0.7, total_steps=30, last_epoch=2)
    with pytest.raises(ValueError, match=r"(?s)last_epoch=2.*load_state_dict"):
        optim.SequentialLR(ours, [made("StepLR", ours)], last_epoch=2)


@pytest.mark.parametrize("given", [{"initial_lr": 0.5, "lr": 0.1}, {"lr": 0.1, "initial_lr": 0.5}])
def test_a_first_rate_can_be_given_with_the_group_as_in_pytorch(given):
    torch = pytest.importorskip("torch")
    ours = optim.SGD([{"params": [Tensor(1.0)], **given}], lr=1.0, momentum=0.9)
    theirs = torch.optim.SGD([{"params": [torch.zeros(1)], **given}], lr=1.0, momentum=0.9)
    for mine, wanted in zip(
        go_on("CosineAnnealingLR", ours, 1), go_on("CosineAnnealingLR", theirs, 1), strict=True
    ):
        np.testing.assert_allclose(mine, wanted, rtol=1e-11)
