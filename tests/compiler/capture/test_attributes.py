"""Of an object with many attributes, other large containers and many small ones, what was read is watched."""

import collections
import copy
import dataclasses
import operator
import types

import numpy as np
import pytest

import clearprop
from clearprop.compiler import RecordingError
from clearprop.compiler.capture.reading import StandInForTable
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]
X = np.arange(1.0, 4.0)
MANY = 300


class Settings:
    """Has many attributes."""

    unset = 2.0

    def __init__(self):
        for i in range(MANY):
            setattr(self, f"a{i}", {"scale": float(i)})

    def scale(self):
        return self.a17["scale"]

    @property
    def half(self):
        return self.a17["scale"] / 2


class Below(Settings):
    """Answers for what it has not, and has a slot."""

    __slots__ = ("slotted",)

    def __getattr__(self, name):
        if name == "missing":
            return self.a17["scale"]
        raise AttributeError(name)


class Careful(Settings):
    """Answers for itself: nothing can be noted of it."""

    def __getattribute__(self, name):
        return object.__getattribute__(self, name)


def named(kind):
    return kind((f"a{i}", {"scale": float(i)}) for i in range(MANY))


def chain():
    first = None
    for i in reversed(range(5_000)):
        node = types.SimpleNamespace(scale=float(i), next=first)
        first = node
    return first


def chain_of_dicts():
    first = None
    for i in reversed(range(5_000)):
        first = {"scale": float(i), "next": first}
    return first


def entry(table):
    if isinstance(table, dict):
        return table["a17"]
    return table[17] if isinstance(table, collections.deque) else table.a17


MAKES = {
    "an object": Settings,
    "an object of a class below": Below,
    "an object that answers for itself": Careful,
    "a namespace": lambda: types.SimpleNamespace(**{f"a{i}": {"scale": float(i)} for i in range(MANY)}),
    "an ordered dict": lambda: named(collections.OrderedDict),
    "a dict with defaults": lambda: collections.defaultdict(dict, named(dict)),
    "a deque": lambda: collections.deque({"scale": float(i)} for i in range(MANY)),
}
READS = {
    "an entry": lambda x, o: x * entry(o)["scale"],
    "by its name": lambda x, o: x * getattr(o, f"a{len('seventeen chars..')}")["scale"],
    "a method": lambda x, o: x * o.scale(),
    "a property": lambda x, o: x * o.half,
    "what its class has": lambda x, o: x * o.unset * o.a17["scale"],
    "attrgetter": lambda x, o: x * operator.attrgetter("a17")(o)["scale"],
    "vars": lambda x, o: x * vars(o)["a17"]["scale"],
    "a copy": lambda x, o: x * entry(copy.copy(o))["scale"],
    "a deep copy": lambda x, o: x * entry(copy.deepcopy(o))["scale"],
    "whether it is there": lambda x, o: x * (2.0 if hasattr(o, "late") else entry(o)["scale"]),
    "what is missing": lambda x, o: x * o.missing,
    "past its class": lambda x, o: x * object.__getattribute__(o, "a17")["scale"],
    "all of them": lambda x, o: x * sum(y["scale"] for y in vars(o).values() if isinstance(y, dict)),
}
FOR_OBJECTS = ["a method", "a property", "what its class has", "past its class"]
FOR_NAMES = [*FOR_OBJECTS, "by its name", "attrgetter", "vars", "all of them"]


def _goes(make, read):
    """Whether what is made can be read so."""
    if read == "what is missing":
        return make == "an object of a class below"
    if make in ("an ordered dict", "a dict with defaults", "a deque"):
        return read not in FOR_NAMES
    return make != "a namespace" or read not in FOR_OBJECTS


PAIRS = [(make, read) for make in MAKES for read in READS if _goes(make, read)]


def put(table, key, value):
    if isinstance(table, collections.deque):
        table[key] = value
    elif isinstance(table, dict):
        table[f"a{key}"] = value
    else:
        setattr(table, f"a{key}", value)


@pytest.mark.parametrize(("make", "read"), PAIRS)
def test_what_is_read_is_watched(make, read, executor):
    table, how = MAKES[make](), READS[read]

    step = clearprop.compile(lambda x: how(x, table), executor=executor, prove="never")
    for change in (
        lambda: None,
        lambda: entry(table).update(scale=3.0),
        lambda: put(table, 17, {"scale": 5.0}),
        lambda: setattr(table, "late", 1.0) if not isinstance(table, (dict, collections.deque)) else None,
    ):
        change()
        for _ in range(3):
            np.testing.assert_array_equal(step(X), how(X, table))


