"""That what a command writes takes the place of nothing that it reads, and of nothing else that it writes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clearprop.errors import InputError, lesson

FORCE = "replace files that clearprop did not write"
Named = Mapping[str, "str | Path | None"]


def force(parser: Any) -> None:
    """Add the option without which a file that is not clearprop's is never replaced."""
    parser.add_argument("--force", action="store_true", help=FORCE)


def apart(inputs: Named, outputs: Named, folders: Named | None = None) -> None:
    """Raise InputError where an output is an input or another output, or a file would have to be a directory.

    The names say what each path is: `{"--output": "out.csv"}`; None stands for a file that is not asked for.
    `folders` are the directories that are written into.
    """
    files = {f"{name} {path}": Path(path) for name, path in outputs.items() if path is not None}
    read = {f"{name} {path}": Path(path) for name, path in inputs.items() if path is not None}
    within = {f"{name} {path}": Path(path) for name, path in (folders or {}).items() if path is not None}
    for place, (name, path) in enumerate(files.items()):
        if path.exists() and not path.is_file() and not path.is_dir():
            continue  # /dev/null, a pipe
        earlier = list(files.items())[:place]
        for other, taken in (*read.items(), *earlier):
            if same_file(path, taken):
                raise _collision(name, other, "would be written over it")
        for other, taken in (*read.items(), *files.items(), *within.items()):
            if other != name and any(
                same_file(path, above) for above in (*_above(taken), *_is(other, taken, within))
            ):
                raise _collision(name, other, "would be a file where a directory is needed")
    for name, path in within.items():
        for other, taken in read.items():
            if any(same_file(above, taken) for above in (path, *_above(path))):
                raise _collision(name, other, "would be a directory in its place")


def read_below(path: str, outputs: Named) -> dict[str, str | Path | None]:
    """Return those of the files that a folder, or a file with others beside it, stands for which outputs are.

    Only what is there can be replaced, so a file costs one look at its number on the disk.
    """
    taken = {number for output in outputs.values() if (number := _number(output)) is not None}
    if not taken or path == "-":
        return {}
    if os.path.isdir(path):
        links = [entry.path for entry in os.scandir(path) if entry.is_dir() and entry.is_symlink()]
        walks = [walk for top in (path, *links) for walk in os.walk(top)]
    else:  # labels lie beside pictures
        folder = os.path.dirname(path) or "."
        walks = (
            [(folder, [], [n for n in os.listdir(folder) if "labels" in n])] if os.path.isdir(folder) else []
        )
    files = [os.path.join(folder, name) for folder, _, names in walks for name in names]
    return {f"the pictures, {file}": file for file in files if _number(file) in taken}


def _number(path: Any) -> tuple[int, int] | None:
    """Return what tells a file from all others, None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, TypeError):
        return None
    return found.st_dev, found.st_ino


def outside(path: str, outputs: Named) -> None:
    """Raise InputError for an output inside a folder whose folders are classes: it would be one of them."""
    for name, output in outputs.items():
        target = None if output is None else Path(os.path.realpath(output))
        if target is not None and any(same_file(above, Path(path)) for above in (target, *target.parents)):
            where = "A folder there would be a class, and a picture there one to learn from."
            hint = f"{name} {Path(os.path.relpath(Path(path).resolve().parent), 'out')}"
            raise InputError(
                lesson(f"{name} {output}", "would be among the pictures", str(path), where, hint)
            )


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, or would: through links, other spellings of a name, and `..`.

    >>> same_file(Path("a/../b.csv"), Path("./b.csv"))
    True
    """
    one, other = Path(os.path.realpath(one)), Path(os.path.realpath(other))
    if one == other:
        return True
    try:
        if one.exists() and other.exists():
            return os.path.samefile(one, other)
        if not os.path.samefile(one.parent, other.parent):
            return False
    except OSError:
        return False
    return _folded(one.name) == _folded(other.name) and _caseless(one.parent)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _caseless(folder: Path) -> bool:
    """Tell whether a folder takes names that differ in case alone for one."""
    turned = folder.with_name(folder.name.swapcase())
    if turned.name == folder.name:
        return False
    try:
        return os.path.samefile(folder, turned)
    except OSError:
        return False


def _above(path: Path) -> list[Path]:
    return list(Path(os.path.abspath(path)).parents)


def _is(name: str, path: Path, folders: Mapping[str, Path]) -> list[Path]:
    return [path] if name in folders else []


def _collision(name: str, other: str, what: str) -> InputError:
    where, hint = "Nothing was read or written.", "another name for the output"
    return InputError(lesson(name, what, other, where, hint))
