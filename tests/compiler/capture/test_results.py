"""What a compiled step returns is made anew by each call and is what an eager run gives, or is refused."""

import collections
import copy
import dataclasses
import enum
import types
import typing

import numpy as np
import pytest

import clearprop
from clearprop import GradientError, Tensor, grad, nn, no_grad
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors
from clearprop.record import read

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]
W = Tensor([1.0, 2.0], name="W")
KEPT = {"numbers": [1, 2]}


@dataclasses.dataclass
class Losses:
    """Holds attributes."""

    total: typing.Any
    parts: list


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Holds attributes that cannot be set."""

    total: typing.Any
    made: int = dataclasses.field(default=0, init=False)


@dataclasses.dataclass(slots=True)
class Slotted:
    """Holds attributes in slots."""

    total: typing.Any


class Pair(typing.NamedTuple):
    """Two by name."""

    first: typing.Any
    second: typing.Any


class Kind(enum.Enum):
    """One of two."""

    LOW = 1


class OwnList(list):
    """A list of the user's."""


class OwnObject:
    """Says nothing of what it is made of."""

    def __init__(self, x):
        self.x = x


def contents(x):
    """Return a result as plain tuples with the types of all that is in it."""
    kind = type(x).__name__
    if isinstance(x, Tensor):
        return kind, x.detach().numpy().tolist()
    if isinstance(x, (np.ndarray, np.generic)):
        return kind, x.dtype.name, x.tolist()
    if isinstance(x, dict):
        return kind, [(k, contents(y)) for k, y in x.items()]
    if isinstance(x, (tuple, list)):
        return kind, [contents(y) for y in x]
    if isinstance(x, types.SimpleNamespace) or dataclasses.is_dataclass(x):
        slots = {name: getattr(x, name) for name in getattr(x, "__slots__", ())}
        return kind, contents({**getattr(x, "__dict__", {}), **slots})
    return kind, x


MADE = {
    "namespace": lambda x: types.SimpleNamespace(loss=np.sum(x), parts=[x * 2.0, W * x]),
    "dataclass": lambda x: Losses(np.sum(W * x), [x + 1.0, 3]),
    "frozen dataclass": lambda x: Frozen(np.sum(W * x)),
    "dataclass with slots": lambda x: Slotted((np.sum(W * x), "word")),
    "ordered dict": lambda x: collections.OrderedDict(b=x * 1.0, a=np.sum(x)),
    "dict": lambda x: {"b": x * 1.0, 1: {"a": np.sum(x)}},
    "named tuple": lambda x: Pair(np.sum(x), second=[Pair(x, W)]),
    "all of them": lambda x: [Losses(Pair(x * 2.0, None), [{"k": types.SimpleNamespace(y=x[0])}])],
    "constants": lambda x: (
        1,
        2.0,
        "a",
        None,
        True,
        np.float32(3.0),
        ...,
        Kind.LOW,
        range(3),
        float,
        x * 1.0,
    ),
    "an array of its own": lambda x: (np.arange(3), x * 1.0),
    "a constant that is computed": lambda x: (np.zeros_like(x), x * 0.0 + 1.0),
    "a parameter": lambda x: (W, read(W), x * 1.0),
    "nothing": lambda x: None,
    "nested empties": lambda x: ((), [], {}),
}


@pytest.mark.parametrize("name", MADE)
def test_results_are_made_anew_by_each_call(name, executor):
    f = MADE[name]
    compiled = clearprop.compile(f, executor=executor)

    kept = [compiled(np.arange(2.0) + k) for k in range(4)]
    for k, result in enumerate(kept):
        assert contents(result) == contents(f(np.arange(2.0) + k))


def test_writing_into_a_result_changes_no_later_one(executor):
    w = Tensor([1.0, 2.0])

    def f(x):
        return (
            np.arange(2.0),
            np.zeros_like(x),
            x.copy(),
            np.ones(2) * (w * 0.0 + 1.0),
            clearprop.grad(np.sum)(x),
        )

    compiled, x = clearprop.compile(f, executor=executor), np.array([3.0, 4.0])
    for _ in range(4):
        results = compiled(x)
        assert contents(results) == contents(f(np.array([3.0, 4.0])))
        for result in results:
            (result._value if isinstance(result, Tensor) else result)[:] = 99.0


def test_what_was_there_is_returned_itself(executor):
    compiled = clearprop.compile(lambda x: (KEPT, x, W, KEPT["numbers"], len), executor=executor)

    for k in range(3):
        x = np.ones(2) * k
        for got, wanted in zip(compiled(x), (KEPT, x, W, KEPT["numbers"], len), strict=True):
            assert got is wanted


