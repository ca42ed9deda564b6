"""Mathematics as a small tree of terms, and its two ways onto paper: a line of text, and LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.see.readable import escape

Style = Callable[["Term"], str]


class _Hashed:
    _hash: int
    __slots__ = ("_hash",)  # no field: strings hash otherwise in another process, to which a term may be sent


@dataclass(frozen=True, slots=True)
class Term(_Hashed):
    """A name, a number, or an op applied to terms.

    >>> x = name("x")
    >>> Term("multiply", (number(3), Term("power", (x, number(2))))).text
    '3*x^2'
    """

    head: str  # "name", "number" or the name of an op
    args: tuple[Term, ...] = ()
    label: str = ""  # of a name
    value: Any = None  # of a number
    attrs: tuple[tuple[str, str], ...] = ()  # attributes worth printing, as text

    def __hash__(self) -> int:
        """Hash the whole term once: it is asked about many times, and so are the terms within it."""
        try:
            return self._hash
        except AttributeError:
            found = hash((self.head, self.args, self.label, self.value, self.attrs))
            object.__setattr__(self, "_hash", found)
            return found

    @property
    def text(self) -> str:
        """This term as one line of text."""
        return _text(self)

    @property
    def latex(self) -> str:
        """This term as LaTeX, without dollar signs."""
        return _latex(self)

    @property
    def size(self) -> int:
        """How many names, numbers and ops it holds."""
        return 1 + sum(x.size for x in self.args)


def name(label: str) -> Term:
    """Return the term that is a name."""
    return Term("name", label=label)


def number(value: Any) -> Term:
    """Return the term that is a number."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return Term("number", value=value)


# --- precedence ---------------------------------------------------------------------------------------------
# How tightly each op binds, loosest first; everything else is written as a function and binds tightest.
LOGIC, COMPARE, SUM, PRODUCT, SIGN, POWER, ATOM = range(7)

_LEVELS = {"add": SUM, "subtract": SUM, "multiply": PRODUCT, "divide": PRODUCT, "matmul": PRODUCT}
_LEVELS |= {"remainder": PRODUCT, "floor_divide": PRODUCT, "negative": SIGN, "power": POWER, "square": POWER}
_LEVELS |= dict.fromkeys(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), COMPARE)
_LEVELS |= {"logical_not": COMPARE}
_LEVELS |= dict.fromkeys(("logical_and", "logical_or", "bitwise_and", "bitwise_or", "where"), LOGIC)
_LEVELS |= dict.fromkeys(("bitwise_xor", "left_shift", "right_shift"), LOGIC)

TRUTHS = frozenset(op for op, level in _LEVELS.items() if level == COMPARE) | {
    *("logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or"),
    *("isnan", "isinf", "isfinite", "signbit"),
}
"""Ops whose result is true or false; in arithmetic they are written in brackets, `[x > 0]`, for 1 or 0."""


def level(term: Term) -> int:
    """Return how tightly a term binds."""
    if term.head == "number":
        return (
            SUM
            if isinstance(term.value, (complex, np.complexfloating))
            else SIGN
            if _negative(term.value)
            else ATOM
        )
    if term.head == "name":
        return ATOM
    if term.head == "negative" and term.args[0].head in _LINEAR:
        return SUM  # -x/y: as loose as a difference
    return _LEVELS.get(term.head, ATOM)


def _negative(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.copysign(1, value) < 0


def _wrapped(term: Term, at_least: int, write: Style, brackets: tuple[str, str]) -> str:
    text = write(term)
    if term.head == "divide" and write is _latex and at_least < POWER:
        return text  # a fraction holds itself together
    if term.head in TRUTHS and at_least > COMPARE:
        return f"[{text}]"
    return text if level(term) >= at_least else f"{brackets[0]}{text}{brackets[1]}"


# --- numbers ------------------------------------------------------------------------------------------------
_CONSTANTS = {
    math.log(2): ("log(2)", r"\ln(2)"),
    math.log(10): ("log(10)", r"\ln(10)"),
    math.pi: ("pi", r"\pi"),
    180 / math.pi: ("(180/pi)", r"\frac{180}{\pi}"),
    math.pi / 180: ("(pi/180)", r"\frac{\pi}{180}"),
    2 / math.sqrt(math.pi): ("(2/sqrt(pi))", r"\frac{2}{\sqrt{\pi}}"),
    1 / math.sqrt(2 * math.pi): ("(1/sqrt(2*pi))", r"\frac{1}{\sqrt{2 \pi}}"),
}


def number_text(value: Any) -> str:
    """Return a number in the fewest digits that still say what it is: 12 significant ones at most.

    >>> number_text(297.0), number_text(0.1 + 0.2), number_text(1.5e-300), number_text(np.float32(0.1))
    ('297', '0.3', '1.5e-300', '0.1')
    """
    if isinstance(value, np.floating) and value.dtype.itemsize < 8:
        return f"{float(value):.6g}"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.12g}"
    return f"{float(value):.12g}"


