"""What is settled after a training, on rows held out: the temperature, the threshold, typical errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.columns import Classes, Target, encode
from clearprop.data.tables import Table, nearest
from clearprop.errors import InputError, lesson
from clearprop.train import measures
from clearprop.train.importance import typical_features
from clearprop.train.weighting import class_weights

Array = npt.NDArray[Any]

FEWEST = 30
"""Rows held out that a temperature, or the reach of errors, is learned from at least."""


def settled(job: Any) -> dict[str, Any]:
    """Return what a model file keeps of it: `typical`, and `temperature`, `threshold` or `within`."""
    model, held = job.model, job.validation
    sample = job.training.rows(range(min(len(job.training), 10_000)))
    found: dict[str, Any] = {"typical": typical_features(model, encode(sample, model.columns))}
    if not isinstance(model.target, Classes):
        if len(held) >= FEWEST:
            off = np.abs(model.target.decode(model.outputs(held)) - model.target.values(held))
            found["within"] = float(np.quantile(off, 0.9))
        return found
    classes = model.target.encode(held) if len(held) else np.zeros(0, int)
    if len(held) >= FEWEST:
        found["temperature"] = round(measures.temperature(model.outputs(held).astype(np.float64), classes), 4)
    if job.args.threshold is not None:
        model.about = dict(found)
        found["threshold"] = _threshold(job, model.probabilities(held), classes)
    return found


def _threshold(job: Any, shares: Array, classes: Array) -> dict[str, Any]:
    """Return the rarer of two classes and the probability from which on it is said."""
    values, text = job.model.target.values, str(job.args.threshold)
    rarer = int(np.argmin(np.bincount(job.model.target.encode(job.training), minlength=len(values))))
    if text == "f1":
        return {"class": values[rarer], "from": measures.best_threshold(shares[:, rarer], classes == rarer)}
    return {"class": values[rarer], "from": float(text)}


def check_threshold(text: str | None, target: Target, held: int) -> None:
    """Raise InputError, before the training, for a threshold that cannot be, with `held` rows to validate."""
    if text is None:
        return
    if not isinstance(target, Classes) or len(target.values) != 2:
        raise InputError(lesson("--threshold", "is of a target of two classes", repr(target.name)))
    try:
        right = text == "f1" or 0 < float(text) < 1
    except ValueError:
        right = False
    if not right:
        raise InputError(lesson("--threshold", "wants f1 or a probability between 0 and 1", repr(text)))
    if not held:
        hint = "--validation-split 0.1"
        raise InputError(lesson("--threshold", "wants validation rows", "there are none", hint=hint))


def weights_of_classes(text: str, target: Target, training: Table) -> Array:
    """Return a weight for each class, of `balanced` or `NAME=NUMBER,...`; a class not named has 1."""
    if not isinstance(target, Classes):
        raise InputError(lesson("--class-weight", "is of classes", f"{target.name!r} is a number"))
    weights = np.ones(len(target.values), np.float32)
    if text == "balanced":
        found = class_weights("balanced", target.encode(training))
        weights[: len(found)] = found
        return weights
    named: set[str] = set()
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        if name not in target.values:
            hint = nearest(name, target.values)
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
        weights[target.values.index(name)] = weight
    if not weights[np.unique(target.encode(training))].any():
        raise InputError(
            lesson("--class-weight", "wants a weight above 0 for a class that occurs", repr(text))
        )
    return weights


def measured(shares: Array, true: Array, counts: Array, names: Sequence[str]) -> dict[str, float]:
    """Return what else tells how good probabilities of classes are; of two, the rarer is the positive one."""
    each = measures.f1(counts)
    found = {"log-loss": measures.log_loss(shares, true), "Brier": measures.brier(shares, true)}
    if len(names) != 2:
        return found | {"mean F1": float(np.nanmean(each))}
    rarer = int(np.argmin(counts.sum(axis=1)))
    positive, share = true == rarer, shares[:, rarer]
    found |= {"ROC-AUC": measures.roc_auc(share, positive)}
    return found | {
        "average precision": measures.average_precision(share, positive),
        f"F1 of {names[rarer]}": float(each[rarer]),
    }
