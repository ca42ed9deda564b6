"""Measures of probabilities: the same as scikit-learn's, ties and edges included."""

import numpy as np
import pytest

from clearprop.train import measures


def cases():
    rng = np.random.default_rng(0)
    for rows in (2, 5, 50, 400):
        positive = rng.uniform(size=rows) < 0.3
        positive[:2] = True, False
        for scores in (
            rng.normal(size=rows) + positive,
            rng.integers(0, 3, rows).astype(float),
            np.zeros(rows),
        ):
            yield scores, positive


@pytest.mark.parametrize(("scores", "positive"), [*cases()])
def test_ranks_are_those_of_scikit_learn(scores, positive):
    peers = pytest.importorskip("sklearn.metrics")
    np.testing.assert_allclose(measures.roc_auc(scores, positive), peers.roc_auc_score(positive, scores))
    wanted = peers.average_precision_score(positive, scores)
    np.testing.assert_allclose(measures.average_precision(scores, positive), wanted)


@pytest.mark.parametrize(("scores", "positive"), [*cases()])
def test_no_threshold_has_a_higher_f1(scores, positive):
    shares = 1 / (1 + np.exp(-scores))

    def f1_at(threshold):
        said = shares >= threshold
        return 2 * (said & positive).sum() / (said.sum() + positive.sum())

    best = f1_at(measures.best_threshold(shares, positive))
    assert best == max(f1_at(t) for t in shares)


def test_probabilities_are_measured_as_scikit_learn_does():
    peers = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    shares, classes = rng.dirichlet(np.ones(3), 60), rng.integers(0, 3, 60)
    counts = peers.confusion_matrix(classes, shares.argmax(1))

    np.testing.assert_allclose(measures.log_loss(shares, classes), peers.log_loss(classes, shares))
    np.testing.assert_allclose(measures.f1(counts), peers.f1_score(classes, shares.argmax(1), average=None))
    two = shares[:, :2] / shares[:, :2].sum(1, keepdims=True)
    half = measures.brier(two, classes % 2) / 2
    np.testing.assert_allclose(half, peers.brier_score_loss(classes % 2, two[:, 1]))


@pytest.mark.parametrize("found", [measures.roc_auc, measures.average_precision])
def test_what_cannot_be_ranked(found):
    assert np.isnan(found(np.array([1.0, 2.0]), np.array([False, False])))
    with pytest.raises(ValueError, match="a score, not NaN"):
        found(np.array([1.0, np.nan]), np.array([False, True]))
    with pytest.raises(ValueError, match="a score, not NaN"):
        found(np.ones(2), np.ones(3, bool))
    assert measures.best_threshold(np.array([0.3]), np.array([False])) == 0.5


@pytest.mark.parametrize("heat", [0.5, 1.0, 4.0])
def test_the_temperature_that_was_is_found(heat):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5000, 4)) * 2
    classes = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    assert measures.temperature(heat * logits, classes) == pytest.approx(heat, rel=0.1)


def test_reliability_counts_every_row_once():
    shares = np.array([0.0, 0.1, 0.999, 1.0])
    said, was, rows = measures.reliability(shares, np.array([0, 1, 1, 1]), 10)
    assert rows.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert was[[0, 1, 9]].tolist() == [0, 1, 1]
    assert np.isnan(said[2])
