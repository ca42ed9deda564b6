"""What ops say of themselves is true: each fact is held against what the op does."""

import dataclasses

import numpy as np
import pytest

import clearprop as cp
from clearprop.backward import unbroadcast
from clearprop.ops.quotient import over
from clearprop.registry import ops
from clearprop.see.drawing.boxes import note_of
from clearprop.testing import cases

SAID = [op for op in ops.values() if op.facts != cp.Facts()]


def saying(fact):
    """The ops that state a fact, as parameters of a test."""
    found = [op for op in SAID if getattr(op.facts, fact) not in ("", None, False)]
    assert found, f"no op says {fact}: a fact without an op is none"
    return pytest.mark.parametrize("op", found, ids=lambda op: op.name)


def values(op):
    """Each case of an op as the arrays and attributes that its forward function is given."""
    for case in cases(op):
        node = case.function(*(cp.Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in case.inputs))
        yield node._value, [np.asarray(v) for v in node.values], node.attrs


@saying("sign")
def test_python_writes_an_op_by_its_sign(op):
    if op.facts.sign == "[]":
        x = np.arange(6.0).reshape(2, 3)
        np.testing.assert_array_equal(op(x, (0, slice(1, None))), x[0, 1:])
        return
    for z, xs, _ in values(op) if op.differentiable else [(op(3.0, 2.0), (3.0, 2.0), {})]:
        np.testing.assert_array_equal(z, eval(f"x {op.facts.sign} y", dict(zip("xy", xs, strict=True))))


@saying("axes")
def test_axes_turn_an_array_as_the_op_does(op):
    for z, (x,), attrs in values(op):
        np.testing.assert_array_equal(z, np.transpose(x, op.facts.axes(x.ndim, **attrs)))


@saying("order")
def test_a_view_keeps_its_entries_in_order_or_repeats_them(op):
    for z, (x,), _ in values(op):
        expected = x.ravel() if op.facts.order == "kept" else np.broadcast_to(x, z.shape).ravel()
        np.testing.assert_array_equal(z.ravel(), expected)


CHOICES = ["maximum", "minimum", "fmax", "fmin", "max", "min", "relu", "eigvalsh", "svdvals", "sort"]


def _kinks_that_no_factor_takes_away(op):
    """Where no entries tie, nothing is said of what is sent."""
    for _, xs, attrs in values(op):
        leaves = [cp.Tensor(x) for x in xs]
        z = op(*leaves, **attrs)
        assert op.facts.smooth(0, 2.0 * z, z, leaves, attrs, None) == (None, None)


def _holding(op, z):
    """Return a result of `op` in which z is a factor."""
    first = np.array([3.0, 0.5, 2.0])
    made = {
        "add": lambda: op(3.0 * z, z),
        "subtract": lambda: op(3.0 * z, z),
        "power": lambda: op(z, 3),
        "where": lambda: op(first > 1, z * z, 0.0),
        "matmul": lambda: op(z, first[None, :1]),
        "einsum": lambda: op("i,ij,j->i", z, np.eye(3), first),
        "astype": lambda: op(z, dtype=np.dtype("f4")),
        "getitem": lambda: op(z, (slice(None),)),
        "scatter": lambda: op(z, index=(slice(3),), shape=(3,)),
        "add_at": lambda: op(2.0 * z, z * first, indexes=((slice(None),),), shape=(3,)),
    }
    return made[op.name]() if op.name in made else op(*(z, first)[: op.arity])


@saying("over")
def test_what_a_result_is_over_a_factor_of_it_is_their_quotient(op):
    z = cp.Tensor([0.5, -1.0, 2.0])
    z = cp.reshape(z, (3, 1)) if op.name == "matmul" else z
    g = _holding(op, z)
    found = over(g, z)

    np.testing.assert_allclose(getattr(found, "value", found) * z.value, g.value, rtol=1e-6)
    assert over(_holding(op, np.cos(z)), z) is None


@saying("smooth")
def test_a_kink_is_gone_from_the_square_of_a_length(op):
    if op.name in CHOICES:
        return _kinks_that_no_factor_takes_away(op)
    tried = 0
    for _, xs, attrs in values(op):
        if any(x.dtype.kind != "f" for x in xs):
            continue
        xs = [xs[0], 0.5] if op.name == "power" else xs
        leaves = [cp.Tensor(x) if isinstance(x, np.ndarray) else x for x in xs]
        z = op(*leaves, **attrs)
        n = 2 if op.facts.smooth.root is None else op.facts.smooth.root(*leaves)
        sent, more = op.facts.smooth(0, n * z ** (n - 1), z, leaves, attrs, None)  # of z ** n
        sent = getattr(sent, "value", sent)
        right = cp.grad(lambda *xs, attrs=attrs, n=n: np.sum(op(*xs, **attrs) ** n))(*xs)
        sent = np.broadcast_to(sent, np.broadcast_shapes(np.shape(sent), right.shape))
        np.testing.assert_allclose(unbroadcast(sent, right.shape), right, rtol=1e-5)
        assert more is None
        assert op.facts.smooth(0, np.cos(z), z, leaves, attrs, None) == (None, None)
        tried += 1
    assert tried


