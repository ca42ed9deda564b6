"""`report.html`: all that a person should know of a trained model, in one page that needs no network."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from clearprop import __version__
from clearprop.cli.how_well import figure, held_out
from clearprop.cli.settling import weights_of_rows
from clearprop.data.columns import Number
from clearprop.data.goals import Classes
from clearprop.see.document import document
from clearprop.train import figures
from clearprop.train.importance import gradient_times_input, permutation_importance
from clearprop.train.table_model import TableModel

MOST_ROWS = 2_000
"""So many held-out rows at most tell what mattered."""

WORST = 8
"""So many of the worst mistakes are shown."""

MOST_MODULES = 20
"""A network of more is drawn with its layers as boxes."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6878; --paper: #ffffff; --edge: #d9dee6;
  --one: #1f5fa8; --two: #c2611a; --three: #3f7d4e; --fill: #f3f5f8 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa5b5; --paper: #14181f;
  --edge: #333b47;
  --one: #7db4f0; --two: #f0a566; --three: #7fc796; --fill: #1d232c } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 4rem; background: var(--paper);
  color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1, td.said { overflow-wrap: anywhere } h1 { font-size: 1.6rem; margin: 0 }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
p.soft, td.soft, figcaption { color: var(--soft) } p { margin: .3rem 0 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
  gap: 1.5rem } .whole { grid-column: 1 / -1 }
.numbers { display: flex; flex-wrap: wrap; gap: .6rem } .numbers div { background: var(--fill);
  border-radius: .4rem;
  padding: .5rem .9rem } .numbers b { display: block; font-size: 1.35rem;
  font-variant-numeric: tabular-nums }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--edge);
  vertical-align: top }
.dense th, .dense td { padding-right: .45rem; font-size: .9rem }
.dense td.soft { padding-left: .7rem }
td.number, th.number { text-align: right } td.hit { background: var(--fill); font-weight: 600 }
pre { background: var(--fill); padding: .7rem 1rem; border-radius: .4rem; overflow-x: auto }
figure { margin: 0 } figure svg { width: 100%; height: auto; max-width: 34rem }
  figcaption { font-size: .9rem }
figure svg text { font: 11px system-ui, sans-serif; fill: var(--soft) } .line { fill: none;
  stroke-width: 1.8 }
.c0 { stroke: var(--one) } .c1 { stroke: var(--two) } .c2 { stroke: var(--three) }
  .grid { stroke: var(--edge) }
.rule { stroke: var(--soft); stroke-dasharray: 3 3; fill: none } .dot { fill: var(--one);
  fill-opacity: .55 }
.bar { fill: var(--one) } .bar.less { fill: var(--two) } .drawing svg { max-width: 100%; height: auto }
@media (max-width: 46rem) { .drawing svg { max-width: none } }
"""


def page(job: Any, history: Any, result: Mapping[str, float], command: str) -> str:
    """Return the page of a job that has been trained."""
    model, held = job.model, job.test if len(job.test) else job.validation
    weights = weights_of_rows(job.args, held)
    count = held if weights is None else held.rows(np.flatnonzero(weights))
    seen = count.rows(range(min(len(count), MOST_ROWS)))
    title = f"{model.target.name} from {job.table.path}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_summary(job, history))}</p>',
        numbers(result),
        section("How well", held_out(model, held, weights)) if len(held) else "",
        section("The worst mistakes", _worst(model, count)) if len(held) else "",
        section("How it was learned", curves(history)),
        section("What was tried", tried(job.search)) if job.search is not None else "",
        section("What mattered", _mattered(job, seen)) if len(seen) else "",
        section("The columns", _columns(job)),
        section("The network", network(job)),
        section("How it was made", made(command, job)),
    ]
    return document(title, STYLE, "\n".join(part for part in parts if part), "report")


def section(title: str, inside: str) -> str:
    """Return a part of the page under its title; nothing where there is nothing in it."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{inside}\n</section>" if inside else ""


def _summary(job: Any, history: Any) -> str:
    learn, validate, test = (len(part) for part in job.parts)
    rows = f"{learn:,} rows to learn from, {validate:,} to validate, {test:,} to test"
    best = f", the weights of epoch {history.best_epoch} are kept" if history.best_epoch else ""
    return f"{job.reading.task}; {rows}; {len(history)} epochs{best}"


