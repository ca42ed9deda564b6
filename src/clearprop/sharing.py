"""What a Tensor has for code about arrays of any package: the array API standard, and DLPack."""

from __future__ import annotations

import importlib
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import numpy as np

from clearprop.errors import at_line, lesson
from clearprop.updates import read_only

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
_NEW = np.lib.NumpyVersion(np.__version__) >= "2.1.0"  # its arrays export with a version and as a copy

_STACK = "np.stack([...]) in place of np.array([...]) of Tensors"
_LEAVE = "t.detach().numpy() to leave the graph on purpose"
_BUFFER = (
    "np.stack of a list of Tensors, or out = np.zeros(shape) + 0 * t.sum(), which takes Tensors as entries"
)
_MEANT = {
    "dot": ("array.dot(t)", "array @ t, or np.dot(array, t)"),
    "array": ("np.array([t, ...])", f"{_STACK}, or clearprop.numpy.array"),
}
_LOCATED = ("exponential", "gumbel", "laplace", "logistic", "normal", "rayleigh", "uniform")
_MOVED = "loc + scale * rng.{0}(size=...), or clearprop.numpy.random, whose {0} takes Tensors"
_CALLED = {
    "full": ("np.full(n, t)", "np.broadcast_to(t, n), or clearprop.numpy.full"),
    "arange": ("np.arange(t)", "t * np.arange(n) with n plain"),
    "vectorize": ("np.vectorize(f)(t)", "clearprop.vmap(f), or clearprop.numpy.vectorize"),
    **{name: (f"rng.{name}(t, ...)", _MOVED.format(name)) for name in _LOCATED},
}
"""What a function of NumPy's that asks no Tensor is called, and what to write in place of it."""
_KEEPS = {
    "fill": ("array.fill(t)", "np.broadcast_to(t, array.shape)"),
    "fromiter": ("np.fromiter(tensors)", "np.stack(list(tensors))"),
    "array": ("array.array(code, [t, ...])", "np.stack([t, ...])"),
    **{name: (f"array.{name}(t)", _BUFFER) for name in ("append", "extend", "insert", "itemset")},
}
"""The same of those that ask for a float to keep it, where others compute with it."""


def array_wanted(frame: FrameType, store: frozenset[int], leave: bool = True) -> tuple[str, str]:
    """Return what asked a Tensor for its array, as one would type it, and what to write in its place.

    NumPy asks without a word of what it is about: the caller's frame tells. `store` are the instructions that
    write entries of an array; else the names on the line say whether it was a product or a list of Tensors.
    `leave` is whether leaving the graph on purpose is a way out.
    """
    end = f"; {_LEAVE}" if leave else ""
    if frame.f_code.co_code[frame.f_lasti] in store:
        return "array[i] = t", _BUFFER + end
    if (called := _called(frame)) in _CALLED:
        return _CALLED[called][0], _CALLED[called][1] + end
    named = _named_on_line(frame)
    for written, (asked, meant) in _MEANT.items():
        if written in named:
            return asked, meant + end
    return (
        "np.asarray(t)",
        f"{_STACK}, {_LEAVE}, `with no_grad():` around what wants numbers (a plot, a table, "
        "grad(f)(array)), or a NumPy function that has a rule",
    )


def float_kept(frame: FrameType, store: frozenset[int], leave: bool = True) -> tuple[str, str] | None:
    """Return the same of what asks a Tensor for a float to keep it in an array, None where nothing does."""
    if frame.f_code.co_code[frame.f_lasti] in store:
        return array_wanted(frame, store, leave)
    found = _KEEPS.get(_called_at(frame.f_code, frame.f_lasti))
    return found and (found[0], found[1] + (f"; {_LEAVE}" if leave else ""))


