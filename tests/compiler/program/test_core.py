"""The table of core ops: what a row says is what its NumPy call does, and nobody asks an op for its name."""

import ast
from pathlib import Path

import numpy as np
import pytest

import clearprop.compiler
from clearprop.compiler.program.builder import Builder, evaluate
from clearprop.compiler.program.core import CORE, Core, core_of, enter, ufunc_of
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout

ROOT = Path(clearprop.compiler.__file__).parent
FLOAT = np.dtype(np.float64)
REDUCTIONS = [op for op, row in CORE.items() if row.family == "reduce"]
ATTRS = {
    "reshape": ((4, 6), {}),
    "transpose": ((4, 2, 3), {"axes": (2, 0, 1)}),
    "slice": ((1, 3, 2), {"index": ((1, 2, 1), (2, -1, -1), (0, 4, 2))}),
    "broadcast_to": ((5, 2, 3, 4), {}),
    "cumsum": ((2, 3, 4), {"axis": 1}),
}
VIEWS = [op for op, row in CORE.items() if row.family == "view" and op in ATTRS]


def made(op, x, shape, attrs, dtype=FLOAT):
    return Value("op", shape, dtype, op, (Value("argument", x.shape, x.dtype, data=0),), attrs)


@pytest.mark.parametrize("op", VIEWS)
def test_where_a_view_says_its_entries_lie_they_lie(op):
    x = np.arange(24.0).reshape(2, 3, 4)
    shape, attrs = ATTRS[op]
    v = made(op, x, shape, attrs)
    z = evaluate(v, lambda _: x)

    place = layout(v)
    seen = np.lib.stride_tricks.as_strided(
        x.reshape(-1)[place.offset :], shape, [8 * step for step in place.strides]
    )

    assert z.shape == shape
    assert np.array_equal(seen, z)


@pytest.mark.parametrize("op", [op for op in VIEWS if CORE[op].back is not None])
def test_the_way_back_from_a_view_leads_to_the_strides_it_came_from(op):
    x = np.zeros((2, 3, 4))
    shape, attrs = ATTRS[op]
    v = made(op, x, shape, attrs)
    strides = (12, 4, 1)

    offset, own = CORE[op].seen(v, strides)

    assert offset == 0
    assert CORE[op].back(v, own) == strides


@pytest.mark.parametrize("op", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8", "bool"])
def test_a_reduction_starts_with_what_changes_nothing(op, dtype):
    row = CORE[op]
    x = np.array([3, 1, 2, 0]).astype(dtype)
    more = np.append(x, np.array(row.start(np.dtype(dtype)), dtype))  # it comes last, so no place moves
    reduce = getattr(np, op)

    assert reduce(more) == reduce(x)


@pytest.mark.parametrize("op", [op for op in REDUCTIONS if CORE[op].combine])
def test_two_partial_results_make_the_whole_one(op):
    x = np.array([3.0, 1.0, -2.0, 5.0])
    both = ufunc_of(CORE[op].combine)(getattr(np, op)(x[:2]), getattr(np, op)(x[2:]))

    assert both == getattr(np, op)(x)


@pytest.mark.parametrize("op", [op for op in REDUCTIONS if CORE[op].better])
def test_a_place_is_where_the_better_one_of_any_two_is(op):
    x = np.array([3.0, 1.0, -2.0, 5.0])
    best = x[getattr(np, op)(x)]

    assert all(y == best or ufunc_of(CORE[op].better)(best, y) for y in x)


@pytest.mark.parametrize("op", REDUCTIONS)
def test_a_row_knows_whether_no_entries_have_a_result(op):
    if CORE[op].empty:
        getattr(np, op)(np.empty(0))
    else:
        with pytest.raises(ValueError, match=r"empty|zero-size"):
            getattr(np, op)(np.empty(0))


@pytest.mark.parametrize("op", ["negative", "maximum", "floor", "abs", "where", "reshape", "max", "join"])
def test_what_is_exact_rounds_nothing(op):
    assert core_of("op", op).exact


@pytest.mark.parametrize("op", ["exp", "add", "multiply", "sum", "matmul", "cumsum", "astype"])
def test_what_may_round_does_not_call_itself_exact(op):
    assert not core_of("op", op).exact


def test_a_call_may_fail_and_a_core_op_does_not():
    assert core_of("call", "inv").fails
    assert not any(row.fails for row in CORE.values())


def test_a_call_rounds_no_more_than_the_core_op_of_its_name():
    assert core_of("call", "abs").exact
    assert not core_of("call", "softmax").exact


def test_an_unknown_op_has_no_row_and_a_name_has_one():
    with pytest.raises(KeyError, match="no core op"):
        core_of("op", "softmax")
    with pytest.raises(ValueError, match="a name that no core op has"):
        enter("sum", CORE["sum"])


@pytest.mark.parametrize("name", ["numpy", "llvm"])
def test_a_new_core_op_needs_its_row_alone(monkeypatch, name):
    """A row with its NumPy call runs in both executors, as a call where they have no writer for it."""
    if name == "llvm":
        pytest.importorskip("llvmlite")
        from clearprop.compiler.engines.llvm import Native as executor
    else:
        from clearprop.compiler.engines.numpy.source import NumpySource as executor

    row = Core(family="scan", run=lambda v, xs: np.maximum.accumulate(xs[0], axis=v.attrs["axis"]))
    monkeypatch.setitem(CORE, "cummax", row)
    x = Value("argument", (3, 4), FLOAT, data=0)
    b = Builder()
    b.values.append(x)
    z = b.emit("cummax", (b.ufunc(np.negative, x),), (3, 4), FLOAT, {"axis": 1})
    z = b.ufunc(np.add, z, 1.0)
    given = np.random.default_rng(0).normal(size=(3, 4))
    wanted = np.maximum.accumulate(-given, axis=1) + 1

    (found,), _ = executor(Program(list(b.values), [z])).prepare([])((given,), ())

    assert np.array_equal(found, wanted)


# --- nobody compares the name of an op ----------------------------------------------------------------------
ITS_PLACE = {"ir.py"}  # `is_op`, the pattern of a rule


def compared(tree):
    """Yield what compares `x.op` with names: by `==`, `in`, `startswith` or `endswith`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            texts = any(
                isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value
                for s in sides
                for n in ast.walk(s)
            )
            if texts and any(isinstance(s, ast.Attribute) and s.attr == "op" for s in sides):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = node.func.value
            if node.func.attr in ("startswith", "endswith") and getattr(of, "attr", "") == "op":
                yield ast.unparse(node)


def test_readers_of_a_program_ask_a_row_and_never_which_op_it_is_of():
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.name not in ITS_PLACE
        for text in compared(ast.parse(path.read_text()))
    ]

    assert found == []


@pytest.mark.parametrize(
    "code", ['v.op == "sum"', 'v.op in ("sum", "max")', 'v.op.startswith("arg")', '"a" != x.op']
)
def test_the_search_finds_each_way_of_comparing(code):
    assert list(compared(ast.parse(code))) == [ast.unparse(ast.parse(code))]
