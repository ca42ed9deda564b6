"""Measures summed up batch by batch are those of all rows at once; scikit-learn's are known by name."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, train
from clearprop.data import DataLoader, IterableDataset
from clearprop.train.metrics import named
from clearprop.train.streamed import STREAMED

RNG = np.random.default_rng(0)
CLASSES = RNG.normal(size=(103, 4)).astype(np.float32), RNG.integers(0, 3, 103)
NUMBERS = RNG.normal(size=(103, 4)).astype(np.float32), (1e4 + RNG.normal(size=(103, 1))).astype(np.float32)
OF_CLASSES = {"accuracy", "f1", "log_loss"}


def model(outputs):
    clearprop.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs))


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("size", [1, 10, 1000])
def test_sums_are_the_measures_of_all_rows(name, size):
    of_classes = name in OF_CLASSES
    data, loss = (CLASSES, "cross_entropy") if of_classes else (NUMBERS, "mse")
    net = model(3 if of_classes else 1)
    whole = train.evaluate(net, loss, data, [name])
    found = train.evaluate(net, loss, DataLoader(data, size), [name], stream=True)
    assert found == pytest.approx(whole, rel=1e-6)


def test_of_a_stream_one_batch_is_held_at_a_time():
    seen = []

    class Rows(IterableDataset):
        def __iter__(self):
            return zip(*CLASSES, strict=True)

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model(3)

        def forward(self, x):
            seen.append(len(x))
            return self.net(x)

    found = train.evaluate(Watched(), "cross_entropy", DataLoader(Rows(), 10), "accuracy", stream=True)
    assert max(seen) == 10
    assert found["accuracy"] == train.evaluate(model(3), "cross_entropy", CLASSES, "accuracy")["accuracy"]


@pytest.mark.parametrize(
    ("loss", "metrics", "match"),
    [
        ("cross_entropy", ["roc_auc"], "sums up accuracy, f1, .*: 'roc_auc'"),
        (nn.CrossEntropyLoss(reduction="sum"), [], "wants a loss that is the mean over rows"),
        (nn.CrossEntropyLoss(weight=np.ones(3, np.float32)), [], "wants a loss that is the mean over rows"),
    ],
)
def test_what_cannot_be_summed_is_refused(loss, metrics, match):
    with pytest.raises(ValueError, match=match):
        train.evaluate(model(3), loss, CLASSES, metrics, stream=True)


def test_rows_that_the_loss_leaves_out_and_no_rows_are_refused():
    x, y = CLASSES
    with pytest.raises(ValueError, match="-100 among them"):
        train.evaluate(model(3), "cross_entropy", (x, np.where(y == 1, -100, y)), stream=True)
    with pytest.raises(ValueError, match="wants at least one row"):
        train.evaluate(model(3), "cross_entropy", (x[:0], y[:0]), stream=True)


def test_scorers_of_scikit_learn_are_known_by_name():
    measures = pytest.importorskip("sklearn.metrics")
    x, y = CLASSES
    names = ["balanced_accuracy", "matthews_corrcoef", "neg_log_loss", "roc_auc_ovr", "f1_macro"]
    found = train.evaluate(model(3), "cross_entropy", CLASSES, names)
    outputs = train.predict(model(3), x)
    said, shares = outputs.argmax(axis=1), train.predict_proba(model(3), x)
    expected = {
        "balanced_accuracy": measures.balanced_accuracy_score(y, said),
        "matthews_corrcoef": measures.matthews_corrcoef(y, said),
        "neg_log_loss": -measures.log_loss(y, shares),
        "roc_auc_ovr": measures.roc_auc_score(y, shares, multi_class="ovr"),
        "f1_macro": measures.f1_score(y, said, average="macro"),
    }
    assert {name: found[name] for name in names} == pytest.approx(expected)

    two = x, (y > 0).astype(int)
    found = train.evaluate(model(2), "cross_entropy", two, ["average_precision"])
    shares = train.predict_proba(model(2), x)[:, 1]
    assert found["average_precision"] == pytest.approx(measures.average_precision_score(two[1], shares))

    found = train.evaluate(model(1), "mse", NUMBERS, ["neg_median_absolute_error", "explained_variance"])
    outputs, targets = train.predict(model(1), NUMBERS[0]).astype(np.float64), NUMBERS[1].astype(np.float64)
    expected = measures.explained_variance_score(targets, outputs)
    assert found["explained_variance"] == pytest.approx(expected)
    history = train.fit(
        model(3), "cross_entropy", CLASSES, validation=CLASSES, epochs=1, metrics=["f1_macro"], progress=False
    )
    assert "val_f1_macro" in history.names


def test_a_name_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="no metric of that name: 'acuracy'"):
        named(["acuracy"])
