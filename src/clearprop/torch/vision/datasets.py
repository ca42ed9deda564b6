"""`torchvision.datasets`: MNIST and its kin, CIFAR and folders of pictures, from files on this machine.

Nothing is fetched: what is missing is refused with its place and its names. `root` may hold the files
themselves, the folder that torchvision makes of them, or CIFAR's archive as it comes.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from clearprop.data.picture_files import Opened
from clearprop.data.picture_sets import cifar_pictures, idx_array
from clearprop.errors import InputError, at_line, lesson
from clearprop.torch.making import made
from clearprop.torch.utils.data import Dataset
from clearprop.torch.vision.batches import LARGEST, read_batch
from clearprop.torch.vision.pictures import picture

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class VisionDataset(Dataset):
    """Samples of a picture and its class, each through its own transform, or both through `transforms`."""

    root: Any
    transform: Any
    target_transform: Any

    def __init__(
        self,
        root: Any = None,
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        if transforms is not None and (transform or target_transform):
            wanted, got = "wants transforms or transform and target_transform", "both are there"
            raise ValueError(lesson(type(self).__name__, wanted, got, at_line(), "transform= alone"))
        self.transforms = transforms
        self.transform, self.target_transform = transform, target_transform

    def changed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """Return a sample after its transforms."""
        if self.transforms is not None:
            image, target = self.transforms(image, target)
            return image, target
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        hint = "def __len__(self): return ..."
        raise NotImplementedError(
            lesson(f"len({type(self).__name__})", "has no samples yet", "", at_line(), hint)
        )

    def extra_repr(self) -> str:
        """Return what else `print(dataset)` shows."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        lines += [f"Root location: {self.root}"] if self.root is not None else []
        lines += [line for line in self.extra_repr().splitlines() if line]
        if self.transform is not None or self.target_transform is not None:
            lines.append("StandardTransform")
        text = [f"Dataset {type(self).__name__}", *("    " + line for line in lines)]
        for head, f in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if f is not None:
                first, *rest = repr(f).splitlines()
                text += [head + first, *(" " * len(head) + line for line in rest)]
        return "\n".join(text)


def _not_there(dataset: Any, names: Sequence[str], places: Sequence[Path], download: bool) -> RuntimeError:
    """Return the error of files that are missing: what is read, where it was looked for, what goes where."""
    called = f"{type(dataset).__name__}(root={str(dataset.root)!r}{', download=True' * download})"
    wanted = "fetches nothing: it reads files of this machine" if download else "wants its files"
    got = f"there is no {', '.join(names)} in {' or '.join(map(str, places))}"
    return RuntimeError(
        lesson(called, wanted, got, at_line(), f"putting {' and '.join(names)} into {places[0]}")
    )


