"""Metrics agree with scikit-learn's and refuse shapes that do not belong together."""

import numpy as np
import pytest

from clearprop.train import accuracy, mae, r2, rmse
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
