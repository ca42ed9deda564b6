"""Averages of a model over its training, and the learning rate meanwhile, are PyTorch's."""

import numpy as np
import pytest

from clearprop import Tensor, compile, nn, optim, train

torch = pytest.importorskip("torch")
from torch.optim import swa_utils  # noqa: E402

X = np.sin(np.arange(12.0)).reshape(4, 3)


def net(nn):
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))


MEANS = {
    "mean": lambda space: {},
    "own": lambda space: {"avg_fn": lambda a, b, n: a + (b - a) / (n + 2)},
    "ema": lambda space: {"avg_fn": space.get_ema_avg_fn(0.8)},
    "ema at once": lambda space: {"multi_avg_fn": space.get_ema_multi_avg_fn(0.8), "use_buffers": True},
    # PyTorch's own for lists of doubles divides by a count of float32.
    "swa at once": lambda space: {"multi_avg_fn": train.get_swa_multi_avg_fn()} if space is train else {},
}


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"], ids=lambda name: name or "eager")
@pytest.mark.parametrize("name", MEANS)
def test_an_average_is_pytorchs(name, executor):
    theirs, ours = net(torch.nn).double(), net(nn).to(np.float64)
    ours.load_state_dict({k: t.numpy().copy() for k, t in theirs.state_dict().items()})
    mean = swa_utils.AveragedModel(theirs, **MEANS[name](swa_utils))
    own = train.AveragedModel(ours, **MEANS[name](train))
    sgd, other = optim.SGD(ours.parameters(), 0.1), torch.optim.SGD(theirs.parameters(), 0.1)

    def step(x):
        sgd.zero_grad()
        (ours(x) ** 2).mean().backward()
        sgd.step()
        own.update_parameters(ours)

    run = compile(step, executor=executor) if executor else step
    for i in range(6):
        run(X + i)
        other.zero_grad()
        (theirs(torch.from_numpy(X + i)) ** 2).mean().backward()
        other.step()
        mean.update_parameters(theirs)
        wanted, found = mean.state_dict(), own.state_dict()
        assert list(found) == list(wanted)
        for key, t in wanted.items():
            assert found[key].dtype == t.numpy().dtype
            if own.use_buffers and "num" in key:  # PyTorch averages whole numbers too, and rounds down
                continue
            np.testing.assert_allclose(found[key], t.numpy(), rtol=1e-9, atol=1e-12, err_msg=key)
    swa_utils.update_bn([torch.from_numpy(X), torch.from_numpy(X + 1)], mean)
    train.update_bn([X, X + 1], own)
    wanted = mean.eval()(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(own.eval()(X).value, wanted, rtol=1e-9)


OPTIONS = [
    {},
    {"anneal_epochs": 3, "anneal_strategy": "linear"},
    {"anneal_epochs": 0},
    {"anneal_epochs": 1},
]


@pytest.mark.parametrize("executor", ["", "numpy", "llvm"], ids=lambda name: name or "eager")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_rate_goes_on_from_where_another_schedule_left_it(options, executor):
    p, q = [Tensor([1.0]), Tensor([1.0])], [torch.ones(1, dtype=torch.float64) for _ in range(2)]
    ours, theirs = (
        m.SGD([{"params": [a], "lr": lr} for a, lr in zip(leaves, (1.0, 0.3), strict=True)], lr=1.0)
        for m, leaves in ((optim, p), (torch.optim, q))
    )
    first = optim.ExponentialLR(ours, 0.8), torch.optim.lr_scheduler.ExponentialLR(theirs, 0.8)
    then = optim.SWALR(ours, [0.05, 0.5], **options), swa_utils.SWALR(theirs, [0.05, 0.5], **options)

    def averaging():
        ours.step()
        then[0].step()

    run = compile(averaging, executor=executor) if executor else averaging
    for i in range(14):
        for a, b in zip(p, q, strict=True):
            a.grad, b.grad = np.ones(1), torch.ones(1, dtype=torch.float64)
        theirs.step()
        if i < 4:
            ours.step()
            first[0].step()
        else:
            run()
        (first if i < 4 else then)[1].step()
        if i == 9:
            ours.param_groups[1]["lr"] = theirs.param_groups[1]["lr"] = 0.7
        wanted = [group["lr"] for group in theirs.param_groups]
        np.testing.assert_allclose([group["lr"] for group in ours.param_groups], wanted, rtol=1e-12)
    for a, b in zip(p, q, strict=True):
        np.testing.assert_allclose(a.value, b.numpy(), rtol=1e-12)
