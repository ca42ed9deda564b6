"""The backward pass of a loop is a loop: its body is the backward pass of one turn, from last to first.

A turn is computed again from the carry that it began with, so that nothing but the carries is kept. What a
turn sends to an array from outside is added up in the carry; where that is a product of two matrices, both
are put out, and one product of all turns follows the loop: sum_t A_t^T B_t = A^T B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from clearprop.backward import propagate
from clearprop.loops.body import Body, Inputs, Written
from clearprop.loops.trace import stand_in, traced
from clearprop.modes import mode
from clearprop.tensor import Tensor


class Product(NamedTuple):
    """What one turn sends as `left @ right`, or its transpose where `turned`.

    Both say whether they are an entry, else an output, and its number; `left` may be the transpose of it.
    """

    left: tuple[bool, int]
    transposed: bool
    right: tuple[bool, int]
    turned: bool


class Sent(NamedTuple):
    """What an array from outside receives: a sum in the carry, by its number, and products."""

    carried: int | None
    products: list[Product]


class Pullback(NamedTuple):
    """The body of the backward loop: what it takes besides, and where each gradient is found."""

    body: Body
    besides: list[Any]
    floats: list[int]  # the carries that have a gradient: the backward loop carries theirs
    sums: list[Any]  # the shapes and dtypes of what it carries after these, from 0 on
    entries: list[int | None]  # for each sequence which output is its gradient
    outer: list[Sent | None]


def pullback(
    body: Body,
    given: Inputs,
    arriving: Inputs,
    wants: tuple[Sequence[bool], Sequence[bool]],
    saved: Sequence[Any] = (),
) -> Pullback:
    """Return the backward pass of a turn of `body`.

    `given` are the values of some turn. `arriving` are gradients: by carry that of the new carry (None for
    integers), by output what arrives there, and in `outer` what arrives at the carry that the turn began with
    (None for none). `wants` says which sequences and which arrays from outside need a gradient. `saved` are
    the last results of the turn, which are not computed again.
    """
    floats = [k for k, g in enumerate(arriving.carry) if g is not None]
    outputs = [k for k, g in enumerate(arriving.entries) if g is not None]
    begun = [k for k, g in enumerate(arriving.outer) if g is not None]
    carried, count = len(given.carry), len(given.entries)
    layout: dict[str, Any] = {}

    def turn(carry: list[Tensor], entries: list[Tensor], outer: list[Tensor]) -> tuple[list[Any], list[Any]]:
        began, inputs = entries[:carried], entries[carried : carried + count]
        later = iter(entries[carried + count :])
        known = dict(
            zip(body.results[len(body.results) - len(saved) :], entries[-len(saved) :], strict=False)
        )
        values = tensors(body, began, inputs, outer, known)
        seeds = [*zip(floats, carry, strict=True), *((carried + k, next(later)) for k in outputs)]
        grads = _arrived([(body.results[k], g) for k, g in seeds], values)
        propagate(list(dict.fromkeys(values)), grads, create_graph=True)
        more = dict(zip(begun, later, strict=False))
        new = [_plus(grads.get(began[k]), more.get(k), began[k]) for k in floats]
        writer = _TurnsPullback(carry, entries, new)
        layout["entries"] = [
            writer.put(_plus(grads.get(x), None, x)) if want else None
            for x, want in zip(inputs, wants[0], strict=True)
        ]
        layout["outer"] = [
            writer.sent(grads.get(x)) if want else None for x, want in zip(outer, wants[1], strict=True)
        ]
        layout["sums"] = writer.sums
        return new, writer.out

    inside = [*given.carry, *given.entries, *(arriving.entries[k] for k in outputs)]
    inside += [*(arriving.outer[k] for k in begun), *saved]
    made, _, besides = traced(turn, [arriving.carry[k] for k in floats], inside, 1, given.outer)
    return Pullback(made, besides, floats, layout["sums"], layout["entries"], layout["outer"])


def _arrived(seeds: list[tuple[Any, Any]], values: list[Any]) -> dict[Tensor, Any]:
    """Return what arrives at each Tensor, from pairs of a result's place and its gradient."""
    grads: dict[Tensor, Any] = {}
    for at, g in seeds:
        node = None if isinstance(at, Written) else values[at]
        if node is not None and node.requires_grad:
            grads[node] = grads[node] + g if node in grads else g
    return grads


