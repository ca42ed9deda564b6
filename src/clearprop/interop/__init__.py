"""Weights and models to and from files and other libraries."""

from __future__ import annotations

import importlib
from typing import Any

# Imported when first asked for: reading a weights file needs no network.
_LATER = {
    "load_model": "clearprop.interop.model_file",
    "load_pt": "clearprop.interop.pytorch",
    "load_safetensors": "clearprop.interop.safetensors",
    "load_weights": "clearprop.interop.pytorch",
    "save_model": "clearprop.interop.model_file",
    "save_pt": "clearprop.interop.pytorch",
    "save_safetensors": "clearprop.interop.safetensors",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'clearprop.interop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
