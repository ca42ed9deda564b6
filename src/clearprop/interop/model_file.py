"""Model files: a network's layers as JSON beside its weights, in one safetensors file, without any code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clearprop import nn
from clearprop.errors import InputError, lesson
from clearprop.interop.safetensors import load_safetensors, save_safetensors
from clearprop.ops import random

FORMAT, NEWER = "clearprop model 1", "clearprop model 2"
"""What files say they are: a plain list of layers, or one that holds what the first version did not know."""

_POOL = ("kernel_size", "stride", "padding")
_KERNELS = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
)
_BATCH = ("num_features", "eps", "momentum", "affine", "track_running_stats")
_FIRST: dict[str, tuple[str, ...]] = {
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
_LAYERS: dict[str, tuple[str, ...]] = _FIRST | {
    **dict.fromkeys(("Conv1d", "Conv2d", "Conv3d"), _KERNELS),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), _BATCH),
    "GroupNorm": ("num_groups", "num_channels", "eps", "affine"),
    "LayerNorm": ("normalized_shape", "eps", "elementwise_affine"),
    **dict.fromkeys(("MaxPool1d", "MaxPool2d"), (*_POOL, "dilation", "ceil_mode")),
    **dict.fromkeys(("AvgPool1d", "AvgPool2d"), (*_POOL, "ceil_mode", "count_include_pad")),
    **dict.fromkeys(("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"), ("output_size",)),
    **dict.fromkeys(("Dropout1d", "Dropout2d"), ("p",)),
    **dict.fromkeys(("Mish", "ReLU6", "Hardswish", "Hardsigmoid", "Softsign", "Tanhshrink"), ()),
    "Sequential": (),
    "Residual": (),
}
"""The layers that a file may name, with the numbers that make them: nothing else is ever built."""

_SELDOM = {"Softplus": "threshold", "AvgPool2d": "divisor_override"}
"""A setting more of some layers, which is written where it is not None: the first version did not know it."""

_SHAPES: dict[str, Callable[[dict[str, Any]], tuple[int, ...]]] = {
    "Linear": lambda of: (of["out_features"], of["in_features"]),
    **dict.fromkeys(
        ("Conv1d", "Conv2d", "Conv3d"),
        lambda of: (of["out_channels"], of["in_channels"] // of["groups"], *of["kernel_size"]),
    ),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"), lambda of: (of["num_features"],)),
    "GroupNorm": lambda of: (of["num_channels"],),
    "LayerNorm": lambda of: tuple(of["normalized_shape"]),
}
"""The shape of a layer's weight, which is compared with the file's before memory is taken for it."""

_UNFIT = (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


def save_model(
    path: str | Path,
    model: nn.Module,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = True,
    own: str | None = None,
) -> None:
    """Write a Sequential of registered layers, nested ones too, as a file that `load_model` can build again.

    The weights have their `state_dict` names, so other programs read them too; `about` is anything JSON can
    hold. A network of other classes is written as its weights with the label `own`, which says to a person
    what it was; `load_model` is given the module again. Raises TypeError for such a network without a label:
    save its `state_dict()` with `save_safetensors`; InputError, without `overwrite`, where there is a file
    that is no model file.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> save_model(path, nn.Sequential(nn.Linear(2, 3), nn.Tanh()), {"made": "in an example"})
    >>> model, about = load_model(path)
    >>> model[0].weight.shape, about
    ((3, 2), {'made': 'in an example'})
    """
    kinds: set[str] = set()
    try:
        saved: dict[str, Any] = {"layers": _layers(model, kinds)}
    except TypeError:
        if own is None:
            raise
        saved = {"own": own}
    text = json.dumps(saved | {"about": dict(about or {})}, ensure_ascii=False)
    # Bytes of a file's name that are not UTF-8 become JSON's escapes, and come back as they were.
    text = text.encode("utf-8", "backslashreplace").decode()
    format = FORMAT if "layers" in saved and kinds <= {*_FIRST} else NEWER
    save_safetensors(path, model.state_dict(), {"format": format, "model": text}, overwrite)


def _layers(model: nn.Module, kinds: set[str]) -> list[dict[str, Any]]:
    hint = "save_safetensors(path, model.state_dict()) for its weights alone"
    if type(model) is not nn.Sequential:
        raise TypeError(lesson("save_model", "wants a Sequential", type(model).__name__, hint=hint))
    for path, layer in model.named_modules():
        if layer._hooks or getattr(layer, "return_indices", False):
            got = f"{type(layer).__name__} {path!r} has {'hooks' if layer._hooks else 'return_indices'}"
            raise TypeError(lesson("save_model", "wants layers that a file can tell of", got, hint=hint))
    layers = [_spec(name, layer, kinds) for name, layer in model.named_children()]
    held, state = model.state_dict(), random.get_rng_state()
    try:
        alike = set(_built(layers, held, "").state_dict()) == set(held)
    except ValueError:
        alike = False
    finally:
        random.set_rng_state(state)
    if not alike:  # weights of its own, or a parametrization
        wanted = "wants layers with the weights of their kind"
        raise TypeError(lesson("save_model", wanted, ", ".join(held)[:200], hint=hint))
    return layers


def _spec(name: str, layer: nn.Module, kinds: set[str]) -> dict[str, Any]:
    """Return what a file says of a layer; `kinds` gathers what there is."""
    kind = type(layer).__name__
    if _LAYERS.get(kind) is None or type(layer) is not getattr(nn, kind):
        hint = "save_safetensors(path, model.state_dict()) for its weights alone"
        raise TypeError(lesson("save_model", f"wants layers of {', '.join(_LAYERS)}", kind, hint=hint))
    kinds.add(kind)
    settings = {name: getattr(layer, name) for name in _LAYERS[kind]}
    seldom = _SELDOM.get(kind, "")
    if seldom and getattr(layer, seldom) is not None:
        settings[seldom] = getattr(layer, seldom)
        kinds.add(f"{kind}({seldom}=)")
    weight = getattr(layer, "weight", None)
    if kind in _SHAPES and weight is not None:
        settings["dtype"] = str(weight.dtype)
    if kind == "Linear" or ("kernel_size" in settings and weight is not None):
        settings["bias"] = getattr(layer, "bias", None) is not None
    if isinstance(layer, nn.Sequential):
        settings["layers"] = [_spec(n, child, kinds) for n, child in layer.named_children()]
    elif isinstance(layer, nn.Residual):
        settings |= {n: _spec(n, child, kinds) for n, child in layer.named_children()}
    return {"name": name, "type": kind, **settings}


def load_model(
    path: str | Path, own: nn.Module | Callable[[dict[str, Any]], nn.Module] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Return the network of a model file, in evaluation mode, and what was saved about it.

    A file of a network of your own classes holds its weights and a label: `own` is that network, or a
    function that makes it of what was saved about it. Nothing that a file names is ever imported. Raises
    InputError for a file that is missing, damaged or not a model file of clearprop, and for weights that are
    not those of `own`. The random state is left as it was.
    """
    model, about, _ = load_labelled(path, own)
    return model, about


