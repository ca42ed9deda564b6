"""scikit-learn's contract over clearprop: its multilayer perceptrons, and any network as an estimator."""

from clearprop.sklearn.classifier import MLPClassifier
from clearprop.sklearn.network import NeuralNetClassifier, NeuralNetRegressor
from clearprop.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "NeuralNetClassifier", "NeuralNetRegressor"]
