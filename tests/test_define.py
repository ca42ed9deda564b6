"""A new op is one entry."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, elementwise, grad


@pytest.fixture
def softsign():
    from clearprop.registry import ops

    yield elementwise("softsign", lambda x: x / (1 + np.abs(x)), lambda z, x: 1 / (1 + np.abs(x)) ** 2)
    del ops["softsign"]


def test_an_entry_is_differentiable_to_any_order(softsign):
    x = Tensor([-1.0, 0.5, 2.0])
    softsign(x).backward(np.ones(3))

    np.testing.assert_allclose(x.grad, [0.25, 1 / 2.25, 1 / 9])
    assert grad(grad(softsign))(2.0) == pytest.approx(-2 / 27)
    assert clearprop.softsign is softsign


def test_arrays_in_array_out(softsign):
    assert softsign(np.array([1.0])).tolist() == [0.5]


def test_a_name_of_another_module_is_not_taken_over():
    with pytest.raises(ValueError, match=r"elementwise\('tanh', \.\.\.\): this name is taken"):
        elementwise("tanh", np.tanh, lambda z, x: 1 - z * z)


def test_an_op_is_of_the_module_that_makes_it(softsign):
    assert softsign.__module__ == __name__
    assert clearprop.tanh.__module__ == "clearprop.ops.elementwise"


def test_an_op_is_pickled_by_its_name_and_its_module_is_imported_where_it_is_read(tmp_path):
    everything = list(clearprop.registry.ops.values())
    assert all(pickle.loads(pickle.dumps(op)) is op for op in everything)

    pickled = pickle.dumps(clearprop.registry.ops["fft"])
    assert len(pickled) < 200
    code = "import pickle, sys; assert pickle.load(sys.stdin.buffer).name == 'fft'"
    subprocess.run([sys.executable, "-c", code], input=pickled, check=True)
    with pytest.raises(LookupError, match="'of_yesterday': wants the op that was pickled to be entered here"):
        clearprop.registry.entered("of_yesterday", "__main__")


def test_a_derivative_may_be_any_number():
    from clearprop.registry import ops

    percent = elementwise("percent", lambda x, y: x / 100 + y, 0.01, 1)
    try:
        x, y = Tensor(np.array([3.0, 4.0], np.float32)), Tensor([1.0, 1.0])
        percent(x, y).backward([2.0, 1.0])

        np.testing.assert_allclose(x.grad, [0.02, 0.01], rtol=1e-7)
        np.testing.assert_array_equal(y.grad, [2.0, 1.0])
        assert x.grad.dtype == np.float32
    finally:
        del ops["percent"]


def test_an_op_may_be_made_by_text_that_is_run_in_a_namespace_of_its_own():
    names = {"elementwise": elementwise}
    exec('halved = elementwise("halved", lambda x: x / 2, lambda z, x: 0.5 + 0 * x)', names)

    assert grad(names["halved"])(3.0) == 0.5
