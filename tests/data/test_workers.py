"""Worker processes of a DataLoader: the same batches and draws, errors that say where, none left behind."""

import copy
import gc
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import nn, train
from clearprop.data import (
    ConcatDataset,
    DataLoader,
    IterableDataset,
    Subset,
    TensorDataset,
    WorkerError,
    get_worker_info,
)
from clearprop.torch.utils.data import DataLoader as TorchLoader

here = np.random.default_rng(1)


class Drawn:
    """Samples with everything that a dataset may draw from."""

    def __init__(self, size=11):
        self.size, self.own = size, [np.random.default_rng(3)]
        self.legacy, self.python = np.random.RandomState(4), random.Random(5)

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        drawn = [np.random.rand(), random.random(), here.random(), self.own[0].random()]  # noqa: NPY002
        drawn += [self.legacy.rand(), self.python.random(), float(clearprop.ops.random.uniform().value)]
        return np.array([i, *drawn])


class Stream(IterableDataset):
    def __init__(self, size=11, shares=False):
        self.size, self.shares = size, shares

    def __iter__(self):
        info = get_worker_info() if self.shares else None
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for i in range(first, self.size, step):
            yield np.array([i, np.random.rand()])  # noqa: NPY002


class Late(IterableDataset):
    def __iter__(self):
        for i in range(9):
            if i == 5 and get_worker_info():
                _ = get_worker_info().id
            yield i


class Faulty:
    """Ends a worker, or raises, at one sample."""

    def __init__(self, fault, at=5, length=12):
        self.fault, self.at, self.length = fault, at, length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        if i == self.at:
            self.fault()
        return i, os.getpid()