def _latex_number(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return rf"\mathrm{{{value}}}"
    if isinstance(value, (complex, np.complexfloating)):
        return number_text(value).replace("j", r"\,\mathrm{i}")
    mantissa, e, exponent = number_text(value).partition("e")
    if mantissa in ("inf", "-inf"):
        return mantissa.replace("inf", r"\infty")
    if mantissa == "nan":
        return r"\mathrm{nan}"
    if not e:
        return mantissa
    return ("" if mantissa == "1" else rf"{mantissa} \cdot ") + f"10^{{{int(exponent)}}}"


# --- text ---------------------------------------------------------------------------------------------------
# fmt: off
_SIGNS = {
    "add": " + ", "subtract": " - ", "multiply": "*", "divide": "/", "matmul": " @ ",
    "remainder": " % ", "floor_divide": " // ",
    "less": " < ", "less_equal": " <= ", "greater": " > ", "greater_equal": " >= ", "equal": " == ",
    "not_equal": " != ", "logical_and": " and ", "logical_or": " or ", "bitwise_and": " and ",
    "bitwise_or": " or ", "bitwise_xor": " xor ", "left_shift": " << ", "right_shift": " >> ",
}
# fmt: on
_ASSOCIATIVE = frozenset(("logical_and", "logical_or", "bitwise_and", "bitwise_or"))  # no rounding in them


def _text(term: Term) -> str:
    head, args = term.head, term.args
    if head == "name":
        return term.label
    if head == "number":
        return _CONSTANTS[term.value][0] if term.value in _CONSTANTS else number_text(term.value)
    if head in _SIGNS and len(args) == 2:
        return _infix(term, _text, _SIGNS[head], ("(", ")"))
    if head == "negative":
        return "-" + _wrapped(args[0], _under_minus(args[0]), _text, _ROUND)
    if head == "power":
        return f"{_wrapped(args[0], ATOM, _text, _ROUND)}^{_wrapped(args[1], ATOM, _text, _ROUND)}"
    if head == "square":
        return f"{_wrapped(args[0], ATOM, _text, _ROUND)}^2"
    if head == "T":
        return f"{_wrapped(args[0], ATOM, _text, _ROUND)}^T"
    if head == "logical_not":
        return "not " + _wrapped(args[0], COMPARE, _text, _ROUND)
    if head == "where":
        condition, yes, no = args
        first, other = _wrapped(yes, SUM, _text, _ROUND), _wrapped(no, SUM, _text, _ROUND)
        return f"{first} if {_text(condition)} else {other}"
    if head == "getitem":
        return f"{_wrapped(args[0], ATOM, _text, _ROUND)}[{_index(term, _text)}]"
    if head == "list":
        return f"[{', '.join(map(_text, args))}]"
    if head == "scatter":
        return f"scatter({_text(args[0])}, [{_index(term, _text)}])"
    inside = [*map(_text, args), *(f"{k}={v}" if k else v for k, v in term.attrs)]
    return f"{'abs' if head == 'absolute' else head}({', '.join(inside)})"


_ROUND = ("(", ")")


def _infix(term: Term, write: Style, sign: str, brackets: tuple[str, str]) -> str:
    """Return `left sign right`; the right side of `a - (b - c)` or `a/(b*c)` keeps its brackets."""
    left, right = term.args
    mine = _LEVELS[term.head]
    first = _wrapped(left, mine, write, brackets)
    if left.head in ("multiply", "divide") and term.head == "matmul":
        first = brackets[0] + write(left) + brackets[1]
    tighter = mine if term.head in _ASSOCIATIVE and right.head == term.head else mine + 1
    if level(right) == SIGN and mine >= SUM:
        tighter = ATOM
    return first + sign + _wrapped(right, tighter, write, brackets)


_LINEAR = ("multiply", "divide", "matmul")  # -(x*y) may be written -x*y


def _under_minus(x: Term) -> int:
    return PRODUCT if x.head in _LINEAR else POWER


def _index(term: Term, write: Style) -> str:
    """Fill the index arrays, which are inputs, into the written form of an index."""
    rest = iter(term.args[1:])
    form = dict(term.attrs).get("index", "")
    return re.sub(r"\barray\b", lambda _: write(next(rest)), form)


# --- LaTeX --------------------------------------------------------------------------------------------------
# fmt: off
_TEX_SIGNS = {
    "add": " + ", "subtract": " - ", "matmul": r" \, ", "remainder": r" \bmod ",
    "less": " < ", "less_equal": r" \leq ", "greater": " > ", "greater_equal": r" \geq ", "equal": " = ",
    "not_equal": r" \neq ", "logical_and": r" \wedge ", "logical_or": r" \vee ", "bitwise_and": r" \wedge ",
    "bitwise_or": r" \vee ", "bitwise_xor": r" \oplus ", "left_shift": r" \ll ", "right_shift": r" \gg ",
}
# fmt: on
_TEX_FUNCTIONS = dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min", "arcsin"), "")
_TEX_FUNCTIONS = {f: "\\" + f for f in (*_TEX_FUNCTIONS, "arccos", "arctan")}
_TEX_FUNCTIONS |= {
    "log": r"\ln",
    "sigmoid": r"\sigma",
    "ndtr": r"\Phi",
    "maximum": r"\max",
    "minimum": r"\min",
    "sum": r"\sum",
}
_BARS = (r"\left(", r"\right)")


def _latex(term: Term) -> str:
    head, args = term.head, term.args
    if head == "name":
        return _latex_name(term.label)
    if head == "number":
        return _CONSTANTS[term.value][1] if term.value in _CONSTANTS else _latex_number(term.value)
    if head == "multiply":
        digit = args[1].head == "number" or args[0].head == args[1].head == "number"
        return _infix(term, _latex, r" \cdot " if digit else r" \, ", _BARS)
    if head == "divide":
        return rf"\frac{{{_latex(args[0])}}}{{{_latex(args[1])}}}"
    if head == "floor_divide":
        return rf"\left\lfloor \frac{{{_latex(args[0])}}}{{{_latex(args[1])}}} \right\rfloor"
    if head in _TEX_SIGNS and len(args) == 2:
        return _infix(term, _latex, _TEX_SIGNS[head], _BARS)
    if head == "negative":
        return "-" + _wrapped(args[0], _under_minus(args[0]), _latex, _BARS)
    if head in ("power", "square", "T"):
        above = r"\top" if head == "T" else "2" if head == "square" else _latex(args[1])
        return f"{_wrapped(args[0], ATOM, _latex, _BARS)}^{{{above}}}"
    if head == "where":
        condition, yes, no = map(_latex, args)
        return rf"\begin{{cases}} {yes} & {condition} \\ {no} & \text{{else}} \end{{cases}}"
    if head == "logical_not":
        return rf"\neg {_BARS[0]}{_latex(args[0])}{_BARS[1]}"
    if head in ("sqrt", "exp", "absolute", "floor", "ceil"):
        return _TEX_SHAPES[head].format(_latex(args[0]))
    if head == "getitem":
        return rf"{_wrapped(args[0], ATOM, _latex, _BARS)}_{{[{_index(term, _latex)}]}}"
    if head == "list":
        return rf"\left[{', '.join(map(_latex, args))}\right]"
    if head == "scatter":
        return rf"\operatorname{{scatter}}_{{[{_index(term, _latex)}]}}{_BARS[0]}{_latex(args[0])}{_BARS[1]}"
    inside = ", ".join([*map(_latex, args), *(_attribute(k, v) for k, v in term.attrs)])
    return f"{_TEX_FUNCTIONS.get(head) or _operator(head)}{_BARS[0]}{inside}{_BARS[1]}"


_TEX_SHAPES = {
    "sqrt": r"\sqrt{{{}}}",
    "exp": r"e^{{{}}}",
    "absolute": r"\left|{}\right|",
    "floor": r"\left\lfloor {} \right\rfloor",
    "ceil": r"\left\lceil {} \right\rceil",
}


def _operator(head: str) -> str:
    return rf"\operatorname{{{escape(head)}}}"


def _attribute(key: str, value: str) -> str:
    written = rf"\mathtt{{{escape(value)}}}"
    return rf"\mathrm{{{escape(key)}}}={written}" if key else written


def _latex_name(label: str) -> str:
    r"""Return a name as LaTeX: one letter (with digits below it) is italic, a longer name upright.

    >>> print(_latex_name("x"), _latex_name("w2"), _latex_name("net.0.weight"))
    x w_{2} \mathrm{net.0.weight}
    """
    parts = re.fullmatch(r"([A-Za-z])_?(\d*)", label)
    if parts:
        return parts[1] + (f"_{{{parts[2]}}}" if parts[2] else "")
    return rf"\mathrm{{{escape(label)}}}"


def barred(label: str) -> str:
    r"""Return the name of a gradient as LaTeX: a bar over the name, its digits below.

    >>> print(barred("x"), barred("w2"))
    \bar{x} \bar{w}_{2}
    """
    base, _, below = (
        _latex_name(label).partition("_{") if re.fullmatch(r"[A-Za-z]_?\d+", label) else (label, "", "")
    )
    return rf"\bar{{{base}}}_{{{below}" if below else rf"\bar{{{_latex_name(label)}}}"
