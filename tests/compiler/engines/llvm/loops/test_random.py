"""Random numbers in native code: the bits that eager draws, in any loop, on one core and on two."""

import ctypes
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clearprop
from clearprop import manual_seed, nn, optim
from clearprop.ops import random
from clearprop.registry import ops

pytest.importorskip("llvmlite")

from clearprop.compiler.engines.llvm.language.engine import Code
from clearprop.compiler.engines.llvm.language.text import ModuleText
from clearprop.compiler.engines.llvm.loops.random import filling

SHAPES = st.lists(st.integers(0, 40), max_size=3).map(tuple) | st.tuples(st.integers(1, 3000))
DTYPES = st.sampled_from(["f4", "f8"])


def native(function):
    """Compile for the llvm executor."""
    return clearprop.compile(function, executor="llvm")


def numpys(seed, calls, shape, dtype):
    """What NumPy draws from the same key and counter."""
    generator = np.random.Philox(key=np.array([seed, 0], "u8"), counter=np.array([0, calls, 0, 0], "u8"))
    return np.random.Generator(generator).random(shape, dtype)


def same_bits(function, seed=3, times=3):
    """Run a function of no arguments eagerly and natively from one seed, and compare each result's bits."""
    manual_seed(seed)
    wanted = [[np.asarray(z) for z in function()] for _ in range(times)]
    left = random.get_rng_state()
    step = native(function)
    manual_seed(seed)
    for eager in wanted:
        for x, y in zip(step(), eager, strict=True):
            x = np.asarray(x)
            assert (x.shape, x.dtype) == (y.shape, y.dtype)
            np.testing.assert_array_equal(x.view(f"u{x.itemsize}"), y.view(f"u{y.itemsize}"))
    np.testing.assert_array_equal(random.get_rng_state(), left)
    assert not step.latest.recording.executable.stops
    return step


# --- the numbers --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("lanes", [2, 4, 8])
def test_vectors_of_any_width_draw_what_numpy_draws(lanes, dtype):
    module = ModuleText()
    filling(module, np.dtype(dtype), lanes)
    text = str(module).replace("define internal", "define")
    code = Code(text, f"draw.{np.dtype(dtype)}")
    fill = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, *[ctypes.c_uint64] * 2)(
        code.address(f"draw.{np.dtype(dtype)}")
    )
    per_block = 32 // np.dtype(dtype).itemsize
    wanted = numpys(2**64 - 5, 9, 50 * per_block, dtype)
    got = np.empty((32 + lanes * 2) * per_block, dtype)
    fill(got.ctypes.data, 18, 32, 2**64 - 5, 9)
    np.testing.assert_array_equal(got[: 32 * per_block], wanted[18 * per_block :])


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, dtype=DTYPES, seed=st.integers(0, 2**64 - 1))
def test_any_shape_of_either_dtype_has_the_bits_of_eager(shape, dtype, seed):
    same_bits(lambda: (random.uniform(shape, dtype=dtype),), seed)


@settings(max_examples=20, deadline=None)
@given(state=st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), dtype=DTYPES)
def test_a_state_that_is_an_argument_is_read_at_each_call(state, dtype):
    step = native(lambda s: ops["random_uniform"](s, shape=(5, 13), dtype=np.dtype(dtype)))
    for calls in (state[1], 7):
        given = np.array([state[0], calls], np.uint64)
        np.testing.assert_array_equal(step(given), numpys(state[0], calls, (5, 13), dtype))
    assert not step.latest.recording.executable.stops


# --- in loops -----------------------------------------------------------------------------------------------
def loops_with_draws(step):
    groups = step.latest.recording.executable.groups
    return [g for g in groups if any(v.op == "random_uniform" for v in g.values)]


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(1, 30), min_size=1, max_size=3).map(tuple),
    dtype=DTYPES,
    axis=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_consumers_see_the_same_numbers_however_they_walk(shape, dtype, axis, seed):
    x = np.random.default_rng(seed).standard_normal(shape).astype("f8")
    axis %= len(shape)

    def several():
        u, v = random.uniform(shape, dtype=dtype), random.uniform(shape, dtype="f4")
        lowest = np.min(u, axis=axis, keepdims=True)  # a second pass over rows, or another loop
        return (
            np.where(u >= 0.5, x, 0),
            u.T * 2,
            u[::-1] - lowest,
            np.max(np.where(v > u, u, 0), axis=0),
            np.argmax(v, axis=axis),
            np.reshape(u, (-1,))[::3] + 1,
        )

    same_bits(several, seed)


def test_two_passes_over_long_rows_draw_the_same_numbers_twice():
    def shifted():
        u = random.uniform((7, 3001), dtype="f4")
        return (u - np.max(u, axis=1, keepdims=True),)

    same_bits(shifted)


def test_a_draw_is_part_of_the_loop_that_uses_it():
    x = np.ones((40, 30), "f4")

    def function():
        u = random.uniform(x.shape, dtype="f4")
        return np.where(u >= 0.25, x + 1, 0), np.max(u, axis=1)

    step = same_bits(function)
    assert [len(g.values) > 1 for g in loops_with_draws(step)] == [True]
    assert "random_uniform, " in step.explain()


