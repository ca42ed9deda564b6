"""Progress: plain lines where nobody watches, a bar on a terminal."""

import base64
import io
import os
import pty
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from clearprop.train import History, Run, figures
from clearprop.train.progress import Lines, Pace, progress, shown

PROGRAM = """
import numpy as np, clearprop
from clearprop import nn, train
clearprop.manual_seed(0)
x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(-1, 1)
train.fit(nn.Linear(1, 1), nn.MSELoss(), (x, 2 * x), epochs=3)
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(epochs, ends_after=None):
    stream = io.StringIO()
    lines, run = Lines(stream), Run(None, None, History(), epochs, batches=1)
    for run.epoch in range(1, (ends_after or epochs) + 1):
        run.history.add({"loss": 1 / run.epoch, "val_accuracy": 0.5}, seconds=0)
        lines.epoch_done(run)
    lines.run_ended(run)
    return stream.getvalue().splitlines()


def test_a_short_run_prints_every_epoch():
    assert printed(3) == [
        "epoch 1/3  loss 1.0000  val_accuracy 50.0 %",
        "epoch 2/3  loss 0.5000  val_accuracy 50.0 %",
        "epoch 3/3  loss 0.3333  val_accuracy 50.0 %",
    ]


def test_a_long_run_prints_about_twenty_lines_and_always_the_last():
    lines = printed(400, ends_after=333)

    assert len(lines) == 18
    assert lines[0].startswith("epoch   1/400")
    assert lines[-1].startswith("epoch 333/400")


def test_a_pipe_gets_plain_lines():
    out = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout

    assert [line.split()[1] for line in out.splitlines()] == ["1/3", "2/3", "3/3"]
    assert "\x1b" not in out


def test_a_terminal_gets_a_bar_that_goes_away_and_one_line_that_stays():
    pytest.importorskip("rich")
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=other, env=os.environ | {"TERM": "xterm"}
    )
    os.close(other)
    out = b""
    while True:
        try:
            read = os.read(main, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        out += read
    os.close(main)

    assert process.wait() == 0
    assert b"\x1b[" in out
    assert out.decode().rsplit("\n", 2)[-2].strip().rsplit("\x1b[2K", 1)[-1].startswith("epoch 3/3  loss ")


def test_a_terminal_without_rich_gets_plain_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)

    assert isinstance(progress(3, Terminal()), Lines)


class Cell:
    """A cell's display, which remembers what it shows."""

    def __init__(self):
        self.shown = []

    def display(self, page, display_id=None):
        self.shown.append(page)
        return self

    def update(self, page):
        self.shown.append(page)


@pytest.fixture
def notebook(monkeypatch):
    """As in a kernel: IPython is there, and displays into a cell."""
    cell = Cell()
    module, display = type(sys)("IPython"), type(sys)("IPython.display")
    module.get_ipython = lambda: type("Shell", (), {"kernel": 1})()
    display.display, display.HTML = cell.display, str
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return cell


def drawn(page):
    """Return the SVG of the image in a page, which is well-formed XML."""
    text = base64.b64decode(page.split("svg+xml;base64,")[1].split('"')[0]).decode()
    ElementTree.fromstring(text)
    return text


def test_a_notebook_gets_a_bar_without_widgets_and_curves_that_grow(notebook, capsys):
    bar = progress(3)
    bar.often = 0
    run = Run(None, None, History(), 3, batches=4)
    bar.run_began(run)
    for run.epoch in (1, 2, 3):
        for _ in range(4):
            run.step, run.loss = run.step + 1, 0.5
            bar.step_done(run)
        run.history.add({"loss": 1 / run.epoch, "val_loss": 2 / run.epoch, "val_accuracy": 0.5}, seconds=0)
    within = notebook.shown[-1]
    bar.run_ended(run)
    left = notebook.shown[-1]

    assert capsys.readouterr().out == ""
    assert '<progress value="12" max="12">' in within
    assert "epoch 3/3 · loss 0.5000  val_accuracy 50.0 %" in within
    assert " batches/s · 0:00 left" in within
    assert "<img" not in notebook.shown[1]
    assert drawn(within).count("<polyline") == 2
    points = [drawn(page).split('points="')[1].split('"')[0].count(",") for page in (within, left)]
    assert points == [2, 3]
    assert "<progress" not in left
    assert "epoch 3/3 · loss 0.3333" in left


def test_a_program_of_ipython_on_a_terminal_is_no_notebook(notebook):
    sys.modules["IPython"].get_ipython = lambda: object()
    assert isinstance(progress(3, io.StringIO()), Lines)
    assert isinstance(progress(3), Lines)


@pytest.mark.parametrize(
    ("steps", "seconds", "rate", "left"),
    [(50, 2.0, "25 batches/s", "0:06 left"), (10, 100.0, "10.0 s a batch", "31:40 left"), (0, 1.0, "", ""),
     (1, 60.0, "60.0 s a batch", "3:19:00 left")],
)  # fmt: skip
def test_pace_and_time_left(monkeypatch, steps, seconds, rate, left):
    clock = iter([0.0, 100.0, 100.0 + seconds, 100.0 + seconds])
    monkeypatch.setattr("clearprop.train.progress.time.perf_counter", lambda: next(clock))
    pace, run = Pace(), Run(None, None, History(), 20, batches=10)
    pace.began(run)
    run.step = steps

    assert pace.rate(run) == rate
    assert pace.left(run) == left


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (0.0, "0.0000"), (1.44e-6, "1.44e-06"), (-2e-5, "-2e-05"), (123456.7, "1.235e+05"),
     (float("nan"), "nan"), (float("inf"), "inf")],
)  # fmt: skip
def test_a_small_number_is_not_shown_as_zero(value, text):
    assert shown({"loss": value}) == f"loss {text}"


def test_epochs_are_marked_by_whole_numbers():
    assert ">88<" in figures.lines({"loss": [1.0] * 176}, "epoch")
