"""The child of a fork goes on, whatever the parent's other threads were doing."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import clearprop
from clearprop import locks
from clearprop.compiler.step import available_executors

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_a_child(work):
    """Return how a child ends that does this work: 0, or what killed it; one that hangs is ended."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12 warns of forks beside threads
@pytest.mark.parametrize("made", [locks.lock, locks.rlock])
def test_a_lock_that_another_thread_holds_is_free_in_a_child(made):
    held, done, lock = threading.Event(), threading.Event(), made()

    def hold():
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    ended = in_a_child(lambda: lock.acquire() or os._exit(2))
    done.set()
    thread.join()

    assert ended == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_forking_thread_holds_it_holds_in_the_child():
    lock = locks.rlock()

    def leave():
        lock.release()
        assert not lock._is_owned()

    with lock:
        assert in_a_child(leave) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("executor", available_executors())
def test_a_child_calls_a_step_that_another_thread_was_inside_of(executor):
    x = np.linspace(
        -1, 1, 40_000
    )  # no product of matrices: OpenBLAS's threads may hang where a process forks
    step = clearprop.compile(lambda x: (np.tanh(x) * x).sum(), executor=executor)
    wanted = float(step(x))
    going = True

    def call():
        while going:
            step(x)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        ends = []
        for _ in range(10):
            time.sleep(0.003)
            ends.append(in_a_child(lambda: os._exit(0 if float(step(x)) == wanted else 3)))
    finally:
        going = False
        thread.join()

    assert ends == [0] * 10
