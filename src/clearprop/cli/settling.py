"""What is settled beside a training: weights before it; temperature, threshold, typical errors after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.columns import encode
from clearprop.data.goals import MEASURED_BY_HALF, Classes, Quantiles, Quantity, Target
from clearprop.data.readings import numbers_only
from clearprop.data.tables import Table, nearest
from clearprop.errors import InputError, lesson
from clearprop.train import measures
from clearprop.train.importance import typical_features
from clearprop.train.measures import as_they_occur
from clearprop.train.weighting import balanced, precise

Array = npt.NDArray[Any]

FEWEST = 30
"""Rows held out that a temperature, or the reach of errors, is learned from at least."""


def settled(job: Any) -> dict[str, Any]:
    """Return what a model file keeps: `typical`; `temperature`, `threshold`, `class weights`, or `within`."""
    model, held = job.model, job.validation
    sample = job.training.rows(range(min(len(job.training), 10_000)))
    found: dict[str, Any] = {"typical": typical_features(model, encode(sample, model.columns))}
    weights = weights_of_rows(job.args, held)
    if not isinstance(model.target, Classes):
        found |= {"loss": job.args.loss} if job.args.loss else {}
        if len(held) >= FEWEST and not isinstance(model.target, Quantiles):
            off = np.abs(model.target.decode(model.outputs(held)) - model.target.values(held))
            found["within"] = _reach(off, weights)
        return found
    classes = model.target.encode(held) if len(held) else np.zeros(0, int)
    found |= {} if job.rarer is None else {"rarer": job.rarer}
    found |= weighed_by(job.class_weights())
    if len(held) >= FEWEST:
        found |= calibrated(model.outputs(held).astype(np.float64), classes, found, weights)
    if job.args.threshold is not None:
        model.about = dict(found)
        text, shares = str(job.args.threshold), model.probabilities(held)
        found["threshold"] = threshold(text, model.target.values, job.rarer, shares, classes, weights)
    return found


def calibrated(
    outputs: Array, classes: Array, about: Mapping[str, Any], weights: Array | None = None
) -> dict[str, Any]:
    """Return the temperature and, where classes were weighed, what of that the network shows to have learned.

    After few epochs a network may say a rare class less often than the weights of the loss would have it.
    """
    weighed = about.get("class weights")
    logits, heat = as_they_occur(outputs, weighed), 1.0
    moved = np.zeros(logits.shape[1])
    for _ in range(1 if weighed is None else 3):  # the two depend on one another
        if weighed is not None:
            moved = measures.shifts(logits, classes, heat, weights)
        heat = measures.temperature(logits - moved, classes, weights)
    found: dict[str, Any] = {"temperature": round(heat, 4)}
    if moved.any():
        learned = np.exp(moved) * [weight or 1.0 for weight in weighed or ()]
        found["learned weights"] = [float(f"{weight:.7g}") for weight in learned]
    return found


def weighed_by(weights: Array | None) -> dict[str, Any]:
    """Return what a model file keeps of the classes' weights in the loss; probabilities are without them."""
    return {} if weights is None else {"class weights": [float(f"{weight:.7g}") for weight in weights]}


def _reach(values: Array, weights: Array | None, share: float = 0.9) -> float:
    """Return which of some rows' values so large a share of them has at most, by their weights."""
    if weights is None:
        return float(np.quantile(values, share))
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])


def usual_number(
    target: Quantity, about: Mapping[str, Any], true: Array, weights: Array | None
) -> tuple[str, float]:
    """Return what it is called and which number one would always say without a network: a mean, or a median.

    It is that of the rows learned from; where rows have weights, that of these rows by theirs.
    """
    by_half = about.get("loss") in MEASURED_BY_HALF
    name = "median" if by_half else "mean"
    if weights is None:
        return name, float(target.mean)
    return name, _reach(true, weights, 0.5) if by_half else float(np.average(true, weights=weights))


def rarest(names: Sequence[str], counts: Array) -> str | None:
    """Return the rarer of two classes, the positive one; None of more. `counts` are the rows of each."""
    return names[int(np.argmin(counts))] if len(names) == 2 else None


def rarer_of(about: Mapping[str, Any], names: Sequence[str], classes: Array) -> int | None:
    """Return the place of the rarer of two classes, as a model keeps it or, in an old one, by these rows."""
    if len(names) != 2:
        return None
    kept = about.get("rarer")
    return names.index(kept) if kept in names else int(np.argmin(np.bincount(classes, minlength=2)))


def threshold(
    text: str, values: Sequence[str], rarer: str, shares: Array, classes: Array, weights: Array | None = None
) -> dict[str, Any]:
    """Return the rarer of two classes and the probability from which on it is said.

    `shares` and `classes` are those of the validation rows.
    """
    place = values.index(rarer)
    if text == "f1":
        best = measures.best_threshold(shares[:, place], classes == place, weights)
        return {"class": rarer, "from": best}
    return {"class": rarer, "from": float(text)}


