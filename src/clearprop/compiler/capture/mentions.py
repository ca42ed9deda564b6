"""What code does with what it names: asks it, or merely looks whether it is there, or hands it on."""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
import re
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

_UNSEEN = ("CACHE", "PRECALL", "KW_NAMES", "RESUME", "NOP", "EXTENDED_ARG", "COPY_FREE_VARS", "NOT_TAKEN")
_AWAY = ("RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS")
_CLASS = {"isinstance", "issubclass", "id", "callable", "hasattr"}
_BY_NAME = {"getattr", "get", "pop", "setdefault"}
_CALLS = ("CALL", "CALL_KW")
_OF_TWO = ("BINARY_OP", "BINARY_SUBSCR", "COMPARE_OP", "CONTAINS_OP", "IS_OP")
_VARIABLES = ("STORE_FAST", "STORE_DEREF", "STORE_NAME", "STORE_GLOBAL")
_NO_ANSWER = ("POP_TOP", "DELETE_SUBSCR", "STORE_SUBSCR", *_AWAY)
_BUILDS = ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_MAP", "BUILD_CONST_KEY_MAP")
_LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_NAME", "LOAD_GLOBAL")

_FAST = re.compile("(?:LOAD|STORE)_FAST")

_MAKES = {"dict", "list", "OrderedDict", "defaultdict"}

Takers = dict[int, tuple[int, int, tuple[int, ...]]]


class CodeFlow(NamedTuple):
    """Instructions, which of them take what others leave, and the names of containers made there.

    Nobody has such a container under another name that it had before.
    """

    lines: list[Any]
    takers: Takers
    new: set[str]


ANY: Any = object()  # an entry of a container, whichever
Path = tuple[Any, ...]
"""By which keys, one after the other, a thing lies in what has a name: by none, it is that itself."""


class Use(NamedTuple):
    """What becomes of a value: what an instruction does with it, and to which name that goes.

    It "asks" or "looks", wants its "truth" or an "attribute", "stores" into it, "keeps" it in a variable,
    "hands" it to a function, "seeks" something in it. It "puts" it on a `path` into what it has built, and
    keeps that, or "hands in" it. Of an "entry" at a `path` of one key, `then` says the same.
    """

    how: str
    to: str = ""
    path: Path = ()
    then: Use | None = None


class Mention(NamedTuple):
    """A name in code, and what becomes of what is there."""

    name: str
    how: str
    to: str
    offset: int
    path: Path = ()
    then: Use | None = None

    @property
    def use(self) -> Use:
        """What becomes of what is there."""
        return Use(self.how, self.to, self.path, self.then)


@functools.lru_cache(maxsize=1 << 10)
def mentions_in(code: types.CodeType) -> tuple[Mention, ...]:
    """Return what code does with the variables, attributes and entries that it names.

    >>> [m[:3] for m in mentions_in((lambda: a.b is None).__code__)]
    [('a', 'attribute', 'b'), ('b', 'looks', '')]
    >>> [m[:3] for m in mentions_in((lambda: f(a)).__code__) if m.name == "a"]
    [('a', 'hands', 'f')]
    """
    lines = [y for x in dis.get_instructions(code) if x.opname not in _UNSEEN for y in _one_each(x)]
    takers = _takers(lines)
    flow = CodeFlow(lines, takers, _new(code, lines, takers))
    found = []
    cells = (*code.co_cellvars, *code.co_freevars)
    for i, line in enumerate(lines):
        if line.opname == "LOAD_FAST" and line.argval in cells:
            continue  # of a function made inside, from Python 3.13 on
        if line.opname == "LOAD_CONST" and lines[i + 1].opname in ("MATCH_CLASS", "MATCH_KEYS"):
            found += [Mention(name, "asks", "", line.offset) for name in line.argval if type(name) is str]
        for name in _names(line):
            if line.opname == "LOAD_CONST":
                found += _of_text(name, i, flow)
            else:
                found.append(_mention(name, i, flow))
    return tuple(found)


