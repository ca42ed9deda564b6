"""Which rows to learn from, which to validate on and which to keep for the test."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def three_parts(
    rows: int, validation: float, test: float, *, classes: Array | None = None, seed: int = 0
) -> tuple[Array, Array, Array]:
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
