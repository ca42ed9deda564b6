"""Of a large table a recorded step watches what it has read: no more at each call, and no less."""

import collections.abc
import copy
import functools
import heapq
import json
import operator
import pprint
import threading
import types

import numpy as np
import pytest
from tests.counting import calls

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.compiler import RecordingError
from clearprop.compiler.capture.reading import StandInForTable
from clearprop.compiler.step import available_executors

pytestmark = [pytest.mark.parametrize("executor", available_executors()), pytest.mark.by_turns("executor")]
X = np.arange(1.0, 4.0)
MANY = 300
KEY = 17
ONE = [1]
TABLE: dict = {}
LIST: list = []
TUPLE, FROZEN = tuple(range(MANY)), frozenset(range(MANY))


@pytest.fixture(autouse=True)
def _filled():
    """Fill the global tables anew: entries are dicts, an entry's scale is its number."""
    TABLE.clear()
    TABLE.update((i, {"scale": float(i)}) for i in range(MANY))
    LIST[:] = [{"scale": float(i)} for i in range(MANY)]
    yield
    assert not any(issubclass(type(x), StandInForTable) for x in (*TABLE.values(), *LIST))


class Holder:
    """Has tables in its class, its attributes and a slot."""

    __slots__ = ("__dict__", "slotted")
    shared = TABLE

    def __init__(self):
        self.table = self.slotted = TABLE
        self.inner = {"tables": [TABLE, LIST]}


class Model(nn.Module):
    """A module with a table."""

    def __init__(self):
        super().__init__()
        self.table = TABLE

    def forward(self, x):
        return x * self.table[KEY]["scale"]


class Private(Model):
    """A module with a table under a name as the library has them."""

    def __init__(self):
        super().__init__()
        self._private = TABLE

    def forward(self, x):
        return x * self._private[KEY]["scale"]


HOLDER, MODEL, PRIVATE = Holder(), Model(), Private()
MODULE = types.ModuleType("a_users_module")
MODULE.table = TABLE
VIEW = types.MappingProxyType(TABLE)


def scale_of(table, key):
    return table[key]["scale"]


def in_closure():
    table = TABLE
    return lambda x: x * table[KEY]["scale"]


def matched(x):
    match TABLE:
        case {17: {"scale": scale}}:
            return x * scale
    return x


def caught(x):
    try:
        return x * TABLE["missing"]["scale"]
    except KeyError:
        return x * TABLE[KEY]["scale"]


