"""`clearprop train`: the main job, for the digits and for anybody's table, and all that can go wrong."""

import csv
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.interop import load_safetensors
from clearprop.train import TableModel


def flowers(path, rows=120, spoil=None, target="kind"):
    """Write a table with numbers, text and missing cells, whose target follows from them."""
    generator = np.random.default_rng(0)
    lines = []
    for row in range(rows):
        size, color = generator.normal(), generator.choice(["red", "blue", "white"])
        kind = "big" if size + (color == "red") > 0.3 else "small"
        lines.append({
            "size": "" if row % 17 == 3 else f"{size:.3f}", "color": "?" if row % 19 == 4 else color,
            "weight": f"{3 * size + 10 + generator.normal() / 10:.3f}", "kind": kind,
        })  # fmt: skip
    if spoil:
        spoil(lines)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ["size", "color", "weight", target])
        writer.writeheader()
        writer.writerows(lines)
    return str(path)


@pytest.fixture
def table(tmp_path):
    return flowers(tmp_path / "flowers.csv")


PROGRAM = [sys.executable, "-m", "clearprop", "train"]


def train(*args):
    return main(["train", *map(str, args)])


def refused(capsys, *args):
    """Return what a command that must fail says, without its name."""
    assert train(*args) == 2
    err = capsys.readouterr().err
    assert err.startswith("clearprop train: ")
    return err.removeprefix("clearprop train: ").rstrip("\n")


# --- the main job ---------------------------------------------------------------------------------------
def test_the_digits_are_recognised(tmp_path, capsys):
    pytest.importorskip("sklearn")
    assert train("digits", "--plain", "--output", tmp_path / "run") == 0
    out = capsys.readouterr().out

    assert "digits: 1,797 rows, 64 columns to predict from" in out
    assert "1,258 to learn from, 180 to validate, 359 to test" in out
    assert "9,610 parameters" in out
    assert float(re.search(r"test accuracy ([\d.]+) %", out)[1]) >= 96.0
    assert "predicted" in out
    assert "loss ─, val_loss • by epoch" in out
    assert "\x1b" not in out
    written = {"model.safetensors", "history.csv", "report.html"}
    assert written <= set(os.listdir(tmp_path / "run")) <= written | {"curves.png"}


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_the_other_data_sets_are_learned_better_than_by_guessing(tmp_path, capsys, name):
    pytest.importorskip("sklearn")
    assert train(name, "--output", tmp_path) == 0
    result = TableModel.load(tmp_path / "model.safetensors").about["test"]

    assert result.get("accuracy", 1) >= 0.9
    assert result.get("r2", 1) >= 0.35


def test_a_table_is_learned_with_text_and_missing_cells(table, tmp_path, capsys):
    assert train(table, "--target", "kind", "--output", tmp_path / "run") == 0
    out = capsys.readouterr().out

    assert "120 rows, 3 columns to predict from" in out
    assert "number    2: size, weight; 7 missing cells filled with the median" in out
    assert "category  color: 4 categories (blue, red, white, (missing))" in out
    assert "target    kind: 2 classes (big, small), the commonest" in out
    assert float(re.search(r"test accuracy ([\d.]+) %", out)[1]) >= 87.5


def test_a_number_is_predicted_by_regression(table, tmp_path, capsys):
    assert train(table, "--target", "weight", "--output", tmp_path / "run") == 0
    out = capsys.readouterr().out

    assert "(regression)" in out
    assert "for comparison: always the mean, RMSE" in out
    assert TableModel.load(tmp_path / "run" / "model.safetensors").about["test"]["r2"] > 0.8


