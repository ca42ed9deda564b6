"""Activations and dropout beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, manual_seed, nn
from clearprop.nn import functional as F

pytest.importorskip("torch")
X = np.linspace(-7.03, 7.11, 24).reshape(2, 4, 3)
MATRIX = np.linspace(-1.9, 2.3, 24).reshape(4, 6)


def both(name, *args, x=X, **options):
    """Return the rows of a module."""
    return Row(f"{name}{args or ''}{options or ''}", getattr(nn, name), f"nn.{name}", (x,), args, options)


PLAIN = """ReLU ReLU6 Sigmoid Tanh SiLU GELU LogSigmoid Softplus LeakyReLU ELU SELU CELU Mish Softsign
Tanhshrink Hardtanh Hardsigmoid Hardswish Hardshrink Softshrink PReLU Identity"""
SIMPLE = "relu6 hardsigmoid hardswish selu mish softsign tanhshrink rrelu elu silu logsigmoid gelu"
QUIET = "Dropout Dropout1d AlphaDropout FeatureAlphaDropout"
MODULES = [
    *map(both, PLAIN.split()),
    *(
        both("Hardtanh", -2.0, 0.5),
        both("Hardshrink", 1.5),
        both("Softshrink", 0.0),
        both("Threshold", 0.1, 9.0),
    ),
    *(
        both("CELU", 0.3),
        both("CELU", -0.3),
        both("Softplus", 2.0, 1.5),
        both("ELU", 2.0),
        both("PReLU", 4),
        both("PReLU", 6, 0.1, x=MATRIX),
    ),
    *(both("Softmax", 1), both("LogSoftmax", 0), both("Softmin", -1), both("Softmax2d")),
    *(both("GLU", 1), both("GLU", x=MATRIX)),
    Row("RReLU in evaluation", nn.RReLU, "nn.RReLU", (X,), (0.1, 0.4), evaluate=True),
    *(Row(f"{n} in evaluation", getattr(nn, n), f"nn.{n}", (X,), evaluate=True) for n in QUIET.split()),
]
CALLS = (
    *((name,) for name in SIMPLE.split()),
    *(
        ("hardtanh", -3.0, 3.0),
        ("hardshrink", 2.0),
        ("softshrink", 2.0),
        ("celu", 2.0),
        ("threshold", 1.0, -1.0),
    ),
    *(("glu", 1), ("softmin", 1), ("leaky_relu", 0.2)),
)
FUNCTIONS = [
    Row(f"functional.{name}", getattr(F, name), f"nn.functional.{name}", (X,), args) for name, *args in CALLS
]
ONCE = ("ardsigmoid", "ardswish", "CELU(-0.3")  # no second derivative in PyTorch
ROWS = [
    *MODULES,
    *FUNCTIONS,
    Row("functional.prelu", F.prelu, "nn.functional.prelu", (X, np.array([0.1, 0.2, 0.3, 0.4]))),
]


ROUGH = ("ardsigmoid", "CELU(0.3", "CELU(-0.3")  # PyTorch holds 1/6 and alpha in float32
for row in ROWS:
    row.rtol = 2e-6 if any(name in row.name for name in ROUGH) else row.rtol
    row.second = not any(name in row.name for name in ONCE)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", MODULES, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float32, executor)


@pytest.mark.parametrize("name", ["dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"])
def test_whole_channels_are_dropped(name):
    manual_seed(0)
    x = np.ones((50, 8, *(2,) * int(name[-2] if name[-1] == "d" else 1)))
    y = getattr(F, name)(Tensor(x), 0.25, True).value.reshape(400, -1)
    assert np.all(y == y[:, :1])
    assert 0.15 < np.mean(y[:, 0] != y[:, 0].max()) < 0.35


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(p):
    manual_seed(0)
    x = np.random.default_rng(0).normal(size=200_000)
    y = F.alpha_dropout(x, p, True).value
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02


def test_rrelu_draws_a_slope_for_each_entry():
    manual_seed(0)
    slopes = -nn.RReLU(0.1, 0.4)(-np.ones(10_000)).value
    assert 0.1 <= slopes.min() < 0.11
    assert 0.39 < slopes.max() < 0.4


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax_draws_classes_by_their_probabilities(hard):
    manual_seed(0)
    logits = Tensor(np.tile(np.log([0.1, 0.2, 0.7]), (40_000, 1)))
    y = F.gumbel_softmax(logits, 0.5, hard)
    assert np.allclose(np.bincount(y.value.argmax(axis=1)) / 40_000, [0.1, 0.2, 0.7], atol=0.01)
    assert np.array_equal(np.unique(y.value), [0, 1]) == hard
    y[:, 0].sum().backward()
    assert np.any(logits.grad != 0)
    np.testing.assert_allclose(logits.grad.sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("Hardtanh", 1.0),
        ("Hardtanh", -1.0),
        ("ReLU6", 6.0),
        ("ReLU6", 0.0),
        ("Hardswish", -3.0),
        ("Hardshrink", 0.5),
    ],
)
def test_at_a_corner_the_slope_is_the_one_nearest_to_zero(name, at):
    x = Tensor([at])
    getattr(nn, name)()(x).sum().backward()
    assert x.grad == 0


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.Hardtanh(1.0, -1.0), "min_val below max_val"),
        (lambda: nn.Softshrink(-1.0), "wants 0 or more"),
        (lambda: nn.CELU(0.0), "other than 0"),
        (lambda: nn.RReLU(0.4, 0.1), "lower at most upper"),
        (lambda: F.glu(np.ones(3)), "an even length along axis -1"),
        (lambda: F.prelu(np.ones((2, 3)), np.ones(2)), "one per channel, 3"),
        (lambda: F.dropout2d(np.ones((2, 3)), 0.5), "(n, channels, 2 more)"),
        (lambda: F.gumbel_softmax(np.ones(3), 0.0), "a number above 0"),
        (lambda: nn.AlphaDropout(1.5), "AlphaDropout(p=): wants a probability"),
        (lambda: nn.Softmax2d()(np.ones((2, 3))), "that without n"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=text.replace("(", r"\(").replace(")", r"\)")):
        call()
