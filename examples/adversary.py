"""Two networks against each other draw two moons: adversary.py [--steps N] [--seed S].

A generator makes points of noise, a critic tells them from points of the moons, and each learns from the
other (Goodfellow et al., "Generative adversarial nets", 2014). The critic's weights are divided by their
largest singular values (Miyato et al. 2018), which keeps the game steady.

Prints how far 1,000 made points lie from the two half circles on the mean and fails where that stays above
what is promised. Points that are all at one place are
far off, too: what counts is the larger of that and of the half circles' mean distance from the points.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim
from clearprop.nn.utils.parametrizations import spectral_norm

PROMISED = {20: 1.5, 3000: 0.2}  # the mean distance after so many steps, or less


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


def train(steps: int, seed: int) -> float:
    """Train both and return how far made points are off."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    maker = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    layers = [spectral_norm(nn.Linear(a, b)) for a, b in ((2, 64), (64, 64), (64, 1))]
    critic = nn.Sequential(layers[0], nn.LeakyReLU(0.2), layers[1], nn.LeakyReLU(0.2), layers[2])
    made = optim.Adam(maker.parameters(), 1e-3, (0.5, 0.9))
    judged = optim.Adam(critic.parameters(), 2e-3, (0.5, 0.9))

    @clearprop.compile
    def step(true, noise, other):
        judged.zero_grad()
        loss = nn.functional.softplus(-6 * critic(true)).mean()
        loss = loss + nn.functional.softplus(6 * critic(maker(noise).detach())).mean()
        loss.backward()
        judged.step()
        made.zero_grad()
        nn.functional.softplus(-6 * critic(maker(other))).mean().backward()
        made.step()
        return loss

    for n in range(steps):
        loss = step(moons(256, rng), *rng.normal(size=(2, 256, 4)).astype(np.float32))
        if n % 500 == 499:
            print(f"step {n + 1:4}  the critic's loss {float(loss):.3f}")
    with clearprop.no_grad():
        return off(maker(rng.normal(size=(1000, 4)).astype(np.float32)).numpy())


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
