"""Checkpoints: everything that a training run needs to go on to the same bits, in one safetensors file.

A run keeps two generations: the newest under its name, and the one before it with `.previous` behind it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import marks
from clearprop.errors import InputError, first_line, lesson
from clearprop.files import make_room, replaceable, whole_file
from clearprop.hints import refuse_texts
from clearprop.interop.safetensors import load_safetensors, save_safetensors

_FORMAT = "clearprop checkpoint 1"
IS_CHECKPOINT = marks.safetensors(_FORMAT)
"""Tells by the first bytes of a file whether it is a checkpoint."""


def save_checkpoint(path: str | Path, state: Any, overwrite: bool = True) -> None:
    """Write nested dicts, lists and tuples of arrays, numbers, texts and None; whole or not at all.

    The arrays become entries named by their path (`model/0.weight`), so other programs can read them too; the
    rest is JSON in the metadata. Nothing in the file is code. Raises InputError, without `overwrite`, where
    there is a file that is no checkpoint.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> save_checkpoint(path, {"epoch": 3, "model": {"w": np.ones(2)}, 0: (1.5, None)})
    >>> load_checkpoint(path)
    {'epoch': 3, 'model': {'w': array([1., 1.])}, 0: (1.5, None)}
    """
    refuse_texts("save_checkpoint", overwrite=overwrite)
    arrays: dict[str, Any] = {}
    tree = json.dumps(_to_json(state, "", arrays))
    save_safetensors(path, arrays, {"format": _FORMAT, "tree": tree}, overwrite)


def load_checkpoint(path: str | Path) -> Any:
    """Return what `save_checkpoint` wrote; raises InputError where it is not such a file, or damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(f"{folder}/run", {"epoch": 3, "w": np.ones(2)})
    ...     load_checkpoint(f"{folder}/run")
    {'epoch': 3, 'w': array([1., 1.])}
    """
    arrays, metadata = load_safetensors(path)
    if metadata.get("format") != _FORMAT:
        got = "its metadata does not say so"
        hint = "the file that fit(checkpoint=...) wrote; a model file holds weights alone"
        raise InputError(lesson(f"reading {path}", "is not a checkpoint of clearprop", got, hint=hint))
    try:
        return _from_json(json.loads(metadata["tree"]), arrays)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        where, hint = "Nothing was loaded.", "the generation before it, or another copy"
        got = repr(error)
        raise InputError(lesson(f"reading {path}", "is a damaged checkpoint", got, where, hint)) from error


class Generations:
    """The newest checkpoint of a run and the one before it: whatever happens to one, the other is there."""

    def __init__(self, path: str | Path) -> None:
        self.path: Path = Path(os.path.realpath(path))
        self.previous: Path = self.path.with_name(self.path.name + ".previous")
        self.damaged: bool = False  # then the newest must not take the place of the one before it

    def prepare(self, size: int, overwrite: bool = False) -> None:
        """Raise InputError where checkpoints of so many bytes cannot be written or would replace others."""
        ours = None if overwrite else IS_CHECKPOINT
        if not self.damaged:
            replaceable(self.path, ours)
        replaceable(self.previous, ours)
        make_room(self.path, size)

    def load(self) -> Any:
        """Return the newest checkpoint that is whole, None where there is none; warn where one is damaged."""
        if not self.path.exists() and not self.previous.exists():
            return None
        try:
            return load_checkpoint(self.path)
        except InputError as error:
            if not self.previous.exists():
                raise
            state = load_checkpoint(self.previous)
            self.damaged = True
            first = first_line(error)
            text = f"{first}. The run goes on from the generation before it, {self.previous}."
            warnings.warn(text, UserWarning, stacklevel=4)
            return state

    def save(self, state: Any) -> None:
        """Write a new generation; the one that was the newest is kept as the one before it."""
        if self.path.exists():
            self._set_aside() if self.damaged else self._keep()
        save_checkpoint(self.path, state)
        self.damaged = False

    def _set_aside(self) -> None:
        """Give a damaged newest another name: it may be somebody's file that came to stand there."""
        names = (self.path.with_name(f"{self.path.name}.damaged{n or ''}") for n in itertools.count())
        os.replace(self.path, next(name for name in names if not name.exists()))

    def _keep(self) -> None:
        """Give the newest its second name; it has its first until the next one is whole."""
        link = self.previous.with_name(f".{self.previous.name}.{os.getpid()}.tmp")
        try:
            os.link(self.path, link)
            os.replace(link, self.previous)
        except (OSError, NotImplementedError):  # a system without links
            with open(self.path, "rb") as old, whole_file(self.previous) as copy:
                shutil.copyfileobj(old, copy)
        finally:
            link.unlink(missing_ok=True)  # where both names were those of one file already


def _to_json(value: Any, path: str, arrays: dict[str, Any]) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        arrays[path] = value
        return {"array": path}
    if isinstance(value, dict):
        return {"dict": [[key, _to_json(held, _below(path, key), arrays)] for key, held in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_to_json(held, _below(path, i), arrays) for i, held in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    wanted = "wants arrays, numbers, texts, None, and dicts, lists and tuples of them"
    raise TypeError(lesson("save_checkpoint", wanted, f"{path} is a {type(value).__name__}"))


def _below(path: str, key: Any) -> str:
    return f"{path}/{key}" if path else str(key)


def _from_json(tree: Any, arrays: dict[str, Any]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, held),) = tree.items()
    if kind == "array":
        return arrays[held]
    if kind == "dict":
        return {key: _from_json(value, arrays) for key, value in held}
    return {"list": list, "tuple": tuple}[kind](_from_json(value, arrays) for value in held)
