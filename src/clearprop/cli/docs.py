"""`clearprop docs`: opens the manual, from the folder it was built into or from the web."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from clearprop.cli.helping import Paragraphs
from clearprop.errors import InputError, lesson

BUILT = Path("out") / "manual"
EXAMPLES = """\
  clearprop docs                 opens the manual: out/manual here, or else the web's
  clearprop docs FOLDER          opens one that `make docs` has built
  clearprop docs --print         prints where it is"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = Paragraphs
    parser.epilog = EXAMPLES
    parser.add_argument("folder", nargs="?", type=Path, help="a manual on the disk, built by `make docs`")
    parser.add_argument("--print", action="store_true", help="print the address and open nothing")


def run(args: argparse.Namespace) -> int:
    """Open the manual, and print its address."""
    address = _address(args.folder)
    sys.stdout.write(address + "\n")
    if not args.print and not webbrowser.open(address):
        sys.stderr.write("clearprop docs: there is no browser to open it with\n")
        return 1
    return 0


def _address(folder: Path | None) -> str:
    for place in [folder] if folder else [BUILT]:
        page = place / "index.html" if place.is_dir() else place
        if page.is_file():
            return str(page.resolve().as_uri())
    if folder:
        hint = f"make docs, which builds it into {BUILT}"
        raise InputError(
            lesson("clearprop docs FOLDER", "wants a folder with index.html", f"{folder}", hint=hint)
        )
    try:
        urls: list[str] = metadata("clearprop").get_all("Project-URL") or []
    except PackageNotFoundError:  # the source alone, on the path
        urls = []
    known = dict(line.split(", ", 1) for line in urls)
    return known.get("Documentation", "https://github.com/clearprop/clearprop/blob/main/docs/README.md")
