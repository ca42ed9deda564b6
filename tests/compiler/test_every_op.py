"""Every op of the registry, compiled by each executor, gives what it gives in eager mode; so do its rules."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, value_and_grad  # nn: its ops are in the registry too
from clearprop.compiler.step import available_executors
from clearprop.registry import ops
from clearprop.testing import cases

assert nn
LIBRARY = [op for op in ops.values() if op.__module__.startswith("clearprop.")]
WITH_RULES = [op.name for op in LIBRARY if op.differentiable]


def trials(op, dtype):
    """The op's own cases, or for an op without a gradient one of each number of inputs."""
    found = list(cases(op, dtype))
    if op.name == "random_uniform":
        state = np.array([3, 1], np.uint64)
        return [(lambda s: op(s, shape=(2, 3), dtype=np.dtype(dtype)), (state,), op.name)]
    return [(case.function, case.inputs, case.label) for case in found]


def integers(op, dtype):
    """Inputs for ops on bits, which have no floats."""
    return op.name.startswith(("bitwise", "left_shift", "right_shift", "invert"))


def close(got, wanted, label):
    got, wanted = np.asarray(got), np.asarray(wanted)

    assert got.dtype == wanted.dtype, label
    assert got.shape == wanted.shape, label
    if wanted.dtype.kind != "f":
        np.testing.assert_array_equal(got, wanted, err_msg=label)
        return
    unit = 64 * np.finfo(wanted.dtype).eps  # rounding of a few operations in another order
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=label)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [op.name for op in LIBRARY])
def test_the_value_of_every_op_compiled_is_that_of_eager(name, dtype, executor):
    op = ops[name]
    for function, inputs, label in trials(op, dtype):
        if integers(op, dtype):
            inputs = tuple(np.asarray(np.abs(x) * 3).astype(np.int64)[()] for x in inputs)
        with np.errstate(all="ignore"):
            wanted = function(*inputs)
        step = clearprop.compile(function, executor=executor)
        for _ in range(3):  # the recording itself, the plan, and the plan with warm buffers
            got = step(*inputs)
            assert isinstance(got, list) == isinstance(wanted, list), label
            pairs = zip(got, wanted, strict=True) if isinstance(wanted, list) else [(got, wanted)]
            for z, w in pairs:
                close(z, w, label)


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", WITH_RULES)
def test_the_gradients_of_every_op_compiled_are_those_of_eager(name, dtype, executor):
    for function, inputs, label in trials(ops[name], dtype):
        places = tuple(i for i, x in enumerate(inputs) if np.asarray(x).dtype.kind == "f")

        def total(*xs, function=function):
            z = function(*xs)
            parts = z if isinstance(z, list) else (z,)
            parts = [np.real(p) + np.imag(p) if p.dtype.kind == "c" else p for p in parts]  # a real number
            return sum((p * p * 0.5 + p).sum() for p in parts)

        both = value_and_grad(total, places)
        wanted, gradients = both(*inputs)
        step = clearprop.compile(both, executor=executor)
        for _ in range(3):
            got, found = step(*inputs)
            close(got, wanted, label)
            for i, (g, w) in enumerate(zip(found, gradients, strict=True)):
                close(g, w, f"{label}, gradient {i}")


def test_every_op_was_tried():
    silent = [op.name for op in LIBRARY if not trials(op, np.float64)]

    assert silent == []
