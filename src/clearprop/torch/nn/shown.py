"""How layers print in PyTorch where clearprop's own words are others."""

from __future__ import annotations

from typing import Any

from clearprop.torch.nn.module import SHOWN


def _inplace(m: Any) -> str:
    return "inplace=True" if m.__dict__.get("inplace") else ""


SHOWN["ReLU"] = _inplace
