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

from clearprop import nn, train
from clearprop.data import DataLoader, Subset, TensorDataset
from clearprop.sklearn import MLPClassifier, NeuralNetClassifier, NeuralNetRegressor

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


LABELS = {
    "shifted": np.array([1, 2, 3]),
    "words": np.array(["rose", "iris", "lily"]),
    "negative": np.array([-1, 0, 7]),
    "as they are": np.array([0, 1, 2]),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_classes_are_weighted_and_validated_by_their_labels(labels, weighted):
    x, y = iris()
    known = LABELS[labels]
    order = np.argsort(known)
    places = np.empty(3, int)
    places[order] = np.arange(3)  # the number that the network knows each label by
    weights = np.linspace(0.5, 2, len(y)) if weighted else None

    def fitted(targets, table, held_out):
        options = {"class_weight": table, "validation": held_out, "metrics": ["accuracy"]}
        model = NeuralNetClassifier(
            (8,), lr=0.02, epochs=3, random_state=0, compile=False, fit_options=options
        )
        return model.fit(x, targets, sample_weight=weights)

    table = {known[1]: 20.0, known[2]: 3.0}
    model = fitted(known[y], table, (x, known[y]))
    numbered = fitted(places[y], {int(places[1]): 20.0, int(places[2]): 3.0}, (x, places[y]))
    plain = fitted(known[y], None, DataLoader((x, known[y]), 7))

    np.testing.assert_array_equal(model.predict_proba(x), numbered.predict_proba(x))
    assert model.history_.rows == numbered.history_.rows
    assert not np.array_equal(model.predict_proba(x), plain.predict_proba(x))
    assert plain.history_["val_accuracy"][-1] == pytest.approx(plain.score(x, known[y]))
    with pytest.raises(ValueError, match="wants labels of y: 9; there are"):
        fitted(known[y], {9: 1.0}, None)
    with pytest.raises(ValueError, match="wants the classes that it knows"):
        fitted(known[y], None, (x, y + 100))


def test_flat_targets_are_validated_as_they_are_learned_from():
    x, _y = iris()
    model = NeuralNetRegressor(
        (8,), lr=0.02, epochs=5, compile=False, fit_options={"validation": (x, x[:, 0])}
    )
    model.fit(x, x[:, 0])

    error = np.mean((model.predict(x) - x[:, 0]) ** 2)
    assert model.history_["val_loss"][-1] == pytest.approx(error, rel=1e-6)


FORMS = {
    "pair": lambda x, y: (x, y),
    "list": lambda x, y: [x, y],
    "dataset": TensorDataset,
    "subset": lambda x, y: Subset(TensorDataset(x, y), range(len(y))),
    "loader": lambda x, y: DataLoader((x, y), 40),
    "batches": lambda x, y: _Batches(x, y),
}


class _Batches:
    def __init__(self, x, y):
        self.held = x, y

    def __iter__(self):
        yield self.held


@pytest.mark.parametrize("form", FORMS)
def test_rows_held_out_are_given_in_every_form(form):
    x, y = iris()
    model = NeuralNetClassifier((8,), epochs=2, compile=False)
    model.set_params(fit_options={"validation": FORMS[form](x, y + 1), "metrics": ["accuracy"]}).fit(x, y + 1)

    assert model.history_["val_accuracy"][-1] == pytest.approx(model.score(x, y + 1))


@pytest.mark.parametrize(
    ("given", "message"),
    [((1, 2, 3), "wants a pair"), (0.1, "wants a pair"), ((np.ones((2, 3)), [0, 1]), "3 features")],
)
def test_what_cannot_be_held_out_is_refused(given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        NeuralNetClassifier((8,), fit_options={"validation": given}).fit(*iris())


@pytest.mark.parametrize("loss", ["poisson", nn.PoissonNLLLoss()])
def test_counts_are_predicted_as_counts(loss):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = rng.poisson(np.exp(1 + x[:, 0] / 2))
    model = NeuralNetRegressor((16,), loss=loss, lr=0.01, epochs=60, random_state=0, compile=False).fit(x, y)

    assert model.predict(x).min() > 0
    assert model.predict(x).mean() == pytest.approx(y.mean(), rel=0.1)
    assert model.score(x, y) > 0.35
    measured = model.set_params(epochs=1, fit_options={"metrics": ["mae"]}).fit(x, y)
    assert measured.history_["mae"] == pytest.approx([np.abs(measured.predict(x) - y).mean()])
    with pytest.raises(ValueError, match="wants numbers of 0 or more: y has -1"):
        model.fit(x, np.where(y > 3, -1, y))


def test_rates_that_are_no_logarithms_stay_as_they_are():
    x, _y = iris()
    loss = nn.PoissonNLLLoss(log_input=False)
    layers = [nn.Linear(4, 1), nn.Softplus()]
    model = NeuralNetRegressor(layers, loss=loss, epochs=2, random_state=0, compile=False).fit(
        x, x[:, 0] ** 2
    )

    np.testing.assert_allclose(model.predict(x), train.predict(model.network_, x)[:, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 4}, "leaves batch_size to the estimator's own batch_size="),
        ({"epochs": 4}, "leaves epochs to the estimator's own epochs="),
        ({"seed": 4}, "leaves seed to the estimator's own random_state="),
        ({"sample_weight": [1]}, "leaves sample_weight to"),
        ({"lr": 4}, "leaves lr to the estimator's own lr="),
        ({"random_state": 4}, "leaves random_state to the estimator's own random_state="),
        ({"patiance": 4}, "(?s)wants options of train.fit: 'patiance'.*Try patience="),
        ({"other": 4}, "wants options of train.fit: 'other'"),
    ],
)
@pytest.mark.parametrize("kind", [NeuralNetClassifier, NeuralNetRegressor])
def test_options_that_are_parameters_or_unknown_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind((4,), fit_options=options).fit(*iris())


@pytest.mark.parametrize("options", [{"ema": 0.9}, {"swa": 1}])
def test_nothing_goes_on_from_an_average(options):
    x, y = iris()
    with pytest.raises(ValueError, match="from which no training can go on"):
        NeuralNetClassifier((4,), fit_options=options).partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="from which no training can go on"):
        NeuralNetClassifier((4,), warm_start=True, fit_options=options).fit(x, y)
    NeuralNetClassifier((4,), epochs=1, compile=False, fit_options=options).fit(x, y)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("kind", [NeuralNetClassifier, MLPClassifier])
def test_a_first_part_that_failed_leaves_no_classes_behind(kind):
    x, y = iris()
    model = kind((4,))
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.full_like(x, np.nan), y, classes=["a", "b"])

    assert model.fit(x, y).classes_.tolist() == [0, 1, 2]


def test_a_new_rate_counts_from_the_next_part_on_and_another_network_is_refused():
    x, y = iris()
    model = NeuralNetClassifier((4,), random_state=0, compile=False).partial_fit(x, y, classes=[0, 1, 2])
    before = model.predict_proba(x)
    model.set_params(lr=0.0).partial_fit(x, y)
    np.testing.assert_array_equal(model.predict_proba(x), before)

    assert not np.array_equal(model.set_params(lr=0.1).partial_fit(x, y).predict_proba(x), before)
    for name, value in {"module": (5,), "optimizer": "SGD"}.items():
        with pytest.raises(ValueError, match=f"goes on with the {name} that it began with"):
            clone_of(model).set_params(**{name: value}).partial_fit(x, y)


def clone_of(model):
    return pickle.loads(pickle.dumps(model))
