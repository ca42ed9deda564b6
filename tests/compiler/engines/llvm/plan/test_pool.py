"""Threads that share a step: the same bits for every number of them, and what becomes of them."""

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn, optim, scan

pools = pytest.importorskip("clearprop.compiler.engines.llvm.plan.pool", exc_type=ImportError)
tickets = pytest.importorskip("clearprop.compiler.engines.llvm.plan.tickets")

THREADS = [1, 2, 3, 4, 8]
native = pytest.mark.skipif(not pools._native(), reason="threads wait for tasks on Linux on x86-64 alone")


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


class Attention(nn.Module):
    """A block of a transformer, over words."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 64)
        self.block = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.1, batch_first=True)
        self.end = nn.Linear(64, 50)

    def forward(self, x):
        return self.end(self.block(self.words(x))).mean(axis=1)


def mlp():
    return nn.Sequential(nn.Linear(200, 300), nn.Tanh(), nn.Linear(300, 160), nn.ReLU(), nn.Linear(160, 10))


def dropped():
    return nn.Sequential(nn.Linear(200, 300), nn.Dropout(0.3), nn.BatchNorm1d(300), nn.Linear(300, 10))


def convolutions():
    first, second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 24, 3, stride=2, groups=2)
    return nn.Sequential(
        first, nn.ReLU(), nn.MaxPool2d(2), second, nn.Tanh(), nn.Flatten(), nn.LazyLinear(10)
    )


class Recurrent(nn.Module):
    """An LSTM's last output."""

    def __init__(self):
        super().__init__()
        self.cell, self.end = nn.LSTM(20, 48, batch_first=True), nn.Linear(48, 10)

    def forward(self, x):
        return self.end(self.cell(x)[0][:, -1])


WORDS = np.random.default_rng(3).integers(0, 50, (24, 32))
NETS = {
    "mlp": (mlp, drawn(131, 200)),
    "dropout and batch norm": (dropped, drawn(96, 200)),
    "convolutions": (convolutions, drawn(20, 3, 20, 20)),
    "attention": (Attention, WORDS),
    "recurrent": (Recurrent, drawn(40, 12, 20)),
}


