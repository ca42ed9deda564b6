"""A lesson as one page: its text, its graph live, what it alone has, a quiz, an exercise; no network."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from clearprop.lessons.doctors import told_by
from clearprop.lessons.exercises import FILES
from clearprop.lessons.graphs import SOURCES, last, names, output
from clearprop.lessons.texts import ALGORITHMS, ORDER, Teaching, inline
from clearprop.lessons.troubles import TROUBLES, compared, examined, valley
from clearprop.see.algebra.derive import derivative
from clearprop.see.document import data, document
from clearprop.see.page.page import colours, web
from clearprop.see.step.page import PageParts, parts
from clearprop.see.step.steps import Trace, trace

_WEB = files("clearprop.lessons") / "web"  # in a folder, or in a zip archive
_NODES = ["add", "subtract", "multiply", "divide", "square", "sqrt", "relu", "tanh", "sigmoid", "exp", "log"]
_MANY = 16  # nodes, from which on a graph has a higher frame
_KEYS = {
    "f": "f", "notes": "n", "n": "PageDown", "p": "PageUp", "left": "&larr;", "right": "&rarr;",
    "escape": "Esc",
}  # fmt: skip


def steps_of(name: str, said: Teaching, algorithm: str = "topological", quiz: int = 0) -> Trace:
    """Return the trace of a lesson's graph."""
    return trace(output(name), algorithm=algorithm, names=names(name), language=said.language, quiz=quiz)


def page(name: str, said: Teaching) -> str:
    """Return the page of a lesson in a language."""
    made = None
    if name in SOURCES:
        shown = steps_of(name, said, ALGORITHMS.get(name, "topological"), quiz=1)
        made = parts(shown, said.title(name))
    slides = [_text(name, said)]
    if made is not None:
        kind = "slide live tall" if len(shown.order) > _MANY else "slide live"
        slides.append(f'<section class="{kind}"><h2>{said.words["watch"]}</h2>\n{made.body}</section>')
        slides.append('<section id="series" hidden></section>')
    slides += [*_own(name, said)]
    if made is not None:
        slides.append(f'<section class="slide">{made.quiz}</section>')
    slides.append(_exercise(name, said))
    at = ORDER.index(name)
    around = {"previous": ORDER[at - 1] if at else "index", "next": [*ORDER, "index"][at + 1]}
    body = [
        _top(said, around),
        *slides,
        _bottom(said, around),
        *_scripts(name, said, made, around),
    ]
    return framed(said.title(name), said, "\n".join(body), made)


def framed(title: str, said: Teaching, body: str, made: PageParts | None = None) -> str:
    """Return a page of the course with its colours and its style."""
    styles = [colours(), web("page.css"), made.styles if made else "", file("lesson.css")]
    return document(title, "\n".join(styles), body, "clearprop lesson", said.language)


@cache
def file(name: str) -> str:
    """Return a script or style sheet of the lessons."""
    return (_WEB / name).read_text(encoding="utf-8")


def _scripts(name: str, said: Teaching, made: PageParts | None, around: dict[str, str]) -> list[str]:
    own = {"numerical": ["numerical"], "training": ["descent"]}.get(name, [])
    curves = [] if _curves(name, said) is None else ["curves"]
    following = said.title(around["next"]) if around["next"] in ORDER else said.words["contents"]
    found = [data("lesson", {"words": dict(said.words), "following": following, **around})]
    if (shown := _curves(name, said)) is not None:
        found.append(data("curves-told", shown))
    code = []
    if made is not None:
        found.append(data("graph", made.told))
        code += [*(web(f"{script}.js") for script in made.scripts), made.code]
    code += [f"{{\n{file(f'{script}.js')}\n}}" for script in (*own, *curves, "lesson")]
    return [*found, '<script>\n"use strict";\n' + "\n".join(code) + "</script>"]


