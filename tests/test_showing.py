"""Tensors that show one memory, without a graph: a change of one is seen by all, as with NumPy's arrays."""

import array
import copy
import mmap
import pickle
import threading

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, no_grad


def an_owner(y):
    first, part = y[0], y[:2]
    y += 1
    y[1] = 7
    return y, first, part


def a_view_of_a_view(y):
    turned = y.T
    column = turned[1]
    column *= 2
    turned[0, 0] = 9
    return y, turned, column


def each_row(y):
    for row in y:
        row -= row.mean()
    return (y,)


def rows_that_change_places(y):
    y[0], y[1] = y[1], y[0]  # of arrays, both are the second then
    y[[1, 2]] = y[[2, 1]]
    return (y,)


def what_a_list_holds(y):
    rows = [y[0], y[1]]
    rows[0] += 3
    rows[1][2] = 9
    return y, *rows


def what_is_never_written_through(y):
    diagonal, wide, near = (
        np.diagonal(y),
        np.broadcast_to(y[0], (2, 4)),
        np.lib.stride_tricks.sliding_window_view(y[1], 2),
    )
    y *= 2
    y[1, 1] = 50
    return y, diagonal, wide, near


def copies(y):
    flat, tiled, (mesh,), stacked = y.flatten(), np.tile(y, 1), np.meshgrid(y[0]), np.stack([y])
    row = y.ravel()
    y += 1
    row[3] = 7
    return y, flat, tiled, mesh, stacked, row


def views_whose_owner_is_gone(y):
    y = y + 1
    back = y.reshape(-1)[::-1]
    y = y * 2
    back[2:5] += 1
    y -= 1
    return y, back


def an_entry_without_axes(y):
    entry, number = y[0, 1, ...], y[0, 1]
    entry += 5
    return y, entry, number


def numbers_of_one_entry(y):
    one = y[:1, :1] + 0
    views = np.squeeze(one), one.squeeze(), np.squeeze(one, axis=0), np.squeeze(y)
    one += 0.5
    one[0] += 2
    y -= 1
    return one, *views


def copies_by_name(y):
    kept = np.reshape(y, (4, 3), copy=True), np.fmax.reduce(y[:1], axis=0), np.logaddexp.reduce(y[:1])
    shown = np.linalg.matrix_power(y[:, :3], 1), np.astype(y, y.dtype, copy=False)
    y += 1
    return y, *kept, *shown


def what_overlaps(y):
    y[1:] += y[:-1]
    back = y[:, ::-1]
    y[:] = back
    return y, back


def a_table(y):
    for i in range(1, 3):
        last = y[i - 1]
        y[i] = 2 * last + 1
    return y, last


def rows_of_columns(y):
    column, turned, part = y[:, 0].ravel(), y.T.ravel(), np.ravel(y[1])
    y += 1
    part[0] = 9
    return y, column, turned, part


def numbers(y):
    number = y[0, 1]
    other = number
    number += 5
    total = y.sum()
    kept = total
    total *= 2
    return y, number, other, total, kept


def memory_in_another_order(y):
    y = np.transpose(y.copy() + 0.0)
    y = y * 1.0  # as columns
    part = y[1:]
    y -= 3
    return y, part


CHANGES = [
    an_owner,
    a_view_of_a_view,
    each_row,
    rows_that_change_places,
    what_a_list_holds,
    what_is_never_written_through,
    copies,
    views_whose_owner_is_gone,
    an_entry_without_axes,
    numbers_of_one_entry,
    copies_by_name,
    what_overlaps,
    a_table,
    memory_in_another_order,
    rows_of_columns,
    numbers,
]
A = np.arange(12.0).reshape(3, 4)


def held(results):
    return [np.asarray(x.value if isinstance(x, Tensor) else x) for x in results]


