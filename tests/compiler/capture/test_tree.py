"""Arguments of a compiled step: nested collections, also of classes of one's own."""

import collections
import time

import numpy as np
import pytest

import clearprop
from clearprop.compiler.capture.tree import mapped
from clearprop.compiler.step import available_executors


class Scaled(dict):
    def __getitem__(self, key):
        return dict.__getitem__(self, key) * 10


class Tens(list):
    def __getitem__(self, i):
        return list.__getitem__(self, i) * 10


class Pair(tuple):
    def __getitem__(self, i):
        return tuple.__getitem__(self, 1 - i)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda v: Scaled(a=v), "a"),
        (lambda v: Tens([v]), 0),
        (lambda v: Pair((1.0, v)), 0),
        (lambda v: collections.Counter(b=v), "a"),
        (lambda v: collections.defaultdict(lambda: 7.0, b=v), "a"),
        (lambda v: collections.OrderedDict(b=1.0, a=v), "a"),
    ],
)
def test_arguments_of_ones_own_kinds_of_collection_answer_as_they_do(executor, make, key):
    step = clearprop.compile(lambda o, x: x * o[key], executor=executor)
    for value in (2.0, 2.0, 3.0, np.arange(3.0), np.arange(3.0) + 1):
        np.testing.assert_array_equal(step(make(value), np.ones(3)), np.ones(3) * make(value)[key])


def test_attributes_beside_the_entries_are_read_anew():
    step = clearprop.compile(lambda o, x: x * o.scale * o["a"] + o.shift, executor="numpy")
    given = Scaled(a=1.0)
    given.scale, given.shift = 2.0, np.zeros(3)
    for scale, shift in ((2.0, 0.0), (3.0, 0.0), (3.0, 5.0)):
        given.scale, given.shift = scale, np.full(3, shift)
        for _ in range(2):
            np.testing.assert_array_equal(step(given, np.ones(3)), np.full(3, 10 * scale + shift))


class Slotted(list):
    __slots__ = ("scale",)


class Unmakeable(dict):
    def __new__(cls, value):
        return super().__new__(cls)

    def __init__(self, value):
        dict.__setitem__(self, "a", value)

    def __setitem__(self, key, value):
        raise TypeError("frozen")


class Renaming(dict):
    def __setitem__(self, key, value):
        dict.__setitem__(self, key.upper(), value)


class Itself(dict):
    def __copy__(self):
        return self


class Attributes(dict):
    def __init__(self, **entries):
        super().__init__(**entries)
        self.__dict__ = self


def slotted(value):
    x = Slotted([1.0])
    x.scale = value
    return x


def doubled(o):
    o.a = o.a * 2
    return o["a"]


@pytest.mark.parametrize(
    ("make", "read"),
    [
        (lambda v: collections.defaultdict(lambda: v), lambda o: o["a"]),
        (slotted, lambda o: o[0] * o.scale),
        (Unmakeable, lambda o: o["a"]),
        (lambda v: Renaming(a=v), lambda o: o["a"] + len(o)),
        (lambda v: Attributes(a=v), doubled),
    ],
)
def test_what_a_class_does_when_it_is_made_or_filled_changes_nothing(make, read):
    step = clearprop.compile(lambda o, x: x * read(o), executor="numpy")
    for value in (2.0, 2.0, 3.0, np.arange(3.0), np.arange(3.0) + 1, np.arange(3.0) + 2):
        np.testing.assert_array_equal(step(make(value), np.ones(3)), np.ones(3) * read(make(value)))


def test_the_callers_own_collection_is_left_as_it_is():
    given = Itself(a=np.ones(3))
    assert mapped(given, lambda x: x + 1) is not given
    np.testing.assert_array_equal(given["a"], np.ones(3))


def test_a_collection_that_holds_itself_is_refused():
    within, beside = [np.ones(3)], Scaled(a=np.ones(3))
    within.append(within)
    beside.me = beside
    step = clearprop.compile(lambda o, x: x, executor="numpy")
    for given in (within, beside):
        with pytest.raises(TypeError, match="holds itself"):
            step(given, np.ones(3))


def test_a_tuple_written_in_c_passes_where_it_holds_no_arrays():
    step = clearprop.compile(lambda o, x: x * o.tm_year, executor="numpy")
    for _ in range(3):
        np.testing.assert_array_equal(step(time.gmtime(0), np.ones(2)), [1970.0, 1970.0])
    with pytest.raises(TypeError, match="written in C"):
        step(time.struct_time((np.ones(2), *range(8))), np.ones(2))
