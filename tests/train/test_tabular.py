"""The network for tables: what is made for which columns, its loss, its batches and its rate."""

import copy

import numpy as np
import pytest

import clearprop
from clearprop import nn, train
from clearprop.data.columns import Category, Number, encode, learn_columns
from clearprop.data.goals import Classes, Quantity
from clearprop.data.inspection import Reading, guessed
from clearprop.data.tables import Table
from clearprop.train.tabular import EachMember, Tabular


def towns(rows=400, kinds=40, seed=0):
    """Return a table of a number with gaps and heavy tails and of many towns, and what follows from them."""
    rng = np.random.default_rng(seed)
    number, town = rng.standard_t(2, rows), rng.integers(0, kinds, rows)
    height = np.random.default_rng(9).normal(size=kinds)
    cells = [f"{x:.4f}" if i % 11 else "" for i, x in enumerate(number)]
    table = Table("t.csv", {"number": cells, "town": [f"town {i}" for i in town]})
    return table, (height[town] + np.where(np.arange(rows) % 11, np.abs(number).clip(0, 3), 0)).astype(
        np.float32
    )


def learned(table):
    return learn_columns(table, Reading("", "", guessed(table)), robust=True)


def test_robust_columns_keep_what_is_missing_what_is_far_and_which_town():
    table, _ = towns()
    number, town = learned(table)
    x = encode(table, [number, town])

    assert (number.width, town.width, town.coded, town.kinds) == (3, 1, True, 40)
    assert np.abs(x[:, 0]).max() < 3 < np.abs(x[:, 1]).max()
    np.testing.assert_array_equal(x[:, 2], np.arange(400) % 11 == 0)
    assert set(x[:, 3]) == set(range(40))
    new = Table("n.csv", {"number": ["1"], "town": ["a town that is new"]})
    assert encode(new, [town])[0, 0] == town.kinds
    assert town.unseen(new) == ["a town that is new"]


def test_rare_ones_are_pooled_and_the_pool_is_not_what_is_never_seen():
    table = Table("t", {"x": [f"kind {i % 20}" for i in range(200)] + ["once", "twice", "twice"]})
    (column,) = learned(table)
    new = Table("n", {"x": ["once", "kind 3", "new"]})

    assert column.pooled == ("once", "twice")
    assert (column.unseen(new), column.rare(new), column.rare(table)) == (["new"], 1, 3)
    assert encode(new, [column])[:, 0].tolist() == [20, column.values.index("kind 3"), 20]


def test_few_kinds_are_spread_out():
    (column,) = learned(Table("t", {"x": list("abcd") * 10}))
    assert isinstance(column, Category)
    assert (column.coded, column.width) == (False, 4)


@pytest.mark.parametrize("target", [Classes("y", ("p", "q", "r")), Quantity("y", 0.0, 1.0)])
@pytest.mark.parametrize("hidden", [(), (8,), (16, 8)])
@pytest.mark.parametrize("members", [1, 3])
def test_the_network_fits_its_columns(target, hidden, members):
    table, _ = towns()
    columns = learned(table)
    x = encode(table, columns)
    network = Tabular(hidden=hidden, members=members).network(columns, target, x)
    outputs = 3 if isinstance(target, Classes) else 1

    assert network(x).shape == (members, 400, outputs)
    assert network.eval()(x).shape == (400, outputs)
    assert [type(layer).__name__ for layer in network].count("ReLU") == len(hidden)


def test_it_learns_what_a_straight_line_cannot():
    clearprop.manual_seed(0)
    table, y = towns(1200)
    columns = learned(table)
    x, settings = encode(table, columns), Tabular(members=4, hidden=(64, 64))
    network = settings.network(columns, Quantity("y", 0.0, 1.0), x)
    optimizer = settings.optimizer(network)
    train.fit(
        network, EachMember(nn.MSELoss()), settings.batches(x[:900], y[:900, None]), epochs=40,
        optimizer=optimizer, callbacks=[settings.schedule(optimizer, 40 * 4)], progress=False, compile=False,
    )  # fmt: skip
    straight = np.linalg.lstsq(x[:900], y[:900], rcond=None)[0]
    assert (
        train.r2(train.predict(network, x[900:]), y[900:, None]) > 0.8 > train.r2(x[900:] @ straight, y[900:])
    )


def test_the_rate_ends_where_the_batches_end():
    settings = Tabular(lr=0.01, batch_size=64)
    model = nn.Linear(2, 1)
    optimizer = settings.optimizer(model)
    rates = []
    batches = settings.batches(np.ones((250, 2), np.float32), np.ones((250, 1), np.float32))
    callbacks = [settings.schedule(optimizer, 5 * len(batches)), lambda run: rates.append(optimizer.lr)]
    train.fit(
        model,
        "mse",
        batches,
        epochs=5,
        optimizer=optimizer,
        callbacks=callbacks,
        progress=False,
        compile=False,
    )
    assert max(rates) > 0.007
    assert rates[-1] < 1e-3


@pytest.mark.parametrize("rows", [1, 2, 5, 16, 17, 63, 64, 100, 257, 1000, 1025, 99_999])
def test_batches_are_of_one_size_and_few_rows_are_left_over(rows):
    settings = Tabular()
    size = settings.batch(rows)
    x = np.zeros((rows, 1), np.float32)

    assert {len(a) for a, _ in settings.batches(x, x)} == {size}
    assert 1 <= size <= 256
    assert rows % size < max(16, rows // size + 1)
    assert settings.epochs(rows) >= 3


def test_the_loss_of_members_is_the_mean_of_theirs():
    rng = np.random.default_rng(0)
    outputs, classes = rng.normal(size=(3, 7, 4)), rng.integers(0, 4, 7)
    plain, loss = nn.CrossEntropyLoss(), EachMember(nn.CrossEntropyLoss())

    each = [float(plain(part, classes)) for part in outputs]
    np.testing.assert_allclose(float(loss(outputs, classes)), np.mean(each))
    np.testing.assert_allclose(float(loss(outputs[0], classes)), each[0])
    weighted = train.Weighted(loss, rows=True)
    weights = rng.uniform(size=7)
    wanted = [float(train.Weighted(plain, rows=True)(part, (classes, weights))) for part in outputs]
    np.testing.assert_allclose(float(weighted(outputs, (classes, weights))), np.mean(wanted))
    assert (loss.reduction, copy.copy(weighted.loss).reduction) == ("mean", "none")


def test_a_model_file_holds_the_whole_network(tmp_path):
    table, _ = towns()
    columns = learned(table)
    x = encode(table, columns)
    network = Tabular(hidden=(8, 8), members=2).network(columns, Classes("y", ("p", "q")), x)
    model = train.TableModel(network, columns, Classes("y", ("p", "q")))
    model.save(tmp_path / "m")
    again = train.TableModel.load(tmp_path / "m")

    assert again.columns == columns
    np.testing.assert_array_equal(model.outputs(table), again.outputs(table))
    assert isinstance(columns[0], Number)
