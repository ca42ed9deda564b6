"""Modules of which one lies in another, within one argument: their derivatives would be lost, so refused."""

import numpy as np
import pytest

from clearprop import compile, grad, nn


@pytest.mark.parametrize("form", [lambda m, n: [m, n], lambda m, n: (n, m), lambda m, n: {"a": m, "b": [n]}])
@pytest.mark.parametrize("part", [lambda m: m[0], lambda m: m])
def test_a_module_and_a_part_of_it_in_one_tree_are_refused(form, part):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    given = form(model, part(model))

    def loss(modules):
        return np.sum(model(np.ones((1, 2), np.float32)) ** 2)

    for f in (grad(loss), compile(grad(loss))):
        with pytest.raises(ValueError, match="share Parameters"):
            f(given)


def test_modules_apart_in_one_tree_have_their_derivatives():
    one, two = nn.Linear(2, 3), nn.Linear(3, 1)
    found = grad(lambda ms: np.sum(ms[1](ms[0](np.ones((1, 2), np.float32)))))([one, two])

    assert [sorted(g) for g in found] == [["bias", "weight"]] * 2
    np.testing.assert_allclose(found[1]["bias"], [1])
