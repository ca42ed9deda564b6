"""The frame in which a notebook shows a page: as it is, packed, or left out with a sentence."""

import base64
import re
import zlib

import numpy as np

import clearprop
from clearprop import Tensor
from clearprop.see.frame import MOST_IN_A_CELL, framed


def test_a_small_page_is_kept_as_it_is():
    page = '<p title="it\'s">a &amp; b</p>'

    assert "srcdoc='<p title=\"it&#39;s\">a &amp;amp; b</p>'" in framed(page, "t", 300, "too large")


def test_a_large_page_is_packed_and_a_giant_is_left_out():
    page = "<!DOCTYPE html>" + "0123456789" * 100_000
    shown = framed(page, "t", 300, "too large")
    packed = re.search(r'atob\("([^"]*)"\)', shown).group(1)

    assert len(shown) < 20_000
    assert zlib.decompress(base64.b64decode(packed)).decode() == page
    noise = np.random.default_rng(0).bytes(MOST_IN_A_CELL).hex()
    assert framed(noise, "t", 300, "too <large>") == "<p>too &lt;large&gt;</p>"


def test_a_graph_of_two_thousand_nodes_is_shown_as_the_page_that_folds():
    x = y = Tensor(np.linspace(0, 1, 5))
    for _ in range(700):
        y = np.tanh(y) + x * 1.0
    drawing, steps = clearprop.draw(y.sum()), clearprop.trace(y.sum())

    assert drawing._repr_svg_() is None
    assert repr(drawing) == "<Drawing of 2102 boxes: save('x.html') folds them>"
    for shown in (drawing._repr_html_(), steps._repr_html_()):
        assert "<iframe" in shown
        assert len(shown) < MOST_IN_A_CELL
