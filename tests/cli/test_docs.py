"""`clearprop docs`: where the manual is, and that it opens."""

import webbrowser

import pytest

from clearprop.cli import main


@pytest.fixture
def opened(monkeypatch):
    found = []
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    return found


def test_a_built_manual_is_opened(tmp_path, opened, capsys):
    (tmp_path / "index.html").write_text("the manual")

    assert main(["docs", str(tmp_path)]) == 0
    assert opened == [(tmp_path / "index.html").as_uri()] == capsys.readouterr().out.split()


def test_the_one_built_here_comes_first_and_else_the_webs(tmp_path, monkeypatch, opened, capsys):
    monkeypatch.chdir(tmp_path)

    assert main(["docs", "--print"]) == 0
    assert capsys.readouterr().out.startswith("https://")
    folder = tmp_path / "out" / "manual"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("the manual")
    assert main(["docs", "--print"]) == 0
    assert capsys.readouterr().out.startswith("file://")
    assert opened == []


def test_a_folder_without_a_manual_is_said(tmp_path, opened, capsys):
    assert main(["docs", str(tmp_path)]) == 2
    assert "index.html" in capsys.readouterr().err
    assert opened == []


def test_without_a_browser_the_address_is_printed(tmp_path, monkeypatch, capsys):
    (tmp_path / "index.html").write_text("the manual")
    monkeypatch.setattr(webbrowser, "open", lambda address: False)

    assert main(["docs", str(tmp_path)]) == 1
    assert "no browser" in capsys.readouterr().err
