"""Normalisation as modules: what `functional.norm` computes, with its weights and running statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.nn import functional as F
from clearprop.nn import init
from clearprop.nn.functional.layer import arrayed
from clearprop.nn.functional.norm import as_shape
from clearprop.nn.module import Module, Parameter
from clearprop.op import describe
from clearprop.record import assign, read
from clearprop.tensor import Tensor


class Norm(Module):
    """What the norms with a number per channel share: weight and bias, running statistics, checked shapes."""

    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool

    shown: tuple[str, ...] = ("num_features", "eps", "momentum", "affine", "track_running_stats")
    axes: tuple[int, ...] = ()
    """How many axes the input may have."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: Any = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype)) if affine and bias else None
        kept = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if kept else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if kept else None)
        self.register_buffer("num_batches_tracked", np.array(0) if kept else None)

    def reset_parameters(self) -> None:
        """Set weights to 1, biases to 0, and forget the running statistics."""
        _begin(self.weight, self.bias)
        self.reset_running_stats()

    def reset_running_stats(self) -> None:
        """Set means to 0, variances to 1 and the count of batches to 0, where the layer has them."""
        _begin(self.running_var, self.running_mean)
        if self.num_batches_tracked is not None:
            assign(self.num_batches_tracked, np.array(0))

    def _checked(self, x: Any) -> Any:
        x = arrayed(x)
        if len(x.shape) not in self.axes:
            wanted = f"wants {' or '.join(map(str, self.axes))} axes"
            raise ValueError(lesson(f"{type(self).__name__}({self.num_features})(x)", wanted, describe(x)))
        return x

    def _share(self) -> Any:
        """Count the batch; return how much of the running statistics the new ones are."""
        with no_grad():
            if self.num_batches_tracked is None:
                return 0.0
            assign(self.num_batches_tracked, read(self.num_batches_tracked) + 1)
            return 1.0 / read(self.num_batches_tracked) if self.momentum is None else self.momentum


def _begin(scale: Any, shift: Any) -> None:
    """Set a scale to 1 and a shift to 0, where there are such."""
    if scale is not None:
        init.ones_(scale)
    if shift is not None:
        init.zeros_(shift)


class BatchNorm(Norm):
    """What the batch norms share; see `functional.batch_norm`."""

    def forward(self, x: Any) -> Tensor:
        """Return x normalised per channel: by the batch while training, by the running statistics after."""
        x = self._checked(x)
        by_batch = self.training or self.running_mean is None
        share = self._share() if self.training else 0.0
        mean, var = self.running_mean, self.running_var
        return F.batch_norm(x, mean, var, self.weight, self.bias, by_batch, share, self.eps)


class BatchNorm1d(BatchNorm):
    """Batch normalisation of (n, channels) or (n, channels, length).

    >>> x = np.array([[1.0], [3.0]], np.float32)
    >>> layer = BatchNorm1d(1)
    >>> layer(x).value.round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    >>> layer.running_mean.value
    array([0.2], dtype=float32)
    """

    axes: tuple[int, ...] = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of (n, channels, height, width).

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(2, 1, 1, 2)
    >>> BatchNorm2d(1)(x).value.ravel().round(4)
    array([-1.3416, -0.4472,  0.4472,  1.3416])
    """

    axes: tuple[int, ...] = (4,)


class BatchNorm3d(BatchNorm):
    """Batch normalisation of (n, channels, depth, height, width).

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(2, 1, 1, 1, 2)
    >>> BatchNorm3d(1)(x).value.ravel().round(4)
    array([-1.3416, -0.4472,  0.4472,  1.3416])
    """

    axes: tuple[int, ...] = (5,)


class SyncBatchNorm(BatchNorm):
    """Batch normalisation over all processes; on one host, which this library runs on, it is `BatchNorm`.

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0]])
    >>> SyncBatchNorm(1)(x).value.ravel().round(4)
    array([-1.,  1.])
    """

    axes: tuple[int, ...] = (2, 3, 4, 5)


class InstanceNorm(Norm):
    """What the instance norms share; see `functional.instance_norm`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        dtype: Any = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype, bias=bias)

    def forward(self, x: Any) -> Tensor:
        """Return x normalised per row and channel; without a batch axis, (channels, ...), as one row."""
        x = self._checked(x)
        alone = len(x.shape) < self.axes[-1]
        if x.shape[0 if alone else 1] != self.num_features and self.affine:
            wanted = f"wants {self.num_features} channels"
            raise ValueError(lesson(f"{type(self).__name__}({self.num_features})(x)", wanted, describe(x)))
        by_input = self.training or not self.track_running_stats
        mean, var, share = self.running_mean, self.running_var, self.momentum or 0.0
        rows = x[None] if alone else x
        z = F.instance_norm(rows, mean, var, self.weight, self.bias, by_input, share, self.eps)
        return z[0] if alone else z


