"""What may be different while ops run, per thread: gradients switched off, or an observer looking on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from clearprop.tensor import Tensor


class Observer(Protocol):
    """Someone who sees every op as it happens: the recorder of `compile`, the watcher for NaN."""

    remembers: bool
    """Whether nodes keep their inputs also where no gradient is needed."""

    def resolve(self, x: Any) -> Any:
        """Return what stands for the input `x`: a recorder hands out the latest version of a Tensor."""

    def saw(self, node: Tensor) -> Tensor | None:
        """Look at a node that has just been computed; what is returned, if anything, stands for it."""

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Look at the gradient `d` that `node` has just sent to its input `i`, before it is added there."""

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Object, by raising, to a Tensor being turned into a Python value (`asked` says how)."""


class Onlooker:
    """An observer that changes and refuses nothing, the base of those that look at one thing."""

    remembers: bool = False

    def __init__(self, *, remembers: bool = False) -> None:
        self.remembers = remembers

    def resolve(self, x: Any) -> Any:
        """Return the input itself."""
        return x

    def saw(self, node: Tensor) -> Tensor | None:
        """Look away."""
        return None

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Look away."""

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Allow it."""


class _Mode(threading.local):
    plain: bool = True  # gradients on and nobody looking
    grad_enabled: bool = True
    observer: Observer | None = None
    as_written: bool = False  # compiled functions run as ordinary ones


class Marks(threading.local):
    """What this thread's computations leave behind for readers; unlike the mode, no result depends on it."""

    left: int = 0  # how many Tensors that need a gradient became Python numbers
    latest: tuple[Any, ...] = ()  # weak references to the outputs of the latest backward passes, newest first


class _Special:
    """How many of the blocks below are entered, over all threads: 0 tells a fast call to ask no further."""

    __slots__ = ("lock", "threads")

    def __init__(self) -> None:
        self.threads = 0
        self.lock = threading.Lock()

    def add(self, n: int) -> None:
        with self.lock:
            self.threads += n


mode = _Mode()
marks = Marks()
special = _Special()


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without remembering: inside, results have no inputs and need no gradient.

    >>> import clearprop
    >>> w = clearprop.Tensor(2.0)
    >>> with clearprop.no_grad():
    ...     y = w * 3
    >>> y.requires_grad
    False
    """
    before = mode.grad_enabled
    mode.grad_enabled, mode.plain = False, False
    special.add(1)
    try:
        yield
    finally:
        special.add(-1)
        mode.grad_enabled = before
        mode.plain = before and mode.observer is None


@contextmanager
def enable_grad() -> Iterator[None]:
    """Remember again inside a `no_grad()` block: what `grad(f)` does for the time that `f` runs."""
    before = mode.grad_enabled, mode.plain
    mode.grad_enabled, mode.plain = True, mode.observer is None
    try:
        yield
    finally:
        mode.grad_enabled, mode.plain = before


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Let `observer` see every op that this thread runs inside the block."""
    before = mode.observer
    mode.observer, mode.plain = observer, False
    special.add(1)
    try:
        yield
    finally:
        special.add(-1)
        mode.observer = before
        mode.plain = mode.grad_enabled and before is None


@contextmanager
def as_written() -> Iterator[None]:
    """Let compiled functions run as they are written: what a plan is compared with."""
    before, mode.as_written = mode.as_written, True
    special.add(1)
    try:
        yield
    finally:
        special.add(-1)
        mode.as_written = before
