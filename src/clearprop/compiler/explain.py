"""What `step.explain()` prints: what was recorded, fused and shared, and what one call costs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from clearprop.compiler.fuse import Call, Loop, Product, View, fuse
from clearprop.compiler.ir import Program, Value
from clearprop.compiler.memory import plan
from clearprop.errors import lesson

if TYPE_CHECKING:
    from clearprop.compiler.step import Recording, Step


def flops(v: Value) -> int:
    """Return the floating-point operations of one value: 2 n m k for a product, one an entry otherwise.

    >>> import numpy as np
    >>> x = Value("argument", (2, 3), np.dtype("f4"))
    >>> flops(Value("op", (2, 2), np.dtype("f4"), "matmul", (x, x)))
    24
    """
    if v.kind != "op" or not isinstance(v.shape, tuple) or any(not isinstance(n, int) for n in v.shape):
        return 0
    if v.op == "matmul":
        return 2 * v.size * int(v.operands[0].shape[-1])
    if v.is_ufunc:
        return v.size if v.dtype.kind == "f" and v.op != "astype" else 0
    return v.operands[0].size if "axes" in v.attrs and v.op != "transpose" else 0


def megabytes(n: float) -> str:
    """Return a number of bytes as people write it.

    >>> megabytes(2_500_000), megabytes(999)
    ('2.5 MB', '999 bytes')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} bytes"


def explanation(step: Step, recording: Recording) -> str:
    """Return the text of `step.explain()`."""
    program = recording.program
    groups = fuse(program)
    total = sum(map(flops, program.values))
    products = sum(flops(v) for v in program.values if v.op == "matmul" and v.kind == "op")
    moved = sum(
        sum(v.nbytes for v in (*g.reads, *g.writes) if _sized(v)) for g in groups if not isinstance(g, View)
    )
    memory = plan(groups, program, frozenset(v for v in program.values if not _sized(v)))
    variants = sum(map(len, step.plans.values()))
    lines = [
        f"{getattr(step, '__name__', 'step')}: executor {recording.executor}, {variants} plan(s), "
        f"recorded {step.recordings} time(s)",
        f"  recorded {_computed(recording.recorded)} ops, lowered to {_computed(recording.lowered)}, "
        f"rewritten to {_computed(program)}",
        *(f"    {n:4} x {name}" for name, n in sorted(recording.rules.items(), key=lambda item: -item[1])),
        f"  {_count(groups, Product)} products, {_count(groups, Loop)} loops, {_count(groups, Call)} calls of NumPy",
        *(f"    {group}" for group in groups if not isinstance(group, View)),
        f"  buffers: {megabytes(memory.arena)} in {len(memory.buffers)}, {megabytes(memory.unshared)} if nothing were shared",
        f"  states updated in place: {len(program.assignments) - len(memory.copies)}, by a copy: {len(memory.copies)}",
        f"  one call: {total / 1e6:.3g} Mflop, {100 * products / max(total, 1):.0f} % in products; "
        f"{megabytes(moved)} read and written",
        f"  arguments: {_listed(program.arguments)}",
        f"  constants, taken when the step was recorded: {_listed(program.constants)}",
    ]
    return "\n".join(lines)


def _sized(v: Value) -> bool:
    return isinstance(v.shape, tuple) and all(isinstance(n, int) for n in v.shape)


def _computed(program: Program) -> int:
    return sum(v.computed for v in program.values)


def _count(groups: list[Any], kind: type) -> int:
    return sum(isinstance(group, kind) for group in groups)


def _listed(values: list[Value]) -> str:
    shown = Counter(f"{v.name + ' ' if v.name else ''}{v.shape} {v.dtype}{_from(v)}" for v in values)
    return "; ".join(f"{n} x {text}" if n > 1 else text for text, n in shown.items()) or "none"


def _from(v: Value) -> str:
    return f" from {v.line.rsplit('/', 1)[-1]}" if v.line and v.kind == "constant" else ""


def no_plan(name: str, reason: str) -> str:
    """Return the message where there is nothing to show."""
    wanted = "runs eagerly" if reason else "has no plan yet"
    return lesson(name, wanted, reason, hint="calling the step once first" if not reason else "")
