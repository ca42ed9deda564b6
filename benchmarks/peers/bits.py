"""What a row's steps gave, to the last bit: `python -m peers.bits ROW` prints one hash.

It covers every result and all that the model holds at the end; `training_step.py --threads 1 2 4 8` compares
it between numbers of threads.
"""

from __future__ import annotations

import hashlib
import sys

import numpy as np

import clearprop
from peers.ours import model_and_step
from peers.rows import ROWS

ROUNDS = 3  # of all batches


def main() -> None:
    """Run the row's steps by the llvm executor."""
    clearprop.manual_seed(0)
    model, step, batches = model_and_step(ROWS[sys.argv[1]], "llvm")
    found = hashlib.sha256()
    for _ in range(ROUNDS):
        for batch in batches:
            found.update(np.asarray(step(*batch)).tobytes())
    for name, value in sorted(model.state_dict().items()):
        found.update(name.encode() + np.asarray(value).tobytes())
    print(found.hexdigest())


if __name__ == "__main__":
    main()
