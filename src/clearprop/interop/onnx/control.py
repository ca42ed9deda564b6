"""ONNX's control flow: `If`, `Loop`, `Scan`, whose branches and bodies are graphs inside of the operator.

Each takes the operator's attributes, what is known around it, and its inputs. A loop runs as a loop in
Python, so that it is a graph of ordinary ops as if it had been written out. A choice by a Tensor is
`clearprop.cond`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.interop.onnx.attention import number
from clearprop.loops import cond
from clearprop.tensor import Tensor

Attributes = dict[str, Any]
Known = dict[str, Any]
xp: Any = np


def _choice(a: Attributes, known: Known, holds: Any) -> Any:
    branches = a["then_branch"], a["else_branch"]
    if isinstance(holds, Tensor):
        yes, no = ((lambda branch=branch: branch.run(known)) for branch in branches)
        return cond(xp.reshape(holds, ()), yes, no)
    return branches[0 if bool(np.reshape(holds, ())) else 1].run(known)


def _loop(a: Attributes, known: Known, most: Any, go_on: Any, *carry: Any) -> Any:
    """Repeat the body as long as the condition holds and at most so often."""
    body, count, kept = a["body"], len(carry), []
    limit = None if most is None else int(number(most).reshape(()))
    go_on = np.asarray(True) if go_on is None else go_on
    turn = 0
    while (limit is None or turn < limit) and bool(number(go_on).reshape(())):
        go_on, *found = body.run(known, np.asarray(turn, np.int64), go_on, *carry)
        carry = tuple(found[:count])
        kept.append(found[count:])
        turn += 1
    if not kept:
        return (*carry, *body.no_rows[1 + count :])
    return (*carry, *(xp.stack(rows, axis=0) for rows in zip(*kept, strict=True)))


def _scan(a: Attributes, known: Known, *given: Any) -> Any:
    """Walk along an axis of some inputs, carrying the others on."""
    if a["version"] < 9:  # (lengths, ...), with a batch before all: each entry of the batch by itself
        rows = range(given[1].shape[0])
        each = [_scan(a | {"version": 9}, known, *(x[i] for x in given[1:])) for i in rows]
        return tuple(xp.stack(found, axis=0) for found in zip(*each, strict=True))
    body, many = a["body"], a["num_scan_inputs"]
    carry, walked = tuple(given[: len(given) - many]), given[len(given) - many :]
    back = a.get("scan_input_directions", [0] * many)
    axes = a.get("scan_input_axes", [0] * many)
    rows_of = [xp.moveaxis(x, axis, 0) for x, axis in zip(walked, axes, strict=True)]
    length = rows_of[0].shape[0]
    kept = []
    for t in range(length):
        entries = [x[length - 1 - t if b else t] for x, b in zip(rows_of, back, strict=True)]
        found = body.run(known, *carry, *entries)
        carry = found[: len(carry)]
        kept.append(found[len(carry) :])
    outs = [list(rows) for rows in zip(*kept, strict=True)]
    many_outs = len(body.outputs) - len(carry)
    turned = a.get("scan_output_directions", [0] * many_outs)
    into = a.get("scan_output_axes", [0] * many_outs)
    if not kept:
        empty = zip(body.no_rows[len(carry) :], into, strict=True)
        return (*carry, *(np.moveaxis(x, 0, i) for x, i in empty))
    return (
        *carry,
        *(xp.stack(o[:: -1 if b else 1], axis=i) for o, b, i in zip(outs, turned, into, strict=True)),
    )


CONTROL: dict[str, Callable[..., Any]] = {"If": _choice, "Loop": _loop, "Scan": _scan}
"""Operators that run graphs of their own."""
