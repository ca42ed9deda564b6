"""Pooling and unpooling beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, compile, manual_seed, nn
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(6)
LINE, PLANE, SPACE = (rng.normal(size=(2, 3, *lengths)) for lengths in ((11,), (7, 8), (5, 6, 5)))
GIVEN = {"1d": LINE, "2d": PLANE, "3d": SPACE}


def each(kind, *args, axes=("1d", "2d", "3d"), x=None, **options):
    """Return the rows of a kind of module along one, two and three axes."""
    return [
        Row(f"{kind}{n}{args[:4]}{options}", getattr(nn, kind + n), f"nn.{kind}{n}", (GIVEN[n] if x is None else x,), args, options)
        for n in axes
    ]  # fmt: skip


PLANES = ("2d",)
POSITIVE = np.abs(PLANE) + 0.1
MODULES = [
    *each("MaxPool", 2),
    *each("MaxPool", 3, stride=2, padding=1),
    *each("MaxPool", 3, 2, 1, 2, ceil_mode=True),
    *each("MaxPool", 2, return_indices=True, ceil_mode=True),
    *each("MaxPool", (3, 2), (2, 3), (1, 0), (1, 2), return_indices=True, axes=PLANES),
    *each("MaxPool", 1, 2, ceil_mode=True),
    *each("MaxPool", 2, axes=PLANES, x=PLANE[0]),
    *each("AvgPool", 2),
    *each("AvgPool", 3, stride=2, padding=1),
    *each("AvgPool", 3, 2, 1, count_include_pad=False),
    *each("AvgPool", 3, 2, 1, ceil_mode=True),
    *each("AvgPool", 3, 2, 1, ceil_mode=True, count_include_pad=False),
    *each("AvgPool", 2, divisor_override=3, axes=("2d", "3d")),
    *each("LPPool", 2, 3),
    *each("LPPool", 3, 2, ceil_mode=True, axes=PLANES, x=POSITIVE),
    *each("LPPool", 1.5, 3, stride=2, axes=PLANES, x=POSITIVE),
    *each("AdaptiveAvgPool", 1),
    *each("AdaptiveAvgPool", 3),
    *each("AdaptiveAvgPool", (None, 4), axes=PLANES),
    *each("AdaptiveAvgPool", (9, 3), axes=PLANES),
    *each("AdaptiveMaxPool", 1),
    *each("AdaptiveMaxPool", 3, True),
    *each("AdaptiveMaxPool", (None, 4), True, axes=PLANES),
    *each("AdaptiveMaxPool", (9, 3), axes=PLANES),
    *each("FractionalMaxPool", 2, 3, None, True, rng.random((2, 3, 2)), axes=PLANES),
    *each("FractionalMaxPool", 2, 3, None, True, rng.random((2, 3, 3)), axes=("3d",)),
    *each("FractionalMaxPool", (2, 1), None, (0.5, 0.7), False, rng.random((2, 3, 2)), axes=PLANES),
]
UNPOOLED = []
for pool in ("1d", "2d", "3d"):
    x = torch.tensor(GIVEN[pool][..., :4] if pool != "3d" else SPACE[:, :, :4, :, :4])
    values, places = getattr(torch.nn, f"MaxPool{pool}")(2, return_indices=True)(x)
    given = (values.numpy().copy(), places.numpy())
    UNPOOLED.append(
        Row(f"MaxUnpool{pool}", getattr(nn, f"MaxUnpool{pool}"), f"nn.MaxUnpool{pool}", given, (2,))
    )
UNPOOLED.append(
    Row("max_unpool2d of a size", F.max_unpool2d, "nn.functional.max_unpool2d", (np.ones((1, 1, 2, 2)), np.array([[[[0, 3], [11, 19]]]])),
        (2, None, 0, (4, 5)))
)  # fmt: skip
for row in MODULES:
    if row.name.startswith("Fractional") or "MaxPool3d" in row.name:
        row.second = not row.name.startswith("Fractional")
COMPILED = [*MODULES[:9:2], *MODULES[20:27], *MODULES[30:40:3], *MODULES[-12:-3:2], *UNPOOLED[:2]]


@pytest.mark.parametrize("row", [*MODULES, *UNPOOLED], ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("row", MODULES[::2], ids=str)
def test_float32_like_pytorch(row):
    agree(row, np.float32)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", COMPILED, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_windows_at_random_are_drawn_anew_in_every_call_of_a_compiled_step(executor):
    manual_seed(3)
    pool = nn.FractionalMaxPool2d(2, output_ratio=0.6)
    step = compile(lambda x: pool(x), executor=executor)
    x = np.arange(400.0).reshape(1, 1, 20, 20)
    seen = {step(x).numpy().tobytes() for _ in range(5)}

    assert len(seen) == 5
    assert pool(Tensor(x)).shape == (1, 1, 12, 12)
