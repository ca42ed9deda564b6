"""Tables where nothing else can be put: in tuples, arrays of objects, sets; what is read is watched."""

import functools
import types
import weakref
from collections import namedtuple

import numpy as np
import pytest

import clearprop
from clearprop.compiler.capture import guard
from clearprop.compiler.capture.reading import original
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]
X = np.arange(1.0, 4.0)
MANY = 300
Pair = namedtuple("Pair", "first second")


class Thing:
    """Has a number and a dict."""

    def __init__(self, i):
        self.scale, self.inner = float(i), {"a": float(i)}

    def doubled(self):
        return 2 * self.scale


def dicts():
    return [{"a": float(i)} for i in range(MANY)]


def things():
    return [Thing(i) for i in range(MANY)]


def chain():
    """Tuples in tuples, 5,000 deep."""
    found = None
    for entry in reversed([{"a": float(i)} for i in range(5000)]):
        found = (entry, found)
    return found


def objects(entries):
    found = np.empty(len(entries), object)
    found[:] = entries
    return found


def put(entry, value=77.0):
    if isinstance(entry, dict):
        entry["a"] = value
    else:
        entry.scale = value


# name -> (what is made of MANY entries, what a step reads of it, the entry that it reads and another)
READS = {
    "a tuple in a tuple": (lambda: (tuple(dicts()),), lambda o: o[0][5]["a"], lambda o: (o[0][5], o[0][6])),
    "three deep": (
        lambda: (1, (2, (dicts(), 3))),
        lambda o: o[1][1][0][5]["a"],
        lambda o: (o[1][1][0][5], o[1][1][0][6]),
    ),
    "taken apart": (
        lambda: (tuple(dicts()), 2.0),
        lambda o: (lambda a, b: a[5]["a"] * b)(*o),
        lambda o: (o[0][5], o[0][6]),
    ),
    "one after the other": (
        lambda: (tuple(dicts()), tuple(dicts())),
        lambda o: sum(part[-1]["a"] for part in o),
        lambda o: (o[1][-1], o[1][0]),
    ),
    "a slice": (lambda: (tuple(dicts()),), lambda o: o[0][3:5][1]["a"], lambda o: (o[0][4], o[0][6])),
    "a named tuple": (lambda: Pair(dicts(), 1), lambda o: o.first[5]["a"], lambda o: (o[0][5], o[0][6])),
    "named tuples in a list": (
        lambda: [Pair(d, 1.0) for d in dicts()],
        lambda o: o[5].first["a"] * o[5].second,
        lambda o: (o[5][0], o[6][0]),
    ),
    "a dict of tuples": (
        lambda: {i: (1.0, d) for i, d in enumerate(dicts())},
        lambda o: o[5][1]["a"],
        lambda o: (o[5][1], o[6][1]),
    ),
    "a long chain": (chain, lambda o: o[1][1][0]["a"], lambda o: (o[1][1][0], o[1][0])),
    "an array of objects": (lambda: objects(dicts()), lambda o: o[5]["a"], lambda o: (o[5], o[6])),
    "from the end": (lambda: objects(things()), lambda o: o[-1].doubled(), lambda o: (o[-1], o[0])),
    "two axes": (
        lambda: objects(dicts()).reshape(-1, 2),
        lambda o: o[5, 1]["a"],
        lambda o: (o[5, 1], o[1, 1]),
    ),
    "an array in a tuple": (
        lambda: (objects(dicts()),),
        lambda o: o[0][5]["a"],
        lambda o: (o[0][5], o[0][6]),
    ),
    "a tuple in an array": (
        lambda: objects([(float(i), d) for i, d in enumerate(dicts())]),
        lambda o: o[5][1]["a"],
        lambda o: (o[5][1], o[6][1]),
    ),
    "a long tuple in a set": (
        lambda: {tuple(things())},
        lambda o: next(iter(o))[5].scale,
        lambda o: (next(iter(o))[5], next(iter(o))[6]),
    ),
    "in a frozenset": (
        lambda: frozenset([tuple(things())]),
        lambda o: next(t[5].inner["a"] for t in o),
        lambda o: (next(iter(o))[5].inner, next(iter(o))[6].inner),
    ),
    "a read-only dict": (
        lambda: types.MappingProxyType(dict(enumerate(dicts()))),
        lambda o: o[5]["a"] + o.get(6, {"a": 1.0})["a"] + (1000 in o),
        lambda o: (o[6], o[7]),
    ),
}  # fmt: skip


@pytest.fixture(params=["as it is", "all watched"])
def watching(request, monkeypatch):
    if request.param == "all watched":  # as beyond 4,096 entries
        monkeypatch.setattr(guard, "MANY", -1)


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_watched_and_nothing_else(name, executor, watching):
    make, read, entries = READS[name]
    held = make()

    def step(x):
        return x * read(held)

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), step(X))
    read_one, other = entries(held)
    recordings = compiled.recordings
    put(other)
    np.testing.assert_array_equal(compiled(X), step(X))
    assert compiled.recordings == recordings
    for value in (77.0, -3.0):
        put(read_one, value)
        np.testing.assert_array_equal(compiled(X), step(X))
        np.testing.assert_array_equal(compiled(X), step(X))
    assert compiled.recordings > recordings
    assert original(held) is held


