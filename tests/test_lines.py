"""Errors about shapes say where each array came from, and with `keep_lines()` on which lines."""

import inspect

import numpy as np
import pytest

from clearprop import GradientError, Tensor, compile, keep_lines, no_grad, vmap, watch
from clearprop.modes import mode


def here():
    """Return the line of the caller, as errors write it."""
    frame = inspect.currentframe().f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def failure(f):
    with pytest.raises(ValueError, match="matmul") as error:
        f()
    return str(error.value)


X, W = Tensor(np.ones((2, 3)), name="x"), Tensor(np.ones((2, 4)), name="w")


def test_without_lines_the_ops_are_named():
    h = np.tanh(X).T
    text = failure(lambda: h @ W.T)

    assert "The 1st, (3, 2): x (2, 3) -> tanh -> transpose (3, 2)." in text
    assert "The 2nd, (4, 2): w (2, 4) -> transpose (4, 2)." in text


def test_inputs_of_the_graph_have_no_way():
    assert "The 1st" not in failure(lambda: X @ W)
    assert "The 2nd" not in failure(lambda: X.T @ np.ones((3, 2)))


@pytest.mark.parametrize("block", [keep_lines, watch])
def test_the_line_of_each_op_is_told(block):
    with block():
        h, line = np.tanh(X).T, here()
        text = failure(lambda: h @ W.T)

    assert f"x (2, 3) -> tanh ({line}) -> transpose (3, 2) ({line})." in text


def test_a_long_way_shows_its_end():
    h = X
    for _ in range(20):
        h = np.tanh(h)
    text = failure(lambda: h @ W)

    assert "The 1st, (2, 3): ... -> tanh (2, 3) -> tanh -> tanh -> tanh -> tanh -> tanh -> tanh." in text


def test_of_several_ways_the_largest_array_is_followed():
    big = Tensor(np.ones((2, 5)), name="big")
    text = failure(lambda: (np.concatenate([X, big], axis=1) * Tensor(2.0, name="s")) @ W)

    assert "big (2, 5) -> concatenate (2, 8) -> multiply." in text


def test_where_nothing_is_remembered_nothing_is_told():
    with no_grad():
        h = np.tanh(X)
        assert "The 1st" not in failure(lambda: h @ W)


def test_the_block_leaves_nothing_behind_and_stands_alone():
    with keep_lines() as lines:
        np.tanh(X)
        assert lines._lines
        with pytest.raises(GradientError, match="keep_lines"), keep_lines():
            pass
    assert not lines._lines
    assert mode.observer is None


def test_other_ops_and_modes_tell_it_too():
    h = np.tanh(X)
    for f in (
        lambda: h + W,
        lambda: np.concatenate([h, W.T]),
        lambda: h.reshape(7),
        lambda: np.einsum("ij,jk", h, W),
    ):
        with pytest.raises(ValueError, match=r"x \(2, 3\) -> tanh"):
            f()
    with pytest.raises(ValueError, match="tanh"):
        compile(lambda x: np.tanh(x) @ W)(X)
    with pytest.raises(ValueError, match="matmul"):
        vmap(lambda x: np.tanh(x) @ W)(np.ones((4, 2, 3)))
