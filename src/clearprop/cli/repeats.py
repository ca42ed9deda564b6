"""`--folds` and `--seeds`: the same training many times over, and how far its results lie apart."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from clearprop.cli.train_report import TrainingReport


def repeated(job: Any, asked: Any, hidden: list[int], report: TrainingReport) -> dict[str, list[float]]:
    """Train a network for every fold and seed, print each measure's mean and spread, and return them all."""
    import clearprop

    before = clearprop.get_rng_state()  # the network that is kept is that of a run without repeats
    found: dict[str, list[float]] = {}
    silent = type(report)(json=True)
    for seed in range(asked.seed, asked.seed + asked.seeds):
        parts = [job.parts] if asked.folds is None else job.folds(asked, seed)
        for number, part in enumerate(parts, start=1):
            one = copy.copy(job)
            one.args = copy.copy(asked)
            one.args.seed, one.args.checkpoint, one.args.resume = seed, None, False
            one.begin(hidden, part)
            one.train(silent)
            one.settle()
            for name, value in one.measured(silent).items():
                found.setdefault(name, []).append(value)
            fold = "" if asked.folds is None else f", fold {number}"
            first = next(iter(found))
            report.say(f"seed {seed}{fold}: {first} {found[first][-1]:.4f}")
    clearprop.set_rng_state(before)
    count = len(next(iter(found.values()), []))
    report.say(f"\nof {count} trainings, mean and standard deviation:", always=True)
    for name, values in found.items():
        known = np.array([value for value in values if np.isfinite(value)])
        if len(known):
            spread = known.std(ddof=1) if len(known) > 1 else 0.0
            report.say(f"  {name:<18} {known.mean():.4f} ± {spread:.4f}", always=True)
    report.say("\nthe network that is kept, on the usual split:")
    if report.json is not None:
        report.json["repeats"] = found
    return found