TUPLE = (dicts(), tuple(dicts()))
INDEX = (list(range(100)),)
ARRAY = objects(things())
NUMBERS = objects([float(i) for i in range(MANY)])
PAIR = Pair(tuple(dicts()), 2.0)
BOUND = PAIR.index
KEYED = {tuple(things()): 1.0}
LARGE = np.arange(1000.0).reshape(200, 5)
VIEW = {"a": {"b": 2.0}}
VALUES, ITEMS, KEYS = VIEW.values(), VIEW.items(), VIEW.keys()
REFERRED = weakref.ref(ARRAY)
PARTIAL = functools.partial(lambda table, x: x * table[0][5]["a"], TUPLE)


def with_default(x, table=TUPLE, *, more=TUPLE):
    return x * table[0][5]["a"] + more[1][6]["a"]


# What could tell a tuple with stand-ins in it from the tuple itself, an array of objects from its stand-in.
ODD = {
    "an index": lambda x: x * LARGE[INDEX].shape[0] + LARGE[INDEX][3, 1],
    "a text": lambda x: x * len(f"{TUPLE[1][3]} {TUPLE[0][4]!r}"),
    "the same object": lambda x: x * (TUPLE is TUPLE) * (TUPLE[0] is TUPLE[0]) + (TUPLE[1][2] is TUPLE[1][2]),
    "equality": lambda x: x * ((TUPLE[0], TUPLE[1]) == TUPLE) + (TUPLE[1][:2] == TUPLE[1][:2]),
    "more of it": lambda x: x * len(TUPLE + TUPLE) + len(TUPLE * 2) + (TUPLE + TUPLE)[2][7]["a"],
    "an index of it": lambda x: x * TUPLE[1].index({"a": 8.0}) + PAIR[0].count({"a": 1.0}),
    "replaced": lambda x: x * PAIR._replace(second=3.0).second * PAIR._replace(second=3.0).first[4]["a"],
    "as a dict": lambda x: x * PAIR._asdict()["first"][5]["a"],
    "a class": lambda x: x * isinstance(TUPLE, tuple) * isinstance(ARRAY, np.ndarray),
    "defaults": lambda x: with_default(x),
    "a partial": lambda x: PARTIAL(x),
    "a bound method": lambda x: x * BOUND(2.0),
    "keys": lambda x: x * next(iter(KEYED))[5].scale,
    "a view of a dict": lambda x: x * next(iter(VIEW.values()))["b"],
    "kept values of a dict": lambda x: x * next(iter(VALUES))["b"],
    "kept items of a dict": lambda x: x * next(iter(ITEMS))[1]["b"],
    "kept keys of a dict": lambda x: x * len(KEYS),
    "a weak reference": lambda x: x * REFERRED()[5].scale,
    "a shape": lambda x: x * ARRAY.size * ARRAY.shape[0] * ARRAY.ndim * len(ARRAY),
    "a slice": lambda x: x * ARRAY[3:9:2][1].scale,
    "a loop": lambda x: x * sum(thing.scale for thing in ARRAY),
    "a sum": lambda x: x * np.sum(NUMBERS) + NUMBERS.sum() + (NUMBERS * 2)[4] + (1.0 + NUMBERS)[5],
    "numbers": lambda x: x * np.asarray(NUMBERS)[3] + np.asarray(NUMBERS, float)[4] + x * NUMBERS[5],
    "a mask": lambda x: x * (NUMBERS > 100.0).sum() + NUMBERS[NUMBERS > 200.0][0],
    "a list": lambda x: x * ARRAY.tolist()[5].scale * NUMBERS.astype(float)[7],
    "a copy": lambda x: x * NUMBERS.copy()[7] + np.array(NUMBERS)[8],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_nobody_can_tell_what_stands_there(name, executor, watching):
    step = ODD[name]
    compiled = clearprop.compile(step, executor=executor, prove="never")
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), step(X))
    changes = [
        lambda: put(TUPLE[0][5]),
        lambda: put(TUPLE[1][6]),
        lambda: put(TUPLE[1][9], 1.0),
        lambda: put(PAIR[0][5]),
        lambda: put(PAIR[0][4], 1.0),
        lambda: put(next(iter(KEYED))[5]),
        lambda: VIEW["a"].update(b=5.0),
        lambda: VIEW.update(c=5.0),
        lambda: put(ARRAY[5]),
        lambda: NUMBERS.__setitem__(slice(3, 9), 50.0),
    ]
    for change in changes:
        change()
        np.testing.assert_array_equal(compiled(X), step(X))


def test_what_is_returned_is_the_thing_itself(executor, watching):
    compiled = clearprop.compile(lambda x: (x + TUPLE[0][5]["a"], TUPLE, ARRAY[3]), executor=executor)
    for _ in range(3):
        _, held, thing = compiled(X)
        assert held is TUPLE
        assert thing is ARRAY[3]


@pytest.mark.parametrize("how", ["an entry", "a member"])
def test_what_a_step_changes_there_is_refused(how, executor, watching):
    held, members = objects(things()), {tuple(things())}

    def step(x):
        if how == "an entry":
            held[5] = held[6]
        else:
            members.add(1)
        return x * held[5].scale + len(members)

    compiled = clearprop.compile(step, executor=executor, fallback=True)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), X * (6.0 if how == "an entry" else 5.0) + len(members))
    assert len(members) == (1 if how == "an entry" else 2)
