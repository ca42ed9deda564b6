"""Symbols: Tensors with a name, on which a rule is run so that its mathematics can be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from clearprop.graph import topological_order
from clearprop.modes import Observer, observed
from clearprop.op import Op
from clearprop.see.algebra.notation import Term, name, number, number_text
from clearprop.see.algebra.tidy import apply
from clearprop.tensor import Tensor


class NamedSize(int):
    """The length of a symbol's axis: an int that remembers its name through `n - 1`, `2*n` and `1/n`."""

    term: Term

    def __new__(cls, value: int, term: Term) -> NamedSize:
        size = super().__new__(cls, value)
        size.term = term
        return size

    def __mul__(self, y: Any) -> Any:
        return _sized(int(self) * int(y), "multiply", self, y) if isinstance(y, int) else NotImplemented

    __rmul__: Any = __mul__

    def __add__(self, y: Any) -> Any:
        return _sized(int(self) + int(y), "add", self, y) if isinstance(y, int) else NotImplemented

    __radd__: Any = __add__

    def __sub__(self, y: Any) -> Any:
        return _sized(int(self) - int(y), "subtract", self, y) if isinstance(y, int) else NotImplemented

    def __rtruediv__(self, x: Any) -> Any:
        if not isinstance(x, (int, float)):
            return NotImplemented
        return Ratio(x / int(self), apply("divide", constant(x), self.term))


class Ratio(float):
    """A number that was divided by a size, and its name."""

    term: Term

    def __new__(cls, value: float, term: Term) -> Ratio:
        ratio = super().__new__(cls, value)
        ratio.term = term
        return ratio


def _sized(value: int, head: str, x: Any, y: Any) -> NamedSize:
    return NamedSize(value, apply(head, constant(x), constant(y)))


class Symbol(Tensor):
    """A Tensor that stands for a name; its axes have named lengths."""

    __slots__ = ("lengths",)
    lengths: tuple[int, ...]

    def __init__(self, label: str, value: Any, lengths: tuple[int, ...] | None = None) -> None:
        super().__init__(0.0, name=label)
        self._value = value
        self.lengths = tuple(np.shape(value)) if lengths is None else lengths

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lengths

    @property
    def size(self) -> int:
        return math.prod(self.lengths)


def run(rule: Callable[..., Any], *args: Any, **attrs: Any) -> Any:
    """Run a rule on symbols, remembering every step.

    >>> x = Symbol("x", np.float64(0.5))
    >>> run(lambda z, x: 1 - z * z, x, x).op
    <Op subtract, elementwise>
    """
    with np.errstate(all="ignore"), observed(Observer(remembers=True)):
        return rule(*args, **attrs)


def constant(x: Any, tidy: bool = True) -> Term:
    """Return the term for a number or array that is not a node; tidied, an array of ones is 1.

    >>> constant(np.ones(3)).text, constant(2.5).text, constant(np.arange(6.0).reshape(2, 3)).text
    ('1', '2.5', 'array(2, 3)')
    """
    if isinstance(x, (NamedSize, Ratio)):
        return x.term
    value = np.asarray(x)
    if value.ndim == 0:
        return number(value[()])
    if (
        tidy
        and value.dtype.kind in "fiu"
        and value.size
        and value.min() == value.max()
        and value.flat[0] in (0, 1)
    ):
        return number(value.flat[0])
    return name(f"array{tuple(value.shape)}".replace(",)", ")"))


def as_term(result: Any, names: Mapping[int, str] | None = None, tidy: bool = True) -> Term:
    """Return what a rule computed as a term, its symbols by their names.

    >>> x = Symbol("x", np.float64(0.5))
    >>> as_term(run(lambda z, x: 1 - x * x, x, x)).text
    '1 - x^2'
    """
    if not isinstance(result, Tensor):
        return constant(result)
    terms: dict[Tensor, Term] = {}
    for node in topological_order(result):
        terms[node] = node_term(node, terms, names or {}, tidy)
    return terms[result]


