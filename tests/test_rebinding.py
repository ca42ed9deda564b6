"""`y += x` and `y[i] = v` on what was computed: NumPy's numbers and right gradients, or a refusal."""

import weakref
from collections import ChainMap, UserDict, deque
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, grad, hessian, vmap

X = np.array([1.0, 2.0, 3.0])
pytestmark = pytest.mark.usefixtures("small_heap")


def total(x):
    found = 0.0
    for i in range(3):
        found += x[i] ** 2
    return found


def into_an_array(x):
    found = np.zeros(3)
    for k in range(3):
        found += x**k
    found /= 2
    return (found**2).sum()


def of_a_short_float(x):
    found = np.ones(3, np.float32)
    found += x
    return (found**2).sum() * (found.dtype == np.float32)


def beside_views_of_the_graph(x):
    y = x * 2
    apart = (y[:, None] * y[None, :]).sum()
    y += np.sin(y) * apart
    y *= y
    y -= 1
    return (y**2).sum()


def attributes(x):
    class State:
        pass

    state, named = State(), {"u": x * 2}
    state.u = x * 2
    state.u += x
    named["u"] *= x
    return (state.u * named["u"]).sum()


def of_a_shape(x):
    y = (x * 2).reshape(3, 1)
    y += 1
    return (y**2).sum()


def one_after_another(x):
    y = x.copy()
    for i in range(1, 3):
        y[i] = np.sin(y[i - 1]) + y[i]
    return (y * y).sum()


def entries_of_another_name(x):
    y = x * 2
    z = y
    y[0] = x[1]
    return (z * z).sum()


def in_a_function(x):
    def clear(u):
        u[0] = 0

    y = x * 2
    clear(y)
    return (y**2).sum()


def users_keep_the_old_one(x):
    y = x * 2
    a = y * y
    y[1:] = a[:-1]
    b = y * a
    y[0] = b.sum()
    return (y * b).sum()


def entries_of_matrices(x):
    y = np.stack([x, x * 2])
    y[0, [0, 2]] = y[1, [2, 0]]
    y[1] += x
    y[:, 1] *= 2
    return (y**3).sum()


def heat(x):
    u = x.copy()
    for _ in range(3):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return (u**2).sum()


def entries_of_itself(x):
    y = x**2
    y[::-1] = y
    y[:] = y
    return (y * X).sum()


RIGHT = (
    entries_of_itself,
    total,
    into_an_array,
    of_a_short_float,
    beside_views_of_the_graph,
    attributes,
    of_a_shape,
    one_after_another,
    entries_of_another_name,
    in_a_function,
    users_keep_the_old_one,
    entries_of_matrices,
    heat,
)


def slopes(f, x):
    nudges = 1e-6 * np.eye(len(x))
    return np.array([(f(x + e) - f(x - e)) / 2e-6 for e in nudges])


@pytest.mark.parametrize("f", RIGHT, ids=lambda f: f.__name__)
def test_a_change_of_what_was_computed_is_numpys(f):
    rough = 0.01 if f is of_a_short_float else 1e-6
    x = X if f is not of_a_short_float else np.array([1.0, 2.0, 3.0])
    want = np.array([4.0, 6.0, 8.0]) if f is of_a_short_float else slopes(f, x)

    np.testing.assert_allclose(grad(f)(x), want, rtol=rough)
    np.testing.assert_allclose(vmap(grad(f))(np.stack([x, x]))[1], want, rtol=rough)
    if f is not of_a_short_float:
        np.testing.assert_allclose(hessian(f)(x), [*map(np.array, rows(f, x))], rtol=1e-5, atol=1e-5)
    step = clearprop.compile(grad(f))
    for _ in range(3):
        np.testing.assert_allclose(step(x), want, rtol=rough)


def rows(f, x):
    return [(grad(f)(x + e) - grad(f)(x - e)) / 2e-6 for e in 1e-6 * np.eye(3)]


def other_name(x):
    y = x * 2
    z = y
    y += 1
    return z.sum()


def a_view_before(x):
    y = x * 2
    v = y[:2]
    y += 1
    return v.sum()


def through_a_view(x):
    y = x * 2
    v = y[:2]
    v += 1
    return y.sum()


def for_the_caller(x):
    def update(u):
        u += 1

    y = x * 2
    update(y)
    return y.sum()


def in_a_list(x):
    rows = [x * 1, x * 2]
    for row in rows:
        row += 1
    return rows[0].sum()


def an_array_with_two_names(x):
    y = np.ones(3)
    z = y
    y += x
    return z.sum()


