"""Every op of the library on many examples at once, beside the loop over them: the registry is the plan."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, batch, grad, vmap
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

    monkeypatch.setattr(batch, "one_by_one", noted)


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
