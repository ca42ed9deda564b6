"""no_grad, enable_grad and observers: for the thread or task that entered them, at no cost for others."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest
from tests.counting import calls

import clearprop
from clearprop import Tensor, nn, no_grad
from clearprop.compiler.step import available_executors
from clearprop.modes import Observer, current, enable_grad, mode, observed, special
from clearprop.train import predict


class Counts(Observer):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def saw(self, node):
        self.seen += 1


class Beside:
    """A thread that sits in a block for as long as this one is open."""

    def __init__(self, block):
        self.block, self.inside, self.done = block, threading.Event(), threading.Event()

    def run(self):
        with self.block:
            self.inside.set()
            self.done.wait()

    def __enter__(self):
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.inside.wait()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()


w = Tensor(2.0)

# fmt: off
OPS = {
    "one":       lambda: np.tanh(w),
    "two":       lambda: w * 3.0,
    "reversed":  lambda: 3.0 * w,
    "a list":    lambda: w * [1.0, 2.0],
    "attribute": lambda: np.sum(w, keepdims=True),
    "several":   lambda: np.split(w * np.arange(4.0), 2)[1],
    "composed":  lambda: np.var(w * np.arange(3.0)),
    "indexed":   lambda: (w * np.arange(3.0))[1],
}
# fmt: on


@pytest.mark.parametrize("name", OPS)
def test_inside_no_grad_a_result_remembers_nothing(name):
    run = OPS[name]
    expected = run()
    with no_grad():
        found = run()
        with enable_grad():
            inner = run()
    again = run()

    np.testing.assert_array_equal(found.value, expected.value)
    assert (found.requires_grad, found.op, found.inputs, found.values) == (False, None, (), ())
    assert inner.requires_grad
    assert again.requires_grad
    assert again.op is not None


@pytest.mark.parametrize("name", OPS)
def test_a_block_in_another_thread_changes_nothing_here(name):
    watcher = Counts()
    for block in (no_grad(), observed(watcher)):
        with Beside(block):
            found = OPS[name]()

        assert found.requires_grad
        assert found.op is not None
    assert watcher.seen == 0


def test_blocks_nest_and_end_where_they_began():
    watcher = Counts()
    with no_grad():
        with observed(watcher):
            assert (mode.grad_enabled, mode.observer) == (False, watcher)
            with enable_grad():
                assert (mode.grad_enabled, mode.observer) == (True, watcher)
                assert (w * 2).requires_grad
            assert not (w * 2).requires_grad
        assert (mode.grad_enabled, mode.observer) == (False, None)
    assert (current(), special.blocks, watcher.seen) == (None, 0, 2)


def test_a_block_may_be_entered_again_and_is_a_decorator():
    block = no_grad()

    @block
    def depth(n):
        return depth(n - 1) if n else (w * 2).requires_grad

    with block, block:
        assert not depth(3)
    with Beside(block):
        assert (w * 2).requires_grad
        assert not depth(1)
    assert (current(), special.blocks) == (None, 0)


def test_an_exception_ends_a_block():
    with pytest.raises(KeyError), no_grad():
        raise KeyError("nothing")

    assert (current(), special.blocks) == (None, 0)


def test_asyncio_tasks_have_blocks_of_their_own():
    async def quiet(ready, done):
        with no_grad():
            ready.set()
            await done.wait()
            return (w * 2).requires_grad

    async def loud(ready, done):
        await ready.wait()
        found = (w * 2).requires_grad
        done.set()
        return found

    async def both():
        ready, done = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(quiet(ready, done), loud(ready, done))

    assert asyncio.run(both()) == [False, True]
    assert (current(), special.blocks) == (None, 0)


def test_a_generator_that_somebody_else_closes_does_not_end_their_block():
    def generator():
        with no_grad():
            yield

    suspended = generator()
    next(suspended)
    with observed(Counts()):
        suspended.close()
        assert mode.observer is not None
    assert (current(), special.blocks) == (None, 0)


def network():
    clearprop.manual_seed(0)
    return nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))


def test_an_affine_map_is_the_same_without_gradients():
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(5, 4)), rng.normal(size=(3, 4)), rng.normal(size=3)
    with no_grad():
        for b in (None, Tensor(bias), bias):
            for given in (x, Tensor(x), x.astype(np.float32), x[0]):
                found = nn.functional.linear(given, Tensor(weight), b)
                with enable_grad():
                    expected = nn.functional.linear(given, Tensor(weight), b)
                assert isinstance(found, Tensor)
                np.testing.assert_array_equal(found.value, expected.value, strict=True)
        assert type(nn.functional.linear(x, weight, bias)) is np.ndarray
        with pytest.raises(ValueError, match="add"):
            nn.functional.linear(x, Tensor(weight), Tensor(np.ones(2)))


def test_a_small_net_does_less_without_gradients_and_hardly_more_beside_somebody_without():
    model, x = network(), np.ones((1, 13), np.float32)
    model(x)
    usual = calls(lambda: model(x))
    with no_grad():
        quiet = calls(lambda: model(x))
    with Beside(no_grad()):
        disturbed = calls(lambda: model(x))

    assert quiet < usual
    assert disturbed < 1.25 * usual


def test_predict_takes_single_rows_quickly():
    model, x = network(), np.ones((1, 13), np.float32)
    predict(model, x)

    assert calls(lambda: predict(model, x)) < 400  # 300; `benchmarks/` have the rows a second
    assert model.training


@pytest.mark.parametrize("executor", available_executors())
def test_a_compiled_step_is_right_beside_blocks_and_inside_its_own(executor):
    v = Tensor(np.array([1.0, 2.0]))
    x = np.array([3.0, 5.0])
    watcher = Counts()

    @clearprop.compile(executor=executor)
    def step(x):
        v.grad = None
        loss = np.sum(np.tanh(v) * x)
        if mode.grad_enabled:
            loss.backward()
        return loss

    def check():
        v.grad = None
        found = step(x)
        np.testing.assert_allclose(found.value, np.sum(np.tanh(v.value) * x), rtol=1e-12)
        wanted = (1 - np.tanh(v.value) ** 2) * x if mode.grad_enabled else 0
        np.testing.assert_allclose(
            0 if v.grad is None else v.grad, wanted, rtol=1e-12, atol=1e-14
        )  # 1 - tanh² cancels

    for around in (contextlib.nullcontext, lambda: Beside(no_grad()), lambda: Beside(observed(watcher))):
        with around():
            for i in range(12):
                check()
                with no_grad():
                    check()
                clearprop.assign(v, v.value + 0.1 * i)
                check()
    assert watcher.seen == 0
    with observed(watcher):
        check()
    assert watcher.seen > 0


def test_a_compiled_call_is_quick_beside_a_block():
    pytest.importorskip("llvmlite")
    model, x = network(), np.ones((8, 13), np.float32)
    run = clearprop.compile(lambda x: model(x), executor="llvm")

    for _ in range(70):
        run(x)
    with Beside(no_grad()):
        for _ in range(70):
            run(x)

        assert calls(lambda: run(x)) < 100  # 36, and 700 where a call is checked in Python
