"""A network that is the speed of a moving point: neural_ode.py [--steps N] [--seed S].

Spirals x' = A x^3 are watched at 20 times; a network f stands for the speed, and its path from the same
start, by 40 steps of Heun's method, is to be theirs (Chen et al., "Neural ordinary differential equations",
2018). The gradient passes through every step of the method; the Python loop is recorded once.

Prints the mean distance from spirals kept back and fails where it stays above what is promised.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {40: 0.8, 600: 0.08}  # the mean distance after so many steps, or less
TURN = np.array([[-0.1, 2.0], [-2.0, -0.1]])
TIMES, PARTS, END = 20, 2, 1.0


def path(speed, x):
    """Return where points are at the watched times, (times, points, 2)."""
    found, h = [], END / (TIMES * PARTS)
    for n in range(TIMES * PARTS):
        first = speed(x)
        x = x + h / 2 * (first + speed(x + h * first))
        if n % PARTS == PARTS - 1:
            found.append(x)
    return np.stack(found)


def spirals(starts: np.ndarray) -> np.ndarray:
    """Return the paths that are to be learned."""
    return path(lambda x: x**3 @ TURN, starts)


def train(steps: int, seed: int) -> float:
    """Train and return the mean distance from paths that were not shown."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2)).double()
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    schedule = optim.CosineAnnealingLR(optimizer, steps)

    @clearprop.compile
    def step(starts, seen):
        optimizer.zero_grad()
        loss = ((path(lambda x: net(x**3), starts) - seen) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        starts = rng.uniform(-1.5, 1.5, (32, 2))
        loss = step(starts, spirals(starts))
        schedule.step()
        if n % 100 == 99:
            print(f"step {n + 1:4}  loss {float(loss):.2e}")
    starts = rng.uniform(-1.5, 1.5, (200, 2))
    with clearprop.no_grad():
        found = path(lambda x: net(x**3), starts).numpy()
    return float(np.sqrt(((found - spirals(starts)) ** 2).sum(axis=-1)).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} from the paths, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
