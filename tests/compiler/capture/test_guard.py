"""What a step depends on besides arrays is noticed when it changes, or refused when it cannot be."""

import array
import collections
import contextvars
import copy
import dataclasses
import functools
import gc
import itertools
import pickle
import random
import sys
import types
import weakref
from collections import deque

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]
X = np.arange(1.0, 4.0)


class Thing:
    """Has a number; two of them are never equal."""

    def __init__(self, scale=2.0):
        self.scale = scale


@dataclasses.dataclass
class Settings:
    """Has a number, and no hash."""

    scale: float


def in_a_set(things):
    flags = {"double"}
    return lambda x: x * (2.0 if "double" in flags else 3.0), lambda: flags.remove("double")


def in_a_deque(things):
    numbers = deque([2.0])
    return lambda x: x * numbers[0], lambda: numbers.__setitem__(0, 3.0)


def under_another_key(things):
    two, three = 2.0, 3.0
    numbers = {"used": two, "other": three}

    def change():
        numbers.clear()
        numbers["other"], numbers["used"] = two, three

    return lambda x: x * numbers["used"], change


def an_attribute_of_a_function(things):
    def scaled(x):
        return x * scaled.by

    scaled.by = 2.0
    return scaled, lambda: setattr(scaled, "by", 3.0)


def beside_many_words(things):
    words = {f"word {i}": i for i in range(30_000)}
    numbers = {"scale": 2.0}
    return lambda x: x * numbers["scale"] + words["word 0"], lambda: numbers.update(scale=3.0)


def in_a_module_of_a_module(things):
    outer, inner = types.ModuleType("users_package"), types.ModuleType("users_package.settings")
    outer.settings, inner.scale = inner, 2.0
    return lambda x: x * outer.settings.scale, lambda: setattr(inner, "scale", 3.0)


def in_a_module_imported_inside(things):
    things.setitem(sys.modules, "users_thing", module := types.ModuleType("users_thing"))
    module.scale = 2.0

    def scaled(x):
        import users_thing

        return x * users_thing.scale

    return scaled, lambda: setattr(module, "scale", 3.0)


def behind_a_property(things):
    numbers = {"scale": 2.0}

    class Behind:
        @property
        def scale(self):
            return numbers["scale"]

    behind = Behind()
    return lambda x: x * behind.scale, lambda: numbers.update(scale=3.0)


def behind_a_static_method(things):
    numbers = {"scale": 2.0}

    class Behind:
        @staticmethod
        def scale():
            return numbers["scale"]

    return lambda x: x * Behind.scale(), lambda: numbers.update(scale=3.0)


def of_an_argument(things):
    thing = Thing()
    return functools.partial(lambda thing, x: x * thing.scale, thing), lambda: setattr(thing, "scale", 3.0)


class Scaled(nn.Module):
    """Has numbers under names with an underscore, in containers, and in its class."""

    _shared = 2.0

    def __init__(self):
        super().__init__()
        self._scale, self._options, self._list, self.flags = 2.0, {"scale": 2.0}, [2.0], {"a": {"b": 2.0}}

    def forward(self, x):
        return x * self._pick()


def in_a_module(pick, change):
    def place(things):
        model = Scaled()
        model._pick = lambda: pick(model)
        return lambda x: model(x), lambda: change(model)

    return place


def on_one_of_ours(make, name):
    def place(things):
        thing = make()
        setattr(thing, name, 2.0)
        return lambda x: x * getattr(thing, name), lambda: setattr(thing, name, 3.0)

    place.__name__ = f"{name} of {make()!r:.12}"
    return place


def in_a_dict_on_one_of_ours(make):
    def place(things):
        thing = make()
        thing._options = {"scale": [2.0]}
        return lambda x: x * thing._options["scale"][0], lambda: thing._options["scale"].__setitem__(0, 3.0)

    return place


def _sgd():
    return optim.SGD([Tensor([1.0])], lr=0.1)


