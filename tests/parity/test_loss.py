"""Losses and distances beside PyTorch's."""

import re

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, nn
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(3)
X, Z = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
SIGNS, SIGN = np.sign(rng.normal(size=(5, 4))), np.array([1.0, -1.0, 1.0, -1.0, -1.0])
SHARES = rng.dirichlet(np.ones(4), 5)
LOGS = np.log(rng.dirichlet(np.ones(4), 5))
COUNTS = rng.integers(0, 5, (5, 4)).astype(float)
CLASSES = rng.integers(0, 4, 5)
LABELS = np.array([[3, 0, -1, 1], [0, 1, 2, 3], [-1, -1, 0, 0], [2, -1, -1, -1], [1, 1, 3, -1]])
BITS = rng.integers(0, 2, (5, 4)).astype(float)
VAR = rng.uniform(0.1, 2.0, (5, 4))
VAR[0, 0] = 1e-9


FAR = Z[::-1].copy()
WEIGHT = np.array([1.0, 2.0, 0.5, 0.1])
WIDE = np.random.default_rng(4).normal(size=(6, 16))


def loss(name, *inputs, fixed=(), reductions=("mean", "sum", "none"), **options):
    """Return the rows of a loss, one for each reduction."""
    called = " ".join([name, *options])
    return [
        Row(
            f"{called} {r}",
            getattr(nn, name),
            f"nn.{name}",
            inputs,
            (),
            options | {"reduction": r},
            fixed=fixed,
        )
        for r in reductions
    ]


def clustered(head_bias):
    """Return the row of a softmax in clusters."""
    options = {"div_value": 2.0, "head_bias": head_bias}
    inputs = (WIDE, np.array([0, 2, 3, 7, 8, 11]))
    made = (nn.AdaptiveLogSoftmaxWithLoss, "nn.AdaptiveLogSoftmaxWithLoss")
    return Row(f"clusters {options}", *made, inputs, (16, 12, [3, 5, 8]), options)


def with_layer(y, **options):
    """Return the rows of a last layer with its cross entropy."""
    made = (nn.LinearCrossEntropyLoss, "nn.LinearCrossEntropyLoss")
    return [
        Row(f"layer {r} {list(options)}", *made, (X, y), (4, 4), options | {"reduction": r})
        for r in ("mean", "sum", "none")
    ]


