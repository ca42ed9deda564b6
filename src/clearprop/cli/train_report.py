"""What `clearprop train` prints: the data, the network, the curves and the test."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.data.columns import Category, Classes, Number, Quantity, Reading
from clearprop.data.tables import Table
from clearprop.train import History, accuracy, mae, r2, rmse
from clearprop.train.charts import ascii_only, confusion_matrix, confusion_table, line_chart, scatter
from clearprop.train.table_model import TableModel


class TrainingReport:
    """Prints on standard output, in ASCII where it cannot hold more."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.skipped: list[str] = []
        self.width = min(100, shutil.get_terminal_size((100, 24)).columns) if sys.stdout.isatty() else 100

    def say(self, text: str = "", always: bool = False) -> None:
        """Print text unless quiet."""
        if self.quiet and not always:
            return
        try:
            text.encode(sys.stdout.encoding or "ascii")
        except UnicodeEncodeError:
            text = ascii_only(text)
        print(text, flush=True)

    @contextmanager
    def remarks(self) -> Iterator[None]:
        """Say on standard error, and not as Python does, that a compiled step was given up."""
        if importlib.util.find_spec("clearprop.compiler") is None:
            yield
            return
        from clearprop.compiler import ProofWarning

        with warnings.catch_warnings():
            show = warnings.showwarning

            def said(message: Any, category: Any, *rest: Any) -> None:
                if issubclass(category, ProofWarning):
                    print(f"note: {message}", file=sys.stderr)
                else:
                    show(message, category, *rest)

            warnings.simplefilter("always", ProofWarning)
            warnings.showwarning = said  # type: ignore[assignment]
            yield

    def data(self, table: Table, reading: Reading, model: TableModel, parts: tuple[Any, Any, Any]) -> None:
        """Print what was found in the table."""
        self.say(
            f"{table.path}: {len(table):,} rows, {_count(len(reading.columns), 'column')} to predict from"
        )
        for label, text in _columns(model, table):
            self._field(label, text)
        self._field("target", _target(model.target, table))
        learn, validate, test = (f"{len(part):,}" for part in parts)
        self._field("rows", f"{learn} to learn from, {validate} to validate, {test} to test")
        for remark in reading.remarks:
            self._field("note", remark)

    def _field(self, label: str, text: str) -> None:
        """Print `label  text`, with long texts in lines of their own below each other."""
        whole = text.replace(" %", "\u00a0%")  # a number is not parted from its unit
        filled = textwrap.fill(whole, self.width, initial_indent=f"  {label:<8}", subsequent_indent=" " * 10)
        self.say(filled.replace("\u00a0", " "))

    def network(self, network: Any) -> None:
        """Print the layers with their sizes and numbers of parameters."""
        rows = []
        for layer in network:
            sizes = f"{layer.in_features} → {layer.out_features}" if hasattr(layer, "in_features") else ""
            rows.append((type(layer).__name__, sizes or layer.extra_repr(), layer.count_parameters()))
        total = f"{sum(row[2] for row in rows):,}"
        names, sizes_ = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
        self.say("\nnetwork")
        for name, sizes, count in rows:
            line = f"  {name:<{names}}  {sizes:<{sizes_}}  {f'{count:,}' if count else '':>{len(total)}}"
            self.say(line.rstrip())
        self.say(f"  {'':<{names}}  {'':<{sizes_}}  {total} parameters\n")

    def curves(self, history: History) -> None:
        """Print how the training ended and the curves of the losses."""
        if not len(history):
            return
        epochs, seconds = _count(len(history), "epoch"), sum(history.seconds)
        best = f"; the weights of epoch {history.best_epoch} are kept" if history.best_epoch else ""
        self.say(f"{history.ended or 'cut short'} after {epochs}, {seconds:.1f} s{best}\n")
        chart = line_chart({name: history[name] for name in history.names if name.endswith("loss")})
        if chart:
            self.say(chart + "\n")

    def test(self, model: TableModel, table: Table) -> dict[str, float]:
        """Print how good the model is on rows it has never seen; return the figures."""
        if isinstance(model.target, Classes):
            return self._test_classes(model, model.target, table)
        return self._test_quantity(model, model.target, table)

    def _test_classes(self, model: TableModel, target: Classes, table: Table) -> dict[str, float]:
        true, outputs = target.encode(table), model.outputs(table)
        counts = confusion_matrix(true, outputs.argmax(axis=1), len(target.values))
        share, right = accuracy(outputs, true), int(np.trace(counts))
        usual = float(counts.sum(axis=1).max() / counts.sum())
        self.say(confusion_table(counts, target.values, width=self.width) + "\n")
        self.say(f"test accuracy {100 * share:.2f} % ({right} of {len(true)})", always=True)
        self.say(f"for comparison: always the commonest class, {100 * usual:.2f} %\n")
        return {"accuracy": share}

    def _test_quantity(self, model: TableModel, target: Quantity, table: Table) -> dict[str, float]:
        true, predicted = table.numbers(target.name)[0], target.decode(model.outputs(table))
        found = {"rmse": rmse(predicted, true), "mae": mae(predicted, true), "r2": r2(predicted, true)}
        constant = np.full_like(true, target.mean)
        self.say(scatter(true, predicted) + "\n")
        text = f"test error of {target.name}: RMSE {found['rmse']:.4g}, MAE {found['mae']:.4g}"
        share = f"{found['r2']:.3f}" if abs(found["r2"]) < 1000 else f"{found['r2']:.3g}"
        self.say(f"{text}, R² {share} ({len(true)} rows)", always=True)
        self.say(f"for comparison: always the mean, RMSE {rmse(constant, true):.4g}\n")
        return found

    def picture(self, path: Path, history: History, title: str) -> None:
        """Write the curves as a picture, or note why not."""
        from clearprop.train.curves import save_curves

        try:
            save_curves(path, history, title)
        except ImportError:
            self.skipped.append("curves.png was not drawn: pip install matplotlib")

    def written(self, folder: Path) -> None:
        """Print where the files are and what to do next."""
        names = ["model.safetensors", "history.csv"] + ["curves.png"] * (not self.skipped)
        self.say(f"wrote {', '.join(str(folder / name) for name in names)}")
        for note in self.skipped:
            self.say(f"note: {note}")
        typed = Path(sys.argv[0])  # .venv/bin/clearprop where the environment is not activated
        command = typed if typed.name == "clearprop" and not shutil.which("clearprop") else "clearprop"
        self.say(f"next: {command} predict {folder / 'model.safetensors'} FILE.csv")


