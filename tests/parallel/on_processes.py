"""A program for each of several processes: on_processes.py ADDRESS PROCESSES RANK [different].

Trains on a mesh over the devices of all processes, each with its own half of the rows, and prints JSON.
"""

import json
import sys

import numpy as np

import clearprop
from clearprop import nn, optim, parallel
from clearprop.nn import functional as F


def main():
    address, processes, rank = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    different = sys.argv[4:]
    parallel.start(address, processes, rank)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 3)).double()
    if "values" in different and rank:
        clearprop.assign(model[0].bias, model[0].bias.value + 1)
    start = {name: value.tolist() for name, value in model.state_dict().items()}
    seed = clearprop.get_rng_state().tolist()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    factor = 2.0 if "program" in different and rank else 1.0

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y) * factor
        loss.backward()
        optimizer.step()
        return loss

    mesh = parallel.mesh(data=2 * processes)
    run = clearprop.compile(step, executor="xla", mesh=mesh)
    rng = np.random.default_rng(0)
    losses = []
    try:
        for _ in range(6):
            x, y = rng.standard_normal((8, 6)), rng.integers(0, 3, 8)
            mine = slice(rank * 8 // processes, (rank + 1) * 8 // processes)
            x, y = parallel.whole(x[mine]), parallel.whole(y[mine])
            losses.append(float(run(x, y)))
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(3)
    state = {name: value.tolist() for name, value in model.state_dict().items()}
    found = {"losses": losses, "state": state, "start": start, "seed": seed, "first": parallel.rank() == 0}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
