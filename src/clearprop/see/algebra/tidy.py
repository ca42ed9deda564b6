"""Light algebra: `x*1` is x, a double minus is a plus. Enough to read a derivative, never to change it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from clearprop.see.algebra.cases import both, chosen, either, opposite
from clearprop.see.algebra.notation import Term, number

ZERO, ONE, TWO = number(0), number(1), number(2)


def apply(head: str, *args: Term, attrs: tuple[tuple[str, str], ...] = ()) -> Term:
    """Return the term `head(*args)`, tidied one step; its arguments are tidy already.

    >>> from clearprop.see.algebra.notation import name
    >>> x = name("x")
    >>> apply("subtract", ONE, apply("multiply", apply("negative", x), x)).text
    '1 + x^2'
    """
    rule = _RULES.get(head)
    tidied = rule(*args) if rule else None
    return tidied if tidied is not None else Term(head, args, attrs=attrs)


def shared(term: Term) -> tuple[Term, list[tuple[str, Term]]]:
    """Return the term with a name for every part that occurs more than once, and what the names stand for.

    >>> from clearprop.see.algebra.notation import name
    >>> top = Term("max", (Term("add", (name("x"), ONE)),))
    >>> whole, parts = shared(Term("add", (top, Term("exp", (top,)))))
    >>> whole.text, [(label, part.text) for label, part in parts]
    ('s + exp(s)', [('s', 'max(x + 1)')])
    """
    parts: list[tuple[str, Term]] = []
    taken = {part.label for part in _parts(term)}
    for label in (free for free in "stuvwpqr" if free not in taken):
        counts = Counter(_parts(term) + [p for _, part in parts for p in _parts(part)])
        again = [part for part, n in counts.items() if n > 1 and part.size > 2]
        if not again:
            break
        chosen = max(again, key=lambda part: (part.size, part.text))
        inner = [part for part in again if part.size < chosen.size and counts[part] > counts[chosen]]
        chosen = min(inner, key=lambda part: (part.size, part.text), default=chosen)
        named = Term("name", label=label)
        term = _replaced(term, chosen, named)
        parts = [(known, _replaced(part, chosen, named)) for known, part in parts]
        parts.append((label, chosen))
    return term, parts


def _parts(term: Term) -> list[Term]:
    return [term, *(part for x in term.args for part in _parts(x))]


def _replaced(term: Term, old: Term, new: Term) -> Term:
    if term == old:
        return new
    return replace(term, args=tuple(_replaced(x, old, new) for x in term.args)) if term.args else term


def _value(x: Term) -> Any:
    return x.value if x.head == "number" else None


def _both(x: Term, y: Term) -> bool:
    return x.head == y.head == "number" and not isinstance(x.value, bool) and not isinstance(y.value, bool)


def _add(x: Term, y: Term) -> Term | None:
    if _both(x, y):
        return number(x.value + y.value)
    if _value(x) == 0:
        return y
    if _value(y) == 0:
        return x
    if y.head == "negative":
        return apply("subtract", x, y.args[0])
    if x.head == "negative":
        return apply("subtract", y, x.args[0])
    return apply("multiply", TWO, x) if x == y else None


def _subtract(x: Term, y: Term) -> Term | None:
    if _both(x, y):
        return number(x.value - y.value)
    if _value(y) == 0:
        return x
    if _value(x) == 0:
        return apply("negative", y)
    if y.head == "negative":
        return apply("add", x, y.args[0])
    return None


def _negative(x: Term) -> Term | None:
    if x.head == "number" and not isinstance(x.value, bool):
        return number(-x.value)
    if x.head == "negative":
        return x.args[0]
    if x.head == "subtract":
        return apply("subtract", x.args[1], x.args[0])
    return None


def _multiply(x: Term, y: Term) -> Term | None:
    if _both(x, y):
        return number(x.value * y.value)
    if y.head == "number" and x.head != "number":
        x, y = y, x  # the number first
    if _value(x) in (0, 1, -1) and x.head == "number":
        return (ZERO, y, apply("negative", y))[int(x.value)]
    if x.head == "number" and y.head == "multiply" and y.args[0].head == "number":
        return apply("multiply", number(x.value * y.args[0].value), y.args[1])
    for one, other in ((x, y), (y, x)):
        if one.head == "negative":
            return apply("negative", apply("multiply", *((one.args[0], y) if one is x else (x, one.args[0]))))
        if one.head == "divide" and one.args[0] == ONE:
            return apply("divide", other, one.args[1])
    if x.head == "multiply" and x.args[0].head == "number" and x.args[1] == y:
        return apply("multiply", x.args[0], apply("multiply", y, y))
    base, exponent = x.args if x.head == "power" else (x, ONE)
    if base == y and exponent.head == "number":
        return apply("power", y, number(exponent.value + 1))
    return Term("multiply", (x, y))


def _divide(x: Term, y: Term) -> Term | None:
    if y == ONE or _value(x) == 0:
        return x
    if x.head == "negative":
        return apply("negative", apply("divide", x.args[0], y))
    if x.head == "number" and x.value < 0 and y.head != "number":
        return apply("negative", apply("divide", number(-x.value), y))
    if y.head == "divide" and y.args[0] == ONE:
        return apply("multiply", x, y.args[1])
    if x.head == "divide":
        return Term("divide", (x.args[0], apply("multiply", x.args[1], y)))
    return None


def _power(x: Term, y: Term) -> Term | None:
    if y == ONE:
        return x
    if y == ZERO:
        return ONE
    return None


def _square(x: Term) -> Term:
    return Term("power", (x, TWO))


def _transposed(x: Term) -> Term | None:
    return x.args[0] if x.head == "T" else None


def _where(condition: Term, x: Term, y: Term) -> Term | None:
    return chosen(apply, condition, x, y)


def _same(x: Term, *_: Term) -> Term:
    return x


# fmt: off
_RULES: dict[str, Any] = {
    "add": _add, "subtract": _subtract, "multiply": _multiply, "masked_product": _multiply, "divide": _divide,
    "negative": _negative, "power": _power, "square": _square, "T": _transposed,
    "where": _where, "logical_and": both, "bitwise_and": both, "logical_or": either, "bitwise_or": either,
    "logical_not": opposite, "invert": opposite,
    "astype": _same, "positive": _same, "detach": _same,
}
# fmt: on
