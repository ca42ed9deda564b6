"""Several results as one: an op has one output, so that results of one dtype lie in a row, flat."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import at_line, lesson


class Packing:
    """Where the arrays of a result, which may be any tree, lie in flat arrays, one for each dtype.

    A dtype that only one of them has is no flat array but that one as it is. `groups` are the numbers of the
    results of each dtype through which gradients pass, `rest` those of all others.
    """

    def __init__(self, called: str, output: Any, values: list[Any]) -> None:
        if not values:
            wanted = "wants a function that returns arrays"
            raise TypeError(lesson(called, wanted, type(output).__name__, at_line()))
        self.form: Any = tree.rebuilt(output, [0.0] * len(values))
        self.shapes: list[tuple[int, ...]] = [np.shape(x) for x in values]
        self.groups: dict[Any, list[int]] = {}
        self.rest: list[int] = []
        for k, x in enumerate(values):
            differentiable = x.dtype.kind in "fc"
            (self.groups.setdefault(x.dtype, []) if differentiable else self.rest).append(k)

    def flat(self, values: list[Any], group: list[int]) -> Any:
        """Return the results of a group in a row."""
        if len(group) == 1:
            return values[group[0]]
        return np.concatenate([np.reshape(values[k], (-1,)) for k in group])

    def parts(self, flat: Any, group: list[int]) -> dict[int, Any]:
        """Return the results that lie in a row, by number."""
        if len(group) == 1:
            return {group[0]: flat}
        found, start = {}, 0
        for k in group:
            size = math.prod(self.shapes[k])
            part = flat[start : start + size]
            found[k] = part.reshape(self.shapes[k]) if self.shapes[k] else part[0]
            start += size
        return found

    def formed(self, values: dict[int, Any]) -> Any:
        """Return the results, by number, in the form in which the function returned them."""
        return tree.rebuilt(self.form, [values[k] for k in range(len(self.shapes))])
