"""What may be different while ops run: gradients switched off, or an observer looking on.

It is different inside a `with` block, for the thread or asyncio task that entered it, as with `np.errstate`.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from clearprop.tensor import Tensor


class Observer(Protocol):
    """Someone who sees every op as it happens: the recorder of `compile`, the watcher for NaN."""

    remembers: bool
    """Whether nodes keep their inputs also where no gradient is needed."""

    def resolve(self, x: Any) -> Any:
        """Return what stands for the input `x`: a recorder hands out the latest version of a Tensor."""

    def instead(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Return a result of one's own in place of what the op would compute, or None."""

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

    def instead(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Let the op compute."""
        return None

    def saw(self, node: Tensor) -> Tensor | None:
        """Look away."""
        return None

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Look away."""

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Allow it."""


class State(NamedTuple):
    """How things are inside a block, and how they are around it."""

    block: Block
    outer: State | None
    grad_enabled: bool = True
    observer: Observer | None = None
    as_written: bool = False

    def without(self, block: Block) -> State | None:
        """Return the state after `block` has ended: usually the innermost, unless a generator held it."""
        if self.block is block or self.outer is None:
            return self.outer if self.block is block else self
        return self._replace(outer=self.outer.without(block))


_state: ContextVar[State | None] = ContextVar("clearprop_modes", default=None)
current = _state.get
"""Return the state of the innermost block, None outside of all.

It costs a tenth of what a `threading.local` costs, and an op asks only where `special.blocks` is not 0.
"""


class _Mode:
    """The state in words."""

    __slots__ = ()

    @property
    def grad_enabled(self) -> bool:
        """Whether results remember how they were computed."""
        now = current()
        return now is None or now.grad_enabled

    @property
    def observer(self) -> Observer | None:
        """Who sees every op, if anybody."""
        now = current()
        return None if now is None else now.observer

    @property
    def as_written(self) -> bool:
        """Whether compiled functions run as ordinary ones."""
        now = current()
        return now is not None and now.as_written


class Marks(threading.local):
    """What this thread's computations leave behind for readers; unlike the mode, no result depends on it."""

    left: int = 0  # how many Tensors that need a gradient became Python numbers
    latest: tuple[Any, ...] = ()  # weak references to the outputs of the latest backward passes, newest first
    replaced: str = ""  # where a leaf that holds a gradient was last computed with under `no_grad()`


class _Special:
    """How many `blocks` are entered, over all threads: 0 tells a fast call to ask no further.

    `proofs` counts the threads that prove a compiled step, in which its Tensors hold older values meanwhile.
    """

    __slots__ = ("blocks", "lock", "proofs")

    def __init__(self) -> None:
        self.blocks = self.proofs = 0
        self.lock = threading.Lock()

    def add(self, n: int) -> None:
        """Count blocks that begin, or with -1 one that ends."""
        with self.lock:
            self.blocks += n


mode = _Mode()
marks = Marks()
special = _Special()


def made(leaf: Tensor, of: Tensor | None = None) -> None:
    """Tell the observer, if it wants to know, of a new leaf, and of which one it is a copy."""
    hears = getattr(mode.observer, "made", None)
    if hears is not None:
        hears(leaf, of)


class Block(ContextDecorator):
    """A `with` block in which something is different: gradients on or off, somebody who looks on.

    It holds nothing of the time that it is entered, so it may be entered again, by several threads too.
    """

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.outermost = State(self, None, **changes)

    def __enter__(self) -> None:
        outer = current()
        inner = self.outermost if outer is None else outer._replace(block=self, outer=outer, **self.changes)
        _state.set(inner)
        special.add(1)

    def __exit__(self, *error: object) -> None:
        special.add(-1)
        now = current()
        if now is not None:
            _state.set(now.outer if now.block is self else now.without(self))


_without_gradients = Block(grad_enabled=False)
_with_gradients = Block(grad_enabled=True)


def no_grad() -> Block:
    """Compute without remembering: inside, results have no inputs and need no gradient.

    It is for one thread (or asyncio task): others neither change nor become slower. Also a decorator.

    >>> import clearprop
    >>> w = clearprop.Tensor(2.0)
    >>> with clearprop.no_grad():
    ...     y = w * 3
    >>> y.requires_grad
    False
    """
    return _without_gradients


def enable_grad() -> Block:
    """Remember again inside a `no_grad()` block: what `grad(f)` does for the time that `f` runs."""
    return _with_gradients


def forgets() -> bool:
    """Whether results remember nothing and nobody looks on: a formula may compute with the arrays alone."""
    now = current() if special.blocks else None
    return now is not None and not now.grad_enabled and now.observer is None


def observed(observer: Observer) -> Block:
    """Let `observer` see every op that this thread runs inside the block."""
    return Block(observer=observer)


def as_written() -> Block:
    """Let compiled functions run as they are written: what a plan is compared with."""
    return Block(as_written=True)
