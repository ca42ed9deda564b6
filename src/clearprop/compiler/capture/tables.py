"""Large tables in reach of a step: which entries its recording has read, and how they are looked at."""

from __future__ import annotations

import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any

import numpy as np

FEW = 64  # entries of a table that is looked at whole
MANY = 4_096  # entries that a step may look at at each call, one table with another
NAMED = (dict, OrderedDict, defaultdict, Counter)
LINES = (list, deque)
CHANGING = (*NAMED, *LINES, types.SimpleNamespace)
SETS = (set, frozenset)
KINDS = (*CHANGING, *SETS, tuple, types.MappingProxyType)


class LargeTable:
    """One large table, and what a recording has read of it: entries, its length, or all of it."""

    __slots__ = ("held", "keys", "listed", "sized", "stand_in", "whole")
    sized: bool
    listed: bool  # whether the members of a set have come one after the other
    whole: bool

    def __init__(self, held: Any) -> None:
        self.held: Any = held
        self.stand_in: Any = None  # one for each, since code may compare by `is`
        self.keys: dict[Any, None] = {}  # in the order of reading
        self.sized = self.listed = self.whole = False

    def parts(self) -> Iterator[tuple[Any, Any]]:
        """Yield the keys or places that were read, and what is there now.

        >>> table = LargeTable([5, 6, 7])
        >>> table.keys[-1] = None
        >>> list(table.parts())
        [(-1, 7)]
        """
        for key in self.keys:
            found = self.space(key).get(key, _NOTHING)
            if found is not _NOTHING and not isinstance(self.held, (set, frozenset)):
                yield key, found

    def spaces(self) -> Iterator[tuple[Any, Any]]:
        """Yield `(space, key)` for all that was read: `space.get(key)` tells what is there."""
        if self.sized:
            yield Length(self.held), ""
        for key in self.keys:
            yield self.space(key), key

    def space(self, key: Any) -> Any:
        """Return what tells what is there under a key."""
        held = vars(self.held) if type(self.held) is types.SimpleNamespace else self.held
        if isinstance(held, (*LINES, tuple)):
            return Items(held)
        if isinstance(held, (np.ndarray, types.MappingProxyType)):
            return Lookup(held)
        return held if isinstance(held, dict) and key in held else Presence(held)


class LargeTables:
    """The large tables in reach of one step, and what its recording has read of each.

    A run that finds the same things in all that it reads does the same again. So what a recording has not
    read is not looked at: not at the calls, not by proofs.
    """

    def __init__(self) -> None:
        self.known: dict[int, LargeTable] = {}
        self.listener: Any = None  # who is told of what is read for the first time, while a run goes on
        self.settled = False  # whether the recording is over
        self.thread: int = threading.get_ident()  # whose run it is
        self.few: int = FEW
        self.rebuilt: dict[int, tuple[Any, Any]] = {}  # tuples, and those that hold stand-ins instead

    def watch_all(self) -> None:
        """Forget all and start anew, with tables of any size: many small ones are within reach."""
        self.few = 0
        self.known.clear()

    def has(self, x: Any) -> bool:
        """Whether looking at every entry at each call would cost more than a small step.

        >>> LargeTables().has([0] * 64), LargeTables().has([0] * 65)
        (False, True)
        """
        kind = type(x)
        if kind is np.ndarray:
            return bool(x.dtype.char == "O" and x.size > self.few)
        if kind not in KINDS:
            return False
        size = len(vars(x)) if kind is types.SimpleNamespace else len(x)
        few = self.few if kind in CHANGING else FEW
        return size > few or (kind in SETS and any(map(self.has, x)))

    def of(self, x: Any) -> LargeTable:
        """Return what is known of a large table."""
        if self.settled:  # one that it has not met is none of its business
            return self.known.get(id(x)) or LargeTable(x)
        return self.known.setdefault(id(x), LargeTable(x))

    def parts(self, x: Any) -> Iterator[tuple[Any, Any]] | None:
        """Return the entries that were read of a large table; None where it is looked at as a whole."""
        if not self.has(x):
            return None
        table = self.of(x)
        return None if table.whole else table.parts()

    # --- what a run does with them --------------------------------------------------------------------------
    def read(self, held: Any, key: Any) -> None:
        """Note that an entry is read, or asked for."""
        table = self.of(held)
        if self._listens() and not table.whole and key not in table.keys:
            table.keys[key] = None
            self.listener.reads(table.space(key), key)

    def measured(self, held: Any) -> None:
        """Note that a table's length is asked for."""
        table = self.of(held)
        if self._listens() and not table.whole and not table.sized:
            table.sized = True
            self.listener.reads(Length(held), "")

    def listed(self, held: Any) -> None:
        """Note that all members of a set are asked for, in its order."""
        table = self.of(held)
        if self._listens() and not table.whole and not table.listed:
            table.listed = True
            self.listener.lists(held)

    def opened(self, held: Any) -> None:
        """Note that a table is looked at as a whole, or is about to change."""
        table = self.of(held)
        if self._listens() and not table.whole:
            table.whole = True
            self.listener.opens(held)

    def _listens(self) -> bool:
        return self.listener is not None and threading.get_ident() == self.thread


class Presence:
    """Whether a table has an entry that it had not, or a set what was looked for."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def get(self, key: Any, default: Any = None) -> Any:
        """Tell whether it has one now."""
        return key in self.table

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing: what changes a table has read all of it."""


class Items:
    """The entries of a list, by their places."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def get(self, key: int, default: Any = None) -> Any:
        """Return what is at a place, as a dict would."""
        return self.table[key] if -len(self.table) <= key < len(self.table) else default

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing: what changes a table has read all of it."""


class Lookup:
    """The objects in an array of them, or what a dict holds that nobody may change, by index or key."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what is there, as a dict would."""
        try:
            return self.table[key]
        except (IndexError, KeyError):
            return default

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing: what changes a table has read all of it."""


class Length:
    """How many entries a table has; of an array its shape."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self._latest = self._measured()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the number, the same object while it stays the same."""
        now = self._measured()
        if now != self._latest:
            self._latest = now
        return self._latest

    def _measured(self) -> Any:
        return self.table.shape if isinstance(self.table, np.ndarray) else len(self.table)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Do nothing: what changes a table has read all of it."""


COUNTS = (Presence, Length)
_NOTHING = object()
