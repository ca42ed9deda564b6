"""Options that say how a table is written: the same for every command that reads one."""

from __future__ import annotations

import argparse
from typing import Any

DATES = {"day-first": True, "month-first": False}


def spelling(parser: Any) -> None:
    """Add the options."""
    add = parser.add_argument
    add("--delimiter", help="what separates cells (default: found in the first line)")
    add("--encoding", help="how the file writes letters (default: utf-8)")
    add("--decimal", choices=(".", ","), help="the mark in numbers: 1.5 or 1,5 (default: each column tells)")
    add(
        "--missing",
        action="append",
        default=[],
        metavar="WORD",
        help="stands for a missing cell, as NA and - do (may be repeated)",
    )
    add(
        "--dates",
        choices=DATES,
        help="whether 1/2/2024 is in February or in January (default: the column tells)",
    )


def reading_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for as `read_table` takes it."""
    return {
        "delimiter": args.delimiter,
        "encoding": args.encoding,
        "decimal": args.decimal,
        "missing": tuple(args.missing),
        "day_first": DATES.get(args.dates),
    }


def told(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for as a model file keeps it."""
    asked = reading_options(args) | {"missing": list(args.missing)}
    return {name: value for name, value in asked.items() if value not in (None, [])}