@pytest.mark.parametrize("options", [[], ["--optimizer", "sgd", "--dropout", "0.5", "--hidden", "8,8"]])
def test_the_same_seed_gives_the_same_bytes(table, tmp_path, options):
    options = [*options, "--epochs", "5", "--seed", "7"]  # the report holds the command
    for name in ("one", "two"):
        assert train(table, "--target", "kind", "--output", tmp_path / name, *options) == 0

    for file in sorted(os.listdir(tmp_path / "one")):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_the_bits_do_not_depend_on_the_number_of_threads(table, tmp_path):
    """Of the threads of native steps; NumPy's products have theirs."""
    command = [*PROGRAM, table, "--target", "kind", "--epochs", "3", "--output"]
    for threads in ("1", "2"):
        told = os.environ | {"CLEARPROP_THREADS": threads}
        subprocess.run([*command, tmp_path / threads], env=told, check=True, capture_output=True)
    assert train(*command[4:], tmp_path / "here") == 0

    for name in ("model.safetensors", "history.csv"):
        assert len({(tmp_path / run / name).read_bytes() for run in ("1", "2", "here")}) == 1


def test_another_seed_gives_another_model(table, tmp_path):
    for seed in (1, 2):
        train(table, "--target", "kind", "--epochs", 1, "--seed", seed, "--output", tmp_path / str(seed))

    one, two = (load_safetensors(tmp_path / str(seed) / "model.safetensors")[0] for seed in (1, 2))
    assert not np.array_equal(one["1.weight"], two["1.weight"])


def test_the_network_is_the_one_that_was_asked_for(table, tmp_path):
    options = ["--plain", "--hidden", "64,32", "--activation", "tanh", "--dropout", "0", "--epochs", "1"]
    assert train(table, "--target", "kind", "--output", tmp_path, *options) == 0
    layers = TableModel.load(tmp_path / "model.safetensors").network

    assert [type(layer).__name__ for layer in layers] == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert [layer.out_features for layer in list(layers)[::2]] == [64, 32, 2]


def test_no_hidden_layer_is_a_linear_model(table, tmp_path):
    assert (
        train(table, "--target", "kind", "--plain", "--hidden", "none", "--epochs", "1", "--output", tmp_path)
        == 0
    )

    assert len(TableModel.load(tmp_path / "model.safetensors").network) == 1


def test_quiet_prints_the_test_s_result_alone(table, tmp_path, capsys):
    assert train(table, "--target", "kind", "--quiet", "--epochs", 2, "--output", tmp_path) == 0

    assert re.fullmatch(r"test accuracy [\d.]+ % \(\d+ of 24\)\n", capsys.readouterr().out)


def test_nothing_held_out_is_possible(table, tmp_path, capsys):
    options = ["--validation-split", "0", "--test-split", "0", "--patience", "0", "--epochs", "2"]
    assert train(table, "--target", "kind", "--output", tmp_path, *options) == 0
    out = capsys.readouterr().out

    assert "120 to learn from, 0 to validate, 0 to test" in out
    assert "test accuracy" not in out


def test_a_text_only_terminal_gets_ascii(table, tmp_path):
    command = [*PROGRAM, table, "--target", "kind", "--plain", "--epochs", "3", "--output", str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    out = subprocess.run(command, env=environment, check=True, capture_output=True).stdout

    assert "6 > 128" in out.decode("ascii")


def test_without_matplotlib_the_picture_is_skipped_and_said_so(table, tmp_path, capsys, monkeypatch):
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    assert train(table, "--target", "kind", "--epochs", "1", "--output", tmp_path / "run") == 0

    assert "note: curves.png was not drawn: pip install matplotlib" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path / "run")) == [
        "history.csv",
        "model.safetensors",
        "report.html",
    ]


