"""What a trace says, as one table of templates per language: sentences, headings, the words of its page.

A slot is a name in braces. Names of nodes are filled in when a sentence is made; slots for numbers (`{g}`,
`{local}`, `{amount}`, `{before}`, `{total}`) stay, since a page that recomputes them fills them in again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from clearprop.errors import InputError, lesson
from clearprop.see.words import GERMAN_VIEW, VIEW

SLOT = re.compile(r"\{(\()?(\w+)\)?\}")
_PRODUCT = "{(g)} \N{MULTIPLICATION SIGN} {(local)} = {amount}."

ENGLISH = {
    # --- the sentences of a step
    "forward": "{op} computes {z} from {inputs}.",
    "and": "{first} and {last}",
    "start": "The backward pass starts at the output, {z}. Its gradient with respect to itself is {total}.",
    "whole": "{z} has its whole gradient, {g}.",
    "hooked": "{z} has its whole gradient, {g}, as a hook made it.",
    "again": "{z} has been visited again and passes on what it has now, {g}.",
    "early": "{z} does not wait for others and passes on what it has, {g}.",
    "rule": "The rule of {op} turns it into what {x} receives.",
    "arrays": "Times d{z}/d{x}, entry by entry.",
    "arrays summed": "Times d{z}/d{x}, entry by entry, and summed where it was repeated.",
    "same way": "A small step of {x} moves {z} just as far, so {x} receives " + _PRODUCT,
    "other way": "A small step of {x} moves {z} just as far the other way, so {x} receives " + _PRODUCT,
    "times": "A small step of {x} moves {z} {local} times as far, so {x} receives " + _PRODUCT,
    "replaces": "It replaces the {before} that {x} had, which is lost.",
    "sum": "{x} had {before}; the sum is {total}.",
    "first": "It is the first to arrive at {x}.",
    "not any more": "{x}.grad = {total}, not {before} any more",
    "many products": "a sum of {n} products",
    # --- the text of a trace
    "text forward": "Forward, from the inputs to the output",
    "text backward": "Backward, ",
    "text topological": "in topological order: a node passes its gradient on after all its users have",
    "text recursive": "recursively, adding up: a node passes on what it has as soon as something arrives",
    "text tree": "recursively, as on a tree: what arrives replaces what was there, and is passed on at once",
    "text gradients": "Gradients",
    "text input": "input",
    "text data": "data",
    "text whole": "{z} = {made} has its whole gradient, {g}",
    "text hooked": "{total}, which a hook made of {before}",
    "text early": "{z} = {made} passes on what it has: {g}",
    "text again": "{z} = {made} passes on what it has, once more: {g}",
    "text summed": "summed to {shape}",
    "text replaces": "{total}   replaces {before}",
    "text right": "right",
    "text wrong": "wrong",
    "text all right": "Every gradient is right: the order does not matter here.",
    "text all right, a tree": "Every gradient is right: no node is used twice, the graph is a tree.",
    "text replaced": "Wrong at {nodes}: {culprits} has several users, and each replaced what was sent "
    "before.",
    "text twice": "Wrong at {nodes}: what {culprits} first passed on was in the sum that it passed on again.",
    # --- the page
    "title topological": "Topological order: every node waits for all its users",
    "title recursive": "Recursive, adding up without waiting",
    "title tree": "Recursive as on a tree, replacing what was there",
    "why recursive": "What was passed on too early was passed on again with the rest.",
    "why tree": "A node with several users keeps only what the last visit brought.",
    "opening": "The inputs have values. Go forward to compute the rest, then back to find the gradients.",
    "closing": "That was the last step: every node has its gradient.",
    "ending": "That was the last step.",
    "page title": "{z}, step by step",
    "go first": "First step",
    "go back": "One step back",
    "back": "Back",
    "go forward": "One step forward",
    "forward button": "Forward",
    "go last": "Last step",
    "play": "Play",
    "pause": "Pause",
    "step": "Step",
    "steps": "Steps",
    "count": "step {n} of {all}",
    "algorithm": "Algorithm",
    **VIEW,
    "this step": "This step",
    "inputs": "Inputs: change one",
    "reset": "Reset",
    "inputs fixed": "Inputs: as they are",
    "fixed nodes": "A page computes at most {most} nodes anew, and here are {n}.",
    "fixed entries": "A page computes at most {most} numbers anew, and here are {n}.",
    "fixed again": "A page cannot compute this anew: {why}.",
    "fixed hooks": "A hook in Python makes gradients here, and a page cannot run it.",
    "fixed complex": "A page computes real numbers, and some here are not.",
    "fixed differs": "The page does not find what Python found at {z}, so its numbers stay as they are.",
    "array": "Array",
    "side": "Value or gradient",
    "value": "Value",
    "entry": "Entry",
    "entry value": "Value of the entry",
    "slide": "Slide the value of the entry",
    "axis": "axis {n}, 0 to {last}",
    "preset": "Fill with",
    "preset given": "as given",
    "preset zeros": "zeros",
    "preset ones": "ones",
    "preset random": "random",
    "seed": "Seed",
    "no entry": "{z} has the shape {shape}: its last entry is {last}.",
    "only whole": "{z} takes whole numbers from {low} to {high}, as those that Python had.",
    "tile keys": "Arrow keys choose another entry.",
    "tile part": "Shown are rows {top} to {bottom} and columns {left} to {right} of {shape}.",
    "quantiles": "Least {least}, quarter {first}, median {median}, three quarters {third}, "
    "greatest {greatest}.",
    "stays": "Kept as Python made it, whatever else is changed: {names}.",
    "more inputs": "{n} more: choose one in the drawing, or search for it.",
    "gradient": "Gradient",
    "gradient of": "Gradient of {z}",
    "no number": "{z} has no number: the drawing still shows {value}.",
    "nothing yet": "Nothing has arrived yet.",
    "nothing here": "Nothing has arrived here yet.",
    "from start": "the start",
    "from": "from {z}",
    "sum of": "sum {total}",
    "replaces it": "replaces {before}",
    "should be": "{x}.grad = {found}, should be {right}",
    "wrong": "Wrong: {list}.",
    "all right": "Every gradient is right here.",
    "hint": "{left} {right} step, {open} {close} jump by layer, {home} {end} to the ends, {space} plays. "
    "Click a module to open it, a box to see what arrived there. {slash} searches.",
    # --- the quiz of a page
    "quiz": "Quiz",
    "quiz level": "Level",
    "quiz level 1": "1: values",
    "quiz level 2": "2: one arrow",
    "quiz level 3": "3: whole gradients",
    "quiz value": "What is the value of {x}?",
    "quiz sent": "{z} has the gradient {g}. What does it send to {x}?",
    "quiz sent by arrays": "{z} has its whole gradient. What does it send to {x}?",
    "quiz gradient": "What is the whole gradient of {x}?",
    "quiz none": "There is nothing to ask at this level.",
    "quiz check": "Check",
    "quiz show": "Show me",
    "quiz next": "Next question",
    "quiz other": "Other numbers",
    "quiz right": "Right.",
    "quiz looked": "Right, though the drawing had shown it already.",
    "quiz wrong": "Not yet. Three digits are enough; try again, or have it shown.",
    "quiz answer": "It is {answer}.",
    "quiz no number": "Type a number.",
    "quiz score": "{n} of {all} right",
    # --- what a closed group does
    "unseen": "What is not shown",
    "nothing": "nothing",
    "more names": "{names} and {n} more",
    "group forward": "{group} takes {inputs} and computes what it gives, in {n} steps.",
    "group forward to": "{group} takes {inputs} and computes what it gives to {users}, in {n} steps.",
    "group backward": "The gradient goes back through {group}, arrow by arrow, {n} of them.",
    "group backward to": "The gradient goes back through {group}, arrow by arrow, {n} of them, and arrives "
    "at {inputs}.",
    "group arrived": "arrived here: {grad}",
    # --- the page of orders
    "orders ask": "Which node passes its gradient on next? Click it in the drawing, or choose it here.",
    "orders nodes": "Nodes",
    "orders undo": "Take back",
    "orders again": "Start again",
    "orders undone": "Taken back.",
    "orders yours": "Your order: {names}",
    "orders left": "{n} orders still possible",
    "orders left one": "1 order still possible",
    "orders many": "very many",
    "orders part": "grad of 1 part",
    "orders parts": "grad of {n} parts",
    "orders passed": "{z} has passed its gradient on already.",
    "orders missing": "{z} cannot come yet: {users} uses it, and what comes back from there would be missing "
    "in its gradient.",
    "orders missing several": "{z} cannot come yet: {users} use it, and what comes back from there would be "
    "missing in its gradient.",
    "orders sent": "{amount} to {x}",
    "orders sends": "The gradient of {z} is whole. It sends {sent}.",
    "orders input": "{z} is an input: its gradient is whole, and it sends nothing on.",
    "orders done": "Every node has come: this order is topological.",
}

GERMAN = {
    "forward": "{op} berechnet {z} aus {inputs}.",
    "and": "{first} und {last}",
    "start": "Der Rückwärtslauf beginnt am Ausgang, {z}. Dessen Gradient nach sich selbst ist {total}.",
    "whole": "{z} hat seinen ganzen Gradienten, {g}.",
    "hooked": "{z} hat seinen ganzen Gradienten, {g}, so wie ein Hook ihn gemacht hat.",
    "again": "{z} ist noch einmal besucht worden und gibt weiter, was es jetzt hat: {g}.",
    "early": "{z} wartet nicht auf andere und gibt weiter, was es hat: {g}.",
    "rule": "Die Regel von {op} macht daraus, was {x} bekommt.",
    "arrays": "Mal d{z}/d{x}, Eintrag für Eintrag.",
    "arrays summed": "Mal d{z}/d{x}, Eintrag für Eintrag, und summiert, wo ein Wert wiederholt wurde.",
    "same way": "Ein kleiner Schritt von {x} bewegt {z} genauso weit, also bekommt {x} " + _PRODUCT,
    "other way": "Ein kleiner Schritt von {x} bewegt {z} genauso weit in die andere Richtung, also bekommt "
    "{x} " + _PRODUCT,
    "times": "Ein kleiner Schritt von {x} bewegt {z} {local}-mal so weit, also bekommt {x} " + _PRODUCT,
    "replaces": "Das ersetzt {before}, was {x} hatte und was nun verloren ist.",
    "sum": "{x} hatte {before}; die Summe ist {total}.",
    "first": "Das ist das Erste, was bei {x} ankommt.",
    "not any more": "{x}.grad = {total}, nicht mehr {before}",
    "many products": "eine Summe von {n} Produkten",
    "text forward": "Vorwärts, von den Eingängen zum Ausgang",
    "text backward": "Rückwärts, ",
    "text topological": "in topologischer Ordnung: ein Knoten gibt seinen Gradienten weiter, wenn alle, die "
    "ihn benutzen, es getan haben",
    "text recursive": "rekursiv, mit Addieren: ein Knoten gibt weiter, was er hat, sobald etwas ankommt",
    "text tree": "rekursiv wie auf einem Baum: was ankommt, ersetzt, was da war, und wird sofort "
    "weitergegeben",
    "text gradients": "Gradienten",
    "text input": "Eingang",
    "text data": "Daten",
    "text whole": "{z} = {made} hat seinen ganzen Gradienten, {g}",
    "text hooked": "{total}, was ein Hook aus {before} gemacht hat",
    "text early": "{z} = {made} gibt weiter, was es hat: {g}",
    "text again": "{z} = {made} gibt noch einmal weiter, was es hat: {g}",
    "text summed": "summiert auf {shape}",
    "text replaces": "{total}   ersetzt {before}",
    "text right": "richtig",
    "text wrong": "falsch",
    "text all right": "Alle Gradienten sind richtig: auf die Reihenfolge kommt es hier nicht an.",
    "text all right, a tree": "Alle Gradienten sind richtig: kein Knoten wird zweimal benutzt, der Graph ist "
    "ein Baum.",
    "text replaced": "Falsch bei {nodes}: {culprits} wird mehrfach benutzt, und jedes Mal wurde ersetzt, was "
    "vorher ankam.",
    "text twice": "Falsch bei {nodes}: was {culprits} zuerst weitergab, war in der Summe enthalten, die noch "
    "einmal weitergegeben wurde.",
    "title topological": "Topologische Ordnung: jeder Knoten wartet auf alle, die ihn benutzen",
    "title recursive": "Rekursiv, addiert ohne zu warten",
    "title tree": "Rekursiv wie auf einem Baum, ersetzt, was da war",
    "why recursive": "Was zu früh weitergegeben wurde, wurde mit dem Rest noch einmal weitergegeben.",
    "why tree": "Ein Knoten, der mehrfach benutzt wird, behält nur, was der letzte Besuch brachte.",
    "opening": "Die Eingänge haben Werte. Zuerst vorwärts, um den Rest zu berechnen, dann zurück zu den "
    "Gradienten.",
    "closing": "Das war der letzte Schritt: jeder Knoten hat seinen Gradienten.",
    "ending": "Das war der letzte Schritt.",
    "page title": "{z}, Schritt für Schritt",
    "go first": "Erster Schritt",
    "go back": "Ein Schritt zurück",
    "back": "Zurück",
    "go forward": "Ein Schritt weiter",
    "forward button": "Weiter",
    "go last": "Letzter Schritt",
    "play": "Abspielen",
    "pause": "Anhalten",
    "step": "Schritt",
    "steps": "Schritte",
    "count": "Schritt {n} von {all}",
    "algorithm": "Verfahren",
    **GERMAN_VIEW,
    "this step": "Dieser Schritt",
    "inputs": "Eingänge: ändere einen",
    "reset": "Zurücksetzen",
    "inputs fixed": "Eingänge: wie sie sind",
    "fixed nodes": "Eine Seite rechnet höchstens {most} Knoten neu, und hier sind es {n}.",
    "fixed entries": "Eine Seite rechnet höchstens {most} Zahlen neu, und hier sind es {n}.",
    "fixed again": "Eine Seite kann das nicht neu rechnen: {why}.",
    "fixed hooks": "Hier macht ein Hook in Python Gradienten, und eine Seite kann ihn nicht ausführen.",
    "fixed complex": "Eine Seite rechnet mit reellen Zahlen, und hier sind andere dabei.",
    "fixed differs": "Die Seite findet bei {z} nicht, was Python fand; die Zahlen bleiben, wie sie sind.",
    "array": "Feld",
    "side": "Wert oder Gradient",
    "value": "Wert",
    "entry": "Eintrag",
    "entry value": "Wert des Eintrags",
    "slide": "Wert des Eintrags schieben",
    "axis": "Achse {n}, 0 bis {last}",
    "preset": "Füllen mit",
    "preset given": "wie gegeben",
    "preset zeros": "Nullen",
    "preset ones": "Einsen",
    "preset random": "Zufall",
    "seed": "Startwert",
    "no entry": "{z} hat die Form {shape}: der letzte Eintrag ist {last}.",
    "only whole": "{z} nimmt ganze Zahlen von {low} bis {high}, wie die aus Python.",
    "tile keys": "Pfeiltasten wählen einen anderen Eintrag.",
    "tile part": "Zu sehen sind die Zeilen {top} bis {bottom} und Spalten {left} bis {right} von {shape}.",
    "quantiles": "Kleinster {least}, Viertel {first}, Median {median}, drei Viertel {third}, "
    "größter {greatest}.",
    "stays": "Bleibt, wie Python es gemacht hat, was auch sonst geändert wird: {names}.",
    "more inputs": "{n} weitere: wähle einen in der Zeichnung, oder suche ihn.",
    "gradient": "Gradient",
    "gradient of": "Gradient von {z}",
    "no number": "{z} hat keine Zahl: die Zeichnung zeigt noch {value}.",
    "nothing yet": "Noch ist nichts angekommen.",
    "nothing here": "Hier ist noch nichts angekommen.",
    "from start": "der Anfang",
    "from": "von {z}",
    "sum of": "Summe {total}",
    "replaces it": "ersetzt {before}",
    "should be": "{x}.grad = {found}, richtig wäre {right}",
    "wrong": "Falsch: {list}.",
    "all right": "Hier sind alle Gradienten richtig.",
    "hint": "{left} {right} Schritt, {open} {close} springt von Schicht zu Schicht, {home} {end} zu den "
    "Enden, {space} spielt ab. Ein Klick öffnet ein Modul oder zeigt, was bei einem Kasten ankam. "
    "{slash} sucht.",
    "quiz": "Quiz",
    "quiz level": "Stufe",
    "quiz level 1": "1: Werte",
    "quiz level 2": "2: ein Pfeil",
    "quiz level 3": "3: ganze Gradienten",
    "quiz value": "Welchen Wert hat {x}?",
    "quiz sent": "{z} hat den Gradienten {g}. Was schickt es an {x}?",
    "quiz sent by arrays": "{z} hat seinen ganzen Gradienten. Was schickt es an {x}?",
    "quiz gradient": "Was ist der ganze Gradient von {x}?",
    "quiz none": "Auf dieser Stufe gibt es nichts zu fragen.",
    "quiz check": "Prüfen",
    "quiz show": "Zeig es mir",
    "quiz next": "Nächste Frage",
    "quiz other": "Andere Zahlen",
    "quiz right": "Richtig.",
    "quiz looked": "Richtig, aber die Zeichnung hatte es schon gezeigt.",
    "quiz wrong": "Noch nicht. Drei Ziffern genügen; versuch es noch einmal, oder lass es dir zeigen.",
    "quiz answer": "Es ist {answer}.",
    "quiz no number": "Gib eine Zahl ein.",
    "quiz score": "{n} von {all} richtig",
    "unseen": "Was nicht zu sehen ist",
    "nothing": "nichts",
    "more names": "{names} und {n} weitere",
    "group forward": "{group} nimmt {inputs} und berechnet, was es weitergibt, in {n} Schritten.",
    "group forward to": "{group} nimmt {inputs} und berechnet, was es an {users} weitergibt, in {n} "
    "Schritten.",
    "group backward": "Der Gradient geht durch {group} zurück, Pfeil für Pfeil, {n} davon.",
    "group backward to": "Der Gradient geht durch {group} zurück, Pfeil für Pfeil, {n} davon, und kommt bei "
    "{inputs} an.",
    "group arrived": "hier angekommen: {grad}",
    "orders ask": "Welcher Knoten gibt seinen Gradienten als Nächster weiter? Klick ihn in der Zeichnung an, "
    "oder wähle ihn hier.",
    "orders nodes": "Knoten",
    "orders undo": "Zurücknehmen",
    "orders again": "Von vorn",
    "orders undone": "Zurückgenommen.",
    "orders yours": "Deine Reihenfolge: {names}",
    "orders left": "{n} Reihenfolgen sind noch möglich",
    "orders left one": "1 Reihenfolge ist noch möglich",
    "orders many": "sehr viele",
    "orders part": "grad aus 1 Teil",
    "orders parts": "grad aus {n} Teilen",
    "orders passed": "{z} hat seinen Gradienten schon weitergegeben.",
    "orders missing": "{z} ist noch nicht dran: {users} benutzt es, und was von dort zurückkommt, würde in "
    "seinem Gradienten fehlen.",
    "orders missing several": "{z} ist noch nicht dran: {users} benutzen es, und was von dort zurückkommt, "
    "würde in seinem Gradienten fehlen.",
    "orders sent": "{amount} an {x}",
    "orders sends": "Der Gradient von {z} ist vollständig. Es schickt {sent}.",
    "orders input": "{z} ist ein Eingang: sein Gradient ist vollständig, und es schickt nichts weiter.",
    "orders done": "Jeder Knoten war dran: diese Reihenfolge ist topologisch.",
}

LANGUAGES = {"en": ENGLISH, "de": GERMAN}


@dataclass(frozen=True)
class Captions:
    """The sentences of one language, ready to be given their names.

    >>> Captions().say("sum", x="b")
    'b had {before}; the sum is {total}.'
    """

    language: str = "en"
    table: Mapping[str, str] | None = None
    """The templates; those of the language where left out."""
    steps: Mapping[int, str] = field(default_factory=dict)
    """What a person says at the beginning of a step, by the step's number on the page."""

    def __getitem__(self, key: str) -> str:
        return (LANGUAGES[self.language] if self.table is None else self.table)[key]

    def say(self, key: str, **named: Any) -> str:
        """Return a sentence with its names filled in; slots that are not named stay."""
        return SLOT.sub(lambda found: str(named.get(found[2], found[0])), self[key])

    @property
    def as_html(self) -> Captions:
        """The same sentences for a page, on which what they say is text and no markup."""
        return Captions(self.language, {key: escape(said) for key, said in self.words().items()})

    def listed(self, names: list[str]) -> str:
        """Return names as a sentence lists them: `a, b and c`."""
        if len(names) < 2:
            return "".join(names)
        return self.say("and", first=", ".join(names[:-1]), last=names[-1])

    def words(self) -> dict[str, str]:
        """Return all templates, as the script of a page reads them."""
        return dict(LANGUAGES[self.language] if self.table is None else self.table)


