"""How well a model does on held-out rows, for `report.html`: counts, shares, and pictures of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from clearprop.cli.settling import rarer_of, usual_number
from clearprop.data.goals import Classes, Quantiles, Quantity
from clearprop.train import figures
from clearprop.train.charts import confusion_matrix
from clearprop.train.measures import found_by, reliability
from clearprop.train.metrics import rmse
from clearprop.train.table_model import TableModel

MOST_POINTS = 600
"""So many rows at most are points of a picture."""

MANY_CLASSES = 6
"""From more on, the table of them takes the whole width of the page."""


def figure(picture: str, caption: str) -> str:
    """Return a picture under its name, which is what it shows."""
    if not picture:
        return ""
    name = f"figure-{zlib.crc32((picture + caption).encode()):08x}"
    told = f'<figcaption id="{name}">{escape(caption)}</figcaption>'
    return f'<figure aria-labelledby="{name}">{picture}{told}</figure>'


def held_out(model: TableModel, table: Any, weights: Any = None) -> str:
    """Return how well a model does on the rows of a table; `weights` has how much each row counts."""
    target = model.target
    if isinstance(target, Classes):
        shares = model.probabilities(table)
        return confusion(
            target.encode(table), shares, model.chosen(shares), target.values, model.about, weights
        )
    outputs, true = model.outputs(table), target.values(table)
    shown = [
        _beside(target, outputs, true, model.about, weights),
        _left(target, outputs, true, model.about, weights),
        _below(target, outputs, true, weights),
    ]
    told = '<p class="soft">Shares and errors weigh each row; a point is a row.</p>'
    return f'{told if weights is not None else ""}<div class="figures">{"".join(shown)}</div>'


def _beside(target: Quantity, outputs: Any, true: Any, about: Mapping[str, Any], weights: Any) -> str:
    """Return the predictions beside what was true."""
    predicted, some = target.decode(outputs), _some(true)
    picture = figures.points(true[some].tolist(), predicted[some].tolist(), "true", "predicted")
    number = usual_number(target, about, true, weights)[1]
    off = rmse(np.full_like(true, number), true, weights)
    told = f"Always the same number, {number:.4g}, would be off by {off:.4g} (RMSE)."
    return figure(picture, f"Held-out rows; on the line a prediction is right. {told}")


def _left(target: Quantity, outputs: Any, true: Any, about: Mapping[str, Any], weights: Any) -> str:
    """Return what predictions leave of the true numbers, by the predictions."""
    predicted, some = target.decode(outputs), _some(true)
    left, within = true - predicted, about.get("within")
    told = "What is true less what was predicted: around 0 everywhere, if nothing is left to learn."
    if within is not None:
        share = float(np.average(np.abs(left) <= float(within), weights=weights))
        told += f" Nine of ten validation rows lie between the dashed lines, {100 * share:.1f} % of these."
    picture = figures.residuals(
        predicted[some].tolist(), left[some].tolist(), "predicted", "left over", within
    )
    return figure(picture, told)


def _below(target: Quantity, outputs: Any, true: Any, weights: Any) -> str:
    """Return for quantiles how many of the rows are below each."""
    if not isinstance(target, Quantiles):
        return ""
    quantiles = target.quantiles(outputs)
    below = np.average(true[:, None] <= quantiles, axis=0, weights=weights)
    inside = (quantiles[:, 0] <= true) & (true <= quantiles[:, -1])
    told = "Which share of the rows lies below each predicted quantile; on the line it is the one asked for."
    if len(target.levels) > 1:
        share, wanted = np.average(inside, weights=weights), target.levels[-1] - target.levels[0]
        told += f" {100 * share:.1f} % lie from the lowest to the highest, {100 * wanted:g} % are to be."
    return figure(figures.shares(target.levels, below.tolist(), "asked for", "below"), told)


def _some(rows: Any) -> Any:
    """Return the places of a few hundred rows, evenly among all."""
    return np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).astype(int)


def confusion(
    true: Any,
    shares: Any,
    chosen: Any,
    names: Sequence[str],
    about: Mapping[str, Any],
    weights: Any = None,
) -> str:
    """Return how often classes are taken for each other, and how sure that was said."""
    counts, weighed = (confusion_matrix(true, chosen, len(names), by) for by in (None, weights))
    said, was, rows = reliability(shares[np.arange(len(true)), chosen], chosen == true, weights=weights)
    picture = figures.points(said.tolist(), was.tolist(), "said", "right", rows.tolist())
    heat = float(about.get("temperature", 1.0))
    caption = f"How often a class was right beside the probability it was said with (temperature {heat:.2f})."
    bound = about.get("threshold")
    if bound is not None:
        caption += f" {bound['class']} is said from {float(bound['from']):.3g} on."
    usual = weighed.sum(axis=1).max() / weighed.sum()
    told = f"Always the commonest class would be right in {100 * usual:.1f} %."
    by_weight = "Rows are counted; every share weighs them. " if weights is not None else ""
    table = f'{_counted(counts, weighed, names)}<p class="soft">{by_weight}{told}</p>'
    wide = ' class="whole"' if len(names) > MANY_CLASSES else ""
    rarer = rarer_of(about, names, true)
    precise = "" if rarer is None else _of_the_rarer(true, shares, chosen, names[rarer], rarer, weights)
    return f'<div class="figures"><div{wide}>{table}</div>{figure(picture, caption)}{precise}</div>'


def _counted(counts: Any, weighed: Any, names: Sequence[str]) -> str:
    """Return a table of how often classes are taken for each other, with each one's recall and precision.

    `weighed` has what the rows weigh, where `counts` has how many they are.
    """
    right, whole, called = np.diag(weighed), weighed.sum(axis=1), weighed.sum(axis=0)
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in names)
    lines = ""
    for i, (name, row) in enumerate(zip(names, counts.tolist(), strict=True)):
        cells = "".join(
            f'<td class="number{" hit" if i == j else ""}">{count}</td>' for j, count in enumerate(row)
        )
        recall = f'<td class="number soft">{_share(right[i], whole[i])}</td>'
        lines += f"<tr><th>{escape(name)}</th>{cells}{recall}</tr>"
    last = "".join(f'<td class="number soft">{_share(a, b)}</td>' for a, b in zip(right, called, strict=True))
    kind = ' class="dense"' if len(names) > 6 else ""
    first = f'<tr><th>true \\ predicted</th>{head}<th class="number">recall</th></tr>'
    precision = f"<tr><th>precision</th>{last}<td></td></tr>"
    return f'<div class="wide"><table{kind}>{first}{lines}{precision}</table></div>'


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f}\u00a0%" if whole else "-"  # no line ends between the two


def _of_the_rarer(true: Any, shares: Any, chosen: Any, name: str, rarer: int, weights: Any) -> str:
    """Return, of two classes, how precise the rarer is said for each share of it that is found."""
    each = np.ones(len(true)) if weights is None else weights
    if not each[true == rarer].any():
        return ""
    hits, taken = found_by(shares[:, rarer], true == rarer, weights)
    said = chosen == rarer
    right, called = float(each[said & (true == rarer)].sum()), float(each[said].sum())
    mark = (right / float(hits[-1]), right / called) if called else None
    picture = figures.steps((hits / hits[-1]).tolist(), (hits / taken).tolist(), "recall", "precision", mark)
    where = " The dot: as it is said." if called else ""
    caption = f"Of {name}: how much of it is found, and how often that is right, at each threshold."
    return figure(picture, caption + where)
