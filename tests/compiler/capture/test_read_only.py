"""What a step may write into: not where NumPy's own array is read-only, or has one entry for several."""

import numpy as np
import pytest

import clearprop
from clearprop import nn
from clearprop.compiler.step import RecordingError, available_executors

X = np.arange(9.0).reshape(3, 3) + 1
windows = np.lib.stride_tricks.sliding_window_view


def written(view):
    """Return a step that writes into a view of what it has computed, and one that updates it."""

    def stores(x):
        z = view(x * 2)
        z[0] = 5.0
        return z

    def updates(x):
        z = view(x * 2)
        z += 5.0
        return z

    return stores, updates


READ_ONLY = {
    "broadcast_to": lambda y: np.broadcast_to(y[0], (3, 3)),
    "broadcast_to, the same shape": lambda y: np.broadcast_to(y, (3, 3)),
    "a row of broadcast_to": lambda y: np.broadcast_to(y[0], (3, 3))[1],
    "broadcast_to, turned": lambda y: np.broadcast_to(y[0], (3, 3)).T,
    "diagonal": np.diagonal,
    "y.diagonal()": lambda y: y.diagonal(),
    "diag": np.diag,
    "linalg.diagonal": np.linalg.diagonal,
    "imag": np.imag,
    "y.imag": lambda y: y.imag,
    "windows": lambda y: windows(y[0], 2),
}
WRITABLE = {
    "a copy of a diagonal": lambda y: np.diagonal(y).copy(),
    "a sum with a diagonal": lambda y: np.diagonal(y) + 1,
    "diag of a vector": lambda y: np.diag(y[0]),
    "broadcast_to, reshaped": lambda y: np.broadcast_to(y[0], (3, 3)).reshape(9),
    "real": np.real,
    "tile": lambda y: np.tile(y, 1),
    "meshgrid": lambda y: np.meshgrid(y[0], y[1])[0],
    "expand_dims": lambda y: np.expand_dims(y, 0),
    "ravel": np.ravel,
    "flatten": lambda y: y.flatten(),
    "split": lambda y: np.split(y, 3)[0],
    "repeat": lambda y: np.repeat(y, 2, axis=0),
}


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", READ_ONLY)
def test_what_numpy_gives_read_only_is_refused(name, executor):
    for step in written(READ_ONLY[name]):
        with pytest.raises(ValueError, match="read-only"):
            step(X)
        with pytest.raises((RecordingError, ValueError), match="read-only"):
            clearprop.compile(step, executor=executor)(X)
        with pytest.raises(ValueError, match="read-only"):
            clearprop.compile(step, executor=executor, fallback=True)(X)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", WRITABLE)
def test_what_numpy_gives_to_write_into_is_right(name, executor):
    for step in written(WRITABLE[name]):
        compiled = clearprop.compile(step, executor=executor, prove="never")
        for x in (X, X + 1, X - 3):
            np.testing.assert_array_equal(compiled(x), step(x))


@pytest.mark.parametrize("executor", available_executors())
def test_a_copy_of_an_argument_by_tile_is_written_into(executor):
    def step(x):
        grid, _ = np.meshgrid(x[0], x[1])
        grid[0] = 5.0
        tiled = np.tile(x, (1, 1))
        tiled[0] = 7.0
        row = x.flatten()
        row[0] = 9.0
        return grid + tiled + x + row[:3]

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for x in (X, X + 1):
        np.testing.assert_array_equal(compiled(x.copy()), step(x.copy()))


def test_entries_that_lie_on_each_other_are_refused():
    def step(x):
        first, _ = np.broadcast_arrays(x[0] * 2, x)
        first[0] = 1.0
        return first

    with pytest.raises(RecordingError, match="one entry for several"):
        clearprop.compile(step)(X)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", ["conj", "conjugate"])
