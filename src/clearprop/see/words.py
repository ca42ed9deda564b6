"""The words of the pages of whole graphs, as one table per language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from clearprop.errors import InputError, lesson

VIEW = {
    "view": "View",
    "smaller": "Smaller",
    "larger": "Larger",
    "fit": "Fit",
    "all in view": "All in view",
    "full size": "Full size",
    "close all": "Close all",
    "where": "Where you are",
    "everything": "Everything",
    "alone": "{group} alone",
    "depth": "Depth",
    "open to depth": "Open to depth",
    "search": "Search",
    "search for": "Search: an op, a name, a shape",
    "found": "What was found",
    "nothing found": "Nothing is called that.",
    "more found": "and {n} more",
    "save svg": "Save what is seen as SVG",
    "save png": "Save what is seen as PNG",
    "graph keys": "The graph. Arrow keys move it, plus and minus change its size.",
    "box open": "open, Enter closes it",
    "box closed": "closed, Enter opens it",
    "column input": "Input",
    "column intermediate": "Intermediate",
    "column output": "Output",
}
"""The words of the tools that every page with a graph has, in English."""

GERMAN_VIEW = {
    "view": "Ansicht",
    "smaller": "Kleiner",
    "larger": "Größer",
    "fit": "Einpassen",
    "all in view": "Alles zeigen",
    "full size": "Volle Größe",
    "close all": "Alle schließen",
    "where": "Wo du bist",
    "everything": "Alles",
    "alone": "Nur {group}",
    "depth": "Tiefe",
    "open to depth": "Öffnen bis Tiefe",
    "search": "Suchen",
    "search for": "Suchen: eine Operation, ein Name, eine Form",
    "found": "Was gefunden wurde",
    "nothing found": "So heißt nichts.",
    "more found": "und {n} weitere",
    "save svg": "Was zu sehen ist, als SVG speichern",
    "save png": "Was zu sehen ist, als PNG speichern",
    "graph keys": "Der Graph. Pfeiltasten bewegen ihn, Plus und Minus ändern seine Größe.",
    "box open": "offen, Eingabetaste schließt",
    "box closed": "geschlossen, Eingabetaste öffnet",
    "column input": "Eingang",
    "column intermediate": "Zwischenknoten",
    "column output": "Ausgang",
}

DRAWING = {
    "en": VIEW
    | {
        "graph": "Computation graph",
        "steps": "Step by step",
        "frozen": "This page moves. Run the cell, or trust the notebook, to see it.",
        "described": "{boxes} boxes, {arrows} arrows.",
        "comes from": "from {heads}",
        "and": "and",
        "kind input": "input",
        "kind constant": "constant",
        "kind middle": "middle",
        "kind output": "output",
        "kind module": "module",
        "chosen box": "The chosen box",
        "box op": "op {op}",
        "box close": "Close",
        "box open it": "Open",
        "box enter": "Enter",
        "box layer": "Go to layer",
        "box layers": "0 to {last}",
        "box from": "From",
        "box to": "To",
        "hint": "Drag to move, wheel or pinch to zoom, click a module to open it, a box to see where its "
        "arrows lead. {slash} searches.",
    },
    "de": GERMAN_VIEW
    | {
        "graph": "Rechengraph",
        "steps": "Schritt für Schritt",
        "frozen": "Diese Seite bewegt sich. Führ die Zelle aus oder vertrau dem Notizbuch, um sie zu sehen.",
        "described": "{boxes} Kästen, {arrows} Pfeile.",
        "comes from": "aus {heads}",
        "and": "und",
        "kind input": "Eingang",
        "kind constant": "Konstante",
        "kind middle": "Zwischenknoten",
        "kind output": "Ausgang",
        "kind module": "Modul",
        "chosen box": "Der gewählte Kasten",
        "box op": "Operation {op}",
        "box close": "Schließen",
        "box open it": "Öffnen",
        "box enter": "Nur das zeigen",
        "box layer": "Zur Schicht",
        "box layers": "0 bis {last}",
        "box from": "Von",
        "box to": "Nach",
        "hint": "Ziehen bewegt, Rad oder zwei Finger vergrößern, ein Klick öffnet ein Modul oder zeigt, "
        "wohin die Pfeile eines Kastens führen. {slash} sucht.",
    },
}
"""For each language: all that a page of a drawing says."""


ARGUMENTS = {
    "de": {
        "mask": "Maske",
        "low": "untere Grenze",
        "high": "obere Grenze",
        "bins": "Klassengrenzen",
        "places": "Stellen",
        "weight": "Gewicht",
        "state": "Zustand",
    }
}
"""For each language but English: what an op calls an array that was given to it without a name."""


class Worded(Protocol):
    """What has a word for each name of `VIEW`: a dict, or the captions of a language."""

    def __getitem__(self, key: str, /) -> str: ...


def spoken(tables: Mapping[str, Mapping[str, str]], language: str, called: str) -> Mapping[str, str]:
    """Return the words of a language; raises InputError, which names what was `called`, without any.

    >>> spoken(DRAWING, "de", "draw")["fit"]
    'Einpassen'
    """
    if language not in tables:
        known = ", ".join(tables)
        got = repr(language)
        raise InputError(lesson(f"{called}(language=)", f"is one of {known}", got, hint='language="de"'))
    return tables[language]
