"""`clearprop predict`: predictions from the model file alone."""

import csv
import io
import os
import shutil
import sys

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.interop import save_model, save_safetensors
from clearprop.nn import Linear, Sequential

ROWS = 80


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a table, a model of its classes and a model of its numbers."""
    folder = tmp_path_factory.mktemp("trained")
    generator = np.random.default_rng(1)
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "color", "kind", "value"])
        for row in range(ROWS):
            a, b, color = generator.normal(), generator.normal(), ["red", "blue"][row % 2]
            kind = "yes" if a + (color == "red") > 0.5 else "no"
            writer.writerow([f"{a:.4f}", f"{b:.4f}", color, kind, f"{100 * a + 20 * b + 500:.3f}"])
    table = str(folder / "table.csv")
    common = ["train", table, "--quiet", "--hidden", "32", "--epochs", "60"]
    assert main([*common, "--target", "kind", "--ignore", "value", "--output", str(folder / "kind")]) == 0
    assert main([*common, "--target", "value", "--ignore", "kind", "--output", str(folder / "value")]) == 0
    return folder


def predict(*args):
    return main(["predict", *map(str, args)])


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def refused(capsys, *args):
    assert predict(*args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("clearprop predict: ")
    return err.removeprefix("clearprop predict: ").rstrip("\n")


def test_classes_come_with_their_probabilities(trained, tmp_path, capsys):
    output = tmp_path / "p.csv"
    assert predict(trained / "kind" / "model.safetensors", trained / "table.csv", "--output", output) == 0
    rows, wanted = read(output), [row["kind"] for row in read(trained / "table.csv")]
    captured = capsys.readouterr()

    assert list(rows[0]) == ["predicted kind", "probability no", "probability yes"]
    assert captured.out == f"wrote {output}: 80 predictions of 'kind'\n"
    right = sum(row["predicted kind"] == kind for row, kind in zip(rows, wanted, strict=True))
    assert right >= 0.9 * ROWS
    assert f"note: {right} of 80 agree with the table's own 'kind'" in captured.err
    for row in rows:
        shares = {name: float(row[f"probability {name}"]) for name in ("no", "yes")}
        assert abs(sum(shares.values()) - 1) <= 2e-6
        assert row["predicted kind"] == max(shares, key=shares.get)


def test_numbers_come_in_their_own_units(trained, tmp_path):
    output = tmp_path / "p.csv"
    assert predict(trained / "value" / "model.safetensors", trained / "table.csv", "--output", output) == 0
    found = np.array([float(row["predicted value"]) for row in read(output)])
    wanted = np.array([float(row["value"]) for row in read(trained / "table.csv")])

    assert np.corrcoef(found, wanted)[0, 1] > 0.97
    assert abs(found.mean() - wanted.mean()) < 20


def test_predictions_need_the_model_file_and_the_columns_alone(trained, tmp_path, capsys):
    shutil.copy(trained / "kind" / "model.safetensors", tmp_path / "m")
    (tmp_path / "t.csv").write_text("color;extra;b;a\nred;x;0.1;2.5\ngreen;y;;-2.5\n")
    assert predict(tmp_path / "m", tmp_path / "t.csv") == 0
    captured = capsys.readouterr()

    assert [line.split(",")[0] for line in captured.out.splitlines()] == ["predicted kind", "yes", "no"]
    assert "note: 'color' has values that were never learned: 'green'\n" in captured.err
    assert "note: 'b' has 1 missing cell, taken as the median " in captured.err


def test_the_table_s_own_columns_can_be_kept(trained, capsys):
    model = trained / "value" / "model.safetensors"
    assert predict(model, trained / "table.csv", "--append") == 0

    assert capsys.readouterr().out.splitlines()[0] == "a,b,color,kind,value,predicted value"


def test_a_row_s_prediction_does_not_depend_on_its_neighbours(trained, tmp_path, capsys):
    lines = (trained / "table.csv").read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join(lines[:2]))
    model = trained / "value" / "model.safetensors"
    predict(model, tmp_path / "one.csv")
    alone = float(capsys.readouterr().out.splitlines()[1])
    predict(model, trained / "table.csv")

    assert float(capsys.readouterr().out.splitlines()[1]) == pytest.approx(alone, rel=1e-5)


# --- bad input ------------------------------------------------------------------------------------------
def test_missing_columns_are_named(trained, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("b,extra\n1,2\n")
    message = refused(capsys, trained / "kind" / "model.safetensors", tmp_path / "t.csv")

    assert message == (
        f"{tmp_path / 't.csv'}: lacks 2 columns that the model reads: 'a' and 'color'.\n"
        "  The table has 'b' and 'extra'."
    )


def test_text_where_numbers_belong(trained, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("a,b,color\n1,2,red\nx,2,red\n")
    message = refused(capsys, trained / "kind" / "model.safetensors", tmp_path / "t.csv")

    assert message == f"{tmp_path / 't.csv'}: column 'a' wants numbers: 'x' on line 3."


def test_missing_and_empty_files(trained, tmp_path, capsys):
    (tmp_path / "empty.csv").write_text("")
    model = trained / "kind" / "model.safetensors"

    assert "there is no such file" in refused(capsys, tmp_path / "none", trained / "table.csv")
    assert "there is no such file" in refused(capsys, model, tmp_path / "none.csv")
    assert "the file is empty" in refused(capsys, model, tmp_path / "empty.csv")


def test_models_that_are_cut_short_or_of_another_program(trained, tmp_path, capsys):
    whole = (trained / "kind" / "model.safetensors").read_bytes()
    table = trained / "table.csv"
    (tmp_path / "cut").write_bytes(whole[:-20])
    (tmp_path / "head").write_bytes(whole[:50])
    (tmp_path / "nothing").write_bytes(b"")
    save_safetensors(tmp_path / "weights", {"w": np.ones(3)}, {"format": "pt"})
    save_model(tmp_path / "network", Sequential(Linear(2, 2)))
    save_model(tmp_path / "columns", Sequential(Linear(2, 2)), {"columns": [], "target": {"kind": "number"}})

    assert "is not a whole safetensors file: it is cut short" in refused(capsys, tmp_path / "cut", table)
    assert "the header lacks" in refused(capsys, tmp_path / "head", table)
    assert "it has 0 bytes" in refused(capsys, tmp_path / "nothing", table)
    assert "is not a safetensors file" in refused(capsys, table, table)
    assert "is not a model file of clearprop" in refused(capsys, tmp_path / "weights", table)
    assert "holds a network, but not the columns of a table" in refused(capsys, tmp_path / "network", table)
    assert "holds a network, but not the columns of a table" in refused(capsys, tmp_path / "columns", table)


def test_nothing_is_half_written(trained, tmp_path, capsys):
    (tmp_path / "p.csv").write_text("old")
    (tmp_path / "t.csv").write_text("a,b,color\n1,2,red\nx,2,red\n")
    model = trained / "kind" / "model.safetensors"
    refused(capsys, model, tmp_path / "t.csv", "--output", tmp_path / "p.csv")

    assert (tmp_path / "p.csv").read_text() == "old"
    assert "no such file" in refused(capsys, model, trained / "table.csv", "--output", tmp_path / "x" / "p")
    assert "there is a directory" in refused(capsys, model, trained / "table.csv", "--output", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["p.csv", "t.csv"]


def test_a_table_with_predictions_already_is_not_given_them_twice(trained, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("a,b,color,predicted kind\n1,2,red,yes\n")
    message = refused(capsys, trained / "kind" / "model.safetensors", tmp_path / "t.csv", "--append")

    assert message == "--append: the table has a column 'predicted kind' already.\n  Try it without --append."


def test_letters_that_a_terminal_cannot_hold(tmp_path, monkeypatch, capsys):
    table = tmp_path / "größe.csv"
    lines = [f"{i},{'größer' if i % 2 else 'kleiner'}" for i in range(40)]
    table.write_text("\n".join(["x,y", *lines]) + "\n", encoding="utf-8")
    train = ["train", table, "--target", "y", "--plain", "--epochs", "1", "--output", tmp_path / "o"]
    narrow = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    assert main([str(word) for word in train]) == 0
    model = tmp_path / "o" / "model.safetensors"
    assert predict(model, table) == 2
    assert predict(model, table, "--output", tmp_path / "größer.csv") == 0
    narrow.flush()

    shown = narrow.buffer.getvalue().decode("ascii")
    assert shown.count("predicted y") == 0
    assert "gr\\xf6\\xdfer.csv: 40 predictions of" in shown
    assert "'ö' is not of ascii" in capsys.readouterr().err
    assert {row["predicted y"] for row in read(tmp_path / "größer.csv")} <= {"größer", "kleiner"}
