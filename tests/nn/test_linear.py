"""Linear: the affine map, its start and its errors."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, nn


@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 5, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_pytorch(shape, bias):
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Linear(3, 4, bias).double(), torch.nn.Linear(3, 4, bias).double()
    ours.load_state_dict(theirs.state_dict())
    numbers = np.random.default_rng(0).normal(size=shape)
    x, reference = Tensor(numbers), torch.tensor(numbers, requires_grad=True)

    (ours(x) ** 2).sum().backward()
    (theirs(reference) ** 2).sum().backward()

    np.testing.assert_allclose(x.grad, reference.grad.numpy(), rtol=1e-12, atol=1e-14)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_starts_from_pytorchs_distribution():
    clearprop.manual_seed(0)
    layer = nn.Linear(100, 300)
    bound = 1 / np.sqrt(100)
    for p in layer.parameters():
        assert p.dtype == np.float32
        assert abs(p.value).max() <= bound
        assert abs(p.value).max() > 0.97 * bound
        assert abs(p.value.mean()) < 0.1 * bound
    assert abs(layer.weight.value.std() - bound / np.sqrt(3)) < 0.01 * bound


def test_the_same_seed_gives_the_same_weights():
    def weights(seed):
        clearprop.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).state_dict()

    assert all(np.array_equal(a, b) for a, b in zip(weights(1).values(), weights(1).values(), strict=True))
    assert not np.array_equal(weights(1)["0.weight"], weights(2)["0.weight"])
    assert not np.array_equal(weights(1)["0.weight"][0], weights(1)["1.weight"][0, :3])


def test_data_is_converted_to_the_layers_dtype():
    layer = nn.Linear(2, 1)
    assert layer(np.ones((3, 2))).dtype == np.float32
    assert layer(np.ones((3, 2), np.uint8)).dtype == np.float32
    assert layer([[1.0, 2.0]]).dtype == np.float32
    x = Tensor(np.ones((3, 2)))
    layer(x).sum().backward()
    assert x.grad.dtype == np.float64


def test_the_wrong_number_of_features_names_the_layer_and_the_fix():
    model = nn.Sequential(nn.Linear(20, 32))
    with pytest.raises(ValueError, match="wants 20 features") as caught:
        model(Tensor(np.ones((64, 21), np.float32), name="batch"))
    assert str(caught.value) == (
        "Linear(20, 32)(x): wants 20 features along the last axis of x: x is 'batch' (64, 21) float32.\n"
        "  The weight is '0.weight' (32, 20) float32.\n"
        "  Try Linear(21, 32)."
    )


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="wants in_features as a whole number of 1 or more: 0"):
        nn.Linear(0, 3)
