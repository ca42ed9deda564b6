"""`TableModel`: a network and all that stands between it and a table, kept in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop import nn
from clearprop.data import read_table
from clearprop.data.cells import Spelling
from clearprop.data.columns import Category, Column, Date, Number, Text, encode
from clearprop.data.dates import PARTS, Form
from clearprop.data.dress import Dress
from clearprop.data.goals import Classes, Count, Positive, Quantiles, Quantity, Target
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson
from clearprop.interop.model_file import load_labelled, save_model
from clearprop.train.evaluation import predict
from clearprop.train.measures import as_they_occur, learned_weights, likeliest, softmax
from clearprop.train.objectives import checked_levels

Array = npt.NDArray[Any]


@dataclass
class TableModel:
    """A network with the encodings of its columns and of its target; `about` tells how it was trained.

    `about["reading"]` holds what the reader of the table was told, so that other tables are read alike.
    `own` is the label of a network of a person's own classes, see `save_model`.
    """

    network: Any
    columns: Sequence[Column]
    target: Target
    about: dict[str, Any] = field(default_factory=dict)
    own: str | None = None

    def read(self, path: Any, **told: Any) -> Table:
        """Read a table as the one that the model learned from was read, but for what is `told` now.

        An encoding that was named then is tried where the file is not UTF-8.
        """
        reading = dict(self.about.get("reading", {}))
        spelling = Spelling.of(reading)
        known: dict[str, Any] = dict(vars(spelling))
        encodings = [str(reading["encoding"])] if reading.get("encoding") else []
        known |= {"delimiter": reading.get("delimiter"), "encodings": encodings}
        told = {name: value for name, value in told.items() if value not in (None, ())}
        return read_table(path, **(known | told))

    def answers(self, inputs: Array) -> Array:
        """Return the network's raw outputs for rows as it reads them, float64."""
        return np.asarray(predict(self.network, inputs), np.float64)

    def outputs(self, table: Table) -> Array:
        """Return the network's raw outputs for a table's rows."""
        return np.asarray(predict(self.network, encode(table, self.columns)))

    def shares(self, outputs: Array) -> Array:
        """Return the probabilities of outputs z: softmax((z - log w) / T).

        T is `about["temperature"]`, w the weights of classes that were learned, see `learned_weights`.
        """
        logits = as_they_occur(outputs, learned_weights(self.about))
        return softened(logits, float(self.about.get("temperature", 1.0)))

    def probabilities(self, table: Table) -> Array:
        """Return each row's probabilities of the classes, float64 of shape (rows, classes)."""
        return self.shares(self.outputs(table))

    def chosen(self, shares: Array) -> Array:
        """Return the class of each row of probabilities: the likeliest, or by the threshold of two classes.

        Where the loss weighed classes, it is that of the largest probability times weight.
        `about["threshold"]` names a class and the probability from which on it is said.
        """
        return chosen(shares, getattr(self.target, "values", ()), self.about)

    def predictions(self, table: Table) -> dict[str, list[str]]:
        """Return columns of text: the predicted class and the probabilities, or the predicted number.

        The names are `predicted TARGET` and `probability CLASS` or, of quantiles, `quantile LEVEL`.
        """
        name = f"predicted {self.target.name}"
        if isinstance(self.target, Quantity):
            outputs = self.outputs(table)
            told = {name: [f"{value:.9g}" for value in self.target.decode(outputs)]}
            for level, column in _quantiles(self.target, outputs):
                told[f"quantile {level:g}"] = [f"{value:.9g}" for value in column]
            return told
        shares = self.probabilities(table)
        found = {name: [self.target.values[i] for i in self.chosen(shares)]}
        for label, column in zip(self.target.values, shares.T, strict=True):
            found[f"probability {label}"] = [f"{share:.6f}" for share in column]
        return found

    def save(self, path: str | Path, overwrite: bool = True) -> None:
        """Write the model file: all that predictions need; see `save_model`."""
        columns = [column.spec() for column in self.columns]
        about = {"columns": columns, "target": self.target.spec(), **self.about}
        save_model(path, self.network, about, overwrite, self.own)

    @classmethod
    def load(
        cls, path: str | Path, own: Callable[[tuple[int, ...], int], nn.Module] | None = None
    ) -> TableModel:
        """Read a model file; `own(input_shape, outputs)` makes a network of own classes.

        Raises InputError where it is no model file, or not of a table.
        """
        network, about, label = load_labelled(path, None if own is None else lambda about: own(*sizes(about)))
        try:
            columns = [_column(spec) for spec in about.pop("columns")]
            target = _target(about.pop("target"))
            width, outputs = sum(column.width for column in columns), target.outputs
            if predict(network, np.zeros((1, width), np.float32)).shape != (1, outputs):
                raise ValueError(f"columns of {width} inputs and {outputs} outputs")
            _check_about(about, target, network, width)
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
            wanted, got = "holds a network, but not the columns of a table", str(error)
            hint = "a file that `clearprop train` wrote, or clearprop.interop.load_model in Python"
            raise InputError(lesson(f"reading {path}", wanted, got, hint=hint)) from error
        return cls(network, columns, target, about, label)


