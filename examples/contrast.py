"""Images side by side by what they show, without labels: contrast.py [--steps N] [--seed S].

Two views of each of scikit-learn's 8 x 8 digits, moved by a pixel and made noisy, are to lie nearer to each
other than to all other images of the batch (SimCLR; Chen et al., "A simple framework for contrastive learning
of visual representations", 2020). Labels are only asked for afterwards.

Prints for how many images kept back the nearest shown image has the same label, by 16 learned numbers, and
fails where that is below what is promised.
"""

import argparse
import sys
import time

import numpy as np
from sklearn.datasets import load_digits

import clearprop
from clearprop import nn, optim

PROMISED = {20: 0.4, 400: 0.9}  # the share after so many steps, or more
WARMTH = 0.2


def view(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return each image moved by at most a pixel each way, with noise."""
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    moved = [wide[i, a : a + 8, b : b + 8] for i, (a, b) in enumerate(rng.integers(0, 3, (len(images), 2)))]
    return (np.stack(moved) + rng.normal(0, 0.1, images.shape)).astype(np.float32)[:, None]


def train(steps: int, seed: int) -> float:
    """Train and return the share of images whose nearest one has their label."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = load_digits()
    order = rng.permutation(len(found.target))
    images, labels = (found.images[order] / 16).astype(np.float32), found.target[order]
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 16)),
    )
    optimizer = optim.Adam(net.parameters(), lr=2e-3)

    @clearprop.compile
    def step(first, second):
        optimizer.zero_grad()
        a, b = (nn.functional.normalize(net(x)) for x in (first, second))
        scores, pairs = a @ b.T / WARMTH, np.arange(len(first))
        loss = nn.functional.cross_entropy(scores, pairs) + nn.functional.cross_entropy(scores.T, pairs)
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        batch = images[300:][rng.integers(0, len(images) - 300, 128)]
        loss = step(view(batch, rng), view(batch, rng))
        if n % 100 == 99:
            print(f"step {n + 1:4}  loss {float(loss):.3f}")
    with clearprop.no_grad():
        codes = nn.functional.normalize(net(images[:, None])).numpy()
    nearest = (codes[:300] @ codes[300:].T).argmax(axis=1)
    return float((labels[300:][nearest] == labels[:300]).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} have a nearest neighbour of their kind, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
