"""Worker processes that make a DataLoader's batches ahead: their order is kept, their ends are noticed."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any

from clearprop.data.workers import WorkerError, serve, unpack
from clearprop.errors import at_line, lesson

_PATIENCE = 5.0  # seconds for a batch that is being made when nobody wants it any more


class Crew:
    """Workers that make batches. Batch i is asked of worker i modulo their number, and taken in order.

    `make` makes a batch of what it is asked for, in the worker; see `Made` and `Incoming`. Where the workers
    are started by `spawn`, it travels there by pickle.
    """

    make: Any
    timeout: float
    ticket: int
    count: int
    broken: bool

    def __init__(
        self, make: Any, count: int, seed: int, context: Any = None, init: Any = None, timeout: float = 0
    ) -> None:
        self.make, self.timeout, self.ticket, self.count = make, timeout, 0, count
        self.workers: list[Worker] = []
        self.broken = False
        self._end = Finalize(self, _end, (self.workers,), exitpriority=10)
        chosen = context if hasattr(context, "Process") else multiprocessing.get_context(context)
        try:
            for number in range(count):
                self.workers.append(Worker(number, count, chosen, (make, number, count, seed, init)))
        except (pickle.PicklingError, AttributeError, TypeError, AssertionError) as error:
            self.stop()
            raise WorkerError(_not_started(count, chosen, error)) from error
        except BaseException:
            self.stop()
            raise

    def makes(self, make: Any) -> bool:
        """Tell whether the workers, as they were started, make what is asked for now."""
        names = ("dataset", "collate", "collate_fn")
        return all(getattr(make, name) is getattr(self.make, name) for name in names)

    def batches(self, tasks: Iterable[tuple[Any, Any]], prefetch: int) -> Iterator[Any]:
        """Yield what is made of tasks, each an index and the numbers that settle its draws, in order."""
        waiting, ahead = iter(tasks), deque[tuple[Worker, int]]()

        def ask(worker: Worker) -> None:
            for task in islice(waiting, 1):
                self.ticket += 1
                worker.ask((self.ticket, *task))
                ahead.append((worker, self.ticket))

        for worker in self.workers * prefetch:
            ask(worker)
        while ahead:
            worker, ticket = ahead.popleft()
            kind, *rest = self._answer(worker, ticket)
            if kind == "error":
                error, text = rest
                raise error from WorkerTraceback(f"\n\nIn {worker.named()}:\n\n{text}")
            if kind == "batch":  # and nothing more is asked of a worker at its end
                ask(worker)
                yield rest[0]

    def _answer(self, worker: Worker, ticket: int) -> Any:
        """Wait for a worker's answer; those to an epoch that was left are passed over."""
        # More than some weeks, infinity among them, is more than the system can be asked to wait.
        until = time.monotonic() + self.timeout if 0 < self.timeout < 1e6 else None
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                found = worker.answer(left)
            except (EOFError, OSError):
                self.broken = True
                raise WorkerError(worker.epitaph()) from None
            if found is None:
                self.broken = True
                worker.process.kill()
                got = f"{worker.named()} is still at it"
                hint = "a longer timeout=, or more workers"
                wanted = f"wants each batch within {self.timeout:g} s"
                raise WorkerError(lesson("DataLoader(timeout=)", wanted, got, at_line(), hint))
            if found[0] == ticket:
                return found[1:]

    def stop(self) -> None:
        """End the workers; those that do not end by themselves are killed."""
        self._end()


class WorkerTraceback(Exception):
    """Where an error came from, in the process that it came from."""


class Worker:
    """One process, as the one who asks sees it."""

    number: int
    count: int
    context: Any
    answered: bool
    pipe: Any
    process: Any

    def __init__(self, number: int, count: int, context: Any, args: tuple[Any, ...]) -> None:
        self.number, self.count, self.context = number, count, context
        self.answered = False
        self.pipe, theirs = context.Pipe()
        stream = getattr(args[0], "is_stream", False)
        self.process = context.Process(
            target=serve, args=(theirs, *args, stream), name=f"clearprop loader {number}", daemon=True
        )
        try:
            with warnings.catch_warnings():
                # Python warns of forks beside threads: those of BLAS and of compiled steps survive them.
                warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
                self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()

    def named(self) -> str:
        """Return what the worker is called in a message."""
        return f"worker {self.number} of {self.count} (process {self.process.pid})"

    def ask(self, task: tuple[Any, ...]) -> None:
        """Ask for a batch; whether the worker is there is seen when the batch is due."""
        with suppress(OSError):
            self.pipe.send_bytes(pickle.dumps(task, 5))

    def answer(self, timeout: float | None) -> Any:
        """Return the next answer, None where there is none in time; EOFError where the worker is gone."""
        ready = wait([self.pipe, self.process.sentinel], timeout)
        if not ready:
            return None
        if self.pipe not in ready and not self.pipe.poll():
            raise EOFError
        found = unpack(self.pipe)
        self.answered = True
        return found

    def ask_nothing_more(self) -> None:
        """Let the worker end when it has made what it is making."""
        with suppress(OSError):
            self.pipe.send_bytes(pickle.dumps(None))
        self.pipe.close()

    def end(self, patience: float) -> None:
        """Wait for the worker's end, then kill it."""
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()

    def epitaph(self) -> str:
        """Say how the worker ended."""
        self.process.join(1.0)
        code = self.process.exitcode
        how = "closed its pipe" if code is None else f"ended by itself, with status {code}"
        if code is not None and code < 0:
            names = {s.value: s.name for s in signal.Signals}
            names[getattr(signal, "SIGALRM", 0)] = "SIGTERM"  # which the worker outlives for a while
            how = f"was ended by {names.get(-code, f'signal {-code}')}"
        hint = "num_workers=0, which shows the error where it happens"
        if code == -getattr(signal, "SIGKILL", 9):
            hint = "fewer workers or smaller batches, where memory was short; or num_workers=0"
        elif not self.answered and self.context.get_start_method() != "fork":
            hint = 'the loop below `if __name__ == "__main__":`, in a file: each worker imports it anew'
        called, wanted = f"DataLoader(num_workers={self.count})", "wants workers that make every batch"
        return lesson(called, wanted, f"{self.named()} {how}", at_line(), hint)


def _end(workers: list[Worker]) -> None:
    """Let workers end, and kill those that do not."""
    for worker in workers:
        worker.ask_nothing_more()
    until = time.monotonic() + _PATIENCE
    for worker in workers:
        worker.end(max(0.0, until - time.monotonic()))


def _not_started(count: int, context: Any, error: Exception) -> str:
    """Return the text of an error about workers that could not be started."""
    called = f"DataLoader(num_workers={count})"
    if isinstance(error, AssertionError):
        wanted = "wants a process that may have children"
        return lesson(called, wanted, str(error), hint="num_workers=0 inside a worker")
    way = context.get_start_method()
    wanted = f"wants a dataset and functions that travel to the workers, which {way!r} starts"
    hint = "functions and classes at the top of a module, without open files"
    others = multiprocessing.get_all_start_methods()
    return lesson(
        called, wanted, str(error), hint=hint + ", or multiprocessing_context='fork'" * ("fork" in others)
    )
