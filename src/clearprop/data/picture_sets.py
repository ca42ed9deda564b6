"""Many pictures in one file, as they come: IDX (MNIST and its kin), CIFAR's binary version, `.npz`."""

from __future__ import annotations

import gzip
import os
import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.bundled import bundled_pictures
from clearprop.data.tables import listed
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]
Packed = tuple[Array, Array, tuple[str, ...], Array | None, list[str], list[str]]

_IDX = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_PARTS = {"train": 0, "t10k": 2, "test": 2, "val": 1, "valid": 1}
_KEYS = (
    ("images", "labels"),
    ("x", "y"),
    ("X", "y"),
    ("data", "labels"),
    ("data", "target"),
    ("images", "target"),
)
TOPS = (1.0, 255.0, 65535.0)
"""What white may be in pixels that are not uint8."""

_LONGEST = 2**34  # bytes that one file may stand for


def is_packed(path: str) -> bool:
    """Return whether a file is one of those that hold many pictures, by its first bytes or its name."""
    return Path(path).is_file() and (
        _is_idx(path) or _is_cifar(path) or (path.lower().endswith(".npz") and bool(_pairs(path)))
    )


def is_folder_of_packed(path: str) -> bool:
    """Return whether a folder has MNIST's or CIFAR's files in it, which are then read in place of folders."""
    files = [entry.path for entry in os.scandir(path) if entry.is_file()]
    return any(_is_idx(file, 3) for file in files) or bool(_batches(map(os.path.basename, files)))


def packed_pictures(path: str, tops: dict[str, float]) -> Packed | None:
    """Return the pictures, labels, classes, parts, names and notes of such a file, or of a folder of them.

    None stands for a folder that has no such files. `digits` are scikit-learn's. `tops` says what white is in
    pixels of a dtype, by its name; what it does not say is found in the file, and put there. Raises
    InputError for a file that is cut short or does not fit its labels.
    """
    if Path(path).is_dir():
        files = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        files = [file for file in files if os.path.isfile(file)]
        images = [file for file in files if _is_idx(file, 3)]
        if images:
            return _together(path, _idx_pairs(_once(images), tops))
        return cifar_pictures(
            path, {os.path.basename(f): Path(f) for f in files if f.endswith((".bin", ".txt"))}
        )
    if not Path(path).exists() and path == "digits":
        return bundled_pictures()
    if not Path(path).is_file():
        raise InputError(lesson(f"reading {path}", "there is no such file or folder"))
    if _is_idx(path):
        return _together(path, _idx_pairs([path], tops))
    if tarfile.is_tarfile(path):
        return _from_tar(path)
    if path.lower().endswith(".npz"):
        return _npz(path, tops)
    raise InputError(lesson(f"reading {path}", "is no file of pictures that is known", _KNOWN))


_KNOWN = "known are folders, IDX files (MNIST's), CIFAR's binary .tar.gz and .npz"


def pictures_alone(path: str, tops: dict[str, float]) -> Array:
    """Return the pictures of such a file, uint8 of (n, channels, height, width); labels are not needed."""
    if _is_idx(path):
        return _as_pictures(path, idx_array(path), tops)
    if path.lower().endswith(".npz") and zipfile.is_zipfile(path):
        arrays = _arrays(path)
        found = [array for array in arrays.values() if array.ndim in (3, 4) and array.dtype.kind in "uif"]
        if len(found) == 1:
            return _as_pictures(path, found[0], tops)
    packed = packed_pictures(path, tops)
    assert packed is not None
    return packed[0]


