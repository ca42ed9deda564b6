"""scikit-learn's own networks, one partial_fit per step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor

from peers.rows import RATE, Row


def build(row: Row, how: str) -> Callable[[int], Any]:
    """Return what does step i."""
    data = row.data()
    if row.loss == "logistic":
        model: Any = SGDClassifier(loss="log_loss", alpha=0.0, learning_rate="constant", eta0=RATE)
        return lambda i: model.partial_fit(data[i][0], data[i][1].ravel(), classes=[0, 1])
    options = {
        "hidden_layer_sizes": row.sizes[1:-1],
        "learning_rate_init": RATE,
        "alpha": 0.0,
        "batch_size": row.batch,
    }
    if row.loss == "mse":
        model = MLPRegressor(**options)
        return lambda i: model.partial_fit(data[i][0], data[i][1].ravel())
    model = MLPClassifier(**options)
    classes = np.arange(row.sizes[-1])
    return lambda i: model.partial_fit(data[i][0], data[i][1], classes=classes)
