"""Einsum in core ops: sums, matrix products and views, two arrays at a time, the cheapest pair first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from clearprop.compiler.program.builder import Builder, Unlowered
from clearprop.compiler.program.ir import Value

_LARGEST = 16  # how many times the entries of two arrays their products may have that are summed afterwards,
_FEW = 65536  # or so many


@dataclass(frozen=True)
class Labelled:
    """An array and the label of each of its axes; none is there twice, and no axis has length 1."""

    labels: str
    value: Value

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each label's axis."""
        return dict(zip(self.labels, self.value.shape, strict=True))


def contracted(b: Builder, subscripts: str, xs: Sequence[Value]) -> Value:
    """Append what `np.einsum(subscripts, *xs)` computes; the subscripts name every axis and the output."""
    left, arrow, output = subscripts.partition("->")
    labels = left.split(",")
    dtype = np.result_type(*(x.dtype for x in xs))
    if not arrow or "." in subscripts or dtype.kind not in "biuf" or dtype.name == "float16":
        raise Unlowered("einsum that is not written out, or of small floats")
    terms = [_plain(b, t, b.cast(x, dtype)) for t, x in zip(labels, xs, strict=True)]
    if len(terms) == 2:
        terms = [_two(b, terms[0], terms[1], output)]
    while len(terms) > 1:
        terms = [_summed(b, t, _needed(terms, i, output)) for i, t in enumerate(terms)]
        i, j = min(itertools.combinations(range(len(terms)), 2), key=lambda pair: _cost(terms, pair, output))
        rest = [t for k, t in enumerate(terms) if k not in (i, j)]
        needed = output + "".join(t.labels for t in rest)
        terms = [*rest, _pair(b, terms[i], terms[j], needed)]
    (last,) = terms
    last = _ordered(b, _summed(b, last, output), [c for c in output if c in last.labels])
    return b.reshape(last.value, tuple(last.sizes.get(c, 1) for c in output))


# --- one array ----------------------------------------------------------------------------------------------
def _plain(b: Builder, labels: str, x: Value) -> Labelled:
    """Take the diagonal where a label is repeated, and leave out axes of length 1: they only broadcast."""
    while len(set(labels)) < len(labels):
        label = next(c for c in labels if labels.count(c) > 1)
        i, j = [k for k, c in enumerate(labels) if c == label][:2]
        if x.shape[i] != x.shape[j]:
            raise Unlowered("a diagonal of what is not square")
        n, others = x.shape[i], [k for k in range(len(labels)) if k not in (i, j)]
        x = b.transpose(x, (*others, i, j))
        x = b.reshape(x, (*x.shape[:-2], n * n))
        x = b.slice(x, (*((0, m, 1) for m in x.shape[:-1]), (0, n * (n + 1), n + 1)))
        labels = "".join(labels[k] for k in others) + label
    kept = [k for k, n in enumerate(x.shape) if n != 1]
    return Labelled("".join(labels[k] for k in kept), b.reshape(x, tuple(x.shape[k] for k in kept)))


def _summed(b: Builder, x: Labelled, needed: Iterable[str]) -> Labelled:
    """Sum over the labels that nobody else has."""
    axes = tuple(k for k, c in enumerate(x.labels) if c not in needed)
    if not axes:
        return x
    op = "any" if x.value.dtype.kind == "b" else "sum"
    total = b.cast(b.reduce(op, x.value, axes), x.value.dtype)
    return Labelled("".join(c for c in x.labels if c in needed), total)


def _ordered(b: Builder, x: Labelled, order: Sequence[str]) -> Labelled:
    return Labelled("".join(order), b.transpose(x.value, tuple(x.labels.index(c) for c in order)))


def _spread(b: Builder, x: Labelled, order: Sequence[str]) -> Value:
    """The array with its axes in this order, of length 1 where it has none."""
    mine = _ordered(b, x, [c for c in order if c in x.labels])
    return b.reshape(mine.value, tuple(mine.sizes.get(c, 1) for c in order))


