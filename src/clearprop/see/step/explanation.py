"""What an explanation holds and how it is written: contributions that add up to a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.see.algebra.notation import LOGIC, PRODUCT, TRUTHS, Term, barred, level, number_text
from clearprop.see.readable import Readable, table, tex
from clearprop.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Contribution:
    """What one user of a node sends back to it: `amount = g * local`, or the op's rule applied to `g`.

    `user` is None where the gradient comes from outside, at the output itself. `local` is the local
    derivative as a Term (elementwise ops), else None; `rule` is the whole product, with the name `g` in it.

    >>> from clearprop import Tensor, explain
    >>> a = Tensor(3.0)
    >>> loss = a * a
    >>> loss.backward()
    >>> [float(c.amount) for c in explain(a).contributions]
    [3.0, 3.0]
    """

    amount: Any
    user: Tensor | None
    index: int
    g: Any
    call: str
    label: str
    local: Term | None
    rule: Term | None
    factors: tuple[tuple[str, tuple[int, ...]], ...]
    behind: tuple[str, ...] = ()  # where g came from, if the user only moves entries (a transpose)

    @property
    def via(self) -> str:
        """`d = power(b, 3)`, or the call alone where the result has no name."""
        if self.user is None:
            return "the gradient given to backward()"
        return f"{self.label} = {self.call}" if self.label else self.call

    @property
    def mirrored(self) -> bool:
        """Whether g was multiplied by the conjugate of the local derivative, which is a complex number."""
        if not np.iscomplexobj(self.amount) or not np.isfinite(self.amount) or self.g == 0:
            return False
        ratio = self.amount / self.g
        return bool(abs(np.imag(ratio)) > 1e-9 * abs(ratio))  # rounding makes no number complex

    @property
    def arriving(self) -> str:
        """g as the first factor: one of two parts in brackets."""
        shown = number_text(self.g)
        return f"({shown})" if np.iscomplexobj(self.g) else shown

    @property
    def product(self) -> str:
        """`10 * 3*b^2` for one number, `X^T @ g` for arrays."""
        if self.user is None:
            return ""
        if self.local is not None and np.ndim(self.g) == 0 and np.ndim(self.amount) == 0:
            factor = f"conj({self.local.text})" if self.mirrored else _factor(self.local)
            return f"{self.arriving} * {factor}"
        return self.rule.text if self.rule is not None else f"the rule of {self.user.op.name}"  # type: ignore[union-attr]


def _factor(term: Term) -> str:
    if term.head in TRUTHS:
        return f"[{term.text}]"
    simple = level(term) >= PRODUCT and not term.text.startswith("-")
    return term.text if simple and level(term) != LOGIC else f"({term.text})"


@dataclass(frozen=True, repr=False, eq=False)
class Explanation(Readable):
    """A node's gradient as the sum of its contributions, in the order in which they were added.

    `total` is that sum, to the bit; `before` tells what the node's gradient held besides (an earlier backward
    pass over a leaf), None where it held nothing. `after` is what the node's gradient holds where a hook
    stands on it, else None.
    """

    node: Tensor
    label: str
    contributions: tuple[Contribution, ...]
    total: Any
    before: Any = None
    after: Any = None

    @property
    def scalar(self) -> bool:
        """Whether the gradient is a single number."""
        return np.ndim(self.total) == 0

    @property
    def text(self) -> str:
        """`297 = 270 via d = power(b, 3) (10 * 3*b^2) + 27 via c = add(a, b) (27 * 1)`, arrays by lines."""
        if not self.contributions:
            return (
                f"{self.label}: no gradient arrives here; nothing that was computed from it led to the output"
            )
        lines = [self._sum()] if self.scalar else [self._head(), *map(self._path, self.contributions)]
        return "\n".join([*lines, *self._earlier()])

    def _sum(self) -> str:
        parts = []
        for c in self.contributions:
            parts.append(f"{number_text(c.amount)} via {c.via}" + (f" ({c.product})" if c.product else ""))
        return f"{number_text(self.total)} = " + " + ".join(parts)

    def _head(self) -> str:
        n = len(self.contributions)
        many = "1 contribution" if n == 1 else f"the sum of {n} contributions"
        return f"{self.label}.grad {_size(self.total)} is {many}:"

    def _path(self, c: Contribution) -> str:
        factors = ", ".join(f"{label} {shape}" for label, shape in c.factors)
        made = f": {c.product}" if c.product else ""
        made += f" with {factors}" if factors and c.product else ""
        lines = [f"  {_size(c.amount)} via {c.via}{made}", *(f"    {line}" for line in c.behind)]
        return "\n".join([*lines, f"    largest: {largest(c.amount)}"])

    def _earlier(self) -> list[str]:
        if self.after is not None:
            held = number_text(self.after) if np.ndim(self.after) == 0 else _size(self.after)
            return [f"(a hook stands on it: grad holds {held})"]
        if self.before is None:
            return []
        held = number_text(self.before) if np.ndim(self.before) == 0 else _size(self.before)
        return [f"(grad also holds {held} from an earlier backward(); zero_grad() would have removed it)"]

    def to_latex(self) -> str:
        r"""Return the sum as LaTeX, without dollar signs.

        >>> from clearprop import explain
        >>> a, b = Tensor(7.0, name="a"), Tensor(3.0, name="b")
        >>> e = a * b
        >>> e.backward()
        >>> print(explain(b, names={}).to_latex())
        \bar{b} = \underbrace{1 \cdot a}_{\text{via multiply(a, b)}} = 7
        """
        left = barred(self.label)
        parts = []
        for c in self.contributions:
            if c.user is None:
                parts.append(r"\text{given}")
            else:
                parts.append(rf"\underbrace{{{_latex_product(c)}}}_{{\text{{via {tex(c.via)}}}}}")
        value = number_text(self.total) if self.scalar else ""
        return f"{left} = {' + '.join(parts) or '0'}" + (f" = {value}" if value else "")

    def to_html(self) -> str:
        """Return the explanation as an HTML fragment: a table of contributions and their sum."""
        columns: tuple[str, ...] = (
            ("amount", "via", "product") if self.scalar else ("amount", "via", "product", "factors")
        )
        rows = [columns]
        for c in self.contributions:
            amount = (
                number_text(c.amount) if self.scalar else f"{_size(c.amount)}; largest {largest(c.amount)}"
            )
            factors = ", ".join(f"{label} {shape}" for label, shape in c.factors)
            product = "; ".join((c.product, *c.behind))
            rows.append((amount, c.via, product, factors)[: len(columns)])
        total = number_text(self.total) if self.scalar else _size(self.total)
        return table("clearprop-explain", f"{self.label}.grad = {total}", rows)


def _latex_product(c: Contribution) -> str:
    if c.local is not None and np.ndim(c.g) == 0 and np.ndim(c.amount) == 0:
        local = c.local.latex
        if c.mirrored:
            return rf"{c.arriving} \cdot \overline{{{local}}}"
        bracketed = rf"\left[{local}\right]" if c.local.head in TRUTHS else rf"\left({local}\right)"
        return rf"{c.arriving} \cdot {bracketed if _factor(c.local)[0] in '([' else local}"
    return c.rule.latex if c.rule is not None else rf"\text{{{tex(c.product)}}}"


def _size(x: Any) -> str:
    """Return an array's shape and norm."""
    return f"{np.shape(x)}, norm {float(np.linalg.norm(np.asarray(x, dtype=np.float64))):.4g}"


def largest(x: Any, n: int = 3) -> str:
    """Return the largest entries of an array with their places: `[1] -18.67, [0] -14.67`.

    >>> largest(np.array([[1.0, -5.0], [0.0, 2.0]]), 2)
    '[0, 1] -5, [1, 1] 2'
    """
    array = np.asarray(x)
    if not array.ndim:
        return number_text(array[()])
    flat = np.abs(array.ravel())
    flat = np.where(np.isnan(flat), np.inf, flat)  # a NaN comes first: it is what one looks for
    n = min(n, flat.size)
    places = np.argpartition(-flat, n - 1)[:n] if n else np.zeros(0, int)
    places = places[np.argsort(-flat[places], kind="stable")]
    entries = (tuple(map(int, np.unravel_index(int(p), array.shape))) for p in places)
    return ", ".join(f"{list(entry)} {float(array[entry]):.4g}" for entry in entries)
