"""`Share`: the part of a table, of one file or many, that one of several processes reads.

Of Parquet files a process reads row groups of its own, of text a stretch of bytes. A stretch has to begin
where a row does, and inside a quoted cell a line's end is none: each process counts the quotes and the lines
of its own stretch, and all counts together tell each whether it begins inside of a cell, and on which line.
"""

from __future__ import annotations

import codecs
import glob
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import IO, Any, NamedTuple

from clearprop.data.cells import Spelling
from clearprop.data.reading.blocks import expected_rows, groups_of, parquet_rows
from clearprop.data.reading.delimited import Delimited
from clearprop.data.reading.sources import Source, source_of
from clearprop.data.tables import Table
from clearprop.errors import InputError, lesson

STEP = 1 << 20
TABLES = {".csv", ".tsv", ".parquet", ".pq"}
STATEFUL = ("utf-7", "utf-16", "utf-32", "iso2022", "hz", "cp037", "cp500")


class Alone:
    """The one process that there is, where there are no others."""

    rank, size = 0, 1

    def collect(self, thing: Any) -> list[Any]:
        """Return what all have."""
        return [thing]

    def sum(self, x: Any) -> Any:
        """Return the sum over all."""
        return x


def agreed(world: Any, work: Callable[[], Any]) -> Any:
    """Return what `work()` gives in this process; an InputError of one is raised in all."""
    result, failed = None, None
    try:
        result = work()
    except InputError as error:
        failed = str(error)
    failed = next((said for said in world.collect(failed) if said is not None), None)
    if failed is not None:
        raise InputError(failed)
    return result


def everywhere(world: Any, work: Callable[[], Any]) -> list[Any]:
    """Return what `work()` gives in all processes; an InputError of one is raised in all.

    >>> everywhere(Alone(), lambda: 3)
    [3]
    """
    return list(world.collect(agreed(world, work)))


def files_of(path: Any) -> list[Any]:
    """Return the files of a table: those of a folder, those that fit a pattern, or the one that is named.

    They are in the order of their names; those whose name begins with a dot or `_` are none of them. Raises
    InputError where there is none.
    """
    if isinstance(path, (list, tuple)):
        found = list(path)
    elif isinstance(path, (bytes, bytearray)) or hasattr(path, "read"):
        return [path]
    elif os.path.isdir(path):
        found = [os.path.join(path, name) for name in sorted(os.listdir(path)) if name[:1] not in "._"]
        found = [name for name in found if os.path.isfile(name)]
    elif is_pattern(path):
        found = [name for name in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(name)]
    else:
        return [path]
    if not found:
        raise InputError(lesson(f"reading {str(path)[:60]}", "wants files of a table", "there are none"))
    return found


def is_many(path: Any) -> bool:
    """Return whether a path stands for several files of one table: a pattern, or a folder of such files.

    Their names end with .csv, .tsv, .parquet or .pq, or with that of a packing behind it.
    """
    if not isinstance(path, (str, Path)) or not os.path.isdir(path):
        return isinstance(path, (str, Path)) and is_pattern(path)
    names = [name for name in os.listdir(path) if name[:1] not in "._"]
    return bool(names) and all(set(Path(name.lower()).suffixes[-2:]) & TABLES for name in names)


def is_pattern(path: Any) -> bool:
    """Return whether a path is no file, and has signs that stand for others.

    >>> is_pattern("parts/*.csv"), is_pattern("parts.csv")
    (True, False)
    """
    return glob.has_magic(str(path)) and not os.path.exists(path)


class Span(NamedTuple):
    """Rows `start` to `stop` of a Parquet file, or bytes of one of text, whose names stand in `head`.

    `ahead` is how many lines of the file stand between the names and the first row, `before` how many rows,
    or lines, the files before it have.
    """

    source: Source
    start: int
    stop: int
    before: int
    head: bytes = b""
    ahead: int = 0


