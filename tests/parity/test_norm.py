"""Norms beside PyTorch's: values, derivatives, running statistics."""

import re

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, compile, nn
from clearprop.nn import functional as F

pytest.importorskip("torch")
rng = np.random.default_rng(5)
FLAT, LINE = rng.normal(size=(5, 4)), rng.normal(2.0, 3.0, size=(3, 4, 5))
PLANE, SPACE = rng.normal(size=(2, 4, 3, 2)), rng.normal(size=(2, 4, 2, 2, 2))


def norm(name, x, *args, evaluate=False, second=True, **options):
    named = f"{name}{x.shape} {args} {options}{' in evaluation' * evaluate}"
    return Row(named, getattr(nn, name), f"nn.{name}", (x,), args, options, evaluate, second, rtol=1e-8)


ROWS = [
    *(norm("BatchNorm1d", x, 4, **o) for x in (FLAT, LINE) for o in ({}, {"momentum": 0.3, "eps": 1e-3})),
    *(norm("BatchNorm1d", FLAT, 4, **{k: v}) for k, v in (("momentum", None), ("affine", False))),
    *(norm("BatchNorm1d", FLAT, 4, track_running_stats=False, evaluate=e) for e in (False, True)),
    *(norm("BatchNorm2d", PLANE, 4, evaluate=e) for e in (False, True)),
    *(norm("BatchNorm3d", SPACE, 4, evaluate=e) for e in (False, True)),
    *(norm("InstanceNorm1d", LINE, 4, affine=True, track_running_stats=t, evaluate=t) for t in (False, True)),
    *(
        norm("InstanceNorm1d", LINE, 4, track_running_stats=True, momentum=0.3),
        norm("InstanceNorm1d", LINE[0], 4),
    ),
    *(norm("InstanceNorm2d", PLANE, 4), norm("InstanceNorm2d", PLANE[0], 4, affine=True)),
    *(norm("BatchNorm2d", PLANE, 4, bias=False), norm("InstanceNorm2d", PLANE, 4, affine=True, bias=False)),
    norm("GroupNorm", PLANE, 2, 4, bias=False),
    *(norm("InstanceNorm3d", SPACE, 4), norm("LayerNorm", FLAT, 4), norm("LayerNorm", LINE, (4, 5))),
    *(norm("LayerNorm", FLAT, 4, bias=False), norm("LayerNorm", FLAT, [4], elementwise_affine=False)),
    *(norm("RMSNorm", LINE, 5), norm("RMSNorm", LINE, (4, 5), eps=1e-3), norm("GroupNorm", PLANE, 2, 4)),
    *(
        norm("GroupNorm", FLAT, 2, 4, affine=False),
        norm("GroupNorm", LINE, 4, 4),
        norm("GroupNorm", LINE, 1, 4),
    ),
    *(norm("LocalResponseNorm", PLANE, 2, 0.3, 0.6, 1.5), norm("LocalResponseNorm", LINE, 3)),
    norm(
        "CrossMapLRN2d", PLANE[:, :2], 5, 0.3, 0.6, 1.5, second=False
    ),  # PyTorch's is right for so few channels
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
def test_running_statistics_over_twenty_batches(executor):
    import torch

    ours, theirs = nn.BatchNorm1d(4, momentum=None), torch.nn.BatchNorm1d(4, momentum=None)
    call = compile(ours, executor=executor) if executor else ours
    for k in range(20):
        x = np.random.default_rng(k).normal(k, 1 + k, (8, 4)).astype(np.float32)
        call(x)
        theirs(torch.tensor(x))
    np.testing.assert_allclose(ours.running_mean.value, theirs.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(ours.running_var.value, theirs.running_var.numpy(), rtol=1e-5)
    assert ours.num_batches_tracked.value == 20


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm", "instance_norm"])
def test_a_large_mean_costs_no_digits(name, executor):
    x = np.random.default_rng(0).normal(size=(4, 6, 50)).astype(np.float32) + np.float32(1e4)
    options = {"batch_norm": (None, None, None, None, True), "layer_norm": (50,), "group_norm": (3,)}.get(
        name, ()
    )

    def f(x):
        return getattr(F, name)(x, *options)

    exact = f(x.astype(np.float64))
    got = compile(f, executor=executor)(x) if executor else f(x)
    np.testing.assert_allclose(got, exact, atol=2e-3)  # a last bit of 1e4 is 1e-3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.BatchNorm1d(4)(FLAT[:1]), "more than one number per channel"),
        (lambda: nn.BatchNorm1d(3)(FLAT), "one number per channel, (4,)"),
        (lambda: nn.BatchNorm2d(4)(FLAT), "wants 4 axes"),
        (lambda: F.batch_norm(FLAT, np.zeros(4), np.ones(4), training=True), "statistics that can change"),
        (lambda: nn.LayerNorm(3)(FLAT), "ends in (3,)"),
        (lambda: nn.GroupNorm(3, 4), "groups of one size"),
        (lambda: F.group_norm(FLAT, 3), "3 groups of one size"),
        (lambda: nn.InstanceNorm1d(4)(LINE[..., :1]), "more than one number per channel"),
        (lambda: F.instance_norm(FLAT), "channels of several numbers"),
        (lambda: F.local_response_norm(LINE, 0), "size of 1 or more"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


def test_evaluation_changes_no_statistics():
    layer = nn.BatchNorm1d(4).eval()
    layer(FLAT.astype(np.float32))
    assert not np.any(layer.running_mean.value)
    assert layer.num_batches_tracked.value == 0


def test_reset_forgets_the_statistics():
    layer = nn.BatchNorm1d(4)
    layer(Tensor(FLAT.astype(np.float32)))
    layer.reset_parameters()
    assert not np.any(layer.running_mean.value)
    assert np.all(layer.running_var.value == 1)


def test_cross_map_lrn_is_the_mean_over_channels_around_each():
    x, size = np.random.default_rng(1).normal(size=(2, 7, 2, 3)), 3
    padded = np.pad(x**2, [(0, 0), (1, 1), (0, 0), (0, 0)])
    means = np.stack([padded[:, c : c + size].sum(axis=1) / size for c in range(7)], axis=1)

    found = nn.CrossMapLRN2d(size, 0.3, 0.6, 1.5)(x)

    np.testing.assert_allclose(np.asarray(found), x / (1.5 + 0.3 * means) ** 0.6, rtol=1e-12)


def test_cross_map_lrn_wants_an_odd_size_and_images():
    with pytest.raises(ValueError, match="wants an odd size"):
        nn.CrossMapLRN2d(4)
    with pytest.raises(ValueError, match="wants images"):
        nn.CrossMapLRN2d(3)(np.ones((2, 3, 4)))
