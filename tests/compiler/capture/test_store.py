"""Tests of clearprop.compiler.capture.store: where the arrays of a step lie, and whose they are."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim
from clearprop.compiler.plan.memory import LINE
from clearprop.record import assign


def _off_a_line(shape):
    """Return zeros that do not begin on a cache line."""
    space = np.zeros(int(np.prod(shape)) + 2 * LINE, np.float32)
    skip = (-space.ctypes.data % LINE) // 4 + 4
    return space[skip : skip + int(np.prod(shape))].reshape(shape)


@pytest.fixture
def layer():
    layer = nn.Linear(20, 8)
    assign(layer.weight, _off_a_line((8, 20)))
    return layer


def test_a_parameter_that_is_only_read_is_moved_to_a_cache_line(layer):
    before = layer.weight.value.copy()
    x = np.ones((2, 20), np.float32)

    predict = clearprop.compile(lambda x: layer(x), executor="numpy")
    for _ in range(2):
        z = predict(x)

    assert layer.weight.value.ctypes.data % LINE == 0
    np.testing.assert_array_equal(layer.weight.value, before)
    np.testing.assert_allclose(np.asarray(z), layer(x).value)


def test_an_array_that_somebody_holds_stays_where_it_is(layer):
    held = layer.weight.value

    predict = clearprop.compile(lambda x: layer(x), executor="numpy")
    for _ in range(2):
        predict(np.ones((2, 20), np.float32))

    assert np.shares_memory(layer.weight.value, held)


@pytest.mark.parametrize("holder", ["the array", "a view of it"])
def test_what_somebody_else_can_write_into_is_seen(holder):
    array = _off_a_line((8, 20)).copy()[:]  # its memory is another array's, as that of a shared array may be
    tensor = clearprop.from_numpy(array)
    kept = {"the array": array, "a view of it": array[:]}[holder]
    del array
    add = clearprop.compile(lambda x: x + tensor, executor="numpy")
    x = np.ones((8, 20), np.float32)
    add(x)
    add(x)

    kept[:] = 10

    assert np.asarray(add(x)).max() == 11
    assert (x + tensor).value.max() == 11


def test_an_array_that_may_not_be_written_stays_so(layer):
    frozen = np.zeros((8, 20), np.float32)
    frozen.flags.writeable = False
    assign(layer.weight, frozen)
    del frozen

    clearprop.compile(lambda x: layer(x), executor="numpy")(np.ones((2, 20), np.float32))

    assert not layer.weight.value.flags.writeable


def test_a_view_of_what_a_step_has_written_keeps_its_entries(layer):
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    @clearprop.compile
    def step(x):
        optimizer.zero_grad()
        loss = np.mean(layer(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    x = np.ones((2, 20), np.float32)
    for _ in range(3):
        step(x)
    assert layer.weight.value.ctypes.data % LINE == 0
    view = layer.weight.value[3:5]
    kept = view.copy()

    step(x)

    np.testing.assert_array_equal(view, kept)
    assert not np.array_equal(layer.weight.value[3:5], kept)
