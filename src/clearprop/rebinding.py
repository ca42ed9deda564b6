"""`y += x` of what was computed: the name is given a new Tensor where nobody could see the difference.

NumPy writes into the array, and a graph needs the array that was there. So `y += x` becomes `y = y + x`,
which is the same for numbers, and for arrays that have no other name: their references are counted, and those
that the graph holds are told from those of the program. Where somebody else would have seen the new numbers,
nothing is done, and the caller refuses.
"""

from __future__ import annotations

import gc
import opcode
import sys
import weakref
from collections.abc import Sequence
from functools import cache
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.modes import marks, mode

_CACHE = opcode.opmap["CACHE"]
_BINARY = opcode.opmap["BINARY_OP"]
_SWAP = opcode.opmap["SWAP"]
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_NAME = opcode.opmap["STORE_NAME"]
_ATTRIBUTE = opcode.opmap["STORE_ATTR"]
_ENTRY = {
    opcode.opmap["STORE_SUBSCR"],
    opcode.opmap.get("STORE_SLICE"),
}
_FIRST_IN_PLACE = 13  # the argument of BINARY_OP from which on it is an operator with `=`
_LOCKED = getattr(sys, "_is_gil_enabled", bool)
_KNOWN = sys.implementation.name == "cpython" and sys.version_info < (3, 14)  # later ones lend references
_COUNTED = _KNOWN and (_LOCKED is bool or _LOCKED())


def kind_of_statement(frame: FrameType) -> str:
    """Return "entry" in `y[i] += x`, "attribute" in `self.y += x`, "name" in `y += x`, else ""."""
    at = frame.f_lasti
    code = frame.f_code.co_code
    while at > 0 and code[at] == _CACHE:
        at -= 2
    if code[at] != _BINARY or not _COUNTED:
        return ""
    if code[at + 1] < _FIRST_IN_PLACE:
        return ""
    at += 2
    while code[at] in (_CACHE, _SWAP):
        at += 2
    if code[at] in _ENTRY:
        return "entry"
    high = 0
    while code[at] == _EXTENDED:
        high = (high | code[at + 1]) << 8
        at += 2
    if code[at] == _NAME and frame.f_code.co_names[high | code[at + 1]] not in frame.f_locals:
        return ""  # a class's body or an `exec` reads a name outside of it, and stores one of its own
    return "attribute" if code[at] == _ATTRIBUTE else "name"


def stores_entry(frame: FrameType) -> bool:
    """Whether a frame is at a line's own `y[i] = v`, and not at a call of something that stores it."""
    at, code = frame.f_lasti, frame.f_code.co_code
    while at > 0 and code[at] == _CACHE:
        at -= 2
    return code[at] in _ENTRY


def held_by_a_class(x: Any) -> bool:
    """Whether a class has `x` for an attribute: `self.y += x` would leave the old one there."""
    holders = [d for d in gc.get_referrers(x) if d.__class__ is dict]
    return any(isinstance(owner, type) for d in holders for owner in gc.get_referrers(d))


def references(x: Any) -> int:
    """Return how many references there are to what an operator's method hands on."""
    return sys.getrefcount(x)


def references_of_output(keywords: dict[str, Any]) -> int:
    """Return how many references there are to the array that a ufunc is asked to write into."""
    return sys.getrefcount(keywords["out"][0])


class _Replaced(NamedTuple):
    """What a statement asked some owner for, and how often the graph holds it."""

    old: weakref.ref[Any]
    allowed: int
    call: str
    where: str
    frame: FrameType  # its names keep the owner, also after the function has returned


def replacing(old: Any, allowed: int, call: str, frame: FrameType) -> None:
    """Note that the statement around the call stores a new Tensor where it had `old` from.

    Where it goes is up to the owner: a property may keep it elsewhere, a wrapper may hand on one way alone.
    So it is looked at later whether `old` is still held by others than the graph, which has it `allowed`
    times; `settle` is called before anybody looks at a graph or its results.
    """
    marks.stored = (*marks.stored, _Replaced(weakref.ref(old), allowed, call, at_line(), frame))


def settle() -> None:
    """Object if somebody still has what a statement has put another in the place of."""
    if not marks.stored:
        return
    stored, marks.stored = marks.stored, ()
    for replaced in stored:
        old = replaced.old()
        if old is None or sys.getrefcount(old) - 2 <= replaced.allowed:
            continue
        call = f"owner{replaced.call[1:].replace(' ', '.a ', 1)}"
        wanted = "stores the result where the owner keeps it, and NumPy would have changed what it showed"
        got = "an owner that still has the old one"
        hint = "owner.a = owner.a + y, or t = owner.a; t = t + y"
        raise TypeError(lesson(call, wanted, got, replaced.where, hint))