class Slotted:
    """Has slots of its own and private ones."""

    __slots__ = ("__hidden", "scale")

    def __init__(self, scale):
        self.scale = self.__hidden = scale

    @property
    def hidden(self):
        return self.__hidden

    def hide(self, scale):
        self.__hidden = scale


class Below(Slotted):
    """Inherits its slots, and names one without a tuple."""

    __slots__ = "own"


class OwnDict(dict):
    """A dict with an attribute."""


class Meta(type):
    """A class of classes, whose attributes its classes have too."""

    scale = 2.0


class OfMeta(metaclass=Meta):
    """Has its number from the class of its class."""


def of_a_slot(things):
    thing = Below(2.0)
    return lambda x: x * thing.scale, lambda: setattr(thing, "scale", 3.0)


def of_a_hidden_slot(things):
    thing = Below(2.0)
    return lambda x: x * thing.hidden, lambda: thing.hide(3.0)


def of_a_slot_with_one_name(things):
    thing = Below(2.0)
    thing.own = 2.0
    return lambda x: x * thing.own, lambda: setattr(thing, "own", 3.0)


def of_a_dict_of_the_users(things):
    numbers = OwnDict()
    numbers.scale = 2.0
    return lambda x: x * numbers.scale, lambda: setattr(numbers, "scale", 3.0)


def of_a_class_of_a_class(things):
    things.setattr(Meta, "scale", 2.0)
    return lambda x: x * OfMeta.scale, lambda: setattr(Meta, "scale", 3.0)


def in_a_context(things):
    variable = contextvars.ContextVar("scale", default=2.0)
    return lambda x: x * variable.get(), lambda: variable.set(3.0)


def behind_a_read_only_view(things):
    numbers = {"scale": 2.0}
    view = types.MappingProxyType(numbers)
    return lambda x: x * view["scale"], lambda: numbers.update(scale=3.0)


def behind_a_weak_reference(things):
    kept = [Thing(2.0)]
    reference = weakref.ref(kept[0])
    return lambda x: x * (reference().scale if reference() else 3.0), lambda: (kept.clear(), gc.collect())


def of_what_is_referred_to_weakly(things):
    thing = Thing(2.0)
    reference = weakref.ref(thing)
    return lambda x: x * reference().scale, lambda: setattr(thing, "scale", 3.0)


def in_bytes(things):
    numbers = bytearray([2])
    return lambda x: x * numbers[0], lambda: numbers.__setitem__(0, 3)


def in_an_array_of_pythons(things):
    numbers = array.array("d", [2.0])
    return lambda x: x * numbers[0], lambda: numbers.__setitem__(0, 3.0)


def in_a_chain_of_dicts(things):
    numbers = collections.ChainMap({}, {"scale": 2.0})
    return lambda x: x * numbers["scale"], lambda: numbers.__setitem__("scale", 3.0)


def in_a_dict_with_defaults(things):
    numbers = collections.defaultdict(lambda: 2.0)
    return lambda x: x * numbers["scale"], lambda: numbers.__setitem__("scale", 3.0)


def of_a_partial_function(things):
    numbers = {"by": 2.0}
    scaled = functools.partial(lambda x, numbers: x * numbers["by"], numbers=numbers)
    return lambda x: scaled(x), lambda: numbers.update(by=3.0)


def in_its_code(things):
    def scaled(x):
        return x * 2.0

    return scaled, lambda: setattr(scaled, "__code__", (lambda x: x * 3.0).__code__)


def in_the_code_of_another(things):
    def scaled(x):
        return x * 2.0

    return lambda x: scaled(x), lambda: setattr(scaled, "__code__", (lambda x: x * 3.0).__code__)


def in_the_code_of_a_method(things):
    class Scaled:
        def by(self, x):
            return x * 2.0

    scaled = Scaled()
    return lambda x: scaled.by(x), lambda: setattr(Scaled.by, "__code__", (lambda self, x: x * 3.0).__code__)


