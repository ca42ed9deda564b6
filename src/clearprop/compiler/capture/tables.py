"""Which entries of a large dict a step can read, where its code names them: `TABLE[17]`, `TABLE.get("a")`."""

from __future__ import annotations

import dis
import functools
import types
from collections.abc import Iterable
from typing import Any

FEW = 64  # entries of a dict that is looked at whole
# Code that names one of these may reach a variable without naming it.
_INDIRECT = {
    "globals", "locals", "vars", "eval", "exec", "getattr", "attrgetter", "inspect", "import_module",
    "modules", "gc", "__dict__", "__globals__", "__closure__", "__code__", "__getattribute__",
}  # fmt: skip
_KEYS = (str, bytes, int, type(None))


def is_large(x: Any) -> bool:
    """Whether looking at every entry at each call would cost more than a small step."""
    return type(x) is dict and len(x) > FEW


def keys_read(codes: Iterable[types.CodeType], names: set[str]) -> set[Any] | None:
    """Return the keys by which code reads what these variables hold; None where it may do more."""
    found: set[Any] = set()
    for code in codes:
        for name in names:
            keys = _keys(code, name)
            if keys is None:
                return None
            found |= keys
    return found


@functools.lru_cache(maxsize=1 << 12)
def _keys(code: types.CodeType, name: str) -> frozenset[Any] | None:
    if not _INDIRECT.isdisjoint(code.co_names) or name in code.co_consts:
        return None
    keys: set[Any] = set()
    lines = list(dis.get_instructions(code))
    for i, one in enumerate(lines):
        plain = one.opname in ("LOAD_CLOSURE", "MAKE_CELL", "LOAD_CONST") or "FAST" in one.opname
        if one.argval != name or plain:
            continue
        key = _key(lines, i) if one.opname.startswith("LOAD_") else None
        if key is None or type(key.argval) not in _KEYS:
            return None
        keys.add(key.argval)
    for nested in code.co_consts:
        inner = _keys(nested, name) if isinstance(nested, types.CodeType) else frozenset()
        if inner is None:
            return None
        keys |= inner
    return frozenset(keys)


def _key(lines: list[dis.Instruction], i: int) -> dis.Instruction | None:
    """Return the constant by which what line `i` loads is read at once, and nothing else is done to it."""
    after = [*lines[i + 1 : i + 6]]
    if any(one.is_jump_target for one in (lines[i], *after[:2])):
        return None
    said = [one.opname for one in after]
    if said[:2] == ["LOAD_CONST", "BINARY_SUBSCR"]:
        return after[0]
    if said[:1] == ["CONTAINS_OP"] and i and lines[i - 1].opname == "LOAD_CONST":
        return None if lines[i - 1].is_jump_target else lines[i - 1]
    if said[0] in ("LOAD_ATTR", "LOAD_METHOD") and after[0].argval == "get" and said[1] == "LOAD_CONST":
        rest = [name for name in said[2:] if name != "PRECALL"]
        if rest[0] == "CALL" or (rest[:2] == ["LOAD_CONST", "CALL"] and not after[2].is_jump_target):
            return after[1]
    return None
