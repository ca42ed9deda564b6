"""Two moons out of noise: diffusion.py [--steps N] [--seed S].

Points are made noisier and noisier; a network says what noise a noisy point holds, and taking it away again
in 50 steps turns noise into points (Ho, Jain and Abbeel, "Denoising diffusion probabilistic models", 2020).

Prints how far 1,000 drawn points lie from the two half circles on the mean and fails where that stays above
what is promised. Points that are all at one place are
far off, too: what counts is the larger of that and of the half circles' mean distance from the points.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 1.0, 3000: 0.25}  # the mean distance after so many steps, or less
LEVELS = 50
BETA = np.linspace(1e-3, 0.2, LEVELS)
KEPT = np.cumprod(1 - BETA)  # how much of a point's square is left at each level


def moons(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return points near two half circles that hold each other."""
    angle, lower = rng.uniform(0, np.pi, count), rng.integers(0, 2, count).astype(bool)
    x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
    return (np.stack([x, y], axis=1) + rng.normal(0, 0.08, (count, 2))).astype(np.float32)


def off(points: np.ndarray) -> float:
    """Return the mean distance of points from the half circles, or the other way round if that is more."""
    angle = np.linspace(0, np.pi, 400)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    curve = np.concatenate([upper, [1, 0.5] - upper])
    apart = np.sqrt(((points[:, None] - curve) ** 2).sum(axis=-1))
    return float(max(apart.min(axis=1).mean(), apart.min(axis=0).mean()))


def given(points, level):
    """Return what the network sees: the points, and waves of the level."""
    waves = np.outer(level / LEVELS, np.pi * 2.0 ** np.arange(4))
    return np.concatenate([points, np.sin(waves), np.cos(waves)], axis=1).astype(np.float32)


def train(steps: int, seed: int) -> float:
    """Train, draw points, and return how far they are off."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = nn.Sequential(nn.Linear(10, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))
    optimizer = optim.Adam(net.parameters(), lr=3e-3)
    schedule = optim.CosineAnnealingLR(optimizer, steps)

    @clearprop.compile
    def step(x, noise):
        optimizer.zero_grad()
        loss = ((net(x) - noise) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        level, noise = rng.integers(0, LEVELS, 256), rng.normal(size=(256, 2)).astype(np.float32)
        kept = KEPT[level][:, None]
        loss = step(given(np.sqrt(kept) * moons(256, rng) + np.sqrt(1 - kept) * noise, level), noise)
        schedule.step()
        if n % 500 == 499:
            print(f"step {n + 1:4}  loss {float(loss):.3f}")
    x = rng.normal(size=(1000, 2))
    with clearprop.no_grad():
        for k in reversed(range(LEVELS)):
            noise = net(given(x, np.full(1000, k))).numpy()
            x = (x - BETA[k] / np.sqrt(1 - KEPT[k]) * noise) / np.sqrt(1 - BETA[k])
            x = x + np.sqrt(BETA[k]) * rng.normal(size=x.shape) * (k > 0)
    return off(x)


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} from the moons, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
