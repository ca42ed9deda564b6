"""What the commands write never takes the place of what they read, nor of what is not theirs."""

import os
from pathlib import Path

import numpy as np
import pytest

from clearprop.cli import COMMANDS, main, parser_of
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


# --- every path that an option can name, by every way that leads to it ------------------------------------
BUILD = """from clearprop import nn

def build(input_shape, outputs):
    size = 1
    for side in input_shape:
        size *= side
    return nn.Sequential(nn.Flatten(), nn.Linear(size, outputs))
"""
PATHS = {"FILE", "DIR", "DATA", "MODEL", "FILE.py:build"}
LEARN = ["--epochs", "1", "--quiet", "--compile", "no"]
# fmt: off
READ = {  # what a command reads: words that stand for {}, the path, and the files that they read
    "train":   ["t.csv", "--model net.py"],
    "train p": ["pics/b/3.png", "--model net.py"],
    "train m": ["m-images-idx3-ubyte", "m-labels-idx1-ubyte", "--model net.py"],
    "predict": ["run/model.safetensors", "t.csv", "--model net.py"],
    "predict p": ["seen/model.safetensors", "pics/b/3.png", "--model net.py"],
    "export":  ["run/model.safetensors", "--model net.py"],
    "play":    ["t.csv"],
    "check":   ["homework.py", "--hidden hidden.py"],
}
WRITTEN = {  # what it writes: the command, and the option that names a file; {} is the path
    "train":   ["train t.csv --target kind --model net.py:build --output new {learn} --checkpoint {}"],
    "train p": ["train pics --model net.py --output new {learn} --checkpoint {}"],
    "train m": ["train m-images-idx3-ubyte --model net.py --output new {learn} --checkpoint {}"],
    "predict": ["predict run/model.safetensors t.csv --model net.py:build --output {}"],
    "predict p": ["predict seen/model.safetensors pics --model net.py --output {}"],
    "export":  [f"export run/model.safetensors --model net.py --{kind} {{}}"
                for kind in ("py", "onnx", "js", "object")],
    "play":    ["play t.csv --target kind --html {}"],
    "check":   ["check homework.py --hidden hidden.py --gradescope {}",
                "check homework.py --hidden hidden.py --gradescope x.json --json {}",
                "check homework.py --hidden hidden.py --gradescope x.json --csv {}"],
}
# fmt: on
PAIRS = [
    (command, read.split()[-1])
    for name, commands in WRITTEN.items()
    for command in commands
    for read in READ[name]
]


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    """A folder with one of everything that a command reads."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("yard")
    rows = [f"{i % 7},{'a' if i % 7 < 4 else 'b'}" for i in range(40)]
    (folder / "t.csv").write_text("\n".join(["size,kind", *rows, ""]))
    (folder / "net.py").write_text(BUILD)
    (folder / "homework.py").write_text("class Node:\n    pass\n")
    (folder / "hidden.py").write_text("def test_it(student):\n    pass\n")
    pixels = np.random.default_rng(0).integers(0, 255, (12, 8, 8), np.uint8)
    for i, picture in enumerate(pixels):
        place = folder / "pics" / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(picture).save(place / f"{i}.png")
    (folder / "m-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03" + np.array(pixels.shape, ">u4").tobytes() + pixels.tobytes()
    )
    (folder / "m-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + np.array([12], ">u4").tobytes() + (np.arange(12) % 2).astype(np.uint8).tobytes()
    )
    home = os.getcwd()
    os.chdir(folder)
    try:
        assert (
            main([*["train", "t.csv", "--target", "kind", "--model", "net.py", "--output", "run"], *LEARN])
            == 0
        )
        assert main([*["train", "pics", "--model", "net.py", "--output", "seen"], *LEARN]) == 0
    finally:
        os.chdir(home)
    return folder


def ways_to(path):
    """Return words for a path: through `.` and `..`, a link, another name of it, a link to its folder."""
    for name in ("link", "hard", "side"):
        Path(name).unlink(missing_ok=True)
    Path("link").symlink_to(os.path.abspath(path))
    os.link(path, "hard")
    Path("side").symlink_to(os.path.abspath(os.path.dirname(path) or "."))
    Path("other").mkdir(exist_ok=True)
    return [
        path,
        f"./{path}",
        f"other/../{path}",
        os.path.abspath(path),
        "link",
        "hard",
        f"side/{os.path.basename(path)}",
    ]


@pytest.mark.parametrize(("command", "read"), PAIRS)
def test_no_output_of_any_command_replaces_what_it_reads(yard, monkeypatch, capsys, command, read):
    monkeypatch.chdir(yard)
    for way in ways_to(read):
        words = command.replace("{learn}", " ".join(LEARN)).replace("{}", way).split()
        said = refused(capsys, yard, *words, "--force")
        assert "would be" in said


@pytest.mark.parametrize("output", ["pics/new", "pics", "./pics/a", "other/../pics/a/new"])
def test_a_training_does_not_write_among_its_pictures(yard, monkeypatch, capsys, output):
    monkeypatch.chdir(yard)
    Path("other").mkdir(exist_ok=True)
    for words in (["--output", output], ["--checkpoint", f"{output}/c.safetensors", "--output", "new"]):
        said = refused(capsys, yard, "train", "pics", "--model", "net.py", *LEARN, *words, "--force")
        assert "would be among the pictures: pics." in said
    monkeypatch.chdir(yard / "pics")
    assert "Try --output ../out" in refused(capsys, yard, "train", ".", "--model", "../net.py", *LEARN)


def test_every_option_that_names_a_path_is_in_the_table():
    """A new option has to be entered here, as what is read or as what is written."""
    found = {
        f"{command} {(action.option_strings or [action.dest])[-1]}"
        for command in COMMANDS
        for action in parser_of(command)._actions
        if action.metavar in PATHS or action.type is Path
    }
    read = {
        "train data, predict model, predict files, predict --model, export model, export --model, play data",
        "check --hidden, explain model, explain table, explain --model, docs folder",
    }
    written = {
        "train --output, train --checkpoint, predict --output, play --html, export --py, export --onnx",
        "export --js, export --object, check --json, check --csv, check --gradescope, draw --output",
        "step --html, step --movie, step --choose, lecture --html, lecture --output, lecture --notebook",
    }
    assert found == {
        name for line in read | written for name in line.split(", ")
    }  # and `train --model`, which may also be a name
