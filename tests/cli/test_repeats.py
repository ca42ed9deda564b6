"""Folds, seeds, groups and time: every row is tested once, groups stay whole, the past tells the future."""

import json
from argparse import Namespace

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.cli.division import divided, folds
from clearprop.data.inspection import inspect
from clearprop.data.tables import Table

ROWS = 200


def patients(path=None):
    rng = np.random.default_rng(0)
    patient = np.sort(rng.integers(0, 40, ROWS))
    size = rng.normal(size=ROWS)
    columns = {
        "patient": [f"p{i:02}" for i in patient],
        "day": [f"{1 + i % 28:02}/{1 + i // 28:02}/2024" for i in range(ROWS)],
        "size": [f"{x:.3f}" for x in size],
        "ill": ["yes" if x > 0.4 else "no" for x in size],
    }
    if path is not None:
        lines = [",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
        path.write_text("\n".join(lines) + "\n")
    return Table("t", columns)


def told(**given):
    usual = {
        "validation_split": 0.1,
        "test_split": 0.2,
        "seed": 0,
        "group": None,
        "time": None,
        "folds": None,
    }
    return Namespace(**usual | given)


@pytest.mark.parametrize("seed", range(4))
def test_groups_stay_whole(seed):
    table = patients()
    parts = divided(told(group="patient", seed=seed), table, inspect(table, "ill"), None)
    names = [set(table.rows(part).columns["patient"]) for part in parts]

    assert sum(map(len, parts)) == ROWS == len(np.unique(np.concatenate(parts)))
    assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]
    assert 30 <= len(parts[2]) <= 60
    assert len(parts[1]) >= 10


def test_the_latest_rows_are_tested():
    table = patients()
    learn, held, test = divided(told(time="day"), table, inspect(table, "ill"), None)
    assert learn.max() < held.min() <= held.max() < test.min()
    assert (len(held), len(test)) == (20, 40)


@pytest.mark.parametrize("group", [None, "patient"])
@pytest.mark.parametrize("count", [2, 5])
def test_every_row_is_tested_once(group, count):
    table = patients()
    classes = (np.arange(ROWS) % 10 == 0).astype(int)
    found = list(folds(told(group=group, folds=count), table, None if group else classes, 3))

    assert len(found) == count
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, _, test in found])), np.arange(ROWS))
    for learn, held, test in found:
        assert (
            len(np.unique(np.concatenate([learn, held, test]))) == ROWS == len(learn) + len(held) + len(test)
        )
        if group:
            names = [set(table.rows(part).columns["patient"]) for part in (learn, held, test)]
            assert not names[0] & names[1] | names[0] & names[2] | names[1] & names[2]
        else:
            assert abs(classes[test].sum() - 20 / count) <= 1


QUICK = ["--plain", "--hidden", "8", "--epochs", "5", "--compile", "no"]


def test_the_spread_is_told_and_a_model_is_kept(tmp_path, capsys):
    patients(tmp_path / "t.csv")
    command = ["train", str(tmp_path / "t.csv"), "--target", "ill", "--output", str(tmp_path / "o"), *QUICK]
    assert main([*command, "--folds", "3", "--seeds", "2", "--group", "patient", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)

    assert {len(values) for values in found["repeats"].values()} == {6}
    assert all(0 <= value <= 1 for value in found["repeats"]["accuracy"])
    patient = next(column for column in found["columns"] if column["name"] == "patient")
    assert patient["kind"] == "ignored"
    assert (tmp_path / "o" / "model.safetensors").exists()


def test_the_kept_model_is_that_of_a_run_without_repeats(tmp_path, capsys):
    patients(tmp_path / "t.csv")
    for name, more in (("a", []), ("b", ["--seeds", "2"])):
        command = ["train", str(tmp_path / "t.csv"), "--target", "ill", "--output", str(tmp_path / name)]
        assert main([*command, *QUICK, *more]) == 0
    assert "of 2 trainings, mean and standard deviation:" in capsys.readouterr().out
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert one == two


@pytest.mark.parametrize("more", [["--group", "patient"], []])
def test_folds_of_a_streamed_table_leave_the_kept_model_as_it_is(tmp_path, capsys, more):
    patients(tmp_path / "t.csv")
    found = []
    for name, repeats in (("a", []), ("b", ["--folds", "3", "--seeds", "2"])):
        command = ["train", str(tmp_path / "t.csv"), "--target", "ill", "--output", str(tmp_path / name)]
        assert main([*command, *QUICK, "--stream", "--json", *more, *repeats]) == 0
        found.append(json.loads(capsys.readouterr().out))
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")

    assert one == two
    assert found[0]["rows"] == found[1]["rows"]
    assert len(found[1]["repeats"]["accuracy"]) == 6
    assert np.mean(found[1]["repeats"]["accuracy"]) > 0.6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "t.csv"]


