"""Losses: values and gradients of PyTorch's, stable at huge logits, strict about shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearprop import Tensor, compile, grad, nn
from clearprop.nn import functional as F

RNG = np.random.default_rng(0)
REDUCTIONS = ["mean", "sum", "none"]


def compare(name, x, y, options, rtol=1e-12, atol=1e-14):
    """Run our loss and PyTorch's on the same numbers; compare values and gradients by the prediction."""
    torch = pytest.importorskip("torch")
    prediction, reference = Tensor(x), torch.tensor(x, requires_grad=True)
    arrays = {k: v for k, v in options.items() if isinstance(v, np.ndarray)}
    ours = getattr(nn, name)(**options)(prediction, y)
    theirs = getattr(torch.nn, name)(**options | {k: torch.tensor(v) for k, v in arrays.items()})(
        reference, torch.tensor(y)
    )
    np.testing.assert_allclose(ours.value, theirs.detach().numpy(), rtol=rtol, atol=atol)
    g = RNG.normal(size=ours.shape).astype(ours.dtype)
    ours.backward(g)
    theirs.backward(torch.tensor(g))
    np.testing.assert_allclose(prediction.grad, reference.grad.numpy(), rtol=rtol, atol=atol)
    assert ours.dtype == x.dtype
    assert prediction.grad.dtype == x.dtype


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "HuberLoss"])
def test_distances_equal_pytorch(name, reduction):
    compare(name, 2 * RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3)), {"reduction": reduction})


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, np.array([0.5, 1.0, 2.0])])
def test_bce_equals_pytorch(reduction, weight):
    x = RNG.uniform(0.01, 0.99, size=(6, 3))
    compare("BCELoss", x, RNG.uniform(size=(6, 3)), {"reduction": reduction, "weight": weight})
    options = {"reduction": reduction, "weight": weight, "pos_weight": np.array([3.0, 0.5, 1.0])}
    compare("BCEWithLogitsLoss", 3 * RNG.normal(size=(6, 3)), RNG.uniform(size=(6, 3)), options)
    del options["pos_weight"]
    compare(
        "BCEWithLogitsLoss", 3 * RNG.normal(size=(6, 3)), RNG.integers(2, size=(6, 3)).astype(float), options
    )


def test_bce_of_certain_probabilities_is_bounded_as_in_pytorch():
    torch = pytest.importorskip("torch")
    x, y = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    p, reference = Tensor(x), torch.tensor(x, requires_grad=True)
    loss = nn.BCELoss(reduction="none")(p, y)
    theirs = torch.nn.BCELoss(reduction="none")(reference, torch.tensor(y))
    loss.backward(np.ones(4))
    theirs.sum().backward()
    assert loss.value.tolist() == theirs.tolist() == [0, 0, 100, 100]
    np.testing.assert_allclose(p.grad[2:], reference.grad.numpy()[2:], rtol=1e-8)
    assert p.grad[:2].tolist() == [1, -1]  # the true derivatives, where PyTorch says 0


