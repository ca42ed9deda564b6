"""`clearprop step`: the text that stays."""

import argparse
import io
import json
import sys

import pytest

from clearprop.cli import main
from clearprop.cli.step import coloured, drawable

DAG = ["step", "(a + b) * b**3", "a=7", "b=3"]


def printed(capsys, *argv):
    assert main(argv) == 0
    return capsys.readouterr().out


def test_the_graph_with_its_values_then_every_step_with_the_sum_so_far(capsys):
    assert printed(capsys, *DAG) == (
        """\
Forward, from the inputs to the output
  a           │ value=7    │ grad=?  input
  b           │ value=3    │ grad=?  input
  Add c       │ value=10   │ grad=?  = a + b
  Power d     │ value=27   │ grad=?  = b^3
  Multiply e  │ value=270  │ grad=?  = c*d

Backward, in topological order: a node passes its gradient on after all its users have
  e.grad = 1
  e = c*d has its whole gradient, 1
     1  e ─▶ c  de/dc = d = 27      1 x 27 = 27    c.grad = 27
     2  e ─▶ d  de/dd = c = 10      1 x 10 = 10    d.grad = 10
  d = b^3 has its whole gradient, 10
     3  d ─▶ b  dd/db = 3*b^2 = 27  10 x 27 = 270  b.grad = 270
  c = a + b has its whole gradient, 27
     4  c ─▶ a  dc/da = 1           27 x 1 = 27    a.grad = 27
     5  c ─▶ b  dc/db = 1           27 x 1 = 27    b.grad = 270 + 27 = 297

Gradients
  a.grad = 27
  b.grad = 270 + 27 = 297
  c.grad = 27
  d.grad = 10
  e.grad = 1
""".replace(" x ", " \N{MULTIPLICATION SIGN} ")
    )


def test_the_tree_algorithm_goes_wrong_and_says_so(capsys):
    text = printed(capsys, *DAG, "--algorithm", "tree")

    assert "b.grad = 270   replaces 27\n" in text
    assert "  b.grad  270   297          wrong\n" in text
    assert text.endswith("Wrong at b: b has several users, and each replaced what was sent before.\n")


def test_the_recursive_algorithm_counts_twice_and_says_so(capsys):
    text = printed(capsys, "step", "w = x**2; u = 2*w; v = w**2; y = u + v", "x=3", "--algorithm=recursive")

    assert "w = x^2 passes on what it has: 2\n" in text
    assert "w = x^2 passes on what it has, once more: 20\n" in text
    assert "x.grad = 12 + 120 = 132\n" in text
    assert "  x.grad  132        120          wrong\n" in text
    assert text.endswith("Wrong at x: what w first passed on was in the sum that it passed on again.\n")


@pytest.mark.parametrize("algorithm", ["tree", "recursive"])
def test_on_a_tree_every_algorithm_is_right_and_says_why(capsys, algorithm):
    text = printed(capsys, "step", "(a + b) * c", "a=7", "b=3", "c=2", "--algorithm", algorithm)

    assert text.endswith("Every gradient is right: no node is used twice, the graph is a tree.\n")
    assert "wrong" not in text


def test_a_dag_on_which_the_order_does_not_matter(capsys):
    text = printed(capsys, *DAG, "--algorithm", "recursive")

    assert text.endswith("Every gradient is right: the order does not matter here.\n")


def test_small_arrays_are_written_out_and_large_ones_summarised(capsys):
    text = printed(capsys, "step", "mean((X @ w - y)**2)", "X=[[1,2],[3,4],[5,6]]", "w=[1,-1]", "y=[0,1,2]")
    large = printed(capsys, "step", "sum(tanh(x))", f"x={list(range(1000))}")

    assert "w.grad = X^T @ c.grad" in text
    assert "  w.grad = [-14.6667, -18.6667]\n" in text
    assert "value=(1000,) float64, 0" in large
    assert max(map(len, large.splitlines())) < 130


def test_broadcasting_is_undone_in_sight(capsys):
    assert "summed to ()" in printed(capsys, "step", "sum(x * b)", "x=[1,2,3]", "b=2")


def test_digits_are_chosen(capsys):
    assert "b.grad = 0.019732074330880423" in printed(
        capsys, "step", "(a + tanh(b)) * c", "a=7", "b=3", "c=2", "--digits", "17"
    )


def test_an_expression_may_begin_with_a_minus_sign(capsys):
    assert "x.grad = [0.0900306, -0.755272, 0.665241]" in printed(
        capsys, "step", "-log_softmax(x)[1]", "x=[1,2,3]"
    )


def test_infinite_and_masked_gradients_are_shown_as_they_are(capsys):
    text = printed(capsys, "step", "where(a > 0, sqrt(a), 0) + log(b)", "a=0", "b=0")

    assert "b.grad = inf" in text
    assert "\N{MULTIPLICATION SIGN} inf = 0" in text


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["(a + q)", "a=1"], "there is no value for 'q'"),
        (["a ^ 2", "a=1"], "Try ** instead of ^"),
        (["a + 1", "a"], "wants name=value"),
        (["a * [1", "a=1"], "never closed"),
        (["x * 2", "x=[1,2]"], "wants an output of one entry"),
        (["x * 2", "x=[1,2]", "--algorithm", "tree"], "wants an output of one entry"),
        (["5"], "wants something computed"),
        (["floor(a)", "a=2"], "wants something computed"),
    ],
)
def test_bad_input_exits_with_two_and_prints_no_trace(capsys, argv, says):
    assert main(["step", *argv]) == 2
    shown = capsys.readouterr()

    assert says in shown.err
    assert shown.err.startswith("clearprop step: ")
    assert shown.out == ""