class _Probe:
    """What an operator with `=` is tried on, to see how many references it brings along."""

    count = 0
    other = 0
    stored = 0

    def __iadd__(self, y: Any) -> Any:
        return _tried(self, y)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        _Probe.count = references_of_output(keywords)
        return self


def _tried(probe: _Probe, y: Any) -> _Probe:
    _Probe.count, _Probe.other = references(probe), references(y)
    return probe


class _Fresh:
    """A collection whose entries nobody holds."""

    def __getitem__(self, index: Any) -> _Probe:
        return _Probe()

    def __setitem__(self, index: Any, value: Any) -> None:
        _Probe.stored = sys.getrefcount(value)


@cache
def usual(statement: str) -> int:
    """Return how many references there are to a Tensor that one name alone holds, within that statement."""
    if statement == "array":
        array: Any = np.zeros(2)
        array += _Probe()
    elif statement == "entry":
        entries: Any = _Fresh()
        entries[0] += 1
    elif statement == "stored":
        _Fresh()[0] = _Probe()
        return _Probe.stored
    elif statement == "operand":
        operand: Any = _Probe()
        operand += _Probe()
        return _Probe.other
    elif statement == "same":
        probe: Any = _Probe()
        probe += probe
    else:
        probe = _Probe()
        probe += 1
    return _Probe.count


def is_own(refs: int, statement: str) -> bool:
    """Whether what a statement takes is held by nothing else: `y[1]` in `y[0] = y[1]`."""
    return _COUNTED and refs == usual(statement)


def sole(tensor: Any, extra: int, new: Any, kept: int) -> bool:
    """Whether nothing but the graph holds a Tensor `extra` times, and no view of it has a name.

    `new` is what was computed of it to take its place, and a node of the graph; `kept` is how often a
    recorder holds each node.
    """
    if weakref.getweakrefcount(tensor) > weakref.getweakrefcount(new):  # a recorder refers to both
        return False
    if hasattr(tensor, "content"):
        if extra:
            return False
        return _sole_content(tensor, new, kept)
    if not _owned(tensor, kept):
        return False
    if extra == 0:
        arrays = sys.getrefcount(tensor._value) - 2
        return arrays == _times(tensor._value, new.values) and _no_array_has_a_name(tensor, {})
    counts, users = _users([tensor])
    if counts[0] != extra + _times(tensor, new.inputs):
        return False
    return _no_view_has_a_name(tensor, users, kept)


def _sole_content(example: Any, new: Any, kept: int) -> bool:
    """Whether the same holds of what all examples of a `vmap` are computed in."""
    content = example.content
    beyond = sys.getrefcount(example.content) - _OF_CONTENT
    if content.__class__ is np.ndarray:
        base = content.base
        return beyond == 0 and (base is None or sys.getrefcount(base) == _OF_BASE)
    recorder = mode.recorder
    if recorder is not None and recorder.stands_for_array(content):
        return beyond == 0 and recorder.alone(content)
    if content.op is None and not hasattr(content, "content"):  # it hangs on no graph
        return beyond == 0 and not content.requires_grad and held_by([content])
    by_new = _times(content, new.content.inputs)
    return sole(content, beyond - by_new, new.content, kept)


def users_to_turn(tensor: Any, kept: int, named: list[Any]) -> list[Any] | None:
    """Return the nodes that a Tensor is an input of, or None where its memory has another name or owner.

    A view that hangs on the graph may have a name: it is put into `named`, after those it is a view of.
    """
    if not _owned(tensor, kept):
        return None
    if not _no_view_has_a_name(tensor, _users([tensor])[1], kept, named):
        return None
    return users_of(tensor)


def users_of(node: Any) -> list[Any]:
    """Return the nodes that a node is an input of."""
    return _users([node])[1]


