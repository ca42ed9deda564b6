"""`torchvision.transforms.v2`: the same transforms under their newer names, for pictures and tensors."""

from __future__ import annotations

from typing import Any

from clearprop.torch.making import to
from clearprop.torch.tensors import Tensor
from clearprop.torch.vision import transforms
from clearprop.torch.vision.transforms import functional as F


class ToImage:
    """A picture as a tensor (channels, height, width) of the numbers that it holds; tensors as they are."""

    def __call__(self, pic: Any) -> Any:
        return pic if isinstance(pic, Tensor) else F.pil_to_tensor(pic, "ToImage")

    def __repr__(self) -> str:
        return "ToImage()"


class ToDtype:
    """A tensor in another dtype; with `scale` 255 of uint8 is 1 of floats."""

    dtype: Any
    scale: bool

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        self.dtype, self.scale = dtype, scale

    def __call__(self, image: Any) -> Any:
        return F.convert_image_dtype(image, self.dtype) if self.scale else to(image, self.dtype)

    def __repr__(self) -> str:
        return f"ToDtype(scale={self.scale})"


def __getattr__(name: str) -> Any:
    return getattr(transforms, name)