@dataclass
class Share:
    """The part of a table that one process reads, and about how many rows all of them read.

    >>> share = Share.of(b"a,b\\n1,x\\n2,y\\n")
    >>> [table.columns["b"] for table in share.blocks(100)]
    [['x', 'y']]
    """

    name: str
    spans: list[Span]
    first: Source
    expected: int
    is_text: bool

    @classmethod
    def of(cls, path: Any, world: Any = None, encoding: str | None = None) -> Share:
        """Return the share of this process; `world` is its Communicator, if there are others.

        Raises InputError, in all of them, for what cannot be read.
        """
        world = world or Alone()
        files = everywhere(world, lambda: files_of(path))[0]
        is_text, expected = everywhere(world, lambda: _opened(files, encoding))[0]
        sources = [source_of(file) for file in files]
        name = str(path) if len(files) > 1 and isinstance(path, (str, Path)) else sources[0].name
        spans = (_stretches if is_text else _row_groups)(sources, world)
        return cls(name, spans, sources[0], expected, is_text)

    def blocks(
        self,
        rows: int,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        decimal: str | None = None,
        missing: Sequence[str] = (),
        day_first: bool | None = None,
    ) -> Iterator[Table]:
        """Yield the rows in pieces; one piece without a row where this process has none."""
        spelling = Spelling(decimal, tuple(word.strip() for word in missing), day_first)
        read = partial(_text_of, delimiter, encoding) if self.is_text else _parquet_of
        whole = Span(self.first, 0, 1 << 62, 0)
        given = False
        for span in self.spans:
            for table in read(spelling, rows, span):
                table.path, given = self.name, True
                yield table
        if not given:
            yield next(read(spelling, 1, whole)).rows([])


def _opened(files: list[Any], encoding: str | None) -> tuple[bool, int]:
    """Return whether files are text, and about how many rows they have; raises InputError for a mixture."""
    kinds: dict[bool, str] = {}
    expected = 0
    for file in files:
        source = source_of(file)
        begins = source.begins()
        if begins.startswith((b"ARROW1", b"\xff\xff\xff\xff", b"PK\x03\x04", b"\x93NUMPY", b"{", b"[")):
            wanted, hint = "is read in pieces from CSV or Parquet alone", "the file as Parquet"
            raise InputError(lesson(f"reading {source.name}", wanted, "a file of another format", hint=hint))
        kinds.setdefault(not begins.startswith(b"PAR1"), source.name)
        expected += expected_rows(file)
    if len(kinds) > 1:
        got = f"{kinds[True]} is text, {kinds[False]} is Parquet"
        raise InputError(lesson("reading a table", "wants files of one format", got))
    if True in kinds:
        _check_encoding(kinds[True], encoding)
    return True in kinds, expected


def _check_encoding(name: str, encoding: str | None) -> None:
    """Raise InputError where a byte of another letter may be that of a line's end."""
    try:
        known = codecs.lookup(encoding or "utf-8").name.replace("_", "-")
    except LookupError:
        return  # whoever reads the file says so
    if known.startswith(STATEFUL):
        wanted, hint = "wants an encoding whose lines can be told byte by byte", "the file as UTF-8"
        raise InputError(lesson(f"reading {name} in parts", wanted, str(encoding), hint=hint))


# --- Parquet ------------------------------------------------------------------------------------------------
def _row_groups(sources: list[Source], world: Any) -> list[Span]:
    """Return this process's row groups: it has those whose middle lies in its part of all rows."""
    first = world.rank == 0
    counts = everywhere(world, lambda: [groups_of(source) for source in sources] if first else None)[0]
    total = sum(map(sum, counts))
    found: list[Span] = []
    before = 0
    for source, groups in zip(sources, counts, strict=True):
        for rows, end in zip(groups, accumulate(groups), strict=True):
            middle = 2 * (before + end) - rows
            if rows and world.size * middle // (2 * total) == world.rank:
                last = found[-1] if found else None
                if last is not None and last.source is source and last.stop == end - rows:
                    found[-1] = last._replace(stop=end)
                else:
                    found.append(Span(source, end - rows, end, before))
        before += sum(groups)
    return found


