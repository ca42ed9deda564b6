"""A fit whose loss became NaN can be handed to the doctor."""

from __future__ import annotations

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, train


def test_the_doctor_finds_the_rate_that_made_the_loss_nan():
    clearprop.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = optim.SGD(model.parameters(), lr=1e25)

    with pytest.raises(train.NonFiniteLossError) as caught:
        train.fit(model, nn.MSELoss(), (x, x[:, :1]), epochs=5, optimizer=optimizer, progress=False)

    assert "learning rate too high" in caught.value.examine().names
