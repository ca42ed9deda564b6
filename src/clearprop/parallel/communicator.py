"""Processes that compute together over MPI: `world()`, and what they tell each other, as ops.

Every collective is met first: a few numbers say which one it is and where in the training, so that processes
that have come apart stop with an error instead of adding up what does not belong together, and a process that
does not come is named after a time.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
import zlib
from typing import Any, NamedTuple, NoReturn

import numpy as np

from clearprop.define import define
from clearprop.errors import InputError, lesson
from clearprop.facts import Facts
from clearprop.parallel.launcher import launched

GRACE = 3.0  # seconds in which those that wait find each other when another does not come


class Begun(NamedTuple):
    """Arrays on their way: how, the request, both buffers, what is to come, the word that goes along."""

    how: str
    request: Any
    sent: Any
    total: Any
    shape: tuple[int, ...]
    dtype: Any
    word: int


class Communicator:
    """The processes of one run. `rank` counts from 0; the first one writes files and prints.

    `timeout` is how many seconds the others are waited for before the run is stopped, with the ranks that did
    not come. An exception in one process is printed with its rank and ends all of them.
    """

    def __init__(self, comm: Any, timeout: float = 600.0) -> None:
        self.comm: Any = comm
        self.side: Any = comm.Dup()  # for those who look for each other
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.timeout: float = timeout
        self.place: int = 0  # where in the training this process is
        self.begun: dict[int, Begun] = {}  # what is on its way, by ticket

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def __repr__(self) -> str:
        return f"rank {self.rank} of {self.size}"

    def mine(self, rows: int) -> slice:
        """Return this process's share of so many rows: all of them where there are fewer than processes.

        >>> class Two:
        ...     Dup, Get_rank, Get_size = (lambda self: self), (lambda self: 1), (lambda self: 2)
        >>> Communicator(Two()).mine(6), Communicator(Two()).mine(7)
        (slice(3, 6, None), slice(3, 7, None))
        """
        if rows < self.size:
            return slice(0, rows)
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    # --- collectives ----------------------------------------------------------------------------------------
    def sum(self, x: Any) -> Any:
        """Return the sum of all processes' arrays, the same bits in each."""
        array = np.ascontiguousarray(x)
        wide = array.astype(np.float32) if array.dtype == np.float16 else array
        self.meet("sum", wide)
        total = np.empty_like(wide)
        self.comm.Allreduce(wide, total)
        return total.astype(array.dtype).reshape(np.shape(x))[()]

    def gather(self, x: Any) -> Any:
        """Return the rows of all processes, in the order of their ranks; they have equally many."""
        array = np.ascontiguousarray(x)
        self.meet("gather", array)
        rows = np.empty((self.size, *array.shape), array.dtype)
        self.comm.Allgather(array, rows)
        return rows.reshape(-1, *array.shape[1:])

    def share(self, thing: Any) -> Any:
        """Return the first process's thing, whatever it is: those of the others are ignored."""
        self.meet("share")
        return self.comm.bcast(thing, root=0)

    def collect(self, thing: Any) -> list[Any]:
        """Return what all processes have, in the order of their ranks, whatever it is."""
        self.meet("collect")
        return list(self.comm.allgather(thing))

    def send(self, array: Any, target: int) -> None:
        """Send an array to one process, which receives it."""
        self._wait(self.comm.Isend(array, dest=target, tag=8), f"rank {target}, to send {array.nbytes} bytes")

    def receive(self, array: Any, source: int) -> None:
        """Fill an array with what one process sends."""
        self._wait(self.comm.Irecv(array, source=source, tag=8), f"rank {source}, for {array.nbytes} bytes")

    def same(self, *arrays: Any) -> bool:
        """Return whether all processes have the same bits."""
        number = 0
        for array in arrays:
            number = zlib.crc32(np.ascontiguousarray(array).tobytes(), number)
        self.meet("same")
        return len(set(self.comm.allgather(number))) == 1

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return of each flag whether it is set in some process."""
        self.meet("any")
        found = np.empty(len(flags), np.int64)
        self.comm.Allreduce(np.array(flags, np.int64), found)
        return tuple(bool(x) for x in found)

    # --- started now, waited for later ----------------------------------------------------------------------
    def begin(self, x: Any, how: str = "sum") -> int:
        """Send an array off; return a ticket for `finish`.

        `how` is "sum", over the processes, "first", for the first one's array, or "gather", for the rows of
        all, which have equally many. A word at its end says where this process is: nobody is waited for here
        to compare it.
        """
        array = np.ascontiguousarray(x).reshape(np.shape(x))
        ticket = max(self.begun, default=-1) + 1
        word = zlib.crc32(f"{self.place} {ticket} {how} {array.shape}".encode()) % 4096
        if how == "sum":
            wide = array.dtype if array.dtype != np.float16 else np.dtype(np.float32)
            sent = np.append(array.reshape(-1), word).astype(wide)
            total = np.empty_like(sent)
            request = self.comm.Iallreduce(sent, total)
        else:
            sent = np.frombuffer(array.tobytes() + word.to_bytes(8, "little"), np.uint8).copy()
            total = sent if how == "first" else np.empty((self.size, len(sent)), np.uint8)
            first = how == "first"
            request = self.comm.Ibcast(total, root=0) if first else self.comm.Iallgather(sent, total)
        self.begun[ticket] = Begun(how, request, sent, total, array.shape, array.dtype, word)
        return ticket

    def finish(self, ticket: int) -> Any:
        """Return what `begin` has started; RuntimeError where other processes do something else."""
        held = self.begun.pop(ticket)
        what = f"the {held.how} {ticket} of a step, {held.shape} {held.dtype}"
        self._wait(held.request, what)
        if held.how == "sum":
            if held.total[-1] != self.size * held.word:
                self._apart(what)
            return held.total[:-1].astype(held.dtype).reshape(held.shape)[()]
        rows = held.total.reshape(-1, len(held.sent))
        if (rows[:, -8:] != np.frombuffer(held.word.to_bytes(8, "little"), np.uint8)).any():
            self._apart(what)
        found = np.frombuffer(rows[:, :-8].tobytes(), held.dtype)
        whole = held.shape if held.how == "first" else (self.size * held.shape[0], *held.shape[1:])
        return found.reshape(whole)[()]

    # --- meeting --------------------------------------------------------------------------------------------
    def meet(self, what: str, array: Any = None) -> None:
        """Wait until all processes are here, for the same; raises RuntimeError where they are not."""
        about = f"{what} {getattr(array, 'shape', '')} {getattr(array, 'dtype', '')}"
        here = np.array([self.place, zlib.crc32(about.encode())], np.int64)
        ends = np.empty(4, np.int64)
        from mpi4py import MPI

        self._wait(self.comm.Iallreduce(np.concatenate([here, -here]), ends, op=MPI.MAX), about)
        if (ends[:2] != -ends[2:]).any():
            self._apart(about)

    def _wait(self, request: Any, about: str) -> None:
        deadline, pause = time.monotonic() + self.timeout, 0.0
        while not request.Test():
            if time.monotonic() > deadline:
                self._give_up(about)
            time.sleep(pause)
            pause = min(pause + 1e-6, 1e-3)

    def _apart(self, about: str) -> NoReturn:
        wanted = "the processes are at different places of the program"
        got = f"rank {self.rank} is at step {self.place}, for {about.strip()}"
        hint = "the same program and the same data in every process"
        raise RuntimeError(lesson("parallel", wanted, got, hint=hint))

    def _give_up(self, about: str) -> NoReturn:
        """Stop the run, naming those who did not come: who waits tells all others so, and is told by them."""
        others = [r for r in range(self.size) if r != self.rank]
        sent = [self.side.isend(self.rank, r, tag=7) for r in others]
        came, deadline = {self.rank}, time.monotonic() + GRACE
        while time.monotonic() < deadline:
            while self.side.iprobe(tag=7):
                came.add(self.side.recv(tag=7))
            time.sleep(0.01)
        missing = [r for r in range(self.size) if r not in came]
        names = ", ".join(f"rank {r}" for r in missing) or "nobody, by now"
        got = f"{self!r} waited {self.timeout:g} s for {about.strip()}; {len(sent) + 1 - len(missing)} came"
        print(lesson("parallel", f"did not arrive: {names}", got), file=sys.stderr, flush=True)
        self.stop()

    def stop(self) -> NoReturn:
        """End all processes."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.comm.Abort(1)
        os._exit(1)


