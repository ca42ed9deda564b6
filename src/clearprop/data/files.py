"""Files that are written whole or not at all: to a temporary name first, then moved into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from clearprop.errors import InputError, lesson


@contextmanager
def whole_file(path: str | Path, mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when the block ends well.

    Until then, and for good if the block raises, whatever stood at `path` stays as it was. `mode` is "w" or
    "wb"; `options` are those of `open`. Raises InputError where the system refuses.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with whole_file(path, "w") as file:
    ...     _ = file.write("1 2 3")
    >>> path.read_text()
    '1 2 3'
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(
            lesson(f"writing {path}", "wants the name of a file", "there is a directory of that name")
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(lesson(f"writing {path}", "cannot", _reason(error))) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty directory whose files move into the folder `path` when the block ends well.

    The folder is made where it is missing; files of the same names are replaced, all others left alone. If
    the block raises, nothing of it remains. Raises InputError where the system refuses, before the block is
    run if it can be known then.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(lesson(f"writing into {path}", "wants a directory", "there is a file of that name"))
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    stage = path / f".unfinished-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
    except OSError as error:
        _remove(stage, made)
        raise InputError(lesson(f"writing into {path}", "cannot", _reason(error))) from error
    try:
        yield stage
        for file in sorted(stage.iterdir()):
            if (path / file.name).is_dir():
                raise IsADirectoryError(None, f"{file.name} is a directory there")
        for file in sorted(stage.iterdir()):
            os.replace(file, path / file.name)
        made = []
    except BrokenPipeError:  # what the block prints to, not the folder
        raise
    except OSError as error:
        raise InputError(lesson(f"writing into {path}", "cannot", _reason(error))) from error
    finally:
        _remove(stage, made)


def _remove(stage: Path, made: list[Path]) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    for folder in made:  # the deepest first; one that somebody else has filled meanwhile stays
        try:
            folder.rmdir()
        except OSError:
            return


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
