"""Which columns of a table tell most of its target, each taken alone."""

from __future__ import annotations

from typing import Any

import numpy as np


def telling(x: Any, y: Any) -> list[int]:
    """Return the two columns of `x` (rows, columns) that tell most of `y`, in the order of the table.

    A column tells as much as the share of its variance that lies between the classes; of a target of many
    numbers, the square of their correlation. One that is constant tells nothing.

    >>> x = np.array([[5.0, 0.0, 1.0], [5.0, 1.0, 9.0], [5.0, 0.2, 2.0], [5.0, 0.9, 8.0]])
    >>> telling(x, np.array([0, 1, 0, 1]))
    [1, 2]
    """
    columns = x.shape[1]
    if columns <= 2:
        return [0, columns - 1]
    x, y = np.asarray(x, np.float64), np.asarray(y).reshape(len(y), -1)[:, 0]
    centred = x - x.mean(axis=0)
    whole = (centred**2).sum(axis=0)
    with np.errstate(all="ignore"):
        shares = _explained(centred, y) / whole
    shares[~(np.isfinite(shares) & (whole > 0))] = -1.0
    best = np.argsort(-shares, kind="stable")[:2]
    return sorted(int(k) for k in best)


def _explained(centred: Any, y: Any) -> Any:
    """Return how much of the squares of each column what is known of `y` explains."""
    classes = np.unique(y)
    if y.dtype.kind in "iub" or len(classes) == 2:
        members = [centred[y == c] for c in classes]
        return sum(len(rows) * rows.mean(axis=0) ** 2 for rows in members)
    y = y - y.mean()
    return (centred.T @ y) ** 2 / (y @ y)