_worlds: dict[str, Communicator] = {}


def world(timeout: float = 600.0) -> Communicator:
    """Return the processes that `mpiexec` or `srun` has started; needs the extra `mpi`.

    Raises InputError where there is this one alone, with the line that was meant, and ImportError without
    mpi4py or a library of MPI.
    """
    if "world" in _worlds:
        _worlds["world"].timeout = timeout
        return _worlds["world"]
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        hint = "pip install clearprop[mpi]"
        raise ImportError(
            lesson("parallel.world()", "wants mpi4py and MPI", str(error), hint=hint)
        ) from error
    comm, started = MPI.COMM_WORLD, launched()
    if comm.Get_size() == 1:
        got, hint = (
            "this process alone",
            f"mpiexec -n 4 python {os.path.basename(sys.argv[0]) or 'program.py'}",
        )
        if started > 1:
            got = f"{started} processes that do not see each other: mpi4py has another MPI than the launcher"
            beside = os.path.join(sys.prefix, "bin", "mpiexec")
            hint = f"the mpiexec beside this Python, {beside}, or srun --mpi=pmi2"
        raise InputError(lesson("parallel.world()", "wants two processes or more", got, hint=hint))
    made = _worlds["world"] = Communicator(comm.Dup(), timeout)
    sys.excepthook = _stopping(made, sys.excepthook)
    return made


