"""The homework of a class: every submission in its own process, whatever is in it, and grades in files."""

import csv
import json

import pytest

from clearprop.cli import main
from clearprop.errors import InputError
from clearprop.homework.gradebook import Gradebook, grade, submissions
from clearprop.homework.submission import Graded, Rules, Submission
from clearprop.lessons.exercises import FILES

GIVEN = FILES["tree"][1]
RIGHT = GIVEN.replace(
    "        pass\n",
    "        self.a.grad += self.grad * self.b.value\n        self.b.grad += self.grad * self.a.value\n",
)
ENDLESS = {
    "waits": "import threading\nthreading.Event().wait()\n",
    "is busy": RIGHT.replace("        self.a.grad +=", "        while True: pass\n        self.a.grad +="),
}
HOSTILE = {
    "exits": "import sys\nsys.exit(0)\n",
    "ends": "import os\nos._exit(0)\n",
    "crashes": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
    "is no Python": "def f(:\n",
    "prints": "for _ in range(100000):\n    print('x' * 80)\n" + RIGHT,
    "asks": "input('name? ')\n" + RIGHT,
    "leaves a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
    + RIGHT,
    "leaves a process": "import subprocess\nsubprocess.Popen(['sleep', '600'])\n" + RIGHT,
    "eats memory": "x = bytearray(10**13)\n",
    "is empty": "",
    "raises within": GIVEN.replace("        pass\n", "        raise SystemExit\n"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    for name, text in HOSTILE.items():
        (folder / f"{name}.py").write_text(text)
    book = grade(submissions(folder), Rules(timeout=60.0), jobs=2)
    return {s.name: s for s in book.submissions}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exits", "SystemExit: 0"),
        ("ends", "ended without grades, with status 0"),
        ("crashes", "ended without grades, by signal 11"),
        ("is no Python", "SyntaxError"),
        ("asks", "EOFError"),
        ("eats memory", "MemoryError"),
        ("is empty", "no class"),
    ],
)
def test_what_cannot_be_graded_says_why_and_stops_nobody(hostile, name, said):
    assert said in hostile[name].error
    assert hostile[name].score == 0
    assert not hostile[name].ok


def test_one_that_waits_or_keeps_a_core_busy_is_ended(tmp_path):
    for name, text in ENDLESS.items():
        (tmp_path / f"{name}.py").write_text(text)
    book = grade(submissions(tmp_path), Rules(timeout=2.0), jobs=2)

    assert {s.name for s in book.submissions} == ENDLESS.keys()
    for found in book.submissions:
        assert "did not end within 2 seconds" in found.error
        assert found.score == 0


@pytest.mark.parametrize("name", ["prints", "leaves a thread", "leaves a process"])
def test_what_is_noisy_or_untidy_is_graded(hostile, name):
    assert hostile[name].ok
    assert hostile[name].score == 1
    assert hostile[name].seconds < 600  # it waited for nothing that was left


def test_a_class_that_gives_up_has_the_points_of_what_it_can(hostile):
    assert not hostile["raises within"].ok


def test_a_folder_is_a_submission_and_its_files_know_each_other(tmp_path):
    ann = tmp_path / "class" / "ann"
    ann.mkdir(parents=True)
    (ann / "helping.py").write_text("def product(x, y):\n    return x * y\n")
    uses = RIGHT.replace("a.value * b.value, 0.0", "product(a.value, b.value), 0.0")
    (ann / "work.py").write_text("from helping import product\n\n\n" + uses)
    (ann / "__pycache__").mkdir()
    (ann / "__pycache__" / "old.py").write_text("while True: pass")
    (tmp_path / "class" / "bob.py").write_text(GIVEN)
    (tmp_path / "class" / "nobody").mkdir()
    (tmp_path / "class" / "notes.txt").write_text("-")

    found = {s.name: s for s in grade(submissions(tmp_path / "class")).submissions}

    assert list(found) == ["ann", "bob", "nobody"]
    assert found["ann"].ok
    assert 0 < found["bob"].score < 1
    assert "nudge" in found["bob"].graded[0].said
    assert found["nobody"].error == "There is no Python file."


