"""Vectors of words from their neighbours: words.py [--steps N] [--seed S].

Sentences of a small grammar about animals, food and places; a word's vector is to tell the words next to it
from others (word2vec with negative samples; Mikolov et al., "Distributed representations of words and phrases
and their compositionality", 2013). Nothing says which words are of one kind.

Prints for how many words the nearest other word is of their kind, and fails where that is below what is
promised.
"""

import argparse
import sys
import time

import numpy as np

import clearprop
from clearprop import nn, optim

PROMISED = {20: 0.2, 1500: 0.85}  # the share after so many steps, or more
KINDS = (
    ["cat", "dog", "fox", "owl", "hen", "pig", "cow", "bee"],
    ["rice", "corn", "soup", "bread", "plums", "milk", "nuts", "honey"],
    ["house", "barn", "field", "river", "wood", "shed", "hill", "road"],
    ["eats", "likes", "wants", "finds", "steals"],
    ["near", "in", "behind", "before", "under"],
)
WORDS = [word for kind in KINDS for word in kind]
KIND = np.array([k for k, kind in enumerate(KINDS) for _ in kind])
SIZE, OTHERS = 12, 5


def pairs(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return words and words next to them: in 'animal verb food preposition place'."""
    sentences = np.stack([rng.choice(np.flatnonzero(k == KIND), count) for k in (0, 3, 1, 4, 2)], axis=1)
    at = rng.integers(0, 5, count)
    beside = np.clip(at + rng.choice([-1, 1], count), 0, 4)
    beside = np.where(beside == at, at + np.where(at == 0, 1, -1), beside)
    rows = np.arange(count)
    return sentences[rows, at], sentences[rows, beside]


def train(steps: int, seed: int) -> float:
    """Train and return the share of words whose nearest neighbour is of their kind."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inner, outer = nn.Embedding(len(WORDS), SIZE), nn.Embedding(len(WORDS), SIZE)
    optimizer = optim.Adam([*inner.parameters(), *outer.parameters()], lr=1e-2)

    @clearprop.compile
    def step(word, beside, other):
        optimizer.zero_grad()
        x = inner(word)
        right = (x * outer(beside)).sum(axis=1)
        wrong = (x[:, None] * outer(other)).sum(axis=2)
        loss = -(nn.functional.logsigmoid(right).mean() + nn.functional.logsigmoid(-wrong).sum(axis=1).mean())
        loss.backward()
        optimizer.step()
        return loss

    for n in range(steps):
        loss = step(*pairs(rng, 256), rng.integers(0, len(WORDS), (256, OTHERS)))
        if n % 500 == 499:
            print(f"step {n + 1:4}  loss {float(loss):.3f}")
    x = nn.functional.normalize(inner.weight).value
    alike = x @ x.T - 2 * np.eye(len(x))
    nearest = alike.argmax(axis=1)
    for word in ("cat", "soup", "river"):
        print(f"{word}: {' '.join(WORDS[i] for i in np.argsort(-alike[WORDS.index(word)])[:3])}")
    return float((KIND[nearest] == KIND).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} of the words stand beside their kind, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
