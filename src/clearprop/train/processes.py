"""Training by several processes: each has its share of every batch, and all have the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from clearprop import nn
from clearprop.data.dataset import each, leaves
from clearprop.errors import InputError, lesson
from clearprop.graph import topological_order
from clearprop.modes import no_grad
from clearprop.nn.functional.norm import together
from clearprop.ops import random
from clearprop.tensor import Tensor
from clearprop.train.evaluation import evaluating
from clearprop.train.step import FixedPlan, applied, rows_of
from clearprop.train.weighting import Weighted, divisible

BUCKET = 2**20  # bytes of gradients that are sent off together
APART = 0x9E3779B97F4A7C15  # a rank's random key: this, as often, added to the first one's


class Processes:
    """What the processes of one `fit` agree on; `world` is their Communicator."""

    asked: bool
    terminated: bool

    def __init__(self, world: Any, model: Any, optimizer: Any, loss: Any) -> None:
        if world is True:
            from clearprop import parallel

            world = parallel.world()
        if not hasattr(world, "meet"):
            hint = "clearprop.parallel.world(), or True for it"
            raise TypeError(lesson("fit(parallel=)", "wants processes", repr(world)[:60], hint=hint))
        self.world: Any = world
        self.model: Any = model
        _check(loss)
        self.asked = self.terminated = False
        self.signals: Any = None
        self.end: float | None = None
        random.set_rng_state(world.share(random.get_rng_state()))
        state = world.share((model.state_dict(), optimizer.state_dict()))
        model.load_state_dict(state[0])
        optimizer.load_state_dict(state[1])

    def began(self, run: Any) -> None:
        """Raise InputError where the processes go on from different places: all read one checkpoint."""
        places = self.world.gather(np.array([[len(run.history), run.step]]))
        if (places != places[0]).any():
            got = ", ".join(f"rank {r} at step {step}" for r, (_, step) in enumerate(places.tolist()))
            hint = "a folder that all machines see"
            raise InputError(
                lesson("fit(resume=, parallel=)", "wants one checkpoint for all", got, hint=hint)
            )

    def measured(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Let the first process measure; all have its numbers, and so decide alike."""
        return self.world.share(measure() if self.world.first else None)  # type: ignore[no-any-return]

    def agree(self, pass_: Any) -> None:
        """After a batch: what one was asked for, all do."""
        if self.end is None:
            self.end, pass_.end = pass_.end, float("inf")
        self.asked, self.terminated, late = self.world.any(
            self.signals.asked, self.signals.terminated, time.monotonic() > self.end
        )
        if late:
            pass_.end = float("-inf")

    def same(self) -> None:
        """Raise RuntimeError where the weights are no longer the same bits everywhere."""
        held = [t._value for t in (*self.model.parameters(), *self.model.buffers())]
        if not self.world.same(*held):
            hint = "the same versions of NumPy and the same kind of processor, or compile=False"
            raise RuntimeError(
                lesson("fit(parallel=)", "the processes have come apart in their weights", hint=hint)
            )

    @contextmanager
    def own_chance(self) -> Iterator[None]:
        """Let each process draw numbers of its own inside the block, as rows of one batch have."""
        shift = np.array([self.world.rank * APART % 2**64, 0], np.uint64)
        random.set_rng_state(random.get_rng_state() + shift)
        try:
            yield
        finally:
            random.set_rng_state(random.get_rng_state() - shift)


