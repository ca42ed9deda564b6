"""The table of covered functions: found out by calling them, and no smaller than it was."""

from collections import Counter

import numpy as np
import pytest

from clearprop import coverage


def counted(space):
    return Counter(coverage.state(name, function)[0] for name, function in coverage.functions(space))


def test_all_of_linalg_is_answered():
    assert counted(np.linalg)["refused"] == 0


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
