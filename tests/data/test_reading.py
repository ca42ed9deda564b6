"""Reading tables of every packing and format, and the faults that files have, each with its line."""

import bz2
import datetime
import gzip
import io
import json
import lzma
import os
import threading
import zipfile

import numpy as np
import pytest

from clearprop.data import inspection, read_blocks, read_table
from clearprop.data.cells import Numbers, Words
from clearprop.errors import InputError

PLAIN = b"a,town\n1,Oslo\n2.5,Rome\n,Lima\n"


def zipped(content, name="t.csv"):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(name, content)
    return held.getvalue()


def refusal(content, **options):
    with pytest.raises(InputError) as caught:
        read_table(io.BytesIO(content) if isinstance(content, bytes) else content, **options)
    return str(caught.value)


PACKED = {"plain": PLAIN, "gzip": gzip.compress(PLAIN), "bzip2": bz2.compress(PLAIN), "xz": lzma.compress(PLAIN),
          "zip": zipped(PLAIN), "gzip in zip": zipped(gzip.compress(PLAIN))}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_are_known_by_their_content(tmp_path, name):
    (tmp_path / "whatever.txt").write_bytes(PACKED[name])
    for given in (
        tmp_path / "whatever.txt",
        str(tmp_path / "whatever.txt"),
        io.BytesIO(PACKED[name]),
        PACKED[name],
    ):
        table = read_table(given)

        np.testing.assert_array_equal(table.numbers("a")[0], [1, 2.5, np.nan])
        assert table.columns["town"] == ["Oslo", "Rome", "Lima"]
        assert table.lines.tolist() == [2, 3, 4]


# fmt: off
DELIMITERS = [
    ("price, EUR;weight, kg\n1,5;2,25\n2,75;3,5\n",      ";",  ["price, EUR", "weight, kg"]),
    ("price, EUR;weight, kg\n1,5;2,25\n2,75;3\n",        ";",  ["price, EUR", "weight, kg"]),
    ("a,b;c\n1,2\n3,4\n",                                ",",  ["a", "b;c"]),
    ("a;b,c;d\n1,2\n3,4\n",                              ",",  ["a;b", "c;d"]),
    ('a,"b;c;d"\n1,"2\n3"\n4,5\n',                      ",",  ["a", "b;c;d"]),
    ("a\tb, c, d\n1\t2\n3\t4, 5\n",                   "\t", ["a", "b, c, d"]),
]
# fmt: on


@pytest.mark.parametrize(("text", "mark", "names"), DELIMITERS)
def test_the_delimiter_stands_equally_often_in_each_of_the_first_lines(text, mark, names):
    table = read_table(text.encode())

    assert (table.delimiter, list(table.cells)) == (mark, names)


def test_a_dash_is_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PACKED["gzip"])))

    assert read_table("-").columns["town"] == ["Oslo", "Rome", "Lima"]


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_packed_files_that_are_cut_short_are_called_by_their_packing(name):
    assert f"is packed by {name}, and damaged or cut short" in refusal(PACKED[name][:-12])


# fmt: off
FOREIGN = [
    (b"\xd0\xcf\x11\xe0 old",            "an Excel workbook of the old kind (.xls)"),
    (zipped(b"", "[Content_Types].xml"), "an Excel workbook or another office document"),
    (b"%PDF-1.7 ...",                    "a PDF document"),
    (b"SQLite format 3\0",               "an SQLite database"),
    (b"\x89PNG\r\n",                     "a picture (PNG)"),
]
# fmt: on


@pytest.mark.parametrize(("content", "what"), FOREIGN)
def test_files_of_other_programs_are_called_by_their_name(content, what):
    assert f"wants a table: it is {what}" in refusal(content)


def test_a_zip_file_of_several_tables_is_refused_with_their_names():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("one.csv", "a\n1\n")
        archive.writestr("two.csv", "a\n1\n")

    assert "wants one table in a zip file: 2 files: one.csv, two.csv" in refusal(held.getvalue())


