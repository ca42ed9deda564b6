"""A trace as a moving picture: a GIF, or a folder with a numbered PNG for each step."""

from __future__ import annotations

import importlib
import io
import os
import re
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from clearprop import marks
from clearprop.errors import UnwritableError, lesson
from clearprop.files import replaceable
from clearprop.see.drawing.draw import png, write
from clearprop.see.step.page import picture

if TYPE_CHECKING:
    from clearprop.see.step.steps import Trace

_MOST_FRAMES = 500
_LOOKED_AT = 1024  # bytes of an image's beginning
_LETTER, _LINE, _MARGIN = 7.6, 20, 14  # a letter's width, a line's height and the margin, in pixels
_STEP, _END = 1600, 4000  # milliseconds that a step and the last one are shown
_NARROWEST = 420  # pixels, so that a sentence has room


def frames(trace: Trace, scale: float = 2.0) -> Iterator[bytes]:
    """Yield a PNG image for the start and for each step: the drawing after it, and its sentence below.

    All have the same size. Raises ImportError without cairosvg, ValueError for more than 500 steps.
    """
    if len(trace) >= _MOST_FRAMES:
        wanted = f"shows fewer than {_MOST_FRAMES} steps"
        raise ValueError(lesson("a movie", wanted, f"{len(trace)}", hint="trace(...).save('steps.html')"))
    width, height = _size(picture(trace))
    across = max(width, _NARROWEST)
    letters = int((across - 2 * _MARGIN) / _LETTER)
    said = ["", *(step.sentence for step in trace)]
    lines = [textwrap.wrap(f"{n}/{len(trace)} {sentence}", letters) for n, sentence in enumerate(said)]
    below = max(map(len, lines)) * _LINE + 2 * _MARGIN
    for n, text in enumerate(lines):
        drawn = picture(trace, trace.steps[n - 1] if n else None, theme="light", begun=n > 0)
        yield png(_captioned(drawn, text, (across, height, below)), scale, "a movie")


def _captioned(drawn: str, lines: list[str], size: tuple[int, int, int]) -> str:
    """Return a drawing with lines of text below it, as one SVG."""
    width, height, below = size
    words = "".join(
        f'<text x="{_MARGIN}" y="{height + _MARGIN + _LINE * (i + 0.6):.0f}" font-family="monospace" '
        f'font-size="12.5" fill="#1a1a1a">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    whole = f'width="{width}" height="{height + below}"'
    ground = f'<rect {whole} fill="#ffffff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {whole}>{ground}{drawn}{words}</svg>'


def _size(drawn: str) -> tuple[int, int]:
    found = re.search(r'width="(\d+)" height="(\d+)"', drawn)
    assert found is not None
    return int(found[1]), int(found[2])


def gif(trace: Trace, scale: float = 2.0) -> bytes:
    """Return the steps as a GIF that runs in a circle; raises ImportError without Pillow or cairosvg."""
    made = list(frames(trace, scale))
    image = importlib.import_module("PIL.Image")  # cairosvg brings it
    pictures = [image.open(io.BytesIO(one)).convert("P", palette=1, colors=128) for one in made]
    durations = [_STEP] * (len(pictures) - 1) + [_END]
    written = io.BytesIO()
    pictures[0].save(
        written,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        comment=b"clearprop",
    )
    return written.getvalue()


def save_frames(trace: Trace, folder: str | os.PathLike[str], overwrite: bool = True) -> list[Path]:
    """Write `step-000.png` and so on into a folder, which is made if it is missing; return the paths.

    What clearprop wrote there of a longer movie is removed. Raises InputError, without `overwrite`, where a
    file of one of these names is not its own; then nothing has been written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = str(error.strerror).lower()
        raise UnwritableError(lesson(f"writing into {folder}", "wants a folder", got)) from error
    paths = [folder / f"step-{n:03d}.png" for n in range(len(trace) + 1)]
    for path in paths:
        replaceable(path, None if overwrite else marks.png)
    for path, image in zip(paths, frames(trace), strict=True):
        write(path, image, overwrite)
    for left in set(folder.glob("step-[0-9][0-9][0-9].png")) - set(paths):
        if left.is_file() and not left.is_symlink() and marks.png(left.read_bytes()[:_LOOKED_AT]):
            left.unlink()
    return paths
