"""What a column is: numbers in dress, dates, categories, ids and all that is left out, each said."""

import numpy as np
import pytest

from clearprop.data import read_table
from clearprop.data.columns import Category, Text, encode, learn_columns
from clearprop.data.dates import Form, counted_moments
from clearprop.data.inspection import inspect
from clearprop.data.kinds import guess
from clearprop.data.readings import moments_of, numbers_only
from clearprop.data.tables import Table
from clearprop.errors import InputError

NAN = float("nan")


def table(cells, **others):
    """A table with the column x, another of numbers, and a target of two classes."""
    rows = len(cells)
    columns = {"x": list(map(str, cells)), "z": [str(i * 37 % 100) for i in range(rows)]}
    columns |= {name: list(map(str, found)) for name, found in others.items()}
    columns["y"] = ["a" if i % 3 else "b" for i in range(rows)]
    return Table("t.csv", columns)


def found(cells, **options):
    return inspect(table(cells), "y", **options).findings["x"]


# fmt: off
DRESSED = [
    (["1.5", "2", "-3e2"],                                [1.5, 2, -300],              ""),
    (["1,234,567", "12", "3,004"],                        [1234567, 12, 3004],         "thousands parted by a comma"),
    (["1.234.567", "12", "3.004"],                        [1234567, 12, 3004],         "decimal comma, thousands parted by a point"),
    (["12,34,567", "1,00,000", "5"],                      [1234567, 100000, 5],        "thousands parted by a comma"),
    (["1'234.50", "7.25", "12'000"],                      [1234.5, 7.25, 12000],       "thousands parted by an apostrophe"),
    ([" 1 000", "2\u00a0500", "3\u202f000.5", "7 "],      [1000, 2500, 3000.5, 7],     "thousands parted by a blank"),
    (["1 234,5", "7,25", "10"],                           [1234.5, 7.25, 10],          "decimal comma, thousands parted by a blank"),
    (["$2,480", "$12.50", "-$3"],                         [2480, 12.5, -3],            "thousands parted by a comma, currency '$'"),
    (["$-3", "($4)", "5"],                                [-3, -4, 5],                 "currency '$', parentheses are a minus"),
    (["1.234,50 €", "12,00 €", "7,5 €"],                  [1234.5, 12, 7.5],           "decimal comma, thousands parted by a point, currency '€'"),
    (["EUR 5", "EUR 7.5", "8 EUR"],                       [5, 7.5, 8],                 "currency 'EUR'"),
    (["12.5%", "3 %", "100%", "0"],                       [.125, .03, 1, 0],           "percent (12 % is 0.12)"),
    (["12,5%", "3,25 %", "-1%"],                          [.125, .0325, -.01],         "decimal comma, percent (12 % is 0.12)"),
    (["(0.13)", "2.00", "(1,200.5)"],                     [-.13, 2, -1200.5],          "thousands parted by a comma, parentheses are a minus"),
    (["\u22121.5", "2", "\u22120.25"],                    [-1.5, 2, -.25],             "minus signs that are no hyphen"),
    (["1,5", "2,25", "10,125"],                           [1.5, 2.25, 10.125],         "decimal comma"),
    (["0,125", "0,250", "0,375"],                         [.125, .25, .375],           "decimal comma"),
    (["1.500", "2.250", "10.125"],                        [1.5, 2.25, 10.125],         ""),
    (["5 kg", "7.5 kg", "12kg"],                          [5, 7.5, 12],                "unit 'kg'"),
    (["+5", "6", "7"],                                    [5, 6, 7],                   ""),
    (["1.5e3", "2E-1", ".5"],                             [1500, .2, .5],              ""),]
# fmt: on


@pytest.mark.parametrize(("cells", "numbers", "rule"), DRESSED)
def test_numbers_in_dress(cells, numbers, rule):
    finding = found(cells)

    assert (finding.kind, finding.dress.said()) == ("number", rule)
    np.testing.assert_allclose(numbers_only(table(cells), "x", finding.dress), numbers, rtol=1e-15)