class DividedStep:
    """A training step of which each process takes its rows: loss and gradients are the means of theirs.

    A process counts by its share of the rows, or of their weights. Of fewer rows than processes, each takes
    all. With `own` the batches that come are the processes' own rows already, none where it has none left.
    """

    plan: FixedPlan
    processes: Processes
    loss: Any
    own: bool
    rows: int
    """How many rows the last step was of, in all processes together."""

    def __init__(self, plan: FixedPlan, processes: Processes, loss: Any, own: bool = False) -> None:
        self.plan, self.processes, self.loss, self.own = plan, processes, divisible(loss), own
        # Where no row counts the loss is 0, as that of Weighted is, or not a number, as a mean of no rows.
        self.nothing: float = 1.0 if isinstance(loss, Weighted) else float("nan")
        self.checked: bool = False
        self.rows = 0
        self.spare: tuple[Any, ...] = ()

    def __call__(self, x: Any, y: Any) -> Any:
        """Take one step; return the loss of the whole batch before it."""
        return self.together([(x, y)])

    def together(self, batches: Sequence[tuple[Any, Any]]) -> Any:
        """Take one step of the mean loss, by rows, of a few batches; return it."""
        self.processes.world.place += 1
        parts = [self._joined(x, y) if self.own else self._cut(x, y) for x, y in batches]
        self.rows = sum(part.whole for part in parts)
        flat: list[Any] = []
        for part in parts:
            share = np.array([*part.share, part.whole / self.rows])
            # Its shape says how long the whole is: all choose their plans alike, whatever they hold.
            flat += [part.x, part.y, share, np.empty((0, part.whole), np.bool_)]
        return self.plan.of_rows(self.rows, *flat)

    def _cut(self, x: Any, y: Any) -> OwnPart:
        """Return this process's rows of a batch that all processes have."""
        world, rows = self.processes.world, rows_of(x)
        mine = world.mine(rows)
        own = mine.stop - mine.start
        if own == rows:
            return OwnPart(x, y, rows, (1 / world.size, 1.0, 1 / world.size))
        part = each(lambda a: np.asarray(a)[mine], x), each(lambda a: np.asarray(a)[mine], y)
        weight = self._weight(part[1]) / (self._weight(y) or self.nothing)
        found = OwnPart(*part, rows, (own / rows, rows / own, weight))
        if not self.checked:
            self._check(x, y, found)
        return found

    def _joined(self, x: Any, y: Any) -> OwnPart:
        """Return this process's own rows; one that does not count where it has none left."""
        world, own = self.processes.world, rows_of(x)
        counts = np.array([own, self._weight(y) if own else 0.0])
        rows, weight = world.sum(counts).tolist()
        if own:
            self.spare = self.spare or (
                each(lambda a: np.array(a[:1]), x),
                each(lambda a: np.array(a[:1]), y),
            )
        else:
            x, y = self.spare
        share = own / rows, rows / max(own, 1), counts[1] / (weight or self.nothing)
        found = OwnPart(x, y, int(rows), share)
        if not self.checked:
            everything = [part for part in world.collect((x, y) if own else None) if part is not None]
            self._check(joined([x for x, _ in everything]), joined([y for _, y in everything]), found)
        return found

    def _weight(self, y: Any) -> float:
        """Return what some targets count together."""
        return self.loss.whole(y) if isinstance(self.loss, Weighted) else float(rows_of(y))

    def _check(self, x: Any, y: Any, part: OwnPart) -> None:
        """Hold the loss of the first whole batch against the mean of the parts', without dropout."""
        world, model = self.processes.world, self.processes.model
        with evaluating(model), no_grad():
            whole = float(self.loss(applied(model, x), y))
            own = float(self.loss(applied(model, part.x), part.y))
        if not world.same(*leaves(x), *leaves(y)):
            wanted, hint = "wants the same batches in every process", "a DataLoader with a seed"
            raise ValueError(lesson("fit(parallel=)", wanted, f"{world!r} has others", hint=hint))
        mean = float(world.sum(own * part.share[2]))
        if not np.isclose(mean, whole, rtol=1e-3, atol=1e-6, equal_nan=True):
            wanted = "wants a loss that is the mean over rows"
            got = f"{whole:.6g} of a batch, {mean:.6g} as the mean of its parts'"
            raise ValueError(lesson("fit(parallel=)", wanted, got, hint="reduction='mean'"))
        self.checked = True

    def explain(self) -> Any:
        """Return what the step says of itself."""
        return self.plan.explain()

    def state_dict(self) -> dict[str, int]:
        """Return what decides about the next batches."""
        return self.plan.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state."""
        self.plan.load_state_dict(state)


class OwnPart(NamedTuple):
    """A process's rows of a batch: `whole` is how many all have.

    `share` has its share of the rows, how many times as many all have, and its share of the weights.
    """

    x: Any
    y: Any
    whole: int
    share: tuple[float, float, float]


def joined(parts: Sequence[Any]) -> Any:
    """Return the parts of a batch, arrays or tuples of them, as one."""
    if isinstance(parts[0], tuple):
        return tuple(map(joined, zip(*parts, strict=True)))
    return np.concatenate([np.asarray(part) for part in parts])


def _joint(share: Any) -> Callable[[Any], Any]:
    """Return what makes of each process's mean that of all, where this one counts by a share."""
    from clearprop.parallel import all_reduce

    return lambda mean: all_reduce(mean * share.astype(mean.dtype))


