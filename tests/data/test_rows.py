"""The split into rows to learn from, to validate on and to test on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.data.rows import three_parts


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