def test_a_comma_that_no_cell_settles_is_said_and_settled_by_the_rest_of_the_file():
    open_cells = ["1,500", "2,250", "10,125"]
    alone = found(open_cells)
    beside = inspect(table(open_cells, w=["1,5", "2,5", "3,5"]), "y").findings["x"]

    assert alone.dress.number("1,500") == 1500.0
    assert "'1,500' is taken for thousands, which no cell settles (--decimal , if it is not)" in alone.says
    assert (beside.dress.number("1,500"), beside.says) == (1.5, [])
    told = Table("t.csv", table(open_cells).cells, spelling=Table("", {}).spelling.__class__(","))
    assert inspect(told, "y").findings["x"].dress.number("1,500") == 1.5


# fmt: off
MARKS = [  # cells, what parts the cells of the file, another column's cell; what they are, and whether that is said
    (["735", "1.750", "2.250", "12"],          ",", "7",    [735, 1750, 2250, 12],         ""),
    (["735", "1.752", "2.253", "12"],          ",", "7",    [735, 1.752, 2.253, 12],       "a decimal point"),
    (["1.095", "1.512", "-3.353", "2.750"],    ",", "7",    [1.095, 1.512, -3.353, 2.75],  "a decimal point"),
    (["1.095", "1.512", "3.353", "2.750"],     ",", "2.5",  [1.095, 1.512, 3.353, 2.75],   ""),
    (["1.095", "1.512", "3.353", "2.750"],     ";", "2,5",  [1095, 1512, 3353, 2750],      ""),
    (["1.000", "2.000", "15.000", "3.000"],    ",", "7",    [1, 2, 15, 3],                 "a decimal point"),
    (["1.000", "2.000", "15.000", "3.000"],    ";", "2,5",  [1000, 2000, 15000, 3000],     ""),
    (["4.000 kg", "5.500 kg", "7.250 kg", ""], ";", "7",    [4, 5.5, 7.25, NAN],           "a decimal point"),
    (["1,008", "1,089", "1,239", "2,250"],     ";", "7",    [1.008, 1.089, 1.239, 2.25],   "a decimal comma"),
    (["1,008", "735", "1,239", "2,250"],       ";", "7",    [1008, 735, 1239, 2250],       ""),
    (["£1,008", "£1,035", "£1,239", "£2,250"], ";", "7",    [1008, 1035, 1239, 2250],      "thousands"),
]
# fmt: on


@pytest.mark.parametrize(("cells", "mark", "other", "numbers", "said"), MARKS)
def test_three_digits_behind_a_mark_are_settled_by_other_cells_or_said(cells, mark, other, numbers, said):
    lines = [mark.join((f'"{cell}"', other, "ab"[i % 2])) for i, cell in enumerate(cells * 4)]
    read = read_table("\n".join([f"x{mark}w{mark}y", *lines]).encode())
    finding = inspect(read, "y", delimiter=read.delimiter).findings["x"]

    np.testing.assert_allclose(numbers_only(read, "x", finding.dress), numbers * 4, rtol=1e-15)
    assert [f"taken for {said}, which no cell settles" in told for told in finding.says] == [True] * bool(
        said
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("town,y\n" + "Bern,1\nUri,2\n" * 8 + "Total:,24\n", "'town' is 'Total:' on line 18: a row of sums"),
        ("town,y\n" + "Bern,1\nUri,2\n" * 8 + "Mean,1.5\n,\n", "'town' is 'Mean' on line 18: a row of sums"),
        ("5.1,3.5,x\n" + "4.9,3.1,y\n5.2,3.3,x\n" * 8, "the first line names a column '5.1'"),
        (
            "hair,y\n" + "none,1\nred,2\nNA,2\n" * 8,
            "'none' (8 rows) and 'NA' (8 rows) are all taken as missing",
        ),
    ],
)
def test_doubtful_rows_and_words_are_said(text, told):
    read = read_table(text.encode())

    assert any(told in said for said in inspect(read, list(read.cells)[-1]).said()), told


@pytest.mark.parametrize("pair", ["ja Nein", "oui NON", "Sí no", "vero Falso", "True false"])
def test_yes_and_no_of_other_languages_are_booleans_whatever_their_capitals(pair):
    yes, no = pair.split()
    finding = found([yes, no, yes.upper(), no.lower()] * 4)

    assert finding.kind == "boolean"


