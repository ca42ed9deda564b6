"""The compiler works as long as the program is: text and calls are counted, clocks depend on machines."""

import itertools
import math
import sys

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.plan.fuse import Grouping
from clearprop.compiler.program.ir import Value
from clearprop.compiler.program.rewrite import finite
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


def test_a_loop_is_looked_for_among_relatives_alone():
    """Large updates that have nothing in common are not compared with each other: lines run are counted."""
    searches = Grouping._join.__code__

    def lines(count):
        weights = [Tensor(np.full((40, 40), 0.5), name=f"w{i}") for i in range(count)]
        step = clearprop.compile(lambda: [np.exp(0.5 * w) * np.tanh(w) for w in weights], executor="numpy")
        run = 0

        def count_lines(frame, event, argument):
            nonlocal run
            run += event == "line"
            return count_lines

        before = sys.gettrace()
        sys.settrace(lambda frame, *_: count_lines if frame.f_code is searches else None)
        try:
            step(), step()
        finally:
            sys.settrace(before)
        return run

    assert 0 < lines(40) < 2.4 * lines(20)


@pytest.mark.skipif("llvm" not in EXECUTORS, reason="regions are native code's")
def test_what_a_chain_touches_is_noted_once_per_piece():
    from clearprop.compiler.engines.llvm.plan.pieces import Piece
    from clearprop.compiler.engines.llvm.plan.regions import Chain

    class Counted(dict):
        looked = 0

        def __contains__(self, x):
            type(self).looked += 1
            return super().__contains__(x)

        def items(self):
            type(self).looked += 1
            return super().items()

    def looks(count):
        values = [Value("argument", (4,), np.dtype(float)) for _ in range(count + 1)]
        pieces = [
            Piece(None, None, reads=Counted({x: True}), writes=Counted({z: i % 2 == 0}))
            for i, (x, z) in enumerate(itertools.pairwise(values))
        ]
        Counted.looked = 0
        chain = Chain(pieces[:1])
        for i, piece in enumerate(pieces[1:]):
            assert chain.conflicts(piece) == [i % 2 == 0]
            chain.pieces.append(piece)
        return Counted.looked

    assert looks(80) < 2.2 * looks(40)


@pytest.mark.skipif("llvm" not in EXECUTORS, reason="regions are native code's")
def test_a_piece_is_compared_with_those_it_touches_alone(monkeypatch):
    from clearprop.compiler.engines.llvm.plan.regions import Chain

    asked = []
    conflicts = Chain.conflicts
    monkeypatch.setattr(Chain, "conflicts", lambda *given: asked.append(1) or conflicts(*given))

    def comparisons(count):
        asked.clear()
        weights = [Tensor(np.eye(8)) for _ in range(count)]

        def step(x):
            for w in weights:
                w.grad = None
                x = np.tanh(x @ w)
            np.sum(x * x).backward()

        clearprop.compile(step, executor="llvm")(np.full((4, 8), 0.3))
        return len(asked)

    assert 0 < comparisons(24) < 2.3 * comparisons(12)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_stack_of_views_may_be_deeper_than_the_stack(executor):
    count = 1500

    def step(x):
        for i in range(count):
            x = x[1:].T if i % 2 else x.T[::-1]
        return 2.0 * x

    x = np.arange(760.0 * 762).reshape(760, 762)
    assert np.array_equal(clearprop.compile(step, executor=executor)(x), step(x))


def test_whether_a_value_is_finite_is_asked_of_each_once():
    x = Value("argument", (2,), np.dtype("i8"))
    v = Value("op", (2,), np.dtype("f8"), "astype", (x,), {"dtype": np.dtype("f8")})
    for _ in range(200):
        v = Value("op", (2,), np.dtype("f8"), "where", (x, v, v))
    assert finite(v)
    assert not finite(Value("op", (2,), np.dtype("f8"), "where", (x, v, math.inf)))
