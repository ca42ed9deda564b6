"""`PictureModel`: a network and all that stands between it and a picture, kept in one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop import nn
from clearprop.data import DataLoader
from clearprop.data.augment import PictureRows
from clearprop.data.picture_sets import TOPS
from clearprop.errors import InputError, lesson
from clearprop.interop.model_file import load_labelled, save_model
from clearprop.modes import no_grad
from clearprop.train.evaluation import evaluating
from clearprop.train.measures import as_they_occur, learned_weights, softmax
from clearprop.train.table_model import check_class_weights, check_threshold, chosen

Array = npt.NDArray[Any]


@dataclass
class PictureModel:
    """A network of pictures of one `shape`, (channels, height, width), into `classes`.

    `mean` and `spread` are those of each channel over the pictures that were learned from; `about` tells how
    it was trained. `own` is the label of a network of a person's own classes. `tops` says what white was in
    pixels that were not uint8, by the name of their dtype; files of before it was kept have none.
    """

    network: nn.Module
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    mean: list[float]
    spread: list[float]
    about: dict[str, Any] = field(default_factory=dict)
    own: str | None = None
    tops: dict[str, float] = field(default_factory=dict)

    def rows(self, images: Any, labels: Array | None = None, **changes: Any) -> PictureRows:
        """Return pictures, uint8 of (n, channels, height, width), as the network reads them."""
        labels = np.zeros(len(images), np.int64) if labels is None else labels
        return PictureRows(images, labels, self.mean, self.spread, **changes)

    def batches(self, rows: PictureRows) -> DataLoader:
        """Return pictures in order, in batches of 256, or of fewer that take 32 MB."""
        size = max(1, min(256, (1 << 25) // (4 * prod(self.shape))))
        return DataLoader(rows, size, workers=getattr(rows.images, "workers", 0))

    def outputs(self, images: Any) -> Array:
        """Return the network's raw outputs for pictures, float64 of (n, classes).

        `images` is uint8 of (n, channels, height, width), or PictureFiles.
        """
        found = [np.zeros((0, len(self.classes)))]
        with evaluating(self.network), no_grad():
            for x, _ in self.batches(self.rows(images)):
                out = self.network(x)
                found.append(np.asarray(getattr(out, "value", out), np.float64))
        return np.concatenate(found)

    def shares(self, outputs: Array) -> Array:
        """Return the probabilities of outputs z: softmax((z - log w) / T), as those of a table's model."""
        logits = as_they_occur(np.asarray(outputs, np.float64), learned_weights(self.about))
        return softmax(logits / float(self.about.get("temperature", 1.0)))

    def chosen(self, shares: Array) -> Array:
        """Return the class of each row of probabilities: as that of a table's model."""
        return chosen(shares, self.classes, self.about)

    def probabilities(self, images: Any) -> Array:
        """Return each picture's probabilities of the classes, float64 of (n, classes)."""
        return self.shares(self.outputs(images))

    def save(self, path: str | Path, overwrite: bool = True) -> None:
        """Write the model file: all that predictions need; see `save_model`."""
        names = ("classes", "shape", "mean", "spread", *["tops"] * bool(self.tops))
        pictures = {name: getattr(self, name) for name in names}
        save_model(path, self.network, {"pictures": pictures, **self.about}, overwrite, self.own)

    @classmethod
    def load(
        cls, path: str | Path, own: Callable[[tuple[int, ...], int], nn.Module] | None = None
    ) -> PictureModel:
        """Read a model file; `own(input_shape, outputs)` makes a network of own classes.

        Raises InputError where it is no model file, or not of pictures.
        """
        network, about, label = load_labelled(path, None if own is None else lambda about: own(*sizes(about)))
        try:
            pictures = about.pop("pictures")
            classes = tuple(str(name) for name in pictures["classes"])
            shape, _ = sizes({"pictures": pictures})
            channels, height, width = shape
            mean, spread = (_numbers(pictures[name], channels) for name in ("mean", "spread"))
            tops = {str(name): float(top) for name, top in pictures.get("tops", {}).items()}
            heat = float(about.get("temperature", 1.0))
            if min(spread) <= 0 or not 0 < heat < 1e6 or len(set(classes)) < max(2, len(classes)):
                raise ValueError(f"spreads of {spread}, a temperature of {heat}, {len(classes)} classes")
            check_class_weights(about, len(classes))
            if not set(tops.values()) <= {*TOPS}:
                raise ValueError(f"pixels up to {tops}")
            check_threshold(about, classes)
            model = cls(network, classes, (channels, height, width), mean, spread, about, label, tops)
            if model.outputs(np.zeros((1, *shape), np.uint8)).shape != (1, len(classes)):
                raise ValueError(f"answers that are not of {len(classes)} classes")
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            wanted, got = "holds a network, but not of pictures", (str(error).splitlines() or [""])[0]
            hint = "a file that `clearprop train FOLDER` wrote"
            raise InputError(lesson(f"reading {path}", wanted, got, hint=hint)) from error
        return model


def sizes(about: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """Return the shape of a picture and the number of classes that a file tells of."""
    pictures = about["pictures"]
    shape = tuple(int(side) for side in pictures["shape"])
    if len(shape) != 3 or shape[0] not in (1, 3) or not all(0 < side <= 1 << 14 for side in shape[1:]):
        raise ValueError(f"pictures of shape {shape}")
    return shape, len(pictures["classes"])


def _numbers(given: Any, count: int) -> list[float]:
    numbers = [float(number) for number in given]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"{len(numbers)} numbers for {count} channels")
    return numbers
