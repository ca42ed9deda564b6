"""Joins, einsum and index arrays: compiled without a call of NumPy, whatever the shape and dtype."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clearprop
from clearprop import Tensor, optim, value_and_grad
from clearprop.compiler.step import available_executors

RELAXED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
DTYPES = ("f4", "f8", "i1", "u2", "i4", "i8", "?")


def entries(rng, shape, dtype):
    x = rng.integers(-3, 4, shape)
    return (x % 2 == 0) if dtype == "?" else (abs(x) if dtype[0] == "u" else x).astype(dtype)


def agree(got, wanted, label=""):
    got, wanted = np.asarray(got), np.asarray(wanted)

    assert got.dtype == wanted.dtype, label
    assert got.shape == wanted.shape, label
    unit = 256 * np.finfo(wanted.dtype).eps if wanted.dtype.kind == "f" else 0
    scale = np.abs(wanted).max(initial=1) if unit else 1
    np.testing.assert_allclose(got, wanted, rtol=unit, atol=unit * scale, err_msg=str(label))


def calls(step):
    """The ops of the latest plan that are calls of NumPy."""
    recording = step.latest.recording
    stops = [group.values[0].op for group in getattr(recording.executable, "stops", ())]
    return [v.op for v in recording.program.values if v.kind == "call"], stops


def checked(function, inputs, executor, allowed=()):
    """Compare a compiled function with eager at three calls, and its gradients; nothing is left to NumPy."""
    step = clearprop.compile(function, executor=executor)
    for turn in range(3):
        given = inputs if turn < 2 else [np.roll(x, 1) for x in inputs]
        wanted, got = function(*given), step(*given)
        parts = zip(got, wanted, strict=True) if isinstance(wanted, tuple) else [(got, wanted)]
        for z, w in parts:
            agree(z, w)
    found, stops = calls(step)

    assert set(found) <= set(allowed)
    assert stops == []

    if all(x.dtype.kind == "f" for x in inputs):
        checked_gradients(function, inputs, executor, allowed)


def checked_gradients(function, inputs, executor, allowed=()):
    def total(*xs):
        z = function(*xs)
        return sum(((p * 0.5 + 1) * p).sum() for p in (z if isinstance(z, (tuple, list)) else (z,)))

    both = value_and_grad(total, tuple(range(len(inputs))))
    step = clearprop.compile(both, executor=executor)
    wanted = both(*inputs)
    for _ in range(3):
        got = step(*inputs)
        agree(got[0], wanted[0])
        for g, w in zip(got[1], wanted[1], strict=True):
            agree(g, w)
    found, stops = calls(step)

    assert set(found) <= set(allowed)
    assert stops == []


WAYS = {
    "side by side": lambda x, y: np.concatenate([x, y], axis=0),
    "behind each other": lambda x, y: np.concatenate([x, y, x], axis=-1),
    "laid out flat": lambda x, y: np.concatenate([x, y], axis=None),
    "one part": lambda x, y: np.concatenate([x]),
    "parts that are computed": lambda x, y: np.concatenate([x * x, x, y * y], axis=1),
    "a join used again": lambda x, y: (lambda z: z * np.concatenate([z, z])[:4])(np.concatenate([x, y])),
    "joins in joins": lambda x, y: np.concatenate([x, np.concatenate([y, x], axis=1)[:, :3]], axis=1),
    "turned parts": lambda x, y: np.concatenate([x.T, np.flip(y, 0).T], axis=0),
    "every other entry": lambda x, y: np.concatenate([x[::2], y[:, ::-1]], axis=0),
    "spread parts": lambda x, y: np.concatenate([np.broadcast_to(x[:1], (3, 3)), y], axis=0),
    "numbers among arrays": lambda x, y: np.stack([x.sum(), y.sum(), y[0, 0]]),
    "a new first axis": lambda x, y: np.stack([x, y]),
    "a new axis in the middle": lambda x, y: np.stack([x, y, y], axis=1),
    "a new last axis": lambda x, y: np.stack([x, y], axis=-1),
    "rows and columns": lambda x, y: np.hstack([np.vstack([x, y]), np.vstack([y, x])]),
    "a margin": lambda x, y: np.pad(x, 1),
    "uneven margins": lambda x, y: np.pad(x * y, ((0, 2), (1, 0)), constant_values=3),
    "a margin of nothing": lambda x, y: np.pad(x, 0),
    "turned round": lambda x, y: np.roll(x, 1),
    "turned backward along two axes": lambda x, y: np.roll(x + y, (-4, 1), axis=(1, -2)),
    "turned along one axis twice": lambda x, y: np.roll(x, (1, 1), axis=(0, 0)),
    "repeated": lambda x, y: np.repeat(x, 3),
    "repeated along an axis": lambda x, y: np.repeat(x, 2, axis=-1),
    "tiled": lambda x, y: np.tile(x, (2, 1, 3)),
    "split": lambda x, y: np.split(x, (1, 2), axis=1),
    "split and joined": lambda x, y: np.concatenate(np.split(x, (1,), axis=1), axis=1),
    "cut": lambda x, y: x[1:, -2:],
    "cut by steps": lambda x, y: x[:, ::-2],
    "a new axis in a cut": lambda x, y: x[..., None, -1],
    "neighbours": lambda x, y: np.diff(x, axis=-1),
}  # fmt: skip


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
def test_joins_are_native_for_every_dtype(way, dtype, executor):
    if dtype == "?" and way == "neighbours":
        pytest.skip("NumPy has no difference of bools")
    rng = np.random.default_rng(0)
    checked(WAYS[way], [entries(rng, (2, 3), dtype) for _ in range(2)], executor)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: np.concatenate([x, y]), ((0, 3), (2, 3))),
        (lambda x, y: np.concatenate([x, y], axis=1), ((0, 3), (0, 2))),
        (lambda x, y: np.stack([x, x]), ((0,), ())),
        (lambda x, y: np.pad(x, 1), ((0, 2), ())),
        (lambda x, y: np.roll(x, 1, axis=0), ((0, 2), ())),
        (lambda x, y: np.repeat(x, 0, axis=1), ((2, 3), ())),
        (lambda x, y: np.einsum("ij,jk->ik", x, y), ((2, 0), (0, 3))),
        (lambda x, y: np.einsum("ij,jk->ik", x, y), ((0, 2), (2, 3))),
        (lambda x, y: x @ y, ((2, 0), (0, 3))),
        (lambda x, y: x[2:] * 2, ((2, 3), ())),
        (lambda x, y: (x * 2).sum(axis=0), ((0, 3), ())),
        (lambda x, y: np.concatenate([x[:1], x[1:1], x[1:]]), ((4,), ())),
    ],
)  # fmt: skip
def test_empty_arrays_and_empty_parts(function, shapes, executor):
    rng = np.random.default_rng(0)
    checked(function, [rng.normal(size=shape).astype("f4") for shape in shapes], executor)


SUBSCRIPTS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,jk->ki", (3, 4), (4, 5)),
    ("ji,jk->ik", (4, 3), (4, 5)),
    ("ij,kj->ik", (3, 4), (5, 4)),
    ("ij,j->i", (3, 4), (4,)),
    ("j,jk->k", (4,), (4, 5)),
    ("i,i->", (4,), (4,)),
    ("i,j->ij", (3,), (4,)),
    ("i,j->", (3,), (4,)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ii->", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->ji", (3, 3, 2)),
    ("iii->i", (3, 3, 3)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,jk->bik", (2, 3, 4), (4, 5)),
    ("ij,bjk->bik", (3, 4), (2, 4, 5)),
    ("bji,jk->bik", (2, 4, 3), (4, 5)),
    ("bij,bj->bi", (2, 3, 4), (2, 4)),
    ("bi,bi->b", (2, 3), (2, 3)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("bhqk,bkhd->bqhd", (2, 2, 3, 5), (2, 5, 2, 4)),
    ("...ij,...jk->...ik", (6, 1, 2, 3), (5, 3, 4)),
    ("...ij->...ji", (2, 3, 4)),
    ("ijk,jkl->il", (2, 3, 4), (3, 4, 5)),
    ("ijk,kjl->il", (2, 3, 4), (4, 3, 5)),
    ("i,j,k->kij", (2,), (3,), (4,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("bi,ijk,bj->bk", (3, 2), (2, 4, 5), (3, 4)),
    ("ij,kl->i", (2, 3), (2, 2)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,jk->ik", (2, 3), (1, 4)),
    ("ij,jk->ik", (1, 1), (1, 1)),
    (",ij->ij", (), (2, 3)),
]  # fmt: skip


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("example", SUBSCRIPTS, ids=str)
def test_einsum_is_made_of_products_and_sums(example, dtype, executor):
    subscripts, *shapes = example
    rng = np.random.default_rng(0)
    inputs = [rng.uniform(-1, 1, shape).astype(dtype) for shape in shapes]
    checked(lambda *xs: np.einsum(subscripts, *xs), inputs, executor)


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "?"])
@pytest.mark.parametrize("example", [e for e in SUBSCRIPTS if len(e) <= 3], ids=str)
def test_einsum_of_integers_keeps_its_dtype(example, dtype, executor):
    subscripts, *shapes = example
    rng = np.random.default_rng(0)
    inputs = [entries(rng, shape, dtype) for shape in shapes]
    function = lambda *xs: np.einsum(subscripts, *xs)  # noqa: E731
    step = clearprop.compile(function, executor=executor)
    for _ in range(3):
        agree(step(*inputs), function(*inputs))


INDICES = {
    "rows": lambda x, i: x[i],
    "after a slice": lambda x, i: x[1:, i],
    "beside an integer": lambda x, i: x[:, i, 0],
    "behind an integer": lambda x, i: x[0, i],
    "apart from an integer": lambda x, i: x[i, :, 1],
    "apart from an integer in front": lambda x, i: x[0, :, i],
    "two arrays": lambda x, i: x[i, i],
    "two arrays apart": lambda x, i: x[i, 1:, i],
    "with a step": lambda x, i: x[::2, i, ::-1],
    "behind an ellipsis": lambda x, i: x[..., i],
    "a mask": lambda x, i: x[np.array([True, False, True])],
    "a mask of two axes": lambda x, i: x[:, np.arange(12).reshape(3, 4) % 2 == 0],
    "taken along an axis": lambda x, i: np.take(x, i, axis=-1),
    "taken from all": lambda x, i: np.take(x, i),
}


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("way", INDICES)
def test_index_arrays_beside_slices_are_native(way, executor):
    x = np.random.default_rng(0).uniform(-1, 1, (3, 3, 4))
    i = np.array([[0, 2], [-1, 0]])
    checked(lambda x: INDICES[way](x, i), [x], executor, allowed=("getitem", "scatter"))  # loops of `llvm`


# --- what a rewrite makes of them ---------------------------------------------------------------------------
def plan(function, *inputs, executor="numpy"):
    step = clearprop.compile(function, executor=executor)
    step(*inputs)
    step(*inputs)
    return step.latest.recording


def ops_of(recording):
    return [v.op for v in recording.program.values if v.computed and v.op != "reshape"]


def test_a_slice_of_a_join_reads_the_part_alone():
    x, y = np.ones((2, 3)), np.ones((2, 4))
    recording = plan(lambda x, y: np.tanh(np.concatenate([x, y], axis=1)[:, 4:]), x, y)

    assert ops_of(recording) == ["slice", "tanh"]


def test_what_is_split_and_joined_again_is_itself():
    x = np.ones((2, 6))
    recording = plan(lambda x: np.tanh(np.concatenate(np.split(x, 3, axis=1), axis=1)), x)

    assert ops_of(recording) == ["tanh"]


def test_a_join_in_a_join_is_one():
    x = np.ones(3)
    recording = plan(lambda x: np.concatenate([np.concatenate([x * 2, x]), x + 1]) * 3, x)

    assert ops_of(recording).count("join") == 1


def test_the_gradients_of_slices_meet_without_their_zeros():
    def loss(x):
        a, b, c = x[:, :2], x[:, 2:5], x[:, 5:]
        return np.tanh(a).sum() + np.sin(b).sum() + np.exp(c).sum()

    recording = plan(value_and_grad(loss), np.ones((3, 6)))
    (joined,) = [v for v in recording.program.values if v.op == "join"]

    assert [x.shape for x in joined.inputs] == [(3, 2), (3, 3), (3, 1)]


def test_a_product_is_chosen_where_einsum_has_one():
    x, y = np.ones((2, 3, 4)), np.ones((2, 5, 4))
    recording = plan(lambda x, y: np.einsum("bij,bkj->bik", x, y), x, y)

    assert ops_of(recording) == ["transpose", "matmul"]


# --- native code --------------------------------------------------------------------------------------------
native = pytest.mark.skipif("llvm" not in available_executors(), reason="needs the extra fast")


@native
def test_a_part_is_written_by_the_loop_that_computes_it():
    x, y = np.ones((4, 3)), np.ones((4, 5))
    recording = plan(lambda x, y: np.concatenate([np.tanh(x) * 2, np.exp(y)], axis=1), x, y, executor="llvm")
    groups = recording.executable.groups

    assert [g.kind for g in groups] == ["loop", "loop", "join"]
    assert [len(g.stores) for g in groups] == [1, 1, 1]  # neither tanh nor exp has memory of its own


@native
def test_margins_along_two_axes_are_written_in_one_go():
    recording = plan(lambda x: np.pad(x * 2, 1), np.ones((4, 3)), executor="llvm")
    places = recording.executable.plan
    wholes = [v for v in places.program.values if v.op == "joined"]

    assert len(wholes) == 2
    assert len({places.home(v) for v in wholes}) == 1


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
def test_a_step_with_joins_trains_as_eager_does(executor):
    """A recurrent cell: gates that are slices of one product, and the states of all times stacked."""
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(5, 8, 3)), rng.normal(size=(8, 5, 4))

    def trained(compiled):
        inside = np.random.default_rng(1)
        w = Tensor(inside.normal(size=(7, 16)) * 0.3, name="w")
        optimizer = optim.Adam([w], lr=0.01)

        def step(x, target):
            optimizer.zero_grad()
            h, c, states = np.zeros((8, 4)), np.zeros((8, 4)), []
            for t in range(len(x)):
                gates = np.concatenate([x[t], h], axis=1) @ w
                i, f, g, o = (gates[:, 4 * k : 4 * k + 4] for k in range(4))
                c = clearprop.sigmoid(f) * c + clearprop.sigmoid(i) * np.tanh(g)
                h = clearprop.sigmoid(o) * np.tanh(c)
                states.append(h)
            loss = np.mean((np.stack(states, axis=1) - target) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        run = clearprop.compile(step, executor=executor) if compiled else step
        for _ in range(5):
            run(x, target)
        if compiled:
            assert calls(run) == ([], [])
        return w.value

    agree(trained(True), trained(False))


# --- any shape ----------------------------------------------------------------------------------------------
@st.composite
def boxes(draw):
    """Arrays that agree but along one axis, some of them empty, and views of larger ones."""
    n = draw(st.integers(1, 4))
    axis = draw(st.integers(0, n - 1))
    shape = [draw(st.integers(1, 6)) for _ in range(n)]
    dtype = draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = []
    for _ in range(draw(st.integers(1, 4))):
        shape[axis] = draw(st.sampled_from((0, 1, 2, 5, 17)))
        arrays.append(entries(rng, shape, dtype))
    return arrays, draw(st.sampled_from((axis, axis - n))), draw(st.sampled_from(("", "turned", "computed")))


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@settings(max_examples=60, deadline=None, suppress_health_check=RELAXED, derandomize=True)
@given(box=boxes())
def test_arrays_of_any_shape_join(executor, box):
    arrays, axis, how = box

    def function(*xs):
        if how == "turned":
            return np.concatenate([np.swapaxes(x, 0, axis) for x in xs], axis=0)
        return np.concatenate([x * x if how else x for x in xs], axis=axis)

    checked(function, arrays, executor)


@st.composite
def einsums(draw):
    """Two or three arrays with labels drawn, some repeated, some summed, lengths of 1 among them."""
    sizes = {c: draw(st.sampled_from((1, 2, 3, 4))) for c in "abcde"}
    terms = [draw(st.lists(st.sampled_from("abcde"), max_size=4)) for _ in range(draw(st.integers(1, 3)))]
    used = sorted({c for t in terms for c in t})
    output = draw(st.permutations([c for c in used if draw(st.booleans())]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = []
    for t in terms:
        short = draw(st.booleans())
        once = [c for c in t if t.count(c) == 1]
        arrays.append(rng.uniform(-1, 1, [1 if short and c in once[:1] else sizes[c] for c in t]))
    return ",".join("".join(t) for t in terms) + "->" + "".join(output), arrays


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@settings(max_examples=80, deadline=None, suppress_health_check=RELAXED, derandomize=True)
@given(example=einsums())
def test_any_einsum_is_that_of_eager(executor, example):
    subscripts, arrays = example
    checked(lambda *xs: np.einsum(subscripts, *xs), arrays, executor)
