"""`clearprop predict`: a trained model's predictions for the rows of a table, or for pictures."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clearprop.cli.outputs import apart, force
from clearprop.cli.spelling import reading_options, spelling
from clearprop.errors import InputError, lesson

if TYPE_CHECKING:
    from clearprop.data.tables import Table
    from clearprop.train.table_model import TableModel


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model file that `clearprop train` wrote")
    add(
        "files",
        nargs="+",
        metavar="FILE",
        help="rows with the columns that were learned from, or pictures and folders; - is standard input",
    )
    own_option(parser)
    add("--output", metavar="FILE", help="where the predictions go (default: standard output)")
    force(parser)
    add("--append", action="store_true", help="write the table's own columns too, before the predictions")
    spelling(parser)


def own_option(parser: argparse.ArgumentParser) -> None:
    """Add `--model` as those commands have it that read a model which was trained."""
    what = "the network of your own that it was trained with"
    parser.add_argument("--model", dest="own", metavar="FILE.py:build", help=what)


def run(args: argparse.Namespace) -> int:
    """Write one row of predictions for every row of the table, or every picture; return 0."""
    from clearprop.cli.networks import own_file
    from clearprop.files import whole_file
    from clearprop.marks import header
    from clearprop.train.table_model import TableModel

    own = None if args.own is None else own_network(args.own)
    if is_of_pictures(args.model):
        from clearprop.cli.picture_predict import predict_pictures

        return predict_pictures(args, own)
    if len(args.files) > 1:
        got = f"{len(args.files)} files"
        raise InputError(lesson(f"predicting with {args.model}", "wants one table at a time", got))
    (path,) = args.files
    read = {
        "the model": args.model,
        "the table": None if path == "-" else path,
        "--model": own_file(args.own),
    }
    apart(read, {"--output": args.output})
    model = TableModel.load(args.model, own)
    table = model.read(path, **reading_options(args), verbatim=args.append or None)
    columns = model.predictions(table)
    if args.append:
        taken = [name for name in columns if name in table.cells]
        if taken:
            wanted = f"the table has a column {taken[0]!r} already"
            raise InputError(lesson("--append", wanted, hint="it without --append"))
        columns = dict(table.columns) | columns
    if args.output is None:
        _print(columns)
    else:
        ours = None if args.force else header(columns)
        with whole_file(args.output, "w", ours, newline="", encoding="utf-8") as file:
            _write(file, columns)
        predictions = "1 prediction" if len(table) == 1 else f"{len(table):,} predictions"
        print(f"wrote {args.output}: {predictions} of {model.target.name!r}")
    for line in _remarks(model, table, columns):
        print(f"note: {line}", file=sys.stderr)
    return 0


def _print(columns: dict[str, list[str]]) -> None:
    """Write the rows on standard output; raises InputError where it cannot hold their letters."""
    text = io.StringIO(newline="")
    _write(text, columns)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.getvalue().encode(encoding)
    except UnicodeEncodeError as error:
        got, hint = f"{error.object[error.start]!r} is not of {encoding}", "--output FILE, which is UTF-8"
        raise InputError(
            lesson("predictions on standard output", "want its letters", got, hint=hint)
        ) from error
    sys.stdout.write(text.getvalue())


def own_network(text: str) -> Callable[[tuple[int, ...], int], Any]:
    """Return what makes a person's own network of the shape of its inputs and the number of outputs."""
    from clearprop.cli.networks import built

    return lambda input_shape, outputs: built(text, input_shape, outputs)


def is_of_pictures(path: str) -> bool:
    """Return whether a model file is of pictures; what is wrong with it says the one who loads it."""
    import json

    from clearprop.interop.safetensors import load_safetensors

    try:
        _, metadata = load_safetensors(path)
        return "pictures" in json.loads(metadata["model"])["about"]
    except (InputError, KeyError, ValueError, TypeError, RecursionError):
        return False


def _write(file: Any, columns: dict[str, list[str]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def _remarks(model: TableModel, table: Table, columns: dict[str, list[str]]) -> list[str]:
    """Return what a reader should know: new categories, missing cells, how many are right."""
    import numpy as np

    from clearprop.data.columns import Category, Number
    from clearprop.data.goals import Classes
    from clearprop.data.tables import counted, listed
    from clearprop.data.targets import labels

    remarks = []
    for column in model.columns:
        if isinstance(column, Category):
            unseen, rare = column.unseen(table), column.rare(table)
            if unseen:
                taken = " (taken as infrequent)" if column.pooled else ""
                remarks.append(
                    f"{column.name!r} has values that were never learned: {listed(unseen, 6)}{taken}"
                )
            if rare:
                remarks.append(
                    f"{column.name!r} has {counted(rare, 'row')} of values that were pooled as infrequent"
                )
            continue
        values = column.values(table) if isinstance(column, Number) else np.zeros(0)
        missing = int(
            np.isnan(values).sum() if isinstance(column, Number) else table.absent(column.name).sum()
        )
        if missing:
            taken = f", taken as the median {column.median:g}" if isinstance(column, Number) else ""
            remarks.append(f"{column.name!r} has {counted(missing, 'missing cell')}{taken}")
    name = model.target.name
    if isinstance(model.target, Classes) and name in table.cells:
        predicted = columns[f"predicted {name}"]
        known = (~table.absent(name)).tolist()
        pairs = list(zip(labels(table.columns[name]), predicted, known, strict=True))
        right = sum(true == guess for true, guess, is_known in pairs if is_known)
        if any(known):
            share = 100 * right / sum(known)
            remarks.append(f"{right:,} of {sum(known):,} agree with the table's own {name!r} ({share:.2f} %)")
    return remarks
