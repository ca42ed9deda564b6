"""Whole networks trained beside PyTorch's: after 30 steps every weight is the same to rounding."""

from itertools import pairwise

import numpy as np
import pytest

from clearprop import nn, optim

ACTIVATIONS = ["ReLU", "Tanh", "Sigmoid", "SiLU", "ELU", "Softplus"]


@pytest.mark.parametrize("seed", range(8))
def test_networks_learn_as_pytorchs_do(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, size=rng.integers(3, 6)).tolist()
    name = str(rng.choice(ACTIVATIONS))

    def network(module):
        pairs = pairwise(sizes)
        layers = [part for i, o in pairs for part in (module.Linear(i, o), getattr(module, name)())]
        return module.Sequential(*layers[:-1]).double()

    ours, theirs = network(nn), network(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    x, y = rng.normal(size=(7, sizes[0])), rng.integers(sizes[-1], size=7)
    mine = ours, optim.AdamW(ours.parameters(), lr=0.01), nn.CrossEntropyLoss(), x, y
    other = (
        theirs,
        torch.optim.AdamW(theirs.parameters(), lr=0.01),
        torch.nn.CrossEntropyLoss(),
        torch.tensor(x),
        torch.tensor(y),
    )
    for _ in range(30):
        for model, optimizer, loss_of, inputs, labels in (mine, other):
            optimizer.zero_grad()
            loss_of(model(inputs), labels).backward()
            optimizer.step()

    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=0, atol=1e-12)
