"""What mattered: columns that decide, columns that do not, and contributions that add up."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, train
from clearprop.data.columns import encode, learn_columns
from clearprop.data.goals import Classes, Quantity
from clearprop.data.inspection import Reading, guessed
from clearprop.data.tables import Table
from clearprop.train import TableModel
from clearprop.train.importance import (
    contributions,
    gradient_times_input,
    permutation_importance,
    typical_features,
)
from clearprop.train.tabular import EachMember, Tabular


def made(kind, plain):
    """Return a model that has learned 2 signal + height of the town, beside noise, and its table."""
    clearprop.manual_seed(0)
    rng = np.random.default_rng(0)
    signal, noise, town = rng.normal(size=600), rng.normal(size=600), rng.integers(0, 20, 600)
    score = 2 * signal + np.linspace(-1, 1, 20)[town]
    table = Table("t", {
        "signal": [f"{x:.5f}" for x in signal], "noise": [f"{x:.5f}" for x in noise],
        "town": [f"town {i}" for i in town],
        "y": [f"{x:.5f}" for x in score] if kind == "number" else ["high" if x > 0 else "low" for x in score],
    })  # fmt: skip
    inputs = Table("t", {name: table.cells[name] for name in ("signal", "noise", "town")})
    columns = learn_columns(inputs, Reading("", "", guessed(inputs)), robust=not plain)
    target = Quantity("y", 0.0, 2.0) if kind == "number" else Classes("y", ("high", "low"))
    x, y, outputs = encode(table, columns), target.encode(table), 1 if kind == "number" else 2
    settings = Tabular(hidden=(16,), members=2, dropout=0.0, lr=0.02)
    network = settings.network(columns, target, x)
    loss = EachMember(nn.MSELoss() if kind == "number" else nn.CrossEntropyLoss())
    if plain:
        network, loss = nn.Sequential(nn.Linear(x.shape[1], 16), nn.Tanh(), nn.Linear(16, outputs)), loss.loss
    y = y.astype(np.float32) if kind == "number" else y
    optimizer = settings.optimizer(network)
    train.fit(network, loss, (x, y), epochs=30, optimizer=optimizer, progress=False, compile=False)
    model = TableModel(network.eval(), columns, target)
    model.about["typical"] = typical_features(model, x)
    return model, table


@pytest.mark.parametrize("kind", ["number", "classes"])
@pytest.mark.parametrize("plain", [True, False])
def test_what_decides_is_told_from_what_does_not(kind, plain):
    model, table = made(kind, plain)
    for found in (permutation_importance(model, table), gradient_times_input(model, table)):
        assert list(found) == ["signal", "noise", "town"]
        assert found["signal"] > found["town"] > 3 * max(found["noise"], 0)

    for row in (0, 7, 599):
        parts, here, typical = contributions(model, table, row)
        assert list(parts) == ["signal", "noise", "town"]
        assert sum(parts.values()) == pytest.approx(here - typical, abs=0.03 * (abs(here - typical) + 1))
        outputs = model.outputs(table.rows([row]))[0]
        wanted = outputs[0] if kind == "number" else outputs.max() - outputs.mean()
        assert here == pytest.approx(wanted, abs=1e-4)


def test_the_contribution_to_a_class_is_the_other_way_for_the_other():
    model, table = made("classes", True)
    one, other = (contributions(model, table, 3, of=i)[0] for i in (0, 1))
    assert one == {name: pytest.approx(-value, abs=1e-5) for name, value in other.items()}


def test_what_is_explained_is_the_class_that_is_said_not_the_likelier_one():
    model, table = made("classes", True)
    shares = model.probabilities(table)
    row = int(np.flatnonzero((shares[:, 0] > 0.05) & (shares[:, 0] < 0.45))[0])  # low is likelier
    before, moved = contributions(model, table, row), gradient_times_input(model, table.rows([row]))
    model.about["threshold"] = {"class": "high", "from": 0.05}
    parts, here, _ = contributions(model, table, row)

    assert model.predictions(table.rows([row]))["predicted y"] == ["high"]
    assert here == pytest.approx(-before[1], abs=1e-5)
    assert parts == contributions(model, table, row, of=0)[0] != before[0]
    assert gradient_times_input(model, table.rows([row])) != moved