# --- IDX ----------------------------------------------------------------------------------------------------
def _begins(path: str, count: int) -> bytes:
    try:
        with open(path, "rb") as file:
            begins = file.read(count)
        if begins[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                begins = file.read(count)
    except (OSError, EOFError):
        return b""
    return begins


def _is_idx(path: str, axes: int | None = None) -> bool:
    """Return whether a file is IDX, plain or packed by gzip, of so many axes."""
    begins = _begins(path, 4)
    looks = len(begins) == 4 and begins[:2] == b"\0\0" and begins[2] in _IDX and 1 <= begins[3] <= 4
    return looks and (begins[3] >= 3 if axes else True)


def idx_array(path: str) -> Array:
    """Return the array of an IDX file; http://yann.lecun.com/exdb/mnist has the format."""
    called = f"reading {path}"
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as file:
            content = file.read(_LONGEST)
    except (OSError, EOFError) as error:
        got = str(error) or type(error).__name__
        raise InputError(
            lesson(called, "cannot be unpacked", got.lower(), hint="another copy of it")
        ) from error
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4).tolist() if len(content) >= 4 + 4 * axes else [0]
    dtype = np.dtype(_IDX[content[2]])
    wanted, held = 4 + 4 * axes + int(np.prod(shape, dtype=object)) * dtype.itemsize, len(content)
    if wanted != held:
        got = f"{tuple(shape)} of {dtype.name} take {wanted:,} bytes, it has {held:,}"
        raise InputError(lesson(called, "is not a whole IDX file", got, hint="another copy of it"))
    return np.frombuffer(content, dtype, offset=4 + 4 * axes).reshape(shape)


def _once(files: Iterable[str]) -> list[str]:
    """Return each file once, where it lies there plain and packed."""
    return [*{file.removesuffix(".gz"): file for file in sorted(files, reverse=True)}.values()][::-1]


def _idx_pairs(paths: Iterable[str], tops: dict[str, float]) -> list[tuple[Array, Array, int]]:
    """Return the pictures of IDX files, which are of one scale, their labels and which part each is."""
    paths = list(paths)
    pairs = [_idx_pair(path) for path in paths]
    _find_tops([pixels for pixels, _, _ in pairs], tops)
    return [(_as_pictures(path, x, tops), y, part) for path, (x, y, part) in zip(paths, pairs, strict=True)]


def _idx_pair(path: str) -> tuple[Array, Array, int]:
    """Return the pictures of an IDX file, their labels, which lie beside it, and which part it is."""
    called, name = f"reading {path}", os.path.basename(path)
    pixels = idx_array(path)
    if pixels.ndim < 3:
        hint = "the file with 'images' in its name" if "labels" in name else "a file of pictures"
        got = f"it has the shape {pixels.shape}"
        raise InputError(lesson(called, "wants pictures, (n, height, width)", got, hint=hint))
    stem = name.removesuffix(".gz").replace("images", "labels")
    stem = re.sub(r"idx\d", "idx1", stem)
    beside = [os.path.join(os.path.dirname(path), stem + end) for end in ("", ".gz")]
    file = next((f for f in beside if f != path and os.path.isfile(f)), None)
    if file is None:
        raise InputError(lesson(called, "wants the labels beside it", f"there is no {stem} or {stem}.gz"))
    labels = idx_array(file)
    if labels.shape != (len(pixels),):
        got = f"{len(pixels):,} pictures, labels of shape {labels.shape} in {os.path.basename(file)}"
        raise InputError(lesson(called, "wants a label for each picture", got))
    words = re.split(r"[^a-z0-9]+", name.lower())  # EMNIST's are emnist-letters-test-images-idx3-ubyte
    found = [part for word, part in _PARTS.items() if word in words or name.lower().startswith(word)]
    part = found[0] if found else 0
    return pixels, labels.astype(np.int64), part


def _together(path: str, pairs: list[tuple[Array, Array, int]], classes: tuple[str, ...] = ()) -> Packed:
    """Return pictures and labels of several files as one, with the part that each is."""
    shapes = {images.shape[1:] for images, _, _ in pairs}
    if len(shapes) > 1:
        raise InputError(lesson(f"reading {path}", "wants pictures of one size", listed(sorted(shapes))))
    images = np.concatenate([images for images, _, _ in pairs])
    labels = np.concatenate([labels for _, labels, _ in pairs])
    parts = np.concatenate([np.full(len(labels), part) for _, labels, part in pairs])
    names = [f"{path}[{i}]" for i in range(len(images))]
    if not classes:
        values, labels = np.unique(labels, return_inverse=True)
        classes = tuple(str(value) for value in values.tolist())
    return images, labels, classes, parts if len(set(parts.tolist())) > 1 else None, names, []


