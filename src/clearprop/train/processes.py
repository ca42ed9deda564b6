"""Training by several processes: each has its share of every batch, and all have the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from clearprop.data.dataset import each, leaves
from clearprop.errors import InputError, lesson
from clearprop.graph import topological_order
from clearprop.modes import no_grad
from clearprop.nn.functional.norm import together
from clearprop.ops import random
from clearprop.tensor import Tensor
from clearprop.train.evaluation import evaluating
from clearprop.train.step import FixedPlan, applied, rows_of
from clearprop.train.weighting import Weighted

BUCKET = 2**20  # bytes of gradients that are sent off together
APART = 0x9E3779B97F4A7C15  # a rank's random key: this, as often, added to the first one's


class Processes:
    """What the processes of one `fit` agree on; `world` is their Communicator."""

    asked: bool
    terminated: bool

    def __init__(self, world: Any, model: Any, optimizer: Any, loss: Any, accumulate: int) -> None:
        if world is True:
            from clearprop import parallel

            world = parallel.world()
        if not hasattr(world, "meet"):
            hint = "clearprop.parallel.world(), or True for it"
            raise TypeError(lesson("fit(parallel=)", "wants processes", repr(world)[:60], hint=hint))
        self.world: Any = world
        self.model: Any = model
        _check(loss, accumulate)
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

    A process counts by its share of the rows. Of fewer rows than processes, each takes all.
    """

    plan: FixedPlan
    processes: Processes
    loss: Any

    def __init__(self, plan: FixedPlan, processes: Processes, loss: Any) -> None:
        self.plan, self.processes, self.loss = plan, processes, loss
        self.checked: bool = False

    def __call__(self, x: Any, y: Any) -> Any:
        """Take one step; return the loss of the whole batch before it."""
        world, rows = self.processes.world, rows_of(x)
        world.place += 1
        mine = world.mine(rows)
        is_cut = mine.stop - mine.start < rows
        _check_targets(self.loss, y)
        if is_cut and not self.checked:
            self._check(x, y, mine)
        part = each(lambda a: np.asarray(a)[mine], x), each(lambda a: np.asarray(a)[mine], y)
        own = mine.stop - mine.start
        share = np.array([own / rows if is_cut else 1 / world.size, rows / own])
        # Its shape says how long the whole is: all processes choose their plans alike, whatever their parts.
        return self.plan.of_rows(rows, *part, share, np.empty((0, rows), np.bool_))

    def _check(self, x: Any, y: Any, mine: slice) -> None:
        """Hold the loss of the first whole batch against the mean of the parts', without dropout."""
        world, model = self.processes.world, self.processes.model
        with evaluating(model), no_grad():
            whole = float(self.loss(applied(model, x), y))
            parts = each(lambda a: np.asarray(a)[mine], x), each(lambda a: np.asarray(a)[mine], y)
            part = float(self.loss(applied(model, parts[0]), parts[1]))
        if not world.same(*leaves(x), *leaves(y)):
            wanted, hint = "wants the same batches in every process", "a DataLoader with a seed"
            raise ValueError(lesson("fit(parallel=)", wanted, f"{world!r} has others", hint=hint))
        mean = float(world.sum(part * (mine.stop - mine.start) / rows_of(x)))
        if not np.isclose(mean, whole, rtol=1e-3, atol=1e-6, equal_nan=True):
            wanted = "wants a loss that is the mean over rows"
            got = f"{whole:.6g} of a batch, {mean:.6g} as the mean of its parts'"
            raise ValueError(lesson("fit(parallel=)", wanted, got, hint="reduction='mean', without weights"))
        self.checked = True

    def together(self, batches: Sequence[tuple[Any, Any]]) -> Any:
        """Take one step for the only batch: several at a time are refused before."""
        return self(*batches[0])

    def explain(self) -> Any:
        """Return what the step says of itself."""
        return self.plan.explain()

    def state_dict(self) -> dict[str, int]:
        """Return what decides about the next batches."""
        return self.plan.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state."""
        self.plan.load_state_dict(state)


def shared_step(model: Any, loss: Any, optimizer: Any, updated: Callable[[], None]) -> Any:
    """Return the lines of a step whose loss and gradients are means over the processes."""
    from clearprop.parallel import all_reduce

    parameters = list(model.parameters())

    def step(x: Any, y: Any, share: Any, whole: Any) -> Any:
        optimizer.zero_grad()
        on_their_way = Buckets()
        learning = [p for p in parameters if p.requires_grad]
        hooks = [p.register_hook(lambda g, p=p: on_their_way.add(p, g)) for p in learning]
        # One row is the whole batch in each process: as without others, it has no spread.
        with together(
            lambda mean: all_reduce(mean * share[0].astype(mean.dtype)), share[1], whole.shape[1] == 1
        ):
            value = loss(applied(model, x), y)
            value = value * share[0].astype(value.dtype)
            value.backward(order=leaves_late(value))
        for hook in hooks:
            hook.remove()
        with no_grad():
            on_their_way.arrive()
            updated()
            return all_reduce(value.detach())

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

    def add(self, p: Any, g: Any) -> None:
        """Take a parameter's whole gradient."""
        bucket = self.filling.setdefault(p.dtype, [])
        bucket.append((p, g))
        if sum(held.size for held, _ in bucket) * p.dtype.itemsize >= BUCKET:
            self._begin(p.dtype)

    def _begin(self, dtype: Any) -> None:
        from clearprop.parallel import begin_all_reduce

        bucket = self.filling.pop(dtype)
        with no_grad():
            joined = np.concatenate([np.reshape(g, (-1,)) for _, g in bucket])
            self.begun.append((begin_all_reduce(joined), joined, [p for p, _ in bucket]))

    def arrive(self) -> None:
        """Give each parameter the sum of all processes' gradients."""
        from clearprop.parallel import finish_all_reduce

        for dtype in list(self.filling):
            self._begin(dtype)
        for ticket, joined, some in self.begun:
            whole, start = finish_all_reduce(ticket, joined), 0
            for p in some:
                p.grad, start = np.reshape(whole[start : start + p.size], p.shape), start + p.size


def _check(loss: Any, accumulate: int) -> None:
    """Complain about what is no mean over rows."""
    called = "fit(parallel=)"
    loss = loss if isinstance(loss, Weighted) else getattr(loss, "loss", loss)  # of each member of several
    if isinstance(loss, Weighted):
        wanted = "has no weights of rows or classes: parts of a batch would weigh differently"
        raise ValueError(lesson(called, wanted, f"{loss!r}"[:80], hint="fit without parallel="))
    weighted = getattr(loss, "weight", None) is not None or getattr(loss, "pos_weight", None) is not None
    if getattr(loss, "reduction", "mean") != "mean" or weighted:
        got = f"{loss!r:.80}" + " with weights" * weighted
        raise ValueError(lesson(called, "wants a loss that is the mean over rows", got))
    if accumulate != 1:
        hint = "a larger batch_size, of which each process has a part"
        raise ValueError(
            lesson(called, "takes one batch for each step", f"accumulate={accumulate}", hint=hint)
        )


def _check_targets(loss: Any, y: Any) -> None:
    """Complain about rows that the loss leaves out: the parts of a batch would weigh differently."""
    left_out = getattr(loss, "ignore_index", None)
    if left_out is not None and isinstance(y, np.ndarray) and y.dtype.kind in "iu" and (y == left_out).any():
        got = f"targets that are ignore_index={left_out}"
        raise ValueError(lesson("fit(parallel=)", "wants a loss that is the mean over rows", got))