def test_a_streamed_table_is_divided_in_time(tmp_path, capsys):
    patients(tmp_path / "t.csv")
    found = []
    for name, more in (("a", []), ("b", ["--stream"])):
        command = ["train", str(tmp_path / "t.csv"), "--target", "ill", "--output", str(tmp_path / name)]
        assert main([*command, *QUICK, "--time", "day", "--json", *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["rows"] == found[1]["rows"] == {"training": 140, "validation": 20, "test": 40}


def test_a_class_that_no_row_of_a_streamed_test_has_is_said(tmp_path, capsys):
    rows = "".join(f"{i},{i % 9},{'rare' if i == 3 else 'ab'[i % 2]}\n" for i in range(400))
    (tmp_path / "t.csv").write_text("when,x,kind\n" + rows)
    command = ["train", str(tmp_path / "t.csv"), "--target", "kind", "--output", str(tmp_path / "o"), *QUICK]
    for more in ([], ["--stream"]):
        assert main([*command, "--time", "when", "--json", "--force", *more]) == 0
        assert "a class that is in no row of the test: 'rare'" in json.loads(capsys.readouterr().out)["notes"]


@pytest.mark.parametrize("more", [[], ["--stream"]])
@pytest.mark.parametrize(
    ("year", "got"), [(lambda i: 2024, "of one moment"), (lambda i: i % 2, "few moments")]
)
def test_a_table_without_a_past_is_refused(tmp_path, capsys, more, year, got):
    rows = "".join(f"{year(i)},{i % 7},{'ab'[i % 3 > 1]}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("year,x,y\n" + rows)
    command = ["train", str(tmp_path / "t.csv"), "--target", "y", "--output", str(tmp_path / "o"), *QUICK]
    options = ["--time", "year", "--test-split", "0.5", *more]
    assert main([*command, *options]) == 2
    err = capsys.readouterr().err
    assert "--time: wants rows before those that are held out, by 'year': 60 rows" in err
    assert got in err


@pytest.mark.parametrize(("options", "message"), [
    (["--folds", "1"], "--folds: wants a number of 2 or more: 1"),
    (["--folds", "201"], "--folds 201: wants a row or more for each fold: 200 rows"),
    (["--seeds", "0"], "--seeds: wants a number of 1 or more: 0"),
    (["--folds", "50", "--group", "patient"], "--folds 50: wants a group or more for each fold"),
    (["--time", "day", "--group", "patient"], "--time: does not go with --group"),
    (["--time", "day", "--folds", "3"], "--time: does not go with --folds"),
    (["--seeds", "2", "--test-split", "0"], "--seeds: wants rows to test on"),
    (["--folds", "201", "--stream"], "--folds 201: wants a row or more for each fold: 200 rows"),
    (["--folds", "50", "--group", "patient", "--stream"], "--folds 50: wants a group or more for each fold"),
    (["--time", "patient", "--stream"], "patient"),
    (["--group", "patien"], "Try 'patient'"),
    (["--time", "patient"], "patient"),
])  # fmt: skip
def test_what_does_not_go_together_is_refused(tmp_path, capsys, options, message):
    patients(tmp_path / "t.csv")
    command = ["train", str(tmp_path / "t.csv"), "--target", "ill", "--output", str(tmp_path / "o"), *QUICK]
    assert main([*command, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
