"""The perceptrons by scikit-learn's own contract, and beside scikit-learn's on its bundled sets."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from clearprop.sklearn import MLPClassifier, MLPRegressor
from sklearn import neural_network

SMALL = {"hidden_layer_sizes": (16,), "random_state": 0, "max_iter": 100}


@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
@pytest.mark.filterwarnings("ignore")
def test_the_contract(estimator, check):
    check(estimator)


def iris():
    x, y = load_iris(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y


def weights(model):
    return [*model.coefs_, *model.intercepts_]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_going_on_ends_with_the_bits_of_an_unbroken_fit(kind, solver):
    x, y = iris()
    options = SMALL | {"solver": solver, "tol": -np.inf}
    whole = kind(**options | {"max_iter": 6}).fit(x, y)
    warm = kind(**options | {"max_iter": 3, "warm_start": True}).fit(x, y).fit(x, y)
    part = kind(**options)
    for _ in range(6):
        part.partial_fit(x, y, **({"classes": np.unique(y)} if kind is MLPClassifier else {}))

    for other in (warm, part, pickle.loads(pickle.dumps(warm))):
        assert all(np.array_equal(a, b) for a, b in zip(weights(whole), weights(other), strict=True))
        assert (other.n_iter_, other.loss_curve_) == (6, whole.loss_curve_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_pickle_goes_on_as_the_model_itself_does():
    x, y = iris()
    model = MLPClassifier(**SMALL | {"max_iter": 3, "warm_start": True}).fit(x, y)
    copy = pickle.loads(pickle.dumps(model)).fit(x, y)
    model.fit(x, y)

    assert all(np.array_equal(a, b) for a, b in zip(weights(model), weights(copy), strict=True))


SETS = [
    (MLPClassifier, neural_network.MLPClassifier, load_iris),
    (MLPClassifier, neural_network.MLPClassifier, load_wine),
    (MLPClassifier, neural_network.MLPClassifier, load_breast_cancer),
    (MLPRegressor, neural_network.MLPRegressor, load_diabetes),
]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("ours", "theirs", "load"), SETS)
def test_the_scores_are_scikit_learn_s_or_better(ours, theirs, load, solver):
    x, y = load(return_X_y=True)
    options = {"random_state": 0, "solver": solver, "learning_rate_init": 0.01, "alpha": 1.0}
    options["max_iter"] = 100 if solver == "lbfgs" else 500
    y = (y - y.mean()) / y.std() if ours is MLPRegressor else y
    scores = []
    for kind in (ours, theirs):
        found = []
        for seed in range(3):
            parts = train_test_split(x, y, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = make_pipeline(StandardScaler(), kind(**options)).fit(parts[0], parts[2])
            found.append(model.score(parts[1], parts[3]))
        scores.append(np.mean(found))

    assert scores[0] >= scores[1] - 0.03  # three splits tell no more


def test_the_first_loss_and_gradients_are_scikit_learn_s():
    x, y = iris()
    ours = MLPClassifier(**SMALL | {"solver": "lbfgs", "max_iter": 40})
    theirs = neural_network.MLPClassifier(**SMALL | {"solver": "lbfgs", "max_iter": 40})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert ours.fit(x, y).loss_ == pytest.approx(theirs.fit(x, y).loss_, rel=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_searches_clones_and_names_of_features():
    x, y = iris()
    search = GridSearchCV(
        MLPClassifier(**SMALL, learning_rate_init=0.02), {"alpha": [1e-4, 1e-1]}, cv=3, n_jobs=2
    ).fit(x, y)

    assert search.best_score_ > 0.8
    assert clone(search.best_estimator_).get_params() == search.best_estimator_.get_params()
    assert MLPClassifier().get_params() == neural_network.MLPClassifier().get_params()
    if "loss" in neural_network.MLPRegressor().get_params():  # scikit-learn 1.7
        assert MLPRegressor().get_params() == neural_network.MLPRegressor().get_params()


def test_counts_have_the_poisson_loss():
    x = np.random.default_rng(0).normal(size=(300, 1))
    y = np.random.default_rng(1).poisson(np.exp(1 + x[:, 0]))
    model = MLPRegressor("poisson", solver="lbfgs", random_state=0, max_iter=2000).fit(x, y)

    assert (model.out_activation_, bool(np.all(model.predict(x) > 0))) == ("exp", True)
    assert model.score(x, y) > 0.6
    with pytest.raises(ValueError, match="wants numbers of 0 or more: y has -1"):
        model.fit(x, y - y.max() * 0 - 1.0)


def test_several_labels_and_several_numbers():
    x, y = iris()
    labels = np.stack([y == 0, y > 0, x[:, 0] > 0], axis=1).astype(int)
    several = MLPClassifier(solver="lbfgs", random_state=0, max_iter=2000).fit(x, labels)
    numbers = MLPRegressor(solver="lbfgs", random_state=0, max_iter=5000, alpha=0.1).fit(x, x[:, :2] * 2)

    assert several.predict(x).shape == several.predict_proba(x).shape == (150, 3)
    assert several.score(x, labels) > 0.95
    assert numbers.score(x, x[:, :2] * 2) > 0.95


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_weight_zero_count_for_nothing_and_early_stopping_keeps_the_best():
    x, y = iris()
    weight = (y < 2).astype(float)
    model = MLPClassifier(**SMALL).fit(x, y, sample_weight=weight)
    stopped = MLPClassifier(**SMALL | {"early_stopping": True}).fit(x, y)

    assert np.mean(model.predict(x)[y == 2] == 2) < 0.2
    assert max(stopped.validation_scores_) == stopped.best_validation_score_


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("alpha", [0.0, 10.0])
@pytest.mark.parametrize(
    "options", [{"solver": "lbfgs"}, {"solver": "sgd", "batch_size": 150, "shuffle": False}]
)
def test_a_row_of_weight_two_is_two_rows_in_the_penalty_as_well(kind, alpha, options):
    x, y = iris()
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), weights)
    options = options | {"random_state": 0, "hidden_layer_sizes": (4,), "max_iter": 20, "alpha": alpha}
    options |= {"batch_size": len(rows)} if options["solver"] == "sgd" else {}
    weighted = kind(**options).fit(x, y, sample_weight=weights.astype(float))
    repeated = kind(**options).fit(x[rows], y[rows])
    for a, b in zip(weighted.coefs_, repeated.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


def test_a_batch_of_rows_of_weight_0_makes_no_nan():
    x, y = iris()
    weights = np.zeros(len(y))
    weights[:10] = 1
    model = MLPRegressor(random_state=0, hidden_layer_sizes=(4,), max_iter=3, batch_size=10, solver="sgd")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y.astype(float), sample_weight=weights)
    assert all(np.all(np.isfinite(w)) for w in model.coefs_)
