"""A Gaussian process whose kernel is learned: gaussian_process.py [--steps N] [--seed S].

60 noisy values of a wave; length, height and noise of the kernel h^2 exp(-d^2 / 2 l^2) + s^2 [d = 0] are
those under which these values are most likely (Rasmussen and Williams, "Gaussian processes for machine
learning", 2006, section 5.4): the gradient passes through a Cholesky factor and a triangular system.

Prints how far the mean is from the wave between the values (root mean square) and fails where it is further
off than promised.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import Tensor, optim

PROMISED = {20: 0.15, 200: 0.08}  # the distance after so many steps, or less


def wave(x: np.ndarray) -> np.ndarray:
    """Return what the values are noisy values of."""
    return np.sin(2 * x) + 0.5 * np.cos(5 * x)


def kernel(a, b, length, height):
    """Return how alike the values at all pairs of places are."""
    return height**2 * np.exp(-((a[:, None] - b) ** 2) / (2 * length**2))


def train(steps: int, seed: int) -> float:
    """Fit the kernel and return how far the mean is from the wave."""
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-3, 3, 60))
    y = wave(x) + rng.normal(0, 0.1, 60)
    logs = Tensor(np.log([1.5, 1.0, 0.5]), name="length, height, noise")
    optimizer = optim.Adam([logs], lr=0.05)

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        length, height, noise = np.exp(logs)
        factor = np.linalg.cholesky(kernel(x, x, length, height) + noise**2 * np.eye(60))
        whitened = np.linalg.solve(factor, y)
        loss = (whitened**2).sum() / 2 + np.log(np.diagonal(factor)).sum()  # and a constant
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(x, y)
        if n % 50 == 49:
            print(f"step {n + 1:4}  {float(loss):8.2f} nats  kernel {np.exp(logs.value).round(3)}")
    length, height, noise = np.exp(logs.value)
    between = np.linspace(-2.8, 2.8, 200)
    weights = np.linalg.solve(kernel(x, x, length, height) + noise**2 * np.eye(60), y)
    return float(np.sqrt(np.mean((kernel(between, x, length, height) @ weights - wave(between)) ** 2)))


def main() -> int:
    """Fit, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} from the wave, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
