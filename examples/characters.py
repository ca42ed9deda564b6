"""A character LSTM on this package's own source: characters.py [--steps N] [--seed S].

A recurrent network reads 48 characters and says after each how likely every next one is (Karpathy, "The
unreasonable effectiveness of recurrent neural networks", 2015). A tenth of the text is kept back.

Prints the bits per character of the text kept back and what the network writes, and fails where the bits
stay above what is promised for that many steps. Characters drawn evenly from its alphabet take over 6 bits.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {30: 5.2, 600: 3.0}  # bits per character after so many steps, or less
LENGTH, BATCH = 48, 32


class Writer(nn.Module):
    """Characters (batch, length) to scores of the next ones (batch, length, characters)."""

    def __init__(self, characters: int, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.lstm = nn.LSTM(32, hidden, batch_first=True)
        self.scores = nn.Linear(hidden, characters)

    def forward(self, x, state=None):
        """Return the scores and the state to go on from."""
        y, state = self.lstm(self.embedding(x), state)
        return self.scores(y), state


def text() -> tuple[np.ndarray, list[str]]:
    """Return the package's source as numbers of characters, and the characters."""
    files = sorted(Path(clearprop.__file__).parent.rglob("*.py"))
    whole = "".join(path.read_text(encoding="utf-8") for path in files[:40])
    alphabet = sorted({c for c in whole if c.isascii()})
    number = {c: i for i, c in enumerate(alphabet)}
    return np.array([number[c] for c in whole if c in number]), alphabet


def windows(numbers: np.ndarray, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pieces of the text, and the same pieces one character on."""
    starts = rng.integers(0, len(numbers) - LENGTH - 1, count)
    pieces = numbers[starts[:, None] + np.arange(LENGTH + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def train(steps: int, seed: int) -> float:
    """Train, print what the network writes, and return the bits per character of the text kept back."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    numbers, alphabet = text()
    cut = len(numbers) * 9 // 10
    model, loss_fn = Writer(len(alphabet)), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=4e-3)

    def loss_of(x, y):
        scores, _ = model(x)
        return loss_fn(scores.reshape(-1, len(alphabet)), y.reshape(-1))

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(*windows(numbers[:cut], rng, BATCH))
        if n % 100 == 99:
            print(f"step {n + 1:4}  {float(loss) / np.log(2):.3f} bits per character")
    print(written(model, alphabet, rng))
    with clearprop.no_grad():
        return float(loss_of(*windows(numbers[cut:], rng, 100))) / np.log(2)


def written(model: nn.Module, alphabet: list[str], rng: np.random.Generator, count: int = 160) -> str:
    """Return what the network writes after "def ", each character drawn by its probability."""
    result, state = "def ", None
    x = np.array([[alphabet.index(c) for c in result]])
    with clearprop.no_grad():
        for _ in range(count):
            scores, state = model(x, state)
            share = clearprop.softmax(scores[0, -1] / 0.7, -1).numpy().astype(float)
            x = np.array([[rng.choice(len(alphabet), p=share / share.sum())]])
            result += alphabet[x[0, 0]]
    return result


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
    print(f"{reached:.2f} bits per character of text kept back, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
