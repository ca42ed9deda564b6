"""What `clearprop train` prints: the data, the network, the curves and the test."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from clearprop.cli.settling import measured, rarer_of, usual_number
from clearprop.data.columns import Category, Date, Number, Text
from clearprop.data.dates import parts
from clearprop.data.goals import Classes, Count, Quantiles, Quantity, Target
from clearprop.data.inspection import Reading
from clearprop.data.readings import moments_of
from clearprop.data.tables import Table, counted, listed
from clearprop.train import History, mae, rmse
from clearprop.train.charts import ascii_only, confusion_matrix, confusion_table, line_chart, scatter
from clearprop.train.objectives import measured_numbers
from clearprop.train.table_model import TableModel


class TrainingReport:
    """Prints on standard output, in ASCII where it cannot hold more."""

    width: int
    next: str = "FILE"
    """What comes behind `clearprop predict MODEL`."""

    def __init__(self, quiet: bool = False, json: bool = False) -> None:
        self.quiet: bool = quiet or json
        self.json: dict[str, Any] | None = {} if json else None
        self.skipped: list[str] = []
        self.width = min(100, shutil.get_terminal_size((100, 24)).columns) if sys.stdout.isatty() else 100

    def say(self, text: str = "", always: bool = False) -> None:
        """Print text unless quiet."""
        if self.json is not None or (self.quiet and not always):
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

    def data(
        self,
        table: Table,
        reading: Reading,
        model: TableModel,
        parts: tuple[Any, Any, Any],
        rows: int | None = None,
    ) -> None:
        """Print what was found in the table: what every column is, what is left out, and the rows.

        `rows` is how many there are, where `table` is a part of them.
        """
        columns = counted(len(reading.columns), "column")
        self.say(f"{table.path}: {rows or len(table):,} rows, {columns} to predict from")
        for label, text in _columns(model, table, reading):
            self._field(label, text)
        for name, found in reading.findings.items():
            if not found.used and found.says:
                self._field("left out", f"{name}: {'; '.join(found.says).removeprefix('left out: ')}")
        self._field("target", _target(model.target, table, reading))
        learn, validate, test = (f"{len(part):,}" for part in parts)
        self._field("rows", f"{learn} to learn from, {validate} to validate, {test} to test")
        for remark in reading.remarks:
            self._field("note", remark)
        if self.quiet and self.json is None:
            for remark in reading.said():
                print(f"note: {remark}", file=sys.stderr)
        if self.json is not None:
            pooled = {column.name: _pooled(column, table) for column in model.columns}
            kinds = [found.spec() for found in reading.findings.values()]
            kinds = [spec | {"says": spec["says"] + pooled.get(spec["name"], [])} for spec in kinds]
            target = {"name": reading.target, "task": reading.task, "says": reading.aim.says}
            classes = {"classes": list(model.target.values)} if isinstance(model.target, Classes) else {}
            counts = dict(zip(("training", "validation", "test"), map(len, parts), strict=True))
            self.json |= {"table": table.path, "columns": kinds, "target": target | classes}
            self.json["rows"] = counts
            self.json["notes"] = list(reading.remarks)

    def absent(self, target: Target, learned: Any, tested: Any) -> None:
        """Say which classes are in no row of the test or, worse, in none to learn from.

        `learned` and `tested` have how many rows of each class there are.
        """
        if not isinstance(target, Classes):
            return
        for counts, name in ((learned, "to learn from"), (tested, "of the test")):
            gone = [value for value, count in zip(target.values, counts, strict=True) if not count]
            if gone and np.any(counts):
                what = "a class that is" if len(gone) == 1 else f"{len(gone)} classes that are"
                self.note(f"{what} in no row {name}: {listed(gone, 6)}")

    def note(self, remark: str) -> None:
        """Say something of the data, on standard error where all else is quiet."""
        self._field("note", remark)
        if self.quiet and self.json is None:
            print(f"note: {remark}", file=sys.stderr)
        if self.json is not None:
            self.json["notes"].append(remark)

    def _field(self, label: str, text: str) -> None:
        """Print `label  text`, with long texts in lines of their own below each other."""
        whole = text.replace(" %", "\u00a0%")  # a number is not parted from its unit
        filled = textwrap.fill(whole, self.width, initial_indent=f"  {label:<9} ", subsequent_indent=" " * 12)
        self.say(filled.replace("\u00a0", " "))

    def network(self, network: Any) -> None:
        """Print the layers with their sizes and numbers of parameters."""
        rows = []
        for layer in [*network.children()] or [network]:
            sizes = f"{layer.in_features} → {layer.out_features}" if hasattr(layer, "in_features") else ""
            sizes += f" of {layer.members} members" if hasattr(layer, "members") else ""
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
        epochs, seconds = counted(len(history), "epoch"), sum(history.seconds)
        best = f"; the weights of epoch {history.best_epoch} are kept" if history.best_epoch else ""
        self.say(f"{history.ended or 'cut short'} after {epochs}, {seconds:.1f} s{best}\n")
        chart = line_chart({name: history[name] for name in history.names if name.endswith("loss")})
        if chart:
            self.say(chart + "\n")

    def test(self, model: TableModel, table: Table, weights: Any = None) -> dict[str, float]:
        """Print how good the model is on rows it has never seen; return the figures.

        `weights` has how much each row counts.
        """
        if isinstance(model.target, Classes):
            found = self._test_classes(model, model.target, table, weights)
        else:
            found = self._test_quantity(model, model.target, table, weights)
        if self.json is not None:
            self.json["test"] = {name: value for name, value in found.items() if np.isfinite(value)}
        return found

    def _test_classes(
        self, model: TableModel, target: Classes, table: Table, weights: Any
    ) -> dict[str, float]:
        shares = model.probabilities(table)
        true, said = target.encode(table), model.chosen(shares)
        return self.classes(true, shares, said, target.values, model.about, weights)

    def classes(
        self,
        true: Any,
        shares: Any,
        chosen: Any,
        names: Sequence[str],
        about: Mapping[str, Any],
        weights: Any = None,
    ) -> dict[str, float]:
        """Print how often classes are found, by their probabilities and what is said; return the figures."""
        counts = confusion_matrix(true, chosen, len(names))
        weighed = confusion_matrix(true, chosen, len(names), weights)
        share, right = float(np.trace(weighed) / weighed.sum()), int(np.trace(counts))
        usual = float(weighed.sum(axis=1).max() / weighed.sum())
        self.say(confusion_table(counts, names, width=self.width) + "\n")
        if weights is not None:
            self.say("the table counts rows; what stands below weighs them")
        said = f"{right} of {len(true)}{_by_weight(weights)}"
        self.say(f"test accuracy {100 * share:.2f} % ({said})", always=True)
        self.say(f"for comparison: always the commonest class, {100 * usual:.2f} %")
        found = {"accuracy": share} | measured(
            shares, true, weighed, names, rarer_of(about, names, true), weights
        )
        said = ", ".join(f"{name} {value:.3f}" for name, value in [*found.items()][1:] if np.isfinite(value))
        self.say(f"{said}\n")
        return found

    def _test_quantity(
        self, model: TableModel, target: Quantity, table: Table, weights: Any
    ) -> dict[str, float]:
        true, outputs = target.values(table), model.outputs(table)
        predicted = target.decode(outputs)
        found = measured_numbers(target, outputs, true, weights)
        usual, number = usual_number(target, model.about, true, weights)
        constant = np.full_like(true, number)
        self.say(scatter(true, predicted) + "\n")
        text = f"test error of {target.name}: RMSE {found['rmse']:.4g}, MAE {found['mae']:.4g}"
        share = f"{found['r2']:.3f}" if abs(found["r2"]) < 1000 else f"{found['r2']:.3g}"
        self.say(f"{text}, R² {share} ({len(true)} rows{_by_weight(weights)})", always=True)
        off = f"RMSE {rmse(constant, true, weights):.4g}, MAE {mae(constant, true, weights):.4g}"
        self.say(f"for comparison: always the {usual}, {off}")
        within = model.about.get("within")
        if within is not None:
            inside = np.abs(predicted - true) <= float(within)
            found["coverage"] = float(np.average(inside, weights=weights))
            share = f"{100 * found['coverage']:.1f} % of the test's"
            self.say(f"nine of ten validation rows are off by {float(within):.4g} at most, {share}")
        for line in quantiles_said(target, found):
            self.say(line)
        for name, value in found.items():
            if name.endswith("deviance"):
                self.say(f"{name} {value:.4g}")
        self.say()
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
        names = ["model.safetensors", "history.csv", "report.html"]
        names += ["curves.png"] * (not self.skipped)
        if self.json is not None:
            self.json["files"] = [str(folder / name) for name in names]
            print(json.dumps(self.json, indent=1, ensure_ascii=True))
        self.say(f"wrote {', '.join(str(folder / name) for name in names)}")
        for note in self.skipped:
            self.say(f"note: {note}")
        typed = Path(sys.argv[0])  # .venv/bin/clearprop where the environment is not activated
        command = typed if typed.name == "clearprop" and not shutil.which("clearprop") else "clearprop"
        self.say(f"next: {command} predict {folder / 'model.safetensors'} {self.next}")


def _columns(model: TableModel, table: Table, reading: Reading) -> list[tuple[str, str]]:
    """Return a label and a text for each line about the columns that are used: plain numbers share one."""
    numbers = [column for column in model.columns if isinstance(column, Number)]
    plain = [c for c in numbers if c.dress.plain and not reading.findings[c.name].says]
    lines = []
    if plain:
        shown = ", ".join(c.name for c in plain[:6]) + (", …" if len(plain) > 6 else "")
        lines.append(("number", f"{len(plain)}: {shown}{_missing(sum(_gone(c, table) for c in plain))}"))
    for column in model.columns:
        if column in plain:
            continue
        says = reading.findings[column.name].says
        if isinstance(column, Number):
            rule = [column.dress.said()] * (not column.dress.plain)
            lines.append(
                ("number", f"{column.name}: {'; '.join(rule + says)}{_missing(_gone(column, table))}")
            )
        elif isinstance(column, Category):
            boolean = reading.findings[column.name].kind == "boolean"
            lines.append(("boolean" if boolean else "category", _category(column, table, says)))
        elif isinstance(column, Date):
            lines.append(("date", _date(column, table, says)))
        elif isinstance(column, Text):
            lines.append(("text", f"{column.name}: its words hashed into {counted(column.size, 'input')}"))
    return lines


def quantiles_said(target: Target, found: dict[str, float]) -> list[str]:
    """Return for quantiles how many of the rows are below each, and between the lowest and the highest."""
    if not isinstance(target, Quantiles):
        return []
    shares = [
        f"{100 * found[f'below {q:g}']:.1f} % are below the one of {100 * q:g} %" for q in target.levels
    ]
    lines = [f"quantiles: {', '.join(shares)}"]
    if "coverage" in found:
        low, high = target.levels[0], target.levels[-1]
        wanted = f"{100 * (high - low):g} % are to be"
        lines.append(f"{100 * found['coverage']:.1f} % lie from the lowest to the highest, {wanted}")
    return lines


def _by_weight(weights: Any) -> str:
    return "" if weights is None else ", each by its weight"


def _gone(column: Number, table: Table) -> int:
    return int(np.isnan(column.values(table)).sum())


def _missing(cells: int) -> str:
    return f"; {counted(cells, 'missing cell')} filled with the median" if cells else ""


def _category(column: Category, table: Table, says: list[str]) -> str:
    values = ["(missing)" if value is None else value for value in column.values]
    shown = ", ".join(values[:6]) + (", …" if len(values) > 6 else "")
    count = "1 category" if len(values) == 1 else f"{len(values)} categories"
    told = [f"{column.name}: {count} ({shown})", *_pooled(column, table), *says]
    return "; ".join(told)


def _pooled(column: Any, table: Table) -> list[str]:
    """Return what is to be said of a column's rare categories, nothing where it has none."""
    if not getattr(column, "pooled", ()):
        return []
    rare, rows = counted(len(column.pooled), "rare one"), counted(column.rare(table), "row")
    return [f"{rare} ({rows}) pooled as infrequent"]


