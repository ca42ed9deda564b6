"""What `step.explain()` prints: what was recorded, fused and shared, and what one call costs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from clearprop.compiler.ir import VIEWS, Program, Value
from clearprop.compiler.memory import plan
from clearprop.compiler.pieces import Loop, View, fuse
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
    pieces = described(recording.executable)
    total = sum(map(flops, program.values))
    products = sum(flops(v) for v in program.values if v.op == "matmul" and v.kind == "op")
    working = [group for group in fuse(program) if not isinstance(group, View)]
    moved = sum(v.nbytes for group in working for v in (*group.reads, *group.writes) if _sized(v))
    memory = plan(fuse(program), program, frozenset(v for v in program.values if not _sized(v)))
    arena = getattr(getattr(recording.executable, "places", None), "total", None)
    arena = recording.executable.plan.arena if arena is None else arena
    variants = sum(map(len, step.plans.values()))
    lines = [
        f"{getattr(step, '__name__', 'step')}: executor {recording.executor}, {variants} plan(s), "
        f"recorded {step.recordings} time(s)",
        f"  recorded {_computed(recording.recorded)} ops, lowered to {_computed(recording.lowered)}, "
        f"rewritten to {_computed(program)}",
        *(f"    {n:4} x {name}" for name, n in sorted(recording.rules.items(), key=lambda item: -item[1])),
        f"  {len(pieces)} pieces:",
        *(f"    {piece}" for piece in pieces),
        f"  buffers: {megabytes(arena)}; {megabytes(_unshared(program))} if nothing were shared",
        f"  states updated in place: {len(program.assignments) - len(memory.copies)}, "
        f"by a copy: {len(memory.copies)}",
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


def _unshared(program: Program) -> int:
    return sum(v.nbytes for v in program.values if v.computed and _sized(v) and v.op not in VIEWS)


def described(executable: Any) -> list[str]:
    """Return what an executor runs as one piece each: loops, products, calls of NumPy."""
    if hasattr(executable, "plan"):
        single = [g for g in executable.groups if type(g) is Loop]
        counted = Counter(g.values[0].op for g in single)
        calls = ", ".join(f"{n} {op}" for op, n in counted.most_common())
        rest = [str(g) for g in executable.groups if not isinstance(g, View) and type(g) is not Loop]
        return [*rest, *([f"{len(single)} calls: {calls}"] if single else [])]
    return [
        f"{group.kind} {group.shape or ''}: {', '.join(v.op for v in group.values)}"
        for group in executable.grouping.groups
    ]


def _listed(values: list[Value]) -> str:
    shown = Counter(f"{v.name + ' ' if v.name else ''}{v.shape} {v.dtype}{_from(v)}" for v in values)
    return "; ".join(f"{n} x {text}" if n > 1 else text for text, n in shown.items()) or "none"


def _from(v: Value) -> str:
    return f" from {v.line.rsplit('/', 1)[-1]}" if v.line and v.kind == "constant" else ""


def no_plan(name: str, reason: str) -> str:
    """Return the message where there is nothing to show."""
    wanted = "runs eagerly" if reason else "has no plan yet"
    return lesson(name, wanted, reason, hint="calling the step once first" if not reason else "")