def softened(outputs: Array, temperature: float) -> Array:
    """Return softmax(outputs / T), float64."""
    return softmax(np.asarray(outputs, np.float64) / temperature)


def chosen(shares: Array, values: Sequence[str], about: Mapping[str, Any]) -> Array:
    """Return the class of each row of probabilities: by a threshold, or the likeliest times its weight."""
    told = about.get("threshold")
    if told is None or len(values) != 2:
        return likeliest(shares, about.get("class weights"))
    return from_on(shares, values.index(str(told["class"])), float(told["from"]))


def from_on(shares: Array, positive: int, threshold: float) -> Array:
    """Return which of two classes is said: the positive one from this probability on."""
    return np.where(shares[:, positive] >= threshold, positive, 1 - positive)


def sizes(about: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """Return the shape of a row and the number of outputs that a file tells of."""
    return (sum(_column(spec).width for spec in about["columns"]),), _target(about["target"]).outputs


def _check_about(about: dict[str, Any], target: Target, network: Any, inputs: int) -> None:
    """Raise ValueError for a temperature, a threshold or typical features that cannot be."""
    heat = float(about.get("temperature", 1.0))
    if not 0 < heat < 1e6:
        raise ValueError(f"the temperature {heat}")
    classes = target.values if isinstance(target, Classes) else ()
    check_class_weights(about, len(classes))
    check_threshold(about, classes)
    typical = about.get("typical")
    if typical is not None:
        first = next(iter(network), None) if isinstance(network, nn.Sequential) else None
        expected = len(getattr(first, "places", range(inputs)))
        if len(typical) != expected or not np.isfinite(np.asarray(typical, np.float64)).all():
            raise ValueError(f"{len(typical)} typical features, where there are {expected}")


def check_class_weights(about: dict[str, Any], classes: int) -> None:
    """Raise ValueError for weights of classes that cannot be."""
    for name, most in (("class weights", 1e9), ("learned weights", np.inf)):
        given = about.get(name)
        if given is not None and (len(given) != classes or not all(0 <= float(w) < most for w in given)):
            raise ValueError(f"the weights of classes {given}")


def check_threshold(about: Mapping[str, Any], values: Sequence[str]) -> None:
    """Raise ValueError where a file tells of a threshold that cannot be."""
    told = about.get("threshold")
    if told is not None and (told["class"] not in values or not 0 <= told["from"] <= 1):
        raise ValueError(f"the threshold {told}")


def _quantiles(target: Target, outputs: Array) -> list[tuple[float, Array]]:
    """Return each level that outputs have a quantile for, with the quantiles."""
    if not isinstance(target, Quantiles):
        return []
    return list(zip(target.levels, target.quantiles(outputs).T, strict=True))


def _column(spec: dict[str, Any]) -> Column:
    name, kind = str(spec["name"]), spec["kind"]
    if kind == "number":
        median, mean, scale = _numbers(spec, "median", "mean", "scale")
        (spread,) = _numbers({"spread": 0.0, **spec}, "spread")
        dress, gaps = Dress.of(spec.get("dress", {})), bool(spec.get("gaps", False))
        return Number(name, median, mean, scale, dress, spread, gaps)
    if kind == "date":
        scales = {part: tuple(_numbers({"name": name, "mean": m, "scale": s}, "mean", "scale"))
                  for part, (m, s) in spec["scales"].items()}  # fmt: skip
        if not set(scales) <= set(PARTS):
            raise ValueError(f"{name!r} has the parts {sorted(scales)}")
        form = Form.known(str(spec["form"]), bool(spec["day_first"]))
        return Date(name, form, {part: (mean, scale) for part, (mean, scale) in scales.items()})
    if kind == "text":
        return Text(name, int(spec["size"]))
    values = tuple(None if value is None else str(value) for value in spec["values"])
    more = bool(spec.get("folded", False)), bool(spec.get("coded", False))
    return Category(name, values, tuple(map(str, spec.get("pooled", ()))), *more)


def _target(spec: dict[str, Any]) -> Target:
    makes = {"number": Quantity, "count": Count, "positive": Positive, "quantiles": Quantiles}
    if spec["kind"] in makes:
        mean, scale = _numbers(spec, "mean", "scale")
        given = str(spec["name"]), mean, scale, Dress.of(spec.get("dress", {}))
        if spec["kind"] == "quantiles":
            return Quantiles(*given, checked_levels("quantiles", spec["levels"]))
        return makes[spec["kind"]](*given)
    return Classes(str(spec["name"]), tuple(str(value) for value in spec["values"]))


def _numbers(spec: dict[str, Any], *names: str) -> Iterator[float]:
    for name in names:
        number = float(spec[name])
        if not np.isfinite(number) or (name == "scale" and number == 0):
            raise ValueError(f"{spec['name']!r} has the {name} {number}")
        yield number
