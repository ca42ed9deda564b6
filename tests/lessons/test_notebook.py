"""The course as a notebook that is really executed."""

import pytest

from clearprop.lessons import notebook
from clearprop.lessons.graphs import SOURCES
from clearprop.lessons.troubles import TROUBLES


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own
def test_every_cell_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    made = nbformat.read(notebook(tmp_path / "course.ipynb"), as_version=4)
    nbformat.validate(made)
    client.NotebookClient(made, timeout=120, kernel_name="python3").execute()

    shown = {cell.id.removesuffix("-code"): cell.outputs for cell in made.cells if cell.cell_type == "code"}
    assert shown.keys() == {*SOURCES, *TROUBLES}
    for name in SOURCES:
        assert "<iframe srcdoc=" in shown[name][-1]["data"]["text/html"]
    for name in TROUBLES:
        assert "finding" in shown[name][0]["text"]
