"""Embeddings, bags, one_hot and the bilinear map beside PyTorch's."""

import re
import tracemalloc

import numpy as np
import pytest
from tests.parity.compare import Row, agree

from clearprop import Tensor, compile, nn
from clearprop.nn import functional as F

torch = pytest.importorskip("torch")
rng = np.random.default_rng(5)
PLACES = np.array([[1, 2, 2, 0], [5, 1, 1, 3]])
LIST, STARTS = np.array([1, 2, 4, 5, 4, 3, 2, 1]), np.array([0, 3, 3, 7])
WEIGHTS = rng.normal(size=8)
A, B = rng.normal(size=(3, 4)), rng.normal(size=(3, 5))


def table(name, *inputs, **options):
    return Row(f"{name} {len(inputs)} {options}", getattr(nn, name), f"nn.{name}", inputs, (6, 3), options)


BAGS = ("sum", "mean", "max")
ROWS = [
    table("Embedding", PLACES),
    *(table("Embedding", PLACES, padding_idx=k) for k in (1, -1)),
    table("Embedding", PLACES, scale_grad_by_freq=True),
    *(table("Embedding", PLACES, max_norm=0.5, norm_type=p) for p in (2.0, 1.0)),
    *(table("EmbeddingBag", PLACES, mode=m) for m in BAGS),
    *(table("EmbeddingBag", LIST, STARTS, mode=m) for m in BAGS),
    *(table("EmbeddingBag", LIST, STARTS, mode=m, padding_idx=4) for m in BAGS),
    table("EmbeddingBag", LIST, np.array([0, 3, 3, 8]), mode="sum", include_last_offset=True),
    table("EmbeddingBag", LIST, STARTS, WEIGHTS, mode="sum"),
    Row("Bilinear", nn.Bilinear, "nn.Bilinear", (A, B), (4, 5, 2)),
    Row("Bilinear, no bias", nn.Bilinear, "nn.Bilinear", (A, B), (4, 5, 2, False)),
]
for row in ROWS:
    row.second = "EmbeddingBag" not in row.name and "freq" not in row.name  # PyTorch has no second one there


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_like_pytorch(row):
    agree(row)


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_compiled_like_pytorch(row, executor):
    agree(row, np.float64, executor)


@pytest.mark.parametrize("count", [-1, 7])
def test_one_hot(count):
    theirs = torch.nn.functional.one_hot(torch.tensor(PLACES), count).numpy()
    ours = F.one_hot(PLACES, count)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_the_padding_row_starts_at_0_and_stays():
    layer = nn.Embedding(5, 2, padding_idx=0)
    assert not np.any(layer.weight.value[0])
    (layer(np.array([0, 0, 1])) ** 2 + layer(np.array([0, 1, 1]))).sum().backward()
    assert not np.any(layer.weight.grad[0])
    assert np.any(layer.weight.grad[1])


def test_from_pretrained():
    layer = nn.Embedding.from_pretrained(np.eye(3, dtype=np.float32))
    assert not layer.weight.requires_grad
    np.testing.assert_array_equal(layer(np.array([2])), [[0, 0, 1]])


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8])
@pytest.mark.parametrize("executor", ["numpy", "llvm", "xla"])
def test_compiled_one_hot_has_no_row_without_a_place(executor, dtype):
    pytest.importorskip({"numpy": "numpy", "llvm": "llvmlite", "xla": "jax"}[executor])
    step = compile(lambda y: F.one_hot(y, 3), executor=executor, prove="never")
    for good in ([0, 1], [2, 0]):
        np.testing.assert_array_equal(step(np.array(good, dtype)), np.eye(3)[good])
    for bad in (3, 100, *(() if dtype is np.uint8 else (-1, -3))):
        with pytest.raises(IndexError):
            step(np.array([0, bad], dtype))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_compiled_one_hot_wants_the_number_of_classes(executor):
    with pytest.raises(ValueError, match="num_classes= in a compiled step"):
        compile(lambda y: F.one_hot(y), executor=executor)(PLACES)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.Embedding(4, 2)(PLACES), IndexError, "rows from 0 to 3"),
        (lambda: nn.Embedding(4, 2)(-PLACES), IndexError, "rows from 0 to 3"),
        (lambda: nn.Embedding(4, 2)(A), TypeError, "wants integers"),
        (lambda: nn.Embedding(4, 2, padding_idx=4), ValueError, "from -4 to 3"),
        (lambda: F.embedding(PLACES, A, max_norm=1.0), IndexError, "rows from 0 to 2"),
        (lambda: F.embedding(PLACES * 0, A, max_norm=1.0), TypeError, "has to be a Tensor"),
        (lambda: nn.EmbeddingBag(6, 2)(LIST), ValueError, "a vector with offsets"),
        (lambda: nn.EmbeddingBag(6, 2)(PLACES, STARTS), ValueError, "belongs to a vector"),
        (lambda: nn.EmbeddingBag(6, 2)(LIST, STARTS[::-1]), ValueError, "begin with 0"),
        (lambda: nn.EmbeddingBag(6, 2)(LIST, STARTS * 9), ValueError, "rising offsets"),
        (
            lambda: nn.EmbeddingBag(6, 2, include_last_offset=True)(LIST, STARTS),
            ValueError,
            "the end of x, 8",
        ),
        (lambda: nn.EmbeddingBag(6, 2, mode="median")(PLACES), ValueError, "'sum', 'mean' or 'max'"),
        (lambda: nn.EmbeddingBag(6, 2)(LIST, STARTS, WEIGHTS), ValueError, "wants mode='sum'"),
        (lambda: F.one_hot(PLACES, 3), ValueError, "integers from 0 to 2"),
        (lambda: F.one_hot(Tensor(A)), TypeError, "wants integers"),
    ],
)
def test_refused(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()


def test_bags_take_memory_for_their_entries_alone():
    """2,000 bags of 40,000 entries: all bags by all entries would be 80 MB of truths and 640 of numbers."""
    entries, offsets = rng.integers(0, 50, 40_000), np.arange(0, 40_000, 20)
    for mode in ("sum", "mean", "max"):
        weight = Tensor(rng.normal(size=(50, 2)), requires_grad=True)
        tracemalloc.start()
        found = F.embedding_bag(entries, weight, offsets, mode=mode)
        found.sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        theirs = torch.tensor(weight.value).requires_grad_()
        right = torch.nn.functional.embedding_bag(
            torch.tensor(entries), theirs, torch.tensor(offsets), mode=mode
        )
        right.sum().backward()

        np.testing.assert_allclose(found.value, right.detach().numpy(), rtol=1e-12)
        assert peak < 20e6, mode
        if mode != "max":  # equal entries share the gradient there
            np.testing.assert_allclose(weight.grad, theirs.grad.numpy(), rtol=1e-9)
