"""The array API standard, 2024.12: every name, its signature, and calls of it that are compared with NumPy.

`python -m clearprop.coverage` runs a row for each: a name counts where it takes the standard's arguments and gives, for
Tensors, what NumPy gives for the arrays they hold, eager and in a compiled step.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import clearprop.numpy as ours

X = np.array([[0.3, 0.8, 0.45], [0.15, 0.62, 0.95], [0.5, 0.2, 0.7]])
Y, V = X.T + 0.1, X[0]
N, M = np.array([3, 0, 5]), np.array([1, 2, 2])
B, C = X > 0.4, X + 1j * Y
SYMMETRIC = X @ X.T + np.eye(3)
F4 = np.float32
Call = tuple[tuple[Any, ...], dict[str, Any]]


class StandardRow(NamedTuple):
    """A name of the standard, the arguments it takes, and calls of it."""

    name: str
    signature: str
    calls: tuple[Call, ...]


def _(*args: Any, **kwargs: Any) -> Call:
    return args, kwargs


# --- entry by entry: a row holds many names -----------------------------------------------------------------
_ENTRIES: dict[str, dict[str, tuple[Call, ...]]] = {
    "(x, /)": {
        "abs acos asin atan atanh ceil cos cosh exp expm1 floor isfinite isinf isnan log log1p log10 log2 negative "
        "positive reciprocal round sign signbit sin sinh sqrt square tan tanh trunc asinh": (_(X),),
        "acosh": (_(1 + X),), "bitwise_invert": (_(N),), "logical_not": (_(B),), "conj imag real": (_(C),),
    },
    "(x1, x2, /)": {
        "add subtract multiply divide pow maximum minimum hypot atan2 logaddexp remainder floor_divide copysign "
        "equal not_equal less less_equal greater greater_equal": (_(X, Y), _(X, V), _(X, 2.0), _(2.0, X)),
        "nextafter": (_(X, Y),),
        "bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift": (_(N, M), _(N, 1)),
        "logical_and logical_or logical_xor": (_(B, ~B.T),),
    },
}  # fmt: skip

# --- the others, one a line ---------------------------------------------------------------------------------
_OTHERS: dict[str, tuple[Call, ...]] = {
    # creation
    "arange(start, /, stop=None, step=1, *, dtype=None, device=None)": (_(3), _(1, 8, 2, dtype=F4, device="cpu")),
    "asarray(obj, /, *, dtype=None, device=None, copy=None)": (_(X), _([1, 2]), _(X, dtype=F4, device="cpu", copy=True)),
    "empty(shape, *, dtype=None, device=None)": (_((0, 3), dtype=F4, device="cpu"),),
    "empty_like(x, /, *, dtype=None, device=None)": (_(X[:0]), _(X[:0], dtype=F4, device="cpu")),
    "eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)": (_(3), _(3, 4, k=1, dtype=F4, device="cpu")),
    "full(shape, fill_value, *, dtype=None, device=None)": (_((2, 3), 1.5), _(3, X[0, 0], dtype=F4, device="cpu")),
    "full_like(x, /, fill_value, *, dtype=None, device=None)": (_(X, 1.5), _(X, 2, dtype=F4, device="cpu")),
    "linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True)": (_(0.0, 1.0, 5), _(X[0, 0], 2.0, 4, dtype=F4, device="cpu", endpoint=False)),
    "meshgrid(*arrays, indexing='xy')": (_(V, V), _(V, V[:2], indexing="ij")),
    "ones(shape, *, dtype=None, device=None)": (_((2, 3)), _(3, dtype=F4, device="cpu")),
    "ones_like(x, /, *, dtype=None, device=None)": (_(X), _(X, dtype=F4, device="cpu")),
    "tril(x, /, *, k=0)": (_(X), _(X, k=1)), "triu(x, /, *, k=0)": (_(X), _(X, k=-1)),
    "zeros(shape, *, dtype=None, device=None)": (_((2, 3)), _(3, dtype=F4, device="cpu")),
    "zeros_like(x, /, *, dtype=None, device=None)": (_(X), _(X, dtype=F4, device="cpu")),
    # dtypes
    "astype(x, dtype, /, *, copy=True, device=None)": (_(X, F4), _(X, X.dtype, copy=False, device="cpu")),
    "can_cast(from_, to, /)": (_(X.dtype, F4), _(F4, X.dtype)), "finfo(type, /)": (_(F4),), "iinfo(type, /)": (_(np.int8),),
    "isdtype(dtype, kind)": (_(X.dtype, "real floating"), _(N.dtype, ("bool", "numeric"))),
    "result_type(*arrays_and_dtypes)": (_(X, F4), _(N, X)),
    # manipulation
    "broadcast_arrays(*arrays)": (_(X, V),), "broadcast_to(x, /, shape)": (_(V, (2, 3)),),
    "concat(arrays, /, *, axis=0)": (_([X, Y]), _((X, V), axis=None)), "expand_dims(x, /, axis)": (_(X, 1), _(X, axis=-1)),
    "flip(x, /, *, axis=None)": (_(X), _(X, axis=(0, 1))), "moveaxis(x, source, destination, /)": (_(X, 0, 1),),
    "permute_dims(x, /, axes)": (_(X, (1, 0)), _(X, axes=(1, 0))), "repeat(x, repeats, /, *, axis=None)": (_(X, 2), _(X, M, axis=1)),
    "reshape(x, /, shape, *, copy=None)": (_(X, (9,)), _(X, (-1, 1), copy=True)), "roll(x, /, shift, *, axis=None)": (_(X, 1), _(X, (1, 2), axis=(0, 1))),
    "squeeze(x, /, axis)": (_(X[None], 0), _(X[None], axis=0)), "stack(arrays, /, *, axis=0)": (_([V, V]), _((V, V), axis=-1)),
    "tile(x, repetitions, /)": (_(X, (2, 1)),), "unstack(x, /, *, axis=0)": (_(X), _(X, axis=1)),
    # searching, sets, sorting
    "argmax(x, /, *, axis=None, keepdims=False)": (_(X), _(X, axis=1, keepdims=True)), "argmin(x, /, *, axis=None, keepdims=False)": (_(X), _(X, axis=1, keepdims=True)),
    "count_nonzero(x, /, *, axis=None, keepdims=False)": (_(N), _(X, axis=0, keepdims=True)), "nonzero(x, /)": (_(N),),
    "searchsorted(x1, x2, /, *, side='left', sorter=None)": (_(np.sort(V), X), _(np.sort(V), X, side="right", sorter=np.arange(3))),
    "where(condition, x1, x2, /)": (_(B, X, Y), _(B, X, 0.0)), "unique_all(x, /)": (_(M),), "unique_counts(x, /)": (_(M),),
    "unique_inverse(x, /)": (_(M),), "unique_values(x, /)": (_(M),), "isin(x1, x2, /, *, invert=False)": (_(N, M), _(N, M, invert=True)),
    "argsort(x, /, *, axis=-1, descending=False, stable=True)": (_(X), _(X, axis=0, descending=True, stable=True)),
    "sort(x, /, *, axis=-1, descending=False, stable=True)": (_(X), _(X, axis=0, descending=True, stable=True)),
    # statistics
    "cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)": (_(V), _(X, axis=1, dtype=F4, include_initial=True)),
    "cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)": (_(V), _(X, axis=1, dtype=F4, include_initial=True)),
    "max(x, /, *, axis=None, keepdims=False)": (_(X), _(X, axis=1, keepdims=True)), "min(x, /, *, axis=None, keepdims=False)": (_(X), _(X, axis=(0, 1), keepdims=True)),
    "mean(x, /, *, axis=None, keepdims=False)": (_(X), _(X, axis=1, keepdims=True)),
    "prod(x, /, *, axis=None, dtype=None, keepdims=False)": (_(X), _(X, axis=1, dtype=F4, keepdims=True)),
    "std(x, /, *, axis=None, correction=0.0, keepdims=False)": (_(X), _(X, axis=1, correction=1.0, keepdims=True)),
    "sum(x, /, *, axis=None, dtype=None, keepdims=False)": (_(X), _(X, axis=1, dtype=F4, keepdims=True)),
    "var(x, /, *, axis=None, correction=0.0, keepdims=False)": (_(X), _(X, axis=1, correction=0.5, keepdims=True)),
    # the rest
    "all(x, /, *, axis=None, keepdims=False)": (_(B), _(B, axis=1, keepdims=True)), "any(x, /, *, axis=None, keepdims=False)": (_(B), _(B, axis=1, keepdims=True)),
    "clip(x, /, min=None, max=None)": (_(X, 0.3, 0.7), _(X, min=V), _(X, max=0.5)),
    "diff(x, /, *, axis=-1, n=1, prepend=None, append=None)": (_(X), _(X, axis=0, n=2, prepend=X, append=Y)),
    "from_dlpack(x, /, *, device=None, copy=None)": (_(V), _(V, device="cpu", copy=True)),
    "take(x, indices, /, *, axis=None)": (_(V, N % 3), _(X, M, axis=1)), "take_along_axis(x, indices, /, *, axis=-1)": (_(X, M[:, None]), _(X, M[:, None], axis=1)),
    "matmul(x1, x2, /)": (_(X, Y), _(X, V)), "matrix_transpose(x, /)": (_(X),), "vecdot(x1, x2, /, *, axis=-1)": (_(X, Y), _(X, Y, axis=0)),
    "tensordot(x1, x2, /, *, axes=2)": (_(X, Y), _(X, Y, axes=((1,), (0,)))),
    # linear algebra
    "linalg.cholesky(x, /, *, upper=False)": (_(SYMMETRIC), _(SYMMETRIC, upper=True)), "linalg.cross(x1, x2, /, *, axis=-1)": (_(X, Y), _(X, Y, axis=0)),
    "linalg.det(x, /)": (_(X),), "linalg.diagonal(x, /, *, offset=0)": (_(X), _(X, offset=1)), "linalg.eigh(x, /)": (_(SYMMETRIC),), "linalg.eigvalsh(x, /)": (_(SYMMETRIC),),
    "linalg.inv(x, /)": (_(X),), "linalg.matmul(x1, x2, /)": (_(X, Y),), "linalg.matrix_norm(x, /, *, keepdims=False, ord='fro')": (_(X), _(X, keepdims=True, ord="nuc")),
    "linalg.matrix_power(x, n, /)": (_(X, 3), _(X, -1)), "linalg.matrix_rank(x, /, *, rtol=None)": (_(X), _(X, rtol=0.5)), "linalg.matrix_transpose(x, /)": (_(X),),
    "linalg.outer(x1, x2, /)": (_(V, V),), "linalg.pinv(x, /, *, rtol=None)": (_(X), _(X, rtol=0.01)), "linalg.qr(x, /, *, mode='reduced')": (_(X[:, :2]), _(X[:2], mode="complete")),
    "linalg.slogdet(x, /)": (_(X),), "linalg.solve(x1, x2, /)": (_(X, Y), _(X, V)), "linalg.svd(x, /, *, full_matrices=True)": (_(X), _(X[:, :2], full_matrices=False)),
    "linalg.svdvals(x, /)": (_(X),), "linalg.tensordot(x1, x2, /, *, axes=2)": (_(X, Y), _(X, Y, axes=1)), "linalg.trace(x, /, *, offset=0, dtype=None)": (_(X), _(X, offset=1, dtype=F4)),
    "linalg.vecdot(x1, x2, /, *, axis=-1)": (_(X, Y), _(X, Y, axis=0)), "linalg.vector_norm(x, /, *, axis=None, keepdims=False, ord=2)": (_(X), _(X, axis=1, keepdims=True, ord=3)),
    # transforms
    **{f"fft.{name}(x, /, *, n=None, axis=-1, norm='backward')": (_(X), _(X, n=4, axis=0, norm="ortho")) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{f"fft.{name}(x, /, *, s=None, axes=None, norm='backward')": (_(X), _(X, s=(4, 2), axes=(0, 1), norm="forward")) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
    **{f"fft.{name}(x, /, *, axes=None)": (_(X), _(X, axes=1)) for name in ("fftshift", "ifftshift")},
    **{f"fft.{name}(n, /, *, d=1.0, dtype=None, device=None)": (_(5), _(4, d=0.5, dtype=F4, device="cpu")) for name in ("fftfreq", "rfftfreq")},
}  # fmt: skip
CONSTANTS = ("e", "inf", "nan", "newaxis", "pi")
DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
    "complex64", "complex128",
)  # fmt: skip
_SAME: dict[str, Any] = {
    "sort": lambda x, axis=-1, **_: np.flip(np.sort(x, axis=axis), axis=axis),
    "argsort": lambda x, axis=-1, **_: np.argsort(-x, axis=axis, kind="stable"),
}


def _ordered(name: str) -> Any:
    def reference(x: Any, *, descending: bool = False, **how: Any) -> Any:
        return _SAME[name](x, **how) if descending else getattr(np, name)(x, **how)

    return reference


_REFERENCES: dict[str, Callable[..., Any]] = {
    "fftfreq": lambda n, d=1.0, dtype=None, **_: np.fft.fftfreq(n, d).astype(dtype or float),
    "rfftfreq": lambda n, d=1.0, dtype=None, **_: np.fft.rfftfreq(n, d).astype(dtype or float),
    **{name: _ordered(name) for name in _SAME},
}  # fmt: skip
"""What is compared with where NumPy does not take the standard's keywords."""


