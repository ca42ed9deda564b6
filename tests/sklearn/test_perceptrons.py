"""The perceptrons by scikit-learn's own contract, and beside scikit-learn's on its bundled sets."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import has_fit_parameter

import clearprop
from clearprop.sklearn import MLPClassifier, MLPRegressor
from clearprop.sklearn.chain import FlatWeights
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


GOALS = {
    "classes": lambda rng: rng.integers(0, 3, 60),
    "two classes": lambda rng: rng.integers(0, 2, 60),
    "labels": lambda rng: rng.integers(0, 2, (60, 3)),
    "numbers": lambda rng: rng.normal(size=60),
    "counts": lambda rng: rng.poisson(2.0, 60),
}
OPTIONS = [
    {}, {"batch_size": 17}, {"activation": "tanh", "hidden_layer_sizes": (7, 5)}, {"early_stopping": True},
    {"activation": "logistic", "batch_size": 7, "shuffle": False}, {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd"}, {"solver": "sgd", "nesterovs_momentum": False, "activation": "identity"},
    {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.05, "tol": 0.01},
    {"solver": "sgd", "learning_rate": "invscaling"}, {"solver": "lbfgs"},
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weighed", [False, True], ids=["", "weighed"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("goal", GOALS)
def test_every_epoch_is_scikit_learn_s(goal, options, weighed):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), GOALS[goal](rng)
    weight = rng.uniform(size=60) if weighed else None
    kind = "MLPRegressor" if goal in ("numbers", "counts") else "MLPClassifier"
    options = {"random_state": 0, "max_iter": 40, "hidden_layer_sizes": (20,), "alpha": 0.01} | options
    options |= {"loss": "poisson"} if goal == "counts" else {}
    theirs, ours = getattr(neural_network, kind)(), {"MLPRegressor": MLPRegressor}.get(kind, MLPClassifier)()
    if weighed and not has_fit_parameter(theirs, "sample_weight"):
        pytest.skip("this scikit-learn's perceptrons take no weights")
    if not set(options) <= set(theirs.get_params()):
        pytest.skip("this scikit-learn's perceptrons have no such loss")
    for model in (theirs, ours):
        model.set_params(**options).fit(x, y, **({} if weight is None else {"sample_weight": weight}))

    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-6)  # L-BFGS amplifies rounding
    assert getattr(theirs, "loss_curve_", []) == pytest.approx(ours.loss_curve_, rel=1e-9)
    assert (ours.best_validation_score_ if ours.early_stopping else None) == pytest.approx(
        theirs.best_validation_score_ if ours.early_stopping else None
    )
    for mine, other in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("goal", [*GOALS, "several numbers"])
@pytest.mark.parametrize("weighed", [False, True], ids=["", "weighed"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_gradient_on_plain_arrays_is_that_of_the_loss(goal, activation, weighed):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    y = GOALS[goal](rng) if goal in GOALS else rng.normal(size=(60, 2))
    kind = MLPRegressor if "numbers" in goal or goal == "counts" else MLPClassifier
    model = kind(hidden_layer_sizes=(5, 4), activation=activation, alpha=0.3, max_iter=1, random_state=0)
    model.set_params(**({"loss": "poisson"} if goal == "counts" else {})).fit(x, y)
    targets, _ = model._targets(y, False)
    weight = rng.uniform(size=60) if weighed else None
    chain, flat = model._chain(), clearprop.Tensor(model._flat_weights())
    slopes = FlatWeights(chain, np.empty(chain.size))
    loss = chain.gradient(FlatWeights(chain, np.array(flat.value)), slopes, x, targets, weight)
    wanted = chain.loss(flat, x, targets, weight)
    wanted.backward()

    assert loss == pytest.approx(wanted.item(), rel=1e-13)
    np.testing.assert_allclose(slopes.flat, flat.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "csr_array"])
def test_sparse_rows_are_learned_as_the_same_rows_are(form, solver):
    x, y = iris()
    x = np.where(abs(x) > 1, x, 0.0)
    thin = getattr(scipy.sparse, form)(x)
    dense, sparse = (MLPClassifier(**SMALL | {"max_iter": 5, "solver": solver}).fit(a, y) for a in (x, thin))

    np.testing.assert_array_equal(dense.predict_proba(x), sparse.predict_proba(thin))


def test_a_fit_leaves_the_global_random_state():
    x, y = iris()
    before = clearprop.get_rng_state()
    MLPClassifier(**SMALL | {"solver": "lbfgs", "max_iter": 500}).fit(x, y)
    for kept, was in zip(clearprop.get_rng_state(), before, strict=True):
        np.testing.assert_array_equal(kept, was)


@pytest.mark.filterwarnings("ignore")
def test_weights_that_overflow_are_refused():
    x, y = iris()
    model = MLPRegressor(**SMALL | {"solver": "sgd", "learning_rate_init": 1e3})
    with pytest.raises(ValueError, match="brought to scale first: weights that are not finite"):
        model.fit(x * 1e9, y.astype(float))


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
    model = MLPRegressor("poisson", solver="lbfgs", random_state=0, max_iter=3000).fit(x, y)

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


# --- what used to be taken without a word -------------------------------------------------------------------
@pytest.mark.parametrize(("setting", "values"), [
    ("batch_size", (-1, 0, 2.5, None, "all")), ("hidden_layer_sizes", ((2.7, 3), 2.5, True, None, (3, -1))),
    ("beta_1", (1, 1.5, np.nan)), ("beta_2", (1, -1)), ("epsilon", (0, -1)), ("tol", (np.nan, None)),
    ("learning_rate_init", ("x", None, np.inf)), ("max_iter", (2.5, 0, None)), ("momentum", (1.1, None)),
    ("n_iter_no_change", (2.5, 0)), ("power_t", (-1, np.nan)), ("alpha", (np.nan, None, -1)),
])  # fmt: skip
def test_a_setting_that_makes_no_sense_is_refused_by_name(setting, values):
    x, y = iris()
    for value in values:
        with pytest.raises(ValueError, match=rf"^MLPClassifier\({setting}=\): wants"):
            MLPClassifier(**SMALL | {setting: value}).fit(x, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_first_part_has_no_class_that_was_not_named():
    x, y = iris()
    with pytest.raises(ValueError, match=r"wants the classes that it knows: y has \[2\]"):
        MLPClassifier(**SMALL).partial_fit(x, y, classes=[0, 1])


def test_parts_of_several_labels_are_learned_as_scikit_learn_learns_them():
    x, y = iris()
    labels = np.eye(3, dtype=int)[y] | np.eye(3, dtype=int)[0]
    ours, theirs = (kind(**SMALL) for kind in (MLPClassifier, neural_network.MLPClassifier))
    for rows in (slice(0, 75), slice(75, 150)):
        ours.partial_fit(x[rows], labels[rows], classes=[0, 1, 2])
        theirs.partial_fit(x[rows], labels[rows], classes=[0, 1, 2])
    # scikit-learn begins a new optimizer in each part for `fit` alone, not for `partial_fit`
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-12)
    np.testing.assert_allclose(ours.predict_log_proba(x), theirs.predict_log_proba(x), rtol=1e-9, atol=1e-9)
    before = ours.predict_proba(x)
    for other, match in (
        (labels[:, :2], "a column for each of 3 classes: 2"),
        (y, "several labels for each"),
    ):
        with pytest.raises(ValueError, match=match):
            ours.partial_fit(x, other)
        np.testing.assert_array_equal(ours.predict_proba(x), before)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_another_network_would_need_is_refused_when_a_fit_goes_on():
    x, y = iris()
    for changed in ({"activation": "tanh"}, {"hidden_layer_sizes": (3,)}):
        model = MLPClassifier(**SMALL | {"max_iter": 2, "warm_start": True}).fit(x, y)
        with pytest.raises(ValueError, match=f"goes on with the {next(iter(changed))} that it began with"):
            model.set_params(**changed).fit(x, y)
    model = MLPRegressor(**SMALL | {"max_iter": 2, "warm_start": True}).fit(x, np.c_[y, y])
    with pytest.raises(ValueError, match="as many outputs as it began with, 2: 1"):
        model.fit(x, y)
    with pytest.raises(ValueError, match="goes on with the loss that it began with"):
        model.set_params(loss="poisson").fit(x, np.c_[y, y])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_goes_on_with_another_solver_and_with_rows_held_out():
    x, y = iris()
    model = MLPClassifier(**SMALL | {"max_iter": 5, "warm_start": True}).fit(x, y)
    losses = [model.loss_]
    for changed in ({"solver": "sgd"}, {"solver": "lbfgs"}, {"solver": "adam"}):
        losses.append(model.set_params(**changed).fit(x, y).loss_)
    assert losses == sorted(losses, reverse=True)
    model.set_params(early_stopping=True).fit(x, y)
    assert len(model.validation_scores_) == 5


@pytest.mark.filterwarnings("ignore")
def test_one_column_of_numbers_is_predicted_as_scikit_learn_predicts_it():
    x, y = iris()
    ours, theirs = (k(**SMALL).fit(x, y[:, None]) for k in (MLPRegressor, neural_network.MLPRegressor))
    assert ours.predict(x).shape == theirs.predict(x).shape == (150,)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_a_fit_that_fails_leaves_what_was_learned():
    x, y = iris()
    model = MLPRegressor(**SMALL | {"solver": "sgd"}).fit(x, y)
    before, losses, rounds = model.predict(x), [*model.loss_curve_], model.n_iter_
    for fit in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="weights that are not finite"):
            fit(x * 1e200, y)
        np.testing.assert_array_equal(model.predict(x), before)
        assert (model.loss_curve_, model.n_iter_) == (losses, rounds)
    with pytest.raises(ValueError, match="two classes or more"):
        (classes := MLPClassifier(**SMALL).fit(x, y)).fit(x, y * 0)
    assert classes.classes_.tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_another_rate_is_taken_when_a_fit_goes_on(solver):
    x, y = iris()
    ends = []
    for rate in (0.001, 0.1):
        model = MLPClassifier(**SMALL | {"solver": solver, "max_iter": 3, "warm_start": True}).fit(x, y)
        ends.append(model.set_params(learning_rate_init=rate).fit(x, y).loss_)
    assert ends[1] < 0.9 * ends[0]
