"""Several processes, each with devices of its own, that run one program: `start`, `whole`, `rank`, `size`."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.ops.random import manual_seed
from clearprop.parallel.engine import engine


def start(
    address: str | None = None, processes: int | None = None, rank: int | None = None
) -> tuple[int, int]:
    """Join the processes of one training, before anything else is asked of JAX; returns (rank, size).

    `address` is "host:port" of the first process; under Slurm, Kubernetes and on TPUs nothing is to be given.
    Random numbers start from the first process's seed everywhere. Then every process makes the same model,
    compiles the same step with a `mesh` over all devices, and calls it with the same arrays (`whole` makes
    them of parts); that they have recorded the same program from the same state is checked at its first run.

    Raises ValueError where only some of the three are given, RuntimeError where the processes do not meet.
    """
    jax = engine("parallel.start()")
    from jax.experimental import multihost_utils

    given = [x is not None for x in (address, processes, rank)]
    if any(given) and not all(given):
        got = f"address={address!r}, processes={processes!r}, rank={rank!r}"
        hint = 'start("localhost:5000", processes=2, rank=0), and rank=1 in the other'
        raise ValueError(lesson("parallel.start()", "wants all three or none", got, hint=hint))
    jax.distributed.initialize(address, processes, rank)
    seed = np.random.SeedSequence().entropy
    shared = multihost_utils.broadcast_one_to_all(np.int32(seed % (1 << 31)))  # type: ignore[operator]
    manual_seed(int(shared))
    return jax.process_index(), jax.process_count()


def rank() -> int:
    """Return this process's number, 0 for the first: the one that writes files and prints."""
    return int(engine("parallel.rank()").process_index())


def size() -> int:
    """Return how many processes there are."""
    return int(engine("parallel.size()").process_count())


def whole(part: Any) -> Any:
    """Return the rows of all processes, in the order of their ranks: every process calls it with its own.

    Raises ValueError where their shapes or dtypes differ.
    """
    engine("parallel.whole(part)")
    from jax.experimental import multihost_utils

    array = np.ascontiguousarray(part)
    about = np.array([array.ndim, *array.shape[1:], *array.dtype.str.encode()], np.int64)
    told = np.zeros(32, np.int64)
    told[: len(about)] = about
    rows = _gathered(multihost_utils, np.array([len(array) if array.ndim else -1, *told]))
    if (rows != rows[0]).any() or array.ndim == 0:
        got = f"{array.shape} {array.dtype} here, rows of all: {rows[:, 0].tolist()}"
        raise ValueError(
            lesson("parallel.whole(part)", "wants rows, of equal shapes and dtypes in all processes", got)
        )
    found = _gathered(multihost_utils, array.reshape(-1))
    return found.reshape(size() * len(array), *array.shape[1:])


def _gathered(multihost: Any, array: Any) -> Any:
    """Return one row for each process; as bytes, for JAX would shorten 64-bit numbers."""
    own = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
    found = np.asarray(multihost.process_allgather(own))
    return np.frombuffer(found.tobytes(), array.dtype).reshape(size(), -1)
