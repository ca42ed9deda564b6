"""`verify=True`: each call is replayed op by op, in its own dtypes and in float64, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clearprop.compiler.capture.refusals import RecordingError
from clearprop.compiler.program.builder import evaluate
from clearprop.compiler.program.ir import Program, Value
from clearprop.errors import lesson
from clearprop.tensor import Tensor

if TYPE_CHECKING:
    from clearprop.compiler.capture.recording import Recording
    from clearprop.compiler.capture.variant import Variant
    from clearprop.compiler.step import CompiledStep

ROUNDINGS = 512  # units in the last place that a chain of operations in another order may differ by


class VerificationError(RecordingError):
    """A compiled step whose results are not those of the function itself."""


@dataclass
class Difference:
    """How far one result of the plan is from a replay in float64, and how far the eager step itself is."""

    name: str
    compiled: float
    eager: float
    scale: float
    allowed: float

    @property
    def wrong(self) -> bool:
        """Whether rounding cannot explain the difference."""
        return not self.compiled <= self.allowed

    def __str__(self) -> str:
        mark = "  WRONG" if self.wrong else ""
        return (
            f"{self.name:<28} largest difference {self.compiled:.2e} (eager {self.eager:.2e}, "
            f"values up to {self.scale:.2e}){mark}"
        )


@dataclass
class Verification:
    """What `step.report` holds after a verified call: a Difference for each output and Tensor changed."""

    differences: list[Difference]
    first: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not any(d.wrong for d in self.differences)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.differences), *([self.first] if self.first else [])])


def verified(
    step: CompiledStep[Any, Any], variant: Variant, arrays: tuple[Any, ...], tensors: dict[int, Tensor]
) -> tuple[Any, ...]:
    """Run the plan, replay the recorded ops beside it, and raise VerificationError where they differ."""
    recording = variant.recording
    program = recording.recorded
    recording.store.stand_ins = tensors
    given = _inputs(recording, arrays)
    outputs: tuple[Any, ...] = recording.run(arrays, tensors)
    step.latest = variant
    eager, wide = replay(program, given, wide=False), replay(program, given, wide=True)
    pairs = [(f"output {i}", v, z) for i, (v, z) in enumerate(zip(program.outputs, outputs, strict=True))]
    pairs += [(state.name, v, recording.store.now(state)) for state, v in program.assignments]
    if not pairs:
        said = "there is nothing to compare: the step returns no arrays and changes no Tensor"
        raise VerificationError(lesson("compile(step, verify=True)", said, hint="returning the loss"))
    report = Verification([difference(name, z, eager[v], wide[v]) for name, v, z in pairs])
    if not report.ok:
        report.first = _first_wrong(recording, step.executor, given, eager, wide)
    step.report = report
    if not report.ok:
        wrong = next(d for d in report.differences if d.wrong)
        raise VerificationError(
            lesson(
                "compile(step, verify=True)",
                "the plan differs from the step itself",
                f"{wrong}",
                report.first,
                "executor='numpy', or fallback=True, and reporting this step",
            )
        )
    return outputs


def _inputs(recording: Recording, arrays: tuple[Any, ...]) -> dict[Value, Any]:
    """Copies of all that the program reads."""
    given: dict[Value, Any] = {}
    for v in recording.recorded.values:
        if v.kind == "argument":
            given[v] = np.array(arrays[v.data])[()]
        elif v.kind == "state":
            given[v] = np.array(recording.store.now(v.data))[()]
        elif v.kind == "constant":
            given[v] = v.data
    return given


def replay(program: Program, given: dict[Value, Any], *, wide: bool) -> dict[Value, Any]:
    """Return every value of a recorded program, computed op by op with NumPy, in float64 if `wide`."""
    found: dict[Value, Any] = {v: _wide(x) if wide else x for v, x in given.items()}
    for v in program.values:
        if not v.computed:
            continue
        if wide and v.core.casts and v.dtype.kind == "f":
            found[v] = np.asarray(found[v.inputs[0]], np.float64)[()]
            continue
        z = evaluate(v, found.__getitem__)
        found[v] = _wide(z) if wide else z
    return found


def _wide(x: Any) -> Any:
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def difference(name: str, z: Any, eager: Any, wide: Any) -> Difference:
    """Compare a result with both replays: it may be off by rounding, and by some of what eager is off by."""
    z, eager, wide = np.asarray(z), np.asarray(eager), np.asarray(wide)
    if z.shape != eager.shape or z.dtype != eager.dtype:
        return Difference(name, np.inf, 0.0, 0.0, 0.0)
    if z.dtype.kind != "f":
        return Difference(name, float(np.count_nonzero(z != eager)), 0.0, 1.0, 0.0)
    both = np.isfinite(eager) & np.isfinite(wide)
    scale = float(np.abs(wide[both]).max(initial=0.0))
    off = float(np.abs(eager[both] - wide[both]).max(initial=0.0))
    mine = float(np.abs(z[both] - wide[both]).max(initial=0.0))
    if not np.array_equal(z[~both], eager[~both], equal_nan=True):
        mine = np.inf  # NaN and infinities must be where eager has them
    allowed = 8 * off + ROUNDINGS * float(np.finfo(z.dtype).eps) * max(scale, float(np.finfo(z.dtype).tiny))
    return Difference(name, mine, off, scale, allowed)


def _first_wrong(
    recording: Recording,
    executor: str,
    given: dict[Value, Any],
    eager: dict[Value, Any],
    wide: dict[Value, Any],
) -> str:
    """Name the first node that differs when the plan is made to give every node as an output."""
    from clearprop.compiler.capture.recording import Recording

    nodes = [v for v in recording.recorded.values if v.computed and isinstance(v.dtype, np.dtype)]
    nodes = [v for v in nodes if v in recording.origin]
    whole = Recording(Program(recording.recorded.values, nodes, []), [], executor)
    arrays = [np.array(given[_value_of(whole, state)]) for state in whole.executable.slots]
    step = whole.executable.prepare(arrays)
    arguments = tuple(given[v] for v in whole.recorded.arguments)
    numbers = tuple(given[_value_of(whole, v.data)] for v in whole.executable.numbers)
    outputs, _ = step(arguments, numbers)
    for v, z in zip(nodes, outputs, strict=True):
        found = difference(v.op, z, eager[v], wide[v])
        if found.wrong:
            return f"The first node that differs is {v.op} {v.shape} {v.dtype}, at {v.line}."
    return (
        "No node differs when all of them are given as outputs: the fault is in fusing or in sharing buffers."
    )


def _value_of(recording: Recording, state: Any) -> Value:
    return next(
        v
        for v in recording.recorded.states
        if v.data.tensor is state.tensor and (v.data.slot, v.data.place) == (state.slot, state.place)
    )
