"""`torch.linalg`: clearprop's linear algebra on tensors."""

from __future__ import annotations

from typing import Any

from clearprop.errors import lesson
from clearprop.torch.algebra import LINALG
from clearprop.torch.answering import answering
from clearprop.torch.tensors import nearest

_ASKED: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    if name in _ASKED:
        return _ASKED[name]
    if name in LINALG:
        return _ASKED.setdefault(name, answering(f"torch.linalg.{name}", LINALG[name], name != "multi_dot"))
    raise AttributeError(
        lesson(f"torch.linalg.{name}", "there is no such function", hint=nearest(name, [*LINALG]))
    )
