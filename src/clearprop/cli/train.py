"""`clearprop train`: a table in, a trained network and how good it is out."""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearprop.cli.bounds import within
from clearprop.cli.helping import named
from clearprop.cli.job import ACTIVATIONS, ASKED, DATA_SETS, LOSSES, OPTIMIZERS, Job, too_large
from clearprop.cli.outputs import apart, force, outside, read_below
from clearprop.cli.picture_options import is_pictorial, picture_options
from clearprop.cli.processes import several
from clearprop.cli.spelling import spelling
from clearprop.data.reading.shares import files_of, is_many
from clearprop.errors import InputError, lesson
from clearprop.parallel.launcher import launched

if TYPE_CHECKING:
    from clearprop.train import History


def test_split(parser: argparse.ArgumentParser) -> None:
    """Add `--test-split`."""
    what = "share of the rows to test on (default: 0.2)"
    parser.add_argument("--test-split", type=float, default=0.2, metavar="SHARE", help=what)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    from clearprop.cli.networks import HELP

    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        help=f"a table, - for standard input, a folder of tables or of pictures, or {', '.join(DATA_SETS)}",
    )
    add("--target", metavar="COLUMN", help="the column to predict (needed for a file)")
    add("--output", metavar="DIR", help="where the files go (default: out/NAME)")
    table = parser.add_argument_group("the table")
    add = table.add_argument
    add(
        "--task",
        choices=("classification", "regression"),
        help="instead of finding it by the target",
    )
    add("--many-classes", action="store_true", help="allow more classes than a tenth of the rows")
    add(
        "--column",
        action="append",
        default=[],
        metavar="NAME=KIND",
        help=f"what a column is: {', '.join(ASKED)} (may be repeated)",
    )
    add(
        "--categorical",
        action="append",
        default=[],
        metavar="COLUMN",
        help="short for --column COLUMN=category (may be repeated)",
    )
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="COLUMN",
        help="short for --column COLUMN=ignore (may be repeated)",
    )
    spelling(table)
    add("--stream", action="store_true", help="read in pieces, as is done with a table larger than memory")
    scaling = "divide numbers by their column's spread, or by that of all (default: column; digits: table)"
    add("--scaling", choices=("column", "table"), help=scaling)
    add(
        "--validation-split",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of the rows to stop by (default: 0.1)",
    )
    test_split(parser)
    whole = "rows with one value of it stay together, held out or not; the network does not read it"
    add("--group", metavar="COLUMN", help=whole)
    add("--time", metavar="COLUMN", help="learn from the earliest rows and test on the latest")
    add("--folds", type=int, metavar="N", help="first test every row once, by N trainings on the others")
    add("--seeds", type=int, metavar="N", help="first train with N seeds; what is told is mean and spread")
    add("--search", type=int, metavar="N", help="first try N settings, and keep the best on validation rows")
    picture_options(parser)
    network = parser.add_argument_group("the network")
    add = network.add_argument
    add("--model", metavar="NAME", help=HELP)
    plain = "one plain network on standardised columns, in place of networks that share weights"
    add("--plain", action="store_true", help=plain)
    add(
        "--hidden",
        metavar="SIZES",
        help="sizes of the hidden layers, 64,32, or none (default: 128,128; --plain: 128)",
    )
    add("--members", type=int, metavar="N", help="how many networks share their weights (default: 4)")
    add(
        "--pieces",
        type=int,
        metavar="N",
        help="into how many a column of numbers is cut at most, 0 for none (default: 16)",
    )
    add("--activation", metavar="NAME", choices=ACTIVATIONS, default="relu", help=named(ACTIVATIONS, "relu"))
    drop = "share that is dropped after each hidden layer (default: 0.1; --plain: 0.2)"
    add("--dropout", type=float, metavar="SHARE", help=drop)
    training = parser.add_argument_group("the training")
    add = training.add_argument
    most = "most epochs (default: by the number of rows, 20 to 200; --plain: 100)"
    add("--epochs", type=int, metavar="N", help=most)
    add(
        "--patience",
        type=int,
        metavar="N",
        help="stop after N epochs without a better one, 0 for never (default: 20; --plain: 15)",
    )
    add("--batch-size", type=int, metavar="N", help="rows for each step (default: up to 256; --plain: 32)")
    chosen = named(OPTIMIZERS, "adamw; --plain: adam")
    add("--optimizer", metavar="NAME", choices=OPTIMIZERS, help=chosen)
    add("--lr", type=float, metavar="RATE", help="the learning rate at its highest (default: 0.003 for adam)")
    add(
        "--weight-decay",
        type=float,
        metavar="RATE",
        help="how strongly weights are drawn to 0 (default: 0.0001; --plain: 0)",
    )
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same bits (default: 0)")
    add("--checkpoint", metavar="FILE", help="save the run there after each epoch")
    add("--resume", action="store_true", help="go on from the checkpoint, where there is one")
    force(training)
    add("--processes", type=int, metavar="N", help="compute by N processes, over MPI (extra mpi)")
    parser.set_defaults(world=None)  # the processes, where there are several
    add(
        "--compile",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether to compile the training step (default: auto)",
    )
    add(
        "--loss",
        metavar="NAME",
        choices=LOSSES,
        help=f"for a number as the target: {', '.join(LOSSES)} (default: mse)",
    )
    add(
        "--quantiles",
        metavar="SHARES",
        help="which quantiles --loss quantile predicts (default: 0.1,0.5,0.9)",
    )
    add("--sample-weight", metavar="COLUMN", help="how much each row counts; the network does not read it")
    weight = "how much each class counts in the loss: balanced, or NAME=NUMBER,..."
    add("--class-weight", metavar="WEIGHTS", help=weight)
    threshold = "say the rarer of two classes from this probability on; f1 finds the best on validation rows"
    add("--threshold", metavar="NUMBER", help=threshold)
    add("--doctor", action="store_true", help="look for what may keep the network from learning, and train")
    add("--quiet", action="store_true", help="print only the test's result and what is odd in the data")
    add("--json", action="store_true", help="print what was found and the test's result as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Train, write the files and return 0, or 130 where Ctrl-C ended the training early."""
    pictorial = is_pictorial(args)  # asked once: what lies there may be another thing a moment later
    hidden = checked(args, pictorial)
    if args.processes is not None or launched() > 1:
        return several(args, lambda: _run(args, hidden, pictorial))
    return _run(args, hidden, pictorial)


def _run(args: argparse.Namespace, hidden: list[int], pictorial: bool) -> int:
    """Train, as one process or as the first of several."""
    from clearprop.cli.picture_report import PictureReport
    from clearprop.cli.train_report import TrainingReport

    output = _outputs(args, pictorial)
    kind = PictureReport if pictorial else TrainingReport
    others = args.world is not None and not args.world.first  # what the first one says is said
    report = kind(quiet=args.quiet, json=args.json or others)
    asked = copy.copy(args)
    job = _job(args, hidden, pictorial)
    job.tell(report)
    with job.laid_out(report):
        return _learned(job, asked, hidden, report, output)


def _learned(job: Any, asked: argparse.Namespace, hidden: list[int], report: Any, output: Path) -> int:
    """Search, repeat, train and write, as it was asked for; return the status."""
    from clearprop.files import free_room, whole_folder
    from clearprop.train import NonFiniteLossError

    kept = None  # how the network of a search was trained that Ctrl-C ended
    if asked.search is not None:
        from clearprop.cli.search import searched

        hidden = searched(job, asked, hidden, report)
        kept = job.search.history
    args = job.args
    report.network(job.model.network)
    if args.world is not None and not args.world.first:
        return _trained(job, report)
    if args.doctor and kept is None:
        job.examine(report)
    if kept is None and (asked.folds is not None or asked.seeds is not None):
        from clearprop.cli.repeats import repeated

        asked.seeds = asked.seeds or 1
        repeated(job, asked, hidden, report)
    ours = {name: None if args.force else is_ours for name, is_ours in _files().items()}
    failed = None
    with whole_folder(output, ours, job.room()) as folder:
        try:
            history = job.train(report) if kept is None else kept
        except NonFiniteLossError as failure:
            if failure.history.best_epoch is None:
                raise InputError(f"{failure}\n  Nothing was written: no epoch was completed.") from failure
            failed, history = failure, failure.history
        free_room(folder)
        job.finish(folder, history, report)
    report.written(output)
    if failed is not None or _went_badly(history):
        _look_back(job, report)
    if failed is not None:
        raise InputError(str(failed)) from failed
    if history.ended == "interrupted" or kept is not None:
        what = "what was learned" if kept is None else "the best of what the search had tried"
        print(f"Stopped by Ctrl-C: {what} until then is kept.", file=sys.stderr)
        return 130
    return 0


def _look_back(job: Any, report: Any) -> None:
    """Print what the doctor finds in the network as it was before it learned."""
    report.say("\nThe training went badly. The network as it was at the start:", always=True)
    job.model.network = job.start
    job.examine(report)


def _job(args: argparse.Namespace, hidden: list[int], pictorial: bool) -> Any:
    """Return the pictures or the table, and the network."""
    if not pictorial:
        if not args.stream and not too_large(args.data) and not is_many(args.data):
            return Job(args, hidden)
        from clearprop.cli.streamed_job import StreamedJob

        return StreamedJob(args, hidden)
    from clearprop.cli.picture_job import PictureJob

    parser = argparse.ArgumentParser()
    arguments(parser)
    return PictureJob(args, vars(parser.parse_args([args.data])), hidden)


def _trained(job: Job, report: Any) -> int:
    """Train as one of several processes that is not the first: it leaves nothing behind."""
    from clearprop.train import NonFiniteLossError

    try:
        job.train(report)
    except NonFiniteLossError as failure:
        raise InputError(str(failure)) from failure
    return 0


def _files() -> dict[str, Any]:
    """Return the names of the files that are written, and what tells of each whether it may be replaced."""
    from clearprop import marks
    from clearprop.interop.model_file import FORMAT

    return {
        "model.safetensors": marks.safetensors(FORMAT),
        "history.csv": marks.history,
        "curves.png": marks.png,
        "report.html": marks.html,
    }


def _outputs(args: argparse.Namespace, pictorial: bool) -> Path:
    """Return the folder to write into; raises InputError where a file there would replace what is read."""
    from clearprop.cli.networks import own_file
    from clearprop.data.pictures import has_classes
    from clearprop.train.checkpoint import Generations

    many = args.data != "-" and is_many(args.data)
    named = Path(args.data).absolute().parent if many and not Path(args.data).is_dir() else Path(args.data)
    name = "table" if args.data == "-" else named.name.partition(".")[0] or "table"
    output = Path(args.output or Path("out", name))
    outputs: dict[str, Any] = {name: output / name for name in _files()}
    if args.checkpoint is not None:
        outputs |= {
            "--checkpoint": args.checkpoint,
            "the checkpoint before it": Generations(args.checkpoint).previous,
        }
    given = None if args.data in (*DATA_SETS, "-") else args.data
    read: dict[str, Any] = {"the data": given, "--model": own_file(args.model)}
    if many:
        del read["the data"]
        read |= {f"the data, {file}": file for file in files_of(args.data)}
    if given is not None and pictorial:
        read |= read_below(given, outputs)
        if has_classes(given):
            outside(given, {"--output": output, "--checkpoint": args.checkpoint})
    apart(read, outputs, {"--output": output})
    return output


def _went_badly(history: History) -> bool:
    """Whether the loss did not fall by a hundredth in three epochs or more."""
    losses = history["loss"]
    return len(losses) >= 3 and not min(losses) < 0.99 * losses[0]


_BOUNDS = {
    "epochs": (1, 10**9),
    "batch_size": (1, 10**9),
    "processes": (2, 10**6),
    "patience": (0, 10**9),
    "seed": (0, 2**63 - 1),
    "lr": (0.0, 1e6),
    "weight_decay": (0.0, 1e6),
    "dropout": (0.0, 0.99),
    "members": (1, 1000),
    "folds": (2, 1000),
    "seeds": (1, 1000),
    "search": (1, 1000),
    "pieces": (0, 1000),
    "validation_split": (0.0, 0.9),
    "test_split": (0.0, 0.9),
}


def checked(args: argparse.Namespace, pictorial: bool) -> list[int]:
    """Return the sizes of the hidden layers; raises InputError for settings that make no sense.

    Where `--model` gets a table's columns as numbers or a few (`mlp`), `args.plain` is set.
    """
    within(args, _BOUNDS)
    if args.validation_split + args.test_split > 0.9:
        left = 1 - args.validation_split - args.test_split
        got = f"{args.validation_split:g} and {args.test_split:g} leave {left:.2g}"
        raise InputError(
            lesson("--validation-split and --test-split", "leave too few rows to learn from", got)
        )
    if args.resume and not args.checkpoint:
        raise InputError(lesson("--resume", "wants to know the file to go on from", hint="--checkpoint FILE"))
    _check_division(args)
    if not pictorial:
        _check_tables_model(args)
    for name in ("members", "pieces") if args.plain else ():
        if getattr(args, name) is not None:
            raise InputError(lesson(f"--{name}", "is not of a plain network", hint="it without --plain"))
    if args.hidden is None:
        return [128] if args.plain else [128, 128]
    if args.hidden.strip().lower() in ("", "none", "0"):
        return []
    sizes = args.hidden.replace(" ", "").split(",")
    if not all(size.isdecimal() and 0 < int(size) <= 100_000 for size in sizes):
        wanted = "wants the sizes of the hidden layers, whole numbers from 1 to 100000"
        raise InputError(
            lesson("--hidden", wanted, repr(args.hidden), hint="--hidden 64,32, or --hidden none")
        )
    return [int(size) for size in sizes]


def _check_tables_model(args: argparse.Namespace) -> None:
    """Raise InputError for options of pictures with a table, and for sizes of another network than `mlp`."""
    for name in ("size", "color", "augment", "skip_broken"):
        if getattr(args, name):
            option, got = "--" + name.replace("_", "-"), f"{args.data} is a table"
            hint = "--model lenet with digits" if args.data == "digits" else "a folder of pictures"
            raise InputError(lesson(option, "is for pictures", got, hint=hint))
    if args.model is None:
        return
    theirs = [name for name in ("hidden", "dropout", "search") if getattr(args, name) is not None]
    if theirs and args.model != "mlp":
        got = f"--model {args.model}"
        raise InputError(lesson(f"--{theirs[0]}", "is for linear layers", got, hint="--model mlp"))
    args.plain = True  # each column is a number or a few


def _check_division(args: argparse.Namespace) -> None:
    """Raise InputError for ways to divide the rows that do not go together."""
    if args.time is not None and (args.group is not None or args.folds is not None):
        other = "--group" if args.group is not None else "--folds"
        raise InputError(lesson("--time", f"does not go with {other}", hint="one of the two"))
    if args.search is not None and (args.folds is not None or args.processes is not None):
        other = "--folds" if args.folds is not None else "--processes"
        why = (
            "whose rows would have chosen the settings" if args.folds is not None else "which it does not use"
        )
        raise InputError(lesson("--search", f"does not go with {other}, {why}", hint="one of the two"))
    if args.search is not None and not args.validation_split:
        hint = "--validation-split 0.1"
        raise InputError(lesson("--search", "wants validation rows", "--validation-split 0", hint=hint))
    if args.seeds is not None and args.folds is None and not args.test_split:
        raise InputError(lesson("--seeds", "wants rows to test on", "--test-split 0"))
