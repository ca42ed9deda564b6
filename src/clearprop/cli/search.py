"""`--search N`: settings drawn by chance from a stated space, and which is best on the validation rows."""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.cli.train_report import TrainingReport
from clearprop.errors import InputError, lesson

Settings = dict[str, Any]

# What is drawn: one of a list, or a number between two, evenly in its logarithm.
# fmt: off
SPACE: dict[str, Any] = {
    "hidden":       ["64,64", "128,128", "256,256", "128,128,128"],
    "members":      [2, 4, 8],
    "pieces":       [0, 8, 16, 32],
    "dropout":      [0.0, 0.1, 0.2, 0.3],
    "lr":           (0.0005, 0.01),
    "weight_decay": (1e-6, 0.01),
}
PLAIN: dict[str, Any] = {
    "hidden":       ["64", "128", "256", "128,64", "128,128"],
    "dropout":      [0.0, 0.1, 0.2, 0.4],
    "batch_size":   [16, 32, 64],
    "lr":           (0.0003, 0.01),
    "weight_decay": (1e-6, 0.01),
}
PICTURES: dict[str, Any] = {
    "augment":      ["none", "shift", "flip,shift", "crop,flip"],
    "batch_size":   [16, 32, 64],
    "lr":           (0.0005, 0.02),
    "weight_decay": (1e-6, 0.1),
}
LINEAR: dict[str, Any] = PICTURES | {"hidden": PLAIN["hidden"], "dropout": PLAIN["dropout"]}
# fmt: on
FACTOR = 3
"""Of the settings tried, one in so many goes on, for so many times the epochs."""
FEWEST = 2
"""So many epochs at least tell something of a setting."""