@pytest.mark.parametrize("cells", [
    ["$5", "€7", "$8"] * 4,                    # two currencies
    ["12%", "0.5", "3%", "4%"] * 4,            # half of one may be half a percent
    ["1,5", "2.5", "3.5", "4.5"] * 4,          # two decimal marks
    ["1,23,4", "5", "6", "7"] * 4,             # groups of no kind
    ["1.5", "2.5", "heavy", "3.5"] * 30,
    ["2024-01-01", "2024-01-02", "soon"] * 4,
    ["2024-02-30", "2024-01-02", "2024-01-03"] * 4,
])  # fmt: skip
def test_what_has_two_meanings_is_refused_with_the_line(cells):
    with pytest.raises(
        InputError, match=r"column 'x' holds (numbers|dates) in .* but text in .* on line \d+"
    ):
        found(cells)
    assert found(cells, columns={"x": "category"}).kind == "category"
    assert not found(cells, columns={"x": "ignore"}).used


def test_missing_words_are_pandas_and_a_few_more():
    cells = [
        "1",
        "NA",
        "nan",
        "",
        "None",
        "#N/A",
        "<NA>",
        "-",
        "n.a.",
        ".",
        "null",
        "N/A",
        "#NA",
        "NULL",
        "2",
    ]

    np.testing.assert_array_equal(numbers_only(table(cells), "x"), [1, *[NAN] * 13, 2])
    assert found(cells).kind == "number"


@pytest.mark.parametrize(("cells", "number"), [
    ([12, 14, -999, 13, -999, 15], "-999"),
    ([12.5, 14, 9999, 13, 9999, 15], "9999"),
    ([0, 5, 3, -9, -9, 2], "-9"),
    ([*range(12), 3, 4, -1, -1], "-1"),
])  # fmt: skip
def test_a_number_that_stands_for_a_missing_one_is_reported_and_can_be_named(cells, number):
    (said,) = found(cells).says
    named = Table("t.csv", table(cells).cells, spelling=type(Table("", {}).spelling)(missing=(number,)))

    assert said.startswith(f"{number} occurs in 2 rows")
    assert said.endswith(f"--missing {number}")
    assert int(np.isnan(numbers_only(named, "x")).sum()) == 2


@pytest.mark.parametrize(
    "cells", [[-1, 0, 1, -1], [1, 9, 9, 3, 5], [-99.5, 3, 99, 99, 60, 80], [90, 99, 99, 95]]
)
def test_numbers_at_home_among_the_others_are_no_sentinels(cells):
    assert found(cells).says == []


def test_a_number_too_large_is_missing_and_said():
    for big in ("1e400", "-inf"):
        finding = found([big, "1", "2"])

        assert finding.says == [f"1 cell too large for a number, such as {big!r}, taken as missing"]
        np.testing.assert_array_equal(numbers_only(table([big, "1", "2"]), "x", finding.dress), [NAN, 1, 2])


