"""A trained model as a JavaScript module: `predict(x)` for any number of rows, and nothing else is needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearprop import tree
from clearprop.compiler.engines.js import javascript
from clearprop.errors import lesson
from clearprop.modes import no_grad
from clearprop.play.programs import recorded
from clearprop.rows import LENGTHS, alike, lengths, shaken
from clearprop.train.evaluation import evaluating

_PREDICT = """
const network = make(states.map((s) => s.data)), [row] = network.arguments, [out] = network.outputs;
/** The network's outputs for rows of inputs, one row after the other. */
export function predict(x) {
  if (x.length % row.length) throw new RangeError(`rows of ${row.length} numbers, not ${x.length} numbers`);
  const rows = x.length / row.length, found = new out.constructor(rows * out.length);
  for (let r = 0; r < rows; r++) {
    row.set(x.slice(r * row.length, (r + 1) * row.length));
    network.run();
    found.set(out, r * out.length);
  }
  return found;
}
"""
_ENCODE = """
/** Numbers in the order of `columns` as the network takes them; NaN stands for a missing one. */
export function encode(cells) {
  if (cells.length !== columns.length) throw new RangeError(`${columns.length} numbers, not ${cells.length}`);
  return columns.flatMap((c, i) => {
    const missing = Number.isNaN(cells[i]), v = missing ? c.median : cells[i];
    const r = (v - c.median) / (c.spread || 1), robust = c.spread ? [r / Math.hypot(1, r / 3)] : [];
    return [...robust, (v - c.mean) / c.scale, ...(c.gaps ? [+missing] : [])];
  });
}
"""


_KNOWN = {"name", "kind", "median", "mean", "scale", "spread", "gaps"}
"""What `encode` knows of a column of numbers."""


def _numbers(columns: Sequence[Mapping[str, Any]], width: int) -> bool:
    """Tell whether columns are numbers alone, written plainly, and make the inputs that a network takes."""
    plain = all(column.get("kind") == "number" and _KNOWN.issuperset(column) for column in columns)
    return plain and sum(1 + bool(c.get("spread")) + bool(c.get("gaps")) for c in columns) == width


def _check_rows(network: Any, width: int, entries: int) -> None:
    """Raise ValueError where a row among others has another result than by itself: it is run by itself.

    `entries` are how many numbers it computes for one.
    """

    def computed(x: Any) -> Any:
        return tree.leaves(network(x))[0]._value

    rows = shaken([np.zeros((1, width), np.float32)], max(LENGTHS))[0]
    alone = np.stack([computed(row[None]) for row in rows])
    for n in (*LENGTHS, *(n for n in lengths(1, entries) if n != 1)):
        each = np.resize(alone, (n, *alone.shape[2:]))
        if not alike(each, computed(np.resize(rows, (n, width)))):
            wanted = "wants a network that computes of a row the same alone and among others"
            got = f"{n} rows have other results than each by itself"
            raise ValueError(lesson("model_module(network, width)", wanted, got))


def model_module(network: Any, width: int, about: Mapping[str, Any] | None = None) -> str:
    """Return a network of `width` inputs as an ES module with `predict(x)`, in evaluation mode.

    What `clearprop train` has saved about a table's columns comes with it: `columns`, `target`, and where all
    are numbers, `encode(cells)`. Raises TypeError, naming the op, for a network that has no translation, and
    ValueError where what it computes of a row depends on how many there are.

    >>> from clearprop import nn
    >>> "export function predict" in model_module(nn.Linear(2, 1), 2)
    True
    """
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(
            lesson("model_module(network, width)", "wants a number of inputs, 1 or more", repr(width))
        )
    with evaluating(network), no_grad():
        program = recorded(lambda x: network(x), np.zeros((1, width), np.float32))
        _check_rows(network, width, sum(v.size for v in program.values))
        text = javascript(program)
    told, parts = dict(about or {}), [text, _PREDICT]
    for name in ("columns", "target"):
        if name in told:
            parts.append(f"export const {name}={json.dumps(told[name], ensure_ascii=False)};")
    if _numbers(told.get("columns") or [], width):
        parts.append(_ENCODE)
    return "\n".join(parts)