@dataclass
class Tries:
    """What was searched: the space, each setting tried with its epochs and its loss, and which won."""

    space: dict[str, Any]
    tried: list[tuple[Settings, int, float]] = field(default_factory=list)
    usual: float = math.inf
    won: Settings | None = None
    """None where no setting was better than the usual ones."""
    best: Any = None
    """While the search goes on, the job and the history of the training of least validation loss."""
    history: Any = None
    """That history, where Ctrl-C ended the search and the network of it is kept."""

    def trained(self, settings: Settings, epochs: int, loss: float, job: Any, history: Any) -> None:
        """Take note of a training."""
        if loss < min((row[2] for row in self.tried), default=math.inf):
            self.best, self.won = (job, history), settings
        self.tried.append((settings, epochs, loss))

    @property
    def least(self) -> float:
        """The validation loss of the setting that won, the usual ones' where none did."""
        if self.history is not None:
            return min(row[2] for row in self.tried)
        best = min((row for row in self.tried if row[0] == self.won), key=lambda row: -row[1], default=None)
        return self.usual if best is None else best[2]

    def rungs(self) -> list[tuple[int, int]]:
        """Return how many settings were trained for how many epochs, the fewest epochs first."""
        epochs = sorted({row[1] for row in self.tried})
        return [(sum(row[1] == each for row in self.tried), each) for each in epochs]

    def ordered(self) -> list[tuple[Settings, int, float]]:
        """Return what was tried, those that were trained longest first, of these the best first."""
        return sorted(self.tried, key=lambda row: (-row[1], row[2]))

    def spec(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        tried = [
            {"settings": s, "epochs": e, "loss": v if v < math.inf else None} for s, e, v in self.ordered()
        ]
        usual = self.usual if self.usual < math.inf else None
        stopped = {"stopped": True} if self.history is not None else {}
        return {"space": self.space, "tried": tried, "usual": usual, "won": self.won} | stopped


def searched(job: Any, asked: argparse.Namespace, hidden: list[int], report: TrainingReport) -> list[int]:
    """Search; write what won into `asked` and `job`, tell it, and return the sizes of the hidden layers.

    Where Ctrl-C ends the search, the network of the least validation loss until then is the job's, trained,
    and `job.search.history` has how it was; raises KeyboardInterrupt where no training had ended.
    """
    space = {name: values for name, values in job.space(asked).items() if getattr(asked, name) is None}
    if not space:
        got = "options say all that is searched"
        raise InputError(lesson("--search", "wants something to search", got, hint="it without them"))
    report.say(f"search: {asked.search} settings of {said_space(space)}")
    found = job.search = Tries(space)
    try:
        _halve(job, asked, hidden, found)
        found.usual, _, _ = _trained(job, asked, hidden, {}, int(job.args.epochs))
    except KeyboardInterrupt:
        if found.best is None:
            raise
        kept, found.history = found.best
        vars(job).update(vars(kept))
    else:
        settings, _, best = found.ordered()[0]
        found.won = settings if best < found.usual else None
    found.best = None
    won = found.won or {}
    for name, value in won.items():
        setattr(asked, name, value)
    sizes = sizes_of(won["hidden"]) if "hidden" in won else hidden
    if found.history is None:
        job.args = copy.copy(asked)
        job.begin(sizes, job.parts)
    tell(found, report)
    return sizes


def _halve(job: Any, asked: argparse.Namespace, hidden: list[int], found: Tries) -> None:
    """Train settings for few epochs, the best third of them for three times as many, and so on."""
    try:
        from scipy.stats import loguniform  # type: ignore[import-untyped]
        from sklearn.base import BaseEstimator  # type: ignore[import-untyped]
        from sklearn.experimental import (  # type: ignore[import-untyped]
            enable_halving_search_cv,  # noqa: F401  (it makes the next line work)
        )
        from sklearn.model_selection import (  # type: ignore[import-untyped]
            HalvingGridSearchCV,
            ParameterSampler,
        )
    except ImportError as error:
        hint = "pip install scikit-learn"
        raise InputError(lesson("--search", "wants scikit-learn", str(error), hint=hint)) from error

    class Trial(BaseEstimator):  # type: ignore[misc]
        """One training, as scikit-learn's search takes it: its rows are those of the job."""

        def __init__(self, epochs: int = 1, settings: Settings | None = None) -> None:
            self.epochs, self.settings = epochs, settings

        def fit(self, rows: Any, y: Any = None) -> Trial:
            settings = self.settings or {}
            self.loss_, *trained = _trained(job, asked, hidden, settings, self.epochs)
            found.trained(settings, self.epochs, self.loss_, *trained)
            return self

        def score(self, rows: Any, y: Any = None) -> float:
            return -min(self.loss_, 1e300)

    drawn = {
        name: loguniform(*values) if isinstance(values, tuple) else values
        for name, values in found.space.items()
    }
    settings = [
        {"settings": [{name: _plain(value) for name, value in one.items()}]}
        for one in ParameterSampler(drawn, asked.search, random_state=asked.seed % 2**32)
    ]
    most = int(job.args.epochs)
    rungs = 1 + int(math.log(max(len(settings), 1), FACTOR) + 1e-9)
    search = HalvingGridSearchCV(
        Trial(), settings, resource="epochs", max_resources=most, factor=FACTOR, refit=False,
        min_resources=min(most, max(FEWEST, most // FACTOR ** (rungs - 1))),
        cv=[([0], [1])], random_state=0,
    )  # fmt: skip
    search.fit(np.zeros((2, 1)))  # the rows are the job's own


def _trained(
    job: Any, asked: argparse.Namespace, hidden: list[int], settings: Settings, epochs: int
) -> tuple[float, Any, Any]:
    """Train with these settings; return the lowest validation loss (infinity if it fails), job, history."""
    from clearprop.train import NonFiniteLossError

    one = copy.copy(job)
    one.args = copy.copy(asked)
    for name, value in settings.items():
        setattr(one.args, name, value)
    one.args.epochs, one.args.checkpoint, one.args.resume = epochs, None, False
    sizes = sizes_of(settings["hidden"]) if "hidden" in settings else hidden
    one.remake(sizes)
    try:
        history = one.train(TrainingReport(json=True))
    except NonFiniteLossError:
        return math.inf, None, None
    if history.ended == "interrupted":
        raise KeyboardInterrupt
    return float(min(history["val_loss"])), one, history


def sizes_of(text: str) -> list[int]:
    """Return the sizes of hidden layers: `64,32` is [64, 32]."""
    return [int(size) for size in text.split(",")]


def _plain(value: Any) -> Any:
    """Return a value that was drawn as Python has it, a number with three digits."""
    value = value.item() if hasattr(value, "item") else value
    return float(f"{value:.3g}") if isinstance(value, float) else value


def tell(found: Tries, report: TrainingReport) -> None:
    """Print the best of what was tried and what won."""
    halved = ", ".join(f"{count} for {epochs} epochs" for count, epochs in found.rungs())
    stopped = found.history is not None
    then = "stopped by Ctrl-C before the end" if stopped else "the usual settings for all"
    report.say(f"tried by successive halving: {halved}; {then}. Validation loss:\n")
    for settings, epochs, loss in found.ordered()[:10]:
        report.say(f"  {loss:>10.4g}  {epochs:>4} epochs  {said(settings)}")
    report.say("" if stopped else f"  {found.usual:>10.4g}  the usual settings\n")
    won = "none is better than the usual settings" if found.won is None else said(found.won)
    report.say(
        f"{'the best so far' if stopped else 'won'}: {won} (validation loss {found.least:.4g})\n", always=True
    )
    if report.json is not None:
        report.json["search"] = found.spec()


def said(settings: Mapping[str, Any]) -> str:
    """Return settings as the options that they are.

    >>> said({"weight_decay": 0.001, "hidden": "64,32"})
    '--weight-decay 0.001 --hidden 64,32'
    """
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items())


def said_space(space: Mapping[str, Any]) -> str:
    """Return in words what is searched.

    >>> said_space({"lr": (0.001, 0.01), "members": [2, 4]})
    '--lr 0.001 to 0.01, --members 2 or 4'
    """
    return ", ".join(
        f"--{name.replace('_', '-')} "
        + (f"{values[0]:g} to {values[1]:g}" if isinstance(values, tuple) else " or ".join(map(str, values)))
        for name, values in space.items()
    )
