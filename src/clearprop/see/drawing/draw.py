"""`draw`: a picture of any graph, shown in notebooks and terminals, saved as SVG, PNG, HTML or text."""

from __future__ import annotations

import base64
import importlib
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from clearprop import marks
from clearprop.errors import lesson
from clearprop.files import whole_file
from clearprop.graph import topological_order
from clearprop.see.algebra.labels import must_be_a_tensor
from clearprop.see.drawing.arrange import Placement, layout
from clearprop.see.drawing.folding import COMFORTABLE, folds
from clearprop.see.drawing.svg import svg
from clearprop.see.drawing.text import text
from clearprop.see.frame import framed
from clearprop.see.names import alike, callers_frame, find, model_name, model_of
from clearprop.see.words import DRAWING, spoken
from clearprop.tensor import Tensor

_FORMATS = (".svg", ".png", ".html", ".txt")
_AT_ONCE = 300  # nodes, up to which a graph is laid out when it is drawn
_MOST_IN_TERMINAL = 60  # boxes that `repr` shows


class Drawing:
    """A graph that has been laid out; see `draw`.

    A notebook shows it as a picture, a terminal as text; `save` writes it to a file and `layout` holds the
    places.

    >>> from clearprop import Tensor, draw
    >>> picture = draw(Tensor(2.0, name="a") * Tensor(3.0, name="b"))
    >>> picture.to_svg().startswith("<svg")
    True
    """

    def __init__(
        self,
        layout: Placement | Callable[[], Placement],
        title: str = "",
        to_html: Callable[[], str] | None = None,
        nodes: int = 0,
        language: str = "en",
    ) -> None:
        self._layout = layout
        self._nodes = nodes  # of a graph that nothing folds: its picture would have as many boxes
        self.language = language
        self.title: str = title or DRAWING[language]["graph"]
        self._to_html = to_html

    @property
    def layout(self) -> Placement:
        """The places of boxes and arrows; those of a large graph are found when they are first asked for."""
        if not isinstance(self._layout, Placement):
            self._layout = self._layout()
        return self._layout

    def to_svg(self, theme: str = "auto") -> str:
        """Return the drawing as one SVG element; `theme` is `auto` (the reader's system), `light` or
        `dark`.
        """
        return svg(self.layout, theme=theme, title=self.title)

    def to_text(self, width: int | None = None, *, colour: bool = False, ascii: bool = False) -> str:
        """Return the drawing in characters: boxes where `width` columns suffice, else a list with rails.

        `colour` adds the terminal's colours, `ascii` keeps to characters that every terminal has.
        """
        return text(self.layout, width, colour=colour, ascii=ascii)

    def to_html(self) -> str:
        """Return one page that needs no network: the whole graph, folded as the drawing is, in which the
        reader opens modules in place, zooms, searches, and follows arrows.
        """
        if self._to_html is None:
            raise ValueError(lesson("to_html()", "wants the drawing of a graph", hint="draw(t).to_html()"))
        return self._to_html()

    def to_png(self, scale: float = 2.0, theme: str = "light") -> bytes:
        """Return the drawing as a PNG image (needs the extra `clearprop[png]`)."""
        return png(svg(self.layout, theme=theme, title=self.title), scale, "draw(...).to_png()")

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> Path:
        """Write the drawing to a file whose ending says how: .svg, .png, .html or .txt. Return the path.

        The file appears complete or not at all. Raises InputError, without `overwrite`, where there is a file
        that clearprop did not write.
        """
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in _FORMATS:
            raise ValueError(
                lesson(
                    f"save({str(path)!r})", f"writes {' '.join(_FORMATS)}", f"{kind or 'no ending'}",
                    hint=f"save({str(path.with_suffix('.svg'))!r})",
                )
            )  # fmt: skip
        if kind == ".png":
            content = self.to_png()
        elif kind == ".svg":
            content = (self.to_svg() + "\n").encode()
        elif kind == ".html":
            content = self.to_html().encode()
        else:
            content = (self.to_text(width=10_000) + "\n").encode()
        write(path, content, overwrite)
        return path

    @property
    def _large(self) -> bool:
        """Whether there are too many boxes for one picture, so that a notebook shows the page that folds."""
        if self._to_html is None:
            return False
        return self._nodes > _AT_ONCE or len(self.layout.boxes) > _AT_ONCE

    def _repr_svg_(self) -> str | None:
        return None if self._large else self.to_svg()

    def _repr_html_(self) -> str:
        if self._large:
            instead = f"{self!r} is too large for a notebook as a page too."
            return framed(self.to_html(), self.title, 640, instead, self.language)
        drawn = svg(self.layout, title=self.title)
        kept = base64.b64encode(drawn.encode()).decode()  # an image is shown also where markup is not trusted
        image = f'<img src="data:image/svg+xml;base64,{kept}" alt="{escape(self.title)}" '
        return f'<div style="overflow-x:auto">{image}style="max-width:none"></div>'

    def __repr__(self) -> str:
        if self._large:
            return f"<Drawing of {self._nodes or len(self.layout.boxes)} boxes: save('x.html') folds them>"
        if len(self.layout.boxes) > _MOST_IN_TERMINAL:
            return (
                f"<Drawing of {len(self.layout.boxes)} boxes, {len(self.layout.edges)} arrows: save('x.svg')>"
            )
        return self.to_text()


