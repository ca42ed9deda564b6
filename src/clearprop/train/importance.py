"""What mattered to a model: each column's importance, and what one prediction is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.columns import encode
from clearprop.data.goals import Classes, Quantiles
from clearprop.data.tables import Table
from clearprop.modes import no_grad
from clearprop.tensor import Tensor
from clearprop.train.evaluation import evaluating
from clearprop.train.measures import log_loss
from clearprop.train.picture_model import PictureModel
from clearprop.train.table_model import TableModel

Array = npt.NDArray[Any]


def permutation_importance(
    model: TableModel, table: Table, repeats: int = 3, seed: int = 0, weights: Array | None = None
) -> dict[str, float]:
    """Return by how much the loss rises on a table's rows when a column's cells are shuffled among them.

    The loss is the log-loss of classes, or the mean squared error as a share of the target's variance. The
    mean of a few shuffles is given; a column that does not matter has about 0 (Breiman, 2001). `weights` has
    how much each row counts in the loss.
    """
    rng = np.random.default_rng(seed)
    inputs = encode(table, model.columns)
    goal = model.target.encode(table) if isinstance(model.target, Classes) else model.target.values(table)
    usual = _loss(model, inputs, goal, weights)
    found, place = {}, 0
    for column in model.columns:
        part = slice(place, place + column.width)
        rises = []
        for _ in range(repeats):
            shuffled = inputs.copy()
            shuffled[:, part] = inputs[rng.permutation(len(inputs)), part]
            rises.append(_loss(model, shuffled, goal, weights) - usual)
        found[column.name] = float(np.mean(rises))
        place += column.width
    return found


def _loss(model: TableModel, inputs: Array, goal: Array, weights: Array | None) -> float:
    outputs = model.answers(inputs)
    if isinstance(model.target, Classes):
        return log_loss(model.shares(outputs), goal, weights)
    variance = np.average((goal - np.average(goal, weights=weights)) ** 2, weights=weights)
    squares = (model.target.decode(outputs) - goal) ** 2
    return float(np.average(squares, weights=weights) / (variance or 1.0))


def contributions(
    model: TableModel, table: Table, row: int, of: int | None = None, steps: int = 64
) -> tuple[dict[str, float], float, float]:
    """Return what each column adds to one prediction, the prediction, and that of the typical row.

    For a class (the one that is predicted, unless `of` says another) it is its logit, less the mean of all
    classes' logits; for a number the network's output. The gradient is followed from the typical row (the
    mean of the features learned from, which the model file holds) to this one and multiplied with the way:
    integrated gradients, (x - x0) int_0^1 f'(x0 + a (x - x0)) da (arXiv 1703.01365), by the midpoints of
    `steps` steps. The contributions add up to the difference of the two predictions.
    """
    first, rest = split_network(model.network)
    features = np.asarray(first(encode(table.rows([row]), model.columns)), np.float64)
    typical = np.asarray(model.about.get("typical", np.zeros(features.shape[1])), np.float64)
    points = (np.arange(steps)[:, None] + 0.5) / steps * (features - typical) + typical
    ends = np.concatenate([typical[None], features])
    with evaluating(rest):
        with no_grad():
            answers = np.asarray(rest(ends.astype(np.float32)), np.float64)
        chosen = int(_said(model, answers)[1]) if of is None else of
        path = Tensor(points.astype(np.float32), requires_grad=True)
        out = rest(path)
        rows = out[:, chosen] - np.mean(out, axis=1) if isinstance(model.target, Classes) else out[:, chosen]
        np.sum(rows).backward()
    each = np.asarray(path.grad, np.float64).mean(axis=0) * (features[0] - typical)
    values = answers[:, chosen] - (answers.mean(axis=1) if isinstance(model.target, Classes) else 0.0)
    owners = _owners(model)
    found = {column.name: 0.0 for column in model.columns}
    for name, part in zip(owners, each.tolist(), strict=True):
        found[name] += part
    return found, float(values[1]), float(values[0])


def pixel_contributions(
    model: PictureModel, image: Array, of: int, steps: int = 64
) -> tuple[Array, float, float]:
    """Return what each pixel adds to a class's logit, (height, width), the logit, and the mean picture's.

    `image` is uint8 of (channels, height, width); a logit is less the mean of all. It is `contributions` with
    the mean picture, each channel's mean everywhere, as the typical one: the channels of a pixel are summed.
    """
    inputs, _ = model.rows(np.asarray(image)[None]).batch(slice(None))
    features = np.asarray(inputs, np.float32)
    shares = ((np.arange(steps) + 0.5) / steps).astype(np.float32).reshape(-1, *[1] * (features.ndim - 1))
    with evaluating(model.network):
        with no_grad():
            ends = np.concatenate([np.zeros_like(features), features])
            answers = np.asarray(model.network(ends), np.float64)
        path = Tensor(shares * features, requires_grad=True)
        out = model.network(path)
        np.sum(out[:, of] - np.mean(out, axis=1)).backward()
    each = np.asarray(path.grad, np.float64).mean(axis=0) * features[0]
    mean, here = (answers[:, of] - answers.mean(axis=1)).tolist()
    return each.reshape(-1, *each.shape[-2:]).sum(axis=0), here, mean


def _said(model: TableModel, outputs: Array) -> Array:
    """Return for each row which output its prediction is of: that of the class that is said."""
    if isinstance(model.target, Quantiles):
        return np.argsort(outputs, axis=1)[:, model.target.middle]
    if not isinstance(model.target, Classes):
        return np.zeros(len(outputs), int)
    return model.chosen(model.shares(outputs))


def gradient_times_input(model: TableModel, table: Table, weights: Array | None = None) -> dict[str, float]:
    """Return the mean over a table's rows of |sum_j x_j df/dx_j| for each column's features x_j.

    f is the network's output for the predicted class, or the number; the features are measured from the
    typical row's. `weights` has how much each row counts in the mean.
    """
    first, rest = split_network(model.network)
    features = np.asarray(first(encode(table, model.columns)), np.float32)
    typical = np.asarray(model.about.get("typical", np.zeros(features.shape[1])), np.float32)
    with evaluating(rest):
        point = Tensor(features, requires_grad=True)
        out = rest(point)
        np.sum(out[np.arange(len(features)), _said(model, out.value)]).backward()
    parts = np.asarray(point.grad, np.float64) * (features - typical)
    owners = np.array(_owners(model))
    return {
        column.name: float(np.average(np.abs(parts[:, owners == column.name].sum(axis=1)), weights=weights))
        for column in model.columns
    }


def typical_features(model: TableModel, inputs: Array) -> list[float]:
    """Return the mean of the features that the network makes of rows of inputs."""
    first, _ = split_network(model.network)
    return [float(x) for x in np.asarray(first(inputs), np.float64).mean(axis=0).astype(np.float32)]


def split_network(network: Any) -> tuple[Any, Any]:
    """Return what makes features of inputs, which has no gradient at codes, and the network behind it."""
    from clearprop import nn

    layers = list(network) if isinstance(network, nn.Sequential) else [network]
    if isinstance(layers[0], nn.TableFeatures):

        def first(x: Array) -> Any:
            with no_grad():
                return np.asarray(layers[0](np.asarray(x, np.float32)))

        return first, nn.Sequential(*layers[1:])
    return np.asarray, network


def _owners(model: TableModel) -> list[str]:
    """Return the column that each feature is of."""
    names = [column.name for column in model.columns for _ in range(column.width)]
    first = next(model.network.children(), None)
    places = getattr(first, "places", range(len(names)))
    return [names[place] for place in places]
