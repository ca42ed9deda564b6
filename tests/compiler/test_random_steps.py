"""Random training steps beside themselves as written: results, their types, gradients, states, each call.

`CLEARPROP_PROGRAMS=600 pytest tests/compiler/test_random_steps.py` tries that many; the default is the first
60 of them. Odd seeds compute in float64. A third of the steps proves each call, and all of 600 do.
"""

import dataclasses
import linecache
import os
import types

import numpy as np
import pytest
from tests.compiler.random_steps import written

import clearprop
from clearprop import Tensor
from clearprop.compiler.step import RecordingError, available_executors

PROGRAMS = int(os.environ.get("CLEARPROP_PROGRAMS", "60"))
SCHEDULES = ("never", "geometric", "always") if PROGRAMS < 600 else ("always",)
ROWS = (5, 5, 5, 3, 5, 3, 5)


def world(seed, dtype):
    """Run the text of a seed; what it says stands under a name, so that errors can show its lines."""
    text, name, space = written(seed), f"<random step {seed}>", {"__name__": f"random_step_{seed}"}
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), space)
    return space["made"](dtype)


def batches(dtype):
    """Seven calls' arguments, of two lengths; the fourth flag is all true, and some are none."""
    rng = np.random.default_rng(3)
    for turn, n in enumerate(ROWS):
        x, y = rng.uniform(-1, 1, (n, 4)).astype(dtype), rng.uniform(-1, 1, n).astype(dtype)
        flag, some = rng.random(n) < (2 if turn == 3 else 0.5), rng.random(n) < (0, 0.5, 0.7)[turn % 3]
        flag[turn % n] = True
        yield x, y, rng.integers(0, 4, n), flag, some


def flat(x, path="result"):
    """Yield `(path, name of type, content)` of all that a result holds."""
    yield (
        path,
        type(x).__name__,
        x if isinstance(x, (str, int, float, bool, type(None), Tensor, np.ndarray)) else None,
    )
    if isinstance(x, dict):
        parts = list(x.items())
    elif isinstance(x, (tuple, list)):
        parts = list(enumerate(x))
    elif dataclasses.is_dataclass(x) or isinstance(x, types.SimpleNamespace):
        parts = list(vars(x).items())
    else:
        parts = []
    for key, part in parts:
        yield from flat(part, f"{path}[{key!r}]")


def array_of(x):
    return np.asarray(x.value if isinstance(x, Tensor) else x) if x is not None and type(x) is not str else x


def same(got, wanted, where, dtype):
    """One pair: as many steps apart as rounding makes of seven."""
    got, wanted = array_of(got), array_of(wanted)
    if not isinstance(wanted, np.ndarray):
        assert got == wanted, where
        return
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), where
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, err_msg=where)
        return
    unit = 1e4 * np.finfo(np.float32 if dtype == np.float32 else wanted.dtype).eps
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=1)
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=where)


def compare(seed, executor, dtype, prove):
    eager, tensors, eager_between = world(seed, dtype)
    step, others, between = world(seed, dtype)
    compiled = clearprop.compile(step, executor=executor, prove=prove)
    for turn, arguments in enumerate(batches(dtype)):
        wanted = list(flat(eager(*arguments)))
        got = list(flat(compiled(*arguments)))
        here = (
            f"call {turn + 1} of seed {seed}, {executor}, {np.dtype(dtype)}, prove={prove!r}\n{written(seed)}"
        )
        assert [x[:2] for x in got] == [x[:2] for x in wanted], here
        for (path, _, a), (_, _, b) in zip(got, wanted, strict=True):
            same(a, b, f"{path} at {here}", dtype)
        for a, b in zip(others, tensors, strict=True):
            same(a, b, f"{b.name} after {here}", dtype)
            assert (a.grad is None) == (b.grad is None), f"{b.name}.grad after {here}"
            same(a.grad, b.grad, f"{b.name}.grad after {here}", dtype)
        eager_between(turn + 1)
        between(turn + 1)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_a_random_step_is_what_is_written(seed, executor):
    dtype = (np.float32, np.float64)[seed % 2]
    try:
        compare(seed, executor, dtype, SCHEDULES[seed % len(SCHEDULES)])
    except RecordingError as refused:
        pytest.fail(f"refused: {refused}\n{written(seed)}")
