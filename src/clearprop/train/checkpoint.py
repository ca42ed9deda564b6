"""Checkpoints: everything that a training run needs to go on to the same bits, in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.interop.safetensors import load_safetensors, save_safetensors

_FORMAT = "clearprop checkpoint 1"


def save_checkpoint(path: str | Path, state: Any) -> None:
    """Write nested dicts, lists and tuples of arrays, numbers, texts and None; whole or not at all.

    The arrays become entries named by their path (`model/0.weight`), so other programs can read them too; the
    rest is JSON in the metadata. Nothing in the file is code.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> save_checkpoint(path, {"epoch": 3, "model": {"w": np.ones(2)}, 0: (1.5, None)})
    >>> load_checkpoint(path)
    {'epoch': 3, 'model': {'w': array([1., 1.])}, 0: (1.5, None)}
    """
    arrays: dict[str, Any] = {}
    tree = json.dumps(_to_json(state, "", arrays))
    save_safetensors(path, arrays, {"format": _FORMAT, "tree": tree})


def load_checkpoint(path: str | Path) -> Any:
    """Return what `save_checkpoint` wrote; raises InputError where it is not such a file, or damaged."""
    arrays, metadata = load_safetensors(path)
    if metadata.get("format") != _FORMAT:
        got = "its metadata does not say so"
        hint = "the file that fit(checkpoint=...) wrote; a model file holds weights alone"
        raise InputError(lesson(f"reading {path}", "is not a checkpoint of clearprop", got, hint=hint))
    try:
        return _from_json(json.loads(metadata["tree"]), arrays)
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(lesson(f"reading {path}", "is a damaged checkpoint", repr(error))) from error


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
