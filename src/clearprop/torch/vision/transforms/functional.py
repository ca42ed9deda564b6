"""`torchvision.transforms.functional`: what the transforms do to one picture, with the numbers given.

Pillow's pictures are changed by Pillow and tensors of (..., height, width) by the core's ops, so that
gradients pass; an array of pixels goes through as a tensor and comes back as an array.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np

from clearprop.data.picture_files import pillow
from clearprop.errors import at_line, lesson
from clearprop.nn import functional as own
from clearprop.torch import dtypes
from clearprop.torch.making import made
from clearprop.torch.tensors import Tensor, cast, lower, through
from clearprop.torch.vision.pictures import channels_of, is_pillow, on_pictures, planes, refused, size_of


class InterpolationMode(Enum):
    """How a picture is resampled."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def _resampling(mode: Any) -> Any:
    """Return Pillow's constant of an interpolation, or of the number that older programs give."""
    kinds = pillow("Image").Resampling
    return kinds(mode) if isinstance(mode, int) else kinds[mode.name.partition("_")[0]]


# --- into a tensor, and out of one ------------------------------------------------------------------------
def to_tensor(pic: Any) -> Tensor:
    """Return a picture as a tensor (channels, height, width), whole numbers up to 255 as floats up to 1.

    >>> to_tensor(np.full((2, 2), 51, np.uint8))
    tensor([[[0.2000, 0.2000],
             [0.2000, 0.2000]]])
    """
    found = pil_to_tensor(pic, "to_tensor")
    array = found.node._value
    return made(array.astype(dtypes.default()) / 255) if array.dtype == np.uint8 else found


def pil_to_tensor(pic: Any, called: str = "pil_to_tensor") -> Tensor:
    """Return a picture as a tensor (channels, height, width) of the whole numbers that it holds."""
    if not is_pillow(pic) and not (isinstance(pic, np.ndarray) and pic.ndim in (2, 3)):
        raise refused(called, pic, "wants a picture of Pillow's or an array (height, width, channels)")
    return made(planes(pic))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """Return a tensor (channels, height, width), floats from 0 to 1, or an array as a picture of Pillow's."""
    if not isinstance(pic, (Tensor, np.ndarray)) or pic.ndim not in (2, 3):
        wanted = "wants a tensor (channels, height, width) or an array (height, width, channels)"
        raise refused("to_pil_image", pic, wanted)
    pixels = np.asarray(lower(pic)._value) if isinstance(pic, Tensor) else pic
    if isinstance(pic, Tensor):
        if pixels.dtype.kind == "f" and mode != "F":
            pixels = (pixels * 255).astype(np.uint8)
        pixels = np.moveaxis(pixels, 0, -1) if pixels.ndim == 3 else pixels
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    known = {2: ("uint8", "int32", "uint16", "float32"), 3: ("uint8",)}[pixels.ndim]
    if pixels.dtype.name not in known or (pixels.ndim == 3 and pixels.shape[-1] not in (2, 3, 4)):
        wanted, got = "wants 1 to 4 channels of uint8", f"{pixels.dtype} of shape {pixels.shape}"
        raise TypeError(lesson("to_pil_image(pic)", wanted, got, at_line(), "(array * 255).astype('uint8')"))
    image = pillow("Image").fromarray(np.ascontiguousarray(pixels))
    return image if mode in (None, image.mode) else image.convert(mode)


