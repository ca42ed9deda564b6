"""`derivative(op)`: a rule as mathematics, made by running the rule itself on symbols."""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearprop.errors import GradientError, first_line, lesson
from clearprop.op import Op
from clearprop.registry import numpy_functions, ops
from clearprop.see.algebra.notation import TRUTHS, Term, barred, name
from clearprop.see.algebra.symbols import NamedSize, Symbol, as_term, run
from clearprop.see.algebra.tidy import shared
from clearprop.see.readable import Readable, tex

LONG = 60  # characters, beyond which parts that occur more than once get a name


@dataclass(frozen=True, repr=False)
class Derivative(Readable):
    """The rules of an op as mathematics: for each input the local derivative, or what it receives.

    `rules[i]` is a Term, None where no gradient flows, or the reason why the rule cannot be read. `local`
    tells whether the terms are local derivatives (dz/dx, still to be multiplied by g) or gradients (dx).
    """

    op: Op
    names: tuple[str, ...]
    rules: tuple[Term | str | None, ...]
    local: bool

    @property
    def text(self) -> str:
        """`tanh: dz/dx = 1 - z^2`."""
        if all(r is None for r in self.rules):
            return f"{self.op.name}: no gradient"
        return f"{self.op.name}: " + ", ".join(map(self._line, self.names, self.rules))

    def _line(self, x: str, rule: Term | str | None) -> str:
        if rule is None:
            return f"no gradient for {x}"
        if isinstance(rule, str):
            return f"d{x}: {rule}"
        whole, parts = _parted(rule)
        told = f"dz/d{x} = {_right(whole)}" if self.local else f"d{x} = {_right(whole)}"
        return told + (" with " if parts else "") + ", ".join(f"{part} = {t.text}" for part, t in parts)

    def to_latex(self) -> str:
        r"""Return the rules as LaTeX, without dollar signs.

        >>> print(derivative("tanh").to_latex())
        \frac{\partial z}{\partial x} = 1 - z^{2}
        """
        parts = []
        for x, rule in zip(self.names, self.rules, strict=True):
            left = rf"\frac{{\partial z}}{{\partial {name(x).latex}}}" if self.local else barred(x)
            if isinstance(rule, Term):
                whole, named = _parted(rule)
                right = rf"\left[{whole.latex}\right]" if _right(whole)[0] == "[" else whole.latex
                given = ", \\; ".join(f"{part} = {term.latex}" for part, term in named)
                parts.append(f"{left} = {right}" + rf" \quad \text{{with }} {given}" * bool(named))
            else:
                parts.append(rf"{left} = 0" if rule is None else rf"{left}: \text{{{tex(rule)}}}")
        return r", \quad ".join(parts)


def derivative(op: Op | str | Callable[..., Any]) -> Derivative:
    """Return the rules of an op as mathematics, made by running the rules on named Tensors.

    `op` is an Op, its name, or the NumPy function it stands for. `x, y` are the inputs, `z` is the output. An
    elementwise op gives its local derivatives dz/dx; any other op gives dx, what its input receives when the
    gradient `g` arrives at z.

    >>> derivative("tanh")
    tanh: dz/dx = 1 - z^2
    >>> derivative(np.multiply)
    multiply: dz/dx = y, dz/dy = x
    >>> derivative("matmul")
    matmul: dx = g @ y^T, dy = x^T @ g
    """
    op = _found(op)
    if not op.differentiable:
        return Derivative(op, (), (), local=False)
    if op.derivatives:
        names = _input_names(op, op.derivatives, skip=1, n=len(op.derivatives))
        xs = [Symbol(x, _place(op, i)) for i, x in enumerate(names)]
        z = Symbol("z", np.float64(0.4))
        terms = tuple(_local(d, z, xs) for d in op.derivatives)
        return Derivative(op, names, terms, local=True)
    return _whole(op)


def _place(op: Op, i: int) -> Any:
    """Return a number for an input: a whole one where the op's examples have whole ones, an order say."""
    given = op.examples[0][0][i] if op.examples else None
    whole = isinstance(given, np.ndarray) and given.dtype.kind == "i"
    return np.int64(2 + i) if whole else np.float64(0.3 + 0.2 * i)


def _found(op: Any) -> Op:
    if isinstance(op, str) and op in ops:
        return ops[op]
    if not isinstance(op, (Op, str)):
        op = numpy_functions.get(op, op)
    if isinstance(op, Op):
        return op
    raise TypeError(
        lesson(
            f"derivative({op!r})",
            "wants an op, its name, or a NumPy function that stands for one",
            hint="one of clearprop.registry.ops; a function made of ops has formula(f(x)) instead",
        )
    )


def _local(d: Any, z: Symbol, xs: list[Symbol]) -> Term | str | None:
    return _read(inspect.unwrap(d), z, *xs) if callable(d) else None if d is None else as_term(d)


