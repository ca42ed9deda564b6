"""Rows of which each process has its own: the batches and losses of one process that is given them."""

import re

import numpy as np
import pytest
from tests.parallel.test_mpi import HERE, run
from tests.parallel.test_mpi import told as told_by

pytest.importorskip("mpi4py")
PROGRAM = (str(HERE / "on_tables.py"),)


def told(*words, **options):
    return told_by(*words, python=PROGRAM, **options)


@pytest.mark.parametrize(
    ("n", "sizes", "more", "counts"),
    [
        (2, "[40,7]", [], [23, 24]),
        (2, "[0,47]", ["weighed"], [23, 24]),
        (2, "[10,32]", ["gathered", "weighed"], [21, 21]),
        (3, "[31,1,0]", [], [9, 10, 13]),  # the last batch, of two rows, is of two of the three
        (4, "[5,5,20,23]", [], [10, 16, 11, 16]),
    ],
)
def test_losses_are_those_of_one_process_that_is_given_the_batches(n, sizes, more, counts, tmp_path):
    found = told(n, "fit", tmp_path, sizes, 10, *more)

    assert found["together"] == pytest.approx(found["alone"], rel=1e-6)
    assert found["order"]
    assert found["counts"] == counts
    assert set(found["batches"][:-1]) == {10}
    assert found["all seen"]
    assert found["other order"]


def test_a_digest_does_not_know_of_processes(tmp_path):
    digests = [told(n, "fit", tmp_path, sizes, 10)["digest"] for n, sizes in ((2, "[1,41]"), (3, "[4,30,8]"))]

    assert len(set(digests)) == 1


def test_fewer_rows_than_processes_are_refused(tmp_path):
    error = run(3, "fit", tmp_path, "[1,1,0]", 10, status=1, python=PROGRAM).stderr

    assert "wants a row of each batch for each of 3 processes: 2 rows in batches of 10" in error


def test_metrics_of_a_part_of_the_rows_and_of_one_process_alone_are_refused(tmp_path):
    found = told(2, "refused", tmp_path)

    assert "measures in the first process, which has a part of the rows" in found["metrics"]
    assert "has a part of the rows in each process: one process" in found["alone"]
    assert "wants batches of the size that the rows lie in, 10: 5" in found["size"]


def test_an_epoch_that_was_cut_goes_on_with_the_very_next_batch(tmp_path):
    found = told(2, "cut", tmp_path)

    assert found["goes on"]
    assert "the rest of this epoch has other rows" in found["warned"]


COMMAND = ("-m", "clearprop")


def table(folder, rows=900):
    """A table of CSV, and the same in three Parquet files of some row groups."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    generator = np.random.default_rng(0)
    x, town = generator.normal(size=rows), generator.choice(["Oslo", "Rome", "Lima"], rows)
    kind, w = np.where(x + (town == "Rome") > 0.3, "yes", "no"), generator.integers(0, 3, rows)
    frame = pa.table({"x": x, "town": town, "w": w, "kind": kind})
    third = rows // 3
    (folder / "parts").mkdir()
    for i in range(3):
        part = frame.slice(i * third, third)
        pq.write_table(part, folder / "parts" / f"{i}.parquet", row_group_size=100)
    cells = zip(*(frame[name].to_pylist() for name in frame.column_names), strict=True)
    lines = [",".join(frame.column_names), *(",".join(map(str, row)) for row in cells)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return folder / "parts"


def losses(folder):
    return np.genfromtxt(folder / "history.csv", delimiter=",", skip_header=1)[:, 1:3]


def test_the_command_reads_parts_in_several_processes(tmp_path):
    parts = table(tmp_path)
    options = ["--target", "kind", "--stream", "--epochs", 3, "--dropout", 0, "--seed", 2]
    said = {}
    for name, n, path in (
        ("two", 2, parts),
        ("started", 2, f"{parts}/*.parquet"),
        ("four", 4, parts),
        ("text", 2, tmp_path / "t.csv"),
    ):
        command = ["train", path, *options, "--output", tmp_path / name]
        started = n if name == "started" else 1
        command += ["--processes", n] if n > 1 and started == 1 else []
        said[name] = run(started, *command, python=COMMAND).stdout

    np.testing.assert_array_equal(losses(tmp_path / "two"), losses(tmp_path / "started"))
    for name in ("two", "four", "text"):
        assert losses(tmp_path / name)[-1, 1] < 0.5 * losses(tmp_path / name)[0, 1] + 0.2
        assert said[name].count("test accuracy") == 1
    assert "each of 2 processes reads a part of the rows, 400, 500, and learns" in " ".join(
        said["two"].split()
    )
    assert re.search(r"memory at its peak: \d+, \d+, \d+, \d+ MB in 4 processes", said["four"])
    assert not list(tmp_path.glob(".rows-*"))


def test_the_command_weighs_parts_and_measures_without_rows_held_out(tmp_path):
    parts = table(tmp_path)
    options = ["--target", "kind", "--epochs", 2, "--sample-weight", "w", "--class-weight", "balanced"]
    options += ["--validation-split", 0, "--test-split", 0, "--processes", 2, "--quiet"]
    done = run(1, "train", parts, *options, "--output", tmp_path / "out", python=COMMAND)

    assert "loss" in (tmp_path / "out" / "history.csv").read_text()
    assert done.stderr.count("note: each of 2 processes reads a part") == 1


def test_a_checkpoint_of_parts_goes_on_with_another_number_of_processes(tmp_path):
    parts = table(tmp_path)
    options = ["--target", "kind", "--dropout", 0, "--checkpoint", tmp_path / "run", "--resume", "--quiet"]
    options += ["--patience", 0, "--output", tmp_path / "out", "--plain", "--lr", 0.003]
    for epochs, processes in ((1, 2), (2, 3), (3, None)):
        more = [] if processes is None else ["--processes", processes]
        run(1, "train", parts, "--stream", *options, "--epochs", epochs, *more, python=COMMAND)
    other = [tmp_path / "t.csv", "--stream", *options, "--epochs", 4, "--processes", 2]
    error = run(1, "train", *other, status=2, python=COMMAND).stderr
    assert error.count("training data: ") == 1
    rows = (tmp_path / "out" / "history.csv").read_text().splitlines()

    assert [row.split(",")[0] for row in rows[1:]] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text + "1,Oslo,3\n", "line 902 has 3 cells"),
        (lambda text: text.replace(",1,no", ",-1,no"), "wants numbers of 0 or more"),
    ],
)
def test_what_one_process_finds_wrong_is_said_once(tmp_path, change, said):
    table(tmp_path)
    path = tmp_path / "t.csv"
    path.write_text(change(path.read_text()))
    options = ["--target", "kind", "--stream", "--sample-weight", "w", "--processes", 3]
    error = run(1, "train", path, *options, "--output", tmp_path / "out", status=2, python=COMMAND).stderr

    assert error.count(said) == 1
