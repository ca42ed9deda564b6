"""Small pictures for a page, as SVG: lines, bars, points. They follow the page's colours."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BELOW = 420, 240, 72, 34  # to the left of an axis there is room for -1.23e+308


COLOURS = """
text { font: 11px system-ui, sans-serif; fill: #7a8494 }
.line { fill: none; stroke-width: 1.8 } .grid { stroke: #7a84944d }
.c0 { stroke: #3b82c4 } .c1 { stroke: #d1731c } .c2 { stroke: #4f9a63 }
"""
"""What lines look like where no page says it: to be read on light paper and on dark."""


def as_image(picture: str, alt: str) -> str:
    """Return a picture with its own colours as an image, for a notebook.

    JupyterLab cleans the cells of a notebook that is not trusted: it drops `<svg>` and leaves its words where
    they are. An image is kept whole, or left out whole.
    """
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
    whole = picture.replace("<svg ", head, 1).replace(">", f"><style>{COLOURS}</style>", 1)
    coded = base64.b64encode(whole.encode()).decode()
    return f'<img alt="{escape(alt)}" style="max-width: 29rem" src="data:image/svg+xml;base64,{coded}">'


def lines(curves: Mapping[str, Sequence[float]], across: str, logarithmic: bool = False) -> str:
    """Return curves over 1, 2, ... with a legend; numbers that are not finite leave a gap."""
    shown = {
        name: [math.log10(v) if logarithmic and v > 0 else v for v in values]
        for name, values in curves.items()
    }
    known = [v for values in shown.values() for v in values if math.isfinite(v)]
    if not known:
        return ""
    longest = max(map(len, shown.values()))
    frame = _Frame((1, max(longest, 2)), (min(known), max(known)), across, "", logarithmic, counted=True)
    parts = []
    for number, (name, values) in enumerate(shown.items()):
        points = [frame.at(i, v) for i, v in enumerate(values, start=1) if math.isfinite(v)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line c{number % 3}" points="{path}"/>')
        x = LEFT + 8 + 130 * number
        parts.append(f'<path class="line c{number % 3}" d="M{x} 10h16"/>')
        parts.append(f'<text x="{x + 20}" y="14">{escape(name)}</text>')
    return frame.drawn(parts, f"curves of {', '.join(shown)}")


def points(x: Sequence[float], y: Sequence[float], across: str, up: str, sizes: Sequence[float] = ()) -> str:
    """Return points beside the diagonal, on which both coordinates are equal."""
    both = [v for v in (*x, *y) if math.isfinite(v)]
    span = (min(both), max(both))
    frame = _Frame(span, span, across, up)
    (x0, y0), (x1, y1) = frame.at(span[0], span[0]), frame.at(span[1], span[1])
    parts = [f'<path class="rule" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>']
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        if math.isfinite(a) and math.isfinite(b):
            cx, cy = frame.at(a, b)
            radius = 2 if not sizes else 2 + 6 * math.sqrt(sizes[i] / max(sizes))
            parts.append(f'<circle class="dot" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}"/>')
    return frame.drawn(parts, f"{up} beside {across}")


def residuals(x: Sequence[float], y: Sequence[float], across: str, up: str, band: float | None = None) -> str:
    """Return points above and below 0, between two dashed lines that are as far from it as `band`."""
    known = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)]
    if not known:
        return ""
    wide = max(max(abs(b) for _, b in known), band or 0.0)
    frame = _Frame((min(known)[0], max(known)[0]), (-wide, wide), across, up)
    parts = []
    for height in (-band, band) if band is not None else (0.0,):
        parts.append(f'<path class="rule" d="M{LEFT} {frame.at(frame.x[0], height)[1]:.1f}H{WIDTH - 12}"/>')
    for pair in known:
        cx, cy = frame.at(*pair)
        parts.append(f'<circle class="dot" cx="{cx:.1f}" cy="{cy:.1f}" r="2.0"/>')
    return frame.drawn(parts, f"{up} by {across}")


def shares(x: Sequence[float], y: Sequence[float], across: str, up: str) -> str:
    """Return pairs of shares, both from 0 to 1, beside the diagonal, on which they are equal."""
    frame = _Frame((0.0, 1.0), (0.0, 1.0), across, up)
    (x0, y0), (x1, y1) = frame.at(0.0, 0.0), frame.at(1.0, 1.0)
    parts = [f'<path class="rule" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>']
    for pair in zip(x, y, strict=True):
        cx, cy = frame.at(*pair)
        parts.append(f'<circle class="dot" cx="{cx:.1f}" cy="{cy:.1f}" r="5"/>')
    return frame.drawn(parts, f"{up} beside {across}")


def steps(
    x: Sequence[float], y: Sequence[float], across: str, up: str, mark: tuple[float, float] | None = None
) -> str:
    """Return a line through pairs of shares, both from 0 to 1, and a mark on it."""
    frame = _Frame((0.0, 1.0), (0.0, 1.0), across, up)
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in (frame.at(*pair) for pair in zip(x, y, strict=True)))
    parts = [f'<polyline class="line c0" points="{path}"/>']
    if mark is not None:
        cx, cy = frame.at(*mark)
        parts.append(f'<circle class="dot" cx="{cx:.1f}" cy="{cy:.1f}" r="5"/>')
    return frame.drawn(parts, f"{up} by {across}")


def bars(values: Mapping[str, float], what: str) -> str:
    """Return a bar for each name, to the right of 0 or, below it, to the left."""
    row, left, right = 20, 150, 60
    low, high = min(0.0, *values.values()), max(0.0, *values.values())
    unit = (WIDTH - left - right) / ((high - low) or 1.0)
    zero = left - low * unit
    parts = [f'<path class="rule" d="M{zero:.1f} 2V{row * len(values) + 4}"/>']
    for number, (name, value) in enumerate(values.items()):
        y, start, end = 4 + row * number, min(zero, zero + value * unit), max(zero, zero + value * unit)
        kind = "bar" if value >= 0 else "bar less"
        parts.append(
            f'<rect class="{kind}" x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="{row - 6}"/>'
        )
        short = name if len(name) <= 20 else name[:19] + "…"
        parts.append(f'<text x="{left - 8 if low == 0 else 0}" y="{y + 11}" '
                     f'text-anchor="{"end" if low == 0 else "start"}">{escape(short)}</text>')  # fmt: skip
        parts.append(f'<text x="{WIDTH}" y="{y + 11}" text-anchor="end">{value:.3g}</text>')
    height = row * len(values) + 8
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(what)}">{"".join(parts)}</svg>'
    )


class _Frame:
    """The axes of a picture and where a pair of numbers lies in it."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        across: str,
        up: str,
        logarithmic: bool = False,
        counted: bool = False,
    ) -> None:
        self.x, self.y, self.across, self.up, self.logarithmic = _wide(x), _wide(y), across, up, logarithmic
        self.counted = counted  # whether what runs across is a number of epochs: no tick at 88.5

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a pair of numbers."""
        (x0, x1), (y0, y1) = self.x, self.y
        along, height = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        return LEFT + along * (WIDTH - LEFT - 12), HEIGHT - BELOW - height * (HEIGHT - BELOW - 24)

    def drawn(self, parts: list[str], label: str) -> str:
        """Return the picture with its axes."""
        axes = []
        for share in (0, 0.5, 1):
            value = self.y[0] + share * (self.y[1] - self.y[0])
            _, y = self.at(self.x[0], value)
            text = tick(10**value if self.logarithmic else value)
            axes.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - 12}"/>')
            axes.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
            value = self.x[0] + share * (self.x[1] - self.x[0])
            value = math.floor(value) if self.counted else value
            x, _ = self.at(value, self.y[0])
            anchor = "middle" if share < 1 else "end"
            axes.append(f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="{anchor}">{tick(value)}</text>')
        middle = LEFT + (WIDTH - LEFT) / 2
        axes.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">{escape(self.across)}</text>')
        axes.append(f'<text x="{LEFT + 4}" y="14">{escape(self.up)}</text>' if self.up else "")
        inside = "".join(axes + parts)
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{inside}</svg>'


def tick(value: float) -> str:
    """Return a number as an axis has it: three digits, large ones whole.

    >>> tick(0.27711), tick(9471.6), tick(18700.0), tick(3.2e9)
    ('0.277', '9,470', '18,700', '3.2e+09')
    """
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e7 else f"{rounded:.3g}"


def _wide(span: tuple[float, float]) -> tuple[float, float]:
    low, high = span
    return (low, high) if high > low else (low - 0.5, high + 0.5)
