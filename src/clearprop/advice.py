"""What to try where NumPy refuses an array's shape, axis or index: found by what NumPy says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    if "NoneType" not in complaint:  # many an argument may be None
        values = [x for x in values if x is not None]
    return of_values(values)


def of_values(values: Iterable[Any]) -> str:
    """Return what to write for the first of these that is no number and no array of them; "" for none.

    >>> of_values([2.0, "3"]), of_values([2.0, 3])
    ('float(text): a number in quotes is text', '')
    """
    for x in values:
        if hint := of_value(x):
            return hint
    return ""


def of_value(x: Any) -> str:
    """Return what to write in place of a value that is no number and no array of them; "" where it is one.

    >>> of_value(dict)
    'dict(...): this is the class, not what it makes'
    >>> of_value(1.5)
    ''
    """
    if x is None:
        return "a number or an array there: None is what a function gives that ends without `return`"
    if isinstance(x, (str, bytes)):
        return "float(text): a number in quotes is text"
    if isinstance(x, type):
        if x in (float, int, bool, complex) or x.__module__ == "numpy":
            return ""  # a dtype
        return f"{x.__name__}(...): this is the class, not what it makes"
    if hasattr(x, "forward"):
        return f"what it gives, module(x), for the {type(x).__name__} itself"
    if callable(x) and not hasattr(x, "shape"):
        return "what it gives, f(x), for the function itself"
    if isinstance(x, Mapping):
        return f"one of its values, d[{next(iter(x), 'name')!r}]"
    if isinstance(x, (set, frozenset)):
        return "np.array(sorted(x)): a set has no order"
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    if kind == "O" and not isinstance(getattr(x, "flat", 0), int):
        return of_values(list(x.flat)[:8]) or "an array of floats: x.astype(float)"
    return "x.astype(float): the entries are text" if kind in "US" and kind else ""


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
    lists = [x for x in values if isinstance(x, (list, tuple))]
    inside = [y for x in lists for y in x if hasattr(y, "shape")]
    return [tuple(x.shape) for x in (*values, *inside) if hasattr(x, "shape")]


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


def _inner(found: re.Match[str], values: Sequence[Any]) -> str:
    shapes = _shapes(values)
    if [len(shape) for shape in shapes] != [2, 2]:
        return "two vectors of the same length"
    (rows, columns), (more, others) = shapes
    if columns == others:
        return "x @ y.T: their rows are of one length"
    return "x.T @ y: their columns are of one length" if rows == more else f"a y of {columns} rows"


def _product(found: re.Match[str], values: Sequence[Any]) -> str:
    return f"-1 for one axis, or a product of {found[1]}"


def _indices(found: re.Match[str], values: Sequence[Any]) -> str:
    return f"no more indices than axes: {found[1]}"


def _said(words: str) -> Cure:
    return lambda found, values: words


def _unsupported(found: re.Match[str], values: Sequence[Any]) -> str:
    if hint := of_values(values):
        return hint
    if found[1].startswith("bitwise") or found[1] == "invert":
        return "t ** 2 for a power; ^ & | ~ are for integers and truth values"
    if found[1].endswith("_shift"):
        times = "*" if found[1].startswith("left") else "/"
        return f"t {times} 2**n, which is the same for numbers of any kind"
    return ""


def _ranks(found: re.Match[str], values: Sequence[Any]) -> str:
    if hint := of_values(values):
        return hint
    shapes = _shapes(values)
    most = max(map(len, shapes), default=0)
    fewer = [shape for shape in shapes if len(shape) == most - 1]
    if fewer and most:
        return f"x[None] for the array of shape {fewer[0]}, which then has {most} axes"
    return "x[None] for each axis that one of them lacks"


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
    r"invalid index to scalar variable": _said("t itself: it is one number, without axes to index"),
    r"must have same number of dimensions": _ranks,
    r"zero-dimensional arrays cannot be concatenated": _said("np.stack, which joins numbers to a vector"),
    r"need at least one array": _said("a list of one array or more"),
    r"except for the concatenation axis": _joined,
    r"all input arrays must have the same shape": _joined,
    r"^Size of label|for collapsing index": _said("the same length wherever a letter stands"),
    r"output subscript '(\w)' which never appeared": lambda found, values: (
        f"letters behind -> that stand before it: {found[1]!r} does not"
    ),
    r"too many subscripts|correct number of indices|more dimensions than subscripts": _said(
        "one letter for each axis of each array, and commas between the arrays: 'ij,jk->ik'"
    ),
    r"each subscript must be": _said("np.einsum('ij,jk->ik', x, y): the subscripts come first, as text"),
    r"axis to squeeze out": _said("an axis of length 1, or reshape(...) for any other"),
    r"axes don't match array": _said("each axis once, in the new order"),
    r"array split does not result": _said("np.array_split, whose pieces may differ by one"),
    r"^inner sizes differ, ": _inner,
    r"^Singular matrix": _said("np.linalg.pinv(x), or np.linalg.lstsq(x, y): this matrix has no inverse"),
    r"ufunc '(\w+)' not supported for the input types": _unsupported,
    r"could not convert string to float": _said(
        "numbers alone: np.unique(column, return_inverse=True)[1] makes codes of text"
    ),
    r"^data type .* not understood": _said("np.float32, or another that np.dtype(...) knows"),
    r"'str' object cannot be interpreted as an integer": _said("the number without quotes"),
}
"""By what NumPy says, the first that fits: what to try."""
