"""An LSTM in a Python loop, beside PyTorch's: python benchmarks/loops.py [--steps 64] [--scan] [--rounds 15]

Width 128, batch 32, AdamW, float32. Prints the milliseconds of a training step, the least and the median of
rounds that take turns, and the seconds until the first two steps are done (the call that compiles is among
them), with no machine code kept and with that of an earlier run. PyTorch is `nn.LSTM`, and the same loop.

`--scan` compares the layers `nn.RNN`, `nn.GRU` and `nn.LSTM`, which are loops in Python, with the same cells
under `clearprop.scan`, compiled (llvm) and eager, for each of the `--steps`: milliseconds of CPU, on
one core, which a busy neighbour changes least. `--lengths llvm` (or numpy) prints what the first call of each
of ten lengths takes, with a plan for each and with `any_length=True`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import clearprop
from clearprop import Tensor, nn, optim

WIDTH, BATCH, CLASSES = 128, 32, 10
Step = Callable[[], Any]


def starts() -> list[Any]:
    """The four weights: of the inputs, of the state, the gates' bias, of the classes."""
    draw = np.random.RandomState(0)
    shapes = [(WIDTH, 4 * WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH,), (WIDTH, CLASSES)]
    return [(draw.randn(*shape) / np.sqrt(WIDTH)).astype(np.float32) for shape in shapes]


def data(steps: int) -> tuple[Any, Any]:
    draw = np.random.RandomState(1)
    return draw.randn(BATCH, steps, WIDTH).astype(np.float32), draw.randint(0, CLASSES, BATCH)


