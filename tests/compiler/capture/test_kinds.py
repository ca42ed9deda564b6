"""Arrays whose class is not NumPy's own: those that add names are as in eager mode, others are refused."""

import types

import numpy as np
import pytest

import clearprop
from clearprop import Tensor
from clearprop.compiler.capture.kinds import own_meaning
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = [
    pytest.mark.parametrize("executor", available_executors()),
    pytest.mark.by_turns("executor"),
    pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning"),
]


class Named(np.ndarray):
    """Adds names alone."""

    unit = "m"

    def __array_finalize__(self, source):
        self.info = getattr(source, "info", None)

    def doubled(self):
        return self * 2

    @property
    def half(self):
        return self / 2


class Noting(np.ndarray):
    """Notes that it was changed."""

    changed = False

    def __setitem__(self, place, value):
        self.changed = True
        super().__setitem__(place, value)

    def __repr__(self):
        return "noting"


class Giving(np.ndarray):
    """Gives numbers for results without axes, as classes for pictures do."""

    def __array_wrap__(self, result, context=None, return_scalar=False):
        return super().__array_wrap__(result, context, False) if result.ndim else result[()]


class Times(np.ndarray):
    """Multiplies in its own way."""

    def __mul__(self, other):
        return np.ndarray.__mul__(self, other) + 100

    __rmul__ = __mul__


class Ufuncs(np.ndarray):
    """Answers all of NumPy's ufuncs."""

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        plain = [x.view(np.ndarray) if isinstance(x, Ufuncs) else x for x in inputs]
        return getattr(ufunc, method)(*plain, **keywords) + 7


class Functions(np.ndarray):
    """Answers NumPy's functions."""

    def __array_function__(self, function, kinds, args, keywords):
        return np.float64(41.0)


class Summing(np.ndarray):
    """Has a sum of its own, which `np.sum` asks for."""

    def sum(self, *args, **keywords):
        return np.float64(-1.0)


class Wrapping(np.ndarray):
    """Changes what NumPy has computed."""

    def __array_wrap__(self, result, context=None, return_scalar=False):
        return np.asarray(result) * 3


class Places(np.ndarray):
    """Counts places from 1."""

    def __getitem__(self, place):
        return super().__getitem__(place - 1 if isinstance(place, int) else place)


class Later(Times):
    """Inherits what it does."""


HARMLESS = [Named, Noting, Giving, np.memmap]
OWN = [Times, Ufuncs, Functions, Summing, Wrapping, Places, Later]
USES = {
    "x * held": lambda x, held: x * held,
    "held * x": lambda x, held: held * x,
    "a sum": lambda x, held: np.sum(np.tanh(held)) * x,
    "a method": lambda x, held: (held.mean(axis=0, keepdims=True) + held[1:]) * 2.0,
    "a view": lambda x, held: held[::-1].reshape(2, 2).T,
    "a product": lambda x, held: held @ held,
    "put together": lambda x, held: np.concatenate([np.where(held > 1, held, 0), x]),
    "an entry": lambda x, held: held[1] * x,
    "a Tensor": lambda x, held: Tensor(x) * held + held,
}


def of(kind, k=0.0, folder=None):
    entries = np.arange(4.0) + k
    if kind is np.memmap:
        found = np.memmap(folder / f"{k}", float, "w+", shape=(4,))
        found[:] = entries
        return found
    if kind is np.ma.MaskedArray:
        return np.ma.array(entries, mask=[0, 1, 0, 0])
    found = entries.reshape(2, 2).view(kind) if kind is np.matrix else entries.view(kind)
    if kind is Named:
        found.info = "kept"
    return found


def same(got, wanted):
    if isinstance(wanted, Tensor):
        got, wanted = np.asarray(got.value), np.asarray(wanted.value)
    assert type(got) is type(wanted)
    np.testing.assert_allclose(got, wanted)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", HARMLESS)
def test_one_that_adds_names_is_as_in_eager_mode(kind, use, executor, tmp_path):
    f = USES[use]
    compiled = clearprop.compile(f, executor=executor)
    for k in range(4):
        x, held = np.arange(4.0) + k, of(kind, k, tmp_path)
        same(compiled(x, held), f(x, held))

    held = of(kind, 9.0, tmp_path)
    within = clearprop.compile(lambda x: f(x, held), executor=executor, prove="never")
    for k in range(4):
        held[:] = np.arange(4.0) - k
        same(within(x), f(x, held))


def test_its_methods_are_recorded_and_its_attributes_go_along(executor):
    step = clearprop.compile(lambda x: (x + 1).doubled() + x.half, executor=executor)
    for k in range(3):
        x = of(Named, k)
        x.info = f"call {k}"
        found = step(x)
        same(found, (x + 1) * 2 + x / 2)
        assert found.info == f"call {k}"


def test_the_class_of_an_argument_is_part_of_the_plan_and_can_be_asked_for(executor):
    def f(x):
        return x * 2 if isinstance(x + 1, Named) else x * 3

    step = clearprop.compile(f, executor=executor, prove="never")
    for k in range(4):
        same(step(of(Named, k)), f(of(Named, k)))
        same(step(np.arange(4.0) + k), f(np.arange(4.0) + k))


SCALE = types.SimpleNamespace(by=2.0)


class Scaled(np.ndarray):
    """Has a method that reads a variable."""

    def scaled(self):
        return self * SCALE.by


