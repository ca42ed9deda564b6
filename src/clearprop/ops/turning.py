"""Equal eigenvalues and singular values: functions in which the choice of their vectors drops out.

Vectors of equal values turn freely, and LAPACK gives one choice of many. What a function sends in that choice
does not tell its gradient: of `(v * w) @ v.T` at a matrix of zeros the vectors receive 0 and the values the
diagonal of what is wanted. Its other entries are seen in other choices: the vectors (v_i + v_j) / sqrt(2) see
the entry i, j. So the rest of the function is run again with the vectors turned. Where every choice gives
the same value, and all of them together one matrix, that matrix is the gradient; elsewhere there is none.

Where the rest cannot be run again (while a step is recorded, where a graph of gradients is made), vectors of
equal values that are used are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from clearprop.define import define
from clearprop.errors import GradientError, RerunError
from clearprop.facts import Facts
from clearprop.ops.decomposition import (
    adjoint,
    amounts,
    gaps,
    inverse_or_zero,
    near,
    of_symmetric,
    svd_parts,
    svd_sent,
    turning_freely,
)
from clearprop.registry import ops
from clearprop.tensor import Tensor

_Group = tuple[tuple[int, ...], slice]  # which matrix of a stack, and which of its vectors


# --- which vectors are used ---------------------------------------------------------------------------------
def _passed(user: Tensor, i: int, marks: Any) -> Any:
    """Return `marks` where `user` has its entries, or None where it computes with several of them."""
    op = user.op
    if op is None or i or any(isinstance(x, Tensor) for x in user.inputs[1:]):
        return None
    if op.kind == "elementwise":
        return marks if op.arity == 1 else None
    if op.kind != "view" and op.facts.sign != "[]":
        return None
    return op.forward(marks, *user.inputs[1:], **user.attrs)


def _used(marks: Any, node: Tensor, later: Any) -> set[int]:
    """Return which `marks` of a node's entries are read by others than views, slices and functions of one."""
    held, found = {node: marks}, set(np.unique(marks) if node in later.outputs else ())
    for user in later.nodes:
        for i, x in enumerate(user.inputs):
            if not isinstance(x, Tensor) or x not in held:
                continue
            passed = _passed(user, i, held[x])
            if passed is None or user in later.outputs:
                found |= set(np.unique(held[x]).tolist())
            else:
                held[user] = passed
    return found


def _marks(shape: tuple[int, ...], rows: slice | list[int]) -> Any:
    """Return for each entry of a packed array whose vector it belongs to; -1 for values."""
    marks = np.full(shape, -1)
    stack, columns = shape[:-2], shape[-1]
    marks[..., rows, :] = np.arange(int(np.prod(stack, dtype=int)) * columns).reshape(*stack, 1, columns)
    return marks


@define("of_different_values", "opaque", lambda h, z, g, w, columns, zero: h, None,
        facts=Facts(kinks=False, plane="stated"),
        examples=(((np.ones((4, 3)), np.array([1.0, 2.0, 4.0])), {"columns": (0, 1, 2)}),))  # fmt: skip
def of_different_values(g: Any, w: Any, *, columns: Any = (), zero: bool = False) -> Any:
    """`g`, what arrives at vectors; GradientError where one of those that are used has the value of another.

    With `zero` a value of 0 is refused as well: that of a singular value's vectors.
    """
    w = w if w.dtype.kind == "c" else amounts(w)
    scale = np.max(np.absolute(w), axis=-1, initial=0)[..., None]
    columns = [*columns]
    others = ~np.eye(w.shape[-1], dtype=bool)[columns]
    equal = near(w[..., columns, None], w[..., None, :], scale[..., None]) & others
    if np.any(equal) or (zero and np.any(near(w[..., columns], 0, scale))):
        hint = "the gradient by a call outside of other transforms, where it is known if there is one, "
        hint += "or products of the matrix, scipy.linalg.expm or sqrtm in place of its vectors"
        raise turning_freely(w, "eig, eigh or svd", hint, RerunError)
    return +g


