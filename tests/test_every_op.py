"""The registry is the test plan: every op against finite differences, with no line of test code per op."""

import numpy as np
import pytest

from clearprop.check.plane import in_pairs
from clearprop.check.report import Report
from clearprop.check.single import compare_single
from clearprop.registry import ops
from clearprop.testing import cases, check_op

LIBRARY = [op for op in ops.values() if op.__module__.startswith("clearprop.")]
DIFFERENTIABLE = [op.name for op in LIBRARY if op.differentiable]
WITHOUT_GRADIENT = [op.name for op in LIBRARY if not op.differentiable]


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.at_length)])
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_rules_of_both_orders_agree_with_finite_differences(name, order):
    for report in check_op(ops[name], order=order):
        assert report.ok
        assert not report.unresolved, report
        assert len(report.kinks) < report.checked, f"only kinks were tried: {report}"


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_rules_in_float32_are_as_near_as_rounding_allows(name):
    """Beside the float64 gradients, which were held against differences above."""
    for case in cases(ops[name], np.float32):
        report = Report(case.label)
        function, inputs = in_pairs(case.function, case.inputs)
        compare_single(report, function, inputs, np.random.default_rng(0))
        assert report.problems == []


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_float32_stays_float32(name):
    for case in cases(ops[name], np.float32):
        if case.op.name == "astype":
            continue  # its purpose is to change the dtype
        if case.op.facts.domain and any(np.asarray(x).dtype.kind in "iu" for x in case.inputs):
            continue  # SciPy computes some functions of a whole order in float64
        output = case.function(*case.inputs)
        for z in output if isinstance(output, list) else (output,):
            assert z.dtype in (np.float32, np.complex64), case.label


def test_every_differentiable_op_can_be_tried():
    silent = [name for name in DIFFERENTIABLE if not list(cases(ops[name]))]

    assert silent == []


def test_some_ops_have_no_gradient():
    assert {"floor", "less", "argmax"} <= set(WITHOUT_GRADIENT)
