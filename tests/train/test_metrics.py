"""Metrics agree with scikit-learn's and refuse shapes that do not belong together."""

import numpy as np
import pytest

from clearprop.train import accuracy, mae, metrics, r2, rmse
from clearprop.train.metrics import named


def test_they_agree_with_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    outputs, targets = generator.normal(size=(50, 1)), generator.normal(size=(50, 1))
    scores, kinds = generator.normal(size=(50, 3)), generator.integers(0, 3, 50)

    assert accuracy(scores, kinds) == reference.accuracy_score(kinds, scores.argmax(1))
    assert mae(outputs, targets) == pytest.approx(reference.mean_absolute_error(targets, outputs))
    assert rmse(outputs, targets) == pytest.approx(reference.root_mean_squared_error(targets, outputs))
    assert r2(outputs, targets) == pytest.approx(reference.r2_score(targets, outputs))


def test_equal_targets_have_no_variance_to_explain():
    assert np.isnan(r2(np.ones(3), np.ones(3)))


def test_shapes_that_would_broadcast_are_refused():
    for metric in (mae, rmse, r2):
        with pytest.raises(ValueError, match=r"wants outputs and targets of one shape: \(3, 1\) and \(3,\)"):
            metric(np.ones((3, 1)), np.ones(3))
    with pytest.raises(ValueError, match=r"wants outputs \(n, classes\) and targets \(n,\)"):
        accuracy(np.ones((3, 1)), np.ones((3, 1)))


def test_metrics_are_found_by_name_or_taken_as_functions():
    def worst(outputs, targets):
        return float(np.abs(outputs - targets).max())

    assert named(["mae", worst]) == {"mae": mae, "worst": worst}
    assert named("mae") == {"mae": mae}


@pytest.mark.parametrize("classes", [2, 4])
def test_f1_and_log_loss_are_scikit_learns(classes):
    of = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(60, classes)), rng.integers(0, classes, 60)
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    average = "binary" if classes == 2 else "macro"

    assert metrics.f1(outputs, targets) == pytest.approx(
        of.f1_score(targets, outputs.argmax(1), average=average)
    )
    assert metrics.log_loss(outputs, targets) == pytest.approx(of.log_loss(targets, shares))
    if classes == 2:
        assert metrics.roc_auc(outputs, targets) == pytest.approx(of.roc_auc_score(targets, shares[:, 1]))


def test_roc_auc_is_of_two_classes():
    with pytest.raises(ValueError, match=r"roc_auc: wants outputs \(n, 2\) and targets \(n,\)"):
        metrics.roc_auc(np.zeros((3, 4)), np.zeros(3))
