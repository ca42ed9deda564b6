"""What a check of a function's gradients found, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.see.readable import judged


@dataclass
class Entry:
    """One entry of one input's gradient: what the rules gave and what the differences gave."""

    input: int
    index: tuple[int, ...]
    analytic: float
    numerical: float
    error: float
    output: str = ""

    @property
    def relative_error(self) -> float:
        """|analytic - numerical| over the larger of the two."""
        size = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) / size if size else 0.0

    @property
    def ratio(self) -> float:
        """analytic / numerical; 1 where both are 0."""
        if self.analytic == self.numerical:
            return 1.0
        return self.analytic / self.numerical if self.numerical else float("inf")


def verdict(wrong: bool, compared: int) -> str:
    """Return `WRONG`, `right` where something was compared, `cannot tell` where nothing was.

    >>> verdict(False, 3), verdict(True, 3), verdict(False, 0)
    ('right', 'WRONG', 'cannot tell')
    """
    return "WRONG" if wrong else "right" if compared else "cannot tell"


class Judged:
    """A report of a check: `right`, `WRONG`, or `cannot tell` where nothing was compared. True if right."""

    compared: int

    def _is_wrong(self) -> bool:
        """Whether something is wrong."""
        raise NotImplementedError

    @property
    def verdict(self) -> str:
        """`right`, `WRONG` or `cannot tell`."""
        return verdict(self._is_wrong(), self.compared)

    @property
    def ok(self) -> bool:
        """Whether something was compared and nothing is wrong."""
        return self.verdict == "right"

    def __bool__(self) -> bool:
        return self.ok


def untold(probe: Any, at: Any) -> list[str]:
    """Return why some outputs, or some inputs, of a function can tell nothing about its gradient."""
    said = []
    if not probe.inputs:
        said.append("f was given no inputs.")
    elif not probe.moving:
        said.append("None of the inputs can move: wanted are numbers, or Tensors that need a gradient.")
    empty = [j for j in probe.moving if not probe.arrays[j].size]
    said += [f"Input {j} has no entries." for j in empty]
    if not at.size:
        said.append("f returned no numbers.")
    for kind, bad in (("nan", np.isnan(at)), ("infinite", np.isinf(at))):
        if bad.any():
            said.append(f"f is {kind} at this point: {int(bad.sum())} of {at.size} outputs, left out.")
    murky = int(np.sum(np.isfinite(at) & probe.murky))
    if murky:
        said.append(f"The values of {murky} of {at.size} outputs are little but rounding: left out.")
    return said


@dataclass
class Report(Judged):
    """What `gradcheck` found; true where something was compared and every gradient is right.

    `checked` counts the entries that were looked at, `compared` those of them that could be compared. `wrong`
    lists the entries that differ, `kinks` those that sit on a kink and `unresolved` those whose numerical
    derivative did not converge (both skipped), `sampled` counts those that a sample left out; `problems` says
    what else is wrong (a dtype, a shape), `reasons` why something could not be compared.

    >>> from clearprop import gradcheck
    >>> report = gradcheck(np.tanh, np.array([0.5, 1.0]))
    >>> report.verdict, report.compared, report.wrong
    ('right', 2, [])
    """

    name: str
    checked: int = 0
    compared: int = 0
    evaluations: int = 0
    wrong: list[Entry] = field(default_factory=list)
    kinks: list[Entry] = field(default_factory=list)
    unresolved: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    worst: float = 0.0
    order: int = 1
    sampled: int = 0
    together: str = ""

    def _is_wrong(self) -> bool:
        return bool(self.wrong or self.problems)

    def refuse(self, reason: str) -> None:
        """Take back what was found: nothing of it can be relied on."""
        self.compared, self.wrong, self.causes = 0, [], []
        self.reasons.append(reason)

    @property
    def skipped(self) -> int:
        """How many of the entries looked at could not be compared."""
        return self.checked - self.compared

    def __repr__(self) -> str:
        order = "" if self.order == 1 else f" (order {self.order})"
        wrong = f", {len(self.wrong)} of them wrong" if self.wrong else ""
        largest = f", largest relative error {self.worst:.1e}" if self.compared else ""
        lines = [
            f"gradcheck of {self.name}{order}: {self.verdict}. {self.compared} compared{wrong}, "
            f"{self.skipped} skipped; {self.evaluations} evaluations{largest}."
        ]
        if self.sampled:
            lines.append(f"  {self.sampled} more entries were checked together, {self.together}.")
        lines += [f"  {said}" for said in (*self.problems, *self.reasons)]
        lines += _table("wrong", self.wrong)
        lines += [f"  {cause}" for cause in self.causes]
        lines += _table("on a kink, skipped", self.kinks)
        lines += _table("numerical derivative did not converge, skipped", self.unresolved)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return judged(self.verdict, repr(self))


def _table(title: str, entries: list[Entry], most: int = 8) -> list[str]:
    if not entries:
        return []
    lines = [f"  {len(entries)} {title}:"]
    lines.append(f"    {'entry':<18} {'gradient':>24} {'numerical':>24} {'rel. error':>10} {'ratio':>12}")
    for e in entries[:most]:
        name = f"input {e.input}{list(e.index) if e.index else ''}{e.output}"
        both = f"{e.analytic:>24.16g} {e.numerical:>24.16g}"
        lines.append(f"    {name:<18} {both} {e.relative_error:>10.1e} {e.ratio:>12.6g}")
    if len(entries) > most:
        lines.append(f"    ... and {len(entries) - most} more")
    return lines