CLASS_SHAPES = [((4,), ()), ((6, 4), (6,)), ((2, 4, 3), (2, 3)), ((2, 4, 3, 2), (2, 3, 2))]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), CLASS_SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_nll_equals_pytorch(shape, labels, reduction, weighted):
    options = {"reduction": reduction, "weight": np.array([0.5, 1.0, 2.0, 3.0]) if weighted else None}
    compare("NLLLoss", RNG.normal(size=shape), RNG.integers(4, size=labels), options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), CLASS_SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_equals_pytorch(shape, labels, reduction, weighted, smoothing):
    weight = np.array([0.5, 1.0, 2.0, 3.0]) if weighted else None
    options = {"reduction": reduction, "weight": weight, "label_smoothing": smoothing}
    compare("CrossEntropyLoss", 3 * RNG.normal(size=shape), RNG.integers(4, size=labels), options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("shape", "labels"), CLASS_SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_with_probabilities_equals_pytorch(shape, labels, reduction, weighted, smoothing):
    weight = np.array([0.5, 1.0, 2.0, 3.0]) if weighted else None
    target = RNG.uniform(size=shape)
    target /= target.sum(axis=1 if len(shape) > 1 else 0, keepdims=True)
    options = {"reduction": reduction, "weight": weight, "label_smoothing": smoothing}
    compare("CrossEntropyLoss", 3 * RNG.normal(size=shape), target, options)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ignored", [-100, 2])
def test_ignored_labels_count_as_nothing_as_in_pytorch(reduction, weighted, smoothing, ignored):
    weight = np.array([0.5, 1.0, 2.0, 3.0]) if weighted else None
    labels = np.array([0, ignored, 3, 1, ignored, 2])
    options = {
        "reduction": reduction, "weight": weight, "label_smoothing": smoothing, "ignore_index": ignored,
    }  # fmt: skip
    compare("CrossEntropyLoss", RNG.normal(size=(6, 4)), labels, options)


def test_float32_predictions_keep_float32_whatever_the_target():
    compare(
        "MSELoss", RNG.normal(size=(5, 1)).astype("f4"), RNG.normal(size=(5, 1)).astype("f4"), {}, 1e-6, 1e-7
    )
    assert nn.MSELoss()(Tensor(np.ones(2, "f4")), np.ones(2)).dtype == np.float32
    assert (
        nn.CrossEntropyLoss(weight=[1.0, 2.0])(Tensor(np.ones((3, 2), "f4")), [0, 1, 1]).dtype == np.float32
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_overflows_at_logits_of_ten_thousand(dtype):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    x = Tensor(logits)
    loss = nn.CrossEntropyLoss(reduction="sum")(x, np.array([1, 1]))
    loss.backward()
    assert loss.value == dtype(2e4 + np.log(2))
    np.testing.assert_allclose(x.grad, [[1, -1, 0], [0, -0.5, 0.5]], atol=1e-7)

    x = Tensor(logits)
    loss = nn.BCEWithLogitsLoss(reduction="sum")(x, np.array([[0, 1, 0], [0, 1, 0]], dtype))
    loss.backward()
    assert loss.value == dtype(3e4 + np.log(2))
    np.testing.assert_allclose(x.grad, [[1, -1, 0.5], [0, 0, 1]], atol=1e-7)


@settings(deadline=None)
@given(st.floats(-50, 50), st.sampled_from([0.0, 1.0]))
def test_bce_with_logits_is_accurate_to_the_last_digits(x, y):
    sign = 1 - 2 * y
    exact = np.log1p(np.exp(-abs(x))) + max(sign * x, 0.0)
    np.testing.assert_allclose(
        F.binary_cross_entropy_with_logits(np.array([x]), np.array([y])), exact, rtol=1e-15
    )


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.BCELoss(), nn.BCEWithLogitsLoss()]
)
def test_a_column_against_a_row_is_an_error_with_the_fix(loss):
    with pytest.raises(
        ValueError, match=r"wants the same shape twice: prediction \(4, 1\) float32, target \(4,\)"
    ) as e:
        loss(Tensor(np.ones((4, 1), np.float32)), np.ones(4))
    assert str(e.value).endswith("Try loss(prediction[..., 0], target), or target[..., None].")
    with pytest.raises(ValueError, match=r"Try loss\(prediction, target\[..., 0\]\)\.$"):
        loss(np.ones(4), np.ones((4, 1)))
    with pytest.raises(ValueError, match="Try a target of the prediction's shape"):
        loss(np.ones((2, 3)), np.ones(3))


