"""The memory that a tensor and its views share: a Tensor of the core, replaced when somebody writes.

The core's values never change, PyTorch's do. A `Cell` makes the one out of the other: it holds the latest
value, a view is a list of steps from there (slices, turned axes, another shape), and a write through a view
makes a new value for the whole cell, by an op, so that gradients pass through writes as they should.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from clearprop import modes, record, tensor
from clearprop.errors import lesson
from clearprop.op import Op, leaf_of
from clearprop.registry import ops

Step = Callable[[Any], Any]

rewritten: Op = Op("rewritten", lambda x, new: np.positive(new), (lambda g, z, x, new: g, None), arity=2)
"""`new`, with the gradient of x: what was computed, after a write that gradients do not see."""


class Cell:
    """One piece of memory: `node` is its latest value, `outside` an array of NumPy's that it shares."""

    __slots__ = ("__weakref__", "grad", "node", "outside", "owned")
    outside: Any
    node: Any

    def __init__(self, node: tensor.Tensor, outside: Any = None, owned: bool = False) -> None:
        self.node, self.outside = node, outside
        self.owned: bool = owned  # by a module, which knows this very node
        self.grad: Any = None  # the tensor that was handed out as the leaf's gradient

    def write(self, new: tensor.Tensor, hidden: bool = False) -> None:
        """Hold a new value of the same shape and dtype from now on; `hidden` from gradients or not."""
        node = self.node
        if self.outside is not None:
            if new.requires_grad:
                wanted = "a gradient cannot pass through memory that NumPy shares"
                raise RuntimeError(lesson("t[...] = v", wanted, hint="t = t.clone() before it is written to"))
            np.copyto(self.outside, new._value)
        elif self.owned and new.requires_grad:
            wanted = "would make a parameter or buffer of a module a part of the graph"
            raise RuntimeError(lesson("t[...] = v", wanted, hint="v.detach()"))
        elif node.op is not None and node.requires_grad and not new.requires_grad:
            nowhere = np.zeros(node.shape, np.bool_)
            self.node = rewritten(node, new) if hidden else ops["where"](nowhere, node, new)
        elif self.owned or (node.requires_grad and not new.requires_grad):
            record.assign(node, new)
        else:
            self.node = new


OWNED: WeakValueDictionary[int, Cell] = WeakValueDictionary()
"""The memory of leaves that modules own, by their identity."""


def cell_of(node: tensor.Tensor) -> Cell:
    """Return the memory of a leaf that a module owns, the same for all who look at it."""
    known = OWNED.get(id(node))
    if known is None or known.node is not node:
        known = OWNED[id(node)] = Cell(node, owned=True)
    return known


def parted(cell: Cell) -> Cell:
    """Return other memory for the leaf of a cell, which keeps its numbers, and whose views keep gradients."""
    node, old = cell.node, leaf(np.array(cell.node._value))
    found = Cell(node, owned=cell.owned)
    found.grad = cell.grad
    if cell.owned:
        OWNED[id(node)] = found
    with modes.enable_grad():
        cell.node = rewritten(node, old) if node.requires_grad else old
    cell.owned, cell.grad = False, None
    return found


class GradCell(Cell):
    """The memory of a leaf's gradient: what is written here the optimizer sees."""

    __slots__ = ("held", "owner")

    def __init__(self, owner: tensor.Tensor) -> None:
        self.owner: tensor.Tensor = owner
        super().__init__(leaf(0.0))
        self.follow()
        LIVE.add(self)

    def follow(self) -> None:
        """Take what the leaf has for its gradient now."""
        self.held: Any = self.owner.grad
        self.node: Any = self.held if isinstance(self.held, tensor.Tensor) else leaf(self.held)

    def write(self, new: tensor.Tensor, hidden: bool = False) -> None:
        """Hold a new value, as the leaf's gradient too, if it is this one still."""
        still = self.owner.grad is self.held
        self.node = new
        if still:
            self.held = self.owner.grad = new if new.requires_grad else new._value


LIVE: WeakSet[GradCell] = WeakSet()


class following:
    """A block in which gradients change: who holds one sees the new numbers, as in PyTorch."""

    cells: list[GradCell]

    def __enter__(self) -> None:
        self.cells = [cell for cell in LIVE if cell.owner.grad is cell.held and cell.held is not None]

    def __exit__(self, *error: object) -> None:
        for cell in self.cells:
            if cell.owner.grad is not None:
                cell.follow()


def leaf(value: Any) -> tensor.Tensor:
    """Return a Tensor of the core that shares the array and needs no gradient."""
    held = value[()] if isinstance(value, np.ndarray) and not value.ndim else value
    if not modes.special.blocks or modes.mode.observer is None:
        return leaf_of(held)
    node = tensor.Tensor(0.0, requires_grad=False)  # of which whoever looks on is told
    node._value = held
    return node


def places(shape: tuple[int, ...], steps: tuple[Step, ...]) -> Any:
    """Return, for each entry of a view, its number in the whole."""
    found: Any = np.arange(int(np.prod(shape))).reshape(shape)
    for step in steps:
        found = step(found)
    return np.asarray(found)


def viewable(shape: tuple[int, ...], steps: tuple[Step, ...], new: tuple[int, ...]) -> bool:
    """Tell whether a view can have another shape without a copy."""
    whole = probe = np.empty(shape, np.bool_)  # no entry of it is ever touched
    for step in steps:
        probe = np.asarray(step(probe))
    return not probe.size or np.may_share_memory(np.reshape(probe, new), whole)


def put(base: tensor.Tensor, index: Any, new: tensor.Tensor) -> tensor.Tensor:
    """Return `base` with `new` at the entries whose numbers are `index`, of the same shape; the last wins."""
    flat = index.reshape(-1)
    if not (base.requires_grad or new.requires_grad) and modes.mode.observer is None:
        whole = np.array(base._value).reshape(-1)
        whole[flat] = np.reshape(new._value, -1)
        return leaf(whole.reshape(base.shape))
    if not flat.size:
        return base
    source = np.full(base.size, -1)  # for each entry of the whole, the entry of `new` that it becomes
    source[flat] = np.arange(flat.size)
    source = source.reshape(base.shape)
    spread: Any = ops["reshape"](new, (-1,))
    chosen: Any = ops["where"](source >= 0, spread[np.maximum(source, 0)], base)
    return chosen


def once(index: Any) -> bool:
    """Tell whether no entry of the whole appears twice in a view."""
    flat = index.reshape(-1)
    return bool(np.unique(flat).size == flat.size)
