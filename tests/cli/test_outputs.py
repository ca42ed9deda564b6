"""What the commands write never takes the place of what they read, nor of what is not theirs."""

import os
from pathlib import Path

import pytest

from clearprop.cli import main
from clearprop.cli.outputs import apart, same_file
from clearprop.errors import InputError

TRAIN = [
    "--target",
    "kind",
    "--epochs",
    "1",
    "--hidden",
    "none",
    "--compile",
    "no",
    "--quiet",
    "--patience",
    "0",
]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 7},{'a' if i % 7 < 4 else 'b'}" for i in range(40)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["size,kind", *rows, ""]))
    return path


@pytest.fixture
def trained(table):
    assert main(["train", "t.csv", *TRAIN, "--output", "run"]) == 0
    return table.parent / "run" / "model.safetensors"


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(capsys, folder, *args):
    """Run a command that must exit with status 2 and change no file; return what it said."""
    before = contents(folder)
    capsys.readouterr()
    assert main([str(arg) for arg in args]) == 2
    assert contents(folder) == before
    return capsys.readouterr().err


def test_predictions_never_replace_the_model_or_the_table(trained, table, tmp_path, capsys):
    (tmp_path / "link.csv").symlink_to("t.csv")
    os.link(table, tmp_path / "hard.csv")
    (tmp_path / "other").mkdir()
    for output in (
        trained,
        "t.csv",
        "./t.csv",
        "other/../t.csv",
        table,
        "link.csv",
        "hard.csv",
        "run/model.safetensors",
    ):
        for force in ([], ["--force"]):
            said = refused(capsys, tmp_path, "predict", trained, "t.csv", "--output", output, *force)
            assert "would be written over it" in said


def test_training_never_replaces_its_table(table, tmp_path, capsys):
    for name in ("history.csv", "model.safetensors", "curves.png"):
        named = tmp_path / name
        named.write_bytes(table.read_bytes())
        said = refused(capsys, tmp_path, "train", name, *TRAIN, "--output", ".", "--force")
        assert f"{name} {name}: would be written over it" in said
    for option in ("--checkpoint", "--output"):
        assert "t.csv" in refused(capsys, tmp_path, "train", "t.csv", *TRAIN, option, "t.csv", "--force")
    (tmp_path / "c.previous").write_bytes(table.read_bytes())
    said = refused(capsys, tmp_path, "train", "c.previous", *TRAIN, "--checkpoint", "c", "--output", "out")
    assert "would be written over it" in said


def test_two_outputs_of_one_name_and_a_directory_in_a_file_s_place(table, tmp_path, capsys):
    for checkpoint, output in (
        ("run/model.safetensors", "run"),
        ("run", "run"),
        ("x", "x/y"),
        ("run/history.csv", "./run"),
    ):
        said = refused(
            capsys, tmp_path, "train", "t.csv", *TRAIN, "--checkpoint", checkpoint, "--output", output
        )
        assert "would be" in said


def test_files_of_others_are_replaced_with_force_alone(trained, tmp_path, capsys):
    notes = tmp_path / "notes.csv"
    notes.write_text("my,notes\n1,2\n")
    said = refused(capsys, tmp_path, "predict", trained, "t.csv", "--output", notes)
    assert "replaces only what clearprop wrote there before" in said
    assert "--force" in said

    assert main(["predict", str(trained), "t.csv", "--output", str(notes), "--force"]) == 0
    assert main(["predict", str(trained), "t.csv", "--output", str(notes)]) == 0  # its own by now


@pytest.mark.parametrize("name", ["history.csv", "model.safetensors", "curves.png"])
def test_training_asks_before_it_begins(table, tmp_path, capsys, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("somebody's own")
    said = refused(capsys, tmp_path, "train", "t.csv", *TRAIN, "--output", "run")

    assert "replaces only what clearprop wrote there before" in said


def test_training_twice_into_one_folder_needs_no_force(trained):
    assert main(["train", "t.csv", *TRAIN, "--output", "run", "--seed", "1"]) == 0


@pytest.mark.parametrize("ending", [".svg", ".html", ".txt"])
def test_drawings_and_steps_replace_only_their_own(tmp_path, capsys, ending):
    path = tmp_path / f"page{ending}"
    for command in (["draw", "a*b", "a=2", "b=3", "-o", path], ["step", "a*b", "a=2", "b=3", "--html", path]):
        path.write_text("<html>somebody's own</html>")
        assert "replaces only" in refused(capsys, tmp_path, *command)
        assert main([*map(str, command), "--force"]) == 0
        assert main(list(map(str, command))) == 0


def test_the_lectures_pages_replace_only_their_own(tmp_path, capsys):
    (tmp_path / "dag.html").write_text("somebody's own")
    command = ["lecture", "dag", "--html", "--output", str(tmp_path)]
    assert "replaces only" in refused(capsys, tmp_path, *command)

    assert main([*command, "--force"]) == main(command) == 0


def test_a_resumed_run_is_of_the_same_table_and_says_what_it_ignores(table, capsys):
    run = ["train", "t.csv", *TRAIN, "--plain", "--output", "run", "--checkpoint", "run.ckpt"]
    assert main(run) == 0
    capsys.readouterr()
    assert main([*run, "--resume", "--epochs", "2", "--lr", "0"]) == 0
    assert (
        "note: fit(resume=True): lr=0 is ignored, the checkpoint's 0.003 goes on." in capsys.readouterr().err
    )

    text = table.read_text()
    for changed, what in {
        text.replace("6,", "9,"): "table",
        text.replace(",b\n", ",c\n"): "class names",
        text.replace("size", "width"): "columns",
        text.replace(",a\n", ",1.5\n").replace(",b\n", ",2.5\n"): "task",
    }.items():
        table.write_text(changed)
        more = ["--task", "regression"] if what == "task" else []
        capsys.readouterr()
        assert main([*run, "--resume", *more]) == 2
        assert f"{what}: " in capsys.readouterr().err
    table.write_text(text)
    capsys.readouterr()
    assert main([*run, "--resume", "--seed", "5"]) == 2
    assert "seed: 0 there, 5 here" in capsys.readouterr().err


def test_a_full_disk_is_noticed_before_training(table, tmp_path, capsys, monkeypatch):
    def full(path, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clearprop.files._fill", full)
    said = refused(capsys, tmp_path, "train", "t.csv", *TRAIN, "--output", "run")

    assert "no space left on device" in said
    assert not (tmp_path / "run").exists()


def test_devices_are_written_to_and_not_replaced(trained, capsys):
    assert main(["predict", str(trained), "t.csv", "--output", os.devnull]) == 0

    assert not Path(os.devnull).is_file()


def test_names_that_differ_in_case_are_one_file_where_the_system_says_so(tmp_path, monkeypatch):
    one, other = tmp_path / "New.csv", tmp_path / "new.CSV"
    assert not same_file(one, other)
    monkeypatch.setattr("clearprop.cli.outputs._caseless", lambda folder: True)

    assert same_file(one, other)
    assert same_file(tmp_path / "é.csv", tmp_path / "e\u0301.csv")
    with pytest.raises(InputError, match="would be written over it"):
        apart({"the table": one}, {"--output": other})