def a_view_of_an_array(x):
    y = np.ones(3)
    v = y[:2]
    y += x
    return v.sum()


def detached(x):
    y = x * 2
    d = y.detach()
    y += 1
    return d.sum()


def without_a_graph(x):
    y = x * 2
    with clearprop.no_grad():
        v = y[:2]
    y += 1
    return v.sum() + y.sum()


def an_argument(x):
    x *= 2
    return x.sum()


def an_entry_of_an_argument(x):
    x[0] = 2.0
    return x.sum()


def entries_beside_a_view(x):
    y = x * 2
    v = y[:2]
    y[0] = x[1]
    return v.sum()


def entries_through_a_view(x):
    y = x * 2
    v = y[:2]
    v[0] = x[1]
    return y.sum()


def a_view_of_what_it_shows(x):
    y = (x * 2).reshape(3, 1)
    with clearprop.no_grad():
        v = y[1:]
    y += 1
    return v.sum() + y.sum()


def what_it_shows_is_detached(x):
    b = x * 2
    d = b.detach()
    y = b.reshape(3, 1)
    del b
    y += 1
    return d.sum() * y.sum()


def entries_of_what_it_shows_detached(x):
    b = x * 2
    d = b.detach()
    y = b.reshape(3, 1)
    del b
    y[0] = 1.0
    return d.sum() * y.sum()


def a_weak_reference(x):
    y = x * 2
    seen = weakref.ref(y)
    y += 1
    return seen().sum()


def a_weak_reference_to_an_array(x):
    y = np.ones(3)
    seen = weakref.ref(y)
    y += x
    return seen().sum()


def the_body_of_a_class(x):
    space = {"y": x * 2}
    exec("class A:\n    y += 1", space)
    return (space["y"] * space["A"].y).sum()


def a_real_part(x):
    y = x * 2
    v = np.real(y)
    y += 1
    return v.sum()


def of_a_class(x):
    class State:
        u = x * 2

    state = State()
    state.u += x
    return (State.u * state.u).sum()


REFUSED = (
    a_view_of_what_it_shows,
    what_it_shows_is_detached,
    entries_of_what_it_shows_detached,
    a_weak_reference_to_an_array,
    through_a_view,
    an_array_with_two_names,
    a_view_of_an_array,
    detached,
    without_a_graph,
    an_argument,
    an_entry_of_an_argument,
    entries_through_a_view,
)


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__)
def test_what_somebody_else_would_see_is_refused(f):
    for run in (grad(f), clearprop.compile(grad(f))):
        with pytest.raises(TypeError, match="the graph remembers"):
            run(X)
    with pytest.raises(TypeError, match="the graph remembers"):
        vmap(grad(f))(np.stack([X, X]))


def entries_from_beside_them(x):
    y = x * 2
    y[1:] = y[:-1]
    y[:] = y[::-1] * 2
    y[...] = y[::-1]
    return y[0] + (y * x).sum()


SEEN = (of_a_class, the_body_of_a_class, other_name, for_the_caller, in_a_list)


def views_of_views(x):
    y = np.outer(x, x + 1)
    rows, turned = y[1:], y.T
    corner, used = rows[0, :2], (rows * x).sum()
    y += x
    corner = corner * 2 + turned[0, :2]
    y[1] = corner.sum()
    return used + (rows * x).sum() ** 2 + corner[0] * turned[2, 2]


def a_table(x):
    table = np.outer(x, np.ones(2))
    for i in range(1, 3):
        last = table[i - 1]
        table[i] = table[i] * last + last**2
    return (table**2).sum() + (last * x[:2]).sum()


def copies_beside_views(x):
    y = np.outer(x, x)
    flat, column, tiled, (mesh,) = y.flatten(), y[:, 0].ravel(), np.tile(y, 1), np.meshgrid(y[0])
    inner, row = flat[2:4], y.ravel()[:3]
    y *= 2
    return (flat * row[0]).sum() + (column * mesh).sum() + (tiled**2).sum() + (inner * y[0, :2]).sum()


def rows_that_change_places(x):
    y = np.outer(x, x)
    y[0], y[2] = y[2], y[0]  # of arrays, both are the third then
    return (y[0] * x).sum() + (y[2] ** 2).sum()


def nothing_of_it(x):
    y = np.outer(x, x)
    y[1:, 0] -= (y[1:, :0] * x[:0]).sum()
    y[3:] *= 2
    return (y**2).sum()


VIEWS = (
    a_real_part,
    a_view_before,
    entries_beside_a_view,
    entries_from_beside_them,
    views_of_views,
    a_table,
    copies_beside_views,
    rows_that_change_places,
    nothing_of_it,
)


