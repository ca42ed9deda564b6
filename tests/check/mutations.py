"""Faults put into every op's every rule, one at a time, to show that each is found and the right op named.

`python tests/check/mutations.py` prints the table, `python tests/check/mutations.py tanh` that of one op.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.check.compare import gradcheck
from clearprop.check.nodes import check_model
from clearprop.check.probe import Probe, listed
from clearprop.check.pull import gradients, random_weights
from clearprop.op import Op
from clearprop.registry import ops
from clearprop.tensor import Tensor, raw
from clearprop.testing import Case, cases, replaced, sending

Send = Callable[..., Any]
Fault = Callable[..., Any]


def _one_entry(size: float) -> Fault:
    def fault(send: Send, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
        d = send(g, z, *xs, **attrs)
        place = int(np.argmax(np.abs(d))) if np.size(d) else 0
        return d * np.where(np.arange(np.size(d)).reshape(np.shape(d)) == place, size, 1.0)

    return fault


def _only(place: int) -> Fault:
    """The sum over the axes that broadcasting repeated is missing: one slice stands for all."""

    def fault(send: Send, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
        d = send(g, z, *xs, **attrs)
        if np.size(d) < 2:
            return d
        kept = np.zeros(d.shape[0])
        kept[place] = 1.0
        return d * kept.reshape((-1,) + (1,) * (d.ndim - 1))

    return fault


def _transposed(send: Send, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
    d = send(g, z, *xs, **attrs)
    return np.transpose(d).reshape(np.shape(d)) if np.ndim(d) > 1 else d


def _other_axis(send: Send, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
    """Reduced, or normalised, along the wrong axis: the mean over the last axis for every entry."""
    d = send(g, z, *xs, **attrs)
    return np.broadcast_to(np.mean(d, axis=-1, keepdims=True), d.shape) if np.ndim(d) else d


def _unmasked(send: Send, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
    d = send(g, z, *xs, **attrs)
    return np.where(d == 0, 1.0, d)[()]


def _half_masked(send: Send, g: Any, z: Any, *xs: Any, **attrs: Any) -> Any:
    d = send(g, z, *xs, **attrs)
    return d * (np.arange(np.size(d)) % 2).reshape(np.shape(d))


def _on(change: Callable[[Any], Any]) -> Fault:
    return lambda send, g, z, *xs, **attrs: change(send(g, z, *xs, **attrs))


def _same(p: Any) -> Any:
    return p


def _given(g: Any = _same, z: Any = _same, x: Any = _same) -> Fault:
    """The right rule, given something else than it should be: gradient, output or inputs are changed."""

    def fault(send: Send, gradient: Any, output: Any, *xs: Any, **attrs: Any) -> Any:
        moved = [x(p) if getattr(getattr(p, "dtype", None), "kind", "") == "f" else p for p in xs]
        return send(g(gradient), z(output), *moved, **attrs)

    return fault


# fmt: off
FAULTS: dict[str, Fault] = {
    "twice as large":                   _on(lambda d: 2 * d),
    "divided by its size":              _on(lambda d: d / np.size(d)),
    "0.1 % too large":                  _on(lambda d: 1.001 * d),
    "wrong sign":                       _on(lambda d: -d),
    "no gradient":                      _on(lambda d: 0 * d),
    "absolute value":                   _on(np.abs),
    "clipped to 0.5":                   _on(lambda d: np.clip(d, -0.5, 0.5)),
    "rounded to float32":               _on(lambda d: d.astype(np.float32).astype(np.float64)),
    "rounded to three decimals":        _on(lambda d: np.round(d, 3)),
    "mean taken away":                  _on(lambda d: d - np.mean(d)),
    "one entry wrong by 1 %":           _one_entry(1.01),
    "one entry wrong by 0.1 %":         _one_entry(1.001),
    "one entry nan":                    _one_entry(float("nan")),
    "missing sum (first slice only)":   _only(0),
    "overwritten (last slice only)":    _only(-1),
    "transposed":                       _transposed,
    "reversed":                         _on(lambda d: np.flip(d, -1) if np.ndim(d) else d),
    "off by one":                       _on(lambda d: np.roll(d, 1, -1) if np.ndim(d) else d),
    "along the wrong axis":             _other_axis,
    "mask missing":                     _unmasked,
    "mask too large":                   _half_masked,
    "arriving gradient forgotten":      _given(g=np.ones_like),
    "arriving gradient squared":        _given(g=lambda p: p * p),
    "stale inputs":                     _given(x=lambda p: p * 0.999),
    "stale output":                     _given(z=lambda p: p * 0.999),
}
# fmt: on


@dataclass
class Tally:
    """The outcome of one kind of fault over all rules."""

    fault: str
    injected: int = 0
    found: int = 0
    named: int = 0
    explained: int = 0
    missed: list[str] = field(default_factory=list)


def real(case: Case, i: int, op: Op, fault: Fault) -> bool:
    """Tell whether the fault changes the gradient that this case gives: no check could find it otherwise."""
    probe = Probe(case.function, case.inputs, lift=True)
    probe({})
    if i not in probe.moving:
        return False
    weights = random_weights(probe.shapes, np.random.default_rng(1))
    right = gradients(case.function, probe.arrays, case.inputs)(weights)[i]
    with replaced(op, i, fault):
        try:
            wrong = gradients(case.function, probe.arrays, case.inputs)(weights)[i]
        except (ValueError, TypeError, IndexError):
            return False  # it breaks by itself
    if right is None or wrong is None:
        return False
    size = float(np.max(np.abs(right), initial=0.0))
    return not bool(np.all(np.abs(raw(wrong) - raw(right)) <= 1e-12 * size))


def effective(op: Op, i: int, fault: Fault) -> list[Case]:
    """Return the op's cases in which the fault makes a difference."""
    return [case for case in cases(op) if i < len(case.inputs) and real(case, i, op, fault)]


