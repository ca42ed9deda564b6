"""formula(t): infix with as few brackets as needed, and lines for the parts of a long graph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearprop import Tensor, formula


def test_the_lectures_expression_reads_as_it_was_typed():
    a, b = Tensor(7.0), Tensor(3.0)
    e = (a + b) * b**3

    assert str(formula(e)) == "e = (a + b)*b^3"


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda a, b: a - (b - 1), "a - (b - 1)"),
        (lambda a, b: a / (a * b), "a/(a*b)"),
        (lambda a, b: a / b / 2, "a/b/2"),
        (lambda a, b: -(a + b), "-(a + b)"),
        (lambda a, b: (-a) ** 2, "(-a)^2"),
        (lambda a, b: -(a**2), "-a^2"),
        (lambda a, b: a * -b, "a*(-b)"),
        (lambda a, b: (a + b) + (a - b), "a + b + (a - b)"),
        (lambda a, b: (a**b) ** 2, "(a^b)^2"),
        (lambda a, b: 2.5 * np.exp(-a), "2.5*exp(-a)"),
        (lambda a, b: np.where(a > b, a, b), "a if True else b"),
        (lambda a, b: np.where(a > b, a, b) + 1, "(a if True else b) + 1"),
        (lambda a, b: abs(a) * 1e-300, "abs(a)*1e-300"),
        (lambda a, b: 2**a, "2^a"),
        (lambda a, b: a % b, "a % b"),
    ],
)
def test_brackets_stand_where_they_are_needed(made, text):
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")

    assert formula(made(a, b), names={}).text == text


def test_arrays_reductions_and_indices_are_written():
    X, w = np.ones((3, 2)), Tensor([1.0, -1.0])
    rows = np.array([0, 2])

    names = {id(X): "X", id(w): "w", id(rows): "rows"}

    assert formula(np.mean((X @ w) ** 2), names).text == "mean((X @ w)^2)"
    assert formula((X @ w)[1:].sum(), names).text == "sum((X @ w)[1:])"
    assert formula((X @ w)[rows], names).text == "(X @ w)[rows]"
    assert formula(np.sum(w * X, axis=0), names).text == "sum(w*X, axis=0)"
    assert formula(w.reshape(2, 1).T, names).text == "reshape(w, shape=(2, 1))^T"


def test_a_part_that_is_used_twice_gets_a_line():
    x = Tensor(2.0, name="x")
    s = np.sin(x) + 1
    y = s * s

    assert formula(y).text == "s = sin(x) + 1\ny = s*s"
    assert formula(y, names={}).text == "t1 = sin(x) + 1\nt1*t1"


def test_a_long_line_is_cut_into_named_parts():
    x = Tensor(0.5, name="x")
    y = x
    for _ in range(40):
        y = np.tanh(y) + 1

    lines = formula(y, names={}).text.splitlines()

    assert len(lines) > 2
    assert max(map(len, lines)) < 100


def test_a_very_long_graph_is_abbreviated_in_the_middle():
    x = Tensor(0.5, name="x")
    y = x
    for _ in range(20_000):
        y = y * 1.0 + 1e-9

    text = formula(y, names={}).text

    assert len(text.splitlines()) == 31
    assert "more lines ..." in text


def test_pieces_are_written_as_slices():
    x = Tensor(np.arange(4.0), name="x")
    left, right = np.split(x, 2)

    assert formula(left * right, names={}).text == "x[0:2]*x[2:4]"


def test_latex_has_fractions_roots_and_aligned_lines():
    a, b = Tensor(7.0, name="a"), Tensor(3.0, name="w2")

    assert formula(np.sqrt(a + 1) / b**3, names={}).to_latex() == r"\frac{\sqrt{a + 1}}{w_{2}^{3}}"
    s = np.exp(-a)
    assert (
        formula(s * s, names={}).to_latex()
        == r"\begin{aligned} t_{1} &= e^{-a} \\ & t_{1} \, t_{1} \end{aligned}"
    )
    assert formula(np.where(a > 0, a, 0), names={}).to_latex() == (
        r"\begin{cases} a & \mathrm{True} \\ 0 & \text{else} \end{cases}"
    )


def test_something_that_was_not_computed_is_a_lesson():
    with pytest.raises(TypeError, match=r"formula\(t\): wants a Tensor, the output of a graph: float"):
        formula(3.0)


OPERATORS = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "^": lambda x, y: x**y,
}


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(st.sampled_from("abc"), lambda e: st.tuples(st.sampled_from("+-*/^n"), e, e), max_leaves=7)
)
def test_read_back_as_python_the_text_computes_the_same_number(tree):
    known = {"a": Tensor(1.25, name="a"), "b": Tensor(0.75, name="b"), "c": Tensor(1.5, name="c")}

    def build(t):
        if isinstance(t, str):
            return known[t]
        return -abs(build(t[1])) if t[0] == "n" else OPERATORS[t[0]](abs(build(t[1])) + 0.5, build(t[2]))

    with np.errstate(all="ignore"):
        value = build(tree)
        lines = formula(value, names={}).lines
        names = {label: t.value for label, t in known.items()}
        for label, term in lines:
            names[label or "out"] = result = eval(term.text.replace("^", "**"), {}, names)

    assert np.array_equal(result, value.value, equal_nan=True)
