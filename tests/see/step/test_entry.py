"""One entry of an array's gradient, taken apart: its products add up to it, for every op."""

import numpy as np
import pytest

import clearprop
from clearprop import Tensor, registry, trace
from clearprop.modes import special
from clearprop.testing import cases


def steps(output):
    return [step for step in trace(output, np.ones(output.shape)) if step.kind == "backward"]


def test_an_entry_of_a_product_is_the_sum_over_the_rows():
    x, w = Tensor([[1.0, 2.0], [3.0, 4.0]], name="x"), Tensor([[5.0], [6.0]], name="w")

    entry = next(step.entry for step in steps(x @ w) if step.input is w)

    assert entry.text("w") == "w.grad[1, 0]: 1 \N{MULTIPLICATION SIGN} 2 + 1 \N{MULTIPLICATION SIGN} 4 = 6"


def test_many_products_are_counted():
    x = Tensor(np.arange(1.0, 9.0).reshape(8, 1), name="x")
    w = Tensor(np.ones((1, 2)), name="w")

    entry = next(step.entry for step in steps(x @ w) if step.input is w)

    assert "+ …, a sum of 8 products, = 36" in entry.text("w")


def test_numbers_and_broken_arrays_have_none():
    a = Tensor(2.0, name="a")
    assert [step.entry for step in steps(a * a)] == [None, None]
    x = Tensor([np.nan, np.inf], name="x")
    assert all(step.entry is None or np.isfinite(step.entry.amount) for step in steps(x * 2.0))


@pytest.mark.parametrize("name", [op.name for op in registry.ops.values() if op.differentiable])
def test_the_products_of_every_op_add_up(name, monkeypatch):
    monkeypatch.setattr(special, "complexes", True)  # an inverse transform of real numbers meets complex ones
    for case in cases(registry.ops[name]):
        inputs = [Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in case.inputs]
        output = case.function(*inputs)
        for part in output if isinstance(output, (tuple, list)) else (output,):
            if not isinstance(part, clearprop.Tensor) or part.dtype.kind != "f" or not part.requires_grad:
                continue
            for step in steps(part):
                if step.entry is not None:
                    total = sum(a * b for a, b in step.entry.terms)
                    np.testing.assert_allclose(
                        total, np.asarray(step.amount)[step.entry.place], rtol=1e-6, atol=1e-9
                    )


@pytest.mark.filterwarnings("error")
def test_a_gradient_of_complex_numbers_is_not_taken_for_one_of_real_ones():
    x = Tensor([1.0, 2.0, 3.0, 4.0], name="x")

    last = trace(np.sum(np.abs(np.fft.rfft(x))))[-1]

    assert last.input is x
    assert last.entry is None
