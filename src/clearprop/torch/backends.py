"""`torch.backends`: switches of libraries that are not here; they can be set, and change nothing."""

from __future__ import annotations

from types import SimpleNamespace


def _absent() -> bool:
    return False


cudnn: SimpleNamespace = SimpleNamespace(
    deterministic=True, benchmark=False, enabled=False, is_available=_absent
)
mps: SimpleNamespace = SimpleNamespace(is_available=_absent, is_built=_absent)
cuda: SimpleNamespace = SimpleNamespace(is_built=_absent)
