"""The tiers of tests: none hides a test, claims what it has not run, or outlasts its limit unnoticed."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.conftest import drawn, not_in_turn, pytest_runtest_makereport
from tests.elsewhere import ELSEWHERE, asked, asking

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("tier_tool", ROOT / "tools" / "tier.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["tier_tool"] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["tier_tool"]


def below(path, folders):
    return any(path == ROOT / folder or ROOT / folder in path.parents for folder in folders)


def installed(tier):
    """The names of what pip installs for a tier."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["optional-dependencies"][extra] for extra in tier.extras]
    lists += [project["dependency-groups"][group] for group in tier.groups]
    return {re.match(r"[\w.-]+", one)[0] for some in lists for one in some}


def test_a_test_that_asks_for_packages_is_in_a_tier_that_installs_them(tool):
    known = tool.tiers().values()
    has = {tier.name: installed(tier) for tier in known}
    lost = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        within = [
            has[t.name] for t in known if below(path, [*t.paths, *t.asking]) and not below(path, t.without)
        ]
        for name in asking(path):
            wanted = {ELSEWHERE[package] for package in asked(path, name)}
            if not any(wanted <= some for some in within):
                lost.append((path.name, name, wanted))

    assert lost == []


def test_every_test_file_is_in_a_tier_that_runs_the_whole_of_it(tool):
    files = [*(ROOT / "tests").rglob("test_*.py")]
    known = tool.tiers().values()
    lost = [p for p in files if not any(below(p, t.paths) and not below(p, t.without) for t in known)]

    assert files
    assert lost == []


ASKS = """
import pytest
from somewhere import given

@pytest.fixture
def peer():
    return pytest.importorskip("torch.nn")

def helper():
    return pytest.importorskip("mpmath")

def between():
    return helper()

def test_alone(): pass
def test_by_a_fixture(peer): pass
def test_by_a_helper(): assert between()
@pytest.mark.parametrize("kind", ["pandas", "numpy"])
def test_by_a_parameter(kind): pytest.importorskip(kind)
def test_of_what_is_always_there(): pytest.importorskip("scipy")
@given(lambda: 1)
def test_adorned():
    if peer:
        pytest.importorskip("jax")
class TestMany:
    def test_within(self, peer): pass
"""


def test_what_a_test_asks_for_is_read_from_its_text(tmp_path):
    path = tmp_path / "test_asks.py"
    path.write_text(ASKS)
    (tmp_path / "test_head.py").write_text('import pytest\npytest.importorskip("torch")\ndef test(): 1')
    found = {name: asked(path, name) for name in asking(path) if name.startswith("test")}

    assert found == {
        "test_alone": set(),
        "test_by_a_fixture": {"torch"},
        "test_by_a_helper": {"mpmath"},
        "test_by_a_parameter": {"pandas"},
        "test_of_what_is_always_there": set(),
        "test_adorned": {"jax", "torch"},
        "test_within": {"torch"},
    }
    assert asked(tmp_path / "test_head.py", "test") == {"torch"}
    pages = ROOT / "tests" / "see" / "page" / "test_page.py"
    assert asked(pages, "test_nan_is_marked") == {"playwright"}  # by a fixture of the folder above


