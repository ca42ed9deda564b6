"""The recorder: what it keeps alive, and what it takes for what."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler.capture.recorder import Recorder, record
from clearprop.compiler.step import available_executors


def training() -> Callable[[Any, Any], Any]:
    """A step whose parameters are far larger than its activations."""
    model = nn.Sequential(nn.Linear(500, 500), nn.ReLU(), nn.Linear(500, 500))
    loss_of, optimizer = nn.MSELoss(), optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def peak(call: Callable[[], Any]) -> int:
    """The most memory that is in use at once beyond what was before, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_recording_needs_little_more_memory_than_an_eager_step() -> None:
    step = training()
    x, y = np.ones((8, 500)), np.zeros((8, 500))
    step(x, y)  # makes the optimizer's memory
    parameters = 2 * 500 * 500 * 8

    eager = peak(lambda: step(x, y))
    recorder = Recorder()
    recorded = peak(lambda: record(recorder, step, (recorder.argument(x, 0), recorder.argument(y, 1)), {}))

    # When every intermediate was kept, a recording took 3.6 times this beyond that. It takes 0.5 to 1.1:
    # an intermediate, which is a quarter, is gone a little sooner or later.
    assert recorded < eager + 1.5 * parameters


def test_a_recording_that_is_over_holds_no_arrays_of_the_step() -> None:
    step = training()
    x, y = np.ones((8, 500)), np.zeros((8, 500))
    step(x, y)

    def recorded() -> Recorder:
        recorder = Recorder()
        record(recorder, step, (recorder.argument(x, 0), recorder.argument(y, 1)), {})
        recorder.undo()
        return recorder

    recorded()  # parameters lie on cache lines from now on
    tracemalloc.start()
    try:
        recorder = recorded()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert held < 500 * 500 * 8
    assert recorder.known.entries.keys() == {id(t) for t, _ in _alive(recorder)}


def _alive(recorder: Recorder) -> list[tuple[Any, Any]]:
    return [(t, v) for ref, v in recorder.known.entries.values() if (t := ref()) is not None]


@pytest.mark.parametrize("executor", available_executors())
def test_memory_that_is_used_again_is_not_taken_for_what_lay_there(executor: str) -> None:
    def step(x: Any) -> Any:
        total = np.sum(x)
        for k in range(20):
            gone = np.exp(x * k)  # the next array may well lie where this one did
            del gone
            total = total + np.sum(Tensor(np.full(x.shape, k * 1.0), requires_grad=False) * x)
        return total

    compiled, x = clearprop.compile(step, executor=executor), np.linspace(0, 1, 300)

    for _ in range(3):
        expected = step(Tensor(x, requires_grad=False)).value
        np.testing.assert_allclose(compiled(x).value, expected, rtol=1e-12)


@pytest.mark.parametrize("executor", available_executors())
def test_no_gradient_passes_through_a_gradient_unless_asked_for(executor: str) -> None:
    def losses(create_graph: bool) -> Callable[[Any], Any]:
        w = Tensor([1.0, 2.0])

        def step(x: Any) -> Any:
            w.grad = None
            np.sum((x * w) ** 3).backward(create_graph=create_graph)
            g, w.grad = w.grad, None
            np.sum(w * w * g).backward()
            return w.grad

        return step

    x = np.array([1.0, 3.0])
    found = {
        create_graph: np.asarray(clearprop.compile(losses(create_graph), executor=executor)(x))
        for create_graph in (False, True)
    }

    assert found[False].tolist() == [6.0, 1296.0]  # 2 w g
    assert found[True].tolist() == [12.0, 2592.0]  # 2 w g + w^2 g', where g' = 6 x^3 w
