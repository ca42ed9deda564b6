"""`clearprop lecture`: the examples listed, stepped through, and written as pages."""

import importlib
import re

import pytest

from clearprop.cli import main
from clearprop.typed.lecture import EXAMPLES


def printed(capsys, *argv):
    assert main(["lecture", *argv]) == 0
    return capsys.readouterr().out


def test_every_example_is_listed_with_its_gradients(capsys):
    text = printed(capsys)

    assert [line for line in text.splitlines() if line in EXAMPLES] == list(EXAMPLES)
    assert "    (a + b) * b**3   a=7 b=3\n    da = 27, db = 297\n" in text
    assert "mean((X @ w - y)**2)   X=[[1,2],[3,4],[5,6]] w=[1,-1] y=[0,1,2]\n" in text
    assert "dw = [-14.6667, -18.6667], dy = [0.666667, 1.33333, 2]\n" in text


def test_what_is_listed_can_be_typed(capsys):
    """The expression and values of the list are those of `clearprop step`."""
    example = EXAMPLES["regression"]
    from clearprop.cli.lecture import plain

    values = [f"{name}={plain(value)}" for name, value in example.values.items()]
    assert main(["step", example.expression, *values]) == 0
    assert "w.grad = [-14.6667, -18.6667]" in capsys.readouterr().out


def test_one_example_is_stepped_through(capsys):
    text = printed(capsys, "dag")

    assert text.startswith("(a + b) * b**3   b is used twice: its contributions are added\n\nForward")
    assert "b.grad = 270 + 27 = 297\n" in text


def test_an_example_by_a_wrong_algorithm(capsys):
    assert "x.grad = 12 + 120 = 132" in printed(capsys, "order", "--algorithm", "recursive")


def test_one_page(capsys, tmp_path):
    assert printed(capsys, "dag", "--html", "--output", str(tmp_path)) == f"wrote {tmp_path}/dag.html\n"
    assert [p.name for p in tmp_path.iterdir()] == ["dag.html"]


def test_a_place_for_pages_asks_for_them(capsys, tmp_path):
    assert printed(capsys, "dag", "--output", str(tmp_path)) == f"wrote {tmp_path}/dag.html\n"
    for twice in (["dag", "--html", str(tmp_path)], ["--notebook", str(tmp_path / "course.ipynb")]):
        assert main(["lecture", *twice, "--output", str(tmp_path / "other")]) == 2
        assert "says again where files go" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["dag.html"]


def test_all_pages_and_their_index(capsys, tmp_path):
    printed(capsys, "graphs", "--html", "--output", str(tmp_path / "made" / "here"))
    folder = tmp_path / "made" / "here"
    index = (folder / "index.html").read_text()

    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.html" for name in (*EXAMPLES, "index"))
    assert re.findall(r'href="([a-z-]+\.html)"', index) == [f"{name}.html" for name in EXAMPLES]
    ids = re.findall(r' id="([^"]+)"', index)
    assert len(ids) == len(set(ids))
    assert "http" not in index.replace("http://www.w3.org/2000/svg", "")


def test_pages_are_the_same_every_time(capsys, tmp_path):
    for folder in ("one", "two"):
        printed(capsys, "graphs", "--html", str(tmp_path / folder))

    for page in (tmp_path / "one").iterdir():
        assert page.read_bytes() == (tmp_path / "two" / page.name).read_bytes()


def test_the_browser_is_opened_only_when_asked(capsys, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("webbrowser.open", asked.append)
    printed(capsys, "dag", "--html", "--output", str(tmp_path))
    assert asked == []
    printed(capsys, "dag", "--open", "--output", str(tmp_path))
    assert asked == [(tmp_path / "dag.html").as_uri()]


def test_an_unknown_example_is_answered_with_those_there_are(capsys):
    assert main(["lecture", "dga"]) == 2
    assert capsys.readouterr().err == (
        "clearprop lecture: lecture dga: there is no such example: "
        "tree, power, relu, relu-off, tanh, dag, order, regression, softmax.\n  Try clearprop lecture dag.\n"
    )


def test_a_folder_that_cannot_be_made_is_told(capsys, tmp_path):
    (tmp_path / "file").write_text("")

    for name in ([], ["graphs"]):
        assert main(["lecture", *name, "--html", "--output", str(tmp_path / "file" / "in")]) == 2
        assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_every_example_can_be_stepped_through(capsys, name):
    assert "Gradients" in printed(capsys, name)


def test_without_a_name_a_course_is_written(capsys, tmp_path, monkeypatch):
    folder = tmp_path / "course"

    with monkeypatch.context() as short:  # of one lesson: the whole of it is made below, and in tests/lessons
        module = importlib.import_module("clearprop.lessons.course")
        short.setattr(module, "ORDER", ["tree"])
        short.setattr(module, "PARTS", {})
        assert printed(capsys, "--html", str(folder)).endswith(f"begin with {folder / 'index.html'}\n")
    assert (folder / "tree.html").is_file()
    (folder / "exercises" / "tanh.py").write_text("# half solved")
    (folder / "tree.html").write_text("mine")
    assert main(["lecture", "--html", str(folder), "--language", "de"]) == 2
    assert "tree.html" in capsys.readouterr().err
    assert '<html lang="en">' in (folder / "index.html").read_text(encoding="utf-8")
    printed(capsys, "--html", str(folder), "--force", "--language", "de")
    assert "Backpropagation auf einem Baum" in (folder / "tree.html").read_text(encoding="utf-8")


def test_the_course_as_a_notebook(capsys, tmp_path):
    path = tmp_path / "course.ipynb"

    assert printed(capsys, "--notebook", str(path)) == f"wrote {path}\n"
    assert printed(capsys, "--notebook", str(path)) == f"wrote {path}\n"
    path.write_text("{}")
    assert main(["lecture", "--notebook", str(path)]) == 2
    assert main(["lecture", "dag", "--notebook", str(path)]) == 2
    assert main(["lecture", "--notebook", str(tmp_path / "no" / "where.ipynb")]) == 2
    capsys.readouterr()
    for name in ("course", "course.html"):
        assert main(["lecture", "--notebook", str(tmp_path / name)]) == 2
        assert "wants a name that ends in .ipynb" in capsys.readouterr().err
        assert not (tmp_path / name).exists()


def test_the_lecture_speaks_german(capsys):
    assert "Rückwärts, in topologischer Ordnung" in printed(capsys, "dag", "--language", "de")
