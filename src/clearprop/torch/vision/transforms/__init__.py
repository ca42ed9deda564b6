"""`torchvision.transforms`: what happens to a picture between its file and the network.

Whatever is drawn comes from clearprop's one generator, so `torch.manual_seed` settles it, in workers too; the
numbers are others than torchvision's.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from clearprop.errors import at_line, lesson
from clearprop.torch import chance
from clearprop.torch.names import PLAIN
from clearprop.torch.nn import Module
from clearprop.torch.tensors import Tensor, nearest
from clearprop.torch.vision.pictures import refused
from clearprop.torch.vision.transforms import functional
from clearprop.torch.vision.transforms import functional as F
from clearprop.torch.vision.transforms.functional import InterpolationMode


def _number(low: float, high: float) -> float:
    """Return a number drawn between two."""
    return low + float(chance.uniform((1,))._value[0]) * (high - low)


def _whole(low: int, high: int) -> int:
    """Return a whole number from `low` to `high`, which is among them."""
    return int(chance.randint(low, high + 1, (1,)).item())


class Compose:
    """Transforms one after the other.

    >>> import numpy as np
    >>> Compose([ToTensor(), Normalize((0.5,), (0.5,))])(np.full((1, 2), 255, np.uint8))
    tensor([[[1., 1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {transform}" for transform in self.transforms), ")"])


class _Transform(Module):
    """A transform with arguments, which it prints by their names."""

    shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        words = (f"{name}={_said(getattr(self, name))}" for name in self.shown)
        return f"{type(self).__name__}({', '.join(words)})"


def _said(value: Any) -> str:
    return str(value.value if isinstance(value, InterpolationMode) else value)


class ToTensor:
    """A picture as a tensor (channels, height, width), whole numbers up to 255 as floats up to 1.

    >>> import numpy as np
    >>> import clearprop.torch as torch
    >>> ToTensor()(np.array([[0, 255]], np.uint8))
    tensor([[[0., 1.]]])
    """

    def __call__(self, pic: Any) -> Any:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """A picture as a tensor (channels, height, width) of the whole numbers that it holds."""

    def __call__(self, pic: Any) -> Any:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """A tensor or an array as a picture of Pillow's."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class Lambda:
    """A function of one's own as a transform.

    >>> import clearprop.torch as torch
    >>> Lambda(lambda img: 2 * img)(torch.tensor([1.0]))
    tensor([2.])
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            got, hint = type(lambd).__name__, "Lambda(lambda img: img * 2)"
            raise TypeError(lesson("Lambda(lambd)", "wants a function", got, at_line(), hint))
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class ConvertImageDtype(_Transform):
    """A tensor in another dtype, with its values scaled.

    >>> import clearprop.torch as torch
    >>> ConvertImageDtype(torch.float32)(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    tensor([[[0., 1.]]])
    """

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Any) -> Any:
        """Return the tensor in that dtype."""
        return F.convert_image_dtype(image, self.dtype)


class Normalize(_Transform):
    """(x - mean) / std, channel by channel.

    >>> import clearprop.torch as torch
    >>> Normalize((0.5,), (0.25,))(torch.tensor([[[0.25, 1.0]]]))
    tensor([[[-1.,  2.]]])
    """

    mean: Sequence[float]
    std: Sequence[float]
    inplace: bool

    shown: tuple[str, ...] = ("mean", "std")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Any) -> Any:
        """Return the tensor normalized."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(_Transform):
    """Another size: (height, width), or the shorter side, to which the other follows.

    >>> import clearprop.torch as torch
    >>> Resize((1, 2))(torch.ones(3, 2, 4)).shape
    torch.Size([3, 1, 2])
    """

    size: Any
    interpolation: Any
    max_size: int | None
    antialias: bool | None

    shown: tuple[str, ...] = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: Any,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size, self.interpolation = size, interpolation
        self.max_size, self.antialias = max_size, antialias

    def forward(self, img: Any) -> Any:
        """Return the picture in that size."""
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(_Transform):
    """The middle of a picture, with zeros around it where it is smaller.

    >>> import clearprop.torch as torch
    >>> CenterCrop(1)(torch.arange(9.0).reshape(1, 3, 3))
    tensor([[[4.]]])
    """

    size: tuple[int, int]

    shown: tuple[str, ...] = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = F.two(size)

    def forward(self, img: Any) -> Any:
        """Return the middle of the picture."""
        return F.center_crop(img, self.size)


class Pad(_Transform):
    """A border: of one width, (left and right, top and bottom), or all four.

    >>> import clearprop.torch as torch
    >>> Pad(1)(torch.ones(1, 1, 1))
    tensor([[[0., 0., 0.],
             [0., 1., 0.],
             [0., 0., 0.]]])
    """

    padding: Any
    fill: Any
    padding_mode: str

    shown: tuple[str, ...] = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        """Return the picture with a border."""
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(_Transform):
    """A part of a picture, drawn; with `padding` out of the picture with a border.

    >>> import clearprop.torch as torch
    >>> RandomCrop(2)(torch.ones(3, 4, 4)).shape
    torch.Size([3, 2, 2])
    """

    size: tuple[int, int]
    padding: Any
    pad_if_needed: bool
    fill: Any
    padding_mode: str

    shown: tuple[str, ...] = ("size", "padding")

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size, self.padding, self.pad_if_needed = F.two(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the top, the left, the height and the width of a part, drawn."""
        _, tall, wide = F.get_dimensions(img)
        height, width = output_size
        if tall < height or wide < width:
            wanted, got = f"wants a picture of {height} x {width} or more", f"it has {tall} x {wide}"
            raise ValueError(lesson("RandomCrop(size)", wanted, got, at_line(), "pad_if_needed=True"))
        if (tall, wide) == (height, width):
            return 0, 0, height, width
        return _whole(0, tall - height), _whole(0, wide - width), height, width

    def forward(self, img: Any) -> Any:
        """Return a part of the picture."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, tall, wide = F.get_dimensions(img)
        height, width = self.size
        if self.pad_if_needed and wide < width:
            img = F.pad(img, [width - wide, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and tall < height:
            img = F.pad(img, [0, height - tall], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomResizedCrop(_Transform):
    """A part of a picture, of a share of its area and of proportions that are drawn, in one size.

    >>> import clearprop.torch as torch
    >>> RandomResizedCrop(2)(torch.ones(3, 4, 4)).shape
    torch.Size([3, 2, 2])
    """

    size: tuple[int, int]
    scale: tuple[float, float]
    ratio: tuple[float, float]
    interpolation: Any
    antialias: bool | None

    shown: tuple[str, ...] = ("size", "scale", "ratio", "interpolation", "antialias")

    def __init__(
        self,
        size: Any,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size, self.scale, self.ratio = F.two(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Return the top, the left, the height and the width of a part, drawn; the middle where none fits."""
        _, tall, wide = F.get_dimensions(img)
        for _ in range(10):
            area = tall * wide * _number(*scale)
            proportion = math.exp(_number(math.log(ratio[0]), math.log(ratio[1])))
            height, width = round(math.sqrt(area / proportion)), round(math.sqrt(area * proportion))
            if 0 < width <= wide and 0 < height <= tall:
                return _whole(0, tall - height), _whole(0, wide - width), height, width
        height, width = tall, wide
        if wide / tall < min(ratio):
            height = round(wide / min(ratio))
        elif wide / tall > max(ratio):
            width = round(tall * max(ratio))
        return (tall - height) // 2, (wide - width) // 2, height, width

    def forward(self, img: Any) -> Any:
        """Return a part of the picture in that size."""
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, antialias=self.antialias)


