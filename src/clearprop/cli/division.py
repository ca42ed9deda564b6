"""Which rows are learned from and which are held out: by chance, whole groups, in time, or fold by fold."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.columns import categories
from clearprop.data.inspection import Reading
from clearprop.data.readings import moments_of, numbers_only
from clearprop.data.split import ordered_parts, three_parts, whole_groups
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
        return ordered_parts(_moments(table, reading, args.time), *shares)
    if args.group is None:
        return three_parts(len(table), *shares, classes=classes, seed=args.seed)
    groups = _groups(table, args.group)
    test, validation = (round(share * len(table)) for share in reversed(shares))
    order = whole_groups(groups, args.seed)
    sizes = np.cumsum([len(rows) for rows in order])
    cuts = [int(np.searchsorted(sizes, wanted)) + 1 if wanted else 0 for wanted in (test, test + validation)]
    cuts[1] = max(cuts[1], cuts[0] + bool(validation))
    if cuts[1] >= len(order):
        got, hint = f"{len(order)} groups in {args.group!r}", "smaller --test-split and --validation-split"
        raise InputError(lesson("--group", "wants more groups than are held out", got, hint=hint))
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
        if len(order) < count:
            got = f"{len(order)} groups"
            raise InputError(lesson(f"--folds {count}", "wants a group or more for each fold", got))
        place = np.empty(rows, int)
        sizes = np.zeros(count)
        for group in sorted(order, key=len, reverse=True):  # the largest first, each to the smallest fold
            fold = int(sizes.argmin())
            place[group], sizes[fold] = fold, sizes[fold] + len(group)
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


def _moments(table: Table, reading: Reading, name: str) -> Array:
    """Return when each row was, by a column of dates or of numbers."""
    table.found(name, "the time")
    found = reading.findings.get(name)
    if found is not None and found.kind == "date" and found.form is not None:
        moments = moments_of(table, name, found.form)
        gone, when = np.isnat(moments), moments.astype(np.int64)
    else:
        when = numbers_only(table, name, found.dress) if found is not None else numbers_only(table, name)
        gone = np.isnan(when)
    if gone.any():
        row = int(np.flatnonzero(gone)[0])
        wanted = f"wants to know of every row when it was, {name!r} is missing"
        raise InputError(
            lesson("--time", wanted, table.where(name, row), hint=f"rows without {name!r} left out")
        )
    return np.asarray(when)
