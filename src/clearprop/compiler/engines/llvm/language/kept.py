"""Machine code kept on disk from process to process, found again by what it was made from.

`CLEARPROP_CACHE` names the folder (`off`: none); else it is `clearprop` below the user's folder of caches. An
entry is the hash of its name and the machine code, and the machine code: one that was damaged, or that stands
under another's name, is not used. Entries are
written beside their place and moved there, so that nobody reads half of one, and the oldest go when all
together take more than `LIMIT` bytes; that is looked at after every sixteenth entry or so, for it takes as
long as there are entries. A folder that others may write to is not used: what is in it is run.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

LIMIT = 256 << 20
RARE = 16  # of so many keys as _DIGITS tell apart, those after which it is looked at how much is kept
_DIGITS = 2
_HASH = hashlib.sha256().digest_size


def key_of(*parts: str) -> str:
    """Return the name of what is made from these parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def folder() -> Path | None:
    """Return the folder of kept code, made if it is not there; None where there can be none."""
    named = os.environ.get("CLEARPROP_CACHE", "")
    if named.lower() in ("off", "0", "none"):
        return None
    try:
        place = Path(named).expanduser() if named else _caches() / "clearprop"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.stat()
    except (OSError, RuntimeError):  # no home
        return None
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return place if mine and not found.st_mode & 0o022 else None


def _caches() -> Path:
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given) if os.path.isabs(given) else Path.home() / ".cache"


def find(key: str) -> bytes | None:
    """Return what is kept under a key, None if that is nothing, or damaged."""
    place = folder()
    if place is None:
        return None
    try:
        entry = (place / key).read_bytes()
        os.utime(place / key)  # used now: others are older
    except OSError:
        return None
    code = entry[_HASH:]
    return code if _mark(key, code) == entry[:_HASH] else None


def put(key: str, code: bytes) -> None:
    """Keep machine code under a key; where that cannot be, nothing happens."""
    place = folder()
    if place is None:
        return
    try:
        handle, beside = tempfile.mkstemp(dir=place, prefix="new.")
        with os.fdopen(handle, "wb") as file:
            file.write(_mark(key, code) + code)
        os.replace(beside, place / key)
        if int(key[:_DIGITS], 16) < RARE:
            _tidy(place)
    except OSError:  # a full disk, a folder that cannot be written
        return


def _mark(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _tidy(place: Path) -> None:
    """Remove the oldest entries, down to three quarters of the limit, if all take more than that."""
    with os.scandir(place) as entries:
        found = sorted((e.stat().st_mtime, e.stat().st_size, e.path) for e in entries if e.is_file())
    total = sum(size for _, size, _ in found)
    goal = LIMIT * 3 // 4 if total > LIMIT else total
    for _, size, path in found[:-1]:
        if total <= goal:
            break
        Path(path).unlink(missing_ok=True)
        total -= size
