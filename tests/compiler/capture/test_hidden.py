"""What C code keeps inside of objects is watched, or who asks it is refused; who merely holds it is not."""

import array
import collections
import contextvars
import ctypes
import decimal
import functools
import gc
import hashlib
import importlib
import io
import itertools
import logging
import mmap
import operator
import os
import queue
import random
import re
import sqlite3
import string
import sys
import threading
import types
import unittest.mock
import xml.etree.ElementTree
import zlib

import numpy as np
import pytest

import clearprop
from clearprop.compiler import RecordingError
from clearprop.compiler.capture.uses import Uses
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]
X = np.arange(1.0, 4.0)


@pytest.fixture(autouse=True)
def closing(monkeypatch):
    """Close the data bases that a test has opened: Python 3.13 warns of one that nobody closes."""
    opened, connect = [], sqlite3.connect

    def noted(*where):
        opened.append(connect(*where))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    yield
    for base in opened:
        base.close()


class Holder:
    """Holds things under names."""

    def __init__(self, **things):
        vars(self).update(things)


class Slotted:
    """Holds one in a slot."""

    __slots__ = ("held",)


class Structure(ctypes.Structure):
    """A number of C's."""

    _fields_ = (("number", ctypes.c_double),)


def filled(kind, *words):
    found = kind()
    for word in words:
        found.put(word)
    return found


def in_a_slot(thing):
    found = Slotted()
    found.held = thing
    return found


def of_this_thread(number):
    found = threading.local()
    found.number = number
    return found


def made(**settings):
    found = types.ModuleType("made_by_a_test")
    vars(found).update(settings)
    return found


def turned(iterator):
    next(iterator)
    return iterator


