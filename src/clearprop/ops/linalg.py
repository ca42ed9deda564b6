"""Products of arrays: matmul, dot, outer, einsum, and the norm."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from clearprop.adding import added, is_short
from clearprop.define import define
from clearprop.errors import at_line, lesson
from clearprop.facts import Facts
from clearprop.ops.quotient import over_einsum, over_outer, sending
from clearprop.ops.reduce import axes_of, kept, with_ones
from clearprop.ops.shape import as_array
from clearprop.registry import implements, ops, wider


# --- matmul -------------------------------------------------------------------------------------------------
def _left(g: Any, z: Any, x: Any, y: Any) -> Any:
    """dx = g @ y^T, with vectors seen as a row (x) or a column (y)."""
    if x.ndim == y.ndim == 2:
        return g @ y.T
    if y.ndim == 1:
        return g * y if x.ndim == 1 else np.expand_dims(g, -1) * y
    if x.ndim == 1:
        g = np.expand_dims(g, -2)
    d = g @ np.swapaxes(y, -1, -2)
    return d.reshape((*d.shape[:-2], d.shape[-1])) if x.ndim == 1 else d


def _right(g: Any, z: Any, x: Any, y: Any) -> Any:
    """dy = x^T @ g; a batch that shares y is summed by the product itself."""
    if x.ndim == y.ndim == 2:
        return x.T @ g
    if x.ndim == 1:
        if y.ndim == 1:
            return g * x
        return np.expand_dims(x, -1) * np.expand_dims(g, -2)
    if y.ndim <= 2:  # the rows of the whole batch at once; their number spelled out, for -1 needs entries
        rows = math.prod(x.shape[:-1])
        return x.reshape((rows, x.shape[-1])).T @ g.reshape((rows, *y.shape[1:]))
    if x.shape[-2] == 1 and g.__class__ is np.ndarray and x.__class__ is np.ndarray:
        return np.swapaxes(x, -1, -2) * g  # products of one term each, without a call of BLAS for each matrix
    return np.swapaxes(x, -1, -2) @ g


def _matmul_hint(x: Any, y: Any) -> tuple[str, str]:
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0:
        return "wants arrays with at least one axis", "x * y for a number times an array"
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] == inner:
        return "", ""
    wanted = f"inner sizes differ, {x.shape[-1]} and {inner}"
    if y.ndim > 1 and x.shape[-1] == y.shape[-1]:
        return wanted, "x @ y.T: the last axes are the ones that agree"
    if x.ndim > 1 and x.shape[-2] == inner:
        return wanted, "x.T @ y: the first axes are the ones that agree"
    return wanted, ""


@define(
    "matmul",
    "contract",
    _left,
    _right,
    numpy=np.matmul,
    hint=_matmul_hint,
    facts=Facts(
        sign="@",
        cost=lambda z, x, y: 2 * int(z.size) * int(np.shape(x)[-1]),
        reads=lambda index, x, y: (
            ((index[0], None), (None, index[1])) if np.ndim(x) == np.ndim(y) == 2 else None
        ),
        over=over_outer,
        advice="a smaller learning rate, scaled inputs, or float64: the product overflows",
    ),
    masked=lambda x, y, mask: (
        np.matmul(np.where(mask, x, 0), np.where(mask, y, 0)) if x.ndim == y.ndim == 1 else NotImplemented
    ),
    by_rows=True,
    examples=tuple(
        (shapes, {})
        for shapes in (
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 4)),
            ((2, 3), (3, 4)),
            ((5, 2, 3), (3,)),
            ((3,), (5, 3, 4)),
            ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((6, 1, 2, 3), (5, 3, 4)),
        )
    ),
)
def matmul(x: Any, y: Any) -> Any:
    """x @ y: sums over x's last axis and y's last but one; leading axes are a batch and broadcast."""
    return x @ y


# --- einsum -------------------------------------------------------------------------------------------------
def _einsum_signature(subscripts: str, *xs: Any, optimize: Any = None) -> Any:
    if not isinstance(subscripts, str):
        wanted, hint = "wants its subscripts first, as text", "np.einsum('ij,jk->ik', x, y)"
        raise TypeError(lesson("np.einsum(...)", wanted, f"{subscripts!r:.40}", at_line(), hint))
    return xs, {"subscripts": _explicit(subscripts.replace(" ", ""), [np.ndim(x) for x in xs])}


def _explicit(subscripts: str, ndims: list[int]) -> str:
    """Write subscripts out: no ellipsis, and with the output after `->`.

    >>> _explicit("...ij,jk", [3, 2])
    'Aij,jk->Aik'
    """
    left, arrow, output = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(
            lesson(
                f"einsum({subscripts!r})",
                f"names {len(terms)} arrays",
                f"{len(ndims)} were given",
                at_line(),
                "as many terms, with commas between them, as arrays",
            )
        )
    free = [
        c for c in itertools.chain(map(chr, range(65, 91)), map(chr, range(97, 123))) if c not in subscripts
    ]
    depth = max((n - len(t) + 3 for t, n in zip(terms, ndims, strict=True) if "..." in t), default=0)
    shared = "".join(free[:depth])
    for i, (term, n) in enumerate(zip(terms, ndims, strict=True)):
        if "..." in term:
            own = n - len(term) + 3
            terms[i] = term.replace("...", shared[depth - own :])
    if not arrow:
        labels = "".join(terms)
        output = shared + "".join(sorted(c for c in set(labels) if labels.count(c) == 1 and c not in shared))
    return ",".join(terms) + "->" + output.replace("...", shared)


def _einsum_rule(i: int, g: Any, z: Any, *xs: Any, subscripts: str) -> Any:
    """Einsum is linear in each input: its gradient is the einsum of `g` with all the others."""
    left, _, output = subscripts.partition("->")
    terms = left.split(",")
    mine = terms[i]
    unique = "".join(dict.fromkeys(mine))
    others = [(t, x) for j, (t, x) in enumerate(zip(terms, xs, strict=True)) if j != i]
    operands = [(output, g), *others]
    for (
        label
    ) in unique:  # summed away on its own, or beside a length of 1: every entry along it gets the same
        n = xs[i].shape[mine.index(label)]
        known = [x.shape[t.index(label)] for t, x in operands if label in t]
        if not known or (n != 1 and n not in known):
            operands.append((label, np.ones(n, g.dtype)))
    d = ops["einsum"](",".join(t for t, _ in operands) + "->" + unique, *(x for _, x in operands))
    lengths = tuple(xs[i].shape[mine.index(label)] for label in unique)
    repeated = tuple(k for k, n in enumerate(lengths) if n != d.shape[k])  # length 1 here, n in another input
    if repeated:
        d = d.sum(axis=repeated, keepdims=True)
    return d if unique == mine else _on_diagonal(d, unique, mine)


def _on_diagonal(d: Any, unique: str, mine: str) -> Any:
    """Spread `d` on the diagonal that a repeated label (`ii`) picked, zeros elsewhere."""
    free = (chr(c) for c in itertools.chain(range(65, 91), range(97, 123)) if chr(c) not in mine)
    terms, operands, target = [unique], [d], ""
    for place, label in enumerate(mine):
        if label in mine[:place]:
            fresh = next(free)
            terms.append(label + fresh)
            operands.append(np.eye(d.shape[unique.index(label)], dtype=d.dtype))
            target += fresh
        else:
            target += label
    return ops["einsum"](",".join(terms) + "->" + target, *operands)


def _einsum_cost(z: Any, *xs: Any, subscripts: str) -> int:
    """A product and a sum for each combination of the labels."""
    lengths: dict[str, int] = {}
    for term, x in zip(subscripts.partition("->")[0].split(","), xs, strict=True):
        lengths.update(zip(term, np.shape(x), strict=True))
    return len(xs) * math.prod(lengths.values())


@define(
    "einsum",
    "contract",
    arity=None,
    variadic_rule=_einsum_rule,
    numpy=np.einsum,
    signature=_einsum_signature,
    facts=Facts(cost=_einsum_cost, over=over_einsum),
    examples=tuple(
        (shapes, {"subscripts": s})
        for s, shapes in (
            ("ij,jk->ik", ((2, 3), (3, 4))),
            ("ij->", ((2, 3),)),
            ("ij->j", ((2, 3),)),
            ("ii->i", ((3, 3),)),
            ("ii", ((3, 3),)),
            ("...ij,...jk->...ik", ((5, 2, 3), (3, 4))),
            ("i,j,k->kij", ((2,), (3,), (4,))),
            ("bi,bi->b", ((2, 3), (2, 3))),
            ("ij,kl->i", ((2, 3), (2, 2))),
        )
    ),
)
def einsum(*xs: Any, subscripts: str = "") -> Any:
    """Einstein summation: `einsum("ij,jk->ik", x, y)` sums over every label that the output does not name."""
    if all(map(is_short, xs)):  # NumPy's sums of float16 depend on how the arrays lie
        wide = np.einsum(subscripts, *(x.astype(np.float32) for x in xs), optimize=len(xs) > 2)
        return wide.astype(np.float16)[()]
    return np.einsum(subscripts, *xs, optimize=len(xs) > 2)[()]


def _listed(
    *arguments: Any, optimize: Any = None, dtype: Any = None, order: str = "K", casting: str = "safe"
) -> Any:
    """Answer einsum with lists of labels in place of letters, and with the keywords that change no value."""
    if not isinstance(arguments[0], str):
        count = len(arguments) // 2
        arrays, labels = arguments[: 2 * count : 2], arguments[1 : 2 * count : 2]
        terms = ",".join(_letters(names) for names in labels)
        subscripts = terms + ("->" + _letters(arguments[-1]) if len(arguments) % 2 else "")
        arguments = (subscripts, *arrays)
    subscripts, *xs = arguments
    if dtype is not None:
        xs = [as_array(x).astype(dtype) for x in xs]
    return ops["einsum"](subscripts, *xs)


def _letters(labels: Any) -> str:
    """Return letters for whole numbers below 52, in their order."""
    return "".join("..." if k is Ellipsis else chr(65 + k if k < 26 else 71 + k) for k in labels)


wider[np.einsum] = _listed


# --- products made of those ---------------------------------------------------------------------------------
@implements(np.dot)
def dot(x: Any, y: Any) -> Any:
    """Return NumPy's dot: a product with a number, an inner product, or one over x's last axis.

    >>> import numpy as np
    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    x, y = as_array(x), as_array(y)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return ops["matmul"](x, y) if y.ndim <= 2 else tensordot(x, y, axes=((-1,), (-2,)))