# fmt: off
FAULTS = [
    ("a,b,c\n1,2,3\n4,5\n",        "line 3 has 2 cells, the first line has 3",     "The last cell that is there is '5', of the column 'b'."),
    ("a,b\n1,2\n3,4,5\n",          "line 3 has 3 cells, the first line has 2",     'quotes around a cell'),
    ("a,b\n1,2\n# made in May\n",  "line 3 has 1 cell, the first line has 2",      "It looks like a comment: '# made in May'"),
    ("# made in May\na,b\n1,2\n",  "line 2 has 2 cells, the first line has 1",     "The first line looks like a comment: '# made in May'"),
    ("a,b\n1,2,\n3,4,x\n",         "line 3 has 3 cells, the first line has 2",     "Try quotes"),
    ("a,b\n1,2,\n3,4\n",           "line 3 does not end with the delimiter ','",   "one way to end"),
    ("a,b\n1,2\n3,4,\n",           "line 3 has 3 cells, the first line has 2",     "It ends with a delimiter."),
    ("a,b\nr1,1,2\nr2,3,4\n",      "line 2 has 3 cells, the first line has 2",     "the first line lacks a name for the first column"),
    ("a,b\n1,2\n3,4\0\n",          "line 3 holds a NUL byte",                      ""),
    ('a,b\n1,2\n"3,4\n5,6\n',      "line 3 is not CSV",                            "closing the quote that was opened there"),
    ("a,b,a\n1,2,3\n",             "'a' names columns 1 and 3",                    ""),
    ("1,2\n3,4\n",                 "wants the columns' names in its first line",   ""),
    ("",                           "the file is empty",                            ""),
    ("a,b\n",                      "wants rows below the column names",            ""),
]
# fmt: on


@pytest.mark.parametrize(("content", "wanted", "more"), FAULTS)
def test_faults_name_the_line_and_the_cause(content, wanted, more):
    message = refusal(content.encode())

    assert wanted in message
    assert more in message


def test_a_fault_far_down_names_its_line():
    content = "a,b\n" + "1,2\n" * 9000 + '"x\ny",3\n' + "1\n"

    assert "line 9004 has 1 cell, the first line has 2" in refusal(content.encode())
    assert "Line 9003 holds bytes that do not belong to it" in refusal(
        b"a,b\n" + b"1,2\n" * 9001 + b"\xfc,3\n"
    )


def test_what_begins_as_numbers_and_turns_to_words_keeps_its_first_cells():
    cells = ["1.50", "007"] + ["2"] * 9000 + ["soon"]
    table = read_table(io.StringIO("a,b\n" + "".join(f"{cell},1\n" for cell in cells)))

    assert table.columns["a"] == cells
    assert isinstance(table.cells["b"], Numbers)


@pytest.mark.parametrize(("cells", "kind"), [
    (["1", "2.5", "-3e2"], Numbers), (["0.5", "0", "-0.25"], Numbers), (["1", "NA", ""], Numbers),
    (["007", "8"], Words), (["1_000", "2"], Words), (["12345678901234567890", "1"], Words), (["1e400", "1"], Words),
    (["inf", "1"], Words), (["yes", "no"], Words), ([" 01", "2"], Words),
])  # fmt: skip
def test_numbers_whose_text_matters_stay_words(cells, kind):
    table = read_table(io.StringIO("b,a\n" + "".join(f"x,{cell}\n" for cell in cells)))

    assert type(table.cells["a"]) is kind
    if kind is Words:
        assert table.columns["a"] == cells


def test_every_cell_is_text_where_it_is_asked_for():
    table = read_table(io.StringIO("a;b\n1.50;x\n2;y\n"), verbatim=True)

    assert table.columns == {"a": ["1.50", "2"], "b": ["x", "y"]}


@pytest.mark.parametrize("mark", ["^", "~", " ", "\\t", "tab", "\x1f"])
def test_any_delimiter(mark):
    written = {"\\t": "\t", "tab": "\t"}.get(mark, mark)

    assert read_table(io.StringIO(f"a{written}b\n1{written}2\n"), delimiter=mark).columns == {
        "a": ["1"],
        "b": ["2"],
    }


def test_json_lines_and_arrays_of_objects():
    rows = [{"a": 1, "b": "x", "c": True}, {"a": None, "b": "y"}, {"a": 2.5, "c": False}]
    for text in ("\n".join(map(json.dumps, rows)), json.dumps(rows, indent=1)):
        table = read_table(io.StringIO(text))

        np.testing.assert_array_equal(table.numbers("a")[0], [1, np.nan, 2.5])
        assert (table.columns["b"], table.columns["c"]) == (["x", "y", ""], ["true", "", "false"])
    assert "line 2 is not JSON" in refusal(b'{"a": 1}\n{"a": \n')
    assert "wants an object of numbers and texts in each line: line 1 holds" in refusal(b'{"a": [1, 2]}\n')