READS = {
    "a variable for the key": lambda x: x * TABLE[KEY]["scale"],
    "a loop": lambda x: sum(x * TABLE[i]["scale"] for i in range(15, 20)),
    "another function": lambda x: x * scale_of(TABLE, KEY),
    "another name": lambda x: x * (lambda t: t[KEY])(TABLE)["scale"],
    "an attribute": lambda x: x * HOLDER.table[KEY]["scale"],
    "an attribute's entry": lambda x: x * HOLDER.inner["tables"][0][KEY]["scale"],
    "a slot": lambda x: x * HOLDER.slotted[KEY]["scale"],
    "a class": lambda x: x * Holder.shared[KEY]["scale"],
    "a module of layers": lambda x: MODEL(x),
    "a module": lambda x: x * MODULE.table[KEY]["scale"],
    "a closure": lambda x: in_closure()(x),
    "get": lambda x: x * TABLE.get(KEY)["scale"],
    "get in vain": lambda x: x * TABLE.get("missing", {"scale": 1.0})["scale"] * TABLE[KEY]["scale"],
    "an error that is caught": caught,
    "a question": lambda x: x * TABLE[KEY]["scale"] if KEY in TABLE and "missing" not in TABLE else x,
    "a list": lambda x: x * LIST[KEY]["scale"],
    "a list from its end": lambda x: x * LIST[KEY - MANY]["scale"],
    "part of a list": lambda x: sum(x * entry["scale"] for entry in LIST[15:20]),
    "itemgetter": lambda x: x * operator.itemgetter(KEY)(TABLE)["scale"],
    "the length": lambda x: x * TABLE[len(TABLE) - len(LIST) + KEY]["scale"],
    "a pattern": matched,
    "a private table": lambda x: PRIVATE(x),
    "the values": lambda x: x * sum(entry["scale"] for entry in TABLE.values()),
    "all entries": lambda x: x * sum(entry["scale"] for entry in LIST),
    "the first": lambda x: x * (1.0 + TABLE[next(iter(TABLE))]["scale"] + TABLE[KEY]["scale"]),
    "unpacking": lambda x: x * [*LIST][KEY]["scale"] * {**TABLE}[KEY]["scale"],
    "a copy": lambda x: x * copy.copy(TABLE)[KEY]["scale"] * copy.deepcopy(LIST)[KEY]["scale"],
    "a union": lambda x: x * (TABLE | {1: 2})[KEY]["scale"] * ({1: 2} | TABLE)[KEY]["scale"],
    "a sum of lists": lambda x: x * (LIST + ONE)[KEY]["scale"] * (ONE + LIST)[KEY + 1]["scale"],
    "keywords": lambda x: x * (lambda **all: all["k17"]["scale"])(**{f"k{i}": y for i, y in TABLE.items()}),
    "text": lambda x: x * json.loads(json.dumps(TABLE))["17"]["scale"],
    "C code": lambda x: x * heapq.nsmallest(KEY + 1, LIST, key=lambda entry: entry["scale"])[-1]["scale"],
    "C code for lists": lambda x: x * heapq.heappushpop([entry["scale"] for entry in LIST][KEY:], 1e9),
    "its type": lambda x: x * TABLE[KEY]["scale"] if type(TABLE) is dict else x,
    "its class": lambda x: x * TABLE[KEY]["scale"] if isinstance(TABLE, dict) else x,
    "itself": lambda x: x * TABLE[KEY]["scale"] if TABLE is HOLDER.table is Holder.shared else x,
    "a read-only view": lambda x: x * VIEW[KEY]["scale"],
    "a default": lambda x, table=TABLE: x * table[KEY]["scale"],
    "part of a function": functools.partial(lambda table, x: x * table[KEY]["scale"], TABLE),
    "a method of its own": (lambda get: lambda x: x * get(KEY)["scale"])(TABLE.get),
    "globals": lambda x: x * globals()["TABLE"][KEY]["scale"],
    "vars of a module": lambda x: x * vars(MODULE)["table"][KEY]["scale"],
    "getattr of a module": lambda x: x * getattr(MODULE, "table")[KEY]["scale"],  # noqa: B009
}


def changes():
    """Yield changes, each seen by every one of READS; the last two are put back."""
    for table in (TABLE, LIST):
        yield lambda table=table: table[KEY].update(scale=3.0)
        yield lambda table=table: table.__setitem__(KEY, {"scale": 5.0})


@pytest.mark.parametrize("name", READS)
def test_what_is_read_is_watched(name, executor):
    read = READS[name]
    step = clearprop.compile(read, executor=executor, prove="never")
    for _ in range(3):
        np.testing.assert_array_equal(step(X), read(X))
    for change in changes():
        change()
        for _ in range(3):
            np.testing.assert_array_equal(step(X), read(X))


@pytest.mark.parametrize("name", READS)
def test_proofs_agree(name, executor):
    step = clearprop.compile(READS[name], executor=executor, prove="always")
    for _ in range(4):
        np.testing.assert_array_equal(step(X), READS[name](X))


@pytest.mark.parametrize("name", list(READS)[: list(READS).index("the length")])
def test_what_is_not_read_may_change(name, executor):
    step = clearprop.compile(READS[name], executor=executor)
    for i in range(4):
        np.testing.assert_array_equal(step(X), READS[name](X))
        TABLE[100]["scale"], TABLE[101], TABLE[f"new {i}"] = -float(i), {"scale": -1.0}, {"scale": 0.0}
        LIST[100]["scale"], LIST[101] = -float(i), {"scale": 1.0}
    assert step.recordings == 1