# --- MNIST and its kin ------------------------------------------------------------------------------------
class MNIST(VisionDataset):
    """Handwritten digits out of IDX files, plain or packed by gzip, in root/MNIST/raw or in root.

    `data` is uint8 of (n, 28, 28), `targets` the classes; a sample is (picture, class). The picture is one of
    Pillow's, or an array of pixels where Pillow is not installed. Raises RuntimeError where files are missing
    (nothing is downloaded), InputError for those that are cut short or do not fit each other.
    """

    classes: ClassVar[list[str]] = [f"{i} - {word}" for i, word in enumerate(_DIGITS)]

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        part = "train" if train else "t10k"
        names = [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]
        places = [Path(self.raw_folder), Path(self.root)]
        held = [_plain_or_packed(name, places) for name in names]
        missing = [f"{name}.gz" for name, file in zip(names, held, strict=True) if file is None]
        if missing:
            raise _not_there(self, missing, places, download)
        pixels, labels = (idx_array(str(file)) for file in held)
        if pixels.ndim != 3 or pixels.dtype != np.uint8 or labels.shape != (len(pixels),):
            got = f"{pixels.dtype} of shape {pixels.shape} with labels of shape {labels.shape}"
            wanted, hint = "wants uint8 pictures (n, height, width), a label for each", "other copies of them"
            raise InputError(lesson(f"reading {held[0]}", wanted, got, at_line(), hint))
        self.data: Any = made(np.array(pixels))
        self.targets: Any = made(labels.astype(np.int64))

    @property
    def raw_folder(self) -> str:
        """The folder that the files are looked for in first."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The number of each class."""
        return {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.changed(picture(np.asarray(self.data[index].node._value)), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Return which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"


def _plain_or_packed(name: str, places: Sequence[Path]) -> Path | None:
    files = [place / (name + end) for place in places for end in ("", ".gz")]
    return next((file for file in files if file.is_file()), None)


class FashionMNIST(MNIST):
    """Clothes, in MNIST's form, in root/FashionMNIST/raw or in root."""

    classes: ClassVar[list[str]] = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """Japanese characters, in MNIST's form, in root/KMNIST/raw or in root."""

    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


# --- CIFAR ------------------------------------------------------------------------------------------------
class CIFAR10(VisionDataset):
    """Pictures of 32 x 32 in colours out of CIFAR's batches, its version for Python or its binary one.

    They are looked for in root/cifar-10-batches-py, root/cifar-10-batches-bin and root, or in the archive
    `cifar-10-python.tar.gz` or `cifar-10-binary.tar.gz` in root. The batches for Python are pickles: no code
    in them is run. `data` is a uint8 array of (n, 32, 32, 3), `targets` a list. Raises as MNIST does.
    """

    targets: Any
    classes: list[str]
    class_to_idx: dict[str, int]

    base_folder = "cifar-10-batches-py"
    binary_folder = "cifar-10-batches-bin"
    _archives: tuple[str, str] = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
    _parts: tuple[tuple[str, ...], tuple[str, ...]] = (
        ("test_batch",),
        ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    )
    _meta, _binary_meta = "batches.meta", "batches.meta.txt"
    _keys = ("labels", "label_names")

    def __init__(
        self,
        root: Any,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        place, names = Path(self.root), self._parts[train]
        wanted = [*names, self._meta]
        places = [place / self.base_folder, place, place / self._archives[0]]
        held = _first(places, wanted)
        if held is not None:
            found = self._pickled(held, names)
        else:
            several = [f"{name}.bin" for name in names]
            binary = [place / self.binary_folder, place, place / self._archives[1]]
            held = _first(binary, [*several, self._binary_meta])
            if held is None:
                raise _not_there(self, wanted, places, download)
            images, labels, classes = cifar_pictures(str(place), held)[:3]  # type: ignore[index]
            found = images, labels.tolist(), list(classes)
        images, self.targets, self.classes = found
        self.data: Any = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _pickled(self, held: dict[str, bytes], names: Sequence[str]) -> tuple[Any, list[int], list[str]]:
        """Return pictures (n, 3, 32, 32), their labels and the names of the classes out of pickles."""
        classes = read_batch(held[self._meta], self._meta).get(self._keys[1])
        if type(classes) is not list or not all(type(name) is str for name in classes):
            raise _odd(self._meta, f"a list {self._keys[1]!r} of words", classes)
        pixels, labels = [], []
        for name in names:
            batch = read_batch(held[name], name)
            rows, numbers = batch.get("data"), batch.get(self._keys[0])
            if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (3072,):
                raise _odd(name, "an array 'data' of uint8, (n, 3072)", rows)
            if type(numbers) is not list or len(numbers) != len(rows):
                raise _odd(name, f"a list {self._keys[0]!r} of {len(rows)} classes", numbers)
            if not all(type(n) is int and 0 <= n < len(classes) for n in numbers):
                raise _odd(name, f"classes from 0 to {len(classes) - 1}", numbers)
            pixels.append(rows)
            labels += numbers
        return np.concatenate(pixels).reshape(-1, 3, 32, 32), labels, classes

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.changed(picture(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Return which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """CIFAR-100 with its hundred finer classes, in root/cifar-100-python, root/cifar-100-binary or root."""

    base_folder = "cifar-100-python"
    binary_folder = "cifar-100-binary"
    _archives = ("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz")
    _parts = (("test",), ("train",))
    _meta, _binary_meta = "meta", "fine_label_names.txt"
    _keys = ("fine_labels", "fine_label_names")


def _odd(name: str, wanted: str, found: Any) -> InputError:
    got = f"it is {found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else repr(found)[:60]
    return InputError(lesson(f"reading {name}", f"wants {wanted}", got, at_line(), "another copy of it"))


def _first(places: Sequence[Path], names: Sequence[str]) -> dict[str, bytes] | None:
    """Return the content of files of these names out of the first folder or archive that has them all."""
    for place in places:
        if place.is_dir() and all((place / name).is_file() for name in names):
            return {name: (place / name).read_bytes() for name in names}
        held = _out_of(place, names) if place.is_file() else {}
        if len(held) == len(names):
            return held
    return None


def _out_of(archive: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of an archive's files of these names; nothing is written anywhere."""
    held = {}
    try:
        with tarfile.open(archive) as members:
            for member in members:
                file = members.extractfile(member) if member.isfile() and member.size < LARGEST else None
                if file is not None and os.path.basename(member.name) in names:
                    held[os.path.basename(member.name)] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        got, hint = str(error).lower(), "another copy of it"
        wanted = "cannot be unpacked"
        raise InputError(lesson(f"reading {archive}", wanted, got, at_line(), hint)) from error
    return held


# --- folders of pictures ----------------------------------------------------------------------------------
def default_loader(path: str) -> Any:
    """Return the picture of a file in colours. Needs Pillow."""
    with Opened(path) as image:
        return image.convert("RGB")


class DatasetFolder(VisionDataset):
    """Files of a folder for each class, read by `loader`; `samples` are (file, class)."""

    loader: Any
    extensions: Any
    classes: list[str]
    class_to_idx: dict[str, int]
    samples: list[tuple[str, int]]
    targets: list[int]

    def __init__(
        self,
        root: Any,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if (extensions is None) == (is_valid_file is None):
            wanted, hint = "wants extensions or is_valid_file, one of them", "extensions=('.png',)"
            raise ValueError(lesson(type(self).__name__, wanted, "", at_line(), hint))
        self.loader, self.extensions = loader, extensions
        self.classes, self.class_to_idx = self.find_classes(self.root)
        taken = is_valid_file or (lambda path: path.lower().endswith(extensions or ()))
        self.samples = [
            (path, self.class_to_idx[name])
            for name in sorted(self.class_to_idx)
            for path in _below(os.path.join(self.root, name))
            if taken(path)
        ]
        self.targets = [target for _, target in self.samples]
        empty = set(self.class_to_idx.values()) - set(self.targets)
        if empty and not allow_empty:
            got = ", ".join(name for name, i in self.class_to_idx.items() if i in empty) + " has none"
            hint = "taking the folder away, or allow_empty=True"
            wanted = f"wants a file or more of each class ({', '.join(extensions or ('is_valid_file',))})"
            raise FileNotFoundError(lesson(f"reading {self.root}", wanted, got, at_line(), hint))

    def find_classes(self, directory: Any) -> tuple[list[str], dict[str, int]]:
        """Return the names of the classes in order and the number of each; FileNotFoundError for none."""
        called, hint = f"reading {directory}", f"a folder for each class: {Path(directory, 'cat', '1.png')}"
        wanted = "wants a folder of pictures for each class"
        if not os.path.isdir(directory):
            raise FileNotFoundError(lesson(called, wanted, "there is no such folder", at_line(), hint))
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(lesson(called, wanted, "no folders in it", at_line(), hint))
        return classes, {name: i for i, name in enumerate(classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self.changed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


def _below(folder: str) -> list[str]:
    walked = sorted(os.walk(folder, followlinks=True))
    return [os.path.join(inner, name) for inner, _, names in walked for name in sorted(names)]


class ImageFolder(DatasetFolder):
    """Pictures of a folder for each class, in colours: `root/cat/1.png`. Needs Pillow."""

    imgs: list[tuple[str, int]]

    def __init__(
        self,
        root: Any,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


def __getattr__(name: str) -> Any:
    known = ", ".join(__all__)
    wanted, got = "is no data set that is read here", f"there are {known}"
    hint = "ImageFolder, or a Dataset of your own"
    raise AttributeError(lesson(f"torchvision.datasets.{name}", wanted, got, hint=hint))


__all__ = ["CIFAR10", "CIFAR100", "KMNIST", "MNIST", "DatasetFolder", "FashionMNIST", "ImageFolder"]
__all__ += ["VisionDataset"]
