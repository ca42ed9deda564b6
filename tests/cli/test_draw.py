"""`clearprop draw`: text by default, files by ending, mistakes with exit status 2."""

import pytest

from clearprop.cli import main

LECTURE = ["draw", "(a + b) * b**3", "a=7", "b=3"]


def test_prints_the_graph(capsys):
    assert main([*LECTURE, "--width", "100"]) == 0

    shown = capsys.readouterr().out
    assert "grad=270+27=297" in shown
    assert "Power d = b ** 3" in shown
    assert "▶" in shown


def test_a_narrow_terminal_gets_a_list(capsys):
    main([*LECTURE, "--width", "30"])

    assert capsys.readouterr().out.splitlines()[0] == "●   a                value=7    grad=27"


def test_forward_leaves_the_gradients_open(capsys):
    main([*LECTURE, "--forward"])

    assert capsys.readouterr().out.count("grad=?") == 5


@pytest.mark.parametrize(
    ("ending", "start"), [(".svg", b"<svg"), (".html", b"<!DOCTYPE html>"), (".txt", "╭ a".encode())]
)
def test_writes_files(tmp_path, capsys, ending, start):
    path = tmp_path / f"graph{ending}"

    assert main([*LECTURE, "-o", str(path)]) == 0

    assert path.read_bytes().startswith(start)
    assert capsys.readouterr().err == f"{path}: 5 boxes, 5 arrows\n"


def test_arrays_are_drawn(tmp_path):
    expression = ["draw", "mean((X @ w - y)**2)", "X=[[1,2],[3,4],[5,6]]", "w=[1,-1]", "y=[0,1,2]"]

    assert main([*expression, "-o", str(tmp_path / "r.svg")]) == 0
    assert ">-14.7</text>" in (tmp_path / "r.svg").read_text()


def test_an_unknown_ending_exits_with_2(tmp_path, capsys):
    assert main([*LECTURE, "-o", str(tmp_path / "graph.gif")]) == 2
    assert "writes .svg .png .html .txt" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_exits_with_2(tmp_path, capsys):
    assert main([*LECTURE, "-o", str(tmp_path / "no" / "graph.svg")]) == 2
    assert "graph.svg: no such file or directory.\n  Nothing was written." in capsys.readouterr().err


def test_open_wants_a_file(capsys):
    assert main([*LECTURE, "--open"]) == 2
    assert (
        capsys.readouterr().err
        == "clearprop draw: --open: wants a file to open.\n  Try -o graph.svg --open.\n"
    )


def test_opens_the_file(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    main([*LECTURE, "-o", str(tmp_path / "graph.svg"), "--open"])

    assert opened == [(tmp_path / "graph.svg").as_uri()]


def test_a_mistake_in_the_expression_exits_with_2(capsys):
    assert main(["draw", "(a + b", "a=1", "b=2"]) == 2
    assert "clearprop draw:" in capsys.readouterr().err


def test_the_drawing_and_its_page_speak_german(tmp_path, capsys):
    path = tmp_path / "graph.html"

    assert main([*LECTURE, "--language", "de"]) == 0
    assert "Summe" in capsys.readouterr().out
    assert main([*LECTURE, "--language", "de", "-o", str(path)]) == 0
    assert "Der gewählte Kasten" in path.read_text(encoding="utf-8")