# --- two arrays ---------------------------------------------------------------------------------------------
def _two(b: Builder, x: Labelled, y: Labelled, output: str) -> Labelled:
    """The product of two, before what one of them alone has is summed: (1 - 2) * inf is not inf - 2 inf."""
    lone = "".join(c for c in x.labels + y.labels if (c in x.labels) != (c in y.labels) and c not in output)
    _, entries = _cost([x, y], (0, 1), output + lone)
    if lone and entries > max(_FEW, _LARGEST * (x.value.size + y.value.size)):
        raise Unlowered("a sum of more products than are to be held")
    return _pair(b, x, y, output + lone)


def _needed(terms: list[Labelled], i: int, output: str) -> str:
    return output + "".join(t.labels for k, t in enumerate(terms) if k != i)


def _cost(terms: list[Labelled], pair: tuple[int, int], output: str) -> tuple[int, int]:
    """The multiplications of a pair, and the entries of what it gives."""
    i, j = pair
    sizes = terms[i].sizes | terms[j].sizes
    needed = output + "".join(t.labels for k, t in enumerate(terms) if k not in pair)
    return math.prod(sizes.values()), math.prod(n for c, n in sizes.items() if c in needed)


def _pair(b: Builder, x: Labelled, y: Labelled, needed: str) -> Labelled:
    """Two arrays as one, summed over the labels that are needed no more."""
    summed = [c for c in x.labels if c in y.labels and c not in needed]
    rows = [c for c in x.labels if c not in y.labels]
    columns = [c for c in y.labels if c not in x.labels]
    order = [c for c in dict.fromkeys(needed) if c in x.labels + y.labels]
    if summed and rows and columns and x.value.dtype.kind != "f":
        raise Unlowered("a product of integers")
    if summed and (rows or columns) and x.value.dtype.kind == "f":
        return _product(b, x, y, summed, order)
    if summed:  # no matrix product: one loop multiplies and adds up, along the axes as they lie
        order = [*(x if len(x.labels) >= len(y.labels) else y).labels]
    both = b.ufunc(np.multiply, _spread(b, x, order), _spread(b, y, order))
    return _summed(b, Labelled("".join(order), both), needed)


def _product(b: Builder, x: Labelled, y: Labelled, summed: list[str], order: list[str]) -> Labelled:
    """A matrix product: a batch of shared labels, x's own as rows, y's own as columns."""
    own = [c for c in order if (c in x.labels) != (c in y.labels)]
    if own[0] in y.labels:  # what the result has first are the rows
        x, y = y, x
    summed = [c for c in (x if x.value.size >= y.value.size else y).labels if c in summed]
    batch = [c for c in order if c in x.labels and c in y.labels]
    rows = [c for c in x.labels if c in own]
    columns = [c for c in y.labels if c in own]
    apart = _apart(y, summed, columns)
    if not rows or order[: len(batch + apart)] != batch + apart:
        apart = []
    columns = [c for c in columns if c not in apart]
    sizes = x.sizes | y.sizes
    lead = batch + apart
    left = _matrices(b, x, lead, rows, summed)
    right = _matrices(b, y, lead, summed, columns)
    found = [*lead, *rows, *columns]
    z = b.reshape(b.matmul(left, right), tuple(sizes[c] for c in found))
    return _ordered(b, Labelled("".join(found), z), order)


def _apart(y: Labelled, summed: list[str], columns: list[str]) -> list[str]:
    """The columns before the inner axes in memory, others behind: a batch, or they would be moved."""
    first = min(y.labels.index(c) for c in summed)
    before = [c for c in columns if y.labels.index(c) < first]
    return before if len(before) < len(columns) else []


def _matrices(b: Builder, x: Labelled, batch: list[str], rows: list[str], columns: list[str]) -> Value:
    """The array as matrices: labels of one side on one axis; a batch that it lacks has length 1."""
    sizes = x.sizes
    z = _spread(b, x, [*batch, *rows, *columns])
    sides = (math.prod(sizes[c] for c in side) for side in (rows, columns))
    return b.reshape(z, (*z.shape[: len(batch)], *sides))
