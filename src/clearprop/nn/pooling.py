"""Pooling as modules: the largest, the mean or a norm of each window, and the way back from the largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from clearprop.nn import functional as F
from clearprop.nn.module import Module


class Pool(Module):
    """A function of windows as a module: it keeps its options and hands them on."""

    formula: ClassVar[Callable[..., Any]]

    def forward(self, x: Any) -> Any:
        """Return what becomes of the windows of x."""
        return type(self).formula(x, *(getattr(self, name) for name in self.shown))


class MaxPool(Pool):
    """The largest entry of each window; see `MaxPool1d`."""

    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    ceil_mode: bool
    return_indices: bool

    shown: tuple[str, ...] = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.ceil_mode, self.return_indices = ceil_mode, return_indices


class MaxPool1d(MaxPool):
    """The largest entry of each window of (batch, channels, length); see `functional.max_pool1d`.

    >>> import numpy as np
    >>> MaxPool1d(2)(np.array([[[1.0, 3.0, 2.0, 4.0]]]))
    array([[[3., 4.]]])
    """

    formula: ClassVar[Any] = staticmethod(F.max_pool1d)


class MaxPool2d(MaxPool):
    """The largest entry of each window of (batch, channels, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> MaxPool2d(2)(x).ravel()
    array([ 5.,  7., 13., 15.])
    """

    formula: ClassVar[Any] = staticmethod(F.max_pool2d)


class MaxPool3d(MaxPool):
    """The largest entry of each window of (batch, channels, depth, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 4)
    >>> MaxPool3d(2)(x).ravel()
    array([13., 15.])
    """

    formula: ClassVar[Any] = staticmethod(F.max_pool3d)


class AvgPool1d(Pool):
    """The mean of each window of (batch, channels, length); see `functional.avg_pool1d`.

    >>> import numpy as np
    >>> AvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 4.0]]]))
    array([[[2., 3.]]])
    """

    kernel_size: Any
    stride: Any
    padding: Any
    ceil_mode: bool
    count_include_pad: bool

    shown: tuple[str, ...] = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")
    formula: ClassVar[Any] = staticmethod(F.avg_pool1d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad


class AvgPool2d(AvgPool1d):
    """The mean of each window of (batch, channels, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> AvgPool2d(2)(x).ravel()
    array([ 2.5,  4.5, 10.5, 12.5])
    """

    shown: tuple[str, ...] = (*AvgPool1d.shown, "divisor_override")
    formula: ClassVar[Any] = staticmethod(F.avg_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override


class AvgPool3d(AvgPool2d):
    """The mean of each window of (batch, channels, depth, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 4)
    >>> AvgPool3d(2)(x).ravel()
    array([6.5, 8.5])
    """

    formula: ClassVar[Any] = staticmethod(F.avg_pool3d)


class LPPool(Pool):
    """(sum over the window of x^p)^(1/p); see `LPPool1d`."""

    norm_type: float
    kernel_size: Any
    stride: Any
    ceil_mode: bool

    shown: tuple[str, ...] = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = (
            norm_type,
            kernel_size,
            stride,
            ceil_mode,
        )


class LPPool1d(LPPool):
    """(sum over the window of x^p)^(1/p) for (batch, channels, length); see `functional.lp_pool1d`.

    >>> import numpy as np
    >>> x = np.arange(6.0).reshape(1, 1, 6)
    >>> LPPool1d(2, 3)(x).ravel().round(4)
    array([2.2361, 7.0711])
    """

    formula: ClassVar[Any] = staticmethod(F.lp_pool1d)


class LPPool2d(LPPool):
    """(sum over the window of x^p)^(1/p) for (batch, channels, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> LPPool2d(2, 2)(x).ravel().round(4)
    array([ 6.4807,  9.8995, 21.4009, 25.3377])
    """

    formula: ClassVar[Any] = staticmethod(F.lp_pool2d)


class LPPool3d(LPPool):
    """(sum over the window of x^p)^(1/p) for (batch, channels, depth, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 4)
    >>> LPPool3d(2, 2)(x).ravel().round(4)
    array([22.3607, 27.2029])
    """

    formula: ClassVar[Any] = staticmethod(F.lp_pool3d)


class AdaptiveMean(Pool):
    """The means of a given number of parts; see `AdaptiveAvgPool1d`."""

    shown: tuple[str, ...] = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool1d(AdaptiveMean):
    """The means of `output_size` parts of (batch, channels, length); see `functional.adaptive_avg_pool1d`.

    >>> import numpy as np
    >>> AdaptiveAvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 4.0]]]))
    array([[[2., 3.]]])
    """

    formula: ClassVar[Any] = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(AdaptiveMean):
    """The means of parts of (batch, channels, height, width); None keeps a length.

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> AdaptiveAvgPool2d((1, 2))(x).ravel()
    array([6.5, 8.5])
    """

    formula: ClassVar[Any] = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(AdaptiveMean):
    """The means of parts of (batch, channels, depth, height, width); None keeps a length.

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 4)
    >>> AdaptiveAvgPool3d((1, 1, 2))(x).ravel()
    array([6.5, 8.5])
    """

    formula: ClassVar[Any] = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveLargest(Pool):
    """The largest entries of a given number of parts; see `AdaptiveMaxPool1d`."""

    output_size: Any
    return_indices: bool

    shown: tuple[str, ...] = ("output_size", "return_indices")

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices


class AdaptiveMaxPool1d(AdaptiveLargest):
    """The largest entries of `output_size` parts of (batch, channels, length).

    >>> import numpy as np
    >>> x = np.arange(6.0).reshape(1, 1, 6)
    >>> AdaptiveMaxPool1d(2)(x).ravel()
    array([2., 5.])
    """

    formula: ClassVar[Any] = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(AdaptiveLargest):
    """The largest entries of parts of (batch, channels, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> AdaptiveMaxPool2d((1, 2))(x).ravel()
    array([13., 15.])
    """

    formula: ClassVar[Any] = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(AdaptiveLargest):
    """The largest entries of parts of (batch, channels, depth, height, width).

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 4)
    >>> AdaptiveMaxPool3d((1, 1, 2))(x).ravel()
    array([13., 15.])
    """

    formula: ClassVar[Any] = staticmethod(F.adaptive_max_pool3d)


class FractionalMaxPool(Pool):
    """The largest entries of windows that lie at random; see `functional.fractional_max_pool2d`."""

    kernel_size: Any
    output_size: Any
    output_ratio: Any

    shown: tuple[str, ...] = (
        "kernel_size",
        "output_size",
        "output_ratio",
        "return_indices",
        "_random_samples",
    )

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.output_size, self.output_ratio = kernel_size, output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.shown[:3])


class FractionalMaxPool2d(FractionalMaxPool):
    """The largest entries of windows of (batch, channels, height, width) that lie at random.

    >>> import numpy as np
    >>> FractionalMaxPool2d(2, output_size=3)(np.ones((1, 1, 8, 8))).shape
    (1, 1, 3, 3)
    """

    formula: ClassVar[Any] = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(FractionalMaxPool):
    """The largest entries of windows of (batch, channels, depth, height, width) that lie at random.

    >>> import numpy as np
    >>> FractionalMaxPool3d(2, output_size=3)(np.ones((1, 1, 8, 8, 8))).shape
    (1, 1, 3, 3, 3)
    """

    formula: ClassVar[Any] = staticmethod(F.fractional_max_pool3d)


class MaxUnpool(Module):
    """Zeros with the entries of x where they were the largest; see `MaxUnpool1d`."""

    kernel_size: Any
    stride: Any

    shown: tuple[str, ...] = ("kernel_size", "stride", "padding")
    formula: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding = padding

    def forward(self, x: Any, indices: Any, output_size: Any = None) -> Any:
        """Return zeros with the entries of x at `indices`."""
        return type(self).formula(x, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(MaxUnpool):
    """Zeros of (batch, channels, length) with the entries of x where they were the largest.

    >>> import numpy as np
    >>> z, places = MaxPool1d(2, return_indices=True)(np.array([[[1.0, 3.0, 4.0, 2.0]]]))
    >>> MaxUnpool1d(2)(z, places)
    array([[[0., 3., 4., 0.]]])
    """

    formula: ClassVar[Any] = staticmethod(F.max_unpool1d)


class MaxUnpool2d(MaxUnpool):
    """Zeros of (batch, channels, height, width) with the entries of x where they were the largest.

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> largest, places = MaxPool2d(2, return_indices=True)(x)
    >>> MaxUnpool2d(2)(largest, places).ravel()
    array([ 0.,  0.,  0.,  0.,  0.,  5.,  0.,  7.,  0.,  0.,  0.,  0.,  0.,
           13.,  0., 15.])
    """

    formula: ClassVar[Any] = staticmethod(F.max_unpool2d)


class MaxUnpool3d(MaxUnpool):
    """Zeros of (batch, channels, depth, height, width) with the entries of x where they were the largest.

    >>> import numpy as np
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 4)
    >>> largest, places = MaxPool3d(2, return_indices=True)(x)
    >>> MaxUnpool3d(2)(largest, places).ravel()
    array([ 0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.,  0.,
           13.,  0., 15.])
    """

    formula: ClassVar[Any] = staticmethod(F.max_unpool3d)
