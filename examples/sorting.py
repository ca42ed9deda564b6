"""A transformer that sorts: sorting.py [--steps N] [--seed S].

An encoder (Vaswani et al., "Attention is all you need", 2017) reads eight digits and says for every place
which digit belongs there in order. Every row of every batch is new, so there is nothing to learn by heart.

Prints the share of new rows that are sorted without a fault and fails where it stays below what is promised
for that many steps.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {30: 0.0, 400: 0.95}  # the share of rows sorted after so many steps, or more
DIGITS, LENGTH = 10, 8


class Sorter(nn.Module):
    """Digits (batch, length) to scores (batch, length, digits)."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.digits, self.places = nn.Embedding(DIGITS, width), nn.Embedding(LENGTH, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.scores = nn.Linear(width, DIGITS)

    def forward(self, x):
        """Return the scores of every place."""
        return self.scores(self.encoder(self.digits(x) + self.places(np.arange(LENGTH))))


def train(steps: int, seed: int, batch: int = 64) -> float:
    """Train and return the share of new rows that are sorted without a fault."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model, loss_fn = Sorter(), nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = optim.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x).reshape(-1, DIGITS), y.reshape(-1))
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        x = rng.integers(0, DIGITS, (batch, LENGTH))
        loss = step(x, np.sort(x, axis=1))
        schedule.step()
        if n % 100 == 99:
            print(f"step {n + 1:4}  loss {float(loss):.4f}")
    model.eval()
    x = rng.integers(0, DIGITS, (1000, LENGTH))
    with clearprop.no_grad():
        found = np.argmax(model(x), axis=2).numpy()
    return float(np.mean(np.all(found == np.sort(x, axis=1), axis=1)))


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=0.0)
    took = time.perf_counter() - started
    print(f"{reached:.1%} of new rows are sorted, {wanted:.0%} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
