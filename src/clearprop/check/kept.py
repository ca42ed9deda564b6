"""What a function under check changes besides: the Buffers of its modules, given back afterwards."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clearprop.record import assign
from clearprop.tensor import Tensor


@contextmanager
def kept(f: Any) -> Iterator[None]:
    """Give the Buffers of all modules that `f` is, calls or holds (running means, counters) back the values
    they had: a check calls `f` some hundred times."""
    buffers = {id(b): (b, b.value) for module in _modules(f) for _, b in module.named_buffers()}
    try:
        yield
    finally:
        for buffer, value in buffers.values():
            assign(buffer, value)


def _modules(f: Any) -> Iterator[Any]:
    """Yield the modules in reach of a function: itself, its owner, what it closes over, names it uses."""
    waiting, seen = [f], set()
    while waiting:
        x = waiting.pop()
        if id(x) in seen or isinstance(x, Tensor):
            continue
        seen.add(id(x))
        if callable(getattr(x, "named_buffers", None)):
            yield x
        elif isinstance(x, functools.partial):
            waiting += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, (list, tuple)):
            waiting += x[:100]
        elif hasattr(x, "__code__"):
            waiting += [getattr(x, "__self__", None), *(x.__defaults__ or ()), *_cells(x)]
            waiting += [x.__globals__[name] for name in x.__code__.co_names if name in x.__globals__]
        elif hasattr(x, "__func__"):
            waiting += [x.__self__, x.__func__]


def _cells(function: Any) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
