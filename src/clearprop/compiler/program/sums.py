"""Long sums at once: what a loop's steps send back to one array is one join, to one weight one product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from clearprop.compiler.program.builder import Builder
from clearprop.compiler.program.ir import Program, Value, is_op
from clearprop.compiler.program.joins import fill, join, starts


def long_sums(program: Program, users: Mapping[Value, int]) -> dict[Value, list[Value]]:
    """Return the terms of each sum of arrays: additions of a single user are part of the sum that uses them.

    Terms that nobody could join, in sums of two, are left out.
    """
    inner = {x for v in program.values if _adds(v) for x in v.operands if _adds(x) and users[x] == 1}
    found: dict[Value, list[Value]] = {}
    for v in program.values:
        if not _adds(v) or v in inner:
            continue
        terms, waiting = [], [*reversed(v.operands)]
        while waiting:
            x = waiting.pop()
            if x in inner:
                waiting += reversed(x.operands)
            else:
                terms.append(x)
        kinds = Counter(x.op for x in terms)
        if kinds["join"] > 1 or kinds["matmul"] > 1:
            found[v] = terms
    return found


def gathered(b: Builder, terms: list[Value], alone: set[Value], fired: Counter[str]) -> Value | None:
    """Append the sum of arrays of one shape, joins and products gathered; None where nothing is gained.

    `alone` are the terms that nothing else uses.
    """
    joins = [x for x in terms if is_op(x, "join")]
    products = [x for x in terms if is_op(x, "matmul") and x in alone and len(x.shape) == 2]
    found: list[Value] = []
    taken: set[Value] = set()
    for axis in sorted({x.attrs["axis"] for x in joins}):
        some = _fitting([x for x in joins if x.attrs["axis"] == axis])
        if len(some) > 1:
            fired["join(x, 0) + join(0, y)"] += len(some) - 1
            found.append(_side_by_side(b, some, axis))
            taken |= set(some)
    if len(products) > 1 and len(set(products)) == len(products) and _pays(products):
        fired["x y + z w = join(x, z) join(y, w)"] += len(products) - 1
        found.append(_as_one(b, products))
        taken |= set(products)
    if not found or len(set(joins)) < len(joins):
        return None
    total, *rest = [x for x in terms if x not in taken] + found
    for x in rest:
        total = b.ufunc(np.add, total, x)
    return total


def _adds(v: Value) -> bool:
    return is_op(v, "add") and v.dtype.kind == "f" and [x.shape for x in v.operands] == [v.shape] * 2


# --- joins --------------------------------------------------------------------------------------------------
def _nothing(x: Value) -> bool:
    """Tell whether a part is zeros: what is added there is what comes out."""
    while is_op(x, "broadcast_to", "reshape"):
        x = x.inputs[0]
    return x.kind == "constant" and x.size == 1 and not x.data.any()


def _places(v: Value) -> tuple[int, ...]:
    return (*(at for at, _ in starts(v)), v.shape[v.attrs["axis"]])


def _fitting(joins: list[Value]) -> list[Value]:
    """Return those that are worth adding part by part: of zeros, or cut where others are."""
    zeros = [x for x in joins if any(map(_nothing, x.inputs))]
    cuts = {place for x in zeros for place in _places(x)}
    alike = Counter(map(_places, joins))
    return [x for x in joins if x in zeros or cuts.issuperset(_places(x)) or alike[_places(x)] > 1]


def _side_by_side(b: Builder, joins: list[Value], axis: int) -> Value:
    """Return the sum of joins along an axis: a join of the sums of what lies in the same place.

    0 is added once where anything was added to zeros: that makes 0 of -0, as the whole sum does.
    """
    v = joins[0]
    cuts = sorted({place for x in joins for place in _places(x)})
    at = {place: i for i, place in enumerate(cuts)}
    terms: list[list[Value]] = [[] for _ in cuts[1:]]
    for x in joins:
        for start, part in starts(x):
            stop = start + part.shape[axis]
            for i in () if _nothing(part) else range(at[start], at[stop]):
                terms[i].append(_stretch(b, part, axis, cuts[i] - start, cuts[i + 1] - start))
    parts: list[Value] = []
    for some, (low, high) in zip(terms, pairwise(cuts), strict=True):
        shape = (*v.shape[:axis], high - low, *v.shape[axis + 1 :])
        total: Any = some[0] if some else fill(b, 0, shape, v.dtype)
        for x in some[1:]:
            total = b.ufunc(np.add, total, x)
        parts.append(b.ufunc(np.add, total, 0.0) if 0 < len(some) < len(joins) else total)
    return join(b, parts, axis)


def _stretch(b: Builder, x: Value, axis: int, low: int, high: int) -> Value:
    bounds = [(0, n, 1) for n in x.shape]
    bounds[axis] = (low, high, 1)
    return b.slice(x, tuple(bounds))


# --- products -----------------------------------------------------------------------------------------------
def _pays(products: list[Value]) -> bool:
    """Tell whether copying the factors side by side moves less memory than adding up the products."""
    m, n = products[0].shape
    inner = sum(x.inputs[0].shape[1] for x in products)
    return bool(inner * (m + n) < 2 * len(products) * m * n)


def _as_one(b: Builder, products: list[Value]) -> Value:
    """x y + z w = join(x, z) join(y, w), whose inner axis is all of theirs."""
    left = join(b, [b.transpose(x.inputs[0]) for x in products], 0)
    return b.matmul(b.transpose(left), join(b, [x.inputs[1] for x in products], 0))
