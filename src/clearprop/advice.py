"""What to try where NumPy refuses an array's shape, axis or index: found by what NumPy says."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Cure = Callable[[re.Match[str], Sequence[Any]], str]


def advice(complaint: str, values: Sequence[Any]) -> str:
    """Return what a person may try after NumPy's `complaint` about these inputs; "" where nothing is known.

    >>> advice("index 7 is out of bounds for axis 0 with size 3", ())
    'an index from -3 to 2 along axis 0'
    """
    for pattern, cure in _CURES.items():
        found = re.search(pattern, complaint)
        if found is not None:
            return cure(found, values)
    return ""


def _paired(found: re.Match[str], values: Sequence[Any]) -> str:
    shapes = _shapes(values)
    if len(shapes) == 2:
        short, long = sorted(shapes, key=len)
        if fitting := _from_the_left(short, long):
            return f"{fitting}: shapes agree from the last axis on"
    return (
        "shapes that agree from the last axis on or are 1 there; x[:, None] pairs all entries of two vectors"
    )


def _shapes(values: Sequence[Any]) -> list[tuple[int, ...]]:
    return [tuple(x.shape) for x in values if hasattr(x, "shape")]


def _from_the_left(short: tuple[int, ...], long: tuple[int, ...]) -> str:
    """Return the reshape after which an array fits axes that are further left, "" where there are none."""
    for axis in range(len(long) - len(short) + 1):
        if short and long[axis : axis + len(short)] == short:
            fitting = (*short, *[1] * (len(long) - len(short) - axis))
            return f"reshape({fitting}) of what is {short}"
    return ""


def _spread(found: re.Match[str], values: Sequence[Any]) -> str:
    wanted = tuple(int(n) for n in found[1].split(",") if n)
    shapes = _shapes(values)
    fitting = _from_the_left(shapes[0], wanted) if shapes else ""
    return fitting or "a shape that ends as the array's does, where that is not 1"


def _joined(found: re.Match[str], values: Sequence[Any]) -> str:
    shapes = _shapes(values)
    if len(set(map(len, shapes))) == 1:
        differ = [axis for axis, sizes in enumerate(zip(*shapes, strict=True)) if len(set(sizes)) > 1]
        if len(differ) == 1:
            return f"np.concatenate([...], axis={differ[0]}): they agree along every other axis"
    return "arrays that agree along every axis but one, or parts of them that do"


def _axis(found: re.Match[str], values: Sequence[Any]) -> str:
    n = int(found[1])
    return f"an axis from {-n} to {n - 1}" if n else "it without axis: a value without axes has none to name"


def _index(found: re.Match[str], values: Sequence[Any]) -> str:
    axis, size = found[1], int(found[2])
    return f"an index from {-size} to {size - 1} along axis {axis}" if size else "a longer array: it is empty"


def _product(found: re.Match[str], values: Sequence[Any]) -> str:
    return f"-1 for one axis, or a product of {found[1]}"


def _indices(found: re.Match[str], values: Sequence[Any]) -> str:
    return f"no more indices than axes: {found[1]}"


def _said(words: str) -> Cure:
    return lambda found, values: words


def _unsupported(found: re.Match[str], values: Sequence[Any]) -> str:
    if found[1].startswith("bitwise") or found[1] == "invert":
        return "t ** 2 for a power; ^ & | ~ are for integers and truth values"
    if any(isinstance(x, str) for x in values):
        return "float(text): a number in quotes is text"
    return ""


_CURES: dict[str, Cure] = {
    r"could not be broadcast together with shapes": _paired,
    r"remapped\]: \([\d,]*\) +and requested shape \(([\d,]*)\)": _spread,
    r"remapped\].*,newaxis,newaxis\).* and requested shape": _said(
        "stacks of matrices whose axes before the last two agree or are 1"
    ),
    r"could not be broadcast together with remapped": _said("the same length wherever a letter stands"),
    r"cannot reshape array of size (\d+)": _product,
    r"axis -?\d+ is out of bounds for array of dimension (\d+)": _axis,
    r"index -?\d+ is out of bounds for axis (\d+) with size (\d+)": _index,
    r"array is (\d+)-dimensional, but": _indices,
    r"except for the concatenation axis": _joined,
    r"all input arrays must have the same shape": _joined,
    r"axis to squeeze out": _said("an axis of length 1, or reshape(...) for any other"),
    r"axes don't match array": _said("each axis once, in the new order"),
    r"array split does not result": _said("np.array_split, whose pieces may differ by one"),
    r"^inner sizes differ, ": _said("two vectors of the same length"),
    r"ufunc '(\w+)' not supported for the input types": _unsupported,
    r"'str' object cannot be interpreted as an integer": _said("the number without quotes"),
}
"""By what NumPy says, the first that fits: what to try."""