def convert_image_dtype(image: Tensor, dtype: Any = None) -> Tensor:
    """Return a tensor in another dtype with its values scaled: 255 of uint8 is 1 of floats."""
    wanted = dtypes.default() if dtype is None else dtypes.numpy_dtype(dtype)
    array = image.node.dtype
    if array == wanted:
        return image
    top, to = (1.0 if kind.kind == "f" else float(np.iinfo(kind).max) for kind in (array, wanted))
    if wanted.kind == "f":
        return through(lambda x: cast(x, wanted) / wanted.type(top))(image)
    values = np.asarray(image.node._value)
    if array.kind == "f":
        return made(np.floor(values * (to + 1 - 1e-3)).astype(wanted))
    return made((values.astype(np.float64) * ((to + 1) / (top + 1))).astype(wanted))


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """Return (tensor - mean) / std, channel by channel."""
    called = "normalize(tensor)"
    if not isinstance(tensor, Tensor):
        raise refused("normalize", tensor, "wants a tensor (..., channels, height, width)")
    if tensor.node.dtype.kind != "f":
        got, hint = f"it is {tensor.dtype}", "transforms.ToTensor() before Normalize"
        raise TypeError(lesson(called, "wants floats", got, at_line(), hint))
    if tensor.ndim < 3:
        got, hint = f"its shape is {tuple(tensor.shape)}", "tensor.unsqueeze(0)"
        raise ValueError(lesson(called, "wants (..., channels, height, width)", got, at_line(), hint))
    scale, middle = (np.array(x, tensor.node.dtype).reshape(-1, 1, 1) for x in (std, mean))
    if not scale.all():
        got, hint = f"std is {list(std)}", "std=[1.0]"
        raise ValueError(lesson(called, "divides by std", got, at_line(), hint))
    channels = channels_of(tensor)
    if {len(scale), len(middle)} - {1, channels}:
        got = f"{channels} channels, {len(middle)} means, {len(scale)} of std"
        hint = f"one number for each channel: ({', '.join(['0.5'] * channels)},)"
        raise RuntimeError(lesson(called, "wants a mean and std for each channel", got, at_line(), hint))
    if inplace:
        return tensor.sub_(made(middle)).div_(made(scale))
    return through(lambda x: (x - middle) / scale)(tensor)


# --- sizes and cuts ---------------------------------------------------------------------------------------
def get_image_size(img: Any) -> list[int]:
    """Return the width and the height."""
    return [*size_of(img)][::-1]


def get_dimensions(img: Any) -> list[int]:
    """Return the number of channels, the height and the width."""
    return [channels_of(img), *size_of(img)]


def new_size(shape: tuple[int, int], size: Any, max_size: int | None = None) -> tuple[int, int]:
    """Return the height and width that `resize` brings a picture to.

    >>> new_size((20, 30), 10), new_size((20, 30), 10, max_size=12), new_size((20, 30), (7, 8))
    ((10, 15), (8, 12), (7, 8))
    """
    sides = [size] if isinstance(size, int) else [int(n) for n in size]
    if len(sides) not in (1, 2) or min(sides) < 1 or (max_size is not None and len(sides) == 2):
        wanted, got = "wants the shorter side or (height, width)", f"size={size}, max_size={max_size}"
        raise ValueError(lesson("resize(img, size)", wanted, got, at_line(), "size=(32, 32)"))
    if len(sides) == 2:
        return sides[0], sides[1]
    if max_size is not None and max_size <= sides[0]:
        wanted, got = "wants a max_size above size", f"size={sides[0]}, max_size={max_size}"
        raise ValueError(lesson("resize(img, size)", wanted, got, at_line(), f"max_size={2 * sides[0]}"))
    short, long = sides[0], int(sides[0] * max(shape) / min(shape))
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (short, long) if shape[0] <= shape[1] else (long, short)


