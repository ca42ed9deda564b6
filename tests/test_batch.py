"""Every op of the library on many examples at once, beside the loop over them: the registry is the plan."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, batch, grad, vmap
from clearprop.ops import batched
from clearprop.registry import ops
from clearprop.testing import Case, cases

LIBRARY = [op.name for op in ops.values() if op.__module__.startswith("clearprop.")]
LOOPED: set[str] = set()
AT_MOST = 0.05  # of the ops may run a loop over the examples


def examples(x, number=3):
    """Slightly different examples of an input, the same ones of an index or a mask."""
    x = np.asarray(x)
    return np.stack([x + 0.01 * i if x.dtype.kind in "fc" else x for i in range(number)])


def tried(name):
    """The cases of an op, with integers where it takes no others."""
    for case in cases(ops[name]):
        try:
            case.function(*case.inputs)
        except TypeError:
            inputs = tuple(np.asarray(np.abs(x) * 3, int) for x in case.inputs)
            yield Case(case.op, case.function, inputs, case.label)
        else:
            yield case


def mappings(count):
    """Which inputs have examples: all of them, or each alone."""
    alone = [tuple(i == j for i in range(count)) for j in range(count)]
    return dict.fromkeys([(True,) * count, *alone])


@pytest.fixture
def watched(monkeypatch):
    """Note which ops are run one example at a time."""
    one_by_one = batch.one_by_one

    def noted(op, *rest):
        LOOPED.add(op.name)
        return one_by_one(op, *rest)

    for module in (batch, batched):
        monkeypatch.setattr(module, "one_by_one", noted)


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.usefixtures("watched")
def test_many_examples_at_once_are_what_a_loop_gives(name):
    for case in tried(name):
        for mapped in mappings(len(case.inputs)):
            masks = any(
                m and np.asarray(x).dtype.kind == "b" for x, m in zip(case.inputs, mapped, strict=True)
            )
            if masks and ops[name].kind == "gather":
                continue  # a mask of its own for each example is refused: see below
            given = [examples(x) if m else x for x, m in zip(case.inputs, mapped, strict=True)]
            rows = [
                case.function(*(x[i] if m else x for x, m in zip(given, mapped, strict=True)))
                for i in range(3)
            ]
            found = vmap(case.function, in_axes=tuple(0 if m else None for m in mapped))(*given)
            pairs = (
                zip(found, zip(*rows, strict=True), strict=True)
                if isinstance(found, (list, tuple))
                else [(found, rows)]
            )
            for all_at_once, one_by_one in pairs:
                wanted = np.stack(one_by_one)
                assert all_at_once.shape == wanted.shape, (case.label, mapped)
                np.testing.assert_allclose(
                    all_at_once, wanted, rtol=1e-12, atol=1e-13, err_msg=f"{case.label} {mapped}"
                )


def test_few_ops_run_a_loop():
    """Of the core's ops with a gradient; matrix functions of `clearprop.scipy` do, and a loop is one."""
    home = ("clearprop.ops", "clearprop.nn")
    core = {name for name in LIBRARY if ops[name].__module__.startswith(home) and ops[name].differentiable}

    assert len(LOOPED & core) <= AT_MOST * len(core), sorted(LOOPED & core)


def test_an_op_of_ones_own_runs_a_loop_where_nothing_is_said_of_it():
    @clearprop.define(
        "total_for_batches", "opaque", lambda g, z, x, scale: np.broadcast_to(g * scale, x.shape)
    )
    def total(x, *, scale=1.0):
        return scale * np.sum(x)

    xs = np.arange(6.0).reshape(2, 3)

    np.testing.assert_array_equal(vmap(lambda x: total(x, scale=2.0))(xs), [6.0, 24.0])
    np.testing.assert_array_equal(vmap(grad(lambda x: total(x, scale=2.0)))(xs), np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("f", "asked"),
    [
        (lambda x: x if x[0] > 0 else -x, r"bool\(t\)"),
        (lambda x: float(x[0]), r"float\(t\)"),
        (lambda x: x[0].item(), r"item\(\)"),
        (lambda x: x.tolist(), r"tolist\(\)"),
        (lambda x: np.asarray(x), r"np\.asarray\(t\)"),
        (lambda x: x.value, r"t\.value"),
        (lambda x: Tensor(x), r"np\.asarray\(t\)"),
        (lambda x: np.nonzero(x), r"t\.value"),
        (lambda x: np.sum(x).backward(), r"t\.backward\(\)"),
    ],
)
def test_the_numbers_of_one_example_are_not_given(f, asked):
    with pytest.raises(TypeError, match=rf"{asked}: would be another number for each example of a vmap"):
        vmap(f)(np.ones((2, 3)))


def test_a_mask_of_its_own_for_each_example_is_refused():
    with pytest.raises(TypeError, match="another number of entries for each example"):
        vmap(lambda x: x[x > 0])(np.ones((2, 3)))
    np.testing.assert_array_equal(
        vmap(lambda x: x[np.array([True, False, True])])(np.arange(6.0).reshape(2, 3)), [[0, 2], [3, 5]]
    )


