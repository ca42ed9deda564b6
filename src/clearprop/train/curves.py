"""The curves of a training run as a picture, by matplotlib."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from clearprop import marks
from clearprop.files import whole_file
from clearprop.train.history import History

_LEARNED, _HELD_OUT = "#1f5fa8", "#d1731c"
_SIZE = 5.2, 3.6  # of one group of curves, in inches
_MARGINS = 0.85, 0.15, 0.55, 0.45  # left, right, bottom, top


def save_curves(path: str | Path, history: History, title: str = "", overwrite: bool = True) -> None:
    """Draw the losses, and beside them the other curves, into a PNG file.

    Raises ImportError where matplotlib is not installed, InputError, without `overwrite`, where there is an
    image that clearprop did not write.
    """
    figure = drawn(history, title)
    with whole_file(path, ours=None if overwrite else marks.png) as file:
        figure.savefig(file, format="png", metadata={"Software": "clearprop"})


def drawn(history: History, title: str = "") -> Any:
    """Return the figure of `save_curves`.

    Its margins are what numbers of any size take beside an axis: to measure them would draw all of it twice.
    """
    canvas = importlib.import_module("matplotlib.backends.backend_agg").FigureCanvasAgg
    new_figure = importlib.import_module("matplotlib.figure").Figure
    losses = [name for name in history.names if name.endswith("loss")]
    others = [name for name in history.names if name not in losses]
    groups = [group for group in (losses, others) if group]
    width, height = _SIZE[0] * len(groups), _SIZE[1]
    figure = new_figure(figsize=(width, height), dpi=150)
    canvas(figure)
    left, right, bottom, top = _MARGINS
    inside = _SIZE[0] - left - right
    figure.subplots_adjust(
        left / width, bottom / height, 1 - right / width, 1 - top / height, (left + right) / inside
    )
    epochs = range(1, len(history) + 1)
    for axes, names in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        for name in names:
            held_out = name.startswith("val_")
            axes.plot(epochs, history[name], color=_HELD_OUT if held_out else _LEARNED, label=_label(name))
        if history.best_epoch is not None:
            axes.axvline(history.best_epoch, color="0.5", linewidth=0.9, linestyle=":", label="best epoch")
        smallest = min(min(history[name]) for name in names)
        if names is losses and smallest > 0 and max(max(history[name]) for name in names) > 8 * smallest:
            axes.set_yscale("log")
        axes.set_xlabel("epoch")
        axes.grid(True, color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    spelled = title.encode("utf-8", "backslashreplace").decode()  # a file's name may hold any bytes, and $
    figure.suptitle(spelled, fontsize=11, parse_math=False)
    return figure


def _label(name: str) -> str:
    return f"{name.removeprefix('val_')}, held out" if name.startswith("val_") else name
