"""A network on a graph finds two groups: graph.py [--steps N] [--seed S].

34 people, two of them rivals, and who meets whom outside of their club (Zachary, "An information flow model
for conflict and fission in small groups", 1977). Only the two rivals' sides are known; each layer mixes what
neighbours say (Kipf and Welling, "Semi-supervised classification with graph convolutional networks", 2017).

Prints the share of the others whose side is found and fails where it is below what is promised.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {5: 0.4, 100: 0.93}  # the share after so many steps, or more
FRIENDS = {
    1: (2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 20, 22, 32), 2: (3, 4, 8, 14, 18, 20, 22, 31),
    3: (4, 8, 9, 10, 14, 28, 29, 33), 4: (8, 13, 14), 5: (7, 11), 6: (7, 11, 17), 7: (17,), 9: (31, 33, 34),
    10: (34,), 14: (34,), 15: (33, 34), 16: (33, 34), 19: (33, 34), 20: (34,), 21: (33, 34), 23: (33, 34),
    24: (26, 28, 30, 33, 34), 25: (26, 28, 32), 26: (32,), 27: (30, 34), 28: (34,), 29: (32, 34),
    30: (33, 34), 31: (33, 34), 32: (33, 34), 33: (34,),
}  # fmt: skip
FIRST_SIDE = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 17, 18, 20, 22}


def mixing() -> np.ndarray:
    """Return D^(-1/2) (A + I) D^(-1/2): what each layer multiplies with."""
    a = np.eye(34, dtype=np.float32)
    for person, others in FRIENDS.items():
        for other in others:
            a[person - 1, other - 1] = a[other - 1, person - 1] = 1
    root = np.sqrt(a.sum(axis=1))
    return a / root / root[:, None]


class Network(nn.Module):
    """Two layers; every person begins as a vector of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(34, 8), nn.Linear(8, 2)

    def forward(self, mix):
        """Return each person's scores of both sides."""
        return mix @ self.second(np.tanh(mix @ self.first(np.eye(34, dtype=np.float32))))


def train(steps: int, seed: int) -> float:
    """Train on the two rivals and return the share of the others that is right."""
    clearprop.manual_seed(seed)
    net, mix = Network(), mixing()
    optimizer = optim.Adam(net.parameters(), lr=0.02, weight_decay=5e-4)
    known, sides = np.array([0, 33]), np.array([i + 1 not in FIRST_SIDE for i in range(34)], int)

    @clearprop.compile
    def step(mix):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(mix)[known], sides[known])
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(mix)
        if n % 50 == 49:
            print(f"step {n + 1:4}  loss {float(loss):.3f}")
    right = net(mix).value.argmax(axis=1) == sides
    return float(right[1:33].mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} of the others are found, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
