"""Writes the typed face of the package and of `clearprop.numpy`: `python tools/stubs.py [--check]`.

Subpackages, names that are imported when they are asked for, and ops are found by the package while it runs,
so tools that only read would not see them. This file says them all: each op as a function with its own inputs
and keywords, a Tensor among the inputs giving a Tensor. With `--check` nothing is written: the exit status is
1 where the file differs from what the package has, and the lines that differ are printed.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy_stubs

import clearprop
from clearprop.op import Op
from clearprop.registry import ops

TARGET = Path(clearprop.__file__).with_suffix(".pyi")
HEAD = '''"""The names of the package for tools that read and do not run; written by tools/stubs.py."""

from typing import Any, TypeAlias, overload

from numpy.typing import ArrayLike

'''
PARAMETER = inspect.Parameter


def imports() -> list[str]:
    """Return a line for each name that is imported, now or later."""
    lines = [f"from clearprop import {name} as {name}" for name in submodules() if name != "lecture"]
    lines.append("from clearprop.typed import lecture as lecture")
    lines += [f"from {module} import {name} as {name}" for name, module in homes().items()]
    return sorted(lines)


def submodules() -> list[str]:
    """Return the subpackages that are imported when they are asked for."""
    return [*clearprop._SUBPACKAGES, *clearprop._NAMESPACES]


def homes() -> dict[str, str]:
    """Return the module of each public name that is no op."""
    found = dict(clearprop._LATER)
    for name in clearprop._EAGER:
        value = getattr(clearprop, name)
        if not inspect.ismodule(value) and not isinstance(value, Op):
            found[name] = getattr(value, "__module__", "clearprop")
    return found


def functions() -> dict[str, Op]:
    """Return the ops that are names of the package, by name."""
    taken = {*homes(), *submodules()}
    return {name: ops[name] for name in sorted(clearprop._OPS) if name not in taken}


def written(name: str, op: Op) -> str:
    """Return an op as a function of a stub."""
    given = list(inspect.signature(op).parameters.values())
    if op.arity is None or op.arity > len(given):
        return f"def {name}({', '.join(parameter(p) for p in marked(given))}) -> Any: ..."
    inputs, rest = given[: op.arity], marked(given[op.arity :])
    tail = [parameter(p) for p in rest]
    lines = []
    for which in range(op.arity + 1):  # the first Tensor stands at this place; none at the last turn
        types = ["_Input" if i > which else "Tensor" if i == which else "ArrayLike" for i in range(op.arity)]
        heads = [f"{p.name}: {kind}" for p, kind in zip(inputs, types, strict=True)]
        result = "Tensor" if which < op.arity else "Any"
        lines.append(f"@overload\ndef {name}({', '.join([*heads, *tail])}) -> {result}: ...")
    return "\n".join(lines)


def marked(parameters: list[inspect.Parameter]) -> list[inspect.Parameter | str]:
    """Return parameters with the star that begins those given by keyword alone."""
    found: list[inspect.Parameter | str] = []
    for p in parameters:
        starred = any(q == "*" or (isinstance(q, PARAMETER) and q.kind is q.VAR_POSITIONAL) for q in found)
        if p.kind is p.KEYWORD_ONLY and not starred:
            found.append("*")
        found.append(p)
    return found


def parameter(p: inspect.Parameter | str) -> str:
    """Return one parameter as a stub has it."""
    if isinstance(p, str):
        return p
    star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
    kind = p.annotation if isinstance(p.annotation, str) else "Any"
    return f"{star}{p.name}: {kind}" + (" = ..." if p.default is not p.empty else "")


def text() -> str:
    """Return the whole stub."""
    parts = [HEAD + "\n".join(imports()), "_Input: TypeAlias = Tensor | ArrayLike", "__version__: str"]
    parts += [written(name, op) for name, op in functions().items()]
    names = sorted({*homes(), *submodules(), *functions()})
    exported = "\n".join(f"    {name!r}," for name in names if name in clearprop.__all__)
    return "\n".join(parts) + f"\n\n__all__ = [\n{exported}\n]\n".replace("'", '"')


def main() -> int:
    """Write the stubs, or say where they differ."""
    differs = 0
    for path, new in {TARGET: text(), **numpy_stubs.texts()}.items():
        old = path.read_text() if path.exists() else ""
        if "--check" not in sys.argv:
            path.write_text(new)
        elif path == TARGET or numpy_stubs.comparable(old) or not old:
            for line in sorted({*new.splitlines()} ^ {*old.splitlines()}):
                print(path.name, "missing" if line in new else "too much", line)
            differs |= old != new
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())
