"""Pictures with their classes: a folder for each class, MNIST's and CIFAR's files as they come, `.npz`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.picture_files import Decoder, PictureFiles, Seen, mark, said_of
from clearprop.data.picture_sets import packed_pictures
from clearprop.data.tables import counted, listed
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm")
"""The endings by which files in a folder are taken for pictures; what they hold is found from the content."""

LARGEST = 64
"""Pixels of the longer side, unless a size is asked for, of pictures that differ in size or are large."""

KEPT = 96
"""Pictures that all have one size of at most so many pixels a side keep it."""

_PARTS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "testing": 2}


@dataclass
class Pictures:
    """Pictures of one size: `images` is uint8 of (n, channels, height, width), `labels` their classes.

    Of more than fit into memory `images` are PictureFiles, which are asked as an array is.

    `classes` names them, `names` says where each picture came from. `parts` holds 0 to learn from, 1 to
    validate, 2 to test, where the files say so, and `notes` what a person should know of them. `tops` says
    what white was, by the name of their dtype, in pixels that were not uint8.
    """

    path: str
    images: Any
    labels: Array
    classes: tuple[str, ...]
    names: Sequence[str]
    parts: Array | None = None
    notes: list[str] = field(default_factory=list)
    tops: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def some(self, numbers: Any) -> Any:
        """Return the images with these numbers; those in files stay there."""
        return self.images.some(numbers) if isinstance(self.images, PictureFiles) else self.images[numbers]

    def marks(self) -> list[bytes]:
        """Return bytes that are the same for the same images, and others for others."""
        if isinstance(self.images, PictureFiles):
            return [held.tobytes() for held in self.images.marks]
        return [mark(image) for image in self.images]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, the height and the width."""
        _, channels, height, width = self.images.shape
        return channels, height, width


def are_pictures(path: str) -> bool:
    """Return whether a path is a folder, if not of tables, or a file of pictures in a form that is known.

    >>> are_pictures("table.csv")
    False
    """
    from clearprop.data.picture_sets import is_packed
    from clearprop.data.reading.shares import is_many

    return path != "-" and ((Path(path).is_dir() and not is_many(path)) or is_packed(path))


def has_classes(path: str) -> bool:
    """Return whether a path is a folder that has a folder for each class."""
    from clearprop.data.picture_sets import is_folder_of_packed

    return os.path.isdir(path) and not is_folder_of_packed(path)


def read_pictures(
    path: str | Path,
    size: tuple[int, int] | None = None,
    color: str | None = None,
    skip_broken: bool = False,
    stream: bool | None = None,
) -> Pictures:
    """Read pictures with their classes, all of one size.

    `path` is a folder with a folder for each class (below `train`, `val` and `test`, where there are these),
    a folder with MNIST's or CIFAR's files, or one such file (IDX, plain or packed by gzip, with the labels
    beside it; CIFAR's binary version as `.tar.gz`; `.npz` with arrays such as `x_train` and `y_train`).

    Pictures of one size of at most 96 pixels a side keep it. Others are brought to `size`, (height, width),
    or to about their own proportions with 64 pixels at the longer side: filled, and what stands out is cut
    off. `color` is "grey" or "rgb"; else grey where all are. Clear pixels lie on white, 16 bits become 8,
    and pictures are turned as their EXIF says. Needs Pillow for folders (the extra `images`). With `stream`,
    and where they would fill more than a quarter of the memory, those of a folder stay in their files, and
    are decoded in every epoch.

    Raises InputError where there are no pictures or fewer than two classes, for a class without pictures, and
    for files that cannot be read, all of them together, unless `skip_broken` leaves those out.
    """
    path = str(path)
    tops: dict[str, float] = {}
    found = packed_pictures(path, tops)
    if found is not None:
        if stream:
            wanted, got = "is for a folder of pictures in files of their own", "all of them are in one"
            raise InputError(lesson("--stream", wanted, got, hint="it without --stream"))
        images, labels, classes, parts, names, notes = found
        if size is not None or color is not None:
            decoder = Decoder.of(size or images.shape[2:], _channels(color, images.shape[1]))
            images = decoder.refitted(images)
        pictures = Pictures(path, images, labels, classes, names, parts, notes, tops)
    else:
        pictures = _from_folder(path, size, color, skip_broken, stream)
    present = np.unique(pictures.labels)
    if len(present) < 2:
        got = f"{counted(len(pictures), 'picture')} of {listed([pictures.classes[i] for i in present])} alone"
        raise InputError(lesson(f"reading {path}", "wants pictures of two classes or more", got))
    return pictures


