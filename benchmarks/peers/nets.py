"""Training steps of whole networks, each written once and built of either library's layers.

`python benchmarks/training_step.py --nets` prints milliseconds a step of each and PyTorch's best over ours.
Every contender runs in a process of its own; they take turns. JAX has no layers, so it is not among them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CONTENDERS = ("clearprop numpy", "clearprop llvm", "torch eager", "torch fused")


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def digits(nn: Any) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10)),
    )


def convolution(nn: Any) -> Any:
    return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def resnet(nn: Any) -> Any:
    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.one, self.two, self.relu = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs), nn.ReLU()
            self.around = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            return self.relu(self.around(x) + self.two(self.second(self.relu(self.one(self.first(x))))))

    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    blocks = (Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *blocks, *head)


def recurrent(kind: str) -> Callable[[Any], Any]:
    def build(nn: Any) -> Any:
        class Net(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layer, self.scores = getattr(nn, kind)(128, 128), nn.Linear(128, 10)

            def forward(self, x: Any) -> Any:
                return self.scores(self.layer(x)[0][-1])

        return Net()

    return build


def transformer(size: int, length: int, patch: int) -> Callable[[Any], Any]:
    """Return what builds two layers of attention over parts of the input, and a mean of what they give."""

    def build(nn: Any) -> Any:
        class Net(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.first = nn.Linear(patch, size)
                options = {
                    "dim_feedforward": 4 * size,
                    "dropout": 0.0,
                    "batch_first": True,
                    "norm_first": True,
                }
                layers = [nn.TransformerEncoderLayer(size, 4, activation="gelu", **options) for _ in range(2)]
                self.layers, self.scores = nn.ModuleList(layers), nn.Linear(size, 10)

            def forward(self, x: Any) -> Any:
                x = self.first(x)
                for layer in self.layers:
                    x = layer(x)
                return self.scores(x.mean(1))

        return Net()

    return build


NETS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], int]] = {
    "LeNet 28x28 b64": (lenet, (64, 1, 28, 28), 10),
    "digits CNN 8x8 b64": (digits, (64, 1, 8, 8), 10),
    "ResNet-8 32x32 b32": (resnet, (32, 3, 32, 32), 10),
    "conv 64-64 32x32 b8": (convolution, (8, 64, 32, 32), 64),
    "LSTM 128 T64 b32": (recurrent("LSTM"), (64, 32, 128), 10),
    "GRU 128 T64 b32": (recurrent("GRU"), (64, 32, 128), 10),
    "attention 2x128 T64 b16": (transformer(128, 64, 64), (16, 64, 64), 10),
    "ViT-tiny 2x64 16 patches b64": (transformer(64, 16, 48), (64, 16, 48), 10),
}  # fmt: skip


def stepper(contender: str, name: str) -> Callable[[], Any]:
    """Return the training step of a contender, to be called without arguments."""
    build, shape, classes = NETS[name]
    rows = shape[1] if name[:3] in ("LST", "GRU") else shape[0]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=shape).astype(np.float32), rng.integers(0, classes, rows)
    library, how = contender.split()
    if library == "torch":
        import torch

        model, a, b = build(torch.nn), torch.tensor(x), torch.tensor(y)
        if x.ndim == 4 and how == "fused":
            model, a = model.to(memory_format=torch.channels_last), a.to(memory_format=torch.channels_last)
        adam = torch.optim.AdamW(model.parameters(), 1e-3, fused=how == "fused")

        def theirs() -> Any:
            adam.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(a), b)
            loss.backward()
            adam.step()
            return loss

        return theirs
    from clearprop import compile, nn, optim

    net = build(nn)
    optimizer = optim.AdamW(net.parameters(), 1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    planned = compile(step, executor=how, prove="never")
    return lambda: planned(x, y)


def work(contender: str, name: str) -> None:
    """Print the seconds of the first step, and then of a round of steps for each line that is read."""
    started = time.perf_counter()
    step = stepper(contender, name)
    step()
    print(time.perf_counter() - started, flush=True)
    for line in sys.stdin:
        taken, until = [], time.perf_counter() + float(line)
        while not taken or time.perf_counter() < until:
            started = time.perf_counter()
            step()
            taken.append(time.perf_counter() - started)
        print(statistics.median(taken), flush=True)


def compare(only: list[str], rounds: int, seconds: float) -> None:
    """Print the table: milliseconds a step, seconds of the first, and PyTorch's best over our best."""
    print(f"{'':30}" + "".join(f"{c:>17}" for c in CONTENDERS) + f"{'best ratio':>12}   first calls, s")
    for name in only or NETS:
        command = [sys.executable, str(Path(__file__).resolve())]
        running = [
            subprocess.Popen([*command, c, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for c in CONTENDERS
        ]
        firsts = [float(p.stdout.readline()) for p in running if p.stdout]
        times: list[list[float]] = [[] for _ in running]
        for _ in range(rounds):
            for process, kept in zip(running, times, strict=True):
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(f"{seconds}\n")
                process.stdin.flush()
                kept.append(float(process.stdout.readline()))
        for process in running:
            process.communicate()
        best = [min(kept) for kept in times]
        ratio = min(best[2:]) / min(best[:2])
        shown = "".join(f"{1e3 * b:14.2f} ms" for b in best)
        print(f"{name:30}{shown}{ratio:12.2f}   " + " ".join(f"{f:.1f}" for f in firsts), flush=True)


if __name__ == "__main__":
    work(*sys.argv[1:])
