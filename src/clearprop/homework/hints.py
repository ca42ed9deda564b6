"""Hints for a node class: where to look, not what to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.check.cause import Evidence, likely_cause


@dataclass(frozen=True)
class Hints:
    """What to say of one operation; `k` is the input, `g` its gradient, `r` the right one, `at` all values.

    The student's own numbers are told, and where they came about; the right ones are to be found.
    """

    label: str
    where: str = ""  # the line at which one node's share begins

    def value(self, name: str, at: Sequence[Any]) -> str:
        """Point at a value that is not the function's."""
        return f"{self.label}: the value is not what {name} gives at {numbers(at)}."

    def start(self, start: Any) -> str:
        """Ask about the gradient of the output itself; "" where there is one."""
        if start is not None and np.any(start):
            return ""
        return (
            f"{self.label}: after backward() the grad of the output itself is {start}. "
            "By how much does the output move when it moves by 1?"
        )

    def derivative(self, k: int, g: Any, r: Any, at: Sequence[Any]) -> str:
        """Point at a derivative that differences of values contradict."""
        if g is None:
            return f"{self.label}: input {k + 1} has no gradient after backward(). Who should give it one?"
        cause = likely_cause(Evidence(np.asarray(g, float), np.asarray(r), np.asarray(at[k])))
        which = f" Probably: {cause}." if cause.startswith(("wrong", "off")) else ""
        said = f" {numbers([g])}" if np.size(g) == 1 else ""
        return (
            f"{self.label}: at {numbers(at)}, nudge input {k + 1} by 0.001 and look how far the value moves: "
            f"the gradient{said} says something else.{self._line()}{which}"
        )

    def _line(self) -> str:
        return f" Look at {self.where}." if self.where else ""

    def chain(self, k: int, g: Any, r: Any, at: Sequence[Any]) -> str:
        """Point at what arrives from above."""
        if g is None or not np.any(g):
            return (
                f"{self.label}: right on its own, but inside another nothing reaches its input. Who calls it?"
            )
        return (
            f"{self.label}: right on its own, wrong inside another. What arrives from above is its own grad."
            f"{self._line()}"
        )

    def shape(self, k: int, g: Any, r: Any, at: Sequence[Any]) -> str:
        """Point at the shape of a gradient."""
        x = at[k]
        if np.shape(g) != np.shape(x):
            return (
                f"{self.label}: input {k + 1} has shape {np.shape(x)}, its gradient {np.shape(g)}. "
                "A gradient has the shape of its value, from the output on."
            )
        return f"{self.label}: the gradient of an array is wrong though that of a number is right."

    def broadcast(self, k: int, g: Any, r: Any, at: Sequence[Any]) -> str:
        """Point at an input that was repeated."""
        x = at[k]
        if np.size(g) < np.size(x):  # it was not this input that was repeated
            return self.shape(k, g, r, at)
        return (
            f"{self.label}: an input of shape {np.shape(x)} was repeated to fit the other, and received "
            f"{np.shape(g)}. An entry used many times: what does it get from each use?"
        )

    def order(self, k: int, g: Any, r: Any, at: Sequence[Any]) -> str:
        """Point at the order in which nodes are passed on."""
        return "A node used twice was passed on before everything had arrived: in which order?"


def numbers(values: Sequence[Any]) -> str:
    """Return numbers and arrays as they stand in a sentence."""
    return ", ".join(
        np.array2string(np.asarray(x), precision=3) if np.shape(x) else f"{float(x):.4g}" for x in values
    )
