"""A setting that makes no sense is refused by its name, in every estimator; Ctrl-C keeps what was learned."""

import inspect
import os
import signal

import numpy as np
import pytest

pytest.importorskip("sklearn")

import clearprop.sklearn as estimators
from clearprop.sklearn.chain import LayerChain, Steps
from clearprop.train import Callback
from clearprop.train.tabular import Tabular

X = np.random.default_rng(0).normal(size=(40, 3))
NAMES = estimators.__all__
SETTINGS = [
    (name, setting) for name in NAMES for setting in inspect.signature(getattr(estimators, name)).parameters
]
STRANGE = [object(), 1j, b"x", -1.5, {1: "a"}, [None], float("nan"), np.array([[1.0, 2.0]])]
NOT = {"tol": 3, "fit_options": 4}
"""Of these a number below 0, or a mapping, is right, or refused for what stands in it."""


def targets(name):
    return (X[:, 0] > 0).astype(int) if name.endswith("Classifier") else X[:, 0]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_a_setting_that_cannot_be_is_refused_by_its_name(name, setting):
    needed = {"early_stopping": True} if setting == "validation_fraction" and name.startswith("MLP") else {}
    needed |= {"loss": "quantile"} if setting == "quantiles" else {}
    for number, value in enumerate(STRANGE):
        if NOT.get(setting) == number:
            continue
        model = getattr(estimators, name)(**needed | {setting: value})
        with pytest.raises((ValueError, TypeError)) as caught:
            model.fit(X, targets(name))
        assert str(caught.value).startswith(f"{name}({setting}=): wants "), (value, caught.value)
        assert not hasattr(model, "network_")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("Tabular")])
def test_columns_are_told_by_name(name):
    with pytest.raises(ValueError, match=rf"{name}\(columns=\): wants .* by name, or None: \{{0: 'category'"):
        getattr(estimators, name)(columns={0: "category"}).fit(X, targets(name))


@pytest.mark.parametrize("name", NAMES)
def test_truth_is_no_number(name):
    kind = getattr(estimators, name)
    others = {"early_stopping": True} if name.startswith("MLP") else {}
    given = kind().get_params(deep=False).items()
    numbers = [setting for setting, value in given if type(value) in (int, float)]
    for setting in numbers:
        with pytest.raises(ValueError, match=rf"{name}\({setting}=\): wants"):
            kind(**others | {setting: True}).fit(X, targets(name))
    assert len(numbers) >= 3


def interrupt(after, call):
    """Return a function that sends Ctrl-C once it was called so many times."""
    calls = []

    def counted(*args, **kwargs):
        calls.append(None)
        if len(calls) == after:
            os.kill(os.getpid(), signal.SIGINT)
        return call(*args, **kwargs)

    return counted


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_ctrl_c_in_a_perceptrons_fit_keeps_what_was_learned(name, solver, monkeypatch):
    model = getattr(estimators, name)(
        hidden_layer_sizes=(8,), solver=solver, batch_size=10, max_iter=500, random_state=0
    )
    if solver == "lbfgs":
        monkeypatch.setattr(LayerChain, "gradient", interrupt(5, LayerChain.gradient))
    else:
        monkeypatch.setattr(Steps, "__call__", interrupt(10, Steps.__call__))
    with pytest.warns(UserWarning, match=f"{name}.fit: interrupted by Ctrl-C"):
        model.fit(X, targets(name))

    begun = getattr(estimators, name)(hidden_layer_sizes=(8,), random_state=0)
    begun._begin(3, model.n_outputs_)
    assert not np.array_equal(model.coefs_[0], begun.coefs_[0])
    assert model.predict(X).shape == (40,)
    assert model.n_iter_ == 3 if solver != "lbfgs" else 1 <= model.n_iter_ <= 5
    if solver != "lbfgs":  # two epochs of four steps, and two steps
        assert (len(model.loss_curve_), model.t_) == (3, 100)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Stop(Callback):
    """Sends Ctrl-C after a step, as a person does."""

    def step_done(self, run):
        if run.step == 6:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", ["NeuralNetClassifier", "NeuralNetRegressor"])
def test_ctrl_c_in_a_networks_fit_is_said(name):
    options = {"callbacks": [Stop()]}
    model = getattr(estimators, name)((8,), batch_size=10, random_state=0, fit_options=options)
    with pytest.warns(UserWarning, match=f"{name}.fit: interrupted by Ctrl-C in epoch 2"):
        model.fit(X, targets(name))
    assert model.n_iter_ == 2


@pytest.mark.parametrize("name", ["TabularClassifier", "TabularRegressor"])
def test_ctrl_c_in_a_tables_fit_is_said(name, monkeypatch):
    monkeypatch.setattr(Tabular, "schedule", lambda *args: Stop())
    model = getattr(estimators, name)(hidden=(8,), batch_size=10, steps=1, random_state=0)
    with pytest.warns(UserWarning, match=f"{name}.fit: interrupted by Ctrl-C in epoch"):
        model.fit(X, targets(name))
    assert model.n_iter_ == len(model.loss_curve_) <= 6
    assert model.predict(X).shape == (40,)


@pytest.mark.parametrize("name", ["TabularClassifier", "TabularRegressor"])
def test_ctrl_c_before_a_training_leaves_nothing_half_made(name, monkeypatch):
    monkeypatch.setattr(Tabular, "schedule", interrupt(1, Tabular.schedule))
    model = getattr(estimators, name)(hidden=(8,), random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, targets(name))
    assert not hasattr(model, "network_")
