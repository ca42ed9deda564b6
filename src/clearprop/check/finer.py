"""Directions of small entries alone: beside much larger ones nothing would be heard of a fault in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearprop.check.search import NOTHING, Along, Search

HEARD = 100.0  # times what goes unnoticed along a direction: of such an entry, a fault of 1 % is found
FINER = 6  # directions of what is small beside the rest, each of entries that the last could not hear


def finer(search: Search, tried: list[tuple[Along, Any]]) -> list[tuple[Along, Any]]:
    """Try directions of the entries that those tried could not hear; at last of those whose gradient is said
    to be 0, but for rounding. What is not heard then, either, is left out."""
    if not any(found.compared for found, _ in tried):
        return []
    unheard = np.ones(search.size, bool)
    for found, v in tried:
        unheard &= ~_heard(search, found, v)
    none = np.abs(search.gradient) * search.scales <= NOTHING * search.size_of_terms()
    fresh = []
    for k in range(FINER + 1):
        group = unheard & ~search.left_out & (none if k == FINER else ~none)
        if not group.any():
            continue
        found, v = search.beside_kinks(np.where(group, search.direction(in_proportion=True), 0.0))
        fresh.append((found, v))
        heard = _heard(search, found, v)
        unheard &= ~heard
        if not heard.any():
            _leave_out(search, group)
    return fresh


def _heard(search: Search, found: Along, v: Any) -> Any:
    """Return the entries that a fault would have been noticed in along v."""
    if not found.compared:
        return np.zeros(search.size, bool)
    sizes = np.abs(search.gradient * v)
    nothing = bool(np.linalg.norm(sizes) <= NOTHING * search.size_of_terms())
    return (v != 0) & ((sizes >= HEARD * found.unnoticed) | nothing)


def _leave_out(search: Search, group: Any) -> None:
    """Leave out entries that no direction can tell anything about."""
    search.left_out |= group
    said = "Entries that are too small beside the others, or f's own rounding, were left out."
    search.reasons += [said] if said not in search.reasons else []
