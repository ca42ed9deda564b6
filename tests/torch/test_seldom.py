"""What few programs call: gradients that PyTorch does not have are those of differences."""

import numpy as np
import pytest

import clearprop.torch as torch

pytest.importorskip("scipy")

KINDS = ["chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w", "hermite_polynomial_h"]


@pytest.mark.parametrize("name", KINDS)
def test_slopes_of_polynomials(name):
    f = getattr(torch.special, name)
    x = torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True)
    f(x, torch.tensor([3, 4])).sum().backward()
    after, before = (f(x.detach() + h, torch.tensor([3, 4])) for h in (1e-6, -1e-6))

    np.testing.assert_allclose(x.grad.numpy(), ((after - before) / 2e-6).numpy(), rtol=1e-7)


def test_slopes_of_airys_and_bessels_functions():
    """Ai'' = x Ai, J0' = -J1, and the slope of sin(x) / x."""
    x = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    s = torch.special
    (first,) = torch.autograd.grad(s.airy_ai(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    slopes = [torch.autograd.grad(f(x), x)[0].item() for f in (s.bessel_j0, s.spherical_bessel_j0)]

    assert second.item() == pytest.approx((x * s.airy_ai(x)).item(), rel=1e-12)
    assert slopes[0] == pytest.approx(-s.bessel_j1(x).item(), rel=1e-12)
    assert slopes[1] == pytest.approx(np.cos(0.7) / 0.7 - np.sin(0.7) / 0.49, rel=1e-12)


def test_the_mantissa_of_the_smallest_number_is_a_half():
    mantissa, exponent = torch.frexp(torch.tensor([5e-324, -3.0], dtype=torch.float64))

    assert mantissa.tolist() == [0.5, -0.75]
    assert exponent.tolist() == [-1073, 2]
