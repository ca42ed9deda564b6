"""Expressions that a person types: parsed, checked, computed with Tensors; never run as code.

Only what stands in the tables of `grammar` is understood: numbers, names, the arithmetic operators,
comparisons, `x[1]`, `X.T`, calls of registered ops with numbers as keywords, and `name = ...;` in
front.
"""

from __future__ import annotations

import ast
import itertools
import keyword
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from string import ascii_lowercase
from typing import Any

import numpy as np

from clearprop.errors import InputError, first_line, lesson
from clearprop.graph import topological_order
from clearprop.modes import Observer, observed
from clearprop.tensor import Tensor
from clearprop.typed.grammar import (
    BINARY,
    COMPARE,
    ENTRYWISE,
    UNARY,
    Unprefixed,
    close,
    fault,
    functions,
    not_understood,
    operator_place,
    pointed,
)

LONGEST, DEEPEST, LARGEST = 4000, 100, 1_000_000  # characters, levels, and a number that sizes an array


class Expression:
    """An expression that was read and found good: `names` are its inputs in the order they appear.

    >>> f = parse("(a + b) * b**3")
    >>> f.names
    ('a', 'b')
    >>> f(7.0, 3.0)
    np.float64(270.0)
    """

    text: str

    def __init__(self, text: str, statements: list[ast.stmt]) -> None:
        self.text, self._statements = text, statements
        self.names: tuple[str, ...] = self._free_names()

    def __call__(self, *values: Any) -> Any:
        """Compute with plain values, one for each of `names`: the function that a check differentiates."""
        arrays = [v if isinstance(v, Tensor) else np.asarray(v, np.float64)[()] for v in values]
        return self._compute(dict(zip(self.names, arrays, strict=True)), name_nodes=False)

    def graph(self, values: Mapping[str, Any]) -> Tensor:
        """Compute with the given values and return the output; inputs and intermediate nodes are named.

        Intermediate nodes get the letters from c on that are free, as on the slides.

        >>> c = parse("a + b").graph({"a": 7, "b": 3})
        >>> c.name, c.value
        ('c', np.float64(10.0))
        """
        self.require(values)
        leaves = {name: Tensor(values[name], name=name) for name in self.names}
        with observed(Observer(remembers=True)):
            output = self._compute(leaves, name_nodes=True)
        if not isinstance(output, Tensor) or output.op is None or not output.requires_grad:
            raise InputError(
                lesson(
                    "expression",
                    "wants something computed from at least one named input",
                    self.text,
                    hint='"(a + b) * b**3" a=7 b=3',
                )
            )
        return output

    def require(self, values: Mapping[str, Any]) -> None:
        """Raise where a name has no value, or a value no name."""
        for node in ast.walk(ast.Module(self._statements, [])):
            if isinstance(node, ast.Name) and node.id in self.names and node.id not in values:
                similar = close(node.id, [*values, *functions()])
                meant = f" (or did you mean {similar}?)" if similar else ""
                raise self._error(f"there is no value for {node.id!r}", node, f"{node.id}=1{meant}")
        for name in values:
            if name not in self.names:
                known = ", ".join(self.names) or "nothing"
                raise InputError(
                    lesson(
                        f"{name}=...", f"{name!r} is not in the expression", self.text, f"It names {known}."
                    )
                )

    def notes(self) -> list[str]:
        """Return what may be meant otherwise, a sentence each: `max(x, 0)` has NumPy's meaning here.

        >>> parse("max(x, 0)").notes()
        ['max(x, 0) is the largest entry along axis 0, max(x, axis=0); the larger of both is maximum(x, 0).']
        """
        return [_taken_for_axis(call) for call in _calls(self._statements) if _names_an_axis(call)]

    # --- reading
    def _free_names(self) -> tuple[str, ...]:
        bound: set[str] = set()
        free: dict[str, None] = {}
        for statement in self._statements:
            called = {id(n.func) for n in ast.walk(statement) if isinstance(n, ast.Call)}
            loads = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and id(n) not in called]
            for node in sorted(loads, key=lambda n: (n.lineno, n.col_offset)):
                if isinstance(node.ctx, ast.Load) and node.id not in bound and node.id != "pi":
                    free.setdefault(node.id)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                bound.add(statement.targets[0].id)
        return tuple(free)

    def _compute(self, names: dict[str, Any], name_nodes: bool) -> Any:
        scope: dict[str, Any] = {"pi": math.pi, **names}
        reader = _Reader(self, scope)
        value: Any = None
        with np.errstate(all="ignore"):
            for statement in self._statements:
                assert isinstance(statement, (ast.Assign, ast.Expr))
                value = reader.value(statement.value)
                if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    target = statement.targets[0].id
                    scope[target] = value
                    if isinstance(value, Tensor) and value.op is not None:
                        value.name = target
        if name_nodes and isinstance(value, Tensor):
            _name(topological_order(value), {*scope, *functions()})
        return value

    def _error(self, wanted: str, node: Any, hint: str = "") -> InputError:
        line = self.text.splitlines()[node.lineno - 1]
        column = len(line.encode()[: node.col_offset].decode(errors="ignore"))
        return pointed(line, column, wanted, hint)


