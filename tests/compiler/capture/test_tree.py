"""Arguments of a compiled step: nested collections, also of classes of one's own."""

import collections

import numpy as np
import pytest

import clearprop
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
