"""Plain NumPy functions of many sciences, each with its gradient checked and a fit: gallery.py [NAME ...].

The functions lie beside this file and import numpy alone. For each, `gradcheck` compares its gradient with
differences; `clearprop.scipy.optimize.minimize` then fits its parameters, whatever they are nested in. Prints
one line each, and fails where a gradient is wrong or a fit ends above what is promised here.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dynamics
import fields
import fitting
import numpy as np
import probability
import signals

from clearprop import gradcheck, tree
from clearprop.scipy.optimize import minimize

rng = np.random.default_rng(0)
x20 = np.linspace(-1.0, 1.0, 20)
X, NOISE = rng.normal(size=(40, 3)), rng.normal(size=40)
TRUE = np.array([1.0, -2.0, 0.5])
WARPED = np.sin(np.linspace(0, 3, 8) ** 1.2)
GROUPS = np.concatenate([rng.normal(-2, 0.5, 20), rng.normal(1, 0.7, 20)])
LIFETIMES = 2.0 * rng.weibull(1.5, 40)
PATH = np.cumsum(np.cumsum(rng.normal(0, 0.1, 15))) + rng.normal(0, 0.3, 15)
RETURNS = np.exp(0.5 * np.sin(np.arange(12.0))) * rng.normal(size=12)
STATES = np.where(np.arange(25) // 6 % 2, 1.0, -1.0) + rng.normal(0, 0.4, 25)
SEEN = np.stack([1.0 + 0.5 * np.sin(np.arange(8) * 0.3), 0.5 + 0.2 * np.cos(np.arange(8) * 0.3)], axis=1)
COVER = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
RING = np.exp(-0.5 * ((np.arange(16) - 5) / 1.5) ** 2)
SHARP = np.repeat([0.0, 1.0, 0.3, 0.8], 5)
KERNEL = np.array([0.25, 0.5, 0.25])
PICTURE = np.kron([[0.0, 1.0], [1.0, 0.2]], np.ones((3, 3)))
ROUND = np.concatenate([KERNEL, np.zeros(3)])
Z = rng.normal(size=(2, 6))
MASKS = np.exp(2j * np.pi * rng.random((4, 6)))
FULL = np.einsum("i,j,k,l->ijkl", *(rng.normal(size=n) for n in (2, 3, 3, 2)))
T = np.arange(32) / 32
ANOMALY = np.linspace(0, 6, 12)
ECCENTRIC = ANOMALY + 0.3 * np.sin(ANOMALY + 0.3 * np.sin(ANOMALY + 0.3 * np.sin(ANOMALY)))
HEXAGON = np.array([[np.cos(a), np.sin(a)] for a in np.arange(6) * np.pi / 3] + [[0.1, 0.1]]) * 1.1

SHOCKS = np.random.default_rng(3).normal(size=(3, 40, 8))
PANEL = [np.zeros(40)]
for year in range(1, 8):
    PANEL.append(0.5 * PANEL[-1] + 0.8 * SHOCKS[0, :, year] + SHOCKS[1, :, 0] + 0.1 * SHOCKS[2, :, year])
TIMES = np.linspace(0.0, 3.0, 12)
DECAY = np.exp(-1.5 * TIMES)
CHAIN = np.stack([DECAY, DECAY * TIMES, 1.0 - DECAY * (1.0 + TIMES)])
SIDE = np.arange(12.0)
BLOBS = [
    np.exp(-((SIDE[:, None] - r) ** 2 + (SIDE - c) ** 2) / 8)
    + 0.6 * np.exp(-((SIDE[:, None] - r - 3) ** 2 + (SIDE - c + 2) ** 2) / 4)
    for r, c in ((5.0, 6.0), (5.6, 5.5))
]
STATIONS = np.array([[0.1, 0.2], [0.5, -0.3], [-0.2, 0.6]])
AWAY = np.array([0.25424, 0.53911, 0.64353]), np.array([0.1892, 1.7863, -0.5637])
DRAWN = np.random.default_rng(4)
LEAVES = np.where(
    DRAWN.random((4, 60)) < np.array([[0.05], [0.1], [0.2], [0.25]]),
    DRAWN.integers(0, 4, (4, 60)),
    DRAWN.integers(0, 4, 60),
)
LOW_PASS = np.maximum(-10 * np.log10(1 + (np.linspace(0, np.pi, 24) / 1.2) ** 6), -40.0)
WEEKS = np.arange(15.0)
REPORTED = np.round(1e3 * (0.02 + 0.015 * np.cos(WEEKS / 5)))


def small(*shape: int) -> Any:
    """Return small numbers to begin with."""
    return 0.3 * np.random.default_rng(sum(shape)).normal(size=shape)


@dataclass
class Entry:
    """A function, where its fit begins, its data, and below what the fit has to end."""

    function: Callable[..., Any]
    start: Any
    data: tuple[Any, ...]
    promised: float
    how: dict[str, Any] = field(default_factory=dict)


ENTRIES = [
    Entry(fitting.least_squares, np.zeros(4), (x20, x20**3 - x20 + 0.05 * NOISE[:20]), 0.002),
    Entry(
        fitting.robust_regression,
        {"slope": 0.0, "offset": 0.0},
        (x20, 2 * x20 + 1 + 9.0 * (np.arange(20) == 4)),
        2.7,
    ),
    Entry(
        fitting.logistic_regression, {"w": np.zeros(3), "b": 0.0}, (X, np.sign(X @ TRUE + 0.5 * NOISE)), 11.4
    ),
    Entry(fitting.poisson_regression, np.zeros(3), (X, rng.poisson(np.exp(0.5 * X @ TRUE))), -43),
    Entry(
        fitting.ordinal_regression,
        {"first": -0.5, "log_gap": 0.0, "slope": 0.5},
        (X[:, 0], np.digitize(X[:, 0] + 0.5 * NOISE, [-0.5, 0.5])),
        16.2,
    ),
    Entry(
        fitting.enzyme_kinetics,
        np.zeros(3),
        (np.linspace(0.1, 5, 20), 3 * np.linspace(0.1, 5, 20) ** 2 / (1.5**2 + np.linspace(0.1, 5, 20) ** 2)),
        1e-06,
    ),
    Entry(
        fitting.calibration_curve,
        np.linspace(-1, 1, 6),
        (np.linspace(-1, 1, 6), x20 * 0.97, np.tanh(2 * x20)),
        0.0008,
    ),
    Entry(
        fitting.quantile_regression,
        np.zeros(2),
        (x20, 2 * x20 + 0.3 * NOISE[:20]),
        0.07,
        {"method": "Nelder-Mead"},
    ),
    Entry(
        fitting.principal_components,
        np.zeros(4),
        (np.concatenate([X, X @ TRUE[:, None] + 0.3 * NOISE[:, None]], axis=1),),
        0.0001,
    ),
    Entry(
        fitting.matrix_factors,
        {"users": small(5, 2), "items": small(4, 2) + 0.5},
        (np.outer(np.arange(1, 6), [1, 2, 0, 1.0]), rng.random((5, 4)) < 0.8),
        0.4,
    ),
    Entry(
        probability.mixture_by_gradient,
        {"logits": np.zeros(2), "means": np.array([-1.0, 1.0]), "log_sds": np.zeros(2)},
        (GROUPS,),
        1.53,
    ),
    Entry(probability.mixture_by_em, np.array([-0.5, 0.5]), (GROUPS,), 0.61),
    Entry(
        probability.gaussian_process, np.log([0.5, 1.0, 0.3]), (x20, np.sin(4 * x20) + 0.1 * NOISE[:20]), -1.4
    ),
    Entry(
        probability.cox_survival, np.zeros(3), (X, np.exp(-X @ TRUE * 0.5) * LIFETIMES, NOISE > -0.8), 62.7
    ),
    Entry(probability.weibull_survival, np.zeros(2), (np.minimum(LIFETIMES, 3.0), LIFETIMES < 3.0), 48.9),
    Entry(
        probability.hidden_markov,
        {"moves": np.eye(2), "means": np.array([-0.5, 0.5]), "log_sd": 0.0},
        (STATES,),
        24,
    ),
    Entry(probability.kalman_filter, np.log([0.3, 0.3]), (PATH,), -0.8),
    Entry(
        probability.stochastic_volatility, {"h": np.zeros(12), "keep": 0.5, "log_sd": -0.5}, (RETURNS,), 19
    ),
    Entry(
        probability.hamiltonian_sampling,
        {"step": 0.0, "mass": np.zeros(2)},
        (small(30, 2) * 2, small(2, 30).T * 2),
        0.02,
    ),
    Entry(
        probability.upper_confidence,
        0.3,
        (np.array([-2.0, -0.5, 1.0, 2.5]), np.array([0.4, -0.2, 0.6, 0.1])),
        -0.43,
    ),
    Entry(dynamics.runge_kutta, np.log([0.7, 0.5, 0.6, 0.4]), (SEEN,), 0.13),
    Entry(dynamics.adaptive_steps, 2.0, (), 1e-06, {"method": "Nelder-Mead"}),
    Entry(
        dynamics.n_body, small(4, 2), (np.array([[0.0, 0], [1, 0], [0, 1], [1.2, 1.1]]), np.ones(4)), 1e-06
    ),
    Entry(dynamics.potential_energy, HEXAGON, (), -12.5),
    Entry(
        dynamics.neural_ode,
        {"w1": small(2, 8), "b1": np.zeros(8), "w2": small(8, 2)},
        (small(12, 2) * 3, np.tanh(small(12, 2) * 3 + 0.5)),
        0.0001,
    ),
    Entry(dynamics.heat_source, np.zeros(16), (RING,), 0.0003),
    Entry(
        dynamics.kepler_orbit,
        {"logit_e": -2.0, "size": 1.0},
        (ANOMALY, 2.0 * (1 - 0.3 * np.cos(ECCENTRIC))),
        1e-05,
    ),
    Entry(dynamics.fixed_point, {"w": small(3, 3)}, (X[:10], np.tanh(X[:10] * 1.3)), 0.0002),
    Entry(dynamics.epidemic, np.log([0.6, 0.3]), (0.01 * np.exp(0.25 * np.arange(10)),), 0.15),
    Entry(
        signals.spectral_loss,
        {"height": 0.8, "rate": 4.2, "sweep": 1.5},
        (T, np.sin(2 * np.pi * (4 * T + T**2) + 1.0)),
        0.001,
    ),
    Entry(signals.deblurring, np.zeros(20), (KERNEL, np.convolve(SHARP, KERNEL, mode="same")), 0.027),
    Entry(
        signals.blurred_picture,
        np.zeros((6, 6)),
        (ROUND, np.real(np.fft.ifft2(np.fft.fft2(PICTURE) * np.outer(np.fft.fft(ROUND), np.fft.fft(ROUND))))),
        0.004,
    ),
    Entry(
        signals.phase_retrieval,
        {"real": Z[0] + 0.3, "imag": Z[1] - 0.2},
        (MASKS, np.abs(np.fft.fft(MASKS * (Z[0] + 1j * Z[1]), axis=1)) ** 2),
        1e-08,
    ),
    Entry(signals.moving_average, np.zeros(2), (np.convolve(NOISE, [1.0, 0.6, 0.3])[:30],), 0.97),
    Entry(signals.time_warping, {"scale": 1.0, "shift": 0.2}, (WARPED, np.sin(np.linspace(0, 3, 7))), -4),
    Entry(
        signals.optimal_transport,
        small(5, 2),
        (np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]]),),
        0.17,
    ),
    Entry(
        signals.tensor_train,
        {
            "a": small(2, 2) + 0.5,
            "b": small(2, 3, 2),
            "c": small(2, 3, 3)[..., :2] + 0.2,
            "d": small(2, 2) + 0.3,
        },
        (FULL,),
        1e-06,
    ),
    Entry(signals.natural_gradient, np.zeros(3), (X, (X @ TRUE + NOISE > 0).astype(float)), 0.32),
    Entry(signals.portfolio, np.zeros(3), (np.array([0.05, 0.08, 0.1]), COVER), -0.039),
    Entry(fields.dynamic_panel, np.zeros(2), (np.stack(PANEL, axis=1), SHOCKS[0]), 0.11),
    Entry(fields.reaction_chain, np.log([0.5, 0.6, 0.2]), (TIMES, CHAIN), 0.011),
    Entry(fields.lens_design, np.array([0.02, -0.03]), (np.linspace(0.1, 1.0, 8), 0.5, 1.5, 10.0), 1e-05),
    Entry(
        fields.registration,
        {"angle": 0.05, "zoom": 0.02, "shift": np.array([0.3, -0.2])},
        tuple(BLOBS),
        0.0004,
    ),
    Entry(fields.risk_parity, np.zeros(3), (COVER,), 1e-09),
    Entry(fields.triangulation, np.array([0.2, 0.1]), (STATIONS, *AWAY), 0.0011),
    Entry(
        fields.filter_design,
        {
            "gain": -2.0,
            "radius": np.array([0.0, 0.5]),
            "angle": np.array([0.5, 1.2]),
            "zero": np.array([1.0, 1.5]),
        },
        (LOW_PASS,),
        30,
    ),
    Entry(fields.phylogeny, np.log(np.full(5, 0.2)), (LEAVES,), 167),
    Entry(fields.regulator, np.zeros(3), (np.array([0.3, 0.0]),), 0.19),
    Entry(fields.seasonal_outbreak, {"contact": 0.3, "swing": 0.1, "spread": 2.0}, (WEEKS, REPORTED), 2.8),
]


def show(entry: Entry) -> bool:
    """Check the gradient, fit, print a line, and return whether both are as they should be."""
    vector, unflatten = tree.flatten(entry.start)
    began = time.perf_counter()
    report = gradcheck(lambda v: entry.function(unflatten(v), *entry.data), vector)
    before = float(entry.function(entry.start, *entry.data))
    found = minimize(entry.function, entry.start, entry.data, **entry.how)
    fine = bool(report.ok) and found.fun <= entry.promised
    name, seconds = entry.function.__name__, time.perf_counter() - began
    verdict = "right" if report.ok else "WRONG"
    print(
        f"{name:24} {vector.size:3} parameters, gradient {verdict}; {before:10.4g} -> {found.fun:10.4g}, {entry.promised:g} promised, {seconds:4.1f} s{'' if fine else '  FAILED'}"
    )
    return fine


def main() -> int:
    """Show all entries, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="functions to show; all of them if none is named")
    asked = parser.parse_args().names
    known = {entry.function.__name__: entry for entry in ENTRIES}
    for name in asked:
        if name not in known:
            parser.error(f"no function is called {name}; there are {', '.join(known)}")
    shown = [show(known[name]) for name in asked or known]
    return 0 if all(shown) else 1


if __name__ == "__main__":
    sys.exit(main())