def _named_on_line(frame: FrameType) -> set[str]:
    """Return the names that the line asks for up to where the frame stands: its text is not always kept."""
    import dis  # here, since no import of clearprop alone needs it

    line, found = frame.f_lineno, set()
    for code in dis.get_instructions(frame.f_code):
        start = code.positions.lineno if code.positions else None
        if code.offset <= frame.f_lasti and start == line and code.opname.startswith("LOAD_"):
            found.add(str(code.argval))
    return found


def _called(frame: FrameType) -> str:
    """Return the name of the function whose call asks, as far as the frame's instructions tell."""
    if frame.f_globals.get("__name__", "").startswith("numpy."):
        return frame.f_code.co_qualname.split(".")[0]  # "full", "vectorize._vectorize_call"
    return _called_at(frame.f_code, frame.f_lasti)


@lru_cache(maxsize=256)
def _called_at(code: CodeType, at: int) -> str:
    """Return the name of the function that is called by an instruction, "" where that is not seen."""
    import dis

    here, found = None, ""
    codes = [one for one in dis.get_instructions(code) if one.offset <= at]
    if codes and codes[-1].positions:
        here = codes[-1].positions.lineno, codes[-1].positions.col_offset
    for one in codes:
        place = one.positions and (one.positions.lineno, one.positions.col_offset)
        if here and place == here and one.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME"):
            found = str(one.argval)
    return found


class Shared:
    """The methods by which other packages find a Tensor's functions and its memory."""

    __slots__ = ()

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Return `clearprop.numpy`, whose functions take Tensors; ValueError for a version it lacks.

        >>> from clearprop import Tensor
        >>> t = Tensor([3.0, 4.0])
        >>> xp = t.__array_namespace__()
        >>> xp.sqrt(xp.sum(t * t)).value
        np.float64(5.0)
        """
        if api_version not in (None, *VERSIONS):
            wanted = f"is one of {', '.join(VERSIONS)}"
            raise ValueError(lesson("t.__array_namespace__(api_version=)", wanted, repr(api_version)))
        return importlib.import_module("clearprop.numpy")

    @property
    def device(self) -> str:
        """Where the entries lie: always "cpu", in memory."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: None = None) -> Any:
        """Return this Tensor, which lies on the only device there is; ValueError for any other."""
        if device != "cpu" or stream is not None:
            wanted, hint = 'knows the device "cpu" alone, and no streams', 't.to_device("cpu")'
            raise ValueError(lesson("t.to_device(device)", wanted, f"{device!r}", "", hint))
        return self

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # DLPack's word for memory that the CPU reads

    def __dlpack__(
        self,
        *,
        stream: None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return the entries for another package: to be read where they lie, or else a copy.

        A package that writes regardless of the mark, as PyTorch's in-place functions do, changes the Tensor:
        ask for `copy=True` there.

        Raises BufferError where a gradient would be lost, where no copy is allowed and it might be written
        into, and for another device.

        >>> import numpy as np
        >>> from clearprop import Tensor
        >>> np.from_dlpack(Tensor([1.0, 2.0]).detach())
        array([1., 2.])
        """
        tensor: Any = self
        called, where = "t.__dlpack__()", at_line()
        if (tensor.requires_grad or tensor._is_awaited()) and not tensor._is_cut():
            wanted = "would drop the gradient: the other package does not know of the graph"
            raise BufferError(lesson(called, wanted, f"t = {tensor!r}", where, "t.detach()"))
        if stream is not None or dl_device not in (None, (1, 0)):
            raise BufferError(lesson(called, "has its memory on the CPU", f"{dl_device or stream}", where))
        array = np.asarray(tensor._python("t.__dlpack__()"))
        if copy or not _NEW or max_version is None or max_version < (1, 0):
            if copy is False:
                wanted = (
                    "wants a copy: the other package cannot be told that memory is not to be written into"
                )
                raise BufferError(
                    lesson(called, wanted, "copy=False", where, "t.numpy(), which is read-only")
                )
            array = array.copy()
        else:
            array = read_only(array)
        return array.__dlpack__(max_version=max_version) if _NEW else array.__dlpack__()
