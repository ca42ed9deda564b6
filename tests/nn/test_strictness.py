"""What losses refuse, and what they give where PyTorch gives NaN: the list that a comparison with PyTorch reads."""

import re

import numpy as np
import pytest

from clearprop import Tensor, compile, nn, optim
from clearprop.nn import functional as F

P, Y = np.array([[0.2, 0.7]]), np.array([[0.0, 1.0]])
LOGITS, CLASSES = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]]), np.array([1, 2])
SGD = optim.SGD([Tensor(1.0)], lr=0.5)

# Where we are stricter than PyTorch 2: (what, the call, a piece of the message). `test_parity.py` reads it.
STRICTER = (
    ("softplus with beta <= 0", lambda: F.softplus(LOGITS, beta=0.0), "softplus(beta=): wants a number above 0"),
    ("softplus with beta <= 0", lambda: nn.Softplus(beta=-1.0), "Softplus(beta=): wants a number above 0"),
    ("shapes that broadcast", lambda: F.mse_loss(np.ones((3, 1)), np.ones(3)), "the same shape twice"),
    ("steps of a schedule that are no steps", lambda: optim.StepLR(SGD, 0), "StepLR(step_size=): wants a whole number"),
    ("steps of a schedule that are no steps", lambda: optim.StepLR(SGD, 1.5), "as a whole number: 1.5"),
    ("steps of a schedule that are no steps", lambda: optim.CosineAnnealingLR(SGD, 0), "CosineAnnealingLR(T_max=): wants"),
    ("negative rates", lambda: optim.ExponentialLR(SGD, -0.5), "wants a finite number of 0 or more"),
    ("rates that are NaN", lambda: optim.SGD([Tensor(1.0)], lr=np.nan), "SGD(lr=): wants a number of 0 or more"),
)  # fmt: skip
# What PyTorch refuses as well.
ALIKE = (
    (lambda: F.softplus(LOGITS, beta="1"), "wants a number above 0"),
    (lambda: F.cross_entropy(LOGITS, CLASSES, weight=np.ones(1)), "one weight per class, 3"),
    (lambda: F.nll_loss(LOGITS, CLASSES, weight=np.ones((1, 3))), "one weight per class, 3"),
    (lambda: F.cross_entropy(LOGITS, LOGITS * 0 + 1 / 3, ignore_index=1), "integer labels"),
    (lambda: F.binary_cross_entropy_with_logits(P, Y, pos_weight=np.ones((3, 1))), "without enlarging"),
    (lambda: F.binary_cross_entropy_with_logits(P, Y, weight=np.ones((3, 2))), "without enlarging"),
    (lambda: optim.SGD([Tensor(1.0)], lr="1e-4"), "SGD(lr=): wants a number of 0 or more"),
    (lambda: F.binary_cross_entropy(P, Y + 0.5), "y from 0.5 to 1.5"),
    (lambda: F.binary_cross_entropy(P, -Y), "y from -1 to"),
    (lambda: nn.BCELoss()(P + 0.5, Y), "x from 0.7 to 1.2"),
    (lambda: F.binary_cross_entropy(P, np.array([[np.nan, 2.0]])), "y from 2 to 2"),
    (lambda: nn.BCELoss(weight=np.ones(3))(P, Y), "without enlarging"),
    (lambda: F.binary_cross_entropy(P, Y, weight=np.ones((4, 2))), "without enlarging"),
    (lambda: F.binary_cross_entropy_with_logits(P, Y, pos_weight=np.ones(3)), "wants a pos_weight"),
    (lambda: nn.HuberLoss(delta=0.0), "HuberLoss(delta=): wants a number above 0"),
    (lambda: F.huber_loss(P, Y, delta=-1.0), "huber_loss(delta=): wants a number above 0"),
    (lambda: F.huber_loss(P, Y, delta=np.nan), "wants a number above 0"),
    (lambda: F.cross_entropy(LOGITS, CLASSES, weight=np.ones(2)), "one weight per class, 3"),
    (lambda: F.cross_entropy(LOGITS, LOGITS * 0 + 1 / 3, weight=np.ones(4)), "one weight per class, 3"),
    (lambda: nn.CrossEntropyLoss(ignore_index=1)(LOGITS, LOGITS * 0 + 1 / 3), "ignores a class of integer labels"),
)  # fmt: skip


@pytest.mark.parametrize(("call", "text"), [(call, text) for _, call, text in STRICTER] + list(ALIKE))
def test_refused(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


@pytest.mark.parametrize("compiled", [False, "numpy", "llvm"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, np.array([0.5, 1.0, 2.0])])
def test_a_batch_of_ignored_labels_has_no_mean_and_no_gradient(compiled, smoothing, weight):
    if compiled == "llvm":
        pytest.importorskip("llvmlite")
    logits = Tensor(LOGITS)

    def step(y):
        logits.grad = None
        loss = F.cross_entropy(logits, y, weight=weight, label_smoothing=smoothing)
        loss.backward()
        return loss

    run = compile(step, executor=compiled) if compiled else step
    run(CLASSES)
    loss = run(np.array([-100, -100]))

    assert np.isnan(float(loss))
    assert logits.grad.tolist() == [[0.0] * 3] * 2


def test_an_ignored_row_counts_as_nothing_even_where_it_is_infinite():
    logs = Tensor([[-np.inf, 0.0], [-1.0, -2.0]])
    loss = F.nll_loss(logs, np.array([-100, 0]))
    loss.backward()

    assert float(loss) == 1.0
    assert logs.grad.tolist() == [[0.0, 0.0], [-1.0, 0.0]]


def test_weights_that_fit_still_weigh():
    each = F.binary_cross_entropy(P, Y, weight=np.array([2.0, 0.5]), reduction="none")

    assert np.allclose(each, [[-2 * np.log(0.8), -0.5 * np.log(0.7)]])
    assert F.binary_cross_entropy(P, Y, weight=2.0) == 2 * F.binary_cross_entropy(P, Y)


@pytest.mark.parametrize(
    "kept", [np.ones((1, 2), complex), np.array([["1", "2"]]), np.array([["2020-01-01"] * 2], "M8[D]")]
)
@pytest.mark.parametrize(
    "call",
    [
        lambda x: nn.Linear(2, 2)(x),
        lambda x: nn.Conv1d(1, 1, 1)(x[:, None]),
        lambda x: nn.ConvTranspose1d(1, 1, 1)(x[:, None]),
        lambda x: nn.LSTM(2, 2)(x),
        lambda x: nn.MSELoss()(Tensor(np.ones((1, 2))), x),
    ],
)
def test_what_is_no_real_number_is_refused(call, kept):
    with pytest.raises(TypeError, match="wants real numbers"):
        call(kept)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(2), (0, 2)),
        (nn.BatchNorm2d(2), (3, 2, 0, 4)),
        (nn.InstanceNorm1d(2, track_running_stats=True), (0, 2, 5)),
    ],
)
def test_running_statistics_follow_numbers_not_their_absence(layer, shape):
    out = layer(Tensor(np.ones(shape, np.float32)))
    np.sum(out).backward()

    assert out.shape == shape
    assert layer.running_mean.value.tolist() == [0, 0]
    assert layer.running_var.value.tolist() == [1, 1]
