"""`grouped_mm`: products of parts of matrices in one call, the parts of different lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.batch import BatchTensor
from clearprop.errors import lesson
from clearprop.nn.functional.layer import arrayed, recording
from clearprop.op import describe
from clearprop.ops.shape import entries

CALLED = "grouped_mm(a, b)"


def grouped_mm(mat_a: Any, mat_b: Any, *, offs: Any = None, bias: Any = None, out_dtype: Any = None) -> Any:
    """Return the product of each group's part of `a` with its part of `b`.

    Of (M, K) and (G, K, N) group g is the rows `offs[g - 1]` to `offs[g]` of `a` with `b[g]`: (M, N). Of
    (G, M, K) and (K, N) the columns of `b` are cut so: (M, N); of (M, K) and (K, N) the columns of `a` and
    the rows of `b`: (G, M, N); two stacks are multiplied one by one, without `offs`. What is beyond the last
    of `offs` gives 0. Raises ValueError for sizes that do not fit and for offsets that fall, TypeError for
    ones that are no integers; a recorded step, whose later offsets may differ, computes all rows for all
    groups and picks. `bias` has to be None, as in PyTorch.

    >>> rows, experts = np.ones((3, 2)), np.array([[[1.0], [1.0]], [[5.0], [5.0]]])
    >>> grouped_mm(rows, experts, offs=np.array([1, 3])).ravel()
    array([ 2., 10., 10.])
    """
    a, b = arrayed(mat_a), arrayed(mat_b)
    axes = len(a.shape), len(b.shape)
    if not set(axes) <= {2, 3} or a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        wanted = "wants (..., M, K) and (..., K, N), each a matrix or a stack, of one dtype"
        raise ValueError(lesson(CALLED, wanted, f"{describe(a)} and {describe(b)}"))
    if bias is not None:
        raise ValueError(lesson(CALLED, "adds no bias", describe(arrayed(bias)), hint="z + bias[group]"))
    stacks = {x.shape[0] for x in (a, b) if len(x.shape) == 3}
    if (axes == (3, 3)) != (offs is None) or len(stacks) == 2:
        wanted = "wants offs for a matrix, and stacks of one length without offs"
        raise ValueError(lesson(CALLED, wanted, f"{describe(a)}, {describe(b)}, offs={offs!r}"))
    if offs is None:
        z = a @ b
    else:
        cut = b.shape[-1] if axes == (3, 2) else a.shape[-2] if axes == (2, 3) else a.shape[-1]
        ends = _checked(arrayed(offs), stacks, cut)
        several = recording() or isinstance(ends, BatchTensor)
        z = _picked(a, b, ends, cut) if several else _cut(a, b, [int(n) for n in entries(ends)])
    return z if out_dtype is None or z.dtype == out_dtype else z.astype(out_dtype)


def _checked(offs: Any, stacks: set[int], cut: int) -> Any:
    if offs.dtype.kind not in "iu":
        raise TypeError(lesson(f"{CALLED[:-1]}, offs)", "wants integers", describe(offs)))
    numbers = entries(offs)
    falls = len(offs.shape) != 1 or np.any(np.diff(numbers, prepend=0) < 0) or np.any(numbers > cut)
    if falls or any(n != offs.shape[0] for n in stacks):
        wanted = f"wants an end for each group, rising from 0 to at most {cut}"
        raise ValueError(lesson(f"{CALLED[:-1]}, offs)", wanted, f"{numbers}"))
    return offs


def _cut(a: Any, b: Any, ends: list[int]) -> Any:
    """Return the product of parts whose places are known."""
    parts = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    if len(a.shape) == len(b.shape):
        return np.stack([a[:, part] @ b[part] for part in parts])
    if len(b.shape) == 3:
        made, axis, rest = [a[part] @ b[g] for g, part in enumerate(parts)], 0, a.shape[0]
        shape = (rest - (ends[-1] if ends else 0), b.shape[-1])
    else:
        made, axis, rest = [a[g] @ b[:, part] for g, part in enumerate(parts)], 1, b.shape[1]
        shape = (a.shape[1], rest - (ends[-1] if ends else 0))
    return np.concatenate([*made, np.zeros(shape, a.dtype)], axis=axis)


def _picked(a: Any, b: Any, ends: Any, cut: int) -> Any:
    """Return the same for places that are known when the step runs."""
    places, starts = np.arange(cut), np.concatenate([np.zeros_like(ends[:1]), ends[:-1]])
    inside = (starts[:, None] <= places) & (places < ends[:, None])  # (groups, places)
    if len(a.shape) == len(b.shape):
        return np.where(inside[:, None], a, 0) @ b
    along = inside[:, :, None] if len(b.shape) == 3 else inside[:, None]
    return np.where(along, a @ b, 0).sum(axis=0)
