"""A training that is killed goes on to the same bits: SIGKILL at random moments, SIGTERM."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop import data, nn, optim, train

TOOL = Path(__file__).parents[2] / "tools" / "kills.py"


def test_twelve_random_kills_change_no_bit():
    """Half of them of an eager training, half of a compiled one; `tools/kills.py` kills a thousand times."""
    command = [sys.executable, str(TOOL), "--kills", "12", "--epochs", "12"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    ended = r"6 kills, [1-9]\d* runs to the end, all with the bits of the unbroken one\n"
    assert re.fullmatch(f"eager: {ended}compiled: {ended}", told)


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


@pytest.mark.by_turns("compiled")
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
    command = [sys.executable, str(TOOL), "--train", str(tmp_path / "run"), "eager", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "run").exists() and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        _, errors = process.communicate()

    assert process.returncode == 143, errors
    assert not re.search("Traceback", errors)
    assert train.load_checkpoint(tmp_path / "run")["step"] > 0


class Rows(data.IterableDataset):
    """The rows of a pair, as they come: nobody knows how many."""

    def __iter__(self):
        return iter(list(zip(*model_and_data()[1], strict=True)))


@pytest.mark.parametrize("step", [2, 7, 9, 14])  # seven batches an epoch
@pytest.mark.parametrize("way", ["signal", "time"])
def test_an_epoch_of_unknown_length_that_was_cut_is_repeated(tmp_path, monkeypatch, step, way):
    clock = [0.0]
    told = types.SimpleNamespace(**vars(time) | {"monotonic": lambda: clock[0]})
    monkeypatch.setattr("clearprop.train.fitting.time", told)

    def fit(**options):
        model, _ = model_and_data()
        train.fit(
            model, "mse", data.DataLoader(Rows(), 16), optimizer=optim.Adam(model.parameters(), lr=0.01),
            epochs=3, compile=False, progress=False, **options,
        )  # fmt: skip
        return model

    class Late(train.Callback):
        def step_done(self, run):
            if run.step == step:
                clock[0] += 100

    ended = Late() if way == "time" else End(step)
    late = {"max_time": 60} if way == "time" else {}
    cut = step % 7 != 0
    with warnings.catch_warnings(record=True) as said, contextlib.suppress(SystemExit):
        warnings.simplefilter("always")
        fit(callbacks=[ended], checkpoint=tmp_path / "run", **late)
    resumed = fit(checkpoint=tmp_path / "run", resume=True)
    kept = train.load_checkpoint(tmp_path / "run")["history"]["rows"]

    assert any("was cut short" in str(w.message) for w in said) == cut
    assert len(kept) == 3
    for a, b in zip(fit().parameters(), resumed.parameters(), strict=True):
        np.testing.assert_array_equal(a.value, b.value)


def test_sigterm_is_waited_for_where_ctrl_c_is_ignored():
    """As in a process that a shell starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        model, pair = model_and_data()
        with pytest.raises(SystemExit) as caught:
            train.fit(model, "mse", pair, callbacks=[End(2)], compile=False, progress=False)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)

    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
