"""Values of a Program are described without looking into memory that nobody has written."""

import warnings

import numpy as np
import pytest

import clearprop


@pytest.mark.parametrize("function", [np.sum, np.cumsum, np.max, np.mean], ids=lambda f: f.__name__)
def test_no_unwritten_memory_decides_how_a_reduction_is_compiled(function, monkeypatch):
    def signalling(shape, dtype=float, **how):
        made = np.zeros(shape, dtype, **how)
        if made.dtype == np.float32:
            made.view(np.uint32)[...] = 0x7FA00000  # a NaN at which every operation gives a warning
        return made

    monkeypatch.setattr(np, "empty", signalling)
    step = clearprop.compile(lambda x: function(x) * 2, executor="numpy")
    x = np.arange(6, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            np.testing.assert_array_equal(step(x), function(x) * 2)

    assert all(v.kind != "call" for v in step.latest.recording.program.values)
