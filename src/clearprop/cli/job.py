"""What `clearprop train` works on: the table, in memory or in pieces, and the network that learns from it."""

from __future__ import annotations

import argparse
import copy
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clearprop.cli.spelling import reading_options, told
from clearprop.errors import InputError, lesson

if TYPE_CHECKING:
    from clearprop.cli.train_report import TrainingReport
    from clearprop.train import History
    from clearprop.train.table_model import TableModel

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
LOSSES = ("mse", "mae", "huber", "quantile", "poisson", "gamma")
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
ASKED = ("number", "category", "date", "ignore", "text")
DATA_SETS = ("digits", "iris", "wine", "breast_cancer", "diabetes")
SCALING = {"digits": "table"}  # pixels are measured in one unit
RATES = {"sgd": 0.05, "adam": 0.003, "adamw": 0.003, "rmsprop": 0.001}


class Job:
    """The table, split and encoded, and the network that learns from it."""

    reading: Any
    table: Any
    training: Any
    validation: Any
    test: Any
    search: Any = None
    """What `--search` tried."""
    rarer: Any = None
    """The rarer of two classes, in all rows: the one that is told of, in every fold."""

    def __init__(self, args: argparse.Namespace, hidden: list[int]) -> None:
        from clearprop.cli.division import divided
        from clearprop.data.goals import learn_target

        self.args = args
        self.reading, self.table = _inspected(args)
        self.classes: Any = None
        if self.reading.task == "classification":
            target = learn_target(self.table, self.reading, self.table)
            self.classes = target.encode(self.table)
            self._find_rarer(target)
        self.begin(hidden, divided(args, self.table, self.reading, self.classes))

    def _find_rarer(self, target: Any) -> None:
        """Find which of two classes is the rarer."""
        import numpy as np

        from clearprop.cli.settling import rarest

        counts = np.bincount(target.encode(self.table), minlength=len(target.values))
        self.rarer = rarest(target.values, counts)

    def begin(self, hidden: list[int], parts: tuple[Any, Any, Any]) -> None:
        """Learn the encodings from the first of three parts of the rows, and make the network."""
        from clearprop.data.columns import learn_columns
        from clearprop.data.goals import learn_target

        args = self.args
        self.parts: tuple[Any, Any, Any] = parts
        self.training, self.validation, self.test = (self.table.rows(part) for part in self.parts)
        robust = not args.plain
        encodings = learn_columns(self.training, self.reading, one_scale=one_scale(args), robust=robust)
        loss, levels = args.loss or "mse", levels_of(args)
        aim = learn_target(self.table, self.reading, self.training, loss=loss, levels=levels)
        self._make(hidden, encodings, aim)

    def _make(self, hidden: list[int], encodings: Any, aim: Any) -> None:
        """Make the network that suits the encodings, and settle what was not asked for."""
        import clearprop
        from clearprop.cli.networks import is_own
        from clearprop.cli.settling import check_threshold
        from clearprop.data.goals import Classes
        from clearprop.train.table_model import TableModel

        args = self.args
        self.recipe: Any = None
        clearprop.manual_seed(args.seed)
        if args.plain:
            settle(
                args, dropout=0.2, epochs=100, patience=15, batch_size=32, optimizer="adam", weight_decay=0.0
            )
            network = self._plain(hidden, encodings, aim)
        else:
            self.recipe = recipe = _recipe(args, hidden)
            rows = len(self.parts[0])
            epochs = args.epochs or recipe.epochs(rows)
            settle(
                args, epochs=epochs, patience=recipe.patience, batch_size=recipe.batch(rows),
                optimizer="adamw", lr=recipe.lr, weight_decay=recipe.weight_decay,
            )  # fmt: skip
            network = recipe.network(encodings, aim, self._sample(encodings))
        own = args.model if is_own(args.model) else None
        self.model: TableModel = TableModel(network, encodings, aim, own=own)
        self.start: Any = copy.deepcopy(network)  # for the doctor, should the training go badly
        values = aim.values if isinstance(aim, Classes) else None
        check_threshold(args.threshold, values, repr(aim.name), len(self.parts[1]))
        self.class_weights()

    def _plain(self, hidden: list[int], encodings: Any, aim: Any) -> Any:
        """Return a network of standardised columns: linear layers, or what `--model` says."""
        from clearprop.cli.networks import built

        args = self.args
        inputs = sum(column.width for column in encodings)
        outputs = aim.outputs
        if args.model not in (None, "mlp"):
            return built(args.model, (inputs,), outputs)
        activation = ACTIVATIONS[args.activation]
        return built("mlp", (inputs,), outputs, hidden=hidden, activation=activation, dropout=args.dropout)

    def _sample(self, encodings: Any) -> Any:
        """Return encoded rows to learn from, which the edges of the pieces are taken from."""
        from clearprop.data.columns import encode

        return encode(self.training, encodings)

    def tell(self, report: TrainingReport) -> None:
        """Print what was found in the table."""
        self.reading.remarks += self._known() + self._weighed_classes()
        report.data(self.table, self.reading, self.model, self.parts)
        self._tell_absent(report)

    def _tell_absent(self, report: TrainingReport) -> None:
        """Say which classes are in no row to learn from, or of the test."""
        import numpy as np

        target: Any = self.model.target
        if self.reading.task == "classification":
            tested = np.bincount(target.encode(self.test), minlength=len(target.values))
            report.absent(target, self.counts(), tested)

    def _known(self) -> list[str]:
        """Return what is to be said of rows held out that are among those learned from."""
        from clearprop.data.twins import rows_known

        learned, *others = self.parts
        return self._known_said([rows_known(self.table, self._read(), learned, held) for held in others])

    def _read(self) -> list[str]:
        """Return the columns that are read, and the target."""
        return [*(column.name for column in self.model.columns), self.model.target.name]

    def _known_said(self, counts: list[int]) -> list[str]:
        """Return what is to be said where so many rows to validate and to test on are learned from."""
        sizes = zip(counts, self.parts[1:], ("validate", "test on"), strict=True)
        told = [f"{count:,} of {len(part):,} rows to {purpose}" for count, part, purpose in sizes if count]
        same = "are, in all that is read of them, rows that are learned from too: measured on these"
        return [f"{' and '.join(told)} {same}, a network looks better than it is"] if told else []

    def _weighed_classes(self) -> list[str]:
        """Return what is to be said of probabilities where classes are weighed."""
        if self.args.class_weight is None:
            return []
        told = (
            "probabilities are of classes as they occur; what --class-weight weighs is the loss and what is"
        )
        return [f"{told} said: the class whose probability times its weight is the largest"]

    @contextmanager
    def laid_out(self, report: TrainingReport) -> Iterator[None]:
        """Inside the block what is learned from lies where trainings read it."""
        yield

    def data(self) -> Any:
        """Return what the network learns from, as `fit` takes it."""
        return self.weighed(self.training)

    def weighed(self, table: Any) -> tuple[Any, Any]:
        """Return a part of the table as inputs and targets, a pair with the weights if rows have some."""
        import numpy as np

        from clearprop.cli.settling import weights_of_rows
        from clearprop.train.weighting import precise

        x, y = self.pair(table)
        weights = weights_of_rows(self.args, table)
        return x, y if weights is None else (y, precise(weights, np.float32))

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

        args = self.args
        optimizer = self._optimizer()
        data = self.data()
        if self.recipe is not None and isinstance(data, tuple):  # else batches of a file, made of that size
            data = self.recipe.batches(*data)
            data.batch_size = args.batch_size if args.world is not None else data.batch_size
        callbacks = [] if isinstance(data, tuple) else self.schedule(optimizer, args.epochs * len(data))
        with _notes(), report.remarks():
            return train.fit(
                self.model.network,
                self._weighed_loss(),
                data,
                validation=self.held(),
                epochs=args.epochs,
                batch_size=args.batch_size,
                optimizer=optimizer,
                callbacks=callbacks,
                metrics=self.followed(),
                patience=args.patience or None,
                checkpoint=args.checkpoint,
                resume=args.resume,
                facts=self.facts() if args.checkpoint else None,
                overwrite=args.force,
                compile={"auto": "auto", "yes": True, "no": False}[args.compile],
                progress=not report.quiet,
                parallel=self.args.world,
            )

    def held(self) -> Any:
        """Return what validates, as `fit` takes it, or None."""
        return self.weighed(self.validation) if len(self.validation) else None

    def followed(self) -> list[Any]:
        """Return what is followed besides the loss."""
        return [self.metric()]

    def metric(self) -> Any:
        """Return what is followed besides the loss, of rows held out or learned from."""
        from clearprop.train.objectives import followed

        return followed(self.model.target, self.args.sample_weight is not None)

    def schedule(self, optimizer: Any, steps: int) -> list[Any]:
        """Return what changes the rate over so many steps."""
        recipe = self.recipe
        return [] if recipe is None or not recipe.lr > 0 else [recipe.schedule(optimizer, steps)]

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
        } | ({} if self.recipe is None else {"rate": f"one cycle over {self.args.epochs} epochs"})

    def room(self) -> int:
        """Return how many bytes the files may take, with the picture."""
        weights = sum(int(tensor.value.nbytes) for tensor in self.model.network.parameters())
        epochs: int = self.args.epochs
        return weights + 200 * epochs + (1 << 20)

    def _loss(self) -> Any:
        from clearprop import nn
        from clearprop.train.objectives import objective
        from clearprop.train.tabular import EachMember

        if self.reading.task == "classification":
            loss: Any = nn.CrossEntropyLoss(weight=self.class_weights())
        else:
            loss = objective(self.args.loss or "mse", self.model.target)
        return loss if self.recipe is None else EachMember(loss)

    def _weighed_loss(self) -> Any:
        from clearprop.train.weighting import Weighted

        return self._loss() if self.args.sample_weight is None else Weighted(self._loss(), rows=True)

    def class_weights(self) -> Any:
        """Return a weight for each class, which hold on the validation rows too, or None."""
        from clearprop.cli.settling import weights_of_classes

        if self.args.class_weight is None:
            return None
        return weights_of_classes(self.args.class_weight, self.model.target, self.counts)

    def counts(self) -> Any:
        """Return how many of the rows to learn from each class has."""
        import numpy as np

        target: Any = self.model.target
        return np.bincount(target.encode(self.training), minlength=len(target.values))

    def _optimizer(self) -> Any:
        from clearprop import optim

        args = self.args
        options = {"lr": args.lr if args.lr is not None else RATES[args.optimizer]}
        options |= {"momentum": 0.9} if args.optimizer == "sgd" else {}
        make = getattr(optim, OPTIMIZERS[args.optimizer])
        return make(self.model.network.parameters(), weight_decay=args.weight_decay, **options)

    def some(self) -> tuple[Any, Any]:
        """Return what the doctor looks at, as inputs and targets."""
        return self.pair(self.training)

    def examine(self, report: TrainingReport) -> None:
        """Print what the doctor finds in the network as it is now."""
        import clearprop

        found = clearprop.doctor(self.model.network, self.some(), self._loss(), self._optimizer())
        report.say(f"doctor: {found}\n", always=True)

    def folds(self, asked: argparse.Namespace, seed: int) -> Iterator[tuple[Any, Any, Any]]:
        """Give the parts of each fold."""
        from clearprop.cli.division import folds

        return folds(asked, self.table, self.classes, seed)

    def space(self, asked: argparse.Namespace) -> dict[str, Any]:
        """Return what `--search` draws settings from."""
        from clearprop.cli.search import PLAIN, SPACE

        return PLAIN if asked.plain else SPACE

    def remake(self, hidden: list[int]) -> None:
        """Make the network anew, by the options as they are now, for the same rows."""
        self._make(hidden, self.model.columns, self.model.target)

    def settle(self) -> None:
        """Find, on the validation rows, what the model keeps beside its weights."""
        from clearprop.cli.settling import settled

        self.model.about = settled(self)

    def measured(self, report: TrainingReport) -> dict[str, float]:
        """Print how good the model is on the rows to test on; return the figures, none without such rows."""
        from clearprop.cli.settling import weights_of_rows

        weights = weights_of_rows(self.args, self.test)
        return report.test(self.model, self.test, weights) if len(self.test) else {}

    def finish(self, folder: Path, history: History, report: TrainingReport) -> None:
        """Print how the training went and what the test says; write the files into the folder."""
        report.curves(history)
        self.settle()
        result = self.measured(report)
        self.model.about |= {
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
        from clearprop.cli.card import command_of, page

        made = page(self, history, result, command_of(getattr(self.args, "argv", []), self.args))
        (folder / "report.html").write_text(made, "utf-8", "backslashreplace")


def too_large(data: str) -> bool:
    """Return whether a file is larger than a quarter of the memory: it is read in pieces."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Path(data).is_file() and Path(data).stat().st_size > memory / 4
    except (OSError, ValueError, AttributeError):  # a system that does not tell
        return False


@contextmanager
def _notes() -> Iterator[None]:
    """Print what the training warns of as notes, without the line of code that warned."""

    def note(message: Warning | str, *place: Any, **more: Any) -> None:
        print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = note
        yield


def _inspected(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return what was found in the table, and the rows of it whose target is known."""
    from clearprop.cli.settling import weights_of_rows
    from clearprop.data import inspection

    table, target = _table(args)
    asked = asked_columns(args)
    for name, purpose in ((args.group, "the groups"), (args.sample_weight, "the weights of rows")):
        if name is not None:
            table.found(name, purpose)
    set_aside(args, target, asked)
    reading = inspection.inspect(
        table,
        target,
        task=args.task,
        columns=asked,
        many_classes=args.many_classes,
        constants=one_scale(args),
        delimiter=table.delimiter,
    )
    if args.loss is not None and reading.task == "classification":
        raise no_number()
    told_aside(args, reading)
    table = inspection.with_target(table, reading)
    weights_of_rows(args, table)
    return reading, table


def set_aside(args: argparse.Namespace, target: str, asked: dict[str, str]) -> None:
    """Leave out the columns of groups and of weights; raises InputError where that cannot be."""
    for name in (args.group, args.sample_weight):
        if name is not None:
            asked.setdefault(name, "ignore")
    if args.sample_weight is None:
        return
    if args.sample_weight == target:
        raise InputError(lesson("--sample-weight", "wants another column than the target", repr(target)))
    if asked[args.sample_weight] != "ignore":
        got = f"--column {args.sample_weight}={asked[args.sample_weight]}"
        raise InputError(lesson("--sample-weight", "names a column that the network does not read", got))


def told_aside(args: argparse.Namespace, reading: Any) -> None:
    """Say what the columns that are left out are for."""
    for name, purpose in ((args.group, "rows with one value of it stay together"),
                          (args.sample_weight, "how much each row counts")):  # fmt: skip
        if name is not None and not reading.findings[name].used:
            reading.findings[name].says = [f"left out: {purpose}"]


def levels_of(args: argparse.Namespace) -> tuple[float, ...]:
    """Return the levels of the quantiles that are asked for, none where it is about something else."""
    from clearprop.train.objectives import checked_levels

    if args.quantiles is None:
        return ()
    if args.loss != "quantile":
        raise InputError(lesson("--quantiles", "is of --loss quantile", f"--loss {args.loss or 'mse'}"))
    try:
        return checked_levels("--quantiles", [float(level) for level in args.quantiles.split(",")])
    except ValueError as error:
        wanted = "wants shares between 0 and 1 that differ"
        raise InputError(
            lesson("--quantiles", wanted, repr(args.quantiles), hint="--quantiles 0.1,0.5,0.9")
        ) from error


def no_number() -> InputError:
    return InputError(
        lesson("--loss", "is of a number, and the target has classes", hint="--task regression")
    )


def asked_columns(args: argparse.Namespace) -> dict[str, str]:
    """Return what a person said that columns are."""
    asked = {}
    for text in args.column:
        name, equals, kind = text.rpartition("=")
        if not equals:
            wanted = f"wants NAME=KIND, with one of {', '.join(ASKED)}"
            raise InputError(lesson("--column", wanted, repr(text), hint=f"--column '{text}=category'"))
        asked[name] = kind
    return asked | dict.fromkeys(args.categorical, "category") | dict.fromkeys(args.ignore, "ignore")


def one_scale(args: argparse.Namespace) -> bool:
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


def settle(args: argparse.Namespace, **usual: Any) -> None:
    """Give the options that were not given their usual values."""
    for name, value in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def _recipe(args: argparse.Namespace, hidden: list[int]) -> Any:
    """Return how the network for tables is made and trained, with what was asked for."""
    from clearprop.train.tabular import Tabular

    asked = {"members": args.members, "pieces": args.pieces, "dropout": args.dropout}
    asked["lr"] = args.lr if args.lr is not None else RATES[args.optimizer or "adamw"]
    asked["batch_size"] = args.batch_size
    given = {name: value for name, value in asked.items() if value is not None}
    return Tabular(hidden=tuple(hidden), activation=ACTIVATIONS[args.activation], **given)
