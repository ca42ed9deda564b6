"""Updates by hand: what changes a leaf, what is refused, and that no graph's values change under it."""

import operator
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, no_grad

IN_PLACE = {
    "+=": operator.iadd,
    "-=": operator.isub,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "//=": operator.ifloordiv,
    "%=": operator.imod,
    "**=": operator.ipow,
    "@=": operator.imatmul,
}
INTEGERS = {
    "&=": operator.iand,
    "|=": operator.ior,
    "^=": operator.ixor,
    "<<=": operator.ilshift,
    ">>=": operator.irshift,
}


@pytest.mark.parametrize("sign", IN_PLACE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_in_place_operators_do_to_a_leaf_what_numpy_does_to_an_array(sign, dtype):
    array = np.array([[4.0, 3.0], [2.0, 5.0]], dtype)
    y = np.array([[1.5, 2.0], [0.5, 3.0]])
    w = leaf = Tensor(array)
    with no_grad():
        w = IN_PLACE[sign](w, y)

    assert w is leaf
    assert w.requires_grad
    assert w.dtype == dtype
    np.testing.assert_array_equal(w.value, IN_PLACE[sign](array.copy(), y))


@pytest.mark.parametrize("sign", INTEGERS)
def test_in_place_operators_of_integers(sign):
    n = leaf = Tensor([5, 6], requires_grad=False)
    n = INTEGERS[sign](n, 2)

    assert n is leaf
    np.testing.assert_array_equal(n.value, INTEGERS[sign](np.array([5, 6]), 2))


@pytest.mark.parametrize("sign", IN_PLACE)
def test_in_grad_mode_they_are_refused_with_the_cure(sign):
    t = Tensor(np.eye(2))
    with pytest.raises(TypeError, match=r"graph remembers(.|\n)*Try `with clearprop.no_grad"):
        IN_PLACE[sign](t, np.eye(2))
    view = t[0]
    with pytest.raises(TypeError, match=r"graph remembers(.|\n)*Try t = t"):
        IN_PLACE[sign](view, np.eye(2) if sign == "@=" else 3.0)
    np.testing.assert_array_equal(t.value, np.eye(2))


def test_a_computed_tensor_stays_as_it_is_also_under_no_grad():
    w = Tensor(3.0)
    y = w * w
    with no_grad(), pytest.raises(TypeError, match="only a leaf"):
        y += 1.0


def test_a_gradient_is_not_dropped_where_a_plain_leaf_would_take_it_in():
    total = Tensor(0.0, requires_grad=False)
    with pytest.raises(TypeError, match="drop the gradient"):
        total += Tensor(2.0) * 3


@pytest.mark.parametrize("y", [np.ones((2, 2)), np.ones((1, 2)), np.ones(3)])
def test_an_update_never_enlarges(y):
    w, s = Tensor([1.0, 2.0]), Tensor(1.0)
    with no_grad(), pytest.raises(ValueError, match="broadcast"):
        w += y
    with no_grad(), pytest.raises(ValueError, match="broadcast"):
        s += y
    with pytest.raises(ValueError, match="wants a value of t's shape"):
        w.value = y
    with pytest.raises(ValueError, match="broadcast"):
        w.value -= y

    assert (w.shape, s.shape) == ((2,), ())


@pytest.mark.parametrize("y", [1j, np.array([1j, 2.0])])
def test_numpy_refuses_a_kind_of_number_that_the_leaf_cannot_hold(y):
    w = Tensor([1.0, 2.0])
    with no_grad(), pytest.raises(TypeError, match="casting rule 'same_kind'"):
        w += y
    with no_grad(), pytest.raises(TypeError, match="wants numbers that float64 can hold"):
        w[...] = y
    n = Tensor([1, 2], requires_grad=False)
    with pytest.raises(TypeError, match="same_kind"):
        n /= 2
    with pytest.raises(TypeError, match="int64 can hold"):
        n[0] = 0.5


def test_the_first_training_loop_of_every_course():
    w, losses = Tensor([5.0, -3.0]), []
    for _ in range(50):
        w.grad = None
        loss = np.sum(w**2)
        loss.backward()
        with no_grad():
            w -= 0.1 * w.grad
        losses.append(loss.item())

    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-7


@pytest.mark.parametrize("start", [2.0, [2.0, -1.0], np.float32(3.0)])
def test_value_is_updated_anywhere(start):
    w = Tensor(start)
    y = np.sum(w**2)
    y.backward()
    kept, array = w.value, np.array(w.value)
    w.value -= 0.25 * w.grad
    y.backward()

    np.testing.assert_array_equal(w.value, 0.5 * array)
    np.testing.assert_array_equal(kept, array)
    np.testing.assert_array_equal(w.grad, 4 * array)
    assert w.dtype == array.dtype


def test_entries_are_set_under_no_grad():
    w = Tensor(np.zeros((2, 3)))
    y = np.sum((w + 1) ** 2)
    with no_grad():
        w[0] = [1.0, 2.0, 3.0]
        w[1, 1:] = Tensor([8.0, 9.0])
        w[w < 1] = -1.0
        w[...] = w * 2
    y.backward()

    np.testing.assert_array_equal(w.value, [[2.0, 4.0, 6.0], [-2.0, 16.0, 18.0]])
    np.testing.assert_array_equal(w.grad, 2 * np.ones((2, 3)))


def views(t):
    yield "value", t.value
    yield "numpy()", t.detach().numpy()
    yield "asarray", np.asarray(t.detach())
    yield "array(copy=None)", np.array(t.detach(), copy=None)
    yield "part", t.value[:1]
    yield "reshaped", t.value.reshape(-1)
    yield "part of a Tensor", t.detach()[:1].value
    yield "transposed", t.detach().T.value


@pytest.mark.parametrize("which", range(8))
def test_what_a_graph_remembers_cannot_be_edited(which):
    x = Tensor([1.0, 2.0])
    y = np.sum(x**2)
    name, view = list(views(x))[which]
    with pytest.raises(ValueError, match="read-only"):
        view[...] = 100.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.setflags(write=True)
    y.backward()

    assert x.grad.tolist() == [2.0, 4.0], name


@pytest.mark.parametrize("make", [Tensor, lambda a: clearprop.nn.Parameter(a), lambda a: assigned(a)])
def test_the_array_that_was_given_is_the_owners(make):
    array = np.array([1.0, 2.0])
    x = make(array)
    y = np.sum(x**2)
    array[...] = 100.0
    y.backward()

    assert x.grad.tolist() == [2.0, 4.0]


def assigned(array):
    w = Tensor([0.0, 0.0])
    w.value = array
    clearprop.assign(w, array)
    return w


def test_loaded_and_saved_arrays_are_copies():
    layer = clearprop.nn.Linear(2, 1)
    state = layer.state_dict()
    layer.load_state_dict(state)
    before = layer.weight.value.copy()
    state["weight"][...] = 7.0
    layer.state_dict()["weight"][...] = 7.0

    np.testing.assert_array_equal(layer.weight.value, before)


def test_a_gradient_that_became_the_value_is_another_array():
    w = Tensor([1.0, 2.0])
    np.sum(w * 3).backward()
    w.value = w.grad
    w.grad *= 2

    assert w.value.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("make", [clearprop.from_numpy, clearprop.asarray])
def test_shared_arrays_are_shared(make):
    array = np.array([1.0, 2.0])
    x = make(array, name="x")
    array[0] = 5.0

    assert x.value.tolist() == [5.0, 2.0]
    assert (x.requires_grad, x.name) == (True, "x")
    with pytest.raises(TypeError, match="Tensor"):
        clearprop.from_numpy(np.array([1, 2]))
    assert clearprop.asarray([1, 2]).value.dtype == np.float64


@pytest.mark.parametrize("dtype", [object, str])
def test_a_dtype_that_drops_the_gradient_is_refused(dtype):
    with pytest.raises(TypeError, match=r"would drop the gradient(.|\n)*Try t.detach\(\)"):
        Tensor(1.0).astype(dtype)


def loop(compile_step):
    w, s = Tensor([1.0, 2.0, 3.0], name="w"), Tensor(2.0, name="s")
    single, counts = Tensor(np.ones(3, np.float32)), Tensor([1, 2], requires_grad=False)
    total = Tensor(0.0, requires_grad=False)

    def step(x):
        nonlocal w, s, single, counts, total
        w.grad = s.grad = single.grad = None
        loss = np.sum((w * x * s + single) ** 2)
        loss.backward()
        w.value -= 0.01 * w.grad
        s.value -= 0.001
        with no_grad():
            w -= 0.01 * w.grad
            s -= 0.01 * s.grad
            single *= 0.9
            single[0] = single[1] * 2
            w[1:] = x[1:] * 0.1
            w[w > 0.25] = 0.3
            counts += 1
            total += loss
            double = w * 2
            double -= 1.0
            total += np.sum(double)
        return loss

    step = compile_step(step)
    losses = [float(step(np.array([1.0, 2.0, k]))) for k in range(5)]
    return losses, [t.value for t in (w, s, single, counts, total)]


@pytest.mark.parametrize("executor", ["numpy", "llvm"])
def test_updates_are_recorded(executor):
    if executor == "llvm":
        pytest.importorskip("llvmlite")
    losses, values = loop(lambda step: step)
    compiled_losses, compiled = loop(lambda step: clearprop.compile(step, executor=executor))

    np.testing.assert_allclose(compiled_losses, losses, rtol=1e-12)
    for a, b in zip(compiled, values, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_value_that_was_kept_survives_compiled_steps():
    w = Tensor([1.0, 2.0])

    @clearprop.compile
    def step():
        w.grad = None
        loss = np.sum(w**2)
        loss.backward()
        w.value -= 0.1 * w.grad
        return loss

    step()
    kept, before = w.value, w.value.copy()
    for _ in range(3):
        step()

    np.testing.assert_array_equal(kept, before)


REPLACED = {
    "w - step": lambda w, step: w - step,
    "step + w": lambda w, step: -step + w,
    "np.add(step, w)": lambda w, step: np.add(-step, w),
    "np.subtract(w, step)": lambda w, step: np.subtract(w, step),
    "list + w": lambda w, step: [0.1, 0.2] + w,  # noqa: RUF005
    "number * w": lambda w, step: 0.9 * w,
    "Tensor + w": lambda w, step: Tensor(-step) + w,
    "w + Tensor": lambda w, step: w + Tensor(-step),
    "np.where": lambda w, step: np.where(step > 0, 1.0, w),
    "np.clip": lambda w, step: np.clip(w, -1.0, 1.0),
    "-w": lambda w, step: -w,
    "np.sqrt(w)": lambda w, step: np.sqrt(w),
}


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("update", REPLACED.values(), ids=REPLACED)
def test_the_line_that_replaced_a_leaf_is_named(update, watched):
    w = Tensor([1.0, 2.0])
    np.sum(w**2).backward()
    with clearprop.watch() if watched else nullcontext(), no_grad():
        w = update(w, 0.1 * w.grad)
    assert w.grad is None
    named = rf"test_updates.py:{update.__code__.co_firstlineno}, under no_grad(.|\n)*Try `w -= step`"
    with pytest.raises(clearprop.GradientError, match=named):
        np.sum(w**2).backward()


@pytest.mark.parametrize("watched", [False, True])
def test_a_forward_pass_under_no_grad_replaces_no_leaf(watched):
    w, b = Tensor([[1.0], [2.0]]), Tensor([0.5])
    np.sum((np.ones((3, 2)) @ w + b) ** 2).backward()
    with clearprop.watch() if watched else nullcontext(), no_grad():
        _ = np.ones((3, 2)) @ w + b, b + np.ones((3, 1)), np.maximum(b, np.ones(4))
    with pytest.raises(clearprop.GradientError) as error:
        Tensor([1.0], requires_grad=False).backward()
    assert "no_grad()," not in str(error.value)


def test_no_line_is_named_where_no_leaf_was_replaced():
    w = Tensor([1.0, 2.0])
    np.sum(w**2).backward()
    with no_grad():
        w = w - 0.1 * w.grad
    np.sum(Tensor([1.0]) ** 2).backward()
    with pytest.raises(clearprop.GradientError) as error:
        Tensor([1.0], requires_grad=False).backward()
    assert "no_grad()," not in str(error.value)


@pytest.mark.parametrize("names", [0, 300])
def test_a_value_is_changed_in_place_however_often_its_line_runs(names):
    lines = [f"n{i}.x = 0" for i in range(names)]  # attributes of many names stand before `value`
    text = "\n".join(
        ["def step(w, g):", *(f"    {x}" for x in lines), "    w.value -= 0.5 * g", "    w.value *= 2"]
    )
    space = {f"n{i}": SimpleNamespace() for i in range(names)}
    exec(text, space)
    w = Tensor([1.0, 2.0])
    for k in range(50):
        w.value = [1.0, 2.0]
        space["step"](w, np.array([2.0, k]))

        assert np.array_equal(w.value, [0.0, 4 - k])
    with pytest.raises(ValueError, match="read-only"):
        w.value[0] = 1.0


def through_an_axis(w):
    w.T[...] -= 1


def under_a_name(w):
    v = w[:]
    v -= 1


def an_entry_of_a_row(w):
    w[0][1] = 7


def of_each_row(w):
    for row in w:
        row *= 2


BY_VIEWS = {
    through_an_axis: [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    under_a_name: [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    an_entry_of_a_row: [[1.0, 7.0, 1.0], [1.0, 1.0, 1.0]],
    of_each_row: [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]],
}


@pytest.mark.parametrize("change", BY_VIEWS)
def test_what_is_changed_through_a_view_is_changed_in_what_it_shows(change):
    w = Tensor(np.ones((2, 3)))
    loss = (w * w).sum()
    with no_grad():
        change(w)
    loss.backward()

    assert np.array_equal(w.value, BY_VIEWS[change])
    assert np.array_equal(w.grad, np.full((2, 3), 2.0))  # of the numbers that the graph remembers


@pytest.mark.parametrize("change", BY_VIEWS)
def test_a_compiled_step_refuses_what_a_view_of_a_leaf_shows(change):
    w = Tensor(np.ones((2, 3)))

    def step():
        with no_grad():
            change(w)
        return w.sum()

    with pytest.raises(TypeError, match="another Tensor shows"):
        clearprop.compile(step)()
    assert np.array_equal(w.value, np.ones((2, 3)))


def test_a_view_that_nobody_else_sees_is_changed_and_what_is_stored_again_too():
    w = Tensor(np.ones((2, 3)))
    with no_grad():
        v = (w + 1).reshape(-1)
        v *= 2
        w[0] -= 3
        w[1, :] = 5

    assert np.array_equal(v.value, np.full(6, 4.0))
    assert np.array_equal(w.value, [[-2.0] * 3, [5.0] * 3])


def before_it_changes():
    table = Tensor(np.zeros((3, 2)), requires_grad=False)
    for i in range(1, 3):
        last = table[i - 1]
        table[i] = 2 * last + 1
    return table


def whose_rows_were_looked_at():
    x = Tensor([[0.0, 2.0], [4.0, 2.0], [2.0, 2.0]], requires_grad=False)
    for row in x:
        row.sum()
    flat = x.reshape(-1)
    x -= flat.mean()
    return x + 2


def of_what_is_gone():
    rows = list(2 * Tensor([[0.0, 1.0], [1.0, 1.0], [3.0, 1.0]], requires_grad=False))
    for row in rows:
        row += 1
    return np.stack(rows)


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        (before_it_changes, [[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]),
        (whose_rows_were_looked_at, [[0.0, 2.0], [4.0, 2.0], [2.0, 2.0]]),
        (of_what_is_gone, [[1.0, 3.0], [3.0, 3.0], [7.0, 3.0]]),
    ],
)
def test_an_owner_is_changed_though_it_was_looked_at_and_so_are_pieces_without_one(changed, wanted):
    """A Tensor is no view of memory of its own, which made each of these a change of a view."""
    assert np.array_equal(changed().value, wanted)
