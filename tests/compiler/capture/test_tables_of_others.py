"""Tables of pandas and Arrow are watched by what is in them; who asks one of polars is refused."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler import RecordingError
from clearprop.compiler.step import available_executors

pytestmark = pytest.mark.parametrize("executor", available_executors())
X = np.arange(1.0, 4.0)


def frame(pandas):
    days = pandas.date_range("2020-01-01", periods=3)
    return pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4, 5, 6], "t": ["x", "yy", "z"], "d": days})


def long(pandas):
    return pandas.DataFrame({"a": np.arange(1000.0)})


def kinds(pandas):
    return pandas.Series(["u", "v", "u"], dtype="category")


PANDAS = {
    "an entry": (frame, lambda d: d.loc[0, "a"], lambda d: d.loc.__setitem__((0, "a"), 5.0)),
    "a column": (frame, lambda d: d["a"].to_numpy(), lambda d: d.__setitem__("a", [7.0, 8.0, 9.0])),
    "integers": (frame, lambda d: d["b"].sum(), lambda d: d.iloc.__setitem__((0, 1), 7)),
    "a text": (frame, lambda d: len(d["t"].iloc[0]), lambda d: d.loc.__setitem__((0, "t"), "longer")),
    "a day": (
        frame,
        lambda d: float(d["d"].dt.day.iloc[0]),
        lambda d: d.loc.__setitem__((0, "d"), d.loc[2, "d"]),
    ),
    "the length": (long, len, lambda d: d.loc.__setitem__(1000, d.loc[0])),
    "one of many": (long, lambda d: d.at[500, "a"], lambda d: d.at.__setitem__((500, "a"), -5.0)),
    "a kind": (kinds, lambda s: 1.0 + (s.iloc[0] == "u"), lambda s: s.__setitem__(0, "v")),
    "a name of a row": (
        lambda pandas: pandas.Series([1.0, 2.0], ["p", "q"]),
        lambda s: s["p"] if "p" in s.index else 9.0,
        lambda s: setattr(s, "index", ["r", "q"]),
    ),
}


@pytest.mark.parametrize("name", PANDAS)
def test_what_is_in_a_table_of_pandas_is_watched(name, executor):
    make, read, change = PANDAS[name]
    table = make(pytest.importorskip("pandas"))
    step = clearprop.compile(lambda x: x * read(table), executor=executor, prove="never")
    before = read(table)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * before)
    assert step.recordings <= 2
    change(table)
    assert not np.array_equal(read(table), before)
    for _ in range(3):
        np.testing.assert_array_equal(step(X), X * read(table))


def test_the_memory_of_a_table_of_arrow_is_watched(executor):
    arrow = pytest.importorskip("pyarrow")
    numbers = np.array([1.0, 2.0, 3.0])
    column = arrow.array(numbers)
    table = arrow.table({"a": column})
    step = clearprop.compile(
        lambda x: x * table["a"][0].as_py() * column[1].as_py(), executor=executor, prove="never"
    )
    for k in range(5):
        numbers[0] = k + 2.0
        np.testing.assert_array_equal(step(X), X * (k + 2.0) * 2.0)


READS = {
    "a column": lambda d: d["a"].to_numpy(),
    "an entry": lambda d: d[0, "a"],
    "the height": lambda d: d.height,
}


@pytest.mark.parametrize("name", READS)
def test_a_table_of_polars_is_refused_where_a_step_asks_it(name, executor):
    table = pytest.importorskip("polars").DataFrame({"a": [1.0, 2.0, 3.0]})
    read = READS[name]
    with pytest.raises(RecordingError, match=r"asks a .*Py.*\n  At .*\d\.\n  Try asking it outside"):
        clearprop.compile(lambda x: x * read(table), executor=executor)(X)

    step = clearprop.compile(lambda x: x * read(table), executor=executor, fallback=True)
    for k in range(4):
        table[0, "a"] = float(k)
        np.testing.assert_array_equal(step(X), X * read(table))


class Trainer:
    """Holds a table, and reads it outside of the step."""

    def __init__(self, table):
        self.table, self.scale = table, 2.0

    def load(self):
        return self.table["a"].to_numpy()

    def step(self, x):
        return x * self.scale


@pytest.mark.parametrize("package", ["polars", "pandas"])
def test_a_table_that_is_read_beside_the_step_is_no_harm(package, executor):
    table = pytest.importorskip(package).DataFrame({"a": [1.0, 2.0, 3.0]})
    trainer = Trainer(table)
    step = clearprop.compile(trainer.step, executor=executor)
    for _ in range(4):
        x = trainer.load()
        np.testing.assert_array_equal(step(x), x * 2.0)
    assert step.recordings == 1
