"""Datasets: rows by number, and what does not fit."""

import numpy as np
import pytest

from clearprop.data import Subset, TensorDataset


def test_rows_come_one_by_one_and_many_at_once():
    dataset = TensorDataset(np.arange(8).reshape(4, 2), ["a", "b", "c", "d"])
    assert len(dataset) == 4
    assert [part.tolist() for part in dataset[2]] == [[4, 5], "c"]
    assert dataset[1:3][0].tolist() == [[2, 3], [4, 5]]
    assert [list(sample[0]) for sample in dataset] == [[0, 1], [2, 3], [4, 5], [6, 7]]


def test_subsets_nest():
    dataset = TensorDataset(np.arange(10) * 10)
    inner = Subset(Subset(dataset, [1, 3, 5, 7]), [3, 0])
    assert [inner[0][0], inner[-1][0]] == [70, 10]
    assert inner[np.array([1, 0])][0].tolist() == [10, 70]
    assert inner.batch(slice(0, 1))[0].tolist() == [70]


def test_what_does_not_fit_is_explained():
    with pytest.raises(ValueError, match=r"wants arrays of one length: \(3,\), \(2, 2\)") as caught:
        TensorDataset(np.zeros(3), np.zeros((2, 2)))
    assert "Try TensorDataset(x, y) with a row of x for each entry of y." in str(caught.value)
    with pytest.raises(ValueError, match="wants arrays of one length: none"):
        TensorDataset()
    with pytest.raises(ValueError, match=r"wants arrays of one length: \(\)"):
        TensorDataset(np.float64(1))
    with pytest.raises(IndexError, match=r"Subset\(dataset, indices\): wants numbers below 3: 3"):
        Subset([1, 2, 3], [0, 3])
