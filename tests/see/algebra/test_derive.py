"""derivative(op): every op's rule can be read, and what is read is what the rule computes."""

from __future__ import annotations

import functools
import math
import re

import numpy as np
import pytest

import clearprop
from clearprop import derivative
from clearprop.registry import ops


@pytest.mark.parametrize(
    ("op", "text"),
    [
        ("add", "add: dz/dx = 1, dz/dy = 1"),
        ("subtract", "subtract: dz/dx = 1, dz/dy = -1"),
        ("multiply", "multiply: dz/dx = y, dz/dy = x"),
        ("divide", "divide: dz/dx = 1/y, dz/dy = -z/y"),
        ("tanh", "tanh: dz/dx = 1 - z^2"),
        ("sigmoid", "sigmoid: dz/dx = z*sigmoid(-x)"),
        ("relu", "relu: dz/dx = [x > 0]"),
        ("log2", "log2: dz/dx = 1/(log(2)*x)"),
        ("inv", "inv: dx = -z^T @ g @ z^T"),
        ("floor", "floor: no gradient"),
        ("where", "where: no gradient for c, dx = g if c else 0, dy = 0 if c else g"),
        ("matmul", "matmul: dx = g @ y^T, dy = x^T @ g"),
        ("mean", "mean: dx = broadcast_to(g/n, shape=(n,))"),
        ("var", "var: dx = g*(x - mean(x))*(2/n)"),
        ("max", "max: dx = g/sum(x == z) if x == z else 0"),
        ("softmax", "softmax: dx = z*(g - sum(g*z))"),
        ("log_softmax", "log_softmax: dx = g - exp(z)*sum(g)"),
        ("transpose", "transpose: dx = g^T"),
        ("stack", "stack: dx1 = g[0], dx2 = g[1]"),
    ],
)
def test_the_rule_reads_as_mathematics(op, text):
    assert str(derivative(op)) == text


def test_a_numpy_function_stands_for_its_op():
    assert str(derivative(np.sin)) == "sin: dz/dx = cos(x)"
    assert str(derivative(clearprop.exp)) == "exp: dz/dx = z"


read = functools.cache(derivative)  # for all tests of one op


@pytest.mark.parametrize("op", sorted(ops))
def test_every_op_prints_something_sensible(op):
    told = read(op)
    text, latex = told.text, told.to_latex()

    assert text.startswith(f"{op}: ")
    assert "cannot be read" not in text
    assert "no example" not in text
    assert latex.count("{") == latex.count("}")
    if ops[op].differentiable:
        assert any(f"d{x} = " in text for x in told.names)


LOCAL = sorted(name for name, op in ops.items() if any(callable(d) for d in op.derivatives))


@pytest.mark.parametrize("op", LOCAL)
def test_the_text_of_a_local_derivative_computes_it(op):
    """The formula, read back as Python, gives the number that the rule gives: nothing was lost on the way."""
    entry = ops[op]
    told = read(op)
    rng = np.random.default_rng(0)
    for _ in range(5):
        xs = [np.float64(low + (high - low) * rng.random()) for low, high in domains(entry)]
        given = entry.examples[0][0] if entry.examples else xs
        xs = [np.int64(3) if np.asarray(e).dtype.kind == "i" else x for x, e in zip(xs, given, strict=True)]
        z = np.float64(entry.forward(*xs))
        names = dict(zip(told.names, xs, strict=True)) | {"z": z, "pi": math.pi, "inf": math.inf}
        for rule, term in zip(entry.derivatives, told.rules, strict=True):
            if not callable(rule) or (isinstance(term, str) and term.startswith("refused: ")):
                continue
            text = term.text.replace("^", "**").replace("[", "(").replace("]", ")")
            functions = {name: op.forward for name, op in ops.items()}
            expected = np.float64(rule(z, *xs))
            printed = 1e-11 if re.search(r"\d\.\d{9,}", text) else 1e-13  # long numbers show twelve digits
            assert eval(text, functions, names) == pytest.approx(expected, rel=printed)


def domains(op):
    domain = op.facts.domain or (-2.0, 2.0)
    return domain if isinstance(domain[0], tuple) else (domain,) * len(op.derivatives)


def test_parts_of_a_long_rule_that_occur_twice_are_named():
    text = str(derivative("logsumexp"))

    assert " with s = " in text
    assert max(len(part) for part in text.split(", ")) < 100


def test_a_users_op_is_read_with_nothing_more():
    clearprop.elementwise(
        "softsign_read", lambda x: x / (1 + np.abs(x)), lambda z, x: 1 / (1 + np.abs(x)) ** 2
    )

    assert str(derivative("softsign_read")) == "softsign_read: dz/dx = 1/(1 + abs(x))^2"


def test_a_rule_that_refuses_tensors_says_so():
    clearprop.elementwise("stubborn", lambda x: x, lambda z, x: np.asarray(x, dtype=float) * 0 + 1)

    assert "the rule cannot be read: TypeError" in derivative("stubborn").text
    assert r"\text{" in derivative("stubborn").to_latex()


def test_what_is_no_op_is_a_lesson():
    with pytest.raises(TypeError, match="wants an op, its name, or a NumPy function that stands for one"):
        derivative("no such op")


def test_latex_of_the_rule():
    assert derivative("divide").to_latex() == (
        r"\frac{\partial z}{\partial x} = \frac{1}{y}, \quad \frac{\partial z}{\partial y} = -\frac{z}{y}"
    )
    assert derivative("matmul").to_latex() == r"\bar{x} = g \, y^{\top}, \quad \bar{y} = x^{\top} \, g"
