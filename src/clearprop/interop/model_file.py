"""Model files: a network's layers as JSON beside its weights, in one safetensors file, without any code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import nn
from clearprop.errors import InputError, lesson
from clearprop.interop.safetensors import load_safetensors, save_safetensors
from clearprop.ops import random

FORMAT = "clearprop model 1"

_LAYERS: dict[str, tuple[str, ...]] = {
    "Linear": ("in_features", "out_features"),
    "TableFeatures": ("in_features", "pieces", "codes", "sizes", "embedding"),
    "MemberLinear": ("in_features", "out_features", "members", "first", "shared"),
    "MemberMean": ("of",),
    "Dropout": ("p",),
    "Flatten": ("start_dim", "end_dim"),
    "LeakyReLU": ("negative_slope",),
    "ELU": ("alpha",),
    "GELU": ("approximate",),
    "Softplus": ("beta",),
    "Softmax": ("dim",),
    "LogSoftmax": ("dim",),
    **dict.fromkeys(("Identity", "ReLU", "Sigmoid", "Tanh", "SiLU", "LogSigmoid"), ()),
}
"""The layers that a file may name, with the numbers that make them: nothing else is ever built."""


_UNFIT = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


def save_model(
    path: str | Path, model: nn.Sequential, about: Mapping[str, Any] | None = None, overwrite: bool = True
) -> None:
    """Write a Sequential of plain layers as a file that `load_model` can build again.

    The weights have their `state_dict` names, so other programs read them too; `about` is anything JSON can
    hold. Raises TypeError for a model with other layers: save its `state_dict()` with `save_safetensors`;
    InputError, without `overwrite`, where there is a file that is no model file.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save_model(path, nn.Sequential(nn.Linear(2, 3), nn.Tanh()), {"made": "in an example"})
    >>> model, about = load_model(path)
    >>> model[0].weight.shape, about
    ((3, 2), {'made': 'in an example'})
    """
    text = json.dumps({"layers": _layers(model), "about": dict(about or {})}, ensure_ascii=False)
    save_safetensors(path, model.state_dict(), {"format": FORMAT, "model": text}, overwrite)


def _layers(model: nn.Sequential) -> list[dict[str, Any]]:
    if type(model) is not nn.Sequential:
        hint = "save_safetensors(path, model.state_dict()) for its weights alone"
        raise TypeError(lesson("save_model", "wants a Sequential", type(model).__name__, hint=hint))
    found = []
    for number, layer in enumerate(model):
        kind = type(layer).__name__
        if kind not in _LAYERS:
            hint = "save_safetensors(path, model.state_dict()) for its weights alone"
            raise TypeError(lesson("save_model", f"wants layers of {', '.join(_LAYERS)}", kind, hint=hint))
        settings = {name: getattr(layer, name) for name in _LAYERS[kind]}
        if kind == "Linear":
            settings |= {"bias": layer.bias is not None, "dtype": str(layer.weight.dtype)}
        found.append({"name": str(number), "type": kind, **settings})
    return found


def load_model(path: str | Path) -> tuple[nn.Sequential, dict[str, Any]]:
    """Return the network of a model file, in evaluation mode, and what was saved about it.

    Raises InputError for a file that is missing, damaged or not a model file of clearprop. The random state
    is left as it was.
    """
    arrays, metadata = load_safetensors(path)
    called = f"reading {path}"
    if metadata.get("format") != FORMAT:
        got = "it is a safetensors file" + (f" of {metadata['format']!r}" if "format" in metadata else "")
        hint = "a file that `clearprop train` or save_model wrote"
        raise InputError(lesson(called, "is not a model file of clearprop", got, hint=hint))
    state = random.get_rng_state()
    try:
        saved = json.loads(metadata["model"])
        model = nn.Sequential(*(_layer(layer, arrays) for layer in saved["layers"]))
        model.load_state_dict(arrays)
        about = dict(saved["about"])
    except _UNFIT as error:
        first = (str(error.args[0] if error.args else error).splitlines() or [type(error).__name__])[0]
        wanted = "its layers and its weights do not fit together"
        raise InputError(
            lesson(called, wanted, first, "Nothing was loaded.", "another copy of it")
        ) from error
    finally:
        random.set_rng_state(state)
    model.eval()
    return model, about


def _layer(saved: dict[str, Any], arrays: Mapping[str, Any]) -> nn.Module:
    settings = {name: value for name, value in saved.items() if name not in ("name", "type")}
    kind = saved["type"]
    if kind not in _LAYERS or not set(settings) <= {*_LAYERS[kind], "bias", "dtype"}:
        raise ValueError(f"there is no layer {kind!r} with {sorted(settings)}")
    if kind == "Linear":  # before memory is taken for it
        sizes, shape = (saved["out_features"], saved["in_features"]), arrays[f"{saved['name']}.weight"].shape
        if sizes != shape:
            raise ValueError(f"layer {saved['name']} is of {sizes}, its weights are {shape}")
        settings["dtype"] = np.dtype(saved["dtype"])
    if kind in ("TableFeatures", "MemberLinear"):  # these too
        weights = sum(np.size(arrays[name]) for name in arrays if name.startswith(f"{saved['name']}."))
        asked = [saved.get(n, 0) for n in ("in_features", "out_features", "pieces")]
        asked += [sum(map(int, saved.get("sizes", ()))) * int(saved.get("embedding", 0))]
        if max(map(int, asked)) > max(weights, 1 << 20) or not 0 < int(saved.get("members", 1)) <= weights:
            raise ValueError(f"layer {saved['name']} is of {asked}, its weights are {weights} numbers")
    if kind == "GELU":  # files of before there was a choice
        settings.setdefault("approximate", "tanh")
    layer: nn.Module = getattr(nn, kind)(**settings)
    return layer