def test_a_run_resumes_from_its_checkpoint_to_the_same_bytes(table, tmp_path):
    options = [table, "--target", "kind", "--epochs", "6", "--patience", "0", "--plain"]
    cut = [*options[:4], "3", *options[5:], "--checkpoint", tmp_path / "c"]
    assert train(*options, "--output", tmp_path / "whole") == 0
    assert train(*cut, "--output", tmp_path / "cut") == 0
    assert train(*options, "--checkpoint", tmp_path / "c", "--resume", "--output", tmp_path / "cut") == 0

    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def interrupted(command):
    """Send Ctrl-C after the first line of an epoch; return the status."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for line in process.stdout:
            if line.startswith(b"epoch"):
                process.send_signal(signal.SIGINT)
                break
        process.communicate()
    return process.returncode


def test_a_run_goes_on_after_ctrl_c_to_the_same_bytes(table, tmp_path):
    for epochs in ("60", "600"):  # where it had come to its end before the signal did, a longer one is tried
        kept, cut, whole = (tmp_path / f"{name}{epochs}" for name in ("kept", "cut", "whole"))
        options = [table, "--target", "kind", "--epochs", epochs, "--patience", "0", "--members", "2"]
        options += ["--hidden", "8", "--checkpoint"]
        status = interrupted([*PROGRAM, *options, str(kept), "--output", str(cut)])
        if status != 0:
            break
    assert status == 130  # in the middle: not all epochs were done
    assert train(*options, kept, "--output", cut, "--resume") == 0
    assert train(*options, tmp_path / "other", "--output", whole) == 0

    for name in ("model.safetensors", "history.csv"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_a_run_whose_rate_was_for_other_epochs_is_not_gone_on_with(table, tmp_path, capsys):
    options = [table, "--target", "kind", "--checkpoint", tmp_path / "c", "--output", tmp_path / "run"]
    assert train(*options, "--epochs", 2) == 0
    capsys.readouterr()
    message = refused(capsys, *options, "--epochs", 4, "--resume")
    assert "one cycle over 2 epochs" in message


def test_ctrl_c_keeps_what_was_learned(table, tmp_path):
    command = [*PROGRAM, table, "--target", "kind", "--output", str(tmp_path / "run")]
    options = ["--epochs", "100000", "--patience", "0"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for line in process.stdout:
            if line.startswith(b"epoch"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate()

    assert process.returncode == 130
    assert b"interrupted after" in out
    assert b"test accuracy" in out
    assert err == b"Stopped by Ctrl-C: what was learned until then is kept.\n"
    assert TableModel.load(tmp_path / "run" / "model.safetensors").about["epochs"] >= 1


def test_ctrl_c_ends_all_repeats_and_tells_those_that_were_whole(table, tmp_path):
    command = [*PROGRAM, table, "--target", "kind", "--output", str(tmp_path / "run")]
    options = ["--epochs", "30", "--patience", "0", "--seeds", "1000"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith(b"seed 0:"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err == b"clearprop train: stopped\n"
    whole = sum(line.startswith(b"seed ") for line in [*lines, *out.splitlines()])
    assert f"of {whole} trainings, mean and standard deviation:" in out.decode()
    assert not (tmp_path / "run").exists()


def dressed(path, rows=120):
    """Write a table whose columns need understanding; `paid` and the hour tell the number."""
    lines = ["when,id,paid,town,y"]
    for row in range(rows):
        hour, town = row * 7 % 24, ["Oslo", "Rome"][row % 2] if row % 20 else "none"
        when = f"{1 + row % 28:02}/{1 + row % 12:02}/2024 {hour:02}:00"
        lines.append(f'{when},{row + 1},"${1000 + 37 * row % 900:,}",{town},{hour + row % 9}.5')
    path.write_text("\n".join(lines) + "\n")
    return path


def test_one_screen_says_what_every_column_is(tmp_path, capsys):
    assert (
        train(dressed(tmp_path / "t.csv"), "--target", "y", "--epochs", 1, "--output", tmp_path / "run") == 0
    )
    out = capsys.readouterr().out

    assert "number    paid: thousands parted by a comma, currency '$'" in out
    assert re.search(r"date      when: 2024-01-\d\d \d\d:00 to 2024-12-\d\d \d\d:00; day first; read as", out)
    assert "category  town: 3 categories (Oslo, Rome, (missing))" in out
    assert "left out  id: whole numbers that differ in all 120 rows" in out
    assert "target    y: numbers from" in out


def test_the_same_is_one_json_object(tmp_path, capsys):
    options = ["--target", "y", "--epochs", 1, "--output", tmp_path / "run", "--json"]
    assert train(dressed(tmp_path / "t.csv"), *options) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = {column["name"]: column["kind"] for column in found["columns"]}

    assert kinds == {"when": "date", "id": "id", "paid": "number", "town": "category"}
    assert (found["target"]["task"], found["rows"]["test"]) == ("regression", 24)
    assert set(found["test"]) == {"rmse", "mae", "r2"}


def test_quiet_hides_no_warning_about_the_data(tmp_path, capsys):
    options = ["--target", "y", "--epochs", 1, "--output", tmp_path / "run", "--quiet"]
    assert train(dressed(tmp_path / "t.csv"), *options) == 0

    assert "note: 'id': left out: whole numbers" in capsys.readouterr().err


def test_what_was_told_is_remembered_by_the_model(tmp_path, capsys):
    lines = [f"{i % 7},5~{'gone' if i % 9 == 0 else i * 37 % 101}~{i % 7 + i * 37 % 101}" for i in range(60)]
    (tmp_path / "t.csv").write_bytes(("größe~b~y\n" + "\n".join(lines) + "\n").encode("latin-1"))
    told = ["--delimiter", "~", "--encoding", "latin-1", "--missing", "gone", "--column", "b=number"]
    options = ["--target", "y", "--epochs", 1, "--output", tmp_path / "run"]
    assert train(tmp_path / "t.csv", *options, *told) == 0
    capsys.readouterr()

    assert main(["predict", str(tmp_path / "run" / "model.safetensors"), str(tmp_path / "t.csv")]) == 0
    assert "'b' has 7 missing cells, taken as the median" in capsys.readouterr().err


def test_a_class_that_is_never_tested_is_said(tmp_path, capsys):
    rows = [f"{i * 37 % 101},{'ab'[i % 2]}" for i in range(150)] + ["7,rare"]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(rows) + "\n")
    assert train(tmp_path / "t.csv", "--target", "y", "--epochs", 1, "--output", tmp_path / "run") == 0

    assert "note      a class that is in no row of the test: 'rare'" in capsys.readouterr().out


def test_counts_are_learned_by_the_poisson_loss(tmp_path, capsys):
    generator = np.random.default_rng(0)
    rows = [f"{x:.3f},{generator.poisson(np.exp(1 + x))}" for x in generator.normal(size=300)]
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(rows) + "\n")
    options = ["--target", "y", "--loss", "poisson", "--output", tmp_path / "run"]
    assert train(tmp_path / "t.csv", *options) == 0

    assert "(Poisson regression)" in capsys.readouterr().out
    model = TableModel.load(tmp_path / "run" / "model.safetensors")
    assert model.about["test"]["r2"] > 0.5
    assert all(float(y) > 0 for y in model.predictions(model.read(tmp_path / "t.csv"))["predicted y"])


# --- bad input ------------------------------------------------------------------------------------------
def test_a_missing_file(capsys, tmp_path):
    assert refused(capsys, "none.csv", "--target", "y") == "reading none.csv: there is no such file."
    assert refused(capsys, "digit") == (
        "'digit': is neither a file nor a data set: the data sets are "
        "'digits', 'iris', 'wine', 'breast_cancer' and 'diabetes'.\n  Try 'digits'."
    )


def test_a_missing_target(capsys, table):
    assert refused(capsys, table) == (
        f"{table}: wants to know the column to predict: "
        "the columns are 'size', 'color', 'weight' and 'kind'.\n"
        "  Try --target 'kind'."
    )


def test_an_unknown_column(capsys, table):
    message = f"{table}: has no column 'kid', wanted as the target.\n"
    message += "  Its columns are 'size', 'color', 'weight' and 'kind'.\n  Try 'kind'."

    assert refused(capsys, table, "--target", "kid") == message
    assert "has no column 'x'" in refused(capsys, table, "--target", "kind", "--ignore", "x")


def test_text_where_numbers_belong(capsys, tmp_path):
    def spoil(lines):
        lines[40]["weight"] = "heavy"

    spoilt = flowers(tmp_path / "t.csv", spoil=spoil)
    assert "column 'weight' holds numbers in 119 rows but text in 1: 'heavy' on line 42." in refused(
        capsys, spoilt, "--target", "kind"
    )
    assert "column 'kind' wants numbers: 'small' on line 2, and text in 119 more rows." in refused(
        capsys, spoilt, "--target", "kind", "--task", "regression", "--ignore", "weight"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "wants a line of column names and rows below it: the file is empty."),
        ("a,kind\n", "wants rows below the column names: there are none."),
        ("a,kind\n1,x\n2,y\n", "wants at least 10 rows to learn from and to test on: 2 with a known 'kind'."),
        ("a,kind\n" + "1,x\n" * 20, "has one class only, so there is nothing to learn: 'kind' is 'x'"),
        (
            "a,kind\n" + "1,\n" * 20,
            "wants at least 10 rows to learn from and to test on: 0 with a known 'kind'.",
        ),
        ("kind\n" + "x\ny\n" * 20, "wants columns to predict 'kind' from: there are no others."),
        ("a,kind\n1,x\n2\n", "line 3 has 1 cell, the first line has 2."),
        (
            "a,kind\n1,x\n1,y\n" * 1 + "1,x\n1,y\n" * 9,
            "wants columns to predict 'kind' from: 'a': left out: every cell",
        ),
    ],
)
def test_tables_that_cannot_be_learned_from(capsys, tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    output = tmp_path / "run"

    assert message in refused(capsys, tmp_path / "t.csv", "--target", "kind", "--output", output)
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "--epochs: wants a number of 1 or more: 0."),
        (["--batch-size", "-3"], "--batch-size: wants a number of 1 or more: -3."),
        (["--lr", "-1"], "--lr: wants a number of 0 or more: -1."),
        (["--lr", "nan"], "--lr: wants a number of 0 or more: nan."),
        (["--dropout", "1"], "--dropout: is 0.99 at most: 1."),
        (
            ["--test-split", "0.8", "--validation-split", "0.2"],
            "leave too few rows to learn from: 0.2 and 0.8",
        ),
        (
            ["--hidden", "64,x"],
            "--hidden: wants the sizes of the hidden layers, whole numbers from 1 to 100000",
        ),
        (["--hidden", "64,,3"], "Try --hidden 64,32, or --hidden none."),
        (["--resume"], "--resume: wants to know the file to go on from.\n  Try --checkpoint FILE."),
        (["--seed", "-1"], "--seed: wants a number of 0 or more: -1."),
        (["--delimiter", "ab"], "wants a delimiter of one character"),
    ],
)
def test_settings_that_make_no_sense(capsys, table, tmp_path, options, message):
    output = tmp_path / "run"

    assert message in refused(capsys, table, "--target", "kind", "--output", output, *options)
    assert not output.exists()


def test_a_loss_that_is_not_finite_before_an_epoch_is_done(capsys, table, tmp_path):
    options = [
        "--plain",
        "--target",
        "weight",
        "--optimizer",
        "sgd",
        "--lr",
        "1e6",
        "--output",
        tmp_path / "run",
    ]
    message = refused(capsys, table, *options)

    assert re.match(
        r"fit\(...\): wants a finite loss: it became (nan|inf) at step \d+ \(epoch 1, batch ", message
    )
    assert "Try a smaller learning rate than 1e+06, or scaled inputs." in message
    assert message.endswith("Nothing was written: no epoch was completed.")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_later_keeps_the_best_epoch(capsys, table, tmp_path, monkeypatch):
    from clearprop import train as training

    fit = training.fit

    def explode(run):
        run.optimizer.lr = 1e30 if run.epoch == 3 else run.optimizer.lr

    def exploding(*args, callbacks=(), **options):
        return fit(*args, callbacks=[*callbacks, explode], **options)

    monkeypatch.setattr(training, "fit", exploding)
    message = refused(capsys, table, "--plain", "--target", "weight", "--output", tmp_path / "run")

    assert "(epoch 4, batch " in message
    assert "The model has the weights of epoch " in message
    state = load_safetensors(tmp_path / "run" / "model.safetensors")[0]
    assert all(np.isfinite(array).all() for array in state.values())
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 4


def test_places_that_cannot_be_written_are_found_before_the_training(capsys, table, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place, message in {
        tmp_path / "file": "wants a directory: there is a file of that name.",
        tmp_path / "file" / "below": "not a directory.",
        "/proc/none": "no such file or directory.",
    }.items():
        assert message in refused(capsys, table, "--target", "kind", "--output", place)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_that_cannot_be_replaced_leaves_the_others_alone(capsys, table, tmp_path):
    (tmp_path / "run" / "history.csv").mkdir(parents=True)

    assert "history.csv is a directory there" in refused(
        capsys, table, "--target", "kind", "--epochs", "1", "--output", tmp_path / "run"
    )
    assert os.listdir(tmp_path / "run") == ["history.csv"]


def test_a_checkpoint_of_another_run(capsys, table, tmp_path):
    common = [
        table,
        "--target",
        "kind",
        "--epochs",
        "1",
        "--checkpoint",
        tmp_path / "c",
        "--output",
        tmp_path / "run",
    ]
    assert train(*common) == 0
    message = refused(capsys, *common, "--resume", "--hidden", "7")

    assert "holds another model, optimizer or loader than this run's" in message


def test_without_scikit_learn_the_command_says_how_to_get_it(capsys, monkeypatch):
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)

    assert refused(capsys, "digits") == (
        "the data set 'digits': needs scikit-learn, which brings the data: it is not installed.\n"
        "  Try pip install 'clearprop[train]' (or pip install scikit-learn)."
    )


def test_a_reader_that_leaves_is_no_trouble_with_the_folder(table, tmp_path):
    command = [*PROGRAM, table, "--target", "kind", "--epochs", "2000", "--output", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()

    assert err == b""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [[], ["--decimal", ","]])
def test_decimal_commas_are_recognised_and_read(capsys, tmp_path, options):
    rows = "\n".join(f"{i},5;{i / 4:.2f}".replace(".", ",") for i in range(40))
    (tmp_path / "t.csv").write_text("length;price\n" + rows + "\n")
    where = ["--target", "price", "--output", tmp_path / "run", "--epochs", 1]
    assert train(tmp_path / "t.csv", *where, *options) == 0
    out = capsys.readouterr().out

    assert "price: numbers from 0 to 9.75 (regression); decimal comma" in out
    assert "length: decimal comma" in out


def test_the_next_command_is_one_that_can_be_typed(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [".venv/train/bin/clearprop"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert train(table, "--target", "kind", "--epochs", "1", "--output", tmp_path / "run") == 0

    assert "next: .venv/train/bin/clearprop predict " in capsys.readouterr().out


def test_a_compiled_step_that_is_found_wrong_is_said_once_and_the_run_goes_on(
    capsys, table, tmp_path, monkeypatch
):
    pytest.importorskip("llvmlite")
    from clearprop.compiler.capture.recording import Recording

    run = Recording.run
    monkeypatch.setenv("CLEARPROP_PROVE", "always")
    monkeypatch.setattr(Recording, "run", lambda self, *given: tuple(z * 2 for z in run(self, *given)))
    assert train(table, "--target", "weight", "--output", tmp_path / "run", "--epochs", 3) == 0

    said = capsys.readouterr().err
    assert said.count("note: compile(step): the plan does not do what the function does") == 1
    assert "The run goes on with the function's own result." in said
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 4
