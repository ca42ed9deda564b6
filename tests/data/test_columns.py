"""What columns mean: kinds, encodings, targets, and the tables that teach nothing."""

import numpy as np
import pytest

from clearprop.data.columns import Category, Number, encode, learn_columns
from clearprop.data.goals import Classes, Quantity, learn_target
from clearprop.data.inspection import Reading, inspect, with_target
from clearprop.data.kinds import Finding
from clearprop.data.tables import Table
from clearprop.data.targets import labels
from clearprop.errors import InputError


def table(**columns):
    columns = {name: [str(cell) for cell in cells] for name, cells in columns.items()}
    rows = len(next(iter(columns.values())))
    return Table("t.csv", columns, list(range(2, rows + 2)))


def refusal(function, *args, **options):
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cells", "task"),
    [
        (["yes", "no"] * 5, "classification"),
        (["True", "False"] * 5, "classification"),
        ([0, 1] * 5, "classification"),
        ([1.0, 2.0] * 5, "classification"),
        (list(range(20)) * 10, "classification"),
        (list(range(20)) * 2, "regression"),  # more classes than a tenth of the rows
        (list(range(21)) * 12, "regression"),
        (list(range(10)), "regression"),
        ([0.5, 1.5] * 5, "classification"),  # two values
        ([0.5, 1.5, 2.5] * 10, "regression"),
    ],
)
def test_the_task_follows_from_the_target(cells, task):
    assert inspect(table(x=range(len(cells)), y=cells), "y").task == task


def test_the_task_can_be_said():
    assert inspect(table(x=range(10), y=[0, 1] * 5), "y", task="regression").task == "regression"


def test_columns_are_numbers_or_text_or_left_out():
    names = [f"person {i}" for i in range(30)]
    found = inspect(
        table(
            x=[*range(29), 0], kind=[*["a", "b"] * 14, "b", "b"], name=names, empty=["NA"] * 30, y=[0, 1] * 15
        ),
        "y",
    )

    assert (found.numbers, found.texts) == (["x"], ["kind"])
    assert found.said() == [
        "'name': left out: text of 30 different values in 30 rows, such as 'person 0'",
        "'empty': left out: it has no value at all",
    ]


def test_text_among_numbers_is_refused_with_its_line():
    cells = [str(i) for i in range(30)]
    cells[4] = "twelve"

    assert refusal(inspect, table(x=cells, y=[0, 1] * 15), "y") == (
        "t.csv: column 'x' holds numbers in 29 rows but text in 1: 'twelve' on line 6.\n"
        "  Try --missing 'twelve' if it stands for a missing cell, "
        "--column 'x=category', or --column 'x=ignore'."
    )
    assert inspect(table(x=cells, z=cells, y=[0, 1] * 15), "y", categorical=["x"], ignore=["z"]).texts == [
        "x"
    ]


def test_a_word_for_missing_among_numbers_is_refused_however_frequent():
    cells = [str(i) if i % 3 else "unknown" for i in range(30)]

    assert "but text in 10: 'unknown' on line 2" in refusal(inspect, table(x=cells, y=[0, 1] * 15), "y")


def test_a_mixed_column_with_many_words_is_text():
    cells = [str(i % 4) if i % 3 else f"word {i % 12}" for i in range(60)]

    assert inspect(table(x=cells, y=[0, 1] * 30), "y").texts == ["x"]


def test_text_in_a_target_of_numbers_is_refused():
    cells = ["1.5", "2.5", "3.5"] * 10
    cells[7] = "big"

    assert "the target 'y' holds numbers in 29 rows but text in 1: 'big' on line 9" in refusal(
        inspect, table(x=range(30), y=cells), "y"
    )
    reading = inspect(table(x=range(30), y=["a", "b", "c"] * 10), "y", task="regression")
    assert refusal(with_target, table(x=range(30), y=["a", "b", "c"] * 10), reading) == (
        "t.csv: column 'y' wants numbers: 'a' on line 2, and text in 29 more rows."
    )


