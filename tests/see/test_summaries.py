"""summary(model, input): a row for every module, and numbers that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

import clearprop
from clearprop import nn, optim, summary
from clearprop.ops.random import get_rng_state


def network():
    clearprop.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def test_the_table_of_a_two_layer_network():
    assert str(summary(network(), (16, 64))) == (
        "Sequential on (16, 64) float32\n"
        "layer       output    parameters   flops\n"
        "----------------------------------------\n"
        "Sequential  (16, 10)\n"
        "  0 Linear  (16, 32)       2,080  66,048\n"
        "  1 ReLU    (16, 32)           0     512\n"
        "  2 Linear  (16, 10)         330  10,400\n"
        "----------------------------------------\n"
        "total                      2,410  76,960\n"
        "9.4 KiB of parameters, 4.6 KiB of outputs"
    )


def test_flops_are_products_and_sums():
    table = summary(network(), (16, 64))

    assert table.rows[1].flops == 2 * 16 * 64 * 32 + 16 * 32
    assert table.flops == sum(row.flops for row in table.rows)


def test_without_an_input_only_the_parameters_are_told():
    text = str(summary(network()))

    assert "2,410" in text
    assert "flops" not in text
    assert "output" not in text


def test_after_a_step_the_gradient_norms_are_told():
    model = network()
    x, y = np.ones((4, 64), np.float32), np.array([0, 1, 2, 3])
    nn.CrossEntropyLoss()(model(x), y).backward()
    expected = np.sqrt(sum(float(np.sum(np.square(p.grad, dtype=np.float64))) for p in model[0].parameters()))

    table = summary(model, x)

    assert table.rows[1].gradient == pytest.approx(expected)
    assert f"{expected:.4g}" in str(table)
    assert "gradient" in str(table).splitlines()[1]


def test_nothing_of_the_model_changes():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    before, state = model.state_dict(), get_rng_state()
    forward = model[0].forward

    summary(model, (4, 8))

    assert model[0].forward == forward
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert np.array_equal(get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


def test_modules_within_modules_are_indented_and_own_work_is_theirs():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(8, 8), nn.Tanh())
            self.scale = nn.Parameter(2.0)

        def forward(self, x):
            return x + self.scale * self.inner(x)

    table = summary(Block(), (5, 8))

    assert [(row.path, row.depth) for row in table.rows] == [
        ("", 0),
        ("inner", 1),
        ("inner.0", 2),
        ("inner.1", 2),
    ]
    assert (table.rows[0].parameters, table.rows[0].flops) == (1, 80)
    assert table.parameters == 73
    assert "\n    1 Tanh" in str(table)


def test_a_module_used_twice_says_so_and_counts_its_parameters_once():
    shared = nn.Linear(8, 8)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = shared

        def forward(self, x):
            return self.shared(self.shared(x))

    table = summary(Twice(), (5, 8))

    assert table.parameters == 72
    assert "shared Linear (called 2 times)" in str(table)


def test_frozen_parameters_are_told_apart():
    model = network()
    model[0].requires_grad_(False)

    assert "0 Linear (frozen)" in str(summary(model))
    assert "330 of 2,410 are trained" in str(summary(model))


def test_several_outputs_have_several_shapes():
    class Pair(nn.Module):
        def forward(self, x):
            return x, (x[0], 3)

    assert "(2, 4), (4,), int" in str(summary(Pair(), (2, 4)))


def test_the_gradients_left_by_an_optimizers_step_are_told():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    nn.CrossEntropyLoss()(model(np.ones((4, 64), np.float32)), np.array([0, 1, 2, 3])).backward()
    optimizer.step()

    assert summary(model).rows[3].gradient > 0


def test_html_has_a_row_for_each_module():
    page = summary(network(), (16, 64)).to_html()

    assert page.count("<tr>") == 6
    assert "<caption>Sequential on (16, 64) float32</caption>" in page
    assert summary(network(), (16, 64))._repr_html_() == page


def test_what_is_no_model_is_a_lesson():
    with pytest.raises(TypeError, match=r"summary\(model, input\): wants a model: function"):
        summary(lambda x: x, (2, 2))