@pytest.mark.parametrize("f", VIEWS, ids=lambda f: f.__name__)
def test_a_view_shows_what_its_owner_has_become(f):
    want = slopes(f, X)
    np.testing.assert_allclose(grad(f)(X), want, rtol=1e-5)
    np.testing.assert_allclose(grad(clearprop.checkpoint(f))(X), want, rtol=1e-5)
    np.testing.assert_allclose(f(Tensor(X)).value, f(X))
    np.testing.assert_allclose(
        hessian(f)(X), [*map(np.array, rows(f, X))], rtol=1e-4, atol=1e-4 * np.max(abs(want))
    )


@pytest.mark.parametrize("f", SEEN, ids=lambda f: f.__name__)
def test_all_names_of_a_result_see_what_it_has_become(f):
    want = slopes(f, X)
    np.testing.assert_allclose(grad(f)(X), want, rtol=1e-6)
    np.testing.assert_allclose(grad(clearprop.checkpoint(f))(X), want, rtol=1e-6)
    np.testing.assert_allclose(vmap(grad(f))(np.stack([X, X]))[1], want, rtol=1e-6)


def test_a_weak_reference_sees_what_a_result_has_become():
    np.testing.assert_allclose(grad(a_weak_reference)(X), slopes(a_weak_reference, X), rtol=1e-6)
    with pytest.raises(TypeError, match="the graph remembers"):
        vmap(grad(a_weak_reference))(np.stack([X, X]))


def of_a_local(h):
    h = h * 1.0
    h[0] = 2.0
    h[h > 2.5] *= 2
    h += h[0]
    return (h**2).sum()


def test_what_a_checkpoint_runs_again_changes_its_own_results():
    np.testing.assert_allclose(grad(clearprop.checkpoint(of_a_local))(X), slopes(of_a_local, X), rtol=1e-6)


def test_examples_of_a_tensor_without_a_graph_are_changed():
    def f(x):
        h = x * 2
        h += 1
        h[0] = 5.0
        h[1:] -= x[0]
        return h

    def its_own_argument(x):
        x += 1
        return x

    both = np.stack([X, 2 * X])
    want = [f(X), f(2 * X)]
    given = Tensor(both, requires_grad=False)
    np.testing.assert_array_equal(vmap(f)(given).value, want)
    with clearprop.no_grad():
        np.testing.assert_array_equal(vmap(f)(Tensor(both)).value, want)
    with pytest.raises(TypeError, match="another name, a view or an owner"):
        vmap(its_own_argument)(given)
    assert np.array_equal(given.value, both)


def test_a_view_of_what_vmap_computes_is_refused_without_a_graph():
    def through_rows(x):
        y = np.stack([x, x * 2])
        for row in y:
            row += 1
        return y.sum()

    def of_a_shape_alone(x):
        y = (x * 2).reshape(3, 1)
        y += 1
        return y.sum()

    with pytest.raises(TypeError, match="another name, a view or an owner"):
        vmap(through_rows)(np.stack([X, X]))
    np.testing.assert_array_equal(vmap(of_a_shape_alone)(np.stack([X, X])), [15.0, 15.0])


def test_an_update_of_what_was_computed_keeps_shape_and_dtype():
    def wider(x):
        y = x * 2
        y += np.ones((2, 3))
        return y.sum()

    def complex_numbers(x):
        y = x * 2
        y += 1j
        return y.sum()

    def too_many(x):
        y = x * 2
        y[:2] = np.ones(3)
        return y.sum()

    with pytest.raises(ValueError, match="never enlarges"):
        grad(wider)(X)
    with pytest.raises(TypeError, match="float64 can hold"):
        grad(complex_numbers)(X)
    with pytest.raises(ValueError, match=r"t\[i\] = v"):
        grad(too_many)(X)


def test_a_number_that_is_an_argument_can_be_updated():
    def newton(a):
        x = a
        for _ in range(6):
            x -= (x * x - a) / (2 * x)
        return x

    assert abs(grad(newton)(2.0) - 0.5 / np.sqrt(2.0)) < 1e-12


def test_a_gradient_reaches_the_nodes_of_before_and_after():
    x = Tensor(X)
    y = x * 2
    z = y * y
    y[0] = 5.0
    (z.sum() + y.sum()).backward()

    np.testing.assert_array_equal(x.grad, 8 * X + [0.0, 2.0, 2.0])
    np.testing.assert_array_equal(y.grad, np.ones(3))


class Elsewhere:
    """An attribute that is set in another place than where it is read."""

    def __init__(self, a):
        self.shown, self.a = a, None

    a = property(lambda self: self.shown, lambda self, new: setattr(self, "kept", new))


