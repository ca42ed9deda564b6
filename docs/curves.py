"""The reference's pictures: activations, losses, ops of one number, schedules, paths of optimizers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

import clearprop
from clearprop import Tensor, nn, optim
from clearprop.op import Op

mpl.use("svg")
mpl.rcParams.update(
    {"svg.hashsalt": "clearprop", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
)
from matplotlib.figure import Figure  # noqa: E402

VALUE, SLOPE, EXTRA = "#1f5fbf", "#c2410c", "#6b7280"
# what a schedule cannot do without
SCHEDULES: dict[str, dict[str, Any]] = {
    "StepLR": {"step_size": 30},
    "MultiStepLR": {"milestones": [30, 60, 80]},
    "ExponentialLR": {"gamma": 0.97},
    "CosineAnnealingLR": {"T_max": 50},
    "CosineAnnealingWarmRestarts": {"T_0": 20, "T_mult": 2},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 100},
    "LinearLR": {"total_iters": 50},
    "ConstantLR": {"total_iters": 40},
    "PolynomialLR": {"total_iters": 100, "power": 2.0},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 20, "cycle_momentum": False},
    "LambdaLR": {"lr_lambda": lambda t: 1 / (1 + t)},
    "MultiplicativeLR": {"lr_lambda": lambda t: 0.97},
}
# learning rates at which the valley is walked in a few dozen steps
PATHS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.15, "momentum": 0.5},
    "Adam": {"lr": 0.2},
    "AdamW": {"lr": 0.2},
    "NAdam": {"lr": 0.2},
    "RAdam": {"lr": 0.4},
    "Adamax": {"lr": 0.3},
    "RMSprop": {"lr": 0.1},
    "Adagrad": {"lr": 0.6},
    "Adadelta": {"lr": 30.0},
    "ASGD": {"lr": 0.15},
    "Rprop": {"lr": 0.1},
    "Lion": {"lr": 0.1},
    "LBFGS": {"lr": 0.3, "max_iter": 1},
}


@dataclass(frozen=True)
class Curve:
    """One picture: its file's name, and what it says in words."""

    file: str
    alt: str


def of(label: str, thing: Any, folder: Path) -> Curve | None:
    """Return the picture of a public name, drawn into a folder; None where there is nothing to draw."""
    name = label.rpartition(".")[2]
    if isinstance(thing, Op):
        return _function(name, thing, folder) if thing.kind == "elementwise" and arity(thing) == 1 else None
    if not inspect.isclass(thing):
        return None
    if name in SCHEDULES and issubclass(thing, optim.Schedule):
        return _schedule(name, thing, folder)
    if name in PATHS and issubclass(thing, optim.Optimizer):
        return _path(name, thing, folder)
    if thing.__module__ == "clearprop.nn.activation" and "Softm" not in name and "LogS" not in name:
        return _activation(name, thing, folder)
    if thing.__module__ == "clearprop.nn.loss":
        return _loss(name, thing, folder)
    return None


def arity(op: Op) -> int:
    """Return how many arrays an op takes."""
    return sum(p.default is p.empty and p.kind < 2 for p in inspect.signature(op).parameters.values())


def _figure(width: float = 3.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, 2.0))
    return figure, figure.subplots()


def _saved(figure: Figure, folder: Path, name: str, alt: str) -> Curve:
    """Save a figure with room for its labels: to have a layout found, matplotlib draws it twice."""
    (axes,), (width, height) = figure.axes, figure.get_size_inches()
    left, low = 0.52 + 0.18 * bool(axes.get_ylabel()), 0.25 + 0.16 * bool(axes.get_xlabel())
    figure.subplots_adjust(left / width, low / height, 1 - 0.1 / width, 1 - 0.1 / height)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return Curve(f"{name}.svg", alt)


