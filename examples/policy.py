"""A policy that learns to balance a pole: policy.py [--steps N] [--seed S].

A cart pushed left or right keeps a pole upright, for at most 100 ticks (Barto, Sutton and Anderson 1983; the
physics are below). A network gives the chances of both pushes, and those that went better than usual become
likelier (REINFORCE; Williams, "Simple statistical gradient-following algorithms", 1992).

Prints how many ticks the pole stays up on the mean of 50 trials and fails where it falls sooner than that.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {5: 10.0, 80: 90.0}  # ticks after so many steps, or more
TICKS, CARTS, FADE = 100, 32, 0.97


def pushed(state: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return place, speed, angle and turn of carts 0.02 s later, pushed with 10 N."""
    x, v, angle, turn = state.T
    force, sin, cos = np.where(right, 10.0, -10.0), np.sin(angle), np.cos(angle)
    part = (force + 0.05 * turn**2 * sin) / 1.1
    faster = (9.8 * sin - cos * part) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    gained = part - 0.05 * faster * cos / 1.1
    return np.stack([x + 0.02 * v, v + 0.02 * gained, angle + 0.02 * turn, turn + 0.02 * faster], axis=1)


def trials(net, rng: np.random.Generator, count: int):
    """Return what was seen, what was done, and which carts stood still upright then, (ticks, carts)."""
    state, up = rng.uniform(-0.05, 0.05, (count, 4)), np.ones(count, bool)
    seen, done, alive = [], [], []
    with clearprop.no_grad():
        for _ in range(TICKS):
            scores = net(state.astype(np.float32)).numpy()
            right = rng.random(count) < 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
            seen.append(state.astype(np.float32)), done.append(right.astype(np.int64)), alive.append(up)
            state = np.where(up[:, None], pushed(state, right), state)
            up = up & (np.abs(state[:, 0]) < 2.4) & (np.abs(state[:, 2]) < 0.21)
    return np.stack(seen), np.stack(done), np.stack(alive)


def train(steps: int, seed: int) -> float:
    """Train and return the mean number of ticks."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    optimizer = optim.Adam(net.parameters(), lr=0.02)

    @clearprop.compile
    def step(seen, done, worth):
        optimizer.zero_grad()
        loss = (nn.functional.cross_entropy(net(seen), done, reduction="none") * worth).mean()
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        seen, done, alive = trials(net, rng, CARTS)
        worth = alive.astype(np.float32)
        for t in reversed(range(TICKS - 1)):
            worth[t] += FADE * worth[t + 1]
        worth = np.where(alive, (worth - worth[alive].mean()) / (worth[alive].std() + 1e-6), 0)
        step(seen.reshape(-1, 4), done.reshape(-1), worth.reshape(-1).astype(np.float32))
        if n % 20 == 19:
            print(f"step {n + 1:4}  {alive.sum(axis=0).mean():5.1f} ticks")
    return float(trials(net, rng, 50)[2].sum(axis=0).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.1f} ticks, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
