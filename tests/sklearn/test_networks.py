"""Any network as an estimator, by scikit-learn's own contract, and going on to the same bits."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from clearprop import nn
from clearprop.sklearn import NeuralNetClassifier, NeuralNetRegressor

QUICK = {"lr": 0.02, "epochs": 40, "compile": False}


@parametrize_with_checks([NeuralNetClassifier((16,), **QUICK), NeuralNetRegressor((16,), **QUICK)])
@pytest.mark.filterwarnings("ignore")
def test_the_contract(estimator, check):
    check(estimator)


def iris():
    x, y = load_iris(return_X_y=True)
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32), y


def make(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 8), nn.Dropout(0.1), nn.Tanh(), nn.Linear(8, outputs))


MODULES = {
    "sizes": (16,),
    "layers": [nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)],
    "module": make(4, 3),
    "function": make,
}


@pytest.mark.parametrize("module", MODULES)
def test_a_network_is_given_in_four_ways_and_is_left_as_it_was(module):
    x, y = iris()
    given = MODULES[module]
    before = given[0].weight.value.copy() if module in ("layers", "module") else None
    model = NeuralNetClassifier(given, lr=0.02, epochs=60, random_state=0, compile=False).fit(x, y)

    assert model.score(x, y) > 0.93
    if before is not None:
        np.testing.assert_array_equal(before, given[0].weight.value)


@pytest.mark.parametrize("kind", [NeuralNetClassifier, NeuralNetRegressor])
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("batch_size", [32, 64, 1000])
def test_going_on_ends_with_the_bits_of_an_unbroken_fit(kind, compile, batch_size):
    if compile:
        pytest.importorskip("llvmlite")
    x, y = iris()
    outputs = 3 if kind is NeuralNetClassifier else 1
    options = {"random_state": 0, "batch_size": batch_size, "compile": compile}

    def build(inputs, _):
        return make(inputs, outputs)

    whole = kind(build, epochs=6, **options).fit(x, y)
    warm = kind(build, epochs=3, warm_start=True, **options).fit(x, y).fit(x, y)
    part = kind(build, **options)
    for _ in range(6):
        part.partial_fit(x, y, **({"classes": np.unique(y)} if outputs == 3 else {}))

    for other in (warm, part):
        for a, b in zip(whole.network_.parameters(), other.network_.parameters(), strict=True):
            np.testing.assert_array_equal(a.value, b.value)
        assert (other.n_iter_, other.loss_curve_) == (6, whole.loss_curve_)


def test_pickles_pipelines_searches_and_options_of_fit():
    x, y = iris()
    model = NeuralNetClassifier(
        (8,), random_state=0, epochs=30, lr=0.02, compile=False,
        fit_options={
            "validation": (x, y), "metrics": ["accuracy"], "patience": 5, "class_weight": "balanced",
        },
    ).fit(x, y)  # fmt: skip
    copy = pickle.loads(pickle.dumps(model))
    search = GridSearchCV(
        make_pipeline(StandardScaler(), NeuralNetClassifier((8,), **QUICK, random_state=0)),
        {"neuralnetclassifier__lr": [1e-5, 0.02]}, cv=3,
    ).fit(x, y)  # fmt: skip

    assert "val_accuracy" in model.history_.names
    np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))
    assert search.best_params_ == {"neuralnetclassifier__lr": 0.02}
    assert clone(model).get_params()["fit_options"].keys() == model.fit_options.keys()


def test_mistakes_are_explained():
    x, y = iris()
    with pytest.raises(ValueError, match="wants a module, a function of"):
        NeuralNetClassifier((0,)).fit(x, y)
    with pytest.raises(ValueError, match="wants all classes in the first call"):
        NeuralNetClassifier().partial_fit(x, y)
    model = NeuralNetClassifier((4,), epochs=1, compile=False).fit(x[:100], y[:100])
    with pytest.raises(ValueError, match="wants the classes that it knows"):
        model.partial_fit(x, y)
