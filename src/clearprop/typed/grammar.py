"""What may be typed in an expression, and how a fault in it is pointed at."""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any

from clearprop.errors import InputError, lesson
from clearprop.ops import composed, linalg
from clearprop.registry import ops

BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
}
UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OTHER_NAMES: dict[str, Callable[..., Any]] = {
    "dot": linalg.dot,
    "outer": linalg.outer,
    "inner": linalg.inner,
    "trace": composed.trace,
    "norm": linalg.norm,
}
_SHORT = {"abs": "absolute", "pow": "power", "arcsinh": "arcsinh", "ln": "log"}
ENTRYWISE = {"max": "maximum(a, b)", "min": "minimum(a, b)", "sum": "a + b"}
_INTERNAL = {"scatter", "add_at", "masked_product", "getitem", "einsum", "astype", "fused"}
_TYPED_OTHERWISE = {
    "\N{MULTIPLICATION SIGN}": "*",
    "\N{MIDDLE DOT}": "*",
    "\N{DIVISION SIGN}": "/",
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{SUPERSCRIPT TWO}": "**2",
    "\N{SUPERSCRIPT THREE}": "**3",
    "\N{SQUARE ROOT}": "sqrt(...)",
}


def functions() -> dict[str, Callable[..., Any]]:
    """Return what can be called in an expression, by name: the registered ops and a few made of them.

    >>> "tanh" in functions(), "eval" in functions()
    (True, False)
    """
    named = {name: op for name, op in ops.items() if name not in _INTERNAL}
    return {**named, **_OTHER_NAMES, **{short: ops[name] for short, name in _SHORT.items()}}


PACKAGES = ("np", "numpy", "clearprop", "cp")


class Unprefixed(ast.NodeTransformer):
    """Takes `np.exp(x)` for `exp(x)`, as people write it in a program."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        """Leave out the package in front of a function's name."""
        f = node.func
        if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id in PACKAGES:
            node.func = ast.copy_location(ast.Name(f.attr, ast.Load()), f)
        self.generic_visit(node)
        return node


_ALLOWED = (
    ast.Expr, ast.Assign, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.Name, ast.Call,
    ast.keyword, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Attribute, ast.expr_context,
    *BINARY, *UNARY, *COMPARE,
)  # fmt: skip


def fault(node: ast.AST) -> tuple[str, str] | None:
    """Say what is wrong with one node of the syntax tree, and what to try; None where nothing is."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        return "^ does not stand for a power here", "** instead of ^"
    if isinstance(node, ast.Call):
        if not isinstance(node.func, ast.Name):
            return "only a function's name can be called", "tanh(x)"
        if node.func.id not in functions():
            similar = close(node.func.id, functions())
            return (
                f"there is no function {node.func.id!r}",
                similar or "one of the ops, such as tanh(x)",
            )
        if any(k.arg is None for k in node.keywords) or any(isinstance(x, ast.Starred) for x in node.args):
            return "* and ** cannot unpack here", ""
    elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        return "text has no place in an expression", "a name without quotes"
    elif isinstance(node, ast.Constant):
        if not isinstance(node.value, (int, float)):
            return "this is not a real number", ""
        if abs(node.value) > 1e300:
            return "this number is too large", ""
    elif isinstance(node, ast.Attribute) and node.attr != "T":
        return f"there is no .{node.attr} here", f"{node.attr}(x) as a function; X.T is the transpose"
    elif isinstance(node, ast.Compare) and len(node.ops) > 1:
        return "two comparisons in one", "them one by one"
    elif isinstance(node, ast.Compare) and type(node.ops[0]) not in COMPARE:
        return "this comparison is not understood", "< <= > >= == !="
    elif isinstance(node, ast.Assign) and [type(target) for target in node.targets] != [ast.Name]:
        return "wants one name before =", "c = a + b; c * 2"
    elif isinstance(node, (ast.BinOp, ast.UnaryOp)) and type(node.op) not in {*BINARY, *UNARY}:
        return "this operator is not understood", "+ - * / ** @"
    elif not isinstance(node, _ALLOWED):
        return "this is not part of an expression", "numbers, names, + - * / ** @ and functions like tanh(x)"
    return None


def operator_place(node: Any, text: str) -> Any:
    """Where to point: at the operator of a sum or product, else at the beginning of the node."""
    if not isinstance(node, ast.BinOp) or node.left.end_lineno != node.lineno:
        return node
    line = text.splitlines()[node.lineno - 1].encode()
    start = node.left.end_col_offset or 0
    while start < len(line) and line[start : start + 1] in (b" ", b")"):
        start += 1
    return ast.Name("", lineno=node.lineno, col_offset=start)


def not_understood(text: str, error: SyntaxError) -> InputError:
    lines = text.splitlines()
    number = min(max((error.lineno or 1) - 1, 0), len(lines) - 1)
    line = lines[number]
    column = min(max((error.offset or 1) - 1, 0), len(line))
    wrong = next((c for c in line if c in _TYPED_OTHERWISE), "")
    if wrong:
        return pointed(
            line,
            line.index(wrong),
            f"the character {wrong} is not understood",
            f"{_TYPED_OTHERWISE[wrong]} instead of {wrong}",
        )
    glued = re.search(r"\d([^\W\d])", line)
    if glued and "literal" in error.msg:
        return pointed(line, glued.start(1), "a number and a name side by side", "* between them, as in 2*a")
    if column >= len(line.rstrip()):
        return pointed(line, column, "the expression stops here, something is missing", "")
    wanted = (error.msg or "cannot be read").split(". Perhaps")[0]
    return pointed(line, column, wanted, "")


def pointed(line: str, column: int, wanted: str, hint: str) -> InputError:
    start = max(0, column - 60)
    line, column = line[start : column + 30], column - start
    return InputError(lesson("expression", wanted, where=f"{line}\n  {' ' * column}^", hint=hint))


def close(name: str, known: Iterable[str]) -> str:
    known = list(known)
    swapped = [k for k in known if sorted(k) == sorted(name)]
    found = swapped or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return repr(found[0]) if found else ""
