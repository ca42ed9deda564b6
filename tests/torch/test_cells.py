"""Memory that tensors share, and what `t.data = new` does to those who showed the old one."""

import clearprop.torch as torch


def test_what_was_there_before_data_was_set_keeps_its_numbers():
    """Weights that are put aside, replaced, and put back: the way of moving averages."""
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    old = w.data
    w.data = torch.tensor([5.0, 6.0])
    assert (old.tolist(), w.tolist()) == ([1.0, 2.0], [5.0, 6.0])

    w.data = old
    old = w.data
    with torch.no_grad():
        w.mul_(3)
    assert w.tolist() == old.tolist() == [3.0, 6.0]


def test_a_model_gets_its_weights_back():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    wanted = [p.tolist() for p in model.parameters()]
    held = {name: p.data for name, p in model.named_parameters()}
    for p in model.parameters():
        p.data = torch.zeros_like(p)
    assert model(torch.ones(1, 2)).item() == 0
    for name, p in model.named_parameters():
        p.data = held[name]

    assert [p.tolist() for p in model.parameters()] == wanted
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert model[1].bias.item() == wanted[3][0] - 0.5


def test_a_view_from_before_has_its_gradient():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    first = w[0]
    w.data = torch.tensor([5.0, 6.0])
    (first * w.sum()).backward()

    assert first.item() == 1.0
    assert w.grad.tolist() == [12.0, 1.0]


def test_a_factor_of_what_is_added_may_be_a_tensor():
    x = torch.ones(2)

    assert x.add(x, alpha=torch.tensor(2.0)).tolist() == [3.0, 3.0]
    assert x.sub_(x, alpha=torch.tensor(2.0)).tolist() == [-1.0, -1.0]