def _columns(model: TableModel, table: Table) -> list[tuple[str, str]]:
    numbers = [column.name for column in model.columns if isinstance(column, Number)]
    texts = [column for column in model.columns if isinstance(column, Category)]
    lines = []
    if numbers:
        shown = ", ".join(numbers[:6]) + (", …" if len(numbers) > 6 else "")
        missing = sum(int(np.isnan(table.numbers(name)[0]).sum()) for name in numbers)
        filled = f"; {_count(missing, 'missing cell')} filled with the median" if missing else ""
        lines.append(("number", f"{len(numbers)}: {shown}{filled}"))
    for column in texts:
        values = ["(missing)" if value is None else value for value in column.values]
        shown = ", ".join(values[:6]) + (", …" if len(values) > 6 else "")
        lines.append(("text", f"{column.name}: {len(values)} categories ({shown})"))
    return lines


def _target(target: Classes | Quantity, table: Table) -> str:
    if isinstance(target, Quantity):
        values = table.numbers(target.name)[0]
        return f"{target.name}: numbers from {values.min():g} to {values.max():g} (regression)"
    shares = np.bincount(target.encode(table), minlength=len(target.values)) / len(table)
    shown = ", ".join(target.values[:10]) + (", …" if len(target.values) > 10 else "")
    return f"{target.name}: {len(target.values)} classes ({shown}), the commonest {100 * shares.max():.1f} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
