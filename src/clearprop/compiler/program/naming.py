"""Names in a text that is written: each stands for one thing."""

from __future__ import annotations

from collections.abc import Container


def free_name(wanted: str, *taken: Container[str]) -> str:
    """Return `wanted`, or the first of `wanted_2`, `wanted_3`, ... that is in none of `taken`.

    >>> free_name("w", {"w", "x"}, {"w_2"}), free_name("b", {"w"})
    ('w_3', 'b')
    """
    name, n = wanted, 1
    while any(name in names for names in taken):
        n += 1
        name = f"{wanted}_{n}"
    return name
