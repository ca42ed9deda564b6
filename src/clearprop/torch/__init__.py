"""`import clearprop.torch as torch`: PyTorch's names and meanings over clearprop's tensors.

A program written for PyTorch runs with its imports changed, or unchanged by `python -m clearprop.torch
program.py`. Views share memory and tensors can be written to, as there; every gradient can be seen, as here:
`clearprop.draw(loss.node)`, `clearprop.explain(w.node)`.
"""

from __future__ import annotations

import functools
import importlib
import math
from typing import Any

from clearprop.errors import lesson
from clearprop.torch import (
    algebra,
    chance,
    dtypes,
    factors,
    making,
    picking,
    pointwise,
    reducing,
    seldom,
    shaping,
)
from clearprop.torch.answering import answering, tensors_of
from clearprop.torch.chance import Generator, default_generator
from clearprop.torch.dtypes import Size, device, dtype, finfo, get_default_dtype, iinfo, set_default_dtype
from clearprop.torch.gradients import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from clearprop.torch.names import FUNCTIONS, METHODS, PLAIN
from clearprop.torch.tensors import Tensor, nearest

__version__ = "2.0.0+clearprop"
pi: float = math.pi
e: float = math.e
inf: float = math.inf
nan: float = math.nan
strided: str = "torch.strided"
preserve_format: str = "torch.preserve_format"
contiguous_format: str = "torch.contiguous_format"
channels_last: str = "torch.channels_last"
channels_last_3d: str = "torch.channels_last_3d"
"""How entries may lie in memory, `memory_format`: what is said of it is taken, and changes nothing."""

_SUBMODULES = (
    "nn",
    "optim",
    "autograd",
    "func",
    "utils",
    "amp",
    "cuda",
    "linalg",
    "files",
    "backends",
    "special",
    "distributions",
    "vision",
    "accelerator",
)
_FILES = ("save", "load")
_ELSEWHERE = {"vmap": "func", "autocast": "amp"}
_OF_LAYERS = frozenset((
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "avg_pool1d", "max_pool1d", "max_pool2d", "max_pool3d", "adaptive_avg_pool1d", "layer_norm",
    "rms_norm", "bilinear", "celu", "selu", "rrelu", "threshold", "hardshrink", "prelu",
    "pairwise_distance", "cosine_similarity", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    "pdist",
))  # fmt: skip
"""Functions of `nn.functional` that have their names here, too."""

_OLD = {"FloatTensor": "float32", "DoubleTensor": "float64", "LongTensor": "int64", "IntTensor": "int32"}
_OLD |= {"BoolTensor": "bool", "ByteTensor": "uint8"}
_WANTED = {
    "bfloat16": ("NumPy has no such numbers", "torch.float32"),
    "complex64": ("numbers are real", "the real and imaginary parts as two tensors"),
    "fft": ("numbers are real", "np.fft on arrays"),
    "hub": ("nothing is fetched", "torch.load of a local file"),
    "stft": ("numbers are real", "np.fft on arrays"),
    "jit": ("nothing is scripted", "the model itself"),
    "distributed": ("there is one process", "the model itself"),
}  # fmt: skip


def manual_seed(seed: int) -> Any:
    """Start the generator anew from a seed; the numbers are not PyTorch's.

    >>> import clearprop.torch as torch
    >>> first, second = (torch.manual_seed(0) and torch.rand(2) for _ in range(2))
    >>> bool((first == second).all())
    True
    """
    return chance.manual_seed(seed)


def compile(model: Any = None, **options: Any) -> Any:
    """Return the model or function as it is: `clearprop.compile(step)` compiles whole training steps."""
    return model if model is not None else lambda f: f


def set_printoptions(**options: Any) -> None:
    """Do nothing: tensors print with four digits."""


def use_deterministic_algorithms(mode: bool, **_: Any) -> None:
    """Do nothing: all algorithms are."""


