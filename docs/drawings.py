"""Draws the README's graphs into docs/images: `python docs/drawings.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import clearprop
from clearprop import Tensor, nn

IMAGES = Path(__file__).parent / "images"


def lecture() -> clearprop.see.Drawing:
    """Return the lecture's graph in which b is used twice."""
    a, b = Tensor(7.0), Tensor(3.0)
    c = a + b
    d = b**3
    e = c * d
    e.backward()
    return clearprop.draw(e, title="(a + b) * b**3")


def regression() -> clearprop.see.Drawing:
    """Return a linear regression with every number of every gradient."""
    X, y = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), Tensor([0.0, 1.0, 2.0])
    w = Tensor([1.0, -1.0])
    loss = np.mean((X @ w - y) ** 2)
    loss.backward()
    return clearprop.draw(loss, title="mean((X @ w - y)**2)")


def network(layers: int, **how: object) -> clearprop.see.Drawing:
    """Return a classifier of this many tanh layers with its loss on 64 random inputs."""
    clearprop.manual_seed(0)
    draw = np.random.default_rng(0)
    x, labels = draw.normal(size=(64, 20)).astype(np.float32), draw.integers(0, 10, 64)
    hidden = [part for _ in range(layers - 1) for part in (nn.Linear(20, 20), nn.Tanh())]
    net = nn.Sequential(*hidden, nn.Linear(20, 10))
    loss = nn.CrossEntropyLoss()(net(x), labels)
    loss.backward()
    return clearprop.draw(loss, net, title=f"A network of {layers} layers", **how)


def main() -> None:
    """Write every drawing."""
    IMAGES.mkdir(exist_ok=True)
    for name, drawing in {
        "lecture": lecture(),
        "regression": regression(),
        "two-layers": network(2, expand="all"),
        "fifty-layers": network(50),
    }.items():
        print("wrote", drawing.save(IMAGES / f"{name}.svg"))


if __name__ == "__main__":
    main()