@pytest.mark.parametrize(("make", "read"), PAIRS)
def test_proofs_agree_and_classes_are_as_before(make, read, executor):
    table, how = MAKES[make](), READS[read]
    copy.copy(table)  # Python notes in a class what a copy takes, the first time
    before = dict(vars(type(table)))

    step = clearprop.compile(lambda x: how(x, table), executor=executor, prove="always")

    for _ in range(4):
        np.testing.assert_array_equal(step(X), how(X, table))
    assert dict(vars(type(table))) == before


@pytest.mark.parametrize("make", [make for make in MAKES if make != "an object that answers for itself"])
def test_what_is_not_read_may_change(make, executor):
    table = MAKES[make]()
    step = clearprop.compile(lambda x: x * entry(table)["scale"], executor=executor)
    for i in range(4):
        np.testing.assert_array_equal(step(X), X * 17)
        put(table, 100, {"scale": float(i)})
    assert step.recordings == 1


@pytest.mark.parametrize("make", [chain, chain_of_dicts])
def test_of_many_small_ones_too(make, executor):
    first = make()

    def following(node):
        return node["next"] if isinstance(node, dict) else node.next

    def scale(node):
        return node["scale"] if isinstance(node, dict) else node.scale

    def read(x):
        return x * scale(following(following(first)))

    step = clearprop.compile(read, executor=executor, prove="never")
    third = following(following(first))
    far = following(following(third))
    for number in (2.0, 7.0, 9.0):
        if number != 2.0:
            third.update(scale=number) if isinstance(third, dict) else setattr(third, "scale", number)
        np.testing.assert_array_equal(step(X), X * number)
        recordings = step.recordings
        far.update(scale=-1.0 - number) if isinstance(far, dict) else setattr(far, "scale", -1.0 - number)
        np.testing.assert_array_equal(step(X), X * number)
        assert step.recordings == recordings


@dataclasses.dataclass
class Counts:
    """Counts its calls, among many small things."""

    calls: int = 0


def test_what_a_step_sets_is_refused_and_taken_back(executor):
    settings = Settings()

    def counts(x):
        settings.calls = getattr(settings, "calls", 0) + 1
        return x * settings.a17["scale"]

    settings.calls = 0
    with pytest.raises(RecordingError, match="later calls would not"):
        clearprop.compile(counts, executor=executor)(X)
    settings.calls = 0
    step = clearprop.compile(counts, executor=executor, fallback=True)
    for i in range(1, 4):
        np.testing.assert_array_equal(step(X), X * 17)
        assert settings.calls == i
    many, small = [Counts() for _ in range(5_000)], Counts()

    def counts_small(x):
        small.calls += 1
        return x * (1.0 + many[3].calls)

    with pytest.raises(RecordingError, match="later calls would not"):
        clearprop.compile(counts_small, executor=executor)(X)


def test_a_missing_entry_that_is_made_is_seen(executor):
    table = collections.defaultdict(lambda: {"scale": 2.0}, named(dict))
    step = clearprop.compile(lambda x: x * table["new"]["scale"], executor=executor)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * 2)
    table["new"]["scale"] = 3.0
    np.testing.assert_array_equal(step(X), X * 3)
    parts = collections.deque(range(MANY))
    with pytest.raises(TypeError):
        clearprop.compile(lambda x: x * parts[1:3], executor=executor)(X)


REACHED: dict = {}


def test_a_refused_step_leaves_the_tables_in_their_places(executor):
    """A function that lies in one large table names another: both are put back to what they were."""
    REACHED.clear()
    REACHED.update((i, {"scale": float(i)}) for i in range(MANY))

    def writes():
        REACHED[17]["scale"] += 1.0

    table = dict.fromkeys(range(MANY), writes)

    def step(x):
        table[3]()
        return x * REACHED[17]["scale"]

    compiled = clearprop.compile(step, executor=executor, fallback=True)
    for i in range(1, 4):
        np.testing.assert_array_equal(compiled(X), X * (17 + i))
    assert not issubclass(type(REACHED), StandInForTable)


@pytest.mark.parametrize("make", [*MAKES, "a chain", "a chain of dicts"])
def test_a_call_compares_what_was_read(make, executor):
    if make == "an object that answers for itself":
        pytest.skip("all of it is looked at, and nothing is noted")
    chains = {"a chain": chain, "a chain of dicts": chain_of_dicts}
    table = {**MAKES, **chains}[make]()
    reads = {"a chain": lambda: table.scale, "a chain of dicts": lambda: table["scale"]}
    read = reads.get(make, lambda: entry(table)["scale"])

    step = clearprop.compile(lambda x: x * read(), executor=executor, prove="never")
    step(X)

    assert len(step.latest.guard.saved) < 80  # of 300 entries, 5,000 and 10,000


