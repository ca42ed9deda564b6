"""Who may import whom: inside every folder as well as between them, an arrow that points up is a mistake."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import clearprop

ROOT = Path(clearprop.__file__).parent

# From the ground up: each may import what stands before it. An import inside a function may reach further: it
# is how a reader is called when somebody asks for it by name (`t.backward()`, `fit(compile=True)`).
ORDER = {
    "": (
        "errors marks files modes registry structure ufunc refusal updates tensor graph op define record ops "
        "backward inner transforms nn optim data interop typed see testing check diagnosis homework compiler "
        "train __init__ cli __main__"
    ),
    "see": "readable numbers names algebra layout drawing step summaries gallery __init__",
    "compiler": "program plan numpy llvm capture proof explain step __init__",
    "compiler/llvm": "language loops products plan doorstep executor __init__",
}
# What does not look at what, though it stands above it.
APART = {
    "ops": {"backward"},
    "optim": {"nn"},
    "data": {"nn", "optim", "ops", "tensor"},
    "typed": {"nn", "optim", "data", "interop"},
    "see": {"nn", "optim", "data", "interop"},
    "check": {"nn", "optim", "data", "interop"},
    "diagnosis": {"nn", "optim", "data", "interop"},
    "homework": {"nn", "optim", "data", "interop", "diagnosis"},
    "compiler": {"nn", "optim", "data", "interop", "see", "check", "typed", "diagnosis", "homework"},
    "train": {"see", "check", "compiler", "diagnosis", "homework", "typed"},
}


def names(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


MODULES = {names(p): p for p in sorted(ROOT.rglob("*.py"))}


def imports(tree: ast.AST, late: bool = False, inside: bool = False):
    """Yield the dotted names that a module imports at its top, or with `late` inside its functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "clearprop":
            if inside is late:
                yield from (f"{node.module}.{a.name}" for a in node.names)
        elif isinstance(node, ast.Import):
            if inside is late:
                yield from (a.name for a in node.names if a.name.split(".")[0] == "clearprop")
        else:
            function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from imports(node, late, inside or function)


def target(dotted: str) -> tuple[str, ...]:
    """The module that an imported name belongs to: itself, or what it is taken from."""
    parts = tuple(dotted.split(".")[1:])
    for found in (parts, (*parts, "__init__"), parts[:-1], (*parts[:-1], "__init__")):
        if found in MODULES:
            return found
    raise AssertionError(f"nothing is called {dotted}")


def arrows() -> dict[str, dict[tuple[str, str], str]]:
    """For each folder the arrows between what lies in it, each with one import that makes it."""
    found: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for here, path in MODULES.items():
        for dotted in imports(ast.parse(path.read_text())):
            there = target(dotted)
            depth = next((i for i, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), len(here))
            if depth < len(here) and depth < len(there):
                found["/".join(here[:depth])].setdefault(
                    (here[depth], there[depth]), f"{path.relative_to(ROOT)} imports {dotted}"
                )
    return found


ARROWS = arrows()


@pytest.mark.parametrize("folder", sorted(ARROWS), ids=lambda f: f or "clearprop")
def test_no_arrow_leads_back_to_where_it_came_from(folder):
    left = dict(ARROWS[folder])
    while left:  # take away what nothing in the folder is imported by, until all is gone
        imported = {there for _, there in left}
        top = {here for here, _ in left} - imported
        assert top, "a circle: " + "; ".join(left.values())
        left = {(a, b): why for (a, b), why in left.items() if a not in top}


@pytest.mark.parametrize("folder", ORDER, ids=lambda f: f or "clearprop")
def test_arrows_point_down_in_the_order_that_is_written_here(folder):
    order = {name: i for i, name in enumerate(ORDER[folder].split())}
    there = {names(p)[len(names(ROOT / folder)) if folder else 0] for p in (ROOT / folder).rglob("*.py")}

    assert set(order) == there
    for (a, b), why in ARROWS[folder].items():
        assert order[b] < order[a], why


@pytest.mark.parametrize("folder", APART)
def test_what_stands_apart_does_not_look_at_each_other(folder):
    assert [why for (a, b), why in ARROWS[""].items() if a == folder and b in APART[folder]] == []


def test_the_reader_of_imports_sees_an_arrow_that_points_up():
    tree = ast.parse("from clearprop.see import draw\ndef f():\n    from clearprop import nn\n")

    assert list(imports(tree)) == ["clearprop.see.draw"]
    assert list(imports(tree, late=True)) == ["clearprop.nn"]


def test_every_file_says_what_it_is():
    for path in ROOT.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path
