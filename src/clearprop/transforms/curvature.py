"""Curvature without whole Hessians: Gauss-Newton and Fisher products, the Laplacian, sparse Jacobians."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.errors import GradientError, at_line, lesson
from clearprop.hints import takes_truths
from clearprop.modes import enable_grad
from clearprop.op import describe
from clearprop.ops.shape import constant
from clearprop.transforms.arguments import Argnums, Arguments, checked, name_of
from clearprop.transforms.jacobian import hessian, refuse_complex
from clearprop.transforms.products import Linearized, hvp


def gnvp(f: Callable[..., Any], loss: Callable[[Any], Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return a function `(*args, v)` that gives the product of v with a Gauss-Newton matrix.

    That of loss(f(*args)) is J^T H J, with J the Jacobian of `f` and H the Hessian of `loss`, one number, by
    what `f` returns (any tree); where `loss` is convex it is positive semi-definite, which a Hessian need not
    be. For a log-likelihood of the exponential family it is the Fisher information (Schraudolph, "Fast
    curvature matrix-vector products", 2002). `v` has the form of the argument in `argnums`, and so has the
    product. Raises ValueError where shapes differ.

    >>> x = np.array([[1.0, 0.0], [1.0, 2.0]])
    >>> product = gnvp(lambda w: x @ w, lambda z: np.sum(z**2))
    >>> product(np.zeros(2), np.array([1.0, 0.0]))  # 2 x^T x v
    array([4., 4.])
    """
    checked("gnvp", f, {}, "argnums")
    curved = hvp(loss)

    @functools.wraps(f, updated=())
    def product(*args: Any, **kwargs: Any) -> Any:
        *before, v = args
        linear = Linearized(Arguments(f, argnums, tuple(before), kwargs))
        value = linear.value()
        return linear.pull(curved(value, linear.push(v)))

    return product