@pytest.mark.parametrize(
    ("x", "y", "error", "text"),
    [
        (np.ones((3, 2)), np.array([0, 2, 1]), ValueError,
         "cross_entropy(x, y): wants classes from 0 to 1, one per column of x: 2.\n"
         "  x is (3, 2) float64.\n  Try 3 outputs in the last layer."),
        (np.ones((3, 2)), np.array([0, -1, 1]), ValueError, "Try ignore_index=-1."),
        (np.ones((3, 2)), np.array([[0], [1], [1]]), ValueError, "Try y[:, 0], labels without an axis"),
        (np.ones((3, 2)), np.array([0.0, 1.0, 1.0]), TypeError,
         "cross_entropy(x, y): wants classes as integers: y is (3,) float64.\n  Try y.astype(np.int64)."),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_explained(x, y, error, text):
    with pytest.raises(error) as caught:
        nn.CrossEntropyLoss()(x, y)
    assert text in str(caught.value)


def test_probabilities_outside_of_their_range_are_explained():
    with pytest.raises(ValueError, match=r"wants probabilities from 0 to 1: x from -0.5 to 2") as caught:
        nn.BCELoss()(np.array([-0.5, 2.0]), np.array([0.0, 1.0]))
    assert "Try BCEWithLogitsLoss() for a model without a final Sigmoid." in str(caught.value)


def test_an_unknown_reduction_is_explained():
    with pytest.raises(ValueError, match=r"MSELoss\(reduction=\): is 'mean', 'sum' or 'none': 'average'"):
        nn.MSELoss(reduction="average")


def test_the_lectures_softmax_loss():
    x = Tensor([[1.0, 2.0, 3.0]])
    loss = nn.CrossEntropyLoss()(x, np.array([1]))
    loss.backward()
    np.testing.assert_allclose(loss.value, 1.4076059644443801, rtol=1e-15)
    np.testing.assert_allclose(
        x.grad, [[0.09003057317038, -0.755271528945202, 0.665240955774822]], rtol=1e-13
    )


def test_plain_arrays_give_plain_numbers_and_a_target_may_need_a_gradient():
    assert not isinstance(nn.MSELoss()(np.ones(2), np.zeros(2)), Tensor)
    target = Tensor([1.0, 2.0])
    nn.MSELoss()(np.zeros(2), target).backward()
    assert target.grad.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
def test_the_slope_of_kl_div_by_a_probability_is_that_of_its_logarithm(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")

    def loss(y):
        return F.kl_div(np.log([0.5, 0.25, 0.25]), y, reduction="sum")

    slope = grad(loss) if executor is None else compile(grad(loss), executor=executor)
    y = np.array([0.0, 0.5, 1.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.log(y / [0.5, 0.25, 0.25]) + 1
        np.testing.assert_allclose(slope(y), wanted, rtol=1e-14)
        assert np.isnan(slope(-y)).tolist() == [False, True, True]
    np.testing.assert_allclose(loss(y), 0.5 * np.log(2) + np.log(4), rtol=1e-14)


def test_second_derivatives_go_through_the_losses():
    x = Tensor([[1.0, 2.0, 0.5]])
    nn.CrossEntropyLoss()(x, np.array([1])).backward(create_graph=True)
    g, x.grad = x.grad, None
    (g * np.array([1.0, 0.0, 0.0])).sum().backward()
    p = np.exp([1.0, 2.0, 0.5]) / np.exp([1.0, 2.0, 0.5]).sum()
    np.testing.assert_allclose(x.grad[0], p[0] * (np.array([1.0, 0.0, 0.0]) - p), rtol=1e-12)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "nll_loss", "cross_entropy"])
def test_functions_too_refuse_a_reduction_they_do_not_know(name):
    y = np.zeros(2, int) if name in ("nll_loss", "cross_entropy") else np.zeros((2, 2))
    with pytest.raises(ValueError, match=r"reduction=: is 'mean', 'sum' or 'none': 'men'"):
        getattr(nn.functional, name)(np.ones((2, 2)), y, reduction="men")


def test_nll_loss_takes_lists():
    assert nn.NLLLoss()([[-0.5, -1.0]], [1]) == 1.0


# --- whole numbers ------------------------------------------------------------------------------------------
OF_TWO = [
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.poisson_nll_loss, F.soft_margin_loss, F.kl_div,
    F.binary_cross_entropy_with_logits, F.cross_entropy, F.multilabel_soft_margin_loss,
]  # fmt: skip


@pytest.mark.parametrize("loss", OF_TWO)
def test_whole_numbers_are_predictions_as_floats_are(loss):
    """A target of floats is not rounded to them."""
    x, y = np.array([[1, 2, 0], [0, 3, 1]]), np.array([[0.5, 0.25, 0.25], [0.75, 0.0, 0.25]])

    assert loss(x, y) == loss(x.astype(float), y)
    assert loss(x, y.astype(np.float32)).dtype == np.float32 or loss is F.cross_entropy


def test_floats_are_not_taken_for_the_whole_numbers_of_a_weight():
    for call in (
        lambda: F.linear(np.full((1, 2), 1.7), np.ones((1, 2), int)),
        lambda: F.conv1d(np.full((1, 1, 3), 1.7), np.ones((1, 1, 2), int)),
        lambda: F.linear(np.array([[300]]), np.ones((1, 1), np.int8)),
    ):
        with pytest.raises(TypeError, match=r"Try weight\.astype\(x\.dtype\)"):
            call()


ONES = np.ones((2, 3), np.float32)
WHOLE = np.array([[1, 0, 1], [0, 1, 1]])
UNWIDENED = {
    "margins": lambda: F.margin_ranking_loss(ONES, 2 * ONES, 1 - 2 * WHOLE),
    "one of two": lambda: F.margin_ranking_loss(ONES, WHOLE, ONES),
    "far": lambda: F.triplet_margin_loss(ONES, 2 * ONES, WHOLE),
    "near": lambda: F.triplet_margin_with_distance_loss(ONES, WHOLE, ONES),
    "angles": lambda: F.cosine_embedding_loss(ONES, WHOLE, np.array([1, -1])),
    "similarity": lambda: F.cosine_similarity(WHOLE, ONES),
    "distance": lambda: F.pairwise_distance(WHOLE, ONES),
    "weights": lambda: F.binary_cross_entropy_with_logits(ONES, WHOLE, WHOLE, pos_weight=WHOLE),
    "shares": lambda: F.mse_loss(ONES, WHOLE, weight=WHOLE),
    "labels": lambda: F.multilabel_soft_margin_loss(ONES, WHOLE, weight=WHOLE[0]),
    "norms": lambda: F.layer_norm(ONES, 3, WHOLE[0], WHOLE[0]) + F.rms_norm(ONES, 3, WHOLE[0]),
    "batches": lambda: F.batch_norm(ONES, WHOLE[0], WHOLE[0] + 1, WHOLE[0], WHOLE[0]),
    "slopes": lambda: F.prelu(ONES, WHOLE[0]),
    "bags": lambda: F.embedding_bag(WHOLE, ONES, mode="sum", per_sample_weights=WHOLE),
    "products": lambda: F.bilinear(ONES, WHOLE, np.ones((1, 3, 3), int), ONES[0, :1]),
    "places": lambda: F.grid_sample(np.ones((1, 1, 2, 2), np.float32), np.zeros((1, 2, 2, 2), int)),
}


@pytest.mark.parametrize("name", UNWIDENED)
def test_whole_numbers_do_not_widen_floats(name):
    assert UNWIDENED[name]().dtype == np.float32


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int16, np.uint64])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"])
def test_differences_of_whole_numbers_do_not_wrap(name, dtype):
    x, y = np.array([1, 5, 3]).astype(dtype), np.array([2, 1, 100]).astype(dtype)
    floats = x.astype(float), y.astype(float)
    loss = getattr(F, name)

    assert loss(x, y) == pytest.approx(float(loss(*floats)), rel=1e-12)
    np.testing.assert_array_equal(F.l1_loss(x, y, reduction="none"), np.abs(floats[0] - floats[1]))