def _calls(statements: list[ast.stmt]) -> Iterator[Any]:
    return (node for node in ast.walk(ast.Module(statements, [])) if isinstance(node, ast.Call))


def _names_an_axis(call: Any) -> bool:
    taken = getattr(call.func, "id", "") in ("max", "min") and len(call.args) == 2
    return taken and not any(isinstance(part, ast.Name) for part in ast.walk(call.args[1]))


def _taken_for_axis(call: Any) -> str:
    what, wide = ("largest", "larger") if call.func.id == "max" else ("smallest", "smaller")
    x, axis = (ast.unparse(part) for part in call.args)
    name = call.func.id
    meant, pair = f"{name}({x}, axis={axis})", f"{name}imum({x}, {axis})"
    taken = f"{name}({x}, {axis}) is the {what} entry along axis {axis}, {meant}"
    return f"{taken}; the {wide} of both is {pair}."


def parse(text: str) -> Expression:
    """Read an expression; a name or character that cannot be understood is pointed at.

    >>> parse("(a + b) ^ 3")
    Traceback (most recent call last):
    clearprop.errors.InputError: expression: ^ does not stand for a power here.
      (a + b) ^ 3
              ^
      Try ** instead of ^.
    """
    text = text.strip()
    if not text:
        raise InputError(
            lesson("expression", "wants something to compute", "nothing", hint='"(a + b) * b**3" a=7 b=3')
        )
    if len(text) > LONGEST:
        raise InputError(lesson("expression", f"has at most {LONGEST} characters", f"{len(text)}"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of `2if`; it is refused below
            statements = Unprefixed().visit(ast.parse(text)).body
    except SyntaxError as error:
        raise not_understood(text, error) from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        raise InputError(lesson("expression", "cannot be read", "it is nested too deeply")) from None
    expression = Expression(text, statements)
    for statement in statements:
        _check(expression, statement, 0)
    if not statements or not isinstance(statements[-1], (ast.Expr, ast.Assign)):
        raise InputError(lesson("expression", "wants something to compute", text))
    return expression


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Read `name=value` words; a value is a number, a vector `[1, -1]` or a matrix `[[1, 2], [3, 4]]`.

    >>> assignments(["a=7", "w=[1, -1]"])
    {'a': array(7.), 'w': array([ 1., -1.])}
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, number = (part.strip() for part in text.partition("="))
        if not equals or not name.isidentifier() or keyword.iskeyword(name):
            raise InputError(
                lesson(
                    repr(text),
                    "wants name=value",
                    hint='a=7, w=[1,-1] or X=[[1,2],[3,4]]; quotes around an expression with spaces, "a + b"',
                )
            )
        if name in values:
            raise InputError(lesson(repr(text), f"{name!r} has a value already", f"{values[name]}"))
        values[name] = _array(text, number)
    return values


def _array(text: str, number: str) -> Any:
    try:
        if number.lower().lstrip("+-") in ("inf", "nan"):
            return np.asarray(float(number))
        value = ast.literal_eval(number)
        array = np.asarray(value, dtype=np.float64)
        if isinstance(value, (list, tuple, int, float)):
            return array
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, OverflowError):
        pass
    raise InputError(
        lesson(
            repr(text),
            "the value is neither a number nor rows of numbers of the same length",
            number or "nothing",
            hint="a=7, w=[1,-1] or X=[[1,2],[3,4]]",
        )
    )


class _Reader:
    """Computes a checked syntax tree with the values in `scope`."""

    def __init__(self, expression: Expression, scope: dict[str, Any]) -> None:
        self.expression, self.scope = expression, scope

    def value(self, node: Any) -> Any:
        try:
            return self._value(node)
        except InputError:
            raise
        except OverflowError:
            raise self.expression._error("this number is too large", node) from None
        except ZeroDivisionError:
            raise self.expression._error("this divides by the number 0", node) from None
        except Exception as error:  # whatever NumPy, or a user's own op, has to say
            raise self.expression._error(first_line(error), node) from error

    def _value(self, node: Any) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.scope[node.id]
        if isinstance(node, ast.UnaryOp):
            return UNARY[type(node.op)](self.value(node.operand))
        if isinstance(node, ast.BinOp):
            x, y = self.value(node.left), self.value(node.right)
            if type(x) in (int, float) and type(y) in (int, float):
                x, y = float(x), float(y)  # 9**9**9 as integers would never end
            if isinstance(node.op, (ast.Div, ast.Mod, ast.FloorDiv)) and type(y) in (int, float) and y == 0:
                raise ZeroDivisionError
            return _real(BINARY[type(node.op)](x, y))
        if isinstance(node, ast.Compare):
            truth = COMPARE[type(node.ops[0])](self.value(node.left), self.value(node.comparators[0]))
            return float(truth) if type(truth) is bool else truth
        if isinstance(node, ast.Subscript):
            return self.value(node.value)[self._index(node.slice)]
        if isinstance(node, ast.Attribute):
            return self.value(node.value).T
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(self.value(item) for item in node.elts)
        return self._result(node)

    def _result(self, node: Any) -> Any:
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        inputs = [self.value(x) for x in node.args]
        inputs[:1] = [np.float64(x) if type(x) in (int, float) else x for x in inputs[:1]]
        attrs = {str(k.arg): self.value(k.value) for k in node.keywords}
        for given in (*inputs, *attrs.values()):
            sizes = given if isinstance(given, tuple) else (given,)
            if math.prod(abs(n) for n in sizes if isinstance(n, int)) > LARGEST:
                raise ValueError("this would make too large an array")
        function = functions()[node.func.id]
        arity = getattr(function, "arity", None)
        most = arity + len(getattr(function, "defaults", ())) if arity else len(inputs)
        if not inputs or len(inputs) > most:
            raise TypeError(f"{node.func.id} takes {arity or 'some'} inputs, here are {len(inputs)}")
        if arity and any(isinstance(x, (Tensor, np.ndarray, np.floating)) for x in inputs[arity:]):
            wanted = (
                f"{node.func.id} takes {arity} {'array' if arity == 1 else 'arrays'}, here are {len(inputs)}"
            )
            raise self.expression._error(wanted, node, ENTRYWISE.get(node.func.id, ""))
        return function(*inputs, **attrs)

    def _index(self, node: Any) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._index(item) for item in node.elts)
        if isinstance(node, ast.Slice):
            return slice(*(None if x is None else self.value(x) for x in (node.lower, node.upper, node.step)))
        return self.value(node)


