"""The affine map and other shapes of the same numbers, beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import nn
from clearprop.nn import functional as F

pytest.importorskip("torch")
X = np.linspace(-1.3, 2.1, 24).reshape(2, 3, 4)
W = np.linspace(0.3, -0.9, 8).reshape(2, 4)


def both(name, *args, **options):
    """Return the row of a module."""
    return Row(f"{name}{args}{options}", getattr(nn, name), f"nn.{name}", (X,), args, options)


ROWS = [
    both("Linear", 4, 5),
    both("Linear", 4, 5, bias=False),
    both("Flatten"),
    both("Flatten", 0, 1),
    both("Unflatten", 2, (2, 2)),
    both("Unflatten", -1, (4, 1)),
    both("Unflatten", dim=1, unflattened_size=(3, 1)),
    Row("functional.linear", F.linear, "nn.functional.linear", (X, W, np.array([0.5, -1.0]))),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float32, executor)
