"""Executors are rows of a registry that keep one protocol, and say why they call NumPy."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler import RecordingError
from clearprop.compiler.engines import executors
from clearprop.compiler.engines.executors import AUTO, EXECUTORS, Executor, available_executors, executable
from clearprop.compiler.engines.numpy.source import NumpySource
from clearprop.compiler.engines.numpy.writers import WRITERS
from clearprop.compiler.program.builder import Unlowered
from clearprop.compiler.program.core import CORE, Core
from clearprop.compiler.program.ir import Program, Value
from clearprop.define import define
from clearprop.facts import Facts
from clearprop.registry import ops

each = pytest.mark.parametrize("executor", available_executors())


def doubled():
    x = Value("argument", (3,), np.dtype(float), data=0)
    return Program([x, z := Value("op", (3,), x.dtype, "multiply", (x, 2.0))], [z])


@each
def test_an_executable_has_all_that_the_protocol_says(executor):
    made, name = executable(doubled(), executor)

    assert name == executor
    for member in (*executors.Executable.__annotations__, "plan", "stages", "prepare", "apart"):
        assert hasattr(made, member), member
    outputs, numbers = made.prepare([])((np.arange(3.0),), ())
    assert numbers == ()
    assert np.array_equal(outputs[0], [0, 2, 4])
    assert made.apart().rows == []


class Slow(NumpySource):
    """Another engine: NumPy, and a count of its steps."""

    steps = 0

    def prepare(self, states):
        run = super().prepare(states)

        def counted(arguments, numbers):
            Slow.steps += 1
            return run(arguments, numbers)

        return counted


def test_another_executor_is_a_row(monkeypatch):
    monkeypatch.setitem(EXECUTORS, "slow", Executor(Slow))
    Slow.steps = 0
    step = clearprop.compile(lambda x: np.sum(x * 2), executor="slow", prove="never")
    x = np.ones(3)

    assert [float(step(x)) for _ in range(3)] == [6, 6, 6]
    assert Slow.steps == 3
    assert "executor slow" in step.explain()
    assert available_executors()[-1] == "slow"


def test_the_fastest_that_can_run_a_program_runs_it(monkeypatch):
    def cannot(program):
        raise Unlowered("such programs are not for me")

    monkeypatch.setitem(EXECUTORS, "picky", Executor(cannot, "cannot run it", "another"))

    assert executable(doubled(), AUTO)[1] == available_executors()[-2 if len(EXECUTORS) > 2 else -1]
    with pytest.raises(RecordingError, match="such programs are not for me"):
        clearprop.compile(lambda x: x * 2, executor="picky")(np.ones(3))


def test_an_unknown_executor_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="executor is one of auto, numpy, llvm"):
        clearprop.compile(lambda x: x, executor="xml")


@each
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: np.sort(x), "sort, by NumPy: np.sort has no core ops"),
        (lambda x: np.linalg.inv(x), "inv, by NumPy: np.inv has no core ops"),
    ],
)
def test_each_call_of_numpy_says_why_it_is_one(executor, function, why):
    step = clearprop.compile(function, executor=executor)
    step(np.eye(3) + 1)

    assert why in step.explain()


def test_native_code_says_what_it_does_not_compute_with():
    pytest.importorskip("llvmlite")
    step = clearprop.compile(lambda x: x + 1, executor="llvm")
    step(np.ones(3, np.float16))

    assert "add, by NumPy: native code does not compute with float16" in step.explain()


@each
def test_a_function_that_is_no_function_of_symbols_is_a_call_that_says_what_it_met(executor):
    def forward(x):
        return x.tobytes() and x * 2  # a symbol has no bytes

    define("bytewise", "opaque", lambda g, z, x: g * 2)(forward)
    try:
        step = clearprop.compile(lambda x: ops["bytewise"](x), executor=executor, prove="never")
        x = np.arange(3.0)

        assert np.array_equal(step(x), step(x))
        assert "by NumPy: AttributeError" in step.explain()
    finally:
        del ops["bytewise"]


# --- a kernel of one's own ----------------------------------------------------------------------------------
@pytest.fixture
def peak_so_far(monkeypatch):
    """An op with a core op of its own: its NumPy call in a row, and what it is lowered to among its facts."""
    row = Core(family="scan", run=lambda v, xs: np.maximum.accumulate(xs[0], axis=v.attrs["axis"]))
    monkeypatch.setitem(CORE, "peak_so_far", row)

    @define(
        "peak_so_far",
        "opaque",
        None,
        facts=Facts(lower=lambda x, axis=0: x.core("peak_so_far", axis=axis)),
    )
    def peak_so_far(x, *, axis=0):
        return np.maximum.accumulate(x, axis=axis)

    yield ops["peak_so_far"]
    del ops["peak_so_far"]


@each
def test_an_op_with_a_core_op_of_its_own_is_computed_by_it(executor, peak_so_far):
    step = clearprop.compile(lambda x: peak_so_far(x * 2, axis=1) + 1, executor=executor, prove="always")
    x = np.random.default_rng(0).normal(size=(3, 5))

    for _ in range(2):
        assert np.array_equal(step(x), np.maximum.accumulate(x * 2, axis=1) + 1)
    assert any(v.op == "peak_so_far" and v.kind == "op" for v in step.latest.recording.program.values)


def test_numpy_writes_an_op_by_a_writer_of_its_own(monkeypatch, peak_so_far):
    def written(lines, v, xs, out):
        function = lines.use("accumulate", np.maximum.accumulate)
        return f"{function}({xs[0]}, {v.attrs['axis']}, None, {out or None})"

    monkeypatch.setitem(WRITERS, "peak_so_far", written)
    step = clearprop.compile(lambda x: peak_so_far(x * 2, axis=1) + 1, executor="numpy")
    x = np.random.default_rng(0).normal(size=(3, 5))

    assert np.array_equal(step(x), np.maximum.accumulate(x * 2, axis=1) + 1)
    assert "accumulate(" in step.source()


@each
def test_an_op_may_be_lowered_to_numpys_functions_where_its_own_are_none_of_symbols(executor):
    @define("longest_side", "opaque", None, arity=2, facts=Facts(lower=lambda x, y: np.sqrt(x * x + y * y)))
    def longest_side(x, y):
        return np.array([np.sqrt(a * a + b * b) for a, b in zip(x, y, strict=True)])

    try:
        step = clearprop.compile(lambda x, y: ops["longest_side"](x, y), executor=executor, prove="always")
        for _ in range(2):
            assert np.array_equal(step(np.array([3.0, 6.0]), np.array([4.0, 8.0])), [5, 10])
        assert "by NumPy" not in step.explain()
    finally:
        del ops["longest_side"]
