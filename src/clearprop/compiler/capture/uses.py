"""Which of the objects that keep their contents to themselves a run has asked, and which it merely holds.

A profile function notes for the time of one run which code runs and whose methods written in C are called.
A trace function notes which instructions of the user's code run. What these name, other than to ask `is None`
or for a class, to keep it under another name or to hand it to a function of the user's, the run has asked.
"""

from __future__ import annotations

import os
import re
import sys
import types
from collections.abc import Iterable
from typing import Any

from clearprop.compiler.capture.culprits import is_users
from clearprop.compiler.capture.mentions import (
    ANY,
    Mention,
    Path,
    Use,
    may_be,
    mentions_in,
)
from clearprop.errors import user_line

_LAST = re.compile(r"^(.*?)(?:\[(?:'([^']*)'|[^\[\]]*)\]|\.?([A-Za-z_]\w*))$")
_DEEP = 4  # containers in containers that are looked into where a function is handed one
_TELLS = sys.version_info < (3, 12)
"""Whether Python tells of each instruction that runs: later ones are silent when a function runs first."""
_LOCAL = ("argument ", "a default of ", "the default ")
_LAST_NAME = re.compile(r"^argument \d+.*(?:\.\w+|\['[^']*'\])")

Places = list[tuple[str, Any]]
"""Names as one would write them, and what is there."""
Given = tuple[types.CodeType, str, Path]
"""A function, the name of its argument, and where the thing lies in that."""
REST: Any = object()  # at the end of a path: any other keys, or none


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
        self.things: dict[int, Any] = {}
        for x in things:
            self.things[id(x)] = x
        self.asked: dict[int, str] = {}  # and in which line
        self.codes: set[types.CodeType] = set()
        self.ran: dict[types.CodeType, set[int]] = {}  # instructions, of the user's code
        self.given: dict[int, set[Given]] = {}  # to which functions a thing was handed
        self.sees: bool = False  # whether it sees the run: another profiler may be there
        self.steps: bool = False  # whether it sees the single instructions: a debugger may be there
        self.blind: bool = False  # whether it has seen too little of it

    def __enter__(self) -> Uses:
        self.sees = bool(self.things) and sys.getprofile() is None
        self.steps = self.sees and sys.gettrace() is None and _TELLS
        if self.steps:
            sys.settrace(self._entered)
        if self.sees:
            sys.setprofile(self._saw)
        return self

    def __exit__(self, *_: object) -> None:
        if self.sees:
            sys.setprofile(None)
        if self.steps:
            sys.settrace(None)

    def watch(self, things: Iterable[Any]) -> None:
        """Add what has come within reach during the run: of what has run before then, nobody knows."""
        for x in things:
            if id(x) in self.things:
                continue
            self.things[id(x)] = x
            if not self.sees:
                self.blind = True

    def _entered(self, frame: types.FrameType, event: str, _: Any) -> Any:
        """Look at the instructions of the user's code."""
        if not is_users(frame.f_globals.get("__name__")):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        seen = self.ran.setdefault(frame.f_code, set())

        def step(frame: types.FrameType, event: str, _: Any) -> Any:
            if event == "opcode":
                seen.add(frame.f_lasti)
            return step

        return step

    def _saw(self, frame: types.FrameType, event: str, called: Any) -> None:
        if event == "call":
            self.codes.add(frame.f_code)
            self._note_given(frame)
            return
        if event != "c_call":
            return
        if not isinstance(called, types.BuiltinMethodType):
            return
        held = id(called.__self__)
        if held in self.asked:
            return
        if held in self.things:
            self.asked[held] = user_line()

    def _note_given(self, frame: types.FrameType) -> None:
        """Note what a function was handed of the things, and under which name."""
        code = frame.f_code
        if not is_users(frame.f_globals.get("__name__")):
            return
        count = code.co_argcount + code.co_kwonlyargcount
        held = frame.f_locals
        for name in code.co_varnames[:count]:
            self._note_within(held.get(name), code, name)
        for name in code.co_varnames[count : count + 2]:  # `*args` and `**kwargs`, perhaps
            if type(held.get(name)) in (tuple, dict):
                self._note_within(held.get(name), code, name)

    def _note_within(
        self,
        x: Any,
        code: types.CodeType,
        name: str,
        path: Path = (),
    ) -> None:
        """Note things that an argument is, or holds."""
        if id(x) in self.things:
            given = self.given.setdefault(id(x), set())
            given.add((code, name, path))
            return
        if len(path) >= _DEEP:
            return
        if type(x) is dict:
            for key, y in list(x.items()):
                known = key if type(key) is str else ANY
                self._note_within(y, code, name, (*path, known))
        elif type(x) in (tuple, list, set):
            for y in list(x):
                self._note_within(y, code, name, (*path, ANY))

    def by_name(self, places: Places, codes: Iterable[types.CodeType]) -> None:
        """Add what is named by those of the user's `codes` that have run; all of them where nobody looked."""
        sees = self.sees and not self.blind
        ran = []
        for code in with_inner(codes):
            if not sees or code in self.codes:
                ran.append(code)
        steps = self.ran if sees and self.steps else {}
        mentions = Mentions(ran, places, steps, sees)
        for place, x in places:
            if id(x) in self.asked:
                continue
            if id(x) not in self.things:
                continue
            naming = mentions.of(place, x, self.given.get(id(x), set()))
            if naming is not None:
                file = os.path.basename(naming.co_filename)
                self.asked[id(x)] = f"{file}:{naming.co_firstlineno}"


