"""Where homework is tried: never on a kink that the op tells of."""

import numpy as np
import pytest

from clearprop import Facts
from clearprop import elementwise as make
from clearprop.homework.operations import elementwise
from clearprop.registry import ops


@pytest.mark.parametrize("kink", [1.3, -0.8, 0.4, -2.1, 0.7, 1.5])
def test_no_point_is_on_a_kink_of_an_op_of_ones_own(kink):
    hinge = make(
        f"points_hinge_at_{kink}",
        lambda x: np.maximum(x - kink, 0),
        lambda z, x: x > kink,
        facts=Facts(kinks=lambda x: x == kink),
    )
    tried = elementwise("hinge", hinge, hinge, 1)

    assert len(tried.points) >= 3
    assert not any(np.any(p[0] == kink) for p in (*tried.points, *tried.shapes))


@pytest.mark.parametrize("name", ["relu", "absolute", "maximum", "minimum", "tanh", "multiply"])
def test_points_lie_on_both_sides_of_the_kinks_of_known_ops(name):
    op = ops[name]
    tried = elementwise(name, op, op, op.arity)
    slopes = {round(float(op.derivatives[0](op(*p), *p)), 6) for p in tried.points}

    assert len(slopes) >= 2
    assert not any(np.any(op.facts.on_kink(*p)) for p in (*tried.points, *tried.shapes, *tried.broadcasts))
