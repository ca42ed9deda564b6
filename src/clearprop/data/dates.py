"""Dates and times in the forms that people write them in, and what a network can learn from one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# fmt: off
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
    "january": 1, "february": 2, "march": 3, "april": 4, "june": 6, "july": 7, "august": 8,
    "sept": 9, "september": 9, "october": 10, "november": 11, "december": 12,
}
# fmt: on
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
_NAME = r"(?P<name>[a-z]{3,9})"
_DAY, _NTH, _YEAR = r"(?P<day>\d{1,2})", r"(?P<day>\d{1,2})(?:st|nd|rd|th)?", r"(?P<year>\d{4})"
_SHORT = r"(?P<year>\d{4}|\d{2})"
_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>z|utc|gmt|(?:utc|gmt)?[+-]\d{2}(?::?\d{2})?)?"
)
_AFTER = rf"(?:(?:t|,?\s+|,|\s+at\s+){_TIME})?"

# fmt: off
_FORMS = {
    "year, month, day":   rf"{_YEAR}(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){_AFTER}",
    "numbers":            rf"(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<second_>\d{{1,2}})(?P=mark){_SHORT}{_AFTER}",
    "day, month's name":  rf"{_WEEKDAY}{_NTH}[\s./-]\s*{_NAME}\.?,?[\s/-]\s*{_SHORT}{_AFTER}",
    "month's name, day":  rf"{_WEEKDAY}{_NAME}\.?\s+{_NTH},?\s+{_YEAR}{_AFTER}",
    "as C prints it":     rf"{_WEEKDAY}{_NAME}\s+{_DAY}\s+{_TIME}\s+{_YEAR}",
    "year, month's name": rf"{_YEAR}[\s-]{_NAME}[\s-]{_DAY}{_AFTER}",
    "year, name":         rf"{_YEAR}[\s-]{_NAME}",
    "quarter":            rf"{_YEAR}[\s-]?q(?P<quarter>[1-4])",
    "year and month":     rf"{_YEAR}[-/](?P<month>\d{{1,2}})",
    "month and year":     rf"{_NAME}\.?,?[\s-]{_YEAR}",
    "eight digits":       rf"{_YEAR}(?P<month>\d{{2}})(?P<day>\d{{2}})(?:[t\s]?(?P<hour>\d{{2}}):?(?P<minute>\d{{2}}):?(?P<second>\d{{2}})(?P<zone>z)?)?",
    "time of day":        _TIME,
}
# fmt: on
_PATTERNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _FORMS.items()}
_EPOCH = "1970-01-01"
_UNITS = {
    "seconds since 1970": (1.0, 1e11),
    "milliseconds since 1970": (1e3, 1e14),
    "microseconds since 1970": (1e6, 1e17),
    "nanoseconds since 1970": (1e9, np.inf),
}
"""How many make a second, and below what all such numbers lie: the year 5138."""

COUNTED = (*_UNITS, "years")
"""Forms of dates that are numbers."""


@dataclass(frozen=True)
class Form:
    """How a column's dates are written: the name of the form, and which of two numbers comes first."""

    name: str
    day_first: bool = False

    @classmethod
    def known(cls, name: str, day_first: bool) -> Form:
        """Return the form of that name; raises ValueError where there is none."""
        if name not in _PATTERNS and name not in COUNTED:
            raise ValueError(f"there are no dates such as {name!r}")
        return cls(name, day_first)

    def moment(self, word: str) -> tuple[datetime, bool] | None:
        """Return the moment that a cell names, in UTC where it has a zone, and whether it has one.

        >>> Form("numbers", day_first=True).moment("31/12/2023")
        (datetime.datetime(2023, 12, 31, 0, 0), False)
        """
        match = _PATTERNS[self.name].fullmatch(word.strip())
        if match is None:
            return None
        try:
            return self._moment({name: text for name, text in match.groupdict().items() if text})
        except (ValueError, OverflowError, KeyError):
            return None

    def _moment(self, found: dict[str, str]) -> tuple[datetime, bool]:
        month, day = int(found.get("month", 1)), int(found.get("day", 1))
        if "name" in found:
            month = _MONTHS[found["name"].lower()]
        if "quarter" in found:
            month = 3 * int(found["quarter"]) - 2
        if "first" in found:
            pair = int(found["first"]), int(found["second_"])
            day, month = pair if self.day_first else pair[::-1]
        year = int(found.get("year", 1970))
        if len(found.get("year", "1970")) == 2:  # as POSIX has it: 69 is 1969, 68 is 2068
            year += 1900 if year >= 69 else 2000
        hour = int(found.get("hour", 0))
        if "half" in found:
            if not 1 <= hour <= 12:
                raise ValueError
            hour = hour % 12 + 12 * (found["half"].lower()[0] == "p")
        part = int(found.get("part", "0").ljust(6, "0")[:6])
        moment = datetime(
            year, month, day, hour, int(found.get("minute", 0)), int(found.get("second", 0)), part
        )
        zone = found.get("zone", "").lower().removeprefix("utc").removeprefix("gmt").replace(":", "")
        if len(zone) > 1:
            minutes = 60 * int(zone[1:3]) + int(zone[3:] or 0)
            moment -= timedelta(minutes=minutes if zone[0] == "+" else -minutes)
        return moment, "zone" in found


