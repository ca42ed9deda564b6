"""PyTorch's weight files (`.pt`, `.pth`, `.bin`) read and written with NumPy alone, and without running code.

Such a file is a zip archive: `data.pkl`, a pickle of the objects in which a tensor stands as a reference, and
`data/0`, `data/1`, ..., the memories that tensors show parts of. A pickle is a program. The reader here knows
the handful of names that tensors need and builds arrays for them; every other name is refused, by its name,
before anything of it is imported.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from clearprop import marks
from clearprop.errors import InputError, lesson
from clearprop.files import whole_file
from clearprop.interop.pickles import bounded

LARGEST_PICKLE = 1 << 28  # bytes: the objects around the arrays, not the arrays
_STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
    "BFloat16Storage": "<u2", "ComplexFloatStorage": "<c8", "ComplexDoubleStorage": "<c16",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _STORAGES.items() if name != "BFloat16Storage"}


class _StorageKind(NamedTuple):
    """The class of a storage, as a pickle names it."""

    name: str


class _Memory(NamedTuple):
    """A storage: its bytes as numbers."""

    array: Any
    brain: bool  # halves of float32: their upper 16 bits


@dataclass
class Trained:
    """A Parameter, as a pickle holds it when a whole module was saved rather than its state dict."""

    array: Any
    requires_grad: bool = True


class Shown(NamedTuple):
    """The part of a memory, numbers in a row, that a tensor shows; several tensors may show one memory."""

    memory: Any
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors and plain values; `find_class` never imports."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str, shown: bool = False) -> None:
        super().__init__(file, encoding="utf-8")
        self.archive, self.root, self.shown = archive, root, shown
        self.memories: dict[str, _Memory] = {}

    def find_class(self, module: str, name: str) -> Any:
        if self.shown and name == "_rebuild_tensor_v2" and module == "torch._utils":
            return _shown
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _StorageKind(name)
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        wanted = "holds tensors, numbers, words and containers of them"
        hint = "torch.save(model.state_dict(), path) where the file was made"
        raise _refused(wanted, f"{module}.{name}, which would have to run code", hint)

    def persistent_load(self, reference: Any) -> Any:
        if not isinstance(reference, tuple) or len(reference) < 5 or reference[0] != "storage":
            raise _refused("refers to storages alone", repr(reference)[:60])
        kind, key, size = reference[1], str(reference[2]), reference[4]
        if key not in self.memories:
            if not isinstance(kind, _StorageKind) or not isinstance(size, int) or size < 0:
                raise _refused("names the kind and size of a storage", repr(reference)[:60])
            dtype = np.dtype(_STORAGES[kind.name])
            info = _member(self.archive, f"{self.root}/data/{key}")
            if info.file_size != size * dtype.itemsize:
                raise _refused(f"wants {size * dtype.itemsize} bytes in data/{key}", f"{info.file_size}")
            array = np.frombuffer(self.archive.read(info), dtype)
            self.memories[key] = _Memory(array, kind.name == "BFloat16Storage")
        return self.memories[key]


def _tensor(
    memory: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    marks: Any = None,
) -> Any:
    """Return the part of a memory that a tensor shows, copied; strides that leave it are refused.

    `marks` say what else is to be done to the numbers: a tensor may be stored as its negative.
    """
    marked = {name for name, value in (marks or {}).items() if value}
    if marked - {"neg"}:
        hint = "torch.save(t.resolve_conj().clone(), path)"
        raise _refused("cannot read a tensor that is marked", ", ".join(map(str, marked - {"neg"})), hint)
    numbers = (offset, *shape, *strides)
    if not isinstance(memory, _Memory) or not all(type(n) is int and n >= 0 for n in numbers):
        raise _refused("wants a tensor's place in its storage", repr(numbers)[:60])
    if len(shape) != len(strides):
        raise _refused("wants as many strides as axes", f"{shape}, {strides}")
    size = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if size else 0
    if last >= max(memory.array.size, 1) or size > 64 * max(memory.array.size, 1):
        raise _refused(
            f"wants a tensor within the {memory.array.size} numbers of its storage", f"{shape}, {strides}"
        )
    step = memory.array.itemsize
    start = memory.array[offset:] if size else memory.array
    view = np.lib.stride_tricks.as_strided(start, shape, [s * step for s in strides], writeable=False)
    array = np.array(view)
    if memory.brain:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return -array if marked else array


def _shown(memory: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Any:
    """Return which part of which memory a tensor shows, or its numbers where these are not as they lie."""
    array = _tensor(memory, offset, shape, strides, *rest)
    marked = any((rest[2] if len(rest) > 2 else None) or ())
    return array if marked or memory.brain else Shown(memory.array, offset, tuple(shape), tuple(strides))


def _parameter(array: Any, requires_grad: Any = True, *_: Any) -> Trained:
    return Trained(array, bool(requires_grad))


_DTYPES = {
    "float32": "float32", "float64": "float64", "float16": "float16", "bfloat16": "float32", "int64": "int64",
    "int32": "int32", "int16": "int16", "int8": "int8", "uint8": "uint8", "bool": "bool",
}  # fmt: skip
_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): tuple,
    ("torch", "device"): lambda *where: ":".join(map(str, where)),
    ("builtins", "set"): set,
}


_UNSOUND = (
    pickle.UnpicklingError, EOFError, AttributeError, TypeError, KeyError, IndexError, ValueError,
)  # fmt: skip
"""What a damaged pickle raises."""
_UNREADABLE = (
    struct.error, UnicodeDecodeError, MemoryError, RecursionError, OverflowError, NotImplementedError,
    OSError,
)  # fmt: skip
"""What a damaged archive raises."""


def load_pt(path: Any, shown: bool = False) -> Any:
    """Return what `torch.save` wrote, with arrays for tensors: a state dict, or any containers of them.

    bfloat16 comes as float32. With `shown` tensors come as `Shown`, which says which of them share a memory.
    Raises InputError, a ValueError, for what is no such archive, for what is in it that would have to run
    code, by its name, and for tensors that reach out of their storage.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "w.pt"
    >>> save_pt(path, {"w": np.ones((2, 3), np.float32), "epoch": 4})
    >>> found = load_pt(path)
    >>> found["w"].shape, found["epoch"]
    ((2, 3), 4)
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [
                name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"
            ]
            if len(pickles) != 1:
                raise _refused(
                    "wants one data.pkl in the archive", f"{len(pickles)}", "torch.save(state, path)"
                )
            _little(archive, pickles[0].removesuffix("data.pkl") + "byteorder")
            info = _member(archive, pickles[0])
            if info.file_size > LARGEST_PICKLE:
                raise _refused(f"wants objects of at most {LARGEST_PICKLE} bytes", f"{info.file_size}")
            content = bounded(archive.read(info))
            return _TensorUnpickler(content, archive, pickles[0].removesuffix("/data.pkl"), shown).load()
    except zipfile.BadZipFile as error:
        hint = "torch.save(torch.load(path), path) in a PyTorch since 1.6, or safetensors"
        raise _refused("wants a zip archive, which PyTorch writes since 1.6", f"{path}", hint) from error
    except InputError:
        raise
    except _UNSOUND as error:
        raise _refused("wants a whole, sound pickle", str(error)[:80]) from error
    except _UNREADABLE as error:
        raise _refused("wants a file that can be read, a whole and sound archive", str(error)[:80]) from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise _refused("wants members that are stored, not compressed", name)
    return info