def test_the_conjugate_of_real_numbers_is_the_array_itself(name, executor):
    def step(x):
        y = x * 2
        z = getattr(y, name)()
        z[0] = 5.0
        return y, z

    for x in (X, X * (1 + 2j)):
        for got, wanted in zip(clearprop.compile(step, executor=executor)(x), step(x), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_a_first_power_is_the_matrix_itself():
    def step(x):
        y = x * 2
        power = np.linalg.matrix_power(y, 1)
        y += 1
        return power

    np.testing.assert_array_equal(step(X), X * 2 + 1)
    np.testing.assert_array_equal(clearprop.compile(step, prove="never")(X), X * 2 + 1)


@pytest.mark.filterwarnings("ignore:Setting the .* on a NumPy array:DeprecationWarning")  # of NumPy 2.5
@pytest.mark.parametrize("name", ["real", "imag", "shape", "dtype"])
def test_an_attribute_that_is_set_is_refused_with_what_to_write(name):
    value = {"shape": (9,), "dtype": np.complex128}.get(name, 0.0)

    def step(x):
        y = x * (1 + 1j)
        setattr(y, name, value)
        return y

    with pytest.raises(RecordingError, match=rf"x\.{name} = y changes an array in place(.|\n)*Try x = "):
        clearprop.compile(step)(X)
    np.testing.assert_array_equal(clearprop.compile(step, fallback=True)(X), step(X))


@pytest.mark.parametrize("value", [np.sum, lambda x: x[0]], ids=["a number", "a row"])
def test_an_entry_of_numpys_own_array_is_refused_with_what_to_write(value):
    def step(x):
        array = np.zeros((3, 3))
        array[0] = value(x)
        return array

    def cured(x):
        array = np.zeros((3, 3)) + 0 * x.sum()
        array[0] = value(x)
        return array

    with pytest.raises(RecordingError, match=r"array\[i\] = t(.|\n)*out = np.zeros\(shape\) \+ 0"):
        clearprop.compile(step)(X)
    np.testing.assert_array_equal(clearprop.compile(cured)(X), step(X))


PYTHONS_OWN = {
    "memoryview": lambda x: len(memoryview(x * 2)),
    "a table of types": lambda x: {np.ndarray: 1.0}[type(x)],
    "nothing of that type": lambda x: max(1.0 for _ in "a" if type(x) is np.ndarray),
}


@pytest.mark.parametrize("name", PYTHONS_OWN)
def test_with_fallback_no_step_raises_what_the_function_does_not(name):
    step = PYTHONS_OWN[name]
    compiled = clearprop.compile(step, fallback=True)
    for _ in range(3):
        assert compiled(X) == step(X)
    if name == "memoryview":
        with pytest.raises(RecordingError, match=r"cannot do this with an array(.|\n)*test_read_only.py"):
            clearprop.compile(step)(X)


def test_with_fallback_an_error_of_the_functions_own_is_raised_and_forgotten():
    calls = []

    def step(x):
        calls.append(1)
        return np.sum(np.linalg.inv(x))

    compiled = clearprop.compile(step, fallback=True)
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.zeros((3, 3)))
    assert len(calls) == 1
    assert compiled(np.eye(3)) == 3.0


class Unhashable(type):
    """Of classes that nobody can put into a set."""

    __hash__ = None


class Odd(metaclass=Unhashable):
    """Such a class."""

    factor = 2.0


class Shy:
    """What does not say of which class it is."""

    @property
    def __class__(self):
        raise RuntimeError("asked for its class")


@pytest.mark.parametrize("kind", [Odd, Shy], ids=["no hash", "no class"])
def test_a_module_may_hold_what_answers_nobody(kind):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.held = nn.Linear(3, 1), kind()

        def forward(self, x):
            return self.linear(x) * getattr(self.held, "factor", 1.0)

    model = Model()
    for parameter in model.parameters():  # a few roundings of random ones are much of a sum near 0
        parameter.value = np.ones(parameter.shape, np.float32)
    assert [name for name, _ in model.named_parameters()] == ["linear.weight", "linear.bias"]
    compiled = clearprop.compile(lambda x: np.sum(model(x)))
    for _ in range(3):
        np.testing.assert_allclose(compiled(X).value, np.sum(model(X)).value, rtol=1e-6)