def load_labelled(
    path: str | Path, own: nn.Module | Callable[[dict[str, Any]], nn.Module] | None = None
) -> tuple[Any, dict[str, Any], str | None]:
    """Return what `load_model` does, and the label of a network of own classes, to be saved with it again."""
    arrays, metadata = load_safetensors(path)
    called = f"reading {path}"
    if metadata.get("format") not in (FORMAT, NEWER):
        got = "it is a safetensors file" + (f" of {metadata['format']!r}" if "format" in metadata else "")
        hint = "a file that `clearprop train` or save_model wrote"
        raise InputError(lesson(called, "is not a model file of clearprop", got, hint=hint))
    state = random.get_rng_state()
    try:
        saved = json.loads(metadata["model"])
        about = dict(saved["about"])
        if own is None and "own" in saved:
            got = f"it was made by {str(saved['own'])[:200]!r}"
            hint = "--model FILE.py:build (in Python, load_model(path, network))"
            raise InputError(lesson(called, "holds the weights of a network of your own", got, hint=hint))
        if own is None:
            model: nn.Module = _built(saved["layers"], arrays, "")
        else:
            model = own if isinstance(own, nn.Module) else own(about)
        model.load_state_dict(arrays)
    except InputError:
        raise
    except _UNFIT as error:
        first = (str(error.args[0] if error.args else error).splitlines() or [type(error).__name__])[0]
        wanted = "its layers and its weights do not fit together"
        hint = "another copy of it" if own is None else "the network that it was saved from"
        raise InputError(lesson(called, wanted, first, "Nothing was loaded.", hint)) from error
    finally:
        random.set_rng_state(state)
    model.eval()
    return model, about, None if "own" not in saved else str(saved["own"])