@saying("picks")
def test_a_choice_is_the_input_that_it_picks(op):
    for z, xs, attrs in values(op):
        for i, x in enumerate(xs):
            chosen = op.facts.picks(i, *xs, **attrs)
            if chosen is not None:
                chosen = np.broadcast_to(chosen, z.shape)
                np.testing.assert_array_equal(z[chosen], np.broadcast_to(x, z.shape)[chosen])


@saying("reads")
def test_an_entry_is_made_of_what_it_reads(op):
    said = 0
    for z, xs, attrs in values(op):
        index = tuple(n - 1 for n in z.shape)
        rows = op.facts.reads(index, *xs, **attrs)
        if rows is None:
            continue
        said += 1
        for i, (x, row) in enumerate(zip(xs, rows, strict=True)):
            stretch = tuple(slice(None) if k is None else k for k in row)
            other = x + 1
            other[stretch] = x[stretch]
            moved = op.forward(*xs[:i], other, *xs[i + 1 :], **attrs)
            assert moved[index] == z[index]
            other[stretch] += 1
            assert op.forward(*xs[:i], other, *xs[i + 1 :], **attrs)[index] != z[index]
    assert said


@saying("flat")
def test_a_flat_function_has_no_slope_far_out(op):
    def slope(x):
        return op.derivatives[0](op.forward(x), x)

    left, top, right = (slope(np.float64(x)) for x in (-50.0, 0.0, 50.0))
    assert abs(left) < 1e-12
    assert (abs(right) < 1e-12 < top) if op.facts.flat == "both" else right == 1


@saying("makes")
def test_probabilities_are_between_0_and_1_and_a_distribution_adds_up_to_1(op):
    z = op(np.array([[-3.0, 0.5, 2.0], [10.0, -1.0, 0.0]]))

    assert np.all((z >= 0) & (z <= 1))
    if op.facts.makes == "distribution":
        np.testing.assert_allclose(z.sum(axis=-1), 1)


def test_the_cost_of_a_product_of_matrices_is_the_same_by_whatever_name():
    x, y = np.ones((2, 3)), np.ones((3, 5))

    assert ops["matmul"].facts.cost(x @ y, x, y) == 2 * 2 * 3 * 5
    assert ops["einsum"].facts.cost(x @ y, x, y, subscripts="ij,jk->ik") == 2 * 2 * 3 * 5


@saying("kinks")
def test_kinks_are_asked_with_what_the_op_is_given_and_answer_entry_by_entry(op):
    if op.differentiable:
        for z, xs, attrs in values(op):
            mask = op.facts.on_kink(*xs, **attrs)
            np.broadcast_to(mask, np.shape(z) if op.kind == "elementwise" else np.shape(xs[0]))
            assert np.asarray(mask).dtype == bool


@saying("domain")
def test_no_kink_lies_inside_of_a_domain(op):
    if op.differentiable and callable(op.facts.kinks):
        for _, xs, attrs in values(op):
            assert not np.any(op.facts.on_kink(*xs, **attrs))


@pytest.mark.parametrize("fact", [f.name for f in dataclasses.fields(cp.Facts)])
def test_every_fact_is_stated_by_some_op_and_described(fact):
    said = [op.facts for op in SAID]
    if fact == "steep":
        said += [pytest.importorskip("clearprop.scipy.linalg").ops["sqrtm"].facts]
    assert any(getattr(facts, fact) not in ("", None) for facts in said)
    assert f"`{fact}" in cp.Facts.__doc__


def test_facts_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        cp.tanh.facts.sign = "+"


def test_an_op_of_ones_own_is_drawn_diagnosed_and_counted_by_its_facts():
    facts = cp.Facts(sign="<+>", cost=7, kinks=False)
    joined = cp.elementwise("facts_joined", lambda x, y: x + y, 1, 1, facts=facts)
    z = joined(cp.Tensor([1.0, 2.0], name="x"), 3.0)

    assert cp.see.summaries.flops(z) == 14
    assert cp.kinks(lambda x: np.sum(joined(x, 1.0)), np.ones(2)) == []
    assert note_of(z, {}) == "x <+> 3"


@pytest.mark.parametrize("op", [op for op in ops.values() if op.facts.linear], ids=lambda op: op.name)
def test_an_op_is_linear_in_the_inputs_that_it_says(op):
    """With twice the input it gives twice the output."""
    for case in cases(op):
        for place in set(op.facts.linear) & set(range(len(case.inputs))):
            given = [np.asarray(x) for x in case.inputs]
            if given[place].dtype.kind not in "fc":
                continue
            once = case.function(*given)
            given[place] = 2 * given[place]
            np.testing.assert_allclose(case.function(*given), 2 * once, rtol=1e-14)
