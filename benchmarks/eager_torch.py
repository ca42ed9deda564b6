"""Small arrays through `clearprop.torch`, eagerly, beside PyTorch: `python benchmarks/eager_torch.py`.

Each row is one program, run with either library under the name `torch`: operations with a gradient wanted and
without, layers, indexing, and whole training steps. CPU time of one thread in microseconds, the least of the
rounds, which alternate between the libraries; `peer / ours` above 1 says that clearprop.torch is ahead.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from typing import Any

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "CLEARPROP_THREADS", "OMP_NUM_THREADS"), "1")

import numpy as np

import clearprop.torch

Run = Callable[[], Any]
rng = np.random.default_rng(0)
SHAPES = {"x": (32, 16), "w": (16, 16)}
TABLES = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
HEADS = rng.normal(size=(3, 2, 4, 8, 16)).astype(np.float32)


def operations(torch: Any) -> dict[str, Run]:
    """Return single operations on 32 x 16 numbers: with gradients to be remembered, then without."""
    F = torch.nn.functional
    x, w = (torch.tensor(TABLES[name].tolist(), requires_grad=True) for name in ("x", "w"))
    plain, b = x.detach().clone(), torch.zeros(16, requires_grad=True)
    q, k, v = (torch.tensor(t.tolist(), requires_grad=True) for t in HEADS)
    rows = torch.tensor([3, 1, 4, 1, 5])
    norm, linear = torch.nn.LayerNorm(16), torch.nn.Linear(16, 16)
    return {
        "x + y": lambda: x + plain,
        "x * 2.0": lambda: x * 2.0,
        "x @ w": lambda: x @ w,
        "F.linear(x, w, b)": lambda: F.linear(x, w, b),
        "nn.Linear": lambda: linear(x),
        "torch.relu(x)": lambda: torch.relu(x),
        "torch.softmax(x, -1)": lambda: torch.softmax(x, -1),
        "F.layer_norm": lambda: F.layer_norm(x, (16,), norm.weight, norm.bias),
        "nn.LayerNorm": lambda: norm(x),
        "attention 2x4x8x16": lambda: F.scaled_dot_product_attention(q, k, v),
        "x.sum()": lambda: x.sum(),
        "x.mean(dim=1)": lambda: x.mean(dim=1),
        "x[3]": lambda: x[3],
        "x[2:9, 1]": lambda: x[2:9, 1],
        "x[index]": lambda: x[rows],
        "torch.cat([x, x])": lambda: torch.cat([x, x]),
        "x.transpose(0, 1)": lambda: x.transpose(0, 1),
        "x.view(4, 8, 16)": lambda: x.view(4, 8, 16),
        "plain + plain": lambda: plain + plain,
        "plain.add_(1e-9)": lambda: plain.add_(1e-9),
        "plain.exp()": lambda: plain.exp(),
        "plain > 0": lambda: plain > 0,
        "plain.argmax(1)": lambda: plain.argmax(1),
        "x.shape": lambda: x.shape,
        "x.detach()": lambda: x.detach(),
        "s.item()": lambda: plain[0, 0].item(),
    }


def forgetting(torch: Any) -> dict[str, Run]:
    """Return layers inside of `torch.no_grad()`."""
    mlp = perceptron(torch)
    x = torch.tensor(TABLES["x"].tolist())

    def run() -> Any:
        with torch.no_grad():
            return mlp(x)

    return {"no_grad: MLP 16-32-10": run}


def perceptron(torch: Any) -> Any:
    """Return the network of the rows that train."""
    nn = torch.nn
    return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10))


def steps(torch: Any) -> dict[str, Run]:
    """Return training steps of two layers on 32 rows, and one of a hand-written layer."""
    F, x = torch.nn.functional, torch.tensor(TABLES["x"].tolist())
    y = torch.arange(32) % 10
    found: dict[str, Run] = {}
    for name in ("SGD", "Adam"):
        model = perceptron(torch)
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=1e-4)

        def step(model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        found[f"step: MLP 16-32-10, {name}"] = step
    w, b = torch.zeros(16, 1, requires_grad=True), torch.zeros(1, requires_grad=True)

    def by_hand() -> Any:
        loss = ((x @ w + b - 1.0) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for p in (w, b):
                p -= 1e-4 * p.grad
                p.grad.zero_()
        return loss

    found["step: line by hand"] = by_hand
    return found


def block(torch: Any) -> dict[str, Run]:
    """Return one word's way through a block of a GPT, as PyTorch programs write it."""
    nn, width, heads = torch.nn, 128, 4
    F = nn.functional
    before, between = nn.LayerNorm(width), nn.LayerNorm(width)
    three, out = nn.Linear(width, 3 * width), nn.Linear(width, width)
    wide, narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
    held = torch.zeros(2, heads, 64, width // heads)
    word = torch.zeros(width) + 0.5

    def run() -> Any:
        with torch.no_grad():
            q, k, v = three(before(word)).view(3, heads, 1, width // heads)
            k, v = torch.cat([held[0], k], 1), torch.cat([held[1], v], 1)
            x = word + out(F.scaled_dot_product_attention(q, k, v).reshape(width))
            return x + narrow(F.gelu(wide(between(x))))

    return {"no_grad: a word through a block": run}


def measured(run: Run, seconds: float) -> float:
    """Return the CPU seconds of one call, of as many as fill the time."""
    count, spent = 1, 0.0
    while spent < seconds / 4:
        count *= 4
        spent = _of(run, count)
    return _of(run, max(1, int(count * seconds / spent))) / max(1, int(count * seconds / spent))


def _of(run: Run, count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        run()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.02, help="of one measurement")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    options = parser.parse_args()
    libraries: dict[str, Any] = {"clearprop.torch": clearprop.torch}
    try:
        import torch

        torch.set_num_threads(1)
        libraries["PyTorch"] = torch
    except ImportError:
        pass
    rows = [
        {k: v for make in (operations, forgetting, steps, block) for k, v in make(library).items()}
        for library in libraries.values()
    ]
    print(f"| us of CPU | {' | '.join(libraries)} | peer / ours |\n|---|{'---|' * len(libraries)}---|")
    ratios = []
    for name in rows[0]:
        if options.only not in name:
            continue
        least = [math.inf] * len(rows)
        for _ in range(options.rounds):
            for i, row in enumerate(rows):
                least[i] = min(least[i], measured(row[name], options.seconds))
        ratios.append(least[-1] / least[0])
        cells = " | ".join(f"{1e6 * t:.2f}" for t in least)
        print(f"| {name} | {cells} | {ratios[-1]:.2f} |", flush=True)
    print(f"geometric mean of peer / ours: {math.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
