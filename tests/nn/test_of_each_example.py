"""What takes labels, places, lengths or offsets, called for each example by `vmap`: equal to a loop."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, compile, grad, nn, vmap
from clearprop.nn import functional as F

rng = np.random.default_rng(15)
N = 3  # examples
X, ROWS, SHARES = rng.normal(size=(N, 4)), rng.normal(size=(N, 5, 4)), rng.dirichlet(np.ones(4), (N, 5))
LABEL, LABELS, SOME = rng.integers(0, 4, N), rng.integers(0, 4, (N, 5)), rng.integers(0, 4, (N, 5))
SOME[0, 1], SOME[2] = -100, -100  # one is ignored, and all of the last example
SEVERAL = np.stack([np.roll([[3, 0, -1, 1], [0, 1, 2, 3], [2, -1, -1, -1]], i, 0) for i in range(N)])
WEIGHT, TABLE, NAMED = rng.uniform(0.5, 2.0, 4), rng.normal(size=(N, 6, 3)), rng.integers(0, 6, (N, 7))
OFFSETS, ENDS = np.array([[0, 2, 2], [0, 1, 6], [0, 0, 7]]), np.array([[1, 3], [0, 5], [5, 5]])
EXPERTS, HIDDEN = rng.normal(size=(N, 2, 4, 3)), rng.normal(size=(N, 4, 4))
PLANES = rng.normal(size=(N, 2, 6, 6))
POOLED, PLACES = (
    np.stack(each) for each in zip(*(F.max_pool2d(x, 2, return_indices=True) for x in PLANES), strict=True)
)
GRID, MASKS = rng.uniform(-1, 1, (N, 2, 5, 3, 2)), rng.random((N, 4, 4)) < 0.7
TIMES, SAID, JOINED = rng.normal(size=(N, 6, 2, 4)), rng.integers(1, 4, (N, 2, 2)), rng.integers(1, 4, (N, 4))
STEPS, LENGTHS = np.array([[6, 5], [4, 6], [6, 6]]), np.array([[2, 1], [1, 2], [2, 2]])


def said(x, targets, steps, lengths):
    return F.ctc_loss(F.log_softmax(x, dim=-1), targets, steps, lengths)


def largest(numbers, table, offsets):
    return F.embedding_bag(numbers, table, offsets, mode="max", padding_idx=1)


# fmt: off
CALLS = {
    "cross_entropy of a row": (F.cross_entropy, X, LABEL),
    "cross_entropy": (F.cross_entropy, ROWS, LABELS),
    "cross_entropy, smooth": (lambda x, y: F.cross_entropy(x, y, WEIGHT, label_smoothing=0.1), ROWS, LABELS),
    "cross_entropy, ignored": (lambda x, y: F.cross_entropy(x, y, WEIGHT, reduction="sum"), ROWS, SOME),
    "cross_entropy, class 2 ignored": (lambda x, y: F.cross_entropy(x, y, None, 2, "none"), ROWS, LABELS),
    "cross_entropy of shares": (F.cross_entropy, ROWS, SHARES),
    "nll_loss": (lambda x, y: F.nll_loss(x, y, weight=WEIGHT), ROWS, LABELS),
    "linear_cross_entropy": (F.linear_cross_entropy, ROWS, HIDDEN, LABELS),
    "multi_margin_loss": (lambda x, y: F.multi_margin_loss(x, y, weight=WEIGHT), ROWS, LABELS),
    "multilabel_margin_loss": (F.multilabel_margin_loss, ROWS[:, :3], SEVERAL),
    "binary_cross_entropy": (F.binary_cross_entropy, SHARES, SHARES[::-1]),
    "gaussian_nll_loss": (F.gaussian_nll_loss, ROWS, ROWS[::-1], SHARES),
    "huber_loss": (lambda x, d: F.huber_loss(x, 0 * x, delta=d), ROWS, np.array([0.5, 1.0, 2.0])),
    "ctc_loss": (said, TIMES, SAID, STEPS, LENGTHS),
    "ctc_loss of joined labels": (said, TIMES, JOINED, STEPS, LENGTHS),
    "embedding": (lambda i, t: F.embedding(i, t, padding_idx=2, scale_grad_by_freq=True), NAMED, TABLE),
    "embedding_bag": (F.embedding_bag, NAMED, TABLE, OFFSETS),
    "embedding_bag, largest": (largest, NAMED, TABLE, OFFSETS),
    "one_hot": (lambda i, x: F.one_hot(i, 6) @ x, NAMED, TABLE),
    "grouped_mm": (lambda a, b, offs: F.grouped_mm(a, b, offs=offs), ROWS, EXPERTS, ENDS),
    "max_unpool2d": (lambda x, i: F.max_unpool2d(x, i, 2), POOLED, PLACES),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 4, return_indices=True), PLANES),
    "grid_sample": (lambda x, g: F.grid_sample(x[:, None], g), PLANES, GRID),
    "attention": (lambda x, m: F.scaled_dot_product_attention(x, x, x, m), HIDDEN, MASKS),
}
# fmt: on


def arrays(found):
    found = found if isinstance(found, tuple) else (found,)
    return [np.asarray(x.value if isinstance(x, Tensor) else x) for x in found]


def looped(f, given):
    """Return what a Python loop over the examples gives."""
    rows = [arrays(f(*(x[i] for x in given))) for i in range(len(given[0]))]
    return [np.stack(each) for each in zip(*rows, strict=True)]


def slopes(f, given):
    """Return the gradients of a number that is made of all results, by the inputs that have one."""
    by = tuple(i for i, x in enumerate(given) if x.dtype.kind == "f")

    def total(*args):
        found = f(*args)
        first = found[0] if isinstance(found, tuple) else found
        return (first * np.cos(np.arange(first.size)).reshape(first.shape)).sum()

    return grad(total, by)


def same(found, wanted):
    for a, b in zip(arrays(found), wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_all_examples_at_once_are_a_loop_over_them(name):
    f, *given = CALLS[name]
    wanted = looped(f, given)
    ones = [x[0] for x in given]

    same(vmap(f)(*given), wanted)
    same(vmap(f, in_axes=-1)(*(np.moveaxis(x, 0, -1) for x in given)), wanted)
    same(vmap(vmap(f))(*(np.stack([x, x[::-1]]) for x in given)), [np.stack([x, x[::-1]]) for x in wanted])
    same(vmap(slopes(f, given))(*given), looped(slopes(f, given), given))
    for i in range(len(given)):
        if "ctc" not in name:  # whose labels and lengths belong together
            alone = lambda x, i=i: f(*ones[:i], x, *ones[i + 1 :])  # noqa: E731
            same(vmap(alone)(given[i]), looped(alone, [given[i]]))


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_a_compiled_step_gives_each_example_its_gradient(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")

    def step(*given):
        rest = list(given)
        return [vmap(slopes(f, own))(*(rest.pop(0) for _ in own)) for f, *own in CALLS.values()]

    compiled = compile(step, executor=executor)
    compiled(*(x for _, *own in CALLS.values() for x in own))
    found = compiled(*(x[::-1].copy() for _, *own in CALLS.values() for x in own))

    for each, (f, *own) in zip(found, CALLS.values(), strict=True):
        same(tuple(each), looped(slopes(f, own), [x[::-1] for x in own]))


@pytest.mark.parametrize(
    ("labels", "error"), [([0, 4, 1], "wants classes from 0 to 3"), ([0, -1, 1], "from 0 to 3")]
)
def test_a_label_of_one_example_that_is_no_class_is_refused(labels, error):
    with pytest.raises(ValueError, match=error):
        vmap(F.cross_entropy)(X, np.array(labels))


def test_what_is_the_same_for_all_examples_does_not_become_one_for_each():
    norm = nn.BatchNorm1d(4).double()
    with pytest.raises(TypeError, match="one value for all examples") as error:
        vmap(norm)(ROWS)
    assert "running_mean" in str(error.value)
    assert "functional_call" in str(error.value)

    norm.eval()
    same(vmap(norm)(ROWS), looped(norm, [ROWS]))


def test_labels_within_a_loop_of_each_example():
    def loss(w, x, y):
        def turn(c, given):
            c = np.tanh(w @ c + given[0])
            return c, F.cross_entropy(c, given[1])

        return clearprop.scan(turn, np.zeros(4), (x, y))[1].mean()

    w = rng.normal(size=(4, 4))
    found = vmap(grad(loss), (None, 0, 0))(w, ROWS, LABELS)
    same(found, looped(lambda x, y: grad(loss)(w, x, y), [ROWS, LABELS]))
