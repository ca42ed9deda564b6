"""Progress: plain lines where nobody watches, a bar on a terminal."""

import io
import os
import pty
import subprocess
import sys

import pytest

from clearprop.train import History, Run
from clearprop.train.progress import Lines, progress

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
