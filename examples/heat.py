"""A network that solves the heat equation: heat.py [--steps N] [--seed S].

u_t = 0.1 u_xx on 0 <= x <= 1, 0 <= t <= 1, with u = 0 at both ends and u(x, 0) = sin(pi x): a rod that cools
down. u = sin(pi x) + t x (1 - x) net(x, t) fits ends and start whatever the weights are, so the loss is how
far it is from the equation at random points (Raissi, Perdikaris and Karniadakis, "Physics-informed neural
networks", 2019). u_t and u_xx are gradients of the network, and the step is a gradient of these.

Prints the largest distance from the exact solution and fails where it stays above what is promised.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 0.5, 1500: 0.01}  # the largest distance after so many steps, or less
SPEED = 0.1


def exact(x, t):
    """Return the solution in closed form."""
    return np.sin(np.pi * x) * np.exp(-SPEED * np.pi**2 * t)


def train(steps: int, seed: int) -> float:
    """Train and return the largest distance from the solution."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1)).double()
    optimizer = optim.Adam(net.parameters(), lr=5e-3)
    schedule = optim.CosineAnnealingLR(optimizer, steps)

    def solution(x, t):
        return np.sin(np.pi * x) + t * x * (1 - x) * net(np.concatenate([x, t], axis=1))

    in_time = clearprop.grad(lambda x, t: solution(x, t).sum(), 1)
    slope = clearprop.grad(lambda x, t: solution(x, t).sum())
    bend = clearprop.grad(lambda x, t: slope(x, t).sum())

    @clearprop.compile
    def step(x, t):
        optimizer.zero_grad()
        x, t = clearprop.Tensor(x), clearprop.Tensor(t)
        loss = ((in_time(x, t) - SPEED * bend(x, t)) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(*rng.random((2, 128, 1)))
        schedule.step()
        if n % 300 == 299:
            print(f"step {n + 1:4}  loss {float(loss):.2e}")
    x, t = (a.reshape(-1, 1) for a in np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 1, 41)))
    with clearprop.no_grad():
        return float(np.abs(solution(x, t).numpy() - exact(x, t)).max())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.4f} from the solution at most, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
