"""`prove`: now and then a call runs the function too, from the same state, and the plan must agree with it.

A recording cannot see everything that a function looks at. So the second, third, fifth, ninth, 17th ... call
of each plan proves it: the plan runs first, then the Tensors get back what they held and the function runs as
it is written. What both gave and left behind is compared. Where they agree, the plan's arrays stay, the very
objects: no bit depends on proving.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.capture.culprits import (
    BUFFERS,
    changes,
    checksum,
    likely_lines,
    picture,
    tensor_names,
)
from clearprop.compiler.capture.guard import Lookout
from clearprop.compiler.capture.openly import entries, is_a
from clearprop.compiler.capture.reading import standing
from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.capture.store import Changed
from clearprop.compiler.capture.tree import objects
from clearprop.compiler.program.ir import Value
from clearprop.compiler.proof.sides import Different, Held, Pair, results, states
from clearprop.compiler.proof.tolerance import FEW, Replays, roundings, surely_close
from clearprop.compiler.proof.verify import VerificationError
from clearprop.errors import GradientError, RerunError, first_line, lesson
from clearprop.modes import as_written, special
from clearprop.tensor import Tensor, raw

if TYPE_CHECKING:
    from clearprop.compiler.capture.recording import Recording
    from clearprop.compiler.capture.store import Store
    from clearprop.compiler.capture.variant import Variant
    from clearprop.compiler.step import CompiledStep

SCHEDULES = ("geometric", "always", "never")
DEFAULT = "geometric"
NEVER = 1 << 62


class ProofError(RecordingError):
    """A compiled step that does not do what its function does: what differs, and what it may come from."""


class ProofWarning(RuntimeWarning):
    """A compiled step that was found not to do what its function does, and goes on with the function."""


def turns_left(schedule: str, proofs: int) -> int:
    """Return how many calls run unproved after so many proofs, before the next one.

    >>> call, proved = 1, []
    >>> for proofs in range(6):
    ...     call += turns_left("geometric", proofs) + 1
    ...     proved.append(call)
    >>> proved
    [2, 3, 5, 9, 17, 33]
    """
    if schedule == "never":
        return NEVER
    return (1 << max(0, proofs - 1)) - 1 if schedule == "geometric" else 0


@dataclass
class Call:
    """What one call of a step was given, and what it finds there by name."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    arrays: tuple[Any, ...]
    tensors: dict[int, Tensor]
    key: Any


@dataclass
class Outcome:
    """What one run gave: its result or its error, what the Tensors hold then, and what else has changed."""

    result: Any = None
    error: Exception | None = None
    held: list[Held] = field(default_factory=list)
    outputs: tuple[Any, ...] = ()
    trouble: Different | None = None


def proved(step: CompiledStep[Any, Any], variant: Variant, call: Call) -> Any:
    """Run the plan and the function from the same state; return the plan's result where they agree.

    Raises ProofError where they do not, with the Tensors as before the call; with `fallback` it returns what
    the function gives, and the plan is given up.
    """
    began = time.perf_counter()
    with _alone(step, variant):
        proof = Proof(step, variant, call)
        plan = proof.of_plan()
        if isinstance(plan.error, RerunError):  # it has assigned nothing, and the function is run anyway
            raise plan.error
        try:
            eager = proof.of_function()
            found = proof.difference(eager, plan)
        except BaseException as stopped:
            proof.put(plan.held)
            if isinstance(stopped, MemoryError) and plan.error is None:
                return plan.result  # there is room for the plan, but not for the function beside it
            raise
        if found is None:
            proof.put(plan.held)
            if plan.error is None:
                variant.proofs += 1
                variant.recording.turn[0] = -turns_left(step.prove, variant.proofs)
            step.proofs += 1
            step.proving += time.perf_counter() - began
            if plan.error is not None:
                raise plan.error
            return plan.result
        return proof.answer(eager, plan, found)


