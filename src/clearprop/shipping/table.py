"""`table_module`: a table's model, with what stands before and after its network, as a plain NumPy file."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.compiler.engines.plain.carried import Carried
from clearprop.compiler.engines.plain.file import NumpyFile
from clearprop.data.columns import (
    Category,
    Column,
    Date,
    Number,
    Text,
    bags_of_words,
    date_inputs,
    number_inputs,
)
from clearprop.data.dress import Dress
from clearprop.data.goals import Classes, Count, Quantiles, expected, in_order
from clearprop.shipping import cells
from clearprop.shipping.python import numpy_module
from clearprop.train.measures import as_they_occur, learned_weights, likeliest
from clearprop.train.table_model import TableModel, from_on, softened

ENCODE = '''\
def encode(columns):
    """Return rows as the network reads them, from columns by name: {names}.

    `columns` is a mapping or a frame whose columns are text, numbers, truths or moments; others do no harm.
    Raises ValueError for a column that is not there, and for a cell that is not of its kind.
    """
    told, names = {told}, {listed}
    inputs = [
{parts}
    ]
    return np.concatenate(inputs, axis=1).clip(-1e6, 1e6).astype(np.float32)'''
PREDICT = '''\
def predict(columns):
    """Return what is predicted for each row, by name: {names}.

    `columns` is what `encode` takes.
    """
    outputs = network(encode(columns))
{lines}'''


def table_module(model: TableModel) -> NumpyFile:
    """Return a table's model as a plain NumPy file: `predict(columns)` takes columns by name, as they come.

    What `clearprop predict` does to cells (dress, dates, categories, missing words) is brought along, and
    what it does to outputs (calibration, threshold, units, quantiles). Raises TypeError,
    naming them, for ops of the network that have no translation.
    """
    width = sum(column.width for column in model.columns)
    plain = numpy_module(model.network, np.zeros((2, width), np.float32), name="network")
    carried = Carried()
    carried.taken |= {"network", "encode", "predict", *_defined([*plain.brought, plain.function])}
    told = list(dict(model.about.get("reading") or {}).get("missing", ()))
    names = [column.name for column in model.columns]
    dresses: dict[Dress, Dress] = {}  # one for all columns that wear the same
    same = (
        replace(c, dress=dresses.setdefault(c.dress, c.dress)) if isinstance(c, Number) else c
        for c in model.columns
    )
    parts = "\n".join(f"        {_encoded(column, carried)}," for column in same)
    encode = ENCODE.format(names=_said(names), told=repr(told), listed=repr(names), parts=parts)
    lines, found = _decoded(model, carried)
    predict = PREDICT.format(names=_said(found), lines="\n".join("    " + line for line in lines))
    needs = plain.about.partition("\n\n")[2]
    about = f"the model of {model.target.name!r}, which takes columns by name: predict(columns).\n\n{needs}"
    return replace(
        plain,
        about=about,
        name="predict",
        imports=(*plain.imports, *carried.imports),
        more=(*plain.more, *carried.texts, encode, predict),
    )


def save_table(path: str | Path, model: TableModel, inside: bool = False, overwrite: bool = False) -> None:
    """Write a table's model as a plain NumPy file, which needs no clearprop: see `table_module`."""
    table_module(model).save(path, inside=inside, overwrite=overwrite)


def _encoded(column: Column, carried: Carried) -> str:
    """Return the expression of a column's inputs."""
    of = carried.of
    read = f"{of(cells.column_of)}(columns, {column.name!r}, names)"
    if isinstance(column, Number):
        values = f"{of(cells.numbers_of)}({read}, {column.name!r}, told, {of(column.dress, 'dress')})"
        scales = column.median, column.mean, column.scale, column.spread, column.gaps
        return f"{of(number_inputs)}({values}, {', '.join(map(repr, scales))})"
    if isinstance(column, Date):
        moments = f"{of(cells.moments_in)}({read}, {column.name!r}, told, {of(column.form, 'form')})"
        return f"{of(date_inputs)}({moments}, {column.scales!r})"
    if isinstance(column, Text):
        texts = f'[word or "" for word in {of(cells.words_of)}({read}, told)]'
        return f"{of(bags_of_words)}({texts}, {column.size})"
    return _category(column, read, carried)


def _category(column: Category, read: str, carried: Carried) -> str:
    places = {value: i for i, value in enumerate(column.values)}
    other = len(column.values) if column.pooled else -1
    found = f"{carried.of(cells.places_of)}({read}, told, {places!r}, {other}, {column.folded})"
    if column.coded:
        return f"{carried.of(cells.coded)}({found}, {column.kinds})"
    return f"{carried.of(cells.one_hot)}({found}, {column.width})"


def _decoded(model: TableModel, carried: Carried) -> tuple[list[str], list[str]]:
    """Return the lines that make predictions of outputs, and the names of these."""
    target, said = model.target, f"predicted {model.target.name}"
    if isinstance(target, Classes):
        temperature = float(model.about.get("temperature", 1.0))
        weights, logits, chosen = model.about.get("class weights"), "outputs", "shares.argmax(axis=1)"
        if weights is not None:
            logits = f"{carried.of(as_they_occur)}(outputs, {learned_weights(model.about)!r})"
            chosen = f"{carried.of(likeliest)}(shares, {weights!r})"
        lines = [f"shares = {carried.of(softened)}({logits}, {temperature!r})"]
        told = model.about.get("threshold")
        if told is not None:
            positive = target.values.index(str(told["class"]))
            chosen = f"{carried.of(from_on)}(shares, {positive}, {float(told['from'])!r})"
        lines.append(f"found = {{{said!r}: np.array({list(target.values)!r})[{chosen}]}}")
        named = [f"probability {value}" for value in target.values]
        return [*lines, f"return found | dict(zip({named!r}, shares.T))"], [said, *named]
    unit = f"{target.scale!r} + {target.mean!r}"
    if isinstance(target, Quantiles):
        named = [f"quantile {level:g}" for level in target.levels]
        lines = [f"quantiles = {carried.of(in_order)}(outputs) * {unit}"]
        lines.append(f"found = {{{said!r}: quantiles[:, {target.middle}]}}")
        return [*lines, f"return found | dict(zip({named!r}, quantiles.T))"], [said, *named]
    if isinstance(target, Count):
        return [f"return {{{said!r}: {target.mean!r} * {carried.of(expected)}(outputs)[:, 0]}}"], [said]
    return [f"return {{{said!r}: outputs[:, 0].astype(np.float64) * {unit}}}"], [said]


def _defined(texts: list[str]) -> set[str]:
    """Return the names that definitions give."""
    return {
        node.id if isinstance(node, ast.Name) else node.name
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }


def _said(names: list[Any]) -> str:
    """Return names for a docstring."""
    shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
    return shown.replace("\\", "\\\\").replace('"""', "'''")