def _two(name: str, f: Any, folder: Path, low: float = -4.0, high: float = 4.0) -> Curve | None:
    """Draw a function of one number, and its derivative."""
    xs = np.linspace(low, high, 241)
    with np.errstate(all="ignore"):
        t = Tensor(xs)
        y = f(t)
        if not isinstance(y, Tensor) or y.shape != xs.shape or y.dtype.kind != "f":
            return None
        np.sum(y).backward()
        values, slopes = y.numpy(), t.grad
    if not np.isfinite(values).sum() > 40 or slopes is None:
        return None
    figure, axes = _figure()
    axes.axhline(0, color="#d1d5db", lw=0.6)
    axes.plot(xs, np.where(np.abs(values) < 12, values, np.nan), color=VALUE, label=name)
    drawn = np.isfinite(values) & (np.abs(slopes) < 12)  # 1 / x has values where log has none
    axes.plot(xs, np.where(drawn, slopes, np.nan), color=SLOPE, ls="--", label="derivative")
    axes.legend(frameon=False)
    return _saved(
        figure, folder, name, f"The curve of {name} from {low:g} to {high:g}, and of its derivative"
    )


def _function(name: str, op: Op, folder: Path) -> Curve | None:
    try:
        return _two(name, op, folder)
    except (clearprop.GradientError, TypeError, ValueError):  # an op without a gradient has no second curve
        return None


def _activation(name: str, kind: Any, folder: Path) -> Curve | None:
    needed = {"Threshold": (0.5, 0.0)}.get(name, ())
    layer = kind(*needed).eval()
    try:
        return _two(name, layer, folder)
    except (TypeError, ValueError):  # of several inputs, or of halves
        return None


def _loss(name: str, kind: Any, folder: Path) -> Curve | None:
    """Draw a loss of one output and the target 1 over the output."""
    xs = np.linspace(-3, 3, 181)
    try:
        loss = kind(reduction="none")
        with np.errstate(all="ignore"):
            values = np.array(loss(Tensor(xs), np.ones_like(xs)))
    except Exception:  # of more than an output and a target of its shape
        return None
    if values.shape != xs.shape or np.isfinite(values).sum() < 60:
        return None
    figure, axes = _figure()
    axes.plot(xs, np.where(np.abs(values) < 12, values, np.nan), color=VALUE)
    axes.axvline(1, color=EXTRA, lw=0.6, ls=":")
    axes.set_xlabel("output, where the target is 1")
    return _saved(figure, folder, name, f"The curve of {name} over one output where the target is 1")


def _schedule(name: str, kind: Any, folder: Path) -> Curve:
    optimizer = optim.SGD([nn.Parameter(np.zeros(1))], lr=1.0)
    schedule, rates = kind(optimizer, **SCHEDULES[name]), []
    for _ in range(100):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    figure, axes = _figure()
    axes.plot(rates, color=VALUE)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")
    given = ", ".join(f"{k}={v}" for k, v in SCHEDULES[name].items() if not callable(v))
    return _saved(figure, folder, name, f"The learning rate of {name}({given}) over 100 steps, from 1")


def _valley(w: Any) -> Any:
    return 0.15 * w[0] ** 2 + 1.5 * w[1] ** 2


def _path(name: str, kind: Any, folder: Path) -> Curve:
    w = nn.Parameter(np.array([-4.0, 1.4]))
    optimizer, places = kind([w], **PATHS[name]), [w.numpy().copy()]

    def closure() -> Any:
        optimizer.zero_grad()
        loss = _valley(w)
        loss.backward()
        return loss

    for _ in range(40):
        if name == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
        places.append(w.numpy().copy())
    figure, axes = _figure(4.0)
    x, y = np.meshgrid(np.linspace(-4.6, 2, 80), np.linspace(-2, 2, 60))
    axes.contour(x, y, _valley((x, y)), levels=np.geomspace(0.05, 8, 9), colors="#d1d5db", linewidths=0.7)
    axes.plot(*np.array(places).T, ".-", color=VALUE, ms=3, lw=0.8)
    given = ", ".join(f"{k}={v}" for k, v in PATHS[name].items())
    return _saved(figure, folder, name, f"40 steps of {name}({given}) down the valley 0.15 x^2 + 1.5 y^2")