# --- turning them -------------------------------------------------------------------------------------------
def _groups(w: Any, zero: int = 0, close: bool = False) -> Iterator[_Group]:
    """Yield the groups of equal values of every matrix; with `zero`, its length, what is 0 is one, too.

    With `close` values are together, too, that differ by so little that the rule's quotients are rounding.
    """
    for at in np.ndindex(w.shape[:-1]):
        values = np.real(w[at])
        scale = np.max(np.absolute(values), initial=0)
        ends = np.flatnonzero(~near(values[1:], values[:-1], scale)) + 1
        if close:
            ends = _parting(values, ends, np.finfo(w.dtype).eps ** 0.5 * scale)
        null = np.flatnonzero(near(values, 0, scale, zero)) if zero else np.arange(0)
        ends = np.union1d(ends[ends < null[0]], null[:1]) if null.size else ends
        for start, stop in zip([0, *ends], [*ends, values.size], strict=True):
            if stop - start > 1 or (null.size and start == null[0]):
                yield at, slice(int(start), int(stop))


def _parting(values: Any, ends: Any, limit: Any) -> Any:
    """Return the `ends` of groups behind which a value is farther than `limit` from the group's first."""
    kept, first = [], 0
    for end in ends.tolist():
        if np.absolute(values[end] - values[first]) > limit:
            kept.append(end)
            first = end
    return np.array(kept, int)


