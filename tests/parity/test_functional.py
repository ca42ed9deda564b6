"""The functions whose modules are compared elsewhere, called by themselves: one row a name beside PyTorch's."""

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import compile
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(21)
LINE, PLANE, SPACE = (rng.normal(size=(2, 4, *lengths)) for lengths in ((9,), (6, 7), (5, 6, 7)))
WITH_AXES = {"1d": LINE, "2d": PLANE, "3d": SPACE}
X, Z, FAR = rng.normal(size=(5, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
SIGNS, SIGN = np.sign(rng.normal(size=(5, 4))), np.array([1.0, -1.0, 1.0, -1.0, -1.0])
SHARES, CLASSES = rng.dirichlet(np.ones(4), 5), rng.integers(0, 4, 5)
BITS, COUNTS = rng.integers(0, 2, (5, 4)).astype(float), rng.integers(0, 5, (5, 4)).astype(float)
LABELS = np.array([[3, 0, -1, 1], [0, 1, 2, 3], [-1, -1, 0, 0], [2, -1, -1, -1], [1, 1, 3, -1]])
PLACES, TABLE = np.array([[1, 2, 2, 0], [5, 1, 1, 3]]), rng.normal(size=(6, 3))
SCALE, SHIFT = rng.uniform(0.5, 1.5, 4), rng.normal(size=4)
MEANS, SPREADS = rng.normal(size=4), rng.uniform(0.5, 2.0, 4)
RANDOM = {"2d": rng.random((2, 4, 2)), "3d": rng.random((2, 4, 3))}


def call(name, *inputs, fixed=(), second=True, **options):
    """Return the row of a function."""
    described = f"{name} {[np.shape(x) for x in inputs]} {[k for k in options if k[0] != '_']}"
    path = f"nn.functional.{name}"
    return Row(described, getattr(F, name), path, inputs, (), options, fixed=fixed, second=second, rtol=1e-8)


def along(kind, *axes, **options):
    """Return the rows of a function that exists along one, two and three axes."""
    return [call(f"{kind}{n}", WITH_AXES[n], **options) for n in (axes or WITH_AXES)]


def kernel(n, shape):
    """Return weights of a shape, with a window of two or three along each of n axes."""
    return np.random.default_rng(n).normal(size=(*shape, *(2, 3, 2)[:n]))


def unpooled(n):
    """Return the row that puts the largest of windows back where they came from."""
    x = torch.tensor({"1d": LINE[..., :8], "3d": SPACE[:, :, :4, :, :6]}[n])
    values, places = getattr(torch.nn.functional, f"max_pool{n}")(x, 2, return_indices=True)
    return call(f"max_unpool{n}", values.numpy().copy(), places.numpy(), kernel_size=2)


ACTIVATIONS = [
    *(call(name, X) for name in ("relu", "sigmoid", "tanh", "softplus")),
    *(call("softplus", X, beta=2.0, threshold=1.0), call("softmax", X, dim=1), call("log_softmax", X, dim=0)),
]
STILL = [
    call(name, x, p=0.4, training=False)
    for name, x in (("dropout", X), ("dropout1d", LINE), ("dropout2d", PLANE), ("dropout3d", SPACE), ("alpha_dropout", X), ("feature_alpha_dropout", PLANE))
]  # fmt: skip
POOLING = [
    *along("avg_pool", kernel_size=2), *along("avg_pool", kernel_size=3, stride=2, padding=1, ceil_mode=True),
    *along("max_pool", kernel_size=2), *along("max_pool", kernel_size=3, stride=2, padding=1, ceil_mode=True),
    *along("adaptive_avg_pool", output_size=3), *along("adaptive_max_pool", output_size=3),
    *along("lp_pool", norm_type=2.0, kernel_size=2),
    *along("max_pool", kernel_size=2, return_indices=True), *along("adaptive_max_pool", output_size=2, return_indices=True),
    *(call(f"fractional_max_pool{n}", WITH_AXES[n], kernel_size=2, output_size=3, _random_samples=r, second=False) for n, r in RANDOM.items()),
    *(unpooled("1d"), unpooled("3d")),
]  # fmt: skip
CONVOLUTION = [
    *(call(f"conv{n}d", WITH_AXES[f"{n}d"], kernel(n, (3, 4)), SHIFT[:3], stride=2, padding=1) for n in (1, 2, 3)),
    *(call(f"conv{n}d", WITH_AXES[f"{n}d"], kernel(n, (4, 2)), groups=2, dilation=2) for n in (1, 2, 3)),
    *(call(f"conv_transpose{n}d", WITH_AXES[f"{n}d"], kernel(n, (4, 3)), SHIFT[:3], stride=2, padding=1, output_padding=1) for n in (1, 2, 3)),
    *(call(f"conv_transpose{n}d", WITH_AXES[f"{n}d"], kernel(n, (4, 1)), groups=2, dilation=2) for n in (1, 2, 3)),
    *(call("unfold", PLANE, kernel_size=(2, 3), padding=1, stride=2), call("fold", rng.normal(size=(2, 12, 20)), output_size=(6, 5), kernel_size=2)),
    *(call("pixel_shuffle", PLANE, upscale_factor=2), call("pixel_unshuffle", PLANE[..., :6], downscale_factor=3)),
    *(call("conv_tbc", SPACE[0, 0], kernel(1, (7, 3)).transpose(2, 0, 1).copy(), SHIFT[:3], pad=p) for p in (0, 2)),
    call("channel_shuffle", PLANE, groups=2, second=False),
]  # fmt: skip
NORMS = [
    *(call("batch_norm", PLANE, None, None, SCALE, SHIFT, training=True), call("instance_norm", PLANE, None, None, SCALE, SHIFT)),
    call("batch_norm", PLANE, MEANS, SPREADS, SCALE, SHIFT, fixed=(1, 2), eps=1e-3),
    call("instance_norm", LINE, MEANS, SPREADS, fixed=(1, 2), use_input_stats=False),
    *(call("layer_norm", X, normalized_shape=(4,), weight=SCALE, bias=SHIFT), call("group_norm", PLANE, num_groups=2, weight=SCALE, bias=SHIFT)),
    *(call("rms_norm", X, normalized_shape=(4,), weight=SCALE), call("local_response_norm", PLANE, size=3)),
]  # fmt: skip
LOSSES = [
    *(call(name, X, Z) for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")),
    call("binary_cross_entropy", SHARES, BITS, fixed=(1,), weight=SCALE),
    call("binary_cross_entropy_with_logits", X, BITS, fixed=(1,), pos_weight=SCALE),
    call("cross_entropy", X, CLASSES, weight=SCALE, label_smoothing=0.1), call("nll_loss", np.log(SHARES), CLASSES, weight=SCALE),
    call("kl_div", np.log(SHARES), SHARES[::-1].copy(), reduction="batchmean"), call("poisson_nll_loss", X, COUNTS, fixed=(1,), full=True),
    call("gaussian_nll_loss", X, Z, np.abs(FAR) + 0.1), call("hinge_embedding_loss", X, SIGNS, fixed=(1,), margin=0.5),
    call("soft_margin_loss", X, SIGNS, fixed=(1,)), call("margin_ranking_loss", X[:, 0], Z[:, 0], SIGN, fixed=(2,), margin=0.3),
    call("multi_margin_loss", X, CLASSES, second=False, weight=SCALE), call("multilabel_margin_loss", X, LABELS, second=False),
    call("multilabel_soft_margin_loss", X, BITS, fixed=(1,)), call("cosine_embedding_loss", X, Z, SIGN, fixed=(2,), margin=0.2),
    call("triplet_margin_loss", X, Z, FAR, swap=True), call("triplet_margin_with_distance_loss", X, Z, FAR, margin=0.5),
    *(call("cosine_similarity", X, Z, dim=0), call("pairwise_distance", X, Z, p=3.0)),
]  # fmt: skip
ROWS_OF_A_TABLE = [
    *(call("embedding", PLACES, TABLE, padding_idx=1), call("one_hot", PLACES, num_classes=7)),
    call("embedding_bag", PLACES, TABLE, mode="mean", second=False),
    call("bilinear", X, Z, rng.normal(size=(3, 4, 4)), SHIFT[:3]),
]  # fmt: skip
ROWS = [*ACTIVATIONS, *STILL, *POOLING, *CONVOLUTION, *NORMS, *LOSSES, *ROWS_OF_A_TABLE]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


GROUPS = {  # PyTorch wants rows of whole 16 bytes
    "rows": (rng.normal(size=(7, 4)), rng.normal(size=(3, 4, 8)), [2, 2, 7]),
    "columns": (rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 8)), [1, 8]),
    "terms": (rng.normal(size=(3, 8)), rng.normal(size=(8, 4)), [5, 8]),
    "stacks": (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 8)), None),
}


