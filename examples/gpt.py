"""A GPT on this package's own source: gpt.py [--steps N] [--seed S].

Two layers of causal attention read 64 characters and say after each how likely every next one is (Radford et
al., "Language models are unsupervised multitask learners", 2019, small). A tenth of the text is kept back. It
writes with a cache of keys and values: a character costs one row, and the scores are those of all at once.

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
from clearprop.nn import functional as F

PROMISED = {3: 7.0, 500: 3.3}  # bits per character after so many steps, or less
LENGTH, BATCH, SIZE, HEADS = 64, 16, 96, 4


class Block(nn.Module):
    """Attention to what came before, then a network at each place, each added to what it read."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(SIZE), nn.LayerNorm(SIZE)
        self.three, self.out = nn.Linear(SIZE, 3 * SIZE), nn.Linear(SIZE, SIZE)
        self.net = nn.Sequential(nn.Linear(SIZE, 4 * SIZE), nn.GELU(), nn.Linear(4 * SIZE, SIZE))

    def forward(self, x, cache=None):
        """Return x (n, length, size) with what was found; a cache holds the places before these."""
        n, length = x.shape[:2]
        parts = self.three(self.first(x)).reshape(n, length, 3, HEADS, SIZE // HEADS)
        q, k, v = (np.swapaxes(parts[:, :, i], 1, 2) for i in range(3))
        if cache is None:
            found = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            k, v = cache.extended(k, v)
            found = F.scaled_dot_product_attention(q, k, v, cache.mask(length))
        x = x + self.out(np.swapaxes(found, 1, 2).reshape(n, length, SIZE))
        return x + self.net(self.second(x))


class Writer(nn.Module):
    """Characters (n, length) to scores of the next ones (n, length, characters)."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(characters, SIZE), nn.Embedding(LENGTH, SIZE)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm, self.scores = nn.LayerNorm(SIZE), nn.Linear(SIZE, characters)

    def forward(self, x, caches=(None, None)):
        """Return the scores; with caches x goes on where they end."""
        first = 0 if caches[0] is None else len(caches[0])
        x = self.letters(x) + self.places(np.arange(first, first + x.shape[1]))
        for block, cache in zip(self.blocks, caches, strict=True):
            x = block(x, cache)
        return self.scores(self.norm(x))


def text() -> tuple[np.ndarray, list[str]]:
    """Return the package's source as numbers of characters, and the characters."""
    files = sorted(Path(clearprop.__file__).parent.rglob("*.py"))
    whole = "".join(path.read_text(encoding="utf-8") for path in files[:40])
    alphabet = sorted({c for c in whole if c.isascii()})
    number = {c: i for i, c in enumerate(alphabet)}
    return np.array([number[c] for c in whole if c in number]), alphabet


def written(model: Writer, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the characters that the model writes after `start`, up to its length."""
    caches, seen = [nn.KeyValueCache() for _ in model.blocks], start
    with clearprop.no_grad():
        scores = model(start[None], caches).numpy()[0, -1]
        while len(seen) < LENGTH:
            likely = np.exp((scores - scores.max()) / 0.7)
            seen = np.append(seen, rng.choice(len(likely), p=likely / likely.sum()))
            scores = model(seen[None, -1:], caches).numpy()[0, -1]
        again = model(seen[None]).numpy()[0, -1]  # all at once
    if not np.allclose(scores, again, atol=1e-3):
        raise SystemExit("The cache gives other scores than all places at once.")
    return seen


def train(steps: int, seed: int) -> float:
    """Train, print what the network writes, and return the bits per character of the text kept back."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    numbers, alphabet = text()
    cut = len(numbers) * 9 // 10
    model = Writer(len(alphabet))
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)

    def loss_of(x, y):
        return F.cross_entropy(model(x).reshape(-1, len(alphabet)), y.reshape(-1))

    @clearprop.compile(prove="never")  # proofs replay in higher precision, which costs minutes here
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    def windows(first, last, count):
        starts = rng.integers(first, last - LENGTH - 1, count)
        pieces = numbers[starts[:, None] + np.arange(LENGTH + 1)]
        return pieces[:, :-1], pieces[:, 1:]

    for n in range(steps):
        loss = step(*windows(0, cut, BATCH))
        if n % 100 == 99:
            print(f"step {n + 1:4}  {float(loss) / np.log(2):.2f} bits")
    print("".join(alphabet[i] for i in written(model, numbers[cut : cut + 8], rng)))
    with clearprop.no_grad():
        return float(loss_of(*windows(cut, len(numbers), 64))) / np.log(2)


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = min((number for steps, number in PROMISED.items() if steps <= given.steps), default=np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.2f} bits per character, {wanted:g} promised; {took:.0f} s")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
