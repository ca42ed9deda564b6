"""Eager forward + backward on small arrays, beside PyTorch, HIPS autograd and MyGrad, interleaved in one run.

    python benchmarks/eager.py [--rounds 60] [--json FILE] [--cpu]

Three workloads: an MLP 13-32-1 with tanh and squared loss on a batch of 32 (float32), a chain of 100
operations between an array of ten entries and numbers (float64), and a module 13-32-3 applied to one row
inside `no_grad()`, beside the same with gradients. Every library runs its own idiom and, but for the last,
computes the gradients of all parameters. The rounds are interleaved, so that a machine that changes speed
changes it for everybody, and the median of the rounds is printed. Peers that are not installed are left out.
With `--cpu` it is the process's CPU time and the least of the rounds, one thread for everybody, for use
beside other programs (run it with OPENBLAS_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[], list[np.ndarray]]

rng = np.random.default_rng(0)
X = rng.normal(size=(32, 13)).astype(np.float32)
Y = rng.normal(size=(32, 1)).astype(np.float32)
SHAPES = ((13, 32), (32,), (32, 1), (1,))
WEIGHTS = [(rng.normal(size=s) * 0.3).astype(np.float32) for s in SHAPES]
START = rng.normal(size=10)
ROW_SHAPES = {"0.weight": (32, 13), "0.bias": (32,), "2.weight": (3, 32), "2.bias": (3,)}
ROW_STATE = {name: (rng.normal(size=s) * 0.3).astype(np.float32) for name, s in ROW_SHAPES.items()}
CHAIN = 25  # rounds of four operations: * number, + number, tanh, - number


def clearprop_mlp() -> Run:
    from clearprop import Tensor

    params = [Tensor(w) for w in WEIGHTS]

    def run() -> list[np.ndarray]:
        for p in params:
            p.grad = None
        w1, b1, w2, b2 = params
        loss = ((np.tanh(X @ w1 + b1) @ w2 + b2 - Y) ** 2).mean()
        loss.backward()
        return [p.grad for p in params]

    return run


def torch_mlp() -> Run:
    import torch

    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    params = [torch.from_numpy(w.copy()).requires_grad_() for w in WEIGHTS]

    def run() -> list[np.ndarray]:
        for p in params:
            p.grad = None
        w1, b1, w2, b2 = params
        loss = ((torch.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()
        loss.backward()
        return [p.grad.numpy() for p in params]

    return run


def autograd_mlp() -> Run:
    import autograd.numpy as anp
    from autograd import grad

    def loss(params: list[np.ndarray]) -> float:
        w1, b1, w2, b2 = params
        return anp.mean((anp.dot(anp.tanh(anp.dot(X, w1) + b1), w2) + b2 - Y) ** 2)

    gradient = grad(loss)
    return lambda: gradient(WEIGHTS)


def mygrad_mlp() -> Run:
    import mygrad as mg

    params = [mg.tensor(w) for w in WEIGHTS]

    def run() -> list[np.ndarray]:
        w1, b1, w2, b2 = params
        loss = ((mg.tanh(X @ w1 + b1) @ w2 + b2 - Y) ** 2).mean()
        loss.backward()
        return [p.grad for p in params]

    return run


def chain_of(tanh: Callable, x: object) -> object:
    y = x
    for _ in range(CHAIN):
        y = tanh(y * 1.01 + 0.01) - 0.02
    return y


def clearprop_chain() -> Run:
    from clearprop import Tensor

    def run() -> list[np.ndarray]:
        x = Tensor(START)
        chain_of(np.tanh, x).sum().backward()
        return [x.grad]

    return run


def torch_chain() -> Run:
    import torch

    def run() -> list[np.ndarray]:
        x = torch.tensor(START, requires_grad=True)
        chain_of(torch.tanh, x).sum().backward()
        return [x.grad.numpy()]

    return run


def autograd_chain() -> Run:
    import autograd.numpy as anp
    from autograd import grad

    gradient = grad(lambda x: anp.sum(chain_of(anp.tanh, x)))
    return lambda: [gradient(START)]


def mygrad_chain() -> Run:
    import mygrad as mg

    def run() -> list[np.ndarray]:
        x = mg.tensor(START)
        chain_of(mg.tanh, x).sum().backward()
        return [x.grad]

    return run


def clearprop_row() -> Run:
    from clearprop import no_grad

    model, x = row_model(), X[:1]

    def run() -> list[np.ndarray]:
        with no_grad():
            return [model(x).value]

    return run


def clearprop_row_with_gradients() -> Run:
    model, x = row_model(), X[:1]
    return lambda: [model(x).value]


def row_model() -> Callable:
    from clearprop import nn

    model = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3))
    model.load_state_dict(ROW_STATE)
    return model


def torch_row() -> Run:
    import torch
    from torch import nn

    model, x = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 3)), torch.from_numpy(X[:1])
    model.load_state_dict({name: torch.from_numpy(array) for name, array in ROW_STATE.items()})

    def run() -> list[np.ndarray]:
        with torch.no_grad():
            return [model(x).numpy()]

    return run


WORKLOADS = {
    "MLP 13-32-1, batch 32": {
        "clearprop": clearprop_mlp,
        "torch": torch_mlp,
        "autograd": autograd_mlp,
        "mygrad": mygrad_mlp,
    },
    "chain of 100 ops": {
        "clearprop": clearprop_chain,
        "torch": torch_chain,
        "autograd": autograd_chain,
        "mygrad": mygrad_chain,
    },
    "module 13-32-3, one row, no_grad": {
        "clearprop": clearprop_row,
        "clearprop, with gradients": clearprop_row_with_gradients,
        "torch": torch_row,
    },
}


def installed(libraries: dict[str, Callable[[], Run]]) -> dict[str, Run]:
    found = {}
    for name, make in libraries.items():
        try:
            importlib.import_module(name.partition(",")[0])
        except ImportError:
            print(f"  {name} is not installed: left out")
            continue
        found[name] = make()
    return found


def measure(runs: dict[str, Run], rounds: int, cpu: bool, calls: int = 20) -> dict[str, float]:
    """Return each library's time per call in microseconds: the median of interleaved rounds, or the least."""
    clock = time.process_time if cpu else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(calls):
            run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            for _ in range(calls):
                run()
            times[name].append((clock() - start) / calls * 1e6)
    of = min if cpu else statistics.median
    return {name: of(t) for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()
    if args.cpu and importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)
    results = {}
    for workload, libraries in WORKLOADS.items():
        print(workload)
        runs = installed(libraries)
        gradients = {name: run() for name, run in runs.items()}
        for name, grads in gradients.items():  # everybody must compute the same thing
            for ours, theirs in zip(gradients["clearprop"], grads, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-6, err_msg=name)
        medians = measure(runs, args.rounds, args.cpu)
        results[workload] = medians
        for name, median in medians.items():
            library, comma, how = name.partition(",")
            label = f"{library} {importlib.metadata.version(library)}{comma}{how}"
            print(f"  {label:34} {median:8.1f} us   {median / medians['clearprop']:5.2f} x clearprop")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