def rows() -> Iterator[StandardRow]:
    """Yield a row for every function of the standard.

    >>> next(row.signature for row in rows() if row.name == "clip")
    '(x, /, min=None, max=None)'
    """
    for signature, table in _ENTRIES.items():
        for names, calls in table.items():
            yield from (StandardRow(name, signature, calls) for name in names.split())
    for head, calls in _OTHERS.items():
        name, _, rest = head.partition("(")
        yield StandardRow(name, f"({rest}", calls)


def at(space: Any, name: str) -> Any:
    """Return what a namespace has under a name, which may lie in a module of it."""
    for part in name.split("."):
        space = getattr(space, part)
    return space


def reference(name: str) -> Callable[..., Any]:
    """Return NumPy's function of the same meaning."""
    return _REFERENCES.get(name.split(".")[-1]) or at(np if hasattr(np, name.split(".")[0]) else ours, name)


def parameters(signature: str) -> list[inspect.Parameter]:
    """Return the parameters that a signature of the standard says."""
    space: dict[str, Any] = {}
    exec(f"def f{signature}: pass", space)  # our own text, above
    return list(inspect.signature(space["f"]).parameters.values())


def takes(function: Callable[..., Any], signature: str) -> str:
    """Return nothing where a function can be called as the standard says, and else what it does not take.

    >>> takes(np.cumsum, "(x, /, *, low)"), takes(np.tanh, "(x, /)")
    ('takes no low', '')
    """
    if isinstance(function, type):
        return ""
    has = inspect.signature(function).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in has.values())
    wanted = parameters(signature)
    positional = [p for p in wanted if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    try:
        inspect.signature(function).bind(*(p.name for p in positional))
    except TypeError as error:
        return str(error)
    named = [p.name for p in wanted if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    missing = [name for name in named if name not in has and not anything]
    return f"takes no {', '.join(missing)}" if missing else ""
