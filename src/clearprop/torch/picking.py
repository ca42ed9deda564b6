"""Indexing, gathering and scattering: plain indices give views that share memory, index tensors copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.arguments import is_number as is_real
from clearprop.errors import lesson
from clearprop.torch import cells
from clearprop.torch.names import FUNCTIONS, function, method, plain
from clearprop.torch.pointwise import alike
from clearprop.torch.tensors import Node, Tensor, cast, constant, kept_apart, lift, op, refuse_unfit, xp


def _entry(x: Any) -> Any:
    """Return one part of an index as the core takes it."""
    if x.__class__ is int or x is None or x is Ellipsis:
        return x
    if isinstance(x, slice):
        parts = tuple(None if p is None else int(p) for p in (x.start, x.stop, x.step))
        if parts[2] is not None and parts[2] <= 0:
            raise ValueError(
                lesson("t[a:b:step]", "wants a step above 0", f"{parts[2]}", hint="torch.flip(t, (0,))")
            )
        return slice(*parts)
    if isinstance(x, Tensor):
        node = x.node
        if node.dtype.kind == "f":
            wanted = "tensors used as indices must be long, int, byte or bool tensors"
            raise IndexError(lesson("t[index]", wanted, f"{x.dtype}", hint="index.long()"))
        if not node.ndim and node.dtype.kind in "iu":
            return int(node._value)
        return cast(node, np.dtype(bool)) if node.dtype == np.uint8 else node
    if isinstance(x, (list, tuple, range)):
        return np.asarray(
            [_entry(y) if not isinstance(y, (list, tuple)) else list(y) for y in x], None if len(x) else int
        )
    return x


def _index(index: Any) -> tuple[tuple[Any, ...], bool]:
    """Return an index as a tuple, and whether it is plain: then it gives a view."""
    parts = tuple(_entry(x) for x in (index if isinstance(index, tuple) else (index,)))
    is_plain = all(
        x is None or x is Ellipsis or (isinstance(x, (slice, int, np.integer)) and not isinstance(x, bool))
        for x in parts
    )
    return parts, is_plain


def _open(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return (
        parts if any(x is Ellipsis for x in parts) else (*parts, Ellipsis)
    )  # a view also where one entry is left


@method
def __getitem__(x: Tensor, index: Any) -> Tensor:
    parts, is_plain = _index(index)
    if is_plain:
        opened = _open(parts)
        view = x.seen_through(lambda v: v[opened])
        view._maker = _maker(parts)
        return view
    return lift(kept_apart(x)[0][parts], "index")


def _maker(parts: tuple[Any, ...]) -> str:
    """Return what PyTorch calls the last step of a plain index."""
    steps = [p for p in parts if p is not Ellipsis and p != slice(None)]
    last = steps[-1] if steps else None
    if last is None:
        return "unsqueeze" if steps else "alias"
    return "slice" if isinstance(last, slice) else "select"


@method
def __setitem__(x: Tensor, index: Any, value: Any) -> None:
    parts, is_plain = _index(index)
    refuse_unfit("t[index] = v", value, x.node.dtype)
    new = constant(np.asarray(value)) if not isinstance(value, Tensor) else kept_apart(value)[0]
    node = x.node
    if new.dtype != node.dtype:
        new = new.astype(node.dtype)
    if is_plain:
        parts = _open(parts)
        view = Tensor.__new__(Tensor)
        view._set(x._cell, (*x._steps, lambda v: v[parts]), x._detached)
        while new.ndim > view.ndim and new.shape[0] == 1:
            new = new[0]
        view.write(new, "t[index] = v")
        return
    parts = tuple(p._value if isinstance(p, Node) else p for p in parts)
    chosen = np.arange(node.size).reshape(node.shape)[parts]
    try:
        spread: Any = np.broadcast_to(new, chosen.shape)
    except ValueError as error:
        wanted = f"shape mismatch: value of shape {new.shape} cannot be written to {chosen.shape} places"
        raise RuntimeError(lesson("t[index] = v", wanted)) from error
    x.write(cells.put(node, chosen, spread), "t[index] = v")


def _grid(index: Any, dim: int) -> tuple[Any, ...]:
    """Return index arrays for all axes, of which the one along `dim` is given."""
    own = list(np.indices(index.shape, sparse=True))
    own[dim] = index
    return tuple(own)


def _whole_numbers(called: str, index: Any) -> Any:
    array = index.node._value
    if array.dtype.kind not in "iu":
        raise RuntimeError(
            lesson(called, "wants an index of whole numbers", f"{index.dtype}", hint="index.long()")
        )
    return np.asarray(array)


@function
def gather(x: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return, at every place of `index`, the entry of x whose place along `dim` is what stands there."""
    node, where, dim = _paired("torch.gather(x, dim, index)", x, dim, index)
    node = node if node.ndim else np.reshape(node, (1,))
    return lift(np.reshape(node[_grid(where, dim)], tuple(index.shape)), "gather")


