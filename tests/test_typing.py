"""What an editor and a type checker see: public names, ops with their own inputs, calls with their types."""

import ast
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clearprop

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).parent / "typing"
FACES = {
    "": 40,
    "_numpy": 20,
}  # the package and `clearprop.numpy`, with how many mistakes are planted at least


def planted(face):
    text = (HERE / f"wrong{face}.py").read_text()
    return {n for n, line in enumerate(text.splitlines(), 1) if line.endswith("# wrong")}


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, cwd=ROOT)


def test_the_stub_says_what_the_package_has():
    ended = run("tools/stubs.py", "--check")

    assert ended.returncode == 0, f"python tools/stubs.py writes it anew:\n{ended.stdout}{ended.stderr}"


def test_all_and_dir_list_the_same():
    assert {*clearprop.__all__} <= {*dir(clearprop)}
    hidden = {*dir(clearprop)} - {*clearprop.__all__}
    assert hidden - {"__version__", "numpy", "scipy"} <= {*dir(__builtins__)} | {
        *vars(__import__("builtins"))
    }
    for name in clearprop.__all__:
        assert getattr(clearprop, name) is not None


def test_a_star_brings_what_is_public_and_hides_no_function_of_pythons():
    space = {}
    exec("from clearprop import *", space)

    assert {"Tensor", "grad", "nn", "optim", "tanh", "draw", "watch"} <= space.keys()
    assert space["nn"] is clearprop.nn
    for name in ("sum", "max", "min", "round", "all", "any"):
        assert name not in space


@pytest.mark.parametrize(
    ("name", "signature"),
    [("tanh", "(x)"), ("add", "(x, y)"), ("maximum", "(x, y)"), ("erf", None), ("softmax", None)],
)
def test_an_op_has_the_signature_of_its_own_inputs(name, signature):
    found = inspect.signature(getattr(clearprop, name))

    assert "casting" not in found.parameters
    assert next(iter(found.parameters)) == "x"
    if signature:
        assert str(found) == signature


def test_an_op_takes_its_inputs_by_name():
    assert clearprop.tanh(x=0.5) == np.tanh(0.5)
    assert clearprop.add(1.0, y=2.0) == 3.0
    np.testing.assert_array_equal(clearprop.subtract(x=clearprop.Tensor(1.0), y=3.0).numpy(), -2.0)
    with pytest.raises(TypeError, match="takes no keywords"):
        clearprop.tanh(x=0.5, y=1.0)


@pytest.fixture(scope="module")
def mypy():
    pytest.importorskip("mypy")
    strict = ("--strict", "--no-error-summary", "--cache-dir", HERE.parent.parent / ".mypy_cache")
    return lambda path: run("-m", "mypy", *strict, path)


def lines(text, path):
    return {int(n) for n in re.findall(rf"{re.escape(path)}:(\d+)(?::\d+)?(?: -)?:? error", text)}


@pytest.mark.parametrize("face", FACES)
def test_mypy_says_nothing_of_right_lines(mypy, face):
    ended = mypy(HERE / f"right{face}.py")

    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("face", FACES)
def test_mypy_finds_the_planted_mistakes(mypy, face):
    wanted = planted(face)
    assert len(wanted) >= FACES[face]
    found = lines(mypy(HERE / f"wrong{face}.py").stdout, f"wrong{face}.py")

    assert found >= wanted, sorted(wanted - found)
    assert found <= wanted, sorted(found - wanted)


@pytest.mark.parametrize("face", FACES)
def test_pyright_agrees(face):
    pytest.importorskip("basedpyright")
    command = ("-m", "basedpyright", "--level", "error", "--pythonpath", sys.executable)

    right = run(*command, HERE / f"right{face}.py")
    wanted, found = planted(face), lines(run(*command, HERE / f"wrong{face}.py").stdout, f"wrong{face}.py")

    assert lines(right.stdout, f"right{face}.py") == set(), right.stdout
    assert found >= wanted, sorted(wanted - found)
    assert found <= wanted, sorted(found - wanted)


SPACES = ("", ".linalg", ".fft", ".random", ".testing")


@pytest.mark.parametrize("space", SPACES)
def test_a_stub_of_the_namespace_has_its_names_and_no_others(space):
    module = importlib.import_module(f"clearprop.numpy{space}")
    path = ROOT / "src" / "clearprop" / "numpy" / f"{space[1:] or '__init__'}.pyi"
    text = path.read_text()
    if f"with NumPy {'.'.join(np.__version__.split('.')[:2])}." not in text:
        pytest.skip("another NumPy has other names")

    assert set(said(ast.parse(text))) == {*dir(module)}


def said(tree):
    """The names that a stub exports: not those it imports for its own lines, nor what begins with one `_`."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names = [alias.asname for alias in node.names if alias.asname == alias.name]
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = [node.name]
        else:
            names = [node.target.id] if isinstance(node, ast.AnnAssign) else []
        yield from (n for n in names if n and (n[0] != "_" or n[:2] == "__"))


def test_nearly_every_public_name_and_attribute_has_a_type():
    pytest.importorskip("basedpyright")
    verify = ("--verifytypes", "clearprop", "--ignoreexternal", "--outputjson")
    command = (sys.executable, "-m", "basedpyright", *verify, "--pythonpath", sys.executable)
    where = os.environ | {"PYTHONPATH": str(ROOT / "src")}  # it finds no editable install
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=where, check=False)
    found = json.loads(ended.stdout)["typeCompleteness"]

    untyped = [s["name"] for s in found["symbols"] if s["isExported"] and not s["isTypeKnown"]]
    assert found["symbols"]
    assert found["completenessScore"] >= 0.98, untyped


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("clearprop.ta", "tanh"),
        ("clearprop.dr", "draw"),
        ("clearprop.so", "softmax"),
        ("clearprop.nn.Lin", "Linear"),
        ("clearprop.optim.Ad", "AdamW"),
        ("clearprop.Tensor(1.0).back", "backward"),
        ("clearprop.tanh(clearprop.Tensor(1.0)).resh", "reshape"),
        ("clearprop.nn.Linear(1, 1).wei", "weight"),
        ("clearprop.numpy.cumu", "cumulative_sum"),
        ("clearprop.numpy.linalg.eig", "eigh"),
        ("clearprop.numpy.sin(clearprop.Tensor(1.0)).resh", "reshape"),
        ("clearprop.numpy.sum(clearprop.Tensor(1.0)).back", "backward"),
    ],
)
def test_jedi_completes(typed, name):
    jedi = pytest.importorskip("jedi")

    found = jedi.Script(f"import clearprop\n{typed}", project=jedi.Project(ROOT / "src")).complete()

    assert name in {completion.name for completion in found}
