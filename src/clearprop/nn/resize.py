"""Images made larger or smaller as modules, and channels that become places."""

from __future__ import annotations

from typing import Any

from clearprop.nn import functional as F
from clearprop.nn.module import Module
from clearprop.tensor import Tensor


class Upsample(Module):
    """(batch, channels, *lengths) with other lengths: `functional.interpolate` as a module.

    >>> import numpy as np
    >>> Upsample(scale_factor=2)(np.array([[[1.0, 2.0]]]))
    array([[[1., 1., 2., 2.]]])
    """

    size: Any
    scale_factor: Any
    mode: str
    align_corners: bool | None
    recompute_scale_factor: bool | None

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, x: Any) -> Tensor:
        """Return x with other lengths."""
        return F.interpolate(
            x, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        """Return the size or the factor, and the mode."""
        given = f"scale_factor={self.scale_factor}" if self.size is None else f"size={self.size}"
        return f"{given}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """The nearest entries of (batch, channels, height, width).

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0]]]])
    >>> UpsamplingNearest2d(scale_factor=2)(x).ravel()
    array([1., 1., 2., 2., 1., 1., 2., 2.])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Between the entries of (batch, channels, height, width), whose corners stay.

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0]]]])
    >>> UpsamplingBilinear2d(size=(1, 3))(x).ravel()
    array([1. , 1.5, 2. ])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Module):
    """(..., channels * r * r, height, width) as (..., channels, height * r, width * r).

    >>> import numpy as np
    >>> PixelShuffle(3)(np.ones((1, 9, 4, 4))).shape
    (1, 1, 12, 12)
    """

    shown: tuple[str, ...] = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, x: Any) -> Tensor:
        """Return x with channels as places."""
        return F.pixel_shuffle(x, self.upscale_factor)


class PixelUnshuffle(Module):
    """(..., channels, height * r, width * r) as (..., channels * r * r, height, width).

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 2, 2)
    >>> PixelUnshuffle(2)(x).shape
    (4, 1, 1)
    """

    shown: tuple[str, ...] = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, x: Any) -> Tensor:
        """Return x with places as channels."""
        return F.pixel_unshuffle(x, self.downscale_factor)


class ChannelShuffle(Module):
    """(batch, channels, ...) with the channels of all groups taking turns.

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 4, 1)
    >>> ChannelShuffle(2)(x).ravel()
    array([0., 2., 1., 3.])
    """

    shown: tuple[str, ...] = ("groups",)

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Any) -> Tensor:
        """Return x with its channels in another order."""
        return F.channel_shuffle(x, self.groups)
