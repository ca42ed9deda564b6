"""`clearprop play`: a page that trains a network on a table, in the browser."""

from __future__ import annotations

import argparse
import shlex
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearprop.cli import train
from clearprop.cli.helping import Paragraphs, named
from clearprop.cli.job import ACTIVATIONS, DATA_SETS, OPTIMIZERS, Job
from clearprop.cli.outputs import apart, force
from clearprop.cli.step import spoken_language
from clearprop.errors import InputError, lesson

if TYPE_CHECKING:
    from clearprop.play.playground import Columns

EPILOG = """\
The page is one file without a request: it trains, draws and steps through the network offline.

  clearprop play points.csv --target label --hidden 8,8 --open
  clearprop play iris --hidden 8 --html iris.html
"""
PASSED = ("target", "hidden", "activation", "optimizer", "lr", "batch-size", "seed", "test-split")
"""What the network and its training are told, as `clearprop train` is."""
RATES = {"adam": 0.01, "adamw": 0.01}
"""Higher than those of `clearprop train`: somebody watches, and no early stop chooses among epochs."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.formatter_class = Paragraphs
    parser.epilog = EPILOG
    add = parser.add_argument
    add("data", metavar="DATA", help=f"a file, or one of {', '.join(DATA_SETS)}")
    add("--target", metavar="COLUMN", help="the column to predict (needed for a file)")
    add(
        "--hidden",
        default="8,8",
        metavar="SIZES",
        help="sizes of the hidden layers, or none (default: 8,8)",
    )
    add(
        "--activation",
        metavar="NAME",
        choices=ACTIVATIONS,
        default="tanh",
        help=named(ACTIVATIONS, "tanh"),
    )
    add(
        "--optimizer",
        metavar="NAME",
        choices=OPTIMIZERS,
        default="adam",
        help=named(OPTIMIZERS, "adam"),
    )
    add("--lr", type=float, metavar="RATE", help="the learning rate (default: 0.01 for adam)")
    add("--batch-size", type=int, default=20, metavar="N", help="rows for each step (default: 20)")
    train.test_split(parser)
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same page (default: 0)")
    spoken_language(parser)
    add("--html", metavar="FILE", default="play.html", help="the page (default: play.html)")
    add("--open", action="store_true", help="open the page in the browser")
    force(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page; return 0."""
    from clearprop.play import playground

    page = Path(args.html)
    apart({"DATA": args.data}, {"--html": args.html})
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            lesson("--html", "wants a name that ends in .html", repr(args.html), hint="play.html")
        )
    job = _job(args)
    (x, y), test = job.pair(job.training), job.pair(job.test) if len(job.test) else 0.0
    try:
        playground(
            job.model.network,
            job._loss(),
            job._optimizer(),
            x,
            y,
            page,
            batch_size=min(args.batch_size, len(x)),
            test=test,
            seed=args.seed,
            columns=_columns(job, args),
            title=f"{Path(args.data).name}, {args.hidden}",
            language=args.language,
            overwrite=args.force,
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    print(f"{page}: {len(x)} rows to learn from, {page.stat().st_size / 1000:.0f} kB")
    if args.open:
        webbrowser.open(page.resolve().as_uri())
    return 0


def _job(args: argparse.Namespace) -> Job:
    """Return the table and the network, as `clearprop train` has them; no rows are held back for stopping."""
    parser = argparse.ArgumentParser()
    train.arguments(parser)
    given = [args.data, "--plain", "--validation-split", "0", "--dropout", "0"]
    for name in PASSED:
        value = getattr(args, name.replace("-", "_"))
        if name == "lr" and value is None:
            value = RATES.get(args.optimizer)
        given += [] if value is None else [f"--{name}={value}"]
    told = parser.parse_args(given)
    return Job(told, train.checked(told, False))


def _columns(job: Job, args: argparse.Namespace) -> Columns:
    """Return what the page calls the columns, and how their numbers are scaled, if all are numbers."""
    from clearprop.data.columns import Number
    from clearprop.data.goals import Classes, Quantity
    from clearprop.play.playground import Columns

    found, target = job.model.columns, job.model.target
    names = [name for column in found for name in _names(column)]
    plain = all(isinstance(column, Number) and column.width == 1 for column in found)
    words = ["clearprop", "play", args.data, *(["--target", args.target] if args.target else [])]
    return Columns(
        names=names,
        target=target.name,
        classes=target.values if isinstance(target, Classes) else (),
        scales=[(c.mean, c.scale) for c in found if isinstance(c, Number)] if plain else (),
        spread=(target.mean, target.scale) if isinstance(target, Quantity) else (0.0, 1.0),
        dropped=plain,
        command=shlex.join([*words, "--hidden", "16,8"]),
    )


def _names(column: Any) -> list[str]:
    values = getattr(column, "values", None)
    if column.width == 1 and not isinstance(values, tuple):
        return [column.name]
    labels = values if isinstance(values, tuple) else ()
    told = [str(labels[i]) if i < len(labels) else str(i + 1) for i in range(column.width)]
    return [f"{column.name}={label}" for label in told]
