"""Curves and tables drawn with characters, for a terminal, a log or a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_TO_ASCII = str.maketrans(
    {
        "─": "-",
        "│": "|",
        "┤": "|",
        "┼": "+",
        "└": "+",
        "┬": "+",
        "╭": ".",
        "╮": ".",
        "╯": "'",
        "╰": "'",
        "•": "o",
        "·": ".",
        "\u00d7": "x",
        "→": ">",
        "█": "#",
        "▏": "|",
        "±": "~",
        "\u2212": "-",
        "²": "2",
        "…": "~",
        "✓": "*",
    }
)


def ascii_only(text: str) -> str:
    """Return a drawing in ASCII, for terminals and files that cannot hold more.

    >>> ascii_only("╭──╯ 3 → 4")
    ".--' 3 > 4"
    """
    return text.translate(_TO_ASCII).encode("ascii", "replace").decode()


def line_chart(
    curves: Mapping[str, Sequence[float]], *, width: int = 72, height: int = 12, x_label: str = "epoch"
) -> str:
    """Draw one or two curves over 1, 2, ...: the first as a line, the second as dots.

    The scale is logarithmic where all numbers are positive and the largest is at least eight times the
    smallest. Points that are not finite are left out; so is the chart where fewer than two remain.

    >>> print(line_chart({"loss": [8.0, 4.0, 2.0, 1.0]}, width=24, height=4))
        8 ┤───╮
        4 ┤   ╰────╮
        2 ┤        ╰─────╮
        1 ┤              ╰──
          └┬───────────────┬
           1               4
          loss ─ by epoch (logarithmic)
    """
    shown = {name: np.asarray(values, np.float64) for name, values in curves.items()}
    everything = np.concatenate(list(shown.values())) if shown else np.zeros(0)
    finite = everything[np.isfinite(everything)]
    if len(finite) < 2:
        return ""
    low, high = float(finite.min()), float(finite.max())
    logarithmic = low > 0 and high / low >= 8
    scale = np.log if logarithmic else np.asarray
    bottom, top = float(scale(low)), float(scale(high))
    span = (top - bottom) or 1.0
    ticks = [top - span * row / (height - 1) for row in range(height)]
    names = [f"{math.exp(tick) if logarithmic else tick:.3g}" for tick in ticks]
    margin = max(5, max(map(len, names)))
    columns = max(2, width - margin - 2)
    canvas = [[" "] * columns for _ in range(height)]
    for number, values in reversed(list(enumerate(shown.values()))):
        rows = _rows(values, columns, lambda v: (top - scale(v)) / span * (height - 1))
        (_dots if number else _line)(canvas, rows)
    lines = [f"{name:>{margin}} ┤{''.join(line).rstrip()}" for name, line in zip(names, canvas, strict=True)]
    lines.append(" " * margin + " └┬" + "─" * (columns - 2) + "┬")
    last = str(max(len(values) for values in shown.values()))
    lines.append(" " * (margin + 2) + "1" + last.rjust(columns - 1))
    legend = ", ".join(f"{name} {'•' if number else '─'}" for number, name in enumerate(shown))
    lines.append(" " * margin + f" {legend} by {x_label}" + (" (logarithmic)" if logarithmic else ""))
    return "\n".join(lines)


def _rows(values: Array, columns: int, place: Any) -> list[int | None]:
    """Return the row of the curve in each column, None where it has no finite point."""
    if not len(values):
        return [None] * columns
    at = np.linspace(0, len(values) - 1, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = np.interp(at, np.arange(len(values)), place(values))
    return [round(float(height)) if np.isfinite(height) else None for height in heights]


def _line(canvas: list[list[str]], rows: list[int | None]) -> None:
    before: int | None = None
    for column, row in enumerate(rows):
        if row is None or before is None or row == before:
            if row is not None:
                canvas[row][column] = "─"
        else:
            down = row > before
            canvas[before][column] = "╮" if down else "╯"
            canvas[row][column] = "╰" if down else "╭"
            for between in range(min(row, before) + 1, max(row, before)):
                canvas[between][column] = "│"
        before = row


def _dots(canvas: list[list[str]], rows: list[int | None]) -> None:
    for column, row in enumerate(rows):
        if row is not None and column % 2 == 0:
            canvas[row][column] = "•"


def confusion_matrix(true: Array, predicted: Array, classes: int, weights: Any = None) -> Array:
    """Return the counts of shape (classes, classes): rows are the true class, columns the predicted one.

    With `weights` it is not rows that are counted, but what they weigh.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    counts = np.zeros((classes, classes), np.int64 if weights is None else np.float64)
    np.add.at(counts, (np.asarray(true), np.asarray(predicted)), 1 if weights is None else weights)
    return counts


