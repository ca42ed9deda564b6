"""What operations, and the heads and counts of boxes, are called in other languages than English."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from clearprop.see.drawing.boxes import Box, measure
from clearprop.tensor import Tensor

# fmt: off
OPERATIONS = {
    "de": {
        "add": "Summe",                                 "subtract": "Differenz",
        "multiply": "Produkt",                          "divide": "Quotient",
        "negative": "Gegenzahl",                        "power": "Potenz",
        "square": "Quadrat",                            "sqrt": "Wurzel",
        "cbrt": "Kubikwurzel",                          "reciprocal": "Kehrwert",
        "absolute": "Betrag",                           "sign": "Vorzeichen",
        "exp": "Exponentialfunktion",                   "log": "Logarithmus",
        "floor divide": "ganzer Quotient",              "remainder": "Rest",
        "maximum": "größerer Wert",                     "minimum": "kleinerer Wert",
        "where": "Auswahl",                             "clip": "Begrenzung",
        "matmul": "Matrixprodukt",                      "sum": "Summe der Einträge",
        "mean": "Mittelwert",                           "max": "größter Eintrag",
        "min": "kleinster Eintrag",                     "prod": "Produkt der Einträge",
        "var": "Varianz",                               "std": "Streuung",
        "norm": "Norm",                                 "cumsum": "laufende Summe",
        "cumprod": "laufendes Produkt",                 "getitem": "Ausschnitt",
        "scatter": "Verteilen",                         "reshape": "Umformung",
        "transpose": "Transponierte",                   "swapaxes": "vertauschte Achsen",
        "moveaxis": "verschobene Achse",                "ravel": "flach gelegt",
        "squeeze": "ohne leere Achse",                  "expand dims": "neue Achse",
        "broadcast to": "Wiederholung",                 "flip": "umgedreht",
        "roll": "verschoben",                           "concatenate": "angehängt",
        "stack": "gestapelt",                           "pad": "Rand",
        "repeat": "Wiederholung",                       "windows": "Fenster",
        "convolution": "Faltung",                       "window max": "größter im Fenster",
        "window sum": "Summe im Fenster",               "inv": "Inverse",
        "det": "Determinante",                          "solve": "Lösung",
        "einsum": "Summe über Indizes",                 "astype": "anderer Zahlentyp",
        "linear nll": "Verlust der letzten Schicht",
        "attention": "Aufmerksamkeit",                  "log softmax": "Logarithmus des Softmax",
        "logsumexp": "Logarithmus der Summe der Exponentiale","masked product": "Produkt mit Maske",
        "less": "Vergleich",                            "greater": "Vergleich",
        "equal": "Vergleich",                           "arcsin": "Arkussinus",
        "arccos": "Arkuskosinus",                       "arctan": "Arkustangens",
        "sin": "Sinus",                                 "cos": "Kosinus",
        "tan": "Tangens",                               "sinh": "Sinus hyperbolicus",
        "cosh": "Kosinus hyperbolicus",                 "tanh": "Tangens hyperbolicus",
        "outer": "äußeres Produkt",                     "round": "Rundung",
    },
}
# fmt: on
"""For each language: by the name that stands in a box, in small letters."""


def called(title: str, language: str) -> str:
    """Return an operation's name with what it is called in a language beside it.

    >>> called("Matmul", "de"), called("Matmul", "en"), called("Sigmoid", "de")
    ('Matmul (Matrixprodukt)', 'Matmul', 'Sigmoid')
    """
    word = OPERATIONS.get(language, {}).get(title.lower())
    return f"{title} ({word})" if word else title


_LONGEST = 16  # characters of an operation's name in the head of a box
_GIVEN = {
    "de": {"data": "Daten", "constant": "Konstante", "input": "Eingang"}
}  # without a name of a person's
UNNAMED = frozenset(word for words in _GIVEN.values() for pair in words.items() for word in pair)
"""What stands at the head of the box of a leaf that nobody named, in any language."""
# fmt: off
_COUNTS = {
    "de": {
        r"([\d,]+) nodes?": r"\1 Knoten",        r"([\d,]+) parameters?": r"\1 Parameter",
        r"(\d+) outputs": r"\1 Ausgänge",       r"(\d+) inputs": r"\1 Eingänge",
        r"(\d+) constants": r"\1 Konstanten",   r"Part (\d+) of (\d+)": r"Teil \1 von \2",
        r"(\d+) to (\d+)": r"\1 bis \2",       r"(\d+) of (\d+)": r"\1 von \2",
        r"of (\d+)": r"von \1",                 r"loss": "Verlust",
    },
}
# fmt: on


def counted(text: str, language: str) -> str:
    """Return the words of a group's box in a language: how many nodes, which part of how many.

    >>> counted("153 nodes \N{MIDDLE DOT} 40 parameters", "de"), counted("Part 1 of 5", "de")
    ('153 Knoten · 40 Parameter', 'Teil 1 von 5')
    """
    patterns = _COUNTS.get(language, {})
    parts = text.split(" \N{MIDDLE DOT} ")
    for n, part in enumerate(parts):
        for own, said in patterns.items():
            if re.fullmatch(own, part):
                parts[n] = re.sub(own, said, part)
                break
    return " \N{MIDDLE DOT} ".join(parts)


def headed(boxes: Iterable[Box], names: Mapping[int, str], language: str) -> None:
    """Write the heads of boxes in a language; names that a person gave, and long ones, stay as they are."""
    if language not in OPERATIONS:
        return
    for box in boxes:
        if box.kind == "module" and (footer := counted(box.footer, language)) != box.footer:
            box.footer = footer
            measure(box)
        node = box.node
        if isinstance(node, Tensor) and node.op is not None:
            word = OPERATIONS[language].get(box.title.lower(), box.title)
        elif names.get(id(node)) or (isinstance(node, Tensor) and node.name):
            continue
        else:
            word = _GIVEN[language].get(box.title, box.title)
        if len(word) <= _LONGEST:
            box.title = word[0].upper() + word[1:]
            measure(box)
