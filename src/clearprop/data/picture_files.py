"""One picture from its file, by Pillow: turned as it says, on white, grey or in colours, of one size."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

_GREY = {"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I"}
_DEEP = {"I;16", "I;16B", "I;16L", "I;16N", "I"}
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and its values that swap the sides


@dataclass(frozen=True)
class Seen:
    """What the beginning of a file says: the size (height, width) as it is to be seen, and how it is kept."""

    size: tuple[int, int]
    mode: str
    turned: bool = False
    frames: int = 1
    clear: bool = False

    @property
    def grey(self) -> bool:
        """Whether it has no colours."""
        return self.mode in _GREY


@dataclass(frozen=True)
class Decoder:
    """Reads pictures as uint8 arrays of one `shape`, (channels, height, width)."""

    shape: tuple[int, int, int]

    @classmethod
    def of(cls, size: Sequence[int], channels: int) -> Decoder:
        """Return what reads pictures of a size, (height, width), and of 1 channel or 3."""
        return cls((channels, int(size[0]), int(size[1])))

    @property
    def said(self) -> str:
        """The size and what the channels are, in words: `28 x 28 pixels, grey`."""
        channels, height, width = self.shape
        return f"{height} x {width} pixels, {'grey' if channels == 1 else 'RGB'}"

    @staticmethod
    def look(file: str | bytes) -> Seen:
        """Return what a file's beginning says; raises InputError with the reason where it is no picture."""
        with Opened(file) as image:
            late = (
                image.format == "PNG" and "exif" not in image.info
            )  # Pillow would read it whole to find one
            turned = 1 if late else image.getexif().get(_ORIENTATION, 1)
            height, width = image.height, image.width
            size = (width, height) if turned in _ON_ITS_SIDE else (height, width)
            frames, clear = int(getattr(image, "n_frames", 1)), _is_clear(image)
            return Seen(size, str(image.mode), turned not in (0, 1), frames, clear)

    def read(self, file: str | bytes) -> Array:
        """Return a picture; raises InputError with the reason where it cannot be read."""
        with Opened(file) as image:
            return self._fitted(pillow("ImageOps").exif_transpose(image))

    def refitted(self, images: Array) -> Array:
        """Return uint8 arrays of (n, channels, height, width) with this shape."""
        if images.shape[1:] == self.shape:
            return images
        make = pillow("Image").fromarray
        flat = [image[0] if len(image) == 1 else image.transpose(1, 2, 0) for image in images]
        found = [self._fitted(make(np.ascontiguousarray(image))) for image in flat]
        return np.stack(found) if found else np.zeros((0, *self.shape), np.uint8)

    def _fitted(self, image: Any) -> Array:
        channels, height, width = self.shape
        image = _plain(image).convert("L" if channels == 1 else "RGB")
        if (image.width, image.height) != (width, height):
            image = pillow("ImageOps").fit(image, (width, height), pillow("Image").Resampling.BILINEAR)
        pixels: Array = np.asarray(image, np.uint8)
        return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


