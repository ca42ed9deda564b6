"""scikit-learn's multilayer perceptrons over clearprop: the same parameters, attributes and contract."""

from clearprop.sklearn.classifier import MLPClassifier
from clearprop.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
