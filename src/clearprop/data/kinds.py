"""What a column is: a number, a date, a category, a yes or no, an id, text, one value; and what tells it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clearprop.data.cells import Moments, Numbers, as_number, as_words, shortest
from clearprop.data.dates import Form, dated, far_moment, from_numbers, like_seconds, unit_of
from clearprop.data.dress import Dress, Usual, is_open, open_remark, undress
from clearprop.data.tables import Table, counted, listed
from clearprop.errors import InputError, lesson

Array = npt.NDArray[Any]

ASKED = ("number", "category", "date", "ignore", "text")
"""What a person can say that a column is."""

_PAIRS = """yes no, y n, true false, t f, on off, ja nein, j n, wahr falsch, oui non, o n, vrai faux, sí no,
si no, sì no, verdadero falso, vero falso"""
_BOOLEANS = [set(pair.split()) for pair in _PAIRS.split(",")]
_ID = re.compile(
    r"(^|[\s_.-])(id|ids|uuid|guid|key|index|idx|nr|no|rownames?|serial)$|[a-z]I[Dd]$|^unnamed", re.I
)
_LIKE_ID = re.compile(r"id$|nr$|^obs|^case|^row|^column 1$|code$|number$|patient|subject|person", re.I)
_IN_ORDER = re.compile(r"^t$|time|year|date|day|week|month|hour|minute|second|^age|period|epoch|step", re.I)
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_MOMENT = re.compile(
    r"(unix|epoch|event|start|end|begin|stop|log|last|birth|order|post|creation|update)?"
    r"(time|date|datetime|(time)?stamp|epoch)s?|created|updated|modified|ts|at",
    re.I,
)
_NO_MOMENT = {"by", "id", "ids", "user", "name", "number", "count", "counts", "size", "bytes"}
_SENTINELS = [sign * float("9" * n) for n in range(1, 10) for sign in (-1, 1)] + [-1.0]


@dataclass
class Finding:
    """What one column was found to be.

    `kind` is number, date, boolean, category, text, id, constant, empty or ignored; `says` is what a person
    should know of it; `dress` and `form` tell how its numbers and dates are written. `used` is whether the
    network reads it.
    """

    name: str
    kind: str
    says: list[str] = field(default_factory=list)
    used: bool = True
    asked: bool = False
    dress: Dress = field(default_factory=Dress)
    form: Form | None = None
    example: str = ""

    def spec(self) -> dict[str, Any]:
        """Return the finding as JSON holds it."""
        rule = {"rule": self.dress.said()} if self.kind == "number" and not self.dress.plain else {}
        return {"name": self.name, "kind": self.kind, "used": self.used, "says": self.says} | rule


@dataclass
class Look:
    """A column with what every question asks of it: the different words that are there, and how often."""

    table: Table
    name: str
    words: list[str]
    counts: Array
    rows: int

    @classmethod
    def at(cls, table: Table, name: str) -> Look:
        """Look at a column."""
        cells = as_words(table.found(name))
        missing = np.array(table.missing(cells), bool)
        counts = np.where(missing, 0, cells.counts())
        kept = np.flatnonzero(counts).tolist()
        return cls(table, name, [cells.words[i].strip() for i in kept], counts[kept], len(table))

    @property
    def present(self) -> int:
        """How many cells are there."""
        return int(self.counts.sum())

    def rows_of(self, places: Sequence[int]) -> list[int]:
        """Return the rows that hold one of some words, given by their places in `words`."""
        wanted = {self.words[i] for i in places}
        cells = as_words(self.table.found(self.name))
        return np.flatnonzero(cells.spread([word.strip() in wanted for word in cells.words], bool)).tolist()


def guess(table: Table, name: str, asked: str | None = None, usual: Usual | None = None) -> Finding:
    """Find out what a column is; `asked` is what a person said, `usual` the decimal mark of the file.

    A column is a number if every cell that is there is one, in whatever dress; a date likewise. One of mostly
    numbers (or dates) with other text in less than a tenth of its cells, or with at most three different
    texts, is refused: it is likelier a mistake, or an unusual word for "missing", than a category. Raises
    InputError that names the line.
    """
    if asked == "ignore":
        return Finding(name, "ignored", ["left out, as asked"], used=False, asked=True)
    cells = table.found(name)
    if isinstance(cells, Numbers) and asked in ("category", "text"):
        table.verbatim([name])
        cells = table.found(name)
    if np.all(table.absent(name)):
        return Finding(name, "empty", ["left out: it has no value at all"], used=False)
    if asked is not None:
        found = _as_asked(table, name, asked, usual)
        found.asked = True
        return found
    if isinstance(cells, Numbers):
        return _of_numbers(table, name, cells.values)
    if isinstance(cells, Moments):
        different, counts = np.unique(cells.values[~np.isnat(cells.values)], return_counts=True)
        says = _far(different, counts, np.datetime_as_string(different).tolist(), "empty cells")
        return Finding(name, "date", says, form=Form("year, month, day"))
    return _of_words(Look.at(table, name), usual)


def _as_asked(table: Table, name: str, asked: str, usual: Usual | None) -> Finding:
    look = Look.at(table, name)
    if asked == "number":
        found = undress(look.words, table.spelling.decimal, usual)
        if found.strange:
            raise _refused(look, found.strange, "number", target=False)
        return Finding(name, "number", dress=found.dress)
    if asked == "date":
        return _as_date(look)
    return Finding(name, asked, ["hashed: the words of each cell"] if asked == "text" else [])


def _as_date(look: Look) -> Finding:
    cells, name = look.table.found(look.name), look.name
    if isinstance(cells, Moments):
        return Finding(name, "date", form=Form("year, month, day"))
    numbers = undress(look.words)
    if not numbers.strange and from_numbers(numbers.values) is None:
        years = numbers.values.min() >= 1500 and numbers.values.max() <= 2200
        unit = "years" if years else unit_of(numbers.values)
        return Finding(name, "date", [f"numbers of {unit}"], form=Form(unit))
    found = dated(look.words, look.table.spelling.day_first)
    if found is None or found.strange:
        places = list(range(len(look.words))) if found is None else found.strange
        raise _refused(look, places, "date", target=False)
    return Finding(name, "date", found.remarks, form=found.form)


def _of_numbers(table: Table, name: str, raw: Array) -> Finding:
    values = table.known(raw)
    known = values[~np.isnan(values)]
    says = [_large(int(np.isinf(raw).sum()), "inf")] if np.isinf(raw).any() else []
    different, counts = np.unique(known, return_counts=True)
    if len(different) == 1:
        return _constant(name, shortest(float(different[0])), len(known) < len(raw))
    if from_numbers(known) is not None and len(different) > 1:
        return Finding(name, "date", [*says, "whole numbers such as 20240229"], form=Form("eight digits"))
    if len(different) > 10 and like_seconds(different):
        if _names_moments(name):
            says.append(f"{unit_of(known)} (--column '{name}=number' if they are not)")
            return Finding(name, "date", says, form=Form(unit_of(known)))
        says.append(f"may be {unit_of(known)}: --column '{name}=date' if they are")
    if reason := _id_of_numbers(name, known, different, counts):
        return Finding(name, "id", [f"left out: {reason}", *says], used=False)
    return Finding(name, "number", [*says, *_sentinels(different, counts)])


def _names_moments(name: str) -> bool:
    """Return whether a column's name says that it holds moments.

    >>> [_names_moments(name) for name in ("created_at", "eventTime", "created_by", "lifetime")]
    [True, True, False, False]
    """
    parts = _NAME_PARTS.findall(name)
    return any(map(_MOMENT.fullmatch, parts)) and parts[-1].lower() not in _NO_MOMENT


def _of_words(look: Look, usual: Usual | None) -> Finding:
    name, words = look.name, look.words
    if len(words) == 1:
        one = dated(words, look.table.spelling.day_first)
        form = None if one is None or one.strange else one.form
        return replace(_constant(name, words[0], look.present < look.rows), form=form)
    if padded(words) or all(len(word) > 15 and word.isdecimal() for word in words):
        unique = len(words) > 20 and 2 * len(words) > look.present
        zero = next((word for word in words if _has_zero(word)), "")
        said = (
            f"codes with a leading zero, such as {zero!r}, are no numbers" if zero else "codes of many digits"
        )
        return (
            Finding(name, "id", [f"left out: {said}"], False) if unique else Finding(name, "category", [said])
        )
    found = undress(words, look.table.spelling.decimal, usual)
    if not found.strange:
        return _of_undressed(look, found)
    date = dated(words, look.table.spelling.day_first)
    if date is not None and not date.strange:
        says = date.remarks + _far(date.values, look.counts, words, "--missing {}")
        return Finding(name, "date", says, form=date.form)
    if {word.lower() for word in words} in _BOOLEANS:
        return Finding(name, "boolean")
    for kind, strange in (("number", found.strange), ("date", date.strange if date else [])):
        if strange and looks_stray(look, strange):
            raise _refused(look, strange, kind, target=False)
    return _of_text(look)


def _of_undressed(look: Look, found: Any) -> Finding:
    finding = _of_numbers(look.table, look.name, np.repeat(found.values, look.counts))
    if finding.kind != "number" and not found.dress.plain and finding.kind != "constant":
        finding = Finding(look.name, "number")  # 1,001 or $5 is an amount, even where each row has its own
    finding.dress = found.dress
    if found.open_mark:
        first = next(word for word in look.words if found.open_mark in word)
        finding.says.append(open_remark(first, found.open_mark, found.dress.decimal))
    if found.large:
        cells = int(look.counts[found.large].sum())
        finding.says.append(_large(cells, look.words[found.large[0]]))
    return finding


def _of_text(look: Look) -> Finding:
    words, distinct = look.words, len(look.words)
    length = float(np.mean([len(word.split()) for word in words]))
    example = words[0] if len(words[0]) < 30 else words[0][:27] + "..."
    shown = f"text of {distinct:,} different values in {look.present:,} rows, such as {example!r}"
    if distinct > 20 and (2 * distinct > look.present or length >= 8):
        ask = f" (--column '{look.name}=text' hashes its words)" if length >= 3 else ""
        kind = "text" if length >= 3 else "id"
        return Finding(look.name, kind, [f"left out: {shown}{ask}"], used=False)
    return Finding(look.name, "category")


def _constant(name: str, word: str, missing: bool) -> Finding:
    if missing:
        return Finding(name, "category", [f"one value, {word!r}, or none"])
    return Finding(name, "constant", [f"left out: every cell is {word!r}"], used=False, example=word)


def _large(cells: int, word: str) -> str:
    return f"{counted(cells, 'cell')} too large for a number, such as {word!r}, taken as missing"


def padded(words: Sequence[str]) -> bool:
    """Return whether words are codes of digits, some with a zero in front: `02139` is no number."""
    return any(map(_has_zero, words)) and all(word.isdecimal() for word in words)


def _has_zero(word: str) -> bool:
    return len(word) > 1 and word[0] == "0" and word.isdecimal()


def _id_of_numbers(name: str, values: Array, different: Array, counts: Array) -> str:
    """Return why whole numbers name rows rather than measure something, or nothing.

    Values of which none occurs twice are ids where chance would hardly have it so: of n draws out of R
    numbers all differ with a probability of about exp(-n (n - 1) / 2 R). They come in order, or have the name
    of an id; the ranks of a column (1 to n, in any order) are measurements.
    """
    n = len(different)
    if counts.max() > 1 or n < 10 or np.any(different != np.round(different)):
        return ""
    if _ID.search(name) is None:
        unlikely = n * (n - 1) / (2 * float(different[-1] - different[0] + 1)) > 4.6
        steps = np.diff(values)
        in_order = bool(np.all(steps > 0) or np.all(steps < 0)) and _IN_ORDER.search(name) is None
        if not unlikely or not (in_order or _LIKE_ID.search(name)):
            return ""
    return f"whole numbers that differ in all {n:,} rows, as row numbers and ids do"


def _sentinels(different: Array, counts: Array) -> list[str]:
    """Return a remark on each number that looks like a word for missing: -999 among numbers from 12 to 15."""
    told = []
    for number in (s for s in _SENTINELS if s in (different[0], different[-1])):
        rest = different[different != number]
        times = int(counts[different == number][0])
        if len(rest) < 2:
            continue
        low, high = float(rest[0]), float(rest[-1])
        gap = low - number if number < low else number - high
        far = gap > max(2 * (high - low), 10.0)
        alone = number < 0 <= low and (number < -1 or len(rest) > 10) and times > 1
        if (far and abs(number) > 9 and times > 1) or alone:
            told.append(
                f"{shortest(number)} occurs in {counted(times, 'row')}, the others are from {shortest(low)} "
                f"to {shortest(high)}: if it stands for a missing number, --missing {shortest(number)}"
            )
    return told


def _far(moments: Array, counts: Array, words: Sequence[str], cure: str) -> list[str]:
    """Return a remark on a date that looks like a word for missing: 9999-12-31 among those of a year."""
    found = far_moment(moments, counts)
    if found is None:
        return []
    place, span = found
    rows = counted(int(counts[place]), "row")
    word = words[place]
    return [f"{word!r} occurs in {rows}, the others are from {span}: if it stands for a missing date, "
            f"{cure.format(repr(word))}"]  # fmt: skip


def looks_stray(look: Look, strange: list[int]) -> bool:
    """Return whether a few words among numbers are likelier a mistake than a category."""
    text = int(look.counts[strange].sum())
    return 2 * text < look.present and (10 * text < look.present or len(strange) <= 3)


def _refused(look: Look, strange: list[int], kind: str, target: bool) -> InputError:
    rows = look.rows_of(strange)
    what = "the target" if target else "column"
    held = f"holds {kind}s in {counted(look.present - len(rows), 'row')} but text in {len(rows):,}"
    name = look.name
    example = look.words[strange[0]]
    other = f"--column '{name}=category', or --column '{name}=ignore'"
    hint = f"--missing {example!r} if it stands for a missing cell, " + (
        "or --task classification" if target else other
    )
    got = look.table.where(name, rows[0])
    if len(strange) > 1:
        got += f", and {listed([look.words[i] for i in strange[1:]], 3)}"
    return InputError(lesson(look.table.path, f"{what} {name!r} {held}", got, hint=hint))


def stray(look: Look, strange: list[int]) -> InputError:
    """Return the complaint about text in a target of numbers."""
    return _refused(look, strange, "number", target=True)


def usual_decimal(table: Table, names: Sequence[str], delimiter: str | None = None) -> Usual:
    """Return the decimal mark that the columns of a file settle between them, if they do.

    Where one column has `1,5`, the `1,500` of another is one and a half too, and thousands where it has 1.5.
    Numbers that may have points between thousands are read once more, as they are written.
    """
    if table.spelling.decimal is not None:
        return Usual(table.spelling.decimal)
    votes: set[str] = set()
    for name in names:
        cells = table.found(name)
        if isinstance(cells, Numbers):
            if not _may_be_thousands(table, name, cells):
                votes |= {"."} if has_fractions(cells) else set()
                continue
            table.verbatim([name])
        look = Look.at(table, name)
        if any("," in word or "." in word for word in look.words) and _mostly_numbers(look.words[:200]):
            votes |= undress(look.words).votes
    return Usual(votes.pop() if len(votes) == 1 else None, delimiter == ";" and not votes)


def _mostly_numbers(words: Sequence[str]) -> bool:
    return 2 * len(undress(words).strange) < len(words)


def _may_be_thousands(table: Table, name: str, cells: Numbers) -> bool:
    """Return whether numbers of a text were perhaps 1.095 for a thousand and ninety-five."""
    known = np.abs(cells.values[np.isfinite(cells.values)])
    if table.again is None or table.first is None or not known.size or known.max() >= 1000:
        return False
    parts = known[known != np.round(known)]
    if parts.size and (parts.min() < 1 or np.any(np.abs(np.round(1000 * parts) - 1000 * parts) > 1e-6)):
        return False
    pointed = _pointed(table, name)
    return all(map(is_open, pointed)) and bool(pointed or parts.size)


def may_have_points(table: Table, name: str) -> bool:
    """Return whether a column of numbers has one that is not whole, or a point among its first cells."""
    cells = table.found(name)
    return isinstance(cells, Numbers) and (has_fractions(cells) or bool(_pointed(table, name)))


def _pointed(table: Table, name: str) -> list[str]:
    """Return those of a column's first cells that are numbers with a point, as they are written."""
    first = table.first()[name] if table.first else ()
    return [word for word in first if "." in word and as_number(word) is not None]


def has_fractions(cells: Numbers) -> bool:
    """Return whether a column of numbers has one that is not whole."""
    known = cells.values[~np.isnan(cells.values)]
    return bool(np.any(known != np.round(known)))
