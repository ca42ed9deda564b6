"""PyTorch: eager, eager with the fused optimizer, and torch.compile."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from peers.rows import RATE, Contender, Row


def build(row: Row, how: str) -> Contender:
    """Return the step and its batches."""
    layers: list[Any] = []
    for a, b in zip(row.sizes, row.sizes[1:], strict=False):
        layers += [nn.Linear(a, b), nn.Tanh() if row.activation == "tanh" else nn.ReLU()]
        layers += [nn.Dropout(row.dropout)] if row.dropout else []
    model = nn.Sequential(*layers[: -2 if row.dropout else -1])
    data = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in row.data()]
    if not row.training:
        call = torch.compile(model) if how == "compile" else model

        def predict(x: Any) -> Any:
            with torch.inference_mode():
                return call(x)

        return predict, [(x,) for x, _ in data]
    losses = {"mse": nn.MSELoss, "classes": nn.CrossEntropyLoss, "logistic": nn.BCEWithLogitsLoss}
    loss_of = losses[row.loss]()
    options = {} if how == "eager" else {"fused": True}
    optimizer = (torch.optim.Adam if row.optimizer == "adam" else torch.optim.SGD)(
        model.parameters(), lr=RATE, **options
    )

    def forward(x: Any, y: Any) -> Any:
        return loss_of(model(x), y)

    call = torch.compile(forward) if how == "compile" else forward

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = call(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return step, data