def collected(path, *options):
    """The tests of a file that are run with each of these lists of options, by one process."""
    code = f"""
import pytest
for more in {options!r}:
    pytest.main(["--collect-only", "-p", "no:cacheprovider", {path!r}, *more])
    print("the next")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    parts = done.stdout.split("the next")[: len(options)]
    return [{line for line in part.splitlines() if "::" in line} for part in parts]


def test_below_such_a_path_only_what_asks_is_run():
    """And nothing is left out elsewhere."""
    options = [], ["--asking=tests/nn"], ["--asking=tests/ops"]
    everything, some, elsewhere = collected("tests/nn/test_init.py", *options)

    assert some
    assert some < everything
    path = ROOT / "tests" / "nn" / "test_init.py"
    for line in everything:
        name = line.partition("::")[2].partition("[")[0]
        assert (line in some) == bool(asked(path, name))
    assert elsewhere == everything


def test_what_waits_for_its_turn_is_run_by_another_tier(tool):
    """And by none as a whole, where it would be left out."""
    files = {*(ROOT / "tests").rglob("test_*.py")} - {Path(__file__).resolve()}
    marked = [
        p for p in files if re.search(r"mark\.by_turns\(|mark\.at_length|sharing import", p.read_text())
    ]
    known = tool.tiers().values()

    assert marked
    for path in marked:  # those of a tier that runs the whole of them wait for nobody
        assert any(below(path, t.turns) or (t.whole and below(path, t.paths)) for t in known), path
    assert [t.name for t in known for path in t.turns if below(ROOT / path, t.paths)] == []


@pytest.mark.parametrize(
    ("path", "package"),
    [("tests/compiler/proof/test_sums.py", "llvmlite"), ("tests/ops/test_margins.py", "numpy")],
)  # one whose cases take turns, where there are two executors, and one that has cases at length
def test_what_is_run_and_what_waits_are_all_cases(path, package):
    pytest.importorskip(package, reason="with one executor there are no turns")
    options = [], [f"--other-turns={path}"], ["--other-turns=tests/nn"], ["--all-turns"]
    ours, others, elsewhere, everything = collected(path, *options)

    assert ours
    assert others
    assert ours == elsewhere
    assert not ours & others
    assert ours | others == everything


def test_each_case_has_one_value_in_turn_where_there_are_many_cases():
    """And each value its share of them; eager mode, few cases, and what asks for a package stay whole."""

    def items(cases, turns, path=ROOT / "tests" / "test_orders.py"):
        mark = SimpleNamespace(args=("executor",))
        return [
            SimpleNamespace(
                path=path, originalname="test_a", get_closest_marker=lambda name: mark, where=(case, turn),
                callspec=SimpleNamespace(params={"case": case, "executor": turn}),
            )
            for case in cases for turn in turns
        ]  # fmt: skip

    every = items("abcdefgh", ["", "numpy", "llvm"])
    gone = {item.where for item in not_in_turn(every)}
    kept = [item.where for item in every if item.where not in gone]

    assert sorted(case for case, turn in kept if turn) == [*"abcdefgh"]
    assert {turn: sum(t == turn for _, t in kept) for turn in ("", "numpy", "llvm")} == {
        "": 8,
        "numpy": 4,
        "llvm": 4,
    }
    assert not_in_turn(items("abc", ["numpy", "llvm"])) == []
    assert not_in_turn(items("abcdefgh", ["llvm"])) == []
    peers = ROOT / "tests" / "interop" / "onnx" / "test_fused.py"  # another tier runs them, without turns
    assert not_in_turn(items("abcdefgh", ["numpy", "llvm"], peers)) == []


def test_a_share_of_the_tests_is_drawn_by_a_word_and_the_same_in_every_process():
    items = [SimpleNamespace(nodeid=f"tests/test_one.py::test_a[{number}]") for number in range(2_000)]
    some = [item.nodeid for item in items if drawn(item, 0.3, "a commit")]
    more = [item.nodeid for item in items if drawn(item, 0.6, "a commit")]
    other = [item.nodeid for item in items if drawn(item, 0.3, "another")]

    assert 500 < len(some) < 700
    assert set(some) < set(more)
    assert 100 < len({*some} & {*other}) < 260  # as two draws that know nothing of each other
    assert all(drawn(item, 1.0, "a commit") for item in items)


def test_tiers_that_would_end_late_run_a_share_of_their_tests_and_say_so(tool, monkeypatch):
    clock, told = [0.0], []

    def run(tier, arguments):
        told.append(arguments)
        clock[0] += 4 * tier.limit * float(arguments[0].partition("=")[2]) if arguments else 0
        return tool.Result(tier, "passed")

    monkeypatch.setattr(tool.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(tool, "run", run)
    tiers = [tool.Tier("one", 100, ""), tool.Tier("two", 300, "")]
    first, second = tool.in_turn(tiers, [], tool.Deadline(1_000, pace=3.0, began=0.0))

    assert first.share == pytest.approx(1_000 / 1_200)
    pace = (100 * 3 + 4 * 83) / (100 + 83)  # between what was said and that of the first
    assert second.share == pytest.approx((1_000 - 4 * 83) / (300 * pace), abs=0.01)
    assert 1_000 < clock[0] < 1_150  # a third tier would have had less
    assert [words[0] for words in told] == ["--share=0.83", f"--share={second.share:.2f}"]
    assert "Drawn: 83% of its tests." in first.closing()
    (whole,) = tool.in_turn(tiers[:1], [], tool.Deadline(float("inf"), pace=3.0, began=clock[0]))
    assert (whole.share, told[-1]) == (1.0, [])
    assert "Drawn" not in whole.closing()


@pytest.mark.parametrize(
    "text", ["def test_a(): ask()", "import pytest\ndef test_a(): pytest.importorskip('jax')"]
)
def test_one_that_asks_unseen_fails_where_it_would_be_skipped(tmp_path, text):
    (tmp_path / "test_one.py").write_text(text)
    item = SimpleNamespace(path=tmp_path / "test_one.py", name="test_a[1]", originalname="test_a")
    report = SimpleNamespace(
        skipped=True, outcome="skipped", longrepr=("", 1, "Skipped: could not import 'jax': No")
    )
    around = pytest_runtest_makereport(item)
    next(around)
    with pytest.raises(StopIteration) as ended:
        around.send(report)

    assert ended.value.value is report
    assert report.outcome == ("skipped" if "importorskip" in text else "failed")
    assert ("does not see that it asks for jax" in report.longrepr) == (report.outcome == "failed")


def test_all_tiers_together_are_within_the_forty_minutes_of_ci(tool):
    assert sum(tier.limit for tier in tool.tiers().values()) <= 2400


def test_each_tier_is_a_target_of_make_and_stands_in_contributing(tool):
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.search(r"^TIERS := (.*)$", make, re.MULTILINE)[1].split()

    assert sorted([*targets, "test"]) == sorted(tool.tiers())
    assert [name for name in tool.tiers() if f"make {name} " not in page] == []


def test_a_tier_without_a_test_says_so_and_installs_nothing(tool, monkeypatch):
    monkeypatch.setattr(tool, "environment", None)  # would be called
    result = tool.run(tool.Tier("tomorrow", 10, "to come", ["tests/none"]))

    assert result.closing() == "tomorrow: no test yet, nothing was run (tests/none: to come)."
    assert not result.failed


def tried(tool, monkeypatch, tmp_path, text, limit=60):
    """Run a tier of one file under this Python, as if it lay in a checkout of its own."""
    (tmp_path / "test_one.py").write_text(text)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "environment", lambda tier: sys.executable)
    monkeypatch.setenv("CLEARPROP_WORKERS", "0")
    monkeypatch.setenv("CLEARPROP_PATIENCE", "1")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin")  # which knows -n; others take half a second
    return tool.run(tool.Tier("one", limit, "a file", ["test_one.py"]))


def test_the_closing_line_says_what_was_skipped_and_why(tool, monkeypatch, tmp_path):
    text = """
