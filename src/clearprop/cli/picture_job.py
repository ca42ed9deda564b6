"""What `clearprop train` works on where it is given pictures: a folder for each class, or files of many."""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.cli.job import Job, settle
from clearprop.cli.networks import built, is_own
from clearprop.cli.settling import rarest
from clearprop.data import DataLoader
from clearprop.data.augment import CHANGES, PictureRows, moments
from clearprop.data.pictures import Pictures, read_pictures
from clearprop.data.split import three_parts
from clearprop.data.tables import counted, listed
from clearprop.errors import InputError, lesson
from clearprop.train.picture_model import PictureModel

if TYPE_CHECKING:
    from clearprop.cli.picture_report import PictureReport
    from clearprop.train import History

STEPS, BATCH, RATE = 1200, 64, 0.005
"""About so many steps of so many pictures, at a rate that rises to this, unless told otherwise."""

# fmt: off
_OF_TABLES = (
    "target", "task", "many_classes", "column", "categorical", "ignore", "delimiter", "encoding", "decimal",
    "missing", "dates", "scaling", "group", "time", "sample_weight", "quantiles", "plain", "members",
    "pieces", "loss",
)
# fmt: on
_OF_NETWORK = ("hidden", "activation", "dropout")
FEWEST = 30


class PictureJob(Job):
    """Pictures, split, and the network that learns from them."""

    moments: tuple[list[float], list[float]]

    pictures: Pictures
    model: Any
    recipe = None

    def __init__(self, args: argparse.Namespace, given: dict[str, Any], hidden: list[int]) -> None:
        """`given` are the options' usual values, `hidden` the sizes of layers where they are linear."""
        _check(args, given)
        self.args = args
        self.pictures = pictures = read_pictures(
            args.data, size_of(args.size), args.color, args.skip_broken, args.stream or None
        )
        self.notes: list[str] = list(pictures.notes)
        self.rarer = rarest(pictures.classes, np.bincount(pictures.labels, minlength=len(pictures.classes)))
        self.begin(hidden, self._divided())
        self.notes += _doubles(pictures, self.parts)

    def begin(self, hidden: list[int], parts: tuple[Any, Any, Any]) -> None:
        """Make the network for three parts of the pictures, by the first of them."""
        from clearprop.cli.settling import check_threshold

        self.parts: Any = parts
        self.moments = moments(self.pictures.some(parts[0]))
        self.remake(hidden)
        called = f"{len(self.pictures.classes)} classes"
        check_threshold(self.args.threshold, self.pictures.classes, called, len(parts[1]))

    def remake(self, hidden: list[int]) -> None:
        """Make the network anew, by the options as they are now, for the same pictures."""
        import clearprop

        args, pictures = self.args, self.pictures
        self.changes: tuple[str, ...] = changes_of(args.augment, pictures.shape[0])
        clearprop.manual_seed(args.seed)
        name = args.model or ("resnet" if min(pictures.shape[1:]) >= 8 else "mlp")
        self._settle(len(self.parts[0]))
        network = built(name, pictures.shape, len(pictures.classes), **self._options(name, hidden))
        label = name if is_own(name) else None
        told = pictures.classes, pictures.shape, *self.moments
        self.model = PictureModel(network, *told, own=label, tops=pictures.tops)
        self.start = copy.deepcopy(network)
        self.class_weights()

    def space(self, asked: argparse.Namespace) -> dict[str, Any]:
        """Return what `--search` draws settings from."""
        from clearprop.cli.search import LINEAR, PICTURES

        return LINEAR if asked.model == "mlp" else PICTURES

    def folds(self, asked: argparse.Namespace, seed: int) -> Iterator[tuple[Any, Any, Any]]:
        """Give the parts of each fold; InputError where the files say what is the test."""
        from clearprop.cli.division import folds

        if self.pictures.parts is not None:
            got, hint = "the files say which pictures are to test", "--seeds, or one folder of all of them"
            raise InputError(lesson("--folds", "divides the pictures itself", got, hint=hint))
        return folds(asked, self.pictures, self.pictures.labels, seed)

    def _divided(self) -> tuple[Any, Any, Any]:
        """Return the numbers of the pictures to learn from, to validate and to test."""
        args, pictures = self.args, self.pictures
        shares = [args.validation_split, args.test_split]
        if pictures.parts is None:
            parts = three_parts(len(pictures), *shares, classes=pictures.labels, seed=args.seed)
        else:
            given: Any = [np.flatnonzero(pictures.parts == part) for part in range(3)]
            shares = [share if not len(rows) else 0.0 for share, rows in zip(shares, given[1:], strict=True)]
            learn, held, test = three_parts(
                len(given[0]), *shares, classes=pictures.labels[given[0]], seed=args.seed
            )
            parts = (
                given[0][learn],
                given[1] if len(given[1]) else given[0][held],
                given[2] if len(given[2]) else given[0][test],
            )
            said = [what for rows, what in zip(given, ("train", "val", "test"), strict=True) if len(rows)]
            self.notes.append(f"split as the files are: {', '.join(said)}")
        if len(np.unique(pictures.labels[parts[0]])) < 2:
            got = counted(len(parts[0]), "picture")
            hint = "more pictures, or smaller --validation-split and --test-split"
            raise InputError(
                lesson(f"reading {args.data}", "wants two classes to learn from", got, hint=hint)
            )
        return parts

    def _settle(self, rows: int) -> None:
        args = self.args
        size = args.batch_size or max(2, min(BATCH, rows // 8))
        args.batch_size = min(rows, size)
        each = max(1, rows // args.batch_size)
        epochs = int(np.clip(STEPS // each, 8, 60))
        settle(args, epochs=epochs, patience=20, optimizer="adamw", weight_decay=0.01)
        settle(args, lr=RATE if args.optimizer.startswith("adam") else None)

    def _options(self, name: str, hidden: list[int]) -> dict[str, Any]:
        from clearprop.cli.job import ACTIVATIONS

        args = self.args
        if name != "mlp":
            return {}
        dropout = 0.2 if args.dropout is None else args.dropout
        return {"hidden": hidden, "activation": ACTIVATIONS[args.activation], "dropout": dropout}

    def tell(self, report: PictureReport) -> None:  # type: ignore[override]
        """Print what was found in the pictures."""
        report.pictures(self.pictures, self.parts, self.changes, self.notes)

    def data(self) -> DataLoader:
        """Return the pictures to learn from, in shuffled batches of one size."""
        rows = self._rows(self.parts[0], changes=self.changes, seed=self.args.seed)
        size, seed = self.args.batch_size, self.args.seed
        ahead = getattr(rows.images, "workers", 0)  # where pictures are decoded for each batch
        return DataLoader(rows, size, shuffle=True, seed=seed, drop_last=True, workers=ahead)

    def held(self) -> Any:
        """Return the pictures to validate with, in batches, or None."""
        return self.model.batches(self._rows(self.parts[1])) if len(self.parts[1]) else None

    def metric(self) -> str:
        """Return what is followed besides the loss."""
        return "accuracy"

    def _rows(self, numbers: Any, **changes: Any) -> PictureRows:
        pictures = self.pictures
        rows: PictureRows = self.model.rows(pictures.some(numbers), pictures.labels[numbers], **changes)
        return rows

    def schedule(self, optimizer: Any, steps: int) -> list[Any]:
        """Return the rate's way: one cycle."""
        from clearprop.train.tabular import one_cycle

        return [one_cycle(optimizer, self.args.lr, steps)] if self.args.lr else []

    def facts(self) -> dict[str, str]:
        """Return what a checkpoint has to be of, besides what `fit` sees."""
        return {
            "class names": ", ".join(map(repr, self.pictures.classes)),
            "seed": str(self.args.seed),
            "network": str(self.args.model),
            "rate": f"one cycle over {self.args.epochs} epochs",
        }

    def _loss(self) -> Any:
        from clearprop import nn

        return nn.CrossEntropyLoss(weight=self.class_weights())

    def class_weights(self) -> Any:
        from clearprop.cli.settling import named_weights

        if self.args.class_weight is None:
            return None
        labels = self.pictures.labels[self.parts[0]]
        counts = np.bincount(labels, minlength=len(self.pictures.classes))
        return named_weights(self.args.class_weight, self.pictures.classes, counts)

    def some(self) -> tuple[Any, Any]:
        """Return pictures to learn from, a few hundred at most, as inputs and targets."""
        return self._rows(self.parts[0][:512]).batch(slice(None))

    def settle(self) -> None:
        """Find the temperature, and the threshold that is asked for, on the pictures to validate with."""
        from clearprop.cli.settling import calibrated, threshold, weighed_by

        held, labels = self.parts[1], self.pictures.labels
        self.model.about = weighed_by(self.class_weights())
        self.model.about |= {} if self.rarer is None else {"rarer": self.rarer}
        if len(held) < FEWEST and self.args.threshold is None:
            return
        outputs = self.model.outputs(self.pictures.some(held))
        if len(held) >= FEWEST:
            self.model.about |= calibrated(outputs, labels[held], self.model.about)
        if self.args.threshold is not None:
            text, shares = str(self.args.threshold), self.model.shares(outputs)
            self.model.about["threshold"] = threshold(
                text, self.model.classes, self.rarer, shares, labels[held]
            )

    def measured(self, report: PictureReport) -> dict[str, float]:  # type: ignore[override]
        """Print how good the model is on the pictures to test on; return the figures."""
        test = self.parts[2]
        return report.test_pictures(self.model, self.pictures, test) if len(test) else {}

    def finish(self, folder: Path, history: History, report: PictureReport) -> None:  # type: ignore[override]
        """Print how the training went and what the test says; write the files into the folder."""
        from clearprop.cli.card import command_of
        from clearprop.cli.picture_card import page

        report.curves(history)
        model, pictures, (learn, held, test) = self.model, self.pictures, self.parts
        self.settle()
        result = self.measured(report)
        model.about |= {
            "data": pictures.path,
            "rows": [len(learn), len(held), len(test)],
            "seed": self.args.seed,
            "epochs": len(history),
            "test": {name: value for name, value in result.items() if math.isfinite(value)},
        }
        model.save(folder / "model.safetensors")
        history.to_csv(folder / "history.csv")
        report.picture(folder / "curves.png", history, pictures.path)
        made = page(self, history, result, command_of(getattr(self.args, "argv", []), self.args))
        (folder / "report.html").write_text(made, "utf-8", "backslashreplace")


def _check(args: argparse.Namespace, usual: dict[str, Any]) -> None:
    """Raise InputError for options that are of tables, or of another network."""
    asked = [name for name in _OF_TABLES if getattr(args, name) != usual[name]]
    if asked:
        option = "--" + asked[0].replace("_", "-")
        raise InputError(lesson(option, "is for a table", f"{args.data} has pictures", hint="it without it"))
    theirs = [name for name in _OF_NETWORK if getattr(args, name) != usual[name]]
    if theirs and args.model != "mlp":
        got = f"the network is {args.model or 'resnet'!r}"
        raise InputError(
            lesson(f"--{theirs[0]}", "is for a network of linear layers", got, hint="--model mlp")
        )


def size_of(text: str | None) -> tuple[int, int] | None:
    """Return the height and width of `32x48` or `32`."""
    if text is None:
        return None
    sides = text.lower().replace("\u00d7", "x").split("x")
    if not 1 <= len(sides) <= 2 or not all(s.isdecimal() and 1 <= int(s) <= 4096 for s in sides):
        wanted = "wants the height and width in pixels, from 1 to 4096"
        raise InputError(lesson("--size", wanted, repr(text), hint="--size 32x32"))
    return int(sides[0]), int(sides[-1])


def changes_of(text: str | None, channels: int) -> tuple[str, ...]:
    """Return the changes that a person asked for, or the usual ones for grey pictures or colours."""
    if text is None:
        return ("shift",) if channels == 1 else ("flip", "shift")
    words = [word for word in text.replace(" ", "").split(",") if word]
    if words == ["none"]:
        return ()
    strange = [word for word in words if word not in CHANGES]
    if strange or not words:
        got = repr(strange[0] if strange else text)
        raise InputError(lesson("--augment", f"wants some of {', '.join(CHANGES)}, or none", got))
    return tuple(name for name in CHANGES if name in words)


def _doubles(pictures: Pictures, parts: tuple[Any, Any, Any]) -> list[str]:
    """Return a note of pictures of the test that are among those to learn from, pixel by pixel."""
    marks = pictures.marks()
    learned = {marks[i] for i in parts[0]}
    found = [i for i in parts[2] if marks[i] in learned]
    if not found:
        return []
    shown = listed([pictures.names[i] for i in found], 3)
    are = "is" if len(found) == 1 else "are"
    return [f"{counted(len(found), 'picture')} of the test {are} among those to learn from too: {shown}"]
