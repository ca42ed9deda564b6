"""Reading CSV tables: what is accepted, and what is refused with the line's number."""

import numpy as np
import pytest

from clearprop.data import read_table
from clearprop.data.cells import Spelling, as_number
from clearprop.errors import InputError


@pytest.fixture
def written(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        read_table(path, **options)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_the_first_line_holds_most_of(written, delimiter):
    table = read_table(written(f"a{delimiter}b{delimiter}c\n1{delimiter}2{delimiter}3\n"))

    assert table.columns == {"a": ["1"], "b": ["2"], "c": ["3"]}


def test_a_delimiter_inside_quotes_does_not_count(written):
    table = read_table(written('"a;b;c;d",e\n1,2\n'))

    assert list(table.columns) == ["a;b;c;d", "e"]


def test_a_single_column_needs_no_delimiter(written):
    assert read_table(written("a\n1\n2\n")).columns == {"a": ["1", "2"]}


def test_a_named_delimiter_is_taken_as_it_is(written):
    assert list(read_table(written("a b,c d\n1 2,3 4\n"), delimiter=" ").columns) == ["a", "b,c", "d"]
    assert "wants a delimiter of one character: ', '" in refusal(written("a\n1\n"), delimiter=", ")


def test_quoted_cells_hold_delimiters_quotes_and_line_breaks(written):
    table = read_table(written('name,text\nx,"a, ""b""\nc"\ny,z\n'))

    assert table.columns["text"] == ['a, "b"\nc', "z"]
    assert table.lines.tolist() == [2, 4]


def test_empty_lines_and_windows_line_ends_are_no_rows(written):
    table = read_table(written("a,b\r\n\r\n1,2\r\n\r\n3,4\r\n\r\n"))

    assert table.columns == {"a": ["1", "3"], "b": ["2", "4"]}
    assert table.lines.tolist() == [3, 5]


def test_a_byte_order_mark_is_not_part_of_the_first_name(written):
    assert list(read_table(written(b"\xef\xbb\xbfa,b\n1,2\n")).columns) == ["a", "b"]


def test_other_encodings_are_named(written):
    latin = written("ort,wert\nZürich,1\n".encode("latin-1"))

    assert read_table(latin, encoding="latin-1").columns["ort"] == ["Zürich"]
    assert refusal(latin) == (
        "reading FILE: wants text encoded as utf-8.\n"
        "  Line 2 holds bytes that do not belong to it.\n"
        "  Try --encoding latin-1."
    )
    assert "--encoding utf-16" in refusal(written("a,b\n1,2\n".encode("utf-16")))
    assert "--encoding utf-16-le" in refusal(written("a,b\n1,2\n".encode("utf-16-le")))
    assert "--encoding utf-16-be" in refusal(written("a,b\n1,2\n".encode("utf-16-be")))
    assert "does not know the encoding: 'klingon'" in refusal(latin, encoding="klingon")


def test_a_column_without_a_name_is_numbered(written):
    assert list(read_table(written(",b\n1,2\n")).columns) == ["column 1", "b"]


def test_missing_cells_become_nan(written):
    table = read_table(written("x,y\n1,a\n,b\nNA,c\nNaN,d\n?,e\nnull,f\n n/a ,g\n2.5e1,h\n"))
    values, text = table.numbers("x")

    np.testing.assert_array_equal(values, [1, *[np.nan] * 6, 25])
    assert text == []
    assert table.numbers("y")[1] == list(range(8))


@pytest.mark.parametrize("cell", ["inf", "-inf", "1_000", "1,5", "0x10", "1e999", "one"])
def test_what_is_not_a_finite_number_is_text(cell):
    assert as_number(cell) is None
    assert not Spelling().is_missing(cell)


def test_a_row_of_another_length_is_refused_with_its_line(written):
    path = written('a,b\n1,2\n"x\ny",4\n1,2,3\n')

    assert refusal(path) == (
        "reading FILE: line 5 has 3 cells, the first line has 2.\n"
        "  The delimiter is ','.\n"
        '  Try quotes around a cell that holds the delimiter ("a, b").'
    )
    assert "line 2 has 1 cell, the first line has 2" in refusal(written("a,b\n1\n"))


def test_an_open_quote_is_refused_with_its_line(written):
    message = refusal(written('a,b\n1,2\n"3,4\n5,6\n'))

    assert message.startswith("reading FILE: line 3 is not CSV")
    assert message.endswith("Try closing the quote that was opened there.")


def test_empty_tables_are_refused(written):
    nothing = "reading FILE: wants a line of column names and rows below it: the file is empty."

    assert refusal(written("")) == nothing
    assert refusal(written("\n \n")) == nothing
    assert refusal(written("a,b\n")) == "reading FILE: wants rows below the column names: there are none."


def test_a_first_line_of_numbers_is_not_taken_as_names(written):
    assert refusal(written("5.1,3.5,0\n4.9,3.0,1\n")) == (
        "reading FILE: wants the columns' names in its first line: '5.1,3.5,0', which are numbers.\n"
        "  Try a first line such as length,width,kind."
    )


def test_a_name_that_occurs_twice_is_refused(written):
    assert "'a' names columns 1 and 3" in refusal(written("a,b,a\n1,2,3\n"))


def test_files_that_cannot_be_read_are_refused(written, tmp_path):
    assert refusal(tmp_path / "none.csv") == "reading FILE: there is no such file."
    assert refusal(tmp_path) == "reading FILE: is a directory."
    assert "the file holds bytes of another kind" in refusal(written(b"PK\x03\x04\0\0a\0"))


def test_an_unknown_column_names_the_nearest(written):
    table = read_table(written("height,Weight\n1,2\n"))
    with pytest.raises(InputError) as caught:
        table.column("weigth", "the target")

    assert str(caught.value) == (
        f"{table.path}: has no column 'weigth', wanted as the target.\n"
        "  Its columns are 'height' and 'Weight'.\n"
        "  Try 'Weight'."
    )


def test_rows_keeps_the_line_numbers(written):
    part = read_table(written("a\n1\n2\n3\n")).rows([2, 0])

    assert (part.columns, part.lines.tolist(), len(part)) == ({"a": ["3", "1"]}, [4, 2], 2)


def test_decimal_commas_where_they_are_asked_for(written):
    table = read_table(written("a;b\n1,5;x,y\n-0,25;1,2,3\n"), decimal=",")

    assert table.numbers("a")[0].tolist() == [1.5, -0.25]
    assert table.columns["b"] == ["x,y", "1,2,3"]