def test_an_unknown_column_is_refused_in_every_option():
    small = table(x=range(10), y=[0, 1] * 5)

    assert "has no column 'z'" in refusal(inspect, small, "z")
    assert "has no column 'z'" in refusal(inspect, small, "y", ignore=["z"])
    assert "has no column 'z'" in refusal(inspect, small, "y", categorical=["z"])


def test_nothing_to_learn_from_is_refused():
    small = table(y=[0, 1] * 5)

    assert refusal(inspect, small, "y") == "t.csv: wants columns to predict 'y' from: there are no others."


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a"] * 12, "t.csv: has one class only, so there is nothing to learn: 'y' is 'a' in every row."),
        ([3] * 12, "t.csv: has one value only, so there is nothing to learn: 'y' is '3' in every row."),
        ([1.5] * 12, "t.csv: has one value only, so there is nothing to learn: 'y' is '1.5' in every row."),
        ([0, 1] * 3, "t.csv: wants at least 10 rows to learn from and to test on: 6 with a known 'y'."),
    ],
)
def test_targets_that_teach_nothing_are_refused(cells, message):
    small = table(x=range(len(cells)), y=cells)

    assert refusal(with_target, small, inspect(small, "y")) == message


def test_rows_without_a_target_are_left_out():
    small = table(x=range(12), y=["?", *["a", "b"] * 5, ""])
    reading = inspect(small, "y")

    assert len(with_target(small, reading)) == 10
    assert reading.remarks == ["2 of 12 rows are left out: 'y' is missing ('?')"]


def test_numbers_are_filled_with_the_median_and_scaled():
    learned = table(x=[1, 2, "", 9], y=[0, 1, 0, 1])
    (column,) = learn_columns(learned, inspect(learned, "y"))
    encoded = encode(learned, [column])

    assert column.median == 2.0
    np.testing.assert_allclose(
        encoded[:, 0], (np.array([1, 2, 2, 9]) - 3.5) / np.std([1, 2, 2, 9]), rtol=1e-6
    )
    assert encoded.dtype == np.float32


def test_equal_numbers_are_not_divided_by_zero():
    learned = table(x=[5, 5, 5], z=[0.1] * 3, y=[0, 1, 0])

    reading = inspect(learned, "y", columns={"x": "number", "z": "number"})
    np.testing.assert_allclose(encode(learned, learn_columns(learned, reading)), 0, atol=1e-7)


def test_one_scale_is_shared_by_all_numbers():
    learned = table(a=[0, 2], b=[0, 4], y=["p", "q"])
    first, second = learn_columns(learned, inspect(learned, "y"), one_scale=True)

    assert (first.mean, first.scale) == (second.mean, second.scale) == (1.5, np.std([0, 2, 0, 4]))


def test_categories_are_spread_out_and_missing_is_one_of_its_own():
    learned = table(x=["red", "blue ", "NA", "red"], y=[0, 1, 0, 1])
    (column,) = learn_columns(learned, inspect(learned, "y"))

    assert column == Category("x", ("blue", "red", None))
    np.testing.assert_array_equal(column.encode(learned), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]])


def test_an_unseen_category_is_zero_everywhere_and_reported():
    column = Category("x", ("blue", "red"))
    fresh = table(x=["green", "red", ""])

    np.testing.assert_array_equal(column.encode(fresh), [[0, 0], [0, 1], [0, 0]])
    assert column.unseen(fresh) == ["green"]


def test_only_the_most_frequent_categories_get_an_input_and_the_others_share_one():
    cells = [f"w{i}" for i in range(400) for _ in range(4 if i < 256 else 3)]
    learned = table(x=cells, y=[i % 2 for i in range(len(cells))])
    (column,) = learn_columns(learned, inspect(learned, "y"))

    assert sorted(column.values) == sorted(f"w{i}" for i in range(256))
    assert sorted(column.pooled) == sorted(f"w{i}" for i in range(256, 400))
    assert column.encode(table(x=["w300", "new", "w0", ""])).sum(axis=1).tolist() == [1, 1, 1, 0]
    assert column.encode(table(x=["w300", "new"]))[:, -1].tolist() == [1, 1]
    assert (column.unseen(table(x=["w300", "new"])), column.rare(table(x=["w300", "new"]))) == (["new"], 1)


