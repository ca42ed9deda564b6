"""`check_model`: a graph checked node by node, so that the op and the line at fault are named."""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearprop.backward import input_gradient, propagate
from clearprop.check.cause import Evidence, likely_cause
from clearprop.check.moves import Shifted
from clearprop.check.numeric import columns, measure, slopes
from clearprop.check.probe import Probe, listed
from clearprop.check.pull import random_weights
from clearprop.check.report import Judged
from clearprop.check.search import Search
from clearprop.errors import GradientError, lesson, user_line
from clearprop.graph import topological_order
from clearprop.hints import refuse_texts
from clearprop.modes import Observer, no_grad, observed
from clearprop.op import describe
from clearprop.see.algebra.labels import must_be_a_tensor
from clearprop.see.readable import judged
from clearprop.tensor import Tensor

TOLERANCE = (
    1e-9  # of a directional derivative; one entry of a million wrong by 0.1 % is a thousand times that
)
TOGETHER = 1_000_000  # entries times outputs up to which every output is followed on its own
LOCATE = 512  # entries of an input up to which a wrong rule is looked at entry by entry; beyond, some


@dataclass
class NodeFinding:
    """A rule found wrong: which op, at which node and line, for which input, by how much and why."""

    op: str
    input: int
    node: Tensor
    line: str
    index: tuple[int, ...]
    analytic: float
    numerical: float
    cause: str

    def __repr__(self) -> str:
        name = f" '{self.node.name}'" if self.node.name else ""
        shapes = ", ".join(describe(x) for x in self.node.inputs)
        call = f"{self.op}({shapes}) ->{name} {describe(self.node._value)}"
        lines = [f"{call}: the rule of input {self.input} is wrong."]
        ratio = f", ratio {self.analytic / self.numerical:.6g}" if self.numerical else ""
        at = f" at {list(self.index)}" if self.index else ""
        lines.append(
            f"  Of a random gradient it sends{at} {self.analytic:.12g}; "
            f"differences give {self.numerical:.12g}{ratio}."
        )
        if self.line:
            lines.append(f"  Called at {self.line}{_source(self.line)}")
        if self.cause:
            lines.append(f"  Probably: {self.cause}.")
        return "\n".join(lines)


def _source(line: str) -> str:
    """The text of that line of the user's code, where it can be read."""
    file, _, number = line.rpartition(":")
    text = linecache.getline(file, int(number)).strip()
    return f": {text}" if text else "."