def tensors(
    body: Body, carry: Sequence[Any], entries: Sequence[Any], outer: Sequence[Any], known: dict[Any, Any]
) -> list[Any]:
    """Return what lies in every place of a body after a turn with Tensors.

    What lies in the places that are `known` is written down as what is known for them: it is not computed.
    """
    values = list(outer)
    observer: Any = mode.observer
    for steps, more in ((body.once, (*carry, *entries)), (body.each, ())):
        for op, places, attrs, _ in steps:
            xs = tuple(x.value if isinstance(x, Written) else values[x] for x in places)
            values.append(op.again(xs, attrs))
            if len(values) - 1 in known:
                observer.known[values[-1]] = known[len(values) - 1]
        values += more
    return values


def _plus(g: Any, more: Any, like: Tensor) -> Any:
    if g is None:
        return np.zeros(like.shape, like.dtype) if more is None else more
    return g if more is None else g + more


class _TurnsPullback:
    """What the backward pass of a turn puts out beside the new carry."""

    def __init__(self, carry: list[Tensor], entries: list[Tensor], new: list[Any]) -> None:
        self.carry, self.entries, self.new = carry, entries, new
        self.out: list[Any] = []
        self.sums: list[Any] = []

    def put(self, x: Any) -> int:
        """Return the number of the output `x`."""
        for i, known in enumerate(self.out):
            if known is x:
                return i
        self.out.append(x)
        return len(self.out) - 1

    def sent(self, g: Any) -> Sent:
        """Return where to find what the turns send to one array from outside."""
        products: list[Product] = []
        rest: Any = None
        for term in () if g is None else _terms(g):
            product = self._product(term, False)
            if product is not None:
                products.append(product)
            else:
                rest = term if rest is None else rest + term
        if rest is None:
            return Sent(None, products)
        total = stand_in(np.zeros(rest.shape, rest.dtype)[()])
        observer: Any = mode.observer
        observer.inside.add(total)
        self.carry.append(total)
        self.new.append(total + rest)
        self.sums.append((rest.shape, rest.dtype))
        return Sent(len(self.new) - 1, products)

    def _product(self, x: Any, turned: bool) -> Product | None:
        if _turns(x):
            return self._product(x.inputs[0], not turned)
        if not _signed(x, "@") or any(y.ndim != 2 for y in x.inputs):
            return None
        left, right = x.inputs
        transposed = _turns(left)
        return Product(self._at(left.inputs[0] if transposed else left), transposed, self._at(right), turned)

    def _at(self, x: Any) -> tuple[bool, int]:
        observer: Any = mode.observer
        x = observer.known.get(x, x)
        for i, entry in enumerate(self.entries):
            if entry is x:
                return True, i
        return False, self.put(x)


def _turns(x: Any) -> bool:
    """Whether `x` is a matrix transposed."""
    if not isinstance(x, Tensor) or x.op is None or x.op.facts.axes is None or x.ndim != 2:
        return False
    return x.inputs[0].ndim == 2 and tuple(x.op.facts.axes(2, **x.attrs)) == (1, 0)


def _signed(x: Any, sign: str) -> bool:
    """Whether `x` was computed from two Tensors by the op that Python writes with this sign."""
    made = isinstance(x, Tensor) and x.op is not None and x.op.facts.sign == sign
    return made and all(isinstance(y, Tensor) for y in x.inputs)


def _terms(x: Any) -> list[Any]:
    found, left = [], [x]
    while left:
        x = left.pop()
        if _signed(x, "+") and all(y.shape == x.shape for y in x.inputs):
            left += x.inputs
        else:
            found.append(x)
    return found


def product(p: Product, entries: Sequence[Any], out: Sequence[Any]) -> Any:
    """Return the sum over all turns of what each sends as a product, from stacked factors."""
    left, right = (entries[at] if stacked else out[at] for stacked, at in (p.left, p.right))
    length, n, m = right.shape
    right = right.reshape((length * n, m))
    if p.transposed:  # (length, n, k)
        left = left.reshape((length * n, left.shape[2]))
        return (right.T @ left) if p.turned else (left.T @ right)
    left = np.transpose(left, (1, 0, 2)).reshape((left.shape[1], length * n))
    return (left @ right).T if p.turned else left @ right
