"""The numpy executor's source: one function, or pieces that hand on what later ones use."""

import gc
import weakref

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.engines.numpy import source


def step_of(w):
    def step(a, ij):
        w.grad = None
        scale, h = np.sum(a * a) + 1.0, a @ w
        for _ in range(6):
            h = np.tanh(h @ w) * scale + ij
        loss = np.sum(h * h) / scale
        loss.backward()
        return loss, scale, h * 2.0

    return step


@pytest.mark.parametrize("length", [1, 2, 3, 7, 20])
def test_pieces_give_the_bits_of_one_function(length, monkeypatch):
    a, w = np.linspace(-1, 1, 6).reshape(2, 3), Tensor(np.eye(3) * 0.3, name="w")
    whole = clearprop.compile(step_of(w), executor="numpy")
    expected = [(*(np.array(x) for x in whole(a * k, 0.5)), np.array(w.grad)) for k in range(3)]
    monkeypatch.setattr(source, "PIECE", length)
    pieces = clearprop.compile(step_of(w), executor="numpy")

    for k, results in enumerate(expected):
        for x, y in zip(results, (*pieces(a * k, 0.5), w.grad), strict=True):
            assert np.array_equal(x, np.array(y))


@pytest.mark.parametrize("length", [2, 500])
def test_nothing_holds_the_arrays_of_a_step_that_is_gone(length, monkeypatch):
    monkeypatch.setattr(source, "PIECE", length)
    program = clearprop.compile(lambda x: np.sum(np.tanh(x * 2.0)) * 3.0, executor="numpy")
    program(np.ones(4))
    gc.collect()
    gc.disable()
    try:
        made = source.NumpySource(program._shown().program)
        run = made.prepare([])
        gone = weakref.ref(run)
        del run

        assert gone() is None
    finally:
        gc.enable()


def test_no_function_of_a_long_step_is_long():
    def step(x):
        for _ in range(600):
            x = np.tanh(x) + x
        return x

    compiled = clearprop.compile(step, executor="numpy")
    compiled(np.ones(4))
    text = source.NumpySource(compiled._shown().program).text
    functions = text.split("\ndef ")[1:]

    assert len(functions) == 3
    assert max(len(function.splitlines()) for function in functions) < 1.1 * source.PIECE
