"""What may be different while ops run: gradients switched off, or an observer looking on.

It is different inside a `with` block, for the thread or asyncio task that entered it, as with `np.errstate`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from clearprop.errors import lesson
from clearprop.locks import lock

if TYPE_CHECKING:
    from clearprop.tensor import Tensor


class Observer:
    """Someone who sees every op as it happens: the recorder of `compile`, the watcher for NaN.

    All that an observer may be asked is here, with the answer of one that changes and refuses nothing.

    - `remembers`: whether nodes keep their inputs also where no gradient is needed;
    - `follows`: whether it is told of every gradient that a node sends (`sent`), each by itself;
    - `records`: whether a step is being written down, to be run again: then arrays are Tensors that stand for
      them, and an assignment is an output of the step;
    - `answers`: whether leaves may have other values for it than their own, so that `read` is asked;
    - `unrolls`: whether loops are run for it turn by turn, since it looks at single ops;
    - `rolls`: whether layers walk a sequence by `scan`, since the plan of a turn is for any length;
    - `repeats`: whether it writes down one turn of a loop for all: what counts outside would count once;
    - `whole`: whether an attention is one formula however long it is, since it looks at the formula;
    - `batches`: the `vmap`s that the call is inside of, the outermost first.
    """

    remembers: bool = False
    follows: bool = False
    records: bool = False
    answers: bool = False
    unrolls: bool = False
    rolls: bool = False
    repeats: bool = False
    whole: bool = False
    batches: tuple[Any, ...] = ()

    def __init__(self, *, remembers: bool | None = None) -> None:
        if remembers is not None:
            self.remembers = remembers

    # --- what everybody sees --------------------------------------------------------------------------------
    def resolve(self, x: Any) -> Any:
        """Return what stands for the input `x`: a recorder hands out the latest version of a Tensor."""
        return x

    def instead(self, op: Any, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Return a result of one's own in place of what the op would compute, or None."""
        return None

    def saw(self, node: Tensor) -> Tensor | None:
        """Look at a node that has just been computed; what is returned, if anything, stands for it."""
        return None

    def line_of(self, node: Tensor) -> str:
        """Return the user's line on which a node was computed, where lines are kept."""
        return ""

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Look at the gradient `d` that `node` has just sent to its input `i`, before it is added there."""

    def received(self, nodes: list[Tensor]) -> None:
        """Look at nodes whose gradients are Tensors now and would be arrays if nobody remembered."""

    def finished(self, output: Tensor, nodes: list[Tensor]) -> None:
        """Look at a backward pass that has ended."""

    def chose(self, decided: Any, yes: list[Any], no: list[Any], chosen: list[Any]) -> None:
        """Look at the results of two branches, and what `np.where` has chosen of them."""

    def attended(self, given: tuple[Any, ...], scale: float, causal: bool, result: Any) -> None:
        """Look at an attention of (queries, keys, values, mask or None) without dropout."""

    def python_value(self, tensor: Tensor, asked: str) -> None:
        """Object, by raising, to a Tensor being turned into a Python value (`asked` says how)."""

    def awaits(self, tensor: Tensor | None = None) -> bool:
        """Tell whether what runs without a graph now will run for a gradient, and that pass `tensor`."""
        return False

    def passes(self, x: Tensor) -> None:
        """Note a Tensor that a gradient will pass through, made without an op."""

    # --- what a recorder is told and asked ------------------------------------------------------------------
    def made(self, leaf: Tensor, of: Tensor | None) -> None:
        """Note a new leaf, and of which one it is a copy."""

    def renamed(self, x: Tensor, of: Tensor) -> None:
        """Note that a Tensor holds from now on what another holds."""

    def array_of(self, value: Any, requires_grad: bool | None) -> Any:
        """Return the array of a leaf that is made of `value`."""
        return value

    def read(self, leaf: Tensor) -> Any:
        """Return what a formula is to compute with for the value of a leaf."""
        return self.resolve(leaf)

    def number(self, leaf: Tensor) -> Any:
        """Return what stands for the float that a leaf without axes holds: the float, unless a step is
        written down.
        """
        return self.resolve(leaf) if self.records else float(leaf._value)

    def assigned(self, leaf: Tensor, new: Any) -> bool | None:
        """Note that a leaf is about to be given a new value; True keeps it from the leaf."""
        return None

    def copied(self, x: Any) -> Any:
        """Return an array of its own with the entries of `x`."""
        return x

    def stored_under(self, x: Tensor, mask: Any, value: Any) -> Any:
        """Return `x` after `x[mask] = value`, of as many values as the mask picks; None for anything else."""
        return None

    def uses(self, thing: Any) -> None:
        """Note that `thing.structure()` decides what is being computed."""

    def seen(self, array: Any) -> Any:
        """Return what stands for an array that the step reaches by name."""
        return array

    def stands_for_array(self, x: Tensor) -> bool:
        """Tell whether an eager run has an array where this one has a Tensor."""
        return False

    def alone(self, x: Tensor) -> bool:
        """Tell whether nothing else that lives has the memory of what stands for an array."""
        return False

    def sealed(self, x: Any) -> Any:
        """Return what stands for an array, which nobody may write into from now on."""
        return x

    def given_as(self, x: Tensor, tensor: bool) -> Tensor:
        """Return `x` as what an eager run has there: a Tensor, or else an array."""
        return x

    def missed(self, error: Exception) -> None:
        """Note what a call of the written step raises: what this run computes is not the function's value."""

    def refuse(self, wanted: str, got: str = "", hint: str = "") -> Exception:
        """Return the error to be raised where the step cannot be written down."""
        return RuntimeError(lesson("a recorded step", wanted, got, "", hint))


