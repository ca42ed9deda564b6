"""The training step: the same four lines, eager or compiled."""

import sys

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, train
from clearprop.errors import InputError
from clearprop.train import step as steps


def setting(seed=0):
    clearprop.manual_seed(seed)
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(50, 4)).astype(np.float32)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))
    return model, (x, x[:, :1] * x[:, 1:2])


def fit(model, pair, **options):
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    return train.fit(model, nn.MSELoss(), pair, batch_size=16, optimizer=optimizer, progress=False, **options)


def test_a_compiled_run_is_an_eager_run_to_rounding():
    (eager, pair), (compiled, _) = setting(), setting()
    clearprop.manual_seed(1)
    curve = fit(eager, pair, epochs=4, compile=False)["loss"]
    clearprop.manual_seed(1)
    found = fit(compiled, pair, epochs=4, compile=True)["loss"]

    np.testing.assert_allclose(found, curve, rtol=1e-5)
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(compiled.state_dict()[name], array, rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_compiled_run_resumes_to_the_same_bits(tmp_path):
    whole, pair = setting()
    fit(whole, pair, epochs=4, compile=True)
    first, pair = setting()
    fit(first, pair, epochs=2, compile=True, checkpoint=tmp_path / "c")
    second, pair = setting(seed=5)
    _, pair = setting()
    fit(second, pair, epochs=4, compile=True, checkpoint=tmp_path / "c", resume=True)

    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(second.state_dict()[name], array, err_msg=name)


def test_a_compiled_run_that_meets_a_nan_gets_good_weights_back():
    model, (x, y) = setting()
    x[40] = np.nan
    with pytest.raises(train.NonFiniteLossError, match="it became nan at step"):
        fit(model, (x, y), epochs=1, compile=True)

    assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_auto_compiles_where_the_compiler_and_llvmlite_are(monkeypatch):
    installed = {"clearprop.compiler", "llvmlite"}
    monkeypatch.setattr(steps, "_installed", lambda module: module in installed)

    assert steps.compiles("auto")
    installed.remove("llvmlite")
    assert not steps.compiles("auto")
    assert steps.compiles(True)
    installed.clear()
    with pytest.raises(InputError, match="compile=True: this clearprop has no compiler"):
        steps.compiles(True)


def test_choosing_eager_never_imports_the_compiler():
    before = {name for name in sys.modules if name.startswith("clearprop.compiler")}
    model, pair = setting()
    fit(model, pair, epochs=1, compile=False)

    assert {name for name in sys.modules if name.startswith("clearprop.compiler")} == before
