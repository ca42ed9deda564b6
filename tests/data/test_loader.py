"""DataLoader: every sample once, orders that repeat, and an epoch that can be resumed."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop.data import DataLoader, IterableDataset, Subset, TensorDataset


def numbers(loader):
    return [batch.tolist() for (batch,) in loader]


def loader_of(size=10, **options):
    return DataLoader(TensorDataset(np.arange(size)), **{"batch_size": 3} | options)


@given(st.integers(0, 40), st.integers(1, 12), st.booleans(), st.booleans())
def test_every_sample_comes_once_in_batches_of_the_size(size, batch_size, shuffle, drop_last):
    loader = loader_of(size, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, seed=0)
    batches = numbers(loader)
    seen = [number for batch in batches for number in batch]
    assert len(batches) == len(loader)
    assert len(set(seen)) == len(seen) == (size // batch_size * batch_size if drop_last else size)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert shuffle or seen == list(range(len(seen)))


def test_a_seed_repeats_the_orders_and_epochs_differ():
    first, second = loader_of(shuffle=True, seed=4), loader_of(shuffle=True, seed=4)
    orders = [numbers(first) for _ in range(3)]
    assert [numbers(second) for _ in range(3)] == orders
    assert orders[0] != orders[1] != orders[2]
    assert numbers(loader_of(shuffle=True, seed=5)) != orders[0]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("stop", range(9))
def test_a_stopped_loader_goes_on_with_the_very_next_batch(stop, shuffle):
    straight = loader_of(shuffle=shuffle, seed=1)
    expected = [batch for _ in range(3) for batch in numbers(straight)]

    stopped, seen = loader_of(shuffle=shuffle, seed=1), []
    state = stopped.state_dict()
    for _ in range(3):
        for (batch,) in stopped:
            if len(seen) == stop:
                break
            seen.append(batch.tolist())
            state = json.loads(json.dumps(stopped.state_dict()))
        if len(seen) == stop:
            break
    resumed = loader_of(shuffle=shuffle, seed=99)
    resumed.load_state_dict(state)
    while len(seen) < len(expected):
        seen += numbers(resumed)
    assert seen == expected


def test_a_loop_that_was_left_does_not_shorten_the_next_epoch():
    loader = loader_of()
    next(iter(loader))
    assert numbers(loader) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_batches_are_copies():
    x = np.zeros((4, 2))
    for (batch,) in DataLoader((x,), batch_size=2):
        batch += 1
    for (batch,) in DataLoader(TensorDataset(x), batch_size=2, shuffle=True):
        batch += 1
    assert (x == 0).all()


def test_samples_of_any_dataset_are_stacked():
    samples = [(np.full(2, i, np.float32), i, {"name": str(i)}) for i in range(5)]
    x, y, extra = next(iter(DataLoader(samples, batch_size=3)))
    assert (x.shape, x.dtype, y.tolist(), extra["name"].tolist()) == (
        (3, 2),
        np.float32,
        [0, 1, 2],
        ["0", "1", "2"],
    )
    assert next(iter(DataLoader(np.arange(6).reshape(3, 2), batch_size=2))).tolist() == [[0, 1], [2, 3]]
    assert next(iter(DataLoader(Subset(samples, [4, 0]), batch_size=2)))[1].tolist() == [4, 0]
    assert next(iter(DataLoader(Subset(TensorDataset(np.arange(9)), [4, 2, 8]), batch_size=2)))[
        0
    ].tolist() == [4, 2]


def test_collate_sees_the_batch():
    loader = loader_of(batch_size=5, collate=lambda batch: batch[0].sum())
    assert list(loader) == [10, 35]


def test_samples_of_different_shapes_are_explained():
    with pytest.raises(ValueError, match=r"a batch of samples: wants samples of one shape: \(2,\), \(3,\)"):
        next(iter(DataLoader([np.zeros(2), np.zeros(3)], batch_size=2)))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (0, "a whole number of 1 or more"),
        (-1, "a whole number of 1 or more"),
        (2.5, "batch_size as a whole number"),
    ],
)
def test_a_batch_size_is_a_whole_number(size, wanted):
    with pytest.raises(ValueError, match=rf"DataLoader\(batch_size=\): wants {wanted}"):
        loader_of(batch_size=size)


def test_a_generator_can_be_shared():
    generator = np.random.default_rng(0)
    loader = loader_of(shuffle=True, generator=generator)
    assert loader.generator is generator
    assert numbers(loader) == numbers(loader_of(shuffle=True, seed=0))


def test_a_tuple_of_lists_is_columns_not_samples():
    (x, y), *_ = DataLoader(([1, 2, 3], [4, 5, 6]), batch_size=2)

    assert (x.tolist(), y.tolist()) == ([1, 2], [4, 5])


@pytest.mark.parametrize("order", [np.arange(40)[::-1], list(range(39, -1, -1)), range(39, -1, -1)])
def test_numbers_are_an_order(order):
    loader = DataLoader(TensorDataset(np.arange(40)), 40, sampler=order)
    assert numbers(loader) == [list(range(39, -1, -1))]
    assert len(loader) == 1


@pytest.mark.parametrize("order", [[0.5, 1.0], np.array([True, False]), [[0, 1]]])
def test_what_is_no_number_of_a_sample_is_refused(order):
    with pytest.raises(TypeError, match=r"DataLoader\(sampler=\): wants the whole numbers of samples"):
        list(DataLoader(TensorDataset(np.arange(4)), sampler=order))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"workers": 1.5}, "workers as a whole number: 1.5"),
        ({"prefetch": True}, "prefetch as a whole number: True"),
        ({"workers": -1}, "whole numbers, 0 or more and 1 or more"),
    ],
)
def test_workers_are_whole_numbers(options, wanted):
    with pytest.raises(ValueError, match=f"wants {wanted}"):
        loader_of(**options)


@pytest.mark.parametrize(("options", "kind", "match"), [
    ({"sampler": iter([1, 2])}, TypeError, "a list_iterator, which ends with the first"),
    ({"sampler": (i for i in range(3))}, TypeError, "Try sampler=list"),
    ({"batch_sampler": iter([[1], [2]])}, TypeError, "Try batch_sampler=list"),
    ({"sampler": 3}, TypeError, "wants numbers of samples"),
    ({"batch_sampler": [[1]], "batch_size": 4}, ValueError, "batch_sampler= alone"),
    ({"batch_sampler": [[1]], "drop_last": True}, ValueError, "batch_sampler= alone"),
    ({"collate": 3}, TypeError, "wants a function of a batch: 3"),
    ({"collate_fn": 3}, TypeError, "wants a function of a batch's samples: 3"),
    ({"collate": len, "collate_fn": len}, ValueError, "one of collate= and collate_fn="),
    ({"seed": 1, "generator": np.random.default_rng(0)}, ValueError, "one of seed= and generator="),
    ({"generator": np.random.RandomState(0)}, TypeError, "wants a generator of NumPy"),
    ({"seed": -1}, ValueError, "wants whole numbers of 0 or more: -1"),
    ({"seed": "x"}, ValueError, "wants seed as a whole number or None: 'x'"),
])  # fmt: skip
def test_what_would_be_passed_over_is_refused(options, kind, match):
    with pytest.raises(kind, match=match):
        DataLoader(np.arange(10.0), **options)


class Once(IterableDataset):
    def __init__(self, samples):
        self.left = iter(samples)

    def __iter__(self):
        return self.left


def test_what_ends_with_its_first_epoch_is_refused_in_the_next():
    loader = DataLoader(Once([np.zeros(1), np.ones(1), np.ones(1)]), 2)

    assert len(list(loader)) == 2
    with pytest.raises(ValueError, match=r"next epoch: wants a Once that can be gone through again"):
        list(loader)


def test_a_stream_that_was_empty_before_may_be_empty_again():
    loader = DataLoader(Once([]), 2)

    assert list(loader) == []
    assert list(loader) == []
