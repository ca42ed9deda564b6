"""What NumPy writes into an array that a step has made, by `out=`, `np.copyto` or `x.flat`, as stores."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.modes import mode


class FlatOfStandIn:
    """What `x.flat` is of what stands for an array."""

    def __init__(self, base: Any) -> None:
        self.base = base

    def __len__(self) -> int:
        return int(self.base.size)

    def __iter__(self) -> Any:
        return iter(self.base.ravel())

    def __getitem__(self, index: Any) -> Any:
        found = self.base.ravel()[index]
        return found.copy() if found.ndim else found

    def __setitem__(self, index: Any, value: Any) -> None:
        row = self.base.flatten()
        row[index] = value
        self.base[...] = row.reshape(self.base.shape)


def write(out: Any, function: Any, args: Any, keywords: dict[str, Any], dtype: Any = None) -> Any:
    """Do `function(..., out=out)`, whose result is to be of this `dtype` where one is said."""
    others = {k: v for k, v in keywords.items() if k != "out"}
    mask, casting = others.pop("where", True), others.pop("casting", "same_kind")
    found = function(*args, **others)
    _can_hold(out, found, casting, f"np.{function.__name__}(..., out=x)")
    wider = np.shape(found) != out.shape and np.broadcast_shapes(found.shape, out.shape) != out.shape
    if wider or (dtype is not None and (found.dtype, found.shape) != (dtype, out.shape)):
        line = f"np.{function.__name__}(..., out=x)"
        _refuse(out, line, "it without out=, of a shape and dtype that the result has")
    out[...] = found if mask is True else np.where(mask, found, out)
    return out


def _copyto(out: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Do `np.copyto`; TypeError for what `out` cannot hold."""
    _can_hold(out, source, casting, "np.copyto(x, y)")
    out[...] = source if where is True else np.where(where, source, out)


def _putmask(out: Any, mask: Any, values: Any) -> None:
    """Do `np.putmask` of one value, or of one for each entry."""
    if np.shape(values) not in ((), out.shape):
        _refuse(out, "np.putmask(x, mask, y)", "np.where(mask, y, x) with a y of x's shape")
    out[...] = np.where(mask, values, out)


def _fill_diagonal(out: Any, value: Any, wrap: bool = False) -> None:
    """Do `np.fill_diagonal` of a matrix with one value."""
    if np.ndim(value) or out.ndim != 2 or wrap:
        _refuse(out, "np.fill_diagonal(x, y)", "np.where(np.eye(n, dtype=bool), y, x)")
    out[...] = np.where(np.eye(*out.shape) > 0, value, out)


WRITING: dict[Any, Any] = {np.copyto: _copyto, np.putmask: _putmask, np.fill_diagonal: _fill_diagonal}
"""NumPy's functions that write into their first argument, as stores into what stands for an array."""


def _can_hold(out: Any, found: Any, casting: str, call: str) -> None:
    """Raise TypeError where NumPy's rule of casting does not allow it."""
    dtype = np.result_type(np.asarray(found) if isinstance(found, (list, tuple)) else found, out.dtype)
    if not np.can_cast(dtype, out.dtype, casting):  # type: ignore[arg-type]
        got, hint = f"{dtype} into {out.dtype}", f"y.astype({out.dtype}), or an x of the other dtype"
        raise TypeError(lesson(call, f"casting={casting!r} does not allow it", got, at_line(), hint))


def _refuse(out: Any, line: str, hint: str) -> None:
    observer: Any = mode.observer
    observer.in_place(out, line, hint)