def test_arrays_of_numpy(tmp_path):
    np.savez(tmp_path / "t.npz", x=np.arange(6.0).reshape(3, 2), y=np.array(["p", "q", "p"]))
    table = read_table(tmp_path / "t.npz")

    assert table.columns == {"x[0]": ["0", "2", "4"], "x[1]": ["1", "3", "5"], "y": ["p", "q", "p"]}
    np.savez(tmp_path / "u.npz", x=np.arange(3), y=np.arange(4))
    assert "wants arrays of one length: 'x' has 3 rows, 'y' has 4 rows" in refusal(tmp_path / "u.npz")
    np.savez(tmp_path / "o.npz", x=np.array([object()]))
    assert "Object arrays cannot be loaded" in refusal(tmp_path / "o.npz")


class Frame(dict):
    """A frame as other libraries have them: columns by name, each with `to_numpy`."""

    columns = property(lambda self: list(self.keys()))


def test_frames_keep_their_types():
    days = np.array(["2024-01-01", "NaT"], "datetime64[ns]")
    table = read_table(
        Frame(a=[1, None], when=days, s=["x", None], flag=np.array([True, False]), big=[2**60, 1])
    )

    assert {name: type(cells).__name__ for name, cells in table.cells.items()} == {
        "a": "Numbers", "when": "Moments", "s": "Words", "flag": "Words", "big": "Words",
    }  # fmt: skip
    assert (table.columns["s"], table.columns["flag"]) == (["x", ""], ["true", "false"])
    assert table.at(0) == "in row 0"


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames_of_the_libraries(library):
    made = pytest.importorskip(library)
    columns = {"n": [1, None, 3], "x": [0.5, 1.5, None], "s": ["a", None, "b"], "t": [True, False, None]}
    frame = made.table(columns) if library == "pyarrow" else made.DataFrame(columns)
    table = read_table(frame)

    np.testing.assert_array_equal(table.numbers("n")[0], [1, np.nan, 3])
    np.testing.assert_array_equal(table.numbers("x")[0], [0.5, 1.5, np.nan])
    assert (table.columns["s"], table.columns["t"]) == (["a", "", "b"], ["true", "false", ""])


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_parquet_and_arrow_files(tmp_path, kind):
    arrow = pytest.importorskip("pyarrow")
    writer = pytest.importorskip(f"pyarrow.{kind}")
    write = writer.write_table if kind == "parquet" else writer.write_feather
    write(arrow.table({"n": [1, 2, None], "s": ["a", "b", None]}), tmp_path / "t.bin")
    table = read_table(tmp_path / "t.bin")

    np.testing.assert_array_equal(table.numbers("n")[0], [1, 2, np.nan])
    assert table.columns["s"] == ["a", "b", ""]


def test_without_a_library_a_parquet_file_says_what_to_install(monkeypatch):
    for name in ("pyarrow", "pyarrow.parquet", "polars"):
        monkeypatch.setitem(__import__("sys").modules, name, None)

    assert refusal(b"PAR1" + bytes(20)).endswith("Try pip install 'clearprop[tables]'.")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("name", PACKED)
def test_a_pipe_is_read_once(tmp_path, name):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(PACKED[name],))
    writer.start()
    table = read_table(pipe)
    writer.join(10)

    assert table.columns["town"] == ["Oslo", "Rome", "Lima"]


