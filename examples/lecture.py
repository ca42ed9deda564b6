"""The lecture's network reads handwriting: lecture.py [--steps N] [--seed S].

Two layers on scikit-learn's 8 x 8 digits, written out in NumPy: z = tanh(X W + b), scores = z V + c, the mean
of -log softmax at the right digit, and w = w - rate * w.grad. Nothing is taken from a library of layers.

Prints the share of the images kept back that is read right and fails where it is below what is promised.
"""

import argparse
import sys
import time

import numpy as np
from sklearn.datasets import load_digits

import clearprop
from clearprop import Tensor

PROMISED = {20: 0.5, 400: 0.96}  # the share after so many steps, or more


def scores(X, W, b, V, c):
    """Return the scores of ten digits for each row of X."""
    return np.tanh(X @ W + b) @ V + c


def loss_of(found, labels):
    """Return the mean of -log softmax(found) at the labels."""
    shifted = found - np.max(found, axis=1, keepdims=True)
    log_shares = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(log_shares[np.arange(len(labels)), labels])


def train(steps: int, seed: int) -> float:
    """Train and return the share of images kept back that is read right."""
    rng = np.random.default_rng(seed)
    digits = load_digits()
    order = rng.permutation(len(digits.target))
    images, labels = digits.data[order] / 16, digits.target[order]
    weights = [
        Tensor(rng.normal(size=(64, 64)) / 8, name="W"),
        Tensor(np.zeros(64), name="b"),
        Tensor(rng.normal(size=(64, 10)) / 8, name="V"),
        Tensor(np.zeros(10), name="c"),
    ]
    for n in range(steps):
        chosen = rng.integers(300, len(labels), 64)
        loss = loss_of(scores(images[chosen], *weights), labels[chosen])
        loss.backward()
        for w in weights:
            clearprop.assign(w, w.value - 0.5 * w.grad)
            w.grad = None
        if n % 100 == 99:
            print(f"step {n + 1:4}  loss {loss.item():.3f}")
    with clearprop.no_grad():
        found = scores(images[:300], *weights).numpy()
    return float((found.argmax(axis=1) == labels[:300]).mean())


def main() -> int:
    """Train, print what was reached, and return 1 where that is worse than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.steps, given.seed)
    wanted = max((number for steps, number in PROMISED.items() if steps <= given.steps), default=-np.inf)
    took = time.perf_counter() - started
    print(f"{reached:.3f} of the images are read right, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
