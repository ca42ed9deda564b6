"""Views are told from copies, buffers are shared only where lives do not overlap."""

import numpy as np
import pytest

import clearprop
from clearprop.compiler.plan.fuse import Grouping
from clearprop.compiler.plan.memory import Plan, packed
from clearprop.compiler.plan.prepare import prepared
from clearprop.compiler.program.builder import Builder
from clearprop.compiler.program.core import CORE, Core, indices, unrun
from clearprop.compiler.program.ir import Program, State, Value
from clearprop.compiler.program.layout import layout, whole
from clearprop.compiler.program.strides import contiguous
from clearprop.tensor import Tensor


def start(*shapes):
    b = Builder()
    inputs = [Value("argument", s, np.dtype("f8"), data=i) for i, s in enumerate(shapes)]
    b.values += inputs
    return b, inputs


def one_by_one(v):
    if v.op == "matmul":
        return "product"
    return "reduction" if v.reduces else "ufunc"


def in_loops(v):
    return "product" if v.op == "matmul" else "loop"


def planned(program, kind=one_by_one):
    plan = Plan(program, Grouping(program, kind).groups)
    plan.overwrite()
    plan.pack([[group] for group in plan.groups])
    return plan


def entries(v, array):
    """The entries of a view of `array`, read by its layout."""
    place = layout(v)
    flat = array.reshape(-1)
    where = np.full(v.shape, place.offset)
    for axis, (n, s) in enumerate(zip(v.shape, place.strides, strict=True)):
        where = where + s * np.arange(n).reshape((n,) + (1,) * (len(v.shape) - axis - 1))
    return flat[where]


VIEWS = {
    "transpose": lambda b, x: b.transpose(x, (2, 0, 1)),
    "slice": lambda b, x: b.basic_index(x, (slice(1, 3), slice(None, None, -1), slice(0, 5, 2))),
    "row": lambda b, x: b.basic_index(x, (1, slice(None), 2)),
    "new axis": lambda b, x: b.basic_index(x, (None, Ellipsis, -1)),
    "reshape": lambda b, x: b.reshape(x, (8, -1)),
    "columns": lambda b, x: b.reshape(b.basic_index(x, (slice(None), slice(0, 1))), (4, 5)),
}
NUMPY = {
    "transpose": lambda x: x.transpose(2, 0, 1),
    "slice": lambda x: x[1:3, ::-1, 0:5:2],
    "row": lambda x: x[1, :, 2],
    "new axis": lambda x: x[None, ..., -1],
    "reshape": lambda x: x.reshape(8, -1),
    "columns": lambda x: x[:, 0:1].reshape(4, 5),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_layout_finds_the_entries_that_numpy_finds(name):
    b, (x,) = start((4, 4, 5))
    array = np.arange(80.0).reshape(4, 4, 5)
    v = VIEWS[name](b, x)

    np.testing.assert_array_equal(entries(v, array), NUMPY[name](array))


def test_a_reshape_that_must_copy_is_its_own_base_and_looks_at_a_copy_once_prepared():
    b, (x,) = start((3, 4))
    v = b.reshape(b.transpose(x), (12,))

    assert layout(v).base is v
    assert layout(v).strides == contiguous((12,))

    (v,) = prepared(Program(b.values, [v]), lambda v, add: v).outputs
    assert layout(v).base.op == "positive"
    assert whole(v)


def test_a_slice_knows_its_bounds():
    b, (x,) = start((5,))
    v = b.basic_index(x, slice(None, None, -2))

    assert indices(v) == (slice(4, None, -2),)
    assert v.shape == (3,)


def test_a_chain_shares_one_buffer():
    b, (x,) = start((100,))
    v = x
    for _ in range(10):
        v = b.ufunc(np.tanh, b.ufunc(np.add, v, 1.0))
    last = b.reduce("sum", v)
    found = planned(Program(b.values, [b.reshape(last, ())]))

    assert found.total == 832 + 8  # 800 bytes in whole cache lines, and the sum
    assert found.unshared == 20 * 800 + 8


def test_values_that_live_at_once_have_buffers_of_their_own():
    b, (x,) = start((100,))
    parts = [b.ufunc(np.add, b.ufunc(np.exp, x), float(k)) for k in range(4)]
    total = b.ufunc(
        np.add, b.ufunc(np.multiply, parts[0], parts[1]), b.ufunc(np.multiply, parts[2], parts[3])
    )
    program = Program(b.values, [b.reduce("sum", total)])
    plan = planned(program)
    homes = [plan.home(v) for v in parts]

    assert len({plan.offsets[home] for home in homes}) == 4
    assert plan.total < plan.unshared


@pytest.mark.parametrize("seed", range(20))
def test_blocks_that_are_alive_at_one_stage_do_not_overlap(seed):
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 8, 15)
    last = first + generator.integers(0, 4, 15)  # one may end at the stage at which another begins
    sizes = generator.integers(1, 500, 15)
    begins, total = packed(list(zip(first.tolist(), last.tolist(), sizes.tolist(), strict=True)))

    ends = np.array(begins) + sizes
    assert total == ends.max()
    for i in range(15):
        for k in range(i):
            together = first[i] <= last[k] and first[k] <= last[i]
            assert not together or ends[i] <= begins[k] or ends[k] <= begins[i]


def test_a_state_is_written_in_place_only_after_its_last_reading():
    for late, copies in ((False, 0), (True, 1)):
        b = Builder()
        p = Value("state", (50,), np.dtype("f8"), data=State(Tensor(np.zeros(50))))
        b.values.append(p)
        new = b.ufunc(np.subtract, p, 1.0)
        after = b.ufunc(np.multiply, new, p) if late else b.ufunc(np.multiply, new, new)
        program = Program(b.values, [b.reduce("sum", after)], [(p.data, new)])

        plan = planned(program)

        assert len(plan.copies) == copies
        assert plan.in_place == 1 - copies