def mapped(size):
    found = mmap.mmap(-1, size)
    found[size // 2] = 3
    return found


def pushed(x, word):
    x.put(word)


def variable(value):
    found = contextvars.ContextVar("found")
    found.set(value)
    return found


def context_of(value):
    key = variable(value)
    return contextvars.copy_context(), key


def element():
    return xml.etree.ElementTree.fromstring("<a k='2'><b>3</b></a>")


def record():
    return np.array([(2.0,)], [("a", float)])[0]


# What holds a number, how it is read, and how it is changed in place.
SEEN = {
    "a number of C's": (lambda: ctypes.c_int(3), lambda c: c.value, lambda c: setattr(c, "value", 5)),
    "an array of C's": (
        lambda: (ctypes.c_double * 3)(1, 2, 3),
        lambda c: c[0],
        lambda c: c.__setitem__(0, 5),
    ),
    "a structure": (lambda: Structure(3.0), lambda c: c.number, lambda c: setattr(c, "number", 5.0)),
    "a pointer": (
        lambda: ctypes.pointer(ctypes.c_double(3.0)),
        lambda p: p.contents.value,
        lambda p: setattr(p.contents, "value", 5.0),
    ),
    "memory of the system": (lambda: mapped(16), lambda m: m[8], lambda m: m.__setitem__(8, 5)),
    "much of it": (lambda: mapped(1 << 16), lambda m: m[1 << 15], lambda m: m.__setitem__(1 << 15, 5)),
    "a view of bytes": (
        lambda: memoryview(array.array("d", [3.0])),
        lambda m: m[0],
        lambda m: m.__setitem__(0, 5.0),
    ),
    "an array one by one": (
        lambda: np.arange(3000.0).flat,
        lambda f: f[700],
        lambda f: f.__setitem__(700, 5.0),
    ),
    "a row with names": (record, lambda r: float(r["a"]), lambda r: r.__setitem__("a", 5.0)),
    "bytes in memory": (
        lambda: io.BytesIO(b"abc"),
        lambda b: b.getvalue()[0],
        lambda b: b.getbuffer().__setitem__(0, 7),
    ),
    "how far they are read": (lambda: io.BytesIO(b"abc"), lambda b: b.tell() + 1, lambda b: b.seek(2)),
    "text in memory": (
        lambda: io.StringIO("abc"),
        lambda b: len(b.getvalue()),
        lambda b: b.write("longer"),
    ),
    "a queue": (lambda: filled(queue.SimpleQueue, 1), lambda q: q.qsize(), lambda q: q.put(2)),
    "whether it is empty": (
        lambda: queue.SimpleQueue(),
        lambda q: 2.0 if q.empty() else 3.0,
        lambda q: q.put(2),
    ),
    "its method": (
        lambda: Holder(size=queue.SimpleQueue().qsize),
        lambda h: h.size() + 1,
        lambda h: h.size.__self__.put(2),
    ),
    "part of a function": (
        lambda: functools.partial(filled(queue.SimpleQueue, 1).qsize),
        lambda f: f(),
        lambda f: f.func.__self__.put(2),
    ),
    "another part": (
        lambda: functools.partial(int, "2"),
        lambda f: f(),
        lambda f: f.__setstate__((int, ("5",), {}, {})),
    ),
    "a queue in a list": (lambda: [queue.SimpleQueue()], lambda q: q[0].qsize() + 1, lambda q: q[0].put(2)),
    "a queue in a tuple": (lambda: (queue.SimpleQueue(),), lambda q: q[0].qsize() + 1, lambda q: q[0].put(2)),
    "a queue in a dict": (
        lambda: {"q": queue.SimpleQueue(), "other": 1},
        lambda d: d["q"].qsize() + 1,
        lambda d: d["q"].put(2),
    ),
    "a queue in a slot": (
        lambda: in_a_slot(queue.SimpleQueue()),
        lambda s: s.held.qsize() + 1,
        lambda s: s.held.put(2),
    ),
    "a property of it": (
        lambda: Asking(queue.SimpleQueue()),
        lambda a: a.size,
        lambda a: a.inside.put(2),
    ),
    "a lock": (threading.Lock, lambda x: 2.0 if x.locked() else 3.0, lambda x: x.acquire()),
    "what a thread keeps": (
        lambda: of_this_thread(3.0),
        lambda x: x.number,
        lambda x: setattr(x, "number", 5.0),
    ),
    "an event": (threading.Event, lambda x: 2.0 if x.is_set() else 3.0, lambda x: x.set()),
    "how numbers round": (
        lambda: decimal.Context(prec=5),
        lambda c: float(c.divide(decimal.Decimal(1), decimal.Decimal(3))),
        lambda c: setattr(c, "prec", 2),
    ),
    "variables of a context": (
        lambda: context_of(2.0),
        lambda c: c[0][c[1]],
        lambda c: c[0].run(c[1].set, 5.0),
    ),
    "a module made at run time": (
        lambda: Holder(settings=made(scale=2.0)),
        lambda h: h.settings.scale,
        lambda h: setattr(h.settings, "scale", 5.0),
    ),
    "an element": (element, lambda e: float(e.get("k")), lambda e: e.set("k", "5")),
    "the text of one inside": (element, lambda e: float(e[0].text), lambda e: setattr(e[0], "text", "5")),
    "a generator of numbers": (
        lambda: np.random.PCG64(1),
        lambda r: r.state["state"]["state"] % 1000 + 1,
        lambda r: r.random_raw(),
    ),
    "a copy of Python's": (
        lambda: random.Random(1),
        lambda r: random.Random.__reduce__(r)[2][1][5] % 1000 + 1,
        lambda r: r.seed(7),
    ),
    "seeds": (
        lambda: np.random.SeedSequence(1),
        lambda s: s.n_children_spawned + 1,
        lambda s: s.spawn(2),
    ),
    "how far an iterator has come": (
        lambda: turned(iter([1, 2, 3, 4])),
        lambda i: i.__length_hint__(),
        lambda i: next(i),
    ),
    "a count": (lambda: itertools.count(1), lambda c: int(repr(c)[6:-1]), lambda c: next(c)),
    "the frame of a generator": (
        lambda: turned(i for i in range(9)),
        lambda g: g.gi_frame.f_locals["i"] + 1,
        lambda g: next(g),
    ),
}
WORLD = {
    "the environment": (
        lambda: os.environ.__setitem__("CLEARPROP_TEST", "2"),
        lambda: float(os.environ["CLEARPROP_TEST"]),
        lambda: os.environ.__setitem__("CLEARPROP_TEST", "5"),
    ),
    "asked in another way": (
        lambda: os.environ.__setitem__("CLEARPROP_TEST", "2"),
        lambda: float(os.getenv("CLEARPROP_TEST")),
        lambda: os.environ.__setitem__("CLEARPROP_TEST", "5"),
    ),
    "the folder": (
        lambda: os.chdir("/"),
        lambda: len(os.getcwd()),
        lambda: os.chdir(os.path.dirname(__file__)),
    ),
    "how decimals round": (
        lambda: None,
        lambda: float(decimal.Decimal(1) / 3),
        lambda: setattr(decimal.getcontext(), "prec", 2),
    ),
    "a setting of Python's": (gc.enable, lambda: 2.0 if gc.isenabled() else 3.0, gc.disable),
    "how arrays are printed": (
        lambda: np.set_printoptions(precision=3),
        lambda: np.get_printoptions()["precision"],
        lambda: np.set_printoptions(precision=8),
    ),
    "a name in a library": (
        lambda: setattr(string, "of_a_test", 2.0),
        lambda: string.of_a_test,
        lambda: setattr(string, "of_a_test", 5.0),
    ),
}


class Asking:
    """Has a property that asks what it holds."""

    def __init__(self, inside):
        self.inside = inside

    @property
    def size(self):
        return self.inside.qsize() + 1


@pytest.fixture
def _world(monkeypatch):
    """Put back what these tests change outside of themselves."""
    monkeypatch.setenv("CLEARPROP_TEST", "2")
    monkeypatch.setattr(string, "of_a_test", 1.0, raising=False)
    monkeypatch.chdir("/")
    with decimal.localcontext(), np.printoptions():
        yield
    gc.enable()


@pytest.mark.parametrize("name", SEEN)
def test_a_change_inside_of_an_object_is_noticed(name, executor):
    make, read, change = SEEN[name]
    thing = make()
    step = clearprop.compile(lambda x: x * read(thing), executor=executor, prove="never")
    before = read(thing)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * before)
    assert step.recordings <= 2
    change(thing)
    assert read(thing) != before
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * read(thing))


