"""An LSTM recalls the first of many letters, in PyTorch's words: recall.py [--steps N].

`recall_torch.py` is the same script; the two differ in their imports alone. The network reads eight letters
and says which came first. Prints how often it is right and fails where that is below what is promised.
"""

import argparse
import sys

import torch
from torch import nn

PROMISED = {20: 0.2, 300: 0.95}  # the share after so many steps, or more
LETTERS, LENGTH = 6, 8


class Reader(nn.Module):
    """A vector for each letter, an LSTM over them, and a score for each letter from its last state."""

    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(LETTERS, 16)
        self.cells = nn.LSTM(16, 48, batch_first=True)
        self.scores = nn.Linear(48, LETTERS)

    def forward(self, words):
        """Return scores of shape (n, LETTERS)."""
        _, (state, _) = self.cells(self.letters(words))
        return self.scores(state[-1])


def main():
    """Train, print what was reached, and return 1 where that is less than promised."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    model = Reader()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        words = torch.randint(0, LETTERS, (64, LENGTH))
        loss = nn.functional.cross_entropy(model(words), words[:, 0])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1:3}  loss {loss.item():.4f}")
    with torch.no_grad():
        words = torch.randint(0, LETTERS, (500, LENGTH))
        right = (model(words).argmax(dim=1) == words[:, 0]).float().mean().item()
    wanted = max((share for n, share in PROMISED.items() if n <= steps), default=0.0)
    print(f"{right:.1%} are recalled right, {wanted:.0%} promised")
    return int(right < wanted)


if __name__ == "__main__":
    sys.exit(main())