@pytest.mark.parametrize("f", CHANGES)
@pytest.mark.parametrize("remembered", [False, True])
def test_a_change_is_seen_by_all_that_show_it(f, remembered):
    """As a graph remembers the numbers that it has used, all the others share a copy."""
    wanted = [np.array(x) for x in f(A.copy())]
    y, w = Tensor(A, requires_grad=False), Tensor(2.0)
    loss = np.sum(w * y * y[::-1]) if remembered else w
    for found, want in zip(held(f(y)), wanted, strict=True):
        assert np.array_equal(found, want)
    loss.backward()

    assert w.grad == (np.sum(A * A[::-1]) if remembered else 1.0)
    with no_grad():
        for found, want in zip(held(f(Tensor(A))), wanted, strict=True):
            assert np.array_equal(found, want)


def numbers_views(y):
    single = np.reshape(y, (1, 1)), np.atleast_1d(y), np.broadcast_to(y, ())
    return y[None], y[...], y.T, y.real, np.squeeze(y), *single


@pytest.mark.parametrize("learns", [False, True])
def test_a_number_made_by_hand_is_an_array_without_axes_that_views_show(learns):
    a, y = np.array(1.0), Tensor(1.0, requires_grad=learns)
    with no_grad():
        taken, number, found = numbers_views(a), (a[()], y[()]), numbers_views(y)
        for x in (a, y):
            x += 1.0
        for x in (taken[0], found[0]):
            x[0] *= 3.0
        assert (a, number[0]) == (6.0, 1.0)
        assert [float(x) for x in (y, number[1])] == [6.0, 1.0]
        for ours, want in zip(held(found), taken, strict=True):
            assert np.array_equal(ours, want)
            assert ours.shape == want.shape
    if learns:
        (y * y).backward()
        assert y.grad == 12.0


def test_what_was_read_of_it_keeps_its_numbers():
    y = Tensor(A, requires_grad=False)
    view, twin, apart = y[0], copy.copy(y), y.detach()
    array, again = y.value, pickle.loads(pickle.dumps(y))
    y += 1
    for kept in (array, twin.value, apart.value, again.value):
        assert np.array_equal(kept, A)
    assert np.array_equal(view.value, A[0] + 1)


def test_what_nobody_else_has_is_changed_where_it_lies():
    y = Tensor(A, requires_grad=False)
    row = y[1]
    place = y.value.__array_interface__["data"][0]
    row += 1
    y[0] = 2 * row
    assert y.value.__array_interface__["data"][0] == place
    assert np.array_equal(y.value[:2], [2 * (A[1] + 1), A[1] + 1])


def test_a_graph_that_remembers_a_view_between_keeps_its_numbers():
    y, w = Tensor(A, requires_grad=False), Tensor(np.ones(4))
    row = y[0]
    loss = np.sum(w * row)
    near = np.lib.stride_tricks.sliding_window_view(row, 2)
    del row
    y += 1
    loss.backward()

    assert np.array_equal(w.grad, A[0])
    assert np.array_equal(near.value[0], A[0, :2] + 1)


@pytest.mark.parametrize(
    ("change", "error", "wanted"),
    [
        (lambda y: np.broadcast_to(y, (2, 3, 4)).__setitem__(0, 1), ValueError, "one entry for several"),
    ],
)
def test_what_numpy_writes_nothing_through_is_refused(change, error, wanted):
    y = Tensor(A, requires_grad=False)
    with pytest.raises(error, match=rf"{wanted}(.|\n)*Try t = t.copy"):
        change(y)
    assert np.array_equal(y.value, A)


def test_a_view_of_what_a_graph_remembers_is_not_changed():
    w = Tensor(A)
    h = w * 2
    with no_grad():
        part, row = w[0], h[0]
        with pytest.raises(TypeError, match="graph remembers"):
            row += 1
        part += 1
    with pytest.raises(TypeError, match="graph remembers"):
        part += 1

    assert np.array_equal(w.value[:2], [A[0] + 1, A[1]])
    assert np.array_equal(h.value, 2 * A)


def test_many_views_are_forgotten_when_they_are_gone():
    y = Tensor(A, requires_grad=False)
    for _ in range(100):
        y[0]
    assert len(y.family) < 5
    assert clearprop.showing.showing(y) == [y]


