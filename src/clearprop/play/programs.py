"""Several recorded functions of the same Tensors as JavaScript that shares those Tensors' arrays."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from clearprop.compiler import compile
from clearprop.compiler.engines.js import JavaScript
from clearprop.compiler.program.contents import contents
from clearprop.compiler.program.ir import Program, State
from clearprop.registry import ops
from clearprop.tensor import Tensor

MOST = 200e6
"""Floating-point operations of one step that a page is still asked for: about a third of a second."""
HOLDS = {"int64": np.float64, "bool": np.uint8, "float16": np.float32}
"""What an array in the page has where JavaScript has no numbers of the dtype."""


def recorded(function: Callable[..., Any], *arguments: Any) -> Program:
    """Return the program that a function is for arguments of these shapes."""
    return called(function, *arguments)[1]


def called(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Program]:
    """Return what a function returns for these arguments, and the program that it is for their shapes."""
    step = compile(function, executor="numpy", prove="never")
    result = step(*arguments)
    if step.latest is None:  # it has made what it needs, an optimizer its memory
        result = step(*arguments)
    return result, step.latest.recording.program  # type: ignore[union-attr]


def operations(program: Program) -> int:
    """Return how many floating-point operations a program is, those of calls as their ops say."""
    total = 0
    for v in program.values:
        op = ops.get(v.op) if v.kind == "call" else None
        if op is not None and callable(op.facts.cost):
            total += int(op.facts.cost(v, *v.inputs, **v.attrs))
        else:
            total += v.core.flops(v)
    return total


class Programs:
    """Printed programs, and the states that they have in common."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.states: list[State] = []
        self.shapes: list[tuple[Any, Any]] = []
        self.used: list[list[int]] = []
        self.places: dict[Any, int] = {}

    def add(self, program: Program) -> int:
        """Print one more; return its number. Raises Unlowered, naming an op, where it cannot be printed."""
        made = JavaScript(program)
        for state in made.states:
            if state.key not in self.places:
                self.places[state.key] = len(self.states)
                self.states.append(state)
                self.shapes.append(made.shapes[state.key])
        self.texts.append(made.text)
        self.used.append([self.places[state.key] for state in made.states])
        return len(self.texts) - 1

    def place(self, tensor: Tensor, slot: str = "value") -> int:
        """Return the number of a Tensor's state, -1 where no program has it."""
        return self.places.get((id(tensor), slot, -1), -1)

    def described(self) -> list[dict[str, Any]]:
        """Return what each state is, and its bytes as they are now."""
        return [
            {"name": state.name, "shape": list(shape), **packed(contents(state, shape, dtype))}
            for state, (shape, dtype) in zip(self.states, self.shapes, strict=True)
        ]


def packed(array: Any) -> dict[str, str]:
    """Return an array as the name of the array in the page and its bytes."""
    array = np.asarray(array)
    held = np.ascontiguousarray(array.astype(HOLDS.get(str(array.dtype), array.dtype)))
    kind = {"f": "Float", "i": "Int", "u": "BigUint" if held.itemsize == 8 else "Uint"}[held.dtype.kind]
    text = "" if not held.any() else base64.b64encode(held.tobytes()).decode()
    return {"kind": f"{kind}{8 * held.itemsize}Array", "size": str(held.size), "data": text}