def test_a_state_whose_entries_are_picked_is_not_overwritten_meanwhile(monkeypatch):
    row = Core(family="gather", run=unrun, reads="picked", bounds=lambda v: (v.operands[0].shape,))
    monkeypatch.setitem(CORE, "taken", row)
    state = State(Tensor(np.zeros(50)))
    p = Value("state", (50,), np.dtype("f8"), data=state)
    i = Value("argument", (50,), np.dtype("i8"), data=0)
    new = Value("op", (50,), np.dtype("f8"), "taken", (p, i))

    assert len(planned(Program([p, i, new], [], [(state, new)]), in_loops).copies) == 1


def test_a_returned_state_is_what_it_was_before_it_is_assigned():
    b = Builder()
    p = Value("state", (50,), np.dtype("f8"), data=State(Tensor(np.zeros(50))))
    b.values.append(p)
    program = Program(b.values, [p], [(p.data, b.ufunc(np.negative, p))])
    program = prepared(program, lambda v, add: v)

    assert program.outputs[0].op == "positive"
    assert list(planned(program).fresh) == program.outputs


def test_softmax_is_one_loop_and_a_sum_over_the_batch_ends_it():
    b, (x,) = start((6, 5))
    shifted = b.ufunc(np.subtract, x, b.reduce("max", x, 1, True))
    e = b.ufunc(np.exp, shifted)
    soft = b.ufunc(np.divide, e, b.reduce("sum", e, 1, True))
    total = b.reduce("sum", soft, 0, True)
    result = b.ufunc(np.subtract, soft, total)
    program = Program(b.values, [b.matmul(result, b.transpose(soft))])
    groups = Grouping(program, in_loops).groups

    assert [[v.op for v in group.values] for group in groups] == [
        ["max", "subtract", "exp", "sum", "divide", "sum"],
        ["subtract"],
        ["matmul"],
    ]
    assert groups[0].rows == {1}
    assert groups[0].reads == [x]
    assert groups[0].stores == [soft, total]


def test_groups_come_after_what_they_read():
    b, (x, y) = start((4, 4), (4, 4))
    z = b.matmul(b.ufunc(np.tanh, x), y)
    w = b.ufunc(np.add, b.ufunc(np.tanh, z), b.ufunc(np.exp, x))
    program = Program(b.values, [b.matmul(w, z), b.reduce("sum", w, 0)])
    seen = {x, y}
    for group in Grouping(program, in_loops).groups:
        assert {layout(x).base for x in group.reads} <= seen
        seen |= set(group.values)


def backward_of(activation, derivative):
    """The loops of an activation between two products, and of its derivative after the second."""
    b, (x, w) = start((8, 8), (8, 8))
    h = b.ufunc(np.add, b.matmul(x, w), 1.0)
    z = activation(b, h)
    new = derivative(b, b.matmul(z, w), h, z)
    program = Program(b.values, [new, b.matmul(b.transpose(z), new)])
    groups = Grouping(program, in_loops).groups
    return [[v.op for v in group.values] for group in groups if group.kind == "loop"]


def test_what_follows_from_what_is_kept_anyway_is_computed_where_it_is_used():
    groups = backward_of(
        lambda b, h: b.ufunc(np.tanh, h),
        lambda b, y, h, z: b.ufunc(np.multiply, y, b.ufunc(np.subtract, 1.0, b.ufunc(np.multiply, z, z))),
    )

    assert groups == [["add", "tanh"], ["multiply", "subtract", "multiply"]]


def test_a_mask_is_made_while_its_operand_is_at_hand():
    groups = backward_of(
        lambda b, h: b.ufunc(np.maximum, h, 0.0),
        lambda b, y, h, z: b.where(b.ufunc(np.greater, h, 0.0), y, 0.0),
    )

    assert groups == [["add", "maximum", "greater"], ["where"]]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
@pytest.mark.parametrize(("shape", "axis"), [((2, 1), 1), ((1, 3), 0), ((1, 1), 0), ((3, 2), 0)])
def test_places_along_axes_of_one_entry_are_places(executor, shape, axis):
    """A gradient is put where the entries came from; along such an axis no place needs to be looked up."""
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    x = np.random.default_rng(0).standard_normal(shape).astype("f4")
    weights = np.arange(x.size, dtype="f4").reshape(shape)
    gradient = clearprop.grad(lambda x: (np.sort(np.abs(x), axis=axis) * weights).sum())
    compiled = clearprop.compile(gradient, executor=executor)

    for sign in (1, -1):
        np.testing.assert_array_equal(compiled(sign * x), gradient(sign * x))


def test_blocks_alive_at_once_never_meet_where_there_are_many():
    """The largest are placed with care, thousands of others as they come to life."""
    draw = np.random.RandomState(0)
    first = draw.randint(0, 900, 2500)
    lives = [
        (int(a), int(a + n), int(size))
        for a, n, size in zip(first, draw.geometric(0.05, 2500), draw.randint(1, 700, 2500), strict=True)
    ]
    offsets, total = packed(lives)

    ends = [at + size for at, (_, _, size) in zip(offsets, lives, strict=True)]
    order = sorted(range(len(lives)), key=lambda i: lives[i][0])
    alive: list[int] = []
    for i in order:
        alive = [j for j in alive if lives[j][1] >= lives[i][0]]
        assert all(ends[j] <= offsets[i] or ends[i] <= offsets[j] for j in alive)
        alive.append(i)
    assert all(at % 64 == 0 for at in offsets)
    assert max(ends) <= total
    assert total < 0.2 * sum(size for _, _, size in lives)
