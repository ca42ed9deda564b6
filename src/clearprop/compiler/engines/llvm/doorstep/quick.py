"""The quick call: a step whose conditions are looked at by native code right before it runs.

A compiled step may run only while everything it was recorded under is as it was: the variables it names, the
arrays of parameters, who holds them. `Guard` and `Store` check that in Python, which costs more than the
whole step of a small network. Here the same conditions are a list of memory words that must hold what they
held: a variable's object, a Tensor's array, an array's reference count. Where one differs, or where the
interpreter is not one whose objects are laid out as `objects.py` says, the ordinary way decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler.engines.llvm.doorstep.conditions import Conditions
from clearprop.compiler.engines.llvm.doorstep.entrance import LONG, Entrance
from clearprop.compiler.engines.llvm.doorstep.objects import readable
from clearprop.errors import RerunError
from clearprop.structure import Changed


def quick(variant: Any, ordinary: Callable[..., Any], beside: bool = False) -> Callable[..., Any] | None:
    """Return a variant's quick call under the conditions of now, if it can have one.

    It takes what the step takes and gives what the step gives; where a condition does not hold it calls
    `ordinary` instead. With `beside`, it runs also while other threads are in blocks, and is called only by
    one that is in none.
    """
    native, guard, store = variant.recording.executable, variant.guard, variant.recording.store
    if not readable() or not store.fixed or any(s.slot != "value" for s in native.assigned):
        return None
    if guard.decides:  # what a call assigns decides about the next one
        return None
    if any(v.shape == () for v in native.program.arguments) or any(
        v.data.tensor is None for v in native.numbers
    ):
        return None
    saved = guard.saved
    try:
        conditions = Conditions(variant, beside)
        entrance = _entrance(variant, conditions)
    except LookupError:  # something that is not laid out as expected
        return None
    if not (variant.holds() and store.ready() and guard.saved is saved):  # other threads
        return None
    if entrance.kind == "done":
        return _in_python(variant, entrance, conditions, ordinary)
    return entrance.under(conditions, ordinary)


def _entrance(variant: Any, conditions: Conditions) -> Entrance:
    """Return the way into the plan, one that makes the result too where that is a single Tensor or array."""
    recording = variant.recording
    native = recording.executable
    kind = getattr(variant.tree, "gives", "done")
    outputs = native.program.outputs
    single = len(outputs) == 1 and (outputs[0].shape == () or outputs[0] in native.places.fresh)
    if not single or recording.cleared or conditions.names or native.stops or native.work > LONG:
        kind = "done"
    for wanted in (kind, "done"):
        if wanted not in native.entrances:
            try:
                native.entrances[wanted] = Entrance(native, wanted, native.workers, recording.turns)
            except LookupError:  # a result that lies elsewhere at each call
                continue
        return native.entrances[wanted]  # type: ignore[no-any-return]
    raise LookupError("no entrance")


def _in_python(
    variant: Any, entrance: Entrance, conditions: Conditions, ordinary: Callable[..., Any]
) -> Callable[..., Any]:
    """Return the call whose results are put together in Python."""
    recording, tree = variant.recording, variant.tree
    native, store, lock = recording.executable, recording.store, recording.lock
    run = entrance.under(conditions, _no)
    # What fetches results holds the plan's arrays. That is not kept here: it would be counted as somebody
    # who holds them, and be gone from the count when the conditions are made anew.
    names = conditions.names
    assigned = [store.tensor(s) for s in native.assigned]
    cleared = [store.tensor(s) for s in recording.cleared]
    fresh = [(v.shape, v.dtype) for v in native.places.fresh]
    holders = [v.data.tensor for v in native.numbers]

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs or not lock.acquire(False):  # a long step lets other threads run: nobody else may enter
            return ordinary(*args, **kwargs)
        try:
            outputs = attempt(args)
        finally:
            lock.release()
        return ordinary(*args) if outputs is None else tree(outputs, args, kwargs)

    def attempt(args: tuple[Any, ...], kept: Any = conditions) -> Any:
        """Run the step if everything is as it was; `kept` holds what is compared."""
        if any(space.get(name, kept) is not value for space, name, value in names):
            return None
        new = tuple([np.empty(shape, dtype) for shape, dtype in fresh])
        read = [tensor._value for tensor in holders]  # kept: the plan knows where they lie
        if not run(*args, *new):
            return None
        if native.stops:
            moved = any(tensor._value is not x for tensor, x in zip(holders, read, strict=True))
            if moved or not _rest(recording, args, read, new):  # another thread has set a number meanwhile
                return None
        elif native.places.checked and native.places.broken():
            return None  # nothing was assigned: the ordinary way says which index it was
        for tensor, number in zip(assigned, native.new_numbers, strict=True):
            tensor._value = number[()]
        for tensor in cleared:
            tensor.grad = None
        return [make(args, new) for make in native.outputs]

    return call


def _rest(recording: Any, args: tuple[Any, ...], read: list[Any], new: tuple[Any, ...]) -> bool:
    """Run what follows the first native part; False where another plan, or the function itself, is wanted.

    So it is with a wrong index. Nothing is assigned then, and the ordinary way begins anew. What runs
    between two parts may be a person's function, and let other threads run.
    """
    recording.busy[0] = 1
    try:
        recording.executable.rest(args, read, new)
    except (Changed, IndexError, RerunError):
        return False
    finally:
        recording.busy[0] = 0
    return True


def _no(*args: Any, **kwargs: Any) -> bool:
    return False
