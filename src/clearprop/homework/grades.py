"""What `check_node` found: a grade for each criterion, with a hint where it failed."""

from __future__ import annotations

from dataclasses import dataclass, field

CRITERIA = ("value", "local derivative", "chain rule", "accumulation", "order", "shape", "broadcasting")


@dataclass
class Grade:
    """One criterion: passed (True), failed (False) or not tested (None), with a hint where it failed."""

    criterion: str
    passed: bool | None = None
    hint: str = ""


@dataclass
class NodeReport:
    """What `check_node` found; true where nothing failed.

    >>> from clearprop import check_node
    >>> class Square:
    ...     def __init__(self, a):
    ...         self.a, self.value, self.grad = a, a.value**2, 0.0
    ...     def compute_grad(self):
    ...         self.a.grad += 2 * self.a.value * self.grad
    >>> bool(check_node(Square))
    True
    """

    name: str
    grades: dict[str, Grade] = field(default_factory=lambda: {c: Grade(c) for c in CRITERIA})

    @property
    def ok(self) -> bool:
        """Whether nothing failed and something was tested."""
        tested = [g.passed for g in self.grades.values() if g.passed is not None]
        return bool(tested) and all(tested)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, criterion: str) -> Grade:
        return self.grades[criterion]

    def __repr__(self) -> str:
        tested = [g for g in self.grades.values() if g.passed is not None]
        lines = [f"{self.name}: {sum(bool(g.passed) for g in tested)} of {len(tested)}"]
        mark = {True: "right", False: "WRONG", None: "-"}
        for g in self.grades.values():
            lines.append(f"  {g.criterion:<17} {mark[g.passed]:<6} {g.hint}".rstrip())
        return "\n".join(lines)
