"""The compiler works as long as the program is: text and calls are counted, clocks depend on machines."""

import sys

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.step import available_executors

EXECUTORS = available_executors()
W = np.linspace(0.5, 1.5, 8)


def logistic(x):
    return 3.9 * x * (1 - x)


def gated(h):
    return h * clearprop.sigmoid(h)


def residual(h):
    return h + 0.1 * np.tanh(h)


def scaled(h):
    return np.tanh(h * W)


def newton(x):
    return x - (x * x - 2.0) / (2 * x)


def centred(x):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return c / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + 0.1)


LINKS = [logistic, gated, residual, scaled, newton, centred]


def chain(link, count, executor):
    """A compiled chain of so many links, and how many calls of Python functions compiling took."""

    def step(x):
        for _ in range(count):
            x = link(x)
        return x

    compiled = clearprop.compile(step, executor=executor)
    x = np.linspace(0.2, 0.7, 24).reshape(3, 8)
    calls = 0

    def count_calls(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count_calls)
    try:
        made = compiled(x)
    finally:
        sys.setprofile(None)
    assert np.allclose(made, step(x), rtol=1e-6)
    return compiled, calls


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("link", LINKS, ids=lambda f: f.__name__)
def test_a_chain_of_twice_the_links_takes_about_twice_the_work(link, executor):
    short, few = chain(link, 10, executor)
    long, many = chain(link, 20, executor)
    text = [step.llvm_ir() if executor == "llvm" else step.source() for step in (short, long)]

    assert many < 2.6 * few
    assert len(text[1]) < 2.6 * len(text[0])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_chain_may_be_deeper_than_the_stack(executor):
    count = 400

    def step(x):
        for _ in range(count):
            x = 0.5 * x * (1 + np.tanh(x))
        return x

    x = np.array([0.3, -0.2])
    limit = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(300)
        made = clearprop.compile(step, executor=executor)(x)
    finally:
        sys.setrecursionlimit(limit)
    assert np.allclose(made, step(x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_training_step_of_twice_the_layers_takes_about_twice_the_work(executor):
    def work(layers):
        weights = [Tensor(np.eye(6), name=f"w{i}") for i in range(layers)]

        def step(x):
            for w in weights:
                w.grad = None
                x = np.tanh(x @ w)
            loss = np.sum(x * x)
            loss.backward()
            return loss

        calls = 0

        def count_calls(frame, event, argument):
            nonlocal calls
            calls += event == "call"

        compiled = clearprop.compile(step, executor=executor)
        x = np.ones((4, 6))
        sys.setprofile(count_calls)
        try:
            compiled(x), compiled(x)
        finally:
            sys.setprofile(None)
        return calls

    assert work(24) < 2.7 * work(12)