import pytest
def test_a(): pass
def test_b(): pytest.importorskip("nothing_of_that_name")
def test_c(): pytest.skip("no browser here")
"""
    result = tried(tool, monkeypatch, tmp_path, text)

    assert not result.failed
    assert re.fullmatch(
        r"one passed: 1 passed, 0 failed, 2 skipped in \d+ s \(limit of 60 s\)\. "
        r"Skipped: 1 could not import 'nothing_of_that_name'; 1 no browser here\.",
        result.closing(),
    )


def test_a_tier_that_is_stopped_says_what_had_run(tool, monkeypatch, tmp_path):
    class Impatient(subprocess.Popen):
        def wait(self, timeout=None):
            if timeout != 60:
                return super().wait()  # on a busy machine, too, what was interrupted has time to report
            while not (tmp_path / "begun").exists():
                time.sleep(0.05)
            raise subprocess.TimeoutExpired("pytest", timeout)

    monkeypatch.setattr(tool.subprocess, "Popen", Impatient)
    text = f"""
import pathlib, time
def test_a(): pass
def test_b(): pathlib.Path({str(tmp_path / "begun")!r}).touch(); time.sleep(600)
"""
    result = tried(tool, monkeypatch, tmp_path, text)

    assert (result.ended, result.failed) == ("STOPPED", True)
    assert result.counts["passed"] in (1, 2)  # in one process, pytest writes down the one that it was in too
    assert result.closing().startswith("one STOPPED: ")


def test_a_tier_in_the_background_of_a_shell_can_be_interrupted_too(tool):
    asks = "import signal; raise SystemExit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = tool.until([sys.executable, "-c", asks], 60)
    finally:
        signal.signal(signal.SIGINT, before)

    assert status == 0


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("def test_a(): assert False", "FAILED"),
        ("import pytest\ndef test_a(): pytest.skip('all of it')", "FAILED"),
        ("", "FAILED"),
        ("nothing = 1 / 0", "FAILED"),
        ("import time\ndef test_a(): time.sleep(60)", "STOPPED"),
    ],
    ids=["a failure", "all skipped", "empty", "cannot be read", "too long"],
)
def test_what_does_not_pass_is_not_called_passed(tool, monkeypatch, tmp_path, text, ended):
    result = tried(tool, monkeypatch, tmp_path, text, limit=1 if ended == "STOPPED" else 60)

    assert result.ended == ended
    assert result.failed


def test_tiers_that_ask_for_the_same_packages_have_one_environment(tool, monkeypatch, tmp_path):
    """To make one took half a minute, and three tiers asked for the same."""
    made = []
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")

    def run(command, **told):
        made.append(command[3])
        Path(command[3]).mkdir(parents=True)

    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool.subprocess, "run", run)
    known = tool.tiers()
    folders = {name: tool.environment(tier).parents[1].name for name, tier in known.items()}

    assert folders["test"] == folders["test-compiler"] == folders["examples"] == "test"
    assert folders["parity"] == folders["test-engines"] == "parity"
    assert folders["test-estimators"] == folders["test-pages"]
    assert sorted(made) == sorted({str(tmp_path / ".venv" / folder) for folder in folders.values()})
    for name, folder in folders.items():
        assert installed(known[name]) == installed(known[folder])
    (tmp_path / "pyproject.toml").write_text(text.replace('"hypothesis>=6.100"', '"hypothesis>=6.101"'))
    monkeypatch.setattr(tool.subprocess, "run", lambda command, **told: made.append("again"))
    tool.environment(known["examples"])

    assert made[-1] == "again"


def test_products_in_a_tier_take_one_thread_unless_told_otherwise(tool, monkeypatch):
    """With two threads in each of two processes a training took four times as long."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    found = tool.surroundings()

    assert found["OPENBLAS_NUM_THREADS"] == "1"
    assert found["OMP_NUM_THREADS"] == "3"
    assert "PYTHONDONTWRITEBYTECODE" not in found


