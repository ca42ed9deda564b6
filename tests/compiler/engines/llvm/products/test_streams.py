"""Tests of llvm.products.streams: large products ask for memory ahead, and nothing else changes."""

import ctypes
import re

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.language import engine
from clearprop.compiler.engines.llvm.language.text import ModuleText
from clearprop.compiler.engines.llvm.language.values import INDEX
from clearprop.compiler.engines.llvm.loops import nests
from clearprop.compiler.engines.llvm.products import products, streams, tiles

ASKED = re.compile(r"call void @llvm\.prefetch")


def _matrices(dtype, *shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def _asked(step):
    return len(ASKED.findall(step.llvm_ir()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turn", [8, 16])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(256, 512, 256), (256, 1100, 512), (129, 523, 1031), (301, 16, 777), (512, 7, 512)]
)
def test_a_large_product_is_the_same_with_streams(m, k, n, turn, dtype, monkeypatch):
    monkeypatch.setattr(tiles, "TURN", turn)
    x, y = _matrices(dtype, (m, k), (k, n))
    step = clearprop.compile(lambda x, y: x @ y, executor="llvm")

    step(x, y)
    actual = step(x, y)

    assert bool(_asked(step)) == (k >= turn)
    np.testing.assert_allclose(actual, x @ y, rtol=0, atol=np.finfo(dtype).eps * 40 * np.sqrt(k))


class Counted(streams.Stream):
    """A stream that counts how often a line is asked for, where the array would be."""

    def ask(self, f, dtype, pointer, line):
        place = f.at(pointer, line, INDEX)
        f.store(f.load(place, INDEX) + 1, place)


@pytest.mark.parametrize("lines", [1, 5, 16, 33])
@pytest.mark.parametrize("turns", [1, 2, 7, 64])
def test_each_line_of_a_stream_is_asked_for_and_none_beyond(lines, turns):
    module = ModuleText()
    f = module.function("asking", "ptr %stream0, i64 %first0", linkage="")
    with f.loop(0, turns) as turn:
        streams.ask_ahead(f, np.dtype("f4"), (Counted(lines),), turn, turns)
    code = engine.Code(str(module), "asking")
    asked = np.zeros(lines + 80, np.int64)

    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("asking"))(asked.ctypes.data, 10)

    assert (asked[10 : 10 + lines] > 0).all()
    assert not asked[:10].any()
    assert not asked[10 + lines :].any()


def test_a_small_product_asks_for_nothing():
    x, y = _matrices("float32", (64, 64), (64, 64))
    step = clearprop.compile(lambda x, y: x @ y, executor="llvm")

    step(x, y)

    assert _asked(step) == 0


@pytest.mark.parametrize("batch", [128, 100])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_an_update_that_is_fetched_ahead_is_that_of_eager(size, batch, monkeypatch):
    if size < engine.vector_bytes():
        for module in (engine, nests, products):
            monkeypatch.setattr(module, "vector_bytes", lambda: size)
    # Of some weights an activation is so near 0 that rounding tells its sign, and Adam makes a step of that.
    clearprop.manual_seed(0)
    models = [nn.Sequential(nn.Linear(300, 520), nn.ReLU(), nn.Linear(520, 523)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    x, y = _matrices("float32", (batch, 300), (batch, 523))

    def training(model, **how):
        optimizer = optim.Adam(model.parameters(), lr=1e-3)

        def step(x, y):
            optimizer.zero_grad()
            loss = nn.MSELoss()(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return clearprop.compile(step, **how) if how else step

    eager, compiled = training(models[0]), training(models[1], executor="llvm")
    for _ in range(3):
        expected, actual = eager(x, y), compiled(x, y)

    np.testing.assert_allclose(actual.item(), expected.item(), rtol=1e-5)
    asked = set(re.findall(r"%stream\d", compiled.llvm_ir()))
    assert len(asked) == (5 if size > 16 else 0)  # the gradient, Adam's three arrays and the next panel
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=0, atol=2e-4)
