"""A variational autoencoder of two moons, in PyTorch's words: moons.py [--steps N].

`moons_torch.py` is the same script; the two differ in their imports alone. The encoder gives a mean and a
spread of one hidden number for each point (Kingma and Welling, arXiv 1312.6114). Prints the loss and fails
where it is above what is promised.
"""

import argparse
import math
import sys

import torch
from torch import nn

PROMISED = {50: 2.2, 800: 0.9}  # the loss after so many steps, or less


def points(count):
    """Return points on two half circles, with a little noise."""
    angle, upper = math.pi * torch.rand(count), torch.rand(count) < 0.5
    x = torch.where(upper, torch.cos(angle), 1 - torch.cos(angle))
    y = torch.where(upper, torch.sin(angle), 0.5 - torch.sin(angle))
    return torch.stack([x, y], dim=1) + 0.05 * torch.randn(count, 2)


class Autoencoder(nn.Module):
    """Points to the mean and the logarithm of the variance of one number, and back."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 2))
        self.decoder = nn.Sequential(
            nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2)
        )

    def forward(self, x):
        """Return the loss: half the squared error by 0.1 squared, and the divergence from N(0, 1)."""
        mean, logvar = self.encoder(x).chunk(2, dim=1)
        hidden = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        error = ((self.decoder(hidden) - x) ** 2).sum(dim=1) / 0.1**2 / 2
        divergence = -0.5 * (1 + logvar - mean**2 - logvar.exp()).sum(dim=1)
        return (error + divergence).mean() / 10


def main():
    """Train, print what was reached, and return 1 where that is more than promised."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=800)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(steps):
        loss = model(points(128))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 99:
            print(f"step {step + 1:3}  loss {loss.item():.4f}")
    with torch.no_grad():
        reached = model(points(2000)).item()
    wanted = min((number for n, number in PROMISED.items() if n <= steps), default=math.inf)
    print(f"loss {reached:.3f}, {wanted:g} promised")
    return int(not reached <= wanted)


if __name__ == "__main__":
    sys.exit(main())
