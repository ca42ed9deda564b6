"""Progress: a bar on a terminal where rich is installed, plain lines everywhere else."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, TextIO

from clearprop.train.callbacks import Callback, Run


def progress(epochs: int, stream: TextIO | None = None) -> Callback:
    """Return what shows the progress of a run of so many epochs on `stream` (standard output)."""
    stream = stream or sys.stdout
    if stream.isatty():
        try:
            return _Bar(stream)
        except ImportError:
            pass
    return Lines(stream)


class Lines(Callback):
    """A line for the first epoch, the last one, and about ten to twenty between."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.printed: int = 0

    def epoch_done(self, run: Run) -> None:
        """Print the epoch where it is its turn."""
        every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 10**9) if n == 10**9 or run.epochs <= 20 * n)
        if run.epoch == 1 or run.epoch % every == 0:
            self._print(run)

    def run_ended(self, run: Run) -> None:
        """Print the last epoch."""
        if run.history.rows and self.printed < len(run.history):
            self._print(run)

    def _print(self, run: Run) -> None:
        self.printed = len(run.history)
        width = len(str(run.epochs))
        print(
            f"epoch {self.printed:>{width}}/{run.epochs}  {shown(run.history.rows[-1])}",
            file=self.stream,
            flush=True,
        )


def shown(row: dict[str, float]) -> str:
    """Return an epoch's numbers as text: `loss 0.1234  val_accuracy 98.1 %`."""
    return "  ".join(
        f"{name} {100 * value:.1f} %" if name.endswith("accuracy") else f"{name} {value:.4f}"
        for name, value in row.items()
    )


class _Bar(Callback):
    """One bar over all batches of all epochs, with the latest numbers; it goes when the run ends."""

    often = 0.2
    """Seconds between two looks at the bar: drawing it more often would slow small networks down."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        rich = importlib.import_module("rich.progress")
        self.bar: Any = rich.Progress(
            rich.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            rich.BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan"),
            rich.TextColumn("{task.fields[numbers]}"),
            rich.TimeRemainingColumn(compact=True),
            rich.TextColumn("left"),
            console=importlib.import_module("rich.console").Console(file=stream),
            transient=True,
            auto_refresh=False,
        )
        self.task: Any = None
        self.shown_at = 0.0

    def run_began(self, run: Run) -> None:
        """Show the bar."""
        done = len(run.history) * run.batches
        fields: dict[str, Any] = {"epoch": len(run.history), "epochs": run.epochs, "numbers": ""}
        total = run.epochs * run.batches
        self.bar.start()
        self.task = self.bar.add_task("", total=total, completed=done, **fields)

    def step_done(self, run: Run) -> None:
        """Move the bar, where it was not moved a moment ago."""
        now = time.perf_counter()
        if now - self.shown_at > self.often:
            self.shown_at = now
            row = run.history.rows[-1] if run.history.rows else {}
            names = [name for name in row if not name.endswith("loss")][-1:]
            numbers = shown({"loss": run.loss} | {name: row[name] for name in names})
            self.bar.update(self.task, completed=run.step, epoch=run.epoch, numbers=numbers, refresh=True)

    def run_ended(self, run: Run) -> None:
        """Take the bar away and leave one line."""
        self.bar.stop()
        if run.history.rows:
            last = f"epoch {len(run.history)}/{run.epochs}  {shown(run.history.rows[-1])}"
            print(last, file=self.stream)