def test_an_entry_that_comes_or_goes_is_noticed(executor):
    def read(x):
        return x * (TABLE.get("late") or TABLE[KEY])["scale"] * (2.0 if "gone" in TABLE else 1.0)

    step = clearprop.compile(read, executor=executor, prove="never")
    for change in (
        lambda: None,
        lambda: TABLE.update(late={"scale": 7.0}),
        lambda: TABLE.update(gone={}),
        lambda: TABLE.pop("late"),
        lambda: TABLE.pop("gone"),
    ):
        change()
        for _ in range(3):
            np.testing.assert_array_equal(step(X), read(X))


def test_a_length_that_changes_is_noticed(executor):
    step = clearprop.compile(lambda x: x * float(len(LIST)), executor=executor, prove="never")
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * len(LIST))
        LIST.append({"scale": 1.0})


def test_a_set_is_asked_for_members(executor):
    flags = {f"flag {i}" for i in range(MANY)}
    step = clearprop.compile(
        lambda x: x * (2.0 if "flag 3" in flags else 3.0), executor=executor, prove="never"
    )
    for scale in (2.0, 2.0, 3.0, 3.0):
        if scale == 3.0:
            flags.discard("flag 3")
        np.testing.assert_array_equal(step(X), X * scale)
        flags.add(f"another {scale}")
    assert step.recordings == 2


def test_tables_in_tables(executor):
    outer = {i: {j: [float(i + j)] * 100 for j in range(100)} for i in range(100)}
    step = clearprop.compile(lambda x: x * outer[3][KEY][5], executor=executor, prove="never")
    for number in (20.0, 20.0, 4.0, 4.0, 6.0):
        if number != 20.0:
            outer[3][KEY][5] = number
        np.testing.assert_array_equal(step(X), X * number)
        outer[4], outer[3][18], outer[3][KEY][6] = {}, [], 0.0


def test_arrays_in_a_table_are_read_anew(executor):
    arrays = {i: np.full(3, float(i)) for i in range(MANY)}
    step = clearprop.compile(lambda x: x * arrays[KEY] + arrays[KEY][0], executor=executor, prove="never")
    for number in (17.0, 2.0, 3.0):
        arrays[KEY][...] = number
        np.testing.assert_array_equal(step(X), X * number + number)
    arrays[KEY] = np.full(3, 9.0)
    np.testing.assert_array_equal(step(X), X * 9 + 9)


def test_large_arrays_in_a_table_are_not_looked_at_by_proofs(executor):
    arrays = {i: np.full(3000, float(i)) for i in range(MANY)}
    step = clearprop.compile(lambda x: x * arrays[KEY], executor=executor, prove="always")
    x = np.ones(3000)
    for number in (17.0, 2.0, 3.0):
        arrays[KEY][...], arrays[18][...] = number, -number
        np.testing.assert_array_equal(step(x), x * number)