def _parquet_of(spelling: Spelling, rows: int, span: Span) -> Iterator[Table]:
    for table in parquet_rows(span.source, rows, spelling, span.start, span.stop):
        table.lines = table.lines + span.before
        yield table


# --- text ---------------------------------------------------------------------------------------------------
class Tally(NamedTuple):
    """What a process counts in its bytes `start` to `stop` of a file: quotes, lines, odd ends of lines."""

    file: int
    start: int
    stop: int
    quotes: int
    lines: int
    returns: int


class FirstRow(NamedTuple):
    """Where in a file a process begins to read, and how many lines of the file are before that."""

    file: int
    start: int
    lines: int


def _stretches(sources: list[Source], world: Any) -> list[Span]:
    """Return this process's stretches of the files: all of them are about equally long, in bytes."""
    heads = everywhere(world, lambda: [_head(source) for source in sources])[0]
    for source, head in zip(sources, heads, strict=True):
        _check_ends(source, head.count(b"\r") - head.count(b"\r\n"))
    ends = everywhere(world, lambda: [_length(source) for source in sources])[0]
    wanted = _wanted([len(head) for head in heads], ends, world)
    tallied = everywhere(world, lambda: [_tally(sources[file], file, *part) for file, part in wanted])
    tallies = [tally for some in tallied for tally in some]
    for tally in tallies:
        _check_ends(sources[tally.file], tally.returns)
    own = [tally for tally in tallied[world.rank] if tally.stop > tally.start]
    places = everywhere(world, lambda: [_place(sources[t.file], t, heads, tallies) for t in own])
    own_places, next_ones = places[world.rank], [place for some in places[world.rank + 1 :] for place in some]
    return _spans(sources, heads, ends, tallies, own_places, next_ones)


def _check_ends(source: Source, returns: int) -> None:
    """Raise InputError where lines end as they once did on a Macintosh."""
    if returns:
        wanted, hint = "wants lines that end with \\n or \\r\\n", "the file with other ends of lines"
        got = f"{returns} of them end with \\r alone"
        raise InputError(lesson(f"reading {source.name} in parts", wanted, got, hint=hint))


