"""What code does with what it names: asks it, or merely looks whether it is there, or hands it on."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

_UNSEEN = ("CACHE", "PRECALL", "KW_NAMES", "RESUME", "NOP", "EXTENDED_ARG", "COPY_FREE_VARS", "NOT_TAKEN")
_AWAY = ("RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS")
_CLASS = {"isinstance", "issubclass", "id", "callable", "hasattr"}
_BY_NAME = {"getattr", "get", "pop", "setdefault"}
_OF_TWO = ("BINARY_OP", "BINARY_SUBSCR", "COMPARE_OP", "CONTAINS_OP", "IS_OP")
_VARIABLES = ("STORE_FAST", "STORE_DEREF", "STORE_NAME", "STORE_GLOBAL")
_NO_ANSWER = ("POP_TOP", "DELETE_SUBSCR", *_AWAY)


class Mention(NamedTuple):
    """A name in code, what an instruction does with what is there, and to which name that goes."""

    name: str
    how: str  # "asks", "looks", "truth", "keeps", "attribute" or "hands"
    to: str
    offset: int


@functools.lru_cache(maxsize=1 << 10)
def mentions_in(code: types.CodeType) -> tuple[Mention, ...]:
    """Return what code does with the variables, attributes and entries that it names.

    >>> [m[:3] for m in mentions_in((lambda: a.b is None).__code__)]
    [('a', 'attribute', 'b'), ('b', 'looks', '')]
    >>> [m[:3] for m in mentions_in((lambda: f(a)).__code__) if m.name == "a"]
    [('a', 'hands', 'f')]
    """
    lines = [x for x in dis.get_instructions(code) if x.opname not in _UNSEEN]
    takers = _takers(lines)
    found = []
    for i, line in enumerate(lines):
        if line.opname == "LOAD_CONST" and lines[i + 1].opname in ("MATCH_CLASS", "MATCH_KEYS"):
            found += [Mention(name, "asks", "", line.offset) for name in line.argval if type(name) is str]
        for name in _names(line):
            if line.opname == "LOAD_CONST":
                found += _of_text(name, i, lines, takers)
            else:
                how, to = _use(i, lines, takers)
                found.append(Mention(name, how, to, line.offset))
    return tuple(found)


def _names(line: Any) -> Iterator[str]:
    if not line.opname.startswith("LOAD_"):
        return
    names = line.argval if isinstance(line.argval, tuple) else (line.argval,)
    if line.opname != "LOAD_CONST" or isinstance(line.argval, str):
        yield from (name for name in names if isinstance(name, str))


def _use(i: int, lines: list[Any], takers: dict[int, tuple[int, int]]) -> tuple[str, str]:
    """What becomes of the value that an instruction leaves."""
    taker, callee = takers.get(i, (-1, -1))
    if taker < 0:
        return "asks", ""
    line = lines[taker]
    word = line.opname
    if word in ("IS_OP", "POP_TOP") or (word.startswith("POP_JUMP") and word.endswith("NONE")):
        return "looks", ""
    if word.startswith("POP_JUMP") or word == "TO_BOOL":
        return "truth", ""
    if word in _VARIABLES:
        return "keeps", line.argval
    if word in ("LOAD_ATTR", "LOAD_METHOD"):
        return "attribute", line.argval
    if word == "CALL" and callee >= 0 and callee != i:
        called = _called(lines[callee])
        return ("looks", "") if called in _CLASS else ("hands", called)
    return "asks", ""


def _of_text(text: str, i: int, lines: list[Any], takers: dict[int, tuple[int, int]]) -> list[Mention]:
    """What becomes of what a text may name: an entry or an attribute."""
    taker, callee = takers.get(i, (-1, -1))
    word = lines[taker].opname if taker >= 0 else ""
    if word == "CONTAINS_OP":
        return []
    subscript = word == "BINARY_SUBSCR" or (word == "BINARY_OP" and lines[taker].argrepr == "[]")
    called = _called(lines[callee]) if word == "CALL" and callee >= 0 else ""
    if called == "hasattr":
        return []
    if subscript or called in _BY_NAME:
        return [Mention(text, *_use(taker, lines, takers), lines[taker].offset)]
    return [Mention(part, "asks", "", lines[i].offset) for part in text.split(".")]  # of `attrgetter`, too


def _called(line: Any) -> str:
    named = line.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD", "LOAD_FAST", "LOAD_DEREF")
    return line.argval if named and isinstance(line.argval, str) else ""


def _takers(lines: list[Any]) -> dict[int, tuple[int, int]]:
    """Return which instruction takes what each leaves, and which left what is called; of plain ones alone."""
    found: dict[int, tuple[int, int]] = {}
    stack: list[int] = []
    for i, line in enumerate(lines):
        if line.is_jump_target:
            stack = []  # it may come from elsewhere
        word = line.opname
        taken = _takes(line)
        if taken is None:
            stack = []
            continue
        values = stack[len(stack) - taken :] if taken <= len(stack) else []
        callee = -1
        if word == "CALL" and values:
            named = [x for x in values[:2] if _called(lines[x])]
            callee = named[0] if named else -1
        for x in values:
            found[x] = i, callee
        del stack[max(len(stack) - taken, 0) :]
        stack += [i] * _leaves(line, taken)
        if "JUMP" in word and "POP" not in word:
            stack = []
    return found


def _takes(line: Any) -> int | None:
    """How many values an instruction takes; None where that is not plain."""
    word = line.opname
    if word == "CALL":
        return int(line.arg) + 2
    if word in _OF_TWO:
        return 2
    if word in ("LOAD_ATTR", "LOAD_METHOD", "POP_TOP", "FORMAT_VALUE", "GET_ITER", *_VARIABLES, *_AWAY[:1]):
        return 1
    if word.startswith("POP_JUMP") or word in ("TO_BOOL", "FORMAT_SIMPLE", "CONVERT_VALUE"):
        return 1
    if word.startswith("BUILD_") and word in ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_STRING"):
        return int(line.arg)
    plain = word.startswith("LOAD_") and not word.startswith(("LOAD_SUPER", "LOAD_BUILD", "LOAD_FROM"))
    return 0 if plain or word == "PUSH_NULL" or word == "JUMP_FORWARD" else None


def _leaves(line: Any, taken: int) -> int:
    """How many values it leaves."""
    word = line.opname
    if word in _VARIABLES or word in _NO_ANSWER or "JUMP" in word:
        return 0
    if taken and word not in ("LOAD_ATTR", "LOAD_METHOD"):
        return 1
    return max(dis.stack_effect(line.opcode, line.arg), 0) + taken if word.startswith("LOAD_") else 1