def test_tensors_in_a_table_train(executor):
    weights = {i: nn.Parameter(np.ones(3)) for i in range(MANY)}
    again = {i: nn.Parameter(np.ones(3)) for i in range(MANY)}

    def training(weights):
        optimizer = optim.SGD([weights[KEY], weights[18]], lr=0.1)

        def step(x):
            loss = ((weights[KEY] * x - weights[18]) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return step

    eager, compiled = training(again), clearprop.compile(training(weights), executor=executor, prove="never")
    for i in range(5):
        np.testing.assert_allclose(compiled(X).value, eager(X).value, rtol=1e-12)
        if i == 2:
            weights[KEY].grad = again[KEY].grad = None
    for i in (KEY, 18, 19):
        np.testing.assert_allclose(weights[i].value, again[i].value, rtol=1e-12)


def test_a_gradient_there_for_the_first_time_is_added_to(executor):
    weights = {i: Tensor(np.ones(3)) for i in range(MANY)}

    def step(x):
        (weights[KEY] * x).sum().backward()

    compiled = clearprop.compile(step, executor=executor, prove="never")
    for i in range(1, 4):
        compiled(X)
        np.testing.assert_array_equal(weights[KEY].grad, i * X)


@pytest.mark.parametrize("how", ["the same array", "a view", "the same Tensor"])
def test_an_argument_that_is_in_the_table_too(how, executor):
    arrays = {i: np.full(3, float(i)) for i in range(MANY)}
    if how == "the same Tensor":
        tensors = {i: Tensor(x) for i, x in arrays.items()}
        step = clearprop.compile(lambda t: (t * tensors[KEY]).sum(), executor=executor)
        with pytest.raises(RecordingError, match="either as an argument or by name"):
            step(tensors[KEY])
        return
    step = clearprop.compile(lambda x: x * arrays[KEY], executor=executor, prove="never")
    first = arrays[KEY] if how == "the same array" else arrays[KEY][:]
    for x in (first, X, X, first):
        np.testing.assert_array_equal(step(x), x * arrays[KEY])


WRITES = {
    "a number": lambda: TABLE.__setitem__("count", TABLE.get("count", 0) + 1),
    "a number that was there": lambda: TABLE[KEY].__setitem__("scale", TABLE[KEY]["scale"] + 1),
    "a number in a list": lambda: operator.setitem(LIST[KEY], "scale", 4.0),
    "a longer list": lambda: LIST.append({"scale": 1.0}),
    "an attribute's": lambda: HOLDER.inner["tables"][1][3].update(scale=7.0),
}


@pytest.mark.parametrize("write", WRITES)
def test_what_a_step_writes_is_refused(write, executor):
    TABLE["count"] = 0

    def step(x):
        WRITES[write]()
        return x * 1.0

    with pytest.raises(RecordingError, match="later calls would not"):
        clearprop.compile(step, executor=executor)(X)


@pytest.mark.parametrize("write", WRITES)
def test_with_fallback_it_is_written_once_a_call(write, executor):
    TABLE["count"] = 0
    seen = []

    def step(x):
        WRITES[write]()
        seen.append((TABLE["count"], TABLE[KEY]["scale"], len(LIST)))
        return x * 1.0

    compiled = clearprop.compile(step, executor=executor, fallback=True)
    for _ in range(3):
        compiled(X)
    as_written = seen.copy()
    seen.clear()
    _refill()
    TABLE["count"] = 0
    for _ in range(3):
        step(X)
    assert as_written == seen


def _refill():
    TABLE.clear()
    TABLE.update((i, {"scale": float(i)}) for i in range(MANY))
    LIST[:] = [{"scale": float(i)} for i in range(MANY)]


def test_random_numbers_and_iterators_in_a_table_are_refused(executor):
    things = {i: np.random.default_rng(i) for i in range(MANY)}
    with pytest.raises(RecordingError, match="random numbers"):
        clearprop.compile(lambda x: x * things[KEY].random(), executor=executor)(X)
    numbers = {i: iter([1.0, 2.0]) for i in range(MANY)}
    with pytest.raises(RecordingError, match="takes from an iterator"):
        clearprop.compile(lambda x: x * next(numbers[KEY]), executor=executor)(X)
    buffers = {i: np.zeros(3) for i in range(MANY)}

    def adds(x):
        buffers[KEY][0] += 1
        return x * 1.0

    with pytest.raises(RecordingError):
        clearprop.compile(adds, executor=executor)(X)


def test_tables_are_back_in_their_places_whatever_happens(executor):
    def fails(x):
        raise ValueError(f"entry {TABLE[KEY]['scale']}")

    with pytest.raises(ValueError, match="entry 17"):
        clearprop.compile(fails, executor=executor)(X)
    clearprop.compile(lambda x: x * TABLE[KEY]["scale"] + HOLDER.table[KEY]["scale"], executor=executor)(X)

    places = [TABLE, LIST, HOLDER.table, HOLDER.slotted, Holder.shared, MODEL.table, MODULE.table]
    assert not any(issubclass(type(x), StandInForTable) for x in places)


def test_a_table_that_is_returned_or_kept_is_the_table_itself(executor):
    step = clearprop.compile(lambda x: (x * TABLE[KEY]["scale"], TABLE, LIST[KEY]), executor=executor)
    for _ in range(3):
        _, table, entry = step(X)
        assert table is TABLE
        assert entry is LIST[KEY]

    def keeps(x):
        HOLDER.kept = TABLE
        return x * TABLE[KEY]["scale"]

    step = clearprop.compile(keeps, executor=executor)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * 17)
        assert HOLDER.kept is TABLE