def numbers(result: Mapping[str, float]) -> str:
    """Return the figures that are told first."""
    shown = {name: value for name, value in result.items() if np.isfinite(value)}
    boxes = "".join(f"<div>{escape(name)}<b>{value:.4g}</b></div>" for name, value in shown.items())
    return f'<div class="numbers">{boxes}</div>' if boxes else ""


def _worst(model: TableModel, table: Any) -> str:
    """Return the rows whose predictions are furthest off, or surest of another class."""
    target = model.target
    if isinstance(target, Classes):
        shares, true = model.probabilities(table), target.encode(table)
        chosen = model.chosen(shares)
        sure = np.where(chosen != true, shares[np.arange(len(true)), chosen], 0.0)
        names, head = target.values, ("true", "predicted", "probability")
        rows = [(names[true[i]], names[chosen[i]], f"{sure[i]:.3f}") for i in _largest(sure)]
        places = _largest(sure)
    else:
        values = target.values(table)
        predicted = target.decode(model.outputs(table))
        off, head = np.abs(predicted - values), ("true", "predicted", "off by")
        places = _largest(off)
        rows = [(f"{values[i]:,.6g}", f"{predicted[i]:,.6g}", f"{off[i]:,.4g}") for i in places]
    if not rows:
        return "<p>None of the held-out rows is taken for another class.</p>"
    titles = "".join(f'<th class="number">{name}</th>' for name in (table.place, *head))
    lines = "".join(
        "<tr>"
        + "".join(f'<td class="number">{escape(cell)}</td>' for cell in (str(table.lines[place]), *row))
        + "</tr>"
        for place, row in zip(places, rows, strict=True)
    )
    return f'<div class="wide"><table><tr>{titles}</tr>{lines}</table></div>'


def _largest(values: Any) -> list[int]:
    """Return where the largest numbers above 0 stand, of them the first few."""
    order: list[int] = np.argsort(-values, kind="stable")[:WORST].tolist()
    return [place for place in order if values[place] > 0]


def curves(history: Any) -> str:
    """Return the curves of a training."""
    losses = {name: history[name] for name in history.names if name.endswith("loss")}
    others = {name: history[name] for name in history.names if name not in losses}
    found = [value for values in losses.values() for value in values]
    logarithmic = bool(found) and min(found) > 0 and max(found) > 8 * min(found)
    pictures = figure(figures.lines(losses, "epoch", logarithmic), "The losses.") if losses else ""
    pictures += figure(figures.lines(others, "epoch"), "The measures.") if others else ""
    return f'<div class="figures">{pictures}</div>'


def tried(search: Any) -> str:
    """Return the settings that were tried, those that were trained longest first."""
    from clearprop.cli.search import said, said_space

    rows = "".join(
        f'<tr><td class="number">{loss:.4g}</td><td class="number">{epochs}</td>'
        f"<td>{escape(said(one))}</td></tr>"
        for one, epochs, loss in search.ordered()
    )
    won = "None is better than the usual settings" if search.won is None else f"The best: {said(search.won)}"
    usual = f"With the usual settings the validation loss is {search.usual:.4g}."
    if search.history is not None:
        usual = "Ctrl-C ended the search: what is best was trained for as many epochs as stand here."
    head = '<tr><th class="number">validation loss</th><th class="number">epochs</th><th>settings</th></tr>'
    return (
        f"<p>{escape(won)}. {usual}</p>"
        f'<p class="soft">Drawn by chance from {escape(said_space(search.space))}.</p>'
        f'<div class="wide"><table>{head}{rows}</table></div>'
    )