def embedded(case: Case) -> Callable[[], Any]:
    """Return a small model with the case's op in its middle, to see whether the fault is pinned on it."""

    def model() -> Any:
        xs = [ops["positive"](Tensor(x)) if np.asarray(x).dtype.kind == "f" else x for x in case.inputs]
        total: Any = 0.0
        for z in listed(case.function(*xs)):
            if isinstance(z, Tensor) and z.requires_grad:
                total = total + (z * np.linspace(0.5, 1.5, z.size).reshape(z.shape)).sum()
        return total

    return model


def mutate(names: Iterable[str], faults: dict[str, Fault] | None = None) -> Iterator[Tally]:
    """Yield, for each kind of fault, what became of it in every rule of the named ops."""
    rules = [(ops[name], i) for name in names for i in sending(ops[name])]
    for label, fault in (faults or FAULTS).items():
        row = Tally(label)
        for op, i in rules:
            hit = effective(op, i, fault)
            if not hit:
                continue
            row.injected += 1
            with replaced(op, i, fault):
                reports = (gradcheck(c.function, *c.inputs, raise_on_failure=False) for c in hit)
                report = next((r for r in reports if not r.ok), None)
                model = check_model(embedded(hit[-1]), raise_on_failure=False)
            if report is None:
                row.missed.append(f"{op.name}, input {i}")
            row.found += report is not None
            row.explained += report is not None and bool(report.causes)
            blamed = {f.op for f in model.findings}
            row.named += blamed == {op.name} and not model.problems
            if blamed != {op.name}:
                row.missed.append(f"{op.name}, input {i}: blamed {', '.join(sorted(blamed)) or 'nobody'}")
        yield row


def library() -> list[str]:
    """Return the names of the ops of this package that pass a gradient on."""
    return [n for n, op in ops.items() if op.__module__.startswith("clearprop.") and op.differentiable]


def main(names: list[str] | None = None) -> int:
    """Print the table; 0 where every fault was found, the right op named, and no sound rule was blamed."""
    names = names or library()
    alarms = [
        case.label
        for name in names
        for dtype in (np.float64, np.float32)
        for case in cases(ops[name], dtype)
        if not gradcheck(case.function, *case.inputs, raise_on_failure=False).ok
        or not check_model(embedded(case), raise_on_failure=False).ok
    ]
    rules = sum(len(sending(ops[name])) for name in names)
    print(f"{len(names)} ops, {rules} rules. False alarms on sound rules, float64 and float32: {len(alarms)}")
    print(f"\n  {'fault':<32} {'injected':>8} {'found':>6} {'op named':>9} {'explained':>10}")
    total = Tally("all")
    for row in mutate(names):
        print(
            f"  {row.fault:<32} {row.injected:>8} {row.found:>6} {row.named:>9} {row.explained:>10}",
            flush=True,
        )
        for kind in ("injected", "found", "named", "explained"):
            setattr(total, kind, getattr(total, kind) + getattr(row, kind))
        total.missed += [f"{row.fault}: {m}" for m in row.missed]
    print(f"  {'all':<32} {total.injected:>8} {total.found:>6} {total.named:>9} {total.explained:>10}")
    for line in [*(f"false alarm: {a}" for a in alarms), *(f"missed: {m}" for m in total.missed)]:
        print(line)
    return 1 if alarms or total.missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or None))
