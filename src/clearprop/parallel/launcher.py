"""What a launcher of processes (mpiexec, srun) tells those that it has started."""

from __future__ import annotations

import os

LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")


def launched() -> int:
    """Return how many processes a launcher says that it has started; 1 where there is none."""
    return max((int(n) for name in LAUNCHERS if (n := os.environ.get(name, "")).isdecimal()), default=1)
