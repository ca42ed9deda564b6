"""`clearprop explain`: what a prediction for one row is made of, column by column, or place by place."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clearprop.cli.predict import is_of_pictures, own_network, own_option
from clearprop.cli.spelling import reading_options, spelling
from clearprop.errors import InputError, lesson

if TYPE_CHECKING:
    from clearprop.train.table_model import TableModel


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model file that `clearprop train` wrote")
    add(
        "table",
        metavar="FILE",
        help="rows with the columns learned from, or pictures; - is standard input",
    )
    add("--row", type=int, default=1, metavar="N", help="which row or picture, counted from 1 (default: 1)")
    add("--label", metavar="CLASS", help="the class to explain (default: the one that is predicted)")
    own_option(parser)
    add("--json", action="store_true", help="print one JSON object")
    spelling(parser)


def run(args: argparse.Namespace) -> int:
    """Print each column's cell and what it adds to the prediction; return 0."""
    from clearprop.data.goals import Classes
    from clearprop.data.tables import nearest
    from clearprop.train.importance import contributions
    from clearprop.train.table_model import TableModel

    own = None if args.own is None else own_network(args.own)
    if is_of_pictures(args.model):
        from clearprop.cli.picture_explain import explain_pictures

        return explain_pictures(args, own)
    model = TableModel.load(args.model, own)
    table = model.read(args.table, **reading_options(args))
    if not 1 <= args.row <= len(table):
        raise InputError(lesson("--row", f"wants a row from 1 to {len(table):,}", str(args.row)))
    if model.about.get("typical") is None:
        wanted, hint = "holds no typical row to compare with", "training it anew"
        raise InputError(lesson(f"explaining {args.model}", wanted, "an older file", hint=hint))
    of = None
    if args.label is not None:
        classes = model.target.values if isinstance(model.target, Classes) else ()
        if args.label not in classes:
            wanted = f"wants a class of {model.target.name!r}"
            raise InputError(lesson("--label", wanted, repr(args.label), hint=nearest(args.label, classes)))
        of = classes.index(args.label)
    row = table.rows([args.row - 1])
    said = {name: cells[0] for name, cells in model.predictions(row).items()}
    parts, here, typical = contributions(model, row, 0, of)
    cells = {column.name: row.columns[column.name][0] for column in model.columns}
    if args.json:
        import json

        found = {"row": args.row, "predictions": said, "contributions": parts, "cells": cells}
        print(json.dumps(found | {"typical": typical, "prediction": here}, indent=1))
        return 0
    print("\n".join(_lines(args, model, said, parts, cells, here, typical)))
    return 0


def _lines(
    args: argparse.Namespace, model: TableModel, said: dict[str, str], parts: dict[str, float],
    cells: dict[str, str], here: float, typical: float,
) -> list[str]:  # fmt: skip
    first, *others = said.items()
    told = [f"{name.removeprefix('probability ')} {value}" for name, value in others[:4]]
    shares = f" ({', '.join(told)})" if told else ""
    lines = [f"row {args.row}: {first[0]} {first[1]}{shares}", ""]
    largest = max(map(abs, parts.values())) or 1.0
    wide = max(map(len, parts))
    cell = min(24, max(map(len, cells.values()), default=1))
    lines.append(f"  {'a typical row':<{wide}}  {'':<{cell}}  {typical:>+10.4f}")
    for name in sorted(parts, key=lambda name: -abs(parts[name])):
        bar = ("+" if parts[name] >= 0 else "-") * round(24 * abs(parts[name]) / largest)
        shown = cells[name] if len(cells[name]) <= cell else cells[name][: cell - 1] + "~"
        lines.append(f"  {name:<{wide}}  {shown:<{cell}}  {parts[name]:>+10.4f}  {bar}".rstrip())
    lines.append(f"  {'this row':<{wide}}  {'':<{cell}}  {here:>+10.4f}")
    return [*lines, "", f"in units of {_unit(model.target)}, by integrated gradients"]


def _unit(target: object) -> str:
    from clearprop.data.goals import Classes, Count, Quantiles

    if isinstance(target, Classes):
        return "the class's logit, less the mean of all"
    if isinstance(target, Count):
        return "the logarithm of what is expected"
    if isinstance(target, Quantiles):
        return f"the network's output for the quantile {target.levels[target.middle]:g}"
    return "the network's output"
