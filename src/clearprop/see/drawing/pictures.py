"""Small pictures of arrays: cells with numbers for small ones, a heat map or a line for large ones."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.see.numbers import brief

CELL_HEIGHT, CHARACTER = 17.0, 6.3  # of a number in a cell, in pixels
_DOT = 5  # pixels of a square in a heat map
_MOST_COLUMNS, _MOST_ROWS = 20, 11

# Blue for negative, white for zero, orange for positive: told apart with every kind of colour blindness.
_NEGATIVE, _ZERO, _POSITIVE = (33, 102, 172), (247, 247, 245), (200, 82, 0)
_BROKEN = (214, 0, 170)  # NaN and infinity
_STEPS = 31  # shades between white and a colour that a letter can say
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(slots=True)
class Picture:
    """A picture of an array: `kind` is `cells`, `heat` or `line`; `rows` holds the numbers that are shown."""

    kind: str
    rows: Any
    width: float
    height: float
    cell: float = 0.0
    """The width of one cell (`cells`)."""


def picture(array: Any) -> Picture | None:
    """Return the picture that suits an array: None for a number, which is written out instead.

    Complex numbers in cells are written out and coloured by their lengths; of many it shows the lengths.

    >>> picture(np.ones((2, 3))).kind, picture(np.eye(64, 20)).kind, picture(np.arange(100.0)).kind
    ('cells', 'heat', 'line')
    """
    array = np.asarray(array)
    if array.ndim == 0 or array.size == 0:
        return None
    if array.size > 20 and max(array.shape) == array.size:  # a vector, however many axes of length 1 it has
        array = array.reshape(-1)
    if array.ndim <= 2 and array.shape[-1] <= 6 and array.size // array.shape[-1] <= 5 and array.size <= 20:
        return _cells(array)
    if array.dtype.kind == "c":
        array = np.abs(array)  # as its caption says
    if array.dtype.kind != "f" or np.isfinite(array).all():
        low, high = array.min(), array.max()
        if low == high:  # the caption says it all
            return None
    if array.ndim == 1:
        return Picture("line", shrunk(array.reshape(1, -1).astype(float), 1, 60)[0], 132.0, 26.0)
    rows = array.reshape(-1, array.shape[-1]).astype(float)
    shown = shrunk(rows, _MOST_ROWS, _MOST_COLUMNS)
    return Picture("heat", shown, shown.shape[1] * float(_DOT), shown.shape[0] * float(_DOT))


def _cells(array: Any) -> Picture:
    rows = array.reshape(-1, array.shape[-1])
    widest = max(len(brief(x)) for x in rows.ravel())
    cell = max(24.0, widest * CHARACTER + 8)
    return Picture("cells", rows, rows.shape[1] * cell, rows.shape[0] * CELL_HEIGHT, cell)


def align(first: Picture, second: Picture) -> None:
    """Give the cells of two pictures the same width, so that entries stand above each other."""
    if first.kind == second.kind == "cells":
        first.cell = second.cell = max(first.cell, second.cell)
        for shown in (first, second):
            shown.width = shown.rows.shape[1] * shown.cell


def shrunk(rows: Any, most_rows: int, most_columns: int) -> Any:
    """Return means of blocks, so that no more than these rows and columns are left."""
    for axis, most in ((0, most_rows), (1, most_columns)):
        n = rows.shape[axis]
        if n > most:
            starts = np.arange(most) * n // most
            counts = np.diff(np.append(starts, n)).reshape((-1, 1) if axis == 0 else (1, -1))
            with np.errstate(all="ignore"):
                rows = np.add.reduceat(rows, starts, axis=axis) / counts
    return rows


def shares(rows: Any) -> Any:
    """Return how far each entry is on the way from white to its colour, -1 to 1; NaN for what is broken."""
    rows = np.asarray(rows)
    rows = np.asarray(np.abs(rows) if rows.dtype.kind == "c" else rows, dtype=float)
    broken = ~np.isfinite(rows)
    safe = np.where(broken, 0.0, rows)
    largest = float(np.abs(safe).max(initial=0.0)) or 1.0
    return np.where(broken, np.nan, np.sign(safe) * np.abs(safe / largest) ** 0.8)


def mixed(share: Any) -> Any:
    """Return the RGB colours of such shares, as an array of bytes."""
    broken = np.isnan(share)
    part = np.abs(np.where(broken, 0.0, share))[..., None]
    toward = np.where(share[..., None] < 0, np.array(_NEGATIVE), np.array(_POSITIVE))
    found = np.array(_ZERO) * (1 - part) + toward * part
    found[broken] = _BROKEN
    return found.round().astype(np.uint8)


def colours(rows: Any) -> Any:
    """Return an RGB colour per entry, from blue over white (zero) to orange, as an array of bytes."""
    return mixed(shares(rows))


def palette() -> list[str]:
    """Return the colours that the letters of `levels` stand for: what is broken, then from blue to orange."""
    found = mixed(np.array([np.nan, *np.arange(-_STEPS, _STEPS + 1) / _STEPS]))
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in found.tolist()]


def levels(rows: Any, centred: bool = True) -> str:
    """Return a letter for each entry, for pages that paint pictures themselves.

    A letter of `LETTERS` is a number: 0 where the entry is no finite number, else 1 to 63: of its colour from
    blue over white (32) to orange, or if not `centred` of its height between the least (0 at most) and the
    greatest (0 at least).

    >>> levels([[-1.0, 0.0, 2.0, np.nan]]), levels([0.0, 1.0], centred=False)
    ('Og_A', 'B_')
    """
    if centred:
        place = np.round(shares(rows) * _STEPS) + _STEPS
    else:
        rows = np.asarray(rows, dtype=float)
        finite = rows[np.isfinite(rows)]
        low, high = min(0.0, finite.min(initial=0.0)), max(0.0, finite.max(initial=0.0))
        with np.errstate(all="ignore"):
            place = np.round((rows - low) / ((high - low) or 1.0) * 2 * _STEPS)
    letters = np.where(np.isfinite(place), place + 1, 0).astype(int)
    return "".join(LETTERS[n] for n in letters.ravel())


def heat_png(rows: Any) -> str:
    """Return a heat map as a `data:` address of a PNG, every entry a square of a few pixels."""
    return png(colours(rows).repeat(_DOT, axis=0).repeat(_DOT, axis=1))


def png(pixels: Any) -> str:
    """Return an image of bytes, of shape (height, width, 3), as a `data:` address of a PNG."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()
