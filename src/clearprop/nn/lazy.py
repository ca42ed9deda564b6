"""Layers that take their input's size from the first call: until then they hold no Parameter."""

from __future__ import annotations

from typing import Any, ClassVar

from clearprop import structure
from clearprop.errors import lesson
from clearprop.nn.convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from clearprop.nn.functional.layer import arrayed, recording
from clearprop.nn.linear import Linear
from clearprop.nn.module import Module
from clearprop.nn.norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from clearprop.op import describe


class Lazy(Module):
    """What is not made yet: the first call makes it an ordinary layer, of the class that `becomes` names.

    It has no Parameter before. Until then it is an error to ask a model that holds it for its parameters or
    its state: an optimizer would miss what is to come, and a file would lack it.
    """

    unmade = True

    becomes: ClassVar[type[Module]]
    axis: ClassVar[int] = 1
    without: ClassVar[int] = 0  # how many axes an input without a batch has: the channels are its first then
    size_name: ClassVar[str]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        self._given, self._options = args, options

    def make(self, size: int) -> None:
        """Become the layer for inputs of this size."""
        mode, made, layer = self.training, self._made, self.becomes
        object.__setattr__(self, "__class__", layer)
        args, options = self.__dict__.pop("_given"), self.__dict__.pop("_options")
        layer.__init__(self, size, *args, **options)  # type: ignore[call-arg]
        self.__dict__["_made"] = made
        self.training = mode
        structure.changed()

    def forward(self, x: Any, *more: Any, **named: Any) -> Any:
        """Become the layer for inputs like x, and return what it makes of x."""
        called = f"{type(self).__name__}(x)"
        if recording():
            hint = "one call of the model with data before the compiled step"
            raise RuntimeError(lesson(called, "has no weights yet, and a step is recorded", hint=hint))
        x = arrayed(x)
        axis = 0 if self.without and x.ndim == self.without else self.axis
        if x.ndim < (1 if axis < 0 else axis + 1):
            raise ValueError(lesson(called, f"wants an axis {axis} to take a size from", describe(x)))
        self.make(x.shape[axis])
        return self.forward(x, *more, **named)

    def _collect(self, prefix: str, state: dict[str, Any]) -> None:
        raise self.not_yet("state_dict()")

    def extra_repr(self) -> str:
        """Return what is known."""
        given = [*map(repr, self._given), *(f"{k}={v!r}" for k, v in self._options.items())]
        return ", ".join([f"{self.size_name}=?", *given])


class LazyLinear(Lazy):
    """A `Linear` whose in_features are the last axis of the first input.

    >>> import numpy as np
    >>> layer = LazyLinear(3)
    >>> layer(np.ones((2, 5), np.float32)).shape, layer
    ((2, 3), Linear(in_features=5, out_features=3, bias=True)  # 18 parameters)
    """

    becomes: ClassVar[type[Module]] = Linear
    size_name: ClassVar[str] = "in_features"
    axis = -1


class LazyConv1d(Lazy):
    """A `Conv1d` whose in_channels are those of the first input.

    >>> import numpy as np
    >>> layer = LazyConv1d(4, 3)
    >>> y = layer(np.ones((1, 2, 5), np.float32))
    >>> layer.in_channels
    2
    """

    becomes: ClassVar[type[Module]] = Conv1d
    size_name: ClassVar[str] = "in_channels"
    without = 2


class LazyConv2d(Lazy):
    """A `Conv2d` whose in_channels are those of the first input.

    >>> import numpy as np
    >>> layer = LazyConv2d(4, 3)
    >>> y = layer(np.ones((1, 2, 5, 5), np.float32))
    >>> layer.in_channels
    2
    """

    becomes: ClassVar[type[Module]] = Conv2d
    size_name: ClassVar[str] = "in_channels"
    without = 3


class LazyConv3d(Lazy):
    """A `Conv3d` whose in_channels are those of the first input.

    >>> import numpy as np
    >>> layer = LazyConv3d(4, 3)
    >>> y = layer(np.ones((1, 2, 5, 5, 5), np.float32))
    >>> layer.in_channels
    2
    """

    becomes: ClassVar[type[Module]] = Conv3d
    size_name: ClassVar[str] = "in_channels"
    without = 4