def check_threshold(text: str | None, values: Sequence[str] | None, called: str, held: int) -> None:
    """Raise InputError, before the training, for a threshold that cannot be, with `held` rows to validate.

    `values` are the classes of what is `called` so, None where it has none.
    """
    if text is None:
        return
    if values is None or len(values) != 2:
        raise InputError(lesson("--threshold", "is of a target of two classes", called))
    try:
        right = text == "f1" or 0 < float(text) < 1
    except ValueError:
        right = False
    if not right:
        raise InputError(lesson("--threshold", "wants f1 or a probability between 0 and 1", repr(text)))
    if not held:
        hint = "--validation-split 0.1"
        raise InputError(lesson("--threshold", "wants validation rows", "there are none", hint=hint))


def weights_of_rows(args: Any, table: Table) -> Array | None:
    """Return how much each row counts, by the column that is asked for, or None.

    Raises InputError for a cell that is no number of 0 or more, and where no row counts.
    """
    name = args.sample_weight
    if name is None or not len(table):
        return None
    table.found(name, "the weights of rows")
    weights = rows_weighed(name, table)
    if not weights.any():
        raise none_counts(name, len(table))
    return weights


def rows_weighed(name: str, table: Table) -> Array:
    """Return the weights of rows that a column holds; raises InputError for one that is not 0 or more."""
    weights = numbers_only(table, name)
    wrong = np.flatnonzero(~(weights >= 0))
    if len(wrong):
        got = table.where(name, int(wrong[0]))
        raise InputError(lesson("--sample-weight", f"wants numbers of 0 or more in {name!r}", got))
    return weights


class StreamedWeights:
    """The weights of rows in a table that is gone through twice: looked at first, given then."""

    name: str
    largest: float

    def __init__(self, name: str) -> None:
        self.name, self.largest = name, 0.0

    def look(self, table: Table) -> None:
        """Take note of some rows' weights; raises InputError for one that is not 0 or more."""
        self.largest = max(self.largest, float(rows_weighed(self.name, table).max(initial=0.0)))

    def give(self, table: Table) -> Array:
        """Return the weights of rows, far from the ends of float32: only how they compare matters."""
        weights = rows_weighed(self.name, table)
        return precise(np.append(weights, self.largest), np.float32)[:-1]


def none_counts(name: str, rows: int) -> InputError:
    """Return the error for rows whose weights are all 0."""
    got = f"0 in all {rows:,} rows to learn from, to validate or to test"
    return InputError(lesson("--sample-weight", f"wants a row that counts by {name!r}", got))


def weights_of_classes(text: str, target: Target, counts: Callable[[], Array]) -> Array:
    """Return a weight for each class, of `balanced` or `NAME=NUMBER,...`; a class not named has 1.

    `counts` gives the number of rows of each class among those to learn from.
    """
    if not isinstance(target, Classes):
        raise InputError(lesson("--class-weight", "is of classes", f"{target.name!r} is a number"))
    return named_weights(text, target.values, counts())


def named_weights(text: str, names: Sequence[str], counts: Array) -> Array:
    """Return a weight for each of the names; `counts` are the rows to learn from of each."""
    if text == "balanced":
        return np.asarray(balanced(counts), np.float32)
    weights = np.ones(len(names), np.float32)
    named: set[str] = set()
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        if name not in names:
            hint = nearest(name, names)
            raise InputError(
                lesson("--class-weight", "wants balanced or NAME=NUMBER,...", repr(part), hint=hint)
            )
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not 0 <= weight < 1e9:
            raise InputError(lesson("--class-weight", "wants numbers of 0 or more", repr(part)))
        if name in named:
            raise InputError(lesson("--class-weight", "wants one weight for each class", f"{name!r} twice"))
        named.add(name)
        weights[names.index(name)] = weight
    if not weights[counts > 0].any():
        raise InputError(
            lesson("--class-weight", "wants a weight above 0 for a class that occurs", repr(text))
        )
    return weights


def measured(
    shares: Array,
    true: Array,
    counts: Array,
    names: Sequence[str],
    rarer: int | None,
    weights: Array | None = None,
) -> dict[str, float]:
    """Return what else tells how good probabilities of classes are; of two, the rarer is the positive one.

    `counts` is the table of true and predicted classes, `weights` how much each row counts.
    """
    each = measures.f1(counts)
    found = {name: of(shares, true, weights) for name, of in
             (("log-loss", measures.log_loss), ("Brier", measures.brier))}  # fmt: skip
    if rarer is None:
        return found | {"mean F1": float(np.nanmean(each))}
    positive, share = true == rarer, shares[:, rarer]
    found |= {"ROC-AUC": measures.roc_auc(share, positive, weights)}
    return found | {
        "average precision": measures.average_precision(share, positive, weights),
        f"F1 of {names[rarer]}": float(each[rarer]),
    }