def captions_of(language: str = "en", own: Mapping[Any, str] | None = None) -> Captions:
    """Return the captions of a language, some of them replaced by a person's `own`; with the number of a step
    as its key, a sentence is said before the step's own.

    Raises InputError where there is no such language or sentence, or where a sentence of one's own has other
    slots than the one it stands for.

    >>> captions_of("de")["ending"]
    'Das war der letzte Schritt.'
    """
    if language not in LANGUAGES:
        hint = "trace(t, captions={...}) with sentences of your own"
        raise InputError(lesson("language", f"is one of {', '.join(LANGUAGES)}", repr(language), hint=hint))
    table = dict(LANGUAGES[language])
    steps: dict[int, str] = {}
    for key, sentence in (own or {}).items():
        numbered = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
        if numbered and isinstance(sentence, str):
            steps[int(key)] = sentence
            continue
        if not numbered and key not in table:
            known = "clearprop.see.step.captions.ENGLISH, which has them all"
            raise InputError(lesson("captions", "name sentences of a trace", repr(key), hint=known))
        if not isinstance(sentence, str):
            raise InputError(lesson(f"captions[{key!r}]", "is a sentence", f"it is {sentence!r}"))
        extra = slots_of(sentence) - slots_of(table[key])
        if extra:
            named = ", ".join(sorted(f"{{{slot}}}" for slot in extra))
            raise InputError(
                lesson(f"captions[{key!r}]", f"may say {table[key]!r} in other words", f"it has {named}")
            )
        table[key] = sentence
    return Captions(language, table, steps)


def slots_of(sentence: str) -> set[str]:
    """Return the names of the slots in a sentence.

    >>> sorted(slots_of("{x} had {before}; the sum is {(total)}."))
    ['before', 'total', 'x']
    """
    return {found[1] for found in SLOT.findall(sentence)}
