"""The tester is tested: every rule of every op, made wrong by a tenth of a percent, must fail."""

import numpy as np
import pytest
from tests.sharing import a_share_first

from clearprop import Tensor
from clearprop.check.compare import gradcheck
from clearprop.errors import GradientError
from clearprop.registry import ops
from clearprop.testing import broken, check_op, sending

LIBRARY = [op for op in ops.values() if op.__module__.startswith("clearprop.")]
SENDING = [(op.name, i) for op in LIBRARY for i in sending(op)]


def test_nearly_all_rules_send_something():
    assert len(SENDING) > 60
    assert ("tanh", 0) in SENDING
    assert ("matmul", 1) in SENDING


def larger(d, g, z, *xs, **attrs):
    return 1.001 * d


def rounded(d, g, z, *xs, **attrs):
    single = np.complex64 if d.dtype.kind == "c" else np.float32
    return d.astype(single).astype(np.promote_types(single, np.float64))


@pytest.mark.parametrize("fault", [larger, rounded])
@pytest.mark.parametrize(("name", "i"), a_share_first(SENDING))
def test_a_rule_wrong_by_a_tenth_of_a_percent_or_rounded_to_single_precision_fails(name, i, fault):
    with (
        broken(ops[name], i, fault),
        pytest.raises(GradientError, match=r"WRONG(.|\n)*gradient(.|\n)*numerical"),
    ):
        check_op(ops[name], order=1)


def test_a_broken_rule_is_whole_again_afterwards():
    with broken(ops["tanh"], 0, lambda d, *rest, **attrs: 2 * d):
        pass

    assert all(check_op(ops["tanh"]))


def test_a_wrong_second_derivative_behind_a_right_first_one_fails():
    def first_right(g, z, x):
        return g * Tensor(1 - np.tanh(x._value) ** 2) if isinstance(x, Tensor) else g * (1 - z * z)

    op = ops["tanh"]
    right = op.derivatives
    op.derivatives = (lambda z, x: first_right(1.0, z, x),)
    try:
        report = gradcheck(op, np.array([0.3, 0.5]), order=2, raise_on_failure=False)
    finally:
        op.derivatives = right

    assert not report.ok
    assert report.order == 2