def grouped(kind):
    """Return the row of a product of groups: PyTorch has it in float32 alone, so both sides take it there."""
    *matrices, ends = GROUPS[kind]

    def build(space):
        theirs = space is torch.nn
        offs = None if ends is None else (torch.tensor if theirs else np.array)(ends)

        class Grouped(space.Module):
            def forward(self, a, b, *more):
                a, b = (x.float() if theirs else x.astype(np.float32) for x in (a, b))
                at = more[0].to(torch.int32) if theirs and more else more[0] if more else offs
                return space.functional.grouped_mm(a, b, offs=at)

        return Grouped()

    inputs = (*matrices, *([] if ends is None else [np.array(ends)]))
    path = "nn.functional.grouped_mm"
    return Row(f"grouped_mm of {kind}", None, path, inputs, build=build, rtol=1e-4)


GROUPED = [grouped(kind) for kind in GROUPS]


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"])
@pytest.mark.parametrize("row", GROUPED, ids=str)
def test_products_of_groups_like_pytorch(row, executor):
    agree(row, np.float64, executor)


def test_rows_beyond_the_last_group_give_0_in_both_forms():
    rows, experts, ends = np.ones((4, 2)), np.ones((2, 2, 1)), np.array([1, 3])

    eager = F.grouped_mm(rows, experts, offs=ends)
    planned = compile(lambda n: F.grouped_mm(rows, experts, offs=n), executor="numpy")

    assert np.asarray(eager).ravel().tolist() == [2, 2, 2, 0]
    for _ in range(2):
        assert np.asarray(planned(ends)).ravel().tolist() == [2, 2, 2, 0]
    assert np.asarray(planned(np.array([0, 4]))).ravel().tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offs": np.array([3, 1])}, "rising from 0"), ({"offs": np.array([1, 5])}, "rising from 0"), ({"offs": np.array([1.0, 4.0])}, "wants integers"),
        ({"offs": np.array([4])}, "an end for each group"), ({}, "wants offs for a matrix"), ({"offs": np.array([1, 4]), "bias": np.ones(1)}, "adds no bias"),
    ],
)  # fmt: skip
def test_products_of_groups_say_what_does_not_fit(change, said):
    with pytest.raises((ValueError, TypeError), match=said):
        F.grouped_mm(np.ones((4, 2)), np.ones((2, 2, 1)), **change)
