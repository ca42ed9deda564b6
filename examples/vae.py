"""An autoencoder and a variational one on scikit-learn's digits: vae.py [--steps N] [--seed S].

An encoder gives for each 8 x 8 image a mean and a spread of 8 numbers, a decoder makes an image of numbers
drawn there (Kingma and Welling, "Auto-encoding variational Bayes", 2014); the loss is a bound on the
surprise at the image. Without the spread it is an autoencoder, which is trained beside it.

Prints the share of the pixels' variance that images kept back keep after both, and the lower one of the two;
fails where that is below what is promised.
"""

import argparse
import sys
import time

import numpy as np
from sklearn.datasets import load_digits

import clearprop
from clearprop import nn, optim

PROMISED = {20: -0.5, 1500: 0.6}  # the share after so many steps, or more
PIXELS, CODE = 64, 8


class Both(nn.Module):
    """Encoder and decoder, with a spread in between or none."""

    def __init__(self, spread: bool) -> None:
        super().__init__()
        self.spread = spread
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 128), nn.ReLU(), nn.Linear(128, 2 * CODE))
        self.decoder = nn.Sequential(nn.Linear(CODE, 128), nn.ReLU(), nn.Linear(128, PIXELS), nn.Sigmoid())

    def forward(self, x, noise):
        """Return the images made again, and how far the code is from the normal distribution, in nats."""
        code = self.encoder(x)
        mean, log_var = code[:, :CODE], code[:, CODE:]
        if not self.spread:
            return self.decoder(mean), 0.0
        apart = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(axis=1).mean()
        return self.decoder(mean + np.exp(log_var / 2) * noise), apart


def kept(model: Both, x: np.ndarray) -> float:
    """Return the share of the variance that images keep, made of the mean code."""
    with clearprop.no_grad():
        again = model(x, np.zeros((len(x), CODE), np.float32))[0].numpy()
    return float(1 - ((again - x) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum())


def train(steps: int, seed: int) -> float:
    """Train both and return the lower share."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images = rng.permutation(load_digits().data.astype(np.float32) / 16)
    shown, other = images[300:], images[:300]
    shares = []
    for spread in (False, True):
        model = Both(spread)
        optimizer = optim.Adam(model.parameters(), lr=2e-3)

        @clearprop.compile
        def step(x, noise, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            again, apart = model(x, noise)
            loss = ((again - x) ** 2).sum(axis=1).mean() / (2 * 0.15**2) + apart
            loss.backward()
            optimizer.step()
            return loss

        for n in range(steps):
            noise = rng.normal(size=(64, CODE)).astype(np.float32)
            loss = step(shown[rng.integers(0, len(shown), 64)], noise)
            if n % 500 == 499:
                print(f"step {n + 1:4}  loss {float(loss):.2f}")
        shares.append(kept(model, other))
    print(f"autoencoder {shares[0]:.3f}, variational {shares[1]:.3f}")
    return min(shares)


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
    print(f"{reached:.3f} of the variance is kept, {wanted:g} promised; {took:.0f} s")
    return int(not reached >= wanted)


if __name__ == "__main__":
    sys.exit(main())