def _wanted(starts: list[int], ends: list[int], world: Any) -> list[tuple[int, tuple[int, int]]]:
    """Return the bytes below the names that fall to this process, of each file that some of them are in."""
    sizes = [max(0, end - start) for start, end in zip(starts, ends, strict=True)]
    total, before = sum(sizes), 0
    low, high = (rank * total // world.size for rank in (world.rank, world.rank + 1))
    found = []
    for file, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        part = max(low - before, 0), min(high - before, size)
        if part[0] < part[1]:
            found.append((file, (start + part[0], start + part[1])))
        before += size
    return found


def _tally(source: Source, file: int, start: int, stop: int) -> Tally:
    quotes = lines = returns = 0
    was_return = False
    with source.reading() as stream:
        _go_to(stream, start)
        for block in _read(stream, stop - start):
            quotes += block.count(b'"')
            lines += block.count(b"\n")
            returns += block.count(b"\r") - block.count(b"\r\n") - (was_return and block[:1] == b"\n")
            was_return = block[-1:] == b"\r"
        returns -= was_return and stream.read(1) == b"\n"
    return Tally(file, start, stop, quotes, lines, returns)


def _place(source: Source, tally: Tally, heads: list[bytes], tallies: list[Tally]) -> FirstRow:
    """Return where the first row begins in the bytes that were tallied, or behind them."""
    before = [t for t in tallies if t.file == tally.file and t.start < tally.start]
    lines = heads[tally.file].count(b"\n") + sum(t.lines for t in before)
    quoted = sum(t.quotes for t in before) % 2
    place = tally.start
    with source.reading() as stream:
        _go_to(stream, place - 1)
        if place == len(heads[tally.file]) or (stream.read(1) == b"\n" and not quoted):
            return FirstRow(tally.file, place, lines)
        while line := stream.readline():
            place, quoted, lines = place + len(line), (quoted + line.count(b'"')) % 2, lines + 1
            if not quoted:
                break
    return FirstRow(tally.file, place, lines)


def _spans(
    sources: list[Source],
    heads: list[bytes],
    ends: list[int],
    tallies: list[Tally],
    own: list[FirstRow],
    next_ones: list[FirstRow],
) -> list[Span]:
    """Return the stretches from where this process begins to where the next one does."""
    lengths = [head.count(b"\n") for head in heads]
    for tally in tallies:
        lengths[tally.file] += tally.lines
    before = [0, *accumulate(length + 1 for length in lengths)]  # the last line of a file may lack its end
    found = []
    for place in own:
        later = (other.start for other in next_ones if other.file == place.file)
        head, source = heads[place.file], sources[place.file]
        ahead = place.lines - head.count(b"\n")
        stop = next(later, ends[place.file])
        found.append(Span(source, place.start, stop, before[place.file], head, ahead))
    return [span for span in found if _has_row(span)]


def _has_row(span: Span) -> bool:
    """Return whether a stretch has anything but empty lines."""
    with span.source.reading() as stream:
        _go_to(stream, span.start)
        return any(block.strip() for block in _read(stream, span.stop - span.start))


def _text_of(
    delimiter: str | None, encoding: str | None, spelling: Spelling, rows: int, span: Span
) -> Iterator[Table]:
    head = span.head or _head(span.source)
    start = max(span.start, len(head))
    part = Source(span.source.name, lambda: _stretch(span.source, head, start, span.stop))
    ahead = span.ahead if span.head else None
    if delimiter is None:  # a part has other lines than the whole, and they tell it
        delimiter = Delimited(span.source, None, encoding, spelling).delimiter
    reader = Delimited(part, delimiter, encoding, spelling, ahead=ahead)
    for table in reader.blocks(rows):
        table.lines = table.lines + span.before
        yield table


def _head(source: Source) -> bytes:
    """Return the bytes of a file up to the end of the row of names."""
    head = b""
    with source.reading() as stream:
        while line := stream.readline(STEP):
            head += line
            named = head.removeprefix(codecs.BOM_UTF8).strip()
            if named.lstrip(b'"').lower().startswith(b"sep=") and len(named) < 8:
                continue  # the delimiter, as Excel says it: the names are on the next line
            if (named and head.endswith(b"\n") and head.count(b'"') % 2 == 0) or len(head) >= STEP:
                break
    return head


def _length(source: Source) -> int:
    """Return how many bytes a file has; what is packed is unpacked for that."""
    if source.path is not None:
        return source.path.stat().st_size
    with source.reading() as stream:
        return sum(map(len, _read(stream, 1 << 62)))


def _go_to(stream: IO[bytes], place: int) -> None:
    if stream.seekable():
        stream.seek(place)
    else:
        for _ in _read(stream, place):
            pass


def _read(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield the next bytes, so many at most, in blocks."""
    while size > 0 and (block := stream.read(min(size, STEP))):
        size -= len(block)
        yield block


def _stretch(source: Source, head: bytes, start: int, stop: int) -> IO[bytes]:
    """Open a stretch of a file with the names above it."""
    stream = source.reading()
    _go_to(stream, start)
    return io.BufferedReader(_Stretch(stream, head, stop - start), STEP)


class _Stretch(io.RawIOBase):
    """Some bytes, and behind them the next ones of a stream."""

    def __init__(self, stream: IO[bytes], head: bytes, size: int) -> None:
        self.stream, self.head, self.left = stream, head, size

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        block, self.head = self.head[: len(buffer)], self.head[len(buffer) :]
        if not block:
            block = self.stream.read(min(len(buffer), self.left))
            self.left -= len(block)
        buffer[: len(block)] = block
        return len(block)
