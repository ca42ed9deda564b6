"""Small networks that are shipped: what reads words, a step that trains, and arrays of numbers."""

import numpy as np

from clearprop import nn, optim


def floats(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


class Sentence(nn.Module):
    def __init__(self, of):
        super().__init__()
        self.embedding, self.of, self.last = nn.Embedding(11, 8), of, nn.Linear(8, 3)

    def forward(self, words):
        found = self.of(self.embedding(words))
        return self.last(found[0] if isinstance(found, tuple) else found)


def training():
    """A network, the function that trains it, and a batch."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1))
    optimizer = optim.AdamW(model.parameters(), lr=0.01)

    def train(x, y):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, train, floats(16, 3), floats(16, 1, seed=1)