@on_pictures
def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Return a picture in another size: (height, width), or the shorter side, to which the other follows."""
    there = size_of(img)
    wanted = new_size(there, size, max_size)
    if wanted == there:
        return img
    if is_pillow(img):
        return img.resize(wanted[::-1], _resampling(interpolation))
    mode = interpolation.value if isinstance(interpolation, InterpolationMode) else ""
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        known, hint = "of tensors knows nearest, bilinear and bicubic", "InterpolationMode.BILINEAR"
        raise ValueError(lesson("resize(tensor)", known, str(interpolation), at_line(), hint))
    smooth = {"antialias": bool(antialias)} if mode.startswith("bi") else {}
    return through(lambda x: _resized(x, wanted, mode, smooth))(img)


def _resized(x: Any, size: tuple[int, int], mode: str, smooth: dict[str, bool]) -> Any:
    """Return a node (..., height, width) in another size; whole numbers are rounded within their range."""
    kind = x.dtype
    lead = x.shape[:-2]
    planes = np.reshape(x, (math.prod(lead[:-1]), lead[-1] if lead else 1, *x.shape[-2:]))
    planes = planes if kind.kind == "f" else cast(planes, np.dtype(np.float32))
    found = own.interpolate(planes, size=size, mode=mode, **smooth)
    if kind.kind != "f":
        limits = np.iinfo(kind)
        found = cast(np.clip(np.round(found), float(limits.min), float(limits.max)), kind)
    return np.reshape(found, (*lead, *size))


@on_pictures
def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """Return a part of a picture; what lies beyond its edges is 0."""
    if is_pillow(img):
        return img.crop((left, top, left + width, top + height))
    tall, wide = size_of(img)
    beyond = [max(-left, 0), max(-top, 0), max(left + width - wide, 0), max(top + height - tall, 0)]
    img = pad(img, beyond) if any(beyond) else img
    top, left = max(top, 0), max(left, 0)
    return img[..., top : top + height, left : left + width]


@on_pictures
def center_crop(img: Any, output_size: Any) -> Any:
    """Return the middle of a picture, with zeros around it where it is smaller."""
    height, width = two(output_size)
    tall, wide = size_of(img)
    if width > wide or height > tall:
        more, above = max(width - wide, 0), max(height - tall, 0)
        img = pad(img, [more // 2, above // 2, (more + 1) // 2, (above + 1) // 2])
        tall, wide = size_of(img)
    return crop(img, round((tall - height) / 2), round((wide - width) / 2), height, width)


def resized_crop(
    img: Any, top: int, left: int, height: int, width: int, size: Any, *how: Any, **more: Any
) -> Any:
    """Return a part of a picture, resized."""
    return resize(crop(img, top, left, height, width), size, *how, **more)


def two(size: Any) -> tuple[int, int]:
    """Return a height and a width: of one number, both are that."""
    sides = [int(size)] if isinstance(size, (int, float)) else [int(n) for n in size]
    if len(sides) not in (1, 2):
        got, hint = str(size), "size=(32, 32)"
        raise ValueError(lesson("size", "Please provide only two dimensions (h, w)", got, at_line(), hint))
    return sides[0], sides[-1]


@on_pictures
def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: Any = "constant") -> Any:
    """Return a picture with a border: of one width, (left and right, top and bottom), or all four.

    `padding_mode` is constant (of `fill`), edge, reflect or symmetric.
    """
    widths = [int(n) for n in (padding if isinstance(padding, (list, tuple)) else [padding])]
    if len(widths) not in (1, 2, 4) or padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        wanted, got = "wants 1, 2 or 4 widths and a mode that is known", f"{padding}, {padding_mode!r}"
        raise ValueError(lesson("pad(img, padding)", wanted, got, at_line(), "padding=4"))
    left, top, right, bottom = (widths * 4)[:4]
    if min(widths) < 0:
        tall, wide = size_of(img)
        hint = "crop"
        got = f"{padding} of {tall} x {wide}"
        raise ValueError(lesson("pad(img, padding)", "wants widths of 0 or more", got, at_line(), hint))
    if is_pillow(img):
        return _pillow_padded(img, (left, top, right, bottom), fill, padding_mode)
    around = ((0, 0),) * (img.ndim - 2) + ((top, bottom), (left, right))
    if padding_mode != "constant":
        return through(lambda x: np.pad(x, around, mode=padding_mode))(img)
    colours = _colours(img, fill)
    if len(colours) == 1:
        return through(lambda x: np.pad(x, around, constant_values=colours[0]))(img)
    parts = [pad(img[..., i : i + 1, :, :], padding, colour) for i, colour in enumerate(colours)]
    return through(lambda *xs: np.concatenate(xs, axis=-3))(*parts)


def _pillow_padded(img: Any, border: tuple[int, ...], fill: Any, mode: Any) -> Any:
    if mode == "constant":
        return pillow("ImageOps").expand(img, border=border, fill=_pillow_colour(img, fill))
    left, top, right, bottom = border
    pixels = np.asarray(img)
    widths = ((top, bottom), (left, right)) + ((0, 0),) * (pixels.ndim - 2)
    found = pillow("Image").fromarray(np.pad(pixels, widths, mode=mode))
    if img.mode == "P":
        found.putpalette(img.getpalette())
    return found


def _colours(img: Any, fill: Any) -> list[Any]:
    """Return one number for all channels or one for each."""
    colours = list(fill) if isinstance(fill, (list, tuple)) else [0 if fill is None else fill]
    if len(colours) not in (1, channels_of(img)):
        got = f"{len(colours)} of fill, {channels_of(img)} channels"
        raise ValueError(
            lesson("fill", "wants one number, or one for each channel", got, at_line(), "fill=0")
        )
    return colours


def _pillow_colour(img: Any, fill: Any) -> Any:
    """Return a colour as Pillow takes it: a number for one channel, else a number for each."""
    colours = _colours(img, fill)
    bands = channels_of(img)
    if img.mode not in ("F", "I"):
        colours = [int(n) for n in colours]
    return colours[0] if bands == 1 else tuple(colours * bands)[:bands]


# --- turns and colours ------------------------------------------------------------------------------------
@on_pictures
def hflip(img: Any) -> Any:
    """Return a picture mirrored left to right."""
    if is_pillow(img):
        return img.transpose(pillow("Image").Transpose.FLIP_LEFT_RIGHT)
    return through(lambda x: np.flip(x, -1))(img)


@on_pictures
def vflip(img: Any) -> Any:
    """Return a picture upside down."""
    if is_pillow(img):
        return img.transpose(pillow("Image").Transpose.FLIP_TOP_BOTTOM)
    return through(lambda x: np.flip(x, -2))(img)


@on_pictures
def rotate(
    img: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = 0,
) -> Any:
    """Return a picture turned against the clock by so many degrees, about its middle or a point (x, y).

    What comes from outside is `fill`; with `expand` the picture grows to hold all of it. Tensors are turned
    by the nearest entries.
    """
    if is_pillow(img):
        colour = _pillow_colour(img, fill)
        return img.rotate(angle, _resampling(interpolation), expand, center, fillcolor=colour)
    if interpolation not in (InterpolationMode.NEAREST, 0):
        known, hint = "turns tensors by the nearest entries", "ToTensor() after RandomRotation"
        raise NotImplementedError(lesson("rotate(tensor)", known, str(interpolation), at_line(), hint))
    rows, columns, inside = _turned(size_of(img), angle, expand, center)
    colours = np.array(_colours(img, fill), img.node.dtype).reshape((-1, 1, 1) if img.ndim > 2 else ())
    return through(lambda x: np.where(inside, x[..., rows, columns], colours))(img)


def _turned(shape: tuple[int, int], angle: float, expand: bool, center: Any) -> tuple[Any, Any, Any]:
    """Return the row and the column that each entry comes from, and whether that lies inside."""
    height, width = shape
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    tall, wide = height, width
    if expand:
        tall, wide = (
            math.ceil(round(abs(a * cos) + abs(b * sin), 6)) for a, b in ((height, width), (width, height))
        )
    middle = ((width - 1) / 2, (height - 1) / 2)
    x0, y0 = middle if center is None or expand else (center[0] - 0.5, center[1] - 0.5)
    to_x, to_y = ((wide - 1) / 2, (tall - 1) / 2) if expand else (x0, y0)
    y, x = np.meshgrid(np.arange(tall) - to_y, np.arange(wide) - to_x, indexing="ij")
    columns = np.rint(np.round(cos * x - sin * y + x0, 9)).astype(np.int64)
    rows = np.rint(np.round(sin * x + cos * y + y0, 9)).astype(np.int64)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1), inside


@on_pictures
def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Return a picture without its colours, .2989 red + .587 green + .114 blue, in 1 channel or 3 alike."""
    channels = channels_of(img)
    if num_output_channels not in (1, 3) or (not is_pillow(img) and channels not in (1, 3)):
        wanted, got = "wants 1 or 3 channels, gives 1 or 3", f"{channels}, {num_output_channels}"
        raise ValueError(lesson("rgb_to_grayscale(img)", wanted, got, at_line(), "num_output_channels=1"))
    if is_pillow(img):
        grey = img.convert("L")
        return pillow("Image").merge("RGB", [grey] * 3) if num_output_channels == 3 else grey
    return through(lambda x: _grey(x, num_output_channels))(img)


