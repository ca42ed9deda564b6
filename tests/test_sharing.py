"""What other packages ask a Tensor: its namespace, its device, its memory."""

import numpy as np
import pytest

import clearprop.numpy
from clearprop import Tensor

T = Tensor([1.0, 2.0], requires_grad=False)


def test_a_tensor_names_the_namespace_of_its_functions():
    for version in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        assert T.__array_namespace__(api_version=version) is clearprop.numpy
    with pytest.raises(ValueError, match=r"is one of 2021\.12"):
        T.__array_namespace__(api_version="2019.12")


def test_it_lies_in_memory():
    assert T.device == "cpu"
    assert T.to_device("cpu") is T
    with pytest.raises(ValueError, match="alone, and no streams"):
        T.to_device("cuda")


@pytest.mark.parametrize(
    "data", [2.0, [1.0, 2.0], [[1, 2]], [True], np.ones((2, 0)), np.float32(1), [1j, 2.0]]
)
def test_numpy_reads_the_entries_where_they_lie(data):
    t = Tensor(data, requires_grad=False)
    found = np.from_dlpack(t)

    assert found.dtype == t.dtype
    np.testing.assert_array_equal(found, np.asarray(t.value))


def test_what_is_handed_over_is_to_be_read_unless_it_is_a_copy():
    if not hasattr(np, "unstack"):
        pytest.skip("this NumPy knows of no memory that is to be read alone")
    assert not np.from_dlpack(T).flags.writeable
    assert np.shares_memory(np.from_dlpack(T), T.value)
    assert not np.shares_memory(np.from_dlpack(T, copy=True), T.value)


def test_a_package_that_knows_no_memory_to_be_read_gets_a_copy():
    class Old:
        def __dlpack__(self, stream=None):
            return T.__dlpack__()

        def __dlpack_device__(self):
            return T.__dlpack_device__()

    assert not np.shares_memory(np.from_dlpack(Old()), T.value)
    with pytest.raises(BufferError, match="wants a copy"):
        T.__dlpack__(copy=False)


def test_a_gradient_is_not_lost_on_the_way():
    needs = Tensor([1.0])
    with pytest.raises(BufferError, match=r"would drop the gradient[\s\S]*Try t.detach"):
        np.from_dlpack(needs)
    np.testing.assert_array_equal(np.from_dlpack(np.argmax(needs)), 0)
    with pytest.raises(BufferError, match="has its memory on the CPU"):
        T.__dlpack__(dl_device=(2, 0))


def test_to_pytorch_and_back():
    torch = pytest.importorskip("torch")
    there = torch.from_dlpack(T)

    assert there.tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(clearprop.numpy.from_dlpack(torch.ones(3)), np.ones(3))
    np.testing.assert_array_equal((Tensor([2.0]) * torch.ones(3)).value, [2.0, 2.0, 2.0])
    with pytest.raises(BufferError):
        torch.from_dlpack(Tensor([1.0]))
    with pytest.raises(BufferError):
        clearprop.numpy.from_dlpack(torch.ones(2, requires_grad=True))
