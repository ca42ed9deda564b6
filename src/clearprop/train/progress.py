"""Progress: a bar on a terminal where rich is installed, a bar and curves in a notebook, else plain lines."""

from __future__ import annotations

import html
import importlib
import sys
import time
from typing import Any, TextIO

from clearprop.train import figures
from clearprop.train.callbacks import Callback, Run


def progress(epochs: int, stream: TextIO | None = None) -> Callback:
    """Return what shows the progress of a run of so many epochs on `stream` (standard output)."""
    if stream is None and _in_notebook():
        return NotebookBar()
    stream = stream or sys.stdout
    if stream.isatty():
        try:
            return _Bar(stream)
        except ImportError:
            pass
    return Lines(stream)


def _in_notebook() -> bool:
    """Return whether what is displayed is seen in a notebook: a kernel of IPython runs this program."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


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
        f"{name} {100 * value:.1f} %" if name.endswith("accuracy") else f"{name} {_figures(value)}"
        for name, value in row.items()
    )


def _figures(value: float) -> str:
    """Return four decimals, and four figures where these would be all zeros or longer than they tell."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"


def latest(run: Run) -> str:
    """Return the last batch's loss and the last measure as text."""
    row = run.history.rows[-1] if run.history.rows else {}
    names = [name for name in row if not name.endswith("loss")][-1:]
    return shown({"loss": run.loss} | {name: row[name] for name in names})


class Pace:
    """How many batches a second a run trains on, and how long it will take to its end."""

    start: int
    at: float

    def __init__(self) -> None:
        self.start, self.at = 0, time.perf_counter()

    def began(self, run: Run) -> None:
        """Count from here."""
        self.start, self.at = run.step, time.perf_counter()

    def rate(self, run: Run) -> str:
        """Return the batches for each second as text, or the seconds for each batch where it is slow."""
        done, took = run.step - self.start, time.perf_counter() - self.at
        if not done or took <= 0:
            return ""
        return f"{done / took:,.0f} batches/s" if done >= 2 * took else f"{took / done:.1f} s a batch"

    def left(self, run: Run) -> str:
        """Return the time to the last epoch's end at this pace, as text: `1:05 left`."""
        done, took = run.step - self.start, time.perf_counter() - self.at
        if not done or not run.batches:
            return ""
        seconds = round(took / done * max(0, run.epochs * run.batches - run.step))
        hours, minutes = divmod(seconds // 60, 60)
        return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{seconds % 60:02} left"


class NotebookBar(Callback):
    """A bar of plain HTML with rate, time left and measures, and curves that grow; no widget is needed."""

    pace: Pace
    shown_at: float

    often: float = 0.3
    """Seconds between two looks."""

    def __init__(self) -> None:
        self.pace, self.shown_at = Pace(), 0.0
        self.handle: Any = None

    def run_began(self, run: Run) -> None:
        """Show the bar."""
        self.pace.began(run)
        self.handle = _display().display(self.html(run), display_id=True)

    def step_done(self, run: Run) -> None:
        """Move the bar, where it was not moved a moment ago."""
        now = time.perf_counter()
        if now - self.shown_at > self.often:
            self.shown_at = now
            self.handle.update(self.html(run))

    def run_ended(self, run: Run) -> None:
        """Leave the curves, and how the run ended."""
        self.handle.update(self.html(run, ended=True))

    def html(self, run: Run, ended: bool = False) -> Any:
        """Return what is shown now."""
        total = run.epochs * run.batches
        done = len(run.history) if ended else max(run.epoch, 1)
        numbers = shown(run.history.rows[-1]) if ended and run.history.rows else latest(run)
        words = [f"epoch {done}/{run.epochs}", numbers]
        words += [] if ended else [self.pace.rate(run), self.pace.left(run)]
        bar = "" if ended or not total else f'<progress value="{run.step}" max="{total}"></progress> '
        line = bar + html.escape(" \u00b7 ".join(word for word in words if word))
        losses = {name: run.history[name] for name in run.history.names if name.endswith("loss")}
        curves = figures.lines(losses, "epoch") if len(run.history) > 1 else ""
        picture = figures.as_image(curves, f"curves of {', '.join(losses)}") if curves else ""
        return _display().HTML(f"<div>{line}</div>{picture}")


def _display() -> Any:
    return importlib.import_module("IPython.display")


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
            rich.TextColumn("{task.fields[rate]}"),
            rich.TimeRemainingColumn(compact=True),
            rich.TextColumn("left"),
            console=importlib.import_module("rich.console").Console(file=stream),
            transient=True,
            auto_refresh=False,
        )
        self.task: Any = None
        self.shown_at = 0.0
        self.pace = Pace()

    def run_began(self, run: Run) -> None:
        """Show the bar."""
        done = len(run.history) * run.batches
        fields: dict[str, Any] = {"epoch": len(run.history), "epochs": run.epochs, "numbers": "", "rate": ""}
        self.pace.began(run)
        total = run.epochs * run.batches
        self.bar.start()
        self.task = self.bar.add_task("", total=total, completed=done, **fields)

    def step_done(self, run: Run) -> None:
        """Move the bar, where it was not moved a moment ago."""
        now = time.perf_counter()
        if now - self.shown_at > self.often:
            self.shown_at = now
            fields = {"epoch": run.epoch, "numbers": latest(run), "rate": self.pace.rate(run)}
            self.bar.update(self.task, completed=run.step, **fields, refresh=True)

    def run_ended(self, run: Run) -> None:
        """Take the bar away and leave one line."""
        self.bar.stop()
        if run.history.rows:
            last = f"epoch {len(run.history)}/{run.epochs}  {shown(run.history.rows[-1])}"
            print(last, file=self.stream)
