"""What operations are called in other languages than the one they are typed in; names of functions stay."""

from __future__ import annotations

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
        "squeeze": "ohne leere Achsen",                 "expand dims": "neue Achse",
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
