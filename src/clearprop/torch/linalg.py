"""`torch.linalg`: clearprop's linear algebra on tensors."""

from __future__ import annotations

from typing import Any

from clearprop.errors import lesson
from clearprop.torch.algebra import LINALG
from clearprop.torch.tensors import nearest


def __getattr__(name: str) -> Any:
    if name in LINALG:
        return LINALG[name]
    raise AttributeError(
        lesson(f"torch.linalg.{name}", "there is no such function", hint=nearest(name, [*LINALG]))
    )
