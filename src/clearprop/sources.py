"""What a value was computed from that has no gradient to pass on: a comparison, a mask, a place.

No graph leads there, so nothing is kept alive for it but other such values, and small arrays: all else is
held weakly, and what is gone is not told.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clearprop.tensor import Tensor

_SMALL = 1024  # bytes of an array that is kept

_held: dict[int, _Sourced] = {}


class Origin(NamedTuple):
    """An op, what it was applied to, and its attributes."""

    op: Any
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any]


class _Sourced(NamedTuple):
    of: weakref.ref[Tensor]
    source: Origin
    """Of references in place of inputs."""


def note(leaf: Tensor, op: Any, inputs: Sequence[Any], attrs: Mapping[str, Any]) -> None:
    """Remember what a leaf was made from if some input has a gradient, or a source itself."""
    if not any(isinstance(x, Tensor) and (x.requires_grad or id(x) in _held) for x in inputs):
        return
    key, entries = id(leaf), _held  # names of its own: at Python's end the module's are gone
    gone: weakref.ref[Tensor] = weakref.ref(leaf, lambda _: entries.pop(key, None))
    _held[key] = _Sourced(gone, Origin(op, tuple(map(_reference, inputs)), attrs))


def _reference(x: Any) -> Any:
    """Return a function that gives `x` back, None if it is gone."""
    if isinstance(x, Tensor) and id(x) in _held:
        return lambda: x
    if isinstance(x, (Tensor, np.ndarray)) and (isinstance(x, Tensor) or x.nbytes > _SMALL):
        return weakref.ref(x)
    return lambda: x


def source_of(leaf: Tensor) -> Origin | None:
    """Return what a leaf was made from; None where that is not known, or gone.

    >>> x = Tensor([1.0, -2.0], name="x")
    >>> positive = x > 0
    >>> found = source_of(positive)
    >>> found.op.name, found.inputs[0] is x, found.inputs[1], source_of(x)
    ('greater', True, 0, None)
    """
    known = _held.get(id(leaf))
    if known is None or known.of() is not leaf:
        return None
    op, references, attrs = known.source
    inputs = tuple(reference() for reference in references)
    lost = any(isinstance(r, weakref.ref) and x is None for r, x in zip(references, inputs, strict=True))
    return None if lost else Origin(op, inputs, attrs)
