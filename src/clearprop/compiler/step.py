"""`compile`: a function whose calls run one planned program per shape and dtype of its arguments."""

from __future__ import annotations

import functools
import os
import sys
import time
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from clearprop.compiler.capture.culprits import picture
from clearprop.compiler.capture.guard import Guard, Lookout, Unseen
from clearprop.compiler.capture.naming import answering
from clearprop.compiler.capture.printing import warn
from clearprop.compiler.capture.reading import forget, standing
from clearprop.compiler.capture.recorder import Recorder, record
from clearprop.compiler.capture.recording import Recording, fingerprint
from clearprop.compiler.capture.refusals import ArrayError, RecordingError, seen_through
from clearprop.compiler.capture.results import result_tree
from clearprop.compiler.capture.selection import CountChanged
from clearprop.compiler.capture.store import Changed, is_alone
from clearprop.compiler.capture.suspects import Suspects
from clearprop.compiler.capture.tables import LargeTables
from clearprop.compiler.capture.tree import Key, flatten, is_within, objects
from clearprop.compiler.capture.variant import Variant
from clearprop.compiler.engines.executors import AUTO, EXECUTORS, Where
from clearprop.compiler.engines.executors import available_executors as available_executors
from clearprop.compiler.engines.numpy.source import NumpySource
from clearprop.compiler.explain import explanation, no_plan
from clearprop.compiler.proof.prove import (
    DEFAULT,
    SCHEDULES,
    Call,
    ProofWarning,
    proved,
    turns_left,
)
from clearprop.errors import RerunError, first_line, lesson
from clearprop.hints import refuse_texts
from clearprop.locks import rlock
from clearprop.modes import current, special
from clearprop.tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")

MOST_COUNTS = 6  # plans for different numbers of entries under a mask; then calls run as written


