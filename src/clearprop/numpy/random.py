"""`clearprop.numpy.random`: NumPy's names, whose distributions take Tensors; see `clearprop.numpy.draws`."""

from __future__ import annotations

import sys

from clearprop.numpy.draws import NAMES

vars(sys.modules[__name__]).update(NAMES)


def __dir__() -> list[str]:
    return sorted(NAMES)
