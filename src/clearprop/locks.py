"""Locks that the child of a fork finds free: the thread that held one in the parent is not in the child."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_made: weakref.WeakSet[Any] = weakref.WeakSet()


def lock() -> Any:
    """Return a new `threading.Lock`, free in the child of every fork.

    >>> with lock():
    ...     print("alone")
    alone
    """
    return _kept(threading.Lock())


def rlock() -> Any:
    """Return a new `threading.RLock`, free in the child of a fork, but for what its own thread holds."""
    return _kept(threading.RLock())


def _kept(made: Any) -> Any:
    _made.add(made)
    return made


def _free() -> None:
    """Free every lock in a child: they guard counts and places to compute in, never half a result."""
    for made in list(_made):
        if not (hasattr(made, "_is_owned") and made._is_owned()):
            made._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free)
