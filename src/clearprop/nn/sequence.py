"""Sequences of several lengths: padded to one, or packed so that no step computes what is padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from clearprop.errors import lesson
from clearprop.nn.functional.layer import arrayed
from clearprop.op import describe


class PackedSequence(NamedTuple):
    """Sequences by time: all first entries, then all second ones, ..., the longest sequence first.

    `data` is (entries, features), `batch_sizes` says how many sequences are still going at each step;
    `sorted_indices` is where the rows of a batch went, `unsorted_indices` the way back (None: as they were).
    """

    data: Any
    batch_sizes: tuple[int, ...]
    sorted_indices: tuple[int, ...] | None = None
    unsorted_indices: tuple[int, ...] | None = None


def pad_sequence(
    sequences: Sequence[Any],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Return arrays (length, ...) of several lengths as one, (longest, n, ...) or (n, longest, ...).

    >>> pad_sequence([np.array([1.0, 2.0]), np.array([3.0])], batch_first=True)
    array([[1., 2.],
           [3., 0.]])
    """
    arrays = [arrayed(x) for x in sequences]
    if not arrays:
        raise ValueError(lesson("pad_sequence(sequences)", "wants sequences", "none"))
    if padding_side not in ("right", "left"):
        raise ValueError(lesson("pad_sequence(padding_side=)", "is 'right' or 'left'", f"{padding_side!r}"))
    longest = max(x.shape[0] for x in arrays)
    rows = [_filled(x, longest, padding_value, padding_side == "left") for x in arrays]
    return np.stack(rows, axis=0 if batch_first else 1)


def _filled(x: Any, longest: int, value: float, left: bool) -> Any:
    missing = longest - x.shape[0]
    if not missing:
        return x
    padding = np.full((missing, *x.shape[1:]), value, x.dtype)
    return np.concatenate([padding, x] if left else [x, padding])


def pack_padded_sequence(
    x: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Return the first `lengths[i]` entries of each sequence of `x` (longest, n, ...), without the padding.

    Raises ValueError for lengths that do not fit and, with `enforce_sorted`, for lengths that do not fall.

    >>> pack_padded_sequence(np.array([[1, 3], [2, 0]]), [2, 1]).data
    array([1, 3, 2])
    """
    x = arrayed(x)
    x = np.swapaxes(x, 0, 1) if batch_first else x
    counts = [int(n) for n in lengths]
    called = "pack_padded_sequence(x, lengths)"
    if len(counts) != x.shape[1] or min(counts, default=0) < 1 or max(counts, default=0) > x.shape[0]:
        wanted = f"wants {x.shape[1]} lengths from 1 to {x.shape[0]}"
        raise ValueError(lesson(called, wanted, f"{counts}", f"x is {describe(x)}."))
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    there = back = None
    if enforce_sorted:
        if any(a < b for a, b in pairwise(counts)):
            wanted = "wants the longest sequence first"
            raise ValueError(lesson(called, wanted, f"{counts}", hint="enforce_sorted=False"))
    else:
        there, back = tuple(order), _inverse(order)
        x, counts = x[:, list(there)], [counts[i] for i in order]
    sizes = tuple(sum(n > t for n in counts) for t in range(counts[0]))
    return PackedSequence(np.concatenate([x[t, :n] for t, n in enumerate(sizes)]), sizes, there, back)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """Return the sequences padded again, (longest, n, ...) or (n, longest, ...), and their lengths.

    >>> x, lengths = pad_packed_sequence(pack_padded_sequence(np.array([[1, 3], [2, 9]]), [2, 1]))
    >>> x, lengths
    (array([[1, 3],
           [2, 0]]), array([2, 1]))
    """
    steps, sizes = by_time(sequence), sequence.batch_sizes
    lengths = np.array([sum(n > i for n in sizes) for i in range(sizes[0])])
    total = len(sizes) if total_length is None else total_length
    if total < len(sizes):
        wanted = f"wants {len(sizes)} or more"
        raise ValueError(lesson("pad_packed_sequence(total_length=)", wanted, f"{total}"))
    rows = [_filled(x, sizes[0], padding_value, False) for x in steps]
    rows += [np.full(rows[0].shape, padding_value, rows[0].dtype)] * (total - len(sizes))
    padded = np.stack(rows, axis=1 if batch_first else 0)
    back = sequence.unsorted_indices
    if back is None:
        return padded, lengths
    return (padded[list(back)] if batch_first else padded[:, list(back)]), lengths[list(back)]


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Return arrays (length, ...) of several lengths as one PackedSequence.

    >>> packed = pack_sequence([np.array([1.0, 2.0]), np.array([3.0])])
    >>> packed.data, packed.batch_sizes
    (array([1., 3., 2.]), (2, 1))
    """
    lengths = [arrayed(x).shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpad_sequence(padded: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """Return the sequences of a padded array (longest, n, ...) without their padding.

    >>> unpad_sequence(np.array([[1.0, 3.0], [2.0, 0.0]]), [2, 1])
    [array([1., 2.]), array([3.])]
    """
    rows = padded if batch_first else np.swapaxes(padded, 0, 1)
    return [rows[i, : int(n)] for i, n in enumerate(lengths)]


def unpack_sequence(sequence: PackedSequence) -> list[Any]:
    """Return the sequences of a PackedSequence, each an array (length, ...).

    >>> unpack_sequence(pack_sequence([np.array([1.0, 2.0]), np.array([3.0])]))
    [array([1., 2.]), array([3.])]
    """
    return unpad_sequence(*pad_packed_sequence(sequence))


def by_time(sequence: PackedSequence) -> list[Any]:
    """Return the rows of each step."""
    ends = np.cumsum(sequence.batch_sizes)
    return [sequence.data[end - n : end] for end, n in zip(ends.tolist(), sequence.batch_sizes, strict=True)]


def _inverse(order: Iterable[int]) -> tuple[int, ...]:
    places = list(order)
    back = [0] * len(places)
    for new, old in enumerate(places):
        back[old] = new
    return tuple(back)