def _read(rule: Callable[..., Any], *args: Any, **attrs: Any) -> Term | str | None:
    """Return what a rule computes as a term; one that refuses, or that only takes plain arrays, says so."""
    try:
        result = run(rule, *args, **attrs)
    except GradientError as error:
        return f"refused: {first_line(error).partition(': ')[2].partition(': ')[0]}"
    except Exception as error:  # a user's rule may do anything
        return f"the rule cannot be read: {type(error).__name__}: {first_line(error)}"
    return None if result is None else as_term(result)


def _parted(rule: Term) -> tuple[Term, list[tuple[str, Term]]]:
    """Return a rule with names for what a long one says more than once, and what the names stand for."""
    return shared(rule) if len(rule.text) > LONG else (rule, [])


def _right(rule: Term) -> str:
    return f"[{rule.text}]" if rule.head in TRUTHS else rule.text


# --- rules of other kinds: symbols with axes ----------------------------------------------------------------
def _whole(op: Op) -> Derivative:
    """Run the full rules on symbols shaped like an example of the op."""
    example = _example(op)
    if example is None:
        names = tuple(_input_names(op, op.rules, skip=2, n=max(len(op.rules), 1)))
        return Derivative(op, names, ("no example to run the rule on",) * len(names), local=False)
    arrays, attrs = example
    n = len(arrays)
    names = _input_names(op, op.rules if op.rules else (op.variadic_rule,), skip=2, n=n)
    xs: list[Any] = [_symbol(x, a) for x, a in zip(names, arrays, strict=True)]
    with np.errstate(all="ignore"):
        value = op.forward(*arrays, **attrs)
    z, g = _symbol("z", value), _symbol("g", value)
    rules = [op.rule(i) if op.variadic_rule or i < len(op.rules) else None for i in range(n)]
    terms = tuple(None if rule is None else _read(rule, g, z, *xs, **attrs) for rule in rules)
    return Derivative(op, names, terms, local=False)


_LETTERS = {2: "n", 3: "m", 4: "k", 5: "p", 6: "q"}


def _symbol(label: str, value: Any) -> Symbol:
    lengths = tuple(NamedSize(n, name(_LETTERS[n])) if n in _LETTERS else n for n in np.shape(value))
    return Symbol(label, value, lengths)


def _example(op: Op) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Return arrays and attributes the op can be run on: the plainest shapes, else its own first example."""
    plain: list[tuple[Any, dict[str, Any]]] = [(((2,),), {"axis": 0})] if _reduces(op) else []
    if op.kind == "elementwise":
        plain = [(((),) * (op.arity or 1), {})]
    own = sorted(op.examples, key=lambda example: not all(_ndim(x) == 2 for x in example[0]))
    for shapes, attrs in (*plain, *own, (((2, 3),) * (op.arity or 2), {})):
        arrays = tuple(s if hasattr(s, "dtype") else _numbers(s, i) for i, s in enumerate(shapes))
        for args, kwargs in _spellings(arrays, attrs):
            try:
                inputs, bound = op._bind(args, kwargs)
                with np.errstate(all="ignore"):
                    op.forward(*inputs, **bound)
            except Exception:  # not how this op is called: the next spelling
                continue
            if len(inputs) >= len(arrays) and all(a is b for a, b in zip(inputs, arrays, strict=False)):
                return tuple(inputs), bound
    return None


def _ndim(example: Any) -> int:
    """The number of axes of an example, which is an array or a shape."""
    return int(example.ndim) if hasattr(example, "ndim") else len(example)


def _reduces(op: Op) -> bool:
    return op.kind in ("reduce", "opaque") and op.arity == 1 and "axis" in op.defaults


def _spellings(arrays: Any, attrs: dict[str, Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """How an op may be called: `op(x, y, axis=0)`, `op([x, y], axis=0)`, `op("ij->i", x)`."""
    return [(arrays, attrs), ((arrays,), attrs), ((*attrs.values(), *arrays), {})]


def _numbers(shape: tuple[int, ...], seed: int) -> Any:
    n = int(np.prod(shape))
    return (0.3 + 0.2 * seed + np.arange(float(n)) / (n + 1)).reshape(shape)[()]


def _input_names(op: Op, rules: Any, skip: int, n: int) -> tuple[str, ...]:
    """Return the names that the op's own rule gives to its inputs; x1, x2, ... for any number of them."""
    for function, skipped in (*((rule, skip) for rule in rules), (op.forward, 0)):
        if not inspect.isfunction(function):
            continue
        parameters = list(inspect.signature(function).parameters.values())
        if op.variadic_rule is not None and function is op.variadic_rule:
            skipped += 1
        places = [p for p in parameters[skipped:] if p.kind is not p.KEYWORD_ONLY]
        names = [p.name for p in places if p.kind is not p.VAR_POSITIONAL][:n]
        if len(names) < n and any(p.kind is p.VAR_POSITIONAL for p in places):
            rest = n - len(names)
            several = (
                [f"x{i + 1}" for i in range(rest)] if not names else list(string.ascii_lowercase[8:][:rest])
            )
            names += several
        if len(names) == n:
            return tuple(names)
    return ("x", "y", "w")[:n] if n <= 3 else tuple(f"x{i + 1}" for i in range(n))
