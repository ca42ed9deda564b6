"""Making tensors: of the arguments of a compiled step, and by turning them in place."""

import numpy as np
import pytest

import clearprop
import clearprop.torch as torch
from clearprop.torch.answering import answering
from clearprop.torch.names import FUNCTIONS

ONE, OTHER = np.array([1.0, 2.0], np.float32), np.array([3.0, -2.0], np.float32)


def made(x):
    """All ways from an array to a tensor, each with a factor of its own."""
    ways = torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy, torch.Tensor
    return sum((way(x) * 10.0**i).sum() for i, way in enumerate(ways)).node


def converted(x):
    return (torch.tensor(x, dtype=torch.float64) + torch.from_numpy(x).double() * 10).sum().node


@pytest.mark.parametrize(("step", "factor"), [(made, 11111), (converted, 11)])
def test_arguments_of_a_compiled_step_become_tensors(step, factor):
    compiled = clearprop.compile(step, prove="always", executor="numpy")
    for x in (ONE, OTHER, ONE):
        found = compiled(x)

        assert found.item() == factor * x.sum()
        assert found.dtype == step(x).dtype


def test_a_training_step_of_tensors_is_compiled():
    def trained(compile):
        model = torch.nn.Linear(2, 1)
        model.load_state_dict({"weight": torch.tensor([[0.5, -1.0]]), "bias": torch.zeros(1)})
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(x):
            loss = model(torch.from_numpy(x)).pow(2).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.node

        step = compile(step)
        return [step(x).item() for x in (ONE, OTHER, ONE)]

    found = trained(lambda step: clearprop.compile(step, executor="numpy"))

    np.testing.assert_allclose(found, trained(lambda step: step), rtol=1e-6)


def test_a_function_may_be_called_for_the_first_time_in_a_step():
    """What it learns of its arguments is not taken for something that the step does."""
    cosh = answering("torch.cosh", FUNCTIONS["cosh"], 1)
    compiled = clearprop.compile(lambda x: cosh(torch.from_numpy(x)).sum().node, executor="numpy")

    np.testing.assert_allclose(
        [compiled(x).item() for x in (ONE, OTHER)], [np.cosh(x).sum() for x in (ONE, OTHER)], rtol=1e-6
    )


def test_views_and_results_are_turned_in_place():
    x = torch.arange(6.0)
    rows = x.view(2, 3)
    assert rows.t_() is rows
    rows.unsqueeze_(0).squeeze_(0)[0, 1] = 9.0
    w = torch.ones(2, 3, requires_grad=True)
    y = w * 2
    y.t_().mul_(torch.tensor([1.0, 10.0]))
    y.sum().backward()

    assert rows.shape == (3, 2)
    assert x.tolist() == [0, 1, 2, 9, 4, 5]
    assert w.grad.tolist() == [[2.0] * 3, [20.0] * 3]
    with pytest.raises(RuntimeError, match="a leaf that requires grad"):
        w.t_()