class PictureFiles:
    """Pictures that stay in their files: they are decoded whenever they are asked for, as an array is asked.

    `marks` has 16 bytes for each, which are others for another picture; `workers` threads read ahead of what
    learns from them.
    """

    workers: int = max(2, min(8, os.cpu_count() or 1))

    def __init__(self, files: Sequence[str], decoder: Decoder, marks: Array) -> None:
        self.files, self.decoder, self.marks = np.array(files, object), decoder, marks

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of pictures, their channels, height and width."""
        return (len(self), *self.decoder.shape)

    def __getitem__(self, index: Any) -> Array:
        files = self.files[index]
        if isinstance(files, str):
            return self._read(files)
        return np.stack([np.zeros(self.decoder.shape, np.uint8), *map(self._read, files)])[1:]

    def some(self, numbers: Any) -> PictureFiles:
        """Return those with these numbers, which stay in their files too."""
        return PictureFiles(self.files[numbers], self.decoder, self.marks[numbers])

    def _read(self, file: str) -> Array:
        try:
            return self.decoder.read(file)
        except InputError as error:
            wanted, hint = "is no longer the picture that it was", "the folder as it was at the start"
            raise InputError(lesson(f"reading {file}", wanted, str(error), hint=hint)) from error


def mark(image: Array) -> bytes:
    """Return 16 bytes that are others for another picture."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def said_of(seen: Sequence[Seen], decoder: Decoder) -> list[str]:
    """Return what a person should know of how files became pictures of one kind."""
    notes = []
    sizes = Counter(look.size for look in seen)
    if len(sizes) > 1 or decoder.shape[1:] not in sizes:
        low, high = min(sizes), max(sizes)
        there = f"{low[0]} x {low[1]}" + (f" to {high[0]} x {high[1]}" if len(sizes) > 1 else "")
        many = f"{len(sizes)} sizes, {there}" if len(sizes) > 1 else f"all are {there}"
        shown = f"{decoder.shape[1]} x {decoder.shape[2]}"
        notes.append(f"{many}: brought to {shown}, filled, with what stands out cut off (--size HxW)")
    if decoder.shape[0] == 3 and any(look.grey for look in seen):
        grey = sum(look.grey for look in seen)
        notes.append(f"{grey:,} of {len(seen):,} are grey: taken as colours (--color grey for all in grey)")
    for count, what in (
        (sum(look.clear for look in seen), "are transparent in places: those are white"),
        (sum(look.mode in _DEEP for look in seen), "have 16 bits for each pixel: the upper 8 are kept"),
        (sum(look.turned for look in seen), "are turned, as their EXIF says"),
        (sum(look.frames > 1 for look in seen), "have several frames: the first is taken"),
    ):
        if count:
            verb, rest = what.split(" ", 1)
            notes.append(f"{count:,} {_SINGULAR[verb] if count == 1 else verb} {rest}")
    return notes


_SINGULAR = {"are": "is", "have": "has"}


class Opened:
    """Opens a file for a block; what Pillow complains of becomes an InputError with the reason alone."""

    def __init__(self, file: str | bytes) -> None:
        self.file = file
        self.image: Any = None

    def __enter__(self) -> Any:
        library = pillow("Image")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.image = library.open(
                    io.BytesIO(self.file) if isinstance(self.file, bytes) else self.file
                )
        except Exception as error:
            raise InputError(_reason(error)) from error
        return self.image

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.image.close()
        if isinstance(error, Exception) and not isinstance(error, InputError):
            raise InputError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return why a file is no picture, in a few words."""
    kind = type(error).__name__
    if kind == "UnidentifiedImageError":
        return "no picture that Pillow knows"
    if kind == "DecompressionBombError":
        return "more pixels than a picture has"
    said = (str(getattr(error, "strerror", None) or error).splitlines() or [kind])[0].rstrip(".")
    return (said[:1].lower() + said[1:]) if said else kind


def _is_clear(image: Any) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _plain(image: Any) -> Any:
    """Return a picture in a mode of 8 bits without transparency."""
    if image.mode in _DEEP:
        deep = np.asarray(image).astype(np.int64)
        if deep.size and (deep.min() < 0 or deep.max() > 0xFFFF):
            raise InputError(f"pixels from {deep.min()} to {deep.max()}, where 16 bits are the most")
        return pillow("Image").fromarray((deep >> 8).astype(np.uint8))
    if image.mode == "F":
        raise InputError("pixels that are fractions, which no scale is known of")
    if _is_clear(image):
        image = image.convert("RGBA")
        paper = pillow("Image").new("RGBA", image.size, (255, 255, 255, 255))
        return pillow("Image").alpha_composite(paper, image)
    return image


def pillow(name: str) -> Any:
    """Return a module of Pillow, such as `Image`; raises InputError where it is not installed."""
    try:
        return importlib.import_module(f"PIL.{name}")
    except ImportError as error:
        hint = "pip install 'clearprop[images]' (or pip install pillow)"
        raise InputError(
            lesson("reading pictures", "needs Pillow", "it is not installed", hint=hint)
        ) from error