class ModeState(NamedTuple):
    """How things are inside a block, and how they are around it."""

    block: Block
    outer: ModeState | None
    grad_enabled: bool = True
    observer: Observer | None = None
    as_written: bool = False

    def without(self, block: Block) -> ModeState | None:
        """Return the state after `block` has ended: usually the innermost, unless a generator held it."""
        if self.block is block or self.outer is None:
            return self.outer if self.block is block else self
        return self._replace(outer=self.outer.without(block))


_state: ContextVar[ModeState | None] = ContextVar("clearprop_modes", default=None)
current: Callable[..., Any] = _state.get
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
    def recorder(self) -> Observer | None:
        """Who writes down a step that is to be run again, if anybody."""
        seer = self.observer
        return seer if seer is not None and seer.records else None

    @property
    def as_written(self) -> bool:
        """Whether compiled functions run as ordinary ones."""
        now = current()
        return now is not None and now.as_written


class Marks(threading.local):
    """What this thread's computations leave behind for readers; unlike the mode, no result depends on it."""

    left: int = 0  # how many Tensors that need a gradient became Python numbers
    latest: tuple[Any, ...] = ()  # weak references to the outputs of the latest backward passes, newest first
    lent: tuple[dict[Any, Any], ...] = ()  # Tensors that Modules hold in the place of their own, by these
    stood: dict[int, Any] | None = None  # whose places these are that they hold, by id()
    stored: tuple[Any, ...] = ()  # what statements like `self.y += x` have put another in the place of
    replaced: str = ""  # where a leaf that holds a gradient was last computed with under `no_grad()`


class _Special:
    """How many `blocks` are entered, over all threads: 0 tells a fast call to ask no further.

    `proofs` counts the threads that prove a compiled step, in which its Tensors hold older values meanwhile.
    `complexes` is whether a complex number was ever seen: until then no gradient asks for one.
    """

    __slots__ = ("blocks", "complexes", "lock", "proofs")
    proofs: int
    blocks: int

    def __init__(self) -> None:
        self.blocks = self.proofs = 0
        self.complexes: bool = False
        self.lock: Any = lock()

    def add(self, n: int) -> None:
        """Count blocks that begin, or with -1 one that ends."""
        with self.lock:
            self.blocks += n


mode: _Mode = _Mode()
marks: Marks = Marks()
special: _Special = _Special()


def switched_off_by() -> Block | None:
    """Return the innermost block in which results remember nothing, if there is one."""
    now = current()
    while now is not None and now.block.changes.get("grad_enabled", True):
        now = now.outer
    return None if now is None else now.block


def made(leaf: Tensor, of: Tensor | None = None) -> None:
    """Tell the observer, if there is one, of a new leaf, and of which one it is a copy."""
    observer = mode.observer
    if observer is not None:
        observer.made(leaf, of)


class Block(ContextDecorator):
    """A `with` block in which something is different: gradients on or off, somebody who looks on.

    It holds nothing of the time that it is entered, so it may be entered again, by several threads too.
    """

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        self.outermost: ModeState = ModeState(self, None, **changes)

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


def observed(observer: Observer | None) -> Block:
    """Let `observer` see every op that this thread runs inside the block; None, let nobody."""
    return Block(observer=observer)


def as_written() -> Block:
    """Let compiled functions run as they are written: what a plan is compared with."""
    return Block(as_written=True)
