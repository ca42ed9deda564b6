"""A column of weights: rows count by it in the loss and in every measure, and the network never reads it."""

import json

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.data import streaming
from clearprop.train import TableModel

OPTIONS = ["--epochs", "15", "--hidden", "16", "--members", "2", "--lr", "0.02", "--compile", "no"]


def rows(path, kind, weigh):
    """Write rows of which half says the opposite of the other; `weigh` is a weight for each half."""
    rng = np.random.default_rng(0)
    lines = ["x,weight,y"]
    for i in range(400):
        x, wrong = rng.normal(), i % 2
        score = -x if wrong else x
        answer = f"{score:.4f}" if kind == "number" else ("yes" if score > 0 else "no")
        lines.append(f"{x:.4f},{weigh[wrong]},{answer}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def train(folder, data, *options):
    return main(["train", data, "--target", "y", "--output", str(folder / "o"), *OPTIONS, *options])


@pytest.mark.parametrize("kind", ["number", "classes"])
@pytest.mark.parametrize("plain", [[], ["--plain"]])
def test_rows_count_by_their_weight(tmp_path, capsys, kind, plain):
    data = rows(tmp_path / "t.csv", kind, ("1", "0"))
    given = [option for option in OPTIONS if option not in ("--members", "2")] if plain else OPTIONS
    words = ["train", data, "--target", "y", "--output", str(tmp_path / "o"), *given, *plain]
    assert main([*words, "--sample-weight", "weight", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    model = TableModel.load(tmp_path / "o" / "model.safetensors")

    assert [column.name for column in model.columns] == ["x"]
    assert found["test"]["accuracy" if kind == "classes" else "r2"] > 0.9  # of the rows that count
    assert found["test"].get("ROC-AUC", 1.0) > 0.9
    told = model.predictions(model.read(b"x\n1.5\n-1.5\n"))["predicted y"]
    assert told == ["yes", "no"] if kind == "classes" else float(told[0]) > 0.5 > -0.5 > float(told[1])


def test_equal_weights_are_none_to_the_last_digit(tmp_path, capsys):
    found = []
    for weights in ([], ["--sample-weight", "weight"]):
        data = rows(tmp_path / "t.csv", "classes", ("2", "2"))
        assert train(tmp_path, data, "--ignore", "weight", "--json", *weights) == 0
        found.append(json.loads(capsys.readouterr().out)["test"])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_weights_go_with_those_of_classes_thresholds_and_seeds(tmp_path, capsys):
    data = rows(tmp_path / "t.csv", "classes", ("1", "0"))
    more = ["--class-weight", "yes=2", "--threshold", "f1", "--seeds", "2", "--sample-weight", "weight"]
    assert train(tmp_path, data, *more) == 0
    out = capsys.readouterr().out
    assert "each by its weight" in out
    assert "left out  weight: how much each row counts" in out


@pytest.mark.parametrize(("weigh", "options", "message"), [
    (("1", "-1"), [], "--sample-weight: wants numbers of 0 or more in 'weight': '-1' on line 3"),
    (("1", ""), [], "wants numbers of 0 or more in 'weight': '' on line 3"),
    (("1", "inf"), [], "'weight'"),
    (("1", "much"), [], "'weight'"),
    (("0", "0"), [], "--sample-weight: wants a row that counts by 'weight': 0 in all 400 rows"),
    (("1", "-1"), ["--stream"], "--sample-weight: wants numbers of 0 or more in 'weight': '-1' on line 3"),
    (("1", "much"), ["--stream"], "'weight'"),
    (("0", "0"), ["--stream"], "--sample-weight: wants a row that counts by 'weight': 0 in all "),
    (("1", "2"), ["--stream", "--sample-weight", "wait"], "Try 'weight'"),
    (("1", "2"), ["--stream", "--sample-weight", "y"], "another column than the target: 'y'"),
    (("1", "2"), ["--stream", "--column", "weight=number"], "--column weight=number"),
    (("1", "2"), ["--sample-weight", "wait"], "Try 'weight'"),
    (("1", "2"), ["--sample-weight", "y"], "--sample-weight: wants another column than the target: 'y'"),
    (("1", "2"), ["--column", "weight=number"], "--column weight=number"),
])  # fmt: skip
def test_weights_that_cannot_be_are_refused(tmp_path, capsys, weigh, options, message):
    data = rows(tmp_path / "t.csv", "classes", weigh)
    assert train(tmp_path, data, "--sample-weight", "weight", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("kind", ["number", "classes"])
@pytest.mark.parametrize("scale", ["1", "1e-30", "1e35"])
def test_rows_of_a_streamed_table_count_by_their_weight(tmp_path, capsys, kind, scale):
    data = rows(tmp_path / "t.csv", kind, (scale, "0"))
    assert train(tmp_path, data, "--sample-weight", "weight", "--stream", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    model = TableModel.load(tmp_path / "o" / "model.safetensors")

    assert [column.name for column in model.columns] == ["x"]
    assert found["test"]["accuracy" if kind == "classes" else "r2"] > 0.9
    told = model.predictions(model.read(b"x\n1.5\n-1.5\n"))["predicted y"]
    assert told == ["yes", "no"] if kind == "classes" else float(told[0]) > 0.5 > -0.5 > float(told[1])


def test_equal_weights_of_a_streamed_table_are_none_to_the_last_digit(tmp_path, capsys):
    found = []
    for weights in ([], ["--sample-weight", "weight"]):
        data = rows(tmp_path / "t.csv", "classes", ("2", "2"))
        assert train(tmp_path, data, "--stream", "--ignore", "weight", "--json", *weights) == 0
        found.append(json.loads(capsys.readouterr().out)["test"])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("cells", [("no", "yes"), ("0", "1")])
def test_classes_of_a_streamed_table_are_weighed_by_all_rows_to_learn_from(
    tmp_path, capsys, monkeypatch, cells
):
    monkeypatch.setattr(streaming, "SAMPLE", 20)  # few rows tell what columns are, and not how many there are
    usual, rare = cells
    lines = [f"{i % 7},{rare if i % 50 == 0 else usual}" for i in range(3000)]
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "\n".join(lines) + "\n")
    words = ["--stream", "--class-weight", "balanced", "--epochs", "1"]
    assert train(tmp_path, str(path), *words) == 0
    model = TableModel.load(tmp_path / "o" / "model.safetensors")

    stream = streaming.stream_table(str(path), "y", validation=0.1, test=0.2, robust=True)
    stream.cache(tmp_path / "rows")
    whole = sum(stream.counts.tolist())
    assert whole == stream.rows[0]
    assert stream.counts[1] == pytest.approx(whole / 50, rel=0.3)
    expected = [whole / (2 * count) for count in stream.counts.tolist()]
    assert model.about["class weights"] == pytest.approx(expected, rel=1e-5)


def test_a_streamed_table_is_searched_and_trained_with_several_seeds(tmp_path, capsys):
    pytest.importorskip("sklearn")
    data = rows(tmp_path / "t.csv", "classes", ("1", "0"))
    more = ["--search", "3", "--seeds", "2", "--epochs", "4", "--sample-weight", "weight", "--stream"]
    given = ["train", data, "--target", "y", "--output", str(tmp_path / "o"), "--compile", "no"]
    assert main([*given, *more, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    losses = [one["loss"] for one in found["search"]["tried"]]
    assert len(losses) >= 3
    assert len(set(losses)) > 1
    assert {len(values) for values in found["repeats"].values()} == {2}
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".rows")] == []