@implements(np.outer)
def outer(x: Any, y: Any) -> Any:
    """Return every product of an entry of `x` with an entry of `y`, as a matrix.

    >>> import numpy as np
    >>> outer(np.array([1, 2]), np.array([3, 4]))
    array([[3, 4],
           [6, 8]])
    """
    x, y = as_array(x), as_array(y)
    return x.reshape((x.size, 1)) * y.reshape((1, y.size))


@implements(np.inner)
def inner(x: Any, y: Any) -> Any:
    """Return the sum of products over the last axes.

    >>> import numpy as np
    >>> inner(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    np.float64(11.0)
    """
    x, y = as_array(x), as_array(y)
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return tensordot(x, y, axes=((-1,), (-1,)))


@implements(np.tensordot)
def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Return the sum of products over pairs of axes (or over the last of x and the first of y, so many).

    >>> import numpy as np
    >>> tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    x, y = as_array(x), as_array(y)
    first, second = _paired(x, y, axes)
    letters = (chr(c) for c in itertools.chain(range(97, 123), range(65, 91)))
    left = [next(letters) for _ in range(x.ndim)]
    right = [next(letters) for _ in range(y.ndim)]
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    summed = {left[i] for i in first}
    output = [c for c in left + right if c not in summed]
    return ops["einsum"](f"{''.join(left)},{''.join(right)}->{''.join(output)}", x, y)