def confusion_table(counts: Array, names: Sequence[str], *, width: int = 100) -> str:
    """Draw a confusion matrix with each class's recall and precision; where too wide, its worst mistakes.

    Recall is the share of the rows of a class that were recognised, precision the share of the predictions of
    a class that were right.

    >>> print(confusion_table(np.array([[9, 1], [0, 5]]), ["cat", "dog"]))
          predicted
    true  cat  dog   recall
    cat     9    1    90.0 %
    dog     ·    5   100.0 %
          100   83   precision in %
    """
    short = [_shortened(name, 12) for name in names]
    cell = max(3, len(str(counts.max())), *(len(name) for name in short)) + 2
    first = max(4, *(len(name) for name in short))
    if first + cell * len(names) + 10 > width:
        return _mistakes(counts, names)
    lines = [" " * first + "  predicted", f"{'true':<{first}}" + _cells(short, cell) + "   recall"]
    for i, (name, row) in enumerate(zip(short, counts, strict=True)):
        recall = _percent(row[i], row.sum())
        lines.append(f"{name:<{first}}{_cells([str(n) if n else '·' for n in row], cell)}  {recall:>7}")
    right, whole = np.diag(counts), counts.sum(0)
    precision = [f"{100 * n / all_:.0f}" if all_ else "-" for n, all_ in zip(right, whole, strict=True)]
    lines.append(" " * first + _cells(precision, cell) + "   precision in %")
    return "\n".join(lines)


def _cells(texts: Sequence[str], width: int) -> str:
    return "".join(f"{text:>{width}}" for text in texts)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _shortened(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _mistakes(counts: Array, names: Sequence[str], most: int = 10) -> str:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = [
        (int(i), int(j)) for i, j in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[i, j]
    ]
    lines = [f"{len(names)} classes; the most frequent mistakes:"] if pairs else ["no mistakes"]
    for i, j in pairs:
        lines.append(f"{wrong[i, j]:>5}  {_shortened(names[i], 30)} → {_shortened(names[j], 30)}")
    return "\n".join(lines)


def scatter(true: Array, predicted: Array, *, width: int = 60, height: int = 14) -> str:
    """Draw predicted numbers over true ones, both axes alike; `─` steps along the line where they are equal.

    The darker a character (`·`, `•`, `█`), the more rows are there: 1, 2 to 3, more.
    """
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    span = (high - low) or 1.0
    margin = max(len(f"{low:.3g}"), len(f"{high:.3g}"), 5)
    columns = width - margin - 2
    counts = np.zeros((height, columns), np.int64)
    across = np.round((true - low) / span * (columns - 1)).astype(int)
    down = np.round((high - predicted) / span * (height - 1)).astype(int)
    np.add.at(counts, (down, across), 1)
    equal = np.round((1 - np.arange(columns) / (columns - 1)) * (height - 1)).astype(int)
    lines = []
    for row in range(height):
        label = f"{high - span * row / (height - 1):.3g}"
        marks = (
            "█" if n > 3 else "•" if n > 1 else "·" if n else "─" if equal[c] == row else " "
            for c, n in enumerate(counts[row])
        )
        lines.append(f"{label:>{margin}} ┤{''.join(marks).rstrip()}")
    lines.append(" " * margin + " └┬" + "─" * (columns - 2) + "┬")
    lines.append(" " * (margin + 2) + f"{low:<.3g}" + f"{high:.3g}".rjust(columns - len(f"{low:.3g}")))
    lines.append(" " * margin + " predicted over true values")
    return "\n".join(lines)
