"""Trees: numbers, arrays and Tensors in nested lists, tuples, dicts, named tuples, dataclasses and Modules.

A leaf is an array, a number or a Tensor. All else that is no container (None, text, functions) belongs to the
shape of the tree and stays where it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import numpy as np

from clearprop.errors import lesson
from clearprop.tensor import PLAIN, Tensor

_LEAVES = (np.ndarray, np.generic, Tensor, float, int, complex)


class Kind(NamedTuple):
    """A class of objects that hold leaves of their own: a Module holds Parameters."""

    take: Callable[[Any], Mapping[str, Any]]
    """The leaves of an object by name."""
    lend: Callable[[Any, Mapping[str, Any]], AbstractContextManager[Any]]
    """Within the block the object holds these leaves in the place of its own."""


_kinds: dict[type, Kind] = {}


def register(kind: type, take: Callable[[Any], Any], lend: Callable[[Any, Any], Any]) -> None:
    """Make the objects of a class trees: `take(x)` gives leaves by name, `lend(x, leaves)` is a block.

    What is computed for such an object, leaf by leaf, comes back as a dict of the same names.
    """
    _kinds[kind] = Kind(take, lend)


def is_leaf(x: Any) -> bool:
    """Tell whether something is a number, an array or a Tensor.

    >>> is_leaf(2.0), is_leaf(np.ones(3)), is_leaf([1.0]), is_leaf(None)
    (True, True, False, False)
    """
    return x.__class__ in PLAIN or isinstance(x, _LEAVES)


def leaves(tree: Any, *, whole: bool = False) -> list[Any]:
    """Return the leaves of a tree, dicts in the order of their insertion; `whole` Modules have none.

    >>> leaves({"w": [1.0, 2.0], "b": (3.0, None)})
    [1.0, 2.0, 3.0]
    """
    return [*_walk(tree, whole)]


def map(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Return a tree of the same form with `f(leaf, *leaves of the others in its place)` for each leaf.

    A Module comes back as a dict by path. Raises ValueError where another tree has another number of leaves.

    >>> map(lambda x, g: x - 0.5 * g, {"w": 3.0, "b": [1.0]}, {"w": 2.0, "b": [4.0]})
    {'w': 2.0, 'b': [-1.0]}
    """
    columns = [leaves(tree), *[leaves(other) for other in others]]
    if any(len(column) != len(columns[0]) for column in columns):
        counts = ", ".join(str(len(column)) for column in columns)
        raise ValueError(lesson("tree.map(f, tree, *others)", "wants trees of as many leaves", counts))
    return rebuilt(tree, [f(*row) for row in zip(*columns, strict=True)])


def flatten(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return all entries of a tree as one vector, and the function that makes such a tree of a vector.

    The vector is a Tensor if a leaf is one, and both ways let gradients pass. Leaves keep their shape and
    their float dtype; integers come back as float64. The function raises ValueError for another length.

    >>> vector, unflatten = flatten({"w": np.array([[1.0, 2.0]]), "b": 3.0})
    >>> vector, unflatten(vector * 2)
    (array([1., 2., 3.]), {'w': array([[2., 4.]]), 'b': np.float64(6.0)})
    """
    found = leaves(tree)
    shapes = [np.shape(x) for x in found]
    dtypes = [_float_of(x) for x in found]
    ends = np.cumsum([0, *[math.prod(shape) for shape in shapes]]).tolist()
    vector: Any = np.zeros(0)
    if found:
        parts: list[Any] = [np.reshape(x, (-1,)) for x in found]
        vector = np.concatenate([part.astype(d) for part, d in zip(parts, dtypes, strict=True)])

    def unflatten(vector: Any) -> Any:
        if np.shape(vector) != (ends[-1],):
            raise ValueError(
                lesson("unflatten(vector)", f"wants a vector of {ends[-1]} entries", f"{np.shape(vector)}")
            )
        pieces = []
        for shape, dtype, start, end in zip(shapes, dtypes, ends, ends[1:], strict=False):
            piece = np.reshape(vector[start:end], shape)
            piece = piece if piece.dtype == dtype else piece.astype(dtype)
            pieces.append(piece if shape or isinstance(piece, Tensor) else piece[()])
        return rebuilt(tree, pieces)

    return vector, unflatten


def _float_of(x: Any) -> Any:
    dtype = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def rebuilt(tree: Any, new: list[Any], *, whole: bool = False) -> Any:
    """Return a tree of the same form with other leaves; a Module comes back as a dict by path, or `whole`."""
    return _rebuilt(tree, iter(new), _WHOLE if whole else None)


def lent(tree: Any, new: list[Any], block: ExitStack) -> Any:
    """Return a tree of the same form with other leaves; a Module is itself, and holds them in the block."""
    return _rebuilt(tree, iter(new), block)


_WHOLE = ExitStack()  # in the place of a block in which Modules hold other leaves: they are left alone


def _walk(tree: Any, whole: bool) -> Iterator[Any]:
    if is_leaf(tree):
        yield tree
        return
    for child in _children(tree, whole):
        yield from _walk(child, whole)


def _children(tree: Any, whole: bool) -> Any:
    if isinstance(tree, (list, tuple)):
        return tree
    if isinstance(tree, Mapping):
        return tree.values()
    if (kind := _kind(tree)) is not None:
        return () if whole else kind.take(tree).values()
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return [getattr(tree, field.name) for field in dataclasses.fields(tree)]
    return ()


def _kind(tree: Any) -> Kind | None:
    return next((kind for owner, kind in _kinds.items() if isinstance(tree, owner)), None)


def refilled(kind: Callable[..., Any], parts: Sequence[Any]) -> Any:
    """Return a list, tuple or named tuple of this class with these parts.

    >>> refilled(list, (1, 2)), refilled(tuple, [1, 2])
    ([1, 2], (1, 2))
    """
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def _rebuilt(tree: Any, new: Iterator[Any], block: ExitStack | None) -> Any:
    if is_leaf(tree):
        return next(new)
    if isinstance(tree, tuple):
        parts = [_rebuilt(x, new, block) for x in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, list):
        return [_rebuilt(x, new, block) for x in tree]
    if isinstance(tree, Mapping):
        pairs = [(name, _rebuilt(x, new, block)) for name, x in tree.items()]
        return OrderedDict(pairs) if isinstance(tree, OrderedDict) else dict(pairs)
    if (kind := _kind(tree)) is not None:
        if block is _WHOLE:
            return tree
        values = {name: _rebuilt(x, new, block) for name, x in kind.take(tree).items()}
        if block is None:
            return values
        block.enter_context(kind.lend(tree, values))
        return tree
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = {f.name: _rebuilt(getattr(tree, f.name), new, block) for f in dataclasses.fields(tree)}
        made = object.__new__(type(tree))
        for name, value in fields.items():
            object.__setattr__(made, name, value)
        return made
    return tree
