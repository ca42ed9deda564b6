"""`torch.accelerator`: there is none, and programs that ask go on without."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """Return False."""
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """Return None."""
    return None


def device_count() -> int:
    """Return 0."""
    return 0
