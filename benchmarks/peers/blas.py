"""The machine's own rate: one large float32 product of NumPy's, on all cores."""

from __future__ import annotations

import numpy as np

from peers.rows import BATCHES, Contender, Row

SIDE = 1024


def build(row: Row, how: str) -> Contender:
    """Return what multiplies two square matrices, without batches."""
    x, y = (np.random.default_rng(i).standard_normal((SIDE, SIDE), np.float32) for i in (0, 1))
    z = np.empty_like(x)
    return lambda: np.matmul(x, y, out=z), [()] * BATCHES
