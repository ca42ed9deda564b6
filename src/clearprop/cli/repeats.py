"""`--folds` and `--seeds`: the same training many times over, and how far its results lie apart."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from clearprop.cli.train_report import TrainingReport


def repeated(job: Any, asked: Any, hidden: list[int], report: TrainingReport) -> dict[str, list[float]]:
    """Train a network for every fold and seed, print each measure's mean and spread, and return them all.

    Ctrl-C ends them: the training that it cuts short does not count, those before it are told.
    """
    import clearprop

    before = clearprop.get_rng_state()  # the network that is kept is that of a run without repeats
    found: dict[str, list[float]] = {}
    try:
        _train_each(job, asked, hidden, report, found)
    except KeyboardInterrupt:
        if found:
            _tell(report, found)
        raise
    clearprop.set_rng_state(before)
    _tell(report, found)
    report.say("\nthe network that is kept, on the usual split:")
    if report.json is not None:
        report.json["repeats"] = found
    return found


def _train_each(
    job: Any, asked: Any, hidden: list[int], report: TrainingReport, found: dict[str, list[float]]
) -> None:
    """Train for every fold and seed, and add what each measures."""
    silent = type(report)(json=True)
    for seed in range(asked.seed, asked.seed + asked.seeds):
        parts = [job.parts] if asked.folds is None else job.folds(asked, seed)
        for number, part in enumerate(parts, start=1):
            one = copy.copy(job)
            one.args = copy.copy(asked)
            one.args.seed, one.args.checkpoint, one.args.resume = seed, None, False
            one.begin(hidden, part)
            if one.train(silent).ended == "interrupted":
                raise KeyboardInterrupt
            one.settle()
            for name, value in one.measured(silent).items():
                found.setdefault(name, []).append(value)
            fold = "" if asked.folds is None else f", fold {number}"
            first = next(iter(found))
            report.say(f"seed {seed}{fold}: {first} {found[first][-1]:.4f}")


def _tell(report: TrainingReport, found: dict[str, list[float]]) -> None:
    """Print each measure's mean and spread."""
    count = len(next(iter(found.values()), []))
    report.say(f"\nof {count} trainings, mean and standard deviation:", always=True)
    for name, values in found.items():
        known = np.array([value for value in values if np.isfinite(value)])
        if len(known):
            spread = known.std(ddof=1) if len(known) > 1 else 0.0
            report.say(f"  {name:<18} {known.mean():.4f} ± {spread:.4f}", always=True)
