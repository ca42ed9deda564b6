"""Sums along axes: what they ask of an array must be known of the compiler's symbols too."""

import numpy as np
import pytest

import clearprop


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiled_sum_is_a_core_op_and_no_call_of_numpy(dtype):
    step = clearprop.compile(lambda x: np.sum(x * x, axis=0), executor="numpy")

    step(np.ones((3, 4), dtype))

    kinds = {value.kind for value in step.latest.recording.program.values}
    assert "op" in kinds
    assert "call" not in kinds