def fvp(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return a function `(*args, v)` that gives the product of v with the empirical Fisher matrix of `f`.

    `f` returns a vector, the log-likelihood of each of n examples; the matrix is the mean of s s^T over the
    gradients s of each, J^T J / n. (The Fisher matrix itself, the mean over what the model expects, is `gnvp`
    with the negative log-likelihood as its loss.) `v` and the product have the form of the argument. Raises
    ValueError where `f` returns no vector.

    >>> x = np.array([1.0, 3.0])
    >>> fvp(lambda w: w * x)(2.0, 1.0)
    np.float64(5.0)
    """
    checked("fvp", f, {}, "argnums")

    @functools.wraps(f, updated=())
    def product(*args: Any, **kwargs: Any) -> Any:
        *before, v = args
        linear = Linearized(Arguments(f, argnums, tuple(before), kwargs))
        if len(np.shape(linear.form)) != 1 or not np.size(linear.form):
            wanted, got = "wants a vector, a number for each example", f"it returned {describe(linear.form)}"
            raise ValueError(lesson(f"fvp({name_of(f)})", wanted, got, at_line()))
        moved = linear.push(v)
        return linear.pull(moved / np.size(linear.form))

    return product


def laplacian(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """Return the function that gives the sum of the second derivatives of `f`, the trace of its Hessian.

    `f` returns one number; the argument may be a tree. `vmap(laplacian(f))` gives it at many points. Raises
    TypeError for several arguments: one tuple of them is a tree.

    >>> laplacian(lambda x: x[0] ** 3 + x[0] * x[1] ** 2)(np.array([1.0, 2.0]))  # 6 x + 2 x
    np.float64(8.0)
    """
    checked("laplacian", f, {}, "argnums")
    if not isinstance(argnums, int):
        wanted, hint = "wants the number of one argument", "a function of one tuple, which is a tree"
        raise TypeError(lesson(f"laplacian({name_of(f)}, argnums)", wanted, f"{argnums!r}", at_line(), hint))

    @functools.wraps(f, updated=())
    def traced(*args: Any, **kwargs: Any) -> Any:
        vector, unflatten = tree.flatten(args[argnums])

        def of_vector(v: Any) -> Any:
            given = list(args)
            given[argnums] = unflatten(v)
            return f(*given, **kwargs)

        return np.trace(hessian(of_vector)(vector))

    return traced


# --- sparse Jacobians ---------------------------------------------------------------------------------------
@takes_truths
def sparse_jacobian(f: Callable[[Any], Any], sparsity: Any, *, check: bool = True) -> Callable[[Any], Any]:
    """Return the function that gives the Jacobian of a vector function of a vector, whose zeros are known.

    `sparsity` is a matrix (results, entries) of truth values, or a sparse one of SciPy's: where it is zero,
    the derivative is. Columns without a common row share one push, or rows without a common column one pull,
    whichever takes fewer (Curtis, Powell and Reid, "On the estimation of sparse Jacobian matrices", 1974; the
    colours are greedy): a band of width b costs b products, however long it is. The result is an array, or a
    csr_array of numbers for a sparse pattern.

    A product along a random direction checks that nothing lies where the pattern is zero, unless
    `check=False`. Raises GradientError where something does and for complex arguments, and ValueError where
    shapes differ.

    >>> band = np.eye(4, dtype=bool) | np.eye(4, k=1, dtype=bool)
    >>> sparse_jacobian(lambda x: x**2 - np.roll(x, -1) * (np.arange(4) < 3), band)(np.arange(4.0))
    array([[ 0., -1.,  0.,  0.],
           [ 0.,  2., -1.,  0.],
           [ 0.,  0.,  4., -1.],
           [ 0.,  0.,  0.,  6.]])
    """
    checked("sparse_jacobian", f, {}, "sparsity check")
    sparse = hasattr(sparsity, "tocsr")
    known = sparsity if sparse else np.asarray(sparsity)
    shape = tuple(known.shape)
    if len(shape) != 2:
        raise ValueError(lesson("sparse_jacobian(f, sparsity)", "wants a matrix", f"{shape}", at_line()))
    rows, columns = known.nonzero()
    ways = [_colours(columns, rows, shape[1]), _colours(rows, columns, shape[0])]
    forward = np.max(ways[0], initial=-1) <= np.max(ways[1], initial=-1)
    colours = ways[0] if forward else ways[1]

    @functools.wraps(f, updated=())
    def derivative(x: Any) -> Any:
        linear = Linearized(Arguments(f, 0, (x,), {}))
        if (np.shape(linear.form), np.shape(x)) != ((shape[0],), (shape[1],)):
            wanted = f"wants a function of {shape[1]} entries with {shape[0]} results"
            got = f"{np.shape(x)} and {np.shape(linear.form)}"
            raise ValueError(lesson(f"sparse_jacobian({name_of(f)})", wanted, got, at_line()))
        refuse_complex("sparse_jacobian", f, linear.run.inputs)
        seeds = np.equal.outer(np.arange(np.max(colours, initial=-1) + 1), colours).astype(float)
        probe = np.random.default_rng(0).normal(size=(1, colours.size))
        found = _products(linear, np.concatenate([seeds, probe]) if check else seeds, forward)
        packed = found[:-1] if check else found
        first, second = (columns, rows) if forward else (rows, columns)
        if check:
            _compare(f, constant(packed), constant(found)[-1], probe[0], colours, first, second)
        if sparse:
            values = constant(packed)[colours[first], second]
            return type(sparsity.tocsr())((values, (rows, columns)), shape=shape)
        pattern = np.zeros(shape, bool)
        pattern[rows, columns] = True
        spread = packed[colours]
        return np.where(pattern, np.swapaxes(spread, 0, 1) if forward else spread, 0.0)

    return derivative


def _colours(nodes: Any, meeting: Any, count: int) -> Any:
    """Return a number for each node, so that none of those that meet anywhere have the same."""
    places: list[list[int]] = [[] for _ in range(count)]
    there: dict[int, list[int]] = {}
    for node, place in zip(nodes.tolist(), meeting.tolist(), strict=True):
        places[node].append(place)
        there.setdefault(place, []).append(node)
    colours = np.full(count, -1)
    for node in sorted(range(count), key=lambda n: -len(places[n])):
        taken = {int(colours[other]) for place in places[node] for other in there[place]}
        colours[node] = next(k for k in range(count + 1) if k not in taken)
    return colours


def _products(linear: Linearized, seeds: Any, forward: bool) -> Any:
    """Return the products of the Jacobian, or of its transpose, with each of the seeds."""
    with enable_grad():
        if not linear.tracked:
            return np.zeros((len(seeds), np.size(linear.form) if forward else linear.run.inputs[0].size))
        if forward:
            leaves, gradients = linear.transposed()
            found = linear.run.push_all(gradients, leaves, [seeds.astype(linear.run.inputs[0].dtype)])
        else:
            run, seeds = linear.ready(), seeds.astype(linear.tracked[0].dtype)
            found = run.pull_all(linear.tracked, [seeds])
            if seeds.dtype.kind == "c":  # 1j pulls imaginary parts
                found = [
                    a + 1j * b for a, b in zip(found, run.pull_all(linear.tracked, [1j * seeds]), strict=True)
                ]
        return linear.given(found)[0]


def _compare(f: Any, packed: Any, along: Any, probe: Any, colours: Any, first: Any, second: Any) -> None:
    """Raise GradientError where the pattern has a zero too many."""
    total = np.zeros_like(along)
    np.add.at(total, second, packed[colours[first], second] * probe[first])
    size = np.zeros(along.shape)
    np.add.at(size, second, np.abs(packed[colours[first], second] * probe[first]))
    close = 1e3 * np.finfo(along.dtype).eps * (size + np.abs(along)) + np.finfo(along.dtype).tiny
    wrong = np.flatnonzero(~(np.abs(total - along) <= close) & np.isfinite(along))
    if wrong.size:
        got = f"derivatives that are not 0 where it has zeros, {wrong.size} of {along.size} sums differ"
        hint = "a larger pattern, or jacobian(f)(x) != 0 at a few points to find one"
        raise GradientError(
            lesson(
                f"sparse_jacobian({name_of(f)})", "wants a pattern of all derivatives", got, at_line(), hint
            )
        )
