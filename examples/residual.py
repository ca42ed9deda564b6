"""A residual network reads handwriting: residual.py [--steps N] [--seed S].

Three blocks of two convolutions on scikit-learn's 8 x 8 digits; each block adds what it finds to what it was
given (He et al., "Deep residual learning for image recognition", 2016).

Prints the share of the images kept back that is read right and fails where it is below what is promised.
"""

import argparse
import sys
import time

import numpy as np
from sklearn.datasets import load_digits

import clearprop
from clearprop import nn, optim

PROMISED = {40: 0.4, 300: 0.96}  # the share after so many steps, or more


class Block(nn.Module):
    """Two convolutions, and the way around them; a step of two halves the image."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.around = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        """Return relu(x, halved if need be, + what the convolutions find)."""
        y = nn.functional.relu(self.norms[0](self.first(x)))
        return nn.functional.relu(self.around(x) + self.norms[1](self.second(y)))


def network() -> nn.Module:
    """Return the whole network: (n, 1, 8, 8) to scores of ten digits."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


def train(steps: int, seed: int) -> float:
    """Train and return the share of images kept back that is read right."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = load_digits()
    order = rng.permutation(len(found.target))
    images, labels = (found.images[order, None] / 16).astype(np.float32), found.target[order]
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = optim.CosineAnnealingLR(optimizer, steps)

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        chosen = rng.integers(300, len(labels), 64)
        loss = step(images[chosen], labels[chosen])
        schedule.step()
        if n % 100 == 99:
            print(f"step {n + 1:4}  loss {float(loss):.3f}")
    net.eval()
    with clearprop.no_grad():
        return float((net(images[:300]).numpy().argmax(axis=1) == labels[:300]).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} of the images are read right, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
