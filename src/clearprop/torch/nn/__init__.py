"""`torch.nn`: every layer and loss of `clearprop.nn` with PyTorch's face."""

from __future__ import annotations

import sys
from typing import Any

from clearprop import nn as own
from clearprop.errors import lesson
from clearprop.torch.nn import functional, init, utils
from clearprop.torch.nn.module import SHOWN, Module, layer
from clearprop.torch.nn.shown import WORDS
from clearprop.torch.tensors import Parameter, nearest

LAYERS = {
    name: layer(kind)
    for name, kind in vars(own).items()
    if isinstance(kind, type) and issubclass(kind, own.Module) and kind is not own.Module
}
_WANTED = {
    "DataParallel": ("there is one device", "the model itself"),
    "SyncBatchNorm": ("there is one device", "BatchNorm2d"),
}


def __getattr__(name: str) -> Any:
    if name in LAYERS:
        return LAYERS[name]
    if name in ("parameter", "modules"):  # where PyTorch keeps what this module has itself
        return sys.modules[__name__]
    known = [*LAYERS, "Module", "Parameter", "functional", "init", "utils"]
    wanted, hint = _WANTED.get(name, ("there is no such layer", nearest(name, known)))
    raise AttributeError(lesson(f"torch.nn.{name}", wanted, hint=hint))


def __dir__() -> list[str]:
    return sorted({*globals(), *LAYERS})


SHOWN |= WORDS
__all__ = ["SHOWN", "Module", "Parameter", "functional", "init", "utils"]
