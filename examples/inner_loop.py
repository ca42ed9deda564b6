"""Weights that learn a new task in one step: inner_loop.py [--steps N] [--seed S].

Each task is a wave of its own height and phase. From five of its values the weights take one step of gradient
descent, and what they reach after it is what is trained: the gradient passes through the inner step (MAML;
Finn, Abbeel and Levine, "Model-agnostic meta-learning", 2017). `functional_call` computes with the moved
weights and leaves the model alone.

Prints the mean square distance on new tasks after the inner step and fails where it stays above what is
promised. Before it, it is about 3.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 6.0, 1500: 1.2}  # the mean square distance after so many steps, or less
INNER, SHOWN, TASKS = 0.02, 10, 8


def tasks(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values of waves: places and heights, (tasks, 2 x shown, 1)."""
    height, phase = rng.uniform(0.1, 5.0, (count, 1, 1)), rng.uniform(0, np.pi, (count, 1, 1))
    x = rng.uniform(-5, 5, (count, 2 * SHOWN, 1))
    return x.astype(np.float32), (height * np.sin(x - phase)).astype(np.float32)


def train(steps: int, seed: int) -> float:
    """Train and return the mean square distance on new tasks."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    names, params = zip(*model.named_parameters(), strict=True)
    optimizer = optim.Adam(params, lr=2e-3)

    def distance(weights, x, y):
        return ((nn.functional_call(model, dict(zip(names, weights, strict=True)), x) - y) ** 2).mean()

    slopes = clearprop.grad(lambda *given: distance(given[:-2], *given[-2:]), tuple(range(len(params))))

    def adapted(x, y):
        """The distance on the second half of a task's values after one step on the first."""
        moved = [p - INNER * g for p, g in zip(params, slopes(*params, x[:SHOWN], y[:SHOWN]), strict=True)]
        return distance(moved, x[SHOWN:], y[SHOWN:])

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = sum(adapted(x[i], y[i]) for i in range(TASKS)) / TASKS
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(*tasks(rng, TASKS))
        if n % 300 == 299:
            print(f"step {n + 1:4}  {float(loss):.2f}")
    return float(np.mean([float(adapted(x, y)) for x, y in zip(*tasks(rng, 200), strict=True)]))


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
    print(f"{reached:.2f} after one step on a new task, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