ROWS = [
    clustered(False), clustered(True),
    *with_layer(CLASSES), *with_layer(CLASSES, bias=True, weight=WEIGHT.astype(np.float64), ignore_index=2),
    *with_layer(CLASSES, label_smoothing=0.1),
    Row("functional.linear_cross_entropy", F.linear_cross_entropy, "nn.functional.linear_cross_entropy",
        (X, Z[:3], CLASSES % 3), (), {"label_smoothing": 0.2}),
    Row("functional.linear_cross_entropy by blocks", F.linear_cross_entropy, "nn.functional.linear_cross_entropy",
        (np.tile(X, (60, 1)), rng.normal(size=(1000, 4)), np.arange(60 * len(X)) * 7 % 1000), (), {"label_smoothing": 0.2}),
    *loss("MSELoss", X, Z), *loss("L1Loss", X, Z), *loss("HuberLoss", X, Z, delta=0.7),
    *(
        Row(f"functional.{name} weight {r}", getattr(F, name), f"nn.functional.{name}", (X, Z), (),
            {"weight": VAR, "reduction": r})
        for name in ("mse_loss", "l1_loss", "huber_loss") for r in ("mean", "sum", "none")
    ),
    *loss("BCELoss", SHARES, BITS, fixed=(1,)), *loss("BCEWithLogitsLoss", X, BITS, fixed=(1,)),
    *loss("BCEWithLogitsLoss", X, BITS, fixed=(1,), pos_weight=WEIGHT),
    *loss("NLLLoss", LOGS, CLASSES), *loss("NLLLoss", LOGS, CLASSES, ignore_index=1),
    *loss("CrossEntropyLoss", X, CLASSES),
    *loss("CrossEntropyLoss", X, SHARES, label_smoothing=0.2, fixed=(1,)),
    *loss("SmoothL1Loss", X, Z), *loss("SmoothL1Loss", X, Z, beta=0.3), *loss("SmoothL1Loss", X, Z, beta=0.0),
    *loss("KLDivLoss", LOGS, SHARES, reductions=("sum", "none", "batchmean")),
    *loss("KLDivLoss", LOGS, np.log(SHARES), log_target=True, reductions=("sum", "none", "batchmean")),
    *loss("PoissonNLLLoss", X, COUNTS, fixed=(1,)), *loss("PoissonNLLLoss", X, COUNTS, full=True, fixed=(1,)),
    *loss("PoissonNLLLoss", VAR, COUNTS, log_input=False, fixed=(1,)),
    *loss("GaussianNLLLoss", X, Z, VAR), *loss("GaussianNLLLoss", X, Z, VAR, full=True),
    *loss("GaussianNLLLoss", X, Z, VAR[:, :1]), *loss("GaussianNLLLoss", X, Z, VAR[:, 1]),
    *loss("SoftMarginLoss", X, SIGNS, fixed=(1,)),
    *loss("MarginRankingLoss", X[:, 0], Z[:, 0], SIGN, fixed=(2,)),
    *loss("MarginRankingLoss", X, Z, SIGNS, margin=0.5, fixed=(2,)),
    *loss("HingeEmbeddingLoss", X, SIGNS, fixed=(1,)),
    *loss("HingeEmbeddingLoss", X, SIGNS, margin=0.2, fixed=(1,)),
    *loss("MultiMarginLoss", X, CLASSES), *loss("MultiMarginLoss", X[0], np.array(CLASSES[0])),
    *loss("MultiMarginLoss", X, CLASSES, margin=0.4, weight=WEIGHT),
    *loss("MultiLabelMarginLoss", X, LABELS), *loss("MultiLabelMarginLoss", X[0], LABELS[0]),
    *loss("MultiLabelSoftMarginLoss", X, BITS, fixed=(1,)),
    *loss("MultiLabelSoftMarginLoss", X, BITS, weight=WEIGHT, fixed=(1,)),
    *loss("CosineEmbeddingLoss", X, Z, SIGN, fixed=(2,)),
    *loss("CosineEmbeddingLoss", X, Z, SIGN, margin=0.2, fixed=(2,)),
    *loss("TripletMarginLoss", X, Z, FAR),
    *loss("TripletMarginLoss", X, Z, FAR, p=1.0, swap=True, margin=2.0),
    *loss("TripletMarginWithDistanceLoss", X, Z, FAR),
    *loss("TripletMarginWithDistanceLoss", X, Z, FAR, swap=True),
    Row("CosineSimilarity", nn.CosineSimilarity, "nn.CosineSimilarity", (X, Z)),
    Row("CosineSimilarity, one beside all", nn.CosineSimilarity, "nn.CosineSimilarity", (X[:1], Z), (0,)),
    Row("CosineSimilarity, one number", nn.CosineSimilarity, "nn.CosineSimilarity", (X[0, :1], Z)),
    Row("CosineSimilarity 0", nn.CosineSimilarity, "nn.CosineSimilarity", (X, Z), (0, 1e-3)),
    Row("PairwiseDistance", nn.PairwiseDistance, "nn.PairwiseDistance", (X, Z)),
    Row("PairwiseDistance 1", nn.PairwiseDistance, "nn.PairwiseDistance", (X, Z), (1.0, 1e-6, True)),
    Row("normalize", F.normalize, "nn.functional.normalize", (X,)),
    *(Row(f"normalize {p} (0, 1)", F.normalize, "nn.functional.normalize", (X,), (p, (0, 1))) for p in (1.0, 2.0, 3.0, np.inf)),
    Row("normalize 1 0", F.normalize, "nn.functional.normalize", (X, 1.0, 0)),
    Row("pdist", F.pdist, "nn.functional.pdist", (X,), second=False),
]  # fmt: skip
SQUARED = Row(
    "MultiMarginLoss squared", nn.MultiMarginLoss, "nn.MultiMarginLoss", (X, CLASSES), (2,), second=False
)
ONCE = ("MultiMargin", "MultiLabelMargin", "pdist")  # no second derivative in PyTorch
for row in ROWS:
    row.second = not any(name in row.name for name in ONCE)