# fmt: off
DATED = [
    (["2024-02-29", "2023-12-01"],                     ["2024-02-29", "2023-12-01"],                   ""),
    (["2024/2/9", "2023/12/01"],                       ["2024-02-09", "2023-12-01"],                   ""),
    (["2024-02-29 23:15:00", "2023-12-01 08:00"],      ["2024-02-29T23:15", "2023-12-01T08:00"],       ""),
    (["2024-02-29T23:15:00.25", "2023-12-01T08:00:00"], ["2024-02-29T23:15:00.25", "2023-12-01T08:00"], ""),
    (["2024-02-29T23:15:00+01:00", "2023-12-01T08:00:00Z"], ["2024-02-29T22:15", "2023-12-01T08:00"],  "converted to UTC"),
    (["2024-01-01 00:30:00-0530", "2024-01-01 00:30 UTC"], ["2024-01-01T06:00", "2024-01-01T00:30"],   "converted to UTC"),
    (["31/12/2023", "01/02/2024"],                     ["2023-12-31", "2024-02-01"],                   "day first"),
    (["12/31/2023", "01/02/2024"],                     ["2023-12-31", "2024-01-02"],                   "month first"),
    (["01/02/2024", "03/04/2024"],                     ["2024-01-02", "2024-03-04"],                   "taken as month first: no cell tells"),
    (["01.02.2024", "03.04.2024"],                     ["2024-02-01", "2024-04-03"],                   "taken as day first: no cell tells"),
    (["31/12/69", "01/02/24"],                         ["1969-12-31", "2024-02-01"],                   "day first"),
    (["3 Mar 2024", "12 Dec 2023"],                    ["2024-03-03", "2023-12-12"],                   ""),
    (["3rd March 2024", "12th December 2023"],         ["2024-03-03", "2023-12-12"],                   ""),
    (["03-Mar-24", "12-Dec-23"],                       ["2024-03-03", "2023-12-12"],                   ""),
    (["Mar 3, 2024", "December 12 2023"],              ["2024-03-03", "2023-12-12"],                   ""),
    (["Sun, 3 Mar 2024 10:00:00 +0000", "Tue, 12 Dec 2023 11:00:00 GMT"], ["2024-03-03T10", "2023-12-12T11"], "UTC"),
    (["Sun Mar  3 10:00:00 2024", "Tue Dec 12 11:00:00 2023"], ["2024-03-03T10", "2023-12-12T11"],     ""),
    (["1/2/2024 3:15 PM", "1/13/2024 12:00 AM"],       ["2024-01-02T15:15", "2024-01-13T00:00"],       "month first"),
    (["2024-03", "2023-12"],                           ["2024-03-01", "2023-12-01"],                   ""),
    (["Mar 2024", "Dec 2023"],                         ["2024-03-01", "2023-12-01"],                   ""),
    (["20240229", "20231201"],                         ["2024-02-29", "2023-12-01"],                   "whole numbers such as"),
    (["1987 Jan", "1988 Dec"],                         ["1987-01-01", "1988-12-01"],                   ""),
    (["1987 Q1", "1988 Q4"],                           ["1987-01-01", "1988-10-01"],                   ""),
    (["08:30", "23:15"],                               ["1970-01-01T08:30", "1970-01-01T23:15"],       ""),]
# fmt: on


@pytest.mark.parametrize(("cells", "moments", "says"), DATED)
def test_dates_in_the_forms_that_people_write(cells, moments, says):
    finding = found(cells * 6)

    assert finding.kind == "date"
    assert says in "; ".join(finding.says)
    read = moments_of(table(cells), "x", finding.form)
    np.testing.assert_array_equal(read, np.array(moments, "datetime64[us]"))


def test_a_person_says_whether_the_day_is_first():
    told = Table("t.csv", table(["01/02/2024", "03/04/2024"] * 6).cells,
                 spelling=type(Table("", {}).spelling)(day_first=True))  # fmt: skip
    finding = inspect(told, "y").findings["x"]

    assert moments_of(told, "x", finding.form)[0] == np.datetime64("2024-02-01")


def test_a_date_is_what_varies_of_it_with_sine_and_cosine():
    cells = [f"2024-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:00" for i in range(200)] + [""]
    learned = table(cells)
    columns = {c.name: c for c in learn_columns(learned, inspect(learned, "y"))}
    inputs = columns["x"].encode(learned)

    assert list(columns["x"].scales) == ["elapsed", "month", "day", "weekday", "hour"]  # one year alone
    assert inputs.shape == (201, 1 + 4 * 3)
    assert np.all(inputs[200] == 0)
    np.testing.assert_allclose(inputs[:200, -2] ** 2 + inputs[:200, -1] ** 2, 1, rtol=1e-12)
    np.testing.assert_allclose(inputs[6, -2:], [1, 0], atol=1e-12)  # six o'clock: a quarter round


@pytest.mark.parametrize(("cells", "kind", "says"), [
    (["yes", "no"] * 10, "boolean", ""),
    (["TRUE", "FALSE", "True"] * 7, "boolean", ""),
    (range(200), "id", "left out: whole numbers that differ in all 200 rows"),
    (range(5000, 5100), "id", "left out: whole numbers"),
    ([f"P-{i:05d}" for i in range(200)], "id", "left out: text of 200 different values"),
    ([f"{i:05d}" for i in range(200)], "id", "left out: codes with a leading zero"),
    (["02139", "10001", "94107", "02139"] * 25, "category", "leading zero"),
    (["Oslo", "Rome", "Lima"] * 20, "category", ""),
    (["1935-", "1940-", "1945-"] * 20, "category", ""),
    (["10-19", "20-29", "30+"] * 20, "category", ""),
    ([f"the machine stopped at step {i} and was started by hand" for i in range(80)], "text", "left out"),
    (["7"] * 50, "constant", "left out: every cell is '7'"),
    (["7", ""] * 25, "category", "one value, '7', or none"),
    (["", "NA"] * 25, "empty", "left out: it has no value at all"),
    ([1, 2, 3, 4, 5] * 20, "number", ""),
    ([i * i * 997 % 100003 for i in range(200)], "number", ""),
    ([12345678901234567890 + i for i in range(50)], "id", "left out"),
])  # fmt: skip
def test_the_kind_of_a_column(cells, kind, says):
    finding = found(list(cells))

    assert finding.kind == kind
    assert says in "; ".join(finding.says)
    assert finding.used == ("left out" not in "; ".join(finding.says))


