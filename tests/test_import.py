"""Importing clearprop brings NumPy and the core, nothing else, with a bounded amount of work."""

import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

import clearprop


@cache
def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_importing_clearprop_loads_no_subpackage_and_no_optional_package():
    loaded = modules_after("import clearprop") - modules_after("import numpy")
    foreign = {name for name in loaded if name.split(".")[0] not in ("clearprop", *sys.stdlib_module_names)}

    assert foreign == set()
    for name in ("nn", "optim", "data", "train", "see", "check", "compiler", "cli"):
        assert f"clearprop.{name}" not in loaded


FIRST = """
import importlib, os, sys, numpy
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(name, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_every_module_beside_the_package_can_be_the_first_to_be_imported():
    """`from clearprop import marks` asks the package for the name before it looks for the file."""
    folder = Path(clearprop.__file__).parent
    names = [f"clearprop.{path.stem}" for path in folder.glob("*.py") if not path.stem.startswith("_")]
    names += ["clearprop.interop.safetensors", "clearprop.train.checkpoint", "clearprop.nn.module"]

    ended = subprocess.run([sys.executable, "-c", FIRST, *names], capture_output=True, text=True, check=True)

    assert len(names) > 30
    assert ended.stdout == ""


def test_a_module_is_imported_by_name_and_brings_no_other_subpackage():
    loaded = modules_after("from clearprop import marks")

    assert "clearprop.marks" in loaded
    assert loaded.isdisjoint({"clearprop.nn", "clearprop.optim", "clearprop.train", "clearprop.data"})


def test_no_module_takes_the_name_of_an_op_which_it_would_replace_once_it_is_imported():
    package = Path(clearprop.__file__).parent
    files = {path.stem for path in package.iterdir()} - {"__init__"}

    assert "optim" in files
    assert {name for name in files if isinstance(clearprop._ops.get(name), clearprop.Op)} == set()
    code = "import clearprop; clearprop.optim; assert clearprop.clip(2.0, 0.0, 1.0) == 1.0"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["a.b", "", "nn.functional", "two words"])
def test_what_is_no_name_is_no_attribute(name):
    assert not hasattr(clearprop, name)


def test_subpackages_come_when_they_are_asked_for():
    assert "clearprop.nn" in modules_after("import clearprop; clearprop.nn")


def test_importing_clearprop_loads_nothing_of_pythons_library_that_only_some_calls_need():
    loaded = modules_after("import clearprop") - modules_after("import numpy")

    assert loaded.isdisjoint({"pathlib", "hashlib", "random", "difflib", "json", "urllib.parse", "tempfile"})


def test_importing_clearprop_does_a_bounded_amount_of_work():
    """In calls, which are the same on every machine; `benchmarks/import_time.py` has the milliseconds."""
    code = """
import sys, numpy
calls = 0
def count(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")
sys.setprofile(count)
import clearprop
sys.setprofile(None)
print(calls)
"""
    calls = int(subprocess.check_output([sys.executable, "-c", code], text=True))

    assert 1_000 < calls < 50_000, f"{calls} calls"


def test_pages_are_written_from_a_zip_archive(tmp_path):
    """As `python -m zipapp` makes one: the scripts and styles of pages lie in it too."""
    package = Path(__file__).parent.parent / "src" / "clearprop"
    archive = str(tmp_path / "app.zip")
    with zipfile.ZipFile(archive, "w") as made:
        for path in package.rglob("*"):
            if "__pycache__" not in path.parts:
                made.write(path, path.relative_to(package.parent))
    code = """
from clearprop import Tensor, draw, nn, optim, playground, trace
import numpy as np
a, b = Tensor(7.0), Tensor(3.0)
e = (a + b) * b
trace(e).save("steps.html"), draw(e).save("graph.html")
open("choice.html", "w").write(trace(e).to_choice())
x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
model = nn.Linear(2, 1)
playground(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), x, y, "play.html")
"""
    environment = os.environ | {"PYTHONPATH": archive, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)

    assert {page.name for page in tmp_path.glob("*.html")} == {
        "steps.html",
        "graph.html",
        "choice.html",
        "play.html",
    }
