"""The table of covered functions: found out by calling them, and no smaller than it was."""

from collections import Counter

import numpy as np
import pytest

from clearprop import coverage


def counted(space):
    return Counter(coverage.state(name, function)[0] for name, function in coverage.functions(space))


@pytest.mark.parametrize("space", [np.linalg, np.fft, np.emath])
def test_all_of_these_is_answered(space):
    assert counted(space)["refused"] == 0


@pytest.mark.parametrize("name", ["cumprod", "quantile", "interp", "convolve", "sinc"])
def test_a_covered_function(name):
    assert coverage.state(name, getattr(np, name)) == ("covered", "")


@pytest.mark.parametrize("name", ["unique", "histogram", "result_type", "allclose"])
def test_a_plain_function(name):
    assert coverage.state(name, getattr(np, name)) == ("plain", "")


@pytest.mark.parametrize("name", ["put", "isnat", "roots"])
def test_a_refused_function_has_its_reason(name):
    kind, reason = coverage.state(name, getattr(np, name))

    assert kind == "refused"
    assert reason


def test_a_function_that_differs_from_numpys_is_refused(monkeypatch):
    monkeypatch.setitem(coverage.numpy_functions, np.fliplr, np.flipud)

    assert coverage.state("fliplr", np.fliplr) == ("refused", "differs from NumPy")


def test_pytorchs_names_are_counted_by_their_rows():
    torch = pytest.importorskip("torch")

    class Row:
        def __init__(self, called, wrong=None):
            self.called, self.wrong = called, wrong

        def agree(self, executor):
            assert executor != self.wrong, "differs"

        def __repr__(self):
            return "row"

    rows = [
        Row("nn.ReLU"),
        Row("nn.Tanh"),
        Row("nn.Tanh", "numpy"),
        Row("nn.init.ones_"),
        Row("optim.Adam", ""),
    ]
    rows[-1].wrong = "no such executor"
    table = coverage.torch_table(iter(rows))

    assert table["nn, the rest"]["nn.ReLU"] == ""
    assert table["nn, the rest"]["nn.Tanh"] == "row numpy: AssertionError: differs"
    assert table["nn, the rest"]["nn.Sigmoid"] == "no row"
    assert table["nn.init"]["nn.init.ones_"] == table["optim"]["optim.Adam"] == ""
    assert "nn.NLLLoss2d" not in table["nn, losses"]
    assert hasattr(torch.nn, "NLLLoss2d")


def test_outside_of_a_checkout_there_are_no_rows(tmp_path):
    with pytest.raises(FileNotFoundError, match="in a checkout of the repository"):
        list(coverage.parity_rows(tmp_path))


def test_onnxs_operators_are_counted_both_ways():
    table = coverage.onnx_table()
    written, missing = table["our ops, written"]

    assert {"tanh", "convolution", "getitem"} <= set(written)
    assert "svd" in missing
    assert not set(written) & set(missing)


def test_scipys_functions_are_refused_where_no_input_has_a_gradient():
    special = pytest.importorskip("scipy.special")

    assert coverage.state("airy", special.airy) == coverage.state("bdtr", special.bdtr) == ("covered", "")
    assert (
        coverage.state("round", special.round)
        == coverage.state("gammasgn", special.gammasgn)
        == ("plain", "")
    )
    assert coverage.state("chndtridf", special.chndtridf)[1].startswith("the degrees of freedom")
