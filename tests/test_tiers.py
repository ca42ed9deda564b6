"""The tiers of tests: none hides a test, claims what it has not run, or outlasts its limit unnoticed."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What a test may ask for that the tier `test` does not install, and the group that has it.
ELSEWHERE = {
    "torch": "peers",
    "mpmath": "peers",
    "jax": "peers",
    "autograd": "peers",
    "playwright": "browser",
    "nbformat": "browser",
    "nbclient": "browser",
    "ipykernel": "browser",
}


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


def test_a_test_that_asks_for_a_package_is_in_a_tier_that_installs_it(tool):
    lost = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        for package in re.findall(r'importorskip\("(\w+)', path.read_text(encoding="utf-8")):
            group = ELSEWHERE.get(package)
            if group and not any(group in t.groups and below(path, t.paths) for t in tool.tiers().values()):
                lost.append((path.name, package))

    assert lost == []


def test_every_test_file_is_in_a_tier(tool):
    files = [*(ROOT / "tests").rglob("test_*.py")]
    known = tool.tiers().values()
    lost = [p for p in files if not any(below(p, t.paths) and not below(p, t.without) for t in known)]

    assert files
    assert lost == []


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
    result = tried(tool, monkeypatch, tmp_path, text, limit=2 if ended == "STOPPED" else 60)

    assert result.ended == ended
    assert result.failed


def test_products_in_a_tier_take_one_thread_unless_told_otherwise(tool, monkeypatch):
    """With two threads in each of two processes a training took four times as long."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    found = tool.surroundings()

    assert found["OPENBLAS_NUM_THREADS"] == "1"
    assert found["OMP_NUM_THREADS"] == "3"
    assert "PYTHONDONTWRITEBYTECODE" not in found


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
