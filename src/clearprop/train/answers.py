"""Outputs of a network as what an estimator of scikit-learn answers, for its scorers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped]

from clearprop.train.measures import softmax

Array = npt.NDArray[Any]


class Answers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Says of outputs that they are the predictions."""

    def fit(self, x: Any, y: Any = None) -> Answers:
        """Learn nothing."""
        return self

    def predict(self, x: Array) -> Array:
        """Return the outputs."""
        return x

    def __sklearn_is_fitted__(self) -> bool:
        return True


class ClassAnswers(ClassifierMixin, Answers):  # type: ignore[misc]
    """Says of outputs (n, classes) which class has the largest, and the probabilities."""

    def __init__(self, classes: int = 2) -> None:
        self.classes = classes

    @property
    def classes_(self) -> Array:
        """The classes, from 0."""
        return np.arange(self.classes)

    def predict(self, x: Array) -> Array:
        """Return each row's class."""
        return np.asarray(x.argmax(axis=1))

    def predict_proba(self, x: Array) -> Array:
        """Return softmax of the outputs."""
        return softmax(np.asarray(x, np.float64))


def answers(outputs: Array, targets: Array) -> Answers:
    """Return what stands for a network whose outputs are rows of classes, or numbers."""
    if np.asarray(targets).dtype.kind in "iu" and outputs.ndim == 2 and targets.ndim == 1:
        return ClassAnswers(outputs.shape[1])
    return Answers()
