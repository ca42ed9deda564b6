"""Symptoms of the data, and of a loss that does not go with the model's output or with the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.check.entries import first_bad
from clearprop.diagnosis.association import unrelated_targets
from clearprop.diagnosis.examination import Examination, behind_views
from clearprop.diagnosis.symptoms import Look, Symptom, rms
from clearprop.diagnosis.turned import turned
from clearprop.tensor import raw

LARGE, SMALL = 30.0, 1e-2  # rms of an input column; of all inputs
TARGETS = 100.0  # rms of regression targets
WRONG = 5.0  # times the loss of a uniform guess


def not_finite_data(seen: Examination) -> Iterator[Symptom]:
    """NaN or infinity in the inputs or targets."""
    for what, array in zip(("inputs", "targets"), seen.whole, strict=True):
        bad = first_bad(np.asarray(array))
        if bad is not None:
            yield Symptom(
                "numbers that are not finite in the data",
                what,
                f"{bad.count} of {bad.size} entries; the first is {bad.kind} at {list(bad.index)}",
                "one NaN makes the loss, every gradient and then every weight NaN",
                "dropping those rows, or filling them in: np.nan_to_num, or the column's median",
            )


def not_scaled(seen: Examination) -> Iterator[Symptom]:
    """Inputs, or regression targets, far from the size of 1."""
    x, y = (np.asarray(a) for a in seen.whole)
    if x.dtype.kind in "fiu" and x.ndim >= 2 and np.isfinite(x).all() and not seen.picks_rows():
        columns = x.reshape(len(x), -1).astype(np.float64)
        sizes = np.sqrt(np.mean(columns**2, axis=0))
        worst = int(np.argmax(sizes))
        if sizes[worst] > LARGE or 0 < float(sizes.max()) < SMALL:
            yield Symptom(
                "inputs that are not scaled",
                f"column {worst}" if x.ndim == 2 else "inputs",
                f"the columns' sizes (rms) go from {sizes.min():.3g} to {sizes[worst]:.3g}",
                "the first layer's gradients are that much too large or uneven; its units saturate or die",
                "data.StandardScaler, or (x - x.mean(0)) / x.std(0), with the training data's mean and std",
            )
    if (
        y.dtype.kind == "f"
        and seen.loss_name in ("MSELoss", "mse_loss")
        and np.isfinite(y).all()
        and rms(y) > TARGETS
    ):
        yield Symptom(
            "targets that are not scaled",
            "targets",
            f"their size (rms) is {rms(y):.3g}",
            "the loss and its gradients grow with the square of it, so that usual learning rates diverge",
            "training on (y - y.mean()) / y.std() and scaling the predictions back",
        )


def labels(seen: Examination) -> Iterator[Symptom]:
    """Labels that do not go with the model's output or the loss."""
    y, output = np.asarray(seen.whole[1]), raw(seen.output)
    if _picks(seen) and y.dtype.kind in "iu" and y.size and np.ndim(output) >= 2:
        classes = output.shape[1]
        low, high = int(y.min()), int(y.max())
        if low < 0 or high >= classes:
            first = int(np.flatnonzero((y.ravel() < 0) | (y.ravel() >= classes))[0])
            yield Symptom(
                "labels out of range",
                "targets",
                f"labels go from {low} to {high} (the first wrong in row {first}) for {classes} outputs",
                f"a label names one of the outputs 0 to {classes - 1}",
                f"a last layer with {high + 1} outputs" if low >= 0 else "labels counted from 0",
            )
        elif low == high and y.size > 1:
            yield Symptom(
                "one class only",
                "targets",
                f"all {y.size} labels are {low}",
                "a model that always answers so has no loss left to learn from",
                "data with examples of every class",
            )
    if seen.loss_name in ("BCELoss", "BCEWithLogitsLoss") and y.size and (y.min() < 0 or y.max() > 1):
        yield Symptom(
            "labels out of range",
            "targets",
            f"they go from {y.min():g} to {y.max():g}",
            "binary cross entropy wants 0 and 1; for others its value has no lower bound",
            "labels 0 and 1, such as (y > 0).astype(np.float32)",
        )


