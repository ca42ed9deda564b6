"""Orders, threads and data that come as they come."""

import threading

import numpy as np
import pytest

from clearprop.data import (
    ConcatDataset,
    DataLoader,
    IterableDataset,
    StratifiedSampler,
    TensorDataset,
    WeightedSampler,
    random_split,
)  # fmt: skip


def test_weights_decide_how_often():
    loader = DataLoader((np.arange(3),), 100, sampler=WeightedSampler([0, 1, 3], 4000), seed=0)
    drawn = np.bincount(np.concatenate([batch[0] for batch in loader]), minlength=3)

    assert (len(loader), drawn[0]) == (40, 0)
    assert 2.6 < drawn[2] / drawn[1] < 3.4
    once = WeightedSampler([1, 0, 1], 2, replacement=False).order(np.random.default_rng(0))
    assert sorted(once.tolist()) == [0, 2]


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [np.nan], [[1]]])
def test_weights_that_make_no_sense(weights):
    with pytest.raises(ValueError, match=r"WeightedSampler\(weights\)"):
        WeightedSampler(weights)


def test_every_batch_has_the_classes_in_proportion():
    labels = np.random.default_rng(0).permutation([0] * 80 + [1] * 20)
    loader = DataLoader((labels,), 10, sampler=StratifiedSampler(labels), seed=0)
    shares = [int(batch[0].sum()) for batch in loader]

    assert sum(shares) == 20
    assert set(shares) <= {1, 2, 3}


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": StratifiedSampler(np.arange(50) % 2)}])
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_keep_the_order_and_a_loader_goes_on(options, workers):
    def loader(seed, workers):
        return DataLoader((np.arange(50),), 8, seed=seed, workers=workers, **options)

    plain = [batch[0].tolist() for batch in loader(1, 0)]
    ahead = loader(1, workers)
    batches = iter(ahead)
    first = [next(batches)[0].tolist() for _ in range(3)]
    state = ahead.state_dict()
    del batches
    other = loader(7, workers)
    other.load_state_dict(state)

    assert first + [batch[0].tolist() for batch in other] == plain


def test_an_error_in_a_thread_comes_where_its_batch_would():
    class Odd:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            if index == 4:
                raise KeyError("sample 4 is broken")
            return float(index)

    seen = []

    def loop():
        for batch in DataLoader(Odd(), 2, workers=2):
            seen.append(batch.tolist())

    with pytest.raises(KeyError, match="sample 4 is broken"):
        loop()

    assert seen == [[0.0, 1.0], [2.0, 3.0]]
    assert not [t for t in threading.enumerate() if t.name.startswith("clearprop loader") and t.is_alive()]


def test_batches_by_number_and_collate_fn():
    loader = DataLoader(
        TensorDataset(np.arange(6)), batch_sampler=[[5, 0], [1]], collate_fn=lambda s: [int(v[0]) for v in s]
    )

    assert (len(loader), list(loader)) == (2, [[5, 0], [1]])


def test_only_one_thing_orders():
    with pytest.raises(ValueError, match="wants one thing that orders: shuffle and sampler"):
        DataLoader((np.arange(3),), shuffle=True, sampler=[0, 1])


class Count(IterableDataset):
    def __iter__(self):
        return iter(range(7))


def test_samples_that_come_as_they_come():
    assert [b.tolist() for b in DataLoader(Count(), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [b.tolist() for b in DataLoader(Count(), 3, drop_last=True)] == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(TypeError):
        len(DataLoader(Count(), 3))
    with pytest.raises(ValueError, match="in the order in which it comes: shuffle"):
        DataLoader(Count(), 3, shuffle=True)
    with pytest.raises(NotImplementedError, match="wants an __iter__"):
        iter(IterableDataset())


def test_datasets_one_after_the_other():
    both = ConcatDataset([[], "ab", "cde"])

    assert ([both[i] for i in range(5)], both[-5], len(both)) == (list("abcde"), "a", 5)
    for wrong in (5, -6):
        with pytest.raises(IndexError, match="has 5 samples"):
            both[wrong]
    assert sorted(len(part) for part in random_split(both, [2, 3], seed=0)) == [2, 3]
    with pytest.raises(ValueError, match="wants one dataset or more"):
        ConcatDataset([])


def test_entries_may_be_tuples_of_arrays():
    x, z, y = np.arange(6).reshape(3, 2), np.arange(3), np.ones(3)
    loader = DataLoader(TensorDataset((x, z), y), 2)
    (first, second), target = next(iter(loader))

    assert (first.tolist(), second.tolist(), target.tolist()) == ([[0, 1], [2, 3]], [0, 1], [1.0, 1.0])
    with pytest.raises(ValueError, match="arrays of one length"):
        TensorDataset((x, z[:2]), y)