def _built(layers: list[dict[str, Any]], arrays: Mapping[str, Any], above: str) -> nn.Sequential:
    made = {}
    for saved in layers:
        name = str(saved["name"])
        if not (name.isdecimal() or name.isidentifier()) or name in made or hasattr(nn.Sequential, name):
            raise ValueError(f"a layer is called {name!r}")
        made[name] = _layer(saved, arrays, f"{above}{name}.")
    return nn.Sequential(made) if made else nn.Sequential()


def _layer(saved: dict[str, Any], arrays: Mapping[str, Any], place: str) -> nn.Module:
    """Build one layer, whose weights have names that begin with `place`."""
    kind = saved["type"]
    settings = {name: value for name, value in saved.items() if name not in ("name", "type")}
    if kind == "Sequential" and set(settings) == {"layers"}:
        return _built(settings["layers"], arrays, place)
    if kind == "Residual" and {"body"} <= set(settings) <= {"body", "shortcut"}:
        return nn.Residual(**{n: _layer(part, arrays, f"{place}{n}.") for n, part in settings.items()})
    if kind not in _LAYERS or not set(settings) <= {*_LAYERS[kind], _SELDOM.get(kind), "bias", "dtype"}:
        raise ValueError(f"there is no layer {kind!r} with {sorted(settings)}")
    if kind in _SHAPES:  # before memory is taken for it
        sizes, held = _SHAPES[kind](saved), [f"{place}{n}" for n in ("weight", "running_mean")]
        shape = next((arrays[name].shape for name in held if name in arrays), None)
        if (shape is None and "dtype" in settings) or (shape is not None and tuple(sizes) != shape):
            raise ValueError(f"layer {place[:-1]} is of {tuple(sizes)}, its weights are {shape}")
        if "dtype" in settings:
            settings["dtype"] = np.dtype(saved["dtype"])
    if kind in ("TableFeatures", "MemberLinear"):  # these too
        weights = sum(np.size(arrays[name]) for name in arrays if name.startswith(place))
        asked = [saved.get(n, 0) for n in ("in_features", "out_features", "pieces")]
        asked += [sum(map(int, saved.get("sizes", ()))) * int(saved.get("embedding", 0))]
        if max(map(int, asked)) > max(weights, 1 << 20) or not 0 < int(saved.get("members", 1)) <= max(
            weights, 1
        ):
            raise ValueError(f"layer {place[:-1]} is of {asked}, its weights are {weights} numbers")
    if kind == "GELU":  # files of before there was a choice
        settings.setdefault("approximate", "tanh")
    if kind not in _FIRST:
        settings = {n: tuple(value) if isinstance(value, list) else value for n, value in settings.items()}
    layer: nn.Module = getattr(nn, kind)(**settings)
    return layer
