"""Functions of shapes: views that share memory as PyTorch's do, joining, cutting, turning, repeating."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from clearprop.arguments import is_whole
from clearprop.errors import lesson
from clearprop.torch import cells
from clearprop.torch.dtypes import Size
from clearprop.torch.names import FUNCTIONS, METHODS, PLAIN, function, method, plain
from clearprop.torch.pointwise import alike, result_type
from clearprop.torch.tensors import Tensor, constant, kept_apart, lift, op, raw, xp


def lengths(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Return a shape that was given as numbers or as one sequence."""
    given = args[0] if len(args) == 1 and isinstance(args[0], (list, tuple)) else args
    for n in given:
        if n.__class__ is not int:
            break
    else:
        return tuple(given)
    if not all(map(_whole_number, given)):
        hint = "whole numbers, or one tuple of them: (2, 3)"
        raise TypeError(lesson("a shape", "wants whole numbers", f"{args!r:.60}", hint=hint))
    return tuple(int(n) for n in given)


def _whole_number(n: Any) -> bool:
    return n.__class__ is int or is_whole(raw(n))


def size_of(*args: Any) -> tuple[int, ...]:
    """Return the shape of a new tensor: lengths of 0 or more."""
    found = lengths(args)
    if any(n < 0 for n in found):
        raise RuntimeError(
            lesson("a new tensor", "wants lengths of 0 or more", f"{found}", hint="0 for none")
        )
    return found


def _axis(called: str, dim: int, ndim: int) -> int:
    if not -max(ndim, 1) <= dim < max(ndim, 1):
        wanted = f"Dimension out of range (expected to be in range of [{-max(ndim, 1)}, {max(ndim, 1) - 1}]"
        raise IndexError(lesson(called, f"{wanted}, but got {dim})"))
    return dim % max(ndim, 1)