def test_a_step_may_fill_a_cache_among_many_small_things(executor):
    many, cache = [Counts() for _ in range(5_000)], {}

    def step(x):
        if "scale" not in cache:
            cache["scale"] = lambda x: x * 3.0
        return cache["scale"](x) + many[7].calls

    compiled = clearprop.compile(step, executor=executor)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(X), X * 3)


def test_an_array_that_is_changed_in_place_is_refused_with_a_likely_line(executor):
    count = np.zeros(1)

    def counts(x):
        count[0] += 1
        return x * 2.0

    with pytest.raises(RecordingError, match=r"changes an array in place.*\n.*test_attributes.py:\d+"):
        clearprop.compile(counts, executor=executor)(X)


@pytest.mark.parametrize("make", ["a namespace", "a deque", "an object"])
def test_a_large_thing_that_is_passed_is_watched(make, executor):
    """Nothing can stand for what the call itself brings."""
    table = MAKES[make]()
    step = clearprop.compile(lambda table, x: x * entry(table)["scale"], executor=executor, prove="never")
    np.testing.assert_array_equal(step(table, X), X * 17)
    put(table, 17, {"scale": 5.0})
    for _ in range(2):
        np.testing.assert_array_equal(step(table, X), X * 5)


def test_a_large_set_that_is_passed_is_watched(executor):
    step = clearprop.compile(lambda s, x: x * (2.0 if 17 in s else 3.0), executor=executor, prove="never")
    some = set(range(MANY))
    np.testing.assert_array_equal(step(some, X), X * 2)
    some.remove(17)
    np.testing.assert_array_equal(step(some, X), X * 3)


@pytest.mark.parametrize("count", [3, MANY])
def test_what_makes_missing_entries_is_watched(count, executor):
    table = collections.defaultdict(lambda: 2.0, ((i, float(i)) for i in range(count)))
    step = clearprop.compile(lambda x: x * table.default_factory(), executor=executor, prove="never")
    np.testing.assert_array_equal(step(X), X * 2)
    table.default_factory = lambda: 5.0
    for _ in range(2):
        np.testing.assert_array_equal(step(X), X * 5)


@pytest.mark.parametrize("count", [20, MANY])
def test_each_entry_of_an_array_of_objects_is_watched(count, executor):
    things = np.array([{"scale": float(i)} for i in range(count)], object)
    step = clearprop.compile(lambda x: x * things[17]["scale"], executor=executor, prove="never")
    np.testing.assert_array_equal(step(X), X * 17)
    for i in range(5):
        things[3] = {"scale": float(i)}
        np.testing.assert_array_equal(step(X), X * 17)
    for number in (5.0, 6.0):
        things[17] = {"scale": number}
        np.testing.assert_array_equal(step(X), X * number)


def test_what_is_asked_past_a_class_that_is_met_late_is_watched(executor):
    table = [Settings(), *(types.SimpleNamespace(scale=float(i)) for i in range(5_000))]

    def step(x):
        return x * object.__getattribute__(table[0], "a17")["scale"]

    compiled = clearprop.compile(step, executor=executor, prove="never")
    np.testing.assert_array_equal(compiled(X), X * 17)
    table[0].a17 = {"scale": 5.0}
    np.testing.assert_array_equal(compiled(X), X * 5)


class Small:
    """Has few attributes."""

    def __init__(self):
        self.a17 = {"scale": 17.0}

    def scale(self):
        return self.a17["scale"]


class Doubled(Settings):
    """Answers twice as much."""

    def scale(self):
        return 2 * self.a17["scale"]


class SmallDoubled(Small):
    """Answers twice as much."""

    def scale(self):
        return 2 * self.a17["scale"]


@pytest.mark.parametrize(("kind", "other"), [(Settings, Doubled), (Small, SmallDoubled)])
def test_another_class_or_another_dict_is_seen(kind, other, executor):
    thing = kind()
    step = clearprop.compile(lambda x: x * thing.scale(), executor=executor, prove="never")
    for _ in range(4):
        np.testing.assert_array_equal(step(X), X * 17)
    thing.__class__ = other
    for _ in range(4):
        np.testing.assert_array_equal(step(X), X * 34)
    thing.__dict__ = {**vars(thing), "a17": {"scale": 3.0}}
    for _ in range(4):
        np.testing.assert_array_equal(step(X), X * 6)
    assert step.recordings == 3