def in_a_default(things):
    def scaled(x, by=2.0):
        return x * by

    return lambda x: scaled(x), lambda: setattr(scaled, "__defaults__", (3.0,))


def in_a_default_that_comes_later(things):
    def scaled(x, *by):
        return x * (by[0] if by else 2.0)

    def change():
        scaled.__code__ = (lambda x, by: x * by).__code__
        scaled.__defaults__ = (3.0,)

    return lambda x: scaled(x), change


def in_a_default_by_name(things):
    def scaled(x, *, by=2.0):
        return x * by

    return lambda x: scaled(x), lambda: setattr(scaled, "__kwdefaults__", {"by": 3.0})


def in_an_entry_of_the_defaults_by_name(things):
    def scaled(x, *, by=2.0):
        return x * by

    return lambda x: scaled(x), lambda: scaled.__kwdefaults__.update(by=3.0)


def in_the_step_s_own_default(things):
    def scaled(x, by=2.0):
        return x * by

    return scaled, lambda: setattr(scaled, "__defaults__", (3.0,))


PLACES = [
    in_its_code,
    in_the_code_of_another,
    in_the_code_of_a_method,
    in_a_default,
    in_a_default_that_comes_later,
    in_a_default_by_name,
    in_an_entry_of_the_defaults_by_name,
    in_the_step_s_own_default,
    in_a_module(lambda m: m._scale, lambda m: setattr(m, "_scale", 3.0)),
    in_a_module(lambda m: m._options["scale"], lambda m: m._options.update(scale=3.0)),
    in_a_module(lambda m: m._list[0], lambda m: m._list.__setitem__(0, 3.0)),
    in_a_module(lambda m: m.flags["a"]["b"], lambda m: m.flags["a"].update(b=3.0)),
    in_a_module(lambda m: m._shared, lambda m: setattr(m, "_shared", 3.0)),
    *(
        on_one_of_ours(make, name)
        for make in (nn.MSELoss, nn.ReLU, lambda: nn.Linear(1, 1), _sgd)
        for name in ("_gamma", "gamma")
    ),
    *map(in_a_dict_on_one_of_ours, (nn.MSELoss, _sgd)),
    of_a_slot,
    of_a_hidden_slot,
    of_a_slot_with_one_name,
    of_a_dict_of_the_users,
    of_a_class_of_a_class,
    in_a_context,
    behind_a_read_only_view,
    behind_a_weak_reference,
    of_what_is_referred_to_weakly,
    in_bytes,
    in_an_array_of_pythons,
    in_a_chain_of_dicts,
    in_a_dict_with_defaults,
    of_a_partial_function,
    in_a_set,
    in_a_deque,
    under_another_key,
    an_attribute_of_a_function,
    beside_many_words,
    in_a_module_of_a_module,
    in_a_module_imported_inside,
    behind_a_property,
    behind_a_static_method,
    of_an_argument,
]


@pytest.mark.parametrize("place", PLACES)
def test_a_number_is_noticed_wherever_it_is(place, executor, monkeypatch):
    function, change = place(monkeypatch)
    step = clearprop.compile(function, executor=executor)
    for _ in range(4):
        np.testing.assert_array_equal(step(X), 2 * X)
    change()
    for _ in range(4):
        np.testing.assert_array_equal(step(X), 3 * X)