class Forwards:
    def __init__(self, to):
        self.to = to

    def __getattr__(self, name):
        return getattr(self.to, name)


class Ignores(dict):
    def __setitem__(self, key, value):
        pass


def an_attribute_that_is_stored_elsewhere(x):
    owner = Elsewhere(x * 2)
    owner.a += 1
    return owner.a.sum()


def an_attribute_that_is_handed_on_one_way(x):
    owner = SimpleNamespace(a=x * 2)
    view = Forwards(owner)
    view.a += 1
    return owner.a.sum() * view.a.sum()


def a_map_in_front_of_another(x):
    base = {"a": x * 2}
    both = ChainMap({}, base)
    both["a"] += 1
    return base["a"].sum() * both["a"].sum()


def a_dict_that_ignores(x):
    owner = Ignores(a=x * 2)
    owner["a"] += 1
    return owner["a"].sum()


def a_tuple(x):
    owner = (x * 2,)
    with suppress(TypeError):  # NumPy has changed the array, and Python then objects to the tuple
        owner[0] += 1
    return owner[0].sum()


def an_array_that_is_stored_elsewhere(x):
    owner = Elsewhere(np.zeros(3))
    owner.a += x
    return (owner.a * x).sum()


STORED_ELSEWHERE = (
    an_attribute_that_is_stored_elsewhere,
    an_attribute_that_is_handed_on_one_way,
    a_map_in_front_of_another,
    a_dict_that_ignores,
    a_tuple,
    an_array_that_is_stored_elsewhere,
)


@pytest.mark.parametrize("f", STORED_ELSEWHERE, ids=lambda f: f.__name__)
def test_a_result_that_the_owner_does_not_take_in_its_place_is_refused(f):
    both = np.stack([X, X])
    for run, x in ((grad(f), X), (vmap(f), both), (vmap(grad(f)), both), (clearprop.compile(grad(f)), X)):
        with pytest.raises(
            TypeError, match=r"owner.a \+= y: stores the result where(.|\n)*test_rebinding.py:"
        ):
            run(x)
    with pytest.raises(TypeError, match="an owner that still has the old one"):
        f(Tensor(X)).backward()
    grad(lambda x: (x * x).sum())(X)  # it is told once


def owners_that_take_it(x):
    class Checked:
        __slots__ = ("_a",)
        a = property(lambda self: self._a, lambda self, new: setattr(self, "_a", new * 1.0))

    checked, entries, one = Checked(), UserDict(a=x * 2), SimpleNamespace(a=np.zeros(3))
    checked.a = x * 2
    checked.a += x
    entries["a"] *= x
    one.a += x
    first, second = [x * 2], deque([x * 3])
    first[0] -= x
    second[0] *= 2
    return (checked.a * entries["a"] * one.a * first[0] * second[0]).sum()


def test_owners_of_any_kind_that_take_the_result_in_its_place():
    want = 216 * X**5  # of 3 x * 2 x^2 * x * x * 6 x
    np.testing.assert_allclose(grad(owners_that_take_it)(X), want)
    np.testing.assert_allclose(vmap(grad(owners_that_take_it))(np.stack([X, X]))[1], want)


def a_diagonal(x):
    y = np.outer(x, x)
    d = np.diagonal(y)
    y[0, 0] = 5.0
    return d.sum()


def a_diag(x):
    y = np.outer(x, x)
    d = np.diag(y, 1)
    y += 1
    return d.sum()


@pytest.mark.parametrize("f", [a_diagonal, a_diag])
def test_a_diagonal_is_a_view_as_in_numpy(f):
    want = slopes(f, X)
    np.testing.assert_allclose(grad(f)(X), want, rtol=1e-6)
    np.testing.assert_allclose(clearprop.compile(grad(f))(X), want, rtol=1e-6)
    with pytest.raises(TypeError, match="graph remembers"):
        vmap(grad(f))(np.stack([X, X]))


def an_entry_as_an_array(x):
    y = x * 2
    y[0, ...] += x[1]
    return (y**2).sum()


def a_name_for_such_an_entry(x):
    y = x * 2
    z = y[0, ...]
    z += 1
    return (y**2).sum()