HIDDEN = '''
def test_of_zero(student):
    """a product with 0"""

    class Leaf:
        def __init__(self, value):
            self.value, self.grad = value, 0.0

    a, b = Leaf(0.0), Leaf(5.0)
    node = student.Multiply(a, b)
    node.grad = 2.0
    node.backward()
    assert a.grad == 10.0, f"a.grad is {a.grad}"


def test_extra(student):
    assert student.helper(2) == 4


limit = 3
'''


def test_hidden_tests_are_graded_too(tmp_path):
    (tmp_path / "tests.py").write_text(HIDDEN)
    (tmp_path / "work.py").write_text(RIGHT + "\n\ndef helper(x):\n    return x + x\n")
    (tmp_path / "less.py").write_text(GIVEN)
    rules = Rules(hidden=str(tmp_path / "tests.py"))
    more, less = (grade({n: [tmp_path / f"{n}.py"]}, rules).submissions[0] for n in ("work", "less"))

    assert more.ok
    assert [g.name for g in more.graded] == ["Multiply", "a product with 0", "test_extra"]
    assert next((g.passed, g.said) for g in less.graded if g.hidden) == (0, "a.grad is 0.0")
    assert "helper" in less.graded[-1].said


def test_a_class_that_is_wanted_and_missing_counts(tmp_path):
    (tmp_path / "work.py").write_text(RIGHT)
    (found,) = grade({"work": [tmp_path / "work.py"]}, Rules(wanted=("Multiply", "Tanh"))).submissions

    assert found.score == 0.5
    assert found.graded[1].said == "There is no class Tanh."


BOOK = Gradebook(
    [
        Submission("ann", (Graded("Multiply", 5, 5, "fine"), Graded("zero", 0, 1, "secret", True)), "", 1.25),
        Submission("=cmd()", (), "+ it\nhangs", 30.0),
    ]
)


def test_the_table_of_grades_is_a_table_and_no_formula():
    rows = list(csv.reader(BOOK.to_csv().splitlines()))

    assert rows[0] == ["submission", "score", "seconds", "error", "Multiply", "zero"]
    assert rows[1] == ["ann", "0.5", "1.25", "", "1", "0"]
    assert rows[2] == ["'=cmd()", "0", "30.00", "'+ it hangs", "", ""]


def test_json_has_everything():
    told = json.loads(BOOK.to_json())["submissions"]

    assert [s["submission"] for s in told] == ["ann", "=cmd()"]
    assert told[0]["graded"][1] == {"name": "zero", "passed": 0, "of": 1, "hidden": True, "said": "secret"}


def test_gradescopes_file_keeps_what_is_hidden():
    told = json.loads(Gradebook(BOOK.submissions[:1]).to_gradescope(4.0))

    assert [(t["score"], t["max_score"], t["status"]) for t in told["tests"]] == [
        (4.0, 4.0, "passed"),
        (0.0, 4.0, "failed"),
    ]
    assert told["tests"][1]["visibility"] == "after_published"
    assert "secret" not in json.dumps(told)
    assert json.loads(Gradebook(BOOK.submissions[1:]).to_gradescope())["score"] == 0


def test_the_command_writes_all_files_and_replaces_only_its_own(tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "ann.py").write_text(RIGHT)
    names = {kind: str(tmp_path / f"grades.{kind}") for kind in ("json", "csv")}
    command = ["check", str(folder), "--json", names["json"], "--csv", names["csv"]]

    assert main(command) == 0
    assert "ann  100%  all right" in capsys.readouterr().out
    assert main(command) == 0
    (tmp_path / "grades.csv").write_text("mine")
    assert main(command) == 2
    assert main(["check", str(folder), "--csv", str(folder / "ann.py"), "--force"]) == 2
    assert main(["check", str(folder), "--gradescope", str(tmp_path / "results.json")]) == 0
    assert json.loads((tmp_path / "results.json").read_text())["tests"][0]["score"] == 10
    capsys.readouterr()
    assert main(["check", str(folder / "ann.py"), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["submissions"][0]["score"] == 1


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["(a + b)", "--csv", "x.csv"], "is for homework"),
        (["{folder}"], "there is none"),
        (["{folder}/work.py", "--hidden", "nowhere.py"], "work.py"),
        (["{folder}/notes.txt", "--csv", "-"], "is for homework"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, capsys, argv, said):
    assert main(["check", *(word.format(folder=tmp_path) for word in argv)]) == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_submissions_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is none"):
        submissions(tmp_path)


def test_halves_of_characters_stop_nobody(tmp_path, capsys):
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "ann.py").write_text("raise ValueError('\\ud800')")
    (folder / "bob.py").write_text(RIGHT)
    found = submissions(folder) | {"j\udcfcrgen": [folder / "bob.py"]}
    book = grade(found)

    assert [s.name for s in book.submissions] == ["ann", "bob", "j\\udcfcrgen"]
    assert [s.ok for s in book.submissions] == [False, True, True]
    assert r"\ud800" in book.submissions[0].error
    for told in (book.to_json(), book.to_csv(), book.text):
        told.encode()