class RandomHorizontalFlip(_Transform):
    """Mirrored left to right with a probability.

    >>> import clearprop.torch as torch
    >>> RandomHorizontalFlip(p=1.0)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[2., 1.]]])
    """

    shown: tuple[str, ...] = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the picture, mirrored or not."""
        return F.hflip(img) if _number(0, 1) < self.p else img


class RandomVerticalFlip(_Transform):
    """Upside down with a probability.

    >>> import clearprop.torch as torch
    >>> RandomVerticalFlip(p=1.0)(torch.tensor([[[1.0], [2.0]]]))
    tensor([[[2.],
             [1.]]])
    """

    shown: tuple[str, ...] = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the picture, upside down or not."""
        return F.vflip(img) if _number(0, 1) < self.p else img


class RandomRotation(_Transform):
    """Turned by an angle that is drawn from -degrees to degrees, or between two.

    >>> import clearprop.torch as torch
    >>> RandomRotation((90, 90))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[2., 4.],
             [1., 3.]]])
    """

    degrees: list[float]
    interpolation: Any
    expand: bool
    center: Any
    fill: Any

    shown: tuple[str, ...] = ("degrees", "interpolation", "expand", "fill")

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        both = [-degrees, degrees] if isinstance(degrees, (int, float)) else list(degrees)
        if len(both) != 2 or both[0] > both[1]:
            wanted, hint = "wants a number of 0 or more, or (lowest, highest)", "RandomRotation(10)"
            raise ValueError(lesson("RandomRotation(degrees)", wanted, str(degrees), at_line(), hint))
        self.degrees = [float(n) for n in both]
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Return an angle, drawn."""
        return _number(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        """Return the picture, turned."""
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


class Grayscale(_Transform):
    """A picture without its colours, in 1 channel or in 3 alike.

    >>> import clearprop.torch as torch
    >>> Grayscale()(torch.ones(3, 1, 2))
    tensor([[[0.9999, 0.9999]]])
    """

    shown: tuple[str, ...] = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """Return the picture without its colours."""
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(_Transform):
    """A picture without its colours with a probability; it keeps its channels.

    >>> import clearprop.torch as torch
    >>> RandomGrayscale(p=1.0)(torch.ones(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    shown: tuple[str, ...] = ("p",)

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Return the picture, in colours or not."""
        channels = F.get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, channels) if _number(0, 1) < self.p else img


class ColorJitter(_Transform):
    """Brightness, contrast, saturation and hue, changed in an order and by factors that are drawn.

    Each is a number a, for factors from 1 - a to 1 + a (of hue -a to a), or (lowest, highest).

    >>> import clearprop.torch as torch
    >>> ColorJitter(brightness=(0.5, 0.5))(torch.ones(3, 1, 1)).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """

    brightness: Any
    contrast: Any
    saturation: Any
    hue: Any

    shown: tuple[str, ...] = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness, self.contrast = _around("brightness", brightness), _around("contrast", contrast)
        self.saturation, self.hue = _around("saturation", saturation), _around("hue", hue, 0.0)

    def forward(self, img: Any) -> Any:
        """Return the picture in other colours."""
        factors = [None if held is None else _number(*held) for held in map(self.__dict__.get, self.shown)]
        changes = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for k in chance.randperm(4).tolist():
            factor = factors[k]
            img = img if factor is None else changes[k](img, factor)
        return img


def _around(name: str, value: Any, middle: float = 1.0) -> tuple[float, float] | None:
    """Return the lowest and the highest factor; None where nothing is changed."""
    least, most = (0.0, float("inf")) if middle else (-0.5, 0.5)
    given = isinstance(value, (int, float))
    low, high = (max(middle - value, least), middle + value) if given else (float(v) for v in value)
    if (given and value < 0) or not least <= low <= high <= most:
        wanted, hint = "wants a number of 0 or more, or (lowest, highest)", f"{name}=0.2"
        raise ValueError(lesson(f"ColorJitter({name}=)", wanted, str(value), at_line(), hint))
    return None if low == high == middle else (low, high)


class RandomErasing(_Transform):
    """A tensor with a part set to `value`, or to noise for "random", with a probability.

    >>> import clearprop.torch as torch
    >>> RandomErasing(p=1.0)(torch.ones(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    p: float
    scale: tuple[float, float]
    ratio: tuple[float, float]
    value: Any
    inplace: bool

    shown: tuple[str, ...] = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def forward(self, img: Any) -> Any:
        """Return the tensor, with a part erased or whole."""
        if not isinstance(img, Tensor):
            raise refused("RandomErasing", img, "wants a tensor (channels, height, width)")
        if _number(0, 1) >= self.p:
            return img
        channels, tall, wide = F.get_dimensions(img)
        for _ in range(10):
            area = tall * wide * _number(*self.scale)
            proportion = math.exp(_number(math.log(self.ratio[0]), math.log(self.ratio[1])))
            height, width = round(math.sqrt(area * proportion)), round(math.sqrt(area / proportion))
            if height < tall and width < wide:
                top, left = _whole(0, tall - height), _whole(0, wide - width)
                value = self._filling(channels, height, width)
                return F.erase(img, top, left, height, width, value, self.inplace)
        return img

    def _filling(self, channels: int, height: int, width: int) -> Any:
        if self.value == "random":
            return PLAIN["randn"](channels, height, width)
        return PLAIN["tensor"](self.value).reshape(-1, 1, 1)


class RandomApply(_Transform):
    """Several transforms, all or none of them, with a probability.

    >>> import clearprop.torch as torch
    >>> RandomApply([Pad(1)], p=1.0)(torch.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    transforms: Any
    p: float

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        """Return the picture, changed or not."""
        return Compose(self.transforms)(img) if _number(0, 1) <= self.p else img

    def __repr__(self) -> str:
        lines = [f"    p={self.p}", *(f"    {transform}" for transform in self.transforms)]
        return "\n".join(["RandomApply(", *lines, ")"])


__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "Grayscale", "InterpolationMode", "Lambda",
    "Normalize", "PILToTensor", "Pad", "RandomApply", "RandomCrop", "RandomErasing", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "RandomVerticalFlip", "Resize",
    "ToPILImage", "ToTensor", "functional",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "v2":
        return importlib.import_module("clearprop.torch.vision.transforms.v2")
    wanted, got = "is no transform that is here", f"there are {', '.join(__all__)}"
    hint = nearest(name, __all__) or "Lambda with a function of your own"
    raise AttributeError(lesson(f"torchvision.transforms.{name}", wanted, got, hint=hint))