def _no_view_has_a_name(tensor: Any, users: list[Any], kept: int, named: list[Any] | None = None) -> bool:
    """Whether the graph alone holds views of a Tensor's memory. The list of its users is emptied."""
    arrays = sys.getrefcount(tensor._value) - 2
    for user in users:
        arrays -= _times(tensor._value, user.values)
    user = None
    shown: dict[int, int] = {}  # how often an array is the base of a view
    views = _views_among(users, tensor)
    while views:
        for view in views:
            shown[id(view._value.base)] = shown.get(id(view._value.base), 0) + 1
        view = None
        counts, users = _users(views)
        for i, count in enumerate(counts):
            others = sys.getrefcount(views[i]) - 2
            if others == count + kept:
                continue
            if named is None:
                return False
            if not any(view is views[i] for view in named):
                named.append(views[i])
        views = _views_among(users, tensor)
    return arrays == shown.get(id(tensor._value), 0) and _no_array_has_a_name(tensor, shown)


def _no_array_has_a_name(tensor: Any, shown: dict[int, int]) -> bool:
    """Whether the arrays of the nodes whose memory a Tensor shows are held by them and by `shown` views."""
    base = tensor._value.base
    if base is None:
        return True
    chain = [tensor]
    for node in chain:
        for i, value in enumerate(node.values):
            if value.__class__ is np.ndarray and _show_one(value, node._value):
                chain.append(node.inputs[i])
    value = None
    count = shown.get(id(base), 0) + sum(node._value.base is base for node in chain)
    count += sum(node._value is base for node in chain)
    count += sum(_times(base, node.values) for node in chain)
    if sys.getrefcount(base) - 2 != count:
        return False
    for owner in chain[1:]:
        if owner._value is base:
            continue
        count = shown.get(id(owner._value), 0) + sum(node._value.base is owner._value for node in chain)
        count += sum(_times(owner._value, node.values) for node in chain)
        if sys.getrefcount(owner._value) - 2 != count:
            return False
    return True


def _views_among(users: list[Any], tensor: Any) -> list[Any]:
    """Take from a list the nodes that show the memory of a Tensor; nothing is left in it."""
    found = []
    while users:
        user = users.pop()
        if _show_one(user._value, tensor._value):
            found.append(user)
    return found


def _show_one(a: Any, b: Any) -> bool:
    """Whether two arrays may show one memory; one without entries holds it, and shows none of it."""
    return np.may_share_memory(a, b) or (not (a.size and b.size) and root_of(a) is root_of(b))


_OF_BASE = 3  # the array that shows it, the name `base`, and the call that counts
_OF_CONTENT = 3  # the slot of the Tensor, the name `content`, and the call that counts


def _times(x: Any, among: Sequence[Any]) -> int:
    return sum(other is x for other in among)


def _users(nodes: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """Return how often each node is an input, and the nodes that it is an input of."""
    from clearprop.tensor import Tensor

    tuples = {}
    for x in gc.get_referrers(*nodes):
        if x.__class__ is tuple:
            tuples[id(x)] = x
    counts = [0] * len(nodes)
    users = []
    counted = set()
    for x in gc.get_referrers(*tuples.values()):
        if not isinstance(x, Tensor):
            continue
        given = tuples.get(id(x.inputs))
        if given is None:
            continue
        users.append(x)
        if id(given) in counted:  # twins have their inputs in common
            continue
        counted.add(id(given))
        for i, node in enumerate(nodes):
            counts[i] += _times(node, given)
    return counts, users


def _owned(node: Any, kept: int) -> bool:
    """Whether the memory of a node is its own, or that of nodes which only the graph holds."""
    if node.op is None:
        return False
    if node._value.__class__ is not np.ndarray:
        return False
    for i, value in enumerate(node.values):
        if value.__class__ is not np.ndarray:
            continue
        if not _show_one(value, node._value):
            continue
        others = sys.getrefcount(node.inputs[i]) - 2
        if others != kept or not hasattr(node.inputs[i], "inputs"):
            return False
        if not _owned(node.inputs[i], kept):
            return False
    return True


def root_of(array: Any) -> Any:
    """Return the last array below one: it has the memory, unless a file or bytes have it."""
    root = array
    while (array := getattr(array, "base", None)) is not None:  # a window has an object between, of no kind
        if isinstance(array, np.ndarray):
            root = array
    return root


def held_by(family: list[Any]) -> bool:
    """Whether nobody but these Tensors has their memory: no graph, no reader of `t.value`, no owner."""
    root = root_of(family[0]._value)
    held = 2  # the name here and the call
    for x in family:
        held += 1
        if x._value is not root and (x._value.base is not root or sys.getrefcount(x._value) != 2):
            return False  # somebody has its array, or one that lies between
    own = root.__class__ is np.ndarray and root.base is None
    return _COUNTED and own and sys.getrefcount(root) == held