class Stubborn(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


def raise_key():
    raise KeyError("five")


def raise_stubborn():
    raise Stubborn("one", "two")


def unpicklable():
    raise ValueError(lambda: 0)


def sleep():
    time.sleep(30)


def init_fails(number):
    raise OSError(f"no file for {number}")


def note_seed(number):
    random.seed(number)  # which the draws of a batch do not follow


WAYS = [
    {"num_workers": 1},
    {"num_workers": 3},
    {"num_workers": 2, "persistent_workers": True},
    {"num_workers": 2, "prefetch_factor": 5, "worker_init_fn": note_seed, "timeout": 60},
    {"num_workers": 1, "multiprocessing_context": "spawn"},
]


def epochs(loader, count=2):
    return [[batch.copy() for batch in loader] for _ in range(count)]


def same(a, b):
    return all(
        np.array_equal(x, y) for one, two in zip(a, b, strict=True) for x, y in zip(one, two, strict=True)
    )


def running(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}") and "Z" not in _state(pid)]


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def gone(pids, seconds=60):
    until = time.monotonic() + seconds
    while (left := running(pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not left


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(map(str, way)))
@pytest.mark.parametrize(
    "dataset", [Drawn(), Stream(), Subset(Drawn(), [3, 1, 2, 9])], ids=lambda d: type(d).__name__
)
def test_batches_and_draws_are_the_same_for_any_number_of_workers(dataset, way):
    shuffle = not isinstance(dataset, Stream)
    here_before, own = here.bit_generator.state, copy.deepcopy(getattr(dataset, "own", None))
    expected = epochs(DataLoader(dataset, 3, shuffle=shuffle, seed=5))

    found = epochs(DataLoader(dataset, 3, shuffle=shuffle, seed=5, **way))

    assert same(found, expected)
    assert not np.array_equal(found[0][0][:, 1:], found[1][0][:, 1:])  # another epoch draws anew
    assert here.bit_generator.state == here_before
    assert own is None or own[0].bit_generator.state == dataset.own[0].bit_generator.state


def test_draws_of_a_loader_do_not_move_those_of_the_program():
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    clearprop.manual_seed(0)
    expected = np.random.rand(), random.random(), float(clearprop.ops.random.uniform().value)  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    clearprop.manual_seed(0)
    for dataset in (Drawn(), Stream()):
        for way in ({}, {"num_workers": 2}):
            list(DataLoader(dataset, 3, seed=5, **way))

    assert (np.random.rand(), random.random(), float(clearprop.ops.random.uniform().value)) == expected  # noqa: NPY002


@pytest.mark.by_turns("workers")
@pytest.mark.parametrize("stop", [1, 2, 4, 5])
@pytest.mark.parametrize("workers", [(0, 2), (2, 0), (2, 3)], ids=str)
def test_a_stopped_loader_goes_on_with_any_number_of_workers(stop, workers):
    def loader(count):
        return DataLoader(Drawn(), 3, shuffle=True, seed=5, num_workers=count)

    whole = [batch for epoch in epochs(loader(0), 3) for batch in epoch]
    first, found = loader(workers[0]), []
    while len(found) < stop:
        for batch in first:
            found.append(batch)
            if len(found) == stop:
                state = pickle.loads(pickle.dumps(first.state_dict()))
                break
    second = DataLoader(Drawn(), 3, shuffle=True, seed=77, num_workers=workers[1])
    second.load_state_dict(state)
    while len(found) < len(whole):
        found += list(second)

    assert same([found], [whole])


def test_a_state_of_before_draws_were_kept_is_taken():
    loader = DataLoader(TensorDataset(np.arange(10)), 3, shuffle=True, seed=1)
    state = {k: v for k, v in loader.state_dict().items() if k != "epoch"}
    other = DataLoader(TensorDataset(np.arange(10)), 3, shuffle=True, seed=2)
    other.load_state_dict(state)

    assert [b.tolist() for (b,) in other] == [b.tolist() for (b,) in loader]


def test_a_dataset_that_asks_takes_its_own_share():
    batches = [batch[:, 0].tolist() for batch in DataLoader(Stream(shares=True), 2, num_workers=2)]

    assert batches == [[0, 2], [1, 3], [4, 6], [5, 7], [8, 10], [9]]


def test_asking_after_batches_were_given_is_refused():
    with pytest.raises(RuntimeError, match="is to be asked before the first batch is full"):
        list(DataLoader(Late(), 2, num_workers=2))


def test_a_worker_knows_itself():
    class Told:
        def __len__(self):
            return 4

        def __getitem__(self, i):
            info = get_worker_info()
            return info.id, info.num_workers, info.seed % 1000, len(info.dataset), os.getpid()

    ids, counts, seeds, sizes, pids = (
        np.concatenate(x) for x in zip(*DataLoader(Told(), 1, num_workers=2), strict=True)
    )
    assert ids.tolist() == [0, 1, 0, 1]
    assert counts.tolist() == [2] * 4
    assert seeds[1] - seeds[0] in (1, -999)
    assert sizes.tolist() == [4] * 4
    assert len(set(pids.tolist()) | {os.getpid()}) == 3
    assert get_worker_info() is None


@pytest.mark.parametrize("make", [DataLoader, TorchLoader])
def test_an_error_carries_the_traceback_of_its_worker_and_comes_in_its_place(make):
    batches, seen = iter(make(Faulty(raise_key), 2, num_workers=2)), []
    with pytest.raises(KeyError, match="five") as caught:
        seen.extend(numbers.tolist() for numbers, _ in batches)
    text = "".join(traceback.format_exception(caught.value))

    assert seen == [[0, 1], [2, 3]]
    assert "in raise_key" in text
    assert "In worker 0 of 2 (process " in text


@pytest.mark.parametrize(
    ("fault", "told"), [(raise_stubborn, "Stubborn: one and two"), (unpicklable, "ValueError")]
)
def test_an_error_that_cannot_travel_is_told_of(fault, told):
    with pytest.raises(WorkerError, match=told) as caught:
        list(DataLoader(Faulty(fault), 2, num_workers=1))
    assert fault.__name__ in "".join(traceback.format_exception(caught.value))


def test_what_cannot_travel_is_an_error_of_its_batch():
    with pytest.raises(Exception, match="pickle") as caught:
        list(DataLoader([1, 2, 3], 2, num_workers=1, collate_fn=lambda samples: lambda: 0))
    assert "In worker 0 of 1" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("make", [DataLoader, TorchLoader])
@pytest.mark.parametrize(
    ("fault", "how"), [(kill, "was ended by SIGKILL"), (leave, "ended by itself, with status 3")]
)
def test_a_worker_that_ends_is_named(make, fault, how):
    with pytest.raises(
        WorkerError, match=rf"wants workers that make every batch: worker \d of 2 \(process \d+\) {how}"
    ) as caught:
        list(make(Faulty(fault), 2, num_workers=2))
    lines = str(caught.value).splitlines()
    assert lines[1].startswith(f"  At {__file__}")
    assert lines[2].startswith("  Try ")


def test_a_worker_killed_from_outside_is_noticed_and_the_next_epoch_has_new_ones():
    loader = DataLoader(Faulty(int, length=400), 2, num_workers=2, persistent_workers=True)
    batches = iter(loader)
    pid = int(next(batches)[1][0])
    os.kill(pid, signal.SIGKILL)  # long before it has made all of its batches
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(WorkerError, match="SIGKILL"):
        list(batches)
    assert len(list(loader)) == 200


def test_a_batch_that_takes_too_long_is_an_error_and_its_worker_does_not_stay():
    with pytest.raises(
        WorkerError, match=r"DataLoader\(timeout=\): wants each batch within 0.5 s: worker 0 of 1"
    ):
        list(DataLoader(Faulty(sleep, 0), 2, num_workers=1, timeout=0.5))
    assert not multiprocessing.active_children()


def test_what_a_worker_starts_with_may_fail():
    with pytest.raises(OSError, match="no file for 0") as caught:
        list(DataLoader([1, 2], num_workers=2, worker_init_fn=init_fails))
    assert "in init_fails" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("persistent", [False, True])
def test_a_loop_that_is_left_leaves_no_process(persistent):
    loader = DataLoader(Faulty(int), 1, num_workers=2, persistent_workers=persistent)
    pids = set()
    for number, (_, pid) in enumerate(loader):
        pids.add(int(pid[0]))
        if number == 3:
            break
    assert len(pids) == 2
    assert persistent == (len(running(pids)) == 2)
    if persistent:
        again = {int(pid[0]) for _, pid in loader}
        assert again == pids
        assert [n.tolist() for n, _ in loader] == [[i] for i in range(12)]
    del loader
    gc.collect()
    assert gone(pids)


def test_two_loops_at_once_each_have_their_batches():
    loader = DataLoader(Faulty(int), 2, num_workers=2, persistent_workers=True)
    pairs = [(a[0].tolist(), b[0].tolist()) for a, b in zip(loader, loader, strict=True)]
    assert pairs == [([i, i + 1], [i, i + 1]) for i in range(0, 12, 2)]


def test_persistent_workers_do_not_make_what_the_loader_no_longer_has():
    loader = DataLoader(Faulty(int), 2, num_workers=1, persistent_workers=True)
    list(loader)
    twin = copy.copy(loader)
    twin.dataset = [7, 8]
    assert [b.tolist() for b in twin] == [[7, 8]]
    assert next(iter(loader))[0].tolist() == [0, 1]
    assert (
        len(list(pickle.loads(pickle.dumps(DataLoader([1, 2, 3], num_workers=1, persistent_workers=True)))))
        == 3
    )


def test_large_arrays_travel_whole_and_can_be_written_to():
    x = np.random.default_rng(0).normal(size=(40, 3, 64, 64))
    for number, (batch, names, empty) in enumerate(
        DataLoader((x, np.array([f"n{i}" for i in range(40)]), np.zeros((40, 0))), 16, num_workers=2)
    ):
        assert np.array_equal(batch, x[number * 16 : number * 16 + 16])
        assert names[0] == f"n{number * 16}"
        assert empty.shape == (len(batch), 0)
        batch += 1


def test_datasets_of_every_kind_have_workers():
    base = TensorDataset(np.arange(6))
    for dataset in (ConcatDataset([base, base]), Subset(base, [1, 2]), [1.0, 2.0], np.eye(3), range(4)):
        expected = [np.asarray(b).tolist() for b in DataLoader(dataset, 2)]
        assert [np.asarray(b).tolist() for b in DataLoader(dataset, 2, num_workers=2)] == expected
    assert list(DataLoader([], num_workers=2)) == []


SCRIPT = """
import os, sys, time
import numpy as np
from clearprop.data import DataLoader

class Slow:
    def __len__(self):
        return 1000
    def __getitem__(self, i):
        time.sleep(0.01)
        return os.getpid()

if __name__ == "__main__":
    train, held = (DataLoader(Slow(), 2, num_workers=2, persistent_workers=p) for p in (True, False))
    pids = set()
    for a, b in zip(train, held):
        new = {*a.tolist(), *b.tolist()} - pids
        pids |= new
        if len(pids) == 4 and new:
            print(*pids, flush=True)
            if sys.argv[1:] == ["leave"]:
                sys.exit(0)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="looks for processes in /proc")
@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "SIGINT", "leave"])
def test_however_a_program_ends_its_workers_do_too(tmp_path, end):
    script = tmp_path / "loop.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), *["leave"] * (end == "leave")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        pids = [int(word) for word in program.stdout.readline().split()]
        assert len(pids) == 4
        if end == "SIGINT":
            os.killpg(program.pid, signal.SIGINT)  # as a terminal sends it: to all of them
        elif end != "leave":
            program.send_signal(getattr(signal, end))
        said = program.communicate(timeout=60)[1]
    assert gone(pids)
    assert said.count("Traceback") == (end == "SIGINT")
    if end == "leave":
        assert program.returncode == 0


def test_a_script_without_its_main_guard_is_told_what_is_missing(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text(
        textwrap.dedent(
            """
            from clearprop.data import DataLoader
            list(DataLoader([1, 2], num_workers=1, multiprocessing_context="spawn"))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert 'Try the loop below `if __name__ == "__main__":`, in a file' in done.stderr


def test_what_does_not_travel_to_a_spawned_worker_is_refused():
    with pytest.raises(
        WorkerError, match="wants a dataset and functions that travel to the workers, which 'spawn' starts"
    ):
        list(
            DataLoader(
                [1], num_workers=1, multiprocessing_context="spawn", collate_fn=lambda samples: samples
            )
        )


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"num_workers": -1}, ValueError, "wants a whole number, 0 or more: -1"),
        ({"num_workers": 1.5}, ValueError, "wants num_workers as a whole number: 1.5"),
        ({"num_workers": True}, ValueError, "wants num_workers as a whole number: True"),
        ({"num_workers": 2, "workers": 2}, ValueError, "wants threads or processes"),
        ({"persistent_workers": True}, ValueError, "is about worker processes: there are none"),
        ({"multiprocessing_context": "fork"}, ValueError, "is about worker processes"),
        ({"num_workers": 1, "multiprocessing_context": "thread"}, ValueError, "wants one of fork"),
        ({"num_workers": 1, "timeout": -1}, ValueError, "wants seconds, 0 or more: -1"),
        ({"num_workers": 1, "worker_init_fn": 3}, TypeError, "wants a function"),
        ({"num_workers": 1, "prefetch_factor": 0}, ValueError, "0 or more and 1 or more"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        DataLoader([1, 2], **options)


TRAINING = """
import sys, time
import numpy as np, clearprop
from clearprop import nn, train
from clearprop.data import DataLoader

class Rows:
    def __len__(self):
        return 64
    def __getitem__(self, i):
        return np.full(3, i / 64, np.float32), np.full(1, i / 64, np.float32)

class Told(train.Callback):
    def step_done(self, run):
        if len(sys.argv) > 3 and run.epoch == 2:  # each step waits for who ends it
            print("epoch", run.epoch, flush=True)
            time.sleep(0.3)

if __name__ == "__main__":
    clearprop.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 1))
    loader = DataLoader(Rows(), 4, shuffle=True, seed=0, num_workers=2)
    options = {"checkpoint": sys.argv[1], "resume": True, "progress": False, "callbacks": [Told()]}
    train.fit(model, "mse", loader, epochs=int(sys.argv[2]), compile=False, **options)
    print(model[0].weight.value.tobytes().hex())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or os.name == "nt", reason="signals to a group")
def test_a_training_ended_by_sigterm_to_all_its_processes_saves_and_goes_on_to_the_same_bits(tmp_path):
    script, file = tmp_path / "training.py", tmp_path / "run.safetensors"
    script.write_text(TRAINING)

    def run(path, *how):
        command = [sys.executable, str(script), str(path), "2", *how]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    with run(tmp_path / "whole.safetensors") as whole:
        expected = whole.communicate(timeout=60)[0].split()[-1]
    with run(file, "slow") as stopped:
        assert stopped.stdout.readline().startswith("epoch")
        os.killpg(stopped.pid, signal.SIGTERM)
        stopped.communicate(timeout=60)
    assert stopped.returncode == 143
    with run(file) as resumed:
        assert resumed.communicate(timeout=60)[0].split()[-1] == expected


def test_training_with_workers_has_the_same_bits_and_goes_on_with_others(tmp_path):
    def fitted(epochs, workers, **options):
        clearprop.manual_seed(0)
        model = nn.Sequential(nn.Linear(7, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        loader = DataLoader(
            Drawn(24), 8, shuffle=True, seed=1, num_workers=workers, collate=lambda b: (b[:, 1:], b[:, :1])
        )
        train.fit(model, "mse", loader, epochs=epochs, progress=False, compile=False, **options)
        return [p.value.tobytes() for p in model.parameters()]

    whole = fitted(3, 0)
    assert fitted(3, 2) == whole
    fitted(1, 2, checkpoint=tmp_path / "run.safetensors")
    assert fitted(3, 0, checkpoint=tmp_path / "run.safetensors", resume=True) == whole


@pytest.mark.parametrize("timeout", [float("inf"), 1e12])
def test_a_timeout_may_be_without_end(timeout):
    loader = DataLoader(np.arange(4.0), batch_size=2, num_workers=1, timeout=timeout)
    assert [batch.tolist() for batch in loader] == [[0.0, 1.0], [2.0, 3.0]]