class Training:
    """A net with its optimizer, and a compiled step on one batch; `bits` are all that it holds."""

    def __init__(self, net, x):
        clearprop.manual_seed(5)
        self.model, self.x = net(), x
        self.y = np.arange(len(x)) % 10
        self.model(self.x)  # lazy layers learn their shapes
        self.optimizer = optim.Adam(self.model.parameters(), lr=1e-2)
        self.loss_of = nn.CrossEntropyLoss()
        self.step = clearprop.compile(self.once, executor="llvm", prove="never")

    def once(self, x, y):
        self.optimizer.zero_grad()
        loss = self.loss_of(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def run(self, steps):
        return [self.step(self.x, self.y).item() for _ in range(steps)]

    @property
    def bits(self):
        held = {**self.model.state_dict(), **{str(i): p.grad for i, p in enumerate(self.model.parameters())}}
        return {name: np.asarray(x).tobytes() for name, x in held.items()}


@pytest.fixture
def threads(monkeypatch):
    """Set how many threads the steps that are compiled next have."""
    return lambda n: monkeypatch.setenv(pools.VARIABLE, str(n))


@native
@pytest.mark.parametrize("name", NETS)
def test_a_training_has_the_same_bits_for_every_number_of_threads(threads, name):
    found = []
    for n in THREADS:
        threads(n)
        training = Training(*NETS[name])
        found.append((training.run(5), training.bits))
        assert f"threads: {n}, for the " in training.step.explain()

    assert np.isfinite(found[0][0]).all()
    assert found[0][0][0] > found[0][0][-1]
    assert [x == found[0] for x in found] == [True] * len(THREADS)


@native
def test_explain_says_how_many_threads_take_how_many_parts(threads):
    threads(3)
    large, small = (clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm") for _ in range(2))
    for _ in range(2):
        large(drawn(600, 600))
        small(drawn(3, 3))

    text = large.explain()
    assert "threads: 3, for the " in text
    assert "parts of" in text
    assert "every number of them gives the same bits" in text
    assert "in a stage of " in text
    assert "no stage is worth more than one thread" in small.explain()


@native
def test_the_threads_take_part(threads):
    threads(3)
    training = Training(*NETS["mlp"])
    training.run(3)
    workers = pools.pool(3)
    before = int(workers.control[tickets.DONE])
    for _ in range(200):
        training.run(10)
        if workers.control[tickets.DONE] > before:
            break

    assert workers.control[tickets.DONE] > before
    assert not workers.control[tickets.BUSY]


def summed(x):
    return (
        np.sum(x),
        np.max(x),
        np.argmax(x.ravel()),
        np.mean(x, axis=0),
        np.prod(1 + x / 1e4),
        np.min(x, axis=1),
    )


def normed(x):
    return np.sqrt(np.sum(x * x)), np.exp(x - np.max(x, axis=1, keepdims=True)), np.cumsum(x, axis=1)


def walked(x):
    return scan(lambda c, row: (np.tanh(c + row), c * row), np.zeros_like(x[0]), x)


PURE = {
    "reductions": (summed, drawn(700, 501)),
    "reductions in float64": (summed, drawn(300, 401).astype("f8")),
    "one long sum": (lambda x: (np.sum(x), np.sum(x * x)), drawn(1_000_003)),
    "rows": (normed, drawn(257, 1030)),
    "a scan": (walked, drawn(50, 40_000)),
    "a scan with products": (
        lambda x: scan(lambda c, row: (np.tanh(c @ x[0] + row), c.sum()), x[1], x),
        drawn(12, 120, 120) / 10,
    ),
    "dot products": (lambda x: (x @ x[0], x[0] @ x.T, x.T @ x[:, 3]), drawn(1003, 1003)),
    "a product of few rows": (lambda x: x[:5] @ x, drawn(900, 900)),
    "a product with a long inner axis": (lambda x: x.T @ x, drawn(9000, 70)),
    "picked rows": (lambda x: np.tanh(Tensor(x)[np.arange(2000) * 7 % 500]), drawn(500, 300)),
    "gradients": (clearprop.grad(lambda x: np.sum(np.tanh(x @ x.T))), drawn(200, 300)),
    "nothing": (lambda x: (np.sum(x), x * 2), drawn(0, 5)),
    "one": (lambda x: (np.sum(x), x @ x), drawn(1, 1)),
}


@native
@pytest.mark.parametrize("name", PURE)
def test_a_function_has_the_same_bits_for_every_number_of_threads(threads, name):
    f, x = PURE[name]
    found = []
    for n in THREADS:
        threads(n)
        step = clearprop.compile(f, executor="llvm")
        results = [clearprop.tree.leaves(step(x)) for _ in range(4)][-1]
        found.append([np.asarray(z).tobytes() for z in results])

    assert [x == found[0] for x in found] == [True] * len(THREADS)


@native
def test_a_run_goes_on_with_another_number_of_threads(threads, tmp_path):
    threads(1)
    whole = Training(*NETS["mlp"])
    wanted = whole.run(8)

    threads(4)
    first = Training(*NETS["mlp"])
    losses = first.run(4)
    threads(2)
    second = Training(*NETS["mlp"])
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    losses += second.run(4)

    assert losses == wanted
    assert second.bits == whole.bits


@native
def test_a_busy_neighbour_changes_no_bit(threads):
    threads(1)
    wanted = Training(*NETS["mlp"]).run(6)
    spin = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        for n in (2, 8):
            threads(n)
            assert Training(*NETS["mlp"]).run(6) == wanted
    finally:
        for process in spin:
            process.kill()
            process.wait()


# --- dealing out --------------------------------------------------------------------------------------------
TASK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
SHARE = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_bool
)


def shared(task, count, workers):
    """Run a Python function as the tasks of a region."""
    share = SHARE(pools.share_address())
    made = TASK(lambda data, number: task(number))
    share(workers.address if workers else 0, ctypes.cast(made, ctypes.c_void_p).value, None, count, False)


@native
@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_each_task_runs_once(n, count):
    workers = pools.pool(n)
    for _ in range(20):
        done = []
        shared(done.append, count, workers)
        assert sorted(done) == list(range(count))


@native
@pytest.mark.parametrize("n", [2, 4])
def test_what_a_thread_has_not_begun_is_done_by_the_others(n):
    """A thread that stops in its first task holds up this task alone: also where it is the step's own."""
    workers, caller = pools.pool(n), threading.get_ident()
    for slow in (True, False):
        by: dict[int, int] = {}
        stopped: list[int] = []

        def task(number, slow=slow, by=by, stopped=stopped):
            by[number] = me = threading.get_ident()
            mine, end = not stopped and (me == caller) == slow, time.monotonic() + 30
            if mine:
                stopped.append(me)
            while (len(by) < 16 if mine else not stopped) and time.monotonic() < end:
                time.sleep(0.001)

        shared(task, 16, workers)
        assert len(by) == 16
        assert list(by.values()).count(stopped[0]) == 1


@native
@pytest.mark.parametrize("late", [0.001, 0.1])  # seconds: while the step's thread looks on, and asleep
def test_a_region_is_over_when_another_threads_last_task_is(late):
    workers, caller = pools.pool(2), threading.get_ident()
    workers.control[[tickets.UNTIL, tickets.BALANCE]] = 0
    begun, done = threading.Event(), []

    def task(number):
        if threading.get_ident() == caller:
            begun.wait(30)
        else:
            begun.set()
            time.sleep(late)
        done.append(number)

    shared(task, 2, workers)

    assert sorted(done) == [0, 1]


@native
def test_who_was_held_up_for_long_goes_on_alone_for_a_while_and_tries_again():
    workers, caller, by = pools.pool(2), threading.get_ident(), []

    def region(held_up):
        by.clear()
        began = time.monotonic()

        def task(number):
            me = threading.get_ident()
            by.append(me)
            while held_up and me == caller and len(by) < 2 and time.monotonic() < began + 10:
                time.sleep(0.001)  # until the other thread has begun
            if held_up and me != caller:
                time.sleep(0.02 + 5 * (time.monotonic() - began))

        shared(task, 2, workers)

    workers.control[[tickets.UNTIL, tickets.BALANCE]] = 0
    region(held_up=True)
    assert len(set(by)) == 2
    until = int(workers.control[tickets.UNTIL])
    assert until > 0
    region(held_up=False)
    assert by == [caller, caller]  # although the other thread is awake
    assert int(workers.control[tickets.UNTIL]) == until
    time.sleep(1.2)

    workers.control[[tickets.UNTIL, tickets.BALANCE]] = 0, 1 << 50
    region(held_up=True)  # less than what was saved before
    assert len(set(by)) == 2
    assert list(workers.control[[tickets.UNTIL, tickets.BALANCE]]) == [0, tickets.RICH]


@native
def test_an_index_out_of_bounds_that_any_thread_finds_is_raised(threads):
    x = drawn(500, 300)
    for n in THREADS:
        threads(n)
        step = clearprop.compile(lambda x, i: np.tanh(Tensor(x)[i]), executor="llvm")
        good = np.arange(2000) % 500
        wanted = np.asarray(step(x, good)).tobytes()
        for place in (0, 700, 1999):
            bad = good.copy()
            bad[place] = 500
            with pytest.raises(IndexError):
                step(x, bad)
            assert np.asarray(step(x, good)).tobytes() == wanted


@native
def test_two_python_threads_may_call_steps_at_once(threads):
    threads(1)
    wanted = Training(*NETS["mlp"]).run(20)
    threads(4)
    trainings = [Training(*NETS["mlp"]) for _ in range(3)]
    found = {}
    callers = [threading.Thread(target=lambda k=k: found.update({k: trainings[k].run(20)})) for k in range(3)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()

    assert found == dict.fromkeys(range(3), wanted)


# --- from beginning to end ----------------------------------------------------------------------------------
LIFE = """
import os, threading, numpy as np, clearprop
from clearprop.compiler.engines.llvm.plan import pool
x = np.random.default_rng(0).standard_normal((400, 400)).astype("f4")
step = clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm")
z = [np.asarray(step(x)) for _ in range(5)][-1]
def count():
    return sum(t.name == "clearprop worker" for t in threading.enumerate())
def helped():
    workers = pool.pool()
    before = int(workers.control[16])
    for _ in range(20000):
        assert np.array_equal(np.asarray(step(x)), z)
        if workers.control[16] > before:
            return True
assert count() == 2 and helped()
{more}
print("done")
"""
FORK = """
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        again = clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm")
        same = np.array_equal(np.asarray(step(x)), z) and np.array_equal(np.asarray(again(x)), z)
        os._exit(0 if same and count() == 2 and helped() else 1)
    assert os.waitpid(pid, 0)[1] == 0
assert count() == 2 and helped()
"""
GRANDCHILD = """
import sys
pid = os.fork()
if pid == 0:
    second = os.fork()
    if second == 0:
        assert helped()
        sys.exit(0)  # the interpreter ends as it does elsewhere
    os._exit(os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]))
assert os.waitpid(pid, 0)[1] == 0
"""
AT_EXIT = """
import atexit
atexit._run_exitfuncs()
assert count() == 0
assert np.array_equal(np.asarray(step(x)), z)
"""


@native
@pytest.mark.parametrize("more", ["", FORK, GRANDCHILD, AT_EXIT], ids=["exit", "fork", "twice", "after exit"])
def test_threads_are_made_anew_after_a_fork_and_end_with_the_interpreter(more):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIFE.format(more=more)],
        capture_output=True, text=True, timeout=120, env={**os.environ, pools.VARIABLE: "3"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("done\n")


@native
@pytest.mark.parametrize("some", [0, 2])
def test_where_no_more_threads_are_to_be_had_a_step_does_with_those_there_are(monkeypatch, threads, some):
    began, start = [], threading.Thread.start

    def few(thread):
        if thread.name == "clearprop worker" and len(began) >= some:
            raise RuntimeError("can't start new thread")
        began.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    monkeypatch.setattr(pools, "_pools", {})
    threads(6)
    x = drawn(400, 400)
    step = clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm")
    results = {np.asarray(step(x)).tobytes() for _ in range(5)}
    workers = pools._pools[6]
    workers.close()

    assert workers.threads == some + 1
    assert f"threads: {some + 1}, for the " in step.explain()
    threads(1)
    alone = clearprop.compile(lambda x: np.tanh(x) @ x, executor="llvm")
    assert results == {np.asarray(alone(x)).tobytes(), np.asarray(alone(x)).tobytes()}


def test_where_threads_cannot_wait_all_tasks_run_in_their_order():
    code = pools.Code(tickets.ALONE, "share", last=True)
    done = []
    made = TASK(lambda data, number: done.append(number))
    SHARE(code.address("share"))(None, ctypes.cast(made, ctypes.c_void_p).value, None, 5, False)

    assert done == [0, 1, 2, 3, 4]


# --- how many -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "257", "²"])
def test_a_number_of_threads_that_is_none_is_refused(threads, text):
    threads(text)
    with pytest.raises(ValueError, match=f"{pools.VARIABLE}=.* wants a number of threads from 1 to 256"):
        clearprop.compile(lambda x: x * 2, executor="llvm")(np.ones(3))


def test_the_variable_may_ask_for_more_threads_than_there_are_cores(threads):
    threads(" 7 ")
    assert pools.cores() == 7
    threads("")
    assert pools.cores() <= pools._available()


QUOTAS = {
    "version 2": ("0::/a/b\n", {"a/b/cpu.max": "250000 100000"}, 2),
    "a parent's": ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
    "the smaller": ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "100000 100000"}, 1),
    "less than a core": ("0::/\n", {"cpu.max": "20000 100000"}, 1),
    "none": ("0::/a\n", {"a/cpu.max": "max 100000"}, pools.MOST),
    "version 1": (
        "4:cpu,cpuacct:/d\n2:memory:/d\n",
        {"cpu,cpuacct/d/cpu.cfs_quota_us": "400000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"},
        4,
    ),
    "version 1, none": (
        "4:cpu:/\n",
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        pools.MOST,
    ),
    "both": ("4:cpu:/d\n0::/\n", {"cpu/cpu.cfs_quota_us": "500000", "cpu/cpu.cfs_period_us": "100000"}, 5),
    "odd": ("0::/\n", {"cpu.max": "many"}, pools.MOST),
    "no groups": ("", {}, pools.MOST),
}  # fmt: skip


@pytest.mark.parametrize("name", QUOTAS)
def test_a_control_groups_quota_counts_in_whole_cores(tmp_path, name):
    groups, files, wanted = QUOTAS[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert pools._quota(tmp_path, groups) == wanted
