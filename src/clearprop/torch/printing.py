"""How PyTorch prints a tensor: four digits, one width for all, powers of ten where they differ much."""

from __future__ import annotations

from typing import Any

import numpy as np

DIGITS, LINE, MANY, EDGE = 4, 80, 1000, 3


class _NumberWriter:
    """Writes the numbers of one tensor, all of the same width."""

    def __init__(self, shown: Any) -> None:
        self.floats = shown.dtype.kind == "f"
        self.whole = self.powers = False
        if self.floats:
            finite = np.abs(shown[np.isfinite(shown) & (shown != 0)].astype(np.float64))
            self.whole = bool((finite == np.ceil(finite)).all())
            if finite.size:
                low, high = finite.min(), finite.max()
                self.powers = bool(high / low > 1000 or high > 1e8 or (not self.whole and low < 1e-4))
            told = shown[np.isfinite(shown) & (shown != 0)]
            self.width = max((len(self.plain(x)) for x in told.ravel()), default=1)
        else:
            self.width = max((len(self.plain(x)) for x in shown.ravel()), default=0)

    def plain(self, x: Any) -> str:
        """Return a number, as narrow as it is."""
        if not self.floats:
            return str(x.item())
        if self.powers:
            return f"{x:.{DIGITS}e}"
        if not self.whole:
            return f"{x:.{DIGITS}f}"
        return f"{x:.0f}" + "." * bool(np.isfinite(x))

    def text(self, x: Any) -> str:
        """Return a number, as wide as all are."""
        return self.plain(x).rjust(self.width)


def _shown(array: Any) -> Any:
    """Return the entries that are printed of a long array: the first and last three along each axis."""
    for axis, n in enumerate(array.shape):
        if n > 2 * EDGE:
            array = array.take([*range(EDGE), *range(n - EDGE, n)], axis=axis)
    return array


def _body(array: Any, indent: int, shorten: bool, writer: _NumberWriter) -> str:
    if not array.ndim:
        return writer.text(array[()])
    n = len(array)
    cut = shorten and n > 2 * EDGE
    rows = [*range(EDGE), None, *range(n - EDGE, n)] if cut else [*range(n)]
    if array.ndim == 1:
        words = [" ..." if i is None else writer.text(array[i]) for i in rows]
        a_line = max(1, (LINE - indent) // (writer.width + 2))
        lines = [words[i : i + a_line] for i in range(0, len(words), a_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(map(", ".join, lines)) + "]"
    parts = ["..." if i is None else _body(array[i], indent + 1, shorten, writer) for i in rows]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def text_of(array: Any, suffixes: list[str]) -> str:
    """Return what PyTorch prints for a tensor of these numbers, with `dtype=...` and the like at the end.

    >>> print(text_of(np.array([1.5, -2.0]), ["requires_grad=True"]))
    tensor([ 1.5000, -2.0000], requires_grad=True)
    """
    array = np.asarray(array)
    if not array.size:
        text = "tensor([]"
        suffixes = [f"size={array.shape}"] * (array.ndim > 1) + suffixes
    else:
        shorten = array.size > MANY
        shown = _shown(array) if shorten else array
        text = "tensor(" + _body(array, len("tensor("), shorten, _NumberWriter(shown))
    last = len(text) - text.rfind("\n")
    for suffix in suffixes:
        if last + len(suffix) + 2 > LINE:
            text += ",\n" + " " * len("tensor(") + suffix
            last = len("tensor(") + len(suffix)
        else:
            text += ", " + suffix
            last += len(suffix) + 2
    return text + ")"