def pairings(k: int) -> Iterator[list[tuple[int, int]]]:
    """Yield rounds of pairs in which each two of `k` meet once.

    >>> [*pairings(4)]
    [[(0, 3), (1, 2)], [(0, 1), (2, 3)], [(0, 2), (3, 1)]]
    """
    m = k + k % 2
    for shift in range(m - 1):
        circle = [0, *((np.arange(m - 1) + shift) % (m - 1) + 1).tolist()]
        pairs = zip(circle[: m // 2], circle[: m // 2 - 1 : -1], strict=True)
        yield [(i, j) for i, j in pairs if max(i, j) < k]


def _any_turn(k: int, like: Any, rng: Any) -> Any:
    """Return a random unitary matrix: no place is special in it."""
    x = rng.normal(size=(k, k))
    return np.linalg.qr(x + 1j * rng.normal(size=(k, k)) if like.dtype.kind == "c" else x)[0]


def _pair_turn(k: int, pairs: list[tuple[int, int]], phase: Any) -> Any:
    """Return what turns each pair to (v_i + phase v_j) / sqrt(2) and (v_j - v_i / phase) / sqrt(2)."""
    turn = np.eye(k, dtype=np.result_type(phase))
    for i, j in pairs:
        turn[[i, j, i, j], [i, i, j, j]] = np.sqrt(0.5) * np.array([1, phase, -np.conj(phase), 1])
    return turn


def _phases(like: Any) -> tuple[Any, ...]:
    return (1.0, 1j) if like.dtype.kind == "c" else (1.0,)


class _Equal:
    """Vectors of one value: how they are turned, and the Hermitian matrix that their values see."""

    def __init__(self, group: _Group, like: Any, rng: Any) -> None:
        (self.at, self.span), self.k = group, group[1].stop - group[1].start
        self.first, last = _any_turn(self.k, like, rng), _any_turn(self.k, like, rng)
        self.reads = [(pairs, c) for c in _phases(like) for pairs in pairings(self.k)]
        self.turns = [self.first, *(self.first @ _pair_turn(self.k, *read) for read in self.reads), last]

    def turned(self, parts: list[Any], i: int) -> list[Any]:
        """Return these columns of each part, turned the i-th way."""
        turn = self.turns[min(i, len(self.turns) - 1)]
        return [part[self.at][:, self.span] @ turn for part in parts]

    def asks(self, parts: list[Any], gs: list[Any]) -> Any:
        """How the turned columns are asked to turn on."""
        asked = sum(adjoint(p) @ g for p, g in zip(parts, gs, strict=True))
        return asked - adjoint(asked)

    def solved(self, seen: list[Any]) -> tuple[Any, Any]:
        """Return the matrix that what was `seen` each way is the diagonal of, and how far the last is off."""
        found = np.diag(seen[0]).astype(self.first.dtype)
        for (pairs, phase), diagonal in zip(self.reads, seen[1:], strict=False):
            for i, j in pairs:
                part = np.conj(phase) * 0.5 * (diagonal[i] - diagonal[j])
                found[i, j] += part
                found[j, i] += np.conj(part)
        found = self.first @ found @ adjoint(self.first)
        last = self.turns[-1]
        return found, np.real(np.diagonal(adjoint(last) @ found @ last)) - seen[len(self.turns) - 1]


class _Null:
    """What a matrix maps to 0 on either side: bases that any vectors of the value 0 are chosen from."""

    def __init__(self, group: _Group, u: Any, v: Any, rng: Any) -> None:
        self.at, self.span = group
        self.k = self.span.stop - self.span.start
        self.bases = [_rest(x[self.at], self.span.start) for x in (u, v)]
        self.first, last = ([_any_turn(b.shape[1], b, rng) for b in self.bases] for _ in "ab")
        last[0][:, 0] *= -1
        p, q = self.sizes = tuple(b.shape[1] for b in self.bases)
        self.reads = [(shift, c) for c in _phases(u) for shift in range(max(p, q))]
        self.turns = [
            (self.first[0][:, self._rows(t)], c * self.first[1][:, self._columns(t)]) for t, c in self.reads
        ]
        self.turns.append((last[0][:, : self.k], last[1][:, : self.k]))

    def _rows(self, shift: int) -> Any:
        return (np.arange(self.k) + (shift if self.sizes[0] >= self.sizes[1] else 0)) % self.sizes[0]

    def _columns(self, shift: int) -> Any:
        return (np.arange(self.k) + (shift if self.sizes[0] < self.sizes[1] else 0)) % self.sizes[1]

    def turned(self, parts: list[Any], i: int) -> list[Any]:
        """Return columns for each part, chosen the i-th way."""
        return [b @ t for b, t in zip(self.bases, self.turns[min(i, len(self.turns) - 1)], strict=True)]

    def asks(self, parts: list[Any], gs: list[Any]) -> Any:
        """How the chosen columns are asked to turn on, side by side."""
        asked = [
            (adjoint(b) @ g) @ adjoint(adjoint(b) @ p) for b, p, g in zip(self.bases, parts, gs, strict=True)
        ]
        return np.concatenate([(x - adjoint(x)).ravel() for x in asked])

    def solved(self, seen: list[Any]) -> tuple[Any, Any]:
        """Return the matrix between the two bases that was `seen`, and how far the last is off."""
        found = np.zeros(self.sizes, self.first[0].dtype)
        for (shift, phase), entries in zip(self.reads, seen, strict=False):
            found[self._rows(shift), self._columns(shift)] += np.conj(phase) * entries
        found = self.first[0] @ found @ adjoint(self.first[1])
        left, right = self.turns[-1]
        last = np.real(np.diagonal(adjoint(left) @ found @ right))
        return found, last - seen[len(self.turns) - 1]


def _rest(x: Any, n: int) -> Any:
    """Return a basis of what is orthogonal to the first n columns."""
    return np.linalg.qr(x[:, :n], "complete")[0][:, n:] if n else np.eye(x.shape[0], dtype=x.dtype)


def _unsure(z: Any, g: Any, rows: list[slice], values: int) -> Any:
    """Return for each matrix how large what arrives at its values could be, whose roundings are noise."""
    largest = np.max(np.absolute(z[..., values, :]), axis=-1)
    vectors = np.max([np.max(np.absolute(g[..., r, :]), axis=(-2, -1)) for r in rows], axis=0)
    return np.max(np.absolute(g[..., values, :]), axis=-1) + vectors * inverse_or_zero(largest)


def _solved(groups: list[Any], z: Any, g: Any, rows: list[slice], values: int, later: Any) -> Any:
    """Return the matrix of each group, or None where there is none: the vectors matter, or there is a kink.

    `rows` are where the vectors lie in the packed `z`, `values` is the row of their values; `g` arrives.
    """
    seen: list[list[Any]] = [[] for _ in groups]
    eps = np.finfo(z.dtype).eps
    loose, fine = eps**0.6, 1024 * eps
    level = _levelled(groups, z, values)
    usual, arrived = later(level)
    unsure = _unsure(level, arrived, rows, values)
    for i in range(max(len(group.turns) for group in groups)):
        value = level.copy()
        for group in groups:
            parts = group.turned([z[..., r, :] for r in rows], i)
            for r, part in zip(rows, parts, strict=True):
                value[group.at][r, group.span] = part
        reached, arrived = later(value)
        size = np.sum(np.absolute(arrived * value)) + np.absolute(usual)
        if not np.all(np.isfinite(arrived)) or np.absolute(reached - usual) > loose * size:
            return None
        for group, found in zip(groups, seen, strict=True):
            here, asked = value[group.at], arrived[group.at]
            parts, gs = ([y[r, group.span] for r in rows] for y in (here, asked))
            limit = loose * max(np.max(np.absolute(asked[r])) for r in rows)
            limit += fine * np.max(np.absolute(asked[values])) * np.max(np.absolute(here[values]))
            if np.any(np.absolute(group.asks(parts, gs)) > limit):
                return None
            found.append(np.real(asked[values, group.span]))
    matrices = []
    for group, found in zip(groups, seen, strict=True):
        matrix, off = group.solved(found)
        if np.any(np.absolute(off) > loose * np.max(np.absolute(found)) + fine * unsure[group.at]):
            return None
        if np.any(level[group.at][values] != z[group.at][values]):  # apart, though by little
            own = np.real(g[group.at][values, group.span])
            limit = 64 * eps**0.5 * np.max(np.absolute(found))
            if np.any(np.absolute(np.real(np.diagonal(matrix)) - own) > limit):
                return None
            np.fill_diagonal(matrix, own)
        matrices.append(matrix)
    return matrices


def _levelled(groups: list[Any], z: Any, values: int) -> Any:
    """Return `z` with the mean for the values of groups that differ by more than rounding."""
    level = z.copy()
    for group in groups:
        row = level[group.at][values]
        here = np.real(row[group.span])
        scale = np.max(np.absolute(row))
        if isinstance(group, _Equal) and not np.all(near(here, here[0], scale)):
            row[group.span] = np.mean(here)
    return level


def _together(make: Any, z: Any, g: Any, rows: list[slice], values: int, later: Any, *tiers: Any) -> Any:
    """Return groups and the matrix that was found of each; None where the last of the `tiers` has none.

    The first of these have values together, too, that are apart by little: where their vectors show, they
    are known, and the rule is what there is.
    """
    for groups in tiers:
        turning = [make(group) for group in groups]
        try:
            found = _solved(turning, z, g, rows, values, later) if turning else []
        except (GradientError, np.linalg.LinAlgError) as error:  # of the rest, where it is run again
            if groups is tiers[-1] and isinstance(error, GradientError):
                raise
            found = None
        if found is not None:
            return turning, found
    return None


# --- the three ops ------------------------------------------------------------------------------------------
def _guarded(g: Any, node: Tensor, w: Any, used: set[int], zero: bool = False) -> tuple[Any, None]:
    """Return `g` with a look at the values, where the rest of the function cannot be run again."""
    columns = tuple(sorted({i % w.shape[-1] for i in used - {-1}}))
    return (ops["of_different_values"](g, w, columns=columns, zero=zero) if columns else g), None


def _those(groups: Iterator[_Group], used: set[int], shape: tuple[int, ...]) -> list[_Group]:
    """Return the groups of which a vector is used."""
    numbers = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    return [(at, span) for at, span in groups if used & set(numbers[at][span].tolist())]


def _by_rows(z: Any) -> Any:
    """Return packed eigenvalues and vectors, whose values are a column, with these as a row."""
    return np.concatenate([np.expand_dims(z[..., 0], -2), z[..., 1:]], axis=-2)


def _by_columns(z: Any) -> Any:
    return np.concatenate([np.expand_dims(z[..., 0, :], -1), z[..., 1:, :]], axis=-1)


def _of_eigh(g: Any, node: Tensor, later: Any) -> tuple[Any, Any]:
    """V (diag(gw) + (V^H gV) / (w_j - w_i)) V^H, and between equal values what `_solved` has found."""
    n = node.shape[-2]
    used = _used(_by_columns(_marks((*node.shape[:-2], n + 1, n), slice(1, None))), node, later)
    if not later.plain:
        return _guarded(g, node, later.output[..., 0], used)
    z, x = later.output, later.inputs[0]
    w, v = amounts(z[..., 0]), z[..., 1:]
    close, groups = (_those(_groups(w, close=near_too), used, w.shape) for near_too in (True, False))
    if not close:
        return g, None
    rng = np.random.default_rng(0)

    def again(value: Any) -> tuple[Any, Any]:
        reached, arrived = later(_by_columns(value))
        return reached, _by_rows(arrived)

    tiers = [close, groups] if close != groups else [groups]
    found = _together(
        lambda group: _Equal(group, z, rng), _by_rows(z), _by_rows(g), [slice(1, None)], 0, again, *tiers
    )
    if found is None:
        raise turning_freely(w, "eigh")
    asked, inner = adjoint(v) @ g[..., 1:], amounts(g[..., :1]) * np.eye(n, dtype=z.dtype)
    for group in found[0]:
        asked[group.at][group.span, group.span] = 0
    inner = inner + ops["settled"](asked, w, g[..., 1:]) * gaps(w)
    for group, matrix in zip(*found, strict=True):
        inner[group.at][group.span, group.span] = matrix
    return g, of_symmetric(v @ inner @ adjoint(v), x, node.attrs["part"])


def _of_svd(g: Any, node: Tensor, later: Any) -> tuple[Any, Any]:
    """The rule of `svd`, and between equal values and those of 0 what `_solved` has found."""
    m, n = node.inputs[0].shape[-2:]
    used = _used(_marks(node.shape, [*range(m), *range(m + 1, m + 1 + n)]), node, later)
    if not later.plain:
        return _guarded(g, node, later.output[..., m, :], used, zero=True)
    z = later.output
    u, s, v = svd_parts(z, m)
    close, groups = (
        _those(_groups(amounts(s), max(m, n), near_too), used, s.shape) for near_too in (True, False)
    )
    if not close:
        return g, None
    rng = np.random.default_rng(0)

    def turning(group: _Group) -> _Equal | _Null:
        at, span = group
        null = near(s[at][span.start], 0, s[at][0], max(m, n)).item()
        return _Null(group, u, v, rng) if null else _Equal(group, z, rng)

    tiers = [close, groups] if close != groups else [groups]
    found = _together(turning, z, g, [slice(0, m), slice(m + 1, None)], m, later, *tiers)
    if found is None:
        raise turning_freely(amounts(s), "svd")
    quiet = g.copy()
    for group in found[0]:
        quiet[group.at][m, group.span] = 0

    def settle(both: Any, s: Any, size: Any) -> Any:
        for group in found[0]:
            both[group.at][group.span, group.span] = 0
        return ops["settled"](both, s, size)

    d = svd_sent(quiet, z, later.inputs[0], settle)
    for group, matrix in zip(*found, strict=True):
        left, right = group.bases if isinstance(group, _Null) else (u[group.at], v[group.at])
        cut = slice(None) if isinstance(group, _Null) else group.span
        d[group.at] += left[:, cut] @ matrix @ adjoint(right[:, cut])
    return g, d


def of_eig(g: Any, node: Tensor, later: Any) -> tuple[Any, Any]:
    """`g`, where turning the vectors of equal eigenvalues changes nothing; GradientError elsewhere.

    They need not be orthogonal, and may be one: what other choices see is not put together here.
    """
    n = node.shape[-2]
    used = _used(_by_columns(_marks((*node.shape[:-2], n + 1, n), slice(1, None))), node, later)
    if not later.plain:
        return _guarded(g, node, later.output[..., 0], used)
    z, rng = later.output, np.random.default_rng(0)
    w, value, equal = z[..., 0], z.copy(), np.zeros(z.shape[:-1], bool)
    numbers = np.arange(w.size).reshape(w.shape)
    for at in np.ndindex(w.shape[:-1]):
        for i in range(n):
            members = np.flatnonzero(near(w[at], w[at][i], np.max(np.absolute(w[at]))))
            if members.size > 1 and members[0] == i and used & set(numbers[at][members].tolist()):
                turned = z[at][:, 1 + members] @ _any_turn(members.size, z, rng)
                value[at][:, 1 + members] = turned / np.linalg.norm(turned, axis=0)
                equal[at][members] = True
    if not np.any(equal):
        return g, None
    loose = np.finfo(z.dtype).eps ** 0.6
    try:
        (usual, before), (reached, after) = later(z), later(value)
    except np.linalg.LinAlgError:  # fewer directions than values
        raise turning_freely(w, "eig") from None
    size = np.sum(np.absolute(after * value)) + np.absolute(usual)
    moved = np.absolute(after[..., 0] - before[..., 0])[equal]
    asked = np.absolute(np.swapaxes(after[..., 1:], -1, -2)[equal])
    if not (np.absolute(reached - usual) <= loose * size and np.all(np.isfinite(after))):
        raise turning_freely(w, "eig")
    if np.any(moved > loose * np.max(np.absolute(before[..., 0]))) or np.any(
        asked > loose * np.max(np.absolute(after[..., 1:]))
    ):
        raise turning_freely(w, "eig")
    return g, None


def enter_turning() -> None:
    """Write the looks at equal values into the ops' entries."""
    for name, look in {"eigh": _of_eigh, "svd": _of_svd}.items():
        ops[name].rest = look