# --- what stands on a page
def _top(said: Teaching, around: dict[str, str]) -> str:
    words = said.words
    return (
        f'<nav class="course" aria-label="{words["contents"]}">'
        f'<a href="index.html">{words["contents"]}</a>'
        f'<a href="{around["previous"]}.html" rel="prev">&larr; {words["previous"]}</a>'
        f'<a href="{around["next"]}.html" rel="next">{words["next"]} &rarr;</a><span></span>'
        f'<button type="button" id="slides">{words["slides"]}</button>'
        f'<button type="button" id="notes">{words["notes"]}</button>'
        f'<button type="button" id="print">{words["print"]}</button></nav>'
    )


def _bottom(said: Teaching, around: dict[str, str]) -> str:
    following = said.title(around["next"]) if around["next"] in ORDER else said.words["contents"]
    keys = {slot: f"<kbd>{key}</kbd>" for slot, key in _KEYS.items()}
    return (
        f'<nav class="course after"><a href="{around["next"]}.html">{escape(following)} &rarr;</a></nav>'
        f'<p class="keys">{said.words["keys"].format(**keys)}</p>'
    )


def _text(name: str, said: Teaching) -> str:
    paragraphs = "\n".join(f"<p>{inline(text)}</p>" for text in said.text(name))
    return f'<section class="slide"><h1>{escape(said.title(name))}</h1>\n{paragraphs}</section>'


def _own(name: str, said: Teaching) -> list[str]:
    """What one lesson has and no other."""
    words = said.words
    if name == "numerical":
        return [_panel("numerical", words["numerical"])]
    if name == "training":
        return [_panel("descent", words["descent"])]
    if name == "nodes":
        return [f'<section class="slide"><h2>{words["nodes"]}</h2>{_table(said)}</section>']
    found = []
    if _curves(name, said) is not None:
        found.append(_panel("curves", words["curves"]))
    if name in TROUBLES:
        found.append(
            f'<section class="slide"><h2>{words["doctor"]}</h2><p>{inline(words["doctor about"])}</p>'
            f'<pre class="doctor">{escape(told_by(examined(name), said.language))}</pre></section>'
        )
    return found


def _panel(kind: str, title: str) -> str:
    return f'<section class="slide"><h2>{title}</h2><div class="card" id="{kind}"></div></section>'


def _table(said: Teaching) -> str:
    rows = []
    for op in _NODES:
        found = derivative(op).text.split(": ", 1)[1]
        rows.append(f"<tr><th><code>{op}</code></th><td><code>{escape(found)}</code></td></tr>")
    head = f"<tr><th>{said.words['node']}</th><th>{said.words['derivatives']}</th></tr>"
    return f'<div class="wide"><table class="nodes">{head}{"".join(rows)}</table></div>'


def _curves(name: str, said: Teaching) -> dict[str, Any] | None:
    if name == "adam":
        return {"series": valley()}
    if name not in TROUBLES:
        return None
    broken, mended = compared(name)
    return {"series": {said.words["broken"]: broken, said.words["mended"]: mended}}


def _exercise(name: str, said: Teaching) -> str:
    words = said.words
    found = [f"<h2>{words['exercise']}</h2><p>{inline(said.lessons[name]['exercise'])}</p>"]
    if name in FILES:
        file_name, text = FILES[name][0], said.code(FILES[name][1])
        found.append(
            f'<p>{words["file"]}: <a href="exercises/{file_name}" download>'
            f"{escape(words['save'].format(file=file_name))}</a>. {words['grade']} "
            f"<code>clearprop check {file_name}</code>.</p><pre>{escape(text)}</pre>"
        )
    found.append(f"<h2>{words['python']}</h2><pre>{_code(name, said)}</pre>")
    return f'<section class="slide">{"".join(found)}</section>'


def _code(name: str, said: Teaching) -> str:
    """The lines of a lesson as HTML; of a trouble with the line that mends it below the one it mends."""
    if name in SOURCES:
        return escape(f"{said.code(SOURCES[name])}\nprint(clearprop.trace({last(name)}))")
    trouble = TROUBLES[name]
    lines = []
    cured = trouble.cured.splitlines()
    for old, new in zip(trouble.source.splitlines(), cured, strict=True):
        same = old == new
        lines.append(escape(old) if same else f"<del>{escape(old)}</del>\n<ins>{escape(new)}</ins>")
    return "\n".join(lines)