def set_num_threads(num: int) -> None:
    """Do nothing: NumPy's library has its own number of threads."""


def get_num_threads() -> int:
    """Return 1."""
    return 1


def result_type(tensor: Any, other: Any) -> dtype:
    """Return the dtype that a function of two tensors or numbers gives."""
    return dtypes.of(pointwise.result_type(tensor, other))


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Return the smallest dtype that holds both.

    >>> promote_types(dtypes.int32, dtypes.float16)
    torch.float16
    """
    return result_type(PLAIN["zeros"](1, dtype=type1), PLAIN["zeros"](1, dtype=type2))


def can_cast(from_: dtype, to: dtype) -> bool:
    """Tell whether numbers of one dtype may be written into a tensor of another: kinds lose nothing.

    >>> can_cast(dtypes.float64, dtypes.float32), can_cast(dtypes.float32, dtypes.int64)
    (True, False)
    """
    kinds = "buif"
    before, after = kinds.index(from_.numpy.kind), kinds.index(to.numpy.kind)
    return before <= after or {before, after} == {1, 2}


def typename(obj: Any) -> str:
    """Return the name of a tensor's type, or of a class."""
    return str(obj.type()) if isinstance(obj, Tensor) else f"{type(obj).__module__}.{type(obj).__name__}"


def _old_way(kind: dtype, *data: Any) -> Tensor:
    """Return `torch.FloatTensor([1, 2])`, or zeros of a shape, `torch.FloatTensor(2, 3)`."""
    sizes = all(isinstance(n, int) for n in data)
    return (
        PLAIN["zeros"](*data, dtype=kind) if sizes and data else PLAIN["tensor"](*data or ([],), dtype=kind)
    )


_ASKED: dict[str, Any] = {}  # the functions that were asked for


def __getattr__(name: str) -> Any:
    if name in _ASKED:
        return _ASKED[name]
    if name in _SUBMODULES:
        return importlib.import_module(f"clearprop.torch.{name}")
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"clearprop.torch.{_ELSEWHERE[name]}"), name)
    if name in _FILES:
        return getattr(importlib.import_module("clearprop.torch.files"), name)
    if name in PLAIN:
        return _ASKED.setdefault(name, answering(f"torch.{name}", PLAIN[name]))
    if name in FUNCTIONS:
        return _ASKED.setdefault(name, answering(f"torch.{name}", FUNCTIONS[name], tensors_of(name)))
    if name in dtypes.NAMES:
        return dtypes.NAMES[name]
    if name in _OF_LAYERS:
        return getattr(importlib.import_module("clearprop.torch.nn.functional"), name)
    if name.endswith("_") and (name in METHODS or name[:-1] in pointwise.WRITTEN):
        return _ASKED.setdefault(name, lambda input, *args, **how: getattr(input, name)(*args, **how))
    if name in _OLD:
        return functools.partial(_old_way, dtypes.NAMES[_OLD[name]])
    known = [*PLAIN, *FUNCTIONS, *dtypes.NAMES, *_SUBMODULES, *_OF_LAYERS]
    wanted, hint = _WANTED.get(name, ("there is no such name", nearest(name, known)))
    raise AttributeError(lesson(f"torch.{name}", wanted, hint=hint))


def __dir__() -> list[str]:
    return sorted({*globals(), *PLAIN, *FUNCTIONS, *dtypes.NAMES, *_SUBMODULES, *_FILES})


__all__ = [
    "Generator",
    "Size",
    "Tensor",
    "algebra",
    "compile",
    "default_generator",
    "device",
    "dtype",
    "enable_grad",
    "factors",
    "finfo",
    "get_default_dtype",
    "iinfo",
    "inference_mode",
    "is_grad_enabled",
    "making",
    "manual_seed",
    "no_grad",
    "picking",
    "pointwise",
    "reducing",
    "seldom",
    "set_default_dtype",
    "set_grad_enabled",
    "shaping",
]
