"""Programs that mpiexec starts several times: on_tables.py WHAT FOLDER [...]; the first prints JSON."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

import clearprop
from clearprop import nn, optim, parallel, train
from clearprop.data import BlockFile
from clearprop.data.divided import DividedRows

KINDS = [((3,), np.float32), ((), np.int64)]
WEIGHED = [*KINDS, ((), np.float32)]


class Listed:
    """Batches of some epochs, one behind the other."""

    batch_size = 10

    def __init__(self, epochs):
        self.epochs, self.dataset = iter(epochs), []
        self.count = len(epochs[0])

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(next(self.epochs))

    def in_order(self):
        return []

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def network():
    clearprop.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


def written(world, folder, sizes, kinds):
    """Write this process's rows, of which there are so many in each."""
    start, stop = sum(sizes[: world.rank]), sum(sizes[: world.rank + 1])
    generator = np.random.default_rng(0)
    rows = sum(sizes)
    arrays = [generator.normal(size=(rows, 3)), generator.integers(0, 3, rows), generator.uniform(0, 2, rows)]
    path = Path(folder, f"rows-{world.rank}")
    with BlockFile.writing(path, *kinds) as file:
        file.add(*(array[start:stop] for array in arrays[: len(kinds)]))
    return BlockFile(path, *kinds), arrays


def fitted(world, folder, sizes, batch_size, kinds=KINDS, accumulate=1):
    """Losses of all processes together, and of one that is given all batches as they were."""
    file, arrays = written(world, folder, sizes, kinds)
    rows = DividedRows.balanced(file, world, batch_size)
    held = world.collect(rows.file.read(0, len(rows.file)))
    order = all(
        np.array_equal(np.concatenate([part[i] for part in held]), arrays[i].astype(kinds[i][1]))
        for i in range(len(kinds))
    )
    loss = (
        nn.CrossEntropyLoss()
        if len(kinds) == 2
        else train.weighting.Weighted(nn.CrossEntropyLoss(), rows=True)
    )
    looked = rows.batches(batch_size, seed=3)
    epochs = [list(looked) for _ in range(3)]
    whole = []
    for epoch in epochs:
        parts = world.collect(epoch)
        whole.append([joined([part[k] for part in parts]) for k in range(len(epoch))])
    model = network()
    options = {"epochs": 3, "progress": False, "compile": False, "accumulate": accumulate}
    loader = rows.batches(batch_size, seed=3)
    together = train.fit(
        model, loss, loader, optimizer=optim.Adam(model.parameters()), parallel=world, **options
    )
    other = network()
    alone = train.fit(other, loss, Listed(whole), optimizer=optim.Adam(other.parameters()), **options)
    digest = rows.digest()
    seen = sorted(float(x) for batch in whole[0] for x in batch[0][:, 0])
    return {
        "together": together["loss"],
        "alone": alone["loss"],
        "order": order,
        "counts": [len(part[0]) for part in held],
        "batches": [len(batch[0]) for batch in whole[0]],
        "digest": digest,
        "all seen": seen == sorted(float(x) for x in arrays[0].astype(np.float32)[:, 0]),
        "other order": float(whole[0][0][0][0, 0]) != float(whole[1][0][0][0, 0]),
    }


def joined(parts):
    if isinstance(parts[0], tuple):
        return tuple(joined([part[i] for part in parts]) for i in range(len(parts[0])))
    return np.concatenate(parts)


def refused(world, folder):
    """What is complained of where rows that are divided cannot be used."""
    rows = DividedRows.balanced(written(world, folder, [20, 27], KINDS)[0], world, 10)
    model = network()

    def said(work):
        try:
            work()
        except ValueError as error:
            return str(error)

    def fit(**options):
        return train.fit(model, "cross_entropy", rows.batches(10), progress=False, **options)

    return {
        "metrics": said(lambda: fit(parallel=world, metrics=["accuracy"])),
        "alone": said(fit),
        "size": said(lambda: rows.batches(5)),
    }


def cut(world, folder):
    """Whether a loader that is told where an epoch was cut gives the batches that were left."""
    rows = DividedRows.balanced(written(world, folder, [20, 27], KINDS)[0], world, 10)
    whole, part, other = (rows.batches(10, seed=2) for _ in range(3))
    wanted = list(whole)
    begun = iter(part)
    for _ in range(3):
        next(begun)
    state = part.state_dict()
    other.load_state_dict(state)
    left = list(other)
    same = all(
        np.array_equal(a, b) for x, y in zip(wanted[3:], left, strict=True) for a, b in zip(x, y, strict=True)
    )
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        other.load_state_dict(state | {"processes": 3})
    return {"goes on": same, "warned": str(warned[0].message)}


def main():
    what, folder, *more = sys.argv[1:]
    world = parallel.world(timeout=60)
    if what == "fit":
        sizes = json.loads(more[0])
        kinds = WEIGHED if "weighed" in more else KINDS
        return fitted(world, folder, sizes, int(more[1]), kinds, accumulate=3 if "gathered" in more else 1)
    return {"refused": refused, "cut": cut}[what](world, folder)


if __name__ == "__main__":
    result = main()
    if parallel.world().first:
        print(json.dumps(result), flush=True)