def _date(column: Date, table: Table, says: list[str]) -> str:
    moments = moments_of(table, column.name, column.form)
    known = moments[~np.isnat(moments)]
    hours = known.astype("datetime64[m]" if len(known) and parts(known)["hour"].any() else "datetime64[D]")
    span = f"{hours.min()} to {hours.max()}".replace("T", " ") if len(known) else "none"
    gone = len(moments) - len(known)
    missing = f"; {counted(gone, 'missing cell')}" if gone else ""
    read = f"; read as {', '.join(column.scales)}"
    return f"{column.name}: {span}" + "".join(f"; {text}" for text in says) + read + missing


def _regression(target: Quantity) -> str:
    if isinstance(target, Quantiles):
        return f"regression of the quantiles {', '.join(f'{level:g}' for level in target.levels)}"
    return f"{target.loss.capitalize()} regression" if isinstance(target, Count) else "regression"


def _target(target: Target, table: Table, reading: Reading) -> str:
    says = "".join(f"; {text}" for text in reading.aim.says)
    if isinstance(target, Quantity):
        values = target.values(table)
        how = _regression(target)
        return f"{target.name}: numbers from {values.min():g} to {values.max():g} ({how}){says}"
    shares = np.bincount(target.encode(table), minlength=len(target.values)) / len(table)
    shown = ", ".join(target.values[:10]) + (", …" if len(target.values) > 10 else "")
    most = f"the commonest {100 * shares.max():.1f} %"
    return f"{target.name}: {len(target.values)} classes ({shown}), {most}{says}"
