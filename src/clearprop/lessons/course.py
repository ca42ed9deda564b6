"""The course: a folder of pages with their contents, a handout and files of exercises; or a notebook."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any

from clearprop import marks
from clearprop.errors import InputError, lesson
from clearprop.files import replaceable
from clearprop.lessons.exercises import FILES
from clearprop.lessons.graphs import SOURCES, last
from clearprop.lessons.handout import handout
from clearprop.lessons.page import framed, page, steps_of
from clearprop.lessons.texts import ORDER, PARTS, Teaching, inline, told
from clearprop.lessons.troubles import TROUBLES
from clearprop.see.drawing.draw import write


def course(folder: str | os.PathLike[str], language: str = "en", overwrite: bool = False) -> list[Path]:
    """Write the lessons as pages into a folder, with `index.html`, `handout.html` and `exercises/`.

    Every page is one file that needs no network. Returns the paths of all; raises InputError where there is
    no such language or, without `overwrite`, where a file is in the way that clearprop did not write. An
    exercise that is there already, perhaps half solved, is left alone without `overwrite`.
    """
    said, folder = told(language), Path(folder)
    for name in (
        "index",
        "handout",
        *ORDER,
    ):  # before the first is written, or half of the pages would be new
        replaceable(folder / f"{name}.html", None if overwrite else marks.html)
    made = {"index.html": contents(said), "handout.html": handout(said)}
    made |= {f"{name}.html": page(name, said) for name in ORDER}
    (folder / "exercises").mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        write(folder / name, text.encode(), overwrite)
    tasks = {folder / "exercises" / name: said.code(text) for name, text in FILES.values()}
    for path, text in tasks.items():
        if overwrite or not path.exists():
            write(path, text.encode())
    return [*(folder / name for name in made), *tasks]


def contents(said: Teaching) -> str:
    """Return the page that lists all lessons, each with its picture."""
    words = said.words
    body = [f"<h1>{escape(words['course'])}</h1><p>{escape(words['about'])}</p>"]
    body.append(f'<p><a href="handout.html">{words["handout"]}</a></p>')
    for part, names in PARTS.items():
        items = "\n".join(_item(name, said) for name in names)
        body.append(f'<h2>{escape(words[part])}</h2>\n<ol class="contents">{items}</ol>')
    return framed(words["course"], said, "\n".join(body))


def _item(name: str, said: Teaching) -> str:
    title = said.title(name).removeprefix(said.words["troubles"]).strip()
    first = said.text(name)[0].split(". ")[0].rstrip(".")
    drawn = steps_of(name, said).to_svg(prefix=name) if name in SOURCES else ""
    return f'<li><a href="{name}.html"><b>{escape(title)}</b></a><p>{inline(first)}.</p>{drawn}</li>'


def notebook(path: str | os.PathLike[str], language: str = "en", overwrite: bool = False) -> Path:
    """Write the lessons as a Jupyter notebook: the text, and the lines that make each graph live.

    Returns its path; raises InputError as `course` does, and for a name without the ending .ipynb.
    """
    said = told(language)
    path = Path(path)
    if path.suffix.lower() != ".ipynb":
        got, hint = path.suffix or "no ending", f"{path.with_suffix('.ipynb')}"
        raise InputError(lesson(f"a notebook {path}", "wants a name that ends in .ipynb", got, hint=hint))
    cells = [_cell("markdown", "course", f"# {said.words['course']}")]
    for part, names in PARTS.items():
        cells.append(_cell("markdown", part, f"## {said.words[part]}"))
        for name in names:
            cells += _lesson(name, said)
    whole = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "generator": "clearprop",
        },
        "cells": cells,
    }
    write(path, (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode(), overwrite)
    return path


def _lesson(name: str, said: Teaching) -> list[dict[str, Any]]:
    text = "\n\n".join([f"### {said.title(name)}", *said.text(name)])
    exercise = f"**{said.words['exercise']}.** {said.lessons[name]['exercise']}"
    if name in FILES:
        exercise += f"\n\n```python\n{said.code(FILES[name][1])}```"
    return [
        _cell("markdown", name, text),
        _cell("code", f"{name}-code", _runs(name, said)),
        _cell("markdown", f"{name}-exercise", exercise),
    ]


def _runs(name: str, said: Teaching) -> str:
    """The lines that show a graph, or that train what does not learn and ask the doctor."""
    if name in TROUBLES:
        return (
            f"{TROUBLES[name].source}\n\n"
            "print(clearprop.doctor(model, (x, y), loss, optimizer, step=step))\n"
            "print([float(step(x, y).value) for _ in range(8)])"
        )
    how = "" if said.language == "en" else f", language={said.language!r}"
    return f"{said.code(SOURCES[name])}\nclearprop.trace({last(name)}, quiz=1{how})"


def _cell(kind: str, name: str, source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source}
    return found | ({"outputs": [], "execution_count": None} if kind == "code" else {})
