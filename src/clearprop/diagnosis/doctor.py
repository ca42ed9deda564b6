"""`doctor(model, data)`: why does this model not learn? Findings with what was measured and what to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from clearprop.diagnosis.data_symptoms import data_looks
from clearprop.diagnosis.examination import Examination, examine
from clearprop.diagnosis.linearity import linear_layers
from clearprop.diagnosis.reach import reach_looks
from clearprop.diagnosis.symptoms import Symptom, all_looks
from clearprop.diagnosis.trials import forgetful, learning_rate, piled_up
from clearprop.ops import random
from clearprop.see.readable import foldable
from clearprop.tensor import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """What the doctor found: `findings`, none for a healthy model; `looked` counts what was looked for.

    >>> import numpy as np
    >>> from clearprop import manual_seed, nn
    >>> manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> doctor(model, (np.eye(2, dtype=np.float32), np.ones((2, 1), np.float32))).names
    ()
    """

    findings: tuple[Symptom, ...]
    about: str
    looked: int

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the findings."""
        return tuple(f.name for f in self.findings)

    @property
    def text(self) -> str:
        """The findings as numbered paragraphs."""
        if self.healthy:
            return f"{self.about}\nNo finding: looked for {self.looked} kinds of trouble."
        n = len(self.findings)
        head = f"{self.about}\n{n} finding{'s' if n > 1 else ''}:"
        return "\n".join([head, *(f"{i}. {finding.text}" for i, finding in enumerate(self.findings, 1))])

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return foldable(self.text)


def doctor(
    model: Any,
    data: Any,
    loss: Callable[[Any, Any], Any] | None = None,
    optimizer: Any = None,
    *,
    step: Callable[[Any, Any], Any] | None = None,
) -> Diagnosis:
    """Look for what keeps a model from learning; each finding says what was measured, why, and what to try.

    `data` is a pair of arrays (inputs, targets), a dataset or a DataLoader; up to 512 rows go through a copy
    of the model, forward and backward. `loss(output, target)` is cross entropy for whole numbers and the mean
    squared error for others unless given. With the `optimizer` some trial steps on copies tell whether its
    learning rate is too high or too low; with your own `step(x, y)` a forgotten `zero_grad()` is found for
    certain (otherwise by gradients that have piled up). The model, its gradients, the optimizer and the
    random state are afterwards what they were, to the bit.

    >>> import numpy as np, clearprop
    >>> from clearprop import nn
    >>> clearprop.manual_seed(0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    >>> y = (x.sum(axis=1) > 0).astype(int)
    >>> doctor(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), (x, y))
    Sequential, 50 parameters in 2 layers, CrossEntropyLoss 0.838 on 64 rows.
    No finding: looked for 29 kinds of trouble.
    >>> doctor(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softmax()), (1000 * x, y)).names
    ('inputs that are not scaled', 'softmax before CrossEntropyLoss')
    """
    state = random.get_rng_state()
    try:
        seen = examine(model, data, loss, optimizer)
        found = [*_found(seen)]
        if step is not None and seen.failure is None:
            found = [f for f in found if not f.name.startswith("zero_grad")]
            found += _stepped(step, model, optimizer, seen, found)
    finally:
        random.set_rng_state(state)
    return Diagnosis(tuple(_pointing(f, model, seen) for f in found), _about(model, seen), KINDS)


KINDS = (
    len(all_looks()) + len(data_looks()) + len(reach_looks()) + 7
)  # and: runs, finite, linear, zero_grad, step runs, rate too high, too low


def _found(seen: Examination) -> Iterator[Symptom]:
    about_data = [finding for look in data_looks() for finding in look(seen)]
    yield from about_data
    if seen.failure is not None:
        if not any(f.name == "labels out of range" for f in about_data):
            yield Symptom(
                "the model does not run on this data",
                "",
                str(seen.failure).replace("\n", "\n   "),
                "without a loss there is nothing to learn from",
                "the shapes: the last axis of the inputs is the first layer's in_features",
            )
        return
    if any(f.name.startswith("numbers that are not finite") for f in about_data):
        return
    if seen.nonfinite:
        yield from _not_finite(seen)
        return
    for look in (*all_looks(), *reach_looks(), linear_layers, piled_up, learning_rate):
        yield from look(seen)


def _stepped(
    step: Any, model: Any, optimizer: Any, seen: Examination, found: list[Symptom]
) -> Iterator[Symptom]:
    """What the user's own step shows, a step that fails included."""
    try:
        yield from forgetful(step, model, optimizer, seen.x[:32], seen.y[:32])
    except Exception as error:  # the user's own: it is the finding, unless its reason is found already
        if not any(f.name in ("the loss is locally constant", "the graph is cut") for f in found):
            yield Symptom(
                "the training step does not run",
                "step(x, y)",
                f"{type(error).__name__}: {error}".replace("\n", "\n   "),
                "nothing is learned",
                "step(x, y) on two batches of the data by hand",
            )


def _not_finite(seen: Examination) -> Iterator[Symptom]:
    """The first number that is not finite, unless a `where` discards it and nothing else comes of it."""
    for report in seen.nonfinite:
        if report.discarded and report.phase == "forward":
            continue
        yield Symptom(
            "a number that is not finite",
            seen.module_of(report.node) or report.call,
            report.text.replace("\n", "\n   "),
            "one NaN spreads to the loss, to every gradient, and with the next step to every weight",
            "clearprop.watch() around the training step, to stop where it arises",
            report.node,
        )
        return


def _pointing(finding: Symptom, model: Any, seen: Examination) -> Symptom:
    """Point at the model's own parameter instead of the copy's."""
    for name, p in seen.parameters.items():
        if finding.node is p:
            return replace(finding, node=dict(model.named_parameters())[name])
    return finding if isinstance(finding.node, Tensor) else replace(finding, node=None)


def _about(model: Any, seen: Examination) -> str:
    count = sum(p.size for p in seen.parameters.values())
    n = len(seen.layers)
    layers = f" in {n} layer{'s' if n > 1 else ''}" if n else ""
    loss = f", {seen.loss_name} {seen.loss_value:.3g} on {len(seen.x)} rows"
    return f"{type(model).__name__}, {count:,} parameters{layers}{loss if seen.loss is not None else ''}."