def _channels(color: str | None, usual: int) -> int:
    return {"grey": 1, "rgb": 3}.get(color or "", usual)


def _from_folder(
    path: str, size: tuple[int, int] | None, color: str | None, skip_broken: bool, stream: bool | None
) -> Pictures:
    files, labels, classes, parts, notes = _classes(path)
    seen, broken = _tried(Decoder.look, files)
    if broken:
        _complain(path, files, broken, skip_broken, notes)
        files, labels, parts, seen = _without(broken, files, labels, parts, seen)
    grey = all(look.grey for look in seen)
    decoder = Decoder.of(size or _size(seen), _channels(color, 1 if grey else 3))
    streams = not _fits(len(files), decoder, notes) if stream is None else stream
    images, broken = _tried(lambda f: mark(decoder.read(f)) if streams else decoder.read(f), files)
    if broken:
        _complain(path, files, broken, skip_broken, notes)
        files, labels, parts, images, seen = _without(broken, files, labels, parts, images, seen)
    notes += said_of(seen, decoder)
    names = [os.path.relpath(file, path) for file in files]
    kinds = None if len(set(parts)) < 2 else np.array(parts)
    if streams:
        stacked: Any = PictureFiles(files, decoder, np.frombuffer(b"".join(images), np.uint8).reshape(-1, 16))
    else:
        stacked = np.stack(images) if images else np.zeros((0, *decoder.shape), np.uint8)
    return Pictures(path, stacked, np.array(labels, np.int64), classes, names, kinds, notes)


def _tried(function: Callable[[str], Any], files: Sequence[str]) -> tuple[list[Any], dict[int, str]]:
    """Return what a function makes of each file, and why it could not, by number; a few at a time."""

    def one(file: str) -> Any:
        try:
            return function(file)
        except InputError as error:
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = list(pool.map(one, files))
    return found, {i: str(error) for i, error in enumerate(found) if isinstance(error, InputError)}


def _complain(path: str, files: Sequence[str], broken: dict[int, str], skip: bool, notes: list[str]) -> None:
    """Raise InputError that names the files which cannot be read, or note that they are left out."""
    shown = [f"{os.path.relpath(files[i], path)} ({why})" for i, why in [*broken.items()][:5]]
    more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
    if skip and len(broken) < len(files):
        notes.append(
            f"left out, {counted(len(broken), 'picture')} that cannot be read: {', '.join(shown)}{more}"
        )
        return
    got = f"{len(broken)} of {len(files):,} cannot: {', '.join(shown)}{more}"
    hint = "--skip-broken to leave them out" if len(broken) < len(files) else "files that Pillow can read"
    raise InputError(lesson(f"reading {path}", "wants pictures that can be read", got, hint=hint))


def _without(broken: dict[int, str], *lists: Any) -> list[list[Any]]:
    return [[entry for i, entry in enumerate(held) if i not in broken] for held in lists]