def _stopping(world: Communicator, before: Any) -> Any:
    """An exception that nobody catches ends all processes: the others would wait for this one."""

    def hook(kind: Any, error: Any, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            before(kind, error, trace)
        else:
            print(f"{world!r} stops all:", file=sys.stderr)
            traceback.print_exception(kind, error, trace)
        world.stop()

    return hook


# --- as ops -------------------------------------------------------------------------------------------------
def _all(g: Any, z: Any, x: Any, mean: bool) -> Any:
    return all_reduce(g, mean=mean)


@define("all_reduce", "opaque", _all, facts=Facts(kinks=False))
def all_reduce(x: Any, *, mean: bool = False) -> Any:
    """The sum of the processes' arrays, or their mean; so is what arrives at each of them."""
    total = _worlds["world"].sum(x)
    return total * total.dtype.type(1 / _worlds["world"].size) if mean else total


@define("begin_all_reduce", "opaque", None, facts=Facts(kinks=False))
def begin_all_reduce(x: Any) -> Any:
    """Start the sum of the processes' arrays; return a ticket for `finish_all_reduce`.

    What is computed between the two is computed while the sum is on its way, also in a compiled step, which
    keeps their order.
    """
    return np.array(_worlds["world"].begin(x))


def _finished(g: Any, z: Any, ticket: Any, x: Any) -> Any:
    return all_reduce(g)


@define("finish_all_reduce", "opaque", None, _finished, facts=Facts(kinks=False))
def finish_all_reduce(ticket: Any, x: Any) -> Any:
    """The sum that was started with `x`; gradients pass to `x` as those of `all_reduce` do."""
    return _worlds["world"].finish(int(ticket))


def _to_the_first(g: Any, z: Any, x: Any) -> Any:
    return all_reduce(g) * float(_worlds["world"].first)


@define("broadcast_first", "opaque", _to_the_first, facts=Facts(kinks=False))
def broadcast(x: Any) -> Any:
    """The first process's array, in each process; the gradient is the sum of all, for the first."""
    return _worlds["world"].finish(_worlds["world"].begin(x, "first"))


@define("begin_broadcast", "opaque", None, facts=Facts(kinks=False))
def begin_broadcast(x: Any) -> Any:
    """Start to send the first process's array to all; return a ticket for `finish_broadcast`."""
    return np.array(_worlds["world"].begin(x, "first"))


def _finished_first(g: Any, z: Any, ticket: Any, x: Any) -> Any:
    return _to_the_first(g, z, x)


@define("finish_broadcast", "opaque", None, _finished_first, facts=Facts(kinks=False))
def finish_broadcast(ticket: Any, x: Any) -> Any:
    """The first process's array, which was begun with `x`; gradients pass as those of `broadcast` do."""
    return _worlds["world"].finish(int(ticket))


def _own_rows(g: Any, z: Any, x: Any) -> Any:
    n = x.shape[0]
    return all_reduce(g)[_worlds["world"].rank * n : (_worlds["world"].rank + 1) * n]


@define("all_gather", "opaque", _own_rows, facts=Facts(kinks=False))
def all_gather(x: Any) -> Any:
    """The rows of all processes, in the order of their ranks; each is sent the sum for its own."""
    return _worlds["world"].gather(x)


@define("begin_all_gather", "opaque", None, facts=Facts(kinks=False))
def begin_all_gather(x: Any) -> Any:
    """Start to gather the rows of all processes; return a ticket for `finish_all_gather`."""
    return np.array(_worlds["world"].begin(x, "gather"))


def _finished_rows(g: Any, z: Any, ticket: Any, x: Any) -> Any:
    return _own_rows(g, z, x)


@define("finish_all_gather", "opaque", None, _finished_rows, facts=Facts(kinks=False))
def finish_all_gather(ticket: Any, x: Any) -> Any:
    """The rows of all, which were begun with `x`; gradients pass to `x` as those of `all_gather` do."""
    return _worlds["world"].finish(int(ticket))
