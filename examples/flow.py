"""A normalising flow that draws two moons: flow.py [--steps N] [--seed S].

Coupling layers (Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017) turn points of
two half circles into points of a normal distribution, and back: each layer moves and stretches one coordinate
by what a small network makes of the other, so the density is known exactly.

Prints the mean negative log-density of points kept back, in nats, and fails where it stays above what is
promised for that many steps. A normal distribution with the moons' mean and covariance has 1.93.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 2.6, 800: 1.3}  # nats per point after so many steps, or less


def moons(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return points near two half circles that hold each other."""
    angle, lower = rng.uniform(0, np.pi, count), rng.integers(0, 2, count).astype(bool)
    x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
    return (np.stack([x, y], axis=1) + rng.normal(0, 0.08, (count, 2))).astype(np.float32)


class Coupling(nn.Module):
    """One coordinate, moved and stretched by what a network makes of the other."""

    def __init__(self, moved: int, hidden: int = 32) -> None:
        super().__init__()
        self.moved = moved
        self.net = nn.Sequential(
            nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2)
        )

    def forward(self, x):
        """Return the points after it, and the logarithm of how much it stretches at each."""
        kept, moved = x[:, 1 - self.moved, None], x[:, self.moved, None]
        out = self.net(kept)
        stretch, shift = np.tanh(out[:, :1]) * 2, out[:, 1:]
        parts = [kept, moved * np.exp(stretch) + shift]
        return np.concatenate(parts if self.moved else parts[::-1], axis=1), stretch[:, 0]


class Flow(nn.Module):
    """Coupling layers, one coordinate after the other."""

    def __init__(self, count: int = 8) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Coupling(n % 2) for n in range(count))

    def forward(self, x):
        """Return the negative log-density of every point."""
        total = 0.0
        for layer in self.layers:
            x, stretch = layer(x)
            total = total + stretch
        return (x**2).sum(axis=1) / 2 + np.log(2 * np.pi) - total


def train(steps: int, seed: int, batch: int = 256) -> float:
    """Train and return the mean negative log-density of points kept back."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    flow = Flow()
    optimizer = optim.Adam(flow.parameters(), lr=4e-3)
    schedule = optim.CosineAnnealingLR(optimizer, steps)

    @clearprop.compile
    def step(x):
        optimizer.zero_grad()
        loss = flow(x).mean()
        loss.backward()
        optim.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(moons(batch, rng))
        schedule.step()
        if n % 200 == 199:
            print(f"step {n + 1:4}  {float(loss):.3f} nats")
    with clearprop.no_grad():
        return float(flow(moons(4000, rng)).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} nats per point, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
