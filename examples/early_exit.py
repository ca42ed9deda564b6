"""A loop that ends when it is sure: early_exit.py [--steps N] [--seed S].

Which of two numbers of eight digits is larger is plain after the first digit that differs. A recurrent cell
reads a pair of digits a step and says how sure it is; while training all steps count, and when asked a Python
`for` loop stops as soon as one side has 95 % (Graves, "Adaptive computation time for recurrent neural
networks", 2016, made simple).

Prints the share of right answers, and how many steps were taken on the mean; fails where the share is below
what is promised.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 0.4, 1000: 0.92}  # the share of right answers after so many steps, or more
DIGITS, SURE = 8, 0.95


class Reader(nn.Module):
    """A cell that reads a pair of digits, and the scores of both answers."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.scores = nn.GRUCell(20, 32), nn.Linear(32, 2)

    def forward(self, pairs):
        """Return the scores after each step, (steps, n, 2)."""
        state, found = np.zeros((pairs.shape[1], 32), np.float32), []
        for pair in pairs:
            state = self.cell(pair, state)
            found.append(self.scores(state))
        return np.stack(found)

    def answer(self, pairs) -> tuple[int, int]:
        """Return the answer for one pair of numbers, and after how many steps it was sure."""
        state, taken = np.zeros((1, 32), np.float32), 0
        for pair in pairs:
            state, taken = self.cell(pair[None], state), taken + 1
            chances = nn.functional.softmax(self.scores(state), 1).numpy()[0]
            if chances.max() > SURE:
                break
        return int(chances.argmax()), taken


def pairs(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of numbers that often begin alike, digit by digit, and whether the second is larger."""
    a, b = rng.integers(0, 10, (2, count, DIGITS))
    alike = np.arange(DIGITS) < rng.integers(0, DIGITS, (count, 1))
    b = np.where(alike, a, b)
    differs = (a != b).argmax(axis=1)
    larger = (b > a)[np.arange(count), differs].astype(int)
    both = np.concatenate([np.eye(10)[a], np.eye(10)[b]], axis=-1)
    return np.swapaxes(both, 0, 1).astype(np.float32), larger


def train(steps: int, seed: int) -> float:
    """Train and return the share of right answers."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    reader = Reader()
    optimizer = optim.Adam(reader.parameters(), lr=5e-3)

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        scores = reader(x)
        loss = nn.functional.cross_entropy(scores.reshape(-1, 2), y)
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        x, y = pairs(rng, 64)
        loss = step(x, np.tile(y, DIGITS))
        if n % 200 == 199:
            print(f"step {n + 1:4}  loss {float(loss):.3f}")
    x, y = pairs(rng, 300)
    with clearprop.no_grad():
        answers = [reader.answer(x[:, i]) for i in range(300)]
    print(f"{np.mean([taken for _, taken in answers]):.2f} of {DIGITS} steps")
    return float(np.mean([answer for answer, _ in answers] == y))


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} of the answers are right, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
