"""Expressions that a person types: what they mean, and how a mistake is pointed at."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearprop import Tensor
from clearprop.errors import InputError
from clearprop.typed.expression import assignments, parse
from clearprop.typed.grammar import functions


def message(text, values=()):
    with pytest.raises(InputError) as caught:
        parse(text).graph(assignments(values))
    return str(caught.value)


def names(output):
    from clearprop import topological_order

    return {t.name: float(t.value) for t in topological_order(output)}


def test_an_expression_computes_what_python_would():
    values = {"a": 7.0, "b": 3.0}
    for text in (
        "(a + b) * b**3",
        "-a/b - 2",
        "a % b + a // b",
        "tanh(a - b)**2",
        "maximum(a, b) * pi",
        "+a*1e-3",
    ):
        f = parse(text)
        python = text.replace("tanh", "np.tanh").replace("maximum", "np.maximum").replace("pi", "np.pi")
        assert f(*(values[name] for name in f.names)) == eval(python, {"np": np}, dict(values))


def test_inputs_come_in_the_order_they_are_typed_and_functions_are_not_inputs():
    assert parse("relu(b) + a*b + tanh(c)").names == ("b", "a", "c")


def test_intermediate_nodes_get_the_letters_of_the_slides():
    assert names(parse("(a + b) * b**3").graph({"a": 7, "b": 3})) == {
        "a": 7,
        "b": 3,
        "c": 10,
        "d": 27,
        "e": 270,
    }
    assert names(parse("(a + b) * c").graph({"a": 7, "b": 3, "c": 2})) == {
        "a": 7,
        "b": 3,
        "c": 2,
        "d": 10,
        "e": 20,
    }


def test_letters_that_are_taken_are_left_out_and_the_alphabet_never_ends():
    assert names(parse("d * 2 + 1").graph({"d": 1})) == {"d": 1, "c": 2, "e": 3}
    long = parse("a" + " + 1" * 30).graph({"a": 0})
    assert long.name == "h1"


def test_intermediate_nodes_can_be_named_as_they_are_typed():
    output = parse("c = a + b; d = b**3; c*d").graph({"a": 7, "b": 3})
    assert names(output) == {"a": 7, "b": 3, "c": 10, "d": 27, "e": 270}
    assert names(parse("c = a + 1\nsum = 2*c").graph({"a": 7})) == {"a": 7, "c": 8, "sum": 16}


def test_vectors_matrices_indices_and_keywords():
    x = parse("mean(X @ w, axis=0) + sum(X.T[0, 1:]) - X[-1][0]")
    X, w = np.array([[1.0, 2], [3, 4], [5, 6]]), np.array([1.0, -1])

    assert x(X, w) == np.mean(X @ w) + X[1:, 0].sum() - 5
    assert parse("where(x > 0, x, 0)")(np.array([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert parse("sum(x, axis=-1, keepdims=True)")(np.ones((2, 3))).shape == (2, 1)


def test_assignments_are_numbers_vectors_or_matrices():
    values = assignments(["a=-7", " w = [1, -1]", "X=[[1,2],[3,4]]", "big=inf", "t=(1, 2)"])

    assert {k: v.tolist() for k, v in values.items()} == {
        "a": -7.0,
        "w": [1.0, -1.0],
        "X": [[1.0, 2.0], [3.0, 4.0]],
        "big": np.inf,
        "t": [1.0, 2.0],
    }
    assert all(v.dtype == np.float64 for v in values.values())


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "=1",
        "1=2",
        "a=",
        "a=b",
        "a=[1,[2]]",
        "a='x'",
        "a=__import__('os')",
        "if=3",
        "a=1j",
        "a=None",
        "a={1}",
    ],
)
def test_an_assignment_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"name=value|neither a number nor rows"):
        assignments([text])


def test_a_name_cannot_have_two_values():
    with pytest.raises(InputError, match="'a' has a value already"):
        assignments(["a=1", "a=2"])


def test_a_name_without_a_value_is_pointed_at():
    assert message("(alpha + b)*2", ["alpha=1"]) == (
        "expression: there is no value for 'b'.\n  (alpha + b)*2\n           ^\n  Try b=1."
    )
    assert "Try alpa=1 (or did you mean 'alpha'?)" in message("alpa + b", ["alpha=1", "b=2"])


def test_a_value_without_a_name_is_refused():
    assert message("a*2", ["a=1", "q=2"]) == ("q=...: 'q' is not in the expression: a*2.\n  It names a.")


def test_an_unknown_function_is_pointed_at_with_a_suggestion():
    assert message("a + tahn(a)", ["a=1"]) == (
        "expression: there is no function 'tahn'.\n  a + tahn(a)\n      ^\n  Try 'tanh'."
    )


def test_a_caret_for_a_power_is_pointed_at():
    assert message("(a + b) ^ 3") == (
        "expression: ^ does not stand for a power here.\n  (a + b) ^ 3\n          ^\n  Try ** instead of ^."
    )


@pytest.mark.parametrize(
    ("text", "says", "column"),
    [
        ("a +", "stops here", 3),
        ("2a + b", "a number and a name side by side", 1),
        ("a \N{MULTIPLICATION SIGN} b", "Try * instead of", 2),
        ("a\N{SUPERSCRIPT TWO}", "Try **2 instead of", 1),
        ("(a * b", "never closed", 0),
        ("a ? b", "invalid syntax", 2),
        ("a$b", "invalid syntax", 1),
        ("1e999*a", "too large", 0),
        ("a + 9**9**9**9", "too large", 7),
        ("1/0*a", "divides by the number 0", 0),
        ("a*(-8)**0.5", "not a real number", 2),
        ("a + X[99]", "index 99 is out of bounds", 4),
        ("a @ b", "matmul", 0),
        ("tanh(a, b)", "tanh takes 1 inputs, here are 2", 0),
        ("max(a, b)", "max takes 1 array, here are 2", 0),
        ("a + min(b, a)", "Try minimum(a, b)", 4),
        ("softmax(X, a)", "softmax takes 1 array, here are 2", 0),
        ("tanh()*a", "takes 1 inputs, here are 0", 0),
        ("tanh(a, axis=1)", "takes no keywords", 0),
        ("repeat(X, 99999999999)*a", "too large an array", 0),
        ("broadcast_to(a, (9999, 9999))", "too large an array", 0),
    ],
)  # fmt: skip
def test_a_mistake_is_pointed_at(text, says, column):
    said = message(
        text,
        [f"{n}={'[1,2]' if n == 'X' else 2}" for n in ("a", "b", "X") if n in text.replace("broadcast", "")],
    )

    assert says in said
    assert said.splitlines()[1:3] == ["  " + text, "  " + " " * column + "^"]


# fmt: off
REFUSED = [
    "__import__('os').system('true')", "().__class__", "a.__class__", "a.value", "lambda: a", "a if a else a",
    "[x for x in a]", "f'{a}'", "'a'*9", "b'a'", "a := 3", "print(a)", "eval(a)", "open(a)", "exec(a)",
    "a and a", "not a", "~a", "a & a", "a | a", "a << 2", "a < a < a", "a in a", "a is a", "sum(*a)",
    "sum(**a)", "a()", "a()()", "tanh(a)(a)", "import os", "del a", "def f(): pass", "a += 1", "a = b = 1",
    "a, b = 1",
    "a[b] = 1", "yield a", "await a", "{a: 1}", "{a}", "None", "...", "True.T.x", "1j*a", "@a", "\x00",
    "a\x00b", "split(a, 2)", "part(a, 0)", "(" * 300 + "a" + ")" * 300, "a" + "+a" * 500,
    "-" * 2000 + "a", "9" * 4400,
    "a" * 5000, "", "  ", "5", "pi", "#",
]
# fmt: on


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_an_expression_is_refused_and_never_run(text):
    with pytest.raises(InputError):
        parse(text).graph(dict.fromkeys(parse(text).names, 1.0))


def test_a_plain_call_computes_without_a_graph():
    assert type(parse("a**0.5")(-8.0)) is np.float64
    assert np.isnan(parse("a**0.5")(-8.0))


def test_a_long_line_is_cut_around_the_mistake():
    said = message("a + " * 300 + "? + a")

    assert max(map(len, said.splitlines())) < 100
    line, caret = said.splitlines()[1:3]
    assert line[caret.index("^")] == "?"


LEAVES = st.sampled_from(["a", "X", "0", "1", "0.5", "-2", "pi", "X[0]", "X.T"])
CALLS = ["{}({})", "{}({}, axis=0)", "{}({}, axis=-1, keepdims=True)", "{}({}, 2)", "{}({}, a)"]
FUNCTIONS = sorted(functions())
SIGNS = ["+", "-", "*", "/", "**", "@", "%", "//", "<", "=="]


def larger(part):
    call = st.builds(str.format, st.sampled_from(CALLS), st.sampled_from(FUNCTIONS), part)
    return call | st.builds("({} {} {})".format, part, st.sampled_from(SIGNS), part)


WRITTEN = st.recursive(LEAVES, larger, max_leaves=6)


@given(WRITTEN | st.text(alphabet="abX01.+-*/@()[],=;: <>'\"\\\n{}^&~#é", max_size=20))
def test_whatever_is_typed_is_computed_or_refused_with_an_input_error(text):
    values = {"a": 2.0, "b": -1.0, "X": [[1.0, 2.0], [3.0, 4.0]]}
    try:
        expression = parse(text)
        output = expression.graph({name: values[name] for name in expression.names if name in values})
    except InputError:
        return
    assert isinstance(output, Tensor)
    assert output.requires_grad