@pytest.mark.usefixtures("_world")
@pytest.mark.parametrize("name", WORLD)
def test_a_setting_outside_is_read_anew(name, executor):
    start, read, change = WORLD[name]
    start()
    step = clearprop.compile(lambda x: x * read(), executor=executor, prove="never")
    before = read()
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * before)
    change()
    assert read() != before
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * read())


def opened():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table numbers (a)")
    connection.execute("insert into numbers values (2)")
    return connection


# What nobody can look into, and how it is asked.
CLOSED = {
    "a data base": (opened, lambda c: c.execute("select a from numbers").fetchone()[0]),
    "an attribute of one": (opened, lambda c: c.total_changes),
    "a hash": (lambda: hashlib.sha256(b"a"), lambda h: h.digest()[0]),
    "a compressor": (zlib.decompressobj, lambda d: 2.0 if d.eof else 3.0),
}
PLACES = {
    "a variable": lambda thing: lambda: thing,
    "an attribute": lambda thing: (lambda holder: lambda: holder.thing)(Holder(thing=thing)),
    "a dict": lambda thing: (lambda holder: lambda: holder["thing"])({"thing": thing, "other": 2.0}),
    "a list": lambda thing: (lambda holder: lambda: holder[0])([thing]),
    "a default": lambda thing: lambda thing=thing: thing,
    "a slot": lambda thing: (lambda holder: lambda: holder.held)(in_a_slot(thing)),
}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("place", PLACES)
def test_what_nobody_can_look_into_is_refused_where_a_step_asks_it(place, name, executor):
    make, read = CLOSED[name]
    found = PLACES[place](make())

    with pytest.raises(RecordingError, match=r"asks a .*\n  At .*test_hidden.py:\d+\.\n  Try asking"):
        clearprop.compile(lambda x: x * read(found()), executor=executor)(X)


