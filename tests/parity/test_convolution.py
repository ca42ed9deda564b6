"""Convolutions, their transposes, margins and resampling beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import nn
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # what PyTorch says of even kernels
rng = np.random.default_rng(5)
LINE, PLANE, SPACE = (rng.normal(size=(2, 4, *lengths)) for lengths in ((9,), (6, 7), (4, 5, 4)))
GIVEN = {1: LINE, 2: PLANE, 3: SPACE}


def module(name, *args, x=None, **options):
    """Return the row of a module; the last letter but one of its name tells how many axes it works along."""
    x = GIVEN[int(name[-2])] if x is None else x
    return Row(f"{name}{args or ''}{options or ''}", getattr(nn, name), f"nn.{name}", (x,), args, options)


def function(name, *args, x=PLANE, **options):
    xs = x if isinstance(x, tuple) else (x,)
    label = f"functional.{name}{args or ''}{options or ''}{[a.shape for a in xs]}"
    return Row(label, getattr(F, name), f"nn.functional.{name}", xs, args, options)


CONVOLUTIONS = [
    *(module(f"Conv{n}d", 4, 6, 3) for n in (1, 2, 3)),
    *(module(f"Conv{n}d", 4, 6, 3, stride=2, padding=1, dilation=1, groups=2) for n in (1, 2, 3)),
    *(module(f"Conv{n}d", 4, 8, 2, padding="same", groups=4) for n in (1, 2, 3)),
    *(module(f"Conv{n}d", 4, 2, 2, stride=3, padding="valid", bias=False) for n in (1, 2)),
    module("Conv1d", 4, 3, 1, stride=4),
    module("Conv1d", 4, 3, 3, padding=4, dilation=2),
    module("Conv1d", 4, 3, 4, padding="same", dilation=2),
    module("Conv2d", 4, 3, (2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2)),
    module("Conv2d", 4, 4, 3, padding=1, groups=4),
    module("Conv2d", 4, 3, (6, 7)),
    module("Conv2d", 4, 3, 3, x=PLANE[0]),
    *(module("Conv1d", 4, 2, 3, padding=2, padding_mode=m) for m in ("reflect", "replicate", "circular")),
    *(
        module("Conv2d", 4, 2, 2, padding="same", padding_mode=m)
        for m in ("reflect", "replicate", "circular")
    ),
    module("Conv3d", 4, 2, 2, padding=(1, 0, 2), padding_mode="circular"),
]
TRANSPOSED = [
    *(module(f"ConvTranspose{n}d", 4, 6, 3) for n in (1, 2, 3)),
    *(module(f"ConvTranspose{n}d", 4, 6, 3, 2, 1, 1, groups=2) for n in (1, 2, 3)),
    module("ConvTranspose1d", 4, 2, 2, stride=3, bias=False),
    module("ConvTranspose1d", 4, 2, 3, stride=1, dilation=3, output_padding=2),
    module("ConvTranspose2d", 4, 4, (2, 3), (2, 1), (0, 1), (1, 0), 4, dilation=(1, 2)),
    module("ConvTranspose2d", 4, 3, 3, x=PLANE[0]),
]
MARGINS = [
    *(
        module(f"{kind}Pad{n}d", 2)
        for n in (1, 2, 3)
        for kind in ("Zero", "Reflection", "Replication", "Circular")
    ),
    *(module(f"ConstantPad{n}d", 1, 3.5) for n in (1, 2, 3)),
    module("ZeroPad2d", (1, 2, -1, 3)),
    module("ReflectionPad1d", (0, 3)),
    module("ReplicationPad2d", (1, 0, 5, 9)),
    module("CircularPad2d", (7, 0, 6, 1)),
    function("pad", (1, 2)),
    function("pad", (1, -2, 0, 1, 2, 0, -1, 0), "constant", 2.0),
    *(
        function("pad", (-1, 2), m, x=LINE[..., :3]) for m in ("reflect", "replicate")
    ),  # a mirror of what is cut
    *(function("pad", (2, 1), m, x=LINE[0]) for m in ("reflect", "replicate", "circular")),
]
COLUMNS = [
    Row("Unfold", nn.Unfold, "nn.Unfold", (PLANE,), (2,)),
    Row("Unfold, all options", nn.Unfold, "nn.Unfold", (PLANE,), ((2, 3),), {"dilation": 2, "padding": 1, "stride": (1, 2)}),
    Row("Unfold, no batch", nn.Unfold, "nn.Unfold", (PLANE[0],), (3,)),
    Row("Fold", nn.Fold, "nn.Fold", (rng.normal(size=(2, 12, 20)),), ((6, 5), 2)),
    Row("Fold, all options", nn.Fold, "nn.Fold", (rng.normal(size=(2, 12, 9)),), ((6, 7), (2, 3)),
        {"dilation": 2, "padding": 1, "stride": 2}),
    Row("Fold, no batch", nn.Fold, "nn.Fold", (rng.normal(size=(4, 20)),), ((6, 5), 2)),
]  # fmt: skip
SHUFFLES = [
    Row("PixelShuffle", nn.PixelShuffle, "nn.PixelShuffle", (PLANE,), (2,)),
    Row("PixelUnshuffle", nn.PixelUnshuffle, "nn.PixelUnshuffle", (rng.normal(size=(2, 3, 6, 9)),), (3,)),
    Row("PixelShuffle, no batch", nn.PixelShuffle, "nn.PixelShuffle", (PLANE[0],), (2,)),
    Row("ChannelShuffle", nn.ChannelShuffle, "nn.ChannelShuffle", (PLANE,), (2,), second=False),
    Row("Upsample", nn.Upsample, "nn.Upsample", (PLANE,), (), {"scale_factor": (2, 1.5), "mode": "bilinear"}),
    Row(
        "UpsamplingNearest2d",
        nn.UpsamplingNearest2d,
        "nn.UpsamplingNearest2d",
        (PLANE,),
        (),
        {"scale_factor": 2},
    ),
    Row("UpsamplingBilinear2d", nn.UpsamplingBilinear2d, "nn.UpsamplingBilinear2d", (PLANE,), ((4, 9),)),
]
NEAREST = [
    function("interpolate", mode=mode, x=x, size=size)
    for mode in ("nearest", "nearest-exact", "area")
    for x, size in ((LINE, 4), (LINE, 14), (PLANE, (3, 11)), (SPACE, (5, 5, 2)))
]
NEAREST += [
    function("interpolate", mode="nearest", x=x, scale_factor=factor)
    for x, factor in (
        (PLANE[:, :, :2, :4], (2.3, 0.5)),
        (PLANE[:, :, :3, :3], 1.3),
        (PLANE[:, :, :3], (1.7, 2.0)),
    )
]
BETWEEN = [
    function("interpolate", mode=mode, x=x, align_corners=corners, **how)
    for mode, x, sizes in (
        ("linear", LINE, [4, 14, 1]),
        ("bilinear", PLANE, [(3, 11), (1, 7)]),
        ("bicubic", PLANE, [(3, 11), (12, 4)]),
        ("trilinear", SPACE, [(5, 5, 2)]),
    )
    for corners in (False, True)
    for how in (*({"size": size} for size in sizes), {"scale_factor": 1.7}, {"scale_factor": 0.6})
]
SMOOTH = [
    function("interpolate", mode=mode, size=size, antialias=True, align_corners=False)
    for mode in ("bilinear", "bicubic")
    for size in ((3, 3), (2, 11), (6, 7), (1, 2))
]
EXACT = [
    function("interpolate", x=LINE, scale_factor=2.3, recompute_scale_factor=True, mode="linear"),
    function("interpolate", x=LINE, scale_factor=2.5),
    function("interpolate", x=LINE, scale_factor=0.3),
]
GRID, GRID3 = rng.uniform(-1.4, 1.4, (2, 3, 5, 2)), rng.uniform(-1.3, 1.3, (2, 2, 3, 2, 3))
SAMPLED = [
    function("grid_sample", x=xs, mode=mode, padding_mode=margin, align_corners=corners)
    for xs, modes in (
        ((PLANE, GRID), ("bilinear", "nearest", "bicubic")),
        ((SPACE, GRID3), ("bilinear", "nearest")),
    )
    for mode in modes
    for margin in ("zeros", "border", "reflection")
    for corners in (False, True)
]
AFFINE = [
    function("affine_grid", (2, 1, 3, 4), corners, x=rng.normal(size=(2, 2, 3))) for corners in (False, True)
] + [function("affine_grid", (2, 1, 2, 3, 1), False, x=rng.normal(size=(2, 3, 4)))]
MODULES = [*CONVOLUTIONS, *TRANSPOSED, *MARGINS, *COLUMNS, *SHUFFLES]
FUNCTIONS = [*NEAREST, *BETWEEN, *SMOOTH, *EXACT, *SAMPLED, *AFFINE]
for row in FUNCTIONS:
    row.second = "grid_sample" not in row.name  # PyTorch has none for most modes
COMPILED = [
    *CONVOLUTIONS[:8],
    *TRANSPOSED[3:6],
    *MARGINS[:4],
    *COLUMNS[1:5:3],
    *SHUFFLES[:6:2],
    *BETWEEN[:2],
    SMOOTH[0],
    SAMPLED[0],
    AFFINE[0],
]


@pytest.mark.parametrize("row", [*MODULES, *FUNCTIONS], ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("row", [*CONVOLUTIONS, *TRANSPOSED, *BETWEEN, *SMOOTH], ids=str)
def test_float32_like_pytorch(row):
    row.rtol = 1e-4  # PyTorch computes where to look in float32
    agree(row, np.float32)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", COMPILED, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


def test_smooth_lengths_that_stay_are_untouched():
    """A factor of 1.1 leaves 7 entries 7: PyTorch copies these. (Its gradient goes by the factor: wrong.)"""
    how = {"mode": "bilinear", "scale_factor": (0.5, 1.1), "antialias": True}
    found = F.interpolate(PLANE, **how)

    right = torch.nn.functional.interpolate(torch.tensor(PLANE), **how).numpy()
    np.testing.assert_allclose(found, right, rtol=1e-12)
    np.testing.assert_allclose(found, F.interpolate(PLANE, size=(3, 7), mode="bilinear", antialias=True))
