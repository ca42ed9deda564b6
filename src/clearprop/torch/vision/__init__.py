"""`clearprop.torch.vision`: torchvision's names that courses use, over pictures on this machine.

A program that says `import torchvision` runs with `from clearprop.torch import vision as torchvision`, or
unchanged by `python -m clearprop.torch program.py`.
"""

from __future__ import annotations

import importlib
from typing import Any

from clearprop.errors import lesson
from clearprop.torch.tensors import nearest

__version__ = "0.20.0+clearprop"
_SUBMODULES = ("datasets", "transforms", "utils", "io", "models")
_WANTED = {
    "ops": ("has no operations on boxes", "the functions of torch"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"clearprop.torch.vision.{name}")
    wanted, hint = _WANTED.get(name, ("there is no such name", nearest(name, [*_SUBMODULES])))
    raise AttributeError(lesson(f"torchvision.{name}", wanted, hint=hint))
