"""How `vmap` runs those ops on all examples that it cannot understand from their kind and attributes alone.

Each rule is `rule(op, size, xs, mapped, attrs)`: inputs that are mapped have an axis of `size` examples in
front. What most ops need is said in `clearprop.batch`, in words that fit any op: entries are computed by
themselves, an axis moves by one, a view keeps the order of entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.batch import along_axis, by_entries, one_by_one, repeated, run, stacked
from clearprop.errors import at_line, lesson
from clearprop.ops.index import ARRAY, at_indexes
from clearprop.registry import ops

Rule = Callable[..., Any]


_RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, rule))
        return rule

    return enter


def enter_rules() -> None:
    """Write the rules of this file into the ops' entries."""
    for name, rule in _RULES.items():
        ops[name].batch = rule
    ops["random_uniform"].draws = True


_rule("stack", "concatenate")(along_axis)
_rule("mirrored", "real_part", "imaginary_part", "argument", "ldexp", "exponent_of", "isclose")(by_entries)
_rule("sum_of_weights", "settled", "of_different_values", "of_spanning", "off_kinks")(stacked)
_rule(
    "cholesky",
    "eigh",
    "eigvalsh",
    "eig",
    "eigvals",
    "complex_eig",
    "complex_eigvals",
    *(f"{name}_again" for name in ("eigh", "svd", "eig", "complex_eig")),
    "svd",
    "svdvals",
    "qr",
    "qr_rest",
    "of_full_columns",
    "unturned",
    "eigh_weighed",
    "svd_weighed",
    "pinv",
    "inv",
)(stacked)
_rule("matrix_exp")(stacked)
_rule("cofactor", "cofactor_moved", "inv_or_nan", "det", "logabsdet", "sign_of_det", "rank_of")(stacked)
_rule("window_sum", "window_spread", "window_max", "window_argmax", "winners_share", "winners_mean")(stacked)


# --- products -----------------------------------------------------------------------------------------------
@_rule("matmul")
def _matmul(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    """One product for all examples where one factor is the same for all, else one for each."""
    (x, y), (mx, my) = xs, mapped
    row, column = x.ndim - mx == 1, y.ndim - my == 1
    if mx and not my and y.ndim <= 2 and x.ndim > 1:
        return run(op, [x, y])  # (size, ..., n) @ (n, m): the examples are more rows
    if my and not mx and column and x.ndim == 2:
        return run(op, [y, np.swapaxes(x, 0, 1)])  # x @ y_i are the rows of Y @ x.T
    x = np.expand_dims(x, -2) if row else x
    y = np.expand_dims(y, -1) if column else y
    deepest = max(x.ndim - mx, y.ndim - my)
    z = run(op, [_deeper(size, x, deepest) if mx else x, _deeper(size, y, deepest) if my else y])
    lost = tuple(axis for axis, gone in ((-2, row), (-1, column)) if gone)
    return np.squeeze(z, axis=lost) if lost else z


def _deeper(size: int, x: Any, ndim: int) -> Any:
    """Return `x` with axes of length 1 behind that of the examples, until one example has `ndim`."""
    missing = ndim + 1 - x.ndim
    return x.reshape((size, *(1,) * missing, *x.shape[1:])) if missing else x


@_rule("einsum")
def _einsum(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    """A label of their own for the examples, in front of each mapped term and of the result."""
    terms, arrow, target = attrs["subscripts"].partition("->")
    if not arrow:
        letters = terms.replace(",", "").replace(".", "")
        target = ("..." if "..." in terms else "") + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1)
        )
    label = next(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in terms)
    before = [label + term if m else term for term, m in zip(terms.split(","), mapped, strict=True)]
    return np.einsum(",".join(before) + "->" + label + target, *xs)


