"""clearprop: eager, and compiled for each executor."""

from __future__ import annotations

from typing import Any

import clearprop
from clearprop import nn, optim
from peers.rows import RATE, Contender, Row


def build(row: Row, how: str) -> Contender:
    """Return the step and its batches."""
    return model_and_step(row, how)[1:]


def model_and_step(row: Row, how: str) -> tuple[Any, Any, Any]:
    """Return the model, the step and its batches."""
    layers: list[Any] = []
    for a, b in zip(row.sizes, row.sizes[1:], strict=False):
        layers += [nn.Linear(a, b), nn.Tanh() if row.activation == "tanh" else nn.ReLU()]
        layers += [nn.Dropout(row.dropout)] if row.dropout else []
    model = nn.Sequential(*layers[: -2 if row.dropout else -1])
    data = row.data()

    def compiled(function: Any) -> Any:
        return function if how == "eager" else clearprop.compile(function, executor=how)

    if not row.training:

        def predict(x: Any) -> Any:
            with clearprop.no_grad():
                return model(x)

        return model, compiled(predict), [(x,) for x, _ in data]
    losses = {"mse": nn.MSELoss, "classes": nn.CrossEntropyLoss, "logistic": nn.BCEWithLogitsLoss}
    loss_of = losses[row.loss]()
    optimizer = (optim.Adam if row.optimizer == "adam" else optim.SGD)(model.parameters(), lr=RATE)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return model, compiled(step), data
