"""Clipping: equal to PyTorch's, and `.grad` is bound anew, never written into."""

import numpy as np
import pytest

from clearprop import GradientError, Tensor
from clearprop.optim import clip_grad_norm_, clip_grad_value_


def params(dtype=np.float32):
    rng = np.random.default_rng(0)
    found = [Tensor(np.zeros(s, dtype)) for s in ((3, 2), (4,), (2,))]
    for p in found[:2]:
        p.grad = (3 * rng.normal(size=p.shape)).astype(dtype)
    return found  # the last has no gradient


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, np.inf])
@pytest.mark.parametrize("max_norm", [0.5, 1000.0])
def test_clipping_by_norm_equals_pytorch(norm_type, max_norm):
    torch = pytest.importorskip("torch")
    ours = params(np.float64)
    theirs = [torch.zeros(p.shape).double() for p in ours]
    for p, q in zip(ours, theirs, strict=True):
        q.grad = None if p.grad is None else torch.tensor(p.grad)

    norm = clip_grad_norm_(ours, max_norm, norm_type)

    np.testing.assert_allclose(norm, torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type), rtol=1e-14)
    for p, q in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-13)


def test_a_shared_gradient_is_not_written_into():
    p, q = Tensor(np.zeros(2)), Tensor(np.zeros(2))
    shared = np.array([3.0, 4.0])
    p.grad = q.grad = shared
    clip_grad_norm_([p], 1.0)
    clip_grad_value_(p, 0.1)
    assert shared.tolist() == q.grad.tolist() == [3.0, 4.0]
    assert p.grad.tolist() == [0.1, 0.1]


def test_dtypes_stay():
    found = params(np.float32)
    clip_grad_norm_(found, 0.1)
    clip_grad_value_(found, 0.01)
    assert [p.grad.dtype for p in found[:2]] == [np.float32, np.float32]
    assert found[2].grad is None


def test_a_generator_of_parameters_and_no_gradients_at_all_are_fine():
    assert clip_grad_norm_((p for p in params()[2:]), 1.0) == 0.0


def test_a_norm_that_is_no_number_can_be_an_error():
    p = Tensor([1.0])
    p.grad = np.array([np.nan])
    with pytest.raises(GradientError, match=r"clip_grad_norm_\(params\): wants a finite norm: nan"):
        clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
