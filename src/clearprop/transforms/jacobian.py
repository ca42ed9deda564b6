"""Whole derivatives: `jacrev`, `jacfwd`, `jacobian`, which picks the cheaper of the two, and `hessian`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.hints import refuse_texts, takes_truths
from clearprop.modes import enable_grad
from clearprop.op import describe
from clearprop.tensor import Tensor
from clearprop.transforms.arguments import Argnums, Arguments, checked, name_of
from clearprop.transforms.gradient import grad
from clearprop.transforms.products import Linearized, kind_of, tracked


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives all derivatives of what `f` returns: `J[i, j] = df_i / dx_j`.

    Its shape is that of the result followed by that of the argument; for trees it is the tree of the result
    with a tree of the arguments at each leaf. Row by row backward where the result has at most as many
    entries as the arguments, else column by column forward. With `has_aux` `f` returns a pair, of which the
    first is differentiated, and this returns a pair too. Results may be complex, arguments may not. Raises
    TypeError where `f` returns no arrays, and GradientError for complex arguments.

    >>> import numpy as np
    >>> jacobian(lambda x: np.stack([x[0] * x[1], x[0] ** 2]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [4., 0.]])
    """
    refuse_texts("jacobian", has_aux=has_aux)
    return _jacobian("jacobian", f, argnums, has_aux, lambda entries, results: results <= entries)


@takes_truths
def jacrev(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives the Jacobian of `f`, row by row; see `jacobian`.

    >>> jacrev(lambda x: x**2)(3.0)
    np.float64(6.0)
    """
    return _jacobian("jacrev", f, argnums, has_aux, lambda entries, results: True)


@takes_truths
def jacfwd(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives the Jacobian of `f`, column by column; see `jacobian`.

    >>> jacfwd(lambda x: x**2)(3.0)
    np.float64(6.0)
    """
    return _jacobian("jacfwd", f, argnums, has_aux, lambda entries, results: False)


def hessian(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that gives all second derivatives of `f`, which returns one number.

    `H[i, j] = d2f / dx_i dx_j`; for several arguments or trees a tree of trees of them. With `has_aux` the
    function returns a pair, of which the second part comes back beside them as it is.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([2.0, 3.0]))
    array([[6., 4.],
           [4., 0.]])
    """
    refuse_texts("hessian", has_aux=has_aux)
    checked("hessian", f, {}, "argnums has_aux")
    return _jacobian(
        "hessian", grad(f, argnums, has_aux=has_aux), argnums, has_aux, lambda entries, results: True
    )


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
        refuse_complex(called, f, linear.run.inputs)
        entries = sum(x.size for x in linear.run.inputs)
        results = sum(int(np.size(y)) * (2 if kind_of(y) == "c" else 1) for y in linear.outputs)
        with enable_grad():
            blocks = _by_rows(linear) if backward(entries, results) else _by_columns(linear)
            beside = tree.leaves(linear.aux)
            found = linear.given([*[block for row in blocks for block in row], *beside])
        given = iter(found)
        formed = [_formed(linear, y, [next(given) for _ in linear.arguments.leaves]) for y in linear.outputs]
        made = tree.rebuilt(linear.form, formed)
        return (made, tree.rebuilt(linear.aux, [*given])) if has_aux else made

    return derivative


def refuse_complex(called: str, f: Callable[..., Any], inputs: list[Tensor]) -> None:
    """Raise GradientError for a complex argument: what moves with it has four derivatives by two, not one."""
    for x in inputs:
        if x.dtype.kind == "c":
            wanted = "wants real arguments: by a complex one there is a derivative for each of its two parts"
            hint = f"{called}(lambda a, b: f(a + 1j * b), argnums=(0, 1))(z.real, z.imag), or jvp and vjp"
            raise GradientError(lesson(f"{called}({name_of(f)})", wanted, describe(x), at_line(), hint))


def _formed(linear: Linearized, y: Any, blocks: list[Any]) -> Any:
    """Return the derivatives of one output in the form of the arguments."""
    return linear.arguments.formed(blocks, lambda x: np.zeros((*np.shape(y), *np.shape(x)))[()])


def _by_rows(linear: Linearized) -> list[list[Any]]:
    """Return a block for each output and leaf: one pull for each entry of the outputs, all at once."""
    run, outputs = linear.ready(), linear.tracked
    basis = _basis([(y.shape, y.dtype) for y in outputs])
    found = run.pull_all(outputs, basis) if outputs else []
    if any(y.dtype.kind == "c" for y in outputs):  # 1j pulls imaginary parts: the gradient of Re(conj(1j) y)
        turned = [rows * 1j if rows.dtype.kind == "c" else np.zeros_like(rows) for rows in basis]
        imaginary = run.pull_all(outputs, turned)
    blocks, start = [], 0
    for y in linear.outputs:
        if tracked(y):
            part = slice(start, start + y.size)
            rows = [x[part] for x in found]
            if y.dtype.kind == "c":
                rows = [a + 1j * x[part] for a, x in zip(rows, imaginary, strict=True)]
            blocks.append([row.reshape((*y.shape, *row.shape[1:])) for row in rows])
            start += y.size
        else:
            blocks.append([np.zeros((*np.shape(y), *x.shape)) for x in run.inputs])
    return blocks


def _by_columns(linear: Linearized) -> list[list[Any]]:
    """Return a block for each output and leaf: one push for each entry of the leaves, all at once."""
    leaves, gradients = linear.transposed()
    inputs = linear.run.inputs
    basis = _basis([(x.shape, x.dtype) for x in inputs])
    found = iter(linear.run.push_all(gradients, leaves, basis) if leaves else [])
    blocks = []
    for y in linear.outputs:
        if tracked(y):
            columns, start, row = next(found), 0, []
            for x in inputs:
                part = columns[start : start + x.size]
                part = np.moveaxis(part, 0, -1) if y.ndim else part
                row.append(part.reshape((*y.shape, *x.shape)))
                start += x.size
            blocks.append(row)
        else:
            blocks.append([np.zeros((*np.shape(y), *x.shape)) for x in inputs])
    return blocks


def _basis(shapes: list[tuple[tuple[int, ...], Any]]) -> list[Any]:
    """Return for each array the vectors of a basis of all of them together, which an axis in front counts."""
    sizes = [math.prod(shape) for shape, _ in shapes]
    total, start, found = sum(sizes), 0, []
    for (shape, dtype), n in zip(shapes, sizes, strict=True):
        rows = np.zeros((total, n), dtype)
        rows[start : start + n] = np.eye(n, dtype=dtype)
        found.append(rows.reshape((total, *shape)))
        start += n
    return found