def _real(value: Any) -> Any:
    if isinstance(value, complex):
        raise ValueError("this is not a real number")
    if isinstance(value, float) and math.isinf(value):
        raise OverflowError
    return value


def _check(expression: Expression, node: ast.AST, depth: int) -> None:
    """Refuse whatever is not in the tables, pointing at it, before anything is computed."""
    found = fault(node)
    if depth > DEEPEST:
        found = f"this is nested more than {DEEPEST} levels deep", ""
    if found:
        raise expression._error(found[0], operator_place(node, expression.text), found[1])
    for child in ast.iter_child_nodes(node):
        named = isinstance(node, ast.Call) and child is node.func
        if hasattr(child, "lineno") and not named:  # operators have no place of their own
            _check(expression, child, depth + 1)


def fresh_names(taken: Iterable[str]) -> Iterator[str]:
    """Yield the letters from c on, then c1, d1 ..., leaving out those taken.

    >>> names = fresh_names({"a", "d"})
    >>> next(names), next(names)
    ('c', 'e')
    """
    known = set(taken)
    for turn in itertools.count():
        for letter in ascii_lowercase[2:]:
            if (name := f"{letter}{turn or ''}") not in known:
                yield name


def _name(nodes: list[Tensor], taken: set[str]) -> None:
    free = fresh_names(taken)
    for node in nodes:
        if node.name is None and node.op is not None:
            node.name = next(free)
