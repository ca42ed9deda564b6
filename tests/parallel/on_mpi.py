"""A program that mpiexec starts several times: on_mpi.py WHAT FOLDER [...]. The first process prints JSON."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import clearprop
from clearprop import nn, optim, train

ROWS = 44
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((ROWS, 6)), RNG.integers(0, 3, ROWS)


def network(kind):
    clearprop.manual_seed(5)
    middle = {"norm": nn.BatchNorm1d(12), "dropout": nn.Dropout(0.3)}.get(kind, nn.Tanh())
    model = nn.Sequential(nn.Linear(6, 12), middle, nn.ReLU(), nn.Linear(12, 3)).double()
    model[0].requires_grad_(kind != "frozen")
    return model


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.01),
}


WEIGHTS = np.where(np.arange(ROWS) < 9, 0.0, RNG.uniform(0, 3, ROWS))
OF_CLASSES = np.array([1.0, 5.0, 0.2])
WEIGHED = {
    "rows": lambda: {"sample_weight": WEIGHTS},
    "balanced": lambda: {"class_weight": "balanced"},
    "both": lambda: {"sample_weight": WEIGHTS, "class_weight": {0: 1.0, 1: 5.0}},
    "own": lambda: {"loss": nn.CrossEntropyLoss(weight=OF_CLASSES, label_smoothing=0.1)},
    "ignored": lambda: {"loss": nn.CrossEntropyLoss(ignore_index=1)},
    "gathered": lambda: {"accumulate": 3},
    "gathered-rows": lambda: {"accumulate": 3, "sample_weight": WEIGHTS},
}


def fitted(kind="plain", optimizer="adam", parallel=None, compile=False, **options):
    """A run of 44 rows in batches of 12: the last one, of 8, is cut by 2 and 4; by 3 it would not be."""
    model = network(kind)
    options = WEIGHED.get(kind, dict)() | options
    given = {"epochs": 3, "batch_size": 12, "seed": 1, "progress": False} | options
    history = train.fit(
        model,
        given.pop("loss", "cross_entropy"),
        (X, Y),
        optimizer=OPTIMIZERS[optimizer](model.parameters()),
        validation=(X[:20], Y[:20]),
        metrics=["accuracy"],
        parallel=parallel,
        compile=compile,
        **given,
    )
    state = {name: np.asarray(value).tolist() for name, value in model.state_dict().items()}
    return {"rows": history.rows, "state": state, "ended": history.ended}


class Die(train.Callback):
    """Ends, or stops, one process in the middle."""

    def __init__(self, world, how):
        self.world, self.how = world, how

    def step_done(self, run):
        if run.step == 5 and self.world.rank == self.world.size - 1:
            if self.how == "raise":
                raise ZeroDivisionError("by the last process")
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "hang":
                time.sleep(60)
            if self.how == "term":
                os.kill(os.getpid(), signal.SIGTERM)


def ops(world):
    from clearprop.parallel import all_gather, all_reduce, broadcast

    x = clearprop.Tensor(np.arange(3.0) + world.rank)

    def f(x):
        return (
            (all_reduce(x * x) * np.array([1.0, 2.0, 3.0])).sum()
            + (all_reduce(x, mean=True) ** 2).sum()
            + (broadcast(x) ** 3).sum()
            + (all_gather(x * 2) ** 2).sum()
        )

    both = clearprop.value_and_grad(f)
    value, gradient = both(x.value)
    step = clearprop.compile(both)
    again = [step(x.value) for _ in range(4)][-1]
    whole = world.gather(np.asarray(gradient)[None]).tolist()
    compiled = world.gather(np.asarray(again[1])[None]).tolist()
    return {"value": float(value), "gradients": whole, "compiled": compiled}


def started(world):
    """The same by starts and waits, and in which order a compiled step takes them."""
    from clearprop import parallel

    log = []
    begin, finish = world.begin, world.finish
    world.begin = lambda x, how="sum": log.append(f"begin {how}") or begin(x, how)
    world.finish = lambda ticket: log.append(f"finish {world.begun[ticket].how}") or finish(ticket)
    x = clearprop.Tensor(np.arange(3.0) + world.rank)

    def f(x):
        summed, first, rows = x * x, x * 1.0, x * 2
        tickets = (
            parallel.begin_all_reduce(summed),
            parallel.begin_broadcast(first),
            parallel.begin_all_gather(rows),
        )
        between = (np.sin(x) ** 2).sum()
        return (
            between
            + (parallel.finish_all_gather(tickets[2], rows) ** 2).sum()
            + (parallel.finish_broadcast(tickets[1], first) ** 3).sum()
            + (parallel.finish_all_reduce(tickets[0], summed) * np.array([1.0, 2.0, 3.0])).sum()
        )

    both = clearprop.value_and_grad(f)
    value, gradient = both(x.value)
    step = clearprop.compile(both)
    again = [step(x.value) for _ in range(4)][-1]
    whole = world.gather(np.asarray(gradient)[None]).tolist()
    compiled = world.gather(np.asarray(again[1])[None]).tolist()
    values = world.gather(np.array([float(value), float(np.asarray(again[0]))])[None]).tolist()
    return {"values": values, "gradients": whole, "compiled": compiled, "order": log[-6:]}


def main():
    what, folder = sys.argv[1], Path(sys.argv[2])
    size = int(sys.argv[2]) if sys.argv[2].isdigit() else 12
    if what == "alone":
        return {kind: fitted(*kind.split(), batch_size=size) for kind in sys.argv[3:]}
    from clearprop import parallel

    world = parallel.world(timeout=10 if what == "hang" else 60)
    if what == "ops":
        return ops(world)
    if what == "started":
        return started(world)
    if what == "begun apart":
        world.place = world.rank
        return world.finish(world.begin(np.ones(2), folder.name)).tolist()
    if what == "fit":
        found = {}
        for kind in sys.argv[3:]:
            *rest, compiled = kind.split()
            found[" ".join(rest)] = fitted(
                *rest, parallel=world, compile=compiled == "compiled", batch_size=size
            )
        return found
    if what == "checkpoint":
        logs = [
            train.CSVLog(folder / "log.csv", overwrite=True),
            train.Checkpoint(folder / "best.safetensors"),
        ]
        options = {"checkpoint": folder / "run", "callbacks": logs, "epochs": int(sys.argv[3])}
        return fitted("norm", parallel=world, resume=True, **options)
    if what == "patience":
        return fitted(parallel=world, epochs=50, patience=2, optimizer="sgd")
    if what == "apart":
        parallel.all_reduce(np.ones(2 + world.rank))
    if what == "data":
        X[0] += world.rank
        return fitted(parallel=world)
    if what == "weights":
        return fitted(parallel=world, loss=nn.BCEWithLogitsLoss(weight=np.array([1.0, 2.0, 3.0])))
    if what == "sum":
        return fitted(parallel=world, loss=lambda z, y: nn.functional.cross_entropy(z, y, reduction="sum"))
    if what == "term":
        return fitted(parallel=world, callbacks=[Die(world, "term")], checkpoint=folder / "run", epochs=50)
    return fitted(parallel=world, callbacks=[Die(world, what)])


if __name__ == "__main__":
    result = main()
    from clearprop import parallel

    if sys.argv[1] == "alone" or parallel.world().first:
        print(json.dumps(result), flush=True)