class LazyConvTranspose1d(Lazy):
    """A `ConvTranspose1d` whose in_channels are those of the first input.

    >>> import numpy as np
    >>> layer = LazyConvTranspose1d(4, 3)
    >>> y = layer(np.ones((1, 2, 5), np.float32))
    >>> layer.in_channels
    2
    """

    becomes: ClassVar[type[Module]] = ConvTranspose1d
    size_name: ClassVar[str] = "in_channels"
    without = 2


class LazyConvTranspose2d(Lazy):
    """A `ConvTranspose2d` whose in_channels are those of the first input.

    >>> import numpy as np
    >>> layer = LazyConvTranspose2d(4, 3)
    >>> y = layer(np.ones((1, 2, 5, 5), np.float32))
    >>> layer.in_channels
    2
    """

    becomes: ClassVar[type[Module]] = ConvTranspose2d
    size_name: ClassVar[str] = "in_channels"
    without = 3


class LazyConvTranspose3d(Lazy):
    """A `ConvTranspose3d` whose in_channels are those of the first input.

    >>> import numpy as np
    >>> layer = LazyConvTranspose3d(4, 3)
    >>> y = layer(np.ones((1, 2, 5, 5, 5), np.float32))
    >>> layer.in_channels
    2
    """

    becomes: ClassVar[type[Module]] = ConvTranspose3d
    size_name: ClassVar[str] = "in_channels"
    without = 4


class LazyBatchNorm1d(Lazy):
    """A `BatchNorm1d` whose num_features are the channels of the first input.

    >>> import numpy as np
    >>> layer = LazyBatchNorm1d()
    >>> y = layer(np.ones((2, 3, 5), np.float32))
    >>> layer.num_features
    3
    """

    becomes: ClassVar[type[Module]] = BatchNorm1d
    size_name: ClassVar[str] = "num_features"


class LazyBatchNorm2d(Lazy):
    """A `BatchNorm2d` whose num_features are the channels of the first input.

    >>> import numpy as np
    >>> layer = LazyBatchNorm2d()
    >>> y = layer(np.ones((2, 3, 5, 5), np.float32))
    >>> layer.num_features
    3
    """

    becomes: ClassVar[type[Module]] = BatchNorm2d
    size_name: ClassVar[str] = "num_features"


class LazyBatchNorm3d(Lazy):
    """A `BatchNorm3d` whose num_features are the channels of the first input.

    >>> import numpy as np
    >>> layer = LazyBatchNorm3d()
    >>> y = layer(np.ones((2, 3, 5, 5, 5), np.float32))
    >>> layer.num_features
    3
    """

    becomes: ClassVar[type[Module]] = BatchNorm3d
    size_name: ClassVar[str] = "num_features"


class LazyInstanceNorm(Lazy):
    """What the lazy instance norms share: unlike the ordinary ones they learn and count, as in PyTorch."""

    size_name = "num_features"

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(eps, momentum, affine, track_running_stats, **options)


class LazyInstanceNorm1d(LazyInstanceNorm):
    """An `InstanceNorm1d` whose num_features are the channels of the first input.

    >>> import numpy as np
    >>> layer = LazyInstanceNorm1d()
    >>> y = layer(np.ones((2, 3, 5), np.float32))
    >>> layer.num_features
    3
    """

    becomes: ClassVar[type[Module]] = InstanceNorm1d
    without = 2


class LazyInstanceNorm2d(LazyInstanceNorm):
    """An `InstanceNorm2d` whose num_features are the channels of the first input.

    >>> import numpy as np
    >>> layer = LazyInstanceNorm2d()
    >>> y = layer(np.ones((2, 3, 5, 5), np.float32))
    >>> layer.num_features
    3
    """

    becomes: ClassVar[type[Module]] = InstanceNorm2d
    without = 3


class LazyInstanceNorm3d(LazyInstanceNorm):
    """An `InstanceNorm3d` whose num_features are the channels of the first input.

    >>> import numpy as np
    >>> layer = LazyInstanceNorm3d()
    >>> y = layer(np.ones((2, 3, 5, 5, 5), np.float32))
    >>> layer.num_features
    3
    """

    becomes: ClassVar[type[Module]] = InstanceNorm3d
    without = 4
