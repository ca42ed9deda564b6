"""Files that are written whole or not at all, and that replace nothing that a person may miss.

Everything that clearprop writes goes through `whole_file`: to a temporary name in the same folder, flushed to
the disk, moved into place, and the folder flushed after it. Whenever the power fails, the old file is there
or the new one, never a part.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from clearprop.errors import InputError, UnwritableError, lesson

Ours = Callable[[bytes], bool]
"""Tells by the first bytes of a file whether clearprop wrote it, and as the same kind of file."""
_LOOKED_AT = 16384  # bytes of a file's beginning
_ROOM = ".room"
_numbers = itertools.count()


@contextmanager
def whole_file(
    path: str | Path, mode: str = "wb", ours: Ours | None = None, **options: Any
) -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when the block ends well.

    Until then, and for good if the block raises, whatever stood at `path` stays as it was; a link is
    followed, and permissions are kept. `mode` is "w" or "wb"; `options` are those of `open`. Raises
    InputError where the system refuses, and for a file that is there and not `ours`, where that is given.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with whole_file(path, "w") as file:
    ...     _ = file.write("1 2 3")
    >>> path.read_text()
    '1 2 3'
    """
    target = replaceable(path, ours)
    temporary = target if _is_device(target) else _beside(target)
    try:
        with open(temporary, mode, **options) as file:
            yield file
            _to_disk(file)
        if temporary != target:
            _move(temporary, target)
            flush_folder(target.parent)
    except InputError:
        raise
    except OSError as error:
        raise UnwritableError(_cannot(path, error)) from error
    finally:
        if temporary != target:
            _discard(temporary)


@contextmanager
def whole_files(paths: Mapping[str | Path, Ours | None]) -> Iterator[list[IO[bytes]]]:
    """Open files that belong together: all appear under their names when the block ends well, or none.

    `paths` are their names, and what tells of each whether a file of that name may be replaced.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with whole_files({folder / "a": None, folder / "b": None}) as (a, b):
    ...     _ = a.write(b"1"), b.write(b"2")
    >>> sorted(path.name for path in folder.iterdir())
    ['a', 'b']
    """
    with ExitStack() as stack:
        files = [stack.enter_context(whole_file(path, ours=ours)) for path, ours in paths.items()]
        yield files
        for file in files:  # before the first is moved: the disk may be too full for the last
            _to_disk(file)


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # a device is not flushed
        os.fsync(file.fileno())


def replaceable(path: str | Path, ours: Ours | None = None) -> Path:
    """Return the file that `path` leads to through links, where it may be written.

    Raises InputError for a directory, for a file that may not be written to, and for one with something in it
    that is not `ours` (see `clearprop.marks`), where that is given.
    """
    called = f"writing {path}"
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise UnwritableError(
                lesson(called, "wants the name of a file", "there is a directory of that name")
            )
        if not target.exists() or _is_device(target):
            return target
        if not os.access(target, os.W_OK):
            raise UnwritableError(lesson(called, "the file is read-only", "", "It was left as it was."))
        if ours is None:
            return target
        with open(target, "rb") as file:
            begins = file.read(_LOOKED_AT)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise UnwritableError(_cannot(path, error)) from error
    if begins and not ours(begins):
        wanted, got = "replaces only what clearprop wrote there before", "there is another file of that name"
        hint = "another name, or --force (overwrite=True in Python) if that file is not needed"
        raise UnwritableError(lesson(called, wanted, got, "It was left as it was.", hint))
    return target


def make_room(path: str | Path, size: int) -> None:
    """Raise InputError now where a file of so many bytes could not be written to `path` later."""
    target = replaceable(path)
    if _is_device(target):
        raise UnwritableError(lesson(f"writing {path}", "wants the name of a file", "it is a device"))
    temporary = _beside(target)
    try:
        _fill(temporary, size)
    except OSError as error:
        raise UnwritableError(_cannot(path, error)) from error
    finally:
        _discard(temporary)


def _may_hold(path: Path, ours: Mapping[str, Ours | None]) -> None:
    """Complain where these names cannot be written into a folder, or would replace what is not ours."""
    if path.exists() and not path.is_dir():
        raise UnwritableError(
            lesson(f"writing into {path}", "wants a directory", "there is a file of that name")
        )
    for name, is_ours in ours.items():
        if (path / name).is_dir():
            what = f"{name} is a directory there"
            raise UnwritableError(lesson(f"writing into {path}", what, "", "Nothing was written."))
        replaceable(path / name, is_ours)


@contextmanager
def whole_folder(
    path: str | Path, ours: Mapping[str, Ours | None] | None = None, room: int = 0
) -> Iterator[Path]:
    """Yield an empty directory whose files move into the folder `path` when the block ends well.

    The folder is made where it is missing; files of the same names are replaced, all others left alone. If
    the block raises, nothing of it remains. Raises InputError where the system refuses, before the block is
    run if it can be known then; `room` is how many bytes are held until `free_room(stage)`, and `ours` tells
    of each name that will be written whether a file of that name may be replaced.
    """
    path = Path(path)
    _may_hold(path, ours or {})
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    stage = path / f".unfinished-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        if room:
            _fill(stage / _ROOM, room)
    except (OSError, InputError) as error:
        _remove(stage, made)
        if isinstance(error, InputError):
            raise
        raise UnwritableError(lesson(f"writing into {path}", _reason(error))) from error
    try:
        yield stage
        free_room(stage)
        for file in stage.iterdir():
            if (path / file.name).is_dir():
                raise IsADirectoryError(None, f"{file.name} is a directory there")
        files = [(file, replaceable(path / file.name)) for file in sorted(stage.iterdir())]
        for file, target in files:
            _move(file, target)
        flush_folder(path)
        made = []
    except (BrokenPipeError, InputError):  # what the block prints to, not the folder
        raise
    except OSError as error:
        raise UnwritableError(lesson(f"writing into {path}", _reason(error))) from error
    finally:
        _remove(stage, made)


def free_room(stage: Path) -> None:
    """Give back what `whole_folder(room=)` held, for the files that it was held for."""
    (stage / _ROOM).unlink(missing_ok=True)


def _fill(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        for start in range(0, size, 1 << 20):
            file.write(bytes(min(1 << 20, size - start)))
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Have the disk remember the names in a folder; a system that cannot (Windows) does so by itself."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _beside(target: Path) -> Path:
    """Return a name in the same folder that nobody else uses; not longer than a name may be."""
    short = os.fsencode(target.name)[:150].decode(errors="ignore")
    return target.with_name(f".{short}.{os.getpid()}-{next(_numbers)}.tmp")


def _move(file: Path, target: Path) -> None:
    """Move a file into place; it takes over the permissions and the owner of the one that it replaces."""
    if target.exists():
        old = target.stat()
        os.chmod(file, stat.S_IMODE(old.st_mode))
        if hasattr(os, "chown") and (old.st_uid, old.st_gid) != (file.stat().st_uid, file.stat().st_gid):
            with suppress(OSError):
                os.chown(file, old.st_uid, old.st_gid)
    os.replace(file, target)


def _is_device(path: Path) -> bool:
    """Whether a name stands for something that is written to but never replaced: /dev/null, a pipe."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _discard(file: Path) -> None:
    with suppress(OSError):  # none was made where the name itself cannot be
        file.unlink()


def _remove(stage: Path, made: list[Path]) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    for folder in made:  # the deepest first; one that somebody else has filled meanwhile stays
        try:
            folder.rmdir()
        except OSError:
            return


def _cannot(path: str | Path, error: Exception) -> str:
    return lesson(f"writing {path}", _reason(error), "", "Nothing was written.")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
