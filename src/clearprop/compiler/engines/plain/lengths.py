"""Any number of rows: what differs between the texts of a program, recorded with several lengths."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clearprop.errors import lesson
from clearprop.rows import LENGTHS

_WORD = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d*)?(?:e[+-]?\d+)?|\s+|.", re.DOTALL)


def with_length(texts: Sequence[str], lengths: Sequence[int] = LENGTHS, called: str = "export") -> str:
    """Return the text for any length `n` from those for the lengths.

    A whole number that is not the same in all is `a * n + b`. Raises ValueError where the texts differ in
    another way, since then what is computed depends on the length.

    >>> with_length(["x.reshape(2, 8)", "x.reshape(3, 12)", "x.reshape(5, 20)"], (2, 3, 5))
    'x.reshape(n, 4 * n)'
    """
    words = [_WORD.findall(text) for text in texts]
    if len({len(found) for found in words}) > 1:
        raise _differs(called)
    made = []
    for found in zip(*words, strict=True):
        same = len(set(found)) == 1
        if not same and not all(word.isdigit() for word in found):
            raise _differs(called)
        made.append(found[0] if same else _following([int(word) for word in found], lengths, called))
    return "".join(made)


def _following(numbers: Sequence[int], lengths: Sequence[int], called: str) -> str:
    """Return `a * n + b` for numbers that were recorded with these lengths."""
    times, rest = divmod(numbers[1] - numbers[0], lengths[1] - lengths[0])
    more = numbers[0] - times * lengths[0]
    if rest or any(times * n + more != k for n, k in zip(lengths, numbers, strict=True)):
        raise _differs(called)
    product = "n" if times == 1 else f"{times} * n"
    return product if not more else f"{product} {'-' if more < 0 else '+'} {abs(more)}"


def _differs(called: str) -> ValueError:
    wanted = "what is computed depends on the length of the first axis in a way that is no length"
    return ValueError(lesson(called, wanted, hint="dynamic=False for exactly these shapes"))
