"""Drawings and steps in a notebook that is really executed."""

import pytest

FIRST = """\
import clearprop
a, b = clearprop.Tensor(7.0), clearprop.Tensor(3.0)
e = (a + b) * b**3
clearprop.trace(e)"""
SECOND = """\
e.backward()
clearprop.draw(e)"""


@pytest.fixture(scope="module")
def outputs():
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (FIRST, SECOND)])
    client.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [cell.outputs[0]["data"] for cell in notebook.cells]


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own
def test_steps_are_shown_in_a_frame_with_the_names_of_the_cells_variables(outputs):
    shown = outputs[0]["text/html"]

    assert "<iframe srcdoc=" in shown
    assert "b had {before}; the sum is {total}." in shown
    assert outputs[0]["text/plain"] == "<Trace of e, topological: 9 steps>"


@pytest.mark.filterwarnings("ignore")
def test_a_drawing_is_shown_as_a_picture(outputs):
    assert "grad=270+27=297" in outputs[1]["text/html"] + outputs[1].get("image/svg+xml", "")
