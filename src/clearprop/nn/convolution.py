"""Convolutions as modules, along one, two or three axes, their transposes, and windows as columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.functional.convolution import margins_of
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.functional.padding import MODES, margined
from clearprop.nn.functional.sizes import each
from clearprop.nn.module import Module, Parameter
from clearprop.op import describe
from clearprop.tensor import Tensor


class Kernels(Module):
    """What all convolutions have: a kernel, a bias, and how windows lie.

    Both start from U(-b, b) with b = 1 / sqrt(numbers that a unit multiplies), as in PyTorch.
    """

    axes: ClassVar[int]
    formula: ClassVar[Callable[..., Any]]
    groups: int

    def _set(self, sizes: Any, groups: int, padding_mode: str, **given: Any) -> None:
        """Check and keep what the layer was made with."""
        called = f"{type(self).__name__}(...)"
        modes = ("zeros", *MODES[1:])
        if padding_mode not in modes:
            wanted = f"wants a padding_mode of {', '.join(modes)}"
            raise ValueError(lesson(called, wanted, repr(padding_mode), hint="padding_mode='zeros'"))
        for name, number in (("in_channels", given["in_channels"]), ("out_channels", given["out_channels"])):
            each(called, name, number, 1, 1)
            if groups < 1 or number % groups:
                raise ValueError(
                    lesson(called, f"wants {name} that can be cut into {groups} groups", f"{number}")
                )
        self.kernel_size: tuple[int, ...] = each(called, "kernel_size", sizes, self.axes, 1)
        self.groups, self.padding_mode = groups, padding_mode
        for name, value in given.items():
            least = 1 if name in ("stride", "dilation") else 0
            whole = name in ("in_channels", "out_channels") or isinstance(value, str)
            setattr(self, name, value if whole else each(called, name, value, self.axes, least))

    def _start(self, shape: Any, units: int, bias: bool, dtype: Any) -> None:
        self.weight: Parameter = Parameter(np.zeros((*shape, *self.kernel_size), dtype))
        self.bias: Parameter | None = Parameter(np.zeros(units, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        bound = 1 / math.sqrt(self.weight.size // self.weight.shape[0])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Return the sizes, and what is not as usual."""
        words = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        usual = {"padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "padding_mode": "zeros"}
        for name, plain in usual.items():
            value = getattr(self, name, plain)
            if value not in (plain, (plain,) * self.axes):
                words.append(f"{name}={value!r}")
        return ", ".join(words + ["bias=False"] * (self.bias is None))


class Convolution(Kernels):
    """A convolution along `axes` axes; see `Conv1d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        channels = {"in_channels": in_channels, "out_channels": out_channels}
        how = {"stride": stride, "padding": padding, "dilation": dilation}
        self._set(kernel_size, groups, padding_mode, **channels, **how)
        margins_of(f"{type(self).__name__}(...)", self.padding, self.kernel_size, self.stride, self.dilation)
        self._start((out_channels, in_channels // groups), out_channels, bias, dtype)

    def forward(self, x: Any) -> Tensor:
        """Return the convolution of x with the weight, plus the bias."""
        padding = self.padding
        if self.padding_mode != "zeros":
            called = f"{type(self).__name__}(x)"
            margins = margins_of(called, padding, self.kernel_size, self.stride, self.dilation)
            x = arrayed(x)
            x = margined(called, x, ((0, 0),) * (x.ndim - self.axes) + margins, self.padding_mode)
            padding = 0
        formula = type(self).formula
        return formula(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(Convolution):
    """The convolution of (batch, channels, length) with a kernel: see `functional.conv1d`.

    `weight` is (out_channels, in_channels / groups, size), `bias` (out_channels,) or None. `padding` is a
    number, "same" or "valid"; `padding_mode` says what is there: zeros, reflect, replicate or circular.

    >>> Conv1d(3, 8, 5, padding="same")(np.ones((2, 3, 10), np.float32)).shape
    (2, 8, 10)
    """

    axes: ClassVar[int] = 1
    formula: ClassVar[Any] = staticmethod(F.conv1d)


class Conv2d(Convolution):
    """The convolution of (batch, channels, height, width) with a kernel; see `Conv1d`.

    >>> layer = Conv2d(1, 6, 5)
    >>> layer.weight.shape, layer(np.ones((2, 1, 28, 28), np.float32)).shape
    ((6, 1, 5, 5), (2, 6, 24, 24))
    """

    axes: ClassVar[int] = 2
    formula: ClassVar[Any] = staticmethod(F.conv2d)


class Conv3d(Convolution):
    """The convolution of (batch, channels, depth, height, width) with a kernel; see `Conv1d`.

    >>> import numpy as np
    >>> Conv3d(2, 4, 3)(np.ones((1, 2, 5, 5, 5), np.float32)).shape
    (1, 4, 3, 3, 3)
    """

    axes: ClassVar[int] = 3
    formula: ClassVar[Any] = staticmethod(F.conv3d)


class TransposedConvolution(Kernels):
    """A transposed convolution along `axes` axes; see `ConvTranspose1d`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            called = f"{type(self).__name__}(...)"
            raise ValueError(
                lesson(called, "has margins of zeros alone", repr(padding_mode), hint="without it")
            )
        channels = {"in_channels": in_channels, "out_channels": out_channels}
        how = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        self._set(kernel_size, groups, padding_mode, **channels, **how)
        self._start((in_channels, out_channels // groups), out_channels, bias, dtype)

    def forward(self, x: Any, output_size: Any = None) -> Tensor:
        """Return the transposed convolution of x, of lengths `output_size` where these are given."""
        x = arrayed(x)
        extra = self.output_padding if output_size is None else self._extra(x, output_size)
        formula = type(self).formula
        return formula(
            x, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _extra(self, x: Any, output_size: Any) -> tuple[int, ...]:
        """Return the output_padding that gives the wanted lengths."""
        wanted = tuple(output_size)[-self.axes :]
        how = zip(self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, (s, p, d, k) in zip(x.shape[x.ndim - self.axes :], how, strict=True)
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if len(wanted) != self.axes or any(
            not low <= n <= high for n, low, high in zip(wanted, least, most, strict=True)
        ):
            text = f"wants an output_size from {tuple(least)} to {tuple(most)}"
            called = f"{type(self).__name__}(x, output_size)"
            raise ValueError(lesson(called, text, f"{tuple(output_size)}", f"x is {describe(x)}."))
        return tuple(n - low for n, low in zip(wanted, least, strict=True))


class ConvTranspose1d(TransposedConvolution):
    """The transposed convolution of (batch, channels, length): see `functional.conv_transpose1d`.

    `weight` is (in_channels, out_channels / groups, size), `bias` (out_channels,) or None.

    >>> layer = ConvTranspose1d(4, 2, 3, stride=2)
    >>> x = np.ones((1, 4, 5), np.float32)
    >>> layer(x).shape, layer(x, output_size=[12]).shape
    ((1, 2, 11), (1, 2, 12))
    """

    axes: ClassVar[int] = 1
    formula: ClassVar[Any] = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(TransposedConvolution):
    """The transposed convolution of (batch, channels, height, width); see `ConvTranspose1d`.

    >>> import numpy as np
    >>> ConvTranspose2d(2, 4, 3, stride=2)(np.ones((1, 2, 5, 5), np.float32)).shape
    (1, 4, 11, 11)
    """

    axes: ClassVar[int] = 2
    formula: ClassVar[Any] = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(TransposedConvolution):
    """The transposed convolution of (batch, channels, depth, height, width); see `ConvTranspose1d`.

    >>> import numpy as np
    >>> ConvTranspose3d(2, 4, 3)(np.ones((1, 2, 5, 5, 5), np.float32)).shape
    (1, 4, 7, 7, 7)
    """

    axes: ClassVar[int] = 3
    formula: ClassVar[Any] = staticmethod(F.conv_transpose3d)


class Unfold(Module):
    """The windows of (batch, channels, height, width) as columns (batch, channels * sizes, windows).

    >>> Unfold((2, 3))(np.ones((5, 3, 4, 5))).shape
    (5, 18, 9)
    """

    kernel_size: Any
    dilation: Any
    padding: Any
    stride: Any

    shown: tuple[str, ...] = ("kernel_size", "dilation", "padding", "stride")

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, x: Any) -> Tensor:
        """Return the columns of x."""
        return F.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Module):
    """Columns added up where `Unfold` took them from: (batch, channels, *output_size).

    >>> Fold((4, 5), (2, 3))(np.ones((5, 18, 9))).shape
    (5, 3, 4, 5)
    """

    output_size: Any
    kernel_size: Any
    dilation: Any
    padding: Any
    stride: Any

    shown: tuple[str, ...] = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, x: Any) -> Tensor:
        """Return the image that the columns add up to."""
        return F.fold(x, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)
