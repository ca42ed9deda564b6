"""A network of pictures with what stands before and after it, to be written for other programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearprop import nn
from clearprop.ops.softmax import softmax
from clearprop.train.measures import as_they_occur, learned_weights
from clearprop.train.picture_model import PictureModel


class WholePictureModel(nn.Module):
    """Probabilities of the classes for pixels from 0 to 255: softmax((z - log w) / T) of the network's z.

    z = network((x / 255 - mean) / spread); T and w are those of `PictureModel.shares`. x has the shape
    (n, channels, height, width), or with `flat` (n, channels * height * width). The result has the shape
    (n, classes), in the order of `model.classes`.
    """

    shape: tuple[int, int, int]
    flat: bool

    def __init__(self, model: PictureModel, flat: bool = False) -> None:
        super().__init__()
        self.network, self.shape, self.flat = model.network, model.shape, flat
        self.mean: NDArray[Any] = np.asarray(model.mean, np.float32)[:, None, None]
        self.spread: NDArray[Any] = np.asarray(model.spread, np.float32)[:, None, None]
        weights = learned_weights(model.about)
        off = None if weights is None else as_they_occur(np.zeros(len(weights)), weights)
        self.off: NDArray[Any] | None = None if off is None else off.astype(np.float32)
        self.heat = np.float32(model.about.get("temperature", 1.0))

    def forward(self, x: Any) -> Any:
        if self.flat:
            x = np.reshape(x, (-1, *self.shape))
        scaled = (x * np.float32(1 / 255) - self.mean) / self.spread
        logits = self.network(scaled)
        if self.off is not None:
            logits = logits + self.off
        return softmax(logits / self.heat, axis=-1)