def _classes(path: str) -> tuple[list[str], list[int], tuple[str, ...], list[int], list[str]]:
    """Return the files below a folder, the class of each, their names, each one's part, and notes."""
    above = _folders(path)
    given = bool(above) and set(map(str.lower, above)) <= set(_PARTS) and any(
        _PARTS[name.lower()] == 0 and _folders(os.path.join(path, name)) for name in above
    )  # fmt: skip
    roots = {os.path.join(path, name): _PARTS[name.lower()] for name in above} if given else {path: 0}
    classes = _in_order({name for root in roots for name in _folders(root)})
    if not classes:
        there = pictures_below(path)
        got = f"{counted(len(there), 'picture')} and no folders in it" if there else "no folders in it"
        hint = f"a folder for each class: {Path(path, 'cat', '1.png')}"
        raise InputError(
            lesson(f"reading {path}", "wants a folder of pictures for each class", got, hint=hint)
        )
    files: list[str] = []
    labels: list[int] = []
    parts: list[int] = []
    others: list[str] = []
    for root, part in roots.items():
        others += [
            n for n in os.listdir(root) if not n.startswith(".") and os.path.isfile(os.path.join(root, n))
        ]
        for label, name in enumerate(classes):
            place = os.path.join(root, name)
            found = pictures_below(place, others) if os.path.isdir(place) else []
            files += found
            labels += [label] * len(found)
            parts += [part] * len(found)
    counts = np.bincount(np.array(labels, int)[np.array(parts, int) == 0], minlength=len(classes))
    gone = [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]
    if gone:
        where = f" to learn from in {', '.join(n for n in above if _PARTS[n.lower()] == 0)}" if given else ""
        wanted = f"wants a picture or more of each class{where}"
        got = f"the folder{'s' * (len(gone) > 1)} {listed(gone, 6)} {'have' if len(gone) > 1 else 'has'} none"
        hint = f"pictures there ({', '.join(SUFFIXES[:4])}, ...), or taking the folder away"
        raise InputError(lesson(f"reading {path}", wanted, got, hint=hint))
    notes = [f"left out, as no pictures of a class: {listed(sorted(set(others)), 6)}"] if others else []
    return files, labels, tuple(classes), parts, notes


def _in_order(names: set[str]) -> list[str]:
    """Return names in order, with the numbers in them as numbers: 2 before 10."""
    return sorted(
        names, key=lambda name: [(len(t), t) if t.isdigit() else (0, t) for t in re.split(r"(\d+)", name)]
    )


def _folders(path: str) -> list[str]:
    try:
        entries = [entry.name for entry in os.scandir(path) if entry.is_dir()]
    except OSError as error:
        raise InputError(lesson(f"reading {path}", (error.strerror or str(error)).lower())) from error
    return [name for name in sorted(entries) if not name.startswith((".", "__"))]


def pictures_below(path: str, others: list[str] | None = None) -> list[str]:
    """Return the pictures below a folder, in order; `others` gathers what else is there."""
    found = []

    def refused(error: OSError) -> None:
        got = (error.strerror or str(error)).lower()
        raise InputError(lesson(f"reading {error.filename}", got)) from error

    for folder, inner, names in os.walk(path, onerror=refused):
        inner[:] = sorted(name for name in inner if not name.startswith((".", "__")))
        if others is not None:  # links to folders are not followed, as they may lead around
            others += [name for name in inner if os.path.islink(os.path.join(folder, name))]
        for name in sorted(names):
            if name.startswith("."):
                continue
            if name.lower().endswith(SUFFIXES):
                found.append(os.path.join(folder, name))
            elif others is not None:
                others.append(name)
    return found


def _size(seen: Sequence[Seen]) -> tuple[int, int]:
    """Return the height and width that pictures are brought to where nobody says."""
    sizes = np.array([look.size for look in seen])
    height, width = np.median(sizes, axis=0).round().astype(int).tolist()
    if (sizes == sizes[0]).all() and max(height, width) <= KEPT:
        return height, width
    share = min(1.0, LARGEST / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def _fits(count: int, decoder: Decoder, notes: list[str]) -> bool:
    """Tell whether pictures fill a quarter of the memory at most; note where they do not."""
    needed = count * int(np.prod(decoder.shape))
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):  # a system that does not tell
        return True
    if needed > memory / 4:
        height, width = (max(8, side // 2) for side in decoder.shape[1:])
        notes.append(
            f"{count:,} of {decoder.said} would take {needed / 1e9:.1f} GB of {memory / 1e9:.1f}: they stay "
            f"in their files, and are decoded in every epoch (--size {height}x{width} takes a quarter)"
        )
    return needed <= memory / 4