def test_each_draw_reads_the_state_that_the_step_began_with():
    def three():
        return tuple(random.uniform((20,)) for _ in range(3))

    step = same_bits(three)
    (group,) = loops_with_draws(step)

    assert [v.inputs[0].kind for v in group.values] == ["state"] * 3
    assert [v.inputs[1].data for v in group.values] == [0, 1, 2]


def test_scalars_and_pairs_of_numbers_beside_the_state():
    def several():
        pair, one = random.uniform((2,)), random.uniform((1, 1), dtype="f4")
        return random.uniform(), pair, random.uniform((2,)) * 2, one

    same_bits(several)


@pytest.mark.parametrize("shape", [(1003, 301), (300_007,), (5, 7, 9001)])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_parts_on_any_number_of_cores_draw_their_own_share(shape, threads):
    from clearprop.compiler.engines.llvm.executor import Native

    def masked():
        keep = random.uniform(shape, dtype="f4") >= 0.5
        return np.where(keep, np.sqrt(random.uniform(shape)), 0)

    step = native(masked)
    manual_seed(5)
    step()
    executable = Native(step.latest.recording.program, threads=threads)
    assert executable.parallel
    state = np.array([5, 0], np.uint64)
    (got,), _ = executable.prepare([state])((), ())
    keep, drawn = numpys(5, 0, shape, "f4") >= 0.5, numpys(5, 1, shape, "f8")
    np.testing.assert_array_equal(got, np.where(keep, np.sqrt(drawn), 0))
    np.testing.assert_array_equal(state, [5, 2])


# --- training with dropout ----------------------------------------------------------------------------------
class Training:
    """A small network with dropout, its optimizer and its step."""

    def __init__(self, dtype="f4", executor=None, sizes=(50, 37, 21)):
        manual_seed(11)
        layers = [nn.Dropout(0.1)]
        for a, b in itertools.pairwise(sizes):
            layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.5)]
        self.model = nn.Sequential(*layers)
        self.model.to(dtype)
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-2)
        rng = np.random.default_rng(0)
        self.data = [
            (rng.standard_normal((33, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], 33))
            for _ in range(4)
        ]
        self.loss = nn.CrossEntropyLoss()
        self.step = clearprop.compile(self._step, executor=executor) if executor else self._step

    def _step(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, steps):
        return [float(self.step(*self.data[i % 4]).value) for i in range(steps)]

    def weights(self):
        return [np.array(p.value) for p in self.model.parameters()]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_step_with_dropout_is_the_eager_step_in_one_native_segment(dtype):
    eager, compiled = Training(dtype), Training(dtype, "llvm")
    losses = []
    for training in (eager, compiled):
        manual_seed(2)
        losses.append(training.run(12))
    tolerance = {"rtol": 2e-4, "atol": 2e-5} if dtype == "f4" else {"rtol": 1e-10, "atol": 1e-12}
    np.testing.assert_allclose(*losses, **tolerance)
    for x, y in zip(eager.weights(), compiled.weights(), strict=True):
        np.testing.assert_allclose(x, y, **tolerance)
    executable = compiled.step.latest.recording.executable
    assert executable.stops == []
    assert len(loops_with_draws(compiled.step)) == 3


def test_a_step_with_dropout_has_a_quick_call_that_goes_on_drawing():
    from clearprop.compiler.engines.llvm.doorstep.objects import readable

    training = Training(executor="llvm")
    training.run(6)
    if readable():
        assert training.step.latest.quick is not None
    before = random.get_rng_state()
    training.run(5)
    assert random.get_rng_state()[1] - before[1] == 15
    manual_seed(8)
    first = training.run(1)
    assert list(random.get_rng_state()) == [8, 3]
    assert first != training.run(1)


def test_layers_of_a_like_shape_draw_with_one_piece_of_code():
    training = Training(sizes=(32,) * 14, executor="llvm")
    training.run(2)
    text = training.step.latest.recording.executable.text
    assert len(loops_with_draws(training.step)) == 14
    assert text.count("call void @draw.float32") <= 4


def test_training_resumes_to_the_same_bits():
    whole = Training(executor="llvm")
    manual_seed(4)
    whole.run(4)
    saved, state = whole.model.state_dict(), random.get_rng_state()
    moments = whole.optimizer.state_dict()
    losses = whole.run(5)
    again = Training(executor="llvm")
    again.model.load_state_dict(saved)
    again.optimizer.load_state_dict(moments)
    random.set_rng_state(state)
    assert again.run(5) == losses
    for x, y in zip(whole.weights(), again.weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_executors_draw_the_same():
    results = []
    for executor in ("numpy", "llvm"):
        training = Training("f8", executor)
        manual_seed(6)
        results.append(training.run(4))
    np.testing.assert_allclose(*results, rtol=1e-11)
