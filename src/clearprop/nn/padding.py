"""Margins as modules: zeros or another constant, reflected, replicated, circular."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from clearprop.errors import lesson
from clearprop.nn import functional as F
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.functional.sizes import AXES
from clearprop.nn.module import Module
from clearprop.op import describe
from clearprop.tensor import Tensor


class Margins(Module):
    """Margins around the last axes: one number, or (before, after) of each, the last axis first."""

    shown: tuple[str, ...] = ("padding",)
    axes: ClassVar[int]
    mode: ClassVar[str]
    value: float = 0.0

    def __init__(self, padding: Any) -> None:
        super().__init__()
        pairs = (padding,) * (2 * self.axes) if isinstance(padding, (int, np.integer)) else tuple(padding)
        if len(pairs) != 2 * self.axes:
            wanted = (
                f"wants one number, or {2 * self.axes}: (before, after) of each axis, the last axis first"
            )
            raise ValueError(lesson(f"{type(self).__name__}(...)", wanted, f"{padding!r}"))
        self.padding: tuple[int, ...] = tuple(map(int, pairs))

    def forward(self, x: Any) -> Tensor:
        """Return x with its margins."""
        x = arrayed(x)
        if self.mode != "constant" and x.ndim not in (self.axes + 1, self.axes + 2):
            called, wanted = (
                f"{type(self).__name__}(x)",
                f"wants (batch, channels, {AXES[self.axes]}), or no batch",
            )
            raise ValueError(lesson(called, wanted, f"x is {describe(x)}"))
        return F.pad(x, self.padding, self.mode, self.value if self.mode == "constant" else None)


class Constant(Margins):
    """Margins of a number."""

    shown: tuple[str, ...] = ("padding", "value")
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value


class ConstantPad1d(Constant):
    """Margins of `value` around (..., length).

    >>> ConstantPad1d((1, 2), 9.0)(np.array([[1.0]]))
    array([[9., 1., 9., 9.]])
    """

    axes = 1


class ConstantPad2d(Constant):
    """Margins of `value` around (..., height, width): (left, right, top, bottom).

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ConstantPad2d((1, 0, 0, 1), 9.0)(x).ravel()
    array([9., 1., 2., 9., 3., 4., 9., 9., 9.])
    """

    axes = 2


class ConstantPad3d(Constant):
    """Margins of `value` around (..., depth, height, width): (left, right, top, bottom, front, back).

    >>> import numpy as np
    >>> x = np.array([[[[[1.0, 2.0]], [[3.0, 4.0]]]]])
    >>> ConstantPad3d((1, 0, 0, 0, 0, 1), 9.0)(x).ravel()
    array([9., 1., 2., 9., 3., 4., 9., 9., 9.])
    """

    axes = 3


class ZeroPad1d(Margins):
    """Zeros around (..., length).

    >>> ZeroPad1d(1)(np.array([[5.0]]))
    array([[0., 5., 0.]])
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[str] = "constant"


class ZeroPad2d(Margins):
    """Zeros around (..., height, width).

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ZeroPad2d((1, 0, 0, 1))(x).ravel()
    array([0., 1., 2., 0., 3., 4., 0., 0., 0.])
    """

    axes: ClassVar[int] = 2
    mode: ClassVar[str] = "constant"


class ZeroPad3d(Margins):
    """Zeros around (..., depth, height, width).

    >>> import numpy as np
    >>> x = np.array([[[[[1.0, 2.0]], [[3.0, 4.0]]]]])
    >>> ZeroPad3d((1, 0, 0, 0, 0, 1))(x).ravel()
    array([0., 1., 2., 0., 3., 4., 0., 0., 0.])
    """

    axes: ClassVar[int] = 3
    mode: ClassVar[str] = "constant"


class ReflectionPad1d(Margins):
    """What is inside of (batch, channels, length), mirrored at its ends.

    >>> ReflectionPad1d(2)(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 2., 1., 2., 3., 2., 1.]])
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[str] = "reflect"


class ReflectionPad2d(Margins):
    """What is inside of (batch, channels, height, width), mirrored at its ends.

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ReflectionPad2d((1, 0, 0, 1))(x).ravel()
    array([2., 1., 2., 4., 3., 4., 2., 1., 2.])
    """

    axes: ClassVar[int] = 2
    mode: ClassVar[str] = "reflect"


class ReflectionPad3d(Margins):
    """What is inside of (batch, channels, depth, height, width), mirrored at its ends.

    >>> import numpy as np
    >>> x = np.array([[[[[1.0, 2.0]], [[3.0, 4.0]]]]])
    >>> ReflectionPad3d((1, 0, 0, 0, 0, 1))(x).ravel()
    array([2., 1., 2., 4., 3., 4., 2., 1., 2.])
    """

    axes: ClassVar[int] = 3
    mode: ClassVar[str] = "reflect"


class ReplicationPad1d(Margins):
    """The ends of (batch, channels, length), repeated.

    >>> ReplicationPad1d((0, 2))(np.array([[1.0, 2.0]]))
    array([[1., 2., 2., 2.]])
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[str] = "replicate"


class ReplicationPad2d(Margins):
    """The ends of (batch, channels, height, width), repeated.

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ReplicationPad2d((1, 0, 0, 1))(x).ravel()
    array([1., 1., 2., 3., 3., 4., 3., 3., 4.])
    """

    axes: ClassVar[int] = 2
    mode: ClassVar[str] = "replicate"


class ReplicationPad3d(Margins):
    """The ends of (batch, channels, depth, height, width), repeated.

    >>> import numpy as np
    >>> x = np.array([[[[[1.0, 2.0]], [[3.0, 4.0]]]]])
    >>> ReplicationPad3d((1, 0, 0, 0, 0, 1))(x).ravel()
    array([1., 1., 2., 3., 3., 4., 3., 3., 4.])
    """

    axes: ClassVar[int] = 3
    mode: ClassVar[str] = "replicate"


class CircularPad1d(Margins):
    """The other end of (batch, channels, length) at each end.

    >>> CircularPad1d(1)(np.array([[1.0, 2.0, 3.0]]))
    array([[3., 1., 2., 3., 1.]])
    """

    axes: ClassVar[int] = 1
    mode: ClassVar[str] = "circular"


class CircularPad2d(Margins):
    """The other end of (batch, channels, height, width) at each end.

    >>> import numpy as np
    >>> x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> CircularPad2d((1, 0, 0, 1))(x).ravel()
    array([2., 1., 2., 4., 3., 4., 2., 1., 2.])
    """

    axes: ClassVar[int] = 2
    mode: ClassVar[str] = "circular"


class CircularPad3d(Margins):
    """The other end of (batch, channels, depth, height, width) at each end.

    >>> import numpy as np
    >>> x = np.array([[[[[1.0, 2.0]], [[3.0, 4.0]]]]])
    >>> CircularPad3d((1, 0, 0, 0, 0, 1))(x).ravel()
    array([2., 1., 2., 4., 3., 4., 2., 1., 2.])
    """

    axes: ClassVar[int] = 3
    mode: ClassVar[str] = "circular"
