"""The manual: how Sphinx builds it from the pages of this folder and from the library itself.

`make docs` builds it into out/manual, with the course of lessons in out/manual/lessons. The reference is
written anew by each build (`docs/reference.py`), so that it describes the library that is there. Nothing is
loaded from a network, and search works offline.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE)]

import reference  # noqa: E402

import clearprop  # noqa: E402
import examples  # noqa: E402
from clearprop.lessons import course  # noqa: E402

project = "clearprop"
author = "the clearprop developers"
project_copyright = "the clearprop developers"
version = release = clearprop.__version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"clearprop {version}"
html_extra_path = ["gallery"]
html_static_path: list[str] = []
html_copy_source = html_show_sourcelink = False
html_show_search_summary = False  # it would fetch each page found, which pages on a disk cannot
master_doc = "index"
source_suffix = {".md": "markdown"}
exclude_patterns = ["README.md", "gallery/README.md", "out"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]
suppress_warnings = ["myst.header"]  # a changelog begins at the second level where it is included

REPOSITORY = "https://github.com/clearprop/clearprop/blob/main/"
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def outward(app: Any, name: str, source: list[str]) -> None:
    """Turn links that leave the manual into links to the repository: to code, to benchmarks."""
    page = Path(app.env.doc2path(name)).resolve().parent

    def link(match: re.Match[str]) -> str:
        target = (page / match[1]).resolve()
        inside = target.is_relative_to(HERE) and target.suffix in (".md", ".svg", ".png", ".gif")
        if inside and target not in (HERE / "README.md", HERE / "gallery" / "README.md"):
            return match[0]
        if target == HERE / "README.md":
            return f"]({up(page)}index.md{match[2] or ''})"
        if target.is_relative_to(ROOT):
            return f"]({REPOSITORY}{target.relative_to(ROOT)}{match[2] or ''})"
        return match[0]

    kept: list[str] = []
    text = FENCE.sub(lambda m: kept.append(m[0]) or f"\0{len(kept) - 1}\0", source[0])
    text = LINK.sub(link, text)
    source[0] = re.sub(r"\0(\d+)\0", lambda m: kept[int(m[1])], text)


def up(page: Path) -> str:
    """Return the way from a page's folder to that of the manual."""
    return "../" * len(page.relative_to(HERE).parts)


def setup(app: Any) -> None:
    """Write the reference and the examples' pages before the pages are read."""
    app.connect("builder-inited", lambda app: reference.write(HERE / "reference"))
    app.connect("builder-inited", lambda app: examples.write(HERE / "examples"))
    app.connect("source-read", outward)
    app.connect("build-finished", lessons)
    app.connect("build-finished", graphs)


def lessons(app: Any, failure: Exception | None) -> None:
    """Put the course beside the manual's pages, in both languages."""
    if failure is None:
        for language, folder in (("en", "lessons"), ("de", "lessons/de")):
            course(Path(app.outdir) / folder, language, overwrite=True)


def graphs(app: Any, failure: Exception | None) -> None:
    """Put the pages of the examples' graphs beside their pages."""
    if failure is None:
        for page in (HERE / "examples").glob("*-graph.html"):
            shutil.copy(page, Path(app.outdir) / "examples" / page.name)
