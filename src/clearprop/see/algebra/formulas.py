"""`formula(t)`: what was computed, as one line of mathematics or as a few with names for their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clearprop.graph import topological_order
from clearprop.see.algebra.labels import must_be_a_tensor
from clearprop.see.algebra.notation import Term, name
from clearprop.see.algebra.symbols import node_term
from clearprop.see.names import callers_frame, find
from clearprop.see.readable import Readable
from clearprop.tensor import Tensor

_LONG = 14  # names, numbers and ops in one line before a part of it gets a line of its own
_LINES = 30  # lines shown before the middle of a long graph is left out


@dataclass(frozen=True, repr=False)
class Formula(Readable):
    """What was computed: `lines` of (name, term) in order, the last of them the result."""

    lines: tuple[tuple[str, Term], ...]

    @property
    def text(self) -> str:
        """The formula as text; of more than 30 lines the middle is left out."""
        return "\n".join(f"{label} = {term.text}" if label else term.text for label, term in self._shown())

    def to_latex(self) -> str:
        r"""Return the formula as LaTeX, without dollar signs.

        >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
        >>> print(formula((a + b) / b**3).to_latex())
        \frac{a + b}{b^{3}}
        """
        rows = []
        for label, term in self._shown():
            rows.append(f"{name(label).latex} &= {term.latex}" if label else f"& {term.latex}")
        if len(rows) == 1:
            return rows[0].replace("&= ", "= ").removeprefix("& ")
        return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"

    def _shown(self) -> list[tuple[str, Term]]:
        if len(self.lines) <= _LINES:
            return list(self.lines)
        half = _LINES // 2
        gap = name(f"... {len(self.lines) - 2 * half} more lines ...")
        return [*self.lines[:half], ("", gap), *self.lines[-half:]]


def formula(output: Tensor, names: Mapping[int, str] | None = None) -> Formula:
    """Return what was computed, as mathematics.

    Inputs go by their name, by the variable that holds them, or by their value. A part that is used more than
    once, or that would make the line too long, gets a line and a name of its own.

    >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
    >>> formula((a + b) * b**3)
    (a + b)*b^3
    """
    must_be_a_tensor(
        "formula", output, "derivative(op) for an op, or formula(f(x)) with a Tensor x for a function"
    )
    known = dict(names) if names is not None else find(frame=callers_frame())
    order = topological_order(output)
    uses: dict[Tensor, int] = {}
    for node in order:
        for x in node.inputs:
            if isinstance(x, Tensor):
                uses[x] = uses.get(x, 0) + 1
    taken = {known.get(id(node)) or node.name or "" for node in order}
    fresh = (label for label in (f"t{i}" for i in range(1, 2 * len(order) + 2)) if label not in taken)
    terms: dict[Tensor, Term] = {}
    lines: list[tuple[str, Term]] = []
    for node in order:
        term = node_term(node, terms, known, tidy=False)
        label = known.get(id(node)) or node.name or ""
        if node is output:
            lines.append((label if node.op is not None else "", term))
        elif node.op is not None and (term.size > _LONG or (uses[node] > 1 and term.size > 1)):
            label = label or next(fresh)
            lines.append((label, term))
            term = name(label)
        terms[node] = term
    return Formula(tuple(lines))