def test_with_fallback_such_a_step_runs_as_it_is_written(executor):
    connection = opened()
    step = clearprop.compile(
        lambda x: x * connection.execute("select a from numbers").fetchone()[0],
        executor=executor,
        fallback=True,
    )
    for number in (2, 2, 5, 7):
        connection.execute("update numbers set a = ?", (number,))
        np.testing.assert_array_equal(step(X), X * number)


def logged(x):
    logging.getLogger("clearprop.a_test").debug("a step")
    return x * 2.0


def held(**things):
    holder = Holder(scale=2.0, **things)
    return lambda x: x * holder.scale


def locked(lock):
    def step(x):
        with lock:
            return x * 2.0

    return step


HELD = {
    "in an attribute": lambda: held(connection=opened(), hash=hashlib.md5(b""), text=io.StringIO()),
    "in a dict": lambda: (lambda d: lambda x: x * d["scale"])({"connection": opened(), "scale": 2.0}),
    "asked whether it is there": lambda: (lambda c: lambda x: x * (1.0 if c is None else 2.0))(opened()),
    "asked for its class": lambda: (lambda c: lambda x: x * (1.0 if isinstance(c, list) else 2.0))(opened()),
    "a lock around": lambda: locked(threading.Lock()),
    "a logger": lambda: logged,
    "a pattern": lambda: (lambda p: lambda x: x * len(p.match("ab").group()))(re.compile("a(b)")),
    "a match": lambda: (lambda m: lambda x: x * m.end())(re.match("a+", "aa")),
    "numbers of other kinds": lambda: (lambda d: lambda x: x * float(d))(decimal.Decimal(2)),
    "a sorted dict": lambda: (lambda d: lambda x: x * d["a"])(collections.OrderedDict(a=2.0)),
    "standard output": lambda: (lambda o: lambda x: x * (1.0 if o is None else 2.0))(sys.stdout),
}


class Trainer:
    """Holds something, asks for it in steps in many ways, and what it holds in none."""

    verbose = False

    def __init__(self, thing):
        self.thing, self.scale, self.more = thing, 2.0, {"thing": thing, "scale": 2.0}
        self.all = [thing]

    def another_name(self, x):
        thing = self.thing
        other = thing
        return x if other is None else x * self.scale

    def by_truth(self, x):
        return x * self.scale if self.thing else x

    def in_a_branch(self, x):
        if self.verbose:
            print(self.thing, len(self.thing), self.thing.total_changes)
        return x * self.scale

    def handed_on(self, x):
        return self.helper(x, self.thing)

    def helper(self, x, thing):
        return x if thing is None else x * self.scale

    def in_a_dict(self, x):
        found = {"thing": self.thing, "scale": self.scale}
        return x * found["scale"] if found else x

    def in_a_dict_of_its_own_code(self, x):
        found = {}
        found["thing"] = self.thing
        found["scale"] = self.scale
        return x if found["thing"] is None else x * found["scale"]

    def beside_another(self, x):
        scale, thing = self.scale, self.thing
        return x if thing is None else x * scale

    def in_a_list(self, x):
        found = [self.thing, self.scale]
        also = found
        return x * also[1]

    def in_a_tuple(self, x):
        return x * (self.thing, self.scale)[1]

    def in_containers(self, x):
        found = {"all": [self.thing, (self.thing,)], "scale": self.scale}
        return x * found["scale"] if found["all"] else x

    def handed_on_in_a_dict(self, x):
        return self.helped({"thing": self.thing, "scale": self.scale}, x)

    def handed_on_by_name(self, x):
        found = {"thing": self.thing, "scale": self.scale}
        return self.helped(x=x, found=found)

    def helped(self, found, x=X):
        return x if found["thing"] is None else x * found["scale"]

    def handed_on_as_names(self, x):
        return self.of_names(x, thing=self.thing, scale=self.scale)

    def of_names(self, x, **found):
        return x if found["thing"] is None else x * found["scale"]

    def in_a_function_inside(self, x):
        found = {"thing": self.thing, "scale": self.scale}
        return (lambda: x * found["scale"])()

    def counted(self, x):
        found = [self.thing, self.scale]
        return x * len(found) if len(self.all) == 1 else x

    def sought(self, x):
        return x * self.scale if "other" not in self.all else x

    def by_its_name(self, x):
        return x * self.scale if hasattr(self, "thing") and "thing" in self.more else x

    def got(self, x):
        return x * self.scale if getattr(self, "thing", None) is not None else x

    def method(self, x):
        return x * self.scale if callable(self.thing.close) else x


