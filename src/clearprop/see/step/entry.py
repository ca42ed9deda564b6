"""One entry of what an array receives along an arrow, as the sum of products that it is.

What is sent is linear in the gradient that arrives, so an entry is a sum over the entries of that gradient,
each times a number: the derivative of the node along this entry of its input, which `jvp` of the op gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.see.numbers import operand, written
from clearprop.see.step.arrow import Arrow
from clearprop.see.step.captions import ENGLISH
from clearprop.tensor import raw
from clearprop.transforms.products import jvp

_LARGEST = 20_000  # entries of arrays that are looked at
_SHOWN = 3  # products that are written out
_TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Products:
    """Entry `place` of an amount: the sum of `g[k] * factors[k]` over all entries `k` that are not 0."""

    place: tuple[int, ...]
    amount: Any
    g: Any
    factors: Any

    @property
    def terms(self) -> list[tuple[Any, Any]]:
        """The factors of each product that is not 0, in the order of the entries."""
        g, factors = np.ravel(self.g), np.ravel(self.factors)
        return [(g[k], factors[k]) for k in np.flatnonzero((g != 0) & (factors != 0))]

    def text(self, name: str, many: str = ENGLISH["many products"]) -> str:
        """Return the entry written out, a product for each term and their sum; of many the first few."""
        terms = self.terms
        products = [f"{operand(written(a))} {_TIMES} {operand(written(b))}" for a, b in terms[:_SHOWN]]
        more = "" if len(terms) <= _SHOWN else f" + …, {many.format(n=f'{len(terms):,}')},"
        place = f"[{', '.join(map(str, self.place))}]"
        return f"{name}.grad{place}: {' + '.join(products) or '0'}{more} = {written(self.amount)}"


def entry_of(arrow: Arrow, g: Any, amount: Any) -> Products | None:
    """Return the largest entry of what is sent along an arrow; None where it cannot be taken apart."""
    amount = np.asarray(amount)
    real = amount.dtype.kind == "f" and not np.iscomplexobj(g)
    if not real or not 1 < amount.size <= _LARGEST or np.size(g) > _LARGEST:
        return None
    place = np.unravel_index(int(np.argmax(np.abs(np.nan_to_num(amount)))), amount.shape)
    along = np.zeros(amount.shape, amount.dtype)
    along[place] = 1
    node, i = arrow.node, arrow.i

    def again(x: Any) -> Any:
        return node.op.again((*node.values[:i], x, *node.values[i + 1 :]), node.attrs) if node.op else x

    try:
        _, factors = jvp(again, (node.values[i],), (along,))
    except Exception:  # a user's rule may do anything
        return None
    found = np.asarray(raw(factors))
    entry = Products(tuple(map(int, place)), amount[place], np.asarray(g), found)
    total = sum(float(a) * float(b) for a, b in entry.terms)
    rounding = float(np.sqrt(np.finfo(amount.dtype).eps)) * float(np.sum(np.abs(entry.g * found)))
    return entry if abs(total - float(entry.amount)) <= rounding else None
