"""Which rows are learned from and which are held out: by chance, whole groups, in time, or fold by fold."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.columns import categories
from clearprop.data.divisions import moments_by, none_before
from clearprop.data.inspection import Reading
from clearprop.data.split import group_cuts, group_folds, ordered_parts, three_parts, whole_groups
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]
Parts = tuple[Any, Any, Any]


def divided(args: argparse.Namespace, table: Table, reading: Reading, classes: Array | None) -> Parts:
    """Return the rows to learn from, to validate and to test.

    With `--time` the earliest are learned from and the latest tested on; with `--group` no group is on two
    sides. Raises InputError where a group would be all there is, or a moment is missing.
    """
    shares = (args.validation_split, args.test_split)
    if args.time is not None:
        when = moments_by(table, reading, args.time)
        try:
            return ordered_parts(when, *shares)
        except ValueError as error:
            raise none_before(args.time, len(when), when.min(), when.max()) from error
    if args.group is None:
        return three_parts(len(table), *shares, classes=classes, seed=args.seed)
    order = whole_groups(_groups(table, args.group), args.seed)
    validation, test = (round(share * len(table)) for share in shares)
    cuts = group_cuts([len(rows) for rows in order], validation, test, args.group)
    parts = order[cuts[1] :], order[cuts[0] : cuts[1]], order[: cuts[0]]
    learn, held, kept = (
        np.sort(np.concatenate([*part, np.zeros(0, np.intp)])).astype(np.intp) for part in parts
    )
    return learn, held, kept


def folds(args: argparse.Namespace, table: Any, classes: Array | None, seed: int) -> Iterator[Parts]:
    """Give the parts of each fold: every row, or picture, is tested once, by a network that is new to it."""
    count, rows = args.folds, len(table)
    if count > rows:
        raise InputError(lesson(f"--folds {count}", "wants a row or more for each fold", f"{rows} rows"))
    if args.group is not None:
        order = whole_groups(_groups(table, args.group), seed)
        place = np.empty(rows, int)
        for group, fold in zip(order, group_folds([len(group) for group in order], count), strict=True):
            place[group] = fold
    else:
        shuffled = np.random.default_rng(seed).permutation(rows)
        if classes is not None:
            shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
        place = np.empty(rows, int)
        place[shuffled] = np.arange(rows) % count
    for fold in range(count):
        test, rest = np.flatnonzero(place == fold), np.flatnonzero(place != fold)
        share = args.validation_split
        if args.group is not None:
            groups = whole_groups(_groups(table, args.group)[rest], seed)
            wanted = round(share * len(rest))
            cut = int(np.searchsorted(np.cumsum([len(g) for g in groups]), wanted)) + 1 if wanted else 0
            held = np.sort(np.concatenate([*groups[:cut], np.zeros(0, np.intp)])).astype(np.intp)
            learn = np.setdiff1d(np.arange(len(rest)), held)
        else:
            kinds = None if classes is None else classes[rest]
            learn, held, _ = three_parts(len(rest), share, 0.0, classes=kinds, seed=seed)
        if not len(learn):
            raise InputError(lesson(f"--folds {count}", "leaves no row to learn from", f"fold {fold + 1}"))
        yield rest[learn], rest[held], test


def _groups(table: Table, name: str) -> Array:
    """Return the number of each row's group."""
    table.found(name, "the groups")
    return categories(table, name)[1]