class InstanceNorm1d(InstanceNorm):
    """Instance normalisation of (n, channels, length), or that without n.

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(2, 1, 2)
    >>> InstanceNorm1d(1)(x).ravel().round(4)
    array([-1.,  1., -1.,  1.])
    """

    axes: tuple[int, ...] = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance normalisation of (n, channels, height, width), or that without n.

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(2, 1, 1, 2)
    >>> InstanceNorm2d(1)(x).ravel().round(4)
    array([-1.,  1., -1.,  1.])
    """

    axes: tuple[int, ...] = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance normalisation of (n, channels, depth, height, width), or that without n.

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(2, 1, 1, 1, 2)
    >>> InstanceNorm3d(1)(x).ravel().round(4)
    array([-1.,  1., -1.,  1.])
    """

    axes: tuple[int, ...] = (4, 5)


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes; see `functional.layer_norm`.

    >>> LayerNorm(2)(np.array([[1.0, 3.0]], np.float32)).value.round(3)
    array([[-1.,  1.]], dtype=float32)
    """

    eps: float
    elementwise_affine: bool

    shown: tuple[str, ...] = ("normalized_shape", "eps", "elementwise_affine")
    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape: tuple[int, ...] = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        """Return x normalised over its last axes."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axes; see `functional.rms_norm`.

    >>> import numpy as np
    >>> RMSNorm(2)(np.array([3.0, 4.0])).value.round(4)
    array([0.8485, 1.1314])
    """

    eps: float | None
    elementwise_affine: bool

    shown: tuple[str, ...] = ("normalized_shape", "eps", "elementwise_affine")
    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape: tuple[int, ...] = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:
        """Return x divided by its root mean square."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels; see `functional.group_norm`.

    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 4)
    >>> GroupNorm(2, 4)(x).value.ravel().round(4)
    array([-1.,  1., -1.,  1.])
    """

    num_groups: int
    num_channels: int
    eps: float
    affine: bool

    shown: tuple[str, ...] = ("num_groups", "num_channels", "eps", "affine")
    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: Any = np.float32,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            wanted = "wants channels that fall into groups of one size"
            raise ValueError(lesson("GroupNorm(...)", wanted, f"{num_channels} into {num_groups}"))
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def forward(self, x: Any) -> Tensor:
        """Return x normalised per row and group."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(Module):
    """x / (k + alpha mean(x^2))^beta over neighbouring channels; see `functional.local_response_norm`.

    >>> import numpy as np
    >>> LocalResponseNorm(2, alpha=1.0)(np.array([[[1.0], [2.0], [3.0]]])).ravel().round(4)
    array([0.7378, 0.7816, 0.662 ])
    """

    size: int
    alpha: float
    beta: float
    k: float

    shown: tuple[str, ...] = ("size", "alpha", "beta", "k")

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Tensor:
        """Return x divided by what its neighbours add up to."""
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` of images (n, channels, height, width), over an odd number of channels.

    So Caffe defined it. PyTorch's forgets to take channel 0 out of its moving sum, so that it differs from
    channel (size + 1) / 2 on, counted from 0, and its gradient leaves out a neighbour of the first channels.
    Raises ValueError for an even size: no channel is in the middle of such a window.

    >>> CrossMapLRN2d(3, alpha=3.0, beta=1.0)(np.ones((1, 3, 1, 1))).ravel()
    array([0.33333333, 0.25      , 0.33333333])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        if size % 2 != 1:
            hint = "LocalResponseNorm(size)"
            raise ValueError(lesson("CrossMapLRN2d(size)", "wants an odd size", f"{size}", hint=hint))
        super().__init__(size, alpha, beta, k)

    def forward(self, x: Any) -> Tensor:
        """Return x divided by what its neighbours add up to."""
        if len(np.shape(x)) != 4:
            wanted = "wants images, (n, channels, height, width)"
            raise ValueError(lesson("CrossMapLRN2d(...)(x)", wanted, describe(x), hint="x[None]"))
        return super().forward(x)