def _paired(called: str, x: Tensor, dim: int, index: Tensor) -> tuple[Any, Any, int]:
    """Return x as a node, an index with as many axes within its bounds, and the axis, counted from the front.

    What has no axis counts as having one.
    """
    node, where = kept_apart(x)[0], np.atleast_1d(_whole_numbers(called, index))
    shape = node.shape or (1,)
    if where.ndim != len(shape):
        wanted = "Index tensor must have the same number of dimensions as input tensor"
        got = f"{tuple(index.shape)} for {tuple(node.shape)}"
        raise RuntimeError(lesson(called, wanted, got, hint="index.unsqueeze(1)"))
    if not -len(shape) <= dim < len(shape):
        wanted = f"Dimension out of range (expected -{len(shape)} to {len(shape) - 1})"
        raise IndexError(lesson(called, wanted, f"{dim}", hint="dim=-1"))
    dim %= len(shape)
    if where.size and (where.min() < 0 or where.max() >= shape[dim]):
        wanted = f"index out of bounds for dimension {dim} with size {shape[dim]}"
        raise RuntimeError(lesson(called, wanted, f"{where.min()} to {where.max()}"))
    return node, where, dim


@function
def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return what an index along one axis points to, with the other axes broadcast."""
    if dim is None:
        x, indices = x.reshape(-1), indices.reshape(-1)
    return lift(xp.take_along_axis(kept_apart(x)[0], indices.node, dim), "gather")


@function
def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the entries of these numbers along an axis."""
    where = np.atleast_1d(_whole_numbers("torch.index_select(x, dim, index)", index))
    found = np.take(kept_apart(x)[0], where if x.ndim else where[0], axis=dim if x.ndim else None)
    return lift(found, "index_select")


@function
def take(x: Tensor, index: Tensor) -> Tensor:
    """Return the entries of these numbers, counted through the whole."""
    return lift(np.take(kept_apart(x)[0], _whole_numbers("torch.take", index)), "take")


@function
def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """Return the entries where the mask holds, as one axis."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    node = np.broadcast_to(kept_apart(x)[0], shape)
    return lift(node[np.broadcast_to(mask.node._value, shape)], "masked_select")


@function
def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return x with a number where the mask holds."""
    if mask.node.dtype.kind != "b":
        wanted = "masked_fill_ only supports boolean masks"
        raise RuntimeError(lesson("t.masked_fill(mask, v)", wanted, f"{mask.dtype}", hint="mask.bool()"))
    one_entry("t.masked_fill(mask, v)", value)
    node = kept_apart(x)[0]
    refuse_unfit("t.masked_fill(mask, v)", value, node.dtype)
    filled = (
        cast(value.node, node.dtype) if isinstance(value, Tensor) else np.asarray(value).astype(node.dtype)
    )
    return lift(op("where")(mask.node, filled, node), "masked_fill")


def one_entry(called: str, value: Any) -> None:
    """Raise an error for what has axes, or is no number, where one number is written everywhere."""
    if not isinstance(value, (Tensor, bool, np.bool_)) and not is_real(value):
        raise TypeError(
            lesson(called, "wants a number", f"{value!r:.40}", hint="a number, or a tensor without axes")
        )
    if isinstance(value, Tensor) and value.ndim:
        got = f"shape {tuple(value.shape)}"
        raise RuntimeError(
            lesson(called, "only supports a 0-dimensional value tensor", got, hint="torch.where")
        )


def _same_kind(called: str, x: Tensor, source: Any) -> None:
    """Raise RuntimeError for entries of another dtype than those that they take the place of."""
    if isinstance(source, Tensor) and source.node.dtype != x.node.dtype:
        got = f"{source.dtype} for {x.dtype}"
        raise RuntimeError(lesson(called, "wants both of one dtype", got, hint="source.to(x.dtype)"))


