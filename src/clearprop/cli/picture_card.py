"""`report.html` of a network for pictures: how well, the worst mistakes, the curves, the network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.cli.card import STYLE, curves, made, network, numbers, section, tried
from clearprop.cli.how_well import confusion
from clearprop.see.document import document
from clearprop.see.drawing.pictures import png

Array = npt.NDArray[Any]

MOST = 24
"""So many mistakes are shown, those that were surest first."""

SHOWN = 96
"""Pixels of the longer side of a picture on the page, at least."""

PICTURES = """
.shots { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: 1rem }
.shots img { image-rendering: pixelated; background: var(--fill); max-width: 100%; display: block }
.shots figcaption { overflow-wrap: anywhere }
"""


def page(job: Any, history: Any, result: Mapping[str, float], command: str) -> str:
    """Return the page of pictures that were learned from."""
    pictures, model = job.pictures, job.model
    held = job.parts[2] if len(job.parts[2]) else job.parts[1]
    title = f"{len(pictures.classes)} classes of pictures from {pictures.path}"
    well = shots = ""
    if len(held):
        shares, true = model.probabilities(pictures.some(held)), pictures.labels[held]
        said = model.chosen(shares)
        well = confusion(true, shares, said, pictures.classes, model.about)
        shots = _mistakes(pictures, held, shares, said, true)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_summary(job, history))}</p>',
        numbers(result),
        section("How well", well),
        section("The worst mistakes", shots),
        section("How it was learned", curves(history)),
        section("What was tried", tried(job.search)) if job.search is not None else "",
        section("The pictures", _examples(job)),
        section("The network", network(job)),
        section("How it was made", made(command, job)),
    ]
    return document(title, STYLE + PICTURES, "\n".join(part for part in parts if part), "report")


def _summary(job: Any, history: Any) -> str:
    learn, held, test = (len(part) for part in job.parts)
    rows = f"{learn:,} pictures to learn from, {held:,} to validate, {test:,} to test"
    best = f", the weights of epoch {history.best_epoch} are kept" if history.best_epoch else ""
    return f"{rows}; {len(history)} epochs{best}"


def _mistakes(pictures: Any, held: Array, shares: Array, said: Array, true: Array) -> str:
    """Return the held-out pictures that were taken for another class with the most certainty."""
    wrong = np.flatnonzero(said != true)
    sure = shares[np.arange(len(said)), said]
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:MOST]
    names = pictures.classes
    shown = [
        _shot(pictures.images[held[i]], f"{names[said[i]]} ({100 * sure[i]:.0f} %), is {names[true[i]]}",
              str(pictures.names[held[i]]))
        for i in worst
    ]  # fmt: skip
    told = f"{len(wrong):,} of {len(held):,} held-out pictures are taken for another class"
    told += "; the surest of them:" if len(wrong) > MOST else ":" if len(wrong) else "."
    return f'<p>{told}</p><div class="shots">{"".join(shown)}</div>'


def _examples(job: Any) -> str:
    """Return a picture of each class as it is, and as it is changed while the network learns."""
    pictures, learn = job.pictures, job.parts[0]
    shown = []
    for label, name in list(enumerate(pictures.classes))[:MOST]:
        of_it = learn[pictures.labels[learn] == label]
        if len(of_it):
            shown.append(
                _shot(pictures.images[of_it[0]], f"{name}: {len(of_it):,}", str(pictures.names[of_it[0]]))
            )
    changes = f"<p>While the network learns each is changed anew: {escape(', '.join(job.changes))}.</p>"
    notes = "".join(f"<p>{escape(note)}</p>" for note in job.notes)
    return f'{notes}{changes if job.changes else ""}<div class="shots">{"".join(shown)}</div>'


def _shot(image: Array, caption: str, name: str) -> str:
    """Return a picture of uint8, (channels, height, width), for the page."""
    times = max(1, -(-SHOWN // max(image.shape[1:])))
    pixels = np.repeat(image.transpose(1, 2, 0), 3 // len(image), axis=2)
    address = png(pixels)
    height, width = (side * times for side in pixels.shape[:2])
    size = f'width="{width}" height="{height}"'
    return (
        f'<figure><img {size} src="{address}" alt="{escape(caption)}" title="{escape(name)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