@pytest.mark.parametrize(
    "memory",
    [bytes(32), bytearray(32), mmap.mmap(-1, 32), array.array("d", [0.0] * 4)],
    ids=lambda m: type(m).__name__,
)
def test_what_shows_memory_that_is_not_numpys_leaves_that_as_it_was(memory):
    y = clearprop.from_numpy(np.frombuffer(memory), requires_grad=False)
    first, turned = y[:2], y[::-1]
    y += 1
    turned[3] = 5

    assert first.value.tolist() == [5, 1]
    assert y.value.tolist() == [5, 1, 1, 1]
    assert np.frombuffer(memory).tolist() == [0, 0, 0, 0]


def test_a_view_of_memory_with_gaps_is_refused():
    y = clearprop.from_numpy(np.asarray(memoryview(np.zeros(6))[::2]), requires_grad=False)
    first = y[:2]

    with pytest.raises(TypeError, match="memory with gaps"):
        y += 1
    assert first.value.tolist() == [0, 0]


def a_row_that_is_stored(y):
    y[1:] = y[:-1]
    y[0] = y[2]


def a_row_that_is_taken_off(y):
    y -= y[0]
    y += y[:, ::-1]


@pytest.mark.parametrize("change", [a_row_that_is_stored, a_row_that_is_taken_off])
def test_a_recorded_step_changes_what_shows_a_view_of_its_own_line_alone(change):
    wanted = A.copy()
    change(wanted)

    def step(x):
        with no_grad():
            y = x * 1.0
            change(y)
        return y

    run = clearprop.compile(step)
    for _ in range(2):
        assert np.array_equal(run(Tensor(A)).value, wanted)


def test_a_recorded_step_does_not_change_what_another_name_shows():
    def step(x):
        with no_grad():
            y = x * 1.0
            row = y[0]
            y += row
        return y, row

    with pytest.raises(TypeError, match="another Tensor shows"):
        clearprop.compile(step)(Tensor(A))


def test_a_copy_of_a_view_is_none():
    y = Tensor(A, requires_grad=False)
    row = y[0]
    copied = copy.copy(row)
    copied += 1

    assert np.array_equal(copied.value, A[0] + 1)
    assert np.array_equal([y.value[0], row.value], [A[0], A[0]])


def test_threads_that_change_rows_of_one_array_lose_nothing():
    table = Tensor(np.zeros((8, 4)), requires_grad=False)
    rows = list(table)

    def count(row):
        for _ in range(200):
            row += 1

    threads = [threading.Thread(target=count, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert np.array_equal(table.value, np.full((8, 4), 200.0))


def test_a_shuffle_in_c_is_refused_as_it_swaps_views():
    table = Tensor(np.arange(10.0).reshape(5, 2), requires_grad=False)

    with (
        pytest.warns(UserWarning, match="not a subclass of"),
        pytest.raises(TypeError, match=r"(?s)views of t over each other.*rng.permutation\(t\)"),
    ):
        np.random.default_rng(0).shuffle(table)
    assert np.array_equal(table.value, np.arange(10.0).reshape(5, 2))
    table[0], table[1:3] = table[4].copy(), table[3:]
    assert np.array_equal(table.value[:, 0], [8, 6, 8, 6, 8])


def test_a_compiled_step_takes_a_number_that_views_show():
    """It is an array without axes; the step reads it as a number."""
    w, plain = Tensor(2.0), Tensor(2.0)
    with no_grad():
        view = w[None]
        entry = np.squeeze(Tensor([3.0], requires_grad=False))
    step = clearprop.compile(lambda x: np.sum(w * x) * entry)
    for _ in range(3):
        assert float(step(np.ones(2)).value) == 12.0
    for parameter in (w, plain):
        optimizer = clearprop.optim.SGD([parameter], lr=0.1)

        @clearprop.compile
        def train(x, parameter=parameter, optimizer=optimizer):
            loss = np.sum((parameter * x - 1.0) ** 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        for _ in range(3):
            train(np.ones(2))
    assert w.value == plain.value != 2.0
    assert view.value == 2.0  # as all views of what a compiled step changes


def test_a_number_that_is_broadcast_shows_what_becomes_of_it():
    with no_grad():
        y = Tensor(2.0)
        shown = np.broadcast_to(y, (3,))
        y += 1

        np.testing.assert_array_equal(shown.value, [3.0, 3.0, 3.0])
