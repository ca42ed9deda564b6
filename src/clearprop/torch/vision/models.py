"""`torchvision.models`: the small networks of courses, layer by layer under torchvision's names.

A state dict that torchvision saved fits, for names and shapes are its own. Nothing is fetched: weights come
from a file on this machine, `model.load_state_dict(torch.load("resnet18.pth"))`. Sources: He et al., "Deep
residual learning", 2015; Simonyan and Zisserman, "Very deep convolutional networks", 2014; Krizhevsky, "One
weird trick for parallelizing convolutional neural networks", 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clearprop.errors import lesson
from clearprop.torch import nn
from clearprop.torch.names import FUNCTIONS
from clearprop.torch.nn.module import Module
from clearprop.torch.tensors import nearest

_layers: Any = nn  # whose layers are made by their names


def _norm(width: int) -> Any:
    return _layers.BatchNorm2d(width)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> Any:
    return _layers.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class BasicBlock(Module):
    """Two convolutions of 3 x 3, and the input added to them."""

    expansion: int = 1
    conv1: Any
    bn1: Any
    relu: Any
    conv2: Any
    bn2: Any
    downsample: Any
    stride: int

    def __init__(self, inputs: int, width: int, stride: int = 1, downsample: Any = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, width, 3, stride), _norm(width)
        self.relu = _layers.ReLU(inplace=True)
        self.conv2, self.bn2 = _conv(width, width, 3), _norm(width)
        self.downsample, self.stride = downsample, stride

    def forward(self, x: Any) -> Any:
        """Compute the output."""
        z = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(z + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(Module):
    """A convolution of 3 x 3 between two of 1 x 1, and the input added to them."""

    expansion: int = 4
    conv1: Any
    bn1: Any
    conv2: Any
    bn2: Any
    conv3: Any
    bn3: Any
    relu: Any
    downsample: Any
    stride: int

    def __init__(self, inputs: int, width: int, stride: int = 1, downsample: Any = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(inputs, width, 1), _norm(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), _norm(width)
        self.conv3, self.bn3 = _conv(width, 4 * width, 1), _norm(4 * width)
        self.relu = _layers.ReLU(inplace=True)
        self.downsample, self.stride = downsample, stride

    def forward(self, x: Any) -> Any:
        """Compute the output."""
        z = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        z = self.bn3(self.conv3(z))
        return self.relu(z + (x if self.downsample is None else self.downsample(x)))


def _begun(model: Any) -> Any:
    """Give convolutions Kaiming's normal weights, as torchvision does."""
    for m in model.modules():
        if isinstance(m, _layers.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return model


class ResNet(Module):
    """Four groups of blocks, each but the first half as wide and high and with twice the channels."""

    inplanes: int
    conv1: Any
    bn1: Any
    relu: Any
    maxpool: Any
    avgpool: Any
    fc: Any

    def __init__(self, block: Any, layers: list[int], num_classes: int = 1000) -> None:
        super().__init__()
        self.inplanes = 64
        self.conv1 = _layers.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1, self.relu = _norm(64), _layers.ReLU(inplace=True)
        self.maxpool = _layers.MaxPool2d(3, 2, 1)
        for k, count in enumerate(layers):
            setattr(self, f"layer{k + 1}", self._group(block, 64 << k, count, 1 if not k else 2))
        self.avgpool = _layers.AdaptiveAvgPool2d((1, 1))
        self.fc = _layers.Linear(512 * block.expansion, num_classes)
        _begun(self)

    def _group(self, block: Any, width: int, count: int, stride: int) -> Any:
        outputs, downsample = width * block.expansion, None
        if stride != 1 or self.inplanes != outputs:
            downsample = _layers.Sequential(_conv(self.inplanes, outputs, 1, stride), _norm(outputs))
        blocks = [block(self.inplanes, width, stride, downsample)]
        self.inplanes = outputs
        return _layers.Sequential(*blocks, *(block(outputs, width) for _ in range(count - 1)))

    def forward(self, x: Any) -> Any:
        """Return a number for each class, of pictures (n, 3, height, width)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(FUNCTIONS["flatten"](self.avgpool(x), 1))


class _Stack(Module):
    """`features`, pooled to a size, and a `classifier`."""

    features: Any
    avgpool: Any
    classifier: Any

    def __init__(self, features: Any, size: int, classifier: Any) -> None:
        super().__init__()
        self.features, self.avgpool = features, _layers.AdaptiveAvgPool2d((size, size))
        self.classifier = classifier

    def forward(self, x: Any) -> Any:
        """Return a number for each class, of pictures (n, 3, height, width)."""
        return self.classifier(FUNCTIONS["flatten"](self.avgpool(self.features(x)), 1))


class VGG(_Stack):
    """Convolutions of 3 x 3 between poolings, and three linear layers."""

    def __init__(self, features: Any, num_classes: int = 1000, dropout: float = 0.5) -> None:
        hidden = [_layers.Linear(512 * 49, 4096), _layers.ReLU(True), _layers.Dropout(dropout)]
        hidden += [_layers.Linear(4096, 4096), _layers.ReLU(True), _layers.Dropout(dropout)]
        super().__init__(_begun(features), 7, _layers.Sequential(*hidden, _layers.Linear(4096, num_classes)))


class AlexNet(_Stack):
    """Five convolutions and three linear layers."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        conv, relu, pool = _layers.Conv2d, _layers.ReLU, _layers.MaxPool2d
        features = _layers.Sequential(
            conv(3, 64, 11, 4, 2), relu(True), pool(3, 2),
            conv(64, 192, 5, padding=2), relu(True), pool(3, 2),
            conv(192, 384, 3, padding=1), relu(True), conv(384, 256, 3, padding=1), relu(True),
            conv(256, 256, 3, padding=1), relu(True), pool(3, 2),
        )  # fmt: skip
        classifier = _layers.Sequential(
            _layers.Dropout(dropout), _layers.Linear(256 * 36, 4096), relu(True), _layers.Dropout(dropout),
            _layers.Linear(4096, 4096), relu(True), _layers.Linear(4096, num_classes),
        )  # fmt: skip
        super().__init__(features, 6, classifier)


def _of_vgg(words: str, norms: bool) -> Any:
    found: list[Any] = []
    width = 3
    for word in words.split():
        if word == "M":
            found.append(_layers.MaxPool2d(2, 2))
            continue
        found.append(_layers.Conv2d(width, int(word), 3, padding=1))
        width = int(word)
        found += [_norm(width)] if norms else []
        found.append(_layers.ReLU(True))
    return _layers.Sequential(*found)


_A = "64 M 128 M 256 256 M 512 512 M 512 512 M"
_D = "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"
_MAKERS: dict[str, Callable[..., Any]] = {
    "resnet18": lambda **how: ResNet(BasicBlock, [2, 2, 2, 2], **how),
    "resnet34": lambda **how: ResNet(BasicBlock, [3, 4, 6, 3], **how),
    "resnet50": lambda **how: ResNet(Bottleneck, [3, 4, 6, 3], **how),
    "alexnet": AlexNet,
    "vgg11": lambda **how: VGG(_of_vgg(_A, False), **how),
    "vgg11_bn": lambda **how: VGG(_of_vgg(_A, True), **how),
    "vgg16": lambda **how: VGG(_of_vgg(_D, False), **how),
    "vgg16_bn": lambda **how: VGG(_of_vgg(_D, True), **how),
}


class _Weights:
    """The names of weights that torchvision fetches: to be said, and refused where they are asked for."""

    DEFAULT, IMAGENET1K_V1, IMAGENET1K_V2 = "DEFAULT", "IMAGENET1K_V1", "IMAGENET1K_V2"


def get_model(name: str, **how: Any) -> Any:
    """Return the network of this name."""
    return __getattr__(name)(**how)


def list_models() -> list[str]:
    """Return the names of the networks that there are."""
    return sorted(_MAKERS)


def _made(name: str) -> Callable[..., Any]:
    def make(*, weights: Any = None, pretrained: bool = False, progress: bool = True, **how: Any) -> Any:
        if weights is not None or pretrained:
            got = f"weights={weights!r}" if weights is not None else "pretrained=True"
            hint = f"weights=None, and model.load_state_dict(torch.load('{name}.pth')) of your own file"
            called = f"torchvision.models.{name}(...)"
            raise NotImplementedError(lesson(called, "fetches nothing", got, hint=hint))
        return _MAKERS[name](**how)

    make.__name__, make.__doc__ = name, f"Return {name} with weights drawn anew."
    return make


def __getattr__(name: str) -> Any:
    if name in _MAKERS:
        return _made(name)
    if name.endswith("_Weights"):
        return _Weights
    hint = nearest(name, [*_MAKERS]) or f"one of {', '.join(sorted(_MAKERS))}, or its layers in a class"
    raise AttributeError(lesson(f"torchvision.models.{name}", "there is no such network", hint=hint))


__all__ = ["VGG", "AlexNet", "BasicBlock", "Bottleneck", "ResNet", "get_model", "list_models"]
