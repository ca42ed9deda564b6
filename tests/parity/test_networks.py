"""Whole networks take the same 20 steps as PyTorch's: in eager mode, and compiled by both executors."""

import numpy as np
import pytest
from tests.parity.networks import NETWORKS, Library

from clearprop import compile, nn, optim

torch = pytest.importorskip("torch")
OURS = Library(nn, np, np.take_along_axis)
THEIRS = Library(torch.nn, torch, torch.take_along_dim)
STEPS = 20


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request):
    """PyTorch's net before and after its steps: the first state, the losses, first gradients, last state."""
    build, inputs = NETWORKS[request.param]
    torch.manual_seed(3)
    net = build(THEIRS).double()
    start = {name: t.numpy().copy() for name, t in net.state_dict().items()}
    optimizer = torch.optim.AdamW(net.parameters(), 0.01)
    losses, first = [], {}
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = net(*map(torch.from_numpy, inputs))
        loss.backward()
        first = first or {name: p.grad.numpy().copy() for name, p in net.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return build, inputs, start, losses, first, {n: t.numpy() for n, t in net.state_dict().items()}


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"], ids=lambda name: name or "eager")
def test_a_network_takes_pytorchs_steps(trained, executor):
    build, inputs, start, losses, first, last = trained
    net = build(OURS).to(np.float64)
    net.load_state_dict(start)
    optimizer = optim.AdamW(net.parameters(), 0.01)

    def step(*inputs):
        optimizer.zero_grad()
        loss = net(*inputs)
        loss.backward()
        optimizer.step()
        return loss

    run = compile(step, executor=executor) if executor else step
    for i, wanted in enumerate(losses):
        assert float(run(*inputs)) == pytest.approx(wanted, rel=1e-9)
        if i == 0:
            for name, p in net.named_parameters():
                np.testing.assert_allclose(p.grad, first[name], rtol=1e-9, atol=1e-12, err_msg=name)
    found = net.state_dict()

    assert set(found) == set(last)
    for name, wanted in last.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6, atol=1e-9, err_msg=name)
    assert losses[-1] < losses[0]
