"""Who may import whom: an arrow that points up is a mistake."""

import ast
from pathlib import Path

import pytest

import clearprop

ROOT = Path(clearprop.__file__).parent

# Each layer may import itself and the layers named. An import inside a function may reach further: it is how
# a reader is called when somebody asks for it by name (`t.backward()`, `fit(compile=True)`).
CORE = {
    "errors",
    "registry",
    "modes",
    "tensor",
    "op",
    "graph",
    "define",
    "record",
    "structure",
    "ufunc",
    "refusal",
    "updates",
}
CORE |= {"files", "marks"}  # what writes
BASE = CORE | {"ops"}
LAYERS = {
    "ops": BASE,
    "backward": BASE,
    "inner": BASE | {"backward"},
    "transforms": BASE | {"backward", "inner"},
    "lecture": BASE | {"backward", "transforms", "expression", "grammar"},
    "grammar": BASE,
    "expression": BASE | {"backward", "transforms", "grammar"},
    "see": BASE | {"backward", "transforms", "lecture", "see", "expression"},
    "check": BASE | {"backward", "transforms", "check", "see", "testing"},
    "compiler": BASE | {"backward", "transforms", "compiler"},
    "testing": BASE | {"backward", "transforms", "check"},
    "nn": BASE | {"backward", "nn"},
    "optim": BASE | {"backward", "optim"},
    "data": {"errors", "data", "files", "marks"},
    "train": BASE | {"backward", "transforms", "nn", "optim", "data", "train", "interop"},
    "interop": BASE | {"backward", "transforms", "nn", "data", "interop"},
}


def layer(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.Module, late: bool):
    """Yield the layer names that a module imports at its top (or, with `late`, inside its functions)."""
    top = {
        id(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    }
    inside = {
        id(child)
        for node in ast.walk(tree)
        if id(node) in top
        for child in ast.walk(node)
        if child is not node
    }
    guarded = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in guarded or (id(node) in inside) is not late:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "clearprop":
            names = (
                [node.module] if node.module != "clearprop" else [f"clearprop.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.split(".")[0] == "clearprop"]
        for name in names:
            parts = name.split(".")
            if len(parts) > 1:
                yield parts[1]


MODULES = sorted(p for p in ROOT.rglob("*.py") if layer(p) not in ("__init__", "__main__", "cli"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_import_points_up(path):
    where = layer(path)
    allowed = CORE if where in CORE else LAYERS[where]
    known = {layer(p) for p in ROOT.rglob("*.py")}
    found = {name for name in imported(ast.parse(path.read_text()), late=False) if name in known}

    assert found <= allowed | {where}


def test_the_reader_of_imports_sees_an_arrow_that_points_up():
    tree = ast.parse("from clearprop.see import draw\ndef f():\n    from clearprop import nn\n")

    assert list(imported(tree, late=False)) == ["see"]
    assert list(imported(tree, late=True)) == ["nn"]


def test_every_file_says_what_it_is():
    for path in ROOT.rglob("*.py"):
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), path
