"""Splits: which samples are learned from and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.data.dataset import Subset
from clearprop.errors import InputError, lesson


def split_indices(
    size: int, fraction: float, seed: int | None = None, stratify: Any = None
) -> tuple[Any, Any]:
    """Return the shuffled numbers of the samples kept and of the `fraction` held out.

    With `stratify`, an array of classes, every class is held out in proportion: each count is that of the
    exact share rounded down or up, and the total is that of the whole. Raises ValueError where one side
    would be empty or a class has a single sample.

    >>> kept, held = split_indices(10, 0.2, seed=0, stratify=[0] * 5 + [1] * 5)
    >>> len(kept), sorted(int(i) // 5 for i in held)
    (8, [0, 1])
    """
    called = "split_indices(...)"
    count = round(size * fraction)
    if not 0 < fraction < 1 or not 0 < count < size:
        raise ValueError(
            lesson(
                called,
                "wants at least one sample on each side",
                f"fraction {fraction} of {size} samples",
                hint="fraction=0.2 with five samples or more",
            )
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(size)
    if stratify is None:
        return order[count:], order[:count]
    labels = np.asarray(stratify)
    if labels.shape != (size,):
        raise ValueError(lesson(called, f"wants one class per sample, ({size},)", f"{labels.shape}"))
    classes, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < 2:
        raise ValueError(
            lesson(
                called,
                "wants two samples or more of each class",
                f"class {classes[sizes.argmin()]} has one",
                hint="stratify=None, or leaving that class out",
            )
        )
    held = np.zeros(size, bool)
    for label, number in zip(classes, _in_proportion(sizes, fraction, count), strict=True):
        held[order[labels[order] == label][:number]] = True
    chosen = held[order]
    return order[~chosen], order[chosen]


def _in_proportion(sizes: Any, fraction: float, count: int) -> Any:
    """Return how many of each class are held out: its exact share, rounded so that they add up to `count`."""
    shares = sizes * fraction
    counts = np.floor(shares).astype(int)
    rest = shares - counts
    rest[counts + 1 >= sizes] -= 1.0  # a class with no sample to spare comes last
    rest[counts == 0] += 1.0  # a class that would not be held out at all comes first
    for i in np.argsort(-rest, kind="stable")[: max(0, count - counts.sum())]:
        counts[i] += 1
    return counts


def train_validation_split(
    *arrays: Any, fraction: float = 0.2, seed: int | None = None, stratify: Any = None
) -> tuple[Any, ...]:
    """Split arrays of one length: `x, x_held, y, y_held = train_validation_split(x, y)`.

    >>> x, x_held, y, y_held = train_validation_split(np.arange(10), np.arange(10) * 2, seed=0)
    >>> len(x), len(y_held), bool((y_held == 2 * x_held).all())
    (8, 2, True)
    """
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ValueError(
            lesson("train_validation_split(*arrays)", "wants arrays of one length", f"{sorted(lengths)}")
        )
    kept, held = split_indices(lengths.pop(), fraction, seed, stratify)
    return tuple(part for a in map(np.asarray, arrays) for part in (a[kept], a[held]))


def three_parts(
    rows: int, validation: float, test: float, *, classes: Any = None, seed: int = 0
) -> tuple[Any, Any, Any]:
    """Return the row numbers of three parts (training, validation, test), each in ascending order.

    `validation` and `test` are shares of all rows, rounded. With `classes`, each row's class, every class is
    split in these proportions too, as nearly as whole rows allow. The same seed gives the same parts.

    >>> training, validation, test = three_parts(10, 0.2, 0.2, classes=np.arange(10) % 2)
    >>> len(training), sum(validation % 2).item(), sum(test % 2).item()
    (6, 1, 1)
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(rows)
    place = np.arange(rows) / max(rows, 1)
    if classes is not None:  # each row's place within its class, from 0 to 1, decides the part
        kinds = np.asarray(classes)[order]
        for kind in np.unique(kinds):
            members = np.flatnonzero(kinds == kind)
            place[members] = (np.arange(len(members)) + 0.5) / len(members)
        order = order[np.argsort(place, kind="stable")]
    tested, validated = round(test * rows), round(validation * rows)
    cuts = (order[tested + validated :], order[tested : tested + validated], order[:tested])
    training, held, kept = (np.sort(part) for part in cuts)
    return training, held, kept


def ordered_parts(order: Any, validation: float, test: float) -> tuple[Any, Any, Any]:
    """Return the row numbers of three parts by a number for each row: the lowest, those after, the highest.

    Rows with the same number stay on one side, the later one. Raises ValueError where none is left to learn
    from.

    >>> training, validation, test = ordered_parts(np.array([5, 1, 4, 2, 3]), 0.2, 0.2)
    >>> training.tolist(), validation.tolist(), test.tolist()
    ([1, 3, 4], [2], [0])
    """
    order = np.asarray(order)
    rows, sorted_ = len(order), np.sort(order)
    tested, validated = round(test * rows), round(validation * rows)
    last = sorted_[rows - tested] if tested else np.inf
    before = sorted_[rows - tested - validated] if validated else last
    training = np.flatnonzero(order < before)
    if not len(training):
        got = f"{rows} rows from {sorted_[0]} to {sorted_[-1]}" if rows else "no rows"
        raise ValueError(lesson("ordered_parts(...)", "wants rows before those that are held out", got))
    return training, np.flatnonzero((order >= before) & (order < last)), np.flatnonzero(order >= last)


def whole_groups(groups: Any, seed: int | None = None) -> list[Any]:
    """Return the row numbers of each group, the groups in a random order.

    >>> sorted(rows.tolist() for rows in whole_groups(np.array([7, 8, 7]), seed=0))
    [[0, 2], [1]]
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(place, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(place, minlength=len(names)))[:-1])
    return [parts[i] for i in np.random.default_rng(seed).permutation(len(names))]


def group_cuts(sizes: Any, validation: int, test: int, name: str) -> tuple[int, int]:
    """Return how many of some groups, in their order, hold the rows to test, and those and to validate.

    `sizes` are the groups' numbers of rows, `name` is what they are called. Raises InputError where no group
    is left to learn from.

    >>> group_cuts(np.array([4, 4, 4, 4]), validation=2, test=3, name="patient")
    (1, 2)
    """
    ends = np.cumsum(sizes)
    cuts = [int(np.searchsorted(ends, wanted)) + 1 if wanted else 0 for wanted in (test, test + validation)]
    cuts[1] = max(cuts[1], cuts[0] + bool(validation))
    if cuts[1] >= len(sizes):
        got, hint = f"{len(sizes)} groups in {name!r}", "smaller --test-split and --validation-split"
        raise InputError(lesson("--group", "wants more groups than are held out", got, hint=hint))
    return cuts[0], cuts[1]


def group_folds(sizes: Any, count: int) -> Any:
    """Return the fold of each group, the largest first, each to the fold of fewest rows.

    Raises InputError for fewer groups than folds.

    >>> group_folds(np.array([1, 5, 3, 1]), 2)
    array([1, 0, 1, 1])
    """
    if len(sizes) < count:
        got = f"{len(sizes)} groups"
        raise InputError(lesson(f"--folds {count}", "wants a group or more for each fold", got))
    fold, rows = np.empty(len(sizes), int), np.zeros(count)
    for group in np.argsort(-np.asarray(sizes), kind="stable").tolist():
        fold[group] = rows.argmin()
        rows[fold[group]] += sizes[group]
    return fold


def random_split(dataset: Any, lengths: Sequence[float], seed: int | None = None) -> list[Subset]:
    """Cut a dataset into random parts of the given lengths, or fractions that add up to 1.

    Samples left over by rounding down go to the first parts, one each, as in PyTorch.

    >>> [len(part) for part in random_split(range(10), [0.75, 0.25], seed=0)]
    [8, 2]
    """
    size = len(dataset)
    if abs(sum(lengths) - 1) < 1e-9 and any(not isinstance(n, int) for n in lengths):
        counts = [int(size * share) for share in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [int(n) for n in lengths]
    if sum(counts) != size or min(counts) < 0:
        raise ValueError(
            lesson(
                "random_split(dataset, lengths)",
                f"wants lengths that add up to {size}, or fractions that add up to 1",
                f"{list(lengths)}",
            )
        )
    order = np.random.default_rng(seed).permutation(size)
    ends = np.cumsum(counts)
    return [Subset(dataset, order[end - n : end]) for n, end in zip(counts, ends, strict=True)]
