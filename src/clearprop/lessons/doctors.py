"""What the doctor says of a trouble, in the language of the lessons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from clearprop.diagnosis.doctor import Diagnosis
from clearprop.lessons import german_doctor

TABLES: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "de": (german_doctor.SENTENCES, german_doctor.VALUES)
}
"""For each language but English: sentences by the doctor's own templates, and words that stand in slots."""


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the templates as what finds their slots, those with more words of their own first."""
    sentences, _ = TABLES[language]
    ordered = sorted(sentences.items(), key=lambda pair: len(re.sub(r"\{\w+\}", "", pair[0])), reverse=True)
    slots = re.compile(r"\\\{(\w+)\\\}")
    return [(re.compile(slots.sub(r"(?P<\1>.+?)", re.escape(own))), said) for own, said in ordered]


def translated(line: str, language: str) -> str:
    """Return what the doctor says in a language; as it is where there is no template for it.

    >>> translated("all 64 labels are 0", "de")
    'alle 64 Labels sind 0'
    """
    if language not in TABLES:
        return line
    words = TABLES[language][1]
    for pattern, said in _patterns(language):
        found = pattern.fullmatch(line)
        if found:
            return said.format(**{slot: words.get(x, x) for slot, x in found.groupdict().items()})
    return line


def told_by(diagnosis: Diagnosis, language: str) -> str:
    """Return a diagnosis in full, as its own text is in English."""
    if language not in TABLES:
        return diagnosis.text

    def say(text: str) -> str:
        return "\n".join(
            " " * (len(line) - len(line.lstrip())) + translated(line.lstrip(), language)
            for line in text.split("\n")
        )

    n = len(diagnosis.findings)
    lines = [say(diagnosis.about), say(f"{n} finding{'s' if n > 1 else ''}:")]
    for number, finding in enumerate(diagnosis.findings, 1):
        where = f" {say('at')} {say(finding.where)}"
        lines.append(f"{number}. {say(finding.name)}{where if finding.where else ''}")
        parts = (("measured", finding.measured), ("matters", finding.matters), ("try", finding.attempt))
        lines += [f"   {say(what)}: {say(said)}" for what, said in parts]
    return "\n".join(lines)
