"""Any length: a program that was recorded with two lengths, written down for others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clearprop.compiler.program.ir import Program, State, Value
from clearprop.loops.scan import Turns


class Differs(Exception):
    """Two recordings differ in more than a length."""


class Line:
    """What follows a length n: `a * n + b`, through what it was for two lengths."""

    def __init__(self, first: int, second: int) -> None:
        self.lengths: tuple[int, int] = (first, second)

    def at(self, numbers: tuple[int, int], length: int) -> int:
        """Return the whole number for this length; raises Differs where it does not follow the lengths."""
        times, rest = divmod(numbers[1] - numbers[0], self.lengths[1] - self.lengths[0])
        if rest:
            raise Differs
        return numbers[0] + times * (length - self.lengths[0])

    def following(self, x: Any, y: Any, length: int) -> Any:
        """Return for this length what was `x` and `y` for the two."""
        if type(x) is not type(y):
            raise Differs
        if isinstance(x, (tuple, list)):
            if len(x) != len(y):
                raise Differs
            inside = [self.following(a, b, length) for a, b in zip(x, y, strict=True)]
            return type(x)(*inside) if hasattr(x, "_fields") else type(x)(inside)
        if isinstance(x, dict):
            return dict(self.following(list(x.items()), list(y.items()), length))
        if isinstance(x, slice):
            return slice(*self.following((x.start, x.stop, x.step), (y.start, y.stop, y.step), length))
        if isinstance(x, Turns):
            return self._turns(x, y, length)
        if isinstance(x, np.ndarray):
            return self._constant(x, y, length)
        return self._plain(x, y, length)

    def _plain(self, x: Any, y: Any, length: int) -> Any:
        if isinstance(x, int) and not isinstance(x, bool):
            return self.at((x, y), length)
        if repr(x) == repr(y):
            return y
        if not isinstance(x, float):
            raise Differs
        return self._share((x, y), length, float)

    def _share(self, numbers: tuple[float, float], length: int, dtype: Any) -> float:
        """Return the float for this length: a whole number that follows it, or one over such a number."""
        if all(number.is_integer() for number in numbers):
            return float(self.at((int(numbers[0]), int(numbers[1])), length))
        parts = [round(1 / number) if number else 0 for number in numbers]
        if 0 in parts or any(float(dtype(1 / part)) != x for part, x in zip(parts, numbers, strict=True)):
            raise Differs
        part = self.at((parts[0], parts[1]), length)
        return 1 / part if part else float("inf")

    def _turns(self, x: Turns, y: Turns, length: int) -> Turns:
        if repr(replace(x, length=0)) != repr(replace(y, length=0)):
            raise Differs
        return replace(y, length=self.at((x.length, y.length), length))

    def _constant(self, x: Any, y: Any, length: int) -> Any:
        """An array that was there: the same, a number that follows them, or places counted."""
        if x.dtype != y.dtype:
            raise Differs
        if x.shape == y.shape and x.tobytes() == y.tobytes():
            return y
        if not x.size or not y.size:
            raise Differs
        shape, first, second = self.following(x.shape, y.shape, length), x.flat[0], y.flat[0]
        if any(a.tobytes() != a.flat[:1].tobytes() * a.size for a in (x, y)):
            return _counted(x, y, shape)
        if x.dtype.kind == "f" and first != second:
            return np.full(shape, self._share((float(first), float(second)), length, x.dtype.type), x.dtype)
        return np.full(shape, self.following(first.item(), second.item(), length), x.dtype)


def _counted(x: Any, y: Any, shape: tuple[int, ...]) -> Any:
    """Return places counted along the one axis there is, of which `x` and `y` are two lengths."""
    if x.dtype.kind not in "iuf":
        raise Differs
    start, more = y.flat[0], x if x.size > y.size else y
    step = more.flat[1] - start
    line = start + step * np.arange(max(x.size, y.size, *shape))
    fits = all(max(a.shape) == a.size and np.array_equal(a.ravel(), line[: a.size]) for a in (x, y))
    if not fits or max(shape) != np.prod(shape):
        raise Differs
    return line[: max(shape)].astype(x.dtype).reshape(shape)


def other_length(
    one: tuple[Any, ...], two: tuple[Any, ...], found: tuple[Any, ...]
) -> tuple[Line, int] | None:
    """Return what follows the length in which two calls' keys differ, and that of a third call.

    None where they differ in something else, or the third is no call of their kind. A key is nested tuples.

    >>> line, length = other_length((2, (16, 3)), (2, (17, 3)), (2, (40, 3)))
    >>> line.lengths, length
    ((16, 17), 40)
    """
    places = _differing(one, two, found)
    if not places:
        return None
    (first, second, length), *_ = places
    try:
        line = Line(first, second)
        same = line.following(one, two, length) == found
    except (Differs, ZeroDivisionError):
        return None
    return (line, length) if same else None


def _differing(one: Any, two: Any, found: Any) -> list[tuple[int, int, int]]:
    """Return the numbers at the first place at which two keys differ; [] for none, or for other things."""
    if isinstance(one, tuple) and isinstance(two, tuple) and isinstance(found, tuple):
        if not len(one) == len(two) == len(found):
            return []
        for parts in zip(one, two, found, strict=True):
            if deeper := _differing(*parts):
                return deeper
        return []
    numbers = one, two, found
    whole = not any(isinstance(x, bool) or not isinstance(x, int) for x in numbers)
    return [numbers] if whole and one != two else []


def derived(one: Program, two: Program, line: Line, length: int) -> Program:
    """Return the program for another length than those two were recorded with.

    Raises Differs where they differ in more than what follows the length. That the function does for this
    length what it did for the two is for a proof to say.
    """
    if len(one.values) != len(two.values):
        raise Differs
    number: dict[Value, int] = {v: i for program in (one, two) for i, v in enumerate(program.values)}
    made: list[Value] = []

    def of_input(x: Any, y: Any) -> Any:
        if not isinstance(x, Value) or not isinstance(y, Value):
            return line.following(x, y, length)
        if number[x] != number[y]:
            raise Differs
        return made[number[x]]

    for v, w in zip(one.values, two.values, strict=True):
        if (v.kind, v.op, v.dtype, len(v.inputs)) != (w.kind, w.op, w.dtype, len(w.inputs)):
            raise Differs
        inputs = tuple([of_input(x, y) for x, y in zip(v.inputs, w.inputs, strict=True)])
        shape = line.following(v.shape, w.shape, length)
        attrs = line.following(v.attrs, w.attrs, length)
        data = _data(v, w, line, length)
        made.append(Value(w.kind, shape, w.dtype, w.op, inputs, attrs, data, w.name, w.line, why=w.why))

    def all_of(first: list[Value], second: list[Value]) -> list[Value]:
        return [of_input(x, y) for x, y in zip(first, second, strict=True)]

    ends = [len(program.results) for program in (one, two)], [len(p.assignments) for p in (one, two)]
    if any(a != b for a, b in ends) or len(one.outputs) != len(two.outputs):
        raise Differs
    if [s.key for s, _ in one.assignments] != [s.key for s, _ in two.assignments]:
        raise Differs
    new = all_of([v for _, v in one.assignments], [v for _, v in two.assignments])
    assigned = [(s, v) for (s, _), v in zip(two.assignments, new, strict=True)]
    return Program(made, all_of(one.outputs, two.outputs), assigned, all_of(one.checks, two.checks))


def _data(v: Value, w: Value, line: Line, length: int) -> Any:
    if isinstance(v.data, State) and isinstance(w.data, State):
        if v.data.key != w.data.key:
            raise Differs
        return w.data
    if v.kind == "constant":
        return line.following(np.asarray(v.data), np.asarray(w.data), length)[()]
    if v.data != w.data:  # an argument's position
        raise Differs
    return w.data