def test_an_object_that_is_passed_may_change(executor):
    step = clearprop.compile(lambda x, thing: x * thing.scale, executor=executor)
    thing = Thing()
    for k in range(6):
        thing.scale = float(k // 2)
        np.testing.assert_array_equal(step(X, thing), X * thing.scale)


@pytest.mark.parametrize("kind", [Thing, Settings])
def test_a_new_object_is_not_taken_for_one_that_was_there(kind, executor):
    step = clearprop.compile(lambda x, thing: x * thing.scale, executor=executor)
    for k in range(12):
        np.testing.assert_array_equal(step(X, kind(float(k))), X * k)


def test_a_compiled_method_looks_at_its_own_object(executor):
    class Scaled(Thing):
        @clearprop.compile(executor=executor)
        def __call__(self, x):
            return x * self.scale

    first, second = Scaled(), Scaled(7.0)
    for k in range(6):
        first.scale = float(k // 2)
        np.testing.assert_array_equal(first(X), X * first.scale)
        np.testing.assert_array_equal(second(X), X * 7)


def test_zero_and_minus_zero_are_two_numbers(executor):
    zero = 0.0
    step = clearprop.compile(lambda x, y: x * zero + x * y, executor=executor)
    for _ in range(3):
        assert not np.signbit(step(X, 0.0)).any()
    zero = -0.0
    assert not np.signbit(step(X, 0.0)).any()
    assert np.signbit(step(X, -0.0)).all()

    zero = 0.0  # with an array, whose entries decide about no plan, the sign is the variable's alone
    for _ in range(3):
        assert not np.signbit(step(X, np.full(3, -0.0))).any()
    zero = -0.0
    assert np.signbit(step(X, np.full(3, -0.0))).all()


def test_a_dict_is_not_taken_for_keywords(executor):
    def either(x, y):
        return x - y["y"] if isinstance(y, dict) else x + y

    step = clearprop.compile(either, executor=executor)
    for _ in range(3):
        np.testing.assert_array_equal(step(X, {"y": 2 * X}), -X)
        np.testing.assert_array_equal(step(X, y=2 * X), 3 * X)


def test_a_gradient_that_is_there_for_the_first_time_is_noticed(executor):
    first, second = nn.Parameter(np.ones(3)), nn.Parameter(np.ones(3))
    optimizer = optim.SGD([first, second], lr=0.5)
    step = clearprop.compile(lambda: optimizer.step(), executor=executor)
    first.grad = np.ones(3)
    for _ in range(4):
        step()
    np.testing.assert_array_equal(second.value, np.ones(3))
    second.grad = np.ones(3)
    for _ in range(4):
        step()
    np.testing.assert_array_equal(second.value, -np.ones(3))
    np.testing.assert_array_equal(first.value, -3 * np.ones(3))


def test_an_array_that_a_step_makes_is_the_callers_own(executor):
    there = np.zeros(3)
    step = clearprop.compile(lambda x: (np.zeros(3), there, x * 1.0), executor=executor)
    for _ in range(4):
        made, same, _ = step(X)
        np.testing.assert_array_equal(made, np.zeros(3))
        assert same is there
        made[...] = 9


@pytest.mark.parametrize(
    "source",
    [
        lambda: iter([X] * 9),
        lambda: (X for _ in range(9)),
        lambda: itertools.count(1),
        lambda: zip(iter([1, 2, 3]), itertools.count(), strict=False),
    ],
)
def test_taking_from_an_iterator_is_refused(source, executor):
    iterator = source()

    def step(x):
        taken = next(iterator)
        return x * (taken[0] if isinstance(taken, tuple) else taken)

    with pytest.raises(RecordingError, match="takes from an iterator"):
        clearprop.compile(step, executor=executor)(X)


@pytest.mark.parametrize("generator", [random.Random(0), np.random.RandomState(0)])
def test_random_numbers_of_any_generator_are_refused(generator, executor):
    draw = generator.random
    with pytest.raises(RecordingError, match="random numbers"):
        clearprop.compile(lambda x: x * draw(), executor=executor)(X)
    with pytest.raises(RecordingError, match="random numbers"):
        clearprop.compile(lambda x: x * generator.random(), executor=executor)(X)


def test_a_tensor_is_an_argument_or_a_variable_but_not_both(executor):
    w = Tensor(np.ones(3), "w")
    step = clearprop.compile(lambda t, x: (t * x + w).sum(), executor=executor)
    for _ in range(3):
        assert step(Tensor(X), X).value == 17
    with pytest.raises(RecordingError, match="either as an argument or by name"):
        step(w, X)


def test_an_attribute_is_not_taken_for_a_variable_of_its_name(executor, monkeypatch):
    monkeypatch.setitem(globals(), "T", Tensor(np.eye(2)))
    step = clearprop.compile(lambda x: x @ x.T, executor=executor)
    for _ in range(3):
        assert (step(globals()["T"]).value == np.eye(2)).all()


def test_a_variable_is_noticed_as_an_attribute_of_its_own_module(executor, monkeypatch):
    monkeypatch.setitem(globals(), "scale", 2.0)
    here = sys.modules[__name__]
    step = clearprop.compile(lambda x: x * here.scale, executor=executor)
    for number in (2.0, 2.0, 5.0):
        monkeypatch.setitem(globals(), "scale", number)
        np.testing.assert_array_equal(step(X), X * number)


@clearprop.compile
def doubled(x):
    """Twice as much."""
    return x * 2.0


def test_a_compiled_function_is_pickled_by_name(executor):
    doubled(X)

    assert pickle.loads(pickle.dumps(doubled)) is doubled


def test_a_copy_of_a_model_with_a_compiled_method_is_compiled_for_itself(executor):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)
            self.predict = clearprop.compile(self.forward, executor=executor)

        def forward(self, x):
            return self.layer(x)

    model, x = Model(), X[None]
    for _ in range(3):
        model.predict(x)
    other = copy.deepcopy(model)
    clearprop.assign(other.layer.weight, other.layer.weight.value * 2)

    for m in (model, other):
        np.testing.assert_allclose(m.predict(x).value, m(x).value, rtol=1e-6)


def _table():
    return {i: {"scale": 2.0} for i in range(1000)}


def by_subscript(t):
    return lambda x: x * t[17]["scale"]


def by_get(t):
    return lambda x: x * t.get(17)["scale"]


def by_a_name_for_it(t):
    def step(x):
        other = t
        return x * other[17]["scale"]

    return step


def by_a_nested_function(t):
    return lambda x: sum(x * t[k]["scale"] for k in (17,))


def by_its_values(t):
    return lambda x: x * list(t.values())[17]["scale"]


READS = [by_subscript, by_get, by_a_name_for_it, by_a_nested_function, by_its_values]


@pytest.mark.parametrize("reads", READS)
@pytest.mark.parametrize("inner", [True, False])
def test_a_changed_entry_of_a_large_table_is_seen(reads, inner, executor):
    t = _table()
    step = clearprop.compile(reads(t), executor=executor)
    for scale in (2.0, 3.0, 5.0):
        if inner:
            t[17]["scale"] = scale
        else:
            t[17] = {"scale": scale}
        for _ in range(3):
            np.testing.assert_array_equal(step(X), scale * X)


@pytest.mark.parametrize("reads", READS[:2])
def test_an_entry_that_is_not_read_may_change(reads, executor):
    t = _table()
    step = clearprop.compile(reads(t), executor=executor)
    for k in range(4):
        t[18], t[18 + 10_000 * k] = {"scale": float(k)}, {}
        np.testing.assert_array_equal(step(X), 2 * X)
    assert step.recordings == 1


def test_a_new_entry_is_seen_where_it_was_asked_for(executor):
    t = _table()
    step = clearprop.compile(lambda x: x * (3.0 if "new" in t else 2.0), executor=executor)
    for _ in range(4):
        np.testing.assert_array_equal(step(X), 2 * X)
    t["new"] = None
    for _ in range(4):
        np.testing.assert_array_equal(step(X), 3 * X)
    del t["new"]
    np.testing.assert_array_equal(step(X), 2 * X)


@pytest.mark.parametrize("where", ["entry", "inside"])
def test_writing_into_a_large_table_is_refused(where, executor):
    t = dict.fromkeys(range(1000), 0) if where == "entry" else _table()

    def step(x):
        if where == "entry":
            t[17] += 1
        else:
            t[17]["scale"] = 7.0
        return x * 1.0

    with pytest.raises(RecordingError, match="later calls would not"):
        clearprop.compile(step, executor=executor)(X)
