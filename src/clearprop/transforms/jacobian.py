"""Whole derivatives: `jacrev`, `jacfwd`, `jacobian`, which picks the cheaper of the two, and `hessian`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.modes import enable_grad
from clearprop.transforms.arguments import Argnums, Arguments, checked
from clearprop.transforms.gradient import grad
from clearprop.transforms.products import Linearized, tracked


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives all derivatives of what `f` returns: `J[i, j] = df_i / dx_j`.

    Its shape is that of the result followed by that of the argument; for trees it is the tree of the result
    with a tree of the arguments at each leaf. Row by row backward where the result has at most as many
    entries as the arguments, else column by column forward. With `has_aux` `f` returns a pair, of which the
    first is differentiated, and this returns a pair too. Raises TypeError where `f` returns no arrays.

    >>> import numpy as np
    >>> jacobian(lambda x: np.stack([x[0] * x[1], x[0] ** 2]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [4., 0.]])
    """
    return _jacobian("jacobian", f, argnums, has_aux, lambda entries, results: results <= entries)


def jacrev(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives the Jacobian of `f`, row by row; see `jacobian`.

    >>> jacrev(lambda x: x**2)(3.0)
    np.float64(6.0)
    """
    return _jacobian("jacrev", f, argnums, has_aux, lambda entries, results: True)


def jacfwd(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives the Jacobian of `f`, column by column; see `jacobian`.

    >>> jacfwd(lambda x: x**2)(3.0)
    np.float64(6.0)
    """
    return _jacobian("jacfwd", f, argnums, has_aux, lambda entries, results: False)


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the function that gives all second derivatives of `f`, which returns one number.

    `H[i, j] = d2f / dx_i dx_j`; for several arguments or trees a tree of trees of them.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0]))
    array([[6., 4.],
           [4., 0.]])
    """
    checked("hessian", f, {}, "argnums")
    return jacrev(grad(f, argnums), argnums)


def _jacobian(
    called: str,
    f: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    backward: Callable[[int, int], bool],
) -> Callable[..., Any]:
    checked(called, f, {}, "argnums has_aux")

    @functools.wraps(f)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        linear = Linearized(Arguments(f, argnums, args, kwargs), has_aux)
        entries = sum(x.size for x in linear.run.inputs)
        results = sum(int(np.size(y)) for y in linear.outputs)
        with enable_grad():
            blocks = _by_rows(linear) if backward(entries, results) else _by_columns(linear)
            beside = tree.leaves(linear.aux)
            found = linear.given([*[block for row in blocks for block in row], *beside])
        given = iter(found)
        formed = [_formed(linear, y, [next(given) for _ in linear.arguments.leaves]) for y in linear.outputs]
        made = tree.rebuilt(linear.form, formed)
        return (made, tree.rebuilt(linear.aux, [*given])) if has_aux else made

    return derivative


def _formed(linear: Linearized, y: Any, blocks: list[Any]) -> Any:
    """Return the derivatives of one output in the form of the arguments."""
    return linear.arguments.formed(blocks, lambda x: np.zeros((*np.shape(y), *np.shape(x)))[()])


def _by_rows(linear: Linearized) -> list[list[Any]]:
    """Return a block for each output and leaf, one entry of the outputs after the other."""
    count, blocks = len(linear.outputs), []
    for k, y in enumerate(linear.outputs):
        dtype = y.dtype if tracked(y) else np.float64
        seeds = [_alone(k, count, unit) for unit in _units(np.shape(y), dtype)]
        rows = linear.rows(seeds)
        blocks.append(
            [_stacked([row[i] for row in rows], np.shape(y), x, 0) for i, x in enumerate(linear.run.inputs)]
        )
    return blocks


def _by_columns(linear: Linearized) -> list[list[Any]]:
    """Return a block for each output and leaf, one entry of the leaves after the other."""
    inputs, columns = linear.run.inputs, []
    for k, x in enumerate(inputs):
        tangents = [_alone(k, len(inputs), unit) for unit in _units(x.shape, x.dtype)]
        columns.append(linear.columns(tangents))
    return [
        [_stacked([column[i] for column in columns[k]], x.shape, y, -1) for k, x in enumerate(inputs)]
        for i, y in enumerate(linear.outputs)
    ]


def _stacked(parts: list[Any], shape: tuple[int, ...], of: Any, axis: int) -> Any:
    """Return derivatives by single entries as one array: rows first, columns last."""
    whole = (*shape, *np.shape(of)) if axis == 0 else (*np.shape(of), *shape)
    if not parts:
        return np.zeros(whole)
    return np.reshape(np.stack(parts, axis=axis), whole) if shape else parts[0]


def _alone(k: int, count: int, unit: Any) -> list[Any]:
    found: list[Any] = [None] * count
    found[k] = unit
    return found


def _units(shape: tuple[int, ...], dtype: Any) -> Iterator[Any]:
    """Yield arrays with one entry 1 and the others 0."""
    for index in np.ndindex(*shape):
        found = np.zeros(shape, dtype)
        found[index] = 1.0
        yield found[()]
