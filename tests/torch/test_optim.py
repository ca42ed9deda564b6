"""Optimizers and schedules of one's own, written with tensors: what they remember, save and set."""

import numpy as np
import pytest

import clearprop.torch as torch


class HeavyBall(torch.optim.Optimizer):
    """w <- w - lr b, b <- 0.9 b + slope, written as programs write it."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["b"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["b"].mul_(0.9).add_(p.grad)
                p.add_(state["b"], alpha=-group["lr"])


def stepped(optimizer, w):
    optimizer.zero_grad()
    (w**2).sum().backward()
    optimizer.step()
    return w.tolist()


@pytest.mark.parametrize(
    "kept",
    [
        lambda: torch.tensor([1.0, -2.0], requires_grad=True),
        lambda: torch.nn.Parameter(torch.tensor([1.0, -2.0])),
    ],
)
def test_an_optimizer_of_ones_own_remembers(kept):
    """Of leaves that no module owns, too: what it knew of them was lost after each step."""
    w = kept()
    optimizer, (x, b) = HeavyBall([w]), (np.array([1.0, -2.0]), 0.0)
    for _ in range(4):
        b = 0.9 * b + 2 * x
        x = x - 0.1 * b

        np.testing.assert_allclose(stepped(optimizer, w), x, rtol=1e-6)
    assert [*optimizer.state] == [w] == optimizer.param_groups[0]["params"]
    assert w in optimizer.state


def test_what_it_remembers_is_saved_and_goes_on():
    w, other = (torch.tensor([1.0, -2.0], requires_grad=True) for _ in "ab")
    first, second = HeavyBall([w]), HeavyBall([other], lr=0.5)
    for _ in range(2):
        stepped(first, w)
    saved = first.state_dict()
    other.data.copy_(w.data)
    second.load_state_dict(saved)

    assert saved["param_groups"][0]["params"] == [0]
    assert second.param_groups[0]["lr"] == 0.1
    second.state[other]["b"] = second.state[other]["b"].clone()
    assert stepped(second, other) == stepped(first, w)
    with pytest.raises(ValueError, match="wants the groups that it has"):
        HeavyBall([w, other]).load_state_dict(saved)


def test_a_schedule_says_its_rates_in_get_lr():
    class Warm(torch.optim.lr_scheduler.LRScheduler):
        def __init__(self, optimizer, steps, last_epoch=-1):
            self.steps = steps
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            return [base * min(1.0, (self.last_epoch + 1) / self.steps) for base in self.base_lrs]

    optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=0.8)
    schedule, found = Warm(optimizer, 4), []
    for _ in range(5):
        found += schedule.get_last_lr()
        optimizer.step()
        schedule.step()

    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])


def test_what_is_checkpointed_has_its_gradients():
    checkpoint = torch.utils.checkpoint
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    x = torch.tensor([[0.5, -1.0]], requires_grad=True)
    found = []
    for run in (
        model,
        lambda x: checkpoint.checkpoint(model, x),
        lambda x: checkpoint.checkpoint_sequential(model, 2, x),
    ):
        x.grad = None
        model.zero_grad()
        run(x).sum().backward()
        found.append([p.grad.numpy() for p in (x, *model.parameters())])
    for other in found[1:]:
        for g, wanted in zip(other, found[0], strict=True):
            np.testing.assert_array_equal(g, wanted)
