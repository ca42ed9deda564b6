"""Arrays in reach whose owner sets their shape, dtype or flags in place, or may write to read-only ones."""

import array
import warnings

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]


def set_quietly(x, name, value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        setattr(x, name, value)


CHANGES = {
    "another shape": lambda x, k: set_quietly(x, "shape", (3, 2) if k % 2 else (2, 3)),
    "one axis": lambda x, k: set_quietly(x, "shape", (6,) if k % 2 else (2, 3)),
    "another dtype": lambda x, k: set_quietly(x, "dtype", np.int64 if k % 2 else np.float64),
    "other strides": lambda x, k: set_quietly(x, "strides", (8, 16) if k % 2 else (24, 8)),
    "a flag": lambda x, k: x.setflags(write=k % 2 == 0),
    "a new size": lambda x, k: x.resize((2 + k % 3, 3), refcheck=False),
}
USES = {
    "its length": lambda x, held: x * len(held),
    "its shape": lambda x, held: x * held.shape[-1],
    "its entries": lambda x, held: np.sum(held * x, axis=0),
    "turned": lambda x, held: np.sum(held.T * x, axis=0),
    "a part": lambda x, held: held[0] * x,
    "how it lies": lambda x, held: x * (held.strides[0] + 100 * held.dtype.itemsize + held.flags.writeable),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("change", CHANGES)
def test_what_its_owner_sets_is_noticed(change, use, executor):
    held, f = np.arange(6.0).reshape(2, 3).copy(), USES[use]
    compiled = clearprop.compile(lambda x: f(x, held), executor=executor, prove="never")
    for k in range(6):
        if k:
            CHANGES[change](held, k // 2)
        for x in (np.float64(k), np.float64(2.0)):
            np.testing.assert_array_equal(compiled(x), f(x, held))


@pytest.mark.parametrize("change", ["another shape", "one axis", "another dtype"])
def test_a_tensor_that_shares_its_array_has_the_shape_that_is_set(change, executor):
    held = np.arange(6.0).reshape(2, 3).copy()
    t = clearprop.from_numpy(held)
    compiled = clearprop.compile(lambda x: np.sum(t * x, axis=0), executor=executor, prove="never")
    for k in range(6):
        CHANGES[change](held, k)
        np.testing.assert_array_equal(compiled(np.float64(2.0)).value, np.sum(held * 2.0, axis=0))


def test_a_step_that_sets_a_shape_is_refused(executor):
    held = np.arange(6.0).reshape(2, 3).copy()

    def step(x):
        y = np.sum(held * x, axis=0)
        set_quietly(held, "shape", (3, 2))
        return y

    with pytest.raises(RecordingError, match=r"sets the shape(.|\n)*Try x\.reshape"):
        clearprop.compile(step, executor=executor)(np.float64(2.0))


def frozen(x):
    x = x.view()
    x.flags.writeable = False
    return x


VIEWS = {
    "a read-only view": frozen,
    "spread": lambda x: np.broadcast_to(x, (2, *x.shape))[1],
    "a window": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2)[0],
    "of a buffer": lambda x: np.frombuffer(memoryview(x).toreadonly(), x.dtype),
}
LOOKS = {
    "times": lambda x, held: np.sum(x * held),
    "of Python's": lambda x, held: x * float(held[1]),
    "of NumPy's": lambda x, held: x * np.tanh(held)[1],
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_cannot_be_written_to_is_read_anew(view, look, executor):
    owner, f = np.arange(6.0), LOOKS[look]
    held = VIEWS[view](owner)
    compiled = clearprop.compile(lambda x: f(x, held), executor=executor, prove="never")
    for k in range(6):
        owner[1] = k
        np.testing.assert_allclose(compiled(np.ones(1)), f(np.ones(1), held))


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [6, 5000])
def test_a_read_only_array_that_its_owner_fills_is_read_anew(size, look, executor):
    held, f = np.arange(float(size)), LOOKS[look]
    held.flags.writeable = False
    compiled = clearprop.compile(lambda x: f(x, held), executor=executor, prove="never")
    for k in range(6):
        held.flags.writeable = True
        held[:] = np.arange(size) * k
        held.flags.writeable = False
        np.testing.assert_allclose(compiled(np.ones(1)), f(np.ones(1), held))


BUFFERS = {
    "a bytearray": lambda: (lambda held: (held, held))(bytearray(4)),
    "an array of Python's": lambda: (lambda held: (held, held))(array.array("d", [0.0, 0.0])),
    "a view": lambda: (lambda held: (held, memoryview(held)))(bytearray(4)),
    "a read-only view": lambda: (lambda held: (held, memoryview(held).toreadonly()))(array.array("d", [0.0])),
    "a view of an array": lambda: (lambda held: (held, memoryview(held)))(np.zeros(3)),
    "numbers in a view": lambda: (lambda held: (held, np.frombuffer(held)))(array.array("d", [0.0])),
}


@pytest.mark.parametrize("name", BUFFERS)
def test_a_buffer_is_looked_at_at_each_call(name, executor):
    owner, held = BUFFERS[name]()
    compiled = clearprop.compile(lambda x: x * held[0], executor=executor, prove="never")
    for k in range(6):
        owner[0] = k
        assert compiled(np.ones(1)) == k


def test_a_tensor_of_a_read_only_array_stays_a_copy(executor):
    held = np.arange(3.0)
    t = Tensor(frozen(held), requires_grad=False)
    compiled = clearprop.compile(lambda x: np.sum(t * x), executor=executor, prove="never")
    for k in range(3):
        held[:] = k
        assert float(compiled(np.float64(1.0))) == 3.0