_HELPERS = ("verbose", "helper", "helped", "of_names")
WAYS = [name for name in vars(Trainer) if name not in _HELPERS and name[0] != "_"]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_looking_whether_it_is_there_is_refused(way, executor):
    step = clearprop.compile(getattr(Trainer(opened()), way), executor=executor)
    if way == "in_a_branch" and sys.version_info >= (3, 12):  # where nobody tells which branch has run
        with pytest.raises(RecordingError, match="nobody can tell when it changes"):
            step(X)
        return
    for _ in range(4):
        np.testing.assert_array_equal(step(X), X * 2)
    assert step.recordings == 1


def test_a_default_that_is_never_asked_is_not_refused(executor):
    held = opened()
    step = clearprop.compile(lambda x, connection=held: x * 2.0, executor=executor)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * 2)


def changes(connection):
    return connection.total_changes + 1.0


def changes_of_many(*connections, **named):
    return [*connections, *named.values()][0].total_changes + 1.0


def changes_found(holder):
    match holder:
        case Holder(found=connection):
            return connection.total_changes + 1.0


def changes_of_another_name(holder):
    first = holder.found
    second = first
    return second.total_changes + 1.0


def changes_of_each(holder):
    for connection in holder.all:
        return connection.total_changes + 1.0


def changes_in_a_dict(holder):
    found = {"here": holder.found, "scale": 2.0}
    return found["here"].total_changes + 1.0


def changes_put_into_a_dict(holder):
    found = {}
    found["here"] = holder.found
    also = found
    return also["here"].total_changes + 1.0


def changes_in_a_list(holder):
    found = [2.0, holder.found]
    return found[-1].total_changes + 1.0


def changes_in_containers(holder):
    found = {"all": [holder.found, 2.0]}
    inner = found["all"]
    return inner[0].total_changes + 1.0


def changes_in_a_loop(holder):
    for connection in [holder.found]:
        return connection.total_changes + 1.0


def changes_unpacked(holder):
    first, _ = pair = (holder.found, 2.0)
    return first.total_changes + float(pair[1] - 1)


def changes_beside_another(holder):
    one, connection = 1.0, holder.found
    return connection.total_changes + one


def changes_of_the_other(holder):
    connection, one = holder.found, 1.0
    return connection.total_changes + one


def changes_under_any_key(holder):
    found, key = {"here": holder.found}, "he" + "re"
    return found[key].total_changes + 1.0


def changes_of_what_was_handed(found):
    return found["here"].total_changes + 1.0


def changes_of_what_was_handed_deep(found):
    return found["all"][0]["here"].total_changes + 1.0


def changes_handed_on(found):
    return changes_of_what_was_handed(found)


def changes_of_values(found):
    return next(iter(found.values())).total_changes + 1.0


def changes_of_a_second_name(holder):
    found = {"here": holder.found}
    connection = found["here"]
    return connection.total_changes + 1.0


def changes_of_a_name_outside(holder):
    box = None

    def keeps():
        nonlocal box
        box = holder.found

    keeps()
    return box.total_changes + 1.0


def changes_of_a_dict_outside(holder):
    box = {}

    def puts():
        box["here"] = holder.found

    puts()
    return box["here"].total_changes + 1.0


def changes_in_a_class(holder):
    class Settings:
        inside = {"here": holder.found}  # noqa: RUF012

    return Settings.inside["here"].total_changes + 1.0


def changes_of_a_dict_with_two_names(holder):
    first = second = {}
    first["here"] = holder.found
    return second["here"].total_changes + 1.0


def changes_of_a_dict_under_its_first_name(holder):
    first = {"here": None}
    second = first
    second["here"] = holder.found
    return first["here"].total_changes + 1.0


def changes_of_a_dict_in_a_dict(holder):
    outer = {"inner": {}}
    inner = outer["inner"]
    inner["here"] = holder.found
    return outer["inner"]["here"].total_changes + 1.0