def write(path: Path, content: bytes, overwrite: bool = True) -> None:
    """Write a file that appears complete or not at all, and without `overwrite` replaces only its like."""
    with whole_file(path, ours=None if overwrite else marks.BY_ENDING[path.suffix.lower()]) as file:
        file.write(content)


def png(drawn: str, scale: float, called: str) -> bytes:
    """Return an SVG as a PNG image; raises ImportError, which names what was `called`, without cairosvg."""
    try:
        cairosvg = importlib.import_module("cairosvg")  # by name: type checks do not depend on it
    except (ImportError, OSError) as error:  # OSError: the package is there, the library cairo is not
        there = isinstance(error, OSError)
        wanted = "wants a converter from SVG to PNG"
        got = "cairosvg finds no library cairo" if there else "cairosvg is not installed"
        cure = "apt install libcairo2" if there else "pip install 'clearprop[png]'"
        hint = f"{cure}, or save('graph.svg'), which needs nothing"
        raise ImportError(lesson(called, wanted, got, hint=hint)) from error
    return _signed(bytes(cairosvg.svg2png(drawn.encode(), scale=scale)))


def _signed(image: bytes) -> bytes:
    """Return a PNG image with the text `Software: clearprop` behind its first chunk."""
    first, text = 33, b"tEXtSoftware\0clearprop"  # the signature has 8 bytes, the first chunk 25
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    return image[:first] + chunk + image[first:]


def draw(
    t: Tensor,
    model: Any = None,
    *,
    depth: int | None = None,
    expand: Iterable[str] | str = (),
    names: Mapping[Any, Any] | None = None,
    inputs: str = "auto",
    title: str = "",
    language: str = "en",
) -> Drawing:
    """Draw the graph that led to `t`: a box per node with its value and gradient, an arrow per input.

    Inputs are blue and stand at the left, intermediate results red, the output yellow; numbers appear in
    the box of the op that uses them and arrays with their shape and a small picture. After `t.backward()`
    the gradients are shown, with the sum where several arrows leave a number: `grad=270+27=297`.

    Names come from `names` (`{"w": tensor}`), from the paths of a model's parameters, from the Tensors
    themselves and from the caller's variables. With a `model` (found among the variables if the graph is
    large) its modules are folded into one box each: `depth` says how many levels are open (chosen by size
    if left out), `expand` names modules to open besides (`"encoder.0"`, or `"all"`). `inputs` is `"left"`
    (all leaves in the first column), `"near"` (next to their users) or `"auto"`. The words of the page and
    the heads of boxes are English, or German with `language="de"`.

    >>> a, b = Tensor(7.0), Tensor(3.0)
    >>> e = (a + b) * b**3
    >>> e.backward()
    >>> draw(e)
    ╭ a ──────────────╮    ┌ Add ──────────┐
    │ value=7         │───▶│ value=10      │─╮
    │ grad=27         │ ╭─▶│ grad=27       │ │  ╔ Multiply e ═╗
    ╰─────────────────╯ │  └───────────────┘ ╰─▶║ value=270   ║
                        │                    ╭─▶║ grad=1      ║
    ╭ b ──────────────╮ │  ┌ Power b ** 3 ─┐ │  ╚═════════════╝
    │ value=3         │─┴─▶│ value=27      │─╯
    │ grad=270+27=297 │    │ grad=10       │
    ╰─────────────────╯    └───────────────┘
    """
    spoken(DRAWING, language, "draw")
    must_be_a_tensor("draw", t, "draw(model(x), model)" if hasattr(t, "named_parameters") else "")
    frame = callers_frame()
    order = topological_order(t)
    if model is None and len(order) > COMFORTABLE:
        model = model_of(order, frame)
    found = find(names, model, frame)
    found |= alike(order, found, frame, language)
    prefix = model_name(model, frame) if model is not None else ""
    del frame
    folded = folds(order, model, depth, expand, prefix) if model is not None else ()

    def to_html() -> str:
        from clearprop.see.page.page import Opening, page

        opening = Opening(depth, (expand,) if isinstance(expand, str) else tuple(expand))
        return page(t, model, prefix, found, title, opening, inputs, language)

    def placed() -> Placement:
        return layout(t, names=found, folds=folded, inputs=inputs, language=language)

    at_once = len(order) <= _AT_ONCE
    made = placed() if at_once else placed
    return Drawing(made, title, to_html, 0 if folded else len(order), language)
