"""How large the library is, folder by folder: code lines and tokens, beside the budgets in pyproject.toml.

    python tools/size.py            # the table; exits with 1 where a folder is over its budget
    python tools/size.py --files    # the same for every file
    python tools/size.py --long     # functions over 40 lines, classes over 200, files over 9 tokens a line

A code line is a line with a token on it that is no comment and no docstring. A budget is a number of tokens;
raising one needs a dated page in docs/why. A budget for a folder stands for all that no longer path claims.
"""

from __future__ import annotations

import argparse
import ast
import io
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "clearprop"
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip
LONGEST_FUNCTION, LONGEST_CLASS, DENSEST = 40, 200, 9.0


@dataclass
class Size:
    """Code lines and tokens, of a file or of a folder's files together."""

    lines: int = 0
    tokens: int = 0

    def __iadd__(self, other: Size) -> Size:
        self.lines += other.lines
        self.tokens += other.tokens
        return self

    @property
    def density(self) -> float:
        """Tokens a line."""
        return self.tokens / self.lines if self.lines else 0.0


def docstrings(tree: ast.Module) -> set[int]:
    """The lines of all docstrings."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            if text and isinstance(first.value.value, str):  # type: ignore[attr-defined]
                found.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return found


def measured(text: str) -> Size:
    """The size of a file's text.

    >>> measured('"What it is."\\n\\nx = 1  # why\\n')
    Size(lines=1, tokens=3)
    """
    skipped = docstrings(ast.parse(text))
    lines: set[int] = set()
    tokens = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in LAYOUT or token.start[0] in skipped:
            continue
        tokens += 1
        lines.update(range(token.start[0], token.end[0] + 1))
    return Size(len(lines), tokens)


def folder_of(path: Path, budgets: dict[str, int]) -> str:
    """The longest budgeted folder that a file lies in; `.` for the files at the top."""
    parts = path.relative_to(SOURCE).parts[:-1]
    for n in range(len(parts), 0, -1):
        if "/".join(parts[:n]) in budgets:
            return "/".join(parts[:n])
    return "/".join(parts) or "."


def long_ones(path: Path, size: Size) -> Iterator[str]:
    """What is longer, or denser, than new code may be."""
    where = path.relative_to(ROOT)
    if size.density > DENSEST:
        yield f"{where}: {size.density:.1f} tokens a line"
    tree = ast.parse(path.read_text())
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        most = {ast.FunctionDef: LONGEST_FUNCTION, ast.ClassDef: LONGEST_CLASS}.get(type(node))
        if most is None:
            continue
        count = len(set(range(node.lineno, (node.end_lineno or 0) + 1)) - skipped)  # type: ignore[attr-defined]
        if count > most:
            yield f"{where}:{node.lineno}: {node.name} has {count} lines"  # type: ignore[attr-defined]


def table(sizes: dict[str, Size], budgets: dict[str, int]) -> tuple[list[str], list[str]]:
    """The lines of the table, and what is wrong."""
    lines = [f"{'folder':<28} {'lines':>7} {'tokens':>8} {'a line':>7} {'budget':>8}"]
    wrong = []
    for name in sorted(sizes):
        size, budget = sizes[name], budgets.get(name)
        over = budget is not None and size.tokens > budget
        shown = "-" if budget is None else str(budget)
        lines.append(
            f"{name:<28} {size.lines:>7} {size.tokens:>8} {size.density:>7.1f} {shown:>8}"
            + ("  OVER" if over else "")
        )
        if over:
            wrong.append(f"{name}: {size.tokens} tokens, its budget is {budget}")
        elif budget is None:
            wrong.append(f"{name}: no budget in pyproject.toml, [tool.clearprop.size]")
    wrong += [f"{name}: a budget for a folder that is not there" for name in budgets if name not in sizes]
    total = Size()
    for size in sizes.values():
        total += size
    lines.append(f"{'together':<28} {total.lines:>7} {total.tokens:>8} {total.density:>7.1f}")
    return lines, wrong


def main() -> int:
    """Print what is asked for; 1 where something is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--files", action="store_true", help="a row for each file")
    parser.add_argument("--long", action="store_true", help="what is longer or denser than new code may be")
    args = parser.parse_args()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    budgets: dict[str, int] = settings["tool"]["clearprop"]["size"]
    files = {path: measured(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    if args.long:
        print("\n".join(line for path, size in files.items() for line in long_ones(path, size)))
        return 0
    if args.files:
        for path, size in files.items():
            print(f"{path.relative_to(SOURCE)!s:<44} {size.lines:>6} {size.tokens:>7} {size.density:>6.1f}")
        return 0
    sizes: dict[str, Size] = defaultdict(Size)
    for path, size in files.items():
        sizes[folder_of(path, budgets)] += size
    lines, wrong = table(sizes, budgets)
    print("\n".join([*lines, *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
