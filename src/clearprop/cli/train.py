"""`clearprop train`: a table in, a trained network and how good it is out."""

from __future__ import annotations

import argparse
import copy
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearprop.cli.outputs import apart, force
from clearprop.cli.spelling import reading_options, spelling, told
from clearprop.errors import InputError, lesson

if TYPE_CHECKING:
    from clearprop.cli.train_report import TrainingReport
    from clearprop.train import History

ACTIVATIONS = {
    "tanh": "Tanh",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "gelu": "GELU",
    "silu": "SiLU",
    "elu": "ELU",
    "leaky_relu": "LeakyReLU",
    "softplus": "Softplus",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
ASKED = ("number", "category", "date", "ignore", "text")
DATA_SETS = ("digits", "iris", "wine", "breast_cancer", "diabetes")
SCALING = {"digits": "table"}  # pixels are measured in one unit
RATES = {"sgd": 0.05, "adam": 0.003, "adamw": 0.003, "rmsprop": 0.001}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add = parser.add_argument
    add("data", metavar="DATA", help=f"a file, - for standard input, or one of {', '.join(DATA_SETS)}")
    add("--target", metavar="COLUMN", help="the column to predict (needed for a file)")
    add("--output", metavar="DIR", help="where the files go (default: out/NAME)")
    table = parser.add_argument_group("the table")
    add = table.add_argument
    add("--task", choices=("classification", "regression"), help="instead of finding it from the target")
    add("--many-classes", action="store_true", help="allow more classes than a tenth of the rows")
    add(
        "--column",
        action="append",
        default=[],
        metavar="NAME=KIND",
        help=f"what a column is: {', '.join(ASKED)}",
    )
    add(
        "--categorical",
        action="append",
        default=[],
        metavar="COLUMN",
        help="short for --column COLUMN=category",
    )
    add("--ignore", action="append", default=[], metavar="COLUMN", help="short for --column COLUMN=ignore")
    spelling(table)
    scaling = "numbers by each column's own spread or by that of all (default: column; digits: table)"
    add("--scaling", choices=("column", "table"), help=scaling)
    add("--validation-split", type=float, default=0.1, metavar="SHARE", help="of the rows (default: 0.1)")
    add("--test-split", type=float, default=0.2, metavar="SHARE", help="of the rows (default: 0.2)")
    network = parser.add_argument_group("the network")
    add = network.add_argument
    add(
        "--hidden",
        default="128",
        metavar="SIZES",
        help="of the hidden layers: 64,32; or none (default: 128)",
    )
    add("--activation", choices=ACTIVATIONS, default="relu", help="(default: relu)")
    add("--dropout", type=float, default=0.2, metavar="SHARE", help="after each hidden layer (default: 0.2)")
    training = parser.add_argument_group("the training")
    add = training.add_argument
    add("--epochs", type=int, default=100, metavar="N", help="at most (default: 100)")
    add(
        "--patience",
        type=int,
        default=15,
        metavar="N",
        help="stop after N epochs without a better one; 0: never",
    )
    add("--batch-size", type=int, default=32, metavar="N", help="rows for each step (default: 32)")
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="(default: adam)")
    add("--lr", type=float, metavar="RATE", help="the learning rate (default: 0.003 for adam)")
    add("--weight-decay", type=float, default=0.0, metavar="RATE", help="(default: 0)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same bits (default: 0)")
    add("--checkpoint", metavar="FILE", help="save the run there after each epoch")
    add("--resume", action="store_true", help="go on from the checkpoint, where there is one")
    force(training)
    add("--compile", choices=("auto", "yes", "no"), default="auto", help="the training step (default: auto)")
    add("--loss", choices=("mse", "poisson"), help="of a number; poisson suits counts (default: mse)")
    add("--doctor", action="store_true", help="look for what may keep the network from learning, and train")
    add("--quiet", action="store_true", help="print the test's result and what is odd in the data alone")
    add("--json", action="store_true", help="print what was found and the test's result as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Train, write the files and return 0, or 130 where Ctrl-C ended the training early."""
    hidden = _checked(args)
    from clearprop.cli.train_report import TrainingReport
    from clearprop.files import free_room, whole_folder
    from clearprop.train import NonFiniteLossError

    output = _outputs(args)
    report = TrainingReport(quiet=args.quiet, json=args.json)
    job = _Job(args, hidden)
    report.data(job.table, job.reading, job.model, job.parts)
    report.absent(job.reading, job.model, job.parts, job.table)
    report.network(job.model.network)
    if args.doctor:
        job.examine(report)
    ours = {name: None if args.force else is_ours for name, is_ours in _files().items()}
    with whole_folder(output, ours, job.room()) as folder:
        try:
            history = job.train(report)
        except NonFiniteLossError as failure:
            if failure.history.best_epoch is None:
                raise InputError(f"{failure}\n  Nothing was written: no epoch was completed.") from failure
            free_room(folder)
            job.finish(folder, failure.history, report)
            failed: NonFiniteLossError | None = failure
        else:
            failed = None
            free_room(folder)
            job.finish(folder, history, report)
    report.written(output)
    if failed is not None or _went_badly(failed.history if failed is not None else history):
        report.say("\nThe training went badly. The network as it was at the start:", always=True)
        job.model.network = job.start
        job.examine(report)
    if failed is not None:
        raise InputError(str(failed)) from failed
    if history.ended == "interrupted":
        print("Stopped by Ctrl-C: what was learned until then is kept.", file=sys.stderr)
        return 130
    return 0


class _Job:
    """The table, split and encoded, and the network that learns from it."""

    def __init__(self, args: argparse.Namespace, hidden: list[int]) -> None:
        import clearprop
        from clearprop.data import columns, three_parts
        from clearprop.train.table_model import TableModel

        self.args = args
        self.reading, self.table = _inspected(args)
        kinds = None
        if self.reading.task == "classification":
            kinds = columns.learn_target(self.table, self.reading, self.table).encode(self.table)
        split = (args.validation_split, args.test_split)
        self.parts = three_parts(len(self.table), *split, classes=kinds, seed=args.seed)
        self.training, self.validation, self.test = (self.table.rows(part) for part in self.parts)
        encodings = columns.learn_columns(self.training, self.reading, one_scale=_one_scale(args))
        count = args.loss == "poisson"
        aim = columns.learn_target(self.table, self.reading, self.training, count=count)
        clearprop.manual_seed(args.seed)
        width = sum(column.width for column in encodings)
        outputs = len(aim.values) if isinstance(aim, columns.Classes) else 1
        network = _network(width, hidden, outputs, ACTIVATIONS[args.activation], args.dropout)
        self.model = TableModel(network, encodings, aim)
        self.start = copy.deepcopy(network)  # for the doctor, should the training go badly

    def pair(self, table: Any) -> tuple[Any, Any]:
        """Return a part of the table as the network's inputs and targets."""
        import numpy as np

        from clearprop.data.columns import encode

        targets = self.model.target.encode(table)
        targets = targets if targets.dtype.kind == "i" else targets.astype(np.float32)
        return encode(table, self.model.columns), targets

    def train(self, report: TrainingReport) -> History:
        """Train the network."""
        from clearprop import train

        args, classify = self.args, self.reading.task == "classification"
        with _notes(), report.remarks():
            return train.fit(
                self.model.network,
                self._loss(),
                self.pair(self.training),
                validation=self.pair(self.validation) if len(self.validation) else None,
                epochs=args.epochs,
                batch_size=args.batch_size,
                optimizer=self._optimizer(),
                metrics=["accuracy" if classify else "r2"],
                patience=args.patience or None,
                checkpoint=args.checkpoint,
                resume=args.resume,
                facts=self.facts() if args.checkpoint else None,
                overwrite=args.force,
                compile={"auto": "auto", "yes": True, "no": False}[args.compile],
                progress=not report.quiet,
            )

    def facts(self) -> dict[str, str]:
        """Return what a checkpoint has to be of, besides what `fit` sees: table, columns, split."""
        from clearprop.train.fingerprint import digest

        classes = getattr(self.model.target, "values", ()) if self.reading.task == "classification" else ()
        cells = (cell.encode() for column in self.table.columns.values() for cell in (*column, "|"))
        return {
            "task": self.reading.task,
            "target": repr(self.model.target.name),
            "class names": ", ".join(map(repr, classes)),
            "columns": ", ".join(repr(column.name) for column in self.model.columns),
            "table": f"{len(self.table)} rows, digest {digest(cells)}",
            "encodings": str([column.spec() for column in self.model.columns]),
            "seed": str(self.args.seed),
        }

    def room(self) -> int:
        """Return how many bytes the files may take, with the picture."""
        weights = sum(int(tensor.value.nbytes) for tensor in self.model.network.parameters())
        epochs: int = self.args.epochs
        return weights + 200 * epochs + (1 << 20)

    def _loss(self) -> Any:
        from clearprop import nn

        if self.reading.task == "classification":
            return nn.CrossEntropyLoss()
        return nn.PoissonNLLLoss() if self.args.loss == "poisson" else nn.MSELoss()

    def _optimizer(self) -> Any:
        from clearprop import optim

        args = self.args
        options = {"lr": args.lr if args.lr is not None else RATES[args.optimizer]}
        options |= {"momentum": 0.9} if args.optimizer == "sgd" else {}
        make = getattr(optim, OPTIMIZERS[args.optimizer])
        return make(self.model.network.parameters(), weight_decay=args.weight_decay, **options)

    def examine(self, report: TrainingReport) -> None:
        """Print what the doctor finds in the network as it is now."""
        import clearprop

        found = clearprop.doctor(
            self.model.network, self.pair(self.training), self._loss(), self._optimizer()
        )
        report.say(f"doctor: {found}\n", always=True)

    def finish(self, folder: Path, history: History, report: TrainingReport) -> None:
        """Print how the training went and what the test says; write the files into the folder."""
        report.curves(history)
        result = report.test(self.model, self.test) if len(self.test) else {}
        self.model.about = {
            "data": self.table.path,
            "reading": told(self.args),
            "rows": [len(part) for part in self.parts],
            "seed": self.args.seed,
            "epochs": len(history),
            "test": {name: value for name, value in result.items() if math.isfinite(value)},
        }
        self.model.save(folder / "model.safetensors")
        history.to_csv(folder / "history.csv")
        report.picture(folder / "curves.png", history, self.table.path)


def _files() -> dict[str, Any]:
    """Return the names of the files that are written, and what tells of each whether it may be replaced."""
    from clearprop import marks
    from clearprop.interop.model_file import FORMAT

    return {
        "model.safetensors": marks.safetensors(FORMAT),
        "history.csv": marks.history,
        "curves.png": marks.png,
    }


def _outputs(args: argparse.Namespace) -> Path:
    """Return the folder to write into; raises InputError where a file there would replace what is read."""
    from clearprop.train.checkpoint import Generations

    name = "table" if args.data == "-" else Path(args.data).name.partition(".")[0] or "table"
    output = Path(args.output or Path("out", name))
    outputs: dict[str, Any] = {name: output / name for name in _files()}
    if args.checkpoint is not None:
        outputs |= {
            "--checkpoint": args.checkpoint,
            "the checkpoint before it": Generations(args.checkpoint).previous,
        }
    apart({"the table": None if args.data in (*DATA_SETS, "-") else args.data}, outputs, {"--output": output})
    return output


@contextmanager
def _notes() -> Iterator[None]:
    """Print what the training warns of as notes, without the line of code that warned."""

    def note(message: Warning | str, *place: Any, **more: Any) -> None:
        print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note
        yield


def _went_badly(history: History) -> bool:
    """Whether the loss did not fall by a hundredth in three epochs or more."""
    losses = history["loss"]
    return len(losses) >= 3 and not min(losses) < 0.99 * losses[0]


def _inspected(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return what was found in the table, and the rows of it whose target is known."""
    from clearprop.data import inspection

    table, target = _table(args)
    asked = {}
    for text in args.column:
        name, equals, kind = text.rpartition("=")
        if not equals:
            wanted = f"wants NAME=KIND, with one of {', '.join(ASKED)}"
            raise InputError(lesson("--column", wanted, repr(text), hint=f"--column '{text}=category'"))
        asked[name] = kind
    reading = inspection.inspect(
        table,
        target,
        task=args.task,
        columns=asked,
        categorical=args.categorical,
        ignore=args.ignore,
        many_classes=args.many_classes,
        constants=_one_scale(args),
        delimiter=table.delimiter,
    )
    if args.loss is not None and reading.task == "classification":
        raise InputError(
            lesson("--loss", "is of a number, and the target has classes", hint="--task regression")
        )
    return reading, inspection.with_target(table, reading)


def _one_scale(args: argparse.Namespace) -> bool:
    return bool((args.scaling or SCALING.get(args.data, "column")) == "table")


def _table(args: argparse.Namespace) -> tuple[Any, str]:
    from clearprop.data.bundled import bundled_table
    from clearprop.data.reading import read_table
    from clearprop.data.tables import listed, nearest

    if args.data in DATA_SETS:  # a file of that name is ./digits
        table, target = bundled_table(args.data)
        return table, args.target or target
    if args.data != "-" and not Path(args.data).exists() and not Path(args.data).suffix:
        near = nearest(args.data, DATA_SETS)
        wanted, got = "is neither a file nor a data set", f"the data sets are {listed(DATA_SETS)}"
        raise InputError(lesson(repr(args.data), wanted, got, hint=near))
    table = read_table(args.data, **reading_options(args))
    if args.target is None:
        wanted, got = "wants to know the column to predict", f"the columns are {listed(table.cells)}"
        raise InputError(lesson(table.path, wanted, got, hint=f"--target {list(table.cells)[-1]!r}"))
    return table, args.target


def _network(inputs: int, hidden: list[int], outputs: int, activation: str, dropout: float) -> Any:
    from clearprop import nn

    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(inputs, size), getattr(nn, activation)()]
        layers += [nn.Dropout(dropout)] if dropout else []
        inputs = size
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def _checked(args: argparse.Namespace) -> list[int]:
    """Return the sizes of the hidden layers; raises InputError for settings that make no sense."""
    bounds = {
        "epochs": (1, 10**9),
        "batch_size": (1, 10**9),
        "patience": (0, 10**9),
        "seed": (0, 2**63 - 1),
        "lr": (0.0, 1e6),
        "weight_decay": (0.0, 1e6),
        "dropout": (0.0, 0.99),
        "validation_split": (0.0, 0.9),
        "test_split": (0.0, 0.9),
    }
    for name, (low, high) in bounds.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            option = "--" + name.replace("_", "-")
            wanted = f"wants a number of {low:g} or more" if not value >= low else f"is {high:g} at most"
            raise InputError(lesson(option, wanted, f"{value:g}"))
    if args.validation_split + args.test_split > 0.9:
        left = 1 - args.validation_split - args.test_split
        got = f"{args.validation_split:g} and {args.test_split:g} leave {left:.2g}"
        raise InputError(
            lesson("--validation-split and --test-split", "leave too few rows to learn from", got)
        )
    if args.resume and not args.checkpoint:
        raise InputError(lesson("--resume", "wants to know the file to go on from", hint="--checkpoint FILE"))
    if args.hidden.strip().lower() in ("", "none", "0"):
        return []
    sizes = args.hidden.replace(" ", "").split(",")
    if not all(size.isdecimal() and 0 < int(size) <= 100_000 for size in sizes):
        wanted = "wants the sizes of the hidden layers, whole numbers from 1 to 100000"
        raise InputError(
            lesson("--hidden", wanted, repr(args.hidden), hint="--hidden 64,32, or --hidden none")
        )
    return [int(size) for size in sizes]
