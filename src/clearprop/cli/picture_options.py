"""The options of `clearprop train` that are of pictures, and whether pictures are what it was given."""

from __future__ import annotations

import argparse
from typing import Any


def is_pictorial(args: argparse.Namespace) -> bool:
    """Return whether the data are pictures: a folder or a known file, or `digits` with a network by name."""
    from clearprop.data.pictures import are_pictures

    return (args.data == "digits" and args.model is not None) or are_pictures(args.data)


def picture_options(parser: Any) -> None:
    """Add the options of pictures."""
    from clearprop.data.augment import CHANGES

    group = parser.add_argument_group("pictures, a folder for each class")
    add = group.add_argument
    add(
        "--size",
        metavar="HxW",
        help="size that pictures are brought to (default: their own, or 64 at the longer side)",
    )
    add("--color", choices=("grey", "rgb"), help="colours that are read (default: grey where all are)")
    change = f"what each picture is changed by while learning: {', '.join(CHANGES)} or none"
    add("--augment", metavar="CHANGES", help=f"{change} (default: shift, and flip where there are colours)")
    add("--skip-broken", action="store_true", help="leave out pictures that cannot be read, and say which")
