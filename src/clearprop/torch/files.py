"""`torch.save` and `torch.load`: files that PyTorch reads and writes, without running code."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.interop import pytorch
from clearprop.torch.making import made
from clearprop.torch.tensors import Parameter, Tensor


def save(obj: Any, f: Any, **_: Any) -> None:
    """Write tensors, numbers, words and containers of them into a file that PyTorch's `load` reads."""
    pytorch.save_pt(f, _to_arrays(obj), overwrite=True)  # as PyTorch's does


def load(f: Any, map_location: Any = None, weights_only: bool = True, **_: Any) -> Any:
    """Read what `save` wrote, here or in PyTorch; what would have to run code is refused by name."""
    return _to_tensors(pytorch.load_pt(f))


def _to_arrays(x: Any) -> Any:
    if isinstance(x, Tensor):
        return np.asarray(x.node._value)
    if isinstance(x, dict):
        return type(x)((_to_arrays(k), _to_arrays(v)) for k, v in x.items())
    if isinstance(x, (list, tuple)):
        return type(x)(*map(_to_arrays, x)) if hasattr(x, "_fields") else type(x)(map(_to_arrays, x))
    return x


def _to_tensors(x: Any) -> Any:
    if isinstance(x, pytorch.Trained):
        return Parameter(made(np.array(x.array)))
    if isinstance(x, np.ndarray):
        return made(np.array(x))
    if isinstance(x, dict):
        return type(x)((k, _to_tensors(v)) for k, v in x.items())
    return type(x)(map(_to_tensors, x)) if isinstance(x, (list, tuple)) else x
