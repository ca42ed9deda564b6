"""Single precision: float32 inputs run as they are, and their gradients held against the float64 ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.check.probe import Probe
from clearprop.check.pull import gradients, random_weights
from clearprop.check.report import Report
from clearprop.check.shaken import rounding
from clearprop.tensor import raw


def compare_single(report: Report, f: Callable[..., Any], inputs: Any, rng: np.random.Generator) -> None:
    """Run float32 inputs as they are: right dtype, and as near the float64 gradient as rounding allows.

    How near that is, is found by nudging the inputs by their own rounding error and looking how far the
    float64 gradient moves; where that does not explain what is seen, by nudging every result on the way.
    """
    small = [j for j, x in enumerate(inputs) if getattr(raw(x), "dtype", None) == np.float32]
    probe = Probe(f, inputs, lift=True)
    small = [j for j in small if j in probe.moving]
    if not small:
        return
    probe({})
    weights = random_weights(probe.shapes, rng)
    own = [raw(x) if a is not None else None for x, a in zip(inputs, probe.arrays, strict=True)]
    found = gradients(f, own, inputs)(weights)
    exact = gradients(f, probe.arrays, inputs)(weights)
    spread: list[Any] = [np.zeros_like(a) if a is not None else None for a in probe.arrays]
    eps = float(np.finfo(np.float32).eps)
    for _ in range(4):
        nudged = [
            None if a is None else a * (1 + eps * rng.choice([-1.0, 1.0], a.shape)) for a in probe.arrays
        ]
        for j, g in enumerate(gradients(f, nudged, inputs)(weights)):
            if g is not None and exact[j] is not None:
                spread[j] = np.maximum(spread[j], np.abs(g - exact[j]))
    _hold(report, small, found, exact, spread)
    if report.problems:
        row = np.concatenate([w.reshape(-1) for w in weights])
        shaken = rounding(probe, f, [row], rng, own)
        if shaken is not None:
            report.problems = []
            moved = dict(zip(probe.moving, shaken.gradients, strict=True))
            _hold(report, small, found, exact, {j: np.maximum(spread[j], moved[j][0]) for j in small})


def _hold(report: Report, small: list[int], found: Any, exact: Any, spread: Any) -> None:
    """Hold gradients in float32 against those in float64, `spread` being how far rounding may move them."""
    eps = float(np.finfo(np.float32).eps)
    for j in small:
        if found[j] is None or exact[j] is None:
            continue
        if found[j].dtype != np.float32:
            report.problems.append(f"input {j} is float32, its gradient is {found[j].dtype}.")
        with np.errstate(all="ignore"):
            scale = float(np.max(np.abs(exact[j][np.isfinite(exact[j])]), initial=0.0))
            away = np.abs(found[j] - exact[j])
            wide = float(np.max(spread[j][np.isfinite(spread[j])], initial=0.0))
            told = np.isfinite(exact[j]) & (np.abs(exact[j]) < float(np.finfo(np.float32).max) / 1e3)
            bad = told & ~(away <= 200 * (wide + eps * scale))
        if np.any(bad):
            report.problems.append(
                f"input {j}: in float32 the gradient is off by up to {float(np.max(away)):.3g} "
                f"of {scale:.3g}, far more than rounding explains."
            )