def _grey(x: Any, channels: int) -> Any:
    kind = x.dtype
    grey = x if x.ndim > 2 else x[None]
    if grey.shape[-3] == 3:
        red, green, blue = (grey[..., i : i + 1, :, :] for i in range(3))
        grey = 0.2989 * red + 0.587 * green + 0.114 * blue
        grey = cast(np.floor(grey) if kind.kind != "f" else grey, kind)
    return np.concatenate([grey] * 3, axis=-3) if channels == 3 else grey


to_grayscale = rgb_to_grayscale


def _blended(img: Any, other: Any, share: float) -> Any:
    """Return share * img + (1 - share) * other, a function of a node, kept within the range of its dtype."""

    def blend(x: Any) -> Any:
        top = 1.0 if x.dtype.kind == "f" else float(np.iinfo(x.dtype).max)
        return cast(np.clip(share * x + (1 - share) * other(x), 0.0, top), x.dtype)

    return through(blend)(img)


def _factor(called: str, value: float) -> float:
    if value < 0:
        got, hint = str(value), f"{called}(img, 1.0), which changes nothing"
        raise ValueError(lesson(f"{called}(img, factor)", "wants 0 or more", got, at_line(), hint))
    return float(value)


@on_pictures
def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Return a picture lighter or darker: 0 is black, 1 as it is, 2 twice as light."""
    factor = _factor("adjust_brightness", brightness_factor)
    if is_pillow(img):
        return pillow("ImageEnhance").Brightness(img).enhance(factor)
    return _blended(img, lambda x: 0.0, factor)


@on_pictures
def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """Return a picture with more or less contrast: 0 is the mean of its greys, 1 as it is."""
    factor = _factor("adjust_contrast", contrast_factor)
    if is_pillow(img):
        return pillow("ImageEnhance").Contrast(img).enhance(factor)
    return _blended(img, lambda x: np.mean(_grey(x, 1), axis=(-3, -2, -1), keepdims=True), factor)


@on_pictures
def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """Return a picture with stronger or weaker colours: 0 is grey, 1 as it is."""
    factor = _factor("adjust_saturation", saturation_factor)
    if is_pillow(img):
        return pillow("ImageEnhance").Color(img).enhance(factor)
    return _blended(img, lambda x: _grey(x, 1), factor)


@on_pictures
def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Return one of Pillow's pictures with its colours moved around their circle, of which 1 is all."""
    called = "adjust_hue(img, factor)"
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(lesson(called, "wants -0.5 to 0.5", str(hue_factor), at_line(), "0.1"))
    if not is_pillow(img):
        hint = "ToTensor() after ColorJitter"
        raise NotImplementedError(lesson(called, "wants a picture of Pillow's", "", at_line(), hint))
    if img.mode in ("L", "1", "I", "F"):
        return img
    hue, *others = img.convert("HSV").split()
    moved = np.asarray(hue).astype(np.int64) + int(hue_factor * 255)
    hue = pillow("Image").fromarray((moved % 256).astype(np.uint8))
    return pillow("Image").merge("HSV", [hue, *others]).convert(img.mode)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """Return a tensor whose rows from i and columns from j, h by w of them, are v."""
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