def _picks(seen: Examination) -> bool:
    return seen.loss_name in ("CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss")


def wrong_output(seen: Examination) -> Iterator[Symptom]:
    """A softmax or sigmoid that the loss applies again, or one that it misses."""
    output = raw(seen.output)
    if seen.failure is not None or not np.all(np.isfinite(output)):
        return
    if seen.loss_name in ("CrossEntropyLoss", "cross_entropy") and np.ndim(output) > 1:
        yield from _softmax_twice(seen, output)
    if seen.loss_name in ("NLLLoss", "nll_loss") and np.ndim(output) > 1:
        yield from _no_logarithms(seen, output)
    if seen.loss_name == "BCEWithLogitsLoss" and _makes(seen.output) == "probability":
        yield Symptom(
            "sigmoid before BCEWithLogitsLoss",
            "the model's output",
            f"the outputs come from a sigmoid and lie between {output.min():.3g} and {output.max():.3g}",
            "the loss applies the sigmoid itself; applied twice the answer never leaves 0.5 to 0.73",
            "the model without its Sigmoid, or BCELoss",
            seen.output,
        )


def _softmax_twice(seen: Examination, output: Any) -> Iterator[Symptom]:
    sums = np.asarray(output, np.float64).sum(axis=1)
    alike = np.all(output >= 0) and np.allclose(sums, 1, atol=1e-5)
    if output.shape[1] > 1 and (alike or _makes(seen.output) == "distribution"):
        yield Symptom(
            "softmax before CrossEntropyLoss",
            "the model's output",
            f"the {output.shape[1]} outputs are positive and add up to 1 in every row",
            "the loss applies log-softmax itself; twice, it squeezes the gradient and the loss stays "
            f"above {_floor(output.shape[1]):.2f}",
            "the model without its Softmax, which is for predicting only",
            seen.output,
        )


def _no_logarithms(seen: Examination, output: Any) -> Iterator[Symptom]:
    with np.errstate(over="ignore"):
        sums = np.exp(np.asarray(output, np.float64)).sum(axis=1)
    if not np.allclose(sums, 1, atol=1e-3):
        yield Symptom(
            "NLLLoss without log-softmax",
            "the model's output",
            f"exp(output) adds up to {sums.min():.3g} to {sums.max():.3g} in a row, not to 1",
            "NLLLoss takes log-probabilities; of other numbers it has no lower bound",
            "CrossEntropyLoss, or LogSoftmax as the last layer",
            seen.output,
        )


def _makes(output: Any) -> str:
    """What the op that made the output makes, looking through reshapes."""
    node = behind_views(output)
    return node.op.facts.makes if node is not None and node.op is not None else ""


def _floor(classes: int) -> float:
    """The cross entropy of a softmax of the best possible probabilities, (1, 0, 0, ...)."""
    return float(np.log(np.e + classes - 1) - 1)


def worse_than_guessing(seen: Examination) -> Iterator[Symptom]:
    """A classifier whose loss is far above that of a uniform guess."""
    output = raw(seen.output)
    if (
        seen.loss_name not in ("CrossEntropyLoss", "cross_entropy")
        or np.ndim(output) < 2
        or output.shape[1] < 2
    ):
        return
    guess = float(np.log(output.shape[1]))
    if seen.loss_value > WRONG * guess and np.isfinite(seen.loss_value):
        yield Symptom(
            "worse than guessing",
            seen.loss_name,
            f"the loss is {seen.loss_value:.3g}; equal odds for {output.shape[1]} classes have {guess:.3g}",
            "the model is sure of wrong answers: the first steps only undo that",
            "smaller initial weights, scaled inputs, and a look at whether rows and labels match",
            seen.output if hasattr(seen.output, "op") else None,
        )


def data_looks() -> tuple[Look, ...]:
    """Every look at the data and the loss, in the order in which findings are told."""
    return (not_finite_data, labels, unrelated_targets, not_scaled, wrong_output, worse_than_guessing, turned)