def test_years_in_order_and_days_are_measured_and_not_row_numbers():
    years = Table("t.csv", {"year": [str(1900 + i) for i in range(100)], "y": ["a", "b"] * 50})

    assert inspect(years, "y").numbers == ["year"]


def test_ranks_are_measured_and_shuffled_ids_are_known_by_their_name():
    ranks = [str((37 * i) % 101) for i in range(101)]
    columns = {"wealth": ranks, "caseid": ranks, "y": [*"ab"] * 50 + ["a"]}
    found = inspect(Table("t.csv", columns), "y").findings

    assert (found["wealth"].kind, found["caseid"].kind) == ("number", "id")


def test_row_numbers_are_used_where_there_is_nothing_else():
    reading = inspect(
        Table("t.csv", {"x": list(map(str, range(50))), "y": [f"{i * i / 7:.2f}" for i in range(50)]}), "y"
    )

    assert reading.numbers == ["x"]
    assert "used, since there is no other column" in reading.findings["x"].says[-1]


def test_a_copy_of_the_target_is_said():
    rows = 40
    columns = {"z": [f"{i * 0.37 % 1:.3f}" for i in range(rows)], "code": ["p" if i % 3 else "q" for i in range(rows)],
               "y": ["a" if i % 3 else "b" for i in range(rows)]}  # fmt: skip
    (classes,) = inspect(Table("t.csv", columns), "y").remarks
    columns |= {"y": columns["z"], "dearer": [f"{2 * float(z) + 1:.3f}" for z in columns["z"]]}
    del columns["z"]
    (numbers,) = inspect(Table("t.csv", columns), "y").remarks

    assert (
        classes == "'code' has one value for each class of the target: a copy of it? (--column 'code=ignore')"
    )
    assert (
        numbers == "'dearer' orders the rows exactly as the target: a copy of it? (--column 'dearer=ignore')"
    )


def test_a_wrong_guess_is_one_option_away():
    asked = {"x": "category"}
    assert found([1, 2, 3, 4, 5] * 20, columns=asked).kind == "category"
    assert found(range(200), columns={"x": "number"}).used
    assert (
        found([f"{1.7e9 + 86400 * i:.0f}" for i in range(50)], columns={"x": "date"}).form.name
        == "seconds since 1970"
    )
    assert found([1990 + i % 30 for i in range(60)], columns={"x": "date"}).form.name == "years"
    with pytest.raises(InputError, match="wants one of number, category, date, ignore, text: 'float'"):
        found([1, 2] * 20, columns={"x": "float"})


def test_text_is_hashed_where_it_is_asked_for():
    cells = ["the pump leaks", "all is well", "", "the pump leaks"] * 5
    column = Text("x")
    inputs = encode(table(cells), [column])

    assert found(cells, columns={"x": "text"}).used
    np.testing.assert_allclose((inputs**2).sum(axis=1)[:3], [1, 1, 0], rtol=1e-6)
    assert np.array_equal(inputs[0], inputs[3])
    assert not np.array_equal(inputs[0], inputs[1])


@pytest.mark.parametrize(
    ("unit", "per_second"), [("seconds", 1), ("milliseconds", 1e3), ("nanoseconds", 1e9)]
)
def test_a_later_table_is_read_in_the_unit_that_was_learned(unit, per_second):
    learned = read_table({"x": [(1.7e9 + 86400 * i) * per_second for i in range(50)]})
    form = guess(learned, "x", "date").form
    assert form.name == f"{unit} since 1970"
    old = read_table(
        {"x": [90_000_000.0 * per_second] * 3}
    )  # before 1973: as few digits as a larger unit has
    assert moments_of(old, "x", form)[0] == np.datetime64("1972-11-07T16:00:00")


