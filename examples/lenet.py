"""LeNet on handwritten digits, or any pictures: lenet.py [--data FOLDER] [--epochs N] [--seed S].

LeNet (LeCun et al., "Gradient-based learning applied to document recognition", 1998) was made for images of
28 x 28 pixels; here are 3 x 3 kernels for 8 x 8, one convolution more and ReLU. A fifth of the
1,797 images is kept back for the test. Every epoch sees the others turned, stretched and moved a little.
`--data` is MNIST's or CIFAR's files as they come, in their folder, or a folder of pictures for each class:
then it is LeNet as it was, with ReLU.

Prints the test accuracy and fails where it stays below what is promised for that many epochs of the digits.
"""

import argparse
import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import clearprop
from clearprop import nn, optim
from clearprop.data.pictures import read_pictures
from clearprop.data.split import three_parts
from clearprop.nn import functional as F
from clearprop.train.average import Average
from clearprop.train.networks import lenet

PROMISED = {1: 0.30, 4: 0.85, 60: 0.99}  # the test accuracy after so many epochs, or more


def build() -> nn.Module:
    """Return the network: (n, 1, 8, 8) to ten scores."""
    return nn.Sequential(
        nn.Conv2d(1, 24, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(24, 48, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(192, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def digits(seed: int) -> list[np.ndarray]:
    """Return images and labels to train with, and those of the test."""
    found = load_digits()
    images = (found.images[:, None] / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(
        images, found.target, test_size=0.2, stratify=found.target, random_state=seed
    )
    return [x, y, x_test, y_test]


def pictures(path: str, seed: int) -> list[np.ndarray]:
    """Return images and labels of files or a folder, to train with and of the test, as the files say."""
    found = read_pictures(path)
    images = (found.images / 255).astype(np.float32)
    if found.parts is None:
        learn, _, test = three_parts(len(images), 0.0, 0.2, classes=found.labels, seed=seed)
    else:
        learn, test = np.flatnonzero(found.parts == 0), np.flatnonzero(found.parts == 2)
    return [images[learn], found.labels[learn], images[test], found.labels[test]]


def moved(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the images, each turned by up to 8 degrees, stretched by 8 % and moved by a third of a pixel."""
    n = len(x)
    angle, slant = np.radians(rng.uniform(-8, 8, n)), rng.uniform(-0.15, 0.15, n)
    stretch = rng.uniform(0.92, 1.08, n)
    right, down = rng.uniform(-0.09, 0.09, (2, n))
    along, across = stretch * np.cos(angle), np.sin(angle)
    theta = np.array([[along, slant - across, right], [across, along, down]], np.float32).transpose(2, 0, 1)
    return F.grid_sample(x, F.affine_grid(theta, x.shape))


def train(epochs: int, seed: int, data: str | None = None, batch: int = 64) -> float:
    """Train and return the share of test images that are read right."""
    clearprop.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y, x_test, y_test = digits(seed) if data is None else pictures(data, seed)
    model = build() if data is None else lenet(x.shape[1:], 1 + int(y.max()))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    steps = len(x) // batch
    schedule = optim.OneCycleLR(optimizer, max_lr=5e-3, total_steps=epochs * steps)

    mean = Average(model, swa=epochs * 2 // 3 + 1)  # of the last third: a single epoch is a matter of luck

    @clearprop.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    for epoch in range(epochs):
        order, seen = rng.permutation(len(x))[: steps * batch], moved(x, rng)
        losses = []
        for chosen in np.split(order, steps):
            losses.append(float(step(seen[chosen], y[chosen])))
            schedule.step()
        mean.epoch_done(epoch + 1)
        if epoch % 5 == 4 or epoch == epochs - 1:
            print(f"epoch {epoch + 1:3}  loss {np.mean(losses):.4f}  test {share(model, x_test, y_test):.2%}")
    mean.put()
    return share(model, x_test, y_test)


def share(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of images that are read right."""
    model.eval()
    with clearprop.no_grad():
        found = np.argmax(model(x), axis=1).numpy()
    model.train()
    return float(np.mean(found == y))


def main() -> int:
    """Train, print what was reached, and return 1 where that is less than promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", metavar="FOLDER")
    given = parser.parse_args()
    started = time.perf_counter()
    reached = train(given.epochs, given.seed, given.data)
    promised = PROMISED if given.data is None else {}
    wanted = max((share for epochs, share in promised.items() if epochs <= given.epochs), default=0.0)
    took = time.perf_counter() - started
    print(f"{reached:.2%} of the test images are read right, {wanted:.0%} promised; {took:.0f} s")
    return int(reached < wanted)


if __name__ == "__main__":
    sys.exit(main())
