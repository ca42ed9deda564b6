"""Numbers in dress: thousands separators, currencies, percent, decimal commas, parentheses, units.

A column is understood as a whole: what one cell leaves open (is `1,500` a half more than one, or fifteen
hundred?) another one settles, and what none settles is decided by a stated rule, and said.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import as_number

Array = npt.NDArray[Any]

_BLANKS = "\u0020\u00a0\u2007\u2009\u202f"
_MINUS = "-\u2212\u2013\ufe63\uff0d"
_HYPHENS = _MINUS.replace("-", r"\-")  # inside a set of characters
_QUOTES = "'\u2019"
_BLANK, _QUOTE = re.compile(f"[{_BLANKS}]"), re.compile(f"[{_QUOTES}]")
_SIGNS = "$€£¥₹₽₩₺₴₪₫฿₦₱₡₲₵₸₿¢"
# fmt: off
_CODES = [
    "USD", "EUR", "GBP", "JPY", "CNY", "RMB", "INR", "RUB", "KRW", "TRY", "UAH", "ILS", "CHF", "SEK", "NOK",
    "DKK", "PLN", "CZK", "HUF", "RON", "BRL", "MXN", "CAD", "AUD", "NZD", "SGD", "HKD", "ZAR", "THB", "IDR",
    "MYR", "PHP", "VND", "AED", "SAR", "BTC", "Fr.", "Rs.", "Rs", "kr", "Kč", "zł", "Ft", "R$", "US$", "C$",
    "A$", "HK$", "NZ$", "S$", "lei",
]
# fmt: on
_CURRENCY = "|".join(sorted(map(re.escape, [*_CODES, *_SIGNS]), key=len, reverse=True))
_FORM = re.compile(
    rf"""(?P<open>\()?[{_BLANKS}]*(?P<sign>[+{_HYPHENS}])?[{_BLANKS}]*(?P<before>{_CURRENCY})?[{_BLANKS}]*
    (?P<inner>[+{_HYPHENS}])?[{_BLANKS}]*
    (?P<digits>\d[\d.,{_QUOTES}{_BLANKS}]*|[.,]\d+)(?P<power>[eE][+{_HYPHENS}]?\d+)?
    [{_BLANKS}]*(?P<after>%|‰|{_CURRENCY}|[A-Za-zµ°²³/]{{1,12}}\.?)?[{_BLANKS}]*(?P<close>\))?""",
    re.VERBOSE,
)
_IN_THREES = re.compile(r"\d{1,3}(\D\d{3})+|\d{1,2}(\D\d{2})+\D\d{3}")  # 1,234,567, and 12,34,567 in India
_OPEN = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")  # thousands, or a number with three decimals
_POINTED = ("$", "£", "¥", "USD", "GBP", "US$")  # where these are paid, the decimal mark is a point
_OTHER = {",": ".", ".": ","}
_NAMES = {",": "a comma", ".": "a point", " ": "a blank", "'": "an apostrophe"}


@dataclass(frozen=True)
class Dress:
    """What a column's numbers wear: how a cell of it becomes a number.

    >>> Dress(decimal=",", thousands=".", currency="€").number("1.234,50 €")
    1234.5
    """

    decimal: str = "."
    thousands: str = ""
    currency: str = ""
    unit: str = ""
    percent: bool = False
    parentheses: bool = False
    minus: bool = False

    def number(self, word: str) -> float | None:
        """Return the number that a cell holds: infinite where it is too large, None where it is none."""
        parts = _parts(word)
        if parts is None:
            return None
        after = parts["after"] or ""
        money = parts["before"] or (after if _is_currency(after) else "")
        unit = "" if after == "%" or money == after else after
        core = self._core(parts["digits"].strip(_BLANKS))
        percent = after == "%"
        if core is None or (unit and unit != self.unit) or (money and money != self.currency):
            return None
        number = float(core + (parts["power"] or "").translate(_ASCII))
        if (percent and not self.percent) or (self.percent and not percent and number):
            return None
        negative = [name for name in ("sign", "inner") if (parts[name] or "+") in _MINUS]
        if len(negative) > 1 or (parts["open"] and negative):
            return None
        number = -number if negative or parts["open"] else number
        return number / 100 if self.percent else number

    def _core(self, digits: str) -> str | None:
        """Return digits as Python writes them, or None where they are grouped in another way."""
        whole, mark, rest = digits.partition(self.decimal)
        if not rest.isdecimal() and rest:
            return None
        if not whole.isdecimal() and whole:
            whole = _BLANK.sub(" ", _QUOTE.sub("'", whole))
            separators = {mark for mark in whole if not mark.isdecimal()}
            if separators != {self.thousands} or not _IN_THREES.fullmatch(whole):
                return None
            whole = whole.replace(self.thousands, "")
        return whole + ("." if mark else "") + rest

    @property
    def plain(self) -> bool:
        """Whether there is nothing to say: the cells are as a program writes them."""
        return self == Dress()

    def said(self) -> str:
        """Return the rule in words, for the screen.

        >>> Dress(decimal=",", currency="€").said()
        "decimal comma, currency '€'"
        """
        told = [] if self.decimal == "." else ["decimal comma"]
        if self.thousands:
            told.append(f"thousands parted by {_NAMES[self.thousands]}")
        if self.currency:
            told.append(f"currency {self.currency!r}")
        if self.unit:
            told.append(f"unit {self.unit!r}")
        if self.percent:
            told.append("percent (12 % is 0.12)")
        if self.parentheses:
            told.append("parentheses are a minus")
        if self.minus:
            told.append("minus signs that are no hyphen")
        return ", ".join(told)

    def spec(self) -> dict[str, Any]:
        """Return what a model file stores: what differs from plain numbers."""
        return {name: value for name, value in vars(self).items() if value != getattr(Dress, name)}

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Dress:
        """Return what a model file stored."""
        dress = cls(**spec)
        for name, value in vars(dress).items():
            if type(value) is not type(getattr(cls, name)):
                raise ValueError(f"a number's {name} is {value!r}")
        if dress.decimal not in (".", ",") or (dress.thousands and dress.thousands not in _NAMES):
            raise ValueError(f"numbers such as 1{dress.thousands}000{dress.decimal}5")
        return dress


@dataclass(frozen=True)
class Usual:
    """The decimal mark that the columns of a file settle between them, if they do.

    Where they do not, `semicolons` says whether cells are parted by them, as programs do that write `1,5`.
    """

    mark: str | None = None
    semicolons: bool = False


def open_remark(word: str, mark: str, decimal: str) -> str:
    """Return what to say of a mark that nothing settles, with the option that takes it the other way.

    >>> open_remark("1.750", ".", ".")
    "'1.750' is taken for a decimal point, which no cell settles (--decimal , if it parts thousands)"
    """
    if mark == decimal:
        taken, other = f"a decimal {'comma' if mark == ',' else 'point'}", "if it parts thousands"
    else:
        taken, other = "thousands", "if it is not"
    return f"{word!r} is taken for {taken}, which no cell settles (--decimal {_OTHER[decimal]} {other})"


@dataclass
class Undressed:
    """A column's different words as numbers: NaN where one is none, whose places `strange` has.

    `open_mark` is the mark that no cell and no other column settles, `votes` has the decimal mark that is.
    """

    dress: Dress
    values: Array
    strange: list[int] = field(default_factory=list)
    large: list[int] = field(default_factory=list)
    open_mark: str = ""
    votes: frozenset[str] = frozenset()


def undress(words: Sequence[str], decimal: str | None = None, usual: Usual | None = None) -> Undressed:
    """Find out what a column's numbers wear, and take it off.

    `decimal` is the mark that the reader was told, `usual` the one that the rest of the file has: it settles
    what the words leave open. Without both, `1,500` is fifteen hundred and `1.500` is one and a half, unless
    words tell that the mark parts thousands: see `_parts_thousands`.

    >>> undress(["$2,480", "$12.50", "-$3"]).values
    array([2480. ,   12.5,   -3. ])
    """
    plain = [as_number(word) for word in words]
    odd = [i for i, number in enumerate(plain) if number is None]
    usual = usual or Usual()
    told = decimal or usual.mark
    if not odd and (told == "." or (told is None and not any(map(is_open, words)))):
        votes = {"."} if any("." in word for word in words) else ()
        return Undressed(Dress(), np.array(plain, np.float64), votes=frozenset(votes))
    parts = [_parts(word) for word in words]
    found = [part for part in parts if part is not None]
    dress, open_mark, votes = _dress(found, decimal, usual)
    values = np.full(len(words), np.nan)
    result = Undressed(dress, values, open_mark=open_mark, votes=votes)
    for i, word in enumerate(words):
        number = dress.number(word)
        number = _infinite(word) if number is None else number
        if number is None:
            result.strange.append(i)
        elif math.isinf(number):
            result.large.append(i)
        else:
            values[i] = number
    return result


def _dress(found: list[re.Match[str]], decimal: str | None, usual: Usual) -> tuple[Dress, str, Any]:
    """Return what most of the words wear, the mark that was left open, and what they settled."""
    votes, blanks, open_marks = Counter[str](), Counter[str](), Counter[str]()
    for part in found:
        digits = part["digits"].strip(_BLANKS)
        for kind, name in ((_BLANKS, " "), (_QUOTES, "'")):
            if any(mark in digits for mark in kind):
                blanks[name] += 1
                digits = digits.translate(dict.fromkeys(map(ord, kind)))
        if _OPEN.fullmatch(digits):
            open_marks["," if "," in digits else "."] += 1
        elif mark := _decimal_mark(digits):
            votes[mark] += 1
    marks = Counter(part["before"] or part["after"] or "" for part in found)
    money = Counter({name: n for name, n in marks.items() if _is_currency(name)})
    currency = money.most_common(1)[0][0] if money else ""
    left = "" if votes or decimal or usual.mark or len(open_marks) > 1 else "".join(open_marks)
    pointed = left == "," and currency in _POINTED
    if pointed and not usual.semicolons:
        left = ""
    elif left and _parts_thousands([part["digits"].strip(_BLANKS) for part in found], left):
        votes["." if left == "," else ","] += 1
        left = ""
    told = decimal if decimal in votes or not votes else None  # a column may differ from the rest of its file
    assumed = "," if left == "," and usual.semicolons and not pointed else "."
    mark = told or (votes.most_common(1)[0][0] if votes else usual.mark or assumed)
    other = "," if mark == "." else "."
    grouped = any(_grouped(part["digits"].strip(_BLANKS), mark, other) for part in found)
    thousands = other if grouped else blanks.most_common(1)[0][0] if blanks else ""
    units = Counter({name: n for name, n in marks.items() if name not in money and name not in ("", "%")})
    signs = "".join((part["sign"] or "") + (part["inner"] or "") for part in found)
    dress = Dress(
        decimal=mark if open_marks[mark] or votes[mark] or mark == "." or grouped else ".",
        thousands=thousands,
        currency=currency,
        unit=units.most_common(1)[0][0] if units and marks[""] == 0 and len(units) == 1 else "",
        percent=2 * marks["%"] > len(found) - _zeros(found),
        parentheses=any(part["open"] for part in found),
        minus=any(mark in signs for mark in _MINUS[1:]),
    )
    return dress, left, frozenset(votes)


def is_open(word: str) -> bool:
    """Return whether a number may have a mark between thousands, or three decimals behind it.

    >>> is_open("1.095"), is_open("0.095"), is_open("1.5")
    (True, False, False)
    """
    return _OPEN.fullmatch(word.strip().lstrip("+-")) is not None


def _parts_thousands(digits: list[str], mark: str) -> bool:
    """Return whether numbers tell that a mark with three digits behind it parts thousands: 735 and 1.750.

    A decimal fraction written in its shortest form does not end in 0, and one of fixed length is in every
    number; so both together are none, where what has no mark is below 1000 and has three digits too.
    """
    bare = [word for word in digits if word.isdecimal()]
    ends = any(mark in word and word.endswith("0") for word in digits)
    return ends and max(map(len, bare), default=0) == 3


def _decimal_mark(digits: str) -> str:
    """Return the decimal mark that one word settles, or nothing."""
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        last = "," if digits.rfind(",") > digits.rfind(".") else "."
        return last if digits.count(last) == 1 else ""
    if commas > 1 or points > 1:
        return ("." if commas else ",") if _IN_THREES.fullmatch(digits) else ""
    return "," if commas else "." if points else ""


def _grouped(digits: str, decimal: str, other: str) -> bool:
    whole = digits.partition(decimal)[0]
    return other in whole and _IN_THREES.fullmatch(whole) is not None


def _zeros(found: list[re.Match[str]]) -> int:
    return sum(part["digits"].strip("0.,") == "" for part in found)


def _parts(word: str) -> re.Match[str] | None:
    match = _FORM.fullmatch(word.strip())
    if match is None or bool(match["open"]) != bool(match["close"]) or (match["before"] and match["after"]):
        return None
    return match


def _is_currency(mark: str) -> bool:
    return bool(mark) and (mark in _SIGNS or mark in _CODES)


def _infinite(word: str) -> float | None:
    """Return infinity for a cell such as `1e400`, whose number is too large, or `inf`."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isinf(number) and "_" not in word else None


_ASCII = {ord(mark): "-" for mark in _MINUS}