@contextmanager
def _alone(step: CompiledStep[Any, Any], variant: Variant) -> Iterator[None]:
    """Let no other thread run the step meanwhile: the Tensors hold what they held before, for a time."""
    with step.lock, ExitStack() as held:
        if variant.tables is not None and variant.tables.known:
            held.enter_context(standing)  # nor record another with something in their place
        for variant in [v for variants in step.plans.values() for v in variants]:
            held.enter_context(variant.recording.lock)
        step.alone += 1
        with special.lock:
            special.proofs += 1  # quick calls come to the ordinary one, which waits
        try:
            yield
        finally:
            with special.lock:
                special.proofs -= 1
            step.alone -= 1


class Proof:
    """One call, run twice from the state that it finds.

    Nothing here holds the array of a Tensor while the plan runs: the plan would count a holder and move.
    """

    step: Any
    variant: Variant
    call: Call
    recording: Recording
    store: Store

    def __init__(self, step: CompiledStep[Any, Any], variant: Variant, call: Call) -> None:
        self.step, self.variant, self.call = step, variant, call
        self.recording, self.store = variant.recording, variant.recording.store
        self.store.stand_ins = call.tensors
        self.passed: list[Any] = objects((call.args, call.kwargs))
        self.watch: Lookout | None = self._lookout()
        around = self.watch.around
        mine = [*self.store.slots, *(v.data for v in self.store.numbers), *self.store.assigned]
        mine += self.recording.cleared
        found = [*around.leaves, *variant.guard.leaves, *call.tensors.values()]
        found += map(self.store.tensor, mine)
        self.tensors: list[Tensor] = list({id(t): t for t in found}.values())
        self.reached: set[int] = {id(t) for t in (*around.leaves, *call.tensors.values())}
        self.before: list[tuple[Any, Any]] = [(_copy(t._value), _copy(t.grad)) for t in self.tensors]
        given = list(_buffers((call.args, call.kwargs)))
        self.buffers: list[Any] = [*given, *(b for b in around.buffers if not any(b is g for g in given))]
        self.given: int = len(given)
        self.sums: list[int] = self._sums(self.watch)
        self.names: list[str] = [""] * len(self.tensors)
        self.forgotten: set[int] = set()  # places of Tensors that only the recording knows

    def _lookout(self) -> Lookout:
        """Return what looks at all within reach: that of the last proof, if nothing else is there now."""
        last, self.variant.watch = self.variant.watch, None
        if last is None or not last.again(self.passed):
            last = Lookout(self.step.function, self.passed, tables=self.variant.tables)
        return last

    def _sums(self, watch: Lookout) -> list[int]:
        known = dict(zip(map(id, watch.around.buffers), watch.sums, strict=True))
        return [known[id(x)] if id(x) in known else checksum(x) for x in self.buffers]

    def put(self, held: list[Held]) -> None:
        """Let the Tensors hold these objects."""
        for t, (value, grad) in zip(self.tensors, held, strict=True):
            t._value, t.grad = value, grad

    def put_back(self) -> None:
        """Let the Tensors hold what they held before the call, gradients in arrays of their own.

        The function may change a gradient in place; an array that a Tensor holds is never overwritten by it.
        """
        self.put([(value, _copy(grad)) for value, grad in self.before])

    def _held(self) -> list[Held]:
        return [(t._value, t.grad) for t in self.tensors]

    # --- the two runs ---------------------------------------------------------------------------------------
    def of_plan(self) -> Outcome:
        """Run the plan on the Tensors themselves; raises Changed where the call needs another plan."""
        call, found = self.call, Outcome()
        try:
            found.outputs = self.step.outputs(self.variant, call.arrays, call.tensors)
            found.result = self.variant.tree(found.outputs, call.args, call.kwargs)
        except (Changed, VerificationError):
            raise
        except Exception as error:  # whatever it is: the function is asked next
            found.error = error
        found.held = self._held()
        return found

    def of_function(self) -> Outcome:
        """Run the function as it is written, from the state before the call; the Tensors hold its results."""
        self.put_back()
        watch = self.watch or self._lookout()
        sums = self.sums if self.watch else self._sums(watch)
        self.watch = None  # good for one run: the next finds what this one left
        found, given = Outcome(), self._held()
        try:
            with as_written(), np.errstate(all="ignore"):
                found.result = self.step.function(*self.call.args, **self.call.kwargs)
        except MemoryError:
            raise
        except Exception as error:  # it is compared with the plan's
            found.error = error
        found.held = self._held()
        # A Tensor that the step makes is another one at each call: the recording's is nobody's any more.
        for i, (t, old, new) in enumerate(zip(self.tensors, given, found.held, strict=True)):
            if id(t) not in self.reached and old[0] is new[0] and old[1] is new[1]:
                self.forgotten.add(i)
        found.trouble = self._trouble(watch, sums)
        return found

    def _trouble(self, watch: Lookout, sums: list[int]) -> Different | None:
        """What the function changes besides Tensors: a plan does not repeat it."""
        for i, (x, old) in enumerate(zip(self.buffers, sums, strict=True)):
            if checksum(x) != old:
                where = "an argument" if i < self.given else "an array within reach"
                kind = f"{x.shape} {x.dtype}" if isinstance(x, np.ndarray) else type(x).__name__
                return Different(f"{where}, {kind}", "the function changes its contents, the plan does not")
        try:
            if watch.check(arrays=False) and not watch.around.weak:
                self.variant.watch = watch
        except RecordingError as error:
            return Different("Python's own state", first_line(error).removeprefix("compile(step): "))
        other = watch.replaced()
        if other:
            return Different(other, "the function puts another object there, the plan does not")
        return None

    # --- comparing ------------------------------------------------------------------------------------------
    def difference(self, eager: Outcome, plan: Outcome) -> Different | None:
        """Return the first thing that rounding does not explain, None where both runs agree."""
        if eager.error is not None or plan.error is not None:
            return _errors(eager.error, plan.error)
        if eager.trouble is not None and self.of_function().trouble is not None:  # no other thread's doing
            return eager.trouble
        with suppress(Different):
            if not self._doubtful(eager, plan):
                return None
        self.names = self._names()  # for people, and once more
        try:
            doubtful = self._doubtful(eager, plan)
        except Different as different:
            return different
        replays = self._replays(plan, doubtful)
        for pair in doubtful:
            if replays is None or not replays.explain(pair.key, pair.eager, pair.plan):
                return Different(pair.name, str(pair))
        return None

    def _doubtful(self, eager: Outcome, plan: Outcome) -> list[Pair]:
        """Return what differs by more than a few roundings; raises Different for what is no array."""
        with np.errstate(all="ignore"):
            return [pair for pair in self._pairs(eager, plan) if not _is_close(pair)]

    def _pairs(self, eager: Outcome, plan: Outcome) -> Iterator[Pair]:
        """Yield all arrays that both runs gave and left behind."""
        leaves = {id(t): name for t, name in zip(self.tensors, self.names, strict=True)}
        yield from results("the result", eager.result, plan.result, leaves)
        kept = [i for i in range(len(self.tensors)) if i not in self.forgotten]
        both: Any = (self.tensors, self.names, self.before, eager.held, plan.held)
        yield from states(*([found[i] for i in kept] for found in both))

    def _names(self) -> list[str]:
        known = tensor_names(self.step.function, self.passed)
        return [t.name or known.get(id(t)) or f"a Tensor {t.shape}" for t in self.tensors]

    def _replays(self, plan: Outcome, doubtful: list[Pair]) -> Replays | None:
        """Make what tells how far rounding carries; None where the program cannot be run again."""
        program = self.recording.lowered
        wanted: dict[Any, Value] = {}
        for pair in doubtful:
            for v, z in zip(program.outputs, plan.outputs, strict=True):
                if z is pair.plan or (isinstance(pair.key, str) and _same(z, pair.plan)):
                    wanted[pair.key] = v
        keys = {pair.key for pair in doubtful}
        for state, v in program.assignments:
            key = (id(self.store.tensor(state)), state.slot)
            if key in keys:
                wanted[key] = v
        try:
            return Replays(program, self._given(), wanted)
        except Exception:  # a shape that depends on values: the recording is for others
            return None

    def _given(self) -> dict[Value, Any]:
        """What the program reads, as it was before the call."""
        place = {id(t): i for i, t in enumerate(self.tensors)}
        given: dict[Value, Any] = {}
        for v in self.recording.lowered.values:
            if v.kind == "argument":
                given[v] = np.asarray(self.call.arrays[v.data])[()]
            elif v.kind == "state":
                value, grad = self.before[place[id(self.store.tensor(v.data))]]
                given[v] = np.asarray(raw(value if v.data.slot == "value" else grad))[()]
            elif v.kind == "constant":
                given[v] = v.data
        return given

    # --- where they do not agree ----------------------------------------------------------------------------
    def answer(self, eager: Outcome, plan: Outcome, found: Different) -> Any:
        """Give the plan up: raise ProofError, or let the function's own run be the call.

        Where the plan refuses a gradient that the function's own run finds, the refusal stands, and the plan.
        """
        if isinstance(plan.error, GradientError) and eager.error is None and not self.step.forgives:
            self.put_back()
            raise plan.error
        causes, changed = self._causes(eager, plan, found)
        text = lesson(
            "compile(step)",
            "the plan does not do what the function does",
            f"{found.name}: {found.what}",
            causes,
            "passing or returning what it names, or fallback=True to go on with the function itself",
        )
        self.step.give_up(self.variant, self.call.key, text, for_good=not changed)
        if not self.step.forgives:
            self.put_back()
            raise ProofError(text) from plan.error
        if eager.error is not None:
            self.put_back()
            raise eager.error
        self.put(eager.held)
        self.step.say_once(text)
        return eager.result

    def _causes(self, eager: Outcome, plan: Outcome, found: Different) -> tuple[str, bool]:
        """Say what a difference may come from, and whether something within reach has changed."""
        changed = changes(self.variant.picture, picture(self.step.function, self.passed, self.variant.tables))
        if changed:
            return f"Since the recording these have changed: {_listed(changed)}.", True
        if eager.error is None and self._is_fickle(eager):
            return "Run twice from the same state, the function itself gives two results.", False
        lines = likely_lines(self.step.function)
        if lines:
            return f"A recording may see this otherwise: {_listed(lines)}.", False
        return "Nothing within reach has changed since the recording.", False

    def _is_fickle(self, eager: Outcome) -> bool:
        """Whether the function does not agree with itself: time, files, a generator that it makes."""
        again = self.of_function()
        if again.error is not None:
            return True
        try:
            return bool(self._doubtful(eager, again))
        except Different as different:
            return "itself" not in different.what  # the very Tensor, or the very object, is no difference


def _errors(eager: Exception | None, plan: Exception | None) -> Different | None:
    """What two runs of which one or both raise differ by."""
    if eager is not None and plan is not None:
        return None
    said = [f"{type(e).__name__}: {e}".splitlines()[0] if e else "nothing" for e in (eager, plan)]
    return Different("an error", f"the function raises {said[0]}, the plan {said[1]}")


def _is_close(pair: Pair) -> bool:
    both = pair.eager, pair.plan, pair.before
    return surely_close(*both) or roundings(*both) <= FEW


def _same(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and roundings(a, b) == 0


def _copy(x: Any) -> Any:
    return x.copy(order="K") if isinstance(x, np.ndarray) else x


def _buffers(x: Any) -> Iterator[Any]:
    """Yield the arrays among arguments."""
    if is_a(x, BUFFERS):
        yield x
    elif is_a(x, (tuple, list, dict)):
        for y in entries(x):
            yield from _buffers(y)


def _listed(found: list[str], few: int = 5) -> str:
    more = len(found) - few
    return "; ".join(found[:few]) + (f"; and {more} more" if more > 0 else "")
