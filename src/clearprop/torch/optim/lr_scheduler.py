"""`torch.optim.lr_scheduler`: clearprop's schedules, which take any of its optimizers."""

from __future__ import annotations

from typing import Any

from clearprop import optim as own
from clearprop.errors import lesson
from clearprop.torch.tensors import nearest

LRScheduler = _LRScheduler = own.Schedule
KNOWN: dict[str, Any] = {
    name: kind
    for name, kind in vars(own).items()
    if isinstance(kind, type)
    and not issubclass(kind, own.Optimizer)
    and kind.__module__.startswith("clearprop")
}


def __getattr__(name: str) -> Any:
    if name in KNOWN:
        return KNOWN[name]
    raise AttributeError(
        lesson(f"lr_scheduler.{name}", "there is no such schedule", hint=nearest(name, [*KNOWN]))
    )