@function
def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return x with the entries of `source`, in order, where the mask holds."""
    called = "t.masked_scatter(mask, source)"
    if mask.node.dtype.kind != "b":
        raise RuntimeError(lesson(called, "only supports boolean masks", f"{mask.dtype}", hint="mask.bool()"))
    _same_kind(called, x, source)
    node = xp.broadcast_to(kept_apart(x)[0], np.broadcast_shapes(tuple(x.shape), tuple(mask.shape)))
    chosen = np.flatnonzero(np.broadcast_to(mask.node._value, node.shape))
    new = np.reshape(kept_apart(source)[0], (-1,))[: chosen.size]
    if new.size < chosen.size:
        got = f"{new.size} for {chosen.size}"
        raise RuntimeError(lesson(called, "wants an entry for each place", got, hint="a longer source"))
    return lift(cells.put(node, chosen, cast(new, node.dtype)), "masked_scatter")


def _numbered(node: Node, where: Any, dim: int) -> Any:
    return np.arange(node.size).reshape(node.shape or (1,))[_grid(where, dim)]


def _source(value: Any, node: Any, where: Any) -> Any:
    """Return what is scattered: a number everywhere, or the first entries of a tensor along each axis."""
    if not isinstance(value, Tensor):
        one_entry("torch.scatter(x, dim, index, src)", value)
        refuse_unfit("torch.scatter(x, dim, index, value)", value, node.dtype)
        return constant(np.full(where.shape, value, node.dtype))
    new = cast(kept_apart(value)[0], node.dtype)
    new = new if new.ndim else np.reshape(new, (1,) * where.ndim)
    return new[tuple(slice(n) for n in where.shape)]


@function
def scatter(
    x: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """Return x with entries of `src` at the places along `dim` that `index` says; of several the last."""
    if reduce is not None:
        names = {"add": "sum", "multiply": "prod"}
        if reduce not in names:
            raise RuntimeError(lesson("torch.scatter(reduce=)", "is add or multiply", f"{reduce!r}"))
        given = FUNCTIONS["full_like"](index, value, dtype=x.dtype) if src is None else src
        return scatter_reduce(x, dim, index, given, names[reduce])
    node, where, dim = _paired("torch.scatter(x, dim, index)", x, dim, index)
    _same_kind("torch.scatter(x, dim, index, src)", x, src)
    new = _source(value if src is None else src, node, where)
    return lift(cells.put(node, _numbered(node, where, dim), new), "scatter")


@function
def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return x with entries of `src` added at the places along `dim` that `index` says."""
    node, where, dim = _paired("torch.scatter_add(x, dim, index)", x, dim, index)
    _same_kind("torch.scatter_add(x, dim, index, src)", x, src)
    return lift(_added(node, _numbered(node, where, dim), _source(src, node, where)), "scatter_add")


_REDUCING = ("sum", "prod", "mean", "amax", "amin")


@function
def scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Return x with entries of `src` taken together with those at the places along `dim` that `index` says.

    `reduce` is sum, prod, mean, amax or amin; the largest share their gradient equally. Without
    `include_self` what x has at a place that `index` names does not count.

    >>> import clearprop.torch as torch
    >>> where = torch.tensor([0, 0, 1])
    >>> torch.zeros(3).scatter_reduce(0, where, torch.tensor([1.0, 5.0, -2.0]), "amax")
    tensor([5., 0., 0.])
    """
    called = "torch.scatter_reduce(x, dim, index, src, reduce)"
    if reduce not in _REDUCING:
        raise RuntimeError(lesson(called, f"reduces by {', '.join(_REDUCING)}", f"{reduce!r}"))
    node, where, dim = _paired(called, x, dim, index)
    _same_kind(called, x, src)
    places = _numbered(node, where, dim).reshape(-1)
    new, own = op("reshape")(_source(src, node, where), (-1,)), np.arange(node.size)
    kept = own if include_self else np.setdiff1d(own, places)
    flat = op("reshape")(node, (-1,))
    parts, at = xp.concatenate([flat[kept], new]), np.concatenate([kept, places])
    found = _reduced(parts, at, node.size, reduce)
    return lift(op("reshape")(found, node.shape), "scatter_reduce")


def _reduced(parts: Any, at: Any, size: int, how: str) -> Any:
    """Take together the parts of each of `size` places, which has one at least."""
    whole = parts.dtype.kind != "f"
    if how in ("sum", "mean"):
        total = _scattered(parts, (at,), (size,))
        counts = np.bincount(at, minlength=size)
        return total if how == "sum" else total // counts if whole else total / counts.astype(parts.dtype)
    if how == "prod":
        order = np.argsort(at, kind="stable")
        rank = np.empty_like(at)
        rank[order] = np.arange(at.size) - np.searchsorted(at[order], at[order])
        found = constant(np.ones(size, parts.dtype))
        for k in range(int(rank.max(initial=-1)) + 1):
            found = found * cells.put(constant(np.ones(size, parts.dtype)), at[rank == k], parts[rank == k])
        return found
    edge: Any = np.zeros(size, parts.dtype)
    edge[at] = parts._value
    (np.maximum if how == "amax" else np.minimum).at(edge, at, parts._value)
    if whole or not parts.requires_grad:
        return constant(edge)
    best = parts._value == edge[at]
    ties = np.bincount(at, best, minlength=size)
    return _scattered(parts * (best / ties[at]).astype(parts.dtype), (at,), (size,))


def _added(node: Node, places: Any, new: Any) -> Any:
    flat = op("reshape")(new, (-1,))
    at = {"index": (places.reshape(-1),), "shape": (node.size,)}
    return node + op("reshape")(_scattered(flat, **at), node.shape)


def _scattered(flat: Any, index: Any, shape: Any) -> Any:
    from clearprop.ops.index import ARRAY

    return op("scatter")(flat, *index, index=(ARRAY,), shape=shape)


@function
def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """Return x with the entries of `source` along an axis added to those of these numbers."""
    _same_kind("torch.index_add(x, dim, index, source)", x, source)
    node, places = _along(x, dim, index)
    return lift(_added(node, places, cast(kept_apart(source)[0], node.dtype) * alpha), "index_add")


@function
def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return x with the entries of `source` along an axis in the places of these numbers."""
    _same_kind("torch.index_copy(x, dim, index, source)", x, source)
    node, places = _along(x, dim, index)
    return lift(cells.put(node, places, cast(kept_apart(source)[0], node.dtype)), "index_copy")


