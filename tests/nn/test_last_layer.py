"""`linear_cross_entropy` by blocks of rows: the numbers of the plain formula, without its array of logits."""

import tracemalloc

import numpy as np
import pytest

from clearprop import Tensor, compile, nn
from clearprop.nn import functional as F

N, K, C = 300, 6, 1000  # more than 2**18 logits
rng = np.random.default_rng(0)
X, W, B, Y = rng.normal(size=(N, K)), rng.normal(size=(C, K)), rng.normal(size=C), rng.integers(0, C, N)
WEIGHT = rng.uniform(0.5, 2.0, C)
OPTIONS = [
    {}, {"reduction": "sum"}, {"reduction": "none"}, {"weight": WEIGHT}, {"ignore_index": int(Y[3])},
    {"label_smoothing": 0.2},
    {"weight": WEIGHT, "ignore_index": int(Y[3]), "label_smoothing": 0.2},
]  # fmt: skip


def plain(x, w, y, linear_bias=None, ignore_index=-100, **options):
    return F.cross_entropy(F.linear(x, w, linear_bias), y, ignore_index=ignore_index, **options)


def measured(loss, biased, second=True, executor=None, **options):
    """Return the loss, its gradients and, where asked for, those of the sum of their squares."""
    tensors = [Tensor(a.copy(), requires_grad=True) for a in ((X, W, B) if biased else (X, W))]

    def step(y):
        for t in tensors:
            t.grad = None
        z = loss(*tensors[:2], y, linear_bias=tensors[2] if biased else None, **options)
        z.sum().backward(create_graph=second)
        first = [t.grad for t in tensors]
        if not second:
            return z, *first
        for t in tensors:
            t.grad = None
        sum((g * g).sum() for g in first).backward()
        return z, *first, *(t.grad for t in tensors)

    run = compile(step, executor=executor) if executor else step
    return [np.asarray(t._value if isinstance(t, Tensor) else t) for t in run(Y)]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "plain")
def test_numbers_are_the_plain_formulas_to_second_order(options, biased):
    found, wanted = (measured(loss, biased, **options) for loss in (F.linear_cross_entropy, plain))

    for z, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(z, right, rtol=1e-10, atol=1e-12 * np.abs(right).max())


@pytest.mark.parametrize("executor", ["numpy", "llvm", "xla"])
def test_compiled_to_second_order(executor):
    if executor == "xla":
        pytest.importorskip("jax")
    found = measured(F.linear_cross_entropy, True, executor=executor, label_smoothing=0.1)
    wanted = measured(plain, True, label_smoothing=0.1)

    for z, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(z, right, rtol=1e-9, atol=1e-11 * np.abs(right).max())


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
def test_the_logits_are_never_whole(executor):
    rows, size, classes = 4096, 8, 2000
    x = rng.normal(size=(rows, size)).astype(np.float32)
    y = rng.integers(0, classes, rows)
    layer = nn.LinearCrossEntropyLoss(size, classes, bias=True)

    def step(x, y):
        layer.linear.weight.grad = layer.linear.bias.grad = None
        loss = layer(x, y)
        loss.backward()
        return loss

    run = compile(step, executor=executor, prove="never") if executor else step
    run(x, y)
    tracemalloc.start()
    run(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < rows * classes * 4 / 8


@pytest.mark.parametrize("executor", [None, "numpy", "llvm"])
def test_a_class_that_there_is_not_is_refused(executor):
    loss = compile(lambda y: F.linear_cross_entropy(X, W, y), executor=executor) if executor else None
    if loss is not None:
        loss(Y)
    wrong = Y.copy()
    for label in (C, -1):
        wrong[5] = label
        with pytest.raises((ValueError, IndexError), match=f"{C}"):
            (loss or (lambda y: F.linear_cross_entropy(X, W, y)))(wrong)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="wants 6 features"):
        F.linear_cross_entropy(np.ones((N, 5)), W, Y)
    with pytest.raises(ValueError, match="one weight per class"):
        F.linear_cross_entropy(X, W, Y, weight=np.ones(3))
    with pytest.raises(ValueError, match="one class per row"):
        F.linear_cross_entropy(X, W, Y[:-1])


def test_large_logits_keep_their_digits():
    x, w = np.array([[3e4]] * 300, np.float32), np.linspace(-1, 1, 1000, dtype=np.float32)[:, None]
    y = np.full(300, 999)

    assert float(F.linear_cross_entropy(x, w, y)) == float(plain(x, w, y))
