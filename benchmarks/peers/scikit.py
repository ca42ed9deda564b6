"""scikit-learn's own networks, one partial_fit per step."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

from peers.rows import RATE, Contender, Row


def build(row: Row, how: str) -> Contender:
    """Return the step and its batches."""
    data = row.data()
    if row.loss == "logistic":
        model: Any = SGDClassifier(loss="log_loss", alpha=0.0, learning_rate="constant", eta0=RATE)
        return lambda x, y: model.partial_fit(x, y, classes=[0, 1]), [(x, y.ravel()) for x, y in data]
    options = {
        "hidden_layer_sizes": row.sizes[1:-1],
        "learning_rate_init": RATE,
        "alpha": 0.0,
        "batch_size": row.batch,
    }
    if row.loss == "mse":
        model = MLPRegressor(**options)
        return model.partial_fit, [(x, y.ravel()) for x, y in data]
    model = MLPClassifier(**options)
    classes = np.arange(row.sizes[-1])
    return lambda x, y: model.partial_fit(x, y, classes=classes), data
