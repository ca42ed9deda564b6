"""`clearprop check`: a table of gradients beside numerical ones, exit status 1 where they differ."""

import json

from clearprop.cli import main
from clearprop.registry import ops
from clearprop.testing import broken


def test_the_lectures_expression_agrees(capsys):
    status = main(["check", "(a + b) * b**3", "a=7", "b=3"])

    said = capsys.readouterr().out
    assert status == 0
    assert "(a + b) * b**3 = 270" in said
    assert "b                               297                      297    0.0e+00  agrees" in said
    assert "right. 2 compared, 0 skipped (2 agrees); " in said


def test_a_broken_rule_gives_status_1_and_names_the_op(capsys):
    with broken(ops["power"], 0, lambda d, *rest: 1.001 * d):
        status = main(["check", "(a + b) * b**3", "a=7", "b=3"])

    said = capsys.readouterr().out
    assert status == 1
    assert "differs" in said
    assert "power(" in said
    assert "off by +0.1 %" in said


def test_arrays_are_shown_entry_by_entry(capsys):
    assert main(["check", "mean((X @ w - y)**2)", "X=[[1,2],[3,4],[5,6]]", "w=[1,-1]", "y=[0,1,2]"]) == 0

    said = capsys.readouterr().out
    assert "w[1]              -18.6666666666667" in said
    assert "11 agrees" in said


def test_a_kink_is_shown_and_does_not_fail(capsys):
    assert main(["check", "relu(a) * b", "a=0", "b=2"]) == 0
    assert "right. 1 compared, 1 skipped (1 agrees, 1 on a kink)" in capsys.readouterr().out


def test_where_nothing_could_be_compared_the_status_is_1(capsys):
    for expression, value in (("relu(a)", "a=0"), ("log(a)", "a=-1"), ("log(a)", "a=nan")):
        assert main(["check", expression, value]) == 1
        assert "cannot tell. 0 compared, 1 skipped" in capsys.readouterr().out


def test_bad_input_exits_with_2(capsys):
    assert main(["check"]) == 2
    assert "wants something to check" in capsys.readouterr().err
    assert main(["check", "a + b", "a=1"]) == 2
    assert "there is no value for 'b'" in capsys.readouterr().err


HOMEWORK = """
class Node:
    nodes = []

    def __init__(self, value):
        self.value, self.grad = value, 0.0
        Node.nodes.append(self)

    def compute_grad(self):
        pass

    def backward(self):
        self.grad = 1.0
        for node in reversed(Node.nodes):
            node.compute_grad()


class Multiply(Node):
    def __init__(self, a, b):
        super().__init__(a.value * b.value)
        self.a, self.b = a, b

    def compute_grad(self):
        self.a.grad = self.grad * self.b.value
        self.b.grad = self.grad * self.a.value
"""


def test_a_file_of_node_classes_is_graded(tmp_path, capsys):
    (tmp_path / "homework.py").write_text(HOMEWORK)
    status = main(["check", str(tmp_path / "homework.py")])

    said = capsys.readouterr().out
    assert status == 1
    assert "Node: not graded." in said
    assert (
        "accumulation      WRONG  Multiply: with the same node as both inputs one contribution is lost"
        in said
    )


def test_a_file_that_cannot_be_graded_exits_with_2(tmp_path, capsys):
    assert main(["check", str(tmp_path / "nowhere.py")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    (tmp_path / "broken.py").write_text("1 / 0")
    assert main(["check", str(tmp_path / "broken.py")]) == 2
    assert "the file does not run: ZeroDivisionError" in capsys.readouterr().err
    (tmp_path / "empty.py").write_text("")
    assert main(["check", str(tmp_path / "empty.py")]) == 2
    assert "the file has none" in capsys.readouterr().err


def test_an_expression_may_begin_with_a_minus(capsys):
    assert main(["check", "-log(x)", "x=2"]) == 0
    assert "1 agrees" in capsys.readouterr().out


def test_a_file_of_which_nothing_can_be_graded_is_no_success(tmp_path, capsys):
    (tmp_path / "homework.py").write_text("class Mystery:\n    def backward(self):\n        pass\n")

    assert main(["check", str(tmp_path / "homework.py")]) == 1
    said = capsys.readouterr().out
    assert "Mystery: not graded. check_node(Mystery): cannot tell from its name" in said
    assert "Try check_node(Mystery, np.tanh)" in said


def test_what_was_found_of_an_expression_as_json(tmp_path, capsys):
    argv = ["check", "x * w", "x=2", "w=[1,3]", "--json"]
    path = tmp_path / "found.json"

    assert main([*argv, "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main([*argv, str(path)]) == main([*argv, str(path)]) == 0  # its own file is replaced

    assert found["verdict"] == "right"
    assert [(e["input"], e["index"], e["gradient"], e["says"]) for e in found["entries"]] == [
        ("x", [], 4.0, "agrees"), ("w", [0], 2.0, "agrees"), ("w", [1], 2.0, "agrees"),
    ]  # fmt: skip
    assert json.loads(path.read_text()) == found
    assert "right. 3 compared" in capsys.readouterr().out
