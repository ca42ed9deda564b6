"""The documents: every block of Python runs and prints what its comments say, and every page is reachable."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from clearprop.cli import main

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = {ROOT / "docs" / name for name in ("reference", "examples")}  # by the manual's build
FOUND = (page for page in (ROOT / "docs").rglob("*.md") if WRITTEN.isdisjoint(page.parents))
PAGES = sorted([*ROOT.glob("*.md"), *FOUND])
RUN = [
    page for page in PAGES if "```python" in page.read_text(encoding="utf-8") and page.parent.name != "why"
]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMISE = re.compile(r"^print\(.*\)  # (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run_from_top_to_bottom(page, tmp_path):
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    script = tmp_path / f"{page.stem}.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert blocks
    assert done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())
    for promise in PROMISE.findall("\n".join(blocks)):
        assert promise in lines, f"{page.name} promises {promise!r}; printed was\n{done.stdout}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "/".join(page.parts[-2:]))
def test_the_files_that_a_page_points_at_exist(page):
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


SHOWN = re.compile(r"^```\n\$ (clearprop .*)\n```\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TOLD = [(page, *shown) for page in PAGES for shown in SHOWN.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "line", "printed"), TOLD, ids=lambda told: str(told)[-40:])
def test_a_command_prints_what_the_page_shows(page, line, printed, capsys):
    assert main(shlex.split(line)[1:]) in (0, None)
    assert capsys.readouterr().out == printed


def test_the_readme_shows_what_a_command_prints():
    assert ROOT / "README.md" in [page for page, *_ in TOLD]


def test_every_page_is_reached_from_the_readme():
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in found:
            found.add(page)
            targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
            waiting += [(page.parent / target).resolve() for target in targets]

    pages = {*PAGES, *(ROOT / "src").rglob("*.md"), *ROOT.glob("*.md")}
    lost = sorted(str(page.relative_to(ROOT)) for page in pages - found)
    assert lost == [], "docs/README.md is the index: a new page is a line there"


def test_each_decision_has_one_line_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    decisions = sorted(page.name for page in (ROOT / "docs/why").glob("*.md"))

    assert sorted(re.findall(r"\]\(why/([^)]+)\)", index)) == decisions


ROOMS = sorted((ROOT / "src").rglob("README.md"))


@pytest.mark.parametrize("page", ROOMS, ids=lambda page: page.parent.name)
def test_the_page_of_a_room_names_its_files_and_none_that_is_nowhere(page):
    names = re.findall(r"`([\w/]+\.py)`", page.read_text(encoding="utf-8"))
    named = {name.rpartition("/")[2] for name in names}
    below = [path.parent for path in ROOMS if path != page and path.is_relative_to(page.parent)]
    files = [f for f in page.parent.rglob("*.py") if not any(f.is_relative_to(room) for room in below)]
    here = {path.name for path in files} - {"__init__.py"}
    there = [
        f"/{path}" for folder in ("src", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
    ]

    assert here - named == set()
    assert [name for name in names if not any(path.endswith(f"/{name}") for path in there)] == []


TOP = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile"),
    *(
        "README.md",
        "SECURITY.md",
        "benchmarks",
        "docs",
        "examples",
        "pyproject.toml",
        "src",
        "tests",
        "tools",
    ),
}


def test_nothing_lies_at_the_top_but_what_is_known():
    """What a command wrote on the way is not kept: a model, a report, curves."""
    listed = subprocess.run(("git", "ls-files", "-z"), capture_output=True, cwd=ROOT, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout of git")
    kept = {name.split("/")[0] for name in listed.stdout.split("\0") if name}
    assert kept == TOP