def test_an_array_without_axes_shows_the_one_it_is_an_entry_of():
    both = np.stack([X, X])
    want = slopes(an_entry_as_an_array, X)
    np.testing.assert_allclose(grad(an_entry_as_an_array)(X), want, rtol=1e-6)
    np.testing.assert_allclose(vmap(grad(an_entry_as_an_array))(both)[1], want, rtol=1e-6)
    np.testing.assert_allclose(vmap(an_entry_as_an_array)(both)[1], an_entry_as_an_array(X))
    for run in (vmap(a_name_for_such_an_entry), vmap(grad(a_name_for_such_an_entry))):
        with pytest.raises(TypeError, match=r"vmap|graph remembers"):
            run(both)
    with pytest.raises(TypeError, match="graph remembers"):
        grad(a_name_for_such_an_entry)(X)


@pytest.mark.parametrize("name", ["shape", "dtype", "real", "imag", "T"])
def test_what_an_array_lets_be_set_is_refused_with_what_to_write(name):
    for t in (Tensor(X), Tensor(X) * 2):
        with pytest.raises(AttributeError, match=rf"t.{name} = new(.|\n)*Try t"):
            setattr(t, name, 1.0)


def test_astype_takes_what_numpys_takes():
    y = Tensor(X) * 2

    assert y.astype(float, copy=False) is y
    assert y.astype(np.float32, copy=False).dtype == np.float32
    assert y.astype(float) is not y
    with pytest.raises(TypeError, match="casting='safe' does not allow it"):
        y.astype(np.float32, casting="safe")


def of_a_sum_without_axes(x):
    total = np.zeros(())
    shown = []
    for i in range(3):
        total += x[i]
        shown.append(total)
    return shown[0]


def test_an_array_without_axes_stays_one_so_that_its_other_names_are_seen():
    assert of_a_sum_without_axes(X) == 6.0  # NumPy: one array, three times
    both = np.stack([X, X])
    for run in (
        lambda: grad(of_a_sum_without_axes)(X),
        lambda: vmap(of_a_sum_without_axes)(both),
        lambda: vmap(grad(of_a_sum_without_axes))(both),
        lambda: clearprop.compile(grad(of_a_sum_without_axes))(X),
    ):
        with pytest.raises(TypeError, match="another name, a view or an owner") as error:
            run()
        assert "Try t = t + y" in str(error.value)


def test_the_same_without_another_name_is_done():
    def f(x):
        total, square = np.zeros(()), np.zeros_like(x[0])
        for i in range(3):
            total += x[i]
            square += total * x[i]
        return square

    slopes = (2 * X[0] + X[1] + X[2], X[0] + 2 * X[1] + X[2], X[0] + X[1] + 2 * X[2])
    np.testing.assert_allclose(grad(f)(X), slopes)
    np.testing.assert_allclose(vmap(grad(f))(np.stack([X, X]))[1], slopes)
    np.testing.assert_allclose(clearprop.compile(grad(f))(X), slopes)
    np.testing.assert_allclose(vmap(f)(np.stack([X, X]))[1], f(X))


def test_examples_that_another_name_holds_are_changed_for_both():
    def f(x):
        y = x * 2.0
        shown = y
        y += 1.0
        return shown.sum()

    both = np.stack([X, X + 1])
    np.testing.assert_array_equal(vmap(f)(both), [f(X), f(X + 1)])


def test_entries_of_examples_are_written_in_a_compiled_step():
    def f(x):
        y = np.concatenate([x, x[:1]])
        y[1:-1] = y[1:-1] + 0.5 * (y[2:] - y[:-2])
        y[0] *= 3.0
        return (y * y).sum()

    both = np.stack([X, 2 * X])
    compiled = clearprop.compile(vmap(f))
    np.testing.assert_allclose(compiled(both), [f(X), f(2 * X)])
    np.testing.assert_allclose(compiled(both + 1), [f(X + 1), f(2 * X + 1)])


def test_a_view_of_examples_that_has_a_name_is_seen_in_a_compiled_step():
    def f(x):
        y = x * 2.0
        v = y[:2]
        y[0] = 5.0
        return v.sum()

    with pytest.raises(TypeError, match="another name, a view or an owner"):
        clearprop.compile(vmap(f))(np.stack([X, X]))


@pytest.mark.parametrize("run", [lambda f: f, clearprop.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("rows", [3, 2])
def test_a_value_of_more_axes_than_its_place_is_refused(run, rows):
    """It was the first of its rows that was stored."""

    def f(x):
        y = x * 1.0
        y[0] = x[:rows]
        return y.sum()

    with pytest.raises(ValueError, match="could not broadcast"):
        run(f)(Tensor(np.ones((3, 3))))


def test_axes_of_length_1_before_a_place_are_left_out():
    def f(x):
        y = x * 1.0
        y[0] = 2 * x[None, 1:2]
        return y.sum()

    assert grad(f)(np.ones((2, 3))).tolist() == [[0] * 3, [3] * 3]