# --- CIFAR --------------------------------------------------------------------------------------------------
def _is_cifar(path: str) -> bool:
    name = os.path.basename(path).lower()
    return name.startswith("cifar") and name.endswith((".tar.gz", ".tgz", ".tar"))


def _from_tar(path: str) -> Packed:
    """Return CIFAR's pictures out of the archive that it comes in; nothing is written anywhere."""
    called = f"reading {path}"
    try:
        with tarfile.open(path) as archive:
            files = {os.path.basename(m.name): m for m in archive if m.isfile() and m.size < _LONGEST}
            held = {n: _read(archive, m) for n, m in files.items() if n.endswith((".bin", ".txt"))}
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(
            lesson(called, "cannot be unpacked", str(error).lower(), hint="another copy")
        ) from error
    found = cifar_pictures(path, held)
    if found is None:
        pickled = any(re.fullmatch(r"data_batch_\d|train|meta", name) for name in files)
        got = "it is the version for Python, of pickles, which are not opened" if pickled else _KNOWN
        hint = "the binary version, cifar-10-binary.tar.gz" if pickled else ""
        raise InputError(lesson(called, "is no file of pictures that is known", got, hint=hint))
    return found


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _batches(names: Iterable[str]) -> list[str]:
    return sorted(n for n in names if re.fullmatch(r"(data_batch_\d|test_batch|train|test)\.bin", n))


def cifar_pictures(path: str, files: dict[str, Any]) -> Packed | None:
    """Return CIFAR-10's or CIFAR-100's pictures of their binary files; None where there are none.

    A picture is one byte for its class (CIFAR-100: two, the second is the finer one) and 3,072 pixels.
    """
    batches = _batches(files)
    if not batches:
        return None
    many = "train.bin" in batches
    lead, names = (2, "fine_label_names.txt") if many else (1, "batches.meta.txt")
    pairs = []
    for name in batches:
        content = files[name].read_bytes() if isinstance(files[name], Path) else files[name]
        rows = np.frombuffer(content, np.uint8)
        if not len(rows) or len(rows) % (lead + 3072):
            got = f"{name} has {len(rows):,} bytes"
            raise InputError(lesson(f"reading {path}", f"wants {lead + 3072:,} bytes for each picture", got))
        rows = rows.reshape(-1, lead + 3072)
        part = 2 if name.startswith("test") else 0
        pairs.append((rows[:, lead:].reshape(-1, 3, 32, 32), rows[:, lead - 1].astype(np.int64), part))
    text = files.get(names, b"")
    text = text.read_bytes() if isinstance(text, Path) else text
    classes = tuple(text.decode("utf-8", "replace").split())
    highest = max(int(labels.max()) for _, labels, _ in pairs)
    if not classes:
        classes = tuple(map(str, range(highest + 1)))
    if highest >= len(classes):
        got = f"a picture of class {highest}, {len(classes)} names in {names}"
        raise InputError(lesson(f"reading {path}", "wants a name for each class", got))
    return _together(path, pairs, classes)


# --- npz ----------------------------------------------------------------------------------------------------
def _arrays(path: str) -> dict[str, Array]:
    called = f"reading {path}"
    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        got = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(lesson(called, "is not a whole .npz file of numbers", got)) from error


