"""`torch.utils`."""

from clearprop.torch.utils import data

__all__ = ["data"]