@pytest.mark.parametrize("row", [*ROWS, SQUARED], ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", [*ROWS[::3], SQUARED, *ROWS[-7:]], ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


# --- connectionist temporal classification ------------------------------------------------------------------
TIME = rng.normal(size=(7, 4, 5))
TARGETS = np.array([[1, 2, 2, 0], [3, 0, 0, 0], [4, 4, 4, 4], [1, 2, 3, 0]])
STEPS, LENGTHS = np.array([7, 5, 7, 4]), np.array([3, 1, 4, 3])
JOINED = np.concatenate([row[:n] for row, n in zip(TARGETS, LENGTHS, strict=True)])


def ours(x, *given, **options):
    return F.ctc_loss(F.log_softmax(x, -1), *given, **options)


def theirs(x, *given, **options):
    return torch.nn.functional.ctc_loss(torch.log_softmax(x, -1), *given, **options)


torch.nn.functional.ctc_of_logits = theirs  # PyTorch's derivative is that after log_softmax
SOME = (TIME, TARGETS, STEPS, LENGTHS)
GIVEN = {
    "padded": SOME,
    "joined": (TIME, JOINED, STEPS, LENGTHS),
    "alone": (TIME[:, 0], TARGETS[0, :3], np.array(STEPS[0]), np.array(LENGTHS[0])),
    "empty targets": (TIME, TARGETS, STEPS, LENGTHS * 0),
    "too short": (TIME, TARGETS, STEPS * 0 + 4, LENGTHS),
}


def ctc(what, **options):
    named = f"ctc {what} {options}"
    return Row(named, ours, "nn.functional.ctc_of_logits", GIVEN[what], (), options, second=False)


CTC = [ctc(what, reduction=r) for what in list(GIVEN)[:4] for r in ("mean", "sum", "none")]
SHORT = ctc("too short", zero_infinity=True)


@pytest.mark.parametrize("row", [*CTC, SHORT], ids=str)
def test_ctc_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", [CTC[0], CTC[4], SHORT], ids=str)
def test_ctc_compiled(row, executor):
    agree(row, np.float64, executor)


@pytest.mark.parametrize("labels", [np.zeros(0, int), np.zeros((1, 0), int)], ids=["joined", "rows"])
def test_ctc_of_no_labels_at_all(labels):
    x = rng.normal(size=(4, 1, 3))
    row = Row("ctc of nothing", ours, "nn.functional.ctc_of_logits", (x, labels, np.array([4]), np.array([0])), second=False)  # fmt: skip
    for executor in ("", "numpy"):
        agree(row, executor=executor)


def test_ctc_long_targets_and_its_plain_derivative():
    """60 labels in 200 steps; the derivative by differences, of log-probabilities that do not add up to 1."""
    x = np.random.default_rng(0).normal(size=(200, 1, 6)) - 1
    y = np.random.default_rng(1).integers(1, 6, (1, 60))
    t = Tensor(x)
    F.ctc_loss(t, y, np.array([200]), np.array([60]), reduction="sum").backward()
    d = np.random.default_rng(2).normal(size=x.shape)
    ends = [F.ctc_loss(x + s * d, y, np.array([200]), np.array([60]), reduction="sum") for s in (1e-5, -1e-5)]
    assert np.isclose((t.grad * d).sum(), (ends[0] - ends[1]) / 2e-5, rtol=1e-7)


def test_an_impossible_target_is_infinitely_unlikely_and_changes_nothing_where_left_out():
    x = Tensor(TIME[:2])
    loss = F.ctc_loss(x, TARGETS, np.full(4, 2), LENGTHS, reduction="none", zero_infinity=True)
    assert loss.value[0] == 0
    loss.sum().backward()
    assert not np.any(np.isnan(x.grad))
    assert not np.any(x.grad[:, 0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.SmoothL1Loss(beta=-1.0), "wants 0 or more"),
        (lambda: F.gaussian_nll_loss(X, Z, -VAR), "wants 0 or more"),
        (lambda: F.gaussian_nll_loss(X, Z, np.ones(3)), "one variance per entry"),
        (lambda: nn.MultiMarginLoss(p=3)(X, CLASSES), "is 1 or 2"),
        (lambda: F.multi_margin_loss(X, CLASSES + 3), "classes from 0 to 3"),
        (lambda: F.multilabel_margin_loss(X, LABELS + 3), "labels below 4"),
        (lambda: F.multilabel_margin_loss(X, LABELS[:2]), "labels of x's shape"),
        (lambda: F.cosine_embedding_loss(X, Z, SIGNS), "n signs"),
        (lambda: F.margin_ranking_loss(X, Z, SIGN), "the same shape three times"),
        (lambda: nn.TripletMarginLoss(0.0), "a number above 0"),
        (lambda: F.pdist(X[0]), "rows of numbers"),
        (lambda: nn.KLDivLoss("average"), "KLDivLoss(reduction=)"),
        (lambda: F.ctc_loss(TIME, TARGETS, STEPS + 9, LENGTHS), "4 lengths of at most 7"),
        (lambda: F.ctc_loss(TIME, TARGETS + 3, STEPS, LENGTHS), "labels from 0 to 4 other than the blank"),
        (lambda: F.ctc_loss(TIME, TARGETS, STEPS, LENGTHS, blank=7), "other than the blank"),
    ],
)
def test_refused(call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call()