def ours(steps: int, executor: str) -> Step:
    into, over, bias, last = weights = [Tensor(w) for w in starts()]
    optimizer = clearprop.optim.AdamW(weights, lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        gates = x @ into + bias
        h = c = np.zeros((BATCH, WIDTH), np.float32)
        for t in range(steps):
            z = gates[:, t] + h @ over
            i, f, o = (clearprop.sigmoid(z[:, k * WIDTH : (k + 1) * WIDTH]) for k in (0, 1, 3))
            c = f * c + i * np.tanh(z[:, 2 * WIDTH : 3 * WIDTH])
            h = o * np.tanh(c)
        loss = clearprop.nn.functional.cross_entropy(h @ last, y)
        loss.backward()
        optimizer.step()
        return loss

    compiled, batch = clearprop.compile(step, executor=executor, prove="never"), data(steps)
    return lambda: compiled(*batch)


def torch_loop(steps: int, module: bool) -> Step:
    import torch

    weights = [torch.nn.Parameter(torch.tensor(w)) for w in starts()]
    into, over, bias, last = weights
    lstm = torch.nn.LSTM(WIDTH, WIDTH, batch_first=True)
    used = [*lstm.parameters(), last] if module else weights
    optimizer = torch.optim.AdamW(used, lr=1e-3, fused=True)
    x, y = (torch.tensor(a) for a in data(steps))

    def states() -> Any:
        if module:
            return lstm(x)[0][:, -1]
        gates = x @ into + bias
        h = c = torch.zeros(BATCH, WIDTH)
        for t in range(steps):
            i, f, g, o = (gates[:, t] + h @ over).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(states() @ last, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def layer(kind: str, steps: int, scanned: bool, compiled: bool) -> Step:
    """A training step of a recurrent layer, or of its cell under `scan`."""
    clearprop.manual_seed(0)
    net, head = getattr(nn, kind)(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
    optimizer = clearprop.optim.AdamW([*net.parameters(), *head.parameters()], lr=1e-3)
    zeros = (np.zeros((BATCH, WIDTH), np.float32),) * net.states

    def states(x: Any) -> Any:
        if not scanned:
            return net(x)[0]
        w, u, b, d = (getattr(net, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        if kind != "GRU":  # one sum of biases for all turns, and one product
            b, d = b + d, None
        inputs, state, turned = x @ w.T + b, zeros, u.T

        def turn(state: Any, z: Any) -> Any:
            new = CELLS[kind](state, z, state[0] @ turned if d is None else state[0] @ turned + d)
            return new, new[0]

        return clearprop.scan(turn, state, inputs)[1]

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = clearprop.nn.functional.cross_entropy(head(states(x)[-1]), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = data(steps)
    x = np.ascontiguousarray(x.transpose(1, 0, 2))
    run = clearprop.compile(step, executor="llvm", prove="never") if compiled else step
    return lambda: run(x, y)


def parts(z: Any) -> list[Any]:
    return [z[:, k : k + WIDTH] for k in range(0, z.shape[1], WIDTH)]


def lstm(state: Any, x: Any, z: Any) -> Any:
    i, f, g, o = parts(x + z)
    c = clearprop.sigmoid(f) * state[1] + clearprop.sigmoid(i) * np.tanh(g)
    return clearprop.sigmoid(o) * np.tanh(c), c


def gru(state: Any, x: Any, z: Any) -> Any:
    r, u, n = parts(x)
    reset, kept, new = parts(z)
    n = np.tanh(n + clearprop.sigmoid(r + reset) * new)
    return (n + clearprop.sigmoid(u + kept) * (state[0] - n),)


CELLS: dict[str, Callable[..., Any]] = {
    "RNN": lambda state, x, z: (np.tanh(x + z),),
    "GRU": gru,
    "LSTM": lstm,
}


def scans(lengths: list[int], rounds: int) -> None:
    """Print the layers beside their cells under `scan`, which take turns."""
    os.environ["CLEARPROP_THREADS"] = "1"
    print(f"{'a step, ms: least (median)':<30}{'layer':>18}{'scan':>18}{'layer / scan':>14}   first two, s")
    for compiled in (True, False):
        for kind in CELLS:
            for steps in lengths:
                first: list[float] = []
                made: list[Step] = []
                times: list[list[float]] = [[], []]
                for scanned in (False, True):
                    begin = time.process_time()
                    made.append(layer(kind, steps, scanned, compiled))
                    made[-1](), made[-1]()
                    first.append(time.process_time() - begin)
                for _ in range(rounds):
                    for step, some in zip(made, times, strict=True):
                        step()
                        begin = time.process_time()
                        step()
                        some.append(1e3 * (time.process_time() - begin))
                shown = "".join(f"{f'{min(some):.2f} ({np.median(some):.2f})':>18}" for some in times)
                name = f"{kind}, {steps} steps, {'llvm' if compiled else 'eager'}"
                ratio = min(times[0]) / min(times[1])
                print(f"{name:<30}{shown}{ratio:14.2f}   {first[0]:.2f} {first[1]:.2f}", flush=True)


def lengths(executor: str) -> None:
    """Print what the first call of each of ten lengths takes, and a later one."""
    print(f"{executor}, an LSTM under scan: CPU seconds of a length's first call, ms of a later one")
    print("              a plan for each     any_length=True")
    made = [_first_calls(executor, any_length) for any_length in (False, True)]
    for length, each, one in zip(SEQUENCES, *made, strict=True):
        shown = "".join(f"{first:12.3f} {warm:7.2f}" for first, warm in (each, one))
        print(f"{length:5} steps{shown}", flush=True)


SEQUENCES = (16, 24, 32, 40, 17, 25, 64, 9, 50, 33)


def _first_calls(executor: str, any_length: bool) -> list[tuple[float, float]]:
    clearprop.manual_seed(0)
    model = nn.LSTM(32, 64)
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any) -> Any:
        def turn(state: Any, row: Any) -> Any:
            new = model._step(row, state, "_l0")
            return new, new[0]

        start = tuple(np.zeros((16, 64), np.float32) for _ in range(2))
        _, out = clearprop.scan(turn, start, x)
        optimizer.zero_grad()
        loss = (out * out).mean()
        loss.backward()
        optimizer.step()
        return loss

    run = clearprop.compile(step, executor=executor, any_length=any_length)
    for _ in range(2):  # what an optimizer remembers is made
        run(np.zeros((8, 16, 32), np.float32))
    found = []
    for length in SEQUENCES:
        x, began = np.ones((length, 16, 32), np.float32), time.process_time()
        run(x)
        first, warm = time.process_time() - began, []
        for _ in range(6):
            began = time.process_time()
            run(x)
            warm.append(time.process_time() - began)
        found.append((first, 1e3 * min(warm)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, nargs="*", default=[64])
    parser.add_argument("--scan", action="store_true", help="layers beside their cells under scan")
    parser.add_argument("--lengths", choices=("numpy", "llvm"), help="first calls of ten lengths")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    if given.lengths:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CLEARPROP_CACHE"] = folder
            lengths(given.lengths)
        return
    if given.scan:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CLEARPROP_CACHE"] = folder
            scans(given.steps, given.rounds)
        return
    for steps in given.steps:
        compare(steps, given.rounds)


def compare(steps: int, rounds: int) -> None:
    """Print our loop beside PyTorch's layer and loop."""
    makers: dict[str, Callable[[], Step]] = {
        "clearprop llvm": lambda: ours(steps, "llvm"),
        "clearprop llvm, code kept": lambda: ours(steps, "llvm"),
        "clearprop numpy": lambda: ours(steps, "numpy"),
    }
    if importlib.util.find_spec("torch"):
        makers |= {
            "PyTorch nn.LSTM": lambda: torch_loop(steps, True),
            "PyTorch, the loop": lambda: torch_loop(steps, False),
        }
    made: dict[str, Step] = {}
    first: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLEARPROP_CACHE"] = folder
        for name, make in makers.items():
            begin = time.perf_counter()
            made[name] = make()
            made[name](), made[name]()
            first[name] = time.perf_counter() - begin
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, step in made.items():
            step()  # what the others left in the caches
            begin = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - begin))
    print(f"{steps} steps{'':<20}{'least, ms':>12}{'median, ms':>12}{'first two, s':>14}")
    for name, some in times.items():
        print(f"{name:<28}{min(some):12.1f}{np.median(some):12.1f}{first[name]:14.2f}")


if __name__ == "__main__":
    main()