def _paired(x: Any, y: Any, axes: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the axes of each that are summed over, having complained about pairs of different lengths."""
    if np.ndim(axes) == 0:
        first, second = tuple(range(-axes, 0)), tuple(range(axes))
    else:
        first, second = (tuple(np.atleast_1d(a).tolist()) for a in axes)
    lengths = [x.shape[i] for i in first], [y.shape[j] for j in second]  # IndexError for one too many
    if lengths[0] != lengths[1]:
        raise ValueError(
            lesson(
                f"tensordot({x.shape}, {y.shape})",
                "wants pairs of axes of the same length",
                f"{lengths[0]} and {lengths[1]} along axes {first} and {second}",
                hint="axes=((axes of x), (axes of y)) that agree",
            )
        )
    places = tuple(i % x.ndim for i in first), tuple(j % y.ndim for j in second)
    if any(len(set(p)) < len(p) for p in places):
        raise ValueError(lesson("tensordot(x, y)", "wants each axis once", f"{first} and {second}"))
    return places


# --- norm ---------------------------------------------------------------------------------------------------
def _norm_rule(g: Any, z: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """g x / |x|, and 0 at 0: the subgradient of least norm, flat in turn."""
    z = kept(z, x, axis, keepdims)
    return kept(g, x, axis, keepdims) * x / np.where(z == 0, z.dtype.type(np.inf), z)


@define(
    "norm",
    "reduce",
    _norm_rule,
    masked=lambda x, mask, **how: ops["norm"](np.where(mask, x, x.dtype.type(0)), **how),
    facts=Facts(
        kinks=lambda x, axis, keepdims: (x == 0).all(axis=axis, keepdims=True),
        smooth=sending(lambda i, ratio, z, x, axis, keepdims: (kept(ratio, x, axis, keepdims), x)),
        advice="smaller numbers, or float64",
    ),
    examples=((((3, 4),), {}), (((3, 4),), {"axis": 0}), (((3, 4),), {"axis": 1, "keepdims": True})),
)
def norm_of(x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """sqrt(sum(|x|^2)) along `axis`; derivative 0 at 0. Squares of float16 are taken in float32."""
    if x.dtype.char == "e":
        wide = x.astype(np.float32)
        if isinstance(axis, tuple) and len(axis) != 2:  # which NumPy refuses
            return np.sqrt(added(wide * wide, axis, keepdims)).astype(x.dtype)
        return np.linalg.norm(wide, axis=axis, keepdims=keepdims).astype(x.dtype)
    squares = x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag
    return np.sqrt(added(squares, axis, keepdims))


def _power_norm_rule(g: Any, z: Any, x: Any, ord: float, axis: Any, keepdims: bool) -> Any:
    """x / |x| (|x| / z)^(ord - 1), and 0 where x or z is 0: the least of the slopes at a kink or a cusp."""
    z = kept(z, x, axis, keepdims)
    moves = (x != 0) & (z != 0)
    size = np.absolute(x)
    share = np.where(moves, size, 1) / np.where(z == 0, 1, z)
    up = np.sign(x) if x.dtype.kind != "c" else x / np.where(moves, size, 1)
    slope = up * np.where(moves, share, 1) ** (ord - 1)
    return np.where(moves, kept(g, x, axis, keepdims) * slope, 0)


@define(
    "power_norm",
    "reduce",
    _power_norm_rule,
    facts=Facts(
        kinks=lambda x, ord, axis, keepdims: (
            x == 0 if ord < 1 else np.broadcast_to((x == 0).all(axis=axis, keepdims=True), x.shape)
        ),
        advice="smaller numbers, or float64",
    ),
    examples=(
        (((3, 4),), {"axis": 1}),
        (((3, 4),), {"axis": 0, "ord": 1.5}),
        ((np.array([1.5, -0.3, 0.7]),), {"axis": 0, "ord": -1.0}),
        ((np.array([[1.5, -0.3, 0.7]]),), {"axis": 1, "ord": 0.5, "keepdims": True}),
    ),
)
def power_norm(x: Any, *, ord: float = 3.0, axis: Any = None, keepdims: bool = False) -> Any:
    """(sum(|x|^ord))^(1/ord) along `axis`; derivative 0 where it is 0, and by every entry that is 0."""
    if x.dtype.char == "e":
        return np.linalg.norm(x.astype(np.float32), ord, axis=axis, keepdims=keepdims).astype(x.dtype)
    return added(np.absolute(x) ** ord, axis, keepdims) ** (1 / ord)


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Return a norm of vectors (`ord` any number or infinity), or of matrices (also "fro", "nuc", 2, -2).

    `ord=None` is the Euclidean norm of all entries, or along one axis or two.

    >>> import numpy as np
    >>> norm(np.array([3.0, 4.0])), norm(np.array([3.0, -4.0]), 1), norm(np.array([3.0, -4.0]), np.inf)
    (np.float64(5.0), np.float64(7.0), np.float64(4.0))
    """
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    if axis is None and (ord is None or (ord == "fro" and x.ndim == 2) or (ord == 2 and x.ndim == 1)):
        return ops["norm"](x, keepdims=keepdims)
    axes = axes_of(x, axis)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(lesson("norm(x)", "is of vectors or matrices: one axis or two", f"axes {axes}"))


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if ord is None or ord == 2:
        return ops["norm"](x, axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(lesson(f"norm(x, {ord!r})", "is no norm of vectors", hint="a number or np.inf"))
    if ord not in (1, 0, np.inf, -np.inf) and (x.shape[axis] != 1 or ord != ord):
        return ops["power_norm"](x, ord=ord, axis=axis, keepdims=keepdims)
    if ord == 0:
        return (x != 0).astype(np.finfo(x.dtype).dtype).sum(axis=axis, keepdims=keepdims)
    size = np.absolute(x)
    if ord == np.inf and size.shape[axis]:
        return size.max(axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return size.min(axis=axis, keepdims=keepdims)
    return size.sum(axis=axis, keepdims=keepdims)  # the largest of no entries is 0, their sum


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return ops["norm"](x, axis=axes, keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        s = ops["svdvals"](np.moveaxis(x, axes, (-2, -1)))
        reduce = np.min if ord == -2 else np.max if ord == 2 and s.shape[-1] else np.sum
        z = reduce(s, axis=-1)  # several that are largest share the gradient
        return z.reshape(with_ones(x, axes)) if keepdims else z
    if ord not in (1, -1, np.inf, -np.inf):
        orders = "None, 'fro', 'nuc', 1, -1, 2, -2, np.inf or -np.inf"
        raise ValueError(lesson(f"norm(x, {ord!r})", "is no norm of matrices", hint=orders))
    along, over = axes if abs(ord) == 1 else axes[::-1]  # the sums of columns, or of rows
    sums = np.absolute(x).sum(axis=along, keepdims=True)
    extreme = np.min if ord < 0 else np.max if sums.size else np.sum  # the largest of no sums is 0
    z = extreme(sums, axis=over, keepdims=True)
    return z if keepdims else np.squeeze(z, axis=axes)
