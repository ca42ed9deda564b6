"""LeNet on scikit-learn's handwritten digits, in PyTorch's words: lenet.py [--epochs N].

`lenet_torch.py` is the same script; the two differ in their imports alone. Prints the share of test images
that is read right and fails where it is below what is promised.
"""

import argparse
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

PROMISED = {1: 0.3, 12: 0.95}  # the share after so many epochs, or more


class LeNet(nn.Module):
    """Two convolutions, two poolings, two linear layers: (n, 1, 8, 8) to ten scores."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.second = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.inner, self.outer = nn.Linear(128, 64), nn.Linear(64, 10)

    def forward(self, x):
        """Return the scores."""
        x = nn.functional.max_pool2d(torch.relu(self.first(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.second(x)), 2)
        return self.outer(torch.relu(self.inner(torch.flatten(x, 1))))


def main():
    """Train, print what was reached, and return 1 where that is less than promised."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=12)
    epochs = parser.parse_args().epochs
    torch.manual_seed(0)
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(found.target)
    learn, held = train_test_split(range(len(labels)), test_size=0.2, random_state=0)
    batches = DataLoader(TensorDataset(images[learn], labels[learn]), batch_size=32, shuffle=True)
    model = LeNet()
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=0.003)
    for epoch in range(epochs):
        model.train()
        for x, y in batches:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1:2}  loss of the last batch {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        right = (model(images[held]).argmax(dim=1) == labels[held]).float().mean().item()
    wanted = max((share for n, share in PROMISED.items() if n <= epochs), default=0.0)
    print(f"{right:.2%} of the test images are read right, {wanted:.0%} promised")
    return int(right < wanted)


if __name__ == "__main__":
    sys.exit(main())