def test_classes_are_sorted_as_numbers_where_they_are_numbers():
    learned = table(x=range(12), y=["10", "9", "9.0"] * 4)
    reading = inspect(learned, "y")
    target = learn_target(learned, reading, learned)

    assert target == Classes("y", ("9", "10"))
    assert target.encode(learned).tolist() == [1, 0, 0] * 4
    assert labels(["1.0", " a ", "1.5"]) == ["1", "a", "1.5"]


def test_a_quantity_comes_back_in_its_own_units():
    learned = table(x=range(4), y=[1.5, 2.5, 3.5, 9.5])
    target = learn_target(learned, inspect(learned, "y"), learned)
    encoded = target.encode(learned)

    assert isinstance(target, Quantity)
    np.testing.assert_allclose([encoded.mean(), encoded.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(target.decode(encoded), [1.5, 2.5, 3.5, 9.5])


def test_every_column_that_a_table_lacks_is_named():
    columns = [Number("a", 0, 0, 1), Number("b", 0, 0, 1), Number("c", 0, 0, 1)]

    assert refusal(encode, table(b=[1]), columns) == (
        "t.csv: lacks 2 columns that the model reads: 'a' and 'c'.\n  The table has 'b'."
    )
    assert "lacks a column that the model reads: 'a'." in refusal(encode, table(b=[1], c=[1]), columns)


def test_text_in_a_number_column_is_refused_when_predicting():
    message = refusal(encode, table(a=["1", "x", "y"]), [Number("a", 0, 0, 1)])

    assert message == "t.csv: column 'a' wants numbers: 'x' on line 3, and text in one more row."


def test_numbers_too_large_to_scale_are_refused():
    learned = table(x=["1e308", "-1e308", "1"], y=[0, 1, 0])

    assert "column 'x' holds numbers too large to scale" in refusal(
        learn_columns, learned, inspect(learned, "y")
    )


def test_text_in_a_target_of_numbers_says_what_helps_there():
    stray = table(a=range(30), y=[*range(29), "oops"])

    assert refusal(inspect, stray, "y") == (
        "t.csv: the target 'y' holds numbers in 29 rows but text in 1: 'oops' on line 31.\n"
        "  Try --missing 'oops' if it stands for a missing cell, or --task classification."
    )


def test_a_target_cannot_be_left_out_and_may_be_a_category():
    numbers = table(a=range(30), y=[i / 2 for i in range(30)])

    assert refusal(inspect, numbers, "y", ignore=["y"]) == (
        "t.csv: cannot both predict a column and leave it out: 'y'."
    )
    fewer = table(a=range(60), y=[i % 6 / 2 for i in range(60)])
    assert (inspect(fewer, "y").task, inspect(fewer, "y", categorical=["y"]).task) == (
        "regression",
        "classification",
    )


def test_codes_of_digits_stay_as_they_are():
    assert labels(["007", "1.0", " 2 ", "x", "1e300"]) == ["007", "1", "2", "x", "1e300"]


def test_thousands_with_a_comma_are_not_taken_for_decimals():
    money = table(a=["1,500", "2,250", "3,125", "900"] * 5, y=[0.5, 1, 2, 3] * 5)

    assert inspect(money, "y").numbers == ["a"]
    assert money.numbers("a")[0][:4].tolist() == [1500, 2250, 3125, 900]


def test_a_column_that_differs_in_its_capitals_is_named():
    columns = learn_columns(
        table(Length=range(9), y=range(9)),
        Reading("y", "regression", {"Length": Finding("Length", "number")}),
    )

    assert refusal(encode, table(length=range(3)), columns) == (
        "t.csv: lacks a column that the model reads: 'Length'.\n"
        "  The table has 'length'.\n  Try renaming 'length' to 'Length'."
    )