class Mentions:
    """What code names and asks, and what it asks containers for."""

    def __init__(
        self,
        codes: Iterable[types.CodeType],
        places: Places,
        ran: dict[types.CodeType, set[int]],
        sees: bool = False,
    ) -> None:
        self.ran = ran
        self.sees = sees
        self.handed: set[str] = set()  # functions that were handed the thing that is asked for
        self.named: dict[str, list[tuple[types.CodeType, Mention]]] = {}
        self.functions: set[str] = set()
        for code in codes:
            self.functions.add(code.co_name)
            for mention in mentions_in(code):
                if self._has_run(code, mention):
                    self.named.setdefault(mention.name, []).append((code, mention))
        self.keyed: set[str] = set()  # containers of which it asks one key
        for place, _ in places:
            found = _LAST.match(place)
            if found is not None and found.group(2) in self.named:
                self.keyed.add(found.group(1))

    def _has_run(self, code: types.CodeType, mention: Mention) -> bool:
        return code not in self.ran or mention.offset in self.ran[code]

    def of(self, place: str, x: Any, given: Iterable[Given] = ()) -> types.CodeType | None:
        """Return code that asks what is at a place, `self.table['a'][0]`: its last part that has a name."""
        self.handed = {code.co_name for code, _, _ in given}
        for code, name, path in given:
            found = self.asking(name, x, path, code)
            if found is not None:
                return found
        itself = True
        while place:
            if place.startswith(_LOCAL) and _LAST_NAME.search(place) is None:
                if self.sees:  # it has a name of its own where it came in
                    return None if itself else self._any()
                return self._any()
            last = _LAST.match(place)
            if last is None:
                return None
            place, key, name = last.groups()
            if name is not None:
                return self.asking(name, x, () if itself else (REST,))
            if key is not None and place in self.keyed:
                return self.asking(key, x, () if itself else (REST,))
            itself = False
        return None

    def _any(self) -> types.CodeType | None:
        for found in self.named.values():
            if found:
                return found[0][0]
        return None

    def asking(
        self,
        name: str,
        x: Any,
        path: Path = (),
        inside: types.CodeType | None = None,
    ) -> types.CodeType | None:
        """Return code that asks what it has under a name: `x`, or what `x` lies in, at a `path`."""
        waiting = [(name, path, inside)]
        done = set()
        while waiting:
            now = waiting.pop()
            done.add(now)
            name, path, inside = now
            for code, mention in self.named.get(name, ()):
                if inside is not None and code not in with_inner([inside]):
                    continue
                goes = self._goes(mention.use, x, path)
                if goes is None:
                    return code
                for to, there in goes:
                    then = to, there, code if to in code.co_varnames + code.co_cellvars else None
                    if then not in done:
                        waiting.append(then)
        return None

    def _goes(self, use: Use, x: Any, path: Path) -> list[tuple[str, Path]] | None:
        """Under which names, and where there, `x` is from then on, at a `path` so far; None where it asks it.

        Of a container nothing is asked by what wants its truth, stores into it or takes another entry.
        """
        how = use.how
        if how == "looks":
            return []
        if how in ("keeps", "puts"):
            there = (*use.path, *path)
            if len(there) > _DEEP:
                there = (REST,)
            return [(use.to, there)]
        if how == "hands in" or (path and how == "hands"):
            asked = self._hands(use)
        elif not path:
            asked = self._asks(use, x)
        elif how == "entry":
            return self._goes_from_entry(use, x, path)
        elif how == "seeks":  # among others by equality: most are equal to themselves alone
            kind: Any = type(x)
            asked = kind.__eq__ is not object.__eq__
        else:
            asked = how not in ("truth", "stores")
        return None if asked else []

    def _goes_from_entry(self, use: Use, x: Any, path: Path) -> list[tuple[str, Path]] | None:
        """The same of an entry that is taken."""
        then = use.then
        assert then is not None
        if path[0] is not REST:
            taken = may_be(path[0], use.path[0])
            return self._goes(then, x, path[1:]) if taken else []
        goes = []
        for rest in ((), path):
            found = self._goes(then, x, rest)
            if found is None:
                return None
            goes += found
        return goes

    def _hands(self, use: Use) -> bool:
        """Whether what holds a thing goes to a function of which nobody saw what it was given."""
        if not self.sees or use.to not in self.functions:
            return use.to != "len"
        return use.to not in self.handed

    def _asks(self, mention: Use, x: Any) -> bool:
        """Whether code asks a thing by what it does with it; calls of its methods in C are seen anyway."""
        kind = type(x)
        if mention.how == "truth":
            return hasattr(kind, "__bool__") or hasattr(kind, "__len__")
        if mention.how == "attribute":
            method = isinstance(getattr(kind, mention.to, None), types.MethodDescriptorType)
            return not (self.sees and method)
        if mention.how == "hands":
            return not (self.sees and mention.to in self.functions and mention.to in self.handed)
        return mention.how in ("asks", "entry", "stores", "seeks")


def might_ask(things: Iterable[Any], places: Places, codes: Iterable[types.CodeType]) -> list[Any]:
    """Return those of the things that some code within reach names, or names the holder of."""
    wanted = set(map(id, things))
    mentions = Mentions(with_inner(codes), places, {})
    found: dict[int, Any] = {}
    for place, x in places:
        if id(x) not in wanted:
            continue
        last = _LAST.match(place)
        holder = last.group(1) if last is not None else ""
        if mentions.of(place, x) or mentions.of(holder, x):
            found[id(x)] = x
    return list(found.values())


def with_inner(codes: Iterable[types.CodeType]) -> list[types.CodeType]:
    """Return code with that of the functions, loops and lambdas written inside of it."""
    found = list(codes)
    for code in found:  # it grows meanwhile
        for x in code.co_consts:
            if isinstance(x, types.CodeType):
                found.append(x)
    return found
