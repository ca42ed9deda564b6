"""What a target asks for: classes, numbers, counts, or a refusal."""

import pytest

from clearprop.data.goals import Count, learn_target
from clearprop.data.inspection import inspect, with_target
from clearprop.data.tables import Table
from clearprop.errors import InputError


def reading(cells, **options):
    columns = {"z": [f"{i * 0.37 % 1:.3f}" for i in range(len(cells))], "y": list(map(str, cells))}
    return inspect(Table("t.csv", columns), "y", **options)


def refusal(cells, **options):
    with pytest.raises(InputError) as caught:
        reading(cells, **options)
    return str(caught.value)


COUNTS = [0] * 60 + [1] * 90 + [2] * 67 + [3] * 33 + [4] * 13 + [5] * 4 + [7]


# fmt: off
TARGETS = [
    (["spam", "ham"] * 60,                                       "classification", ""),
    (["yes", "no"] * 60,                                         "classification", ""),
    ([0, 1] * 60,                                                "classification", "--task regression"),
    ([-1, 1] * 60,                                               "classification", "--task regression"),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 1] * 20,                        "classification", "--task regression"),
    ([i % 10 for i in range(300)],                               "classification", "--task regression"),
    ([1 + i % 5 for i in range(200)],                            "classification", "--task regression"),
    (["1.0", "2.0", "3.0"] * 40,                                 "classification", "--task regression"),
    (["02139", "10001", "94107"] * 40,                           "classification", ""),
    (COUNTS,                                                     "regression",     "a count; --loss poisson"),
    ([v + 1 for v in COUNTS if v < 6],                           "regression",     "a count"),
    ([2] * 9 + [3] * 18 + [4] * 27 + [5] * 32 + [6] * 32 + [7] * 28 + [8] * 21 + [9] * 14 + [10] * 8, "regression", "a count"),
    ([1990 + i % 30 for i in range(300)],                        "regression",     ""),
    ([3, 17, 40, 112] * 50,                                      "regression",     "--task classification"),
    ([0, 1, 2] * 100 + [3],                                      "regression",     "--task classification"),  # under 1 %
    ([i % 21 for i in range(420)],                               "regression",     ""),
    ([f"{1_000_000 + 3571 * i:,}" for i in range(200)],          "regression",     "thousands parted by a comma"),
    ([f"${100 + 3.25 * i:.2f}" for i in range(200)],             "regression",     "currency '$'"),
    ([f"{i}%" for i in range(50)] * 2,                           "regression",     "percent"),
    ([f"{i},5" for i in range(100)],                             "regression",     "decimal comma"),]
# fmt: on


@pytest.mark.parametrize(("cells", "task", "says"), TARGETS)
def test_what_a_target_asks_for(cells, task, says):
    found = reading(cells)

    assert found.task == task
    assert says in "; ".join(found.aim.says)


def test_text_among_numbers_names_the_line():
    assert "the target 'y' holds numbers in 150 rows but text in 50: 'missing' on line 3" in refusal(
        ["1.5", "missing", "2.5", "3.25"] * 50
    )


def test_classes_of_a_continuous_target_are_refused():
    cells = [f"{i * 0.37:.2f}" for i in range(200)]

    for options in ({"task": "classification"}, {"categorical": ["y"]}, {"columns": {"y": "category"}}):
        assert "wants classes, and 'y' is continuous: 200 different numbers in 200 rows" in refusal(
            cells, **options
        )


@pytest.mark.parametrize("options", [{}, {"task": "classification"}])
def test_more_classes_than_a_tenth_of_the_rows_want_a_word(options):
    cells = [f"user{i}" for i in range(150)]

    assert "more classes than a tenth of its rows: 150 classes in 150 rows" in refusal(cells, **options)
    assert reading(cells, many_classes=True, **options).task == "classification"
    assert reading([i % 30 for i in range(300)], task="classification").task == "classification"


def test_a_target_of_dates_is_refused():
    assert "wants classes or numbers: it holds dates" in refusal(
        [f"2024-01-{1 + i % 28:02}" for i in range(60)]
    )


def test_the_numbers_of_a_dressed_target_are_learned():
    cells = [f"${1000 + i:,}" for i in range(40)]
    found = reading(cells)
    table = with_target(Table("t.csv", {"z": cells, "y": cells}), found)
    target = learn_target(table, found, table)

    assert (target.mean, target.values(table)[1]) == (1019.5, 1001.0)


def test_a_count_is_learned_by_the_logarithm_of_what_is_expected():
    found = reading(COUNTS)
    table = Table("t.csv", {"y": list(map(str, COUNTS))})
    target = learn_target(table, found, table, loss="poisson")

    assert isinstance(target, Count)
    assert target.decode([[0.0]]) == pytest.approx([sum(COUNTS) / len(COUNTS)])
    below = Table("t.csv", {"y": ["-1", "5", "7"]})
    with pytest.raises(
        InputError,
        match="--loss poisson: wants counts: numbers of 0 or more, and not 0 alone: '-1' on line 2",
    ):
        learn_target(below, found, below, loss="poisson")
