"""The manual, built as `make docs` leaves it in out/manual: whole, linked, light, without a network."""

import fcntl
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import clearprop

pytest.importorskip("sphinx")
pytest.importorskip("furo")
pytest.importorskip("myst_parser")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "out" / "manual"
HEAVIEST = 1_500_000  # bytes of a page, its pictures apart: the layers' reference is the largest


class Page(HTMLParser):
    """The anchors, links, pictures and loaded files of one page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.pictures, self.loads = set(), [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids |= {given.get("id"), given.get("name")} - {None}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "img":
            self.pictures.append(given)
        if tag in ("img", "script", "iframe") or (
            tag == "link" and given.get("rel") in ("stylesheet", "icon")
        ):
            self.loads.append(given.get("src") or given.get("href") or "")


def build():
    command = (sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-q", "-b", "html")
    built = subprocess.run([*command, ROOT / "docs", SITE], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-4000:]


@pytest.fixture(scope="module")
def pages():
    """The pages, built by one process: a build takes away what another one is about to read."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    SITE.parent.mkdir(parents=True, exist_ok=True)
    with (SITE.parent / "manual.built").open("a+") as stamp:
        fcntl.flock(stamp, fcntl.LOCK_EX)  # until it is closed
        stamp.seek(0)
        if stamp.read() != run:
            build()
            stamp.truncate(0)
            stamp.write(run)
    gallery = {path.name for path in (ROOT / "docs" / "gallery").glob("*.html")}
    return {path: Page(path) for path in SITE.rglob("*.html") if path.name not in gallery - {"index.html"}}


def test_every_link_inside_the_manual_leads_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            if re.match(r"\w+:", target):
                continue
            found = (path.parent / unquote(target)).resolve() if target else path
            if not found.exists() or (anchor and found in pages and anchor not in pages[found].ids):
                lost.append(f"{path.relative_to(SITE)}: {link}")
    assert lost == []


def test_nothing_is_loaded_from_a_network(pages):
    found = [x for page in pages.values() for x in page.loads if re.match(r"(https?:)?//", x)]
    assert found == []


def test_pictures_have_words_and_pages_are_light(pages):
    dumb = [p for page in pages.values() for p in page.pictures if not p.get("alt")]
    assert dumb == []
    heavy = {path.name: path.stat().st_size for path in pages if path.stat().st_size > HEAVIEST}
    assert heavy == {}


def test_the_reference_has_every_public_name(pages):
    anchors = set().union(*(page.ids for path, page in pages.items() if path.parent.name == "reference"))
    table = (SITE / "reference" / "ops.html").read_text(encoding="utf-8")
    for name in clearprop.__all__:
        thing = getattr(clearprop, name)
        if isinstance(thing, clearprop.Op):
            assert re.search(rf"\b{name}\(", table), name
        elif not isinstance(thing, type(clearprop)):
            assert f"clearprop-{name}".lower().replace("_", "-") in anchors, name
    for space, page in ((clearprop.nn, "nn"), (clearprop.optim, "optim")):
        text = (SITE / "reference" / f"{page}.html").read_text(encoding="utf-8")
        lost = [n for n in space.__all__ if isinstance(getattr(space, n), type) and f">{n}<" not in text]
        assert lost == []


def test_the_search_finds_words_without_a_server(pages):
    index = (SITE / "searchindex.js").read_text(encoding="utf-8")
    assert "softmax" in index
    assert index.startswith("Search.setIndex(")


def test_every_example_has_a_page_with_the_graph_of_its_first_loss(pages):
    scripts = sorted((ROOT / "examples").glob("*.py"))
    assert len(scripts) >= 19
    listed = pages[SITE / "examples" / "index.html"].links
    for script in scripts:
        shown = (SITE / "examples" / f"{script.stem}.html").read_text(encoding="utf-8")
        graph = SITE / "examples" / f"{script.stem}-graph.html"

        assert f"{script.stem}.html" in listed
        assert graph.exists() or "There is no drawing: No module named" in shown, script.name
        if graph.exists():
            assert f'href="{graph.name}"' in shown
            assert '"application/json"' in graph.read_text(encoding="utf-8")
