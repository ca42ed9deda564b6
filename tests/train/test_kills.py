"""A training that is killed goes on to the same bits: SIGKILL at random moments, SIGTERM."""

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, train

TOOL = Path(__file__).parents[2] / "tools" / "kills.py"


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_fifteen_random_kills_change_no_bit(way):
    if way == "compiled":
        pytest.importorskip("llvmlite")
    done, finished = runpy.run_path(str(TOOL))["kills"](way, 15, 60)

    assert (done, finished >= 1) == (15, True)


def model_and_data(seed=0):
    clearprop.manual_seed(seed)
    x = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 1)), (x, x[:, :1] ** 2)


class End(train.Callback):
    """Sends SIGTERM to this process after a step."""

    def __init__(self, step):
        self.step = step

    def step_done(self, run):
        if run.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [1, 6, 7, 8, 14, 20])  # seven batches an epoch: inside one, and at its end
@pytest.mark.parametrize("compiled", [False, True])
def test_sigterm_saves_inside_an_epoch_and_exits_with_143(tmp_path, step, compiled):
    if compiled:
        pytest.importorskip("llvmlite")
    before = signal.getsignal(signal.SIGTERM)

    def fit(**options):
        model, pair = model_and_data()
        options.setdefault("epochs", 3)
        history = train.fit(
            model, "mse", pair, batch_size=16, optimizer=optim.Adam(model.parameters(), lr=0.01),
            compile=compiled, progress=False, ema=0.9, **options,
        )  # fmt: skip
        return model, history

    whole, curves = fit()
    with pytest.raises(SystemExit) as ended:
        fit(checkpoint=tmp_path / "run", callbacks=[End(step)])
    resumed, history = fit(checkpoint=tmp_path / "run", resume=True)

    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(array, resumed.state_dict()[name])
    assert history.rows == curves.rows


def test_a_process_ends_with_143(tmp_path):
    tool = runpy.run_path(str(TOOL))
    command = [sys.executable, "-c", tool["RUN"], str(tmp_path / "run"), "eager", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        while not (tmp_path / "run").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        _, errors = process.communicate()

    assert process.returncode == 143, errors
    assert not re.search("Traceback", errors)
    assert train.load_checkpoint(tmp_path / "run")["step"] > 0
