"""`vmap(f)`: a function of one example, run on all of them at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.batch import BatchTensor, Draws, Level
from clearprop.errors import at_line, behind, lesson
from clearprop.rebinding import settle
from clearprop.tensor import Tensor
from clearprop.transforms.arguments import checked, name_of

_DRAWS = ("error", "different", "same")


def vmap(
    f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, randomness: Draws = "error"
) -> Callable[..., Any]:
    """Return a function of many examples that gives what `f` gives for each of them, stacked.

    `f` is written for one example. `in_axes` says which axis of the arguments counts the examples: a number
    for all of them, or a tuple with one entry for each, which is a number, None for what is the same for all
    examples, or a tree of these where the argument is a tree. `out_axes` says alike where the results have
    that axis (None where all are the same). Arguments by keyword are the same for all examples.

    Each op that `f` calls runs once, on all examples, so `vmap` costs what the batched code would that one
    has not had to write. It stands inside and around `grad` and its relatives, around itself, and in compiled
    steps: `vmap(grad(loss), in_axes=(None, 0, 0))(w, xs, ys)` gives one gradient for each example. Random
    numbers of the package are refused, unless `randomness` is "different" for each example or the "same" for
    all; NumPy's own generators know nothing of examples and give the same to all.

    Raises ValueError where the lengths of the axes differ or an axis is not there, TypeError where `f` asks
    for the numbers of one example (`if x > 0`), which would differ.

    >>> xs = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> vmap(lambda x: x @ x)(xs)
    array([ 5., 25.])
    >>> from clearprop import grad
    >>> vmap(grad(lambda w, x: np.tanh(w @ x)), in_axes=(None, 0))(np.zeros(2), xs)
    array([[1., 2.],
           [3., 4.]])
    """
    called = f"vmap({name_of(f)})"
    checked("vmap", f, {}, "in_axes out_axes randomness")
    if randomness not in _DRAWS:
        raise ValueError(lesson(called, f"randomness is one of {', '.join(_DRAWS)}", repr(randomness)))

    @functools.wraps(f)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves = [tree.leaves(arg) for arg in args]
        axes = _axes_of(called, in_axes, args, leaves)
        level = Level(_size(called, leaves, axes), randomness)
        given = []
        for arg, found, own in zip(args, leaves, axes, strict=True):
            examples = [
                x if axis is None else level.batch(x if not axis else np.moveaxis(x, axis, 0))
                for x, axis in zip(map(_as_array, found, own), own, strict=True)
            ]
            given.append(arg if all(axis is None for axis in own) else tree.rebuilt(arg, examples))
        with level.inside:
            try:
                output = f(*given, **kwargs)
            except ValueError as error:
                if (meant := behind(error)) is error:
                    raise
                raise meant from None
        settle()
        return _collected(called, level, output, out_axes)

    return mapped


def _as_array(x: Any, axis: int | None) -> Any:
    return x if axis is None or isinstance(x, Tensor) else np.asarray(x)


def _axes_of(called: str, in_axes: Any, args: Any, leaves: list[list[Any]]) -> list[list[int | None]]:
    """Return the axis of each leaf of each argument, None where it is the same for all examples."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        wanted = f"wants in_axes with an entry for each of {len(args)} arguments"
        raise ValueError(lesson(called, wanted, f"{in_axes!r}", at_line()))
    each = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
    found: list[list[int | None]] = []
    for arg, own, held in zip(args, each, leaves, strict=True):
        axes = list(_prefixed(called, "in_axes", own, arg))
        found.append([_axis(called, axis, x) for axis, x in zip(axes, held, strict=True)])
    return found


def _prefixed(called: str, what: str, axes: Any, whole: Any) -> Iterator[Any]:
    """Yield the entry of `axes`, which has the form of a tree or of its upper part, for each leaf."""
    held = tree.leaves(whole)
    if axes is None or isinstance(axes, int):
        yield from (axes for _ in held)
    elif isinstance(axes, dict) and isinstance(whole, dict) and axes.keys() == whole.keys():
        for key, part in whole.items():
            yield from _prefixed(called, what, axes[key], part)
    elif isinstance(axes, (tuple, list)) and isinstance(whole, (tuple, list)) and len(axes) == len(whole):
        for own, part in zip(axes, whole, strict=True):
            yield from _prefixed(called, what, own, part)
    elif type(axes) is type(whole) and len(tree.leaves(axes)) == len(held):
        yield from tree.leaves(axes)
    else:
        wanted = f"wants {what} as a number, None, or a tree of the form of what it belongs to"
        hint = f"{what}=0, or a dict with the same keys"
        raise ValueError(lesson(called, wanted, f"{axes!r}", at_line(), hint))


def _axis(called: str, axis: Any, x: Any) -> int | None:
    if axis is None:
        return None
    ndim = len(np.shape(x))
    if not -ndim <= axis < ndim:
        hint = "in_axes=None, for an argument that is the same for all examples"
        wanted = f"wants axis {axis} of an argument to count the examples"
        raise ValueError(lesson(called, wanted, f"shape {np.shape(x)}", at_line(), hint))
    return int(axis) % ndim


def _size(called: str, leaves: list[list[Any]], axes: list[list[int | None]]) -> int:
    sizes = {
        np.shape(x)[axis]: None
        for found, own in zip(leaves, axes, strict=True)
        for x, axis in zip(found, own, strict=True)
        if axis is not None
    }
    if len(sizes) == 1:
        return int(next(iter(sizes)))
    got = f"axes of lengths {', '.join(map(str, sizes))}" if sizes else "no axis that counts examples"
    hint = "in_axes, a tuple with None for what is the same for all examples"
    raise ValueError(lesson(called, "wants as many examples of each argument", got, at_line(), hint))


def _collected(called: str, level: Level, output: Any, out_axes: Any) -> Any:
    """Return what `f` gave for one example as all of them."""
    found = tree.leaves(output)
    axes = _prefixed(called, "out_axes", out_axes, output)
    results = []
    for x, axis in zip(found, axes, strict=True):
        if axis is None:
            if isinstance(x, BatchTensor) and x.level is level:
                wanted, hint = "has results that differ between examples", "out_axes=0"
                raise ValueError(lesson(called, wanted, "out_axes=None", at_line(), hint))
            results.append(x)
        else:
            content = level.content(x)
            if not -len(np.shape(content)) <= axis < len(np.shape(content)):
                got = f"out_axes={axis} for results of shape {np.shape(x)}"
                raise ValueError(lesson(called, "wants an axis that the results have room for", got))
            content = content if isinstance(content, Tensor) or content.flags.writeable else content.copy()
            results.append(np.moveaxis(content, 0, axis) if axis else content)
    return tree.rebuilt(output, results)
