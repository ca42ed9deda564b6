"""What runs in a worker process of a DataLoader: it makes the batches that it is asked for, one by one."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from contextlib import nullcontext, suppress
from queue import SimpleQueue
from typing import Any

import numpy as np

from clearprop.data.draws import Draws
from clearprop.errors import lesson

GRACE = 5
"""Seconds that a worker goes on after SIGTERM: schedulers send it to all, and the batch has to be ended."""

_LOOK = 1.0  # seconds after which a worker that waits looks whether its parent is still there


class WorkerError(RuntimeError):
    """A worker process of a DataLoader ended, was too late, or could not be started."""


class WorkerInfo:
    """What a worker process knows of itself: `id`, from 0, `num_workers`, `seed`, and its own `dataset`."""

    def __init__(self, number: int, count: int, seed: int, dataset: Any) -> None:
        self._number, self._count, self._dataset = number, count, dataset
        self.seed = seed
        self.asked: bool = False

    @property
    def id(self) -> int:
        """The worker's number."""
        self.asked = True
        return self._number

    @property
    def num_workers(self) -> int:
        """How many workers there are."""
        self.asked = True
        return self._count

    @property
    def dataset(self) -> Any:
        """The worker's own copy of the dataset."""
        self.asked = True
        return self._dataset

    def is_mine(self, number: int) -> bool:
        """Tell whether a batch is this worker's, where all of them go through all batches."""
        return number % self._count == self._number

    def __repr__(self) -> str:
        return f"WorkerInfo(id={self._number}, num_workers={self._count}, seed={self.seed})"


_here: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return what a worker process of a DataLoader knows of itself; None in any other process.

    An IterableDataset that reads `id` and `num_workers` from it takes its own share of the samples.

    >>> print(get_worker_info())
    None
    """
    return _here


def serve(
    pipe: Any, make: Any, number: int, count: int, seed: int, init: Any, stream: bool
) -> None:  # pragma: no cover  # in another process
    """Make batches until nothing more is asked for, or the process that asks is gone."""
    global _here
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one who asks decides
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE))
    _here = WorkerInfo(number, count, seed + number, make.dataset)
    outbox: SimpleQueue[list[Any]] = SimpleQueue()
    # What is made waits in a thread of its own, so that the next batch is begun before this one is taken.
    threading.Thread(target=_post, args=(pipe, outbox), daemon=True).start()
    failed: tuple[Any, ...] | None = None
    draws, before = Draws(make), -1
    try:
        if init is not None:
            init(number)
    except Exception as error:
        failed = _failure(error)
    while (task := _asked(pipe, parent)) is not None:
        ticket, index, words = task
        goes_on = stream and index == before
        with nullcontext() if words is None else draws.of(words, goes_on):
            outbox.put(_answer(ticket, make, index, failed))
        before = index


def _asked(pipe: Any, parent: int) -> Any:
    """Return what is asked for next; None where there is nothing more, or nobody left who asks."""
    try:
        while not pipe.poll(_LOOK):
            if os.getppid() != parent:
                return None
        return pickle.loads(pipe.recv_bytes())
    except (EOFError, OSError):
        return None


def _answer(ticket: int, make: Any, index: Any, failed: tuple[Any, ...] | None) -> list[Any]:
    """Return a batch, or what went wrong, as the pieces of a message."""
    try:
        return pack((ticket, *(failed or make.answer(index))))
    except Exception as error:
        return pack((ticket, *_failure(error)))


def _failure(error: Exception) -> tuple[Any, ...]:
    """Return an error and its traceback, as they travel; an error that cannot travel is told of."""
    text = "".join(traceback.format_exception(error))
    try:
        travels = type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:
        travels = False
    if not travels:
        told = f"{type(error).__qualname__}: {error}"
        error = WorkerError(lesson("DataLoader(num_workers=)", "a batch could not be made", told))
    return "error", error, text


def _post(pipe: Any, outbox: SimpleQueue[list[Any]]) -> None:
    """Send what was made, in order, as it is taken."""
    with suppress(OSError, ValueError):  # nobody reads any more
        while True:
            for piece in outbox.get():
                pipe.send_bytes(piece)


def pack(thing: Any) -> list[Any]:
    """Return a message in pieces: how long they are, the thing itself, and its arrays as they lie there."""
    held: list[pickle.PickleBuffer] = []
    head = pickle.dumps(thing, 5, buffer_callback=held.append)
    pieces = [piece.raw() for piece in held]
    return [pickle.dumps([piece.nbytes for piece in pieces]), head, *pieces]


def unpack(pipe: Any) -> Any:
    """Return the next message of a pipe; its arrays can be written to."""
    sizes, head = pickle.loads(pipe.recv_bytes()), pipe.recv_bytes()
    pieces = [np.empty(size, np.uint8) for size in sizes]
    for piece in pieces:
        pipe.recv_bytes_into(piece.data)
    return pickle.loads(head, buffers=pieces)