REFUSED = {
    "set": lambda x: {
        1,
        2,
    },  # of numbers that are computed: each is asked for its hash, see test_strange_steps
    "frozenset": lambda x: frozenset([1]),
    "function": lambda x: lambda: np.sum(x),
    "generator": lambda x: (y for y in (x, x)),
    "map": lambda x: map(np.sum, [x]),
    "OwnList": lambda x: OwnList([x]),
    "OwnObject": lambda x: [OwnObject(x)],
    "ndarray": lambda x: np.array([None, 1], object),
    "recarray": lambda x: np.ones(1).view(np.recarray),
    "MaskedArray": lambda x: np.ma.array([1.0]),
    "Counter": lambda x: collections.Counter("aab"),
    "deque": lambda x: collections.deque([x]),
    "partial": lambda x: __import__("functools").partial(np.sum, x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_made_anew_is_refused_by_its_type(name, executor):
    with pytest.raises(RecordingError, match=rf"(?s)a {name}\b.*Try "):
        clearprop.compile(REFUSED[name], executor=executor)(np.arange(2.0))


@pytest.mark.parametrize("of", [lambda x: x, np.sum])
def test_the_class_of_what_stands_for_an_array_is_that_of_an_eager_run(of, executor):
    def step(x):
        return {"kind": type(of(x))}

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for x in (np.arange(2.0), np.arange(2.0), np.arange(3, dtype=np.float32)):
        assert compiled(x) == step(x)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_falls_back_to_the_function(name, executor):
    compiled = clearprop.compile(REFUSED[name], executor=executor, fallback=True)

    assert type(compiled(np.arange(2.0))) is type(REFUSED[name](np.arange(2.0)))


def weights():
    return Tensor(np.arange(1.0, 5.0), "w")


# what is made of a compiled function's result, where w is a leaf that it read or was given
LOST = {
    "added to": lambda f, w: np.sum(f(w)) + np.sum(w**2),
    "twice and added to": lambda f, w: np.sum(2 * f(w)) + np.sum(w**2),
    "multiplied": lambda f, w: np.sum(f(w) * w),
    "alone": lambda f, w: np.sum(f(w)),
}


@pytest.mark.parametrize("given", ["an argument", "a variable"])
@pytest.mark.parametrize("name", LOST)
def test_a_gradient_that_would_be_lost_is_an_error(name, given, executor):
    w = weights()
    if given == "an argument":
        f = clearprop.compile(lambda w: w**3, executor=executor)
    else:
        cubes = clearprop.compile(lambda: w**3, executor=executor)
        f = lambda w: cubes()  # noqa: E731
    for _ in range(3):
        loss = LOST[name](f, w)

        with pytest.raises(GradientError, match="compiled function returned"):
            loss.backward()
        assert w.grad is None


def test_a_gradient_inside_of_grad_that_would_be_lost_is_an_error(executor):
    def outer(v):
        return v * clearprop.compile(lambda x: x * v, executor=executor)(2.0)

    def middle(v):
        u = 3 * v
        return v * clearprop.compile(lambda x: x * u, executor=executor)(2.0)

    for f in (outer, middle):
        with pytest.raises(GradientError, match="compiled function returned"):
            grad(f)(3.0)


BY_A_MODULE = {
    "alone": lambda f, m, x: f(m, x),
    "beside what passes": lambda f, m, x: f(m, x) + np.sum(m.weight),
    "as a factor": lambda f, m, x: f(m, x) * np.sum(m.weight),
}


@pytest.mark.parametrize("transform", [grad, clearprop.value_and_grad, clearprop.jacobian, clearprop.hvp])
@pytest.mark.parametrize("way", BY_A_MODULE)
def test_a_gradient_by_a_module_that_a_compiled_function_reads_is_an_error(way, transform, executor):
    model, x = nn.Linear(2, 1, bias=False), np.ones((3, 2), np.float32)
    own = model.weight
    loss = clearprop.compile(lambda m, x: np.mean(m(x) ** 2), executor=executor)
    along = [{"weight": np.ones((1, 2), np.float32)}] if transform is clearprop.hvp else []
    for _ in range(2):
        with pytest.raises(GradientError, match="compiled function returned"):
            transform(lambda m, x: BY_A_MODULE[way](loss, m, x))(model, x, *along)
    assert model.weight is own

    found = grad(lambda m, x: loss(m, x).detach() * np.sum(m.weight))(model, x)
    assert np.allclose(found["weight"].value, float(loss(model, x)))


def test_a_gradient_by_what_a_compiled_function_finds_computed_is_an_error(executor):
    held = {}
    total = clearprop.compile(lambda x: np.sum(held["h"] * x), executor=executor)

    def f(w, x):
        held["h"] = w * 2
        return total(x) + np.sum(w)

    for w in (np.ones(2), Tensor(np.ones(2))):
        with pytest.raises(GradientError, match="compiled function returned"):
            grad(f)(w, np.ones(2))


def test_a_result_is_a_constant_where_no_gradient_is_lost(executor):
    w = weights()
    cubes = clearprop.compile(lambda: np.sum(w**3), executor=executor)

    def trained():
        w.grad = None
        loss = np.sum(w**2)
        loss.backward()
        return loss, np.mean(w)

    step, z = clearprop.compile(trained, executor=executor), np.zeros(2)
    for _ in range(3):
        z[0] = cubes()
        loss, mean = step()

        assert (np.asarray(cubes()), float(mean), z[0], np.array([cubes()])) == (100, 2.5, 100, 100)
        assert grad(lambda v: v * cubes())(2.0).detach() == 100
        assert not loss.requires_grad
        w.grad = None
        (cubes().detach() * np.sum(w)).backward()
        assert np.array_equal(w.grad, np.full(4, 100.0))
        with no_grad():
            assert not cubes().requires_grad
        assert copy.deepcopy(cubes()).value == 100
