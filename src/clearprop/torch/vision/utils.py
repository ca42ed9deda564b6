"""`torchvision.utils`: many pictures as one, and into a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.data.picture_files import pillow
from clearprop.errors import InputError, at_line, lesson
from clearprop.files import whole_file
from clearprop.torch.making import made
from clearprop.torch.tensors import Tensor


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Return pictures of (n, channels, height, width), or a list of them, as one, `nrow` in a row.

    `normalize` brings their values from `value_range`, or from the lowest and the highest, to [0, 1], with
    `scale_each` each picture's own. Grey ones come out with three channels; gradients are not kept.

    >>> make_grid(made(np.ones((3, 1, 4, 4), np.float32)), nrow=2).shape
    torch.Size([3, 14, 14])
    """
    images = _batch(tensor)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    n, channels, height, width = images.shape
    if n == 1:
        return made(np.array(images[0]))
    across = min(nrow, n)
    height, width = height + padding, width + padding
    shape = (channels, height * math.ceil(n / across) + padding, width * across + padding)
    grid = np.full(shape, pad_value, images.dtype)
    for i, image in enumerate(images):
        y, x = i // across * height + padding, i % across * width + padding
        grid[:, y : y + height - padding, x : x + width - padding] = image
    return made(grid)


def _batch(tensor: Any) -> Any:
    """Return pictures as an array of (n, 3, height, width), or of as many channels as they have."""
    several = isinstance(tensor, (list, tuple))
    pictures, most = (list(tensor), 3) if several else ([tensor], 4)
    if not pictures or not all(isinstance(x, Tensor) and 2 <= x.ndim <= most for x in pictures):
        got = f"it is {type(tensor).__name__}"
        got += f" of shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else ""
        wanted, hint = "wants a tensor (n, channels, height, width) or a list of pictures", "batch[:16]"
        raise TypeError(lesson("make_grid(tensor)", wanted, got, at_line(), hint))
    arrays = [np.asarray(x.node._value) for x in pictures]
    if len({array.shape for array in arrays}) > 1:
        got = ", ".join(sorted({str(array.shape) for array in arrays}))
        hint = "transforms.Resize((64, 64)) for each"
        raise RuntimeError(lesson("make_grid(list)", "wants pictures of one size", got, at_line(), hint))
    array = np.stack(arrays) if several else arrays[0]
    array = array[(None,) * (4 - array.ndim)]
    return np.repeat(array, 3, 1) if array.shape[1] == 1 else array


def _normalized(images: Any, value_range: Any, scale_each: bool) -> Any:
    if value_range is not None and not isinstance(value_range, tuple):
        got, hint = repr(value_range), "value_range=(0, 1)"
        raise TypeError(lesson("make_grid(value_range=)", "wants (lowest, highest)", got, at_line(), hint))
    _fractions("make_grid(normalize=True)", images)
    axes = (1, 2, 3) if scale_each else None
    low, high = value_range or (images.min(axes, keepdims=True), images.max(axes, keepdims=True))
    return ((np.clip(images, low, high) - low) / np.maximum(high - low, 1e-5)).astype(images.dtype)


def _fractions(called: str, array: Any) -> None:
    if array.dtype.kind != "f":
        got = f"they are {array.dtype}"
        raise TypeError(lesson(called, "wants floats", got, at_line(), "tensor.float() / 255"))


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write pictures with values in [0, 1], as `make_grid(tensor, **kwargs)` lays them out, into a file.

    The ending says which kind of file, or `format`; the file appears when it is whole. Needs Pillow.
    """
    library = pillow("Image")
    grid = np.asarray(make_grid(tensor, **kwargs).node._value)
    _fractions("save_image(tensor, file)", grid)
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    image = library.fromarray(np.ascontiguousarray(pixels))
    if hasattr(fp, "write"):
        image.save(fp, format=format or Path(str(getattr(fp, "name", "x.png"))).suffix.lstrip(".") or "png")
        return
    kinds, ending = library.registered_extensions(), Path(fp).suffix.lower()
    kind = format or kinds.get(ending)
    if kind is None or kind.upper() not in library.SAVE:
        called, got = f"save_image(tensor, {str(fp)!r})", format or ending or "there is none"
        wanted, hint = "wants a kind of picture that Pillow writes", "a name that ends in .png"
        raise InputError(lesson(called, wanted, got, at_line(), hint))
    with whole_file(fp) as file:
        image.save(file, format=kind)


__all__ = ["make_grid", "save_image"]