def _mattered(job: Any, table: Any) -> str:
    model, weights = job.model, weights_of_rows(job.args, table)
    repeats = 3 if len(model.columns) <= 40 else 1
    permuted = permutation_importance(model, table, repeats, weights=weights)
    names = sorted(permuted, key=lambda name: -permuted[name])[:20]
    unit = "the log-loss" if isinstance(model.target, Classes) else "the squared error, by the variance,"
    first = figures.bars({name: permuted[name] for name in names}, "permutation importance")
    pictures = figure(first, f"By how much {unit} rises when a column's cells are shuffled.")
    if _has_features(model):
        moved = gradient_times_input(model, table, weights)
        second = figures.bars({name: moved[name] for name in names}, "gradient times input")
        pictures += figure(second, "Gradient times input: how far the column moves the output, on average.")
    more = len(permuted) - len(names)
    note = f'<p class="soft">The {len(names)} of most weight; {more} more matter less.</p>' if more else ""
    return f'<div class="figures">{pictures}</div>{note}'


def _has_features(model: TableModel) -> bool:
    return model.about.get("typical") is not None


def _columns(job: Any) -> str:
    rows = []
    used = {column.name: column for column in job.model.columns}
    for name, found in job.reading.findings.items():
        column = used.get(name)
        gone = int(job.table.absent(name).sum())
        what = found.kind + ("" if column is not None else ", left out")
        cells = f'<td>{escape(name)}</td><td>{what}</td><td class="number">{gone or ""}</td>'
        rows.append(f'<tr>{cells}<td class="soft">{escape(_said(column, found))}</td></tr>')
    head = '<tr><th>column</th><th>kind</th><th class="number">missing</th><th></th></tr>'
    notes = "".join(f"<p>{escape(remark)}</p>" for remark in job.reading.remarks)
    return f'{notes}<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _said(column: Any, found: Any) -> str:
    says = "; ".join(found.says).removeprefix("left out: ").removeprefix("left out, ")
    if isinstance(column, Number):
        scaled = f"(x - {column.mean:.4g}) / {column.scale:.4g}"  # pixels have these two in common
        return f"median {column.median:.4g}, learned as {scaled}" + (f"; {says}" if says else "")
    values = getattr(column, "values", None)
    if isinstance(values, tuple):
        shown = ", ".join("(missing)" if v is None else str(v) for v in values[:6])
        pooled = f"; {len(column.pooled)} rare ones pooled" if column.pooled else ""
        return f"{len(values)} values: {shown}{', …' if len(values) > 6 else ''}{pooled}"
    return says


def network(job: Any) -> str:
    """Return the layers of a network and its drawing."""
    import clearprop

    model = job.model
    for parameter in model.network.parameters():
        parameter.grad = None  # those of the last step, which are no part of the model
    large = sum(1 for _ in model.network.modules()) > MOST_MODULES
    outputs = model.network.eval()(job.some()[0][:2])
    drawing = clearprop.draw(outputs, model.network) if large else clearprop.draw(outputs)
    layers = "".join(map(_layer, [*model.network.children()] or [model.network]))
    head = '<tr><th>layer</th><th></th><th class="number">parameters</th></tr>'
    named = drawing.to_svg().replace('role="img"', 'role="img" aria-label="the network as a graph"', 1)
    return f'<div class="wide"><table>{head}{layers}</table></div><div class="wide drawing">{named}</div>'


def _layer(layer: Any) -> str:
    """Return a layer's row: its name, what it says of itself, which is cut before it is escaped, its size."""
    said, count = escape(layer.extra_repr()[:80]), layer.count_parameters()
    number = f"{count:,}" if count else ""
    cells = f'<td>{type(layer).__name__}</td><td class="said">{said}</td><td class="number">{number}</td>'
    return f"<tr>{cells}</tr>"


def made(command: str, job: Any) -> str:
    """Return the command that made a model, and by what."""
    versions = [f"clearprop {__version__}", f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    for name in ("llvmlite", "scipy"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    text = f"{', '.join(versions)}, on {platform.system()} ({platform.machine()}); seed {job.args.seed}"
    return f'<pre>{escape(command)}</pre><p class="soft">{escape(text)}</p>'


def command_of(argv: list[str], args: argparse.Namespace) -> str:
    """Return the command that made a model, without the places of its files."""
    import shlex

    kept, skip = [], False
    for word in argv:
        if skip:
            skip = False
            continue
        skip = word in ("--output", "--checkpoint")
        if not skip and not word.startswith(("--output=", "--checkpoint=")) and word != "--force":
            kept.append(word)
    return "clearprop " + shlex.join(kept or ["train", str(args.data)])