@dataclass
class Dated:
    """A column's different words as moments: NaT where one is none, whose places `strange` has."""

    form: Form
    values: Array
    strange: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def dated(words: Sequence[str], day_first: bool | None = None) -> Dated | None:
    """Return a column's words as moments, if most of them are dates or times of one form.

    Which of two numbers is the day is found from the whole column: a 13 or more is no month. Where no cell
    tells, points mean that the day is first, and else the month is, unless `day_first` says.

    >>> dated(["31/12/2023", "01/02/2024"]).values.astype("datetime64[D]")
    array(['2023-12-31', '2024-02-01'], dtype='datetime64[D]')
    """
    sample = words[:: max(1, len(words) // 50)]
    names = [name for name, pattern in _PATTERNS.items() if _share(sample, pattern) > 0.5]
    for name in names:
        form, remark = _form(name, words, day_first)
        found = moments(words, form)
        if 2 * len(found.strange) < len(words):
            found.remarks = [*remark, *found.remarks]
            return found
    return None


def moments(words: Sequence[str], form: Form) -> Dated:
    """Return words as moments of one form."""
    values = np.full(len(words), "NaT", "datetime64[us]")
    strange, zoned = [], 0
    for i, word in enumerate(words):
        found = form.moment(word)
        if found is None:
            strange.append(i)
        else:
            values[i], zoned = found[0], zoned + found[1]
    remarks = []
    if zoned:
        rest = "" if zoned + len(strange) == len(words) else "; those without a zone are taken for UTC"
        remarks.append(f"times are converted to UTC{rest}")
    return Dated(form, values, strange, remarks)


def _share(words: Sequence[str], pattern: re.Pattern[str]) -> float:
    return sum(pattern.fullmatch(word.strip()) is not None for word in words) / max(1, len(words))


def _form(name: str, words: Sequence[str], day_first: bool | None) -> tuple[Form, list[str]]:
    if name != "numbers":
        return Form(name), []
    matches = [match for word in words if (match := _PATTERNS[name].fullmatch(word.strip()))]
    first = any(int(match["first"]) > 12 for match in matches)
    second = any(int(match["second_"]) > 12 for match in matches)
    if first != second:
        return Form(name, day_first=first), ["day first" if first else "month first"]
    if day_first is not None:
        return Form(name, day_first), ["day first, as told" if day_first else "month first, as told"]
    points = any(match["mark"] == "." for match in matches)
    which = "day first" if points else "month first"
    other = "month-first" if points else "day-first"
    return Form(name, points), [f"taken as {which}: no cell tells the day from the month (--dates {other})"]


# --- what a network can learn from a moment -----------------------------------------------------------------
def _fraction_of_day(moments: Array) -> Array:
    return np.asarray((moments - moments.astype("datetime64[D]")) / np.timedelta64(1, "D"))


def _day_of_month(moments: Array) -> Array:
    begun = moments.astype("datetime64[D]") - moments.astype("datetime64[M]")
    return np.asarray(begun / np.timedelta64(1, "D"))


def _weekday(moments: Array) -> Array:
    return np.asarray(
        (moments.astype("datetime64[D]").astype(np.int64) + 3.0) % 7
    )  # 1970-01-01 was a Thursday


# fmt: off
PARTS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "elapsed": (lambda m: (m - np.datetime64(_EPOCH)) / np.timedelta64(1, "D"),             0.0),
    "year":    (lambda m: m.astype("datetime64[Y]").astype(np.int64) + 1970.0,              0.0),
    "month":   (lambda m: m.astype("datetime64[M]").astype(np.int64) % 12 + 1.0,           12.0),
    "day":     (lambda m: _day_of_month(m) + 1.0,                                          31.0),
    "weekday": (_weekday,                                                                   7.0),
    "hour":    (lambda m: 24 * _fraction_of_day(m),                                        24.0),
}
# fmt: on
"""What is taken from a moment: the formula, and after how many of its units it comes round again (0: never)."""


def parts(moments: Array) -> dict[str, Array]:
    """Return what is taken from moments as float64, NaN where one is missing: days since 1970, the year ...

    >>> found = parts(np.array(["2024-02-29T18:00"], "datetime64[us]"))
    >>> {name: float(values[0]) for name, values in found.items()}
    {'elapsed': 19782.75, 'year': 2024.0, 'month': 2.0, 'day': 29.0, 'weekday': 3.0, 'hour': 18.0}
    """
    missing = np.isnat(moments)
    known = np.where(missing, np.datetime64(_EPOCH), moments)
    return {name: np.where(missing, np.nan, formula(known)) for name, (formula, _) in PARTS.items()}


def from_numbers(values: Array) -> Array | None:
    """Return whole numbers such as 20240229 or 20240229183000 as moments, or None where one is no date.

    >>> from_numbers(np.array([20240229.0])), from_numbers(np.array([20230229.0]))
    (array(['2024-02-29T00:00:00.000000'], dtype='datetime64[us]'), None)
    """
    known = ~np.isnan(values)
    present = values[known]
    within = ((1500_01_01, 2200_12_31), (1500_01_01_00_00_00, 2200_12_31_23_59_59))
    if not len(present) or not any(low <= present.min() and present.max() <= high for low, high in within):
        return None
    whole = present.astype(np.int64)
    if np.any(whole != present):
        return None
    found = moments([str(value) for value in whole.tolist()], Form("eight digits"))
    result = np.full(len(values), "NaT", "datetime64[us]")
    result[known] = found.values
    return None if found.strange else result


def unit_of(values: Array) -> str:
    """Return what numbers since 1970 count, by the largest: the name of a form.

    >>> unit_of(np.array([1.7e9, np.nan])), unit_of(np.array([5e9, 1.7e12]))
    ('seconds since 1970', 'milliseconds since 1970')
    """
    largest = np.nanmax(np.abs(values), initial=0)
    return next(name for name, (_, top) in _UNITS.items() if largest < top or top == np.inf)


def counted_moments(values: Array, form: Form) -> Array:
    """Return numbers as the moments that they are in one of the `COUNTED` forms.

    The unit is the form's, however small the numbers of a later table are. A table most of whose numbers no
    seconds reach is of a smaller unit, as model files have it that were written before units had names. What
    no moment is, an infinity or a number past the year 290000, is NaT.

    >>> counted_moments(np.array([9e10]), Form("milliseconds since 1970")).astype("datetime64[D]")
    array(['1972-11-07'], dtype='datetime64[D]')
    """
    if form.name == "years":
        return of_years(values)
    known = values[np.isfinite(values)]
    middle = np.median(np.abs(known)) if known.size else 0.0
    unit = _UNITS[unit_of(np.array([middle])) if form.name == next(iter(_UNITS)) else form.name][0]
    within = np.abs(values) < _LAST * unit
    micro = np.where(within, values / unit * 1e6, 0).astype(np.int64).astype("datetime64[us]")
    return np.where(within, micro, np.datetime64("NaT", "us"))


_LAST = 9.2e12  # seconds from 1970 to what datetime64[us] holds at most


def like_seconds(values: Array) -> bool:
    """Return whether numbers may be seconds (or milliseconds) since 1970, of moments from 1985 to 2039.

    >>> like_seconds(np.array([1.7e9, 1.6e9])), like_seconds(np.array([1.7e12])), like_seconds(np.array([1e8]))
    (True, True, False)
    """
    low, high = float(values.min()), float(values.max())
    return any(5e8 * unit <= low and high <= 2.2e9 * unit for unit in (1, 1e3))


def far_moment(moments: Array, counts: Array) -> tuple[int, str] | None:
    """Return the place of a moment that lies so far from all others that it hardly is one, and their span.

    `counts` has how many rows have each. It is the first or the last: further off than twice the span of the
    others and ten years, if it occurs more than once, or a hundred years.

    >>> days = np.array(["2024-01-01", "9999-12-31", "2024-03-05"], "datetime64[us]")
    >>> far_moment(days, np.array([3, 1, 2]))
    (1, '2024-01-01 to 2024-03-05')
    """
    order = np.flatnonzero(~np.isnat(moments))
    order = order[np.argsort(moments[order], kind="stable")]
    year = np.timedelta64(366, "D")
    for place, rest in ((order[-1:], order[:-1]), (order[:1], order[1:])):
        if len(rest) < 2:
            return None
        low, high = moments[rest[0]], moments[rest[-1]]
        gap = max(low - moments[place[0]], moments[place[0]] - high)
        if gap > max(2 * (high - low), (10 if counts[place[0]] > 1 else 100) * year):
            return int(place[0]), f"{low.astype('datetime64[D]')} to {high.astype('datetime64[D]')}"
    return None


def of_years(values: Array) -> Array:
    """Return numbers of years as the moments when they began.

    >>> of_years(np.array([1999.0, np.nan])).astype("datetime64[D]")
    array(['1999-01-01',        'NaT'], dtype='datetime64[D]')
    """
    within = np.abs(values) < 290_000  # what datetime64[us] holds
    whole = np.where(within, values, 1970).astype(np.int64)
    began = (whole - 1970).astype("datetime64[Y]").astype("datetime64[us]")
    return np.where(within, began, np.datetime64("NaT", "us"))
