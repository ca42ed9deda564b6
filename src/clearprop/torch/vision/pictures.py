"""What a picture is: Pillow's Image, a tensor of (..., height, width), or pixels where there is no Pillow."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.data.picture_files import pillow
from clearprop.errors import at_line, lesson
from clearprop.torch.making import made
from clearprop.torch.tensors import Tensor

_DEEP = {"I": "int32", "I;16": "uint16", "F": "float32"}


def is_pillow(x: Any) -> bool:
    """Tell whether it is one of Pillow's pictures; Pillow is not imported for that."""
    library = sys.modules.get("PIL.Image")
    return library is not None and isinstance(x, library.Image)


def picture(pixels: Any) -> Any:
    """Return uint8 pixels of (height, width) or (height, width, 3) as a sample of a dataset.

    That is Pillow's Image, and the array itself where Pillow is not installed: the transforms take both.
    """
    if importlib.util.find_spec("PIL") is None:
        return pixels
    return pillow("Image").fromarray(np.ascontiguousarray(pixels))


def planes(img: Any) -> Any:
    """Return the pixels of a picture as an array of (channels, height, width), of the dtype they have."""
    pixels = np.array(img, _DEEP.get(img.mode)) if is_pillow(img) else np.asarray(img)
    if is_pillow(img) and img.mode == "1":
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def pixels_of(tensor: Tensor) -> Any:
    """Return a tensor of (channels, height, width) as an array of pixels, (height, width) of one channel."""
    array = np.moveaxis(np.asarray(tensor.node._value), 0, -1)
    return np.ascontiguousarray(array[..., 0] if array.shape[-1] == 1 else array)


def on_pictures(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of Pillow's pictures and tensors as one of arrays too; all others are refused."""

    @functools.wraps(f)
    def function(img: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(img, np.ndarray) and img.ndim in (2, 3):
            return pixels_of(f(made(planes(img)), *args, **kwargs))
        if not is_pillow(img) and not (isinstance(img, Tensor) and img.ndim >= 2):
            raise refused(f.__name__, img)
        return f(img, *args, **kwargs)

    return function


def refused(
    name: str, img: Any, wanted: str = "wants a picture of Pillow's or a tensor (..., h, w)"
) -> TypeError:
    """Return the error of a function that was given something else than a picture."""
    shape = getattr(img, "shape", None)
    got = f"it is {type(img).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
    return TypeError(lesson(f"{name}(img)", wanted, got, at_line(), "transforms.ToTensor() first"))


def size_of(img: Any) -> tuple[int, int]:
    """Return the height and the width."""
    if is_pillow(img):
        return img.height, img.width
    return (int(img.shape[-2]), int(img.shape[-1]))


def channels_of(img: Any) -> int:
    """Return the number of channels; a tensor of two axes has one."""
    if is_pillow(img):
        return len(img.getbands())
    return int(img.shape[-3]) if img.ndim > 2 else 1