@function
def index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return x with a number in the places of these numbers along an axis."""
    one_entry("torch.index_fill(x, dim, index, value)", value)
    node, places = _along(x, dim, index)
    new = cast(alike(value)[0], node.dtype)
    return lift(cells.put(node, places, xp.broadcast_to(new, places.shape)), "index_fill")


@function
def index_put(x: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Return x with values at an index; added to what is there with `accumulate`."""
    _same_kind("torch.index_put(x, indices, values)", x, values)
    node = kept_apart(x)[0]
    places = np.arange(node.size).reshape(node.shape)[tuple(i.node._value for i in indices)]
    new = xp.broadcast_to(cast(alike(values)[0], node.dtype), places.shape)
    return lift(_added(node, places, new) if accumulate else cells.put(node, places, new), "index_put")


def _along(x: Tensor, dim: int, index: Tensor) -> tuple[Any, Any]:
    node, where = kept_apart(x)[0], _whole_numbers("an index along an axis", index)
    return node, np.take(np.arange(node.size).reshape(node.shape), np.atleast_1d(where), axis=dim)


@method
def put_(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Write entries at these places, counted through the whole; add them with `accumulate`."""
    return x.write(put(x, index, source, accumulate).node, "t.put_(index, source)")


@function
def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return x with entries at these places, counted through the whole; added with `accumulate`."""
    called = "torch.put(x, index, source)"
    _same_kind(called, x, source)
    node, where = kept_apart(x)[0], _whole_numbers(called, index)
    if where.size != source.node.size:
        got = f"{source.node.size} for {where.size}"
        raise RuntimeError(lesson(called, "wants an entry for each place", got))
    places = np.arange(node.size)[where.reshape(-1)]
    new = op("reshape")(kept_apart(source)[0], (-1,))
    return lift(_added(node, places, new) if accumulate else cells.put(node, places, new), "put")


@function
def select_scatter(x: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return x with a tensor in the place of one entry along an axis."""
    return _with_part("select_scatter", x, src, FUNCTIONS["select"], dim, index)


@function
def diagonal_scatter(x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return x with a tensor in the place of a diagonal."""
    return _with_part("diagonal_scatter", x, src, FUNCTIONS["diagonal"], offset, dim1, dim2)


def _with_part(name: str, x: Tensor, src: Tensor, view: Any, *where: int) -> Tensor:
    """Return x with a tensor in the place of what a function of shapes sees of it."""
    node = kept_apart(x)[0]
    places = view(lift(np.arange(node.size).reshape(node.shape)), *where).node._value
    if tuple(src.shape) != places.shape:
        got = f"shape {tuple(src.shape)} for {places.shape}"
        raise RuntimeError(lesson(f"torch.{name}(x, src)", "wants src of the part's shape", got))
    return lift(cells.put(node, places, cast(kept_apart(src)[0], node.dtype)), name)


@plain
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Return the places along each axis of entries that are counted through the whole."""
    found = np.unravel_index(_whole_numbers("torch.unravel_index(indices, shape)", indices), tuple(shape))
    return tuple(lift(np.asarray(places, np.int64)) for places in found)


@function
def nonzero(x: Tensor, *, as_tuple: bool = False) -> Any:
    """Return where the entries are not 0: a row per entry, or an index tensor per axis."""
    array = x.node._value
    if not array.ndim and not as_tuple:
        return lift(np.zeros((int(bool(array)), 0), np.int64))
    found = np.nonzero(np.atleast_1d(array))
    return lift(found) if as_tuple else lift(np.stack(found, 1))


FUNCTIONS["argwhere"] = nonzero
