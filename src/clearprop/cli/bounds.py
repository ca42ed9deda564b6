"""That the numbers given with options make sense: one check, and one way of saying what is wrong."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from clearprop.errors import InputError, lesson


def within(args: argparse.Namespace, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raise InputError where an option's number is outside of its bounds, both allowed, or is no number.

    >>> within(argparse.Namespace(digits=6, jobs=None), {"digits": (1, 17), "jobs": (1, 1000)})
    """
    for name, (low, high) in bounds.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            option = "--" + name.replace("_", "-")
            wanted = f"wants a number of {low:g} or more" if not value >= low else f"is {high:g} at most"
            nearest = high if value > high else low
            hint = f"{option} {nearest:g}" if nearest else ""
            raise InputError(lesson(option, wanted, f"{value:g}", hint=hint))
