"""What `step.explain()` prints: what was recorded, fused and shared, and what one call costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clearprop.compiler.plan.fuse import Group
from clearprop.compiler.program.ir import Program, Value
from clearprop.compiler.program.layout import layout
from clearprop.errors import lesson

if TYPE_CHECKING:
    from clearprop.compiler.capture.recording import Recording
    from clearprop.compiler.step import CompiledStep


def flops(v: Value) -> int:
    """Return the floating-point operations of one value, as its op says: 2 n m k for a product.

    >>> import numpy as np
    >>> x = Value("argument", (2, 3), np.dtype("f4"))
    >>> flops(Value("op", (2, 2), np.dtype("f4"), "matmul", (x, x)))
    24
    """
    return v.core.flops(v)


def megabytes(n: float) -> str:
    """Return a number of bytes as people write it.

    >>> megabytes(2_500_000), megabytes(999)
    ('2.5 MB', '999 bytes')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} bytes"


def moved(groups: Iterable[Group]) -> int:
    """Return the bytes that groups read from memory and store there; what a view repeats counts once."""
    total = 0
    for group in groups:
        for x in group.reads:
            steps = zip(x.shape, layout(x).strides, strict=True)
            total += math.prod(n for n, step in steps if step) * int(x.dtype.itemsize)
        total += sum(v.nbytes for v in group.stores)
    return total


class Explained(str):
    """Text that a prompt shows as it is, and whose indented lines fold in a notebook."""

    __slots__ = ()
    __repr__ = str.__str__

    def _repr_html_(self) -> str:
        from clearprop.see.readable import foldable

        return foldable(self)


def explanation(step: CompiledStep[Any, Any], recording: Recording) -> Explained:
    """Return the text of `step.explain()`: what the executable says of itself."""
    executable, plan = recording.executable, recording.executable.plan
    program = executable.program
    computed = [v for group in executable.groups for v in group.values]
    total = sum(map(flops, computed))
    products = sum(flops(v) for v in computed if v.core.family == "contract")
    copied = sum(2 * v.nbytes for _, v in plan.copies)
    variants = sum(map(len, step.plans.values()))
    pieces = described(executable.stages)
    lines = [
        f"{getattr(step, '__name__', 'step')}: executor {recording.executor}, {variants} plan(s), "
        f"recorded {step.recordings} time(s)",
        f"  recorded {_computed(recording.recorded)} ops, lowered to {_computed(recording.lowered)}, "
        f"rewritten to {_computed(recording.program)}",
        *(f"    {n:4} x {name}" for name, n in sorted(recording.rules.items(), key=lambda item: -item[1])),
        f"  {len(executable.groups)} pieces:",
        *(f"    {piece}" for piece in pieces),
        *_shared(executable),
        f"  buffers: {megabytes(plan.total)}; {megabytes(plan.unshared)} if nothing were shared",
        *["  for masks that pick as many entries as when it was recorded"] * recording.counts,
        f"  states updated in place: {plan.in_place}, by a copy: {len(plan.copies)}, "
        f"as numbers: {len(plan.assigned)}",
        f"  one call: {total / 1e6:.3g} Mflop, {100 * products / max(total, 1):.0f} % in products; "
        f"{megabytes(moved(executable.groups) + copied)} read and written",
        f"  arguments: {_listed(program.arguments)}",
        f"  constants, taken when the step was recorded: {_listed(program.constants)}",
        f"  conditions of a call are checked {getattr(executable, 'checks', lambda: 'in Python')()}",
        f"  proved by {step.proofs} call(s), {1000 * step.proving:.3g} ms in all (prove={step.prove!r})",
    ]
    made = [(key, v) for key, known in step.plans.items() for v in known]
    if len(made) > 1:
        lines.append("  plans, and the seconds that making each took:")
        lines += [f"    {key.shapes}: {v.seconds:.3f}" for key, v in made]
    if step.disproved:
        lines.append(f"  a plan was given up: {step.disproved}")
    return Explained("\n".join(lines))


def _shared(executable: Any) -> list[str]:
    """Say how many threads take the parts of the stages that are shared, if the executor has some."""
    if not hasattr(executable, "sharers"):
        return []
    parts = [n for _, n in executable.stages if n]
    if not parts:
        return ["  no stage is worth more than one thread"]
    stages = f"{len(parts)} stage{'s' if len(parts) > 1 else ''}"
    n = executable.sharers
    head = f"  threads: {n}, for the {sum(parts)} parts of {stages}"
    return [f"{head}; every number of them gives the same bits"]


def _computed(program: Program) -> int:
    return sum(v.computed for v in program.values)


def described(stages: Sequence[tuple[list[Group], int]]) -> list[str]:
    """Return a line for each group as it runs; single ufuncs of NumPy are counted at the end.

    A stage is its groups, and in how many parts threads share them: 0 where one does all.
    """
    lines, counted = [], Counter[str]()
    for groups, parts in stages:
        for group in groups:
            if group.kind in ("ufunc", "reduction"):
                counted[group.values[0].op] += 1
            elif group.kind == "call":
                v = group.values[0]
                lines.append(f"{group}, by NumPy: {v.why or 'that is how it is computed'}")
            elif group.kind == "turns":
                lines.append(f"a loop of {group.values[0].why}")
            else:
                lines.append(f"{group}{f', in a stage of {parts} parts' if parts else ''}")
    calls = ", ".join(f"{n} {op}" for op, n in counted.most_common())
    return [*lines, *([f"{counted.total()} calls: {calls}"] if calls else [])]


def _listed(values: list[Value]) -> str:
    shown = Counter(f"{v.name + ' ' if v.name else ''}{v.shape} {v.dtype}{_from(v)}" for v in values)
    return "; ".join(f"{n} x {text}" if n > 1 else text for text, n in shown.items()) or "none"


def _from(v: Value) -> str:
    return f" from {v.line.rsplit('/', 1)[-1]}" if v.line and v.kind == "constant" else ""


def no_plan(name: str, reason: str) -> str:
    """Return the message where there is nothing to show."""
    if reason:
        return lesson(name, "runs eagerly", reason)
    where = "The first call runs without a plan where memory is made in it, as an optimizer's is."
    return lesson(name, "has no plan yet", "", where, "calling the step twice first")
