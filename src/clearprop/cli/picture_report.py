"""What `clearprop train` prints of pictures."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from clearprop.cli.train_report import TrainingReport
from clearprop.data.pictures import Pictures
from clearprop.data.tables import counted, listed
from clearprop.train.picture_model import PictureModel


class PictureReport(TrainingReport):
    """Prints on standard output what was found in pictures, and how well they are told apart."""

    next = "FILE.png or FOLDER"

    def pictures(self, found: Pictures, parts: Any, changes: tuple[str, ...], notes: list[str]) -> None:
        """Print how many there are of each class, their size, how they are divided and changed."""
        channels, height, width = found.shape
        kind = f"{height} x {width} pixels, {'grey' if channels == 1 else 'RGB'}"
        self.say(f"{found.path}: {counted(len(found), 'picture')}, {kind}")
        counts = np.bincount(found.labels, minlength=len(found.classes))
        shown = ", ".join(f"{n} {c:,}" for n, c in [*zip(found.classes, counts.tolist(), strict=True)][:12])
        more = ", …" if len(found.classes) > 12 else ""
        self._field("classes", f"{len(found.classes)}: {shown}{more}")
        learn, held, test = (f"{len(part):,}" for part in parts)
        self._field("pictures", f"{learn} to learn from, {held} to validate, {test} to test")
        self._field("changes", ", ".join(changes) or "none")
        told = notes + self._missing(found, parts)
        for note in told:
            self._field("note", note)
            if self.quiet and self.json is None:
                print(f"note: {note}", file=sys.stderr)
        if self.json is not None:
            sizes = dict(zip(("training", "validation", "test"), map(len, parts), strict=True))
            self.json |= {"pictures": found.path, "classes": list(found.classes), "shape": list(found.shape)}
            self.json |= {"rows": sizes, "changes": list(changes), "notes": told}

    def _missing(self, found: Pictures, parts: Any) -> list[str]:
        """Return which classes are in no picture of the test or, worse, in none to learn from."""
        told = []
        for part, name in ((parts[0], "to learn from"), (parts[2], "of the test")):
            there = set(found.labels[part].tolist())
            gone = [value for i, value in enumerate(found.classes) if i not in there]
            if gone and len(part):
                what = "a class that is" if len(gone) == 1 else f"{len(gone)} classes that are"
                told.append(f"{what} in no picture {name}: {listed(gone, 6)}")
        return told

    def test_pictures(self, model: PictureModel, found: Pictures, part: Any) -> dict[str, float]:
        """Print how good the model is on pictures it has never seen; return the figures."""
        shares = model.probabilities(found.some(part))
        result = self.classes(found.labels[part], shares, model.chosen(shares), model.classes, model.about)
        if self.json is not None:
            self.json["test"] = {name: value for name, value in result.items() if np.isfinite(value)}
        return result
