"""What a comparison was made from is known as long as that is there, and nothing is kept alive for it."""

import gc
import weakref

import numpy as np

from clearprop import Tensor, no_grad
from clearprop.sources import source_of


def test_a_chain_of_comparisons_leads_back_to_what_was_compared():
    x = Tensor([1.0, -2.0, 3.0], name="x")
    found = source_of((x > 0) & ~(x >= 3))

    assert found is not None
    first, second = found.inputs
    assert source_of(first).inputs[0] is x
    assert source_of(source_of(second).inputs[0]).op.name == "greater_equal"


def test_nothing_is_kept_alive():
    x = Tensor(np.ones(5000), name="x")
    computed, limits = x * 2, np.ones(5000)
    mask = computed > limits
    gone = weakref.ref(computed)
    assert source_of(mask) is not None
    del computed
    gc.collect()

    assert gone() is None
    assert source_of(mask) is None


def test_what_has_no_gradient_near_it_has_no_source():
    x = Tensor([1.0, 2.0], name="x")
    with no_grad():
        assert source_of(x > 1) is None
    assert source_of(Tensor([1.0], requires_grad=False) > 0) is None
    assert source_of(x) is None
    assert source_of((x > 1) * 1.0) is None


def test_entries_go_with_their_values():
    from clearprop.sources import _held

    x = Tensor([1.0, 2.0], name="x")
    before = len(_held)
    for _ in range(100):
        _ = x > 1
    gc.collect()

    assert len(_held) <= before + 1
