"""Standardizer: mean 0, deviation 1, and columns that would divide by zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clearprop.data import Standardizer


def test_equals_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    x = np.random.default_rng(0).normal(3, 5, size=(50, 4)) * [1, 1e-6, 1e6, 1]
    x[:, 3] = 0.1
    ours, theirs = Standardizer().fit(x), preprocessing.StandardScaler().fit(x)
    np.testing.assert_allclose(ours.mean_, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(ours.scale_, theirs.scale_, rtol=1e-12)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-9, atol=1e-12)


@given(arrays(np.float64, (7, 2), elements=st.floats(-1e300, 1e300)))
def test_results_are_finite_and_can_be_undone(x):
    standardizer = Standardizer().fit(x)
    z = standardizer.transform(x)
    assert np.isfinite(z).all()
    assert np.abs(z).max() < 3  # (n - 1) / sqrt(n) at most
    # Entries that the column's largest one has swallowed cannot come back.
    np.testing.assert_allclose(standardizer.inverse(z), x, rtol=1e-9, atol=1e-13 * np.abs(x).max())


@given(st.floats(-1e6, 1e6), st.integers(1, 1000))
def test_a_constant_column_becomes_zero(value, rows):
    standardizer = Standardizer().fit(np.full((rows, 1), value))
    assert standardizer.scale_ == 1
    assert np.abs(standardizer.transform(np.full((2, 1), value))).max() <= 1e-9 * max(1, abs(value))


def test_dtypes():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert Standardizer().fit_transform(x).dtype == np.float32
    assert Standardizer().fit_transform(x.astype(int)).dtype == np.float64
    assert Standardizer().fit(x).mean_.dtype == np.float64


def test_missing_values_are_left_out_and_stay():
    x = np.array([[1.0], [np.nan], [3.0]])
    assert Standardizer().fit(x).mean_.tolist() == [2.0]
    np.testing.assert_array_equal(Standardizer().fit_transform(x), [[-1.0], [np.nan], [1.0]])


def test_a_vector_is_one_column_and_a_state_can_be_saved():
    y = np.array([1.0, 3.0])
    fitted, loaded = Standardizer().fit(y), Standardizer()
    loaded.load_state_dict(fitted.state_dict())
    assert loaded.transform(y).tolist() == [-1.0, 1.0]
    assert loaded.inverse(np.array([0.0])).tolist() == [2.0]


def test_what_cannot_be_scaled_is_explained():
    with pytest.raises(ValueError, match=r"Standardizer.transform\(x\): has not seen data yet"):
        Standardizer().transform(np.zeros(2))
    with pytest.raises(ValueError, match=r"wants rows of shape \(2,\), as in fit: x is \(4, 3\)"):
        Standardizer().fit(np.eye(2)).transform(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="wants one row or more of numbers"):
        Standardizer().fit(np.zeros((0, 2)))
    with pytest.raises(ValueError, match="wants finite numbers in every column: infinite entries"):
        Standardizer().fit(np.array([[np.inf], [1.0]]))
    with pytest.raises(ValueError, match="wants finite numbers in every column: a column of NaN"):
        Standardizer().fit(np.array([[np.nan], [np.nan]]))
