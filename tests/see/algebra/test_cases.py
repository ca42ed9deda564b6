"""Choices: what is known inside a branch is put in, and what a formula computes stays what it was."""

import itertools
import math

import numpy as np
import pytest

from clearprop import derivative
from clearprop.registry import ops
from clearprop.see.algebra.cases import is_truth
from clearprop.see.algebra.notation import name, number
from clearprop.see.algebra.tidy import apply

x, y, n = name("x"), name("y"), name("n")
a, b, c = (apply("less", name(label), number(0)) for label in "xyn")


def both(p, q):
    return apply("bitwise_and", p, q)


def either(p, q):
    return apply("logical_or", p, q)


def other(p):
    return apply("invert", p)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (apply("where", a, x, apply("where", a, y, n)), "x if x < 0 else n"),
        (apply("where", a, apply("where", other(a), y, n), x), "n if x < 0 else x"),
        (apply("where", both(a, b), apply("where", b, x, y), n), "x if x < 0 and y < 0 else n"),
        (apply("where", either(a, b), n, apply("where", a, x, y)), "n if x < 0 or y < 0 else y"),
        (apply("where", a, x, apply("where", either(a, b), y, n)), "x if x < 0 else (y if y < 0 else n)"),
        (
            apply("where", both(a, b), n, apply("where", b, apply("where", a, x, y), x)),
            "n if x < 0 and y < 0 else (y if y < 0 else x)",
        ),
        (apply("where", a, x, x), "x"),
        (
            apply("where", a, x, apply("sum", apply("where", a, y, n))),
            "x if x < 0 else sum(y if x < 0 else n)",
        ),
        (apply("where", x, apply("add", x, y), n), "x + y if x else n"),
        (apply("multiply", y, other(a)), "y*[not x < 0]"),
        (other(both(a, b)), "not (x < 0 and y < 0)"),
        (other(x), "invert(x)"),
    ],
)
def test_a_choice_is_made_once(term, text):
    assert term.text == text


def test_bits_of_numbers_are_no_truths():
    assert not is_truth(apply("bitwise_and", x, y))
    assert is_truth(both(a, either(b, other(c))))


def test_every_choice_of_three_conditions_keeps_its_values():
    """All nests of two choices with conditions made of three, at all signs of three numbers."""
    conditions = [a, b, both(a, b), either(b, c), other(both(a, c)), both(other(a), either(b, c))]
    for outer, inner, deep in itertools.product(conditions, repeat=3):
        nest = apply("where", inner, apply("where", deep, x, y), apply("where", outer, y, n))
        made = apply("where", outer, nest, apply("negative", nest))
        for values in itertools.product((-2.0, 3.0), (-5.0, 7.0), (-11.0, 13.0)):
            at = dict(zip("xyn", values, strict=True))
            o, i, d = (eval(term.text, {}, at) for term in (outer, inner, deep))
            kept = (at["x"] if d else at["y"]) if i else (at["y"] if o else at["n"])
            assert eval(made.text, {}, at) == (kept if o else -kept)


@pytest.mark.parametrize(
    ("op", "xs"),
    [
        *(
            ("binom", xs)
            for xs in [(1.0, 3.0), (2.5, 4.5), (3.0, -1.0), (2.5, -2.0), (-2.5, 1.0), (5.0, 2.0)]
        ),
        *(("beta", xs) for xs in [(-1.5, 0.5), (0.5, -2.5), (1.5, 2.0)]),
        *(("poch", xs) for xs in [(-2.0, 1.5), (-1.0, 3.0), (2.0, 0.5)]),
    ],
)
def test_at_poles_too_the_text_computes_the_derivative(op, xs):
    pytest.importorskip("scipy")
    entry, told = ops[op], derivative(op)
    xs = tuple(map(np.float64, xs))
    z = np.float64(entry.forward(*xs))
    names = dict(zip(told.names, xs, strict=True)) | {"z": z, "pi": math.pi, "inf": math.inf, "nan": math.nan}
    functions = {label: each.forward for label, each in ops.items()}

    for rule, term in zip(entry.derivatives, told.rules, strict=True):
        assert eval(term.text, functions, names) == pytest.approx(np.float64(rule(z, *xs)), rel=1e-13)


def test_a_rule_with_many_choices_is_short_enough_to_be_read():
    pytest.importorskip("scipy")
    longest = {"binom": 1250, "beta": 1250, "poch": 550}  # with their limits at poles and at infinity

    assert [op for op, most in longest.items() if len(str(derivative(op))) > most] == []


def test_latex_names_the_parts_of_a_long_rule_as_the_text_does():
    told = derivative("logsumexp")

    assert str(told).partition(" with ")[2].startswith("s = isfinite(max(x)), t = ")
    assert (
        r" \quad \text{with } s = \operatorname{isfinite}\left(\max\left(x\right)\right), \; t = "
        in told.to_latex()
    )
    assert other(a).latex == r"\neg \left(x < 0\right)"
