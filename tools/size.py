"""How large the library is, folder by folder: code lines and tokens, beside the budgets in pyproject.toml.

    python tools/size.py            # the table; exits with 1 where a folder is over its budget
    python tools/size.py --files    # the same for every file
    python tools/size.py --long     # functions over 40 code lines, classes over 200, and why
    python tools/size.py --dense    # files over 9 tokens a line, and what they may have

A code line is a line with a token on it that is no comment and no docstring. A budget is a number of tokens;
raising one needs a dated page in docs/why. A budget for a folder stands for all that no longer path claims.
What is longer than a screen has its reason in `[tool.clearprop.long]`, or is cut.

A new file has at most 9 tokens a line. `tools/dense.toml` names those that may have more: files that stood
when the rule came, each with the whole number that it does not exceed, and tables and formulas, each with its
reason.
"""

from __future__ import annotations

import argparse
import ast
import functools
import io
import sys
import tokenize
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "clearprop"
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip
LONGEST = {ast.FunctionDef: 40, ast.AsyncFunctionDef: 40, ast.ClassDef: 200}
DENSEST = 9.0
DENSE = ROOT / "tools" / "dense.toml"


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


@functools.cache
def code(text: str) -> tuple[set[int], int]:
    """The code lines of a file's text, and how many tokens there are on them."""
    skipped = docstrings(ast.parse(text))
    lines: set[int] = set()
    tokens = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in LAYOUT or token.start[0] in skipped:
            continue
        tokens += 1
        lines.update(range(token.start[0], token.end[0] + 1))
    return lines, tokens


def measured(text: str) -> Size:
    """The size of a file's text.

    >>> measured('"What it is."\\n\\nx = 1  # why\\n')
    Size(lines=1, tokens=3)
    """
    lines, tokens = code(text)
    return Size(len(lines), tokens)


def folder_of(path: Path, budgets: dict[str, int]) -> str:
    """The longest budgeted folder that a file lies in; `.` for the files at the top."""
    parts = path.relative_to(SOURCE).parts[:-1]
    for n in range(len(parts), 0, -1):
        if "/".join(parts[:n]) in budgets:
            return "/".join(parts[:n])
    return "/".join(parts) or "."


def long_ones(path: Path) -> dict[str, int]:
    """The functions and classes of a file that have more code lines than they should: name and count.

    A name is that of the file below `src/clearprop`, and the class and function in it: `op.py Op.__call__`.
    """
    text = path.read_text()
    lines, _ = code(text)
    found: dict[str, int] = {}

    def look(node: ast.AST, inside: tuple[str, ...]) -> None:
        for child in ast.iter_child_nodes(node):
            most = LONGEST.get(type(child))
            if most is None:
                look(child, inside)
                continue
            name = (*inside, child.name)  # type: ignore[attr-defined]
            count = len(lines & set(range(child.lineno, child.end_lineno + 1)))  # type: ignore[attr-defined]
            if count > most:
                found[f"{path.relative_to(SOURCE)} {'.'.join(name)}"] = count
            look(child, name)

    look(ast.parse(text), ())
    return found


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


def unsaid(found: dict[str, int], reasons: dict[str, str]) -> list[str]:
    """What is long without a reason, and reasons for what is not long, or not there."""
    where = "in pyproject.toml, [tool.clearprop.long]"
    long = [
        f"{name}: {found[name]} code lines, and no reason {where}" for name in found.keys() - reasons.keys()
    ]
    past = [f"{name}: not long, and a reason {where}" for name in reasons.keys() - found.keys()]
    return sorted(long) + sorted(past)


def crowded(sizes: dict[str, Size], allowed: dict[str, int | str]) -> list[str]:
    """The files with more tokens a line than they may have, and permissions that are no longer needed.

    >>> crowded({"new.py": Size(10, 95)}, {})
    ['new.py: 9.5 tokens a line, a new file has 9: rewrite it, or name it in tools/dense.toml with a reason']
    >>> crowded({"new.py": Size(10, 95)}, {"new.py": "a table of derivatives"})
    []
    """
    wrong = []
    for name, size in sizes.items():
        may = allowed.get(name)
        if may is None and size.density > DENSEST:
            wrong.append(
                f"{name}: {size.density:.1f} tokens a line, a new file has {DENSEST:.0f}: "
                "rewrite it, or name it in tools/dense.toml with a reason"
            )
        elif isinstance(may, int) and size.density > may:
            wrong.append(f"{name}: {size.density:.1f} tokens a line, tools/dense.toml allows it {may}")
        elif may is not None and size.density <= DENSEST:
            wrong.append(f"{name}: within {DENSEST:.0f} tokens a line, take it out of tools/dense.toml")
    gone = [f"{name}: in tools/dense.toml, and not there" for name in allowed.keys() - sizes.keys()]
    return sorted(wrong) + sorted(gone)


def main() -> int:
    """Print what is asked for; 1 where something is over its budget, long without a reason, or too dense."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--files", action="store_true", help="a row for each file")
    parser.add_argument(
        "--long", action="store_true", help="functions and classes longer than a screen, and why"
    )
    parser.add_argument(
        "--dense", action="store_true", help="files with more tokens a line than new code may have"
    )
    args = parser.parse_args()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["clearprop"]
    budgets: dict[str, int] = settings["size"]
    reasons: dict[str, str] = settings["long"]
    files = {path: measured(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}
    found = {name: count for path in files for name, count in long_ones(path).items()}
    if args.long:
        for name, count in found.items():
            print(f"{count:>4} {name:<58} {reasons.get(name, '?')}")
        return 0
    named = {path.relative_to(SOURCE).as_posix(): size for path, size in files.items()}
    dense: dict[str, int | str] = tomllib.loads(DENSE.read_text())
    if args.files or args.dense:
        for name, size in named.items():
            if args.files or size.density > DENSEST:
                allowed = dense.get(name, DENSEST)
                print(f"{name:<44} {size.lines:>6} {size.tokens:>7} {size.density:>6.1f}  {allowed}")
        return 0
    sizes: dict[str, Size] = defaultdict(Size)
    for path, size in files.items():
        sizes[folder_of(path, budgets)] += size
    lines, wrong = table(sizes, budgets)
    wrong += unsaid(found, reasons)
    wrong += crowded(named, dense)
    print("\n".join([*lines, *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