def _little(archive: zipfile.ZipFile, name: str) -> None:
    if name in archive.namelist() and archive.read(name).strip() != b"little":
        raise _refused("wants little-endian numbers", "big")


def _refused(wanted: str, got: str = "", hint: str = "") -> InputError:
    return InputError(lesson("load_pt(path)", wanted, got, hint=hint))


def load_weights(path: Any, prefix: str = "module.") -> dict[str, Any]:
    """Return the arrays of a state dict from a `.pt`, `.pth`, `.bin` or `.safetensors` file, by name.

    Of a model in several files it takes the index that says which array is in which, as HuggingFace writes it
    (`model.safetensors.index.json`), or the folder where that lies, or a single file of weights: safetensors
    where there are several kinds. A dict around it under `state_dict`,
    `model` or `model_state_dict` is opened; `prefix`, which a wrapper such as DataParallel left, is taken
    away where all names have it.
    """
    from clearprop.interop.safetensors import load_safetensors

    if os.path.isdir(path) or str(path).endswith(".index.json"):
        return without_prefix(_of_shards(Path(path)), prefix)
    if str(path).endswith(".safetensors"):
        return without_prefix(load_safetensors(path)[0], prefix)
    found = load_pt(path)
    for name in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping):
        raise _refused("wants a state dict", type(found).__name__, "load_pt(path) to look at what it holds")
    arrays = {k: v.array if isinstance(v, Trained) else v for k, v in found.items()}
    return without_prefix({k: v for k, v in arrays.items() if isinstance(v, np.ndarray)}, prefix)