@dataclass
class ModelReport(Judged):
    """What `check_model` found; true where some rule could be compared and every one is right.

    >>> from clearprop import nn
    >>> from clearprop.check import check_model
    >>> report = check_model(nn.Linear(2, 1), np.ones((3, 2)))
    >>> report.verdict, report.findings
    ('right', [])
    """

    nodes: int = 0
    rules: int = 0
    compared: int = 0
    evaluations: int = 0
    beside: int = 0
    findings: list[NodeFinding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def _is_wrong(self) -> bool:
        return bool(self.findings or self.problems)

    def __repr__(self) -> str:
        wrong = f"{len(self.findings)} WRONG" if self.findings else self.verdict
        counts = f"{self.compared} compared, {self.rules - self.compared} skipped"
        lines = [
            f"{self.nodes} nodes, {self.rules} rules: {wrong}, {counts}; "
            f"{self.evaluations} evaluations of single ops."
        ]
        lines += [repr(f) for f in self.findings[:10]]
        if len(self.findings) > 10:
            lines.append(f"... and {len(self.findings) - 10} more.")
        lines += self.problems
        if self.beside:
            lines.append(f"{self.beside} rules have entries on a kink and were checked beside it as well.")
        if self.skipped:
            lines.append(f"Skipped {len(self.skipped)}: {'; '.join(self.skipped[:5])}.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return judged(self.verdict, repr(self))


class _Lines(Observer):
    """An observer that notes on which line of the user's code each node was made."""

    def __init__(self) -> None:
        self.of: dict[Tensor, str] = {}

    def saw(self, node: Tensor) -> None:
        """Note the line."""
        self.of[node] = user_line()


def check_model(model: Any, *inputs: Any, raise_on_failure: bool = True, seed: int = 0) -> ModelReport:
    """Check each op's rule, at the values of this very graph, against differences of the op's own forward.

    `model` is a Tensor whose graph is there already, or anything that is called with `inputs` and returns
    Tensors: a Module, a function, `lambda: loss(model(x), y)`. Called, it also tells the line of each node.
    Every rule is tried in float64 along random directions, <g, J v> against <rule(g), v>; where they differ
    the wrong entry is looked for and a cause guessed. The sums that the backward loop makes are checked too.
    Raises GradientError with the report where something is wrong or no rule could be compared, unless
    `raise_on_failure=False`.

    >>> import numpy as np
    >>> check_model(lambda x, w: np.mean(np.tanh(x @ w)), np.ones((2, 3)), Tensor(np.ones((3, 4))))
    3 nodes, 3 rules: right, 3 compared, 0 skipped; ... evaluations of single ops.
    """
    refuse_texts("check_model", raise_on_failure=raise_on_failure)
    lines = _Lines()
    if isinstance(model, Tensor):
        outputs = [model]
    else:
        if not callable(model):
            must_be_a_tensor("check_model", model)
        with observed(lines):
            outputs = [z for z in listed(model(*inputs)) if isinstance(z, Tensor)]
    outputs = [z for z in outputs if z.requires_grad]
    if not outputs:
        raise GradientError(
            lesson(
                "check_model(...)",
                "wants something computed from Tensors that need a gradient",
                hint="wrapping what you differentiate by in Tensor(...)",
            )
        )
    order = sorted({t for z in outputs for t in topological_order(z, tracked=True)}, key=lambda t: t.serial)
    report = ModelReport()
    rng = np.random.default_rng(seed)
    for node in order:
        if node.op is not None:
            report.nodes += 1
            _check_node(report, node, lines.of.get(node, ""), rng)
    _check_sums(report, order, outputs, rng)
    if not report.ok and raise_on_failure:
        raise GradientError(repr(report))
    return report


def _check_node(report: ModelReport, node: Tensor, line: str, rng: np.random.Generator) -> None:
    trial = _Trial(node, rng)
    place = f"{trial.name} at {line or 'a node'}"
    report.rules += len(trial.moving)
    if not np.all(np.isfinite(trial.at)) or not trial.at.size:
        what = "values that are not finite" if trial.at.size else "no values"
        report.skipped.append(f"{place} has {what}")
        return
    for j in range(len(trial.moving)):
        agrees, finding = trial.agrees(j, rng), None
        if agrees is False:
            finding = trial.located(j, line)
            if finding is None:  # only entries on a kink differ: look at the smooth ground beside it
                beside = _Trial(node, rng, nudge=0.01)
                report.beside += 1
                agrees = beside.agrees(j, rng) if np.all(np.isfinite(beside.at)) else None
                finding = beside.located(j, line) if agrees is False else None
                report.evaluations += beside.probe.evaluations
        if finding is not None:
            report.findings.append(finding)
        if agrees or finding is not None:
            report.compared += 1
        else:
            report.skipped.append(f"input {j} of {place}: its differences tell nothing")
    report.evaluations += trial.probe.evaluations


class _Trial:
    """One node's op on its own: the function of the inputs that need a gradient, and what its rules send."""

    def __init__(self, node: Tensor, rng: np.random.Generator, nudge: float = 0.0) -> None:
        assert node.op is not None
        self.node, self.op, self.name = node, node.op, node.op.name
        self.moving = [j for j, x in enumerate(node.inputs) if isinstance(x, Tensor) and x.requires_grad]
        fixed = [_widened(v) for v in node.values]
        for j in self.moving if nudge else ():
            fixed[j] = _nudged(fixed[j], nudge, rng)

        def forward(*moved: Any) -> Any:
            xs = list(fixed)
            for j, x in zip(self.moving, moved, strict=True):
                xs[j] = x
            return self.op.forward(*xs, **node.attrs)

        self.probe = Probe(forward, tuple(fixed[j] for j in self.moving), lift=False)
        self.at = self.probe.start()
        weights = random_weights(self.probe.shapes, rng)
        self.weighings = [weights, [-1.3 * w for w in weights]]  # a rule is linear: also for the other sign
        self.weights = np.array([np.concatenate([w.reshape(-1) for w in ws]) for ws in self.weighings])
        self.sent = [[self._sent(ws, j, fixed) for ws in self.weighings] for j in self.moving]

    def _sent(self, weights: list[Any], j: int, xs: list[Any]) -> Any:
        with np.errstate(all="ignore"), no_grad():
            z = self.op.forward(*xs, **self.node.attrs)
            g = np.asarray(weights[0], z.dtype)[()]
            d = input_gradient(self.op, j, g, z, xs, self.node.attrs)
        return np.zeros_like(xs[j]) if d is None else np.asarray(d)

    def agrees(self, j: int, rng: np.random.Generator) -> bool | None:
        """Whether rule and differences agree along a direction in proportion to x and along another; None
        where neither tells anything."""
        x = self.probe.arrays[j]
        if any(d.shape != x.shape for d in self.sent[j]):
            return False
        if not x.size or np.any(self.probe.murky):
            return None
        scale = float(np.sqrt(np.mean(x * x))) or 1.0
        terms = np.abs(self.weights) @ np.maximum(np.abs(self.at), self.probe.terms)
        told = False
        for size in (np.where(x == 0, scale, np.abs(x)), np.full(x.shape, scale)):
            v = size * rng.choice([-1.0, 1.0], x.shape)
            shifted, step = self.probe.along({j: v})
            found = slopes(self._weighed(shifted), step, self.probe.eps, self.weights @ self.at, terms)
            sent = np.array([float(np.sum(d * v)) for d in self.sent[j]])
            parts = np.array(
                [(float(np.sum(np.abs(d * v))), float(np.linalg.norm(d * v))) for d in self.sent[j]]
            )
            allowed = 10 * found.error + TOLERANCE * parts[:, 1] + 64 * self.probe.eps * parts[:, 0]
            if np.any(found.kink) or not np.all(np.abs(sent - found.value) <= allowed):
                return False
            seen = np.maximum(np.maximum(parts[:, 1], np.abs(found.value)), 1e-6 * terms)
            told = told or bool(np.all(found.error <= 1e-4 * seen))
        return told or None

    def _weighed(self, shifted: Shifted) -> Shifted:
        """The same function with its outputs weighed: two numbers, however many there are."""

        def weighed(t: float) -> tuple[Any, float]:
            values, gone = shifted(t)
            return self.weights @ values, gone

        return weighed

    def suspects(self, j: int, k: int) -> list[int]:
        """Return the entry that bisection corners and a sample of the others, to tell one fault from all."""
        rng = np.random.default_rng(0)
        search = Search(self.probe, {j: self.sent[j][k]}, self.weights[k], rng)
        entry = search.corner(search.direction())
        shape, size = self.probe.arrays[j].shape, self.probe.arrays[j].size
        found = [] if entry is None else [int(np.ravel_multi_index(entry.index, shape))]
        return sorted({*found, *rng.choice(size, 64, replace=False).tolist()})

    def located(self, j: int, line: str) -> NodeFinding | None:
        """Look entry by entry (at a sample, where there are many) and return the worst, None where all
        entries that differ sit on a kink."""
        x = self.probe.arrays[j]
        shape = next((d.shape for d in self.sent[j] if d.shape != x.shape), None)
        if shape is not None:
            cause = likely_cause(Evidence(np.empty(shape), None, x)) or "a sum or a transpose is missing"
            said = f"the gradient has shape {shape}, the input {x.shape}: {cause}"
            return NodeFinding(
                self.name, self.moving[j], self.node, line, (), float("nan"), float("nan"), said
            )
        return self._located(j, 0, line) or self._located(j, 1, line)

    def _measured(self, j: int, k: int, chosen: list[int]) -> tuple[Any, Any, Any, Any]:
        """Return, for each chosen entry, whether it is on a kink, its derivative, the error of that, and what
        each output contributes (None where there are too many to keep apart)."""
        weights = self.weights[k]
        if self.at.size * len(chosen) <= TOGETHER:
            found = list(columns(self.probe, j, self.at, chosen))
            value = np.array([float(weights @ s.value) for s in found])
            error = np.array([float(np.abs(weights) @ s.error) for s in found])
            contributions = np.array([s.value for s in found]).T * weights[:, None]
            return np.array([bool(np.any(s.kink)) for s in found]), value, error, contributions
        at, terms = self.weights @ self.at, np.abs(self.weights) @ np.abs(self.at)
        sums = []
        for i in chosen:
            shifted, steps = self.probe.entry(j, i)
            sums.append(measure(self._weighed(shifted), steps, self.probe.eps, at, terms))
        value, error = np.array([s.value[k] for s in sums]), np.array([s.error[k] for s in sums])
        return np.array([bool(np.any(s.kink)) for s in sums]), value, error, None

    def _located(self, j: int, k: int, line: str) -> NodeFinding | None:
        x, weights = self.probe.arrays[j], self.weights[k]
        chosen = list(range(x.size)) if x.size <= LOCATE else self.suspects(j, k)
        kink, right, error, contributions = self._measured(j, k, chosen)
        told = self.sent[j][k].reshape(-1)[chosen]
        with np.errstate(all="ignore"):
            off = np.where(kink, 0.0, np.abs(told - right))
            allowed = 10 * error + TOLERANCE * np.abs(right) + 1e-12 * np.max(np.abs(right), initial=0.0)
            wrong = ~(off <= allowed) & np.isfinite(error) & ~kink
        if not np.any(wrong):
            return None
        worst = int(np.argmax(np.where(wrong, np.nan_to_num(off, nan=np.inf), -1.0)))
        whole = x.shape if len(chosen) == x.size else (len(chosen),)
        evidence = Evidence(
            np.where(kink, right, told).reshape(whole),
            right.reshape(whole),
            x.reshape(-1)[chosen].reshape(whole),
            contributions,
            self.probe.shapes,
            weights,
            len(chosen) < x.size,
        )
        index = tuple(int(n) for n in np.unravel_index(chosen[worst], x.shape))
        return NodeFinding(
            self.name,
            self.moving[j],
            self.node,
            line,
            index,
            float(told[worst]),
            float(right[worst]),
            likely_cause(evidence),
        )


def _nudged(x: Any, size: float, rng: np.random.Generator) -> Any:
    """Move every entry a little, in proportion to itself, and zeros in proportion to the others."""
    scale = float(np.sqrt(np.mean(x * x))) or 1.0
    return x + size * np.where(x == 0, scale, x) * rng.uniform(-1.0, 1.0, x.shape)


def _widened(value: Any) -> Any:
    if getattr(getattr(value, "dtype", None), "kind", "") == "f":
        return value.astype(np.float64)
    return value


class _AddedUp(Observer):
    """An observer that adds up, for every node, what is sent to it."""

    follows = True

    def __init__(self) -> None:
        self.parts: dict[Tensor, list[Any]] = {}

    def sent(self, node: Tensor, i: int, d: Any) -> None:
        """Keep a copy of what arrives."""
        self.parts.setdefault(node.inputs[i], []).append(np.array(d))


def _check_sums(
    report: ModelReport, order: list[Tensor], outputs: list[Tensor], rng: np.random.Generator
) -> None:
    """Compare the gradient of every node with the sum of what its users sent."""
    arriving = {z: np.asarray(random_weights([z.shape], rng)[0], z.dtype)[()] for z in outputs}
    sums = _AddedUp()
    with observed(sums):
        grads = propagate(order, dict(arriving))
    for x, parts in sums.parts.items():
        if x in arriving:
            continue
        with np.errstate(all="ignore"):
            total = np.sum([p.astype(np.float64) for p in parts], axis=0)
            size = np.sum([np.abs(p) for p in parts], axis=0)
            off = np.abs(np.asarray(grads[x]) - total) > 1e-5 * size
        if not np.any(off & np.isfinite(size)):
            continue
        last = len(parts) > 1 and any(np.array_equal(grads[x], p) for p in parts)
        cause = "the backward pass overwrites instead of adding" if last else "the sum is wrong"
        report.problems.append(
            f"The gradient of {describe(x)} is not the sum of the {len(parts)} that its users send: {cause}."
        )
