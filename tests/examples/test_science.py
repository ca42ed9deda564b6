"""The gallery of scientific functions: plain NumPy, every gradient checked, every fit as good as promised."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import clearprop
from clearprop.compiler.step import available_executors

pytest.importorskip("scipy")
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "gallery"
PAGES = ("fitting", "probability", "dynamics", "signals", "fields")


@pytest.fixture(scope="module")
def gallery():
    sys.path.insert(0, str(FOLDER))
    try:
        import gallery

        return gallery
    finally:
        sys.path.remove(str(FOLDER))


def functions(page):
    tree = ast.parse((FOLDER / f"{page}.py").read_text())
    return [x for x in tree.body if isinstance(x, ast.FunctionDef) and not x.name.startswith("_")]


NAMES = [f.name for page in PAGES for f in functions(page)]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_gallery_imports_numpy_and_nothing_else(page):
    text = (FOLDER / f"{page}.py").read_text()

    assert re.findall(r"^ *(?:import|from) .*$", text, re.MULTILINE) == ["import numpy as np"]
    assert "clearprop" not in text
    assert all(ast.get_docstring(f) for f in functions(page))


def test_every_function_is_shown_and_there_are_more_than_thirty(gallery):
    assert [entry.function.__name__ for entry in gallery.ENTRIES] == NAMES
    assert len(NAMES) >= 30


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_right_and_the_fit_is_as_good_as_promised(gallery, name, capsys):
    entry = next(e for e in gallery.ENTRIES if e.function.__name__ == name)

    with np.errstate(all="raise", under="ignore"):
        assert gallery.show(entry), capsys.readouterr().out


@pytest.mark.parametrize("executor", available_executors())
@pytest.mark.parametrize(
    "name",
    [
        "gaussian_process",
        "kalman_filter",
        "runge_kutta",
        "phase_retrieval",
        "tensor_train",
        "dynamic_panel",
        "reaction_chain",
        "lens_design",
        "registration",
        "filter_design",
    ],
)
def test_the_same_compiled(gallery, name, executor):
    entry = next(e for e in gallery.ENTRIES if e.function.__name__ == name)
    vector, unflatten = clearprop.tree.flatten(entry.start)
    both = clearprop.value_and_grad(lambda v, *data: entry.function(unflatten(v), *data))
    step = clearprop.compile(both, executor=executor)

    for scale in (1.0, 0.97, 1.02):
        value, slope = step(scale * vector, *entry.data)
        wanted = both(scale * vector, *entry.data)
        np.testing.assert_allclose(value, wanted[0], rtol=1e-9)
        np.testing.assert_allclose(slope, wanted[1], rtol=1e-7, atol=1e-9)


def test_a_fit_that_is_worse_than_promised_fails(gallery, capsys):
    entry = gallery.Entry(gallery.fitting.least_squares, np.zeros(4), gallery.ENTRIES[0].data, 1e-9)

    assert not gallery.show(entry)
    assert "FAILED" in capsys.readouterr().out


def test_the_script_shows_what_is_named_and_says_which_names_there_are():
    def run(*names):
        command = [sys.executable, "-W", "error", FOLDER / "gallery.py", *names]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("portfolio", "fixed_point")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["portfolio", "fixed_point"]
    assert "there are least_squares, robust_regression" in run("portfolios").stderr


def test_the_page_in_the_documents_lists_them_all():
    page = (ROOT / "docs" / "guide" / "science.md").read_text()

    assert re.findall(r"^\| `(\w+)`", page, re.MULTILINE) == NAMES
