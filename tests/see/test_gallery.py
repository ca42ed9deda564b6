"""The pages in docs/gallery are those that `clearprop lecture graphs --html` writes today."""

import json
import re
from pathlib import Path

import pytest

from clearprop.see.gallery import index
from clearprop.see.step.steps import trace
from clearprop.typed.lecture import EXAMPLES

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"


def short(x):
    return f"{x:.9g}" if isinstance(x, float) else x


def told(page):
    """Return what a page says at each step, by each algorithm, with its numbers to nine digits."""
    story = json.loads(re.search(r'id="graph">(.*?)</script>', page, re.DOTALL)[1])
    return {
        name: [
            (s["sentence"], s["chain"], {k: short(x) for k, x in s["numbers"].items()}) for s in lane["steps"]
        ]
        for name, lane in story["lanes"].items()
    }


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_a_page_says_what_it_would_say_today(name):
    kept = told((GALLERY / f"{name}.html").read_text())
    today = told(trace(EXAMPLES[name].graph()).to_html())

    assert kept == today, "run: clearprop lecture graphs --html docs/gallery"


def test_the_index_shows_every_example():
    kept = (GALLERY / "index.html").read_text()

    assert re.findall("href=.*?<p>", index()) == re.findall("href=.*?<p>", kept)
    assert index().count("<svg") == len(EXAMPLES)
