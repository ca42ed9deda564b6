"""The text of a function or class as a tree: found, asked what it calls, written under other names."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
import types
from collections.abc import Iterator, Mapping
from typing import Any

from clearprop.compiler.program.builder import Unlowered
from clearprop.op import Op
from clearprop.registry import ops


def definition(x: Any) -> Any:
    """Return the tree of a function, lambda or class, without what decorates it.

    >>> ast.unparse(definition(_lines)).splitlines()[0]
    'def _lines(x: Any) -> str:'
    """
    if x.__name__ == "<lambda>":
        return _lambda(x)
    node: Any = ast.parse(_lines(x)).body[0]
    if not isinstance(x, type):
        node.decorator_list = []
    return node


def _lines(x: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(x))
    except (OSError, TypeError) as error:
        raise Unlowered(f"{x.__qualname__}, whose text is not there") from error


def _lambda(f: types.FunctionType) -> Any:
    """Find a lambda in the file that it stands in: the one at its place with its instructions."""
    lines, _ = inspect.findsource(f)
    tree = ast.parse("".join(lines))
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and node.lineno == f.__code__.co_firstlineno:
            made = eval(compile(ast.Expression(_at_start(node)), "<lambda>", "eval"), {})
            if _same(made.__code__, f.__code__):
                return node
    raise Unlowered(f"{f.__qualname__}, whose text is not there")


def _at_start(node: ast.Lambda) -> ast.Lambda:
    bare = ast.Lambda(args=node.args, body=node.body)
    bare.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
    return ast.fix_missing_locations(ast.copy_location(bare, node))


def _same(a: types.CodeType, b: types.CodeType) -> bool:
    return (a.co_names, a.co_varnames, a.co_code[-24:]) == (b.co_names, b.co_varnames, b.co_code[-24:])


# --- names --------------------------------------------------------------------------------------------------
def sought(x: Any, node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names that a definition takes from around it, each with what it is there."""
    space = _around(x)
    _Untyped().visit(node)
    _Plain(space).visit(node)
    for name in dict.fromkeys(_free(node)):
        if name in space and space[name] is not x:
            yield name, space[name]
        elif name not in space and not hasattr(builtins, name):
            raise Unlowered(f"{x.__qualname__}, which calls {name} by a name that is not there")
    for inside in ast.walk(node):
        if isinstance(inside, (ast.Import, ast.ImportFrom)):
            raise Unlowered(f"{x.__qualname__}, which imports when it runs")


def _around(x: Any) -> dict[str, Any]:
    if isinstance(x, type):
        return dict(vars(inspect.getmodule(x)))
    cells = zip(x.__code__.co_freevars, x.__closure__ or (), strict=True)
    return {**x.__globals__, **{name: cell.cell_contents for name, cell in cells}}


def _free(node: Any) -> Iterator[str]:
    """Yield the names that are read in a tree and bound nowhere in it."""
    bound = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            bound.add(part.id)
        elif isinstance(part, ast.arg):
            bound.add(part.arg)
        elif isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            bound.add(part.name)
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id not in bound:
            yield part.id


class _Untyped(ast.NodeTransformer):
    """Takes types away; a class's fields keep theirs, as words, since they are what makes them fields."""

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Leave the fields."""
        for part in node.body:
            if isinstance(part, ast.AnnAssign):
                told = ast.unparse(part.annotation).strip("'")
                part.annotation = (
                    ast.Name(told, ast.Load()) if hasattr(builtins, told) else ast.Constant(told)
                )
            else:
                self.visit(part)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Leave the names of arguments."""
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> Any:
        """Leave the name."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Make it a plain assignment."""
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        self.generic_visit(node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)


class _Plain(ast.NodeTransformer):
    """Lets an op be its forward function: `ops["exp"](x)` and `op.forward(x)` are calls of that."""

    def __init__(self, space: dict[str, Any]) -> None:
        self.space = space

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """Name an op of the registry."""
        self.generic_visit(node)
        held = self.space.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if held is not ops or not isinstance(node.slice, ast.Constant):
            return node
        name = str(node.slice.value)
        self.space[f"{name} of the registry"] = ops[name]
        return ast.copy_location(ast.Name(f"{name} of the registry", ast.Load()), node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """Leave the op out of `op.forward`."""
        self.generic_visit(node)
        held = self.space.get(node.value.id) if isinstance(node.value, ast.Name) else None
        return node.value if isinstance(held, Op) and node.attr == "forward" else node


def rewritten(node: Any, name: str, known: Mapping[str, str]) -> Any:
    """Return the tree under another name, with what it calls under the names it has now.

    >>> ast.unparse(rewritten(ast.parse("lambda x: f(x)", mode="eval").body, "", {"f": "np.exp"}))
    'lambda x: np.exp(x)'
    """
    old = getattr(node, "name", "")
    if old:
        node.name = name
    for part in ast.walk(node):
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and (told := ast.get_docstring(part)):
            part.body[0] = ast.Expr(ast.Constant(told.split("\n\n")[0]))
    return ast.fix_missing_locations(_Renamed({**known, **({old: name} if old else {})}).visit(node))


class _Renamed(ast.NodeTransformer):
    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = {old: new for old, new in known.items() if old != new}

    def visit_Name(self, node: ast.Name) -> Any:
        """Put in what the name is now."""
        new = self.known.get(node.id)
        if new is None or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.parse(new, mode="eval").body, node)
