"""Networks by name: what `--model mlp`, `lenet` and `resnet` are, for pictures and for rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from clearprop import nn
from clearprop.errors import InputError, lesson

Shape = tuple[int, ...]
Build = Callable[[Shape, int], nn.Module]


def mlp(
    input_shape: Sequence[int],
    outputs: int,
    hidden: Sequence[int] = (128,),
    activation: str = "ReLU",
    dropout: float = 0.2,
) -> nn.Sequential:
    """Return linear layers with an activation, and dropout, after each hidden one.

    >>> [type(layer).__name__ for layer in mlp((4,), 3, dropout=0)]
    ['Linear', 'ReLU', 'Linear']
    """
    layers: list[nn.Module] = [] if len(input_shape) == 1 else [nn.Flatten()]
    inputs = prod(input_shape)
    for size in hidden:
        layers += [nn.Linear(inputs, size), getattr(nn, activation)()]
        layers += [nn.Dropout(dropout)] if dropout else []
        inputs = size
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def lenet(input_shape: Sequence[int], outputs: int) -> nn.Sequential:
    """Return LeNet-5 with ReLU and the largest of each window, for (batch, channels, height, width).

    Two convolutions of 5 x 5 and three linear layers (LeCun et al., "Gradient-based learning applied to
    document recognition", 1998); pictures of fewer than 20 pixels a side get 3 x 3 and twice the channels.
    Raises InputError for what is no picture of 8 x 8 at least.

    >>> lenet((1, 28, 28), 10).count_parameters()
    61706
    """
    channels, height, width = _picture("lenet", input_shape)
    small = min(height, width) < 20
    first, second, kernel = (12, 32, 3) if small else (6, 16, 5)
    sides = [(side // 2 - (0 if small else 4)) // 2 for side in (height, width)]
    return nn.Sequential(
        nn.Conv2d(channels, first, kernel, padding=kernel // 2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, kernel, padding=1 if small else 0),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(second * prod(sides), 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, outputs),
    )


def resnet(input_shape: Sequence[int], outputs: int, channels: int = 16) -> nn.Sequential:
    """Return a small residual network: three stages of two convolutions and the way around them.

    Of `channels`, twice and four times as many channels, the second and third at half the size, with batch
    normalisation; then the mean of each channel (He et al., arXiv 1512.03385). Pictures of more than 48
    pixels a side are halved first, until they are not. For rows of numbers the stages are linear.

    >>> resnet((3, 32, 32), 10).count_parameters()
    78042
    """
    if len(input_shape) == 1:
        return _resnet_of_rows(input_shape[0], outputs)
    inputs, height, width = _picture("resnet", input_shape)
    layers: list[nn.Module] = []
    side, last = max(height, width), inputs
    while side > 48:
        layers += [*_normed(last, channels, stride=2), nn.ReLU()]
        side, last = -(-side // 2), channels
    if not layers:
        layers += [*_normed(last, channels), nn.ReLU()]
        last = channels
    for stage in range(3):
        wide, stride = channels * 2**stage, 1 + (stage > 0)
        body = nn.Sequential(*_normed(last, wide, stride=stride), nn.ReLU(), *_normed(wide, wide))
        around = nn.Sequential(*_normed(last, wide, 1, stride)) if stride > 1 else None
        layers += [nn.Residual(body, around), nn.ReLU()]
        last = wide
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, outputs))


def _normed(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs)


def _resnet_of_rows(inputs: int, outputs: int, size: int = 128) -> nn.Sequential:
    """Return the residual network of arXiv 2106.11959, section 3.3, of two blocks."""
    blocks = [
        nn.Residual(
            nn.Sequential(
                nn.LayerNorm(size),
                nn.Linear(size, 2 * size),
                nn.ReLU(),
                nn.Dropout(0.2),
                nn.Linear(2 * size, size),
            )
        )
        for _ in range(2)
    ]
    return nn.Sequential(
        nn.Linear(inputs, size), *blocks, nn.LayerNorm(size), nn.ReLU(), nn.Linear(size, outputs)
    )


def _picture(name: str, input_shape: Sequence[int]) -> tuple[int, int, int]:
    """Return channels, height and width; raises InputError for what is no picture that is large enough."""
    if len(input_shape) != 3 or min(input_shape[1:]) < 8:
        got = f"{input_shape[0]} columns" if len(input_shape) == 1 else f"the shape {tuple(input_shape)}"
        wanted = "is for pictures of 8 x 8 pixels or more, (channels, height, width)"
        raise InputError(lesson(f"the network {name!r}", wanted, got, hint="--model mlp"))
    channels, height, width = input_shape
    return channels, height, width


NETWORKS: dict[str, Build] = {"lenet": lenet, "mlp": mlp, "resnet": resnet}
"""What is known by name; each is called with the shape of one input and the number of outputs."""