def test_an_output_that_knows_no_arrows_gets_plain_characters(monkeypatch):
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", plain)

    assert not drawable()
    assert main(DAG) == 0
    plain.flush()
    text = plain.buffer.getvalue().decode("ascii")
    assert "d -> b  dd/db = 3*b^2 = 27  10 * 27 = 270  b.grad = 270" in text
    assert "| value=270 | grad=?" in " ".join(text.split())


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured()


def test_the_help_shows_what_to_type(capsys):
    with pytest.raises(SystemExit):
        main(["step", "--help"])

    assert 'clearprop step "(a + b) * b**3" a=7 b=3' in capsys.readouterr().out


def test_arguments_are_declared_on_any_parser():
    from clearprop.cli import step

    parser = argparse.ArgumentParser()
    step.arguments(parser)

    assert parser.parse_args(["-a*b", "a=1", "b=2"]).values == ["a=1", "b=2"]


def test_a_page_is_written_instead_of_text(capsys, tmp_path):
    target = tmp_path / "steps.html"

    assert printed(capsys, *DAG, "--html", str(target)) == f"wrote {target}\n"
    assert target.read_text().startswith("<!DOCTYPE html>")


def test_the_ending_of_the_file_says_how_it_is_written(capsys, tmp_path):
    for ending, begins in ((".txt", "Forward"), (".svg", "<svg"), (".html", "<!DOCTYPE html>")):
        target = tmp_path / f"steps{ending}"
        printed(capsys, *DAG, "--html", str(target))
        assert target.read_text().startswith(begins)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("steps.pdf", "writes .html .gif .svg .txt: .pdf"),
        ("steps", "no ending"),
        ("no/steps.html", "no/steps.html: no such file or directory.\n  Nothing was written."),
    ],
)
def test_a_page_that_cannot_be_written_is_told_and_nothing_is_left(capsys, tmp_path, name, says):
    assert main([*DAG, "--html", str(tmp_path / name)]) == 2

    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_page_is_opened_when_asked(capsys, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("webbrowser.open", asked.append)
    monkeypatch.chdir(tmp_path)
    printed(capsys, *DAG, "--open")

    assert asked == [(tmp_path / "steps.html").as_uri()]


def test_a_page_may_ask_and_speak_german(capsys, tmp_path):
    page = tmp_path / "steps.html"
    how = ("--html", str(page), "--quiz", "2", "--language", "de")

    assert main(["step", "(a + b) * b**3", "a=7", "b=3", *how]) == 0
    text = page.read_text(encoding="utf-8")
    assert 'id="quiz-answer"' in text
    assert '<option value="2" selected>' in text
    assert "Alle schließen" in text


def test_two_pages_have_two_names(capsys, tmp_path):
    page = str(tmp_path / "page.html")

    assert main([*DAG, "--html", page, "--choose", page]) == 2
    assert "would be written over it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_frames_go_into_no_file(capsys, tmp_path):
    (tmp_path / "frames").write_text("mine")

    assert main([*DAG, "--movie", str(tmp_path / "frames")]) == 2
    assert "wants a folder: file exists" in capsys.readouterr().err
    assert (tmp_path / "frames").read_text() == "mine"


def test_the_steps_as_json_are_those_of_the_text(capsys):
    told = json.loads(printed(capsys, *DAG, "--json"))

    assert told["gradients"] == {"a": 27.0, "b": 297.0, "c": 27.0, "d": 10.0, "e": 1.0}
    sent = [step for step in told["steps"] if step["kind"] == "backward"]
    assert [step["from"] + step["to"] for step in sent] == ["ec", "ed", "db", "ca", "cb"]
    assert [step["amount"] for step in sent] == [27.0, 10.0, 270.0, 27.0, 27.0]
    assert [step["total"] for step in sent] == [27.0, 10.0, 270.0, 27.0, 297.0]
    assert next(n for n in told["nodes"] if n["name"] == "d") == {
        "name": "d", "op": "power", "inputs": ["b", 3], "formula": "b^3", "value": 27.0,
    }  # fmt: skip


def test_numbers_that_json_has_not_are_text(capsys):
    told = json.loads(printed(capsys, "step", "log(x)", "x=0", "--json"))

    assert told["nodes"][-1]["value"] == "-inf"
    assert told["gradients"]["x"] == "inf"


@pytest.mark.parametrize("command", ["step", "draw", "check"])
def test_a_minus_is_an_expression_from_standard_input(command, capsys, monkeypatch):
    expected = printed(capsys, command, *DAG[1:])
    monkeypatch.setattr(sys, "stdin", io.StringIO(DAG[1] + "\n"))

    assert printed(capsys, command, "-", *DAG[2:]) == expected


@pytest.mark.parametrize("command", ["step", "draw", "check"])
def test_a_largest_along_an_axis_that_may_be_meant_as_the_larger_is_said(command, capsys):
    main([command, "max(x, 0) + min(x, axis=0)", "x=-3"])

    said = capsys.readouterr().err
    assert said == (
        f"clearprop {command}: max(x, 0) is the largest entry along axis 0, max(x, axis=0); "
        "the larger of both is maximum(x, 0).\n"
    )
