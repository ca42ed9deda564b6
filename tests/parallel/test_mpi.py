"""Trainings by several processes over MPI: the numbers of one process, one set of files, and no hanging."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim
from clearprop.nn.functional.norm import together
from clearprop.parallel import communicator
from clearprop.parallel.launcher import launched
from clearprop.train import processes

pytest.importorskip("mpi4py")
HERE = Path(__file__).parent
BESIDE = Path(sys.prefix, "bin", "mpiexec")
MPIEXEC = str(BESIDE) if BESIDE.exists() else shutil.which("mpiexec")
if MPIEXEC is None:
    pytest.skip("there is no mpiexec", allow_module_level=True)
PLAIN = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def run(n, *words, status=0, python=(str(HERE / "on_mpi.py"),)):
    start = [MPIEXEC, "-n", str(n)] if n > 1 else []
    command = [*start, sys.executable, *python, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=PLAIN)
    assert done.returncode == status, done.stderr[-3000:]
    return done


def told(*args, **options):
    return json.loads(run(*args, **options).stdout.splitlines()[-1])


KINDS = ["plain sgd", "plain adam", "norm sgd", "norm adam", "frozen adam"]


@pytest.fixture(scope="module")
def alone():
    return told(1, "alone", ".", *KINDS)


def close(found, wanted, rtol=1e-9):
    assert len(found["rows"]) == len(wanted["rows"])
    for mine, theirs in zip(found["rows"], wanted["rows"], strict=True):
        assert mine == pytest.approx(theirs, rel=rtol)
    for name, value in wanted["state"].items():
        np.testing.assert_allclose(found["state"][name], value, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize(("n", "how"), [(2, "eager"), (2, "compiled"), (4, "eager")])
def test_losses_and_weights_are_those_of_one_process_with_the_whole_batch(alone, n, how):
    found = told(n, "fit", ".", *(f"{kind} {how}" for kind in KINDS))

    for kind in KINDS:
        close(found[kind], alone[kind])


def test_parts_of_other_lengths_count_by_their_rows(alone):
    found = told(3, "fit", ".", "norm adam eager")  # the last batch has 8 rows: 2, 3 and 3

    close(found["norm adam"], alone["norm adam"])


@pytest.mark.parametrize(("n", "how", "size"), [(2, "eager", 13), (2, "compiled", 13), (3, "compiled", 42)])
def test_batches_of_any_size_are_cut(n, how, size):
    wanted = told(1, "alone", size, "norm adam")  # 42: the last batch has two rows, which all compute
    found = told(n, "fit", size, f"norm adam {how}")

    close(found["norm adam"], wanted["norm adam"])


WEIGHED = ["rows", "balanced", "both", "own", "ignored", "gathered", "gathered-rows"]


@pytest.mark.parametrize(("n", "how"), [(2, "compiled"), (3, "eager")])
def test_weights_of_rows_and_classes_and_several_batches_a_step_are_those_of_one_process(n, how):
    wanted = told(1, "alone", 12, *(f"{kind} adam" for kind in WEIGHED))
    found = told(n, "fit", 12, *(f"{kind} adam {how}" for kind in WEIGHED))

    for kind in WEIGHED:
        close(found[f"{kind} adam"], wanted[f"{kind} adam"], rtol=1e-8)


def test_one_row_has_no_spread_in_several_processes_either():
    error = run(2, "fit", 43, "norm adam eager", status=1).stderr

    assert "wants more than one number per channel while training: (1, 12)" in error


def test_gradients_are_sent_off_while_the_backward_pass_goes_on(monkeypatch):
    class World:  # of one process, which says what it is asked for
        size, first, rank = 1, True, 0

        def __init__(self):
            self.log, self.begun = [], {}

        def begin(self, x):
            self.log.append(("begin", x.size))
            self.begun[len(self.begun)] = x
            return len(self.begun) - 1

        def finish(self, ticket):
            self.log.append(("finish", self.begun[ticket].size))
            return self.begun[ticket]

        def sum(self, x):
            return x

    world = World()
    monkeypatch.setitem(communicator._worlds, "world", world)
    monkeypatch.setattr(processes, "BUCKET", 8 * 300)
    model = nn.Sequential(nn.Linear(4, 100), nn.Tanh(), nn.Linear(100, 3), nn.Linear(3, 2)).double()
    model[0].register_full_backward_pre_hook(lambda m, g: world.log.append(("first layer",)))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    before = [p.value for p in model.parameters()]
    x, y = np.ones((6, 4)), np.arange(6) % 2
    step = processes.shared_step(model, nn.CrossEntropyLoss(), optimizer, optimizer.step)
    step(x, y, np.array([1.0, 1.0, 1.0, 1.0]), np.empty((0, 6)))

    # of 2, 6 and 3 numbers a bucket of 300 is filled by 300 more: it is off before the first layer's turn
    assert [what[0] for what in world.log] == ["begin", "first layer", "begin", "finish", "finish"]
    assert [what[1] for what in world.log if what[0] == "begin"] == [2 + 6 + 3 + 300, 100 + 400]
    assert all((p.value != old).any() for p, old in zip(model.parameters(), before, strict=True))


def test_each_process_draws_numbers_of_its_own():
    found = told(2, "fit", ".", "dropout sgd eager")["dropout sgd"]["rows"]
    again = told(2, "fit", ".", "dropout sgd eager")["dropout sgd"]["rows"]

    assert found == again
    assert found[-1]["loss"] < 2


def test_what_processes_tell_each_other_is_differentiated():
    found = told(2, "ops", ".")
    w, xs = np.array([1.0, 2.0, 3.0]), [np.arange(3.0), np.arange(3.0) + 1]

    def total(x):  # of both processes
        both = [x[:3], x[3:]]
        mean = (both[0] + both[1]) / 2
        first = sum((b * b * w).sum() for b in both) + (mean**2).sum() + (both[0] ** 3).sum()
        return 2 * (first + 4 * (x**2).sum())

    wanted = clearprop.grad(total)(np.concatenate(xs))
    np.testing.assert_allclose(np.ravel(found["gradients"]), wanted, rtol=1e-12)
    np.testing.assert_allclose(np.ravel(found["compiled"]), wanted, rtol=1e-12)
    assert 2 * found["value"] == pytest.approx(float(total(np.concatenate(xs))))


def test_arrays_of_the_first_and_rows_of_all_are_on_their_way_while_others_are_computed():
    found = told(2, "started", ".")
    w, xs = np.array([1.0, 2.0, 3.0]), [np.arange(3.0), np.arange(3.0) + 1]

    def total(x):  # of both processes
        both = [x[:3], x[3:]]
        shared = sum((b * b * w).sum() for b in both) + (both[0] ** 3).sum() + 4 * (x**2).sum()
        return (np.sin(x) ** 2).sum() + 2 * shared

    wanted = clearprop.grad(total)(np.concatenate(xs))
    np.testing.assert_allclose(np.ravel(found["gradients"]), wanted, rtol=1e-12)
    np.testing.assert_allclose(np.ravel(found["compiled"]), wanted, rtol=1e-12)
    eager, compiled = np.transpose(found["values"])
    assert eager.sum() == pytest.approx(float(total(np.concatenate(xs))))
    np.testing.assert_allclose(compiled, eager)
    kinds = ["sum", "first", "gather"]
    assert found["order"] == [f"begin {k}" for k in kinds] + [f"finish {k}" for k in kinds[::-1]]


def test_checkpoints_are_written_once_and_resumed_by_another_number(tmp_path):
    whole = told(1, "alone", ".", "norm adam")["norm adam"]
    told(2, "checkpoint", tmp_path, 1)
    told(4, "checkpoint", tmp_path, 2)
    found = told(2, "checkpoint", tmp_path, 3)

    close(found, whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.safetensors",
        "log.csv",
        "run",
        "run.previous",
    ]


def test_patience_is_of_all():
    found = told(2, "patience", ".")

    assert found["ended"] in ("stopped early", "finished")


def test_sigterm_in_one_ends_all_with_a_checkpoint(tmp_path):
    done = run(2, "term", tmp_path, status=143)

    assert (tmp_path / "run").exists()
    assert "Traceback" not in done.stderr


REFUSED = {
    "raise": (1, ["rank 1 of 2 stops all", "ZeroDivisionError: by the last process"]),
    "kill": (9, []),
    "hang": (1, ["did not arrive: rank 1"]),
    "apart": (1, ["the processes are at different places of the program"]),
    "data": (1, ["wants the same batches in every process"]),
    "weights": (1, ["wants a loss that is the mean over rows", "with weights of entries"]),
    "sum": (1, ["wants a loss that is the mean over rows"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_process_that_is_lost_or_does_something_else_stops_all(what, tmp_path):
    status, said = REFUSED[what]
    error = run(2, what, tmp_path, status=status).stderr

    for text in said:
        assert text in error


@pytest.mark.parametrize("how", ["sum", "first", "gather"])
def test_what_is_begun_at_different_places_stops_all(how):
    error = run(2, "begun apart", how, status=1).stderr

    assert "the processes are at different places of the program" in error


def test_a_world_of_one_by_mistake_is_refused_with_the_line_that_was_meant():
    error = run(1, "ops", ".", status=1).stderr

    assert "wants two processes or more: this process alone" in error
    assert "mpiexec -n 4 python on_mpi.py" in error


def test_a_launcher_that_mpi_does_not_see_is_named(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")

    assert launched() == 4
    code = "from clearprop import parallel; parallel.world()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=PLAIN | {"SLURM_STEP_NUM_TASKS": "4"},
    )
    assert "4 processes that do not see each other" in done.stderr
    assert "srun --mpi=pmi2" in done.stderr


COMMAND = ("-m", "clearprop")
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}


def test_the_command_by_processes_is_the_command(tmp_path):
    options = ["train", "iris", "--epochs", 4, "--dropout", 0, "--quiet"]
    run(1, *options, "--output", tmp_path / "one", python=COMMAND)
    done = run(1, *options, "--processes", 2, "--output", tmp_path / "two", python=COMMAND)
    started = run(2, *options, "--output", tmp_path / "started", python=COMMAND)
    tables = [
        np.genfromtxt(tmp_path / name / "history.csv", delimiter=",", skip_header=1)[:, :4]
        for name in ("one", "two", "started")
    ]

    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-5)
    np.testing.assert_array_equal(tables[1], tables[2])
    assert done.stdout.count("test accuracy") == 1
    assert started.stdout == done.stdout


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_ends_the_command_ends_its_processes_tidily(tmp_path, sent, status):
    table, kept, out = tmp_path / "t.csv", tmp_path / "kept", tmp_path / "out"
    table.write_text("x,kind\n" + "".join(f"{i % 7},{'ab'[i % 7 > 4]}\n" for i in range(120)))
    options = ["--target", "kind", "--stream", "--plain", "--epochs", 10**6, "--patience", 10**6]
    options += ["--processes", 2, "--checkpoint", kept, "--output", out]
    command = [sys.executable, *COMMAND, "train", table, *options]
    # As in a terminal, which sends Ctrl-C to all that it has started.
    started = subprocess.Popen([*map(str, command)], env=PLAIN, start_new_session=True, text=True, **SILENT)
    end = time.monotonic() + 60
    while not kept.exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert kept.exists()
    os.killpg(started.pid, sent)
    _, err = started.communicate(timeout=60)

    assert started.returncode == status, err
    assert (out / "model.safetensors").exists() == (sent == signal.SIGINT)
    assert not [*tmp_path.glob(".rows-*"), *out.glob(".unfinished-*")]


def test_a_table_that_can_be_read_once_is_not_shared():
    error = run(1, "train", "-", "--target", "y", "--processes", 2, status=2, python=COMMAND).stderr

    assert "--processes: wants a file, which each process reads: '-' can be read once" in error


def test_the_command_weighs_classes_and_rows_in_several_processes(tmp_path):
    table = tmp_path / "t.csv"
    rows = [f"{i % 7},{i % 3},{'ab'[i % 7 > 4]}" for i in range(120)]
    table.write_text("x,w,kind\n" + "\n".join(rows) + "\n")
    options = ["train", table, "--target", "kind", "--epochs", 3, "--dropout", 0, "--quiet"]
    options += ["--class-weight", "balanced", "--sample-weight", "w"]
    run(1, *options, "--output", tmp_path / "one", python=COMMAND)
    run(1, *options, "--processes", 2, "--output", tmp_path / "two", python=COMMAND)
    one, two = (
        np.genfromtxt(tmp_path / name / "history.csv", delimiter=",", skip_header=1)[:, :4]
        for name in ("one", "two")
    )

    np.testing.assert_allclose(two, one, rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "nothing.csv", "--processes", 2], "there is no such file"),
        (
            ["train", "digits", "--processes", 2, "--seeds", 3],
            "--processes: is not for what one process does",
        ),
        (["train", "digits", "--processes", 1], "wants a number of 2 or more"),
    ],
)
def test_what_the_command_refuses_is_said_once(words, said):
    error = run(1, *words, status=2, python=COMMAND).stderr

    assert error.count(said) == 1


def test_a_piece_of_a_batch_is_normalised_as_the_whole():
    x = np.arange(12.0).reshape(6, 2) ** 2
    layer, other = nn.BatchNorm1d(2).double(), nn.BatchNorm1d(2).double()
    whole = layer(x)
    mean, var = x.mean(axis=0, keepdims=True), x.var(axis=0, keepdims=True)
    given = iter([mean, var])
    with together(lambda part: next(given), 2.0):
        piece = other(x[:3])

    np.testing.assert_allclose(piece.value, whole.value[:3], rtol=1e-12)
    np.testing.assert_allclose(other.running_var.value, layer.running_var.value, rtol=1e-12)


def test_running_statistics_of_instances_follow_the_rows_of_all_processes():
    x = np.arange(24.0).reshape(4, 2, 3) ** 2
    layer, other = (nn.InstanceNorm1d(2, track_running_stats=True).double() for _ in range(2))
    layer(x)
    given = iter([x.mean(axis=(0, 2)), x.var(axis=2).mean(axis=0)])
    with together(lambda part: next(given), 2.0):
        other(x[:2])

    np.testing.assert_allclose(other.running_mean.value, layer.running_mean.value, rtol=1e-12)
    np.testing.assert_allclose(other.running_var.value, layer.running_var.value, rtol=1e-12)
