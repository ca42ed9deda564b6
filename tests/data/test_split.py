"""Splits: nothing lost, nothing twice, classes in proportion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.data import random_split, split_indices, three_parts, train_validation_split


@given(st.integers(5, 200), st.floats(0.1, 0.9), st.integers(0, 5))
def test_both_sides_make_up_the_whole(size, fraction, seed):
    if not 0 < round(size * fraction) < size:
        return
    kept, held = split_indices(size, fraction, seed)
    assert sorted([*kept, *held]) == list(range(size))
    assert len(held) == round(size * fraction)
    again = split_indices(size, fraction, seed)
    assert np.array_equal(kept, again[0])
    assert np.array_equal(held, again[1])


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5), st.floats(0.15, 0.5), st.integers(0, 3))
def test_classes_are_held_out_in_proportion(sizes, fraction, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    count = round(len(labels) * fraction)
    if not 0 < count < len(labels):
        return
    kept, held = split_indices(len(labels), fraction, seed, stratify=labels)
    assert sorted([*kept, *held]) == list(range(len(labels)))
    assert len(held) == count
    counts = np.bincount(labels[held], minlength=len(sizes))
    assert (np.abs(counts - np.array(sizes) * fraction) < 1).all()
    assert (counts < sizes).all()


def test_a_class_is_held_out_before_another_gets_one_more():
    labels = np.repeat([0, 1], [7, 2])  # shares of 1.4 and 0.4: both have a like claim to the second row
    for seed in range(5):
        _, held = split_indices(9, 0.2, seed, stratify=labels)
        assert sorted(labels[held]) == [0, 1]


def test_arrays_stay_together():
    x, y = np.arange(20).reshape(10, 2), list("abcdefghij")
    x_kept, x_held, y_kept, y_held = train_validation_split(x, y, fraction=0.3, seed=1)
    assert (len(x_kept), len(x_held)) == (7, 3)
    for rows, letters in ((x_kept, y_kept), (x_held, y_held)):
        assert [y[row[0] // 2] for row in rows] == letters.tolist()


def test_random_split_cuts_by_length_or_by_share():
    parts = random_split(list("abcdefg"), [4, 3], seed=0)
    assert sorted(part[i] for part in parts for i in range(len(part))) == list("abcdefg")
    assert [len(part) for part in random_split(range(11), [0.5, 0.25, 0.25], seed=0)] == [6, 3, 2]
    assert [p.indices.tolist() for p in random_split(range(5), [3, 2], seed=7)] == [
        p.indices.tolist() for p in random_split(range(5), [3, 2], seed=7)
    ]


def test_splits_that_cannot_be_are_explained():
    with pytest.raises(ValueError, match=r"wants at least one sample on each side: fraction 0\.1 of 3"):
        split_indices(3, 0.1)
    with pytest.raises(ValueError, match="wants two samples or more of each class: class b has one"):
        split_indices(5, 0.4, stratify=list("aabaa"))
    with pytest.raises(ValueError, match=r"wants one class per sample, \(5,\): \(2,\)"):
        split_indices(5, 0.4, stratify=[0, 1])
    with pytest.raises(
        ValueError, match=r"wants lengths that add up to 5, or fractions that add up to 1: \[3, 1\]"
    ):
        random_split(range(5), [3, 1])
    with pytest.raises(ValueError, match=r"wants arrays of one length: \[2, 3\]"):
        train_validation_split(np.zeros(2), np.zeros(3))


@given(
    classes=st.lists(st.integers(0, 4), min_size=1, max_size=200),
    validation=st.sampled_from([0.0, 0.1, 0.25]),
    test=st.sampled_from([0.0, 0.2, 0.3]),
    seed=st.integers(0, 2**32),
)
def test_every_row_is_in_one_part_and_every_class_in_proportion(classes, validation, test, seed):
    kinds = np.array(classes)
    training, held, kept = three_parts(len(kinds), validation, test, classes=kinds, seed=seed)

    assert sorted([*training, *held, *kept]) == list(range(len(kinds)))
    assert len(kept) == round(test * len(kinds))
    assert len(held) == round(validation * len(kinds))
    for kind in set(classes):
        members = np.sum(kinds == kind)
        assert abs(np.sum(kinds[kept] == kind) - test * members) <= 2
        assert np.sum(kinds[training] == kind) >= 1 or members * (1 - test - validation) < 2


def test_the_seed_settles_the_parts():
    first, again, other = (three_parts(50, 0.2, 0.2, seed=seed) for seed in (1, 1, 2))

    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not (first[2] == other[2]).all()


@pytest.mark.parametrize("classes", [None, np.zeros(10)])
def test_shares_of_nothing_give_empty_parts(classes):
    training, held, kept = three_parts(10, 0.0, 0.0, classes=classes)

    assert (training.tolist(), len(held), len(kept)) == (list(range(10)), 0, 0)