def test_temporary_files_lie_in_memory_where_it_has_room_and_runs_programs(tool, monkeypatch, tmp_path):
    found = SimpleNamespace(f_bavail=2**20, f_frsize=4096, f_flag=0)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tool, "MEMORY", tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(tool.os, "statvfs", lambda path: found)
        assert tool.scratch() == str(tmp_path)
        found.f_flag = os.ST_NOEXEC
        assert tool.scratch() is None
        found.f_flag, found.f_bavail = 0, 1000
        assert tool.scratch() is None
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what somebody has said is done
    assert tool.scratch() is None
    (tmp_path / "said.py").write_text("import os; open('said.txt', 'w').write(os.environ['TMPDIR'])")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    assert tool.until([sys.executable, "said.py"], 60) == 0
    folder = Path((tmp_path / "said.txt").read_text())
    assert folder.parent == Path(tempfile.gettempdir())
    assert not folder.exists()


def test_packages_that_cannot_be_had_are_said_and_fail_where_they_are_needed(tool, monkeypatch, tmp_path):
    def refused(tier):
        raise tool.subprocess.CalledProcessError(1, "pip")

    (tmp_path / "test_one.py").write_text("")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "environment", refused)
    needed = tool.run(tool.Tier("one", 9, "", ["test_one.py"]))
    optional = tool.run(tool.Tier("one", 9, "", ["test_one.py"], extras=["fast"], optional=True))

    assert needed.failed
    assert not optional.failed
    assert (
        optional.closing() == "one: not run, its packages could not be installed (-e .[fast] --group test)."
    )


def test_what_is_installed_is_written_in_the_project(tool):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for tier in tool.tiers().values():
        assert set(tier.extras) <= set(project["project"]["optional-dependencies"])
        assert set(tier.groups) <= set(project["dependency-groups"])
