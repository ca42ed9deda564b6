"""Refusals beside PyTorch's: the same ones, the same values, and what the list STRICTER says."""

import numpy as np
import pytest
from tests.nn.test_strictness import CLASSES, LOGITS, STRICTER, P, Y

from clearprop import Tensor, optim
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")


def both(name, *arrays, **options):
    """Return a call of a function of ours and the same call of PyTorch's."""
    theirs = getattr(torch.nn.functional, name)
    given = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    return (
        lambda: np.asarray(getattr(F, name)(*arrays, **options)),
        lambda: theirs(*map(torch.tensor, arrays), **given).numpy(),
    )


def made(name, **options):
    """Return the making of an optimizer of ours and the same of PyTorch's."""
    return (
        lambda: getattr(optim, name)([Tensor(1.0)], **options),
        lambda: getattr(torch.optim, name)([torch.ones(1, requires_grad=True)], **options),
    )


def scheduled(name, *args):
    """Return three steps of a schedule of ours and the same of PyTorch's: their learning rates."""

    def rates(optimizer, schedule):
        found = []
        for _ in range(3):
            optimizer.step()
            schedule.step()
            found.append(optimizer.param_groups[0]["lr"])
        return np.array(found)

    def ours():
        optimizer = optim.SGD([Tensor(1.0)], lr=0.5)
        return rates(optimizer, getattr(optim, name)(optimizer, *args))

    def theirs():
        optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.5)
        return rates(optimizer, getattr(torch.optim.lr_scheduler, name)(optimizer, *args))

    return ours, theirs


SHARES = np.full((2, 3), 1 / 3)
SHAPES = ((1,), (2,), (3,), (1, 1), (1, 2), (1, 3), (3, 1), (3, 2), (1, 1, 2))
RATES = (-1.0, 0.0, 0.1, "1e-4", np.nan)
CASES = {
    **{f"softplus beta {b}": both("softplus", LOGITS, beta=b) for b in (-1.0, 0.0, 0.5, 2.0)},
    **{f"huber delta {d}": both("huber_loss", P, Y, delta=d) for d in (-1.0, 0.0, 0.1, 5.0)},
    **{f"bce target {y}": both("binary_cross_entropy", P, Y * 0 + y) for y in (-0.1, 0.0, 0.5, 1.0, 1.1)},
    **{f"bce input {x}": both("binary_cross_entropy", P * 0 + x, Y) for x in (-0.1, 0.0, 0.5, 1.0, 1.1)},
    **{f"bce weight {s}": both("binary_cross_entropy", P, Y, weight=np.ones(s) / 2) for s in SHAPES},
    **{
        f"logits {k} {s}": both("binary_cross_entropy_with_logits", P, Y, **{k: np.ones(s) / 2})
        for s in SHAPES
        for k in ("weight", "pos_weight")
    },
    **{f"classes weight {s}": both("cross_entropy", LOGITS, CLASSES, weight=np.ones(s)) for s in SHAPES},
    **{f"nll weight {s}": both("nll_loss", LOGITS, CLASSES, weight=np.ones(s)) for s in SHAPES},
    **{f"cross entropy label {k}": both("cross_entropy", LOGITS, CLASSES + k) for k in (-2, -1, 0, 1)},
    **{f"nll label {k}": both("nll_loss", LOGITS, CLASSES + k) for k in (-2, -1, 0, 1)},
    **{
        f"probabilities, ignored {k}": both("cross_entropy", LOGITS, SHARES, ignore_index=k)
        for k in (-100, 0, 1)
    },
    **{f"mse {s}": both("mse_loss", np.ones((3, 1)), np.zeros(s)) for s in ((3, 1), (3,), (1,), (2,))},
    **{f"StepLR {n}": scheduled("StepLR", n) for n in (-1, 0, 1, 2, 1.5, "2")},
    **{f"CosineAnnealingLR {n}": scheduled("CosineAnnealingLR", n) for n in (-1, 0, 1, 5, "2")},
    **{f"ExponentialLR {n}": scheduled("ExponentialLR", n) for n in (-0.5, 0.0, 0.5, "1")},
    **{f"{o} lr {v!r}": made(o, lr=v) for o in ("SGD", "Adam", "AdamW") for v in RATES},
    **{f"SGD momentum {v!r}": made("SGD", lr=0.1, momentum=v) for v in (-1.0, 0.0, 0.9, "0.9")},
    **{f"Adam betas {v!r}": made("Adam", betas=v) for v in ((0.9, 1.0), (-0.1, 0.9), (0.0, 0.0), ("a", 0.9))},
}  # fmt: skip


def outcome(call):
    try:
        return call()
    except Exception as error:
        return error


# The cases that PyTorch answers and we refuse, by the entry of STRICTER that says so.
REASONS = {
    "softplus beta -1.0": "softplus with beta <= 0",
    "softplus beta 0.0": "softplus with beta <= 0",
    **{f"mse {s}": "shapes that broadcast" for s in ((3,), (1,), (2,))},
    **{f"StepLR {n}": "steps of a schedule that are no steps" for n in (-1, 1.5)},
    "CosineAnnealingLR -1": "steps of a schedule that are no steps",
    "ExponentialLR -0.5": "negative rates",
    "SGD lr nan": "rates that are NaN",
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_pytorch_answers_alike_or_refuses_too_unless_the_list_says_otherwise(name):
    ours, theirs = map(outcome, CASES[name])

    stricter = isinstance(ours, Exception) and not isinstance(theirs, Exception)
    assert stricter == (name in REASONS), (ours, theirs)
    assert isinstance(ours, Exception) or not isinstance(theirs, Exception), theirs
    if isinstance(ours, np.ndarray):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_the_list_and_the_cases_name_the_same_reasons():
    assert set(REASONS.values()) == {what for what, *_ in STRICTER}
    assert set(REASONS) <= set(CASES)


@pytest.mark.parametrize("made", [("StepLR", 0), ("CosineAnnealingLR", 0)], ids=str)
def test_schedules_that_pytorch_makes_and_cannot_step(made):
    """PyTorch complains in the first step, by a division by 0."""
    name, count = made
    with pytest.raises(ZeroDivisionError):
        scheduled(name, count)[1]()