@_rule("solve")
def _solve(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    x, y = (each if m else repeated(size, each) for each, m in zip(xs, mapped, strict=True))
    vector = y.ndim == 2
    y = np.expand_dims(y, -1) if vector else y
    deepest = max(x.ndim, y.ndim) - 1
    z = run(op, [_deeper(size, x, deepest), _deeper(size, y, deepest)])
    return np.squeeze(z, axis=-1) if vector else z


@_rule("of_full_rank")
def _of_full_rank(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    return run(op, [xs[0] if mapped[0] else repeated(size, xs[0]), xs[1]], **attrs)


@_rule("convolution", "transposed_convolution")
def _convolution(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    """Examples are more images where the kernel is the same for all, else groups that know nothing of each
    other: (images, size * channels, ...) with a kernel (size * units, ...)."""
    x, w = xs
    if not mapped[1]:
        z = run(op, [x.reshape((-1, *x.shape[2:])), w], **attrs)
        return z.reshape((size, x.shape[1], *z.shape[1:]))
    x = x if mapped[0] else repeated(size, x)
    groups = size * attrs["groups"]
    z = run(op, [_as_channels(x), w.reshape((-1, *w.shape[2:]))], **{**attrs, "groups": groups})
    return np.moveaxis(z.reshape((z.shape[0], size, z.shape[1] // size, *z.shape[2:])), 1, 0)


@_rule("convolution_kernel")
def _convolution_kernel(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    x, y = (_as_channels(each if m else repeated(size, each)) for each, m in zip(xs, mapped, strict=True))
    z = run(op, [x, y], **{**attrs, "groups": size * attrs["groups"]})
    return z.reshape((size, z.shape[0] // size, *z.shape[1:]))


def _as_channels(x: Any) -> Any:
    """(size, images, channels, ...) as (images, size * channels, ...)."""
    x = np.moveaxis(x, 0, 1)
    return x.reshape((x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:]))


# --- attention ----------------------------------------------------------------------------------------------
@_rule("attention", "attention_shares", "attention_kept")
def _attention(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    """Examples are more entries of the batch: each has queries, keys and (where they are asked for) values.

    What dropout keeps is a function of the state and of the entry's place, so with dropout each has its turn.
    """
    if attrs["p"] or mapped[-1]:
        return one_by_one(op, size, xs, mapped, attrs)
    *factors, mask, state = xs
    factors = [x if m else repeated(size, x) for x, m in zip(factors, mapped, strict=False)]
    if mapped[-2] and np.ndim(mask) > 1:
        mask = _deeper(size, mask, factors[0].ndim - 1)
    elif mapped[-2]:  # whether anything is masked is said once for all examples
        return one_by_one(op, size, xs, mapped, attrs)
    return run(op, [*factors, mask, state], **attrs)


@_rule("attention_gradient")
def _attention_gradient(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    """As above; the packed gradients of queries, keys and values are cut anew for each example."""
    found = _attention(op, size, xs, mapped, attrs)
    if found.ndim > 1:
        return found
    sizes = [int(np.prod(np.shape(x)[m:], dtype=int)) for x, m in zip(xs[1:4], mapped[1:4], strict=True)]
    ends = np.cumsum([0, *(size * n for n in sizes)])
    cut = [found[a:b].reshape((size, n)) for a, b, n in zip(ends, ends[1:], sizes, strict=False)]
    return np.concatenate(cut, axis=1)


# --- entries by their places --------------------------------------------------------------------------------
@_rule("pad")
def _pad(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    return run(op, xs, **{**attrs, "widths": ((0, 0), *attrs["widths"])})


@_rule("margin_of_whole")
def _margin_of_whole(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    """No margin around the examples; what holds pairs for each axis would need one more of them."""
    if any(np.ndim(value) for _, value in attrs["how"]):
        return one_by_one(op, size, xs, mapped, attrs)
    return _pad(op, size, xs, mapped, attrs)


def _looked_up(table: int) -> Rule:
    """Entries are looked up each by itself: where input `table` is the same for all examples, all at once."""

    def rule(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
        return one_by_one(op, size, xs, mapped, attrs) if mapped[table] else run(op, xs, **attrs)

    return rule


_rule("searchsorted")(_looked_up(0))
_rule("digitize", "isin")(_looked_up(1))


class _BatchedIndex:
    """An index into one example, as one into all of them.

    Integers beside arrays count as arrays, as in NumPy; where the arrays of an index are `together`, their
    axes stand in the result where theirs did, else in front of all others.
    """

    def __init__(self, index: Any, arrays: Any, ndim: int) -> None:
        advanced = [i for i, e in enumerate(index) if e is ARRAY or (arrays and hasattr(e, "__index__"))]
        self.together = not advanced or advanced[-1] - advanced[0] == len(advanced) - 1
        self.first = advanced[0] if advanced else 0
        rest = iter(arrays)
        used = 0
        for e in index:
            array = next(rest) if e is ARRAY else None
            used += array.ndim if array is not None and _mask(array) else e is not None and e is not Ellipsis
        self.before = 0
        for e in index[: self.first]:
            self.before += ndim - used if e is Ellipsis else 1
        self.before = self.before if self.together else 0


def _mask(array: Any) -> bool:
    return bool(array.dtype.kind == "b")


def _aligned(size: int, arrays: Any, mapped: Any) -> tuple[list[Any], int]:
    """Return the arrays of an index, the mapped ones with an axis of examples in front, and how many axes
    they have together for one example."""
    for array, m in zip(arrays, mapped, strict=True):
        if m and _mask(array):
            wanted = "would pick another number of entries for each example of a vmap"
            hint = "np.where(mask, t, 0) or np.mean(t, where=mask)"
            raise TypeError(lesson("t[mask]", wanted, "a mask of its own for each", at_line(), hint))
    arrays = [np.asarray(a) if not hasattr(a, "ndim") else a for a in arrays]
    if any(map(_mask, arrays)) and any(mapped):
        wanted = "wants no mask beside an index of each example's own"
        raise TypeError(lesson("t[mask, i]", wanted, "", at_line(), "two steps, t[mask][..., i]"))
    deepest = max((a.ndim - m for a, m in zip(arrays, mapped, strict=True)), default=0)
    return [_deeper(size, a, deepest) if m else a for a, m in zip(arrays, mapped, strict=True)], deepest


def _own(size: int, deepest: int) -> Any:
    """Return the number of each example, to stand beside arrays of an index with so many axes."""
    return np.arange(size).reshape((size, *(1,) * deepest))


@_rule("getitem")
def _getitem(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    x, *arrays = xs
    index = attrs["index"]
    ndim = len(np.shape(x)) - mapped[0]
    places = _BatchedIndex(index, arrays, ndim)
    if not any(mapped[1:]):
        if places.together:
            return run(op, xs, index=(slice(None), *index))
        every = (slice(None),) if Ellipsis in [e for e in index if e is not ARRAY] else ()
        return np.moveaxis(run(op, [np.moveaxis(x, 0, -1), *arrays], index=(*index, *every)), -1, 0)
    arrays, deepest = _aligned(size, arrays, mapped[1:])
    if not mapped[0]:
        return np.moveaxis(run(op, [x, *arrays], index=index), places.before, 0)
    z = run(op, [x, _own(size, deepest), *arrays], index=(ARRAY, *index))
    return _turned(z, deepest, places)


def _turned(z: Any, deepest: int, places: _BatchedIndex) -> Any:
    """Return what was picked with its axes where an index without examples has them."""
    if not deepest or not places.before:
        return z
    return np.moveaxis(
        z, tuple(range(1, deepest + 1)), tuple(range(1 + places.before, 1 + places.before + deepest))
    )


def _turned_back(g: Any, deepest: int, places: _BatchedIndex) -> Any:
    if not deepest or not places.before:
        return g
    return np.moveaxis(
        g, tuple(range(1 + places.before, 1 + places.before + deepest)), tuple(range(1, deepest + 1))
    )


@_rule("scatter")
def _scatter(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    g, *arrays = xs
    index, shape = attrs["index"], tuple(attrs["shape"])
    places = _BatchedIndex(index, arrays, len(shape))
    g = g if mapped[0] else repeated(size, g)
    if not any(mapped[1:]):
        if places.together:
            return run(op, [g, *arrays], index=(slice(None), *index), shape=(size, *shape))
        every = (slice(None),) if Ellipsis in [e for e in index if e is not ARRAY] else ()
        found = run(op, [np.moveaxis(g, 0, -1), *arrays], index=(*index, *every), shape=(*shape, size))
        return np.moveaxis(found, -1, 0)
    arrays, deepest = _aligned(size, arrays, mapped[1:])
    g = _turned_back(g, deepest, places)
    return run(op, [g, _own(size, deepest), *arrays], index=(ARRAY, *index), shape=(size, *shape))


@_rule("add_at")
def _add_at(op: Any, size: int, xs: list[Any], mapped: list[bool], attrs: Any) -> Any:
    total, *pieces = xs
    total = _deeper(size, total, len(attrs["shape"])) if mapped[0] else total
    marked = list(zip(pieces, mapped[1:], strict=True))
    for (g, m), arrays, index in at_indexes(tuple(marked), attrs["indexes"]):
        each, flags = [g, *(a for a, _ in arrays)], [m, *(f for _, f in arrays)]
        how = {"index": index, "shape": attrs["shape"]}
        if any(flags):
            total = total + _scatter(ops["scatter"], size, each, flags, how)
        else:
            total = total + run(ops["scatter"], each, **how)
    return total