@functools.lru_cache(maxsize=1 << 10)
def updated_in(code: types.CodeType) -> frozenset[str]:
    """Return the attributes that code reads and stores again in one statement.

    >>> sorted(updated_in(compile("x.count += 1; x.last = x.count + 1", "", "exec")))
    ['count']
    """
    lines = [x for x in dis.get_instructions(code) if x.opname not in (*_UNSEEN, "SWAP")]
    stored = ((x, y.argval) for x, y in itertools.pairwise(lines) if y.opname == "STORE_ATTR")
    words = {word for x, word in stored if x.opname == "BINARY_OP" and x.argrepr.endswith("=")}
    return frozenset(words)


@functools.lru_cache(maxsize=1 << 10)
def only_calls(code: types.CodeType, name: str) -> bool | None:
    """Tell whether code, and what is made in it, only calls a global name; None where it does not have it.

    >>> [only_calls(compile(text, "", "eval"), "f") for text in ("f(1) + f(2)", "f(1) is f", "g(f)", "g(1)")]
    [True, False, False, None]
    """
    lines = [x for x in dis.get_instructions(code) if x.opname not in _UNSEEN]
    takers = _takers(lines)
    named = [i for i, x in enumerate(lines) if x.argval == name and x.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    found = [takers[i][1] == i if i in takers else False for i in named]
    inner = (only_calls(x, name) for x in code.co_consts if isinstance(x, types.CodeType))
    found += [x for x in inner if x is not None]
    return all(found) if found else None


def asked_of(code: types.CodeType, name: str) -> set[str]:
    """Return the attributes that code, and what is made in it, asks of what has a name.

    >>> sorted(asked_of(compile("m.a + (lambda: m.b)() + c.d", "", "eval"), "m"))
    ['a', 'b']
    """
    found = {m.to for m in mentions_in(code) if m.name == name and m.how == "attribute"}
    return found.union(*(asked_of(x, name) for x in code.co_consts if isinstance(x, types.CodeType)))


@functools.lru_cache(maxsize=1 << 10)
def imported_in(code: types.CodeType) -> frozenset[str]:
    """Return the modules that code, and what is made in it, imports.

    >>> sorted(imported_in(compile("import a.b; from c import d", "", "exec")))
    ['a.b', 'c']
    """
    found = {x.argval for x in dis.get_instructions(code) if x.opname == "IMPORT_NAME"}
    return frozenset(found).union(*(imported_in(x) for x in code.co_consts if isinstance(x, types.CodeType)))


def _one_each(line: Any) -> Iterator[Any]:
    """Yield an instruction, or the two that Python 3.13 writes as one: `STORE_FAST_LOAD_FAST`."""
    words = _FAST.findall(line.opname)
    if len(words) < 2:
        yield line
        return
    for word, name in zip(words, line.argval, strict=True):
        yield line._replace(opname=word, opcode=dis.opmap[word], argval=name)
        line = line._replace(label=None)


def _mention(name: str, i: int, flow: CodeFlow) -> Mention:
    use = _use(i, flow)
    return Mention(name, use.how, use.to, flow.lines[i].offset, use.path, use.then)


def _names(line: Any) -> Iterator[str]:
    if not line.opname.startswith(("LOAD_", "IMPORT_FROM")) or line.opname == "LOAD_CLOSURE":
        return  # a function made inside is looked at itself
    names = line.argval if isinstance(line.argval, tuple) else (line.argval,)
    if line.opname != "LOAD_CONST" or isinstance(line.argval, str):
        yield from (name for name in names if isinstance(name, str))


def _use(i: int, flow: CodeFlow) -> Use:
    """What becomes of the value that an instruction leaves."""
    lines = flow.lines
    taker, callee, values = flow.takers.get(i, (-1, -1, ()))
    if taker < 0:
        return Use("asks")
    line = lines[taker]
    word = line.opname
    if word in ("IS_OP", "POP_TOP") or (word.startswith("POP_JUMP") and word.endswith("NONE")):
        return Use("looks")
    if word.startswith("POP_JUMP") or word == "TO_BOOL":
        return Use("truth")
    if word in _VARIABLES:
        return Use("keeps", line.argval)
    if word in ("LOAD_ATTR", "LOAD_METHOD"):
        return Use("attribute", line.argval)
    if word in _CALLS and callee >= 0 and callee != i:
        called = _called(lines[callee])
        return Use("looks") if called in _CLASS else Use("hands", called)
    if word in _BUILDS:
        return _put(_use(taker, flow), _key_in(line, i, values, lines))
    if word == "STORE_SUBSCR" and i == values[0] and _loaded(lines[values[1]]) in flow.new:
        return Use("puts", lines[values[1]].argval, (_constant(lines[values[2]]),))
    if word == "CONTAINS_OP" and i == values[1]:
        return Use("seeks")
    if word == "STORE_SUBSCR" and i == values[1]:
        return Use("stores")
    if _is_subscript(line) and i == values[0]:
        return Use("entry", "", (_constant(lines[values[1]]),), _use(taker, flow))
    return Use("asks")


def _put(use: Use, key: Any) -> Use:
    """What becomes of a value that is under a key of a new container, from what becomes of that."""
    if use.how in ("looks", "truth"):
        return Use("looks")
    if use.how == "entry" and use.then is not None:
        return use.then if may_be(key, use.path[0]) else Use("looks")
    if use.how in ("keeps", "puts"):
        return Use("puts", use.to, (*use.path, key))
    return Use("hands in", use.to) if use.how in ("hands", "hands in") else Use("asks")


def may_be(key: Any, other: Any) -> bool:
    """Tell whether two keys may be the same, of which one may be any.

    >>> may_be("a", "b"), may_be("a", ANY)
    (False, True)
    """
    return key is ANY or other is ANY or bool(key == other)


def _key_in(line: Any, i: int, values: tuple[int, ...], lines: list[Any]) -> Any:
    """Under which key an instruction that builds a container puts one of the values that it takes."""
    at = values.index(i)
    if line.opname == "BUILD_MAP":
        return _constant(lines[values[at - 1]]) if at % 2 else ANY
    if line.opname == "BUILD_CONST_KEY_MAP":
        return lines[values[-1]].argval[at]
    return at if line.opname != "BUILD_SET" else ANY


def _constant(line: Any) -> Any:
    """Return the key that an instruction leaves, ANY where it is not known or counts from the end."""
    key = line.argval if line.opname == "LOAD_CONST" else ANY
    return key if isinstance(key, str) or (type(key) is int and key >= 0) else ANY


def _is_subscript(line: Any) -> bool:
    return bool(line.opname == "BINARY_SUBSCR" or (line.opname == "BINARY_OP" and line.argrepr == "[]"))


def _of_text(text: str, i: int, flow: CodeFlow) -> list[Mention]:
    """What becomes of what a text may name: an entry or an attribute."""
    lines, takers = flow.lines, flow.takers
    taker, callee, _ = takers.get(i, (-1, -1, ()))
    word = lines[taker].opname if taker >= 0 else ""
    if word == "CONTAINS_OP":
        return []
    subscript = taker >= 0 and _is_subscript(lines[taker])
    called = _called(lines[callee]) if word in _CALLS and callee >= 0 else ""
    if called == "hasattr":
        return []
    if subscript or called in _BY_NAME:
        return [_mention(text, taker, flow)]
    values = takers[i][2] if taker >= 0 else ()
    if (word == "STORE_SUBSCR" and i == values[2]) or (word == "BUILD_MAP" and values.index(i) % 2 == 0):
        return []  # a key of what is built
    return [Mention(part, "asks", "", lines[i].offset) for part in text.split(".")]  # of `attrgetter`, too


def _loaded(line: Any) -> str:
    """Return the variable that an instruction loads, '' where it does something else."""
    return line.argval if line.opname in _LOADS and isinstance(line.argval, str) else ""


def _new(code: types.CodeType, lines: list[Any], takers: Takers) -> set[str]:
    """Return the variables into which this code stores nothing but containers that it makes itself."""
    given = code.co_argcount + code.co_kwonlyargcount
    given += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    left = {takers[i][0]: i for i in takers}
    made: dict[str, bool] = dict.fromkeys(code.co_varnames[:given], False)
    for i, line in enumerate(lines):
        if line.opname.startswith("STORE_") and line.opname != "STORE_ATTR":
            names = line.argval if isinstance(line.argval, tuple) else (line.argval,)
            makes = i in left and _builds(left[i], lines, takers)
            for name in names:
                made[name] = made.get(name, True) and makes
    return {name for name, always in made.items() if always}


def _builds(i: int, lines: list[Any], takers: Takers) -> bool:
    """Whether an instruction leaves a container that it has made."""
    if lines[i].opname in _BUILDS:
        return True
    callees = [lines[callee] for taker, callee, _ in takers.values() if taker == i and callee >= 0]
    return any(x.opname in ("LOAD_GLOBAL", "LOAD_NAME") and x.argval in _MAKES for x in callees)


def _called(line: Any) -> str:
    named = line.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_ATTR", "LOAD_METHOD", "LOAD_FAST", "LOAD_DEREF")
    return line.argval if named and isinstance(line.argval, str) else ""


def _takers(lines: list[Any]) -> Takers:
    """Return which instruction takes what each leaves, which left what is called, and all that it takes.

    That is of plain ones alone.
    """
    found: Takers = {}
    stack: list[int] = []
    for i, line in enumerate(lines):
        if line.is_jump_target:
            stack = []  # it may come from elsewhere
        word = line.opname
        if word == "SWAP" and line.arg <= len(stack):  # `a, b = b, a`
            stack[-1], stack[-line.arg] = stack[-line.arg], stack[-1]
            continue
        taken = _takes(line)
        if taken is None:
            stack = []
            continue
        values = stack[len(stack) - taken :] if taken <= len(stack) else []
        callee = -1
        if word in _CALLS and values:
            named = [x for x in values[:2] if _called(lines[x])]
            callee = named[0] if named else -1
        for x in values:
            found[x] = i, callee, tuple(values)
        del stack[max(len(stack) - taken, 0) :]
        stack += [i] * _leaves(line, taken)
        if "JUMP" in word and "POP" not in word:
            stack = []
    return found


def _takes(line: Any) -> int | None:
    """How many values an instruction takes; None where that is not plain."""
    word = line.opname
    if word in _CALLS:  # from Python 3.13 on the names of arguments lie on top
        return int(line.arg) + (3 if word == "CALL_KW" else 2)
    if word in _OF_TWO:
        return 2
    if word in ("LOAD_ATTR", "LOAD_METHOD", "POP_TOP", "FORMAT_VALUE", "GET_ITER", *_VARIABLES, *_AWAY[:1]):
        return 1
    if word.startswith("POP_JUMP") or word in ("TO_BOOL", "FORMAT_SIMPLE", "CONVERT_VALUE"):
        return 1
    if word in ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_STRING"):
        return int(line.arg)
    if word in ("BUILD_MAP", "BUILD_CONST_KEY_MAP"):
        return 2 * int(line.arg) if word == "BUILD_MAP" else int(line.arg) + 1
    if word == "STORE_SUBSCR":
        return 3
    plain = word.startswith("LOAD_") and not word.startswith(("LOAD_SUPER", "LOAD_BUILD", "LOAD_FROM"))
    return 0 if plain or word in ("PUSH_NULL", "IMPORT_FROM") or word == "JUMP_FORWARD" else None


def _leaves(line: Any, taken: int) -> int:
    """How many values it leaves."""
    word = line.opname
    if word in _VARIABLES or word in _NO_ANSWER or "JUMP" in word:
        return 0
    if taken and word not in ("LOAD_ATTR", "LOAD_METHOD"):
        return 1
    return max(dis.stack_effect(line.opcode, line.arg), 0) + taken if word.startswith("LOAD_") else 1
