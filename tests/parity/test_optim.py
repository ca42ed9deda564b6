"""Optimizers, schedules, initialisers and what is drawn at random beside PyTorch's: one row a name and options."""

import pytest
from tests.parity.trajectory import (
    MATRICES,
    OPTIMIZERS,
    SCHEDULES,
    Closure,
    Drawn,
    Rates,
    Trajectory,
)

torch = pytest.importorskip("torch")

OPTIMIZED = [
    *(Trajectory(name, options) for name, options in OPTIMIZERS),
    Trajectory("Adam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    *(Trajectory(name, options, [(4, 3), (2, 5)]) for name, options in MATRICES),
    *(Trajectory("SparseAdam", options, [(4, 3)]) for options in ({"lr": 0.01}, {"lr": 0.05, "betas": (0.8, 0.95)})),
]  # fmt: skip
CLOSURES = [Closure(options) for options in ({"lr": 0.1}, {"line_search_fn": "strong_wolfe"}, {"max_iter": 4, "history_size": 2, "line_search_fn": "strong_wolfe"})]  # fmt: skip


def rates(name, options):
    """Return the row of a schedule with its options; the one that ends is as long as the row."""
    steps = options.get("total_steps", 201) - 1
    return Rates(
        name, lambda space, optimizer: getattr(space, name)(optimizer, **options), options, steps=steps
    )


def in_sequence(space, optimizer):
    parts = [space.LinearLR(optimizer, 0.5, total_iters=9), space.ExponentialLR(optimizer, 0.97)]
    return space.SequentialLR(optimizer, parts, milestones=[20])


def chained(space, optimizer):
    return space.ChainedScheduler(
        [space.ConstantLR(optimizer, 0.1, 30), space.ExponentialLR(optimizer, 0.97)]
    )


def plateau(space, optimizer):
    return space.ReduceLROnPlateau(optimizer, patience=3, factor=0.7, cooldown=1)


SCHEDULED = [
    *(rates(name, options) for name, options in SCHEDULES),
    *(Rates("SequentialLR", in_sequence), Rates("ChainedScheduler", chained), Rates("ReduceLROnPlateau", plateau, measured=True)),
]  # fmt: skip


def bounded(space, optimizer):
    return space.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, min_lr=[0.03])


SCHEDULED.append(Rates("ReduceLROnPlateau", bounded, {"min_lr": []}, measured=True))


def initialised(name, *args, exact=False, planned=True, shape=(200, 50, 6), **options):
    """Return the row of an initialiser."""
    return Drawn(
        f"{name} {args} {options}",
        lambda nn, x: getattr(nn.init, name)(x, *args, **options),
        f"nn.init.{name}",
        shape,
        exact,
        planned,
    )


INITIALISED = [
    *(initialised("uniform_"), initialised("uniform_", -1.0, 3.0), initialised("normal_"), initialised("normal_", 1.0, 0.5)),
    *(initialised("trunc_normal_", planned=False), initialised("trunc_normal_", 0.5, 2.0, -1.0, 1.5, planned=False), initialised("constant_", 2.5, exact=True)),
    *(initialised("ones_", exact=True), initialised("zeros_", exact=True), initialised("eye_", exact=True, shape=(3, 5))),
    *(initialised("dirac_", exact=True, shape=(4, 2, 3, 4)), initialised("dirac_", 2, exact=True, shape=(4, 2, 3))),
    *(initialised("xavier_uniform_"), initialised("xavier_uniform_", 2.0), initialised("xavier_normal_"), initialised("orthogonal_", shape=(300, 200))),
    *(initialised("kaiming_uniform_", nonlinearity="relu"), initialised("kaiming_uniform_", 0.3, "fan_out"), initialised("kaiming_normal_", nonlinearity="tanh")),
    *(initialised("orthogonal_", 2.0, shape=(60, 40, 5)), initialised("sparse_", 0.3, shape=(300, 200)), initialised("sparse_", 0.1, 0.5, shape=(300, 200))),
]  # fmt: skip


def drawn(name, *args, entry=1, **options):
    """Return the row of a function that draws: of an array of one number."""

    def draw(nn, x):
        return getattr(nn.functional, name)(x + entry, *args, **options)

    return Drawn(f"functional.{name} {args}", draw, f"nn.functional.{name}")


DRAWN = [
    *(drawn("gumbel_softmax", 0.7, entry=0), drawn("gumbel_softmax", 0.7, True, entry=0), drawn("rrelu", 0.1, 0.4, True, entry=-1)),
    *(drawn(name, 0.3, True) for name in ("dropout", "dropout1d", "alpha_dropout", "feature_alpha_dropout")),
]  # fmt: skip
ROWS = [*OPTIMIZED, *CLOSURES, *SCHEDULED, *INITIALISED, *DRAWN]


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row, executor):
    row.agree(executor)