def _nameless():
    space = {"table": LIST}
    exec("def step(x): return x * table[17]['scale']", space)
    return space["step"]


ask = type
STRANGE = {
    "type under another name": lambda x: x * (1 + (ask(TABLE) is dict)),
    "type in a tuple": lambda x, kinds=(type,): x * (1 + (kinds[0](LIST) is list)),
    "code that is not looked at": lambda x: x * len(pprint.pformat(LIST, width=30)),
    "an array of a dict": lambda x: x * np.array(TABLE).ndim,
    "a list is no mapping": lambda x: x * (1 + isinstance(LIST, collections.abc.Mapping)),
    "a list has no hash": lambda x: x * (1 + isinstance(LIST, collections.abc.Hashable)),
    "a dict has no hash": lambda x: x * (1 + isinstance(TABLE, collections.abc.Hashable)),
    "a tuple has one": lambda x: x * (hash(TUPLE) % 7),
    "a tuple cannot be changed": lambda x: x * (1 + isinstance(TUPLE, collections.abc.MutableSequence)),
    "a tuple has no place to fill": lambda x: x * (1 + hasattr(TUPLE, "__setitem__")),
    "a frozenset cannot be changed": lambda x: x * (1 + hasattr(FROZEN, "__ior__")),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_stands_for_a_table_is_told_from_it_by_nobody(name, executor):
    step = STRANGE[name]
    compiled = clearprop.compile(step, executor=executor)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), step(X))


def test_a_function_made_in_a_nameless_space_is_looked_at(executor):
    step = _nameless()
    compiled = clearprop.compile(step, executor=executor)
    compiled(X), compiled(X)
    LIST[KEY]["scale"] = 2.0
    np.testing.assert_array_equal(compiled(X), 2 * X)
    step.__globals__["table"] = [{"scale": 3.0}] * MANY
    np.testing.assert_array_equal(compiled(X), 3 * X)


def test_other_threads_find_what_they_would_find_in_the_table(executor):
    stop, failed = threading.Event(), []

    def look():
        while not stop.is_set():
            try:
                found = TABLE[3], len(TABLE), list(TABLE.values())[4]["scale"]
                if found != ({"scale": 3.0}, MANY, 4.0):
                    failed.append(found)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(20):
        step = clearprop.compile(lambda x, i=i: x * TABLE[KEY]["scale"] + i, executor="numpy")
        np.testing.assert_array_equal(step(X), X * 17 + i)
        assert not step.latest.tables.known[id(TABLE)].whole
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_table_costs_what_is_read_of_it(executor):
    large = {i: {"scale": float(i), "name": str(i)} for i in range(30_000)}
    holder = types.SimpleNamespace(large=large)

    few = {i: {"scale": float(i), "name": str(i)} for i in range(10)}
    small = clearprop.compile(lambda x: x * few[3]["scale"], executor=executor, prove="never")
    step = clearprop.compile(lambda x: x * holder.large[KEY]["scale"], executor=executor, prove="never")
    small(X)
    assert calls(lambda: step(X)) < 10_000  # and not one or more for each of 30,000 entries
    for _ in range(3):
        small(X)
        step(X)
    assert calls(lambda: step(X)) < calls(lambda: small(X)) + 10