@pytest.mark.parametrize("first", ["a,b,y", "a,b,y,"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_delimiter_at_the_end_of_every_line_is_understood_and_said(first, quote, mark):
    lines = [first, *(f"{i},{quote}{i % 3}{quote},{['no', 'yes'][i % 2]}," for i in range(40))]
    content = ("\n".join(lines) + "\n").replace(",", mark).encode()
    for table in (read_table(content), next(iter(read_blocks(content, 10)))):
        assert table.columns["a"][:3] == ["0", "1", "2"]
        found = inspection.inspect(table, "y").findings["column 4"]
        assert (found.kind, found.used) == ("empty", False)
        assert found.says == ["left out: it has no name and no cell, every line ends with the delimiter"]


def test_a_column_without_a_name_that_has_cells_is_read():
    lines = ["a,b,y,", *(f"{i},{i % 3},{['no', 'yes'][i % 2]},{i % 4}" for i in range(40))]
    found = inspection.inspect(read_table("\n".join(lines).encode()), "y").findings["column 4"]
    assert (found.kind, found.used) == ("number", True)


def test_a_column_behind_the_last_delimiter_takes_no_name_that_is_taken():
    table = read_table(b"a,column 3\n1,2,\n3,4,\n")
    assert table.columns == {"a": ["1", "3"], "column 3": ["2", "4"], "column 4": ["", ""]}


@pytest.mark.parametrize("begins", [b"sep=;\n", b'"sep=;"\r\n', b"\xef\xbb\xbfSEP=;\n\n"])
@pytest.mark.parametrize("cell", [b"2", b'"2"'])
def test_a_line_that_says_the_delimiter_is_none_of_names(begins, cell):
    given = begins + b"a,b;c\n1;" + cell + b"\n"
    line = 4 if begins.endswith(b"\n\n") else 3
    for table in (read_table(given), *read_blocks(given, 1), read_table(given, delimiter=";")):
        assert dict(table.columns) == {"a,b": ["1"], "c": ["2"]}
        assert table.lines.tolist() == [line]
    with pytest.raises(InputError, match="the file is empty"):
        read_table(begins)


def test_the_encoding_that_is_offered_has_the_bytes():
    for text, encoding in (("5 €", "cp1252"), ("Müller", "latin-1")):
        with pytest.raises(InputError, match=f"Try --encoding {encoding}"):
            read_table(f"a,b\n1,{text}\n".encode(encoding))


def test_spans_of_time_are_seconds_and_bytes_are_text():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    spans = [datetime.timedelta(hours=1), None, datetime.timedelta(days=1, microseconds=5)]
    words = [b"caf\xc3\xa9", None, b"\xff"]
    for frame in (
        pandas.DataFrame({"t": pandas.to_timedelta(spans), "w": words}),
        polars.DataFrame({"t": spans, "w": words}),
        polars.DataFrame({"t": spans, "w": words}).lazy(),
        arrow.table({"t": spans, "w": words}),
        {"t": np.array(spans, "timedelta64[us]"), "w": words},
    ):
        table = read_table(frame)
        np.testing.assert_array_equal(table.numbers("t")[0], [3600, np.nan, 86400.000005])
        assert table.columns["w"] == ["caf\u00e9", "", "\\xff"]


def test_months_have_no_length_in_seconds():
    with pytest.raises(InputError, match=r"wants spans of time of a known length: timedelta64\[M\]"):
        read_table({"t": np.array([1, 2], "timedelta64[M]")})


def test_lists_in_cells_are_text():
    frames = [{"a": [[1], [2]]}]
    for name in ("pandas", "polars"):
        frames.append(pytest.importorskip(name).DataFrame({"a": [[1], [2]]}))
    for frame in frames:
        assert read_table(frame).columns["a"] == ["[1]", "[2]"]


@pytest.mark.parametrize(("given", "got"), [
    ([[1, 2], [3, 4]], "list"),
    (np.zeros((2, 2)), "ndarray"),
    (None, "NoneType"),
    (7, "int"),
])  # fmt: skip
def test_what_is_no_table_is_refused(given, got):
    with pytest.raises(InputError, match=rf"wants a path, bytes, an open file or a frame: {got}"):
        read_table(given)


def test_a_column_alone_is_refused():
    pytest.importorskip("pyarrow")
    with pytest.raises(InputError, match="wants columns with names"):
        read_table(pytest.importorskip("pandas").Series([1, 2], name="q"))


def test_json_is_text_in_utf_8_and_lines_end_at_a_line_feed():
    table = read_table('{"a":"x\u2028y","b":1}\r\n{"a":"\x85z","b":2}\n'.encode())
    assert table.columns["a"] == ["x\u2028y", "\x85z"]
    with pytest.raises(InputError, match=r"Line 2 holds other bytes"):
        read_table(b'{"a":1}\n{"a":"\xe9"}\n')
