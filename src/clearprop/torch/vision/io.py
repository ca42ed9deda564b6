"""`torchvision.io`: a picture's file as a tensor of whole numbers."""

from __future__ import annotations

from typing import Any

from clearprop.data.picture_files import Opened
from clearprop.torch.making import made
from clearprop.torch.tensors import Tensor
from clearprop.torch.vision.pictures import planes


def read_image(path: Any, mode: str = "UNCHANGED") -> Tensor:
    """Return a picture as uint8 of (channels, height, width); `mode` may be "RGB" or "GRAY". Needs Pillow."""
    wanted = {"RGB": "RGB", "GRAY": "L"}.get(str(mode).rpartition(".")[2].upper())
    with Opened(str(path)) as image:
        if wanted is None and image.mode in ("P", "1"):
            wanted = "RGB" if image.mode == "P" else "L"
        return made(planes(image.convert(wanted) if wanted else image))


__all__ = ["read_image"]
