"""What a beginner's mistakes are answered with: NumPy's reason, the line, and something to try."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.advice import advice

SIX, PAIR, NET = Tensor(np.ones((2, 3))), Tensor(np.ones(2)), nn.Linear(2, 3)

MISTAKES = [
    (lambda: PAIR + SIX, ValueError, r"reshape\(\(2, 1\)\) of what is \(2,\)"),
    (lambda: np.add(Tensor(np.ones(3)), np.ones(4)), ValueError, r"x\[:, None\] pairs"),
    (lambda: SIX.reshape(4, 2), ValueError, "-1 for one axis, or a product of 6"),
    (lambda: SIX.sum(axis=5), np.exceptions.AxisError, "an axis from -2 to 1"),
    (lambda: Tensor(2.0).sum(axis=1), np.exceptions.AxisError, "it without axis"),
    (lambda: SIX[7], IndexError, "an index from -2 to 1 along axis 0"),
    (lambda: PAIR[1, 2], IndexError, "no more indices than axes: 1"),
    (lambda: np.concatenate([SIX, Tensor(np.ones((2, 2)))]), ValueError, "every other axis, or np.stack"),
    (lambda: np.stack([PAIR, Tensor(np.ones(3))]), ValueError, "np.concatenate, which joins"),
    (lambda: np.squeeze(SIX, axis=0), ValueError, "an axis of length 1"),
    (lambda: np.transpose(SIX, (0, 1, 2)), ValueError, "each axis once"),
    (lambda: np.split(Tensor(np.ones(5)), 2), ValueError, "np.array_split"),
    (lambda: np.dot(PAIR, Tensor(np.ones(3))), ValueError, "two vectors of the same length"),
    (lambda: np.einsum("ij,jk", SIX, PAIR.reshape(2, 1)), ValueError, "wherever a letter stands"),
    (lambda: PAIR ^ 2, TypeError, r"t \*\* 2 for a power"),
    (lambda: PAIR ** "2", TypeError, r"float\(text\)"),
    (lambda: SIX.mean(axis="0"), TypeError, "the number without quotes"),
    (lambda: Tensor([[1, 2], [3]]), ValueError, "filled up to one length"),
    (lambda: np.add(PAIR, [[1, 2], [3]]), ValueError, "filled up to one length"),
    (lambda: nn.Embedding(3, 2)(np.array([0, 5])), IndexError, "a table of 6 rows"),
    (lambda: nn.Linear(2.5, 2), ValueError, r"Linear\(20, 32\)"),
    (lambda: len(Tensor(2.0)), TypeError, r"t.reshape\(1\)"),
    (lambda: optim.SGD(NET.parameters, lr=0.1), TypeError, r"model.parameters\(\), with brackets"),
    (lambda: (Tensor(2.0) * 3).backward("x"), TypeError, r"backward\(np.ones\(output.shape\)\)"),
    (lambda: clearprop.grad(lambda v: v * v)("3"), TypeError, r"float\(text\)"),
]


@pytest.mark.parametrize(("mistake", "kind", "cure"), MISTAKES)
def test_a_mistake_is_answered_with_a_cure(mistake, kind, cure):
    with pytest.raises(kind, match=f"(?s)Try .*{cure}"):
        mistake()


def test_the_cures_that_are_told_work():
    assert (PAIR.reshape(2, 1) + SIX).shape == (2, 3)
    assert SIX.reshape(-1, 2).shape == (3, 2)
    assert [x.shape for x in np.array_split(Tensor(np.ones(5)), 2)] == [(3,), (2,)]
    assert PAIR.reshape(2)[:, None].shape == (2, 1)


def test_nothing_is_told_of_what_is_not_known():
    assert advice("the moon is full", (np.ones(3),)) == ""
