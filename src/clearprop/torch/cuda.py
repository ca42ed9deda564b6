"""`torch.cuda`: there is none, and programs that ask are told so."""

from __future__ import annotations

from clearprop.torch import amp
from clearprop.torch.chance import manual_seed


def is_available() -> bool:
    """Tell that there is no such device."""
    return False


def device_count() -> int:
    """Return 0."""
    return 0


def empty_cache() -> None:
    """Do nothing."""


def synchronize() -> None:
    """Do nothing."""


manual_seed_all = manual_seed
__all__ = [
    "amp",
    "device_count",
    "empty_cache",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]