def _axes(called: str, dims: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front, each once."""
    found = tuple(_axis(called, d, ndim) for d in dims)
    if len(set(found)) < len(found):
        raise RuntimeError(lesson(called, "wants each axis once", f"{dims}"))
    return found if ndim else ()


def _whole(x: Tensor, shape: tuple[int, ...], called: str) -> tuple[int, ...]:
    """Return a shape with the -1 filled in; RuntimeError where the sizes differ."""
    size, unknown = x.node._value.size, shape.count(-1)
    known = math.prod(n for n in shape if n != -1) if unknown else math.prod(shape)
    fits = size == known if not unknown else unknown == 1 and known and size % known == 0
    if not fits:
        wanted = f"shape '{list(shape)}' is invalid for input of size {size}"
        raise RuntimeError(lesson(called, wanted, f"shape {tuple(x.shape)}"))
    return tuple(size // known if n == -1 else n for n in shape)


@method
def view(x: Tensor, *size: Any) -> Tensor:
    """Return the same memory in another shape; RuntimeError where that needs a copy."""
    if len(size) == 1 and not isinstance(size[0], (int, list, tuple, Tensor)):
        hint = "x.to(dtype) for the same numbers"
        raise NotImplementedError(lesson("t.view(dtype)", "reads no bits as other numbers", hint=hint))
    wanted = _whole(x, lengths(size), "t.view(*shape)")
    if x._steps and not cells.viewable(x._cell.node.shape, x._steps, wanted):
        hint = "t.reshape(...), or t.contiguous().view(...)"
        raise RuntimeError(
            lesson(
                "t.view(*shape)", "view size is not compatible with input tensor's size and stride", hint=hint
            )
        )
    return x.seen_through(lambda v: v.reshape(wanted))


@function
def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return the tensor in another shape: the same memory where it can be, else a copy."""
    wanted = _whole(x, lengths(shape), "t.reshape(*shape)")
    if x._steps and not cells.viewable(x._cell.node.shape, x._steps, wanted):
        return lift(np.reshape(kept_apart(x)[0], wanted), "reshape")
    return x.seen_through(lambda v: v.reshape(wanted))


@method
def view_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the same memory in the shape of another tensor."""
    return view(x, other.shape)


@method
def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the tensor in the shape of another."""
    return reshape(x, other.shape)


@function
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return the axes from `start_dim` to `end_dim` as one."""
    if not x.ndim:
        return reshape(x, 1)
    first, last = _axis("torch.flatten(x)", start_dim, x.ndim), _axis("torch.flatten(x)", end_dim, x.ndim)
    between = math.prod(x.shape[first : last + 1])
    return x if first == last else reshape(x, *x.shape[:first], between, *x.shape[last + 1 :])


@function
def ravel(x: Tensor) -> Tensor:
    """Return all entries as one axis."""
    return reshape(x, -1)


@function
def unflatten(x: Tensor, dim: int, sizes: Any) -> Tensor:
    """Return one axis as several."""
    dim = _axis("unflatten", dim, x.ndim)
    sizes = _whole(x[(0,) * dim + (slice(None),) + (0,) * (x.ndim - dim - 1)], tuple(sizes), "unflatten")
    return view(x, *x.shape[:dim], *sizes, *x.shape[dim + 1 :])


@function
def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    """Return the same memory without axes of length 1; an axis that is longer stays."""
    dims = range(x.ndim) if dim is None else lengths((dim,))
    places = [_axis("torch.squeeze(x)", d, x.ndim) for d in dims]
    if len(set(places)) < len(places):
        raise RuntimeError(lesson("torch.squeeze(x, dim)", "wants each axis once", f"{dim}"))
    gone = tuple(d for d in places if x.ndim and x.shape[d] == 1)
    return x.seen_through(lambda v: np.squeeze(v, axis=gone))


@function
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """Return the same memory with an axis of length 1 more."""
    dim = _axis("torch.unsqueeze(x)", dim, x.ndim + 1)
    return x.seen_through(lambda v: np.expand_dims(v, dim))


@function
def permute(x: Tensor, *dims: Any) -> Tensor:
    """Return the same memory with its axes in another order."""
    order = lengths(dims)
    if sorted(_axis("permute", d, x.ndim) for d in order) != list(range(x.ndim)):
        raise RuntimeError(lesson("t.permute(*dims)", f"wants the {x.ndim} axes, each once", f"{order}"))
    return x.seen_through(lambda v: np.transpose(v, order))


@function
def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return the same memory with two axes exchanged."""
    ndim = x.ndim
    a, b = _axis("torch.transpose(x)", dim0, ndim), _axis("torch.transpose(x)", dim1, ndim)
    return x.seen_through(lambda v: v.swapaxes(a, b)) if ndim else x.seen_through()


FUNCTIONS["swapaxes"] = FUNCTIONS["swapdims"] = transpose


@function
def t(x: Tensor) -> Tensor:
    """Return a matrix with rows and columns exchanged; a vector as it is."""
    if x.ndim > 2:
        hint = "t.transpose(-2, -1)"
        raise RuntimeError(lesson("t.t()", "expects a tensor with at most two axes", f"{x.ndim}", hint=hint))
    return x.seen_through(np.transpose)


@function
def movedim(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Return the same memory with axes moved to other places."""
    return x.seen_through(lambda v: np.moveaxis(v, source, destination))


FUNCTIONS["moveaxis"] = movedim


@function
def adjoint(x: Tensor) -> Tensor:
    """Return the same memory with the last two axes exchanged."""
    if x.ndim == 1:
        raise RuntimeError(lesson("torch.adjoint(x)", "wants matrices", "a vector", hint="x[None]"))
    return transpose(x, -2, -1) if x.ndim else x


@method
def expand(x: Tensor, *size: Any, implicit: bool = False) -> Tensor:
    """Return the same memory repeated along axes of length 1, without a copy; -1 keeps a length."""
    wanted = lengths(size)
    lead = len(wanted) - x.ndim
    if lead < 0:
        raise RuntimeError(lesson("t.expand(*sizes)", f"wants {x.ndim} sizes or more", f"{len(wanted)}"))
    shape = tuple(x.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(wanted))
    if any(a not in (1, b) for a, b in zip(x.shape, shape[lead:], strict=True)):
        raise RuntimeError(
            lesson("t.expand(*sizes)", f"wants a shape that {tuple(x.shape)} fits", f"{wanted}")
        )
    return x.seen_through(lambda v: np.broadcast_to(v, shape))


@method
def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """Return the same memory repeated to another's shape."""
    return expand(x, other.shape)


@function
def broadcast_to(x: Tensor, *size: Any) -> Tensor:
    """Return the same memory repeated to a shape."""
    return expand(x, *size)


@plain
def broadcast_shapes(*shapes: Any) -> Any:
    """Return the shape that all of them are repeated to, of which a number is one of one axis."""
    given = [lengths((shape,)) for shape in shapes]
    try:
        return Size(np.broadcast_shapes(*given))
    except ValueError as error:
        raise RuntimeError(
            lesson("torch.broadcast_shapes(...)", "wants shapes that fit", f"{given}")
        ) from error


@method
def sum_to_size(x: Tensor, *size: Any) -> Tensor:
    """Return the sum along the axes that a shape has been repeated along to x's: a gradient's way back."""
    wanted = lengths(size)
    lead = x.ndim - len(wanted)
    if lead < 0 or any(n not in (1, m) for n, m in zip(wanted, x.shape[lead:], strict=True)):
        got = f"{wanted} for {tuple(x.shape)}"
        raise RuntimeError(lesson("t.sum_to_size(*size)", "wants a shape that is repeated to x's", got))
    axes = [d for d in range(x.ndim) if d < lead or (wanted[d - lead] == 1 != x.shape[d])]
    return reshape(FUNCTIONS["sum"](x, axes), wanted) if axes else x


@plain
def broadcast_tensors(*xs: Tensor) -> tuple[Tensor, ...]:
    """Return the same memories repeated to one shape."""
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return tuple(expand(x, shape) for x in xs)


@function
def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a piece along an axis, of the same memory."""
    dim = _axis("torch.narrow(x)", dim, x.ndim)
    if start < 0:
        start += x.shape[dim]
    if not 0 <= start <= start + length <= x.shape[dim]:
        got = f"start {start}, length {length}"
        raise RuntimeError(lesson("torch.narrow(x)", f"wants a piece of the {x.shape[dim]} entries", got))
    return x[(slice(None),) * dim + (slice(start, start + length),)]


@function
def select(x: Tensor, dim: int, index: int) -> Tensor:
    """Return one entry along an axis, of the same memory."""
    return x[(slice(None),) * _axis("torch.select(x)", dim, x.ndim) + (int(index),)]


@function
def split(x: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return pieces along an axis, of the same memory: of one length (the last is shorter) or of several."""
    if not x.ndim:
        raise RuntimeError(lesson("torch.split(x, sizes)", "wants a tensor with an axis", "shape ()"))
    n = x.shape[_axis("torch.split(x)", dim, x.ndim)]
    if _whole_number(split_size):
        split_size = int(split_size)
        if split_size < 0 or (n and not split_size):
            wanted = "wants a length above 0"
            raise RuntimeError(lesson("torch.split(x, length)", wanted, f"{split_size}", hint=f"{n}"))
        if not split_size:
            return (x,)
        sizes = [min(split_size, n - i) for i in range(0, n, split_size)] or [0]
    else:
        sizes = [*lengths((split_size,))]
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise RuntimeError(lesson("torch.split(x, sizes)", f"wants sizes that add up to {n}", f"{sizes}"))
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(narrow(x, dim, a, size) for a, size in zip(starts, sizes, strict=False))


@function
def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Return at most that many pieces of equal length along an axis, of the same memory."""
    if chunks < 1 or not x.ndim:
        raise RuntimeError(lesson("torch.chunk(x, chunks)", "wants 1 piece or more, of an axis", f"{chunks}"))
    n = x.shape[_axis("torch.chunk(x)", dim, x.ndim)]
    return split(x, -(-n // chunks), dim) if n else split(x, [0] * int(chunks), dim)


@function
def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Return that many pieces, or the pieces between given places."""
    if not x.ndim:
        raise RuntimeError(lesson("torch.tensor_split(x)", "wants a tensor with an axis", "shape ()"))
    n = x.shape[_axis("torch.tensor_split(x)", dim, x.ndim)]
    where = indices_or_sections
    if _whole_number(where):
        if where < 1:
            raise RuntimeError(lesson("torch.tensor_split(x, n)", "wants 1 piece or more", f"{where}"))
        where = int(where)
        ends = np.cumsum([n // where + (i < n % where) for i in range(where)]).tolist()
    else:
        ends = [
            *(
                min(max(e + n * (e < 0), 0), n)
                for e in lengths((where.tolist() if isinstance(where, Tensor) else where,))
            ),
            n,
        ]
    starts = [0, *ends[:-1]]
    return tuple(narrow(x, dim, a, max(0, b - a)) for a, b in zip(starts, ends, strict=True))


@function
def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the entries along an axis, of the same memory."""
    return tuple(
        select(x, dim, i) for i in range(x.shape[_axis("torch.unbind(x)", dim, x.ndim)] if x.ndim else -1)
    )


@function
def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Return a diagonal, of the same memory."""
    return x.seen_through(lambda v: np.diagonal(v, offset, dim1, dim2))


@method
def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return every window of `size` entries along an axis, `step` apart, its entries along a last axis."""
    if not x.ndim:
        return unfold(reshape(x, 1), dimension, size, step)[0]
    dim = _axis("t.unfold(...)", dimension, x.ndim)
    if step < 1 or not 0 <= size <= x.shape[dim]:
        wanted = f"wants a step above 0 and a size of {x.shape[dim]} or less"
        raise RuntimeError(lesson("t.unfold(dimension, size, step)", wanted, f"{size}, {step}"))
    index = np.arange(0, x.shape[dim] - size + 1, step)[:, None] + np.arange(size)
    taken = np.take(kept_apart(x)[0], index, axis=dim)
    return lift(np.moveaxis(taken, dim + 1, -1), "unfold")


# --- copies -----------------------------------------------------------------------------------------------
_LISTS = (list, tuple)


def _joined(called: str, tensors: Any) -> list[Any]:
    several = isinstance(tensors, _LISTS)
    if not several or not all(isinstance(x, Tensor) for x in tensors):
        is_one = isinstance(tensors, (Tensor, Iterable)) and not several
        got, hint = repr(tensors)[:60], f"torch.{called}({'tuple(x)' if is_one else '(x, y)'})"
        raise TypeError(lesson(f"torch.{called}(tensors)", "wants a sequence of tensors", got, hint=hint))
    if not tensors:
        wanted = "expected a non-empty list of Tensors"
        raise RuntimeError(lesson(f"torch.{called}(tensors)", wanted, hint=f"torch.{called}((x, y))"))
    nodes = kept_apart(*tensors)
    if len({x._value.dtype for x in nodes}) == 1:
        return nodes
    return alike(*tensors, dtype=result_type(*kept_apart(*tensors)))


@plain
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Return tensors one behind the other along an axis that they have; RuntimeError where shapes differ."""
    nodes = _joined("cat", tensors)
    nodes = [x for x in nodes if x.shape != (0,)] or nodes[:1]
    return lift(np.concatenate(nodes, axis=dim), "cat")


PLAIN["concat"] = PLAIN["concatenate"] = cat


@plain
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Return tensors of one shape along a new axis."""
    return lift(np.stack(_joined("stack", tensors), axis=dim), "stack")


@plain
def vstack(tensors: Any) -> Tensor:
    """Return tensors below each other."""
    return lift(np.vstack(_joined("vstack", tensors)), "cat")


@plain
def hstack(tensors: Any) -> Tensor:
    """Return tensors beside each other."""
    return lift(np.hstack(_joined("hstack", tensors)), "cat")


@plain
def dstack(tensors: Any) -> Tensor:
    """Return tensors behind each other."""
    return lift(np.dstack(_joined("dstack", tensors)), "cat")


@plain
def column_stack(tensors: Any) -> Tensor:
    """Return vectors as the columns of a matrix."""
    return lift(np.column_stack(_joined("column_stack", tensors)), "cat")


@method
def repeat(x: Tensor, *repeats: Any) -> Tensor:
    """Return the tensor laid out that many times along each axis."""
    times = lengths(repeats)
    if len(times) < x.ndim or min(times, default=0) < 0:
        wanted = f"wants a number for each of the {x.ndim} axes, of 0 or more"
        raise RuntimeError(lesson("t.repeat(*sizes)", wanted, f"{times}", hint="t.tile(*sizes)"))
    return tile(x, times)


@function
def tile(x: Tensor, *dims: Any) -> Tensor:
    """Return the tensor laid out that many times along each axis."""
    return lift(np.tile(kept_apart(x)[0], lengths(dims)), "repeat")


@function
def repeat_interleave(
    x: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Return every entry that many times in a row; of numbers of times alone the places that they say."""
    if repeats is None:
        x, repeats = lift(np.arange(_counted(x).size)), x
    if isinstance(repeats, bool):
        raise TypeError(lesson("torch.repeat_interleave(x, repeats)", "wants a whole number", f"{repeats}"))
    node = kept_apart(x)[0]
    if dim is None:
        node, dim = np.reshape(node, (-1,)), 0
    times = raw(repeats)
    return lift(np.take(node, np.repeat(np.arange(node.shape[dim]), times), axis=dim), "repeat_interleave")


def _counted(times: Tensor) -> Any:
    """Return numbers of times as an array; RuntimeError for others than a vector of whole numbers."""
    array = times.node._value
    if array.ndim != 1 or array.dtype.kind not in "iu":
        got = f"shape {array.shape}, {times.dtype}"
        wanted = "wants a vector of whole numbers where it is alone"
        raise RuntimeError(lesson("torch.repeat_interleave(repeats)", wanted, got))
    return array


@function
def flip(x: Tensor, *dims: Any) -> Tensor:
    """Return the entries along axes in reverse order, copied."""
    return lift(np.flip(kept_apart(x)[0], axis=_axes("torch.flip(x, dims)", lengths(dims), x.ndim)), "flip")


@function
def fliplr(x: Tensor) -> Tensor:
    """Return the columns in reverse order."""
    return flip(x, 1)


@function
def flipud(x: Tensor) -> Tensor:
    """Return the rows in reverse order."""
    return flip(x, 0)


@function
def roll(x: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Return the entries moved on along axes, those at the end to the start."""
    by, axes = lengths((shifts,)), () if dims is None else lengths((dims,))
    if len(by) != len(axes) and (axes or len(by) != 1):
        wanted, got = "wants as many shifts as dims", f"{len(by)} and {len(axes)}"
        raise RuntimeError(
            lesson("torch.roll(x, shifts, dims)", wanted, got, hint="a pair for two axes: (1, 2), (0, 1)")
        )
    return lift(np.roll(kept_apart(x)[0], by if axes else by[0], axis=axes or None), "roll")


@function
def rot90(x: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Return the tensor turned by right angles."""
    return lift(np.rot90(kept_apart(x)[0], k, tuple(dims)), "rot90")


@function
def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """Return the entries on and below a diagonal, 0 elsewhere."""
    return lift(np.tril(_matrix("tril", x), diagonal), "tril")


@function
def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """Return the entries on and above a diagonal, 0 elsewhere."""
    return lift(np.triu(_matrix("triu", x), diagonal), "triu")


def _matrix(called: str, x: Tensor) -> Any:
    if x.ndim < 2:
        got = f"shape {tuple(x.shape)}"
        raise RuntimeError(
            lesson(f"torch.{called}(x)", "wants a tensor of 2 axes or more", got, hint="x[None]")
        )
    return kept_apart(x)[0]


@function
def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """Return a matrix with these entries on a diagonal, or a matrix's diagonal, copied."""
    return lift(np.diag(kept_apart(x)[0], diagonal), "diag")


@function
def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return matrices with the last axis on a diagonal, their rows along dim1 and columns along dim2."""
    node = kept_apart(x)[0]
    if not node.ndim:
        raise RuntimeError(lesson("torch.diag_embed(x)", "wants an axis", "shape ()", hint="x[None]"))
    places = tuple(_axis("torch.diag_embed(x)", d, node.ndim + 1) for d in (dim1, dim2))
    if places[0] == places[1]:
        raise RuntimeError(lesson("torch.diag_embed(x)", "wants two axes", f"dim1 and dim2 {places[0]}"))
    n = node.shape[-1]
    rows = np.clip(np.arange(n + abs(offset)) + min(0, offset), 0, max(n - 1, 0))
    entries = (
        np.take(node, rows, axis=-1) if n else constant(np.zeros((*node.shape[:-1], rows.size), node.dtype))
    )
    found = op("where")(np.eye(rows.size, k=offset, dtype=bool), entries[..., None], node.dtype.type(0))
    return lift(np.moveaxis(found, (-2, -1), places), "diag_embed")


@plain
def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid, one tensor per axis."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    nodes = _joined("meshgrid", given)
    if any(x.ndim > 1 for x in nodes) or len({x.dtype for x in given}) > 1:
        got = ", ".join(f"{tuple(x.shape)} {x.dtype}" for x in given)
        raise RuntimeError(
            lesson("torch.meshgrid(*tensors)", "wants vectors of one dtype", got, hint="x.ravel()")
        )
    return tuple(lift(list(xp.meshgrid(*nodes, indexing=indexing))))


@plain
def cartesian_prod(*tensors: Any) -> Tensor:
    """Return every combination of entries of vectors, a row each."""
    for x in tensors:
        if isinstance(x, Tensor) and x.ndim != 1:
            got = f"shape {tuple(x.shape)}"
            raise RuntimeError(
                lesson("torch.cartesian_prod(*tensors)", "wants vectors", got, hint="x.ravel()")
            )
    columns = [x.reshape(-1) for x in meshgrid(*tensors)]
    return stack(columns, 1) if len(columns) > 1 else columns[0]


@plain
def block_diag(*tensors: Any) -> Tensor:
    """Return matrices along the diagonal of one, 0 elsewhere."""
    rows = []
    matrices = [op("reshape")(x, (1, -1)) if x.ndim < 2 else x for x in _joined("block_diag", tensors)]
    if any(x.ndim > 2 for x in matrices):
        raise RuntimeError(lesson("torch.block_diag(*tensors)", "wants matrices", "more than 2 axes"))
    total = sum(x.shape[1] for x in matrices)
    start = 0
    for node in matrices:
        rows.append(np.pad(node, ((0, 0), (start, total - start - node.shape[1]))))
        start += node.shape[1]
    return lift(np.concatenate(rows), "cat")


@method
def contiguous(x: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return the tensor with its entries in the order of its axes in memory: itself, or a copy."""
    return x if METHODS["is_contiguous"](x) else lift(np.copy(kept_apart(x)[0]), "clone")


@method
def is_contiguous(x: Tensor, *, memory_format: Any = None) -> bool:
    """Tell whether the entries lie in memory in the order of its axes."""
    return layout(x).flags.c_contiguous


@method
def stride(x: Tensor, dim: int | None = None) -> Any:
    """Return how far neighbours along each axis lie apart in memory."""
    found = tuple(layout(x).strides)  # of one byte each
    return found if dim is None else found[dim]


@method
def storage_offset(x: Tensor) -> int:
    """Return how far from the start of the memory the first entry lies."""
    places = cells.places(x._cell.node.shape, x._steps)
    return int(places.reshape(-1)[0]) if places.size else 0


def layout(x: Tensor) -> Any:
    """Return an array of single bytes that lies in memory as the tensor does."""
    probe: Any = np.empty(x._cell.node.shape, np.bool_)
    for step in x._steps:
        probe = np.asarray(step(probe))
    return probe


@function
def clone(x: Tensor, *, memory_format: Any = None) -> Tensor:
    """Return a copy with a memory of its own, through which gradients pass."""
    node = kept_apart(x)[0]
    if not node.requires_grad:
        return lift(np.array(node._value))
    return lift(op("positive")(node), "clone")


def _at_least(n: int) -> Any:
    def at_least(*tensors: Any) -> Any:
        several = len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
        tensors = tuple(tensors[0]) if several else tensors
        made = tuple(x if x.ndim >= n else x.reshape((1,) * (n - x.ndim) + tuple(x.shape)) for x in tensors)
        return made if several or len(made) != 1 else made[0]

    at_least.__doc__ = f"Return tensors with {n} axes or more."
    return at_least


def _three(x: Tensor) -> Tensor:
    """A matrix has its third axis last, as PyTorch means it, and a vector one before it and one after."""
    if x.ndim > 2:
        return x
    return x.unsqueeze(-1) if x.ndim == 2 else x.reshape(1, -1, 1)


@plain
def atleast_3d(*tensors: Any) -> Any:
    """Return tensors with 3 axes or more: a matrix with one behind, a vector with one on either side."""
    several = len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
    made = tuple(map(_three, tensors[0] if several else tensors))
    return made if several or len(made) != 1 else made[0]


PLAIN["atleast_1d"], PLAIN["atleast_2d"] = _at_least(1), _at_least(2)
PLAIN["row_stack"] = PLAIN["vstack"]


def _split_along(axis: int) -> Any:
    def split_along(x: Tensor, indices_or_sections: Any) -> Any:
        dim = axis if x.ndim > 1 or axis != 1 else 0
        name = "vhd"[axis] + "split"
        if x.ndim < (1, 1, 3)[axis] + (axis == 0):
            got = f"shape {tuple(x.shape)}"
            raise RuntimeError(
                lesson(f"torch.{name}(x)", "wants a tensor with more axes", got, hint="x[None]")
            )
        n = indices_or_sections
        if _whole_number(n) and (n < 1 or x.shape[dim] % n):
            wanted = f"wants a number that divides {x.shape[dim]}"
            raise RuntimeError(lesson(f"torch.{name}(x, n)", wanted, f"{n}", hint="torch.tensor_split(x, n)"))
        return FUNCTIONS["tensor_split"](x, indices_or_sections, dim)

    return split_along


for _place, _name in enumerate(("vsplit", "hsplit", "dsplit")):
    FUNCTIONS[_name] = _split_along(_place)


@function
def diagflat(x: Tensor, offset: int = 0) -> Any:
    """Return a matrix with the entries along its diagonal."""
    return FUNCTIONS["diag"](x.reshape(-1), offset)