@pytest.mark.parametrize("form", ["seconds since 1970", "milliseconds since 1970", "years"])
def test_one_number_that_is_no_moment_leaves_the_others_as_they_are(form):
    usual = {"seconds since 1970": 1.7e9, "milliseconds since 1970": 1.7e12, "years": 2023.0}[form]
    alone = counted_moments(np.full(3, usual), Form(form))
    assert str(alone[0])[:4] == "2023"
    for odd in (np.inf, -np.inf, 1e30, np.nan):
        found = counted_moments(np.array([usual, odd, usual, usual]), Form(form))
        np.testing.assert_array_equal(found[[0, 2, 3]], alone)
        assert np.isnat(found[1])


def test_yes_and_no_do_not_depend_on_capitals():
    learned = table(["Yes", "no", "YES", "No"] * 5)
    column = next(c for c in learn_columns(learned, inspect(learned, "y")) if c.name == "x")

    assert column == Category("x", ("no", "yes"), folded=True)
    assert column.encode(table(["yes", "NO"])).tolist() == [[0, 1], [1, 0]]


def test_numbers_of_14_digits_are_dates_with_a_time():
    cells = [f"2024{1 + i % 12:02}{1 + i % 28:02}{i % 24:02}3000" for i in range(40)]
    for given in (read_table({"t": cells}), read_table({"t": [int(cell) for cell in cells]})):
        finding = guess(given, "t")
        assert (finding.kind, finding.form.name) == ("date", "eight digits")
        assert moments_of(given, "t", finding.form)[13] == np.datetime64("2024-02-14T13:30")
    assert guess(read_table({"t": ["20241301000000", *cells]}), "t").kind == "number"


@pytest.mark.parametrize(("unit", "said"), [(1, "seconds since 1970"), (1000, "milliseconds since 1970")])
def test_seconds_since_1970_are_dates_by_their_name_and_said_otherwise(unit, said):
    cells = [(1_700_000_000 + 3600 * i + i % 7) * unit for i in range(60)]
    for name, kind in (("created_at", "date"), ("timestamp", "date"), ("revenue", "id"), ("x", "id")):
        given = read_table({name: cells})
        finding = guess(given, name)
        if kind == "date":
            assert (finding.kind, finding.form.name) == ("date", said)
            assert moments_of(given, name, finding.form)[0] == np.datetime64("2023-11-14T22:13:20")
            assert guess(given, name, "number").kind == "number"
        else:
            assert finding.kind in ("id", "number")
            assert f"may be {said}: --column '{name}=date'" in "; ".join(finding.says)
    spread = guess(read_table({"time": [1_000_000 * i for i in range(60)]}), "time")
    assert "1970" not in "; ".join(spread.says)


@pytest.mark.parametrize(("odd", "times", "said"), [
    ("9999-12-31", 3, True), ("1900-01-01", 3, True), ("9999-12-31", 1, True),
    ("2035-01-01", 1, False), ("2024-12-31", 3, False),
])  # fmt: skip
def test_a_date_far_from_all_others_is_said(odd, times, said):
    days = [f"2024-{1 + i % 6:02}-{1 + i % 28:02}" for i in range(50)] + [odd] * times
    for given in (days, np.array(days, "datetime64[D]")):
        told = "; ".join(guess(read_table({"day": given}), "day").says)
        assert (f"{odd}" in told) == said
        assert ("the others are from 2024-01-01 to 2024-06-" in told) == said
    if said:
        assert f"--missing '{odd}'" in "; ".join(guess(read_table({"day": days}), "day").says)


@pytest.mark.parametrize(
    "name", ["created_by", "update_count", "lifetime", "candidate", "centimeters", "time_id"]
)
def test_a_name_that_only_contains_time_or_date_makes_no_dates_of_large_counts(name):
    counts = [1_500_000_000 + 7_654_321 * i % 200_000_000 for i in range(60)] * 2
    finding = guess(read_table({name: counts}), name)

    assert finding.kind == "number"
    assert f"may be seconds since 1970: --column '{name}=date'" in "; ".join(finding.says)
