"""What a function is given decides: a generator, the kind of a convolution, when a hook is called."""

import numpy as np
import pytest

import clearprop.torch as torch


@pytest.mark.parametrize("name", ["uniform_", "normal_", "xavier_uniform_", "kaiming_normal_", "orthogonal_"])
def test_an_initialiser_draws_from_the_generator_that_it_is_given(name):
    draw = getattr(torch.nn.init, name)
    before = torch.get_rng_state()
    one, like_it = (torch.Generator().manual_seed(3) for _ in range(2))

    first, second, third = (draw(torch.empty(4, 3), generator=g).numpy() for g in (one, one, like_it))

    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(torch.get_rng_state().numpy(), before.numpy())


@pytest.mark.parametrize("outputs", [2, 3])
def test_a_transposed_convolution_is_fused_along_its_outputs(outputs):
    torch.manual_seed(0)
    layer, norm = torch.nn.ConvTranspose2d(3, outputs, 2).eval(), torch.nn.BatchNorm2d(outputs).eval()
    norm.load_state_dict({
        "weight": torch.linspace(0.5, 2.0, outputs), "bias": torch.linspace(-1.0, 1.0, outputs),
        "running_mean": torch.linspace(-2.0, 1.0, outputs), "running_var": torch.linspace(0.5, 4.0, outputs),
        "num_batches_tracked": torch.tensor(1),
    })  # fmt: skip
    x = torch.randn(2, 3, 4, 4)

    fused = torch.nn.utils.fuse_conv_bn_eval(layer, norm, transpose=True)

    np.testing.assert_allclose(fused(x).detach().numpy(), norm(layer(x)).detach().numpy(), atol=1e-6)


def test_a_hook_after_a_forward_that_raises_is_refused():
    with pytest.raises(NotImplementedError, match=r"(?s)always_call=True.*given\.py.*Try try:"):
        torch.nn.Linear(2, 1).register_forward_hook(lambda m, x, z: None, always_call=True)


class Shares(torch.autograd.Function):
    """Shares of the whole, whose sum is always 1: a rule of zeros is wrong, and not by that sum."""

    @staticmethod
    def forward(ctx, x):
        return torch.softmax(x, -1)

    @staticmethod
    def backward(ctx, g):
        return g * 0


def test_a_check_looks_at_each_output_and_not_at_their_sum():
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda x: torch.softmax(x, -1), (x,))
    assert torch.autograd.gradcheck(lambda x: (x * x, torch.sum(x)), x)
    assert not torch.autograd.gradcheck(Shares.apply, (x,), raise_exception=False)
    with pytest.raises(RuntimeError, match="3 compared, 3 of them wrong"):
        torch.autograd.gradcheck(Shares.apply, (x,))


def test_whole_numbers_as_floats_may_need_a_gradient():
    assert torch.randint(3, (2,), dtype=torch.float32, requires_grad=True).requires_grad
