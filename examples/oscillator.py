"""A network that solves a differential equation: oscillator.py [--steps N] [--seed S].

u'' + 0.4 u' + 4 u = 0 with u(0) = 1 and u'(0) = 0, on 0 <= t <= 4: a swing with friction. The loss is how far
the network is from the equation at 64 times (Raissi, Perdikaris and Karniadakis, "Physics-informed neural
networks", 2019); u = 1 + t^2 net(t) has the right start whatever the weights are. u' and u'' are
gradients of the network, and the step is a gradient of these.

Prints the largest distance from the exact solution and fails where it stays above what is promised for that
many steps.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 5.0, 4000: 0.02}  # the largest distance after so many steps, or less
FRICTION, STIFFNESS = 0.4, 4.0


def exact(t: np.ndarray) -> np.ndarray:
    """Return the solution in closed form."""
    decay = FRICTION / 2
    turn = np.sqrt(STIFFNESS - decay**2)
    return np.exp(-decay * t) * (np.cos(turn * t) + decay / turn * np.sin(turn * t))


def train(steps: int, seed: int) -> float:
    """Train and return the largest distance from the solution."""
    clearprop.manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)).double()
    optimizer = optim.Adam(net.parameters(), lr=5e-3)
    schedule = optim.CosineAnnealingLR(optimizer, steps)

    def solution(t):
        return 1 + t**2 * net(t)

    slope = clearprop.grad(lambda t: solution(t).sum())  # of every time by itself: the others do not matter
    bend = clearprop.grad(lambda t: slope(t).sum())

    @clearprop.compile
    def step(t):
        optimizer.zero_grad()
        t = clearprop.Tensor(t)
        fault = bend(t) + FRICTION * slope(t) + STIFFNESS * solution(t)
        loss = (fault**2).mean()
        loss.backward()
        optimizer.step()
        return loss

    times = np.linspace(0, 4, 64)[:, None]
    for n in range(steps):
        loss = step(times)
        schedule.step()
        if n % 300 == 299:
            print(f"step {n + 1:4}  loss {float(loss):.2e}")
    t = np.linspace(0, 4, 401)[:, None]
    with clearprop.no_grad():
        return float(np.max(np.abs(solution(t).numpy() - exact(t))))


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"at most {reached:.4f} from the solution, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
