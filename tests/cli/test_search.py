"""A search for settings: what is tried is told, the best is kept, and the test's rows choose nothing."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli import main, search
from clearprop.cli.search import PLAIN, SPACE, Tries, said, sizes_of
from clearprop.cli.train import checked
from clearprop.train import TableModel

pytest.importorskip("sklearn")
QUICK = ["--plain", "--epochs", "4", "--batch-size", "64", "--compile", "no"]


@pytest.fixture
def table(tmp_path):
    """A table whose number is not linear in the columns."""
    rng = np.random.default_rng(0)
    x, z = rng.uniform(-1, 1, (2, 240))
    lines = [f"{a:.4f},{b:.4f},{a * b + a:.4f}" for a, b in zip(x, z, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["x,z,y", *lines]) + "\n")
    return str(tmp_path / "t.csv")


def train(table, tmp_path, *options):
    return main(["train", table, "--target", "y", "--output", str(tmp_path / "o"), *QUICK, *options])


def test_what_was_tried_is_told_and_the_best_is_kept(table, tmp_path, capsys):
    assert train(table, tmp_path, "--search", "5", "--json") == 0
    found = json.loads(capsys.readouterr().out)["search"]
    tried, won = found["tried"], found["won"]

    assert {one["epochs"] for one in tried} == {2}
    assert set(found["space"]) == set(PLAIN) - {"batch_size"}  # which an option says
    assert all(set(one["settings"]) == set(found["space"]) for one in tried)
    best = min(tried, key=lambda one: (-one["epochs"], one["loss"]))
    assert won == (best["settings"] if best["loss"] < found["usual"] else None)
    assert "What was tried" in (tmp_path / "o" / "report.html").read_text()
    assert said(tried[0]["settings"]) in (tmp_path / "o" / "report.html").read_text()


def test_the_kept_network_is_that_of_the_settings_that_won(table, tmp_path, capsys):
    assert train(table, tmp_path, "--search", "4", "--json", "--hidden", "24") == 0
    found = json.loads(capsys.readouterr().out)["search"]
    kept = (tmp_path / "o" / "model.safetensors").read_bytes()
    assert "hidden" not in found["space"]
    assert TableModel.load(tmp_path / "o" / "model.safetensors").network[0].out_features == 24

    again = shlex.split(said(found["won"] or {}))
    assert train(table, tmp_path, "--hidden", "24", "--force", *again) == 0
    assert (tmp_path / "o" / "model.safetensors").read_bytes() == kept


def test_the_rows_of_the_test_choose_nothing(table, tmp_path, capsys):
    from clearprop.data.split import three_parts

    found = []
    for change in (False, True):
        if change:
            lines = Path(table).read_text().splitlines()
            for row in three_parts(240, 0.1, 0.2, seed=0)[2]:
                x, z, _ = lines[row + 1].split(",")
                lines[row + 1] = f"{x},{z},0.{row:03d}"
            Path(table).write_text("\n".join(lines) + "\n")
        assert train(table, tmp_path, "--search", "3", "--json", "--force") == 0
        found.append(json.loads(capsys.readouterr().out)["search"])
    assert found[0] == found[1]


def test_every_setting_of_the_space_is_one_that_train_takes():
    from clearprop.cli import parser_of

    parser = parser_of("train")
    for space, more in ((SPACE, []), (PLAIN, ["--plain"])):
        for name, values in space.items():
            for value in values:
                told = parser.parse_args(["iris", *more, *shlex.split(said({name: value}))])
                assert checked(told, False)
    assert sizes_of("64,32") == [64, 32]


def test_a_search_whose_trainings_all_fail_keeps_the_usual_settings():
    found = Tries({}, [({"lr": 1.0}, 3, float("inf"))], usual=0.5)
    assert found.least == 0.5
    assert found.spec()["tried"][0]["loss"] is None


@pytest.mark.parametrize("more", [[], ["--stream"], ["--seeds", "2", "--doctor"]])
@pytest.mark.parametrize("calls", [4, 7, 12])
def test_ctrl_c_keeps_the_best_network_that_was_tried(table, tmp_path, capsys, monkeypatch, calls, more):
    seen = []
    usual = search._trained

    def trained(*given):
        if len(seen) + 1 == calls:
            raise KeyboardInterrupt
        seen.append(usual(*given))
        return seen[-1]

    monkeypatch.setattr(search, "_trained", trained)
    assert train(table, tmp_path, "--search", "9", "--epochs", "6", "--json", *more) == 130
    out, err = capsys.readouterr()
    found = json.loads(out)
    best = min(seen, key=lambda one: one[0])

    assert err.endswith("Stopped by Ctrl-C: the best of what the search had tried until then is kept.\n")
    assert len(found["search"]["tried"]) == calls - 1
    assert found["search"]["stopped"] is True
    assert found["search"]["usual"] is None
    kept = TableModel.load(tmp_path / "o" / "model.safetensors")
    for name, array in best[1].model.network.state_dict().items():
        np.testing.assert_array_equal(kept.network.state_dict()[name], array)
    assert kept.about["epochs"] == len(best[2])
    assert found["test"]["rmse"] > 0
    assert "Ctrl-C ended the search" in (tmp_path / "o" / "report.html").read_text()


def test_ctrl_c_before_a_training_has_ended_keeps_nothing(table, tmp_path, capsys, monkeypatch):
    def stopped(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "_trained", stopped)
    assert train(table, tmp_path, "--search", "3") == 130
    assert not (tmp_path / "o").exists()


def test_a_search_that_was_stopped_says_so(table, tmp_path, capsys, monkeypatch):
    usual, calls = search._trained, []
    monkeypatch.setattr(
        search, "_trained", lambda *given: usual(*given) if len(calls) < 2 and not calls.append(1) else stop()
    )

    def stop():
        raise KeyboardInterrupt

    assert train(table, tmp_path, "--search", "4") == 130
    out = capsys.readouterr().out
    assert "2 for 2 epochs; stopped by Ctrl-C before the end" in out
    assert "the best so far: --" in out
    assert "usual settings" not in out


@pytest.mark.parametrize(("options", "message"), [
    (["--search", "0"], "--search: wants a number of 1 or more: 0"),
    (["--search", "x"], "--search"),
    (["--search", "3", "--folds", "3"], "--search: does not go with --folds"),
    (["--search", "3", "--validation-split", "0"], "--search: wants validation rows"),
    (["--search", "3", "--hidden", "8", "--lr", "0.1", "--dropout", "0", "--weight-decay", "0"],
     "--search: wants something to search"),
])  # fmt: skip
def test_what_cannot_be_searched_is_refused(table, tmp_path, capsys, options, message):
    try:
        status = train(table, tmp_path, *options)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can wait for")
@pytest.mark.parametrize("more", [["--search", "50"], ["--stream", "--search", "50"]])
def test_sigterm_leaves_nothing_behind(table, tmp_path, more):
    command = [sys.executable, "-m", "clearprop", "train", table, "--target", "y", *more, "--epochs", "5000"]
    options = ["--patience", "0", "--output", str(tmp_path / "o"), "--compile", "no", "--plain"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("search:"):
                process.send_signal(signal.SIGTERM)
                break
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
