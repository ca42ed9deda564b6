"""`np.fft`: both derivatives, odd and even lengths, compiled, and identities that hold by mathematics."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, gradcheck
from clearprop.compiler.step import available_executors

X = np.array([[0.5, -1.2, 2.0, 0.7], [1.5, 0.3, -0.8, 1.1], [0.9, -0.4, 1.3, 2.2]])
Z = X + 1j * X[::-1, ::-1]

# name: a call, and what it is called with; each at odd and at even lengths
CALLS = {
    "fft": (lambda x: np.fft.fft(x, axis=0), X),
    "fft, longer": (lambda x: np.fft.fft(x, 5, norm="ortho"), Z),
    "ifft": (np.fft.ifft, Z),
    "ifft, shorter": (lambda x: np.fft.ifft(x, 3, norm="forward"), Z),
    "rfft, odd": (lambda x: np.fft.rfft(x, axis=0), X),
    "rfft, even": (np.fft.rfft, X),
    "irfft, odd": (lambda x: np.fft.irfft(x, 5), Z),
    "irfft, even": (np.fft.irfft, Z),
    "irfft, cut": (lambda x: np.fft.irfft(x, 4, axis=0, norm="ortho"), Z),
    "hfft": (np.fft.hfft, Z),
    "hfft, odd": (lambda x: np.fft.hfft(x, 5, norm="ortho"), Z),
    "ihfft": (np.fft.ihfft, X),
    "ihfft, odd": (lambda x: np.fft.ihfft(x, axis=0, norm="forward"), X),
    "fft2": (np.fft.fft2, X),
    "fft2, lengths": (lambda x: np.fft.fft2(x, (2, 5), norm="ortho"), Z),
    "ifft2": (np.fft.ifft2, Z),
    "rfft2": (np.fft.rfft2, X),
    "rfft2, axes": (lambda x: np.fft.rfft2(x, axes=(1, 0)), X),
    "irfft2": (np.fft.irfft2, Z),
    "irfft2, odd": (lambda x: np.fft.irfft2(x, (3, 7)), Z),
    "fftn": (np.fft.fftn, Z),
    "fftn, one axis": (lambda x: np.fft.fftn(x, axes=(0,)), X),
    "fftn, twice": (lambda x: np.fft.fftn(x, axes=(0, 0)), Z),
    "ifftn": (lambda x: np.fft.ifftn(x, (2, 3), axes=(0, 1)), Z),
    "rfftn": (lambda x: np.fft.rfftn(x, norm="ortho"), X),
    "irfftn": (lambda x: np.fft.irfftn(x, (3, 5), axes=(0, 1)), Z),
    "fftshift": (np.fft.fftshift, X),
    "ifftshift": (lambda x: np.fft.ifftshift(x, axes=1), Z),
}


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_both_orders_agree_with_differences(name, order):
    call, x = CALLS[name]

    assert gradcheck(call, x, order=order).ok


@pytest.mark.parametrize("name", CALLS)
def test_the_second_derivative_of_a_power_spectrum_agrees_too(name):
    call, x = CALLS[name]

    assert gradcheck(lambda x: np.sum(np.abs(call(x)) ** 3), x, order=2).ok


def plain(x):
    return np.asarray(getattr(x, "value", x))


@pytest.mark.by_turns("executor")
@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize("name", CALLS)
def test_a_compiled_step_has_the_same_gradients(name, executor):
    call, x = CALLS[name]

    def step(x):
        t = Tensor(x)
        loss = np.sum(np.abs(call(np.sin(t))) ** 2)
        loss.backward()
        return loss, t.grad

    compiled = clearprop.compile(step, executor=executor)
    compiled(x)
    for found, expected in zip(compiled(x + 0.3), step(x + 0.3), strict=True):
        np.testing.assert_allclose(plain(found), plain(expected), rtol=1e-12)


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_transforms_undo_each_other_so_their_gradient_is_the_identity(length, norm):
    x = Tensor(np.linspace(-1, 2, length))
    again = np.fft.irfft(np.fft.rfft(x, norm=norm), length, norm=norm) + np.real(
        np.fft.ifft(np.fft.fft(x, norm=norm), norm=norm)
    )
    again.backward(np.arange(1.0, length + 1))

    np.testing.assert_allclose(again.value, 2 * x.value, atol=1e-15)
    np.testing.assert_allclose(x.grad, 2 * np.arange(1.0, length + 1), rtol=1e-14)


@pytest.mark.parametrize("length", [5, 6])
def test_the_energy_of_a_spectrum_counts_inner_frequencies_twice(length):
    """The loss counts them once: its gradient is not that of Parseval's sum."""
    torch = pytest.importorskip("torch")
    x = np.array([1.0, -2.0, 0.5, 3.0, 0.0, 1.5])[:length]
    w = np.arange(1.0, length // 2 + 2)
    ours, theirs = Tensor(x), torch.tensor(x, requires_grad=True)
    np.sum(w * np.abs(np.fft.rfft(ours)) ** 2).backward()
    (torch.tensor(w) * torch.fft.rfft(theirs).abs() ** 2).sum().backward()

    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-12)


def test_the_parts_that_are_not_read_have_no_gradient():
    z = Tensor(np.array([1 + 2j, 3 - 1j, 2 + 5j]))
    np.sum(np.fft.irfft(z) * [1.0, 2.0, 3.0, 4.0]).backward()

    assert (z.grad[0].imag, z.grad[2].imag) == (0.0, 0.0)
    assert z.grad[1].imag != 0


def test_an_inverse_of_odd_length_wants_to_be_told():
    x = np.arange(5.0)

    np.testing.assert_allclose(np.fft.irfft(np.fft.rfft(Tensor(x)), 5).value, x, atol=1e-14)
    assert np.fft.irfft(np.fft.rfft(Tensor(x))).shape == (4,)


def test_of_nothing_there_is_silence():
    np.testing.assert_array_equal(np.fft.irfft(Tensor(np.zeros((2, 0))), 4).value, np.zeros((2, 4)))


def test_single_precision_stays_single():
    x = Tensor(X.astype(np.float32))
    z = np.fft.rfft(x)
    np.sum(np.abs(z)).backward()

    assert (z.dtype, x.grad.dtype) == (np.complex64, np.float32)


def test_frequencies_are_plain_numbers():
    np.testing.assert_array_equal((Tensor(np.zeros(4)) + np.fft.fftfreq(4)).value, np.fft.fftfreq(4))
    np.testing.assert_array_equal((Tensor(np.zeros(3)) + np.fft.rfftfreq(4)).value, np.fft.rfftfreq(4))
