"""`torch.utils`."""

from clearprop.torch.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