def node_term(node: Tensor, terms: Mapping[Tensor, Term], names: Mapping[int, str], tidy: bool) -> Term:
    """Return one node as a term of its inputs' terms."""
    if node.op is None:
        label = names.get(id(node)) or node.name
        return name(label) if label else constant(node._value, tidy)
    given = index_term if "index" in node.attrs else input_term
    args = tuple(terms[x] if isinstance(x, Tensor) else given(x, names, tidy) for x in node.inputs)
    return op_term(node.op, args, node.attrs, node.values, node._value, tidy)


def input_term(x: Any, names: Mapping[int, str], tidy: bool) -> Term:
    """Return an input that is no Tensor: by the name of its variable, else by its value."""
    return name(names[id(x)]) if id(x) in names else constant(x, tidy)


_WRITTEN = 6  # places of an index that are written out, in a row


def index_term(x: Any, names: Mapping[int, str], tidy: bool) -> Term:
    """Return an array that an index holds: by its name, its few places, or its shape; ones are no 1 here.

    >>> index_term(np.array([2, 0, 1]), {}, True).text, index_term(np.ones(9, int), {}, True).text
    ('[2, 0, 1]', 'array(9)')
    """
    few = np.ndim(x) == 1 and np.size(x) <= _WRITTEN and np.asarray(x).dtype.kind in "iu"
    if few and id(x) not in names:
        return Term("list", tuple(number(entry) for entry in np.asarray(x)))
    return input_term(x, names, tidy=False)


def op_term(op: Op, args: tuple[Term, ...], attrs: dict[str, Any], xs: Any, z: Any, tidy: bool) -> Term:
    """Return `op(*args, **attrs)` as a term; the arrays `xs` and `z` tell what changes nothing."""
    shape, before = np.shape(z), np.shape(xs[0]) if xs else None
    ndim, facts = len(before or ()), op.facts
    if tidy and facts.order and (shape == before or (ndim == 0 and facts.order == "kept")):
        return args[0]
    axes = facts.axes(ndim, **attrs) if facts.axes else ()
    if ndim > 1 and axes in (tuple(range(ndim))[::-1], (*range(ndim - 2), ndim - 1, ndim - 2)):
        return apply("T", args[0]) if tidy else Term("T", args[:1])
    if tidy and facts.axes and ndim < 2:
        return args[0]
    shown = tuple((k, _attribute(k, v)) for k, v in attrs.items() if not _usual(op, k, v, ndim))
    if op.arity is None and isinstance(leading := next(iter(attrs.values()), None), str):
        shown = (("", repr(leading)),)  # a text that its call begins with: einsum's subscripts
    if "index" in attrs and isinstance(attrs["index"], tuple):
        shown = (("index", ", ".join(map(_entry, attrs["index"]))),)
    return apply(op.name, *args, attrs=shown) if tidy else Term(op.name, args, attrs=shown)


def _usual(op: Op, key: str, value: Any, ndim: int) -> bool:
    """Whether an attribute goes without saying."""
    if key == "axis" and ndim == 1:
        return True
    if key == "keepdims" or value is None or key in op.facts.quiet:
        return True
    default = op.defaults.get(key, ...)
    return op.kind != "view" and bool(type(default) is type(value) and default == value)


def _attribute(key: str, value: Any) -> str:
    if isinstance(value, tuple):
        if value and key == "shape" and all(isinstance(n, NamedSize) for n in value):
            return f"({', '.join(constant(n).text for n in value)}{',' * (len(value) == 1)})"
        return f"({', '.join(_attribute('', v) for v in value)}{',' * (len(value) == 1)})"
    if isinstance(value, (NamedSize, Ratio)):
        return value.term.text
    if isinstance(value, np.dtype):
        return value.name
    return number_text(value) if isinstance(value, (int, float)) else str(value)


def _entry(entry: Any) -> str:
    """Return one entry of an index as it is typed."""
    if isinstance(entry, slice):
        ends = ["" if e is None else _attribute("", e) for e in (entry.start, entry.stop)]
        return ":".join(ends) + ("" if entry.step is None else f":{entry.step}")
    return (
        "..."
        if entry is Ellipsis
        else _attribute("", entry)
        if isinstance(entry, (int, tuple))
        else str(entry)
    )