def _of_shards(path: Path) -> dict[str, Any]:
    """Return what an index says that the files beside it hold; InputError where they do not."""
    called, hint = "load_weights(path)", "model.safetensors.index.json and the files that it names"
    found = _of_folder(path) if path.is_dir() else [path]
    if len(found) != 1:
        got = ", ".join(p.name for p in found) or f"none in {path}"
        wanted = "wants a folder with one index of files, or one file of weights"
        raise InputError(lesson(called, wanted, got, hint=hint))
    if not found[0].name.endswith(".index.json"):
        return load_weights(found[0], prefix="")
    try:
        index = json.loads(found[0].read_bytes())["weight_map"]
        files = {str(name): str(file) for name, file in index.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}"[:100]
        raise InputError(lesson(called, "wants an index with a weight_map", got, hint=hint)) from error
    outside = [
        file for file in files.values() if Path(file).name != file or "\\" in file or file in ("", "..")
    ]
    if outside:
        got = f"{outside[0]!r}"
        raise InputError(lesson(called, "wants names of files beside the index", got, hint=hint))
    arrays: dict[str, Any] = {}
    for file in dict.fromkeys(files.values()):
        held = load_weights(found[0].parent / file, prefix="")
        arrays |= {name: x for name, x in held.items() if files.get(name) == file}
    lacking = [name for name in files if name not in arrays]
    if lacking:
        got = f"{files[lacking[0]]} has no {lacking[0]}"
        raise InputError(lesson(called, "wants all arrays that the index names", got, hint=hint))
    return {name: arrays[name] for name in files}


def _of_folder(path: Path) -> list[Path]:
    """Return what a folder's weights are read from: an index first, and safetensors."""
    for pattern in ("*.safetensors.index.json", "*.index.json", "*.safetensors", "*.bin", "*.pt", "*.pth"):
        if found := sorted(path.glob(pattern)):
            return found
    return []


def without_prefix(state: Mapping[str, Any], prefix: str = "module.") -> dict[str, Any]:
    """Return a state dict without a prefix that all of its names have.

    >>> without_prefix({"module.weight": 1})
    {'weight': 1}
    """
    everywhere = bool(state) and all(name.startswith(prefix) for name in state)
    return {name.removeprefix(prefix) if everywhere else name: x for name, x in state.items()}


