"""scikit-learn's contract over clearprop: its multilayer perceptrons, and any network as an estimator."""

from clearprop.sklearn.classifier import MLPClassifier
from clearprop.sklearn.network import NeuralNetClassifier, NeuralNetRegressor
from clearprop.sklearn.regressor import MLPRegressor
from clearprop.sklearn.tabular import TabularClassifier, TabularRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "NeuralNetClassifier",
    "NeuralNetRegressor",
    "TabularClassifier",
    "TabularRegressor",
]
