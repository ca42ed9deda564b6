"""Training on several devices and in several processes."""

from typing import Any

from clearprop.parallel.devices import Mesh, mesh
from clearprop.parallel.hosts import rank, size, start, whole
from clearprop.parallel.launcher import launched

__all__ = [
    "Mesh",
    "all_gather",
    "all_reduce",
    "begin_all_gather",
    "begin_all_reduce",
    "begin_broadcast",
    "broadcast",
    "finish_all_gather",
    "finish_all_reduce",
    "finish_broadcast",
    "launched",
    "mesh",
    "rank",
    "size",
    "start",
    "whole",
    "world",
]


_OPS = {
    "Communicator",
    "all_gather",
    "all_reduce",
    "begin_all_gather",
    "begin_all_reduce",
    "begin_broadcast",
    "broadcast",
    "finish_all_gather",
    "finish_all_reduce",
    "finish_broadcast",
    "world",
}


def __getattr__(name: str) -> Any:
    if name in _OPS:  # ops of their own
        from clearprop.parallel import communicator

        return getattr(communicator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