def put_into(box, connection):
    box["here"] = connection


def changes_of_what_another_function_filled(holder):
    box = {}
    put_into(box, holder.found)
    return box["here"].total_changes + 1.0


def filled_from(box, entries):
    box[0] = entries["here"]


def changes_of_an_entry_that_another_function_moved(holder):
    box = [None]
    filled_from(box, {"here": holder.found})
    return box[0].total_changes + 1.0


def append(number):
    return number + 1.0


def changes_by_a_method_of_the_name_of_a_function(holder):
    box, one = [], append(0.0)
    box.append(holder.found)
    return box[0].total_changes + one


everywhere = None


def changes_everywhere():
    return everywhere.total_changes + 1.0


def changes_of_a_global(holder):
    global everywhere
    everywhere = holder.found
    try:
        return changes_everywhere()
    finally:
        everywhere = None


ASKED = {
    "of a variable outside": changes_of_a_name_outside,
    "of a dict outside": changes_of_a_dict_outside,
    "in a class": changes_in_a_class,
    "of a dict with two names": changes_of_a_dict_with_two_names,
    "of a dict under its first name": changes_of_a_dict_under_its_first_name,
    "of a dict in a dict": changes_of_a_dict_in_a_dict,
    "of what another function filled": changes_of_what_another_function_filled,
    "of an entry that another function moved": changes_of_an_entry_that_another_function_moved,
    "by a method of the name of a function": changes_by_a_method_of_the_name_of_a_function,
    "of a global": changes_of_a_global,
    "in a dict": changes_in_a_dict,
    "put into a dict": changes_put_into_a_dict,
    "in a list": changes_in_a_list,
    "in containers": changes_in_containers,
    "of a list in a loop": changes_in_a_loop,
    "unpacked": changes_unpacked,
    "beside another": changes_beside_another,
    "before another": changes_of_the_other,
    "under any key": changes_under_any_key,
    "under a second name from a dict": changes_of_a_second_name,
    "of a tuple at once": lambda h: (1.0, h.found)[1].total_changes + 1.0,
    "handed on in a dict": lambda h: changes_of_what_was_handed({"here": h.found}),
    "handed on deep": lambda h: changes_of_what_was_handed_deep({"all": [{"here": h.found}]}),
    "handed on twice": lambda h: changes_handed_on({"here": h.found, "scale": 2.0}),
    "handed on with its values": lambda h: changes_of_values({"here": h.found}),
    "handed on as names": lambda h: changes_of_many(a=h.found),
    "counted in C": lambda h: sum(map(changes, [h.found])),
    "compared in a list": lambda h: 1.0 + ([h.found] == [h.all]),
    "in a loop inside": lambda h: sum([h.found.total_changes + 1.0 for _ in range(1)]),
    "in a lambda": lambda h: (lambda: h.found.total_changes + 1.0)(),
    "by another function": lambda h: changes(h.found),
    "by name": lambda h: changes(connection=h.found),
    "among others": lambda h: changes_of_many(h.found),
    "among names": lambda h: changes_of_many(a=h.found),
    "under another name": changes_of_another_name,
    "in a second place": lambda h: h.all[0].total_changes + 1.0,
    "under a key": lambda h: h.keys["k"].total_changes + 1.0,
    "under a key that is got": lambda h: h.keys.get("k").total_changes + 1.0,
    "one of all": changes_of_each,
    "by a match": changes_found,
    "by map": lambda h: next(map(changes, h.all)),
    "by a text": lambda h: operator.attrgetter("found.total_changes")(h) + 1.0,
    "by getattr": lambda h: getattr(h, "found").total_changes + 1.0,  # noqa: B009
}


@pytest.mark.parametrize("way", ASKED)
def test_no_way_of_asking_it_is_missed(way, executor):
    connection = opened()
    holder = Holder(found=connection, all=[connection], keys={"k": connection})
    step = clearprop.compile(lambda x: x * ASKED[way](holder), executor=executor, prove="never")

    with pytest.raises(RecordingError, match=r"asks a sqlite3\.Connection"):
        step(X)


