"""`torch.save` and `torch.load`: files that PyTorch reads and writes, without running code.

Tensors that share a memory share it in the file, and again when it is read.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.interop import pytorch
from clearprop.interop.pytorch import Shown
from clearprop.torch import cells
from clearprop.torch.making import made
from clearprop.torch.shaping import layout
from clearprop.torch.tensors import Parameter, Tensor
from clearprop.tree import refilled


def save(obj: Any, f: Any, **_: Any) -> None:
    """Write tensors, numbers, words and containers of them into a file that PyTorch's `load` reads."""
    found: list[Tensor] = []
    _mapped(lambda x: found.append(x) if isinstance(x, Tensor) else None, obj)
    shared = Counter(map(_memory, found))
    memories = {_memory(x): np.ravel(x._cell.node._value) for x in found if shared[_memory(x)] > 1}

    def array(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        memory, strides = memories.get(_memory(x)), tuple(layout(x).strides)
        if memory is None or not x.node.size:
            return np.array(x.node._value)
        places = cells.places(x._cell.node.shape, x._steps)
        shown = Shown(memory, int(places.flat[0]), tuple(x.shape), strides)
        as_it_lies = np.array_equal(_part(np.arange(memory.size), shown), places)
        return shown if as_it_lies else np.array(x.node._value)

    pytorch.save_pt(f, _mapped(array, obj), overwrite=True)  # as PyTorch's does


def load(f: Any, map_location: Any = None, weights_only: bool = True, **_: Any) -> Any:
    """Read what `save` wrote, here or in PyTorch; what would have to run code is refused by name."""
    found = pytorch.load_pt(f, shown=True)
    memories: Counter[int] = Counter()
    _mapped(lambda x: memories.update([id(x.memory)]) if isinstance(x, Shown) else None, found)
    whole: dict[int, Tensor] = {}

    def tensor(x: Any) -> Any:
        if (array := getattr(x, "memory", x)).__class__ is np.ndarray and array.dtype.kind == "c":
            hint = "clearprop.interop.pytorch.load_pt(path), whose arrays clearprop computes with"
            raise InputError(lesson("torch.load(f)", "wants real numbers", f"{array.dtype}", hint=hint))
        if isinstance(x, pytorch.Trained):
            return Parameter(tensor(x.array), x.requires_grad)
        if isinstance(x, Shown):
            key = id(x.memory)
            if memories[key] < 2:
                return made(_part(np.array(x.memory), x))
            if key not in whole:
                whole[key] = made(np.array(x.memory))
            return whole[key].seen_through(lambda memory: _part(memory, x))
        return made(np.array(x)) if isinstance(x, np.ndarray) else x

    return _mapped(tensor, found)


def _memory(x: Tensor) -> int:
    """Return what tensors of one memory have in common: a module's leaf may have several faces."""
    return id(x._cell.node if x._cell.owned else x._cell)


def _part(memory: Any, x: Shown) -> Any:
    """Return the part of a memory, an array or a node of numbers in a row, that a tensor shows."""
    size = int(np.prod(x.shape, dtype=np.int64))
    if x.strides == tuple(np.empty(x.shape, np.bool_).strides):
        return np.reshape(memory[x.offset : x.offset + size], x.shape)
    places = np.arange(memory.size)[x.offset :]
    strides = [s * places.itemsize for s in x.strides]
    return memory[np.lib.stride_tricks.as_strided(places, x.shape, strides, writeable=False)]


def _mapped(f: Any, x: Any) -> Any:
    """Return an object with what is in its containers made another by `f`."""
    if isinstance(x, dict):
        return type(x)((_mapped(f, k), _mapped(f, v)) for k, v in x.items())
    if isinstance(x, (list, tuple)) and not isinstance(x, Shown):
        parts = [_mapped(f, y) for y in x]
        return refilled(type(x), parts)
    return f(x)
