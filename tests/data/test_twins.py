"""Rows on both sides of a split are counted, whatever their cells are."""

import numpy as np
import pytest

from clearprop.cli import main
from clearprop.data import Table
from clearprop.data.cells import Moments, Numbers
from clearprop.data.twins import Twins, row_codes, rows_known


def test_rows_are_equal_where_all_cells_are():
    number = Numbers(np.array([1.0, np.nan, 0.0, 1.0, -np.nan, -0.0, 1.0]))
    town = ["a", "b", "", "a", "b", "", "b"]
    day = Moments(np.array(["2024-02-29", "NaT", "2024-03-01"] * 2 + ["2024-02-29"], "datetime64[s]"))
    table = Table("t", {"number": number, "town": town, "day": day})

    codes = row_codes(table, table.cells)
    np.testing.assert_array_equal(codes[:3], codes[3:6])
    assert len(set(codes.tolist())) == 4
    assert rows_known(table, table.cells, [0, 1, 2], [3, 4, 5, 6]) == 3
    assert rows_known(table, ["number", "day"], [0, 1, 2], [3, 4, 5, 6]) == 4
    assert rows_known(table, table.cells, [], [3]) == rows_known(table, table.cells, [3], []) == 0


def test_as_many_as_a_plain_count_of_tuples():
    rng = np.random.default_rng(0)
    columns = {f"c{i}": [str(x) for x in rng.integers(0, 3, 500)] for i in range(5)}
    rows = list(zip(*columns.values(), strict=True))
    learned, held = np.arange(300), np.arange(300, 500)
    known = set(rows[:300])
    assert rows_known(Table("t", columns), columns, learned, held) == sum(r in known for r in rows[300:])


def test_numbers_are_numbers_however_they_are_read():
    words = Table("t", {"x": ["1.0", "", "x ", "007", "-0"]})
    held = Twins(["x"], words)
    held.see(Table("t", {"x": Numbers(np.array([1.0, np.nan, 0.0]))}))
    assert held.met.tolist() == [True, True, False, False, True]
    held.see(Table("t", {"x": ["7", "x"]}))
    assert held.count == 4
    held.see(Table("t", {"x": ["007"]}))
    assert held.count == 5
    assert Twins(["x"], words.rows([])).count == 0


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize("twice", [True, False])
def test_the_terminal_and_the_report_say_how_many(tmp_path, capsys, twice, stream):
    lines = [f"{i},{i * 7 % 31}.25,{'ab'[i % 2]}" for i in range(60)]
    lines += [f"{i + 100},{line.partition(',')[2]}" for i, line in enumerate(lines)] if twice else []
    (tmp_path / "t.csv").write_text("\n".join(["number,x,y", *lines]) + "\n")
    made = [str(tmp_path / "t.csv"), "--target", "y", "--output", str(tmp_path / "o"), "--plain"]
    assert main(["train", *made, "--epochs", "2", "--ignore", "number", "--compile", "no", *stream]) == 0
    out = capsys.readouterr().out.replace("\n           ", "")
    page = (tmp_path / "o" / "report.html").read_text()
    said = "rows that are learned from too"

    assert (said in out) == (said in page) == twice
    assert ("of 24 rows to test on" in page) == (twice and not stream)
