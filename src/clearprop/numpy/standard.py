"""What the array API standard asks for beyond NumPy's own names, and where its spelling is another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.errors import lesson
from clearprop.hints import refuse_texts, takes_truths
from clearprop.numpy.making import asarray
from clearprop.tensor import Tensor

VERSION = "2024.12"
_numpy: Any = np  # whose functions answer a Tensor with a Tensor, which its types do not know
_KINDS = (
    "bool",
    "signed integer",
    "unsigned integer",
    "integral",
    "real floating",
    "complex floating",
    "numeric",
)


# --- dtypes -------------------------------------------------------------------------------------------------
@takes_truths
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Return the same numbers in another dtype; `copy=False` may return `x` itself.

    >>> astype(Tensor([1.0, 2.0]), "f4").dtype
    dtype('float32')
    """
    x = asarray(x, device=device)
    if x.dtype == np.dtype(dtype):
        return x.copy() if copy else x
    return x.astype(dtype)


def finfo(type: Any, /) -> Any:
    """Return what NumPy knows of a floating-point dtype, or of the dtype of an array.

    >>> finfo(Tensor(1.0)).bits
    64
    """
    return np.finfo(_dtype_of(type))


def iinfo(type: Any, /) -> Any:
    """Return what NumPy knows of an integer dtype, or of the dtype of an array.

    >>> iinfo(np.int8).max
    127
    """
    return np.iinfo(_dtype_of(type))


def _dtype_of(x: Any) -> Any:
    return x.dtype if isinstance(x, (Tensor, np.ndarray, np.generic)) else x


# --- orders -------------------------------------------------------------------------------------------------
@takes_truths
def sort(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
    descending: bool = False,
) -> Any:
    """Return the entries along an axis in ascending order, or descending.

    >>> sort(Tensor([1.0, 3.0, 2.0]), descending=True).value
    array([3., 2., 1.])
    """
    found = _numpy.sort(_array(a), axis=axis, **_given(kind=kind, order=order, stable=stable))
    return _turned(found, axis) if descending else found


@takes_truths
def argsort(
    a: Any,
    axis: Any = -1,
    kind: Any = None,
    order: Any = None,
    *,
    stable: Any = None,
    descending: bool = False,
) -> Any:
    """Return where the entries would come from if they were sorted; equal ones keep their order if `stable`.

    >>> argsort([1.0, 3.0, 3.0], descending=True, stable=True)
    array([1, 2, 0])
    """
    a, how = _array(a), _given(kind=kind, order=order, stable=stable)
    if not descending:
        return _numpy.argsort(a, axis=axis, **how)
    if axis is None:
        a, axis = a.reshape(-1), -1
    return a.shape[axis] - 1 - _turned(_numpy.argsort(_turned(a, axis), axis=axis, **how), axis)


def _array(a: Any) -> Any:
    return asarray(a) if isinstance(a, (list, tuple)) else a


def _given(**kwargs: Any) -> dict[str, Any]:
    return {key: x for key, x in kwargs.items() if x is not None}


def _turned(a: Any, axis: Any) -> Any:
    return _numpy.flip(a, axis=-1 if axis is None else axis)


# --- what older NumPys lack ---------------------------------------------------------------------------------
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Return the slices along an axis.

    >>> [float(t) for t in unstack(Tensor([1.0, 2.0]))]
    [1.0, 2.0]
    """
    return tuple(_numpy.moveaxis(asarray(x), axis, 0))


def _running(name: str, start: int) -> Callable[..., Any]:
    def answer(x: Any, /, *, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        refuse_texts(f"np.{name}", include_initial=include_initial)
        x = asarray(x)
        if axis is None and x.ndim != 1:
            raise ValueError(
                lesson(f"np.{name}(x)", "wants axis= where there are several", f"shape {x.shape}")
            )
        axis = 0 if axis is None else axis
        z = {"cumulative_sum": _numpy.cumsum, "cumulative_prod": _numpy.cumprod}[name](
            x, axis=axis, dtype=dtype
        )
        if not include_initial:
            return z
        first = np.full((*z.shape[: axis % z.ndim], 1, *z.shape[axis % z.ndim + 1 :]), start, z.dtype)
        return _numpy.concatenate([first, z], axis=axis)

    answer.__name__ = answer.__qualname__ = name
    answer.__doc__ = f"Return running results along an axis, with the {start} before them if asked."
    return answer


# --- exchange -----------------------------------------------------------------------------------------------
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """Return another package's array as a plain one that shares its memory.

    Raises BufferError where it needs a gradient: its graph would end here.

    >>> from_dlpack(Tensor([1.0, 2.0], requires_grad=False))
    array([1., 2.])
    """
    if device not in (None, "cpu"):
        raise ValueError(
            lesson("np.from_dlpack(device=)", 'is "cpu" or None: arrays lie in memory', repr(device))
        )
    if copy is False or np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        return np.from_dlpack(x, **_given(device=device, copy=copy))
    return np.from_dlpack(x).copy() if copy else np.from_dlpack(x)


class ArrayNamespaceInfo:
    """What the namespace can do, as the array API standard asks.

    >>> ArrayNamespaceInfo().default_dtypes()["real floating"]
    dtype('float64')
    """

    def capabilities(self) -> dict[str, Any]:
        """Return whether shapes may depend on values, and how many axes there may be."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Return the device where arrays are made."""
        return "cpu"

    def devices(self) -> list[str]:
        """Return every device."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """Return the dtypes of Python's numbers."""
        whole = np.asarray(0).dtype
        return {
            "real floating": np.dtype(np.float64),
            "complex floating": np.dtype(np.complex128),
            "integral": whole,
            "indexing": np.dtype(np.intp),
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """Return the standard's dtypes by name, of one kind or several.

        Raises ValueError for a kind that is none.
        """
        kinds = _KINDS if kind is None else (kind,) if isinstance(kind, str) else tuple(kind)
        if unknown := [k for k in kinds if k not in _KINDS]:
            raise ValueError(lesson("dtypes(kind=)", f"is one of {', '.join(_KINDS)}", f"{unknown}"))
        widths = [f"{kind}{n}" for kind in ("int", "uint") for n in (8, 16, 32, 64)]
        names = ("bool", *widths, "float32", "float64", "complex64", "complex128")
        every = {name: np.dtype(name) for name in names}
        return {name: dtype for name, dtype in every.items() if np.isdtype(dtype, kinds)}


def _older() -> dict[str, Any]:
    """Return what only newer NumPys have, made of what all have."""
    ours = {"unstack": unstack} | {
        name: _running(name, start) for name, start in (("cumulative_sum", 0), ("cumulative_prod", 1))
    }
    return {name: f for name, f in ours.items() if not hasattr(np, name)}


NAMES: dict[str, Any] = _older() | {f.__name__: f for f in (astype, finfo, iinfo, sort, argsort, from_dlpack)}
NAMES |= {"__array_namespace_info__": ArrayNamespaceInfo, "__array_api_version__": VERSION}
