"""Training on several devices and in several processes."""

from typing import Any

from clearprop.parallel.devices import Mesh, mesh
from clearprop.parallel.hosts import rank, size, start, whole
from clearprop.parallel.launcher import launched

__all__ = [
    "Mesh",
    "all_gather",
    "all_reduce",
    "broadcast",
    "launched",
    "mesh",
    "rank",
    "size",
    "start",
    "whole",
    "world",
]


def __getattr__(name: str) -> Any:
    if name in ("Communicator", "all_gather", "all_reduce", "broadcast", "world"):  # ops of their own
        from clearprop.parallel import communicator

        return getattr(communicator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