IMPORTS = {
    "by its module": ("import {0} as module", "module.found"),
    "by its name": ("from {0} import found", "found"),
    "by another name": ("from {0} import found as other", "other"),
}


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("way", IMPORTS)
def test_what_is_imported_is_asked_too(way, inside, executor, tmp_path, monkeypatch):
    line, name = IMPORTS[way]
    (tmp_path / "kept_by_a_test.py").write_text(
        "import sqlite3.dbapi2 as base\nfound = base.connect(':memory:')\n"  # which stays open
    )
    monkeypatch.syspath_prepend(tmp_path)
    line = line.format("kept_by_a_test")
    text = f"def step(x):\n    {line}\n" if inside else f"{line}\ndef step(x):\n"
    (tmp_path / "step_of_a_test.py").write_text(f"{text}    return x * ({name}.total_changes + 1)\n")
    monkeypatch.delitem(sys.modules, "step_of_a_test", raising=False)
    step = importlib.import_module("step_of_a_test").step

    with pytest.raises(RecordingError, match=r"asks a sqlite3\.Connection"):
        clearprop.compile(step, executor=executor, prove="never")(X)


def test_a_debugger_beside_a_step_is_left_alone(executor):
    def trace(*_):
        return None

    step = clearprop.compile(Trainer(opened()).got, executor=executor)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        np.testing.assert_array_equal(step(X), X * 2)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


def test_an_archive_that_is_open_is_no_harm(tmp_path, executor):
    np.savez(tmp_path / "all.npz", a=X)
    with np.load(tmp_path / "all.npz") as archive:
        step = clearprop.compile(lambda x: x if archive is None else x * 2.0, executor=executor)
        for _ in range(3):
            np.testing.assert_array_equal(step(X), X * 2)


@pytest.mark.parametrize("name", HELD)
def test_what_a_step_merely_holds_or_what_stays_is_not_refused(name, executor):
    step = clearprop.compile(HELD[name](), executor=executor)
    for _ in range(4):
        np.testing.assert_array_equal(step(X), X * 2)
    assert step.recordings <= 2


def test_what_moves_on_beside_a_step_that_does_not_ask_it_costs_no_recording(executor):
    text, rng, numbers, lines = io.StringIO(), np.random.default_rng(1), random.Random(2), iter(range(99))
    waiting = queue.SimpleQueue()
    step = clearprop.compile(
        held(text=text, rng=rng, numbers=numbers, lines=lines, waiting=waiting), executor=executor
    )
    for _ in range(6):
        np.testing.assert_array_equal(step(X), X * 2)
        text.write("a line"), rng.random(), numbers.random(), next(lines), waiting.put(1)
    assert step.recordings == 1


def test_what_a_step_takes_from_a_queue_is_refused(executor):
    waiting = filled(queue.SimpleQueue, 2.0, 3.0)
    with pytest.raises(RecordingError, match="changes a SimpleQueue: later calls would not"):
        clearprop.compile(lambda x: x * waiting.get(), executor=executor)(X)


def test_under_another_profiler_what_code_names_counts_as_asked(executor):
    connection, seen = opened(), []
    sys.setprofile(lambda *event: seen.append(event[1]))
    try:
        with pytest.raises(RecordingError, match=r"asks a sqlite3\.Connection"):
            clearprop.compile(lambda x: x * connection.total_changes, executor=executor)(X)
        assert sys.getprofile() is not None
    finally:
        sys.setprofile(None)
    assert seen


def test_nobody_listens_after_a_run_that_fails(executor):
    connection = opened()

    def step(x):
        raise ValueError(f"{connection}")

    with pytest.raises(ValueError, match="sqlite3"):
        clearprop.compile(step, executor=executor)(X)
    assert sys.getprofile() is None
    with Uses([]):
        assert sys.getprofile() is None  # where there is nothing to look for


def test_a_mock_within_reach_is_held_and_not_asked_for_ever(executor):
    settings = unittest.mock.MagicMock()

    @clearprop.compile(executor=executor)
    def step(x):
        return 2 * x if settings is not None else x

    for _ in range(3):
        np.testing.assert_array_equal(step(X), 2 * X)
    assert settings.mock_calls == []
