"""Choices: inside `a if c else b` it is known whether `c` holds, so that what hangs on it is said once.

A rule that must not divide by 0 says so twice: it divides by `where(c, 1, x)`, and puts another number where
`c` holds. On paper the first is of no use: in the branch without `c` it is x.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from clearprop.batch import by_entries
from clearprop.registry import ops
from clearprop.see.algebra.notation import TRUTHS, Term, number

Apply = Callable[..., Term]
_YES, _NO = number(True), number(False)
_BITS = ("bitwise_and", "bitwise_or", "bitwise_xor", "invert")  # of truths they are logic, of integers not
_ALL, _ANY = ("logical_and", "bitwise_and"), ("logical_or", "bitwise_or")


def is_truth(term: Term) -> bool:
    """Return whether a term is true or false, and no number.

    >>> x = Term("name", label="x")
    >>> is_truth(Term("invert", (Term("isnan", (x,)),))), is_truth(Term("invert", (x,)))
    (True, False)
    """
    if term.head in _BITS:
        return all(map(is_truth, term.args))
    return term.head in TRUTHS or said(term) is not None


def said(term: Term) -> bool | None:
    """Return which of True and False a term is, None for all others."""
    return term.value if term.head == "number" and isinstance(term.value, bool) else None


def chosen(apply: Apply, condition: Term, yes: Term, no: Term) -> Term | None:
    """Return `yes if condition else no` with both told what holds there; None where that changes nothing.

    >>> from clearprop.see.algebra.tidy import apply
    >>> x, two = Term("name", label="x"), number(2)
    >>> c = Term("equal", (x, number(0)))
    >>> apply("where", c, two, apply("divide", two, apply("where", c, two, x))).text
    '2 if x == 0 else 2/x'
    """
    known = said(condition)
    if known is not None:
        return yes if known else no
    if not is_truth(condition):
        return None
    branches: _Branches = {}
    there = _Branch(apply, {}, condition, True, branches).told(yes)
    elsewhere = _Branch(apply, {}, condition, False, branches).told(no)
    if there == elsewhere:
        return there
    return None if there is yes and elsewhere is no else Term("where", (condition, there, elsewhere))


class _Branch:
    """Where a condition holds, or does not: terms as they read there.

    The choices within a term lead to the same branches again and again: `branches` has those there were.
    """

    def __init__(
        self, apply: Apply, known: dict[Term, bool], condition: Term, holds: bool, branches: _Branches
    ) -> None:
        self.apply, self.known, self.branches = apply, dict(known), branches
        self.seen: dict[Term, Term] = {}
        self._learn(condition, holds)
        for fact, truth in known.items():  # what was known of `a and b` may now say more of b
            self._learn(fact, truth)

    def _learn(self, fact: Term, holds: bool) -> None:
        """Take in a fact and what follows from it."""
        self.known[fact] = holds
        if fact.head in ("invert", "logical_not"):
            self._learn(fact.args[0], not holds)
        if fact.head not in _ALL and fact.head not in _ANY:
            return
        parts, neutral = fact.args, fact.head in _ALL
        if holds is not neutral:  # a false `a and b`: b is false where a is known to be true
            parts = tuple(b for a, b in (parts, parts[::-1]) if said(self.told(a)) is neutral)
            self.seen.clear()
        for part in parts:
            self._learn(part, holds)

    def told(self, term: Term) -> Term:
        """Return a term with what is known put in, through what is computed entry by entry."""
        if term not in self.seen:
            self.seen[term] = self._put(term)
        return self.seen[term]

    def _put(self, term: Term) -> Term:
        holds = self.known.get(term) if term.head in TRUTHS or term.head in _BITS else None
        if holds is not None:
            return _YES if holds else _NO
        op = ops.get(term.head)
        if op is None or (op.kind != "elementwise" and op.batch is not by_entries):
            return term
        if term.head == "where" and is_truth(term.args[0]):
            return self._choice(term)
        args = tuple(map(self.told, term.args))
        if all(a is b for a, b in zip(args, term.args, strict=True)):
            return term
        return self.apply(term.head, *args, attrs=term.attrs)

    def _choice(self, term: Term) -> Term:
        condition, yes, no = term.args
        now = self.told(condition)
        if said(now) is not None:
            return self.told(yes if said(now) else no)
        there, elsewhere = self._within(condition, True).told(yes), self._within(condition, False).told(no)
        if now is condition and there is yes and elsewhere is no:
            return term
        return there if there == elsewhere else Term("where", (now, there, elsewhere))

    def _within(self, condition: Term, holds: bool) -> _Branch:
        """Return the branch of this one in which a condition holds, or does not."""
        asked = frozenset(self.known.items()), condition, holds
        if asked not in self.branches:
            self.branches[asked] = _Branch(self.apply, self.known, condition, holds, self.branches)
        return self.branches[asked]


_Branches: TypeAlias = dict[tuple[frozenset[tuple[Term, bool]], Term, bool], _Branch]


def both(x: Term, y: Term) -> Term | None:
    """Return `x and y`, where one of them is known."""
    for one, other in ((x, y), (y, x)):
        if said(one) is not None and is_truth(other):
            return other if said(one) else _NO
    return x if x == y else None


def either(x: Term, y: Term) -> Term | None:
    """Return `x or y`, where one of them is known."""
    for one, other in ((x, y), (y, x)):
        if said(one) is not None and is_truth(other):
            return _YES if said(one) else other
    return x if x == y else None


def opposite(x: Term) -> Term | None:
    """Return `not x` of a truth; None of a number, whose bits are meant."""
    if said(x) is not None:
        return _NO if said(x) else _YES
    if not is_truth(x):
        return None
    return x.args[0] if x.head == "logical_not" else Term("logical_not", (x,))
