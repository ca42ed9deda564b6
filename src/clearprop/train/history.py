"""`History`: what a training run did, epoch by epoch."""

from __future__ import annotations

import csv
import html
import importlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clearprop import marks
from clearprop.files import whole_file


class History:
    """The curves of a training run: one row of numbers for every epoch, and how the run ended.

    `history["loss"]` is a curve, `history.rows` the rows, `history.best_epoch` the epoch (from 1) whose
    weights were kept, `history.ended` why the run ended: "finished", "stopped early", "stopped by a
    callback", "interrupted", "terminated", "out of time", or
    "" while it goes on. `history.seconds` holds each epoch's duration, apart
    from the rows: the same seed gives the same rows; `history.steps` how many batches had been trained on
    at its end. `history.within` has the measures that were taken within
    epochs, each with its `step`, where `fit` was asked for them.

    >>> history = History()
    >>> history.add({"loss": 0.5, "val_loss": 0.6}, seconds=0.1)
    >>> history.add({"loss": 0.25, "val_loss": 0.5}, seconds=0.1)
    >>> history["loss"]
    [0.5, 0.25]
    >>> history
    History(2 epochs, loss 0.25, val_loss 0.5)
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.seconds: list[float] = []
        self.steps: list[int] = []
        self.within: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.ended = ""

    def add(self, row: Mapping[str, float], seconds: float, step: int = 0) -> None:
        """Append one epoch, at whose end so many batches had been trained on."""
        self.steps.append(step)
        self.rows.append({name: float(value) for name, value in row.items()})
        self.seconds.append(seconds)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> list[float]:
        if self.rows and name not in self.names:
            raise KeyError(f"no curve {name!r}; there are {', '.join(self.names)}")
        return [row.get(name, math.nan) for row in self.rows]

    @property
    def names(self) -> list[str]:
        """The names of the curves; in an epoch in which one was not measured it is NaN."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __repr__(self) -> str:
        epochs = f"{len(self)} epoch" + ("" if len(self) == 1 else "s")
        last = "".join(f", {name} {value:.4g}" for name, value in self.rows[-1].items()) if self.rows else ""
        best = f", best epoch {self.best_epoch}" if self.best_epoch is not None else ""
        return f"History({epochs}{last}{best}{', ' + self.ended if self.ended else ''})"

    def to_pandas(self) -> Any:
        """Return the rows as a DataFrame with the epochs as its index; ImportError without pandas."""
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame(self.rows, index=pandas.RangeIndex(1, len(self) + 1, name="epoch"))

    def plot(self, *names: str) -> Any:
        """Draw curves, all of the losses unless they are named, and return matplotlib's axes.

        Raises ImportError without matplotlib, KeyError for a name that no curve has.
        """
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
        axes = pyplot.figure(layout="constrained").add_subplot()
        for name in names or [name for name in self.names if name.endswith("loss")]:
            axes.plot(range(1, len(self) + 1), self[name], label=name, marker="." if len(self) < 30 else "")
        axes.set_xlabel("epoch")
        if self.rows:
            axes.legend()
        return axes

    def _repr_html_(self) -> str:
        """Return the last ten epochs as a table, for a notebook."""
        names = self.names
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("epoch", *names))
        first = max(0, len(self) - 10)
        lines = [
            f"<tr><td>{epoch}</td>"
            + "".join(f"<td>{row.get(name, math.nan):.4g}</td>" for name in names)
            + "</tr>"
            for epoch, row in enumerate(self.rows[first:], start=first + 1)
        ]
        said = html.escape(repr(self))
        caption = f'<caption style="white-space: nowrap; text-align: left">{said}</caption>'
        return f"<table>{caption}<tr>{head}</tr>{''.join(lines)}</table>"

    def to_csv(self, path: str | Path, overwrite: bool = True) -> None:
        """Write the rows as CSV with an epoch column, every number with all its digits,
        and empty where it was not measured.

        Raises InputError, without `overwrite`, where there is a file that is no history.
        """
        ours = None if overwrite else marks.history
        with whole_file(path, "w", ours, newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            names = self.names
            writer.writerow(["epoch", *names])
            for epoch, row in enumerate(self.rows, start=1):
                writer.writerow([epoch, *(repr(row[name]) if name in row else "" for name in names)])
