"""A model that averages another: values by hand, in compiled steps too, and what it refuses."""

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, train
from clearprop.compiler.step import available_executors
from clearprop.record import assign


def weights(*values):
    """Yield a layer that has one weight after the other."""
    layer = nn.Linear(1, 1, bias=False)
    for w in values:
        assign(layer.weight, np.full((1, 1), w, np.float32))
        yield layer


MEANS = {
    "mean": ({}, [0.1, 1.05, 2.7]),
    "ema": ({"avg_fn": train.get_ema_avg_fn(0.5)}, [0.1, 1.05, 3.525]),
    "lists": ({"multi_avg_fn": train.get_ema_multi_avg_fn(0.5)}, [0.1, 1.05, 3.525]),
}


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize("executor", ["", *available_executors()], ids=lambda name: name or "eager")
def test_each_update_takes_the_weights_into_the_average(name, executor):
    options, wanted = MEANS[name]
    layer = nn.Linear(1, 1, bias=False)
    mean = train.AveragedModel(layer, **options)
    update = lambda: mean.update_parameters(layer)  # noqa: E731
    update = clearprop.compile(update, executor=executor, prove="always") if executor else update
    for count, w in enumerate((0.1, 2.0, 6.0)):
        assign(layer.weight, np.full((1, 1), w, np.float32))
        update()
        assert mean.n_averaged.value == count + 1
        assert mean.module.weight.dtype == np.float32
        assert mean.module.weight.item() == pytest.approx(wanted[count], rel=1e-6)
        if count == 0:
            assert mean.module.weight.item() == layer.weight.item()  # a copy, to the last bit
    x = np.ones((2, 1), np.float32)
    np.testing.assert_allclose(mean(x).value, np.full((2, 1), wanted[-1]), rtol=1e-6)


def test_the_model_it_copied_goes_its_own_way():
    layer = nn.Linear(2, 1)
    mean = train.AveragedModel(layer)
    before = layer.weight.value.copy()
    mean.update_parameters(layer)
    assign(mean.module.weight, np.zeros((1, 2), np.float32))

    np.testing.assert_array_equal(layer.weight.value, before)
    assert list(mean.state_dict()) == ["n_averaged", "module.weight", "module.bias"]


def test_a_saved_average_goes_on():
    first, again = (train.AveragedModel(nn.Linear(1, 1, bias=False)) for _ in range(2))
    for layer in weights(1.0, 2.0):
        first.update_parameters(layer)
    again.load_state_dict(first.state_dict())
    for layer in weights(9.0):
        again.update_parameters(layer)

    assert again.module.weight.item() == 4.0


def test_another_model_is_refused_and_nothing_changed():
    mean = train.AveragedModel(nn.Linear(2, 1))
    before = mean.module.weight.value.copy()
    with pytest.raises(ValueError, match=r"(?s)wants a model like the one it copied.*Nothing was changed"):
        mean.update_parameters(nn.Linear(3, 1))
    with pytest.raises(ValueError, match="wants a model like the one it copied"):
        mean.update_parameters(nn.Linear(2, 1, bias=False))

    np.testing.assert_array_equal(mean.module.weight.value, before)
    assert mean.n_averaged.value == 0


@pytest.mark.parametrize("make", [train.get_ema_avg_fn, train.get_ema_multi_avg_fn])
@pytest.mark.parametrize("decay", [1.5, -0.1, "0.9", float("nan")])
def test_a_decay_is_a_share(make, decay):
    with pytest.raises(ValueError, match="wants a number from 0 to 1"):
        make(decay)


def test_a_device_is_left_out():
    with pytest.raises(TypeError, match="leaving it out"):
        train.AveragedModel(nn.Linear(1, 1), device="cpu")


def test_statistics_are_those_of_all_batches():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.BatchNorm1d(2, momentum=0.3)).eval()
    batches = [np.arange(8.0).reshape(4, 2), np.arange(8.0).reshape(4, 2) ** 2]
    model.to(np.float64)
    model(batches[0])
    model[0].train()
    train.update_bn(((x, "a class") for x in batches), model)

    np.testing.assert_allclose(model[0].running_mean.value, np.mean([x.mean(0) for x in batches], 0))
    wanted = np.mean([x.var(0, ddof=1) for x in batches], 0)
    np.testing.assert_allclose(model[0].running_var.value, wanted)
    assert (model[0].momentum, model[2].momentum) == (0.1, 0.3)
    assert (model.training, model[0].training, model[1].training) == (False, True, False)


def test_what_a_batch_raises_leaves_modes_as_they_were():
    model = nn.Sequential(nn.BatchNorm1d(2)).eval()
    with pytest.raises(ValueError, match="wants 2 or 3 axes"):
        train.update_bn([np.ones(3)], model)

    assert not model.training
    assert model[0].momentum == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"swa_lr": [0.1, 0.2]}, "wants a number, or 1"),
        ({"swa_lr": -1.0}, "finite number of 0 or more"),
        ({"swa_lr": 0.1, "anneal_epochs": -1}, "whole number of 0 or more"),
        ({"swa_lr": 0.1, "anneal_strategy": "step"}, "wants 'cos' or 'linear': 'step'"),
    ],
)
def test_a_rate_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        optim.SWALR(optim.SGD(nn.Linear(1, 1).parameters(), 0.1), **options)


def test_a_saved_schedule_goes_on():
    def made():
        optimizer = optim.SGD(nn.Linear(1, 1).parameters(), 1.0)
        return optim.ExponentialLR(optimizer, 0.8), optim.SWALR(optimizer, 0.05, anneal_epochs=6)

    (first, then), (_, again) = made(), made()
    first.step()
    for _ in range(3):
        then.step()
    again.load_state_dict(then.state_dict())
    for _ in range(5):
        then.step()
        again.step()
        assert again.get_last_lr() == pytest.approx(then.get_last_lr(), rel=1e-14)
    assert then.get_last_lr() == [0.05]