USES = '''
def test_one(student):
    """the same words"""
    global seen
    seen = student.twice(2)
    assert seen == 4


def test_two(student):
    """the same words"""
    assert student.twice(2) == 5
'''


def test_hidden_tests_may_set_what_is_global_and_share_a_name(tmp_path):
    (tmp_path / "tests.py").write_text(USES)
    cached = "import functools\n\n\n@functools.lru_cache\ndef twice(x):\n    return 2 * x\n"
    (tmp_path / "work.py").write_text(cached)
    book = grade({"work": [tmp_path / "work.py"]}, Rules(hidden=str(tmp_path / "tests.py")))

    assert [(g.name, g.passed) for g in book.submissions[0].graded] == [
        ("the same words", 1),
        ("the same words", 0),
    ]
    head, row = csv.reader(book.to_csv().splitlines())
    assert head[4:] == ["the same words", "the same words (2)"]
    assert row[4:] == ["1", "0"]


def test_hidden_tests_that_do_not_run_are_no_students_fault(tmp_path, capsys):
    (tmp_path / "work.py").write_text(RIGHT)
    (tmp_path / "tests.py").write_text("import nothing_of_that_name\n")
    results = tmp_path / "results.json"
    command = ["check", str(tmp_path), "--hidden", str(tmp_path / "tests.py"), "--gradescope", str(results)]

    assert main(command) == 2
    assert "wants tests that run: ModuleNotFoundError" in capsys.readouterr().err
    assert not results.exists()


def test_the_file_of_hidden_tests_is_no_submission_and_what_is_left_out_is_named(tmp_path, capsys):
    (tmp_path / "work.py").write_text(RIGHT + "\n\ndef helper(x):\n    return 2 * x\n")
    (tmp_path / "tests.py").write_text(HIDDEN)
    (tmp_path / "ann.ipynb").write_text("{}")

    assert main(["check", str(tmp_path), "--hidden", str(tmp_path / "tests.py")]) == 0
    said = capsys.readouterr()
    assert said.out == "work  100%  all right\n"
    assert "not graded, for they are no Python files: ann.ipynb" in said.err


def test_what_could_not_be_written_is_refused_before_a_class_is_graded(tmp_path, capsys, monkeypatch):
    (tmp_path / "work.py").write_text(RIGHT)
    (tmp_path / "grades.csv").write_text("mine")
    monkeypatch.setattr("clearprop.homework.gradebook.grade", lambda *_: pytest.fail("it was graded"))

    assert main(["check", str(tmp_path), "--csv", str(tmp_path / "grades.csv")]) == 2
    assert "another file of that name" in capsys.readouterr().err
    assert main(["check", str(tmp_path), "--csv", "-", "--json", "-"]) == 2
    assert "only one of them can be printed" in capsys.readouterr().err


def test_no_students_file_is_written_over(tmp_path, capsys):
    for name in ("ann", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "work.py").write_text(RIGHT)
    for name in ("ann", "bob"):
        assert main(["check", str(tmp_path), "--csv", str(tmp_path / name / "work.py"), "--force"]) == 2
        assert "would be written over it" in capsys.readouterr().err
        assert (tmp_path / name / "work.py").read_text() == RIGHT
