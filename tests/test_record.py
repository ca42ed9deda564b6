"""assign is the only way a value changes."""

import numpy as np
import pytest

from clearprop import Tensor, assign


def test_assign_rebinds_and_leaves_the_old_array_alone():
    old = np.array([1.0, 2.0])
    w = Tensor(old)
    assign(w, np.array([3.0, 4.0], np.float32))

    assert old.tolist() == [1.0, 2.0]
    assert w.value.tolist() == [3.0, 4.0]
    assert w.dtype == np.float64


def test_assign_wants_the_same_shape_and_a_leaf():
    w = Tensor([1.0, 2.0], name="w")

    with pytest.raises(ValueError, match=r"assign\(t, new\): wants a value of t's shape \(2,\): \(3,\)"):
        assign(w, np.ones(3))
    with pytest.raises(ValueError, match=r"wants a value of t's shape \(2,\): \(2, 1\)"):
        assign(w, np.ones((2, 1)))  # as many entries, but another shape
    with pytest.raises(ValueError, match="only a leaf can be assigned"):
        assign(w * 2, np.ones(2))
