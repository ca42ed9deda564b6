"""Scripts in PyTorch's words and their twins for PyTorch: they differ in their imports alone; both run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TWINS = Path(__file__).parent.parent.parent / "examples" / "twins"
NAMES = {"lenet": ("--epochs", "1"), "recall": ("--steps", "60"), "moons": ("--steps", "50")}


def imports_and_rest(path):
    """Return what a script imports, with clearprop.torch called torch, and all other lines."""
    text = path.read_text()
    lines = text.splitlines()
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            said = ast.unparse(node)
            found.add(
                said.replace("import clearprop.torch as torch", "import torch").replace("clearprop.", "")
            )
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return found, [line for line in lines if line]


def test_there_are_three_pairs_and_no_other_script():
    names = sorted(path.stem for path in TWINS.glob("*.py"))

    assert names == sorted([*NAMES, *(f"{name}_torch" for name in NAMES)])


@pytest.mark.parametrize("name", NAMES)
def test_twins_differ_in_their_imports_alone(name):
    imports, rest = imports_and_rest(TWINS / f"{name}.py")
    other, same = imports_and_rest(TWINS / f"{name}_torch.py")

    assert rest == same
    assert imports == other
    assert "clearprop" in (TWINS / f"{name}.py").read_text()
    assert not any("clearprop" in said for said in other)


@pytest.mark.parametrize("ending", ["", "_torch"])
@pytest.mark.parametrize("name", NAMES)
def test_reaches_what_it_promises(name, ending):
    pytest.importorskip("sklearn")
    if ending:
        pytest.importorskip("torch")
    command = [sys.executable, "-W", "error", TWINS / f"{name}{ending}.py", *NAMES[name]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(" promised\n")
