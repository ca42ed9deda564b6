"""How much of torch.nn there is: torch_coverage.py [--only FILE].

A name counts where every row that compares it with PyTorch (`tests/parity`) passes eager and compiled. Names
without a row, aliases among them, count as nothing. Optimizers, schedules and initialisers are compared in
`tests/optim` and `tests/nn`, not by rows, and are not counted here. `--only loss` runs the rows of
`tests/parity/test_loss.py` alone. Needs PyTorch; all rows take some minutes.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.parity.compare import Row, agree  # noqa: E402 - the tests are found by the line above

SKIPPED = (
    "Container",
    "Module",
    "RNNBase",
    "RNNCellBase",
    "DataParallel",
)  # not layers that compute something
EXECUTOR = "numpy"


def wanted() -> dict[str, set[str]]:
    """Return PyTorch's names by kind: losses, other modules, functions; none that write in place."""
    layers = {n for n, v in vars(torch.nn).items() if inspect.isclass(v) and issubclass(v, torch.nn.Module)}
    layers -= set(SKIPPED)
    losses = {n for n in layers if "Loss" in n}
    functions = {
        name
        for name, value in vars(torch.nn.functional).items()
        if callable(value) and name.islower() and name[0] != "_" and name[-1] != "_"
    }
    called = {
        f"functional.{n}" for n in functions if "torch" not in n and "boolean" not in n and "assert" not in n
    }
    return {"losses": losses, "other modules": layers - losses, "functions": called}


def rows(only: str) -> Iterator[Row]:
    """Give every row of the comparison."""
    for path in sorted((ROOT / "tests" / "parity").glob(f"test_{only or '*'}.py")):
        module = importlib.import_module(f"tests.parity.{path.stem}")
        for value in list(vars(module).values()):
            if isinstance(value, (list, tuple)):
                yield from (row for row in value if isinstance(row, Row))


def passes(row: Row) -> str:
    """Return nothing where a row holds eager and compiled, and what is wrong otherwise."""
    try:
        with sdpa_kernel(SDPBackend.MATH):
            agree(row)
            agree(row, np.float64, EXECUTOR)
    except Exception as error:  # what fails does not count, whatever it is
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:80]}"
    return ""


def main() -> int:
    """Run the rows and print how many of PyTorch's names they cover."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    faults: dict[str, list[Any]] = defaultdict(list)
    seen = set()
    for row in rows(parser.parse_args().only):
        if id(row) not in seen:
            seen.add(id(row))
            faults[row.theirs.removeprefix("nn.")] += [fault] if (fault := passes(row)) else []
    for kind, names in wanted().items():
        covered = {name for name in names if name in faults and not faults[name]}
        print(f"{kind}: {len(covered)} of {len(names)}")
        for name in sorted(names - covered):
            print(f"  {name:34}{faults[name][0] if faults.get(name) else 'no row'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
