"""`MLPClassifier`: scikit-learn's, over clearprop."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin  # type: ignore[import-untyped]
from sklearn.preprocessing import LabelBinarizer  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets, type_of_target  # type: ignore[import-untyped]
from sklearn.utils.validation import column_or_1d  # type: ignore[import-untyped]

from clearprop.errors import lesson
from clearprop.nn import functional
from clearprop.sklearn import bounds, naming
from clearprop.sklearn.chain import Measure
from clearprop.sklearn.perceptron import Perceptron

Array = npt.NDArray[Any]


def of_one_class(outputs: Any, y: Any) -> tuple[Any, Any]:
    """Return the loss of each row, - log p of its class, and its derivative p - y."""
    logarithms = functional.log_softmax(outputs, dim=1)
    return -(logarithms * y).sum(axis=1), np.exp(logarithms) - y


def of_labels(outputs: Any, y: Any) -> tuple[Any, Any]:
    """Return the loss of each row, the sum of - log p of its labels, and its derivative p - y."""
    losses = (functional.softplus(outputs) - outputs * y).sum(axis=1)
    return losses, functional.sigmoid(outputs) - y


class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """A multilayer perceptron for classes, with the parameters and attributes of scikit-learn's.

    Two classes have one logistic output, more have one each under a softmax; rows of several labels have a
    logistic output for each. Raises what scikit-learn's contract asks for.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), solver="lbfgs", random_state=0, max_iter=300).fit(x, y)
    >>> bool(model.score(x, y) > 0.95), model.predict_proba(x).shape
    (True, (150, 3))
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Learn from rows and their classes; with `warm_start` go on from where the last fit stopped."""
        self._fit(X, y, sample_weight, bounds.goes_on(self), None)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Take one more epoch, over these rows; the first call has to name all `classes`."""
        if self.solver == "lbfgs" or self.early_stopping:
            wanted = "wants solver sgd or adam, without early_stopping"
            raise AttributeError(lesson("MLPClassifier.partial_fit", wanted, repr(self.solver)))
        with naming.named(self, classes):
            self._fit(X, y, sample_weight, True, 1)
        return self

    def _targets(self, y: Any, fresh: bool) -> tuple[Array, int]:
        check_classification_targets(y)
        several = type_of_target(y).startswith("multilabel")
        if not several:
            y = column_or_1d(y, warn=True)
        if fresh:
            known = self.__dict__.pop("_known", None)
            labels = y if several or known is None else known
            self._several, self._binarizer = several, LabelBinarizer().fit(labels)
            self.classes_: Any = self._binarizer.classes_ if known is None else known
            if len(self.classes_) < 2 and not several:
                got = f"one class: {self.classes_[0]!r}"
                raise ValueError(lesson("MLPClassifier", "wants two classes or more", got))
            self.out_activation_ = "softmax" if len(self.classes_) > 2 and not several else "logistic"
        elif several is not self._several:
            kinds = "one class for each row", "several labels for each row"
            wanted, got = f"goes on with {kinds[self._several]}", kinds[several]
            raise ValueError(lesson("MLPClassifier", wanted, got, hint="warm_start=False"))
        if several:
            if y.shape[1] != len(self.classes_):
                wanted, got = (
                    f"wants a column for each of {len(self.classes_)} classes",
                    f"{y.shape[1]} columns",
                )
                raise ValueError(lesson("MLPClassifier", wanted, got))
        elif (new := np.setdiff1d(y, self.classes_)).size:
            wanted = "wants the classes that it knows"
            raise ValueError(lesson("MLPClassifier", wanted, f"y has {new.tolist()}"))
        targets = np.asarray(self._binarizer.transform(y), np.float64)
        return targets, targets.shape[1]

    def _measure(self) -> Measure:
        return of_one_class if self.out_activation_ == "softmax" else of_labels

    def _strata(self, y: Array) -> Any:
        return y if y.shape[1] == 1 else None

    def _score_of(self, outputs: Array, y: Array, weights: Array | None) -> float:
        right = self._decided(outputs) == self._binarizer.inverse_transform(y)
        return float(np.average(right if right.ndim == 1 else right.all(axis=1), weights=weights))

    def _decided(self, outputs: Array) -> Any:
        if self.out_activation_ == "softmax":
            return self.classes_[outputs.argmax(axis=1)]
        if self._several:
            return (outputs > 0).astype(int)
        return self.classes_[(outputs[:, 0] > 0).astype(int)]

    def predict(self, X: Any) -> Any:
        """Return the class of each row."""
        return self._decided(self._answers(X))

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, of shape (rows, classes)."""
        outputs = self._answers(X)
        if self.out_activation_ == "softmax":
            powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        shares = 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))
        return shares if self._several else np.column_stack([1 - shares[:, 0], shares[:, 0]])

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the probabilities."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