@pytest.mark.parametrize("captured", [False, True])
def test_what_its_methods_read_is_watched(captured, executor, monkeypatch):
    held = of(Scaled)
    f = (lambda x: held.scaled() * x) if captured else lambda x: x.scaled()
    step = clearprop.compile(f, executor=executor, prove="never")
    for k in range(3):
        monkeypatch.setattr(SCALE, "by", 2.0 + k)
        x = np.ones(4) if captured else of(Scaled, k)
        np.testing.assert_allclose(step(x), f(x))


def test_an_attribute_of_an_array_in_reach_is_watched(executor):
    held = of(Named)
    step = clearprop.compile(lambda x: x * (2.0 if held.info == "kept" else 3.0), executor=executor)
    for info, wanted in (("kept", 2.0), ("another", 3.0), ("kept", 2.0)):
        held.info = info
        assert step(np.ones(1)) == wanted


@pytest.mark.parametrize(
    "asks",
    [
        lambda x: x * 2 if hasattr(x, "info") else x,
        lambda x: x * (2 if x.info else 3),
        lambda x: x * len(x.unit),
        lambda x: x * (2 if getattr(x + 1, "info", None) else 3),
    ],
    ids=["hasattr", "an attribute", "of the class", "of what is computed"],
)
def test_what_may_be_another_at_each_array_is_refused(asks, executor):
    step = clearprop.compile(asks, executor=executor)
    with pytest.raises(RecordingError, match=r"cannot ask a Named for \.(info|unit)[^?]*Try passing x\."):
        step(of(Named))


WAYS = {
    "an argument": lambda held: (lambda x, y: y * x, (held,)),
    "in a list": lambda held: (lambda x, y: x * y[0], ([held],)),
    "a closure": lambda held: (lambda x: x * held, ()),
    "an attribute": lambda held: ((lambda o: lambda x: x * o.held)(types.SimpleNamespace(held=held)), ()),
    "of what is passed": lambda held: (lambda x, o: x * o.held, (types.SimpleNamespace(held=held),)),
    "a default": lambda held: ((lambda x, held=held: np.multiply(x, held)), ()),
    "made inside": lambda held: (lambda x: x * held.copy().view(type(held)), ()),
    "with a Tensor": lambda held: (lambda x: Tensor(x) * held, ()),
    "in a function": lambda held: (lambda x: np.add(x, held), ()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [*OWN, np.matrix, np.ma.MaskedArray])
def test_one_with_a_meaning_of_its_own_is_refused_by_its_name(kind, way, executor):
    f, more = WAYS[way](of(kind))
    x = np.arange(4.0).reshape(2, 2) if kind is np.matrix else np.arange(4.0)
    step = clearprop.compile(f, executor=executor)
    with pytest.raises(TypeError, match=rf"plain arrays and Tensors: {kind.__name__} \((.|\n)*Try ") as error:
        step(x, *more)
    assert isinstance(error.value, RecordingError)

    forgiving = clearprop.compile(f, executor=executor, fallback=True)
    for _ in range(3):
        same(forgiving(x, *more), f(x, *more))


def test_it_is_said_what_a_class_answers_itself(executor):
    del executor
    assert [own_meaning(kind) for kind in (*HARMLESS, np.ndarray, float)] == [""] * 6
    assert [own_meaning(kind) for kind in (Times, Later, Places)] == ["__mul__", "__mul__", "__getitem__"]


RECORDS = {
    "structured": lambda: np.array([(1.0, 2.0), (3.0, 4.0)], [("a", float), ("b", float)]),
    "records": lambda: np.array([(1.0, 2.0), (3.0, 4.0)], [("a", float), ("b", float)]).view(np.recarray),
    "a row": lambda: np.array([(1.0, 2.0), (3.0, 4.0)], [("a", float), ("b", float)])[1],
}


@pytest.mark.parametrize("name", RECORDS)
def test_fields_of_an_array_in_reach_are_read_anew_and_an_argument_with_fields_is_refused(name, executor):
    held = RECORDS[name]()
    step = clearprop.compile(lambda x: x * held["a"] + held["b"], executor=executor, prove="never")
    for k in range(4):
        held["a"], held["b"] = k, -k
        np.testing.assert_allclose(step(np.ones(2)), np.zeros(2))

    passed = clearprop.compile(lambda held: held["a"] * 2, executor=executor)
    with pytest.raises(TypeError, match=r"with names for its fields(.|\n)*Try pass x\['a'\]"):
        passed(held)


@pytest.mark.parametrize("inside", [[2.0], {0: 2.0}, np.array([2.0])], ids=["list", "dict", "array"])
def test_objects_in_fields_are_watched(inside, executor):
    held = np.zeros(2, [("a", float), ("o", object)])
    held["o"][0] = inside
    step = clearprop.compile(lambda x: x * held["o"][0][0], executor=executor, prove="never")
    for k in range(4):
        inside[0] = float(k)
        assert step(np.ones(1)) == k


def test_what_is_computed_is_changed_in_place_where_the_class_has_no_operator_for_it(executor):
    def f(x):
        y = x * 2
        y += 1.0
        return y

    step = clearprop.compile(f, executor=executor)
    for k in range(3):
        same(step(of(Named, k)), f(of(Named, k)))

    class Counting(Named):
        def __iadd__(self, other):
            return self + other + 1

    with pytest.raises(RecordingError, match="changes an array in place"):
        step(of(Counting))
