"""Which of the objects that keep their contents to themselves a run has asked, and which it merely holds.

A profile function notes for the time of one run which code runs and whose methods written in C are called.
What such code names, other than to ask `is None` or for a class, it has asked.
"""

from __future__ import annotations

import dis
import os
import re
import sys
import types
from collections.abc import Iterable
from typing import Any

from clearprop.errors import user_line

_LAST = re.compile(r"^(.*?)(?:\[(?:'([^']*)'|[^\[\]]*)\]|\.?([A-Za-z_]\w*))$")
_LOCAL = ("argument ", "a default of ", "the default ")
_NOTHING = ("CACHE", "PUSH_NULL", "PRECALL")
_CLASS = ("isinstance", "issubclass", "id")

Places = list[tuple[str, Any]]
"""Names as one would write them, and what is there."""


class Uses:
    """Notes what a run asks of `things`; inside a `with` block, in this thread.

    >>> import io
    >>> text, other = io.StringIO("abc"), io.StringIO()
    >>> with Uses([text, other]) as uses:
    ...     _ = (lambda: text.getvalue())()
    >>> uses.asked == {id(text): uses.asked[id(text)]}
    True
    """

    def __init__(self, things: Iterable[Any]) -> None:
        self.things: dict[int, Any] = {id(x): x for x in things}
        self.asked: dict[int, str] = {}  # and in which line
        self.codes: set[types.CodeType] = set()
        self.sees = False  # whether it sees the run: another profiler may be there
        self.blind = False  # whether it has seen too little of it

    def __enter__(self) -> Uses:
        self.sees = bool(self.things) and sys.getprofile() is None
        if self.sees:
            sys.setprofile(self._saw)
        return self

    def __exit__(self, *_: object) -> None:
        if self.sees:
            sys.setprofile(None)

    def watch(self, things: Iterable[Any]) -> None:
        """Add what has come within reach during the run: of what has run before then, nobody knows."""
        for x in things:
            if id(x) in self.things:
                continue
            self.things[id(x)] = x
            if not self.sees:
                self.blind = True

    def _saw(self, frame: types.FrameType, event: str, called: Any) -> None:
        if event == "call":
            self.codes.add(frame.f_code)
            return
        if event != "c_call" or type(called) is not types.BuiltinMethodType:
            return
        held = id(called.__self__)
        if held in self.asked:
            return
        if held in self.things:
            self.asked[held] = user_line()

    def by_name(self, places: Places, codes: Iterable[types.CodeType]) -> None:
        """Add what is named by those of the user's `codes` that have run; all of them where nobody looked."""
        ran = []
        for code in codes:
            if self.blind or not self.sees or code in self.codes:
                ran.append(code)
        mentions = Mentions(ran, places)
        for place, x in places:
            if id(x) in self.asked:
                continue
            if id(x) not in self.things:
                continue
            naming = mentions.of(place)
            if naming is not None:
                file = os.path.basename(naming.co_filename)
                self.asked[id(x)] = f"{file}:{naming.co_firstlineno}"


class Mentions:
    """What code names, and what it asks containers for."""

    def __init__(self, codes: Iterable[types.CodeType], places: Places) -> None:
        self.named: dict[str, types.CodeType] = {}
        self.texts: dict[str, types.CodeType] = {}
        for code in codes:
            for name in mentioned(code):
                self.named[name] = code
            for constant in code.co_consts:
                if isinstance(constant, str):
                    self.texts[constant] = code
        self.asked: set[str] = set()  # containers of which it asks one key
        for place, _ in places:
            found = _LAST.match(place)
            if found is not None and found.group(2) in self.texts:
                self.asked.add(found.group(1))

    def of(self, place: str) -> types.CodeType | None:
        """Return code that names a place, as `self.table['a'][0]`: its last part that has a name."""
        while place:
            if place.startswith(_LOCAL):  # it has a name of its own where it came in
                return next(iter(self.named.values()), None)
            found = _LAST.match(place)
            if found is None:
                return None
            place, key, name = found.groups()
            if name is not None:
                return self.named.get(name) or self.texts.get(name)
            if key is not None and place in self.asked:
                return self.texts.get(key)
        return None


def might_ask(things: Iterable[Any], places: Places, codes: Iterable[types.CodeType]) -> list[Any]:
    """Return those of the things that some code within reach names, or names the holder of."""
    wanted = set(map(id, things))
    mentions = Mentions(codes, places)
    found: dict[int, Any] = {}
    for place, x in places:
        if id(x) not in wanted:
            continue
        last = _LAST.match(place)
        holder = last.group(1) if last is not None else ""
        if mentions.of(place) or mentions.of(holder):
            found[id(x)] = x
    return list(found.values())


def mentioned(code: types.CodeType) -> set[str]:
    """Return the variables and attributes that code asks, not those that it only compares by `is`.

    >>> mentioned((lambda: a.b[0]).__code__) == {"a", "b"}
    True
    >>> mentioned((lambda: a is None or isinstance(b, str)).__code__) & {"a", "b"}
    set()
    """
    found: set[str] = set()
    instructions = []
    for instruction in dis.get_instructions(code):
        if instruction.opname not in _NOTHING:
            instructions.append(instruction)
    asks_class = False
    for i, instruction in enumerate(instructions):
        name = instruction.argval
        following = [x.opname for x in instructions[i + 1 : i + 3]]
        if instruction.opname.startswith("CALL"):
            asks_class = False
        if not instruction.opname.startswith("LOAD_"):
            continue
        if not isinstance(name, str):
            continue
        if name in _CLASS:
            asks_class = True
        elif _is_compared(following):
            continue
        elif not asks_class or following[0].startswith("LOAD_ATTR"):
            found.add(name)
    return found


def _is_compared(following: list[str]) -> bool:
    """Whether the instructions after a name only compare it by `is`."""
    first = following[0]
    if first == "IS_OP":
        return True
    if first.startswith("POP_JUMP"):
        return first.endswith("NONE")
    if first.startswith("LOAD_"):
        return following[1:] == ["IS_OP"]
    return False
