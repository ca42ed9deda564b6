"""Which index of a compiled step was out of bounds: found by NumPy, after the call has failed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import evaluate
from clearprop.compiler.program.ir import Program, State, Value, is_op
from clearprop.errors import Lesson, lesson, taught

_SAID = re.compile(r"index (-?\d+) is out of bounds for axis \d+ with size (\d+)")  # as NumPy says it
_CALLED = "a compiled step"


def broken(
    program: Program, arguments: Sequence[Any], now: Callable[[State], Any], error: IndexError
) -> IndexError:
    """Return the error of a call that has assigned nothing, in five parts; `now` gives what a state holds.

    What cannot be known any more is left out: the program is computed anew as far as the index, by NumPy.
    """
    if taught(error):
        return error
    with contextlib.suppress(Exception):  # of what it explains, the search must not take the place
        at: dict[Value, Any] = dict(zip(program.arguments, arguments, strict=True))
        if found := _by_arguments(program, at) or _in_full(program, at, now):
            return IndexError(_told(at, *found))
    return IndexError(_untold(error))


Found = tuple[Value, IndexError]


def _by_arguments(program: Program, at: dict[Value, Any]) -> Found | None:
    """Return the first op that fails by what arguments alone decide: no state is fetched for it."""
    for v in program.values:
        if v.kind == "constant":
            at[v] = v.data
        if not v.computed:
            continue
        if v.core.family in ("elementwise", "view") and all(x in at for x in v.operands):
            at[v] = evaluate(v, at.__getitem__)
        elif v.core.bounds is not None and all(x in at for x in v.operands[1:]):
            first = v.operands[0]
            blank = np.broadcast_to(np.zeros((), first.dtype), first.shape)
            if failed := _fails(v, {**{x: at[x] for x in v.operands[1:]}, first: blank}):
                return failed
    return None


def _in_full(program: Program, at: dict[Value, Any], now: Callable[[State], Any]) -> Found | None:
    """Return the first op that fails, computed from what arguments and states hold."""
    for v in program.values:
        if v.kind == "state":
            at[v] = np.asarray(now(v.data))
        elif v not in at and (failed := _fails(v, at)):
            return failed
    return None


def _fails(v: Value, at: dict[Value, Any]) -> Found | None:
    """Compute a value; return it with NumPy's error where an index of it is out of bounds."""
    try:
        at[v] = evaluate(v, at.__getitem__)
    except IndexError as error:
        return v, error
    return None


def _told(at: dict[Value, Any], v: Value, error: IndexError) -> Lesson:
    """Return what the op wanted and got."""
    kinds = ", ".join(f"{x.shape} {x.dtype}" for x in v.operands)
    called = f"{_CALLED}: {v.op}({kinds})"
    where = (f"At {v.line}; " if v.line else "In this call, ") + "nothing was assigned."
    said = _SAID.search(str(error))
    if said is None:
        return lesson(called, str(error), where=where)
    index, length = map(int, said.groups())
    wanted = f"an index is out of bounds for an axis of length {length}"
    hint = f"entries from 0 to {length - 1}" if length else "an axis that has entries"
    return lesson(called, wanted, _got(at, v, index), where, hint)


def _got(at: dict[Value, Any], v: Value, index: int) -> str:
    """Return the entry that was meant, in the array that the caller knows."""
    looked_up = v.operands if v.core.bounds is None else v.operands[1:]
    whole = [x for x in dict.fromkeys(looked_up) if x.dtype.kind in "iu"]
    if v.core.bounds is None:  # it looks up on its own, as a loop in its turns
        ends = [way[-1] for way in map(_way, whole) if way[-1].kind == "argument"]
        return "; ".join([f"{index}", *(f"argument {x.data} has {_entries(at[x])}" for x in ends)])
    hit = [x for x in whole if np.any(at[x] == index)]
    told = [_in_argument(at, way, index) for way in map(_way, hit) if way[-1].kind == "argument"]
    return " or ".join(told or [f"{index} in an array that has {_entries(at[x])}" for x in hit]) or f"{index}"


def _in_argument(at: dict[Value, Any], way: list[Value], index: int) -> str:
    """Return what stood in an argument where its index is out of bounds."""
    given = np.asarray(at[way[-1]])
    meant = given.reshape(-1)[_places(way)[np.asarray(at[way[0]]) == index]]
    return f"{meant[0]} in argument {way[-1].data}, which has {_entries(given)}"


def _entries(array: Any) -> str:
    return f"entries from {np.min(array)} to {np.max(array)}" if np.size(array) else "no entries"


def _way(v: Value) -> list[Value]:
    """Return the values from an index back to where its entries come from: seen otherwise, cast or chosen.

    Before it is looked up, a label below 0 becomes the number of classes, one that is ignored becomes 0.
    """
    way = [v]
    while (x := _before(way[-1])) is not None:
        way.append(x)
    return way


def _before(v: Value) -> Value | None:
    if v.is_view or is_op(v, "astype"):
        return v.operands[0]
    if not is_op(v, "where"):
        return None
    choices = [x for x in v.inputs[1:] if isinstance(x, Value) and x.kind != "constant"]
    if len(choices) == 2:  # a number that is counted from the end, or the number itself
        choices = [x for x, y in (choices, choices[::-1]) if x in y.operands]
    return choices[0] if len(choices) == 1 else None


def _places(way: list[Value]) -> Any:
    """Return for each entry of an index at which place of the array it began as."""
    places = np.arange(way[-1].size).reshape(way[-1].shape)
    for v in way[-2::-1]:
        places = v.core.run(v, [places]) if v.is_view else np.broadcast_to(places, v.shape)
    return places


def _untold(error: IndexError) -> Lesson:
    """Return what is known where the index has not been found."""
    wanted, got = "an index array is out of bounds", str(error).partition(";")[0]
    where, hint = "It is not known which; nothing was assigned.", "the function as it is, which names it"
    return lesson(_CALLED, wanted, got, where, hint)
