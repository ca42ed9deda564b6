"""What a network gives for a target, and how it is encoded: classes, numbers, counts, quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import as_words
from clearprop.data.columns import mean_and_scale
from clearprop.data.dress import Dress
from clearprop.data.inspection import Reading
from clearprop.data.readings import numbers_only
from clearprop.data.tables import Table
from clearprop.data.targets import labels
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Classes:
    """A target of classes: the network has one output for each."""

    name: str
    values: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        return len(self.values)

    def encode(self, table: Table) -> Array:
        """Return each row's class as its place in `values`."""
        place = {value: i for i, value in enumerate(self.values)}
        cells = as_words(table.found(self.name))
        return cells.spread([place[label] for label in labels(cells.words)], np.int64)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        return {"name": self.name, "kind": "classes", "values": list(self.values)}


@dataclass(frozen=True)
class Quantity:
    """A target of numbers: the network has one output, which stands for `output * scale + mean`.

    Where the loss is not to be ruled by far numbers, `mean` is the median and `scale` the spread of the
    middle half, as a normal distribution's would be.
    """

    name: str
    mean: float
    scale: float
    dress: Dress = field(default_factory=Dress)

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        return 1

    def values(self, table: Table) -> Array:
        """Return the target as numbers, of shape (rows,)."""
        return numbers_only(table, self.name, self.dress)

    def standing(self, outputs: Array) -> Array:
        """Return what outputs say, beside the target as it is encoded, of shape (rows, 1)."""
        return np.asarray(outputs, np.float64)

    def encode(self, table: Table) -> Array:
        """Return the target as an array of shape (rows, 1), of mean 0 and spread 1 where it was learned."""
        return np.asarray((self.values(table) - self.mean) / self.scale)[:, None]

    def decode(self, outputs: Array) -> Array:
        """Return what outputs of shape (rows, outputs) say in the target's own units, of shape (rows,)."""
        return np.asarray(self.standing(outputs)[:, 0] * self.scale + self.mean)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        dress = {} if self.dress.plain else {"dress": self.dress.spec()}
        return {"name": self.name, "kind": "number", "mean": self.mean, "scale": self.scale, **dress}


@dataclass(frozen=True)
class Count(Quantity):
    """A target of counts: the network's output is the logarithm of what is expected, in units of the mean."""

    loss: ClassVar[str] = "poisson"
    wanted: ClassVar[str] = "wants counts: numbers of 0 or more, and not 0 alone"

    def values(self, table: Table) -> Array:
        """Return the target as numbers, of shape (rows,); raises InputError for one that cannot be."""
        values = super().values(table)
        wrong = np.flatnonzero(~self.possible(values))
        if len(wrong):
            raise InputError(lesson("--loss " + self.loss, self.wanted, table.where(self.name, int(wrong[0])),
                                    hint="--loss mse"))  # fmt: skip
        return values

    def encode(self, table: Table) -> Array:
        """Return the target divided by its mean, of shape (rows, 1)."""
        return (self.values(table) / self.mean)[:, None]

    def standing(self, outputs: Array) -> Array:
        """Return what outputs say, beside the target as it is encoded, of shape (rows, 1)."""
        return expected(outputs)

    def decode(self, outputs: Array) -> Array:
        """Return the expected numbers of outputs of shape (rows, 1), of shape (rows,)."""
        return np.asarray(self.mean * self.standing(outputs)[:, 0])

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        return super().spec() | {"kind": "count"}

    @staticmethod
    def possible(values: Array) -> Array:
        """Return for each number whether the loss can learn it."""
        return np.asarray(values >= 0)


@dataclass(frozen=True)
class Positive(Count):
    """A target of numbers above 0, whose errors grow with them; the output is a logarithm, as of a count."""

    loss: ClassVar[str] = "gamma"
    wanted: ClassVar[str] = "wants numbers above 0"

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        return super().spec() | {"kind": "positive"}

    @staticmethod
    def possible(values: Array) -> Array:
        """Return for each number whether the loss can learn it."""
        return np.asarray(values > 0)


@dataclass(frozen=True)
class Quantiles(Quantity):
    """A target of numbers of which quantiles are learned: the network has an output for each of `levels`.

    The outputs are put in order, so that no quantile is above a higher one; the prediction is the one whose
    level is nearest to a half.
    """

    levels: tuple[float, ...] = (0.1, 0.5, 0.9)

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        return len(self.levels)

    @property
    def middle(self) -> int:
        """Which level is the prediction's."""
        return int(np.argmin(np.abs(np.array(self.levels) - 0.5)))

    def standing(self, outputs: Array) -> Array:
        """Return what outputs say, beside the target as it is encoded, of shape (rows, 1)."""
        return in_order(outputs)[:, self.middle, None]

    def quantiles(self, outputs: Array) -> Array:
        """Return the quantiles in the target's own units, of shape (rows, levels)."""
        return in_order(outputs) * self.scale + self.mean

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores of the target."""
        return super().spec() | {"kind": "quantiles", "levels": list(self.levels)}


Target = Classes | Quantity


def expected(outputs: Array) -> Array:
    """Return what logarithms stand for: see `Count`."""
    return np.asarray(np.exp(np.asarray(outputs, np.float64).clip(-50, 50)))


def in_order(outputs: Array) -> Array:
    """Return each row's outputs from the lowest up: see `Quantiles`."""
    return np.sort(np.asarray(outputs, np.float64), axis=1)


def learn_target(
    table: Table, reading: Reading, training: Table, *, loss: str = "mse", levels: Sequence[float] = ()
) -> Target:
    """Return how to encode the target: the table's classes, or the training rows' mean and spread.

    `loss` is one of `QUANTITIES`, which says what is made of numbers; `levels` are those of quantiles.
    Raises InputError for a number that the loss cannot learn.
    """
    if reading.task == "classification":
        found = set(labels(as_words(table.found(reading.target)).words))
        numeric = all(_is_number(label) for label in found)
        return Classes(reading.target, tuple(sorted(found, key=float if numeric else None)))
    dress = reading.aim.dress
    values = numbers_only(training, reading.target, dress)
    mean, scale = mean_and_scale(training, reading.target, values)
    target = quantity(reading.target, values, (mean, scale), loss, levels, dress)
    if isinstance(target, Count):
        target.values(table)
        if not mean > 0:
            got = f"all of {reading.target!r} are {mean:g}"
            raise InputError(lesson(f"--loss {loss}", target.wanted, got, hint="--loss mse"))
    return target


# What a target of numbers is under each loss.
QUANTITIES: dict[str, type[Quantity]] = {
    "mse": Quantity, "mae": Quantity, "huber": Quantity,
    "quantile": Quantiles, "poisson": Count, "gamma": Positive,
}  # fmt: skip


MEASURED_BY_HALF = ("mae", "huber", "quantile")
"""Losses that a few far numbers do not rule: the target is measured from its median, by its middle half."""


def quantity(
    name: str, values: Array, scales: tuple[float, float], loss: str = "mse",
    levels: Sequence[float] = (), dress: Dress | None = None,
) -> Quantity:  # fmt: skip
    """Return how to encode a target of numbers, whose mean and scale are `scales`, for a loss."""
    if loss in MEASURED_BY_HALF:
        low, middle, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        spread = (high - low) / 1.349  # of a normal distribution this is the standard deviation
        scales = middle, spread if spread > 1e-12 * max(abs(low), abs(high)) else scales[1]
    dress = dress or Dress()
    if loss == "quantile":
        return Quantiles(name, *scales, dress, tuple(sorted(levels)) or Quantiles.levels)
    return QUANTITIES[loss](name, *scales, dress)


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True
