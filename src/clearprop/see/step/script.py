"""A graph of numbers as JavaScript: forward functions and rules, read off the ops by running them on symbols.

The base functions of mathematics say how they are written (`Facts.script`), and no derivative is: `tanh` is
`Math.tanh`, but its local derivative is what the op's own rule, `1 - z * z`, does when it is run on Tensors
named `z` and `x`. An op that does not say it, a user's own among them, is read off its forward function in
the same way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from clearprop.backward import input_gradient
from clearprop.graph import topological_order
from clearprop.modes import Observer, observed
from clearprop.op import Op
from clearprop.see.algebra.symbols import Symbol
from clearprop.see.step.given import following
from clearprop.sources import source_of
from clearprop.tensor import Tensor
from clearprop.ufunc import Ufunc

SHORT = 60  # characters, beyond which what is used more than once gets a name


class Unscriptable(Exception):
    """Why something cannot be written as a function of numbers."""


class _LooksAtNoValue(Observer):
    """An observer under which a rule that looks at a value is refused: it would hold for that value only."""

    def python_value(self, tensor: Tensor, asked: str) -> None:
        raise Unscriptable(f"a rule asks for {asked}")


class Script:
    """The JavaScript of one graph: `forward[n]` computes node n from `v`, `local` and `amount` are the rules.

    `v` is the array of all values by the nodes' numbers, `g` the gradient that arrives. `definitions` holds
    the functions of ops that do not say how they are written; `order` is that of computing.
    """

    def __init__(self, order: list[Tensor]) -> None:
        self.numbers: dict[Tensor, int] = {node: n for n, node in enumerate(order)}
        self.sources = following(order)
        self.order: list[int] = self._in_turn(order)
        self.definitions: dict[str, str] = {}
        self.forward: list[str] = [self._forward(node) for node in order]
        self.local: dict[str, str] = {}
        self.amount: dict[str, str] = {}
        for n, node in enumerate(order):
            for i, x in enumerate(node.inputs):
                if isinstance(x, Tensor) and x.requires_grad:
                    self._rules(f"{n}-{i}", node, i)

    def _forward(self, node: Tensor) -> str:
        if np.ndim(node._value) or np.iscomplexobj(node._value):
            raise Unscriptable("only real numbers can be recomputed")
        made: Any = self.sources.get(node) if node.op is None else node
        if made is None:
            return "null"
        return self.call(made.op, [self._input(x) for x in made.inputs], dict(made.attrs))

    def _in_turn(self, order: Sequence[Tensor]) -> list[int]:
        """Return the nodes that are computed, what follows from others right before it is needed."""
        found: dict[Tensor, int] = {}
        for node in (node for node in order if node.op is not None):
            found.update(
                (x, self.numbers[x]) for x in node.inputs if isinstance(x, Tensor) and x in self.sources
            )
            found[node] = self.numbers[node]
        return list(found.values())

    def _input(self, x: Any) -> str:
        if not isinstance(x, Tensor) or x in self.numbers:
            return f"v[{self.numbers[x]}]" if isinstance(x, Tensor) else number(x)
        source = source_of(x)
        if source is None:
            return number(x._value)
        return self.call(source.op, [self._input(y) for y in source.inputs], dict(source.attrs))

    def _rules(self, key: str, node: Tensor, i: int) -> None:
        """Write down the two functions of one arrow: the local derivative and what is sent."""
        op: Any = node.op
        xs = [Symbol(self._input(x), v) if isinstance(x, Tensor) else x
              for x, v in zip(node.inputs, node.values, strict=True)]  # fmt: skip
        z = Symbol(f"v[{self.numbers[node]}]", node._value)
        g = Symbol("g", node._value)
        if (op.derivatives[i] if op.derivatives else op.rule(i)) is None:
            return
        self.amount[key] = self.read(input_gradient, op, i, g, z, xs, node.attrs)
        self.local[key] = f"((g) => {self.amount[key]})(1)"
        if op.derivatives:
            d = op.derivatives[i]
            self.local[key] = self.read(d, z, *xs) if callable(d) else number(d)

    def read(self, function: Callable[..., Any], *args: Any, **attrs: Any) -> str:
        """Run a function on symbols and return what it computes as one JavaScript expression."""
        try:
            with np.errstate(all="ignore"), observed(_LooksAtNoValue(remembers=True)):
                result = function(*args, **attrs)
        except Unscriptable:
            raise
        except Exception as error:  # a user's function may do anything
            raise Unscriptable(f"{type(error).__name__}: {error}") from error
        return self.written(result)

    def written(self, result: Any) -> str:
        if not isinstance(result, Tensor):
            return number(result)
        done: dict[Tensor, str] = {}
        order = topological_order(result)
        uses = Counter(x for node in order for x in node.inputs if isinstance(x, Tensor))
        named: list[str] = []
        for node in order:
            if np.ndim(node._value):
                raise Unscriptable("a rule makes an array")
            if node.op is None:
                done[node] = node.name if isinstance(node, Symbol) and node.name else number(node._value)
                continue
            args = [done[x] if isinstance(x, Tensor) else number(x) for x in node.inputs]
            done[node] = self.call(node.op, args, node.attrs)
            if uses[node] > 1 and len(done[node]) > SHORT:
                named.append(f"const t{len(named)} = {done[node]};")
                done[node] = f"t{len(named) - 1}"
        return f"(() => {{ {' '.join(named)} return {done[result]}; }})()" if named else done[result]

    def call(self, op: Op, args: list[str], attrs: dict[str, Any]) -> str:
        """Return one op applied to arguments: as it says, or through a function read off its forward."""
        if (op.facts.script == "{}" or attrs == {"index": ()}) and len(args) == 1:  # d[()] is d
            return args[0]
        if any(value != op.defaults.get(key) for key, value in attrs.items()):
            raise Unscriptable(f"{op.name} with {attrs}")
        if op.facts.script:
            return op.facts.script.format(*args)
        name = op.name  # of its function in the page
        if name not in self.definitions:
            self.definitions[name] = ""  # an op made of itself would never end
            letters = [f"x{i}" for i in range(len(args))]
            inputs = [Symbol(letter, np.float64(0.5)) for letter in letters]
            made: Any = op.forward
            body = (
                self.read(made.formula, *inputs, 8) if isinstance(made, Ufunc) else self.read(made, *inputs)
            )
            self.definitions[name] = f"({', '.join(letters)}) => {body}"
        if not self.definitions[name]:
            raise Unscriptable(f"{name} is no function of base functions")
        return f"cp.{name}({', '.join(args)})"


def number(x: Any) -> str:
    """Return a number as JavaScript writes it; a boolean counts as 1 or 0.

    >>> number(3), number(-0.5), number(float("inf")), number(np.True_)
    ('3', '(-0.5)', 'Infinity', '1')
    """
    if np.ndim(x) or not isinstance(x, (bool, int, float, np.generic, np.ndarray)):
        raise Unscriptable(f"{type(x).__name__} is no number")
    value = float(x)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "(-Infinity)"
    text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return f"({text})" if text.startswith("-") else text


def script_of(order: list[Tensor]) -> Script | None:
    """Return the JavaScript of a graph, or None where it holds arrays or an op that has no such form."""
    try:
        return Script(order)
    except Unscriptable:
        return None
