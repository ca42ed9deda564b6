"""What a check of a function's gradients found, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass, field


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


@dataclass
class Report:
    """What `gradcheck` found; true where every gradient is right.

    `wrong` lists the entries that differ, `kinks` those that sit on a kink (skipped), `unresolved` those
    whose numerical derivative did not converge, `sampled` counts those that a sample left out; `problems`
    says what else is wrong (a dtype, a shape).
    """

    name: str
    checked: int = 0
    evaluations: int = 0
    wrong: list[Entry] = field(default_factory=list)
    kinks: list[Entry] = field(default_factory=list)
    unresolved: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    worst: float = 0.0
    order: int = 1
    sampled: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong and not self.problems

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        order = "" if self.order == 1 else f" (order {self.order})"
        right = self.checked - len(self.wrong)
        lines = [
            f"gradcheck of {self.name}{order}: {'right' if self.ok else 'WRONG'}. "
            f"{right} of {self.checked} entries agree, {self.evaluations} evaluations, "
            f"largest relative error {self.worst:.1e}."
        ]
        if self.sampled:
            lines.append(f"  {self.sampled} more entries were checked together, along random directions.")
        lines += [f"  {problem}" for problem in self.problems]
        lines += _table("wrong", self.wrong)
        lines += [f"  {cause}" for cause in self.causes]
        lines += _table("on a kink, skipped", self.kinks)
        lines += _table("numerical derivative did not converge, skipped", self.unresolved)
        return "\n".join(lines)


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
