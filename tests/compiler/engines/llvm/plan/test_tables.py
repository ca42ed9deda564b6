"""Long programs: each distinct piece is native code once, and tables say in which order they run."""

import re

import numpy as np
import pytest

import clearprop
from clearprop import Tensor

pytest.importorskip("llvmlite")


def layered(count, rows=4, width=40):
    """A training step through so many layers of one shape, its weights, and an argument."""
    draw = np.random.default_rng(0)
    weights = [Tensor(draw.normal(size=(width, width)) / width, name=f"w{i}") for i in range(count)]
    optimizer = clearprop.optim.AdamW(weights, lr=0.01)

    def step(x):
        optimizer.zero_grad()
        h = x
        for w in weights:
            h = np.tanh(h @ w) + 0.5 * h
        loss = np.mean(h * h)
        loss.backward()
        optimizer.step()
        return loss

    return step, weights, draw.normal(size=(rows, width))


def functions(step, *arguments):
    """How many functions and lines the native code of a step has."""
    compiled = clearprop.compile(step, executor="llvm")
    compiled(*arguments), compiled(*arguments)  # an optimizer makes its memory at the first one
    text = compiled.llvm_ir()
    return len(re.findall(r"^define ", text, re.MULTILINE)), text.count("\n")


def test_native_code_does_not_grow_with_the_number_of_like_layers():
    few, many = layered(20), layered(60)

    assert functions(few[0], few[2]) == functions(many[0], many[2])


def test_native_code_does_not_grow_with_the_length_of_a_loop():
    def looped(count):
        w = Tensor(0.3 * np.eye(8))

        def step(x):
            w.grad = None
            h = np.zeros((4, 8))
            for t in range(count):
                h = np.tanh(x[:, t] + h @ w)
            loss = np.sum(h * h)
            loss.backward()
            return loss

        return step, np.full((4, count, 8), 0.3)

    assert functions(*looped(40))[0] == functions(*looped(20))[0]


@pytest.mark.parametrize("rows", [4, 300])
def test_a_long_step_trains_as_its_function_does(rows):
    step, weights, x = layered(20, rows)
    again, others, _ = layered(20, rows)
    compiled = clearprop.compile(again, executor="llvm", prove="never")

    for _ in range(4):
        assert np.allclose(step(x).value, compiled(x).value, rtol=1e-12)
    for w, other in zip(weights, others, strict=True):
        assert np.allclose(w.value, other.value, rtol=1e-9, atol=1e-12)


def test_like_pieces_have_numbers_and_memory_of_their_own():
    """What differs in one number, one stride or one dtype is another piece."""

    def step(x, y):
        found = []
        for k in range(40):
            found.append(np.sum(x * (0.5 + k % 3), axis=1) + np.max(y[k % 2 :: 2][:3], axis=0)[:3])
            found.append(np.exp(-x[:, k % 4]).astype(np.float32) * np.float32(k % 2))
        return found

    x, y = np.linspace(-1, 1, 12).reshape(3, 4), np.linspace(-2, 3, 28).reshape(7, 4)
    compiled = clearprop.compile(step, executor="llvm", prove="never")
    for a, b in ((x, y), (x[::-1].copy(), -y)):
        for made, wanted in zip(compiled(a, b), step(a, b), strict=True):
            assert made.dtype == wanted.dtype
            assert np.allclose(made, wanted, rtol=1e-6)


def test_a_bad_index_ends_a_long_step_before_it_assigns():
    w = Tensor(np.ones((30, 5)))

    def step(i):
        w.grad = None
        h = w[i]
        for _ in range(200):
            h = np.tanh(h) @ np.eye(5)
        np.sum(h).backward()
        clearprop.assign(w, w - 0.1 * w.grad)

    compiled = clearprop.compile(step, executor="llvm", prove="never")
    compiled(np.array([1, 2]))
    before = w.value.copy()
    with pytest.raises(IndexError):
        compiled(np.array([1, 30]))
    assert np.array_equal(w.value, before)
    compiled(np.array([3, 29]))
    assert not np.array_equal(w.value, before)


def test_a_call_of_numpy_lies_between_long_parts():
    def step(x):
        for _ in range(60):
            x = np.tanh(x @ x) + 0.1 * x
        x = np.linalg.inv(x + 3 * np.eye(4))
        for _ in range(60):
            x = np.tanh(x @ x) + 0.1 * x
        return x

    compiled = clearprop.compile(step, executor="llvm", prove="never")
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(4, 4)) / 4
        assert np.allclose(compiled(x), step(x), rtol=1e-10, atol=1e-14)


def test_no_loop_is_longer_than_a_compiler_likes():
    def step(x):
        for _ in range(500):
            x = x + np.tanh(x)
        return x

    x = np.linspace(-0.1, 0.1, 8)
    compiled = clearprop.compile(step, executor="llvm")
    assert np.allclose(compiled(x), step(x), rtol=1e-9)
    assert functions(step, x)[1] < 12_000