def _pairs(path: str) -> dict[int, tuple[str, str]]:
    """Return the names of pictures and labels in a `.npz` file, for each part; {} where it is a table."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {n.removesuffix(".npy") for n in archive.namelist()}
            axes = {n: _axes(archive, n) for n in names}
    except (OSError, zipfile.BadZipFile):
        return {}
    found: dict[int, tuple[str, str]] = {}
    for part, word in ((0, "train"), (1, "val"), (1, "valid"), (2, "test")):
        for images, labels in _KEYS:
            for one, other in (
                (f"{images}_{word}", f"{labels}_{word}"),
                (f"{word}_{images}", f"{word}_{labels}"),
            ):
                if axes.get(one, 0) >= 3 and other in names:
                    found.setdefault(part, (one, other))
    for images, labels in _KEYS:
        if axes.get(images, 0) >= 3 and labels in names and not found:
            found[0] = (images, labels)
    return found


def _axes(archive: zipfile.ZipFile, name: str) -> int:
    """Return how many axes an array in a `.npz` file has, by its header."""
    try:
        with archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            return len(read(file)[0])
    except (KeyError, ValueError, OSError):
        return 0


def _npz(path: str, tops: dict[str, float]) -> Packed:
    keys = _pairs(path)
    if not keys:
        hint = "arrays of the names x_train and y_train (and x_test, y_test), or images and labels"
        got = f"the arrays are {listed(_arrays(path))}"
        raise InputError(lesson(f"reading {path}", "wants pictures and labels", got, hint=hint))
    arrays, pairs, label_sets = _arrays(path), [], []
    _find_tops([arrays[one] for one, _ in keys.values()], tops)
    for part, (one, other) in keys.items():
        images, labels = _as_pictures(path, arrays[one], tops), arrays[other]
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.shape != (len(images),) or labels.dtype.kind not in "iubUS":
            got = (
                f"{other!r} is {labels.dtype} of shape {labels.shape} for {len(images):,} pictures in {one!r}"
            )
            raise InputError(lesson(f"reading {path}", "wants a label for each picture", got))
        label_sets.append(labels)
        pairs.append((images, part))
    values, codes = np.unique(np.concatenate(label_sets), return_inverse=True)
    cuts = np.split(codes, np.cumsum([len(labels) for labels in label_sets])[:-1])
    classes = tuple(v.decode() if isinstance(v, bytes) else str(v) for v in values.tolist())
    return _together(path, [(x, y, part) for (x, part), y in zip(pairs, cuts, strict=True)], classes)


def _find_tops(arrays: Iterable[Array], tops: dict[str, float]) -> None:
    """Put what white is in pixels of each dtype that is not known, by the brightest of them."""
    highest: dict[str, float] = {}
    for pixels in arrays:
        name = pixels.dtype.name
        if pixels.dtype.kind in "uif" and name != "uint8" and _top(name, tops) is None:
            highest[name] = max(highest.get(name, 0.0), float(pixels.max(initial=0)))
    tops |= {name: next((top for top in TOPS if high <= top), 0.0) for name, high in highest.items()}


def _top(name: str, tops: dict[str, float]) -> float | None:
    """Return what white is in pixels of a dtype; those of one width of floats are those of another."""
    floats = [top for other, top in tops.items() if other.startswith("float")]
    return tops.get(name, floats[0] if floats and name.startswith("float") else None)


def _as_pictures(path: str, pixels: Array, tops: dict[str, float]) -> Array:
    """Return pictures as uint8 of (n, channels, height, width); `tops` says what white is in each dtype."""
    called = f"reading {path}"
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.ndim == 4 and pixels.shape[-1] in (1, 3, 4) and pixels.shape[1] not in (1, 3):
        pixels = np.moveaxis(pixels, -1, 1)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        wanted = "wants pictures of shape (n, height, width), or with a last or second axis of 1 or 3"
        raise InputError(lesson(called, wanted, f"{pixels.shape}"))
    if not pixels.size:
        raise InputError(lesson(called, "wants a picture or more", f"{pixels.shape}"))
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    told = _top(pixels.dtype.name, tops)
    _find_tops([pixels], tops)
    low, high, top = float(pixels.min()), float(pixels.max()), _top(pixels.dtype.name, tops)
    if not low >= 0 or not top or not high <= top:
        brighter = told and low >= 0
        wanted = f"from 0 to {told:g}, as in training" if brighter else "from 0 to 1, to 255 or to 65535"
        got = f"{pixels.dtype} from {low:g} to {high:g}"
        raise InputError(lesson(called, f"wants pixels {wanted}", got, hint="pixels of one scale, or uint8"))
    return np.ascontiguousarray(np.round(pixels * (255.0 / top)).astype(np.uint8))
