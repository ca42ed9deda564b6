"""Checkpoints: a run that is killed and resumed ends in the same bits as one that never stopped."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, train
from clearprop.errors import InputError
from clearprop.interop import load_safetensors, save_safetensors
from clearprop.ops.random import get_rng_state

PROGRAM = """
import sys, time
import numpy as np
import clearprop
from clearprop import nn, optim, train

checkpoint, result, end = sys.argv[1], sys.argv[2], int(sys.argv[3])
clearprop.manual_seed(4)
generator = np.random.default_rng(0)
x = generator.normal(size=(200, 5)).astype(np.float32)
y = (x[:, :1] * x[:, 1:2]).astype(np.float32)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1))
history = train.fit(
    model, nn.MSELoss(), (x[:150], y[:150]), validation=(x[150:], y[150:]), epochs=12, patience=5,
    optimizer=optim.Adam(model.parameters(), lr=0.01), checkpoint=checkpoint, resume=True,
    callbacks=[lambda run: print(run.epoch, flush=True), lambda run: run.epoch == end and time.sleep(60)],
    progress=False,
)
train.save_checkpoint(result, {
    "model": model.state_dict(), "rows": history.rows, "best": history.best_epoch, "ended": history.ended,
    "random": clearprop.ops.random.get_rng_state(),
})
"""


def run(*args, until=0):
    """Run the program to its end, or kill it after an epoch, where it waits for that."""
    command = [sys.executable, "-c", PROGRAM, *map(str, args), str(until)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            if int(line) == until:
                process.send_signal(signal.SIGKILL)
                break
    return process.returncode


def test_a_killed_run_resumes_to_the_same_bits(tmp_path):
    assert run(tmp_path / "whole.ckpt", tmp_path / "whole") == 0
    for epoch in (2, 5):  # killed twice on its way
        assert run(tmp_path / "cut.ckpt", tmp_path / "cut", until=epoch) == -signal.SIGKILL
        assert not (tmp_path / "cut").exists()
    assert run(tmp_path / "cut.ckpt", tmp_path / "cut") == 0

    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()
    files = ["cut", "cut.ckpt", "cut.ckpt.previous", "whole", "whole.ckpt", "whole.ckpt.previous"]
    assert sorted(os.listdir(tmp_path)) == files


def setting(sizes=(3, 4), seed=0):
    clearprop.manual_seed(seed)
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    model = nn.Sequential(nn.Linear(*sizes), nn.Tanh(), nn.Linear(sizes[1], 1))
    return model, (x, x[:, :1] * 2)


def fit(model, pair, path, **options):
    options.setdefault("epochs", 3)
    return train.fit(model, nn.MSELoss(), pair, checkpoint=path, progress=False, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        lambda p: optim.AdamW(p, lr=0.01),
        lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    ],
    ids=["SGD", "AdamW", "RMSprop"],
)
def test_resuming_by_hand_gives_the_same_bits_with_every_optimizer(tmp_path, make):
    whole, pair = setting()
    curves = fit(whole, pair, tmp_path / "a", epochs=6, optimizer=make(whole.parameters())).rows
    first, pair = setting()
    fit(first, pair, tmp_path / "b", epochs=3, optimizer=make(first.parameters()))
    second, pair = setting(seed=99)
    history = fit(second, pair, tmp_path / "b", epochs=6, resume=True, optimizer=make(second.parameters()))

    assert history.rows == curves
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array, err_msg=name)


def test_a_resumed_run_goes_on_drawing_the_same_random_numbers(tmp_path):
    def network(seed=0):
        model, pair = setting(seed=seed)
        return nn.Sequential(nn.Dropout(0.3), model), pair

    whole, pair = network()
    fit(whole, pair, tmp_path / "a", epochs=4)
    first, pair = network()
    fit(first, pair, tmp_path / "b", epochs=2)
    second, pair = network(seed=99)
    fit(second, pair, tmp_path / "b", epochs=4, resume=True)

    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array, err_msg=name)


def test_a_finished_run_is_not_trained_again(tmp_path):
    model, pair = setting()
    fit(model, pair, tmp_path / "a")
    state = get_rng_state()
    again, pair = setting()
    history = fit(again, pair, tmp_path / "a", resume=True)

    assert (len(history), history.ended) == (3, "finished")
    assert np.array_equal(again[0].weight.value, model[0].weight.value)
    assert np.array_equal(get_rng_state(), state)


def test_the_arrays_in_a_checkpoint_have_readable_names(tmp_path):
    model, pair = setting()
    fit(model, pair, tmp_path / "a")

    assert {"model/0.weight", "optimizer/state/0/exp_avg", "random"} <= load_safetensors(tmp_path / "a")[
        0
    ].keys()


def test_a_checkpoint_of_another_model_is_refused_and_nothing_changes(tmp_path):
    model, pair = setting()
    fit(model, pair, tmp_path / "a")
    other, pair = setting(sizes=(3, 7))
    before = other.state_dict()
    with pytest.raises(InputError) as caught:
        fit(other, pair, tmp_path / "a", resume=True)

    assert str(caught.value).startswith(
        f"fit(resume=True) from {tmp_path / 'a'}: holds another model, optimizer or loader than this run's: "
    )
    assert "Try the settings that the run was started with, or resume=False" in str(caught.value)
    assert all(np.array_equal(before[name], array) for name, array in other.state_dict().items())


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    model, pair = setting()
    save_safetensors(tmp_path / "weights", {"w": np.ones(2)})
    (tmp_path / "text").write_text("epoch,loss\n1,2\n")
    fit(model, pair, tmp_path / "good")
    (tmp_path / "cut").write_bytes((tmp_path / "good").read_bytes()[:-10])
    save_safetensors(tmp_path / "bad", {}, {"format": "clearprop checkpoint 1", "tree": '{"array": "none"}'})

    for name, message in {
        "weights": "is not a checkpoint of clearprop",
        "text": "is not a safetensors file",
        "cut": "it is cut short",
        "bad": "is a damaged checkpoint: KeyError\\('none'\\)",
    }.items():
        with pytest.raises(InputError, match=message):
            fit(model, pair, tmp_path / name, resume=True)


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path):
    model, pair = setting()

    with pytest.raises(InputError, match="no such file or directory"):
        fit(model, pair, tmp_path / "none" / "a")


def test_what_a_checkpoint_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="a/0 is a set"):
        train.save_checkpoint(tmp_path / "a", {"a": [{1}]})