PICKS = [
    (slice(None), 0),
    (0,),
    (..., 0),
    (None, ..., slice(1, None)),
    (np.array([0, 2]),),
    (slice(None), np.array([0, 1]), 0),
    (np.array([0, 2]), slice(None), np.array([1, 1])),
    (0, slice(None), np.array([1, 1])),
    (..., np.array([[0, 1]])),
    (np.array([0, 1]), ..., None),
]


@pytest.mark.parametrize("index", PICKS, ids=repr)
@pytest.mark.parametrize("mapped", ["x", "index", "both"])
def test_every_kind_of_index(index, mapped):
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 2))
    arrays = [i for i, e in enumerate(index) if isinstance(e, np.ndarray)]
    if mapped != "x" and not arrays:
        pytest.skip("no array in this index")
    moving = arrays if mapped != "x" else []
    stacks = [np.stack([index[i], (index[i] + 1) % 2]) for i in moving]

    def picked(x, *others):
        x = Tensor(x, requires_grad=False) if isinstance(x, np.ndarray) else x  # an array asks no index
        entries = list(index)
        for i, other in zip(moving, others, strict=True):
            entries[i] = other
        return x[tuple(entries)]

    axis = 0 if mapped != "index" else None
    values = x if axis == 0 else x[0]
    f = vmap(picked, in_axes=(axis, *(0 for _ in moving)))
    rows = [picked(values[i] if axis == 0 else values, *(s[i] for s in stacks)).value for i in range(2)]
    found = f(values, *stacks)
    np.testing.assert_array_equal(found.value if isinstance(found, Tensor) else found, np.stack(rows))

    def weighed(v):
        return np.sum(np.sin(f(v, *stacks)))

    step = 1e-6 * np.cos(np.arange(values.size)).reshape(values.shape)
    slope = np.sum(grad(weighed)(values) * step)
    np.testing.assert_allclose(slope, (weighed(values + step) - weighed(values - step)) / 2, rtol=1e-6)
    if axis == 0:  # the transposes too: each example's own gradient
        each = vmap(grad(lambda v, *s: np.sum(np.sin(picked(v, *s)))))(values, *stacks)
        np.testing.assert_allclose(each, grad(weighed)(values), rtol=1e-14)


def _attended(x, mask):
    """Attention of queries, keys and values made of one example's numbers."""
    q = np.sin(x)[:, :2]
    return clearprop.nn.functional.scaled_dot_product_attention(q, np.cos(x)[:, 1:], x * x, attn_mask=mask)


ALLOWED = np.array([[[True, False, True], [True, True, True], [False, False, True]]] * 2)
ALLOWED[1, 0] = [False, True, True]


@pytest.mark.parametrize(("masks", "axis"), [(None, None), (ALLOWED[0], None), (ALLOWED, 0), (ALLOWED, 1)])
def test_examples_are_attended_to_all_at_once(masks, axis, watched):
    x = np.random.default_rng(4).normal(size=(2, 3, 3))
    given = np.moveaxis(ALLOWED, 0, 1) if axis == 1 else masks

    def slope(x, mask):
        return grad(lambda x: np.sum(np.sin(_attended(x, mask))))(x)

    def bend(x, mask):
        return grad(lambda x: np.sum(np.cos(slope(x, mask))))(x)

    LOOPED.clear()
    for f in (_attended, slope, bend):
        found = vmap(f, in_axes=(0, axis))(x, given)
        rows = [f(x[i], masks if axis is None else masks[i]) for i in range(2)]
        np.testing.assert_allclose(found, np.stack(rows), rtol=1e-12, atol=1e-14)
    assert not LOOPED


@pytest.mark.parametrize("mode", ["edge", "reflect", "mean"])
@pytest.mark.parametrize("stat", [None, ((1, 2),)])
def test_margins_of_whole_numbers(mode, stat):
    x = np.arange(12).reshape(2, 6) ** 2 % 7
    how = {"stat_length": stat} if stat and mode == "mean" else {}

    found = vmap(lambda x: np.pad(x, (1, 2), mode, **how))(x)

    np.testing.assert_array_equal(found, np.stack([np.pad(row, (1, 2), mode, **how) for row in x]))


@pytest.mark.parametrize("table", ["same", "own"])
@pytest.mark.parametrize("f", [np.searchsorted, lambda t, x: np.digitize(x, t), lambda t, x: np.isin(x, t)])
def test_entries_are_looked_up(f, table):
    x = np.array([[0.5, 1.0, 2.5], [-1.0, 3.0, 2.0]])
    tables = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    given = tables if table == "own" else tables[0]

    found = vmap(f, in_axes=(0 if table == "own" else None, 0))(given, x)

    np.testing.assert_array_equal(found, [f(given[i] if table == "own" else given, x[i]) for i in range(2)])