class CompiledStep(Generic[P, R]):
    """A compiled function; called as the function itself.

    `explain()`, `source()` and `llvm_ir()` show the plan of the latest call.
    """

    where: Where | None
    any_length: bool
    derived: int

    function: Callable[..., Any]
    executor: str
    verify: bool
    fallback: bool
    limit: int
    prove: str
    proofs: int
    proving: float

    def __init__(
        self,
        function: Callable[P, R],
        executor: str,
        verify: bool,
        fallback: bool,
        limit: int,
        prove: str,
        where: Where | None = None,
        any_length: bool = False,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.executor = function, executor
        self.verify, self.fallback, self.limit, self.prove = verify, fallback, limit, prove
        self.where, self.any_length = where, any_length
        self.forgives = fallback  # whether a plan that is found wrong ends in the function's own result
        self.proofs, self.proving = 0, 0.0  # how many, and the seconds that they took
        self.said: set[str] = set()  # what was warned of, by its subject
        self.printed: str = ""
        self.captured: dict[Any, Tensor] = {}  # what stands for arrays in reach
        self.suspects: Suspects = Suspects()
        self.disproved: str = ""  # what was said of a plan that was given up
        self.plans: OrderedDict[Key, list[Variant]] = OrderedDict()
        self.latest: Variant | None = None
        self.refusals: dict[Key, str] = {}
        self.recordings: int = 0
        self.report: Any = None
        self.lock: Any = rlock()
        self.alone = 0  # more than 0 while a proof runs
        self._quick: Any = None
        self._beside: Any = None
        # A class of its own, so that its calls can be the quick call: Python looks up `__call__` there.
        self.__class__ = type(
            "CompiledStep", (CompiledStep,), {"__slots__": (), "__doc__": CompiledStep.__doc__}
        )

    def __repr__(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        plans = sum(map(len, self.plans.values()))
        made = f"{plans} plan{'' if plans == 1 else 's'}; explain() tells them" if plans else "not called yet"
        return f"<compiled {name}: executor {self.executor}, {made}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the step; the first call with arguments of a new shape records it."""
        return self.ordinary(*args, **kwargs)  # type: ignore[no-any-return]

    def ordinary(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step: as quickly where only other threads are in blocks."""
        beside = self._beside
        if beside is not None and special.blocks and current() is None:
            return beside(*args, **kwargs)
        return self.checked(*args, **kwargs)

    def checked(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step, with all that it depends on checked in Python."""
        now = current() if special.blocks else None
        if now is not None and (now.observer is not None or now.as_written):
            return self.function(*args, **kwargs)  # who looks on sees the function itself
        if self.alone:  # another thread proves the step, with the Tensors as they were
            with self.lock:
                pass
        try:
            key, arrays, tensors = flatten(args, kwargs)
        except ArrayError as error:
            if not self.fallback:
                raise
            self.refusals[Key((type(error),))] = str(error)
            return self.function(*args, **kwargs)
        if key in self.refusals:
            return self.function(*args, **kwargs)
        others = 0  # plans that are for other counts
        for variant in self.plans.get(key, ()):
            if not variant.holds(tensors.values()):
                continue
            try:
                if variant.recording.turn[0] >= 0:
                    result = proved(self, variant, Call(args, kwargs, arrays, tensors, key))
                else:
                    variant.recording.turn[0] += 1
                    result = variant.tree(self.outputs(variant, arrays, tensors), args, kwargs)
            except Changed as why:
                others += isinstance(why, CountChanged)
                continue
            except RerunError as error:
                return self._rerun(error, args, kwargs, (*variant.guard.leaves, *tensors.values()))
            self.latest = variant
            variant.ran(self)
            self._call_by(variant.quick)
            self._beside = variant.beside
            return result
        if others >= MOST_COUNTS:
            return self._uncounted(args, kwargs)
        return self._first(key, args, kwargs, arrays, tensors)

    def _uncounted(self, args: Any, kwargs: Any) -> Any:
        """Run the function itself: with so many counts, a plan for one more would not be used long."""
        self.say_once(
            lesson(
                f"{getattr(self, '__name__', 'the step')}(...)",
                f"has plans for {MOST_COUNTS} different numbers of entries under a mask, and runs as written",
                "yet another number",
                hint="np.where(mask, x, 0) for x[mask]: it has one shape; sums and means of x[mask] have too",
            )
        )
        return self.function(*args, **kwargs)

    def _rerun(self, error: RerunError, args: Any, kwargs: Any, leaves: Iterable[Tensor]) -> Any:
        """Let the function's own run be this call, where the program has no answer and assigned nothing.

        Where it raises, too, the `leaves` hold what they held, as after each step that raises.
        """
        held = [(t, t._value, t.grad.copy() if isinstance(t.grad, np.ndarray) else t.grad) for t in leaves]
        try:
            result = self.function(*args, **kwargs)
        except BaseException:
            for t, value, grad in held:
                t._value, t.grad = value, grad
            raise
        self.say_once(
            lesson(
                f"{getattr(self, '__name__', 'the step')}(...)",
                "runs as written where its program does not know a gradient that the function may know",
                first_line(error),
            )
        )
        return result

    def outputs(self, variant: Variant, arrays: tuple[Any, ...], tensors: dict[int, Tensor]) -> Any:
        """Run a plan, and where asked for each call, verify it."""
        if self.verify:
            from clearprop.compiler.proof.verify import verified

            return verified(self, variant, arrays, tensors)
        return variant.recording.run(arrays, tensors)

    def __reduce__(self) -> Any:
        """A copy has the same function and options, and makes plans of its own."""
        found: Any = sys.modules.get(self.function.__module__)
        for name in self.function.__qualname__.split("."):
            found = getattr(found, name, None)
        if found is self:  # a decorated function goes by its name
            return self.function.__qualname__
        options = (
            self.executor,
            self.verify,
            self.fallback,
            self.limit,
            self.prove,
            self.where,
            self.any_length,
        )
        return CompiledStep, (self.function, *options)

    def _call_by(self, quick: Callable[..., Any] | None) -> None:
        """Let calls of the step be calls of `quick`, which comes back to `ordinary` where it must not run."""
        if quick is self._quick:
            return
        self._quick, kind = quick, type(self)
        if quick is None:
            del kind.__call__
        elif isinstance(quick, types.BuiltinFunctionType):
            kind.__call__ = quick  # type: ignore[method-assign]  # a builtin takes no `self`
        else:
            kind.__call__ = staticmethod(quick)  # type: ignore[method-assign]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method is called with its object."""
        return self if instance is None else functools.partial(self, instance)

    # --- recording ------------------------------------------------------------------------------------------
    def _first(
        self, key: Key, args: Any, kwargs: Any, arrays: tuple[Any, ...], tensors: dict[int, Tensor]
    ) -> Any:
        with self.lock:
            given = key, args, kwargs, arrays, tensors
            try:
                return self._looking(LargeTables(), *given)
            except Unseen:
                return self._looking(None, *given)

    def _looking(
        self,
        tables: LargeTables | None,
        key: Key,
        args: Any,
        kwargs: Any,
        arrays: tuple[Any, ...],
        tensors: dict[int, Tensor],
    ) -> Any:
        """Record the function, or with `fallback` run it; `tables` notes what is read of large ones."""
        with ExitStack() as alone:
            alone.enter_context(standing)
            alone.callback(forget)
            try:
                watch = Lookout(self.function, objects((args, kwargs)), self.fallback, tables)
            except RecordingError as error:  # what cannot be watched
                if not self.fallback:
                    raise
                self.refusals[key] = str(error)
                return self.function(*args, **kwargs)
            if watch.tables is None or not watch.tables.known:
                alone.close()  # nothing will stand for anything
            return self._recorded(watch, key, args, kwargs, arrays, tensors)

    def _recorded(self, watch: Lookout, key: Key, args: Any, kwargs: Any, arrays: Any, tensors: Any) -> Any:
        """Record the function, or where that is refused, or no gradient is found, run it."""
        try:
            return self._record(key, args, kwargs, arrays, tensors, watch)
        except Unseen:
            if watch.back is not None:
                watch.back()
            raise
        except RerunError as error:
            if watch.back is not None:
                watch.back()
            elif not watch.check():  # Raises RecordingError where the run has changed what it must not.
                raise
            return self._rerun(error, args, kwargs, (*watch.around.leaves, *tensors.values()))
        except RecordingError as error:
            if not self.fallback:
                raise
            self.refusals[key] = str(error)
            if watch.back is not None:
                watch.back()  # the function starts from where the recording did
            return self.function(*args, **kwargs)
        except MemoryError:
            raise
        except Exception as error:  # the function's own, or what an array would not have raised
            why = seen_through(error)
            if self.fallback and watch.back is not None and watch.can_go_back():
                watch.back()
                result = self.function(*args, **kwargs)
                self.refusals[key] = str(why or error)
                return result
            if why is None:
                raise
            raise why from error

    def _record(
        self,
        key: Key,
        args: Any,
        kwargs: Any,
        arrays: tuple[Any, ...],
        tensors: dict[int, Tensor],
        watch: Lookout,
    ) -> Any:
        """Run the function once to record it, undo what it did, and do that with the plan.

        So every step of a training is the plan's, and one that was stopped resumes to the same bits.
        """
        began = time.perf_counter()
        recorder = Recorder()
        recorder.rolls = self.any_length
        passed = objects((args, kwargs))
        _check_arguments(tensors, watch.around.leaves)
        shared = [t for t in watch.around.leaves if t.ndim and not is_alone(t)]
        for t in watch.around.leaves:
            recorder.touch(t)
        recorder.reaches(watch.around.buffers, self.captured)
        new_args, new_kwargs = key.stand_ins(recorder, args, kwargs, watch.around.buffers)
        without = [t for t in recorder.before if t.grad is None]
        try:
            meets = _meeting(watch, recorder, arrays, tensors, without)
            with watch.noting(meets), watch.uses, answering(watch.around.functions):
                result = record(recorder, self.function, new_args, new_kwargs)
            tree, outputs = result_tree(result, recorder, watch.around.knows)
            program, cleared = recorder.finish(outputs)
            values = tuple(t._value for t in outputs)
            del result, outputs  # and with them the graph, before the plan asks for memory
            settled, asked = self._settled(key, watch)
            if recorder.unknown is not None and not settled:  # the values of this run would be the result
                raise recorder.unknown
            mark = fingerprint(program, cleared)
            known = self.plans.setdefault(key, [])
            twin = next((v for v in known if v.mark == mark), None)
            if settled:
                recording = (
                    twin.recording
                    if twin
                    else Recording(
                        program, cleared, self.executor, recorder.counts, self.where, self.any_length
                    )
                )
        except BaseException:
            recorder.undo()
            raise
        self.recordings += 1
        if recorder.printed and not self.printed:
            self.printed = recorder.printed
            warn(recorder.printed)
        if not settled:  # it made what it needs (an optimizer its memory): the next call is recorded again
            for stand_in, place in recorder.places.items():
                tensors[place]._value, tensors[place].grad = stand_in._value, stand_in.grad
            return tree(values, args, kwargs)
        touched = [t for t in recorder.before if t not in recorder.places]
        given = {s.tensor for s, _ in program.assignments if s.slot == "grad"}
        stay = [t for t in without if t not in given and t not in recorder.places]
        if twin:
            self.suspects.acquit(twin.guard.contents, recorder.read_anew(program))
        contents = self.suspects.among(watch.around.buffers, recorder.frozen)
        stays = [t._value for t in shared if t not in recorder.written]  # its owner may set its shape
        guard = Guard(
            self.function, recorder.things, touched, stay, passed, contents, watch.tables, asked, stays
        )
        seen = {} if self.prove == "never" else picture(self.function, passed, watch.tables)
        variant = Variant(recording, guard, [t for t in without if t in given], tree, mark, seen)
        variant.subclassed = any(x.following for x in recorder.given)  # type: ignore[attr-defined]
        variant.tables, variant.seconds = watch.tables, time.perf_counter() - began
        recording.turn[0] = -turns_left(self.prove, 0)
        recorder.undo()
        known_grads = given | {v.data.tensor for v in program.states if v.data.slot == "grad"}
        guard.begin({s.tensor for s, _ in program.assignments if s.slot == "value"}, known_grads)
        if twin in known:
            known.remove(twin)
        known.insert(0, variant)
        del known[8:]
        self._forget()
        self.latest = variant
        return tree(recording.run(arrays, tensors), args, kwargs)

    def _settled(self, key: Key, watch: Lookout) -> tuple[bool, list[Any]]:
        """Tell whether the recording is good for later calls, and what it has asked besides.

        With `fallback` none is where one is refused.

        What cannot be taken back must not be done twice: this call's result is the recording's own then.
        """
        try:
            return watch.check(), watch.asked()
        except RecordingError as error:
            if not self.fallback or watch.can_go_back():
                raise
            self.refusals[key] = str(error)
            return False, []

    def give_up(self, variant: Variant, key: Key, why: str, for_good: bool) -> None:
        """Drop a plan that is not what the function does; `for_good` where the next would be no other."""
        variant.given_up, variant.quick, variant.beside, self._beside = True, None, None, None
        self._call_by(None)
        self.plans[key] = [v for v in self.plans.get(key, ()) if v is not variant]
        if self.forgives and (for_good or self.disproved):
            self.refusals[key] = why
        self.disproved = self.disproved or why

    def say_once(self, why: str) -> None:
        """Warn that the function itself runs instead of a plan."""
        subject = why.split(":")[0]
        if subject not in self.said:
            self.said.add(subject)
            text = f"{why}\n  The run goes on with the function's own result."
            warnings.warn(text, ProofWarning, stacklevel=4)

    def _forget(self) -> None:
        """Keep the plans of the latest shapes only."""
        while len(self.plans) > self.limit:
            self.plans.popitem(last=False)

    # --- showing --------------------------------------------------------------------------------------------
    def _shown(self) -> Recording:
        if self.latest is None:
            reason = next(iter(self.refusals.values()), "")
            raise RuntimeError(no_plan(getattr(self, "__name__", "the step"), reason))
        return self.latest.recording

    def source(self) -> str:
        """Return the plan as readable NumPy source."""
        return NumpySource(self._shown().program).text

    def llvm_ir(self) -> str:
        """Return the LLVM IR of the plan; raises RuntimeError where another executor runs it."""
        executable = self._shown().executable
        if not hasattr(executable, "ir"):
            raise RuntimeError(
                lesson(
                    "step.llvm_ir()",
                    "the plan runs on NumPy",
                    hint="pip install clearprop[fast], and compile(step, executor='llvm')",
                )
            )
        return executable.ir  # type: ignore[no-any-return]

    def javascript(self) -> str:
        """Return the plan as a JavaScript module: typed arrays, loops, and the Tensors as they are now.

        It exports `make(states)`, which gives `{arguments, outputs, run}`, and `states`, `inputs`, `outputs`:
        what each array is. float64 and float32 are computed as here, random numbers are the same bits; an
        int64 beyond 2**53 is a RangeError there. Raises TypeError, naming the op, where there is no
        translation.

        >>> import numpy as np, clearprop
        >>> step = clearprop.compile(lambda x: np.tanh(x) * 2)
        >>> _ = step(np.ones(3))
        >>> [line for line in step.javascript().splitlines() if "tanh" in line]
        ['for(let i0=0;i0<3;i0++){const r0=x0[i0];const t1=Math.tanh(r0);const t2=(t1 * (2));a2[i0]=t2;}']
        """
        from clearprop.compiler.engines.js import javascript

        return javascript(self._shown().program)

    def explain(self) -> str:
        """Return what was recorded, fused and shared, and what it costs, as text that folds in a notebook."""
        return explanation(self, self._shown())


def _meeting(
    watch: Lookout,
    recorder: Recorder,
    arrays: tuple[Any, ...],
    tensors: dict[int, Tensor],
    without: list[Tensor],
) -> Callable[[list[Tensor], list[Any]], None]:
    """Return what notes the leaves and arrays that a run finds in large tables."""

    def meets(leaves: list[Tensor], buffers: list[Any]) -> None:
        mine = [x for x in arrays if isinstance(x, np.ndarray)]
        passed = any(t is x for t in leaves for x in tensors.values())
        if passed or any(np.may_share_memory(x, y) for x in buffers for y in mine):
            watch.unseen = True  # an argument is there too
        without.extend(t for t in leaves if t.grad is None)
        for t in leaves:
            recorder.touch(t)
        recorder.reaches(buffers, recorder.captured)

    return meets


@overload
def compile(
    function: Callable[P, R],
    *,
    executor: str = ...,
    verify: bool = ...,
    fallback: bool = ...,
    limit: int = ...,
    prove: str | None = ...,
    device: str | None = ...,
    mesh: Any = ...,
    donate: bool = ...,
    precision: Any = ...,
    check_indices: bool = ...,
    any_length: bool = ...,
) -> CompiledStep[P, R]: ...
@overload
def compile(
    function: None = None,
    *,
    executor: str = ...,
    verify: bool = ...,
    fallback: bool = ...,
    limit: int = ...,
    prove: str | None = ...,
    device: str | None = ...,
    mesh: Any = ...,
    donate: bool = ...,
    precision: Any = ...,
    check_indices: bool = ...,
    any_length: bool = ...,
) -> Callable[[Callable[P, R]], CompiledStep[P, R]]: ...
def compile(
    function: Callable[..., Any] | None = None,
    *,
    executor: str = "auto",
    verify: bool = False,
    fallback: bool = False,
    limit: int = 16,
    prove: str | None = None,
    device: str | None = None,
    mesh: Any = None,
    donate: bool = True,
    precision: str | Mapping[str, str] | None = None,
    check_indices: bool = True,
    any_length: bool = False,
) -> Any:
    """Return a function that does what `function` does, as one planned program: a decorator, or a call.

    The first call with arguments of some shapes and dtypes runs the function for real and records it: forward
    pass, backward pass, optimizer. Later calls run the plan. Whatever else changes (modes, layers, options)
    is noticed, and recorded again. What cannot be planned raises RecordingError, which says why; with
    `fallback=True` it runs as it is.

    The second, third, fifth, ninth, 17th ... call of each plan proves it: beside the plan the function runs
    too, from the same state, and a difference that rounding cannot make raises ProofError, with the Tensors
    as before the call. That is `prove="geometric"`; "always" proves each call but the first, "never" none,
    and the environment variable CLEARPROP_PROVE says it where it is not given. With `fallback=True` such a
    call gives what the function gives, and a warning says so once.

    `executor` is `numpy`, `llvm` (needs the extra `fast`) or `auto`, the faster one that there is; or `xla`
    (needs the extra `xla`), which runs the step on JAX's default device, on the `device` of a name ("cpu",
    "gpu", "tpu", "gpu:1"), or on those of a `clearprop.parallel.mesh`. What a call changes gives its memory
    away for the new values there, unless `donate=False`, which takes twice the memory and leaves JAX arrays
    that somebody took from a Tensor as they were. `precision` says what products of float32 multiply: all of
    their bits ("highest"), inputs rounded to "tf32" or to "bfloat16", summed in float32; or such a word for
    each of a few core ops, as in `{"matmul": "bfloat16"}`. Rounded products are not the function's, so that
    no call is proved. An index out of bounds is an IndexError: what the arguments decide is looked at before
    the call, what the step computes in the call, which waits for that. `check_indices=False` looks at none:
    such an index then picks the nearest entry, and adds nothing where it scatters. These five are for `xla`
    alone, else ValueError is raised.
    `verify=True` replays each call op by op, in float64 too, and raises VerificationError where the plan
    differs by more than rounding. `limit` is how many shapes have plans at a time.

    `any_length=True` is for arguments of which some length differs from call to call: sequences, small last
    batches. Each length is recorded, but nothing is compiled for it: around the turns of `scan`, whose native
    code is one for all lengths, it runs as NumPy calls.

    >>> import numpy as np, clearprop
    >>> w = clearprop.Tensor([1.0, 2.0])
    >>> @clearprop.compile
    ... def step(x):
    ...     w.grad = None
    ...     loss = np.sum((x * w) ** 2)
    ...     loss.backward()
    ...     clearprop.assign(w, clearprop.record.read(w) - 0.1 * w.grad)
    ...     return loss
    >>> for x in np.ones((3, 2)):
    ...     print(step(x).value.round(3))
    5.0
    3.2
    2.048
    """
    truths = {"verify": verify, "fallback": fallback, "donate": donate, "check_indices": check_indices}
    refuse_texts("compile", **truths, any_length=any_length)
    prove = prove or os.environ.get("CLEARPROP_PROVE") or DEFAULT
    _check_words(executor, prove, any_length)
    where = _where(executor, Where(mesh, device, donate, check_indices, precision))
    if where is not None and where.precision is not None:
        prove = "never"
    if function is None:
        return lambda f: CompiledStep(f, executor, verify, fallback, limit, prove, where, any_length)
    if isinstance(function, CompiledStep):
        return function
    if not callable(function):
        raise TypeError(lesson("compile(step)", "wants a function", f"{function!r}"))
    return CompiledStep(function, executor, verify, fallback, limit, prove, where, any_length)


def _check_words(executor: str, prove: str, any_length: bool) -> None:
    """Raise ValueError for an executor or a schedule of proofs that there is not, or not together."""
    if executor not in (names := (AUTO, *EXECUTORS)):
        raise ValueError(lesson("compile(step)", f"executor is one of {', '.join(names)}", f"{executor!r}"))
    if prove not in SCHEDULES:
        raise ValueError(lesson("compile(step)", f"prove is one of {', '.join(SCHEDULES)}", f"{prove!r}"))
    if any_length and executor not in (AUTO, *(n for n in EXECUTORS if EXECUTORS[n].light)):
        wanted, got = "plans for any length are run by numpy or llvm", f"executor={executor!r}"
        raise ValueError(lesson("compile(step, any_length=True)", wanted, got, hint="executor='auto'"))


PRECISIONS = ("highest", "tf32", "bfloat16")
PRODUCTS: tuple[str, ...] = (
    *("matmul", "einsum", "convolution", "convolution_kernel", "attention", "attention_shares"),
    *("attention_gradient", "linear_nll", "linear_nll_gradient"),
)


def _precision(given: Any) -> Any:
    """Return how products are multiplied, checked; None where it is by all bits."""
    called = "compile(step, precision=)"
    words = given if isinstance(given, Mapping) else {} if given is None else {"matmul": given}
    if strange := [name for name in words if name not in PRODUCTS]:
        raise ValueError(
            lesson(called, f"core ops that multiply are {', '.join(PRODUCTS)}", repr(strange[0]))
        )
    if strange := [word for word in words.values() if word not in PRECISIONS]:
        raise ValueError(lesson(called, f"is one of {', '.join(PRECISIONS)}", repr(strange[0])))
    return None if all(word == "highest" for word in words.values()) else given


def _where(executor: str, where: Where) -> Where | None:
    """Return what the options say of devices, checked; None where they say nothing."""
    for name in ("donate", "check_indices"):
        if not isinstance(getattr(where, name), bool):
            called, got = f"compile(step, {name}=)", f"{getattr(where, name)!r}"
            raise TypeError(lesson(called, "wants True or False", got))
    where = replace(where, precision=_precision(where.precision))
    if where == Where():
        return None
    if where.mesh is not None and not hasattr(where.mesh, "of_state"):
        hint = "clearprop.parallel.mesh(data=8)"
        raise TypeError(
            lesson("compile(step, mesh=)", "wants a mesh of devices", f"{where.mesh!r}", hint=hint)
        )
    given = {f.name: getattr(where, f.name) for f in fields(where)}
    told = ", ".join(f"{name}={x!r}" for name, x in given.items() if x is not None and x is not True)
    if executor == AUTO or not EXECUTORS[executor].has_devices:
        wanted, got = "a choice of devices is for executor='xla'", f"executor={executor!r}, {told}"
        raise ValueError(lesson("compile(step)", wanted, got, hint="executor='xla'"))
    if where.device is not None and where.mesh is not None:
        hint = "clearprop.parallel.mesh(device='cpu', data=8)"
        raise ValueError(lesson("compile(step)", "wants a device or a mesh", told, hint=hint))
    if where.device is not None:
        from clearprop.parallel.devices import devices

        devices(where.device, "compile(step, device=)")
    return where


def _check_arguments(tensors: dict[int, Tensor], named: list[Tensor]) -> None:
    for t in tensors.values():
        if any(t is other for other in named):
            raise RecordingError(
                lesson(
                    "compile(step)(t)",
                    "wants a Tensor either as an argument or by name",
                    f"{t.name or 'one'} that the step also reaches through its variables",
                    hint="t.detach(), or no argument",
                )
            )
        if is_within(t):
            raise RecordingError(
                lesson(
                    "compile(step)(t)",
                    "wants arrays or leaf Tensors: no gradient leaves a compiled step through its arguments",
                    f"a Tensor computed by {t.op.name}" if t.op else "one that grad(f) differentiates by",
                    hint="t.detach(), computing it inside the step, or compile(grad(f)) for grad(compile(f))",
                )
            )