# --- writing ------------------------------------------------------------------------------------------------
def _pickled(x: Any, storages: list[Any]) -> Iterator[bytes]:
    """Give the opcodes of containers, numbers and words, and of arrays as PyTorch's tensors."""
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, np.ndarray):
        strides = tuple(math.prod(x.shape[i + 1 :]) for i in range(x.ndim))
        yield from _tensor_of(Shown(x, 0, x.shape, strides), storages)
    elif isinstance(x, Shown):
        yield from _tensor_of(x, storages)
    elif isinstance(x, dict):
        ordered = pickle.GLOBAL + b"collections\nOrderedDict\n" + pickle.EMPTY_TUPLE + pickle.REDUCE
        yield (ordered if isinstance(x, OrderedDict) else pickle.EMPTY_DICT) + pickle.MARK
        for pair in x.items():
            for part in pair:
                yield from _pickled(part, storages)
        yield pickle.SETITEMS
    elif isinstance(x, (list, tuple)):
        yield pickle.MARK
        for part in x:
            yield from _pickled(part, storages)
        yield pickle.LIST if isinstance(x, list) else pickle.TUPLE
    else:
        yield _number_or_word(x)


def _number_or_word(x: Any) -> bytes:
    if x is None:
        return pickle.NONE
    if isinstance(x, bool):
        return pickle.NEWTRUE if x else pickle.NEWFALSE
    if isinstance(x, int):
        if -(1 << 31) <= x < 1 << 31:
            return pickle.BININT + struct.pack("<i", x)
        text = pickle.encode_long(x)
        return pickle.LONG1 + bytes([len(text)]) + text
    if isinstance(x, float):
        return pickle.BINFLOAT + struct.pack(">d", x)
    if isinstance(x, str):
        text = x.encode("utf-8", "surrogatepass")
        return pickle.BINUNICODE + struct.pack("<I", len(text)) + text
    wanted = "writes arrays, numbers, words and containers of them"
    hint = "the module's state_dict()"
    raise TypeError(lesson("save_pt(path, state)", wanted, type(x).__name__, hint=hint))


def _tensor_of(x: Shown, storages: list[Any]) -> Iterator[bytes]:
    """Give the opcodes of `_rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())`."""
    kind = _NAMES.get(x.memory.dtype.newbyteorder("<"))
    if kind is None:
        wanted, got = "writes real numbers", f"dtype {x.memory.dtype}"
        raise TypeError(lesson("save_pt(path, state)", wanted, got, hint="x.astype('float32')"))
    number = next((i for i, held in enumerate(storages) if held is x.memory), len(storages))
    yield pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n" + pickle.MARK
    yield pickle.MARK + _number_or_word("storage") + pickle.GLOBAL + f"torch\n{kind}\n".encode()
    yield from map(_number_or_word, (str(number), "cpu", x.memory.size))
    yield pickle.TUPLE + pickle.BINPERSID
    parts: tuple[Any, ...] = (x.offset, x.shape, x.strides, False, OrderedDict())
    for part in parts:
        yield from _pickled(part, storages)
    yield pickle.TUPLE + pickle.REDUCE
    if number == len(storages):
        storages.append(x.memory)


def save_pt(path: Any, state: Any, overwrite: bool = False) -> None:
    """Write a state dict, or any containers of arrays, numbers and words, as `torch.save` does.

    PyTorch reads it with `torch.load(path)`, its safe way. Raises TypeError for anything else in it, and
    InputError, without `overwrite`, where there is a file that is none of PyTorch's.
    """
    storages: list[Any] = []
    text = pickle.PROTO + bytes([2]) + b"".join(_pickled(state, storages)) + pickle.STOP
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", text)
        archive.writestr("archive/byteorder", "little")
        for i, array in enumerate(storages):
            archive.writestr(f"archive/data/{i}", array.astype(array.dtype.newbyteorder("<")).tobytes())
        archive.writestr("archive/version", "3\n")
    if hasattr(path, "write"):
        path.write(whole.getvalue())
        return
    with whole_file(path, ours=None if overwrite else marks.pt) as file:
        file.write(whole.getvalue())
