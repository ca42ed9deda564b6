"""Training steps of whole networks, each written once and built of either library's layers.

`python benchmarks/training_step.py --nets` prints for each network and contender the milliseconds of a step,
the seconds of the first two, and the megabytes at most that steps took beside what was there before; and the
best peer over our best. Every contender runs in a process of its own; they take turns. JAX has no layers: its
networks are written out in `nets_jax.py`, but for the last three. PyTorch's have channels first (eager) and
last (fused). With `--one-core` each is kept to one core and all times are CPU time, which a busy machine
lengthens little.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CONTENDERS = ("clearprop eager", "clearprop llvm", "torch eager", "torch fused", "jax jit")
OURS = 2  # the first of these are ours


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


def own_cell(scanned: bool) -> Callable[[Any], Any]:
    """Return what builds a cell of one's own, a gate and a candidate, in a Python loop or under `scan`."""

    def build(nn: Any) -> Any:
        ours = nn.__name__.startswith("clearprop")
        if ours:
            import clearprop as library
        else:
            import torch as library
        tanh = np.tanh if ours else library.tanh

        class Net(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.into, self.over = nn.Linear(128, 256), nn.Linear(128, 256, bias=False)
                self.scores = nn.Linear(128, 10)

            def forward(self, x: Any) -> Any:
                z, h = self.into(x), 0 * x[0]
                if scanned and ours:
                    h, _ = library.scan(lambda h, z: (self.turn(h, z), None), h, z)
                else:
                    for t in range(x.shape[0]):
                        h = self.turn(h, z[t])
                return self.scores(h)

            def turn(self, h: Any, z: Any) -> Any:
                z = z + self.over(h)
                gate = library.sigmoid(z[:, :128])
                return gate * h + (1 - gate) * tanh(z[:, 128:])

        return Net()

    return build


def attention(nn: Any, size: int, heads: int, causal: bool) -> Any:
    """Return a block: attention and a net for each place, both after a norm and beside a shortcut."""
    F = nn.functional

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.LayerNorm(size), nn.LayerNorm(size)
            self.inputs, self.output = nn.Linear(size, 3 * size), nn.Linear(size, size)
            self.net = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

        def forward(self, x: Any) -> Any:
            rows, length = x.shape[:2]
            z = self.inputs(self.one(x)).reshape(rows, length, 3 * heads, size // heads).swapaxes(1, 2)
            q, k, v = (z[:, i * heads : (i + 1) * heads] for i in range(3))
            z = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            x = x + self.output(z.swapaxes(1, 2).reshape(rows, length, size))
            return x + self.net(self.two(x))

    return Block()


def transformer(depth: int, size: int, length: int, inputs: int, words: bool) -> Callable[[Any], Any]:
    """Return what builds a GPT over words, or a ViT over patches whose mean is scored."""

    def build(nn: Any) -> Any:
        class Net(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.first = nn.Embedding(inputs, size) if words else nn.Linear(inputs, size)
                self.places = nn.Embedding(length, size)
                blocks = [attention(nn, size, max(1, size // 64), words) for _ in range(depth)]
                self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(size)
                self.scores = nn.Linear(size, inputs if words else 10)

            def forward(self, x: Any) -> Any:
                x = self.norm(self.blocks(self.first(x) + self.places.weight))
                return self.scores(x).reshape(-1, inputs) if words else self.scores(x.mean(1))

        return Net()

    return build


def unet(nn: Any) -> Any:
    """Return a net for each pixel: twice down, and up again by transposed convolutions, with skips."""
    library = _library(nn)

    def block(i: int, o: int) -> Any:
        convolution = nn.Conv2d(i, o, 3, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(o), nn.ReLU())

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([block(3, 16), block(16, 32), block(32, 64)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)])
            self.after = nn.ModuleList([block(64, 32), block(32, 16)])
            self.pool, self.scores = nn.MaxPool2d(2), nn.Conv2d(16, 4, 1)

        def forward(self, x: Any) -> Any:
            x = first = self.down[0](x)
            x = second = self.down[1](self.pool(x))
            x = self.down[2](self.pool(x))
            for k, skip in enumerate((second, first)):
                x = self.after[k](library.concatenate([skip, self.up[k](x)], 1))
            return self.scores(x)

    return Net()


def translator(nn: Any) -> Any:
    """Return an encoder and a decoder over words: the first half of each row is read, the other written."""

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(WORDS, 128), nn.Embedding(64, 128)
            self.net = nn.Transformer(128, 4, 2, 2, 512, dropout=0.0, batch_first=True)
            self.scores = nn.Linear(128, WORDS)

        def forward(self, x: Any) -> Any:
            source, target = (self.words(part) + self.places.weight for part in (x[:, :64], x[:, 64:]))
            later = nn.Transformer.generate_square_subsequent_mask(64)
            return self.scores(self.net(source, target, tgt_mask=later)).reshape(-1, WORDS)

    return Net()


def attending(nn: Any) -> Any:
    """A GRU that reads a row's first half, and a cell in a loop that writes, looking at what it read."""
    library, F = _library(nn), nn.functional

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(WORDS, 64)
            self.reader, self.writer = nn.GRU(64, 128, batch_first=True), nn.GRUCell(192, 128)
            self.query, self.key, self.score = nn.Linear(128, 64), nn.Linear(128, 64), nn.Linear(64, 1)
            self.scores = nn.Linear(256, WORDS)

        def forward(self, x: Any) -> Any:
            half, z, found = x.shape[1] // 2, self.words(x), []
            read, last = self.reader(z[:, :half])
            h, keys = last[0], self.key(read)
            for t in range(half, x.shape[1]):
                energy = self.score(library.tanh(keys + self.query(h)[:, None]))[..., 0]
                seen = (F.softmax(energy, 1)[:, None] @ read)[:, 0]
                h = self.writer(library.concatenate([z[:, t], seen], 1), h)
                found.append(library.concatenate([h, seen], 1))
            return self.scores(library.stack(found, 1)).reshape(-1, WORDS)

    return Net()


def _library(nn: Any) -> Any:
    if nn.__name__.startswith("clearprop"):
        return np
    import torch

    return torch


WORDS = 65
NETS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], int]] = {
    "LeNet 28x28 b64": (lenet, (64, 1, 28, 28), 10),
    "digits CNN 8x8 b64": (digits, (64, 1, 8, 8), 10),
    "ResNet-8 32x32 b32": (resnet, (32, 3, 32, 32), 10),
    "conv 64-64 32x32 b8": (convolution, (8, 64, 32, 32), 64),
    "LSTM 128 T64 b32": (recurrent("LSTM"), (64, 32, 128), 10),
    "GRU 128 T64 b32": (recurrent("GRU"), (64, 32, 128), 10),
    "RNN 128 T64 b32": (recurrent("RNN"), (64, 32, 128), 10),
    "own cell, loop, T64 b32": (own_cell(False), (64, 32, 128), 10),
    "own cell, scan, T64 b32": (own_cell(True), (64, 32, 128), 10),
    "GPT 2x128 T64 b16": (transformer(2, 128, 64, WORDS, True), (16, 64), WORDS),
    "GPT 4x256 T256 b8": (transformer(4, 256, 256, WORDS, True), (8, 256), WORDS),
    "ViT-tiny 6x192 P64 b8": (transformer(6, 192, 64, 48, False), (8, 64, 48), 10),
    "U-Net 64x64 b8": (unet, (8, 3, 64, 64), 4),
    "encoder, decoder 2x128 b16": (translator, (16, 128), WORDS),
    "seq2seq, own loop, b32": (attending, (32, 32), WORDS),
}  # fmt: skip


def data(name: str) -> tuple[Any, Any]:
    """Return a batch: words and the words that follow, sequences by steps, or rows; and classes."""
    _, shape, classes = NETS[name]
    rng = np.random.default_rng(0)
    if len(shape) == 2:
        x, y = rng.integers(0, WORDS, shape), rng.integers(0, WORDS, shape)
        return x, (y if name.startswith("GPT") else y[:, shape[1] // 2 :]).reshape(-1)
    rows: Any = shape[1] if "T64" in name else shape[0]
    if name.startswith("U-Net"):
        rows = (shape[0], *shape[2:])
    return rng.normal(size=shape).astype(np.float32), rng.integers(0, classes, rows)


def stepper(contender: str, name: str) -> Callable[[], Any]:
    """Return the training step of a contender, to be called without arguments."""
    build = NETS[name][0]
    (x, y), (library, how) = data(name), contender.split()
    if library == "jax":
        from nets_jax import stepper as written_out

        return written_out(name, x, y)
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

    planned = step if how == "eager" else compile(step, executor=how, prove="never")
    return lambda: planned(x, y)


def peak() -> int:
    """Return the bytes of memory that this process held at most."""
    found = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    return 1024 * int(found[1]) if found else 0


def work(contender: str, name: str, *one_core: str) -> None:
    """Print the seconds of the first two steps, for each line read those of a step, and then megabytes."""
    clock = time.perf_counter
    if one_core:
        cores, clock = sorted(os.sched_getaffinity(0)), time.process_time
        os.sched_setaffinity(0, {cores[os.getppid() % len(cores)]})  # all contenders on the same
    step, before = stepper(contender, name), peak()
    started = clock()
    step()
    step()  # an optimizer makes its memory in the first: it is the second that is compiled
    print(clock() - started, flush=True)
    for line in sys.stdin:
        taken, until = [], clock() + float(line)
        while not taken or clock() < until:
            started = clock()
            step()
            taken.append(clock() - started)
        print(statistics.median(taken), flush=True)
    print((peak() - before) / 1e6, flush=True)


def compare(only: list[str], rounds: int, seconds: float, one_core: bool = False) -> None:
    """Print the table: a step, the first two, megabytes; and the best peer over our best."""
    how = ["--one-core"] * one_core
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"} if one_core else None
    head = "".join(f"{c:>24}" for c in CONTENDERS)
    print(f"{'ms a step | s first two | MB':30}{head}   best peer / ours")
    for name in only or NETS:
        command = [sys.executable, str(Path(__file__).resolve())]
        running = [
            subprocess.Popen(
                [*command, c, name, *how],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for c in CONTENDERS
        ]
        firsts = [_number(p) for p in running]
        times: list[list[float]] = [[] for _ in running]
        for _ in range(rounds):
            for process, kept in zip(running, times, strict=True):
                assert process.stdin is not None
                if process.poll() is None:
                    process.stdin.write(f"{seconds}\n")
                    process.stdin.flush()
                kept.append(_number(process))
        most = [float((process.communicate()[0] or "nan").split()[-1]) for process in running]
        best = [1e3 * min(kept) for kept in times]
        cells = [f"{b:.2f} | {f:.1f} | {m:.0f}" for b, f, m in zip(best, firsts, most, strict=True)]
        ratio = np.nanmin(best[OURS:]) / np.nanmin(best[:OURS])
        print(f"{name:30}" + "".join(f"{cell:>24}" for cell in cells) + f"{ratio:12.2f}", flush=True)


def _number(process: Any) -> float:
    """Return what a contender prints next; NaN of one that has ended, as where its library is missing."""
    return float(process.stdout.readline() or "nan")


if __name__ == "__main__":
    work(*sys.argv[1:])
