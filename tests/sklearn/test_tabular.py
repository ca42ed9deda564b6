"""The network for tables as an estimator: scikit-learn's contract, and frames of words, dates and gaps."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from clearprop.sklearn import NeuralNetClassifier, TabularClassifier, TabularRegressor

QUICK = {"hidden": (16,), "members": 2, "epochs": 30, "lr": 0.02, "compile": False, "random_state": 0}
HELD = "a share of the rows is held out, and batches are of rows: a row of weight two is not two rows"


@parametrize_with_checks(
    [TabularClassifier(**QUICK), TabularRegressor(**QUICK)],
    expected_failed_checks=lambda model: {"check_sample_weight_equivalence_on_dense_data": HELD},
)
@pytest.mark.filterwarnings("ignore")
def test_the_contract(estimator, check):
    check(estimator)


def shops(rows=300):
    rng = np.random.default_rng(0)
    town = rng.integers(0, 30, rows)
    size = rng.normal(size=rows)
    frame = {
        "town": [f"town {i}" for i in town], "size": np.where(np.arange(rows) % 9, size, np.nan),
        "opened": [f"{1 + i % 28:02}/{1 + i % 12:02}/2024" for i in range(rows)],
    }  # fmt: skip
    return frame, (town % 3) + np.where(np.arange(rows) % 9, size, 0)


def test_a_frame_of_words_dates_and_gaps():
    pandas = pytest.importorskip("pandas")
    columns, y = shops()
    frame = pandas.DataFrame(columns)
    model = TabularRegressor(**QUICK | {"epochs": 60}).fit(frame[:240], y[:240])

    assert [type(c).__name__ for c in model.encodings_] == ["Category", "Number", "Date"]
    assert model.score(frame[240:], y[240:]) > 0.5
    assert model.feature_names_in_.tolist() == ["town", "size", "opened"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["size", "town", "opened"]])


def numbers(rows=200):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 3))
    return x, np.where(x[:, 0] * x[:, 1] > 0, "same", "other")


def test_the_same_seed_gives_the_same_model_and_leaves_the_global_state():
    import clearprop

    x, y = numbers()
    clearprop.manual_seed(5)
    before = clearprop.get_rng_state()
    one, two = (TabularClassifier(**QUICK).fit(x, y).predict_proba(x) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    for kept, was in zip(clearprop.get_rng_state(), before, strict=True):
        np.testing.assert_array_equal(kept, was)
    other = TabularClassifier(**QUICK | {"random_state": 1}).fit(x, y).predict_proba(x)
    assert not np.array_equal(one, other)


def test_it_travels_and_is_searched():
    x, y = numbers()
    model = TabularClassifier(**QUICK).fit(x, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(x), again.predict_proba(x))
    assert clone(model).get_params() == model.get_params()
    found = GridSearchCV(TabularClassifier(**QUICK), {"members": [1, 2]}, cv=2).fit(x, y)
    assert found.best_score_ > 0.6


def test_rare_labels_count_more_where_they_are_to():
    x, _ = numbers()
    y = np.where(x[:, 0] > 1.3, "rare", "usual")
    noise = np.random.default_rng(2).uniform(size=len(y)) < 0.3
    y[noise] = "usual"
    plain = TabularClassifier(**QUICK).fit(x, y).predict_proba(x)[:, 0]
    balanced = TabularClassifier(**QUICK, class_weight="balanced").fit(x, y).predict_proba(x)[:, 0]
    named = TabularClassifier(**QUICK, class_weight={"rare": 5.0}).fit(x, y).predict_proba(x)[:, 0]
    assert balanced.mean() > plain.mean()
    assert named.mean() > plain.mean()
    with pytest.raises(ValueError, match="wants labels of y"):
        TabularClassifier(**QUICK, class_weight={"none": 5.0}).fit(x, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hidden": (0,)}, "sizes of 1 or more"), ({"hidden": (2.5,)}, "sizes of 1 or more"),
     ({"columns": {"q": "category"}}, "no column 'q'"), ({"columns": {"x0": "word"}}, "wants one of"),
     ({"members": 0}, r"\(members=\): wants a whole number of 1 or more: 0"),
     ({"members": 2.5}, "1 or more: 2.5"), ({"members": True}, "whole number"),
     ({"pieces": -1}, "whole number of 0 or more"), ({"embedding": "8"}, "1 or more: '8'"),
     ({"batch_size": 0}, r"\(batch_size=\)"), ({"steps": 0}, r"\(steps=\)"),
     ({"epochs": 0}, "1 or more or None: 0"), ({"patience": 0}, "1 or more or None: 0"),
     ({"validation_fraction": 1.0}, "below 1: 1.0"), ({"validation_fraction": np.nan}, "a share of the rows"),
     ({"class_weight": {"same": 0.0, "other": 0.0}}, "a weight above 0"),
     ({"class_weight": {"same": np.inf}}, "a weight of 0 or more")],
)  # fmt: skip
def test_settings_that_make_no_sense(change, message):
    x, y = numbers()
    with pytest.raises(ValueError, match=message):
        TabularClassifier(**QUICK | change).fit(x, y)


def test_a_number_may_be_a_category():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 6, (300, 1)).astype(float)
    y = (x[:, 0] % 2).astype(int)
    model = TabularClassifier(**QUICK, columns={"x0": "category"}).fit(x, y)
    assert model.score(x, y) > 0.95
    assert type(model.encodings_[0]).__name__ == "Category"


def test_truth_is_truth_as_booleans_and_as_numbers():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    owns, size = rng.uniform(size=200) < 0.4, rng.normal(size=200)
    frame = pandas.DataFrame({"owns": owns, "size": size})
    model = TabularClassifier(**QUICK).fit(frame, owns.astype(int))
    shares = model.predict_proba(frame)

    for other in (frame.astype({"owns": int}), frame.astype({"owns": float})):
        np.testing.assert_array_equal(model.predict_proba(other), shares)


def test_infinite_numbers_are_refused_by_their_column():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": [1.0, np.inf] * 20, "town": ["a", "b"] * 20})
    with pytest.raises(ValueError, match="infinity in column 'size'"):
        TabularClassifier(**QUICK).fit(frame, [0, 1] * 20)
    x, y = numbers()
    with pytest.raises(ValueError, match="wants numbers that can be squared"):
        TabularRegressor(**QUICK).fit(x, np.where(y == 0, -1e300, 1e300))


def wages(rows=400):
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (rows, 2))
    return x, np.exp(3 + x[:, 0]) * rng.gamma(9.0, 1 / 9, rows)


def test_losses_of_numbers():
    x, y = wages()
    for loss in ("mse", "mae", "huber", "quantile", "gamma", "poisson"):
        goal = np.round(y) if loss == "poisson" else y
        model = TabularRegressor(**QUICK, loss=loss).fit(x, goal)
        assert np.corrcoef(model.predict(x), np.exp(x[:, 0]))[0, 1] > 0.95, loss
        assert model.predict(x).mean() == pytest.approx(y.mean(), rel=0.1), loss
    model = TabularRegressor(**QUICK, loss="quantile", quantiles=(0.9, 0.1)).fit(x, y)
    low, high = model.predict_quantiles(x).T
    assert 0.7 < np.mean((low <= y) & (y <= high)) < 0.9
    with pytest.raises(ValueError, match="wants a model of quantiles: 'mse'"):
        TabularRegressor(**QUICK).fit(x, y).predict_quantiles(x)


def test_rows_held_out_count_by_their_weights():
    x, _ = wages()
    y = np.where(np.arange(400) % 2, 1.0, -1.0) * x[:, 0]
    weights = (np.arange(400) % 2).astype(float)
    model = TabularRegressor(**QUICK).fit(x, y, weights)
    assert min(model.history_["val_loss"]) < 0.2  # half of the rows say the opposite, and do not count
    assert np.corrcoef(model.predict(x), x[:, 0])[0, 1] > 0.9

    for row in range(8):  # held out or not, the one that counts is learned from
        model = TabularClassifier(**QUICK, patience=5).fit(x, y > 0, np.eye(400)[row])
        assert model.predict_proba(x[row : row + 1]).max() > 0.9
        assert model.predict(x[row : row + 1]) == [y[row] > 0]


@pytest.mark.parametrize(("change", "least", "message"), [
    ({"loss": "squared"}, 1, r"TabularRegressor\(loss=\): wants one of mse, mae"),
    ({"loss": None}, 1, r"wants one of mse, mae.*: None"),
    ({"loss": "poisson"}, -1, "wants counts: numbers of 0 or more, and not 0 alone: -1"),
    ({"loss": "gamma"}, 0, "wants numbers above 0: 0"),
    ({"loss": "quantile", "quantiles": (0.5, 1.0)}, 1, "shares between 0 and 1"),
    ({"loss": "quantile", "quantiles": ()}, 1, "shares between 0 and 1"),
])  # fmt: skip
def test_losses_that_cannot_be(change, least, message):
    x, y = wages(40)
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**QUICK | change).fit(x, np.append(y[1:], least))


WHOLE = QUICK | {"patience": None, "epochs": 6, "warm_start": True}


def goal(kind):
    x, y = numbers()
    return x, y if kind is TabularClassifier else x[:, 0] * x[:, 1]


@pytest.mark.parametrize("weighed", [False, True], ids=["", "weighed"])
@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_going_on_ends_with_the_bits_of_an_unbroken_fit(kind, weighed):
    x, y = goal(kind)
    weight = np.random.default_rng(0).uniform(size=len(y)) if weighed else None
    whole = kind(**WHOLE).fit(x, y, weight)
    warm = kind(**WHOLE | {"epochs": 2}).fit(x, y, weight).set_params(epochs=4).fit(x, y, weight)
    part = kind(**WHOLE | {"warm_start": False})
    for turn in range(6):
        more = {"classes": np.unique(y)} if kind is TabularClassifier and not turn else {}
        part = pickle.loads(pickle.dumps(part)).partial_fit(x, y, sample_weight=weight, **more)

    for other in (warm, part):
        assert (other.n_iter_, other.loss_curve_) == (6, whole.loss_curve_)
        for mine, theirs in zip(
            whole.network_.state_dict().values(), other.network_.state_dict().values(), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert whole.loss_curve_[-1] < whole.loss_curve_[0]


def test_parts_of_a_table_are_learned_from_one_after_the_other():
    pandas = pytest.importorskip("pandas")
    columns, y = shops(600)
    frame = pandas.DataFrame(columns)
    model = TabularRegressor(**QUICK)
    for _ in range(30):
        for part in (slice(0, 200), slice(200, 450)):
            model.partial_fit(frame[part], y[part])

    assert model.n_iter_ == 60
    assert model.score(frame[450:], y[450:]) > 0.5
    model.partial_fit(frame[:3], y[:3])  # fewer rows than a batch


def test_a_fit_can_be_gone_on_with_by_parts():
    x, y = numbers(400)
    model = TabularClassifier(**QUICK).fit(x[:200], y[:200])
    before = model.score(x[200:], y[200:])
    for _ in range(20):
        model.partial_fit(x, y)
    assert (model.n_iter_ > 20, model.score(x[200:], y[200:]) >= before) == (True, True)


@pytest.mark.parametrize(("change", "message"), [
    ({"hidden": (8,)}, r"goes on with the hidden that it began with, \(16,\): \(8,\)"),
    ({"members": 3}, "goes on with the members"), ({"dropout": 0.5}, "goes on with the dropout"),
    ({"class_weight": "balanced"}, "the same in each part: 'balanced'"),
])  # fmt: skip
def test_going_on_with_other_settings_is_refused(change, message):
    x, y = numbers()
    model = TabularClassifier(**QUICK).fit(x, y).set_params(**change)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(x, y)


def test_going_on_with_others_than_before_is_refused():
    x, y = numbers()
    with pytest.raises(ValueError, match="wants all classes in the first call"):
        TabularClassifier(**QUICK).partial_fit(x, y)
    model = TabularClassifier(**QUICK).partial_fit(x, y, classes=["other", "same"])
    with pytest.raises(ValueError, match="wants the classes of the first call"):
        model.partial_fit(x, y, classes=["same"])
    with pytest.raises(ValueError, match=r"the classes that it knows: y has \['new'\]"):
        model.partial_fit(x, np.where(np.arange(len(y)) == 3, "new", y))
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(x[:, :2], y)
    number = TabularRegressor(**QUICK).fit(x, x[:, 0] ** 2 + 1).set_params(loss="gamma")
    with pytest.raises(ValueError, match="goes on with the loss that it began with: loss='gamma'"):
        number.partial_fit(x, x[:, 0] ** 2 + 1)


@pytest.mark.parametrize("kind", [TabularClassifier, NeuralNetClassifier])
def test_a_fit_that_is_refused_leaves_what_was_learned(kind):
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.array(["a", "b", "c"])[np.arange(60) % 3]
    model = kind(random_state=0, epochs=2).fit(x, y)
    before = model.predict_proba(x)
    for rows, targets in ((x, np.full(60, "a")), (np.full((60, 2), np.inf), y)):
        with pytest.raises(ValueError, match=r"two classes or more|infinity"):
            model.fit(rows, targets)
        assert model.classes_.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(model.predict_proba(x), before)
