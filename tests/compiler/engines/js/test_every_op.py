"""Every op of the registry as JavaScript gives what it gives here, or is refused by its name."""

import numpy as np
import pytest
from tests.compiler.engines.js.node import many, needs_node
from tests.compiler.test_every_op import LIBRARY, integers, trials

import clearprop

CHAPTERS = [
    "elementwise",
    "exponential",
    "normal",
    "reduce",
    "shape",
    "softmax",
    "convolution",
    "random",
    "composed",
]
"""What networks are made of: here nothing is refused but what is named below."""
EXCEPT = {"count_nonzero", "spacing", "nextafter", "ldexp", "cumprod", "matrix_exp", "sum_of_weights"}


@needs_node
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_op_gives_what_numpy_does_or_is_refused_by_name(dtype, tmp_path):
    modules, wanted, refused = [], [], set()
    for op in LIBRARY:
        for f, xs, label in trials(op, dtype):
            if integers(op, dtype):
                xs = tuple(np.asarray(np.abs(x) * 3).astype(np.int64)[()] for x in xs)
            step = clearprop.compile(f, executor="numpy", prove="never")
            step(*xs)
            try:
                modules.append((step.javascript(), [[np.asarray(x) for x in xs]]))
                wanted.append((label, f(*xs)))
            except TypeError as error:
                if "has no translation to JavaScript" not in str(error):
                    raise
                refused.add(op)

    assert {op.name for op in refused if op.__module__.split(".")[-1] in CHAPTERS} <= EXCEPT
    for (label, z), ((error, got, _),) in zip(wanted, many(modules, tmp_path), strict=True):
        assert not error, label
        for a, b in zip(got, z if isinstance(z, list) else [z], strict=True):
            _same(a, np.asarray(getattr(b, "value", b)), label)


def _same(got, wanted, label):
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), label
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, err_msg=label)
        return
    unit = 64 * np.finfo(wanted.dtype).eps
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=label)