def shared_step(model: Any, loss: Any, optimizer: Any, updated: Callable[[], None]) -> Any:
    """Return the lines of a step whose loss and gradients are means over the processes.

    It is called with four things for each batch: inputs, targets, what they count by (see `OwnPart`,
    and the batch's of all rows), and an array whose second axis is as long as the whole batch.
    """
    from clearprop.parallel import all_reduce

    parameters = list(model.parameters())
    loss = divisible(loss)

    def step(*flat: Any) -> Any:
        optimizer.zero_grad()
        on_their_way = Buckets()
        learning = [p for p in parameters if p.requires_grad]
        batches = list(zip(*(flat[i::4] for i in range(4)), strict=True))
        total: Any = 0.0
        for number, (x, y, share, whole) in enumerate(batches, start=1):
            # One row is the whole batch in each process: as without others, it has no spread.
            with together(_joint(share[0]), share[1], whole.shape[1] == 1):
                value = loss(applied(model, x), y)
                value = value * (share[2] * share[3]).astype(value.dtype)
                if number < len(batches):
                    value.backward()
                else:
                    hooks = [p.register_hook(lambda g, p=p: on_their_way.add(p, g)) for p in learning]
                    value.backward(order=leaves_late(value))
            total = value + total if number > 1 else value
        for hook in hooks:
            hook.remove()
        with no_grad():
            on_their_way.arrive(learning)
            updated()
            return all_reduce(total.detach())

    return step


def leaves_late(output: Any) -> list[Any]:
    """Return the nodes that led to an output in an order that has each leaf just before its first user.

    Walked from its end, as the backward pass does, a leaf's turn comes as soon as its gradient is whole.

    >>> from clearprop import Tensor
    >>> a, b, c = (Tensor(2.0, name=name) for name in "abc")
    >>> [t.name or t.op.name for t in leaves_late(a * b + c)]
    ['a', 'b', 'multiply', 'c', 'add']
    """
    order: dict[Any, None] = {}
    for node in topological_order(output, tracked=True):
        if node.op is not None or node is output:
            order |= dict.fromkeys(x for x in node.inputs if isinstance(x, Tensor) and x.requires_grad)
            order[node] = None
    return list(order)


class Buckets:
    """Gradients that are summed over the processes in pieces of a megabyte, each sent off once it is full.

    The backward pass goes on meanwhile: the last layers' gradients are on their way while it is at the first.
    """

    def __init__(self) -> None:
        self.filling: dict[Any, list[tuple[Any, Any]]] = {}
        self.begun: list[tuple[Any, Any, list[Any]]] = []
        self.added: set[Any] = set()

    def add(self, p: Any, g: Any) -> None:
        """Take a parameter's gradient of the last batch of a step: those of the others are in `p.grad`."""
        self.added.add(p)
        bucket = self.filling.setdefault(p.dtype, [])
        bucket.append((p, g if p.grad is None else p.grad + g))
        if sum(held.size for held, _ in bucket) * p.dtype.itemsize >= BUCKET:
            self._begin(p.dtype)

    def _begin(self, dtype: Any) -> None:
        from clearprop.parallel import begin_all_reduce

        bucket = self.filling.pop(dtype)
        with no_grad():
            joined = np.concatenate([np.reshape(g, (-1,)) for _, g in bucket])
            self.begun.append((begin_all_reduce(joined), joined, [p for p, _ in bucket]))

    def arrive(self, parameters: Sequence[Any]) -> None:
        """Give each parameter the sum of all processes' gradients."""
        from clearprop.parallel import finish_all_reduce

        for p in parameters:  # of which the last batch made no use
            if p.grad is not None and p not in self.added:
                self.filling.setdefault(p.dtype, []).append((p, p.grad))
        for dtype in list(self.filling):
            self._begin(dtype)
        for ticket, joined, some in self.begun:
            whole, start = finish_all_reduce(ticket, joined), 0
            for p in some:
                p.grad, start = np.reshape(whole[start : start + p.size], p.shape), start + p.size


def _check(loss: Any) -> None:
    """Complain about what is no mean over rows."""
    reduction = "mean" if isinstance(loss, Weighted) else getattr(loss, "reduction", "mean")
    loss = loss.loss if isinstance(loss, Weighted) else loss
    loss = getattr(loss, "loss", loss)  # of each member of several
    entries = None if isinstance(loss, nn.NLLLoss) else getattr(loss, "weight", None)
    if entries is not None or reduction != "mean":
        got = f"{loss!r:.80}" + " with weights of entries" * (entries is not None)
        hint = "sample_weight=, or reduction='mean'"
        raise ValueError(lesson("fit(parallel=)", "wants a loss that is the mean over rows", got, hint=hint))
