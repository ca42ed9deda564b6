"""Hooks on Tensors: they see whole gradients, may replace them, and readers say so."""

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, compile, explain, trace
from clearprop.backward import sends
from clearprop.graph import topological_order
from clearprop.modes import Observer, observed, special

EXECUTORS = ["", "numpy", "llvm"]
X = np.array([0.1, 0.2, 3.0])


def test_a_hook_sees_the_whole_gradient_once_and_replaces_it():
    a, b = Tensor(7.0), Tensor(3.0)
    c, d = a + b, b**3
    seen = []
    b.register_hook(lambda g: seen.append(float(g)))
    d.register_hook(lambda g: g * 2)
    (c * d).backward()
    assert seen == [27 + 2 * 270]
    assert (a.grad, b.grad, d.grad) == (27, 567, 20)


def test_a_leafs_hook_sees_what_one_pass_adds():
    w = Tensor(2.0)
    w.register_hook(lambda g: 10 * g)
    (w * 3).backward()
    (w * 3).backward()
    assert w.grad == 60


def test_a_leafs_hook_sees_the_sum_of_its_slices():
    w, seen = Tensor(np.arange(4.0)), []
    w.register_hook(lambda g: seen.append(np.array(g)))
    (w[:2].sum() + (w[1:] ** 2).sum() + w[3]).backward()
    np.testing.assert_array_equal(seen, [[1, 3, 4, 7]])


def test_hooks_run_in_order_and_go_away():
    w = Tensor(1.0)
    first, second = w.register_hook(lambda g: g + 1), w.register_hook(lambda g: g * 10)
    (w * 1).backward()
    assert w.grad == 20
    first.remove()
    first.remove()
    w.grad = None
    (w * 1).backward()
    assert w.grad == 10
    second.remove()
    with w.register_hook(lambda g: g * 0):
        pass
    w.grad = None
    (w * 1).backward()
    assert w.grad == 1
    assert id(w) not in clearprop.hooks.held


def test_a_hook_cannot_write_into_a_gradient_that_others_hold():
    w = Tensor(X)
    y = w * 2

    def hook(g):
        g *= 0

    y.register_hook(hook)
    with pytest.raises(ValueError, match="read-only"):
        y.sum().backward()


def test_what_a_hook_gave_belongs_to_the_leaf():
    kept = np.ones(3)
    w = Tensor(X)
    w.register_hook(lambda g: kept)
    (w * 1).sum().backward()
    w.grad *= 5
    assert kept[0] == 1


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Tensor(1.0, requires_grad=False).register_hook(abs), "no gradient arrives at this Tensor"),
        (lambda: clip(lambda g: np.ones(2)), "a gradient of shape"),
    ],
)
def test_refused(make, text):
    with pytest.raises(GradientError, match=text):
        make()
    with pytest.raises(TypeError, match="wants a function"):
        Tensor(1.0).register_hook(3)


def clip(hook):
    w = Tensor(X)
    h = w * X
    h.register_hook(hook)
    (h**2).sum().backward()
    return w.grad


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_a_step(executor, dtype):
    """A hook's formula is part of the plan; one that comes or goes has the step recorded again."""
    w, x = Tensor(np.ones(3, dtype)), X.astype(dtype)

    def step(x):
        w.grad = None
        h = w * x
        h.register_hook(lambda g: np.clip(g, -0.5, 0.5))
        (h**2).sum().backward()
        return w.grad

    run = compile(step, executor=executor) if executor else step
    plain = np.clip(2 * x, -0.5, 0.5) * x
    for _ in range(3):
        np.testing.assert_allclose(np.asarray(run(x)), plain, rtol=1e-6)
    with w.register_hook(lambda g: g * 10):
        np.testing.assert_allclose(np.asarray(run(x)), 10 * plain, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(run(x)), plain, rtol=1e-6)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_in_gradients_of_gradients(executor):
    def f(x):
        w = Tensor(x)
        square = w * w
        square.register_hook(lambda g: g * 3)
        (square * w).backward(create_graph=True)
        first = w.grad
        w.grad = None
        first.sum().backward()
        return first, w.grad

    first, second = (compile(f, executor=executor) if executor else f)(np.array([2.0]))
    assert (float(np.asarray(first.detach())[0]), float(np.asarray(second)[0])) == (28, 36)


def test_readers_say_what_a_hook_changed():
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    e = (a + b) * b**3
    b.register_hook(lambda g: g / 3)
    e.backward()
    assert str(explain(b)).endswith("(a hook stands on it: grad holds 99)")
    text = str(trace(e))
    assert "b.grad = 99, which a hook made of 297" in text
    e.register_hook(lambda g: g * 2)
    assert "has its whole gradient, 2, which a hook made of 1" in str(trace(e))


# --- the first complex number of a process ------------------------------------------------------------------
def turned(x):
    return np.sum(np.abs(np.exp(1j * x) * x - 1) ** 2)


def in_frequencies(x):
    return np.sum(np.abs(np.fft.fft(x)) ** 2)


def back_from_frequencies(x):
    """Every node is real: only what the rule computes is complex for a moment."""
    return np.sum(np.fft.irfft(x) ** 2)


FIRST = [turned, in_frequencies, back_from_frequencies]


@pytest.fixture
def _as_in_a_new_process():
    """Nobody has met a complex number yet."""
    special.complexes, before = False, special.complexes
    yield
    special.complexes = before or special.complexes


def plain(g):
    return np.array(g.value if isinstance(g, Tensor) else g)


@pytest.mark.parametrize("f", FIRST)
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.usefixtures("_as_in_a_new_process")
def test_hooks_run_once_where_the_first_complex_number_arises(f, create_graph):
    passes = []
    for _ in range(2):  # in the second it is no news any more
        x, seen = Tensor([1.0, 2.0, 0.5]), []
        y = x * 2.0
        y.register_hook(lambda g, seen=seen: seen.append(plain(g)))
        x.register_hook(lambda g, seen=seen: seen.append(plain(g)))
        z = f(y) + np.sum(y)
        z.register_hook(lambda g, seen=seen: seen.append(plain(g)))
        z.backward(create_graph=create_graph)
        passes.append([*seen, plain(x.grad)])

    assert [len(seen) for seen in passes] == [4, 4]
    for first, second in zip(*passes, strict=True):
        np.testing.assert_array_equal(first, second)


class Counting(Observer):
    """Notes every arrow of a backward pass."""

    follows = True

    def __init__(self):
        self.arrows = []

    def sent(self, node, i, d):
        self.arrows.append((node.op.name, i, np.array(d)))


@pytest.mark.parametrize("f", FIRST)
@pytest.mark.usefixtures("_as_in_a_new_process")
def test_an_observer_is_told_of_each_arrow_once_there(f):
    passes = []
    for _ in range(2):
        x = Tensor([1.0, 2.0, 0.5])
        z = f(x * 2.0)
        with observed(counting := Counting()):
            z.backward()
        passes.append(counting.arrows)

    first, second = passes
    assert [arrow[:2] for arrow in first] == [arrow[:2] for arrow in second]
    for (*_, a), (*_, b) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("_as_in_a_new_process")
def test_steps_of_a_pass_can_be_read_there_too():
    x = Tensor([1.0, 2.0, 0.5])
    z = back_from_frequencies(x)
    grads = {z: np.float64(1.0)}
    assert len(list(sends(topological_order(z), grads))) == 3
    special.complexes = True
    again = Tensor([1.0, 2.0, 0.5])
    back_from_frequencies(again).backward()
    np.testing.assert_array_equal(grads[x], again.grad)
