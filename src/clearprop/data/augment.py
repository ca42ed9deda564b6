"""Pictures as a network reads them, while it learns each time moved, mirrored or cut a little."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import lesson

Array = npt.NDArray[Any]

CHANGES = ("flip", "crop", "shift")
"""Mirrored left to right; 60 to 100 % of the picture; moved by up to an eighth, its edge drawn out."""


class PictureRows:
    """A Dataset of pictures with a mean of 0 and a spread of 1 for each channel.

    `images` is uint8 of (n, channels, height, width), or PictureFiles. Entry i is
    ((image / 255 - mean) / spread, label), in float32. `changes` are some of "flip", "crop", "shift": by how
    much is drawn anew for each batch, from `seed` and the batch's own row numbers, so that a run that is
    resumed sees the same pictures, whatever thread or process makes them.

    >>> rows = PictureRows(np.full((4, 1, 8, 8), 255, np.uint8), np.arange(4), mean=[0.5], spread=[0.5])
    >>> x, y = rows.batch(np.array([2, 0]))
    >>> x.shape, float(x.max()), y.tolist()
    ((2, 1, 8, 8), 1.0, [2, 0])
    """

    images: Any
    labels: Array
    changes: tuple[str, ...]
    seed: int

    def __init__(
        self,
        images: Any,
        labels: Array,
        mean: Sequence[float],
        spread: Sequence[float],
        changes: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        strange = [name for name in changes if name not in CHANGES]
        if strange:
            raise ValueError(
                lesson("PictureRows(changes=)", f"wants some of {', '.join(CHANGES)}", repr(strange[0]))
            )
        self.images, self.labels = images, np.asarray(labels)
        self.changes, self.seed = tuple(changes), seed
        one = 255 * np.asarray(spread, np.float32)
        self._scale = (1 / one)[:, None, None]
        self._shift = (np.asarray(mean, np.float32) * 255 / one)[:, None, None]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> tuple[Array, Any]:
        x, y = self.batch(np.array([index]))
        return x[0], y[0]

    def batch(self, indices: Any) -> tuple[Array, Array]:
        """Return the pictures with these numbers and their labels."""
        numbers = np.arange(len(self))[indices]
        pixels = np.asarray(self.images[numbers])
        pixels = pixels if not self.changes else self._changed(numbers, pixels)
        return pixels.astype(np.float32) * self._scale - self._shift, self.labels[numbers]

    def _changed(self, numbers: Array, pixels: Array) -> Array:
        """Return pictures, each row and column of which is taken from where the changes say."""
        few = hashlib.blake2b(numbers.astype("<i8").tobytes(), digest_size=8).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(few, "little")])
        n, (height, width) = len(numbers), pixels.shape[2:]
        rows = np.broadcast_to(np.arange(height, dtype=np.float64), (n, height))
        columns = np.broadcast_to(np.arange(width, dtype=np.float64), (n, width))
        if "crop" in self.changes:
            side = np.sqrt(rng.uniform(0.6, 1.0, (n, 1)))
            rows = (rows + 0.5) * side - 0.5 + rng.uniform(size=(n, 1)) * (1 - side) * height
            columns = (columns + 0.5) * side - 0.5 + rng.uniform(size=(n, 1)) * (1 - side) * width
        if "shift" in self.changes:
            rows = rows + _steps(rng, height, n)
            columns = columns + _steps(rng, width, n)
        if "flip" in self.changes:
            columns = np.where(rng.random((n, 1)) < 0.5, width - 1 - columns, columns)
        down = np.clip(np.rint(rows), 0, height - 1).astype(np.intp)
        right = np.clip(np.rint(columns), 0, width - 1).astype(np.intp)
        found = pixels[np.arange(n)[:, None, None], :, down[:, :, None], right[:, None, :]]
        return np.moveaxis(found, -1, 1)

    def digest(self) -> str:
        """Return a few letters that are others for other pictures, labels or changes."""
        state = hashlib.blake2b(repr((self.images.shape, self.changes, self.seed)).encode(), digest_size=8)
        # A mark stands for a picture that stays in its file.
        for array in (getattr(self.images, "marks", self.images), self.labels, self._scale, self._shift):
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()


def _steps(rng: np.random.Generator, side: int, n: int) -> Array:
    most = max(1, side // 8)
    return rng.integers(-most, most + 1, (n, 1)).astype(np.float64)


def moments(images: Any) -> tuple[list[float], list[float]]:
    """Return the mean of each channel over pictures of uint8, and its spread, both of pixels from 0 to 1.

    >>> moments(np.array([[[[0, 255]]]], np.uint8))
    ([0.5], [0.5])
    """
    counts = np.zeros((images.shape[1], 256), np.int64)
    few = max(1, (1 << 22) // max(1, int(np.prod(images.shape[1:]))))  # a few megabytes at a time
    for low in range(0, len(images), few):
        some = np.asarray(images[low : low + few])
        counts += [np.bincount(some[:, c].ravel(), minlength=256) for c in range(len(counts))]
    grid = np.arange(256) / 255
    mean = [float(count @ grid / count.sum()) for count in counts]
    spread = [
        float(np.sqrt(count @ (grid - m) ** 2 / count.sum())) for count, m in zip(counts, mean, strict=True)
    ]
    return mean, [s if s > 1e-3 else 1.0 for s in spread]
